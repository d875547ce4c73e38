/* SPDX-License-Identifier: MIT */
/*
 * The dispatcher: the one thread of a process pool in the host.  It polls what
 * zygotes and workers say, and keeps the times: limits, pauses, second looks.
 */
#include "base/clock.h"
#include "base/memory.h"
#include "exec/chunk.h"
#include "process/pool.h"

#define SILENCE CONC_MS(50) /* so long after the end of its pipe a worker is killed */
#define LAST_WORDS CONC_MS(250) /* so long may fini take when the pool is killed */

/* The chunk that s is at is past an item's limit: is the same item still running, for good? */
static bool
hurry(struct conc__slot *s, struct conc__inflight *x, uint64_t seq, uint64_t done)
{
	uint64_t word = conc__claim_word(seq, CONC__CLAIM_RUNNING);

	if (!conc__future_hold(&x->task->future))
		return false;
	x->hurried = true;
	/* pairs with the worker's look before each item, as the next one says */
	(void)conc__cas_acq_rel(&s->page->claims[seq % CONC__RING], &word,
	    conc__claim_word(seq, CONC__CLAIM_ASKED));
	conc__future_let_go(&x->task->future);
	/* Either it raised done before its look at the claim, and we see it, or it is asked. */
	conc__process_barrier();
	/* acquire: pairs with the worker's release */
	return conc__load_acquire(&s->page->done) == done;
}

/* Is the order that s is at past its limit?  Else look again when it may be. */
static bool
overdue(struct conc__process_pool *p, struct conc__slot *s)
{
	uint64_t seq = conc__slot_at(s), done;
	struct conc__inflight *x = &s->ring[seq % CONC__RING];
	int64_t began, now;

	if (seq == 0 || x->limit == 0)
		return false;
	if (conc__slot_claim(s, seq) == CONC__CLAIM_PENDING) {
		conc__process_look_at(p, conc__later(conc__now(), x->limit));
		return false;
	}
	/* acquire: pairs with the worker's release of done, before which it wrote began */
	done = conc__load_acquire(&s->page->done);
	began = conc__slot_began(s, seq);
	now = conc__now();
	if (now - began < x->limit) {
		conc__process_look_at(p, conc__later(began, x->limit));
		return false;
	}
	if (x->items == 0 || hurry(s, x, seq, done))
		return true;
	/* it is at another item, just begun */
	conc__process_look_at(p, conc__later(now, x->limit));
	return false;
}

/* Is t, which is handed out, to be killed? */
static bool
is_condemned(struct conc__task *t)
{
	bool killed;

	if (!conc__future_hold(&t->future))
		return false;
	killed = t->killed;
	conc__future_let_go(&t->future);
	return killed;
}

/* Why what s is at should be killed, if it should. */
static enum conc__reason
why_kill(struct conc__process_pool *p, struct conc__slot *s)
{
	uint64_t seq = conc__slot_at(s);

	if (seq != 0 && is_condemned(s->ring[seq % CONC__RING].task))
		return CONC__REASON_ASKED;
	return overdue(p, s) ? CONC__REASON_LIMIT : CONC__REASON_NONE;
}

/* Its report pipe has ended: mostly it has died, and the zygote is about to tell how. */
static void
tend_deaf(struct conc__process_pool *p, struct conc__slot *s)
{
	if (conc__now() - s->silent_since > SILENCE)
		conc__slot_kill(p, s, CONC__REASON_SILENT);
	else
		conc__process_look_at(p, conc__later(s->silent_since, SILENCE));
}

/* It was said BYE: under CONC_KILL its fini has only so long. */
static void
tend_leaving(struct conc__process_pool *p, struct conc__slot *s)
{
	if (p->mode != CONC__KILL)
		return;
	if (conc__now() - s->left > LAST_WORDS)
		conc__slot_kill(p, s, CONC__REASON_SURPLUS);
	else
		conc__process_look_at(p, conc__later(s->left, LAST_WORDS));
}

