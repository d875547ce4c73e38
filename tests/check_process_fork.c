/* SPDX-License-Identifier: MIT */
/*
 * Tests of a process pool when processes come and go around it: the host
 * forks, is killed, or waits for all its children; a task forks; the zygote
 * is killed.
 */
#include "tests/process.h"

static struct {
	conc_executor *pool;
	conc_future *pending, *running, *done;
} inherited;

static void
child_of_a_fork(void)
{
	conc_stats stats = CONC_STATS_INIT;
	conc_future *none = NULL;
	int n = 0;

	ck_assert_int_eq(
	    conc_submit(inherited.pool, nothing_task, NULL, 0, 0, &none), CONC_EFORKED);
	ck_assert_int_eq(
	    conc_map(inherited.pool, nothing_task, 2, NULL, 0, NULL, 0, NULL), CONC_EFORKED);
	ck_assert_int_eq(conc_process_pool_refresh(inherited.pool), CONC_EFORKED);
	ck_assert_int_eq(conc_shutdown(inherited.pool, CONC_KILL, CONC_FOREVER), CONC_EFORKED);
	ck_assert_int_eq(conc_executor_resize(inherited.pool, 3), CONC_EFORKED);
	ck_assert_int_eq(conc_executor_workers(inherited.pool), CONC_EFORKED);
	ck_assert_int_eq(conc_executor_stats(inherited.pool, &stats), CONC_EFORKED);
	ck_assert_int_eq(conc_future_wait(inherited.pending, CONC_FOREVER), CONC_EFORKED);
	ck_assert_int_eq(conc_future_result(inherited.running, NULL, 0), CONC_EFORKED);
	ck_assert_int_eq(conc_future_cancel(inherited.pending), CONC_EFORKED);
	ck_assert_int_eq(conc_future_cancel(inherited.running), CONC_EFORKED);
	ck_assert_int_eq(conc_future_kill(inherited.running), CONC_EFORKED);
	ck_assert_int_eq(conc_future_result(inherited.done, &n, sizeof n), 0);
	ck_assert_int_eq(n, 49);
	conc_future_release(inherited.pending);
	conc_future_release(inherited.running);
	conc_future_release(inherited.done);
	conc_executor_destroy(inherited.pool);
#ifndef __SANITIZE_THREAD__ /* it cannot start threads in the child of a fork */
	conc_executor *own = PROCESSES(.workers = 2);

	ck_assert_int_eq(finish(SUBMIT(own, .fn = nothing_task)), 0);
	conc_executor_destroy(own);
#endif
}

START_TEST(the_child_of_a_fork)
{
	int n = 7;

	inherited.pool = PROCESSES(.workers = 1);
	inherited.done = SUBMIT(inherited.pool, .fn = square_task, .arg = &n,
	    .arg_size = sizeof n, .result_size = sizeof n);
	ck_assert_int_eq(conc_future_wait(inherited.done, CONC_FOREVER), 0);
	inherited.running = SUBMIT(inherited.pool, .fn = hold_task);
	reach(&shared->come, 1);
	inherited.pending = SUBMIT(inherited.pool, .fn = nothing_task);
	ck_assert_int_eq(run_in_child(child_of_a_fork), 0);
	atomic_store(&shared->open, 1);
	ck_assert_int_eq(finish(inherited.pending), 0); /* here all goes on */
	ck_assert_int_eq(finish(inherited.running), 0);
	ck_assert_int_eq(finish(inherited.done), 0);
	conc_executor_destroy(inherited.pool);
}
END_TEST

static void
child_destroys(void)
{
	conc_executor_destroy(inherited.pool);
}

/* Forks while a pool is busy: wherever it stands, the child can drop it. */
START_TEST(a_fork_at_any_moment)
{
	inherited.pool = PROCESSES(.workers = 2);
	for (int i = 0; i < 20; i++) {
		for (int n = 0; n < 20; n++)
			ck_assert_int_eq(
			    conc_submit(inherited.pool, nothing_task, NULL, 0, 0, NULL), 0);
		ck_assert_int_eq(run_in_child(child_destroys), 0);
	}
	ck_assert_int_eq(finish(SUBMIT(inherited.pool, .fn = nothing_task)), 0);
	conc_executor_destroy(inherited.pool);
}
END_TEST

