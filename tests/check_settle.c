/* SPDX-License-Identifier: MIT */
/*
 * What a new process does first, its guard and its alarm, on base.
 */
#include "base/process.h"
#include "tests/common.h"
#include <fcntl.h>
#include <signal.h>
#include <stdio_ext.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>

typedef struct conc__process_rules rules;

static struct conc__process_end
end_of(int pid)
{
	struct conc__process_end end;

	ck_assert_int_eq(conc__process_reap(pid, &end, 1), pid);
	return end;
}

static int
start(int (*entry)(void *arg), void *arg)
{
	int pid = conc__process_start(entry, arg);

	ck_assert_int_gt(pid, 0);
	return pid;
}

/* A child does this, settled or not; its exit status says which of its checks failed. */
static void
passes(int (*entry)(void *arg), void *arg)
{
	struct conc__process_end end = end_of(start(entry, arg));

	ck_assert_int_eq(end.signal, 0);
	ck_assert_int_eq(end.exit_status, 0);
}

static void
open_pipe(int ends[2])
{
	ck_assert_int_eq(conc__pipe(ends), 0);
}

/* All that comes until the last writer is gone, as a string. */
static const char *
read_all(int fd)
{
	static char text[256];
	size_t got = 0;
	int64_t n;

	while ((n = conc__read(fd, text + got, sizeof text - 1 - got)) > 0)
		got += (size_t)n;
	ck_assert_int_eq(n, 0);
	text[got] = 0;
	return text;
}

/* --- signals --- */

static volatile sig_atomic_t handled;

static void
handle(int signal)
{
	handled = signal;
}

static bool
is(int signal, void (*handler)(int))
{
	struct sigaction a;

	return sigaction(signal, NULL, &a) == 0 && a.sa_handler == handler;
}

static int
look_at_signals(void *arg)
{
	sigset_t mask;

	(void)arg;
	raise(SIGTERM); /* blocked, pending: without its handler it would kill */
	signal(SIGTERM, SIG_IGN);
	if (conc__process_settle(&(rules){0}) != 0)
		return 1;
	if (!is(SIGUSR1, SIG_DFL) || !is(SIGCHLD, SIG_DFL) || !is(SIGPIPE, SIG_DFL))
		return 2;
	if (!is(SIGUSR2, SIG_IGN) || !is(SIGTERM, SIG_IGN)) /* the program's wish */
		return 3;
	if (!is(SIGINT, SIG_IGN) || !is(SIGTTIN, SIG_IGN) || !is(SIGTTOU, SIG_IGN))
		return 4;
	sigprocmask(SIG_SETMASK, NULL, &mask);
	for (int i = 1; i < 32; i++)
		if (sigismember(&mask, i))
			return 5;
	return handled != 0 ? 6 : 0;
}

START_TEST(settle_resets_signals)
{
	sigset_t set, old;

	signal(SIGUSR1, handle);
	signal(SIGINT, handle);
	signal(SIGTERM, handle);
	signal(SIGUSR2, SIG_IGN);
	signal(SIGPIPE, SIG_IGN);
	signal(SIGCHLD, handle);
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	pthread_sigmask(SIG_BLOCK, &set, &old);
	passes(look_at_signals, NULL);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
}
END_TEST

/* --- standard streams --- */

static bool
is_null(int fd)
{
	char name[64] = "", link[32];

	snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
	return readlink(link, name, sizeof name - 1) > 0 && strcmp(name, "/dev/null") == 0 &&
	    (fcntl(fd, F_GETFD) & FD_CLOEXEC) == 0;
}

static int
look_at_stdin(void *arg)
{
	int n = descriptor_count(), closed = *(int *)arg;

	if (closed >= 0)
		close(closed);
	if (conc__process_settle(&(rules){0}) != 0 || !is_null(0))
		return 1;
	if (closed >= 0 && !is_null(closed))
		return 2;
	return descriptor_count() == n ? 0 : 3;
}

static int
keep_stdin(void *arg)
{
	int *pipe = arg;
	char byte;

	dup2(pipe[0], 0); /* as when the program had closed it, and a pipe took its place */
	if (conc__process_settle(&(rules){.own = (int[]){0}, .own_count = 1}) != 0)
		return 1;
	return conc__read(0, &byte, 1) == 1 && byte == 'x' ? 0 : 2;
}

START_TEST(settle_takes_stdin_away)
{
	int pipe[2];

	for (int closed = -1; closed <= 2; closed++)
		passes(look_at_stdin, &closed);
	open_pipe(pipe);
	conc__write(pipe[1], "x", 1);
	passes(keep_stdin, pipe);
	conc__close(pipe[0]);
	conc__close(pipe[1]);
}
END_TEST

static void
never_in_the_child(void)
{
	_exit(99);
}

