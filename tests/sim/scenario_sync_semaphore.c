/* SPDX-License-Identifier: MIT */
/*
 * Scenarios of semaphores: no unit is lost, nor the wake-up for it; and when a
 * semaphore may be freed.
 */
#include "sim.h"
#include <conc/sync.h>

enum { MANY = 3 };

/* Threads on one semaphore. */
struct taker {
	conc_semaphore *s;
	struct sim_thread *thread;
	conc_time deadline;
	int rc;
};

static void
acquire(void *arg)
{
	struct taker *t = arg;

	t->rc = conc_semaphore_acquire(t->s, t->deadline);
}

static void
start(struct taker *t, conc_semaphore *s, conc_time deadline)
{
	*t = (struct taker){.s = s, .deadline = deadline};
	t->thread = sim_go(acquire, t);
}

static void
release(void *semaphore)
{
	sim_assert(conc_semaphore_release(semaphore, 1) == 0);
}

/* Three wait; the units come one by one, from two threads. */
SIM_SCENARIO(semaphore_one_by_one)
{
	conc_semaphore s = CONC_SEMAPHORE_INIT(0);
	struct taker takers[MANY];
	struct sim_thread *other;

	for (int i = 0; i < MANY; i++)
		start(&takers[i], &s, CONC_FOREVER);
	other = sim_go(release, &s);
	release(&s);
	release(&s);
	for (int i = 0; i < MANY; i++) {
		sim_join(takers[i].thread);
		sim_assert(takers[i].rc == 0);
	}
	sim_join(other);
	sim_assert(conc_semaphore_value(&s) == 0);
	conc_semaphore_fini(&s);
}

/* Three wait; the units come in one step. */
SIM_SCENARIO(semaphore_all_at_once)
{
	conc_semaphore s = CONC_SEMAPHORE_INIT(0);
	struct taker takers[MANY];

	for (int i = 0; i < MANY; i++)
		start(&takers[i], &s, CONC_FOREVER);
	sim_assert(conc_semaphore_release(&s, MANY) == 0);
	for (int i = 0; i < MANY; i++) {
		sim_join(takers[i].thread);
		sim_assert(takers[i].rc == 0);
	}
	sim_assert(conc_semaphore_value(&s) == 0);
}

/*
 * One of two gives up, perhaps after a wake-up for a unit that was snatched
 * meanwhile; the other has the next.
 */
SIM_SCENARIO(semaphore_deadline)
{
	conc_semaphore s = CONC_SEMAPHORE_INIT(0);
	struct taker hasty, patient;

	start(&hasty, &s, conc_after(CONC_US(1 + sim_random(3))));
	start(&patient, &s, CONC_FOREVER);
	release(&s);
	if (conc_semaphore_acquire(&s, CONC_NOW) == 0) {
		sim_join(hasty.thread);
		release(&s);
	} else {
		sim_join(hasty.thread);
	}
	sim_assert(hasty.rc == 0 || hasty.rc == -ETIMEDOUT);
	if (hasty.rc == 0)
		release(&s);
	sim_join(patient.thread);
	sim_assert(patient.rc == 0 && conc_semaphore_value(&s) == 0);
}

/* A third one may snatch the unit from under the woken one's nose; it comes again. */
SIM_SCENARIO(semaphore_snatched)
{
	conc_semaphore s = CONC_SEMAPHORE_INIT(0);
	struct taker a, b;

	start(&a, &s, CONC_FOREVER);
	start(&b, &s, CONC_FOREVER);
	for (int given = 0, tries = 4; given < 2; tries--) {
		release(&s);
		given++;
		if (tries > 0 && conc_semaphore_acquire(&s, CONC_NOW) == 0)
			given--;
	}
	sim_join(a.thread);
	sim_join(b.thread);
	sim_assert(a.rc == 0 && b.rc == 0 && conc_semaphore_value(&s) == 0);
}

/* No more threads are inside than there are units. */
struct room {
	conc_semaphore s;
	int inside;
};

static void
go_in_and_out(void *arg)
{
	struct room *r = arg;

	for (int i = 0; i < 2; i++) {
		sim_assert(conc_semaphore_acquire(&r->s, CONC_FOREVER) == 0);
		sim_assert(++r->inside <= 2);
		sim_pause();
		r->inside--;
		sim_assert(conc_semaphore_release(&r->s, 1) == 0);
	}
}

SIM_SCENARIO(semaphore_bounded)
{
	struct room r = {CONC_SEMAPHORE_BOUNDED_INIT(2), 0};
	struct sim_thread *threads[MANY];

	for (int i = 0; i < MANY; i++)
		threads[i] = sim_go(go_in_and_out, &r);
	for (int i = 0; i < MANY; i++)
		sim_join(threads[i]);
	sim_assert(conc_semaphore_release(&r.s, 1) == CONC_ESTATE);
	sim_assert(conc_semaphore_value(&r.s) == 2);
}

/* Who has the unit ends the semaphore, and frees it, while the releaser is on his way out. */
SIM_SCENARIO(semaphore_freed_by_acquirer)
{
	conc_semaphore *s = malloc(sizeof *s);
	struct sim_thread *t;

	sim_assert(conc_semaphore_init(s, 0, 0) == 0);
	t = sim_go(release, s);
	sim_assert(conc_semaphore_acquire(s, CONC_FOREVER) == 0);
	conc_semaphore_fini(s);
	free(s);
	sim_join(t);
}