/* A stranger that holds copies of all pipes keeps nobody from ending. */
START_TEST(a_stranger_holds_the_pipes)
{
	struct leash l = leash();
	conc_executor *pool = PROCESSES(.workers = 2);
	enum how how = BY_SEGV;
	pid_t stranger;

	hold_processes(pool, 2);
	stranger = fork();
	if (stranger == 0) {
		close(l.ends[1]);
		for (;;)
			pause();
	}
	atomic_store(&shared->open, 1);
	ck_assert_int_eq(
	    finish(SUBMIT(pool, .fn = die_task, .arg = &how, .arg_size = sizeof how)),
	    CONC_ECRASHED);
	ck_assert_int_eq(finish(SUBMIT(pool, .fn = nothing_task)), 0);
	conc_executor_destroy(pool);
	ck_assert(leash_is_free(&l));
	kill(stranger, SIGKILL);
	ck_assert_int_eq(waitpid(stranger, NULL, 0), stranger);
	conc_clear();
}
END_TEST

/* How a host ends in the tests below, in the midst of all. */
static void
end_of_host(enum how how)
{
	if (how == BY_HANG)
		raise(SIGKILL);
	die(how);
}

static int
grandchild_task(const void *arg, void *result)
{
	pid_t child = fork();

	if (child == 0)
		for (;;)
			pause();
	return hold_task(arg, result);
}

START_TEST(the_host_dies)
{
	static const enum how ways[] = {BY_HANG, BY_EXIT_0, BY_SEGV, BY_ABORT};
	struct leash l = leash();
	pid_t host;
	int status;

	fflush(NULL);
	host = fork();
	if (host == 0) {
		conc_executor *pool = PROCESSES(.workers = 3, .detached = _i / 4);

		for (int i = 0; i < 20; i++)
			(void)SUBMIT(pool, .fn = grandchild_task);
		reach(&shared->come, 3);
		if (fork() == 0) { /* it holds copies of all pipes */
			close(l.ends[1]);
			linger(&shared->open);
			_exit(0);
		}
		end_of_host(ways[_i % 4]);
	}
	ck_assert_int_eq(waitpid(host, &status, 0), host);
	ck_assert(leash_is_free(&l));
	atomic_store(&shared->open, 1);
}
END_TEST

/* Killed at any moment: while it makes the pool, submits, destroys. */
START_TEST(the_host_is_killed_at_any_moment)
{
	struct leash l = leash();

	fflush(NULL);
	for (int n = 0; n < 20; n++) {
		uint32_t seed = seed_start(n);
		const struct timespec pause = {.tv_nsec = random_below(&seed, 10000000)};
		pid_t host = fork();

		if (host == 0)
			for (;;) {
				conc_executor *pool = PROCESSES(.workers = 2);

				for (int i = 0; i < 5; i++)
					(void)finish(SUBMIT(pool, .fn = nothing_task));
				conc_executor_destroy(pool);
			}
		nanosleep(&pause, NULL);
		ck_assert_int_eq(kill(host, SIGKILL), 0);
		ck_assert_int_eq(waitpid(host, NULL, 0), host);
	}
	ck_assert(leash_is_free(&l));
}
END_TEST

/* The library's children are no children of a detached pool's host. */
static void
wait_for_all(void)
{
	conc_executor *pool = PROCESSES(.workers = 2, .detached = 1);
	pid_t child = fork();

	if (child == 0)
		_exit(3);
	hold_processes(pool, 2);
	while (wait(NULL) > 0)
		;
	ck_assert_int_eq(errno, ECHILD);
	atomic_store(&shared->open, 1);
	ck_assert_int_eq(finish(SUBMIT(pool, .fn = nothing_task)), 0);
	conc_executor_destroy(pool);
}

START_TEST(detached)
{
	struct leash l = leash();

	ck_assert_int_eq(run_in_child(wait_for_all), 0);
	ck_assert(leash_is_free(&l));
}
END_TEST

