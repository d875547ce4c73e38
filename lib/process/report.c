/* SPDX-License-Identifier: MIT */
/*
 * Reports: what the workers say came of their orders.  Nothing of it is
 * believed that does not fit what they were told.
 */
#include "base/clock.h"
#include "base/hook.h"
#include "base/memory.h"
#include "base/self.h"
#include "exec/chunk.h"
#include "process/pool.h"
#include <string.h>

enum { TOLD = 64 }; /* so many log records of a worker, then the others have their turn */

bool
conc__process_take_out(struct conc__process_pool *p, struct conc__slot *s, uint64_t seq)
{
	struct conc__task *t = s->ring[seq % CONC__RING].task;

	if (!conc__future_hold(&t->future))
		return false;
	t->claim = NULL;
	conc__future_let_go(&t->future);
	conc__slot_forget(p, s, seq);
	return true;
}

static bool
all_zero(const int *codes, uint64_t n)
{
	int any = 0;

	for (uint64_t i = 0; i < n; i++)
		any |= codes[i];
	return any == 0;
}

/* The item at of k has failed with code: if it is to run again, note when. */
static bool
runs_again(struct conc__chunk *k, int code)
{
	if (code != CONC_ETIMELIMIT || ++k->tries > k->map->o->retries)
		return false;
	k->due = conc__chunk_due(k);
	k->again = true;
	if (k->exception != NULL && k->failed == k->at) {
		conc_exception_release(k->exception);
		k->exception = NULL;
	}
	return true;
}

static const int *
codes_of(const struct conc__slot *s, const struct conc__inflight *x)
{
	const struct conc__chunk *k = x->task->arg;

	return (const int *)(s->page->areas[x->area] +
	    conc__area_codes(x->items, k->map->result_size));
}

void
conc__take_items(struct conc__slot *s, struct conc__inflight *x, uint64_t n, bool obeyed)
{
	struct conc__chunk *k = conc__chunk_of(x->task);
	const struct conc__map *m = k->map;
	const int *codes = codes_of(s, x);

	if (n == 0)
		return;
	if (m->result_size > 0)
		memcpy(m->results + k->at * m->result_size, s->page->areas[x->area],
		    n * m->result_size);
	if (all_zero(codes, n)) { /* as nearly always */
		if (k->codes != NULL)
			memset(k->codes + (k->at - k->begin), 0, n * sizeof *codes);
		k->at += n;
		k->tries = 0;
		return;
	}
	for (uint64_t i = 0; i < n; i++) {
		int code = codes[i];
		conc_exception *e = NULL;

		if (obeyed && i == n - 1) {
			k->obeyed = !x->hurried;
			code = x->hurried ? CONC_ETIMELIMIT : code;
		}
		if (i == n - 1 && runs_again(k, code))
			return;
		if (code != 0 && !k->obeyed && k->exception == NULL)
			e = conc__exception_make(code, NULL, NULL, NULL);
		(void)conc__chunk_item_ended(k, code, e);
	}
}

/* Order seq, a chunk's, has come back: it has more items to run, if on, or ends so. */
static void
go_on(struct conc__process_pool *p, struct conc__slot *s, uint64_t seq, bool on, int64_t ran)
{
	struct conc__task *t = s->ring[seq % CONC__RING].task;
	const struct conc__chunk *k = t->arg;

	on = on && k->at < k->end && !k->obeyed && !k->again &&
	    !(k->exception != NULL && k->map->o->stop_on_failure);
	/* In one go: who kills it meanwhile must not take it for one that ends. */
	if (on && conc__future_hold(&t->future)) {
		if (!t->killed) {
			conc__slot_forget(p, s, seq);
			t->claim = NULL;
			(void)conc__future_put_back_held(&t->future, CONC__PENDING);
			conc__queue_put_back(&p->queue, t);
			return;
		}
		conc__future_let_go(&t->future);
	}
	if (!conc__process_take_out(p, s, seq))
		return;
	conc__process_ending(p, t, t->killed ? CONC__CANCELLED : CONC__DONE, NULL, ran);
}

/*
 * The worker of an order that was to stop died, with n items ended, before it said how the
 * last one had: as it was asked to?
 */
static bool
has_obeyed(const struct conc__slot *s, const struct conc__inflight *x, uint64_t n)
{
	const struct conc__chunk *k = x->task->arg;

	return n > 0 && codes_of(s, x)[n - 1] == -ECANCELED &&
	    !(k->exception != NULL && k->failed == k->at + n - 1); /* it did say so */
}

