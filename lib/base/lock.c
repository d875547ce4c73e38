/* SPDX-License-Identifier: MIT */
/*
 * Locks: mutex and condition on pthreads, the small lock on its word, and
 * with -DCONC_DEBUG the check that each thread's ranks only grow.
 */
#include "base/lock.h"
#include "base/clock.h"
#include "base/fault.h"
#include "base/pthread.h"
#include "base/self.h"
#include "base/timespec.h"
#include "base/word.h"
#include <errno.h>

#ifdef CONC_DEBUG

#include <assert.h>

static void
rank_try(int rank)
{
	conc__self()->ranks |= UINT32_C(1) << rank;
}

static void
rank_up(int rank)
{
	assert(conc__self()->ranks >> rank == 0);
	rank_try(rank);
}

static void
rank_down(int rank)
{
	assert(conc__self()->ranks >> rank & 1);
	conc__self()->ranks &= ~(UINT32_C(1) << rank);
}

#else

#define rank_up(rank) ((void)(rank))
#define rank_try(rank) ((void)(rank))
#define rank_down(rank) ((void)(rank))

#endif

int
conc__cond_init(pthread_cond_t *c)
{
	pthread_condattr_t attributes;
	int rc = pthread_condattr_init(&attributes);

	if (rc != 0)
		return rc;
#ifndef __APPLE__
	rc = pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
#endif
	if (rc == 0)
		rc = pthread_cond_init(c, &attributes);
	pthread_condattr_destroy(&attributes);
	return rc;
}

int
conc__cond_wait(pthread_cond_t *c, pthread_mutex_t *m, conc_time deadline)
{
	struct timespec t;

	if (deadline.ns == INT64_MAX) {
		pthread_cond_wait(c, m);
		return 0;
	}
#ifdef __APPLE__
	t = conc__timespec(conc__passed(deadline) ? 0 : deadline.ns - conc__now());
	return pthread_cond_timedwait_relative_np(c, m, &t) == ETIMEDOUT ? -ETIMEDOUT : 0;
#else
	t = conc__timespec(deadline.ns);
	return pthread_cond_timedwait(c, m, &t) == ETIMEDOUT ? -ETIMEDOUT : 0;
#endif
}

/*
 * glibc's adaptive kind looks a hundred times before it sleeps: our locks are
 * held for less than a system call takes.  Five million tasks through a pool
 * of two workers: 1.07 s and 159,000 context switches, against 1.60 s and
 * 428,000 with the normal kind.
 */
static int
init_mutex(pthread_mutex_t *m)
{
#ifdef __GLIBC__
	pthread_mutexattr_t kind;
	int rc = pthread_mutexattr_init(&kind);

	if (rc == 0) {
		(void)pthread_mutexattr_settype(&kind, PTHREAD_MUTEX_ADAPTIVE_NP);
		rc = pthread_mutex_init(m, &kind);
		pthread_mutexattr_destroy(&kind);
	}
	return rc;
#else
	return pthread_mutex_init(m, NULL);
#endif
}

int
conc__mutex_init(struct conc__mutex *m, enum conc__rank rank)
{
	m->rank = rank;
	return conc__fault() ? -ENOMEM : -init_mutex(&m->mutex);
}

void
conc__mutex_destroy(struct conc__mutex *m)
{
	pthread_mutex_destroy(&m->mutex);
}

int
conc__condition_init(struct conc__condition *c)
{
	return conc__fault() ? -ENOMEM : -conc__cond_init(&c->condition);
}

void
conc__condition_destroy(struct conc__condition *c)
{
	pthread_cond_destroy(&c->condition);
}

void
conc__mutex_lock(struct conc__mutex *m)
{
	rank_up(m->rank);
	pthread_mutex_lock(&m->mutex);
}

bool
conc__mutex_try(struct conc__mutex *m)
{
	if (pthread_mutex_trylock(&m->mutex) != 0)
		return false;
	rank_try(m->rank); /* who does not wait is in no circle */
	return true;
}

void
conc__mutex_unlock(struct conc__mutex *m)
{
	rank_down(m->rank);
	pthread_mutex_unlock(&m->mutex);
}

int
conc__condition_wait(struct conc__condition *c, struct conc__mutex *m, conc_time deadline)
{
	int rc;

	rank_down(m->rank);
	rc = conc__cond_wait(&c->condition, &m->mutex, deadline);
	rank_up(m->rank);
	return rc;
}

void
conc__condition_signal(struct conc__condition *c)
{
	pthread_cond_signal(&c->condition);
}

void
conc__condition_broadcast(struct conc__condition *c)
{
	pthread_cond_broadcast(&c->condition);
}

/* ---- the small lock ---- */

void
conc__lock_acquire(struct conc__lock *l, enum conc__rank rank)
{
	rank_up(rank);
	if (!conc__word_try(&l->word))
		(void)conc__word_wait(&l->word, CONC_FOREVER);
}

void
conc__lock_release(struct conc__lock *l, enum conc__rank rank)
{
	rank_down(rank);
	(void)conc__word_release(&l->word);
}
