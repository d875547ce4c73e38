/* SPDX-License-Identifier: MIT */
/*
 * Failures of the queue: without memory or a descriptor a call says so, the
 * queue is as it was before, and goes on to work.  That is what Python's tests
 * try with a queue whose every next put and get fails.
 */
#include "tests/faults/faults.h"
#include <conc/queue.h>
#include <poll.h>

enum { SIZE = 5, MOST = 64 };

static int dropped;

static void
drop(void *element, void *user)
{
	(void)element;
	++*(int *)user;
}

static int
by_value(const void *a, const void *b)
{
	return *(const int *)a - *(const int *)b;
}

/* A queue of ints, or NULL without memory. */
static conc_queue *
make(const conc_queue_options *options)
{
	conc_queue *q = NULL;
	int rc = conc_queue_create(&q, sizeof(int), options);

	must(rc == 0 || (!faultless && rc == -ENOMEM));
	must((rc == 0) == (q != NULL));
	return q;
}

/* Put x in; did that succeed?  If not it was for want of memory, and nothing went in. */
static bool
put(conc_queue *q, int x)
{
	size_t before = conc_queue_size(q);
	int rc = conc_queue_put(q, &x, CONC_NOW);

	must(rc == 0 || (!faultless && rc == -ENOMEM));
	must(conc_queue_size(q) == before + (rc == 0));
	return rc == 0;
}

static void
life(void)
{
	conc_queue_destroy(make(NULL));
}

/* Into each end while it grows, out while it shrinks. */
static void
grows_and_shrinks(conc_queue_order order)
{
	conc_queue *q = make(CONC_QUEUE(.order = order));
	int x, n = 0, before = -1;

	if (q == NULL)
		return;
	for (int i = 0; i < 2 * MOST; i++) {
		n += put(q, i % MOST);
		if (i == 20) {
			must(conc_queue_get(q, &x, CONC_NOW) == (n > 0 ? 0 : -ETIMEDOUT));
			n -= n > 0;
		}
	}
	for (; n > 0; n--) {
		must(conc_queue_get(q, &x, CONC_NOW) == 0);
		must(order != CONC_PRIORITY || x >= before);
		before = x;
	}
	must(conc_queue_get(q, &x, CONC_NOW) == -ETIMEDOUT);
	conc_queue_destroy(q);
}

static void
fifo(void)
{
	grows_and_shrinks(CONC_FIFO);
}

static void
lifo(void)
{
	grows_and_shrinks(CONC_LIFO);
}

static void
priority(void)
{
	grows_and_shrinks(CONC_PRIORITY);
}

/* All of them in, or those that it says. */
static void
put_many(void)
{
	int many[MOST], x;
	size_t n = 99;
	conc_queue *q = make(CONC_QUEUE(
	    .order = CONC_PRIORITY, .compare = by_value, .destroy = drop, .user = &dropped));
	int rc;

	if (q == NULL)
		return;
	for (int i = 0; i < MOST; i++)
		many[i] = MOST - i;
	rc = conc_queue_put_many(q, many, MOST, &n, CONC_NOW);
	must(rc == 0 || (!faultless && rc == -ENOMEM));
	must(n == conc_queue_size(q) && (rc != 0 || n == MOST));
	if (rc == 0)
		must(conc_queue_get(q, &x, CONC_NOW) == 0 && x == 1);
	dropped = 0;
	must(conc_queue_close_now(q) == 0);
	must(dropped == (rc == 0 ? MOST - 1 : 0));
	conc_queue_destroy(q);
}

static void
descriptor(void)
{
	conc_queue *q = make(NULL);
	struct pollfd p = {.events = POLLIN};

	if (q == NULL)
		return;
	p.fd = conc_queue_fd(q);
	must(p.fd >= 0 || (!faultless && p.fd == -EMFILE));
	if (p.fd < 0)
		p.fd = conc_queue_fd(q);
	if (p.fd >= 0)
		must(poll(&p, 1, 0) == 0 && (!put(q, 1) || poll(&p, 1, 0) == 1));
	conc_queue_destroy(q);
}

/*
 * What could not be put in wakes nobody; what could does; a failed putter
 * leaves the next his turn.
 */
struct producer {
	conc_queue *q;
	int put;
};

static void *
produce(void *arg)
{
	struct producer *p = arg;

	for (int i = 0; i < 20; i++) {
		int rc = conc_queue_put(p->q, &i, CONC_FOREVER);

		must(rc == 0 || (!faultless && rc == -ENOMEM));
		p->put += rc == 0;
	}
	return NULL;
}

static void *
consume(void *arg)
{
	struct producer *p = arg;
	int x, rc;

	while ((rc = conc_queue_get(p->q, &x, CONC_FOREVER)) == 0) {
		p->put--;
		must(conc_queue_task_done(p->q) == 0);
	}
	must(rc == CONC_ESHUTDOWN);
	return NULL;
}

static void
waits(void)
{
	conc_queue *q = make(CONC_QUEUE(.capacity = SIZE));
	struct producer p[3] = {{q, 0}, {q, 0}, {q, 0}};
	pthread_t threads[3];

	if (q == NULL)
		return;
	for (int i = 0; i < 3; i++)
		must(pthread_create(&threads[i], NULL, i < 2 ? produce : consume, &p[i]) == 0);
	for (int i = 0; i < 2; i++)
		must(pthread_join(threads[i], NULL) == 0);
	must(conc_queue_join(q, CONC_FOREVER) == 0);
	must(conc_queue_close(q) == 0);
	must(pthread_join(threads[2], NULL) == 0);
	must(p[0].put + p[1].put + p[2].put == 0);
	conc_queue_destroy(q);
}

int
main(void)
{
	static const struct scenario scenarios[] = {SCENARIO(life), SCENARIO(fifo),
	    SCENARIO(lifo), SCENARIO(priority), SCENARIO(put_many), SCENARIO(descriptor),
	    SCENARIO(waits)};

	return run_faults(scenarios, sizeof scenarios / sizeof scenarios[0]);
}
