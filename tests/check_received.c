/* SPDX-License-Identifier: MIT */
/*
 * Failures of futures and a thread's current exception: what becomes of it.
 */
#include "tests/future.h"

START_TEST(failure_received_is_the_current_exception)
{
	conc_future *f = failed(-EIO, "from the task");
	const void *view;
	int value;

	(void)conc_raise(-EDOM, "older");
	if (_i)
		ck_assert_int_eq(conc_future_view(f, &view, NULL), -EIO);
	else
		ck_assert_int_eq(conc_future_result(f, &value, sizeof value), -EIO);
	ck_assert_ptr_nonnull(conc_caught());
	ck_assert_str_eq(conc_exception_message(conc_caught()), "from the task");
	ck_assert_ptr_eq(conc_caught(), conc_future_exception(f));
	conc_future_release(f);
	ck_assert_str_eq(conc_exception_message(conc_caught()), "from the task");
	conc_clear();
}
END_TEST

START_TEST(plain_answers_leave_the_current_exception)
{
	conc_promise *p;
	conc_future *f = pending(&p), *done = finished(1), *c = cancelled();
	conc_future *e = failed(-EIO, "e");
	struct gate gate = GATE;
	conc_executor *pool = pool_of(1);
	conc_future *busy = running(pool, &gate), *next;
	conc_completions *set;
	const conc_exception *mine;
	int value;

	ck_assert_int_eq(conc_completions_create(&set), 0);
	(void)conc_raise(-EDOM, "mine");
	mine = conc_caught();
	ck_assert_int_eq(conc_future_wait(f, CONC_NOW), -ETIMEDOUT);
	ck_assert_int_eq(conc_future_wait(NULL, CONC_NOW), -EINVAL);
	ck_assert_int_eq(conc_future_wait(e, CONC_NOW), 0);
	ck_assert_int_eq(conc_wait(&e, 1, CONC_FIRST_EXCEPTION, CONC_NOW), 0);
	ck_assert_int_eq(conc_wait(&f, 1, CONC_ALL, CONC_NOW), -ETIMEDOUT);
	ck_assert_int_eq(conc_completions_next(set, &next, NULL, CONC_NOW), -ENOENT);
	ck_assert_int_eq(conc_future_result(done, &value, 1), -EMSGSIZE);
	ck_assert_int_eq(conc_future_result(done, &value, sizeof value), 0);
	ck_assert_int_eq(conc_future_result(c, &value, sizeof value), -ECANCELED);
	ck_assert_int_eq(conc_future_cancel(done), CONC_ESTATE);
	ck_assert_int_eq(conc_future_cancel(busy), -EINPROGRESS);
	ck_assert_int_eq(conc_future_kill(busy), -ENOTSUP);
	ck_assert_int_eq(conc_future_cancel(f), 0);
	ck_assert_int_eq(finish(p, 1), CONC_ESTATE);
	ck_assert_int_eq(conc_promise_fail(p, -EDOM), CONC_ESTATE);
	ck_assert_ptr_nonnull(conc_future_exception(e));
	ck_assert_ptr_eq(conc_caught(), mine);
	ck_assert_str_eq(conc_exception_message(mine), "mine");
	conc_clear();
	latch_set(&gate.open);
	conc_completions_destroy(set);
	conc_future_release(f);
	conc_future_release(done);
	conc_future_release(c);
	conc_future_release(e);
	conc_future_release(busy);
	conc_executor_destroy(pool);
	conc_promise_destroy(p);
}
END_TEST

static void
raise_another(conc_future *f, void *user)
{
	(void)f;
	(void)conc_raise(-EPERM, "in the callback");
	*(int *)user += 1;
}

START_TEST(callbacks_do_not_disturb_the_current_exception)
{
	conc_promise *p;
	conc_future *f = pending(&p);
	int calls = 0;

	ck_assert_int_eq(conc_future_on_done(f, raise_another, &calls), 0);
	(void)conc_raise(-EDOM, "mine");
	ck_assert_int_eq(finish(p, 1), 0);
	ck_assert_str_eq(conc_exception_message(conc_caught()), "mine");
	ck_assert_int_eq(conc_future_on_done(f, raise_another, &calls), 0);
	ck_assert_str_eq(conc_exception_message(conc_caught()), "mine");
	ck_assert_int_eq(calls, 2);
	conc_clear();
	ck_assert_int_eq(conc_future_on_done(f, raise_another, &calls), 0);
	ck_assert_ptr_null(conc_caught());
	conc_promise_destroy(p);
	conc_future_release(f);
}
END_TEST

static int
fail_with_message(const void *arg, void *result)
{
	(void)arg;
	(void)result;
	ck_assert_ptr_null(conc_caught()); /* a task begins with none */
	return conc_raise(-EIO, "of the claimed task");
}

static int
claim_and_compare(const void *arg, void *result)
{
	conc_executor *pool = *(conc_executor *const *)arg;
	conc_future *f = submit(pool, fail_with_message, NULL);

	(void)result;
	(void)conc_raise(-EDOM, "mine");
	ck_assert_int_eq(conc_future_wait(f, CONC_FOREVER), 0);
	ck_assert_str_eq(conc_exception_message(conc_caught()), "mine");
	ck_assert_int_eq(conc_future_result(f, NULL, 0), -EIO);
	ck_assert_str_eq(conc_exception_message(conc_caught()), "of the claimed task");
	conc_future_release(f);
	return 0;
}

START_TEST(claimed_tasks_do_not_disturb_the_current_exception)
{
	conc_executor *pool = pool_of(1);
	conc_future *f = submit(pool, claim_and_compare, pool);

	ck_assert_int_eq(conc_future_result(f, NULL, 0), 0);
	conc_future_release(f);
	conc_executor_destroy(pool);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("received");
	TCase *tc = new_case(s, "current exception");

	tcase_add_loop_test(tc, failure_received_is_the_current_exception, 0, 2);
	tcase_add_test(tc, plain_answers_leave_the_current_exception);
	tcase_add_test(tc, callbacks_do_not_disturb_the_current_exception);
	tcase_add_test(tc, claimed_tasks_do_not_disturb_the_current_exception);
	return run_suite(s);
}
