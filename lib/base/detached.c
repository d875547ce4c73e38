/* SPDX-License-Identifier: MIT */
/*
 * A process that is nobody's child: one between starts it, and ends.
 */
#include "base/process.h"
#include <errno.h>

struct detached {
	int (*entry)(void *arg);
	void *arg;
};

/* In the one between, which exits with what went wrong. */
static int
start_and_end(void *arg)
{
	const struct detached *d = arg;
	int pid = conc__process_start(d->entry, d->arg);

	return pid < 0 ? -pid : 0;
}

int
conc__process_start_detached(int (*entry)(void *arg), void *arg)
{
	struct detached d = {entry, arg};
	struct conc__process_end end;
	int pid = conc__process_start(start_and_end, &d), rc;

	if (pid < 0)
		return pid;
	do /* wakes when it ends, which is at once, or for a signal */
		rc = conc__process_reap(pid, &end, 1);
	while (rc == -EINTR);
	if (rc < 0) /* the program reaps all its children itself: then we cannot know */
		return 0;
	return end.signal != 0 ? -EAGAIN : -end.exit_status;
}
