/* SPDX-License-Identifier: MIT */
/*
 * The log of a process pool: floods of records, what a handler may do, and the
 * records that do not go to the host's handler.
 */
#include "tests/capture.h"
#include "tests/heard.h"
#include "tests/process.h"

/* --- floods --- */

static int
flood(const void *arg, void *result)
{
	static char text[1001];
	int size = *(const int *)arg;

	(void)result;
	memset(text, 't', sizeof text - 1);
	atomic_fetch_add(&shared->come, 1);
	for (int i = 0; atomic_load(&shared->open) == 0; i++)
		conc_log(CONC_LOG_WARNING, "%d %.*s", i, size, text);
	return 0;
}

static void
overhear(const conc_log_record *record, void *user)
{
	(void)record;
	atomic_fetch_add((atomic_int *)user, 1);
}

static atomic_int overheard;

static conc_future *
start_flood(conc_executor *pool, int size)
{
	int before = atomic_load(&shared->come);
	conc_future *f = SUBMIT(pool, .fn = flood, .arg = &size, .arg_size = sizeof size);

	reach(&shared->come, before + 1);
	reach(&overheard, atomic_load(&overheard) + 100);
	return f;
}

START_TEST(a_flood_does_not_starve_others)
{
	conc_executor *pool;
	conc_future *f;

	conc_set_log(overhear, &overheard, CONC_LOG_WARNING);
	pool = PROCESSES(.workers = 2);
	f = start_flood(pool, 5);
	for (int i = 0; i < 200; i++)
		ck_assert_int_eq(finish(submit_run(pool, i)), 0);
	ck_assert(!conc_future_done(f));
	atomic_store(&shared->open, 1);
	ck_assert_int_eq(finish(f), 0);
	conc_executor_destroy(pool);
	conc_set_log(NULL, NULL, CONC_LOG_WARNING);
}
END_TEST

/* Nor does it keep the pool from killing who floods. */
START_TEST(a_flood_is_killed)
{
	const int size = 1000;
	conc_executor *pool;
	conc_future *f;

	conc_set_log(overhear, &overheard, CONC_LOG_WARNING);
	pool = PROCESSES(.workers = 1);
	f = SUBMIT(pool, .fn = flood, .arg = &size, .arg_size = sizeof size,
	    .time_limit = CONC_MS(30));
	ck_assert_int_eq(finish(f), CONC_ETIMELIMIT);
	f = start_flood(pool, 1);
	ck_assert_int_eq(conc_future_kill(f), 0);
	ck_assert_int_eq(finish(f), -ECANCELED);
	f = start_flood(pool, 3);
	ck_assert_int_eq(conc_shutdown(pool, CONC_KILL, CONC_FOREVER), 0);
	ck_assert_int_eq(finish(f), -ECANCELED);
	conc_executor_destroy(pool);
	conc_set_log(NULL, NULL, CONC_LOG_WARNING);
}
END_TEST

/* What the host has not told stays with the worker, who waits. */
START_TEST(a_slow_handler_holds_a_flood_up)
{
	struct rusage before, after;
	conc_executor *pool;
	conc_future *f;

	conc_set_log(overhear, &overheard, CONC_LOG_WARNING);
	pool = PROCESSES(.workers = 1);
	f = start_flood(pool, 1000);
	getrusage(RUSAGE_SELF, &before);
	reach(&overheard, atomic_load(&overheard) + (slow_build() ? 2000 : 50000));
	getrusage(RUSAGE_SELF, &after);
	/* 50 MB have come by; the host has kept none of it. */
	ck_assert_int_lt(after.ru_maxrss - before.ru_maxrss, 8 * 1024);
	atomic_store(&shared->open, 1);
	ck_assert_int_eq(finish(f), 0);
	conc_executor_destroy(pool);
	conc_set_log(NULL, NULL, CONC_LOG_WARNING);
}
END_TEST

/* --- handlers --- */

static int
log_task(const void *arg, void *result)
{
	(void)arg, (void)result;
	conc_log(CONC_LOG_INFO, "info");
	conc_log(CONC_LOG_WARNING, "warning");
	conc_log(CONC_LOG_ERROR, "error");
	return 0;
}

