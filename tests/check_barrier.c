/* SPDX-License-Identifier: MIT */
/*
 * Barriers.  Tests that CPython has as well bear its names.
 * check_barrier_races.c tests them under storm.
 */
#include "tests/bunch.h"

enum { N = 5 };

/* A barrier, how many came before and after it, and what became of them. */
struct field {
	conc_barrier b, second;
	struct latch before, after, passed, broken, again;
	int passes;
	uint64_t places; /* a digit of base 16 each: how often it was taken; under lock */
	pthread_mutex_t lock;
};

#define FIELD                                                                              \
	{                                                                                  \
		CONC_BARRIER_INIT(N), CONC_BARRIER_INIT(N), LATCH, LATCH, LATCH, LATCH,    \
		    LATCH, 1, 0, PTHREAD_MUTEX_INITIALIZER                                 \
	}

static void
run_threads(void (*f)(void *), struct field *x)
{
	struct bunch b;

	bunch_start(&b, N - 1, f, x);
	f(x);
	bunch_join(&b);
}

static int
wait_forever(conc_barrier *b)
{
	return conc_barrier_wait(b, CONC_FOREVER);
}

START_TEST(constructor)
{
	conc_barrier b = CONC_BARRIER_INIT(7), zero = {0};

	ck_assert_uint_eq(conc_barrier_parties(&b), 7);
	ck_assert_int_eq(conc_barrier_init(&b, 0, 0), -EINVAL);
	ck_assert_int_eq(conc_barrier_init(&b, 2, 0x2), -EINVAL);
	ck_assert_int_eq(conc_barrier_init(&b, 2, CONC_SHARED), -ENOTSUP);
	ck_assert_int_eq(conc_barrier_init(NULL, 2, 0), -EINVAL);
	ck_assert_uint_eq(conc_barrier_parties(&b), 7); /* as it was */
	memset(&b, 0xff, sizeof b);
	ck_assert_int_eq(conc_barrier_init(&b, 2, 0), 0);
	ck_assert_uint_eq(conc_barrier_parties(&b), 2);
	ck_assert_uint_eq(conc_barrier_waiting(&b), 0);
	ck_assert(!conc_barrier_broken(&b));
	conc_barrier_fini(&b);
	ck_assert_mem_eq(&b, &zero, sizeof b);
	ck_assert_int_eq(conc_barrier_wait(&b, CONC_NOW), -EINVAL); /* no parties */
}
END_TEST

START_TEST(null_einval)
{
	ck_assert_int_eq(conc_barrier_wait(NULL, CONC_NOW), -EINVAL);
	ck_assert_int_eq(conc_barrier_wait_index(NULL, NULL, CONC_NOW), -EINVAL);
	ck_assert_int_eq(conc_barrier_set_action(NULL, NULL, NULL), -EINVAL);
	ck_assert_int_eq(conc_barrier_abort(NULL), -EINVAL);
	ck_assert_int_eq(conc_barrier_reset(NULL), -EINVAL);
	ck_assert_uint_eq(conc_barrier_parties(NULL), 0);
	ck_assert_uint_eq(conc_barrier_waiting(NULL), 0);
	ck_assert(!conc_barrier_broken(NULL));
	conc_barrier_fini(NULL);
}
END_TEST

static void
multipass(void *arg)
{
	struct field *x = arg;

	ck_assert_uint_eq(conc_barrier_parties(&x->b), N);
	for (int i = 0; i < x->passes; i++) {
		latch_set(&x->before);
		ck_assert_int_eq(latch_count(&x->after), i * N);
		ck_assert_int_eq(wait_forever(&x->b), 0);
		latch_set(&x->after);
		ck_assert_int_eq(latch_count(&x->before), (i + 1) * N);
		ck_assert_int_eq(wait_forever(&x->b), 0);
	}
}

START_TEST(barrier)
{
	struct field x = FIELD;

	run_threads(multipass, &x);
	ck_assert_uint_eq(conc_barrier_waiting(&x.b), 0);
	ck_assert(!conc_barrier_broken(&x.b));
}
END_TEST

START_TEST(barrier_10)
{
	struct field x = FIELD;

	x.passes = 10;
	run_threads(multipass, &x);
	ck_assert_uint_eq(conc_barrier_waiting(&x.b), 0);
	ck_assert(!conc_barrier_broken(&x.b));
}
END_TEST

static void
note_place(void *arg)
{
	struct field *x = arg;
	uint32_t index = 15;

	ck_assert_int_eq(conc_barrier_wait_index(&x->b, &index, CONC_FOREVER), 0);
	pthread_mutex_lock(&x->lock);
	x->places += UINT64_C(1) << 4 * index;
	pthread_mutex_unlock(&x->lock);
}

START_TEST(wait_return)
{
	struct field x = FIELD;

	for (int i = 0; i < 3; i++)
		run_threads(note_place, &x);
	ck_assert_uint_eq(x.places, 0x33333);
}
END_TEST

