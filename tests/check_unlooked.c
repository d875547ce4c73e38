/* SPDX-License-Identifier: MIT */
/*
 * Failures of futures: who is told of those that nobody looked at.
 */
#include "tests/future.h"

static void *
release_it(void *arg)
{
	conc_future_release(arg);
	/* Before the release returned. */
	ck_assert_int_eq(hook_calls(), 1);
	return NULL;
}

START_TEST(hook_runs_in_the_thread_that_drops_the_last_reference)
{
	conc_future *f = failed(-EIO, "disk 7");
	pthread_t thread;

	watch_hook();
	conc_future_ref(f);
	conc_future_release(f);
	ck_assert_int_eq(hook_calls(), 0);
	thread = start(release_it, f);
	join(thread);
	ck_assert_int_eq(hook_calls(), 1);
	ck_assert(pthread_equal(hook_record.thread, thread));
	ck_assert_int_eq(hook_record.code, -EIO);
	ck_assert_str_eq(hook_record.message, "disk 7");
}
END_TEST

/* Ways to see that it has ended, without a look at the failure. */
START_TEST(waiting_is_not_looking)
{
	conc_future *f = failed(-EIO, "x"), *next;
	conc_completions *c;

	watch_hook();
	ck_assert_int_eq(conc_future_wait(f, CONC_FOREVER), 0);
	ck_assert_int_eq(conc_wait(&f, 1, CONC_FIRST_EXCEPTION, CONC_FOREVER), 0);
	ck_assert_int_eq(conc_completions_create(&c), 0);
	ck_assert_int_eq(conc_completions_add(c, f, NULL), 0);
	ck_assert_int_eq(conc_completions_next(c, &next, NULL, CONC_FOREVER), 0);
	conc_completions_destroy(c);
	ck_assert_state(f, true, false, false);
	ck_assert_int_eq(conc_future_cancel(f), CONC_ESTATE);
	conc_future_release(f);
	ck_assert_int_eq(hook_calls(), 0);
	conc_future_release(next);
	ck_assert_int_eq(hook_calls(), 1);
}
END_TEST

START_TEST(exception_result_view_are_looking)
{
	conc_future *f = failed(-EIO, "x");
	const void *view;
	int value;

	watch_hook();
	switch (_i) {
	case 0:
		ck_assert_ptr_nonnull(conc_future_exception(f));
		break;
	case 1:
		ck_assert_int_eq(conc_future_result(f, &value, sizeof value), -EIO);
		break;
	case 2:
		ck_assert_int_eq(conc_future_result(f, NULL, 0), -EIO);
		break;
	default:
		ck_assert_int_eq(conc_future_view(f, &view, NULL), -EIO);
	}
	conc_future_release(f);
	ck_assert_int_eq(hook_calls(), 0);
}
END_TEST

START_TEST(finished_and_cancelled_are_no_failures)
{
	watch_hook();
	conc_future_release(finished(1));
	conc_future_release(cancelled());
	ck_assert_int_eq(hook_calls(), 0);
}
END_TEST

START_TEST(detached_failure_is_told_by_the_finisher)
{
	conc_promise *p;

	watch_hook();
	conc_future_release(pending(&p));
	ck_assert_int_eq(conc_promise_fail(p, -EIO), 0);
	ck_assert_int_eq(hook_calls(), 1);
	ck_assert(pthread_equal(hook_record.thread, pthread_self()));
	ck_assert_int_eq(hook_record.code, -EIO);
	conc_promise_destroy(p);
	ck_assert_int_eq(hook_calls(), 1);
}
END_TEST

static int
note_worker(const void *arg, void *result)
{
	(void)result;
	**(pthread_t *const *)arg = pthread_self();
	return conc_raise(-EIO, "detached");
}

START_TEST(detached_task_is_told_by_its_worker)
{
	conc_executor *pool = pool_of(1);
	pthread_t worker, *pointer = &worker;

	watch_hook();
	ck_assert_int_eq(
	    conc_submit(pool, note_worker, &pointer, sizeof pointer, 0, NULL), 0);
	ck_assert_int_eq(conc_shutdown(pool, CONC_DRAIN, CONC_FOREVER), 0);
	ck_assert_int_eq(hook_calls(), 1);
	ck_assert(pthread_equal(hook_record.thread, worker));
	ck_assert_str_eq(hook_record.message, "detached");
	conc_executor_destroy(pool);
}
END_TEST

