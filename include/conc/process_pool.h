/* SPDX-License-Identifier: MIT */
#ifndef CONC_PROCESS_POOL_H
#define CONC_PROCESS_POOL_H

#include <conc/error.h>
#include <conc/executor.h>
#include <conc/version.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Process pools: an executor whose tasks run in worker processes, where a
 * crash, a hang or a leak costs one task, never the program.
 *
 *	conc_executor *pool;
 *
 *	rc = conc_process_pool_create(&pool, CONC_PROCESS_POOL(.workers = 4,
 *	    .time_limit = CONC_S(10), .memory_limit = (size_t)1 << 30));
 *	...
 *	rc = conc_future_result(f, &out, sizeof out);
 *	if (rc == CONC_ECRASHED)
 *		death = conc_exception_death(conc_caught());
 *	conc_executor_destroy(pool);
 *
 * When to create it.  Creation forks one process, the zygote, which has one
 * thread, forks all workers, and sees them die.  That one fork is the only
 * moment at which other threads of the program matter: create the pool early,
 * before threads are started, or while none of them holds a lock that tasks
 * need.  malloc and stdio are safe in any case.  The same holds whenever a new
 * zygote is forked: by conc_process_pool_refresh, by conc_executor_resize to more
 * workers than the zygote has room for, and, if somebody kills the zygote, as
 * soon as tasks need another one.
 *
 * What a task sees.  The program's memory as it was when the pool was created:
 * all functions, constants, tables read at start.  Since then each worker has
 * its own: what a task changes, neither the host nor other workers see, and
 * what the host changes, no worker sees; conc_process_pool_refresh takes a new
 * picture.  Data go in by the argument and come back as the result, both as
 * bytes: they hold no pointers, but to what was there, and has not moved, when
 * the pool was created.  CONC_BORROW is -EINVAL.  A function of a library that
 * was loaded later is refused with CONC_ENOTMAPPED.
 *
 * Worker processes.  They are started as tasks need them: without an init one at
 * first, and more as soon as what waits would keep those that are there busy for
 * longer than it takes to start them.  Each leads a process group of its own, which is killed
 * when it ends, with what its tasks have started.  Signals that the host
 * catches are at their defaults, and so are SIGCHLD and SIGPIPE; others that it
 * ignores stay ignored; SIGINT, SIGTTIN and SIGTTOU are ignored in any case: who
 * interrupts means the host.  None is blocked.  stdin is /dev/null.  stdout is
 * flushed after each task, and in a map after each piece of a chunk; other
 * streams are the task's to flush; what the host had not flushed is not written
 * again.
 * Neither atexit functions nor threads of the host run there.  Tasks run on a
 * copy of the stack of the thread that forked the zygote, as large as that can
 * grow.  A task may start threads and processes, and make executors of its own;
 * the pool itself belongs to the host (CONC_EFORKED).  Tasks must not close
 * descriptors that they have not opened: a worker whose report pipe is closed is
 * killed.  All workers begin with the same seeds of random numbers: let init
 * seed by conc_worker_index().
 *
 * Death.  A task whose worker dies by a signal, calls exit or _exit, or is
 * killed from outside (by the system when memory runs out, say) fails at once
 * with CONC_ECRASHED; past its time limit or CPU limit, CONC_ETIMELIMIT; if its
 * worker sends nonsense, CONC_ECORRUPT.  conc_exception_death tells how.  It
 * costs exactly that task: what was waiting for the same worker goes to
 * another, and the worker is replaced.  A task runs at most once, unless it
 * asked for retries.  When the host ends, in whatever way, all its workers are
 * killed.
 *
 * In the host.  The pool has one thread of its own, on which callbacks and
 * cleanups run.  A thread that waits for a task may end it itself, but only one
 * that has neither callback nor cleanup.  The pool installs no signal handler,
 * never waits for children that are not its own, and works as well if SIGCHLD is
 * ignored or the host reaps every child.  The zygote is a child of the host: a
 * loop like while (wait(NULL) > 0) would wait for it too; .detached prevents
 * that.  In the child of a fork the pool answers CONC_EFORKED.
 *
 * A task that is killed leaves half done what it was doing outside its own
 * memory: files half written, locks in shared memory held.
 */
