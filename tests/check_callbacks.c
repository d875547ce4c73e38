/* SPDX-License-Identifier: MIT */
/*
 * Callbacks of futures: which thread runs them, in which order, what they may
 * do, and that each runs once.
 */
#include "tests/future.h"

START_TEST(callback_thread_is_the_finisher)
{
	struct told told = TOLD;
	struct listener listener = {&told, 1};
	conc_promise *p;
	conc_future *f = pending(&p);

	ck_assert_int_eq(conc_future_on_done(f, tell, &listener), 0);
	ck_assert_int_eq(latch_count(&told.calls), 0);
	ck_assert_int_eq(_i ? conc_promise_fail(p, -EIO) : finish(p, 1), 0);
	ck_assert_int_eq(latch_count(&told.calls), 1);
	ck_assert(pthread_equal(told.thread[0], pthread_self()));
	ck_assert_int_eq(conc_future_exception(f) != NULL, _i);
	conc_promise_destroy(p);
	conc_future_release(f);
}
END_TEST

static void *
destroy_in_thread(void *arg)
{
	conc_promise_destroy(arg);
	return NULL;
}

START_TEST(callback_thread_is_who_destroys_the_promise)
{
	struct told told = TOLD;
	struct listener listener = {&told, 1};
	conc_promise *p;
	conc_future *f = pending(&p);
	pthread_t thread;

	ck_assert_int_eq(conc_future_on_done(f, tell, &listener), 0);
	thread = start(destroy_in_thread, p);
	join(thread);
	ck_assert_int_eq(latch_count(&told.calls), 1);
	ck_assert(pthread_equal(told.thread[0], thread));
	ck_assert_int_eq(conc_future_result(f, NULL, 0), -EPIPE);
	conc_future_release(f);
}
END_TEST

START_TEST(callback_thread_is_the_canceller)
{
	struct told told = TOLD;
	struct listener listener = {&told, 1};
	conc_promise *p;
	conc_future *f = pending(&p);

	ck_assert_int_eq(conc_future_on_done(f, tell, &listener), 0);
	ck_assert_int_eq(conc_future_cancel(f), 0);
	ck_assert_int_eq(latch_count(&told.calls), 1);
	ck_assert(pthread_equal(told.thread[0], pthread_self()));
	ck_assert_int_eq(conc_future_cancel(f), 0);
	ck_assert_int_eq(finish(p, 1), CONC_ESTATE);
	ck_assert_int_eq(latch_count(&told.calls), 1);
	conc_promise_destroy(p);
	conc_future_release(f);
}
END_TEST

START_TEST(callback_thread_is_the_adder_of_a_finished_one)
{
	struct told told = TOLD;
	struct listener listener = {&told, 1};
	conc_future *f = _i == 0 ? finished(1) : _i == 1 ? failed(-EIO, "x") : cancelled();

	ck_assert_int_eq(conc_future_on_done(f, tell, &listener), 0);
	ck_assert_int_eq(latch_count(&told.calls), 1);
	ck_assert(pthread_equal(told.thread[0], pthread_self()));
	(void)conc_future_exception(f);
	conc_future_release(f);
}
END_TEST

static int
note_thread(const void *arg, void *result)
{
	struct gate *gate = *(struct gate *const *)arg;

	latch_set(&gate->entered);
	latch_wait(&gate->open, 1);
	*(pthread_t *)result = pthread_self();
	return 0;
}

START_TEST(callback_thread_is_the_worker)
{
	struct told told = TOLD;
	struct listener listener = {&told, 1};
	struct gate gate = GATE, *pointer = &gate;
	conc_executor *pool = pool_of(1);
	conc_future *f;
	pthread_t worker;

	ck_assert_int_eq(
	    conc_submit(pool, note_thread, &pointer, sizeof pointer, sizeof worker, &f), 0);
	ck_assert_int_eq(conc_future_on_done(f, tell, &listener), 0);
	latch_set(&gate.open);
	ck_assert_int_eq(conc_future_result(f, &worker, sizeof worker), 0);
	latch_wait(&told.calls, 1);
	ck_assert(pthread_equal(told.thread[0], worker));
	conc_future_release(f);
	conc_executor_destroy(pool);
}
END_TEST

