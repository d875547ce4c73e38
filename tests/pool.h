/* SPDX-License-Identifier: MIT */
#ifndef CONC_TESTS_POOL_H
#define CONC_TESTS_POOL_H

/*
 * What the tests of pools share: tasks, a gate to hold them at, an ear for
 * the excepthook, and short ways to make a pool and to look at it.
 */
#include "tests/common.h"
#include <conc/conc.h>
#include <stdatomic.h>

/* A pool, or the test fails. */
static inline conc_executor *
new_pool(const conc_thread_pool_options *options)
{
	conc_executor *pool = NULL;

	ck_assert_int_eq(conc_thread_pool_create(&pool, options), 0);
	ck_assert_ptr_nonnull(pool);
	return pool;
}

#define POOL(...) new_pool(CONC_THREAD_POOL(__VA_ARGS__))

/* Submit a task that is accepted; its future. */
static inline conc_future *
submit_task(conc_executor *pool, const conc_task *task)
{
	conc_future *f = NULL;

	ck_assert_int_eq(conc_submit_task(pool, task, &f), 0);
	ck_assert_ptr_nonnull(f);
	return f;
}

#define SUBMIT(pool, ...) submit_task((pool), CONC_TASK(__VA_ARGS__))

/* The code that f ends with; f is released. */
static inline int
finish(conc_future *f)
{
	int rc = conc_future_result(f, NULL, 0);

	conc_future_release(f);
	return rc;
}

static inline conc_stats
stats_of(conc_executor *pool)
{
	conc_stats stats = CONC_STATS_INIT;

	ck_assert_int_eq(conc_executor_stats(pool, &stats), 0);
	return stats;
}

/* A gate: tasks tell that they have come, and wait there until it opens. */
struct gate {
	struct latch come, open;
};

#define GATE                                                                                   \
	{                                                                                      \
		LATCH, LATCH                                                                   \
	}

static inline int
gate_task(const void *arg, void *result)
{
	struct gate *gate = (struct gate *)arg;

	(void)result;
	latch_set(&gate->come);
	latch_wait(&gate->open, 1);
	return 0;
}

/* Keep n workers of the pool busy until the gate opens. */
static inline void
hold_workers(conc_executor *pool, struct gate *gate, int n)
{
	for (int i = 0; i < n; i++)
		ck_assert_int_eq(conc_submit(pool, gate_task, gate, CONC_BORROW, 0, NULL), 0);
	latch_wait(&gate->come, n);
}

static inline int
square_task(const void *arg, void *result)
{
	int n = *(const int *)arg;

	*(int *)result = n * n;
	return 0;
}

static inline int
nothing_task(const void *arg, void *result)
{
	(void)arg;
	(void)result;
	return 0;
}

/* Fails with the code that is its argument. */
static inline int
fail_task(const void *arg, void *result)
{
	int code = *(const int *)arg;

	(void)result;
	return conc_raise(code, "told to fail with %d", code);
}

static inline int
crash_task(const void *arg, void *result)
{
	(void)arg;
	(void)result;
	pthread_exit(NULL);
}

/* Runs until it is asked to stop, then returns the code that is its argument, if any. */
static inline int
asked_task(const void *arg, void *result)
{
	(void)result;
	while (!conc_cancelled())
		sched_yield();
	return arg != NULL ? *(const int *)arg : -ECANCELED;
}

/* Counts that it ran: its argument is a borrowed atomic_int. */
static inline int
count_task(const void *arg, void *result)
{
	(void)result;
	atomic_fetch_add((atomic_int *)arg, 1);
	return 0;
}

/* As cleanup: count. */
static inline void
count_cleanup(void *user)
{
	atomic_fetch_add((atomic_int *)user, 1);
}

/* An ear for the excepthook. */
struct ear {
	atomic_int calls, code;
};

static inline void
hear(const conc_exception *e, void *user)
{
	struct ear *ear = user;

	atomic_store(&ear->code, conc_exception_code(e));
	atomic_fetch_add(&ear->calls, 1);
}

static inline bool
ear_heard(void *arg)
{
	return atomic_load(&((struct ear *)arg)->calls) > 0;
}

#endif
