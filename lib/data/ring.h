/* SPDX-License-Identifier: MIT */
#ifndef CONC__RING_H
#define CONC__RING_H

/*
 * A ring: a growing array whose first element may lie anywhere in its memory
 * and which wraps round at the end of it, so that both ends are O(1).
 *
 *	data:  | d e . . . a b c |      first = 5, size = 5, capacity = 8
 *
 * No lock: whoever owns the ring sees to that.  Elements are kept by value.
 * The capacity is 0 or a power of two.  It doubles when the ring is full, and
 * halves when less than a quarter is used: after either, half as many changes
 * as there are elements must come before the next, so that a change costs O(1)
 * on the average, however puts and takes alternate.
 */
#include <stdbool.h>
#include <stddef.h>

struct conc__ring {
	unsigned char *data;
	size_t element_size; /* bytes, 1 or more */
	size_t capacity;     /* slots */
	size_t first;        /* the slot of element 0 */
	size_t size;         /* elements; capacity * element_size fits a ptrdiff_t */
};

/* Element i, which must be below capacity; at size and beyond it is room. */
static inline void *
conc__ring_at(const struct conc__ring *r, size_t i)
{
	return r->data + ((r->first + i) & (r->capacity - 1)) * r->element_size;
}

/* Does element i exist, counted from the end if negative?  Then write its place to *at. */
bool conc__ring_index(const struct conc__ring *r, ptrdiff_t i, size_t *at);

/* Make room for n more elements.  -ENOMEM, and nothing has changed. */
int conc__ring_reserve(struct conc__ring *r, size_t n);

/* Put an element in before element i (size: at the end).  -ENOMEM. */
int conc__ring_insert(struct conc__ring *r, size_t i, const void *element);

/* Put n elements in at the end.  -ENOMEM. */
int conc__ring_extend(struct conc__ring *r, const void *array, size_t n);

/* Take element i, which must exist, out; into element unless that is NULL. */
void conc__ring_take(struct conc__ring *r, size_t i, void *element);

/* Take the first n elements, which must exist, out into an array. */
void conc__ring_shift(struct conc__ring *r, void *array, size_t n);

/* Copy the first n elements, which must exist, out to an array, or over them from one. */
void conc__ring_read(const struct conc__ring *r, void *array, size_t n);
void conc__ring_write(struct conc__ring *r, const void *array, size_t n);

void conc__ring_reverse(struct conc__ring *r);

/* Drop all elements and free the memory; the ring is empty and usable. */
void conc__ring_clear(struct conc__ring *r);

#endif
