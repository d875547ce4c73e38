/* SPDX-License-Identifier: MIT */
/*
 * Once: done once, by one, seen by all; tried again after a failure.
 */
#include "tests/bunch.h"
#include <conc/sync.h>

static conc_once once = CONC_ONCE_INIT;
static atomic_int ran;
static int made; /* by make(), read by whoever ran it */
static struct latch begun, go;

/* Tests may run one after another in one process. */
static void
reset(void)
{
	once = (conc_once)CONC_ONCE_INIT;
	atomic_store(&ran, 0);
	made = 0;
	begun = go = (struct latch)LATCH;
}

static int
make(void *user)
{
	atomic_fetch_add(&ran, 1);
	made = *(int *)user;
	return 0;
}

static int
refuse(void *user)
{
	atomic_fetch_add(&ran, 1);
	return *(int *)user;
}

START_TEST(constructor)
{
	conc_once o = CONC_ONCE_INIT, zero;

	memset(&zero, 0, sizeof zero);
	ck_assert_mem_eq(&o, &zero, sizeof o);
	ck_assert_int_eq(conc_once_run(&o, make, &(int){1}), 0);
	ck_assert_int_eq(conc_once_init(&o, 0), 0); /* to be done again */
	ck_assert_int_eq(conc_once_run(&o, make, &(int){2}), 0);
	ck_assert_int_eq(made, 2);
	conc_once_fini(&o);
	conc_once_fini(NULL);
	ck_assert_uint_eq(sizeof o, 32);
}
END_TEST

START_TEST(bad_arguments_einval_enotsup)
{
	ck_assert_int_eq(conc_once_init(NULL, 0), -EINVAL);
	ck_assert_int_eq(conc_once_init(&once, CONC_RANK(1)), -EINVAL);
	ck_assert_int_eq(conc_once_init(&once, CONC_SHARED), -ENOTSUP);
	ck_assert_int_eq(conc_once_run(NULL, make, &(int){1}), -EINVAL);
	ck_assert_int_eq(conc_once_run(&once, NULL, NULL), -EINVAL);
}
END_TEST

START_TEST(runs_once)
{
	for (int i = 1; i < 4; i++)
		ck_assert_int_eq(conc_once_run(&once, make, &i), 0);
	ck_assert_int_eq(atomic_load(&ran), 1);
	ck_assert_int_eq(made, 1);
}
END_TEST

START_TEST(a_failure_is_tried_again)
{
	ck_assert_int_eq(conc_once_run(&once, refuse, &(int){-EIO}), -EIO);
	ck_assert_int_eq(conc_once_run(&once, refuse, &(int){7}), 7);
	ck_assert_int_eq(conc_once_run(&once, make, &(int){3}), 0);
	ck_assert_int_eq(conc_once_run(&once, refuse, &(int){-EIO}), 0);
	ck_assert_int_eq(atomic_load(&ran), 3);
	ck_assert_int_eq(made, 3);
}
END_TEST

static int
recur(void *user)
{
	ck_assert_int_eq(conc_once_run(&once, make, user), -EDEADLK);
	return make(user);
}

START_TEST(recursion_edeadlk)
{
	ck_assert_int_eq(conc_once_run(&once, recur, &(int){4}), 0);
	ck_assert_int_eq(atomic_load(&ran), 1);
}
END_TEST

static int
make_slowly(void *user)
{
	latch_set(&begun);
	latch_wait(&go, 1);
	return make(user);
}

static void
run_slowly(void *user)
{
	ck_assert_int_eq(conc_once_run(&once, make_slowly, user), 0);
}

static void
run_and_look(void *user)
{
	ck_assert_int_eq(conc_once_run(&once, make, user), 0);
	ck_assert_int_eq(made, 5);
}

static bool
awaited(void *o)
{
	return (__atomic_load_n(&((conc_once *)o)->word, __ATOMIC_RELAXED) & 3) == 2;
}

START_TEST(others_wait_until_it_is_done)
{
	struct bunch runner, waiters;

	bunch_start(&runner, 1, run_slowly, &(int){5});
	latch_wait(&begun, 1);
	bunch_start(&waiters, 3, run_and_look, &(int){6});
	eventually(awaited, &once);
	ck_assert_int_eq(latch_count(&waiters.finished), 0);
	latch_set(&go);
	bunch_join(&waiters);
	bunch_join(&runner);
	ck_assert_int_eq(atomic_load(&ran), 1);
}
END_TEST

static int
run_it(void *user)
{
	return conc_once_run(&once, make, user);
}

START_TEST(callbacks_do_not_block_edeadlk)
{
	struct bunch runner;

	bunch_start(&runner, 1, run_slowly, &(int){5});
	latch_wait(&begun, 1);
	ck_assert_int_eq(in_callback(run_it, &(int){6}), -EDEADLK);
	latch_set(&go);
	bunch_join(&runner);
	ck_assert_int_eq(in_callback(run_it, &(int){6}), 0);
	ck_assert_int_eq(made, 5);
}
END_TEST

