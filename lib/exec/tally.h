/* SPDX-License-Identifier: MIT */
#ifndef CONC__TALLY_H
#define CONC__TALLY_H

/*
 * What stats tells: an engine has a tally for each thread of its own that ends tasks,
 * which that thread alone writes, and one for all others, written under the engine's
 * lock.  stats adds them up.
 */
#include "future/future.h"
#include <conc/executor.h>

struct conc__tally {
	conc__atomic_u64 done, failed, cancelled, wait_time, run_time, running;
};

/* Add to a counter that only this thread, or who holds the lock, writes. */
static inline void
conc__count(conc__atomic_u64 *counter, uint64_t n)
{
	/* relaxed: one writer; readers want a number, and see it before the future's end */
	conc__store_relaxed(counter, conc__load_relaxed(counter) + n);
}

/* A task ends, or a run of it, as the engine's counted hears. */
static inline void
conc__tally_counted(struct conc__tally *t, uint32_t phase, int64_t ran)
{
	if (ran >= 0)
		conc__count(&t->run_time, (uint64_t)ran);
	if (phase >= CONC__DONE)
		conc__count(phase == CONC__DONE     ? &t->done
			: phase == CONC__FAILED ? &t->failed
						: &t->cancelled,
		    1);
}

/* from's thread is gone: add it to one that this thread, or who holds the lock, writes. */
void conc__tally_fold(struct conc__tally *to, const struct conc__tally *from);

/* Add it to what stats tells. */
void conc__tally_tell(const struct conc__tally *t, conc_stats *stats);

#endif
