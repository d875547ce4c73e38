/* SPDX-License-Identifier: MIT */

/*
 * Processes: a set of threads with a table of descriptors and an end.  The
 * address space is everybody's; sim.h says what that means.
 */
#include "engine.h"
#include "base/hook.h"
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
	p->group = p->pid;
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
	sim.unloaded = 0;
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
	p->group = me->process->group;
	p->follows = me->process->reaper;
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
	sim_files_forget(p); /* if p lives on, it was another who opened them */
	for (size_t i = 0; i < count; i++)
		if (processes[i]->parent == p->pid) {
			processes[i]->parent = 1;
			processes[i]->reaped = processes[i]->ended;
		}
}

/* End a process: its threads vanish where they stand; and those who follow it. */
static void
end_process(struct sim_process *p, int signal, int status)
{
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
	for (size_t i = 0; i < count; i++)
		if (processes[i]->parent == p->pid && processes[i]->follows)
			end_process(processes[i], 9, 0);
	sim_process_orphan(p);
	if (p->parent == 1) /* init reaps at once */
		p->reaped = true;
	sim_wake(SIM_ON_PROCESS, NULL, INT32_MAX);
	sim_wake(SIM_ON_POLL, NULL, INT32_MAX);
}

/* Does not return if the running thread is among those that end. */
static void
leave_if_ended(void)
{
	if (sim.current->process->ended)
		sim_leave();
}

void
sim_process_kill(struct sim_process *p, int signal, int status)
{
	end_process(p, signal, status);
	leave_if_ended();
}

void
conc__process_exit(int status)
{
	sim_step(sim_site, "process exit");
	sim_process_kill(sim.current->process, 0, status);
	__builtin_unreachable();
}

/* The child pid, or with -1 any that has ended or else any; NULL: there is none. */
static struct sim_process *
find_child(int pid)
{
	struct sim_process *child = NULL;

	for (size_t i = 0; i < count; i++) {
		struct sim_process *p = processes[i];

		if (p->reaped || p->parent != sim.current->process->pid ||
		    (pid != -1 && p->pid != pid))
			continue;
		if (!child || p->ended)
			child = p;
	}
	return child;
}

static int
reap(int pid, struct conc__process_end *end, int block)
{
	struct sim_process *p;

	sim_step(sim_site, "process reap");
	for (;;) {
		p = find_child(pid);
		if (!p)
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
	return p->pid;
}

int
conc__process_reap(int pid, struct conc__process_end *end, int block)
{
	return reap(pid > 0 ? pid : 0, end, block);
}

int
conc__process_reap_any(struct conc__process_end *end, int block)
{
	return reap(-1, end, block);
}

/* Does this signal end a process?  Not if it is ignored by default: CHLD, URG, WINCH, CONT. */
static bool
is_deadly(int signal)
{
	if (signal == 19 || signal == 20 || signal == 21 || signal == 22)
		sim_fail("%s: the simulator does not stop processes", sim.current->site);
	return signal && signal != 17 && signal != 18 && signal != 23 && signal != 28;
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
	if (is_deadly(signal))
		sim_process_kill(p, signal, 0);
	return 0;
}

int
conc__process_signal_group(int pid, int signal)
{
	bool deadly;
	int rc = -ESRCH;

	sim_step(sim_site, "process signal group");
	if (signal < 0 || signal > 64 || pid <= 1)
		return -EINVAL;
	deadly = is_deadly(signal);
	for (size_t i = 0; i < count; i++) {
		if (processes[i]->group != pid || processes[i]->reaped)
			continue;
		rc = 0;
		if (deadly)
			end_process(processes[i], signal, 0);
	}
	leave_if_ended();
	return rc;
}

void
conc__process_offer(int pid, int more)
{
	(void)pid, (void)more;
}

int
conc__process_settle(const struct conc__process_rules *r)
{
	struct sim_process *me = sim.current->process;

	sim_step(sim_site, "process settle");
	if (r->group)
		me->group = me->pid;
	if (r->parent && me->parent != r->parent)
		return -ESRCH;
	me->follows = r->parent != 0;
	me->reaper = r->reaper;
	if (sim_inject())
		return -EMFILE;
	if (r->name)
		snprintf(sim.current->name, sizeof(sim.current->name), "%s", r->name);
	return 0;
}

void
conc__log_divert(struct conc__log_sink *sink)
{
	sim.current->process->sink = sink;
}

struct conc__log_sink *
conc__log_sink(void)
{
	return sim.current ? sim.current->process->sink : NULL;
}

int
conc__process_id(void)
{
	return sim.current ? sim.current->process->pid : 1;
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

/* Nobody's time is counted. */
int
conc__cpu_alarm(int64_t ns)
{
	(void)ns;
	return 0;
}

void
conc__stdio_flush(void)
{
}

/* ---- objects ---- */

struct conc__objects {
	char nothing;
};

int
conc__objects_note(struct conc__objects **o)
{
	*o = conc__malloc(sizeof(**o));
	return *o ? 0 : -ENOMEM;
}

void
conc__objects_free(struct conc__objects *o)
{
	conc__free(o);
}

bool
conc__objects_hold(const struct conc__objects *o, uint64_t address)
{
	(void)o;
	return !sim.unloaded || address != sim.unloaded;
}

void
sim_unload(uint64_t address)
{
	sim.unloaded = address;
}

/* ---- memory ---- */

void *
conc__shared_map(size_t size)
{
	return sim_inject() ? NULL : sim_shared_new(size);
}

void
conc__process_barrier(void)
{
	/* all is in order here */
}

void
conc__shared_unmap(void *p, size_t size)
{
	sim_step(sim_site, "shared unmap");
	if (p)
		sim_shared_gone(p, size);
}