typedef struct conc_process_pool_options {
	size_t size;                 /* sizeof(conc_process_pool_options) */
	/* for process names (15 bytes in all); copied; NULL: "conc" */
	const char *name;
	int workers;                 /* 1 to 1024; 0: as many as there are usable CPUs */
	conc_when_full when_full;    /* CONC_BLOCK or CONC_FAIL */
	/* tasks that may wait, in the queue or behind another at a worker; 0: no limit */
	size_t queue_limit;
	int (*init)(void *user);     /* first thing in each worker: 0, or a code; or NULL */
	/* last thing in each worker that ends in good order; or NULL */
	void (*fini)(void *user);
	void *user;                  /* handed to init, fini and excepthook */
	/* instead of the program's, for this pool's tasks; or NULL */
	conc_excepthook *excepthook;
	/* bytes that a worker may have above what the zygote holds; 0: no limit */
	size_t memory_limit;
	int64_t time_limit;          /* of tasks that have none of their own, ns; 0: none */
	int64_t cpu_limit;           /* CPU time of each task, ns; 0: none */
	int64_t restart_period;      /* see .restarts, ns; 0: 10 seconds */
	const int *keep_fds;         /* with .close_fds: what stays open as well; copied */
	size_t keep_count;           /* so many */
	int tasks_per_worker;        /* then it is replaced; 0: no limit */
	int nice;                    /* added to the host's; 0 to 39 */
	/* so many workers may die without a task to blame, in a restart_period; 0: 8 */
	int restarts;
	int close_fds;               /* 1: workers have 0, 1, 2 and keep_fds open, no others */
	int detached;                /* 1: the zygote is no child of the host */
	int flags;                   /* 0 */
} conc_process_pool_options;

#define CONC_PROCESS_POOL(...) \
	(&(conc_process_pool_options){.size = sizeof(conc_process_pool_options), __VA_ARGS__})
#define CONC_PROCESS_POOL_INIT                                                        \
	{sizeof(conc_process_pool_options), NULL, 0, CONC_BLOCK, 0, NULL, NULL, NULL, \
	    NULL, 0, 0, 0, 0, NULL, 0, 0, 0, 0, 0, 0, 0}

/*
 * Limits.  time_limit counts from when the task begins; a task's own overrides
 * it, and CONC_UNLIMITED lifts it.  memory_limit makes malloc answer NULL: a
 * task that then returns -ENOMEM has merely failed, one that goes on regardless
 * crashes.  cpu_limit counts the CPU time of all the worker's threads.  In a map
 * they hold for each item.
 *
 * init and fini run in the worker, where conc_worker_index() tells which it is.
 * A pool that is destroyed waits for each fini, under CONC_KILL for 250 ms;
 * without one, idle workers are simply killed.  What a worker writes to the log
 * the host's handler is told, see <conc/log.h>.
 *
 * A worker whose init fails, or that dies in init, has died early; after three
 * early deaths in a row the pool is broken: what is queued fails with
 * CONC_EBROKEN, whose cause is init's exception, and so does every submit from
 * then on.  It breaks as well when more than .restarts workers have died within
 * one .restart_period while they ran no task.  Periods follow each other, the
 * first death after one begins the next: so up to twice as many may die in any
 * stretch of that length.  If the system lets it have no process at all, what is
 * queued fails with CONC_EBROKEN after half a second or so; later tasks try again.
 */

/*
 * conc_process_pool_create: make a process pool.
 *
 * Return 0 and the pool in *ex, which conc_executor_destroy frees.  It is stored
 * before the fork, so tasks find it there, and are answered CONC_EFORKED; on
 * failure *ex is as it was.  options may be NULL: all defaults; they are copied,
 * .user is handed on as it is.
 * Does not wait for workers: a failing init is told by submit and by tasks.
 * -EINVAL: ex is NULL, a number out of its range, CONC_CALLER_RUNS, keep_fds
 * NULL with a keep_count, an unknown flag, or options->size is too small to be
 * one; -E2BIG: options of a newer version use what this library does not know;
 * -ENOMEM; -EAGAIN: no process or thread can be started, or the system has no
 * more locks; -EMFILE, -ENFILE: no descriptors.
 */
CONC_API int conc_process_pool_create(
    conc_executor **ex, const conc_process_pool_options *options);

/*
 * conc_process_pool_refresh: take a new picture of the host's memory.
 *
 * Fork a new zygote.  Tasks that are queued run on workers forked from it, which
 * see the memory of now and know the functions loaded by now; tasks that run
 * end on the old workers, which then leave in good order.  It never waits for
 * tasks.  As for create, the other threads of the program matter at this
 * moment.
 *
 * Return 0; on failure all is as it was: -EINVAL: not a process pool;
 * CONC_ESHUTDOWN; CONC_EBROKEN; CONC_EFORKED; -ENOMEM, -EAGAIN, -EMFILE,
 * -ENFILE: as create.
 */
CONC_API int conc_process_pool_refresh(conc_executor *ex);

#ifdef __cplusplus
}
#endif

#endif