START_TEST(callbacks_in_order_of_registration)
{
	struct told told = TOLD;
	struct listener listeners[10];
	conc_promise *p;
	conc_future *f = pending(&p);

	for (int i = 0; i < 10; i++) {
		listeners[i] = (struct listener){&told, i};
		ck_assert_int_eq(conc_future_on_done(f, tell, &listeners[i]), 0);
	}
	ck_assert_int_eq(_i ? conc_future_cancel(f) : finish(p, 1), 0);
	ck_assert_int_eq(latch_count(&told.calls), 10);
	for (int i = 0; i < 10; i++)
		ck_assert_int_eq(told.who[i], i);
	conc_promise_destroy(p);
	conc_future_release(f);
}
END_TEST

START_TEST(same_callback_registered_twice_runs_twice)
{
	struct told told = TOLD;
	struct listener listener = {&told, 1};
	conc_promise *p;
	conc_future *f = pending(&p);

	ck_assert_int_eq(conc_future_on_done(f, tell, &listener), 0);
	ck_assert_int_eq(conc_future_on_done(f, tell, &listener), 0);
	ck_assert_int_eq(finish(p, 1), 0);
	ck_assert_int_eq(latch_count(&told.calls), 2);
	conc_promise_destroy(p);
	conc_future_release(f);
}
END_TEST

/* A callback that stops at a gate, so that others can act while it runs. */
struct stop {
	struct listener listener;
	struct latch entered, open;
};

static void
tell_and_stop(conc_future *f, void *user)
{
	struct stop *stop = user;

	tell(f, &stop->listener);
	latch_set(&stop->entered);
	latch_wait(&stop->open, 1);
}

static void *
finish_in_thread(void *arg)
{
	ck_assert_int_eq(finish(arg, 1), 0);
	return NULL;
}

START_TEST(callback_registered_while_running_queues_behind)
{
	struct told told = TOLD;
	struct stop stop = {{&told, 0}, LATCH, LATCH};
	struct listener second = {&told, 1}, third = {&told, 2};
	conc_promise *p;
	conc_future *f = pending(&p);
	pthread_t thread;

	ck_assert_int_eq(conc_future_on_done(f, tell_and_stop, &stop), 0);
	ck_assert_int_eq(conc_future_on_done(f, tell, &second), 0);
	thread = start(finish_in_thread, p);
	latch_wait(&stop.entered, 1);
	ck_assert_int_eq(conc_future_on_done(f, tell, &third), 0);
	ck_assert_int_eq(latch_count(&told.calls), 1);
	latch_set(&stop.open);
	join(thread);
	ck_assert_int_eq(latch_count(&told.calls), 3);
	for (int i = 0; i < 3; i++) {
		ck_assert_int_eq(told.who[i], i);
		ck_assert(pthread_equal(told.thread[i], thread));
	}
	conc_promise_destroy(p);
	conc_future_release(f);
}
END_TEST

static void
tell_and_register(conc_future *f, void *user)
{
	static struct listener more;
	struct listener *listener = user;

	tell(f, listener);
	more = (struct listener){listener->told, 2};
	ck_assert_int_eq(conc_future_on_done(f, tell, &more), 0);
	ck_assert_int_eq(latch_count(&listener->told->calls), 1);
}

START_TEST(callback_registered_by_a_callback_queues_behind)
{
	struct told told = TOLD;
	struct listener first = {&told, 0}, second = {&told, 1};
	conc_promise *p;
	conc_future *f = pending(&p);

	if (_i) { /* the adder of a finished one is the thread that runs them */
		ck_assert_int_eq(finish(p, 1), 0);
		ck_assert_int_eq(conc_future_on_done(f, tell_and_register, &first), 0);
		ck_assert_int_eq(latch_count(&told.calls), 2);
	} else {
		ck_assert_int_eq(conc_future_on_done(f, tell_and_register, &first), 0);
		ck_assert_int_eq(conc_future_on_done(f, tell, &second), 0);
		ck_assert_int_eq(finish(p, 1), 0);
		ck_assert_int_eq(latch_count(&told.calls), 3);
		ck_assert_int_eq(told.who[1], 1);
	}
	ck_assert_int_eq(told.who[0], 0);
	ck_assert_int_eq(told.who[_i ? 1 : 2], 2);
	conc_promise_destroy(p);
	conc_future_release(f);
}
END_TEST

START_TEST(waiter_released_before_callbacks)
{
	struct told told = TOLD;
	struct stop stop = {{&told, 0}, LATCH, LATCH};
	conc_promise *p;
	conc_future *f = pending(&p);
	pthread_t thread;

	/* Nobody opens the gate before the waits have returned. */
	ck_assert_int_eq(conc_future_on_done(f, tell_and_stop, &stop), 0);
	thread = start(finish_in_thread, p);
	ck_assert_int_eq(conc_future_wait(f, CONC_FOREVER), 0);
	ck_assert_int_eq(conc_wait(&f, 1, CONC_ALL, CONC_FOREVER), 0);
	ck_assert_int_eq(conc_future_result(f, NULL, 0), 0);
	conc_future_release(f);
	latch_set(&stop.open);
	join(thread);
	ck_assert_int_eq(latch_count(&told.calls), 1);
	conc_promise_destroy(p);
}
END_TEST

