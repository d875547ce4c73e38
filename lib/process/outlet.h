/* SPDX-License-Identifier: MIT */
#ifndef CONC__OUTLET_H
#define CONC__OUTLET_H

/*
 * A worker process's end of its report pipe.
 *
 * Its main thread reports there; and all its threads, those that a task has
 * started too, send their log records there, each written whole before
 * conc_log returns: so it arrives even if the worker is killed right after.  A
 * lock keeps them apart.  Who holds it may wait until the host reads.
 */
#include "base/hook.h"
#include "base/lock.h"
#include "process/wire.h"

struct conc__outlet {
	struct conc__log_sink sink; /* first: it is cast back */
	struct conc__lock lock;     /* held over the bytes of a report; all zero is free */
	int fd;                     /* blocks */
	int slot;                   /* the worker's index */
	uint32_t generation;        /* of forks: a child of the worker must not write here */
};

/* From now on this process sends its records by o, whose members are set. */
void conc__outlet_open(struct conc__outlet *o);
/* No report is half written, and none will be begun: the process is to end now. */
void conc__outlet_shut(struct conc__outlet *o);

/* As conc__report_write. */
int conc__outlet_report(
    struct conc__outlet *o, const struct conc__report *r, const void *payload);
/* Report a failure: e is taken. */
int conc__outlet_failure(
    struct conc__outlet *o, const struct conc__report *report, conc_exception *e);

#endif
