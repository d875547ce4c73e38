/* SPDX-License-Identifier: MIT */
/*
 * Memory, futexes, locks, what is known of a thread, and forks, on base.
 */
#include "base/clock.h"
#include "base/fork.h"
#include "base/futex.h"
#include "base/lock.h"
#include "base/memory.h"
#include "base/self.h"
#include "tests/common.h"
#include <signal.h>

/* --- memory --- */

START_TEST(memory_of_size_0_can_be_freed)
{
	void *p = conc__malloc(0), *q = conc__calloc(0, 8);

	ck_assert_ptr_nonnull(p);
	ck_assert_ptr_nonnull(q);
	p = conc__realloc(p, 0);
	ck_assert_ptr_nonnull(p);
	conc__free(p);
	conc__free(q);
	conc__free(NULL);
}
END_TEST

START_TEST(memory_is_zeroed_kept_and_copied)
{
	char *p = conc__calloc(100, 7), zeros[700] = {0}, *s;

	ck_assert_ptr_nonnull(p);
	ck_assert_mem_eq(p, zeros, sizeof zeros);
	memset(p, 'p', 700);
	p = conc__realloc(p, 70000);
	ck_assert_ptr_nonnull(p);
	ck_assert_int_eq(p[699], 'p');
	conc__free(p);
	s = conc__strdup("text");
	ck_assert_str_eq(s, "text");
	conc__free(s);
	ck_assert_ptr_null(conc__strdup(NULL));
}
END_TEST

static volatile size_t too_much = PTRDIFF_MAX; /* refused here: no allocator is asked */

START_TEST(memory_that_there_is_not)
{
	char *p = conc__malloc(3);

	ck_assert_ptr_null(conc__malloc(too_much));
	ck_assert_ptr_null(conc__calloc(too_much, 4));
	ck_assert_ptr_null(conc__realloc(p, too_much));
	conc__free(p);
}
END_TEST

/* --- futexes --- */

static conc__atomic_u32 word;

START_TEST(futex_returns_where_the_word_differs)
{
	conc__store_relaxed(&word, 5);
	ck_assert_int_eq(conc__futex_wait(&word, 4, CONC_FOREVER), 0);
	ck_assert_int_eq(conc__futex_wait(&word, 4, conc_after(CONC_S(1000))), 0);
}
END_TEST

START_TEST(futex_etimedout)
{
	conc_time end = conc_after_ms(3);

	conc__store_relaxed(&word, 5);
	while (conc__futex_wait(&word, 5, end) == 0)
		; /* for no reason at all */
	ck_assert(conc__passed(end));
	ck_assert_int_eq(conc__futex_wait(&word, 5, CONC_NOW), -ETIMEDOUT);
	ck_assert_int_eq(conc__futex_wait(&word, 5, (conc_time){0}), -ETIMEDOUT);
	ck_assert_int_eq(conc__futex_wait(&word, 5, (conc_time){1}), -ETIMEDOUT);
	ck_assert_int_eq(conc__futex_wait(&word, 5, (conc_time){-1}), -ETIMEDOUT);
}
END_TEST

/* Two threads in turn: each waits for its own parity of the word. */
enum { TURNS = 2000 };

static void *
take_turns(void *arg)
{
	uint32_t mine = (uint32_t)(uintptr_t)arg, now;

	for (;;) {
		now = conc__load_acquire(&word);
		if (now >= TURNS)
			return NULL;
		if (now % 2 != mine) {
			/* FOREVER, and a deadline too far for the machine, are alike. */
			ck_assert_int_eq(conc__futex_wait(&word, now,
			    now % 3 ? CONC_FOREVER : (conc_time){INT64_MAX - 1}), 0);
			continue;
		}
		conc__store_release(&word, now + 1);
		conc__futex_wake(&word, now % 5 ? 1 : INT32_MAX);
	}
}

START_TEST(futex_wakes_who_waits)
{
	pthread_t other;

	conc__store_relaxed(&word, 0);
	ck_assert_int_eq(pthread_create(&other, NULL, take_turns, (void *)1), 0);
	take_turns((void *)0);
	pthread_join(other, NULL);
}
END_TEST

/* In a child, killed at last: a memory checker objects, though only the address is used. */
static void
wake_what_is_gone(void)
{
	conc__atomic_u32 *p = conc__calloc(1, sizeof *p);

	conc__free(p);
	conc__futex_wake(p, INT32_MAX);
	conc__futex_wake((conc__atomic_u32 *)64, 1);
	raise(SIGKILL);
}

START_TEST(futex_wake_of_memory_that_is_gone)
{
	ck_assert_int_eq(run_in_child(wake_what_is_gone), 1000 + SIGKILL);
}
END_TEST

