/* SPDX-License-Identifier: MIT */
/*
 * The process pool: how tasks are stopped, who waits for room, and how workers,
 * zygotes and the pool leave.
 */
#include "scenario_process_pool.h"

static void
cancel_other(void *arg)
{
	struct scene *s = arg;

	s->rc = conc_future_cancel(s->other);
	sim_assert(s->rc == 0 || s->rc == -EINPROGRESS || s->rc == CONC_ESTATE);
	if (s->rc == 0)
		sim_assert(conc_future_cancelled(s->other));
	conc_future_release(s->other);
}

/* A second thread that does this with the future of job i; NULL: there is none. */
static struct sim_thread *
go_with(struct scene *s, int i, void (*fn)(void *scene))
{
	s->other = s->futures[i];
	if (s->other == NULL)
		return NULL;
	conc_future_ref(s->other);
	return sim_go(fn, s);
}

/* Wait for it and for all jobs; job 1 was cancelled as it says, the others ran. */
static void
collect_cancelled(struct scene *s, struct sim_thread *t)
{
	collect(s);
	if (t != NULL)
		sim_join(t);
	if (t != NULL && s->rc == 0)
		sim_assert(s->codes[1] == -ECANCELED && s->book->runs[1] == 0);
	for (int i = 0; i < s->n; i++)
		if (i != 1 || t == NULL || s->rc != 0)
			sim_assert((s->codes[i] == 0 && s->book->runs[i] == 1) || troubled());
}

/* A cancel that says 0 was in time, also in the pipe: the task never runs. */
static void
cancel(int how)
{
	struct scene s;

	if (!open_scene(&s, CONC_PROCESS_POOL(.workers = 1)))
		return;
	conc__mutex_lock(&inside(&s)->lock);
	inside(&s)->pipe_size = 1; /* no pipe is widened */
	conc__mutex_unlock(&inside(&s)->lock);
	submit(&s, 0);
	submit(&s, how);
	submit(&s, 0);
	collect_cancelled(&s, go_with(&s, 1, cancel_other));
	close_scene(&s);
}

SIM_SCENARIO(processes_cancel_is_exact)
{
	cancel(0);
}

/* Half of its argument may be in the pipe: the rest must follow. */
SIM_SCENARIO(processes_cancel_half_written)
{
	cancel(LARGE);
}

/* The last one that a draining pool waits for is ended by a canceller. */
SIM_SCENARIO(processes_cancel_against_drain)
{
	struct scene s;
	struct sim_thread *t;

	if (!open_scene(&s, CONC_PROCESS_POOL(.workers = 1)))
		return;
	submit(&s, 0);
	submit(&s, 0);
	t = go_with(&s, 1, cancel_other);
	sim_assert(conc_shutdown(s.pool, CONC_DRAIN, CONC_FOREVER) == 0);
	collect_cancelled(&s, t);
	close_scene(&s);
}

/* The worker's brood leaves while a canceller has an order of it. */
SIM_SCENARIO(processes_cancel_against_refresh)
{
	struct scene s;
	struct sim_thread *t;

	if (!open_scene(&s, CONC_PROCESS_POOL(.workers = 1)))
		return;
	submit(&s, 0);
	submit(&s, 0);
	t = go_with(&s, 1, cancel_other);
	(void)swept(conc_process_pool_refresh(s.pool));
	collect_cancelled(&s, t);
	close_scene(&s);
}

/* The last order that a worker may be given is revoked: another worker takes its place. */
SIM_SCENARIO(processes_revoked_last)
{
	struct scene s;

	if (!open_scene(&s, CONC_PROCESS_POOL(.workers = 1, .tasks_per_worker = 2)))
		return;
	submit(&s, 0);
	await(&s, 0);
	submit(&s, 0);
	if (s.futures[1] != NULL && conc_future_cancel(s.futures[1]) == 0)
		sim_assert(s.book->runs[1] == 0);
	submit(&s, 0);
	collect(&s);
	sim_assert(troubled() || (s.codes[0] == 0 && s.codes[2] == 0));
	close_scene(&s);
}

