/* SPDX-License-Identifier: MIT */
#ifndef CONC_TESTS_LIST_H
#define CONC_TESTS_LIST_H

/*
 * What the tests of the locked list share: lists of ints, made and compared.
 *
 *	conc_list *l = LIST(1, 2);
 *
 *	ck_assert_int_eq(conc_list_append(l, &(int){3}), 0);
 *	ck_assert_holds(l, 1, 2, 3);
 */
#include "tests/common.h"
#include "data/list.h"

static inline conc_list *
list_of(size_t n, const int *elements)
{
	conc_list *l;

	ck_assert_int_eq(conc_list_create(&l, sizeof(int)), 0);
	ck_assert_int_eq(conc_list_extend(l, elements, n), 0);
	return l;
}

#define LIST(...) \
	list_of(sizeof((int[]){__VA_ARGS__}) / sizeof(int), (int[]){__VA_ARGS__})
#define EMPTY() list_of(0, NULL)

static inline void
assert_holds(conc_list *l, size_t n, const int *elements)
{
	int copy[16];
	size_t size;

	ck_assert_int_eq(conc_list_copy(l, copy, 16, &size), 0);
	ck_assert_uint_eq(size, n);
	for (size_t i = 0; i < n; i++)
		ck_assert_int_eq(copy[i], elements[i]);
}

#define ck_assert_holds(l, ...) \
	assert_holds(l, sizeof((int[]){__VA_ARGS__}) / sizeof(int), (int[]){__VA_ARGS__})
#define ck_assert_empty(l) ck_assert_uint_eq(conc_list_size(l), 0)

static inline int
by_value(const void *a, const void *b)
{
	return (*(const int *)a > *(const int *)b) - (*(const int *)a < *(const int *)b);
}

/* A visit: add the element to the user's int. */
static inline int
sum_up(void *element, void *user)
{
	*(int *)user += *(int *)element;
	return 0;
}

/* Do so many threads wait?  Who counts as a waiter gives the lock back by waiting. */
struct expected {
	conc_list *l;
	size_t waiters;
};

static inline bool
all_wait(void *arg)
{
	struct expected *e = arg;
	bool wait = false;

	CONC_WITH_LIST(e->l)
		wait = e->l->waiters == e->waiters;
	return wait;
}

static inline void
await_waiters(conc_list *l, size_t n)
{
	eventually(all_wait, &(struct expected){l, n});
}

#endif
