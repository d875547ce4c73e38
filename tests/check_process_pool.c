/* SPDX-License-Identifier: MIT */
/*
 * Tests of <conc/process_pool.h>: options, workers and what is done to them:
 * names, init and fini, their number, their replacement, the picture of the
 * host's memory that they have. Queue and shutdown: check_process_queue.c.
 */
#include "tests/process.h"
#include <dlfcn.h>
#include <limits.h>
#include <sys/prctl.h>

START_TEST(create_refuses_bad_input)
{
	static const conc_process_pool_options bad[] = {{.workers = -1}, {.workers = 1025},
	    {.workers = INT_MAX}, {.when_full = CONC_CALLER_RUNS},
	    {.when_full = (conc_when_full)3}, {.when_full = (conc_when_full)-1}, {.flags = 1},
	    {.flags = INT_MIN}, {.time_limit = -1}, {.cpu_limit = -1}, {.restart_period = -1},
	    {.keep_count = 1}, {.tasks_per_worker = -1}, {.nice = -1}, {.nice = 40},
	    {.restarts = -1}, {.close_fds = 2}, {.close_fds = -1}, {.detached = 2},
	    {.detached = -1}};
	conc_executor *pool = NULL;

	ck_assert_int_eq(conc_process_pool_create(NULL, NULL), -EINVAL);
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		conc_process_pool_options options = bad[i];

		options.size = sizeof options;
		ck_assert_msg(
		    conc_process_pool_create(&pool, &options) == -EINVAL, "options %zu", i);
	}
	ck_assert_ptr_null(pool);
}
END_TEST

START_TEST(create_checks_the_size)
{
	static const size_t wrong[] = {
	    0, 1, sizeof(size_t), sizeof(conc_process_pool_options) - 1};
	struct {
		conc_process_pool_options options;
		char more[40];
	} longer = {.options = {.size = sizeof longer, .workers = 1}};
	conc_executor *pool = NULL;

	for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
		ck_assert_int_eq(conc_process_pool_create(&pool,
				     &(conc_process_pool_options){.size = wrong[i]}),
		    -EINVAL);
	longer.more[0] = 1;
	ck_assert_int_eq(conc_process_pool_create(&pool, &longer.options), -E2BIG);
	ck_assert_ptr_null(pool);
	longer.more[0] = 0;
	pool = new_process_pool(&longer.options);
	ck_assert_int_eq(conc_executor_workers(pool), 1);
	conc_executor_destroy(pool);
}
END_TEST

START_TEST(no_options_are_all_defaults)
{
	conc_process_pool_options options = CONC_PROCESS_POOL_INIT;
	cpu_set_t all;
	conc_executor *pool = new_process_pool(NULL);

	ck_assert_mem_eq(&options, CONC_PROCESS_POOL(), sizeof options);
	ck_assert_int_eq(sched_getaffinity(0, sizeof all, &all), 0);
	ck_assert_int_ge(conc_executor_workers(pool), 1);
	ck_assert_int_le(conc_executor_workers(pool), CPU_COUNT(&all));
	ck_assert_int_eq(finish(SUBMIT(pool, .fn = nothing_task)), 0);
	conc_executor_destroy(pool);
}
END_TEST

START_TEST(without_a_descriptor_left)
{
	void *former = &(int){0};
	conc_executor *pool = former; /* is left alone */
	rlim_t before = limit_descriptors(3);


	ck_assert_int_eq(conc_process_pool_create(&pool, NULL), -EMFILE);
	limit_descriptors(before);
	ck_assert_ptr_eq(pool, former);
}
END_TEST

