/* SPDX-License-Identifier: MIT */
/*
 * Completions: futures in the order in which they end.
 *
 * An entry is on the list of those that are awaited until its future's end
 * moves it to the list of those that are ready.  Both lists, and the bell,
 * are guarded by the set's lock, which is taken under a future's lock, never
 * the other way round.
 */
#include "base/clock.h"
#include "base/fork.h"
#include "base/futex.h"
#include "base/lock.h"
#include "base/memory.h"
#include "base/process.h"
#include "base/thread.h"
#include "future/frame.h"
#include "future/future.h"
#include <conc/future.h>

struct entry {
	struct conc__watcher watcher; /* first: fire casts it back */
	conc_completions *set;
	conc_future *future; /* one reference */
	void *user;
	struct entry *next, *prev;
};

struct conc_completions {
	struct conc__mutex lock;
	/*
	 * Counts up, under the lock, when an entry became ready, was added, or the last one
	 * left.  Those who sleep on it are woken when the lock has been let go, so that they
	 * do not run into it; the set may be gone by then, but only its address is used.
	 */
	conc__atomic_u32 changes;
	struct entry *awaited;          /* doubly linked, in no order */
	struct entry *ready, **tail;    /* singly linked, in the order of their ends */
	uint32_t generation;
	unsigned waiting; /* threads that sleep, or are about to */
	int bell;         /* rings while something is ready; -1: not asked for yet */
};

int
conc_completions_create(conc_completions **c)
{
	conc_completions *new;
	int rc;

	if (c == NULL)
		return -EINVAL;
	new = conc__calloc(1, sizeof *new);
	if (new == NULL)
		return -ENOMEM;
	new->tail = &new->ready;
	new->bell = -1;
	rc = conc__generation(&new->generation);
	if (rc == 0)
		rc = conc__mutex_init(&new->lock, CONC__RANK_COMPLETIONS);
	if (rc != 0)
		conc__free(new);
	else
		*c = new;
	return rc;
}

/* With the lock held: take e off the awaited. */
static void
remove_awaited(conc_completions *c, struct entry *e)
{
	if (e->prev != NULL)
		e->prev->next = e->next;
	else
		c->awaited = e->next;
	if (e->next != NULL)
		e->next->prev = e->prev;
}

/* With the lock held: put e behind the ready ones. */
static void
make_ready(conc_completions *c, struct entry *e)
{
	e->next = e->prev = NULL;
	*c->tail = e;
	c->tail = &e->next;
}

/* With the lock held, which is let go: wake so many of those who wait. */
static void
unlock_and_wake(conc_completions *c, int n)
{
	bool wake = n > 0 && c->waiting > 0;

	/* relaxed: under the lock; the sleepers' futex compares it */
	if (wake)
		conc__store_relaxed(&c->changes, conc__load_relaxed(&c->changes) + 1);
	conc__mutex_unlock(&c->lock);
	if (wake)
		conc__futex_wake(&c->changes, n);
}

/* e's future has ended: its place is among the ready ones. */
static void
fire(struct conc__watcher *w, conc_future *f)
{
	struct entry *e = (struct entry *)w;
	conc_completions *c = e->set;

	conc__mutex_lock(&c->lock);
	if (!conc__future_ended(f)) { /* it was put back: perhaps who waits is to run it */
		unlock_and_wake(c, INT32_MAX);
		return;
	}
	remove_awaited(c, e);
	make_ready(c, e);
	if (c->bell >= 0)
		conc__bell_ring(c->bell);
	unlock_and_wake(c, 1);
}

int
conc_completions_add(conc_completions *c, conc_future *f, void *user)
{
	struct entry *e;

	if (c == NULL || f == NULL)
		return -EINVAL;
	if (conc__forked(c->generation) || conc__future_forked(f))
		return CONC_EFORKED;
	e = conc__malloc(sizeof *e);
	if (e == NULL)
		return -ENOMEM;
	*e = (struct entry){
	    .watcher.fire = fire, .set = c, .future = conc_future_ref(f), .user = user};

	conc__mutex_lock(&c->lock);
	e->next = c->awaited;
	if (e->next != NULL)
		e->next->prev = e;
	c->awaited = e;
	conc__mutex_unlock(&c->lock);

	if (!conc__future_link(f, &e->watcher)) {
		fire(&e->watcher, f);
		return 0;
	}
	conc__mutex_lock(&c->lock);
	/* A worker that waits may now have something to run itself. */
	unlock_and_wake(c, INT32_MAX);
	return 0;
}

/*
 * With the lock held: hand the first ready entry over.  Return how many to wake: who waits
 * on for nothing is to know.
 */
static int
take(conc_completions *c, conc_future **f, void **user)
{
	struct entry *e = c->ready;

	c->ready = e->next;
	if (c->ready == NULL) {
		c->tail = &c->ready;
		if (c->bell >= 0)
			conc__bell_hush(c->bell);
	}
	*f = e->future;
	if (user != NULL)
		*user = e->user;
	conc__free(e);
	return c->ready == NULL && c->awaited == NULL ? INT32_MAX : 0;
}

