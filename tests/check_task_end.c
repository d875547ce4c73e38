/* SPDX-License-Identifier: MIT */
/*
 * Tests of how a task can end on a thread pool: its cleanup, the excepthook,
 * cancellation, time limits, crashes and retries.
 */
#include "tests/pool.h"
#include <limits.h>

/* What cleanup saw: it must run once, and before the future counts as done. */
struct witness {
	struct latch ready; /* future is set */
	conc_future *_Atomic future;
	atomic_int cleaned, too_late;
};

static void
witness_cleanup(void *user)
{
	struct witness *w = user;

	latch_wait(&w->ready, 1);
	if (conc_future_done(atomic_load(&w->future)))
		atomic_fetch_add(&w->too_late, 1);
	atomic_fetch_add(&w->cleaned, 1);
}

/* Each way in which a task can end. */
START_TEST(cleanup_runs_once_and_before_done)
{
	static conc_fn *const fns[] = {
	    nothing_task, fail_task, crash_task, asked_task, gate_task};
	struct witness w = {.ready = LATCH};
	struct gate gate = GATE;
	int code = -EIO;
	conc_executor *pool = POOL(.workers = 1);
	conc_future *f;

	if (_i == 4)
		hold_workers(pool, &gate, 1); /* cancelled in the queue */
	f = SUBMIT(pool, .fn = fns[_i], .arg = &code, .arg_size = _i == 1 ? sizeof code : 0,
	    .cleanup = witness_cleanup, .user = &w);
	atomic_store(&w.future, f);
	latch_set(&w.ready);
	if (_i >= 3)
		(void)conc_future_cancel(f);
	ck_assert_int_eq(conc_future_wait(f, CONC_FOREVER), 0);
	ck_assert_int_eq(w.cleaned, 1);
	ck_assert_int_eq(w.too_late, 0);
	ck_assert_int_eq(conc_future_result(f, NULL, 0),
	    ((const int[]){0, -EIO, CONC_ECRASHED, -ECANCELED, -ECANCELED})[_i]);
	conc_future_release(f);
	latch_set(&gate.open);
	conc_executor_destroy(pool);
	ck_assert_int_eq(w.cleaned, 1);
}
END_TEST

START_TEST(cleanup_runs_once_for_what_shutdown_cancels)
{
	atomic_int cleaned = 0;
	struct gate gate = GATE;
	conc_executor *pool = POOL(.workers = 1);
	conc_future *f;

	hold_workers(pool, &gate, 1);
	f = SUBMIT(pool, .fn = nothing_task, .cleanup = count_cleanup, .user = &cleaned);
	ck_assert_int_eq(
	    conc_submit_task(pool,
		CONC_TASK(.fn = nothing_task, .cleanup = count_cleanup, .user = &cleaned),
		NULL),
	    0);
	ck_assert_int_eq(conc_shutdown(pool, CONC_CANCEL, CONC_NOW), -ETIMEDOUT);
	ck_assert_int_eq(conc_future_wait(f, CONC_FOREVER), 0);
	ck_assert(conc_future_cancelled(f));
	latch_set(&gate.open);
	ck_assert_int_eq(conc_shutdown(pool, CONC_CANCEL, CONC_FOREVER), 0);
	ck_assert_int_eq(cleaned, 2);
	ck_assert_uint_eq(stats_of(pool).cancelled, 2);
	conc_future_release(f);
	conc_executor_destroy(pool);
	ck_assert_int_eq(cleaned, 2);
}
END_TEST

START_TEST(a_detached_failure_goes_to_the_pools_hook)
{
	struct ear ear = {0}, programs = {0};
	conc_executor *pool = POOL(.workers = 1, .excepthook = hear, .user = &ear);
	int code = -EDOM;

	conc_set_excepthook(hear, &programs);
	ck_assert_int_eq(conc_submit(pool, fail_task, &code, sizeof code, 0, NULL), 0);
	eventually(ear_heard, &ear);
	ck_assert_int_eq(conc_submit(pool, nothing_task, NULL, 0, 0, NULL), 0);
	conc_executor_destroy(pool);
	ck_assert_int_eq(ear.calls, 1);
	ck_assert_int_eq(ear.code, -EDOM);
	ck_assert_int_eq(programs.calls, 0);
	conc_set_excepthook(NULL, NULL);
}
END_TEST

