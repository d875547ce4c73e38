/* SPDX-License-Identifier: MIT */
/*
 * What a round trip to another process costs at least: two processes, two
 * pipes, an int there and an int back.
 */
#include "bench.h"
#include <sys/wait.h>

static double
bench_round_trip(void)
{
	int there[2], back[2], n;
	double start = 0;
	pid_t child;

	require(pipe(there) == 0 && pipe(back) == 0, "pipe");
	child = fork();
	require(child >= 0, "fork");
	if (child == 0) {
		close(there[1]);
		while (read(there[0], &n, sizeof n) == sizeof n) {
			n++;
			if (write(back[1], &n, sizeof n) != sizeof n)
				_exit(1);
		}
		_exit(0);
	}
	for (int i = -WARM_UP / 10; i < ROUND_TRIPS; i++) {
		if (i == 0)
			start = now();
		require(write(there[1], &i, sizeof i) == sizeof i &&
			read(back[0], &n, sizeof n) == sizeof n && n == i + 1,
		    "round trip");
	}
	start = now() - start;
	close(there[1]);
	require(waitpid(child, NULL, 0) == child, "child");
	return start / ROUND_TRIPS;
}

const struct benchmark benchmarks[] = {
    {"round_trip", "ns", bench_round_trip}, {NULL, NULL, NULL}};
