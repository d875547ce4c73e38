/* SPDX-License-Identifier: MIT */
/*
 * The process pool: what a waiter who reads a worker's pipe himself must leave to others.
 */
#include "scenario_process_pool.h"

struct called {
	conc_future *future;
	const struct conc__self *waiter, *caller;
};

static void
note_caller(conc_future *f, void *user)
{
	struct called *c = user;

	(void)f;
	sim_assert(c->caller == NULL);
	c->caller = conc__self();
	sim_assert(c->caller != c->waiter);
	sim_pause();
}

static void
ask_for_it(void *arg)
{
	struct called *c = arg;

	if (conc_future_on_done(c->future, note_caller, c) != 0)
		c->caller = conc__self(); /* for want of memory */
	conc_future_release(c->future);
}

/* Another thread asks for a callback: it or the dispatcher makes it, never the waiter. */
SIM_SCENARIO(processes_callback_under_a_waiter)
{
	struct called c = {.waiter = conc__self()};
	struct scene s;
	struct sim_thread *t;

	if (!open_scene(&s, CONC_PROCESS_POOL(.workers = 1)))
		return;
	submit(&s, 0);
	await(&s, 0);
	c.future = conc_future_ref(submit(&s, 0));
	if (c.future != NULL) {
		if (sim_random(2) == 0) /* then whoever ends it looks for callbacks */
			(void)conc_future_wait(c.future, conc_after(CONC_US(1)));
		t = sim_go(ask_for_it, &c);
		await(&s, 1);
		sim_join(t);
	}
	all_well(&s);
	close_scene(&s);
	sim_assert(c.future == NULL || c.caller != NULL);
}
