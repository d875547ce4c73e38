/* SPDX-License-Identifier: MIT */
/*
 * Tests of a thread pool's workers over time: started as needed, resized,
 * ended when idle, parked without using the CPU, left behind by a fork.
 */
#include "tests/pool.h"
#include <limits.h>
#include <sys/syscall.h>
#include <sys/wait.h>

static int
thread_id_task(const void *arg, void *result)
{
	(void)arg;
	*(pid_t *)result = (pid_t)syscall(SYS_gettid);
	return 0;
}

static pid_t
ask_thread_id(conc_executor *pool)
{
	conc_future *f = SUBMIT(pool, .fn = thread_id_task, .result_size = sizeof(pid_t));
	pid_t id = 0;

	ck_assert_int_eq(conc_future_result(f, &id, sizeof id), 0);
	conc_future_release(f);
	return id;
}

/* The thread's state letter, and how often it has left the CPU. */
static char
thread_state(pid_t id, long *switches)
{
	char path[64], line[256], state = '?';
	long n;
	FILE *file;

	*switches = 0;
	snprintf(path, sizeof path, "/proc/self/task/%d/status", (int)id);
	file = fopen(path, "r");
	ck_assert_ptr_nonnull(file);
	while (fgets(line, sizeof line, file) != NULL) {
		(void)sscanf(line, "State: %c", &state);
		if (sscanf(line, "voluntary_ctxt_switches: %ld", &n) == 1 ||
		    sscanf(line, "nonvoluntary_ctxt_switches: %ld", &n) == 1)
			*switches += n;
	}
	fclose(file);
	return state;
}

static bool
sleeps(void *arg)
{
	long switches;

	return thread_state(*(pid_t *)arg, &switches) == 'S';
}

struct wanted {
	conc_executor *pool;
	size_t workers;
};

static bool
has_workers(void *arg)
{
	struct wanted *wanted = arg;

	return stats_of(wanted->pool).workers == wanted->workers;
}

static void
await_workers(conc_executor *pool, size_t n)
{
	eventually(has_workers, &(struct wanted){pool, n});
}

START_TEST(no_thread_before_the_first_task)
{
	conc_executor *pool = POOL(.workers = 4);

	ck_assert_uint_eq(stats_of(pool).workers, 0);
	ck_assert_int_eq(conc_executor_workers(pool), 4);
	conc_executor_destroy(pool);
}
END_TEST

/* A worker that sleeps is used before another one is started. */
START_TEST(idle_thread_reuse)
{
	conc_executor *pool = POOL(.workers = 4);
	pid_t first = ask_thread_id(pool);

	for (int i = 0; i < 20; i++) {
		eventually(sleeps, &first);
		ck_assert_int_eq(ask_thread_id(pool), first);
	}
	ck_assert_uint_eq(stats_of(pool).workers, 1);
	conc_executor_destroy(pool);
}
END_TEST

START_TEST(saturation)
{
	int before = thread_count();
	conc_executor *pool = POOL(.workers = 3);
	struct gate gate = GATE;

	hold_workers(pool, &gate, 3);
	for (int i = 0; i < 50; i++)
		ck_assert_int_eq(conc_submit(pool, nothing_task, NULL, 0, 0, NULL), 0);
	ck_assert_uint_eq(stats_of(pool).workers, 3);
	ck_assert_int_eq(thread_count(), before + 3);
	latch_set(&gate.open);
	conc_executor_destroy(pool);
}
END_TEST

START_TEST(a_parked_pool_uses_no_cpu)
{
	conc_executor *pool = POOL(.workers = 2);
	struct gate gate = GATE;
	pid_t id[2];
	long before[2], after;

	hold_workers(pool, &gate, 2);
	latch_set(&gate.open);
	/* Two workers live now; find both, however often one of them is the faster. */
	id[0] = id[1] = ask_thread_id(pool);
	while (id[1] == id[0])
		id[1] = ask_thread_id(pool);
	for (int i = 0; i < 2; i++)
		eventually(sleeps, &id[i]);
	for (int i = 0; i < 2; i++)
		ck_assert_int_eq(thread_state(id[i], &before[i]), 'S');
	nanosleep(&(struct timespec){.tv_nsec = 30000000}, NULL);
	for (int i = 0; i < 2; i++) {
		ck_assert_int_eq(thread_state(id[i], &after), 'S');
		ck_assert_int_eq(after, before[i]); /* it slept all the while */
	}
	conc_executor_destroy(pool);
}
END_TEST

