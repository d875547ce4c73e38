/* SPDX-License-Identifier: MIT */
/*
 * Tests of conc_shutdown and conc_executor_destroy on thread pools.
 */
#include "tests/pool.h"

static const conc_shutdown_how hows[] = {CONC_DRAIN, CONC_CANCEL, CONC_KILL};

START_TEST(shutdown_refuses_bad_input)
{
	conc_executor *pool = POOL(.workers = 1);

	ck_assert_int_eq(conc_shutdown(NULL, CONC_DRAIN, CONC_FOREVER), -EINVAL);
	ck_assert_int_eq(conc_shutdown(pool, (conc_shutdown_how)3, CONC_FOREVER), -EINVAL);
	ck_assert_int_eq(conc_shutdown(pool, (conc_shutdown_how)-1, CONC_FOREVER), -EINVAL);
	ck_assert_int_eq(finish(SUBMIT(pool, .fn = nothing_task)), 0); /* it goes on */
	conc_executor_destroy(pool);
	conc_executor_destroy(NULL);
}
END_TEST

/* In each way, of a pool that has not started, that idles, and that was shut down. */
START_TEST(shutdown_of_an_idle_pool)
{
	conc_executor *pool = POOL(.workers = 2);

	if (_i >= 3)
		ck_assert_int_eq(finish(SUBMIT(pool, .fn = nothing_task)), 0);
	ck_assert_int_eq(conc_shutdown(pool, hows[_i % 3], CONC_FOREVER), 0);
	ck_assert_uint_eq(stats_of(pool).workers, 0);
	for (int i = 0; i < 3; i++)
		ck_assert_int_eq(conc_shutdown(pool, hows[i], CONC_FOREVER), 0);
	ck_assert_int_eq(conc_shutdown(pool, CONC_DRAIN, CONC_NOW), 0);
	conc_executor_destroy(pool);
}
END_TEST

START_TEST(a_pool_that_was_shut_down_refuses)
{
	conc_executor *pool = POOL(.workers = 1);
	atomic_int cleaned = 0;
	conc_future *f = NULL;

	ck_assert_int_eq(conc_shutdown(pool, hows[_i], CONC_FOREVER), 0);
	ck_assert_int_eq(conc_submit(pool, nothing_task, NULL, 0, 0, &f), CONC_ESHUTDOWN);
	ck_assert_int_eq(
	    conc_submit_task(pool,
		CONC_TASK(.fn = nothing_task, .cleanup = count_cleanup, .user = &cleaned), &f),
	    CONC_ESHUTDOWN);
	ck_assert_ptr_null(f);
	ck_assert_int_eq(cleaned, 0);
	ck_assert_int_eq(
	    conc_map(pool, nothing_task, 3, NULL, 0, NULL, 0, NULL), CONC_ESHUTDOWN);
	ck_assert_int_eq(conc_executor_resize(pool, 2), CONC_ESHUTDOWN);
	ck_assert_int_eq(conc_submit(pool, NULL, NULL, 0, 0, &f), -EINVAL);
	conc_executor_destroy(pool);
}
END_TEST

START_TEST(drain_runs_all_that_is_queued)
{
	conc_executor *pool = POOL(.workers = 1 + _i);
	atomic_int ran = 0, cleaned = 0;
	conc_future *f[20];

	for (int i = 0; i < 20; i++)
		f[i] = SUBMIT(pool, .fn = count_task, .arg = &ran, .arg_size = CONC_BORROW,
		    .cleanup = count_cleanup, .user = &cleaned);
	ck_assert_int_eq(conc_shutdown(pool, CONC_DRAIN, CONC_FOREVER), 0);
	ck_assert_int_eq(ran, 20);
	ck_assert_int_eq(cleaned, 20);
	ck_assert_uint_eq(stats_of(pool).done, 20);
	for (int i = 0; i < 20; i++) {
		ck_assert(conc_future_done(f[i]));
		ck_assert_int_eq(finish(f[i]), 0);
	}
	conc_executor_destroy(pool);
}
END_TEST

