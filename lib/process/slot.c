/* SPDX-License-Identifier: MIT */
/*
 * One worker's life, as the host sees it: asked for, heard of, said goodbye to
 * or killed, buried.
 */
#include "base/clock.h"
#include "base/memory.h"
#include "base/signals.h"
#include "exec/chunk.h"
#include "process/pool.h"
#include <stdio.h>
#include <string.h>

#define EARLY_DEATHS 3 /* so many in a row, before READY, break the pool */
#define FIRST_PAUSE CONC_MS(1)
#define LONGEST_PAUSE CONC_S(1)
#define PATIENCE CONC_MS(250) /* pauses so long, and no worker: what is queued fails */
#define RESTARTS 8
#define RESTART_PERIOD CONC_S(10)

void
conc__slot_spawn(struct conc__process_pool *p, struct conc__slot *s)
{
	s->state = CONC__SLOT_SPAWNING;
	s->incarnation = ++p->incarnations;
	s->reason = CONC__REASON_NONE;
	s->deaf = s->wide = false;
	s->tasks = 0;
	s->pace = 0;
	s->brood->live++;
	p->starting++;
	conc__slot_tell(p, s);
}

void
conc__slot_tell(struct conc__process_pool *p, struct conc__slot *s)
{
	struct conc__control m = {
	    .type = s->state == CONC__SLOT_SPAWNING ? CONC__CONTROL_SPAWN : CONC__CONTROL_KILL,
	    .slot = (uint32_t)s->index,
	    .incarnation = s->incarnation,
	};

	s->untold = conc__zygote_tell(&s->brood->zygote, &m) == -EAGAIN;
	if (s->untold)
		conc__process_ring(p); /* it tries again */
	/* If the zygote is gone the dispatcher hears of that. */
}

/* s is not SPAWNING or STARTING any more. */
static void
started(struct conc__process_pool *p, struct conc__slot *s, enum conc__slot_state state)
{
	if (s->state == CONC__SLOT_SPAWNING || s->state == CONC__SLOT_STARTING)
		p->starting--;
	s->state = state;
}

/* Has no canceller revoked t?  Who does takes it out of RUNNING before he lets it go. */
static bool
is_ours(struct conc__task *t)
{
	if (!conc__future_hold(&t->future))
		return false;
	conc__future_let_go(&t->future);
	return true;
}

uint64_t
conc__slot_at(const struct conc__slot *s)
{
	for (uint64_t seq = s->oldest; seq <= s->sent; seq++) {
		struct conc__task *t = s->ring[seq % CONC__RING].task;

		if (t == NULL) /* reported */
			continue;
		/* REVOKED is the worker's to write, too: then it need not be true */
		if (conc__slot_claim(s, seq) != CONC__CLAIM_REVOKED || is_ours(t))
			return seq;
	}
	return 0;
}

int64_t
conc__slot_began(const struct conc__slot *s, uint64_t seq)
{
	int64_t sent = s->ring[seq % CONC__RING].sent;
	/* relaxed: of an order whose claim, or done, the caller has seen, which order it */
	int64_t began = (int64_t)conc__load_relaxed(&s->page->began);

	return began >= sent && began <= conc__now() ? began : sent;
}

void
conc__slot_ready(struct conc__process_pool *p, struct conc__slot *s)
{
	started(p, s, CONC__SLOT_READY);
	p->early = 0;
	p->respawn_pause = 0;
}

void
conc__slot_bye(struct conc__process_pool *p, struct conc__slot *s)
{
	struct conc__order o = {.type = CONC__ORDER_BYE};
	int rc;

	rc = conc__writer_put(&s->writer, &o, NULL, 0, NULL);
	if (rc == -EAGAIN)
		return; /* once its writer is empty we come again */
	if (rc != 0) {
		conc__slot_kill(p, s, CONC__REASON_SURPLUS);
		return;
	}
	s->state = CONC__SLOT_LEAVING;
	s->left = conc__now();
	(void)conc__writer_flush(&s->writer, s->fds[CONC__TASKS_WRITE]);
}

