/* SPDX-License-Identifier: MIT */
/*
 * Where a wait, a retry, a thread that cannot be started and a fork meet.
 */
#include "scenario_pool.h"
#include <conc/time.h>

/* Past its limit at the first run, well at the second. */
static int
late_once_task(const void *arg, void *result)
{
	struct stage *s = (struct stage *)(uintptr_t)arg;

	(void)result;
	s->ran++;
	if (s->ran > 1)
		return 0;
	while (!conc_cancelled())
		sim_pause();
	return FAILURE;
}

/* Submits a task that is to run twice, and waits for it: by one wait, several, completions. */
static int
waits_for_a_retry_task(const void *arg, void *result)
{
	struct stage *s = (struct stage *)(uintptr_t)arg;
	conc_completions *c;
	conc_future *f;
	int rc;

	(void)result;
	if (swept(conc_submit_task(s->pool,
		CONC_TASK(.fn = late_once_task, .arg = s, .arg_size = CONC_BORROW, .retries = 1,
		    .time_limit = CONC_US(1)),
		&f)))
		return 0;
	switch (s->answer) {
	case 0:
		rc = conc_future_wait(f, CONC_FOREVER);
		break;
	case 1:
		rc = conc_wait(&f, 1, CONC_ALL, CONC_FOREVER);
		break;
	default:
		rc = conc_completions_create(&c);
		if (swept(rc))
			break;
		rc = conc_completions_add(c, f, NULL);
		if (rc == 0) {
			conc_future *g;

			rc = conc_completions_next(c, &g, NULL, CONC_FOREVER);
			if (rc == 0)
				conc_future_release(g);
		}
		conc_completions_destroy(c);
	}
	(void)swept(rc);
	sim_assert(rc != 0 || conc_future_done(f));
	conc_future_release(f);
	return 0;
}

static void
retry_on_an_extra_worker(int way)
{
	struct stage s = {.answer = way};
	conc_future *f;

	sim_set_stack_left(100); /* so an extra worker runs it, puts it back, and leaves */
	if (!make_pool(&s, CONC_THREAD_POOL(.workers = 1)))
		return;
	if (!swept(give(&s, waits_for_a_retry_task, &f)))
		take_well(f);
	conc_executor_destroy(s.pool);
}

SIM_SCENARIO(regression_retry_of_an_extra_worker_wait)
{
	retry_on_an_extra_worker(0);
}

SIM_SCENARIO(regression_retry_of_an_extra_worker_wait_all)
{
	retry_on_an_extra_worker(1);
}

SIM_SCENARIO(regression_retry_of_an_extra_worker_completions)
{
	retry_on_an_extra_worker(2);
}

/* Two workers, of which one is taken away while it runs what the other waits for. */
SIM_SCENARIO(regression_retry_against_resize)
{
	struct stage s = {.answer = (int)sim_random(3)};
	conc_future *f;

	if (!make_pool(&s, CONC_THREAD_POOL(.workers = 2)))
		return;
	if (!swept(give(&s, waits_for_a_retry_task, &f))) {
		sim_pause();
		sim_pause();
		(void)conc_executor_resize(s.pool, 1);
		take_well(f);
	}
	conc_executor_destroy(s.pool);
}

/* A retry is a run that has ended: nothing runs at the end. */
SIM_SCENARIO(regression_retry_is_counted_out)
{
	struct stage s = {0};
	conc_stats stats = CONC_STATS_INIT;
	conc_future *f;

	if (!make_pool(&s, CONC_THREAD_POOL(.workers = 1)))
		return;
	if (!swept(conc_submit_task(s.pool,
		CONC_TASK(.fn = late_once_task, .arg = &s, .arg_size = CONC_BORROW,
		    .retries = 1, .time_limit = CONC_US(1)),
		&f))) {
		take_well(f);
		sim_assert(conc_executor_stats(s.pool, &stats) == 0);
		sim_assert(stats.running == 0);
	}
	conc_executor_destroy(s.pool);
}

/* Waits for what only a later task brings: if a second worker can be had, it must come. */
static int
wait_open_task(const void *arg, void *result)
{
	struct stage *s = (struct stage *)(uintptr_t)arg;

	(void)result;
	while (!s->open)
		sim_pause();
	return 0;
}

static int
open_task(const void *arg, void *result)
{
	struct stage *s = (struct stage *)(uintptr_t)arg;

	(void)result;
	s->open = 1;
	return 0;
}

