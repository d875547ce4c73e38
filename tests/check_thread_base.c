/* SPDX-License-Identifier: MIT */
/*
 * Threads and CPUs, on base.
 */
#include "base/cpu.h"
#include "base/thread.h"
#include "tests/common.h"
#include <limits.h>
#include <signal.h>
#include <sys/stat.h>

/* What a thread tells of itself. */
struct told {
	struct conc__thread *handle; /* by conc__thread_start */
	struct conc__thread *seen;   /* the handle, as main saw it */
	char name[64];
	sigset_t mask;
	size_t stack_left, deeper;
	int cpus, cpu;
	int calls, aborted;
};

static struct told told;
static struct latch done = LATCH; /* never set back: a thread may still be leaving it */

static size_t
look_from_deeper(int n)
{
	char use[1024];

	memset(use, n, sizeof use);
	__asm__ volatile("" : : "r"(use) : "memory");
	return n == 0 ? conc__stack_left() : look_from_deeper(n - 1) + use[0] * 0;
}

static void
tell(void *arg)
{
	cpu_set_t set;

	ck_assert_ptr_eq(arg, &told);
	told.calls++;
	told.seen = told.handle;
	conc__thread_name(told.name, sizeof told.name);
	pthread_sigmask(SIG_SETMASK, NULL, &told.mask);
	told.stack_left = conc__stack_left();
	told.deeper = look_from_deeper(16);
	ck_assert_int_eq(sched_getaffinity(0, sizeof set, &set), 0);
	told.cpus = CPU_COUNT(&set);
	for (told.cpu = 0; !CPU_ISSET(told.cpu, &set);)
		told.cpu++;
}

static void
note_aborted(void *arg)
{
	ck_assert_ptr_eq(arg, &told);
	told.aborted++;
}

static void
start(struct conc__thread_options options)
{
	told = (struct told){0};
	if (options.main == NULL)
		options.main = tell;
	options.aborted = note_aborted;
	options.arg = &told;
	ck_assert_int_eq(conc__thread_start(&told.handle, &options), 0);
}

START_TEST(start_and_join)
{
	start((struct conc__thread_options){.cpu = -1});
	conc__thread_join(told.handle);
	ck_assert_int_eq(told.calls, 1);
	ck_assert_int_eq(told.aborted, 0);
	ck_assert_ptr_eq(told.seen, told.handle);
}
END_TEST

START_TEST(name_is_cut_to_15_bytes)
{
	char own[64];

	start((struct conc__thread_options){.cpu = -1, .name = "io-3"});
	conc__thread_join(told.handle);
	ck_assert_str_eq(told.name, "io-3");
	start((struct conc__thread_options){.cpu = -1, .name = "a-very-long-name-1"});
	conc__thread_join(told.handle);
	ck_assert_str_eq(told.name, "a-very-long-nam");
	conc__thread_name(own, sizeof own);
	start((struct conc__thread_options){.cpu = -1});
	conc__thread_join(told.handle);
	ck_assert_str_eq(told.name, own);
	conc__thread_name(own, 3);
	ck_assert_uint_eq(strlen(own), 2);
}
END_TEST

START_TEST(the_number_of_a_long_name_is_whole)
{
	char name[CONC__NAME];

	conc__numbered_name(name, "thirteen byte", 7);
	ck_assert_str_eq(name, "thirteen byte-7");
	conc__numbered_name(name, "thirteen bytes", 0);
	ck_assert_str_eq(name, "thirteen byte-0");
	conc__numbered_name(name, "thirteen bytes", INT_MAX);
	ck_assert_str_eq(name, "thir-2147483647");
}
END_TEST

static void
lose_the_name(void *arg)
{
	pthread_setname_np(pthread_self(), "");
	tell(arg);
}

START_TEST(a_thread_without_a_name_is_main)
{
	start((struct conc__thread_options){.cpu = -1, .name = "x", .main = lose_the_name});
	conc__thread_join(told.handle);
	ck_assert_str_eq(told.name, "main");
}
END_TEST