/* Without .detached the zygote is the one child. */
START_TEST(one_child)
{
	int before = child_count();
	conc_executor *pool = PROCESSES(.workers = 3);

	hold_processes(pool, 3);
	ck_assert_int_eq(child_count(), before + 1);
	atomic_store(&shared->open, 1);
	conc_executor_destroy(pool);
	ck_assert_int_eq(child_count(), before);
}
END_TEST

/* All end, in whatever way: none ran twice, and the pool can be destroyed. */
START_TEST(the_zygote_is_killed)
{
	enum { N = 200 };
	struct leash l = leash();
	conc_executor *pool = PROCESSES(.workers = 2, .detached = _i);
	int zygote = ask(pool, parent_task);
	conc_future *f[N], *held = SUBMIT(pool, .fn = hold_task);
	int rc;

	reach(&shared->come, 1);
	for (int i = 0; i < N; i++) {
		f[i] = submit_run(pool, i);
		if (i == N / 2)
			ck_assert_int_eq(kill(zygote, SIGKILL), 0);
	}
	rc = finish(held);
	ck_assert_msg(rc == CONC_ECRASHED, "%s", conc_errname(rc));
	ck_assert_ptr_nonnull(conc_exception_death(conc_caught()));
	ck_assert_int_eq(conc_exception_death(conc_caught())->signal, 0);
	ck_assert_int_eq(conc_exception_death(conc_caught())->exit_status, -1);
	for (int i = 0; i < N; i++) {
		rc = finish(f[i]);
		ck_assert_msg(rc == 0 || rc == CONC_EBROKEN || rc == CONC_ECRASHED, "%s",
		    conc_errname(rc));
		ck_assert_int_le(shared->runs[i], 1);
		if (rc == 0)
			ck_assert_int_eq(shared->runs[i], 1);
		if (rc == CONC_EBROKEN)
			ck_assert_int_eq(shared->runs[i], 0);
	}
	conc_executor_destroy(pool);
	ck_assert(leash_is_free(&l));
	conc_clear();
}
END_TEST

/* After that the pool works again, or says that it is broken: it never hangs. */
START_TEST(the_zygote_is_killed_while_idle)
{
	conc_executor *pool = PROCESSES(.workers = 1);
	int zygote = ask(pool, parent_task), rc;
	conc_future *f;

	ck_assert_int_eq(kill(zygote, SIGKILL), 0);
	rc = conc_submit(pool, nothing_task, NULL, 0, 0, &f);
	if (rc == 0)
		rc = finish(f);
	ck_assert_msg(rc == 0 || rc == CONC_EBROKEN, "%s", conc_errname(rc));
	rc = conc_process_pool_refresh(pool);
	ck_assert_msg(rc == 0 || rc == CONC_EBROKEN, "%s", conc_errname(rc));
	conc_executor_destroy(pool);
	conc_clear();
}
END_TEST

/* A task that forks and returns in both: the child does not become a worker. */
static int
fork_task(const void *arg, void *result)
{
	pid_t child = fork();

	(void)arg;
	if (child == -1)
		return -errno;
	*(int *)result = child;
	atomic_fetch_add(&shared->count[0], 1);
	return 0;
}

START_TEST(a_task_forks_and_both_return)
{
	struct leash l = leash();
	conc_executor *pool = PROCESSES(.workers = 1);

	for (int i = 0; i < 10; i++)
		ck_assert_int_gt(ask(pool, fork_task), 0);
	for (int i = 0; i < 100; i++)
		ck_assert_int_eq(finish(submit_run(pool, i)), 0);
	reach(&shared->count[0], 20);
	for (int i = 0; i < 100; i++)
		ck_assert_int_eq(shared->runs[i], 1);
	conc_executor_destroy(pool);
	ck_assert(leash_is_free(&l));
}
END_TEST

/* What a task has started is killed with its worker. */
START_TEST(grandchildren_are_killed)
{
	struct leash l = leash();
	conc_executor *pool = PROCESSES(.workers = 2);
	conc_future *f = SUBMIT(pool, .fn = grandchild_task, .time_limit = CONC_MS(200));
	conc_future *g = SUBMIT(pool, .fn = grandchild_task);

	ck_assert_int_eq(finish(f), CONC_ETIMELIMIT);
	atomic_store(&shared->open, 1);
	ck_assert_int_eq(finish(g), 0);
	conc_executor_destroy(pool);
	ck_assert(leash_is_free(&l));
	conc_clear();
}
END_TEST

