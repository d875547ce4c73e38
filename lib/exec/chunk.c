/* SPDX-License-Identifier: MIT */
/*
 * The workers' part of a map.
 */
#include "exec/chunk.h"
#include "base/clock.h"
#include "base/raise.h"

/* Run one item once, in a frame of its own on top of the chunk's. */
static int
run_once(struct conc__chunk *k)
{
	const struct conc__map *m = k->map;
	struct conc__self *self = conc__self();
	struct conc__frame frame = *self->frame;
	int64_t limit = m->o->time_limit;
	int code;

	conc_clear();
	k->tries++;
	frame.outer = self->frame;
	frame.item = true;
	frame.arg_size = m->arg_size;
	if (limit > 0 && limit != CONC_UNLIMITED)
		frame.limit = conc__later(conc__now(), limit);
	self->frame = &frame;
	code = m->fn(m->arg_size > 0 ? m->args + k->at * m->arg_size : NULL,
	    m->result_size > 0 ? m->results + k->at * m->result_size : NULL);
	self->frame = frame.outer;
	if (code == 0 || (code == -ECANCELED && conc__frame_asked(&frame)))
		return code;
	if (frame.limit != 0 && conc__now() >= frame.limit) {
		conc__caught_restore(
		    conc__task_past_limit(conc__exception_adopt(code, NULL), NULL));
		code = CONC_ETIMELIMIT;
	}
	return code;
}

int64_t
conc__chunk_due(const struct conc__chunk *k)
{
	int64_t pause = k->map->o->backoff;

	for (int i = 1; i < k->tries && pause < INT64_MAX / 2; i++)
		pause *= 2;
	return conc__later(conc__now(), pause);
}

bool
conc__chunk_item_ended(struct conc__chunk *k, int code, conc_exception *e)
{
	size_t item = k->at++;

	k->tries = 0;
	if (k->codes != NULL)
		k->codes[item - k->begin] = code;
	if (code == 0 || k->obeyed)
		return true;
	if (k->exception == NULL) {
		k->exception = e != NULL ? e : conc__exception_adopt(code, NULL);
		k->failed = item;
	} else {
		conc_exception_release(e);
	}
	return !k->map->o->stop_on_failure;
}

int
conc__chunk_run(const void *arg, void *result)
{
	struct conc__chunk *k = (struct conc__chunk *)(uintptr_t)arg;
	const struct conc__map *m = k->map;
	const struct conc__frame *frame = conc__self()->frame;

	(void)result;
	k->began = true;
	while (k->at < k->end && !conc__frame_asked(frame)) {
		int code = run_once(k);

		if (code == CONC_ETIMELIMIT && k->tries <= m->o->retries &&
		    !conc__frame_asked(frame)) {
			k->due = conc__chunk_due(k);
			k->again = true;
			break;
		}
		k->obeyed = code == -ECANCELED && conc__frame_asked(frame);
		if (!conc__chunk_item_ended(k, code, NULL))
			break;
	}
	conc_clear();
	return 0;
}
