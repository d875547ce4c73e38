/* SPDX-License-Identifier: MIT */
/*
 * Scenarios of the queue's ends: waiting for elements and for room, against
 * putting, getting, closing and deadlines.
 */
#include "scenario_queue.h"

/* Two wait for an element; two come, one by one or together. */
SIM_SCENARIO(queue_put_wakes_getters)
{
	const int both[] = {1, 2};
	conc_queue *q = roomy(NULL);
	struct user a, b;

	if (!q)
		return;
	go(&a, get_once, q, -1);
	go(&b, get_once, q, -1);
	if (sim_random(2)) {
		put(q, 1);
		put(q, 2);
	} else {
		sim_assert(conc_queue_put_many(q, both, 2, NULL, CONC_NOW) == 0);
	}
	sim_join(a.thread);
	sim_join(b.thread);
	sim_assert(a.rc == 0 && b.rc == 0 && a.x + b.x == 3 && a.x != b.x);
	sim_assert(conc_queue_size(q) == 0);
	conc_queue_destroy(q);
}

/* Two wait for room in a full queue; two go out, one by one or together. */
SIM_SCENARIO(queue_get_wakes_putters)
{
	conc_queue *q =
	    roomy(CONC_QUEUE(.capacity = 2, .order = sim_random(2) ? CONC_LIFO : 0));
	struct user a, b;
	int x[2];
	size_t n;

	if (!q)
		return;
	put(q, 1);
	put(q, 2);
	go(&a, put_once, q, 3);
	go(&b, put_once, q, 4);
	sim_pause();
	if (sim_random(2)) {
		(void)get(q);
		(void)get(q);
	} else {
		sim_assert(conc_queue_get_many(q, x, 2, &n, CONC_FOREVER) == 0 && n == 2);
	}
	sim_join(a.thread);
	sim_join(b.thread);
	sim_assert(a.rc == 0 && b.rc == 0 && conc_queue_size(q) == 2);
	conc_queue_destroy(q);
}

/* What one has put comes out in its order, whoever gets it; x is the capacity. */
static void
get_three(void *arg)
{
	struct user *u = arg;
	int last[2] = {0, 0}, x;

	for (int i = 0; i < 3; i++) {
		sim_assert(conc_queue_size(u->q) <= (size_t)u->x);
		x = get(u->q);
		sim_assert(x > last[x / 10 - 1]);
		last[x / 10 - 1] = x;
		u->sum += x;
	}
}

SIM_SCENARIO(queue_many_to_many)
{
	int capacity = 1 + (int)sim_random(3);
	conc_queue *q = roomy(CONC_QUEUE(.capacity = (size_t)capacity));
	struct user from[2], to[2];

	if (!q)
		return;
	go(&from[0], put_three, q, 10);
	go(&to[0], get_three, q, capacity);
	go(&from[1], put_three, q, 20);
	go(&to[1], get_three, q, capacity);
	for (int i = 0; i < 2; i++) {
		sim_join(from[i].thread);
		sim_join(to[i].thread);
	}
	sim_assert(to[0].sum + to[1].sum == 3 * 10 + 3 + 3 * 20 + 3);
	sim_assert(conc_queue_size(q) == 0);
	conc_queue_destroy(q);
}

static void
close_it(void *q)
{
	sim_assert(conc_queue_close(q) == 0);
}

/* Who waits to get has the one element, or hears of the end. */
SIM_SCENARIO(queue_close_against_getters)
{
	conc_queue *q = roomy(NULL);
	struct sim_thread *closer;
	struct user a, b, c;

	if (!q)
		return;
	go(&a, get_once, q, -1);
	go(&b, get_once, q, -1);
	go(&c, put_once, q, 7);
	closer = sim_go(close_it, q);
	sim_join(closer);
	sim_join(c.thread);
	sim_join(a.thread);
	sim_join(b.thread);
	sim_assert(c.rc == 0 || c.rc == CONC_ESHUTDOWN);
	sim_assert(a.rc == 0 || a.rc == CONC_ESHUTDOWN);
	sim_assert(b.rc == 0 || b.rc == CONC_ESHUTDOWN);
	sim_assert((c.rc == 0) == (a.rc == 0 || b.rc == 0) && (a.rc || b.rc));
	sim_assert(conc_queue_put(q, &c.x, CONC_NOW) == CONC_ESHUTDOWN);
	conc_queue_destroy(q);
}

