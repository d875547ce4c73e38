/* SPDX-License-Identifier: MIT */
/*
 * The lock: a word; and what CONC_WITH calls.
 */
#include "sync/lock.h"

int
conc_lock_init(conc_lock *l, uint32_t flags)
{
	int rc = l ? conc__check_flags(flags, CONC_RANK(CONC_RANK_MAX)) : -EINVAL;

	if (rc == 0)
		*l = (conc_lock){.flags = flags};
	return rc;
}

void
conc_lock_fini(conc_lock *l)
{
	if (!l)
		return;
	if (conc_lock_locked(l))
		(void)conc__debug_give(l);
	*l = (conc_lock)CONC_LOCK_INIT;
}

int
conc__lock_wait(conc_lock *l, conc_time deadline)
{
	int rc = conc__may_block(deadline);

	return rc ? rc : conc__word_wait(conc__at_word(&l->word), deadline);
}

int
conc_lock_acquire(conc_lock *l, conc_time deadline)
{
	return l ? conc__lock_take(l, deadline) : -EINVAL;
}

int
conc_lock_release(conc_lock *l)
{
	int rc = l ? conc__debug_give(l) : -EINVAL;

	if (rc == 0 && !conc__word_release(conc__at_word(&l->word)))
		rc = CONC_ESTATE;
	return rc;
}

bool
conc_lock_locked(const conc_lock *l)
{
	/* relaxed: an answer that may be old when it is read; the holder knows it anyway */
	return l && conc__load_relaxed(conc__at_word(&l->word)) != 0;
}

static void
release(void *l)
{
	(void)conc_lock_release(l);
}

conc_with
conc_lock_with_at(conc_lock *l)
{
	return (conc_with){conc_lock_acquire(l, CONC_FOREVER) == 0 ? l : NULL, release};
}

void
conc_with_end(conc_with *w)
{
	if (w && w->held)
		w->release(w->held);
}
