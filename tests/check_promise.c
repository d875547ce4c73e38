/* SPDX-License-Identifier: MIT */
/*
 * Promises: futures that the program ends itself, once.
 */
#include "base/fork.h"
#include "tests/future.h"

START_TEST(finish_hands_the_result_over)
{
	char text[] = "a result of more than a few bytes, copied from where it stood";
	char got[sizeof text];
	conc_promise *p;
	conc_future *f;

	ck_assert_int_eq(conc_promise_create(&p, sizeof text, &f), 0);
	ck_assert_int_eq(conc_promise_finish(p, text, sizeof text), 0);
	memset(text, 'x', sizeof text);
	ck_assert_int_eq(conc_future_result(f, got, sizeof got), 0);
	ck_assert_str_eq(
	    got, "a result of more than a few bytes, copied from where it stood");
	conc_promise_destroy(p);
	conc_future_release(f);
}
END_TEST

START_TEST(fail_takes_the_current_exception_along)
{
	conc_promise *p;
	conc_future *f = pending(&p);
	const conc_exception *e;

	(void)conc_raise(-EIO, "sector %d", 7);
	ck_assert_int_eq(conc_promise_fail(p, -EIO), 0);
	conc_clear();
	e = conc_future_exception(f);
	ck_assert_int_eq(conc_exception_code(e), -EIO);
	ck_assert_str_eq(conc_exception_message(e), "sector 7");
	ck_assert_str_eq(conc_exception_function(e), __func__);
	conc_promise_destroy(p);
	conc_future_release(f);
}
END_TEST

START_TEST(fail_with_another_code_makes_an_exception)
{
	conc_promise *p;
	conc_future *f = pending(&p);
	const conc_exception *e;

	(void)conc_raise(-EDOM, "not this one");
	ck_assert_int_eq(conc_promise_fail(p, -EIO), 0);
	ck_assert_int_eq(conc_exception_code(conc_caught()), -EDOM);
	conc_clear();
	e = conc_future_exception(f);
	ck_assert_int_eq(conc_exception_code(e), -EIO);
	ck_assert_str_eq(conc_exception_message(e), conc_strerror(-EIO));
	conc_promise_destroy(p);
	conc_future_release(f);
}
END_TEST

START_TEST(destroyed_unfinished_is_epipe)
{
	conc_promise *p;
	conc_future *f = pending(&p);
	int value;

	conc_promise_destroy(p);
	ck_assert_state(f, true, false, false);
	ck_assert_int_eq(conc_future_result(f, &value, sizeof value), -EPIPE);
	ck_assert_int_eq(conc_exception_code(conc_future_exception(f)), -EPIPE);
	ck_assert_int_eq(conc_exception_code(conc_caught()), -EPIPE);
	conc_clear();
	conc_future_release(f);
}
END_TEST

START_TEST(destroy_keeps_the_current_exception)
{
	conc_promise *p;
	conc_future *f = pending(&p);

	(void)conc_raise(-EPIPE, "mine, of the same code");
	conc_promise_destroy(p);
	ck_assert_ptr_nonnull(conc_caught());
	ck_assert_str_eq(conc_exception_message(conc_caught()), "mine, of the same code");
	conc_clear();
	(void)conc_future_exception(f);
	conc_future_release(f);
}
END_TEST

START_TEST(finish_twice_is_estate)
{
	conc_promise *p;
	conc_future *f = pending(&p);
	int value = 0;

	ck_assert_int_eq(finish(p, 1), 0);
	ck_assert_int_eq(finish(p, 2), CONC_ESTATE);
	ck_assert_int_eq(conc_promise_fail(p, -EIO), CONC_ESTATE);
	ck_assert_int_eq(conc_future_result(f, &value, sizeof value), 0);
	ck_assert_int_eq(value, 1);
	ck_assert_ptr_null(conc_future_exception(f));
	conc_promise_destroy(p);
	ck_assert_int_eq(conc_future_result(f, &value, sizeof value), 0);
	conc_future_release(f);
}
END_TEST

START_TEST(finish_after_fail_is_estate)
{
	conc_promise *p;
	conc_future *f = pending(&p);

	ck_assert_int_eq(conc_promise_fail(p, -EIO), 0);
	ck_assert_int_eq(finish(p, 2), CONC_ESTATE);
	ck_assert_int_eq(conc_promise_fail(p, -EDOM), CONC_ESTATE);
	ck_assert_int_eq(conc_future_result(f, NULL, 0), -EIO);
	conc_promise_destroy(p);
	ck_assert_int_eq(conc_future_result(f, NULL, 0), -EIO);
	conc_future_release(f);
}
END_TEST

