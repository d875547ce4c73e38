/* SPDX-License-Identifier: MIT */
#ifndef CONC__FUTEX_H
#define CONC__FUTEX_H

/*
 * Sleep on a word; wake who sleeps there.
 */
#include "base/atomic.h"
#include <conc/time.h>

/*
 * Block while *word equals expected, until woken or the deadline.
 *
 * Return 0: woken, or *word differed, or for no reason at all (a signal, a
 * wake meant for memory that stood here before): look at the word again.
 * -ETIMEDOUT: the deadline has passed.  The comparison and falling asleep are
 * one step to conc__futex_wake: a waker that changes the word before it wakes
 * is never missed.  Orders nothing: load the word with acquire afterwards.
 */
int conc__futex_wait(conc__atomic_u32 *word, uint32_t expected, conc_time deadline);

/*
 * Wake up to n sleepers of word (INT32_MAX: all).  The word's memory may be
 * gone already: only its address is used.
 */
void conc__futex_wake(conc__atomic_u32 *word, int n);

/* In the child of a fork, by the fork handler: forget the threads that stayed behind. */
void conc__futex_forked(void);

#endif
