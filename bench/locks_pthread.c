/* SPDX-License-Identifier: MIT */
/*
 * The side of pthreads in bench/locks: bare mutexes, and a condition variable.
 */
#include <pthread.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_mutex_t rlock = PTHREAD_RECURSIVE_MUTEX_INITIALIZER_NP;
static pthread_cond_t condition = PTHREAD_COND_INITIALIZER;

#define take() pthread_mutex_lock(&lock)
#define give() pthread_mutex_unlock(&lock)
#define take_again() pthread_mutex_lock(&rlock)
#define give_again() pthread_mutex_unlock(&rlock)
#define await() pthread_cond_wait(&condition, &lock)
#define wake() pthread_cond_signal(&condition)

#include "locks.h"
