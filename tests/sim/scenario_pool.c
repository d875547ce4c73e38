/* SPDX-License-Identifier: MIT */
/*
 * A thread pool's life: submits against parking, cancelling, ending and
 * starting workers; full queues; tasks that leave.
 */
#include "scenario_pool.h"

static void
submit_and_park(int workers)
{
	struct stage s = {0};
	conc_future *f;

	if (!make_pool(&s, CONC_THREAD_POOL(.workers = workers)))
		return;
	for (int i = 0; i < 3; i++) {
		if (!swept(give(&s, run_task, &f)))
			take_well(f);
		sim_pause();
	}
	conc_executor_destroy(s.pool);
	sim_assert(s.ran == s.accepted);
	balance(&s);
}

/* A worker parks while the next task comes. */
SIM_SCENARIO(pool_submit_against_park_1)
{
	submit_and_park(1);
}

SIM_SCENARIO(pool_submit_against_park_2)
{
	submit_and_park(2);
}

/* Two threads submit at once, nobody waits: the drain must find all. */
SIM_SCENARIO(pool_two_submitters)
{
	struct stage s = {0};
	struct sim_thread *a;

	if (!make_pool(&s, CONC_THREAD_POOL(.workers = 2)))
		return;
	a = sim_go(submitter, &s);
	submitter(&s);
	submitter(&s);
	sim_join(a);
	conc_executor_destroy(s.pool);
	sim_assert(s.ran == s.accepted && (s.accepted == 3 || troubled()));
	balance(&s);
}

/* Two tasks that need each other need two workers: the second must be woken or started. */
static int
meet_task(const void *arg, void *result)
{
	struct stage *s = (struct stage *)(uintptr_t)arg;

	(void)result;
	s->open++;
	while (s->open % 2 != 0)
		sim_pause();
	return 0;
}

SIM_SCENARIO(pool_wakes_as_many_as_there_is_work)
{
	struct stage s = {0};
	conc_future *f[2];

	if (sim_sweeping() || !make_pool(&s, CONC_THREAD_POOL(.workers = 2)))
		return; /* with one worker alone they would never meet */
	for (int round = 0; round < 2; round++) {
		for (int i = 0; i < 2; i++)
			sim_assert(give(&s, meet_task, &f[i]) == 0);
		for (int i = 0; i < 2; i++)
			sim_assert(take(f[i]) == 0);
	}
	conc_executor_destroy(s.pool);
	balance(&s);
}

SIM_SCENARIO(pool_cancel_against_run)
{
	struct stage s = {0};
	struct sim_thread *a;
	int rc;

	if (!make_pool(&s, CONC_THREAD_POOL(.workers = 1)))
		return;
	if (!swept(give(&s, run_task, &s.future))) {
		conc_future_ref(s.future);
		a = sim_go(canceller, &s);
		rc = take(s.future);
		sim_join(a);
		if (!troubled())
			sim_assert(s.answer == 0 ? rc == -ECANCELED && s.ran == 0
						 : rc == 0 && s.ran == 1);
		sim_assert(
		    s.answer == 0 || s.answer == -EINPROGRESS || s.answer == CONC_ESTATE);
	}
	conc_executor_destroy(s.pool);
	balance(&s);
}

/* The queue loses one from its middle while the worker takes from its head. */
SIM_SCENARIO(pool_cancel_in_the_queue)
{
	struct stage s = {0};
	struct sim_thread *a;
	conc_future *first, *last;

	if (!make_pool(&s, CONC_THREAD_POOL(.workers = 1)))
		return;
	(void)swept(give(&s, run_task, &first));
	if (!swept(give(&s, run_task, &s.future))) {
		a = sim_go(canceller, &s);
		(void)swept(give(&s, run_task, &last));
		take_well(first);
		take_well(last);
		sim_join(a);
		sim_assert(s.ran == s.accepted - (s.answer == 0) || troubled());
	} else {
		take_well(first);
	}
	conc_executor_destroy(s.pool);
	balance(&s);
}

/* Nobody holds the future, or drops it while the task runs: the hook is told once. */
SIM_SCENARIO(pool_detached_failure)
{
	struct stage s = {0};
	conc_future *f;

	if (!make_pool(
		&s, CONC_THREAD_POOL(.workers = 2, .excepthook = count_hook, .user = &s)))
		return;
	(void)swept(give(&s, fail_task, NULL));
	(void)swept(give(&s, fail_task, &f));
	conc_future_release(f);
	conc_executor_destroy(s.pool);
	sim_assert(s.hooks == s.accepted);
	balance(&s);
}

/* Looked at in one thread while the other drops it: no hook, or one, never two. */
static void
releaser(void *arg)
{
	struct stage *s = arg;

	conc_future_release(s->future);
}

SIM_SCENARIO(pool_failure_released_by_two)
{
	struct stage s = {0};
	struct sim_thread *a;

	if (!make_pool(
		&s, CONC_THREAD_POOL(.workers = 1, .excepthook = count_hook, .user = &s)))
		return;
	if (!swept(give(&s, fail_task, &s.future))) {
		conc_future_ref(s.future);
		a = sim_go(releaser, &s);
		releaser(&s);
		sim_join(a);
	}
	conc_executor_destroy(s.pool);
	sim_assert(s.hooks == s.accepted);
	balance(&s);
}