START_TEST(resize_refuses_bad_input)
{
	conc_executor *pool = POOL(.workers = 2);

	ck_assert_int_eq(conc_executor_resize(NULL, 1), -EINVAL);
	ck_assert_int_eq(conc_executor_resize(pool, 0), -EINVAL);
	ck_assert_int_eq(conc_executor_resize(pool, -1), -EINVAL);
	ck_assert_int_eq(conc_executor_resize(pool, INT_MIN), -EINVAL);
	ck_assert_int_eq(conc_executor_resize(pool, 4097), -EINVAL);
	ck_assert_int_eq(conc_executor_resize(pool, INT_MAX), -EINVAL);
	ck_assert_int_eq(conc_executor_workers(pool), 2);
	ck_assert_int_eq(conc_executor_resize(pool, 4096), 0);
	ck_assert_int_eq(conc_executor_workers(pool), 4096);
	ck_assert_uint_eq(stats_of(pool).workers, 0);
	conc_executor_destroy(pool);
}
END_TEST

/* More at once begin with what waits already. */
START_TEST(resize_up_starts_what_waits)
{
	conc_executor *pool = POOL(.workers = 1);
	struct gate gate = GATE;

	for (int i = 0; i < 3; i++)
		ck_assert_int_eq(conc_submit(pool, gate_task, &gate, CONC_BORROW, 0, NULL), 0);
	latch_wait(&gate.come, 1);
	ck_assert_uint_eq(stats_of(pool).workers, 1);
	ck_assert_int_eq(conc_executor_resize(pool, 3), 0);
	latch_wait(&gate.come, 3);
	ck_assert_uint_eq(stats_of(pool).workers, 3);
	latch_set(&gate.open);
	conc_executor_destroy(pool);
}
END_TEST

/* Of busy workers some end after their task; of idle ones at once. */
START_TEST(resize_down_ends_workers)
{
	conc_executor *pool = POOL(.workers = 4);
	struct gate gate = GATE;

	hold_workers(pool, &gate, 4);
	if (_i == 1) {
		latch_set(&gate.open);
		while (stats_of(pool).running > 0)
			sched_yield();
	}
	ck_assert_int_eq(conc_executor_resize(pool, 1), 0);
	ck_assert_int_eq(conc_executor_workers(pool), 1);
	if (_i == 0) {
		ck_assert_uint_eq(stats_of(pool).running, 4); /* it did not wait for them */
		latch_set(&gate.open);
	}
	await_workers(pool, 1);
	for (int i = 0; i < 10; i++)
		ck_assert_int_eq(finish(SUBMIT(pool, .fn = nothing_task)), 0);
	ck_assert_uint_eq(stats_of(pool).workers, 1);
	conc_executor_destroy(pool);
}
END_TEST

START_TEST(resize_to_and_fro)
{
	conc_executor *pool = POOL(.workers = 1);
	atomic_int ran = 0;
	uint32_t seed = seed_start(1);

	for (int i = 0; i < 300; i++) {
		ck_assert_int_eq(
		    conc_executor_resize(pool, 1 + (int)random_below(&seed, 5)), 0);
		ck_assert_int_eq(conc_submit(pool, count_task, &ran, CONC_BORROW, 0, NULL), 0);
		jitter(&seed);
	}
	ck_assert_int_eq(conc_executor_resize(pool, 2), 0);
	while (stats_of(pool).workers > 2)
		sched_yield();
	conc_executor_destroy(pool);
	ck_assert_int_eq(ran, 300);
}
END_TEST

