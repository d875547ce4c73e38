/* SPDX-License-Identifier: MIT */
/*
 * Tests of corners where waits, retries, forks and shutdowns meet.
 */
#include "base/thread.h"
#include "tests/pool.h"

/* Past its limit in the first run, well in the second. */
static int
late_once_task(const void *arg, void *result)
{
	atomic_int *ran = (atomic_int *)arg;

	(void)result;
	if (atomic_fetch_add(ran, 1) > 0)
		return 0;
	while (!conc_cancelled())
		sched_yield();
	return -EIO;
}

START_TEST(a_retried_task_runs_no_more_when_it_has_ended)
{
	conc_executor *pool = POOL(.workers = 1);
	atomic_int ran = 0;

	ck_assert_int_eq(finish(SUBMIT(pool, .fn = late_once_task, .arg = &ran,
			     .arg_size = CONC_BORROW, .retries = 1, .time_limit = 1000)),
	    0);
	ck_assert_int_eq(ran, 2);
	ck_assert_uint_eq(stats_of(pool).running, 0);
	conc_executor_destroy(pool);
}
END_TEST

struct deep {
	conc_executor *pool;
	atomic_int ran;
	int rc;
};

/* Go down until too little is left of the stack to claim, then wait. */
static int
deep_wait(struct deep *me)
{
	volatile char here[1024];

	here[0] = 0;
	if (conc__stack_left() >= 60 << 10)
		return deep_wait(me) + here[0];
	return finish(SUBMIT(me->pool, .fn = late_once_task, .arg = &me->ran,
	    .arg_size = CONC_BORROW, .retries = 1, .time_limit = 1000));
}

static int
deep_task(const void *arg, void *result)
{
	struct deep *me = (struct deep *)arg;

	(void)result;
	me->rc = deep_wait(me);
	return 0;
}

/* The extra worker that ran it puts it back, and is gone: the waiter must run it. */
START_TEST(a_retry_after_an_extra_worker_is_not_lost)
{
	struct deep me = {.pool = POOL(.workers = 1, .stack_size = 256 << 10)};

	ck_assert_int_eq(finish(SUBMIT(me.pool, .fn = deep_task, .arg = &me,
			     .arg_size = CONC_BORROW)),
	    0);
	ck_assert_int_eq(me.rc, 0);
	ck_assert_int_eq(me.ran, 2);
	conc_executor_destroy(me.pool);
}
END_TEST

/* The same, when the other worker is taken away while it runs what this one waits for. */
struct shrink {
	conc_executor *pool;
	struct latch began, go;
	atomic_int ran;
	int rc;
};

static int
slow_once_task(const void *arg, void *result)
{
	struct shrink *s = (struct shrink *)arg;

	(void)result;
	if (atomic_fetch_add(&s->ran, 1) > 0)
		return 0;
	latch_set(&s->began);
	latch_wait(&s->go, 1);
	while (!conc_cancelled())
		sched_yield();
	return -EIO;
}

static int
shrink_task(const void *arg, void *result)
{
	struct shrink *s = (struct shrink *)arg;
	conc_future *f = SUBMIT(s->pool, .fn = slow_once_task, .arg = s,
	    .arg_size = CONC_BORROW, .retries = 1, .time_limit = 1000);

	(void)result;
	latch_wait(&s->began, 1);
	ck_assert_int_eq(conc_executor_resize(s->pool, 1), 0);
	latch_set(&s->go);
	s->rc = finish(f);
	return 0;
}

START_TEST(a_retry_after_a_resize_is_not_lost)
{
	struct shrink s = {.pool = POOL(.workers = 2), .began = LATCH, .go = LATCH};

	ck_assert_int_eq(
	    finish(SUBMIT(s.pool, .fn = shrink_task, .arg = &s, .arg_size = CONC_BORROW)), 0);
	ck_assert_int_eq(s.rc, 0);
	ck_assert_int_eq(s.ran, 2);
	conc_executor_destroy(s.pool);
}
END_TEST

struct killed {
	conc_executor *pool;
	struct latch began;
	pthread_t thread;
};

static int
obedient_item(const void *arg, void *result)
{
	struct killed *k = *(struct killed *const *)arg;

	latch_set(&k->began);
	return asked_task(NULL, result);
}

static void *
kill_pool(void *arg)
{
	struct killed *k = arg;

	latch_wait(&k->began, 1);
	ck_assert_int_eq(conc_shutdown(k->pool, CONC_KILL, CONC_FOREVER), 0);
	return NULL;
}

