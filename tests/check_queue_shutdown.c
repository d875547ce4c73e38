/* SPDX-License-Identifier: MIT */
/*
 * The end of a queue, in each of its orders: close, which lets what is there
 * come out, and close_now, which drops it.  The cases of the shutdown of
 * Python's queues keep their names; there it is called shutdown(immediate).
 */
#include "tests/queue.h"

static int
shut(conc_queue *q, bool immediate)
{
	return immediate ? conc_queue_close_now(q) : conc_queue_close(q);
}

/* Done with one. */
static void *
get_task_done(void *arg)
{
	struct user *u = arg;

	get_once(u);
	if (u->rc == 0)
		u->rc = conc_queue_task_done(u->q);
	return NULL;
}

START_TEST(shutdown_empty)
{
	conc_queue *q = QUEUE(.order = ORDER);

	ck_assert_int_eq(conc_queue_close(q), 0);
	ck_assert_int_eq(conc_queue_put(q, &(int){1}, CONC_FOREVER), CONC_ESHUTDOWN);
	ck_assert_int_eq(conc_queue_get(q, &(int){1}, CONC_FOREVER), CONC_ESHUTDOWN);
	conc_queue_destroy(q);
}
END_TEST

START_TEST(shutdown_nonempty)
{
	conc_queue *q = QUEUE(.order = ORDER);

	put(q, 7);
	ck_assert_int_eq(conc_queue_close(q), 0);
	ck_assert_int_eq(get(q), 7);
	ck_assert_int_eq(conc_queue_get(q, &(int){1}, CONC_FOREVER), CONC_ESHUTDOWN);
	conc_queue_destroy(q);
}
END_TEST

START_TEST(shutdown_immediate)
{
	conc_queue *q = QUEUE(.order = ORDER);

	put(q, 7);
	ck_assert_int_eq(conc_queue_close_now(q), 0);
	ck_assert_int_eq(conc_queue_get(q, &(int){1}, CONC_FOREVER), CONC_ESHUTDOWN);
	conc_queue_destroy(q);
}
END_TEST

START_TEST(shutdown_allowed_transitions)
{
	conc_queue *q = QUEUE(.order = ORDER);

	put(q, 7);
	ck_assert_int_eq(conc_queue_close(q), 0);
	ck_assert_int_eq(conc_queue_close(q), 0);
	ck_assert_uint_eq(conc_queue_size(q), 1);
	ck_assert_int_eq(conc_queue_close_now(q), 0);
	ck_assert_uint_eq(conc_queue_size(q), 0);
	ck_assert_int_eq(conc_queue_close_now(q), 0);
	ck_assert_int_eq(conc_queue_close(q), 0);
	ck_assert_int_eq(put_now(q), CONC_ESHUTDOWN);
	conc_queue_destroy(q);
}
END_TEST

static void
all_methods_in_one_thread(conc_queue_order order, bool immediate)
{
	conc_queue *q = QUEUE(.capacity = 2, .order = order);
	size_t n;
	int x[2];

	put(q, 1);
	ck_assert_int_eq(put_now(q), 0);
	ck_assert_int_eq(shut(q, immediate), 0);
	ck_assert_int_eq(conc_queue_put(q, x, CONC_FOREVER), CONC_ESHUTDOWN);
	ck_assert_int_eq(put_now(q), CONC_ESHUTDOWN);
	ck_assert_int_eq(conc_queue_put_many(q, x, 2, NULL, CONC_FOREVER), CONC_ESHUTDOWN);
	if (!immediate)
		for (int i = 0; i < 2; i++) {
			ck_assert_int_eq(conc_queue_join(q, CONC_NOW), -ETIMEDOUT);
			ck_assert_int_le(get(q), 1);
			ck_assert_int_eq(conc_queue_task_done(q), 0);
		}
	ck_assert_int_eq(conc_queue_get(q, x, CONC_FOREVER), CONC_ESHUTDOWN);
	ck_assert_int_eq(conc_queue_get(q, x, conc_after(CONC_S(1))), CONC_ESHUTDOWN);
	ck_assert_int_eq(conc_queue_get_many(q, x, 2, &n, CONC_FOREVER), CONC_ESHUTDOWN);
	ck_assert_int_eq(get_now(q), CONC_ESHUTDOWN);
	ck_assert_int_eq(conc_queue_task_done(q), CONC_ESTATE);
	ck_assert_int_eq(conc_queue_join(q, CONC_FOREVER), 0);
	conc_queue_destroy(q);
}

START_TEST(shutdown_all_methods_in_one_thread)
{
	all_methods_in_one_thread(ORDER, false);
}
END_TEST

