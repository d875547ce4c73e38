/* SPDX-License-Identifier: MIT */
#ifndef CONC_TESTS_SIGNALS_H
#define CONC_TESTS_SIGNALS_H

/*
 * A look into semaphores and events, for their tests: a bit of the word says
 * that somebody waits.
 */
#include "base/atomic.h"
#include "tests/bunch.h"

struct mark {
	uint32_t *word, bit;
};

static inline bool
is_marked(void *arg)
{
	const struct mark *m = arg;

	return conc__load_acquire(conc__atomic_u32_at(m->word)) & m->bit;
}

static inline void
await_mark(uint32_t *word, uint32_t bit)
{
	eventually(is_marked, &(struct mark){word, bit});
}

#endif
