/* SPDX-License-Identifier: MIT */
/*
 * The lock: what it shares with the rlock, and what is its own: it belongs to
 * nobody, and in builds with -DCONC_DEBUG ranks are checked.  Named as LockTests
 * in CPython's lock_tests.
 */
#define LOCK(what) conc_lock##what
#define LOCK_INIT CONC_LOCK_INIT
#include "tests/lock.h"

#ifdef CONC_DEBUG
/* How often the log was told. */
static int told;

static void
be_quiet(void)
{
	ck_assert_int_eq(conc_set_log(NULL, NULL, CONC_LOG_WARNING), 0);
	told = 0;
}

static void
listen(const conc_log_record *record, void *user)
{
	(void)user;
	ck_assert_int_eq((int)record->level, CONC_LOG_ERROR);
	told++;
}
#endif

static conc_lock lock;
static struct latch phase;

static void
take_twice(void *arg)
{
	(void)arg;
	ck_assert_int_eq(conc_lock_acquire(&lock, CONC_FOREVER), 0);
	latch_set(&phase);
#ifdef CONC_DEBUG
	/* The thread would wait for itself, as far as it can be seen. */
	ck_assert_int_eq(conc_set_log(listen, NULL, CONC_LOG_ERROR), 0);
	ck_assert_int_eq(conc_lock_acquire(&lock, CONC_FOREVER), -EDEADLK);
	ck_assert_int_eq(conc_lock_acquire(&lock, conc_after(CONC_S(3600))), -EDEADLK);
	ck_assert_int_eq(told, 2);
	ck_assert_int_eq(conc_lock_release(&lock), 0);
#else
	ck_assert_int_eq(conc_lock_acquire(&lock, CONC_FOREVER), 0);
#endif
	latch_set(&phase);
}

START_TEST(reacquire)
{
	struct bunch b;

	phase = (struct latch)LATCH;
	ck_assert_int_eq(conc_lock_acquire(&lock, CONC_FOREVER), 0);
	ck_assert_int_eq(conc_lock_acquire(&lock, CONC_NOW), -ETIMEDOUT);
	ck_assert_int_eq(conc_lock_release(&lock), 0);
	bunch_start(&b, 1, take_twice, NULL);
	latch_wait(&phase, 1);
#ifndef CONC_DEBUG
	eventually(lock_awaited, &lock);
	ck_assert_int_eq(latch_count(&phase), 1);
	ck_assert_int_eq(conc_lock_release(&lock), 0); /* another thread's */
	latch_wait(&phase, 2);
	ck_assert(conc_lock_locked(&lock));
	ck_assert_int_eq(conc_lock_release(&lock), 0);
#endif
	bunch_join(&b);
	must_be_free(&lock);
}
END_TEST

static void
release_it_here(void *l)
{
	ck_assert_int_eq(conc_lock_release(l), 0);
}

START_TEST(different_thread)
{
	ck_assert_int_eq(conc_lock_acquire(&lock, CONC_FOREVER), 0);
	elsewhere(1, release_it_here, &lock);
	acquire_and_release(&lock);
}
END_TEST

START_TEST(state_after_timeout)
{
	ck_assert_int_eq(conc_lock_acquire(&lock, CONC_FOREVER), 0);
	elsewhere(1, wait_in_vain, &lock);
	ck_assert_int_eq(conc_lock_release(&lock), 0);
	ck_assert(!conc_lock_locked(&lock));
	ck_assert_int_eq(conc_lock_acquire(&lock, CONC_NOW), 0);
	ck_assert_int_eq(conc_lock_release(&lock), 0);
}
END_TEST

static conc_lock low = CONC_LOCK_INIT_RANK(1), high = CONC_LOCK_INIT_RANK(CONC_RANK_MAX);
static conc_rlock middle = CONC_RLOCK_INIT_RANK(7);

/* Upwards, and trying, and without a rank, is right everywhere. */
START_TEST(ranks_may_grow)
{
	ck_assert_int_eq(conc_lock_acquire(&low, CONC_FOREVER), 0);
	ck_assert_int_eq(conc_rlock_acquire(&middle, CONC_FOREVER), 0);
	ck_assert_int_eq(conc_lock_acquire(&high, CONC_FOREVER), 0);
	ck_assert_int_eq(conc_rlock_acquire(&middle, CONC_FOREVER), 0); /* again */
	ck_assert_int_eq(conc_lock_acquire(&lock, CONC_FOREVER), 0);
	ck_assert_int_eq(conc_lock_release(&low), 0);
	ck_assert_int_eq(conc_lock_acquire(&low, CONC_NOW), 0);
	ck_assert_int_eq(conc_lock_release(&low), 0);
	ck_assert_int_eq(conc_lock_release(&lock), 0);
	ck_assert_int_eq(conc_rlock_release(&middle), 0);
	ck_assert_int_eq(conc_rlock_release(&middle), 0);
	ck_assert_int_eq(conc_lock_release(&high), 0);
	/* Nothing is held now: each may be the first again. */
	for (int i = 0; i < 2; i++) {
		ck_assert_int_eq(conc_lock_acquire(&high, CONC_FOREVER), 0);
		conc_lock_fini(&high);
		ck_assert_int_eq(conc_lock_init(&high, CONC_RANK(CONC_RANK_MAX)), 0);
		acquire_and_release(&low);
	}
}
END_TEST

