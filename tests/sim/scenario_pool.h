/* SPDX-License-Identifier: MIT */
#ifndef SCENARIO_POOL_H
#define SCENARIO_POOL_H

/*
 * What the scenarios of pools share: a stage that the tasks of one run act on,
 * and short ways to make a pool, to submit and to wait.
 */
#include "sim.h"
#include <conc/executor.h>
#include <conc/future.h>
#include <conc/thread_pool.h>

enum { FAILURE = -EIO };

/* Books of a run: plain memory, for only one coroutine runs at a time. */
struct stage {
	conc_executor *pool;
	conc_future *future;
	int accepted, ran, cleaned, hooks, calls;
	int inits, finis, fail_init_from;
	int answer, open;
	conc_shutdown_how how;
};

/* Did a call fail because the sweep wanted it so?  Any other failure ends the run. */
static inline bool
swept(int rc)
{
	sim_assert(rc == 0 || (sim_sweeping() && (rc == -ENOMEM || rc == -EAGAIN)));
	return rc != 0;
}

/* May futures of accepted tasks fail?  Only if something was made to. */
static inline bool
troubled(void)
{
	return sim_sweeping() && sim_failures() > 0;
}

static inline bool
make_pool(struct stage *s, const conc_thread_pool_options *options)
{
	return !swept(conc_thread_pool_create(&s->pool, options));
}

static inline void
count_cleanup(void *user)
{
	struct stage *s = user;

	sim_pause();
	s->cleaned++;
}

/* Submit fn(s) with a cleanup that counts; return the code, in *f the future or NULL. */
static inline int
give(struct stage *s, conc_fn *fn, conc_future **f)
{
	int rc;

	if (f != NULL)
		*f = NULL;
	rc = conc_submit_task(s->pool,
	    CONC_TASK(.fn = fn, .arg = s, .arg_size = CONC_BORROW, .cleanup = count_cleanup,
		.user = s),
	    f);
	s->accepted += rc == 0;
	return rc;
}

/* The code that f ends with; f may be NULL (0) and is released.  Short of stack, and of a
 * worker to go on: -EAGAIN, it has not ended. */
static inline int
take(conc_future *f)
{
	int rc;

	if (f == NULL)
		return 0;
	rc = conc_future_result(f, NULL, 0);
	sim_assert(conc_future_done(f) || swept(rc));
	conc_future_release(f);
	conc_clear();
	return rc;
}

/* f must have ended well, if nothing was made to fail. */
static inline void
take_well(conc_future *f)
{
	int rc = take(f);

	sim_assert(rc == 0 || troubled());
}

/* Every accepted task was cleaned up, once. */
static inline void
balance(const struct stage *s)
{
	sim_assert(s->cleaned == s->accepted);
}

static inline int
run_task(const void *arg, void *result)
{
	struct stage *s = (struct stage *)(uintptr_t)arg;

	(void)result;
	sim_pause();
	s->ran++;
	return 0;
}

static inline int
fail_task(const void *arg, void *result)
{
	(void)run_task(arg, result);
	return FAILURE;
}

static inline int
crash_task(const void *arg, void *result)
{
	(void)run_task(arg, result);
	sim_thread_exit();
}

/* Until it is asked to stop. */
static inline int
asked_task(const void *arg, void *result)
{
	(void)run_task(arg, result);
	while (!conc_cancelled())
		sim_pause();
	return -ECANCELED;
}

static inline void
count_hook(const conc_exception *e, void *user)
{
	struct stage *s = user;

	sim_assert(conc_exception_code(e) != 0);
	sim_pause();
	s->hooks++;
}

static inline void
count_call(conc_future *f, void *user)
{
	struct stage *s = user;

	sim_assert(conc_future_done(f));
	sim_pause();
	s->calls++;
}

/* Threads' bodies. */
static inline void
submitter(void *arg)
{
	struct stage *s = arg;
	int rc = give(s, run_task, NULL);

	sim_assert(rc == 0 || rc == CONC_ESHUTDOWN || swept(rc));
}

static inline void
canceller(void *arg)
{
	struct stage *s = arg;

	s->answer = conc_future_cancel(s->future);
	conc_future_release(s->future);
}

static inline void
shutter(void *arg)
{
	struct stage *s = arg;

	sim_assert(conc_shutdown(s->pool, s->how, CONC_FOREVER) == 0);
}

#endif