/* Put what is in order seq back into the queue, unless it has begun. */
static void
take_back(struct conc__process_pool *p, struct conc__slot *s, uint64_t seq)
{
	struct conc__inflight *x = &s->ring[seq % CONC__RING];
	struct conc__task *t = x->task;
	uint64_t word = conc__claim_word(seq, CONC__CLAIM_PENDING);

	if (t == NULL)
		return;
	if (conc__writer_borrows(&s->writer, x->borrowed) && !conc__writer_own(&s->writer))
		return; /* half of it is in the pipe, and there is no memory for the rest */
	if (!conc__future_hold(&t->future))
		return; /* a canceller has revoked it, and waits for the lock */
	/* pairs with the worker's swap: one of us gets the order */
	if (!conc__cas_acq_rel(&s->page->claims[seq % CONC__RING], &word,
		conc__claim_word(seq, CONC__CLAIM_REVOKED))) {
		conc__future_let_go(&t->future);
		return;
	}
	conc__slot_forget(p, s, seq);
	s->tasks--;
	if (conc__chunk_of(t) != NULL)
		conc__chunk_of(t)->began = false;
	t->claim = NULL;
	conc__future_put_back_held(&t->future, CONC__PENDING);
	conc__queue_put_back(&p->queue, t);
}

void
conc__slot_take_back(struct conc__process_pool *p, struct conc__slot *s)
{
	/* The last first: each goes before the one after it. */
	for (uint64_t seq = s->sent; seq >= s->oldest && s->out > 0; seq--)
		take_back(p, s, seq);
}

void
conc__slot_close(struct conc__slot *s)
{
	for (int i = 0; i < CONC__SPAWNED_FDS; i++) {
		if (s->fds[i] >= 0)
			(void)conc__close(s->fds[i]);
		s->fds[i] = -1;
	}
	conc__reader_fini(&s->reader);
	s->record = NULL;
	conc__writer_fini(&s->writer);
	conc_exception_release(s->init_failure);
	s->init_failure = NULL;
}

/* No process stands behind s any more. */
static void
empty(struct conc__process_pool *p, struct conc__slot *s)
{
	started(p, s, CONC__SLOT_FREE);
	conc__slot_close(s);
	s->pid = 0;
	s->untold = s->lent = s->buried = false;
	s->brood->live--;
}

void
conc__slot_kill(struct conc__process_pool *p, struct conc__slot *s, enum conc__reason reason)
{
	bool there;

	if (s->state == CONC__SLOT_FREE || s->state == CONC__SLOT_DYING)
		return;
	if (s->state == CONC__SLOT_SPAWNING && s->untold) { /* the zygote never hears of it */
		empty(p, s);
		return;
	}
	conc__writer_fini(&s->writer); /* it will read no more */
	conc__slot_take_back(p, s);
	s->reason = reason;
	there = s->state != CONC__SLOT_SPAWNING; /* else it is killed as soon as it is */
	started(p, s, CONC__SLOT_DYING);
	if (there)
		conc__slot_tell(p, s);
}

/* Not again at once: the next try is later, and later each time. */
static void
pause_spawning(struct conc__process_pool *p)
{
	p->respawn_pause = p->respawn_pause == 0 ? FIRST_PAUSE : 2 * p->respawn_pause;
	if (p->respawn_pause > LONGEST_PAUSE)
		p->respawn_pause = LONGEST_PAUSE;
	p->respawn = conc__later(conc__now(), p->respawn_pause);
}

void
conc__process_without(struct conc__process_pool *p, int code)
{
	conc_exception *why, *e;

	pause_spawning(p);
	if (p->queue.count == 0 || p->respawn_pause < PATIENCE)
		return;
	why = conc__exception_make(code, NULL, NULL, NULL);
	e = conc__exception_make(CONC_EBROKEN, why, NULL, "no worker could be started");
	conc_exception_release(why);
	conc__process_flush(p, e);
	conc_exception_release(e);
}

/* No worker came of s, because of code: live with fewer, or without. */
static void
without(struct conc__process_pool *p, struct conc__slot *s, int code)
{
	empty(p, s);
	if (s->brood->live > 0)
		pause_spawning(p);
	else
		conc__process_without(p, code);
}

