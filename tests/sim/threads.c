/* SPDX-License-Identifier: MIT */

/*
 * Threads, what the library knows of them, the clock, and forks by the host.
 */
#include "engine.h"
#include "base/clock.h"
#include "base/fork.h"
#include "base/hook.h"
#include "base/memory.h"
#include "base/spin.h"
#include "base/thread.h"
#include <stdio.h>

struct conc__thread {
	struct sim_thread *thread;
};

conc__atomic_u32 conc__generation_now;

void
sim_threads_start(void)
{
	struct sim_thread *t;

	conc__generation_now = 0;
	conc__hook_lock = (struct conc__mutex)CONC__MUTEX_INIT(CONC__RANK_HOOK);
	t = sim_thread_new(sim_process_first(), "main");
	t->fn = (void (*)(void *))sim.run.scenario->body;
	t->joined = true;
	sim_thread_ready(t);
}

/* At the end all have ended.  Was each of the library's and of the program's awaited? */
void
sim_threads_check(void)
{
	struct sim_process *first = sim.threads[0]->process;

	for (size_t i = 0; i < sim.thread_count; i++) {
		struct sim_thread *t = sim.threads[i];

		if (t->process == first && !t->joined && !t->detached)
			sim_note("thread %u (%s) was neither joined nor detached", t->number,
			    t->name);
	}
}

/* The running thread's function has been left. */
static _Noreturn void
end_thread(void)
{
	struct sim_thread *me = sim.current;

	if (me->aborted)
		me->aborted(me->arg);
	conc_exception_release(me->self.caught);
	me->self.caught = NULL;
	if (me->held_count)
		sim_fail("thread %u (%s) ends while it holds a lock", me->number, me->name);
	sim_step("the simulator", "thread end");
	sim_wake(SIM_ON_THREAD, me, INT32_MAX);
	sim_vanish(me);
	if (me->process->threads == 0 && me->process != sim.threads[0]->process)
		sim_process_kill(me->process, 0, 0);
	sim_leave();
}

void
sim_thread_body(void)
{
	struct sim_thread *me = sim.current;

	me->fn(me->arg);
	me->aborted = NULL;
	end_thread();
}

static _Unwind_Reason_Code
unwound(int version, _Unwind_Action actions, _Unwind_Exception_Class class,
    struct _Unwind_Exception *exception, struct _Unwind_Context *context, void *arg)
{
	(void)version;
	(void)class;
	(void)exception;
	(void)context;
	(void)arg;
	if (actions & _UA_END_OF_STACK)
		end_thread();
	return _URC_NO_REASON;
}

/* As pthread_exit: what has __attribute__((cleanup)) is cleaned up on the way out. */
void
sim_thread_exit(void)
{
	struct sim_thread *me = sim.current;

	sim_context_left(&me->context);
	/* It must outlive the frames that are left. */
	_Unwind_ForcedUnwind(&me->exit, unwound, NULL);
	sim_fail("the stack could not be unwound");
}

struct guard {
	void (*left)(void *arg);
	void *arg;
};

static void
guard_left(struct guard *g)
{
	if (g->left)
		g->left(g->arg);
}

int
conc__guard(int (*call)(void *arg), void (*left)(void *arg), void *arg)
{
	struct guard g __attribute__((cleanup(guard_left))) = {left, arg};
	int rc = call(arg);

	g.left = NULL;
	return rc;
}

static void
await(struct sim_thread *t, const char *site)
{
	sim_step(site, "thread join");
	if (t->joined || t->detached)
		sim_fail(
		    "%s: thread %u (%s) is joined a second time", site, t->number, t->name);
	t->joined = true;
	while (t->status != SIM_ENDED)
		sim_block(SIM_ON_THREAD, t, INT64_MAX);
}

struct sim_thread *
sim_go(void (*fn)(void *arg), void *arg)
{
	struct sim_thread *t = sim_thread_new(sim.current->process, "program");

	t->fn = fn;
	t->arg = arg;
	t->program = true;
	sim_thread_ready(t);
	sim_step("the scenario", "thread start");
	return t;
}

void
sim_join(struct sim_thread *t)
{
	await(t, "the scenario");
}