START_TEST(submit_refuses_bad_input)
{
	conc_executor *pool = PROCESSES(.workers = 1);
	conc_future *f = NULL;
	int n = 0;

	ck_assert_int_eq(conc_submit(pool, square_task, &n, CONC_BORROW, 0, &f), -EINVAL);
	ck_assert_int_eq(conc_submit(pool, NULL, NULL, 0, 0, &f), -EINVAL);
	ck_assert_int_eq(conc_submit(pool, square_task, NULL, 4, 4, &f), -EINVAL);
	ck_assert_int_eq(conc_submit_task(pool, NULL, &f), -EINVAL);
	ck_assert_int_eq(
	    conc_submit_task(pool, CONC_TASK(.fn = nothing_task, .time_limit = -1), &f),
	    -EINVAL);
	ck_assert_int_eq(
	    conc_submit_task(pool, CONC_TASK(.fn = nothing_task, .retries = -1), &f), -EINVAL);
	ck_assert_int_eq(
	    conc_submit_task(pool, CONC_TASK(.fn = nothing_task, .backoff = -1), &f), -EINVAL);
	ck_assert_ptr_null(f);
	conc_executor_destroy(pool);
}
END_TEST

START_TEST(tasks_run_elsewhere)
{
	conc_executor *pool = PROCESSES(.workers = 2);
	int n = 12, square = 0, pid = ask(pool, pid_task);
	conc_future *f = SUBMIT(pool, .fn = square_task, .arg = &n, .arg_size = sizeof n,
	    .result_size = sizeof n);

	n = 0; /* it was copied */
	ck_assert_int_eq(conc_future_result(f, &square, sizeof square), 0);
	ck_assert_int_eq(square, 144);
	conc_future_release(f);
	ck_assert_int_ne(pid, getpid());
	ck_assert_int_ne(ask(pool, parent_task), getpid());
	conc_executor_destroy(pool);
}
END_TEST

/* What a task may ask about itself. */
struct self {
	char task[16], process[16];
	size_t arg_size;
	int worker, priority, leader, parent_leader, asked;
};

static int
self_task(const void *arg, void *result)
{
	struct self *self = result;

	(void)arg;
	snprintf(self->task, sizeof self->task, "%s", conc_task_name());
	prctl(PR_GET_NAME, self->process);
	self->arg_size = conc_arg_size();
	self->worker = conc_worker_index();
	self->priority = getpriority(PRIO_PROCESS, 0);
	self->leader = getpgrp() == getpid();
	self->parent_leader = getpgid(getppid()) != getpgrp();
	self->asked = conc_cancelled();
	return 0;
}

START_TEST(what_a_task_knows_of_itself)
{
	char name[8] = "pics", task[8] = "resize";
	conc_executor *pool = PROCESSES(.workers = 1, .name = name, .nice = 3);
	struct self self = {0};
	conc_future *f;

	memset(name, 'x', sizeof name - 1); /* it was copied */
	f = SUBMIT(pool, .fn = self_task, .name = task, .arg = &self, .arg_size = 5,
	    .result_size = sizeof self);
	memset(task, 'x', sizeof task - 1);
	ck_assert_int_eq(conc_future_result(f, &self, sizeof self), 0);
	ck_assert_str_eq(self.task, "resize");
	ck_assert_str_eq(self.process, "pics-0");
	ck_assert_uint_eq(self.arg_size, 5);
	ck_assert_int_eq(self.worker, 0);
	ck_assert_int_eq(self.priority, getpriority(PRIO_PROCESS, 0) + 3);
	ck_assert_int_eq(self.leader, 1);
	ck_assert_int_eq(self.parent_leader, 1);
	ck_assert_int_eq(self.asked, 0);
	conc_future_release(f);
	conc_executor_destroy(pool);
}
END_TEST

START_TEST(all_workers_work)
{
	conc_executor *pool = PROCESSES(.workers = 4);

	hold_processes(pool, 4);
	for (int i = 0; i < 4; i++)
		for (int n = 0; n < i; n++)
			ck_assert_int_ne(shared->pid[i], shared->pid[n]);
	ck_assert_uint_eq(stats_of(pool).workers, 4);
	ck_assert_uint_eq(stats_of(pool).running, 4);
	atomic_store(&shared->open, 1);
	conc_executor_destroy(pool);
}
END_TEST

