/* SPDX-License-Identifier: MIT */
#ifndef CONC__PROCESS_RUN_H
#define CONC__PROCESS_RUN_H

/*
 * How a worker process runs an order.
 */
#include "process/outlet.h"
#include "process/worker.h"
#include <stddef.h>

/* A block that is kept for the next order, for new pages cost more than what is in them. */
struct conc__block {
	void *p;
	size_t size;
};

/* Let it be of size bytes at least, whatever is in them; NULL: no memory. */
void *conc__block_fit(struct conc__block *b, size_t size);

struct conc__runner {
	const struct conc__zygote_plan *plan;
	struct conc__page *page; /* this worker's */
	struct conc__outlet outlet; /* its end of the report pipe */
	bool wide;               /* the report pipe has been widened, or must not be */
	struct conc__block room; /* for a large result, and */
	_Alignas(max_align_t) unsigned char small[1024]; /* for a small one */
};

/*
 * Claim the order, and if it is not revoked run it and report.  payload is its
 * argument or arguments, aligned for any type; NULL: there is none, or there
 * was no memory for it.  name may be NULL.  Return 0, or a code: the report pipe
 * is at its end.
 */
int conc__order_run(struct conc__runner *r, const struct conc__order *o, const void *payload,
    const char *name);

/*
 * Call what is the program's: a task, init, fini.  Who leaves it by pthread_exit
 * ends the process, and so does a child that it forked and that returns here.
 */
int conc__run_guarded(const struct conc__runner *r, int (*call)(void *arg), void *arg);

#endif
