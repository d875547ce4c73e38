/* SPDX-License-Identifier: MIT */
/*
 * Tests of the claim: a worker that waits for a task of its own pool which
 * nobody has begun runs it itself, and nothing else.
 */
#include "tests/pool.h"

struct fib {
	conc_executor *pool;
	int n, how; /* how to wait for the two children */
};

static int
fib_wait(conc_future *f[2], int how)
{
	conc_completions *c;
	int rc = 0;

	switch (how) {
	case 0: /* by the results alone */
		return 0;
	case 1:
		return conc_wait(f, 2, CONC_ALL, CONC_FOREVER);
	case 2:
		return conc_wait(f, 2, CONC_FIRST_EXCEPTION, CONC_FOREVER);
	case 3:
		rc = conc_wait(f, 2, CONC_ANY, CONC_FOREVER);
		return rc != 0 || conc_future_done(f[0]) || conc_future_done(f[1]) ? rc
										   : -EBADMSG;
	case 4:
		rc = conc_future_wait(f[1], CONC_FOREVER);
		return rc != 0 ? rc : conc_future_view(f[0], &(const void *){NULL}, NULL);
	default:
		rc = conc_completions_create(&c);
		for (int i = 0; i < 2 && rc == 0; i++)
			rc = conc_completions_add(c, f[i], NULL);
		for (int i = 0; i < 2 && rc == 0; i++) {
			conc_future *done;

			rc = conc_completions_next(c, &done, NULL, CONC_FOREVER);
			if (rc == 0)
				conc_future_release(done);
		}
		conc_completions_destroy(c);
		return rc;
	}
}

static int
fib_task(const void *arg, void *result)
{
	const struct fib *me = arg;
	conc_future *f[2] = {NULL, NULL};
	uint64_t part[2];
	int rc = 0;

	if (me->n < 2) {
		*(uint64_t *)result = (uint64_t)me->n;
		return 0;
	}
	for (int i = 0; i < 2 && rc == 0; i++) {
		struct fib child = {me->pool, me->n - 1 - i, me->how};

		rc = conc_submit(
		    me->pool, fib_task, &child, sizeof child, sizeof part[i], &f[i]);
	}
	if (rc == 0)
		rc = fib_wait(f, me->how);
	for (int i = 0; i < 2 && rc == 0; i++)
		rc = conc_future_result(f[i], &part[i], sizeof part[i]);
	conc_future_release(f[0]);
	conc_future_release(f[1]);
	*(uint64_t *)result = rc == 0 ? part[0] + part[1] : 0;
	return rc;
}

/* Six ways to wait, on one, two and three workers. */
START_TEST(nested_fork_join_completes)
{
	conc_executor *pool = POOL(.workers = 1 + _i % 3);
	struct fib me = {pool, 13, _i / 3};
	uint64_t n = 0;
	conc_future *f;

	ck_assert_int_eq(conc_submit(pool, fib_task, &me, sizeof me, sizeof n, &f), 0);
	ck_assert_int_eq(conc_future_result(f, &n, sizeof n), 0);
	ck_assert_uint_eq(n, 233);
	conc_future_release(f);
	ck_assert_uint_le(stats_of(pool).workers, 1 + (unsigned)_i % 3);
	ck_assert_uint_eq(stats_of(pool).queued, 0);
	conc_executor_destroy(pool);
}
END_TEST

/*
 * Sixteen tasks each hold a lock of their own while they wait for four
 * children.  A pool that ran whatever it finds while a task waits would run a
 * task whose lock is held below it on the same stack.
 */
struct holder {
	conc_executor *pool;
	pthread_mutex_t *mutexes; /* four for sixteen tasks */
	atomic_int *relocks;
	int number;
};

static int
holder_task(const void *arg, void *result)
{
	const struct holder *me = arg;
	pthread_mutex_t *mutex = &me->mutexes[me->number % 4];
	conc_future *f[4];
	int rc;

	*(int *)result = 0;
	rc = pthread_mutex_lock(mutex);
	if (rc == EDEADLK) {
		atomic_fetch_add(me->relocks, 1);
		return -EDEADLK;
	}
	for (int i = 0; i < 4; i++)
		f[i] = SUBMIT(me->pool, .fn = square_task, .arg = &i, .arg_size = sizeof i,
		    .result_size = sizeof i);
	for (int i = 0; i < 4; i++) {
		int n = 0;

		rc = conc_future_result(f[i], &n, sizeof n);
		ck_assert_int_eq(rc, 0);
		*(int *)result += n;
		conc_future_release(f[i]);
	}
	pthread_mutex_unlock(mutex);
	return 0;
}

