/* SPDX-License-Identifier: MIT */
/*
 * Clocks, deadlines and <conc/time.h>.
 */
#include "base/clock.h"
#include "base/self.h"
#include "base/timespec.h"

int64_t
conc__wall_clock(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_REALTIME, &t);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

int
conc__may_block(conc_time deadline)
{
	if (conc__passed(deadline))
		return -ETIMEDOUT;
	return conc__self()->callbacks > 0 ? -EDEADLK : 0;
}

void
conc__sleep_until(conc_time deadline)
{
	/* Waits for the clock alone; a signal only interrupts. */
	while (!conc__passed(deadline)) {
#ifdef __APPLE__
		struct timespec rest = conc__timespec(deadline.ns - conc__now());

		(void)nanosleep(&rest, NULL);
#else
		struct timespec end = conc__timespec(deadline.ns);

		(void)clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &end, NULL);
#endif
	}
}

conc_time
conc_after(int64_t ns)
{
	int64_t now = conc__now();

	if (ns > INT64_MAX - now)
		return CONC_FOREVER;
	/* The sum 0 would read as "none" in options; it lies in the past, as -1 does. */
	return (conc_time){now + ns != 0 ? now + ns : -1};
}

conc_time
conc_after_ms(int64_t ms)
{
	if (ms > INT64_MAX / 1000000)
		return CONC_FOREVER;
	if (ms < INT64_MIN / 1000000)
		return CONC_NOW;
	return conc_after(ms * 1000000);
}
