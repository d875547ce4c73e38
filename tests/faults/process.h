/* SPDX-License-Identifier: MIT */
#ifndef CONC_TESTS_FAULTS_PROCESS_H
#define CONC_TESTS_FAULTS_PROCESS_H

/*
 * The books of a process pool under faults.
 *
 * share_books()         once, before all
 * open_pool(options)    false: a fault refused it
 * give(fn, size)        submit fn, whose argument is a struct load
 * take(given, code)     it ends with code, or as the fault may cause
 * close_pool()          it works still; then nothing of it is left
 * balance()             the last of that, for who has destroyed the pool
 */
#include "tests/faults/faults.h"
#include <conc/conc.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/resource.h>

enum { WORKERS = 2, RUNS = 64, LARGE = 100000 };

/* What all processes see. */
static struct shared {
	atomic_int runs[RUNS]; /* of each task, by number */
	atomic_int again;      /* runs of those that may run again */
	atomic_int logged[RUNS]; /* records of each task that have been written */
	atomic_int leaks;
} *shared;

/* The books of a run. */
static struct {
	conc_executor *pool;
	int next;           /* number of a task */
	int crashed;        /* tasks that a kill has cost */
	int leash[2];       /* a pipe: each process of the pool holds its end */
	int accepted;
	atomic_int cleaned; /* on the dispatcher, or by who cancels */
	atomic_int heard[RUNS]; /* of the records of each task */
} books;

static inline void
share_books(void)
{
	must(setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0}) == 0);
	shared = mmap(
	    NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	must(shared != MAP_FAILED);
}

static inline bool
kills(void)
{
	return !faultless && (fault_how & CONC__FAULT_KILL);
}

static inline bool
onwards(void)
{
	return !faultless && (fault_how & CONC__FAULT_ONWARDS);
}

/* A code that a call may have that fails for want of something. */
static inline bool
wants(int rc)
{
	return rc == -ENOMEM || rc == -EAGAIN || rc == -EMFILE;
}

/* May the host refuse something with rc? */
static inline bool
refused(int rc)
{
	if (rc == CONC_EBROKEN)
		return onwards();
	return !faultless && fault_role == CONC__FAULT_HOST && wants(rc);
}

/* May rc be what came of a task that should have ended with code? */
static inline bool
may_end(int rc, int code)
{
	if (rc == code)
		return true;
	if (faultless)
		return false;
	if (rc == CONC_EBROKEN)
		return onwards();
	if (!kills()) /* what the zygote wants costs no task */
		return fault_role != CONC__FAULT_ZYGOTE && wants(rc);
	books.crashed++;
	return rc == CONC_ECRASHED;
}

/* Have all others let go of the pipe's end? */
static inline bool
leash_is_free(int ends[2])
{
	struct pollfd end = {.fd = ends[0]};
	int rc;

	close(ends[1]);
	do
		rc = poll(&end, 1, hang_alarm);
	while (rc == -1 && errno == EINTR);
	close(ends[0]);
	return rc == 1 && (end.revents & POLLHUP);
}

static inline bool
open_pool(const conc_process_pool_options *options)
{
	int rc;

	memset(&books, 0, sizeof books);
	memset(shared, 0, sizeof *shared);
	must(pipe2(books.leash, O_CLOEXEC) == 0);
	rc = conc_process_pool_create(&books.pool, options);
	must(rc == 0 || (fault_role == CONC__FAULT_HOST && refused(rc)));
	must((rc == 0) == (books.pool != NULL));
	if (rc != 0)
		must(leash_is_free(books.leash));
	return rc == 0;
}

/* A task's argument; echoes give it back, whole or its number alone. */
struct load {
	int number;
	char rest[LARGE];
};

static inline void
began(int number)
{
	must(number >= 0 && number < RUNS);
	atomic_fetch_add(&shared->runs[number], 1);
}

static inline int
echo_task(const void *arg, void *result)
{
	memcpy(result, arg, sizeof(int));
	began(*(int *)result);
	return 0;
}

static inline int
echo_large(const void *arg, void *result)
{
	memcpy(result, arg, sizeof(struct load));
	began(*(int *)result);
	return 0;
}

