/* SPDX-License-Identifier: MIT */

/*
 * Atomics, futexes, mutexes, conditions and the small lock.
 *
 * A lock that is taken leaves its waiters blocked; one that is released wakes
 * all of them, and the seed says who gets it.  The switching point of a
 * release comes after it: what the releaser does next, without the lock, is
 * where the others get in.
 */
#include "engine.h"
#include "base/futex.h"
#include "base/lock.h"

#define MUTEX_LIVE (0x4D55544558000000u + sim.number)
#define CONDITION_LIVE (0x434F4E4400000000u + sim.number)
#define POISON32 0xDDDDDDDDu

void
sim_atomic(const char *site, const char *op, const volatile void *a)
{
	sim_step(site, op);
	if (*(const volatile uint32_t *)a == POISON32)
		sim_memory_touch(a);
}

void
sim_atomic_after(const char *site, const char *op)
{
	(void)op;
	sim_step(site, "(done)");
}

/* ---- futex ---- */

int
conc__futex_wait(conc__atomic_u32 *word, uint32_t expected, conc_time deadline)
{
	sim_atomic(sim_site, "futex wait", word);
	if (*word != expected)
		return 0;
	if (deadline.ns <= sim.now)
		return -ETIMEDOUT;
	if (sim_noise())
		return 0;
	return sim_block(SIM_ON_FUTEX, word, deadline.ns);
}

void
conc__futex_wake(conc__atomic_u32 *word, int n)
{
	sim_step(sim_site, "futex wake");
	sim_wake(SIM_ON_FUTEX, word, n);
}

/* ---- what a thread holds ---- */

static void
hold(void *lock, int rank, bool small)
{
	struct sim_thread *me = sim.current;

	if (me->held_count == SIM_HELD_MAX)
		sim_fail("%s: thread %u (%s) holds more than %d locks", me->site, me->number,
		    me->name, SIM_HELD_MAX);
	me->held[me->held_count++] = (struct sim_held){lock, rank, small};
}

static void
check_rank(const void *lock, int rank)
{
	struct sim_thread *me = sim.current;

	for (unsigned i = 0; i < me->held_count; i++) {
		if (me->held[i].lock == lock)
			sim_fail("%s: thread %u (%s) takes a lock that it holds", me->site,
			    me->number, me->name);
		if (me->held[i].rank >= rank)
			sim_fail("%s: thread %u (%s) takes a lock of rank %d while it holds one"
				 " of rank %d",
			    me->site, me->number, me->name, rank, me->held[i].rank);
	}
}

/* Is it held by the running thread?  Then forget that. */
static bool
let_go(const void *lock)
{
	struct sim_thread *me = sim.current;

	for (unsigned i = 0; i < me->held_count; i++)
		if (me->held[i].lock == lock) {
			memmove(&me->held[i], &me->held[i + 1],
			    (--me->held_count - i) * sizeof(me->held[0]));
			return true;
		}
	return false;
}

/* ---- mutex ---- */

int
conc__mutex_init(struct conc__mutex *m, enum conc__rank rank)
{
	if (sim_inject())
		return -ENOMEM;
	m->mutex = (struct sim_mutex){.live = MUTEX_LIVE};
	m->rank = (int)rank;
	return 0;
}

static void
check_mutex(const struct conc__mutex *m, const char *what)
{
	if (m->mutex.live == MUTEX_LIVE || m->mutex.live == SIM_MUTEX_STATIC)
		return;
	sim_memory_touch(m);
	sim_fail("%s: %s of a mutex that is not initialised", sim.current->site, what);
}

static bool
waited_for(enum sim_wait on, const void *object)
{
	for (struct sim_thread *t = sim.blocked_first; t; t = t->next)
		if (t->on == on && t->object == object)
			return true;
	return false;
}

void
conc__mutex_destroy(struct conc__mutex *m)
{
	sim_step(sim_site, "mutex destroy");
	check_mutex(m, "destroy");
	if ((m->mutex.owner && m->mutex.epoch == sim.epoch) || waited_for(SIM_ON_MUTEX, m))
		sim_fail(
		    "%s: a mutex is destroyed that is held or waited for", sim.current->site);
	m->mutex.live = 0;
}

static void
own(struct conc__mutex *m)
{
	m->mutex.owner = sim.current->number;
	m->mutex.epoch = sim.epoch;
	hold(m, m->rank, false);
}

static void
take(struct conc__mutex *m)
{
	check_mutex(m, "lock");
	check_rank(m, m->rank);
	while (m->mutex.owner) {
		sim_block(SIM_ON_MUTEX, m, INT64_MAX);
		check_mutex(m, "lock");
	}
	own(m);
}

