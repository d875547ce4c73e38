/* SPDX-License-Identifier: MIT */
/*
 * A worker's life: it is started or called, takes tasks, parks, leaves.
 */
#include "base/clock.h"
#include "base/futex.h"
#include "base/memory.h"
#include "base/raise.h"
#include "thread/pool.h"

static void worker_main(void *arg);
static void worker_aborted(void *arg);

int
conc__worker_start(struct conc__pool *p, struct conc__task *t)
{
	struct conc__worker *w, **link = &p->workers;
	struct conc__thread_options o = {.stack_size = p->options.stack_size,
	    .main = worker_main,
	    .aborted = worker_aborted,
	    .cpu = -1};
	char name[CONC__NAME];
	int rc;

	w = conc__calloc(1, sizeof *w);
	if (w == NULL)
		return -ENOMEM;
	w->pool = p;
	w->first = t;
	while (*link != NULL && (*link)->index == w->index) { /* the lowest free index */
		link = &(*link)->next;
		w->index++;
	}
	conc__numbered_name(name, p->executor.name, w->index);
	o.name = name;
	o.arg = w;
	if (p->options.pin)
		o.cpu = w->index;
	rc = conc__thread_start(&w->thread, &o);
	if (rc != 0) {
		conc__free(w);
		return rc;
	}
	w->next = *link;
	*link = w;
	p->live++;
	if (p->options.queue_limit == 0 && p->mode == CONC__OPEN && p->broken == NULL)
		conc__inbox_open(&p->inbox);
	if (t == NULL)
		p->starting++;
	return 0;
}

/* With the lock held: take w off the stack of idle workers. */
static void
unpark(struct conc__worker *w)
{
	if (w->above != NULL)
		w->above->below = w->below;
	else
		w->pool->idle = w->below;
	if (w->below != NULL)
		w->below->above = w->above;
	w->above = w->below = NULL;
}

/* With the lock held: the idle worker that parked last, called; NULL: none. */
static struct conc__worker *
call_idle(struct conc__pool *p)
{
	struct conc__worker *w = p->idle;

	if (w != NULL) {
		unpark(w);
		p->coming++;
		/* pairs with the load in park(); the lock orders all else */
		conc__store_release(&w->called, 1);
	}
	return w;
}

int
conc__pool_tend(struct conc__pool *p, struct conc__worker **called)
{
	int rc;

	for (;;) {
		if (p->idle != NULL ? p->coming > 0 : p->live - p->leaving >= p->target)
			return 0;
		if (p->idle == NULL)
			conc__pool_collect(p, false); /* to count those that wait */
		if (!conc__pool_has_work(p) ||
		    (p->idle == NULL && p->queue.count <= (size_t)(p->coming + p->starting))) {
			if (conc__inbox_arm(&p->inbox))
				return 0;
			continue; /* one more has come */
		}
		if (p->idle != NULL) {
			*called = call_idle(p);
			return 0;
		}
		rc = conc__worker_start(p, NULL);
		/* None to be had: the next submitter is to tell, perhaps there is one then. */
		if (rc != 0 && conc__inbox_arm(&p->inbox))
			return p->live > 0 ? 0 : rc;
	}
}

void
conc__worker_wake(struct conc__worker *called)
{
	/* It may have come, and gone, by itself: only the address is used. */
	if (called != NULL)
		conc__futex_wake(&called->called, 1);
}

void
conc__pool_call_all(struct conc__pool *p)
{
	struct conc__worker *w;

	while ((w = call_idle(p)) != NULL)
		conc__worker_wake(w);
}

/*
 * With the lock held, let go meanwhile: sleep until called, or for too long.
 * Return whether to go on.
 */
static bool
park(struct conc__worker *w)
{
	struct conc__pool *p = w->pool;
	int64_t timeout = p->options.idle_timeout;
	conc_time leave = timeout > 0 ? conc_after(timeout) : CONC_FOREVER;
	conc_time deadline = CONC_FOREVER;

	if (conc__pool_has_work(p)) /* else a flush will end what is delayed */
		deadline.ns = conc__queue_due(&p->queue);
	if (leave.ns < deadline.ns)
		deadline = leave;
	/* relaxed: whoever calls does so under the lock, which we hold */
	conc__store_relaxed(&w->called, 0);
	w->below = p->idle;
	if (w->below != NULL)
		w->below->above = w;
	p->idle = w;
	conc__mutex_unlock(&p->lock);

	/* acquire: pairs with call_idle(); woken by conc__worker_wake() */
	while (conc__load_acquire(&w->called) == 0)
		if (conc__futex_wait(&w->called, 0, deadline) == -ETIMEDOUT)
			break;

	conc__mutex_lock(&p->lock);
	/* relaxed: under the lock */
	if (conc__load_relaxed(&w->called) != 0) {
		p->coming--;
		return true;
	}
	unpark(w);
	return conc__pool_has_work(p) || !conc__passed(leave);
}

void
conc__pool_fail_all(struct conc__pool *p, int rc)
{
	conc_exception *cause = conc__exception_make(rc, NULL, NULL, NULL);
	conc_exception *e =
	    conc__exception_make(CONC_EBROKEN, cause, NULL, "no worker could be started");

	p->unfinished++; /* so that p stays */
	conc__mutex_unlock(&p->lock);
	conc__pool_flush(p, e);
	conc_exception_release(cause);
	conc_exception_release(e);
	conc__mutex_lock(&p->lock);
	conc__pool_ended(p, 1);
}