START_TEST(without_a_hook_of_its_own_the_programs_is_told)
{
	struct ear ear = {0};
	conc_executor *pool = POOL(.workers = 1);
	int code = -EDOM;

	conc_set_excepthook(hear, &ear);
	ck_assert_int_eq(conc_submit(pool, crash_task, NULL, 0, 0, NULL), 0);
	ck_assert_int_eq(conc_shutdown(pool, CONC_DRAIN, CONC_FOREVER), 0);
	ck_assert_int_eq(ear.calls, 1);
	ck_assert_int_eq(ear.code, CONC_ECRASHED);
	conc_executor_destroy(pool);
	pool = POOL(.workers = 1);
	ck_assert_int_eq(conc_submit(pool, fail_task, &code, sizeof code, 0, NULL), 0);
	conc_executor_destroy(pool);
	ck_assert_int_eq(ear.calls, 2);
	ck_assert_int_eq(ear.code, -EDOM);
	conc_set_excepthook(NULL, NULL);
}
END_TEST

/* Released unlooked after its end, while it runs, and looked at. */
START_TEST(an_unlooked_failure_is_told_once)
{
	struct ear ear = {0};
	conc_executor *pool = POOL(.workers = 1, .excepthook = hear, .user = &ear);
	struct gate gate = GATE;
	int code = -EDOM;
	conc_future *f = SUBMIT(pool, .fn = fail_task, .arg = &code, .arg_size = sizeof code);

	ck_assert_int_eq(conc_future_wait(f, CONC_FOREVER), 0);
	ck_assert_int_eq(ear.calls, 0);
	conc_future_release(f);
	ck_assert_int_eq(ear.calls, 1);
	hold_workers(pool, &gate, 1);
	conc_future_release(
	    SUBMIT(pool, .fn = fail_task, .arg = &code, .arg_size = sizeof code));
	ck_assert_int_eq(ear.calls, 1);
	latch_set(&gate.open);
	ck_assert_int_eq(
	    finish(SUBMIT(pool, .fn = fail_task, .arg = &code, .arg_size = sizeof code)),
	    -EDOM);
	conc_executor_destroy(pool);
	ck_assert_int_eq(ear.calls, 2);
}
END_TEST

START_TEST(a_future_outlives_its_pool_and_the_hook_with_it)
{
	struct ear ear = {0};
	conc_executor *pool = POOL(.workers = 1, .excepthook = hear, .user = &ear);
	int code = -EDOM;
	conc_future *f = SUBMIT(pool, .fn = fail_task, .arg = &code, .arg_size = sizeof code);

	conc_executor_destroy(pool);
	ck_assert(conc_future_done(f));
	conc_future_release(f);
	ck_assert_int_eq(ear.calls, 1);
}
END_TEST

START_TEST(asked_and_ending_with_ecanceled_is_cancelled)
{
	conc_executor *pool = POOL(.workers = 1);
	conc_future *f = SUBMIT(pool, .fn = asked_task);

	while (!conc_future_running(f))
		sched_yield();
	ck_assert_int_eq(conc_future_cancel(f), -EINPROGRESS);
	ck_assert_int_eq(conc_future_result(f, NULL, 0), -ECANCELED);
	ck_assert(conc_future_cancelled(f));
	ck_assert_ptr_null(conc_future_exception(f));
	ck_assert_int_eq(conc_future_cancel(f), 0);
	ck_assert_uint_eq(stats_of(pool).cancelled, 1);
	conc_future_release(f);
	conc_executor_destroy(pool);
}
END_TEST

START_TEST(asked_but_ending_otherwise_is_not_cancelled)
{
	static const int codes[] = {0, -EIO};
	conc_executor *pool = POOL(.workers = 1);
	conc_future *f =
	    SUBMIT(pool, .fn = asked_task, .arg = &codes[_i], .arg_size = sizeof *codes);

	while (!conc_future_running(f))
		sched_yield();
	ck_assert_int_eq(conc_future_cancel(f), -EINPROGRESS);
	ck_assert_int_eq(conc_future_result(f, NULL, 0), codes[_i]);
	ck_assert(!conc_future_cancelled(f));
	ck_assert_int_eq(conc_future_cancel(f), CONC_ESTATE);
	conc_future_release(f);
	conc_executor_destroy(pool);
}
END_TEST

