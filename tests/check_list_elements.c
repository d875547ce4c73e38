/* SPDX-License-Identifier: MIT */
/*
 * The locked list's elements: what each function does with them, and each of
 * its codes, in one thread.
 */
#include "tests/list.h"

/* A visit that ends at the user's int. */
static int
stop_at(void *element, void *user)
{
	return *(int *)element == *(int *)user ? 42 : 0;
}

START_TEST(create_einval_null_or_size_zero)
{
	conc_list *l = (conc_list *)&l;

	ck_assert_int_eq(conc_list_create(NULL, 1), -EINVAL);
	ck_assert_int_eq(conc_list_create(&l, 0), -EINVAL);
	ck_assert_ptr_eq(l, &l);
}
END_TEST

START_TEST(create_enomem_element_that_no_memory_can_hold)
{
	conc_list *l = (conc_list *)&l;

	ck_assert_int_eq(conc_list_create(&l, SIZE_MAX), -ENOMEM);
	ck_assert_int_eq(conc_list_create(&l, (size_t)PTRDIFF_MAX + 1), -ENOMEM);
	ck_assert_ptr_eq(l, &l);
}
END_TEST

/* No such size gets as far as malloc: sanitizers would end the program there. */
START_TEST(extend_enomem_elements_that_no_memory_can_hold)
{
	const size_t sizes[] = {PTRDIFF_MAX, (size_t)PTRDIFF_MAX / 2 + 1};
	conc_list *l;
	char bytes[2] = {0, 0};

	ck_assert_int_eq(conc_list_create(&l, sizes[_i]), 0);
	ck_assert_int_eq(conc_list_extend(l, bytes, 2), -ENOMEM);
	ck_assert_empty(l);
	conc_list_destroy(l);
}
END_TEST

START_TEST(extend_enomem_numbers_that_overflow)
{
	conc_list *l = LIST(1, 2, 3);
	int x = 0;

	ck_assert_int_eq(conc_list_extend(l, &x, SIZE_MAX), -ENOMEM);
	ck_assert_int_eq(conc_list_extend(l, &x, SIZE_MAX - 3), -ENOMEM);
	ck_assert_int_eq(conc_list_extend(l, &x, SIZE_MAX / sizeof x), -ENOMEM);
	ck_assert_int_eq(conc_list_extend(l, &x, PTRDIFF_MAX / sizeof x), -ENOMEM);
	ck_assert_int_eq(conc_list_extend(l, &x, PTRDIFF_MAX / sizeof x - 3), -ENOMEM);
	ck_assert_holds(l, 1, 2, 3);
	conc_list_destroy(l);
}
END_TEST

START_TEST(destroy_null)
{
	conc_list_destroy(NULL);
}
END_TEST

START_TEST(every_function_einval_null_list)
{
	ptrdiff_t i;
	size_t n;
	int x = 1;

	ck_assert_int_eq(conc_list_append(NULL, &x), -EINVAL);
	ck_assert_int_eq(conc_list_prepend(NULL, &x), -EINVAL);
	ck_assert_int_eq(conc_list_insert(NULL, 0, &x), -EINVAL);
	ck_assert_int_eq(conc_list_extend(NULL, &x, 1), -EINVAL);
	ck_assert_int_eq(conc_list_pop(NULL, 0, &x), -EINVAL);
	ck_assert_int_eq(conc_list_pop_wait(NULL, 0, &x, CONC_NOW), -EINVAL);
	ck_assert_int_eq(conc_list_get(NULL, 0, &x), -EINVAL);
	ck_assert_int_eq(conc_list_set(NULL, 0, &x), -EINVAL);
	ck_assert_int_eq(conc_list_remove(NULL, &x, NULL), -EINVAL);
	ck_assert_int_eq(conc_list_find(NULL, &x, NULL, &i), -EINVAL);
	ck_assert_int_eq(conc_list_count(NULL, &x, NULL, &n), -EINVAL);
	ck_assert_int_eq(conc_list_clear(NULL), -EINVAL);
	ck_assert_int_eq(conc_list_sort(NULL, NULL), -EINVAL);
	ck_assert_int_eq(conc_list_reverse(NULL), -EINVAL);
	ck_assert_int_eq(conc_list_copy(NULL, &x, 1, &n), -EINVAL);
	ck_assert_int_eq(conc_list_each(NULL, sum_up, &x), -EINVAL);
	ck_assert_int_eq(conc_list_close(NULL), -EINVAL);
	ck_assert_int_eq(conc_list_lock(NULL), -EINVAL);
	ck_assert_int_eq(conc_list_unlock(NULL), -EINVAL);
	ck_assert_uint_eq(conc_list_size(NULL), 0);
	ck_assert_ptr_null(conc_list_with_at(NULL));
	conc_list_with_end(NULL);
	CONC_WITH_LIST(NULL)
		ck_abort_msg("the block must be skipped");
	ck_assert_int_eq(x, 1);
}
END_TEST

