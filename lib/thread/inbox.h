/* SPDX-License-Identifier: MIT */
#ifndef CONC__INBOX_H
#define CONC__INBOX_H

/*
 * The inbox of a pool's queue: where submitters lay tasks down without taking
 * the pool's lock, and whoever holds the lock carries them on to the queue.
 *
 * One word:
 *
 *	IDLE     empty, and a worker is to be had: whoever lays a task down tells
 *	BUSY     empty, and all workers will look again before they sleep
 *	CLOSED   nothing is laid down here: submitters must take the lock
 *	else     the newest task; its next is the one before; the oldest one's
 *	         next is the word from before it, IDLE or BUSY
 *
 *	IDLE, BUSY, task -> task     by any submitter
 *	BUSY -> IDLE                 the others: by who holds the pool's lock
 *	IDLE, task -> BUSY
 *	IDLE, BUSY, task -> CLOSED
 *	CLOSED -> BUSY
 *
 * So a submitter comes near the pool's lock only when a worker sleeps, or was
 * not started yet.
 */
#include "base/atomic.h"
#include "exec/task.h"

enum { CONC__INBOX_BUSY, CONC__INBOX_IDLE, CONC__INBOX_CLOSED };

struct conc__inbox {
	conc__atomic_u64 word;
};

enum conc__posted {
	CONC__POSTED_TELL, /* tell the pool, conc__pool_tend */
	CONC__POSTED,      /* nothing to do */
	CONC__POSTED_NOT   /* it is closed: t is still the caller's */
};

/* Lay t down.  Unless the answer is NOT, t may be running, or gone, when this returns. */
enum conc__posted conc__inbox_post(struct conc__inbox *in, struct conc__task *t);

/*
 * With the pool's lock held: take all tasks out, linked by next from the
 * oldest on; NULL: none.  It is BUSY then, or closed for good if close.
 * *told: the one who laid down the oldest tells the pool, or has.
 */
struct conc__task *conc__inbox_take(struct conc__inbox *in, bool close, bool *told);

/*
 * With the pool's lock held: see that the next task is told of.  Return
 * false if there is one in it already.
 */
bool conc__inbox_arm(struct conc__inbox *in);

/* With the pool's lock held: let tasks in, if it is closed; it is BUSY then. */
void conc__inbox_open(struct conc__inbox *in);

/* With the pool's lock held: is something in?  A task may come right after. */
static inline bool
conc__inbox_filled(struct conc__inbox *in)
{
	/* relaxed: a task that it misses is told of, or met by conc__inbox_arm */
	return conc__load_relaxed(&in->word) > CONC__INBOX_CLOSED;
}

#endif
