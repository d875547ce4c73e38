/* SPDX-License-Identifier: MIT */
/*
 * Semaphores, bounded and not.  Tests that CPython has as well bear its names.
 */
#include "tests/signals.h"

/* The bit of the word that says that somebody may sleep. */
#define WAITED UINT32_C(0x80000000)

/* Most tests are run with both kinds. */
static conc_semaphore
make(uint32_t value, int bounded)
{
	conc_semaphore s;

	ck_assert_int_eq(conc_semaphore_init(&s, value, bounded ? CONC_BOUNDED : 0), 0);
	return s;
}

START_TEST(constructor)
{
	conc_semaphore s = CONC_SEMAPHORE_INIT(5);

	ck_assert_int_eq(conc_semaphore_init(&s, (uint32_t)-1, 0), -EINVAL);
	ck_assert_int_eq(
	    conc_semaphore_init(&s, CONC_SEMAPHORE_MAX + 1, CONC_BOUNDED), -EINVAL);
	ck_assert_int_eq(conc_semaphore_init(&s, 1, 0x80), -EINVAL);
	ck_assert_int_eq(conc_semaphore_init(&s, 1, 0x80 | CONC_SHARED), -EINVAL);
	ck_assert_int_eq(conc_semaphore_init(&s, 1, CONC_SHARED), -ENOTSUP);
	ck_assert_int_eq(conc_semaphore_init(NULL, 1, 0), -EINVAL);
	ck_assert_uint_eq(conc_semaphore_value(&s), 5); /* as it was */
	ck_assert_int_eq(conc_semaphore_init(&s, CONC_SEMAPHORE_MAX, 0), 0);
	ck_assert_uint_eq(conc_semaphore_value(&s), CONC_SEMAPHORE_MAX);
}
END_TEST

START_TEST(null_einval)
{
	ck_assert_int_eq(conc_semaphore_acquire(NULL, CONC_NOW), -EINVAL);
	ck_assert_int_eq(conc_semaphore_release(NULL, 1), -EINVAL);
	ck_assert_uint_eq(conc_semaphore_value(NULL), 0);
	conc_semaphore_fini(NULL);
}
END_TEST

START_TEST(acquire)
{
	conc_semaphore s = make(2, _i);

	ck_assert_int_eq(conc_semaphore_acquire(&s, CONC_FOREVER), 0);
	ck_assert_int_eq(conc_semaphore_acquire(&s, CONC_FOREVER), 0);
	ck_assert_uint_eq(conc_semaphore_value(&s), 0);
	ck_assert_int_eq(conc_semaphore_release(&s, 1), 0);
	ck_assert_uint_eq(conc_semaphore_value(&s), 1);
	ck_assert_int_eq(conc_semaphore_release(&s, 1), 0);
	ck_assert_uint_eq(conc_semaphore_value(&s), 2);
	conc_semaphore_fini(&s);
}
END_TEST

START_TEST(acquire_destroy)
{
	conc_semaphore s = make(1, _i), zero;

	ck_assert_int_eq(conc_semaphore_acquire(&s, CONC_FOREVER), 0);
	conc_semaphore_fini(&s);
	memset(&zero, 0, sizeof zero);
	ck_assert_mem_eq(&s, &zero, sizeof s);
}
END_TEST

/* Ten threads take two units each. */
struct contended {
	conc_semaphore s;
	struct latch taken;
};

static void
take_two(void *arg)
{
	struct contended *c = arg;

	for (int i = 0; i < 2; i++) {
		ck_assert_int_eq(conc_semaphore_acquire(&c->s, CONC_FOREVER), 0);
		latch_set(&c->taken);
	}
}

