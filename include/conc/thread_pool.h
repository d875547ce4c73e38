/* SPDX-License-Identifier: MIT */
#ifndef CONC_THREAD_POOL_H
#define CONC_THREAD_POOL_H

#include <conc/error.h>
#include <conc/executor.h>
#include <conc/version.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Thread pools: an executor whose tasks run in threads of this process.
 *
 *	conc_executor *pool;
 *
 *	rc = conc_thread_pool_create(&pool, CONC_THREAD_POOL(.workers = 4, .name = "io"));
 *	...
 *	conc_executor_destroy(pool);
 *
 * Workers are started as tasks need them, an idle one before a new one, and
 * named NAME-INDEX.  If no thread can be started the pool lives with those it
 * has; submit fails only if there are none.  If the last one leaves by
 * pthread_exit and no other can be started, what is queued fails with
 * CONC_EBROKEN, though the pool is not broken.  All signals are blocked in them
 * but ILL, TRAP, BUS, FPE, SEGV, SYS, PIPE and PROF.  An idle pool uses no CPU.
 *
 * CONC_KILL asks what runs to stop: a thread cannot be killed.
 */
typedef struct conc_thread_pool_options {
	size_t size;                 /* sizeof(conc_thread_pool_options) */
	/* for thread names (15 bytes in all); copied; NULL: "conc" */
	const char *name;
	int workers;                 /* 1 to 4096; 0: as many as there are usable CPUs */
	conc_when_full when_full;    /* what submit does when the queue is full */
	size_t queue_limit;          /* tasks that may wait; 0: no limit */
	int (*init)(void *user);     /* first thing in each worker: 0, or a code; or NULL */
	/* last thing in each worker whose init succeeded; or NULL */
	void (*fini)(void *user);
	void *user;                  /* handed to init, fini and excepthook */
	/* instead of the program's, for this pool's tasks; or NULL */
	conc_excepthook *excepthook;
	size_t stack_size;           /* of each worker, bytes; 0: the system's default */
	int64_t idle_timeout;        /* a worker idle for so long ends, ns; 0: never */
	int pin;                     /* 1: tie each worker to one of the usable CPUs, in turn */
	int flags;                   /* 0 */
} conc_thread_pool_options;

#define CONC_THREAD_POOL(...) \
	(&(conc_thread_pool_options){.size = sizeof(conc_thread_pool_options), __VA_ARGS__})
#define CONC_THREAD_POOL_INIT                                                        \
	{sizeof(conc_thread_pool_options), NULL, 0, CONC_BLOCK, 0, NULL, NULL, NULL, \
	    NULL, 0, 0, 0, 0}

/*
 * conc_thread_pool_create: make a thread pool.
 *
 * Return 0 and the pool in *ex, which conc_executor_destroy frees.  options
 * may be NULL: all defaults; they are copied.  "Usable CPUs" are those of this
 * process's affinity mask, cut to its cgroup's quota, rounded up.
 * -EINVAL: ex is NULL, a number out of its range, an unknown flag, or
 * options->size is too small to be one; -E2BIG: options of a newer version
 * use what this library does not know; -ENOMEM; -EAGAIN: the system has no
 * more locks.
 *
 * When init fails the pool is broken: what is queued fails with CONC_EBROKEN,
 * whose cause is init's exception, and so does every submit from then on.
 * What other workers run finishes.
 */
CONC_API int conc_thread_pool_create(
    conc_executor **ex, const conc_thread_pool_options *options);

#ifdef __cplusplus
}
#endif

#endif
