/* SPDX-License-Identifier: MIT */
#ifndef CONC_TESTS_STORM_FATE_H
#define CONC_TESTS_STORM_FATE_H

/*
 * What is to become of each task and item of a storm: it all follows from its
 * number.  And the function that they all are, which does it.
 */
#include <conc/conc.h>
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

enum { MOST_WORKERS = 64, PARTS = 10, ITEMS = 4 };
enum fate { LIVES, BY_SIGSEGV, BY_SIGKILL, BY_EXIT, BY_HANG, FATES };

/* Shared by host and workers. */
static struct books {
	atomic_int met;               /* see meet_task */
	atomic_int pid[MOST_WORKERS]; /* of each worker */
	atomic_uchar runs[];          /* of each task or item */
} *books;

static long tasks, kills;

static uint32_t
hash(uint32_t x)
{
	x = (x ^ x >> 16) * 0x45d9f3bu;
	x = (x ^ x >> 16) * 0x45d9f3bu;
	return x ^ x >> 16;
}

/* A number below n that depends on i, another one for each use. */
static long
pick(long i, uint32_t use, long n)
{
	return (long)(hash((uint32_t)i + use * 0x9e3779b9u) % (uint32_t)n);
}

/* Of each part one in ITEMS is an item: the last ones. */
static long
part(int n)
{
	return tasks * n / PARTS;
}

static long
first_item(int n)
{
	return part(n + 1) - (part(n + 1) - part(n)) / ITEMS;
}

static bool
is_item(long i)
{
	int n = (int)(i * PARTS / tasks);

	while (i >= part(n + 1))
		n++;
	return i >= first_item(n);
}

/* One of each so many is to die.  No item hangs: its limit would be that of all of its map. */
static enum fate
fate_of(long i)
{
	long every = tasks / kills, h;

	if (i % every != pick(i / every, 1, every))
		return LIVES;
	h = pick(i, 2, 100);
	if (h < 4 && !is_item(i))
		return BY_HANG;
	return h < 36 ? BY_SIGSEGV : h < 68 ? BY_SIGKILL : BY_EXIT;
}

/* So many of its runs die, if it has so many. */
static int
deaths_of(long i)
{
	return fate_of(i) == LIVES ? 0 : 1 + (int)pick(i, 3, 3);
}

static int
retries_of(long i)
{
	return pick(i, 4, 8) < 2 ? 1 + (int)pick(i, 5, 2) : 0;
}

/* How its end is told: to the cleanup, to a callback, or to none. */
static enum { BY_NONE, BY_CLEANUP, BY_CALLBACK }
told(long i)
{
	/* With neither, whoever waits for it may read the worker's pipe himself. */
	return fate_of(i) == BY_HANG ? BY_CLEANUP : (unsigned)(i % 3);
}

/* Does it run so long that it may be asked to stop? */
static bool
lingers(long i)
{
	return pick(i, 6, 64) == 0;
}

static int
storm_task(const void *arg, void *result)
{
	long i = *(const long *)arg;

	atomic_store(&books->pid[conc_worker_index() % MOST_WORKERS], getpid());
	if (atomic_fetch_add(&books->runs[i], 1) < deaths_of(i))
		switch (fate_of(i)) {
		case BY_SIGSEGV:
			signal(SIGSEGV, SIG_DFL);
			raise(SIGSEGV);
			break;
		case BY_SIGKILL:
			raise(SIGKILL);
			break;
		case BY_EXIT:
			exit((int)(i & 1));
		case BY_HANG:
			for (;;)
				pause();
		default:
			break;
		}
	for (int n = 0; lingers(i) && n < 50 && !conc_cancelled(); n++)
		sched_yield();
	if (lingers(i) && conc_cancelled())
		return -ECANCELED;
	*(long *)result = i * 3;
	return 0;
}

#endif
