/* SPDX-License-Identifier: MIT */
/*
 * GLib's side of the benchmarks: a GThreadPool, which runs one function on
 * pointers and has no futures.  Whoever wants to know when a task has ended
 * counts, and waits for a semaphore; so do we.
 */
#include "bench.h"
#include <glib.h>
#include <semaphore.h>
#include <stdatomic.h>

static atomic_int left;
static sem_t begun, go, finished;

static void
count_down(gpointer item, gpointer user)
{
	(void)item;
	(void)user;
	if (atomic_fetch_sub(&left, 1) == 1)
		sem_post(&finished);
}

static void
next(gpointer item, gpointer user)
{
	++*(int *)item;
	count_down(item, user);
}

/* The first task stands in the way of the others. */
static void
block(gpointer item, gpointer user)
{
	if (GPOINTER_TO_INT(item) == QUEUED) {
		sem_post(&begun);
		sem_wait(&go);
	}
	count_down(item, user);
}

static GThreadPool *
new_pool(GFunc fn, int workers)
{
	GThreadPool *pool = g_thread_pool_new(fn, NULL, workers, TRUE, NULL);

	require(pool != NULL, "pool");
	sem_init(&begun, 0, 0);
	sem_init(&go, 0, 0);
	sem_init(&finished, 0, 0);
	return pool;
}

static void
push(GThreadPool *pool, gpointer item)
{
	require(g_thread_pool_push(pool, item, NULL), "push");
}

/* Push the numbers 1 to n, wait for the last; nanoseconds for all. */
static double
push_all(GThreadPool *pool, int n)
{
	double start = now();

	atomic_store(&left, n);
	for (int i = 1; i <= n; i++) /* NULL is no item */
		push(pool, GINT_TO_POINTER(i));
	sem_wait(&finished);
	return now() - start;
}

static double
bench_bursts(void)
{
	GThreadPool *pool = new_pool(count_down, WORKERS);
	double time = 0;

	push_all(pool, BURST);
	for (int i = 0; i < TASKS; i += BURST)
		time += push_all(pool, BURST);
	g_thread_pool_free(pool, FALSE, TRUE);
	return time / TASKS;
}

static double
bench_push(void)
{
	GThreadPool *pool = new_pool(count_down, WORKERS);
	double time;

	push_all(pool, WARM_UP);
	time = push_all(pool, TASKS);
	g_thread_pool_free(pool, FALSE, TRUE);
	return time / TASKS;
}

static double
bench_round_trip(void)
{
	GThreadPool *pool = new_pool(count_down, WORKERS);
	double start = 0;

	for (int i = -WARM_UP / 10; i < ROUND_TRIPS; i++) {
		if (i == 0)
			start = now();
		push_all(pool, 1);
	}
	start = now() - start;
	g_thread_pool_free(pool, FALSE, TRUE);
	return start / ROUND_TRIPS;
}

/* What a map looks like without one: an item is a pointer to its place in the array. */
static double
map_all(GThreadPool *pool, int *numbers, int n)
{
	double start = now();

	atomic_store(&left, n);
	for (int i = 0; i < n; i++)
		push(pool, &numbers[i]);
	sem_wait(&finished);
	return now() - start;
}

static double
bench_map(void)
{
	GThreadPool *pool = new_pool(next, WORKERS);
	int *numbers = calloc(TASKS, sizeof *numbers);
	double time;

	require(numbers != NULL, "memory");
	map_all(pool, numbers, WARM_UP);
	for (int i = 0; i < TASKS; i++)
		numbers[i] = i;
	time = map_all(pool, numbers, TASKS);
	for (int i = 0; i < TASKS; i++)
		require(numbers[i] == i + 1, "results");
	g_thread_pool_free(pool, FALSE, TRUE);
	free(numbers);
	return time / TASKS;
}

static double
bench_memory(void)
{
	GThreadPool *pool = new_pool(block, 1);
	double bytes;

	atomic_store(&left, QUEUED + 1);
	push(pool, GINT_TO_POINTER(QUEUED));
	sem_wait(&begun);
	bytes = resident();
	for (int i = 0; i < QUEUED; i++)
		push(pool, GINT_TO_POINTER(QUEUED + 1));
	bytes = resident() - bytes;
	sem_post(&go);
	sem_wait(&finished);
	g_thread_pool_free(pool, FALSE, TRUE);
	return bytes / QUEUED;
}

const struct benchmark benchmarks[] = {{"submit", "ns", bench_bursts},
    {"hold", "ns", bench_push}, {"fire", "ns", bench_push},
    {"round_trip", "ns", bench_round_trip}, {"map", "ns", bench_map},
    {"memory", "bytes", bench_memory}, {NULL, NULL, NULL}};
