/* SPDX-License-Identifier: MIT */
/*
 * Tests of <conc/thread_pool.h>: options, workers and what is done to them:
 * names, signals, stacks, init and fini, their number, and the statistics.
 * Sizes that change with time (resize, idle, fork) are in check_workers.c.
 */
#include "tests/pool.h"
#include <limits.h>
#include <signal.h>

START_TEST(create_refuses_bad_input)
{
	static const conc_thread_pool_options bad[] = {{.workers = -1}, {.workers = INT_MIN},
	    {.workers = 4097}, {.workers = INT_MAX}, {.when_full = (conc_when_full)3},
	    {.when_full = (conc_when_full)-1}, {.flags = 1}, {.flags = INT_MIN}, {.pin = 2},
	    {.pin = -1}, {.idle_timeout = INT64_MIN}, {.stack_size = SIZE_MAX}};
	conc_executor *pool = NULL;

	ck_assert_int_eq(conc_thread_pool_create(NULL, NULL), -EINVAL);
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		conc_thread_pool_options options = bad[i];

		options.size = sizeof options;
		ck_assert_msg(
		    conc_thread_pool_create(&pool, &options) == -EINVAL, "options %zu", i);
	}
	ck_assert_ptr_null(pool);
}
END_TEST

START_TEST(create_checks_the_size)
{
	static const size_t wrong[] = {
	    0, 1, sizeof(size_t), sizeof(conc_thread_pool_options) - 1};
	struct {
		conc_thread_pool_options options;
		char more[40];
	} longer = {.options = {.size = sizeof longer, .workers = 1}};
	conc_executor *pool = NULL;

	for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
		ck_assert_int_eq(conc_thread_pool_create(
				     &pool, &(conc_thread_pool_options){.size = wrong[i]}),
		    -EINVAL);
	longer.more[0] = 1;
	ck_assert_int_eq(conc_thread_pool_create(&pool, &longer.options), -E2BIG);
	ck_assert_ptr_null(pool);
	longer.more[0] = 0;
	pool = new_pool(&longer.options);
	ck_assert_int_eq(conc_executor_workers(pool), 1);
	conc_executor_destroy(pool);
}
END_TEST

START_TEST(init_is_an_empty_set_of_options)
{
	conc_thread_pool_options options = CONC_THREAD_POOL_INIT;
	conc_stats stats = CONC_STATS_INIT;

	ck_assert_mem_eq(&options, CONC_THREAD_POOL(), sizeof options);
	ck_assert_mem_eq(&stats, &(conc_stats){.size = sizeof stats}, sizeof stats);
}
END_TEST

START_TEST(no_options_are_all_defaults)
{
	conc_executor *pool = new_pool(NULL);

	ck_assert_int_ge(conc_executor_workers(pool), 1);
	ck_assert_int_eq(finish(SUBMIT(pool, .fn = nothing_task)), 0);
	conc_executor_destroy(pool);
}
END_TEST

/* As many workers as the affinity mask has CPUs, unless a quota gives fewer. */
START_TEST(default_workers_follow_the_affinity)
{
	cpu_set_t all, one;
	conc_executor *pool;

	ck_assert_int_eq(sched_getaffinity(0, sizeof all, &all), 0);
	pool = POOL(.workers = 0);
	ck_assert_int_ge(conc_executor_workers(pool), 1);
	ck_assert_int_le(conc_executor_workers(pool), CPU_COUNT(&all));
	conc_executor_destroy(pool);
	CPU_ZERO(&one);
	for (int cpu = 0; CPU_COUNT(&one) == 0; cpu++)
		if (CPU_ISSET(cpu, &all))
			CPU_SET(cpu, &one);
	ck_assert_int_eq(sched_setaffinity(0, sizeof one, &one), 0);
	pool = POOL(.workers = 0);
	ck_assert_int_eq(conc_executor_workers(pool), 1);
	conc_executor_destroy(pool);
	ck_assert_int_eq(sched_setaffinity(0, sizeof all, &all), 0);
}
END_TEST

static int
affinity_task(const void *arg, void *result)
{
	(void)arg;
	return sched_getaffinity(0, sizeof(cpu_set_t), result) == 0 ? 0 : -errno;
}

