/* SPDX-License-Identifier: MIT */
/*
 * Tests of a process pool's manners in the program that it serves: signals,
 * children, descriptors, standard input and output, threads; and of what its
 * workers see of that program.  Forks and the host's death are in
 * check_process_fork.c.
 */
#include "tests/process.h"
#include <sys/stat.h>

/* Crashes are told in full, whatever the host does about its children. */
static void
check_crashes(conc_executor *pool)
{
	for (enum how how = BY_SEGV; how <= BY_EXIT_1; how++) {
		conc_future *f = SUBMIT(
		    pool, .fn = die_task, .arg = &how, .arg_size = sizeof how);
		const conc_death *death;

		ck_assert_int_eq(conc_future_result(f, NULL, 0), CONC_ECRASHED);
		death = conc_exception_death(conc_caught());
		ck_assert_ptr_nonnull(death);
		ck_assert_int_eq(death->signal, signal_of(how));
		ck_assert_int_eq(death->exit_status, how == BY_EXIT_1);
		conc_future_release(f);
		ck_assert_int_eq(finish(SUBMIT(pool, .fn = nothing_task)), 0);
	}
	conc_clear();
}

START_TEST(children_are_not_waited_for)
{
	struct sigaction ignore = {.sa_handler = _i == 0 ? SIG_IGN : SIG_DFL,
	    .sa_flags = _i == 0 ? 0 : SA_NOCLDWAIT};
	struct sigaction before, after;
	conc_executor *pool;

	ck_assert_int_eq(sigaction(SIGCHLD, &ignore, &before), 0);
	pool = PROCESSES(.workers = 2);
	check_crashes(pool);
	conc_executor_destroy(pool);
	ck_assert_int_eq(sigaction(SIGCHLD, &before, &after), 0);
	ck_assert(after.sa_handler == ignore.sa_handler);
}
END_TEST

static atomic_int reaping;

static void *
reap_main(void *arg)
{
	(void)arg;
	while (atomic_load(&reaping))
		if (waitpid(-1, NULL, WNOHANG) <= 0)
			sched_yield();
	return NULL;
}

START_TEST(a_thread_reaps_every_child)
{
	pthread_t thread;

	atomic_store(&reaping, 1);
	ck_assert_int_eq(pthread_create(&thread, NULL, reap_main, NULL), 0);
	for (int i = 0; i < 5; i++) {
		conc_executor *pool = PROCESSES(.workers = 2);

		check_crashes(pool);
		conc_executor_destroy(pool);
	}
	atomic_store(&reaping, 0);
	pthread_join(thread, NULL);
}
END_TEST

static void
note_handlers(void *handlers[65])
{
	struct sigaction action;

	for (int i = 1; i < 65; i++)
		handlers[i] =
		    sigaction(i, NULL, &action) == 0 ? (void *)action.sa_handler : NULL;
}

/* Also not for a while: the task looks, through the page, what the host has. */
START_TEST(no_handler_is_installed)
{
	void *before[65] = {NULL}, *during[65] = {NULL}, *after[65] = {NULL};
	conc_executor *pool;

	note_handlers(before);
	pool = PROCESSES(.workers = 1);
	hold_processes(pool, 1);
	note_handlers(during);
	atomic_store(&shared->open, 1);
	conc_executor_destroy(pool);
	note_handlers(after);
	ck_assert_mem_eq(before, during, sizeof before);
	ck_assert_mem_eq(before, after, sizeof before);
}
END_TEST

/* A worker dies with megabytes for it under way: SIGPIPE would end this child. */
static void
survive_broken_pipes(void)
{
	static char megabyte[1 << 20];
	conc_executor *pool;

	signal(SIGPIPE, SIG_DFL);
	pool = PROCESSES(.workers = 1);
	for (int i = 0; i < 10; i++) {
		conc_future *f;
		enum how how = BY_ABORT;

		ck_assert_int_eq(
		    conc_submit(pool, die_task, &how, sizeof how, 0, NULL), 0);
		f = SUBMIT(pool, .fn = nothing_task, .arg = megabyte,
		    .arg_size = sizeof megabyte);
		ck_assert_int_eq(finish(f), 0);
	}
	conc_executor_destroy(pool);
}

