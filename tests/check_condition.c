/* SPDX-License-Identifier: MIT */
/*
 * The condition, with both kinds of lock.  Named as ConditionTests in CPython's
 * lock_tests where it has such a test.  check_condition_races.c counts who wakes.
 */
#include "tests/condition.h"

START_TEST(constructor)
{
	conc_condition c = CONC_CONDITION_INIT, zero;

	memset(&zero, 0, sizeof zero);
	ck_assert_mem_eq(&c, &zero, sizeof c);
	memset(&c, 0xff, sizeof c);
	ck_assert_int_eq(conc_condition_init(&c, 0), 0);
	ck_assert_mem_eq(&c, &zero, sizeof c);
	conc_condition_fini(&c);
	conc_condition_fini(NULL);
	ck_assert_uint_eq(sizeof c, 64);
}
END_TEST

static bool
never(void *user)
{
	(void)user;
	return false;
}

START_TEST(bad_arguments_einval_enotsup)
{
	struct state s = {.recursive = _i != 0};
	conc_lock *no_lock = NULL;
	conc_rlock *no_rlock = NULL;

	take(&s);
	ck_assert_int_eq(conc_condition_init(NULL, 0), -EINVAL);
	ck_assert_int_eq(conc_condition_init(&s.condition, CONC_RANK(1)), -EINVAL);
	ck_assert_int_eq(conc_condition_init(&s.condition, CONC_SHARED), -ENOTSUP);
	ck_assert_int_eq(conc_condition_wait(NULL, &s.lock, CONC_NOW), -EINVAL);
	ck_assert_int_eq(conc_condition_wait(NULL, &s.rlock, CONC_NOW), -EINVAL);
	ck_assert_int_eq(conc_condition_wait(&s.condition, NULL, CONC_NOW), -EINVAL);
	ck_assert_int_eq(conc_condition_wait(&s.condition, no_lock, CONC_NOW), -EINVAL);
	ck_assert_int_eq(conc_condition_wait(&s.condition, no_rlock, CONC_NOW), -EINVAL);
	ck_assert_int_eq(
	    conc_condition_wait_for(&s.condition, no_rlock, never, NULL, CONC_NOW), -EINVAL);
	ck_assert_int_eq(wait_for(&s, NULL, CONC_NOW), -EINVAL);
	ck_assert_int_eq(conc_condition_notify(NULL, 1), -EINVAL);
	ck_assert_int_eq(conc_condition_notify_all(NULL), -EINVAL);
	give(&s);
}
END_TEST

static void
wait_unacquired(void *arg)
{
	struct state *s = arg;

	/* The plain lock belongs to nobody: it is held, if by another thread. */
	if (s->recursive)
		ck_assert_int_eq(wait_until(s, CONC_FOREVER), CONC_ESTATE);
}

START_TEST(unacquired_wait)
{
	struct state s = {.recursive = _i != 0};

	ck_assert_int_eq(wait_until(&s, CONC_FOREVER), CONC_ESTATE);
	ck_assert_int_eq(wait_for(&s, never, CONC_FOREVER), CONC_ESTATE);
	take(&s);
	elsewhere(1, wait_unacquired, &s);
	give(&s);
	ck_assert_int_eq(wait_until(&s, CONC_NOW), CONC_ESTATE);
}
END_TEST

static void
wait_once(void *arg)
{
	struct state *s = arg;

	take(s);
	ck_assert_int_eq(wait_until(s, CONC_FOREVER), 0);
	give(s);
	atomic_fetch_add(&s->awoken, 1);
}

static void
wait_twice(void *arg)
{
	wait_once(arg);
	wait_once(arg);
}

/* Unlike Python's, a condition may be notified without its lock. */
START_TEST(unacquired_notify)
{
	struct state s = {.recursive = _i != 0};
	struct bunch b;

	ck_assert_int_eq(conc_condition_notify(&s.condition, 1), 0);
	ck_assert_int_eq(conc_condition_notify_all(&s.condition), 0);
	bunch_start(&b, 2, wait_once, &s);
	await_waiters(&s.condition, 2);
	ck_assert_int_eq(conc_condition_notify(&s.condition, 2), 0);
	bunch_join(&b);
}
END_TEST

