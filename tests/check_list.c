/* SPDX-License-Identifier: MIT */
/*
 * The locked list between threads: that nothing is lost or doubled, steps that
 * belong together, waiting and closing.  check_list_elements.c tests what each
 * function does with elements, check_list_lock.c the lock, check_list_fork.c
 * the child of a fork, check_list_random.c random operations.
 */
#include "tests/list.h"

/* Threads on one list.  Each has a seed of its own, and counts what it moved. */
struct mover {
	conc_list *l;
	pthread_t thread;
	uint32_t seed;
	ptrdiff_t index; /* where a popper takes */
	int n, rc;       /* elements moved; the last code */
	long sum;        /* of them */
};

static void
start(struct mover *m, void *(*body)(void *), conc_list *l, uint32_t seed, ptrdiff_t index)
{
	*m = (struct mover){.l = l, .seed = seed, .index = index};
	ck_assert_int_eq(pthread_create(&m->thread, NULL, body, m), 0);
}

static void
join(struct mover *m)
{
	ck_assert_int_eq(pthread_join(m->thread, NULL), 0);
}

/* Put 40 random numbers in, in each way there is. */
static void *
put_many(void *arg)
{
	struct mover *m = arg;
	int x[3], k, rc = 0;

	while (m->n < 40 && rc == 0) {
		for (k = 0; k < 3; k++)
			x[k] = (int)random_below(&m->seed, 1000);
		k = 1;
		switch (random_below(&m->seed, 4)) {
		case 0:
			rc = conc_list_append(m->l, x);
			break;
		case 1:
			rc = conc_list_prepend(m->l, x);
			break;
		case 2:
			rc = conc_list_insert(m->l, 0, x);
			break;
		default:
			k = 3;
			rc = conc_list_extend(m->l, x, 3);
		}
		if (rc == 0)
			for (m->n += k; k > 0; k--)
				m->sum += x[k - 1];
		jitter(&m->seed);
	}
	m->rc = rc;
	return NULL;
}

/* Take out at the index until the list is closed; with short deadlines now and then. */
static void *
take_all(void *arg)
{
	struct mover *m = arg;
	int x, rc;

	do {
		rc = conc_list_pop_wait(m->l, m->index, &x,
		    random_below(&m->seed, 4) ? CONC_FOREVER : conc_after(CONC_US(20)));
		if (rc == 0) {
			m->n++;
			m->sum += x;
		}
		jitter(&m->seed);
	} while (rc == 0 || rc == -ETIMEDOUT);
	m->rc = rc;
	return NULL;
}

/* Take one out. */
static void *
take_one(void *arg)
{
	struct mover *m = arg;
	int x = -1;

	m->rc = conc_list_pop_wait(m->l, m->index, &x, CONC_FOREVER);
	m->sum = x;
	return NULL;
}

START_TEST(nothing_is_lost_or_doubled_between_threads)
{
	struct mover put[2], take[3];
	conc_list *l = EMPTY();
	uint32_t seed = seed_start(_i);
	long sum = 0;
	int n = 0, i;

	for (i = 0; i < 3; i++)
		start(&take[i], take_all, l, seed + 10u + (uint32_t)i,
		    (ptrdiff_t[]){0, -1, 1}[i]);
	for (i = 0; i < 2; i++)
		start(&put[i], put_many, l, seed + (uint32_t)i, 0);
	for (i = 0; i < 20; i++, jitter(&seed)) /* two threads put at most 42 each */
		ck_assert_uint_le(conc_list_size(l), 84);
	for (i = 0; i < 2; i++) {
		join(&put[i]);
		ck_assert_int_eq(put[i].rc, 0);
		n += put[i].n;
		sum += put[i].sum;
	}
	ck_assert_int_eq(conc_list_close(l), 0);
	for (i = 0; i < 3; i++) {
		join(&take[i]);
		ck_assert_int_eq(take[i].rc, CONC_ESHUTDOWN);
		n -= take[i].n;
		sum -= take[i].sum;
	}
	ck_assert_int_eq(n, 0);
	ck_assert_int_eq(sum, 0);
	ck_assert_empty(l);
	conc_list_destroy(l);
}
END_TEST

