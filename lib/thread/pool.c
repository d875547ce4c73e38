/* SPDX-License-Identifier: MIT */
/*
 * What workers, submitters and shutdown alike do to a thread pool, under its
 * lock.
 */
#include "thread/pool.h"

void
conc__pool_collect(struct conc__pool *p, bool close)
{
	struct conc__task *t, *next;
	bool told;

	t = conc__inbox_take(&p->inbox, close, &told);
	p->unfinished += told;
	for (; t != NULL; t = next) {
		next = t->next;
		conc__queue_push(&p->queue, t);
		p->unfinished++;
	}
}

struct conc__task *
conc__pool_take(struct conc__pool *p, uint32_t phase, bool due)
{
	struct conc__task *t;

	if (p->queue.first == NULL)
		conc__pool_collect(p, false);
	while ((t = conc__queue_pop(&p->queue, due)) != NULL) {
		if (p->blocked > 0)
			conc__condition_signal(&p->room);
		if (conc__future_win(&t->future, phase))
			break;
		/* Somebody else has won it, will find it nowhere, and end it. */
	}
	return t;
}

void
conc__pool_remove(struct conc__pool *p, struct conc__task *t)
{
	if (t->place == CONC__IN_INBOX)
		conc__pool_collect(p, false);
	conc__queue_remove(&p->queue, t);
	if (p->blocked > 0)
		conc__condition_signal(&p->room);
}

void
conc__pool_ended(struct conc__pool *p, ptrdiff_t n)
{
	p->unfinished -= n;
	if (n != 0 && conc__pool_over(p)) {
		conc__condition_broadcast(&p->over);
		conc__pool_call_all(p);
	}
}

void
conc__pool_settle(struct conc__pool *p)
{
	struct conc__worker *called = NULL;
	bool last;

	conc__mutex_lock(&p->lock);
	/*
	 * If no worker can be had, the last one has closed the inbox and seen to what was
	 * in it.
	 */
	(void)conc__pool_tend(p, &called);
	conc__pool_ended(p, 1);
	last = conc__pool_abandoned(p);
	conc__mutex_unlock(&p->lock);
	conc__worker_wake(called);
	if (last)
		conc__pool_free(p);
}
