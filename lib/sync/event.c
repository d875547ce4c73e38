/* SPDX-License-Identifier: MIT */
/*
 * Events.
 *
 * One word: whether it is set, whether somebody may sleep on it, and how often
 * it was set before.  That number lets go those who slept when it was set and
 * cleared again.  It wraps after 2^30 times: who does not run for exactly so
 * many waits for the next.
 *
 *	SET            by set; taken away by clear
 *	WAITED         by who will sleep, only while not SET; taken away by set
 *	GENERATION     raised with SET
 */
#include "base/clock.h"
#include "base/futex.h"
#include "sync/sync.h"

#define SET UINT32_C(1)
#define WAITED UINT32_C(2)
#define GENERATION UINT32_C(4)

int
conc_event_init(conc_event *e, uint32_t flags)
{
	int rc = e != NULL ? conc__check_flags(flags, 0) : -EINVAL;

	if (rc == 0)
		*e = (conc_event)CONC_EVENT_INIT;
	return rc;
}

void
conc_event_fini(conc_event *e)
{
	if (e != NULL)
		*e = (conc_event)CONC_EVENT_INIT;
}

int
conc_event_set(conc_event *e)
{
	uint32_t word, next;
	conc__atomic_u32 *at;

	if (e == NULL)
		return -EINVAL;
	at = conc__at_word(&e->word);
	/* relaxed: the swap compares it again */
	word = conc__load_relaxed(at);
	do {
		next = word & SET ? word : ((word & ~WAITED) + GENERATION) | SET;
		/* pairs with the loads in wait and is_set: what we did is done for them */
	} while (!conc__cas_weak_acq_rel(at, &word, next));
	/* The event may be gone already: only its address is used. */
	if (word & WAITED)
		conc__futex_wake(at, INT32_MAX);
	return 0;
}

int
conc_event_clear(conc_event *e)
{
	conc__atomic_u32 *at;
	uint32_t word;

	if (e == NULL)
		return -EINVAL;
	at = conc__at_word(&e->word);
	/* relaxed: the swap compares it again */
	word = conc__load_relaxed(at);
	/* pairs with set: what came before the one that is undone, is done */
	while ((word & SET) && !conc__cas_weak_acq_rel(at, &word, word & ~SET))
		;
	return 0;
}

bool
conc_event_is_set(const conc_event *e)
{
	/* pairs with the swap in set: what came before that is done */
	return e != NULL && conc__load_acquire(conc__at_word(&e->word)) & SET;
}

int
conc_event_wait(conc_event *e, conc_time deadline)
{
	conc__atomic_u32 *at;
	uint32_t word, first;
	int rc;

	if (e == NULL)
		return -EINVAL;
	at = conc__at_word(&e->word);
	/* pairs with the swap in set: what came before that is done */
	word = first = conc__load_acquire(at);
	while (!(word & SET) && word / GENERATION == first / GENERATION) {
		rc = conc__may_block(deadline);
		if (rc != 0)
			return rc;
		/* pairs with the same: it sees WAITED, or we what it stored */
		if (!(word & WAITED) && !conc__cas_weak_acq_rel(at, &word, word | WAITED))
			continue;
		/* woken by set */
		(void)conc__futex_wait(at, word | WAITED, deadline);
		/* pairs with the same, as above */
		word = conc__load_acquire(at);
	}
	return 0;
}
