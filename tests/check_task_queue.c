/* SPDX-License-Identifier: MIT */
/*
 * Tests of a pool's queue: its order, its exact bound, and the three answers
 * when it is full.
 */
#include "tests/pool.h"
#include <limits.h>

struct order {
	pthread_mutex_t mutex;
	int n, seen[64];
};

struct numbered {
	struct order *order;
	int number;
};

static int
order_task(const void *arg, void *result)
{
	const struct numbered *me = arg;

	(void)result;
	pthread_mutex_lock(&me->order->mutex);
	me->order->seen[me->order->n++] = me->number;
	pthread_mutex_unlock(&me->order->mutex);
	return 0;
}

START_TEST(higher_priorities_first_equals_in_order)
{
	static const int priority[] = {0, 5, -3, 0, 5, INT_MAX, INT_MIN, 0, 5, 1, INT_MAX, -3};
	static const int wanted[] = {5, 10, 1, 4, 8, 9, 0, 3, 7, 2, 11, 6};
	struct order order = {PTHREAD_MUTEX_INITIALIZER, 0, {0}};
	conc_executor *pool = POOL(.workers = 1);
	struct gate gate = GATE;

	hold_workers(pool, &gate, 1);
	for (int i = 0; i < 12; i++) {
		struct numbered me = {&order, i};

		ck_assert_int_eq(conc_submit_task(pool,
				     CONC_TASK(.fn = order_task, .arg = &me,
					 .arg_size = sizeof me, .priority = priority[i]),
				     NULL),
		    0);
	}
	latch_set(&gate.open);
	conc_executor_destroy(pool);
	ck_assert_int_eq(order.n, 12);
	ck_assert_mem_eq(order.seen, wanted, sizeof wanted);
}
END_TEST

START_TEST(equals_run_in_order_of_submission)
{
	struct order order = {PTHREAD_MUTEX_INITIALIZER, 0, {0}};
	conc_executor *pool = POOL(.workers = 1);

	for (int i = 0; i < 64; i++)
		ck_assert_int_eq(conc_submit(pool, order_task, &(struct numbered){&order, i},
				     sizeof(struct numbered), 0, NULL),
		    0);
	conc_executor_destroy(pool);
	for (int i = 0; i < 64; i++)
		ck_assert_int_eq(order.seen[i], i);
}
END_TEST

/* A pool with one worker that is held at the gate, and limit tasks that wait. */
static conc_executor *
full_pool(conc_when_full when_full, size_t limit, struct gate *gate)
{
	conc_executor *pool = POOL(.workers = 1, .queue_limit = limit, .when_full = when_full);

	hold_workers(pool, gate, 1);
	for (size_t i = 0; i < limit; i++)
		ck_assert_int_eq(conc_submit(pool, nothing_task, NULL, 0, 0, NULL), 0);
	ck_assert_uint_eq(stats_of(pool).queued, limit);
	return pool;
}

static void
open_and_destroy(conc_executor *pool, struct gate *gate)
{
	latch_set(&gate->open);
	conc_executor_destroy(pool);
}

START_TEST(fail_holds_the_exact_bound)
{
	static const size_t limits[] = {1, 2, 100};
	size_t limit = limits[_i];
	struct gate gate = GATE;
	conc_executor *pool = full_pool(CONC_FAIL, limit, &gate);
	atomic_int cleaned = 0;
	static const char big[5000];
	conc_future *f = NULL;

	for (int i = 0; i < 3; i++)
		ck_assert_int_eq(conc_submit_task(pool,
				     CONC_TASK(.fn = nothing_task, .cleanup = count_cleanup,
					 .user = &cleaned),
				     &f),
		    -EAGAIN);
	/* With room for argument and result that is not in the task itself, too. */
	ck_assert_int_eq(
	    conc_submit(pool, nothing_task, big, sizeof big, sizeof big, &f), -EAGAIN);
	ck_assert_ptr_null(f);
	ck_assert_int_eq(cleaned, 0); /* never if submit refused */
	ck_assert_uint_eq(stats_of(pool).queued, limit);
	ck_assert_uint_eq(stats_of(pool).high_water, limit);
	open_and_destroy(pool, &gate);
}
END_TEST

