/* SPDX-License-Identifier: MIT */
/*
 * Events.  Tests that CPython has as well bear its names.
 */
#include "tests/signals.h"

/* The bit of the word that says that somebody may sleep. */
#define WAITED UINT32_C(2)

enum { N = 5 };

START_TEST(is_set)
{
	conc_event e = CONC_EVENT_INIT;

	for (int twice = 0; twice < 2; twice++) {
		ck_assert(!conc_event_is_set(&e));
		ck_assert_int_eq(conc_event_wait(&e, CONC_NOW), -ETIMEDOUT);
		for (int i = 0; i < 2; i++) {
			ck_assert_int_eq(conc_event_set(&e), 0);
			ck_assert(conc_event_is_set(&e));
			ck_assert_int_eq(conc_event_wait(&e, CONC_NOW), 0);
			ck_assert_int_eq(conc_event_wait(&e, CONC_FOREVER), 0);
		}
		for (int i = 0; i < 2; i++) {
			ck_assert_int_eq(conc_event_clear(&e), 0);
			ck_assert(!conc_event_is_set(&e));
		}
	}
	conc_event_fini(&e);
}
END_TEST

START_TEST(init_and_bad_arguments)
{
	conc_event e, zero = {0};

	memset(&e, 0xff, sizeof e);
	ck_assert_int_eq(conc_event_init(&e, 0x2), -EINVAL);
	ck_assert_int_eq(conc_event_init(&e, CONC_SHARED), -ENOTSUP);
	ck_assert_int_eq(conc_event_init(NULL, 0), -EINVAL);
	ck_assert(conc_event_is_set(&e)); /* as it was */
	ck_assert_int_eq(conc_event_init(&e, 0), 0);
	ck_assert_mem_eq(&e, &zero, sizeof e);
	ck_assert_int_eq(conc_event_set(&e), 0);
	conc_event_fini(&e);
	ck_assert_mem_eq(&e, &zero, sizeof e);
	ck_assert_int_eq(conc_event_set(NULL), -EINVAL);
	ck_assert_int_eq(conc_event_clear(NULL), -EINVAL);
	ck_assert_int_eq(conc_event_wait(NULL, CONC_NOW), -EINVAL);
	ck_assert(!conc_event_is_set(NULL));
	conc_event_fini(NULL);
}
END_TEST

/* All who wait are notified, and who waits again finds it set. */
struct notified {
	conc_event e;
	struct latch first, second;
};

static void
wait_twice(void *arg)
{
	struct notified *x = arg;

	ck_assert_int_eq(conc_event_wait(&x->e, CONC_FOREVER), 0);
	latch_set(&x->first);
	ck_assert_int_eq(conc_event_wait(&x->e, CONC_FOREVER), 0);
	latch_set(&x->second);
}

static void
check_notify(conc_event e)
{
	struct notified x = {e, LATCH, LATCH};
	struct bunch b;

	bunch_start(&b, N, wait_twice, &x);
	await_mark(&x.e.word, WAITED);
	ck_assert_int_eq(latch_count(&x.first), 0);
	ck_assert_int_eq(conc_event_set(&x.e), 0);
	bunch_join(&b);
	ck_assert_int_eq(latch_count(&x.first), N);
	ck_assert_int_eq(latch_count(&x.second), N);
}

START_TEST(notify)
{
	conc_event e = CONC_EVENT_INIT;

	check_notify(e);
	ck_assert_int_eq(conc_event_set(&e), 0);
	ck_assert_int_eq(conc_event_clear(&e), 0);
	check_notify(e);
}
END_TEST

struct timed {
	conc_event e;
	int expected;
};

static void
wait_a_while(void *arg)
{
	struct timed *x = arg;
	conc_time deadline;

	ck_assert_int_eq(conc_event_wait(&x->e, CONC_NOW), x->expected);
	ck_assert_int_eq(conc_event_wait(&x->e, conc_after_ms(-5)), x->expected);
	deadline = conc_after_ms(5);
	ck_assert_int_eq(conc_event_wait(&x->e, deadline), x->expected);
	ck_assert(x->expected == 0 || conc_after(0).ns >= deadline.ns);
}

START_TEST(timeout)
{
	struct timed x = {CONC_EVENT_INIT, -ETIMEDOUT};
	struct bunch b;

	bunch_start(&b, N, wait_a_while, &x);
	bunch_join(&b);
	ck_assert(!conc_event_is_set(&x.e));
	ck_assert_int_eq(conc_event_set(&x.e), 0);
	x.expected = 0;
	bunch_start(&b, N, wait_a_while, &x);
	bunch_join(&b);
}
END_TEST

static void
wait_once(void *e)
{
	ck_assert_int_eq(conc_event_wait(e, CONC_FOREVER), 0);
}

/* An event for each, so that each is seen to wait. */
START_TEST(set_and_clear)
{
	conc_event events[N];
	struct bunch waiters[N];

	for (int i = 0; i < N; i++) {
		ck_assert_int_eq(conc_event_init(&events[i], 0), 0);
		bunch_start(&waiters[i], 1, wait_once, &events[i]);
	}
	for (int i = 0; i < N; i++) {
		await_mark(&events[i].word, WAITED);
		ck_assert_int_eq(conc_event_set(&events[i]), 0);
		ck_assert_int_eq(conc_event_clear(&events[i]), 0);
	}
	for (int i = 0; i < N; i++) {
		bunch_join(&waiters[i]);
		ck_assert(!conc_event_is_set(&events[i]));
	}
}
END_TEST

