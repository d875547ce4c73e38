/* SPDX-License-Identifier: MIT */
/*
 * The process pool: host, zygote and workers, any of which may be killed.
 *
 * Every task writes into a book that all processes share: so a scenario knows
 * that each ran at most once, and compares that with how its future ended.
 */
#include "process/pool.h"
#include "sim.h"
#include <conc/process_pool.h>

enum { MOST = 8, DIES = 1, RAISES = 2, HANGS = 4, DIES_ONCE = 8 };

struct book {
	int runs[MOST];
	int inits, finis;
	bool init_fails;
};

struct job {
	struct book *book;
	int n, how;
};

struct scene {
	conc_executor *pool;
	struct book *book;
	conc_future *futures[MOST];
	int n;
	int codes[MOST];
};

static int
work(const void *arg, void *result)
{
	const struct job *j = arg;
	int runs = ++j->book->runs[j->n];

	sim_pause();
	if ((j->how & DIES) || ((j->how & DIES_ONCE) && runs == 1))
		conc__process_exit(3);
	if (j->how & RAISES)
		return conc_raise(-EDOM, "job %d", j->n);
	while ((j->how & HANGS) && !conc_cancelled())
		sim_pause();
	if (j->how & HANGS)
		return -ECANCELED;
	*(int *)result = 100 + j->n;
	return 0;
}

static int
start(void *user)
{
	struct book *b = user;

	sim_pause();
	b->inits++;
	return b->init_fails ? conc_raise(-EPERM, "no") : 0;
}

static void
stop(void *user)
{
	((struct book *)user)->finis++;
}

static bool
swept(int rc)
{
	sim_assert(rc == 0 ||
	    (sim_sweeping() && (rc == -ENOMEM || rc == -EAGAIN || rc == -EMFILE ||
				   rc == CONC_EBROKEN)));
	return rc != 0;
}

static bool
troubled(void)
{
	return sim_sweeping() && sim_failures() > 0;
}

static bool
open_scene(struct scene *s, conc_process_pool_options o)
{
	*s = (struct scene){.book = conc__shared_map(sizeof *s->book)};
	if (s->book == NULL)
		return false;
	o.init = start;
	o.fini = stop;
	o.user = s->book;
	o.name = "sim";
	sim_set_max_steps(1000000);
	if (!swept(conc_process_pool_create(&s->pool, &o)))
		return true;
	conc__shared_unmap(s->book, sizeof *s->book);
	return false;
}

static void
submit(struct scene *s, int how, int retries)
{
	struct job j = {s->book, s->n, how};

	s->futures[s->n] = NULL;
	(void)swept(conc_submit_task(s->pool,
	    CONC_TASK(.fn = work, .arg = &j, .arg_size = sizeof j, .result_size = sizeof(int),
		.retries = retries),
	    &s->futures[s->n]));
	s->n++;
}

/* Wait for all; what each ended with is in codes, and is checked against the book. */
static void
collect(struct scene *s)
{
	for (int i = 0; i < s->n; i++) {
		int got = 0;

		if (s->futures[i] == NULL)
			continue;
		s->codes[i] = conc_future_result(s->futures[i], &got, sizeof got);
		sim_assert(s->codes[i] != 0 || got == 100 + i);
		sim_assert(s->codes[i] != 0 || s->book->runs[i] >= 1);
		sim_assert(conc_future_done(s->futures[i]));
		conc_clear();
		conc_future_release(s->futures[i]);
	}
}

static void
close_scene(struct scene *s)
{
	conc_executor_destroy(s->pool);
	conc__shared_unmap(s->book, sizeof *s->book);
}

/* One that was crashed from outside, or in a sweep for want of anything. */
static bool
crashed(int rc)
{
	return rc == CONC_ECRASHED || (troubled() && rc != 0);
}

SIM_SCENARIO(processes_run)
{
	struct scene s;

	if (!open_scene(&s, (conc_process_pool_options){.size = sizeof(conc_process_pool_options),
				.workers = 2}))
		return;
	submit(&s, 0, 0);
	submit(&s, RAISES, 0);
	submit(&s, 0, 0);
	collect(&s);
	sim_assert(troubled() || (s.codes[0] == 0 && s.codes[1] == -EDOM && s.codes[2] == 0));
	for (int i = 0; i < s.n; i++)
		sim_assert(s.book->runs[i] <= 1);
	conc_executor_destroy(s.pool);
	sim_assert(s.book->finis <= s.book->inits && (troubled() || s.book->finis >= 1));
	conc__shared_unmap(s.book, sizeof *s.book);
}

