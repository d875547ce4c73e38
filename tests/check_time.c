/* SPDX-License-Identifier: MIT */
/*
 * <conc/time.h>, and the clocks of base.
 */
#include "base/clock.h"
#include "tests/common.h"
#include <conc/time.h>

START_TEST(durations_are_nanoseconds)
{
	ck_assert_int_eq(CONC_US(3), 3000);
	ck_assert_int_eq(CONC_MS(3), 3000000);
	ck_assert_int_eq(CONC_S(3), INT64_C(3000000000));
	ck_assert_int_eq(CONC_S(10000000), INT64_C(10000000000000000));
	ck_assert_int_eq(CONC_MS(-1), -1000000);
}
END_TEST

START_TEST(after_is_between_two_looks_at_the_clock)
{
	int64_t before = conc__now();
	conc_time t = conc_after(CONC_S(5)), ms = conc_after_ms(5000);
	int64_t after = conc__now();

	ck_assert_int_ge(t.ns, before + CONC_S(5));
	ck_assert_int_le(t.ns, after + CONC_S(5));
	ck_assert_int_ge(ms.ns, t.ns);
	ck_assert_int_le(ms.ns, after + CONC_S(5));
	ck_assert_int_gt(before, 0);
}
END_TEST

START_TEST(after_saturates)
{
	ck_assert_int_eq(conc_after(INT64_MAX).ns, CONC_FOREVER.ns);
	ck_assert_int_eq(conc_after(CONC_UNLIMITED).ns, CONC_FOREVER.ns);
	ck_assert_int_eq(conc_after(INT64_MAX - 1).ns, CONC_FOREVER.ns);
	ck_assert_int_eq(conc_after_ms(INT64_MAX).ns, CONC_FOREVER.ns);
	ck_assert_int_eq(conc_after_ms(INT64_MAX / 1000000).ns, CONC_FOREVER.ns);
	ck_assert_int_eq(conc_after_ms(INT64_MAX / 1000000 + 1).ns, CONC_FOREVER.ns);
	ck_assert(conc__passed(conc_after(INT64_MIN)));
	ck_assert(conc__passed(conc_after_ms(INT64_MIN)));
	ck_assert(conc__passed(conc_after_ms(INT64_MIN / 1000000)));
	/* The longest that does not saturate is no FOREVER. */
	ck_assert_int_lt(conc_after(INT64_MAX / 2).ns, CONC_FOREVER.ns);
}
END_TEST

START_TEST(after_nothing_or_less_has_passed)
{
	ck_assert(conc__passed(conc_after(0)));
	ck_assert(conc__passed(conc_after(-1)));
	ck_assert(conc__passed(conc_after_ms(-1)));
	ck_assert(conc__passed(CONC_NOW));
	ck_assert(!conc__passed(CONC_FOREVER));
	ck_assert(!conc__passed(conc_after(CONC_S(1000))));
}
END_TEST

/* Aim at 0 from both sides: one of the sums would be it. */
START_TEST(after_is_never_none)
{
	for (int i = 0; i < 20000; i++) {
		int64_t now = conc__now();

		ck_assert_int_ne(conc_after(-now - i % 200).ns, 0);
	}
}
END_TEST

START_TEST(sleep_ends_after_its_deadline)
{
	conc_time end = conc_after_ms(2);

	conc__sleep_until(end);
	ck_assert_int_ge(conc__now(), end.ns);
	conc__sleep_until(end);
	conc__sleep_until(CONC_NOW);
}
END_TEST

START_TEST(wall_clock_is_the_systems)
{
	time_t before = time(NULL);
	int64_t now = conc__wall_clock();

	/* time() may be a tick behind. */
	ck_assert_int_ge(now / 1000000000, before);
	ck_assert_int_le(now / 1000000000, time(NULL) + 1);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("time");
	TCase *tc = new_case(s, "deadlines");

	tcase_add_test(tc, durations_are_nanoseconds);
	tcase_add_test(tc, after_is_between_two_looks_at_the_clock);
	tcase_add_test(tc, after_saturates);
	tcase_add_test(tc, after_nothing_or_less_has_passed);
	tcase_add_test(tc, after_is_never_none);
	tc = new_case(s, "clocks");
	tcase_add_test(tc, sleep_ends_after_its_deadline);
	tcase_add_test(tc, wall_clock_is_the_systems);
	return run_suite(s);
}
