/* SPDX-License-Identifier: MIT */
/*
 * <conc/log.h>: levels, handlers, and the lines of the default handler.
 */
#include "base/hook.h"
#include "base/thread.h"
#include "tests/capture.h"
#include <conc/error.h>
#include <conc/log.h>
#include <fcntl.h>
#include <regex.h>
#include <signal.h>

static const char *volatile no_format; /* NULL, which the compiler must not see */

/* What a handler saw last. */
struct seen {
	int calls;
	conc_log_record record;
	char thread[64];
	char *message; /* to be freed */
};

static void
note(const conc_log_record *record, void *user)
{
	struct seen *seen = user;

	seen->calls++;
	seen->record = *record;
	snprintf(seen->thread, sizeof seen->thread, "%s", record->thread);
	free(seen->message);
	seen->message = strdup(record->message);
}

static bool
matches(const char *text, const char *pattern)
{
	regex_t regex;
	bool yes;

	ck_assert_int_eq(regcomp(&regex, pattern, REG_EXTENDED | REG_NOSUB), 0);
	yes = regexec(&regex, text, 0, NULL, 0) == 0;
	regfree(&regex);
	return yes;
}

#define STAMP "[0-9]{4}-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-5][0-9]:[0-6][0-9]\\.[0-9]{6}Z"

/* --- the default handler --- */

START_TEST(default_line)
{
	char thread[64], pattern[256], *text;

	conc__thread_name(thread, sizeof thread);
	capture_start();
	conc_log(CONC_LOG_WARNING, "cache %s is cold", "a.db");
	text = capture_end();
	snprintf(pattern, sizeof pattern, "^" STAMP " warning %s: cache a\\.db is cold\n$",
	    thread);
	ck_assert_msg(matches(text, pattern), "%s", text);
	free(text);
}
END_TEST

/* The stamp of the line, read back by the C library, lies between two looks at the clock. */
START_TEST(default_stamp_is_the_time)
{
	time_t before = time(NULL), stamp;
	struct tm tm = {0};
	char *text;

	capture_start();
	conc_log(CONC_LOG_ERROR, "x");
	text = capture_end();
	ck_assert_ptr_nonnull(strptime(text, "%Y-%m-%dT%H:%M:%S", &tm));
	stamp = timegm(&tm);
	ck_assert_int_ge(stamp, before);
	ck_assert_int_le(stamp, time(NULL) + 1);
	ck_assert(matches(text, "Z error "));
	free(text);
}
END_TEST

/* The calendar against the C library's, from 1970 to 2104: 2000 has a leap day, 2100 none. */
START_TEST(default_stamp_is_right_on_any_day)
{
	for (int64_t day = 0; day < 366 * 135; day++) {
		int64_t seconds = day * 86400 + day % 86400;
		char prefix[CONC__LOG_PREFIX], expected[CONC__LOG_PREFIX];
		time_t t = (time_t)seconds;
		struct tm tm;

		ck_assert_ptr_nonnull(gmtime_r(&t, &tm));
		strftime(expected, sizeof expected, "%Y-%m-%dT%H:%M:%S.012345Z info io: ", &tm);
		ck_assert_uint_eq(conc__log_prefix(prefix,
		    &(conc_log_record){.time = seconds * 1000000000 + 12345678,
			.thread = "io",
			.level = CONC_LOG_INFO}), strlen(expected));
		ck_assert_str_eq(prefix, expected);
	}
}
END_TEST

START_TEST(default_marks_each_line)
{
	char *text;

	capture_start();
	conc_log(CONC_LOG_ERROR, "one\ttab\x01\n\nthree\n");
	text = capture_end();
	ck_assert(matches(text, "^" STAMP " error [^:]+: one\ttab\x01\n"
				STAMP " error [^:]+: \n"
				STAMP " error [^:]+: three\n"
				STAMP " error [^:]+: \n$"));
	free(text);
}
END_TEST

