/* SPDX-License-Identifier: MIT */

/*
 * What happened in the run: for the reader of a failure.
 */
#include "engine.h"
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

static const char *const waits[] = {"a time", "a futex", "a condition", "a mutex", "a lock",
    "a thread's end", "a process's end", "a pipe", "poll"};

void
sim_report_blocked(char *buf, size_t size)
{
	size_t n = 0;

	buf[0] = '\0';
	for (struct sim_thread *t = sim.blocked_first; t && n < size; t = t->next) {
		int k = snprintf(buf + n, size - n,
		    "    thread %u (%s, process %d) waits for %s: %s, %s\n", t->number, t->name,
		    t->process->pid, waits[t->on], t->op, t->site);

		n += k > 0 ? (size_t)k : 0;
		for (unsigned i = 0; i < t->held_count && n < size; i++) {
			k = snprintf(buf + n, size - n, "        and holds a lock of rank %d\n",
			    t->held[i].rank);
			n += k > 0 ? (size_t)k : 0;
		}
	}
}

void
sim_report(FILE *out)
{
	const struct sim_run *r = &sim.run;
	const char *mode = r->mode == SIM_MODE_PCT ? "pct" : "random";
	uint64_t from = sim.events > 40 ? sim.events - 40 : 0;

	fprintf(out, "%s: FAILED, seed %llu, mode %s", r->scenario->name,
	    (unsigned long long)r->seed, mode);
	if (r->fail_at)
		fprintf(out, ", call %u fails%s", r->fail_at,
		    r->fail_on ? " and all after it" : "");
	fprintf(out, "\n  %s\n  the last switching points:\n", sim.reason);
	for (uint64_t i = from; i < sim.events; i++) {
		const struct sim_event *e = &sim.trace[i % SIM_TRACE];

		fprintf(out, "    %6llu  %u %-10s %-26s %s\n", (unsigned long long)i + 1,
		    e->thread, sim.threads[e->thread - 1]->name, e->op, e->site);
	}
	fputs("  where the threads stand:\n", out);
	for (size_t i = 0; i < sim.threads_seen; i++) {
		const struct sim_thread *t = sim.threads[i];

		if (t->status != SIM_ENDED)
			fprintf(out, "            %u %-10s %-26s %s%s\n", t->number, t->name,
			    t->op, t->site, t->status == SIM_BLOCKED ? " (blocked)" : "");
	}
	fprintf(out, "  again: sim -n 1 -s %llu -m %s", (unsigned long long)r->seed, mode);
	if (r->fail_at)
		fprintf(out, " -k %u%s", r->fail_at, r->fail_on ? " -p" : "");
	fprintf(out, " %s\n", r->scenario->name);
}

/* ---- crashes ---- */

sigjmp_buf sim_crashed;

/*
 * A crash comes from the scenario's thread, in the middle of anything.  All
 * that is done is to write the reason into a buffer and to leave, so stdio's
 * state does not matter.
 */
static void
crash(int signal, siginfo_t *info, void *context)
{
	const struct sim_thread *t = sim.current;
	const char *what = "crash";

	(void)context;
	if (!sim.active || !t) {
		static const char message[] = "sim: the simulator itself crashed\n";

		if (write(2, message, sizeof(message) - 1) < 0)
			_exit(3);
		_exit(2);
	}
	if (signal != SIGABRT && sim_context_overflown(&t->context, info->si_addr))
		what = "stack overflow";
	sim_note("%s: signal %d, in thread %u (%s), last seen at %s, %s", what, signal,
	    t->number, t->name, t->op, t->site);
#ifdef SIM_ASAN
	sim_report(stderr);
	_exit(1);
#else
	siglongjmp(sim_crashed, 1);
#endif
}

#ifdef SIM_ASAN
static void
died(void)
{
	sim_note("AddressSanitizer's report stands above");
	if (sim.active)
		sim_report(stderr);
}
#endif

void
sim_crash_watch(void)
{
	static const int signals[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT};
	static char stack[64 * 1024];
	struct sigaction action = {
	    .sa_sigaction = crash, .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER};

	sigaltstack(&(stack_t){.ss_sp = stack, .ss_size = sizeof(stack)}, NULL);
	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
		sigaction(signals[i], &action, NULL);
#ifdef SIM_ASAN
	__sanitizer_set_death_callback(died);
#endif
}
