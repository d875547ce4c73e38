/* SPDX-License-Identifier: MIT */
#ifndef CONC__PTHREAD_H
#define CONC__PTHREAD_H

/*
 * Condition variables on the monotonic clock, for lock.c and futex.c alone.
 */
#include <conc/time.h>
#include <pthread.h>

/* Return 0 or an errno value. */
int conc__cond_init(pthread_cond_t *c);

/* Return 0 (signalled, or for no reason) or -ETIMEDOUT. */
int conc__cond_wait(pthread_cond_t *c, pthread_mutex_t *m, conc_time deadline);

#endif