START_TEST(ecanceled_without_being_asked_is_a_failure)
{
	conc_executor *pool = POOL(.workers = 1);
	int code = -ECANCELED;
	conc_future *f = SUBMIT(pool, .fn = fail_task, .arg = &code, .arg_size = sizeof code);

	ck_assert_int_eq(conc_future_result(f, NULL, 0), -ECANCELED);
	ck_assert(!conc_future_cancelled(f));
	ck_assert_ptr_nonnull(conc_future_exception(f));
	ck_assert_uint_eq(stats_of(pool).failed, 1);
	conc_future_release(f);
	conc_executor_destroy(pool);
}
END_TEST

START_TEST(kill_is_not_for_threads)
{
	conc_executor *pool = POOL(.workers = 1);
	struct gate gate = GATE;
	conc_future *f = SUBMIT(pool, .fn = gate_task, .arg = &gate, .arg_size = CONC_BORROW);

	latch_wait(&gate.come, 1);
	ck_assert_int_eq(conc_future_kill(f), -ENOTSUP);
	latch_set(&gate.open);
	ck_assert_int_eq(finish(f), 0);
	conc_executor_destroy(pool);
}
END_TEST

/* A failure, also -ECANCELED, after the limit becomes CONC_ETIMELIMIT; success stays. */
START_TEST(a_time_limit_asks)
{
	static const int codes[] = {0, -EIO, -ECANCELED, 4711};
	conc_executor *pool = POOL(.workers = 1);
	conc_future *f = SUBMIT(pool, .fn = asked_task, .arg = &codes[_i],
	    .arg_size = sizeof *codes, .time_limit = CONC_MS(1), .name = "slow");

	if (codes[_i] == 0) {
		ck_assert_int_eq(finish(f), 0);
	} else {
		const conc_exception *e;

		ck_assert_int_eq(conc_future_result(f, NULL, 0), CONC_ETIMELIMIT);
		ck_assert(!conc_future_cancelled(f));
		e = conc_future_exception(f);
		ck_assert_int_eq(conc_exception_code(e), CONC_ETIMELIMIT);
		ck_assert_str_eq(conc_exception_task(e), "slow");
		ck_assert_int_eq(conc_exception_code(conc_exception_cause(e)), codes[_i]);
		conc_future_release(f);
	}
	conc_executor_destroy(pool);
}
END_TEST

START_TEST(an_unlimited_task_is_not_asked)
{
	static const int64_t limits[] = {0, CONC_UNLIMITED, CONC_S(3600)};
	conc_executor *pool = POOL(.workers = 1);
	int code = -EIO;

	for (int i = 0; i < 3; i++)
		ck_assert_int_eq(finish(SUBMIT(pool, .fn = fail_task, .arg = &code,
				     .arg_size = sizeof code, .time_limit = limits[i])),
		    -EIO);
	conc_executor_destroy(pool);
}
END_TEST

static void
slow_callback(conc_future *f, void *user)
{
	conc_time end = conc_after(CONC_MS(220));

	(void)f;
	(void)user;
	while (conc_after(0).ns < end.ns)
		sched_yield();
}

static int
not_asked_task(const void *arg, void *result)
{
	(void)arg;
	(void)result;
	return conc_cancelled() ? -EIO : 0;
}

/* What the task before it leaves to do, callbacks, is not this one's time. */
START_TEST(a_time_limit_begins_with_the_task)
{
	conc_executor *pool = POOL(.workers = 1);
	struct gate gate = GATE;
	conc_future *before, *f;

	hold_workers(pool, &gate, 1);
	before = SUBMIT(pool, .fn = nothing_task);
	ck_assert_int_eq(conc_future_on_done(before, slow_callback, NULL), 0);
	f = SUBMIT(pool, .fn = not_asked_task, .time_limit = CONC_MS(200));
	latch_set(&gate.open);
	ck_assert_int_eq(finish(f), 0);
	conc_future_release(before);
	conc_executor_destroy(pool);
}
END_TEST

