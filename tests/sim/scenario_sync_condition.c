/* SPDX-License-Identifier: MIT */
/*
 * Scenarios of the condition: whoever waited before a notify is woken by it,
 * and nobody who comes later is woken in his place.
 *
 * What is awaited may only change when the scenario says so: each wait is
 * followed to its end, and one that is forgotten is a deadlock.
 */
#include "sim.h"
#include <conc/sync.h>
#include <errno.h>

struct shop {
	conc_condition condition;
	conc_lock lock;
	conc_rlock rlock;
	conc_time deadline;
	int goods, sold, late; /* under the lock */
	int waiting;           /* how many have come to wait once */
	bool closed;
};

static void
enter(struct shop *s)
{
	sim_assert(conc_lock_acquire(&s->lock, CONC_FOREVER) == 0);
}

static void
leave(struct shop *s)
{
	sim_assert(conc_lock_release(&s->lock) == 0);
}

static bool
has_goods(void *arg)
{
	return ((struct shop *)arg)->goods > 0;
}

static void
buy(void *arg)
{
	struct shop *s = arg;

	enter(s);
	while (s->goods == 0)
		sim_assert(conc_condition_wait(&s->condition, &s->lock, CONC_FOREVER) == 0);
	s->goods--;
	s->sold++;
	leave(s);
}

static void
buy_by_deadline(void *arg)
{
	struct shop *s = arg;
	int rc;

	enter(s);
	rc = conc_condition_wait_for(&s->condition, &s->lock, has_goods, s, s->deadline);
	sim_assert(rc == (s->goods ? 0 : -ETIMEDOUT));
	if (rc == 0) {
		s->goods--;
		s->sold++;
	} else
		s->late++;
	leave(s);
}

/* n more goods, told to as many; with the lock held or not. */
static void
bring(struct shop *s, int n)
{
	bool inside = sim_random(2);

	enter(s);
	s->goods += n;
	if (inside)
		sim_assert(conc_condition_notify(&s->condition, (uint32_t)n) == 0);
	leave(s);
	if (!inside)
		sim_assert(conc_condition_notify(&s->condition, (uint32_t)n) == 0);
}

SIM_SCENARIO(sync_condition_notify_each)
{
	struct shop s = {.goods = 0};
	struct sim_thread *a = sim_go(buy, &s), *b = sim_go(buy, &s);

	bring(&s, 1);
	bring(&s, 1);
	sim_join(a);
	sim_join(b);
	sim_assert(s.sold == 2 && s.goods == 0);
}

SIM_SCENARIO(sync_condition_notify_two_of_three)
{
	struct shop s = {.goods = 0};
	struct sim_thread *a = sim_go(buy, &s), *b = sim_go(buy, &s), *c = sim_go(buy, &s);

	bring(&s, 2);
	bring(&s, 1);
	sim_join(a);
	sim_join(b);
	sim_join(c);
	sim_assert(s.sold == 3 && s.goods == 0);
}

SIM_SCENARIO(sync_condition_notify_all)
{
	struct shop s = {.goods = 0};
	struct sim_thread *a = sim_go(buy, &s), *b = sim_go(buy, &s);

	enter(&s);
	s.goods = 3;
	leave(&s);
	sim_assert(conc_condition_notify_all(&s.condition) == 0);
	buy(&s);
	sim_join(a);
	sim_join(b);
	sim_assert(s.sold == 3);
}

/* One gives up, perhaps just as he is notified: the other gets what there is. */
SIM_SCENARIO(sync_condition_deadline_against_notify)
{
	struct shop s = {.deadline = conc_after(CONC_US(10))};
	struct sim_thread *late = sim_go(buy_by_deadline, &s), *patient = sim_go(buy, &s);

	bring(&s, 1);
	sim_join(late);
	if (s.late == 0)
		bring(&s, 1);
	sim_join(patient);
	sim_assert(s.sold == 2 - s.late && s.goods == 0);
}

static void
wait_once(void *arg)
{
	struct shop *s = arg;

	enter(s);
	s->waiting++;
	sim_assert(conc_condition_wait(&s->condition, &s->lock, CONC_FOREVER) == 0);
	leave(s);
}

