/* SPDX-License-Identifier: MIT */
/*
 * Tests of a process pool's queue: priorities, limits, cancelling and killing,
 * what is called in the host (callbacks, cleanups, the excepthook), shutdown.
 */
#include "tests/process.h"

/* Writes down as the how manyeth it ran. */
static int
order_task(const void *arg, void *result)
{
	(void)result;
	atomic_store(&shared->runs[*(const int *)arg],
	    1 + atomic_fetch_add(&shared->count[0], 1));
	return 0;
}

START_TEST(priorities)
{
	static const int priority[] = {0, -5, 3, 0, 100, 3, -5, 0};
	static const int place[] = {4, 7, 2, 5, 1, 3, 8, 6};
	conc_executor *pool = PROCESSES(.workers = 1);

	hold_processes(pool, 1);
	for (int i = 0; i < 8; i++)
		ck_assert_int_eq(conc_submit_task(pool,
				     CONC_TASK(.fn = order_task, .arg = &i,
					 .arg_size = sizeof i, .priority = priority[i]),
				     NULL),
		    0);
	atomic_store(&shared->open, 1);
	conc_executor_destroy(pool);
	for (int i = 0; i < 8; i++)
		ck_assert_int_eq(shared->runs[i], place[i]);
}
END_TEST

START_TEST(equals_run_in_order)
{
	conc_executor *pool = PROCESSES(.workers = 1);

	hold_processes(pool, 1);
	for (int i = 0; i < 300; i++)
		ck_assert_int_eq(conc_submit(pool, order_task, &i, sizeof i, 0, NULL), 0);
	atomic_store(&shared->open, 1);
	conc_executor_destroy(pool);
	for (int i = 0; i < 300; i++)
		ck_assert_int_eq(shared->runs[i], i + 1);
}
END_TEST

/* Submit until it is refused; what was handed to the worker in advance waits as well. */
static int
fill_queue(conc_executor *pool, int code, conc_time deadline)
{
	int n = 0, rc;

	do {
		rc = conc_submit_task(pool,
		    CONC_TASK(.fn = run_task, .arg = &n, .arg_size = sizeof n,
			.submit_deadline = deadline),
		    NULL);
		n += rc == 0;
	} while (rc == 0 && n < 1000);
	ck_assert_int_eq(rc, code);
	return n;
}

START_TEST(a_full_queue)
{
	conc_executor *pool = PROCESSES(
	    .workers = 1, .queue_limit = 5, .when_full = _i == 0 ? CONC_FAIL : CONC_BLOCK);
	int n;

	hold_processes(pool, 1);
	n = fill_queue(pool, _i == 0 ? -EAGAIN : -ETIMEDOUT, CONC_NOW);
	ck_assert_int_eq(n, 5);
	if (_i == 1)
		ck_assert_int_eq(conc_submit_task(pool,
				     CONC_TASK(.fn = nothing_task,
					 .submit_deadline = conc_after_ms(20)),
				     NULL),
		    -ETIMEDOUT);
	atomic_store(&shared->open, 1);
	reach(&shared->runs[n - 1], 1);
	ck_assert_int_eq(finish(SUBMIT(pool, .fn = nothing_task)), 0);
	for (int i = 0; i < n; i++)
		ck_assert_int_eq(shared->runs[i], 1);
	conc_executor_destroy(pool);
}
END_TEST

struct submitter {
	conc_executor *pool;
	struct latch begun;
	int rc;
};

static void *
submit_main(void *arg)
{
	struct submitter *submitter = arg;

	latch_set(&submitter->begun);
	submitter->rc = conc_submit(submitter->pool, nothing_task, NULL, 0, 0, NULL);
	return NULL;
}