START_TEST(default_writes_a_record_at_once)
{
	enum { WRITERS = 4, RECORDS = 25, LINES = 40 };
	/* Each process writes records of many lines; of no two are they mixed. */
	char *text, *line, *rest;
	int n = 0, last = -1, at = 0;
	pid_t pid;

	capture_start();
	for (int i = 0; i < WRITERS; i++) {
		pid = fork();
		ck_assert_int_ge(pid, 0);
		if (pid == 0) {
			char message[LINES * 32], *end = message;

			for (int k = 0; k < LINES; k++)
				end += sprintf(end, k > 0 ? "\n%d %d" : "%d %d", i, k);
			fcntl(2, F_SETFL, O_APPEND);
			for (int k = 0; k < RECORDS; k++)
				conc_log(CONC_LOG_ERROR, "%s %d", message, k);
			_exit(0);
		}
	}
	for (int i = 0; i < WRITERS; i++)
		ck_assert_int_gt(wait(NULL), 0);
	text = capture_end();
	for (line = strtok_r(text, "\n", &rest); line != NULL;
	    line = strtok_r(NULL, "\n", &rest), n++) {
		int who, which;

		line = strstr(line, ": ");
		ck_assert_ptr_nonnull(line);
		ck_assert_int_eq(sscanf(line, ": %d %d", &who, &which), 2);
		ck_assert_int_eq(which, at);
		ck_assert(at == 0 || who == last);
		last = who;
		at = (at + 1) % LINES;
	}
	ck_assert_int_eq(n, WRITERS * RECORDS * LINES);
	free(text);
}
END_TEST

static void *
read_slowly(void *arg)
{
	int fd = *(int *)arg;
	size_t sum = 0;
	char bytes[997];
	ssize_t n;

	while ((n = read(fd, bytes, sizeof bytes)) > 0) {
		sum += (size_t)n;
		sched_yield();
	}
	return (void *)sum;
}

/* A pipe that does not block takes it in pieces: what is written waits for the reader. */
START_TEST(default_goes_on_where_a_pipe_is_full)
{
	char *message = malloc(200001);
	int fds[2], saved;
	pthread_t thread;
	void *sum;

	ck_assert_ptr_nonnull(message);
	memset(message, 'm', 200000);
	message[200000] = 0;
	ck_assert_int_eq(pipe(fds), 0);
	ck_assert_int_eq(fcntl(fds[1], F_SETFL, O_NONBLOCK), 0);
	ck_assert_int_eq(pthread_create(&thread, NULL, read_slowly, &fds[0]), 0);
	saved = dup(2);
	dup2(fds[1], 2);
	close(fds[1]);
	conc__log(CONC_LOG_ERROR, message);
	dup2(saved, 2);
	close(saved);
	ck_assert_int_eq(pthread_join(thread, &sum), 0);
	ck_assert_uint_gt((size_t)sum, 200000);
	close(fds[0]);
	free(message);
}
END_TEST

/* Nobody reads: the record is lost, and the process lives (SIGPIPE is at its default). */
START_TEST(default_survives_a_broken_pipe)
{
	int fds[2], saved = dup(2);

	ck_assert_ptr_eq(signal(SIGPIPE, SIG_DFL), SIG_DFL);
	ck_assert_int_eq(pipe(fds), 0);
	close(fds[0]);
	dup2(fds[1], 2);
	close(fds[1]);
	conc_log(CONC_LOG_ERROR, "to nobody");
	close(2);
	conc_log(CONC_LOG_ERROR, "to nowhere");
	dup2(saved, 2);
	close(saved);
}
END_TEST

/* --- levels --- */

START_TEST(levels_below_the_set_one_are_dropped)
{
	struct seen seen = {0};

	for (int level = CONC_LOG_DEBUG; level <= CONC_LOG_NONE; level++) {
		ck_assert_int_eq(conc_set_log(note, &seen, (conc_log_level)level), 0);
		seen.calls = 0;
		for (int l = CONC_LOG_DEBUG; l <= CONC_LOG_ERROR; l++)
			conc_log((conc_log_level)l, "level %d", l);
		ck_assert_int_eq(seen.calls, CONC_LOG_NONE - level);
	}
	conc_set_log(NULL, NULL, CONC_LOG_WARNING);
	free(seen.message);
}
END_TEST

START_TEST(warning_is_the_first_level)
{
	char *text;

	capture_start();
	conc_log(CONC_LOG_INFO, "not this");
	conc_log(CONC_LOG_WARNING, "but this");
	text = capture_end();
	ck_assert(matches(text, "^" STAMP " warning [^:]+: but this\n$"));
	free(text);
}
END_TEST

