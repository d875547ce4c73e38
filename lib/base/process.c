/* SPDX-License-Identifier: MIT */
/*
 * Processes: start, end, signal, watch, and the memory they share.
 */
#include "base/process.h"
#include "base/fault.h"
#include "base/hook.h"
#include "base/self.h"
#include <errno.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>
#ifdef __linux__
#include <sys/syscall.h>
#endif

int
conc__process_start(int (*entry)(void *arg), void *arg)
{
	struct conc__self *self;
	sigset_t all, old;
	pid_t pid;
	int rc;

	if (conc__fault())
		return -EAGAIN;
	self = conc__self(); /* now: another thread may be within its first use as we fork */
	/* No handler of the program's may run in the child. */
	sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &old);
	pid = fork();
	rc = pid > 0 ? (int)pid : -errno;
	if (pid != 0) {
		(void)pthread_sigmask(SIG_SETMASK, &old, NULL);
		return rc;
	}
	conc__fault_descend();
	conc_exception_release(self->caught);
	*self = (struct conc__self){0};
	conc__log_divert(NULL);
	_exit(entry(arg));
}

void
conc__process_exit(int status)
{
	_exit(status);
}

static int64_t
nanoseconds(struct timeval t)
{
	return (int64_t)t.tv_sec * 1000000000 + (int64_t)t.tv_usec * 1000;
}

static int
reap(pid_t pid, struct conc__process_end *end, int block)
{
	struct rusage usage;
	int status;
	pid_t got;

	conc__fault_point();
	got = wait4(pid, &status, block ? 0 : WNOHANG, &usage);
	if (got <= 0)
		return got < 0 ? -errno : 0;
	*end = (struct conc__process_end){
	    .signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0,
	    .exit_status = WIFEXITED(status) ? WEXITSTATUS(status) : 0,
	    .core_dumped = WIFSIGNALED(status) && WCOREDUMP(status),
	    .user_time = nanoseconds(usage.ru_utime),
	    .system_time = nanoseconds(usage.ru_stime),
#ifdef __APPLE__
	    .max_rss = usage.ru_maxrss,
#else
	    .max_rss = (int64_t)usage.ru_maxrss * 1024,
#endif
	};
	return (int)got;
}

int
conc__process_reap(int pid, struct conc__process_end *end, int block)
{
	/* To wait4 others are all children, or groups. */
	return pid > 0 ? reap(pid, end, block) : -ECHILD;
}

int
conc__process_reap_any(struct conc__process_end *end, int block)
{
	return reap(-1, end, block);
}

int
conc__process_signal(int pid, int signal)
{
	if (pid <= 0) /* to kill these are groups, or all processes */
		return -EINVAL;
	conc__fault_point();
	return kill(pid, signal) == 0 ? 0 : -errno;
}

int
conc__process_signal_group(int pid, int signal)
{
	if (pid <= 1) /* to kill -1 is all processes */
		return -EINVAL;
	conc__fault_point();
	return kill(-pid, signal) == 0 ? 0 : -errno;
}

int
conc__process_id(void)
{
	conc__fault_point();
	return (int)getpid();
}

int
conc__process_parent(void)
{
	return (int)getppid();
}

int
conc__process_watch(int pid)
{
#ifdef SYS_pidfd_open
	long fd;

	if (conc__fault())
		return -EMFILE;
	if (pid <= 0)
		return -ESRCH;
	fd = syscall(SYS_pidfd_open, pid, 0); /* it is close-on-exec */
	return fd >= 0 ? (int)fd : -errno;
#else
	(void)pid;
	return -ENOSYS;
#endif
}

void
conc__process_barrier(void)
{
#ifdef SYS_membarrier
	(void)syscall(SYS_membarrier, 1 /* MEMBARRIER_CMD_GLOBAL */, 0, 0);
#endif
}

void *
conc__shared_map(size_t size)
{
	void *p;

	if (conc__fault())
		return NULL;
	p = mmap(NULL, size != 0 ? size : 1, PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	return p != MAP_FAILED ? p : NULL;
}

void
conc__shared_unmap(void *p, size_t size)
{
	if (p != NULL)
		(void)munmap(p, size != 0 ? size : 1);
}