static conc_executor *kept;

static int
kept_task(const void *arg, void *result)
{
	(void)arg, (void)result;
	return conc_submit(kept, nothing_task, NULL, 0, 0, NULL);
}

/* Where the program keeps its pool a task finds it, though it was made before that. */
START_TEST(the_pool_in_its_task)
{
	struct leash l = leash();

	kept = NULL;
	ck_assert_int_eq(
	    conc_process_pool_create(&kept, CONC_PROCESS_POOL(.workers = 1)), 0);
	ck_assert_int_eq(finish(SUBMIT(kept, .fn = kept_task)), CONC_EFORKED);
	conc_executor_destroy(kept);
	ck_assert(leash_is_free(&l));
	conc_clear();
}
END_TEST

/* In a worker the pool is another process's; pools of its own it may have. */
static conc_executor *outer;

static int
inside_task(const void *arg, void *result)
{
	int rc = conc_submit(outer, nothing_task, NULL, 0, 0, NULL);

	(void)arg;
	if (rc != CONC_EFORKED)
		return 1;
#ifndef __SANITIZE_THREAD__
	conc_executor *own;
	conc_future *f;

	rc = conc_process_pool_create(&own, CONC_PROCESS_POOL(.workers = 1));
	if (rc == 0)
		rc = conc_submit(own, pid_task, NULL, 0, sizeof(int), &f);
	if (rc == 0)
		rc = conc_future_result(f, result, sizeof(int));
	if (rc != 0)
		return rc;
	conc_future_release(f);
	conc_executor_destroy(own);
#endif
	return *(int *)result == getpid();
}

/* The task gets it by address: where the pool is, is known only when it is made. */
static int
outer_task(const void *arg, void *result)
{
	outer = *(conc_executor *const *)arg;
	return outer == NULL ? -EINVAL : inside_task(NULL, result);
}

START_TEST(pools_in_workers)
{
	struct leash l = leash();
	conc_executor *pool = PROCESSES(.workers = 1), *fresh;
	conc_future *f;

	/* A second picture, in which the pool stands. */
	ck_assert_int_eq(conc_process_pool_refresh(pool), 0);
	f = SUBMIT(pool, .fn = outer_task, .arg = &pool, .arg_size = sizeof pool,
	    .result_size = sizeof(int));
	ck_assert_int_eq(finish(f), 0);
	fresh = PROCESSES(.workers = 1); /* and beside it */
	f = SUBMIT(fresh, .fn = outer_task, .arg = &pool, .arg_size = sizeof pool,
	    .result_size = sizeof(int));
	ck_assert_int_eq(finish(f), 0);
	conc_executor_destroy(pool);
	ck_assert_int_eq(finish(SUBMIT(fresh, .fn = nothing_task)), 0);
	conc_executor_destroy(fresh);
	ck_assert(leash_is_free(&l));
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("process_fork");
	TCase *host = process_case(s, "host"), *zygote = process_case(s, "zygote");
	TCase *task = process_case(s, "task");

	conc_set_excepthook(overlook, NULL);
	tcase_add_test(host, the_child_of_a_fork);
	tcase_add_test(host, a_fork_at_any_moment);
	tcase_add_test(host, a_stranger_holds_the_pipes);
	tcase_add_loop_test(host, the_host_dies, 0, 8);
	tcase_add_test(host, the_host_is_killed_at_any_moment);
	tcase_add_test(host, detached);
	tcase_add_test(host, one_child);
	tcase_add_loop_test(zygote, the_zygote_is_killed, 0, 2);
	tcase_add_test(zygote, the_zygote_is_killed_while_idle);
	tcase_add_test(task, a_task_forks_and_both_return);
	tcase_add_test(task, grandchildren_are_killed);
	tcase_add_test(task, the_pool_in_its_task);
	tcase_add_test(task, pools_in_workers);
	return run_suite(s);
}
