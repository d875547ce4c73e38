/* SPDX-License-Identifier: MIT */

/*
 * Who goes on: the heart of the simulator.  Two ways to choose, both from the
 * seed: at random among the runnable; or PCT, where each thread has a random
 * priority, the greatest runs, and at two random points of the run the running
 * one falls below all others (Burckhardt et al., "A Randomized Scheduler with
 * Probabilistic Guarantees of Finding Bugs", with depth 3).
 *
 * How noisy a run is, is drawn once for the run: some have no noise at all,
 * so that a lost wake-up is not healed by a spurious one.
 */
#include "engine.h"
#include "base/atomic.h"
#include "base/site.h"
#include <stdarg.h>

struct sim_state sim;
struct sim_scenario *sim_scenarios;
const char *sim_site = "?";
bool sim_after;

enum {
	MAX_STEPS = 100000,
	ALONE = 400, /* PCT: so many steps in a row, and a thread is taken to be spinning */
	START = 1000000000,
};

void
sim_register(struct sim_scenario *scenario)
{
	struct sim_scenario **at = &sim_scenarios;

	while (*at && strcmp((*at)->name, scenario->name) < 0)
		at = &(*at)->next;
	scenario->next = *at;
	*at = scenario;
}

void
sim_note(const char *fmt, ...)
{
	va_list args;

	if (sim.failed)
		return;
	sim.failed = true;
	va_start(args, fmt);
	vsnprintf(sim.reason, sizeof(sim.reason), fmt, args);
	va_end(args);
}

/* Leave the run as it stands: what it has is thrown away. */
static _Noreturn void
give_up(void)
{
	struct sim_thread *me = sim.current;

	sim.current = NULL;
	sim_context_switch(&me->context, &sim.outside);
	__builtin_unreachable();
}

void
sim_fail(const char *fmt, ...)
{
	va_list args;

	if (!sim.failed) {
		sim.failed = true;
		va_start(args, fmt);
		vsnprintf(sim.reason, sizeof(sim.reason), fmt, args);
		va_end(args);
	}
	give_up();
}

uint32_t
sim_random(uint32_t n)
{
	return sim_below(n);
}

bool
sim_noise(void)
{
	return sim.noise && sim_below(sim.noise) == 0;
}

bool
sim_weak_fails(void)
{
	return sim_noise();
}

bool
sim_inject(void)
{
	unsigned call = ++sim.calls;

	if (!sim.run.fail_at || call < sim.run.fail_at ||
	    (call > sim.run.fail_at && !sim.run.fail_on))
		return false;
	sim.failures++;
	return true;
}

bool
sim_sweeping(void)
{
	return sim.run.fail_at != 0;
}

unsigned
sim_failures(void)
{
	return sim.failures;
}

/* ---- the runnable and the blocked ---- */

void
sim_thread_ready(struct sim_thread *t)
{
	t->status = SIM_RUNNABLE;
	t->place = sim.runnable_count;
	sim.runnable[sim.runnable_count++] = t;
}

static void
not_runnable(struct sim_thread *t)
{
	struct sim_thread *last = sim.runnable[--sim.runnable_count];

	sim.runnable[t->place] = last;
	last->place = t->place;
}

static void
not_blocked(struct sim_thread *t)
{
	*(t->previous ? &t->previous->next : &sim.blocked_first) = t->next;
	*(t->next ? &t->next->previous : &sim.blocked_last) = t->previous;
	sim.blocked_count--;
}

static void
unblock(struct sim_thread *t, int result)
{
	not_blocked(t);
	t->result = result;
	sim_thread_ready(t);
}

/* Time goes on; whose deadline has come wakes. */
void
sim_advance(int64_t ns)
{
	int64_t next = INT64_MAX;

	sim.now += ns;
	if (sim.now < sim.next_deadline)
		return;
	for (struct sim_thread *t = sim.blocked_first, *after; t; t = after) {
		after = t->next;
		if (t->deadline <= sim.now)
			unblock(t, -ETIMEDOUT);
		else if (t->deadline < next)
			next = t->deadline;
	}
	sim.next_deadline = next;
}

/* Jump to the next deadline, if there is one. */
static bool
jump(void)
{
	int64_t next = INT64_MAX;

	for (struct sim_thread *t = sim.blocked_first; t; t = t->next)
		if (t->deadline < next)
			next = t->deadline;
	sim.next_deadline = next;
	if (next == INT64_MAX)
		return false;
	sim_advance(next > sim.now ? next - sim.now : 0);
	return true;
}

