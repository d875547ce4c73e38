/* SPDX-License-Identifier: MIT */
/*
 * base/raise.h: what the library itself does with exceptions; and those that
 * are made without memory.
 */
#include "base/raise.h"
#include "tests/common.h"
#include <conc/error.h>

/* A bare code, as a raise without memory makes. */
static conc_exception *
bare(int code)
{
	return (conc_exception *)((uintptr_t)(intptr_t)code << 1 | 1);
}

START_TEST(adopt_takes_the_one_that_matches)
{
	conc_exception *e;

	conc_raise(-EDOM, "mine");
	e = conc__exception_adopt(-EDOM, "square");
	ck_assert_ptr_null(conc_caught());
	ck_assert_int_eq(conc_exception_code(e), -EDOM);
	ck_assert_str_eq(conc_exception_message(e), "mine");
	ck_assert_str_eq(conc_exception_task(e), "square");
	ck_assert_str_eq(conc_exception_function(e), __func__);
	/* It bears a name now: that one stays. */
	conc__caught_restore(e);
	ck_assert_ptr_eq(conc__exception_adopt(-EDOM, "outer"), e);
	ck_assert_str_eq(conc_exception_task(e), "square");
	conc_exception_release(e);
}
END_TEST

START_TEST(adopt_does_not_change_what_others_hold)
{
	conc_exception *other, *e;

	conc_raise(1, "cause");
	conc_raise_from(conc_caught(), 2, "both have it");
	other = conc_exception_ref(conc_caught());
	e = conc__exception_adopt(2, "named");
	ck_assert_ptr_null(conc_exception_task(other));
	ck_assert_str_eq(conc_exception_task(e), "named");
	ck_assert_str_eq(conc_exception_message(e), "both have it");
	ck_assert_int_eq(conc_exception_line(e), conc_exception_line(other));
	ck_assert_ptr_eq(conc_exception_cause(e), conc_exception_cause(other));
	conc_exception_release(other);
	ck_assert_str_eq(conc_exception_message(conc_exception_cause(e)), "cause");
	conc_exception_release(e);
}
END_TEST

START_TEST(adopt_makes_one_where_none_matches)
{
	conc_exception *e;

	conc_raise(-EDOM, "another");
	e = conc__exception_adopt(-EPERM, NULL);
	ck_assert_int_eq(conc_exception_code(e), -EPERM);
	ck_assert_str_eq(conc_exception_message(e), "Operation not permitted");
	ck_assert_ptr_null(conc_exception_task(e));
	ck_assert_ptr_null(conc_exception_file(e));
	ck_assert_ptr_null(conc_exception_cause(e));
	ck_assert_int_eq(conc_exception_code(conc_caught()), -EDOM);
	conc_exception_release(e);
	conc_clear();
	e = conc__exception_adopt(12, "task");
	ck_assert_str_eq(conc_exception_message(e), "program error");
	ck_assert_str_eq(conc_exception_task(e), "task");
	conc_exception_release(e);
}
END_TEST

START_TEST(make_and_compose_take_all_parts)
{
	const conc_death death = {.signal = 9, .pid = 77, .max_rss = INT64_C(1) << 40};
	conc_exception *cause = conc__exception_make(3, NULL, NULL, "deep"), *e;

	e = conc__exception_make(4, cause, "t", NULL);
	ck_assert_ptr_eq(conc_exception_cause(e), cause);
	ck_assert_str_eq(conc_exception_task(e), "t");
	ck_assert_str_eq(conc_exception_message(e), "program error");
	conc_exception_release(e);
	e = conc__exception_compose(&(struct conc__exception_parts){.code = CONC_ECRASHED,
	    .line = 8,
	    .file = "f.c",
	    .function = "f",
	    .task = "t",
	    .message = "100%s",
	    .cause = cause,
	    .death = &death});
	conc_exception_release(cause);
	ck_assert_str_eq(conc_exception_message(e), "100%s");
	ck_assert_str_eq(conc_exception_file(e), "f.c");
	ck_assert_int_eq(conc_exception_line(e), 8);
	ck_assert_ptr_ne(conc_exception_death(e), &death);
	ck_assert_mem_eq(conc_exception_death(e), &death, sizeof death);
	conc_exception_release(e);
	e = conc__exception_make(0, NULL, NULL, "m");
	ck_assert_int_eq(conc_exception_code(e), -EINVAL);
	conc_exception_release(e);
}
END_TEST

START_TEST(save_and_restore)
{
	conc_exception *saved;

	conc_raise(1, "one");
	saved = conc__caught_save();
	ck_assert_ptr_null(conc_caught());
	conc_raise(2, "two");
	conc__caught_restore(saved);
	ck_assert_int_eq(conc_exception_code(conc_caught()), 1);
	conc__caught_restore(NULL);
	ck_assert_ptr_null(conc__caught_save());
}
END_TEST

/* --- exceptions without memory --- */

START_TEST(bare_codes_answer_all_questions)
{
	static const int codes[] = {1, -1, -ENOMEM, CONC_EFORKED, INT32_MAX, INT32_MIN};

	for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++) {
		conc_exception *e = bare(codes[i]);

		ck_assert_ptr_eq(conc_exception_ref(e), e);
		conc_exception_release(e);
		conc_exception_release(e);
		if (sizeof(void *) > sizeof(int))
			ck_assert_int_eq(conc_exception_code(e), codes[i]);
		ck_assert_str_eq(conc_exception_message(e), "(no memory for the message)");
		ck_assert_ptr_null(conc_exception_file(e));
		ck_assert_ptr_null(conc_exception_function(e));
		ck_assert_int_eq(conc_exception_line(e), 0);
		ck_assert_ptr_null(conc_exception_task(e));
		ck_assert_ptr_null(conc_exception_cause(e));
		ck_assert_ptr_null(conc_exception_death(e));
	}
}
END_TEST

START_TEST(bare_codes_travel)
{
	char text[128];
	conc_exception *e;

	ck_assert_int_eq(conc_reraise(bare(-EIO)), -EIO);
	conc_raise_from(conc_caught(), 6, "after it");
	ck_assert_int_eq(conc_exception_code(conc_exception_cause(conc_caught())), -EIO);
	conc_clear();
	conc_reraise(bare(-EIO));
	e = conc__exception_adopt(-EIO, "task");
	ck_assert_ptr_eq(e, bare(-EIO));
	conc_exception_format(e, text, sizeof text);
	ck_assert_str_eq(text, "EIO (-5): (no memory for the message)");
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("raise");
	TCase *tc = new_case(s, "library");

	tcase_add_test(tc, adopt_takes_the_one_that_matches);
	tcase_add_test(tc, adopt_does_not_change_what_others_hold);
	tcase_add_test(tc, adopt_makes_one_where_none_matches);
	tcase_add_test(tc, make_and_compose_take_all_parts);
	tcase_add_test(tc, save_and_restore);
	tc = new_case(s, "no memory");
	tcase_add_test(tc, bare_codes_answer_all_questions);
	tcase_add_test(tc, bare_codes_travel);
	return run_suite(s);
}
