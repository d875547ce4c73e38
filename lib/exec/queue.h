/* SPDX-License-Identifier: MIT */
#ifndef CONC__QUEUE_H
#define CONC__QUEUE_H

/*
 * An engine's queue: tasks in the order in which they are to run, linked
 * through themselves.  Not locked: the engine's lock guards it.
 *
 * Tasks of priority 0, nearly all there are, stand in a plain line; the others
 * in a heap; those that wait for their next try in a heap by time.
 */
#include "exec/heap.h"

struct conc__queue {
	struct conc__task *first, *last; /* priority 0 */
	struct conc__heap others;        /* by priority, highest first */
	struct conc__heap delayed;       /* by the time when they are due */
	size_t count;                    /* all of them */
	size_t high_water;               /* the most there ever were */
};

/* Put t, which is nowhere, behind its equals; or where it waits until due. */
void conc__queue_push(struct conc__queue *q, struct conc__task *t);
void conc__queue_delay(struct conc__queue *q, struct conc__task *t, int64_t due);

/* Put t, which was taken out a moment ago, before its equals. */
void conc__queue_put_back(struct conc__queue *q, struct conc__task *t);

/* Those that have waited long enough join the others; a pop does that, too. */
void conc__queue_move_due(struct conc__queue *q);

/* Take t out, if it is in. */
void conc__queue_remove(struct conc__queue *q, struct conc__task *t);

/* Take the next one out; NULL: none.  due: of the delayed ones only those that are due. */
struct conc__task *conc__queue_pop(struct conc__queue *q, bool due);

/* When the first delayed task is due: INT64_MAX if there is none. */
static inline int64_t
conc__queue_due(const struct conc__queue *q)
{
	return q->delayed.top != NULL ? q->delayed.top->key : INT64_MAX;
}

#endif
