/* SPDX-License-Identifier: MIT */
/*
 * Log records of worker processes: each comes once, in order, whole, and before
 * what came of its task; whoever dies, waits or changes his mind meanwhile.
 */
#include "base/hook.h"
#include "scenario_process_pool.h"
#include <stdio.h>

/* What tasks do besides logging: these, or DIES, RAISES, NEVER; HOLDS: until it is over. */
enum { IN_THREAD = 256, WITHOUT_END = 512, HOLDS = 1024 };

/* Host and workers have one address space here: all look at it. */
static struct {
	int before[MOST];  /* records that a task was about to log, */
	int after[MOST];   /* and that it had logged */
	int heard[MOST];   /* what has come of them */
	int heard_in[MOST], threads_in[MOST]; /* of its second thread: likewise */
	bool telling; /* one of them is being told, or was */
	bool over;
} book;

struct talk {
	int n, records, how;
};

static void
hear(const conc_log_record *record, void *user)
{
	int n, i;

	sim_assert(user == &book);
	book.telling = true;
	sim_pause(); /* as long as it pleases */
	sim_assert(record->level == CONC_LOG_INFO && record->pid > 0 && record->worker >= 0);
	sim_assert(strncmp(record->thread, "sim-", 4) == 0 || record->message[0] == 'T');
	if (sscanf(record->message, "T%d %d", &n, &i) == 2)
		sim_assert(i == book.heard_in[n]++);
	else if (sscanf(record->message, "%d %d", &n, &i) == 2)
		sim_assert(i == book.heard[n]++);
	else
		sim_fail("no such record: %s", record->message);
	sim_pause();
}

static void
log_too(void *arg)
{
	const struct talk *t = arg;

	for (int i = 0; i < t->records; i++) {
		conc_log(CONC_LOG_INFO, "T%d %d", t->n, i);
		book.threads_in[t->n]++;
	}
}

static int
talk(const void *arg, void *result)
{
	const struct talk *t = arg;
	struct sim_thread *other = NULL;

	if (t->how & IN_THREAD)
		other = sim_go(log_too, (void *)(uintptr_t)t);
	for (int i = 0; (t->how & WITHOUT_END) || i < t->records; i++) {
		book.before[t->n]++;
		conc_log(CONC_LOG_INFO, "%d %d", t->n, i);
		book.after[t->n]++;
	}
	if (t->how & DIES)
		conc__process_exit(3);
	while ((t->how & NEVER) || ((t->how & HOLDS) && !book.over))
		sim_pause();
	if (other != NULL)
		sim_join(other);
	if (t->how & RAISES)
		return conc_raise(-EDOM, "task %d", t->n);
	*(int *)result = t->n;
	return 0;
}

static conc_executor *
open_pool(const conc_process_pool_options *options)
{
	conc_process_pool_options o = *options;
	conc_executor *pool;

	memset(&book, 0, sizeof book);
	sim_assert(conc_set_log(hear, &book, CONC_LOG_INFO) == 0);
	sim_set_max_steps(1000000);
	o.name = "sim";
	if (!swept(conc_process_pool_create(&pool, &o)))
		return pool;
	(void)conc_set_log(NULL, NULL, CONC_LOG_WARNING);
	return NULL;
}

static void
close_pool(conc_executor *pool)
{
	conc_executor_destroy(pool);
	(void)conc_set_log(NULL, NULL, CONC_LOG_WARNING);
	for (int i = 0; i < MOST; i++) {
		sim_assert(book.heard[i] >= book.after[i] && book.heard[i] <= book.before[i]);
		sim_assert(book.heard_in[i] >= book.threads_in[i]);
	}
}

static conc_future *
say(conc_executor *pool, int n, int records, int how)
{
	struct talk t = {n, records, how};
	conc_future *f = NULL;

	return swept(conc_submit(pool, talk, &t, sizeof t, sizeof(int), &f)) ? NULL : f;
}

