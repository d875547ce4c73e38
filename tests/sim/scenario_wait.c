/* SPDX-License-Identifier: MIT */
/*
 * Waiting for one future and for several, against those that end them.
 */
#include "scenario_future.h"

SIM_SCENARIO(wait_against_finish)
{
	conc_promise *p;
	conc_future *f;
	struct sim_thread *t;

	if (!make(&p, &f))
		return;
	t = sim_go(finish, p);
	sim_assert(conc_future_wait(f, CONC_FOREVER) == 0);
	sim_assert(collect(f) == 0);
	sim_join(t);
}

/* Either answer, but a true one; and whoever gave up has left nothing behind. */
SIM_SCENARIO(wait_deadline_against_finish)
{
	conc_promise *p;
	conc_future *f;
	struct sim_thread *t;
	int rc;

	if (!make(&p, &f))
		return;
	t = sim_go(finish, p);
	rc = conc_future_wait(f, conc_after(CONC_US(1 + sim_random(3))));
	sim_assert(rc == -ETIMEDOUT || (rc == 0 && conc_future_done(f)));
	if (sim_random(2))
		sim_assert(collect(f) == 0);
	else
		conc_future_release(f);
	sim_join(t);
}

static void
wait_one(void *future)
{
	sim_assert(conc_future_wait(future, CONC_FOREVER) == 0);
	sim_assert(collect(future) == 0);
}

static void
wait_set(void *future)
{
	conc_future *set[] = {future, future};

	sim_assert(conc_wait(set, 2, CONC_ALL, CONC_FOREVER) == 0);
	sim_assert(collect(future) == 0);
}

SIM_SCENARIO(wait_two_waiters)
{
	conc_promise *p;
	conc_future *f;
	struct sim_thread *a, *b;

	if (!make(&p, &f))
		return;
	conc_future_ref(f);
	a = sim_go(wait_one, f);
	b = sim_go(sim_random(2) ? wait_one : wait_set, f);
	finish(p);
	sim_join(a);
	sim_join(b);
}

/* One gives up while the other waits on: the end must find the right one. */
SIM_SCENARIO(wait_two_waiters_one_gives_up)
{
	conc_promise *p;
	conc_future *f;
	struct sim_thread *a, *b;
	int rc;

	if (!make(&p, &f))
		return;
	conc_future_ref(f);
	a = sim_go(sim_random(2) ? wait_one : wait_set, f);
	b = sim_go(finish, p);
	rc = conc_wait(&f, 1, CONC_ANY, conc_after(CONC_US(1)));
	sim_assert(rc == -ETIMEDOUT || (rc == 0 && conc_future_done(f)));
	conc_future_release(f);
	sim_join(a);
	sim_join(b);
}

/* Two futures and a thread each that ends them. */
struct pair {
	conc_promise *p[2];
	conc_future *f[2];
	struct sim_thread *t[2];
};

static bool
make_pair(struct pair *pair)
{
	if (!make(&pair->p[0], &pair->f[0]))
		return false;
	if (make(&pair->p[1], &pair->f[1]))
		return true;
	finish(pair->p[0]);
	conc_future_release(pair->f[0]);
	return false;
}

static void
end_pair(struct pair *pair, void (*first)(void *), void (*second)(void *))
{
	pair->t[0] = sim_go(first, pair->p[0]);
	pair->t[1] = sim_go(second, pair->p[1]);
}

static void
join_pair(struct pair *pair)
{
	sim_join(pair->t[0]);
	sim_join(pair->t[1]);
}

SIM_SCENARIO(wait_all_against_finishers)
{
	struct pair pair;

	if (!make_pair(&pair))
		return;
	end_pair(&pair, finish, fail);
	sim_assert(conc_wait(pair.f, 2, CONC_ALL, CONC_FOREVER) == 0);
	sim_assert(conc_future_done(pair.f[0]) && conc_future_done(pair.f[1]));
	sim_assert(collect(pair.f[0]) == 0);
	sim_assert(collect(pair.f[1]) == FAILURE);
	join_pair(&pair);
}

