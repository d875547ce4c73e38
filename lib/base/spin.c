/* SPDX-License-Identifier: MIT */
/*
 * How long to wait awake.
 */
#include "base/spin.h"
#include "base/thread.h"
#include <conc/time.h>
#include <sched.h>
#include <time.h>

#define LONGEST CONC_US(30)
#define MOST_SKIPPED 1023

/* conc__now, but no point at which a test lets this process die: there are too many. */
static int64_t
now(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

void
conc__spin_init(struct conc__spin *s, int rank)
{
	static conc__atomic_u32 known; /* the number of CPUs; it takes reading files */
	/* relaxed: whoever asks gets the same */
	int cpus = (int)conc__load_relaxed(&known);

	if (cpus == 0) {
		cpus = conc__cpu_count();
		/* relaxed: the same */
		conc__store_relaxed(&known, (uint32_t)cpus);
	}
	*s = (struct conc__spin){.may = rank < cpus - 1};
}

bool
conc__spin_beyond(struct conc__spin *s, conc__atomic_u64 *word, uint64_t old)
{
	int64_t end, t;
	bool there;

	/* relaxed: a hint */
	if (conc__load_relaxed(word) > old)
		return true;
	if (!s->may || s->skip > 0) {
		s->skip -= s->skip > 0;
		return false;
	}
	end = now() + LONGEST;
	do { /* until the end, or before */
		sched_yield(); /* if whom we wait for is on this CPU he gets it now */
		there = conc__load_relaxed(word) > old; /* relaxed: a hint */
		t = now();
	} while (!there && t < end);
	if (there && t < end) {
		s->penalty = 0;
	} else {
		if (s->penalty < MOST_SKIPPED)
			s->penalty = 2 * s->penalty + 1;
		s->skip = s->penalty;
	}
	return there;
}
