/* SPDX-License-Identifier: MIT */
/*
 * Tests for both kinds of lock; their names are those of BaseLockTests in
 * CPython's lock_tests.  A program defines LOCK(what) as conc_lock##what or
 * conc_rlock##what, and LOCK_INIT, before it includes this, and calls
 * add_lock_tests.
 */
#include "tests/bunch.h"
#include <conc/sync.h>

static void
acquire_and_release(void *l)
{
	ck_assert_int_eq(LOCK(_acquire)(l, CONC_FOREVER), 0);
	ck_assert_int_eq(LOCK(_release)(l), 0);
}

static void
must_be_free(LOCK() *l)
{
	ck_assert(!LOCK(_locked)(l));
	elsewhere(1, acquire_and_release, l);
}

START_TEST(constructor)
{
	static LOCK() zero; /* is initialised */
	LOCK() l = LOCK_INIT, other;

	acquire_and_release(&zero);
	acquire_and_release(&l);
	ck_assert_mem_eq(&l, &zero, sizeof l);
	memset(&other, 0xff, sizeof other);
	ck_assert_int_eq(LOCK(_init)(&other, 0), 0);
	acquire_and_release(&other);
	ck_assert_mem_eq(&other, &zero, sizeof other);
	ck_assert_int_eq(LOCK(_init)(&other, CONC_RANK(CONC_RANK_MAX)), 0);
	acquire_and_release(&other);
	LOCK(_fini)(&other);
	LOCK(_fini)(&zero);
	LOCK(_fini)(NULL);
	ck_assert_uint_eq(sizeof l, 64);
}
END_TEST

START_TEST(bad_arguments_einval_enotsup)
{
	LOCK() l = LOCK_INIT, before = l;

	ck_assert_int_eq(LOCK(_init)(NULL, 0), -EINVAL);
	ck_assert_int_eq(LOCK(_init)(&l, CONC_SHARED << 1), -EINVAL);
	ck_assert_int_eq(LOCK(_init)(&l, CONC_RANK(CONC_RANK_MAX + 1)), -EINVAL);
	ck_assert_int_eq(LOCK(_init)(&l, CONC_SHARED), -ENOTSUP);
	ck_assert_int_eq(LOCK(_init)(&l, CONC_SHARED | CONC_RANK(2)), -ENOTSUP);
	ck_assert_mem_eq(&l, &before, sizeof l);
	ck_assert_int_eq(LOCK(_acquire)(NULL, CONC_NOW), -EINVAL);
	ck_assert_int_eq(LOCK(_release)(NULL), -EINVAL);
	ck_assert(!LOCK(_locked)(NULL));
}
END_TEST

START_TEST(acquire_destroy)
{
	LOCK() l = LOCK_INIT;

	ck_assert_int_eq(LOCK(_acquire)(&l, CONC_FOREVER), 0);
	LOCK(_fini)(&l);
	must_be_free(&l); /* and initialised anew */
}
END_TEST

START_TEST(acquire_release)
{
	LOCK() l = LOCK_INIT;

	for (int i = 0; i < 3; i++) {
		ck_assert_int_eq(LOCK(_acquire)(&l, CONC_FOREVER), 0);
		ck_assert(LOCK(_locked)(&l));
		ck_assert_int_eq(LOCK(_release)(&l), 0);
		ck_assert(!LOCK(_locked)(&l));
		ck_assert_int_eq(LOCK(_release)(&l), CONC_ESTATE);
	}
}
END_TEST

START_TEST(try_acquire)
{
	LOCK() l = LOCK_INIT;

	ck_assert_int_eq(LOCK(_acquire)(&l, CONC_NOW), 0);
	ck_assert_int_eq(LOCK(_release)(&l), 0);
	ck_assert_int_eq(LOCK(_acquire)(&l, (conc_time){1}), 0); /* long ago */
	ck_assert_int_eq(LOCK(_release)(&l), 0);
}
END_TEST

static void
try_in_vain(void *l)
{
	ck_assert_int_eq(LOCK(_acquire)(l, CONC_NOW), -ETIMEDOUT);
	ck_assert_int_eq(LOCK(_acquire)(l, (conc_time){1}), -ETIMEDOUT);
	ck_assert(LOCK(_locked)(l));
}

