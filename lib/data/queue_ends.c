/* SPDX-License-Identifier: MIT */
/*
 * The queue's ends: elements go in and come out, and threads wait for them or
 * for room.
 */
#include "base/clock.h"
#include "base/fork.h"
#include "data/queue.h"

/* Has this side nobody whom a change might have to wake? */
static bool
quiet(const struct conc__side *s)
{
	return s->waiting == 0 || s->called;
}

static void
call(struct conc__side *s)
{
	if (quiet(s))
		return;
	s->called = true;
	conc__condition_signal(&s->condition);
}

static size_t
room(const conc_queue *q)
{
	return q->capacity - conc__data_queue_count(q);
}

/* Within: what came in or went out has consequences. */
static void
settle(conc_queue *q)
{
	if (conc__data_queue_count(q) > 0)
		call(&q->getters);
	if (room(q) > 0)
		call(&q->putters);
	conc__data_queue_ring(q);
}

/* Within: wait on one's side.  0: look again; -ETIMEDOUT or -EDEADLK: do not. */
static int
wait_on(conc_queue *q, struct conc__side *s, conc_time deadline)
{
	int rc = conc__may_block(deadline);

	if (rc)
		return rc;
	s->waiting++;
	/* Woken by settle, by shut, or by the deadline. */
	conc__data_queue_block(q, &s->condition, deadline);
	s->waiting--;
	s->called = false;
	return 0;
}

/* Put n elements in by the tail alone, if that can be. */
static bool
put_quickly(conc_queue *q, const void *array, size_t n)
{
	bool quick;

	if (q->out.order != CONC_FIFO || conc__forked(q->generation))
		return false;
	conc__mutex_lock(&q->tail);
	quick = !q->closed && quiet(&q->getters) && (q->bell < 0 || q->rings) &&
	    n <= q->capacity - q->out_seen - q->in.size &&
	    conc__ring_extend(&q->in, array, n) == 0;
	if (quick)
		q->unfinished += n;
	conc__mutex_unlock(&q->tail);
	return quick;
}

/* Take n elements out by the head alone, if that can be, and some are left for the bell. */
static bool
get_quickly(conc_queue *q, void *array, size_t n)
{
	bool quick;

	if (q->out.compare || conc__forked(q->generation))
		return false;
	conc__mutex_lock(&q->head);
	quick = quiet(&q->putters) &&
	    (q->out.ring.size > n || (q->out.ring.size == n && q->bell < 0));
	if (quick)
		conc__store_take(&q->out, array, n);
	conc__mutex_unlock(&q->head);
	return quick;
}

/* Within: put n elements in, for which there is room. */
static int
put(conc_queue *q, const void *array, size_t n)
{
	int rc, forked;

	if (q->out.order == CONC_FIFO) {
		rc = conc__ring_extend(&q->in, array, n);
	} else {
		conc__data_queue_own(q);
		rc = conc__store_put(&q->out, array, n);
		forked = conc__data_queue_disown(q);
		if (forked)
			return forked;
	}
	if (!rc)
		q->unfinished += n;
	return rc;
}

/* Within: take n elements out, which exist. */
static int
get(conc_queue *q, void *array, size_t n)
{
	size_t first = n < q->out.ring.size ? n : q->out.ring.size;
	struct conc__ring empty;
	int forked;

	conc__data_queue_own(q);
	conc__store_take(&q->out, array, first);
	forked = conc__data_queue_disown(q);
	if (forked || first == n)
		return forked;
	empty = q->out.ring;
	q->out.ring = q->in;
	q->in = empty;
	conc__store_take(&q->out, (char *)array + first * q->out.element_size, n - first);
	return 0;
}

int
conc_queue_put_many(
    conc_queue *q, const void *array, size_t n, size_t *put_in, conc_time deadline)
{
	size_t in = 0, k;
	int rc;

	if (put_in)
		*put_in = 0;
	if (!array && n > 0)
		return -EINVAL;
	if (q && n > 0 && put_quickly(q, array, n)) {
		if (put_in)
			*put_in = n;
		return 0;
	}
	rc = conc__data_queue_enter(q);
	if (rc)
		return rc;
	rc = q->closed ? CONC_ESHUTDOWN : 0;
	while (!rc && in < n) {
		k = n - in < room(q) ? n - in : room(q);
		if (k > 0) {
			rc = put(q, (const char *)array + in * q->out.element_size, k);
			if (rc == CONC_EFORKED)
				return rc;
			in += rc ? 0 : k;
			settle(q);
		} else {
			rc = wait_on(q, &q->putters, deadline);
			if (q->closed)
				rc = CONC_ESHUTDOWN;
		}
	}
	conc__data_queue_leave(q);
	if (put_in)
		*put_in = in;
	return rc;
}

int
conc_queue_put(conc_queue *q, const void *element, conc_time deadline)
{
	return conc_queue_put_many(q, element, 1, NULL, deadline);
}

int
conc_queue_get_many(conc_queue *q, void *array, size_t max, size_t *n, conc_time deadline)
{
	size_t k;
	int rc;

	if (!array || max == 0 || !n)
		return -EINVAL;
	if (q && get_quickly(q, array, max)) {
		*n = max;
		return 0;
	}
	rc = conc__data_queue_enter(q);
	if (rc)
		return rc;
	while (!rc && (k = conc__data_queue_count(q)) == 0)
		rc = q->closed ? CONC_ESHUTDOWN : wait_on(q, &q->getters, deadline);
	if (!rc) {
		k = k < max ? k : max;
		rc = get(q, array, k);
		if (rc)
			return rc;
		*n = k;
		settle(q);
	}
	conc__data_queue_leave(q);
	return rc;
}

int
conc_queue_get(conc_queue *q, void *element, conc_time deadline)
{
	size_t n;

	return conc_queue_get_many(q, element, 1, &n, deadline);
}