/* A cancelled task no longer waits: its place is free. */
START_TEST(cancel_makes_room)
{
	struct gate gate = GATE;
	conc_executor *pool = POOL(.workers = 1, .queue_limit = 1, .when_full = CONC_FAIL);
	conc_future *f, *g = NULL;

	hold_workers(pool, &gate, 1);
	f = SUBMIT(pool, .fn = nothing_task);
	ck_assert_int_eq(conc_submit(pool, nothing_task, NULL, 0, 0, &g), -EAGAIN);
	ck_assert_int_eq(conc_future_cancel(f), 0);
	ck_assert_int_eq(conc_submit(pool, nothing_task, NULL, 0, 0, &g), 0);
	conc_future_release(f);
	conc_future_release(g);
	open_and_destroy(pool, &gate);
}
END_TEST

START_TEST(block_returns_at_the_deadline)
{
	struct gate gate = GATE;
	conc_executor *pool = full_pool(CONC_BLOCK, 1, &gate);
	conc_time deadlines[] = {CONC_NOW, conc_after(-1), conc_after_ms(5)};
	atomic_int cleaned = 0;
	conc_future *f = NULL;

	for (int i = 0; i < 3; i++)
		ck_assert_int_eq(
		    conc_submit_task(pool,
			CONC_TASK(.fn = nothing_task, .submit_deadline = deadlines[i],
			    .cleanup = count_cleanup, .user = &cleaned),
			&f),
		    -ETIMEDOUT);
	ck_assert_ptr_null(f);
	ck_assert_int_eq(cleaned, 0);
	open_and_destroy(pool, &gate);
}
END_TEST

/* A thread that submits to a full queue and tells what became of it. */
struct submitter {
	conc_executor *pool;
	conc_future *future;
	struct latch begun;
	pthread_t thread;
	int rc;
};

static void *
submitter_main(void *arg)
{
	struct submitter *s = arg;

	latch_set(&s->begun);
	s->rc = conc_submit(s->pool, nothing_task, NULL, 0, 0, &s->future);
	return NULL;
}

static void
start_submitter(struct submitter *s, conc_executor *pool)
{
	*s = (struct submitter){.pool = pool, .begun = LATCH, .rc = 1};
	ck_assert_int_eq(pthread_create(&s->thread, NULL, submitter_main, s), 0);
	latch_wait(&s->begun, 1);
}

START_TEST(block_is_woken_by_room)
{
	struct gate gate = GATE;
	conc_executor *pool = full_pool(CONC_BLOCK, 1 + (size_t)_i, &gate);
	struct submitter s[4];

	for (int i = 0; i < 4; i++)
		start_submitter(&s[i], pool);
	latch_set(&gate.open);
	for (int i = 0; i < 4; i++) {
		pthread_join(s[i].thread, NULL);
		ck_assert_int_eq(s[i].rc, 0);
		ck_assert_int_eq(finish(s[i].future), 0);
	}
	ck_assert_uint_le(stats_of(pool).high_water, 1 + (size_t)_i);
	conc_executor_destroy(pool);
}
END_TEST

START_TEST(block_is_woken_by_cancel)
{
	struct gate gate = GATE;
	conc_executor *pool = POOL(.workers = 1, .queue_limit = 1);
	struct submitter s;
	conc_future *f;

	hold_workers(pool, &gate, 1);
	f = SUBMIT(pool, .fn = nothing_task);
	start_submitter(&s, pool);
	ck_assert_int_eq(conc_future_cancel(f), 0);
	pthread_join(s.thread, NULL);
	ck_assert_int_eq(s.rc, 0);
	conc_future_release(f);
	conc_future_release(s.future);
	open_and_destroy(pool, &gate);
}
END_TEST

/* Claiming what waits in the queue makes room as well. */
static int
claim_for_room_task(const void *arg, void *result)
{
	conc_executor *pool = *(conc_executor *const *)arg;
	conc_future *f;
	int rc;

	(void)result;
	rc = conc_submit(pool, nothing_task, NULL, 0, 0, &f);
	return rc != 0 ? rc : finish(f);
}

