/* SPDX-License-Identifier: MIT */
/*
 * The condition: a notify wakes as many as it was told, and never too few.
 */
#include "tests/condition.h"

static void
wait_a_while(void *arg)
{
	struct state *s = arg;

	take(s);
	if (wait_until(s, s->deadline) == 0)
		s->n++;
	give(s);
}

/* Five wait; or it is too late for this round. */
static bool
five_wait(void *arg)
{
	struct state *s = arg;

	return waiters(&s->condition) == 5 || conc_after(0).ns >= s->deadline.ns;
}

/*
 * On their way to sleep all may wake.  But in some round all are asleep: then a
 * notify leaves those that it need not wake to their deadline, long after it.
 */
START_TEST(notify_leaves_others_asleep)
{
	struct state s = {.recursive = _i != 0};
	struct bunch b;
	int rounds = 0;
	bool in_time;

	do {
		ck_assert_int_lt(rounds++, 100);
		s.n = 0;
		s.deadline = conc_after_ms(100);
		bunch_start(&b, 5, wait_a_while, &s);
		eventually(five_wait, &s);
		wake(&s, 3);
		in_time = conc_after(0).ns < s.deadline.ns;
		bunch_join(&b);
		ck_assert(!in_time || s.n >= 3);
	} while (!in_time || s.n > 3);
}
END_TEST

/* One notify for each token, and some waits end by themselves: no token is left lying. */
enum { TOKENS = 300, TAKERS = 3 };

static bool
has_token(void *arg)
{
	return ((struct state *)arg)->n > 0;
}

static void
take_tokens(void *arg)
{
	struct state *s = arg;
	uint32_t seed = s->seed + (uint32_t)(uintptr_t)&seed;

	for (int i = 0; i < TOKENS / TAKERS;) {
		bool patient = random_below(&seed, 3) > 0;
		int rc;

		take(s);
		rc = wait_for(s, has_token,
		    patient ? CONC_FOREVER : conc_after(CONC_US(random_below(&seed, 100))));
		if (rc == 0) {
			s->n--;
			i++;
		} else
			ck_assert(!patient && rc == -ETIMEDOUT && s->n == 0);
		jitter(&seed);
		give(s);
	}
}

START_TEST(no_wakeup_is_lost)
{
	for (int i = 0; i < seeds(); i++) {
		struct state s = {.recursive = _i != 0, .seed = seed_start(i)};
		uint32_t seed = s.seed;
		struct bunch b;

		bunch_start(&b, TAKERS, take_tokens, &s);
		for (int n, given = 0; given < TOKENS; given += n) {
			n = given % 2 + 1;
			if (n > TOKENS - given)
				n = TOKENS - given;
			take(&s);
			s.n += n;
			if (i % 2)
				conc_condition_notify(&s.condition, (uint32_t)n);
			give(&s);
			if (i % 2 == 0)
				conc_condition_notify(&s.condition, (uint32_t)n);
			jitter(&seed);
		}
		bunch_join(&b);
		ck_assert_int_eq(s.n, 0);
		ck_assert_uint_eq(waiters(&s.condition), 0);
	}
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("condition_races");
	TCase *tc = new_case(s, "condition");

	tcase_add_loop_test(tc, notify_leaves_others_asleep, 0, 2);
	tcase_add_loop_test(tc, no_wakeup_is_lost, 0, 2);
	return run_suite(s);
}
