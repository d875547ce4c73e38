/* SPDX-License-Identifier: MIT */
#ifndef CONC_TESTS_BUNCH_H
#define CONC_TESTS_BUNCH_H

/*
 * A bunch of threads that run the same function, as CPython's lock_tests have
 * it; and what tests of <conc/sync.h> ask.
 */
#include "tests/common.h"
#include <conc/conc.h>
#include <stdatomic.h>

enum { BUNCH = 16 };

struct bunch {
	void (*f)(void *arg);
	void *arg;
	struct latch started, finished;
	int n;
	pthread_t threads[BUNCH];
};

static inline void *
bunch_thread(void *arg)
{
	struct bunch *b = arg;

	latch_set(&b->started);
	b->f(b->arg);
	latch_set(&b->finished);
	return NULL;
}

/* Start n threads that call f(arg); return when each has begun. */
static inline void
bunch_start(struct bunch *b, int n, void (*f)(void *arg), void *arg)
{
	*b = (struct bunch){.f = f, .arg = arg, .started = LATCH, .finished = LATCH, .n = n};
	for (int i = 0; i < n; i++)
		ck_assert_int_eq(pthread_create(&b->threads[i], NULL, bunch_thread, b), 0);
	latch_wait(&b->started, n);
}

static inline void
bunch_join(struct bunch *b)
{
	latch_wait(&b->finished, b->n);
	for (int i = 0; i < b->n; i++)
		ck_assert_int_eq(pthread_join(b->threads[i], NULL), 0);
}

/* Call f(arg) in another thread, or in n. */
static inline void
elsewhere(int n, void (*f)(void *arg), void *arg)
{
	struct bunch b;

	bunch_start(&b, n, f, arg);
	bunch_join(&b);
}

/* Does somebody wait for the lock?  It must be held. */
static inline bool
lock_awaited(void *l)
{
	return __atomic_load_n(&((conc_lock *)l)->word, __ATOMIC_RELAXED) == 2;
}

/* How many wait on the condition? */
static inline uint32_t
waiters(conc_condition *c)
{
	uint32_t left = __atomic_load_n(&c->left, __ATOMIC_ACQUIRE);

	return __atomic_load_n(&c->arrived, __ATOMIC_ACQUIRE) - left;
}

struct crowd {
	conc_condition *c;
	uint32_t n;
};

static inline bool
crowd_waits(void *arg)
{
	struct crowd *crowd = arg;

	return waiters(crowd->c) == crowd->n;
}

/* Wait until n threads wait on c: all but asleep, so that none misses a notify. */
static inline void
await_waiters(conc_condition *c, uint32_t n)
{
	struct crowd crowd = {c, n};

	eventually(crowd_waits, &crowd);
}

/* What a future's callback got when it called call(arg). */
struct in_callback {
	int (*call)(void *arg);
	void *arg;
	int rc;
};

static inline void
call_back(conc_future *f, void *user)
{
	struct in_callback *in = user;

	(void)f;
	in->rc = in->call(in->arg);
}

static inline int
in_callback(int (*call)(void *arg), void *arg)
{
	struct in_callback in = {call, arg, 1};
	conc_promise *p;
	conc_future *f;

	ck_assert_int_eq(conc_promise_create(&p, 0, &f), 0);
	ck_assert_int_eq(conc_promise_finish(p, NULL, 0), 0);
	ck_assert_int_eq(conc_future_on_done(f, call_back, &in), 0);
	conc_promise_destroy(p);
	conc_future_release(f);
	return in.rc;
}

#endif
