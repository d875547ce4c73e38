/* SPDX-License-Identifier: MIT */

/*
 * Does the simulator find bugs with memory and threads?  See selftest.c.
 */
#include "selftest.h"
#include "base/atomic.h"
#include "base/memory.h"
#include "base/thread.h"
#include <errno.h>

/* ---- a counted object that is touched after the reference was given back ---- */

struct shared {
	conc__atomic_u32 refs;
	bool bug;
};

static void
drop(void *arg)
{
	struct shared *s = arg;
	bool bug = s->bug;

	if (conc__sub_acq_rel(&s->refs, 1) == 1) /* pairs with itself */
		conc__free(s);
	else if (bug)
		(void)conc__load_relaxed(&s->refs); /* relaxed: the bug */
}

static void
use_after_free(bool bug)
{
	struct shared *s = conc__malloc(sizeof(*s));
	struct sim_thread *t;

	sim_assert(s);
	*s = (struct shared){2, bug};
	t = sim_go(drop, s);
	drop(s);
	sim_join(t);
}

SIM_SCENARIO(selftest_use_after_free_right)
{
	if (!sim_sweeping())
		use_after_free(false);
}

#ifndef SIM_ASAN /* these it would find first */
SIM_MUST_FAIL(selftest_use_after_free_wrong, "freed memory")
{
	use_after_free(true);
}

PAIR(write_after_free, "written after its free")
{
	char *p = conc__malloc(10);

	sim_assert(p);
	if (!bug)
		p[3] = 1;
	conc__free(p);
	if (bug)
		*(volatile char *)&p[3] = 1;
}

PAIR(overrun, "written past its end")
{
	char *p = conc__malloc(10);

	sim_assert(p);
	*(volatile char *)&p[bug ? 10 : 9] = 1;
	conc__free(p);
}

SIM_MUST_FAIL(selftest_stack_wrong, "stack overflow")
{
	char large[200000], *volatile p = large;

	*p = 1;
}

SIM_MUST_FAIL(selftest_crash_wrong, "crash: signal 11")
{
	static char *volatile nowhere;

	*nowhere = 1;
}
#endif

PAIR(leak, "leak: allocation 1 of 24 bytes")
{
	char *p = conc__malloc(24);

	if (!bug)
		conc__free(p);
}

PAIR(double_free, "free of memory that was freed")
{
	char *p = conc__malloc(24);

	conc__free(p);
	if (bug)
		conc__free(p);
}

SIM_MUST_FAIL(selftest_foreign_free_wrong, "never allocated")
{
	int x;

	conc__free(&x);
}

/* ---- threads ---- */

static void
nothing(void *arg)
{
	(void)arg;
}

PAIR(thread_leak, "neither joined nor detached")
{
	struct sim_thread *t = sim_go(nothing, NULL);

	if (!bug)
		sim_join(t);
}

static void
leave(void *arg)
{
	(void)arg;
	sim_thread_exit();
}

static void
increment(int **counter)
{
	**counter += 10;
}

static void
leave_with_cleanup(void *arg)
{
	int *counter __attribute__((cleanup(increment))) = arg;

	(void)counter;
	leave(arg);
}

static void
note(void *arg)
{
	*(int *)arg += 1;
}

SIM_SCENARIO(selftest_thread_aborted)
{
	int aborted = 0;
	struct conc__thread *t;
	struct conc__thread_options o = {
	    .main = leave_with_cleanup, .aborted = note, .arg = &aborted, .cpu = -1};
	int rc = conc__thread_start(&t, &o);

	if (rc) {
		sim_assert(sim_sweeping() && (rc == -ENOMEM || rc == -EAGAIN));
		return;
	}
	conc__thread_join(t);
	sim_assert(aborted == 11);
	o.main = nothing;
	rc = conc__thread_start(&t, &o);
	if (rc == 0) {
		conc__thread_detach(t);
		sim_assert(aborted == 11);
	}
}

/* ---- forks ---- */

static void
pause_long(void *arg)
{
	while (*(int volatile *)arg == 0)
		sim_pause();
}

SIM_SCENARIO(selftest_fork)
{
	int never = 0;

	(void)sim_go(pause_long, &never);
	sim_assert(conc__malloc(1) || sim_sweeping());
	sim_fork_as_child();
}

/* ---- failing calls: what "sim --sweep" does ---- */

SIM_SCENARIO(selftest_failures)
{
	unsigned failed = 0;

	for (int i = 0; i < 5; i++) {
		void *p = conc__malloc(8);

		failed += p == NULL;
		conc__free(p);
	}
	sim_assert(failed == sim_failures());
	sim_assert(failed == 0 || sim_sweeping());
}
