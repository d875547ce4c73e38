/* SPDX-License-Identifier: MIT */
/*
 * The thread pool: its making, and the engine's table of functions.
 */
#include "base/clock.h"
#include "base/memory.h"
#include "base/options.h"
#include "thread/pool.h"

#define MOST_WORKERS 4096

/*
 * Count in the tally of this thread: a worker's own, without a lock; or the
 * pool's, locked until tally_end.
 */
static struct conc__tally *
tally_begin(struct conc__pool *p)
{
	struct conc__self *self = conc__self();

	if (self->executor == p)
		return &self->worker->tally;
	conc__mutex_lock(&p->lock);
	return &p->past;
}

static void
tally_end(struct conc__pool *p, const struct conc__tally *t)
{
	if (t == &p->past)
		conc__mutex_unlock(&p->lock);
}

static void
pool_began(conc_executor *ex, int64_t waited)
{
	struct conc__pool *p = (struct conc__pool *)ex;
	struct conc__tally *t = tally_begin(p);

	conc__count(&t->wait_time, (uint64_t)waited);
	conc__count(&t->running, 1);
	tally_end(p, t);
}

static void
pool_counted(conc_executor *ex, uint32_t phase, int64_t ran)
{
	struct conc__pool *p = (struct conc__pool *)ex;
	struct conc__tally *t = tally_begin(p);

	if (ran >= 0)
		conc__count(&t->running, (uint64_t)-1);
	conc__tally_counted(t, phase, ran);
	tally_end(p, t);
}

static void
pool_ended(conc_executor *ex)
{
	struct conc__pool *p = (struct conc__pool *)ex;
	struct conc__self *self = conc__self();

	if (self->executor == p) /* told the next time it has the lock */
		self->worker->ended++;
	else
		conc__pool_settle(p);
}

static int
pool_resize(conc_executor *ex, int n)
{
	struct conc__pool *p = (struct conc__pool *)ex;
	struct conc__worker *called = NULL;
	int rc = 0;

	if (n < 1 || n > MOST_WORKERS)
		return -EINVAL;
	conc__mutex_lock(&p->lock);
	if (p->mode != CONC__OPEN) {
		rc = CONC_ESHUTDOWN;
	} else {
		p->target = n;
		if (p->live > n)
			/* those too many leave, the others park again */
			conc__pool_call_all(p);
		else
			(void)conc__pool_tend(p, &called);
	}
	conc__mutex_unlock(&p->lock);
	conc__worker_wake(called);
	return rc;
}

static int
pool_workers(conc_executor *ex)
{
	struct conc__pool *p = (struct conc__pool *)ex;
	int n;

	conc__mutex_lock(&p->lock);
	n = p->target;
	conc__mutex_unlock(&p->lock);
	return n;
}

static void
pool_stats(conc_executor *ex, conc_stats *s)
{
	struct conc__pool *p = (struct conc__pool *)ex;
	struct conc__worker *called = NULL;

	conc__mutex_lock(&p->lock);
	conc__pool_collect(p, false);
	(void)conc__pool_tend(p, &called);
	s->workers = (size_t)p->live;
	s->queued = p->queue.count;
	s->high_water = p->queue.high_water;
	conc__tally_tell(&p->past, s);
	for (const struct conc__worker *w = p->workers; w != NULL; w = w->next)
		conc__tally_tell(&w->tally, s);
	conc__mutex_unlock(&p->lock);
	conc__worker_wake(called);
}

static const struct conc__engine thread_engine = {
    .submit = conc__pool_submit,
    .withdraw = conc__pool_withdraw,
    .claim = conc__pool_claim,
    .began = pool_began,
    .counted = pool_counted,
    .ended = pool_ended,
    .retry = conc__pool_retry,
    .shutdown = conc__pool_shutdown,
    .resize = pool_resize,
    .workers = pool_workers,
    .stats = pool_stats,
    .destroy = conc__pool_destroy,
    .borrows = true,
};

static int
check_options(const conc_thread_pool_options *o)
{
	if (o->workers < 0 || o->workers > MOST_WORKERS)
		return -EINVAL;
	if ((unsigned)o->when_full > CONC_CALLER_RUNS)
		return -EINVAL;
	if (o->stack_size > PTRDIFF_MAX / 2)
		return -EINVAL;
	return o->idle_timeout < 0 || (unsigned)o->pin > 1 || o->flags != 0 ? -EINVAL : 0;
}

int
conc_thread_pool_create(conc_executor **ex, const conc_thread_pool_options *options)
{
	conc_thread_pool_options o = CONC_THREAD_POOL_INIT;
	struct conc__pool *p;
	int rc;

	if (ex == NULL)
		return -EINVAL;
	rc = conc__options_read(&o, sizeof o, sizeof o, options);
	if (rc == 0)
		rc = check_options(&o);
	if (rc != 0)
		return rc;
	p = conc__calloc(1, sizeof *p);
	if (p == NULL)
		return -ENOMEM;
	p->options = o;
	p->target = o.workers > 0 ? o.workers : conc__cpu_count();
	if (p->target > MOST_WORKERS)
		p->target = MOST_WORKERS;
	p->executor.killed = &p->kill_word;
	conc__pool_collect(p, true); /* closed until there is a worker */
	rc = conc__executor_init(&p->executor, &thread_engine, o.name, o.excepthook, o.user);
	if (rc == 0)
		rc = conc__monitor_init(&p->lock, CONC__RANK_POOL, &p->room, &p->over);
	if (rc == 0) {
		*ex = &p->executor;
	} else {
		conc__executor_fini(&p->executor);
		conc__free(p);
	}
	return rc;
}