START_TEST(acquire_contended)
{
	struct contended c = {make(7, _i), LATCH};
	struct bunch b;

	ck_assert_int_eq(conc_semaphore_acquire(&c.s, CONC_FOREVER), 0);
	bunch_start(&b, 10, take_two, &c);
	latch_wait(&c.taken, 6);
	ck_assert_uint_eq(conc_semaphore_value(&c.s), 0);
	for (int i = 0; i < 7; i++) {
		ck_assert_int_eq(latch_count(&c.taken), 6 + i);
		ck_assert_int_eq(conc_semaphore_release(&c.s, 1), 0);
		latch_wait(&c.taken, 7 + i);
	}
	ck_assert_int_eq(conc_semaphore_release(&c.s, 6), 0);
	latch_wait(&c.taken, 19);
	ck_assert_int_eq(conc_semaphore_acquire(&c.s, CONC_NOW), -ETIMEDOUT);
	ck_assert_int_eq(latch_count(&c.taken), 19);
	ck_assert_int_eq(conc_semaphore_release(&c.s, 1), 0);
	bunch_join(&b);
	ck_assert_int_eq(latch_count(&c.taken), 20);
	ck_assert_uint_eq(conc_semaphore_value(&c.s), 0);
}
END_TEST

START_TEST(try_acquire)
{
	conc_semaphore s = make(2, _i);

	ck_assert_int_eq(conc_semaphore_acquire(&s, CONC_NOW), 0);
	ck_assert_int_eq(conc_semaphore_acquire(&s, CONC_NOW), 0);
	ck_assert_int_eq(conc_semaphore_acquire(&s, CONC_NOW), -ETIMEDOUT);
	ck_assert_int_eq(conc_semaphore_release(&s, 1), 0);
	ck_assert_int_eq(conc_semaphore_acquire(&s, CONC_NOW), 0);
}
END_TEST

static void
try_two(void *arg)
{
	struct contended *c = arg;

	for (int i = 0; i < 2; i++) {
		int rc = conc_semaphore_acquire(&c->s, CONC_NOW);

		ck_assert(rc == 0 || rc == -ETIMEDOUT);
		if (rc == 0)
			latch_set(&c->taken);
	}
}

START_TEST(try_acquire_contended)
{
	struct contended c = {make(4, _i), LATCH};
	struct bunch b;

	ck_assert_int_eq(conc_semaphore_acquire(&c.s, CONC_FOREVER), 0);
	bunch_start(&b, 5, try_two, &c);
	bunch_join(&b);
	ck_assert_int_eq(latch_count(&c.taken), 3);
}
END_TEST

START_TEST(acquire_timeout)
{
	conc_semaphore s = make(2, _i);
	conc_time deadline;

	ck_assert_int_eq(conc_semaphore_acquire(&s, conc_after_ms(5)), 0);
	ck_assert_int_eq(conc_semaphore_acquire(&s, conc_after_ms(-100)), 0); /* a poll */
	deadline = conc_after_ms(5);
	ck_assert_int_eq(conc_semaphore_acquire(&s, deadline), -ETIMEDOUT);
	ck_assert(conc_after(0).ns >= deadline.ns);
	ck_assert_int_eq(conc_semaphore_release(&s, 1), 0);
	ck_assert_int_eq(conc_semaphore_acquire(&s, conc_after_ms(5)), 0);
	ck_assert_int_eq(conc_semaphore_acquire(&s, conc_after_ms(5)), -ETIMEDOUT);
	ck_assert_uint_eq(conc_semaphore_value(&s), 0);
}
END_TEST

/* Python's is 1, for it has no other way to leave it out; ours, of all zero, is 0. */
START_TEST(default_value)
{
	static struct contended c = {.taken = LATCH};
	struct bunch b;

	bunch_start(&b, 1, take_two, &c);
	await_mark(&c.s.word, WAITED);
	ck_assert_int_eq(latch_count(&c.taken), 0);
	ck_assert_int_eq(conc_semaphore_release(&c.s, 1), 0);
	latch_wait(&c.taken, 1);
	ck_assert_int_eq(conc_semaphore_release(&c.s, 1), 0);
	bunch_join(&b);
}
END_TEST

START_TEST(release_unacquired)
{
	conc_semaphore s = CONC_SEMAPHORE_INIT(1);

	ck_assert_int_eq(conc_semaphore_release(&s, 1), 0);
	ck_assert_int_eq(conc_semaphore_acquire(&s, CONC_NOW), 0);
	ck_assert_int_eq(conc_semaphore_acquire(&s, CONC_NOW), 0);
	ck_assert_int_eq(conc_semaphore_release(&s, 1), 0);
}
END_TEST