static inline int
echo_room(const void *arg, void *result)
{
	struct load *room = conc_result_alloc(sizeof *room);

	(void)result;
	if (room == NULL)
		return conc_raise(-ENOMEM, "no room");
	memcpy(room, arg, sizeof *room);
	began(room->number);
	return 0;
}

static inline void
count_cleanup(void *user)
{
	must(user == &books);
	books.cleaned++;
}

struct given {
	conc_future *f; /* NULL: a fault refused it */
	conc_fn *fn;
	int number;
};

static inline struct given
give_limited(conc_fn *fn, size_t result_size, int64_t limit, int retries)
{
	static struct load load;
	struct given g = {.fn = fn, .number = books.next++};
	bool large = fn == echo_large || fn == echo_room;
	int rc;

	must(g.number < RUNS);
	load.number = g.number;
	memset(load.rest, g.number, sizeof load.rest);
	rc = conc_submit_task(books.pool,
	    CONC_TASK(.fn = fn, .arg = &load,
		.arg_size = large ? sizeof load : sizeof load.number,
		.result_size = result_size, .name = "task", .time_limit = limit,
		.retries = retries, .cleanup = count_cleanup, .user = &books),
	    &g.f);
	must(rc == 0 || refused(rc));
	must((rc == 0) == (g.f != NULL));
	books.accepted += rc == 0;
	return g;
}

static inline struct given
give(conc_fn *fn, size_t result_size)
{
	return give_limited(fn, result_size, 0, 0);
}

static inline struct given
give_echo(void)
{
	return give(echo_task, sizeof(int));
}

/* Does the exception of rc say what it should?  If the host wants something it may say less. */
static inline void
must_tell(int rc)
{
	const conc_exception *e = conc_caught();
	const conc_death *death;

	if (rc == 0 || rc == -ECANCELED || fault_role == CONC__FAULT_HOST)
		return;
	must(conc_exception_code(e) == rc);
	must(rc != CONC_EBROKEN || conc_exception_cause(e) != NULL);
	if (rc == CONC_ECRASHED) {
		death = conc_exception_death(e);
		must(death != NULL && death->pid > 0);
		must(death->signal == SIGKILL || fault_role == CONC__FAULT_ZYGOTE);
	}
}

static inline bool
is_echo(const struct given *g, const struct load *l)
{
	if (l->number != g->number)
		return false;
	return g->fn == echo_task ||
	    (l->rest[0] == (char)g->number && memcmp(l->rest, l->rest + 1, LARGE - 1) == 0);
}

/* It ends with code, or as a fault may cause.  Return how. */
static inline int
take(struct given g, int code)
{
	static struct load load;
	bool large = g.fn == echo_large || g.fn == echo_room;
	int rc, runs;

	if (g.f == NULL)
		return CONC_EBROKEN;
	rc = conc_future_result(g.f, NULL, 0);
	must(may_end(rc, code));
	must_tell(rc);
	runs = atomic_load(&shared->runs[g.number]);
	must(rc != CONC_EBROKEN || runs == 0);
	if (rc == 0 && (large || g.fn == echo_task)) {
		must(runs == 1);
		must(conc_future_result(
			 g.f, &load, large ? sizeof load : sizeof load.number) == 0);
		must(is_echo(&g, &load));
	}
	conc_future_release(g.f);
	return rc;
}

static inline void
balance(void)
{
	conc_clear();
	must(leash_is_free(books.leash));
	must(books.cleaned == books.accepted);
	must(atomic_load(&shared->leaks) == 0);
	for (int i = 0; i < RUNS; i++)
		must(atomic_load(&shared->runs[i]) <= 1);
	if (kills() && !onwards()) /* of a dead zygote all workers die */
		must(books.crashed <= (fault_role == CONC__FAULT_WORKER ? 1 : WORKERS));
}

/* One fault is over by the second task: then the pool works. */
static inline void
close_pool(void)
{
	if (take(give_echo(), 0) != 0 && !onwards())
		must(take(give_echo(), 0) == 0);
	conc_executor_destroy(books.pool);
	balance();
}

#endif
