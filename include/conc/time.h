/* SPDX-License-Identifier: MIT */
#ifndef CONC_TIME_H
#define CONC_TIME_H

#include <conc/version.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Deadlines and durations.
 *
 * A deadline is a point of the monotonic clock (CLOCK_MONOTONIC): setting the
 * wall clock does not move it.  A duration is a number of nanoseconds.  They
 * are two types, so that the compiler refuses one for the other:
 *
 *	conc_future_wait(f, conc_after(CONC_S(2)));      a deadline
 *	CONC_THREAD_POOL(.idle_timeout = CONC_S(30))     a duration
 *
 * Whoever waits waits until the deadline at the latest.  A deadline that has
 * passed makes a poll: the answer is what holds now, or -ETIMEDOUT.
 */
typedef struct {
	int64_t ns; /* nanoseconds of CLOCK_MONOTONIC; 0 in options: none given */
} conc_time;

/* CONC_FOREVER never comes; CONC_NOW has passed: poll, do not wait. */
#ifdef __cplusplus
#define CONC_FOREVER (conc_time{INT64_MAX})
#define CONC_NOW (conc_time{INT64_MIN})
#else
#define CONC_FOREVER ((conc_time){INT64_MAX})
#define CONC_NOW ((conc_time){INT64_MIN})
#endif

/* Durations in nanoseconds from microseconds, milliseconds and seconds. */
#ifdef __cplusplus
#define CONC_US(n) (static_cast<int64_t>(n) * 1000)
#define CONC_MS(n) (static_cast<int64_t>(n) * 1000000)
#define CONC_S(n) (static_cast<int64_t>(n) * 1000000000)
#else
#define CONC_US(n) ((int64_t)(n) * 1000)
#define CONC_MS(n) ((int64_t)(n) * 1000000)
#define CONC_S(n) ((int64_t)(n) * 1000000000)
#endif

/* As a duration: no limit, also where the pool has one. */
#define CONC_UNLIMITED INT64_MAX

/*
 * conc_after: the deadline that lies ns nanoseconds ahead.
 *
 * Return the deadline.  The sum saturates: a duration too large for the clock
 * gives CONC_FOREVER, a negative one a deadline that has passed.  Never
 * returns the ns 0 that options take for "none".  Cannot fail.  MT-safe.
 */
CONC_API conc_time conc_after(int64_t ns);

/* conc_after_ms: as conc_after, with milliseconds; they saturate as well. */
CONC_API conc_time conc_after_ms(int64_t ms);

#ifdef __cplusplus
}
#endif

#endif