START_TEST(try_acquire_contended)
{
	LOCK() l = LOCK_INIT;

	ck_assert_int_eq(LOCK(_acquire)(&l, CONC_FOREVER), 0);
	elsewhere(1, try_in_vain, &l);
	ck_assert_int_eq(LOCK(_release)(&l), 0);
	must_be_free(&l);
}
END_TEST

START_TEST(acquire_contended)
{
	LOCK() l = LOCK_INIT;
	struct bunch b;

	ck_assert_int_eq(LOCK(_acquire)(&l, CONC_FOREVER), 0);
	bunch_start(&b, 5, acquire_and_release, &l);
	eventually(lock_awaited, &l);
	ck_assert_int_eq(latch_count(&b.finished), 0);
	ck_assert_int_eq(LOCK(_release)(&l), 0);
	bunch_join(&b);
	must_be_free(&l);
}
END_TEST

enum way { THE_END, BREAK, CONTINUE, RETURN, GOTO, WAYS };

static int
leave_by(LOCK() *a, LOCK() *b, enum way way)
{
	CONC_WITH(a) {
		CONC_WITH(b) {
			ck_assert(LOCK(_locked)(b));
			if (way == BREAK)
				break;
			if (way == CONTINUE)
				continue;
			if (way == RETURN)
				return 1;
			if (way == GOTO)
				goto out;
		}
		ck_assert(!LOCK(_locked)(b));
		ck_assert(LOCK(_locked)(a));
		return 2;
	}
	ck_abort_msg("the block was skipped");
out:
	return 3;
}

START_TEST(with)
{
	const int returns[WAYS] = {2, 2, 2, 1, 3};
	LOCK() a = LOCK_INIT, b = LOCK_INIT, *next = &a;

	ck_assert_int_eq(leave_by(&a, &b, (enum way)_i), returns[_i]);
	must_be_free(&a);
	must_be_free(&b);
	CONC_WITH(next++) /* evaluated once */
		ck_assert(LOCK(_locked)(&a));
	ck_assert_ptr_eq(next, &a + 1);
	must_be_free(&a);
	CONC_WITH((LOCK() *)NULL)
		ck_abort_msg("there is no lock");
	conc_with_end(NULL);
}
END_TEST

/* Nothing is left behind for threads that the library has never seen. */
START_TEST(thread_leak)
{
	LOCK() l = LOCK_INIT;

	elsewhere(15, acquire_and_release, &l);
	must_be_free(&l);
}
END_TEST

static void
wait_in_vain(void *l)
{
	conc_time end = conc_after_ms(20);

	ck_assert_int_eq(LOCK(_acquire)(l, end), -ETIMEDOUT);
	ck_assert_int_ge(conc_after(0).ns, end.ns);
}

START_TEST(timeout)
{
	LOCK() l = LOCK_INIT;

	ck_assert_int_eq(LOCK(_acquire)(&l, conc_after(INT64_MAX)), 0);
	ck_assert_int_eq(LOCK(_release)(&l), 0);
	ck_assert_int_eq(LOCK(_acquire)(&l, (conc_time){INT64_MAX - 1}), 0);
	elsewhere(3, wait_in_vain, &l);
	ck_assert_int_eq(LOCK(_release)(&l), 0);
	must_be_free(&l);
}
END_TEST

/* ---- beyond CPython's ---- */

static int
acquire_long(void *l)
{
	return LOCK(_acquire)(l, conc_after(CONC_S(3600)));
}

static int
acquire_now(void *l)
{
	return LOCK(_acquire)(l, CONC_NOW);
}

static void
call_back_in_vain(void *l)
{
	ck_assert_int_eq(in_callback(acquire_long, l), -EDEADLK);
	ck_assert_int_eq(in_callback(acquire_now, l), -ETIMEDOUT);
}

START_TEST(callbacks_do_not_block_edeadlk)
{
	LOCK() l = LOCK_INIT;

	ck_assert_int_eq(in_callback(acquire_long, &l), 0);
	elsewhere(1, call_back_in_vain, &l);
	ck_assert_int_eq(LOCK(_release)(&l), 0);
}
END_TEST

static LOCK() inherited = LOCK_INIT, lost = LOCK_INIT;
static struct latch have = LATCH, enough = LATCH;

static void
hold(void *l)
{
	ck_assert_int_eq(LOCK(_acquire)(l, CONC_FOREVER), 0);
	latch_set(&have);
	latch_wait(&enough, 1);
	ck_assert_int_eq(LOCK(_release)(l), 0);
}

