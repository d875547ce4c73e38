/* SPDX-License-Identifier: MIT */
#ifndef SIM_SCENARIO_BASE_H
#define SIM_SCENARIO_BASE_H

/*
 * A message through a pipe: what the scenarios on pipes and on processes share.
 */
#include "sim.h"
#include "base/process.h"
#include <errno.h>

enum { MESSAGE = 40 };

/* One pipe, and what its two sides do. */
struct stream {
	int ends[2];
	bool careless; /* a bug: what may happen to a transfer is not looked at */
	int pid;
	int rc;
};

static inline int
send_all(int fd, const char *data, size_t size)
{
	while (size > 0) {
		int64_t n = conc__write(fd, data, size);

		if (n == -EINTR)
			continue;
		if (n < 0)
			return (int)n;
		data += n;
		size -= (size_t)n;
	}
	return 0;
}

/* Return how many bytes came before the end, or a code. */
static inline int
receive_all(int fd, char *data, size_t size)
{
	size_t got = 0;

	while (got < size) {
		int64_t n = conc__read(fd, data + got, size - got);

		if (n == -EINTR)
			continue;
		if (n < 0)
			return (int)n;
		if (n == 0)
			break;
		got += (size_t)n;
	}
	return (int)got;
}

static inline void
fill(char *message)
{
	for (int i = 0; i < MESSAGE; i++)
		message[i] = (char)(i + 1);
}

static inline void
check(const char *message, int size)
{
	for (int i = 0; i < size; i++)
		sim_assert(message[i] == (char)(i + 1));
}

static inline int
make_pipe(int ends[2])
{
	int rc = conc__pipe(ends);

	sim_assert(rc == 0 || (rc == -EMFILE && sim_sweeping()));
	return rc;
}

#endif
