/* SPDX-License-Identifier: MIT */
/*
 * Random operations on a locked list, each done to a plain array as well: the
 * two must agree, in what they return and in what they hold.
 */
#include "tests/list.h"

enum { STEPS = 400, MOST = 120, LARGEST = 100 };

static const size_t element_sizes[] = {1, 3, 8, LARGEST};

/* The plain array. */
struct model {
	unsigned char elements[MOST + 8][LARGEST];
	size_t n, size; /* elements; bytes of each that count */
};

/* Random bytes, of few values, so that there are equals. */
static void
random_element(uint32_t *seed, unsigned char *e)
{
	memset(e, (int)random_below(seed, 20), LARGEST);
}

static void
model_insert(struct model *m, size_t i, const unsigned char *e)
{
	memmove(m->elements[i + 1], m->elements[i], (m->n - i) * LARGEST);
	memcpy(m->elements[i], e, LARGEST);
	m->n++;
}

static void
model_take(struct model *m, size_t i)
{
	m->n--;
	memmove(m->elements[i], m->elements[i + 1], (m->n - i) * LARGEST);
}

static size_t
model_find(const struct model *m, size_t i, const unsigned char *e)
{
	while (i < m->n && memcmp(m->elements[i], e, m->size) != 0)
		i++;
	return i;
}

/* An insertion sort: stable, as the list's must be. */
static void
model_sort(struct model *m)
{
	unsigned char e[LARGEST];
	size_t i, j;

	for (i = 1; i < m->n; i++) {
		memcpy(e, m->elements[i], LARGEST);
		for (j = i; j > 0 && memcmp(m->elements[j - 1], e, m->size) > 0; j--)
			memcpy(m->elements[j], m->elements[j - 1], LARGEST);
		memcpy(m->elements[j], e, LARGEST);
	}
}

static void
model_reverse(struct model *m)
{
	unsigned char e[LARGEST];

	for (size_t i = 0; i < m->n / 2; i++) {
		memcpy(e, m->elements[i], LARGEST);
		memcpy(m->elements[i], m->elements[m->n - 1 - i], LARGEST);
		memcpy(m->elements[m->n - 1 - i], e, LARGEST);
	}
}

/* What an index that may be wrong comes to: the place, or a code in *rc. */
static size_t
place(const struct model *m, ptrdiff_t i, int *rc)
{
	ptrdiff_t n = (ptrdiff_t)m->n;

	*rc = n == 0 ? -ENOENT : i >= n || i < -n ? -ERANGE : 0;
	return (size_t)(i < 0 ? i + n : i);
}

static void
put(conc_list *l, struct model *m, uint32_t *seed, const unsigned char *e)
{
	ptrdiff_t n = (ptrdiff_t)m->n, i = (ptrdiff_t)random_below(seed, 2 * m->n + 5) - n - 2;
	unsigned char many[8][LARGEST], packed[8 * LARGEST] = {0};
	size_t k = random_below(seed, 9);

	switch (random_below(seed, 5)) {
	case 0:
		ck_assert_int_eq(conc_list_append(l, e), 0);
		model_insert(m, m->n, e);
		break;
	case 1:
		ck_assert_int_eq(conc_list_prepend(l, e), 0);
		model_insert(m, 0, e);
		break;
	case 2:
		for (size_t j = 0; j < k; j++) {
			random_element(seed, many[j]);
			memcpy(packed + j * m->size, many[j], m->size);
		}
		ck_assert_int_eq(conc_list_extend(l, packed, k), 0);
		for (size_t j = 0; j < k; j++)
			model_insert(m, m->n, many[j]);
		break;
	default:
		if (i > n || i < -n) {
			ck_assert_int_eq(conc_list_insert(l, i, e), -ERANGE);
			break;
		}
		ck_assert_int_eq(conc_list_insert(l, i, e), 0);
		model_insert(m, (size_t)(i < 0 ? i + n : i), e);
	}
}

static void
take(conc_list *l, struct model *m, uint32_t *seed)
{
	ptrdiff_t i = (ptrdiff_t)random_below(seed, 2 * m->n + 5) - (ptrdiff_t)m->n - 2;
	unsigned char e[LARGEST];
	size_t at;
	int rc;

	if (random_below(seed, 2))
		i = random_below(seed, 2) ? 0 : -1;
	at = place(m, i, &rc);
	ck_assert_int_eq(conc_list_pop(l, i, e), rc);
	if (rc == 0) {
		ck_assert_mem_eq(e, m->elements[at], m->size);
		model_take(m, at);
	}
}

