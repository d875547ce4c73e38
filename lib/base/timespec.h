/* SPDX-License-Identifier: MIT */
#ifndef CONC__TIMESPEC_H
#define CONC__TIMESPEC_H

/*
 * From nanoseconds to what the system takes; of base alone.
 */
#include <stdint.h>
#include <time.h>

/* Less than nothing becomes 0; what a short time_t cannot hold, the most that it can. */
static inline struct timespec
conc__timespec(int64_t ns)
{
	struct timespec t = {0, 0};

	if (ns > 0) {
		t.tv_sec = (time_t)(ns / 1000000000);
		t.tv_nsec = (long)(ns % 1000000000);
		if (t.tv_sec != ns / 1000000000)
			t.tv_sec = INT32_MAX;
	}
	return t;
}

#endif
