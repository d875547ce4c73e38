/* SPDX-License-Identifier: MIT */
#ifndef BENCH_QUEUE_H
#define BENCH_QUEUE_H

/*
 * Threads that hand pointers over through a queue: so many put, as many get,
 * and what arrived is checked.  A program defines the queue's functions; the
 * benchmarks are here.
 */
#include "bench.h"
#include <pthread.h>
#include <stdint.h>

#define ITEMS 2000000 /* handed over in all */
#define MOST 4        /* threads at an end */

static void *make(size_t capacity); /* 0: no limit */
static void put(void *queue, void *item);
static void *get(void *queue);
static void destroy(void *queue);

struct end {
	pthread_t thread;
	void *queue;
	long n;       /* items to put; or those that were got */
	uint64_t sum; /* of them */
};

static void *
put_all(void *arg)
{
	struct end *e = arg;

	for (long i = 1; i <= e->n; i++) {
		put(e->queue, (void *)(intptr_t)i);
		e->sum += (uint64_t)i;
	}
	return NULL;
}

/* Until the item that ends it. */
static void *
get_all(void *arg)
{
	struct end *e = arg;
	intptr_t item;

	while ((item = (intptr_t)get(e->queue)) != -1) {
		e->n++;
		e->sum += (uint64_t)item;
	}
	return NULL;
}

/* From so many threads to as many, all together ITEMS; nanoseconds an item. */
static double
transfer(int threads, size_t capacity)
{
	void *queue = make(capacity);
	struct end from[MOST] = {{0}}, to[MOST] = {{0}};
	uint64_t sum = 0;
	double time = now();

	for (int i = 0; i < threads; i++) {
		from[i] = (struct end){.queue = queue, .n = ITEMS / threads};
		to[i] = (struct end){.queue = queue};
		require(pthread_create(&from[i].thread, NULL, put_all, &from[i]) == 0 &&
			pthread_create(&to[i].thread, NULL, get_all, &to[i]) == 0,
		    "threads");
	}
	for (int i = 0; i < threads; i++) {
		pthread_join(from[i].thread, NULL);
		sum += from[i].sum;
	}
	for (int i = 0; i < threads; i++)
		put(queue, (void *)(intptr_t)-1);
	for (int i = 0; i < threads; i++) {
		pthread_join(to[i].thread, NULL);
		sum -= to[i].sum;
	}
	time = now() - time;
	require(sum == 0, "what was put is what was got");
	destroy(queue);
	return time / ITEMS;
}

#define BENCH(name, threads, capacity)                \
	static double name(void)                      \
	{                                             \
		return transfer(threads, capacity);   \
	}
BENCH(open_1, 1, 0)
BENCH(open_2, 2, 0)
BENCH(open_4, 4, 0)
BENCH(bounded_1, 1, 1024)
BENCH(bounded_2, 2, 1024)
BENCH(bounded_4, 4, 1024)

const struct benchmark benchmarks[] = {{"open_1", "ns", open_1}, {"open_2", "ns", open_2},
    {"open_4", "ns", open_4}, {"bounded_1", "ns", bounded_1}, {"bounded_2", "ns", bounded_2},
    {"bounded_4", "ns", bounded_4}, {NULL, NULL, NULL}};

#endif
