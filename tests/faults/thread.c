/* SPDX-License-Identifier: MIT */
/*
 * Failures of threads: one that cannot be started leaves nothing, and what has
 * been started ends, and is told, without memory too.
 */
#include "tests/faults/hook.h"
#include <conc/thread.h>

static int
answer(const void *arg, void *result)
{
	int code = *(const int *)arg;

	(void)result;
	return code == 0 ? 0 : conc_raise(code, "the answer is %d", code);
}

static int
leave(const void *arg, void *result)
{
	(void)arg;
	(void)result;
	pthread_exit(NULL);
}

/* NULL: a planned failure. */
static conc_thread *
start(conc_fn *fn, int code)
{
	conc_thread *t = NULL;
	int rc = conc_thread_start(&t, fn, &code, sizeof code,
	    CONC_THREAD(.name = "answer", .stack_size = 256 * 1024, .excepthook = hear));

	must(rc == 0 || (!faultless && (rc == -ENOMEM || rc == -EAGAIN)));
	must((rc == 0) == (t != NULL));
	return t;
}

static void
joined(conc_fn *fn, int code, int expected)
{
	conc_thread *t = start(fn, code);

	told = 0;
	if (t == NULL)
		return;
	must(conc_thread_ident(t) != 0);
	must(strcmp(conc_thread_name(t), "answer") == 0);
	must(conc_thread_join(t, CONC_FOREVER) == expected);
	must(conc_exception_code(conc_caught()) == expected);
	conc_clear();
	must(conc_exception_code(conc_thread_exception(t)) == expected);
	conc_thread_destroy(t);
	must(told == 0);
}

static void
returns(void)
{
	joined(answer, 0, 0);
}

static void
fails(void)
{
	joined(answer, -EIO, -EIO);
}

static void
is_left(void)
{
	joined(leave, 0, CONC_ECRASHED);
}

static void
unjoined(void)
{
	conc_thread *t = start(answer, -EIO);

	told = 0;
	conc_thread_destroy(t);
	must(t == NULL || (told == 1 && told_code == -EIO));
}

/* Let go at once. */
static struct latch let_go = LATCH;

static void
hear_and_open(const conc_exception *e, void *user)
{
	must(conc_exception_code(e) == -EIO);
	latch_set(user);
}

static void
without_a_handle(void)
{
	int code = -EIO, before = latch_count(&let_go);
	int rc = conc_thread_start(NULL, answer, &code, sizeof code,
	    CONC_THREAD(.excepthook = hear_and_open, .user = &let_go));

	must(rc == 0 || (!faultless && (rc == -ENOMEM || rc == -EAGAIN)));
	latch_wait(&let_go, before + (rc == 0));
}

int
main(void)
{
	static const struct scenario scenarios[] = {SCENARIO(returns), SCENARIO(fails),
	    SCENARIO(is_left), SCENARIO(unjoined), SCENARIO(without_a_handle)};

	return run_faults(scenarios, sizeof scenarios / sizeof scenarios[0]);
}