struct family {
	conc_executor *pool;
	atomic_int *ran;
	struct gate *gate;
	int depth;
};

/* Has children while the pool drains: they are taken, and run. */
static int
family_task(const void *arg, void *result)
{
	struct family me = *(const struct family *)arg;
	int rc = 0;

	if (me.gate != NULL)
		gate_task(me.gate, result);
	atomic_fetch_add(me.ran, 1);
	me.gate = NULL;
	for (int i = 0; i < 2 && me.depth > 0 && rc == 0; i++) {
		struct family child = me;

		child.depth--;
		rc = conc_submit(me.pool, family_task, &child, sizeof child, 0, NULL);
	}
	return rc;
}

START_TEST(drain_takes_what_its_running_tasks_submit)
{
	conc_executor *pool = POOL(.workers = 1 + _i);
	struct gate gate = GATE;
	atomic_int ran = 0;
	struct family me = {pool, &ran, &gate, 3};
	conc_future *f = SUBMIT(pool, .fn = family_task, .arg = &me, .arg_size = sizeof me);
	conc_future *none = NULL;

	latch_wait(&gate.come, 1);
	ck_assert_int_eq(conc_shutdown(pool, CONC_DRAIN, CONC_NOW), -ETIMEDOUT);
	ck_assert_int_eq(conc_submit(pool, nothing_task, NULL, 0, 0, &none), CONC_ESHUTDOWN);
	latch_set(&gate.open);
	ck_assert_int_eq(conc_shutdown(pool, CONC_DRAIN, CONC_FOREVER), 0);
	ck_assert_int_eq(ran, 1 + 2 + 4 + 8);
	ck_assert_int_eq(finish(f), 0);
	conc_executor_destroy(pool);
}
END_TEST

/* After CANCEL or KILL running tasks are refused as well. */
START_TEST(cancel_refuses_what_its_running_tasks_submit)
{
	conc_executor *pool = POOL(.workers = 1);
	struct gate gate = GATE;
	atomic_int ran = 0;
	struct family me = {pool, &ran, &gate, 3};
	conc_future *f = SUBMIT(pool, .fn = family_task, .arg = &me, .arg_size = sizeof me);

	latch_wait(&gate.come, 1);
	ck_assert_int_eq(conc_shutdown(pool, hows[_i], CONC_NOW), -ETIMEDOUT);
	latch_set(&gate.open);
	ck_assert_int_eq(finish(f), CONC_ESHUTDOWN);
	ck_assert_int_eq(conc_shutdown(pool, hows[_i], CONC_FOREVER), 0);
	ck_assert_int_eq(ran, 1);
	conc_clear();
	conc_executor_destroy(pool);
}
END_TEST

START_TEST(cancel_ends_what_is_queued_and_lets_run_what_runs)
{
	conc_executor *pool = POOL(.workers = 1);
	struct gate gate = GATE;
	conc_future *running =
	    SUBMIT(pool, .fn = gate_task, .arg = &gate, .arg_size = CONC_BORROW);
	conc_future *queued[5];

	latch_wait(&gate.come, 1);
	for (int i = 0; i < 5; i++)
		queued[i] = SUBMIT(pool, .fn = nothing_task);
	ck_assert_int_eq(conc_shutdown(pool, hows[_i], conc_after_ms(1)), -ETIMEDOUT);
	for (int i = 0; i < 5; i++) {
		ck_assert_int_eq(finish(queued[i]), -ECANCELED);
	}
	ck_assert(!conc_future_done(running));
	latch_set(&gate.open);
	ck_assert_int_eq(conc_shutdown(pool, hows[_i], CONC_FOREVER), 0);
	ck_assert_int_eq(finish(running), 0);
	ck_assert_uint_eq(stats_of(pool).cancelled, 5);
	ck_assert_uint_eq(stats_of(pool).done, 1);
	conc_executor_destroy(pool);
}
END_TEST