static void
wait_for_another(conc_future *f, void *user)
{
	conc_future *other = user, *both[] = {f, other};
	conc_time soon = conc_after(CONC_S(1000));
	conc_completions *c;
	const void *view;

	ck_assert_int_eq(conc_future_wait(other, CONC_FOREVER), -EDEADLK);
	ck_assert_int_eq(conc_future_wait(other, soon), -EDEADLK);
	ck_assert_int_eq(conc_future_wait(other, CONC_NOW), -ETIMEDOUT);
	ck_assert_int_eq(conc_future_result(other, NULL, 0), -EDEADLK);
	ck_assert_int_eq(conc_future_view(other, &view, NULL), -EDEADLK);
	ck_assert_int_eq(conc_wait(both, 2, CONC_ALL, CONC_FOREVER), -EDEADLK);
	ck_assert_int_eq(conc_wait(both, 2, CONC_ALL, CONC_NOW), -ETIMEDOUT);
	ck_assert_int_eq(conc_wait(both, 2, CONC_ANY, CONC_FOREVER), 0);
	ck_assert_int_eq(conc_completions_create(&c), 0);
	ck_assert_int_eq(conc_completions_add(c, other, NULL), 0);
	ck_assert_int_eq(conc_completions_next(c, &both[1], NULL, CONC_FOREVER), -EDEADLK);
	ck_assert_int_eq(conc_completions_next(c, &both[1], NULL, soon), -EDEADLK);
	ck_assert_int_eq(conc_completions_next(c, &both[1], NULL, CONC_NOW), -ETIMEDOUT);
	conc_completions_destroy(c);
	/* What does not block is allowed. */
	ck_assert_int_eq(conc_future_wait(f, CONC_FOREVER), 0);
	ck_assert_int_eq(conc_future_result(f, NULL, 0), 0);
	ck_assert_int_eq(conc_future_cancel(f), CONC_ESTATE);
	ck_assert_int_eq(conc_future_cancel(other), 0);
}

START_TEST(waits_in_a_callback_are_edeadlk)
{
	conc_promise *p, *q;
	conc_future *f = pending(&p), *other = pending(&q);

	ck_assert_int_eq(conc_future_on_done(f, wait_for_another, other), 0);
	ck_assert_int_eq(finish(p, 1), 0);
	ck_assert_state(other, true, false, true);
	conc_promise_destroy(p);
	conc_promise_destroy(q);
	conc_future_release(f);
	conc_future_release(other);
}
END_TEST

START_TEST(waits_in_a_callback_of_a_worker_are_edeadlk)
{
	struct gate gate = GATE;
	conc_executor *pool = pool_of(1);
	conc_promise *q;
	conc_future *f = running(pool, &gate), *other = pending(&q);

	ck_assert_int_eq(conc_future_on_done(f, wait_for_another, other), 0);
	latch_set(&gate.open);
	ck_assert_int_eq(conc_shutdown(pool, CONC_DRAIN, CONC_FOREVER), 0);
	ck_assert_state(other, true, false, true);
	conc_executor_destroy(pool);
	conc_promise_destroy(q);
	conc_future_release(f);
	conc_future_release(other);
}
END_TEST

static void
release_the_only_reference(conc_future *f, void *user)
{
	*(int *)user += 1;
	conc_future_release(f);
	ck_assert_int_eq(conc_future_done(f), true); /* it is still borrowed */
}

START_TEST(callback_may_release_the_last_reference)
{
	conc_promise *p;
	conc_future *f = pending(&p);
	int calls = 0;

	ck_assert_int_eq(
	    conc_future_on_done(f, release_the_only_reference, &calls), 0);
	ck_assert_int_eq(finish(p, 1), 0);
	ck_assert_int_eq(calls, 1);
	conc_promise_destroy(p);
}
END_TEST

START_TEST(callback_of_a_released_future_runs)
{
	struct told told = TOLD;
	struct listener listener = {&told, 1};
	conc_promise *p;
	conc_future *f = pending(&p);

	ck_assert_int_eq(conc_future_on_done(f, tell, &listener), 0);
	conc_future_release(f);
	ck_assert_int_eq(finish(p, 1), 0);
	ck_assert_int_eq(latch_count(&told.calls), 1);
	conc_promise_destroy(p);
}
END_TEST

