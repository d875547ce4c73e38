/* SPDX-License-Identifier: MIT */

/*
 * Does the simulator find bugs?  Small programs with one known bug each, which
 * it must find, and beside each the correct twin, in which it must find none.
 * That a seed gives the same run again is checked for every scenario (main.c).
 */
#include "selftest.h"
#include "base/clock.h"
#include "base/futex.h"
#include "base/lock.h"

/* ---- a wake-up lost on a futex: the word is looked at, but not by the wait ---- */

struct gate {
	conc__atomic_u32 open;
	bool bug;
};

static void
open_gate(void *arg)
{
	struct gate *g = arg;

	conc__store_release(&g->open, 1); /* pairs with futex's load */
	conc__futex_wake(&g->open, 1);
}

PAIR(futex, "deadlock")
{
	struct gate g = {0, bug};
	struct sim_thread *t = sim_go(open_gate, &g);

	while (conc__load_acquire(&g.open) == 0) /* pairs with open_gate */
		conc__futex_wait(&g.open, bug ? conc__load_relaxed(&g.open) : 0, CONC_FOREVER);
	sim_join(t);
}

/* ---- a signal lost: one is sent where two wait for different things ---- */

struct room {
	struct conc__mutex m;
	struct conc__condition c;
	int tokens;
	bool bug;
};

static void
room_init(struct room *r, bool bug)
{
	*r = (struct room){.bug = bug};
	sim_assert(conc__mutex_init(&r->m, CONC__RANK_POOL) == 0);
	sim_assert(conc__condition_init(&r->c) == 0);
}

static void
room_fini(struct room *r)
{
	conc__condition_destroy(&r->c);
	conc__mutex_destroy(&r->m);
}

static void
take_token(void *arg)
{
	struct room *r = arg;

	conc__mutex_lock(&r->m);
	while (r->tokens == 0)
		conc__condition_wait(&r->c, &r->m, CONC_FOREVER);
	r->tokens--;
	conc__mutex_unlock(&r->m);
}

PAIR(condition, "deadlock")
{
	struct room r;
	struct sim_thread *a, *b;

	room_init(&r, bug);
	a = sim_go(take_token, &r);
	b = sim_go(take_token, &r);
	conc__mutex_lock(&r.m);
	r.tokens = 2;
	conc__mutex_unlock(&r.m);
	if (bug)
		conc__condition_signal(&r.c); /* wakes one of two */
	else
		conc__condition_broadcast(&r.c);
	sim_join(a);
	sim_join(b);
	room_fini(&r);
}

/* ---- "if" for "while" around a wait ---- */

static void
take_token_at_once(void *arg)
{
	struct room *r = arg;

	conc__mutex_lock(&r->m);
	if (r->bug ? r->tokens == 0 : false)
		conc__condition_wait(&r->c, &r->m, CONC_FOREVER);
	while (!r->bug && r->tokens == 0)
		conc__condition_wait(&r->c, &r->m, CONC_FOREVER);
	sim_assert(r->tokens > 0);
	r->tokens--;
	conc__mutex_unlock(&r->m);
}

PAIR(wakeup_for_nothing, "r->tokens > 0")
{
	struct room r;
	struct sim_thread *a;

	room_init(&r, bug);
	a = sim_go(take_token_at_once, &r);
	conc__mutex_lock(&r.m);
	r.tokens = 1;
	conc__mutex_unlock(&r.m);
	conc__condition_signal(&r.c);
	sim_join(a);
	room_fini(&r);
}

/* ---- an increment in two steps ---- */

struct counter {
	conc__atomic_u32 n;
	bool bug;
};

static void
count(void *arg)
{
	struct counter *c = arg;

	/* relaxed: a number alone */
	if (c->bug)
		conc__store_relaxed(&c->n, conc__load_relaxed(&c->n) + 1);
	else
		conc__add_relaxed(&c->n, 1);
}

PAIR(atomicity, "c.n == 2")
{
	struct counter c = {0, bug};
	struct sim_thread *a = sim_go(count, &c), *b = sim_go(count, &c);

	sim_join(a);
	sim_join(b);
	sim_assert(c.n == 2);
}

/* ---- a weak compare-and-swap taken for a strong one ---- */

PAIR(weak_cas, "set")
{
	conc__atomic_u32 word = 0;
	uint32_t zero = 0;
	bool set = conc__cas_weak_acq_rel(&word, &zero, 1); /* pairs with nothing */

	while (!bug && !set)
		set = conc__cas_weak_acq_rel(&word, &zero, 1);
	sim_assert(set);
}

/* ---- locks in two orders: the ranks tell, with or without a deadlock ---- */

struct two {
	struct conc__mutex a;
	struct conc__lock b;
	bool bug;
};

