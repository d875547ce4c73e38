/* SPDX-License-Identifier: MIT */
/*
 * The excepthook.
 */
#include "base/raise.h"
#include "tests/capture.h"
#include <conc/error.h>
#include <conc/log.h>

/* What the hooks of these tests saw last. */
struct seen {
	int calls;
	int code;
};

static void
note(const conc_exception *e, void *user)
{
	struct seen *seen = user;

	seen->calls++;
	seen->code = conc_exception_code(e);
}

/* Tell hook, or the program's, of a failure with this code. */
static void
unlooked(conc_excepthook *hook, void *user, int code)
{
	conc_exception *e = conc__exception_make(code, NULL, "t", "nobody looked");

	conc__unlooked(hook, user, e);
	conc_exception_release(e);
}

START_TEST(programs_hook_is_called)
{
	struct seen seen = {0, 0};

	conc_set_excepthook(note, &seen);
	unlooked(NULL, NULL, 4);
	ck_assert_int_eq(seen.calls, 1);
	ck_assert_int_eq(seen.code, 4);
	conc_set_excepthook(NULL, NULL);
	capture_start();
	unlooked(NULL, NULL, 5);
	free(capture_end());
	ck_assert_int_eq(seen.calls, 1);
}
END_TEST

START_TEST(given_hook_goes_before_the_programs)
{
	struct seen program = {0, 0}, own = {0, 0};

	conc_set_excepthook(note, &program);
	unlooked(note, &own, 6);
	ck_assert_int_eq(program.calls, 0);
	ck_assert_int_eq(own.calls, 1);
	ck_assert_int_eq(own.code, 6);
	conc_set_excepthook(NULL, NULL);
}
END_TEST

static void
fail_within(const conc_exception *e, void *user)
{
	note(e, user);
	ck_assert_ptr_null(conc_caught());
	conc_raise(77, "within the hook");
	unlooked(NULL, NULL, 78);
	unlooked(note, user, 79);
}

START_TEST(hook_does_not_recurse)
{
	struct seen seen = {0, 0};

	conc_set_excepthook(fail_within, &seen);
	unlooked(NULL, NULL, 7);
	ck_assert_int_eq(seen.calls, 1);
	ck_assert_int_eq(seen.code, 7);
	unlooked(NULL, NULL, 8);
	ck_assert_int_eq(seen.calls, 2);
	conc_set_excepthook(NULL, NULL);
}
END_TEST

START_TEST(hook_leaves_the_current_exception)
{
	struct seen seen = {0, 0};

	conc_raise(3, "mine");
	unlooked(fail_within, &seen, 7);
	ck_assert_int_eq(conc_exception_code(conc_caught()), 3);
	conc_clear();
	unlooked(fail_within, &seen, 7);
	ck_assert_ptr_null(conc_caught());
}
END_TEST

static void
set_another(const conc_exception *e, void *user)
{
	note(e, user);
	conc_set_excepthook(note, user);
}

/* No lock is held while a hook runs. */
START_TEST(hook_may_set_the_hook)
{
	struct seen seen = {0, 0};

	conc_set_excepthook(set_another, &seen);
	unlooked(NULL, NULL, 1);
	unlooked(NULL, NULL, 2);
	ck_assert_int_eq(seen.calls, 2);
	conc_set_excepthook(NULL, NULL);
}
END_TEST

START_TEST(default_writes_the_whole_to_the_log)
{
	char *text, *last;
	int lines = 0;

	for (int i = 0; i < 10; i++) {
		char message[4000];

		memset(message, 'm', sizeof message);
		conc_raise_from(conc_caught(), i + 1, "%.*s", (int)sizeof message, message);
	}
	capture_start();
	conc__unlooked(NULL, NULL, conc_caught());
	text = capture_end();
	for (char *s = text; (s = strstr(s, "Z error ")) != NULL; s++)
		lines++;
	ck_assert_int_eq(lines, 10 * 2 + 9 * 3);
	ck_assert_uint_gt(strlen(text), 40000);
	last = strrchr(text, ':');
	ck_assert_int_eq(strncmp(last - 8, "error 10:", 9), 0);
	free(text);
	conc_clear();
}
END_TEST

START_TEST(default_heeds_the_level)
{
	char *text;

	ck_assert_int_eq(conc_set_log(NULL, NULL, CONC_LOG_NONE), 0);
	capture_start();
	unlooked(NULL, NULL, 5);
	text = capture_end();
	ck_assert_str_eq(text, "");
	free(text);
	ck_assert_int_eq(conc_set_log(NULL, NULL, CONC_LOG_WARNING), 0);
}
END_TEST

static struct seen in_child;

static void
tell_in_child(void)
{
	unlooked(NULL, NULL, 9);
	ck_assert_int_eq(in_child.calls, 1);
	conc_set_excepthook(NULL, NULL);
}

static struct latch stop_setting = LATCH;

static void *
set_all_the_time(void *arg)
{
	do
		conc_set_excepthook(note, &in_child);
	while (latch_count(&stop_setting) == 0);
	return arg;
}

/* The lock is never held in the child by a thread that it does not have. */
START_TEST(hook_works_in_the_child_of_a_fork)
{
	pthread_t thread;

	conc_set_excepthook(note, &in_child);
	ck_assert_int_eq(pthread_create(&thread, NULL, set_all_the_time, NULL), 0);
	for (int i = 0; i < seeds(); i++)
		ck_assert_int_eq(run_in_child(tell_in_child), 0);
	latch_set(&stop_setting);
	pthread_join(thread, NULL);
	conc_set_excepthook(NULL, NULL);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("hook");
	TCase *tc = new_case(s, "hook");

	tcase_add_test(tc, programs_hook_is_called);
	tcase_add_test(tc, given_hook_goes_before_the_programs);
	tcase_add_test(tc, hook_does_not_recurse);
	tcase_add_test(tc, hook_leaves_the_current_exception);
	tcase_add_test(tc, hook_may_set_the_hook);
	tcase_add_test(tc, default_writes_the_whole_to_the_log);
	tcase_add_test(tc, default_heeds_the_level);
	tcase_add_test(tc, hook_works_in_the_child_of_a_fork);
	return run_suite(s);
}