START_TEST(finish_after_cancel_is_estate)
{
	conc_promise *p;
	conc_future *f = pending(&p);

	ck_assert_int_eq(conc_future_cancel(f), 0);
	ck_assert_int_eq(finish(p, 1), CONC_ESTATE);
	ck_assert_int_eq(conc_promise_fail(p, -EIO), CONC_ESTATE);
	ck_assert_int_eq(conc_future_result(f, NULL, 0), -ECANCELED);
	conc_promise_destroy(p);
	ck_assert_state(f, true, false, true);
	conc_future_release(f);
}
END_TEST

START_TEST(fail_refused_keeps_the_current_exception)
{
	conc_promise *p;
	conc_future *f = pending(&p);

	ck_assert_int_eq(finish(p, 1), 0);
	(void)conc_raise(-EIO, "mine");
	ck_assert_int_eq(conc_promise_fail(p, -EIO), CONC_ESTATE);
	ck_assert_ptr_nonnull(conc_caught());
	ck_assert_str_eq(conc_exception_message(conc_caught()), "mine");
	conc_clear();
	conc_promise_destroy(p);
	conc_future_release(f);
}
END_TEST

START_TEST(finish_emsgsize)
{
	static const size_t sizes[] = {0, 1, sizeof(int) - 1, sizeof(int) + 1, SIZE_MAX};
	conc_promise *p;
	conc_future *f = pending(&p);
	int values[2] = {7, 8};

	ck_assert_int_eq(conc_promise_finish(p, values, sizes[_i]), -EMSGSIZE);
	ck_assert_state(f, false, false, false);
	ck_assert_int_eq(finish(p, 1), 0);
	conc_promise_destroy(p);
	conc_future_release(f);
}
END_TEST

START_TEST(promise_einval)
{
	conc_promise *p = NULL, *unset = NULL;
	conc_future *f = NULL;
	int value = 1;

	ck_assert_int_eq(conc_promise_create(NULL, 1, &f), -EINVAL);
	ck_assert_int_eq(conc_promise_create(&unset, 1, NULL), -EINVAL);
	ck_assert_ptr_null(f);
	ck_assert_ptr_null(unset);
	ck_assert_int_eq(conc_promise_finish(NULL, &value, sizeof value), -EINVAL);
	ck_assert_int_eq(conc_promise_fail(NULL, -EIO), -EINVAL);
	conc_promise_destroy(NULL);
	f = pending(&p);
	ck_assert_int_eq(conc_promise_finish(p, NULL, sizeof value), -EINVAL);
	ck_assert_int_eq(conc_promise_fail(p, 0), -EINVAL);
	ck_assert_state(f, false, false, false);
	ck_assert_int_eq(finish(p, 1), 0);
	conc_promise_destroy(p);
	conc_future_release(f);
}
END_TEST

START_TEST(promise_enomem)
{
	static const size_t sizes[] = {SIZE_MAX, SIZE_MAX - 8, SIZE_MAX - 64, SIZE_MAX / 2};
	conc_promise *p = NULL;
	conc_future *f = NULL;

	ck_assert_int_eq(conc_promise_create(&p, sizes[_i], &f), -ENOMEM);
	ck_assert_ptr_null(p);
	ck_assert_ptr_null(f);
}
END_TEST

/* Without memory for the fork handler nothing is made that it would have to know of. */
static void
create_without_fork_handler(void)
{
	uint32_t generation;
	conc_completions *c = NULL;
	conc_promise *p = NULL;
	conc_future *f = NULL;

	ck_assert_int_eq(conc__generation(&generation), 0);
	/* relaxed: one thread; as if it could not have been installed */
	conc__store_relaxed(&conc__generation_now, 0);
	ck_assert_int_eq(conc_promise_create(&p, 1, &f), -ENOMEM);
	ck_assert_int_eq(conc_completions_create(&c), -ENOMEM);
	ck_assert_ptr_null(p);
	ck_assert_ptr_null(f);
	ck_assert_ptr_null(c);
}

START_TEST(create_enomem_without_fork_handler)
{
	ck_assert_int_eq(run_in_child(create_without_fork_handler), 0);
}
END_TEST

static conc_promise *inherited;
static conc_future *inherited_future;