/* Who waits for room is let in when there is some, and refused by a shutdown. */
START_TEST(a_blocked_submitter)
{
	struct submitter submitter = {.begun = LATCH, .rc = -1};
	pthread_t thread;

	submitter.pool = PROCESSES(.workers = 1, .queue_limit = 1);
	hold_processes(submitter.pool, 1);
	fill_queue(submitter.pool, -ETIMEDOUT, CONC_NOW);
	ck_assert_int_eq(pthread_create(&thread, NULL, submit_main, &submitter), 0);
	latch_wait(&submitter.begun, 1);
	if (_i == 0)
		atomic_store(&shared->open, 1);
	else
		ck_assert_int_eq(conc_shutdown(submitter.pool, CONC_KILL, CONC_FOREVER), 0);
	pthread_join(thread, NULL);
	ck_assert_int_eq(submitter.rc, _i == 0 ? 0 : CONC_ESHUTDOWN);
	conc_executor_destroy(submitter.pool);
}
END_TEST

/* Cancelling. */
START_TEST(what_has_not_begun_never_will)
{
	enum { N = 100 };
	conc_executor *pool = PROCESSES(.workers = 1);
	atomic_int cleaned = 0;
	conc_future *f[N];

	hold_processes(pool, 1); /* some of these are in its pipe by now */
	for (int i = 0; i < N; i++)
		f[i] = SUBMIT(pool, .fn = run_task, .arg = &i, .arg_size = sizeof i,
		    .cleanup = count_cleanup, .user = &cleaned);
	for (int i = 0; i < N; i += 2) {
		ck_assert_int_eq(conc_future_cancel(f[i]), 0);
		ck_assert_int_eq(conc_future_cancel(f[i]), 0);
		ck_assert(conc_future_done(f[i]) && conc_future_cancelled(f[i]));
	}
	ck_assert_int_eq(cleaned, N / 2);
	atomic_store(&shared->open, 1);
	for (int i = 0; i < N; i++) {
		ck_assert_int_eq(conc_future_result(f[i], NULL, 0), i % 2 ? 0 : -ECANCELED);
		ck_assert_int_eq(shared->runs[i], i % 2);
		ck_assert_int_eq(conc_future_cancel(f[i]), i % 2 ? CONC_ESTATE : 0);
		conc_future_release(f[i]);
	}
	ck_assert_int_eq(cleaned, N);
	conc_executor_destroy(pool);
}
END_TEST

/* Cancelled means that it never ran; anything else that it did. */
START_TEST(cancel_against_run)
{
	conc_executor *pool = PROCESSES(.workers = 1 + _i);
	int n = seeds() < 200 ? seeds() * 4 : RUNS;

	for (int i = 0; i < n; i++) {
		uint32_t seed = seed_start(i);
		conc_future *f = submit_run(pool, i);
		int cancelled, rc;

		for (uint32_t k = random_below(&seed, 20); k > 0; k--)
			jitter(&seed);
		cancelled = conc_future_cancel(f);
		rc = finish(f);
		ck_assert_int_eq(rc, cancelled == 0 ? -ECANCELED : 0);
		ck_assert_int_eq(shared->runs[i], rc == 0);
	}
	conc_executor_destroy(pool);
}
END_TEST

START_TEST(what_runs_is_asked)
{
	conc_executor *pool = PROCESSES(.workers = 1);
	conc_future *f = SUBMIT(pool, .fn = obedient_task);

	reach(&shared->come, 1);
	ck_assert(conc_future_running(f));
	ck_assert_int_eq(conc_future_cancel(f), -EINPROGRESS);
	ck_assert_int_eq(conc_future_wait(f, CONC_FOREVER), 0);
	ck_assert(conc_future_cancelled(f));
	ck_assert_int_eq(finish(f), -ECANCELED);
	f = SUBMIT(pool, .fn = hold_task); /* does not listen */
	reach(&shared->come, 2);
	ck_assert_int_eq(conc_future_cancel(f), -EINPROGRESS);
	atomic_store(&shared->open, 1);
	ck_assert_int_eq(finish(f), 0);
	conc_executor_destroy(pool);
}
END_TEST