static bool
three_awoken(void *arg)
{
	return atomic_load(&((struct state *)arg)->awoken) >= 3;
}

static bool
eight_awoken(void *arg)
{
	return atomic_load(&((struct state *)arg)->awoken) >= 8;
}

/* All that are left of ten waits have begun. */
static bool
last_wait(void *arg)
{
	struct state *s = arg;
	int awoken = atomic_load(&s->awoken);

	return waiters(&s->condition) == (uint32_t)(10 - awoken);
}

/* On their way to sleep some may wake that need not: each count is the least there can be. */
static void
check_notify(struct state *s)
{
	struct bunch b;

	atomic_store(&s->awoken, 0);
	bunch_start(&b, 5, wait_twice, s);
	await_waiters(&s->condition, 5);
	wake(s, 0);
	ck_assert_int_eq(atomic_load(&s->awoken), 0);
	wake(s, 3);
	eventually(three_awoken, s);
	await_waiters(&s->condition, 5); /* in their first or second wait */
	wake(s, 5);
	eventually(eight_awoken, s);
	eventually(last_wait, s);
	take(s);
	ck_assert_int_eq(conc_condition_notify_all(&s->condition), 0);
	give(s);
	bunch_join(&b);
	ck_assert_int_eq(atomic_load(&s->awoken), 10);
}

START_TEST(notify)
{
	struct state s = {.recursive = _i != 0};

	check_notify(&s);
	check_notify(&s); /* what it left behind is in order */
}
END_TEST

static void
wait_in_vain(void *arg)
{
	struct state *s = arg;
	conc_time end = conc_after_ms(20);

	take(s);
	ck_assert_int_eq(wait_until(s, end), -ETIMEDOUT);
	ck_assert_int_ge(conc_after(0).ns, end.ns);
	s->n++;
	give(s);
}

START_TEST(timeout)
{
	struct state s = {.recursive = _i != 0};

	elsewhere(5, wait_in_vain, &s);
	ck_assert_int_eq(s.n, 5);
	ck_assert_uint_eq(waiters(&s.condition), 0);
	take(&s);
	ck_assert_int_eq(wait_until(&s, CONC_NOW), -ETIMEDOUT);
	ck_assert_int_eq(wait_until(&s, (conc_time){1}), -ETIMEDOUT);
	give(&s);
}
END_TEST

static bool
is_four(void *arg)
{
	struct state *s = arg;

	ck_assert(s->recursive ? conc_rlock_held(&s->rlock) : conc_lock_locked(&s->lock));
	return s->n == 4;
}

static void
wait_for_four(void *arg)
{
	struct state *s = arg;

	take(s);
	ck_assert_int_eq(wait_for(s, is_four, CONC_FOREVER), 0);
	ck_assert_int_eq(s->n, 4);
	ck_assert_int_eq(wait_for(s, is_four, CONC_NOW), 0);
	give(s);
}

static void
raise_to(struct state *s, int n)
{
	while (s->n < n) {
		take(s);
		s->n++;
		ck_assert_int_eq(conc_condition_notify(&s->condition, 1), 0);
		give(s);
	}
}

START_TEST(waitfor)
{
	struct state s = {.recursive = _i != 0};
	struct bunch b;

	bunch_start(&b, 1, wait_for_four, &s);
	await_waiters(&s.condition, 1);
	raise_to(&s, 4);
	bunch_join(&b);
}
END_TEST

static void
wait_for_four_in_vain(void *arg)
{
	struct state *s = arg;

	take(s);
	ck_assert_int_eq(wait_for(s, is_four, conc_after_ms(20)), -ETIMEDOUT);
	ck_assert_int_eq(wait_for(s, is_four, CONC_NOW), -ETIMEDOUT);
	give(s);
}

