/* SPDX-License-Identifier: MIT */
#ifndef BENCH_H
#define BENCH_H

/*
 * What the benchmarks share: how much they do, a clock, a scale for memory, and
 * main().  A program defines benchmarks[]; it runs the one named on its command
 * line and prints "name value unit".
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define WORKERS 2
#define WARM_UP 20000     /* tasks before the clock starts */
#define TASKS 1000000     /* submitted in all */
#define BURST 10000       /* and waited for before the next ones */
#define ROUND_TRIPS 20000 /* submitted one by one */
#define QUEUED 200000     /* waiting while memory is weighed */

struct benchmark {
	const char *name, *unit;
	double (*run)(void);
};

extern const struct benchmark benchmarks[];

static void
require(int truth, const char *what)
{
	if (!truth) {
		fprintf(stderr, "benchmark is broken: %s\n", what);
		exit(1);
	}
}

/* Nanoseconds since some moment. */
static double
now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

/* Bytes of memory that this process has in use, in whole pages. */
static inline double
resident(void)
{
	long pages = -1;
	FILE *f = fopen("/proc/self/statm", "r");

	require(f && fscanf(f, "%*d %ld", &pages) == 1, "no /proc/self/statm");
	fclose(f);
	return (double)pages * (double)sysconf(_SC_PAGESIZE);
}

int
main(int argc, char **argv)
{
	const struct benchmark *b = benchmarks;

	while (b->name && (argc != 2 || strcmp(b->name, argv[1]) != 0))
		b++;
	require(b->name != NULL, "no such benchmark");
	printf("%s %.1f %s\n", b->name, b->run(), b->unit);
	return 0;
}

#endif