START_TEST(what_runs_is_killed)
{
	conc_executor *pool = PROCESSES(.workers = 1);
	atomic_int cleaned = 0;
	conc_future *f = SUBMIT(
	    pool, .fn = hold_task, .retries = 5, .cleanup = count_cleanup, .user = &cleaned);
	conc_future *g = submit_run(pool, 1), *h = submit_run(pool, 2);
	int pid;

	reach(&shared->come, 1);
	pid = shared->pid[0];
	ck_assert_int_eq(conc_future_kill(h), 0); /* waits: as cancel */
	ck_assert_int_eq(conc_future_kill(f), 0);
	ck_assert_int_eq(conc_future_result(f, NULL, 0), -ECANCELED);
	ck_assert(conc_future_cancelled(f));
	ck_assert_int_eq(cleaned, 1);
	eventually(gone, &pid);
	ck_assert_int_eq(conc_future_kill(f), 0); /* as cancel, the second time */
	conc_future_release(f);
	ck_assert_int_eq(conc_future_wait(g, CONC_FOREVER), 0);
	ck_assert_int_eq(conc_future_kill(g), CONC_ESTATE);
	ck_assert_int_eq(finish(g), 0);
	ck_assert_int_eq(finish(h), -ECANCELED);
	ck_assert_int_eq(shared->runs[1], 1);
	ck_assert_int_eq(shared->runs[2], 0);
	ck_assert_int_eq(shared->come, 1);
	conc_executor_destroy(pool);
}
END_TEST

/* Callbacks. */
struct inside {
	conc_executor *pool;
	conc_future *other;
	struct latch called;
	int wait, shutdown, map, submit;
};

static void
call_inside(conc_future *f, void *user)
{
	struct inside *inside = user;

	ck_assert(conc_future_done(f));
	inside->wait = conc_future_wait(inside->other, CONC_FOREVER);
	inside->submit = conc_submit(inside->pool, nothing_task, NULL, 0, 0, NULL);
	inside->map = conc_map(inside->pool, nothing_task, 1, NULL, 0, NULL, 0, NULL);
	inside->shutdown = conc_shutdown(inside->pool, CONC_DRAIN, CONC_FOREVER);
	latch_set(&inside->called);
}

START_TEST(callbacks_cannot_block)
{
	struct inside inside = {.called = LATCH};
	conc_future *f;

	inside.pool = PROCESSES(.workers = 2, .queue_limit = 1);
	f = SUBMIT(inside.pool, .fn = hold_task);
	inside.other = SUBMIT(inside.pool, .fn = obedient_task);
	reach(&shared->come, 2);
	ck_assert_int_eq(conc_future_on_done(f, call_inside, &inside), 0);
	atomic_store(&shared->open, 1);
	latch_wait(&inside.called, 1);
	ck_assert_int_eq(inside.wait, -EDEADLK);
	ck_assert_int_eq(inside.submit, 0);
	ck_assert_int_eq(inside.map, -EDEADLK);
	ck_assert_int_eq(inside.shutdown, -EDEADLK); /* but it has begun */
	ck_assert_int_eq(
	    conc_submit(inside.pool, nothing_task, NULL, 0, 0, NULL), CONC_ESHUTDOWN);
	ck_assert_int_eq(conc_future_cancel(inside.other), -EINPROGRESS);
	ck_assert_int_eq(finish(inside.other), -ECANCELED);
	ck_assert_int_eq(finish(f), 0);
	conc_executor_destroy(inside.pool);
}
END_TEST

static void
destroy_inside(conc_future *f, void *user)
{
	struct inside *inside = user;

	(void)f;
	conc_executor_destroy(inside->pool);
	latch_set(&inside->called);
}

/* The last one out frees: the fixture sees that nothing is left. */
START_TEST(destroyed_in_a_callback)
{
	struct inside inside = {.called = LATCH};
	struct leash l = leash();
	conc_future *f, *g;

	inside.pool = PROCESSES(.workers = 1);
	f = SUBMIT(inside.pool, .fn = hold_task);
	ck_assert_int_eq(conc_future_on_done(f, destroy_inside, &inside), 0);
	g = submit_run(inside.pool, 1);
	atomic_store(&shared->open, 1);
	latch_wait(&inside.called, 1);
	ck_assert_int_eq(finish(g), 0); /* it drains */
	ck_assert_int_eq(finish(f), 0);
	ck_assert(leash_is_free(&l));
}
END_TEST

