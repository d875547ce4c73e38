/* SPDX-License-Identifier: MIT */
/*
 * Joining threads, and whether they live.  Where CPython tests the same of
 * threading.Thread, the test has that one's name.
 */
#include "tests/thread.h"
#include <stdatomic.h>

/* It is alive until it has returned, and not then: without a join. */
START_TEST(repr_stopped)
{
	struct gate gate = GATE;
	conc_thread *t = at_gate(&gate, NULL);

	ck_assert(conc_thread_alive(t));
	ck_assert_int_eq(conc_thread_join(t, CONC_NOW), -ETIMEDOUT);
	ck_assert_int_eq(conc_thread_join(t, conc_after_ms(1)), -ETIMEDOUT);
	ck_assert(conc_thread_alive(t));
	latch_set(&gate.open);
	eventually(has_ended, t);
	ck_assert_int_eq(conc_thread_join(t, CONC_NOW), 0);
	conc_thread_destroy(t);
}
END_TEST

START_TEST(enumerate_after_join)
{
	for (int i = 0; i < 2 * seeds(); i++) {
		conc_thread *t = THREAD(return_zero, NULL, 0, .name = NULL);

		ck_assert_int_eq(conc_thread_join(t, CONC_FOREVER), 0);
		ck_assert(!conc_thread_alive(t));
		conc_thread_destroy(t);
	}
}
END_TEST

START_TEST(join_hands_the_failure_over)
{
	conc_thread *t = THREAD(run_fails, NULL, 0, .name = "digger");

	watch_hook();
	for (int i = 0; i < 2; i++) {
		ck_assert_int_eq(conc_thread_join(t, CONC_FOREVER), -EDOM);
		ck_assert_str_eq(conc_exception_message(conc_caught()), "run failed");
		ck_assert_str_eq(conc_exception_function(conc_caught()), "run_fails");
		ck_assert_str_eq(conc_exception_task(conc_caught()), "digger");
		conc_clear();
	}
	ck_assert_int_eq(conc_exception_code(conc_thread_exception(t)), -EDOM);
	ck_assert_ptr_null(conc_caught());
	conc_thread_destroy(t);
	ck_assert_int_eq(hook_calls(), 0);
}
END_TEST

START_TEST(exception_looks)
{
	struct gate gate = GATE;
	conc_thread *t = at_gate(&gate, NULL);

	watch_hook();
	gate.code = -ECANCELED; /* a failure like others: nobody had asked */
	ck_assert_ptr_null(conc_thread_exception(t));
	latch_set(&gate.open);
	eventually(has_ended, t);
	ck_assert_int_eq(conc_exception_code(conc_thread_exception(t)), -ECANCELED);
	ck_assert_ptr_null(conc_caught());
	conc_thread_destroy(t);
	ck_assert_int_eq(hook_calls(), 0);
}
END_TEST

static int
exit_thread(const void *arg, void *result)
{
	(void)arg;
	(void)result;
	(void)conc_raise(-EIO, "not this one");
	pthread_exit(NULL);
}

START_TEST(left_by_pthread_exit_is_ecrashed)
{
	conc_thread *t = THREAD(exit_thread, NULL, 0, .name = "leaver");

	ck_assert_int_eq(conc_thread_join(t, CONC_FOREVER), CONC_ECRASHED);
	ck_assert_ptr_nonnull(strstr(conc_exception_message(conc_caught()), "pthread_exit"));
	ck_assert_str_eq(conc_exception_task(conc_caught()), "leaver");
	conc_clear();
	conc_thread_destroy(t);
}
END_TEST

/* Several join at once: each has the same answer. */
struct joiners {
	conc_thread *thread;
	atomic_int failed;
};

static void *
joiner(void *arg)
{
	struct joiners *j = arg;

	j->failed += conc_thread_join(j->thread, CONC_FOREVER) == -EDOM &&
	    conc_exception_code(conc_caught()) == -EDOM;
	return NULL;
}

START_TEST(join_from_multiple_threads)
{
	for (int n = 0; n < seeds(); n++) {
		struct gate gate = GATE;
		struct joiners j = {at_gate(&gate, NULL), 0};
		pthread_t threads[4];
		uint32_t seed = seed_start(n);

		gate.code = -EDOM;
		for (int i = 0; i < 4; i++)
			threads[i] = start(joiner, &j);
		jitter(&seed);
		latch_set(&gate.open);
		for (int i = 0; i < 4; i++)
			join(threads[i]);
		ck_assert_int_eq(j.failed, 4);
		conc_thread_destroy(j.thread);
	}
}
END_TEST

/* It gets its own handle behind the gate, and does something with it. */
struct handed {
	struct gate gate;
	conc_thread *own;
};

static int
join_itself(const void *arg, void *result)
{
	struct handed *h = (struct handed *)arg;
	int rc = through_gate(&h->gate, result);

	ck_assert(conc_thread_alive(h->own));
	ck_assert_int_eq(conc_thread_join(h->own, CONC_NOW), -ETIMEDOUT);
	return rc != 0 ? rc : conc_thread_join(h->own, CONC_FOREVER);
}

START_TEST(joining_current_thread)
{
	struct handed h = {GATE, NULL};

	h.own = THREAD(join_itself, &h, CONC_BORROW, .name = NULL);
	latch_set(&h.gate.open);
	ck_assert_int_eq(conc_thread_join(h.own, CONC_FOREVER), -EDEADLK);
	conc_clear();
	conc_thread_destroy(h.own);
}
END_TEST

static void
join_in_callback(conc_future *f, void *user)
{
	(void)f;
	ck_assert_int_eq(conc_thread_join(user, CONC_NOW), -ETIMEDOUT);
	ck_assert_int_eq(conc_thread_join(user, CONC_FOREVER), -EDEADLK);
	ck_assert_uint_ne(conc_thread_ident(user), 0);
	conc_thread_destroy(user); /* lets it go */
}

START_TEST(join_in_a_callback_is_edeadlk)
{
	static struct gate gate = GATE; /* which outlives this function, as the thread may */
	conc_thread *t = at_gate(&gate, NULL);
	conc_future *f = finished(7);

	ck_assert_int_eq(conc_future_on_done(f, join_in_callback, t), 0);
	conc_future_release(f);
	latch_set(&gate.open);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("thread_join");
	TCase *tc = new_case(s, "join");

	tcase_add_test(tc, repr_stopped);
	tcase_add_test(tc, enumerate_after_join);
	tcase_add_test(tc, join_hands_the_failure_over);
	tcase_add_test(tc, exception_looks);
	tcase_add_test(tc, left_by_pthread_exit_is_ecrashed);
	tcase_add_test(tc, join_from_multiple_threads);
	tcase_add_test(tc, joining_current_thread);
	tcase_add_test(tc, join_in_a_callback_is_edeadlk);
	return run_suite(s);
}
