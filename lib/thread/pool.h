/* SPDX-License-Identifier: MIT */
#ifndef CONC__POOL_H
#define CONC__POOL_H

/*
 * The thread pool, from inside.  One lock guards it all but the words that say
 * otherwise.
 *
 * How workers come to their work, and none sleeps while it should not:
 *
 *   A worker without work parks: under the lock it goes on the pool's stack of
 *   idle workers, then it sleeps on a word of its own.  Whoever wants it woken
 *   takes it off the stack, under the lock, sets the word, and wakes it: so a
 *   wake-up has one receiver, who cannot miss it.
 *
 *   At most one idle worker is called at a time (coming): when it takes a task
 *   it sees that the next one is called.  New workers are started one for each
 *   task that waits (starting), for an init may take long.  The invariant, for
 *   whenever the lock is free: if a worker is idle and none is coming, or all
 *   are at work and more may be started, then no task waits for them, and the
 *   inbox is IDLE, so that the submitter of the next one will take the lock and
 *   see to it; or he is about to.  Whoever may have broken it, under the lock,
 *   calls conc__pool_tend.
 */
#include "base/lock.h"
#include "base/thread.h"
#include "exec/executor.h"
#include "exec/queue.h"
#include "exec/tally.h"
#include "thread/inbox.h"
#include <conc/thread_pool.h>

struct conc__pool;

enum conc__stage {
	CONC__STARTING, /* init has not succeeded yet */
	CONC__WORKING,
	CONC__LEAVING, /* fini has begun */
};

struct conc__worker {
	struct conc__pool *pool;
	struct conc__thread *thread;
	int index;                            /* from 0; free ones are taken again */
	/* in the pool's list, by index; or among the gone */
	struct conc__worker *next;
	struct conc__worker *above, *below;   /* in the stack of idle workers */
	/* what an extra worker was started for; or NULL */
	struct conc__task *first;
	conc__atomic_u32 called;              /* 1: come, there is work; its futex */
	/* tasks that ended here, still in unfinished; its own */
	ptrdiff_t ended;
	enum conc__stage stage;               /* its own */
	struct conc__tally tally;
};

/*
 * What stands on the two sides of this is never in one cache line, nor in two
 * that are fetched as a pair.  Without it every submitter, who only reads the
 * executor and swaps the inbox, would wait for the line that the workers' lock
 * and queue keep changing.
 */
#define CONC__APART(name) char name[128]

struct conc__pool {
	conc_executor executor; /* first: handles are cast back */
	conc_thread_pool_options options; /* read only; its name is the executor's */
	CONC__APART(apart_from_inbox);

	/* CLOSED without workers, with a queue limit, after shutdown, or broken */
	struct conc__inbox inbox;
	CONC__APART(apart_from_lock);

	struct conc__mutex lock;
	/* a place in the queue has become free, or the mode changed */
	struct conc__condition room;
	/* unfinished or live has come to 0 after a shutdown began */
	struct conc__condition over;

	struct conc__queue queue;
	/*
	 * What must come to 0 before the pool may end: tasks that have left the
	 * inbox and whose end was not told yet; and one for each submitter who
	 * found the inbox IDLE, from when his task leaves it until he has told us.
	 * He may do so before: then it is 1 less for a while.
	 */
	ptrdiff_t unfinished;
	size_t blocked;    /* submitters that wait for room */
	enum conc__mode mode;
	conc_exception *broken; /* why init failed, or NULL */

	struct conc__worker *workers; /* that live, by index */
	struct conc__worker *idle;    /* the last that parked is on top */
	struct conc__worker *gone;    /* whose threads are to be joined */
	int live;                     /* on the list of workers */
	int leaving;                  /* of those, the ones that will take no more tasks */
	int target;                   /* how many there may be */
	int coming;                   /* called, but not yet at the lock */
	int starting;                 /* started for the queue, but not yet at the lock */
	bool orphan;                  /* destroyed from inside: the last one out frees */

	struct conc__tally past;    /* of workers that are gone, and of other threads */
	conc__atomic_u32 kill_word; /* 1: all tasks are asked to stop */
};

/*
 * With the lock held: keep the invariant above.  *called: wake it by
 * conc__worker_wake after letting go; or NULL.  Return 0; or why a task waits
 * and there is no worker at all.
 */
int conc__pool_tend(struct conc__pool *p, struct conc__worker **called);
void conc__worker_wake(struct conc__worker *called);

/* With the lock held: start a worker, for t or in general. */
int conc__worker_start(struct conc__pool *p, struct conc__task *t);

/* With the lock held: call and wake all idle workers: they are to look round. */
void conc__pool_call_all(struct conc__pool *p);

/*
 * With the lock held: take the next task out and move it from PENDING to
 * phase; NULL: there is none.  due: of the delayed ones only those that are.
 */
struct conc__task *conc__pool_take(struct conc__pool *p, uint32_t phase, bool due);

/* With the lock held: t is in the queue no more; whoever waits for room may come. */
void conc__pool_remove(struct conc__pool *p, struct conc__task *t);

/* With the lock held: n more tasks have ended, callbacks and all. */
void conc__pool_ended(struct conc__pool *p, ptrdiff_t n);

/* With the lock held: carry what is in the inbox on to the queue; close: and let no more in. */
void conc__pool_collect(struct conc__pool *p, bool close);

/* With the lock held: is something queued that workers may take?  Else a flush will end it. */
static inline bool
conc__pool_has_work(struct conc__pool *p)
{
	return (p->queue.count > 0 || conc__inbox_filled(&p->inbox)) &&
	    p->mode < CONC__CANCEL && p->broken == NULL;
}

/* With the lock held: has all ended after a shutdown began? */
static inline bool
conc__pool_over(const struct conc__pool *p)
{
	return p->mode != CONC__OPEN && p->unfinished == 0;
}

/* With the lock held: was it destroyed from inside, and has the last one left? */
static inline bool
conc__pool_abandoned(const struct conc__pool *p)
{
	return p->orphan && p->live == 0 && p->unfinished == 0;
}

/*
 * Not under the lock: end all that is queued: cancelled, or failed with e if that is not
 * NULL.
 */
void conc__pool_flush(struct conc__pool *p, const conc_exception *e);

/*
 * With the lock held, let go meanwhile: no worker can be had for what is queued, because of
 * rc.
 */
void conc__pool_fail_all(struct conc__pool *p, int rc);

/* Join the threads of these workers, linked by next, and free them. */
void conc__workers_join(struct conc__worker *gone);

/* Free p and what is left in it; no thread is in it any more. */
void conc__pool_free(struct conc__pool *p);

/*
 * Not under the lock: one more task has ended outside of the workers, or its
 * submitter tells of it.  It may be the last thing to happen to p.
 */
void conc__pool_settle(struct conc__pool *p);

/* What the engine's table calls: submit.c, */
int conc__pool_submit(conc_executor *ex, struct conc__task *t, conc_time deadline);
void conc__pool_withdraw(conc_executor *ex, struct conc__task *t);
int conc__pool_claim(conc_executor *ex, struct conc__task *t);
bool conc__pool_retry(conc_executor *ex, struct conc__task *t, int64_t due);

/* and shutdown.c. */
int conc__pool_shutdown(conc_executor *ex, conc_shutdown_how how, conc_time deadline);
void conc__pool_destroy(conc_executor *ex);

#endif
