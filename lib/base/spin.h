/* SPDX-License-Identifier: MIT */
#ifndef CONC__SPIN_H
#define CONC__SPIN_H

/*
 * To wait awake, for a moment.
 *
 * Being woken costs a sleeper, and whoever wakes him, more than most answers
 * take.  So who expects one soon first looks for it a while: some tens of
 * microseconds, letting others have the CPU between two looks.  If that was in
 * vain, or others kept the CPU for longer, he sleeps at once the next times:
 * twice as many each time it goes wrong.  What he looks at is only a hint:
 * what he then does must be right without.
 */
#include "base/atomic.h"

/* One waiter's; his alone.  All zero never spins. */
struct conc__spin {
	bool may;
	uint32_t skip;    /* so many times not */
	uint32_t penalty; /* so many times not, after the last failure */
};

/*
 * Of all that may spin at a time this one is the rank-th, from 0: the last CPU,
 * which whom they wait for needs, is for none of them, nor are those beyond.
 */
void conc__spin_init(struct conc__spin *s, int rank);

/* Wait until *word is greater than old.  true: it is; false: sleep.  Orders nothing. */
bool conc__spin_beyond(struct conc__spin *s, conc__atomic_u64 *word, uint64_t old);

#endif
