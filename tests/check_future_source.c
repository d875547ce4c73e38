/* SPDX-License-Identifier: MIT */
/*
 * Futures against their sources, here by hand: a source that cannot run what
 * a waiter claims, one that puts it back for later, one that is cancelled
 * while it puts back, one that hands it to another process.
 */
#include "base/clock.h"
#include "base/self.h"
#include "future/frame.h"
#include "future/future.h"
#include "tests/future.h"
#include <stdatomic.h>

/* A future by hand; first the future itself, so that its source finds the rest. */
struct handmade {
	conc_future future;
	int refusals;  /* claims that are still to fail with -EAGAIN */
	int put_backs; /* claims that are still to put it back until due */
	int64_t due;
	atomic_int claims, cancels, frees;
};

static void
free_handmade(conc_future *f)
{
	atomic_fetch_add(&((struct handmade *)f)->frees, 1);
}

static void
cancel_handmade(conc_future *f)
{
	atomic_fetch_add(&((struct handmade *)f)->cancels, 1);
	conc__future_end(f, CONC__CANCELLED, NULL);
	conc__future_leave(f);
}

static int
claim_handmade(conc_future *f)
{
	struct handmade *h = (struct handmade *)f;

	atomic_fetch_add(&h->claims, 1);
	if (h->refusals > 0) {
		h->refusals--;
		(void)conc__future_put_back(f, CONC__PENDING);
		return -EAGAIN;
	}
	if (h->put_backs > 0) {
		h->put_backs--;
		h->due = conc__now() + CONC_MS(2);
		(void)conc__future_put_back(f, CONC__DELAYED);
		return 0;
	}
	conc__future_end(f, CONC__DONE, NULL);
	conc__future_leave(f);
	return 0;
}

static int64_t
due_handmade(const conc_future *f)
{
	return ((const struct handmade *)f)->due;
}

static const struct conc__source source = {
    .free = free_handmade,
    .cancel = cancel_handmade,
    .claim = claim_handmade,
    .due = due_handmade,
};

static char executor; /* stands for a pool: only its address counts */

static void
make(struct handmade *h)
{
	uint32_t generation;

	memset(h, 0, sizeof *h);
	ck_assert_int_eq(conc__generation(&generation), 0);
	conc__future_init(&h->future, &source, generation, 1);
	h->future.executor = &executor;
}

/* The three ways to wait. */
static int
await_one(conc_future *f)
{
	return conc_future_wait(f, CONC_FOREVER);
}

static int
await_set(conc_future *f)
{
	return conc_wait(&f, 1, CONC_ALL, CONC_FOREVER);
}

static int
await_next(conc_future *f)
{
	conc_completions *c = completions();
	conc_future *next = NULL;
	int rc;

	ck_assert_int_eq(conc_completions_add(c, f, NULL), 0);
	rc = conc_completions_next(c, &next, NULL, CONC_FOREVER);
	if (rc == 0)
		ck_assert_ptr_eq(next, f);
	conc_future_release(next);
	conc_completions_destroy(c);
	return rc;
}

static int (*const ways[])(conc_future *f) = {await_one, await_set, await_next};

/* Wait so inside a task of the executor, on one of its workers. */
static int
wait_as_a_worker(int way, conc_future *f)
{
	struct conc__frame task = {.executor = &executor};
	struct conc__self *self = conc__self();
	int rc;

	self->frame = &task;
	self->executor = &executor;
	rc = ways[way](f);
	self->frame = NULL;
	self->executor = NULL;
	return rc;
}

START_TEST(a_claim_that_fails_is_the_waits_code)
{
	struct handmade h;

	make(&h);
	h.refusals = 1;
	ck_assert_int_eq(wait_as_a_worker(_i, &h.future), -EAGAIN);
	ck_assert_state(&h.future, false, false, false);
	ck_assert_int_eq(h.claims, 1);
	ck_assert_int_eq(wait_as_a_worker(_i, &h.future), 0); /* and it can be tried again */
	ck_assert_state(&h.future, true, false, false);
	ck_assert_int_eq(h.claims, 2);
	conc_future_release(&h.future);
	ck_assert_int_eq(h.frees, 1);
}
END_TEST

/* What is due again only later is claimed then, by whoever waits. */
START_TEST(a_claim_that_is_put_back_is_claimed_when_due)
{
	struct handmade h;

	make(&h);
	h.put_backs = 3;
	ck_assert_int_eq(wait_as_a_worker(_i, &h.future), 0);
	ck_assert_state(&h.future, true, false, false);
	ck_assert_int_eq(h.claims, 4);
	ck_assert_int_ge(conc__now(), h.due);
	conc_future_release(&h.future);
	ck_assert_int_eq(h.frees, 1);
}
END_TEST