/* Room for one: two blocked submitters and one worker. */
SIM_SCENARIO(pool_full_queue_blocks)
{
	struct stage s = {0};
	struct sim_thread *a, *b;

	if (!make_pool(&s, CONC_THREAD_POOL(.workers = 1, .queue_limit = 1)))
		return;
	a = sim_go(submitter, &s);
	b = sim_go(submitter, &s);
	submitter(&s);
	submitter(&s);
	sim_join(a);
	sim_join(b);
	conc_executor_destroy(s.pool);
	sim_assert(s.ran == s.accepted && (s.accepted == 4 || troubled()));
	balance(&s);
}

/* A blocked submitter whose room comes from a cancel. */
SIM_SCENARIO(pool_full_queue_against_cancel)
{
	struct stage s = {0};
	struct sim_thread *a, *b;
	conc_future *running;
	int rc;

	if (!make_pool(&s, CONC_THREAD_POOL(.workers = 1, .queue_limit = 1)))
		return;
	rc = give(&s, asked_task, &running);
	if (!swept(rc) && !swept(give(&s, run_task, &s.future))) {
		a = sim_go(canceller, &s);
		b = sim_go(submitter, &s);
		sim_join(a);
		/* Without room from the cancel the submitter would wait for ever. */
		if (s.answer == 0)
			sim_join(b);
		(void)conc_future_cancel(running);
		if (s.answer != 0)
			sim_join(b);
	} else if (running != NULL) {
		(void)conc_future_cancel(running);
	}
	sim_assert(running == NULL || take(running) == -ECANCELED || troubled());
	conc_executor_destroy(s.pool);
	balance(&s);
}

/* The deadline of a blocked submitter may pass, or not. */
SIM_SCENARIO(pool_full_queue_deadline)
{
	struct stage s = {0};
	conc_future *f;
	int rc;

	if (!make_pool(&s, CONC_THREAD_POOL(.workers = 1, .queue_limit = 1)))
		return;
	(void)swept(give(&s, run_task, NULL));
	for (int i = 0; i < 2; i++) {
		f = NULL;
		rc = conc_submit_task(s.pool,
		    CONC_TASK(.fn = run_task, .arg = &s, .arg_size = CONC_BORROW,
			.submit_deadline = conc_after(10), .cleanup = count_cleanup,
			.user = &s),
		    &f);
		s.accepted += rc == 0;
		sim_assert(rc == 0 || rc == -ETIMEDOUT || swept(rc));
		sim_assert((f != NULL) == (rc == 0));
		conc_future_release(f);
	}
	conc_executor_destroy(s.pool);
	sim_assert(s.ran == s.accepted);
	balance(&s);
}

/* Workers end as soon as they are idle; the next task finds one, or starts one. */
SIM_SCENARIO(pool_idle_timeout_against_submit)
{
	struct stage s = {0};
	conc_future *f;

	if (!make_pool(&s, CONC_THREAD_POOL(.workers = 1, .idle_timeout = 1)))
		return;
	for (int i = 0; i < 3; i++) {
		if (!swept(give(&s, run_task, &f)))
			take_well(f);
		sim_pause();
	}
	conc_executor_destroy(s.pool);
	sim_assert(s.ran == s.accepted || troubled());
	balance(&s);
}

static void
resizer(void *arg)
{
	struct stage *s = arg;

	sim_assert(conc_executor_resize(s->pool, 1) == 0);
	sim_pause();
	sim_assert(conc_executor_resize(s->pool, 3) == 0);
	sim_assert(conc_executor_resize(s->pool, 1) == 0);
}

SIM_SCENARIO(pool_resize_against_submit)
{
	struct stage s = {0};
	struct sim_thread *a;
	conc_future *f[3];

	if (!make_pool(&s, CONC_THREAD_POOL(.workers = 2)))
		return;
	a = sim_go(resizer, &s);
	for (int i = 0; i < 3; i++)
		(void)swept(give(&s, run_task, &f[i]));
	for (int i = 0; i < 3; i++)
		take_well(f[i]);
	sim_join(a);
	conc_executor_destroy(s.pool);
	sim_assert(s.ran == s.accepted || troubled());
	balance(&s);
}

static int
counting_init(void *user)
{
	struct stage *s = user;

	sim_pause();
	s->inits++;
	return s->fail_init_from > 0 && s->inits >= s->fail_init_from ? -ENODEV : 0;
}

static void
counting_fini(void *user)
{
	((struct stage *)user)->finis++;
}

