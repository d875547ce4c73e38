/* SPDX-License-Identifier: MIT */
#ifndef CONC__PROCESS_WORKER_H
#define CONC__PROCESS_WORKER_H

/*
 * A worker process: takes orders from its task pipe one after the other, runs
 * them, reports on its report pipe.  It ends by BYE, or when either pipe does.
 */
#include "process/zygote.h"

struct conc__worker_start {
	const struct conc__zygote_plan *plan;
	int slot;
	int orders;  /* its end of the task pipe, blocking */
	int reports; /* its end of the report pipe, blocking */
	int zygote;  /* the zygote's process id */
};

/* Its main function, for conc__process_start; the process exits with what it returns. */
int conc__worker_main(void *start);

#endif
