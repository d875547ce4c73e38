/* SPDX-License-Identifier: MIT */
/*
 * Checks of programs' locks, for builds with -DCONC_DEBUG.  A thread counts the
 * locks that it holds by their ranks; a lock's owner is the thread that took it.
 */
#include "sync/debug.h"

#ifdef CONC_DEBUG

#include "sync/lock.h"
#include <conc/log.h>

_Static_assert(sizeof conc__self()->held / sizeof conc__self()->held[0] == CONC_RANK_MAX + 1,
    "a thread counts each rank");

static uint32_t
rank_of(const conc_lock *l)
{
	return l->flags / CONC_RANK(1) & CONC_RANK_MAX;
}

int
conc__debug_take(conc_lock *l, conc_time deadline)
{
	const struct conc__self *self = conc__self();
	uint32_t rank = rank_of(l);

	if (conc__passed(deadline))
		return 0; /* who does not wait is in no circle */
	if (conc__lock_mine(l)) {
		conc_log(CONC_LOG_ERROR,
		    "the lock at %p is waited for by the thread that took it", (void *)l);
		return -EDEADLK;
	}
	for (uint32_t i = rank; rank && i <= CONC_RANK_MAX; i++)
		if (self->held[i]) {
			conc_log(CONC_LOG_ERROR,
			    "the lock at %p, of rank %u, is waited for by a thread that holds "
			    "one of rank %u",
			    (void *)l, rank, i);
			return -EDEADLK;
		}
	return 0;
}

void
conc__debug_taken(conc_lock *l)
{
	conc__lock_own(l);
	if (rank_of(l))
		conc__self()->held[rank_of(l)]++;
}

int
conc__debug_give(conc_lock *l)
{
	bool mine = conc__lock_mine(l);

	if (!mine && rank_of(l)) {
		conc_log(CONC_LOG_ERROR,
		    "the lock at %p, of rank %u, is released by a thread that did not take it",
		    (void *)l, rank_of(l));
		return CONC_ESTATE;
	}
	if (rank_of(l))
		conc__self()->held[rank_of(l)]--;
	conc__lock_disown(l);
	return 0;
}

#endif
