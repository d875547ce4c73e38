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

/*
 * A part of the array on its way; a worker's while its task runs, then the
 * caller's.  An engine whose workers are other processes takes the worker's
 * part: at, failed, exception, codes, due, tries, obeyed, began and again are
 * the engine's while the task is handed out, and say what the worker reported.
 */
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

/* The chunk whose task t is; NULL: it is another task. */
static inline struct conc__chunk *
conc__chunk_of(const struct conc__task *t)
{
	return t->fn == conc__chunk_run ? (struct conc__chunk *)(uintptr_t)t->arg : NULL;
}

/*
 * The item at has ended with code: note it, and go on to the next.  k->obeyed
 * is set before if it did as it was asked, which is no failure.  e: a failing
 * item's exception, taken; NULL: this thread's current one, or one of code
 * alone.  Return false if the chunk is to stop here.
 */
bool conc__chunk_item_ended(struct conc__chunk *k, int code, conc_exception *e);

/* The item at is to run again: when? */
int64_t conc__chunk_due(const struct conc__chunk *k);

#endif
