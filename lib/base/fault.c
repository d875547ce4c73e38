/* SPDX-License-Identifier: MIT */
/*
 * The counter of calls that can fail, for tests.  All processes share it; it is
 * set while none runs that it concerns, so nothing is ordered by it.
 */
#include "base/fault.h"

#ifdef CONC_FAULT

#include "base/atomic.h"
#include <signal.h>
#include <stdbool.h>
#include <sys/mman.h>
#include <unistd.h>

static struct counter {
	conc__atomic_u32 calls;   /* seen since armed */
	conc__atomic_u32 failing; /* the number of the call that fails; 0: none */
	conc__atomic_u32 how;
	conc__atomic_u32 role;    /* whose calls are counted */
} *counter; /* NULL until armed first */

static uint32_t role; /* of this process */

/* Does it concern this process, in a build where calls fail, or kill? */
static bool
counts(bool kill)
{
	/* relaxed: set before whom it concerns is started */
	return counter != NULL && conc__load_relaxed(&counter->role) == role &&
	    ((conc__load_relaxed(&counter->how) & CONC__FAULT_KILL) != 0) == kill;
}

static bool
due(void)
{
	/* relaxed: a counter, and what was set before */
	uint32_t call = conc__add_relaxed(&counter->calls, 1) + 1;
	uint32_t k = conc__load_relaxed(&counter->failing);

	/* relaxed: as above */
	return k != 0 &&
	    (call == k ||
		(call > k && (conc__load_relaxed(&counter->how) & CONC__FAULT_ONWARDS)));
}

void
conc__fault_point(void)
{
	if (counts(true) && due())
		(void)kill(getpid(), SIGKILL);
}

int
conc__fault(void)
{
	conc__fault_point();
	return counts(false) && due();
}

void
conc__fault_descend(void)
{
	role++;
}

void
conc__fault_arm_role(enum conc__fault_role whose, int how, uint32_t k)
{
	if (counter == NULL) {
		void *p = mmap(NULL, sizeof *counter, PROT_READ | PROT_WRITE,
		    MAP_SHARED | MAP_ANONYMOUS, -1, 0);

		if (p == MAP_FAILED)
			return; /* nothing is counted then, which tests will find */
		counter = p;
	}
	/* relaxed: no process that it concerns runs now */
	conc__store_relaxed(&counter->calls, 0);
	conc__store_relaxed(&counter->failing, k);
	conc__store_relaxed(&counter->how, (uint32_t)how);
	conc__store_relaxed(&counter->role, (uint32_t)whose); /* relaxed: as above */
}

void
conc__fault_arm(uint32_t k, int persistent)
{
	conc__fault_arm_role(
	    CONC__FAULT_HOST, persistent ? CONC__FAULT_ONWARDS : CONC__FAULT_ONCE, k);
}

uint32_t
conc__fault_count(void)
{
	/* relaxed: no process that it concerns runs now */
	return counter != NULL ? conc__load_relaxed(&counter->calls) : 0;
}

#endif