START_TEST(signals_are_blocked_but_some)
{
	static const int left[] = {
	    SIGILL, SIGTRAP, SIGBUS, SIGFPE, SIGSEGV, SIGSYS, SIGPIPE, SIGPROF};
	static const int blocked[] = {SIGINT, SIGTERM, SIGHUP, SIGALRM, SIGCHLD, SIGUSR1,
	    SIGUSR2, SIGQUIT, SIGIO, SIGWINCH, SIGTSTP, SIGVTALRM};
	sigset_t before, after, pipe;

	pthread_sigmask(SIG_SETMASK, NULL, &before);
	start((struct conc__thread_options){.cpu = -1});
	conc__thread_join(told.handle);
	for (size_t i = 0; i < sizeof left / sizeof left[0]; i++)
		ck_assert_int_eq(sigismember(&told.mask, left[i]), 0);
	for (size_t i = 0; i < sizeof blocked / sizeof blocked[0]; i++)
		ck_assert_int_eq(sigismember(&told.mask, blocked[i]), 1);
	pthread_sigmask(SIG_SETMASK, NULL, &after);
	for (int n = 1; n < 32; n++)
		ck_assert_int_eq(sigismember(&after, n), sigismember(&before, n));
	/* A program that blocks SIGPIPE everywhere means also here. */
	sigemptyset(&pipe);
	sigaddset(&pipe, SIGPIPE);
	pthread_sigmask(SIG_BLOCK, &pipe, NULL);
	start((struct conc__thread_options){.cpu = -1});
	conc__thread_join(told.handle);
	ck_assert_int_eq(sigismember(&told.mask, SIGPIPE), 1);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
}
END_TEST

START_TEST(stack_is_as_large_as_asked)
{
	for (size_t size = 1 << 22; size <= 1 << 24; size = size * 2 - 77) {
		start((struct conc__thread_options){.cpu = -1, .stack_size = size});
		conc__thread_join(told.handle);
		/* The C library may give an old stack that is larger. */
		ck_assert_uint_le(told.stack_left, 64 << 20);
		/* The thread's own variables lie there as well; sanitizers have many. */
		ck_assert_uint_ge(told.stack_left, size - (1 << 20));
		/* 16 calls with a kilobyte each, and not much more. */
		ck_assert_uint_ge(told.stack_left - told.deeper, 16 * 1024);
		ck_assert_uint_le(told.stack_left - told.deeper, 64 * 1024);
	}
	ck_assert_uint_eq(conc__stack_left(), SIZE_MAX);
}
END_TEST

static void
do_little(void *arg)
{
	ck_assert_ptr_eq(arg, &told);
	latch_set(&done);
}

START_TEST(smallest_stack_is_rounded_up)
{
	int before = latch_count(&done);

	start((struct conc__thread_options){.cpu = -1, .stack_size = 1, .main = do_little});
	conc__thread_join(told.handle);
	ck_assert_int_eq(latch_count(&done), before + 1);
}
END_TEST

START_TEST(start_fails_for_a_stack_too_large)
{
	struct conc__thread *t = NULL;
	int rc = conc__thread_start(&t, &(struct conc__thread_options){
	    .cpu = -1, .stack_size = SIZE_MAX, .main = tell, .arg = &told});

	ck_assert_int_eq(rc, -EINVAL);
	rc = conc__thread_start(&t, &(struct conc__thread_options){
	    .cpu = -1, .stack_size = SIZE_MAX / 4, .main = tell, .arg = &told});
	ck_assert_msg(rc == -EAGAIN || rc == -ENOMEM || rc == -EINVAL, "%d", rc);
	ck_assert_ptr_null(t);
}
END_TEST

START_TEST(cpu_is_the_nth_usable_in_turn)
{
	cpu_set_t set;
	int count, nth = 0;

	ck_assert_int_eq(sched_getaffinity(getpid(), sizeof set, &set), 0);
	count = CPU_COUNT(&set);
	for (int i = 0; i < 2 * count; i++) {
		if (i % count == 0)
			nth = -1;
		do
			nth++;
		while (!CPU_ISSET(nth, &set));
		start((struct conc__thread_options){.cpu = i});
		conc__thread_join(told.handle);
		ck_assert_int_eq(told.cpus, 1);
		ck_assert_int_eq(told.cpu, nth);
	}
	start((struct conc__thread_options){.cpu = -1});
	conc__thread_join(told.handle);
	ck_assert_int_eq(told.cpus, count);
}
END_TEST

static void
leave(void *arg)
{
	((struct told *)arg)->calls++;
	pthread_exit(NULL);
}

START_TEST(aborted_runs_when_main_is_left)
{
	start((struct conc__thread_options){.cpu = -1, .main = leave});
	conc__thread_join(told.handle);
	ck_assert_int_eq(told.calls, 1);
	ck_assert_int_eq(told.aborted, 1);
}
END_TEST

/* The thread is left, and nobody asked to be told. */
START_TEST(main_may_be_left_without_aborted)
{
	told = (struct told){0};
	ck_assert_int_eq(conc__thread_start(&told.handle,
			     &(struct conc__thread_options){
				 .cpu = -1, .main = leave, .arg = &told}),
	    0);
	conc__thread_join(told.handle);
	ck_assert_int_eq(told.calls, 1);
	ck_assert_int_eq(told.aborted, 0);
}
END_TEST

