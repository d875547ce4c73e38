/* SPDX-License-Identifier: MIT */
#ifndef CONC__DATA_QUEUE_H
#define CONC__DATA_QUEUE_H

/*
 * A queue's inside.  (The engines keep their tasks in another one, exec/queue.h.)
 *
 *	put -> [ in ]  -- all at once, when out is empty -->  [ out ] -> get
 *	        tail                                           head
 *
 * It has two locks, so that who puts and who gets seldom meet: the head guards
 * out, the tail guards in; the head is taken first.  Whatever else changes is
 * written with both held, and so may be read with either.  A call first tries
 * to do with one of them: a get that finds enough in out, a put that is sure of
 * room, and either only if it has nobody to wake.  All others enter, with both,
 * and then it is as if there were one lock.  With one lock a transfer cost
 * twice as much: its cache line went to and fro for each element.
 *
 * Only a FIFO uses in; the others put into out.
 *
 * Wake-ups.  A thread that waits for an element, or for room, waits in the
 * side of those who get, or of those who put.  The invariant, whenever a lock
 * is free: while there is what a side waits for, one of its waiters has been
 * called and has not looked yet.  Whoever has changed something, or has been
 * called, restores it before he leaves (settle): so one wake-up is under way at
 * a time, and whoever was woken wakes the next.  To wake one for each element
 * would only let them meet at the lock.  Whoever comes out of a wait, for
 * whatever reason, looks before he gives up: so a call that meets his deadline
 * is not lost.
 *
 * A program's compare runs without a lock: its thread owns the queue meanwhile,
 * and all others wait until there is no owner.
 */
#include "base/lock.h"
#include "data/store.h"
#include <conc/queue.h>

/* Those who get, or those who put. */
struct conc__side {
	struct conc__condition condition; /* with the tail */
	size_t waiting; /* threads in a wait on it, or on their way out of one */
	bool called;    /* one of them was woken, and none has come out of it since */
};

struct conc_queue {
	/* These never change. */
	uint32_t generation;          /* of the process that made it */
	size_t capacity;              /* SIZE_MAX: no limit */
	void (*destroy)(void *element, void *user);
	void *user;

	/* Written with both locks held. */
	int bell;                     /* rings while a get would not block; -1: not asked for */
	bool rings;                   /* the bell does */
	bool closed;                  /* nothing goes in any more; never turns back */
	struct conc__side getters, putters;
	struct conc__condition freed; /* with the tail: there is no owner any more */
	struct conc__condition idle;  /* with the tail: all elements are done */
	uint64_t owner;               /* the number of the thread whose compare runs; or 0 */
	size_t blocked;               /* threads that wait for freed */
	size_t joiners;               /* threads that wait for idle */
	size_t dropping;              /* elements that close_now destroys now */
	size_t out_seen;              /* the size of out then: it is no more since */

	char apart[64];               /* what one end writes is on no cache line of the other */
	struct conc__mutex head;
	struct conc__store out;       /* under the head; the owner's, if there is one */

	char apart_too[64];
	struct conc__mutex tail;
	struct conc__ring in;         /* under the tail, and so is */
	size_t unfinished;            /* elements that were put in and are not done */
};

/*
 * Take both locks, when no compare runs; or say why not: then none is held.
 * -EINVAL; CONC_EFORKED; -EDEADLK: this thread runs compare.
 */
int conc__data_queue_enter(conc_queue *q);
void conc__data_queue_leave(conc_queue *q);

/*
 * Within: let go of the locks, block until the condition or the deadline, and
 * take them again; whoever calls looks then.
 */
void conc__data_queue_block(
    conc_queue *q, struct conc__condition *condition, conc_time deadline);

/*
 * Within: own the queue, without locks, until disown; nothing if there is no
 * compare.  disown: 0, and within again; CONC_EFORKED: compare has forked, this
 * is the child, and it holds nothing.
 */
void conc__data_queue_own(conc_queue *q);
int conc__data_queue_disown(conc_queue *q);

/* Within: the bell rings if it should. */
void conc__data_queue_ring(conc_queue *q);

/* Within: how many elements there are. */
static inline size_t
conc__data_queue_count(const conc_queue *q)
{
	return q->out.ring.size + q->in.size;
}

#endif
