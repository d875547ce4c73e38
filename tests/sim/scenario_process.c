/* SPDX-License-Identifier: MIT */

/*
 * Scenarios on the base alone: processes that write, are killed, and leave
 * others behind.  Those with a bug in them show that the simulator finds it.
 */
#include "scenario_base.h"
#include "base/atomic.h"
#include "base/lock.h"
#include "base/memory.h"
#include "base/thread.h"
#include <conc/error.h>

static void
reap(int pid, int signal, int status)
{
	struct conc__process_end end;
	int rc;

	do
		rc = conc__process_reap(pid, &end, 1);
	while (rc == -EINTR);
	sim_assert(rc == pid);
	sim_assert(end.signal == signal);
	sim_assert(end.exit_status == status);
	sim_assert(conc__process_reap(pid, &end, 0) == -ECHILD);
	sim_assert(conc__process_signal(pid, 0) == -ESRCH);
}

/* ---- processes ---- */

static int
child_writes(void *arg)
{
	struct stream *s = arg;
	char *message = conc__malloc(MESSAGE); /* and leaves it: the kernel frees it */
	int rc;

	conc__close(s->ends[0]);
	if (!message)
		return 77;
	fill(message);
	rc = send_all(s->ends[1], message, MESSAGE);
	conc__process_exit(rc ? 78 : 7);
}

/* Start the writer; the parent keeps the read end alone. */
static int
start_writer(struct stream *s)
{
	if (make_pipe(s->ends))
		return -1;
	s->pid = conc__process_start(child_writes, s);
	conc__close(s->ends[1]);
	if (s->pid > 0)
		return 0;
	sim_assert(sim_sweeping() && (s->pid == -EAGAIN || s->pid == -ENOMEM));
	conc__close(s->ends[0]);
	return -1;
}

SIM_SCENARIO(base_process_pipe)
{
	struct stream s = {.rc = 0};
	char message[MESSAGE + 1];
	int got;

	if (start_writer(&s))
		return;
	got = receive_all(s.ends[0], message, sizeof(message));
	check(message, got);
	conc__close(s.ends[0]);
	if (sim_sweeping() && got == 0)
		reap(s.pid, 0, 77);
	else {
		sim_assert(got == MESSAGE);
		reap(s.pid, 0, 7);
	}
}

/* Killed at any point: the reader sees the end of the stream, and what came is right. */
SIM_SCENARIO(base_process_killed)
{
	struct stream s = {.rc = 0};
	char message[MESSAGE + 1];
	struct conc__process_end end;
	int got, rc, watch;
	struct conc__poll p;

	if (start_writer(&s))
		return;
	sim_kill_at_random(s.pid);
	got = receive_all(s.ends[0], message, sizeof(message));
	sim_assert(got >= 0 && got <= MESSAGE);
	check(message, got);
	conc__close(s.ends[0]);
	watch = conc__process_watch(s.pid);
	sim_assert(watch > 0 || sim_sweeping());
	if (watch > 0) {
		p = (struct conc__poll){.fd = watch, .wanted = CONC__READABLE};
		do
			rc = conc__poll(&p, 1, CONC_FOREVER);
		while (rc == -EINTR);
		sim_assert(rc == 1 && p.ready == CONC__READABLE);
		conc__close(watch);
	}
	do
		rc = conc__process_reap(s.pid, &end, watch <= 0);
	while (rc == -EINTR);
	sim_assert(rc == s.pid);
	sim_assert(end.signal == 9 ||
	    (end.signal == 0 && (end.exit_status == 7 || end.exit_status == 77)));
}

/* Killed with a lock: that was its own copy, and is nobody's any more. */
static int
child_locks(void *arg)
{
	struct conc__mutex *m = arg;

	for (int i = 0; i < 1000; i++) { /* more than sim_kill_at_random leaves it */
		conc__mutex_lock(m);
		sim_pause();
		conc__mutex_unlock(m);
	}
	return 1;
}