/* The code that it ends with; by then all is told that it had logged. */
static int
outcome(conc_future *f, int n)
{
	int rc, out;

	if (f == NULL)
		return -ENOMEM;
	rc = conc_future_result(f, &out, sizeof out);
	conc_clear();
	sim_assert(rc != 0 || out == n);
	sim_assert(book.heard[n] >= book.after[n] && book.heard[n] <= book.before[n]);
	conc_future_release(f);
	return rc;
}

SIM_SCENARIO(processes_log)
{
	conc_executor *pool = open_pool(CONC_PROCESS_POOL(.workers = 2));
	conc_future *f[4];

	if (pool == NULL)
		return;
	for (int i = 0; i < 4; i++)
		f[i] = say(pool, i, 1 + i % 2, i == 2 ? RAISES : 0);
	for (int i = 0; i < 4; i++)
		sim_assert(outcome(f[i], i) == (i == 2 ? -EDOM : 0) || troubled());
	close_pool(pool);
}

/* The last that was logged before a death comes, exactly once. */
SIM_SCENARIO(processes_log_and_die)
{
	conc_executor *pool = open_pool(CONC_PROCESS_POOL(.workers = 1));
	conc_future *f[2];

	if (pool == NULL)
		return;
	f[0] = say(pool, 0, 3, DIES);
	f[1] = say(pool, 1, 1, 0);
	sim_assert(crashed(outcome(f[0], 0)));
	sim_assert(outcome(f[1], 1) == 0 || troubled());
	sim_assert((book.heard[0] == 3 && book.heard[1] == 1) || troubled());
	close_pool(pool);
}

static void
kill_it(void *pool)
{
	kill_worker(&(struct scene){.pool = pool});
}

/* Killed from outside at any step, also in the midst of a record. */
SIM_SCENARIO(processes_log_killed)
{
	conc_executor *pool = open_pool(CONC_PROCESS_POOL(.workers = 1));
	struct sim_thread *t;
	conc_future *f;
	int rc;

	if (pool == NULL)
		return;
	f = say(pool, 0, 4, 0);
	t = sim_go(kill_it, pool);
	rc = outcome(f, 0);
	sim_assert(rc == 0 || crashed(rc));
	sim_join(t);
	close_pool(pool);
}

/* A waiter reads the pipe itself, and leaves records to the dispatcher. */
SIM_SCENARIO(processes_log_helped)
{
	conc_executor *pool = open_pool(CONC_PROCESS_POOL(.workers = 1));

	if (pool == NULL)
		return;
	for (int i = 0; i < 4; i++)
		sim_assert(outcome(say(pool, i, i % 3, 0), i) == 0 || troubled());
	close_pool(pool);
}

/* Two threads of a worker log, and one of them reports. */
SIM_SCENARIO(processes_log_in_threads)
{
	conc_executor *pool = open_pool(CONC_PROCESS_POOL(.workers = 1));
	conc_future *f[2];

	if (pool == NULL)
		return;
	for (int i = 0; i < 2; i++)
		f[i] = say(pool, i, 2, IN_THREAD | (i == 1 ? RAISES : 0));
	for (int i = 0; i < 2; i++)
		sim_assert(outcome(f[i], i) == (i == 1 ? -EDOM : 0) || troubled());
	sim_assert((book.heard_in[0] == 2 && book.heard_in[1] == 2) || troubled());
	close_pool(pool);
}

struct wish {
	conc_future *f;
	int rc;
};

static void
kill_while_telling(void *arg)
{
	struct wish *w = arg;

	while (!book.telling && !troubled())
		sim_pause();
	if (w->f != NULL)
		(void)conc_future_kill(w->f);
	w->rc = outcome(w->f, 0);
	book.over = true;
}

/*
 * The pool's lock is free while a record is told, which a waiter has come upon: what is
 * asked for in that time is not forgotten.
 */
