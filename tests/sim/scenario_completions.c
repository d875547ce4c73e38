/* SPDX-License-Identifier: MIT */
/*
 * Completions: adding, taking and destroying against those that end the
 * futures, and the descriptor that tells of them.
 */
#include "scenario_bell.h"
#include "scenario_future.h"

static conc_completions *
create(void)
{
	conc_completions *c = NULL;
	int rc = conc_completions_create(&c);

	sim_assert(rc == 0 || ((rc == -ENOMEM || rc == -EAGAIN) && sim_sweeping()));
	return c;
}

/* Add a new promise's future, which the set then holds alone; NULL: the sweep. */
static conc_promise *
add_promise(conc_completions *c, void *user)
{
	conc_promise *p;
	conc_future *f;
	int rc;

	if (!make(&p, &f))
		return NULL;
	rc = conc_completions_add(c, f, user);
	sim_assert(rc == 0 || (rc == -ENOMEM && sim_sweeping()));
	conc_future_release(f);
	if (rc == 0)
		return p;
	finish(p);
	return NULL;
}

/* Take one: 1, or 0: there is none any more. */
static int
take(conc_completions *c)
{
	conc_future *f;
	int *user;
	int rc = conc_completions_next(c, &f, (void **)&user, CONC_FOREVER);

	sim_assert(rc == 0 || rc == -ENOENT);
	if (rc != 0)
		return 0;
	sim_assert(++*user == 1);
	sim_assert(collect(f) == 0);
	return 1;
}

static struct sim_thread *
finish_in_thread(conc_promise *p)
{
	return p != NULL ? sim_go(finish, p) : NULL;
}

static void
join_any(struct sim_thread *t)
{
	if (t != NULL)
		sim_join(t);
}

SIM_SCENARIO(completions_against_finishers)
{
	conc_completions *c = create();
	int taken[2] = {0, 0};
	conc_promise *p[2];
	struct sim_thread *t[2];

	if (c == NULL)
		return;
	for (int i = 0; i < 2; i++)
		p[i] = add_promise(c, &taken[i]);
	for (int i = 0; i < 2; i++)
		t[i] = finish_in_thread(p[i]);
	for (int i = 0; i < 2; i++)
		if (p[i] != NULL)
			sim_assert(take(c) == 1);
	sim_assert(take(c) == 0);
	/* What fired last may not be done with the set's lock; destroy must stand that. */
	conc_completions_destroy(c);
	join_any(t[0]);
	join_any(t[1]);
}

SIM_SCENARIO(completions_destroy_against_finish)
{
	conc_completions *c = create();
	int taken[2] = {0, 0};
	conc_promise *p[2];
	struct sim_thread *t[2];

	if (c == NULL)
		return;
	for (int i = 0; i < 2; i++)
		p[i] = add_promise(c, &taken[i]);
	for (int i = 0; i < 2; i++)
		t[i] = finish_in_thread(p[i]);
	if (sim_random(2))
		(void)take(c);
	conc_completions_destroy(c);
	join_any(t[0]);
	join_any(t[1]);
}

struct taker {
	conc_completions *c;
	int got;
};

static void
take_in_thread(void *arg)
{
	struct taker *taker = arg;

	taker->got = take(taker->c);
}

/* One to take, two who want it: the other one is told that nothing is left. */
SIM_SCENARIO(completions_two_takers)
{
	conc_completions *c = create();
	struct taker taker = {c, 0};
	struct sim_thread *t, *finisher;
	int taken = 0, got;
	conc_promise *p;

	if (c == NULL)
		return;
	p = add_promise(c, &taken);
	finisher = finish_in_thread(p);
	t = sim_go(take_in_thread, &taker);
	got = take(c);
	sim_join(t);
	join_any(finisher);
	sim_assert(got + taker.got == (p != NULL));
	conc_completions_destroy(c);
}

/* Two to take, two takers, a thread that ends both: none sleeps over it. */
static void
finish_both(void *arg)
{
	conc_promise **p = arg;

	for (int i = 0; i < 2; i++)
		if (p[i] != NULL)
			finish(p[i]);
}

SIM_SCENARIO(completions_two_takers_of_two)
{
	conc_completions *c = create();
	struct taker taker = {c, 0};
	struct sim_thread *t, *finisher;
	int taken[2] = {0, 0}, got;
	conc_promise *p[2];

	if (c == NULL)
		return;
	for (int i = 0; i < 2; i++)
		p[i] = add_promise(c, &taken[i]);
	t = sim_go(take_in_thread, &taker);
	finisher = sim_go(finish_both, p);
	got = take(c);
	sim_join(t);
	sim_join(finisher);
	if (p[0] != NULL && p[1] != NULL)
		sim_assert(got == 1 && taker.got == 1);
	conc_completions_destroy(c);
}

/* One more is added while somebody waits in next. */
struct adder {
	conc_completions *c;
	conc_promise *first, *second;
	int taken[2];
};

static void
add_then_finish(void *arg)
{
	struct adder *adder = arg;

	adder->second = add_promise(adder->c, &adder->taken[1]);
	if (adder->second != NULL)
		finish(adder->second);
	finish(adder->first);
}

SIM_SCENARIO(completions_add_against_next)
{
	struct adder adder = {.c = create()};
	struct sim_thread *t;
	int n = 0;

	if (adder.c == NULL)
		return;
	adder.first = add_promise(adder.c, &adder.taken[0]);
	if (adder.first != NULL) {
		t = sim_go(add_then_finish, &adder);
		while (take(adder.c))
			n++;
		sim_join(t);
		/* The second was added before the first had ended: next waited for it too. */
		sim_assert(n == 1 + (adder.second != NULL));
	}
	conc_completions_destroy(adder.c);
}

SIM_SCENARIO(completions_deadline_against_finish)
{
	conc_completions *c = create();
	struct sim_thread *t;
	int taken = 0, rc;
	conc_future *f;

	if (c == NULL)
		return;
	t = finish_in_thread(add_promise(c, &taken));
	rc = conc_completions_next(c, &f, NULL, conc_after(CONC_US(1 + sim_random(3))));
	sim_assert(rc == 0 || rc == -ETIMEDOUT || (rc == -ENOENT && t == NULL));
	if (rc == 0)
		sim_assert(collect(f) == 0);
	conc_completions_destroy(c);
	join_any(t);
}

SIM_SCENARIO(completions_descriptor)
{
	conc_completions *c = create();
	int taken[2] = {0, 0}, fd;
	conc_promise *p[2];
	struct sim_thread *t[2];
	conc_future *f;

	if (c == NULL)
		return;
	for (int i = 0; i < 2; i++)
		p[i] = add_promise(c, &taken[i]);
	for (int i = 0; i < 2; i++)
		t[i] = finish_in_thread(p[i]);
	fd = conc_completions_fd(c);
	sim_assert(fd >= 0 || sim_sweeping());
	sim_assert(fd >= 0 || fd == -EMFILE || fd == -ENFILE || fd == -ENOMEM);
	for (int i = 0; i < 2; i++) {
		if (p[i] == NULL)
			continue;
		if (fd >= 0) {
			sim_assert(rings(fd, CONC_FOREVER));
			sim_assert(conc_completions_next(c, &f, NULL, CONC_NOW) == 0);
		} else {
			sim_assert(conc_completions_next(c, &f, NULL, CONC_FOREVER) == 0);
		}
		sim_assert(collect(f) == 0);
	}
	if (fd >= 0)
		sim_assert(!rings(fd, CONC_NOW));
	conc_completions_destroy(c);
	join_any(t[0]);
	join_any(t[1]);
}
