/* SPDX-License-Identifier: MIT */
/*
 * Threads for programs: start and end against join, destruction, and whoever
 * asks for the number; failures are told once.
 */
#include "scenario_future.h"
#include <conc/thread.h>

/* On the heap: whoever comes to it too late is found out. */
struct tale {
	conc_thread *thread;
	int ran;   /* functions that have run to their end */
	int hooks; /* failures that nobody looked at */
	int go;    /* the function that has to wait may go on */
	uint64_t idents[2];
	int joined[2];
};

static void
count_hook(const conc_exception *e, void *user)
{
	struct tale *tale = user;

	sim_assert(conc_exception_code(e) == FAILURE);
	sim_pause();
	tale->hooks++;
}

/* Start it, with a tale of its own; NULL: a failure that the sweep planned. */
static struct tale *
begin(conc_fn *fn, int daemon)
{
	struct tale *tale = calloc(1, sizeof *tale);
	int rc = conc_thread_start(&tale->thread, fn, &tale, sizeof tale,
	    CONC_THREAD(.name = "t", .excepthook = count_hook, .user = tale,
		.daemon = daemon));

	if (rc == 0)
		return tale;
	sim_assert(tale->thread == NULL);
	sim_assert((rc == -ENOMEM || rc == -EAGAIN) && sim_sweeping());
	free(tale);
	return NULL;
}

static int
run(const void *arg, void *result)
{
	struct tale *tale = *(struct tale *const *)arg;

	sim_assert(result == NULL);
	sim_pause();
	tale = *(struct tale *const *)arg; /* its argument is still there */
	tale->ran++;
	return 0;
}

static int
run_and_fail(const void *arg, void *result)
{
	(void)run(arg, result);
	return FAILURE;
}

static int
run_and_leave(const void *arg, void *result)
{
	(void)run(arg, result);
	sim_thread_exit();
}

SIM_SCENARIO(thread_start_against_join)
{
	struct tale *tale = begin(run, 0);

	if (tale == NULL)
		return;
	sim_assert(conc_thread_join(tale->thread, CONC_FOREVER) == 0);
	sim_assert(tale->ran == 1);
	sim_assert(!conc_thread_alive(tale->thread));
	sim_assert(conc_thread_join(tale->thread, CONC_NOW) == 0);
	conc_thread_destroy(tale->thread);
	free(tale);
}

static void
join_failed(void *arg)
{
	struct tale *tale = arg;

	sim_assert(conc_thread_join(tale->thread, CONC_FOREVER) == FAILURE);
	sim_assert(conc_exception_code(conc_caught()) == FAILURE);
	conc_clear();
}

/* Two join, and both receive the failure. */
SIM_SCENARIO(thread_two_join)
{
	struct tale *tale = begin(run_and_fail, 0);
	struct sim_thread *other;

	if (tale == NULL)
		return;
	other = sim_go(join_failed, tale);
	join_failed(tale);
	sim_join(other);
	conc_thread_destroy(tale->thread);
	sim_assert(tale->hooks == 0);
	free(tale);
}

/* In time or not: the answer says which, and a later join gets the end. */
SIM_SCENARIO(thread_join_deadline_against_end)
{
	struct tale *tale = begin(run_and_fail, 0);
	int rc;

	if (tale == NULL)
		return;
	rc = conc_thread_join(tale->thread, conc_after(1000));
	sim_assert(rc == -ETIMEDOUT || rc == FAILURE);
	sim_assert(rc == -ETIMEDOUT || !conc_thread_alive(tale->thread));
	join_failed(tale);
	conc_thread_destroy(tale->thread);
	sim_assert(tale->hooks == 0);
	free(tale);
}

/* Nobody joins: who destroys tells, once, and the thread has ended by then. */
SIM_SCENARIO(thread_unjoined_is_told_by_destroy)
{
	struct tale *tale = begin(run_and_fail, 0);

	if (tale == NULL)
		return;
	conc_thread_destroy(tale->thread);
	sim_assert(tale->ran == 1 && tale->hooks == 1);
	free(tale);
}

