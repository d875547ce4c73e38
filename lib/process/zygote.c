/* SPDX-License-Identifier: MIT */
/*
 * The zygote's side: it spawns, kills and reaps workers as the host says, and
 * outlives the host by no more than it takes to kill them.
 *
 * Its one thread blocks in one poll, over the channel, a watch of the host and
 * a watch of each worker.  Where a watch cannot be had, a tick stands in.  All
 * its memory is one block, taken as it starts.
 *
 * A worker leads a process group.  When it dies its group is killed, so that
 * nothing that it forked runs on; and before it is reaped, for until then its
 * number is nobody else's.
 */
#include "process/zygote.h"
#include "base/memory.h"
#include "base/signals.h"
#include "process/worker.h"

enum { TICK = 20 }; /* ms between looks at processes without a watch */

/* What the system's killer of processes shall see: better a worker than the host. */
enum { OOM = 300 };

enum { CONTROL, HOST, CHILDREN }; /* in polls: then each slot's child */

struct child {
	int pid; /* 0: the slot is free */
	uint64_t incarnation;
};

struct zygote {
	const struct conc__zygote_plan *plan;
	int host;
	struct conc__poll *polls; /* fd -1: no watch */
	struct child *children;   /* by slot */
	bool over;                /* the host is gone, or said QUIT */
};

/*
 * What a new worker must know.  It lies in its page, which nobody else writes to
 * until it is ready: our own tables may change before it has read them where
 * memory is not copied, in the simulator.
 */
struct letter {
	struct conc__worker_start start;
	int n;
	int strangers[]; /* our descriptors, to be closed */
};

/* When to look at what cannot be watched. */
static conc_time
next_tick(const struct zygote *z)
{
	bool tick = z->polls[HOST].fd < 0;

	for (int i = 0; i < z->plan->slots && !tick; i++)
		tick = z->children[i].pid != 0 && z->polls[CHILDREN + i].fd < 0;
	return tick ? conc_after_ms(TICK) : CONC_FOREVER;
}

/* Tell the host.  Return 0, or why it did not go out; then the host may be gone. */
static int
tell(struct zygote *z, const struct conc__control *m, const int *fds, size_t n)
{
	struct conc__poll p[] = {{.fd = z->polls[CONTROL].fd, .wanted = CONC__WRITABLE},
	    {.fd = z->polls[HOST].fd, .wanted = CONC__READABLE}};
	int rc;

	do {
		rc = conc__channel_send(p[0].fd, m, sizeof *m, fds, n);
		/* Woken when the host has read something, or its end is closed, or it died. */
		if (rc == -EAGAIN && conc__poll(p, 2, next_tick(z)) > 0 && p[1].ready)
			rc = -EPIPE;
	} while (rc == -EAGAIN || rc == -EINTR);
	if (rc == -EPIPE)
		z->over = true;
	return rc;
}

/*
 * The worker first, so that it forks no more, then its group; if it leads none
 * yet, it has not forked.
 */
static void
kill_child(const struct child *c)
{
	(void)conc__process_signal(c->pid, SIGKILL);
	(void)conc__process_signal_group(c->pid, SIGKILL);
}

/* It is reaped: the slot is free. */
static void
forget(struct zygote *z, int slot)
{
	struct conc__poll *watch = &z->polls[CHILDREN + slot];

	if (watch->fd >= 0)
		conc__close(watch->fd);
	watch->fd = -1;
	watch->ready = 0;
	z->children[slot].pid = 0;
}

/* Kill a worker of which the host shall hear no more. */
static void
finish(struct zygote *z, int slot)
{
	struct conc__process_end end;
	int pid = z->children[slot].pid;

	if (pid == 0)
		return;
	kill_child(&z->children[slot]);
	while (conc__process_reap(pid, &end, 1) == -EINTR)
		; /* woken by its death */
	forget(z, slot);
}

/* Reap whoever has ended: workers, and what they left behind that came to us. */
static void
reap(struct zygote *z)
{
	struct conc__control m = {.type = CONC__CONTROL_DIED};
	int pid;

	for (int i = 0; i < z->plan->slots; i++)
		if (z->polls[CHILDREN + i].ready)
			(void)conc__process_signal_group(z->children[i].pid, SIGKILL);
	while ((pid = conc__process_reap_any(&m.end, 0)) > 0)
		for (int i = 0; i < z->plan->slots; i++) {
			if (z->children[i].pid != pid)
				continue;
			/* Of one without a watch the number was free for this moment. */
			(void)conc__process_signal_group(pid, SIGKILL);
			m.slot = (uint32_t)i;
			m.incarnation = z->children[i].incarnation;
			m.pid = pid;
			forget(z, i);
			(void)tell(z, &m, NULL, 0);
		}
}

static int
be_worker(void *arg)
{
	const struct letter *l = arg;
	struct conc__worker_start start = l->start;

	for (int i = 0; i < l->n; i++)
		conc__close(l->strangers[i]);
	return conc__worker_main(&start);
}

/* Fork the worker, which closes what is ours: the n descriptors, the channel, all watches. */
static int
start_worker(struct zygote *z, const struct conc__worker_start *start, const int *ours, int n)
{
	struct letter *l = (struct letter *)(void *)z->plan->pages[start->slot].areas;

	l->start = *start;
	l->n = 0;
	for (int i = 0; i < n; i++)
		l->strangers[l->n++] = ours[i];
	for (int i = 0; i < CHILDREN + z->plan->slots; i++)
		if (z->polls[i].fd >= 0)
			l->strangers[l->n++] = z->polls[i].fd;
	return conc__process_start(be_worker, l);
}