/* Its zygote is gone meanwhile, and so the brood would be. */
SIM_SCENARIO(processes_cancel_against_zygote_killed)
{
	struct scene s;
	struct sim_thread *t, *killer;

	if (!open_scene(&s, CONC_PROCESS_POOL(.workers = 1)))
		return;
	submit(&s, WAITS);
	submit(&s, 0);
	while (s.book->turns == 0 && !troubled())
		sim_pause();
	killer = sim_go(kill_zygote, &s);
	t = go_with(&s, 1, cancel_other);
	s.book->open = true;
	collect(&s);
	sim_join(killer);
	if (t != NULL)
		sim_join(t);
	for (int i = 0; i < s.n; i++)
		sim_assert(s.book->runs[i] <= 1 &&
		    (s.codes[i] == 0 || s.codes[i] == -ECANCELED || crashed(s.codes[i])));
	close_scene(&s);
}

static void
kill_other(void *arg)
{
	struct scene *s = arg;

	s->rc = conc_future_kill(s->other);
	sim_assert(s->rc == 0 || s->rc == CONC_ESTATE);
	conc_future_release(s->other);
}

/* Once its tasks have ended the pool may go, though somebody is about to stop one. */
static void
go_under(void (*fn)(void *scene))
{
	struct scene s;
	struct sim_thread *t;

	if (!open_scene(&s, CONC_PROCESS_POOL(.workers = 1)))
		return;
	submit(&s, 0);
	t = go_with(&s, 0, fn);
	conc_executor_destroy(s.pool); /* nobody waits for the future: its end needs no lock */
	if (t != NULL)
		sim_join(t);
	collect(&s);
	sim_assert(s.codes[0] == 0 || s.codes[0] == -ECANCELED || troubled());
	conc__shared_unmap(s.book, sizeof *s.book);
}

SIM_SCENARIO(processes_cancel_against_destroy)
{
	go_under(cancel_other);
}

SIM_SCENARIO(processes_kill_against_destroy)
{
	go_under(kill_other);
}

static void
kill_one(int how)
{
	struct scene s;
	struct sim_thread *t;

	if (!open_scene(&s, CONC_PROCESS_POOL(.workers = 1)))
		return;
	submit(&s, how);
	submit(&s, 0);
	t = go_with(&s, 0, kill_other);
	collect(&s);
	if (t != NULL)
		sim_join(t);
	sim_assert(t == NULL || s.rc != 0 || s.codes[0] == -ECANCELED || troubled());
	sim_assert(s.codes[1] == 0 || troubled());
	close_scene(&s);
}

SIM_SCENARIO(processes_future_kill)
{
	kill_one(sim_random(2) == 0 ? 0 : DIES);
}

SIM_SCENARIO(processes_future_kill_hangs)
{
	kill_one(NEVER);
}

static void
more(void *arg)
{
	struct scene *s = arg;
	struct job j = {s->book, s->n, 0};
	int rc = conc_submit(s->pool, work, &j, sizeof j, sizeof(int), &s->futures[s->n]);

	sim_assert(rc == 0 || rc == CONC_ESHUTDOWN || rc == CONC_EBROKEN || troubled());
	if (rc != 0)
		s->futures[s->n] = NULL;
	conc_clear();
	s->rc = rc;
	s->n++;
}

static void
shut(conc_shutdown_how how, int task)
{
	struct scene s;
	struct sim_thread *t;

	if (!open_scene(&s, CONC_PROCESS_POOL(.workers = 1)))
		return;
	submit(&s, task);
	submit(&s, 0);
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
	shut(CONC_KILL, NEVER);
}

/* A submitter that waits for room; then this is done. */
static void
full(struct scene *s, void (*then)(struct scene *s))
{
	struct sim_thread *t;

	submit(s, WAITS);
	submit(s, 0);
	t = sim_go(more, s);
	if (then != NULL)
		then(s);
	s->book->open = true;
	sim_join(t);
	collect(s);
}

#define CRAMPED CONC_PROCESS_POOL(.workers = 1, .tasks_per_worker = 1, .queue_limit = 1)

SIM_SCENARIO(processes_room_by_feeding)
{
	struct scene s;

	if (!open_scene(&s, CRAMPED))
		return;
	full(&s, NULL);
	all_well(&s);
	close_scene(&s);
}

static void
cancel_queued(struct scene *s)
{
	if (s->futures[1] != NULL && conc_future_cancel(s->futures[1]) == 0)
		sim_assert(s->book->runs[1] == 0);
	/* The task at the gate goes on only once the other has been taken in. */
	while (s->n < 3)
		sim_pause();
}

SIM_SCENARIO(processes_room_by_cancelling)
{
	struct scene s;

	if (!open_scene(&s, CRAMPED))
		return;
	full(&s, cancel_queued);
	sim_assert(troubled() || (s.codes[0] == 0 && s.codes[2] == 0));
	close_scene(&s);
}