/* Another thread was in the middle of it: half made, and nobody there to go on. */
static void
use_half_made(void)
{
	ck_assert_int_eq(conc_once_run(&once, make, &(int){6}), CONC_EFORKED);
	ck_assert_int_eq(conc_once_init(&once, 0), 0);
	ck_assert_int_eq(conc_once_run(&once, make, &(int){6}), 0);
	ck_assert_int_eq(made, 6);
}

static void
use_made(void)
{
	ck_assert_int_eq(conc_once_run(&once, make, &(int){6}), 0);
	ck_assert_int_eq(made, 5);
}

#ifndef __SANITIZE_THREAD__ /* it cannot start threads in the child of a fork */
static void
find_it_half_made(void *user)
{
	ck_assert_int_eq(conc_once_run(&once, make, user), CONC_EFORKED);
}

/* Nor is a new thread the one that stayed behind, in whose place it may lie. */
static void
find_it_half_made_in_a_thread(void)
{
	elsewhere(1, find_it_half_made, &(int){6});
}
#endif

START_TEST(the_child_of_a_fork_eforked)
{
	struct bunch runner;

	bunch_start(&runner, 1, run_slowly, &(int){5});
	latch_wait(&begun, 1);
	ck_assert_int_eq(run_in_child(use_half_made), 0);
#ifndef __SANITIZE_THREAD__
	ck_assert_int_eq(run_in_child(find_it_half_made_in_a_thread), 0);
#endif
	latch_set(&go);
	bunch_join(&runner);
	ck_assert_int_eq(run_in_child(use_made), 0);
}
END_TEST

/* Who forks in the middle of it goes on in both. */
static void
run_in_middle(void *user)
{
	ck_assert_int_eq(conc_once_run(&once, make, user), CONC_EFORKED);
}

static int
fork_and_make(void *user)
{
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		elsewhere(1, run_in_middle, user);
		return make(user);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(status, 0);
	return make(user);
}

START_TEST(fork_in_the_middle)
{
	pid_t parent = getpid();

	fflush(NULL);
	ck_assert_int_eq(conc_once_run(&once, fork_and_make, &(int){8}), 0);
	ck_assert_int_eq(conc_once_run(&once, make, &(int){9}), 0);
	ck_assert_int_eq(made, 8);
	if (getpid() != parent)
		_exit(atomic_load(&ran) == 1 ? 0 : 1);
}
END_TEST

/*
 * Who comes when it is done, and has not waited for it, sees what was made.
 * No assertion until made is read: Check's take a lock, which would order it.
 */
static bool
done(void *o)
{
	return (__atomic_load_n(&((conc_once *)o)->word, __ATOMIC_RELAXED) & 3) == 3;
}

static void
make_eleven(void *rc)
{
	*(int *)rc = conc_once_run(&once, make, &(int){11});
}

START_TEST(seen_by_who_comes_later)
{
	for (int i = 0; i < seeds(); i++) {
		struct bunch b;
		int first = -1, later, seen;

		reset();
		bunch_start(&b, 1, make_eleven, &first);
		eventually(done, &once);
		later = conc_once_run(&once, make, &(int){12});
		seen = made;
		bunch_join(&b);
		ck_assert_int_eq(first, 0);
		ck_assert_int_eq(later, 0);
		ck_assert_int_eq(seen, 11);
	}
}
END_TEST

/* Many come at a time; the first few runs fail. */
struct rush {
	conc_once once;
	atomic_int tries, failures;
	int value; /* made by the one that succeeds */
	uint32_t seed;
};

static int
succeed_third(void *user)
{
	struct rush *rush = user;
	uint32_t seed = rush->seed;

	jitter(&seed);
	if (atomic_fetch_add(&rush->tries, 1) < 2)
		return -EIO;
	rush->value++;
	return 0;
}

static void
come(void *arg)
{
	struct rush *rush = arg;
	int rc = conc_once_run(&rush->once, succeed_third, rush);

	ck_assert(rc == 0 || rc == -EIO);
	if (rc == 0)
		ck_assert_int_eq(rush->value, 1);
	else
		atomic_fetch_add(&rush->failures, 1);
}

START_TEST(a_rush_succeeds_once)
{
	for (int i = 0; i < seeds(); i++) {
		struct rush rush = {.seed = seed_start(i)};

		elsewhere(6, come, &rush);
		ck_assert_int_eq(atomic_load(&rush.tries), 3);
		ck_assert_int_eq(atomic_load(&rush.failures), 2);
		ck_assert_int_eq(rush.value, 1);
	}
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("once");
	TCase *tc = new_case(s, "once");

	tcase_add_checked_fixture(tc, reset, NULL);
	tcase_add_test(tc, constructor);
	tcase_add_test(tc, bad_arguments_einval_enotsup);
	tcase_add_test(tc, runs_once);
	tcase_add_test(tc, a_failure_is_tried_again);
	tcase_add_test(tc, recursion_edeadlk);
	tcase_add_test(tc, others_wait_until_it_is_done);
	tcase_add_test(tc, callbacks_do_not_block_edeadlk);
	tcase_add_test(tc, the_child_of_a_fork_eforked);
	tcase_add_test(tc, fork_in_the_middle);
	tcase_add_test(tc, seen_by_who_comes_later);
	tcase_add_test(tc, a_rush_succeeds_once);
	return run_suite(s);
}
