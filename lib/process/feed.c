/* SPDX-License-Identifier: MIT */
/*
 * Feeding: tasks from the queue to the workers.
 *
 * A worker that has nothing is fed first.  Another one is started when what
 * waits is worth it; what is left, beyond one task for each that is starting,
 * is handed out in advance (each worker's credit), so that it need not wait for
 * us between two: few tasks if they are long, many if they are short.  What
 * stands behind a task that takes long after all is taken back for one who is
 * idle.
 */
#include "base/clock.h"
#include "exec/chunk.h"
#include "process/pool.h"
#include <string.h>

#define ADVANCE CONC_US(500) /* so much work, about, does a worker get in advance */
#define WORTH CONC_US(200)   /* and for so much is another one started */
#define SOON CONC_US(100)    /* when to look again whether it is */
#define LEAST_CREDIT 2
#define MOST_CREDIT 48

_Static_assert(MOST_CREDIT < CONC__RING, "credit fits into the ring");

static int
credit(const struct conc__slot *s)
{
	int64_t n = s->pace > 0 ? ADVANCE / s->pace : 0;

	if (s->pace > 2 * CONC__LONG) /* it would be taken back before its time */
		return 1;
	return n < LEAST_CREDIT ? LEAST_CREDIT : n > MOST_CREDIT ? MOST_CREDIT : (int)n;
}

/* May s be given one more, up to so many at a time? */
static bool
has_room(const struct conc__process_pool *p, struct conc__slot *s, int most)
{
	int limit = p->options.tasks_per_worker;

	if (s->state != CONC__SLOT_READY || s->deaf || s->record != NULL ||
	    conc__slot_unwanted(p, s) || s->out >= most ||
	    (s->out > 0 && s->out >= credit(s)) ||
	    (limit > 0 && s->tasks >= limit) || s->writer.left > 0)
		return false;
	while (s->oldest <= s->sent && s->ring[s->oldest % CONC__RING].task == NULL)
		s->oldest++;
	/* A revoked order's claim may be used anew before it is read: its seq is another. */
	return s->sent - s->oldest + 1 < CONC__RING;
}

/* For how long has s been at its task?  0: it has none that has begun. */
static int64_t
running_for(const struct conc__slot *s, int64_t now)
{
	uint64_t seq = conc__slot_at(s);

	return seq != 0 && conc__slot_claim(s, seq) != CONC__CLAIM_PENDING
	    ? now - conc__slot_began(s, seq) : 0;
}

/* Is it at a task that runs so long that what stands behind it should go elsewhere? */
static bool
is_stuck(const struct conc__slot *s, int64_t now)
{
	return running_for(s, now) > CONC__LONG;
}

/*
 * The worker with the fewest orders out that may have one more, if it has less
 * than most; NULL: none.
 */
static struct conc__slot *
choose(const struct conc__process_pool *p, int most)
{
	struct conc__slot *best = NULL;
	struct conc__brood *b = p->brood;
	int64_t now = most > 1 ? conc__now() : 0;
	int n = b == NULL ? 0 : b->n < p->target ? b->n : p->target;

	for (int i = 0; i < n && (best == NULL || best->out > 0); i++) {
		struct conc__slot *s = &b->slots[i];

		if (has_room(p, s, most) && (best == NULL || s->out < best->out) &&
		    (s->out == 0 || !is_stuck(s, now)))
			best = s;
	}
	return best;
}

static int64_t
limit_of(const struct conc__process_pool *p, const struct conc__task *t)
{
	int64_t limit = t->fn == conc__chunk_run
	    ? ((const struct conc__chunk *)t->arg)->map->o->time_limit
	    : t->extras != NULL ? t->extras->time_limit : 0;

	if (limit == 0)
		limit = p->options.time_limit;
	return limit == CONC_UNLIMITED ? 0 : limit;
}

/* Fill in an order for a chunk: as many of its items as can go at once. */
static const void *
cut(struct conc__order *o, struct conc__inflight *x, struct conc__slot *s,
    const struct conc__chunk *k)
{
	const struct conc__map *m = k->map;
	size_t n = k->end - k->at;
	size_t most = conc__area_room(m->result_size);

	if (m->arg_size > 0 && most > (CONC__WRITER_SIZE - sizeof *o) / m->arg_size)
		most = (CONC__WRITER_SIZE - sizeof *o) / m->arg_size;
	if (n > most)
		n = most;
	o->type = n > 0 ? CONC__ORDER_CHUNK : CONC__ORDER_TASK;
	o->fn = (uint64_t)(uintptr_t)m->fn;
	o->arg_size = m->arg_size;
	o->result_size = m->result_size;
	o->count = x->items = (uint32_t)n;
	o->flags = (m->o->stop_on_failure ? CONC__STOP_ON_FAILURE : 0) |
	    (m->o->retries > 0 ? CONC__STOP_ON_LATE : 0);
	o->size = (n > 0 ? n : 1) * m->arg_size;
	if (n > 0)
		o->area = (uint32_t)(x->area = s->areas & 1);
	return m->arg_size > 0 ? m->args + k->at * m->arg_size : NULL;
}