START_TEST(what_makes_no_sense_is_ignored)
{
	const wchar_t strange[] = {0x263A, 0}; /* no byte stands for it in the C locale */
	struct seen seen = {0};

	ck_assert_int_eq(conc_set_log(note, &seen, CONC_LOG_DEBUG), 0);
	conc_log(CONC_LOG_NONE, "x");
	conc_log((conc_log_level)17, "x");
	conc_log((conc_log_level)-1, "x");
	conc_log(CONC_LOG_ERROR, no_format, 0);
	errno = EDOM;
	conc_log(CONC_LOG_ERROR, "%ls", strange);
	ck_assert_int_eq(errno, EDOM);
	ck_assert_int_eq(seen.calls, 0);
	conc_set_log(NULL, NULL, CONC_LOG_WARNING);
}
END_TEST

START_TEST(set_log_einval_unknown_level)
{
	struct seen seen = {0};

	ck_assert_int_eq(conc_set_log(note, &seen, CONC_LOG_DEBUG), 0);
	ck_assert_int_eq(
	    conc_set_log(NULL, NULL, (conc_log_level)(CONC_LOG_NONE + 1)), -EINVAL);
	ck_assert_int_eq(conc_set_log(NULL, NULL, (conc_log_level)-1), -EINVAL);
	conc_log(CONC_LOG_DEBUG, "the handler stays");
	ck_assert_int_eq(seen.calls, 1);
	conc_set_log(NULL, NULL, CONC_LOG_WARNING);
	free(seen.message);
}
END_TEST

/* --- handlers --- */

START_TEST(handler_gets_the_record)
{
	struct seen seen = {0};
	time_t before = time(NULL);
	char thread[64];

	conc_set_log(note, &seen, CONC_LOG_INFO);
	conc__thread_name(thread, sizeof thread);
	conc_log(CONC_LOG_INFO, "%d and\n%s", 1, "two");
	ck_assert_int_eq(seen.calls, 1);
	ck_assert_str_eq(seen.message, "1 and\ntwo");
	ck_assert_str_eq(seen.thread, thread);
	ck_assert_int_eq(seen.record.level, CONC_LOG_INFO);
	ck_assert_int_eq(seen.record.pid, getpid());
	ck_assert_int_ge(seen.record.time / 1000000000, before);
	ck_assert_int_le(seen.record.time / 1000000000, time(NULL) + 1);
	conc_set_log(NULL, NULL, CONC_LOG_WARNING);
	free(seen.message);
}
END_TEST

START_TEST(messages_are_cut_at_16383_bytes)
{
	struct seen seen = {0};
	char *text = malloc(20001);

	ck_assert_ptr_nonnull(text);
	memset(text, 't', 20000);
	text[20000] = 0;
	conc_set_log(note, &seen, CONC_LOG_INFO);
	for (int n = 16382; n <= 16385; n++) {
		conc_log(CONC_LOG_INFO, "%.*s", n, text);
		ck_assert_uint_eq(strlen(seen.message), n < 16383 ? (size_t)n : 16383);
	}
	conc_log(CONC_LOG_INFO, "%.*s", 600, text);
	ck_assert_uint_eq(strlen(seen.message), 600);
	conc_set_log(NULL, NULL, CONC_LOG_WARNING);
	free(text);
	free(seen.message);
}
END_TEST

static void
log_within(const conc_log_record *record, void *user)
{
	note(record, user);
	conc_log(CONC_LOG_WARNING, "from within");
}

START_TEST(handler_that_logs_goes_to_the_default)
{
	struct seen seen = {0};
	char *text;

	conc_set_log(log_within, &seen, CONC_LOG_WARNING);
	capture_start();
	conc_log(CONC_LOG_ERROR, "outer");
	text = capture_end();
	ck_assert_int_eq(seen.calls, 1);
	ck_assert_str_eq(seen.message, "outer");
	ck_assert(matches(text, "^" STAMP " warning [^:]+: from within\n$"));
	free(text);
	conc_set_log(NULL, NULL, CONC_LOG_WARNING);
	free(seen.message);
}
END_TEST

static void
disturb(const conc_log_record *record, void *user)
{
	note(record, user);
	ck_assert_ptr_null(conc_caught());
	conc_raise(9, "handler");
	conc_set_log(disturb, user, CONC_LOG_DEBUG); /* no lock is held */
	errno = EDOM;
}

