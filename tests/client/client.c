/* SPDX-License-Identifier: MIT */
/*
 * A program outside of the tree: does the installed library serve it?  Futures,
 * a pool, exceptions and the list, as the manual pages show them.
 */
#include <conc/conc.h>
#include <stdio.h>
#include <string.h>

static int
square(const void *arg, void *result)
{
	int n = *(const int *)arg;

	if (n < 0)
		return conc_raise(-EDOM, "the square of %d is not for sale", n);
	*(int *)result = n * n;
	return 0;
}

int
main(void)
{
	conc_executor *pool;
	conc_future *f;
	conc_list *list;
	int n = 7, got = 0, rc;

	rc = conc_thread_pool_create(&pool, CONC_THREAD_POOL(.workers = 2, .name = "client"));
	if (rc)
		return 1;
	if (conc_list_create(&list, sizeof(int)))
		return 2;
	if (conc_submit(pool, square, &n, sizeof(n), sizeof(int), &f) ||
	    conc_future_result(f, &got, sizeof(got)) || got != 49)
		return 3;
	conc_future_release(f);
	n = -7;
	if (conc_submit_task(pool, CONC_TASK(.fn = square, .arg = &n, .arg_size = sizeof(n),
	    .result_size = sizeof(int), .name = "minus seven"), &f))
		return 4;
	if (conc_future_result(f, &got, sizeof(got)) != -EDOM ||
	    strcmp(conc_exception_message(conc_caught()), "the square of -7 is not for sale") != 0)
		return 5;
	conc_future_release(f);
	if (conc_list_append(list, &got) || conc_list_pop(list, -1, &n) || n != 49)
		return 6;
	conc_list_destroy(list);
	conc_executor_destroy(pool);
	printf("libconc %s serves C\n", CONC_VERSION);
	return 0;
}
