/* SPDX-License-Identifier: MIT */
#ifndef CONC__DEBUG_H
#define CONC__DEBUG_H

/*
 * What builds with -DCONC_DEBUG check of programs' locks: ranks, and that
 * nobody waits for himself.  Others pay nothing.
 */
#include "sync/sync.h"

#ifdef CONC_DEBUG

/* May this thread wait for l?  0, or -EDEADLK, told to the log.  A try is always fine. */
int conc__debug_take(conc_lock *l, conc_time deadline);
/* It has taken l. */
void conc__debug_taken(conc_lock *l);
/*
 * It is about to let l go.  0; CONC_ESTATE, told to the log: l has a rank, and
 * another thread took it.
 */
int conc__debug_give(conc_lock *l);

#else

#define conc__debug_take(l, deadline) 0
#define conc__debug_taken(l) ((void)(l))
#define conc__debug_give(l) ((void)(l), 0)

#endif

#endif