/* Cleaned up once, whatever happened, and before the future is done. */
START_TEST(cleanup_runs_once)
{
	enum { N = BY_HANG + 1 };
	conc_executor *pool = PROCESSES(.workers = 2);
	atomic_int cleaned[N] = {0};

	for (enum how how = 0; how <= BY_HANG; how++) {
		conc_future *f = SUBMIT(pool, .fn = die_task, .arg = &how,
		    .arg_size = sizeof how, .retries = 1, .cleanup = count_cleanup,
		    .user = &cleaned[how],
		    .time_limit = how == BY_HANG ? CONC_MS(100) : 0);

		ck_assert_int_eq(conc_future_wait(f, CONC_FOREVER), 0);
		ck_assert_int_eq(cleaned[how], 1);
		ck_assert_int_eq(finish(f), code_of(how));
	}
	ck_assert_int_eq(conc_shutdown(pool, CONC_DRAIN, CONC_FOREVER), 0);
	ck_assert_int_eq(conc_submit_task(pool,
			     CONC_TASK(.fn = nothing_task, .cleanup = count_cleanup,
				 .user = &cleaned[0]),
			     NULL),
	    CONC_ESHUTDOWN);
	conc_executor_destroy(pool);
	for (int i = 0; i < N; i++)
		ck_assert_int_eq(cleaned[i], 1);
	conc_clear();
}
END_TEST

START_TEST(the_pool_s_excepthook)
{
	struct ear ear = {0};
	enum how how = BY_SEGV;
	conc_executor *pool = PROCESSES(.workers = 1, .excepthook = hear, .user = &ear);
	conc_future *f;

	ck_assert_int_eq(conc_submit(pool, die_task, &how, sizeof how, 0, NULL), 0);
	eventually(ear_heard, &ear);
	ck_assert_int_eq(ear.code, CONC_ECRASHED);
	f = SUBMIT(pool, .fn = die_task, .arg = &how, .arg_size = sizeof how);
	ck_assert_int_eq(conc_future_wait(f, CONC_FOREVER), 0);
	conc_future_release(f); /* nobody looked */
	ck_assert_int_eq(ear.calls, 2);
	f = SUBMIT(pool, .fn = die_task, .arg = &how, .arg_size = sizeof how);
	ck_assert_int_eq(finish(f), CONC_ECRASHED); /* looked */
	f = SUBMIT(pool, .fn = hold_task);
	reach(&shared->come, 1);
	ck_assert_int_eq(conc_future_kill(f), 0);
	conc_future_release(f); /* cancelled is no failure */
	conc_executor_destroy(pool);
	ck_assert_int_eq(ear.calls, 2);
	conc_clear();
}
END_TEST

/* Shutdown: one task runs, others wait. */
START_TEST(shutdown)
{
	conc_shutdown_how how = (conc_shutdown_how)_i;
	struct leash l = leash();
	conc_executor *pool = PROCESSES(.workers = 1);
	conc_future *held = SUBMIT(pool, .fn = hold_task), *f[20];

	reach(&shared->come, 1);
	for (int i = 0; i < 20; i++)
		f[i] = submit_run(pool, i);
	if (how != CONC_KILL) {
		ck_assert_int_eq(conc_shutdown(pool, how, CONC_NOW), -ETIMEDOUT);
		ck_assert_int_eq(conc_shutdown(pool, how, conc_after_ms(20)), -ETIMEDOUT);
		ck_assert_int_eq(
		    conc_submit(pool, nothing_task, NULL, 0, 0, NULL), CONC_ESHUTDOWN);
		atomic_store(&shared->open, 1);
	}
	ck_assert_int_eq(conc_shutdown(pool, how, CONC_FOREVER), 0);
	ck_assert_int_eq(conc_shutdown(pool, CONC_DRAIN, CONC_NOW), 0);
	ck_assert_int_eq(finish(held), how == CONC_KILL ? -ECANCELED : 0);
	for (int i = 0; i < 20; i++) {
		ck_assert(conc_future_done(f[i]));
		ck_assert_int_eq(finish(f[i]), how == CONC_DRAIN ? 0 : -ECANCELED);
		ck_assert_int_eq(shared->runs[i], how == CONC_DRAIN);
	}
	ck_assert_int_eq(conc_submit(pool, nothing_task, NULL, 0, 0, NULL), CONC_ESHUTDOWN);
	conc_executor_destroy(pool);
	ck_assert(leash_is_free(&l));
}
END_TEST