SIM_SCENARIO(processes_log_is_asked_meanwhile)
{
	conc_executor *pool = open_pool(CONC_PROCESS_POOL(.workers = 2));
	struct sim_thread *t;
	struct wish w;
	conc_future *f;

	if (pool == NULL)
		return;
	w.f = say(pool, 0, 0, NEVER);
	f = say(pool, 1, 1, HOLDS);
	t = sim_go(kill_while_telling, &w);
	sim_assert(outcome(f, 1) == 0 || troubled());
	sim_join(t);
	sim_assert(w.rc == -ECANCELED || troubled());
	close_pool(pool);
}

/* Many at once: the others have their turn, then the rest is told, with nothing new. */
SIM_SCENARIO(processes_log_many)
{
	conc_executor *pool = open_pool(CONC_PROCESS_POOL(.workers = 1));
	conc_future *f;

	if (pool == NULL)
		return;
	f = say(pool, 0, 200, HOLDS);
	while (book.heard[0] < 200 && !troubled())
		sim_pause();
	book.over = true;
	sim_assert(outcome(f, 0) == 0 || troubled());
	close_pool(pool);
}

/* Who logs without end is killed all the same, and what he was handed in advance goes on. */
SIM_SCENARIO(processes_log_flood)
{
	conc_executor *pool = open_pool(CONC_PROCESS_POOL(.workers = 1));
	conc_future *f[2];

	if (pool == NULL)
		return;
	f[0] = say(pool, 0, 0, WITHOUT_END);
	f[1] = say(pool, 1, 1, 0);
	while (book.heard[0] < 2 && !troubled())
		sim_pause();
	if (f[0] != NULL)
		(void)conc_future_kill(f[0]);
	sim_assert(outcome(f[0], 0) == -ECANCELED || troubled());
	sim_assert(outcome(f[1], 1) == 0 || troubled());
	close_pool(pool);
}

/*
 * Records stand before the report of one that is to be killed, and the next one has begun:
 * that one is not killed for it.
 */
SIM_SCENARIO(processes_log_condemned)
{
	conc_executor *pool = open_pool(CONC_PROCESS_POOL(.workers = 1));
	conc_future *f[2];
	int rc;

	if (pool == NULL)
		return;
	f[0] = say(pool, 0, 150, 0);
	f[1] = say(pool, 1, 0, HOLDS);
	while (book.heard[0] == 0 && !troubled())
		sim_pause();
	while (book.after[0] < 150 && !troubled() && sim_random(200) > 0)
		sim_pause();
	if (f[0] != NULL)
		(void)conc_future_kill(f[0]);
	rc = outcome(f[0], 0);
	sim_assert(rc == 0 || rc == -ECANCELED || troubled());
	book.over = true;
	sim_assert(outcome(f[1], 1) == 0 || troubled());
	close_pool(pool);
}

/* The pool ends while a thread that a task has left still logs. */
static int
leave_a_thread(const void *arg, void *result)
{
	static const struct talk t = {.n = 3, .records = 6};

	(void)arg, (void)result;
	(void)sim_go(log_too, (void *)(uintptr_t)&t);
	return 0;
}

static void
say_goodbye(void *user)
{
	(void)user;
	conc_log(CONC_LOG_INFO, "%d %d", 4, book.before[4]++);
	book.after[4]++;
}

SIM_SCENARIO(processes_log_last)
{
	bool fini = sim_random(2);
	conc_executor *pool = open_pool(
	    CONC_PROCESS_POOL(.workers = 1, .fini = fini ? say_goodbye : NULL));
	conc_future *f = NULL;

	if (pool == NULL)
		return;
	if (!swept(conc_submit(pool, leave_a_thread, NULL, 0, 0, &f)))
		(void)conc_future_result(f, NULL, 0);
	conc_clear();
	conc_future_release(f);
	close_pool(pool); /* here what had been logged is told */
	sim_assert(book.heard[4] == fini || troubled());
}
