/* SPDX-License-Identifier: MIT */
#ifndef CONC_EXECUTOR_H
#define CONC_EXECUTOR_H

#include <conc/error.h>
#include <conc/future.h>
#include <conc/time.h>
#include <conc/version.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Executors: what every pool answers to.
 *
 * A task is a plain function with an argument and room for a result:
 *
 *	static int square(const void *arg, void *result)
 *	{
 *		int n = *(const int *)arg;
 *
 *		*(int *)result = n * n;
 *		return 0;
 *	}
 *
 *	conc_submit(pool, square, &n, sizeof n, sizeof n, &future);
 *	conc_map(pool, square, 100, in, sizeof *in, out, sizeof *out, NULL);
 *
 * The same function runs on any engine.  See <conc/thread_pool.h> and
 * <conc/process_pool.h> for how to create a pool.  All functions here are
 * MT-safe unless they say otherwise, and may be called inside tasks; but a task
 * of a process pool has no part in that pool, which answers CONC_EFORKED there.
 *
 * Arguments are copied at submit, aligned for any type, so the caller's
 * variable may go; with arg_size 0 the task gets NULL.  What goes to another
 * process must hold no pointers.  The result's room is inside the future,
 * zeroed at first; with result_size 0 the task gets NULL.
 *
 * A task must return.  A C++ exception or longjmp that leaves it is
 * undefined; pthread_exit ends it with CONC_ECRASHED, and the pool goes on
 * with a new worker.  On a process pool so does whatever ends the process.
 */
typedef struct conc_executor conc_executor;

/* As arg_size: do not copy, hand the pointer itself on.  Thread pools only. */
#define CONC_BORROW SIZE_MAX

/* What submit does when the queue is full. */
typedef enum {
	CONC_BLOCK,      /* wait for room until .submit_deadline */
	CONC_FAIL,       /* return -EAGAIN */
	/* run the task in the submitting thread, before submit returns; thread pools only */
	CONC_CALLER_RUNS
} conc_when_full;

/* A task with all that can be said of it; CONC_TASK(...) makes one. */
typedef struct conc_task {
	size_t size;               /* sizeof(conc_task) */
	conc_fn *fn;               /* what to run */
	const void *arg;           /* its argument, */
	size_t arg_size;           /* so many bytes; 0: none; CONC_BORROW: the pointer itself */
	size_t result_size;        /* room for the result, bytes */
	const char *name;          /* for exceptions and conc_task_name; copied; NULL: none */
	int priority;              /* higher ones first; equals in order of submission */
	/* so many more runs after CONC_ECRASHED or CONC_ETIMELIMIT */
	int retries;
	int64_t time_limit;        /* longest run, ns; 0: the pool's; CONC_UNLIMITED: none */
	/* pause before the first retry, ns; doubles with each further */
	int64_t backoff;
	conc_time submit_deadline; /* a full queue: wait until then; zero: for ever */
	void (*cleanup)(void *user); /* runs once, when the task can no longer touch anything */
	void *user;                /* cleanup's */
} conc_task;

/* CONC_TASK(.fn = f, .name = "resize", ...): a pointer to a conc_task. */
#define CONC_TASK(...) (&(conc_task){.size = sizeof(conc_task), __VA_ARGS__})

/* For C++, and whoever prefers: conc_task t = CONC_TASK_INIT; t.fn = f; */
#define CONC_TASK_INIT \
	{sizeof(conc_task), NULL, NULL, 0, 0, NULL, 0, 0, 0, 0, {0}, NULL, NULL}

/*
 * conc_submit: hand a task to the executor.
 *
 * Return 0, and in *future its future, whose reference is the caller's.
 * future NULL: none is wanted; a failure then goes to the excepthook.
 *
 * Requires fn not NULL; arg not NULL unless arg_size is 0 or CONC_BORROW.
 * Errors, each of which leaves *future alone and nothing queued:
 *   -EINVAL         a NULL or a combination that makes no sense, or CONC_BORROW
 *                   and a process pool
 *   -ENOMEM         no memory, or sizes that no memory can hold
 *   -EAGAIN         the queue is full (CONC_FAIL), or no worker could be started
 *   -ETIMEDOUT      the queue stayed full until .submit_deadline
 *   CONC_ESHUTDOWN  the executor was shut down
 *   CONC_EBROKEN    its initialiser failed, or its workers keep dying: the current
 *                   exception and its cause say how
 *   CONC_ENOTMAPPED fn was loaded after the process pool was created
 *   CONC_EFORKED    it belongs to the process we forked from
 * A submit against a shutdown is either accepted, and runs, or refused.
 */
