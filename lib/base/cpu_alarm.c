/* SPDX-License-Identifier: MIT */
/*
 * The alarm on CPU time: one timer a process, made at its first use.
 */
#include "base/fault.h"
#include "base/process.h"
#include "base/timespec.h"
#include <errno.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>

#ifdef __linux__

static timer_t timer;
static pid_t owner; /* whose timer that is: a child inherits none */

static int
make_timer(void)
{
	struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGXCPU};

	if (conc__fault())
		return -EAGAIN;
	if (timer_create(CLOCK_PROCESS_CPUTIME_ID, &event, &timer) != 0)
		return -errno;
	owner = getpid();
	return 0;
}

int
conc__cpu_alarm(int64_t ns)
{
	struct itimerspec when = {.it_value = conc__timespec(ns)};
	int rc = 0;

	conc__fault_point();
	if (owner != getpid())
		rc = ns > 0 ? make_timer() : 0;
	if (rc == 0 && owner == getpid() && timer_settime(timer, 0, &when, NULL) != 0)
		rc = -errno;
	return rc;
}

#else

int
conc__cpu_alarm(int64_t ns)
{
	return ns > 0 ? -ENOSYS : 0;
}

#endif
