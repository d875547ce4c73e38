/* SPDX-License-Identifier: MIT */
#ifndef CONC_BARRIER_H
#define CONC_BARRIER_H

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
 * Barriers: Python's Barrier, where a number of threads wait for each other.
 *
 *	static conc_barrier step = CONC_BARRIER_INIT(4);
 *
 *	for (n = 0; n < steps && rc == 0; n++) {
 *		work(part, n);                       each of four threads
 *		rc = conc_barrier_wait(&step, CONC_FOREVER);
 *	}
 *
 * When the last of its parties has come, all are let go, and the next round
 * begins.  All that they did before is done for each of them.
 *
 * When a party gives up, the others would wait in vain.  So the barrier is
 * broken then: by a deadline that passes, an action that fails, an abort.  All
 * who wait return CONC_EBROKEN, and so do all who come, until it is reset.  But
 * a round is decided once the last party has come: what breaks the barrier
 * later breaks the next one.
 *
 * All zero is a barrier of no parties, which nobody can wait at.
 */
typedef struct conc_barrier {
	uint32_t lock;
	uint32_t parties;
	uint32_t waiting; /* how many */
	uint32_t round;   /* its number */
	uint32_t broken;  /* is it? */
	uint32_t reserved;
	uint64_t waiters; /* who wait: a list */
	uint64_t action;
	uint64_t user;
	uint64_t room[10];
} conc_barrier;

/* A barrier of that many parties, a constant, 1 or more. */
#define CONC_BARRIER_INIT(parties) {0, (parties), 0, 0, 0, 0, 0, 0, 0, {0}}

/*
 * conc_barrier_init: make *b a barrier of that many parties.  Return 0;
 * -EINVAL: b is NULL, there are no parties, or a flag is unknown; -ENOTSUP:
 * CONC_SHARED.
 */
CONC_API int conc_barrier_init(conc_barrier *b, uint32_t parties, uint32_t flags);

/*
 * conc_barrier_fini: end it; all zero is left.  Nobody may be in a call on it;
 * but a party that was let go may end it at once, though others have not
 * returned yet, provided that they waited without a deadline.  NULL is fine.
 */
CONC_API void conc_barrier_fini(conc_barrier *b);

/*
 * conc_barrier_set_action: when all parties have come, the last of them is to
 * call action(user) before any is let go; NULL: nothing.  action runs with no
 * lock held, must return, and must not wait at b.  If it returns a code, the
 * barrier is broken; who called it returns that code.
 * Return 0; -EBUSY: somebody waits; -EINVAL: b is NULL.
 */
CONC_API int conc_barrier_set_action(conc_barrier *b, int (*action)(void *user), void *user);

/*
 * conc_barrier_wait: wait until all parties have come.
 *
 * Return 0: they have.  -ETIMEDOUT: not until the deadline: that breaks the
 * barrier, and so does CONC_NOW for all but the last to come.  CONC_EBROKEN: it
 * is broken, or was broken or reset meanwhile.  The action's code, if it failed
 * in this thread.  -EDEADLK: the call would block in a callback of the library
 * (of a future, a cleanup); it does not count as come.  -EINVAL: b is NULL, or
 * has no parties.
 *
 * Once the last party has come the action is waited for beyond the deadline.
 */
CONC_API int conc_barrier_wait(conc_barrier *b, conc_time deadline);

/*
 * conc_barrier_wait_index: as conc_barrier_wait; and 0 brings in *index which
 * party this was: the first to come 0, the last to come parties - 1.  Each
 * round has each number once.  index may be NULL.
 */
CONC_API int conc_barrier_wait_index(conc_barrier *b, uint32_t *index, conc_time deadline);

/*
 * conc_barrier_abort: break it.  conc_barrier_reset: make it whole, and begin
 * anew; CONC_EBROKEN for those who wait.  Return 0; -EINVAL: b is NULL.  They
 * never block.
 */
CONC_API int conc_barrier_abort(conc_barrier *b);
CONC_API int conc_barrier_reset(conc_barrier *b);

/* Its parties; how many wait now, in a round that lacks some; is it broken?  0 for NULL. */
CONC_API uint32_t conc_barrier_parties(const conc_barrier *b);
CONC_API uint32_t conc_barrier_waiting(conc_barrier *b);
CONC_API bool conc_barrier_broken(conc_barrier *b);

#ifdef __cplusplus
}
#endif

#endif
