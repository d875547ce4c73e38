/* SPDX-License-Identifier: MIT */
#ifndef CONC_TESTS_COMMON_H
#define CONC_TESTS_COMMON_H

/*
 * The common part of all tests.
 *
 *	START_TEST(adds)
 *	{
 *		ck_assert_int_eq(1 + 1, 2);
 *	}
 *	END_TEST
 *
 *	int main(void)
 *	{
 *		Suite *s = suite_create("sum");
 *		TCase *tc = new_case(s, "plain");
 *
 *		tcase_add_test(tc, adds);
 *		return run_suite(s);
 *	}
 *
 * new_case(suite, name)    a TCase whose tests must leave no thread, no
 *                          descriptor and no child process behind; each has
 *                          60 s (CK_DEFAULT_TIMEOUT changes it)
 * run_suite(suite)         runs and frees it; main's return value.  CK_FORK,
 *                          CK_RUN_CASE, CK_VERBOSITY are heeded as Check does
 * seeds()                  how many seeds a randomised test tries (CONC_SEEDS)
 * seed_start(n)            the n-th seed, never 0
 * jitter(&seed)            waste a random short time, to shuffle the threads
 * random_below(&seed, n)   a number from 0 to n - 1
 *
 * struct latch l = LATCH;  a gate that opens once, and counts
 * latch_set(&l)            raises the count by one, from any thread
 * latch_wait(&l, n)        waits until the count is n or more; a test that
 *                          hangs there for 20 s fails
 * latch_count(&l)          the count now
 * eventually(f, arg)       calls f(arg), yielding between, until it is true;
 *                          fails the test after 20 s
 *
 * run_in_child(f)          forks, runs f in the child, and returns the
 *                          child's exit status (0 if f returned; 1 if an
 *                          assertion failed), or 1000 + the signal
 * thread_count(), descriptor_count(), child_count()
 * readable(fd)             does it poll readable now, and nothing else?
 * limit_descriptors(n)     no descriptor from n on can be had; the limit before
 *
 * A time-out here is an alarm for hangs, never a part of what is tested.
 */
#include <check.h>
#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* Alarms in milliseconds; variables, so that the tests of this file need not wait so long. */
static int hang_alarm = 20000;
static int fixture_grace = 5000;

static inline int64_t
test_clock_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* The entries of a folder of numbers (threads, descriptors); -1 if there is none. */
static inline int
count_entries(const char *path)
{
	DIR *dir = opendir(path);
	struct dirent *entry;
	int n = 0;

	if (dir == NULL)
		return -1;
	while ((entry = readdir(dir)) != NULL)
		n += entry->d_name[0] != '.';
	closedir(dir);
	return n;
}

static inline int
thread_count(void)
{
	return count_entries("/proc/self/task");
}

static inline int
descriptor_count(void)
{
	return count_entries("/proc/self/fd"); /* one more, for the folder, each time */
}

static inline bool
readable(int fd)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};
	int n = poll(&p, 1, 0);

	ck_assert_int_ge(n, 0);
	return n == 1 && p.revents == POLLIN;
}

static inline rlim_t
limit_descriptors(rlim_t n)
{
	struct rlimit limit;
	rlim_t before;

	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
	before = limit.rlim_cur;
	limit.rlim_cur = n;
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
	return before;
}

/* Children, dead ones not waited for included; 1 stands for any where /proc is silent. */
static inline int
child_count(void)
{
	DIR *dir = opendir("/proc/self/task");
	struct dirent *entry;
	siginfo_t info;
	bool told = false;
	int n = 0, pid;

	while (dir != NULL && (entry = readdir(dir)) != NULL) {
		char path[sizeof "/proc/self/task//children" + 256];
		FILE *file;

		snprintf(path, sizeof path, "/proc/self/task/%s/children", entry->d_name);
		file = entry->d_name[0] == '.' ? NULL : fopen(path, "r");
		if (file == NULL)
			continue;
		told = true;
		while (fscanf(file, "%d", &pid) == 1)
			n++;
		fclose(file);
	}
	if (dir != NULL)
		closedir(dir);
	if (told)
		return n;
	return waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) == 0;
}

struct fixture_counts {
	int threads, descriptors, children;
};

static struct fixture_counts fixture_before;

static inline struct fixture_counts
fixture_now(void)
{
	return (struct fixture_counts){thread_count(), descriptor_count(), child_count()};
}

static inline void *
fixture_thread(void *arg)
{
	*(pid_t *)arg = gettid();
	return NULL;
}

/*
 * A sanitizer starts a thread of its own beside the first one: have that
 * behind us.  Ours stands in /proc for a moment after it was joined.
 */
