/* SPDX-License-Identifier: MIT */
/*
 * Completions: futures in the order in which they end, and the descriptor.
 */
#include "tests/future.h"

/* Take the next one, which must be f, with user. */
static void
take(conc_completions *c, conc_future *f, void *user)
{
	conc_future *next = NULL;
	void *got = NULL;

	ck_assert_int_eq(conc_completions_next(c, &next, &got, CONC_FOREVER), 0);
	ck_assert_ptr_eq(next, f);
	ck_assert_ptr_eq(got, user);
	conc_future_release(next);
}

START_TEST(completions_in_order_of_ends)
{
	enum { N = 5 };
	static const int order[N] = {3, 0, 4, 1, 2};
	conc_completions *c = completions();
	conc_promise *p[N];
	conc_future *f[N];
	int names[N];

	for (int i = 0; i < N; i++) {
		f[i] = pending(&p[i]);
		ck_assert_int_eq(conc_completions_add(c, f[i], &names[i]), 0);
	}
	for (int i = 0; i < N; i++) {
		int k = order[i];

		ck_assert_int_eq(i == 3 ? conc_future_cancel(f[k]) : finish(p[k], i), 0);
	}
	for (int i = 0; i < N; i++)
		take(c, f[order[i]], &names[order[i]]);
	conc_completions_destroy(c);
	for (int i = 0; i < N; i++) {
		conc_promise_destroy(p[i]);
		conc_future_release(f[i]);
	}
}
END_TEST

START_TEST(those_that_had_ended_come_in_order_of_adding)
{
	conc_completions *c = completions();
	conc_future *f[] = {finished(1), cancelled(), failed(-EIO, "x")};

	for (int i = 0; i < 3; i++)
		ck_assert_int_eq(conc_completions_add(c, f[i], NULL), 0);
	for (int i = 0; i < 3; i++)
		take(c, f[i], NULL);
	conc_completions_destroy(c);
	(void)conc_future_exception(f[2]);
	for (int i = 0; i < 3; i++)
		conc_future_release(f[i]);
}
END_TEST

START_TEST(duplicate_is_handed_over_twice)
{
	conc_completions *c = completions();
	conc_promise *p;
	conc_future *f = pending(&p), *next;
	int one, two, seen = 0;

	ck_assert_int_eq(conc_completions_add(c, f, &one), 0);
	ck_assert_int_eq(conc_completions_add(c, f, &two), 0);
	ck_assert_int_eq(finish(p, 1), 0);
	for (int i = 0; i < 2; i++) {
		void *user;

		ck_assert_int_eq(conc_completions_next(c, &next, &user, CONC_FOREVER), 0);
		ck_assert_ptr_eq(next, f);
		seen |= user == &one ? 1 : user == &two ? 2 : 4;
		conc_future_release(next);
	}
	ck_assert_int_eq(seen, 3);
	ck_assert_int_eq(conc_completions_next(c, &next, NULL, CONC_FOREVER), -ENOENT);
	conc_completions_destroy(c);
	conc_promise_destroy(p);
	conc_future_release(f);
}
END_TEST

START_TEST(completions_hand_over_reference)
{
	conc_completions *c = completions();
	conc_promise *p;
	conc_future *f = pending(&p), *next = NULL;

	/* Only the set holds the future, then only we: the hook tells when it goes. */
	watch_hook();
	ck_assert_int_eq(conc_completions_add(c, f, NULL), 0);
	conc_future_release(f);
	ck_assert_int_eq(conc_promise_fail(p, -EIO), 0);
	conc_promise_destroy(p);
	ck_assert_int_eq(hook_calls(), 0);
	ck_assert_int_eq(conc_completions_next(c, &next, NULL, CONC_FOREVER), 0);
	conc_completions_destroy(c);
	ck_assert_int_eq(hook_calls(), 0);
	conc_future_release(next);
	ck_assert_int_eq(hook_calls(), 1);
}
END_TEST

