/* SPDX-License-Identifier: MIT */
#ifndef SCENARIO_QUEUE_H
#define SCENARIO_QUEUE_H

/*
 * What the scenarios of the queue share: queues of ints, and threads at their
 * ends.
 *
 * Where a wake-up is at stake no close comes to the rescue: it would wake who
 * was forgotten.  So these queues have room beforehand, and no put can fail.
 */
#include "sim.h"
#include <conc/queue.h>

static inline void
put(conc_queue *q, int x)
{
	sim_assert(conc_queue_put(q, &x, CONC_FOREVER) == 0);
}

static inline int
get(conc_queue *q)
{
	int x = -1;

	sim_assert(conc_queue_get(q, &x, CONC_FOREVER) == 0);
	return x;
}

/* An empty queue, both ends of which have memory for eight; NULL if a failure was made. */
static inline conc_queue *
roomy(const conc_queue_options *options)
{
	const int zeros[8] = {0};
	conc_queue_options o = CONC_QUEUE_INIT;
	conc_queue *q;
	int rc, x[8];
	size_t n, k;

	if (options)
		o = *options;
	n = o.capacity > 0 && o.capacity < 8 ? o.capacity : 8;
	rc = conc_queue_create(&q, sizeof(int), &o);
	if (rc) {
		sim_assert(rc == -ENOMEM && sim_sweeping());
		return NULL;
	}
	for (int ends = 0; ends < 2 && !rc; ends++) {
		rc = conc_queue_put_many(q, zeros, n, NULL, CONC_NOW);
		for (k = 0; !rc && k < n; k++) {
			sim_assert(conc_queue_get(q, x, CONC_NOW) == 0);
			sim_assert(conc_queue_task_done(q) == 0);
		}
	}
	if (rc) {
		sim_assert(rc == -ENOMEM && sim_sweeping());
		conc_queue_destroy(q);
		return NULL;
	}
	return q;
}

/* A thread at one of the ends. */
struct user {
	conc_queue *q;
	struct sim_thread *thread;
	conc_time deadline;
	int rc, x, n, sum;
	int *done; /* where a worker adds up what he is done with */
};

static inline void
go(struct user *u, void (*body)(void *), conc_queue *q, int x)
{
	*u = (struct user){.q = q, .x = x, .deadline = CONC_FOREVER};
	u->thread = sim_go(body, u);
}

static inline void
put_once(void *arg)
{
	struct user *u = arg;

	u->rc = conc_queue_put(u->q, &u->x, u->deadline);
}

static inline void
get_once(void *arg)
{
	struct user *u = arg;

	u->rc = conc_queue_get(u->q, &u->x, u->deadline);
}

static inline void
put_three(void *arg)
{
	struct user *u = arg;

	for (int i = 0; i < 3; i++)
		put(u->q, u->x + i);
}

#endif