START_TEST(waitfor_timeout)
{
	struct state s = {.recursive = _i != 0};
	struct bunch b;

	bunch_start(&b, 1, wait_for_four_in_vain, &s);
	raise_to(&s, 3); /* never four */
	bunch_join(&b);
}
END_TEST

/* ---- beyond CPython's ---- */

static void
notify_deep(void *arg)
{
	struct state *s = arg;

	await_waiters(&s->condition, 1);
	ck_assert_int_eq(conc_rlock_acquire(&s->rlock, CONC_FOREVER), 0);
	ck_assert_int_eq(conc_condition_notify(&s->condition, 1), 0);
	ck_assert_int_eq(conc_rlock_release(&s->rlock), 0);
}

START_TEST(an_rlock_is_let_go_and_taken_with_its_depth)
{
	struct state s = {.recursive = true};
	struct bunch b;

	for (int i = 0; i < 3; i++)
		take(&s);
	bunch_start(&b, 1, notify_deep, &s);
	ck_assert_int_eq(wait_until(&s, CONC_FOREVER), 0);
	bunch_join(&b);
	for (int i = 0; i < 3; i++)
		give(&s);
	ck_assert(!conc_rlock_locked(&s.rlock));
}
END_TEST

static int
wait_long(void *s)
{
	return wait_until(s, conc_after(CONC_S(3600)));
}

static int
poll_it(void *s)
{
	return wait_until(s, CONC_NOW);
}

START_TEST(callbacks_do_not_block_edeadlk)
{
	struct state s = {.recursive = _i != 0};

	take(&s);
	ck_assert_int_eq(in_callback(wait_long, &s), -EDEADLK);
	ck_assert_int_eq(in_callback(poll_it, &s), -ETIMEDOUT);
	give(&s);
}
END_TEST

/* The child has none of those who waited; its own waits are as ever. */
static struct state inherited;

static void
use_inherited(void)
{
	ck_assert_int_eq(conc_condition_notify_all(&inherited.condition), 0);
	take(&inherited);
	ck_assert_int_eq(wait_until(&inherited, conc_after_ms(1)), -ETIMEDOUT);
	give(&inherited);
#ifndef __SANITIZE_THREAD__ /* it cannot start threads in the child of a fork */
	struct bunch b;

	bunch_start(&b, 2, wait_once, &inherited);
	await_waiters(&inherited.condition, 3); /* the one that stayed behind counts */
	wake(&inherited, 2);
	bunch_join(&b);
#endif
}

START_TEST(the_child_of_a_fork_waits_and_notifies)
{
	struct bunch b;

	inherited = (struct state){.recursive = _i != 0};
	bunch_start(&b, 1, wait_once, &inherited);
	await_waiters(&inherited.condition, 1);
	take(&inherited); /* so that nobody else holds it at the fork */
	give(&inherited);
	ck_assert_int_eq(run_in_child(use_inherited), 0);
	wake(&inherited, 1);
	bunch_join(&b);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("condition");
	TCase *tc = new_case(s, "condition");

	tcase_add_test(tc, constructor);
	tcase_add_loop_test(tc, bad_arguments_einval_enotsup, 0, 2);
	tcase_add_loop_test(tc, unacquired_wait, 0, 2);
	tcase_add_loop_test(tc, unacquired_notify, 0, 2);
	tcase_add_loop_test(tc, notify, 0, 2);
	tcase_add_loop_test(tc, timeout, 0, 2);
	tcase_add_loop_test(tc, waitfor, 0, 2);
	tcase_add_loop_test(tc, waitfor_timeout, 0, 2);
	tcase_add_test(tc, an_rlock_is_let_go_and_taken_with_its_depth);
	tcase_add_loop_test(tc, callbacks_do_not_block_edeadlk, 0, 2);
	tcase_add_loop_test(tc, the_child_of_a_fork_waits_and_notifies, 0, 2);
	return run_suite(s);
}
