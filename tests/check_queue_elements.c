/* SPDX-License-Identifier: MIT */
/*
 * What a queue does with its elements, in one thread: their order, their sizes,
 * random operations against a plain array; options and bad input.
 */
#include "tests/queue.h"

START_TEST(create_einval_e2big_enomem)
{
	conc_queue *q = (conc_queue *)&q;
	conc_queue_options o = CONC_QUEUE_INIT;
	struct {
		conc_queue_options options;
		size_t unknown;
	} longer = {CONC_QUEUE_INIT, 0};

	ck_assert_int_eq(conc_queue_create(NULL, 1, NULL), -EINVAL);
	ck_assert_int_eq(conc_queue_create(&q, 0, NULL), -EINVAL);
	o.size--;
	ck_assert_int_eq(conc_queue_create(&q, 1, &o), -EINVAL);
	ck_assert_int_eq(conc_queue_create(&q, 1, CONC_QUEUE(.flags = 1)), -EINVAL);
	ck_assert_int_eq(
	    conc_queue_create(&q, 1, CONC_QUEUE(.order = (conc_queue_order)3)), -EINVAL);
	ck_assert_int_eq(conc_queue_create(&q, 1, CONC_QUEUE(.compare = by_value)), -EINVAL);
	ck_assert_int_eq(conc_queue_create(&q, SIZE_MAX, NULL), -ENOMEM);
	longer.options.size = sizeof longer;
	longer.unknown = 1;
	ck_assert_int_eq(conc_queue_create(&q, 1, &longer.options), -E2BIG);
	ck_assert_ptr_eq(q, (conc_queue *)&q);
	longer.unknown = 0;
	ck_assert_int_eq(conc_queue_create(&q, 1, &longer.options), 0);
	conc_queue_destroy(q);
	ck_assert_int_eq(conc_queue_create(&q, 1, NULL), 0);
	conc_queue_destroy(q);
	conc_queue_destroy(NULL);
}
END_TEST

START_TEST(null_is_einval)
{
	conc_queue *q = QUEUE(.capacity = 1);
	size_t n = 7;
	int x = 7;

	ck_assert_int_eq(conc_queue_put(NULL, &x, CONC_NOW), -EINVAL);
	ck_assert_int_eq(conc_queue_put(q, NULL, CONC_NOW), -EINVAL);
	ck_assert_int_eq(conc_queue_get(NULL, &x, CONC_NOW), -EINVAL);
	ck_assert_int_eq(conc_queue_get(q, NULL, CONC_NOW), -EINVAL);
	ck_assert_int_eq(conc_queue_put_many(NULL, &x, 1, NULL, CONC_NOW), -EINVAL);
	ck_assert_int_eq(conc_queue_put_many(q, NULL, 1, NULL, CONC_NOW), -EINVAL);
	ck_assert_int_eq(conc_queue_get_many(NULL, &x, 1, &n, CONC_NOW), -EINVAL);
	ck_assert_int_eq(conc_queue_get_many(q, NULL, 1, &n, CONC_NOW), -EINVAL);
	ck_assert_int_eq(conc_queue_get_many(q, &x, 0, &n, CONC_NOW), -EINVAL);
	ck_assert_int_eq(conc_queue_get_many(q, &x, 1, NULL, CONC_NOW), -EINVAL);
	ck_assert_int_eq(conc_queue_task_done(NULL), -EINVAL);
	ck_assert_int_eq(conc_queue_join(NULL, CONC_NOW), -EINVAL);
	ck_assert_int_eq(conc_queue_close(NULL), -EINVAL);
	ck_assert_int_eq(conc_queue_close_now(NULL), -EINVAL);
	ck_assert_int_eq(conc_queue_fd(NULL), -EINVAL);
	ck_assert_uint_eq(conc_queue_size(NULL), 0);
	ck_assert_uint_eq(n, 7);
	ck_assert_int_eq(x, 7);
	conc_queue_destroy(q);
}
END_TEST

START_TEST(too_many_elements_are_enomem)
{
	conc_queue *q = QUEUE(.order = ORDER);
	size_t n = 7;
	int x = 1;

	ck_assert_int_eq(conc_queue_put_many(q, &x, SIZE_MAX, &n, CONC_NOW), -ENOMEM);
	ck_assert_uint_eq(n, 0);
	put(q, 5);
	ck_assert_int_ge(conc_queue_fd(q), 0);
	ck_assert_int_eq(conc_queue_get_many(q, &x, SIZE_MAX, &n, CONC_NOW), 0);
	ck_assert_uint_eq(n, 1);
	ck_assert_int_eq(x, 5);
	conc_queue_destroy(q);
}
END_TEST

