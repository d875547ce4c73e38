/* SPDX-License-Identifier: MIT */
/*
 * <conc/error.h>, but for the texts (check_format.c) and the excepthook
 * (check_hook.c).
 */
#include "base/raise.h"
#include "tests/common.h"
#include <conc/error.h>

static const char *volatile no_format; /* NULL, which the compiler must not see */

/* --- raising --- */

START_TEST(raise_returns_the_code_and_notes_the_place)
{
	int line = __LINE__ + 1;
	ck_assert_int_eq(conc_raise(-EDOM, "factorial of %d", -3), -EDOM);
	const conc_exception *e = conc_caught();

	ck_assert_ptr_nonnull(e);
	ck_assert_int_eq(conc_exception_code(e), -EDOM);
	ck_assert_str_eq(conc_exception_message(e), "factorial of -3");
	ck_assert_str_eq(conc_exception_file(e), __FILE__);
	ck_assert_str_eq(conc_exception_function(e), __func__);
	ck_assert_int_eq(conc_exception_line(e), line);
	ck_assert_int_eq(conc_exception_pid(e), getpid());
	ck_assert_ptr_null(conc_exception_task(e));
	ck_assert_ptr_null(conc_exception_cause(e));
	ck_assert_ptr_null(conc_exception_death(e));
	conc_clear();
	ck_assert_ptr_null(conc_caught());
	conc_clear();
}
END_TEST

START_TEST(einval_for_code_0)
{
	ck_assert_int_eq(conc_raise(0, "nothing"), -EINVAL);
	ck_assert_int_eq(conc_exception_code(conc_caught()), -EINVAL);
	conc_clear();
}
END_TEST

START_TEST(all_codes_survive)
{
	static const int codes[] = {
	    1, -1, 17, INT32_MAX, INT32_MIN, -4095, -4096, -8191, -8192};

	for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++) {
		ck_assert_int_eq(conc_raise(codes[i], "x"), codes[i]);
		ck_assert_int_eq(conc_exception_code(conc_caught()), codes[i]);
	}
	conc_clear();
}
END_TEST

START_TEST(raise_without_format_gives_the_codes_text)
{
	ck_assert_int_eq(conc_raise_at(-ENOMEM, NULL, NULL, 0, NULL, no_format, 0), -ENOMEM);
	ck_assert_str_eq(conc_exception_message(conc_caught()), "Cannot allocate memory");
	ck_assert_ptr_null(conc_exception_file(conc_caught()));
	ck_assert_ptr_null(conc_exception_function(conc_caught()));
	ck_assert_int_eq(conc_exception_line(conc_caught()), 0);
	conc_clear();
}
END_TEST

START_TEST(strings_are_copied)
{
	char file[] = "a.c", function[] = "f", text[] = "text";

	conc_raise_at(7, NULL, file, 3, function, "%s", text);
	file[0] = function[0] = text[0] = 'X';
	ck_assert_str_eq(conc_exception_file(conc_caught()), "a.c");
	ck_assert_str_eq(conc_exception_function(conc_caught()), "f");
	ck_assert_str_eq(conc_exception_message(conc_caught()), "text");
	conc_clear();
}
END_TEST

START_TEST(current_exception_may_be_an_argument)
{
	conc_raise(1, "first");
	conc_raise_from(conc_caught(), 2, "second after %s",
	    conc_exception_message(conc_caught()));
	ck_assert_str_eq(conc_exception_message(conc_caught()), "second after first");
	ck_assert_int_eq(conc_exception_code(conc_exception_cause(conc_caught())), 1);
	conc_raise(3, "third after %s", conc_exception_message(conc_caught()));
	ck_assert_str_eq(
	    conc_exception_message(conc_caught()), "third after second after first");
	ck_assert_ptr_null(conc_exception_cause(conc_caught()));
	conc_clear();
}
END_TEST

START_TEST(raise_from_null_is_a_raise)
{
	ck_assert_int_eq(conc_raise_from(NULL, -EIO, "disk %c", 'c'), -EIO);
	ck_assert_ptr_null(conc_exception_cause(conc_caught()));
	conc_clear();
}
END_TEST

START_TEST(errno_is_kept)
{
	errno = EBADF;
	conc_raise(-EIO, "%m");
	ck_assert_int_eq(errno, EBADF);
	ck_assert_str_eq(conc_exception_message(conc_caught()), "Bad file descriptor");
	conc_clear();
	ck_assert_int_eq(errno, EBADF);
}
END_TEST

