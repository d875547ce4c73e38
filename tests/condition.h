/* SPDX-License-Identifier: MIT */
#ifndef CONC_TESTS_CONDITION_H
#define CONC_TESTS_CONDITION_H

/*
 * What the tests of the condition share: one, and a lock of either kind.
 */
#include "tests/bunch.h"
#include <conc/sync.h>

/* A condition with what it is about, and a lock of either kind. */
struct state {
	conc_condition condition;
	conc_lock lock;
	conc_rlock rlock;
	bool recursive;
	int n;             /* under the lock */
	atomic_int awoken; /* how many waits ended, told after the lock is let go */
	conc_time deadline;
	uint32_t seed;
};

static inline void
take(struct state *s)
{
	ck_assert_int_eq(s->recursive ? conc_rlock_acquire(&s->rlock, CONC_FOREVER)
				      : conc_lock_acquire(&s->lock, CONC_FOREVER),
	    0);
}

static inline void
give(struct state *s)
{
	ck_assert_int_eq(
	    s->recursive ? conc_rlock_release(&s->rlock) : conc_lock_release(&s->lock), 0);
}

static inline int
wait_until(struct state *s, conc_time deadline)
{
	return s->recursive ? conc_condition_wait(&s->condition, &s->rlock, deadline)
			    : conc_condition_wait(&s->condition, &s->lock, deadline);
}

static inline int
wait_for(struct state *s, bool (*predicate)(void *user), conc_time deadline)
{
	if (s->recursive)
		return conc_condition_wait_for(
		    &s->condition, &s->rlock, predicate, s, deadline);
	return conc_condition_wait_for(&s->condition, &s->lock, predicate, s, deadline);
}

static inline void
wake(struct state *s, uint32_t n)
{
	take(s);
	ck_assert_int_eq(conc_condition_notify(&s->condition, n), 0);
	give(s);
}

#endif