static void
look(conc_list *l, struct model *m, uint32_t *seed, const unsigned char *e)
{
	ptrdiff_t i = (ptrdiff_t)random_below(seed, 2 * m->n + 5) - (ptrdiff_t)m->n - 2, found;
	unsigned char got[LARGEST];
	size_t n, at, k;
	int rc;

	at = place(m, i, &rc);
	ck_assert_int_eq(conc_list_get(l, i, got), rc);
	if (rc == 0)
		ck_assert_mem_eq(got, m->elements[at], m->size);
	ck_assert_int_eq(conc_list_set(l, i, e), rc);
	if (rc == 0)
		memcpy(m->elements[at], e, LARGEST);
	random_element(seed, got);
	at = model_find(m, 0, got);
	ck_assert_int_eq(conc_list_find(l, got, NULL, &found), at < m->n ? 0 : -ENOENT);
	if (at < m->n)
		ck_assert_uint_eq((size_t)found, at);
	ck_assert_int_eq(conc_list_count(l, got, NULL, &n), 0);
	for (k = 0; at < m->n; k++)
		at = model_find(m, at + 1, got);
	ck_assert_uint_eq(n, k);
}

static void
change_all(conc_list *l, struct model *m, uint32_t *seed, const unsigned char *e)
{
	size_t at;

	switch (random_below(seed, 8)) {
	case 0:
		ck_assert_int_eq(conc_list_clear(l), 0);
		m->n = 0;
		break;
	case 1:
	case 2:
		ck_assert_int_eq(conc_list_sort(l, NULL), 0);
		model_sort(m);
		break;
	case 3:
	case 4:
		ck_assert_int_eq(conc_list_reverse(l), 0);
		model_reverse(m);
		break;
	default:
		at = model_find(m, 0, e);
		ck_assert_int_eq(conc_list_remove(l, e, NULL), at < m->n ? 0 : -ENOENT);
		if (at < m->n)
			model_take(m, at);
	}
}

static void
compare(conc_list *l, const struct model *m)
{
	static unsigned char copy[(MOST + 8) * LARGEST];
	size_t n;

	ck_assert_int_eq(conc_list_copy(l, copy, MOST + 8, &n), 0);
	ck_assert_uint_eq(n, m->n);
	ck_assert_uint_eq(conc_list_size(l), n);
	for (size_t i = 0; i < n; i++)
		ck_assert(memcmp(copy + i * m->size, m->elements[i], m->size) == 0);
}

START_TEST(list_and_plain_array_agree)
{
	static struct model m;
	uint32_t seed = seed_start(_i);
	unsigned char e[LARGEST];
	conc_list *l;

	m = (struct model){.size = element_sizes[_i % 4]};
	ck_assert_int_eq(conc_list_create(&l, m.size), 0);
	for (int i = 0; i < STEPS; i++) {
		/* Phases of growing and of shrinking, so that the memory does both. */
		uint32_t growing = i / 100 % 2 == 0 ? 6 : 2, dice = random_below(&seed, 10);

		random_element(&seed, e);
		if (dice == 9)
			look(l, &m, &seed, e);
		else if (dice == 8 && random_below(&seed, 4) == 0)
			change_all(l, &m, &seed, e);
		else if (dice < growing && m.n < MOST)
			put(l, &m, &seed, e);
		else
			take(l, &m, &seed);
		compare(l, &m);
	}
	conc_list_destroy(l);
}
END_TEST

/* Thousands in and out at one end and the other: the memory grows, wraps and shrinks. */
START_TEST(both_ends_over_many_sizes)
{
	conc_list *l = EMPTY();
	int first = 0, next = 0, x;

	for (int round = 1; round <= 2000; round *= 4) {
		for (int i = 0; i < round; i++, next++)
			ck_assert_int_eq(conc_list_append(l, &next), 0);
		for (int i = 0; i < round; i++) {
			first--;
			ck_assert_int_eq(conc_list_prepend(l, &first), 0);
		}
		while (next - first > 3) {
			ck_assert_int_eq(conc_list_pop(l, 0, &x), 0);
			ck_assert_int_eq(x, first++);
			ck_assert_int_eq(conc_list_pop(l, -1, &x), 0);
			ck_assert_int_eq(x, --next);
		}
	}
	conc_list_destroy(l);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("list_random");
	TCase *tc = new_case(s, "model");

	tcase_add_loop_test(tc, list_and_plain_array_agree, 0, seeds());
	tcase_add_test(tc, both_ends_over_many_sizes);
	return run_suite(s);
}