/* Queued tasks fail, further ones are refused, and each has the init's code as its cause. */
static void
failing_init(int workers, int fail_from)
{
	struct stage s = {.fail_init_from = fail_from};
	conc_future *f[3];
	int rc;

	if (!make_pool(&s,
		CONC_THREAD_POOL(.workers = workers, .init = counting_init,
		    .fini = counting_fini, .user = &s)))
		return;
	for (int i = 0; i < 3; i++) {
		rc = give(&s, run_task, &f[i]);
		sim_assert(rc == 0 || rc == CONC_EBROKEN || swept(rc));
		conc_clear();
	}
	for (int i = 0; i < 3; i++) {
		rc = f[i] != NULL ? conc_future_result(f[i], NULL, 0) : 0;
		sim_assert(rc == 0 || rc == CONC_EBROKEN || troubled());
		if (rc == CONC_EBROKEN && !troubled())
			sim_assert(conc_exception_code(conc_exception_cause(conc_caught())) ==
			    -ENODEV);
		(void)take(f[i]);
	}
	if (fail_from == 1 && !troubled()) {
		rc = give(&s, run_task, NULL);
		sim_assert(s.ran == 0 && (rc == CONC_EBROKEN || swept(rc)));
	}
	conc_clear();
	conc_executor_destroy(s.pool);
	sim_assert(s.finis ==
	    s.inits - (fail_from > 0 && s.inits >= fail_from ? s.inits - fail_from + 1 : 0));
	balance(&s);
}

SIM_SCENARIO(pool_failing_init)
{
	failing_init(1, 1);
}

SIM_SCENARIO(pool_second_init_fails)
{
	failing_init(2, 2);
}

/* A task ends its thread: it has crashed, and another worker runs what waits. */
SIM_SCENARIO(pool_task_leaves)
{
	struct stage s = {0};
	conc_future *crashed, *next;
	int rc;

	if (!make_pool(&s, CONC_THREAD_POOL(.workers = 1)))
		return;
	(void)swept(give(&s, crash_task, &crashed));
	(void)swept(give(&s, run_task, &next));
	take_well(next);
	rc = take(crashed);
	sim_assert(crashed == NULL || rc == CONC_ECRASHED || troubled());
	conc_executor_destroy(s.pool);
	balance(&s);
}

/* The last of all leaves while the pool is destroyed. */
SIM_SCENARIO(pool_task_leaves_during_destroy)
{
	struct stage s = {0};

	if (!make_pool(
		&s, CONC_THREAD_POOL(.workers = 2, .excepthook = count_hook, .user = &s)))
		return;
	(void)swept(give(&s, crash_task, NULL));
	(void)swept(give(&s, crash_task, NULL));
	conc_executor_destroy(s.pool);
	sim_assert(s.hooks == s.accepted);
	balance(&s);
}

static int
crash_once_task(const void *arg, void *result)
{
	struct stage *s = (struct stage *)(uintptr_t)arg;

	(void)run_task(arg, result);
	if (s->ran == 1)
		sim_thread_exit();
	return 0;
}

static void
retried(int64_t backoff, bool cancel)
{
	struct stage s = {0};
	conc_future *f = NULL;
	int rc, answer = 1;

	if (!make_pool(&s, CONC_THREAD_POOL(.workers = 1)))
		return;
	rc = conc_submit_task(s.pool,
	    CONC_TASK(.fn = crash_once_task, .arg = &s, .arg_size = CONC_BORROW, .retries = 1,
		.backoff = backoff, .cleanup = count_cleanup, .user = &s),
	    &f);
	s.accepted = rc == 0;
	if (!swept(rc)) {
		if (cancel)
			answer = conc_future_cancel(f);
		rc = take(f);
		if (!troubled() && answer == 0)
			sim_assert(rc == -ECANCELED && s.ran <= 1);
		else if (!troubled() && answer == -EINPROGRESS)
			sim_assert(
			    (rc == CONC_ECRASHED && s.ran == 1) || (rc == 0 && s.ran == 2));
		else if (!troubled())
			sim_assert(rc == 0 && s.ran == 2);
	}
	conc_executor_destroy(s.pool);
	balance(&s);
}

SIM_SCENARIO(pool_retry)
{
	retried(0, false);
}

SIM_SCENARIO(pool_retry_after_backoff)
{
	retried(CONC_MS(1), false);
}

SIM_SCENARIO(pool_retry_against_cancel)
{
	retried(sim_random(2) ? CONC_MS(1) : 0, true);
}

/* The child of a fork, wherever the workers stood: refused, and freed. */
SIM_SCENARIO(pool_in_the_child_of_a_fork)
{
	struct stage s = {0};
	conc_future *f = NULL;
	int rc;

	if (!make_pool(&s, CONC_THREAD_POOL(.workers = 2)))
		return;
	(void)swept(give(&s, run_task, NULL));
	(void)swept(give(&s, run_task, &f));
	sim_pause();
	sim_fork_as_child();
	sim_assert(give(&s, run_task, NULL) == CONC_EFORKED);
	sim_assert(conc_shutdown(s.pool, CONC_KILL, CONC_FOREVER) == CONC_EFORKED);
	rc = f != NULL ? conc_future_wait(f, CONC_FOREVER) : 0;
	sim_assert(rc == 0 || rc == CONC_EFORKED);
	conc_future_release(f);
	conc_executor_destroy(s.pool);
}
