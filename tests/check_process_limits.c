/* SPDX-License-Identifier: MIT */
/*
 * Tests of the limits of tasks in worker processes (time, CPU time, memory),
 * and of retries.
 */
#include "tests/process.h"

static enum how hang = BY_HANG;

#define HANG .fn = die_task, .arg = &hang, .arg_size = sizeof hang

static void
check_limit(conc_future *f, int signal)
{
	ck_assert_int_eq(conc_future_result(f, NULL, 0), CONC_ETIMELIMIT);
	ck_assert_ptr_nonnull(conc_exception_death(conc_caught()));
	ck_assert_int_eq(conc_exception_death(conc_caught())->signal, signal);
	conc_future_release(f);
}

/* The one that hangs is killed; those that wait behind it run. */
START_TEST(a_hang_is_killed)
{
	conc_executor *pool = PROCESSES(.workers = 1, .time_limit = _i == 0 ? CONC_MS(50) : 0);
	conc_future *f = SUBMIT(pool, HANG, .time_limit = _i == 0 ? 0 : CONC_MS(50));
	conc_future *g = SUBMIT(pool, .fn = nothing_task, .time_limit = CONC_UNLIMITED);

	check_limit(f, SIGKILL);
	ck_assert_int_eq(finish(g), 0);
	ck_assert_int_eq(shared->count[0], 1);
	conc_executor_destroy(pool);
}
END_TEST

/* What waits is not past its limit, however long it waits. */
START_TEST(waiting_does_not_count)
{
	conc_executor *pool = PROCESSES(.workers = 1, .time_limit = CONC_MS(200));
	conc_future *hung[3], *behind[3];

	for (int i = 0; i < 3; i++) {
		hung[i] = SUBMIT(pool, HANG);
		behind[i] = submit_run(pool, i);
	}
	for (int i = 0; i < 3; i++) {
		check_limit(hung[i], SIGKILL);
		ck_assert_int_eq(finish(behind[i]), 0);
		ck_assert_int_eq(shared->runs[i], 1);
	}
	conc_executor_destroy(pool);
}
END_TEST

/* An unlimited task, and one of a greater limit, outlive one of the pool's. */
START_TEST(a_task_s_limit_overrides_the_pool_s)
{
	conc_executor *pool = PROCESSES(.workers = 2, .time_limit = CONC_MS(50));
	conc_future *f = SUBMIT(
	    pool, .fn = hold_task, .time_limit = _i == 0 ? CONC_UNLIMITED : CONC_S(1000));

	reach(&shared->come, 1);
	check_limit(SUBMIT(pool, HANG), SIGKILL);
	check_limit(SUBMIT(pool, HANG), SIGKILL);
	ck_assert(!conc_future_done(f));
	atomic_store(&shared->open, 1);
	ck_assert_int_eq(finish(f), 0);
	conc_executor_destroy(pool);
}
END_TEST

/* Stops itself: neither deaf to signals nor to SIGKILL. */
static int
stopped_task(const void *arg, void *result)
{
	(void)arg;
	(void)result;
	raise(SIGSTOP);
	return 0;
}

START_TEST(a_stopped_worker_is_killed)
{
	conc_executor *pool = PROCESSES(.workers = 1, .time_limit = CONC_MS(50));

	check_limit(SUBMIT(pool, .fn = stopped_task), SIGKILL);
	conc_executor_destroy(pool);
}
END_TEST

static int
spin_task(const void *arg, void *result)
{
	int64_t microseconds = *(const int64_t *)arg / 1000;
	clock_t end = clock() + (clock_t)(microseconds * CLOCKS_PER_SEC / 1000000);

	(void)result;
	while (clock() < end)
		;
	return 0;
}

static conc_future *
submit_spin(conc_executor *pool, int64_t ns)
{
	return SUBMIT(pool, .fn = spin_task, .arg = &ns, .arg_size = sizeof ns);
}

START_TEST(cpu_time_is_limited)
{
	conc_executor *pool = PROCESSES(.workers = 2, .cpu_limit = CONC_MS(100));
	conc_future *f = SUBMIT(pool, .fn = hold_task); /* sleeps: that is free */

	reach(&shared->come, 1);
	check_limit(submit_spin(pool, CONC_S(1000)), SIGXCPU);
	atomic_store(&shared->open, 1);
	ck_assert_int_eq(finish(f), 0);
	conc_executor_destroy(pool);
}
END_TEST

/* Each task has it anew. */
START_TEST(cpu_time_is_counted_per_task)
{
	conc_executor *pool = PROCESSES(.workers = 1, .cpu_limit = CONC_MS(400));

	for (int i = 0; i < 6; i++)
		ck_assert_int_eq(finish(submit_spin(pool, CONC_MS(100))), 0);
	conc_executor_destroy(pool);
}
END_TEST