/* How a worker ended, as words. */
static void
describe(char *buf, size_t size, const struct conc__process_end *end)
{
	char number[16];

	if (end == NULL)
		(void)snprintf(buf, size, "is gone, and so is its zygote");
	else if (end->signal != 0)
		(void)snprintf(buf, size, "killed by %s%s",
		    conc__signal_name(end->signal, number),
		    end->core_dumped ? " (core dumped)" : "");
	else
		(void)snprintf(buf, size, "exited with status %d", end->exit_status);
}

/* The exception of its death; t: of the task that it was running for so long, or NULL. */
static conc_exception *
death_of(const struct conc__slot *s, const struct conc__task *t, int code, int64_t ran,
    const struct conc__process_end *end)
{
	conc_death death = {.pid = s->pid,
	    .worker = s->index,
	    .exit_status = -1,
	    .attempt = t != NULL ? t->runs : 0};
	const char *name = t != NULL && t->extras != NULL ? t->extras->name : NULL;
	const struct conc__chunk *k = t != NULL ? conc__chunk_of(t) : NULL;
	char how[64], what[96] = "", text[320];
	int n;

	describe(how, sizeof how, end);
	if (name != NULL)
		(void)snprintf(what, sizeof what, "task \"%.64s\": ", name);
	else if (k != NULL)
		(void)snprintf(what, sizeof what, "item %zu: ", k->at);
	else if (t != NULL)
		(void)snprintf(what, sizeof what, "task: ");
	n = snprintf(text, sizeof text, "%s%sworker %d (pid %d) %s", what,
	    s->reason == CONC__REASON_LIMIT	? "past its time limit, "
		: s->reason == CONC__REASON_CORRUPT ? "it sent nonsense, "
		: s->reason == CONC__REASON_SILENT && end != NULL && end->signal == SIGKILL
		? "it closed its report pipe, "
						    : "",
	    s->index, s->pid, how);
	if (t != NULL)
		n += snprintf(
		    text + n, sizeof text - (size_t)n, " after %.1f s", (double)ran / 1e9);
	if (end != NULL) {
		death.signal = end->signal;
		death.exit_status = end->exit_status;
		death.core_dumped = end->core_dumped;
		death.user_time = end->user_time;
		death.system_time = end->system_time;
		death.max_rss = end->max_rss;
		n += snprintf(text + n, sizeof text - (size_t)n, ", max RSS %.0f MB",
		    (double)end->max_rss / 1e6);
	}
	if (end != NULL && end->signal == SIGKILL && s->reason == CONC__REASON_NONE)
		(void)snprintf(text + n, sizeof text - (size_t)n,
		    " (not by the pool; perhaps the system was out of memory)");
	return conc__exception_compose(&(struct conc__exception_parts){
	    .code = code, .task = name, .message = text, .death = &death});
}

/* What its death means for the task of order seq; false: nothing, a canceller has it. */
static bool
fail_running(struct conc__process_pool *p, struct conc__slot *s, uint64_t seq,
    const struct conc__process_end *end)
{
	struct conc__inflight *x = &s->ring[seq % CONC__RING];
	struct conc__task *t = x->task;
	struct conc__chunk *k = conc__chunk_of(t);
	int64_t ran = conc__now() - conc__slot_began(s, seq);
	int code = CONC_ECRASHED;

	/* Revoked before it began: nothing in the page is about it. */
	if (!is_ours(t))
		return false;
	if (s->reason == CONC__REASON_LIMIT ||
	    (end != NULL && end->signal == SIGXCPU && p->options.cpu_limit != 0))
		code = CONC_ETIMELIMIT;
	else if (s->reason == CONC__REASON_CORRUPT)
		code = CONC_ECORRUPT;
	t->runs++;
	if (k != NULL && x->items > 0 && conc__chunk_survives(p, s, seq, end))
		return true; /* all of it had been run */
	if (k != NULL)
		t->runs = ++k->tries;
	if (!conc__process_take_out(p, s, seq))
		return false;
	if (s->reason == CONC__REASON_ASKED || t->killed) {
		if (k != NULL) {
			k->obeyed = true;
			(void)conc__chunk_item_ended(k, -ECANCELED, NULL);
		}
		conc__process_ending(p, t, CONC__CANCELLED, NULL, ran);
	} else {
		conc__process_ending(
		    p, t, CONC__FAILED, death_of(s, t, code, ran, end), ran);
	}
	return true;
}

