/* SPDX-License-Identifier: MIT */
/*
 * The process pool: its making, and the engine's table of functions.
 */
#include <conc/process_pool.h>
#include "base/clock.h"
#include "base/memory.h"
#include "base/options.h"
#include "process/pool.h"
#include <string.h>

static int
pool_resize(conc_executor *ex, int n)
{
	struct conc__process_pool *p = (struct conc__process_pool *)ex;
	int rc = 0;

	if (n < 1 || n > CONC__MOST_WORKERS)
		return -EINVAL;
	conc__mutex_lock(&p->lock);
	if (p->mode != CONC__OPEN) {
		rc = CONC_ESHUTDOWN;
	} else {
		int before = p->target;

		p->target = n;
		/* More than the pages that the zygote knows: it takes another zygote. */
		if (p->brood != NULL && n > p->brood->n)
			rc = conc__process_new_brood(p);
		if (rc != 0)
			p->target = before;
		conc__feed(p);
		conc__process_ring(p);
	}
	conc__mutex_unlock(&p->lock);
	return rc;
}

static int
pool_workers(conc_executor *ex)
{
	struct conc__process_pool *p = (struct conc__process_pool *)ex;
	int n;

	conc__mutex_lock(&p->lock);
	n = p->target;
	conc__mutex_unlock(&p->lock);
	return n;
}

static void
pool_stats(conc_executor *ex, conc_stats *s)
{
	struct conc__process_pool *p = (struct conc__process_pool *)ex;

	conc__mutex_lock(&p->lock);
	s->queued = p->queue.count;
	for (const struct conc__brood *b = p->brood; b != NULL; b = b->next) {
		s->workers += (size_t)b->live;
		for (int i = 0; i < b->n; i++) {
			const struct conc__slot *slot = &b->slots[i];
			uint64_t at = slot->out > 0 ? conc__slot_at(slot) : 0;
			bool runs = at != 0 &&
			    conc__slot_claim(slot, at) != CONC__CLAIM_PENDING;

			s->running += runs;
			s->queued += (size_t)(slot->out - runs);
		}
	}
	s->high_water = p->queue.high_water;
	conc__tally_tell(&p->dispatched, s);
	conc__tally_tell(&p->others, s);
	conc__mutex_unlock(&p->lock);
}

static const struct conc__engine process_engine = {
    .submit = conc__process_submit,
    .withdraw = conc__process_withdraw,
    .revoke = conc__process_revoke,
    .begun = conc__process_begun,
    .kill = conc__process_kill,
    .help = conc__process_help,
    .counted = conc__process_counted,
    .ended = conc__process_ended,
    .retry = conc__process_retry,
    .shutdown = conc__process_shutdown,
    .resize = pool_resize,
    .workers = pool_workers,
    .stats = pool_stats,
    .destroy = conc__process_destroy,
};

static int
check_options(const conc_process_pool_options *o)
{
	if (o->workers < 0 || o->workers > CONC__MOST_WORKERS)
		return -EINVAL;
	if (o->when_full != CONC_BLOCK && o->when_full != CONC_FAIL)
		return -EINVAL;
	if (o->time_limit < 0 || o->cpu_limit < 0 || o->restart_period < 0 ||
	    o->tasks_per_worker < 0 || o->restarts < 0)
		return -EINVAL;
	if (o->nice < 0 || o->nice > 39 || (unsigned)o->close_fds > 1 ||
	    (unsigned)o->detached > 1 || (o->keep_fds == NULL && o->keep_count > 0))
		return -EINVAL;
	return o->flags != 0 ? -EINVAL : 0;
}

/* The program's array may go: the pool has its own. */
static int
copy_options(struct conc__process_pool *p, const conc_process_pool_options *o)
{
	int *keep = NULL;

	if (o->keep_count > 0) {
		keep = o->keep_count <= SIZE_MAX / sizeof *keep
		    ? conc__malloc(o->keep_count * sizeof *keep) : NULL;
		if (keep == NULL)
			return -ENOMEM;
		memcpy(keep, o->keep_fds, o->keep_count * sizeof *keep);
	}
	p->options = *o;
	p->options.keep_fds = keep;
	return 0;
}

/* What is behind the pool, from the bell to the dispatcher. */
static int
start(struct conc__process_pool *p)
{
	struct conc__thread_options o = {
	    .main = conc__dispatcher_main, .arg = p, .name = "conc-dispatch", .cpu = -1};
	int rc;

	p->bell = conc__bell();
	if (p->bell < 0)
		return p->bell;
	p->helpers_bell = conc__bell();
	if (p->helpers_bell < 0)
		return p->helpers_bell;
	/* First the zygote: it should have one thread to copy, not two. */
	rc = conc__process_more_polls(p) ? conc__process_new_brood(p) : -ENOMEM;
	if (rc == 0) {
		/* It may run before its handle is written: the lock makes it wait. */
		conc__mutex_lock(&p->lock);
		rc = conc__thread_start(&p->dispatcher, &o);
		conc__mutex_unlock(&p->lock);
	}
	return rc;
}

int
conc_process_pool_create(conc_executor **ex, const conc_process_pool_options *options)
{
	conc_process_pool_options o = CONC_PROCESS_POOL_INIT;
	struct conc__process_pool *p;
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
	rc = conc__monitor_init(&p->lock, CONC__RANK_POOL, &p->room, &p->over);
	if (rc != 0) {
		conc__free(p);
		return rc;
	}
	p->target = o.workers > 0 ? o.workers : conc__cpu_count();
	if (p->target > CONC__MOST_WORKERS)
		p->target = CONC__MOST_WORKERS;
	p->bell = p->helpers_bell = -1;
	rc = conc__executor_init(&p->executor, &process_engine, o.name, o.excepthook, o.user);
	if (rc == 0)
		rc = copy_options(p, &o);
	if (rc == 0) {
		conc_executor *former = *ex;

		/* Before the fork: tasks find the pool where the program keeps it. */
		*ex = &p->executor;
		rc = start(p);
		if (rc != 0)
			*ex = former;
	}
	if (rc != 0)
		conc__process_free(p);
	return rc;
}

int
conc_process_pool_refresh(conc_executor *ex)
{
	struct conc__process_pool *p = (struct conc__process_pool *)ex;
	conc_exception *broken = NULL;
	int rc = 0;

	if (ex == NULL || ex->engine != &process_engine)
		return -EINVAL;
	if (conc__forked(ex->generation))
		return CONC_EFORKED;
	conc__mutex_lock(&p->lock);
	if (p->broken != NULL)
		broken = conc_exception_ref(p->broken);
	else if (p->mode != CONC__OPEN)
		rc = CONC_ESHUTDOWN;
	else
		rc = conc__process_new_brood(p);
	if (rc == 0 && broken == NULL)
		conc__feed(p);
	conc__mutex_unlock(&p->lock);
	if (broken == NULL)
		return rc;
	rc = conc_reraise(broken);
	conc_exception_release(broken);
	return rc;
}

int
conc__process_pool_pipe_size(conc_executor *ex, size_t size)
{
	struct conc__process_pool *p = (struct conc__process_pool *)ex;

	conc__mutex_lock(&p->lock);
	p->pipe_size = size;
	conc__mutex_unlock(&p->lock);
	return conc_process_pool_refresh(ex); /* a zygote is told when it is forked */
}