SIM_SCENARIO(base_process_killed_with_lock)
{
	struct conc__mutex m;
	int pid;

	if (conc__mutex_init(&m, CONC__RANK_POOL)) {
		sim_assert(sim_sweeping());
		return;
	}
	pid = conc__process_start(child_locks, &m);
	sim_assert(pid > 0 || sim_sweeping());
	if (pid > 0) {
		sim_kill_at_random(pid);
		reap(pid, 9, 0);
	}
	conc__mutex_lock(&m);
	conc__mutex_unlock(&m);
	conc__mutex_destroy(&m);
}

SIM_MUST_FAIL(selftest_killed_wrong, "got == MESSAGE")
{
	struct stream s = {.rc = 0};
	char message[MESSAGE + 1];
	int got;

	sim_assert(start_writer(&s) == 0);
	sim_assert(conc__process_signal(s.pid, 9) == 0);
	got = receive_all(s.ends[0], message, sizeof(message));
	sim_assert(got == MESSAGE);
}

SIM_MUST_FAIL(selftest_zombie_wrong, "was never reaped")
{
	struct stream s = {.rc = 0};
	char message[MESSAGE + 1];

	sim_assert(start_writer(&s) == 0);
	receive_all(s.ends[0], message, sizeof(message));
	conc__close(s.ends[0]);
}

/* An inherited write end that nobody closes: the reader waits forever. */
SIM_MUST_FAIL(selftest_no_end_wrong, "deadlock")
{
	struct stream s = {.rc = 0};
	char message[MESSAGE + 1];

	sim_assert(conc__pipe(s.ends) == 0);
	s.pid = conc__process_start(child_writes, &s);
	receive_all(s.ends[0], message, sizeof(message));
}

/* ---- a process with threads; its parent goes before it ---- */

struct family {
	struct stream stream;
	conc__atomic_u32 *shared;
};

static void
child_thread(void *arg)
{
	conc__add_relaxed((conc__atomic_u32 *)arg, 1); /* relaxed: a number alone */
}

static int
grandchild(void *arg)
{
	struct family *f = arg;
	struct conc__thread *t;
	char byte;
	int rc;

	rc = conc__thread_start(&t,
	    &(struct conc__thread_options){.main = child_thread, .arg = f->shared, .cpu = -1});
	if (rc == 0)
		conc__thread_join(t);
	else
		child_thread(f->shared);
	/* Ends when all of the parent's generation have: they hold the other end. */
	conc__close(f->stream.ends[1]);
	rc = receive_all(f->stream.ends[0], &byte, 1);
	conc__add_relaxed(f->shared, rc == 0 ? 10 : 0); /* relaxed: a number alone */
	return 0;
}

static int
child_starts(void *arg)
{
	return conc__process_start(grandchild, arg) < 0;
}

SIM_SCENARIO(base_process_orphan)
{
	struct family f;
	struct conc__process_end end;
	int pid, rc;

	f.shared = conc__shared_map(sizeof(*f.shared));
	if (!f.shared) {
		sim_assert(sim_sweeping());
		return;
	}
	sim_assert((uintptr_t)f.shared % 4096 == 0 && *f.shared == 0);
	if (make_pipe(f.stream.ends)) {
		conc__shared_unmap(f.shared, sizeof(*f.shared));
		return;
	}
	pid = conc__process_start(child_starts, &f);
	if (pid > 0) {
		do
			rc = conc__process_reap(pid, &end, 1);
		while (rc == -EINTR);
		sim_assert(rc == pid && end.signal == 0);
		sim_assert(end.exit_status == 0 || sim_sweeping());
	}
	conc__close(f.stream.ends[1]);
	/* The grandchild is init's now; wait for it by its number. */
	while (pid > 0 && end.exit_status == 0 && conc__load_relaxed(f.shared) != 11)
		sim_pause(); /* relaxed: a number alone */
	conc__close(f.stream.ends[0]);
	conc__shared_unmap(f.shared, sizeof(*f.shared));
}