/* With a descriptor the last elements go by another way. */
START_TEST(get_many_takes_what_is_there)
{
	conc_queue *q = QUEUE(.capacity = 9);
	int x[20];
	size_t n;

	if (_i)
		ck_assert_int_ge(conc_queue_fd(q), 0);
	for (int i = 0; i < 4; i++)
		put(q, i);
	ck_assert_int_eq(get(q), 0); /* the rest is in out now */
	for (int i = 4; i < 8; i++)
		put(q, i);
	ck_assert_int_eq(conc_queue_get_many(q, x, 2, &n, CONC_NOW), 0);
	ck_assert_uint_eq(n, 2);
	ck_assert_int_eq(x[1], 2);
	ck_assert_int_eq(conc_queue_get_many(q, x, 20, &n, CONC_FOREVER), 0);
	ck_assert_uint_eq(n, 5);
	for (int i = 0; i < 5; i++)
		ck_assert_int_eq(x[i], i + 3);
	n = 7;
	ck_assert_int_eq(conc_queue_get_many(q, x, 20, &n, CONC_NOW), -ETIMEDOUT);
	ck_assert_uint_eq(n, 7);
	conc_queue_destroy(q);
}
END_TEST

/* The first byte is the rank, the second tells equals apart. */
static int
by_first_byte(const void *a, const void *b)
{
	return *(const unsigned char *)a - *(const unsigned char *)b;
}

START_TEST(priority_is_stable_whatever_the_size)
{
	const size_t size = (size_t)_i + 2;
	unsigned char x[64] = {0}, last[2] = {0, 0};
	conc_queue *q;
	uint32_t seed = seed_start(_i);

	ck_assert_int_eq(conc_queue_create(&q, size,
			     CONC_QUEUE(.order = CONC_PRIORITY, .compare = by_first_byte)),
	    0);
	for (int i = 0; i < 200; i++) {
		memset(x, i, sizeof x);
		x[0] = (unsigned char)random_below(&seed, 5);
		ck_assert_int_eq(conc_queue_put(q, x, CONC_NOW), 0);
	}
	for (int i = 0; i < 200; i++) {
		ck_assert_int_eq(conc_queue_get(q, x, CONC_NOW), 0);
		ck_assert(x[0] > last[0] || (x[0] == last[0] && (i == 0 || x[1] > last[1])));
		for (size_t k = 2; k < size; k++)
			ck_assert_uint_eq(x[k], x[1]);
		memcpy(last, x, 2);
	}
	conc_queue_destroy(q);
}
END_TEST

static int
aligned(const void *a, const void *b)
{
	ck_assert_uint_eq((uintptr_t)a % _Alignof(max_align_t), 0);
	ck_assert_uint_eq((uintptr_t)b % _Alignof(max_align_t), 0);
	return memcmp(a, b, sizeof(max_align_t));
}

START_TEST(compare_gets_aligned_elements)
{
	max_align_t x;
	conc_queue *q;

	memset(&x, 0, sizeof x);
	ck_assert_int_eq(conc_queue_create(&q, sizeof x,
			     CONC_QUEUE(.order = CONC_PRIORITY, .compare = aligned)),
	    0);
	for (int i = 9; i > 0; i--) {
		*(char *)&x = (char)i;
		ck_assert_int_eq(conc_queue_put(q, &x, CONC_NOW), 0);
	}
	for (int i = 1; i < 10; i++) {
		ck_assert_int_eq(conc_queue_get(q, &x, CONC_NOW), 0);
		ck_assert_int_eq(*(char *)&x, i);
	}
	conc_queue_destroy(q);
}
END_TEST

/* A plain array that does what a queue should. */
struct model {
	int x[64];
	size_t n;
};

/* The index of what comes out next. */
static size_t
next(const struct model *m, conc_queue_order order)
{
	size_t least = 0;

	if (order == CONC_LIFO)
		return m->n - 1;
	for (size_t i = 1; order == CONC_PRIORITY && i < m->n; i++)
		if (memcmp(&m->x[i], &m->x[least], sizeof m->x[i]) < 0)
			least = i;
	return least;
}