/* A daemon is let go while it ends: one of the two tells. */
SIM_SCENARIO(thread_daemon_destroyed_against_end)
{
	struct tale *tale = begin(run_and_fail, 1);

	if (tale == NULL)
		return;
	conc_thread_destroy(tale->thread);
	while (tale->hooks == 0)
		sim_pause();
	sim_assert(tale->ran == 1 && tale->hooks == 1);
	free(tale);
}

/* Nobody ever has it: it frees itself, and tells. */
SIM_SCENARIO(thread_without_a_handle)
{
	struct tale *tale = calloc(1, sizeof *tale);
	int rc = conc_thread_start(NULL, run_and_fail, &tale, sizeof tale,
	    CONC_THREAD(.excepthook = count_hook, .user = tale));

	sim_assert(rc == 0 || ((rc == -ENOMEM || rc == -EAGAIN) && sim_sweeping()));
	while (rc == 0 && tale->hooks == 0)
		sim_pause();
	sim_assert(tale->hooks == (rc == 0));
	free(tale);
}

static void
ask_ident(void *arg)
{
	struct tale *tale = arg;

	tale->idents[1] = conc_thread_ident(tale->thread);
}

/* Whoever asks before it has begun waits for it; all get the same number. */
SIM_SCENARIO(thread_ident_against_begin)
{
	struct tale *tale = begin(run, 0);
	struct sim_thread *other;

	if (tale == NULL)
		return;
	other = sim_go(ask_ident, tale);
	tale->idents[0] = conc_thread_ident(tale->thread);
	sim_join(other);
	sim_assert(tale->idents[0] != 0 && tale->idents[0] == tale->idents[1]);
	conc_thread_destroy(tale->thread);
	sim_assert(tale->ran == 1);
	free(tale);
}

/* Left in the middle, it has crashed; the waiter hears of it. */
SIM_SCENARIO(thread_left)
{
	struct tale *tale = begin(run_and_leave, 0);

	if (tale == NULL)
		return;
	sim_assert(conc_thread_join(tale->thread, CONC_FOREVER) == CONC_ECRASHED);
	sim_assert(conc_exception_code(conc_caught()) == CONC_ECRASHED);
	conc_clear();
	conc_thread_destroy(tale->thread);
	sim_assert(tale->hooks == 0);
	free(tale);
}

static int
destroy_itself(const void *arg, void *result)
{
	struct tale *tale = *(struct tale *const *)arg;

	while (tale->go == 0)
		sim_pause();
	sim_assert(conc_thread_join(tale->thread, CONC_FOREVER) == -EDEADLK);
	conc_thread_destroy(tale->thread);
	return run_and_fail(arg, result);
}

/* The last one out frees it, and that is the thread itself. */
SIM_SCENARIO(thread_destroys_itself)
{
	struct tale *tale = begin(destroy_itself, 0);

	if (tale == NULL)
		return;
	tale->go = 1;
	while (tale->hooks == 0)
		sim_pause();
	sim_assert(tale->ran == 1 && tale->hooks == 1);
	free(tale);
}

/* In the child of a fork it is gone, wherever it was: nobody waits, and memory goes. */
SIM_SCENARIO(thread_in_a_forked_child)
{
	struct tale *tale = begin(run_and_fail, 0);
	int rc;

	if (tale == NULL)
		return;
	sim_pause();
	sim_fork_as_child();
	sim_assert(!conc_thread_alive(tale->thread));
	rc = conc_thread_join(tale->thread, CONC_FOREVER);
	sim_assert(rc == CONC_EFORKED || rc == FAILURE);
	(void)conc_thread_ident(tale->thread);
	conc_clear();
	conc_thread_destroy(tale->thread);
	sim_assert(tale->hooks == 0);
}
