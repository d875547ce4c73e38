/* SPDX-License-Identifier: MIT */

/*
 * Scenarios on the base alone: channels between threads and processes, and the
 * descriptors that go through them.
 */
#include "scenario_base.h"

enum { MESSAGES = 6 };

struct numbered {
	int number;
	char rest[20];
};

static int
make_channel(int ends[2])
{
	int rc = conc__channel(ends);

	sim_assert(rc == 0 || (rc == -EMFILE && sim_sweeping()));
	return rc;
}

static int
send_number(int fd, int number, const int *fds, size_t n)
{
	struct numbered m = {.number = number};
	int rc;

	memset(m.rest, number, sizeof(m.rest));
	do
		rc = conc__channel_send(fd, &m, sizeof(m), fds, n);
	while (rc == -EINTR);
	return rc;
}

/* Return what came; *number is checked against the rest of the message. */
static int64_t
receive_number(int fd, int *number, int *fds, size_t most, size_t *n)
{
	struct numbered m;
	int64_t got;

	do
		got = conc__channel_receive(fd, &m, sizeof(m), fds, most, n);
	while (got == -EINTR);
	if (got <= 0)
		return got;
	sim_assert(got == (int64_t)sizeof(m));
	for (size_t i = 0; i < sizeof(m.rest); i++)
		sim_assert(m.rest[i] == (char)m.number);
	*number = m.number;
	return got;
}

/* ---- between processes; the child's end is killed at random ---- */

static int
child_sends(void *arg)
{
	int *ends = arg, pipe[2];

	conc__close(ends[0]);
	for (int i = 1; i <= MESSAGES; i++) {
		if (conc__pipe(pipe))
			return 77;
		if (send_all(pipe[1], "x", 1))
			return 78;
		if (send_number(ends[1], i, pipe, 2))
			return 79;
		conc__close(pipe[0]);
		conc__close(pipe[1]);
	}
	return 7;
}

/* What the child put into the pipe is there, though the child may be gone. */
static void
use_pipe(const int pipe[2])
{
	char bytes[3];

	sim_assert(send_all(pipe[1], "y", 1) == 0);
	conc__close(pipe[1]);
	sim_assert(receive_all(pipe[0], bytes, sizeof(bytes)) == 2);
	sim_assert(bytes[0] == 'x' && bytes[1] == 'y');
	conc__close(pipe[0]);
}

static void
end_of(int pid, struct conc__process_end *end)
{
	int rc;

	do
		rc = conc__process_reap(pid, end, 1);
	while (rc == -EINTR);
	sim_assert(rc == pid);
}

static void
receive_from_child(bool killed)
{
	int ends[2], number, pipe[2], pid, expected = 0;
	struct conc__process_end end;
	size_t n;

	if (make_channel(ends))
		return;
	pid = conc__process_start(child_sends, ends);
	conc__close(ends[1]);
	if (pid > 0 && killed)
		sim_kill_at_random(pid);
	while (receive_number(ends[0], &number, pipe, 2, &n) > 0) {
		sim_assert(number == ++expected);
		if (n == 2)
			/* The child may be in the middle of closing its own. */
			use_pipe(pipe);
		else
			sim_assert(n == 0 && sim_sweeping());
	}
	conc__close(ends[0]);
	if (pid < 0) {
		sim_assert(sim_sweeping() && expected == 0);
		return;
	}
	end_of(pid, &end);
	sim_assert(killed || sim_sweeping() || expected == MESSAGES);
	sim_assert((end.signal == 0 && end.exit_status == 7) || end.signal == 9 ||
	    (sim_sweeping() && end.exit_status == 77));
}

SIM_SCENARIO(base_channel_process)
{
	receive_from_child(false);
}

SIM_SCENARIO(base_channel_killed)
{
	receive_from_child(true);
}

/* ---- ends that do not block ---- */

