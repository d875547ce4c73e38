/* SPDX-License-Identifier: MIT */

/*
 * Scenarios on the base alone: pipes, polls and bells.  Those with a bug in
 * them show that the simulator finds it.
 */
#include "scenario_base.h"

static void
write_message(void *arg)
{
	struct stream *s = arg;
	char message[MESSAGE];

	fill(message);
	s->rc = send_all(s->ends[1], message, MESSAGE);
	conc__close(s->ends[1]);
}

/* ---- threads and a pipe ---- */

SIM_SCENARIO(base_pipe_threads)
{
	struct stream s = {.rc = 1};
	struct sim_thread *t;
	char message[MESSAGE + 1];

	if (make_pipe(s.ends))
		return;
	t = sim_go(write_message, &s);
	sim_assert(receive_all(s.ends[0], message, sizeof(message)) == MESSAGE);
	check(message, MESSAGE);
	sim_join(t);
	sim_assert(s.rc == 0);
	conc__close(s.ends[0]);
}

SIM_MUST_FAIL(selftest_short_read_wrong, "n == MESSAGE")
{
	struct stream s = {.rc = 1};
	struct sim_thread *t;
	char message[MESSAGE];
	int64_t n;

	sim_assert(conc__pipe(s.ends) == 0);
	t = sim_go(write_message, &s);
	do
		n = conc__read(s.ends[0], message, MESSAGE);
	while (n == -EINTR);
	sim_assert(n == MESSAGE);
	sim_join(t);
	conc__close(s.ends[0]);
}

SIM_MUST_FAIL(selftest_interrupted_wrong, "n > 0")
{
	struct stream s = {.rc = 1};
	struct sim_thread *t;
	char message[MESSAGE];
	int64_t n;

	sim_assert(conc__pipe(s.ends) == 0);
	t = sim_go(write_message, &s);
	for (int got = 0; got < MESSAGE; got += (int)n) {
		n = conc__read(s.ends[0], message, MESSAGE);
		sim_assert(n > 0);
	}
	sim_join(t);
	conc__close(s.ends[0]);
}

/* ---- the reader goes: the writer gets EPIPE ---- */

SIM_SCENARIO(base_pipe_broken)
{
	struct stream s = {.rc = 1};
	struct sim_thread *t;

	if (make_pipe(s.ends))
		return;
	t = sim_go(write_message, &s);
	sim_pause();
	conc__close(s.ends[0]);
	sim_join(t);
	sim_assert(s.rc == 0 || s.rc == -EPIPE);
}

SIM_MUST_FAIL(selftest_broken_pipe_wrong, "s.rc == 0")
{
	struct stream s = {.rc = 1};
	struct sim_thread *t;

	sim_assert(conc__pipe(s.ends) == 0);
	t = sim_go(write_message, &s);
	conc__close(s.ends[0]);
	sim_join(t);
	sim_assert(s.rc == 0);
}

SIM_MUST_FAIL(selftest_close_twice_wrong, "which is not open")
{
	int ends[2];

	sim_assert(conc__pipe(ends) == 0);
	conc__close(ends[0]);
	conc__close(ends[0]);
}

SIM_MUST_FAIL(selftest_descriptor_leak_wrong, "a pipe's write end) was never closed")
{
	int ends[2];

	sim_assert(conc__pipe(ends) == 0);
	conc__close(ends[0]);
}

/* ---- nonblocking ends and poll ---- */

SIM_SCENARIO(base_pipe_poll)
{
	struct stream s = {.rc = 1};
	struct sim_thread *t;
	char message[MESSAGE + 1];
	int got = 0, rc;
	int64_t n;

	if (make_pipe(s.ends))
		return;
	sim_assert(conc__nonblocking(s.ends[0]) == 0);
	rc = conc__pipe_resize(s.ends[0], 5000);
	sim_assert(rc == 8192 || (rc == -EPERM && sim_sweeping()));
	t = sim_go(write_message, &s);
	for (;;) {
		struct conc__poll p[2] = {
		    {.fd = -1}, {.fd = s.ends[0], .wanted = CONC__READABLE}};

		rc = conc__poll(p, 2, CONC_FOREVER);
		if (rc == -EINTR)
			continue;
		sim_assert(rc == 1 && p[0].ready == 0 && p[1].ready);
		n = conc__read(s.ends[0], message + got, sizeof(message) - (size_t)got);
		if (n == 0)
			break;
		sim_assert(n > 0 || n == -EAGAIN || n == -EINTR);
		got += n > 0 ? (int)n : 0;
	}
	sim_assert(got == MESSAGE);
	check(message, got);
	sim_assert(conc__read(s.ends[0], message, 1) == 0);
	sim_join(t);
	conc__close(s.ends[0]);
}

static void
read_some(void *arg)
{
	struct stream *s = arg;
	char message[MESSAGE];
	int n = receive_all(s->ends[0], message, 1 + sim_random(MESSAGE));

	check(message, n);
	conc__close(s->ends[0]);
}

/* The writer polls; the reader goes when it has had enough. */
SIM_SCENARIO(base_pipe_poll_to_write)
{
	struct stream s = {.rc = 1};
	struct sim_thread *t;
	char message[MESSAGE];
	int64_t n = 0;
	int rc;

	if (make_pipe(s.ends))
		return;
	fill(message);
	sim_assert(conc__nonblocking(s.ends[1]) == 0);
	t = sim_go(read_some, &s);
	for (int sent = 0; sent < MESSAGE && n != -EPIPE; sent += n > 0 ? (int)n : 0) {
		struct conc__poll p = {.fd = s.ends[1], .wanted = CONC__WRITABLE};

		do
			rc = conc__poll(&p, 1, CONC_FOREVER);
		while (rc == -EINTR);
		sim_assert(rc == 1 && (p.ready & (CONC__WRITABLE | CONC__HANGUP)));
		n = conc__write(s.ends[1], message + sent, (size_t)(MESSAGE - sent));
		sim_assert(n > 0 || n == -EPIPE || n == -EINTR || n == -EAGAIN);
		sim_assert(n != -EPIPE || sent > 0);
	}
	conc__close(s.ends[1]);
	sim_join(t);
}

static void
ring(void *bell)
{
	conc__bell_ring(*(int *)bell);
}

SIM_SCENARIO(base_bell)
{
	int bell = conc__bell(), rc;
	struct sim_thread *t;
	struct conc__poll p = {.fd = bell, .wanted = CONC__READABLE};

	if (bell < 0) {
		sim_assert(sim_sweeping() && bell == -EMFILE);
		return;
	}
	t = sim_go(ring, &bell);
	do
		rc = conc__poll(&p, 1, CONC_FOREVER);
	while (rc == -EINTR);
	sim_assert(rc == 1 && p.ready == CONC__READABLE);
	sim_join(t);
	conc__bell_hush(bell);
	do
		rc = conc__poll(&p, 1, conc_after_ms(10));
	while (rc == -EINTR);
	sim_assert(rc == 0 && p.ready == 0);
	conc__close(bell);
}