/* Both pipes of a worker: all four ends, or none. */
static int
make_pipes(const struct zygote *z, int tasks[2], int reports[2])
{
	int rc = conc__pipe(tasks);

	if (rc != 0)
		return rc;
	rc = conc__pipe(reports);
	if (rc != 0) {
		conc__close(tasks[0]);
		conc__close(tasks[1]);
		return rc;
	}
	(void)conc__nonblocking(tasks[1]);
	(void)conc__nonblocking(reports[0]);
	if (z->plan->pipe_size != 0) {
		(void)conc__pipe_resize(tasks[1], z->plan->pipe_size);
		(void)conc__pipe_resize(reports[0], z->plan->pipe_size);
	}
	return 0;
}

/* Spawn a worker for m->slot, and say so in m.  Return 0 or why not. */
static int
spawn(struct zygote *z, struct conc__control *m)
{
	int tasks[2], reports[2], rc, pid, watch;

	if (m->slot >= (uint32_t)z->plan->slots)
		return -EINVAL;
	finish(z, (int)m->slot); /* if there is one still, the host has given it up */
	rc = make_pipes(z, tasks, reports);
	if (rc != 0)
		return rc;
	pid = rc = start_worker(z,
	    &(struct conc__worker_start){.plan = z->plan,
		.slot = (int)m->slot,
		.orders = tasks[0],
		.reports = reports[1],
		.zygote = conc__process_id()},
	    (int[]){tasks[1], reports[0]}, 2);
	if (pid > 0) {
		z->children[m->slot] = (struct child){pid, m->incarnation};
		m->type = CONC__CONTROL_SPAWNED;
		m->pid = pid;
		rc = tell(z, m,
		    (int[]){[CONC__TASKS_WRITE] = tasks[1],
			[CONC__TASKS_READ] = tasks[0],
			[CONC__REPORTS_READ] = reports[0]},
		    CONC__SPAWNED_FDS);
		conc__process_offer(pid, OOM); /* while it settles: it takes a while */
		watch = conc__process_watch(pid);
		z->polls[CHILDREN + m->slot].fd = watch >= 0 ? watch : -1;
	}
	if (pid > 0 && rc != 0)
		finish(z, (int)m->slot);
	for (int i = 0; i < 2; i++) {
		conc__close(tasks[i]);
		conc__close(reports[i]);
	}
	return rc;
}

/* Take one message of the host's. */
static void
serve(struct zygote *z)
{
	struct conc__control m;
	size_t n;
	int64_t got = conc__channel_receive(z->polls[CONTROL].fd, &m, sizeof m, NULL, 0, &n);
	int rc;

	if (got == -EAGAIN || got == -EINTR)
		return;
	if (got != sizeof m || m.type == CONC__CONTROL_QUIT) {
		z->over = true;
	} else if (m.type == CONC__CONTROL_SPAWN) {
		rc = spawn(z, &m);
		if (rc == 0)
			return;
		m.type = CONC__CONTROL_REFUSED;
		m.code = rc;
		(void)tell(z, &m, NULL, 0);
	} else if (m.type == CONC__CONTROL_KILL && m.slot < (uint32_t)z->plan->slots &&
	    z->children[m.slot].pid != 0 &&
	    z->children[m.slot].incarnation == m.incarnation) {
		kill_child(&z->children[m.slot]);
	}
}

static void
run(struct zygote *z)
{
	while (!z->over) {
		/* Woken by messages, deaths, and the tick. */
		int rc = conc__poll(
		    z->polls, CHILDREN + (size_t)z->plan->slots, next_tick(z));

		if (rc == -ENOMEM) /* for that many: then the tick alone */
			rc = conc__poll(z->polls, CHILDREN, conc_after_ms(TICK));
		if (rc < 0)
			continue;
		if (z->polls[HOST].ready ||
		    (z->polls[HOST].fd < 0 && conc__process_signal(z->host, 0) == -ESRCH))
			return;
		reap(z);
		if (z->polls[CONTROL].ready)
			serve(z);
	}
}

int
conc__zygote_main(void *arg)
{
	const struct conc__zygote_start *s = arg;
	const struct conc__zygote_plan *plan = s->plan;
	size_t slots = (size_t)plan->slots;
	struct zygote z = {.plan = plan, .host = s->host};
	int own = s->control, watch;

	conc__close(s->other);
	if (conc__process_settle(&(struct conc__process_rules){.name = plan->name,
		.group = true,
		.reaper = true,
		.guard = true,
		.close_fds = plan->close_fds != 0,
		.keep = plan->keep_fds,
		.keep_count = plan->keep_count,
		.own = &own,
		.own_count = 1}) != 0)
		return 1;
	z.children = conc__calloc(
	    1, slots * sizeof *z.children + (CHILDREN + slots) * sizeof *z.polls);
	if (z.children == NULL)
		return 1;
	z.polls = (struct conc__poll *)(void *)(z.children + slots);
	for (size_t i = 0; i < CHILDREN + slots; i++)
		z.polls[i] = (struct conc__poll){.fd = -1, .wanted = CONC__READABLE};
	z.polls[CONTROL].fd = own;
	(void)conc__nonblocking(own);
	watch = conc__process_watch(z.host);
	z.polls[HOST].fd = watch >= 0 ? watch : -1;
	if (watch != -ESRCH)
		run(&z);
	for (int i = 0; i < plan->slots; i++)
		if (z.children[i].pid != 0) /* all, before we wait for the first */
			kill_child(&z.children[i]);
	for (int i = 0; i < plan->slots; i++)
		finish(&z, i);
	conc__free(z.children);
	return 0;
}