static void
send_polling(void *arg)
{
	int fd = *(int *)arg, rc;

	sim_assert(conc__nonblocking(fd) == 0);
	for (int i = 1; i <= MESSAGES;) {
		struct conc__poll p = {.fd = fd, .wanted = CONC__WRITABLE};

		rc = send_number(fd, i, NULL, 0);
		if (rc == 0) {
			i++;
			continue;
		}
		sim_assert(rc == -EAGAIN);
		do
			rc = conc__poll(&p, 1, CONC_FOREVER);
		while (rc == -EINTR);
		sim_assert(rc == 1 && p.ready == CONC__WRITABLE);
	}
	conc__close(fd);
}

SIM_SCENARIO(base_channel_poll)
{
	int ends[2], number, expected = 0;
	struct sim_thread *t;
	int64_t got;
	size_t n;

	if (make_channel(ends))
		return;
	sim_assert(conc__nonblocking(ends[0]) == 0);
	t = sim_go(send_polling, &ends[1]);
	for (;;) {
		struct conc__poll p = {.fd = ends[0], .wanted = CONC__READABLE};
		int rc = conc__poll(&p, 1, CONC_FOREVER);

		if (rc == -EINTR)
			continue;
		sim_assert(rc == 1 && (p.ready & CONC__READABLE));
		got = receive_number(ends[0], &number, NULL, 0, &n);
		if (got == 0)
			break;
		sim_assert(got > 0 && n == 0 && number == ++expected);
	}
	sim_assert(expected == MESSAGES);
	sim_join(t);
	sim_assert(send_number(ends[0], 1, NULL, 0) == -EPIPE);
	conc__close(ends[0]);
}

/* ---- a descriptor on its way keeps its file open; and no longer ---- */

static void
close_it(void *arg)
{
	conc__close(*(int *)arg);
}

SIM_SCENARIO(base_channel_in_flight)
{
	int ends[2], pipe[2];
	struct sim_thread *t;
	char byte;

	if (make_channel(ends))
		return;
	if (make_pipe(pipe) == 0) {
		sim_assert(send_number(ends[1], 1, &pipe[1], 1) == 0);
		conc__close(pipe[1]);
		sim_assert(conc__nonblocking(pipe[0]) == 0);
		sim_assert(conc__read(pipe[0], &byte, 1) == -EAGAIN);
		/* Its receiver goes, so the last writer does. */
		t = sim_go(close_it, &ends[0]);
		for (;;) {
			struct conc__poll p = {.fd = pipe[0], .wanted = CONC__READABLE};
			int rc = conc__poll(&p, 1, CONC_FOREVER);

			sim_assert(rc == 1 || rc == -EINTR);
			if (rc == 1)
				break;
		}
		sim_assert(conc__read(pipe[0], &byte, 1) == 0);
		sim_join(t);
		conc__close(pipe[0]);
	} else {
		conc__close(ends[0]);
	}
	sim_assert(send_number(ends[1], 1, NULL, 0) == -EPIPE);
	conc__close(ends[1]);
}

SIM_SCENARIO(base_channel_limits)
{
	int ends[2], number, fds[2] = {-7, -7};
	size_t n;

	if (make_channel(ends))
		return;
	sim_assert(conc__channel_send(ends[0], "", 0, NULL, 0) == -EINVAL);
	sim_assert(conc__channel_send(ends[0], "x", 1, ends, 5) == -EINVAL);
	sim_assert(conc__channel_send(ends[0], "x", 1, &(int){99}, 1) == -EBADF);
	sim_assert(send_number(ends[0], 1, ends, 2) == 0);
	/* Of two descriptors one is taken, the other closed; of a long message nothing. */
	sim_assert(receive_number(ends[1], &number, fds, 1, &n) > 0);
	sim_assert(n == 1 || (n == 0 && sim_sweeping()));
	sim_assert(fds[1] == -7);
	if (n)
		conc__close(fds[0]);
	sim_assert(send_number(ends[0], 2, ends, 2) == 0);
	sim_assert(conc__channel_receive(ends[1], &number, 1, fds, 2, &n) == -EMSGSIZE);
	conc__close(ends[0]);
	sim_assert(receive_number(ends[1], &number, fds, 1, &n) == 0);
	conc__close(ends[1]);
}

