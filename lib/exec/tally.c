/* SPDX-License-Identifier: MIT */
/*
 * Tallies are added up.
 */
#include "exec/tally.h"

void
conc__tally_fold(struct conc__tally *to, const struct conc__tally *from)
{
	/* relaxed: ours, or written by a thread that has told us under the lock */
	conc__count(&to->done, conc__load_relaxed(&from->done));
	conc__count(&to->failed, conc__load_relaxed(&from->failed));
	conc__count(&to->cancelled, conc__load_relaxed(&from->cancelled));
	/* relaxed: the same; none is running */
	conc__count(&to->wait_time, conc__load_relaxed(&from->wait_time));
	conc__count(&to->run_time, conc__load_relaxed(&from->run_time));
}

void
conc__tally_tell(const struct conc__tally *t, conc_stats *s)
{
	/* relaxed: numbers; what ended before a future that the caller saw is in them */
	s->done += conc__load_relaxed(&t->done);
	s->failed += conc__load_relaxed(&t->failed);
	s->cancelled += conc__load_relaxed(&t->cancelled);
	s->running += (size_t)conc__load_relaxed(&t->running);
	/* relaxed: the same */
	s->wait_time += (int64_t)conc__load_relaxed(&t->wait_time);
	s->run_time += (int64_t)conc__load_relaxed(&t->run_time);
}