static void
finish_the_next(conc_future *f, void *user)
{
	(void)f;
	ck_assert_int_eq(finish(user, 2), 0);
}

START_TEST(callback_may_finish_another)
{
	struct told told = TOLD;
	struct listener listener = {&told, 1};
	conc_promise *p, *q;
	conc_future *f = pending(&p), *g = pending(&q);

	ck_assert_int_eq(conc_future_on_done(f, finish_the_next, q), 0);
	ck_assert_int_eq(conc_future_on_done(g, tell, &listener), 0);
	ck_assert_int_eq(finish(p, 1), 0);
	ck_assert_int_eq(latch_count(&told.calls), 1);
	ck_assert_state(g, true, false, false);
	conc_promise_destroy(p);
	conc_promise_destroy(q);
	conc_future_release(f);
	conc_future_release(g);
}
END_TEST

/* Four register while one finishes: every callback runs once, each adder's in his order. */
struct race {
	struct told told;
	conc_future *f;
	conc_promise *p;
	pthread_barrier_t begin;
	struct listener listeners[4][3];
	int seed;
};

struct adder {
	struct race *race;
	int index;
};

static void *
register_three(void *arg)
{
	struct adder *adder = arg;
	struct race *race = adder->race;
	uint32_t seed = seed_start(race->seed * 7 + adder->index);

	pthread_barrier_wait(&race->begin);
	for (int i = 0; i < 3; i++) {
		jitter(&seed);
		ck_assert_int_eq(conc_future_on_done(
				     race->f, tell, &race->listeners[adder->index][i]),
		    0);
	}
	return NULL;
}

START_TEST(registering_against_finishing_runs_each_once)
{
	for (int n = 0; n < seeds(); n++) {
		struct race race = {.told = TOLD, .seed = n};
		struct adder adders[4];
		pthread_t threads[4];
		uint32_t seed = seed_start(n);
		int seen[4] = {0, 0, 0, 0};

		race.f = pending(&race.p);
		pthread_barrier_init(&race.begin, NULL, 5);
		for (int i = 0; i < 4; i++) {
			for (int k = 0; k < 3; k++)
				race.listeners[i][k] = (struct listener){&race.told, 3 * i + k};
			adders[i] = (struct adder){&race, i};
			threads[i] = start(register_three, &adders[i]);
		}
		pthread_barrier_wait(&race.begin);
		jitter(&seed);
		jitter(&seed);
		ck_assert_int_eq(finish(race.p, 1), 0);
		for (int i = 0; i < 4; i++)
			join(threads[i]);
		ck_assert_int_eq(latch_count(&race.told.calls), 12);
		for (int i = 0; i < 12; i++) {
			int who = race.told.who[i];

			ck_assert_int_eq(who % 3, seen[who / 3]);
			seen[who / 3]++;
		}
		pthread_barrier_destroy(&race.begin);
		conc_promise_destroy(race.p);
		conc_future_release(race.f);
	}
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("callbacks");
	TCase *tc = new_case(s, "threads");

	tcase_add_loop_test(tc, callback_thread_is_the_finisher, 0, 2);
	tcase_add_test(tc, callback_thread_is_who_destroys_the_promise);
	tcase_add_test(tc, callback_thread_is_the_canceller);
	tcase_add_loop_test(tc, callback_thread_is_the_adder_of_a_finished_one, 0, 3);
	tcase_add_test(tc, callback_thread_is_the_worker);

	tc = new_case(s, "order");
	tcase_add_loop_test(tc, callbacks_in_order_of_registration, 0, 2);
	tcase_add_test(tc, same_callback_registered_twice_runs_twice);
	tcase_add_test(tc, callback_registered_while_running_queues_behind);
	tcase_add_loop_test(tc, callback_registered_by_a_callback_queues_behind, 0, 2);
	tcase_add_test(tc, waiter_released_before_callbacks);
	tcase_add_test(tc, registering_against_finishing_runs_each_once);

	tc = new_case(s, "within");
	tcase_add_test(tc, waits_in_a_callback_are_edeadlk);
	tcase_add_test(tc, waits_in_a_callback_of_a_worker_are_edeadlk);
	tcase_add_test(tc, callback_may_release_the_last_reference);
	tcase_add_test(tc, callback_of_a_released_future_runs);
	tcase_add_test(tc, callback_may_finish_another);
	return run_suite(s);
}