static void
lock_both(void *arg)
{
	struct two *two = arg;

	if (two->bug)
		conc__lock_acquire(&two->b, CONC__RANK_FUTURE);
	conc__mutex_lock(&two->a);
	if (!two->bug)
		conc__lock_acquire(&two->b, CONC__RANK_FUTURE);
	conc__lock_release(&two->b, CONC__RANK_FUTURE);
	conc__mutex_unlock(&two->a);
}

PAIR(lock_order, "takes a lock of rank")
{
	struct two two = {.bug = bug};
	struct sim_thread *t;

	sim_assert(conc__mutex_init(&two.a, CONC__RANK_POOL) == 0);
	t = sim_go(lock_both, &two);
	conc__mutex_lock(&two.a);
	conc__lock_acquire(&two.b, CONC__RANK_FUTURE);
	conc__lock_release(&two.b, CONC__RANK_FUTURE);
	conc__mutex_unlock(&two.a);
	sim_join(t);
	conc__mutex_destroy(&two.a);
}

/* ---- a circle of waiting that no rank forbids ---- */

static void
join_it(void *arg)
{
	struct sim_thread **other = arg;

	while (*(struct sim_thread *volatile *)other == NULL)
		sim_pause();
	sim_join(*other);
}

SIM_MUST_FAIL(selftest_circle_wrong, "waits for a thread's end")
{
	struct sim_thread **t = calloc(2, sizeof(*t)); /* main ends before they do */

	t[0] = sim_go(join_it, &t[1]);
	t[1] = sim_go(join_it, &t[0]);
}

/* ---- unlock by another, lock twice, end with a lock, wait without it ---- */

static void
unlock_it(void *mutex)
{
	conc__mutex_unlock(mutex);
}

PAIR(not_the_owner, "does not hold the mutex")
{
	struct conc__mutex m;
	struct sim_thread *t;

	sim_assert(conc__mutex_init(&m, CONC__RANK_POOL) == 0);
	conc__mutex_lock(&m);
	if (bug) {
		t = sim_go(unlock_it, &m);
		sim_join(t);
	} else
		conc__mutex_unlock(&m);
	conc__mutex_destroy(&m);
}

SIM_MUST_FAIL(selftest_lock_twice_wrong, "takes a lock that it holds")
{
	struct conc__lock l = {0};

	conc__lock_acquire(&l, CONC__RANK_FUTURE);
	conc__lock_acquire(&l, CONC__RANK_FUTURE);
}

SIM_MUST_FAIL(selftest_end_with_lock_wrong, "ends while it holds a lock")
{
	struct conc__lock l = {0};

	conc__lock_acquire(&l, CONC__RANK_FUTURE);
}

SIM_MUST_FAIL(selftest_wait_without_mutex_wrong, "condition wait")
{
	struct room r;

	room_init(&r, true);
	conc__condition_wait(&r.c, &r.m, CONC_FOREVER);
}

SIM_MUST_FAIL(selftest_destroy_held_wrong, "is destroyed that is held")
{
	struct conc__mutex m;

	sim_assert(conc__mutex_init(&m, CONC__RANK_POOL) == 0);
	conc__mutex_lock(&m);
	conc__mutex_destroy(&m);
}

/* ---- spinning ---- */

static void
spin(void *arg)
{
	while (conc__load_acquire((conc__atomic_u32 *)arg) == 0) /* pairs with nothing */
		continue;
}

SIM_MUST_FAIL(selftest_livelock_wrong, "livelock")
{
	conc__atomic_u32 never = 0;

	sim_set_max_steps(2000);
	spin(&never);
}

/* PCT must not starve those that a spinning thread waits for. */
SIM_SCENARIO(selftest_spin_right)
{
	conc__atomic_u32 flag = 0;
	struct sim_thread *t = sim_go(spin, &flag);

	conc__store_release(&flag, 1); /* pairs with spin */
	sim_join(t);
}

/* ---- time: a deadline that is near may pass first, one that never comes does not ---- */

PAIR(deadline, "rc == 0")
{
	struct gate g = {0, bug};
	struct sim_thread *t = sim_go(open_gate, &g);
	int rc = 0;

	while (rc == 0 && conc__load_acquire(&g.open) == 0) /* pairs with open_gate */
		rc = conc__futex_wait(&g.open, 0, bug ? conc_after_ms(500) : CONC_FOREVER);
	sim_assert(rc == 0);
	sim_join(t);
}

SIM_SCENARIO(selftest_time)
{
	int64_t begin = conc__now();

	conc__sleep_until((conc_time){begin + CONC_S(3600)});
	sim_assert(conc__now() >= begin + CONC_S(3600));
	sim_assert(conc__passed(CONC_NOW) && !conc__passed(CONC_FOREVER));
}
