/* SPDX-License-Identifier: MIT */
/*
 * Scenarios of events: whoever waits when one is set is let go; and when an
 * event may be freed.
 */
#include "sim.h"
#include <conc/sync.h>

enum { MANY = 3 };

/* Threads that wait for an event. */
struct listener {
	conc_event *e;
	struct sim_thread *thread;
	conc_time deadline;
	int rc;
	const int *news; /* written before the event is set */
};

static void
listen(void *arg)
{
	struct listener *l = arg;

	l->rc = conc_event_wait(l->e, l->deadline);
	sim_assert(l->rc != 0 || l->news == NULL || *l->news == 1);
}

static void
start_listening(struct listener *l, conc_event *e, conc_time deadline, const int *news)
{
	*l = (struct listener){.e = e, .deadline = deadline, .news = news};
	l->thread = sim_go(listen, l);
}

static void
set(void *event)
{
	sim_assert(conc_event_set(event) == 0);
}

/* All who wait go, by whichever of two that set it. */
SIM_SCENARIO(event_set_wakes_all)
{
	conc_event e = CONC_EVENT_INIT;
	struct listener l[MANY];
	struct sim_thread *t;
	int news = 0;

	for (int i = 0; i < MANY; i++)
		start_listening(&l[i], &e, CONC_FOREVER, &news);
	news = 1;
	t = sim_go(set, &e);
	set(&e);
	for (int i = 0; i < MANY; i++) {
		sim_join(l[i].thread);
		sim_assert(l[i].rc == 0);
	}
	sim_join(t);
	sim_assert(conc_event_is_set(&e));
}

/*
 * Set and cleared at once: who waited then goes, who comes later waits for the
 * next.  Who waited shows by the word: only he can have changed it.
 */
SIM_SCENARIO(event_set_and_clear)
{
	conc_event e = CONC_EVENT_INIT;
	struct listener l;

	start_listening(&l, &e, CONC_FOREVER, NULL);
	while (e.word == 0)
		sim_pause();
	set(&e);
	sim_assert(conc_event_clear(&e) == 0);
	if (sim_random(2)) { /* another one, that comes too late */
		struct listener late;

		start_listening(&late, &e, conc_after(CONC_US(1 + sim_random(3))), NULL);
		sim_join(late.thread);
		sim_assert(late.rc == -ETIMEDOUT);
	}
	sim_join(l.thread);
	sim_assert(l.rc == 0 && !conc_event_is_set(&e));
}

/* One gives up; the other is woken all the same. */
SIM_SCENARIO(event_deadline)
{
	conc_event e = CONC_EVENT_INIT;
	struct listener hasty, patient;

	start_listening(&hasty, &e, conc_after(CONC_US(1 + sim_random(3))), NULL);
	start_listening(&patient, &e, CONC_FOREVER, NULL);
	sim_pause();
	set(&e);
	sim_join(hasty.thread);
	sim_join(patient.thread);
	sim_assert(hasty.rc == 0 || hasty.rc == -ETIMEDOUT);
	sim_assert(patient.rc == 0);
}

/* Who was let go ends the event, and frees it, while the setter is on his way out. */
SIM_SCENARIO(event_freed_by_waiter)
{
	conc_event *e = malloc(sizeof *e);
	struct sim_thread *t;

	sim_assert(conc_event_init(e, 0) == 0);
	t = sim_go(set, e);
	sim_assert(conc_event_wait(e, CONC_FOREVER) == 0);
	conc_event_fini(e);
	free(e);
	sim_join(t);
}