/* With the lock held, let go meanwhile: sleep until something has changed, or until then. */
static void
sleep_until(conc_completions *c, conc_time until)
{
	uint32_t before = conc__load_relaxed(&c->changes); /* relaxed: under the lock */

	c->waiting++;
	conc__mutex_unlock(&c->lock);
	/* woken by fire(), by an add, and by whoever takes the last one */
	(void)conc__futex_wait(&c->changes, before, until);
	conc__mutex_lock(&c->lock);
	c->waiting--;
}

/* A claim, which the task may leave by pthread_exit. */
struct claim {
	conc_future *future; /* one reference */
	conc_time deadline;
	bool claimed;
};

static int
claim(void *arg)
{
	struct claim *c = arg;

	return conc__future_claim(c->future, c->deadline, &c->claimed);
}

static void
claimed(void *arg)
{
	conc_future_release(((struct claim *)arg)->future);
}

/*
 * With the lock held, let go meanwhile: run one of the awaited futures on this
 * thread, if it may.  *again: look again.
 */
static int
claim_one(conc_completions *c, conc_time deadline, bool *again)
{
	struct claim one = {.deadline = deadline};
	int rc;

	for (struct entry *e = c->awaited; e != NULL && one.future == NULL; e = e->next)
		if (conc__future_claimable(e->future, deadline))
			one.future = conc_future_ref(e->future);
	*again = one.future != NULL; /* also when another was faster: the next one may do */
	if (one.future == NULL)
		return 0;
	conc__mutex_unlock(&c->lock);
	rc = conc__guard(claim, claimed, &one);
	claimed(&one);
	conc__mutex_lock(&c->lock);
	return rc;
}

/* With the lock held: is all that is awaited a task that runs on this very thread? */
static bool
awaits_itself(const conc_completions *c)
{
	const struct conc__self *self = conc__self();

	for (const struct entry *e = c->awaited; e != NULL; e = e->next)
		if (!conc__frame_runs(self, e->future))
			return false;
	return true;
}

/* With the lock held, let go meanwhile: until something is ready. */
static int
await_ready(conc_completions *c, conc_time deadline, conc_time latest)
{
	conc_time until;
	bool claimed;
	int rc;

	while (c->ready == NULL) {
		if (c->awaited == NULL)
			return -ENOENT;
		rc = conc__may_block(latest);
		if (rc != 0)
			return rc;
		if (awaits_itself(c))
			return -EDEADLK;
		rc = claim_one(c, deadline, &claimed);
		if (rc != 0)
			return rc;
		if (claimed)
			continue;
		until = latest;
		for (const struct entry *e = c->awaited; e != NULL; e = e->next)
			until = conc__future_look_at(e->future, deadline, until);
		sleep_until(c, until);
	}
	return 0;
}

int
conc_completions_next(conc_completions *c, conc_future **f, void **user, conc_time deadline)
{
	return conc__completions_next(c, f, user, deadline, deadline);
}

int
conc__completions_next(
    conc_completions *c, conc_future **f, void **user, conc_time deadline, conc_time until)
{
	int rc, wake = 0;

	if (c == NULL || f == NULL)
		return -EINVAL;
	if (conc__forked(c->generation))
		return CONC_EFORKED;
	conc__mutex_lock(&c->lock);
	rc = await_ready(c, deadline, until);
	if (rc == 0)
		wake = take(c, f, user);
	unlock_and_wake(c, wake);
	return rc;
}

int
conc_completions_fd(conc_completions *c)
{
	int fd;

	if (c == NULL)
		return -EINVAL;
	if (conc__forked(c->generation))
		return CONC_EFORKED;
	conc__mutex_lock(&c->lock);
	fd = c->bell;
	if (fd < 0) {
		fd = conc__bell();
		if (fd >= 0) {
			c->bell = fd;
			if (c->ready != NULL)
				conc__bell_ring(fd);
		}
	}
	conc__mutex_unlock(&c->lock);
	return fd;
}

static void
free_entries(struct entry *e)
{
	struct entry *next;

	for (; e != NULL; e = next) {
		next = e->next;
		conc_future_release(e->future);
		conc__free(e);
	}
}

/* Wait for no future: see that none of the awaited fires any more. */
static void
unlink_awaited(conc_completions *c)
{
	struct entry *e;

	conc__mutex_lock(&c->lock);
	while ((e = c->awaited) != NULL) {
		/* Not under our lock: a future's comes before it.  Nobody else frees e. */
		conc__mutex_unlock(&c->lock);
		conc__future_unlink(e->future, &e->watcher);
		conc__mutex_lock(&c->lock);
		if (c->awaited == e) { /* it has not fired, and never will */
			remove_awaited(c, e);
			make_ready(c, e);
		}
	}
	conc__mutex_unlock(&c->lock);
}

void
conc_completions_destroy(conc_completions *c)
{
	if (c == NULL)
		return;
	if (conc__forked(c->generation)) {
		/*
		 * Whoever held the lock is not here: then the lists are perhaps half
		 * changed.
		 */
		if (conc__mutex_try(&c->lock)) {
			free_entries(c->ready);
			free_entries(c->awaited);
			conc__mutex_unlock(&c->lock);
		}
	} else {
		unlink_awaited(c);
		free_entries(c->ready);
		conc__mutex_destroy(&c->lock);
	}
	if (c->bell >= 0)
		(void)conc__close(c->bell);
	conc__free(c);
}