static inline void
fixture_setup(void)
{
	char path[64] = "/";
	pthread_t thread;
	pid_t tid;

	if (pthread_create(&thread, NULL, fixture_thread, &tid) == 0) {
		pthread_join(thread, NULL);
		snprintf(path, sizeof path, "/proc/self/task/%d", (int)tid);
	}
	while (path[1] != 0 && access(path, F_OK) == 0)
		sched_yield();
	fixture_before = fixture_now();
}

/* A thread that was joined may stand in /proc for a moment yet: so look until the alarm. */
static inline void
fixture_teardown(void)
{
	int64_t end = test_clock_ms() + fixture_grace;
	struct fixture_counts after;

	do {
		after = fixture_now();
		if (memcmp(&after, &fixture_before, sizeof after) == 0)
			return;
		sched_yield();
	} while (test_clock_ms() < end);
	ck_abort_msg("left behind: %d threads, %d descriptors, %d children",
	    after.threads - fixture_before.threads,
	    after.descriptors - fixture_before.descriptors,
	    after.children - fixture_before.children);
}

static inline TCase *
new_case(Suite *suite, const char *name)
{
	TCase *tc = tcase_create(name);

	tcase_add_checked_fixture(tc, fixture_setup, fixture_teardown);
	if (getenv("CK_DEFAULT_TIMEOUT") == NULL)
		tcase_set_timeout(tc, 60);
	suite_add_tcase(suite, tc);
	return tc;
}

static inline int
run_suite(Suite *suite)
{
	SRunner *runner = srunner_create(suite);
	int failed;

	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

static inline int
seeds(void)
{
	const char *s = getenv("CONC_SEEDS");

	return s != NULL && atoi(s) > 0 ? atoi(s) : 50;
}

static inline uint32_t
seed_start(int n)
{
	return ((uint32_t)n + 1) * 2654435761u | 1;
}

/* Marsaglia's xorshift: seeds other than 0 stay so. */
static inline uint32_t
random_below(uint32_t *seed, uint32_t n)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 17;
	*seed ^= *seed << 5;
	return *seed % n;
}

static inline void
jitter(uint32_t *seed)
{
	uint32_t how = random_below(seed, 8);

	if (how == 0)
		sched_yield();
	else if (how < 5)
		for (volatile uint32_t i = random_below(seed, 400); i > 0; i--)
			;
}

struct latch {
	pthread_mutex_t mutex;
	pthread_cond_t condition;
	int count; /* under mutex */
};

#define LATCH {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, 0}

static inline void
latch_set(struct latch *l)
{
	pthread_mutex_lock(&l->mutex);
	l->count++;
	pthread_cond_broadcast(&l->condition);
	pthread_mutex_unlock(&l->mutex);
}

static inline int
latch_count(struct latch *l)
{
	int n;

	pthread_mutex_lock(&l->mutex);
	n = l->count;
	pthread_mutex_unlock(&l->mutex);
	return n;
}

static inline void
latch_wait(struct latch *l, int n)
{
	struct timespec end;
	int rc = 0;

	clock_gettime(CLOCK_REALTIME, &end);
	end.tv_sec += hang_alarm / 1000;
	end.tv_nsec += hang_alarm % 1000 * 1000000L;
	if (end.tv_nsec >= 1000000000L) {
		end.tv_sec++;
		end.tv_nsec -= 1000000000L;
	}
	pthread_mutex_lock(&l->mutex);
	while (l->count < n && rc == 0)
		rc = pthread_cond_timedwait(&l->condition, &l->mutex, &end);
	rc = l->count < n;
	pthread_mutex_unlock(&l->mutex);
	if (rc)
		ck_abort_msg("a latch did not reach %d within %d ms", n, hang_alarm);
}

/*
 * The pause is no synchronisation: without it whoever looks keeps the lock
 * from those who work.
 */
static inline void
eventually(bool (*holds)(void *arg), void *arg)
{
	const struct timespec pause = {.tv_nsec = 100000};
	int64_t end = test_clock_ms() + hang_alarm;

	while (!holds(arg)) {
		if (test_clock_ms() >= end)
			ck_abort_msg("what was awaited did not come within %d ms", hang_alarm);
		nanosleep(&pause, NULL);
	}
}

static inline int
run_in_child(void (*f)(void))
{
	pid_t pid;
	int status;

	fflush(NULL);
	pid = fork();
	if (pid == 0) {
		f();
		_exit(0);
	}
	ck_assert_int_gt(pid, 0);
	while (waitpid(pid, &status, 0) == -1 && errno == EINTR)
		;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

#endif
