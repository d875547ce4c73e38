/* SPDX-License-Identifier: MIT */
/*
 * libconc's side of the benchmarks of processes; see bench/processes for what
 * is measured.
 */
#include "pool.h"

#define POOLS 20     /* made and destroyed */
#define WINDOW 8     /* large tasks on their way at a time */
#define LARGE 128    /* of them in all */
#define MIB (1 << 20)

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
		map_numbers(pool, numbers, results, 10);
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

static double
bench_submit(void)
{
	return submit_in_bursts(new_pool(WORKERS), BURST);
}

static double
bench_map(void)
{
	return map_all(new_pool(WORKERS));
}

static double
bench_round_trip(void)
{
	return round_trips(new_pool(1));
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
