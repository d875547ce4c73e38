/* SPDX-License-Identifier: MIT */
#ifndef CONC__EXECUTOR_H
#define CONC__EXECUTOR_H

/*
 * The door, from inside: an engine is a table of functions behind
 * conc_executor.  The first third of a task's way (make task and future) and
 * the last (finish the future) are one code for all engines, in task.c.
 */
#include "exec/task.h"
#include <conc/executor.h>

struct conc__engine {
	/*
	 * Take t, which is PENDING, into the queue, or refuse it: then nothing of
	 * it was touched.  deadline: how long to wait for room.
	 */
	int (*submit)(conc_executor *ex, struct conc__task *t, conc_time deadline);
	/* This thread has won t, PENDING no more: take it out of the queue, if it is there. */
	void (*withdraw)(conc_executor *ex, struct conc__task *t);
	/* This thread has moved t to RUNNING to run it itself: do that.  0 or -EAGAIN. */
	int (*claim)(conc_executor *ex, struct conc__task *t);
	/*
	 * Engines whose tasks run in other processes; NULL: threads.  t's future is held
	 * (conc__future_hold).  revoke: as in struct conc__source; lets go of it
	 * (conc__future_let_go, or conc__future_revoke, then conc__task_end).  begun: does
	 * not.  kill: t has begun; 0: it will end CANCELLED, soon; -EAGAIN: look again; lets
	 * go of it.
	 */
	int (*revoke)(conc_executor *ex, struct conc__task *t);
	bool (*begun)(conc_executor *ex, struct conc__task *t);
	int (*kill)(conc_executor *ex, struct conc__task *t);
	/*
	 * A thread that has nothing else to do waits for t, whose future it holds, and lets
	 * go of: it may do the engine's work meanwhile, until t has ended, or the deadline.
	 */
	void (*help)(conc_executor *ex, struct conc__task *t, conc_time deadline);
	/* t begins to run on this thread, after it waited so long. */
	void (*began)(conc_executor *ex, int64_t waited);
	/*
	 * A task ends in this phase, and its future will tell next; or DELAYED: a run of it
	 * is over, another may follow.  ran: for how long; -1: it did not.
	 */
	void (*counted)(conc_executor *ex, uint32_t phase, int64_t ran);
	/* It has ended, its callbacks have run: the engine's last touch of it. */
	void (*ended)(conc_executor *ex);
	/* t is to run again, when due (conc__now()): put it back.  false: no more runs here. */
	bool (*retry)(conc_executor *ex, struct conc__task *t, int64_t due);
	/* What conc_map does; NULL: chunks as tasks, conc__map. */
	int (*map)(conc_executor *ex, conc_fn *fn, size_t n, const void *args, size_t arg_size,
	    void *results, size_t result_size, const conc_map_options *options);
	int (*shutdown)(conc_executor *ex, conc_shutdown_how how, conc_time deadline);
	int (*resize)(conc_executor *ex, int n);
	int (*workers)(conc_executor *ex);
	void (*stats)(conc_executor *ex, conc_stats *stats); /* all but size */
	void (*destroy)(conc_executor *ex);                  /* also in a forked child */
	bool borrows; /* CONC_BORROW makes sense: tasks run in this memory */
};

/* An engine's own: what shutdown has come to. */
enum conc__mode {
	CONC__OPEN,
	CONC__DRAIN, /* the rest are conc_shutdown_how + 1 */
	CONC__CANCEL,
	CONC__KILL,
};

struct conc_executor {
	const struct conc__engine *engine;
	conc__atomic_u32 *killed; /* not 0: all tasks are asked to stop; or NULL */
	struct conc__hook *hook;  /* instead of the program's, or NULL */
	char *name;
	uint32_t generation;
};

/*
 * What an engine's create function fills in first, and its last function frees: name
 * NULL is "conc", hook NULL the program's.  Return 0 or a code; fini is due in any case,
 * and may meet one that is all zero.
 */
int conc__executor_init(conc_executor *ex, const struct conc__engine *engine, const char *name,
    conc_excepthook *hook, void *user);
void conc__executor_fini(conc_executor *ex);

/* Is this thread one of ex's, or inside a task or callback of it? */
bool conc__executor_inside(const conc_executor *ex);

/*
 * conc_submit_task, of a task that is well formed; also one whose argument is
 * borrowed by an engine that cannot: a chunk of a map, which it knows by its fn.
 */
int conc__submit_task(conc_executor *ex, const conc_task *what, conc_future **future);

/* The map that an engine gets without one of its own: see map.c. */
int conc__map(conc_executor *ex, conc_fn *fn, size_t n, const void *args, size_t arg_size,
    void *results, size_t result_size, const conc_map_options *options);

#endif