/* Everything that may be due for one slot. */
static void
tend(struct conc__process_pool *p, struct conc__slot *s)
{
	int limit = p->options.tasks_per_worker;
	bool over = p->mode != CONC__OPEN && p->unfinished == 0;
	enum conc__reason why;

	if (s->buried && !s->helped) {
		conc__slot_bury(p, s, s->end.max_rss >= 0 ? &s->end : NULL);
		return;
	}
	if (s->record != NULL) /* a waiter found it, or the others had their turn */
		conc__slot_listen(p, s, false);
	if (s->untold)
		conc__slot_tell(p, s);
	switch (s->state) {
	case CONC__SLOT_SPAWNING:
	case CONC__SLOT_STARTING:
		if (over || conc__slot_unwanted(p, s))
			conc__slot_kill(p, s, CONC__REASON_SURPLUS);
		else if (s->deaf)
			tend_deaf(p, s);
		return;
	case CONC__SLOT_READY:
		break;
	case CONC__SLOT_LEAVING:
		tend_leaving(p, s);
		return;
	default:
		return;
	}
	if (p->mode >= CONC__CANCEL || conc__slot_unwanted(p, s))
		conc__slot_take_back(p, s);
	if (s->deaf) {
		tend_deaf(p, s);
	} else if (s->out > 0 && p->mode == CONC__KILL) {
		conc__slot_kill(p, s, CONC__REASON_ASKED);
	} else if (s->out > 0 && why_kill(p, s) != CONC__REASON_NONE) {
		/*
		 * Nothing else may begin there, and what has ended meanwhile has been
		 * reported: then whom it kills is the one that is to be.
		 */
		conc__slot_take_back(p, s);
		conc__slot_listen(p, s, true);
		/* If more log records stand before that, it is if nothing else has begun. */
		why = s->record == NULL || s->out == 1 ? why_kill(p, s) : CONC__REASON_NONE;
		if (why != CONC__REASON_NONE)
			conc__slot_kill(p, s, why);
	} else if (s->out == 0 && conc__writer_empty(&s->writer) &&
	    (over || conc__slot_unwanted(p, s) || (limit > 0 && s->tasks >= limit))) {
		conc__slot_bye(p, s);
		if (s->state == CONC__SLOT_LEAVING)
			tend_leaving(p, s);
	}
}

/* The zygote is gone, and its workers with it. */
static void
zygote_gone(struct conc__process_pool *p, struct conc__brood *b)
{
	b->gone = b->retiring = true;
	for (int i = 0; i < b->n; i++)
		if (b->slots[i].state != CONC__SLOT_FREE)
			conc__slot_died(p, &b->slots[i], NULL);
}

/* A brood that has nobody left goes; without a current one, one is made. */
static void
renew(struct conc__process_pool *p)
{
	struct conc__brood **link = &p->brood, *b;
	int rc;

	while ((b = *link) != NULL) {
		if (b->retiring && conc__brood_empty(b)) { /* its zygote ends at once */
			*link = b->next;
			conc__brood_destroy(b);
		} else {
			link = &b->next;
		}
	}
	if ((p->brood != NULL && !p->brood->retiring) || p->broken != NULL ||
	    p->queue.count == 0)
		return;
	if (p->respawn <= conc__now()) {
		rc = conc__process_new_brood(p);
		if (rc == 0)
			return;
		conc__process_without(p, rc);
	}
	conc__process_look_at(p, p->respawn);
}

/* Poll fd, of b, or of its slot s.  Without memory it must wait for its turn. */
static void
add(struct conc__process_pool *p, size_t *n, int fd, int wanted, struct conc__brood *b,
    struct conc__slot *s)
{
	if (*n == p->most_polls && !conc__process_more_polls(p)) {
		conc__process_look_at(p, conc__later(conc__now(), CONC_MS(10)));
		return;
	}
	p->polls[*n] = (struct conc__poll){fd, (short)wanted, 0};
	p->polled[(*n)++] = (struct conc__polled){b, s};
}

/*
 * s is lent: until when?  If a waiter is there, look in all the same, less and
 * less often: once he has gone there may be another order, and no waiter.
 */
static void
look_in(struct conc__process_pool *p, struct conc__slot *s)
{
	int64_t now = conc__now(), stay = now - s->lent_since;

	if (s->helped) {
		if (stay < CONC__LENT)
			stay = CONC__LENT;
		conc__process_look_at(p, conc__later(now, stay));
		return;
	}
	s->lent = s->lent_until > now;
	if (s->lent)
		conc__process_look_at(p, s->lent_until);
}

