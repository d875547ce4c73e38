/* SPDX-License-Identifier: MIT */
/*
 * The log records of worker processes: they come to the host's handler whole, in
 * order, and before what their task came to, also if the worker dies.
 */
#include "tests/heard.h"
#include "tests/process.h"

enum { RECORDS = 40 };

static int
log_task(const void *arg, void *result)
{
	(void)result;
	for (int i = 0; i < RECORDS; i++)
		conc_log(CONC_LOG_INFO, "task %d record %d", *(const int *)arg, i);
	*(int *)result = getpid();
	return 0;
}

/* Of task n all that it logged, each once and in order, has come; from which process. */
static int
is_whole(int n, int records_of_it)
{
	int seen = 0, pid = 0;

	for (int i = 0; i < heard_count(); i++) {
		int task, record;

		if (sscanf(heard(i)->message, "task %d record %d", &task, &record) != 2 ||
		    task != n)
			continue;
		ck_assert_int_eq(record, seen++);
		pid = heard(i)->record.pid;
	}
	ck_assert_int_eq(seen, records_of_it);
	return pid;
}

START_TEST(records_come_before_the_result)
{
	conc_executor *pool = PROCESSES(.workers = 2, .name = "crew");
	struct timespec now;
	enum { TASKS = 20 };
	conc_future *f[TASKS];
	int pid;

	heard_start(CONC_LOG_INFO);
	ck_assert_int_eq(conc_process_pool_refresh(pool), 0); /* workers know the level */
	for (int i = 0; i < TASKS; i++)
		f[i] = SUBMIT(pool, .fn = log_task, .arg = &i, .arg_size = sizeof i,
		    .result_size = sizeof(int));
	for (int i = 0; i < TASKS; i++) {
		ck_assert_int_eq(conc_future_result(f[i], &pid, sizeof pid), 0);
		ck_assert_int_eq(is_whole(i, RECORDS), pid);
		conc_future_release(f[i]);
	}
	ck_assert_int_eq(heard_count(), TASKS * RECORDS);
	clock_gettime(CLOCK_REALTIME, &now);
	for (int i = 0; i < heard_count(); i++) {
		const struct heard *h = heard(i);
		char name[32];

		ck_assert_int_eq(h->record.level, CONC_LOG_INFO);
		ck_assert_int_ne(h->record.pid, getpid());
		ck_assert(h->record.worker == 0 || h->record.worker == 1);
		snprintf(name, sizeof name, "crew-%d", h->record.worker);
		ck_assert_str_eq(h->thread, name);
		ck_assert_int_le(h->record.time / 1000000000, now.tv_sec);
		ck_assert_int_ge(h->record.time / 1000000000, now.tv_sec - 60);
	}
	conc_executor_destroy(pool);
	heard_stop();
}
END_TEST

/* The waiter reads the pipe itself, and comes to a record that it may not tell. */
START_TEST(a_waiter_helps)
{
	conc_executor *pool = PROCESSES(.workers = 1);

	heard_start(CONC_LOG_INFO);
	ck_assert_int_eq(conc_process_pool_refresh(pool), 0);
	for (int i = 0; i < 20 * seeds(); i++) {
		ck_assert_int_eq(finish(SUBMIT(pool, .fn = log_task, .arg = &i,
				     .arg_size = sizeof i, .result_size = sizeof(int))),
		    0);
		ck_assert_int_eq(heard_count(), RECORDS);
		is_whole(i, RECORDS);
		heard_forget();
	}
	conc_executor_destroy(pool);
	heard_stop();
}
END_TEST

static char
letter(size_t i)
{
	return (char)('a' + i % 23);
}

static int
log_long(const void *arg, void *result)
{
	size_t size = *(const size_t *)arg;
	char *text = malloc(size + 1);

	(void)result;
	if (text == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < size; i++)
		text[i] = letter(i);
	text[size] = 0;
	conc_log(CONC_LOG_WARNING, "%s", text);
	free(text);
	return 0;
}