START_TEST(einval_null_argument)
{
	conc_list *l = LIST(1);
	ptrdiff_t i;
	size_t n;

	ck_assert_int_eq(conc_list_append(l, NULL), -EINVAL);
	ck_assert_int_eq(conc_list_prepend(l, NULL), -EINVAL);
	ck_assert_int_eq(conc_list_insert(l, 0, NULL), -EINVAL);
	ck_assert_int_eq(conc_list_extend(l, NULL, 1), -EINVAL);
	ck_assert_int_eq(conc_list_get(l, 0, NULL), -EINVAL);
	ck_assert_int_eq(conc_list_set(l, 0, NULL), -EINVAL);
	ck_assert_int_eq(conc_list_remove(l, NULL, NULL), -EINVAL);
	ck_assert_int_eq(conc_list_find(l, NULL, NULL, &i), -EINVAL);
	ck_assert_int_eq(conc_list_find(l, &n, NULL, NULL), -EINVAL);
	ck_assert_int_eq(conc_list_count(l, NULL, NULL, &n), -EINVAL);
	ck_assert_int_eq(conc_list_count(l, &n, NULL, NULL), -EINVAL);
	ck_assert_int_eq(conc_list_copy(l, NULL, 1, &n), -EINVAL);
	ck_assert_int_eq(conc_list_copy(l, NULL, 0, NULL), -EINVAL);
	ck_assert_int_eq(conc_list_each(l, NULL, NULL), -EINVAL);
	ck_assert_holds(l, 1);
	conc_list_destroy(l);
}
END_TEST

START_TEST(append_prepend_insert_extend_keep_their_order)
{
	conc_list *l = EMPTY();

	ck_assert_int_eq(conc_list_append(l, &(int){3}), 0);
	ck_assert_int_eq(conc_list_prepend(l, &(int){1}), 0);
	ck_assert_int_eq(conc_list_insert(l, 1, &(int){2}), 0);
	ck_assert_int_eq(conc_list_insert(l, 3, &(int){5}), 0);
	ck_assert_int_eq(conc_list_insert(l, -1, &(int){4}), 0);
	ck_assert_int_eq(conc_list_insert(l, -5, &(int){0}), 0);
	ck_assert_int_eq(conc_list_extend(l, (int[]){6, 7}, 2), 0);
	ck_assert_int_eq(conc_list_extend(l, NULL, 0), 0);
	ck_assert_holds(l, 0, 1, 2, 3, 4, 5, 6, 7);
	conc_list_destroy(l);
}
END_TEST

START_TEST(insert_erange)
{
	conc_list *l = LIST(1, 2), *e = EMPTY();
	const ptrdiff_t wrong[] = {3, -3, PTRDIFF_MAX, PTRDIFF_MIN};

	for (size_t i = 0; i < 4; i++)
		ck_assert_int_eq(conc_list_insert(l, wrong[i], &(int){9}), -ERANGE);
	ck_assert_holds(l, 1, 2);
	ck_assert_int_eq(conc_list_insert(e, -1, &(int){9}), -ERANGE);
	ck_assert_int_eq(conc_list_insert(e, 1, &(int){9}), -ERANGE);
	ck_assert_empty(e);
	conc_list_destroy(l);
	conc_list_destroy(e);
}
END_TEST

START_TEST(pop_from_both_ends_and_the_middle)
{
	conc_list *l = LIST(1, 2, 3, 4, 5);
	int x;

	ck_assert_int_eq(conc_list_pop(l, 0, &x), 0);
	ck_assert_int_eq(x, 1);
	ck_assert_int_eq(conc_list_pop(l, -1, &x), 0);
	ck_assert_int_eq(x, 5);
	ck_assert_int_eq(conc_list_pop(l, 1, &x), 0);
	ck_assert_int_eq(x, 3);
	ck_assert_int_eq(conc_list_pop(l, -2, NULL), 0);
	ck_assert_holds(l, 4);
	conc_list_destroy(l);
}
END_TEST

