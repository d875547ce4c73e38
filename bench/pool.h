/* SPDX-License-Identifier: MIT */
#ifndef BENCH_POOL_H
#define BENCH_POOL_H

/*
 * What libconc's programs share: what is asked of a pool of either kind.  Each
 * task takes an int and gives one back, so that its caller can see that it ran.
 */
#include "bench.h"
#include <conc/conc.h>

static int
next(const void *arg, void *result)
{
	*(int *)result = *(const int *)arg + 1;
	return 0;
}

static void
submit(conc_executor *pool, int n, conc_future **future)
{
	require(conc_submit(pool, next, &n, sizeof n, sizeof n, future) == 0, "submit");
}

/* Wait for the result of task n, and let the future go. */
static void
receive(conc_future *future, int n)
{
	int result;

	require(conc_future_result(future, &result, sizeof result) == 0 && result == n + 1,
	    "result");
	conc_future_release(future);
}

/* Room for futures, whose pages are there before anything is measured. */
static conc_future **
room_for(int n)
{
	conc_future **futures = malloc((size_t)n * sizeof *futures);

	require(futures != NULL, "memory");
	return memset(futures, 1, (size_t)n * sizeof *futures);
}

/* Submit n tasks, then wait for each. */
static void
submit_all(conc_executor *pool, conc_future **futures, int n)
{
	for (int i = 0; i < n; i++)
		submit(pool, i, &futures[i]);
	for (int i = 0; i < n; i++)
		receive(futures[i], i);
}

/* The pools that these are given are destroyed at the end; nanoseconds a task. */

/* TASKS tasks in bursts of so many. */
static double
submit_in_bursts(conc_executor *pool, int burst)
{
	conc_future **futures = room_for(burst);
	int warm_up = burst < WARM_UP ? burst : WARM_UP;
	double time;

	for (int i = 0; i < WARM_UP; i += warm_up)
		submit_all(pool, futures, warm_up);
	time = now();
	for (int i = 0; i < TASKS; i += burst)
		submit_all(pool, futures, burst);
	time = now() - time;
	conc_executor_destroy(pool);
	free(futures);
	return time / TASKS;
}

static double
round_trips(conc_executor *pool)
{
	double start = 0;

	for (int i = -WARM_UP / 10; i < ROUND_TRIPS; i++) {
		conc_future *future;

		if (i == 0)
			start = now();
		submit(pool, i, &future);
		receive(future, i);
	}
	start = now() - start;
	conc_executor_destroy(pool);
	return start / ROUND_TRIPS;
}

/* Map the numbers from 0; nanoseconds for all. */
static double
map_numbers(conc_executor *pool, int *numbers, int *results, int n)
{
	double time;

	for (int i = 0; i < n; i++)
		numbers[i] = i;
	time = now();
	require(conc_map(pool, next, (size_t)n, numbers, sizeof *numbers, results,
		    sizeof *results, NULL) == 0,
	    "map");
	time = now() - time;
	for (int i = 0; i < n; i++)
		require(results[i] == i + 1, "results");
	return time;
}

static double
map_all(conc_executor *pool)
{
	int *numbers = calloc(TASKS, sizeof *numbers);
	int *results = calloc(TASKS, sizeof *results);
	double time;

	require(numbers && results, "memory");
	map_numbers(pool, numbers, results, WARM_UP);
	time = map_numbers(pool, numbers, results, TASKS);
	conc_executor_destroy(pool);
	free(numbers);
	free(results);
	return time / TASKS;
}

#endif
