/* SPDX-License-Identifier: MIT */
#ifndef CONC__TASK_H
#define CONC__TASK_H

/*
 * Tasks: what flows through the house.
 *
 * A task, its future, and room for a small argument and a small result are
 * one block of memory, which lives until the last reference of the future is
 * gone.  The task is owned by one at a time: submitter, queue, then whoever
 * wins the future (a worker, a claimer, a canceller), who ends it.
 */
#include "future/frame.h"
#include "future/future.h"
#include <conc/executor.h>

/* A pool's own excepthook; counted, for futures outlive their pool. */
struct conc__hook {
	conc__atomic_u32 refs;
	conc_excepthook *call;
	void *user;
};

/* One of call and user, or NULL if call is NULL.  Return 0 or -ENOMEM. */
int conc__hook_make(struct conc__hook **h, conc_excepthook *call, void *user);
struct conc__hook *conc__hook_ref(struct conc__hook *h);
void conc__hook_release(struct conc__hook *h);

/* A place in a heap: see exec/heap.h. */
struct conc__node {
	struct conc__node *child, *next, *prev;
	int64_t key;
	uint64_t order;
};

/* What only some tasks need. */
struct conc__extras {
	char *name;
	void (*cleanup)(void *user);
	void *user;
	struct conc__hook *hook;
	struct conc__task *task; /* whose extras these are, for whoever finds the node */
	struct conc__node node;
	int64_t time_limit;
	int64_t backoff;
	int priority;
	int retries;
};

/* Where in an engine's queue a task stands. */
enum conc__place {
	CONC__NOWHERE,
	CONC__IN_INBOX,
	CONC__IN_LINE,
	CONC__BY_PRIORITY,
	CONC__BY_TIME
};

struct conc__task {
	conc_future future; /* first: one block, one count */
	conc_fn *fn;
	const void *arg;
	size_t arg_size;
	/*
	 * The engine's, under its lock: its place in the queue; or of a task that it has
	 * handed to another process: which slot's, and its claim, both written before
	 * the task becomes RUNNING, and then read by whoever holds its future as well
	 */
	union {
		struct conc__task *next;
		void *slot;
	};
	union {
		struct conc__task *prev;
		conc__atomic_u64 *claim;
	};
	conc__atomic_u64 since;         /* when it was queued, or is due again */
	struct conc__extras *extras;    /* or NULL */
	/* The engine's, under its lock: */
	union {
		uint8_t place; /* enum conc__place */
		uint8_t phase; /* of one that is in no queue, and about to end: how */
	};
	bool own_arg; /* arg is a block of its own, freed as the task ends */
	bool killed;  /* conc_future_kill has said so: it ends cancelled; its future held */
	int runs;     /* how often it has begun, if its engine counts that */
};

static inline int
conc__priority(const struct conc__task *t)
{
	return t->extras != NULL ? t->extras->priority : 0;
}

/*
 * Make a task of ex from what the program says, with a reference of its future
 * for the program if wanted.  Return 0, -EINVAL or -ENOMEM.
 */
int conc__task_make(
    struct conc__task **t, conc_executor *ex, const conc_task *what, bool future_wanted);

/* It was refused: free it, without a trace. */
void conc__task_unmake(struct conc__task *t);

/*
 * Run t, which is RUNNING by this thread, and end it or have it retried.  now
 * is conc__now(), or 0: not known.  Return the same for its end.
 */
int64_t conc__task_run(struct conc__task *t, int64_t now);

/*
 * End t, won by this thread: count it, clean up, end the future.  e is taken.
 * ran: for how long it ran, -1: never.  t and its executor may be gone after.
 */
void conc__task_end(struct conc__task *t, uint32_t phase, conc_exception *e, int64_t ran);
/* Of one that was counted, has no cleanup, and whose future is held. */
void conc__task_end_held(struct conc__task *t, uint32_t phase, conc_exception *e);

/*
 * t, RUNNING and the caller's to end, has failed with code after a run of
 * *ran: have it run again, if it may, and nobody asked it to stop.  true: it
 * is the engine's again, and may be gone.  false: end it, with *ran, which is
 * -1 if this run has been counted here.
 */
bool conc__task_retry(struct conc__task *t, int code, int64_t now, int64_t *ran);

/* t, not ended, takes room, a block for conc__free, for its result instead of its own. */
void conc__task_take_room(struct conc__task *t, void *room, size_t size);

/* The exception of a task that failed with cause, whose reference is taken, past its limit. */
conc_exception *conc__task_past_limit(conc_exception *cause, const char *name);

/* Was the task of this frame asked to stop, by cancel or by its pool? */
bool conc__frame_asked(const struct conc__frame *frame);

#endif
