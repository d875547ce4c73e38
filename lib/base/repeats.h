/* SPDX-License-Identifier: MIT */
#ifndef CONC__REPEATS_H
#define CONC__REPEATS_H

/*
 * Records that say the same again and again are counted, not told.
 *
 * A run is records of the same level and message, each next after the other, from
 * whichever threads.  Of a run, the first CONC__REPEATS_TOLD within a second are
 * told.  The others are left out, and counted, until a second has passed since
 * the first, or another record comes: then one record tells their number, and
 * the count begins anew.  Messages too long to be kept here are always told.
 */
#include "base/thread.h"
#include <conc/log.h>
#include <stdbool.h>

enum {
	CONC__REPEATS_TOLD = 5,   /* of a run, in a second */
	CONC__REPEATS_SIZE = 512, /* of a message that is kept, with its closing zero */
};

/* A run; all zero: none yet. */
struct conc__repeats {
	conc_log_record last; /* the last one left out; its level is the run's */
	int64_t began;        /* the time of the first one of this second */
	int told, left_out;   /* of this second */
	char thread[CONC__NAME];
	char message[CONC__REPEATS_SIZE];
};

/* The record that tells of those that were left out; its strings are here. */
struct conc__repeated {
	conc_log_record record; /* repeated is 0: there is nothing to tell */
	char thread[CONC__NAME];
	char message[CONC__REPEATS_SIZE + 64];
};

/*
 * A record has come.  Return whether it is to be told; before it, out if
 * out->record.repeated is not 0.
 */
bool conc__repeats_pass(
    struct conc__repeats *r, const conc_log_record *record, struct conc__repeated *out);

/* The run is over: fill in out, and begin anew. */
void conc__repeats_end(struct conc__repeats *r, struct conc__repeated *out);

#endif
