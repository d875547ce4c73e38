/* SPDX-License-Identifier: MIT */
/*
 * Repeated log records: told a few times, then counted and told as one; and what a
 * record says of who wrote it.
 */
#include "base/hook.h"
#include "base/repeats.h"
#include "tests/capture.h"
#include "tests/heard.h"
#include "tests/pool.h"

#define SECOND INT64_C(1000000000)

static struct conc__repeats run;
static struct conc__repeated before;

/* A record at this time passes, and nothing is told before it. */
static bool
passes(conc_log_level level, int64_t time, const char *message)
{
	bool pass = conc__repeats_pass(&run,
	    &(conc_log_record){
		.time = time, .thread = "io-1", .message = message, .level = level, .pid = 7},
	    &before);

	ck_assert_int_eq(before.record.repeated, 0);
	return pass;
}

/* A record at this time passes; before it n repeats of another are told. */
static void
ends_run(conc_log_level level, int64_t time, const char *message, int n, const char *told)
{
	const conc_log_record *r = &before.record;

	ck_assert(conc__repeats_pass(&run,
	    &(conc_log_record){.time = time, .thread = "x", .message = message, .level = level},
	    &before));
	ck_assert_int_eq(r->repeated, n);
	ck_assert_str_eq(r->message, told);
	ck_assert_str_eq(r->thread, "io-1");
	ck_assert_int_eq(r->pid, 7);
}

START_TEST(the_first_few_are_told)
{
	for (int i = 0; i < CONC__REPEATS_TOLD; i++)
		ck_assert(passes(CONC_LOG_ERROR, 100 + i, "no"));
	for (int i = 0; i < 3; i++)
		ck_assert(!passes(CONC_LOG_ERROR, 200 + i, "no"));
	ends_run(CONC_LOG_ERROR, 300, "yes", 3, "no (repeated 3 times)");
	ck_assert_int_eq(before.record.time, 202);
	ck_assert_int_eq(before.record.level, CONC_LOG_ERROR);
	ck_assert(passes(CONC_LOG_ERROR, 301, "no")); /* it has begun anew */
}
END_TEST

START_TEST(what_differs_ends_a_run)
{
	for (int i = 0; i < 100; i++) {
		ck_assert(passes(CONC_LOG_ERROR, i, "no"));
		ck_assert(passes(CONC_LOG_ERROR, i, "no "));
		ck_assert(passes(CONC_LOG_ERROR, i, ""));
		ck_assert(passes(CONC_LOG_WARNING, i, ""));
	}
}
END_TEST

/* A second is counted from the first that was told; and a clock set back ends it too. */
START_TEST(each_second_begins_anew)
{
	int64_t t = 5 * SECOND;

	for (int second = 0; second < 3; second++) {
		for (int i = 0; i < CONC__REPEATS_TOLD - (second > 0); i++)
			ck_assert(passes(CONC_LOG_INFO, t + i, "no"));
		ck_assert(!passes(CONC_LOG_INFO, t + SECOND - 1, "no"));
		t += SECOND;
		ends_run(CONC_LOG_INFO, t, "no", 1, "no (repeated 1 times)");
	}
	for (int i = 1; i < CONC__REPEATS_TOLD; i++)
		ck_assert(passes(CONC_LOG_INFO, t, "no"));
	ck_assert(!passes(CONC_LOG_INFO, t, "no"));
	ends_run(CONC_LOG_INFO, t - 1, "no", 1, "no (repeated 1 times)");
}
END_TEST

/* Nothing is left out that is not known to be the same. */
START_TEST(long_messages_are_always_told)
{
	char text[CONC__REPEATS_SIZE + 1];

	memset(text, 't', sizeof text);
	text[CONC__REPEATS_SIZE] = 0;
	for (int i = 0; i < 100; i++)
		ck_assert(passes(CONC_LOG_INFO, i, text));
	text[CONC__REPEATS_SIZE - 1] = 0;
	for (int i = 0; i < 100; i++)
		ck_assert_int_eq(passes(CONC_LOG_INFO, i, text), i < CONC__REPEATS_TOLD);
	conc__repeats_end(&run, &before);
	ck_assert_int_eq(before.record.repeated, 100 - CONC__REPEATS_TOLD);
	ck_assert_uint_eq(strlen(before.message),
	    CONC__REPEATS_SIZE - 1 + strlen(" (repeated 95 times)"));
}
END_TEST

static void
note(int64_t time, const char *message)
{
	conc__log_record(&(conc_log_record){.time = time,
	    .thread = "io-1",
	    .message = message,
	    .level = CONC_LOG_WARNING,
	    .pid = 7,
	    .worker = 1});
}

START_TEST(a_handler_hears_of_repeats)
{
	heard_start(CONC_LOG_WARNING);
	for (int i = 0; i < 20; i++)
		note(i, "no");
	ck_assert_int_eq(heard_count(), CONC__REPEATS_TOLD);
	note(20, "yes");
	ck_assert_int_eq(heard_count(), CONC__REPEATS_TOLD + 2);
	ck_assert_str_eq(heard(CONC__REPEATS_TOLD)->message, "no (repeated 15 times)");
	ck_assert_str_eq(heard(CONC__REPEATS_TOLD)->thread, "io-1");
	ck_assert_int_eq(heard(CONC__REPEATS_TOLD)->record.repeated, 15);
	ck_assert_int_eq(heard(CONC__REPEATS_TOLD)->record.worker, 1);
	ck_assert_int_eq(heard(CONC__REPEATS_TOLD)->record.time, 19);
	ck_assert_int_eq(heard(CONC__REPEATS_TOLD + 1)->record.repeated, 0);
	heard_stop();
}
END_TEST

