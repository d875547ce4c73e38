/* SPDX-License-Identifier: MIT */
/*
 * The counter of calls that can fail, for tests.  It is set while one thread
 * runs, so nothing is ordered by it.
 */
#include "base/fault.h"

#ifdef CONC_FAULT

#include "base/atomic.h"

static conc__atomic_u32 calls;   /* seen since armed */
static conc__atomic_u32 failing; /* the number of the call that fails; 0: none */
static conc__atomic_u32 onwards; /* all after it fail as well */

int
conc__fault(void)
{
	/* relaxed: a counter; set before the threads that it concerns are started */
	uint32_t call = conc__add_relaxed(&calls, 1) + 1;
	uint32_t k = conc__load_relaxed(&failing);

	/* relaxed: as above */
	return k != 0 && (call == k || (call > k && conc__load_relaxed(&onwards)));
}

void
conc__fault_arm(uint32_t k, int persistent)
{
	/* relaxed: no thread of the library runs now */
	conc__store_relaxed(&calls, 0);
	conc__store_relaxed(&failing, k);
	conc__store_relaxed(&onwards, persistent != 0);
}

uint32_t
conc__fault_count(void)
{
	/* relaxed: no thread of the library runs now */
	return conc__load_relaxed(&calls);
}

#endif
