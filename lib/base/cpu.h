/* SPDX-License-Identifier: MIT */
#ifndef CONC__CPU_H
#define CONC__CPU_H

/*
 * Which CPUs this process may use; of base alone (conc__cpu_count: base/thread.h).
 */

/*
 * CPUs that the cgroups of this process and their ancestors grant, rounded up,
 * 1 or more; INT_MAX if they set no limit.  root stands before /proc and /sys:
 * "" but in tests.
 */
int conc__cpu_quota(const char *root);

/* Let the calling thread run on the n-th usable CPU alone, modulo their number. */
void conc__cpu_pin(int n);

#endif
