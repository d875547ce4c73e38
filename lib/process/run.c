/* SPDX-License-Identifier: MIT */
/*
 * A worker process runs an order: a task, or the items of a chunk.
 */
#include "process/run.h"
#include "base/clock.h"
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

	if (conc__process_id() != r->pid)
		conc__process_exit(0);
	conc__stdio_flush();
	return rc;
}

int
conc__report_failure(int fd, const struct conc__report *report, conc_exception *e)
{
	struct conc__report r = *report;
	size_t size;
	void *packed = conc__exception_pack(e, &size);
	int rc;

	if (packed != NULL)
		r.size = size;
	rc = conc__report_write(fd, &r, packed);
	conc__free(packed);
	conc_exception_release(e);
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
	if (cpu_limit > 0)
		(void)conc__cpu_alarm(cpu_limit);
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
		rc = conc__report_failure(run->runner->reports, &report, e);
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
		rc = conc__report_write(run->runner->reports, &report, payload);
	}
	conc__free(frame->room);
	return rc;
}

/* Run a chunk's items, the first of which begins at this time. */
static int
run_chunk(struct run *run, const unsigned char *args, int64_t began)
{
	const struct conc__order *o = run->order;
	struct conc__page *page = run->runner->page;
	struct conc__report done = {.type = CONC__REPORT_DONE, .seq = o->seq};
	unsigned char *results = page->areas[o->area];
	int *codes = (int *)(void *)(results + conc__area_codes(o->count, o->result_size));
	int64_t now = began;
	int rc = 0;

	run->frame.item = true;
	while (rc == 0 && done.item < o->count && !conc__frame_asked(&run->frame)) {
		struct conc__report failed = {
		    .type = CONC__REPORT_ITEM_FAILURE, .seq = o->seq, .item = done.item};
		unsigned char *result = results + done.item * o->result_size;
		conc_exception *e;
		int64_t start = now;
		int code;

		memset(result, 0, o->result_size);
		code = run_once(run, o->arg_size > 0 ? args + done.item * o->arg_size : NULL,
		    o->result_size > 0 ? result : NULL, start);
		now = conc__now();
		e = judge(run, &code, now);
		codes[done.item++] = failed.code = code;
		/* relaxed: the store of done below orders it */
		conc__store_relaxed(&page->began, (uint64_t)now);
		/* pairs with the host's load: results and codes so far are there */
		conc__store_release(&page->done, done.item);
		if (e != NULL) {
			failed.ran = now - start;
			rc = conc__report_failure(run->runner->reports, &failed, e);
			if (o->flags & CONC__STOP_ON_FAILURE)
				break;
		} else {
			done.code = code; /* -ECANCELED: the last one, for we were asked */
		}
	}
	done.ran = now - began;
	return rc != 0 ? rc : conc__report_write(run->runner->reports, &done, NULL);
}

/* Is the order ours? */
static bool
claim(struct conc__page *page, uint64_t seq, int64_t now)
{
	uint64_t word = conc__claim_word(seq, CONC__CLAIM_PENDING);
	bool ours;

	/* relaxed: the claim below orders both */
	conc__store_relaxed(&page->began, (uint64_t)now);
	conc__store_relaxed(&page->done, 0); /* relaxed: likewise */
	/*
	 * pairs with the host's swaps of the same word, of which one wins, and with its
	 * loads: who sees the claim sees began and done of this order
	 */
	ours = conc__cas_acq_rel(&page->claims[seq % CONC__RING], &word,
	    conc__claim_word(seq, CONC__CLAIM_RUNNING));
	/* pairs with the host's load before it uses the claims of earlier orders anew */
	conc__store_release(&page->taken, seq);
	return ours;
}

int
conc__order_run(
    struct conc__runner *r, const struct conc__order *o, const void *payload, const char *name)
{
	struct run run = {.runner = r, .order = o, .fn = (conc_fn *)(uintptr_t)o->fn};
	void *room;
	int64_t now = conc__now();
	int rc;

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
	if (o->result_size <= sizeof r->small)
		return run_task(&run, o->arg_size > 0 ? payload : NULL,
		    memset(r->small, 0, (size_t)o->result_size), now);
	room = conc__calloc(1, (size_t)o->result_size);
	rc = run_task(&run, o->arg_size > 0 ? payload : NULL, room, now);
	conc__free(room);
	return rc;
}