START_TEST(detached_by_the_starter)
{
	int before = latch_count(&done);

	for (int i = 0; i < seeds(); i++) {
		start((struct conc__thread_options){.cpu = -1, .main = do_little});
		conc__thread_detach(told.handle);
		latch_wait(&done, before + i + 1);
	}
}
END_TEST

static void
detach_myself(void *arg)
{
	conc__thread_detach(told.handle);
	do_little(arg);
}

START_TEST(detached_by_itself)
{
	int before = latch_count(&done);

	for (int i = 0; i < seeds(); i++) {
		start((struct conc__thread_options){.cpu = -1, .main = detach_myself});
		latch_wait(&done, before + i + 1);
	}
}
END_TEST

static void
join(void *arg)
{
	conc__thread_join(arg);
}

/* The handle may be handed on before the starter has returned from its start. */
static void
start_a_joiner(void *arg)
{
	struct conc__thread *joiner;

	ck_assert_int_eq(conc__thread_start(&joiner, &(struct conc__thread_options){
	    .cpu = -1, .main = join, .arg = told.handle}), 0);
	conc__thread_detach(joiner);
	do_little(arg);
}

START_TEST(joined_by_another_thread)
{
	int before = latch_count(&done);

	for (int i = 0; i < seeds(); i++) {
		start((struct conc__thread_options){.cpu = -1, .main = start_a_joiner});
		latch_wait(&done, before + i + 1);
	}
}
END_TEST

/* --- CPUs that may be used --- */

static char root[64];

