/* SPDX-License-Identifier: MIT */
/*
 * The locked list: what goes over all of it.
 *
 * compare and visit are the program's.  While one runs this thread owns the
 * list, and the list is pinned: this thread may read it, other threads wait,
 * nothing moves.  Scans nest, a visit may well call find; so each puts back
 * the pin that it found.
 */
#include "data/list.h"
#include "base/fork.h"
#include "base/memory.h"
#include "data/merge_sort.h"

/* Enter, and pin the list; store the pin to put back. */
static int
pin(conc_list *l, enum conc__list_use use, size_t *before)
{
	int rc = conc__list_enter(l, use);

	if (rc)
		return rc;
	conc__list_own(l);
	*before = l->pinned;
	l->pinned = l->depth;
	conc__list_leave(l);
	return 0;
}

/* Enter again; unless the program's code has forked, and this is the child. */
static int
unpin(conc_list *l, size_t before)
{
	if (conc__forked(l->generation))
		return CONC_EFORKED;
	conc__mutex_lock(&l->mutex);
	l->pinned = before;
	conc__list_disown(l);
	return 0;
}

/* The first index from i on whose element equals *element; the size if there is none. */
static size_t
search(const struct conc__ring *r, size_t i, const void *element, conc__compare *compare)
{
	while (i < r->size && conc__compare_elements(compare, element, conc__ring_at(r, i),
				  r->element_size) != 0)
		i++;
	return i;
}

int
conc_list_remove(conc_list *l, const void *element, int (*compare)(const void *, const void *))
{
	size_t at, before;
	int rc;

	if (!element)
		return -EINVAL;
	rc = pin(l, CONC__LIST_TAKE, &before);
	if (rc)
		return rc;
	at = search(&l->ring, 0, element, compare);
	rc = unpin(l, before);
	if (rc)
		return rc;
	if (at < l->ring.size)
		conc__ring_take(&l->ring, at, NULL);
	else
		rc = -ENOENT;
	conc__list_leave(l);
	return rc;
}

int
conc_list_find(conc_list *l, const void *element, int (*compare)(const void *, const void *),
    ptrdiff_t *i)
{
	size_t at, before;
	int rc;

	if (!element || !i)
		return -EINVAL;
	rc = pin(l, CONC__LIST_READ, &before);
	if (rc)
		return rc;
	at = search(&l->ring, 0, element, compare);
	rc = unpin(l, before);
	if (rc)
		return rc;
	if (at < l->ring.size)
		*i = (ptrdiff_t)at;
	else
		rc = -ENOENT;
	conc__list_leave(l);
	return rc;
}

int
conc_list_count(conc_list *l, const void *element, int (*compare)(const void *, const void *),
    size_t *n)
{
	size_t at = 0, found = 0, before;
	int rc;

	if (!element || !n)
		return -EINVAL;
	rc = pin(l, CONC__LIST_READ, &before);
	if (rc)
		return rc;
	while ((at = search(&l->ring, at, element, compare)) < l->ring.size) {
		at++;
		found++;
	}
	rc = unpin(l, before);
	if (rc)
		return rc;
	conc__list_leave(l);
	*n = found;
	return 0;
}

size_t
conc_list_size(conc_list *l)
{
	size_t size;

	if (conc__list_enter(l, CONC__LIST_READ) != 0)
		return 0;
	size = l->ring.size;
	conc__list_leave(l);
	return size;
}

int
conc_list_clear(conc_list *l)
{
	int rc = conc__list_enter(l, CONC__LIST_PUT);

	if (rc)
		return rc;
	conc__ring_clear(&l->ring);
	conc__list_leave(l);
	return 0;
}

/* Sorts a copy, so that compare sees the list as it was, and writes it back. */
int
conc_list_sort(conc_list *l, int (*compare)(const void *, const void *))
{
	struct conc__ring *r;
	unsigned char *copy = NULL, *sorted = NULL;
	size_t bytes, before;
	int rc, failed = 0;

	rc = pin(l, CONC__LIST_TAKE, &before);
	if (rc)
		return rc;
	r = &l->ring;
	bytes = r->size * r->element_size; /* fits a ptrdiff_t, and so its double a size_t */
	if (r->size > 1)
		copy = conc__malloc(2 * bytes);
	if (copy) {
		conc__ring_read(r, copy, r->size);
		sorted = conc__merge_sort(
		    copy, copy + bytes, r->size, r->element_size, compare);
	} else if (r->size > 1)
		failed = -ENOMEM;
	rc = unpin(l, before);
	if (!rc) {
		if (sorted)
			conc__ring_write(r, sorted, r->size);
		conc__list_leave(l);
	}
	conc__free(copy);
	return rc ? rc : failed;
}

int
conc_list_reverse(conc_list *l)
{
	int rc = conc__list_enter(l, CONC__LIST_TAKE);

	if (rc)
		return rc;
	conc__ring_reverse(&l->ring);
	conc__list_leave(l);
	return 0;
}

int
conc_list_copy(conc_list *l, void *array, size_t max, size_t *n)
{
	int rc;

	if ((!array && max > 0) || !n)
		return -EINVAL;
	rc = conc__list_enter(l, CONC__LIST_READ);
	if (rc)
		return rc;
	conc__ring_read(&l->ring, array, max < l->ring.size ? max : l->ring.size);
	*n = l->ring.size;
	conc__list_leave(l);
	return 0;
}

int
conc_list_each(conc_list *l, int (*visit)(void *element, void *user), void *user)
{
	size_t i, before;
	int rc, visited = 0;

	if (!visit)
		return -EINVAL;
	rc = pin(l, CONC__LIST_READ, &before);
	if (rc)
		return rc;
	for (i = 0; i < l->ring.size && visited == 0; i++)
		visited = visit(conc__ring_at(&l->ring, i), user);
	rc = unpin(l, before);
	if (rc)
		return rc;
	conc__list_leave(l);
	return visited;
}
