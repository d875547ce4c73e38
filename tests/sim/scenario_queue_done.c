/* SPDX-License-Identifier: MIT */
/*
 * Scenarios of what else happens to a queue's elements: they are done, dropped,
 * compared; the descriptor; memory; the child of a fork.
 */
#include "scenario_bell.h"
#include "scenario_queue.h"

static void
count(void *element, void *user)
{
	sim_pause();
	*(int *)user += *(int *)element;
	sim_pause();
}

struct joiner {
	conc_queue *q;
	int *done; /* the sum of what is done */
};

/* After a join all is done: told, or destroyed. */
static void
join_all(void *arg)
{
	struct joiner *j = arg;

	sim_assert(conc_queue_join(j->q, CONC_FOREVER) == 0);
	sim_assert(*j->done == 6);
}

static void
work_once(void *arg)
{
	struct user *u = arg;

	get_once(u);
	if (u->rc == 0) {
		sim_pause();
		*u->done += u->x;
		sim_assert(conc_queue_task_done(u->q) == 0);
	}
}

static void
go_work(struct user *u, conc_queue *q, int *done)
{
	*u = (struct user){.q = q, .done = done, .deadline = CONC_FOREVER};
	u->thread = sim_go(work_once, u);
}

SIM_SCENARIO(queue_close_now_against_join)
{
	int done = 0;
	conc_queue *q = roomy(CONC_QUEUE(.destroy = count, .user = &done));
	struct joiner j = {q, &done};
	struct sim_thread *joiner;
	struct user worker;

	if (!q)
		return;
	put(q, 1);
	put(q, 2);
	put(q, 3);
	joiner = sim_go(join_all, &j);
	go_work(&worker, q, &done);
	sim_pause();
	sim_assert(conc_queue_close_now(q) == 0);
	sim_join(joiner);
	sim_join(worker.thread);
	sim_assert(worker.rc == 0 || worker.rc == CONC_ESHUTDOWN);
	sim_assert(done == 6 && conc_queue_size(q) == 0);
	sim_assert(conc_queue_task_done(q) == CONC_ESTATE);
	conc_queue_destroy(q);
}

/* The last word that an element is done wakes all who wait for it. */
SIM_SCENARIO(queue_task_done_against_joins)
{
	int done = 0;
	conc_queue *q = roomy(NULL);
	struct joiner j = {q, &done};
	struct sim_thread *joiner;
	struct user a, b;

	if (!q)
		return;
	put(q, 2);
	put(q, 4);
	joiner = sim_go(join_all, &j);
	go_work(&a, q, &done);
	go_work(&b, q, &done);
	join_all(&j);
	sim_join(joiner);
	sim_join(a.thread);
	sim_join(b.thread);
	sim_assert(conc_queue_task_done(q) == CONC_ESTATE);
	conc_queue_destroy(q);
}

/* Who looks at the descriptor alone misses nothing, and is not called in vain. */
SIM_SCENARIO(queue_fd_against_put_and_get)
{
	conc_queue *q = roomy(NULL);
	struct user from, to;
	int fd, x, left = 2;

	if (!q)
		return;
	go(&from, put_three, q, 10);
	go(&to, get_once, q, 0);
	fd = conc_queue_fd(q);
	sim_assert(fd >= 0 ||
	    (sim_sweeping() && (fd == -EMFILE || fd == -ENFILE || fd == -ENOMEM)));
	while (left > 0) {
		if (fd >= 0)
			sim_assert(rings(fd, CONC_FOREVER));
		left -= conc_queue_get(q, &x, fd >= 0 ? CONC_NOW : CONC_FOREVER) == 0;
	}
	sim_join(from.thread);
	sim_join(to.thread);
	if (fd >= 0) {
		sim_assert(!rings(fd, CONC_NOW) && conc_queue_fd(q) == fd);
		sim_assert(conc_queue_close(q) == 0 && rings(fd, CONC_NOW));
	}
	conc_queue_destroy(q);
}

static int
compare(const void *a, const void *b)
{
	sim_pause();
	return *(const int *)a / 10 - *(const int *)b / 10;
}

/* While compare runs all others wait; the least comes out first, equals in their order. */
SIM_SCENARIO(queue_compare_against_all)
{
	conc_queue *q = roomy(CONC_QUEUE(.order = CONC_PRIORITY, .compare = compare));
	struct user from, to;
	int x, before;

	if (!q)
		return;
	put(q, 21);
	put(q, 22);
	go(&from, put_three, q, 10);
	go(&to, get_once, q, 0);
	sim_assert(conc_queue_size(q) <= 5);
	put(q, 31);
	sim_join(from.thread);
	sim_join(to.thread);
	sim_assert(to.rc == 0 && conc_queue_size(q) == 5);
	for (before = 0; conc_queue_get(q, &x, CONC_NOW) == 0; before = x)
		sim_assert(x > before);
	conc_queue_destroy(q);
}