#ifdef CONC_DEBUG
static void
release_of_another(void *arg)
{
	(void)arg;
	ck_assert_int_eq(conc_lock_release(&low), CONC_ESTATE);
}

START_TEST(ranks_only_grow_edeadlk)
{
	conc_condition condition = CONC_CONDITION_INIT;
	conc_lock same = CONC_LOCK_INIT_RANK(7);

	ck_assert_int_eq(conc_set_log(listen, NULL, CONC_LOG_ERROR), 0);
	ck_assert_int_eq(conc_rlock_acquire(&middle, CONC_FOREVER), 0);
	ck_assert_int_eq(conc_lock_acquire(&low, CONC_FOREVER), -EDEADLK);
	ck_assert_int_eq(conc_lock_acquire(&low, conc_after(CONC_S(3600))), -EDEADLK);
	ck_assert_int_eq(conc_lock_acquire(&same, CONC_FOREVER), -EDEADLK);
	ck_assert(!conc_lock_locked(&low) && !conc_lock_locked(&same));
	CONC_WITH(&low)
		ck_abort_msg("the block must be skipped");
	ck_assert_int_eq(told, 4);
	/* A wait gives its rank back, and takes it again. */
	ck_assert_int_eq(
	    conc_condition_wait(&condition, &middle, conc_after_ms(1)), -ETIMEDOUT);
	ck_assert_int_eq(conc_lock_acquire(&low, CONC_FOREVER), -EDEADLK);
	ck_assert_int_eq(told, 5);
	ck_assert_int_eq(conc_rlock_release(&middle), 0);
	ck_assert_int_eq(conc_lock_acquire(&low, CONC_FOREVER), 0);
	elsewhere(1, release_of_another, NULL);
	ck_assert_int_eq(told, 6);
	ck_assert_int_eq(conc_lock_release(&low), 0);
}
END_TEST

/* A wait takes its lock again, which cannot be refused then: so it is before. */
START_TEST(a_wait_on_a_condition_takes_a_rank_edeadlk)
{
	conc_condition condition = CONC_CONDITION_INIT;

	ck_assert_int_eq(conc_set_log(listen, NULL, CONC_LOG_ERROR), 0);
	ck_assert_int_eq(conc_lock_acquire(&low, CONC_FOREVER), 0);
	ck_assert_int_eq(conc_rlock_acquire(&middle, CONC_FOREVER), 0);
	ck_assert_int_eq(conc_condition_wait(&condition, &low, CONC_NOW), -ETIMEDOUT);
	ck_assert_int_eq(told, 0);
	ck_assert_int_eq(conc_condition_wait(&condition, &low, CONC_FOREVER), -EDEADLK);
	ck_assert_int_eq(told, 1);
	ck_assert_uint_eq(waiters(&condition), 0);
	/* With the lock of the greatest rank it is right. */
	ck_assert_int_eq(
	    conc_condition_wait(&condition, &middle, conc_after_ms(1)), -ETIMEDOUT);
	ck_assert_int_eq(conc_lock_acquire(&high, CONC_FOREVER), 0);
	ck_assert_int_eq(conc_condition_wait(&condition, &middle, CONC_FOREVER), -EDEADLK);
	ck_assert(conc_rlock_held(&middle));
	ck_assert_int_eq(told, 2);
	/* All are held as before, with their ranks. */
	ck_assert_int_eq(conc_lock_release(&high), 0);
	ck_assert_int_eq(conc_rlock_release(&middle), 0);
	ck_assert_int_eq(conc_lock_release(&low), 0);
	acquire_and_release(&low);
	ck_assert_int_eq(told, 2);
}
END_TEST
#endif

int
main(void)
{
	Suite *s = suite_create("lock");
	TCase *tc = new_case(s, "lock");

	add_lock_tests(tc);
	tcase_add_test(tc, reacquire);
	tcase_add_test(tc, different_thread);
	tcase_add_test(tc, state_after_timeout);
	tcase_add_test(tc, ranks_may_grow);
#ifdef CONC_DEBUG
	tcase_add_checked_fixture(tc, NULL, be_quiet);
	tcase_add_test(tc, ranks_only_grow_edeadlk);
	tcase_add_test(tc, a_wait_on_a_condition_takes_a_rank_edeadlk);
#endif
	return run_suite(s);
}
