/* SPDX-License-Identifier: MIT */
#ifndef SCENARIO_PROCESS_POOL_H
#define SCENARIO_PROCESS_POOL_H

/*
 * What the scenarios of the process pool share.
 *
 * Every task writes into a book that all processes share: so a scenario knows
 * that each ran at most once, and when, and compares that with how its future
 * ended.
 */
#include "base/clock.h"
#include "base/thread.h"
#include "process/pool.h"
#include "sim.h"
#include <conc/future.h>
#include <conc/process_pool.h>

enum { MOST = 16 };

/* What a task does. */
enum how {
	DIES = 1,      /* exits in the midst of it */
	RAISES = 2,
	HANGS = 4,     /* until it is asked to stop */
	DIES_ONCE = 8, /* the first time that it runs */
	NEVER = 16,    /* ends, but by being killed */
	WAITS = 32,    /* for the gate, unless something was made to fail */
	LARGE = 64,    /* has an argument that goes out by itself */
	SLOW = 128,    /* takes a millisecond */
};

struct book {
	int runs[MOST];
	int turn[MOST];          /* when it began: 1 for the first of all */
	const void *plan[MOST];  /* whose worker ran it */
	int turns;
	int inits, finis;
	bool init_fails, fini_hangs, open;
};

struct job {
	struct book *book;
	int n, how;
};

struct large_job {
	struct job job;
	char rest[CONC__WRITER_SIZE];
};

struct scene {
	conc_executor *pool;
	struct book *book;
	conc_future *futures[MOST];
	int n;
	int codes[MOST];
	/* Of a second thread: the future that it does something with, and what came of it. */
	conc_future *other;
	int rc;
};

/* Did a call fail because the sweep wanted it so?  Any other failure ends the run. */
static inline bool
swept(int rc)
{
	sim_assert(rc == 0 ||
	    (sim_sweeping() && (rc == -ENOMEM || rc == -EAGAIN || rc == -EMFILE ||
				   rc == CONC_EBROKEN)));
	return rc != 0;
}

/* May tasks fail?  Only if something was made to. */
static inline bool
troubled(void)
{
	return sim_sweeping() && sim_failures() > 0;
}

static inline int
work(const void *arg, void *result)
{
	const struct job *j = arg;
	struct book *b = j->book;
	int runs = ++b->runs[j->n];

	b->turn[j->n] = ++b->turns;
	b->plan[j->n] = conc__self()->executor;
	sim_pause();
	if (j->how & SLOW)
		conc__sleep_until(conc_after(CONC_MS(1)));
	while ((j->how & WAITS) && !b->open && !troubled())
		sim_pause();
	if ((j->how & DIES) || ((j->how & DIES_ONCE) && runs == 1))
		conc__process_exit(3);
	if (j->how & RAISES)
		return conc_raise(-EDOM, "job %d", j->n);
	while ((j->how & NEVER) || ((j->how & HANGS) && !conc_cancelled()))
		sim_pause();
	if (j->how & HANGS)
		return -ECANCELED;
	*(int *)result = 100 + j->n;
	return 0;
}

static inline int
start(void *user)
{
	struct book *b = user;

	sim_pause();
	b->inits++;
	return b->init_fails ? conc_raise(-EPERM, "no") : 0;
}

static inline void
stop(void *user)
{
	struct book *b = user;

	while (b->fini_hangs)
		conc__sleep_until(conc_after(CONC_S(10)));
	b->finis++;
}

/* One that was crashed from outside, or in a sweep for want of anything. */
static inline bool
crashed(int rc)
{
	return rc == CONC_ECRASHED || (troubled() && rc != 0);
}

/* A pool with these options, and a book; false: the sweep does not want it. */
static inline bool
open_scene(struct scene *s, const conc_process_pool_options *options)
{
	conc_process_pool_options o = *options;

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

static inline struct conc__process_pool *
inside(const struct scene *s)
{
	return (struct conc__process_pool *)s->pool;
}

/* The next job, what else is to be said of it in *what; its future or NULL. */
static inline conc_future *
submit_as(struct scene *s, int how, const conc_task *what)
{
	const size_t size = how & LARGE ? sizeof(struct large_job) : sizeof(struct job);
	struct job *j = calloc(1, size);
	conc_task task = *what;
	int n = s->n++;

	*j = (struct job){s->book, n, how};
	task.fn = work;
	task.arg = j;
	task.arg_size = size;
	task.result_size = sizeof(int);
	s->futures[n] = NULL;
	s->codes[n] = swept(conc_submit_task(s->pool, &task, &s->futures[n])) ? -ENOMEM : 0;
	free(j);
	return s->futures[n];
}

static inline conc_future *
submit(struct scene *s, int how)
{
	return submit_as(s, how, CONC_TASK(.fn = work));
}

/* Wait for job i; what it ended with is in codes, and is checked against the book. */
static inline void
await(struct scene *s, int i)
{
	int got = 0;

	if (s->futures[i] == NULL)
		return;
	s->codes[i] = conc_future_result(s->futures[i], &got, sizeof got);
	sim_assert(s->codes[i] != 0 || got == 100 + i);
	sim_assert(s->codes[i] != 0 || s->book->runs[i] >= 1);
	sim_assert(conc_future_done(s->futures[i]));
	conc_clear();
	conc_future_release(s->futures[i]);
	s->futures[i] = NULL;
}

static inline void
collect(struct scene *s)
{
	for (int i = 0; i < s->n; i++)
		await(s, i);
}

/* Each ran once, and well. */
static inline void
all_well(const struct scene *s)
{
	for (int i = 0; i < s->n; i++)
		sim_assert((s->book->runs[i] == 1 && s->codes[i] == 0) || troubled());
}

static inline void
close_scene(struct scene *s)
{
	conc_executor_destroy(s->pool);
	conc__shared_unmap(s->book, sizeof *s->book);
}

/* Threads: from outside, one of the first two workers, or the zygote, is killed. */
static inline void
kill_worker(void *arg)
{
	struct scene *s = arg;
	struct conc__process_pool *p = inside(s);
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

static inline void
kill_zygote(void *arg)
{
	struct conc__process_pool *p = inside(arg);
	int pid;

	conc__mutex_lock(&p->lock);
	pid = p->brood != NULL ? p->brood->zygote.pid : 0;
	conc__mutex_unlock(&p->lock);
	if (pid != 0)
		sim_kill_at_random(pid);
}

#endif