START_TEST(block_is_woken_by_claim)
{
	conc_executor *pool = POOL(.workers = 1, .queue_limit = 1);
	conc_future *f[20];

	for (int i = 0; i < 20; i++)
		ck_assert_int_eq(
		    conc_submit(pool, claim_for_room_task, &pool, sizeof pool, 0, &f[i]), 0);
	for (int i = 0; i < 20; i++)
		ck_assert_int_eq(finish(f[i]), 0);
	conc_executor_destroy(pool);
}
END_TEST

START_TEST(block_is_woken_by_shutdown)
{
	static const conc_shutdown_how how[] = {CONC_DRAIN, CONC_CANCEL, CONC_KILL};
	struct gate gate = GATE;
	conc_executor *pool = full_pool(CONC_BLOCK, 1, &gate);
	struct submitter s[2];

	start_submitter(&s[0], pool);
	start_submitter(&s[1], pool);
	ck_assert_int_eq(conc_shutdown(pool, how[_i], CONC_NOW), -ETIMEDOUT);
	for (int i = 0; i < 2; i++) {
		pthread_join(s[i].thread, NULL);
		ck_assert_int_eq(s[i].rc, CONC_ESHUTDOWN);
		ck_assert_ptr_null(s[i].future);
	}
	open_and_destroy(pool, &gate);
}
END_TEST

/* Submits ten tasks to its own full pool, which has room for one. */
static int
crowd_task(const void *arg, void *result)
{
	struct {
		conc_executor *pool;
		atomic_int *ran;
	} const *me = arg;

	(void)result;
	for (int i = 0; i < 10; i++) {
		int rc = conc_submit(me->pool, count_task, me->ran, CONC_BORROW, 0, NULL);

		if (rc != 0)
			return rc;
	}
	return 0;
}

START_TEST(own_workers_go_over_the_limit)
{
	conc_executor *pool = POOL(.workers = 1, .queue_limit = 1);
	atomic_int ran = 0;
	struct {
		conc_executor *pool;
		atomic_int *ran;
	} me = {pool, &ran};
	conc_future *f = SUBMIT(pool, .fn = crowd_task, .arg = &me, .arg_size = sizeof me);

	ck_assert_int_eq(finish(f), 0);
	ck_assert_uint_ge(stats_of(pool).high_water, 10);
	conc_executor_destroy(pool);
	ck_assert_int_eq(ran, 10);
}
END_TEST

struct crowd {
	conc_executor *pool;
	atomic_int ran, refused;
	struct latch done;
};

static void
crowd_callback(conc_future *f, void *user)
{
	struct crowd *crowd = user;

	(void)f;
	for (int i = 0; i < 10; i++)
		if (conc_submit(crowd->pool, count_task, &crowd->ran, CONC_BORROW, 0, NULL) !=
		    0)
			atomic_fetch_add(&crowd->refused, 1);
	latch_set(&crowd->done);
}

/* In a worker, and in the thread that cancels. */
START_TEST(callbacks_go_over_the_limit)
{
	struct gate gate = GATE;
	struct crowd crowd = {.pool = POOL(.workers = 1, .queue_limit = 1), .done = LATCH};
	conc_future *f;

	hold_workers(crowd.pool, &gate, 1);
	f = SUBMIT(crowd.pool, .fn = nothing_task);
	ck_assert_int_eq(conc_future_on_done(f, crowd_callback, &crowd), 0);
	if (_i == 0)
		latch_set(&gate.open);
	else
		ck_assert_int_eq(conc_future_cancel(f), 0);
	latch_wait(&crowd.done, 1);
	conc_future_release(f);
	open_and_destroy(crowd.pool, &gate);
	ck_assert_int_eq(crowd.refused, 0);
	ck_assert_int_eq(crowd.ran, 10);
}
END_TEST

static int
thread_task(const void *arg, void *result)
{
	(void)arg;
	*(pthread_t *)result = pthread_self();
	return conc_worker_index() == -1 && conc_arg_size() == 3 && !conc_cancelled() &&
		strcmp(conc_task_name(), "here") == 0
	    ? 0
	    : -EBADMSG;
}

