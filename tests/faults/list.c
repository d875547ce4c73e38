/* SPDX-License-Identifier: MIT */
/*
 * Failures of the locked list: without memory a call says so, the list is as
 * it was before, and goes on to work.
 */
#include "tests/faults/faults.h"
#include <conc/list.h>

enum { MOST = 64 };

/* A list of ints, or NULL without memory. */
static conc_list *
make(void)
{
	conc_list *l = NULL;
	int rc = conc_list_create(&l, sizeof(int));

	must(rc == 0 || (!faultless && rc == -ENOMEM));
	must((rc == 0) == (l != NULL));
	return l;
}

static void
must_hold(conc_list *l, const int *numbers, size_t n)
{
	int copy[MOST];
	size_t size;

	must(conc_list_copy(l, copy, MOST, &size) == 0 && size == n);
	must(n == 0 || memcmp(copy, numbers, n * sizeof *copy) == 0);
}

/* Did this call succeed?  If not it must be for want of memory, and the list be as it was. */
static bool
went_well(int rc, conc_list *l, const int *numbers, size_t n)
{
	must(rc == 0 || (!faultless && rc == -ENOMEM));
	if (rc != 0)
		must_hold(l, numbers, n);
	return rc == 0;
}

static void
life(void)
{
	conc_list_destroy(make());
}

/* Each way in, while the memory grows; then each way out, while it shrinks. */
static void
grows_and_shrinks(void)
{
	conc_list *l = make();
	int numbers[MOST], x, got;
	size_t n = 0;

	if (l == NULL)
		return;
	for (x = 0; x < 40; x++) {
		if (x % 3 == 0 && went_well(conc_list_append(l, &x), l, numbers, n))
			numbers[n++] = x;
		if (x % 3 == 1 && went_well(conc_list_extend(l, &x, 1), l, numbers, n))
			numbers[n++] = x;
		if (x % 3 == 2 && went_well(conc_list_prepend(l, &x), l, numbers, n)) {
			memmove(numbers + 1, numbers, n++ * sizeof *numbers);
			numbers[0] = x;
		}
	}
	must(!faultless || n == 40);
	must_hold(l, numbers, n);
	while (n > 0) {
		must(conc_list_pop(l, -1, &got) == 0 && got == numbers[--n]);
		if (n > 0 && n % 2 == 0) {
			must(conc_list_remove(l, &numbers[0], NULL) == 0);
			memmove(numbers, numbers + 1, --n * sizeof *numbers);
		}
		must_hold(l, numbers, n);
	}
	must(conc_list_pop(l, 0, NULL) == -ENOENT);
	conc_list_destroy(l);
}

static void
inserts_many_at_once(void)
{
	const int many[20] = {5, 4, 3, 2, 1};
	conc_list *l = make();
	int numbers[MOST];
	size_t n = 0;

	if (l == NULL)
		return;
	for (int i = 0; i < 3; i++)
		if (went_well(conc_list_extend(l, many, 20), l, numbers, n)) {
			memcpy(numbers + n, many, sizeof many);
			n += 20;
		}
	must(conc_list_clear(l) == 0);
	(void)went_well(conc_list_insert(l, 0, many), l, numbers, 0);
	conc_list_destroy(l);
}

static int
downwards(const void *a, const void *b)
{
	return *(const int *)b - *(const int *)a;
}

static void
sorts(void)
{
	const int mixed[] = {3, 1, 4, 1, 5}, up[] = {1, 1, 3, 4, 5}, down[] = {5, 4, 3, 1, 1};
	const int *now = mixed;
	conc_list *l = make();

	if (l == NULL)
		return;
	if (went_well(conc_list_extend(l, mixed, 5), l, NULL, 0)) {
		if (went_well(conc_list_sort(l, NULL), l, now, 5))
			now = up;
		must_hold(l, now, 5);
		if (went_well(conc_list_sort(l, downwards), l, now, 5))
			now = down;
		must_hold(l, now, 5);
	}
	conc_list_destroy(l);
}

/* What could not be put in wakes nobody; what could does; close ends the wait. */
struct waiter {
	conc_list *l;
	int taken;
};

static void *
take_all(void *arg)
{
	struct waiter *w = arg;
	int rc;

	while ((rc = conc_list_pop_wait(w->l, 0, NULL, CONC_FOREVER)) == 0)
		w->taken++;
	must(rc == CONC_ESHUTDOWN);
	return NULL;
}

static void
waits(void)
{
	struct waiter w = {make(), 0};
	pthread_t thread;
	int put = 0;

	if (w.l == NULL)
		return;
	must(pthread_create(&thread, NULL, take_all, &w) == 0);
	for (int i = 0; i < 20; i++) {
		int rc = conc_list_append(w.l, &i);

		must(rc == 0 || (!faultless && rc == -ENOMEM));
		put += rc == 0;
	}
	must(conc_list_close(w.l) == 0);
	must(pthread_join(thread, NULL) == 0);
	must(w.taken == put);
	conc_list_destroy(w.l);
}

/* The first list of a process installs the fork handler, for good once it succeeds. */
static void
first_list(void)
{
	conc_list *l = NULL;

	fault_scenario = "first_list";
	conc__fault_arm(2, 0);
	must(conc_list_create(&l, 1) == -ENOMEM && l == NULL);
	conc__fault_arm(0, 0);
}

int
main(void)
{
	static const struct scenario scenarios[] = {
	    SCENARIO(life), SCENARIO(grows_and_shrinks), SCENARIO(inserts_many_at_once),
	    SCENARIO(sorts), SCENARIO(waits)};

	first_list();
	return run_faults(scenarios, sizeof scenarios / sizeof scenarios[0]);
}