START_TEST(close_against_puts_and_waits)
{
	struct mover put, take;
	conc_list *l = EMPTY();
	uint32_t seed = seed_start(_i);

	start(&take, take_all, l, seed + 1, 0);
	start(&put, put_many, l, seed + 2, 0);
	for (uint32_t k = random_below(&seed, 100); k > 0; k--)
		jitter(&seed);
	ck_assert_int_eq(conc_list_close(l), 0);
	join(&put);
	join(&take);
	ck_assert(put.rc == 0 || put.rc == CONC_ESHUTDOWN);
	ck_assert_int_eq(take.rc, CONC_ESHUTDOWN);
	ck_assert_int_eq(put.n, take.n);
	ck_assert_int_eq(put.sum, take.sum);
	conc_list_destroy(l);
}
END_TEST

/* The ways in, each of which must wake who waits. */
static int
put_in(conc_list *l, int how, int x)
{
	switch (how) {
	case 0:
		return conc_list_append(l, &x);
	case 1:
		return conc_list_prepend(l, &x);
	case 2:
		return conc_list_insert(l, 0, &x);
	default:
		return conc_list_extend(l, &x, 1);
	}
}

START_TEST(pop_wait_woken_by_append_prepend_insert_extend)
{
	struct mover m;
	conc_list *l = EMPTY();

	start(&m, take_one, l, 1, -1);
	await_waiters(l, 1);
	ck_assert_int_eq(put_in(l, _i, 42), 0);
	join(&m);
	ck_assert_int_eq(m.rc, 0);
	ck_assert_int_eq(m.sum, 42);
	conc_list_destroy(l);
}
END_TEST

START_TEST(extend_wakes_as_many_as_it_brings)
{
	struct mover m[3];
	conc_list *l = EMPTY();
	int i;

	for (i = 0; i < 3; i++)
		start(&m[i], take_one, l, 1, 0);
	await_waiters(l, 3);
	ck_assert_int_eq(conc_list_extend(l, (int[]){1, 10, 100}, 3), 0);
	for (i = 0; i < 3; i++)
		join(&m[i]);
	ck_assert_int_eq(m[0].sum + m[1].sum + m[2].sum, 111);
	conc_list_destroy(l);
}
END_TEST

/* One element comes in: who waits for a third one must not keep the wake-up to himself. */
START_TEST(pop_wait_wakes_the_one_whose_index_came)
{
	const ptrdiff_t picky[] = {2, -3};
	struct mover first, second;
	conc_list *l = EMPTY();

	start(&first, take_one, l, 1, picky[_i]);
	await_waiters(l, 1);
	start(&second, take_one, l, 1, 0);
	await_waiters(l, 2);
	ck_assert_int_eq(conc_list_append(l, &(int){1}), 0);
	join(&second);
	ck_assert_int_eq(second.sum, 1);
	ck_assert_int_eq(conc_list_append(l, &(int){2}), 0);
	ck_assert_int_eq(conc_list_append(l, &(int){3}), 0);
	ck_assert_int_eq(conc_list_append(l, &(int){4}), 0);
	join(&first);
	ck_assert_int_eq(first.sum, _i == 0 ? 4 : 2);
	ck_assert_uint_eq(conc_list_size(l), 2);
	conc_list_destroy(l);
}
END_TEST

START_TEST(pop_wait_eshutdown_all_who_wait)
{
	struct mover m[3];
	conc_list *l = EMPTY();
	int i;

	for (i = 0; i < 3; i++)
		start(&m[i], take_one, l, 1, i);
	await_waiters(l, 3);
	ck_assert_int_eq(conc_list_close(l), 0);
	for (i = 0; i < 3; i++) {
		join(&m[i]);
		ck_assert_int_eq(m[i].rc, CONC_ESHUTDOWN);
		ck_assert_int_eq(m[i].sum, -1);
	}
	conc_list_destroy(l);
}
END_TEST

