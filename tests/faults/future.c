/* SPDX-License-Identifier: MIT */
/*
 * Failures of futures: whatever cannot be had, the code says so, nothing else
 * has changed, and what was there before goes on.
 */
#include "tests/faults/hook.h"
#include <conc/conc.h>

/* 0, or the code of a planned failure, which must be one of these. */
#define must_be_fine(rc, ...) must(is_fine((rc), (const int[]){__VA_ARGS__, 0}))

static bool
is_fine(int rc, const int *codes)
{
	if (rc >= 0)
		return true;
	for (; !faultless && *codes != 0; codes++)
		if (rc == *codes)
			return true;
	return false;
}

/* A promise of an int and its future; false: without memory. */
static bool
make(conc_promise **p, conc_future **f)
{
	int rc;

	*p = NULL;
	*f = NULL;
	rc = conc_promise_create(p, sizeof(int), f);
	must_be_fine(rc, -ENOMEM);
	must((rc == 0) == (*p != NULL) && (rc == 0) == (*f != NULL));
	return rc == 0;
}

static void
finish(conc_promise *p)
{
	int value = 42;

	must(conc_promise_finish(p, &value, sizeof value) == 0);
	conc_promise_destroy(p);
}

static void
must_be_42(conc_future *f)
{
	int value = 0;

	must(conc_future_result(f, &value, sizeof value) == 0 && value == 42);
	conc_future_release(f);
}

static void
promises(void)
{
	conc_promise *p;
	conc_future *f;

	if (!make(&p, &f))
		return;
	finish(p);
	must_be_42(f);
}

/* Ending a future never fails, nor does the telling: without memory the code survives. */
static void
failures(void)
{
	conc_promise *p;
	conc_future *f;

	told = 0;
	conc_set_excepthook(hear, NULL);
	if (make(&p, &f)) {
		must(conc_raise(-EIO, "sector %d", 7) == -EIO);
		must(conc_promise_fail(p, -EIO) == 0);
		conc_clear();
		conc_promise_destroy(p);
		must(conc_future_result(f, NULL, 0) == -EIO);
		must(conc_exception_code(conc_caught()) == -EIO);
		conc_clear();
		conc_future_release(f);
		must(told == 0);
	}
	if (make(&p, &f)) {
		conc_promise_destroy(p);
		must(told == 0);
		conc_future_release(f);
		must(told == 1 && told_code == -EPIPE);
	}
	conc_set_excepthook(NULL, NULL);
}

static void
count(conc_future *f, void *user)
{
	must(conc_future_done(f));
	++*(int *)user;
}

/* A callback that was refused is not called, the others are. */
static void
callbacks(void)
{
	conc_promise *p;
	conc_future *f;
	int calls = 0, registered = 0;

	if (!make(&p, &f))
		return;
	for (int i = 0; i < 4; i++) {
		int rc;

		if (i == 3) {
			finish(p);
			must(calls == registered);
		}
		rc = conc_future_on_done(f, count, &calls);
		must_be_fine(rc, -ENOMEM);
		registered += rc == 0;
	}
	must(calls == registered);
	must_be_42(f);
}

/* So many that waiting needs memory. */
static void
wait_for_many(void)
{
	enum { N = 20 };
	conc_promise *p[N];
	conc_future *f[N];
	int made = 0, rc;

	while (made < N && make(&p[made], &f[made]))
		made++;
	rc = conc_wait(f, (size_t)made, CONC_ALL, conc_after_ms(1));
	must(rc == -ETIMEDOUT || (!faultless && (rc == -ENOMEM || made == 0)));
	for (int i = 0; i < made; i++) {
		must(!conc_future_done(f[i]));
		finish(p[i]);
	}
	must(conc_wait(f, (size_t)made, CONC_ALL, CONC_FOREVER) == 0);
	for (int i = 0; i < made; i++)
		must_be_42(f[i]);
}

