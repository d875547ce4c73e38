/* SPDX-License-Identifier: MIT */
/*
 * libconc's side of the benchmarks of processes; see bench/processes for what
 * is measured.
 */
#include "bench.h"
#include <conc/conc.h>

#define POOLS 20     /* made and destroyed */
#define WINDOW 8     /* large tasks on their way at a time */
#define LARGE 128    /* of them in all */
#define MIB (1 << 20)

static int
next(const void *arg, void *result)
{
	*(int *)result = *(const int *)arg + 1;
	return 0;
}

static int
copy(const void *arg, void *result)
{
	memcpy(result, arg, MIB);
	return 0;
}

static conc_executor *
new_pool(int workers)
{
	conc_executor *pool;

	require(conc_process_pool_create(&pool, CONC_PROCESS_POOL(.workers = workers)) == 0,
	    "pool");
	return pool;
}

static void
map_all(conc_executor *pool, int *numbers, int *results, int n)
{
	for (int i = 0; i < n; i++)
		numbers[i] = i;
	require(conc_map(pool, next, (size_t)n, numbers, sizeof *numbers, results,
		    sizeof *results, NULL) == 0,
	    "map");
	for (int i = 0; i < n; i++)
		require(results[i] == i + 1, "results");
}

/* A pool of so many workers is made, maps ten numbers, and is destroyed. */
static double
whole_life(int workers)
{
	double start = 0;

	for (int i = -2; i < POOLS; i++) {
		conc_executor *pool;
		int numbers[10], results[10];

		if (i == 0)
			start = now();
		pool = new_pool(workers);
		map_all(pool, numbers, results, 10);
		conc_executor_destroy(pool);
	}
	return (now() - start) / POOLS / 1e3;
}

static double
bench_life_2(void)
{
	return whole_life(2);
}

static double
bench_life_4(void)
{
	return whole_life(4);
}

static double
bench_life_8(void)
{
	return whole_life(8);
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

static double
bench_submit(void)
{
	static conc_future *futures[BURST];
	conc_executor *pool = new_pool(WORKERS);
	double start = 0;

	for (int done = -2 * BURST; done < TASKS; done += BURST) {
		if (done == 0)
			start = now();
		for (int i = 0; i < BURST; i++)
			submit(pool, i, &futures[i]);
		for (int i = 0; i < BURST; i++)
			receive(futures[i], i);
	}
	start = now() - start;
	conc_executor_destroy(pool);
	return start / TASKS;
}

static double
bench_map(void)
{
	conc_executor *pool = new_pool(WORKERS);
	int *numbers = calloc(TASKS, sizeof *numbers);
	int *results = calloc(TASKS, sizeof *results);
	double start;

	require(numbers && results, "memory");
	map_all(pool, numbers, results, WARM_UP);
	start = now();
	map_all(pool, numbers, results, TASKS);
	start = now() - start;
	conc_executor_destroy(pool);
	free(numbers);
	free(results);
	return start / TASKS;
}

static double
bench_round_trip(void)
{
	conc_executor *pool = new_pool(1);
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

static double
bench_large(void)
{
	conc_executor *pool = new_pool(WORKERS);
	conc_future *futures[WINDOW];
	char *data = malloc(MIB);
	double start = 0;

	require(data != NULL, "memory");
	memset(data, 'x', MIB);
	for (int done = -WINDOW; done < LARGE; done += WINDOW) {
		if (done == 0)
			start = now();
		for (int i = 0; i < WINDOW; i++)
			require(conc_submit(pool, copy, data, MIB, MIB, &futures[i]) == 0,
			    "submit");
		for (int i = 0; i < WINDOW; i++) {
			const void *result;
			size_t size;

			require(conc_future_view(futures[i], &result, &size) == 0 &&
				size == MIB && ((const char *)result)[MIB - 1] == 'x',
			    "result");
			conc_future_release(futures[i]);
		}
	}
	start = now() - start;
	conc_executor_destroy(pool);
	free(data);
	return start / LARGE / 1e3;
}

const struct benchmark benchmarks[] = {{"life_2", "us", bench_life_2},
    {"life_4", "us", bench_life_4}, {"life_8", "us", bench_life_8},
    {"submit", "ns", bench_submit}, {"map", "ns", bench_map},
    {"round_trip", "ns", bench_round_trip}, {"large", "us", bench_large}, {NULL, NULL, NULL}};
