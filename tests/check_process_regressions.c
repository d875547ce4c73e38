/* SPDX-License-Identifier: MIT */
/*
 * Tests of corners of the process pool that were wrong once.
 */
#include "tests/process.h"

static int
none_task(const void *arg, void *result)
{
	(void)arg;
	(void)result;
	return 0;
}

/* More orders are revoked in a worker's pipe than it may have at a time; then comes another. */
START_TEST(revoked_orders_do_not_fill_the_ring)
{
	conc_executor *pool = PROCESSES(.workers = 1);

	for (int i = 0; i < 200; i++) {
		for (int j = 0; j < 70; j++) {
			conc_future *f = SUBMIT(pool, .fn = none_task);

			(void)conc_future_cancel(f);
			conc_future_release(f);
		}
		ck_assert_int_eq(finish(SUBMIT(pool, .fn = none_task)), 0);
	}
	conc_executor_destroy(pool);
}
END_TEST

/* The last task that a worker was to run is cancelled in its pipe: another worker must come. */
START_TEST(a_cancelled_last_task_lets_the_worker_go)
{
	conc_executor *pool = PROCESSES(.workers = 1, .tasks_per_worker = 1);

	for (int i = 0; i < 100; i++) {
		conc_future *f = SUBMIT(pool, .fn = none_task);
		conc_future *g = SUBMIT(pool, .fn = none_task);

		(void)conc_future_cancel(f);
		conc_future_release(f);
		ck_assert_int_eq(finish(g), 0);
	}
	conc_executor_destroy(pool);
}
END_TEST

/* Who is killed is the one that was named, also if it ends at that moment. */
START_TEST(a_kill_spares_the_next)
{
	uint32_t seed = 1;
	conc_executor *pool = PROCESSES(.workers = 1);

	for (int i = 0; i < 300; i++) {
		conc_future *f = SUBMIT(pool, .fn = none_task);
		conc_future *g = SUBMIT(pool, .fn = none_task);

		jitter(&seed);
		(void)conc_future_kill(f);
		conc_future_release(f);
		ck_assert_int_eq(finish(g), 0);
	}
	conc_executor_destroy(pool);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("process_regressions");
	TCase *all = process_case(s, "all");

	tcase_add_test(all, revoked_orders_do_not_fill_the_ring);
	tcase_add_test(all, a_cancelled_last_task_lets_the_worker_go);
	tcase_add_test(all, a_kill_spares_the_next);
	return run_suite(s);
}
