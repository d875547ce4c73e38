/* SPDX-License-Identifier: MIT */
/*
 * Sleeping on a word: the Linux futex; elsewhere, and with -DCONC_NO_FUTEX, a
 * small table of mutexes and conditions, hashed by the word's address.
 */
#include "base/futex.h"
#include "base/fork.h"
#include <errno.h>
#include <stddef.h>
#ifdef __linux__
#include <sys/syscall.h>
#endif

#if defined(SYS_futex) && !defined(CONC_NO_FUTEX)

#include <limits.h>
#include <linux/futex.h>
#include <unistd.h>

/* The system call's timespec: of longs, also where time_t is longer. */
struct moment {
	long seconds, nanoseconds;
};

int
conc__futex_wait(conc__atomic_u32 *word, uint32_t expected, conc_time deadline)
{
	struct moment end = {0, 0}, *until = NULL;

	if (deadline.ns != INT64_MAX) {
		if (deadline.ns > 0) {
			end.seconds = deadline.ns / 1000000000 < LONG_MAX
			    ? (long)(deadline.ns / 1000000000)
			    : LONG_MAX;
			end.nanoseconds = (long)(deadline.ns % 1000000000);
		}
		until = &end;
	}
	/* Of all its waits only the one with a mask takes an absolute monotonic time. */
	if (syscall(SYS_futex, word, FUTEX_WAIT_BITSET | FUTEX_PRIVATE_FLAG, expected, until,
		NULL, FUTEX_BITSET_MATCH_ANY) == 0)
		return 0;
	/* EAGAIN: *word differed.  EINTR: a signal.  No other can be. */
	return errno == ETIMEDOUT ? -ETIMEDOUT : 0;
}

void
conc__futex_wake(conc__atomic_u32 *word, int n)
{
	/* EFAULT: the word's memory is gone, and with it whoever slept there. */
	(void)syscall(SYS_futex, word, FUTEX_WAKE | FUTEX_PRIVATE_FLAG, n, NULL, NULL, 0);
}

void
conc__futex_forked(void)
{
	/* Who slept stayed in the parent; the kernel keeps nothing for us. */
}

#else

#include "base/pthread.h"

enum { BUCKETS = 64 };

static struct bucket {
	pthread_mutex_t mutex;    /* held from the look at the word until asleep */
	pthread_cond_t condition; /* a word that falls into this bucket was woken */
} buckets[BUCKETS];

static pthread_once_t once = PTHREAD_ONCE_INIT;

static void
init(void)
{
	for (int i = 0; i < BUCKETS; i++) {
		pthread_mutex_init(&buckets[i].mutex, NULL);
		conc__cond_init(&buckets[i].condition);
	}
}

/*
 * The locks of programs come without an object that would have installed the
 * fork handler.  If there is no memory for it they work, but in no child.
 */
static void
start(void)
{
	uint32_t generation;

	init();
	(void)conc__generation(&generation);
}

static struct bucket *
bucket_of(conc__atomic_u32 *word)
{
	uintptr_t address = (uintptr_t)word;

	pthread_once(&once, start);
	return &buckets[(address >> 3 ^ address >> 9 ^ address >> 15) % BUCKETS];
}

int
conc__futex_wait(conc__atomic_u32 *word, uint32_t expected, conc_time deadline)
{
	struct bucket *b = bucket_of(word);
	int rc = 0;

	pthread_mutex_lock(&b->mutex);
	/*
	 * relaxed: the bucket's mutex orders.  A waker that took it before us has
	 * changed the word, and we see it; one that takes it after us finds us
	 * asleep.  Woken by conc__futex_wake, also for a neighbour in the bucket.
	 */
	if (conc__load_relaxed(word) == expected)
		rc = conc__cond_wait(&b->condition, &b->mutex, deadline);
	pthread_mutex_unlock(&b->mutex);
	return rc;
}

void
conc__futex_wake(conc__atomic_u32 *word, int n)
{
	struct bucket *b = bucket_of(word);

	(void)n; /* all: some of the sleepers may sleep on other words */
	pthread_mutex_lock(&b->mutex);
	pthread_cond_broadcast(&b->condition);
	pthread_mutex_unlock(&b->mutex);
}

/* A thread that stayed in the parent may have held a bucket. */
void
conc__futex_forked(void)
{
	init();
}

#endif
