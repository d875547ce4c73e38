/* SPDX-License-Identifier: MIT */
/*
 * Channels: a pair of local sockets that keep the bounds of messages, and
 * carry descriptors beside them.
 */
#include "base/fault.h"
#include "base/process.h"
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* Room for descriptors beside a message, aligned as the kernel wants it. */
union beside {
	struct cmsghdr head;
	char room[CMSG_SPACE(CONC__CHANNEL_FDS * sizeof(int))];
};

#ifdef __APPLE__
static void
close_on_exec(int fd)
{
	(void)fcntl(fd, F_SETFD, FD_CLOEXEC);
}
#endif

int
conc__channel(int ends[2])
{
	int fds[2], type = SOCK_SEQPACKET;

	if (conc__fault())
		return -EMFILE;
#ifndef __APPLE__
	type |= SOCK_CLOEXEC;
#endif
	if (socketpair(AF_UNIX, type, 0, fds) != 0)
		return -errno;
#ifdef __APPLE__
	close_on_exec(fds[0]);
	close_on_exec(fds[1]);
#endif
	ends[0] = conc__beyond_stdio(fds[0]);
	ends[1] = conc__beyond_stdio(fds[1]);
	if (ends[0] >= 0 && ends[1] >= 0)
		return 0;
	for (int i = 0; i < 2; i++)
		if (ends[i] >= 0)
			(void)close(ends[i]);
	return -EMFILE;
}

int
conc__channel_send(int fd, const void *message, size_t size, const int *fds, size_t n)
{
	struct iovec part = {(void *)message, size};
	struct msghdr m = {.msg_iov = &part, .msg_iovlen = 1};
	union beside beside;
	ssize_t put;

	if (size == 0 || n > CONC__CHANNEL_FDS)
		return -EINVAL;
	conc__fault_point();
	if (n > 0 && conc__fault())
		return -ETOOMANYREFS;
	if (n > 0) {
		memset(&beside, 0, sizeof beside);
		beside.head.cmsg_level = SOL_SOCKET;
		beside.head.cmsg_type = SCM_RIGHTS;
		beside.head.cmsg_len = CMSG_LEN(n * sizeof *fds);
		memcpy(CMSG_DATA(&beside.head), fds, n * sizeof *fds);
		m.msg_control = &beside;
		m.msg_controllen = CMSG_SPACE(n * sizeof *fds);
	}
	put = sendmsg(fd, &m, MSG_NOSIGNAL);
	if (put >= 0)
		return 0;
	/* ECONNRESET: the other end was closed with messages in it, unread. */
	return errno == ECONNRESET ? -EPIPE : -errno;
}

/* Hand over the descriptors that came, and close those for which there is no room. */
static size_t
take_descriptors(struct msghdr *m, int *fds, size_t most)
{
	struct cmsghdr *c = CMSG_FIRSTHDR(m);
	size_t came, n = 0;

	if (c == NULL || c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
		return 0;
	came = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
	if (came > 0 && conc__fault()) /* as if this process could have no more */
		most = 0;
	for (size_t i = 0; i < came; i++) {
		int fd;

		memcpy(&fd, CMSG_DATA(c) + i * sizeof fd, sizeof fd);
#ifdef __APPLE__
		close_on_exec(fd);
#endif
		fd = conc__beyond_stdio(fd);
		if (n < most && fd >= 0)
			fds[n++] = fd;
		else if (fd >= 0)
			(void)close(fd);
	}
	return n;
}

int64_t
conc__channel_receive(int fd, void *message, size_t size, int *fds, size_t most, size_t *n)
{
	struct iovec part = {message, size};
	union beside beside;
	struct msghdr m;
	ssize_t got;
	int flags = 0;

#ifndef __APPLE__
	flags = MSG_CMSG_CLOEXEC;
#endif
	conc__fault_point();
	do { /* ECONNRESET says but once that the other end left messages unread */
		m = (struct msghdr){.msg_iov = &part,
		    .msg_iovlen = 1,
		    .msg_control = &beside,
		    .msg_controllen = sizeof beside};
		got = recvmsg(fd, &m, flags);
	} while (got < 0 && errno == ECONNRESET);
	if (got < 0)
		return -errno;
	if ((m.msg_flags & MSG_TRUNC) != 0) {
		(void)take_descriptors(&m, NULL, 0);
		return -EMSGSIZE;
	}
	*n = take_descriptors(&m, fds, most);
	return got;
}
