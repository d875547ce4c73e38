/* SPDX-License-Identifier: MIT */
/*
 * The condition: a futex on a sequence number.
 *
 * A waiter notes the number while he holds the lock, and sleeps only while it
 * is the same: a notify after that, which makes it another, is never missed.
 * Waking n sleepers leaves one way to lose: a thread that begins to wait
 * between the new number and the wake, and is woken in the place of one who
 * waited before.  Such a thread has noted the number before it counted itself
 * in `arrived', and sleeps after that; so whoever notifies finds `arrived'
 * changed then, and wakes all.  Those who need not have been woken find their
 * number still there, and sleep on.
 */
#include "sync/lock.h"

/* The functions, not the macros that choose between them. */
#undef conc_condition_wait
#undef conc_condition_wait_for

int
conc_condition_init(conc_condition *c, uint32_t flags)
{
	int rc = c ? conc__check_flags(flags, 0) : -EINVAL;

	if (rc == 0)
		*c = (conc_condition)CONC_CONDITION_INIT;
	return rc;
}

void
conc_condition_fini(conc_condition *c)
{
	if (c)
		*c = (conc_condition)CONC_CONDITION_INIT;
}

static int
check(const conc_condition *c, const conc_lock *l, bool recursive)
{
	if (!c || !l)
		return -EINVAL;
	return (recursive ? conc__lock_mine(l) : conc_lock_locked(l)) ? 0 : CONC_ESTATE;
}

/* Take the lock again, whatever there is to wait for. */
static void
retake(conc_lock *l, bool recursive, uint32_t depth)
{
	if (!conc__word_try(conc__at_word(&l->word)))
		(void)conc__word_wait(conc__at_word(&l->word), CONC_FOREVER);
	conc__debug_taken(l);
	if (recursive)
		conc__lock_own(l);
	l->depth = depth;
}

static int
wait(conc_condition *c, conc_lock *l, bool recursive, conc_time deadline)
{
	conc__atomic_u32 *sequence;
	uint32_t depth, noted;
	int rc = check(c, l, recursive);

	if (rc == 0)
		rc = conc__may_block(deadline);
	if (rc == 0)
		rc = conc__debug_give(l);
	if (rc)
		return rc;
	rc = conc__debug_take(l, CONC_FOREVER); /* as retake will, which cannot be refused */
	if (rc) {
		conc__debug_taken(l);
		return rc;
	}
	sequence = conc__atomic_u32_at(&c->sequence);
	/* pairs with the add in notify: had it come, its look at `arrived' did not see us */
	noted = conc__load_acquire(sequence);
	/* pairs with notify's loads of it: who was woken out of turn is found there */
	conc__add_acq_rel(conc__atomic_u32_at(&c->arrived), 1);
	depth = l->depth;
	l->depth = 0;
	if (recursive)
		conc__lock_disown(l);
	(void)conc__word_release(conc__at_word(&l->word));
	/* Woken by notify, or by the deadline. */
	do {
		rc = conc__futex_wait(sequence, noted, deadline);
		/* relaxed: what was done before the notify comes with the lock */
	} while (rc == 0 && conc__load_relaxed(sequence) == noted);
	/* pairs with notify, which loads it before `arrived': never is the first found ahead */
	conc__add_acq_rel(conc__atomic_u32_at(&c->left), 1);
	retake(l, recursive, depth);
	return rc;
}

static int
wait_for(conc_condition *c, conc_lock *l, bool recursive, bool (*predicate)(void *user),
    void *user, conc_time deadline)
{
	int rc = predicate ? check(c, l, recursive) : -EINVAL;
	bool met;

	if (rc)
		return rc;
	while (!(met = predicate(user)) && rc == 0)
		rc = wait(c, l, recursive, deadline);
	return met ? 0 : rc;
}

int
conc_condition_wait(conc_condition *c, conc_lock *l, conc_time deadline)
{
	return wait(c, l, false, deadline);
}

int
conc_condition_wait_rlock(conc_condition *c, conc_rlock *l, conc_time deadline)
{
	return wait(c, l ? &l->lock : NULL, true, deadline);
}

int
conc_condition_wait_for(conc_condition *c, conc_lock *l, bool (*predicate)(void *user),
    void *user, conc_time deadline)
{
	return wait_for(c, l, false, predicate, user, deadline);
}

int
conc_condition_wait_for_rlock(conc_condition *c, conc_rlock *l, bool (*predicate)(void *user),
    void *user, conc_time deadline)
{
	return wait_for(c, l ? &l->lock : NULL, true, predicate, user, deadline);
}

int
conc_condition_notify(conc_condition *c, uint32_t n)
{
	conc__atomic_u32 *sequence;
	uint32_t arrived, left;

	if (!c)
		return -EINVAL;
	/* pairs with the add in wait: each of these waits is among `arrived' below */
	left = conc__load_acquire(conc__atomic_u32_at(&c->left));
	/* pairs with the add in wait; whose wait began before us is in it by the lock */
	arrived = conc__load_acquire(conc__atomic_u32_at(&c->arrived));
	if (arrived == left || n == 0)
		return 0;
	sequence = conc__atomic_u32_at(&c->sequence);
	/* pairs with the load in wait: who notes the new number comes after our look */
	conc__add_acq_rel(sequence, 1);
	conc__futex_wake(sequence, n < INT32_MAX ? (int)n : INT32_MAX);
	/* pairs with the add in wait, which comes before its sleep */
	if (conc__load_acquire(conc__atomic_u32_at(&c->arrived)) != arrived)
		conc__futex_wake(sequence, INT32_MAX);
	return 0;
}

int
conc_condition_notify_all(conc_condition *c)
{
	return conc_condition_notify(c, UINT32_MAX);
}