START_TEST(records_of_any_size_are_whole)
{
	conc_executor *pool = PROCESSES(.workers = 1);
	size_t sizes[140];
	int n = 0;

	for (size_t i = 0; i < 4; i++)
		sizes[n++] = i;
	for (size_t i = 3960; i < 4080; i++) /* what goes out in one piece, and in more */
		sizes[n++] = i;
	for (size_t i = 16380; i < 16390; i++)
		sizes[n++] = i;
	heard_start(CONC_LOG_WARNING);
	for (int i = 0; i < n; i++)
		ck_assert_int_eq(finish(SUBMIT(pool, .fn = log_long, .arg = &sizes[i],
				     .arg_size = sizeof sizes[i])),
		    0);
	ck_assert_int_eq(heard_count(), n);
	for (int i = 0; i < n; i++) {
		const char *text = heard(i)->message;

		ck_assert_uint_eq(strlen(text), sizes[i] < 16384 ? sizes[i] : 16383);
		for (size_t k = 0; text[k] != 0; k++)
			ck_assert_int_eq(text[k], letter(k));
	}
	conc_executor_destroy(pool);
	heard_stop();
}
END_TEST

static int
log_and_die(const void *arg, void *result)
{
	int n = *(const int *)arg;

	(void)result;
	for (int i = 0; i <= n % 7; i++)
		conc_log(CONC_LOG_WARNING, "task %d record %d", n, i);
	log_long(&(size_t){16383}, NULL);
	return raise(SIGKILL);
}

START_TEST(a_record_outlives_its_worker)
{
	conc_executor *pool = PROCESSES(.workers = 2);

	heard_start(CONC_LOG_WARNING);
	for (int i = 0; i < seeds(); i++) {
		ck_assert_int_eq(finish(SUBMIT(pool, .fn = log_and_die, .arg = &i,
				     .arg_size = sizeof i)),
		    CONC_ECRASHED);
		is_whole(i, i % 7 + 1);
		ck_assert_int_eq(heard_count(), i % 7 + 2);
		ck_assert_uint_eq(strlen(heard(i % 7 + 1)->message), 16383);
		heard_forget();
	}
	conc_executor_destroy(pool);
	heard_stop();
}
END_TEST

/* --- several threads of a worker --- */

static atomic_int enough;

static void *
log_in_thread(void *arg)
{
	int me = (int)(intptr_t)arg;
	char text[5001];

	memset(text, 't', sizeof text - 1);
	text[sizeof text - 1] = 0;
	for (int i = 0; i < 20 || (i < 2000 && atomic_load(&enough) == 0); i++)
		conc_log(CONC_LOG_WARNING, "%d of %d: %s", i, me,
		    text + (i % 3 == 0 ? 0 : sizeof text - 1 - (size_t)i % 90));
	return NULL;
}

static pthread_t threads[3];

static int
start_threads(void *user)
{
	(void)user;
	for (int i = 0; i < 3; i++)
		if (pthread_create(&threads[i], NULL, log_in_thread, (void *)(intptr_t)i) != 0)
			return -EAGAIN;
	return 0;
}

static void
join_threads(void *user)
{
	(void)user;
	atomic_store(&enough, 1);
	for (int i = 0; i < 3; i++)
		pthread_join(threads[i], NULL);
	conc_log(CONC_LOG_WARNING, "fini");
}

static int
fail_some(const void *arg, void *result)
{
	int n = *(const int *)arg;

	if (n % 3 == 1)
		return conc_raise(-EDOM, "item %d", n);
	*(int *)result = 2 * n;
	return 0;
}

/* Records of several threads between the reports of items that fail: none is torn. */
START_TEST(threads_log_between_reports)
{
	enum { ITEMS = 600 };
	int in[ITEMS], out[ITEMS], codes[ITEMS], at[2][3] = {{0}};
	conc_executor *pool;
	conc_future *f;
	static char large[100000];

	heard_start(CONC_LOG_WARNING);
	pool = PROCESSES(.workers = 2, .init = start_threads, .fini = join_threads);
	for (int i = 0; i < ITEMS; i++)
		in[i] = i;
	for (int k = 0; k < 5; k++) {
		conc_map(pool, fail_some, ITEMS, in, sizeof *in, out, sizeof *out,
		    CONC_MAP(.codes = codes));
		for (int i = 0; i < ITEMS; i++) {
			ck_assert_int_eq(codes[i], i % 3 == 1 ? -EDOM : 0);
			ck_assert(codes[i] != 0 || out[i] == 2 * i);
		}
		f = SUBMIT(pool, .fn = nothing_task, .arg = large, .arg_size = sizeof large,
		    .result_size = sizeof large);
		ck_assert_int_eq(finish(f), 0);
	}
	conc_executor_destroy(pool);
	for (int i = 0; i < heard_count(); i++) {
		int worker = heard(i)->record.worker, n, me, skip;

		ck_assert(worker == 0 || worker == 1);
		if (strcmp(heard(i)->message, "fini") == 0)
			continue;
		ck_assert_int_eq(sscanf(heard(i)->message, "%d of %d: %n", &n, &me, &skip), 2);
		ck_assert_int_eq(n, at[worker][me]++);
		ck_assert_uint_eq(strlen(heard(i)->message + skip),
		    n % 3 == 0 ? 5000 : (size_t)n % 90);
	}
	ck_assert_int_ge(heard_with("fini"), 1);
	ck_assert_int_ge(at[0][0] + at[1][0], 20);
	heard_stop();
}
END_TEST