static int
print(void *arg)
{
	int how = *(int *)arg;

	atexit(never_in_the_child);
	at_quick_exit(never_in_the_child);
	if (conc__process_settle(&(rules){.guard = true}) != 0)
		return 1;
	printf("flushed, ");
	conc__stdio_flush();
	printf("last words");
	if (how == 0)
		exit(5);
	if (how == 1)
		quick_exit(6);
	return 7;
}

/* The host's text stays its own; a task that calls exit() is not lost, nor are its words. */
START_TEST(settle_forgets_output_and_guards_exit)
{
	static const int statuses[] = {5, 1, 7};
	struct conc__process_end end;
	int pipe[2], out = dup(1);

	for (int how = 0; how < 3; how++) {
		open_pipe(pipe);
		fflush(stdout);
		dup2(pipe[1], 1);
		printf("the parent's");
		end = end_of(start(print, &how));
		__fpurge(stdout);
		dup2(out, 1);
		conc__close(pipe[1]);
		if (how == 0)
			ck_assert_str_eq(read_all(pipe[0]), "flushed, last words");
		else /* ThreadSanitizer's _exit flushes */
			ck_assert(strncmp(read_all(pipe[0]), "flushed, ", 9) == 0);
		ck_assert_int_eq(end.signal, 0);
		ck_assert_int_eq(end.exit_status, statuses[how]);
		conc__close(pipe[0]);
	}
	close(out);
}
END_TEST

/* --- family --- */

static int
be_killed(void *arg)
{
	while (arg == NULL)
		pause();
	return 0;
}

static int
lead_a_group(void *arg)
{
	if (conc__process_settle(&(rules){.group = true, .name = "conc-a-long-name-15"}) != 0 ||
	    conc__process_start(be_killed, NULL) < 0)
		return 1;
	if (conc__write(*(int *)arg, "x", 1) != 1)
		return 2;
	return be_killed(NULL);
}

START_TEST(settle_makes_a_group)
{
	struct conc__process_end end;
	char byte, name[32] = "", file[64];
	int pipe[2], pid;
	FILE *comm;

	open_pipe(pipe);
	pid = start(lead_a_group, &pipe[1]);
	conc__close(pipe[1]);
	ck_assert_int_eq(conc__read(pipe[0], &byte, 1), 1);
	ck_assert_int_eq(getpgid(pid), pid);
	snprintf(file, sizeof file, "/proc/%d/comm", pid);
	comm = fopen(file, "r");
	ck_assert_ptr_nonnull(comm);
	ck_assert_ptr_nonnull(fgets(name, sizeof name, comm));
	fclose(comm);
	ck_assert_str_eq(name, "conc-a-long-nam\n");
	/* The one that it started holds the pipe open; the signal reaches both. */
	ck_assert_int_eq(conc__process_signal_group(pid, SIGKILL), 0);
	ck_assert_int_eq(conc__read(pipe[0], &byte, 1), 0);
	end = end_of(pid);
	ck_assert_int_eq(end.signal, SIGKILL);
	conc__close(pipe[0]);
	ck_assert_int_eq(conc__process_signal_group(0, 0), -EINVAL);
	ck_assert_int_eq(conc__process_signal_group(1, 0), -EINVAL);
	ck_assert_int_eq(conc__process_signal_group(getpgrp(), 1000), -EINVAL);
}
END_TEST

struct family {
	int parent;
	int pipe[2];
};

static int
follow(void *arg)
{
	struct family *f = arg;

	if (conc__process_settle(&(rules){.parent = f->parent}) != 0)
		return 1;
	return conc__write(f->pipe[1], "x", 1) == 1 ? be_killed(NULL) : 2;
}

/* A parent with a child that follows it. */
static int
be_followed(void *arg)
{
	struct family *f = arg;
	struct conc__process_end end;
	char byte;

	/* That of somebody else does not stay. */
	f->parent = 1;
	if (conc__process_reap(conc__process_start(follow, f), &end, 1) <= 0 ||
	    end.exit_status != 1)
		return 1;
	f->parent = conc__process_id();
	if (f->parent != getpid() || conc__process_start(follow, f) < 0)
		return 2;
	return conc__read(f->pipe[0], &byte, 1) == 1 ? 0 : 3;
}

/* What is left of it is adopted: the follower, which has died with its parent. */
static int
adopt(void *arg)
{
	struct conc__process_end end;
	struct family f = {.parent = 0};
	int pid;

	(void)arg;
	if (conc__process_settle(&(rules){.reaper = true}) != 0 || conc__pipe(f.pipe) != 0)
		return 10;
	pid = conc__process_start(be_followed, &f);
	if (conc__process_reap(pid, &end, 1) != pid || end.signal != 0 || end.exit_status != 0)
		return 11 + end.exit_status;
	if (conc__process_reap_any(&end, 1) <= 0 || end.signal != SIGKILL)
		return 20;
	return conc__process_reap_any(&end, 1) == -ECHILD ? 0 : 21;
}

