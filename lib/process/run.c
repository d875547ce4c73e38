/* SPDX-License-Identifier: MIT */
/*
 * A worker process runs an order: a task, or the items of a chunk.
 */
#include "process/run.h"
#include "base/clock.h"
#include "base/fork.h"
#include "base/memory.h"
#include "base/self.h"
#include "base/thread.h"
#include "exec/task.h"
#include <string.h>

enum { LEFT = 1 }; /* the exit status of a process that pthread_exit ended */

struct run {
	struct conc__frame frame;
	struct conc__runner *runner;
	const struct conc__order *order;
	conc_fn *fn;
	const void *arg;
	void *result;
};

/* Larger ones are not kept. */
#define KEPT ((size_t)16 << 20)

void *
conc__block_fit(struct conc__block *b, size_t size)
{
	if (b->size < size || b->size > KEPT) {
		conc__free(b->p);
		b->p = conc__malloc(size);
		b->size = b->p != NULL ? size : 0;
		conc__populate(b->p, size);
	}
	return b->p;
}

static void
leave(void *arg)
{
	(void)arg;
	conc__process_exit(LEFT);
}

int
conc__run_guarded(const struct conc__runner *r, int (*call)(void *arg), void *arg)
{
	int rc = conc__guard(call, leave, arg);

	if (conc__forked(r->outlet.generation)) /* its child has come back here */
		conc__process_exit(0);
	conc__stdio_flush();
	return rc;
}

/* What runs instead when there is no memory for an argument or a result. */
static int
no_memory(const void *arg, void *result)
{
	(void)arg, (void)result;
	return conc_raise_at(-ENOMEM, NULL, NULL, 0, NULL,
	    "the worker has no memory for the task's argument or result");
}

static int
call_task(void *arg)
{
	const struct run *run = arg;

	return run->fn(run->arg, run->result);
}

/* What runs from now on may use so much of CPU time; 0: without a limit. */
static int
limit_cpu(int64_t limit)
{
	int rc = limit > 0 ? conc__cpu_alarm(limit) : 0;

	return rc == 0 ? 0 : conc_raise_at(rc, NULL, NULL, 0, NULL,
				 "there is no timer for the CPU limit");
}

/* Run the function once, now. */
static int
run_once(struct run *run, const void *arg, void *result, int64_t now)
{
	struct conc__self *self = conc__self();
	int64_t cpu_limit = run->runner->plan->cpu_limit;
	int code;

	run->arg = arg;
	run->result = result;
	run->frame.limit =
	    run->order->time_limit > 0 ? conc__later(now, run->order->time_limit) : 0;
	conc_clear();
	self->frame = &run->frame;
	code = limit_cpu(cpu_limit);
	if (code == 0)
		code = conc__run_guarded(run->runner, call_task, run);
	if (cpu_limit > 0)
		(void)conc__cpu_alarm(0);
	self->frame = NULL;
	return code;
}

/*
 * A run has ended with *code: return the exception of its failure; NULL: it
 * did not fail, or was asked to stop and did.
 */
static conc_exception *
judge(const struct run *run, int *code, int64_t now)
{
	const struct conc__frame *frame = &run->frame;
	conc_exception *e;

	if (*code == 0 || (*code == -ECANCELED && conc__frame_asked(frame)))
		return NULL;
	e = conc__exception_adopt(*code, frame->name);
	if (frame->limit != 0 && now >= frame->limit) {
		*code = CONC_ETIMELIMIT;
		e = conc__task_past_limit(e, frame->name);
	}
	return e;
}

/* Run a task that has begun at this time, with this zeroed room for its result. */
static int
run_task(struct run *run, const void *arg, void *room, int64_t began)
{
	const struct conc__order *o = run->order;
	struct conc__report report = {.seq = o->seq};
	const struct conc__frame *frame = &run->frame;
	const void *payload = NULL;
	conc_exception *e;
	int64_t now;
	int rc;

	if (room == NULL)
		run->fn = no_memory;
	report.code = run_once(run, arg, o->result_size > 0 ? room : NULL, began);
	now = conc__now();
	report.ran = now - began;
	e = judge(run, &report.code, now);
	if (e != NULL) {
		report.type = CONC__REPORT_FAILURE;
		rc = conc__outlet_failure(&run->runner->outlet, &report, e);
	} else {
		if (report.code != 0) {
			report.type = CONC__REPORT_CANCELLED;
			report.code = 0;
		} else if (frame->room != NULL) {
			report.type = CONC__REPORT_ROOM;
			report.size = frame->room_size;
			payload = frame->room;
		} else {
			report.type = CONC__REPORT_RESULT;
			report.size = o->result_size;
			payload = room;
		}
		if (report.size > CONC__WRITER_SIZE && !run->runner->wide) {
			conc__pipe_widen(run->runner->outlet.fd);
			run->runner->wide = true;
		}
		rc = conc__outlet_report(&run->runner->outlet, &report, payload);
	}
	conc__free(frame->room);
	return rc;
}

/* A chunk, while its items run. */
struct chunk {
	struct run run;
	const unsigned char *args;
	int *codes;               /* in the area */
	struct conc__report done; /* item: how many have ended */
	int64_t now;              /* when the item began, if anybody asks */
	int rc;                   /* of the report pipe */
};

