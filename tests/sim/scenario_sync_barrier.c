/* SPDX-License-Identifier: MIT */
/*
 * Scenarios of barriers: rounds, and how they break; whoever waits is told the
 * truth of his own round, however late he wakes.
 */
#include "sim.h"
#include <conc/sync.h>

enum { PARTIES = 3, ROUNDS = 2 };

/* A thread that waits at a barrier. */
struct party {
	conc_barrier *b;
	struct sim_thread *thread;
	conc_time deadline;
	int rc;
	uint32_t index;
};

static void
come(void *arg)
{
	struct party *p = arg;

	p->rc = conc_barrier_wait_index(p->b, &p->index, p->deadline);
}

static void
start(struct party *p, conc_barrier *b, conc_time deadline)
{
	*p = (struct party){.b = b, .deadline = deadline, .index = UINT32_MAX};
	p->thread = sim_go(come, p);
}

static conc_time
soon(void)
{
	return conc_after(CONC_US(1 + sim_random(3)));
}

/* Several rounds in step: nobody is a round ahead, each place is taken once. */
struct march {
	conc_barrier b;
	int steps[PARTIES]; /* of each */
	uint32_t places;    /* a bit for each that was taken, in all rounds */
};

struct marcher {
	struct march *m;
	int me;
};

static void
march(void *arg)
{
	struct marcher *self = arg;
	struct march *m = self->m;
	uint32_t index;

	for (int round = 1; round <= ROUNDS; round++) {
		m->steps[self->me]++;
		sim_assert(conc_barrier_wait_index(&m->b, &index, CONC_FOREVER) == 0);
		for (int i = 0; i < PARTIES; i++)
			sim_assert(m->steps[i] == round || m->steps[i] == round + 1);
		sim_assert(index < PARTIES);
		m->places ^= UINT32_C(1) << (index + 8 * (uint32_t)round);
	}
}

SIM_SCENARIO(barrier_rounds)
{
	struct march m = {.b = CONC_BARRIER_INIT(PARTIES)};
	struct marcher marchers[PARTIES];
	struct sim_thread *threads[PARTIES];

	for (int i = 0; i < PARTIES; i++) {
		marchers[i] = (struct marcher){&m, i};
		threads[i] = sim_go(march, &marchers[i]);
	}
	for (int i = 0; i < PARTIES; i++)
		sim_join(threads[i]);
	sim_assert(m.places == 0x070700);
	sim_assert(conc_barrier_waiting(&m.b) == 0 && !conc_barrier_broken(&m.b));
	conc_barrier_fini(&m.b);
}

/* The action runs before any is let go; if it fails, nobody passes. */
struct show {
	conc_barrier b;
	int played, rc;
};

static int
play(void *user)
{
	struct show *s = user;

	sim_pause();
	s->played++;
	return s->rc;
}

static void
watch(void *arg)
{
	struct show *s = arg;
	int rc = conc_barrier_wait(&s->b, CONC_FOREVER);

	sim_assert(s->played == 1);
	sim_assert(s->rc == 0 ? rc == 0 : rc == s->rc || rc == CONC_EBROKEN);
}

SIM_SCENARIO(barrier_action)
{
	struct show s = {.b = CONC_BARRIER_INIT(2), .rc = sim_random(2) ? -EIO : 0};
	struct sim_thread *t;

	sim_assert(conc_barrier_set_action(&s.b, play, &s) == 0);
	t = sim_go(watch, &s);
	watch(&s);
	sim_assert(conc_barrier_broken(&s.b) == (s.rc != 0));
	sim_join(t);
}

/* Two of three wait, and it is broken, by whichever way; the third finds it so. */
SIM_SCENARIO(barrier_abort)
{
	conc_barrier b = CONC_BARRIER_INIT(PARTIES);
	struct party a, c;

	start(&a, &b, CONC_FOREVER);
	start(&c, &b, CONC_FOREVER);
	sim_pause();
	sim_assert(conc_barrier_abort(&b) == 0);
	sim_assert(conc_barrier_wait(&b, CONC_FOREVER) == CONC_EBROKEN);
	sim_join(a.thread);
	sim_join(c.thread);
	sim_assert(a.rc == CONC_EBROKEN && c.rc == CONC_EBROKEN && conc_barrier_broken(&b));
}

