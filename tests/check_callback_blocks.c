/* SPDX-License-Identifier: MIT */
/*
 * In a future's callback nothing may block: each wait says -EDEADLK where it
 * would, and answers as ever where it would not.
 */
#include "tests/future.h"

struct scene {
	conc_executor *pool; /* not the one whose future calls back */
	conc_list *list;
	conc_completions *set;
	conc_future *never; /* pending */
	int checked;
};

static int
nothing(const void *arg, void *result)
{
	(void)arg;
	(void)result;
	return 0;
}

static void
waits(conc_future *f, void *user)
{
	struct scene *s = user;
	conc_future *both[] = {f, s->never}, *next;
	int x = 7;

	ck_assert_int_eq(conc_future_wait(s->never, CONC_FOREVER), -EDEADLK);
	ck_assert_int_eq(conc_future_wait(s->never, CONC_NOW), -ETIMEDOUT);
	ck_assert_int_eq(conc_future_wait(f, CONC_FOREVER), 0);
	ck_assert_int_eq(conc_wait(both, 2, CONC_ALL, CONC_FOREVER), -EDEADLK);
	ck_assert_int_eq(conc_wait(both, 2, CONC_ANY, CONC_FOREVER), 0);
	ck_assert_int_eq(conc_completions_next(s->set, &next, NULL, CONC_FOREVER), -EDEADLK);
	ck_assert_int_eq(conc_completions_next(s->set, &next, NULL, CONC_NOW), -ETIMEDOUT);
	ck_assert_int_eq(conc_map(s->pool, nothing, 3, NULL, 0, NULL, 0, NULL), -EDEADLK);
	ck_assert_int_eq(conc_list_pop_wait(s->list, 0, &x, CONC_FOREVER), -EDEADLK);
	ck_assert_int_eq(conc_list_pop_wait(s->list, 0, &x, CONC_NOW), -ETIMEDOUT);
	ck_assert_int_eq(conc_list_append(s->list, &x), 0);
	ck_assert_int_eq(conc_list_pop_wait(s->list, 0, &x, CONC_FOREVER), 0);
	s->checked = 1;
}

START_TEST(waits_in_a_callback_are_edeadlk)
{
	struct scene s = {0};
	conc_promise *p, *q;
	conc_future *f = pending(&p);

	s.never = pending(&q);
	ck_assert_int_eq(conc_thread_pool_create(&s.pool, CONC_THREAD_POOL(.workers = 1)), 0);
	ck_assert_int_eq(conc_list_create(&s.list, sizeof(int)), 0);
	ck_assert_int_eq(conc_completions_create(&s.set), 0);
	ck_assert_int_eq(conc_completions_add(s.set, s.never, NULL), 0);
	ck_assert_int_eq(conc_future_on_done(f, waits, &s), 0);
	ck_assert_int_eq(finish(p, 1), 0);
	ck_assert_int_eq(s.checked, 1);
	conc_completions_destroy(s.set);
	conc_future_release(s.never);
	conc_future_release(f);
	conc_promise_destroy(p);
	(void)finish(q, 1);
	conc_promise_destroy(q);
	conc_list_destroy(s.list);
	conc_executor_destroy(s.pool);
}
END_TEST

struct other {
	conc_executor *pool;
	struct latch begun, open, ended;
	int rc;
};

static int
held_task(const void *arg, void *result)
{
	struct other *o = (struct other *)arg;

	(void)result;
	latch_set(&o->begun);
	latch_wait(&o->open, 1);
	latch_set(&o->ended);
	return 0;
}

static void
shut_down_the_other(conc_future *f, void *user)
{
	struct other *o = user;

	(void)f;
	o->rc = conc_shutdown(o->pool, CONC_DRAIN, CONC_FOREVER);
}

static void
destroy_the_other(conc_future *f, void *user)
{
	(void)f;
	conc_executor_destroy(((struct other *)user)->pool);
}

/* Run callback while a task of another pool runs. */
static void
call_back(struct other *o, void (*callback)(conc_future *f, void *user))
{
	conc_promise *p;
	conc_future *f = pending(&p);

	ck_assert_int_eq(conc_thread_pool_create(&o->pool, CONC_THREAD_POOL(.workers = 2)), 0);
	ck_assert_int_eq(conc_submit(o->pool, held_task, o, CONC_BORROW, 0, NULL), 0);
	latch_wait(&o->begun, 1);
	ck_assert_int_eq(conc_future_on_done(f, callback, o), 0);
	ck_assert_int_eq(finish(p, 1), 0);
	conc_future_release(f);
	conc_promise_destroy(p);
}

START_TEST(shutdown_of_another_pool_begins_and_is_edeadlk)
{
	struct other o = {.begun = LATCH, .open = LATCH, .ended = LATCH};

	call_back(&o, shut_down_the_other);
	ck_assert_int_eq(o.rc, -EDEADLK);
	ck_assert_int_eq(conc_submit(o.pool, nothing, NULL, 0, 0, NULL), CONC_ESHUTDOWN);
	latch_set(&o.open);
	ck_assert_int_eq(conc_shutdown(o.pool, CONC_DRAIN, CONC_FOREVER), 0);
	conc_executor_destroy(o.pool);
}
END_TEST

/* The last of its workers frees it: the fixture sees that the threads go. */
START_TEST(destroy_of_another_pool_does_not_wait)
{
	struct other o = {.begun = LATCH, .open = LATCH, .ended = LATCH};

	call_back(&o, destroy_the_other);
	latch_set(&o.open);
	latch_wait(&o.ended, 1);
}
END_TEST

static void
destroy_an_idle_one(conc_future *f, void *user)
{
	(void)f;
	conc_executor_destroy(user);
}

START_TEST(destroy_of_a_pool_without_workers_frees_it)
{
	conc_executor *pool;
	conc_future *f = finished(1);

	ck_assert_int_eq(conc_thread_pool_create(&pool, NULL), 0);
	ck_assert_int_eq(conc_future_on_done(f, destroy_an_idle_one, pool), 0);
	conc_future_release(f);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("callback_blocks");
	TCase *tc = new_case(s, "callback");

	tcase_add_test(tc, waits_in_a_callback_are_edeadlk);
	tcase_add_test(tc, shutdown_of_another_pool_begins_and_is_edeadlk);
	tcase_add_test(tc, destroy_of_another_pool_does_not_wait);
	tcase_add_test(tc, destroy_of_a_pool_without_workers_frees_it);
	return run_suite(s);
}