START_TEST(kill_asks_what_runs)
{
	conc_executor *pool = POOL(.workers = 2);
	conc_future *f[2];

	for (int i = 0; i < 2; i++)
		f[i] = SUBMIT(pool, .fn = asked_task);
	while (!conc_future_running(f[0]) || !conc_future_running(f[1]))
		sched_yield();
	ck_assert_int_eq(conc_shutdown(pool, CONC_KILL, CONC_FOREVER), 0);
	for (int i = 0; i < 2; i++) {
		ck_assert(conc_future_cancelled(f[i]));
		ck_assert_int_eq(finish(f[i]), -ECANCELED);
	}
	conc_executor_destroy(pool);
}
END_TEST

/* Modes only strengthen: DRAIN waits, CANCEL empties the queue, a weaker one undoes nothing. */
START_TEST(shutdown_strengthens)
{
	conc_executor *pool = POOL(.workers = 1);
	conc_future *running = SUBMIT(pool, .fn = asked_task), *queued;

	while (!conc_future_running(running))
		sched_yield();
	queued = SUBMIT(pool, .fn = nothing_task);
	ck_assert_int_eq(conc_shutdown(pool, CONC_DRAIN, CONC_NOW), -ETIMEDOUT);
	ck_assert(!conc_future_done(queued));
	ck_assert_int_eq(conc_shutdown(pool, CONC_CANCEL, CONC_NOW), -ETIMEDOUT);
	ck_assert_int_eq(finish(queued), -ECANCELED);
	ck_assert_int_eq(conc_shutdown(pool, CONC_DRAIN, conc_after_ms(1)), -ETIMEDOUT);
	ck_assert(!conc_future_done(running));
	ck_assert_int_eq(conc_shutdown(pool, CONC_KILL, CONC_FOREVER), 0);
	ck_assert_int_eq(finish(running), -ECANCELED);
	ck_assert_int_eq(conc_shutdown(pool, CONC_CANCEL, CONC_FOREVER), 0);
	conc_executor_destroy(pool);
}
END_TEST

struct suicide {
	conc_executor *pool;
	conc_shutdown_how how;
	struct latch ready;
	int rc;
};

static int
suicide_task(const void *arg, void *result)
{
	struct suicide *me = (struct suicide *)arg;

	(void)result;
	me->rc = conc_shutdown(me->pool, me->how, CONC_FOREVER);
	latch_set(&me->ready);
	return 0;
}

START_TEST(shutdown_from_an_own_task_begins)
{
	struct suicide me = {POOL(.workers = 1 + _i / 3), hows[_i % 3], LATCH, 0};
	conc_future *f =
	    SUBMIT(me.pool, .fn = suicide_task, .arg = &me, .arg_size = CONC_BORROW);

	ck_assert_int_eq(finish(f), 0);
	ck_assert_int_eq(me.rc, -EDEADLK);
	ck_assert_int_eq(conc_submit(me.pool, nothing_task, NULL, 0, 0, &f), CONC_ESHUTDOWN);
	ck_assert_int_eq(conc_shutdown(me.pool, CONC_DRAIN, CONC_FOREVER), 0);
	conc_executor_destroy(me.pool);
}
END_TEST

static void
suicide_callback(conc_future *f, void *user)
{
	(void)f;
	(void)suicide_task(user, NULL);
}

/* Also in the thread that cancels: it is a callback of the pool all the same. */
START_TEST(shutdown_from_an_own_callback_begins)
{
	struct suicide me = {POOL(.workers = 1), hows[_i % 3], LATCH, 0};
	struct gate gate = GATE;
	conc_future *f;

	hold_workers(me.pool, &gate, 1);
	f = SUBMIT(me.pool, .fn = nothing_task);
	ck_assert_int_eq(conc_future_on_done(f, suicide_callback, &me), 0);
	if (_i < 3)
		latch_set(&gate.open);
	else
		ck_assert_int_eq(conc_future_cancel(f), 0);
	latch_wait(&me.ready, 1);
	ck_assert_int_eq(me.rc, -EDEADLK);
	latch_set(&gate.open);
	ck_assert_int_eq(conc_shutdown(me.pool, CONC_DRAIN, CONC_FOREVER), 0);
	conc_future_release(f);
	conc_executor_destroy(me.pool);
}
END_TEST

