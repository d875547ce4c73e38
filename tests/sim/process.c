/* SPDX-License-Identifier: MIT */

/*
 * Processes: a set of threads with a table of descriptors and an end.  The
 * address space is everybody's; sim.h says what that means.
 */
#include "engine.h"
#include "base/memory.h"
#include "base/process.h"
#include "base/thread.h"

enum { FIRST_PID = 1000 };

static struct sim_process **processes; /* pid FIRST_PID + i; reused by each run */
static size_t count, room;

static struct sim_process *
new_process(int parent)
{
	struct sim_process *p;

	if (count == room) {
		room = room ? 2 * room : 8;
		processes = (realloc)(processes, room * sizeof(struct sim_process *));
		for (size_t i = count; i < room; i++)
			processes[i] = (calloc)(1, sizeof(*p));
	}
	p = processes[count];
	memset(p, 0, sizeof(*p));
	p->pid = FIRST_PID + (int)count++;
	p->parent = parent;
	return p;
}

struct sim_process *
sim_process_first(void)
{
	return new_process(1);
}

void
sim_process_reset(void)
{
	count = 0;
}

struct sim_process *
sim_process_find(int pid)
{
	if (pid < FIRST_PID || (size_t)(pid - FIRST_PID) >= count ||
	    processes[pid - FIRST_PID]->reaped)
		return NULL;
	return processes[pid - FIRST_PID];
}

static void
process_main(void *arg)
{
	struct sim_process *p = arg;

	conc__process_exit(p->entry(p->arg));
}

int
conc__process_start(int (*entry)(void *arg), void *arg)
{
	struct sim_thread *me = sim.current, *t;
	const char *site = sim_site;
	struct sim_process *p;

	sim_step(site, "process start");
	if (sim_inject())
		return sim.calls % 2 ? -EAGAIN : -ENOMEM;
	p = new_process(me->process->pid);
	p->entry = entry;
	p->arg = arg;
	sim_files_copy(p, me->process);
	t = sim_thread_new(p, me->name);
	t->self = me->self; /* as memory is; but exceptions are counted, and it may be killed */
	t->self.caught = NULL;
	t->fn = process_main;
	t->arg = p;
	sim_thread_ready(t);
	sim_step(site, "process start");
	return p->pid;
}

/* The children of p have no parent any more but init. */
void
sim_process_orphan(struct sim_process *p)
{
	for (size_t i = 0; i < count; i++)
		if (processes[i]->parent == p->pid) {
			processes[i]->parent = 1;
			processes[i]->reaped = processes[i]->ended;
		}
}

/* End a process: its threads vanish where they stand.  Does not return to one of them. */
void
sim_process_kill(struct sim_process *p, int signal, int status)
{
	bool mine = sim.current->process == p;

	if (p->ended)
		return;
	if (p == processes[0])
		sim_fail("%s: the first process is killed", sim.current->site);
	p->ended = true;
	p->signal = signal;
	p->exit_status = status & 0xFF;
	for (size_t i = 0; i < sim.thread_count; i++) {
		struct sim_thread *t = sim.threads[i];

		if (t->process != p || t->status == SIM_ENDED)
			continue;
		sim_lock_vanish(t);
		sim_vanish(t);
	}
	sim_memory_reclaim(p->pid);
	sim_files_close(p);
	sim_process_orphan(p);
	if (p->parent == 1) /* init reaps at once */
		p->reaped = true;
	sim_wake(SIM_ON_PROCESS, NULL, INT32_MAX);
	sim_wake(SIM_ON_POLL, NULL, INT32_MAX);
	if (mine)
		sim_leave();
}

void
conc__process_exit(int status)
{
	sim_step(sim_site, "process exit");
	sim_process_kill(sim.current->process, 0, status);
	__builtin_unreachable();
}

int
conc__process_reap(int pid, struct conc__process_end *end, int block)
{
	struct sim_process *p;

	sim_step(sim_site, "process reap");
	for (;;) {
		p = sim_process_find(pid);
		if (!p || p->parent != sim.current->process->pid)
			return -ECHILD;
		if (p->ended)
			break;
		if (!block)
			return 0;
		if (sim_noise())
			return -EINTR;
		sim_block(SIM_ON_PROCESS, NULL, INT64_MAX);
	}
	p->reaped = true;
	*end = (struct conc__process_end){.signal = p->signal,
	    .exit_status = p->exit_status,
	    .user_time = 1000000,
	    .system_time = 1000000,
	    .max_rss = 1 << 20};
	sim_wake(SIM_ON_PROCESS, NULL, INT32_MAX);
	return pid;
}

int
conc__process_signal(int pid, int signal)
{
	struct sim_process *p;

	sim_step(sim_site, "process signal");
	if (signal < 0 || signal > 64)
		return -EINVAL;
	p = sim_process_find(pid);
	if (!p)
		return -ESRCH;
	/* Ignored by default: CHLD, URG, WINCH, CONT.  Stopping is not simulated. */
	if (signal == 19 || signal == 20 || signal == 21 || signal == 22)
		sim_fail("%s: the simulator does not stop processes", sim.current->site);
	if (signal && signal != 17 && signal != 18 && signal != 23 && signal != 28)
		sim_process_kill(p, signal, 0);
	return 0;
}

int
conc__process_parent(void)
{
	sim_step(sim_site, "process parent");
	return sim.current->process->parent;
}

void
sim_kill_at_random(int pid)
{
	struct sim_process *p = sim_process_find(pid);

	if (p)
		p->kill_in = 1 + sim_below(1u << sim_below(9));
}

/* At the end: of the first process's children and descriptors nothing may be left. */
void
sim_process_check(void)
{
	for (size_t i = 1; i < count; i++)
		if (processes[i]->parent == processes[0]->pid && !processes[i]->reaped)
			sim_note("process %d was never reaped", processes[i]->pid);
	sim_files_check(processes[0]);
}

void *
conc__shared_map(size_t size)
{
	return sim_inject() ? NULL : sim_shared_new(size);
}

void
conc__shared_unmap(void *p, size_t size)
{
	sim_step(sim_site, "shared unmap");
	if (p)
		sim_shared_gone(p, size);
}