START_TEST(pinned_workers_have_one_cpu_each)
{
	conc_executor *pool = POOL(.workers = 1, .pin = 1);
	cpu_set_t set;
	conc_future *f = SUBMIT(pool, .fn = affinity_task, .result_size = sizeof set);

	ck_assert_int_eq(conc_future_result(f, &set, sizeof set), 0);
	ck_assert_int_eq(CPU_COUNT(&set), 1);
	conc_future_release(f);
	conc_executor_destroy(pool);
}
END_TEST

static int
thread_name_task(const void *arg, void *result)
{
	(void)arg;
	return -pthread_getname_np(pthread_self(), result, 16);
}

static void
ask_thread_name(const char *prefix, char name[16])
{
	char copy[64] = "";
	conc_executor *pool;
	conc_future *f;

	if (prefix != NULL)
		strcpy(copy, prefix);
	pool = POOL(.workers = 1, .name = prefix != NULL ? copy : NULL);
	memset(copy, 'x', sizeof copy - 1); /* it was copied */
	f = SUBMIT(pool, .fn = thread_name_task, .result_size = 16);
	ck_assert_int_eq(conc_future_result(f, name, 16), 0);
	conc_future_release(f);
	conc_executor_destroy(pool);
}

START_TEST(threads_are_named_by_pool_and_index)
{
	char name[16];

	ask_thread_name("io", name);
	ck_assert_str_eq(name, "io-0");
	ask_thread_name(NULL, name);
	ck_assert_str_eq(name, "conc-0");
	ask_thread_name("a-name-that-does-not-fit-at-all", name);
	ck_assert_uint_le(strlen(name), 15);
	ck_assert_int_eq(strncmp(name, "a-name-that-", 12), 0);
	ask_thread_name("%s%n", name);
	ck_assert_str_eq(name, "%s%n-0");
}
END_TEST

static int
signal_mask_task(const void *arg, void *result)
{
	(void)arg;
	return -pthread_sigmask(SIG_BLOCK, NULL, result);
}

START_TEST(signals_are_blocked_in_workers)
{
	static const int open[] = {
	    SIGILL, SIGTRAP, SIGBUS, SIGFPE, SIGSEGV, SIGSYS, SIGPIPE, SIGPROF};
	conc_executor *pool = POOL(.workers = 1);
	sigset_t set, before, after;
	conc_future *f;

	ck_assert_int_eq(pthread_sigmask(SIG_BLOCK, NULL, &before), 0);
	f = SUBMIT(pool, .fn = signal_mask_task, .result_size = sizeof set);
	ck_assert_int_eq(conc_future_result(f, &set, sizeof set), 0);
	conc_future_release(f);
	for (int signal = 1; signal < 32; signal++) {
		int blocked = 1;

		for (size_t i = 0; i < sizeof open / sizeof *open; i++)
			blocked &= signal != open[i];
		if (signal != SIGKILL && signal != SIGSTOP)
			ck_assert_msg(
			    sigismember(&set, signal) == blocked, "signal %d", signal);
	}
	ck_assert_int_eq(pthread_sigmask(SIG_BLOCK, NULL, &after), 0);
	for (int signal = 1; signal < 32; signal++) /* the caller's own mask is as it was */
		ck_assert_int_eq(sigismember(&before, signal), sigismember(&after, signal));
	conc_executor_destroy(pool);
}
END_TEST

/* Uses so much of the stack, every page of it. */
static int
stack_task(const void *arg, void *result)
{
	size_t size = *(const size_t *)arg;
	volatile char *room = __builtin_alloca(size);

	(void)result;
	for (size_t i = 0; i < size; i += 1024)
		room[i] = 1;
	return room[0] == 1 ? 0 : -EBADMSG;
}

START_TEST(a_stack_of_the_size_asked_for)
{
	conc_executor *pool = POOL(.workers = 1, .stack_size = (size_t)32 << 20);
	size_t size = (size_t)28 << 20;

	ck_assert_int_eq(
	    finish(SUBMIT(pool, .fn = stack_task, .arg = &size, .arg_size = sizeof size)), 0);
	conc_executor_destroy(pool);
	pool = POOL(.workers = 1, .stack_size = 1); /* the smallest that there is */
	ck_assert_int_eq(finish(SUBMIT(pool, .fn = nothing_task)), 0);
	conc_executor_destroy(pool);
}
END_TEST