/* The zygote inherits a level; the host's own is heeded as well. */
START_TEST(levels_of_both_sides)
{
	conc_executor *pool;

	heard_start(CONC_LOG_WARNING);
	pool = PROCESSES(.workers = 1);
	heard_start(CONC_LOG_DEBUG); /* the workers do not know */
	ck_assert_int_eq(finish(SUBMIT(pool, .fn = log_task)), 0);
	ck_assert_int_eq(heard_count(), 2);
	ck_assert_int_eq(conc_process_pool_refresh(pool), 0);
	ck_assert_int_eq(finish(SUBMIT(pool, .fn = log_task)), 0);
	ck_assert_int_eq(heard_count(), 5);
	heard_start(CONC_LOG_ERROR);
	ck_assert_int_eq(finish(SUBMIT(pool, .fn = log_task)), 0);
	ck_assert_int_eq(heard_count(), 6);
	ck_assert_int_eq(heard_with("error"), 3);
	conc_executor_destroy(pool);
	heard_stop();
}
END_TEST

START_TEST(without_a_handler_it_is_standard_error)
{
	conc_executor *pool = PROCESSES(.workers = 1, .name = "crew");
	char *text;

	capture_start(); /* the worker's is another */
	ck_assert_int_eq(finish(SUBMIT(pool, .fn = log_task)), 0);
	text = capture_end();
	ck_assert_ptr_nonnull(strstr(text, " warning crew-0: warning\n"));
	ck_assert_ptr_nonnull(strstr(text, " error crew-0: error\n"));
	ck_assert_ptr_null(strstr(text, "info"));
	free(text);
	conc_executor_destroy(pool);
}
END_TEST

struct within {
	conc_executor *pool;
	conc_future *hanging;
	int calls, wait, submit, destroy;
};

/* It runs on the dispatcher: it may do what a callback may, and its own records are written. */
static void
meddle(const conc_log_record *record, void *user)
{
	struct within *w = user;

	(void)record;
	w->calls++;
	conc_log(CONC_LOG_WARNING, "from within");
	w->wait = conc_future_wait(w->hanging, CONC_FOREVER);
	w->submit = conc_submit(w->pool, nothing_task, NULL, 0, 0, NULL);
	if (w->calls == 2) {
		conc_future_cancel(w->hanging);
		w->destroy = conc_shutdown(w->pool, CONC_DRAIN, CONC_FOREVER);
	}
}

START_TEST(a_handler_is_as_a_callback)
{
	struct within w = {.pool = PROCESSES(.workers = 2)};
	char *text;

	w.hanging = SUBMIT(w.pool, .fn = obedient_task);
	reach(&shared->come, 1);
	capture_start();
	conc_set_log(meddle, &w, CONC_LOG_WARNING);
	ck_assert_int_eq(finish(SUBMIT(w.pool, .fn = log_task)), 0);
	conc_executor_destroy(w.pool);
	conc_set_log(NULL, NULL, CONC_LOG_WARNING);
	text = capture_end();
	ck_assert_int_eq(w.calls, 2);
	ck_assert_int_eq(w.wait, -EDEADLK);
	ck_assert_int_eq(w.submit, 0);
	ck_assert_int_eq(w.destroy, -EDEADLK);
	ck_assert_ptr_nonnull(strstr(text, " warning conc-dispatch: from within\n"));
	ck_assert_int_eq(finish(w.hanging), -ECANCELED);
	free(text);
}
END_TEST

static void
destroy_within(const conc_log_record *record, void *user)
{
	(void)record;
	if (atomic_fetch_add(&overheard, 1) == 0)
		conc_executor_destroy(user);
}

static bool
is_alone(void *arg)
{
	(void)arg;
	return thread_count() == fixture_before.threads && child_count() == 0;
}

START_TEST(a_handler_may_destroy_the_pool)
{
	conc_executor *pool = PROCESSES(.workers = 1);
	conc_future *f;

	atomic_store(&overheard, 0);
	conc_set_log(destroy_within, pool, CONC_LOG_WARNING);
	f = SUBMIT(pool, .fn = log_task);
	ck_assert_int_eq(finish(f), 0);
	eventually(is_alone, NULL);
	ck_assert_int_eq(atomic_load(&overheard), 2);
	conc_set_log(NULL, NULL, CONC_LOG_WARNING);
}
END_TEST

/* --- not to the host's handler --- */

static void
count_in_worker(const conc_log_record *record, void *user)
{
	(void)record;
	(void)user;
	atomic_fetch_add(&shared->count[1], 1);
}