static void
use_inherited(void)
{
	/* What the forking thread held is the child's; what another one held stays held. */
	ck_assert_int_eq(LOCK(_release)(&inherited), 0);
	acquire_and_release(&inherited);
	ck_assert_int_eq(LOCK(_acquire)(&lost, CONC_NOW), -ETIMEDOUT);
	ck_assert_int_eq(LOCK(_acquire)(&lost, conc_after_ms(1)), -ETIMEDOUT);
	ck_assert_int_eq(LOCK(_init)(&lost, 0), 0);
	acquire_and_release(&lost);
}

START_TEST(at_fork_reinit)
{
	struct bunch b;

	ck_assert_int_eq(LOCK(_acquire)(&inherited, CONC_FOREVER), 0);
	bunch_start(&b, 1, hold, &lost);
	latch_wait(&have, 1);
	ck_assert_int_eq(run_in_child(use_inherited), 0);
	latch_set(&enough);
	bunch_join(&b);
	must_be_free(&lost);
	ck_assert_int_eq(LOCK(_release)(&inherited), 0);
	must_be_free(&inherited);
}
END_TEST

/* Many threads, with and without deadlines, and one counter that no two touch at a time. */
struct count {
	LOCK() lock;
	int n;          /* under the lock */
	atomic_int had; /* how often the lock was had */
	uint32_t seed;
};

static void
count_up(void *arg)
{
	struct count *count = arg;
	uint32_t seed = count->seed + (uint32_t)(uintptr_t)&seed;

	for (int i = 0; i < 200; i++) {
		conc_time end = CONC_FOREVER;

		if (i % 3 == 1)
			end = conc_after(CONC_US(random_below(&seed, 50)));
		if (LOCK(_acquire)(&count->lock, end) != 0)
			continue;
		atomic_fetch_add(&count->had, 1);
		count->n++;
		jitter(&seed);
		ck_assert_int_eq(LOCK(_release)(&count->lock), 0);
		jitter(&seed);
	}
}

START_TEST(one_at_a_time)
{
	for (int i = 0; i < seeds(); i++) {
		struct count count = {.lock = LOCK_INIT, .seed = seed_start(i)};

		elsewhere(4, count_up, &count);
		ck_assert_int_eq(count.n, atomic_load(&count.had));
		ck_assert_int_ge(count.n, 4 * 133);
		must_be_free(&count.lock);
	}
}
END_TEST

/* Whoever acquires after a release may free the lock's memory at once. */
static void
release_it(void *l)
{
	ck_assert_int_eq(LOCK(_acquire)(l, CONC_FOREVER), 0);
	latch_set(&have);
	ck_assert_int_eq(LOCK(_release)(l), 0);
}

START_TEST(memory_is_free_after_the_last_acquire)
{
	for (int i = 0; i < seeds(); i++) {
		LOCK() *l = calloc(1, sizeof *l);
		struct bunch b;

		bunch_start(&b, 1, release_it, l);
		latch_wait(&have, i + 1);
		ck_assert_int_eq(LOCK(_acquire)(l, CONC_FOREVER), 0);
		memset(l, 0xff, sizeof *l);
		free(l);
		bunch_join(&b);
	}
}
END_TEST

/* Tests may run one after another in one process. */
static void
reset(void)
{
	have = enough = (struct latch)LATCH;
}

static void
add_lock_tests(TCase *tc)
{
	tcase_add_checked_fixture(tc, reset, NULL);
	tcase_add_test(tc, constructor);
	tcase_add_test(tc, bad_arguments_einval_enotsup);
	tcase_add_test(tc, acquire_destroy);
	tcase_add_test(tc, acquire_release);
	tcase_add_test(tc, try_acquire);
	tcase_add_test(tc, try_acquire_contended);
	tcase_add_test(tc, acquire_contended);
	tcase_add_loop_test(tc, with, 0, WAYS);
	tcase_add_test(tc, thread_leak);
	tcase_add_test(tc, timeout);
	tcase_add_test(tc, callbacks_do_not_block_edeadlk);
	tcase_add_test(tc, at_fork_reinit);
	tcase_add_test(tc, one_at_a_time);
	tcase_add_test(tc, memory_is_free_after_the_last_acquire);
}
