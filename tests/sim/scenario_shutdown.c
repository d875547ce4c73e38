/* SPDX-License-Identifier: MIT */
/*
 * Shutdown and destroy against everything that may be under way.
 */
#include "scenario_pool.h"

static void
shutdown_against_submit(conc_shutdown_how how, int workers)
{
	struct stage s = {.how = how};
	struct sim_thread *a;
	conc_stats stats = CONC_STATS_INIT;

	if (!make_pool(&s, CONC_THREAD_POOL(.workers = workers)))
		return;
	(void)swept(give(&s, run_task, NULL));
	a = sim_go(submitter, &s);
	shutter(&s);
	sim_assert(conc_executor_stats(s.pool, &stats) == 0);
	sim_assert(stats.workers == 0 && stats.queued == 0 && stats.running == 0);
	sim_join(a);
	balance(&s); /* before destroy: shutdown has waited for it */
	sim_assert(s.ran == s.accepted || how != CONC_DRAIN || troubled());
	sim_assert(give(&s, run_task, NULL) == CONC_ESHUTDOWN || troubled());
	conc_executor_destroy(s.pool);
}

SIM_SCENARIO(shutdown_drain_against_submit)
{
	shutdown_against_submit(CONC_DRAIN, 1);
}

SIM_SCENARIO(shutdown_drain_against_submit_2)
{
	shutdown_against_submit(CONC_DRAIN, 2);
}

SIM_SCENARIO(shutdown_cancel_against_submit)
{
	shutdown_against_submit(CONC_CANCEL, 1);
}

SIM_SCENARIO(shutdown_kill_against_submit)
{
	shutdown_against_submit(CONC_KILL, 2);
}

/* DRAIN first, with a deadline; then what runs must be asked to stop. */
SIM_SCENARIO(shutdown_strengthens)
{
	struct stage s = {0};
	conc_future *f, *queued;
	int rc;

	if (!make_pool(&s, CONC_THREAD_POOL(.workers = 1)))
		return;
	rc = give(&s, asked_task, &f);
	if (!swept(rc)) {
		(void)swept(give(&s, run_task, &queued));
		sim_assert(conc_shutdown(s.pool, CONC_DRAIN, conc_after(10)) == -ETIMEDOUT ||
		    troubled());
		sim_assert(conc_shutdown(s.pool, CONC_KILL, CONC_FOREVER) == 0);
		rc = take(f);
		sim_assert(rc == -ECANCELED || troubled());
		rc = take(queued);
		sim_assert(queued == NULL || rc == -ECANCELED || troubled());
	}
	conc_executor_destroy(s.pool);
	balance(&s);
}

SIM_SCENARIO(shutdown_by_two)
{
	struct stage s = {.how = (conc_shutdown_how)sim_random(3)};
	struct sim_thread *a;

	if (!make_pool(&s, CONC_THREAD_POOL(.workers = 2)))
		return;
	(void)swept(give(&s, run_task, NULL));
	(void)swept(give(&s, run_task, NULL));
	a = sim_go(shutter, &s);
	sim_assert(conc_shutdown(s.pool, CONC_DRAIN, CONC_FOREVER) == 0);
	balance(&s);
	sim_join(a);
	conc_executor_destroy(s.pool);
}

/* A submitter that waits for room, and nobody makes any. */
SIM_SCENARIO(shutdown_wakes_blocked_submitters)
{
	struct stage s = {.how = sim_random(2) ? CONC_CANCEL : CONC_KILL};
	struct sim_thread *a, *b;
	conc_future *f;

	if (!make_pool(&s, CONC_THREAD_POOL(.workers = 1, .queue_limit = 1)))
		return;
	if (!swept(give(&s, asked_task, &f))) {
		a = sim_go(submitter, &s);
		b = sim_go(submitter, &s);
		(void)conc_shutdown(s.pool, s.how, CONC_NOW);
		sim_join(a);
		sim_join(b);
		(void)conc_future_cancel(f);
		(void)take(f);
	}
	conc_executor_destroy(s.pool);
	balance(&s);
}

/* Callbacks belong to the work that shutdown waits for, also those of a canceller. */
SIM_SCENARIO(shutdown_waits_for_callbacks)
{
	struct stage s = {.how = CONC_DRAIN};
	struct sim_thread *a;
	int rc;

	if (!make_pool(&s, CONC_THREAD_POOL(.workers = 1)))
		return;
	if (!swept(give(&s, run_task, &s.future))) {
		rc = conc_future_on_done(s.future, count_call, &s);
		(void)swept(rc);
		a = sim_go(canceller, &s);
		shutter(&s);
		sim_assert(s.calls == (rc == 0));
		balance(&s);
		sim_join(a);
	}
	conc_executor_destroy(s.pool);
}