/* An abort against the last to come: the round passes whole, or breaks whole. */
SIM_SCENARIO(barrier_abort_or_pass)
{
	conc_barrier b = CONC_BARRIER_INIT(2);
	struct party first, second;

	start(&first, &b, CONC_FOREVER);
	start(&second, &b, CONC_FOREVER);
	sim_pause();
	sim_assert(conc_barrier_abort(&b) == 0);
	sim_join(first.thread);
	sim_join(second.thread);
	sim_assert(first.rc == second.rc && (first.rc == 0 || first.rc == CONC_EBROKEN));
	sim_assert(conc_barrier_reset(&b) == 0 && !conc_barrier_broken(&b));
	start(&first, &b, CONC_FOREVER);
	sim_assert(conc_barrier_wait(&b, CONC_FOREVER) == 0);
	sim_join(first.thread);
	sim_assert(first.rc == 0);
}

static void
await_one(conc_barrier *b)
{
	while (conc_barrier_waiting(b) != 1)
		sim_pause();
}

/* Who sleeps long is told of his own round, whatever became of later ones. */
SIM_SCENARIO(barrier_late_sleeper)
{
	conc_barrier b = CONC_BARRIER_INIT(2);
	struct party passed, broken, later;

	start(&passed, &b, CONC_FOREVER);
	await_one(&b);
	sim_assert(conc_barrier_wait(&b, CONC_FOREVER) == 0);
	start(&broken, &b, CONC_FOREVER);
	await_one(&b);
	sim_assert((sim_random(2) ? conc_barrier_abort(&b) : 0) == 0);
	sim_assert(conc_barrier_reset(&b) == 0);
	start(&later, &b, CONC_FOREVER);
	sim_assert(conc_barrier_wait(&b, CONC_FOREVER) == 0);
	sim_assert(conc_barrier_abort(&b) == 0);
	sim_join(passed.thread);
	sim_join(broken.thread);
	sim_join(later.thread);
	sim_assert(passed.rc == 0 && broken.rc == CONC_EBROKEN && later.rc == 0);
	sim_assert(passed.index == 0 && broken.index == UINT32_MAX);
}

/* One gives up: the barrier is broken, for the one who waits too. */
SIM_SCENARIO(barrier_deadline)
{
	conc_barrier b = CONC_BARRIER_INIT(PARTIES);
	struct party hasty, patient;

	start(&patient, &b, CONC_FOREVER);
	start(&hasty, &b, soon());
	sim_join(hasty.thread);
	sim_join(patient.thread);
	sim_assert(hasty.rc == -ETIMEDOUT && patient.rc == CONC_EBROKEN);
	sim_assert(conc_barrier_broken(&b) && conc_barrier_waiting(&b) == 0);
}

/* A deadline against the last to come, and his action: both pass, or neither. */
SIM_SCENARIO(barrier_deadline_or_pass)
{
	struct show s = {.b = CONC_BARRIER_INIT(2)};
	struct party hasty, last;

	sim_assert(conc_barrier_set_action(&s.b, play, &s) == 0);
	start(&hasty, &s.b, soon());
	start(&last, &s.b, sim_random(2) ? CONC_FOREVER : soon());
	sim_join(hasty.thread);
	sim_join(last.thread);
	sim_assert((hasty.rc == 0) == (last.rc == 0) && s.played == (last.rc == 0));
	if (last.rc == 0)
		sim_assert(hasty.index + last.index == 1 && !conc_barrier_broken(&s.b));
	else
		sim_assert(hasty.rc == -ETIMEDOUT || last.rc == -ETIMEDOUT);
}

/* Whoever of those without a deadline returns first ends the barrier, and frees it. */
struct shared {
	conc_barrier *b;
	bool freed;
};

static void
come_and_free(void *arg)
{
	struct shared *s = arg;

	sim_assert(conc_barrier_wait(s->b, CONC_FOREVER) == 0);
	if (!s->freed) {
		s->freed = true;
		conc_barrier_fini(s->b);
		free(s->b);
	}
}

SIM_SCENARIO(barrier_freed_by_party)
{
	struct shared s = {malloc(sizeof *s.b), false};
	struct sim_thread *t, *u;

	sim_assert(conc_barrier_init(s.b, PARTIES, 0) == 0);
	t = sim_go(come_and_free, &s);
	u = sim_go(come_and_free, &s);
	come_and_free(&s);
	sim_join(t);
	sim_join(u);
	sim_assert(s.freed);
}