START_TEST(pop_enoent_erange_eshutdown)
{
	conc_list *l = EMPTY();
	int x = 7;

	ck_assert_int_eq(conc_list_pop(l, 0, &x), -ENOENT);
	ck_assert_int_eq(conc_list_append(l, &x), 0);
	ck_assert_int_eq(conc_list_pop(l, 1, &x), -ERANGE);
	ck_assert_int_eq(conc_list_pop(l, -2, &x), -ERANGE);
	ck_assert_int_eq(conc_list_pop(l, PTRDIFF_MIN, &x), -ERANGE);
	ck_assert_int_eq(conc_list_pop(l, PTRDIFF_MAX, &x), -ERANGE);
	ck_assert_int_eq(conc_list_close(l), 0);
	ck_assert_int_eq(conc_list_pop(l, 1, &x), -ERANGE);
	ck_assert_int_eq(conc_list_pop(l, 0, &x), 0);
	ck_assert_int_eq(conc_list_pop(l, 0, &x), CONC_ESHUTDOWN);
	ck_assert_int_eq(x, 7);
	conc_list_destroy(l);
}
END_TEST

START_TEST(pop_wait_takes_what_is_there)
{
	conc_list *l = LIST(1, 2, 3);
	int x;

	ck_assert_int_eq(conc_list_pop_wait(l, 1, &x, CONC_FOREVER), 0);
	ck_assert_int_eq(x, 2);
	ck_assert_int_eq(conc_list_pop_wait(l, -1, &x, CONC_NOW), 0);
	ck_assert_int_eq(x, 3);
	ck_assert_int_eq(conc_list_pop_wait(l, 0, NULL, CONC_NOW), 0);
	ck_assert_empty(l);
	conc_list_destroy(l);
}
END_TEST

START_TEST(pop_wait_etimedout)
{
	conc_list *l = LIST(1);
	int x = 7;

	ck_assert_int_eq(conc_list_pop_wait(l, 1, &x, CONC_NOW), -ETIMEDOUT);
	ck_assert_int_eq(conc_list_pop_wait(l, -2, &x, conc_after_ms(1)), -ETIMEDOUT);
	ck_assert_int_eq(conc_list_pop(l, 0, NULL), 0);
	ck_assert_int_eq(conc_list_pop_wait(l, 0, &x, conc_after_ms(1)), -ETIMEDOUT);
	ck_assert_int_eq(conc_list_pop_wait(l, PTRDIFF_MIN, &x, CONC_NOW), -ETIMEDOUT);
	ck_assert_int_eq(x, 7);
	conc_list_destroy(l);
}
END_TEST

START_TEST(pop_wait_eshutdown_when_emptied)
{
	conc_list *l = LIST(1, 2);
	int x;

	ck_assert_int_eq(conc_list_close(l), 0);
	ck_assert_int_eq(conc_list_pop_wait(l, 2, &x, CONC_FOREVER), CONC_ESHUTDOWN);
	ck_assert_int_eq(conc_list_pop_wait(l, 1, &x, CONC_FOREVER), 0);
	ck_assert_int_eq(conc_list_pop_wait(l, 0, &x, CONC_FOREVER), 0);
	ck_assert_int_eq(conc_list_pop_wait(l, 0, &x, CONC_FOREVER), CONC_ESHUTDOWN);
	conc_list_destroy(l);
}
END_TEST

START_TEST(pop_wait_edeadlk_holding_the_lock)
{
	conc_list *l = LIST(1);
	int x;

	ck_assert_int_eq(conc_list_lock(l), 0);
	ck_assert_int_eq(conc_list_pop_wait(l, 0, &x, CONC_NOW), -EDEADLK);
	ck_assert_int_eq(conc_list_pop_wait(l, 5, &x, CONC_FOREVER), -EDEADLK);
	ck_assert_int_eq(conc_list_unlock(l), 0);
	ck_assert_int_eq(conc_list_unlock(l), -EPERM);
	ck_assert_int_eq(conc_list_pop_wait(l, 0, &x, CONC_NOW), 0);
	conc_list_destroy(l);
}
END_TEST