/* Its death cost no task: too many of those, and the pool cannot run anything. */
static void
count_death(struct conc__process_pool *p, struct conc__slot *s, bool early,
    const struct conc__process_end *end)
{
	int most = p->options.restarts > 0 ? p->options.restarts : RESTARTS;
	int64_t period =
	    p->options.restart_period > 0 ? p->options.restart_period : RESTART_PERIOD;
	int64_t now = conc__now();
	conc_exception *e;

	if (early) {
		p->early++;
		pause_spawning(p);
	} else {
		if (now - p->idle_since > period) {
			p->idle_since = now;
			p->idle_deaths = 0;
		}
		p->idle_deaths++;
	}
	if (p->early < EARLY_DEATHS && p->idle_deaths <= most)
		return;
	e = s->init_failure;
	s->init_failure = NULL;
	conc__process_break(p, e != NULL ? e : death_of(s, NULL, CONC_ECRASHED, 0, end));
}

void
conc__slot_bury(struct conc__process_pool *p, struct conc__slot *s,
    const struct conc__process_end *end)
{
	bool early = s->state == CONC__SLOT_SPAWNING || s->state == CONC__SLOT_STARTING;
	bool leaving = s->state == CONC__SLOT_LEAVING;
	uint64_t seq;
	bool cost = false;

	conc__writer_fini(&s->writer);
	/* First: if its zygote is gone it may live for a moment yet, and begin what it can. */
	conc__slot_take_back(p, s);
	conc__slot_last_words(p, s);
	early = early && s->state != CONC__SLOT_READY; /* it may have been READY for a moment */
	/* What it had not begun is back, or a canceller has it; what is left it died of. */
	for (seq = s->oldest; seq <= s->sent; seq++)
		if (s->ring[seq % CONC__RING].task != NULL)
			cost |= fail_running(p, s, seq, end);
	if (s->reason == CONC__REASON_POOR) {
		without(p, s, -ENOMEM);
		return;
	}
	if ((s->reason == CONC__REASON_NONE || s->reason == CONC__REASON_SILENT) && !cost &&
	    !leaving)
		count_death(p, s, early, end);
	empty(p, s);
}

void
conc__slot_died(struct conc__process_pool *p, struct conc__slot *s,
    const struct conc__process_end *end)
{
	if (!s->helped) {
		conc__slot_bury(p, s, end);
		return;
	}
	/* First the waiter must be away from its pipe. */
	s->buried = true;
	s->end = end != NULL ? *end : (struct conc__process_end){.max_rss = -1};
	conc__process_call_away(p, s);
}

/* It is there: its pipes are ours. */
static void
spawned(struct conc__process_pool *p, struct conc__slot *s, const struct conc__control *m,
    const int fds[CONC__SPAWNED_FDS])
{
	bool dying = s->state == CONC__SLOT_DYING; /* before it was there */

	memcpy(s->fds, fds, sizeof s->fds);
	s->pid = m->pid;
	if (!dying)
		s->state = CONC__SLOT_STARTING;
	/* Memory now: no order, and no last word of a dead worker, is lost for want of it. */
	if (conc__reader_begin(&s->reader) != 0 || conc__writer_begin(&s->writer) != 0)
		conc__slot_kill(p, s, CONC__REASON_POOR);
	if (dying)
		conc__slot_tell(p, s);
}

void
conc__slot_hear(struct conc__process_pool *p, struct conc__brood *b,
    const struct conc__control *m, int fds[CONC__SPAWNED_FDS])
{
	struct conc__slot *s = m->slot < (uint32_t)b->n ? &b->slots[m->slot] : NULL;

	if (s == NULL || s->state == CONC__SLOT_FREE || s->incarnation != m->incarnation) {
		for (int i = 0; m->type == CONC__CONTROL_SPAWNED && i < CONC__SPAWNED_FDS; i++)
			(void)conc__close(fds[i]);
		return;
	}
	switch (m->type) {
	case CONC__CONTROL_SPAWNED:
		spawned(p, s, m, fds);
		break;
	case CONC__CONTROL_REFUSED:
		without(p, s, m->code);
		break;
	case CONC__CONTROL_DIED:
		conc__slot_died(p, s, &m->end);
		break;
	}
}