static int
suicide_task(const void *arg, void *result)
{
	struct stage *s = (struct stage *)(uintptr_t)arg;

	(void)run_task(arg, result);
	sim_assert(conc_shutdown(s->pool, s->how, CONC_FOREVER) == -EDEADLK);
	return 0;
}

SIM_SCENARIO(shutdown_from_an_own_task)
{
	struct stage s = {.how = (conc_shutdown_how)sim_random(3)};
	conc_future *f;

	if (!make_pool(&s, CONC_THREAD_POOL(.workers = 2)))
		return;
	if (!swept(give(&s, suicide_task, &f))) {
		submitter(&s);
		(void)take(f);
		sim_assert(give(&s, run_task, NULL) == CONC_ESHUTDOWN || troubled());
	}
	sim_assert(conc_shutdown(s.pool, CONC_DRAIN, CONC_FOREVER) == 0);
	balance(&s);
	conc_executor_destroy(s.pool);
}

static int
destroy_task(const void *arg, void *result)
{
	struct stage *s = (struct stage *)(uintptr_t)arg;

	while (s->open == 0)
		sim_pause();
	conc_executor_destroy(s->pool);
	return run_task(arg, result);
}

/* The last worker out frees the pool; nobody joins it. */
static void
destroyed_from_within(int workers)
{
	struct stage *s = calloc(1, sizeof *s);
	conc_future *f, *queued = NULL;
	int rc;

	if (!make_pool(s, CONC_THREAD_POOL(.workers = workers))) {
		free(s);
		return;
	}
	rc = give(s, destroy_task, &f);
	if (swept(rc)) {
		conc_executor_destroy(s->pool);
		free(s);
		return;
	}
	(void)swept(give(s, run_task, &queued));
	s->open = 1;
	take_well(queued);
	rc = take(f);
	if (rc != 0) { /* it never ran: nobody else will destroy it */
		sim_assert(troubled() && s->ran <= 1);
		conc_executor_destroy(s->pool);
	}
	balance(s);
	free(s);
}

SIM_SCENARIO(destroy_from_an_own_task)
{
	destroyed_from_within(1);
}

SIM_SCENARIO(destroy_from_an_own_task_2)
{
	destroyed_from_within(2);
}

/* Nobody holds a future: the pool may be freed while its submitter is still inside. */
SIM_SCENARIO(destroy_from_a_detached_task)
{
	struct stage s = {.open = 1};

	if (!make_pool(&s, CONC_THREAD_POOL(.workers = 1 + (int)sim_random(2))))
		return;
	submitter(&s); /* a worker lives, so that tasks go through the inbox */
	if (swept(give(&s, destroy_task, NULL))) {
		conc_executor_destroy(s.pool);
		return;
	}
	while (s.cleaned < s.accepted)
		sim_pause();
	balance(&s);
}

static void
destroyer(conc_future *f, void *user)
{
	struct stage *s = user;

	(void)f;
	conc_executor_destroy(s->pool);
	s->calls++;
}

/* In the worker that ends the task, or in the thread that cancels it; workers may be gone by
 * then. */
SIM_SCENARIO(destroy_from_an_own_callback)
{
	struct stage s = {0};

	if (!make_pool(&s, CONC_THREAD_POOL(.workers = 1, .idle_timeout = sim_random(2))))
		return;
	submitter(&s);
	if (swept(give(&s, run_task, &s.future))) {
		conc_executor_destroy(s.pool);
		return;
	}
	if (swept(conc_future_on_done(s.future, destroyer, &s))) {
		conc_future_release(s.future);
		conc_executor_destroy(s.pool);
		return;
	}
	canceller(&s);
	while (s.calls == 0 || s.cleaned < s.accepted)
		sim_pause();
	balance(&s);
}

/* The waiter destroys the pool at once; and a future is all that is left of it. */
SIM_SCENARIO(destroy_after_wait)
{
	struct stage s = {0};
	conc_future *f;
	int rc;

	if (!make_pool(
		&s, CONC_THREAD_POOL(.workers = 2, .excepthook = count_hook, .user = &s)))
		return;
	rc = give(&s, fail_task, &f);
	if (!swept(rc))
		sim_assert(conc_future_wait(f, CONC_FOREVER) == 0);
	conc_executor_destroy(s.pool);
	conc_future_release(f);
	sim_assert(s.hooks == s.accepted);
	balance(&s);
}
