/* SPDX-License-Identifier: MIT */
#ifndef CONC__STORE_H
#define CONC__STORE_H

/*
 * A store: what a queue holds, in the order in which it is to come out.
 *
 * First in first out and last in first out are a ring, taken from its front or
 * its end.  Least first is a binary heap in a ring that never wraps: entry i's
 * children are 2i + 1 and 2i + 2, and neither is before it.  Behind its
 * element an entry has a number, counted up with each, so that equals come out
 * as they went in.  No lock: the queue's guards it.
 */
#include "data/merge_sort.h"
#include "data/ring.h"
#include <conc/queue.h>
#include <stdint.h>

struct conc__store {
	struct conc__ring ring;
	size_t element_size;    /* the ring's, less the number */
	uint64_t numbered;      /* how many entries ever; CONC_PRIORITY alone */
	conc__compare *compare; /* CONC_PRIORITY alone; NULL: memcmp */
	conc_queue_order order;
};

void conc__store_init(struct conc__store *s, size_t element_size, conc_queue_order order,
    conc__compare *compare);

/* Put n elements in.  -ENOMEM, and nothing has changed. */
int conc__store_put(struct conc__store *s, const void *array, size_t n);

/* Take the next n elements, which must exist, out into an array. */
void conc__store_take(struct conc__store *s, void *array, size_t n);

#endif
