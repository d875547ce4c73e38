/* SPDX-License-Identifier: MIT */
#ifndef SCENARIO_FUTURE_H
#define SCENARIO_FUTURE_H

/*
 * What the scenarios of futures share: promises of an int, ways to end them in
 * a thread of their own, and a hook that counts.
 */
#include "sim.h"
#include <conc/future.h>

enum { VALUE = 42, FAILURE = -EIO };

/* A promise and its future; false: a failure that the sweep planned. */
static inline bool
make(conc_promise **p, conc_future **f)
{
	int rc = conc_promise_create(p, sizeof(int), f);

	sim_assert(rc == 0 || (rc == -ENOMEM && sim_sweeping()));
	return rc == 0;
}

/* Threads' bodies: end the promise, and free it. */
static inline void
finish(void *promise)
{
	int value = VALUE;

	sim_assert(conc_promise_finish(promise, &value, sizeof value) == 0);
	conc_promise_destroy(promise);
}

static inline void
fail(void *promise)
{
	sim_assert(conc_promise_fail(promise, FAILURE) == 0);
	conc_promise_destroy(promise);
	conc_clear();
}

/* Thread's body: give a reference back. */
static inline void
release(void *future)
{
	conc_future_release(future);
}

/* The result of a future that has ended with VALUE or FAILURE; looks at it, and releases it. */
static inline int
collect(conc_future *f)
{
	int value = 0, rc = conc_future_result(f, &value, sizeof value);

	sim_assert(conc_future_done(f));
	sim_assert(rc != 0 || value == VALUE);
	conc_future_release(f);
	conc_clear();
	return rc;
}

/* An excepthook that counts its calls in an int. */
static inline void
count_unlooked(const conc_exception *e, void *user)
{
	sim_assert(conc_exception_code(e) == FAILURE || conc_exception_code(e) == -EPIPE);
	sim_pause();
	*(int *)user += 1;
}

#endif
