/* SPDX-License-Identifier: MIT */
/*
 * Futures: their states, cancelling, results, and every code of the functions
 * that take one future.
 */
#include "tests/future.h"

START_TEST(a_pending_promise_may_finish)
{
	conc_promise *p;
	conc_future *f = pending(&p), *c = cancelled(), *e = failed(-EIO, "disk");

	ck_assert_state(f, false, false, false);
	ck_assert_int_eq(finish(p, 1), 0);
	ck_assert_state(f, true, false, false);
	ck_assert_state(c, true, false, true);
	ck_assert_state(e, true, false, false);
	ck_assert_ptr_nonnull(conc_future_exception(e));
	conc_promise_destroy(p);
	ck_assert_state(f, true, false, false);
	conc_future_release(f);
	conc_future_release(c);
	conc_future_release(e);
}
END_TEST

START_TEST(states_of_a_task)
{
	struct gate gate = GATE, second = GATE;
	conc_executor *pool = pool_of(1);
	conc_future *f = running(pool, &gate), *queued = submit(pool, pass_gate, &second);

	ck_assert_state(f, false, true, false);
	ck_assert_state(queued, false, false, false);
	latch_set(&second.open);
	latch_set(&gate.open);
	ck_assert_int_eq(conc_future_wait(queued, CONC_FOREVER), 0);
	ck_assert_state(f, true, false, false);
	ck_assert_state(queued, true, false, false);
	conc_future_release(f);
	conc_future_release(queued);
	conc_executor_destroy(pool);
}
END_TEST

START_TEST(cancel_pending_running_done_twice)
{
	struct gate gate = GATE, never = GATE;
	conc_executor *pool = pool_of(1);
	conc_future *f = running(pool, &gate), *queued = submit(pool, pass_gate, &never);

	ck_assert_int_eq(conc_future_cancel(queued), 0);
	ck_assert_int_eq(conc_future_cancel(queued), 0);
	ck_assert_int_eq(conc_future_cancel(f), -EINPROGRESS);
	ck_assert_int_eq(conc_future_cancel(f), -EINPROGRESS);
	ck_assert_state(f, false, true, false);
	latch_set(&gate.open);
	ck_assert_int_eq(conc_future_wait(f, CONC_FOREVER), 0);
	ck_assert_int_eq(conc_future_cancel(f), CONC_ESTATE);
	ck_assert_int_eq(conc_future_cancel(queued), 0);
	ck_assert_int_eq(conc_shutdown(pool, CONC_DRAIN, CONC_FOREVER), 0);
	ck_assert_int_eq(latch_count(&never.entered), 0);
	conc_future_release(f);
	conc_future_release(queued);
	conc_executor_destroy(pool);
}
END_TEST

START_TEST(cancel_then_wait_sees_it_at_once)
{
	struct gate gate = GATE, never = GATE;
	conc_executor *pool = pool_of(1);
	conc_future *f = running(pool, &gate), *queued = submit(pool, pass_gate, &never), *next;
	conc_completions *c;

	/* The only worker stands at the gate: nobody can take the task from the queue. */
	ck_assert_int_eq(conc_completions_create(&c), 0);
	ck_assert_int_eq(conc_completions_add(c, queued, NULL), 0);
	ck_assert_int_eq(conc_future_cancel(queued), 0);
	ck_assert_state(queued, true, false, true);
	ck_assert_int_eq(conc_future_wait(queued, CONC_NOW), 0);
	ck_assert_int_eq(conc_wait(&queued, 1, CONC_ALL, CONC_NOW), 0);
	ck_assert_int_eq(conc_future_result(queued, NULL, 0), -ECANCELED);
	ck_assert_int_eq(conc_completions_next(c, &next, NULL, CONC_NOW), 0);
	ck_assert_ptr_eq(next, queued);
	conc_future_release(next);
	conc_completions_destroy(c);
	latch_set(&gate.open);
	conc_future_release(f);
	conc_future_release(queued);
	conc_executor_destroy(pool);
}
END_TEST

START_TEST(running_task_is_asked_to_stop)
{
	static const struct {
		int code, result, cancelled;
	} want[] = {
	    {0, 0, false},
	    {-ECANCELED, -ECANCELED, true},
	    {-EIO, -EIO, false},
	};
	struct gate gate = GATE;
	conc_executor *pool = pool_of(1);
	conc_future *f = running(pool, &gate);

	gate.code = want[_i].code;
	ck_assert_int_eq(conc_future_cancel(f), -EINPROGRESS);
	latch_set(&gate.open);
	ck_assert_int_eq(conc_future_result(f, NULL, 0), want[_i].result);
	ck_assert(gate.asked);
	ck_assert_state(f, true, false, want[_i].cancelled);
	ck_assert_int_eq(conc_future_exception(f) != NULL, want[_i].code == -EIO);
	conc_future_release(f);
	conc_executor_destroy(pool);
}
END_TEST

