/* SPDX-License-Identifier: MIT */
#ifndef CONC_LOG_H
#define CONC_LOG_H

#include <conc/version.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * The log: where failures that nobody looked at are told, and where a program
 * may write too.
 *
 *	conc_log(CONC_LOG_WARNING, "cache %s is cold", name);
 *
 * Unless the program sets a handler, records of level CONC_LOG_WARNING and
 * above go to standard error, a line each:
 *
 *	2026-11-21T20:15:04.123456Z warning io-3: cache a.db is cold
 *
 * and nothing else in the library ever prints.
 *
 * A worker of a process pool sends its records to the host: those of init, fini, tasks,
 * and of threads that they have started.  Each is sent whole before conc_log
 * returns, so it arrives even if the worker is killed right after.  In the host
 * they pass its level too, and its handler gets them: of each worker in order,
 * and those of a task before its future ends.  The host keeps none: a worker
 * that logs faster than the handler takes it waits in conc_log.
 */
typedef enum {
	CONC_LOG_DEBUG,
	CONC_LOG_INFO,
	CONC_LOG_WARNING,
	CONC_LOG_ERROR,
	CONC_LOG_NONE /* as conc_set_log's level: no records at all */
} conc_log_level;

/* What a handler is given; all of it is borrowed for the call. */
typedef struct conc_log_record {
	int64_t time;        /* nanoseconds since 1970 (CLOCK_REALTIME) */
	const char *thread;  /* the thread's name */
	const char *message; /* without a line end; may hold several lines */
	conc_log_level level;
	int pid;      /* the process that wrote the record */
	int worker;   /* the pool's worker that wrote it, from 0; -1: none */
	int repeated; /* not 0: it stands for so many that were left out, see conc_log */
} conc_log_record;

/*
 * A handler runs in the thread that logs, with no lock held, several at once
 * if several threads log.  What it logs itself goes to the default handler.
 *
 * For records of worker processes it runs in a thread of their pool, which does
 * nothing else meanwhile, and as a callback does: what would wait for a future
 * returns -EDEADLK.
 */
typedef void conc_log_handler(const conc_log_record *record, void *user);

/*
 * conc_log: write a record.  level is one from DEBUG to ERROR; others are
 * ignored.  fmt and what follows are printf's; a message over 16383 bytes is
 * cut.  Below the level that was set it costs one load.  This thread's
 * current exception stays as it is.  Never fails.  MT-safe.
 *
 * Records of the same level and message, each next after the other from whichever
 * threads, are told five times within a second.  The others of that second are
 * left out, until it has passed or another record comes: then one goes before it
 * whose message ends with " (repeated N times)", whose repeated is N, and which
 * otherwise is as the last one left out; and the count begins anew.  Messages
 * over 511 bytes are always told, and so is what a handler logs itself.
 */
CONC_API void conc_log(conc_log_level level, const char *fmt, ...) CONC_PRINTF(2, 3);

/*
 * conc_set_log: hand records of level and above to handler from now on.
 * NULL: back to the default handler.  user is passed along.  A call of the
 * old handler may still run in another thread when this returns.  What repeats
 * were left out it is told first.
 * Return 0, or -EINVAL for an unknown level.  MT-safe.
 *
 * Worker processes begin with the level that there was when their pool was made or
 * refreshed.  One that calls this itself sets its own level, and with a handler
 * its records go to that, with NULL to the host again.
 */
CONC_API int conc_set_log(conc_log_handler *handler, void *user, conc_log_level level);

#ifdef __cplusplus
}
#endif

#endif
