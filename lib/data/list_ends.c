/* SPDX-License-Identifier: MIT */
/*
 * The locked list: elements go in and come out, and threads wait for them.
 *
 * Wake-ups.  Whoever waits in pop_wait waits for an element at his index, that
 * is for a size of i + 1 or -i.  Only putting in makes the size grow, and only
 * close ends the hope, so these two wake, under the lock.  For one element one
 * waiter is enough, provided that any will do: a waiter for index 0 or -1
 * takes whatever there is.  As soon as a picky one waits, for whom an element
 * may be one too few, the single wake-up might go to him while another could
 * have taken the element: then all are woken.  A woken waiter looks again
 * before he gives up, so a wake-up that meets his deadline is not lost either.
 */
#include "base/clock.h"
#include "data/list.h"
#include <string.h>

/* n elements came in. */
static void
grown(conc_list *l, size_t n)
{
	if (n == 0 || l->waiters == 0)
		return;
	if (n == 1 && l->picky == 0)
		conc__condition_signal(&l->grew);
	else
		conc__condition_broadcast(&l->grew);
}

/* Find index i.  0, -ENOENT (the list is empty) or -ERANGE. */
static int
locate(const conc_list *l, ptrdiff_t i, size_t *at)
{
	if (conc__ring_index(&l->ring, i, at))
		return 0;
	return l->ring.size == 0 ? -ENOENT : -ERANGE;
}

int
conc_list_insert(conc_list *l, ptrdiff_t i, const void *element)
{
	size_t at;
	int rc;

	if (!element)
		return -EINVAL;
	rc = conc__list_enter(l, CONC__LIST_PUT);
	if (rc)
		return rc;
	if (i >= 0 && (size_t)i == l->ring.size)
		at = l->ring.size;
	else if (!conc__ring_index(&l->ring, i, &at))
		rc = -ERANGE;
	if (!rc)
		rc = conc__ring_insert(&l->ring, at, element);
	if (!rc)
		grown(l, 1);
	conc__list_leave(l);
	return rc;
}

int
conc_list_prepend(conc_list *l, const void *element)
{
	return conc_list_insert(l, 0, element);
}

int
conc_list_extend(conc_list *l, const void *array, size_t n)
{
	int rc;

	if (!array && n > 0)
		return -EINVAL;
	rc = conc__list_enter(l, CONC__LIST_PUT);
	if (rc)
		return rc;
	rc = conc__ring_extend(&l->ring, array, n);
	if (!rc)
		grown(l, n);
	conc__list_leave(l);
	return rc;
}

int
conc_list_append(conc_list *l, const void *element)
{
	return conc_list_extend(l, element, 1);
}

int
conc_list_pop(conc_list *l, ptrdiff_t i, void *element)
{
	size_t at;
	int rc = conc__list_enter(l, CONC__LIST_TAKE);

	if (rc)
		return rc;
	rc = locate(l, i, &at);
	if (!rc)
		conc__ring_take(&l->ring, at, element);
	else if (rc == -ENOENT && l->closed)
		rc = CONC_ESHUTDOWN;
	conc__list_leave(l);
	return rc;
}

int
conc_list_pop_wait(conc_list *l, ptrdiff_t i, void *element, conc_time deadline)
{
	bool picky = i != 0 && i != -1, late = false, callback = false;
	size_t at;
	int rc = conc__list_enter(l, CONC__LIST_READ);

	if (rc)
		return rc;
	if (l->owner != 0) {
		/* It is this thread: while it waited here nothing could come in. */
		conc__list_leave(l);
		return -EDEADLK;
	}
	l->waiters++;
	l->picky += picky;
	/* Woken by grown() when an element came in, by conc_list_close, by the deadline. */
	while ((rc = locate(l, i, &at)) != 0 && !l->closed && !late) {
		callback = conc__self()->callbacks > 0 && !conc__passed(deadline);
		if (callback)
			break; /* the library's threads must not block in it */
		late = conc__condition_wait(&l->grew, &l->mutex, deadline) != 0;
		conc__list_await(l);
	}
	l->picky -= picky;
	l->waiters--;
	if (!rc)
		conc__ring_take(&l->ring, at, element);
	else
		rc = l->closed ? CONC_ESHUTDOWN : callback ? -EDEADLK : -ETIMEDOUT;
	conc__list_leave(l);
	return rc;
}

int
conc_list_close(conc_list *l)
{
	int rc = conc__list_enter(l, CONC__LIST_READ);

	if (rc)
		return rc;
	l->closed = true;
	conc__condition_broadcast(&l->grew);
	conc__list_leave(l);
	return 0;
}

int
conc_list_get(conc_list *l, ptrdiff_t i, void *element)
{
	size_t at;
	int rc;

	if (!element)
		return -EINVAL;
	rc = conc__list_enter(l, CONC__LIST_READ);
	if (rc)
		return rc;
	rc = locate(l, i, &at);
	if (!rc)
		/* memmove: a visit may read into the very element that it was given. */
		memmove(element, conc__ring_at(&l->ring, at), l->ring.element_size);
	conc__list_leave(l);
	return rc;
}

int
conc_list_set(conc_list *l, ptrdiff_t i, const void *element)
{
	size_t at;
	int rc;

	if (!element)
		return -EINVAL;
	rc = conc__list_enter(l, CONC__LIST_PUT);
	if (rc)
		return rc;
	rc = locate(l, i, &at);
	if (!rc)
		memcpy(conc__ring_at(&l->ring, at), element, l->ring.element_size);
	conc__list_leave(l);
	return rc;
}
