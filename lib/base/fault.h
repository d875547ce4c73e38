/* SPDX-License-Identifier: MIT */
#ifndef CONC__FAULT_H
#define CONC__FAULT_H

/*
 * Faults on purpose, in builds with -DCONC_FAULT; else all this is nothing.
 *
 * Each function of base that can fail for want of something asks conc__fault()
 * first, and fails when that is true.  What a zygote or a worker calls besides
 * begins with conc__fault_point().  The tests let the first such call fail, or
 * kill its process there, then the second, and so on until none is left
 * (tests/faults).
 */
#ifdef CONC_FAULT

#include <stdint.h>

/* Whose calls count: by how many times conc__process_start lies between it and the program. */
enum conc__fault_role {
	CONC__FAULT_HOST,
	CONC__FAULT_ZYGOTE,
	CONC__FAULT_WORKER,
	CONC__FAULT_ROLES
};

/* What becomes of a call: flags. */
enum conc__fault_how {
	CONC__FAULT_ONCE = 0,
	CONC__FAULT_ONWARDS = 1, /* all after it, too */
	CONC__FAULT_KILL = 2,    /* its process is killed: calls that cannot fail count, too */
};

/* Count this call; is it one that shall fail? */
int conc__fault(void);

/* Count this call if calls kill. */
void conc__fault_point(void);

/* This process was started by one of the library's. */
void conc__fault_descend(void);

/*
 * From now on let the k-th call (from 1) fail of all those in processes of this role, which
 * have one counter.  0: none.  No such process runs now.
 */
void conc__fault_arm_role(enum conc__fault_role role, int how, uint32_t k);

/* The same for the host; persistent: onwards. */
void conc__fault_arm(uint32_t k, int persistent);

/* How many calls were counted since. */
uint32_t conc__fault_count(void);

#else

static inline int
conc__fault(void)
{
	return 0;
}

static inline void
conc__fault_point(void)
{
}

static inline void
conc__fault_descend(void)
{
}

#endif
#endif
