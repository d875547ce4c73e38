/* SPDX-License-Identifier: MIT */
/*
 * The lock that its owner may take again.  The depth is the owner's.
 */
#include "sync/lock.h"

int
conc_rlock_init(conc_rlock *l, uint32_t flags)
{
	return conc_lock_init(l ? &l->lock : NULL, flags);
}

void
conc_rlock_fini(conc_rlock *l)
{
	conc_lock_fini(l ? &l->lock : NULL);
}

int
conc_rlock_acquire(conc_rlock *l, conc_time deadline)
{
	int rc;

	if (!l)
		return -EINVAL;
	if (conc__lock_mine(&l->lock)) {
		if (l->lock.depth == UINT32_MAX)
			return -EAGAIN;
	} else {
		rc = conc__lock_take(&l->lock, deadline);
		if (rc)
			return rc;
		conc__lock_own(&l->lock);
	}
	l->lock.depth++;
	return 0;
}

int
conc_rlock_release(conc_rlock *l)
{
	if (!l)
		return -EINVAL;
	if (!conc__lock_mine(&l->lock))
		return CONC_ESTATE;
	if (--l->lock.depth > 0)
		return 0;
	(void)conc__debug_give(&l->lock);
	conc__lock_disown(&l->lock);
	(void)conc__word_release(conc__at_word(&l->lock.word));
	return 0;
}

bool
conc_rlock_locked(const conc_rlock *l)
{
	return l && conc_lock_locked(&l->lock);
}

bool
conc_rlock_held(const conc_rlock *l)
{
	return l && conc__lock_mine(&l->lock);
}

static void
release(void *l)
{
	(void)conc_rlock_release(l);
}

conc_with
conc_rlock_with_at(conc_rlock *l)
{
	return (conc_with){conc_rlock_acquire(l, CONC_FOREVER) == 0 ? l : NULL, release};
}
