/* SPDX-License-Identifier: MIT */
/*
 * The queue between threads, in each of its orders: putting and getting that
 * wait, joining, and that nothing is lost, doubled or overtakes.  The cases of
 * Python's test_queue keep their names; those of its shutdown are in
 * check_queue_shutdown.c.
 */
#include "tests/queue.h"

enum { SIZE = 5 };

/* A put into the full queue waits until one is taken. */
static void
put_blocks(conc_queue *q, int x)
{
	struct user u;

	begin(&u, put_once, q, x);
	await_putters(q, 1);
	(void)get(q);
	ck_assert_int_eq(end(&u), 0);
}

/* A get from the empty queue waits until one is put. */
static void
get_blocks(conc_queue *q, int x)
{
	struct user u;

	begin(&u, get_once, q, -1);
	await_getters(q, 1);
	put(q, x);
	ck_assert_int_eq(end(&u), 0);
	ck_assert_int_eq(u.x, x);
}

static void
basic_test(conc_queue *q, conc_queue_order order)
{
	const int target[][3] = {{111, 333, 222}, {222, 333, 111}, {111, 222, 333}};
	int x = 0, i;

	ck_assert_uint_eq(conc_queue_size(q), 0);
	put(q, 111);
	put(q, 333);
	put(q, 222);
	for (i = 0; i < 3; i++)
		ck_assert_int_eq(get(q), target[order][i]);
	for (i = 0; i < SIZE; i++) {
		ck_assert_uint_eq(conc_queue_size(q), (size_t)i);
		put(q, i);
	}
	ck_assert_uint_eq(conc_queue_size(q), SIZE);
	ck_assert_int_eq(conc_queue_put(q, &x, CONC_NOW), -ETIMEDOUT);
	ck_assert_int_eq(conc_queue_put(q, &x, conc_after(CONC_MS(1))), -ETIMEDOUT);
	put_blocks(q, 30);
	put_blocks(q, 31);
	for (i = 0; i < SIZE; i++)
		(void)get(q);
	ck_assert_uint_eq(conc_queue_size(q), 0);
	x = 77;
	ck_assert_int_eq(conc_queue_get(q, &x, CONC_NOW), -ETIMEDOUT);
	ck_assert_int_eq(conc_queue_get(q, &x, conc_after(CONC_MS(1))), -ETIMEDOUT);
	ck_assert_int_eq(x, 77);
	get_blocks(q, 5);
	get_blocks(q, 6);
}

START_TEST(basic)
{
	conc_queue *q = QUEUE(.capacity = SIZE, .order = ORDER,
	    .compare = ORDER == CONC_PRIORITY ? by_value : NULL);

	basic_test(q, ORDER);
	basic_test(q, ORDER);
	conc_queue_destroy(q);
}
END_TEST

/* A deadline that has passed is one like CONC_NOW, and no error. */
START_TEST(negative_timeout)
{
	conc_queue *q = QUEUE(.capacity = 1, .order = ORDER);
	int x = 1;

	ck_assert_int_eq(conc_queue_get(q, &x, conc_after(-CONC_S(1))), -ETIMEDOUT);
	ck_assert_int_eq(conc_queue_put(q, &x, conc_after(-CONC_S(1))), 0);
	ck_assert_int_eq(conc_queue_put(q, &x, conc_after(-CONC_S(1))), -ETIMEDOUT);
	ck_assert_int_eq(conc_queue_get(q, &x, conc_after(-CONC_S(1))), 0);
	conc_queue_destroy(q);
}
END_TEST

START_TEST(nowait)
{
	conc_queue *q = QUEUE(.capacity = SIZE, .order = ORDER);

	for (int i = 0; i < SIZE; i++)
		ck_assert_int_eq(put_now(q), 0);
	ck_assert_int_eq(put_now(q), -ETIMEDOUT);
	for (int i = 0; i < SIZE; i++)
		ck_assert_int_eq(get_now(q), 0);
	ck_assert_int_eq(get_now(q), -ETIMEDOUT);
	conc_queue_destroy(q);
}
END_TEST

START_TEST(queue_task_done)
{
	conc_queue *q = QUEUE(.order = ORDER);

	ck_assert_int_eq(conc_queue_task_done(q), CONC_ESTATE);
	put(q, 1);
	(void)get(q);
	ck_assert_int_eq(conc_queue_join(q, CONC_NOW), -ETIMEDOUT);
	ck_assert_int_eq(conc_queue_join(q, conc_after(CONC_MS(1))), -ETIMEDOUT);
	ck_assert_int_eq(conc_queue_task_done(q), 0);
	ck_assert_int_eq(conc_queue_join(q, CONC_NOW), 0);
	ck_assert_int_eq(conc_queue_task_done(q), CONC_ESTATE);
	conc_queue_destroy(q);
}
END_TEST

/* Threads that add up what they get, until a negative number. */
struct adder {
	struct user user;
	long sum;
};