static int
leave_no_timers(void *user)
{
	return setrlimit(RLIMIT_SIGPENDING, &(struct rlimit){0, 0}) == 0 ? 0 : *(int *)user;
}

/* A task that cannot be limited does not begin. */
START_TEST(cpu_time_without_a_timer)
{
	conc_executor *pool;
	int failed = -EIO;

	pool = PROCESSES(
	    .workers = 1, .cpu_limit = CONC_S(1000), .init = leave_no_timers, .user = &failed);
	for (int i = 0; i < 3; i++) {
		ck_assert_int_eq(finish(submit_run(pool, i)), -EAGAIN);
		ck_assert_str_eq(conc_exception_message(conc_caught()),
		    "there is no timer for the CPU limit");
		ck_assert_int_eq(shared->runs[i], 0);
	}
	conc_executor_destroy(pool);
	conc_clear();
}
END_TEST

enum { MEGABYTE = 1 << 20 };

/* Takes so many megabytes, and keeps them until its end. */
static int
memory_task(const void *arg, void *result)
{
	size_t size = (size_t)*(const int *)arg * MEGABYTE;
	char *p = malloc(size);

	(void)result;
	if (p == NULL)
		return conc_raise(-ENOMEM, "no %zu bytes", size);
	for (size_t i = 0; i < size; i += 4096)
		((volatile char *)p)[i] = 1;
	free(p);
	return 0;
}

static int
finish_memory(conc_executor *pool, int megabytes)
{
	return finish(SUBMIT(
	    pool, .fn = memory_task, .arg = &megabytes, .arg_size = sizeof megabytes));
}

/* What the host, and so the zygote, holds itself does not count. */
START_TEST(memory_is_limited_above_the_zygote)
{
	enum { OWN = 300 * MEGABYTE };
	conc_executor *pool;
	char *own;

	if (!memory_is_limited("memory_is_limited_above_the_zygote"))
		return;
	own = malloc(OWN);
	ck_assert_ptr_nonnull(own);
	memset(own, 1, OWN);
	pool = PROCESSES(.workers = 1, .memory_limit = (size_t)100 * MEGABYTE);
	ck_assert_int_eq(finish_memory(pool, 50), 0);
	ck_assert_int_eq(finish_memory(pool, 200), -ENOMEM); /* it only failed */
	ck_assert_str_eq(conc_exception_message(conc_caught()), "no 209715200 bytes");
	ck_assert_int_eq(finish_memory(pool, 50), 0);
	conc_executor_destroy(pool);
	free(own);
	conc_clear();
}
END_TEST

START_TEST(a_worker_needs_some_memory)
{
	conc_executor *pool;

	if (!memory_is_limited("a_worker_needs_some_memory"))
		return;
	pool = PROCESSES(.workers = 1, .memory_limit = 1);
	ck_assert_int_eq(finish(SUBMIT(pool, .fn = nothing_task)), CONC_EBROKEN);
	ck_assert_str_eq(conc_exception_message(conc_caught()), "workers cannot be set up");
	ck_assert_ptr_nonnull(conc_exception_cause(conc_caught()));
	conc_executor_destroy(pool);
	conc_clear();
}
END_TEST

static int
oom_score(int pid)
{
	char path[48];
	FILE *file;
	int score = -1001;

	snprintf(path, sizeof path, "/proc/%d/oom_score_adj", pid);
	file = fopen(path, "r");
	if (file != NULL) {
		if (fscanf(file, "%d", &score) != 1)
			score = -1001;
		fclose(file);
	}
	return score;
}

static bool
goes_first(void *pid)
{
	int host = oom_score(getpid());

	/* It cannot go before, or there is no telling. */
	return host == 1000 || host == -1001 || oom_score(*(int *)pid) > host;
}

/* If the system is out of memory. */
START_TEST(a_worker_goes_before_the_host)
{
	conc_executor *pool = PROCESSES(.workers = 1);
	int pid = ask(pool, pid_task);

	eventually(goes_first, &pid);
	conc_executor_destroy(pool);
}
END_TEST

/* Dies, so often as its first argument says, then succeeds. */
struct trial {
	int times;
	enum how how;
};

static int
trial_task(const void *arg, void *result)
{
	const struct trial *trial = arg;

	if (atomic_fetch_add(&shared->count[1], 1) < trial->times)
		return die(trial->how);
	*(int *)result = 42;
	return 0;
}