/* Crashes, or runs into its time limit, until its run number wanted; then squares it. */
struct stumble {
	atomic_int *runs;
	conc_time *ended; /* when each run ended, or NULL */
	int wanted, crash;
};

static int
stumble_task(const void *arg, void *result)
{
	const struct stumble *me = arg;
	int run = atomic_fetch_add(me->runs, 1) + 1;

	if (*(int *)result != 0)
		return -EBADMSG; /* each run begins with a zeroed room */
	*(int *)result = -1;
	if (me->ended != NULL)
		me->ended[run - 1] = conc_after(0);
	if (run < me->wanted && me->crash)
		pthread_exit(NULL);
	if (run < me->wanted)
		return asked_task(&(int){-EIO}, NULL);
	*(int *)result = run * run;
	return 0;
}

START_TEST(retries_after_crash_and_time_limit)
{
	atomic_int runs = 0, cleaned = 0;
	conc_executor *pool = POOL(.workers = 1);
	struct stumble me = {.runs = &runs, .wanted = 3, .crash = _i == 0};
	int n = 0;
	conc_future *f = SUBMIT(pool, .fn = stumble_task, .arg = &me, .arg_size = sizeof me,
	    .result_size = sizeof n, .retries = 2, .time_limit = _i == 0 ? 0 : CONC_MS(1),
	    .cleanup = count_cleanup, .user = &cleaned);

	ck_assert_int_eq(conc_future_result(f, &n, sizeof n), 0);
	ck_assert_int_eq(n, 9);
	ck_assert_int_eq(runs, 3);
	ck_assert_int_eq(cleaned, 1);
	conc_future_release(f);
	ck_assert_uint_eq(stats_of(pool).done, 1);
	ck_assert_uint_eq(stats_of(pool).failed, 0);
	conc_executor_destroy(pool);
}
END_TEST

START_TEST(retries_run_out)
{
	atomic_int runs = 0, cleaned = 0;
	conc_executor *pool = POOL(.workers = 2);
	struct stumble me = {.runs = &runs, .wanted = INT_MAX, .crash = 1};
	conc_future *f = SUBMIT(pool, .fn = stumble_task, .arg = &me, .arg_size = sizeof me,
	    .result_size = sizeof(int), .retries = 4, .cleanup = count_cleanup,
	    .user = &cleaned);

	ck_assert_int_eq(finish(f), CONC_ECRASHED);
	ck_assert_int_eq(runs, 5);
	ck_assert_int_eq(cleaned, 1);
	conc_executor_destroy(pool);
}
END_TEST

struct counted_code {
	atomic_int *runs;
	int code;
};

static int
counted_fail_task(const void *arg, void *result)
{
	const struct counted_code *me = arg;

	(void)result;
	atomic_fetch_add(me->runs, 1);
	return me->code;
}

START_TEST(other_failures_are_not_retried)
{
	static const int codes[] = {0, -EIO, -ECANCELED, CONC_EBROKEN, 4711};
	atomic_int runs = 0;
	conc_executor *pool = POOL(.workers = 1);
	struct counted_code me = {&runs, codes[_i]};

	ck_assert_int_eq(finish(SUBMIT(pool, .fn = counted_fail_task, .arg = &me,
			     .arg_size = sizeof me, .retries = 3)),
	    codes[_i]);
	ck_assert_int_eq(runs, 1);
	conc_executor_destroy(pool);
}
END_TEST

/* The pause doubles. */
START_TEST(backoff_pauses_and_doubles)
{
	atomic_int runs = 0;
	conc_time ended[4];
	conc_executor *pool = POOL(.workers = 1);
	struct stumble me = {.runs = &runs, .ended = ended, .wanted = 4, .crash = 1};
	conc_future *f = SUBMIT(pool, .fn = stumble_task, .arg = &me, .arg_size = sizeof me,
	    .result_size = sizeof(int), .retries = 3, .backoff = CONC_MS(2));

	ck_assert_int_eq(finish(f), 0);
	for (int i = 1; i < 4; i++)
		ck_assert_int_ge(ended[i].ns - ended[i - 1].ns, CONC_MS(2) << (i - 1));
	conc_executor_destroy(pool);
}
END_TEST

