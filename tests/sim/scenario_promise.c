/* SPDX-License-Identifier: MIT */
/*
 * Promises: several that want to end one, and none that does.
 */
#include "scenario_future.h"

struct contest {
	conc_promise *p;
	conc_future *f;
	int finished, failed, cancelled;
};

static void
contest_finish(void *arg)
{
	struct contest *c = arg;
	int value = VALUE;

	c->finished = conc_promise_finish(c->p, &value, sizeof value);
}

static void
contest_fail(void *arg)
{
	struct contest *c = arg;

	c->failed = conc_promise_fail(c->p, FAILURE);
	conc_clear();
}

static void
contest_cancel(void *arg)
{
	struct contest *c = arg;

	c->cancelled = conc_future_cancel(c->f);
}

/* Exactly one wins; the others are told; what the waiter gets is the winner's. */
SIM_SCENARIO(promise_finish_fail_cancel)
{
	struct contest c = {.cancelled = 1};
	struct sim_thread *t[3];
	int hooks = 0, rc, won;

	if (!make(&c.p, &c.f))
		return;
	conc_set_excepthook(count_unlooked, &hooks);
	t[0] = sim_go(contest_finish, &c);
	t[1] = sim_go(contest_fail, &c);
	t[2] = sim_go(contest_cancel, &c);
	sim_assert(conc_future_wait(c.f, CONC_FOREVER) == 0);
	for (int i = 0; i < 3; i++)
		sim_join(t[i]);
	won = (c.finished == 0) + (c.failed == 0) + (c.cancelled == 0);
	sim_assert(won == 1);
	sim_assert(c.finished == 0 || c.finished == CONC_ESTATE);
	sim_assert(c.failed == 0 || c.failed == CONC_ESTATE);
	sim_assert(c.cancelled == 0 || c.cancelled == CONC_ESTATE);
	conc_promise_destroy(c.p);
	sim_assert(hooks == 0);
	rc = collect(c.f);
	sim_assert(rc == (c.finished == 0 ? 0 : c.failed == 0 ? FAILURE : -ECANCELED));
	sim_assert(hooks == 0);
	conc_set_excepthook(NULL, NULL);
}

/* The loser leaves the result alone, also while the winner still writes it. */
SIM_SCENARIO(promise_two_finish)
{
	struct contest c = {0};
	struct sim_thread *t;
	int other = VALUE, rc;

	if (!make(&c.p, &c.f))
		return;
	t = sim_go(contest_finish, &c);
	rc = conc_promise_finish(c.p, &other, sizeof other);
	sim_join(t);
	sim_assert((rc == 0) != (c.finished == 0));
	sim_assert(rc == 0 || rc == CONC_ESTATE);
	conc_promise_destroy(c.p);
	sim_assert(collect(c.f) == 0);
}

static void
destroy(void *promise)
{
	conc_promise_destroy(promise);
}

SIM_SCENARIO(promise_destroyed_unfinished_against_wait)
{
	conc_promise *p;
	conc_future *f;
	struct sim_thread *t;

	if (!make(&p, &f))
		return;
	t = sim_go(destroy, p);
	sim_assert(collect(f) == -EPIPE);
	sim_join(t);
}

/* Nobody will ever see the end: it is a failure all the same, told once. */
SIM_SCENARIO(promise_destroy_against_release)
{
	conc_promise *p;
	conc_future *f;
	struct sim_thread *t;
	int hooks = 0;

	if (!make(&p, &f))
		return;
	conc_set_excepthook(count_unlooked, &hooks);
	t = sim_go(destroy, p);
	conc_future_release(f);
	sim_join(t);
	sim_assert(hooks == 1);
	conc_set_excepthook(NULL, NULL);
}

/* In a forked child nothing is ended, nobody is told, and all memory goes. */
SIM_SCENARIO(promise_in_a_forked_child)
{
	conc_promise *p;
	conc_future *f;
	int hooks = 0, value = VALUE;

	if (!make(&p, &f))
		return;
	conc_set_excepthook(count_unlooked, &hooks);
	sim_raise_generation();
	sim_assert(conc_promise_finish(p, &value, sizeof value) == CONC_EFORKED);
	sim_assert(conc_promise_fail(p, FAILURE) == CONC_EFORKED);
	sim_assert(conc_future_wait(f, CONC_FOREVER) == CONC_EFORKED);
	sim_assert(conc_future_cancel(f) == CONC_EFORKED);
	sim_assert(conc_wait(&f, 1, CONC_ANY, CONC_FOREVER) == CONC_EFORKED);
	conc_promise_destroy(p);
	conc_future_release(f);
	sim_assert(hooks == 0);
	conc_set_excepthook(NULL, NULL);
}
