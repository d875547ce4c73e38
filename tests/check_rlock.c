/* SPDX-License-Identifier: MIT */
/*
 * The rlock: what it shares with the lock, and what is its own: an owner, who
 * may take it again.  Named as RLockTests in CPython's lock_tests.
 */
#define LOCK(what) conc_rlock##what
#define LOCK_INIT CONC_RLOCK_INIT
#include "tests/lock.h"

static conc_rlock lock;

static void
take(int n)
{
	for (int i = 0; i < n; i++)
		ck_assert_int_eq(conc_rlock_acquire(&lock, i % 2 ? CONC_NOW : CONC_FOREVER), 0);
}

static void
give(int n)
{
	for (int i = 0; i < n; i++)
		ck_assert_int_eq(conc_rlock_release(&lock), 0);
}

START_TEST(reacquire)
{
	take(2);
	elsewhere(1, try_in_vain, &lock);
	give(1);
	elsewhere(1, try_in_vain, &lock);
	take(1);
	give(2);
	must_be_free(&lock);
}
END_TEST

START_TEST(release_unacquired)
{
	ck_assert_int_eq(conc_rlock_release(&lock), CONC_ESTATE);
	take(2);
	give(1);
	take(1);
	give(2);
	ck_assert_int_eq(conc_rlock_release(&lock), CONC_ESTATE);
}
END_TEST

/* A wait needs the lock; and lets all of it go. */
START_TEST(release_save_unacquired)
{
	conc_condition c = CONC_CONDITION_INIT;

	ck_assert_int_eq(conc_condition_wait(&c, &lock, CONC_FOREVER), CONC_ESTATE);
	take(2);
	give(1);
	take(1);
	ck_assert_int_eq(conc_condition_wait(&c, &lock, conc_after_ms(1)), -ETIMEDOUT);
	give(2);
	ck_assert_int_eq(conc_condition_wait(&c, &lock, CONC_FOREVER), CONC_ESTATE);
}
END_TEST

START_TEST(recursion_count)
{
	for (int i = 0; i < 5; i++) {
		take(i);
		give(i);
		ck_assert_int_eq(conc_rlock_release(&lock), CONC_ESTATE);
	}
	take(2);
	lock.lock.depth = UINT32_MAX; /* as if it had been taken so often */
	ck_assert_int_eq(conc_rlock_acquire(&lock, CONC_FOREVER), -EAGAIN);
	ck_assert_uint_eq(lock.lock.depth, UINT32_MAX);
	lock.lock.depth = 2;
	give(2);
	must_be_free(&lock);
}
END_TEST

static void
release_of_another(void *l)
{
	ck_assert_int_eq(conc_rlock_release(l), CONC_ESTATE);
	ck_assert(!conc_rlock_held(l));
	ck_assert(conc_rlock_locked(l));
}

START_TEST(different_thread)
{
	take(1);
	elsewhere(1, release_of_another, &lock);
	ck_assert(conc_rlock_held(&lock));
	give(1);
}
END_TEST

START_TEST(is_owned)
{
	ck_assert(!conc_rlock_held(&lock));
	ck_assert(!conc_rlock_held(NULL));
	take(1);
	ck_assert(conc_rlock_held(&lock));
	take(1);
	ck_assert(conc_rlock_held(&lock));
	elsewhere(1, release_of_another, &lock);
	give(1);
	ck_assert(conc_rlock_held(&lock));
	give(1);
	ck_assert(!conc_rlock_held(&lock));
}
END_TEST

START_TEST(locked)
{
	ck_assert(!conc_rlock_locked(&lock));
	take(2);
	ck_assert(conc_rlock_locked(&lock));
	give(1);
	ck_assert(conc_rlock_locked(&lock));
	give(1);
	ck_assert(!conc_rlock_locked(&lock));
}
END_TEST

START_TEST(locked_with_2threads)
{
	struct bunch b;

	bunch_start(&b, 1, hold, &lock);
	latch_wait(&have, 1);
	ck_assert(conc_rlock_locked(&lock) && !conc_rlock_held(&lock));
	latch_set(&enough);
	bunch_join(&b);
	ck_assert(!conc_rlock_locked(&lock));
}
END_TEST

static void
take_and_end(void *l)
{
	ck_assert_int_eq(conc_rlock_acquire(l, CONC_FOREVER), 0);
}

static void
try_once_in_vain(void *l)
{
	ck_assert(!conc_rlock_held(l));
	ck_assert_int_eq(conc_rlock_acquire(l, CONC_NOW), -ETIMEDOUT);
}

/* A thread that comes later may lie in the place of the one that ended: it is another. */
START_TEST(held_by_who_has_ended)
{
	elsewhere(1, take_and_end, &lock);
	elsewhere(1, try_once_in_vain, &lock);
	ck_assert_int_eq(conc_rlock_init(&lock, 0), 0);
}
END_TEST

#ifndef __SANITIZE_THREAD__ /* it cannot start threads in the child of a fork */
static void
try_in_a_new_thread(void)
{
	elsewhere(1, try_once_in_vain, &lock);
}

START_TEST(held_by_who_stayed_in_the_parent)
{
	struct bunch b;

	bunch_start(&b, 1, hold, &lock);
	latch_wait(&have, 1);
	ck_assert_int_eq(run_in_child(try_in_a_new_thread), 0);
	latch_set(&enough);
	bunch_join(&b);
}
END_TEST
#endif

START_TEST(with_nests)
{
	CONC_WITH(&lock) {
		CONC_WITH(&lock)
			ck_assert_uint_eq(lock.lock.depth, 2);
		ck_assert(conc_rlock_held(&lock));
	}
	must_be_free(&lock);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("rlock");
	TCase *tc = new_case(s, "rlock");

	add_lock_tests(tc);
	tcase_add_test(tc, reacquire);
	tcase_add_test(tc, release_unacquired);
	tcase_add_test(tc, release_save_unacquired);
	tcase_add_test(tc, recursion_count);
	tcase_add_test(tc, different_thread);
	tcase_add_test(tc, is_owned);
	tcase_add_test(tc, locked);
	tcase_add_test(tc, locked_with_2threads);
	tcase_add_test(tc, held_by_who_has_ended);
#ifndef __SANITIZE_THREAD__
	tcase_add_test(tc, held_by_who_stayed_in_the_parent);
#endif
	tcase_add_test(tc, with_nests);
	return run_suite(s);
}
