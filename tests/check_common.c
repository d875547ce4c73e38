/* SPDX-License-Identifier: MIT */
/*
 * Does the common fixture bite?  Tests that must fail, run quietly and
 * counted, beside some that must pass.
 */
#include "tests/common.h"
#include <fcntl.h>

static struct latch never = LATCH;
static int spare; /* a descriptor from before the tests */

static void *
wait_forever(void *arg)
{
	(void)arg;
	latch_wait(&never, 1);
	return NULL;
}

static void *
end_at_once(void *arg)
{
	return arg;
}

static bool
is_false(void *arg)
{
	(void)arg;
	return false;
}

START_TEST(fails_by_assertion)
{
	ck_assert_int_eq(1, 2);
}
END_TEST

START_TEST(leaves_thread)
{
	pthread_t thread;

	hang_alarm = 20000;
	ck_assert_int_eq(pthread_create(&thread, NULL, wait_forever, NULL), 0);
	pthread_detach(thread);
}
END_TEST

START_TEST(leaves_descriptor)
{
	ck_assert_int_ge(open("/dev/null", O_RDONLY | O_CLOEXEC), 0);
}
END_TEST

START_TEST(takes_descriptor)
{
	ck_assert_int_eq(close(spare), 0);
}
END_TEST

START_TEST(leaves_child)
{
	pid_t pid = fork();

	if (pid == 0)
		_exit(0);
	ck_assert_int_gt(pid, 0);
}
END_TEST

START_TEST(hangs_at_latch)
{
	struct latch l = LATCH;

	latch_set(&l);
	latch_wait(&l, 2);
}
END_TEST

START_TEST(hangs_at_condition)
{
	eventually(is_false, NULL);
}
END_TEST

START_TEST(leaves_nothing)
{
	struct latch l = LATCH;
	pthread_t thread;
	int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

	ck_assert_int_eq(pthread_create(&thread, NULL, end_at_once, NULL), 0);
	ck_assert_int_eq(pthread_join(thread, NULL), 0);
	close(fd);
	latch_set(&l);
	latch_wait(&l, 1);
	ck_assert_int_eq(latch_count(&l), 1);
}
END_TEST

static void
do_nothing(void)
{
}

static void
exit_with_7(void)
{
	_exit(7);
}

static void
die(void)
{
	abort();
}

START_TEST(children_tell_how_they_ended)
{
	ck_assert_int_eq(run_in_child(do_nothing), 0);
	ck_assert_int_eq(run_in_child(exit_with_7), 7);
	ck_assert_int_eq(run_in_child(die), 1000 + SIGABRT);
}
END_TEST

START_TEST(random_numbers_repeat)
{
	uint32_t a = seed_start(3), b = seed_start(3), seen = 0;

	for (int i = 0; i < 1000; i++) {
		uint32_t x = random_below(&a, 32);

		ck_assert_uint_eq(x, random_below(&b, 32));
		seen |= UINT32_C(1) << x;
		jitter(&a);
		jitter(&b);
	}
	ck_assert_uint_eq(seen, UINT32_MAX);
	ck_assert_int_gt(seeds(), 0);
}
END_TEST

/* The alarms of tests that are meant to hang. */
static void
hurry(void)
{
	hang_alarm = 50;
	fixture_grace = 50;
}

/* Run the tests that must fail, each forked (a failure ends it); did all? */
static bool
all_fail(void)
{
	Suite *s = suite_create("must fail");
	TCase *tc = new_case(s, "fixture");
	SRunner *runner = srunner_create(s);
	int ran, failed;

	spare = open("/dev/null", O_RDONLY | O_CLOEXEC);
	tcase_add_checked_fixture(tc, hurry, NULL);
	tcase_add_test(tc, fails_by_assertion);
	tcase_add_test(tc, leaves_thread);
	tcase_add_test(tc, leaves_descriptor);
	tcase_add_test(tc, takes_descriptor);
	tcase_add_test(tc, leaves_child);
	tcase_add_test(tc, hangs_at_latch);
	tcase_add_test(tc, hangs_at_condition);
	srunner_set_fork_status(runner, CK_FORK);
	srunner_run_all(runner, CK_SILENT);
	ran = srunner_ntests_run(runner);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	close(spare);
	if (ran != failed)
		printf("%d of %d tests that must fail passed\n", ran - failed, ran);
	return ran == 7 && failed == 7;
}

int
main(void)
{
	Suite *s = suite_create("common");
	TCase *tc = new_case(s, "fixture");
	bool bites = getenv("CK_RUN_CASE") != NULL || all_fail();

	tcase_add_test(tc, leaves_nothing);
	tcase_add_test(tc, children_tell_how_they_ended);
	tcase_add_test(tc, random_numbers_repeat);
	return run_suite(s) == EXIT_SUCCESS && bites ? EXIT_SUCCESS : EXIT_FAILURE;
}
