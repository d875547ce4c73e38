/* SPDX-License-Identifier: MIT */
/*
 * What submitters, the dispatcher and shutdown alike do to a process pool.
 */
#include "process/pool.h"
#include "base/clock.h"
#include "base/memory.h"
#include <string.h>

void
conc__process_ring(struct conc__process_pool *p)
{
	if (p->polling && !p->rung) {
		p->rung = true;
		conc__bell_ring(p->bell);
	}
}

void
conc__process_look_at(struct conc__process_pool *p, int64_t when)
{
	if (when < p->wakes) {
		p->wakes = when;
		conc__process_ring(p); /* it sleeps until later */
	}
}

bool
conc__process_more_polls(struct conc__process_pool *p)
{
	size_t n = p->most_polls == 0 ? 32 : 2 * p->most_polls;
	struct conc__poll *polls = conc__malloc(n * sizeof *polls);
	struct conc__polled *polled = conc__malloc(n * sizeof *polled);

	if (polls == NULL || polled == NULL) {
		conc__free(polls);
		conc__free(polled);
		return false;
	}
	if (p->most_polls > 0) {
		memcpy(polls, p->polls, p->most_polls * sizeof *polls);
		memcpy(polled, p->polled, p->most_polls * sizeof *polled);
	}
	conc__free(p->polls);
	conc__free(p->polled);
	p->polls = polls;
	p->polled = polled;
	p->most_polls = n;
	return true;
}

void
conc__process_counted(conc_executor *ex, uint32_t phase, int64_t ran)
{
	struct conc__process_pool *p = (struct conc__process_pool *)ex;

	if (conc__self()->executor == p) {
		conc__tally_counted(&p->dispatched, phase, ran);
		return;
	}
	conc__mutex_lock(&p->lock);
	conc__tally_counted(&p->others, phase, ran);
	conc__mutex_unlock(&p->lock);
}

void
conc__process_ended(conc_executor *ex)
{
	struct conc__process_pool *p = (struct conc__process_pool *)ex;

	if (conc__self()->executor == p) { /* told the next time it has the lock */
		p->ended_here++;
		return;
	}
	conc__mutex_lock(&p->lock);
	if (--p->unfinished == 0 && p->mode != CONC__OPEN)
		conc__process_ring(p);
	conc__mutex_unlock(&p->lock);
}

void
conc__process_ending(struct conc__process_pool *p, struct conc__task *t, uint32_t phase,
    conc_exception *e, int64_t ran)
{
	t->future.exception = e;
	t->phase = (uint8_t)phase;
	/* relaxed: between us and ourselves, under the lock */
	conc__store_relaxed(&t->since, (uint64_t)ran);
	t->next = NULL;
	if (p->ending == NULL)
		p->ending = t;
	else
		p->last_ending->next = t;
	p->last_ending = t;
}

void
conc__process_end(struct conc__task *t)
{
	conc_exception *e = t->future.exception;
	uint32_t phase = t->phase;
	/* relaxed: written by us, or under the lock */
	int64_t ran = (int64_t)conc__load_relaxed(&t->since);

	t->future.exception = NULL;
	t->place = CONC__NOWHERE;
	if (phase == CONC__FAILED &&
	    conc__task_retry(t, conc_exception_code(e), conc__now(), &ran))
		conc_exception_release(e);
	else
		conc__task_end(t, phase, e, ran);
}

void
conc__process_end_all(struct conc__process_pool *p)
{
	struct conc__task *t = p->ending, *next;

	p->ending = NULL;
	conc__mutex_unlock(&p->lock);
	for (; t != NULL; t = next) {
		next = t->next;
		conc__process_end(t);
	}
	conc__mutex_lock(&p->lock);
	p->unfinished -= p->ended_here;
	p->ended_here = 0;
}

void
conc__process_flush(struct conc__process_pool *p, const conc_exception *e)
{
	struct conc__task *t;

	while ((t = conc__queue_pop(&p->queue, false)) != NULL) {
		if (!conc__future_win(
			&t->future, e != NULL ? CONC__FINISHING : CONC__CANCELLING))
			continue; /* somebody else has, will find it nowhere, and end it */
		conc__process_ending(p, t, e != NULL ? CONC__FAILED : CONC__CANCELLED,
		    e != NULL ? conc_exception_ref(e) : NULL, -1);
	}
}

void
conc__process_break(struct conc__process_pool *p, conc_exception *e)
{
	if (p->broken == NULL)
		p->broken = conc__exception_make(CONC_EBROKEN, e, NULL,
		    conc_exception_death(e) != NULL
			? "workers keep dying"
			: p->options.init != NULL ? "the pool's init has failed"
						  : "workers cannot be set up");
	conc_exception_release(e);
	conc__process_flush(p, p->broken);
}