/* Wait until n threads wait: the lock is free again, so they have begun. */
static void
await_waiting(struct shop *s, int n)
{
	int waiting;

	do {
		sim_pause();
		enter(s);
		waiting = s->waiting;
		leave(s);
	} while (waiting < n);
}

static void
wait_until_closed(void *arg)
{
	struct shop *s = arg;

	enter(s);
	while (!s->closed)
		sim_assert(conc_condition_wait(&s->condition, &s->lock, CONC_FOREVER) == 0);
	leave(s);
}

/* Once woken he waits again, and brings another one along. */
static void
wait_and_come_again(void *arg)
{
	struct sim_thread *friend;

	wait_once(arg);
	friend = sim_go(wait_until_closed, arg);
	wait_until_closed(arg);
	sim_join(friend);
}

/*
 * Two wait, and two are notified.  If one of them returns without having slept,
 * there may be two late comers before the sleepers are woken, who come because
 * of this notify: they are not the ones that it is for.
 */
SIM_SCENARIO(sync_condition_late_comers_steal_nothing)
{
	struct shop s = {.goods = 0};
	struct sim_thread *once = sim_go(wait_once, &s);
	struct sim_thread *again = sim_go(wait_and_come_again, &s);

	await_waiting(&s, 2);
	sim_assert(conc_condition_notify(&s.condition, 2) == 0);
	sim_join(once); /* nobody but that notify wakes him */
	enter(&s);
	s.closed = true;
	leave(&s);
	sim_assert(conc_condition_notify_all(&s.condition) == 0);
	sim_join(again);
}

static void
wait_a_moment(void *arg)
{
	struct shop *s = arg;

	enter(s);
	(void)conc_condition_wait(&s->condition, &s->lock, s->deadline);
	leave(s);
}

static void
let_time_pass(void *arg)
{
	(void)arg;
	for (int i = 0; i < 4; i++) {
		sim_pause();
		(void)conc_after(0); /* faked time goes on when it is looked at */
	}
}

/* One comes and gives up while the notify looks whether anybody waits: somebody does. */
SIM_SCENARIO(sync_condition_leaver_hides_nobody)
{
	struct shop s = {.goods = 0};
	struct sim_thread *patient = sim_go(wait_once, &s), *late, *clock;

	await_waiting(&s, 1);
	s.deadline = conc_after(1 + sim_random(2000));
	late = sim_go(wait_a_moment, &s);
	clock = sim_go(let_time_pass, NULL);
	sim_assert(conc_condition_notify_all(&s.condition) == 0);
	sim_join(patient);
	sim_join(late);
	sim_join(clock);
}

static void
buy_deep(void *arg)
{
	struct shop *s = arg;

	CONC_WITH(&s->rlock) {
		CONC_WITH(&s->rlock) {
			sim_assert(conc_condition_wait_for(&s->condition, &s->rlock, has_goods,
				       s, CONC_FOREVER) == 0);
			sim_assert(s->rlock.lock.depth == 2);
		}
		sim_pause();
		sim_assert(conc_rlock_held(&s->rlock) && s->goods > 0);
		s->goods--;
		s->sold++;
	}
}

/* With an rlock all depth is let go, and comes back. */
SIM_SCENARIO(sync_condition_rlock)
{
	struct shop s = {.goods = 0};
	struct sim_thread *a = sim_go(buy_deep, &s), *b = sim_go(buy_deep, &s);

	for (int i = 0; i < 2; i++)
		CONC_WITH(&s.rlock) {
			s.goods++;
			sim_assert(conc_condition_notify(&s.condition, 1) == 0);
		}
	sim_join(a);
	sim_join(b);
	sim_assert(s.sold == 2 && s.goods == 0 && !conc_rlock_locked(&s.rlock));
}

/* A fork while others wait: the child's own waits and notifies are as ever. */
SIM_SCENARIO(sync_condition_in_the_child_of_a_fork)
{
	struct shop *s = calloc(1, sizeof *s);
	struct sim_thread *t;

	(void)sim_go(wait_once, s);
	enter(s);
	sim_fork_as_child();
	s->waiting = 0;
	leave(s);
	t = sim_go(buy, s);
	bring(s, 1);
	sim_join(t);
	sim_assert(s->sold == 1);
	free(s);
}