START_TEST(get_set_enoent_erange)
{
	conc_list *l = LIST(1, 2, 3), *e = EMPTY();
	int x;

	ck_assert_int_eq(conc_list_get(l, 1, &x), 0);
	ck_assert_int_eq(x, 2);
	ck_assert_int_eq(conc_list_get(l, -3, &x), 0);
	ck_assert_int_eq(x, 1);
	ck_assert_int_eq(conc_list_set(l, -1, &(int){9}), 0);
	ck_assert_int_eq(conc_list_set(l, 0, &(int){7}), 0);
	ck_assert_int_eq(conc_list_get(l, 3, &x), -ERANGE);
	ck_assert_int_eq(conc_list_get(l, -4, &x), -ERANGE);
	ck_assert_int_eq(conc_list_set(l, 3, &x), -ERANGE);
	ck_assert_int_eq(conc_list_get(e, 0, &x), -ENOENT);
	ck_assert_int_eq(conc_list_set(e, 0, &x), -ENOENT);
	ck_assert_holds(l, 7, 2, 9);
	conc_list_destroy(l);
	conc_list_destroy(e);
}
END_TEST

START_TEST(remove_find_count_enoent)
{
	conc_list *l = LIST(5, 2, 5, 3);
	ptrdiff_t i = 77;
	size_t n;

	ck_assert_int_eq(conc_list_find(l, &(int){5}, NULL, &i), 0);
	ck_assert_int_eq(i, 0);
	ck_assert_int_eq(conc_list_find(l, &(int){3}, by_value, &i), 0);
	ck_assert_int_eq(i, 3);
	ck_assert_int_eq(conc_list_count(l, &(int){5}, by_value, &n), 0);
	ck_assert_uint_eq(n, 2);
	ck_assert_int_eq(conc_list_count(l, &(int){9}, NULL, &n), 0);
	ck_assert_uint_eq(n, 0);
	ck_assert_int_eq(conc_list_remove(l, &(int){5}, NULL), 0);
	ck_assert_int_eq(conc_list_remove(l, &(int){9}, by_value), -ENOENT);
	ck_assert_int_eq(conc_list_find(l, &(int){9}, NULL, &i), -ENOENT);
	ck_assert_int_eq(i, 3);
	ck_assert_holds(l, 2, 5, 3);
	conc_list_destroy(l);
}
END_TEST

START_TEST(clear_and_reverse)
{
	conc_list *l = LIST(1, 2, 3);

	ck_assert_int_eq(conc_list_reverse(l), 0);
	ck_assert_holds(l, 3, 2, 1);
	ck_assert_int_eq(conc_list_clear(l), 0);
	ck_assert_empty(l);
	ck_assert_int_eq(conc_list_reverse(l), 0);
	ck_assert_int_eq(conc_list_sort(l, NULL), 0);
	ck_assert_int_eq(conc_list_clear(l), 0);
	ck_assert_int_eq(conc_list_append(l, &(int){4}), 0);
	ck_assert_holds(l, 4);
	conc_list_destroy(l);
}
END_TEST

struct pair {
	int key, order;
};

START_TEST(sort_is_stable)
{
	uint32_t seed = seed_start(_i);
	struct pair p = {0, 0}, before = {-1, -1};
	conc_list *l;
	int n = (int)random_below(&seed, 100);

	ck_assert_int_eq(conc_list_create(&l, sizeof p), 0);
	for (p.order = 0; p.order < n; p.order++) {
		p.key = (int)random_below(&seed, 8);
		ck_assert_int_eq(conc_list_append(l, &p), 0);
		if (p.order % 3 == 0) /* so that the ring wraps */
			ck_assert_int_eq(conc_list_pop(l, 0, NULL), 0);
	}
	ck_assert_int_eq(conc_list_sort(l, by_value), 0);
	while (conc_list_pop(l, 0, &p) == 0) {
		ck_assert_int_le(before.key, p.key);
		ck_assert(before.key < p.key || before.order < p.order);
		before = p;
	}
	conc_list_destroy(l);
}
END_TEST

