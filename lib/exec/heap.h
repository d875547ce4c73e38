/* SPDX-License-Identifier: MIT */
#ifndef CONC__HEAP_H
#define CONC__HEAP_H

/*
 * A pairing heap of nodes that lie in what they order: the smallest key on
 * top, equal keys in the order in which they came.  Not locked: its owner's
 * lock guards it.  push is O(1), pop and remove are O(log n) on the average.
 */
#include "exec/task.h"

struct conc__heap {
	struct conc__node *top; /* NULL: empty */
	uint64_t pushed;        /* how many ever */
};

void conc__heap_push(struct conc__heap *h, struct conc__node *n, int64_t key);
void conc__heap_remove(struct conc__heap *h, struct conc__node *n); /* n is in h */

/* n was removed, and comes back to where it was: with its key, before who came after it. */
void conc__heap_put_back(struct conc__heap *h, struct conc__node *n);

#endif
