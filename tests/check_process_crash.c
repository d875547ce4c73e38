/* SPDX-License-Identifier: MIT */
/*
 * Tests of what a death costs: the matrix of all ways to die, in init, in the
 * task and while its result is written, with one task and with a thousand.
 * How deaths and exceptions are told, limits and retries: check_process_death.c.
 */
#include "tests/process.h"

/* A result, or exception, that no pipe holds. */
enum { LARGE = 4 << 20, MANY = 1000 };

static conc_future *futures[MANY];

/* Loop tests: each way to die, alone and among many. */
static enum how
way(int i)
{
	return (enum how)(i / 2);
}

static int
tasks(int i)
{
	return i % 2 == 0 ? 1 : MANY;
}

static size_t
limit_for(enum how how)
{
	return how == BY_MEMORY ? (size_t)64 << 20 : 0;
}

static bool
possible(enum how how)
{
	return how != BY_MEMORY || memory_is_limited("death by memory limit");
}

static void
check_death(conc_future *f, enum how how)
{
	const conc_exception *e = conc_future_exception(f);
	const conc_death *death = conc_exception_death(e);

	ck_assert_ptr_nonnull(e);
	ck_assert_int_eq(conc_exception_code(e), code_of(how));
	if (how == BY_RAISE) {
		ck_assert_ptr_null(death);
		ck_assert_str_eq(conc_exception_message(e), "no way");
		return;
	}
	ck_assert_ptr_nonnull(death);
	ck_assert_int_eq(death->signal, signal_of(how));
	ck_assert_int_eq(death->exit_status, how == BY_EXIT_1);
	ck_assert_int_eq(death->attempt, 1);
}

/* The pool is as good as before: tasks run, once each. */
static void
check_healed(conc_executor *pool)
{
	for (int i = 0; i < 4; i++)
		ck_assert_int_eq(finish(submit_run(pool, RUNS - 1 - i)), 0);
	for (int i = 0; i < 4; i++)
		ck_assert_int_eq(shared->runs[RUNS - 1 - i], 1);
}

START_TEST(a_task_that_dies_costs_itself_alone)
{
	enum how how = way(_i);
	int n = tasks(_i);
	conc_executor *pool;

	if (!possible(how))
		return;
	pool = PROCESSES(.workers = 2, .memory_limit = limit_for(how));
	for (int i = 0; i < n; i++)
		futures[i] = i != n / 2 ? submit_run(pool, i)
					: SUBMIT(pool, .fn = die_task, .arg = &how,
					      .arg_size = sizeof how,
					      .time_limit = how == BY_HANG ? CONC_MS(100) : 0);
	for (int i = 0; i < n; i++) {
		int rc = conc_future_result(futures[i], NULL, 0);

		if (i == n / 2)
			check_death(futures[i], how);
		ck_assert_int_eq(rc, i == n / 2 ? code_of(how) : 0);
		ck_assert_int_eq(shared->runs[i], i != n / 2);
		conc_future_release(futures[i]);
	}
	ck_assert_int_eq(shared->count[0], 1);
	check_healed(pool);
	conc_executor_destroy(pool);
}
END_TEST

/* What init does: dies so, this many times, then succeeds. */
static struct {
	enum how how;
	int times;
} fate;

static int
fateful_init(void *user)
{
	ck_assert_ptr_eq(user, &fate);
	if (atomic_fetch_add(&shared->count[1], 1) >= fate.times)
		return 0;
	atomic_store(&shared->pid[0], getpid());
	atomic_fetch_add(&shared->come, 1);
	return die(fate.how);
}

/* Every worker dies in init: the pool breaks, and says of what. */
START_TEST(an_init_that_dies_breaks_the_pool)
{
	enum how how = way(_i);
	int n = tasks(_i), accepted = 0, rc;
	conc_executor *pool;

	if (how == BY_HANG || !possible(how))
		return; /* an init may take as long as it likes */
	fate.how = how;
	fate.times = INT32_MAX;
	pool = PROCESSES(.workers = 2, .memory_limit = limit_for(how), .init = fateful_init,
	    .user = &fate);
	for (int i = 0; i < n; i++) {
		rc = conc_submit(pool, run_task, &i, sizeof i, 0, &futures[accepted]);
		ck_assert(rc == 0 || rc == CONC_EBROKEN);
		accepted += rc == 0;
	}
	for (int i = 0; i < accepted; i++) {
		ck_assert_int_eq(conc_future_result(futures[i], NULL, 0), CONC_EBROKEN);
		conc_future_release(futures[i]);
	}
	ck_assert_int_eq(
	    conc_submit(pool, run_task, &n, sizeof n, 0, &futures[0]), CONC_EBROKEN);
	rc = conc_exception_code(conc_exception_cause(conc_caught()));
	ck_assert_int_eq(rc, how == BY_RAISE ? -EDOM : CONC_ECRASHED);
	if (how == BY_RAISE)
		ck_assert_str_eq(
		    conc_exception_message(conc_exception_cause(conc_caught())), "no way");
	else
		ck_assert_int_eq(
		    conc_exception_death(conc_exception_cause(conc_caught()))->signal,
		    signal_of(how));
	ck_assert_int_ge(shared->count[1], 3);
	for (int i = 0; i < n; i++)
		ck_assert_int_eq(shared->runs[i], 0);
	conc_executor_destroy(pool);
	conc_clear();
}
END_TEST