static void
make_root(void)
{
	strcpy(root, "/tmp/check_cpus.XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(root));
}

static void
remove_root(void)
{
	char command[128];

	snprintf(command, sizeof command, "rm -r '%s'", root);
	ck_assert_int_eq(system(command), 0);
}

/* Write text to a file below root; its folders are made. */
static void
put(const char *path, const char *text)
{
	char whole[512];
	FILE *file;

	snprintf(whole, sizeof whole, "%s%s", root, path);
	for (char *slash = whole + strlen(root) + 1; (slash = strchr(slash, '/')) != NULL;
	    *slash++ = '/') {
		*slash = 0;
		mkdir(whole, 0700);
	}
	file = fopen(whole, "w");
	ck_assert_ptr_nonnull(file);
	fputs(text, file);
	fclose(file);
}

START_TEST(quota_none)
{
	ck_assert_int_eq(conc__cpu_quota(root), INT_MAX);
	put("/proc/self/cgroup", "0::/a\n");
	ck_assert_int_eq(conc__cpu_quota(root), INT_MAX);
	put("/sys/fs/cgroup/a/cpu.max", "max 100000\n");
	ck_assert_int_eq(conc__cpu_quota(root), INT_MAX);
	put("/sys/fs/cgroup/a/cpu.max", "");
	ck_assert_int_eq(conc__cpu_quota(root), INT_MAX);
	put("/sys/fs/cgroup/a/cpu.max", "0 0\n");
	ck_assert_int_eq(conc__cpu_quota(root), INT_MAX);
}
END_TEST

START_TEST(quota_of_a_path_too_long)
{
	char text[6000];

	memset(text, 'x', sizeof text);
	memcpy(text, "1:cpu,", 6);
	strcpy(text + sizeof text - 5, ":/a\n");
	put("/proc/self/cgroup", text);
	ck_assert_int_eq(conc__cpu_quota(root), INT_MAX);
}
END_TEST

START_TEST(quota_v2_is_rounded_up)
{
	put("/proc/self/cgroup", "0::/a\n");
	put("/sys/fs/cgroup/a/cpu.max", "200000 100000\n");
	ck_assert_int_eq(conc__cpu_quota(root), 2);
	put("/sys/fs/cgroup/a/cpu.max", "200001 100000\n");
	ck_assert_int_eq(conc__cpu_quota(root), 3);
	put("/sys/fs/cgroup/a/cpu.max", "1000 100000\n");
	ck_assert_int_eq(conc__cpu_quota(root), 1);
	put("/sys/fs/cgroup/a/cpu.max", "9223372036854775807 1\n");
	ck_assert_int_eq(conc__cpu_quota(root), INT_MAX);
}
END_TEST

START_TEST(quota_v2_of_an_ancestor)
{
	put("/proc/self/cgroup", "0::/a/b/c\n");
	put("/sys/fs/cgroup/a/b/c/cpu.max", "800000 100000\n");
	put("/sys/fs/cgroup/a/b/cpu.max", "max 100000\n");
	put("/sys/fs/cgroup/a/cpu.max", "300000 100000\n");
	ck_assert_int_eq(conc__cpu_quota(root), 3);
	put("/sys/fs/cgroup/cpu.max", "50000 50000\n");
	ck_assert_int_eq(conc__cpu_quota(root), 1);
}
END_TEST

/* In a container the path may be the host's, and only the root is there. */
START_TEST(quota_v2_of_a_path_that_is_not_there)
{
	put("/sys/fs/cgroup/cpu.max", "400000 100000\n");
	put("/proc/self/cgroup", "0::/docker/0123\n");
	ck_assert_int_eq(conc__cpu_quota(root), 4);
	put("/proc/self/cgroup", "0::/\n");
	ck_assert_int_eq(conc__cpu_quota(root), 4);
	put("/proc/self/cgroup", "0::/../../other\n");
	ck_assert_int_eq(conc__cpu_quota(root), 4);
}
END_TEST

START_TEST(quota_v1)
{
	put("/proc/self/cgroup",
	    "5:memory:/m\n4:cpuset:/s\n3:cpu,cpuacct:/u/v\n1:name=systemd:/\n");
	put("/sys/fs/cgroup/cpu,cpuacct/u/v/cpu.cfs_quota_us", "250000\n");
	put("/sys/fs/cgroup/cpu,cpuacct/u/v/cpu.cfs_period_us", "100000\n");
	ck_assert_int_eq(conc__cpu_quota(root), 3);
	put("/sys/fs/cgroup/cpu,cpuacct/u/v/cpu.cfs_quota_us", "-1\n");
	ck_assert_int_eq(conc__cpu_quota(root), INT_MAX);
	put("/sys/fs/cgroup/cpu/u/cpu.cfs_quota_us", "100000\n");
	ck_assert_int_eq(conc__cpu_quota(root), INT_MAX);
	put("/sys/fs/cgroup/cpu/u/cpu.cfs_period_us", "50000\n");
	ck_assert_int_eq(conc__cpu_quota(root), 2);
}
END_TEST

START_TEST(quota_where_both_versions_are)
{
	put("/proc/self/cgroup", "12:cpu:/one\n0::/two\nnonsense\n:\n::\n");
	put("/sys/fs/cgroup/cpu/one/cpu.cfs_quota_us", "500000\n");
	put("/sys/fs/cgroup/cpu/one/cpu.cfs_period_us", "100000\n");
	ck_assert_int_eq(conc__cpu_quota(root), 5);
	put("/sys/fs/cgroup/unified/two/cpu.max", "200000 100000\n");
	ck_assert_int_eq(conc__cpu_quota(root), 2);
}
END_TEST

START_TEST(count_heeds_the_affinity)
{
	cpu_set_t all, one;
	int first = 0;

	ck_assert_int_ge(conc__cpu_count(), 1);
	ck_assert_int_eq(sched_getaffinity(0, sizeof all, &all), 0);
	ck_assert_int_le(conc__cpu_count(), CPU_COUNT(&all));
	while (!CPU_ISSET(first, &all))
		first++;
	CPU_ZERO(&one);
	CPU_SET(first, &one);
	ck_assert_int_eq(sched_setaffinity(0, sizeof one, &one), 0);
	ck_assert_int_eq(conc__cpu_count(), 1);
	ck_assert_int_eq(sched_setaffinity(0, sizeof all, &all), 0);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("thread_base");
	TCase *tc = new_case(s, "thread");

	tcase_add_test(tc, start_and_join);
	tcase_add_test(tc, name_is_cut_to_15_bytes);
	tcase_add_test(tc, the_number_of_a_long_name_is_whole);
	tcase_add_test(tc, a_thread_without_a_name_is_main);
	tcase_add_test(tc, signals_are_blocked_but_some);
	tcase_add_test(tc, stack_is_as_large_as_asked);
	tcase_add_test(tc, smallest_stack_is_rounded_up);
	tcase_add_test(tc, start_fails_for_a_stack_too_large);
	tcase_add_test(tc, cpu_is_the_nth_usable_in_turn);
	tcase_add_test(tc, aborted_runs_when_main_is_left);
	tcase_add_test(tc, main_may_be_left_without_aborted);
	tcase_add_test(tc, detached_by_the_starter);
	tcase_add_test(tc, detached_by_itself);
	tcase_add_test(tc, joined_by_another_thread);
	tc = new_case(s, "cpus");
	tcase_add_test(tc, count_heeds_the_affinity);
	tc = new_case(s, "quota");
	tcase_add_checked_fixture(tc, make_root, remove_root);
	tcase_add_test(tc, quota_none);
	tcase_add_test(tc, quota_of_a_path_too_long);
	tcase_add_test(tc, quota_v2_is_rounded_up);
	tcase_add_test(tc, quota_v2_of_an_ancestor);
	tcase_add_test(tc, quota_v2_of_a_path_that_is_not_there);
	tcase_add_test(tc, quota_v1);
	tcase_add_test(tc, quota_where_both_versions_are);
	return run_suite(s);
}