/*
 * Hand t, which is out of the queue, to s.  Return 0, also if somebody else has
 * won it meanwhile; or a code: it stays PENDING, the caller's.
 */
static int
hand(struct conc__process_pool *p, struct conc__slot *s, struct conc__task *t)
{
	uint64_t seq = s->sent + 1;
	struct conc__inflight *x = &s->ring[seq % CONC__RING];
	const char *name = t->extras != NULL ? t->extras->name : NULL;
	bool chunk = t->fn == conc__chunk_run;
	struct conc__order o = {.type = CONC__ORDER_TASK, .seq = seq};
	const void *arg = t->arg;
	int64_t waited;
	int rc;

	*x = (struct conc__inflight){.seq = seq, .area = -1, .limit = limit_of(p, t)};
	if (chunk) {
		if (s->areas == 3)
			return -EAGAIN;
		arg = cut(&o, x, s, t->arg);
	} else {
		o.fn = (uint64_t)(uintptr_t)t->fn;
		o.arg_size = t->arg_size;
		o.result_size = t->future.result_size;
		o.name_size = name != NULL ? (uint32_t)strlen(name) : 0;
		o.size = t->arg_size + o.name_size;
	}
	o.time_limit = x->limit;
	rc = conc__writer_reserve(&s->writer, &o, o.size - o.name_size);
	if (rc == -ENOMEM && conc__future_win(&t->future, CONC__FINISHING))
		conc__process_ending(p, t, CONC__FAILED,
		    conc__exception_make(rc, NULL, name, "no memory to hand it out"), -1);
	if (rc != 0)
		return rc == -ENOMEM ? 0 : rc;
	/* release: pairs with the worker's swap, for which it is there before the order */
	conc__store_release(&s->page->claims[seq % CONC__RING],
	    conc__claim_word(seq, CONC__CLAIM_PENDING));
	t->slot = s;
	t->claim = &s->page->claims[seq % CONC__RING];
	if (!conc__future_win(&t->future, CONC__RUNNING))
		return 0; /* somebody else has won it, finds it nowhere, and ends it */
	x->task = t;
	(void)conc__writer_put(&s->writer, &o, arg, o.size - o.name_size, name);
	if (s->writer.left > 0 && !s->wide && p->pipe_size == 0) {
		conc__pipe_widen(s->fds[CONC__TASKS_WRITE]);
		s->wide = true;
	}
	x->borrowed = arg;
	x->sent = conc__now();
	/* relaxed: whoever queued t is done with it */
	waited = x->sent - (int64_t)conc__load_relaxed(&t->since);
	conc__count(&p->others.wait_time, (uint64_t)waited);
	if (x->area >= 0)
		s->areas |= 1u << x->area;
	if (chunk)
		conc__chunk_of(t)->began = true;
	/* The dispatcher keeps the times. */
	if (x->limit != 0)
		conc__process_look_at(p, conc__later(x->sent, x->limit));
	if (s->lent) /* if no waiter comes it must look in */
		conc__process_look_at(p, conc__later(x->sent, CONC__LENT));
	s->sent = seq;
	s->out++;
	s->tasks++;
	return 0;
}

/* Write what is to go out, now that s has all that it gets. */
static void
flush(struct conc__process_pool *p, struct conc__slot *s)
{
	int rc = conc__writer_flush(&s->writer, s->fds[CONC__TASKS_WRITE]);

	if (rc == 0)
		conc__store_relaxed(&s->page->posted, s->sent); /* relaxed: only a hint */
	else if (rc == -EAGAIN)
		conc__process_ring(p); /* the dispatcher polls for room */
}

void
conc__preempt(struct conc__process_pool *p, int priority)
{
	for (int i = 0; p->brood != NULL && i < p->brood->n; i++) {
		struct conc__slot *s = &p->brood->slots[i];

		for (uint64_t seq = s->oldest; s->out > 1 && seq <= s->sent; seq++) {
			const struct conc__task *t = s->ring[seq % CONC__RING].task;

			if (t != NULL && conc__priority(t) < priority) {
				conc__slot_take_back(p, s);
				break;
			}
		}
	}
}

/*
 * Feed one worker that has less than most out, but leave so many tasks in the
 * queue; false: there are no more, or there is no such worker.
 */
static bool
feed_one(struct conc__process_pool *p, int most, size_t leave, struct conc__slot **fed)
{
	struct conc__slot *s = p->queue.count > leave ? choose(p, most) : NULL;
	size_t share = 1 + (most > 1 ? p->queue.count / (2 * (size_t)p->target) : 0);
	struct conc__task *t;

	if (s == NULL)
		return false;
	if (*fed != NULL && *fed != s)
		flush(p, *fed);
	*fed = s;
	for (; share > 0 && p->queue.count > leave && has_room(p, s, most); share--) {
		t = conc__queue_pop(&p->queue, true);
		if (t == NULL)
			return false;
		if (hand(p, s, t) != 0) {
			conc__queue_put_back(&p->queue, t);
			return false;
		}
	}
	return true;
}