START_TEST(task_released_while_it_runs_is_told_by_its_worker)
{
	struct gate gate = GATE;
	conc_executor *pool = pool_of(1);

	watch_hook();
	gate.code = -EIO;
	conc_future_release(running(pool, &gate));
	ck_assert_int_eq(hook_calls(), 0);
	latch_set(&gate.open);
	ck_assert_int_eq(conc_shutdown(pool, CONC_DRAIN, CONC_FOREVER), 0);
	ck_assert_int_eq(hook_calls(), 1);
	ck_assert(!pthread_equal(hook_record.thread, pthread_self()));
	ck_assert_int_eq(hook_record.code, -EIO);
	conc_executor_destroy(pool);
}
END_TEST

START_TEST(promise_destroyed_unfinished_is_a_failure)
{
	conc_promise *p;
	conc_future *f = pending(&p);

	watch_hook();
	if (_i) { /* nobody holds the future: the destroyer is the finisher */
		conc_future_release(f);
		conc_promise_destroy(p);
	} else {
		conc_promise_destroy(p);
		ck_assert_state(f, true, false, false);
		ck_assert_int_eq(hook_calls(), 0);
		conc_future_release(f);
	}
	ck_assert_int_eq(hook_calls(), 1);
	ck_assert_int_eq(hook_record.code, -EPIPE);
}
END_TEST

static void
look(conc_future *f, void *user)
{
	(void)user;
	ck_assert_int_eq(conc_future_result(f, NULL, 0), -EIO);
}

START_TEST(callback_that_looks_has_looked)
{
	conc_promise *p;
	conc_future *f = pending(&p);

	watch_hook();
	ck_assert_int_eq(conc_future_on_done(f, look, NULL), 0);
	conc_future_release(f);
	ck_assert_int_eq(conc_promise_fail(p, -EIO), 0);
	conc_promise_destroy(p);
	ck_assert_int_eq(hook_calls(), 0);
}
END_TEST

START_TEST(completions_hold_a_reference_of_the_program)
{
	conc_promise *p;
	conc_future *f = pending(&p);
	conc_completions *c;

	watch_hook();
	ck_assert_int_eq(conc_completions_create(&c), 0);
	ck_assert_int_eq(conc_completions_add(c, f, NULL), 0);
	conc_future_release(f);
	if (_i)
		conc_completions_destroy(c);
	ck_assert_int_eq(conc_promise_fail(p, -EIO), 0);
	ck_assert_int_eq(hook_calls(), _i);
	if (!_i)
		conc_completions_destroy(c);
	ck_assert_int_eq(hook_calls(), 1);
	conc_promise_destroy(p);
}
END_TEST

static void
hook_that_fails(const conc_exception *e, void *user)
{
	record_hook(e, user);
	conc_future_release(failed(-EDOM, "within the hook"));
}

START_TEST(hook_is_not_recursive)
{
	watch_hook();
	conc_set_excepthook(hook_that_fails, &hook_record);
	conc_future_release(failed(-EIO, "first"));
	ck_assert_int_eq(hook_calls(), 1);
	ck_assert_str_eq(hook_record.message, "first");
	conc_future_release(failed(-EIO, "second")); /* and not lame afterwards */
	ck_assert_int_eq(hook_calls(), 2);
	ck_assert_str_eq(hook_record.message, "second");
}
END_TEST

/* What a hook got that tried to wait, in several ways. */
struct waits {
	conc_executor *pool;
	conc_future *never;
	conc_event *event;
	int codes[3];
	struct latch told;
};

static int
do_nothing(const void *arg, void *result)
{
	(void)arg, (void)result;
	return 0;
}

static void
hook_that_waits(const conc_exception *e, void *user)
{
	struct waits *w = user;
	conc_time soon = conc_after_ms(1);

	(void)e;
	w->codes[0] = conc_future_wait(w->never, soon);
	w->codes[1] = conc_event_wait(w->event, soon);
	w->codes[2] = conc_map(w->pool, do_nothing, 1, NULL, 0, NULL, 0, NULL);
	latch_set(&w->told);
}

static int
fail_alone(const void *arg, void *result)
{
	(void)arg, (void)result;
	return -EIO;
}

