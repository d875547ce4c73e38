/* SPDX-License-Identifier: MIT */
/*
 * libconc's side of the benchmarks; see bench/run for what is measured.
 */
#include "pool.h"
#include <semaphore.h>
#include <stdatomic.h>

static atomic_int left; /* tasks of fire() that have not run */
static sem_t begun, go, finished;

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

static double
bench_submit(void)
{
	return submit_in_bursts(new_pool(WORKERS), BURST);
}

static double
bench_hold(void)
{
	return submit_in_bursts(new_pool(WORKERS), TASKS);
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
	return round_trips(new_pool(WORKERS));
}

static double
bench_map(void)
{
	return map_all(new_pool(WORKERS));
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
