/* SPDX-License-Identifier: MIT */
#ifndef CONC_TESTS_FUTURE_H
#define CONC_TESTS_FUTURE_H

/*
 * What the tests of futures share: futures in a wanted state, tasks that stop
 * at a gate, an excepthook and a callback that write down what they were told.
 */
#include "tests/common.h"
#include <conc/conc.h>

/* How a future stands: done, running, cancelled. */
#define ck_assert_state(f, is_done, is_running, is_cancelled)                   \
	do {                                                                    \
		ck_assert_int_eq(conc_future_done(f), (is_done));               \
		ck_assert_int_eq(conc_future_running(f), (is_running));         \
		ck_assert_int_eq(conc_future_cancelled(f), (is_cancelled));     \
	} while (0)

static inline pthread_t
start(void *(*body)(void *arg), void *arg)
{
	pthread_t thread;

	ck_assert_int_eq(pthread_create(&thread, NULL, body, arg), 0);
	return thread;
}

static inline void
join(pthread_t thread)
{
	ck_assert_int_eq(pthread_join(thread, NULL), 0);
}

/* A pending future of an int, and its promise. */
static inline conc_future *
pending(conc_promise **p)
{
	conc_future *f = NULL;

	ck_assert_int_eq(conc_promise_create(p, sizeof(int), &f), 0);
	ck_assert_ptr_nonnull(f);
	return f;
}

static inline int
finish(conc_promise *p, int value)
{
	return conc_promise_finish(p, &value, sizeof value);
}

static inline conc_future *
finished(int value)
{
	conc_promise *p;
	conc_future *f = pending(&p);

	ck_assert_int_eq(finish(p, value), 0);
	conc_promise_destroy(p);
	return f;
}

static inline conc_future *
failed(int code, const char *message)
{
	conc_promise *p;
	conc_future *f = pending(&p);

	ck_assert_int_eq(conc_raise(code, "%s", message), code);
	ck_assert_int_eq(conc_promise_fail(p, code), 0);
	conc_promise_destroy(p);
	conc_clear();
	return f;
}

static inline conc_future *
cancelled(void)
{
	conc_promise *p;
	conc_future *f = pending(&p);

	ck_assert_int_eq(conc_future_cancel(f), 0);
	conc_promise_destroy(p);
	return f;
}

static inline conc_completions *
completions(void)
{
	conc_completions *c = NULL;

	ck_assert_int_eq(conc_completions_create(&c), 0);
	ck_assert_ptr_nonnull(c);
	return c;
}

static inline conc_executor *
pool_of(int workers)
{
	conc_executor *pool = NULL;
	int rc = conc_thread_pool_create(&pool, CONC_THREAD_POOL(.workers = workers));

	ck_assert_int_eq(rc, 0);
	return pool;
}

/* A task that says that it runs, waits to be let on, and returns code. */
struct gate {
	struct latch entered, open;
	int code;
	int asked; /* was it asked to stop, when it was let on? */
	conc_future *own;
};

#define GATE {LATCH, LATCH, 0, 0, NULL}

static inline int
pass_gate(const void *arg, void *result)
{
	struct gate *gate = *(struct gate *const *)arg;

	latch_set(&gate->entered);
	latch_wait(&gate->open, 1);
	gate->asked = conc_cancelled();
	*(int *)result = 42;
	return gate->code;
}

/* Submit a task of an int result that takes a pointer. */
static inline conc_future *
submit(conc_executor *pool, conc_fn *fn, const void *pointer)
{
	conc_future *f = NULL;

	ck_assert_int_eq(conc_submit(pool, fn, &pointer, sizeof pointer, sizeof(int), &f), 0);
	ck_assert_ptr_nonnull(f);
	return f;
}

/* Submit a task to the gate, and wait until it runs. */
static inline conc_future *
running(conc_executor *pool, struct gate *gate)
{
	conc_future *f = submit(pool, pass_gate, gate);

	latch_wait(&gate->entered, 1);
	return f;
}

/* What the excepthook was told. */
struct hook_record {
	pthread_mutex_t mutex;
	int calls;
	int code;          /* of the last call, as all below */
	char message[64];
	pthread_t thread;
};

static struct hook_record hook_record = {PTHREAD_MUTEX_INITIALIZER, 0, 0, "", 0};

static inline void
record_hook(const conc_exception *e, void *user)
{
	struct hook_record *record = user;

	pthread_mutex_lock(&record->mutex);
	record->calls++;
	record->code = conc_exception_code(e);
	snprintf(record->message, sizeof record->message, "%s", conc_exception_message(e));
	record->thread = pthread_self();
	pthread_mutex_unlock(&record->mutex);
}

/* From now on failures that nobody looked at are written down, from none, and not logged. */
static inline void
watch_hook(void)
{
	hook_record.calls = 0;
	conc_set_excepthook(record_hook, &hook_record);
}

static inline int
hook_calls(void)
{
	int calls;

	pthread_mutex_lock(&hook_record.mutex);
	calls = hook_record.calls;
	pthread_mutex_unlock(&hook_record.mutex);
	return calls;
}

/* What callbacks wrote down: who was called, in which order, in which thread. */
struct told {
	struct latch calls;
	int who[16];
	pthread_t thread[16];
};

#define TOLD {LATCH, {0}, {0}}

struct listener {
	struct told *told;
	int who;
};

static inline void
tell(conc_future *f, void *user)
{
	struct listener *listener = user;
	struct told *told = listener->told;

	ck_assert_int_eq(conc_future_done(f), true);
	pthread_mutex_lock(&told->calls.mutex);
	told->who[told->calls.count] = listener->who;
	told->thread[told->calls.count] = pthread_self();
	told->calls.count++;
	pthread_cond_broadcast(&told->calls.condition);
	pthread_mutex_unlock(&told->calls.mutex);
}

#endif