/* Who was woken to get waits for a compare that has begun meanwhile. */
SIM_SCENARIO(queue_compare_against_a_waiter)
{
	conc_queue *q = roomy(CONC_QUEUE(.order = CONC_PRIORITY, .compare = compare));
	struct user to;

	if (!q)
		return;
	go(&to, get_once, q, 0);
	put(q, 20);
	put(q, 10);
	sim_join(to.thread);
	sim_assert(to.rc == 0 && to.x + get(q) == 30 && conc_queue_size(q) == 0);
	conc_queue_destroy(q);
}

static void
look(void *q)
{
	sim_assert(conc_queue_size(q) - 1 < 2);
}

/* Two wait until a compare is over; both then go on. */
SIM_SCENARIO(queue_compare_against_two)
{
	conc_queue *q = roomy(CONC_QUEUE(.order = CONC_PRIORITY, .compare = compare));
	struct sim_thread *a, *b;

	if (!q)
		return;
	put(q, 20);
	a = sim_go(look, q);
	b = sim_go(look, q);
	put(q, 10);
	sim_join(a);
	sim_join(b);
	conc_queue_destroy(q);
}

static void
put_then_get(void *arg)
{
	struct user *u = arg;

	put_once(u);
	sim_assert(u->rc == 0 || (u->rc == -ENOMEM && sim_sweeping()));
	if (u->rc == 0)
		(void)get(u->q);
}

/* Who has room and no memory leaves the room to the next. */
SIM_SCENARIO(queue_put_fails_before_a_waiter)
{
	conc_queue *q;
	struct user a, b;
	int rc = conc_queue_create(&q, sizeof(int), CONC_QUEUE(.capacity = 1));

	if (rc == 0) {
		rc = conc_queue_put(q, &(int){1}, CONC_NOW);
		if (rc)
			conc_queue_destroy(q);
	}
	if (rc) {
		sim_assert(rc == -ENOMEM && sim_sweeping());
		return;
	}
	go(&a, put_then_get, q, 2);
	go(&b, put_then_get, q, 3);
	sim_pause();
	(void)get(q);
	sim_join(a.thread);
	sim_join(b.thread);
	conc_queue_destroy(q);
}

/* Memory may fail at each growth: then nothing has changed. */
SIM_SCENARIO(queue_grows)
{
	conc_queue_order order = (conc_queue_order)sim_random(3);
	conc_queue *q;
	int rc = conc_queue_create(&q, sizeof(int), CONC_QUEUE(.order = order)), n = 0, i, x;

	if (rc) {
		sim_assert(rc == -ENOMEM && sim_sweeping());
		return;
	}
	for (i = 0; i < 30; i++) {
		rc = conc_queue_put(q, &i, CONC_FOREVER);
		sim_assert(rc == 0 || (rc == -ENOMEM && sim_sweeping()));
		n += rc == 0;
		if (i % 3 == 2)
			n -= conc_queue_get(q, &x, CONC_NOW) == 0;
		sim_assert(conc_queue_size(q) == (size_t)n);
	}
	while (n > 0)
		n -= conc_queue_get(q, &x, CONC_NOW) == 0;
	sim_assert(conc_queue_get(q, &x, CONC_NOW) == -ETIMEDOUT);
	conc_queue_destroy(q);
}

/* A fork while one waits for room and others work: the child is refused, and frees. */
SIM_SCENARIO(queue_in_the_child_of_a_fork)
{
	conc_queue *q = roomy(CONC_QUEUE(.capacity = 1));
	struct user *u = malloc(2 * sizeof *u);
	int x = 0;

	if (!q) {
		free(u);
		return;
	}
	go(&u[0], put_three, q, 10);
	go(&u[1], get_once, q, 0);
	sim_pause();
	sim_fork_as_child();
	sim_assert(conc_queue_put(q, &x, CONC_FOREVER) == CONC_EFORKED);
	sim_assert(conc_queue_get(q, &x, CONC_FOREVER) == CONC_EFORKED);
	sim_assert(conc_queue_join(q, CONC_FOREVER) == CONC_EFORKED);
	sim_assert(conc_queue_close_now(q) == CONC_EFORKED);
	sim_assert(conc_queue_size(q) == 0);
	conc_queue_destroy(q);
	free(u);
}
