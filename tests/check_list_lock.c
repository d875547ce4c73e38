/* SPDX-License-Identifier: MIT */
/*
 * The locked list's lock in one thread: how it nests, CONC_WITH_LIST's ways
 * out, and what compare and visit may do under it.
 */
#include "tests/list.h"

START_TEST(lock_nests_and_unlock_eperm)
{
	conc_list *l = LIST(1);

	ck_assert_int_eq(conc_list_unlock(l), -EPERM);
	ck_assert_int_eq(conc_list_lock(l), 0);
	ck_assert_int_eq(conc_list_lock(l), 0);
	ck_assert_int_eq(conc_list_append(l, &(int){2}), 0);
	ck_assert_int_eq(conc_list_unlock(l), 0);
	ck_assert_int_eq(conc_list_unlock(l), 0);
	ck_assert_int_eq(conc_list_unlock(l), -EPERM);
	ck_assert_holds(l, 1, 2);
	conc_list_destroy(l);
}
END_TEST

static void *
lock_and_end(void *arg)
{
	ck_assert_int_eq(conc_list_lock(arg), 0);
	return NULL;
}

static void *
try_to_unlock(void *arg)
{
	ck_assert_int_eq(conc_list_unlock(arg), -EPERM);
	return NULL;
}

/* A thread that ends with the lock keeps it, also from one that gets its memory. */
START_TEST(the_next_thread_is_another)
{
	conc_list *l = EMPTY();
	pthread_t t;

	for (int i = 0; i < 20; i++) {
		ck_assert_int_eq(
		    pthread_create(&t, NULL, i == 0 ? lock_and_end : try_to_unlock, l), 0);
		ck_assert_int_eq(pthread_join(t, NULL), 0);
	}
	conc_list_destroy(l);
}
END_TEST

enum way { THE_END, BREAK, CONTINUE, RETURN, GOTO };

static int
leave_by(conc_list *a, conc_list *b, enum way way)
{
	CONC_WITH_LIST(a) {
		CONC_WITH_LIST(b) {
			ck_assert_int_eq(conc_list_append(b, &(int){1}), 0);
			if (way == BREAK)
				break;
			if (way == CONTINUE)
				continue;
			if (way == RETURN)
				return 1;
			if (way == GOTO)
				goto out;
			ck_assert_int_eq(conc_list_append(b, &(int){2}), 0);
		}
		/* The inner one is free again, the outer one is not. */
		ck_assert_int_eq(conc_list_unlock(b), -EPERM);
		ck_assert_int_eq(conc_list_lock(a), 0);
		ck_assert_int_eq(conc_list_unlock(a), 0);
		return 2;
	}
	ck_abort_msg("the block was skipped");
out:
	return 3;
}

START_TEST(with_list_unlocks_on_every_way_out)
{
	const int returns[] = {2, 2, 2, 1, 3};
	conc_list *a = EMPTY(), *b = EMPTY();

	ck_assert_int_eq(leave_by(a, b, (enum way)_i), returns[_i]);
	ck_assert_int_eq(conc_list_unlock(a), -EPERM);
	ck_assert_int_eq(conc_list_unlock(b), -EPERM);
	ck_assert_uint_eq(conc_list_size(b), _i == THE_END ? 2 : 1);
	CONC_WITH_LIST(a)
		CONC_WITH_LIST(a) /* the same one twice */
			ck_assert_empty(a);
	ck_assert_int_eq(conc_list_unlock(a), -EPERM);
	conc_list_destroy(a);
	conc_list_destroy(b);
}
END_TEST

/* Try all that changes, and all that reads, on a list of 2 and 1 that is being gone over. */
static conc_list *visited;