START_TEST(what_was_raised_elsewhere_says_where)
{
	conc_exception *e = conc__exception_compose(&(struct conc__exception_parts){
	    .code = 5, .pid = getpid() + 1, .message = "far"});
	char text[100], want[100];

	ck_assert_int_eq(conc_exception_pid(e), getpid() + 1);
	snprintf(want, sizeof want, "  In process %d\nerror 5: far", getpid() + 1);
	conc_exception_format(e, text, sizeof text);
	ck_assert_str_eq(text, want);

	/* The task's name makes a copy of it. */
	conc__caught_restore(e);
	e = conc__exception_adopt(5, "job");
	ck_assert_int_eq(conc_exception_pid(e), getpid() + 1);
	snprintf(
	    want, sizeof want, "  Task \"job\", in process %d\nerror 5: far", getpid() + 1);
	conc_exception_format(e, text, sizeof text);
	ck_assert_str_eq(text, want);
	conc_exception_release(e);
}
END_TEST

/* --- long messages --- */

/* Raise with n times c, then more; return the message. */
static const char *
raise_long(int n, char c, const char *more)
{
	char *text = malloc((size_t)n + 1);

	ck_assert_ptr_nonnull(text);
	memset(text, c, (size_t)n);
	text[n] = 0;
	conc_raise(5, "%s%s", text, more);
	free(text);
	return conc_exception_message(conc_caught());
}

START_TEST(message_of_4095_bytes_is_whole)
{
	const char *message = raise_long(4094, 'a', "z");

	ck_assert_uint_eq(strlen(message), 4095);
	ck_assert_str_eq(message + 4090, "aaaaz");
	conc_clear();
}
END_TEST

START_TEST(message_of_4096_bytes_is_cut)
{
	const char *message = raise_long(4095, 'a', "z");

	ck_assert_uint_eq(strlen(message), 4095);
	ck_assert_str_eq(message + 4090, "aa...");
	conc_clear();
}
END_TEST

/* The cut comes at byte 4092; the character of four bytes lies over it in four ways. */
START_TEST(cut_keeps_characters_whole)
{
	static const char character[] = "\xF0\x9F\x98\x80";

	for (int n = 4088; n <= 4092; n++) {
		const char *message = raise_long(n, 'a', "\xF0\x9F\x98\x80 and much more");
		size_t length = strlen(message);

		ck_assert_str_eq(message + length - 3, "...");
		if (n == 4088) {
			ck_assert_uint_eq(length, 4095);
			ck_assert_mem_eq(message + length - 7, character, 4);
		} else {
			ck_assert_uint_eq(length, (size_t)n + 3);
			ck_assert_int_eq(message[length - 4], 'a');
		}
	}
	conc_clear();
}
END_TEST

START_TEST(cut_of_what_is_no_utf8)
{
	const char *message = raise_long(9000, '\x80', "");

	ck_assert_uint_ge(strlen(message), 4088);
	ck_assert_str_eq(message + strlen(message) - 3, "...");
	conc_clear();
}
END_TEST

/* --- references --- */

START_TEST(references_keep_it)
{
	conc_exception *e;

	conc_raise(-EIO, "kept");
	e = conc_exception_ref(conc_caught());
	ck_assert_ptr_eq(e, conc_caught());
	conc_clear();
	ck_assert_str_eq(conc_exception_message(e), "kept");
	ck_assert_ptr_eq(conc_exception_ref(e), e);
	conc_exception_release(e);
	ck_assert_int_eq(conc_reraise(e), -EIO);
	conc_exception_release(e);
	ck_assert_ptr_eq(conc_caught(), e);
	ck_assert_int_eq(conc_reraise(conc_caught()), -EIO);
	ck_assert_str_eq(conc_exception_message(conc_caught()), "kept");
	conc_clear();
}
END_TEST

START_TEST(null_is_fine)
{
	ck_assert_ptr_null(conc_exception_ref(NULL));
	conc_exception_release(NULL);
	ck_assert_int_eq(conc_exception_code(NULL), 0);
	ck_assert_str_eq(conc_exception_message(NULL), "(no exception)");
	ck_assert_ptr_null(conc_exception_file(NULL));
	ck_assert_ptr_null(conc_exception_function(NULL));
	ck_assert_int_eq(conc_exception_line(NULL), 0);
	ck_assert_int_eq(conc_exception_pid(NULL), 0);
	ck_assert_ptr_null(conc_exception_task(NULL));
	ck_assert_ptr_null(conc_exception_cause(NULL));
	ck_assert_ptr_null(conc_exception_death(NULL));
}
END_TEST

START_TEST(reraise_of_null_is_einval)
{
	conc_raise(9, "stays");
	ck_assert_int_eq(conc_reraise(NULL), -EINVAL);
	ck_assert_int_eq(conc_exception_code(conc_caught()), 9);
	conc_clear();
}
END_TEST