/* A stack that nobody can have: refused here or at submit, but never a crash or a hang. */
START_TEST(an_impossible_stack_is_refused)
{
	static const size_t sizes[] = {SIZE_MAX, SIZE_MAX - 4096, SIZE_MAX / 2};
	conc_executor *pool = NULL;
	conc_future *f = NULL;
	int rc = conc_thread_pool_create(&pool, CONC_THREAD_POOL(.stack_size = sizes[_i]));

	if (rc == 0)
		rc = conc_submit(pool, nothing_task, NULL, 0, 0, &f);
	ck_assert(rc == -EINVAL || rc == -ENOMEM || rc == -EAGAIN);
	ck_assert_ptr_null(f);
	conc_executor_destroy(pool);
}
END_TEST

struct initialised {
	atomic_int inits, finis, fail_from, alive;
};

static int
counting_init(void *user)
{
	struct initialised *i = user;

	ck_assert_int_ge(conc_worker_index(), 0);
	if (atomic_fetch_add(&i->inits, 1) + 1 >= i->fail_from && i->fail_from > 0)
		return conc_raise(-ENODEV, "no device for worker");
	atomic_fetch_add(&i->alive, 1);
	return 0;
}

static void
counting_fini(void *user)
{
	struct initialised *i = user;

	atomic_fetch_add(&i->finis, 1);
	atomic_fetch_sub(&i->alive, 1);
}

START_TEST(init_and_fini_run_once_a_worker)
{
	struct initialised i = {0};
	struct gate gate = GATE;
	conc_executor *pool =
	    POOL(.workers = 3, .init = counting_init, .fini = counting_fini, .user = &i);

	ck_assert_int_eq(i.inits, 0); /* nobody has started */
	hold_workers(pool, &gate, 3);
	ck_assert_int_eq(i.inits, 3);
	ck_assert_int_eq(i.finis, 0);
	latch_set(&gate.open);
	ck_assert_int_eq(conc_shutdown(pool, CONC_DRAIN, CONC_FOREVER), 0);
	ck_assert_int_eq(i.finis, 3);
	conc_executor_destroy(pool);
	ck_assert_int_eq(i.alive, 0);
}
END_TEST

/* A worker that crashed is followed by another, with an init of its own. */
START_TEST(a_new_worker_after_a_crash_has_its_own_init)
{
	struct initialised i = {0};
	conc_executor *pool =
	    POOL(.workers = 1, .init = counting_init, .fini = counting_fini, .user = &i);

	ck_assert_int_eq(finish(SUBMIT(pool, .fn = crash_task)), CONC_ECRASHED);
	ck_assert_int_eq(finish(SUBMIT(pool, .fn = nothing_task)), 0);
	conc_executor_destroy(pool);
	ck_assert_int_eq(i.inits, 2);
	ck_assert_int_ge(i.finis, 1); /* the crashed one's may or may not */
	conc_clear();
}
END_TEST

