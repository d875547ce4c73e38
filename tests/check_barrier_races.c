/* SPDX-License-Identifier: MIT */
/*
 * Barriers under storm: rounds pass whole or break whole, and nobody is left behind.
 */
#include "base/atomic.h"
#include "tests/bunch.h"

enum { STORM = 4, ROUNDS = 60 };

/* Rounds at random paces, with deadlines that rarely hold, among aborts and resets. */
struct storm {
	conc_barrier b;
	conc__atomic_u32 seeds, left;
	conc__atomic_u32 passed[STORM]; /* how often as which party */
};

static void
storm(void *arg)
{
	struct storm *x = arg;
	/* relaxed: a number */
	uint32_t seed = conc__add_relaxed(&x->seeds, 1), index;

	for (int i = 0; i < ROUNDS; i++) {
		const conc_time how[] = {CONC_FOREVER, CONC_FOREVER, conc_after(CONC_US(50))};
		int rc = conc_barrier_wait_index(&x->b, &index, how[random_below(&seed, 3)]);

		ck_assert(rc == 0 || rc == -ETIMEDOUT || rc == CONC_EBROKEN);
		if (rc == 0) {
			ck_assert_uint_lt(index, STORM);
			/* relaxed: a sum */
			conc__add_relaxed(&x->passed[index], 1);
		}
		if (random_below(&seed, 16) == 0)
			ck_assert_int_eq(conc_barrier_abort(&x->b), 0);
		if (rc != 0)
			ck_assert_int_eq(conc_barrier_reset(&x->b), 0);
		jitter(&seed);
	}
	/* relaxed: a number */
	conc__add_relaxed(&x->left, 1);
}

/* Once some have left, the others must not wait for them. */
static bool
all_left(void *arg)
{
	struct storm *x = arg;
	/* relaxed: a number */
	uint32_t left = conc__load_relaxed(&x->left);

	if (left > 0)
		ck_assert_int_eq(conc_barrier_abort(&x->b), 0);
	return left == STORM;
}

START_TEST(storm_of_breaks)
{
	for (int seed = 0; seed < seeds(); seed++) {
		struct storm x = {.b = CONC_BARRIER_INIT(STORM)};
		uint32_t passed;
		struct bunch b;

		/* relaxed: no other thread yet */
		conc__store_relaxed(&x.seeds, seed_start(seed));
		bunch_start(&b, STORM, storm, &x);
		eventually(all_left, &x);
		bunch_join(&b);
		/* A round passes whole or not at all: each place was taken as often. */
		passed = conc__load_relaxed(&x.passed[0]); /* relaxed: all are joined */
		for (int i = 1; i < STORM; i++) /* relaxed: the same */
			ck_assert_uint_eq(conc__load_relaxed(&x.passed[i]), passed);
		ck_assert_uint_eq(conc_barrier_waiting(&x.b), 0);
	}
}
END_TEST

/* Who returns first ends and frees the barrier, if none has a deadline. */
struct shared {
	conc_barrier *b;
	conc__atomic_u32 returned;
};

static void
come_and_free(void *arg)
{
	struct shared *x = arg;

	ck_assert_int_eq(conc_barrier_wait(x->b, CONC_FOREVER), 0);
	/* pairs with itself */
	if (conc__add_acq_rel(&x->returned, 1) == 0) {
		conc_barrier_fini(x->b);
		free(x->b);
	}
}

START_TEST(freed_by_first_to_return)
{
	for (int i = 0; i < 10 * seeds(); i++) {
		struct shared x = {.b = malloc(sizeof *x.b)};
		struct bunch b;

		ck_assert_int_eq(conc_barrier_init(x.b, 3, 0), 0);
		bunch_start(&b, 2, come_and_free, &x);
		come_and_free(&x);
		bunch_join(&b);
	}
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("barrier_races");
	TCase *tc = new_case(s, "races");

	tcase_add_test(tc, storm_of_breaks);
	tcase_add_test(tc, freed_by_first_to_return);
	return run_suite(s);
}