static void
use_what_was_inherited(void)
{
	ck_assert_int_eq(finish(inherited, 1), CONC_EFORKED);
	ck_assert_int_eq(conc_promise_fail(inherited, -EIO), CONC_EFORKED);
	ck_assert(!conc_future_done(inherited_future));
	watch_hook();
	conc_promise_destroy(inherited);
	conc_future_release(inherited_future);
	ck_assert_int_eq(hook_calls(), 0);
	/* The child's own ones work. */
	ck_assert_int_eq(conc_future_result((inherited_future = finished(7)), NULL, 0), 0);
	conc_future_release(inherited_future);
}

START_TEST(promise_eforked)
{
	inherited_future = pending(&inherited);
	ck_assert_int_eq(run_in_child(use_what_was_inherited), 0);
	ck_assert_int_eq(finish(inherited, 1), 0);
	conc_promise_destroy(inherited);
	conc_future_release(inherited_future);
}
END_TEST

START_TEST(future_outlives_its_promise)
{
	conc_promise *p;
	conc_future *f = pending(&p);
	const void *view;

	ck_assert_int_eq(finish(p, 7), 0);
	ck_assert_int_eq(conc_future_view(f, &view, NULL), 0);
	conc_promise_destroy(p);
	ck_assert_int_eq(*(const int *)view, 7);
	conc_future_release(f);
}
END_TEST

START_TEST(promise_outlives_its_future)
{
	conc_promise *p;

	conc_future_release(pending(&p));
	ck_assert_int_eq(finish(p, 7), 0);
	ck_assert_int_eq(finish(p, 8), CONC_ESTATE);
	conc_promise_destroy(p);
}
END_TEST

/* Four try to end the same future, each in his way: one wins. */
struct contest {
	conc_promise *p;
	conc_future *f;
	pthread_barrier_t begin;
};

struct contender {
	struct contest *contest;
	int index, answer;
	uint32_t seed;
};

static void *
contend(void *arg)
{
	struct contender *me = arg;

	pthread_barrier_wait(&me->contest->begin);
	jitter(&me->seed);
	if (me->index < 2)
		me->answer = finish(me->contest->p, me->index);
	else if (me->index == 2)
		me->answer = conc_promise_fail(me->contest->p, -EIO);
	else
		me->answer = conc_future_cancel(me->contest->f);
	return NULL;
}

START_TEST(of_several_one_wins)
{
	for (int n = 0; n < seeds(); n++) {
		struct contest contest;
		struct contender contenders[4];
		pthread_t threads[4];
		int winner = -1, rc, value = -1;

		contest.f = pending(&contest.p);
		pthread_barrier_init(&contest.begin, NULL, 4);
		for (int i = 0; i < 4; i++) {
			contenders[i] =
			    (struct contender){&contest, i, 1, seed_start(n * 4 + i)};
			threads[i] = start(contend, &contenders[i]);
		}
		for (int i = 0; i < 4; i++) {
			join(threads[i]);
			if (contenders[i].answer == 0) {
				ck_assert_int_eq(winner, -1);
				winner = i;
			} else {
				ck_assert_int_eq(contenders[i].answer, CONC_ESTATE);
			}
		}
		rc = conc_future_result(contest.f, &value, sizeof value);
		ck_assert_int_eq(rc, winner < 2 ? 0 : winner == 2 ? -EIO : -ECANCELED);
		ck_assert_int_eq(value, winner < 2 ? winner : -1);
		pthread_barrier_destroy(&contest.begin);
		conc_promise_destroy(contest.p);
		conc_future_release(contest.f);
	}
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("promise");
	TCase *tc = new_case(s, "ends");

	tcase_add_test(tc, finish_hands_the_result_over);
	tcase_add_test(tc, fail_takes_the_current_exception_along);
	tcase_add_test(tc, fail_with_another_code_makes_an_exception);
	tcase_add_test(tc, destroyed_unfinished_is_epipe);
	tcase_add_test(tc, destroy_keeps_the_current_exception);
	tcase_add_test(tc, future_outlives_its_promise);
	tcase_add_test(tc, promise_outlives_its_future);
	tcase_add_test(tc, of_several_one_wins);

	tc = new_case(s, "codes");
	tcase_add_test(tc, finish_twice_is_estate);
	tcase_add_test(tc, finish_after_fail_is_estate);
	tcase_add_test(tc, finish_after_cancel_is_estate);
	tcase_add_test(tc, fail_refused_keeps_the_current_exception);
	tcase_add_loop_test(tc, finish_emsgsize, 0, 5);
	tcase_add_test(tc, promise_einval);
	tcase_add_loop_test(tc, promise_enomem, 0, 4);
	tcase_add_test(tc, create_enomem_without_fork_handler);
	tcase_add_test(tc, promise_eforked);
	return run_suite(s);
}
