/* SPDX-License-Identifier: MIT */
#ifndef SCENARIO_BELL_H
#define SCENARIO_BELL_H

/*
 * Does a bell ring by the deadline?  What the scenarios of descriptors share.
 */
#include "sim.h"
#include "base/process.h"
#include <errno.h>

static inline bool
rings(int fd, conc_time deadline)
{
	struct conc__poll poller = {.fd = fd, .wanted = CONC__READABLE};
	int n;

	do
		n = conc__poll(&poller, 1, deadline); /* woken by the bell */
	while (n == -EINTR);
	sim_assert(n >= 0);
	return n == 1 && (poller.ready & CONC__READABLE);
}

#endif