static bool
is_watched(void *arg)
{
	struct handmade *h = arg;

	/* relaxed: only whether somebody has come */
	return (conc__load_relaxed(&h->future.state) & CONC__WAITED) != 0;
}

/* Put it back once somebody waits for it. */
static void *
put_back_under_a_waiter(void *arg)
{
	eventually(is_watched, arg);
	(void)conc__future_put_back(&((struct handmade *)arg)->future, CONC__PENDING);
	return NULL;
}

/* Who waits for a run that is put back runs it himself then. */
START_TEST(a_waiter_hears_that_it_was_put_back)
{
	struct handmade h;
	pthread_t thread;

	make(&h);
	ck_assert(conc__future_win(&h.future, CONC__RUNNING));
	thread = start(put_back_under_a_waiter, &h);
	ck_assert_int_eq(wait_as_a_worker(_i, &h.future), 0);
	join(thread);
	ck_assert_int_eq(h.claims, 1);
	conc_future_release(&h.future);
	ck_assert_int_eq(h.frees, 1);
}
END_TEST

/* Who was asked to stop is not to begin again later. */
START_TEST(what_was_asked_to_stop_is_not_delayed)
{
	struct handmade h;

	make(&h);
	ck_assert(conc__future_win(&h.future, CONC__RUNNING));
	ck_assert_int_eq(conc_future_cancel(&h.future), -EINPROGRESS);
	ck_assert(!conc__future_put_back(&h.future, CONC__DELAYED));
	ck_assert_state(&h.future, false, true, false);
	ck_assert(conc__future_put_back(&h.future, CONC__PENDING));
	ck_assert_int_eq(conc_future_cancel(&h.future), 0);
	ck_assert_state(&h.future, true, false, true);
	conc_future_release(&h.future);
	ck_assert_int_eq(h.frees, 1);
}
END_TEST

/* Begins it and puts it back, as long as that goes. */
static void *
run_for_ever(void *arg)
{
	struct handmade *h = arg;

	for (; conc__future_win(&h->future, CONC__RUNNING); h->claims++) {
		(void)conc__future_put_back(&h->future, CONC__PENDING);
		/* Where threads take turns by steps they would do so always at the same one. */
		sched_yield();
	}
	return NULL;
}

/* A cancel comes before a run, or finds one and says so; it is never lost, nor done twice. */
START_TEST(cancel_against_runs_that_put_back)
{
	for (int n = 0; n < seeds(); n++) {
		uint32_t seed = seed_start(n);
		struct handmade h;
		pthread_t thread;
		int rc;

		make(&h);
		thread = start(run_for_ever, &h);
		while (h.claims == 0) /* it has begun */
			sched_yield();
		do {
			jitter(&seed);
			rc = conc_future_cancel(&h.future);
			ck_assert(rc == 0 || rc == -EINPROGRESS);
		} while (rc != 0);
		join(thread);
		ck_assert_state(&h.future, true, false, true);
		ck_assert_int_eq(h.cancels, 1);
		conc_future_release(&h.future);
		ck_assert_int_eq(h.frees, 1);
	}
}
END_TEST

/* A future that is handed out: whether it has begun is for its source alone to say. */
struct remote {
	conc_future future; /* first: the source finds the rest */
	bool has_begun;
	bool comes_back; /* it is put back just as somebody wants to revoke it */
	int revokes, cancels;
	atomic_int ending;
};

static void
free_remote(conc_future *f)
{
	(void)f;
}

static void
cancel_remote(conc_future *f)
{
	((struct remote *)f)->cancels++;
	conc__future_end(f, CONC__CANCELLED, NULL);
	conc__future_leave(f);
}

static int
revoke_remote(conc_future *f)
{
	struct remote *r = (struct remote *)f;

	r->revokes++;
	if (r->comes_back)
		ck_assert(conc__future_put_back(f, CONC__PENDING));
	if (!conc__future_hold(f))
		return -EAGAIN;
	if (r->has_begun) {
		conc__future_let_go(f);
		return -EINPROGRESS;
	}
	conc__future_revoke(f);
	ck_assert_state(f, false, false, true);
	conc__future_end(f, CONC__CANCELLED, NULL);
	conc__future_leave(f);
	return 0;
}

static bool
remote_has_begun(conc_future *f)
{
	bool begun;

	if (!conc__future_hold(f))
		return false;
	begun = ((struct remote *)f)->has_begun;
	conc__future_let_go(f);
	return begun;
}