START_TEST(idle_workers_end_and_come_again)
{
	conc_executor *pool = POOL(.workers = 3, .idle_timeout = CONC_MS(1));
	struct gate gate[3] = {GATE, GATE, GATE};

	for (int round = 0; round < 3; round++) {
		hold_workers(pool, &gate[round], 3);
		ck_assert_uint_eq(stats_of(pool).workers, 3); /* busy ones do not end */
		latch_set(&gate[round].open);
		await_workers(pool, 0);
	}
	ck_assert_int_eq(finish(SUBMIT(pool, .fn = nothing_task)), 0);
	ck_assert_int_eq(conc_shutdown(pool, CONC_DRAIN, CONC_FOREVER), 0);
	conc_executor_destroy(pool);
}
END_TEST

/* A time-out of next to nothing: workers end all the time, and no task is lost. */
START_TEST(idle_workers_that_end_lose_no_task)
{
	conc_executor *pool = POOL(.workers = 2, .idle_timeout = 1);
	uint32_t seed = seed_start(2);

	for (int i = 0; i < 300; i++) {
		ck_assert_int_eq(finish(SUBMIT(pool, .fn = nothing_task)), 0);
		jitter(&seed);
	}
	ck_assert_uint_eq(stats_of(pool).done, 300);
	conc_executor_destroy(pool);
}
END_TEST

/* What the child of a fork inherits; set before it. */
static struct inherited {
	conc_executor *pool;
	conc_future *pending, *running, *done;
} inherited;

static void
child_of_a_fork(void)
{
	conc_stats stats = CONC_STATS_INIT;
	conc_future *none = NULL;
	conc_executor *own;
	int n = 0;

	ck_assert_int_eq(
	    conc_submit(inherited.pool, nothing_task, NULL, 0, 0, &none), CONC_EFORKED);
	ck_assert_int_eq(conc_submit_task(inherited.pool, CONC_TASK(.fn = nothing_task), NULL),
	    CONC_EFORKED);
	ck_assert_int_eq(
	    conc_map(inherited.pool, nothing_task, 2, NULL, 0, NULL, 0, NULL), CONC_EFORKED);
	ck_assert_int_eq(conc_shutdown(inherited.pool, CONC_KILL, CONC_FOREVER), CONC_EFORKED);
	ck_assert_int_eq(conc_executor_resize(inherited.pool, 3), CONC_EFORKED);
	ck_assert_int_eq(conc_executor_workers(inherited.pool), CONC_EFORKED);
	ck_assert_int_eq(conc_executor_stats(inherited.pool, &stats), CONC_EFORKED);
	ck_assert_int_eq(conc_future_wait(inherited.pending, CONC_FOREVER), CONC_EFORKED);
	ck_assert_int_eq(conc_future_result(inherited.running, NULL, 0), CONC_EFORKED);
	ck_assert_int_eq(conc_future_cancel(inherited.pending), CONC_EFORKED);
	ck_assert_int_eq(conc_future_result(inherited.done, &n, sizeof n), 0);
	ck_assert_int_eq(n, 49);
	conc_future_release(inherited.pending);
	conc_future_release(inherited.running);
	conc_future_release(inherited.done);
	conc_executor_destroy(inherited.pool);
	own = POOL(.workers = 2);
#ifndef __SANITIZE_THREAD__ /* it cannot start threads in the child of a fork */
	ck_assert_int_eq(finish(SUBMIT(own, .fn = nothing_task)), 0);
#endif
	conc_executor_destroy(own);
}

START_TEST(the_child_of_a_fork_inherits_nothing_that_runs)
{
	struct gate gate = GATE;
	int n = 7;

	inherited.pool = POOL(.workers = 1, .name = "old");
	inherited.done = SUBMIT(inherited.pool, .fn = square_task, .arg = &n,
	    .arg_size = sizeof n, .result_size = sizeof n);
	ck_assert_int_eq(conc_future_wait(inherited.done, CONC_FOREVER), 0);
	inherited.running =
	    SUBMIT(inherited.pool, .fn = gate_task, .arg = &gate, .arg_size = CONC_BORROW);
	latch_wait(&gate.come, 1);
	inherited.pending = SUBMIT(inherited.pool, .fn = nothing_task);
	ck_assert_int_eq(run_in_child(child_of_a_fork), 0);
	latch_set(&gate.open);
	ck_assert_int_eq(finish(inherited.pending), 0); /* here all goes on */
	ck_assert_int_eq(finish(inherited.running), 0);
	ck_assert_int_eq(finish(inherited.done), 0);
	conc_executor_destroy(inherited.pool);
}
END_TEST

