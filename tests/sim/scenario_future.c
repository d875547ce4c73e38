/* SPDX-License-Identifier: MIT */
/*
 * A future's ends: cancelling, callbacks, references, and who is told of a
 * failure that nobody looked at.
 */
#include "scenario_future.h"

struct referee {
	conc_future *f;
	conc_promise *p;
	int hooks, released, seen_done, answer;
};

static void
cancel(void *arg)
{
	struct referee *r = arg;

	r->answer = conc_future_cancel(r->f);
	if (r->answer == 0)
		sim_assert(conc_future_done(r->f) && conc_future_cancelled(r->f));
	conc_future_release(r->f);
}

static void
try_to_finish(void *arg)
{
	struct referee *r = arg;
	int value = VALUE, rc = conc_promise_finish(r->p, &value, sizeof value);

	sim_assert(rc == 0 || rc == CONC_ESTATE);
	r->released = rc;
	conc_promise_destroy(r->p);
}

/* One of the two ends it, and the waiter sees what that one did. */
SIM_SCENARIO(future_cancel_finish_wait)
{
	struct referee r = {0};
	struct sim_thread *a, *b;
	int rc;

	if (!make(&r.p, &r.f))
		return;
	conc_future_ref(r.f);
	a = sim_go(cancel, &r);
	b = sim_go(try_to_finish, &r);
	rc = collect(r.f);
	sim_join(a);
	sim_join(b);
	sim_assert((r.answer == 0) != (r.released == 0));
	sim_assert(r.answer == 0 ? rc == -ECANCELED : rc == 0 && r.answer == CONC_ESTATE);
}

/* A cancel that says 0 has seen waiters woken and callbacks run, the second caller as well. */
static void
cancel_too(void *arg)
{
	struct referee *r = arg;

	sim_assert(conc_future_cancel(r->f) == 0);
	conc_future_release(r->f);
}

static void
note(conc_future *f, void *user)
{
	sim_assert(conc_future_done(f));
	sim_pause();
	*(int *)user += 1;
}

SIM_SCENARIO(future_cancelled_by_two)
{
	struct referee r = {0};
	struct sim_thread *a;
	int calls = 0, rc;

	if (!make(&r.p, &r.f))
		return;
	rc = conc_future_on_done(r.f, note, &calls);
	sim_assert(rc == 0 || (rc == -ENOMEM && sim_sweeping()));
	conc_future_ref(r.f);
	a = sim_go(cancel_too, &r);
	sim_assert(conc_future_cancel(r.f) == 0);
	sim_assert(conc_future_wait(r.f, CONC_FOREVER) == 0);
	sim_assert(collect(r.f) == -ECANCELED);
	sim_join(a);
	sim_assert(calls == (rc == 0));
	conc_promise_destroy(r.p);
}

/* Callbacks: each once, never two at a time, each adder's in his order. */
struct audience {
	conc_future *f;
	int order[4], calls, busy;
};

struct seat {
	struct audience *audience;
	int number, refused;
};

static void
hear(conc_future *f, void *user)
{
	struct seat *seat = user;
	struct audience *audience = seat->audience;

	sim_assert(conc_future_done(f));
	sim_assert(audience->busy == 0 && audience->calls < 4);
	audience->busy = 1;
	sim_pause();
	audience->busy = 0;
	audience->order[audience->calls++] = seat->number;
}

static void
take_two_seats(void *arg)
{
	struct seat *seats = arg;

	for (int i = 0; i < 2; i++) {
		int rc = conc_future_on_done(seats[i].audience->f, hear, &seats[i]);

		sim_assert(rc == 0 || (rc == -ENOMEM && sim_sweeping()));
		seats[i].refused = rc != 0;
	}
	conc_future_release(seats->audience->f);
}

SIM_SCENARIO(future_on_done_against_finish)
{
	struct audience audience = {0};
	struct seat seats[4];
	struct sim_thread *a, *b;
	conc_promise *p;
	int refused = 0, last[2] = {-1, -1};

	if (!make(&p, &audience.f))
		return;
	for (int i = 0; i < 4; i++)
		seats[i] = (struct seat){&audience, i, 0};
	conc_future_ref(audience.f);
	a = sim_go(finish, p);
	b = sim_go(take_two_seats, seats);
	take_two_seats(seats + 2);
	sim_join(a);
	sim_join(b);
	for (int i = 0; i < 4; i++)
		refused += seats[i].refused;
	sim_assert(audience.calls == 4 - refused);
	for (int i = 0; i < audience.calls; i++) {
		int number = audience.order[i];

		sim_assert(number > last[number / 2]);
		last[number / 2] = number;
	}
}

/* The program lets go while callbacks run: they borrow a future that lives. */
SIM_SCENARIO(future_callback_against_release)
{
	conc_promise *p;
	conc_future *f;
	struct sim_thread *a;
	int calls = 0, rc;

	if (!make(&p, &f))
		return;
	rc = conc_future_on_done(f, note, &calls);
	sim_assert(rc == 0 || (rc == -ENOMEM && sim_sweeping()));
	a = sim_go(finish, p);
	conc_future_release(f);
	sim_join(a);
	sim_assert(calls == (rc == 0));
}

/* A failure that nobody looks at is told once, whoever lets go last. */
SIM_SCENARIO(future_release_against_fail)
{
	conc_promise *p;
	conc_future *f;
	struct sim_thread *a, *b;
	int hooks = 0;

	if (!make(&p, &f))
		return;
	conc_set_excepthook(count_unlooked, &hooks);
	conc_future_ref(f);
	a = sim_go(fail, p);
	b = sim_go(release, f);
	conc_future_release(f);
	sim_join(a);
	sim_join(b);
	sim_assert(hooks == 1);
	conc_set_excepthook(NULL, NULL);
}

/* If it had failed before, it was told when the last release has returned. */
static void
note_and_release(void *arg)
{
	struct referee *r = arg;

	r->seen_done += conc_future_done(r->f);
	conc_future_release(r->f);
	if (++r->released == 2 && r->seen_done == 2)
		sim_assert(r->hooks == 1);
}

static void
fail_late(void *arg)
{
	struct referee *r = arg;

	fail(r->p);
}

SIM_SCENARIO(future_hook_before_last_release_ends)
{
	struct referee r = {0};
	struct sim_thread *a, *b;

	if (!make(&r.p, &r.f))
		return;
	conc_set_excepthook(count_unlooked, &r.hooks);
	conc_future_ref(r.f);
	a = sim_go(fail_late, &r);
	b = sim_go(note_and_release, &r);
	note_and_release(&r);
	sim_join(a);
	sim_join(b);
	sim_assert(r.hooks == 1);
	conc_set_excepthook(NULL, NULL);
}

/* Who looked before he let go has looked for all. */
SIM_SCENARIO(future_look_against_release)
{
	conc_promise *p;
	conc_future *f;
	struct sim_thread *a, *b;
	int hooks = 0;

	if (!make(&p, &f))
		return;
	conc_set_excepthook(count_unlooked, &hooks);
	conc_future_ref(f);
	a = sim_go(fail, p);
	b = sim_go(release, f);
	sim_assert(collect(f) == FAILURE);
	sim_join(a);
	sim_join(b);
	sim_assert(hooks == 0);
	conc_set_excepthook(NULL, NULL);
}