/* Two early deaths in a row are not three.  One that hangs is killed from outside. */
START_TEST(an_init_that_dies_twice_is_forgiven)
{
	enum how how = way(_i);
	int n = tasks(_i);
	conc_executor *pool;

	if (!possible(how))
		return;
	fate.how = how;
	fate.times = 2;
	pool = PROCESSES(.workers = 1, .memory_limit = limit_for(how), .init = fateful_init,
	    .user = &fate);
	for (int i = 0; i < n; i++)
		futures[i] = submit_run(pool, i);
	for (int i = 1; i <= 2 && how == BY_HANG; i++) {
		reach(&shared->come, i);
		ck_assert_int_eq(kill(shared->pid[0], SIGKILL), 0);
	}
	for (int i = 0; i < n; i++) {
		ck_assert_int_eq(finish(futures[i]), 0);
		ck_assert_int_eq(shared->runs[i], 1);
	}
	ck_assert_int_eq(shared->count[1], 3);
	conc_executor_destroy(pool);
}
END_TEST

/*
 * While its result is written.  The dispatcher is kept in a callback, so that
 * nobody reads; the worker blocks in its report, and dies there.
 */
static void
keep_dispatcher(conc_future *f, void *user)
{
	struct gate *gate = user;

	(void)f;
	latch_set(&gate->come);
	latch_wait(&gate->open, 1);
}

static void *
die_later(void *how)
{
	linger(&shared->count[2]);
	die(*(enum how *)how);
	return NULL;
}

/* From a thread beside the one that writes. */
static bool
from_within(enum how how)
{
	return how == BY_EXIT_0 || how == BY_EXIT_1 || how == BY_MEMORY;
}

static int
large_task(const void *arg, void *result)
{
	static enum how how;
	char text[4000];
	pthread_t thread;

	how = *(const enum how *)arg;
	if (from_within(how) && pthread_create(&thread, NULL, die_later, &how) != 0)
		return -EAGAIN;
	atomic_store(&shared->pid[1], getpid());
	atomic_fetch_add(&shared->count[3], 1);
	linger(&shared->count[4]);
	memset(result, 'x', LARGE);
	if (how != BY_RAISE) {
		atomic_store(&shared->count[5], 1);
		return 0;
	}
	memset(text, 'y', sizeof text); /* a chain of 32 is larger than a pipe */
	text[sizeof text - 1] = 0;
	for (int i = 0; i < 32; i++)
		conc_raise_from(conc_caught(), -EDOM, "%s", text);
	atomic_store(&shared->count[5], 1);
	return -EDOM;
}

static void
kill_while_it_writes(enum how how)
{
	static const int signals[WAYS] = {[BY_SEGV] = SIGSEGV, [BY_ABORT] = SIGABRT,
	    [BY_RAISE] = SIGKILL, [BY_HANG] = SIGSTOP};
	int pid = shared->pid[1];

	atomic_store(&shared->count[4], 1);
	reach(&shared->count[5], 1);
	eventually(asleep, &pid);
	if (!from_within(how))
		ck_assert_int_eq(kill(pid, signals[how]), 0);
	atomic_store(&shared->count[2], 1);
	if (how != BY_HANG)
		eventually(gone, &pid);
}

