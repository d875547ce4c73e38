/* SPDX-License-Identifier: MIT */
/*
 * Waiting against finishing: no wake-up is lost, no answer is untrue, and a
 * waiter may release what it waited for the moment it is told.
 */
#include "tests/future.h"

/* Several finish their futures, one each, after some jitter. */
enum { MANY = 4 };

struct finisher {
	conc_promise *p;
	pthread_barrier_t *begin;
	uint32_t seed;
	int how; /* 0: finish, 1: fail, 2: cancel */
	conc_future *f;
};

static void *
finish_one(void *arg)
{
	struct finisher *x = arg;

	pthread_barrier_wait(x->begin);
	for (int i = 0; i < 3; i++)
		jitter(&x->seed);
	switch (x->how) {
	case 0:
		ck_assert_int_eq(finish(x->p, 1), 0);
		break;
	case 1:
		ck_assert_int_eq(conc_promise_fail(x->p, -EIO), 0);
		break;
	default:
		ck_assert_int_eq(conc_future_cancel(x->f), 0);
		conc_future_release(x->f);
	}
	conc_promise_destroy(x->p);
	return NULL;
}

struct field {
	pthread_barrier_t begin;
	struct finisher finishers[MANY];
	pthread_t threads[MANY];
	conc_future *f[MANY];
	uint32_t seed;
};

/* n futures, and a thread each that ends it once the barrier opens. */
static void
line_up(struct field *field, int n, int seed, bool all_finish)
{
	field->seed = seed_start(seed);
	pthread_barrier_init(&field->begin, NULL, (unsigned)n + 1);
	for (int i = 0; i < n; i++) {
		struct finisher *x = &field->finishers[i];

		field->f[i] = pending(&x->p);
		x->begin = &field->begin;
		x->seed = seed_start(seed * MANY + i);
		x->how = all_finish ? 0 : (int)random_below(&field->seed, 3);
		x->f = x->how == 2 ? conc_future_ref(field->f[i]) : NULL;
		field->threads[i] = start(finish_one, x);
	}
	pthread_barrier_wait(&field->begin);
	jitter(&field->seed);
}

static void
line_down(struct field *field, int n)
{
	for (int i = 0; i < n; i++)
		join(field->threads[i]);
	pthread_barrier_destroy(&field->begin);
}

/* Whoever ends the future may still be busy with it: the waiter does not care. */
START_TEST(waiter_may_release_at_once)
{
	for (int n = 0; n < seeds(); n++) {
		struct field field;
		const void *view;

		line_up(&field, 1, n, true);
		switch (_i) {
		case 0:
			ck_assert_int_eq(conc_future_wait(field.f[0], CONC_FOREVER), 0);
			break;
		case 1:
			ck_assert_int_eq(conc_future_result(field.f[0], NULL, 0), 0);
			break;
		case 2:
			ck_assert_int_eq(conc_future_view(field.f[0], &view, NULL), 0);
			break;
		case 3:
			while (!conc_future_done(field.f[0]))
				jitter(&field.seed);
			break;
		default:
			ck_assert_int_eq(conc_wait(field.f, 1, CONC_ALL, CONC_FOREVER), 0);
		}
		conc_future_release(field.f[0]);
		line_down(&field, 1);
	}
}
END_TEST

/*
 * Who sees it done without having waited sees the result.  No assertion until
 * then: Check's take a lock, which would order it.
 */
struct loner {
	conc_promise *p;
	int rc;
};

static void *
finish_alone(void *arg)
{
	struct loner *x = arg;

	x->rc = finish(x->p, 42);
	return NULL;
}

START_TEST(seen_by_who_does_not_wait)
{
	for (int n = 0; n < seeds(); n++) {
		struct loner x = {NULL, -1};
		conc_future *f = pending(&x.p);
		pthread_t thread = start(finish_alone, &x);
		int result = 0, rc;

		while (!conc_future_done(f))
			sched_yield();
		rc = conc_future_result(f, &result, sizeof result);
		join(thread);
		ck_assert_int_eq(x.rc, 0);
		ck_assert_int_eq(rc, 0);
		ck_assert_int_eq(result, 42);
		conc_future_release(f);
		conc_promise_destroy(x.p);
	}
}
END_TEST

static int
answer(const void *arg, void *result)
{
	(void)arg;
	*(int *)result = 42;
	return 0;
}