static const struct conc__source remote = {
    .free = free_remote,
    .cancel = cancel_remote,
    .revoke = revoke_remote,
    .begun = remote_has_begun,
};

static void
hand_out(struct remote *r)
{
	uint32_t generation;

	memset(r, 0, sizeof *r);
	ck_assert_int_eq(conc__generation(&generation), 0);
	conc__future_init(&r->future, &remote, generation, 1);
	ck_assert(!conc__future_hold(&r->future)); /* nobody has it yet */
	ck_assert(conc__future_win(&r->future, CONC__RUNNING));
}

START_TEST(what_has_not_begun_is_revoked)
{
	struct remote r;

	hand_out(&r);
	ck_assert_state(&r.future, false, false, false);
	ck_assert_int_eq(conc_future_cancel(&r.future), 0);
	ck_assert_state(&r.future, true, false, true);
	ck_assert_int_eq(conc_future_cancel(&r.future), 0);
	ck_assert_int_eq(r.revokes, 1);
	ck_assert_int_eq(r.cancels, 0);
	ck_assert(!conc__future_hold(&r.future));
	conc_future_release(&r.future);
}
END_TEST

START_TEST(what_has_begun_is_asked)
{
	struct remote r;

	hand_out(&r);
	r.has_begun = true;
	ck_assert_state(&r.future, false, true, false);
	ck_assert_int_eq(conc_future_cancel(&r.future), -EINPROGRESS);
	ck_assert_state(&r.future, false, true, false);
	ck_assert(!conc__future_put_back(&r.future, CONC__DELAYED));
	conc__future_end(&r.future, CONC__DONE, NULL);
	conc__future_leave(&r.future);
	ck_assert_state(&r.future, true, false, false);
	ck_assert_int_eq(conc_future_cancel(&r.future), CONC_ESTATE);
	ck_assert_int_eq(r.revokes, 1);
	conc_future_release(&r.future);
}
END_TEST

START_TEST(what_is_put_back_meanwhile_is_cancelled)
{
	struct remote r;

	hand_out(&r);
	r.comes_back = true;
	ck_assert_int_eq(conc_future_cancel(&r.future), 0);
	ck_assert_state(&r.future, true, false, true);
	ck_assert_int_eq(r.revokes, 1);
	ck_assert_int_eq(r.cancels, 1);
	conc_future_release(&r.future);
}
END_TEST

static void *
leave_running(void *arg)
{
	struct remote *r = arg;

	atomic_store(&r->ending, 1);
	if (r->comes_back) {
		(void)conc__future_put_back(&r->future, CONC__DELAYED);
	} else {
		conc__future_end(&r->future, CONC__DONE, NULL);
		conc__future_leave(&r->future);
	}
	return NULL;
}

/* What is held neither ends nor is put back before it is let go. */
START_TEST(what_is_held_stays)
{
	for (int n = 0; n < seeds(); n++) {
		uint32_t seed = seed_start(n);
		struct remote r;
		pthread_t thread;

		hand_out(&r);
		r.has_begun = true;
		r.comes_back = _i;
		ck_assert(conc__future_hold(&r.future));
		thread = start(leave_running, &r);
		while (atomic_load(&r.ending) == 0)
			sched_yield();
		jitter(&seed);
		ck_assert_uint_eq(conc__future_phase(&r.future), CONC__RUNNING);
		conc__future_let_go(&r.future);
		join(thread);
		ck_assert_uint_eq(
		    conc__future_phase(&r.future), _i ? CONC__DELAYED : CONC__DONE);
		if (_i) {
			ck_assert_int_eq(conc_future_cancel(&r.future), 0);
			ck_assert_int_eq(r.cancels, 1);
		}
		conc_future_release(&r.future);
	}
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("future_source");
	TCase *tc = new_case(s, "claims");

	tcase_add_loop_test(tc, a_claim_that_fails_is_the_waits_code, 0, 3);
	tcase_add_loop_test(tc, a_claim_that_is_put_back_is_claimed_when_due, 0, 3);
	tcase_add_loop_test(tc, a_waiter_hears_that_it_was_put_back, 0, 3);
	tcase_add_test(tc, what_was_asked_to_stop_is_not_delayed);
	tc = new_case(s, "races");
	tcase_add_test(tc, cancel_against_runs_that_put_back);
	tcase_add_loop_test(tc, what_is_held_stays, 0, 2);
	tc = new_case(s, "handed out");
	tcase_add_test(tc, what_has_not_begun_is_revoked);
	tcase_add_test(tc, what_has_begun_is_asked);
	tcase_add_test(tc, what_is_put_back_meanwhile_is_cancelled);
	return run_suite(s);
}