/* Who waits for room hears of the end at once; what is in comes out. */
SIM_SCENARIO(queue_close_against_putters)
{
	conc_queue *q = roomy(CONC_QUEUE(.capacity = 1));
	struct user a, b;
	int x, n = 0;

	if (!q)
		return;
	put(q, 1);
	go(&a, put_once, q, 2);
	go(&b, put_once, q, 3);
	sim_pause();
	sim_assert(conc_queue_close(q) == 0);
	sim_join(a.thread);
	sim_join(b.thread);
	sim_assert(a.rc == CONC_ESHUTDOWN && b.rc == CONC_ESHUTDOWN);
	while (conc_queue_get(q, &x, CONC_FOREVER) == 0)
		n += x;
	sim_assert(n == 1);
	conc_queue_destroy(q);
}

/* By its deadline a get has the element, or leaves it; a last look never loses it. */
SIM_SCENARIO(queue_deadline_of_a_get_against_put)
{
	conc_queue *q = roomy(NULL);
	struct user late, patient;

	if (!q)
		return;
	late = (struct user){.q = q, .x = -1, .deadline = conc_after(CONC_US(10))};
	late.thread = sim_go(get_once, &late);
	go(&patient, get_once, q, -1);
	put(q, 5);
	sim_join(late.thread);
	sim_assert(late.rc == 0 ? late.x == 5 : late.rc == -ETIMEDOUT && late.x == -1);
	if (late.rc == 0)
		put(q, 6);
	sim_join(patient.thread);
	sim_assert(patient.rc == 0 && patient.x == (late.rc == 0 ? 6 : 5));
	conc_queue_destroy(q);
}

/* The same at the other end. */
SIM_SCENARIO(queue_deadline_of_a_put_against_get)
{
	conc_queue *q = roomy(CONC_QUEUE(.capacity = 1));
	struct user late, patient;

	if (!q)
		return;
	put(q, 1);
	late = (struct user){.q = q, .x = 2, .deadline = conc_after(CONC_US(10))};
	late.thread = sim_go(put_once, &late);
	go(&patient, put_once, q, 3);
	sim_assert(get(q) == 1);
	sim_join(late.thread);
	sim_assert(late.rc == 0 || late.rc == -ETIMEDOUT);
	if (late.rc == 0)
		(void)get(q);
	sim_join(patient.thread);
	sim_assert(patient.rc == 0 && conc_queue_size(q) == 1);
	conc_queue_destroy(q);
}

static void
put_five(void *arg)
{
	const int five[] = {1, 2, 3, 4, 5};
	struct user *u = arg;
	size_t n = 0;

	u->rc = conc_queue_put_many(u->q, five, 5, &n, u->deadline);
	u->n = (int)n;
}

/* More than fit in go in as others take them out, and come out in order. */
SIM_SCENARIO(queue_put_many_against_get_many)
{
	conc_queue *q = roomy(CONC_QUEUE(.capacity = 2));
	struct user from;
	int x[3], next = 1;
	size_t n;

	if (!q)
		return;
	go(&from, put_five, q, 0);
	while (next <= 5) {
		sim_assert(conc_queue_get_many(q, x, 3, &n, CONC_FOREVER) == 0 && n - 1 < 3);
		for (size_t i = 0; i < n; i++)
			sim_assert(x[i] == next++);
	}
	sim_join(from.thread);
	sim_assert(from.rc == 0 && from.n == 5);
	conc_queue_destroy(q);
}

/* What it says went in did, however it ends. */
SIM_SCENARIO(queue_put_many_ends_halfway)
{
	conc_queue *q = roomy(CONC_QUEUE(.capacity = 2));
	struct user from;
	int x, n = 0;

	if (!q)
		return;
	from = (struct user){.q = q, .deadline = CONC_FOREVER};
	if (sim_random(2))
		from.deadline = conc_after(CONC_US(10));
	from.thread = sim_go(put_five, &from);
	if (conc_queue_get(q, &x, CONC_NOW) == 0)
		sim_assert(x == ++n);
	sim_assert(conc_queue_close(q) == 0);
	sim_join(from.thread);
	sim_assert(from.rc == CONC_ESHUTDOWN || from.rc == -ETIMEDOUT);
	while (conc_queue_get(q, &x, CONC_NOW) == 0)
		sim_assert(x == ++n);
	sim_assert(n == from.n);
	conc_queue_destroy(q);
}
