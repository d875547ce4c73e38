/* SPDX-License-Identifier: MIT */
/*
 * Waiting for one future and for several: what holds, when, and the races with
 * those that finish them.
 */
#include "tests/future.h"

START_TEST(deadline_in_the_past_polls)
{
	const conc_time past[] = {CONC_NOW, {-1}, {0}, {1}, conc_after(-5), conc_after_ms(-5)};
	conc_promise *p;
	conc_future *f = pending(&p), *both[] = {f, f};

	ck_assert_int_eq(conc_future_wait(f, past[_i]), -ETIMEDOUT);
	ck_assert_int_eq(conc_wait(both, 2, CONC_ALL, past[_i]), -ETIMEDOUT);
	ck_assert_int_eq(conc_wait(both, 2, CONC_ANY, past[_i]), -ETIMEDOUT);
	ck_assert_int_eq(conc_wait(both, 2, CONC_FIRST_EXCEPTION, past[_i]), -ETIMEDOUT);
	ck_assert_int_eq(finish(p, 1), 0);
	ck_assert_int_eq(conc_future_wait(f, past[_i]), 0);
	ck_assert_int_eq(conc_wait(both, 2, CONC_ALL, past[_i]), 0);
	ck_assert_int_eq(conc_wait(both, 2, CONC_ANY, past[_i]), 0);
	ck_assert_int_eq(conc_wait(both, 2, CONC_FIRST_EXCEPTION, past[_i]), 0);
	conc_promise_destroy(p);
	conc_future_release(f);
}
END_TEST

START_TEST(wait_timeout_is_not_the_tasks_timeout)
{
	conc_promise *p;
	conc_future *f = pending(&p), *task = failed(-ETIMEDOUT, "the server was slow");

	ck_assert_int_eq(conc_future_wait(f, conc_after_ms(1)), -ETIMEDOUT);
	ck_assert(!conc_future_done(f));
	ck_assert_int_eq(conc_future_wait(task, conc_after_ms(1)), 0);
	ck_assert_int_eq(conc_wait(&task, 1, CONC_ALL, conc_after_ms(1)), 0);
	ck_assert(conc_future_done(task));
	ck_assert_int_eq(conc_future_result(task, NULL, 0), -ETIMEDOUT);
	ck_assert_int_eq(finish(p, 1), 0);
	conc_promise_destroy(p);
	conc_future_release(f);
	conc_future_release(task);
}
END_TEST

START_TEST(empty_set_returns_at_once)
{
	conc_future *none[] = {NULL};

	ck_assert_int_eq(conc_wait(NULL, 0, (conc_wait_how)_i, CONC_FOREVER), 0);
	ck_assert_int_eq(conc_wait(none, 0, (conc_wait_how)_i, CONC_FOREVER), 0);
	ck_assert_int_eq(conc_wait(none, 0, (conc_wait_how)_i, CONC_NOW), 0);
}
END_TEST

START_TEST(duplicates_count_once)
{
	conc_promise *p, *q;
	conc_future *f = pending(&p), *g = pending(&q), *set[] = {f, f, g, f};

	ck_assert_int_eq(conc_wait(set, 4, CONC_ANY, conc_after_ms(1)), -ETIMEDOUT);
	ck_assert_int_eq(finish(p, 1), 0);
	ck_assert_int_eq(conc_wait(set, 4, CONC_ALL, conc_after_ms(1)), -ETIMEDOUT);
	ck_assert_int_eq(conc_wait(set, 4, CONC_ANY, CONC_FOREVER), 0);
	ck_assert_int_eq(finish(q, 1), 0);
	ck_assert_int_eq(conc_wait(set, 4, CONC_ALL, CONC_FOREVER), 0);
	conc_promise_destroy(p);
	conc_promise_destroy(q);
	conc_future_release(f);
	conc_future_release(g);
}
END_TEST

START_TEST(first_exception_ignores_cancelled)
{
	conc_promise *p, *q;
	conc_future *f = pending(&p), *g = pending(&q);
	conc_future *set[] = {cancelled(), f, finished(1), g};

	ck_assert_int_eq(conc_wait(set, 4, CONC_FIRST_EXCEPTION, CONC_NOW), -ETIMEDOUT);
	ck_assert_int_eq(conc_wait(set, 4, CONC_FIRST_EXCEPTION, conc_after_ms(1)), -ETIMEDOUT);
	ck_assert_int_eq(_i ? conc_future_cancel(f) : conc_promise_fail(p, -EIO), 0);
	ck_assert_int_eq(
	    conc_wait(set, 4, CONC_FIRST_EXCEPTION, CONC_NOW), _i ? -ETIMEDOUT : 0);
	ck_assert_int_eq(finish(q, 1), 0);
	ck_assert_int_eq(conc_wait(set, 4, CONC_FIRST_EXCEPTION, CONC_FOREVER), 0);
	(void)conc_future_exception(f);
	conc_promise_destroy(p);
	conc_promise_destroy(q);
	for (int i = 0; i < 4; i++)
		conc_future_release(set[i]);
}
END_TEST