/* Tasks handed to a worker in advance, that another could run by now, are run by it. */
START_TEST(nothing_waits_behind_a_long_task)
{
	conc_executor *pool = PROCESSES(.workers = 2);
	conc_future *f[50];

	for (int i = 0; i < 100; i++) /* so short that many are sent in advance */
		ck_assert_int_eq(conc_submit(pool, nothing_task, NULL, 0, 0, NULL), 0);
	ck_assert_int_eq(conc_submit(pool, hold_task, NULL, 0, 0, NULL), 0);
	for (int i = 0; i < 50; i++)
		f[i] = submit_run(pool, i);
	for (int i = 0; i < 50; i++)
		ck_assert_int_eq(finish(f[i]), 0);
	atomic_store(&shared->open, 1);
	conc_executor_destroy(pool);
}
END_TEST

/* init, fini: where they know which worker they are. */
static int
count_init(void *user)
{
	if (conc_worker_index() < 0)
		return conc_raise(-ERANGE, "no index in init");
	shared->pid[conc_worker_index()] = getpid();
	atomic_fetch_add(&shared->count[0], *(int *)user);
	return 0;
}

static void
count_fini(void *user)
{
	if (conc_worker_index() >= 0 && shared->pid[conc_worker_index()] == getpid())
		atomic_fetch_add(&shared->count[1], *(int *)user);
}

START_TEST(init_and_fini)
{
	int three = 3;
	enum how how = BY_SEGV;
	conc_executor *pool =
	    PROCESSES(.workers = 2, .init = count_init, .fini = count_fini, .user = &three);

	hold_processes(pool, 2);
	ck_assert_int_eq(shared->count[0], 6);
	ck_assert_int_eq(shared->count[1], 0);
	let_go(pool);
	ck_assert_int_eq(
	    finish(SUBMIT(pool, .fn = die_task, .arg = &how, .arg_size = sizeof how)),
	    CONC_ECRASHED);
	hold_processes(pool, 2);
	ck_assert_int_eq(shared->count[0] - 1, 9); /* die_task counts one */
	atomic_store(&shared->open, 1);
	conc_executor_destroy(pool);
	ck_assert_int_eq(shared->count[1], 6); /* who crashed has no fini */
	conc_clear();
}
END_TEST

START_TEST(workers_are_replaced_after_so_many_tasks)
{
	int one = 1, pids[10], distinct = 0, run = 1;
	conc_executor *pool = PROCESSES(.workers = 1, .tasks_per_worker = 3,
	    .init = count_init, .fini = count_fini, .user = &one);

	for (int i = 0; i < 10; i++) {
		pids[i] = ask(pool, pid_task);
		run = i > 0 && pids[i] == pids[i - 1] ? run + 1 : 1;
		ck_assert_int_le(run, 3);
		distinct += run == 1;
	}
	ck_assert_int_eq(distinct, 4);
	conc_executor_destroy(pool);
	ck_assert_int_eq(shared->count[0], shared->count[1]);
	ck_assert_int_ge(shared->count[0], 4);
}
END_TEST

/* Their number. */
static bool
one_worker_is_left(void *pool)
{
	return stats_of(pool).workers == 1;
}

START_TEST(resize)
{
	static const int bad[] = {0, -1, INT_MIN, 4097, INT_MAX};
	int one = 1;
	conc_executor *pool =
	    PROCESSES(.workers = 1, .init = count_init, .fini = count_fini, .user = &one);

	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		ck_assert_int_eq(conc_executor_resize(pool, bad[i]), -EINVAL);
	hold_processes(pool, 1);
	ck_assert_int_eq(conc_executor_resize(pool, 3), 0);
	ck_assert_int_eq(conc_executor_workers(pool), 3);
	hold_processes(pool, 2); /* beside the one that is held */
	ck_assert_int_eq(conc_executor_resize(pool, 1), 0); /* does not wait for them */
	ck_assert_int_eq(conc_executor_workers(pool), 1);
	let_go(pool);
	eventually(one_worker_is_left, pool);
	reach(&shared->count[1], 2);
	ck_assert_int_eq(finish(SUBMIT(pool, .fn = nothing_task)), 0);
	ck_assert_int_eq(conc_executor_resize(pool, 8), 0);
	hold_processes(pool, 8);
	atomic_store(&shared->open, 1);
	conc_executor_destroy(pool);
	ck_assert_int_eq(shared->count[0], shared->count[1]);
}
END_TEST