/*
 * With the lock held: the end of a worker's life.  w, and perhaps its pool, are
 * gone after it.
 */
static void
leave(struct conc__worker *w)
{
	struct conc__pool *p = w->pool;
	struct conc__worker **link, *called = NULL, *gone;
	bool last;
	int rc;

	p->leaving++;
	conc__mutex_unlock(&p->lock);
	if (w->stage == CONC__WORKING) {
		w->stage = CONC__LEAVING;
		if (p->options.fini != NULL)
			p->options.fini(p->options.user);
	}
	conc__mutex_lock(&p->lock);
	p->live--;
	p->leaving--;
	if (p->live == 0)
		conc__pool_collect(p, true); /* submitters are to see that there is no worker */
	/* What was left for us, another must do. */
	while ((rc = conc__pool_tend(p, &called)) != 0)
		conc__pool_fail_all(p, rc);
	for (link = &p->workers; *link != w; link = &(*link)->next)
		continue;
	*link = w->next;
	conc__tally_fold(&p->past, &w->tally); /* what we failed above is in it */
	conc__pool_ended(p, w->ended);
	if (p->live == 0)
		conc__condition_broadcast(&p->over);
	last = conc__pool_abandoned(p);
	gone = p->gone;
	p->gone = NULL;
	if (!last) {
		w->next = NULL;
		p->gone = w;
	}
	conc__mutex_unlock(&p->lock);
	/* From here on p belongs to whoever joins us, unless we are the last one out. */
	conc__worker_wake(called);
	conc__workers_join(gone);
	if (last) {
		conc__thread_detach(w->thread);
		conc__free(w);
		conc__pool_free(p);
	}
}

/* Init has failed with e: so has the pool, and what is queued. */
static void
break_pool(struct conc__worker *w, conc_exception *e)
{
	struct conc__pool *p = w->pool;
	conc_exception *broken;

	conc__mutex_lock(&p->lock);
	if (w->first == NULL)
		p->starting--;
	conc__pool_collect(p, true);
	if (p->broken == NULL)
		p->broken = conc_exception_ref(e);
	/* Whoever waits for room waits in vain. */
	conc__condition_broadcast(&p->room);
	conc__mutex_unlock(&p->lock);
	broken = conc__exception_make(
	    CONC_EBROKEN, p->broken, NULL, "the pool's init has failed");
	if (w->first != NULL)
		conc__task_end(w->first, CONC__FAILED, conc_exception_ref(broken), -1);
	conc__pool_flush(p, broken);
	conc_exception_release(broken);
	conc_exception_release(e);
}

/* With the lock held, let go meanwhile: work until there is reason to leave. */
static void
work(struct conc__worker *w)
{
	struct conc__pool *p = w->pool;
	struct conc__worker *called;
	struct conc__task *t;
	int64_t now = conc__now();

	for (;;) {
		conc__pool_ended(p, w->ended);
		w->ended = 0;
		t = w->first;
		w->first = NULL;
		if (t == NULL && p->live - p->leaving > p->target)
			return;
		if (t == NULL && conc__pool_has_work(p))
			t = conc__pool_take(p, CONC__RUNNING, true);
		if (t == NULL) {
			if (conc__pool_over(p))
				return;
			if (conc__inbox_arm(&p->inbox) && !park(w))
				return;
			now = conc__now();
			continue;
		}
		called = NULL;
		(void)conc__pool_tend(p, &called);
		conc__mutex_unlock(&p->lock);
		conc__worker_wake(called);
		now = conc__task_run(t, now); /* one's end is the next one's beginning */
		if (conc__forked(p->executor.generation))
			/* the task forked, and this is the child: its last thread ends here */
			return;
		conc__mutex_lock(&p->lock);
	}
}

static void
worker_main(void *arg)
{
	struct conc__worker *w = arg;
	struct conc__pool *p = w->pool;
	struct conc__self *self = conc__self();
	int code = 0;

	self->worker = w;
	self->executor = p;
	self->index = w->index;
	if (p->options.init != NULL)
		code = p->options.init(p->options.user);
	if (code != 0) {
		break_pool(w, conc__exception_adopt(code, NULL));
		conc__mutex_lock(&p->lock);
	} else {
		w->stage = CONC__WORKING;
		conc__mutex_lock(&p->lock);
		if (w->first == NULL)
			p->starting--;
		work(w);
		if (conc__forked(p->executor.generation))
			return;
	}
	leave(w);
}

/* The thread was left by pthread_exit: its tasks have failed; others take its place. */
static void
worker_aborted(void *arg)
{
	struct conc__worker *w = arg;
	struct conc__self *self = conc__self();

	/*
	 * The tasks have ended on the way here; what is left are callbacks, gone with their
	 * stack.
	 */
	self->frame = NULL;
	self->callbacks = 0;
	if (conc__forked(w->pool->executor.generation))
		return;
	if (w->stage == CONC__STARTING)
		break_pool(w, conc__exception_make(CONC_ECRASHED, NULL, NULL,
				  "init ended its thread (pthread_exit)"));
	conc__mutex_lock(&w->pool->lock);
	if (w->stage == CONC__LEAVING)
		w->pool->leaving--; /* it was left in fini: once more from there */
	leave(w);
}
