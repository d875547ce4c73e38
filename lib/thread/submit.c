/* SPDX-License-Identifier: MIT */
/*
 * How a task comes into the queue of a thread pool, and leaves it by another
 * way than through a worker: cancelled, claimed, put back.
 */
#include "base/clock.h"
#include "base/memory.h"
#include "thread/pool.h"

/*
 * With less than this left of its stack, or a quarter of a small one, a worker claims no
 * more.
 */
#define STACK_RESERVE ((size_t)64 * 1024)

/* t is queued now, or is due then. */
static void
stamp(struct conc__task *t, int64_t when)
{
	/* relaxed: the queue, or the phase, orders it */
	conc__store_relaxed(&t->since, (uint64_t)when);
}

/* With the lock held: put t into the queue, and see that somebody comes for it. */
static int
enqueue(struct conc__pool *p, struct conc__task *t, struct conc__worker **called)
{
	int rc;

	stamp(t, conc__now());
	conc__pool_collect(p, false); /* those before it stand before it */
	conc__queue_push(&p->queue, t);
	rc = conc__pool_tend(p, called);
	if (rc != 0)
		conc__queue_remove(&p->queue, t);
	return rc;
}

/*
 * With the lock held, let go while it blocks: may a task come in?  *here: yes,
 * but the caller is to run it.
 */
static int
admit(struct conc__pool *p, conc_time deadline, bool *here)
{
	bool inside = conc__executor_inside(&p->executor);

	*here = false;
	for (;;) {
		if (p->broken != NULL)
			return CONC_EBROKEN;
		if (p->mode >= CONC__CANCEL || (p->mode == CONC__DRAIN && !inside))
			return CONC_ESHUTDOWN;
		if (p->options.queue_limit == 0 || p->queue.count < p->options.queue_limit)
			return 0;
		switch (p->options.when_full) {
		case CONC_FAIL:
			return -EAGAIN;
		case CONC_CALLER_RUNS:
			*here = true;
			return 0;
		case CONC_BLOCK:
			break;
		}
		/* Those who make room must not wait for it. */
		if (inside || conc__self()->callbacks > 0)
			return 0;
		if (conc__passed(deadline))
			return -ETIMEDOUT;
		p->blocked++;
		/* woken by whoever takes a task out, and by shutdown and a broken init */
		(void)conc__condition_wait(&p->room, &p->lock, deadline);
		p->blocked--;
	}
}

/* Through the lock: for whoever must be admitted, or has a priority. */
static int
submit_slowly(struct conc__pool *p, struct conc__task *t, conc_time deadline)
{
	struct conc__worker *called = NULL;
	bool here;
	int rc;

	conc__mutex_lock(&p->lock);
	rc = admit(p, deadline, &here);
	if (rc == 0 && !here)
		rc = enqueue(p, t, &called);
	if (rc == 0)
		p->unfinished++;
	conc__mutex_unlock(&p->lock);
	if (rc == CONC_EBROKEN)
		return conc_raise_at(rc, p->broken, NULL, 0, NULL,
		    "pool %s takes no more: its init has failed", p->executor.name);
	if (rc != 0)
		return rc;
	if (here) {
		(void)conc__future_win(&t->future, CONC__RUNNING);
		(void)conc__task_run(t, 0);
	}
	conc__worker_wake(called);
	return 0;
}

int
conc__pool_submit(conc_executor *ex, struct conc__task *t, conc_time deadline)
{
	struct conc__pool *p = (struct conc__pool *)ex;

	stamp(t, conc__now());
	if (conc__priority(t) != 0)
		return submit_slowly(p, t, deadline);
	switch (conc__inbox_post(&p->inbox, t)) {
	case CONC__POSTED_TELL:
		conc__pool_settle(p);
		return 0;
	case CONC__POSTED:
		return 0;
	case CONC__POSTED_NOT:
		break;
	}
	return submit_slowly(p, t, deadline);
}

void
conc__pool_withdraw(conc_executor *ex, struct conc__task *t)
{
	struct conc__pool *p = (struct conc__pool *)ex;
	struct conc__worker *called = NULL;

	conc__mutex_lock(&p->lock);
	conc__pool_remove(p, t);
	(void)conc__pool_tend(p, &called);
	conc__mutex_unlock(&p->lock);
	conc__worker_wake(called);
}

static bool
short_of_stack(const struct conc__pool *p)
{
	size_t reserve = STACK_RESERVE;

	if (p->options.stack_size != 0 && p->options.stack_size / 4 < reserve)
		reserve = p->options.stack_size / 4;
	return conc__stack_left() < reserve;
}

int
conc__pool_claim(conc_executor *ex, struct conc__task *t)
{
	struct conc__pool *p = (struct conc__pool *)ex;
	struct conc__worker *called = NULL;
	bool over, elsewhere;
	int rc = 0;

	conc__mutex_lock(&p->lock);
	conc__pool_remove(p, t);
	over = p->mode >= CONC__CANCEL; /* what was queued is not to begin any more */
	/* One more worker, beyond the target until it is done, has a fresh stack. */
	elsewhere = !over && short_of_stack(p);
	if (elsewhere && conc__worker_start(p, t) != 0) {
		rc = -EAGAIN;
		(void)conc__future_put_back(&t->future, CONC__PENDING);
		(void)enqueue(p, t, &called); /* there is a worker: this one */
	} else {
		(void)conc__pool_tend(p, &called);
	}
	conc__mutex_unlock(&p->lock);
	conc__worker_wake(called);
	if (over)
		conc__task_end(t, CONC__CANCELLED, NULL, -1);
	else if (!elsewhere)
		(void)conc__task_run(t, 0);
	return rc;
}

bool
conc__pool_retry(conc_executor *ex, struct conc__task *t, int64_t due)
{
	struct conc__pool *p = (struct conc__pool *)ex;
	struct conc__worker *called = NULL;
	bool again;

	conc__mutex_lock(&p->lock);
	stamp(t, due);
	again = p->mode < CONC__CANCEL && p->broken == NULL &&
	    conc__future_put_back(&t->future, CONC__DELAYED);
	if (again) {
		conc__queue_delay(&p->queue, t, due);
		/* Somebody must know when it is due. */
		if (conc__pool_tend(p, &called) != 0) {
			conc__queue_remove(&p->queue, t);
			again = !conc__future_win(&t->future, CONC__RUNNING);
		}
	}
	conc__mutex_unlock(&p->lock);
	conc__worker_wake(called);
	return again;
}