START_TEST(no_sigpipe)
{
	ck_assert_int_eq(run_in_child(survive_broken_pipes), 0);
}
END_TEST

static void
count_signal(int signal)
{
	(void)signal;
	atomic_fetch_add(&shared->count[5], 1);
}

/* How many signals are blocked, or have a handler. */
static int
signals_task(const void *arg, void *result)
{
	struct sigaction action;
	sigset_t mask;
	int n = 0;

	(void)arg;
	if (sigprocmask(SIG_SETMASK, NULL, &mask) != 0)
		return -errno;
	for (int i = 1; i < 32; i++) {
		n += sigismember(&mask, i);
		n += sigaction(i, NULL, &action) == 0 && action.sa_handler != SIG_DFL &&
		    action.sa_handler != SIG_IGN;
	}
	*(int *)result = n;
	return 0;
}

static int
raise_task(const void *arg, void *result)
{
	(void)result;
	raise(*(const int *)arg);
	return 0;
}

/* Neither handlers nor masks of the host's are there; the keyboard's SIGINT is ignored. */
START_TEST(signals_are_the_worker_s_own)
{
	static const int signals[] = {SIGUSR1, SIGTERM, SIGINT};
	struct sigaction count = {.sa_handler = count_signal}, before[3];
	sigset_t all, mask;
	conc_executor *pool;

	for (int i = 0; i < 3; i++)
		sigaction(signals[i], &count, &before[i]);
	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, &mask);
	pool = PROCESSES(.workers = 1);
	pthread_sigmask(SIG_SETMASK, &mask, NULL);
	ck_assert_int_eq(ask(pool, signals_task), 0);
	for (int i = 0; i < 3; i++) {
		conc_future *f = SUBMIT(
		    pool, .fn = raise_task, .arg = &signals[i], .arg_size = sizeof(int));
		int rc = conc_future_result(f, NULL, 0);

		ck_assert_int_eq(rc, signals[i] == SIGINT ? 0 : CONC_ECRASHED);
		if (rc != 0)
			ck_assert_int_eq(
			    conc_exception_death(conc_caught())->signal, signals[i]);
		conc_future_release(f);
	}
	ck_assert_int_eq(shared->count[5], 0);
	conc_executor_destroy(pool);
	for (int i = 0; i < 3; i++)
		sigaction(signals[i], &before[i], NULL);
	conc_clear();
}
END_TEST

static void
count_exit(void)
{
	atomic_fetch_add(&shared->count[6], 1);
}

static FILE *buffered;

/* Leaves something in a buffer, has workers that end in every way, and exits once. */
static void
exit_with_buffers(void)
{
	conc_executor *pool;

	atexit(count_exit);
	fputs("once\n", buffered);
	if (dup2(fileno(buffered), 1) != 1)
		_exit(9);
	fputs("out\n", stdout);
	pool = PROCESSES(.workers = 2, .tasks_per_worker = 3);
	for (int i = 0; i < 10; i++)
		ck_assert_int_eq(finish(SUBMIT(pool, .fn = nothing_task)), 0);
	check_crashes(pool);
	conc_executor_destroy(pool);
	exit(7);
}

START_TEST(neither_buffers_nor_atexit_in_workers)
{
	char text[64] = "";

	if (on_valgrind()) /* which flushes all buffers as a process ends, however it ends */
		return;
	fflush(NULL);
	buffered = tmpfile();
	ck_assert_ptr_nonnull(buffered);
	ck_assert_int_eq(run_in_child(exit_with_buffers), 7);
	ck_assert_int_eq(shared->count[6], 1);
	rewind(buffered);
	ck_assert_uint_eq(fread(text, 1, sizeof text - 1, buffered), 9);
	ck_assert_ptr_nonnull(strstr(text, "once\n"));
	ck_assert_ptr_nonnull(strstr(text, "out\n"));
	fclose(buffered);
}
END_TEST

