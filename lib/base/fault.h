/* SPDX-License-Identifier: MIT */
#ifndef CONC__FAULT_H
#define CONC__FAULT_H

/*
 * Faults on purpose, in builds with -DCONC_FAULT; else all this is nothing.
 *
 * Each function of base that can fail for want of something asks conc__fault()
 * first, and fails when that is true.  The tests let the first such call fail,
 * then the second, and so on until none is left (tests/faults).
 */
#ifdef CONC_FAULT

#include <stdint.h>

/* Count this call; is it one that shall fail? */
int conc__fault(void);

/* From now on let the k-th call (from 1) fail; persistent: and all after it.  0: none. */
void conc__fault_arm(uint32_t k, int persistent);

/* How many calls conc__fault_arm has seen since. */
uint32_t conc__fault_count(void);

#else

static inline int
conc__fault(void)
{
	return 0;
}

#endif
#endif