/* May one more worker be started?  Its slot, or NULL. */
static struct conc__slot *
free_slot(const struct conc__process_pool *p)
{
	struct conc__brood *b = p->brood;

	if (b == NULL || b->retiring || p->broken != NULL ||
	    p->mode >= CONC__CANCEL)
		return NULL;
	for (int i = 0; i < b->n && i < p->target; i++)
		if (b->slots[i].state == CONC__SLOT_FREE)
			return &b->slots[i];
	return NULL;
}

/* What stands behind a long task goes back into the queue, for whoever comes to it first. */
static void
steal(struct conc__process_pool *p)
{
	int64_t now = conc__now();

	for (int i = 0; i < p->brood->n; i++)
		if (p->brood->slots[i].out > 1 && is_stuck(&p->brood->slots[i], now))
			conc__slot_take_back(p, &p->brood->slots[i]);
}

/* How long a task of s takes, as far as it can be told: the last ones, and the one it is at. */
static int64_t
pace(const struct conc__slot *s, int64_t now)
{
	int64_t ran = running_for(s, now);

	ran = ran > s->pace ? ran : s->pace;
	return ran < CONC_S(1) ? ran : CONC_S(1);
}

/*
 * How many workers, at the most, should be starting: of those that are there
 * what waits would take so much time.  Before the first one is there nothing is
 * known; but an init may take long.
 */
static size_t
worth(const struct conc__process_pool *p)
{
	const struct conc__brood *b = p->brood;
	int64_t now = conc__now(), sum = 0, n = 0;

	if (p->options.init != NULL)
		return (size_t)p->target;
	for (int i = 0; i < b->n && i < p->target; i++)
		if (b->slots[i].state == CONC__SLOT_READY) {
			sum += pace(&b->slots[i], now);
			n++;
		}
	if (n == 0)
		return 1;
	return (size_t)((double)p->queue.count * (double)(sum / n) / (double)n / WORTH);
}

/* Have workers started for the tasks that wait. */
static void
spawn(struct conc__process_pool *p)
{
	struct conc__slot *s;
	size_t most = 0;

	while (p->queue.count > (size_t)p->starting && (s = free_slot(p)) != NULL) {
		int64_t now = conc__now();

		if (most == 0) /* else, mostly, all are there, and it need not be known */
			most = worth(p);
		if ((size_t)p->starting >= most) {
			if (p->starting == 0) /* else we come again when those are there */
				conc__process_look_at(p, conc__later(now, SOON));
			return;
		}
		if (p->respawn > now) {
			conc__process_look_at(p, p->respawn);
			return;
		}
		conc__slot_spawn(p, s);
	}
}

void
conc__feed(struct conc__process_pool *p)
{
	/* What is far ahead is the dispatcher's: when reports come it sends many at once. */
	bool dispatcher = conc__self()->executor == p;
	int most = dispatcher ? MOST_CREDIT : LEAST_CREDIT;
	struct conc__slot *fed = NULL;

	if (dispatcher && p->brood != NULL)
		steal(p);
	while (feed_one(p, 1, 0, &fed))
		continue;
	spawn(p);
	while (feed_one(p, most, (size_t)p->starting, &fed))
		continue;
	if (fed != NULL)
		flush(p, fed);
	/* To have a zygote made, and to end tasks, is the dispatcher's. */
	if (p->queue.count > 0 && (p->brood == NULL || p->brood->retiring))
		conc__process_look_at(p, p->respawn);
	if (p->ending != NULL)
		conc__process_ring(p);
	if (p->blocked > 0 && conc__process_waiting(p) < p->options.queue_limit)
		conc__condition_broadcast(&p->room);
}

size_t
conc__process_waiting(const struct conc__process_pool *p)
{
	size_t n = p->queue.count;

	for (const struct conc__brood *b = p->brood; b != NULL; b = b->next)
		for (int i = 0; i < b->n; i++)
			if (b->slots[i].out > 1) /* in advance */
				n += (size_t)b->slots[i].out - 1;
	return n;
}

void
conc__slot_forget(struct conc__process_pool *p, struct conc__slot *s, uint64_t seq)
{
	struct conc__inflight *x = &s->ring[seq % CONC__RING];

	x->task = NULL;
	s->out--;
	if (x->area >= 0)
		s->areas &= ~(1u << x->area);
	conc__process_call_away(p, s); /* who waits there may wait for this one */
}

void
conc__slot_cancelled(struct conc__process_pool *p, struct conc__slot *s, uint64_t seq)
{
	struct conc__inflight *x = &s->ring[seq % CONC__RING];
	struct conc__task *t = x->task;

	conc__slot_forget(p, s, seq);
	if (!conc__writer_borrows(&s->writer, x->borrowed))
		return;
	/* Half of it may be in the pipe already, and the rest must follow. */
	if (t->own_arg) {
		conc__writer_keep(&s->writer, (void *)(uintptr_t)t->arg);
		t->own_arg = 0;
	} else if (!conc__writer_own(&s->writer)) { /* it is in the program's array */
		conc__slot_kill(p, s, CONC__REASON_POOR);
	}
}