/* The item has ended with code, and its result is in the area: raise done. */
static void
raise_done(struct chunk *c, int code)
{
	struct conc__page *page = c->run.runner->page;

	c->codes[c->done.item++] = code;
	if (c->run.order->time_limit > 0) {
		c->now = conc__now();
		/* relaxed: the store below orders it */
		conc__store_relaxed(&page->began, (uint64_t)c->now);
	}
	/*
	 * pairs with the host's load: results, codes and began so far are there.  Also, when
	 * it has asked us to stop: its barrier stands between this store and our next look
	 * at the claim as well: it sees that we go on, or we see that we are asked
	 */
	conc__store_release(&page->done, c->done.item);
}

/* The item has ended with a code, not 0.  Return whether to go on. */
static bool
item_failed(struct chunk *c, int code)
{
	const struct conc__order *o = c->run.order;
	struct conc__report failed = {
	    .type = CONC__REPORT_ITEM_FAILURE, .seq = o->seq, .item = c->done.item};
	conc_exception *e = judge(&c->run, &code, conc__now());

	raise_done(c, code); /* first: what it came to must not depend on our living on */
	if (e == NULL) { /* -ECANCELED: it was asked, and is the last one */
		c->done.code = code;
		return false;
	}
	failed.code = code;
	c->rc = conc__outlet_failure(&c->run.runner->outlet, &failed, e);
	conc_clear();
	if (code == CONC_ETIMELIMIT && (o->flags & CONC__STOP_ON_LATE))
		return false; /* it may be to run again, later */
	return c->rc == 0 && !(o->flags & CONC__STOP_ON_FAILURE);
}

/* conc__frame_asked, where only the claim can ask. */
static bool
asked(const struct conc__frame *frame)
{
	/* relaxed: only a wish; nothing is read because of it */
	return conc__load_relaxed(frame->claim) == frame->asked;
}

/* Run them one after the other, all under one guard. */
static int
run_items(void *arg)
{
	struct chunk *c = arg;
	struct run *run = &c->run;
	const struct conc__order *o = run->order;
	unsigned char *results = run->runner->page->areas[o->area];
	struct conc__self *self = conc__self();
	int64_t cpu_limit = run->runner->plan->cpu_limit;
	bool on = true;

	c->codes = (int *)(void *)(results + conc__area_codes(o->count, o->result_size));
	memset(results, 0, o->count * o->result_size);
	while (on && c->done.item < o->count && !asked(&run->frame)) {
		size_t i = c->done.item;
		unsigned char *result = results + i * o->result_size;
		int code;

		if (o->time_limit > 0)
			run->frame.limit = conc__later(c->now, o->time_limit);
		code = limit_cpu(cpu_limit);
		if (code == 0)
			code = run->fn(o->arg_size > 0 ? c->args + i * o->arg_size : NULL,
			    o->result_size > 0 ? result : NULL);
		if (conc__forked(run->runner->outlet.generation))
			conc__process_exit(0); /* its child has come back here */
		if (code != 0)
			on = item_failed(c, code);
		else
			raise_done(c, 0);
		if (self->caught != NULL) /* each begins with none */
			conc_clear();
	}
	if (cpu_limit > 0)
		(void)conc__cpu_alarm(0);
	return 0;
}

/* Run a chunk's items, the first of which begins at this time. */
static int
run_chunk(struct run *run, const unsigned char *args, int64_t began)
{
	struct conc__self *self = conc__self();
	struct chunk c = {.run = *run,
	    .args = args,
	    .now = began,
	    .done = {.type = CONC__REPORT_DONE, .seq = run->order->seq}};

	c.run.frame.item = true;
	conc_clear();
	self->frame = &c.run.frame;
	(void)conc__run_guarded(run->runner, run_items, &c);
	self->frame = NULL;
	c.done.ran = conc__now() - began;
	return c.rc != 0 ? c.rc : conc__outlet_report(&run->runner->outlet, &c.done, NULL);
}

/* Is the order ours? */
static bool
claim(struct conc__page *page, uint64_t seq, int64_t now)
{
	uint64_t word = conc__claim_word(seq, CONC__CLAIM_PENDING);
	/* relaxed: the claim below orders both */
	conc__store_relaxed(&page->began, (uint64_t)now);
	conc__store_relaxed(&page->done, 0); /* relaxed: likewise */
	/*
	 * pairs with the host's swaps of the same word, of which one wins, and with its
	 * loads: who sees the claim sees began and done of this order
	 */
	return conc__cas_acq_rel(&page->claims[seq % CONC__RING], &word,
	    conc__claim_word(seq, CONC__CLAIM_RUNNING));
}

int
conc__order_run(
    struct conc__runner *r, const struct conc__order *o, const void *payload, const char *name)
{
	struct run run = {.runner = r, .order = o, .fn = (conc_fn *)(uintptr_t)o->fn};
	void *room = r->small;
	int64_t now = conc__now();

	if (!claim(r->page, o->seq, now))
		return 0;
	run.frame = (struct conc__frame){.executor = conc__self()->executor,
	    .claim = &r->page->claims[o->seq % CONC__RING],
	    .asked = conc__claim_word(o->seq, CONC__CLAIM_ASKED),
	    .name = name,
	    .arg_size = (size_t)o->arg_size};
	if (payload == NULL && o->size > 0)
		run.fn = no_memory;
	if (o->type == CONC__ORDER_CHUNK)
		return run_chunk(&run, payload, now);
	if (o->result_size > sizeof r->small)
		room = conc__block_fit(&r->room, (size_t)o->result_size);
	if (room != NULL)
		memset(room, 0, (size_t)o->result_size);
	return run_task(&run, o->arg_size > 0 ? payload : NULL, room, now);
}
