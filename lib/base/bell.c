/* SPDX-License-Identifier: MIT */
/*
 * Bells: an eventfd; elsewhere, and with -DCONC_NO_EVENTFD, a datagram socket
 * connected to itself, which is one descriptor too.
 */
#include "base/fault.h"
#include "base/process.h"
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#if defined(__linux__) && !defined(CONC_NO_EVENTFD)

#include <sys/eventfd.h>

int
conc__bell(void)
{
	int fd = conc__fault() ? (errno = EMFILE, -1) : eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

	return fd >= 0 ? conc__beyond_stdio(fd) : -errno;
}

void
conc__bell_ring(int fd)
{
	/* EAGAIN: the counter is full, so it rings. */
	(void)eventfd_write(fd, 1);
}

void
conc__bell_hush(int fd)
{
	eventfd_t count;

	/* EAGAIN: it was silent. */
	(void)eventfd_read(fd, &count);
}

#else

#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

/* Only what it sends itself arrives: it is connected to its own address. */
static int
connect_to_self(int fd)
{
	struct sockaddr_in address;
	socklen_t size = sizeof address;

	memset(&address, 0, sizeof address);
	address.sin_family = AF_INET;
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (fcntl(fd, F_SETFD, FD_CLOEXEC) != 0 || fcntl(fd, F_SETFL, O_NONBLOCK) != 0 ||
	    bind(fd, (struct sockaddr *)&address, sizeof address) != 0 ||
	    getsockname(fd, (struct sockaddr *)&address, &size) != 0)
		return -1;
	return connect(fd, (struct sockaddr *)&address, size);
}

int
conc__bell(void)
{
	int fd = conc__fault() ? (errno = EMFILE, -1) : socket(AF_INET, SOCK_DGRAM, 0);
	int rc = errno;

	if (fd >= 0 && connect_to_self(fd) != 0) {
		rc = errno;
		close(fd);
		fd = -1;
	}
	return fd >= 0 ? conc__beyond_stdio(fd) : -rc;
}

void
conc__bell_ring(int fd)
{
	/* A full buffer: it rings. */
	(void)!send(fd, "", 1, 0);
}

void
conc__bell_hush(int fd)
{
	char byte;

	while (recv(fd, &byte, 1, 0) >= 0)
		;
}

#endif
