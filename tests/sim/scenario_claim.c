/* SPDX-License-Identifier: MIT */
/*
 * The claim: workers that wait for tasks of their own pool run them.
 */
#include "scenario_pool.h"

/* Submits two tasks and waits for both, by result. */
static int
nested_task(const void *arg, void *result)
{
	struct stage *s = (struct stage *)(uintptr_t)arg;
	conc_future *f[2];

	(void)result;
	(void)swept(give(s, run_task, &f[0]));
	(void)swept(give(s, run_task, &f[1]));
	take_well(f[1]);
	take_well(f[0]);
	return 0;
}

static void
nested(int workers, conc_fn *fn)
{
	struct stage s = {0};
	conc_future *f;

	if (!make_pool(&s, CONC_THREAD_POOL(.workers = workers)))
		return;
	if (!swept(give(&s, fn, &f)))
		take_well(f);
	conc_executor_destroy(s.pool);
	sim_assert(s.ran == s.accepted - 1 || troubled());
	balance(&s);
}

SIM_SCENARIO(claim_nested_on_one_worker)
{
	nested(1, nested_task);
}

SIM_SCENARIO(claim_nested_on_two_workers)
{
	nested(2, nested_task);
}

/* By conc_wait for any, then all, and by completions. */
static int
wait_task(const void *arg, void *result)
{
	struct stage *s = (struct stage *)(uintptr_t)arg;
	conc_future *f[2];
	int rc;

	(void)result;
	(void)swept(give(s, run_task, &f[0]));
	(void)swept(give(s, run_task, &f[1]));
	if (f[0] != NULL && f[1] != NULL) {
		rc = conc_wait(f, 2, CONC_ANY, CONC_FOREVER);
		sim_assert(swept(rc) || conc_future_done(f[0]) || conc_future_done(f[1]));
		rc = conc_wait(f, 2, CONC_ALL, CONC_FOREVER);
		sim_assert(swept(rc) || (conc_future_done(f[0]) && conc_future_done(f[1])));
	}
	take_well(f[0]);
	take_well(f[1]);
	return 0;
}

SIM_SCENARIO(claim_by_wait_on_one_worker)
{
	nested(1, wait_task);
}

SIM_SCENARIO(claim_by_wait_on_two_workers)
{
	nested(2, wait_task);
}

static int
completions_task(const void *arg, void *result)
{
	struct stage *s = (struct stage *)(uintptr_t)arg;
	conc_completions *c;
	conc_future *f;
	int rc;

	(void)result;
	if (swept(conc_completions_create(&c)))
		return 0;
	for (int i = 0; i < 2; i++) {
		if (swept(give(s, run_task, &f)))
			continue;
		(void)swept(conc_completions_add(c, f, NULL));
		conc_future_release(f);
	}
	while ((rc = conc_completions_next(c, &f, NULL, CONC_FOREVER)) == 0)
		take_well(f);
	sim_assert(rc == -ENOENT || swept(rc));
	conc_completions_destroy(c);
	return 0;
}

SIM_SCENARIO(claim_by_completions_on_one_worker)
{
	nested(1, completions_task);
}

SIM_SCENARIO(claim_by_completions_on_two_workers)
{
	nested(2, completions_task);
}

/* The claimer, the other worker and a canceller want the same task. */
static int
contested_task(const void *arg, void *result)
{
	struct stage *s = (struct stage *)(uintptr_t)arg;
	struct sim_thread *a;
	conc_future *f;
	int rc;

	(void)result;
	if (swept(give(s, run_task, &f)))
		return 0;
	s->future = conc_future_ref(f);
	a = sim_go(canceller, s);
	rc = take(f);
	sim_join(a);
	if (!troubled())
		sim_assert(
		    s->answer == 0 ? rc == -ECANCELED && s->ran == 0 : rc == 0 && s->ran == 1);
	return 0;
}

SIM_SCENARIO(claim_against_worker_and_cancel)
{
	struct stage s = {0};
	conc_future *f;

	if (!make_pool(&s, CONC_THREAD_POOL(.workers = 2)))
		return;
	if (!swept(give(&s, contested_task, &f)))
		take_well(f);
	conc_executor_destroy(s.pool);
	balance(&s);
}

/* Short of stack nothing is claimed: an extra worker comes, and goes again. */
SIM_SCENARIO(claim_short_of_stack)
{
	sim_set_stack_left(100);
	nested(1, nested_task);
}

/* A claim makes room in a full queue, for a submitter from outside. */
SIM_SCENARIO(claim_makes_room)
{
	struct stage s = {0};
	struct sim_thread *a;
	conc_future *f;

	if (!make_pool(&s, CONC_THREAD_POOL(.workers = 1, .queue_limit = 1)))
		return;
	a = sim_go(submitter, &s);
	if (!swept(give(&s, nested_task, &f)))
		take_well(f);
	sim_join(a);
	conc_executor_destroy(s.pool);
	sim_assert(s.ran == s.accepted - (f != NULL) || troubled());
	balance(&s);
}

/* What was claimed leaves the thread: both have crashed, and the pool goes on. */
static int
claims_crash_task(const void *arg, void *result)
{
	struct stage *s = (struct stage *)(uintptr_t)arg;
	conc_future *f;

	(void)result;
	if (swept(give(s, crash_task, &f)))
		return 0;
	s->future = f;
	return conc_future_wait(f, CONC_FOREVER);
}

SIM_SCENARIO(claim_of_a_crash)
{
	struct stage s = {0};
	conc_future *f;
	int rc;

	if (!make_pool(&s, CONC_THREAD_POOL(.workers = 1)))
		return;
	if (!swept(give(&s, claims_crash_task, &f))) {
		rc = take(f);
		sim_assert(rc == CONC_ECRASHED || troubled());
		rc = take(s.future);
		sim_assert(rc == CONC_ECRASHED || troubled());
		if (!swept(give(&s, run_task, &f)))
			take_well(f);
	}
	conc_executor_destroy(s.pool);
	balance(&s);
}

/* Nobody else may begin what CANCEL has emptied: the waiting task sees it cancelled. */
static int
nested_or_cancelled_task(const void *arg, void *result)
{
	struct stage *s = (struct stage *)(uintptr_t)arg;
	conc_future *f;
	int rc;

	(void)result;
	rc = give(s, run_task, &f);
	sim_assert(rc == 0 || rc == CONC_ESHUTDOWN || swept(rc));
	rc = take(f);
	sim_assert(rc == 0 || rc == -ECANCELED || troubled());
	return 0;
}

SIM_SCENARIO(claim_against_shutdown)
{
	struct stage s = {.how = (conc_shutdown_how)sim_random(3)};
	struct sim_thread *a;
	conc_future *f;

	if (!make_pool(&s, CONC_THREAD_POOL(.workers = 1)))
		return;
	if (!swept(give(&s, nested_or_cancelled_task, &f))) {
		a = sim_go(shutter, &s);
		(void)take(f);
		sim_join(a);
	}
	conc_executor_destroy(s.pool);
	balance(&s);
}
