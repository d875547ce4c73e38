/* SPDX-License-Identifier: MIT */
/*
 * Nothing but the log prints, and where nobody reads that the library lives.
 */
#include "tests/capture.h"
#include "tests/process.h"

static int
log_some(const void *arg, void *result)
{
	(void)arg, (void)result;
	for (int i = 0; i < 10; i++)
		conc_log(CONC_LOG_ERROR, "said %d times", i / 8);
	return 0;
}

static int
segv_task(const void *arg, void *result)
{
	(void)arg, (void)result;
	return die(BY_SEGV);
}

static int
raise_task(const void *arg, void *result)
{
	(void)arg, (void)result;
	return conc_raise(-EDOM, "nobody looks at this");
}

static int
fail_init(void *user)
{
	(void)user;
	return conc_raise(-EPERM, "no");
}

static void
suffer(conc_executor *pool)
{
	conc_future *f = NULL;

	for (int i = 0; i < 3; i++)
		(void)conc_submit(pool, i == 1 ? raise_task : log_some, NULL, 0, 0, NULL);
	if (conc_process_pool_refresh(pool) != -EINVAL) { /* else it is one of threads */
		ck_assert_int_eq(conc_submit(pool, segv_task, NULL, 0, 0, &f), 0);
		(void)conc_future_wait(f, CONC_FOREVER);
		conc_future_release(f); /* unlooked at */
	}
	conc_executor_destroy(pool);
}

/* With the log shut, the library says nothing on either stream, whatever befalls it. */
START_TEST(nothing_else_prints)
{
	int out = dup(1);
	char *text;

	conc_set_log(NULL, NULL, CONC_LOG_NONE);
	fflush(stdout);
	capture_start();
	ck_assert_int_eq(dup2(2, 1), 1);
	suffer(POOL(.workers = 2));
	suffer(PROCESSES(.workers = 2));
	conc_executor *pool = PROCESSES(.workers = 1, .init = fail_init);
	conc_future *f = SUBMIT(pool, .fn = log_some);
	(void)conc_future_wait(f, CONC_FOREVER);
	conc_future_release(f);
	conc_executor_destroy(pool);
	ck_assert_int_eq(dup2(out, 1), 1);
	close(out);
	text = capture_end();
	ck_assert_str_eq(text, "");
	free(text);
}
END_TEST

/* And where nobody reads them it lives: SIGPIPE is at its default. */
START_TEST(nobody_reads_standard_error)
{
	int out = dup(1), err = dup(2), ends[2];

	fflush(NULL);
	ck_assert_int_eq(pipe(ends), 0);
	close(ends[0]);
	ck_assert_int_eq(dup2(ends[1], 1), 1);
	ck_assert_int_eq(dup2(ends[1], 2), 2);
	close(ends[1]);
	suffer(POOL(.workers = 2));
	suffer(PROCESSES(.workers = 2));
	ck_assert_int_eq(dup2(out, 1), 1);
	ck_assert_int_eq(dup2(err, 2), 2);
	close(out);
	close(err);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("silence");
	TCase *tc = process_case(s, "silence");

	tcase_add_test(tc, nothing_else_prints);
	tcase_add_test(tc, nobody_reads_standard_error);
	return run_suite(s);
}