START_TEST(errno_and_the_current_exception_are_kept)
{
	struct seen seen = {0};
	char *text;

	conc_raise(3, "mine");
	conc_set_log(disturb, &seen, CONC_LOG_DEBUG);
	errno = ENOLCK;
	conc_log(CONC_LOG_DEBUG, "%m %s", conc_exception_message(conc_caught()));
	ck_assert_int_eq(errno, ENOLCK);
	ck_assert_str_eq(seen.message, "No locks available mine");
	ck_assert_int_eq(conc_exception_code(conc_caught()), 3);
	conc_set_log(NULL, NULL, CONC_LOG_WARNING);
	capture_start();
	errno = ENOLCK;
	conc_log(CONC_LOG_ERROR, "x");
	ck_assert_int_eq(errno, ENOLCK);
	text = capture_end();
	ck_assert_int_eq(conc_exception_code(conc_caught()), 3);
	free(text);
	conc_clear();
	free(seen.message);
}
END_TEST

/* --- threads and forks --- */

/* Each handler finds its own user: the pair is never torn. */
static int users[2];
static struct latch finished = LATCH;

static void
first(const conc_log_record *record, void *user)
{
	(void)record;
	ck_assert_ptr_eq(user, &users[0]);
}

static void
second(const conc_log_record *record, void *user)
{
	(void)record;
	ck_assert_ptr_eq(user, &users[1]);
}

static void *
log_all_the_time(void *arg)
{
	do
		conc_log(CONC_LOG_ERROR, "x");
	while (latch_count(&finished) == 0);
	return arg;
}

START_TEST(handler_and_user_change_together)
{
	pthread_t threads[2];
	uint32_t seed = seed_start(0);

	conc_set_log(first, &users[0], CONC_LOG_ERROR);
	for (int i = 0; i < 2; i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, log_all_the_time, NULL), 0);
	for (int i = 0; i < seeds() * 20; i++) {
		jitter(&seed);
		conc_set_log(i % 2 ? first : second, &users[i % 2 ? 0 : 1], CONC_LOG_ERROR);
	}
	latch_set(&finished);
	for (int i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
	conc_set_log(NULL, NULL, CONC_LOG_WARNING);
}
END_TEST

static struct seen child_seen;

static void
log_in_child(void)
{
	conc_set_log(note, &child_seen, CONC_LOG_INFO);
	conc_log(CONC_LOG_INFO, "child");
	ck_assert_int_eq(child_seen.record.pid, getpid());
	ck_assert_str_eq(child_seen.message, "child");
	conc_set_log(NULL, NULL, CONC_LOG_NONE);
}

/* Check has a lock, which the child would find held: no asserts in the other thread. */
static void
take_no_notice(const conc_log_record *record, void *user)
{
	(void)record, (void)user;
}

START_TEST(log_works_in_the_child_of_a_fork)
{
	pthread_t thread;

	conc_set_log(take_no_notice, NULL, CONC_LOG_ERROR);
	ck_assert_int_eq(pthread_create(&thread, NULL, log_all_the_time, NULL), 0);
	for (int i = 0; i < seeds(); i++)
		ck_assert_int_eq(run_in_child(log_in_child), 0);
	latch_set(&finished);
	pthread_join(thread, NULL);
	conc_set_log(NULL, NULL, CONC_LOG_WARNING);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("log");
	TCase *tc = new_case(s, "default");

	tcase_add_test(tc, default_line);
	tcase_add_test(tc, default_stamp_is_the_time);
	tcase_add_test(tc, default_stamp_is_right_on_any_day);
	tcase_add_test(tc, default_marks_each_line);
	tcase_add_test(tc, default_writes_a_record_at_once);
	tcase_add_test(tc, default_goes_on_where_a_pipe_is_full);
	tcase_add_test(tc, default_survives_a_broken_pipe);
	tc = new_case(s, "levels");
	tcase_add_test(tc, levels_below_the_set_one_are_dropped);
	tcase_add_test(tc, warning_is_the_first_level);
	tcase_add_test(tc, what_makes_no_sense_is_ignored);
	tcase_add_test(tc, set_log_einval_unknown_level);
	tc = new_case(s, "handlers");
	tcase_add_test(tc, handler_gets_the_record);
	tcase_add_test(tc, messages_are_cut_at_16383_bytes);
	tcase_add_test(tc, handler_that_logs_goes_to_the_default);
	tcase_add_test(tc, errno_and_the_current_exception_are_kept);
	tc = new_case(s, "threads");
	tcase_add_test(tc, handler_and_user_change_together);
	tcase_add_test(tc, log_works_in_the_child_of_a_fork);
	return run_suite(s);
}
