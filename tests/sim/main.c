/* SPDX-License-Identifier: MIT */

/*
 * The simulator's command line.
 *
 *	sim [-n SCHEDULES] [-s SEED] [-m random|pct|both] [-j JOBS] [scenario ...]
 *	sim --sweep [-n SEEDS] [-s SEED] [-j JOBS] [scenario ...]
 *	sim -l
 *
 * Runs the scenarios named, or all; one line each.  Schedule i of a scenario
 * has the seed SEED + i, whatever the number of jobs.  -k K lets the K-th call
 * that can fail do so, with -p all after it too: to run a failure of the sweep
 * again.  Exits with 1 if a scenario fails.
 */
#include "engine.h"
#include <getopt.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { TABLE = 1 << 21, SWEEP_MOST = 20000 };
enum { RANDOM = 1, PCT = 2 };
enum { FAILED = 1, FOUND };

static struct {
	uint64_t n, seed;
	int modes, jobs;
	unsigned fail_at;
	bool sweep, fail_on;
} options = {.n = 0, .seed = 1, .modes = RANDOM | PCT, .jobs = 1};

/* What the jobs share. */
static struct shared {
	uint64_t runs, steps, distinct;
	unsigned stop;          /* 0, or why */
	uint64_t hashes[TABLE]; /* of the traces seen; open addressing, 0 is free */
} *shared;

static void
count_trace(uint64_t hash)
{
	if (shared->distinct > TABLE / 4 * 3)
		return;
	for (uint64_t i = hash | 1;; i++) {
		uint64_t *slot = &shared->hashes[i % TABLE], old = 0;

		if (__atomic_compare_exchange_n(
			slot, &old, hash | 1, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED)) {
			__atomic_fetch_add(&shared->distinct, 1, __ATOMIC_RELAXED);
			return;
		}
		if (old == (hash | 1))
			return;
	}
}

/* Run it; of failures that are not wanted the first is told.  True: go on. */
static bool
one(const struct sim_run *run)
{
	bool good = sim_execute(run);

	__atomic_fetch_add(&shared->runs, 1, __ATOMIC_RELAXED);
	__atomic_fetch_add(&shared->steps, sim.steps, __ATOMIC_RELAXED);
	if (!good && !run->scenario->must_fail) {
		if (!__atomic_exchange_n(&shared->stop, FAILED, __ATOMIC_RELAXED))
			sim_report(stdout);
	} else if (!good && strstr(sim.reason, run->scenario->must_fail))
		__atomic_store_n(&shared->stop, FOUND, __ATOMIC_RELAXED);
	return !__atomic_load_n(&shared->stop, __ATOMIC_RELAXED);
}

static struct sim_run
schedule(struct sim_scenario *scenario, uint64_t length, uint64_t i)
{
	bool pct = options.modes == PCT || (options.modes == (RANDOM | PCT) && i % 2);

	return (struct sim_run){.scenario = scenario,
	    .seed = options.seed + i,
	    .mode = pct ? SIM_MODE_PCT : SIM_MODE_RANDOM,
	    .length = length,
	    .fail_at = options.fail_at,
	    .fail_on = options.fail_on};
}

/* The same seed must give the same run. */
static void
check_replay(const struct sim_run *run)
{
	uint64_t hash, steps;

	sim_execute(run);
	hash = sim.hash;
	steps = sim.steps;
	sim_execute(run);
	if (hash == sim.hash && steps == sim.steps)
		return;
	sim.failed = false;
	sim_note("two runs with this seed differ: the scenario or the library depends on"
		 " addresses, on real time, or on state that outlives a run");
	if (!__atomic_exchange_n(&shared->stop, FAILED, __ATOMIC_RELAXED))
		sim_report(stdout);
}

static void
explore(struct sim_scenario *scenario, uint64_t job)
{
	uint64_t length = sim_measure(scenario);

	for (uint64_t i = job; i < options.n; i += (uint64_t)options.jobs) {
		struct sim_run run = schedule(scenario, length, i);

		if (i < 2 && options.n > 1)
			check_replay(&run);
		if (!one(&run))
			return;
		count_trace(sim.hash);
	}
}