START_TEST(ecanceled_of_a_task_not_asked_is_a_failure)
{
	struct gate gate = GATE;
	conc_executor *pool = pool_of(1);
	conc_future *f;

	gate.code = -ECANCELED;
	latch_set(&gate.open);
	f = submit(pool, pass_gate, &gate);
	ck_assert_int_eq(conc_future_wait(f, CONC_FOREVER), 0);
	ck_assert(!gate.asked);
	ck_assert_state(f, true, false, false);
	ck_assert_int_eq(conc_exception_code(conc_future_exception(f)), -ECANCELED);
	ck_assert_int_eq(conc_future_result(f, NULL, 0), -ECANCELED);
	conc_future_release(f);
	conc_executor_destroy(pool);
}
END_TEST

static void
note_cleanup(void *user)
{
	latch_set(user);
}

START_TEST(done_implies_cleanup_ran)
{
	conc_executor *pool = pool_of(2);
	struct gate gate = GATE, *pointer = &gate;

	latch_set(&gate.open);
	for (int i = 0; i < seeds(); i++) {
		struct latch cleaned = LATCH;
		const conc_task *task = CONC_TASK(.fn = pass_gate, .arg = &pointer,
		    .arg_size = sizeof pointer, .result_size = sizeof(int),
		    .cleanup = note_cleanup, .user = &cleaned);
		uint32_t seed = seed_start(i);
		conc_future *f;

		ck_assert_int_eq(conc_submit_task(pool, task, &f), 0);
		jitter(&seed);
		if (i % 2)
			conc_future_cancel(f);
		while (!conc_future_done(f))
			sched_yield();
		ck_assert_int_eq(latch_count(&cleaned), 1);
		conc_future_release(f);
	}
	conc_executor_destroy(pool);
}
END_TEST

START_TEST(result_may_be_taken_often)
{
	conc_future *f = finished(7);

	for (int i = 0; i < 3; i++) {
		int value = 0;

		ck_assert_int_eq(conc_future_result(f, &value, sizeof value), 0);
		ck_assert_int_eq(value, 7);
		ck_assert_int_eq(conc_future_result(f, NULL, 0), 0);
	}
	conc_future_release(f);
}
END_TEST

START_TEST(result_on_cancelled_is_ecanceled)
{
	conc_future *f = cancelled();
	int value = 5;
	const void *view = &value;
	size_t size = 99;

	ck_assert_int_eq(conc_future_result(f, &value, sizeof value), -ECANCELED);
	ck_assert_int_eq(conc_future_view(f, &view, &size), -ECANCELED);
	ck_assert_int_eq(value, 5);
	ck_assert_ptr_eq(view, &value);
	ck_assert_uint_eq(size, 99);
	ck_assert_ptr_null(conc_future_exception(f));
	conc_future_release(f);
}
END_TEST

START_TEST(result_of_failed_is_its_code)
{
	static const int codes[] = {-EIO, CONC_ECRASHED, 1, 12345, INT32_MIN, INT32_MAX};
	conc_future *f = failed(codes[_i], "of a kind");
	int value = 5;
	const void *view = &value;
	size_t size = 99;

	ck_assert_int_eq(conc_future_result(f, &value, sizeof value), codes[_i]);
	ck_assert_int_eq(conc_future_result(f, NULL, 0), codes[_i]);
	ck_assert_int_eq(conc_future_result(f, &value, 1), codes[_i]);
	ck_assert_int_eq(conc_future_view(f, &view, &size), codes[_i]);
	ck_assert_int_eq(value, 5);
	ck_assert_ptr_eq(view, &value);
	ck_assert_uint_eq(size, 99);
	ck_assert_int_eq(conc_exception_code(conc_future_exception(f)), codes[_i]);
	conc_future_release(f);
}
END_TEST

START_TEST(result_emsgsize)
{
	static const size_t sizes[] = {1, sizeof(int) - 1, sizeof(int) + 1, SIZE_MAX};
	conc_future *f = finished(7);
	int values[2] = {5, 5};

	ck_assert_int_eq(conc_future_result(f, values, sizes[_i]), -EMSGSIZE);
	ck_assert_int_eq(values[0], 5);
	ck_assert_int_eq(conc_future_result(f, values, sizeof(int)), 0);
	ck_assert_int_eq(values[0], 7);
	ck_assert_int_eq(values[1], 5);
	conc_future_release(f);
}
END_TEST

