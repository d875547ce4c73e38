/* SPDX-License-Identifier: MIT */
#ifndef CONC__CLOCK_H
#define CONC__CLOCK_H

#include "base/fault.h"
#include <conc/time.h>
#include <stdbool.h>
#include <stdint.h>
#include <time.h>

/* Now, in nanoseconds of CLOCK_MONOTONIC; always greater than 0. */
static inline int64_t
conc__now(void)
{
	struct timespec t;

	conc__fault_point();
	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* ns (0 or more) after a time, saturating. */
static inline int64_t
conc__later(int64_t time, int64_t ns)
{
	return time > INT64_MAX - ns ? INT64_MAX : time + ns;
}

/* Now, in nanoseconds since 1970 (CLOCK_REALTIME): for records, never for waiting. */
int64_t conc__wall_clock(void);

/* Has the deadline passed?  FOREVER never has; NOW has, without a look at the clock. */
static inline bool
conc__passed(conc_time deadline)
{
	return deadline.ns <= 0 || (deadline.ns != INT64_MAX && conc__now() >= deadline.ns);
}

/*
 * May this thread block until the deadline?  0; -ETIMEDOUT: it has passed;
 * -EDEADLK: the thread runs a callback.
 */
int conc__may_block(conc_time deadline);

/* Block until the deadline (not FOREVER).  For back-off; never for synchronisation. */
void conc__sleep_until(conc_time deadline);

#endif
