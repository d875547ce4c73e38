/* SPDX-License-Identifier: MIT */
/*
 * Scenarios of the locks and of once: who waits is woken, at most one is in,
 * and deadlines lose nothing.
 */
#include "sim.h"
#include <conc/sync.h>
#include <errno.h>

/* What the threads of a scenario share. */
struct room {
	conc_lock lock;
	conc_rlock rlock;
	conc_once once;
	conc_time deadline;
	int inside, visits, runs, failures;
};

/* One visitor at a time. */
static void
visit(struct room *r)
{
	sim_assert(r->inside++ == 0);
	sim_pause();
	r->visits++;
	sim_assert(--r->inside == 0);
}

static void
visit_locked(void *arg)
{
	struct room *r = arg;

	sim_assert(conc_lock_acquire(&r->lock, CONC_FOREVER) == 0);
	visit(r);
	sim_assert(conc_lock_release(&r->lock) == 0);
}

static void
visit_twice(void *arg)
{
	visit_locked(arg);
	visit_locked(arg);
}

/* Three want it; nobody is forgotten. */
SIM_SCENARIO(sync_lock_contended)
{
	struct room r = {.lock = CONC_LOCK_INIT};
	struct sim_thread *a = sim_go(visit_locked, &r), *b = sim_go(visit_twice, &r);

	visit_locked(&r);
	sim_join(a);
	sim_join(b);
	sim_assert(r.visits == 4 && !conc_lock_locked(&r.lock));
	sim_assert(conc_lock_release(&r.lock) == CONC_ESTATE);
}

static void
visit_by_deadline(void *arg)
{
	struct room *r = arg;
	int rc = conc_lock_acquire(&r->lock, r->deadline);

	if (rc) {
		sim_assert(rc == -ETIMEDOUT);
		r->failures++;
		return;
	}
	visit(r);
	sim_assert(conc_lock_release(&r->lock) == 0);
}

/* One gives up, perhaps just as he is woken: the other, who does not, has it still. */
SIM_SCENARIO(sync_lock_deadline_against_release)
{
	struct room r = {.deadline = conc_after(1 + sim_random(2000))};
	struct sim_thread *late, *patient;

	sim_assert(conc_lock_acquire(&r.lock, CONC_NOW) == 0);
	late = sim_go(visit_by_deadline, &r);
	patient = sim_go(visit_locked, &r);
	sim_pause();
	sim_assert(conc_lock_release(&r.lock) == 0);
	sim_join(late);
	sim_join(patient);
	sim_assert(r.visits + r.failures == 2 && r.failures <= 1);
	sim_assert(!conc_lock_locked(&r.lock));
}

/* Whoever takes it last may free it, while its releaser still wakes. */
static void
visit_and_leave(void *arg)
{
	struct room *r = arg;

	CONC_WITH(&r->lock)
		visit(r);
}

SIM_SCENARIO(sync_lock_freed_by_the_last)
{
	struct room *r = calloc(1, sizeof *r);
	struct sim_thread *t = sim_go(visit_and_leave, r);
	int visits;

	do {
		sim_assert(conc_lock_acquire(&r->lock, CONC_FOREVER) == 0);
		visits = r->visits;
		sim_assert(conc_lock_release(&r->lock) == 0);
		sim_pause();
	} while (visits == 0);
	/* The other's visit was over before our last acquire, and so is his use of the lock. */
	free(r);
	sim_join(t);
}

static void
visit_deep(void *arg)
{
	struct room *r = arg;

	CONC_WITH(&r->rlock) {
		CONC_WITH(&r->rlock)
			visit(r);
		sim_pause();
		sim_assert(conc_rlock_held(&r->rlock));
		visit(r);
	}
	sim_assert(!conc_rlock_held(&r->rlock));
	sim_assert(conc_rlock_release(&r->rlock) == CONC_ESTATE);
}

/* The rlock is its owner's until the last release, and nobody else's. */
SIM_SCENARIO(sync_rlock_contended)
{
	struct room r = {.rlock = CONC_RLOCK_INIT};
	struct sim_thread *a = sim_go(visit_deep, &r), *b = sim_go(visit_deep, &r);

	visit_deep(&r);
	sim_join(a);
	sim_join(b);
	sim_assert(r.visits == 6 && !conc_rlock_locked(&r.rlock));
}

/* ---- once ---- */

static int
run(void *arg)
{
	struct room *r = arg;

	sim_assert(r->inside++ == 0);
	sim_pause();
	sim_assert(--r->inside == 0);
	return r->runs++ < r->failures ? -EIO : 0;
}

static int
run_once(struct room *r)
{
	int rc = conc_once_run(&r->once, run, r);

	if (rc != -ENOMEM)
		return rc;
	sim_assert(sim_sweeping());
	return conc_once_run(&r->once, run, r); /* that was one failure, or all fail */
}

static void
come(void *arg)
{
	struct room *r = arg;
	int rc = run_once(r);

	if (rc == 0) {
		sim_assert(r->runs == r->failures + 1);
		r->visits++;
	} else
		sim_assert(rc == -EIO || (rc == -ENOMEM && sim_sweeping()));
}

static void
rush(int failures)
{
	struct room r = {.failures = failures};
	struct sim_thread *a = sim_go(come, &r), *b = sim_go(come, &r);

	come(&r);
	sim_join(a);
	sim_join(b);
	if (!sim_sweeping())
		sim_assert(r.runs == failures + 1 && r.visits == 3 - failures);
}

/* Three come; it is run once, and nobody goes on before. */
SIM_SCENARIO(sync_once_contended)
{
	rush(0);
}

/* The first run fails: one of those who wait tries again, and the third hears of it. */
SIM_SCENARIO(sync_once_first_fails)
{
	rush(1);
}

static void
come_again(void *arg)
{
	struct room *r = arg;

	if (run_once(r) == -EIO)
		come(r);
}

/* Who failed tries again, while another may have begun: he is not taken for that one. */
SIM_SCENARIO(sync_once_failed_tries_again)
{
	struct room r = {.failures = 1};
	struct sim_thread *t = sim_go(come_again, &r);

	come_again(&r);
	sim_join(t);
	if (!sim_sweeping())
		sim_assert(r.runs == 2 && r.visits <= 1);
}

/* Another thread vanishes in the middle of it; the child is told so. */
SIM_SCENARIO(sync_once_in_the_child_of_a_fork)
{
	struct room *r = calloc(1, sizeof *r);
	int rc;

	(void)sim_go(come, r);
	sim_pause();
	sim_fork_as_child();
	rc = run_once(r);
	if (rc == CONC_EFORKED) {
		sim_assert(r->runs <= 1);
		sim_assert(conc_once_init(&r->once, 0) == 0);
		r->inside = r->runs = 0;
		rc = run_once(r);
	}
	sim_assert((rc == 0 && r->runs == 1) || (rc == -ENOMEM && sim_sweeping()));
	free(r);
}