SIM_MUST_FAIL(selftest_channel_descriptor_wrong, "(a pipe's write end) was never closed")
{
	int ends[2], pipe[2], number, fd;
	size_t n;

	sim_assert(conc__channel(ends) == 0 && conc__pipe(pipe) == 0);
	sim_assert(send_number(ends[1], 1, &pipe[1], 1) == 0);
	conc__close(pipe[0]);
	conc__close(pipe[1]);
	sim_assert(receive_number(ends[0], &number, &fd, 1, &n) > 0 && n == 1);
	conc__close(ends[0]);
	conc__close(ends[1]);
}

/* A message is lost if its end is closed over it: who counts on it waits in vain. */
SIM_MUST_FAIL(selftest_channel_full_wrong, "deadlock")
{
	int ends[2];

	sim_assert(conc__channel(ends) == 0);
	for (int i = 1; i <= MESSAGES; i++)
		sim_assert(send_number(ends[0], i, NULL, 0) == 0);
}

/* ---- families: who dies with whom ---- */

struct family {
	int ends[2]; /* a channel; all but the first process hold ends[1] */
	int head;
};

static int
member(void *arg)
{
	struct family *f = arg;
	int own[2], number;
	size_t n;

	if (conc__process_settle(
		&(struct conc__process_rules){.parent = f->head, .name = "member"}))
		return 1;
	if (conc__channel(own))
		return 1;
	receive_number(own[0], &number, NULL, 0, &n); /* forever: own[1] is open too */
	return 2;
}

static int
head(void *arg)
{
	struct family *f = arg;
	struct conc__process_end end;
	int n = 0, got;

	f->head = conc__process_id();
	conc__close(f->ends[0]);
	if (conc__process_settle(&(struct conc__process_rules){.group = true, .reaper = true}))
		return 1;
	for (int i = 0; i < 2; i++)
		n += conc__process_start(member, f) > 0;
	if (send_number(f->ends[1], 1, NULL, 0))
		return 1;
	while (n > 0) { /* they end by a fault alone */
		got = conc__process_reap_any(&end, 1);
		sim_assert(got > 0 || got == -EINTR);
		n -= got > 0;
	}
	sim_assert(conc__process_reap_any(&end, 0) == -ECHILD);
	return 1;
}

/* Kill the head alone, or its group: either way all are gone, and the channel hangs up. */
static void
behead(bool group)
{
	struct conc__process_end end;
	struct family f = {.head = 0};
	int pid, number, rc;
	size_t n;

	if (make_channel(f.ends))
		return;
	pid = conc__process_start(head, &f);
	conc__close(f.ends[1]);
	if (pid > 0 && receive_number(f.ends[0], &number, NULL, 0, &n) > 0) {
		if (group) {
			rc = conc__process_signal_group(pid, 9);
			sim_assert(rc == 0);
		} else {
			sim_assert(conc__process_signal(pid, 9) == 0);
		}
		sim_assert(receive_number(f.ends[0], &number, NULL, 0, &n) == 0);
	}
	if (pid > 0) {
		end_of(pid, &end);
		sim_assert(end.signal == 9 || (sim_sweeping() && end.exit_status == 1));
		sim_assert(conc__process_signal_group(pid, 0) == -ESRCH);
	}
	conc__close(f.ends[0]);
}

SIM_SCENARIO(base_process_follows)
{
	behead(false);
}

SIM_SCENARIO(base_process_group)
{
	behead(true);
}

static int
detached(void *arg)
{
	int *ends = arg;

	conc__close(ends[0]);
	return send_number(ends[1], conc__process_id(), NULL, 0) != 0;
}

SIM_SCENARIO(base_process_detached)
{
	int ends[2], number, rc;
	struct conc__process_end end;
	size_t n;

	if (make_channel(ends))
		return;
	rc = conc__process_start_detached(detached, ends);
	sim_assert(rc == 0 || (sim_sweeping() && (rc == -EAGAIN || rc == -ENOMEM)));
	conc__close(ends[1]);
	if (receive_number(ends[0], &number, NULL, 0, &n) > 0) {
		sim_assert(rc == 0);
		sim_assert(conc__process_reap(number, &end, 1) == -ECHILD);
	} else {
		sim_assert(rc != 0);
	}
	sim_assert(conc__process_reap_any(&end, 1) == -ECHILD);
	conc__close(ends[0]);
}