static int
stdin_task(const void *arg, void *result)
{
	struct stat in, null;

	(void)arg;
	*(int *)result = fstat(0, &in) == 0 && stat("/dev/null", &null) == 0 &&
	    in.st_rdev == null.st_rdev && S_ISCHR(in.st_mode);
	return 0;
}

START_TEST(standard_input_is_empty)
{
	conc_executor *pool = PROCESSES(.workers = 1, .close_fds = _i);

	ck_assert_int_eq(ask(pool, stdin_task), 1);
	conc_executor_destroy(pool);
}
END_TEST

/* Descriptors from 3 that would stay open in a program that is executed. */
static int
inherited_descriptors(void)
{
	int n = 0;

	for (int fd = 3; fd < 1024; fd++) {
		int flags = fcntl(fd, F_GETFD);

		n += flags != -1 && !(flags & FD_CLOEXEC);
	}
	return n;
}

static int
inherited_task(const void *arg, void *result)
{
	(void)arg;
	*(int *)result = inherited_descriptors();
	return 0;
}

START_TEST(descriptors_close_on_exec)
{
	int before = inherited_descriptors();
	conc_executor *pool;

	if (on_valgrind()) /* which has descriptors of its own in each process */
		return;
	pool = PROCESSES(.workers = 2);

	ck_assert_int_eq(ask(pool, inherited_task), before);
	ck_assert_int_eq(inherited_descriptors(), before);
	conc_executor_destroy(pool);
	pool = PROCESSES(.workers = 2, .close_fds = 1);
	ck_assert_int_eq(ask(pool, inherited_task), 0);
	conc_executor_destroy(pool);
}
END_TEST

/* Which of the descriptors that are its argument are open? */
static int
open_task(const void *arg, void *result)
{
	const int *fds = arg;

	for (size_t i = 0; i < conc_arg_size() / sizeof *fds; i++)
		*(int *)result |= (fcntl(fds[i], F_GETFD) != -1) << i;
	return 0;
}

START_TEST(close_fds_and_keep_fds)
{
	static const struct {
		int close, keep, open;
	} cases[] = {{0, 0, 63}, {1, 0, 7}, {1, 1, 7 | 16}, {1, 2, 7 | 16 | 32}, {0, 2, 63}};
	int fds[6] = {0, 1, 2}, kept[2], open = 0;
	conc_executor *pool;
	conc_future *f;

	for (int i = 3; i < 6; i++) { /* greater ones than those of a worker's pipes */
		fds[i] = fcntl(2, F_DUPFD, 200);
		ck_assert_int_ge(fds[i], 200);
	}
	memcpy(kept, fds + 4, sizeof kept);
	pool = PROCESSES(.workers = 1, .close_fds = cases[_i].close, .keep_fds = kept,
	    .keep_count = (size_t)cases[_i].keep);
	memset(kept, 0, sizeof kept); /* they were copied */
	f = SUBMIT(pool, .fn = open_task, .arg = fds, .arg_size = sizeof fds,
	    .result_size = sizeof open);
	ck_assert_int_eq(conc_future_result(f, &open, sizeof open), 0);
	ck_assert_int_eq(open, cases[_i].open);
	conc_future_release(f);
	conc_executor_destroy(pool);
	for (int i = 3; i < 6; i++)
		close(fds[i]);
}
END_TEST

static atomic_int busy;

/* Holds the locks of malloc and stdio as often as it can. */
static void *
busy_main(void *file)
{
	while (atomic_load(&busy)) {
		char *p = malloc(1000);

		fprintf(file, "%p\n", (void *)p);
		free(p);
	}
	return NULL;
}

static int
malloc_task(const void *arg, void *result)
{
	char *p = malloc(100000);

	(void)arg;
	(void)result;
	if (p == NULL)
		return -ENOMEM;
	free(p);
	return printf("%s", "") < 0 ? -EIO : 0;
}

