/* SPDX-License-Identifier: MIT */
#ifndef CONC_THREAD_H
#define CONC_THREAD_H

#include <conc/error.h>
#include <conc/executor.h>
#include <conc/time.h>
#include <conc/version.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Threads: one function, in a thread of its own.
 *
 *	conc_thread *t;
 *
 *	rc = conc_thread_start(&t, listener, &port, sizeof port, CONC_THREAD(.name = "listen"));
 *	...
 *	rc = conc_thread_join(t, CONC_FOREVER);
 *	conc_thread_destroy(t);
 *
 * The function is a task's: it returns 0, or the code of its exception, which
 * whoever joins receives; one that nobody looked at reaches the excepthook.
 * Its result is NULL: what it makes it writes where its argument points to.
 * Inside it conc_arg_size and conc_task_name, which is the thread's name,
 * answer as in a task; nobody asks it to stop, it has no worker's index, and no
 * room for a result (conc_cancelled: false, -1, NULL).
 *
 * For many short pieces of work a pool is better: <conc/thread_pool.h>.
 *
 * Any thread may call anything here on a thread that has not been destroyed,
 * also several at once.  With a NULL handle, functions that return a code
 * return -EINVAL, the others false, 0 or NULL.  In the child of a fork the
 * thread is gone, also if it is the one that forked: unless it had ended
 * before, join answers CONC_EFORKED.
 */
typedef struct conc_thread conc_thread;

typedef struct conc_thread_options {
	size_t size;       /* sizeof(conc_thread_options) */
	const char *name;  /* copied; the system keeps 15 bytes of it; NULL: "conc" */
	size_t stack_size; /* bytes; 0: the system's default */
	/* instead of the program's, for this thread's failure; or NULL */
	conc_excepthook *excepthook;
	void *user;        /* handed to excepthook */
	int daemon;        /* 1: conc_thread_destroy does not wait for it */
	int flags;         /* 0 */
} conc_thread_options;

#define CONC_THREAD(...) \
	(&(conc_thread_options){.size = sizeof(conc_thread_options), __VA_ARGS__})
#define CONC_THREAD_INIT {sizeof(conc_thread_options), NULL, 0, NULL, NULL, 0, 0}

/*
 * conc_thread_start: run fn in a new thread.
 *
 * The arg_size bytes at arg are copied, aligned for any type, and live as long
 * as the thread runs; arg_size 0: fn gets NULL; CONC_BORROW: the pointer
 * itself.  options may be NULL: all defaults; they are copied.  In the thread
 * all signals are blocked but ILL, TRAP, BUS, FPE, SEGV, SYS, PIPE and PROF.
 *
 * Return 0, and the thread in *t, which conc_thread_destroy frees.  t NULL: it
 * is started and let go, as if destroyed at once as a daemon; a failure then
 * goes to the excepthook.
 * On failure *t is left alone and nothing runs.  -EINVAL: fn is NULL; arg is
 * NULL, unless arg_size is 0 or CONC_BORROW; a number out of its range, an
 * unknown flag; or options->size is too small to be one.  -E2BIG: options of a
 * newer version use what this library does not know.  -ENOMEM.  -EAGAIN: the
 * system has no more threads.
 */
CONC_API int conc_thread_start(conc_thread **t, conc_fn *fn, const void *arg, size_t arg_size,
    const conc_thread_options *options);

/*
 * conc_thread_join: wait until fn has returned, or the deadline.
 *
 * Return 0: it returned 0.  Its code, if it failed: its exception is then the
 * caller's current one, and counts as looked at.  CONC_ECRASHED: it left by
 * pthread_exit.  The same for every further call.
 * -ETIMEDOUT: not yet; if fn itself may return that, conc_thread_alive tells
 * them apart.  -EDEADLK: t is the thread that calls, or the call would block in
 * a callback of the library (of a future, a cleanup).  -EINVAL; CONC_EFORKED.
 */
CONC_API int conc_thread_join(conc_thread *t, conc_time deadline);

/* conc_thread_alive: has fn not returned yet?  Never waits; in a forked child: false. */
CONC_API bool conc_thread_alive(const conc_thread *t);

/*
 * conc_thread_exception: the exception that it failed with.
 *
 * Never waits.  Return NULL unless it has failed.  Borrowed: valid until t is
 * destroyed.  Counts as looked at.  The current exception stays as it is.
 */
CONC_API const conc_exception *conc_thread_exception(conc_thread *t);

/* conc_thread_name: the whole name that it was started with; valid until t is destroyed. */
CONC_API const char *conc_thread_name(const conc_thread *t);

/*
 * conc_thread_ident: a number that no other thread of this process has while
 * this one runs: on Linux the system's own (gettid), which ps and debuggers
 * show.  Never 0; the same after it has ended.  May wait for the moment until the
 * thread has begun, in a callback too.  In a forked child 0, if it had not.
 */
CONC_API uint64_t conc_thread_ident(const conc_thread *t);

/*
 * conc_thread_destroy: wait until the thread has ended, and free t.  NULL is
 * fine.  No other call on t may be under way.
 *
 * It does not wait for a daemon, nor in the thread itself, nor in a callback,
 * but lets the thread go: it frees what is left as it ends.  In a forked child
 * it only frees.
 * If the thread has failed and nobody looked, the excepthook runs: before this
 * returns; or, when it was let go and had not failed yet, in the thread itself.
 */
CONC_API void conc_thread_destroy(conc_thread *t);

#ifdef __cplusplus
}
#endif

#endif
