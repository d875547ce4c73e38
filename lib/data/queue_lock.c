/* SPDX-License-Identifier: MIT */
/*
 * The queue's locks: both of them, and the owner.
 */
#include "base/fork.h"
#include "base/self.h"
#include "data/queue.h"

static void
lock(conc_queue *q)
{
	conc__mutex_lock(&q->head);
	conc__mutex_lock(&q->tail);
}

void
conc__data_queue_leave(conc_queue *q)
{
	q->out_seen = q->out.ring.size;
	conc__mutex_unlock(&q->tail);
	conc__mutex_unlock(&q->head);
}

/* Whoever signals has both: so nothing is missed between the two lines that let go of them. */
static void
wait_for(conc_queue *q, struct conc__condition *condition, conc_time deadline)
{
	conc__mutex_unlock(&q->head);
	(void)conc__condition_wait(condition, &q->tail, deadline);
	conc__mutex_unlock(&q->tail);
	lock(q);
}

static void
await_owner(conc_queue *q)
{
	q->blocked++;
	while (q->owner != 0) /* woken by conc__data_queue_disown */
		wait_for(q, &q->freed, CONC_FOREVER);
	q->blocked--;
}

int
conc__data_queue_enter(conc_queue *q)
{
	if (!q)
		return -EINVAL;
	if (conc__forked(q->generation))
		return CONC_EFORKED;
	lock(q);
	if (q->owner != 0 && q->owner == conc__self()->number) {
		conc__mutex_unlock(&q->tail);
		conc__mutex_unlock(&q->head);
		return -EDEADLK;
	}
	await_owner(q);
	return 0;
}

void
conc__data_queue_block(conc_queue *q, struct conc__condition *condition, conc_time deadline)
{
	/* He may have filled the room: with what was seen before, in is above the capacity. */
	q->out_seen = q->out.ring.size;
	wait_for(q, condition, deadline);
	await_owner(q);
}

void
conc__data_queue_own(conc_queue *q)
{
	if (!q->out.compare)
		return;
	q->owner = conc__self()->number;
	conc__data_queue_leave(q);
}

int
conc__data_queue_disown(conc_queue *q)
{
	if (!q->out.compare)
		return 0;
	if (conc__forked(q->generation))
		return CONC_EFORKED;
	lock(q);
	q->owner = 0;
	if (q->blocked > 0)
		conc__condition_broadcast(&q->freed);
	return 0;
}