START_TEST(bounded_release_unacquired)
{
	conc_semaphore s = CONC_SEMAPHORE_BOUNDED_INIT(2);

	ck_assert_int_eq(conc_semaphore_release(&s, 1), CONC_ESTATE);
	ck_assert_int_eq(conc_semaphore_acquire(&s, CONC_NOW), 0);
	ck_assert_int_eq(conc_semaphore_release(&s, 2), CONC_ESTATE);
	ck_assert_uint_eq(conc_semaphore_value(&s), 1);
	ck_assert_int_eq(conc_semaphore_release(&s, 1), 0);
	ck_assert_int_eq(conc_semaphore_release(&s, 1), CONC_ESTATE);
	ck_assert_int_eq(conc_semaphore_init(&s, 0, CONC_BOUNDED), 0);
	ck_assert_int_eq(conc_semaphore_release(&s, 1), CONC_ESTATE);
	ck_assert_uint_eq(conc_semaphore_value(&s), 0);
}
END_TEST

START_TEST(multirelease)
{
	conc_semaphore s = CONC_SEMAPHORE_INIT(3);

	ck_assert_int_eq(conc_semaphore_release(&s, 0), 0);
	ck_assert_uint_eq(conc_semaphore_value(&s), 3);
	ck_assert_int_eq(conc_semaphore_release(&s, UINT32_MAX), -EOVERFLOW);
	ck_assert_int_eq(conc_semaphore_release(&s, CONC_SEMAPHORE_MAX - 2), -EOVERFLOW);
	ck_assert_uint_eq(conc_semaphore_value(&s), 3);
	ck_assert_int_eq(conc_semaphore_release(&s, CONC_SEMAPHORE_MAX - 3), 0);
	ck_assert_int_eq(conc_semaphore_release(&s, 1), -EOVERFLOW);
	ck_assert_uint_eq(conc_semaphore_value(&s), CONC_SEMAPHORE_MAX);
}
END_TEST

/* A release of none leaves alone who sleeps, and does not forget him. */
START_TEST(release_none_keeps_sleepers)
{
	struct contended c = {CONC_SEMAPHORE_INIT(0), LATCH};
	struct bunch b;

	bunch_start(&b, 1, take_two, &c);
	await_mark(&c.s.word, WAITED);
	ck_assert_int_eq(conc_semaphore_release(&c.s, 0), 0);
	ck_assert_uint_eq(conc_semaphore_value(&c.s), 0);
	ck_assert_int_eq(conc_semaphore_release(&c.s, 2), 0);
	bunch_join(&b);
	ck_assert_int_eq(latch_count(&c.taken), 2);
}
END_TEST

static int
acquire_a_while(void *s)
{
	return conc_semaphore_acquire(s, conc_after(CONC_S(600)));
}

START_TEST(callback_edeadlk)
{
	conc_semaphore s = CONC_SEMAPHORE_INIT(1);

	ck_assert_int_eq(in_callback(acquire_a_while, &s), 0);
	ck_assert_int_eq(in_callback(acquire_a_while, &s), -EDEADLK);
	ck_assert_uint_eq(conc_semaphore_value(&s), 0);
}
END_TEST

/* Threads go in and out, by all kinds of waiting; never more are inside than may be. */
struct storm {
	conc_semaphore s;
	conc__atomic_u32 inside, seeds;
};

enum { INSIDE = 3, TIMES = 40 };

