/* SPDX-License-Identifier: MIT */
/*
 * The thread pool: its making, and the engine's table of functions.
 */
#include "base/clock.h"
#include "base/memory.h"
#include "exec/options.h"
#include "thread/pool.h"

#define MOST_WORKERS 4096

/* With less than this left of its stack, or a quarter of a small one, a worker claims no more. */
#define STACK_RESERVE ((size_t)64 * 1024)

bool
conc__pool_inside(const struct conc__pool *p)
{
	const struct conc__self *self = conc__self();

	return self->executor == p || conc__frame_within(self, p);
}

static void
note_high_water(struct conc__pool *p)
{
	if (p->queue.count > p->high_water)
		p->high_water = p->queue.count;
}

void
conc__pool_collect(struct conc__pool *p, bool close)
{
	struct conc__task *t, *next;
	bool told;

	t = conc__inbox_take(&p->inbox, close, &told);
	p->unfinished += told;
	for (; t != NULL; t = next) {
		next = t->next;
		conc__queue_push(&p->queue, t);
		p->unfinished++;
	}
	note_high_water(p);
}

struct conc__task *
conc__pool_take(struct conc__pool *p, uint32_t phase, bool due)
{
	struct conc__task *t;

	if (p->queue.first == NULL)
		conc__pool_collect(p, false);
	while ((t = conc__queue_pop(&p->queue, due)) != NULL) {
		if (p->blocked > 0)
			conc__condition_signal(&p->room);
		if (conc__future_move(&t->future, CONC__PENDING, phase))
			break;
		/* Somebody else has won it, will find it nowhere, and end it. */
	}
	return t;
}

void
conc__pool_remove(struct conc__pool *p, struct conc__task *t)
{
	if (t->place == CONC__IN_INBOX)
		conc__pool_collect(p, false);
	conc__queue_remove(&p->queue, t);
	if (p->blocked > 0)
		conc__condition_signal(&p->room);
}

void
conc__pool_ended(struct conc__pool *p, ptrdiff_t n)
{
	p->unfinished -= n;
	if (n != 0 && conc__pool_over(p)) {
		conc__condition_broadcast(&p->over);
		conc__pool_call_all(p);
	}
}

/* With the lock held: put t into the queue, and see that somebody comes for it. */
static int
enqueue(struct conc__pool *p, struct conc__task *t, struct conc__worker **called)
{
	int rc;

	t->since = conc__now();
	conc__pool_collect(p, false); /* those before it stand before it */
	conc__queue_push(&p->queue, t);
	note_high_water(p);
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
	bool inside = conc__pool_inside(p);

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

/* One more has ended, or was told of; perhaps it was the last thing to happen here. */
static void
settle_one(struct conc__pool *p)
{
	struct conc__worker *called = NULL;
	bool last;

	conc__mutex_lock(&p->lock);
	/* If no worker can be had, the last one has closed the inbox and seen to what was in it. */
	(void)conc__pool_tend(p, &called);
	conc__pool_ended(p, 1);
	last = p->orphan && p->live == 0 && p->unfinished == 0;
	conc__mutex_unlock(&p->lock);
	conc__worker_wake(called);
	if (last)
		conc__pool_free(p);
}

/* With the lock. */
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
		    "pool %s takes no more: its init has failed", p->name);
	if (rc != 0)
		return rc;
	if (here) {
		(void)conc__future_move(&t->future, CONC__PENDING, CONC__RUNNING);
		(void)conc__task_run(t, conc__now());
	}
	conc__worker_wake(called);
	return 0;
}

static int
pool_submit(conc_executor *ex, struct conc__task *t, conc_time deadline)
{
	struct conc__pool *p = (struct conc__pool *)ex;

	t->since = conc__now();
	if (t->extras != NULL && t->extras->priority != 0)
		return submit_slowly(p, t, deadline);
	switch (conc__inbox_post(&p->inbox, t)) {
	case CONC__POSTED_TELL:
		settle_one(p);
		return 0;
	case CONC__POSTED:
		return 0;
	case CONC__POSTED_NOT:
		break;
	}
	return submit_slowly(p, t, deadline);
}