START_TEST(resize_to_and_fro)
{
	enum { N = 400 };
	conc_executor *pool = PROCESSES(.workers = 1);
	conc_future *f[N];

	for (int i = 0; i < N; i++) {
		f[i] = submit_run(pool, i);
		if (i % 10 == 0)
			ck_assert_int_eq(conc_executor_resize(pool, 1 + i / 10 % 5), 0);
	}
	for (int i = 0; i < N; i++) {
		ck_assert_int_eq(finish(f[i]), 0);
		ck_assert_int_eq(shared->runs[i], 1);
	}
	conc_executor_destroy(pool);
}
END_TEST

START_TEST(stats_count_all)
{
	conc_executor *pool = PROCESSES(.workers = 1);
	enum how ways[] = {BY_RAISE, BY_SEGV};
	conc_future *f[3];
	conc_stats stats;

	for (int i = 0; i < 2; i++)
		(void)finish(SUBMIT(
		    pool, .fn = die_task, .arg = &ways[i], .arg_size = sizeof ways[i]));
	hold_processes(pool, 1);
	for (int i = 0; i < 3; i++)
		f[i] = SUBMIT(pool, .fn = nothing_task);
	ck_assert_int_eq(conc_future_cancel(f[1]), 0);
	stats = stats_of(pool);
	ck_assert_uint_eq(stats.workers, 1);
	ck_assert_uint_eq(stats.queued + stats.running, 3);
	ck_assert_uint_eq(stats.failed, 2);
	ck_assert_uint_eq(stats.cancelled, 1);
	ck_assert_uint_eq(stats.done, 0);
	atomic_store(&shared->open, 1);
	ck_assert_int_eq(finish(f[0]), 0);
	ck_assert_int_eq(finish(f[1]), -ECANCELED);
	ck_assert_int_eq(finish(f[2]), 0);
	stats = stats_of(pool);
	ck_assert_uint_eq(stats.queued, 0);
	ck_assert_uint_eq(stats.running, 0);
	ck_assert_uint_eq(stats.done, 3);
	ck_assert_int_gt(stats.run_time, 0);
	conc_executor_destroy(pool);
	conc_clear();
}
END_TEST

/* The picture of memory. */
static int global = 1;

static int
global_task(const void *arg, void *result)
{
	(void)arg;
	*(int *)result = global++;
	return 0;
}

START_TEST(memory_is_as_at_creation_or_refresh)
{
	conc_executor *pool;

	global = 10;
	pool = PROCESSES(.workers = 1);
	global = 20;
	ck_assert_int_eq(ask(pool, global_task), 10);
	ck_assert_int_eq(ask(pool, global_task), 11); /* its own */
	ck_assert_int_eq(global, 20);
	ck_assert_int_eq(conc_process_pool_refresh(pool), 0);
	ck_assert_int_eq(ask(pool, global_task), 20);
	conc_executor_destroy(pool);
}
END_TEST

START_TEST(refresh_lets_running_tasks_end)
{
	conc_executor *pool = PROCESSES(.workers = 2);
	conc_future *held = SUBMIT(pool, .fn = hold_task), *f[50];
	int zygote = ask(pool, parent_task);

	reach(&shared->come, 1);
	for (int i = 0; i < 50; i++) {
		f[i] = submit_run(pool, i);
		if (i % 20 == 10)
			ck_assert_int_eq(conc_process_pool_refresh(pool), 0);
	}
	for (int i = 0; i < 50; i++) {
		ck_assert_int_eq(finish(f[i]), 0);
		ck_assert_int_eq(shared->runs[i], 1);
	}
	ck_assert(!conc_future_done(held));
	ck_assert_int_ne(ask(pool, parent_task), zygote);
	atomic_store(&shared->open, 1);
	ck_assert_int_eq(finish(held), 0);
	eventually(gone, &zygote); /* it has nobody left */
	conc_executor_destroy(pool);
}
END_TEST

