/* SPDX-License-Identifier: MIT */
#ifndef CONC_FUTURE_H
#define CONC_FUTURE_H

#include <conc/error.h>
#include <conc/time.h>
#include <conc/version.h>
#include <stdbool.h>
#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Futures: the result of a task, before it is there.
 *
 *	conc_future *f;
 *	uint64_t product;
 *
 *	rc = conc_submit(pool, factorial, &n, sizeof n, sizeof product, &f);
 *	if (rc)
 *		return rc;
 *	rc = conc_future_result(f, &product, sizeof product);
 *	conc_future_release(f);
 *	return rc;
 *
 * A future begins pending, may come to run, and ends exactly once: finished
 * with a result, failed with an exception, or cancelled.
 *
 *	pending ---> running ---> finished | failed | cancelled
 *	   |                                              ^
 *	   +----------------------------------------------+
 *
 * It is counted: conc_future_ref and conc_future_release.  It lives on when
 * its pool is gone.  Any thread may call anything here on a future that it
 * holds a reference of, also several at once.  What waits returns when the
 * future has ended; from then on the caller may release it at once, whatever
 * the worker is still doing.
 *
 * Two channels never mix: what a wait returns speaks of the waiting only
 * (-ETIMEDOUT: not yet), what a result returns speaks of the task.  A task
 * that itself fails with -ETIMEDOUT is told apart by conc_future_done().
 *
 * A thread pool's worker that waits without a deadline, inside a task, for a
 * task of the same pool that nobody has begun runs that task itself, so tasks
 * may submit and wait to any depth, on one worker as well.  All functions here
 * that wait do so: result, view, wait, conc_wait, conc_completions_next.  One
 * that waits for a retry is run after its pause.  Tasks of other pools are not
 * run so, nor anything by a thread that is no worker (CONC_CALLER_RUNS).
 *
 * With a NULL handle, functions that return a code return -EINVAL, the others
 * false or NULL.  In the child of a fork, futures that had not ended answer
 * CONC_EFORKED.
 */
typedef struct conc_future conc_future;

/*
 * conc_future_wait: wait until f has ended, or the deadline.
 *
 * Return 0: it has ended, in whatever way.  -ETIMEDOUT: not yet.  -EDEADLK:
 * f is the task that calls, or the call is made inside a callback and would
 * block.  -EAGAIN: inside a task that is short of stack, when no worker could
 * be started to go on.  CONC_EFORKED.  Waiting is not looking: see
 * conc_excepthook.
 */
CONC_API int conc_future_wait(conc_future *f, conc_time deadline);

/*
 * conc_future_result: wait, and copy the result.
 *
 * Block until f has ended.  Return 0, and the result's size bytes in result;
 * -ECANCELED: it was cancelled, which leaves this thread's current exception as it
 * is; or the code that the task failed with, whose exception is then this thread's
 * current one and counts as looked at.
 * size must be the result's own, or 0 to copy nothing (result may be NULL
 * then): else -EMSGSIZE, and the result stays where it is.  Also what
 * conc_future_wait returns.  May be called any number of times.
 */
CONC_API int conc_future_result(conc_future *f, void *result, size_t size);

/*
 * conc_future_view: wait, and look at the result in place.
 *
 * As conc_future_result, but *p and *size are the result inside the future,
 * valid while the caller holds a reference.  size may be NULL.
 */
CONC_API int conc_future_view(conc_future *f, const void **p, size_t *size);

/*
 * conc_future_exception: the exception that f failed with.
 *
 * Never waits.  Return NULL unless f has failed.  Borrowed: valid while the
 * caller holds a reference of f.  Counts as looked at.  The thread's current
 * exception stays as it is.
 */
CONC_API const conc_exception *conc_future_exception(conc_future *f);

/*
 * Where f stands now; never wait.  done: it has ended, in whatever way;
 * running: it has begun, which a process pool's task that is only on its way
 * to a worker has not; cancelled: also while it is being cancelled, a moment
 * before it is done.
 */
CONC_API bool conc_future_done(const conc_future *f);
CONC_API bool conc_future_running(const conc_future *f);
CONC_API bool conc_future_cancelled(const conc_future *f);

/*
 * conc_future_cancel: see that it does not run, or ask it to stop.
 *
 * Return 0: it will never run; waiters are woken and callbacks run, in this
 * thread, before the first such call returns.  The same for every further
 * call.  -EINPROGRESS: it runs; it was asked to stop (conc_cancelled), and
 * ends cancelled if it then returns -ECANCELED.
 * CONC_ESTATE: it has ended otherwise.  CONC_EFORKED.
 */
CONC_API int conc_future_cancel(conc_future *f);

/*
 * conc_future_kill: stop it even if it runs.
 *
 * Process pools only.  Return 0: it has been cancelled as by
 * conc_future_cancel; or it runs, its worker is being killed, and it ends
 * cancelled as soon as that is dead: conc_future_wait tells when.  It is not
 * retried.  The same for every further call, also once it has ended cancelled,
 * by whatever call.  CONC_ESTATE: it has ended otherwise, or is just about to.
 * -ENOTSUP: f is a thread pool's or a promise's; nothing was changed.
 * CONC_EFORKED.
 */
CONC_API int conc_future_kill(conc_future *f);

