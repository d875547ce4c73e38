/* SPDX-License-Identifier: MIT */
#ifndef CONC_QUEUE_H
#define CONC_QUEUE_H

#include <conc/error.h>
#include <conc/time.h>
#include <conc/version.h>
#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Queues: elements on their way from threads that put to threads that get.
 *
 *	conc_queue *lines;
 *	struct line line;
 *
 *	conc_queue_create(&lines, sizeof line, CONC_QUEUE(.capacity = 100));
 *	conc_queue_put(lines, &line, CONC_FOREVER);              any thread
 *	while (conc_queue_get(lines, &line, CONC_FOREVER) == 0)  any thread
 *		...
 *	conc_queue_close(lines);                                 no more will come
 *	conc_queue_destroy(lines);
 *
 * Elements are kept by value: element_size bytes each, copied in and out.
 * They come out in the order they went in (CONC_FIFO), the last first
 * (CONC_LIFO), or the least first (CONC_PRIORITY), where equals keep the order
 * they came in.  A bounded queue makes who puts wait while it is full.  No
 * thread is served before another because it has waited longer.
 *
 * All functions are MT-safe but create and destroy.  Errors that all share:
 * -EINVAL: a NULL where none may be; CONC_EFORKED: the queue belongs to the
 * process we forked from; and -EDEADLK: the call is made by the queue's own
 * compare, or would block in a callback of the library (of a future, a
 * cleanup).  On failure nothing has changed.  The deadline may be CONC_NOW: try.
 */
typedef struct conc_queue conc_queue;

typedef enum conc_queue_order {
	CONC_FIFO,     /* first in, first out */
	CONC_LIFO,     /* last in, first out: a stack */
	CONC_PRIORITY  /* the least first */
} conc_queue_order;

typedef struct conc_queue_options {
	size_t size;     /* sizeof(conc_queue_options) */
	size_t capacity; /* elements that fit in; 0: no limit */
	/*
	 * for CONC_PRIORITY: qsort's; NULL: memcmp, which on most machines is not
	 * the order of numbers.  Runs in the threads that put and get, while all
	 * others wait for the queue; may ask for its size, and must return
	 */
	int (*compare)(const void *a, const void *b);
	/*
	 * called for each element that close_now and destroy drop, in the thread
	 * that calls them, without a lock; or NULL.  Must return
	 */
	void (*destroy)(void *element, void *user);
	void *user; /* handed to destroy */
	conc_queue_order order;
	int flags;  /* 0 */
} conc_queue_options;

#define CONC_QUEUE(...) \
	(&(conc_queue_options){.size = sizeof(conc_queue_options), __VA_ARGS__})
#define CONC_QUEUE_INIT {sizeof(conc_queue_options), 0, NULL, NULL, NULL, CONC_FIFO, 0}

/*
 * conc_queue_create: Return 0 and an empty queue of elements of element_size
 * bytes in *q, which conc_queue_destroy frees.  options may be NULL: all
 * defaults; they are copied.  -EINVAL: q is NULL, element_size 0, the order
 * unknown, a compare without CONC_PRIORITY, an unknown flag, or options->size
 * too small to be one; -E2BIG: options of a newer version use what this
 * library does not know; -ENOMEM: no memory, or a size that no memory can
 * hold; -EAGAIN: the system has no more locks.
 */
CONC_API int conc_queue_create(
    conc_queue **q, size_t element_size, const conc_queue_options *options);

/*
 * conc_queue_destroy: drop what is left through options.destroy, and free the
 * queue.  NULL is fine.  No call may be under way.  In the child of a fork it
 * only frees memory: options.destroy is not called.
 */
CONC_API void conc_queue_destroy(conc_queue *q);

/*
 * conc_queue_put: copy the element in; wait for room until the deadline.
 * Return 0; -ETIMEDOUT: it is full; CONC_ESHUTDOWN: it is closed, also for
 * those who were waiting; -ENOMEM; -EDEADLK.
 */
CONC_API int conc_queue_put(conc_queue *q, const void *element, conc_time deadline);

/*
 * conc_queue_get: take the next element out, into element; wait for one until
 * the deadline.  Return 0; -ETIMEDOUT: it is empty; CONC_ESHUTDOWN: it is
 * empty and closed, also for those who were waiting; -EDEADLK.
 */
CONC_API int conc_queue_get(conc_queue *q, void *element, conc_time deadline);

/*
 * conc_queue_put_many: put the n elements of array in, in order, waiting for
 * room as often as need be, until all are in.  Elements of others may come
 * between only where it waited.  array may be NULL if n is 0.  Return as
 * conc_queue_put.  How many went in, the first ones of array, is stored in *put
 * whatever it returns, unless put is NULL; those are in, and no failure takes
 * them back.
 */
CONC_API int conc_queue_put_many(
    conc_queue *q, const void *array, size_t n, size_t *put, conc_time deadline);

/*
 * conc_queue_get_many: wait until there is an element, then take what is
 * there, max elements (1 or more) at most, into array, and their number into
 * *n.  It does not wait for more.  Return as conc_queue_get; -EINVAL also: max
 * is 0.
 */
CONC_API int conc_queue_get_many(
    conc_queue *q, void *array, size_t max, size_t *n, conc_time deadline);

/* conc_queue_size: how many elements there are now; 0 for NULL or in a forked child. */
CONC_API size_t conc_queue_size(conc_queue *q);

/*
 * conc_queue_task_done: an element that was taken out has been dealt with.
 * Once for each.  Return 0; CONC_ESTATE: so many were never put in.
 */
CONC_API int conc_queue_task_done(conc_queue *q);

/*
 * conc_queue_join: wait until each element that was put in is done: taken out
 * and told by conc_queue_task_done, or dropped by conc_queue_close_now.  Return
 * 0; -ETIMEDOUT; -EDEADLK.
 */
CONC_API int conc_queue_join(conc_queue *q, conc_time deadline);

/*
 * conc_queue_close: nothing goes in any more, for good.  What is there can be
 * taken out; then get says CONC_ESHUTDOWN.  Whoever waits in put does so at
 * once.  Return 0, also when it is closed already.
 */
CONC_API int conc_queue_close(conc_queue *q);

/*
 * conc_queue_close_now: close it, and drop what is there through
 * options.destroy, in any order; they count as done when all are destroyed.
 * Return 0, also when it is closed already.
 */
CONC_API int conc_queue_close_now(conc_queue *q);

/*
 * conc_queue_fd: Return a descriptor that polls readable while a get would not
 * block: there is an element, or the queue is closed.  It is level-triggered;
 * another thread may be faster, so get with CONC_NOW.  For poll and its kin
 * only: never read, write or close it.  It is made at the first call, and lives
 * as long as the queue.  -EMFILE, -ENFILE, -ENOMEM: none can be had.
 */
CONC_API int conc_queue_fd(conc_queue *q);

#ifdef __cplusplus
}
#endif

#endif
