/* SPDX-License-Identifier: MIT */
#ifndef CONC__CHUNK_H
#define CONC__CHUNK_H

/*
 * A map and its chunks: see map.c for the calling thread's part, chunk.c for
 * the workers'.
 */
#include "exec/executor.h"

struct conc__map {
	conc_executor *ex;
	conc_fn *fn;
	const char *args;
	char *results;
	size_t n, arg_size, result_size;
	const conc_map_options *o;

	/* The calling thread's: */
	conc_completions *awaited;
	struct conc__chunk *slots; /* the window */
	size_t window, chunk;
	size_t next;  /* the first item not handed out */
	size_t ended; /* items that ran */
	int answer;   /* why we stop handing out: map's own code, or 0 */
	bool stopped;
	size_t failed;             /* the lowest index that failed, */
	conc_exception *exception; /* and its exception; or the refusal's */
};

/* A part of the array on its way; a worker's while its task runs, then the caller's. */
struct conc__chunk {
	const struct conc__map *map;
	conc_future *future; /* NULL: the slot is free */
	size_t begin, end;
	size_t at; /* the item that runs, or the first that did not */
	size_t failed;
	conc_exception *exception; /* of item failed, the chunk's first; or NULL */
	int *codes;                /* of begin and on; or NULL: nobody asks */
	int64_t due;               /* when it may be sent again, conc__now() */
	int tries;                 /* runs of the item at so far */
	bool obeyed; /* an item was asked to stop, and did */
	bool began;  /* since it was sent */
	bool again;  /* the item at is to run again, when due */
	bool unsent; /* it holds items, and no task runs them; the caller's at all times */
};

/*
 * The task of a chunk, borrowed as its argument: its items, as far as it comes.
 * It never fails, unless an item ends the thread.  An item that is to run again
 * after a pause ends it early: the calling thread waits, not a worker.
 */
int conc__chunk_run(const void *arg, void *result);

/* The item at is to run again: when? */
int64_t conc__chunk_due(const struct conc__chunk *k);

#endif