START_TEST(settle_follows_the_parent_and_adopts)
{
	passes(adopt, NULL);
}
END_TEST

/* --- descriptors --- */

static int
look_at_descriptors(void *arg)
{
	int *fds = arg;
	rules r = {.close_fds = true,
	    .keep = (int[]){fds[4], 1000000, fds[1], -1},
	    .keep_count = 4,
	    .own = &fds[7],
	    .own_count = 1};

	if (conc__process_settle(&r) != 0)
		return 1;
	for (int i = 0; i < 10; i++)
		if ((fcntl(fds[i], F_GETFD) >= 0) != (i == 1 || i == 4 || i == 7))
			return 10 + i;
	r = (rules){.close_fds = true};
	if (conc__process_settle(&r) != 0)
		return 2;
	for (int i = 0; i < 10; i++)
		if (fcntl(fds[i], F_GETFD) >= 0)
			return 20 + i;
	return fcntl(1, F_GETFD) >= 0 && fcntl(2, F_GETFD) >= 0 && is_null(0) ? 0 : 3;
}

START_TEST(settle_closes_descriptors)
{
	int fds[10];

	for (int i = 0; i < 10; i++)
		ck_assert_int_gt(fds[i] = dup(1), 2);
	passes(look_at_descriptors, fds);
	for (int i = 0; i < 10; i++)
		close(fds[i]);
}
END_TEST

/* --- its share of the machine --- */

static int
oom_score(void)
{
	FILE *file = fopen("/proc/self/oom_score_adj", "r");
	int score;

	if (file == NULL || fscanf(file, "%d", &score) != 1)
		return -1;
	fclose(file);
	return score;
}

static int
look_at_share(void *arg)
{
	int before = getpriority(PRIO_PROCESS, 0), score = oom_score();

	(void)arg;
	if (conc__process_settle(&(rules){.nice = 3}) != 0)
		return 1;
	if (getpriority(PRIO_PROCESS, 0) != (before + 3 < 19 ? before + 3 : 19))
		return 2;
	conc__process_offer(getpid(), 150);
	if (oom_score() != (score + 150 < 1000 ? score + 150 : 1000))
		return 3;
	conc__process_offer(getpid(), 2000);
	return oom_score() == 1000 ? 0 : 4;
}

static int
map(size_t n)
{
	void *p = mmap(NULL, n, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return p == MAP_FAILED ? errno : munmap(p, n);
}

static int
look_at_memory(void *arg)
{
	const size_t mega = 1 << 20;

	(void)arg;
	if (map(300 * mega) != 0)
		return 0; /* there is a limit as it is */
	if (conc__process_settle(&(rules){.memory = 100 * mega}) != 0)
		return 2;
	if (map(50 * mega) != 0 || map(300 * mega) != ENOMEM)
		return 3;
	/* So much is no limit; nor does it lift the one there is. */
	if (conc__process_settle(&(rules){.memory = UINT64_MAX}) != 0)
		return 4;
	return map(300 * mega) == ENOMEM ? 0 : 5;
}

START_TEST(settle_limits_the_share)
{
	passes(look_at_share, NULL);
	passes(look_at_memory, NULL);
}
END_TEST

/* Use so much CPU time; forever if 0. */
static void
burn(int ms)
{
	struct timespec begin, now;
	int64_t used;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &begin);
	do {
		clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
		used = (now.tv_sec - begin.tv_sec) * 1000 +
		    (now.tv_nsec - begin.tv_nsec) / 1000000;
	} while (ms == 0 || used < ms);
}

static int
burn_under_alarm(void *arg)
{
	setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
	if (conc__process_settle(&(rules){0}) != 0 || conc__cpu_alarm(0) != 0)
		return 1;
	for (int i = 0; i < 3; i++) {
		if (conc__cpu_alarm(30000000) != 0)
			return 2;
		if (conc__cpu_alarm(0) != 0)
			return 3;
		burn(50);
	}
	if (conc__cpu_alarm(10000000) != 0)
		return 4;
	burn(*(int *)arg);
	return 5;
}

START_TEST(cpu_alarm_kills)
{
	int ms = 0;
	struct conc__process_end end = end_of(start(burn_under_alarm, &ms));

	ck_assert_int_eq(end.exit_status, 0);
	ck_assert_int_eq(end.signal, SIGXCPU);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("settle");
	TCase *tc = new_case(s, "settle");

	tcase_add_test(tc, settle_resets_signals);
	tcase_add_test(tc, settle_takes_stdin_away);
	tcase_add_test(tc, settle_forgets_output_and_guards_exit);
	tcase_add_test(tc, settle_makes_a_group);
	tcase_add_test(tc, settle_follows_the_parent_and_adopts);
	tcase_add_test(tc, settle_closes_descriptors);
	tcase_add_test(tc, settle_limits_the_share);
	tcase_add_test(tc, cpu_alarm_kills);
	return run_suite(s);
}