/* In a pool's thread it may not block; where the program releases, it may. */
START_TEST(a_hook_waits_as_its_thread_may)
{
	conc_event event = CONC_EVENT_INIT;
	struct waits w = {.event = &event, .told = LATCH};
	conc_executor *pool = NULL;
	conc_promise *p;
	int rc = 0;

	if (_i == 0)
		rc = conc_process_pool_create(&pool,
		    CONC_PROCESS_POOL(.workers = 1, .excepthook = hook_that_waits, .user = &w));
	if (_i == 1)
		rc = conc_thread_pool_create(&pool,
		    CONC_THREAD_POOL(.workers = 1, .excepthook = hook_that_waits, .user = &w));
	ck_assert_int_eq(rc, 0);
	w.pool = pool_of(1);
	w.never = pending(&p);
	if (pool == NULL) {
		conc_set_excepthook(hook_that_waits, &w);
		conc_future_release(failed(-EIO, "x"));
	} else {
		ck_assert_int_eq(conc_submit(pool, fail_alone, NULL, 0, 0, NULL), 0);
	}
	latch_wait(&w.told, 1);
	ck_assert_int_eq(w.codes[0], pool == NULL ? -ETIMEDOUT : -EDEADLK);
	ck_assert_int_eq(w.codes[1], pool == NULL ? -ETIMEDOUT : -EDEADLK);
	ck_assert_int_eq(w.codes[2], pool == NULL ? 0 : -EDEADLK);
	conc_executor_destroy(pool);
	conc_executor_destroy(w.pool);
	ck_assert_int_eq(finish(p, 1), 0);
	conc_promise_destroy(p);
	conc_future_release(w.never);
}
END_TEST

struct drop {
	conc_future *f;
	conc_promise *p;
	pthread_barrier_t begin;
	int seed;
};

static void *
drop_reference(void *arg)
{
	struct drop *drop = arg;
	uint32_t seed = seed_start(drop->seed * 3 + 1);

	pthread_barrier_wait(&drop->begin);
	jitter(&seed);
	conc_future_release(drop->f);
	return NULL;
}

static void *
fail_promise(void *arg)
{
	struct drop *drop = arg;
	uint32_t seed = seed_start(drop->seed * 3 + 2);

	pthread_barrier_wait(&drop->begin);
	jitter(&seed);
	ck_assert_int_eq(conc_promise_fail(drop->p, -EIO), 0);
	conc_promise_destroy(drop->p);
	return NULL;
}

START_TEST(racing_releases_and_finish_tell_once)
{
	watch_hook();
	for (int n = 0; n < seeds(); n++) {
		struct drop drop = {.seed = n};
		uint32_t seed = seed_start(n);
		pthread_t a, b;

		drop.f = pending(&drop.p);
		conc_future_ref(drop.f);
		pthread_barrier_init(&drop.begin, NULL, 3);
		a = start(drop_reference, &drop);
		b = start(fail_promise, &drop);
		pthread_barrier_wait(&drop.begin);
		jitter(&seed);
		conc_future_release(drop.f);
		join(a);
		join(b);
		ck_assert_int_eq(hook_calls(), n + 1);
		pthread_barrier_destroy(&drop.begin);
	}
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("unlooked");
	TCase *tc = new_case(s, "hook");

	tcase_add_test(tc, hook_runs_in_the_thread_that_drops_the_last_reference);
	tcase_add_test(tc, waiting_is_not_looking);
	tcase_add_loop_test(tc, exception_result_view_are_looking, 0, 4);
	tcase_add_test(tc, finished_and_cancelled_are_no_failures);
	tcase_add_test(tc, detached_failure_is_told_by_the_finisher);
	tcase_add_test(tc, detached_task_is_told_by_its_worker);
	tcase_add_test(tc, task_released_while_it_runs_is_told_by_its_worker);
	tcase_add_loop_test(tc, promise_destroyed_unfinished_is_a_failure, 0, 2);
	tcase_add_test(tc, callback_that_looks_has_looked);
	tcase_add_loop_test(tc, completions_hold_a_reference_of_the_program, 0, 2);
	tcase_add_test(tc, hook_is_not_recursive);
	tcase_add_loop_test(tc, a_hook_waits_as_its_thread_may, 0, 3);
	tcase_add_test(tc, racing_releases_and_finish_tell_once);
	return run_suite(s);
}
