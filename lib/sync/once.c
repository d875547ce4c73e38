/* SPDX-License-Identifier: MIT */
/*
 * Once: a word of a state and, while it runs, the generation of the process
 * that runs it (base/fork.h), by which the child of a fork knows that nobody
 * there will end it.
 *
 *	NEW -> RUNNING           who calls fn
 *	RUNNING -> WAITED        who is the first to wait for him
 *	RUNNING, WAITED -> DONE  fn returned 0
 *	RUNNING, WAITED -> NEW   fn failed
 */
#include "base/clock.h"
#include "base/fork.h"
#include "base/futex.h"
#include "base/self.h"
#include "sync/sync.h"

enum { NEW, RUNNING, WAITED, DONE, GENERATION };

int
conc_once_init(conc_once *o, uint32_t flags)
{
	int rc = o ? conc__check_flags(flags, 0) : -EINVAL;

	if (rc == 0)
		*o = (conc_once)CONC_ONCE_INIT;
	return rc;
}

void
conc_once_fini(conc_once *o)
{
	if (o)
		*o = (conc_once)CONC_ONCE_INIT;
}

/* May this thread wait for who runs it?  0 or a code of conc_once_run. */
static int
may_wait(conc_once *o, uint32_t word, uint32_t generation)
{
	/* relaxed: only this thread stores its own number, and takes it away */
	if (conc__load_relaxed(conc__atomic_u64_at(&o->owner)) == conc__self()->number)
		return -EDEADLK;
	if (word / GENERATION * GENERATION != generation * GENERATION)
		return CONC_EFORKED;
	return conc__may_block(CONC_FOREVER);
}

/* Win the right to run it, or wait until it is done: false, *rc 0; or a code in *rc. */
static bool
win(conc_once *o, int *rc)
{
	conc__atomic_u32 *at = conc__at_word(&o->word);
	uint32_t word, generation;

	*rc = conc__generation(&generation);
	while (*rc == 0) {
		word = NEW;
		/* pairs with end(): what a failed fn did is done, or what the last one did */
		if (conc__cas_acq_rel(at, &word, generation * GENERATION + RUNNING))
			return true;
		if (word == DONE)
			break;
		*rc = may_wait(o, word, generation);
		if (*rc)
			break;
		/* pairs with end(), which finds that somebody waits, or was there before */
		if (word % GENERATION == RUNNING &&
		    !conc__cas_acq_rel(at, &word, word - RUNNING + WAITED))
			continue;
		/* Woken by end(). */
		(void)conc__futex_wait(
		    at, word / GENERATION * GENERATION + WAITED, CONC_FOREVER);
	}
	return false;
}

static void
end(conc_once *o, uint32_t state)
{
	conc__atomic_u32 *at = conc__at_word(&o->word);
	/* pairs with win() and conc_once_run: orders all that fn did before their return */
	uint32_t word = conc__exchange_release(at, state);

	/* All: if it is done nobody else would wake them, and if not only one of them tries. */
	if (word % GENERATION == WAITED)
		conc__futex_wake(at, INT32_MAX);
}

int
conc_once_run(conc_once *o, int (*fn)(void *user), void *user)
{
	int rc;

	if (!o || !fn)
		return -EINVAL;
	/* pairs with end(): what fn did is done */
	if (conc__load_acquire(conc__at_word(&o->word)) == DONE)
		return 0;
	if (!win(o, &rc))
		return rc;
	/* relaxed: it says "not you" to all others, before and after */
	conc__store_relaxed(conc__atomic_u64_at(&o->owner), conc__self()->number);
	rc = fn(user);
	/* relaxed: the same */
	conc__store_relaxed(conc__atomic_u64_at(&o->owner), 0);
	end(o, rc == 0 ? DONE : NEW);
	return rc;
}
