/* SPDX-License-Identifier: MIT */
/*
 * An engine's queue.
 */
#include "exec/queue.h"
#include "base/clock.h"

static struct conc__task *
task_of(struct conc__node *n)
{
	return ((struct conc__extras *)((char *)n - offsetof(struct conc__extras, node)))->task;
}

static void
count_one(struct conc__queue *q)
{
	if (++q->count > q->high_water)
		q->high_water = q->count;
}

void
conc__queue_push(struct conc__queue *q, struct conc__task *t)
{
	count_one(q);
	if (conc__priority(t) != 0) {
		t->place = CONC__BY_PRIORITY;
		conc__heap_push(&q->others, &t->extras->node, -(int64_t)conc__priority(t));
		return;
	}
	t->place = CONC__IN_LINE;
	t->next = NULL;
	t->prev = q->last;
	if (q->last != NULL)
		q->last->next = t;
	else
		q->first = t;
	q->last = t;
}

void
conc__queue_put_back(struct conc__queue *q, struct conc__task *t)
{
	count_one(q);
	if (conc__priority(t) != 0) {
		t->place = CONC__BY_PRIORITY;
		conc__heap_put_back(&q->others, &t->extras->node);
		return;
	}
	t->place = CONC__IN_LINE;
	t->prev = NULL;
	t->next = q->first;
	if (q->first != NULL)
		q->first->prev = t;
	else
		q->last = t;
	q->first = t;
}

void
conc__queue_delay(struct conc__queue *q, struct conc__task *t, int64_t due)
{
	count_one(q);
	t->place = CONC__BY_TIME;
	conc__heap_push(&q->delayed, &t->extras->node, due);
}

void
conc__queue_remove(struct conc__queue *q, struct conc__task *t)
{
	switch (t->place) {
	case CONC__NOWHERE:
	case CONC__IN_INBOX: /* not ours yet */
		return;
	case CONC__IN_LINE:
		if (t->prev != NULL)
			t->prev->next = t->next;
		else
			q->first = t->next;
		if (t->next != NULL)
			t->next->prev = t->prev;
		else
			q->last = t->prev;
		break;
	case CONC__BY_PRIORITY:
		conc__heap_remove(&q->others, &t->extras->node);
		break;
	case CONC__BY_TIME:
		conc__heap_remove(&q->delayed, &t->extras->node);
		break;
	}
	t->place = CONC__NOWHERE;
	q->count--;
}

void
conc__queue_move_due(struct conc__queue *q)
{
	struct conc__task *t;
	int64_t now;

	if (q->delayed.top == NULL)
		return;
	now = conc__now();
	while (q->delayed.top != NULL && q->delayed.top->key <= now) {
		t = task_of(q->delayed.top);
		conc__queue_remove(q, t);
		conc__queue_push(q, t);
	}
}

static struct conc__task *
next(const struct conc__queue *q)
{
	/* Keys are negated priorities: below 0 is before the line, above is after it. */
	if (q->others.top != NULL && (q->others.top->key < 0 || q->first == NULL))
		return task_of(q->others.top);
	return q->first;
}

struct conc__task *
conc__queue_pop(struct conc__queue *q, bool due)
{
	struct conc__task *t;

	conc__queue_move_due(q);
	t = next(q);
	if (t == NULL && !due && q->delayed.top != NULL)
		t = task_of(q->delayed.top);
	if (t != NULL)
		conc__queue_remove(q, t);
	return t;
}