static void
completions(void)
{
	conc_completions *c = NULL;
	conc_promise *p[3];
	conc_future *f;
	int added = 0, fd, rc;

	rc = conc_completions_create(&c);
	must_be_fine(rc, -ENOMEM, -EAGAIN);
	must((rc == 0) == (c != NULL));
	if (c == NULL)
		return;
	for (int i = 0; i < 3; i++) {
		if (!make(&p[i], &f))
			continue;
		rc = conc_completions_add(c, f, NULL);
		must_be_fine(rc, -ENOMEM);
		added += rc == 0;
		finish(p[i]);
		conc_future_release(f);
	}
	fd = conc_completions_fd(c);
	must_be_fine(fd, -EMFILE, -ENFILE, -ENOMEM);
	for (int i = 0; i < added; i++) {
		f = NULL;
		must(conc_completions_next(c, &f, NULL, CONC_FOREVER) == 0);
		must_be_42(f);
	}
	must(conc_completions_next(c, &f, NULL, CONC_FOREVER) == -ENOENT);
	conc_completions_destroy(c);
}

/* Destroyed while something is outstanding. */
static void
completions_left(void)
{
	conc_completions *c = NULL;
	conc_promise *p;
	conc_future *f;
	int rc;

	must_be_fine(conc_completions_create(&c), -ENOMEM, -EAGAIN);
	if (make(&p, &f)) {
		rc = c != NULL ? conc_completions_add(c, f, NULL) : 0;
		must_be_fine(rc, -ENOMEM);
		conc_completions_destroy(c);
		c = NULL;
		finish(p);
		must_be_42(f);
	}
	conc_completions_destroy(c);
}

/* Tasks that nest until the stack is short: an extra worker goes on, if there can be one. */
struct nest {
	conc_executor *pool;
	int depth;
};

static int refused; /* waits, for want of stack and of workers */

static int
nest_task(const void *arg, void *result)
{
	const struct nest *nest = arg;
	struct nest inner = {nest->pool, nest->depth - 1};
	volatile char room[4096]; /* to use the stack up in a few levels */
	conc_future *f;
	int rc;

	(void)result;
	room[0] = 0;
	if (nest->depth == 0)
		return room[0];
	rc = conc_submit(nest->pool, nest_task, &inner, sizeof inner, 0, &f);
	must_be_fine(rc, -ENOMEM, -EAGAIN);
	if (rc != 0)
		return rc;
	rc = conc_future_wait(f, CONC_FOREVER);
	must_be_fine(rc, -EAGAIN);
	refused += rc == -EAGAIN;
	if (rc == 0)
		rc = conc_future_result(f, NULL, 0);
	conc_future_release(f);
	return rc;
}

static void
tasks_short_of_stack(void)
{
	struct nest nest = {NULL, 24};
	conc_future *f;
	int rc;

	rc = conc_thread_pool_create(
	    &nest.pool, CONC_THREAD_POOL(.workers = 1, .stack_size = 64 * 1024));
	must_be_fine(rc, -ENOMEM, -EAGAIN);
	if (rc != 0)
		return;
	rc = conc_submit(nest.pool, nest_task, &nest, sizeof nest, 0, &f);
	must_be_fine(rc, -ENOMEM, -EAGAIN);
	if (rc == 0) {
		rc = conc_future_result(f, NULL, 0);
		must_be_fine(rc, -ENOMEM, -EAGAIN);
		conc_clear();
		conc_future_release(f);
	}
	conc_executor_destroy(nest.pool);
}

int
main(void)
{
	static const struct scenario scenarios[] = {SCENARIO(promises), SCENARIO(failures),
	    SCENARIO(callbacks), SCENARIO(wait_for_many), SCENARIO(completions),
	    SCENARIO(completions_left), SCENARIO(tasks_short_of_stack)};

	if (run_faults(scenarios, sizeof scenarios / sizeof scenarios[0]) != EXIT_SUCCESS)
		return EXIT_FAILURE;
	printf("%d waits were refused for want of stack\n", refused);
	return refused > 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