START_TEST(map_that_was_killed_in_its_last_item_has_not_succeeded)
{
	struct killed k = {.pool = POOL(.workers = 1), .began = LATCH}, *me = &k;
	int code = 1;

	ck_assert_int_eq(pthread_create(&k.thread, NULL, kill_pool, &k), 0);
	ck_assert_int_eq(conc_map(k.pool, obedient_item, 1, &me, sizeof me, NULL, 0,
			     CONC_MAP(.codes = &code)),
	    CONC_ESHUTDOWN);
	ck_assert_int_eq(code, -ECANCELED);
	pthread_join(k.thread, NULL);
	conc_executor_destroy(k.pool);
}
END_TEST

/* The calling thread runs the item, late at first; then again. */
static int
late_once_item(const void *arg, void *result)
{
	return late_once_task(*(atomic_int *const *)arg, result);
}

START_TEST(map_runs_again_what_the_caller_ran)
{
	conc_executor *pool =
	    POOL(.workers = 1, .queue_limit = 1, .when_full = CONC_CALLER_RUNS);
	struct gate gate = GATE;
	atomic_int ran = 0, *args[1] = {&ran};
	conc_future *f;

	hold_workers(pool, &gate, 1);
	f = SUBMIT(pool, .fn = nothing_task); /* the queue is full */
	ck_assert_int_eq(conc_map(pool, late_once_item, 1, args, sizeof args[0], NULL, 0,
			     CONC_MAP(.retries = 1, .time_limit = 1000)),
	    0);
	ck_assert_int_eq(ran, 2);
	latch_set(&gate.open);
	ck_assert_int_eq(finish(f), 0);
	conc_executor_destroy(pool);
}
END_TEST

/* A map inside a task, of which an item ends the thread that maps. */
struct left_map {
	conc_executor *pool;
	pthread_t mapper;
	struct latch come, leaving, open;
	atomic_int ended;
};

static int
leaving_item(const void *arg, void *result)
{
	struct left_map *l = *(struct left_map *const *)arg;
	int64_t end;

	(void)result;
	if (pthread_equal(pthread_self(), l->mapper)) {
		latch_wait(&l->come, 1); /* the other worker runs the other item */
		latch_set(&l->leaving);
		pthread_exit(NULL);
	}
	latch_set(&l->come);
	latch_wait(&l->open, 1);
	for (end = test_clock_ms() + 50; test_clock_ms() < end;)
		sched_yield();
	atomic_store(&l->ended, 1);
	return 0;
}

static int
map_and_leave_task(const void *arg, void *result)
{
	struct left_map *l = (struct left_map *)arg, *items[2] = {l, l};

	(void)result;
	l->mapper = pthread_self();
	return conc_map(
	    l->pool, leaving_item, 2, items, sizeof items[0], NULL, 0, CONC_MAP(.chunk = 1));
}

/* Its items touch the stack of that thread: it may not end before them. */
START_TEST(map_is_not_left_before_its_items)
{
	struct left_map l = {
	    .pool = POOL(.workers = 2), .come = LATCH, .leaving = LATCH, .open = LATCH};
	conc_future *f =
	    SUBMIT(l.pool, .fn = map_and_leave_task, .arg = &l, .arg_size = CONC_BORROW);

	latch_wait(&l.leaving, 1);
	latch_set(&l.open);
	ck_assert_int_eq(finish(f), CONC_ECRASHED);
	ck_assert_int_eq(l.ended, 1);
	conc_executor_destroy(l.pool);
}
END_TEST

/* Forks. */
static struct {
	conc_executor *pool;
	conc_future *f;
	struct gate gate;
	atomic_int calls;
} left;

static void
gate_callback(conc_future *f, void *user)
{
	(void)f;
	(void)user;
	latch_set(&left.gate.come);
	latch_wait(&left.gate.open, 1);
}

static void
count_callback(conc_future *f, void *user)
{
	(void)f;
	(void)user;
	atomic_fetch_add(&left.calls, 1);
}

static void
child_registers(void)
{
	ck_assert_int_eq(conc_future_on_done(left.f, count_callback, NULL), 0);
	ck_assert_int_eq(left.calls, 1);
}

