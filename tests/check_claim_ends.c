/* SPDX-License-Identifier: MIT */
/*
 * Tests of how a claimed task can end: crashes, retries, pauses before them.
 */
#include "tests/pool.h"

/* What the tasks of a test borrow. */
struct stage {
	conc_executor *pool;
	conc_future *inner;
	struct latch ready;
	atomic_int ran;
};

static int
claims_a_crash_task(const void *arg, void *result)
{
	struct stage *stage = (struct stage *)arg;

	(void)result;
	stage->inner = SUBMIT(
	    stage->pool, .fn = crash_task, .cleanup = count_cleanup, .user = &stage->ran);
	return conc_future_wait(stage->inner, CONC_FOREVER);
}

/* Its thread is gone: the claimed task and the one that claimed it have both crashed. */
START_TEST(a_claimed_crash_takes_the_claimer_along)
{
	struct stage stage = {.pool = POOL(.workers = 1)};
	conc_future *f = SUBMIT(stage.pool, .fn = claims_a_crash_task, .arg = &stage,
	    .arg_size = CONC_BORROW, .cleanup = count_cleanup, .user = &stage.ran);

	ck_assert_int_eq(finish(f), CONC_ECRASHED);
	ck_assert_int_eq(finish(stage.inner), CONC_ECRASHED);
	ck_assert_int_eq(stage.ran, 2);
	ck_assert_int_eq(finish(SUBMIT(stage.pool, .fn = nothing_task)), 0);
	ck_assert_uint_eq(stats_of(stage.pool).failed, 2);
	conc_executor_destroy(stage.pool);
}
END_TEST

static int
claims_retries_task(const void *arg, void *result)
{
	struct stage *stage = (struct stage *)arg;
	conc_future *f = SUBMIT(stage->pool, .fn = asked_task, .time_limit = CONC_MS(1),
	    .retries = 2, .cleanup = count_cleanup, .user = &stage->ran);

	(void)result;
	return finish(f);
}

START_TEST(a_claimed_task_is_retried_too)
{
	struct stage stage = {.pool = POOL(.workers = 1)};

	ck_assert_int_eq(finish(SUBMIT(stage.pool, .fn = claims_retries_task, .arg = &stage,
			     .arg_size = CONC_BORROW)),
	    CONC_ETIMELIMIT);
	ck_assert_int_eq(stage.ran, 1);
	conc_executor_destroy(stage.pool);
}
END_TEST

static int
count_and_crash_task(const void *arg, void *result)
{
	(void)count_task(arg, result);
	pthread_exit(NULL);
}

static int
waits_for_backoff_task(const void *arg, void *result)
{
	struct stage *stage = (struct stage *)arg;

	(void)result;
	stage->inner = SUBMIT(stage->pool, .fn = count_and_crash_task, .arg = &stage->ran,
	    .arg_size = CONC_BORROW, .retries = 1, .backoff = CONC_S(3600));
	while (stage->ran == 0 || conc_future_running(stage->inner))
		sched_yield();
	latch_set(&stage->ready);
	return conc_future_wait(stage->inner, CONC_FOREVER);
}

/* Whoever claims a task in its back-off can still be stopped. */
START_TEST(a_claimed_backoff_can_be_cut_short)
{
	struct stage stage = {.pool = POOL(.workers = 2), .ready = LATCH};
	conc_future *f = SUBMIT(
	    stage.pool, .fn = waits_for_backoff_task, .arg = &stage, .arg_size = CONC_BORROW);

	latch_wait(&stage.ready, 1);
	if (_i == 0)
		(void)conc_future_cancel(stage.inner);
	else
		(void)conc_shutdown(stage.pool, CONC_KILL, CONC_NOW);
	ck_assert_int_eq(conc_future_wait(f, conc_after(CONC_S(10))), 0); /* alarm for a hang */
	ck_assert_int_eq(stage.ran, 1);
	conc_future_release(f);
	(void)finish(stage.inner);
	conc_clear();
	conc_executor_destroy(stage.pool);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("claim_ends");
	TCase *tc = new_case(s, "ends");

	tcase_add_test(tc, a_claimed_crash_takes_the_claimer_along);
	tcase_add_test(tc, a_claimed_task_is_retried_too);
	tcase_add_loop_test(tc, a_claimed_backoff_can_be_cut_short, 0, 2);
	return run_suite(s);
}