static int
take(struct model *m, conc_queue_order order)
{
	size_t i = next(m, order);
	int x = m->x[i];

	m->n--;
	memmove(&m->x[i], &m->x[i + 1], (m->n - i) * sizeof m->x[0]);
	return x;
}

/* Without compare, numbers are ordered by their bytes. */
START_TEST(random_operations)
{
	for (int s = 0; s < seeds(); s++) {
		uint32_t seed = seed_start(s);
		size_t capacity = 1 + random_below(&seed, 40), k, n;
		conc_queue *q = QUEUE(.capacity = capacity, .order = ORDER);
		struct model m = {.n = 0};
		int x[8];

		for (int step = 0; step < 300; step++) {
			k = 1 + random_below(&seed, 8);
			if (step / 50 % 2 ? random_below(&seed, 3) : !random_below(&seed, 3)) {
				int rc = conc_queue_get_many(q, x, k, &n, CONC_NOW);

				ck_assert_int_eq(rc, m.n > 0 ? 0 : -ETIMEDOUT);
				if (rc)
					continue;
				ck_assert_uint_eq(n, k < m.n ? k : m.n);
				for (size_t i = 0; i < n; i++)
					ck_assert_int_eq(x[i], take(&m, ORDER));
			} else {
				for (size_t i = 0; i < k; i++)
					x[i] = (int)random_below(&seed, 30);
				ck_assert_int_eq(conc_queue_put_many(q, x, k, &n, CONC_NOW),
				    k <= capacity - m.n ? 0 : -ETIMEDOUT);
				ck_assert_uint_eq(n, k <= capacity - m.n ? k : capacity - m.n);
				memcpy(&m.x[m.n], x, n * sizeof x[0]);
				m.n += n;
			}
			ck_assert_uint_eq(conc_queue_size(q), m.n);
		}
		conc_queue_destroy(q);
	}
}
END_TEST

static void
add_up(void *element, void *user)
{
	*(int *)user += *(int *)element;
}

START_TEST(destroy_and_close_now_drop_what_is_left)
{
	int sum = 0;
	conc_queue *q = QUEUE(.order = ORDER, .destroy = add_up, .user = &sum);

	for (int i = 0; i < 4; i++)
		put(q, 1 << i);
	sum += get(q);
	put(q, 16);
	ck_assert_int_eq(conc_queue_close_now(q), 0);
	ck_assert_int_eq(sum, 31);
	ck_assert_int_eq(conc_queue_put(q, &(int){99}, CONC_NOW), CONC_ESHUTDOWN);
	conc_queue_destroy(q);
	ck_assert_int_eq(sum, 31);

	sum = 0;
	q = QUEUE(.order = ORDER, .destroy = add_up, .user = &sum);
	for (int i = 0; i < 4; i++)
		put(q, 1 << i);
	sum += get(q);
	put(q, 16);
	conc_queue_destroy(q);
	ck_assert_int_eq(sum, 31);
}
END_TEST

/* Told before it was taken out: it is done once. */
START_TEST(task_done_too_early_counts_once)
{
	conc_queue *q = QUEUE(.order = ORDER);

	put(q, 1);
	put(q, 2);
	ck_assert_int_eq(conc_queue_task_done(q), 0);
	ck_assert_int_eq(conc_queue_task_done(q), 0);
	ck_assert_int_eq(conc_queue_task_done(q), CONC_ESTATE);
	ck_assert_int_eq(conc_queue_join(q, CONC_FOREVER), 0);
	put(q, 3);
	ck_assert_int_eq(conc_queue_close_now(q), 0);
	ck_assert_int_eq(conc_queue_join(q, CONC_FOREVER), 0);
	ck_assert_int_eq(conc_queue_task_done(q), CONC_ESTATE);
	conc_queue_destroy(q);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("queue_elements");
	TCase *tc = new_case(s, "input");

	tcase_add_test(tc, create_einval_e2big_enomem);
	tcase_add_test(tc, null_is_einval);
	in_each_order(tc, too_many_elements_are_enomem);
	tc = new_case(s, "order");
	tcase_add_loop_test(tc, get_many_takes_what_is_there, 0, 2);
	tcase_add_loop_test(tc, priority_is_stable_whatever_the_size, 0, 40);
	tcase_add_test(tc, compare_gets_aligned_elements);
	in_each_order(tc, random_operations);
	tc = new_case(s, "done");
	in_each_order(tc, destroy_and_close_now_drop_what_is_left);
	in_each_order(tc, task_done_too_early_counts_once);
	return run_suite(s);
}