/* Every call that can fail, once, and with all that come after it. */
static void
sweep(struct sim_scenario *scenario, uint64_t job)
{
	uint64_t length = sim_measure(scenario);

	for (uint64_t i = job; i < 2 * options.n; i += (uint64_t)options.jobs)
		for (unsigned k = 1; k <= SWEEP_MOST; k++) {
			struct sim_run run = schedule(scenario, length, i / 2);

			run.fail_at = k;
			run.fail_on = i % 2;
			if (!one(&run))
				return;
			count_trace(sim.hash);
			if (sim.calls < k)
				break;
		}
}

static double
seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void
run_jobs(struct sim_scenario *scenario)
{
	void (*work)(struct sim_scenario *, uint64_t) = options.sweep ? sweep : explore;
	int status;

	if (options.jobs == 1) {
		work(scenario, 0);
		return;
	}
	fflush(stdout);
	for (int job = 0; job < options.jobs; job++) {
		pid_t pid = fork();

		if (pid < 0) {
			perror("sim: fork");
			exit(2);
		}
		if (pid == 0) {
			work(scenario, (uint64_t)job);
			fflush(stdout);
			_exit(0);
		}
	}
	while (wait(&status) > 0)
		if (status)
			shared->stop = FAILED;
}

static bool
run_scenario(struct sim_scenario *scenario)
{
	double begin = seconds(), took;
	bool good;

	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (shared == MAP_FAILED) {
		perror("sim: mmap");
		exit(2);
	}
	run_jobs(scenario);
	took = seconds() - begin;
	good = shared->stop == (scenario->must_fail ? FOUND : 0);
	printf("%-36s %9llu %s %9.0f/s %6.0f steps %9llu traces  %s\n", scenario->name,
	    (unsigned long long)shared->runs, options.sweep ? "failures " : "schedules",
	    (double)shared->runs / (took + 1e-9),
	    (double)shared->steps / ((double)shared->runs + 1e-9),
	    (unsigned long long)shared->distinct,
	    good                      ? scenario->must_fail ? "found" : "ok"
		: scenario->must_fail ? "NOT FOUND"
				      : "FAILED");
	fflush(stdout);
	munmap(shared, sizeof(*shared));
	return good;
}

static int
usage(void)
{
	fputs("usage: sim [-n schedules] [-s seed] [-m random|pct|both] [-j jobs] [--sweep]\n"
	      "           [-k failing-call [-p]] [-l] [scenario ...]\n",
	    stderr);
	return 2;
}

static int
parse(int argc, char **argv)
{
	static const struct option longer[] = {{"sweep", no_argument, NULL, 'S'}, {0}};
	int c;

	while ((c = getopt_long(argc, argv, "n:s:m:j:k:pl", longer, NULL)) != -1) {
		switch (c) {
		case 'n': options.n = strtoull(optarg, NULL, 0); break;
		case 's': options.seed = strtoull(optarg, NULL, 0); break;
		case 'j': options.jobs = atoi(optarg); break;
		case 'k': options.fail_at = (unsigned)atoi(optarg); break;
		case 'p': options.fail_on = true; break;
		case 'S': options.sweep = true; break;
		case 'm':
			options.modes = strcmp(optarg, "random") == 0 ? RANDOM
			    : strcmp(optarg, "pct") == 0              ? PCT
			    : strcmp(optarg, "both") == 0             ? RANDOM | PCT
								      : 0;
			break;
		case 'l':
			for (struct sim_scenario *s = sim_scenarios; s; s = s->next)
				puts(s->name);
			exit(0);
		default: return usage();
		}
	}
	if (options.jobs < 1 || options.modes == 0)
		return usage();
	if (options.n == 0)
		options.n = options.sweep ? 4 : 20000;
	return 0;
}

int
main(int argc, char **argv)
{
	unsigned failed = 0, run = 0;
	int rc = parse(argc, argv);

	if (rc)
		return rc;
	sim_crash_watch();
	for (struct sim_scenario *s = sim_scenarios; s; s = s->next) {
		bool wanted = optind == argc && !(options.sweep && s->must_fail);

		for (int i = optind; i < argc; i++)
			wanted |= strcmp(argv[i], s->name) == 0;
		if (!wanted)
			continue;
		run++;
		failed += !run_scenario(s);
	}
	if (run == 0) {
		fputs("sim: no such scenario; -l lists them\n", stderr);
		return 2;
	}
	if (failed)
		printf("%u of %u scenarios FAILED\n", failed, run);
	return failed != 0;
}
