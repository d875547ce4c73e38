/* SPDX-License-Identifier: MIT */
#ifndef CONC__SELF_H
#define CONC__SELF_H

/*
 * What the library knows of the calling thread.
 *
 * One struct a thread, all zero at first.  It lies behind a function, not in a
 * _Thread_local of each module, so that the simulator's coroutines can have
 * one each.
 */
#include <conc/error.h>
#include <stdint.h>

struct conc__frame;  /* future/frame.h: a task or callback that runs on this thread */
struct conc__worker; /* thread/pool.h: the pool's worker that this thread is */

struct conc__self {
	/*
	 * Not 0, and no other thread's, ever: neither of one that comes later, though it
	 * may lie at the same address, nor of one in a child that was forked from here.
	 */
	uint64_t number;
	conc_exception *caught;      /* current exception; owned; dropped as the thread ends */
	struct conc__frame *frame;   /* innermost first; NULL outside of tasks and callbacks */
	struct conc__worker *worker; /* NULL on threads that the library did not start */
	const void *executor;        /* the pool whose worker this thread is, or NULL */
	int index;                   /* that worker's, from 0 */
	int hooks;                   /* excepthooks that run on this thread now */
	int handlers;                /* log handlers that run on this thread now */
	int callbacks;               /* future callbacks that run on this thread now */
#ifdef CONC_DEBUG
	uint32_t ranks;              /* a bit for each rank of lock held: never two of one */
	uint32_t held[64];           /* how many locks of programs, by rank: to CONC_RANK_MAX */
#endif
};

/* The calling thread's.  Never NULL.  Valid in that thread alone, until it ends. */
struct conc__self *conc__self(void);

#endif
