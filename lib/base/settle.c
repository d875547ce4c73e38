/* SPDX-License-Identifier: MIT */
/*
 * What a new process does first, so that nothing of its parent goes on in it.
 */
#include "base/fault.h"
#include "base/process.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdio_ext.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>
#ifdef __linux__
#include <sys/prctl.h>
#include <sys/syscall.h>
#endif

/* Handlers are the parent's code: none may run here, so all wait until they are gone. */
static void
reset_signals(void)
{
	sigset_t set;

	sigfillset(&set);
	(void)sigprocmask(SIG_SETMASK, &set, NULL);
	for (int i = 1; i < NSIG; i++) {
		struct sigaction a;

		/* Some numbers are not to be had: the C library's own, KILL, STOP. */
		if (sigaction(i, NULL, &a) == 0 && a.sa_handler != SIG_DFL &&
		    (a.sa_handler != SIG_IGN || i == SIGPIPE))
			(void)signal(i, SIG_DFL);
	}
	(void)signal(SIGCHLD, SIG_DFL); /* also when only SA_NOCLDWAIT was set */
	(void)signal(SIGXCPU, SIG_DFL); /* it tells that a CPU limit has passed */
	(void)signal(SIGINT, SIG_IGN);
	(void)signal(SIGTTIN, SIG_IGN);
	(void)signal(SIGTTOU, SIG_IGN);
}

static void
settle_signals(const struct conc__process_rules *r)
{
	sigset_t none;

	if (!r->settled)
		reset_signals();
	sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL); /* all were blocked as it was started */
}

static int
settle_family(const struct conc__process_rules *r)
{
	/* EPERM: it leads a session, and so a group. */
	if (r->group && setpgid(0, 0) != 0 && errno != EPERM)
		return -errno;
#ifdef __linux__
	if (r->reaper && prctl(PR_SET_CHILD_SUBREAPER, 1L, 0L, 0L, 0L) != 0)
		return -errno;
	if (r->parent > 0 && prctl(PR_SET_PDEATHSIG, (long)SIGKILL, 0L, 0L, 0L) != 0)
		return -errno;
	if (r->name != NULL)
		(void)prctl(PR_SET_NAME, r->name, 0L, 0L, 0L);
#endif
	/* It may have ended before the kernel was asked to tell. */
	return r->parent > 0 && getppid() != r->parent ? -ESRCH : 0;
}

/* Is fd one of these? */
static bool
holds(const int *fds, size_t n, int fd)
{
	for (size_t i = 0; i < n; i++)
		if (fds[i] == fd)
			return true;
	return false;
}

static int
settle_stdio(const struct conc__process_rules *r)
{
	int fd = conc__fault() ? (errno = EMFILE, -1) : open("/dev/null", O_RDWR);

	if (fd < 0)
		return -errno;
	if (fd > 0 && !holds(r->own, r->own_count, 0))
		(void)dup2(fd, 0);
	while (fd >= 0 && fd <= 2) /* what was closed, stays as /dev/null */
		fd = open("/dev/null", O_RDWR);
	if (fd >= 0)
		(void)close(fd);
	__fpurge(stdin);
	__fpurge(stdout);
	__fpurge(stderr);
	return 0;
}

/* The smallest that is kept, from fd on; INT_MAX: none. */
static int
next_kept(const struct conc__process_rules *r, int fd)
{
	int least = INT_MAX;

	for (size_t i = 0; i < r->keep_count; i++)
		if (r->keep[i] >= fd && r->keep[i] < least)
			least = r->keep[i];
	for (size_t i = 0; i < r->own_count; i++)
		if (r->own[i] >= fd && r->own[i] < least)
			least = r->own[i];
	return least;
}

/* The greatest descriptor that may be open: as /proc tells, or else the limit. */
static int
greatest_descriptor(void)
{
	DIR *dir = opendir("/proc/self/fd");
	struct dirent *entry;
	struct rlimit limit;
	int greatest = 0;

	if (dir == NULL)
		return getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < INT_MAX
		    ? (int)limit.rlim_cur - 1
		    : INT_MAX - 1;
	while ((entry = readdir(dir)) != NULL)
		if (atoi(entry->d_name) > greatest)
			greatest = atoi(entry->d_name);
	closedir(dir);
	return greatest;
}