int
conc__thread_start(struct conc__thread **handle, const struct conc__thread_options *options)
{
	const char *site = sim_site;
	struct conc__thread *h = conc__malloc(sizeof(*h));
	struct sim_thread *t;

	if (!h)
		return -ENOMEM;
	if (sim_inject()) {
		conc__free(h);
		return -EAGAIN;
	}
	t = sim_thread_new(
	    sim.current->process, options->name ? options->name : sim.current->name);
	t->fn = options->main;
	t->aborted = options->aborted;
	t->arg = options->arg;
	h->thread = t;
	*handle = h;
	sim_thread_ready(t);
	sim_step(site, "thread start");
	return 0;
}

void
conc__thread_join(struct conc__thread *h)
{
	await(h->thread, sim_site);
	conc__free(h);
}

void
conc__thread_detach(struct conc__thread *h)
{
	struct sim_thread *t = h->thread;

	sim_step(sim_site, "thread detach");
	if (t->joined || t->detached)
		sim_fail("%s: thread %u (%s) is detached after that or a join",
		    sim.current->site, t->number, t->name);
	t->detached = true;
	conc__free(h);
}

void
conc__thread_forget(struct conc__thread *h)
{
	struct sim_thread *t = h->thread;

	if (t->status != SIM_ENDED)
		sim_fail("%s: thread %u (%s) is forgotten while it runs", sim_site, t->number,
		    t->name);
	t->joined = true;
	conc__free(h);
}

void
conc__thread_name(char *buf, size_t size)
{
	snprintf(buf, size, "%s", sim.current ? sim.current->name : "main");
}

uint64_t
conc__thread_ident(void)
{
	return sim.current->number;
}

struct conc__self *
conc__self(void)
{
	static struct conc__self outside = {.number = UINT64_MAX};

	return sim.current ? &sim.current->self : &outside;
}

size_t
conc__stack_left(void)
{
	return sim.stack_left;
}

void
sim_set_stack_left(size_t n)
{
	sim.stack_left = n;
}

int
conc__cpu_count(void)
{
	return sim.cpu_count;
}

void
conc__spin_init(struct conc__spin *s, int rank)
{
	s->may = rank < sim.cpu_count - 1;
}

/* One look, for time stands still while somebody runs. */
bool
conc__spin_beyond(struct conc__spin *s, conc__atomic_u64 *word, uint64_t old)
{
	return s->may && conc__load_relaxed(word) > old;
}

void
sim_set_cpu_count(int n)
{
	sim.cpu_count = n;
}

void
sim_set_max_steps(uint64_t n)
{
	sim.max_steps = n;
}

/* ---- the clock ---- */

int64_t
sim_now(void)
{
	return sim.now;
}

int
sim_clock_gettime(clockid_t clock, struct timespec *t)
{
	int64_t epoch = clock == CLOCK_REALTIME ? 1700000000 : 0;

	if (sim.current)
		sim_advance(1 + sim_below(1000));
	*t = (struct timespec){epoch + sim.now / 1000000000, sim.now % 1000000000};
	return 0;
}

int
sim_clock_nanosleep(
    clockid_t clock, int flags, const struct timespec *until, struct timespec *rest)
{
	int64_t deadline = until->tv_sec * 1000000000 + until->tv_nsec;

	(void)clock;
	(void)flags;
	(void)rest;
	sim_step("lib/base/clock.c", "sleep");
	if (sim.now < deadline)
		sim_block(SIM_ON_TIME, NULL, deadline);
	return 0;
}

/* ---- forks by the host ---- */

int
conc__generation(uint32_t *generation)
{
	if (conc__generation_now == 0) { /* the first call in this run */
		if (sim_inject())
			return -ENOMEM;
		conc__generation_now = 1;
	}
	*generation = conc__generation_now;
	return 0;
}

void
sim_raise_generation(void)
{
	conc__generation_now++;
}

void
sim_fork_as_child(void)
{
	struct sim_thread *me = sim.current;

	sim_step("the scenario", "fork");
	for (size_t i = 0; i < sim.thread_count; i++) {
		struct sim_thread *t = sim.threads[i];

		if (t == me || t->process != me->process)
			continue;
		t->joined = true;
		if (t->status != SIM_ENDED)
			sim_vanish(t);
	}
	sim.epoch++;
	sim_raise_generation();
	sim_memory_forget();
	sim_process_orphan(me->process);
}