/* --- init, fini, the end --- */

static int
log_init(void *user)
{
	conc_log(CONC_LOG_WARNING, "init of %d", conc_worker_index());
	return user != NULL ? conc_raise(-EPERM, "no") : 0;
}

static void
log_fini(void *user)
{
	(void)user;
	conc_log(CONC_LOG_WARNING, "fini of %d", conc_worker_index());
}

START_TEST(init_and_fini_log)
{
	conc_executor *pool;

	heard_start(CONC_LOG_WARNING);
	pool = PROCESSES(.workers = 1, .init = log_init, .fini = log_fini, .name = "one");
	ck_assert_int_eq(finish(SUBMIT(pool, .fn = nothing_task)), 0);
	ck_assert_int_eq(heard_count(), 1);
	conc_executor_destroy(pool);
	ck_assert_int_eq(heard_count(), 2);
	ck_assert_str_eq(heard(0)->message, "init of 0");
	ck_assert_str_eq(heard(1)->message, "fini of 0");
	ck_assert_str_eq(heard(1)->thread, "one-0");
	heard_forget();
	pool = PROCESSES(.workers = 1, .init = log_init, .user = &pool, .excepthook = overlook);
	ck_assert_int_eq(finish(SUBMIT(pool, .fn = nothing_task)), CONC_EBROKEN);
	ck_assert_int_eq(heard_with("init of 0"), heard_count());
	ck_assert_int_ge(heard_count(), 1);
	conc_executor_destroy(pool);
	heard_stop();
}
END_TEST

static void *
log_for_ever(void *arg)
{
	for (int i = 0;; i++) {
		conc_log(CONC_LOG_WARNING, "left behind %d", i);
		atomic_store(&shared->count[0], i + 1);
	}
	return arg;
}

static int
leave_a_thread(const void *arg, void *result)
{
	pthread_t thread;

	(void)arg, (void)result;
	if (pthread_create(&thread, NULL, log_for_ever, NULL) != 0)
		return -EAGAIN;
	pthread_detach(thread);
	return 0;
}

/* Whatever the pool ends its workers by: what conc_log has returned for is there. */
START_TEST(records_outlive_the_pool)
{
	for (int i = 0; i < 3; i++) {
		conc_executor *pool;

		heard_start(CONC_LOG_WARNING);
		pool = PROCESSES(.workers = 1, .fini = i == 2 ? log_fini : NULL);
		atomic_store(&shared->count[0], 0);
		ck_assert_int_eq(finish(SUBMIT(pool, .fn = leave_a_thread)), 0);
		reach(&shared->count[0], 10);
		if (i == 1)
			ck_assert_int_eq(conc_shutdown(pool, CONC_KILL, CONC_FOREVER), 0);
		conc_executor_destroy(pool);
		ck_assert_int_ge(heard_with("left behind"), atomic_load(&shared->count[0]));
		for (int k = 0, n = 0; k < heard_count(); k++)
			if (sscanf(heard(k)->message, "left behind %d", &n) == 1)
				ck_assert(k - n == 0 || k - n == 1); /* fini's may be between */
		heard_stop();
	}
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("process_log");
	TCase *tc = process_case(s, "records");

	tcase_add_test(tc, records_come_before_the_result);
	tcase_add_test(tc, a_waiter_helps);
	tcase_add_test(tc, records_of_any_size_are_whole);
	tcase_add_test(tc, a_record_outlives_its_worker);
	tc = process_case(s, "threads");
	tcase_add_test(tc, threads_log_between_reports);
	tc = process_case(s, "ends");
	tcase_add_test(tc, init_and_fini_log);
	tcase_add_test(tc, records_outlive_the_pool);
	return run_suite(s);
}