SIM_SCENARIO(regression_worker_after_a_failed_start)
{
	struct stage s = {0};
	conc_future *f[3] = {NULL, NULL, NULL};
	unsigned failures;

	if (!make_pool(&s, CONC_THREAD_POOL(.workers = 2)))
		return;
	(void)swept(give(&s, wait_open_task, &f[0]));
	sim_pause();
	(void)swept(give(&s, run_task, &f[1]));
	failures = sim_failures();
	sim_set_max_steps(20000);
	(void)swept(give(&s, open_task, &f[2]));
	/* Only if this very submit was hit may nobody come for it. */
	if (f[2] == NULL || sim_failures() != failures)
		s.open = 1;
	for (int i = 0; i < 3; i++)
		(void)take(f[i]);
	conc_executor_destroy(s.pool);
}

/* Init of one worker takes until a task ran: the idle worker must run it. */
static int
slow_second_init(void *user)
{
	struct stage *s = user;

	if (++s->inits == 2)
		while (!s->open)
			sim_pause();
	return 0;
}

SIM_SCENARIO(regression_idle_worker_beside_a_slow_init)
{
	struct stage s = {0};
	conc_future *f;

	sim_set_max_steps(20000);
	if (!make_pool(
		&s, CONC_THREAD_POOL(.workers = 2, .init = slow_second_init, .user = &s)))
		return;
	(void)swept(give(&s, run_task, NULL));
	(void)swept(give(&s, run_task, NULL));
	while (s.ran < s.accepted)
		sim_pause();
	if (!swept(give(&s, open_task, &f)))
		(void)take(f);
	s.open = 1;
	conc_executor_destroy(s.pool);
}

/* A promise's future has ended: whoever waited for that may destroy the promise. */
static void
finisher(void *promise)
{
	int n = 42, rc = conc_promise_finish(promise, &n, sizeof n);

	sim_assert(rc == 0);
}

SIM_SCENARIO(regression_promise_destroyed_by_the_waiter)
{
	conc_promise *p;
	conc_future *f;
	struct sim_thread *t;
	int n = 0;

	if (swept(conc_promise_create(&p, sizeof n, &f)))
		return;
	t = sim_go(finisher, p);
	sim_assert(conc_future_result(f, &n, sizeof n) == 0 && n == 42);
	conc_future_release(f);
	conc_promise_destroy(p);
	sim_join(t);
}

/*
 * Fire and forget: a task that destroys the pool, while the submitter may still
 * be inside.  Nothing is left of main when it runs, so it has all it needs.
 */
static int
destroy_task(const void *arg, void *result)
{
	conc_executor *pool = *(conc_executor *const *)arg;

	(void)result;
	sim_pause();
	conc_executor_destroy(pool);
	return 0;
}

static int
pause_task(const void *arg, void *result)
{
	(void)arg;
	(void)result;
	sim_pause();
	return 0;
}

SIM_SCENARIO(regression_destroyed_while_in_submit)
{
	struct stage s = {0};
	int workers = 1 + (int)sim_random(2);

	if (!make_pool(&s, CONC_THREAD_POOL(.workers = workers,
			       .idle_timeout = sim_random(2) ? CONC_US(1) : 0)))
		return;
	if (sim_random(2))
		(void)swept(conc_submit(s.pool, pause_task, NULL, 0, 0, NULL));
	if (swept(conc_submit(s.pool, destroy_task, &s.pool, sizeof s.pool, 0, NULL)))
		conc_executor_destroy(s.pool);
}

/* Map, killed while its only item runs and obeys. */
static void
killer(void *arg)
{
	struct stage *s = arg;

	while (s->ran == 0)
		sim_pause();
	sim_assert(conc_shutdown(s->pool, CONC_KILL, CONC_FOREVER) == 0);
}

static int
asked_item(const void *arg, void *result)
{
	struct stage *s = *(struct stage *const *)arg;

	(void)result;
	s->ran++;
	while (!conc_cancelled())
		sim_pause();
	return -ECANCELED;
}

SIM_SCENARIO(regression_map_killed_in_its_last_item)
{
	struct stage s = {0}, *me = &s;
	struct sim_thread *t;
	int rc;

	if (!make_pool(&s, CONC_THREAD_POOL(.workers = 1)))
		return;
	t = sim_go(killer, &s);
	rc = conc_map(s.pool, asked_item, 1, &me, sizeof me, NULL, 0, NULL);
	s.ran++;
	sim_join(t);
	sim_assert(rc == CONC_ESHUTDOWN || swept(rc));
	conc_executor_destroy(s.pool);
}

/* Delayed ones, short of stack, an idle worker that is called, and no thread to start. */
static int
two_delayed_task(const void *arg, void *result)
{
	struct stage *s = (struct stage *)(uintptr_t)arg;
	conc_future *f[3] = {NULL, NULL, NULL};

	(void)result;
	(void)swept(give(s, run_task, &f[0]));
	(void)swept(give(s, run_task, &f[1]));
	(void)swept(give(s, run_task, &f[2]));
	for (int i = 2; i >= 0; i--)
		(void)take(f[i]);
	return 0;
}