START_TEST(a_million_causes_are_released)
{
	conc_exception *kept;

	for (int i = 1; i <= 1000000; i++)
		conc_raise_from(conc_caught(), i, "%d", i);
	kept = conc_exception_ref(conc_exception_cause(conc_caught()));
	conc_clear();
	ck_assert_int_eq(conc_exception_code(kept), 999999);
	conc_exception_release(kept);
}
END_TEST

static conc_exception *shared;

static void *
use_shared(void *arg)
{
	uint32_t seed = seed_start((int)(intptr_t)arg);

	for (int i = 0; i < 200; i++) {
		conc_exception *e = conc_exception_ref(shared);

		jitter(&seed);
		ck_assert_int_eq(conc_reraise(e), -EIO);
		ck_assert_str_eq(conc_exception_message(conc_caught()), "shared");
		conc_exception_release(e);
	}
	/* The last one stays this thread's current exception, and goes with the thread. */
	return NULL;
}

START_TEST(threads_share_an_exception_and_each_has_its_own_current)
{
	for (int n = 0; n < seeds(); n++) {
		pthread_t threads[4];

		conc_raise(-EIO, "shared");
		shared = conc__caught_save();
		for (intptr_t i = 0; i < 4; i++)
			ck_assert_int_eq(
			    pthread_create(&threads[i], NULL, use_shared, (void *)i), 0);
		conc_raise(4, "mine");
		for (int i = 0; i < 4; i++)
			pthread_join(threads[i], NULL);
		ck_assert_int_eq(conc_exception_code(conc_caught()), 4);
		conc_exception_release(shared);
	}
	conc_clear();
}
END_TEST

/* --- forks and the ends of threads --- */

static void
raise_in_child(void)
{
	ck_assert_int_eq(conc_exception_code(conc_caught()), 21);
	ck_assert_int_eq(conc_exception_pid(conc_caught()), getpid()); /* not the parent's */
	ck_assert_int_eq(conc_raise_from(conc_caught(), 22, "child"), 22);
	ck_assert_int_eq(conc_exception_code(conc_exception_cause(conc_caught())), 21);
	conc_clear();
}

START_TEST(a_fork_has_the_exception_of_its_thread)
{
	conc_raise(21, "parent");
	ck_assert_int_eq(run_in_child(raise_in_child), 0);
	ck_assert_int_eq(conc_exception_code(conc_caught()), 21);
	conc_clear();
}
END_TEST

static pthread_key_t late_key;

static void
raise_late(void *arg)
{
	(void)arg;
	conc_raise(31, "in a destructor");
}

static void *
end_with_an_exception(void *arg)
{
	pthread_setspecific(late_key, &late_key);
	conc_raise(30, "at the end");
	return arg;
}

/* That nothing is lost here is for the leak checkers to say. */
START_TEST(a_thread_that_ends_drops_its_exception)
{
	pthread_t thread;

	conc_raise(29, "main");
	conc_clear(); /* our key comes first, so that the other's destructor raises after it */
	ck_assert_int_eq(pthread_key_create(&late_key, raise_late), 0);
	ck_assert_int_eq(pthread_create(&thread, NULL, end_with_an_exception, NULL), 0);
	ck_assert_int_eq(pthread_join(thread, NULL), 0);
	ck_assert_int_eq(pthread_key_delete(late_key), 0);
	ck_assert_ptr_null(conc_caught());
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("error");
	TCase *tc = new_case(s, "raise");

	tcase_add_test(tc, raise_returns_the_code_and_notes_the_place);
	tcase_add_test(tc, einval_for_code_0);
	tcase_add_test(tc, all_codes_survive);
	tcase_add_test(tc, raise_without_format_gives_the_codes_text);
	tcase_add_test(tc, strings_are_copied);
	tcase_add_test(tc, current_exception_may_be_an_argument);
	tcase_add_test(tc, raise_from_null_is_a_raise);
	tcase_add_test(tc, errno_is_kept);
	tcase_add_test(tc, what_was_raised_elsewhere_says_where);
	tcase_add_test(tc, message_of_4095_bytes_is_whole);
	tcase_add_test(tc, message_of_4096_bytes_is_cut);
	tcase_add_test(tc, cut_keeps_characters_whole);
	tcase_add_test(tc, cut_of_what_is_no_utf8);
	tc = new_case(s, "references");
	tcase_add_test(tc, references_keep_it);
	tcase_add_test(tc, null_is_fine);
	tcase_add_test(tc, reraise_of_null_is_einval);
	tcase_add_test(tc, a_million_causes_are_released);
	tcase_add_test(tc, threads_share_an_exception_and_each_has_its_own_current);
	tc = new_case(s, "ends");
	tcase_add_test(tc, a_fork_has_the_exception_of_its_thread);
	tcase_add_test(tc, a_thread_that_ends_drops_its_exception);
	return run_suite(s);
}
