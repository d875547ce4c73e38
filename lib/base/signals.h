/* SPDX-License-Identifier: MIT */
#ifndef CONC__SIGNALS_H
#define CONC__SIGNALS_H

/* Signals, by number and by name. */
#include <signal.h>

/* "SIGSEGV"; of one without a name "signal 42", in the buffer. */
const char *conc__signal_name(int signal, char buf[16]);

#endif