void
conc__mutex_lock(struct conc__mutex *m)
{
	sim_step(sim_site, "mutex lock");
	take(m);
}

bool
conc__mutex_try(struct conc__mutex *m)
{
	sim_step(sim_site, "mutex try");
	check_mutex(m, "try");
	if (m->mutex.owner)
		return false;
	own(m); /* of whatever rank: who does not wait is in no circle */
	return true;
}

static void
give(struct conc__mutex *m, const char *site, const char *op)
{
	sim.current->site = site;
	sim.current->op = op;
	check_mutex(m, op);
	if (!let_go(m) || m->mutex.owner != sim.current->number)
		sim_fail("%s: %s: thread %u (%s) does not hold the mutex", site, op,
		    sim.current->number, sim.current->name);
	m->mutex.owner = 0;
	sim_wake(SIM_ON_MUTEX, m, INT32_MAX);
}

void
conc__mutex_unlock(struct conc__mutex *m)
{
	give(m, sim_site, "mutex unlock");
	sim_step(sim_site, "mutex unlock");
}

/* ---- condition ---- */

int
conc__condition_init(struct conc__condition *c)
{
	if (sim_inject())
		return -ENOMEM;
	c->condition.live = CONDITION_LIVE;
	return 0;
}

static void
check_condition(const struct conc__condition *c, const char *what)
{
	if (c->condition.live == CONDITION_LIVE)
		return;
	sim_memory_touch(c);
	sim_fail("%s: %s of a condition that is not initialised", sim.current->site, what);
}

void
conc__condition_destroy(struct conc__condition *c)
{
	sim_step(sim_site, "condition destroy");
	check_condition(c, "destroy");
	if (waited_for(SIM_ON_CONDITION, c))
		sim_fail("%s: a condition is destroyed that is waited for", sim.current->site);
	c->condition.live = 0;
}

int
conc__condition_wait(struct conc__condition *c, struct conc__mutex *m, conc_time deadline)
{
	const char *site = sim_site;
	int rc = 0;

	check_condition(c, "wait");
	give(m, site, "condition wait");
	if (deadline.ns <= sim.now)
		rc = -ETIMEDOUT;
	if (rc || sim_noise())
		sim_step(site, "condition wait (no sleep)");
	else
		rc = sim_block(SIM_ON_CONDITION, c, deadline.ns);
	sim.current->op = "condition wait: lock again";
	take(m);
	return rc;
}

void
conc__condition_signal(struct conc__condition *c)
{
	sim_step(sim_site, "condition signal");
	check_condition(c, "signal");
	sim_wake(SIM_ON_CONDITION, c, 1);
}

void
conc__condition_broadcast(struct conc__condition *c)
{
	sim_step(sim_site, "condition broadcast");
	check_condition(c, "broadcast");
	sim_wake(SIM_ON_CONDITION, c, INT32_MAX);
}

/* ---- the small lock ---- */

void
conc__lock_acquire(struct conc__lock *l, enum conc__rank rank)
{
	sim_atomic(sim_site, "lock acquire", &l->word);
	check_rank(l, (int)rank);
	while (l->word) {
		if (l->word > 2)
			sim_fail("%s: a lock's word is %u", sim.current->site, l->word);
		l->word = 2;
		sim_block(SIM_ON_LOCK, l, INT64_MAX);
		if (l->word == POISON32)
			sim_memory_touch(l);
	}
	l->word = waited_for(SIM_ON_LOCK, l) ? 2 : 1;
	hold(l, (int)rank, true);
}

void
conc__lock_release(struct conc__lock *l, enum conc__rank rank)
{
	struct sim_thread *me = sim.current;

	me->site = sim_site;
	me->op = "lock release";
	(void)rank;
	if (!let_go(l) || l->word == 0)
		sim_fail("%s: thread %u (%s) releases a lock that it does not hold", me->site,
		    me->number, me->name);
	l->word = 0;
	sim_wake(SIM_ON_LOCK, l, INT32_MAX);
	sim_step(me->site, "lock release");
}

/* The thread's process is gone, and with it what it held; whoever else stands there goes on. */
void
sim_lock_vanish(struct sim_thread *t)
{
	while (t->held_count) {
		struct sim_held *h = &t->held[--t->held_count];

		if (h->small) {
			((struct conc__lock *)h->lock)->word = 0;
			sim_wake(SIM_ON_LOCK, h->lock, INT32_MAX);
		} else {
			((struct conc__mutex *)h->lock)->mutex.owner = 0;
			sim_wake(SIM_ON_MUTEX, h->lock, INT32_MAX);
		}
	}
}