bool
conc__chunk_survives(struct conc__process_pool *p, struct conc__slot *s, uint64_t seq,
    const struct conc__process_end *end)
{
	struct conc__inflight *x = &s->ring[seq % CONC__RING];
	const struct conc__chunk *k = x->task->arg;
	bool obeyed = conc__slot_claim(s, seq) == CONC__CLAIM_ASKED;
	uint64_t word = conc__claim_word(seq, CONC__CLAIM_RUNNING), done;

	/* If its zygote is gone it may live for a moment yet: it shall begin no other item. */
	if (end == NULL && conc__future_hold(&x->task->future)) {
		/* pairs with the worker's look before each item, as the next one says */
		(void)conc__cas_acq_rel(&s->page->claims[seq % CONC__RING], &word,
		    conc__claim_word(seq, CONC__CLAIM_ASKED));
		conc__future_let_go(&x->task->future);
		/* Either it raised done before that look, and we see it, or it is asked. */
		conc__process_barrier();
	}
	/* acquire: pairs with the worker's release */
	done = conc__load_acquire(&s->page->done);
	if (done > x->items)
		done = x->items;
	obeyed = obeyed && has_obeyed(s, x, done);
	conc__take_items(s, x, done, obeyed);
	if (done < x->items && !k->again && !obeyed)
		return false;
	go_on(p, s, seq, true, 0);
	return true;
}

/* One of a chunk's items, or some, have been run: r says how many, or how. */
static void
chunk_returned(struct conc__process_pool *p, struct conc__slot *s, struct conc__inflight *x,
    const struct conc__report *r, conc_exception *e)
{
	struct conc__chunk *k = conc__chunk_of(x->task);
	bool obeyed = r->type == CONC__REPORT_CANCELLED ||
	    (r->type == CONC__REPORT_DONE && r->code == -ECANCELED);
	bool on = true;

	if (x->items > 0) {
		conc__take_items(s, x, r->item, obeyed && r->item > 0);
		on = r->item == x->items || x->hurried;
	} else if (runs_again(k, r->code)) {
		conc_exception_release(e);
	} else {
		k->obeyed = obeyed;
		(void)conc__chunk_item_ended(k, obeyed ? -ECANCELED : r->code, e);
	}
	go_on(p, s, r->seq, on, r->ran);
}

/* The payload of a RESULT or ROOM becomes t's result.  Return a code. */
static int
receive(struct conc__slot *s, conc_future *f, void *result, const void *payload)
{
	const struct conc__report *r = &s->reader.head;
	void *room;

	if (r->size == 0 && r->type == CONC__REPORT_RESULT)
		return 0;
	if (r->size != 0 && payload == NULL)
		return -ENOMEM;
	if (r->type == CONC__REPORT_RESULT && result != NULL) {
		memcpy(result, payload, r->size);
		return 0;
	}
	room = conc__reader_take(&s->reader);
	if (room == NULL) {
		room = conc__malloc(r->size != 0 ? r->size : 1);
		if (room == NULL)
			return -ENOMEM;
		if (r->size != 0)
			memcpy(room, payload, r->size);
	}
	conc__task_take_room((struct conc__task *)f, room, r->size);
	return 0;
}

/* May a chunk's order with this claim be DONE as r says, perhaps before its last item? */
static bool
may_be_done(const struct conc__slot *s, const struct conc__inflight *x,
    const struct conc__report *r, enum conc__claim claim)
{
	const conc_map_options *o = ((const struct conc__chunk *)x->task->arg)->map->o;

	if (r->item > x->items)
		return false;
	if (claim == CONC__CLAIM_ASKED)
		return true;
	if (r->code != 0)
		return false;
	return r->item == x->items ||
	    ((o->stop_on_failure || o->retries > 0) && r->item > 0 &&
		codes_of(s, x)[r->item - 1] != 0);
}

/* Does r fit what its order was, and how far that has come? */
static bool
fits(const struct conc__slot *s, const struct conc__report *r)
{
	const struct conc__inflight *x = &s->ring[r->seq % CONC__RING];
	enum conc__claim claim;
	const struct conc__chunk *k;

	/* It is serial: it can only report what it is at. */
	if (r->seq == 0 || r->seq != conc__slot_at(s))
		return false;
	claim = conc__slot_claim(s, r->seq);
	if (claim != CONC__CLAIM_RUNNING && claim != CONC__CLAIM_ASKED)
		return false;
	k = conc__chunk_of(x->task);
	if ((r->type == CONC__REPORT_DONE || r->type == CONC__REPORT_ITEM_FAILURE) !=
	    (k != NULL && x->items > 0))
		return false;
	switch (r->type) {
	case CONC__REPORT_ITEM_FAILURE:
		return r->item < x->items;
	case CONC__REPORT_DONE:
		return may_be_done(s, x, r, claim);
	case CONC__REPORT_RESULT:
		return r->size ==
		    (k != NULL ? k->map->result_size : x->task->future.result_size);
	case CONC__REPORT_ROOM:
		return k == NULL;
	case CONC__REPORT_CANCELLED:
		return claim == CONC__CLAIM_ASKED;
	}
	return true;
}

/* The chunk's first failure is its exception; e is taken. */
static void
note_item_failure(struct conc__chunk *k, size_t item, conc_exception *e)
{
	if (k->exception == NULL) {
		k->exception = e;
		k->failed = k->at + item;
	} else {
		conc_exception_release(e);
	}
}

