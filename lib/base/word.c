/* SPDX-License-Identifier: MIT */
/*
 * The slow half of a word that is a lock: waiting for it.
 */
#include "base/word.h"
#include <errno.h>

int
conc__word_wait(conc__atomic_u32 *word, conc_time deadline)
{
	/*
	 * pairs with the exchange in conc__word_release: what its holder did is done.
	 * Woken by the release that finds the 2 stored here.  One who is woken looks
	 * at the word before he gives up, so no wake-up is lost with him.
	 */
	while (conc__exchange_acquire(word, 2) != 0)
		if (conc__futex_wait(word, 2, deadline) != 0)
			return -ETIMEDOUT;
	return 0;
}