/* --- locks --- */

static struct conc__lock small;
static struct conc__mutex mutex;
static struct conc__condition condition;
static int shared; /* under one of the locks */

static void *
count_under_small(void *arg)
{
	uint32_t seed = seed_start((int)(uintptr_t)arg);

	for (int i = 0; i < 500; i++) {
		int seen;

		conc__lock_acquire(&small, CONC__RANK_POOL);
		seen = shared;
		jitter(&seed);
		shared = seen + 1;
		conc__lock_release(&small, CONC__RANK_POOL);
		jitter(&seed);
	}
	return NULL;
}

START_TEST(small_lock_excludes)
{
	pthread_t threads[4];

	shared = 0;
	for (uintptr_t i = 0; i < 4; i++)
		ck_assert_int_eq(
		    pthread_create(&threads[i], NULL, count_under_small, (void *)i), 0);
	for (int i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	ck_assert_int_eq(shared, 2000);
	ck_assert_uint_eq(conc__load_relaxed(&small.word), 0);
}
END_TEST

enum { ITEMS = 1000 };

static void *
produce(void *arg)
{
	for (int i = 0; i < ITEMS; i++) {
		conc__mutex_lock(&mutex);
		shared++;
		if (i % 2)
			conc__condition_signal(&condition);
		else
			conc__condition_broadcast(&condition);
		conc__mutex_unlock(&mutex);
	}
	return arg;
}

START_TEST(condition_wakes_who_waits)
{
	pthread_t threads[2];

	ck_assert_int_eq(conc__monitor_init(&mutex, CONC__RANK_POOL, &condition, NULL), 0);
	shared = 0;
	for (int i = 0; i < 2; i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, produce, NULL), 0);
	for (int taken = 0; taken < 2 * ITEMS; taken++) {
		conc__mutex_lock(&mutex);
		while (shared == 0)
			ck_assert_int_eq(conc__condition_wait(&condition, &mutex,
			    taken % 2 ? CONC_FOREVER : conc_after(CONC_S(1000))), 0);
		shared--;
		conc__mutex_unlock(&mutex);
	}
	for (int i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
	conc__monitor_destroy(&mutex, &condition, NULL);
}
END_TEST

START_TEST(condition_etimedout)
{
	struct conc__condition other;
	conc_time end = conc_after_ms(3);

	ck_assert_int_eq(conc__monitor_init(&mutex, CONC__RANK_POOL, &other, &condition), 0);
	conc__mutex_lock(&mutex);
	while (conc__condition_wait(&condition, &mutex, end) == 0)
		;
	ck_assert(conc__passed(end));
	ck_assert_int_eq(conc__condition_wait(&condition, &mutex, CONC_NOW), -ETIMEDOUT);
	ck_assert_int_eq(conc__condition_wait(&condition, &mutex, (conc_time){1}), -ETIMEDOUT);
	conc__mutex_unlock(&mutex);
	conc__monitor_destroy(&mutex, &other, &condition);
}
END_TEST

static void *
try_mutex(void *arg)
{
	bool taken = conc__mutex_try(&mutex);

	if (taken)
		conc__mutex_unlock(&mutex);
	*(bool *)arg = taken;
	return NULL;
}

START_TEST(mutex_try_takes_it_where_it_is_free)
{
	pthread_t other;
	bool taken;

	ck_assert_int_eq(conc__mutex_init(&mutex, CONC__RANK_POOL), 0);
	for (int held = 0; held < 2; held++) {
		if (held)
			conc__mutex_lock(&mutex);
		ck_assert_int_eq(pthread_create(&other, NULL, try_mutex, &taken), 0);
		pthread_join(other, NULL);
		ck_assert_int_eq(taken, !held);
	}
	conc__mutex_unlock(&mutex);
	conc__mutex_destroy(&mutex);
}
END_TEST

static void
climb_down(void)
{
	static struct conc__lock low, high;

	freopen("/dev/null", "w", stderr); /* the assertion's words are expected */
	conc__lock_acquire(&high, CONC__RANK_FUTURE);
	conc__lock_acquire(&low, CONC__RANK_POOL);
}

/* Ranks are checked in debug builds; in others the same is merely allowed. */
START_TEST(ranks_only_grow)
{
	static struct conc__lock low, high;
	int end;

	conc__lock_acquire(&low, CONC__RANK_POOL);
	conc__lock_acquire(&high, CONC__RANK_FUTURE);
	conc__lock_release(&low, CONC__RANK_POOL);
	conc__lock_release(&high, CONC__RANK_FUTURE);
	end = run_in_child(climb_down);
#ifdef CONC_DEBUG
	ck_assert_int_eq(end, 1000 + SIGABRT);
#else
	ck_assert_int_eq(end, 0);
#endif
}
END_TEST

/* --- threads' own --- */

static void *
look_at_self(void *arg)
{
	struct conc__self *self = conc__self(), zero;

	memset(&zero, 0, sizeof zero);
	ck_assert_uint_ne(self->number, 0);
	zero.number = self->number;
	ck_assert_mem_eq(self, &zero, sizeof zero);
	ck_assert_ptr_eq(self, conc__self());
	*(struct conc__self **)arg = self;
	self->hooks = 3;
	return NULL;
}

START_TEST(self_is_each_threads_own)
{
	struct conc__self *other = NULL;
	pthread_t thread;

	conc__self()->callbacks = 2;
	ck_assert_int_eq(pthread_create(&thread, NULL, look_at_self, &other), 0);
	pthread_join(thread, NULL);
	ck_assert_ptr_nonnull(other);
	ck_assert_ptr_ne(other, conc__self());
	ck_assert_int_eq(conc__self()->hooks, 0);
	ck_assert_int_eq(conc__self()->callbacks, 2);
	conc__self()->callbacks = 0;
}
END_TEST

/* --- forks --- */

static uint32_t made_in;

static void
look_at_generation(void)
{
	uint32_t now;

	ck_assert(conc__forked(made_in));
	ck_assert_int_eq(conc__generation(&now), 0);
	ck_assert_uint_ne(now, made_in);
	ck_assert(!conc__forked(now));
}

static void
look_and_fork_again(void)
{
	look_at_generation();
	ck_assert_int_eq(conc__generation(&made_in), 0);
	ck_assert_int_eq(run_in_child(look_at_generation), 0);
	ck_assert(!conc__forked(made_in));
}

START_TEST(a_fork_is_another_generation)
{
	uint32_t again;

	ck_assert_int_eq(conc__generation(&made_in), 0);
	ck_assert_uint_ne(made_in, 0);
	ck_assert(!conc__forked(made_in));
	ck_assert_int_eq(run_in_child(look_and_fork_again), 0);
	ck_assert(!conc__forked(made_in));
	ck_assert_int_eq(conc__generation(&again), 0);
	ck_assert_uint_eq(again, made_in);
}
END_TEST

static void *
wait_and_wake_all_the_time(void *arg)
{
	while (latch_count(arg) == 0) {
		conc__store_relaxed(&word, 5);
		(void)conc__futex_wait(&word, 5, conc_after(1));
		conc__futex_wake(&word, 1);
	}
	return NULL;
}

static void
wait_and_wake_once(void)
{
	conc__futex_wake(&word, 1);
	ck_assert_int_eq(
	    conc__futex_wait(&word, conc__load_relaxed(&word), CONC_NOW), -ETIMEDOUT);
}

START_TEST(futexes_work_in_the_child_of_a_fork)
{
	struct latch end = LATCH;
	pthread_t thread;

	ck_assert_int_eq(conc__generation(&made_in), 0);
	ck_assert_int_eq(pthread_create(&thread, NULL, wait_and_wake_all_the_time, &end), 0);
	for (int i = 0; i < seeds(); i++)
		ck_assert_int_eq(run_in_child(wait_and_wake_once), 0);
	latch_set(&end);
	pthread_join(thread, NULL);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("base");
	TCase *tc = new_case(s, "memory");

	tcase_add_test(tc, memory_of_size_0_can_be_freed);
	tcase_add_test(tc, memory_is_zeroed_kept_and_copied);
	tcase_add_test(tc, memory_that_there_is_not);
	tc = new_case(s, "futex");
	tcase_add_test(tc, futex_returns_where_the_word_differs);
	tcase_add_test(tc, futex_etimedout);
	tcase_add_test(tc, futex_wakes_who_waits);
	tcase_add_test(tc, futex_wake_of_memory_that_is_gone);
	tc = new_case(s, "lock");
	tcase_add_test(tc, small_lock_excludes);
	tcase_add_test(tc, condition_wakes_who_waits);
	tcase_add_test(tc, condition_etimedout);
	tcase_add_test(tc, mutex_try_takes_it_where_it_is_free);
	tcase_add_test(tc, ranks_only_grow);
	tc = new_case(s, "self");
	tcase_add_test(tc, self_is_each_threads_own);
	tc = new_case(s, "fork");
	tcase_add_test(tc, a_fork_is_another_generation);
	tcase_add_test(tc, futexes_work_in_the_child_of_a_fork);
	return run_suite(s);
}