START_TEST(waiter_of_a_task_may_release_at_once)
{
	conc_executor *pool = pool_of(2);

	for (int n = 0; n < seeds(); n++) {
		uint32_t seed = seed_start(n);
		conc_future *f[2];

		for (int i = 0; i < 2; i++)
			f[i] = submit(pool, answer, NULL);
		jitter(&seed);
		ck_assert_int_eq(conc_wait(f, 2, CONC_ALL, CONC_FOREVER), 0);
		conc_future_release(f[0]);
		conc_future_release(f[1]);
	}
	conc_executor_destroy(pool);
}
END_TEST

/* No wake-up is lost while several finish and one waits: python's test_pending_calls_race. */
START_TEST(no_lost_wakeup)
{
	for (int n = 0; n < seeds(); n++) {
		struct field field;
		int done = 0, bad = 0;

		line_up(&field, MANY, n, false);
		ck_assert_int_eq(conc_wait(field.f, MANY, (conc_wait_how)_i, CONC_FOREVER), 0);
		for (int i = 0; i < MANY; i++) {
			done += conc_future_done(field.f[i]);
			bad += conc_future_exception(field.f[i]) != NULL;
		}
		if (_i == CONC_ALL)
			ck_assert_int_eq(done, MANY);
		else if (_i == CONC_ANY)
			ck_assert_int_ge(done, 1);
		else
			ck_assert(bad > 0 || done == MANY);
		ck_assert_int_eq(conc_wait(field.f, MANY, CONC_ALL, CONC_FOREVER), 0);
		for (int i = 0; i < MANY; i++) {
			(void)conc_future_exception(field.f[i]);
			conc_future_release(field.f[i]);
		}
		line_down(&field, MANY);
	}
}
END_TEST

/* The deadline passes while they finish: either answer, but a true one. */
START_TEST(timeout_against_finish)
{
	for (int n = 0; n < seeds(); n++) {
		struct field field;
		conc_time soon;
		int rc;

		line_up(&field, MANY, n, true);
		soon = conc_after(random_below(&field.seed, 100000));
		if (_i)
			rc = conc_wait(field.f, MANY, CONC_ALL, soon);
		else
			rc = conc_future_wait(field.f[0], soon);
		ck_assert(rc == 0 || rc == -ETIMEDOUT);
		if (rc == 0)
			for (int i = 0; i < (_i ? MANY : 1); i++)
				ck_assert(conc_future_done(field.f[i]));
		ck_assert_int_eq(conc_wait(field.f, MANY, CONC_ALL, CONC_FOREVER), 0);
		for (int i = 0; i < MANY; i++)
			conc_future_release(field.f[i]);
		line_down(&field, MANY);
	}
}
END_TEST

/* Several wait for the same futures, in their own ways. */
static void *
wait_too(void *arg)
{
	struct finisher *x = arg;

	pthread_barrier_wait(x->begin);
	jitter(&x->seed);
	ck_assert_int_eq(x->how ? conc_wait(&x->f, 1, CONC_ANY, CONC_FOREVER)
				: conc_future_wait(x->f, CONC_FOREVER),
	    0);
	conc_future_release(x->f);
	return NULL;
}

START_TEST(all_waiters_are_woken)
{
	for (int n = 0; n < seeds(); n++) {
		struct finisher waiters[MANY];
		pthread_t threads[MANY];
		pthread_barrier_t begin;
		uint32_t seed = seed_start(n);
		conc_promise *p;
		conc_future *f = pending(&p);

		pthread_barrier_init(&begin, NULL, MANY + 1);
		for (int i = 0; i < MANY; i++) {
			waiters[i] = (struct finisher){.begin = &begin, .how = i % 2,
			    .seed = seed_start(n * MANY + i), .f = conc_future_ref(f)};
			threads[i] = start(wait_too, &waiters[i]);
		}
		pthread_barrier_wait(&begin);
		for (int i = 0; i < 4; i++)
			jitter(&seed);
		ck_assert_int_eq(finish(p, 1), 0);
		conc_promise_destroy(p);
		conc_future_release(f);
		for (int i = 0; i < MANY; i++)
			join(threads[i]);
		pthread_barrier_destroy(&begin);
	}
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("wait races");
	TCase *tc = new_case(s, "races");

	tcase_add_loop_test(tc, waiter_may_release_at_once, 0, 5);
	tcase_add_test(tc, seen_by_who_does_not_wait);
	tcase_add_test(tc, waiter_of_a_task_may_release_at_once);
	tcase_add_loop_test(tc, no_lost_wakeup, CONC_ALL, CONC_FIRST_EXCEPTION + 1);
	tcase_add_loop_test(tc, timeout_against_finish, 0, 2);
	tcase_add_test(tc, all_waiters_are_woken);
	return run_suite(s);
}
