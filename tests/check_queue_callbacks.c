/* SPDX-License-Identifier: MIT */
/*
 * The queue and the program's own code: compare, destroy, a future's callback,
 * poll; and the child of a fork.
 */
#include "tests/queue.h"
#include <conc/future.h>

START_TEST(fd_is_readable_while_a_get_would_not_block)
{
	conc_queue *q = QUEUE(.order = ORDER);
	int fd, x[2] = {1, 2};
	size_t n;

	put(q, 1);
	fd = conc_queue_fd(q);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(conc_queue_fd(q), fd);
	ck_assert(readable(fd));
	ck_assert(readable(fd));
	(void)get(q);
	ck_assert(!readable(fd));
	put(q, 1);
	put(q, 2);
	(void)get(q);
	ck_assert(readable(fd));
	put(q, 3);
	ck_assert_int_eq(conc_queue_get_many(q, x, 2, &n, CONC_NOW), 0);
	ck_assert(!readable(fd));
	ck_assert_int_eq(conc_queue_put_many(q, x, 2, NULL, CONC_NOW), 0);
	ck_assert(readable(fd));
	ck_assert_int_eq(conc_queue_close(q), 0);
	(void)get(q);
	(void)get(q);
	ck_assert(readable(fd)); /* for the end */
	ck_assert_int_eq(conc_queue_close_now(q), 0);
	ck_assert(readable(fd));
	conc_queue_destroy(q);
}
END_TEST

START_TEST(fd_of_a_closed_queue_and_none_to_be_had)
{
	conc_queue *q = QUEUE(.capacity = 0);
	rlim_t before;
	int fd;

	before = limit_descriptors(0);
	fd = conc_queue_fd(q);
	limit_descriptors(before);
	ck_assert_int_eq(fd, -EMFILE);
	ck_assert_int_eq(conc_queue_close_now(q), 0);
	ck_assert(readable(conc_queue_fd(q)));
	conc_queue_destroy(q);
}
END_TEST

/* Within compare: only the size. */
static conc_queue *compared;
static int compares;

static int
meddling_compare(const void *a, const void *b)
{
	size_t n;
	int x = 1;

	compares++;
	ck_assert_int_eq(conc_queue_put(compared, &x, CONC_NOW), -EDEADLK);
	ck_assert_int_eq(conc_queue_get(compared, &x, CONC_FOREVER), -EDEADLK);
	ck_assert_int_eq(conc_queue_put_many(compared, &x, 1, &n, CONC_NOW), -EDEADLK);
	ck_assert_int_eq(conc_queue_get_many(compared, &x, 1, &n, CONC_NOW), -EDEADLK);
	ck_assert_int_eq(conc_queue_task_done(compared), -EDEADLK);
	ck_assert_int_eq(conc_queue_join(compared, CONC_NOW), -EDEADLK);
	ck_assert_int_eq(conc_queue_close(compared), -EDEADLK);
	ck_assert_int_eq(conc_queue_close_now(compared), -EDEADLK);
	ck_assert_int_eq(conc_queue_fd(compared), -EDEADLK);
	ck_assert_uint_gt(conc_queue_size(compared), 0);
	return by_value(a, b);
}

START_TEST(compare_may_ask_for_the_size_alone)
{
	compared = QUEUE(.order = CONC_PRIORITY, .compare = meddling_compare);
	for (int i = 3; i > 0; i--)
		put(compared, i);
	for (int i = 1; i <= 3; i++)
		ck_assert_int_eq(get(compared), i);
	ck_assert_int_gt(compares, 0);
	conc_queue_destroy(compared);
}
END_TEST

/* While it runs all others wait. */
static struct latch comparing = LATCH, compare_on = LATCH;

static int
slow_compare(const void *a, const void *b)
{
	latch_set(&comparing);
	latch_wait(&compare_on, 1);
	return by_value(a, b);
}