/* Close first to last. */
static void
close_range_of(int first, int last)
{
	int greatest;

#ifdef SYS_close_range
	if (syscall(SYS_close_range, first, last, 0) == 0)
		return;
#endif
	greatest = greatest_descriptor();
	for (int fd = first; fd <= last && fd <= greatest; fd++)
		(void)close(fd);
}

static void
close_others(const struct conc__process_rules *r)
{
	for (int fd = 3, kept; fd < INT_MAX; fd = kept + 1) {
		kept = next_kept(r, fd);
		if (kept > fd)
			close_range_of(fd, kept - 1);
		if (kept == INT_MAX)
			break;
	}
}

/* The number that a file of /proc begins with.  -1: none. */
static long long
number_in(const char *path)
{
	char text[64];
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return -1;
	n = read(fd, text, sizeof text - 1);
	(void)close(fd);
	if (n <= 0)
		return -1;
	text[n] = 0;
	return atoll(text);
}

static int
limit_memory(uint64_t more)
{
	long long pages = number_in("/proc/self/statm");
	struct rlimit limit;
	uint64_t mapped;

	if (pages < 0)
		return -ENOSYS;
	if (getrlimit(RLIMIT_AS, &limit) != 0)
		return -errno;
	mapped = (uint64_t)pages * (uint64_t)sysconf(_SC_PAGESIZE);
	/* Never more than the host has set; RLIM_INFINITY is the greatest number. */
	if (more < UINT64_MAX - mapped && more + mapped < limit.rlim_cur)
		limit.rlim_cur = more + mapped;
	return setrlimit(RLIMIT_AS, &limit) == 0 ? 0 : -errno;
}

void
conc__process_offer(int pid, int more)
{
	char path[40], text[16];
	int score, fd;

	snprintf(path, sizeof path, "/proc/%d/oom_score_adj", pid);
	score = (int)number_in(path) + more;
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return;
	(void)!write(fd, text,
	    (size_t)snprintf(text, sizeof text, "%d", score < 1000 ? score : 1000));
	(void)close(fd);
}

static int
settle_share(const struct conc__process_rules *r)
{
	if (r->nice != 0) {
		errno = 0; /* -1 may be the new value */
		if (nice(r->nice) == -1 && errno != 0)
			return -errno;
	}
	return r->memory != 0 ? limit_memory(r->memory) : 0;
}

/* The parent's handlers come after this one, and so never. */
#ifdef __GLIBC__
static void
leave(int status, void *arg)
{
	(void)arg;
	conc__stdio_flush();
	conc__process_exit(status);
}
#else
static void
leave(void)
{
	conc__stdio_flush();
	conc__process_exit(EXIT_FAILURE); /* the status is not to be had here */
}
#endif

static void
leave_quickly(void)
{
	conc__process_exit(EXIT_FAILURE); /* quick_exit never tells its status */
}

static int
set_guard(void)
{
	if (conc__fault() || at_quick_exit(leave_quickly) != 0)
		return -ENOMEM;
#ifdef __GLIBC__
	return on_exit(leave, NULL) == 0 ? 0 : -ENOMEM;
#else
	return atexit(leave) == 0 ? 0 : -ENOMEM;
#endif
}

int
conc__process_settle(const struct conc__process_rules *r)
{
	int rc;

	conc__fault_point();
	settle_signals(r);
	rc = settle_family(r);
	if (rc == 0 && r->close_fds)
		close_others(r); /* first: that makes room for another */
	if (rc == 0 && !r->settled)
		rc = settle_stdio(r);
	if (rc == 0 && r->guard)
		rc = set_guard();
	if (rc == 0)
		rc = settle_share(r);
	return rc;
}

void
conc__stdio_flush(void)
{
	conc__fault_point();
	(void)fflush(stdout);
}