static int
set_own(void *user)
{
	(void)user;
	conc_log(CONC_LOG_ERROR, "before");
	return conc_set_log(count_in_worker, NULL, CONC_LOG_ERROR);
}

static void
set_none(void *user)
{
	(void)user;
	conc_set_log(NULL, NULL, CONC_LOG_WARNING);
	conc_log(CONC_LOG_WARNING, "after");
}

START_TEST(a_worker_may_have_a_handler_of_its_own)
{
	conc_executor *pool;

	heard_start(CONC_LOG_WARNING);
	pool = PROCESSES(.workers = 1, .init = set_own, .fini = set_none);
	ck_assert_int_eq(finish(SUBMIT(pool, .fn = log_task)), 0);
	ck_assert_int_eq(atomic_load(&shared->count[1]), 1);
	conc_executor_destroy(pool);
	ck_assert_int_eq(heard_count(), 2);
	ck_assert_str_eq(heard(0)->message, "before");
	ck_assert_str_eq(heard(1)->message, "after");
	heard_stop();
}
END_TEST

static void *
log_on(void *arg)
{
	for (int i = 0; atomic_load(&shared->open) == 0; i++) {
		conc_log(CONC_LOG_WARNING, "thread %d", i);
		pthread_testcancel();
	}
	return arg;
}

/* Its thread may be in the midst of a record as it forks: the child does without its pipe. */
static int
fork_and_log(const void *arg, void *result)
{
	pthread_t thread;
	int bad = 0;

	(void)arg, (void)result;
	if (pthread_create(&thread, NULL, log_on, NULL) != 0)
		return -EAGAIN;
	for (int i = 0; i < 30; i++) {
		pid_t pid = fork();
		int status = 1;

		if (pid == 0) {
			alarm(20);
			conc_log(CONC_LOG_WARNING, "child %d", i);
			_exit(0);
		}
		bad += waitpid(pid, &status, 0) != pid || status != 0;
		conc_log(CONC_LOG_WARNING, "parent %d", i);
	}
	atomic_store(&shared->open, 1);
	pthread_join(thread, NULL);
	return bad != 0 ? conc_raise(-EIO, "%d children did not end well", bad) : 0;
}

START_TEST(a_child_of_a_task_writes_to_standard_error)
{
	conc_executor *pool;
	char *text, line[32];

	heard_start(CONC_LOG_WARNING);
	capture_start();
	pool = PROCESSES(.workers = 1);
	ck_assert_int_eq(finish(SUBMIT(pool, .fn = fork_and_log)), 0);
	conc_executor_destroy(pool);
	text = capture_end();
	for (int i = 0; i < 30; i++) {
		snprintf(line, sizeof line, ": child %d\n", i);
		ck_assert_ptr_nonnull(strstr(text, line));
	}
	ck_assert_ptr_null(strstr(text, "parent"));
	ck_assert_int_eq(heard_with("child"), 0);
	ck_assert_int_eq(heard_with("parent"), 30);
	free(text);
	heard_stop();
}
END_TEST

static int
close_all_and_log(const void *arg, void *result)
{
	(void)arg, (void)result;
	for (int fd = 3; fd < 64; fd++)
		close(fd);
	conc_log(CONC_LOG_WARNING, "to nobody");
	return 0;
}

START_TEST(what_cannot_be_sent_is_written)
{
	conc_executor *pool;
	char *text;

	heard_start(CONC_LOG_WARNING);
	capture_start();
	pool = PROCESSES(.workers = 1, .name = "crew");
	ck_assert_int_eq(finish(SUBMIT(pool, .fn = close_all_and_log)), CONC_ECRASHED);
	conc_executor_destroy(pool);
	text = capture_end();
	ck_assert_ptr_nonnull(strstr(text, " warning crew-0: to nobody\n"));
	ck_assert_int_eq(heard_count(), 0);
	free(text);
	heard_stop();
}
END_TEST

static int
inner_task(const void *arg, void *result)
{
	(void)arg;
	*(int *)result = getpid();
	return log_task(NULL, NULL);
}