START_TEST(copy_cuts_and_tells_the_whole_size)
{
	conc_list *l = LIST(1, 2, 3);
	int copy[4] = {0, 0, 0, 0};
	size_t n;

	ck_assert_int_eq(conc_list_copy(l, copy, 2, &n), 0);
	ck_assert_uint_eq(n, 3);
	ck_assert(copy[0] == 1 && copy[1] == 2 && copy[2] == 0);
	ck_assert_int_eq(conc_list_copy(l, NULL, 0, &n), 0);
	ck_assert_uint_eq(n, 3);
	ck_assert_int_eq(conc_list_copy(l, copy, SIZE_MAX, &n), 0);
	ck_assert(copy[2] == 3 && copy[3] == 0);
	conc_list_destroy(l);
}
END_TEST

START_TEST(each_visits_in_order_until_not_zero)
{
	conc_list *l = LIST(1, 2, 3);
	int sum = 0;

	ck_assert_int_eq(conc_list_each(l, sum_up, &sum), 0);
	ck_assert_int_eq(sum, 6);
	ck_assert_int_eq(conc_list_each(l, stop_at, &(int){2}), 42);
	ck_assert_int_eq(conc_list_each(l, stop_at, &(int){9}), 0);
	conc_list_destroy(l);
}
END_TEST

START_TEST(close_refuses_what_puts_in_and_lets_read_and_take)
{
	conc_list *l = LIST(3, 1, 2, 1);
	int x = 9;
	size_t n;

	ck_assert_int_eq(conc_list_close(l), 0);
	ck_assert_int_eq(conc_list_close(l), 0);
	ck_assert_int_eq(conc_list_append(l, &x), CONC_ESHUTDOWN);
	ck_assert_int_eq(conc_list_prepend(l, &x), CONC_ESHUTDOWN);
	ck_assert_int_eq(conc_list_insert(l, 1, &x), CONC_ESHUTDOWN);
	ck_assert_int_eq(conc_list_extend(l, NULL, 0), CONC_ESHUTDOWN);
	ck_assert_int_eq(conc_list_set(l, 0, &x), CONC_ESHUTDOWN);
	ck_assert_int_eq(conc_list_clear(l), CONC_ESHUTDOWN);
	ck_assert_int_eq(conc_list_sort(l, by_value), 0);
	ck_assert_int_eq(conc_list_reverse(l), 0);
	ck_assert_holds(l, 3, 2, 1, 1);
	ck_assert_int_eq(conc_list_remove(l, &(int){2}, NULL), 0);
	ck_assert_int_eq(conc_list_count(l, &(int){1}, NULL, &n), 0);
	ck_assert_uint_eq(n, 2);
	conc_list_destroy(l);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("list_elements");
	TCase *tc = new_case(s, "life");

	tcase_add_test(tc, create_einval_null_or_size_zero);
	tcase_add_test(tc, create_enomem_element_that_no_memory_can_hold);
	tcase_add_loop_test(tc, extend_enomem_elements_that_no_memory_can_hold, 0, 2);
	tcase_add_test(tc, extend_enomem_numbers_that_overflow);
	tcase_add_test(tc, destroy_null);
	tcase_add_test(tc, every_function_einval_null_list);
	tcase_add_test(tc, einval_null_argument);
	tc = new_case(s, "elements");
	tcase_add_test(tc, append_prepend_insert_extend_keep_their_order);
	tcase_add_test(tc, insert_erange);
	tcase_add_test(tc, pop_from_both_ends_and_the_middle);
	tcase_add_test(tc, pop_enoent_erange_eshutdown);
	tcase_add_test(tc, pop_wait_takes_what_is_there);
	tcase_add_test(tc, pop_wait_etimedout);
	tcase_add_test(tc, pop_wait_eshutdown_when_emptied);
	tcase_add_test(tc, pop_wait_edeadlk_holding_the_lock);
	tcase_add_test(tc, get_set_enoent_erange);
	tc = new_case(s, "whole");
	tcase_add_test(tc, remove_find_count_enoent);
	tcase_add_test(tc, clear_and_reverse);
	tcase_add_loop_test(tc, sort_is_stable, 0, seeds());
	tcase_add_test(tc, copy_cuts_and_tells_the_whole_size);
	tcase_add_test(tc, each_visits_in_order_until_not_zero);
	tcase_add_test(tc, close_refuses_what_puts_in_and_lets_read_and_take);
	return run_suite(s);
}