START_TEST(shutdown_immediate_all_methods_in_one_thread)
{
	all_methods_in_one_thread(ORDER, true);
}
END_TEST

/* Writers, readers, joiners; one of the writers closes when it is half through. */
enum { WRITERS = 4, READERS = 6, JOINERS = 2, EACH = 2000 };

struct crowd {
	conc_queue *q;
	struct latch half; /* a writer is half through */
	long put, got, dropped;
	pthread_mutex_t mutex; /* guards the sums */
	bool immediate;
};

static void
add_to(struct crowd *c, long *sum, long n)
{
	pthread_mutex_lock(&c->mutex);
	*sum += n;
	pthread_mutex_unlock(&c->mutex);
}

static void *
write_messages(void *crowd)
{
	struct crowd *c = crowd;
	long n = 0;

	while (n < EACH && conc_queue_put(c->q, &(int){1}, CONC_FOREVER) == 0)
		if (++n == EACH / 2)
			latch_set(&c->half);
	add_to(c, &c->put, n);
	return NULL;
}

static void *
read_messages(void *crowd)
{
	struct crowd *c = crowd;
	int x, rc;
	long n = 0;

	/* Trying: the close is seen whoever waits. */
	while ((rc = conc_queue_get(c->q, &x, CONC_NOW)) != CONC_ESHUTDOWN)
		if (rc == 0 && conc_queue_task_done(c->q) == 0)
			n++;
		else
			sched_yield();
	add_to(c, &c->got, n);
	return NULL;
}

static void *
join_them(void *crowd)
{
	struct crowd *c = crowd;

	latch_wait(&c->half, 1);
	return conc_queue_join(c->q, CONC_FOREVER) == 0 ? c : NULL;
}

static void *
shut_it(void *crowd)
{
	struct crowd *c = crowd;

	latch_wait(&c->half, 1);
	return shut(c->q, c->immediate) == 0 ? c : NULL;
}

static void
count_dropped(void *element, void *crowd)
{
	struct crowd *c = crowd;

	add_to(c, &c->dropped, *(int *)element);
}

static void
all_methods_in_many_threads(conc_queue_order order, bool immediate)
{
	struct crowd c = {
	    .half = LATCH, .mutex = PTHREAD_MUTEX_INITIALIZER, .immediate = immediate};
	pthread_t threads[WRITERS + READERS + JOINERS + 1];
	void *(*body)(void *);
	int i, n = sizeof threads / sizeof threads[0];

	c.q = QUEUE(.order = order, .destroy = count_dropped, .user = &c);
	for (i = 0; i < n; i++) {
		body = i < WRITERS ? write_messages
		    : i < WRITERS + READERS ? read_messages
		    : i < n - 1 ? join_them : shut_it;
		ck_assert_int_eq(pthread_create(&threads[i], NULL, body, &c), 0);
	}
	for (i = 0; i < n; i++)
		ck_assert_int_eq(pthread_join(threads[i], NULL), 0);
	ck_assert_int_eq(c.put, c.got + c.dropped);
	ck_assert(immediate || c.dropped == 0);
	ck_assert_uint_eq(conc_queue_size(c.q), 0);
	conc_queue_destroy(c.q);
}

START_TEST(shutdown_all_methods_in_many_threads)
{
	all_methods_in_many_threads(ORDER, false);
}
END_TEST

START_TEST(shutdown_immediate_all_methods_in_many_threads)
{
	all_methods_in_many_threads(ORDER, true);
}
END_TEST

/* Three getters and two elements; the last one, or all, hear of the end. */
static void
shutdown_get_test(conc_queue_order order, bool immediate)
{
	conc_queue *q = QUEUE(.capacity = 2, .order = order);
	struct user u[3];
	int got = 0, rc;

	put(q, 1);
	put(q, 2);
	ck_assert_int_eq(shut(q, immediate), 0);
	for (int i = 0; i < 3; i++)
		begin(&u[i], get_once, q, 0);
	for (int i = 0; i < 3; i++) {
		rc = end(&u[i]);
		ck_assert(rc == 0 || rc == CONC_ESHUTDOWN);
		got += rc == 0;
	}
	ck_assert_int_eq(got, immediate ? 0 : 2);
	conc_queue_destroy(q);
}

START_TEST(shutdown_get)
{
	shutdown_get_test(ORDER, false);
}
END_TEST

START_TEST(shutdown_immediate_get)
{
	shutdown_get_test(ORDER, true);
}
END_TEST

