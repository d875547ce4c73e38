/* SPDX-License-Identifier: MIT */
/*
 * A task's cleanup is a callback of the library as a future's is: there each
 * wait says -EDEADLK where it would block, and answers as ever where it would not.
 */
#include "tests/pool.h"
#include <conc/queue.h>
#include <conc/sync.h>
#include <conc/thread.h>

struct scene {
	conc_lock lock; /* the test's thread holds it, and the next */
	conc_rlock rlock;
	conc_condition condition;
	conc_semaphore semaphore;
	conc_event event;
	conc_barrier barrier;
	conc_queue *queue;   /* empty, or full */
	conc_thread *thread; /* at the gate */
	struct gate gate;
	atomic_int checked;
};

static void
would_block(struct scene *s, conc_time deadline, int rc)
{
	int x = 0;

	ck_assert_int_eq(conc_lock_acquire(&s->lock, deadline), rc);
	ck_assert_int_eq(conc_rlock_acquire(&s->rlock, deadline), rc);
	ck_assert_int_eq(conc_condition_wait(&s->condition, &s->lock, deadline), rc);
	ck_assert(conc_lock_locked(&s->lock));
	ck_assert_int_eq(conc_semaphore_acquire(&s->semaphore, deadline), rc);
	ck_assert_int_eq(conc_event_wait(&s->event, deadline), rc);
	ck_assert_int_eq(conc_queue_get(s->queue, &x, deadline), rc);
	ck_assert_int_eq(conc_queue_put(s->queue, &x, deadline), 0);
	ck_assert_int_eq(conc_queue_put(s->queue, &x, deadline), rc);
	ck_assert_int_eq(conc_queue_join(s->queue, deadline), rc);
	ck_assert_int_eq(conc_queue_get(s->queue, &x, deadline), 0);
	ck_assert_int_eq(conc_queue_task_done(s->queue), 0);
	ck_assert_int_eq(conc_thread_join(s->thread, deadline), rc);
}

static void
waits(void *user)
{
	struct scene *s = user;

	would_block(s, CONC_FOREVER, -EDEADLK);
	would_block(s, conc_after(CONC_S(3600)), -EDEADLK);
	would_block(s, CONC_NOW, -ETIMEDOUT);
	ck_assert_int_eq(conc_barrier_wait(&s->barrier, CONC_FOREVER), -EDEADLK);
	ck_assert(!conc_barrier_broken(&s->barrier));
	ck_assert_uint_eq(conc_barrier_waiting(&s->barrier), 0);
	ck_assert_int_eq(conc_semaphore_release(&s->semaphore, 1), 0);
	ck_assert_int_eq(conc_semaphore_acquire(&s->semaphore, CONC_FOREVER), 0);
	atomic_fetch_add(&s->checked, 1);
}

START_TEST(waits_in_a_cleanup_are_edeadlk)
{
	struct scene s = {.barrier = CONC_BARRIER_INIT(2), .gate = GATE};
	conc_executor *pool = POOL(.workers = 1);

	ck_assert_int_eq(
	    conc_queue_create(&s.queue, sizeof(int), CONC_QUEUE(.capacity = 1)), 0);
	ck_assert_int_eq(conc_lock_acquire(&s.lock, CONC_FOREVER), 0);
	ck_assert_int_eq(conc_rlock_acquire(&s.rlock, CONC_FOREVER), 0);
	ck_assert_int_eq(
	    conc_thread_start(&s.thread, gate_task, &s.gate, CONC_BORROW, NULL), 0);
	latch_wait(&s.gate.come, 1);
	ck_assert_int_eq(
	    finish(SUBMIT(pool, .fn = nothing_task, .cleanup = waits, .user = &s)), 0);
	conc_executor_destroy(pool);
	ck_assert_int_eq(atomic_load(&s.checked), 1);
	latch_set(&s.gate.open);
	ck_assert_int_eq(conc_thread_join(s.thread, CONC_FOREVER), 0);
	conc_thread_destroy(s.thread);
	ck_assert_int_eq(conc_rlock_release(&s.rlock), 0);
	ck_assert_int_eq(conc_lock_release(&s.lock), 0);
	conc_queue_destroy(s.queue);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("cleanup_blocks");
	TCase *tc = new_case(s, "cleanup");

	tcase_add_test(tc, waits_in_a_cleanup_are_edeadlk);
	return run_suite(s);
}
