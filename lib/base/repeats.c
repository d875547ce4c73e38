/* SPDX-License-Identifier: MIT */
/*
 * Repeated log records: counted, and told as one.
 */
#include "base/repeats.h"
#include <conc/time.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#define PERIOD CONC_S(1)

void
conc__repeats_end(struct conc__repeats *r, struct conc__repeated *out)
{
	out->record = r->last;
	out->record.repeated = r->left_out;
	if (r->left_out > 0) {
		memcpy(out->thread, r->thread, sizeof out->thread);
		(void)snprintf(out->message, sizeof out->message, "%s (repeated %d times)",
		    r->message, r->left_out);
		out->record.thread = out->thread;
		out->record.message = out->message;
	}
	r->told = r->left_out = 0;
}

/* Does it say what the run says, within its second? */
static bool
goes_on(const struct conc__repeats *r, const conc_log_record *record)
{
	return r->told > 0 && record->level == r->last.level && record->time >= r->began &&
	    record->time - r->began < PERIOD && strcmp(record->message, r->message) == 0;
}

bool
conc__repeats_pass(
    struct conc__repeats *r, const conc_log_record *record, struct conc__repeated *out)
{
	size_t length;

	out->record.repeated = 0;
	if (!goes_on(r, record)) {
		conc__repeats_end(r, out);
		length = strlen(record->message);
		if (length >= sizeof r->message)
			return true;
		memcpy(r->message, record->message, length + 1);
		r->began = record->time;
		r->last = *record;
	}
	if (r->told < CONC__REPEATS_TOLD) {
		r->told++;
		return true;
	}
	r->last = *record;
	(void)snprintf(r->thread, sizeof r->thread, "%s", record->thread);
	r->left_out += r->left_out < INT_MAX;
	return false;
}
