/* SPDX-License-Identifier: MIT */
#ifndef CONC__SYNC_LOCK_H
#define CONC__SYNC_LOCK_H

/*
 * What the two kinds of lock, and waiting on a condition with them, share.
 *
 * A lock is its word (base/word.h).  An rlock has an owner and a depth beside
 * it; a plain one has an owner in builds with -DCONC_DEBUG, and no depth.
 */
#include "base/clock.h"
#include "base/self.h"
#include "base/word.h"
#include "sync/debug.h"

static inline conc__atomic_u64 *
conc__lock_owner(const conc_lock *l)
{
	return conc__atomic_u64_at((uint64_t *)&l->owner);
}

/* Is this thread the owner? */
static inline bool
conc__lock_mine(const conc_lock *l)
{
	/* relaxed: only this thread stores its own number, and takes it away */
	return conc__load_relaxed(conc__lock_owner(l)) == conc__self()->number;
}

/* Holding the word: this thread is the owner, or nobody is. */
static inline void
conc__lock_own(conc_lock *l)
{
	/* relaxed: what it says to any other thread is "not you", before and after */
	conc__store_relaxed(conc__lock_owner(l), conc__self()->number);
}

static inline void
conc__lock_disown(conc_lock *l)
{
	/* relaxed: the same */
	conc__store_relaxed(conc__lock_owner(l), 0);
}

/* Wait for a lock that is held.  Return 0: taken; or a code of conc_lock_acquire. */
int conc__lock_wait(conc_lock *l, conc_time deadline);

/* Take it, waiting until the deadline.  Return as conc_lock_acquire. */
static inline int
conc__lock_take(conc_lock *l, conc_time deadline)
{
	int rc = conc__debug_take(l, deadline);

	if (rc == 0 && !conc__word_try(conc__at_word(&l->word)))
		rc = conc__lock_wait(l, deadline);
	if (rc == 0)
		conc__debug_taken(l);
	return rc;
}

#endif
