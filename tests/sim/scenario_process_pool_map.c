/* SPDX-License-Identifier: MIT */
/*
 * A map on a process pool: its items travel together, and leave their results
 * in the worker's page.
 */
#include "scenario_process_pool.h"

enum { ITEMS = 4 };

static void
map(int how)
{
	struct scene s;
	struct job jobs[ITEMS];
	int results[ITEMS] = {0}, codes[ITEMS], rc;

	if (!open_scene(&s, CONC_PROCESS_POOL(.workers = 1)))
		return;
	for (int i = 0; i < ITEMS; i++)
		jobs[i] = (struct job){s.book, i, i == 1 ? how : 0};
	rc = conc_map(s.pool, work, ITEMS, jobs, sizeof *jobs, results, sizeof *results,
	    CONC_MAP(.chunk = 3, .codes = codes));
	conc_clear();
	sim_assert(troubled() ||
	    rc == (how == DIES ? CONC_ECRASHED : how == RAISES ? -EDOM : 0));
	for (int i = 0; i < ITEMS; i++) {
		sim_assert(s.book->runs[i] <= 1);
		sim_assert(troubled() || codes[i] == (i == 1 ? rc : 0));
		sim_assert(troubled() || codes[i] != 0 || results[i] == 100 + i);
	}
	close_scene(&s);
}

SIM_SCENARIO(processes_map)
{
	map(0);
}

SIM_SCENARIO(processes_map_raises)
{
	map(RAISES);
}

SIM_SCENARIO(processes_map_crash_costs_one_item)
{
	map(DIES);
}

/* An item past its limit costs itself alone, too. */
SIM_SCENARIO(processes_map_time_limit)
{
	struct scene s;
	struct job jobs[ITEMS];
	int results[ITEMS] = {0}, codes[ITEMS], rc;

	if (!open_scene(&s, CONC_PROCESS_POOL(.workers = 1)))
		return;
	for (int i = 0; i < ITEMS; i++)
		jobs[i] = (struct job){s.book, i, i == 1 ? NEVER : 0};
	rc = conc_map(s.pool, work, ITEMS, jobs, sizeof *jobs, results, sizeof *results,
	    CONC_MAP(.chunk = 3, .codes = codes, .time_limit = CONC_MS(1)));
	conc_clear();
	/* Of the others any may be slow, too. */
	sim_assert(troubled() || rc == CONC_ETIMELIMIT);
	sim_assert(troubled() || codes[1] == CONC_ETIMELIMIT);
	for (int i = 0; i < ITEMS; i++) {
		sim_assert(s.book->runs[i] <= 1);
		sim_assert(troubled() || codes[i] == 0 || codes[i] == CONC_ETIMELIMIT);
		sim_assert(troubled() || codes[i] != 0 || results[i] == 100 + i);
	}
	close_scene(&s);
}

/* An item ends just as it is late: the time of the next one, which hangs, is kept as well. */
SIM_SCENARIO(processes_map_time_limit_of_the_next)
{
	struct scene s;
	struct job jobs[ITEMS];
	int results[ITEMS] = {0}, codes[ITEMS], rc;

	if (!open_scene(&s, CONC_PROCESS_POOL(.workers = 1)))
		return;
	for (int i = 0; i < ITEMS; i++)
		jobs[i] = (struct job){s.book, i, i == 1 ? SLOW : i == 2 ? NEVER : 0};
	rc = conc_map(s.pool, work, ITEMS, jobs, sizeof *jobs, results, sizeof *results,
	    CONC_MAP(.chunk = ITEMS, .codes = codes, .time_limit = CONC_MS(1)));
	conc_clear();
	sim_assert(troubled() || rc == CONC_ETIMELIMIT);
	sim_assert(troubled() || codes[2] == CONC_ETIMELIMIT);
	close_scene(&s);
}