SIM_SCENARIO(processes_crash_costs_one)
{
	struct scene s;

	if (!open_scene(&s, (conc_process_pool_options){.size = sizeof(conc_process_pool_options),
				.workers = 1}))
		return;
	submit(&s, 0, 0);
	submit(&s, DIES, 0);
	submit(&s, 0, 0);
	submit(&s, 0, 0);
	collect(&s);
	sim_assert(crashed(s.codes[1]) || s.futures[1] == NULL);
	for (int i = 0; i < s.n; i++)
		sim_assert(s.book->runs[i] <= 1 && (i == 1 || s.codes[i] == 0 || troubled()));
	close_scene(&s);
}

static void
kill_worker(void *arg)
{
	struct scene *s = arg;
	struct conc__process_pool *p = (struct conc__process_pool *)s->pool;
	int pid = 0;

	for (int i = 0; pid == 0 && i < 30; i++) {
		conc__mutex_lock(&p->lock);
		if (p->brood != NULL)
			pid = p->brood->slots[sim_random(2)].pid;
		conc__mutex_unlock(&p->lock);
	}
	if (pid != 0)
		sim_kill_at_random(pid);
}

/* Killed from outside, at any step: at most one of its tasks fails, none runs twice. */
SIM_SCENARIO(processes_killed_from_outside)
{
	struct scene s;
	struct sim_thread *t;
	int lost = 0;

	if (!open_scene(&s, (conc_process_pool_options){.size = sizeof(conc_process_pool_options),
				.workers = 2}))
		return;
	submit(&s, 0, 0);
	submit(&s, 0, 0);
	t = sim_go(kill_worker, &s);
	submit(&s, 0, 0);
	submit(&s, 0, 0);
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

static void
kill_zygote(void *arg)
{
	struct scene *s = arg;
	struct conc__process_pool *p = (struct conc__process_pool *)s->pool;
	int pid;

	conc__mutex_lock(&p->lock);
	pid = p->brood != NULL ? p->brood->zygote.pid : 0;
	conc__mutex_unlock(&p->lock);
	if (pid != 0)
		sim_kill_at_random(pid);
}

SIM_SCENARIO(processes_zygote_killed)
{
	struct scene s;
	struct sim_thread *t;

	if (!open_scene(&s, (conc_process_pool_options){.size = sizeof(conc_process_pool_options),
				.workers = 1}))
		return;
	t = sim_go(kill_zygote, &s);
	submit(&s, 0, 0);
	submit(&s, 0, 0);
	collect(&s);
	sim_join(t);
	for (int i = 0; i < s.n; i++)
		sim_assert(s.book->runs[i] <= 1 && (s.codes[i] == 0 || crashed(s.codes[i])));
	close_scene(&s);
}

static void
cancel_second(void *arg)
{
	struct scene *s = arg;
	int rc = conc_future_cancel(s->futures[1]);

	sim_assert(rc == 0 || rc == -EINPROGRESS || rc == CONC_ESTATE);
	if (rc == 0)
		sim_assert(conc_future_cancelled(s->futures[1]));
	s->codes[MOST - 1] = rc;
}

/* A cancel that says 0 was in time, also in the pipe: the task never runs. */
SIM_SCENARIO(processes_cancel_is_exact)
{
	struct scene s;
	struct sim_thread *t;

	if (!open_scene(&s, (conc_process_pool_options){.size = sizeof(conc_process_pool_options),
				.workers = 1}))
		return;
	submit(&s, 0, 0);
	submit(&s, 0, 0);
	submit(&s, 0, 0);
	if (s.futures[1] != NULL) {
		conc_future_ref(s.futures[1]);
		t = sim_go(cancel_second, &s);
		collect(&s);
		sim_join(t);
		conc_future_release(s.futures[1]);
		if (s.codes[MOST - 1] == 0)
			sim_assert(s.codes[1] == -ECANCELED && s.book->runs[1] == 0);
		else
			sim_assert(s.codes[1] == 0 || troubled());
	} else {
		collect(&s);
	}
	close_scene(&s);
}

static void
kill_first(void *arg)
{
	struct scene *s = arg;
	int rc = conc_future_kill(s->futures[0]);

	sim_assert(rc == 0 || rc == CONC_ESTATE);
	s->codes[MOST - 1] = rc;
}

SIM_SCENARIO(processes_future_kill)
{
	struct scene s;
	struct sim_thread *t;

	if (!open_scene(&s, (conc_process_pool_options){.size = sizeof(conc_process_pool_options),
				.workers = 1}))
		return;
	submit(&s, 0, 0);
	submit(&s, 0, 0);
	if (s.futures[0] != NULL) {
		conc_future_ref(s.futures[0]);
		t = sim_go(kill_first, &s);
		collect(&s);
		sim_join(t);
		conc_future_release(s.futures[0]);
		sim_assert(s.codes[MOST - 1] != 0 || s.codes[0] == -ECANCELED || troubled());
		sim_assert(s.codes[1] == 0 || troubled());
	} else {
		collect(&s);
	}
	close_scene(&s);
}

static void
more(void *arg)
{
	struct scene *s = arg;
	struct job j = {s->book, s->n, 0};
	int rc = conc_submit(s->pool, work, &j, sizeof j, sizeof(int), &s->futures[s->n]);

	sim_assert(rc == 0 || rc == CONC_ESHUTDOWN || troubled());
	if (rc != 0)
		s->futures[s->n] = NULL;
	s->n++;
}

static void
shut(conc_shutdown_how how, int task)
{
	struct scene s;
	struct sim_thread *t;

	if (!open_scene(&s, (conc_process_pool_options){.size = sizeof(conc_process_pool_options),
				.workers = 1}))
		return;
	submit(&s, task, 0);
	submit(&s, 0, 0);
	t = sim_go(more, &s);
	sim_assert(conc_shutdown(s.pool, how, CONC_FOREVER) == 0);
	sim_join(t);
	for (int i = 0; i < s.n; i++)
		sim_assert(s.futures[i] == NULL || conc_future_done(s.futures[i]));
	collect(&s);
	for (int i = 0; i < s.n; i++) {
		sim_assert(s.book->runs[i] <= 1);
		sim_assert(s.codes[i] == 0 || troubled() ||
		    (how != CONC_DRAIN && s.codes[i] == -ECANCELED));
	}
	close_scene(&s);
}

SIM_SCENARIO(processes_shutdown_drain)
{
	shut(CONC_DRAIN, 0);
}

SIM_SCENARIO(processes_shutdown_cancel)
{
	shut(CONC_CANCEL, 0);
}

SIM_SCENARIO(processes_shutdown_kill)
{
	shut(CONC_KILL, HANGS);
}

static void
resizer(void *arg)
{
	struct scene *s = arg;

	(void)swept(conc_executor_resize(s->pool, 1));
	(void)swept(conc_executor_resize(s->pool, 2));
}

SIM_SCENARIO(processes_resize)
{
	struct scene s;
	struct sim_thread *t;

	if (!open_scene(&s, (conc_process_pool_options){.size = sizeof(conc_process_pool_options),
				.workers = 2}))
		return;
	submit(&s, 0, 0);
	t = sim_go(resizer, &s);
	submit(&s, 0, 0);
	submit(&s, 0, 0);
	collect(&s);
	sim_join(t);
	for (int i = 0; i < s.n; i++)
		sim_assert((s.book->runs[i] == 1 && s.codes[i] == 0) || troubled());
	close_scene(&s);
}

SIM_SCENARIO(processes_refresh)
{
	struct scene s;

	if (!open_scene(&s, (conc_process_pool_options){.size = sizeof(conc_process_pool_options),
				.workers = 1}))
		return;
	submit(&s, 0, 0);
	(void)swept(conc_process_pool_refresh(s.pool));
	submit(&s, 0, 0);
	collect(&s);
	for (int i = 0; i < s.n; i++)
		sim_assert((s.book->runs[i] == 1 && s.codes[i] == 0) || troubled());
	close_scene(&s);
}

SIM_SCENARIO(processes_init_fails)
{
	struct scene s;

	if (!open_scene(&s, (conc_process_pool_options){.size = sizeof(conc_process_pool_options),
				.workers = 1}))
		return;
	s.book->init_fails = true;
	submit(&s, 0, 0);
	submit(&s, 0, 0);
	collect(&s);
	for (int i = 0; i < s.n; i++)
		sim_assert(s.book->runs[i] == 0 &&
		    (s.futures[i] == NULL || s.codes[i] == CONC_EBROKEN || troubled()));
	close_scene(&s);
}

SIM_SCENARIO(processes_retry)
{
	struct scene s;

	if (!open_scene(&s, (conc_process_pool_options){.size = sizeof(conc_process_pool_options),
				.workers = 1}))
		return;
	submit(&s, DIES_ONCE, 1);
	submit(&s, DIES, 1);
	collect(&s);
	sim_assert(troubled() || (s.codes[0] == 0 && s.book->runs[0] == 2));
	sim_assert(troubled() || (s.codes[1] == CONC_ECRASHED && s.book->runs[1] == 2));
	close_scene(&s);
}

SIM_SCENARIO(processes_time_limit)
{
	struct scene s;

	if (!open_scene(&s, (conc_process_pool_options){.size = sizeof(conc_process_pool_options),
				.workers = 1, .time_limit = CONC_MS(1)}))
		return;
	submit(&s, HANGS, 0);
	collect(&s);
	sim_assert(s.book->runs[0] <= 1);
	/* It may be killed, or notice by itself. */
	sim_assert(s.futures[0] == NULL || s.codes[0] == CONC_ETIMELIMIT || troubled());
	close_scene(&s);
}

SIM_SCENARIO(processes_tasks_per_worker)
{
	struct scene s;

	if (!open_scene(&s, (conc_process_pool_options){.size = sizeof(conc_process_pool_options),
				.workers = 1, .tasks_per_worker = 1}))
		return;
	submit(&s, 0, 0);
	submit(&s, 0, 0);
	collect(&s);
	for (int i = 0; i < s.n; i++)
		sim_assert((s.book->runs[i] == 1 && s.codes[i] == 0) || troubled());
	sim_assert(s.book->inits >= 2 || troubled());
	close_scene(&s);
}

static int
item(const void *arg, void *result)
{
	const struct job *j = arg;

	j->book->runs[j->n]++;
	sim_pause();
	if (j->how & DIES)
		conc__process_exit(1);
	*(int *)result = 100 + j->n;
	return j->how & RAISES ? conc_raise(-EDOM, "item") : 0;
}

static void
map(int how)
{
	struct scene s;
	struct job jobs[4];
	int results[4] = {0}, codes[4], rc;

	if (!open_scene(&s, (conc_process_pool_options){.size = sizeof(conc_process_pool_options),
				.workers = 1}))
		return;
	for (int i = 0; i < 4; i++)
		jobs[i] = (struct job){s.book, i, i == 1 ? how : 0};
	rc = conc_map(s.pool, item, 4, jobs, sizeof *jobs, results, sizeof *results,
	    CONC_MAP(.chunk = 3, .codes = codes));
	conc_clear();
	sim_assert(troubled() ||
	    rc == (how == DIES ? CONC_ECRASHED : how == RAISES ? -EDOM : 0));
	for (int i = 0; i < 4; i++) {
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

static void
destroy_it(conc_future *f, void *user)
{
	(void)f;
	conc_executor_destroy(user);
}

/* Destroyed in a callback: the dispatcher frees it, some time later. */
SIM_SCENARIO(processes_destroyed_inside)
{
	struct scene s = {.book = conc__shared_map(sizeof *s.book)};

	sim_set_max_steps(1000000);
	if (s.book == NULL ||
	    swept(conc_process_pool_create(&s.pool, CONC_PROCESS_POOL(.workers = 1)))) {
		conc__shared_unmap(s.book, sizeof *s.book);
		return;
	}
	submit(&s, 0, 0);
	if (s.futures[0] == NULL ||
	    conc_future_on_done(s.futures[0], destroy_it, s.pool) != 0) {
		collect(&s);
		close_scene(&s);
		return;
	}
	collect(&s);
	conc__shared_unmap(s.book, sizeof *s.book); /* its one reader is done with it */
}