START_TEST(next_leaves_its_outputs_on_failure)
{
	conc_completions *c = completions();
	conc_promise *p;
	conc_future *f = pending(&p), *next = f;
	int name;
	void *user = &name;

	ck_assert_int_eq(conc_completions_next(c, &next, &user, CONC_FOREVER), -ENOENT);
	ck_assert_int_eq(conc_completions_add(c, f, NULL), 0);
	ck_assert_int_eq(conc_completions_next(c, &next, &user, CONC_NOW), -ETIMEDOUT);
	ck_assert_int_eq(conc_completions_next(c, &next, &user, conc_after_ms(1)), -ETIMEDOUT);
	ck_assert_int_eq(conc_completions_next(c, NULL, &user, CONC_NOW), -EINVAL);
	ck_assert_ptr_eq(next, f);
	ck_assert_ptr_eq(user, &name);
	ck_assert_int_eq(finish(p, 1), 0);
	take(c, f, NULL);
	conc_completions_destroy(c);
	conc_promise_destroy(p);
	conc_future_release(f);
}
END_TEST

START_TEST(completions_einval)
{
	conc_completions *c = completions();
	conc_future *f = finished(1), *next;

	ck_assert_int_eq(conc_completions_create(NULL), -EINVAL);
	ck_assert_int_eq(conc_completions_add(NULL, f, NULL), -EINVAL);
	ck_assert_int_eq(conc_completions_add(c, NULL, NULL), -EINVAL);
	ck_assert_int_eq(conc_completions_next(NULL, &next, NULL, CONC_FOREVER), -EINVAL);
	ck_assert_int_eq(conc_completions_fd(NULL), -EINVAL);
	conc_completions_destroy(NULL);
	ck_assert_int_eq(conc_completions_next(c, &next, NULL, CONC_FOREVER), -ENOENT);
	conc_completions_destroy(c);
	conc_future_release(f);
}
END_TEST

static conc_completions *inherited;
static conc_future *inherited_done, *inherited_pending;

static void
use_what_was_inherited(void)
{
	conc_completions *own;
	conc_future *next;

	ck_assert_int_eq(conc_completions_add(inherited, inherited_done, NULL), CONC_EFORKED);
	ck_assert_int_eq(
	    conc_completions_next(inherited, &next, NULL, CONC_FOREVER), CONC_EFORKED);
	ck_assert_int_eq(conc_completions_fd(inherited), CONC_EFORKED);
	conc_completions_destroy(inherited);
	own = completions();
	ck_assert_int_eq(conc_completions_add(own, inherited_pending, NULL), CONC_EFORKED);
	ck_assert_int_eq(conc_completions_next(own, &next, NULL, CONC_FOREVER), -ENOENT);
	ck_assert_int_eq(conc_completions_add(own, inherited_done, NULL), 0);
	take(own, inherited_done, NULL);
	conc_completions_destroy(own);
}

START_TEST(completions_eforked)
{
	conc_promise *p;

	inherited = completions();
	inherited_done = finished(1);
	inherited_pending = pending(&p);
	ck_assert_int_eq(conc_completions_add(inherited, inherited_done, NULL), 0);
	ck_assert_int_eq(conc_completions_add(inherited, inherited_pending, NULL), 0);
	ck_assert_int_ge(conc_completions_fd(inherited), 0);
	ck_assert_int_eq(run_in_child(use_what_was_inherited), 0);
	take(inherited, inherited_done, NULL);
	ck_assert_int_eq(finish(p, 1), 0);
	take(inherited, inherited_pending, NULL);
	conc_completions_destroy(inherited);
	conc_promise_destroy(p);
	conc_future_release(inherited_done);
	conc_future_release(inherited_pending);
}
END_TEST

START_TEST(fd_is_level_triggered)
{
	conc_completions *c = completions();
	conc_promise *p, *q;
	conc_future *f = pending(&p), *g = pending(&q);
	int fd = conc_completions_fd(c);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(conc_completions_fd(c), fd);
	ck_assert(!readable(fd));
	ck_assert_int_eq(conc_completions_add(c, f, NULL), 0);
	ck_assert_int_eq(conc_completions_add(c, g, NULL), 0);
	ck_assert(!readable(fd));
	ck_assert_int_eq(finish(p, 1), 0);
	ck_assert(readable(fd));
	ck_assert(readable(fd));
	ck_assert_int_eq(finish(q, 1), 0);
	take(c, f, NULL);
	ck_assert(readable(fd));
	take(c, g, NULL);
	ck_assert(!readable(fd));
	ck_assert_int_eq(conc_completions_add(c, f, NULL), 0); /* it had ended */
	ck_assert(readable(fd));
	take(c, f, NULL);
	ck_assert(!readable(fd));
	conc_completions_destroy(c);
	conc_promise_destroy(p);
	conc_promise_destroy(q);
	conc_future_release(f);
	conc_future_release(g);
}
END_TEST