CONC_API int conc_submit(conc_executor *ex, conc_fn *fn, const void *arg, size_t arg_size,
    size_t result_size, conc_future **future);

/*
 * conc_submit_task: as conc_submit, with a task that says more.  The task
 * struct is read and not kept.  cleanup(user) runs exactly once if the task
 * was accepted, in this process, before its future counts as done, as a
 * callback: on the thread that ends the task (a worker, a process pool's own
 * thread, or whoever cancels), with no lock held, and no wait may block in it;
 * never if submit refused.  time_limit on a thread pool only asks:
 * conc_cancelled() turns true, and a failure after it becomes CONC_ETIMELIMIT,
 * with the task's own exception as its cause; a process pool kills it.  retries
 * greater than 0 is the promise that the task may run more than once; between
 * runs its future is pending.  Further errors: -E2BIG: the struct is of a newer
 * version and uses what this library does not know; -EINVAL: also for a negative
 * time_limit, backoff or retries.
 */
CONC_API int conc_submit_task(conc_executor *ex, const conc_task *task, conc_future **future);

/* How to map; CONC_MAP(...) makes one. */
typedef struct conc_map_options {
	size_t size;         /* sizeof(conc_map_options) */
	size_t chunk;        /* items handed to a worker at a time; 0: chosen */
	/* n of them, or NULL: each item's; -ECANCELED: cancelled, see below */
	int *codes;
	conc_time deadline;  /* stop by then; zero: never */
	void (*on_item)(size_t index, int code, void *user); /* an item has ended, or NULL */
	/* some have ended, or NULL */
	void (*on_progress)(size_t done, size_t total, void *user);
	void *user;          /* the callbacks' */
	int64_t time_limit;  /* longest run of an item, ns; 0: the pool's */
	int64_t backoff;     /* pause before an item's first retry, ns; doubles */
	int retries;         /* as in conc_task, for each item */
	int stop_on_failure; /* 1: the first failure ends the whole */
} conc_map_options;

#define CONC_MAP(...) (&(conc_map_options){.size = sizeof(conc_map_options), __VA_ARGS__})
#define CONC_MAP_INIT {sizeof(conc_map_options), 0, NULL, {0}, NULL, NULL, NULL, 0, 0, 0, 0}

/*
 * conc_map: run fn over an array, in parallel, and wait for all.
 *
 * Item i gets args + i * arg_size (NULL if arg_size is 0) and writes results
 * + i * result_size (NULL if result_size is 0), which is not zeroed.  args and
 * results must stay until conc_map returns; then no item touches them any
 * more.  options may be NULL.
 *
 * Return 0; or the code of the failing item with the lowest index, whose
 * exception is then this thread's current one; -ETIMEDOUT: the deadline came
 * first; CONC_ESHUTDOWN: a shutdown kept items from running; -EDEADLK: the
 * call is made inside a callback or cleanup; -EINVAL: as conc_submit_task, and
 * for arrays larger than any memory.  On deadline, stop_on_failure or a
 * shutdown what has not begun is cancelled, what runs is asked to stop
 * (conc_cancelled), on a process pool killed, and awaited; an item's code is
 * -ECANCELED if it never ran, returned that when it was asked, or was killed so.
 * Also what conc_submit returns, when the executor takes no more: what had begun
 * is awaited then as well.
 *
 * on_item and on_progress run in the calling thread, one at a time, on_item in
 * the order in which chunks end, for items that ran.  Memory in use does not
 * grow with n.
 */
CONC_API int conc_map(conc_executor *ex, conc_fn *fn, size_t n, const void *args,
    size_t arg_size, void *results, size_t result_size, const conc_map_options *options);

/* How to shut down; each does what those before it do, and more. */
typedef enum {
	CONC_DRAIN,  /* take no more from outside, run all that is queued */
	CONC_CANCEL, /* cancel what is queued, let what runs finish */
	CONC_KILL    /* ask what runs to stop; process pools kill it */
} conc_shutdown_how;