/*
 * conc_future_on_done: call callback(f, user) when f has ended.
 *
 * Callbacks run once, in order of registration, with no lock held, in the
 * thread that ends f: the worker, of a process pool the one thread that it has
 * in the host, or whoever cancels it.  If f has ended before, the callback runs
 * at once in the calling thread; if callbacks of f are running just then, behind
 * them in the thread that runs them.  Waiters are woken before callbacks run; a
 * pool's shutdown waits for them.  In the callback f is borrowed, and no wait may
 * block (-EDEADLK).  It must return.
 * Return 0; -EINVAL; -ENOMEM; CONC_EFORKED: not registered.
 */
CONC_API int conc_future_on_done(
    conc_future *f, void (*callback)(conc_future *f, void *user), void *user);

/* conc_future_ref: take one more reference.  Return f; NULL for NULL. */
CONC_API conc_future *conc_future_ref(conc_future *f);

/*
 * conc_future_release: give a reference back.  NULL is fine.  The last one
 * frees f; the task itself goes on if it has not ended.  If f has failed and
 * nobody looked, the excepthook runs before this returns.
 */
CONC_API void conc_future_release(conc_future *f);

/* What conc_wait waits for. */
typedef enum {
	CONC_ALL,            /* all have ended */
	CONC_ANY,            /* at least one has ended */
	CONC_FIRST_EXCEPTION /* one has failed, or all have ended; cancelled is not failed */
} conc_wait_how;

/*
 * conc_wait: wait for several futures.
 *
 * Return 0: what how names holds.  -ETIMEDOUT: not by the deadline.  0 at
 * once for n 0.  The same future may stand in f more than once.  -EDEADLK: a
 * task that waits for itself among them, unless CONC_ANY has others.  -EINVAL: f
 * or one of its members is NULL, or how is unknown.  -ENOMEM; and what
 * conc_future_wait returns.  Which ones have ended, conc_future_done tells.
 */
CONC_API int conc_wait(conc_future *const f[], size_t n, conc_wait_how how, conc_time deadline);

/*
 * Completions: futures in the order in which they end.
 *
 *	conc_completions_create(&c);
 *	for (i = 0; i < n; i++)
 *		conc_completions_add(c, f[i], &names[i]);
 *	while (conc_completions_next(c, &done, &name, CONC_FOREVER) == 0) {
 *		...
 *		conc_future_release(done);
 *	}
 *	conc_completions_destroy(c);
 *
 * Any thread may add and take, also several at once.
 */
typedef struct conc_completions conc_completions;

/* conc_completions_create: Return 0 and an empty set in *c; -EINVAL; -ENOMEM. */
CONC_API int conc_completions_create(conc_completions **c);

/*
 * conc_completions_add: watch f; next will hand it over, with user, once it
 * has ended.  Takes a reference of its own.  A future added twice is handed
 * over twice.  Return 0; -EINVAL; -ENOMEM; CONC_EFORKED.
 */
CONC_API int conc_completions_add(conc_completions *c, conc_future *f, void *user);

/*
 * conc_completions_next: the next one that has ended.
 *
 * Return 0: *f is a future that has ended, whose reference is now the
 * caller's, *user what was added with it (user may be NULL).  -ENOENT: nothing
 * is outstanding.  -ETIMEDOUT: none has ended by the deadline.  -EINVAL.  Also
 * what conc_future_wait returns.
 */
CONC_API int conc_completions_next(
    conc_completions *c, conc_future **f, void **user, conc_time deadline);

/*
 * conc_completions_fd: a descriptor that polls readable (POLLIN) while next
 * would return 0 at once.  For poll, select and epoll only: never read or
 * close it.  Made at the first call; closed by destroy.
 * Return the descriptor; -EINVAL; -EMFILE, -ENFILE, -ENOMEM; CONC_EFORKED.
 */
CONC_API int conc_completions_fd(conc_completions *c);

/*
 * conc_completions_destroy: free c and the references it still holds.  The
 * tasks go on.  NULL is fine.  No other call on c may be under way.
 */
CONC_API void conc_completions_destroy(conc_completions *c);

/*
 * Promises: futures that the program ends itself, no pool needed.
 *
 *	conc_promise_create(&p, sizeof answer, &f);
 *	... another thread, or an event loop:
 *	conc_promise_finish(p, &answer, sizeof answer);
 *	conc_promise_destroy(p);
 *
 * The future is pending until then; it may be cancelled.
 */
typedef struct conc_promise conc_promise;

/*
 * conc_promise_create: Return 0, a promise in *p for a result of result_size
 * bytes, and its future in *f, both the caller's.  -EINVAL; -ENOMEM.
 */
CONC_API int conc_promise_create(conc_promise **p, size_t result_size, conc_future **f);

/*
 * conc_promise_finish: end the future with a result, copied from data.
 * Callbacks of the future run in this thread.  Return 0; -EMSGSIZE: size is
 * not the promise's; CONC_ESTATE: it has ended before, or was cancelled;
 * -EINVAL; CONC_EFORKED.  On failure nothing has changed.  MT-safe: of several
 * calls one wins.
 */
CONC_API int conc_promise_finish(conc_promise *p, const void *data, size_t size);

/*
 * conc_promise_fail: end the future with a failure.  This thread's current
 * exception goes along if its code is code; else one is made.  Return as
 * conc_promise_finish; -EINVAL also for a code of 0.
 */
CONC_API int conc_promise_fail(conc_promise *p, int code);

/*
 * conc_promise_destroy: free the promise.  An unfinished future fails with
 * -EPIPE: nobody will end it any more.  NULL is fine.  Whoever has seen the
 * future end may call it, also while the call that ended it has not returned.
 */
CONC_API void conc_promise_destroy(conc_promise *p);

#ifdef __cplusplus
}
#endif

#endif