START_TEST(caller_runs_in_the_submitting_thread)
{
	struct gate gate = GATE;
	conc_executor *pool = full_pool(CONC_CALLER_RUNS, 2, &gate);
	atomic_int cleaned = 0;
	pthread_t thread;
	conc_future *f;

	f = SUBMIT(pool, .fn = thread_task, .arg = "abc", .arg_size = 3, .name = "here",
	    .result_size = sizeof thread, .cleanup = count_cleanup, .user = &cleaned);
	ck_assert(conc_future_done(f));
	ck_assert_int_eq(cleaned, 1);
	ck_assert_int_eq(conc_future_result(f, &thread, sizeof thread), 0);
	ck_assert(pthread_equal(thread, pthread_self()));
	conc_future_release(f);
	ck_assert_ptr_null(conc_task_name());
	open_and_destroy(pool, &gate);
	ck_assert_int_eq(cleaned, 1);
}
END_TEST

START_TEST(caller_runs_a_failure)
{
	struct ear ear = {0};
	struct gate gate = GATE;
	conc_executor *pool = POOL(.workers = 1, .queue_limit = 1,
	    .when_full = CONC_CALLER_RUNS, .excepthook = hear, .user = &ear);
	int code = -EDOM;
	conc_future *f;

	hold_workers(pool, &gate, 1);
	ck_assert_int_eq(conc_submit(pool, nothing_task, NULL, 0, 0, NULL), 0);
	conc_raise(-EXDEV, "mine");
	f = SUBMIT(pool, .fn = fail_task, .arg = &code, .arg_size = sizeof code);
	ck_assert_int_eq(
	    conc_exception_code(conc_caught()), -EXDEV); /* the caller's own stays */
	ck_assert_int_eq(finish(f), -EDOM);
	ck_assert_int_eq(ear.calls, 0);
	ck_assert_int_eq(conc_submit(pool, fail_task, &code, sizeof code, 0, NULL), 0);
	ck_assert_int_eq(ear.calls, 1); /* detached: told before submit returned */
	ck_assert_int_eq(ear.code, -EDOM);
	conc_clear();
	open_and_destroy(pool, &gate);
}
END_TEST

/* The queue of a pool with any number of workers never exceeds its limit. */
START_TEST(many_submitters_keep_the_bound)
{
	static const struct {
		int workers;
		size_t limit;
	} shape[] = {{1, 1}, {1, 2}, {2, 1}, {2, 2}, {1, 16}, {4, 16}};
	conc_executor *pool =
	    POOL(.workers = shape[_i].workers, .queue_limit = shape[_i].limit);
	struct submitter s[3];

	for (int round = 0; round < seeds(); round++) {
		for (int i = 0; i < 3; i++)
			start_submitter(&s[i], pool);
		for (int i = 0; i < 3; i++) {
			pthread_join(s[i].thread, NULL);
			ck_assert_int_eq(s[i].rc, 0);
			ck_assert_int_eq(finish(s[i].future), 0);
		}
	}
	ck_assert_uint_le(stats_of(pool).high_water, shape[_i].limit);
	ck_assert_uint_eq(stats_of(pool).done, 3 * (uint64_t)seeds());
	conc_executor_destroy(pool);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("task_queue");
	TCase *fail = new_case(s, "fail"), *block = new_case(s, "block");
	TCase *caller = new_case(s, "caller_runs"), *order = new_case(s, "order");

	tcase_add_test(order, higher_priorities_first_equals_in_order);
	tcase_add_test(order, equals_run_in_order_of_submission);
	tcase_add_loop_test(fail, fail_holds_the_exact_bound, 0, 3);
	tcase_add_test(fail, cancel_makes_room);
	tcase_add_test(block, block_returns_at_the_deadline);
	tcase_add_loop_test(block, block_is_woken_by_room, 0, 3);
	tcase_add_test(block, block_is_woken_by_cancel);
	tcase_add_test(block, block_is_woken_by_claim);
	tcase_add_loop_test(block, block_is_woken_by_shutdown, 0, 3);
	tcase_add_test(block, own_workers_go_over_the_limit);
	tcase_add_loop_test(block, callbacks_go_over_the_limit, 0, 2);
	tcase_add_loop_test(block, many_submitters_keep_the_bound, 0, 6);
	tcase_add_test(caller, caller_runs_in_the_submitting_thread);
	tcase_add_test(caller, caller_runs_a_failure);
	return run_suite(s);
}
