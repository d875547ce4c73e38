/* SPDX-License-Identifier: MIT */
#ifndef CONC_TESTS_THREAD_H
#define CONC_TESTS_THREAD_H

/*
 * What the tests of threads share: functions that stop at a gate, fail, or leave.
 */
#include "tests/future.h"

/* A started thread; THREAD(fn, &x, sizeof x, .name = ...) */
#define THREAD(fn, arg, size, ...) thread_of((fn), (arg), (size), CONC_THREAD(__VA_ARGS__))

static inline conc_thread *
thread_of(conc_fn *fn, const void *arg, size_t size, const conc_thread_options *o)
{
	conc_thread *t = NULL;

	ck_assert_int_eq(conc_thread_start(&t, fn, arg, size, o), 0);
	ck_assert_ptr_nonnull(t);
	return t;
}

/* It goes through a gate, and returns its code: of a gate that outlives it. */
static inline int
through_gate(const void *arg, void *result)
{
	struct gate *gate = (struct gate *)arg;

	ck_assert_ptr_null(result);
	latch_set(&gate->entered);
	latch_wait(&gate->open, 1);
	return gate->code;
}

static inline conc_thread *
at_gate(struct gate *gate, const conc_thread_options *o)
{
	conc_thread *t = thread_of(through_gate, gate, CONC_BORROW, o);

	latch_wait(&gate->entered, 1);
	return t;
}

/* For eventually: a thread has ended. */
static inline bool
has_ended(void *arg)
{
	return !conc_thread_alive(arg);
}

static inline int
return_zero(const void *arg, void *result)
{
	(void)arg;
	(void)result;
	return 0;
}

static inline int
run_fails(const void *arg, void *result)
{
	(void)arg;
	(void)result;
	return conc_raise(-EDOM, "run failed");
}

#endif
