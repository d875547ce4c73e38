/* SPDX-License-Identifier: MIT */
/*
 * Descriptors: pipes, reading and writing, waiting for several.
 */
#include "base/clock.h"
#include "base/fault.h"
#include "base/memory.h"
#include "base/process.h"
#include "base/timespec.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <unistd.h>

int
conc__beyond_stdio(int fd)
{
	int copy;

	if (fd < 0 || fd > 2)
		return fd;
	copy = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	(void)close(fd);
	return copy >= 0 ? copy : -EMFILE;
}

int
conc__pipe(int ends[2])
{
	int fds[2];

	if (conc__fault())
		return -EMFILE;
#ifdef __APPLE__
	if (pipe(fds) != 0)
		return -errno;
	(void)fcntl(fds[0], F_SETFD, FD_CLOEXEC);
	(void)fcntl(fds[1], F_SETFD, FD_CLOEXEC);
#else
	if (pipe2(fds, O_CLOEXEC) != 0)
		return -errno;
#endif
	ends[0] = fds[0];
	ends[1] = fds[1];
	return 0;
}

int
conc__pipe_resize(int fd, size_t size)
{
#ifdef F_SETPIPE_SZ
	int got = fcntl(fd, F_SETPIPE_SZ, size < INT_MAX ? (int)size : INT_MAX);

	return got >= 0 ? got : -errno;
#else
	(void)fd;
	(void)size;
	return -ENOSYS;
#endif
}

int
conc__nonblocking(int fd)
{
	int flags = fcntl(fd, F_GETFL);

	return flags >= 0 && fcntl(fd, F_SETFL, flags | O_NONBLOCK) == 0 ? 0 : -errno;
}

int64_t
conc__read(int fd, void *buf, size_t size)
{
	ssize_t got;

	conc__fault_point();
	got = read(fd, buf, size < SSIZE_MAX ? size : SSIZE_MAX);
	return got >= 0 ? got : -errno;
}

int64_t
conc__write_held(int fd, const void *buf, size_t size)
{
	ssize_t put;

	conc__fault_point();
	put = write(fd, buf, size < SSIZE_MAX ? size : SSIZE_MAX);
	return put >= 0 ? put : -errno;
}

/*
 * A broken pipe sends SIGPIPE to the thread that writes.  So it is blocked
 * meanwhile, and taken away again, unless one was pending already: that can be
 * only if it was blocked before.
 */
int64_t
conc__write(int fd, const void *buf, size_t size)
{
	sigset_t broken, old, pending;
	int64_t put;
	int ours;

	sigemptyset(&broken);
	sigaddset(&broken, SIGPIPE);
	sigemptyset(&pending);
	pthread_sigmask(SIG_BLOCK, &broken, &old);
	if (sigismember(&old, SIGPIPE))
		sigpending(&pending);
	ours = !sigismember(&pending, SIGPIPE);
	put = conc__write_held(fd, buf, size);
	if (put == -EPIPE && ours) {
		sigpending(&pending);
		if (sigismember(&pending, SIGPIPE))
			(void)sigwait(&broken, &(int){0});
	}
	if (!sigismember(&old, SIGPIPE))
		pthread_sigmask(SIG_SETMASK, &old, NULL);
	return put;
}

int
conc__close(int fd)
{
	conc__fault_point();
	/* After EINTR the descriptor is gone, or is in the kernel's hands: both are done. */
	return close(fd) == 0 || errno == EINTR ? 0 : -errno;
}

static int
wait_for(struct pollfd *fds, size_t n, conc_time deadline)
{
	struct timespec rest = {0, 0};

	/* Wakes when a descriptor is ready, at the deadline, or for a signal. */
	if (!conc__passed(deadline))
		rest = conc__timespec(deadline.ns - conc__now());
#ifdef __APPLE__
	int ms = rest.tv_sec < INT_MAX / 1000 - 1
	    ? (int)rest.tv_sec * 1000 + (int)((rest.tv_nsec + 999999) / 1000000)
	    : INT_MAX;

	return poll(fds, (nfds_t)n, deadline.ns == INT64_MAX ? -1 : ms);
#else
	return ppoll(fds, (nfds_t)n, deadline.ns == INT64_MAX ? NULL : &rest, NULL);
#endif
}

int
conc__poll(struct conc__poll *p, size_t n, conc_time deadline)
{
	struct pollfd few[32], *fds = few;
	int rc;

	conc__fault_point();
	if (n > sizeof few / sizeof few[0]) {
		fds = n <= SIZE_MAX / sizeof *fds ? conc__malloc(n * sizeof *fds) : NULL;
		if (fds == NULL)
			return -ENOMEM;
	}
	for (size_t i = 0; i < n; i++) {
		int wanted = (p[i].wanted & CONC__READABLE ? POLLIN : 0) |
		    (p[i].wanted & CONC__WRITABLE ? POLLOUT : 0);

		fds[i] = (struct pollfd){p[i].fd, (short)wanted, 0};
	}
	rc = wait_for(fds, n, deadline);
	if (rc < 0)
		rc = -errno;
	for (size_t i = 0; i < n && rc >= 0; i++) {
		short got = fds[i].revents;

		p[i].ready = (short)((got & POLLIN ? CONC__READABLE : 0) |
		    (got & POLLOUT ? CONC__WRITABLE : 0) |
		    (got & (POLLHUP | POLLERR | POLLNVAL) ? CONC__HANGUP : 0));
	}
	if (fds != few)
		conc__free(fds);
	return rc;
}