/* Append the size that the list has: as one step, or the numbers go wrong. */
static void *
append_size(void *arg)
{
	struct mover *m = arg;

	for (int i = 0; i < 20; i++) {
		CONC_WITH_LIST(m->l) {
			int n = (int)conc_list_size(m->l);

			jitter(&m->seed);
			m->rc |= conc_list_append(m->l, &n);
		}
		jitter(&m->seed);
	}
	return NULL;
}

START_TEST(compound_steps_are_one_step)
{
	struct mover m[3];
	conc_list *l = EMPTY();
	int x, i;

	for (i = 0; i < 3; i++)
		start(&m[i], append_size, l, seed_start(_i) + (uint32_t)i, 0);
	for (i = 0; i < 3; i++) {
		join(&m[i]);
		ck_assert_int_eq(m[i].rc, 0);
	}
	for (i = 0; i < 60; i++) {
		ck_assert_int_eq(conc_list_get(l, i, &x), 0);
		ck_assert_int_eq(x, i);
	}
	ck_assert_uint_eq(conc_list_size(l), 60);
	conc_list_destroy(l);
}
END_TEST

/* Turn, sort and shift a list of four numbers: their sum stays. */
static void *
stir(void *arg)
{
	struct mover *m = arg;
	int a, b;

	for (int i = 0; i < 20; i++) {
		m->rc |= i % 2 ? conc_list_sort(m->l, by_value) : conc_list_reverse(m->l);
		CONC_WITH_LIST(m->l) {
			m->rc |= conc_list_get(m->l, 0, &a) | conc_list_get(m->l, -1, &b);
			a += 5, b -= 5;
			m->rc |= conc_list_set(m->l, 0, &a);
			jitter(&m->seed);
			m->rc |= conc_list_set(m->l, -1, &b);
		}
		jitter(&m->seed);
	}
	return NULL;
}

START_TEST(scans_see_one_moment)
{
	struct mover m[2];
	conc_list *l = LIST(1, 2, 3, 4);
	uint32_t seed = seed_start(_i);
	int copy[4], sum;
	size_t n;

	for (uint32_t i = 0; i < 2; i++)
		start(&m[i], stir, l, seed + i + 1, 0);
	for (int i = 0; i < 20; i++) {
		sum = 0;
		ck_assert_int_eq(conc_list_each(l, sum_up, &sum), 0);
		ck_assert_int_eq(sum, 10);
		ck_assert_int_eq(conc_list_copy(l, copy, 4, &n), 0);
		ck_assert_int_eq(copy[0] + copy[1] + copy[2] + copy[3], 10);
		jitter(&seed);
	}
	for (int i = 0; i < 2; i++) {
		join(&m[i]);
		ck_assert_int_eq(m[i].rc, 0);
	}
	conc_list_destroy(l);
}
END_TEST

static void *
unlock_what_another_holds(void *arg)
{
	struct mover *m = arg;

	m->rc = conc_list_unlock(m->l);
	return NULL;
}

START_TEST(unlock_eperm_in_another_thread)
{
	struct mover m;
	conc_list *l = EMPTY();

	ck_assert_int_eq(conc_list_lock(l), 0);
	start(&m, unlock_what_another_holds, l, 1, 0);
	join(&m);
	ck_assert_int_eq(m.rc, -EPERM);
	ck_assert_int_eq(conc_list_unlock(l), 0);
	conc_list_destroy(l);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("list");
	TCase *tc = new_case(s, "threads");

	tcase_add_test(tc, unlock_eperm_in_another_thread);
	tcase_add_loop_test(tc, nothing_is_lost_or_doubled_between_threads, 0, seeds());
	tcase_add_loop_test(tc, close_against_puts_and_waits, 0, seeds());
	tcase_add_loop_test(tc, compound_steps_are_one_step, 0, seeds());
	tcase_add_loop_test(tc, scans_see_one_moment, 0, seeds());
	tc = new_case(s, "pop_wait");
	tcase_add_loop_test(tc, pop_wait_woken_by_append_prepend_insert_extend, 0, 4);
	tcase_add_test(tc, extend_wakes_as_many_as_it_brings);
	tcase_add_loop_test(tc, pop_wait_wakes_the_one_whose_index_came, 0, 2);
	tcase_add_test(tc, pop_wait_eshutdown_all_who_wait);
	return run_suite(s);
}