START_TEST(locks_held_while_waiting_are_never_taken_again)
{
	conc_executor *pool = POOL(.workers = 1 + _i);
	pthread_mutex_t mutexes[4];
	pthread_mutexattr_t attr;
	atomic_int relocks = 0;
	conc_future *f[16];

	pthread_mutexattr_init(&attr);
	pthread_mutexattr_settype(&attr, PTHREAD_MUTEX_ERRORCHECK);
	for (int i = 0; i < 4; i++)
		pthread_mutex_init(&mutexes[i], &attr);
	for (int i = 0; i < 16; i++) {
		struct holder me = {pool, mutexes, &relocks, i};

		f[i] = SUBMIT(pool, .fn = holder_task, .arg = &me, .arg_size = sizeof me,
		    .result_size = sizeof(int));
	}
	for (int i = 0; i < 16; i++) {
		int n = 0;

		ck_assert_int_eq(conc_future_result(f[i], &n, sizeof n), 0);
		ck_assert_int_eq(n, 0 + 1 + 4 + 9);
		conc_future_release(f[i]);
	}
	ck_assert_int_eq(relocks, 0);
	conc_executor_destroy(pool);
}
END_TEST

struct chain {
	conc_executor *pool;
	int depth;
};

static int
chain_task(const void *arg, void *result)
{
	const struct chain *me = arg;
	struct chain next = {me->pool, me->depth - 1};
	conc_future *f;
	int rc, n = 0;

	if (me->depth > 0) {
		rc = conc_submit(me->pool, chain_task, &next, sizeof next, sizeof n, &f);
		if (rc != 0)
			return rc;
		rc = conc_future_result(f, &n, sizeof n);
		conc_future_release(f);
		if (rc != 0)
			return rc;
	}
	*(int *)result = n + 1;
	return 0;
}

/* Thousands of levels do not fit one small stack: extra workers go on. */
START_TEST(deep_nesting_gets_extra_workers)
{
	conc_executor *pool = POOL(.workers = 1, .stack_size = 128 << 10);
	struct chain me = {pool, 4000};
	conc_future *f;
	int n = 0;

	ck_assert_int_eq(conc_submit(pool, chain_task, &me, sizeof me, sizeof n, &f), 0);
	ck_assert_int_eq(conc_future_result(f, &n, sizeof n), 0);
	ck_assert_int_eq(n, 4001);
	conc_future_release(f);
	/* The extra ones go away again, and the pool still works. */
	while (stats_of(pool).workers > 1)
		sched_yield();
	ck_assert_int_eq(finish(SUBMIT(pool, .fn = nothing_task)), 0);
	conc_executor_destroy(pool);
}
END_TEST

/* Tasks that get what they need by a borrowed struct. */
struct stage {
	conc_executor *pool, *other;
	conc_future *_Atomic self;
	conc_future *inner;
	struct latch ready;
	pthread_t outer_thread, inner_thread;
	int rc;
	atomic_int ran;
};

static int
deadline_task(const void *arg, void *result)
{
	struct stage *stage = (struct stage *)arg;
	conc_completions *c;
	conc_future *f, *none = NULL;

	(void)result;
	f = SUBMIT(stage->pool, .fn = count_task, .arg = &stage->ran, .arg_size = CONC_BORROW);
	ck_assert_int_eq(conc_future_wait(f, CONC_NOW), -ETIMEDOUT);
	ck_assert_int_eq(conc_future_wait(f, conc_after_ms(2)), -ETIMEDOUT);
	ck_assert_int_eq(conc_wait(&f, 1, CONC_ALL, conc_after_ms(2)), -ETIMEDOUT);
	ck_assert_int_eq(conc_completions_create(&c), 0);
	ck_assert_int_eq(conc_completions_add(c, f, NULL), 0);
	ck_assert_int_eq(conc_completions_next(c, &none, NULL, conc_after_ms(2)), -ETIMEDOUT);
	conc_completions_destroy(c);
	ck_assert_int_eq(stage->ran, 0);
	ck_assert(!conc_future_done(f) && !conc_future_running(f));
	return finish(f);
}