static int
act(void *user)
{
	struct field *x = user;

	ck_assert_int_eq(latch_count(&x->before), N);
	ck_assert_int_eq(latch_count(&x->passed), 0);
	latch_set(&x->again);
	return 0;
}

static void
wait_with_action(void *arg)
{
	struct field *x = arg;

	latch_set(&x->before);
	ck_assert_int_eq(wait_forever(&x->b), 0);
	latch_set(&x->passed);
	ck_assert_int_eq(latch_count(&x->again), 1);
}

START_TEST(action)
{
	struct field x = FIELD;

	ck_assert_int_eq(conc_barrier_set_action(&x.b, act, &x), 0);
	run_threads(wait_with_action, &x);
	ck_assert_int_eq(latch_count(&x.again), 1);
}
END_TEST

static int
act_in_vain(void *user)
{
	(void)user;
	return conc_raise(-EIO, "the action fails");
}

static void
wait_in_vain(void *arg)
{
	struct field *x = arg;
	int rc = wait_forever(&x->b);

	ck_assert(rc == -EIO || rc == CONC_EBROKEN);
	latch_set(rc == -EIO ? &x->passed : &x->broken);
	if (rc == -EIO) {
		ck_assert_str_eq(conc_exception_message(conc_caught()), "the action fails");
		conc_clear();
	}
	ck_assert_ptr_null(conc_caught());
}

START_TEST(action_that_fails_breaks)
{
	struct field x = FIELD;

	ck_assert_int_eq(conc_barrier_set_action(&x.b, act_in_vain, NULL), 0);
	run_threads(wait_in_vain, &x);
	ck_assert_int_eq(latch_count(&x.passed), 1);
	ck_assert_int_eq(latch_count(&x.broken), N - 1);
	ck_assert(conc_barrier_broken(&x.b));
	ck_assert_int_eq(wait_forever(&x.b), CONC_EBROKEN);
	ck_assert_int_eq(conc_barrier_reset(&x.b), 0);
	ck_assert_int_eq(conc_barrier_set_action(&x.b, NULL, NULL), 0);
	x.passes = 1;
	run_threads(multipass, &x);
}
END_TEST

static bool
others_wait(void *b)
{
	return conc_barrier_waiting(b) == N - 1;
}

static void
note_broken(void *arg)
{
	struct field *x = arg;

	ck_assert_int_eq(wait_forever(&x->b), CONC_EBROKEN);
	latch_set(&x->broken);
}

START_TEST(set_action_ebusy)
{
	struct field x = FIELD;
	struct bunch b;

	bunch_start(&b, N - 1, note_broken, &x);
	eventually(others_wait, &x.b);
	ck_assert_int_eq(conc_barrier_set_action(&x.b, act, &x), -EBUSY);
	ck_assert_int_eq(conc_barrier_abort(&x.b), 0);
	bunch_join(&b);
	ck_assert_int_eq(conc_barrier_set_action(&x.b, act, &x), 0);
}
END_TEST

/* Pass once; then one of the parties breaks the barrier, and the others wait for it in vain. */
static uint32_t
pass_then_abort(struct field *x)
{
	uint32_t i;

	ck_assert_int_eq(conc_barrier_wait_index(&x->b, &i, CONC_FOREVER), 0);
	if (i == N / 2) {
		ck_assert_int_eq(conc_barrier_abort(&x->b), 0);
	} else {
		ck_assert_int_eq(wait_forever(&x->b), CONC_EBROKEN);
		latch_set(&x->broken);
	}
	return i;
}

static void
abort_one(void *arg)
{
	pass_then_abort(arg);
}

START_TEST(abort_breaks)
{
	struct field x = FIELD;

	run_threads(abort_one, &x);
	ck_assert_int_eq(latch_count(&x.broken), N - 1);
	ck_assert(conc_barrier_broken(&x.b));
	ck_assert_int_eq(wait_forever(&x.b), CONC_EBROKEN);
	ck_assert_int_eq(conc_barrier_abort(&x.b), 0); /* once more */
}
END_TEST

static void
reset_one(void *arg)
{
	struct field *x = arg;
	uint32_t i;

	ck_assert_int_eq(conc_barrier_wait_index(&x->b, &i, CONC_FOREVER), 0);
	if (i == N / 2) {
		eventually(others_wait, &x->b);
		ck_assert_int_eq(conc_barrier_reset(&x->b), 0);
	} else {
		ck_assert_int_eq(wait_forever(&x->b), CONC_EBROKEN);
		latch_set(&x->broken);
	}
	ck_assert_int_eq(wait_forever(&x->b), 0);
	latch_set(&x->again);
}

START_TEST(reset)
{
	struct field x = FIELD;

	run_threads(reset_one, &x);
	ck_assert_int_eq(latch_count(&x.broken), N - 1);
	ck_assert_int_eq(latch_count(&x.again), N);
	ck_assert(!conc_barrier_broken(&x.b));
}
END_TEST