START_TEST(made_beside_busy_threads)
{
	FILE *file = fopen("/dev/null", "w");
	pthread_t threads[3];

	ck_assert_ptr_nonnull(file);
	atomic_store(&busy, 1);
	for (int i = 0; i < 3; i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, busy_main, file), 0);
	for (int i = 0; i < (slow_build() ? 3 : 20); i++) {
		conc_executor *pool = PROCESSES(.workers = 2);

		for (int n = 0; n < 4; n++)
			ck_assert_int_eq(finish(SUBMIT(pool, .fn = malloc_task)), 0);
		conc_executor_destroy(pool);
	}
	atomic_store(&busy, 0);
	for (int i = 0; i < 3; i++)
		pthread_join(threads[i], NULL);
	fclose(file);
}
END_TEST

START_TEST(nothing_is_left_behind)
{
	int descriptors = descriptor_count(), children = child_count();
	struct leash l = leash();

	for (int i = 0; i < 20; i++) {
		conc_executor *pool = PROCESSES(.workers = 1 + i % 4, .detached = i % 2);

		if (i % 3 != 0)
			check_crashes(pool);
		conc_executor_destroy(pool);
		ck_assert_int_eq(child_count(), children);
		ck_assert_int_eq(descriptor_count(), descriptors + 2);
	}
	ck_assert(leash_is_free(&l));
}
END_TEST

/* The CPU time that this process has used, microseconds. */
static int
clock_task(const void *arg, void *result)
{
	(void)arg;
	*(int *)result = (int)(clock() / (CLOCKS_PER_SEC / 1000000));
	return 0;
}

/* Nothing to do: neither host nor worker uses CPU. */
START_TEST(an_idle_pool_uses_no_cpu)
{
	const struct timespec while_idle = {.tv_nsec = 300000000};
	conc_executor *pool = PROCESSES(.workers = 1);
	int host, worker;

	for (int i = 0; i < 10; i++)
		ck_assert_int_eq(finish(SUBMIT(pool, .fn = nothing_task)), 0);
	nanosleep(&while_idle, NULL); /* whatever it was at may come to rest */
	worker = ask(pool, clock_task);
	clock_task(NULL, &host);
	nanosleep(&while_idle, NULL);
	ck_assert_int_lt(ask(pool, clock_task) - worker, 50000);
	worker = host;
	clock_task(NULL, &host);
	ck_assert_int_lt(host - worker, 50000);
	conc_executor_destroy(pool);
}
END_TEST

static void
use_without_stdio(void)
{
	conc_executor *pool;

	for (int fd = 0; fd <= 2; fd++)
		close(fd);
	pool = PROCESSES(.workers = 1);
	for (int i = 0; i < 3; i++) {
		if (finish(SUBMIT(pool, .fn = nothing_task)) != 0)
			_exit(1);
		conc_log(CONC_LOG_WARNING, "written where standard error was");
		for (int fd = 0; fd <= 2; fd++)
			if (fcntl(fd, F_GETFD) != -1)
				_exit(2);
	}
	conc_executor_destroy(pool);
	_exit(0);
}

/* A host that has closed its standard streams does not write into the pool's descriptors. */
START_TEST(a_host_without_standard_streams)
{
	ck_assert_int_eq(run_in_child(use_without_stdio), 0);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("process_host");
	TCase *children = process_case(s, "children"), *signals = process_case(s, "signals");
	TCase *files = process_case(s, "files"), *rest = process_case(s, "rest");

	conc_set_excepthook(overlook, NULL);
	tcase_add_loop_test(children, children_are_not_waited_for, 0, 2);
	tcase_add_test(children, a_thread_reaps_every_child);
	tcase_add_test(signals, no_handler_is_installed);
	tcase_add_test(signals, no_sigpipe);
	tcase_add_test(signals, signals_are_the_worker_s_own);
	tcase_add_test(files, neither_buffers_nor_atexit_in_workers);
	tcase_add_loop_test(files, standard_input_is_empty, 0, 2);
	tcase_add_test(files, descriptors_close_on_exec);
	tcase_add_loop_test(files, close_fds_and_keep_fds, 0, 5);
	tcase_add_test(files, a_host_without_standard_streams);
	tcase_add_test(rest, made_beside_busy_threads);
	tcase_add_test(rest, nothing_is_left_behind);
	tcase_add_test(rest, an_idle_pool_uses_no_cpu);
	return run_suite(s);
}
