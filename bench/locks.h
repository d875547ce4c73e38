/* SPDX-License-Identifier: MIT */
#ifndef BENCH_LOCKS_H
#define BENCH_LOCKS_H

/*
 * What is asked of libconc's locks and of pthreads'.  A program defines take(),
 * give(), take_again(), give_again(), await() and wake() on objects of its own,
 * includes this, and has all benchmarks; see bench/locks.
 */
#include "bench.h"
#include <pthread.h>

#define TIMES 10000000 /* a lock is taken and released */
#define PASSES 200000  /* of a ball from one thread to the other, and back */

static long counter;

/* In a program of one thread, which needs no lock, glibc's do without atomics: hence two. */
static void *
nothing(void *arg)
{
	return arg;
}

static void
begin(void)
{
	pthread_t thread;

	require(pthread_create(&thread, NULL, nothing, NULL) == 0, "thread");
	require(pthread_join(thread, NULL) == 0, "thread");
}

static void *
count(void *arg)
{
	for (int i = 0; i < TIMES; i++) {
		take();
		counter++;
		give();
	}
	return arg;
}

static double
bench_lock(void)
{
	double time;

	begin();
	time = now();
	count(NULL);
	return (now() - time) / TIMES;
}

static double
bench_rlock(void)
{
	double time;

	begin();
	time = now();
	for (int i = 0; i < TIMES; i++) {
		take_again();
		counter++;
		give_again();
	}
	return (now() - time) / TIMES;
}

/* Nanoseconds of the two together for each time that one of them has the lock. */
static double
bench_two_threads(void)
{
	pthread_t other;
	double time = now();

	require(pthread_create(&other, NULL, count, NULL) == 0, "thread");
	count(NULL);
	require(pthread_join(other, NULL) == 0, "thread");
	require(counter == 2L * TIMES, "two at a time");
	return (now() - time) / (2.0 * TIMES);
}

static int side; /* where the ball is, under the lock */

static void
play(int mine)
{
	for (int i = 0; i < PASSES; i++) {
		take();
		while (side != mine)
			await();
		side = !mine;
		wake();
		give();
	}
}

static void *
play_there(void *arg)
{
	play(1);
	return arg;
}

static double
bench_ping_pong(void)
{
	pthread_t other;
	double time = now();

	require(pthread_create(&other, NULL, play_there, NULL) == 0, "thread");
	play(0);
	require(pthread_join(other, NULL) == 0, "thread");
	return (now() - time) / PASSES;
}

const struct benchmark benchmarks[] = {{"lock", "ns", bench_lock},
    {"rlock", "ns", bench_rlock}, {"two_threads", "ns", bench_two_threads},
    {"ping_pong", "ns", bench_ping_pong}, {NULL, NULL, NULL}};

#endif