static void
drain_now(struct scene *s)
{
	sim_assert(conc_shutdown(s->pool, CONC_DRAIN, CONC_NOW) != 0 || troubled());
	while (s->n < 3) /* refused, while the gate is shut */
		sim_pause();
}

SIM_SCENARIO(processes_room_by_shutdown)
{
	struct scene s;

	if (!open_scene(&s, CRAMPED))
		return;
	full(&s, drain_now);
	sim_assert(troubled() || (s.codes[0] == 0 && s.codes[1] == 0));
	sim_assert(troubled() || s.rc == CONC_ESHUTDOWN || s.rc == 0);
	close_scene(&s);
}

SIM_SCENARIO(processes_room_in_a_broken_pool)
{
	struct scene s;

	if (!open_scene(&s, CRAMPED))
		return;
	s.book->init_fails = true;
	submit(&s, 0);
	sim_join(sim_go(more, &s));
	collect(&s);
	sim_assert(troubled() || s.rc == CONC_EBROKEN || s.codes[1] == CONC_EBROKEN);
	close_scene(&s);
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

	if (!open_scene(&s, CONC_PROCESS_POOL(.workers = 2)))
		return;
	submit(&s, 0);
	t = sim_go(resizer, &s);
	submit(&s, 0);
	submit(&s, 0);
	collect(&s);
	sim_join(t);
	all_well(&s);
	close_scene(&s);
}

/* Wait until there are no more than so many workers, and one zygote. */
static void
until_there_are(const struct scene *s, int workers)
{
	struct conc__process_pool *p = inside(s);
	int live, zygotes;

	do {
		live = zygotes = 0;
		conc__mutex_lock(&p->lock);
		for (const struct conc__brood *b = p->brood; b != NULL; b = b->next) {
			live += b->live;
			zygotes++;
		}
		conc__mutex_unlock(&p->lock);
	} while (!troubled() && (live > workers || zygotes > 1));
}

/* Idle workers that are one too many leave, though nothing else happens. */
SIM_SCENARIO(processes_resize_idle)
{
	struct scene s;

	if (!open_scene(&s, CONC_PROCESS_POOL(.workers = 2)))
		return;
	submit(&s, WAITS);
	submit(&s, WAITS);
	while (s.book->turns < 2 && !troubled())
		sim_pause();
	s.book->open = true;
	collect(&s);
	(void)swept(conc_executor_resize(s.pool, 1));
	until_there_are(&s, 1);
	all_well(&s);
	close_scene(&s);
}

/* After refresh only new workers take tasks, and the old ones leave. */
SIM_SCENARIO(processes_refresh)
{
	struct scene s;

	if (!open_scene(&s, CONC_PROCESS_POOL(.workers = 1)))
		return;
	submit(&s, 0);
	if (sim_random(2) == 0)
		await(&s, 0);
	if (!swept(conc_process_pool_refresh(s.pool))) {
		submit(&s, 0);
		await(&s, 1);
		sim_assert(troubled() || s.book->plan[1] == &inside(&s)->brood->plan);
	}
	collect(&s);
	until_there_are(&s, 1);
	all_well(&s);
	close_scene(&s);
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
	submit(&s, 0);
	if (s.futures[0] == NULL ||
	    conc_future_on_done(s.futures[0], destroy_it, s.pool) != 0) {
		collect(&s);
		close_scene(&s);
		return;
	}
	collect(&s);
	conc__shared_unmap(s.book, sizeof *s.book); /* its one reader is done with it */
}

/* A waiter at the worker's pipe waits for one whose order is revoked. */
SIM_SCENARIO(processes_revoked_under_a_waiter)
{
	struct scene s;

	if (!open_scene(&s, CONC_PROCESS_POOL(.workers = 1)))
		return;
	submit(&s, 0);
	await(&s, 0);
	submit(&s, 0);
	collect_cancelled(&s, go_with(&s, 1, cancel_other));
	close_scene(&s);
}

/* While a waiter is at the worker's pipe it is given more. */
SIM_SCENARIO(processes_fed_under_a_waiter)
{
	struct scene s;
	struct sim_thread *t;

	if (!open_scene(&s, CONC_PROCESS_POOL(.workers = 1)))
		return;
	submit(&s, 0);
	await(&s, 0);
	submit(&s, 0);
	t = sim_go(more, &s);
	await(&s, 1);
	sim_join(t);
	collect(&s);
	all_well(&s);
	close_scene(&s);
}