static void *
add_up(void *arg)
{
	struct adder *a = arg;
	int x;

	do {
		x = get(a->user.q);
		a->sum += x > 0 ? x : 0;
		a->user.rc = conc_queue_task_done(a->user.q);
	} while (x >= 0 && a->user.rc == 0);
	return NULL;
}

static void
join_test(conc_queue *q)
{
	struct adder a[2] = {{.sum = 0}, {.sum = 0}};

	for (int i = 0; i < 2; i++)
		begin(&a[i].user, add_up, q, 0);
	for (int i = 0; i < 100; i++)
		put(q, i);
	ck_assert_int_eq(conc_queue_join(q, CONC_FOREVER), 0);
	ck_assert_int_eq(a[0].sum + a[1].sum, 99 * 100 / 2);
	put(q, -1);
	put(q, -1);
	ck_assert_int_eq(conc_queue_join(q, CONC_FOREVER), 0);
	for (int i = 0; i < 2; i++)
		ck_assert_int_eq(end(&a[i].user), 0);
}

START_TEST(queue_join)
{
	conc_queue *q = QUEUE(.order = ORDER);

	join_test(q);
	join_test(q);
	ck_assert_int_eq(conc_queue_task_done(q), CONC_ESTATE);
	conc_queue_destroy(q);
}
END_TEST

static const int twelve[12] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12};

/* Stores in x how many went in. */
static void *
put_twelve(void *arg)
{
	struct user *u = arg;
	size_t n = 99;

	u->rc = conc_queue_put_many(u->q, twelve, 12, &n, CONC_FOREVER);
	u->x = (int)n;
	return NULL;
}

START_TEST(put_many_waits_for_room_as_often_as_need_be)
{
	conc_queue *q = QUEUE(.capacity = 3);
	struct user u;

	begin(&u, put_twelve, q, 0);
	await_putters(q, 1);
	for (int i = 1; i <= 12; i++)
		ck_assert_int_eq(get(q), i);
	ck_assert_int_eq(end(&u), 0);
	ck_assert_int_eq(u.x, 12);
	conc_queue_destroy(q);
}
END_TEST

START_TEST(put_many_tells_how_many_went_in)
{
	conc_queue *q = QUEUE(.capacity = 3);
	struct user u;
	size_t n = 99;

	ck_assert_int_eq(conc_queue_put_many(q, twelve, 12, &n, CONC_NOW), -ETIMEDOUT);
	ck_assert_uint_eq(n, 3);
	ck_assert_int_eq(conc_queue_put_many(q, twelve, 12, NULL, CONC_NOW), -ETIMEDOUT);
	ck_assert_int_eq(conc_queue_put_many(q, NULL, 0, &n, CONC_NOW), 0);
	ck_assert_uint_eq(n, 0);
	ck_assert_int_eq(get(q), 1);
	begin(&u, put_twelve, q, 0);
	await_putters(q, 1);
	ck_assert_int_eq(conc_queue_close(q), 0);
	ck_assert_int_eq(end(&u), CONC_ESHUTDOWN);
	ck_assert_int_eq(u.x, 1);
	n = 99;
	ck_assert_int_eq(conc_queue_put_many(q, twelve, 12, &n, CONC_NOW), CONC_ESHUTDOWN);
	ck_assert_uint_eq(n, 0);
	ck_assert_int_eq(conc_queue_put_many(q, NULL, 0, &n, CONC_NOW), CONC_ESHUTDOWN);
	for (int i = 0; i < 3; i++)
		ck_assert_int_eq(get(q), i < 2 ? i + 2 : 1);
	ck_assert_int_eq(get_now(q), CONC_ESHUTDOWN);
	conc_queue_destroy(q);
}
END_TEST

/* Who waits for more room leaves none to a put that counts what was in out before. */
START_TEST(put_many_waits_at_a_full_queue)
{
	conc_queue *q = QUEUE(.capacity = 2);
	struct user u;

	put(q, 1);
	put(q, 2);
	ck_assert_int_eq(get(q), 1);
	ck_assert_int_eq(get(q), 2);
	begin(&u, put_twelve, q, 0);
	await_putters(q, 1);
	ck_assert_int_eq(put_now(q), -ETIMEDOUT);
	ck_assert_uint_eq(conc_queue_size(q), 2);
	for (int i = 1; i <= 12; i++)
		ck_assert_int_eq(get(q), i);
	ck_assert_int_eq(end(&u), 0);
	conc_queue_destroy(q);
}
END_TEST

/*
 * Many at each end, by each way in and out, with deadlines now and then.  Each
 * producer's numbers go up; in a FIFO each consumer sees them do so.
 */
enum { PRODUCERS = 3, CONSUMERS = 3, EACH = 60, STEP = 1000 };

struct mover {
	struct user user;
	conc_queue_order order;
	uint32_t seed;
	long sum;
};

static enum { MIXED, BLOCKING, TRYING, TIMED } waiting; /* set before there are movers */