/* Two putters wait for room. */
static void
shutdown_put_test(conc_queue_order order, bool immediate)
{
	conc_queue *q = QUEUE(.capacity = 2, .order = order);
	struct user u[2];

	put(q, 1);
	put(q, 2);
	for (int i = 0; i < 2; i++)
		begin(&u[i], put_once, q, 3);
	await_putters(q, 2);
	ck_assert_int_eq(shut(q, immediate), 0);
	for (int i = 0; i < 2; i++)
		ck_assert_int_eq(end(&u[i]), CONC_ESHUTDOWN);
	ck_assert_uint_eq(conc_queue_size(q), immediate ? 0 : 2);
	conc_queue_destroy(q);
}

START_TEST(shutdown_put)
{
	shutdown_put_test(ORDER, false);
}
END_TEST

START_TEST(shutdown_immediate_put)
{
	shutdown_put_test(ORDER, true);
}
END_TEST

/* Two wait for all to be done; one element is, or is dropped, and one putter is too late. */
static void
shutdown_join_test(conc_queue_order order, bool immediate, bool putter)
{
	conc_queue *q = QUEUE(.capacity = 2, .order = order);
	struct user u[2], late, worker;

	put(q, 1);
	for (int i = 0; i < 2; i++)
		begin(&u[i], join_once, q, 0);
	await_joiners(q, 2);
	ck_assert_int_eq(shut(q, immediate), 0);
	if (putter) {
		begin(&late, put_once, q, 2);
		ck_assert_int_eq(end(&late), CONC_ESHUTDOWN);
	}
	begin(&worker, get_task_done, q, 0);
	ck_assert_int_eq(end(&worker), immediate ? CONC_ESHUTDOWN : 0);
	for (int i = 0; i < 2; i++)
		ck_assert_int_eq(end(&u[i]), 0);
	conc_queue_destroy(q);
}

START_TEST(shutdown_join)
{
	shutdown_join_test(ORDER, false, false);
}
END_TEST

START_TEST(shutdown_immediate_join)
{
	shutdown_join_test(ORDER, true, false);
}
END_TEST

START_TEST(shutdown_put_join)
{
	shutdown_join_test(ORDER, false, true);
}
END_TEST

START_TEST(shutdown_immediate_put_join)
{
	shutdown_join_test(ORDER, true, true);
}
END_TEST

START_TEST(shutdown_get_task_done_join)
{
	conc_queue *q = QUEUE(.capacity = 2, .order = ORDER);
	struct user worker[2], joiner[2];

	put(q, 1);
	put(q, 2);
	for (int i = 0; i < 2; i++) {
		begin(&worker[i], get_task_done, q, 0);
		begin(&joiner[i], join_once, q, 0);
	}
	ck_assert_int_eq(conc_queue_close(q), 0);
	for (int i = 0; i < 2; i++) {
		ck_assert_int_eq(end(&worker[i]), 0);
		ck_assert_int_eq(end(&joiner[i]), 0);
	}
	conc_queue_destroy(q);
}
END_TEST

START_TEST(shutdown_pending_get)
{
	conc_queue *q = QUEUE(.order = ORDER);
	struct user u[2];

	for (int i = 0; i < 2; i++)
		begin(&u[i], get_once, q, 7);
	await_getters(q, 2);
	ck_assert_int_eq(conc_queue_close(q), 0);
	for (int i = 0; i < 2; i++) {
		ck_assert_int_eq(end(&u[i]), CONC_ESHUTDOWN);
		ck_assert_int_eq(u[i].x, 7);
	}
	conc_queue_destroy(q);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("queue_shutdown");
	TCase *tc = new_case(s, "python");

	in_each_order(tc, shutdown_empty);
	in_each_order(tc, shutdown_nonempty);
	in_each_order(tc, shutdown_immediate);
	in_each_order(tc, shutdown_allowed_transitions);
	in_each_order(tc, shutdown_all_methods_in_one_thread);
	in_each_order(tc, shutdown_immediate_all_methods_in_one_thread);
	in_each_order(tc, shutdown_all_methods_in_many_threads);
	in_each_order(tc, shutdown_immediate_all_methods_in_many_threads);
	in_each_order(tc, shutdown_get);
	in_each_order(tc, shutdown_immediate_get);
	in_each_order(tc, shutdown_put);
	in_each_order(tc, shutdown_immediate_put);
	in_each_order(tc, shutdown_join);
	in_each_order(tc, shutdown_immediate_join);
	in_each_order(tc, shutdown_put_join);
	in_each_order(tc, shutdown_immediate_put_join);
	in_each_order(tc, shutdown_get_task_done_join);
	in_each_order(tc, shutdown_pending_get);
	return run_suite(s);
}