void
sim_wake(enum sim_wait on, const void *object, int n)
{
	uint32_t count = 0;

	for (struct sim_thread *t = sim.blocked_first; t; t = t->next)
		count += t->on == on && t->object == object;
	/* Go through them in order; take each with the chance that makes all sets alike. */
	for (struct sim_thread *t = sim.blocked_first, *after; t && n > 0 && count > 0;
	     t = after) {
		after = t->next;
		if (t->on != on || t->object != object)
			continue;
		if (count <= (uint32_t)n || sim_below(count) < (uint32_t)n) {
			unblock(t, 0);
			n--;
		}
		count--;
	}
}

/* A storm: time jumps, or one of those who may be woken for nothing is. */
static void
storm(void)
{
	sim.storm_at = sim.steps + 1 + sim_below(2 * sim.storm);
	if (sim.blocked_count == 0)
		return;
	if (sim_below(2) == 0) {
		jump();
		return;
	}
	uint32_t i = sim_below((uint32_t)sim.blocked_count);
	struct sim_thread *t = sim.blocked_first;

	while (i-- > 0)
		t = t->next;
	if (t->on == SIM_ON_FUTEX || t->on == SIM_ON_CONDITION)
		unblock(t, 0);
}

/* ---- the choice ---- */

static struct sim_thread *
choose(void)
{
	struct sim_thread *me = sim.current, *best;

	if (sim.runnable_count == 1)
		return sim.runnable[0];
	if (sim.run.mode == SIM_MODE_RANDOM) {
		if (sim.sticky && me && me->status == SIM_RUNNABLE && sim_below(sim.sticky))
			return me;
		return sim.runnable[sim_below((uint32_t)sim.runnable_count)];
	}
	if (me &&
	    (sim.steps == sim.change[0] || sim.steps == sim.change[1] || sim.alone >= ALONE)) {
		me->priority = --sim.lowest;
		sim.alone = 0;
	}
	best = sim.runnable[0];
	for (size_t i = 1; i < sim.runnable_count; i++)
		if (sim.runnable[i]->priority > best->priority)
			best = sim.runnable[i];
	return best;
}

/* Let whoever is next go on; return when that is the caller. */
static void
go_on(void)
{
	struct sim_thread *me = sim.current, *next;

	if (sim.runnable_count == 0 && !jump()) {
		if (sim.blocked_count) {
			char who[1600];

			sim_report_blocked(who, sizeof(who));
			sim_note("deadlock: nobody can go on\n%s", who);
		}
		give_up(); /* or it is simply the end */
	}
	next = choose();
	sim.alone++;
	if (next == me)
		return;
	sim.alone = 0;
	sim.current = next;
	sim_context_switch(&me->context, &next->context);
}

void
sim_leave(void)
{
	go_on();
	__builtin_unreachable();
}

void
sim_step(const char *site, const char *op)
{
	struct sim_thread *me = sim.current;
	struct sim_event *event;

	if (!me) {
		fprintf(stderr, "sim: %s: %s outside of a scenario\n", site, op);
		abort();
	}
	me->site = site;
	me->op = op;
	if (++sim.steps > sim.max_steps)
		sim_fail("livelock: more than %llu switching points",
		    (unsigned long long)sim.max_steps);
	if (sim.steps == sim.storm_at)
		storm();
	if (me->process->kill_in && --me->process->kill_in == 0)
		sim_process_kill(me->process, 9, 0);
	go_on();
	event = &sim.trace[sim.events++ % SIM_TRACE];
	event->site = site;
	event->op = op;
	event->thread = me->number;
	sim.hash = (sim.hash ^ (me->number * 31 + (unsigned char)op[0])) * 0x9E3779B97F4A7C15u;
	sim.hash ^= sim.hash >> 29;
}

void
sim_pause_at(const char *site)
{
	if (sim.run.mode == SIM_MODE_PCT && sim.current && sim.runnable_count > 1)
		sim.current->priority = --sim.lowest;
	sim_advance(1 + sim_below(100));
	sim_step(site, "pause");
}

int
sim_block(enum sim_wait on, const void *object, int64_t deadline)
{
	struct sim_thread *me = sim.current;

	not_runnable(me);
	me->status = SIM_BLOCKED;
	me->on = on;
	me->object = object;
	me->deadline = deadline;
	me->next = NULL;
	me->previous = sim.blocked_last;
	*(sim.blocked_last ? &sim.blocked_last->next : &sim.blocked_first) = me;
	sim.blocked_last = me;
	sim.blocked_count++;
	if (deadline < sim.next_deadline)
		sim.next_deadline = deadline;
	go_on();
	return me->result;
}

