/* SPDX-License-Identifier: MIT */
#ifndef CONC_TESTS_QUEUE_H
#define CONC_TESTS_QUEUE_H

/*
 * What the tests of the queue share: queues of ints, and threads that wait at
 * their ends.
 *
 *	conc_queue *q = QUEUE(.capacity = 1);
 *	struct user u;
 *
 *	put(q, 1);
 *	begin(&u, put_once, q, 2);
 *	await_putters(q, 1);        it waits
 *	ck_assert_int_eq(get(q), 1);
 *	ck_assert_int_eq(end(&u), 0);
 */
#include "tests/common.h"
#include "data/queue.h"

/* A test that is run for each order; and the order in it. */
#define in_each_order(tc, test) tcase_add_loop_test(tc, test, CONC_FIFO, CONC_PRIORITY + 1)
#define ORDER ((conc_queue_order)_i)

static inline conc_queue *
make_queue(const conc_queue_options *options)
{
	conc_queue *q;

	ck_assert_int_eq(conc_queue_create(&q, sizeof(int), options), 0);
	return q;
}

#define QUEUE(...) make_queue(CONC_QUEUE(__VA_ARGS__))

static inline void
put(conc_queue *q, int x)
{
	ck_assert_int_eq(conc_queue_put(q, &x, CONC_FOREVER), 0);
}

static inline int
get(conc_queue *q)
{
	int x;

	ck_assert_int_eq(conc_queue_get(q, &x, CONC_FOREVER), 0);
	return x;
}

/* What a put or get that must not wait says. */
static inline int
put_now(conc_queue *q)
{
	return conc_queue_put(q, &(int){0}, CONC_NOW);
}

static inline int
get_now(conc_queue *q)
{
	return conc_queue_get(q, &(int){0}, CONC_NOW);
}

static inline int
by_value(const void *a, const void *b)
{
	return (*(const int *)a > *(const int *)b) - (*(const int *)a < *(const int *)b);
}

/* A thread that makes one call, and what came of it. */
struct user {
	conc_queue *q;
	pthread_t thread;
	int x, rc;
};

static inline void
begin(struct user *u, void *(*body)(void *), conc_queue *q, int x)
{
	*u = (struct user){.q = q, .x = x, .rc = 1};
	ck_assert_int_eq(pthread_create(&u->thread, NULL, body, u), 0);
}

static inline int
end(struct user *u)
{
	ck_assert_int_eq(pthread_join(u->thread, NULL), 0);
	return u->rc;
}

static inline void *
put_once(void *arg)
{
	struct user *u = arg;

	u->rc = conc_queue_put(u->q, &u->x, CONC_FOREVER);
	return NULL;
}

static inline void *
get_once(void *arg)
{
	struct user *u = arg;

	u->rc = conc_queue_get(u->q, &u->x, CONC_FOREVER);
	return NULL;
}

static inline void *
join_once(void *arg)
{
	struct user *u = arg;

	u->rc = conc_queue_join(u->q, CONC_FOREVER);
	return NULL;
}

/* Do so many threads wait there?  Who counts as one gives the locks back by waiting. */
struct expected {
	conc_queue *q;
	const size_t *waiting;
	size_t n;
};

static inline bool
all_wait(void *arg)
{
	struct expected *e = arg;
	bool wait;

	conc__mutex_lock(&e->q->tail); /* to look; leave would write */
	wait = *e->waiting == e->n;
	conc__mutex_unlock(&e->q->tail);
	return wait;
}

static inline void
await_getters(conc_queue *q, size_t n)
{
	eventually(all_wait, &(struct expected){q, &q->getters.waiting, n});
}

static inline void
await_putters(conc_queue *q, size_t n)
{
	eventually(all_wait, &(struct expected){q, &q->putters.waiting, n});
}

static inline void
await_joiners(conc_queue *q, size_t n)
{
	eventually(all_wait, &(struct expected){q, &q->joiners, n});
}

#endif
