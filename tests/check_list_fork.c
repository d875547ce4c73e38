/* SPDX-License-Identifier: MIT */
/*
 * The locked list in the child of a fork: refused, and freed.
 */
#include "tests/list.h"

static conc_list *inherited;

static void
use_inherited(void)
{
	ptrdiff_t i;
	size_t n;
	int x = 1;

	ck_assert_int_eq(conc_list_append(inherited, &x), CONC_EFORKED);
	ck_assert_int_eq(conc_list_prepend(inherited, &x), CONC_EFORKED);
	ck_assert_int_eq(conc_list_insert(inherited, 0, &x), CONC_EFORKED);
	ck_assert_int_eq(conc_list_extend(inherited, &x, 1), CONC_EFORKED);
	ck_assert_int_eq(conc_list_pop(inherited, 0, &x), CONC_EFORKED);
	ck_assert_int_eq(conc_list_pop_wait(inherited, 0, &x, CONC_FOREVER), CONC_EFORKED);
	ck_assert_int_eq(conc_list_get(inherited, 0, &x), CONC_EFORKED);
	ck_assert_int_eq(conc_list_set(inherited, 0, &x), CONC_EFORKED);
	ck_assert_int_eq(conc_list_remove(inherited, &x, NULL), CONC_EFORKED);
	ck_assert_int_eq(conc_list_find(inherited, &x, NULL, &i), CONC_EFORKED);
	ck_assert_int_eq(conc_list_count(inherited, &x, NULL, &n), CONC_EFORKED);
	ck_assert_int_eq(conc_list_clear(inherited), CONC_EFORKED);
	ck_assert_int_eq(conc_list_sort(inherited, NULL), CONC_EFORKED);
	ck_assert_int_eq(conc_list_reverse(inherited), CONC_EFORKED);
	ck_assert_int_eq(conc_list_copy(inherited, &x, 1, &n), CONC_EFORKED);
	ck_assert_int_eq(conc_list_each(inherited, sum_up, &x), CONC_EFORKED);
	ck_assert_int_eq(conc_list_close(inherited), CONC_EFORKED);
	ck_assert_int_eq(conc_list_lock(inherited), CONC_EFORKED);
	ck_assert_int_eq(conc_list_unlock(inherited), CONC_EFORKED);
	ck_assert_uint_eq(conc_list_size(inherited), 0);
	CONC_WITH_LIST(inherited)
		ck_abort_msg("the block must be skipped");
	/* The child may have lists of its own. */
	conc_list_destroy(LIST(1, 2));
	conc_list_destroy(inherited);
}

static struct latch held = LATCH, released = LATCH;

static void *
hold(void *l)
{
	CONC_WITH_LIST(l) {
		latch_set(&held);
		latch_wait(&released, 1);
	}
	return NULL;
}

static void *
take_one(void *l)
{
	static int x;

	return conc_list_pop_wait(l, 0, &x, CONC_FOREVER) == 0 ? &x : NULL;
}

/* The list is waited for by one thread and held by another as the process forks. */
START_TEST(every_function_eforked_and_destroy_in_a_child)
{
	pthread_t waiter, holder;
	void *x;

	inherited = EMPTY();
	ck_assert_int_eq(pthread_create(&waiter, NULL, take_one, inherited), 0);
	await_waiters(inherited, 1);
	ck_assert_int_eq(pthread_create(&holder, NULL, hold, inherited), 0);
	latch_wait(&held, 1);
	ck_assert_int_eq(run_in_child(use_inherited), 0);
	latch_set(&released);
	ck_assert_int_eq(pthread_join(holder, NULL), 0);
	ck_assert_int_eq(conc_list_append(inherited, &(int){7}), 0);
	ck_assert_int_eq(pthread_join(waiter, &x), 0);
	ck_assert_ptr_nonnull(x);
	ck_assert_int_eq(*(int *)x, 7);
	conc_list_destroy(inherited);
}
END_TEST

/* Compare and visit fork once. */
static pid_t forked;

static int
forking_compare(const void *a, const void *b)
{
	if (forked == -1)
		forked = fork();
	return by_value(a, b);
}

static int
forking_visit(void *element, void *user)
{
	(void)user;
	return forking_compare(element, &(int){0});
}

static int
scan(conc_list *l, int how)
{
	ptrdiff_t i;
	size_t n;

	switch (how) {
	case 0:
		return conc_list_remove(l, &(int){2}, forking_compare);
	case 1:
		return conc_list_find(l, &(int){2}, forking_compare, &i);
	case 2:
		return conc_list_count(l, &(int){2}, forking_compare, &n);
	case 3:
		return conc_list_sort(l, forking_compare);
	default:
		return conc_list_each(l, forking_visit, NULL) == 1 ? 0 : CONC_EFORKED;
	}
}

START_TEST(scans_eforked_in_a_child_born_within)
{
	conc_list *l = LIST(1, 2);
	int rc, status;

	forked = -1;
	fflush(NULL);
	rc = scan(l, _i);
	if (forked == 0) {
		conc_list_destroy(l);
		_exit(rc == CONC_EFORKED ? 0 : 1);
	}
	ck_assert_int_gt(forked, 0);
	ck_assert_int_eq(rc, 0);
	ck_assert_int_eq(waitpid(forked, &status, 0), forked);
	ck_assert_int_eq(status, 0);
	ck_assert_int_eq(conc_list_append(l, &(int){3}), 0);
	conc_list_destroy(l);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("list_fork");
	TCase *tc = new_case(s, "fork");

	tcase_add_test(tc, every_function_eforked_and_destroy_in_a_child);
	tcase_add_loop_test(tc, scans_eforked_in_a_child_born_within, 0, 5);
	return run_suite(s);
}