/* Where Python makes the locks of an event anew, ours is initialised anew. */
static conc_event inherited = CONC_EVENT_INIT;

static void
reset_inherited(void)
{
	ck_assert_int_eq(conc_event_init(&inherited, 0), 0);
	ck_assert_uint_eq(inherited.word, 0); /* who waits in the parent is no waiter here */
	ck_assert_int_eq(conc_event_wait(&inherited, conc_after_ms(1)), -ETIMEDOUT);
	ck_assert_int_eq(conc_event_set(&inherited), 0);
	ck_assert_int_eq(conc_event_wait(&inherited, CONC_FOREVER), 0);
}

START_TEST(at_fork_reinit)
{
	struct bunch b;

	bunch_start(&b, 1, wait_once, &inherited);
	await_mark(&inherited.word, WAITED);
	ck_assert_int_eq(run_in_child(reset_inherited), 0);
	ck_assert(!conc_event_is_set(&inherited));
	ck_assert_int_eq(conc_event_set(&inherited), 0);
	bunch_join(&b);
}
END_TEST

static int
wait_a_long_while(void *e)
{
	return conc_event_wait(e, conc_after(CONC_S(600)));
}

START_TEST(callback_edeadlk)
{
	conc_event e = CONC_EVENT_INIT;

	ck_assert_int_eq(in_callback(wait_a_long_while, &e), -EDEADLK);
	ck_assert_int_eq(conc_event_set(&e), 0);
	ck_assert_int_eq(in_callback(wait_a_long_while, &e), 0);
}
END_TEST

/* Ping-pong by two events that each clears for himself: each signal arrives, once. */
struct table {
	conc_event ping, pong;
	int ball; /* who was set last has it */
	uint32_t seed;
};

enum { STROKES = 100 };

static void
play(void *arg)
{
	struct table *t = arg;

	for (int i = 0; i < STROKES; i++) {
		ck_assert_int_eq(conc_event_wait(&t->ping, CONC_FOREVER), 0);
		ck_assert_int_eq(conc_event_clear(&t->ping), 0);
		ck_assert_int_eq(t->ball, 2 * i + 1);
		t->ball++;
		ck_assert_int_eq(conc_event_set(&t->pong), 0);
	}
}

START_TEST(ping_pong)
{
	for (int seed = 0; seed < seeds(); seed++) {
		struct table t = {CONC_EVENT_INIT, CONC_EVENT_INIT, 0, seed_start(seed)};
		struct bunch b;

		bunch_start(&b, 1, play, &t);
		for (int i = 0; i < STROKES; i++) {
			jitter(&t.seed);
			t.ball++;
			ck_assert_int_eq(conc_event_set(&t.ping), 0);
			ck_assert_int_eq(conc_event_wait(&t.pong, CONC_FOREVER), 0);
			ck_assert_int_eq(conc_event_clear(&t.pong), 0);
			ck_assert_int_eq(t.ball, 2 * i + 2);
		}
		bunch_join(&b);
	}
}
END_TEST

/*
 * What was done before the set is seen, too, by who does not sleep for it.
 * No assertion until the content is read: Check's take a lock, which would order it.
 */
struct sight {
	conc_event e;
	int content, rc;
};

static void
set_it(void *arg)
{
	struct sight *s = arg;

	s->content = 42;
	s->rc = conc_event_set(&s->e);
}

START_TEST(seen_without_a_sleep)
{
	for (int i = 0; i < seeds(); i++) {
		struct sight s = {CONC_EVENT_INIT, 0, -1};
		struct bunch b;
		int seen;

		bunch_start(&b, 1, set_it, &s);
		while (_i == 0 ? !conc_event_is_set(&s.e) :
				 conc_event_wait(&s.e, CONC_NOW) != 0)
			sched_yield();
		seen = s.content;
		bunch_join(&b);
		ck_assert_int_eq(s.rc, 0);
		ck_assert_int_eq(seen, 42);
	}
}
END_TEST

/* What was done before the set is seen; and the event may be freed at once. */
struct parcel {
	conc_event *e;
	int content;
};

static void
deliver(void *arg)
{
	struct parcel *p = arg;

	p->content = 42;
	ck_assert_int_eq(conc_event_set(p->e), 0);
}

START_TEST(freed_by_waiter)
{
	uint32_t seed = seed_start(0);

	for (int i = 0; i < 10 * seeds(); i++) {
		struct parcel p = {malloc(sizeof *p.e), 0};
		struct bunch b;

		ck_assert_int_eq(conc_event_init(p.e, 0), 0);
		bunch_start(&b, 1, deliver, &p);
		jitter(&seed);
		ck_assert_int_eq(conc_event_wait(p.e, CONC_FOREVER), 0);
		ck_assert_int_eq(p.content, 42);
		conc_event_fini(p.e);
		free(p.e);
		bunch_join(&b);
	}
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("event");
	TCase *tc = new_case(s, "alone");

	tcase_add_test(tc, is_set);
	tcase_add_test(tc, init_and_bad_arguments);
	tcase_add_test(tc, callback_edeadlk);
	tc = new_case(s, "threads");
	tcase_add_test(tc, notify);
	tcase_add_test(tc, timeout);
	tcase_add_test(tc, set_and_clear);
	tcase_add_test(tc, at_fork_reinit);
	tcase_add_test(tc, ping_pong);
	tcase_add_loop_test(tc, seen_without_a_sleep, 0, 2);
	tcase_add_test(tc, freed_by_waiter);
	return run_suite(s);
}