START_TEST(a_wait_with_a_deadline_does_not_claim)
{
	struct stage stage = {.pool = POOL(.workers = 1), .ready = LATCH};

	ck_assert_int_eq(finish(SUBMIT(stage.pool, .fn = deadline_task, .arg = &stage,
			     .arg_size = CONC_BORROW)),
	    0);
	ck_assert_int_eq(stage.ran, 1);
	conc_executor_destroy(stage.pool);
}
END_TEST

static int
self_wait_task(const void *arg, void *result)
{
	struct stage *stage = (struct stage *)arg;
	conc_future *self, *both[2];

	(void)result;
	latch_wait(&stage->ready, 1);
	self = both[0] = both[1] = atomic_load(&stage->self);
	ck_assert_int_eq(conc_future_wait(self, CONC_FOREVER), -EDEADLK);
	ck_assert_int_eq(conc_future_result(self, NULL, 0), -EDEADLK);
	ck_assert_int_eq(conc_future_view(self, &(const void *){NULL}, NULL), -EDEADLK);
	ck_assert_int_eq(conc_wait(both, 2, CONC_ALL, CONC_FOREVER), -EDEADLK);
	ck_assert_int_eq(conc_future_wait(self, CONC_NOW), -ETIMEDOUT); /* a poll is no wait */
	return 0;
}

START_TEST(waiting_for_oneself_is_edeadlk)
{
	struct stage stage = {.pool = POOL(.workers = 1), .ready = LATCH};
	conc_future *f =
	    SUBMIT(stage.pool, .fn = self_wait_task, .arg = &stage, .arg_size = CONC_BORROW);

	atomic_store(&stage.self, f);
	latch_set(&stage.ready);
	ck_assert_int_eq(finish(f), 0);
	conc_executor_destroy(stage.pool);
}
END_TEST

static int
outer_task(const void *arg, void *result)
{
	struct stage *stage = (struct stage *)arg;

	(void)result;
	latch_wait(&stage->ready, 1);
	return finish(
	    SUBMIT(stage->pool, .fn = self_wait_task, .arg = stage, .arg_size = CONC_BORROW));
}

/* The task waits, in one it claimed, for the one that claimed it. */
START_TEST(waiting_for_an_outer_task_is_edeadlk)
{
	struct stage stage = {.pool = POOL(.workers = 1), .ready = LATCH};
	conc_future *f =
	    SUBMIT(stage.pool, .fn = outer_task, .arg = &stage, .arg_size = CONC_BORROW);

	atomic_store(&stage.self, f);
	latch_set(&stage.ready);
	ck_assert_int_eq(finish(f), 0);
	conc_executor_destroy(stage.pool);
}
END_TEST

static int
note_thread_task(const void *arg, void *result)
{
	struct stage *stage = (struct stage *)arg;

	(void)result;
	stage->inner_thread = pthread_self();
	return 0;
}

static int
other_pool_task(const void *arg, void *result)
{
	struct stage *stage = (struct stage *)arg;

	(void)result;
	stage->outer_thread = pthread_self();
	return finish(SUBMIT(
	    stage->other, .fn = note_thread_task, .arg = stage, .arg_size = CONC_BORROW));
}

START_TEST(another_pools_tasks_are_not_claimed)
{
	struct stage stage = {.pool = POOL(.workers = 1), .other = POOL(.workers = 1)};

	ck_assert_int_eq(finish(SUBMIT(stage.pool, .fn = other_pool_task, .arg = &stage,
			     .arg_size = CONC_BORROW)),
	    0);
	ck_assert(!pthread_equal(stage.outer_thread, stage.inner_thread));
	conc_executor_destroy(stage.other);
	stage.other = stage.pool; /* one's own are */
	ck_assert_int_eq(finish(SUBMIT(stage.pool, .fn = other_pool_task, .arg = &stage,
			     .arg_size = CONC_BORROW)),
	    0);
	ck_assert(pthread_equal(stage.outer_thread, stage.inner_thread));
	conc_executor_destroy(stage.pool);
}
END_TEST

