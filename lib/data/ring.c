/* SPDX-License-Identifier: MIT */
/*
 * The ring.  Index is an element's place in the order, slot its place in
 * memory: slot = (first + index) mod capacity.  What moves or copies many
 * elements does so in runs that do not wrap, one memcpy or memmove each.
 */
#include "data/ring.h"
#include "base/memory.h"
#include <errno.h>
#include <stdint.h>
#include <string.h>

/* A ring of so many slots or fewer is not shrunk: it would save nothing. */
enum { FEWEST = 8 };

static size_t
least(size_t a, size_t b)
{
	return a < b ? a : b;
}

static size_t
slot(const struct conc__ring *r, size_t i)
{
	return (r->first + i) & (r->capacity - 1);
}

bool
conc__ring_index(const struct conc__ring *r, ptrdiff_t i, size_t *at)
{
	/* Unsigned, so that no i overflows: the size never exceeds PTRDIFF_MAX. */
	size_t index = i < 0 ? r->size + (size_t)i : (size_t)i;

	if (index >= r->size)
		return false;
	*at = index;
	return true;
}

void
conc__ring_read(const struct conc__ring *r, void *array, size_t n)
{
	size_t run;

	if (n == 0)
		return;
	run = least(n, r->capacity - r->first);
	memcpy(array, conc__ring_at(r, 0), run * r->element_size);
	if (n > run)
		memcpy((unsigned char *)array + run * r->element_size, r->data,
		    (n - run) * r->element_size);
}

/* Copy an array over the n slots from index i on. */
static void
copy_in(struct conc__ring *r, size_t i, const void *array, size_t n)
{
	size_t run;

	if (n == 0)
		return;
	run = least(n, r->capacity - slot(r, i));
	memcpy(conc__ring_at(r, i), array, run * r->element_size);
	if (n > run)
		memcpy(r->data, (const unsigned char *)array + run * r->element_size,
		    (n - run) * r->element_size);
}

void
conc__ring_write(struct conc__ring *r, const void *array, size_t n)
{
	copy_in(r, 0, array, n);
}

static int
change_capacity(struct conc__ring *r, size_t capacity)
{
	unsigned char *data = conc__malloc(capacity * r->element_size);

	if (!data)
		return -ENOMEM;
	conc__ring_read(r, data, r->size);
	conc__free(r->data);
	r->data = data;
	r->capacity = capacity;
	r->first = 0;
	return 0;
}

int
conc__ring_reserve(struct conc__ring *r, size_t n)
{
	size_t most = (size_t)PTRDIFF_MAX / r->element_size, capacity = r->capacity;

	if (n > most - r->size)
		return -ENOMEM;
	if (r->size + n <= capacity)
		return 0;
	if (capacity == 0)
		capacity = 1;
	while (capacity < r->size + n)
		capacity *= 2; /* below 2 * most, which fits a size_t */
	return capacity > most ? -ENOMEM : change_capacity(r, capacity);
}

/* Give memory back when less than a quarter is used.  Without memory to move to, stay. */
static void
shrink(struct conc__ring *r)
{
	if (r->capacity > FEWEST && r->size < r->capacity / 4)
		(void)change_capacity(r, r->capacity / 2);
}

/*
 * Move the n elements from index `from` on to index `to` on.  The ranges may
 * overlap: so go upwards when moving down, and downwards when moving up.
 */
static void
move(struct conc__ring *r, size_t from, size_t to, size_t n)
{
	size_t run;

	for (; n > 0; n -= run) {
		if (to < from) {
			run = least(r->capacity - slot(r, from), r->capacity - slot(r, to));
			run = least(run, n);
			memmove(conc__ring_at(r, to), conc__ring_at(r, from),
			    run * r->element_size);
			from += run;
			to += run;
		} else {
			run = least(slot(r, from + n - 1), slot(r, to + n - 1)) + 1;
			run = least(run, n);
			memmove(conc__ring_at(r, to + n - run),
			    conc__ring_at(r, from + n - run),
			    run * r->element_size);
		}
	}
}

int
conc__ring_insert(struct conc__ring *r, size_t i, const void *element)
{
	int rc = conc__ring_reserve(r, 1);

	if (rc)
		return rc;
	if (i < r->size / 2) {
		/* The front is shorter: it makes one step back. */
		r->first = (r->first - 1) & (r->capacity - 1);
		move(r, 1, 0, i);
	} else {
		move(r, i, i + 1, r->size - i);
	}
	r->size++;
	memcpy(conc__ring_at(r, i), element, r->element_size);
	return 0;
}

int
conc__ring_extend(struct conc__ring *r, const void *array, size_t n)
{
	int rc = conc__ring_reserve(r, n);

	if (rc)
		return rc;
	copy_in(r, r->size, array, n);
	r->size += n;
	return 0;
}

void
conc__ring_take(struct conc__ring *r, size_t i, void *element)
{
	if (element)
		memcpy(element, conc__ring_at(r, i), r->element_size);
	if (i < r->size / 2) {
		move(r, 0, 1, i);
		r->first = slot(r, 1);
	} else {
		move(r, i + 1, i, r->size - i - 1);
	}
	r->size--;
	shrink(r);
}

void
conc__ring_shift(struct conc__ring *r, void *array, size_t n)
{
	conc__ring_read(r, array, n);
	r->first = slot(r, n);
	r->size -= n;
	shrink(r);
}

/* Swap size bytes, a piece at a time. */
static void
swap(unsigned char *a, unsigned char *b, size_t size)
{
	unsigned char piece[64];
	size_t n;

	for (; size > 0; size -= n, a += n, b += n) {
		n = least(size, sizeof piece);
		memcpy(piece, a, n);
		memcpy(a, b, n);
		memcpy(b, piece, n);
	}
}

void
conc__ring_reverse(struct conc__ring *r)
{
	size_t i;

	for (i = 0; i < r->size / 2; i++)
		swap(conc__ring_at(r, i), conc__ring_at(r, r->size - 1 - i), r->element_size);
}

void
conc__ring_clear(struct conc__ring *r)
{
	conc__free(r->data);
	r->data = NULL;
	r->capacity = r->first = r->size = 0;
}
