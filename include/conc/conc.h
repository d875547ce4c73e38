/* SPDX-License-Identifier: MIT */
#ifndef CONC_H
#define CONC_H

/*
 * libconc: the concurrent.futures and multiprocessing of C.
 *
 *	error.h         codes, exceptions, the excepthook
 *	log.h           where they are told
 *	time.h          deadlines and durations
 *	future.h        results that are not there yet: wait, completions, promise
 *	executor.h      the door to every pool: submit, map, shutdown
 *	thread_pool.h   the pool of threads
 *	process_pool.h  the pool of processes
 *	thread.h        one function in a thread of its own
 *	list.h          a locked list
 *	queue.h         a queue
 *	sync.h          lock, rlock, condition, once, semaphore, event, barrier
 *	version.h       the version
 *
 * Each header is complete in itself; this one includes them all.  conc(7) is
 * the manual's first page.
 */
#include <conc/error.h>
#include <conc/executor.h>
#include <conc/future.h>
#include <conc/list.h>
#include <conc/log.h>
#include <conc/process_pool.h>
#include <conc/queue.h>
#include <conc/sync.h>
#include <conc/thread.h>
#include <conc/thread_pool.h>
#include <conc/time.h>
#include <conc/version.h>

#endif