/* Called off as the worker dies: what the one that ran had done is not the next one's. */
SIM_SCENARIO(processes_map_called_off)
{
	enum { N = 6 };
	struct scene s;
	struct job jobs[N];
	int results[N] = {0}, codes[N] = {-1, -1, -1, -1, -1, -1}, rc;

	if (!open_scene(&s, CONC_PROCESS_POOL(.workers = 1)))
		return;
	for (int i = 0; i < N; i++)
		jobs[i] = (struct job){s.book, i, i == 1 ? NEVER : 0};
	rc = conc_map(s.pool, work, N, jobs, sizeof *jobs, results, sizeof *results,
	    CONC_MAP(.chunk = 2, .codes = codes, .deadline = conc_after(CONC_MS(1))));
	conc_clear();
	sim_assert(troubled() || rc == -ETIMEDOUT);
	for (int i = 0; i < N; i++) {
		sim_assert(s.book->runs[i] <= 1);
		sim_assert(codes[i] != 0 || s.book->runs[i] == 1);
		sim_assert(codes[i] != 0 || results[i] == 100 + i);
	}
	close_scene(&s);
}

/* An item that is asked to stop, and does, and is killed: it is not the map's failure. */
SIM_SCENARIO(processes_map_obeys_and_is_killed)
{
	enum { N = 3 };
	struct scene s;
	struct job jobs[N];
	int results[N] = {0}, codes[N] = {-1, -1, -1}, rc;

	if (sim_sweeping() || /* without a second worker it would hang for ever */
	    !open_scene(&s, CONC_PROCESS_POOL(.workers = 2)))
		return;
	for (int i = 0; i < N; i++)
		jobs[i] = (struct job){s.book, i, i == 0 ? HANGS : i == 2 ? RAISES : 0};
	rc = conc_map(s.pool, work, N, jobs, sizeof *jobs, results, sizeof *results,
	    CONC_MAP(.chunk = 2, .codes = codes, .stop_on_failure = 1));
	conc_clear();
	sim_assert(rc == -EDOM);
	sim_assert(codes[0] == -ECANCELED && codes[2] == -EDOM);
	sim_assert(codes[1] == -ECANCELED && s.book->runs[1] == 0);
	close_scene(&s);
}

/* A late item stops as it is asked to, and its worker is killed: that failure is the last. */
SIM_SCENARIO(processes_map_late_and_killed)
{
	struct scene s;
	struct job jobs[ITEMS];
	int results[ITEMS] = {0}, codes[ITEMS], rc;
	struct sim_thread *t;

	if (!open_scene(&s, CONC_PROCESS_POOL(.workers = 1)))
		return;
	for (int i = 0; i < ITEMS; i++)
		jobs[i] = (struct job){s.book, i, i == 0 ? HANGS : 0};
	t = sim_go(kill_worker, &s);
	rc = conc_map(s.pool, work, ITEMS, jobs, sizeof *jobs, results, sizeof *results,
	    CONC_MAP(.chunk = ITEMS, .codes = codes, .time_limit = CONC_MS(1),
		.stop_on_failure = 1));
	conc_clear();
	sim_join(t);
	sim_assert(troubled() || rc == CONC_ETIMELIMIT || crashed(rc));
	for (int i = 1; i < ITEMS; i++)
		sim_assert(s.book->runs[i] == 0);
	close_scene(&s);
}

/* Killed from outside: what has ended is not run again, and counts. */
SIM_SCENARIO(processes_map_killed_from_outside)
{
	struct scene s;
	struct job jobs[ITEMS];
	int results[ITEMS] = {0}, codes[ITEMS], rc, lost = 0;
	struct sim_thread *t;

	if (!open_scene(&s, CONC_PROCESS_POOL(.workers = 1)))
		return;
	for (int i = 0; i < ITEMS; i++)
		jobs[i] = (struct job){s.book, i, 0};
	t = sim_go(kill_worker, &s);
	rc = conc_map(s.pool, work, ITEMS, jobs, sizeof *jobs, results, sizeof *results,
	    CONC_MAP(.chunk = 2, .codes = codes));
	conc_clear();
	sim_join(t);
	sim_assert(rc == 0 || crashed(rc));
	for (int i = 0; i < ITEMS; i++) {
		sim_assert(s.book->runs[i] <= 1);
		lost += codes[i] != 0;
		sim_assert(troubled() || codes[i] != 0 ||
		    (s.book->runs[i] == 1 && results[i] == 100 + i));
	}
	sim_assert(lost == (rc != 0) || troubled());
	close_scene(&s);
}