/* Each next one is stronger; a weaker one changes nothing. */
START_TEST(shutdown_only_strengthens)
{
	conc_executor *pool = PROCESSES(.workers = 1);
	conc_future *held = SUBMIT(pool, .fn = hold_task), *f = submit_run(pool, 0);

	reach(&shared->come, 1);
	ck_assert_int_eq(conc_shutdown(pool, CONC_DRAIN, CONC_NOW), -ETIMEDOUT);
	ck_assert(!conc_future_done(f));
	ck_assert_int_eq(conc_shutdown(pool, CONC_CANCEL, CONC_NOW), -ETIMEDOUT);
	ck_assert_int_eq(finish(f), -ECANCELED);
	ck_assert(!conc_future_done(held));
	ck_assert_int_eq(conc_shutdown(pool, CONC_DRAIN, CONC_NOW), -ETIMEDOUT);
	ck_assert_int_eq(conc_shutdown(pool, (conc_shutdown_how)3, CONC_NOW), -EINVAL);
	ck_assert_int_eq(conc_shutdown(pool, CONC_KILL, CONC_FOREVER), 0);
	ck_assert_int_eq(finish(held), -ECANCELED);
	conc_executor_destroy(pool);
}
END_TEST

/* An init that never ends holds up nobody but who drains. */
static int
endless_init(void *user)
{
	(void)user;
	atomic_fetch_add(&shared->come, 1);
	return die(BY_HANG);
}

START_TEST(shutdown_against_an_endless_init)
{
	conc_executor *pool = PROCESSES(.workers = 1, .init = endless_init);
	conc_future *f = submit_run(pool, 0);

	reach(&shared->come, 1);
	ck_assert_int_eq(conc_shutdown(pool, CONC_DRAIN, CONC_NOW), -ETIMEDOUT);
	ck_assert_int_eq(conc_shutdown(pool, CONC_KILL, CONC_FOREVER), 0);
	ck_assert_int_eq(finish(f), -ECANCELED);
	conc_executor_destroy(pool);
}
END_TEST

START_TEST(destroy_drains)
{
	conc_executor *pool = PROCESSES(.workers = 3);

	for (int i = 0; i < 500; i++)
		ck_assert_int_eq(conc_submit(pool, run_task, &i, sizeof i, 0, NULL), 0);
	conc_executor_destroy(pool);
	for (int i = 0; i < 500; i++)
		ck_assert_int_eq(shared->runs[i], 1);
	conc_executor_destroy(NULL);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("process_queue");
	TCase *queue = process_case(s, "queue"), *cancel = process_case(s, "cancel");
	TCase *calls = process_case(s, "calls"), *end = process_case(s, "end");

	conc_set_excepthook(overlook, NULL);
	tcase_add_test(queue, priorities);
	tcase_add_test(queue, equals_run_in_order);
	tcase_add_loop_test(queue, a_full_queue, 0, 2);
	tcase_add_loop_test(queue, a_blocked_submitter, 0, 2);
	tcase_add_test(cancel, what_has_not_begun_never_will);
	tcase_add_loop_test(cancel, cancel_against_run, 0, 2);
	tcase_add_test(cancel, what_runs_is_asked);
	tcase_add_test(cancel, what_runs_is_killed);
	tcase_add_test(calls, callbacks_cannot_block);
	tcase_add_test(calls, destroyed_in_a_callback);
	tcase_add_test(calls, cleanup_runs_once);
	tcase_add_test(calls, the_pool_s_excepthook);
	tcase_add_loop_test(end, shutdown, CONC_DRAIN, CONC_KILL + 1);
	tcase_add_test(end, shutdown_only_strengthens);
	tcase_add_test(end, shutdown_against_an_endless_init);
	tcase_add_test(end, destroy_drains);
	return run_suite(s);
}