static int
fork_task(const void *arg, void *result)
{
	inherited.pool = *(conc_executor *const *)arg;
	inherited.running = SUBMIT(inherited.pool, .fn = nothing_task);
	inherited.pending = SUBMIT(inherited.pool, .fn = nothing_task);
	inherited.done = SUBMIT(inherited.pool, .fn = square_task, .arg = &(int){7},
	    .arg_size = sizeof(int), .result_size = sizeof(int));
	ck_assert_int_eq(conc_future_wait(inherited.done, CONC_FOREVER), 0);
	*(int *)result = run_in_child(child_of_a_fork);
	conc_future_release(inherited.done);
	conc_future_release(inherited.running);
	return finish(inherited.pending);
}

/* With one worker the two tasks that wait are surely pending; the third is claimed. */
START_TEST(a_task_may_fork)
{
	conc_executor *pool = POOL(.workers = 1);
	conc_future *f = SUBMIT(pool, .fn = fork_task, .arg = &pool, .arg_size = sizeof pool,
	    .result_size = sizeof(int));
	int status = -1;

	ck_assert_int_eq(conc_future_result(f, &status, sizeof status), 0);
	ck_assert_int_eq(status, 0);
	conc_future_release(f);
	conc_executor_destroy(pool);
}
END_TEST

static void
child_destroys(void)
{
	conc_executor_destroy(inherited.pool);
	ck_assert_int_eq(thread_count(), 1);
}

/* Forks while a pool is busy: wherever its workers stand, the child can drop it. */
START_TEST(a_fork_at_any_moment)
{
	inherited.pool = POOL(.workers = 2);
	for (int i = 0; i < 20; i++) {
		for (int n = 0; n < 20; n++)
			ck_assert_int_eq(
			    conc_submit(inherited.pool, nothing_task, NULL, 0, 0, NULL), 0);
		ck_assert_int_eq(run_in_child(child_destroys), 0);
	}
	conc_executor_destroy(inherited.pool);
}
END_TEST

/* Nobody joins or drains as the process ends: what is queued is not waited for. */
START_TEST(nothing_happens_at_exit)
{
	int status;
	pid_t child = fork();

	if (child == 0) {
#ifndef __SANITIZE_THREAD__ /* it cannot start threads in the child of a fork */
		struct gate gate = GATE;
		conc_executor *pool = POOL(.workers = 1);

		hold_workers(pool, &gate, 1);
		(void)SUBMIT(pool, .fn = nothing_task);
#endif
		exit(7);
	}
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 7);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("workers");
	TCase *start = new_case(s, "start"), *number = new_case(s, "number");
	TCase *forked = new_case(s, "fork");

	tcase_add_test(start, no_thread_before_the_first_task);
	tcase_add_test(start, idle_thread_reuse);
	tcase_add_test(start, saturation);
	tcase_add_test(start, a_parked_pool_uses_no_cpu);
	tcase_add_test(number, resize_refuses_bad_input);
	tcase_add_test(number, resize_up_starts_what_waits);
	tcase_add_loop_test(number, resize_down_ends_workers, 0, 2);
	tcase_add_test(number, resize_to_and_fro);
	tcase_add_test(number, idle_workers_end_and_come_again);
	tcase_add_test(number, idle_workers_that_end_lose_no_task);
	tcase_add_test(forked, the_child_of_a_fork_inherits_nothing_that_runs);
	tcase_add_test(forked, a_task_may_fork);
	tcase_add_test(forked, a_fork_at_any_moment);
	tcase_add_test(forked, nothing_happens_at_exit);
	return run_suite(s);
}