static void
storm(void *arg)
{
	struct storm *x = arg;
	/* relaxed: a number */
	uint32_t seed = conc__add_relaxed(&x->seeds, 1);

	for (int i = 0; i < TIMES;) {
		const conc_time how[] = {CONC_FOREVER, CONC_NOW, conc_after(CONC_US(20))};
		uint32_t n = 1 + random_below(&seed, 2), got = 0;

		/* Never two by one thread but by a try: two that have one each would hang. */
		got += conc_semaphore_acquire(&x->s, how[random_below(&seed, 3)]) == 0;
		if (got == 1 && n == 2)
			got += conc_semaphore_acquire(&x->s, CONC_NOW) == 0;
		/* pairs with itself */
		ck_assert_uint_le(conc__add_acq_rel(&x->inside, got) + got, INSIDE);
		jitter(&seed);
		/* pairs with itself */
		conc__sub_acq_rel(&x->inside, got);
		ck_assert_int_eq(conc_semaphore_release(&x->s, got), 0);
		i += got > 0;
	}
}

START_TEST(storm_of_threads)
{
	for (int seed = 0; seed < seeds(); seed++) {
		struct storm x = {.s = CONC_SEMAPHORE_BOUNDED_INIT(INSIDE)};
		struct bunch b;

		/* relaxed: no other thread yet */
		conc__store_relaxed(&x.seeds, seed_start(seed));
		bunch_start(&b, 6, storm, &x);
		bunch_join(&b);
		ck_assert_uint_eq(conc_semaphore_value(&x.s), INSIDE);
		ck_assert_int_eq(conc_semaphore_release(&x.s, 1), CONC_ESTATE);
	}
}
END_TEST

/* What was done before the release is seen; and the semaphore may be freed at once. */
struct parcel {
	conc_semaphore *s;
	int content;
};

static void
deliver(void *arg)
{
	struct parcel *p = arg;

	p->content = 42;
	ck_assert_int_eq(conc_semaphore_release(p->s, 1), 0);
}

START_TEST(freed_by_acquirer)
{
	uint32_t seed = seed_start(0);

	for (int i = 0; i < 10 * seeds(); i++) {
		struct parcel p = {malloc(sizeof *p.s), 0};
		struct bunch b;

		ck_assert_int_eq(conc_semaphore_init(p.s, 0, 0), 0);
		bunch_start(&b, 1, deliver, &p);
		jitter(&seed);
		ck_assert_int_eq(conc_semaphore_acquire(p.s, CONC_FOREVER), 0);
		ck_assert_int_eq(p.content, 42);
		conc_semaphore_fini(p.s);
		free(p.s);
		bunch_join(&b);
	}
}
END_TEST

static conc_semaphore inherited = CONC_SEMAPHORE_INIT(1);

static void
use_inherited(void)
{
	ck_assert_int_eq(conc_semaphore_acquire(&inherited, CONC_FOREVER), 0);
	ck_assert_int_eq(conc_semaphore_release(&inherited, 1), 0);
	ck_assert_int_eq(conc_semaphore_init(&inherited, 2, 0), 0);
	ck_assert_uint_eq(conc_semaphore_value(&inherited), 2);
}

START_TEST(child_of_a_fork_may_use_it)
{
	ck_assert_int_eq(run_in_child(use_inherited), 0);
	ck_assert_uint_eq(conc_semaphore_value(&inherited), 1);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("semaphore");
	TCase *tc = new_case(s, "alone");

	tcase_add_test(tc, constructor);
	tcase_add_test(tc, null_einval);
	tcase_add_loop_test(tc, acquire, 0, 2);
	tcase_add_loop_test(tc, acquire_destroy, 0, 2);
	tcase_add_loop_test(tc, try_acquire, 0, 2);
	tcase_add_loop_test(tc, acquire_timeout, 0, 2);
	tcase_add_test(tc, release_unacquired);
	tcase_add_test(tc, bounded_release_unacquired);
	tcase_add_test(tc, multirelease);
	tcase_add_test(tc, callback_edeadlk);
	tcase_add_test(tc, child_of_a_fork_may_use_it);
	tc = new_case(s, "threads");
	tcase_add_loop_test(tc, acquire_contended, 0, 2);
	tcase_add_loop_test(tc, try_acquire_contended, 0, 2);
	tcase_add_test(tc, default_value);
	tcase_add_test(tc, release_none_keeps_sleepers);
	tcase_add_test(tc, storm_of_threads);
	tcase_add_test(tc, freed_by_acquirer);
	return run_suite(s);
}