static int
outer_task(const void *arg, void *result)
{
	conc_executor *inner = NULL;
	conc_future *f = NULL;
	int rc = conc_process_pool_create(
	    &inner, CONC_PROCESS_POOL(.workers = 1, .name = "inner"));

	(void)arg;
	if (rc == 0)
		rc = conc_submit(inner, inner_task, NULL, 0, sizeof(int), &f);
	if (rc == 0)
		rc = conc_future_result(f, result, sizeof(int));
	conc_future_release(f);
	conc_executor_destroy(inner);
	return rc;
}

static int
repeat(const void *arg, void *result)
{
	(void)arg, (void)result;
	for (int i = 0; i < 1000; i++)
		conc_log(CONC_LOG_WARNING, "again");
	conc_log(CONC_LOG_WARNING, "at last");
	return 0;
}

/* What repeats is counted in the host, and is the worker's nevertheless. */
START_TEST(repeats_of_a_worker)
{
	conc_executor *pool;
	int told = 0, left_out = 0;

	heard_start(CONC_LOG_WARNING);
	pool = PROCESSES(.workers = 1);
	ck_assert_int_eq(finish(SUBMIT(pool, .fn = repeat)), 0);
	for (int i = 0; i < heard_count() - 1; i++) {
		const struct heard *h = heard(i);

		told += h->record.repeated == 0;
		left_out += h->record.repeated;
		ck_assert_int_eq(strncmp(h->message, "again", 5), 0);
		ck_assert_int_eq(h->record.worker, 0);
		ck_assert_int_ne(h->record.pid, getpid());
	}
	ck_assert_str_eq(heard(heard_count() - 1)->message, "at last");
	ck_assert_int_eq(told + left_out, 1000);
	ck_assert_int_gt(left_out, 0);
	conc_executor_destroy(pool);
	heard_stop();
}
END_TEST

/* The worker of a worker's pool: its records go up to the one handler, and name it. */
START_TEST(records_of_a_pool_within_a_worker)
{
	conc_executor *pool;
	int pid;

	heard_start(CONC_LOG_WARNING);
	pool = PROCESSES(.workers = 1);
	pid = ask(pool, outer_task);
	ck_assert_int_eq(heard_count(), 2);
	for (int i = 0; i < 2; i++) {
		ck_assert_int_eq(heard(i)->record.pid, pid);
		ck_assert_str_eq(heard(i)->thread, "inner-0");
	}
	conc_executor_destroy(pool);
	heard_stop();
}
END_TEST

static int
cancel_threads(const void *arg, void *result)
{
	(void)arg, (void)result;
	for (int i = 0; i < 20; i++) {
		pthread_t thread;

		if (pthread_create(&thread, NULL, log_on, NULL) != 0)
			return -EAGAIN;
		conc_log(CONC_LOG_WARNING, "main %d", i);
		pthread_cancel(thread);
		pthread_join(thread, NULL);
	}
	return 0;
}

/* A thread that is cancelled as it logs leaves neither half a record nor a lock. */
START_TEST(a_cancelled_thread_leaves_whole_records)
{
	conc_executor *pool;

	heard_start(CONC_LOG_WARNING);
	pool = PROCESSES(.workers = 1);
	ck_assert_int_eq(finish(SUBMIT(pool, .fn = cancel_threads)), 0);
	ck_assert_int_eq(heard_with("main"), 20);
	conc_executor_destroy(pool);
	heard_stop();
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("process_log_ways");
	TCase *tc = process_case(s, "floods");

	tcase_add_test(tc, a_flood_does_not_starve_others);
	tcase_add_test(tc, a_flood_is_killed);
	tcase_add_test(tc, a_slow_handler_holds_a_flood_up);
	tc = process_case(s, "handlers");
	tcase_add_test(tc, levels_of_both_sides);
	tcase_add_test(tc, without_a_handler_it_is_standard_error);
	tcase_add_test(tc, a_handler_is_as_a_callback);
	tcase_add_test(tc, a_handler_may_destroy_the_pool);
	tc = process_case(s, "elsewhere");
	tcase_add_test(tc, a_worker_may_have_a_handler_of_its_own);
	tcase_add_test(tc, a_child_of_a_task_writes_to_standard_error);
	tcase_add_test(tc, what_cannot_be_sent_is_written);
	tcase_add_test(tc, repeats_of_a_worker);
	tcase_add_test(tc, records_of_a_pool_within_a_worker);
	tcase_add_test(tc, a_cancelled_thread_leaves_whole_records);
	return run_suite(s);
}