/* The thread that runs the callbacks stayed in the parent: the child must run its own. */
START_TEST(callbacks_of_a_done_future_run_in_the_child_of_a_fork)
{
	struct gate *gate = &left.gate;

	*gate = (struct gate)GATE;
	left.pool = POOL(.workers = 1);
	struct gate first = GATE;

	hold_workers(left.pool, &first, 1);
	left.f = SUBMIT(left.pool, .fn = nothing_task);
	ck_assert_int_eq(conc_future_on_done(left.f, gate_callback, NULL), 0);
	latch_set(&first.open);
	latch_wait(&gate->come, 1);
	ck_assert_int_eq(run_in_child(child_registers), 0);
	latch_set(&gate->open);
	conc_future_release(left.f);
	conc_executor_destroy(left.pool);
}
END_TEST

/* The child's last thread has come to its end: no need for the parent's exit handlers. */
static void
leave_child(void *arg)
{
	(void)arg;
	_exit(EXIT_SUCCESS);
}

/* A task forks; in the child it destroys the pool and returns. */
static int
fork_and_return_task(const void *arg, void *result)
{
	pid_t *pid = (pid_t *)arg;

	(void)result;
	*pid = fork();
	if (*pid == 0) {
		pthread_key_t key;

		ck_assert_int_eq(pthread_key_create(&key, leave_child), 0);
		ck_assert_int_eq(pthread_setspecific(key, &left), 0);
		conc_executor_destroy(left.pool);
	}
	return 0;
}

START_TEST(a_task_may_fork_destroy_and_return_in_the_child)
{
	pid_t pid = -1;
	int status = -1;

	left.pool = POOL(.workers = 1);
	ck_assert_int_eq(finish(SUBMIT(left.pool, .fn = fork_and_return_task, .arg = &pid,
			     .arg_size = CONC_BORROW)),
	    0);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(status, 0);
	conc_executor_destroy(left.pool);
}
END_TEST

/* on_item is a callback: what it does with exceptions is its own. */
static void
failing_on_item(size_t index, int code, void *user)
{
	(void)index;
	(void)code;
	(void)user;
	(void)conc_raise(-EDOM, "of a callback");
}

START_TEST(map_callbacks_leave_the_current_exception_alone)
{
	conc_executor *pool = POOL(.workers = 1);

	(void)conc_raise(-EIO, "from before");
	ck_assert_int_eq(conc_map(pool, nothing_task, 3, NULL, 0, NULL, 0,
			     CONC_MAP(.on_item = failing_on_item)),
	    0);
	ck_assert_int_eq(conc_exception_code(conc_caught()), -EIO);
	conc_clear();
	conc_executor_destroy(pool);
}
END_TEST

/* A hook that submits, and takes its time. */
static void
submitting_hook(const conc_exception *e, void *user)
{
	int64_t end = test_clock_ms() + 50;

	(void)e;
	while (test_clock_ms() < end)
		sched_yield();
	*(conc_future **)user = SUBMIT(left.pool, .fn = nothing_task);
}

START_TEST(no_task_waits_for_less_than_no_time)
{
	conc_future *f = NULL;
	int code = -EIO;

	left.pool = POOL(.workers = 1);
	conc_set_excepthook(submitting_hook, &f);
	ck_assert_int_eq(conc_submit(left.pool, fail_task, &code, sizeof code, 0, NULL), 0);
	ck_assert_int_eq(conc_shutdown(left.pool, CONC_DRAIN, CONC_FOREVER), 0);
	ck_assert_int_ge(stats_of(left.pool).wait_time, 0);
	ck_assert_int_eq(finish(f), 0);
	conc_set_excepthook(NULL, NULL);
	conc_executor_destroy(left.pool);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("regressions");
	TCase *tc = new_case(s, "corners");

	tcase_add_test(tc, a_retried_task_runs_no_more_when_it_has_ended);
	tcase_add_test(tc, a_retry_after_an_extra_worker_is_not_lost);
	tcase_add_test(tc, a_retry_after_a_resize_is_not_lost);
	tcase_add_test(tc, map_that_was_killed_in_its_last_item_has_not_succeeded);
	tcase_add_test(tc, map_runs_again_what_the_caller_ran);
	tcase_add_test(tc, map_is_not_left_before_its_items);
	tcase_add_test(tc, callbacks_of_a_done_future_run_in_the_child_of_a_fork);
	tcase_add_test(tc, a_task_may_fork_destroy_and_return_in_the_child);
	tcase_add_test(tc, map_callbacks_leave_the_current_exception_alone);
	tcase_add_test(tc, no_task_waits_for_less_than_no_time);
	return run_suite(s);
}
