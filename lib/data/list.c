/* SPDX-License-Identifier: MIT */
/*
 * The locked list: its life and its lock.  list_ends.c puts elements in and
 * takes them out, and waits for them; list_scan.c goes over all of them.
 */
#include "data/list.h"
#include "base/fork.h"
#include "base/memory.h"

int
conc_list_create(conc_list **l, size_t element_size)
{
	conc_list *new;
	int rc;

	if (!l || element_size == 0)
		return -EINVAL;
	if (element_size > (size_t)PTRDIFF_MAX)
		return -ENOMEM;
	new = conc__calloc(1, sizeof *new);
	if (!new)
		return -ENOMEM;
	new->ring.element_size = element_size;
	rc = conc__generation(&new->generation);
	if (!rc)
		rc = conc__monitor_init(
		    &new->mutex, CONC__RANK_LIST, &new->freed, &new->grew);
	if (rc)
		conc__free(new);
	else
		*l = new;
	return rc;
}

void
conc_list_destroy(conc_list *l)
{
	if (!l)
		return;
	/*
	 * In the child of a fork the mutex may be held, and waited on, by threads it
	 * has not.  If one held it, the elements were perhaps half moved: leave them.
	 */
	if (conc__forked(l->generation)) {
		if (conc__mutex_try(&l->mutex)) {
			conc__ring_clear(&l->ring);
			conc__mutex_unlock(&l->mutex);
		}
		conc__free(l);
		return;
	}
	conc__monitor_destroy(&l->mutex, &l->freed, &l->grew);
	conc__ring_clear(&l->ring);
	conc__free(l);
}

void
conc__list_await(conc_list *l)
{
	l->blocked++;
	/* Woken by the last conc__list_disown. */
	while (l->owner != 0 && l->owner != conc__self()->number)
		(void)conc__condition_wait(&l->freed, &l->mutex, CONC_FOREVER);
	l->blocked--;
}

static int
refusal(const conc_list *l, enum conc__list_use use)
{
	/* Only the thread that runs compare or visit gets here while the list is pinned. */
	if (use != CONC__LIST_READ && l->pinned)
		return -EDEADLK;
	if (use == CONC__LIST_PUT && l->closed)
		return CONC_ESHUTDOWN;
	return 0;
}

int
conc__list_enter(conc_list *l, enum conc__list_use use)
{
	int rc;

	if (!l)
		return -EINVAL;
	if (conc__forked(l->generation))
		return CONC_EFORKED;
	conc__mutex_lock(&l->mutex);
	conc__list_await(l);
	rc = refusal(l, use);
	if (rc)
		conc__list_leave(l);
	return rc;
}

void
conc__list_leave(conc_list *l)
{
	conc__mutex_unlock(&l->mutex);
}

void
conc__list_own(conc_list *l)
{
	l->owner = conc__self()->number;
	l->depth++;
}

void
conc__list_disown(conc_list *l)
{
	if (--l->depth > 0)
		return;
	l->owner = 0;
	/* All: one who is woken need not become the owner, and then would wake nobody. */
	if (l->blocked)
		conc__condition_broadcast(&l->freed);
}

int
conc_list_lock(conc_list *l)
{
	int rc = conc__list_enter(l, CONC__LIST_READ);

	if (rc)
		return rc;
	conc__list_own(l);
	conc__list_leave(l);
	return 0;
}

int
conc_list_unlock(conc_list *l)
{
	int rc = 0;

	if (!l)
		return -EINVAL;
	if (conc__forked(l->generation))
		return CONC_EFORKED;
	conc__mutex_lock(&l->mutex);
	/* A visit may give back what it took itself, not what it runs under. */
	if (l->owner != conc__self()->number || l->depth <= l->pinned)
		rc = -EPERM;
	else
		conc__list_disown(l);
	conc__list_leave(l);
	return rc;
}

conc_list *
conc_list_with_at(conc_list *l)
{
	return conc_list_lock(l) == 0 ? l : NULL;
}

void
conc_list_with_end(conc_list **l)
{
	if (l && *l)
		(void)conc_list_unlock(*l);
}
