/* SPDX-License-Identifier: MIT */
/*
 * Tests of waiting awake.
 */
#include "base/spin.h"
#include "base/thread.h"
#include "tests/common.h"

static conc__atomic_u64 word;

START_TEST(what_is_there_is_not_waited_for)
{
	struct conc__spin s = {0};

	conc__store_relaxed(&word, 5); /* relaxed: nobody else is there */
	ck_assert(conc__spin_beyond(&s, &word, 4));
	ck_assert(!conc__spin_beyond(&s, &word, 5));
}
END_TEST

/* In vain: at once the next time; in vain again: three times. */
START_TEST(a_failure_shrinks_it)
{
	struct conc__spin s = {.may = true};

	conc__store_relaxed(&word, 0); /* relaxed: nobody else is there */
	for (uint32_t skipped = 1; skipped < 5000; skipped = 2 * skipped + 1) {
		ck_assert(!conc__spin_beyond(&s, &word, 0));
		ck_assert_uint_eq(s.skip, skipped < 1023 ? skipped : 1023);
		while (s.skip > 0)
			ck_assert(!conc__spin_beyond(&s, &word, 0));
	}
}
END_TEST

START_TEST(the_last_cpu_is_not_for_it)
{
	struct conc__spin s;
	int cpus = conc__cpu_count();

	conc__spin_init(&s, cpus - 1);
	ck_assert(!s.may);
	conc__spin_init(&s, cpus - 2);
	ck_assert_int_eq(s.may, cpus - 2 >= 0);
}
END_TEST

static void *
raise_word(void *arg)
{
	(void)arg;
	for (uint64_t n = 1; n <= 20000; n++)
		conc__store_relaxed(&word, n); /* relaxed: it is all there is */
	return NULL;
}

/* It sees the word rise, or gives up; never does it say what is not so. */
START_TEST(it_sees_what_comes)
{
	struct conc__spin s = {.may = true};
	pthread_t thread;

	conc__store_relaxed(&word, 0); /* relaxed: nobody else is there yet */
	ck_assert_int_eq(pthread_create(&thread, NULL, raise_word, NULL), 0);
	for (uint64_t seen = 0; seen < 20000;) {
		if (!conc__spin_beyond(&s, &word, seen))
			continue;
		/* relaxed: it only grows */
		ck_assert_uint_gt(conc__load_relaxed(&word), seen);
		seen = conc__load_relaxed(&word); /* relaxed: the same */
	}
	ck_assert_int_eq(pthread_join(thread, NULL), 0);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("spin");
	TCase *all = tcase_create("all");

	suite_add_tcase(s, all);
	tcase_add_test(all, what_is_there_is_not_waited_for);
	tcase_add_test(all, a_failure_shrinks_it);
	tcase_add_test(all, the_last_cpu_is_not_for_it);
	tcase_add_test(all, it_sees_what_comes);
	return run_suite(s);
}
