/* SPDX-License-Identifier: MIT */
/*
 * libconc's side of the benchmarks of queues.
 */
#include "queue.h"
#include <conc/conc.h>

static void *
make(size_t capacity)
{
	conc_queue *queue;

	require(
	    conc_queue_create(&queue, sizeof(void *), CONC_QUEUE(.capacity = capacity)) == 0,
	    "queue");
	return queue;
}

static void
put(void *queue, void *item)
{
	require(conc_queue_put(queue, &item, CONC_FOREVER) == 0, "put");
}

static void *
get(void *queue)
{
	void *item;

	require(conc_queue_get(queue, &item, CONC_FOREVER) == 0, "get");
	return item;
}

static void
destroy(void *queue)
{
	conc_queue_destroy(queue);
}