START_TEST(a_death_while_the_result_is_written)
{
	enum how how = way(_i);
	int n = tasks(_i), signal = how == BY_RAISE ? SIGKILL : signal_of(how);
	struct gate gate = GATE;
	const conc_death *death;
	conc_future *large, *held;
	conc_executor *pool;

	if (!possible(how))
		return;
#ifdef __SANITIZE_THREAD__ /* it cannot start threads in the child of a fork */
	if (from_within(how))
		return;
#endif
	pool = PROCESSES(.workers = 2, .memory_limit = limit_for(how));
	held = SUBMIT(pool, .fn = hold_task);
	reach(&shared->come, 1);
	ck_assert_int_eq(conc_future_on_done(held, keep_dispatcher, &gate), 0);
	large = SUBMIT(pool, .fn = large_task, .arg = &how, .arg_size = sizeof how,
	    .result_size = LARGE, .time_limit = how == BY_HANG ? CONC_S(1) : 0);
	reach(&shared->count[3], 1);
	atomic_store(&shared->open, 1);
	latch_wait(&gate.come, 1);
	for (int i = 1; i < n; i++)
		futures[i] = submit_run(pool, i);
	kill_while_it_writes(how);
	latch_set(&gate.open);
	ck_assert_int_eq(conc_future_result(large, NULL, 0),
	    how == BY_HANG ? CONC_ETIMELIMIT : CONC_ECRASHED);
	death = conc_exception_death(conc_caught());
	ck_assert_ptr_nonnull(death);
	ck_assert_int_eq(death->signal, signal);
	ck_assert_int_eq(death->exit_status, how == BY_EXIT_1);
	ck_assert_int_eq(death->pid, shared->pid[1]);
	conc_future_release(large);
	ck_assert_int_eq(finish(held), 0);
	for (int i = 1; i < n; i++) {
		ck_assert_int_eq(finish(futures[i]), 0);
		ck_assert_int_eq(shared->runs[i], 1);
	}
	ck_assert_int_eq(shared->count[3], 1);
	check_healed(pool);
	conc_executor_destroy(pool);
	conc_clear();
}
END_TEST

/* A worker that has nothing to do dies: nothing is lost. */
START_TEST(an_idle_worker_is_killed)
{
	conc_executor *pool = PROCESSES(.workers = 1);

	for (int i = 0; i < 5; i++) {
		int pid = ask(pool, pid_task);

		ck_assert_int_eq(kill(pid, SIGKILL), 0);
		ck_assert_int_ne(ask(pool, pid_task), pid);
	}
	conc_executor_destroy(pool);
}
END_TEST

/* More deaths without a task than restarts: what kills them is not a task. */
START_TEST(too_many_deaths_break_the_pool)
{
	conc_executor *pool =
	    PROCESSES(.workers = 1, .restarts = 2, .restart_period = CONC_S(1000));
	conc_future *f;
	int pid;

	for (int i = 0; i < 3; i++) {
		pid = ask(pool, pid_task);
		ck_assert_int_eq(kill(pid, SIGKILL), 0);
		eventually(gone, &pid);
	}
	if (conc_submit(pool, nothing_task, NULL, 0, 0, &f) == 0)
		ck_assert_int_eq(finish(f), CONC_EBROKEN);
	ck_assert_int_eq(conc_submit(pool, nothing_task, NULL, 0, 0, &f), CONC_EBROKEN);
	conc_executor_destroy(pool);
	conc_clear();
}
END_TEST

/* Deaths that a task is to blame for do not count there. */
START_TEST(crashing_tasks_do_not_break_the_pool)
{
	conc_executor *pool = PROCESSES(.workers = 2, .restarts = 1);
	enum how how = BY_EXIT_1;

	for (int i = 0; i < 40; i++)
		futures[i] =
		    SUBMIT(pool, .fn = die_task, .arg = &how, .arg_size = sizeof how);
	for (int i = 0; i < 40; i++)
		ck_assert_int_eq(finish(futures[i]), CONC_ECRASHED);
	ck_assert_int_eq(shared->count[0], 40);
	check_healed(pool);
	conc_executor_destroy(pool);
	conc_clear();
}
END_TEST

/* Prefetched behind the one that crashes: they go to others, unharmed and in order. */
START_TEST(what_waits_behind_a_crash_runs)
{
	conc_executor *pool = PROCESSES(.workers = 1);
	int pid;

	hold_processes(pool, 1);
	pid = shared->pid[0];
	for (int i = 0; i < 100; i++)
		futures[i] = submit_run(pool, i);
	ck_assert_int_eq(kill(pid, SIGKILL), 0);
	for (int i = 0; i < 100; i++) {
		ck_assert_int_eq(finish(futures[i]), 0);
		ck_assert_int_eq(shared->runs[i], 1);
	}
	conc_executor_destroy(pool);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("process_crash");
	TCase *matrix = process_case(s, "matrix"), *worker = process_case(s, "worker");

	conc_set_excepthook(overlook, NULL);
	tcase_add_loop_test(matrix, a_task_that_dies_costs_itself_alone, 0, 2 * WAYS);
	tcase_add_loop_test(matrix, an_init_that_dies_breaks_the_pool, 0, 2 * WAYS);
	tcase_add_loop_test(matrix, an_init_that_dies_twice_is_forgiven, 0, 2 * WAYS);
	tcase_add_loop_test(matrix, a_death_while_the_result_is_written, 0, 2 * WAYS);
	tcase_add_test(worker, an_idle_worker_is_killed);
	tcase_add_test(worker, too_many_deaths_break_the_pool);
	tcase_add_test(worker, crashing_tasks_do_not_break_the_pool);
	tcase_add_test(worker, what_waits_behind_a_crash_runs);
	return run_suite(s);
}
