/* SPDX-License-Identifier: MIT */
#ifndef CONC__FRAME_H
#define CONC__FRAME_H

/*
 * Frames: the tasks and callbacks that run on a thread, innermost first.
 *
 * A frame lies on the stack of the function that runs the task or callback,
 * and is read by that thread alone.  A claimed task's frame lies on top of the
 * frame of the task that waits for it.
 */
#include "base/atomic.h"
#include "base/self.h"
#include <conc/future.h>
#include <stdbool.h>

struct conc__frame {
	struct conc__frame *outer;
	conc_future *future;      /* ends with this task; a callback's: whose it is; or NULL */
	const void *executor;     /* whose task or callback it is; compared, never followed */
	conc__atomic_u32 *killed; /* not 0: the executor asks all its tasks to stop; or NULL */
	conc__atomic_u64 *claim;  /* of a task whose future another process has; or NULL */
	uint64_t asked;           /* what claim is when it asks the task to stop */
	const char *name;         /* conc_task_name */
	size_t arg_size;          /* conc_arg_size */
	int64_t limit;            /* when the time limit passes, conc__now(); 0: none */
	void *room;               /* from conc_result_alloc, or NULL; owned */
	size_t room_size;
	bool callback; /* a callback or cleanup, no task */
	bool item;     /* an item of a map: its room cannot be replaced */
};

/* Is f a task that runs on this thread, at any depth? */
static inline bool
conc__frame_runs(const struct conc__self *self, const conc_future *f)
{
	for (const struct conc__frame *x = self->frame; x != NULL; x = x->outer)
		if (x->future == f && !x->callback)
			return true;
	return false;
}

/* Does this thread run a task or callback of executor, at any depth? */
static inline bool
conc__frame_within(const struct conc__self *self, const void *executor)
{
	for (const struct conc__frame *x = self->frame; x != NULL; x = x->outer)
		if (x->executor == executor)
			return true;
	return false;
}

/*
 * Run call(arg) as a callback of executor (or NULL): it must not block in the
 * library's waits, and this thread's current exception outlives it.
 */
void conc__frame_callback(
    conc_future *f, const void *executor, void (*call)(void *arg), void *arg);

#endif
