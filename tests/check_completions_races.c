/* SPDX-License-Identifier: MIT */
/*
 * Completions with many adders, takers and finishers at once.
 */
#include "tests/future.h"

/* Who waits in next, when somebody else takes the last one, waits for nothing. */
static void *
take_one(void *arg)
{
	conc_future *f;
	int rc = conc_completions_next(arg, &f, NULL, CONC_FOREVER);

	if (rc == 0)
		conc_future_release(f);
	return (void *)(intptr_t)rc;
}

START_TEST(taker_of_nothing_left_is_enoent)
{
	for (int n = 0; n < seeds(); n++) {
		conc_completions *c = completions();
		uint32_t seed = seed_start(n);
		conc_promise *p;
		conc_future *f = pending(&p);
		pthread_t takers[2];
		void *answers[2];

		ck_assert_int_eq(conc_completions_add(c, f, NULL), 0);
		for (int i = 0; i < 2; i++)
			takers[i] = start(take_one, c);
		for (int i = 0; i < 4; i++)
			jitter(&seed);
		ck_assert_int_eq(finish(p, 1), 0);
		for (int i = 0; i < 2; i++)
			ck_assert_int_eq(pthread_join(takers[i], &answers[i]), 0);
		ck_assert_int_eq((intptr_t)answers[0] + (intptr_t)answers[1], -ENOENT);
		conc_completions_destroy(c);
		conc_promise_destroy(p);
		conc_future_release(f);
	}
}
END_TEST

/* Two add and finish, two take until they have seen all; each is handed over once. */
enum { ADDERS = 2, TAKERS = 2, EACH = 6 };

struct crowd {
	conc_completions *c;
	pthread_barrier_t begin;
	struct latch taken[ADDERS * EACH];
	struct latch all; /* counts what was taken */
	int seed;
};

struct member {
	struct crowd *crowd;
	int index;
};

static void *
add_some(void *arg)
{
	struct member *me = arg;
	struct crowd *crowd = me->crowd;
	uint32_t seed = seed_start(crowd->seed * 4 + me->index);

	pthread_barrier_wait(&crowd->begin);
	for (int i = 0; i < EACH; i++) {
		conc_promise *p;
		conc_future *f = pending(&p);
		bool early = random_below(&seed, 2);

		if (early)
			ck_assert_int_eq(finish(p, i), 0);
		ck_assert_int_eq(
		    conc_completions_add(crowd->c, f, &crowd->taken[me->index * EACH + i]), 0);
		conc_future_release(f);
		jitter(&seed);
		if (!early)
			ck_assert_int_eq(finish(p, i), 0);
		conc_promise_destroy(p);
	}
	return NULL;
}

static void *
take_some(void *arg)
{
	struct member *me = arg;
	struct crowd *crowd = me->crowd;
	uint32_t seed = seed_start(crowd->seed * 4 + 2 + me->index);

	pthread_barrier_wait(&crowd->begin);
	while (latch_count(&crowd->all) < ADDERS * EACH) {
		conc_time deadline = random_below(&seed, 2) ? CONC_FOREVER : conc_after(50000);
		conc_future *f;
		void *user;
		int rc = conc_completions_next(crowd->c, &f, &user, deadline);

		ck_assert(rc == 0 || rc == -ETIMEDOUT || rc == -ENOENT);
		if (rc != 0) {
			sched_yield();
			continue;
		}
		ck_assert(conc_future_done(f));
		conc_future_release(f);
		latch_set(user);
		latch_set(&crowd->all);
		jitter(&seed);
	}
	return NULL;
}

START_TEST(many_adders_and_takers)
{
	for (int n = 0; n < seeds(); n++) {
		struct crowd crowd = {.c = completions(), .all = LATCH, .seed = n};
		struct member members[ADDERS];
		pthread_t adders[ADDERS], takers[TAKERS];

		pthread_barrier_init(&crowd.begin, NULL, ADDERS + TAKERS);
		for (int i = 0; i < ADDERS * EACH; i++)
			crowd.taken[i] = (struct latch)LATCH;
		if (n % 2)
			ck_assert_int_ge(conc_completions_fd(crowd.c), 0);
		for (int i = 0; i < ADDERS; i++) {
			members[i] = (struct member){&crowd, i};
			adders[i] = start(add_some, &members[i]);
			takers[i] = start(take_some, &members[i]);
		}
		for (int i = 0; i < ADDERS; i++) {
			join(adders[i]);
			join(takers[i]);
		}
		for (int i = 0; i < ADDERS * EACH; i++)
			ck_assert_int_eq(latch_count(&crowd.taken[i]), 1);
		if (n % 2)
			ck_assert(!readable(conc_completions_fd(crowd.c)));
		conc_completions_destroy(crowd.c);
		pthread_barrier_destroy(&crowd.begin);
	}
}
END_TEST

static void *
finish_late(void *arg)
{
	ck_assert_int_eq(finish(arg, 1), 0);
	conc_promise_destroy(arg);
	return NULL;
}

START_TEST(destroy_against_finish)
{
	for (int n = 0; n < seeds(); n++) {
		conc_completions *c = completions();
		uint32_t seed = seed_start(n);
		conc_promise *p[2];
		conc_future *f;
		pthread_t threads[2];

		for (int i = 0; i < 2; i++) {
			f = pending(&p[i]);
			ck_assert_int_eq(conc_completions_add(c, f, NULL), 0);
			conc_future_release(f);
			threads[i] = start(finish_late, p[i]);
		}
		for (int i = 0; i < 3; i++)
			jitter(&seed);
		if (n % 2 && conc_completions_next(c, &f, NULL, CONC_FOREVER) == 0)
			conc_future_release(f);
		conc_completions_destroy(c);
		join(threads[0]);
		join(threads[1]);
	}
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("completions races");
	TCase *tc = new_case(s, "races");
	tcase_add_test(tc, taker_of_nothing_left_is_enoent);
	tcase_add_test(tc, many_adders_and_takers);
	tcase_add_test(tc, destroy_against_finish);
	return run_suite(s);
}