START_TEST(a_failing_init_breaks_the_pool)
{
	struct initialised i = {.fail_from = 1};
	struct ear ear = {0};
	atomic_int cleaned = 0;
	conc_executor *pool =
	    POOL(.workers = 1, .init = counting_init, .fini = counting_fini, .user = &i);
	conc_future *f = NULL, *next, *none = NULL;
	int rc = 0, accepted = 0;

	conc_set_excepthook(hear, &ear);
	for (int n = 0; n < 5 && rc == 0; n++) {
		rc = conc_submit_task(pool,
		    CONC_TASK(.fn = nothing_task, .cleanup = count_cleanup, .user = &cleaned),
		    &next);
		if (rc != 0)
			break;
		conc_future_release(f);
		f = next;
		accepted++;
	}
	ck_assert(rc == 0 || rc == CONC_EBROKEN);
	ck_assert_int_eq(conc_future_result(f, NULL, 0), CONC_EBROKEN);
	ck_assert_int_eq(conc_exception_code(conc_exception_cause(conc_caught())), -ENODEV);
	ck_assert_str_eq(conc_exception_message(conc_exception_cause(conc_caught())),
	    "no device for worker");
	conc_future_release(f);
	/* From now on each submit is refused, and says why. */
	conc_clear();
	ck_assert_int_eq(conc_submit(pool, nothing_task, NULL, 0, 0, &none), CONC_EBROKEN);
	ck_assert_ptr_null(none);
	ck_assert_int_eq(conc_exception_code(conc_caught()), CONC_EBROKEN);
	ck_assert_int_eq(conc_exception_code(conc_exception_cause(conc_caught())), -ENODEV);
	conc_clear();
	ck_assert_int_eq(conc_map(pool, nothing_task, 3, NULL, 0, NULL, 0, NULL), CONC_EBROKEN);
	ck_assert_int_eq(conc_exception_code(conc_exception_cause(conc_caught())), -ENODEV);
	conc_clear();
	conc_executor_destroy(pool);
	ck_assert_int_eq(cleaned, accepted);
	ck_assert_int_eq(i.finis, 0);
	ck_assert_int_eq(ear.calls, accepted - 1); /* those that were released unlooked */
	conc_set_excepthook(NULL, NULL);
}
END_TEST

/* The second worker's init fails: what the first one runs finishes, what waits is broken. */
START_TEST(what_other_workers_run_finishes)
{
	struct initialised i = {.fail_from = 2};
	struct gate gate = GATE;
	conc_executor *pool =
	    POOL(.workers = 2, .init = counting_init, .fini = counting_fini, .user = &i);
	conc_future *running =
	    SUBMIT(pool, .fn = gate_task, .arg = &gate, .arg_size = CONC_BORROW);
	conc_future *queued;

	latch_wait(&gate.come, 1);
	queued = SUBMIT(pool, .fn = nothing_task);
	ck_assert_int_eq(finish(queued), CONC_EBROKEN);
	latch_set(&gate.open);
	ck_assert_int_eq(finish(running), 0);
	ck_assert_int_eq(conc_submit(pool, nothing_task, NULL, 0, 0, NULL), CONC_EBROKEN);
	conc_executor_destroy(pool);
	ck_assert_int_eq(i.finis, 1);
	conc_clear();
}
END_TEST

static int
crashing_init(void *user)
{
	atomic_fetch_add((atomic_int *)user, 1);
	pthread_exit(NULL);
}

START_TEST(an_init_that_crashes_breaks_the_pool)
{
	atomic_int inits = 0;
	conc_executor *pool = POOL(.workers = 1, .init = crashing_init, .user = &inits);

	ck_assert_int_eq(finish(SUBMIT(pool, .fn = nothing_task)), CONC_EBROKEN);
	ck_assert_int_ge(inits, 1);
	conc_clear();
	conc_executor_destroy(pool);
}
END_TEST

START_TEST(stats_refuse_bad_input)
{
	conc_executor *pool = POOL(.workers = 1);
	conc_stats stats = CONC_STATS_INIT;
	struct {
		conc_stats stats;
		char more[8];
	} longer = {.stats = {.size = sizeof longer, .queued = 99}};

	ck_assert_int_eq(conc_executor_stats(NULL, &stats), -EINVAL);
	ck_assert_int_eq(conc_executor_stats(pool, NULL), -EINVAL);
	stats.size = 0;
	ck_assert_int_eq(conc_executor_stats(pool, &stats), -EINVAL);
	stats.size = sizeof stats - 1;
	ck_assert_int_eq(conc_executor_stats(pool, &stats), -EINVAL);
	ck_assert_int_eq(conc_executor_stats(pool, &longer.stats), -E2BIG);
	ck_assert_uint_eq(longer.stats.queued, 99);
	ck_assert_int_eq(conc_executor_workers(NULL), -EINVAL);
	conc_executor_destroy(pool);
}
END_TEST

/* Long enough that every clock ticks. */
static int
tick_task(const void *arg, void *result)
{
	conc_time begin = conc_after(0);

	(void)arg;
	(void)result;
	while (conc_after(0).ns - begin.ns < CONC_US(50))
		sched_yield();
	return 0;
}