static int
inner_asks_task(const void *arg, void *result)
{
	(void)result;
	ck_assert_uint_eq(conc_arg_size(), 3);
	ck_assert_mem_eq(arg, "abc", 3);
	ck_assert_str_eq(conc_task_name(), "inner");
	ck_assert_int_eq(conc_worker_index(), 0);
	ck_assert(!conc_cancelled()); /* though the outer one was asked to stop */
	ck_assert_ptr_null(conc_caught());
	return conc_raise(-EDOM, "inner");
}

static int
outer_asks_task(const void *arg, void *result)
{
	struct stage *stage = (struct stage *)arg;
	conc_future *f;

	(void)result;
	latch_wait(&stage->ready, 1);
	ck_assert(conc_cancelled());
	conc_raise(-EXDEV, "outer");
	f = SUBMIT(
	    stage->pool, .fn = inner_asks_task, .arg = "abc", .arg_size = 3, .name = "inner");
	ck_assert_int_eq(conc_future_wait(f, CONC_FOREVER), 0);
	ck_assert_int_eq(
	    conc_exception_code(conc_caught()), -EXDEV); /* waiting is not looking */
	ck_assert_str_eq(conc_task_name(), "outer");
	ck_assert_uint_eq(conc_arg_size(), CONC_BORROW);
	ck_assert(conc_cancelled());
	ck_assert_int_eq(finish(f), -EDOM);
	ck_assert_str_eq(conc_exception_message(conc_caught()), "inner");
	ck_assert_str_eq(conc_exception_task(conc_caught()), "inner");
	return 0;
}

START_TEST(questions_are_answered_for_the_innermost_task)
{
	struct stage stage = {.pool = POOL(.workers = 1), .ready = LATCH};
	conc_future *f = SUBMIT(stage.pool, .fn = outer_asks_task, .arg = &stage,
	    .arg_size = CONC_BORROW, .name = "outer");

	while (!conc_future_running(f))
		sched_yield();
	ck_assert_int_eq(conc_future_cancel(f), -EINPROGRESS);
	latch_set(&stage.ready);
	ck_assert_int_eq(finish(f), 0);
	conc_executor_destroy(stage.pool);
}
END_TEST

static void
waiting_callback(conc_future *f, void *user)
{
	struct stage *stage = user;

	(void)f;
	stage->rc = conc_future_wait(stage->inner, CONC_FOREVER);
	latch_set(&stage->ready);
}

/* On a worker too a callback may not block, nor run a task in its stead. */
START_TEST(a_callback_does_not_claim)
{
	struct stage stage = {.pool = POOL(.workers = 1), .ready = LATCH};
	struct gate gate = GATE;
	conc_future *f;

	hold_workers(stage.pool, &gate, 1);
	f = SUBMIT(stage.pool, .fn = nothing_task);
	stage.inner =
	    SUBMIT(stage.pool, .fn = count_task, .arg = &stage.ran, .arg_size = CONC_BORROW);
	ck_assert_int_eq(conc_future_on_done(f, waiting_callback, &stage), 0);
	latch_set(&gate.open);
	latch_wait(&stage.ready, 1);
	ck_assert_int_eq(stage.rc, -EDEADLK);
	ck_assert_int_eq(finish(stage.inner), 0);
	ck_assert_int_eq(finish(f), 0);
	ck_assert_int_eq(stage.ran, 1);
	conc_executor_destroy(stage.pool);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("claim");
	TCase *nested = new_case(s, "nested"), *rules = new_case(s, "rules");

	tcase_add_loop_test(nested, nested_fork_join_completes, 0, 18);
	tcase_add_loop_test(nested, locks_held_while_waiting_are_never_taken_again, 0, 2);
	tcase_add_test(nested, deep_nesting_gets_extra_workers);
	tcase_add_test(rules, a_wait_with_a_deadline_does_not_claim);
	tcase_add_test(rules, waiting_for_oneself_is_edeadlk);
	tcase_add_test(rules, waiting_for_an_outer_task_is_edeadlk);
	tcase_add_test(rules, another_pools_tasks_are_not_claimed);
	tcase_add_test(rules, questions_are_answered_for_the_innermost_task);
	tcase_add_test(rules, a_callback_does_not_claim);
	return run_suite(s);
}
