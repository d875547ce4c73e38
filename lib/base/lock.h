/* SPDX-License-Identifier: MIT */
#ifndef CONC__LOCK_H
#define CONC__LOCK_H

/*
 * Locks of the library itself: a mutex with its condition, on pthreads, and a
 * small lock of four bytes for objects that are many.
 *
 * Each has a rank.  A thread that holds a lock may only take locks of a
 * greater rank: so there is no circle, and no deadlock.  The simulator and
 * builds with -DCONC_DEBUG check it.
 */
#include "base/atomic.h"
#include <conc/time.h>
#include <pthread.h>
#include <stdbool.h>

enum conc__rank {
	CONC__RANK_LIST = 1,    /* a locked list */
	CONC__RANK_QUEUE,       /* a queue: the end that is taken from, */
	CONC__RANK_QUEUE_TAIL,  /* and the one that is put into */
	CONC__RANK_POOL,        /* a thread pool */
	CONC__RANK_FUTURE,      /* a future's watchers */
	CONC__RANK_COMPLETIONS, /* a set of completions */
	CONC__RANK_SYNC,        /* a barrier */
	CONC__RANK_HOOK,        /* the excepthook, the log handler */
	CONC__RANK_REPORTS,     /* a worker process's report pipe */
};

struct conc__mutex {
	pthread_mutex_t mutex;
	int rank;
};

struct conc__condition {
	pthread_cond_t condition;
};

/* One at file scope: needs neither init nor destroy. */
#define CONC__MUTEX_INIT(rank) {PTHREAD_MUTEX_INITIALIZER, (rank)}

/* Return 0 or a code (-ENOMEM, -EAGAIN).  Only create functions call them: they may fail. */
int conc__mutex_init(struct conc__mutex *m, enum conc__rank rank);
void conc__mutex_destroy(struct conc__mutex *m);
int conc__condition_init(struct conc__condition *c);
void conc__condition_destroy(struct conc__condition *c);

/* A monitor: a mutex and its conditions, b NULL if there is one.  All are made, or none. */
static inline int
conc__monitor_init(struct conc__mutex *m, enum conc__rank rank, struct conc__condition *a,
    struct conc__condition *b)
{
	int rc = conc__mutex_init(m, rank);

	if (rc != 0)
		return rc;
	rc = conc__condition_init(a);
	if (rc == 0 && b != NULL) {
		rc = conc__condition_init(b);
		if (rc != 0)
			conc__condition_destroy(a);
	}
	if (rc != 0)
		conc__mutex_destroy(m);
	return rc;
}

static inline void
conc__monitor_destroy(
    struct conc__mutex *m, struct conc__condition *a, struct conc__condition *b)
{
	if (b != NULL)
		conc__condition_destroy(b);
	conc__condition_destroy(a);
	conc__mutex_destroy(m);
}

void conc__mutex_lock(struct conc__mutex *m);
/* Take it if that needs no waiting; whatever its rank. */
bool conc__mutex_try(struct conc__mutex *m);
void conc__mutex_unlock(struct conc__mutex *m);

/*
 * Release m, block until signalled or the deadline, take m again.  Return 0
 * (signalled, or for no reason) or -ETIMEDOUT; m is held in either case.
 */
int conc__condition_wait(struct conc__condition *c, struct conc__mutex *m, conc_time deadline);
void conc__condition_signal(struct conc__condition *c);
void conc__condition_broadcast(struct conc__condition *c);

/*
 * The small lock, a word (base/word.h): all zero is unlocked; needs no destroy.
 */
struct conc__lock {
	conc__atomic_u32 word;
};

void conc__lock_acquire(struct conc__lock *l, enum conc__rank rank);
void conc__lock_release(struct conc__lock *l, enum conc__rank rank);

#endif