START_TEST(refresh_refuses)
{
	conc_executor *threads = POOL(.workers = 1), *pool = PROCESSES(.workers = 1);

	ck_assert_int_eq(conc_process_pool_refresh(NULL), -EINVAL);
	ck_assert_int_eq(conc_process_pool_refresh(threads), -EINVAL);
	conc_executor_destroy(threads);
	ck_assert_int_eq(conc_shutdown(pool, CONC_DRAIN, CONC_FOREVER), 0);
	ck_assert_int_eq(conc_process_pool_refresh(pool), CONC_ESHUTDOWN);
	ck_assert_int_eq(conc_executor_resize(pool, 2), CONC_ESHUTDOWN);
	conc_executor_destroy(pool);
}
END_TEST

/* A companion of the C library that nothing here has loaded; its function returns 1. */
START_TEST(functions_loaded_later)
{
	static const char library[] = "libBrokenLocale.so.1";
	conc_executor *pool = PROCESSES(.workers = 1);
	conc_future *f = NULL;
	conc_fn *fn;
	void *handle;

	ck_assert_int_eq(ask(pool, pid_task) > 0, 1);
	ck_assert_ptr_null(dlopen(library, RTLD_NOW | RTLD_NOLOAD));
	handle = dlopen(library, RTLD_NOW);
	ck_assert_ptr_nonnull(handle);
	*(void **)&fn = dlsym(handle, "__ctype_get_mb_cur_max");
	ck_assert_ptr_nonnull(*(void **)&fn);
	ck_assert_int_eq(conc_submit(pool, fn, NULL, 0, 0, &f), CONC_ENOTMAPPED);
	ck_assert_ptr_null(f);
	ck_assert_int_eq(conc_exception_code(conc_caught()), CONC_ENOTMAPPED);
	ck_assert_ptr_nonnull(strstr(conc_exception_message(conc_caught()), "refresh"));
	conc_clear();
	ck_assert_int_eq(conc_map(pool, fn, 5, NULL, 0, NULL, 0, NULL), CONC_ENOTMAPPED);
	ck_assert_int_eq(finish(SUBMIT(pool, .fn = nothing_task)), 0);
	ck_assert_int_eq(conc_process_pool_refresh(pool), 0);
	ck_assert_int_eq(conc_submit(pool, fn, NULL, 0, 0, &f), 0);
	ck_assert_int_eq(finish(f), 1);
	conc_executor_destroy(pool);
	dlclose(handle);
	conc_clear();
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("process_pool");
	TCase *options = process_case(s, "options"), *workers = process_case(s, "workers");
	TCase *picture = process_case(s, "picture");

	conc_set_excepthook(overlook, NULL);
	tcase_add_test(options, create_refuses_bad_input);
	tcase_add_test(options, create_checks_the_size);
	tcase_add_test(options, no_options_are_all_defaults);
	tcase_add_test(options, without_a_descriptor_left);
	tcase_add_test(options, submit_refuses_bad_input);
	tcase_add_test(workers, tasks_run_elsewhere);
	tcase_add_test(workers, what_a_task_knows_of_itself);
	tcase_add_test(workers, all_workers_work);
	tcase_add_test(workers, nothing_waits_behind_a_long_task);
	tcase_add_test(workers, init_and_fini);
	tcase_add_test(workers, workers_are_replaced_after_so_many_tasks);
	tcase_add_test(workers, resize);
	tcase_add_test(workers, resize_to_and_fro);
	tcase_add_test(workers, stats_count_all);
	tcase_add_test(picture, memory_is_as_at_creation_or_refresh);
	tcase_add_test(picture, refresh_lets_running_tasks_end);
	tcase_add_test(picture, refresh_refuses);
	tcase_add_test(picture, functions_loaded_later);
	return run_suite(s);
}