SIM_SCENARIO(wait_any_against_finishers)
{
	struct pair pair;

	if (!make_pair(&pair))
		return;
	end_pair(&pair, finish, finish);
	sim_assert(conc_wait(pair.f, 2, CONC_ANY, CONC_FOREVER) == 0);
	sim_assert(conc_future_done(pair.f[0]) || conc_future_done(pair.f[1]));
	/* The stack where the watchers lay is used again while one may yet finish. */
	conc_future_release(pair.f[0]);
	conc_future_release(pair.f[1]);
	join_pair(&pair);
}

SIM_SCENARIO(wait_first_exception_against_finishers)
{
	struct pair pair;
	bool fails = sim_random(2);

	if (!make_pair(&pair))
		return;
	end_pair(&pair, finish, fails ? fail : finish);
	sim_assert(conc_wait(pair.f, 2, CONC_FIRST_EXCEPTION, CONC_FOREVER) == 0);
	if (conc_future_exception(pair.f[1]) == NULL)
		sim_assert(
		    !fails && conc_future_done(pair.f[0]) && conc_future_done(pair.f[1]));
	sim_assert(collect(pair.f[0]) == 0);
	sim_assert(collect(pair.f[1]) == (fails ? FAILURE : 0));
	join_pair(&pair);
}

static void
cancel_and_release(void *future)
{
	sim_assert(conc_future_cancel(future) == 0);
	conc_future_release(future);
}

/* A cancelled one is no exception: the wait goes on to the other's end. */
SIM_SCENARIO(wait_first_exception_against_cancel)
{
	struct pair pair;

	if (!make_pair(&pair))
		return;
	conc_future_ref(pair.f[0]);
	pair.t[0] = sim_go(cancel_and_release, pair.f[0]);
	pair.t[1] = sim_go(finish, pair.p[1]);
	sim_assert(conc_wait(pair.f, 2, CONC_FIRST_EXCEPTION, CONC_FOREVER) == 0);
	sim_assert(conc_future_done(pair.f[0]) && conc_future_done(pair.f[1]));
	sim_assert(collect(pair.f[0]) == -ECANCELED);
	sim_assert(collect(pair.f[1]) == 0);
	join_pair(&pair);
	conc_promise_destroy(pair.p[0]);
}

/* Somebody else's frame where the watchers of the wait lay. */
static __attribute__((noinline)) void
scribble(void)
{
	volatile unsigned char stack[512];

	for (size_t i = 0; i < sizeof stack; i++)
		stack[i] = 0x5a;
	sim_pause();
}

SIM_SCENARIO(wait_timeout_unlinks)
{
	struct pair pair;
	int rc;

	if (!make_pair(&pair))
		return;
	end_pair(&pair, finish, finish);
	rc = conc_wait(pair.f, 2, CONC_ALL, conc_after(CONC_US(1 + sim_random(3))));
	if (rc == 0)
		sim_assert(conc_future_done(pair.f[0]) && conc_future_done(pair.f[1]));
	else
		sim_assert(rc == -ETIMEDOUT);
	scribble();
	if (sim_random(2)) {
		sim_assert(collect(pair.f[0]) == 0);
		sim_assert(collect(pair.f[1]) == 0);
	} else {
		conc_future_release(pair.f[0]);
		conc_future_release(pair.f[1]);
	}
	join_pair(&pair);
}

/* So many that the watchers need memory. */
SIM_SCENARIO(wait_many)
{
	enum { N = 9 };
	conc_promise *p;
	conc_future *f[N];
	struct sim_thread *t;
	int rc;

	if (!make(&p, &f[0]))
		return;
	for (int i = 1; i < N; i++)
		f[i] = f[0];
	t = sim_go(finish, p);
	rc = conc_wait(f, N, CONC_ALL, CONC_FOREVER);
	sim_assert(rc == 0 || (rc == -ENOMEM && sim_sweeping()));
	sim_assert(collect(f[0]) == 0);
	sim_join(t);
}
