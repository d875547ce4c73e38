/* SPDX-License-Identifier: MIT */
#ifndef CONC_SEMAPHORE_H
#define CONC_SEMAPHORE_H

#include <conc/error.h>
#include <conc/time.h>
#include <conc/version.h>
#include <stdbool.h>
#include <stdint.h>

/* Part of conc/sync.h, which says what holds for all of its objects. */

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Semaphores: Python's Semaphore and BoundedSemaphore.
 *
 *	static conc_semaphore slots = CONC_SEMAPHORE_INIT(4);
 *
 *	rc = conc_semaphore_acquire(&slots, conc_after_ms(500));
 *	if (rc != 0)
 *		return rc;                           -ETIMEDOUT
 *	...                                          at most four threads are here
 *	conc_semaphore_release(&slots, 1);
 *
 * A semaphore holds a number of units, from 0 to CONC_SEMAPHORE_MAX.  Whoever
 * acquires takes one, and waits while there is none; anybody may release, also
 * who never acquired.  All that a thread did before it released is done for who
 * acquires that unit.  Who waits longest is not served first of necessity.
 *
 * All zero is a semaphore of 0 units.
 */
typedef struct conc_semaphore {
	uint32_t word; /* units */
	uint32_t most; /* of units, if it is bounded */
	uint32_t flags;
	uint32_t reserved;
	uint64_t room[30];
} conc_semaphore;

#define CONC_BOUNDED 0x2u /* a flag: it never holds more units than at first */

#define CONC_SEMAPHORE_MAX UINT32_C(0x7fffffff)

/* A semaphore of value units; and a bounded one.  value is a constant, at most the maximum. */
#define CONC_SEMAPHORE_INIT(value) {(value), 0, 0, 0, {0}}
#define CONC_SEMAPHORE_BOUNDED_INIT(value) {(value), (value), CONC_BOUNDED, 0, {0}}

/*
 * conc_semaphore_init: make *s a semaphore of value units; with the flag
 * CONC_BOUNDED one that never holds more than these.  Return 0; -EINVAL: s is
 * NULL, value above CONC_SEMAPHORE_MAX (as a negative number is), or a flag
 * unknown; -ENOTSUP: CONC_SHARED.
 */
CONC_API int conc_semaphore_init(conc_semaphore *s, uint32_t value, uint32_t flags);

/*
 * conc_semaphore_fini: end it; all zero is left.  Nobody may be in a call on
 * it; but a unit's acquirer may end it at once, though who released the unit
 * has not returned yet.  NULL is fine.
 */
CONC_API void conc_semaphore_fini(conc_semaphore *s);

/*
 * conc_semaphore_acquire: take a unit; wait for one until the deadline
 * (CONC_NOW: do not wait).  Return 0; -ETIMEDOUT; -EDEADLK: the call would
 * block in a callback of the library (of a future, a cleanup); -EINVAL: s is
 * NULL.  On failure none is taken.
 */
CONC_API int conc_semaphore_acquire(conc_semaphore *s, conc_time deadline);

/*
 * conc_semaphore_release: add n units, in one step, and wake as many who wait.
 * Return 0, also for an n of 0; CONC_ESTATE: a bounded semaphore would hold
 * more than at first; -EOVERFLOW: more than CONC_SEMAPHORE_MAX; -EINVAL: s is
 * NULL.  On failure nothing has changed.  Never blocks.
 */
CONC_API int conc_semaphore_release(conc_semaphore *s, uint32_t n);

/* conc_semaphore_value: how many units there are now; 0 for NULL. */
CONC_API uint32_t conc_semaphore_value(const conc_semaphore *s);

#ifdef __cplusplus
}
#endif

#endif
