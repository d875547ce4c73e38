/* SPDX-License-Identifier: MIT */
/*
 * Exceptions and codes as text.
 */
#include "base/raise.h"
#include "tests/common.h"
#include <conc/error.h>
#include <signal.h>

static const char whole[] =
    "  File \"db.c\", line 12, in open_db, task \"resize\"\n"
    "ENOENT (-2): cannot open x.db\n"
    "\n"
    "The above exception was the direct cause of the following exception:\n"
    "\n"
    "  In start\n"
    "error 42: two\n"
    "lines\n"
    "\n"
    "The above exception was the direct cause of the following exception:\n"
    "\n"
    "  Task \"job\"\n"
    "CONC_ECRASHED (-4096): worker died while running the task\n"
    "  worker 3 (pid 1234) was killed by SIGSEGV, core dumped; attempt 1, "
    "user 0.520 s, system 0.010 s, max RSS 12.5 MB\n"
    "\n"
    "The above exception was the direct cause of the following exception:\n"
    "\n"
    "CONC_EBROKEN (-4098): gone\n"
    "  worker 0 (pid 9) exited with status 7; attempt 2, "
    "user 0.000 s, system 0.000 s, max RSS 0.0 MB\n"
    "\n"
    "The above exception was the direct cause of the following exception:\n"
    "\n"
    "CONC_ECRASHED (-4096): with its zygote\n"
    "  worker 2 (pid 8) died unseen; attempt 3";

static conc_exception *
make_whole(void)
{
	const conc_death death = {.signal = SIGSEGV,
	    .core_dumped = 1,
	    .pid = 1234,
	    .worker = 3,
	    .attempt = 1,
	    .user_time = 520000000,
	    .system_time = 10000000,
	    .max_rss = 12500000};
	const conc_death end = {.exit_status = 7, .pid = 9, .attempt = 2};
	const conc_death unseen = {.exit_status = -1, .pid = 8, .worker = 2, .attempt = 3};
	struct conc__exception_parts parts[] = {
	    {.code = -ENOENT,
		.line = 12,
		.file = "db.c",
		.function = "open_db",
		.task = "resize",
		.message = "cannot open x.db"},
	    {.code = 42, .function = "start", .message = "two\nlines"},
	    {.code = CONC_ECRASHED, .task = "job", .death = &death},
	    {.code = CONC_EBROKEN, .message = "gone", .death = &end},
	    {.code = CONC_ECRASHED, .message = "with its zygote", .death = &unseen}};
	conc_exception *e = NULL;

	for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
		conc_exception *cause = e;

		parts[i].cause = cause;
		e = conc__exception_compose(&parts[i]);
		conc_exception_release(cause);
	}
	return e;
}

START_TEST(format_is_as_pythons)
{
	conc_exception *e = make_whole();
	char text[2000];

	ck_assert_int_eq(conc_exception_format(e, text, sizeof text), (int)sizeof whole - 1);
	ck_assert_str_eq(text, whole);
	conc_exception_release(e);
}
END_TEST

START_TEST(format_cuts_at_each_size)
{
	conc_exception *e = make_whole();
	char text[sizeof whole + 2];

	for (size_t size = 1; size < sizeof text; size++) {
		size_t length = size <= sizeof whole - 1 ? size - 1 : sizeof whole - 1;

		memset(text, '#', sizeof text);
		ck_assert_int_eq(conc_exception_format(e, text, size), (int)sizeof whole - 1);
		ck_assert_mem_eq(text, whole, length);
		ck_assert_int_eq(text[length], 0);
		ck_assert_int_eq(text[size], '#');
	}
	ck_assert_int_eq(conc_exception_format(e, NULL, 0), (int)sizeof whole - 1);
	memset(text, '#', sizeof text);
	ck_assert_int_eq(conc_exception_format(e, text, 0), (int)sizeof whole - 1);
	ck_assert_int_eq(text[0], '#');
	conc_exception_release(e);
}
END_TEST