START_TEST(others_wait_for_compare)
{
	conc_queue *q = QUEUE(.order = CONC_PRIORITY, .compare = slow_compare);
	struct user putter, getter;

	put(q, 2);
	begin(&putter, put_once, q, 1);
	latch_wait(&comparing, 1);
	begin(&getter, get_once, q, 0);
	latch_set(&compare_on);
	ck_assert_int_eq(end(&putter), 0);
	ck_assert_int_eq(end(&getter), 0);
	ck_assert_int_eq(getter.x, 1);
	ck_assert_int_eq(get(q), 2);
	conc_queue_destroy(q);
}
END_TEST

/* destroy runs without a lock: it may use the queue; what it drops is not done before. */
static conc_queue *dropped;
static int destroyed;

static void
meddling_destroy(void *element, void *user)
{
	ck_assert_ptr_eq(user, &destroyed);
	ck_assert_int_eq(*(int *)element, ++destroyed);
	ck_assert_uint_eq(conc_queue_size(dropped), 0);
	ck_assert_int_eq(put_now(dropped), CONC_ESHUTDOWN);
	ck_assert_int_eq(get_now(dropped), CONC_ESHUTDOWN);
	ck_assert_int_eq(conc_queue_join(dropped, CONC_NOW), -ETIMEDOUT);
	ck_assert_int_eq(conc_queue_task_done(dropped), CONC_ESTATE);
	ck_assert_int_eq(conc_queue_close_now(dropped), 0);
}

START_TEST(destroy_runs_without_a_lock)
{
	dropped = QUEUE(.destroy = meddling_destroy, .user = &destroyed);
	put(dropped, 1);
	put(dropped, 2);
	ck_assert_int_eq(conc_queue_close_now(dropped), 0);
	ck_assert_int_eq(destroyed, 2);
	ck_assert_int_eq(conc_queue_join(dropped, CONC_NOW), 0);
	conc_queue_destroy(dropped);
}
END_TEST

static void
waits(conc_future *f, void *user)
{
	conc_queue *q = user;
	int x = 1;

	(void)f;
	ck_assert_int_eq(conc_queue_get(q, &x, CONC_FOREVER), -EDEADLK);
	ck_assert_int_eq(conc_queue_get(q, &x, CONC_NOW), -ETIMEDOUT);
	ck_assert_int_eq(conc_queue_put(q, &x, CONC_FOREVER), 0);
	ck_assert_int_eq(conc_queue_put(q, &x, CONC_FOREVER), -EDEADLK);
	ck_assert_int_eq(conc_queue_put(q, &x, CONC_NOW), -ETIMEDOUT);
	ck_assert_int_eq(conc_queue_join(q, CONC_FOREVER), -EDEADLK);
	ck_assert_int_eq(conc_queue_join(q, CONC_NOW), -ETIMEDOUT);
	ck_assert_int_eq(conc_queue_get(q, &x, CONC_FOREVER), 0);
	ck_assert_int_eq(conc_queue_task_done(q), 0);
	ck_assert_int_eq(conc_queue_join(q, CONC_FOREVER), 0);
}

START_TEST(blocking_in_a_callback_is_edeadlk)
{
	conc_queue *q = QUEUE(.capacity = 1, .order = ORDER);
	conc_promise *p;
	conc_future *f;

	ck_assert_int_eq(conc_promise_create(&p, 0, &f), 0);
	ck_assert_int_eq(conc_future_on_done(f, waits, q), 0);
	ck_assert_int_eq(conc_promise_finish(p, NULL, 0), 0);
	conc_promise_destroy(p);
	conc_future_release(f);
	conc_queue_destroy(q);
}
END_TEST

static conc_queue *inherited;

static void
never(void *element, void *user)
{
	(void)element;
	(void)user;
	ck_abort_msg("the program's code runs in the child");
}

