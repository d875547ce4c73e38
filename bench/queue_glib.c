/* SPDX-License-Identifier: MIT */
/*
 * GLib's side of the benchmarks of queues: a GAsyncQueue, which is never full.
 */
#include "queue.h"
#include <glib.h>

static void *
make(size_t capacity)
{
	(void)capacity;
	return g_async_queue_new();
}

static void
put(void *queue, void *item)
{
	g_async_queue_push(queue, item);
}

static void *
get(void *queue)
{
	return g_async_queue_pop(queue);
}

static void
destroy(void *queue)
{
	g_async_queue_unref(queue);
}