static int
outside_task(const void *arg, void *result)
{
	conc_executor *other = *(conc_executor *const *)arg;

	(void)result;
	return conc_shutdown(other, CONC_DRAIN, CONC_FOREVER);
}

START_TEST(a_task_may_shut_down_another_pool)
{
	conc_executor *pool = POOL(.workers = 1), *other = POOL(.workers = 1);

	ck_assert_int_eq(conc_submit(other, nothing_task, NULL, 0, 0, NULL), 0);
	ck_assert_int_eq(
	    finish(SUBMIT(pool, .fn = outside_task, .arg = &other, .arg_size = sizeof other)),
	    0);
	conc_executor_destroy(other);
	conc_executor_destroy(pool);
}
END_TEST

static void *
shutdown_main(void *arg)
{
	struct suicide *me = arg;

	latch_wait(&me->ready, 1);
	me->rc = conc_shutdown(me->pool, me->how, CONC_FOREVER);
	return NULL;
}

START_TEST(concurrent_shutdowns_all_return)
{
	for (int round = 0; round < seeds(); round++) {
		conc_executor *pool = POOL(.workers = 2);
		struct suicide me[3];
		pthread_t threads[3];
		atomic_int ran = 0;

		for (int i = 0; i < 3; i++) {
			me[i] = (struct suicide){pool, hows[i], LATCH, 1};
			pthread_create(&threads[i], NULL, shutdown_main, &me[i]);
		}
		for (int i = 0; i < 10; i++)
			ck_assert_int_eq(
			    conc_submit(pool, count_task, &ran, CONC_BORROW, 0, NULL), 0);
		for (int i = 0; i < 3; i++)
			latch_set(&me[i].ready);
		for (int i = 0; i < 3; i++) {
			pthread_join(threads[i], NULL);
			ck_assert_int_eq(me[i].rc, 0);
		}
		ck_assert_uint_eq(stats_of(pool).done, (uint64_t)ran);
		ck_assert_uint_eq(stats_of(pool).done + stats_of(pool).cancelled, 10);
		conc_executor_destroy(pool);
	}
}
END_TEST

/* Shutdown waits for callbacks, though the future's waiters were woken before. */
struct slow_callback {
	struct latch begun, open;
	atomic_int ended;
};

static void
slow_callback(conc_future *f, void *user)
{
	struct slow_callback *slow = user;

	(void)f;
	latch_set(&slow->begun);
	latch_wait(&slow->open, 1);
	atomic_store(&slow->ended, 1);
}

START_TEST(shutdown_waits_for_callbacks)
{
	struct slow_callback slow = {LATCH, LATCH, 0};
	conc_executor *pool = POOL(.workers = 1);
	struct gate gate = GATE;
	conc_future *f;

	hold_workers(pool, &gate, 1);
	f = SUBMIT(pool, .fn = nothing_task);
	ck_assert_int_eq(conc_future_on_done(f, slow_callback, &slow), 0);
	latch_set(&gate.open);
	ck_assert_int_eq(conc_future_wait(f, CONC_FOREVER), 0);
	latch_wait(&slow.begun, 1);
	ck_assert_int_eq(conc_shutdown(pool, CONC_DRAIN, conc_after_ms(2)), -ETIMEDOUT);
	latch_set(&slow.open);
	ck_assert_int_eq(conc_shutdown(pool, CONC_DRAIN, CONC_FOREVER), 0);
	ck_assert_int_eq(slow.ended, 1);
	conc_future_release(f);
	conc_executor_destroy(pool);
}
END_TEST

struct killer {
	conc_executor *pool;
	struct gate *gate;
	atomic_int ran;
};

static int
destroy_task(const void *arg, void *result)
{
	struct killer *me = (struct killer *)arg;

	gate_task(me->gate, result);
	conc_executor_destroy(me->pool);
	return 0;
}