static void
pool_withdraw(conc_executor *ex, struct conc__task *t)
{
	struct conc__pool *p = (struct conc__pool *)ex;

	struct conc__worker *called;

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

static int
pool_claim(conc_executor *ex, struct conc__task *t)
{
	struct conc__pool *p = (struct conc__pool *)ex;
	struct conc__worker *called = NULL;
	conc_time due = CONC_NOW;
	bool over;
	int rc = 0;

	conc__mutex_lock(&p->lock);
	if (t->place == CONC__DELAYED)
		due.ns = t->extras->node.key;
	conc__pool_remove(p, t);
	(void)conc__pool_tend(p, &called);
	over = p->mode >= CONC__CANCEL; /* what was queued is not to begin any more */
	if (over || !short_of_stack(p)) {
		conc__mutex_unlock(&p->lock);
		conc__worker_wake(called);
		if (over) {
			conc__task_end(t, CONC__CANCELLED, NULL, -1);
			return 0;
		}
		if (!conc__passed(due))
			conc__sleep_until(due); /* its back-off; we would wait for it all the same */
		(void)conc__task_run(t, conc__now());
		return 0;
	}
	/* One more worker, beyond the target until it is done, has a fresh stack. */
	if (conc__worker_start(p, t) != 0) {
		rc = -EAGAIN;
		(void)conc__future_move(&t->future, CONC__RUNNING, CONC__PENDING);
		(void)enqueue(p, t, &called); /* there is a worker: this one */
	}
	conc__mutex_unlock(&p->lock);
	conc__worker_wake(called);
	return rc;
}

static bool
pool_retry(conc_executor *ex, struct conc__task *t, int64_t due)
{
	struct conc__pool *p = (struct conc__pool *)ex;
	struct conc__worker *called = NULL;
	bool again;

	conc__mutex_lock(&p->lock);
	again = p->mode < CONC__CANCEL && p->broken == NULL;
	if (again) {
		(void)conc__future_move(&t->future, CONC__RUNNING, CONC__PENDING);
		t->since = conc__now();
		conc__queue_delay(&p->queue, t, due);
		/* Somebody must know when it is due. */
		if (conc__pool_tend(p, &called) != 0) {
			conc__queue_remove(&p->queue, t);
			again = !conc__future_move(&t->future, CONC__PENDING, CONC__RUNNING);
		}
	}
	conc__mutex_unlock(&p->lock);
	conc__worker_wake(called);
	return again;
}

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

	if (ran >= 0) {
		conc__count(&t->run_time, (uint64_t)ran);
		conc__count(&t->running, (uint64_t)-1);
	}
	conc__count(phase == CONC__DONE     ? &t->done
		: phase == CONC__FAILED ? &t->failed
					: &t->cancelled,
	    1);
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
		settle_one(p);
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
			conc__pool_call_all(p); /* those too many leave, the others park again */
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
add_tally(conc_stats *s, const struct conc__tally *t)
{
	/* relaxed: numbers; what ended before a future that the caller saw is in them */
	s->done += conc__load_relaxed(&t->done);
	s->failed += conc__load_relaxed(&t->failed);
	s->cancelled += conc__load_relaxed(&t->cancelled);
	s->running += (size_t)conc__load_relaxed(&t->running);
	/* relaxed: the same */
	s->wait_time += (int64_t)conc__load_relaxed(&t->wait_time);
	s->run_time += (int64_t)conc__load_relaxed(&t->run_time);
}

static void
pool_stats(conc_executor *ex, conc_stats *s)
{
	struct conc__pool *p = (struct conc__pool *)ex;
	struct conc__worker *called;

	conc__mutex_lock(&p->lock);
	conc__pool_collect(p, false);
	(void)conc__pool_tend(p, &called);
	s->workers = (size_t)p->live;
	s->queued = p->queue.count;
	s->high_water = p->high_water;
	add_tally(s, &p->past);
	for (const struct conc__worker *w = p->workers; w != NULL; w = w->next)
		add_tally(s, &w->tally);
	conc__mutex_unlock(&p->lock);
	conc__worker_wake(called);
}

static const struct conc__engine thread_engine = {
    .submit = pool_submit,
    .withdraw = pool_withdraw,
    .claim = pool_claim,
    .began = pool_began,
    .counted = pool_counted,
    .ended = pool_ended,
    .retry = pool_retry,
    .shutdown = conc__pool_shutdown,
    .resize = pool_resize,
    .workers = pool_workers,
    .stats = pool_stats,
    .destroy = conc__pool_destroy,
    .borrows = true,
};

static int
make_hook(struct conc__pool *p)
{
	struct conc__hook *h;

	if (p->options.excepthook == NULL)
		return 0;
	h = conc__malloc(sizeof *h);
	if (h == NULL)
		return -ENOMEM;
	*h = (struct conc__hook){.call = p->options.excepthook, .user = p->options.user};
	/* relaxed: not shared yet */
	conc__store_relaxed(&h->refs, 1);
	p->executor.hook = h;
	return 0;
}

static int
make_locks(struct conc__pool *p)
{
	int rc = conc__mutex_init(&p->lock, CONC__RANK_POOL);

	if (rc != 0)
		return rc;
	rc = conc__condition_init(&p->room);
	if (rc == 0) {
		rc = conc__condition_init(&p->over);
		if (rc == 0)
			return 0;
		conc__condition_destroy(&p->room);
	}
	conc__mutex_destroy(&p->lock);
	return rc;
}

static int
check_options(const conc_thread_pool_options *o)
{
	if (o->workers < 0 || o->workers > MOST_WORKERS || (unsigned)o->when_full > CONC_CALLER_RUNS)
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
	p->executor.engine = &thread_engine;
	p->executor.killed = &p->kill_word;
	rc = conc__generation(&p->executor.generation);
	p->name = conc__strdup(o.name != NULL ? o.name : "conc");
	if (rc == 0 && p->name == NULL)
		rc = -ENOMEM;
	if (rc == 0)
		rc = make_hook(p);
	conc__pool_collect(p, true); /* closed until there is a worker */
	if (rc == 0)
		rc = make_locks(p);
	if (rc != 0) {
		conc__hook_release(p->executor.hook);
		conc__free(p->name);
		conc__free(p);
		return rc;
	}
	p->options.name = p->name;
	*ex = &p->executor;
	return 0;
}