static conc_time
some_deadline(struct mover *m)
{
	bool timed = waiting == TIMED || (waiting == MIXED && random_below(&m->seed, 4) == 0);

	if (waiting == TRYING)
		return CONC_NOW;
	return timed ? conc_after(CONC_US(20)) : CONC_FOREVER;
}

static void *
produce(void *arg)
{
	struct mover *m = arg;
	int x[4], i = 1;
	size_t k, n;

	while (i <= EACH) {
		for (k = 0; k < 4; k++)
			x[k] = m->user.x * STEP + i + (int)k;
		k = 1 + random_below(&m->seed, 4);
		if (k > (size_t)(EACH + 1 - i))
			k = (size_t)(EACH + 1 - i);
		m->user.rc = conc_queue_put_many(m->user.q, x, k, &n, some_deadline(m));
		if (m->user.rc == 0 ? n != k : m->user.rc != -ETIMEDOUT || n >= k)
			return NULL;
		for (; n > 0; n--, i++)
			m->sum += m->user.x * STEP + i;
		jitter(&m->seed);
	}
	m->user.rc = 0;
	return NULL;
}

static void *
consume(void *arg)
{
	struct mover *m = arg;
	int x[3], last[PRODUCERS] = {0};
	size_t n;

	for (;;) {
		m->user.rc = conc_queue_get_many(
		    m->user.q, x, 1 + random_below(&m->seed, 3), &n, some_deadline(m));
		if (m->user.rc == -ETIMEDOUT)
			continue;
		if (m->user.rc)
			return NULL;
		for (size_t i = 0; i < n; i++) {
			if (m->order == CONC_FIFO && x[i] <= last[x[i] / STEP]) {
				m->user.rc = 2;
				return NULL;
			}
			last[x[i] / STEP] = x[i];
			m->sum += x[i];
			if (conc_queue_task_done(m->user.q) != 0) {
				m->user.rc = 3;
				return NULL;
			}
		}
		jitter(&m->seed);
	}
}

/* Nothing is lost or doubled, and in a FIFO nothing overtakes. */
static void
move_many(conc_queue_order order)
{
	struct mover from[PRODUCERS], to[CONSUMERS];
	conc_queue *q;
	long sum;
	int i;

	for (int seed = 0; seed < seeds(); seed++) {
		q = QUEUE(.capacity = (size_t)(seed % 4) * 3, .order = order,
		    .compare = order == CONC_PRIORITY && seed % 2 ? by_value : NULL);
		if (seed % 3 == 0)
			ck_assert_int_ge(conc_queue_fd(q), 0);
		for (i = 0; i < PRODUCERS; i++) {
			from[i] = (struct mover){.order = order, .seed = seed_start(seed + i)};
			begin(&from[i].user, produce, q, i);
		}
		for (i = 0; i < CONSUMERS; i++) {
			to[i] = (struct mover){.order = order, .seed = seed_start(~seed - i)};
			begin(&to[i].user, consume, q, i);
		}
		for (sum = 0, i = 0; i < PRODUCERS; i++) {
			ck_assert_int_eq(end(&from[i].user), 0);
			sum += from[i].sum;
		}
		ck_assert_int_eq(conc_queue_join(q, CONC_FOREVER), 0);
		ck_assert_int_eq(conc_queue_close(q), 0);
		for (i = 0; i < CONSUMERS; i++) {
			ck_assert_int_eq(end(&to[i].user), CONC_ESHUTDOWN);
			sum -= to[i].sum;
		}
		ck_assert_int_eq(sum, 0);
		ck_assert_uint_eq(conc_queue_size(q), 0);
		conc_queue_destroy(q);
	}
}

START_TEST(many_threads)
{
	waiting = BLOCKING;
	move_many(ORDER);
}
END_TEST

START_TEST(many_threads_nonblock)
{
	waiting = TRYING;
	move_many(ORDER);
}
END_TEST

START_TEST(many_threads_timeout)
{
	waiting = TIMED;
	move_many(ORDER);
}
END_TEST

START_TEST(many_threads_of_all_kinds)
{
	waiting = MIXED;
	move_many(ORDER);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("queue");
	TCase *tc = new_case(s, "python");

	in_each_order(tc, basic);
	in_each_order(tc, negative_timeout);
	in_each_order(tc, nowait);
	in_each_order(tc, queue_task_done);
	in_each_order(tc, queue_join);
	tc = new_case(s, "many");
	tcase_add_test(tc, put_many_waits_for_room_as_often_as_need_be);
	tcase_add_test(tc, put_many_tells_how_many_went_in);
	tcase_add_test(tc, put_many_waits_at_a_full_queue);
	in_each_order(tc, many_threads);
	in_each_order(tc, many_threads_nonblock);
	in_each_order(tc, many_threads_timeout);
	in_each_order(tc, many_threads_of_all_kinds);
	return run_suite(s);
}
