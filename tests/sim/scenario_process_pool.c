/* SPDX-License-Identifier: MIT */
/*
 * The process pool: host, zygote and workers, any of which may be killed; and
 * its limits.
 */
#include "future/frame.h"
#include "scenario_process_pool.h"

SIM_SCENARIO(processes_run)
{
	struct scene s;

	if (!open_scene(&s, CONC_PROCESS_POOL(.workers = 2)))
		return;
	submit(&s, 0);
	submit(&s, RAISES);
	submit(&s, 0);
	collect(&s);
	sim_assert(troubled() || (s.codes[0] == 0 && s.codes[1] == -EDOM && s.codes[2] == 0));
	for (int i = 0; i < s.n; i++)
		sim_assert(s.book->runs[i] <= 1);
	conc_executor_destroy(s.pool);
	sim_assert(s.book->finis <= s.book->inits && (troubled() || s.book->finis >= 1));
	conc__shared_unmap(s.book, sizeof *s.book);
}

/*
 * One after the other: the submitter hands out himself what an idle worker gets, and the
 * pipe may take but half of it.
 */
SIM_SCENARIO(processes_take_turns)
{
	conc_stats stats = {.size = sizeof stats};
	struct scene s;

	if (!open_scene(&s, CONC_PROCESS_POOL(.workers = 1)))
		return;
	for (int i = 0; i < 4; i++) {
		submit(&s, 0);
		await(&s, i);
	}
	all_well(&s);
	sim_assert(conc_executor_stats(s.pool, &stats) == 0);
	sim_assert(stats.done == 4 || troubled());
	close_scene(&s);
}

/* There may be no memory for an order with a name like that: then its task has failed. */
SIM_SCENARIO(processes_long_name)
{
	struct scene s;
	char *name;

	if (!open_scene(&s, CONC_PROCESS_POOL(.workers = 1)))
		return;
	name = calloc(1, CONC__WRITER_SIZE + 1);
	memset(name, 'n', CONC__WRITER_SIZE);
	submit(&s, 0);
	await(&s, 0);
	submit_as(&s, 0, CONC_TASK(.name = name));
	free(name);
	collect(&s);
	all_well(&s);
	close_scene(&s);
}

/* More workers at once than the channel to the zygote holds messages. */
SIM_SCENARIO(processes_many_workers)
{
	struct scene s;

	if (!open_scene(&s, CONC_PROCESS_POOL(.workers = 6)))
		return;
	for (int i = 0; i < 6; i++)
		submit(&s, WAITS);
	/* Only if each has its own can they all begin. */
	while (s.book->turns < 6 && !troubled())
		sim_pause();
	s.book->open = true;
	collect(&s);
	all_well(&s);
	close_scene(&s);
}

/* The channel is full of wishes to kill who has died already; one for a new worker follows. */
SIM_SCENARIO(processes_channel_full)
{
	struct scene s;

	if (!open_scene(&s, CONC_PROCESS_POOL(.workers = 5)))
		return;
	for (int i = 0; i < 4; i++)
		submit(&s, WAITS | DIES);
	while (s.book->turns < 4 && !troubled())
		sim_pause();
	s.book->open = true;
	for (int i = 0; i < 4; i++)
		if (s.futures[i] != NULL)
			(void)conc_future_kill(s.futures[i]);
	for (int i = 0; i < 4 && sim_random(4) > 0; i++)
		await(&s, i);
	submit(&s, 0);
	collect(&s);
	for (int i = 0; i < 4; i++)
		sim_assert(crashed(s.codes[i]) || s.codes[i] == -ECANCELED);
	sim_assert(s.codes[4] == 0 || troubled());
	close_scene(&s);
}

/* And what stood behind it goes on in its order, in the line or by priority. */
SIM_SCENARIO(processes_crash_costs_one)
{
	int priority = (int)sim_random(2);
	struct scene s;

	if (!open_scene(&s, CONC_PROCESS_POOL(.workers = 1)))
		return;
	for (int i = 0; i < 4; i++)
		submit_as(&s, i == 1 ? DIES : 0, CONC_TASK(.priority = priority));
	collect(&s);
	sim_assert(crashed(s.codes[1]));
	for (int i = 0; i < s.n; i++) {
		sim_assert(s.book->runs[i] <= 1 && (i == 1 || s.codes[i] == 0 || troubled()));
		sim_assert(s.book->turn[i] == i + 1 || troubled());
	}
	close_scene(&s);
}

