/* SPDX-License-Identifier: MIT */
/*
 * The inbox of a pool's queue.
 */
#include "thread/inbox.h"

enum conc__posted
conc__inbox_post(struct conc__inbox *in, struct conc__task *t)
{
	/* relaxed: only a guess for the swap below */
	uint64_t newest = conc__load_relaxed(&in->word);

	do {
		if (newest == CONC__INBOX_CLOSED) {
			t->place = CONC__NOWHERE;
			return CONC__POSTED_NOT;
		}
		t->place = CONC__IN_INBOX;
		t->next = (struct conc__task *)(uintptr_t)newest;
		/* release: pairs with the exchange in conc__inbox_take: the task before the
		 * word.  Who is told takes the lock, which orders the rest. */
	} while (!conc__cas_weak_acq_rel(&in->word, &newest, (uint64_t)(uintptr_t)t));
	return newest == CONC__INBOX_IDLE ? CONC__POSTED_TELL : CONC__POSTED;
}

struct conc__task *
conc__inbox_take(struct conc__inbox *in, bool close, bool *told)
{
	struct conc__task *t, *oldest = NULL;
	uint64_t word;

	*told = false;
	if (!close && !conc__inbox_filled(in))
		return NULL;
	/* acquire: pairs with the swap in conc__inbox_post: the tasks are seen whole */
	word = conc__exchange_acquire(
	    &in->word, (uint64_t)(close ? CONC__INBOX_CLOSED : CONC__INBOX_BUSY));
	while (word > CONC__INBOX_CLOSED) {
		t = (struct conc__task *)(uintptr_t)word;
		word = (uint64_t)(uintptr_t)t->next;
		t->next = oldest;
		oldest = t;
	}
	*told = oldest != NULL && word == CONC__INBOX_IDLE;
	return oldest;
}

bool
conc__inbox_arm(struct conc__inbox *in)
{
	uint64_t word = CONC__INBOX_BUSY;

	/*
	 * pairs with the swap in conc__inbox_post: only who is told; the lock orders the
	 * rest
	 */
	return conc__cas_acq_rel(&in->word, &word, (uint64_t)CONC__INBOX_IDLE) ||
	    word <= CONC__INBOX_CLOSED;
}

void
conc__inbox_open(struct conc__inbox *in)
{
	uint64_t word = CONC__INBOX_CLOSED;

	/* pairs with the load and the swap in conc__inbox_post, which find it open; it orders
	 * nothing for them: the lock does */
	(void)conc__cas_acq_rel(&in->word, &word, (uint64_t)CONC__INBOX_BUSY);
}