START_TEST(first_exception_some_already_complete)
{
	conc_promise *p;
	conc_future *set[] = {finished(1), failed(-EIO, "x"), pending(&p)};

	ck_assert_int_eq(conc_wait(set, 3, CONC_FIRST_EXCEPTION, CONC_FOREVER), 0);
	ck_assert_int_eq(conc_wait(set, 3, CONC_ANY, CONC_FOREVER), 0);
	ck_assert_int_eq(conc_wait(set, 3, CONC_ALL, CONC_NOW), -ETIMEDOUT);
	ck_assert_int_eq(conc_future_cancel(set[2]), 0);
	ck_assert_int_eq(conc_wait(set, 3, CONC_ALL, CONC_FOREVER), 0);
	(void)conc_future_exception(set[1]);
	conc_promise_destroy(p);
	for (int i = 0; i < 3; i++)
		conc_future_release(set[i]);
}
END_TEST

START_TEST(timeout_leaves_states_right)
{
	conc_promise *p, *q;
	conc_future *set[] = {pending(&p), finished(1), pending(&q), cancelled()};

	/* Twice: the first wait must have left the futures, which its stack held on lists. */
	for (int i = 0; i < 2; i++) {
		ck_assert_int_eq(conc_wait(set, 4, CONC_ALL, conc_after_ms(1)), -ETIMEDOUT);
		ck_assert_state(set[0], false, false, false);
		ck_assert_state(set[1], true, false, false);
		ck_assert_state(set[2], false, false, false);
		ck_assert_state(set[3], true, false, true);
	}
	ck_assert_int_eq(finish(p, 1), 0);
	ck_assert_int_eq(finish(q, 1), 0);
	ck_assert_int_eq(conc_wait(set, 4, CONC_ALL, CONC_FOREVER), 0);
	conc_promise_destroy(p);
	conc_promise_destroy(q);
	for (int i = 0; i < 4; i++)
		conc_future_release(set[i]);
}
END_TEST

START_TEST(wait_einval)
{
	conc_future *f = finished(1), *set[] = {f, NULL, f};

	ck_assert_int_eq(conc_wait(NULL, 1, CONC_ALL, CONC_FOREVER), -EINVAL);
	ck_assert_int_eq(conc_wait(set, 3, CONC_ALL, CONC_FOREVER), -EINVAL);
	ck_assert_int_eq(conc_wait(set, 3, CONC_ANY, CONC_NOW), -EINVAL);
	ck_assert_int_eq(conc_wait(set, 1, (conc_wait_how)3, CONC_FOREVER), -EINVAL);
	ck_assert_int_eq(conc_wait(set, 1, (conc_wait_how)-1, CONC_FOREVER), -EINVAL);
	conc_future_release(f);
}
END_TEST

static conc_future *inherited[2];

static void
wait_for_what_was_inherited(void)
{
	ck_assert_int_eq(conc_wait(inherited, 2, CONC_ALL, CONC_FOREVER), CONC_EFORKED);
	ck_assert_int_eq(conc_wait(&inherited[1], 1, CONC_ANY, CONC_FOREVER), CONC_EFORKED);
	ck_assert_int_eq(conc_wait(inherited, 1, CONC_ALL, CONC_FOREVER), 0);
}

START_TEST(wait_eforked)
{
	conc_promise *p;

	inherited[0] = finished(1);
	inherited[1] = pending(&p);
	ck_assert_int_eq(run_in_child(wait_for_what_was_inherited), 0);
	conc_promise_destroy(p);
	(void)conc_future_exception(inherited[1]);
	conc_future_release(inherited[0]);
	conc_future_release(inherited[1]);
}
END_TEST

static int
wait_for_oneself(const void *arg, void *result)
{
	struct gate *gate = *(struct gate *const *)arg;
	conc_completions *c = completions();
	conc_future *f, *next;
	const void *view;

	(void)result;
	latch_set(&gate->entered);
	latch_wait(&gate->open, 1);
	f = gate->own;
	ck_assert_int_eq(conc_future_wait(f, CONC_FOREVER), -EDEADLK);
	ck_assert_int_eq(conc_future_wait(f, conc_after(CONC_S(1000))), -EDEADLK);
	ck_assert_int_eq(conc_future_result(f, NULL, 0), -EDEADLK);
	ck_assert_int_eq(conc_future_view(f, &view, NULL), -EDEADLK);
	ck_assert_int_eq(conc_wait(&f, 1, CONC_ALL, CONC_FOREVER), -EDEADLK);
	ck_assert_int_eq(conc_completions_add(c, f, NULL), 0);
	ck_assert_int_eq(conc_completions_next(c, &next, NULL, CONC_FOREVER), -EDEADLK);
	conc_completions_destroy(c);
	return 0;
}