/* Fill in what to poll for.  Return how many. */
static size_t
gather(struct conc__process_pool *p)
{
	bool ahead = false;
	size_t n = 0;

	add(p, &n, p->bell, CONC__READABLE, NULL, NULL);
	for (struct conc__brood *b = p->brood; b != NULL; b = b->next) {
		int wanted = CONC__READABLE;

		for (int i = 0; i < b->n; i++) {
			struct conc__slot *s = &b->slots[i];

			if (s->untold)
				wanted |= CONC__WRITABLE;
			if (s->lent)
				look_in(p, s);
			if (!s->deaf && !s->lent && s->fds[CONC__REPORTS_READ] >= 0)
				add(p, &n, s->fds[CONC__REPORTS_READ], CONC__READABLE, b, s);
			if (!conc__writer_empty(&s->writer))
				add(p, &n, s->fds[CONC__TASKS_WRITE], CONC__WRITABLE, b, s);
			ahead |= s->out > 1;
		}
		if (!b->gone)
			add(p, &n, b->zygote.control, wanted, b, NULL);
	}
	if (ahead) /* then there may be something to take back */
		conc__process_look_at(p, conc__later(conc__now(), CONC__LONG));
	return n;
}

/* Act on what is ready. */
static void
act(struct conc__process_pool *p, const struct conc__poll *poll,
    const struct conc__polled *polled)
{
	struct conc__brood *b = polled->brood;
	struct conc__slot *s = polled->slot;
	int fds[CONC__SPAWNED_FDS], rc;
	struct conc__control m;

	if (s != NULL && (poll->wanted & CONC__READABLE)) {
		if (!s->helped) /* else a waiter has come meanwhile, who waits for this */
			conc__slot_listen(p, s, false);
	} else if (s != NULL) {
		(void)conc__writer_flush(&s->writer, s->fds[CONC__TASKS_WRITE]);
	} else if (b != NULL && !b->gone) {
		while ((rc = conc__zygote_hear(&b->zygote, &m, fds)) == 1)
			conc__slot_hear(p, b, &m, fds);
		if (rc != -EAGAIN && rc != -EINTR)
			zygote_gone(p, b);
	}
}

/* Sleep until something is ready, or due; then act on it. */
static void
wait(struct conc__process_pool *p)
{
	size_t n = gather(p);
	/* What is to be done may have changed as a log record was told: first look again. */
	conc_time until = p->told ? CONC_NOW : (conc_time){p->wakes};
	int ready;

	p->polling = true;
	conc__mutex_unlock(&p->lock);
	/* woken by workers, zygotes, the bell, and the time */
	ready = conc__poll(p->polls, n, until);
	conc__mutex_lock(&p->lock);
	p->polling = false;
	if (p->polls[0].ready != 0) {
		conc__bell_hush(p->bell);
		p->rung = false;
	}
	for (size_t i = 1; ready > 0 && i < n; i++)
		if (p->polls[i].ready != 0)
			act(p, &p->polls[i], &p->polled[i]);
}

/* One round over all that is due. */
static void
tend_all(struct conc__process_pool *p)
{
	p->told = false;
	/* A time that is not needed any more costs one look too many, not one a task. */
	if (conc__passed((conc_time){p->wakes}))
		p->wakes = INT64_MAX;
	for (struct conc__brood *b = p->brood; b != NULL; b = b->next)
		for (int i = 0; i < b->n; i++)
			tend(p, &b->slots[i]);
	if (p->mode >= CONC__CANCEL)
		conc__process_flush(p, NULL);
	renew(p);
	conc__queue_move_due(&p->queue); /* else, without a worker, they would stay due */
	conc__feed(p);
	if (p->broken != NULL &&
	    (p->brood == NULL || p->brood->retiring || p->brood->live == 0))
		conc__process_flush(p, p->broken); /* what has come back since it broke */
	conc__process_look_at(p, conc__queue_due(&p->queue));
}

void
conc__dispatcher_main(void *pool)
{
	struct conc__process_pool *p = pool;
	struct conc__thread *self;
	bool orphan;

	conc__self()->executor = p;
	conc__self()->index = -1; /* no worker */
	conc__mutex_lock(&p->lock);
	while (!conc__process_finished(p)) {
		tend_all(p);
		if (p->ending != NULL)
			conc__process_end_all(p);
		else if (!conc__process_finished(p))
			wait(p);
	}
	conc__process_drop_broods(p);
	orphan = p->orphan;
	p->ended = true;
	self = p->dispatcher;
	conc__condition_broadcast(&p->over);
	conc__mutex_unlock(&p->lock);
	if (orphan) {
		conc__thread_detach(self);
		conc__process_free(p);
	}
}
