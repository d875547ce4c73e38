/* SPDX-License-Identifier: MIT */
#ifndef CONC__HOOK_H
#define CONC__HOOK_H

/*
 * What the excepthook and the log share with each other and with the fork
 * handler; of base alone.
 */
#include "base/atomic.h"
#include "base/lock.h"
#include <conc/log.h>
#include <stdbool.h>
#include <stddef.h>

/*
 * Protects the excepthook and the log handler, each with its user; held for a
 * copy only.  The fork handler holds it over a fork: whoever else takes it does
 * so by enter and leave, which see to it that the fork handler is installed.
 */
extern struct conc__mutex conc__hook_lock;

void conc__hook_enter(void);
void conc__hook_leave(void);

/* Would a record of this level be written?  One load. */
bool conc__log_wanted(conc_log_level level);

enum { CONC__LOG_MESSAGE = 16384 }; /* the longest of conc_log, with its closing zero */

/* As conc_log, with a message of any length, not formatted. */
void conc__log(conc_log_level level, const char *message);

/* In the child of a fork, with the lock held: what repeated is the parent's to tell. */
void conc__log_forked(void);

/* Hand out a record that was written before, perhaps in another process, if it is wanted. */
void conc__log_record(const conc_log_record *record);

/*
 * Where the records of this process go to, if it is a worker of a process pool: not
 * to the handler, unless the process has set one itself (overruled is not 0).  Set
 * while the process has one thread; stays until its end, or a fork's.
 */
struct conc__log_sink {
	/* false: it cannot be sent, and goes to standard error */
	bool (*send)(struct conc__log_sink *sink, const conc_log_record *record);
	conc__atomic_u32 overruled;
};
void conc__log_divert(struct conc__log_sink *sink); /* NULL: to the handler again */
struct conc__log_sink *conc__log_sink(void);        /* NULL: none */

/*
 * What stands before each line of a record, "2026-11-21T20:15:04.123456Z
 * warning io-3: ", into buf of CONC__LOG_PREFIX bytes.  Return its length.
 */
enum { CONC__LOG_PREFIX = 128 };
size_t conc__log_prefix(char *buf, const conc_log_record *record);

#endif
