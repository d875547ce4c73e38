/* SPDX-License-Identifier: MIT */
/*
 * How a task comes into a process pool, and how it is stopped before its time:
 * by whom it was submitted to, cancelled or killed.
 */
#include "base/clock.h"
#include "exec/chunk.h"
#include "process/pool.h"

/* With the lock held, let go while it blocks: may a task come in? */
static int
admit(struct conc__process_pool *p, conc_time deadline)
{
	bool inside = conc__executor_inside(&p->executor);

	for (;;) {
		if (p->broken != NULL)
			return CONC_EBROKEN;
		if (p->mode >= CONC__CANCEL ||
		    (p->mode != CONC__OPEN && !inside))
			return CONC_ESHUTDOWN;
		if (p->options.queue_limit == 0 ||
		    conc__process_waiting(p) < p->options.queue_limit)
			return 0;
		if (p->options.when_full == CONC_FAIL)
			return -EAGAIN;
		/* Those who make room must not wait for it. */
		if (inside || conc__self()->callbacks > 0)
			return 0;
		if (conc__passed(deadline))
			return -ETIMEDOUT;
		p->blocked++;
		/* woken by whoever takes a task out, by shutdown, and by a pool that breaks */
		(void)conc__condition_wait(&p->room, &p->lock, deadline);
		p->blocked--;
	}
}

/* With the lock held: is what t runs there in the workers, too? */
static bool
mapped(const struct conc__process_pool *p, const struct conc__task *t)
{
	conc_fn *fn = t->fn;

	if (fn == conc__chunk_run)
		fn = ((const struct conc__chunk *)t->arg)->map->fn;
	return p->brood == NULL ||
	    conc__objects_hold(p->brood->objects, (uint64_t)(uintptr_t)fn);
}

int
conc__process_submit(conc_executor *ex, struct conc__task *t, conc_time deadline)
{
	struct conc__process_pool *p = (struct conc__process_pool *)ex;
	conc_exception *why = NULL;
	int rc;

	/* relaxed: the queue orders it */
	conc__store_relaxed(&t->since, (uint64_t)conc__now());
	conc__mutex_lock(&p->lock);
	rc = admit(p, deadline);
	if (rc == 0 && !mapped(p, t))
		rc = CONC_ENOTMAPPED;
	if (rc == 0) {
		conc__queue_push(&p->queue, t);
		p->unfinished++;
		p->prioritised |= conc__priority(t) != 0;
		if (p->prioritised)
			conc__preempt(p, conc__priority(t));
		conc__feed(p);
	} else if (rc == CONC_EBROKEN) {
		why = conc_exception_ref(p->broken);
	}
	conc__mutex_unlock(&p->lock);
	if (rc == CONC_ENOTMAPPED)
		return conc_raise_at(rc, NULL, NULL, 0, NULL,
		    "the function was loaded after pool %s was created: load it before, "
		    "or call conc_process_pool_refresh",
		    p->executor.name);
	if (rc == CONC_EBROKEN)
		(void)conc_reraise(why);
	conc_exception_release(why);
	return rc;
}

void
conc__process_withdraw(conc_executor *ex, struct conc__task *t)
{
	struct conc__process_pool *p = (struct conc__process_pool *)ex;

	conc__mutex_lock(&p->lock);
	conc__queue_remove(&p->queue, t);
	if (p->blocked > 0)
		conc__condition_signal(&p->room);
	conc__mutex_unlock(&p->lock);
}

int
conc__process_revoke(conc_executor *ex, struct conc__task *t)
{
	struct conc__process_pool *p = (struct conc__process_pool *)ex;
	conc__atomic_u64 *claim = t->claim;
	struct conc__slot *s;
	uint64_t word, seq;

	if (claim == NULL) { /* it has come back, and is about to end */
		conc__future_let_go(&t->future);
		return -EINPROGRESS;
	}
	s = t->slot;
	seq = s->ring[claim - s->page->claims].seq;
	word = conc__claim_word(seq, CONC__CLAIM_PENDING);
	/* pairs with the worker's swap: one of us gets the order */
	if (!conc__cas_acq_rel(claim, &word, conc__claim_word(seq, CONC__CLAIM_REVOKED))) {
		word = conc__claim_word(seq, CONC__CLAIM_RUNNING);
		/* pairs with the task's look at the word: only a wish */
		(void)conc__cas_acq_rel(
		    claim, &word, conc__claim_word(seq, CONC__CLAIM_ASKED));
		conc__future_let_go(&t->future);
		return -EINPROGRESS;
	}
	conc__future_revoke(&t->future);
	/* It is ours: until it has ended the pool stays. */
	conc__mutex_lock(&p->lock);
	conc__slot_cancelled(p, s, seq);
	conc__process_ring(p); /* there is room, or it was the last one for that worker */
	conc__mutex_unlock(&p->lock);
	conc__task_end(t, CONC__CANCELLED, NULL, -1);
	return 0;
}

bool
conc__process_begun(conc_executor *ex, struct conc__task *t)
{
	(void)ex;
	if (t->claim == NULL)
		return true;
	/* acquire: pairs with the worker's swap */
	return (conc__load_acquire(t->claim) & CONC__CLAIM_STATE) != CONC__CLAIM_PENDING;
}

int
conc__process_kill(conc_executor *ex, struct conc__task *t)
{
	struct conc__process_pool *p = (struct conc__process_pool *)ex;
	const struct conc__slot *s = t->slot;
	int rc = 0;

	if (t->claim == NULL) { /* it has come back, and ends now */
		rc = t->killed ? 0 : CONC_ESTATE;
	} else if (conc__slot_claim(s, s->ring[t->claim - s->page->claims].seq) ==
	    CONC__CLAIM_PENDING) {
		rc = -EAGAIN; /* it was retried since the cancel */
	} else {
		t->killed = true;
		conc__bell_ring(p->bell);
	}
	conc__future_let_go(&t->future);
	return rc;
}

bool
conc__process_retry(conc_executor *ex, struct conc__task *t, int64_t due)
{
	struct conc__process_pool *p = (struct conc__process_pool *)ex;
	bool again;

	conc__mutex_lock(&p->lock);
	/* relaxed: the phase orders it */
	conc__store_relaxed(&t->since, (uint64_t)due);
	again = p->mode < CONC__CANCEL && p->broken == NULL &&
	    conc__future_put_back(&t->future, CONC__DELAYED);
	if (again) /* it is the dispatcher that does this: it will look at the queue */
		conc__queue_delay(&p->queue, t, due);
	conc__mutex_unlock(&p->lock);
	return again;
}