/* Until both are there. */
static int
meet_task(const void *arg, void *result)
{
	struct stage *s = (struct stage *)(uintptr_t)arg;

	(void)result;
	s->ran++;
	while (s->ran < s->accepted && !s->open)
		sim_pause();
	return 0;
}

SIM_SCENARIO(regression_short_of_stack_and_of_threads)
{
	struct stage s = {0};
	struct sim_thread *t;
	conc_future *f = NULL, *g = NULL;

	sim_set_stack_left(100);
	sim_set_max_steps(20000);
	if (!make_pool(&s, CONC_THREAD_POOL(.workers = 2)))
		return;
	s.accepted = 2;
	f = NULL;
	if (swept(conc_submit(s.pool, meet_task, &s, CONC_BORROW, 0, &f)) ||
	    swept(conc_submit(s.pool, meet_task, &s, CONC_BORROW, 0, &g)) || troubled()) {
		s.open = 1; /* not with two workers */
		(void)take(f);
		(void)take(g);
		conc_executor_destroy(s.pool);
		return;
	}
	(void)take(f);
	(void)take(g);
	s.ran = s.accepted = 0;
	t = sim_go(submitter, &s);
	if (!swept(give(&s, two_delayed_task, &f)))
		(void)take(f);
	sim_join(t);
	/* Whoever was called, and not woken, would hold this up. */
	conc_executor_destroy(s.pool);
}

/* Each item is late once: the map runs it again. */
static int
late_once_item(const void *arg, void *result)
{
	int *ran = *(int *const *)arg;

	(void)result;
	if (++*ran > 1)
		return 0;
	while (!conc_cancelled())
		sim_pause();
	return FAILURE;
}

SIM_SCENARIO(regression_map_runs_late_items_again)
{
	struct stage s = {0};
	int ran[2] = {0, 0}, *args[2] = {&ran[0], &ran[1]};
	int rc;

	if (!make_pool(&s, CONC_THREAD_POOL(.workers = 2)))
		return;
	rc = conc_map(s.pool, late_once_item, 2, args, sizeof args[0], NULL, 0,
	    CONC_MAP(.chunk = 1, .retries = 1, .time_limit = CONC_US(1)));
	sim_assert(rc == 0 || swept(rc));
	conc_executor_destroy(s.pool);
}

/* A map inside a task, of which one item ends the thread that maps. */
static int
crash_second_item(const void *arg, void *result)
{
	(void)result;
	sim_pause();
	sim_pause();
	if (*(const int *)arg == 1)
		sim_thread_exit();
	sim_pause();
	sim_pause();
	return FAILURE;
}

static int
map_task(const void *arg, void *result)
{
	struct stage *s = (struct stage *)(uintptr_t)arg;
	static const int items[3] = {0, 1, 2};
	int rc = conc_map(s->pool, crash_second_item, 3, items, sizeof items[0], NULL, 0,
	    CONC_MAP(.chunk = 1));

	(void)result;
	sim_assert(rc == FAILURE || swept(rc));
	conc_clear();
	return 0;
}

SIM_SCENARIO(regression_map_in_a_task_that_its_item_ends)
{
	struct stage s = {0};
	conc_future *f;

	if (!make_pool(&s, CONC_THREAD_POOL(.workers = 2)))
		return;
	if (!swept(give(&s, map_task, &f)))
		(void)take(f);
	conc_executor_destroy(s.pool);
}

static int
wait_for_open(const void *arg, void *result)
{
	struct stage *s = (struct stage *)(uintptr_t)arg;

	while (s->open == 0)
		sim_pause();
	return run_task(arg, result);
}

/* Of two busy workers one too many leaves, not both. */
SIM_SCENARIO(regression_resize_down_keeps_the_rest)
{
	struct stage s = {0};
	conc_stats stats = CONC_STATS_INIT;
	conc_future *f[2] = {NULL, NULL};

	if (!make_pool(&s, CONC_THREAD_POOL(.workers = 2)))
		return;
	if (!swept(give(&s, wait_for_open, &f[0])) && !swept(give(&s, wait_for_open, &f[1]))) {
		sim_assert(conc_executor_resize(s.pool, 1) == 0);
		s.open = 1;
		for (int i = 0; i < 60; i++) {
			sim_pause();
			sim_assert(conc_executor_stats(s.pool, &stats) == 0);
			sim_assert(stats.workers >= 1 || troubled());
		}
	}
	s.open = 1;
	take_well(f[0]);
	take_well(f[1]);
	conc_executor_destroy(s.pool);
	balance(&s);
}
