/* SPDX-License-Identifier: MIT */
/*
 * libconc's side of the benchmarks.  Each task takes an int and gives one back,
 * so that its caller can see that it ran; see bench/run for what is measured.
 */
#include "bench.h"
#include <conc/conc.h>
#include <semaphore.h>
#include <stdatomic.h>

static atomic_int left; /* tasks of fire() that have not run */
static sem_t begun, go, finished;

static int
next(const void *arg, void *result)
{
	*(int *)result = *(const int *)arg + 1;
	return 0;
}

static int
count_down(const void *arg, void *result)
{
	(void)arg;
	(void)result;
	if (atomic_fetch_sub(&left, 1) == 1)
		sem_post(&finished);
	return 0;
}

static int
stand_in_the_way(const void *arg, void *result)
{
	(void)arg;
	(void)result;
	sem_post(&begun);
	sem_wait(&go);
	return 0;
}

static conc_executor *
new_pool(int workers)
{
	conc_executor *pool;

	require(conc_thread_pool_create(&pool, CONC_THREAD_POOL(.workers = workers)) == 0,
	    "pool");
	return pool;
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

/* TASKS tasks in bursts of so many; nanoseconds a task. */
static double
submit_in_bursts(int burst)
{
	conc_executor *pool = new_pool(WORKERS);
	conc_future **futures = room_for(burst);
	double time;

	submit_all(pool, futures, burst < WARM_UP ? burst : WARM_UP);
	time = now();
	for (int i = 0; i < TASKS; i += burst)
		submit_all(pool, futures, burst);
	time = now() - time;
	conc_executor_destroy(pool);
	free(futures);
	return time / TASKS;
}

static double
bench_submit(void)
{
	return submit_in_bursts(BURST);
}

static double
bench_hold(void)
{
	return submit_in_bursts(TASKS);
}

static double
fire_all(conc_executor *pool, int n)
{
	double start = now();

	atomic_store(&left, n);
	for (int i = 0; i < n; i++)
		require(conc_submit(pool, count_down, &i, sizeof i, 0, NULL) == 0, "submit");
	sem_wait(&finished);
	return now() - start;
}

static double
bench_fire(void)
{
	conc_executor *pool = new_pool(WORKERS);
	double time;

	sem_init(&finished, 0, 0);
	fire_all(pool, WARM_UP);
	time = fire_all(pool, TASKS);
	conc_executor_destroy(pool);
	return time / TASKS;
}

static double
bench_round_trip(void)
{
	conc_executor *pool = new_pool(WORKERS);
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
map_all(conc_executor *pool, int *numbers, int *results, int n)
{
	double start = now();

	require(conc_map(pool, next, (size_t)n, numbers, sizeof *numbers, results,
		    sizeof *results, NULL) == 0,
	    "map");
	return now() - start;
}

static double
bench_map(void)
{
	conc_executor *pool = new_pool(WORKERS);
	int *numbers = calloc(TASKS, sizeof *numbers);
	int *results = calloc(TASKS, sizeof *results);
	double time;

	require(numbers && results, "memory");
	for (int i = 0; i < TASKS; i++)
		numbers[i] = i;
	map_all(pool, numbers, results, WARM_UP);
	time = map_all(pool, numbers, results, TASKS);
	for (int i = 0; i < TASKS; i++)
		require(results[i] == i + 1, "results");
	conc_executor_destroy(pool);
	free(numbers);
	free(results);
	return time / TASKS;
}

static double
bench_memory(void)
{
	conc_executor *pool = new_pool(1);
	conc_future **futures = room_for(QUEUED);
	double bytes;

	sem_init(&begun, 0, 0);
	sem_init(&go, 0, 0);
	require(conc_submit(pool, stand_in_the_way, NULL, 0, 0, NULL) == 0, "submit");
	sem_wait(&begun);
	bytes = resident();
	for (int i = 0; i < QUEUED; i++)
		submit(pool, i, &futures[i]);
	bytes = resident() - bytes;
	sem_post(&go);
	for (int i = 0; i < QUEUED; i++)
		receive(futures[i], i);
	conc_executor_destroy(pool);
	free(futures);
	return bytes / QUEUED;
}

const struct benchmark benchmarks[] = {{"submit", "ns", bench_submit},
    {"hold", "ns", bench_hold}, {"fire", "ns", bench_fire},
    {"round_trip", "ns", bench_round_trip}, {"map", "ns", bench_map},
    {"memory", "bytes", bench_memory}, {NULL, NULL, NULL}};