START_TEST(result_of_no_bytes)
{
	conc_promise *p;
	conc_future *f;
	char byte = 5;
	const void *view;
	size_t size = 99;

	ck_assert_int_eq(conc_promise_create(&p, 0, &f), 0);
	ck_assert_int_eq(conc_promise_finish(p, NULL, 0), 0);
	ck_assert_int_eq(conc_future_result(f, NULL, 0), 0);
	ck_assert_int_eq(conc_future_result(f, &byte, 1), -EMSGSIZE);
	ck_assert_int_eq(conc_future_view(f, &view, &size), 0);
	ck_assert_uint_eq(size, 0);
	conc_future_release(f);
	conc_promise_destroy(p);
}
END_TEST

START_TEST(view_borrows_in_place)
{
	conc_future *f = finished(7);
	const void *a = NULL, *b = NULL;
	size_t size = 0;

	ck_assert_int_eq(conc_future_view(f, &a, &size), 0);
	ck_assert_int_eq(conc_future_view(f, &b, NULL), 0);
	ck_assert_uint_eq(size, sizeof(int));
	ck_assert_ptr_eq(a, b);
	ck_assert_uint_eq((uintptr_t)a % _Alignof(max_align_t), 0);
	ck_assert_int_eq(*(const int *)a, 7);
	conc_future_release(f);
}
END_TEST

START_TEST(result_outlives_its_pool)
{
	struct gate gate = GATE;
	conc_executor *pool = pool_of(1);
	conc_future *f = running(pool, &gate);
	int value = 0;

	latch_set(&gate.open);
	conc_executor_destroy(pool);
	ck_assert_int_eq(conc_future_wait(f, CONC_NOW), 0);
	ck_assert_int_eq(conc_future_result(f, &value, sizeof value), 0);
	ck_assert_int_eq(value, 42);
	conc_future_release(f);
}
END_TEST

START_TEST(references_are_counted)
{
	conc_future *f = finished(7);
	int value = 0;

	ck_assert_ptr_eq(conc_future_ref(f), f);
	conc_future_release(f);
	ck_assert_int_eq(conc_future_result(f, &value, sizeof value), 0);
	ck_assert_int_eq(value, 7);
	conc_future_release(f);
}
END_TEST

START_TEST(exception_is_null_unless_failed)
{
	conc_promise *p;
	conc_future *f = pending(&p), *c = cancelled(), *e = failed(-EDOM, "odd");

	ck_assert_ptr_null(conc_future_exception(f));
	ck_assert_int_eq(finish(p, 1), 0);
	ck_assert_ptr_null(conc_future_exception(f));
	ck_assert_ptr_null(conc_future_exception(c));
	ck_assert_str_eq(conc_exception_message(conc_future_exception(e)), "odd");
	ck_assert_ptr_eq(conc_future_exception(e), conc_future_exception(e));
	conc_promise_destroy(p);
	conc_future_release(f);
	conc_future_release(c);
	conc_future_release(e);
}
END_TEST

START_TEST(null_handles_are_einval)
{
	const void *view;
	int value;

	ck_assert_int_eq(conc_future_wait(NULL, CONC_FOREVER), -EINVAL);
	ck_assert_int_eq(conc_future_result(NULL, &value, sizeof value), -EINVAL);
	ck_assert_int_eq(conc_future_view(NULL, &view, NULL), -EINVAL);
	ck_assert_int_eq(conc_future_cancel(NULL), -EINVAL);
	ck_assert_int_eq(conc_future_kill(NULL), -EINVAL);
	ck_assert_int_eq(conc_future_on_done(NULL, tell, NULL), -EINVAL);
	ck_assert_ptr_null(conc_future_exception(NULL));
	ck_assert_state(NULL, false, false, false);
	ck_assert_ptr_null(conc_future_ref(NULL));
	conc_future_release(NULL);
}
END_TEST

START_TEST(null_outputs_are_einval)
{
	conc_future *f = finished(7);

	ck_assert_int_eq(conc_future_result(f, NULL, sizeof(int)), -EINVAL);
	ck_assert_int_eq(conc_future_view(f, NULL, NULL), -EINVAL);
	ck_assert_int_eq(conc_future_on_done(f, NULL, NULL), -EINVAL);
	conc_future_release(f);
}
END_TEST

START_TEST(kill_of_a_thread_is_enotsup)
{
	struct gate gate = GATE, second = GATE;
	conc_executor *pool = pool_of(1);
	conc_future *f = running(pool, &gate), *queued = submit(pool, pass_gate, &second);

	ck_assert_int_eq(conc_future_kill(f), -ENOTSUP);
	ck_assert_int_eq(conc_future_kill(queued), -ENOTSUP);
	latch_set(&gate.open);
	latch_set(&second.open);
	ck_assert_int_eq(conc_future_result(f, NULL, 0), 0);
	ck_assert_int_eq(conc_future_result(queued, NULL, 0), 0);
	ck_assert(!gate.asked);
	conc_future_release(f);
	conc_future_release(queued);
	conc_executor_destroy(pool);
}
END_TEST