static void
use_inherited(void)
{
	size_t n;
	int x = 1;

	ck_assert_int_eq(conc_queue_put(inherited, &x, CONC_FOREVER), CONC_EFORKED);
	ck_assert_int_eq(conc_queue_get(inherited, &x, CONC_FOREVER), CONC_EFORKED);
	ck_assert_int_eq(conc_queue_put_many(inherited, &x, 1, &n, CONC_NOW), CONC_EFORKED);
	ck_assert_int_eq(conc_queue_get_many(inherited, &x, 1, &n, CONC_NOW), CONC_EFORKED);
	ck_assert_int_eq(conc_queue_task_done(inherited), CONC_EFORKED);
	ck_assert_int_eq(conc_queue_join(inherited, CONC_FOREVER), CONC_EFORKED);
	ck_assert_int_eq(conc_queue_close(inherited), CONC_EFORKED);
	ck_assert_int_eq(conc_queue_close_now(inherited), CONC_EFORKED);
	ck_assert_int_eq(conc_queue_fd(inherited), CONC_EFORKED);
	ck_assert_uint_eq(conc_queue_size(inherited), 0);
	conc_queue_destroy(inherited);
	/* The child may have queues of its own. */
	conc_queue_destroy(QUEUE(.capacity = 1));
}

START_TEST(every_function_eforked_and_destroy_in_a_child)
{
	struct user u;

	inherited = QUEUE(.order = ORDER, .capacity = 1, .destroy = never);
	put(inherited, 1);
	ck_assert_int_ge(conc_queue_fd(inherited), 0);
	begin(&u, put_once, inherited, 2);
	await_putters(inherited, 1);
	ck_assert_int_eq(run_in_child(use_inherited), 0);
	(void)get(inherited);
	ck_assert_int_eq(end(&u), 0);
	(void)get(inherited);
	conc_queue_destroy(inherited);
}
END_TEST

/* compare or destroy forks once. */
static pid_t forked = -1;

static int
forking_compare(const void *a, const void *b)
{
	if (forked == -1)
		forked = fork();
	return by_value(a, b);
}

static void
forking_destroy(void *element, void *user)
{
	(void)user;
	(void)forking_compare(element, element);
}

START_TEST(eforked_in_a_child_born_within)
{
	conc_queue *q = QUEUE(
	    .order = CONC_PRIORITY, .compare = forking_compare, .destroy = forking_destroy);
	int rc, status, x = 7;

	fflush(NULL);
	forked = 0; /* not yet */
	for (int i = 4; i > 1; i--)
		put(q, i);
	forked = -1;
	rc = _i == 0 ? conc_queue_put(q, &(int){1}, CONC_NOW)
	    : _i == 1 ? conc_queue_get(q, &x, CONC_NOW)
		      : conc_queue_close_now(q);
	if (forked == 0) {
		conc_queue_destroy(q);
		_exit(rc == CONC_EFORKED ? 0 : 1);
	}
	ck_assert_int_gt(forked, 0);
	ck_assert_int_eq(rc, 0);
	ck_assert_int_eq(waitpid(forked, &status, 0), forked);
	ck_assert_int_eq(status, 0);
	conc_queue_destroy(q);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("queue_callbacks");
	TCase *tc = new_case(s, "fd");

	in_each_order(tc, fd_is_readable_while_a_get_would_not_block);
	tcase_add_test(tc, fd_of_a_closed_queue_and_none_to_be_had);
	tc = new_case(s, "callbacks");
	tcase_add_test(tc, compare_may_ask_for_the_size_alone);
	tcase_add_test(tc, others_wait_for_compare);
	tcase_add_test(tc, destroy_runs_without_a_lock);
	in_each_order(tc, blocking_in_a_callback_is_edeadlk);
	tc = new_case(s, "fork");
	in_each_order(tc, every_function_eforked_and_destroy_in_a_child);
	tcase_add_loop_test(tc, eforked_in_a_child_born_within, 0, 3);
	return run_suite(s);
}