START_TEST(format_names_a_rare_signal_by_its_number)
{
	const conc_death death = {.signal = 63, .attempt = 1};
	conc_exception *e = conc__exception_compose(
	    &(struct conc__exception_parts){.code = CONC_ECRASHED, .death = &death});
	char text[400];

	conc_exception_format(e, text, sizeof text);
	ck_assert_ptr_nonnull(strstr(text, " was killed by signal 63; attempt 1"));
	conc_exception_release(e);
}
END_TEST

START_TEST(format_of_many_causes_begins_at_the_root)
{
	char *text;
	int length;

	for (int i = 1; i <= 100; i++)
		conc_raise_at(i, conc_caught(), NULL, 0, NULL, "%d", i);
	length = conc_exception_format(conc_caught(), NULL, 0);
	text = malloc((size_t)length + 1);
	ck_assert_ptr_nonnull(text);
	ck_assert_int_eq(
	    conc_exception_format(conc_caught(), text, (size_t)length + 1), length);
	ck_assert_int_eq(strncmp(text, "error 1: 1\n\n", 12), 0);
	ck_assert_str_eq(text + length - 16, "\n\nerror 100: 100");
	free(text);
	conc_clear();
}
END_TEST

START_TEST(format_einval_null_exception)
{
	char text[] = "old";

	ck_assert_int_eq(conc_exception_format(NULL, text, sizeof text), -EINVAL);
	ck_assert_str_eq(text, "old");
}
END_TEST

START_TEST(format_einval_null_buffer)
{
	conc_raise(1, "x");
	ck_assert_int_eq(conc_exception_format(conc_caught(), NULL, 1), -EINVAL);
	conc_clear();
}
END_TEST

/* --- names and texts --- */

START_TEST(texts_of_errno_are_the_c_librarys)
{
	for (int n = 1; n < 4096; n++) {
		const char *name = strerrorname_np(n);

		ck_assert_str_eq(conc_errname(-n), name != NULL ? name : "?");
		ck_assert_str_eq(
		    conc_strerror(-n), name != NULL ? strerrordesc_np(n) : "unknown error");
	}
	ck_assert_str_eq(conc_errname(0), "0");
	ck_assert_str_eq(conc_strerror(0), "Success");
}
END_TEST

START_TEST(texts_of_own_codes)
{
	static const struct {
		int code;
		const char *name, *text;
	} own[] = {
	    {-4096, "CONC_ECRASHED", "worker died while running the task"},
	    {-4097, "CONC_ETIMELIMIT", "task ran past its time limit"},
	    {-4098, "CONC_EBROKEN", "pool or barrier is broken"},
	    {-4099, "CONC_ESHUTDOWN", "shut down or closed"},
	    {-4100, "CONC_EFORKED", "object belongs to the parent process"},
	    {-4101, "CONC_ESTATE", "already finished"},
	    {-4102, "CONC_EOWNERDIED", "owner died holding the lock"},
	    {-4103, "CONC_ECORRUPT", "peer sent nonsense"},
	    {-4104, "CONC_ENOTMAPPED", "function was loaded after the pool was made"},
	    {-4105, "?", "unknown error"},
	    {-8191, "?", "unknown error"},
	    {-8192, "?", "program error"},
	    {1, "?", "program error"},
	    {INT32_MAX, "?", "program error"},
	    {INT32_MIN, "?", "program error"},
	};

	for (size_t i = 0; i < sizeof own / sizeof own[0]; i++) {
		ck_assert_str_eq(conc_errname(own[i].code), own[i].name);
		ck_assert_str_eq(conc_strerror(own[i].code), own[i].text);
	}
	ck_assert_int_eq(CONC_ECRASHED, -4096);
	ck_assert_int_eq(CONC_ENOTMAPPED, -4104);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("format");
	TCase *tc = new_case(s, "format");

	tcase_add_test(tc, format_is_as_pythons);
	tcase_add_test(tc, format_cuts_at_each_size);
	tcase_add_test(tc, format_names_a_rare_signal_by_its_number);
	tcase_add_test(tc, format_of_many_causes_begins_at_the_root);
	tcase_add_test(tc, format_einval_null_exception);
	tcase_add_test(tc, format_einval_null_buffer);
	tc = new_case(s, "texts");
	tcase_add_test(tc, texts_of_errno_are_the_c_librarys);
	tcase_add_test(tc, texts_of_own_codes);
	return run_suite(s);
}
