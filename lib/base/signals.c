/* SPDX-License-Identifier: MIT */
/*
 * Names of signals, from a table of our own: the system's are not to be had
 * everywhere, nor by every thread.
 */
#include "base/signals.h"
#include <stddef.h>
#include <stdio.h>

static const char *const names[] = {
#define X(signal) [signal] = #signal,
    X(SIGHUP) X(SIGINT) X(SIGQUIT) X(SIGILL) X(SIGTRAP) X(SIGABRT) X(SIGBUS) X(SIGFPE)
    X(SIGKILL) X(SIGUSR1) X(SIGSEGV) X(SIGUSR2) X(SIGPIPE) X(SIGALRM) X(SIGTERM)
    X(SIGCHLD) X(SIGCONT) X(SIGSTOP) X(SIGTSTP) X(SIGTTIN) X(SIGTTOU) X(SIGURG)
    X(SIGXCPU) X(SIGXFSZ) X(SIGVTALRM) X(SIGPROF) X(SIGSYS)
#undef X
};

const char *
conc__signal_name(int signal, char buf[16])
{
	if (signal > 0 && (size_t)signal < sizeof names / sizeof names[0] &&
	    names[signal] != NULL)
		return names[signal];
	(void)snprintf(buf, 16, "signal %d", signal);
	return buf;
}