#define TRIAL(...)                                                                     \
	.fn = trial_task, .arg = &(struct trial){__VA_ARGS__},                         \
	.arg_size = sizeof(struct trial), .result_size = sizeof(int)

START_TEST(retries_repeat_a_crash)
{
	conc_executor *pool = PROCESSES(.workers = 2);
	enum how how = (enum how)_i;
	atomic_int cleaned = 0;
	conc_future *f;
	int answer = 0;

	if (how == BY_MEMORY || how == BY_RAISE)
		how = BY_SEGV;
	f = SUBMIT(pool, TRIAL(2, how), .retries = 2, .time_limit = CONC_MS(500),
	    .cleanup = count_cleanup, .user = &cleaned);
	ck_assert_int_eq(conc_future_result(f, &answer, sizeof answer), 0);
	ck_assert_int_eq(answer, 42);
	ck_assert_int_eq(shared->count[1], 3);
	ck_assert_int_eq(cleaned, 1);
	conc_future_release(f);
	conc_executor_destroy(pool);
}
END_TEST

START_TEST(retries_are_counted)
{
	conc_executor *pool = PROCESSES(.workers = 1);
	atomic_int cleaned = 0;
	conc_future *f = SUBMIT(pool, TRIAL(100, BY_SEGV), .retries = _i,
	    .cleanup = count_cleanup, .user = &cleaned);

	ck_assert_int_eq(conc_future_result(f, NULL, 0), CONC_ECRASHED);
	ck_assert_int_eq(conc_exception_death(conc_caught())->attempt, _i + 1);
	ck_assert_int_eq(shared->count[1], _i + 1);
	ck_assert_int_eq(cleaned, 1);
	conc_future_release(f);
	conc_executor_destroy(pool);
	conc_clear();
}
END_TEST

START_TEST(what_a_task_raises_is_not_retried)
{
	conc_executor *pool = PROCESSES(.workers = 1);
	conc_future *f = SUBMIT(pool, TRIAL(100, BY_RAISE), .retries = 5);

	ck_assert_int_eq(finish(f), -EDOM);
	ck_assert_int_eq(shared->count[1], 1);
	conc_executor_destroy(pool);
	conc_clear();
}
END_TEST

/* Two pauses, of 20 and 40 ms; meanwhile others run, and it may be cancelled. */
START_TEST(retries_back_off)
{
	conc_executor *pool = PROCESSES(.workers = 1);
	int64_t begin = test_clock_ms();
	conc_future *f =
	    SUBMIT(pool, TRIAL(2, BY_EXIT_1), .retries = 2, .backoff = CONC_MS(20));

	ck_assert_int_eq(conc_future_wait(f, CONC_FOREVER), 0);
	ck_assert_int_ge(test_clock_ms() - begin, 59);
	ck_assert_int_eq(shared->count[1], 3);
	ck_assert_int_eq(finish(f), 0);
	f = SUBMIT(pool, TRIAL(100, BY_EXIT_1), .retries = 1, .backoff = CONC_S(1000));
	reach(&shared->count[1], 4);
	ck_assert_int_eq(finish(submit_run(pool, 0)), 0); /* while that one pauses */
	while (conc_future_running(f))
		sched_yield();
	ck_assert_int_eq(conc_future_cancel(f), 0);
	ck_assert_int_eq(finish(f), -ECANCELED);
	ck_assert_int_eq(shared->count[1], 4);
	conc_executor_destroy(pool);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("process_limits");
	TCase *time = process_case(s, "time"), *memory = process_case(s, "memory");
	TCase *retries = process_case(s, "retries");

	conc_set_excepthook(overlook, NULL);
	tcase_add_loop_test(time, a_hang_is_killed, 0, 2);
	tcase_add_test(time, waiting_does_not_count);
	tcase_add_loop_test(time, a_task_s_limit_overrides_the_pool_s, 0, 2);
	tcase_add_test(time, a_stopped_worker_is_killed);
	tcase_add_test(time, cpu_time_is_limited);
	tcase_add_test(time, cpu_time_is_counted_per_task);
	tcase_add_test(time, cpu_time_without_a_timer);
	tcase_add_test(memory, memory_is_limited_above_the_zygote);
	tcase_add_test(memory, a_worker_needs_some_memory);
	tcase_add_test(memory, a_worker_goes_before_the_host);
	tcase_add_loop_test(retries, retries_repeat_a_crash, 0, WAYS);
	tcase_add_loop_test(retries, retries_are_counted, 0, 3);
	tcase_add_test(retries, what_a_task_raises_is_not_retried);
	tcase_add_test(retries, retries_back_off);
	return run_suite(s);
}