START_TEST(stats_tell_it_all)
{
	conc_executor *pool = POOL(.workers = 2);
	struct gate gate = GATE;
	int code = -EIO;
	conc_future *f[6];
	conc_stats stats = stats_of(pool);

	ck_assert_mem_eq(&stats, &(conc_stats){.size = sizeof stats}, sizeof stats);
	hold_workers(pool, &gate, 2);
	for (int i = 0; i < 6; i++)
		f[i] = SUBMIT(pool, .fn = i < 3 ? tick_task : fail_task, .arg = &code,
		    .arg_size = sizeof code);
	stats = stats_of(pool);
	ck_assert_uint_eq(stats.size, sizeof stats);
	ck_assert_uint_eq(stats.workers, 2);
	ck_assert_uint_eq(stats.queued, 6);
	ck_assert_uint_eq(stats.running, 2);
	ck_assert_uint_eq(stats.high_water, 6);
	ck_assert_uint_eq(stats.done + stats.failed + stats.cancelled, 0);
	ck_assert_int_eq(conc_future_cancel(f[5]), 0);
	ck_assert_uint_eq(stats_of(pool).cancelled, 1);
	ck_assert_uint_eq(stats_of(pool).queued, 5);
	latch_set(&gate.open);
	ck_assert_int_eq(conc_wait(f, 6, CONC_ALL, CONC_FOREVER), 0);
	ck_assert_int_eq(conc_shutdown(pool, CONC_DRAIN, CONC_FOREVER), 0);
	stats = stats_of(pool);
	ck_assert_uint_eq(stats.workers, 0);
	ck_assert_uint_eq(stats.queued, 0);
	ck_assert_uint_eq(stats.running, 0);
	ck_assert_uint_eq(stats.high_water, 6);
	ck_assert_uint_eq(stats.done, 5);
	ck_assert_uint_eq(stats.failed, 2);
	ck_assert_uint_eq(stats.cancelled, 1);
	ck_assert_int_gt(stats.wait_time, 0);
	ck_assert_int_ge(stats.run_time, 3 * CONC_US(50));
	for (int i = 0; i < 6; i++)
		(void)finish(f[i]);
	conc_clear();
	conc_executor_destroy(pool);
}
END_TEST

START_TEST(a_task_is_counted_before_it_is_done)
{
	conc_executor *pool = POOL(.workers = 2);

	for (unsigned i = 1; i <= 50; i++) {
		ck_assert_int_eq(finish(SUBMIT(pool, .fn = nothing_task)), 0);
		ck_assert_uint_eq(stats_of(pool).done, i);
		ck_assert_uint_eq(stats_of(pool).running, 0);
	}
	conc_executor_destroy(pool);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("thread_pool");
	TCase *options = new_case(s, "options"), *worker = new_case(s, "worker");
	TCase *init = new_case(s, "init"), *stats = new_case(s, "stats");

	tcase_add_test(options, create_refuses_bad_input);
	tcase_add_test(options, create_checks_the_size);
	tcase_add_test(options, init_is_an_empty_set_of_options);
	tcase_add_test(options, no_options_are_all_defaults);
	tcase_add_test(options, default_workers_follow_the_affinity);
	tcase_add_test(worker, pinned_workers_have_one_cpu_each);
	tcase_add_test(worker, threads_are_named_by_pool_and_index);
	tcase_add_test(worker, signals_are_blocked_in_workers);
	tcase_add_test(worker, a_stack_of_the_size_asked_for);
	tcase_add_loop_test(worker, an_impossible_stack_is_refused, 0, 3);
	tcase_add_test(init, init_and_fini_run_once_a_worker);
	tcase_add_test(init, a_new_worker_after_a_crash_has_its_own_init);
	tcase_add_test(init, a_failing_init_breaks_the_pool);
	tcase_add_test(init, what_other_workers_run_finishes);
	tcase_add_test(init, an_init_that_crashes_breaks_the_pool);
	tcase_add_test(stats, stats_refuse_bad_input);
	tcase_add_test(stats, stats_tell_it_all);
	tcase_add_test(stats, a_task_is_counted_before_it_is_done);
	return run_suite(s);
}