/* A long pause holds no worker, and cancel and shutdown cut it short. */
START_TEST(a_long_backoff_can_be_cut_short)
{
	atomic_int runs = 0, cleaned = 0;
	conc_executor *pool = POOL(.workers = 1);
	struct stumble me = {.runs = &runs, .wanted = INT_MAX, .crash = 1};
	conc_future *f = SUBMIT(pool, .fn = stumble_task, .arg = &me, .arg_size = sizeof me,
	    .result_size = sizeof(int), .retries = 1, .backoff = CONC_S(3600),
	    .cleanup = count_cleanup, .user = &cleaned);

	while (runs == 0)
		sched_yield();
	ck_assert_int_eq(finish(SUBMIT(pool, .fn = nothing_task)), 0);
	if (_i == 0)
		(void)conc_future_cancel(f);
	else
		ck_assert_int_eq(
		    conc_shutdown(pool, _i == 1 ? CONC_CANCEL : CONC_KILL, CONC_FOREVER), 0);
	ck_assert_int_eq(conc_future_wait(f, CONC_FOREVER), 0);
	ck_assert_int_eq(runs, 1);
	ck_assert_int_eq(cleaned, 1);
	conc_clear();
	(void)finish(f);
	conc_executor_destroy(pool);
}
END_TEST

START_TEST(a_crash_costs_only_its_task)
{
	conc_executor *pool = POOL(.workers = 1 + _i);
	conc_future *f[30];

	for (int i = 0; i < 30; i++)
		f[i] = SUBMIT(pool, .fn = i % 3 == 0 ? crash_task : square_task, .arg = &i,
		    .arg_size = sizeof i, .result_size = sizeof i, .name = "job");
	for (int i = 0; i < 30; i++) {
		int n = 0, rc = conc_future_result(f[i], &n, sizeof n);

		ck_assert_int_eq(rc, i % 3 == 0 ? CONC_ECRASHED : 0);
		if (rc == 0)
			ck_assert_int_eq(n, i * i);
		else
			ck_assert_str_eq(conc_exception_task(conc_caught()), "job");
		conc_future_release(f[i]);
	}
	conc_executor_destroy(pool);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("task_end");
	TCase *cleanup = new_case(s, "cleanup"), *hook = new_case(s, "hook");
	TCase *cancel = new_case(s, "cancel"), *limit = new_case(s, "limit");
	TCase *clock = new_case(s, "clock");

	tcase_add_loop_test(cleanup, cleanup_runs_once_and_before_done, 0, 5);
	tcase_add_test(cleanup, cleanup_runs_once_for_what_shutdown_cancels);
	tcase_add_test(hook, a_detached_failure_goes_to_the_pools_hook);
	tcase_add_test(hook, without_a_hook_of_its_own_the_programs_is_told);
	tcase_add_test(hook, an_unlooked_failure_is_told_once);
	tcase_add_test(hook, a_future_outlives_its_pool_and_the_hook_with_it);
	tcase_add_test(cancel, asked_and_ending_with_ecanceled_is_cancelled);
	tcase_add_loop_test(cancel, asked_but_ending_otherwise_is_not_cancelled, 0, 2);
	tcase_add_test(cancel, ecanceled_without_being_asked_is_a_failure);
	tcase_add_test(cancel, kill_is_not_for_threads);
	tcase_add_loop_test(limit, a_time_limit_asks, 0, 4);
	tcase_add_test(clock, a_time_limit_begins_with_the_task);
	tcase_add_test(limit, an_unlimited_task_is_not_asked);
	tcase_add_loop_test(limit, retries_after_crash_and_time_limit, 0, 2);
	tcase_add_test(limit, retries_run_out);
	tcase_add_loop_test(limit, other_failures_are_not_retried, 0, 5);
	tcase_add_test(limit, backoff_pauses_and_doubles);
	tcase_add_loop_test(limit, a_long_backoff_can_be_cut_short, 0, 3);
	tcase_add_loop_test(limit, a_crash_costs_only_its_task, 0, 2);
	return run_suite(s);
}
