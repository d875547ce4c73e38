/* SPDX-License-Identifier: MIT */
/*
 * A worker's ends of its two pipes, which block.
 */
#include "process/wire.h"
#include "base/process.h"
#include <string.h>

int
conc__read_whole(int fd, void *p, size_t size)
{
	unsigned char *to = p;

	while (size > 0) {
		/* Wakes when the host has written or all writers are gone, or for a signal. */
		int64_t n = conc__read(fd, to, size);

		if (n == -EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? (int)n : -EPIPE;
		to += n;
		size -= (size_t)n;
	}
	return 0;
}

int
conc__write_whole(int fd, const void *p, size_t size)
{
	const unsigned char *from = p;

	while (size > 0) {
		/* Wakes when the host has read or is gone, or for a signal. */
		int64_t n = conc__write_held(fd, from, size);

		if (n == -EINTR)
			continue;
		if (n < 0)
			return (int)n;
		from += n;
		size -= (size_t)n;
	}
	return 0;
}

void
conc__pipe_widen(int fd)
{
	(void)conc__pipe_resize(fd, CONC__WIDE);
}

int
conc__report_write(int fd, const struct conc__report *r, const void *payload)
{
	unsigned char both[4096]; /* what a pipe takes in one piece, if it takes it at all */
	int rc;

	if (r->size <= sizeof both - sizeof *r) {
		memcpy(both, r, sizeof *r);
		if (r->size > 0)
			memcpy(both + sizeof *r, payload, r->size);
		return conc__write_whole(fd, both, sizeof *r + r->size);
	}
	rc = conc__write_whole(fd, r, sizeof *r);
	return rc != 0 ? rc : conc__write_whole(fd, payload, r->size);
}