START_TEST(waiting_for_oneself_is_edeadlk)
{
	struct gate gate = GATE;
	conc_executor *pool = pool_of(1);

	gate.own = submit(pool, wait_for_oneself, &gate);
	latch_set(&gate.open);
	ck_assert_int_eq(conc_future_result(gate.own, NULL, 0), 0);
	conc_future_release(gate.own);
	conc_executor_destroy(pool);
}
END_TEST

/* One worker; a way to wait for what it claims. */
struct claim {
	conc_executor *pool;
	struct latch runs;
	int way;
};

static int
wait_in_a_way(int way, conc_future *f)
{
	conc_future *next = NULL;
	conc_completions *c;
	const void *view;
	int rc;

	switch (way) {
	case 0:
		return conc_future_wait(f, CONC_FOREVER);
	case 1:
		return conc_future_result(f, NULL, 0);
	case 2:
		return conc_future_view(f, &view, NULL);
	case 3:
		return conc_wait(&f, 1, CONC_ALL, CONC_FOREVER);
	case 4:
		return conc_wait(&f, 1, CONC_ANY, CONC_FOREVER);
	case 5:
		return conc_wait(&f, 1, CONC_FIRST_EXCEPTION, CONC_FOREVER);
	default:
		ck_assert_int_eq(conc_completions_create(&c), 0);
		ck_assert_int_eq(conc_completions_add(c, f, NULL), 0);
		rc = conc_completions_next(c, &next, NULL, CONC_FOREVER);
		ck_assert_ptr_eq(next, f);
		conc_future_release(next);
		conc_completions_destroy(c);
		return rc;
	}
}

enum { WAYS = 7 };

/* Runs past its limit at the first run, not at the second. */
static int
overrun_once(const void *arg, void *result)
{
	struct latch *runs = *(struct latch *const *)arg;

	(void)result;
	latch_set(runs);
	if (latch_count(runs) > 1)
		return 0;
	while (!conc_cancelled())
		sched_yield();
	return -EIO;
}

static int
submit_retried_and_wait(const void *arg, void *result)
{
	struct claim *claim = *(struct claim *const *)arg;
	struct latch *runs = &claim->runs;
	const conc_task *task = CONC_TASK(.fn = overrun_once, .arg = &runs,
	    .arg_size = sizeof runs, .time_limit = CONC_MS(1), .retries = 1);
	conc_future *f;

	(void)result;
	ck_assert_int_eq(conc_submit_task(claim->pool, task, &f), 0);
	ck_assert_int_eq(wait_in_a_way(claim->way, f), 0);
	ck_assert_int_eq(conc_future_result(f, NULL, 0), 0);
	conc_future_release(f);
	return 0;
}

/* There is no other worker that could run it again. */
START_TEST(wait_in_a_task_runs_the_retry_too)
{
	struct claim claim = {pool_of(1), LATCH, _i};
	conc_future *f = submit(claim.pool, submit_retried_and_wait, &claim);

	ck_assert_int_eq(conc_future_result(f, NULL, 0), 0);
	ck_assert_int_eq(latch_count(&claim.runs), 2);
	conc_future_release(f);
	conc_executor_destroy(claim.pool);
}
END_TEST

START_TEST(many_futures)
{
	enum { N = 1000 };
	conc_promise *p[N];
	conc_future *f[N];

	for (int i = 0; i < N; i++)
		f[i] = pending(&p[i]);
	ck_assert_int_eq(conc_wait(f, N, CONC_ALL, conc_after_ms(1)), -ETIMEDOUT);
	for (int i = 0; i < N; i++)
		ck_assert_int_eq(finish(p[N - 1 - i], i), 0);
	ck_assert_int_eq(conc_wait(f, N, CONC_ALL, CONC_FOREVER), 0);
	for (int i = 0; i < N; i++) {
		conc_promise_destroy(p[i]);
		conc_future_release(f[i]);
	}
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("wait");
	TCase *tc = new_case(s, "what holds");

	tcase_add_loop_test(tc, deadline_in_the_past_polls, 0, 6);
	tcase_add_test(tc, wait_timeout_is_not_the_tasks_timeout);
	tcase_add_loop_test(tc, empty_set_returns_at_once, CONC_ALL, CONC_FIRST_EXCEPTION + 1);
	tcase_add_test(tc, duplicates_count_once);
	tcase_add_loop_test(tc, first_exception_ignores_cancelled, 0, 2);
	tcase_add_test(tc, first_exception_some_already_complete);
	tcase_add_test(tc, timeout_leaves_states_right);
	tcase_add_test(tc, many_futures);

	tc = new_case(s, "codes");
	tcase_add_test(tc, wait_einval);
	tcase_add_test(tc, wait_eforked);
	tcase_add_test(tc, waiting_for_oneself_is_edeadlk);

	tc = new_case(s, "claim");
	tcase_add_loop_test(tc, wait_in_a_task_runs_the_retry_too, 0, WAYS);
	return run_suite(s);
}
