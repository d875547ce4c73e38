/* SPDX-License-Identifier: MIT */
#ifndef CONC__FORK_H
#define CONC__FORK_H

/*
 * Forks by the host.  A fork copies our objects, but not the threads that
 * serve them: what was made before it must not be used in the child.  Each
 * object notes the generation it was made in; a fork handler raises the
 * generation in the child.
 */
#include "base/atomic.h"
#include <conc/error.h>

extern conc__atomic_u32 conc__generation_now;

/* The generation of this process; install the fork handler at the first call.  -ENOMEM. */
int conc__generation(uint32_t *generation);

/* Was the object that noted this generation made by a process we forked from? */
static inline bool
conc__forked(uint32_t generation)
{
	/* relaxed: written only by the fork handler, in a child that has one thread */
	return conc__load_relaxed(&conc__generation_now) != generation;
}

#endif