START_TEST(kill_of_a_promise_is_enotsup)
{
	conc_promise *p;
	conc_future *f = pending(&p);

	ck_assert_int_eq(conc_future_kill(f), -ENOTSUP);
	ck_assert_state(f, false, false, false);
	ck_assert_int_eq(finish(p, 1), 0);
	conc_promise_destroy(p);
	conc_future_release(f);
}
END_TEST

static conc_promise *inherited_promise;
static conc_future *inherited, *inherited_done;

static void
use_what_was_inherited(void)
{
	const void *view;
	int value;

	ck_assert_int_eq(conc_future_wait(inherited, CONC_FOREVER), CONC_EFORKED);
	ck_assert_int_eq(conc_future_wait(inherited, CONC_NOW), CONC_EFORKED);
	ck_assert_int_eq(conc_future_result(inherited, &value, sizeof value), CONC_EFORKED);
	ck_assert_int_eq(conc_future_view(inherited, &view, NULL), CONC_EFORKED);
	ck_assert_int_eq(conc_future_cancel(inherited), CONC_EFORKED);
	ck_assert_int_eq(conc_future_kill(inherited), CONC_EFORKED);
	ck_assert_int_eq(conc_future_on_done(inherited, tell, NULL), CONC_EFORKED);
	ck_assert_ptr_null(conc_future_exception(inherited));
	ck_assert_state(inherited, false, false, false);
	ck_assert_int_eq(conc_future_result(inherited_done, &value, sizeof value), 0);
	ck_assert_int_eq(value, 7);
	conc_promise_destroy(inherited_promise);
	conc_future_release(inherited);
	conc_future_release(inherited_done);
}

static void
ask_whether_it_runs(void)
{
	ck_assert(!conc_future_running(inherited));
	ck_assert(!conc_future_done(inherited));
	conc_future_release(inherited);
}

START_TEST(nothing_runs_in_the_child_of_a_fork)
{
	conc_executor *pool = pool_of(1);
	struct gate gate = GATE;

	inherited = submit(pool, pass_gate, &gate);
	latch_wait(&gate.entered, 1);
	ck_assert_int_eq(run_in_child(ask_whether_it_runs), 0);
	ck_assert(conc_future_running(inherited));
	latch_set(&gate.open);
	conc_future_release(inherited);
	conc_executor_destroy(pool);
}
END_TEST

START_TEST(child_of_a_fork_is_told_eforked)
{
	inherited = pending(&inherited_promise);
	inherited_done = finished(7);
	ck_assert_int_eq(run_in_child(use_what_was_inherited), 0);
	ck_assert_int_eq(finish(inherited_promise, 1), 0);
	ck_assert_int_eq(conc_future_result(inherited, NULL, 0), 0);
	conc_promise_destroy(inherited_promise);
	conc_future_release(inherited);
	conc_future_release(inherited_done);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("future");
	TCase *tc = new_case(s, "states");

	tcase_add_test(tc, a_pending_promise_may_finish);
	tcase_add_test(tc, states_of_a_task);
	tcase_add_test(tc, cancel_pending_running_done_twice);
	tcase_add_test(tc, cancel_then_wait_sees_it_at_once);
	tcase_add_loop_test(tc, running_task_is_asked_to_stop, 0, 3);
	tcase_add_test(tc, ecanceled_of_a_task_not_asked_is_a_failure);
	tcase_add_test(tc, done_implies_cleanup_ran);

	tc = new_case(s, "results");
	tcase_add_test(tc, result_may_be_taken_often);
	tcase_add_test(tc, result_on_cancelled_is_ecanceled);
	tcase_add_loop_test(tc, result_of_failed_is_its_code, 0, 6);
	tcase_add_loop_test(tc, result_emsgsize, 0, 4);
	tcase_add_test(tc, result_of_no_bytes);
	tcase_add_test(tc, view_borrows_in_place);
	tcase_add_test(tc, result_outlives_its_pool);
	tcase_add_test(tc, references_are_counted);
	tcase_add_test(tc, exception_is_null_unless_failed);

	tc = new_case(s, "codes");
	tcase_add_test(tc, null_handles_are_einval);
	tcase_add_test(tc, null_outputs_are_einval);
	tcase_add_test(tc, kill_of_a_thread_is_enotsup);
	tcase_add_test(tc, kill_of_a_promise_is_enotsup);
	tcase_add_test(tc, child_of_a_fork_is_told_eforked);
	tcase_add_test(tc, nothing_runs_in_the_child_of_a_fork);
	return run_suite(s);
}