void
sim_vanish(struct sim_thread *t)
{
	if (t->status == SIM_RUNNABLE)
		not_runnable(t);
	else if (t->status == SIM_BLOCKED)
		not_blocked(t);
	t->status = SIM_ENDED;
	t->process->threads--;
	sim_context_drop(&t->context);
}

static void
thread_entry(void)
{
	sim_context_entered();
	sim_thread_body();
}

struct sim_thread *
sim_thread_new(struct sim_process *process, const char *name)
{
	struct sim_thread *t;

	if (sim.thread_count == sim.thread_room) {
		size_t room = sim.thread_room ? 2 * sim.thread_room : 16;

		sim.threads = (realloc)(sim.threads, room * sizeof(struct sim_thread *));
		sim.runnable = (realloc)(sim.runnable, room * sizeof(struct sim_thread *));
		for (size_t i = sim.thread_room; i < room; i++)
			sim.threads[i] = (calloc)(1, sizeof(*t));
		sim.thread_room = room;
	}
	t = sim.threads[sim.thread_count++];
	memset(t, 0, sizeof(*t));
	t->number = (uint32_t)sim.thread_count;
	t->self.number = t->number;
	t->process = process;
	process->threads++;
	t->site = t->op = "start";
	t->priority = 1000000 + sim_below(1000000);
	snprintf(t->name, sizeof(t->name), "%s", name);
	sim_context_make(&t->context, thread_entry);
	return t;
}

/* ---- a run ---- */

static void
draw(void)
{
	static const unsigned sticky[] = {0, 0, 2, 6}, noise[] = {0, 0, 16, 3},
			      storms[] = {0, 0, 100, 12};
	uint64_t x = sim.run.seed + 0x9E3779B97F4A7C15u;
	uint32_t length;

	x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9u;
	x = (x ^ (x >> 27)) * 0x94D049BB133111EBu;
	sim.random = (x ^ (x >> 31)) | 1;
	sim.sticky = sticky[sim_below(4)];
	sim.noise = noise[sim_below(4)];
	sim.storm = storms[sim_below(4)];
	sim.storm_at = sim.storm ? 1 + sim_below(2 * sim.storm) : 0;
	sim_after = sim_below(4) == 0;
	/* Runs differ in length, mostly by the switching points after atomic accesses. */
	length = (uint32_t)(sim_below(2) ? sim.run.length : sim.run.length / 2) + 1;
	for (int i = 0; i < 2; i++)
		sim.change[i] = 1 + sim_below(length);
}

static void
reset(void)
{
	for (size_t i = 0; i < sim.thread_count; i++)
		sim_context_drop(&sim.threads[i]->context);
	sim.threads_seen = sim.thread_count;
	sim.thread_count = sim.runnable_count = sim.blocked_count = 0;
	sim.blocked_first = sim.blocked_last = NULL;
	sim_memory_reset();
	sim_files_reset();
	sim_process_reset();
}

bool
sim_execute(const struct sim_run *run)
{
	sim.run = *run;
	sim.number++;
	sim.steps = sim.hash = sim.events = sim.alone = 0;
	sim.max_steps = MAX_STEPS;
	sim.now = START;
	sim.next_deadline = INT64_MAX;
	sim.lowest = 0;
	sim.calls = sim.failures = 0;
	sim.epoch = 0;
	sim.failed = false;
	sim.stack_left = SIZE_MAX;
	sim.cpu_count = 2;
	draw();
	sim_memory_start();
	sim_threads_start();
	sim.active = true;
	sim.current = choose();
	if (sigsetjmp(sim_crashed, 0) == 0)
		sim_context_switch(&sim.outside, &sim.current->context);
	sim.current = NULL;
	sim.active = false;
	if (!sim.failed) {
		sim_threads_check();
		sim_process_check();
		sim_memory_check();
	}
	reset();
	return !sim.failed;
}

uint64_t
sim_measure(struct sim_scenario *scenario)
{
	struct sim_run run = {.scenario = scenario, .mode = SIM_MODE_RANDOM};
	uint64_t most = 0;

	for (run.seed = 1; run.seed <= 8; run.seed++) {
		sim_execute(&run);
		if (sim.steps > most)
			most = sim.steps;
	}
	return most;
}