START_TEST(fd_asked_for_late_is_readable_at_once)
{
	conc_completions *c = completions();
	conc_future *f = finished(1);

	ck_assert_int_eq(conc_completions_add(c, f, NULL), 0);
	ck_assert(readable(conc_completions_fd(c)));
	conc_completions_destroy(c);
	conc_future_release(f);
}
END_TEST

START_TEST(fd_emfile)
{
	conc_completions *c = completions();
	conc_future *f = finished(1);
	rlim_t before;
	int fd;

	before = limit_descriptors(0);
	fd = conc_completions_fd(c);
	limit_descriptors(before);
	ck_assert_int_eq(fd, -EMFILE);
	ck_assert_int_eq(conc_completions_add(c, f, NULL), 0);
	ck_assert(readable(conc_completions_fd(c)));
	take(c, f, NULL);
	conc_completions_destroy(c);
	conc_future_release(f);
}
END_TEST

START_TEST(destroy_with_outstanding_lets_the_tasks_go_on)
{
	conc_completions *c = completions();
	conc_promise *p;
	conc_future *f = pending(&p), *done = finished(1);

	ck_assert_int_eq(conc_completions_add(c, f, NULL), 0);
	ck_assert_int_eq(conc_completions_add(c, done, NULL), 0);
	ck_assert_int_eq(conc_completions_add(c, f, NULL), 0);
	conc_completions_destroy(c);
	ck_assert_state(f, false, false, false);
	ck_assert_int_eq(finish(p, 1), 0);
	ck_assert_int_eq(conc_future_result(f, NULL, 0), 0);
	conc_promise_destroy(p);
	conc_future_release(f);
	conc_future_release(done);
}
END_TEST

/* One worker: what next waits for is run by the task that waits. */
static int
square(const void *arg, void *result)
{
	*(int *)result = *(const int *)arg * *(const int *)arg;
	return 0;
}

static int
gather(const void *arg, void *result)
{
	conc_executor *pool = *(conc_executor *const *)arg;
	conc_completions *c = completions();
	conc_future *f;
	int sum = 0, value, n = 0;

	for (int i = 1; i <= 4; i++) {
		ck_assert_int_eq(conc_submit(pool, square, &i, sizeof i, sizeof i, &f), 0);
		ck_assert_int_eq(conc_completions_add(c, f, NULL), 0);
		conc_future_release(f);
	}
	for (; conc_completions_next(c, &f, NULL, CONC_FOREVER) == 0; n++) {
		ck_assert_int_eq(conc_future_result(f, &value, sizeof value), 0);
		sum += value;
		conc_future_release(f);
	}
	ck_assert_int_eq(n, 4);
	conc_completions_destroy(c);
	*(int *)result = sum;
	return 0;
}

START_TEST(next_in_a_task_claims)
{
	conc_executor *pool = pool_of(1);
	conc_future *f = submit(pool, gather, pool);
	int sum = 0;

	ck_assert_int_eq(conc_future_result(f, &sum, sizeof sum), 0);
	ck_assert_int_eq(sum, 30);
	conc_future_release(f);
	conc_executor_destroy(pool);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("completions");
	TCase *tc = new_case(s, "order");

	tcase_add_test(tc, completions_in_order_of_ends);
	tcase_add_test(tc, those_that_had_ended_come_in_order_of_adding);
	tcase_add_test(tc, duplicate_is_handed_over_twice);
	tcase_add_test(tc, completions_hand_over_reference);
	tcase_add_test(tc, destroy_with_outstanding_lets_the_tasks_go_on);
	tcase_add_test(tc, next_in_a_task_claims);

	tc = new_case(s, "codes");
	tcase_add_test(tc, next_leaves_its_outputs_on_failure);
	tcase_add_test(tc, completions_einval);
	tcase_add_test(tc, completions_eforked);

	tc = new_case(s, "descriptor");
	tcase_add_test(tc, fd_is_level_triggered);
	tcase_add_test(tc, fd_asked_for_late_is_readable_at_once);
	tcase_add_test(tc, fd_emfile);
	return run_suite(s);
}