/* Killed from outside, at any step: at most one of its tasks fails, none runs twice. */
SIM_SCENARIO(processes_killed_from_outside)
{
	struct scene s;
	struct sim_thread *t;
	int lost = 0;

	if (!open_scene(&s, CONC_PROCESS_POOL(.workers = 2)))
		return;
	submit(&s, 0);
	submit(&s, 0);
	t = sim_go(kill_worker, &s);
	submit(&s, 0);
	submit(&s, 0);
	collect(&s);
	sim_join(t);
	for (int i = 0; i < s.n; i++) {
		sim_assert(s.book->runs[i] <= 1);
		sim_assert(s.codes[i] == 0 || crashed(s.codes[i]));
		lost += s.codes[i] != 0;
	}
	sim_assert(lost <= 1 || troubled());
	close_scene(&s);
}

SIM_SCENARIO(processes_zygote_killed)
{
	struct scene s;
	struct sim_thread *t;

	if (!open_scene(&s, CONC_PROCESS_POOL(.workers = 1)))
		return;
	t = sim_go(kill_zygote, &s);
	submit(&s, 0);
	submit(&s, 0);
	collect(&s);
	sim_join(t);
	for (int i = 0; i < s.n; i++)
		sim_assert(s.book->runs[i] <= 1 && (s.codes[i] == 0 || crashed(s.codes[i])));
	close_scene(&s);
}

SIM_SCENARIO(processes_init_fails)
{
	struct scene s;

	if (!open_scene(&s, CONC_PROCESS_POOL(.workers = 1)))
		return;
	s.book->init_fails = true;
	submit(&s, 0);
	submit(&s, 0);
	collect(&s);
	for (int i = 0; i < s.n; i++)
		sim_assert(s.book->runs[i] == 0 && (s.codes[i] == CONC_EBROKEN || troubled()));
	close_scene(&s);
}

/* No worker may be started for a while, as one has just failed to: then one is. */
SIM_SCENARIO(processes_pause)
{
	struct scene s;

	if (!open_scene(&s, CONC_PROCESS_POOL(.workers = 1)))
		return;
	s.book->init_fails = true;
	submit(&s, 0);
	sim_assert(conc_future_cancel(s.futures[0]) == 0 || troubled());
	while (s.book->inits == 0 && !troubled())
		sim_pause();
	s.book->init_fails = false;
	submit(&s, 0);
	collect(&s);
	sim_assert(s.codes[1] == 0 || troubled());
	close_scene(&s);
}

SIM_SCENARIO(processes_retry)
{
	struct scene s;
	const conc_death *death;
	conc_stats stats = {.size = sizeof stats};

	if (!open_scene(&s, CONC_PROCESS_POOL(.workers = 1)))
		return;
	submit_as(&s, DIES_ONCE, CONC_TASK(.retries = 1));
	submit_as(&s, DIES, CONC_TASK(.retries = 1, .backoff = CONC_MS(1)));
	if (s.futures[1] != NULL) {
		(void)conc_future_wait(s.futures[1], CONC_FOREVER);
		death = conc_exception_death(conc_future_exception(s.futures[1]));
		sim_assert(troubled() || death->attempt == 2);
	}
	collect(&s);
	sim_assert(troubled() || (s.codes[0] == 0 && s.book->runs[0] == 2));
	sim_assert(troubled() || (s.codes[1] == CONC_ECRASHED && s.book->runs[1] == 2));
	sim_assert(conc_executor_stats(s.pool, &stats) == 0);
	sim_assert(troubled() || (stats.done == 1 && stats.failed == 1));
	close_scene(&s);
}

SIM_SCENARIO(processes_time_limit)
{
	struct scene s;

	if (!open_scene(&s, CONC_PROCESS_POOL(.workers = 1, .time_limit = CONC_MS(1))))
		return;
	submit(&s, HANGS);
	collect(&s);
	sim_assert(s.book->runs[0] <= 1);
	/* It may be killed, or notice by itself. */
	sim_assert(s.codes[0] == CONC_ETIMELIMIT || troubled());
	close_scene(&s);
}

/* The submitter hands it to an idle worker, while the dispatcher thinks of no limit. */
SIM_SCENARIO(processes_limit_comes_late)
{
	struct scene s;

	if (!open_scene(&s, CONC_PROCESS_POOL(.workers = 1)))
		return;
	submit(&s, 0);
	await(&s, 0);
	submit_as(&s, NEVER, CONC_TASK(.time_limit = CONC_US(5)));
	collect(&s);
	sim_assert(s.codes[1] == CONC_ETIMELIMIT || troubled());
	close_scene(&s);
}

enum { REVOKED, LONG_AGO, LATER, LIES };

