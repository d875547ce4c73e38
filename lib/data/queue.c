/* SPDX-License-Identifier: MIT */
/*
 * The queue: its life, its closing, and what is done with its elements.
 * queue_ends.c puts them in and takes them out, queue_lock.c holds the locks.
 */
#include "data/queue.h"
#include "base/clock.h"
#include "base/fork.h"
#include "base/memory.h"
#include "base/options.h"
#include "base/process.h"

static int
check_options(const conc_queue_options *o)
{
	if ((unsigned)o->order > CONC_PRIORITY || o->flags != 0)
		return -EINVAL;
	return o->compare && o->order != CONC_PRIORITY ? -EINVAL : 0;
}

static int
make_locks(conc_queue *q)
{
	struct conc__condition *const conditions[] = {
	    &q->freed, &q->idle, &q->getters.condition, &q->putters.condition};
	size_t n = 0;
	int rc = conc__mutex_init(&q->head, CONC__RANK_QUEUE);

	if (rc)
		return rc;
	rc = conc__mutex_init(&q->tail, CONC__RANK_QUEUE_TAIL);
	if (rc)
		goto head;
	for (; n < sizeof conditions / sizeof conditions[0]; n++) {
		rc = conc__condition_init(conditions[n]);
		if (rc)
			goto conditions;
	}
	return 0;
conditions:
	while (n-- > 0)
		conc__condition_destroy(conditions[n]);
	conc__mutex_destroy(&q->tail);
head:
	conc__mutex_destroy(&q->head);
	return rc;
}

int
conc_queue_create(conc_queue **q, size_t element_size, const conc_queue_options *options)
{
	conc_queue_options o = CONC_QUEUE_INIT;
	conc_queue *new;
	int rc;

	if (!q || element_size == 0)
		return -EINVAL;
	rc = conc__options_read(&o, sizeof o, sizeof o, options);
	if (!rc)
		rc = check_options(&o);
	if (rc)
		return rc;
	if (element_size > (size_t)PTRDIFF_MAX)
		return -ENOMEM;
	new = conc__calloc(1, sizeof *new);
	if (!new)
		return -ENOMEM;
	new->bell = -1;
	new->capacity = o.capacity > 0 ? o.capacity : SIZE_MAX;
	new->destroy = o.destroy;
	new->user = o.user;
	new->in.element_size = element_size;
	conc__store_init(&new->out, element_size, o.order, o.compare);
	rc = conc__generation(&new->generation);
	if (!rc)
		rc = make_locks(new);
	if (rc) {
		conc__free(new);
		return rc;
	}
	*q = new;
	return 0;
}

/* Without a lock: destroy the elements of a ring that nobody else has any more. */
static void
drop(const conc_queue *q, struct conc__ring *r)
{
	if (q->destroy)
		for (size_t i = 0; i < r->size; i++)
			q->destroy(conc__ring_at(r, i), q->user);
	conc__ring_clear(r);
}

/* In the child of a fork a thread that is not here may have held a lock: then leave it. */
static void
forget(struct conc__mutex *m, struct conc__ring *r)
{
	if (!conc__mutex_try(m))
		return;
	conc__ring_clear(r);
	conc__mutex_unlock(m);
}

void
conc_queue_destroy(conc_queue *q)
{
	if (!q)
		return;
	if (conc__forked(q->generation)) {
		forget(&q->head, &q->out.ring);
		forget(&q->tail, &q->in);
	} else {
		drop(q, &q->out.ring);
		drop(q, &q->in);
		conc__condition_destroy(&q->putters.condition);
		conc__condition_destroy(&q->getters.condition);
		conc__condition_destroy(&q->idle);
		conc__condition_destroy(&q->freed);
		conc__mutex_destroy(&q->tail);
		conc__mutex_destroy(&q->head);
	}
	if (q->bell >= 0)
		(void)conc__close(q->bell);
	conc__free(q);
}

void
conc__data_queue_ring(conc_queue *q)
{
	bool rings = q->closed || conc__data_queue_count(q) > 0;

	if (q->bell < 0 || rings == q->rings)
		return;
	q->rings = rings;
	if (rings)
		conc__bell_ring(q->bell);
	else
		conc__bell_hush(q->bell);
}

size_t
conc_queue_size(conc_queue *q)
{
	int rc = conc__data_queue_enter(q);
	size_t n;

	if (rc == -EDEADLK) /* within compare: out is this thread's */
		return q->out.ring.size;
	if (rc)
		return 0;
	n = conc__data_queue_count(q);
	conc__data_queue_leave(q);
	return n;
}

/* Within: is nothing left to be done? */
static bool
idle(const conc_queue *q)
{
	return q->unfinished == 0 && q->dropping == 0;
}

/* Within: some are done. */
static void
tell_joiners(conc_queue *q)
{
	if (q->joiners > 0 && idle(q))
		conc__condition_broadcast(&q->idle);
}

int
conc_queue_task_done(conc_queue *q)
{
	int rc = conc__data_queue_enter(q);

	if (rc)
		return rc;
	if (q->unfinished > 0) {
		q->unfinished--;
		tell_joiners(q);
	} else {
		rc = CONC_ESTATE;
	}
	conc__data_queue_leave(q);
	return rc;
}

int
conc_queue_join(conc_queue *q, conc_time deadline)
{
	int rc = conc__data_queue_enter(q);

	if (rc)
		return rc;
	q->joiners++;
	while (!rc && !idle(q)) {
		rc = conc__may_block(deadline);
		if (!rc) /* woken by tell_joiners, or by the deadline */
			conc__data_queue_block(q, &q->idle, deadline);
	}
	q->joiners--;
	conc__data_queue_leave(q);
	return rc;
}

/* Within: nothing goes in any more, and nobody waits at its ends. */
static void
shut(conc_queue *q)
{
	q->closed = true;
	conc__condition_broadcast(&q->getters.condition);
	conc__condition_broadcast(&q->putters.condition);
	conc__data_queue_ring(q);
}

int
conc_queue_close(conc_queue *q)
{
	int rc = conc__data_queue_enter(q);

	if (rc)
		return rc;
	shut(q);
	conc__data_queue_leave(q);
	return 0;
}

/* Within: take a ring's elements away. */
static struct conc__ring
steal(struct conc__ring *r)
{
	struct conc__ring stolen = *r;

	*r = (struct conc__ring){.element_size = stolen.element_size};
	return stolen;
}

int
conc_queue_close_now(conc_queue *q)
{
	struct conc__ring out, in;
	size_t n;
	int rc = conc__data_queue_enter(q);

	if (rc)
		return rc;
	out = steal(&q->out.ring);
	in = steal(&q->in);
	n = out.size + in.size;
	if (n > q->unfinished) /* somebody told too early: those are done already */
		n = q->unfinished;
	q->unfinished -= n;
	q->dropping += n;
	shut(q);
	conc__data_queue_leave(q);
	drop(q, &out);
	drop(q, &in);
	rc = conc__data_queue_enter(q);
	if (rc) /* destroy has forked, and this is the child */
		return rc;
	q->dropping -= n;
	tell_joiners(q);
	conc__data_queue_leave(q);
	return 0;
}

int
conc_queue_fd(conc_queue *q)
{
	int fd = conc__data_queue_enter(q);

	if (fd)
		return fd;
	fd = q->bell >= 0 ? q->bell : conc__bell();
	if (fd >= 0) {
		q->bell = fd;
		conc__data_queue_ring(q);
	}
	conc__data_queue_leave(q);
	return fd;
}
