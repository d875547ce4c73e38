/* SPDX-License-Identifier: MIT */
/*
 * The end of a thread pool.
 */
#include "base/clock.h"
#include "base/memory.h"
#include "thread/pool.h"

void
conc__pool_flush(struct conc__pool *p, const conc_exception *e)
{
	struct conc__task *t;

	for (;;) {
		conc__mutex_lock(&p->lock);
		t = conc__pool_take(p, e != NULL ? CONC__FINISHING : CONC__CANCELLING, false);
		conc__mutex_unlock(&p->lock);
		if (t == NULL)
			return;
		conc__task_end(t, e != NULL ? CONC__FAILED : CONC__CANCELLED,
		    e != NULL ? conc_exception_ref(e) : NULL, -1);
	}
}

void
conc__workers_join(struct conc__worker *gone)
{
	struct conc__worker *w;

	while ((w = gone) != NULL) {
		gone = w->next;
		conc__thread_join(w->thread);
		conc__free(w);
	}
}

/*
 * Begin to shut down; a weaker way than before changes nothing.  orphan: let
 * the last one out free the pool; return whether that is the caller.
 */
static bool
begin(struct conc__pool *p, conc_shutdown_how how, bool orphan)
{
	enum conc__mode mode = (enum conc__mode)how + 1;
	bool last;

	conc__mutex_lock(&p->lock);
	/* What was accepted until now; from now on submitters look at the mode. */
	conc__pool_collect(p, true);
	if (p->mode < mode)
		p->mode = mode;
	if (p->mode == CONC__KILL) {
		/* relaxed: only a wish to those who run */
		conc__store_relaxed(&p->kill_word, 1);
	}
	p->orphan |= orphan;
	conc__condition_broadcast(&p->room); /* blocked submitters are refused */
	/* Idle workers leave now; else when the last task's end calls them */
	if (p->unfinished == 0)
		conc__pool_call_all(p);
	last = conc__pool_abandoned(p);
	conc__mutex_unlock(&p->lock);
	return last;
}

int
conc__pool_shutdown(conc_executor *ex, conc_shutdown_how how, conc_time deadline)
{
	struct conc__pool *p = (struct conc__pool *)ex;
	struct conc__worker *gone;
	int rc = 0;

	(void)begin(p, how, false);
	if (how != CONC_DRAIN)
		conc__pool_flush(p, NULL);
	if (conc__executor_inside(&p->executor))
		return -EDEADLK;
	conc__mutex_lock(&p->lock);
	while (rc == 0 && (p->unfinished != 0 || p->live > 0)) {
		rc = conc__may_block(deadline);
		if (rc == 0) /* woken by conc__pool_ended() and by the last worker's leave() */
			(void)conc__condition_wait(&p->over, &p->lock, deadline);
	}
	gone = p->gone;
	p->gone = NULL;
	conc__mutex_unlock(&p->lock);
	conc__workers_join(gone);
	return rc;
}

static void
free_rest(struct conc__pool *p)
{
	conc_exception_release(p->broken);
	conc__executor_fini(&p->executor);
	conc__free(p);
}

/*
 * In the child of a fork there are no workers, and locks may be held for ever:
 * only free.  If another thread held the lock in the moment of the fork, its
 * lists may be half changed: what hangs on them is left.
 */
static void
free_forked(struct conc__pool *p)
{
	struct conc__worker *lists[] = {p->workers, p->gone}, *w;
	struct conc__task *t;

	if (conc__mutex_try(&p->lock)) {
		conc__pool_collect(p, true);
		while ((t = conc__queue_pop(&p->queue, false)) != NULL)
			conc__future_leave(&t->future);
		for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) {
			while ((w = lists[i]) != NULL) {
				lists[i] = w->next;
				conc__thread_forget(w->thread);
				conc__free(w);
			}
		}
		conc__mutex_unlock(&p->lock);
	}
	free_rest(p);
}

void
conc__pool_free(struct conc__pool *p)
{
	struct conc__worker *gone = p->gone;

	p->gone = NULL;
	conc__workers_join(gone);
	conc__monitor_destroy(&p->lock, &p->room, &p->over);
	free_rest(p);
}

void
conc__pool_destroy(conc_executor *ex)
{
	struct conc__pool *p = (struct conc__pool *)ex;

	if (conc__forked(ex->generation)) {
		/* Else this thread stands on it until it ends. */
		if (!conc__executor_inside(&p->executor))
			free_forked(p);
		return;
	}
	if (conc__executor_inside(&p->executor) || conc__self()->callbacks > 0) {
		/* Nobody can wait here. */
		if (!begin(p, CONC_DRAIN, true))
			return;
	} else {
		(void)conc__pool_shutdown(ex, CONC_DRAIN, CONC_FOREVER);
	}
	conc__pool_free(p);
}