static void
change_and_read(void)
{
	ptrdiff_t i;
	size_t n;
	int x = 1, sum = 0, copy[2];

	ck_assert_int_eq(conc_list_append(visited, &x), -EDEADLK);
	ck_assert_int_eq(conc_list_prepend(visited, &x), -EDEADLK);
	ck_assert_int_eq(conc_list_insert(visited, 0, &x), -EDEADLK);
	ck_assert_int_eq(conc_list_extend(visited, &x, 1), -EDEADLK);
	ck_assert_int_eq(conc_list_pop(visited, 0, &x), -EDEADLK);
	ck_assert_int_eq(conc_list_pop_wait(visited, 0, &x, CONC_NOW), -EDEADLK);
	ck_assert_int_eq(conc_list_set(visited, 0, &x), -EDEADLK);
	ck_assert_int_eq(conc_list_remove(visited, &x, NULL), -EDEADLK);
	ck_assert_int_eq(conc_list_clear(visited), -EDEADLK);
	ck_assert_int_eq(conc_list_sort(visited, NULL), -EDEADLK);
	ck_assert_int_eq(conc_list_reverse(visited), -EDEADLK);
	ck_assert_int_eq(conc_list_unlock(visited), -EPERM);
	ck_assert_int_eq(conc_list_lock(visited), 0);
	ck_assert_int_eq(conc_list_unlock(visited), 0);
	ck_assert_int_eq(conc_list_unlock(visited), -EPERM);
	ck_assert_int_eq(conc_list_get(visited, 0, &x), 0);
	ck_assert_int_eq(x, 2);
	ck_assert_int_eq(conc_list_find(visited, &(int){1}, NULL, &i), 0);
	ck_assert_int_eq(i, 1);
	ck_assert_int_eq(conc_list_count(visited, &(int){2}, by_value, &n), 0);
	ck_assert_uint_eq(n, 1);
	ck_assert_int_eq(conc_list_copy(visited, copy, 2, &n), 0);
	ck_assert_int_eq(conc_list_each(visited, sum_up, &sum), 0);
	ck_assert_int_eq(sum, 3);
	/* The scans above have ended; this one has not. */
	ck_assert_int_eq(conc_list_pop(visited, 0, &x), -EDEADLK);
	ck_assert_uint_eq(conc_list_size(visited), 2);
}

static int
meddling_visit(void *element, void *user)
{
	change_and_read();
	ck_assert_int_eq(conc_list_get(visited, 0, element), 0); /* into itself */
	*(int *)user += 1;
	return 1;
}

static int
meddling_compare(const void *a, const void *b)
{
	change_and_read();
	return by_value(a, b);
}

START_TEST(compare_and_visit_may_read_edeadlk_if_they_change)
{
	int called = 0;
	ptrdiff_t i;
	size_t n;

	visited = LIST(2, 1);
	ck_assert_int_eq(conc_list_each(visited, meddling_visit, &called), 1);
	ck_assert_int_eq(called, 1);
	ck_assert_int_eq(conc_list_lock(visited), 0);
	ck_assert_int_eq(conc_list_each(visited, meddling_visit, &called), 1);
	ck_assert_int_eq(conc_list_unlock(visited), 0);
	ck_assert_int_eq(conc_list_find(visited, &(int){1}, meddling_compare, &i), 0);
	ck_assert_int_eq(i, 1);
	ck_assert_int_eq(conc_list_count(visited, &(int){1}, meddling_compare, &n), 0);
	ck_assert_uint_eq(n, 1);
	ck_assert_int_eq(conc_list_sort(visited, meddling_compare), 0);
	ck_assert_holds(visited, 1, 2);
	ck_assert_int_eq(conc_list_reverse(visited), 0);
	ck_assert_int_eq(conc_list_remove(visited, &(int){1}, meddling_compare), 0);
	ck_assert_holds(visited, 2);
	ck_assert_int_eq(conc_list_unlock(visited), -EPERM);
	conc_list_destroy(visited);
}
END_TEST

static int
closing_visit(void *element, void *user)
{
	(void)element;
	return conc_list_close(user);
}

START_TEST(visit_may_close)
{
	conc_list *l = LIST(1, 2);

	ck_assert_int_eq(conc_list_each(l, closing_visit, l), 0);
	ck_assert_int_eq(conc_list_append(l, &(int){3}), CONC_ESHUTDOWN);
	conc_list_destroy(l);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("list_lock");
	TCase *tc = new_case(s, "lock");

	tcase_add_test(tc, lock_nests_and_unlock_eperm);
	tcase_add_test(tc, the_next_thread_is_another);
	tcase_add_loop_test(tc, with_list_unlocks_on_every_way_out, 0, 5);
	tcase_add_test(tc, compare_and_visit_may_read_edeadlk_if_they_change);
	tcase_add_test(tc, visit_may_close);
	return run_suite(s);
}