/* A report of an order: take it in.  false: nonsense. */
static bool
returned(struct conc__process_pool *p, struct conc__slot *s, const void *payload)
{
	struct conc__report r = s->reader.head;
	struct conc__inflight *x = &s->ring[r.seq % CONC__RING];
	uint32_t phase = r.type == CONC__REPORT_CANCELLED ? CONC__CANCELLED : CONC__DONE;
	conc_exception *e = NULL;
	struct conc__task *t;
	struct conc__chunk *k;

	if (!fits(s, &r))
		return false;
	t = x->task;
	k = conc__chunk_of(t);
	if (r.type == CONC__REPORT_FAILURE || r.type == CONC__REPORT_ITEM_FAILURE) {
		e = conc__exception_unpack(payload, payload != NULL ? r.size : 0, r.code);
		if (e == NULL)
			return false;
	} else if (r.type == CONC__REPORT_RESULT || r.type == CONC__REPORT_ROOM) {
		r.code = receive(s, k != NULL ? NULL : &t->future,
		    k != NULL ? k->map->results + k->at * k->map->result_size
			      : t->future.result,
		    payload);
		if (r.code != 0)
			e = conc__exception_make(
			    r.code, NULL, NULL, "no memory for the result");
	}
	if (r.type == CONC__REPORT_ITEM_FAILURE) {
		note_item_failure(k, r.item, e);
		return true;
	}
	s->pace = s->pace == 0 ? r.ran : (7 * s->pace + r.ran) / 8;
	if (k != NULL) {
		chunk_returned(p, s, x, &r, e);
		return true;
	}
	if (!conc__process_take_out(p, s, r.seq)) {
		conc_exception_release(e);
		return false; /* it was revoked */
	}
	if (e != NULL)
		phase = CONC__FAILED;
	if (t->killed) { /* it was told that it would be cancelled */
		conc_exception_release(e);
		e = NULL;
		phase = CONC__CANCELLED;
	}
	conc__process_ending(p, t, phase, e, r.ran);
	return true;
}

static bool
understood(struct conc__process_pool *p, struct conc__slot *s, const void *payload)
{
	const struct conc__report *r = &s->reader.head;

	switch (r->type) {
	case CONC__REPORT_READY:
		if (s->state == CONC__SLOT_STARTING)
			conc__slot_ready(p, s);
		else if (s->state != CONC__SLOT_DYING)
			return false;
		return true;
	case CONC__REPORT_INIT_FAILED:
		if (s->state != CONC__SLOT_STARTING && s->state != CONC__SLOT_DYING)
			return false;
		conc_exception_release(s->init_failure);
		s->init_failure =
		    conc__exception_unpack(payload, payload != NULL ? r->size : 0, r->code);
		return s->init_failure != NULL;
	}
	return returned(p, s, payload);
}

/*
 * Hand out the log record that stands first in s.  The lock is let go meanwhile: the program's
 * handler may do what callbacks may.  The record stays where it is until then: only
 * we read there, and only we end a slot.  false: nonsense.
 */
static bool
tell(struct conc__process_pool *p, struct conc__slot *s)
{
	struct conc__self *self = conc__self();
	conc_log_record record;
	bool sound = conc__record_read(s->record, s->reader.head.size, &record);

	if (sound) {
		conc__mutex_unlock(&p->lock);
		self->callbacks++;
		conc__log_record(&record);
		self->callbacks--;
		conc__mutex_lock(&p->lock);
		p->told = true;
	}
	s->record = NULL;
	return sound;
}

void
conc__slot_listen(struct conc__process_pool *p, struct conc__slot *s, bool all)
{
	bool dispatcher = conc__self()->executor == p;
	int fd = s->fds[CONC__REPORTS_READ], told = 0, rc = 1;
	const void *payload;

	while (!s->deaf && fd >= 0) {
		if (s->record != NULL) {
			if (!dispatcher || told++ == TOLD)
				return;
			if (tell(p, s))
				continue;
		} else {
			rc = all ? conc__reader_drain(&s->reader, fd, &payload)
				 : conc__reader_next(&s->reader, fd, &payload);
			if (rc == -EAGAIN)
				return;
			if (rc == 1 && s->reader.head.type == CONC__REPORT_LOG)
				s->record = payload;
			if (rc == 1 && (s->record != NULL || understood(p, s, payload)))
				continue;
		}
		s->deaf = true;
		if (rc != -EPIPE)
			conc__slot_kill(p, s, CONC__REASON_CORRUPT);
		else
			s->silent_since = conc__now(); /* it ends, or has closed the pipe */
	}
}

void
conc__slot_last_words(struct conc__process_pool *p, struct conc__slot *s)
{
	do
		conc__slot_listen(p, s, true);
	while (s->record != NULL);
}
