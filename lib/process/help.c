/* SPDX-License-Identifier: MIT */
/*
 * A waiter reads the pipe itself.
 *
 * A thread that waits for a task would be woken by the dispatcher, which was
 * woken by the worker: two wake-ups, each of which costs more than all else.
 * So if its task is the only one that the worker has, the waiter takes the
 * dispatcher's place at that one pipe: the slot is lent, and the dispatcher does
 * not poll it.  It stays lent for a while after the waiter has gone, for mostly
 * the next one comes soon; all that time the dispatcher looks in now and then.
 * Both waiter and worker stay awake for a moment before they sleep: base/spin.h.
 *
 * The waiter ends its own task alone; callbacks, retries, deaths, log records,
 * and all else that may come of what it read are left to the dispatcher.
 */
#include "base/clock.h"
#include "process/pool.h"

/* Without the lock: block until the worker has reported order seq, perhaps, or the deadline. */
static void
await(struct conc__process_pool *p, struct conc__slot *s, uint64_t seq, conc_time deadline)
{
	struct conc__poll polls[] = {{s->fds[CONC__REPORTS_READ], CONC__READABLE, 0},
	    {p->helpers_bell, CONC__READABLE, 0}};
	/* woken by the worker; by the dispatcher, if it needs us gone; by a signal */
	if (!conc__spin_beyond(&s->spin, &s->page->reported, seq - 1))
		(void)conc__poll(polls, 2, deadline);
}

void
conc__process_call_away(struct conc__process_pool *p, const struct conc__slot *s)
{
	if (!s->helped)
		return;
	p->helpers_rung = true;
	conc__bell_ring(p->helpers_bell);
}

/* With the lock held: may this thread help with t, which s has? */
static bool
may_help(const struct conc__process_pool *p, const struct conc__slot *s,
    const struct conc__task *t)
{
	return s->state == CONC__SLOT_READY && s->out == 1 && !s->helped && !s->deaf &&
	    s->record == NULL && p->mode == CONC__OPEN && t->extras == NULL &&
	    !conc__executor_inside(&p->executor);
}

/* With the lock held: take t out of those that are to end, if it is one of them. */
static bool
pick(struct conc__process_pool *p, const struct conc__task *t)
{
	if (p->ending != t || t->next != NULL)
		return false;
	p->ending = NULL;
	return true;
}

/*
 * With the lock held: end t, which was picked, here.  Then it is counted, and its
 * future held until it has ended, so that nobody can ask for a call back, which
 * is not this thread's to make.  Who has asked already is the dispatcher's.
 */
static bool
keep(struct conc__process_pool *p, struct conc__task *t)
{
	/* relaxed: written under the lock */
	int64_t ran = (int64_t)conc__load_relaxed(&t->since);
	bool held = conc__future_hold(&t->future);

	if (held && t->future.callbacks == NULL) {
		conc__tally_counted(&p->others, t->phase, ran);
		return true;
	}
	if (held)
		conc__future_let_go(&t->future);
	conc__process_ending(p, t, t->phase, t->future.exception, ran);
	conc__process_ring(p);
	return false;
}

/* With the lock held: is there anything that the dispatcher must look at now? */
static bool
needs_more(const struct conc__process_pool *p, const struct conc__slot *s)
{
	return s->out > 0 || s->state != CONC__SLOT_READY || s->buried || s->record != NULL ||
	    p->ending != NULL || p->options.tasks_per_worker > 0 ||
	    conc__slot_unwanted(p, s) || p->mode != CONC__OPEN ||
	    conc__process_waiting(p) > 0;
}

/* With the lock held: this thread is at the pipe no more. */
static void
leave(struct conc__process_pool *p, struct conc__slot *s)
{
	s->helped = false;
	if (--p->helpers == 0 && p->helpers_rung) {
		p->helpers_rung = false;
		conc__bell_hush(p->helpers_bell);
	}
	s->lent_until = conc__later(conc__now(), CONC__LENT);
}

void
conc__process_help(conc_executor *ex, struct conc__task *t, conc_time deadline)
{
	struct conc__process_pool *p = (struct conc__process_pool *)ex;
	struct conc__slot *s;
	uint64_t seq;
	bool mine;

	/* The pool's lock comes before the future's: here only if nobody has it. */
	if (t->claim == NULL || !conc__mutex_try(&p->lock)) {
		conc__future_let_go(&t->future);
		return;
	}
	s = t->slot; /* its claim tells that it has one; once it is out it is a link */
	seq = s->ring[t->claim - s->page->claims].seq;
	conc__future_let_go(&t->future); /* without the lock t cannot come back */
	if (!may_help(p, s, t)) {
		conc__mutex_unlock(&p->lock);
		return;
	}
	s->helped = true;
	s->lent_since = conc__now();
	p->helpers++;
	if (!s->lent)
		conc__process_ring(p); /* the dispatcher is to poll it no more */
	s->lent = true;
	conc__mutex_unlock(&p->lock);
	await(p, s, seq, deadline);
	conc__mutex_lock(&p->lock);
	leave(p, s);
	if (!s->buried)
		conc__slot_listen(p, s, false);
	mine = pick(p, t);
	conc__feed(p);
	if (needs_more(p, s)) {
		s->lent = false;
		conc__process_ring(p);
	}
	mine = mine && keep(p, t);
	conc__mutex_unlock(&p->lock);
	if (mine)
		conc__task_end_held(t, t->phase, t->future.exception);
}