/*
 * conc_shutdown: end the executor's work, and wait for it.
 *
 * Return 0: all has ended, callbacks and workers too; the executor refuses
 * work and waits to be destroyed.  -ETIMEDOUT: not by the deadline; it goes
 * on; call again to wait on, with the same how or a stronger one (a weaker
 * one changes nothing).  -EDEADLK: called from a task or callback of ex, or
 * it would block in a future's callback: the shutdown has begun, but cannot be
 * awaited here.  -EINVAL; CONC_EFORKED.
 */
CONC_API int conc_shutdown(conc_executor *ex, conc_shutdown_how how, conc_time deadline);

/*
 * conc_executor_destroy: drain, then free.  NULL is fine.  Nothing else may
 * run on ex from now on but its own tasks.  From a task of ex, or a future's
 * callback: the drain begins, and the last worker out frees it.  Futures live
 * on.  In the child of a fork it only frees memory.
 */
CONC_API void conc_executor_destroy(conc_executor *ex);

/*
 * conc_executor_resize: let it have n workers from now on.  Never waits: more
 * are started as they are needed, fewer remain as tasks end.  Return 0;
 * -EINVAL: n is below 1 or beyond 4096, of a process pool 1024; CONC_ESHUTDOWN;
 * CONC_EFORKED.  A process pool whose zygote has no room for so many (it has for
 * 16, or for twice as many as there could be when it was forked) forks a new one,
 * which has a new picture of memory: see conc_process_pool_refresh, also for how
 * that may fail.
 */
CONC_API int conc_executor_resize(conc_executor *ex, int n);

/* conc_executor_workers: how many workers it may have; -EINVAL; CONC_EFORKED. */
CONC_API int conc_executor_workers(conc_executor *ex);

/* What an executor has done so far.  Set size before the call. */
typedef struct conc_stats {
	size_t size;        /* sizeof(conc_stats) */
	size_t workers;     /* workers that live now */
	size_t queued;      /* tasks that wait now */
	size_t running;     /* tasks that run now */
	size_t high_water;  /* most tasks that were seen to wait at once, see below */
	uint64_t done;      /* tasks that returned 0 */
	uint64_t failed;    /* tasks that failed */
	uint64_t cancelled; /* tasks that were cancelled */
	int64_t wait_time;  /* ns that tasks have waited in the queue, summed */
	int64_t run_time;   /* ns that tasks have run, summed */
} conc_stats;

#define CONC_STATS_INIT {sizeof(conc_stats), 0, 0, 0, 0, 0, 0, 0, 0, 0}

/*
 * conc_executor_stats: fill the first stats->size bytes of *stats.  A task is
 * counted as ended before its future is done; a map's chunk is one task, done
 * even if items failed, unless its worker died.  high_water without a
 * queue_limit is what was seen when a worker or a call looked, since
 * submitters do not stop to count.
 * Return 0; -EINVAL: NULL, or a size too small to be a conc_stats; -E2BIG:
 * larger than this library knows; CONC_EFORKED.
 */
CONC_API int conc_executor_stats(conc_executor *ex, conc_stats *stats);

/*
 * Inside a task.  They speak of the innermost task that runs on this thread;
 * outside of tasks they return false, 0, NULL, -1 and NULL.
 */

/*
 * conc_cancelled: was this task asked to stop, or is it past its time limit?
 * Asked, and returning -ECANCELED, it ends as cancelled, not failed.
 */
CONC_API bool conc_cancelled(void);
/* conc_arg_size: the arg_size that it was submitted with. */
CONC_API size_t conc_arg_size(void);
/* conc_task_name: its name, or NULL; valid while it runs. */
CONC_API const char *conc_task_name(void);
/*
 * conc_worker_index: the worker that runs it, from 0; -1: no worker of its
 * pool.  In a pool's init and fini, too.
 */
CONC_API int conc_worker_index(void);

/*
 * conc_result_alloc: replace this task's room for the result by size bytes,
 * zeroed, aligned for any type, freed with the future; for results whose size
 * is known only now.  The former room is gone.  Return the room; NULL:
 * without memory, outside a task, or inside conc_map.
 */
CONC_API void *conc_result_alloc(size_t size);

#ifdef __cplusplus
}
#endif

#endif
