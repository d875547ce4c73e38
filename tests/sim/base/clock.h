/* SPDX-License-Identifier: MIT */

/*
 * lib/base/clock.h and clock.c, on the simulator's clock: faked time, that
 * creeps at each look at it, and jumps.
 */
#include <time.h>

int sim_clock_gettime(clockid_t clock, struct timespec *t);
int sim_clock_nanosleep(
    clockid_t clock, int flags, const struct timespec *until, struct timespec *rest);

#undef clock_gettime
#undef clock_nanosleep
#define clock_gettime sim_clock_gettime
#define clock_nanosleep sim_clock_nanosleep
#include "../../../lib/base/clock.h"

#ifdef SIM_ENGINE /* it looks at the real clock, too */
#undef clock_gettime
#undef clock_nanosleep
#endif
