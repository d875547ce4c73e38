/* SPDX-License-Identifier: MIT */
#ifndef CONC__WORD_H
#define CONC__WORD_H

/*
 * A word as a lock: 0 free, 1 held, 2 held and perhaps waited for.
 *
 * Whoever has had to wait takes it as 2, for others may wait behind him: at
 * worst his release wakes nobody (Drepper, "Futexes are tricky").  Locks with
 * more to them, ranks, owners, are made of it.
 */
#include "base/atomic.h"
#include "base/futex.h"

/* Take it if it is free. */
static inline bool
conc__word_try(conc__atomic_u32 *word)
{
	uint32_t free = 0;

	/* pairs with the exchange in conc__word_release: what its holder did is done */
	return conc__cas_acq_rel(word, &free, 1);
}

/* Wait for it until the deadline, and take it.  Return 0 or -ETIMEDOUT. */
int conc__word_wait(conc__atomic_u32 *word, conc_time deadline);

/*
 * Let it go, and wake one who waits.  false: nobody held it.  From the exchange
 * on its memory may be gone: only its address is used.
 */
static inline bool
conc__word_release(conc__atomic_u32 *word)
{
	/* pairs with conc__word_try and _wait: orders all that we did before they take it */
	uint32_t was = conc__exchange_release(word, 0);

	if (was == 2)
		conc__futex_wake(word, 1);
	return was != 0;
}

#endif