static void
abort_and_reset_one(void *arg)
{
	struct field *x = arg;
	uint32_t i;

	pass_then_abort(x);
	ck_assert_int_eq(conc_barrier_wait_index(&x->second, &i, CONC_FOREVER), 0);
	if (i == N / 2)
		ck_assert_int_eq(conc_barrier_reset(&x->b), 0);
	ck_assert_int_eq(wait_forever(&x->second), 0);
	ck_assert_int_eq(wait_forever(&x->b), 0);
	latch_set(&x->again);
}

START_TEST(abort_and_reset)
{
	struct field x = FIELD;

	run_threads(abort_and_reset_one, &x);
	ck_assert_int_eq(latch_count(&x.broken), N - 1);
	ck_assert_int_eq(latch_count(&x.again), N);
}
END_TEST

static void
come_too_late(void *arg)
{
	struct field *x = arg;
	conc_time deadline;
	uint32_t i;
	int rc;

	ck_assert_int_eq(conc_barrier_wait_index(&x->b, &i, CONC_FOREVER), 0);
	if (i == N / 2) {
		/* One thread is late: it comes when the others have given up. */
		latch_wait(&x->broken, N - 1);
		ck_assert_int_eq(wait_forever(&x->b), CONC_EBROKEN);
		return;
	}
	deadline = conc_after_ms(20);
	rc = conc_barrier_wait(&x->b, deadline);
	ck_assert(rc == -ETIMEDOUT || rc == CONC_EBROKEN);
	if (rc == -ETIMEDOUT) {
		ck_assert(conc_after(0).ns >= deadline.ns);
		latch_set(&x->passed);
	}
	latch_set(&x->broken);
}

START_TEST(timeout)
{
	struct field x = FIELD;

	run_threads(come_too_late, &x);
	ck_assert_int_ge(latch_count(&x.passed), 1); /* who gave up; one says it is enough */
	ck_assert(conc_barrier_broken(&x.b));
	ck_assert_uint_eq(conc_barrier_waiting(&x.b), 0);
}
END_TEST

/* Only the last to come needs not wait; for any other it is too late at once. */
START_TEST(now_is_for_the_last)
{
	struct field x = FIELD;
	struct bunch b;
	uint32_t index = 15;

	bunch_start(&b, N - 1, note_place, &x);
	eventually(others_wait, &x.b);
	ck_assert_int_eq(conc_barrier_wait_index(&x.b, &index, CONC_NOW), 0);
	ck_assert_uint_eq(index, N - 1);
	bunch_join(&b);
	ck_assert_uint_eq(x.places, 0x1111);
	bunch_start(&b, 1, note_broken, &x);
	ck_assert_int_eq(conc_barrier_wait_index(&x.b, &index, CONC_NOW), -ETIMEDOUT);
	ck_assert_uint_eq(index, N - 1);
	bunch_join(&b);
	ck_assert_int_eq(conc_barrier_wait(&x.b, CONC_NOW), CONC_EBROKEN);
}
END_TEST

START_TEST(single_thread)
{
	conc_barrier b = CONC_BARRIER_INIT(1);
	uint32_t index = 15;

	ck_assert_int_eq(wait_forever(&b), 0);
	ck_assert_int_eq(conc_barrier_wait_index(&b, &index, CONC_NOW), 0);
	ck_assert_uint_eq(index, 0);
	ck_assert(!conc_barrier_broken(&b));
}
END_TEST

static int
wait_a_while(void *b)
{
	return conc_barrier_wait(b, conc_after(CONC_S(600)));
}

/* Refused, it has not come, and breaks nothing; the last one need not wait. */
START_TEST(callback_edeadlk)
{
	conc_barrier two = CONC_BARRIER_INIT(2), one = CONC_BARRIER_INIT(1);

	ck_assert_int_eq(in_callback(wait_a_while, &two), -EDEADLK);
	ck_assert_uint_eq(conc_barrier_waiting(&two), 0);
	ck_assert(!conc_barrier_broken(&two));
	ck_assert_int_eq(in_callback(wait_a_while, &one), 0);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("barrier");
	TCase *tc = new_case(s, "alone");

	tcase_add_test(tc, constructor);
	tcase_add_test(tc, null_einval);
	tcase_add_test(tc, single_thread);
	tcase_add_test(tc, callback_edeadlk);
	tc = new_case(s, "threads");
	tcase_add_test(tc, barrier);
	tcase_add_test(tc, barrier_10);
	tcase_add_test(tc, wait_return);
	tcase_add_test(tc, action);
	tcase_add_test(tc, action_that_fails_breaks);
	tcase_add_test(tc, set_action_ebusy);
	tcase_add_test(tc, abort_breaks);
	tcase_add_test(tc, reset);
	tcase_add_test(tc, abort_and_reset);
	tcase_add_test(tc, timeout);
	tcase_add_test(tc, now_is_for_the_last);
	return run_suite(s);
}
