/* SPDX-License-Identifier: MIT */
/*
 * The store of a queue: a ring with one way out, or a binary heap.
 */
#include "data/store.h"
#include <stdalign.h>
#include <string.h>

void
conc__store_init(struct conc__store *s, size_t element_size, conc_queue_order order,
    conc__compare *compare)
{
	/* What its size says of an element's alignment. */
	size_t alignment = element_size & (~element_size + 1);

	*s = (struct conc__store){
	    .element_size = element_size, .compare = compare, .order = order};
	s->ring.element_size = element_size;
	if (order == CONC_PRIORITY) {
		if (alignment > alignof(max_align_t))
			alignment = alignof(max_align_t);
		s->ring.element_size = (element_size + sizeof s->numbered + alignment - 1) &
		    ~(alignment - 1);
	}
}

static uint64_t
number(const struct conc__store *s, size_t i)
{
	uint64_t n;

	memcpy(&n, (const char *)conc__ring_at(&s->ring, i) + s->element_size, sizeof n);
	return n;
}

static int
compare(const struct conc__store *s, size_t i, const void *element)
{
	return conc__compare_elements(
	    s->compare, conc__ring_at(&s->ring, i), element, s->element_size);
}

/* Does entry i come out before entry j? */
static bool
before(const struct conc__store *s, size_t i, size_t j)
{
	int c = compare(s, i, conc__ring_at(&s->ring, j));

	return c != 0 ? c < 0 : number(s, i) < number(s, j);
}

static void
copy_entry(struct conc__store *s, size_t to, size_t from)
{
	if (to != from)
		memcpy(conc__ring_at(&s->ring, to), conc__ring_at(&s->ring, from),
		    s->ring.element_size);
}

/* Add an entry, for which there is room; it is the last of its equals. */
static void
push(struct conc__store *s, const void *element)
{
	size_t i = s->ring.size++;

	for (; i > 0 && compare(s, (i - 1) / 2, element) > 0; i = (i - 1) / 2)
		copy_entry(s, i, (i - 1) / 2);
	memcpy(conc__ring_at(&s->ring, i), element, s->element_size);
	memcpy((char *)conc__ring_at(&s->ring, i) + s->element_size, &s->numbered,
	    sizeof s->numbered);
	s->numbered++;
}

/* Take entry 0 out: the last one goes down from its place. */
static void
pop(struct conc__store *s, void *element)
{
	size_t last = s->ring.size - 1, i = 0, child;

	memcpy(element, conc__ring_at(&s->ring, 0), s->element_size);
	while ((child = 2 * i + 1) < last) {
		if (child + 1 < last && before(s, child + 1, child))
			child++;
		if (!before(s, child, last))
			break;
		copy_entry(s, i, child);
		i = child;
	}
	copy_entry(s, i, last);
	conc__ring_take(&s->ring, last, NULL);
}

int
conc__store_put(struct conc__store *s, const void *array, size_t n)
{
	int rc;

	if (s->order != CONC_PRIORITY)
		return conc__ring_extend(&s->ring, array, n);
	rc = conc__ring_reserve(&s->ring, n);
	if (rc)
		return rc;
	for (size_t i = 0; i < n; i++)
		push(s, (const char *)array + i * s->element_size);
	return 0;
}

void
conc__store_take(struct conc__store *s, void *array, size_t n)
{
	char *element = array;

	if (s->order == CONC_FIFO) {
		conc__ring_shift(&s->ring, array, n);
		return;
	}
	for (; n > 0; n--, element += s->element_size)
		if (s->order == CONC_LIFO)
			conc__ring_take(&s->ring, s->ring.size - 1, element);
		else
			pop(s, element);
}
