/* SPDX-License-Identifier: MIT */
/*
 * Where a worker process sends its log records.  Of each process its own: so this
 * lies apart from the log, which the simulator has only one of.
 */
#include "base/hook.h"

static struct conc__log_sink *of_this_process; /* set while it has one thread */

void
conc__log_divert(struct conc__log_sink *sink)
{
	of_this_process = sink;
}

struct conc__log_sink *
conc__log_sink(void)
{
	return of_this_process;
}