/* The drain begins, what is queued runs, and the last worker out frees the pool. */
START_TEST(destroy_from_an_own_task)
{
	struct gate gate = GATE;
	struct killer me = {.pool = POOL(.workers = 1 + _i), .gate = &gate};
	conc_future *f =
	    SUBMIT(me.pool, .fn = destroy_task, .arg = &me, .arg_size = CONC_BORROW);
	conc_future *queued[5];

	latch_wait(&gate.come, 1);
	for (int i = 0; i < 5; i++)
		queued[i] =
		    SUBMIT(me.pool, .fn = count_task, .arg = &me.ran, .arg_size = CONC_BORROW);
	latch_set(&gate.open);
	for (int i = 0; i < 5; i++)
		ck_assert_int_eq(finish(queued[i]), 0);
	ck_assert_int_eq(finish(f), 0);
	ck_assert_int_eq(me.ran, 5);
}
END_TEST

static void
destroy_callback(conc_future *f, void *user)
{
	struct killer *me = user;

	(void)f;
	conc_executor_destroy(me->pool);
	latch_set(&me->gate->come);
}

START_TEST(destroy_from_an_own_callback)
{
	struct gate gate = GATE, held = GATE;
	int before = thread_count();
	struct killer me = {.pool = POOL(.workers = 2), .gate = &gate};
	conc_future *f;

	hold_workers(me.pool, &held, 2);
	f = SUBMIT(me.pool, .fn = nothing_task);
	ck_assert_int_eq(conc_submit(me.pool, count_task, &me.ran, CONC_BORROW, 0, NULL), 0);
	ck_assert_int_eq(conc_future_on_done(f, destroy_callback, &me), 0);
	if (_i == 1)
		ck_assert_int_eq(conc_future_cancel(f), 0);
	latch_set(&held.open);
	latch_wait(&gate.come, 1);
	conc_future_release(f);
	while (me.ran == 0 || thread_count() > before) /* all of them stand on our stack */
		sched_yield();
}
END_TEST

START_TEST(futures_outlive_their_executor)
{
	conc_executor *pool = POOL(.workers = 2);
	conc_future *f[10];

	for (int i = 0; i < 10; i++)
		f[i] = SUBMIT(pool, .fn = square_task, .arg = &i, .arg_size = sizeof i,
		    .result_size = sizeof i);
	conc_executor_destroy(pool);
	for (int i = 0; i < 10; i++) {
		int n;

		ck_assert_int_eq(conc_future_cancel(f[i]), CONC_ESTATE);
		ck_assert_int_eq(conc_future_result(f[i], &n, sizeof n), 0);
		ck_assert_int_eq(n, i * i);
		conc_future_release(f[i]);
	}
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("shutdown");
	TCase *plain = new_case(s, "plain"), *self = new_case(s, "self"),
	      *end = new_case(s, "end");

	tcase_add_test(plain, shutdown_refuses_bad_input);
	tcase_add_loop_test(plain, shutdown_of_an_idle_pool, 0, 6);
	tcase_add_loop_test(plain, a_pool_that_was_shut_down_refuses, 0, 3);
	tcase_add_loop_test(plain, drain_runs_all_that_is_queued, 0, 2);
	tcase_add_loop_test(plain, drain_takes_what_its_running_tasks_submit, 0, 2);
	tcase_add_loop_test(plain, cancel_refuses_what_its_running_tasks_submit, 1, 3);
	tcase_add_loop_test(plain, cancel_ends_what_is_queued_and_lets_run_what_runs, 1, 3);
	tcase_add_test(plain, kill_asks_what_runs);
	tcase_add_test(plain, shutdown_strengthens);
	tcase_add_loop_test(self, shutdown_from_an_own_task_begins, 0, 6);
	tcase_add_loop_test(self, shutdown_from_an_own_callback_begins, 0, 6);
	tcase_add_test(self, a_task_may_shut_down_another_pool);
	tcase_add_test(self, concurrent_shutdowns_all_return);
	tcase_add_test(end, shutdown_waits_for_callbacks);
	tcase_add_loop_test(end, destroy_from_an_own_task, 0, 2);
	tcase_add_loop_test(end, destroy_from_an_own_callback, 0, 2);
	tcase_add_test(end, futures_outlive_their_executor);
	return run_suite(s);
}