/* What was left out goes to the handler that it was kept from. */
START_TEST(set_log_tells_what_was_left_out)
{
	char *text;

	heard_start(CONC_LOG_WARNING);
	for (int i = 0; i < 8; i++)
		note(i, "no");
	capture_start();
	ck_assert_int_eq(conc_set_log(NULL, NULL, CONC_LOG_WARNING), 0);
	ck_assert_int_eq(heard_with("no (repeated 3 times)"), 1);
	for (int i = 0; i < 7; i++)
		note(8 + i, "no");
	ck_assert_int_eq(conc_set_log(hear_record, NULL, CONC_LOG_ERROR), 0);
	text = capture_end();
	ck_assert_ptr_nonnull(strstr(text, " warning io-1: no\n"));
	ck_assert_ptr_nonnull(strstr(text, " warning io-1: no (repeated 2 times)\n"));
	ck_assert_int_eq(heard_count(), 6);
	note(20, "below the level");
	ck_assert_int_eq(heard_count(), 6);
	free(text);
	heard_stop();
}
END_TEST

static void *
repeat(void *arg)
{
	for (int i = 0; i < 500; i++)
		conc_log(CONC_LOG_ERROR, "the same");
	return arg;
}

/* Told or counted: none is lost, none comes twice, whichever threads say it. */
START_TEST(repeats_of_many_threads_are_all_counted)
{
	pthread_t threads[4];
	int sum = 0;

	heard_start(CONC_LOG_ERROR);
	for (int i = 0; i < 4; i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, repeat, NULL), 0);
	for (int i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	conc_log(CONC_LOG_ERROR, "another");
	for (int i = 0; i < heard_count(); i++)
		sum += heard(i)->record.repeated > 0 ? heard(i)->record.repeated : 1;
	ck_assert_int_eq(sum, 2001);
	ck_assert_int_eq(heard_with("another"), 1);
	heard_stop();
}
END_TEST

static void
log_within(const conc_log_record *record, void *user)
{
	hear_record(record, user);
	conc_log(CONC_LOG_WARNING, "from within");
	conc_set_log(log_within, user, CONC_LOG_WARNING);
}

/* A handler is never called by itself, not even with what it had not been told. */
START_TEST(a_handler_within_is_not_called)
{
	char *text;
	int n = 0;

	conc_set_log(log_within, NULL, CONC_LOG_WARNING);
	capture_start();
	for (int i = 0; i < 9; i++)
		conc_log(CONC_LOG_ERROR, "outer");
	text = capture_end();
	ck_assert_int_eq(heard_count(), 9); /* setting it began the count anew, each time */
	for (const char *at = text; (at = strstr(at, "from within")) != NULL; at++)
		n++;
	ck_assert_int_eq(n, 9);
	free(text);
	heard_stop();
}
END_TEST

static int
log_task(const void *arg, void *result)
{
	(void)result;
	conc_log(CONC_LOG_WARNING, "task %d", *(const int *)arg);
	return 0;
}

START_TEST(a_record_names_thread_and_worker)
{
	struct gate gate = GATE;
	conc_executor *pool = POOL(.workers = 3, .name = "crew");
	int n = 4;

	heard_start(CONC_LOG_WARNING);
	conc_log(CONC_LOG_WARNING, "main");
	ck_assert_int_eq(heard(0)->record.worker, -1);
	ck_assert_int_eq(heard(0)->record.repeated, 0);
	hold_workers(pool, &gate, 2); /* then the third one runs it */
	conc_future *f =
	    SUBMIT(pool, .fn = log_task, .arg = &n, .arg_size = sizeof n);
	while (!conc_future_done(f)) /* nor may a waiter */
		sched_yield();
	conc_future_release(f);
	ck_assert_str_eq(heard(1)->message, "task 4");
	ck_assert_str_eq(heard(1)->thread, "crew-2");
	ck_assert_int_eq(heard(1)->record.worker, 2);
	ck_assert_int_eq(heard(1)->record.pid, getpid());
	latch_set(&gate.open);
	conc_executor_destroy(pool);
	heard_stop();
}
END_TEST

static void
log_of_its_own(void)
{
	conc_log(CONC_LOG_ERROR, "child");
	ck_assert_int_eq(heard_count(), CONC__REPEATS_TOLD + 1);
	ck_assert_str_eq(heard(CONC__REPEATS_TOLD)->message, "child");
}

/* What was left out before a fork the parent tells, alone. */
START_TEST(a_fork_takes_no_repeats_along)
{
	heard_start(CONC_LOG_ERROR);
	for (int i = 0; i < 12; i++)
		conc_log(CONC_LOG_ERROR, "same");
	ck_assert_int_eq(run_in_child(log_of_its_own), 0);
	conc_log(CONC_LOG_ERROR, "parent");
	ck_assert_int_eq(heard_with("same (repeated 7 times)"), 1);
	heard_stop();
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("log_repeats");
	TCase *tc = new_case(s, "repeats");

	tcase_add_test(tc, the_first_few_are_told);
	tcase_add_test(tc, what_differs_ends_a_run);
	tcase_add_test(tc, each_second_begins_anew);
	tcase_add_test(tc, long_messages_are_always_told);
	tc = new_case(s, "records");
	tcase_add_test(tc, a_handler_hears_of_repeats);
	tcase_add_test(tc, set_log_tells_what_was_left_out);
	tcase_add_test(tc, repeats_of_many_threads_are_all_counted);
	tcase_add_test(tc, a_fork_takes_no_repeats_along);
	tcase_add_test(tc, a_handler_within_is_not_called);
	tcase_add_test(tc, a_record_names_thread_and_worker);
	return run_suite(s);
}