/* Tells one of these lies in its page, and goes on for ever. */
static int
lie(const void *arg, void *result)
{
	const struct conc__frame *frame = conc__self()->frame;
	const struct conc__zygote_plan *plan = frame->executor;
	int how = *(const int *)arg;

	(void)result;
	if (how == REVOKED) /* relaxed: no order makes it right */
		conc__store_relaxed(frame->claim,
		    conc__claim_word(frame->asked >> 2, CONC__CLAIM_REVOKED));
	else /* relaxed: likewise */
		conc__store_relaxed(&plan->pages->began, how == LATER ? INT64_MAX : 0);
	while (how < LIES)
		sim_pause();
	return 0;
}

/* What a worker writes into its page lifts no limit. */
SIM_SCENARIO(processes_lies)
{
	int how = (int)sim_random(LIES);
	conc_future *f = NULL;
	struct scene s;

	if (!open_scene(&s, CONC_PROCESS_POOL(.workers = 1, .time_limit = CONC_US(5))))
		return;
	if (!swept(conc_submit(s.pool, lie, &how, sizeof how, 0, &f)))
		sim_assert(conc_future_result(f, NULL, 0) == CONC_ETIMELIMIT || troubled());
	conc_clear();
	conc_future_release(f);
	close_scene(&s);
}

/* CONC_KILL ends a fini that does not end. */
SIM_SCENARIO(processes_fini_hangs)
{
	struct scene s;

	if (!open_scene(&s, CONC_PROCESS_POOL(.workers = 1)))
		return;
	s.book->fini_hangs = true;
	submit(&s, 0);
	collect(&s);
	sim_assert(conc_shutdown(s.pool, CONC_KILL, CONC_FOREVER) == 0);
	sim_assert(s.book->finis == 0);
	all_well(&s);
	close_scene(&s);
}

SIM_SCENARIO(processes_tasks_per_worker)
{
	struct scene s;

	if (!open_scene(&s, CONC_PROCESS_POOL(.workers = 1, .tasks_per_worker = 1)))
		return;
	submit(&s, 0);
	submit(&s, 0);
	collect(&s);
	all_well(&s);
	sim_assert(s.book->inits >= 2 || troubled());
	close_scene(&s);
}

/* A worker that has been given all that it may is still watched. */
SIM_SCENARIO(processes_last_task_hangs)
{
	struct scene s;

	if (!open_scene(&s, CONC_PROCESS_POOL(.workers = 1, .tasks_per_worker = 1,
				.time_limit = CONC_US(5))))
		return;
	submit(&s, NEVER);
	collect(&s);
	sim_assert(s.codes[0] == CONC_ETIMELIMIT || troubled());
	close_scene(&s);
}

/* A worker that dies with its ring full of revoked orders leaves an empty ring. */
SIM_SCENARIO(processes_ring_fills)
{
	struct scene s;

	if (!open_scene(&s, CONC_PROCESS_POOL(.workers = 1)))
		return;
	submit(&s, WAITS | DIES);
	while (s.book->turns == 0 && !troubled())
		sim_pause();
	for (int i = 0; i < CONC__RING + 4; i++) {
		conc_future *f = submit(&s, 0);

		sim_assert(f == NULL || conc_future_cancel(f) == 0 || troubled());
		conc_future_release(f);
		s.futures[--s.n] = NULL;
	}
	s.book->open = true;
	collect(&s);
	sim_assert(crashed(s.codes[0]) || troubled());
	submit(&s, 0);
	collect(&s);
	sim_assert(s.codes[1] == 0 || troubled());
	close_scene(&s);
}

/* An idle worker gets what stands behind one that takes long. */
SIM_SCENARIO(processes_steal)
{
	struct scene s;

	if (!open_scene(&s, CONC_PROCESS_POOL(.workers = 2)))
		return;
	submit(&s, 0);
	submit(&s, WAITS);
	submit(&s, 0);
	submit(&s, 0);
	await(&s, 0);
	await(&s, 2);
	await(&s, 3);
	s.book->open = true;
	collect(&s);
	all_well(&s);
	close_scene(&s);
}

/* What comes with a priority goes before what was handed out in advance. */
SIM_SCENARIO(processes_priority)
{
	struct scene s;
	int begun;

	if (!open_scene(&s, CONC_PROCESS_POOL(.workers = 1)))
		return;
	for (int i = 0; i < 4; i++)
		submit(&s, 0);
	submit_as(&s, 0, CONC_TASK(.priority = 1));
	begun = s.book->turns;
	collect(&s);
	all_well(&s);
	/* One more may have been claimed, but not have begun. */
	sim_assert(s.book->turn[4] <= begun + 2 || troubled());
	close_scene(&s);
}
