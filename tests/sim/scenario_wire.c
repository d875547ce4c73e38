/* SPDX-License-Identifier: MIT */

/*
 * Scenarios on the wire between host and worker: pipes of one page, that take
 * and give as little as they like; and workers that die within a report.
 */
#include "sim.h"
#include "base/memory.h"
#include "base/process.h"
#include "process/wire.h"
#include <signal.h>

enum {
	ORDERS = 4,
	LARGE = CONC__WRITER_SIZE + 1000, /* for writer and reader alike */
};

struct wire {
	int tasks[2], reports[2];
	int from; /* the first report that the worker sends */
};

static inline bool
swept(int rc)
{
	sim_assert(rc == 0 || (sim_sweeping() && (rc == -ENOMEM || rc == -EMFILE)));
	return rc != 0;
}

static bool
make_pipe(int ends[2])
{
	int rc;

	if (swept(conc__pipe(ends)))
		return false;
	rc = conc__pipe_resize(ends[0], 1);
	sim_assert(rc == 4096 || (rc == -EPERM && sim_sweeping()));
	return true;
}

static void
close_both(int ends[2])
{
	conc__close(ends[0]);
	conc__close(ends[1]);
}

/* Payloads: the third one is large, the others small or empty. */
static size_t
size_of(uint64_t seq)
{
	return seq == 3 ? LARGE : (size_t)(seq - 1) * 100;
}

static unsigned char
byte_of(uint64_t seq, size_t i)
{
	return (unsigned char)(seq + i);
}

static unsigned char *
make_payload(uint64_t seq)
{
	unsigned char *p = conc__malloc(size_of(seq));

	for (size_t i = 0; p != NULL && i < size_of(seq); i++)
		p[i] = byte_of(seq, i);
	return p;
}

static void
check_payload(uint64_t seq, const unsigned char *p)
{
	for (size_t i = 0; i < size_of(seq); i++)
		sim_assert(p[i] == byte_of(seq, i));
}

/* Is this the report of order seq?  Without memory its payload was skipped. */
static void
check_report(struct conc__reader *r, const void *payload, uint64_t seq)
{
	unsigned char *block = conc__reader_take(r);

	sim_assert(r->head.type == CONC__REPORT_RESULT && r->head.seq == seq);
	sim_assert(r->head.size == size_of(seq));
	sim_assert(block == (seq == 3 ? payload : NULL));
	if (payload != NULL)
		check_payload(seq, payload);
	else
		sim_assert(size_of(seq) == 0 || (seq == 3 && sim_sweeping()));
	conc__free(block);
}

static int
send_report(int fd, uint64_t seq)
{
	struct conc__report r = {
	    .type = CONC__REPORT_RESULT, .seq = seq, .ran = 1, .size = size_of(seq)};
	unsigned char *payload = make_payload(seq);
	int rc = payload != NULL ? conc__report_write(fd, &r, payload) : -ENOMEM;

	conc__free(payload);
	return rc;
}

/* ---- orders go out, and their arguments come back ---- */

static int
echo(int tasks, int reports)
{
	struct conc__order o;
	int rc;

	while ((rc = conc__read_whole(tasks, &o, sizeof(o))) == 0) {
		struct conc__report r = {
		    .type = CONC__REPORT_RESULT, .seq = o.seq, .size = o.arg_size};
		unsigned char *arg;

		if (o.type == CONC__ORDER_BYE)
			return 0;
		arg = conc__malloc(o.size + 1);
		if (!arg)
			return -ENOMEM;
		rc = conc__read_whole(tasks, arg, o.size);
		if (rc == 0) {
			check_payload(o.seq, arg);
			sim_assert(memcmp(arg + o.arg_size, "name", o.name_size) == 0);
			rc = conc__report_write(reports, &r, arg);
		}
		conc__free(arg);
		if (rc)
			break;
	}
	return rc;
}

static void
echo_thread(void *arg)
{
	struct wire *wire = arg;
	int rc = echo(wire->tasks[0], wire->reports[1]);

	sim_assert(rc == 0 || (rc == -EPIPE && sim_failures() > 0) || swept(rc));
	conc__close(wire->reports[1]);
}

struct host {
	struct conc__writer writer;
	struct conc__reader reader;
	uint64_t put, got;
	unsigned char *arg; /* what the writer borrows */
	bool ended;
};

/* Put as many orders as there is room for, BYE at last. */
static int
put_orders(struct host *h)
{
	while (h->put <= ORDERS) {
		uint64_t seq = h->put + 1;
		struct conc__order o = {.type = CONC__ORDER_BYE};
		unsigned char *arg;
		int rc;

		if (seq > ORDERS) {
			rc = conc__writer_put(&h->writer, &o, NULL, 0, NULL);
		} else {
			o = (struct conc__order){.type = CONC__ORDER_TASK, .seq = seq,
			    .arg_size = size_of(seq), .name_size = seq % 2 ? 4 : 0};
			o.size = o.arg_size + o.name_size;
			arg = make_payload(seq);
			if (!arg)
				return -ENOMEM;
			rc = conc__writer_put(&h->writer, &o, arg, size_of(seq), "name");
			if (!conc__writer_borrows(&h->writer, arg))
				conc__free(arg);
			else if (sim_random(2))
				conc__writer_keep(&h->writer, arg);
			else
				h->arg = arg;
		}
		if (rc)
			return rc;
		h->put++;
	}
	return 0;
}

static int
hear(struct host *h, int fd)
{
	const void *payload;
	int rc;

	while ((rc = conc__reader_next(&h->reader, fd, &payload)) == 1)
		check_report(&h->reader, payload, ++h->got);
	return rc;
}

/* A host that has no memory lets the worker write into the void. */
static void
discard(int fd)
{
	char rest[4096];

	while (conc__read(fd, rest, sizeof(rest)) != 0)
		sim_pause();
}

/* All of it by one thread that never blocks but in poll. */
static int
serve(struct host *h, int tasks, int reports)
{
	for (;;) {
		int rc = put_orders(h);
		struct conc__poll p[2];

		if (rc && rc != -EAGAIN)
			return rc;
		rc = conc__writer_flush(&h->writer, tasks);
		if (rc && rc != -EAGAIN)
			return rc;
		if (h->arg && !conc__writer_borrows(&h->writer, h->arg)) {
			conc__free(h->arg);
			h->arg = NULL;
		}
		/* Wakes when the worker has reported or is gone, or when there is room. */
		p[0] = (struct conc__poll){.fd = reports, .wanted = CONC__READABLE};
		p[1] = (struct conc__poll){
		    .fd = h->put <= ORDERS || !conc__writer_empty(&h->writer) ? tasks : -1,
		    .wanted = CONC__WRITABLE};
		rc = conc__poll(p, 2, CONC_FOREVER);
		if (rc < 0 && rc != -EINTR)
			return rc;
		rc = hear(h, reports);
		if (rc != -EAGAIN)
			return rc;
	}
}

SIM_SCENARIO(wire_echo)
{
	struct host h = {.put = 0};
	struct wire wire;
	struct sim_thread *t;
	int rc;

	if (!make_pipe(wire.tasks))
		return;
	if (!make_pipe(wire.reports)) {
		close_both(wire.tasks);
		return;
	}
	sim_assert(conc__nonblocking(wire.tasks[1]) == 0);
	sim_assert(conc__nonblocking(wire.reports[0]) == 0);
	t = sim_go(echo_thread, &wire);
	rc = serve(&h, wire.tasks[1], wire.reports[0]);
	sim_assert(rc == -EPIPE || swept(rc));
	sim_assert(h.got == ORDERS || sim_failures() > 0);
	conc__writer_fini(&h.writer);
	conc__free(h.arg);
	conc__reader_fini(&h.reader);
	conc__close(wire.tasks[1]);
	discard(wire.reports[0]);
	sim_join(t);
	conc__close(wire.tasks[0]);
	conc__close(wire.reports[0]);
}

/* ---- a worker that is killed while it reports ---- */

static int
report_all(void *arg)
{
	struct wire *wire = arg;
	int rc = 0;

	conc__close(wire->reports[0]);
	for (uint64_t seq = (uint64_t)wire->from; rc == 0 && seq <= ORDERS; seq++)
		rc = send_report(wire->reports[1], seq);
	return rc == 0 ? 7 : 77;
}

static bool
start_worker(struct wire *wire, int *pid)
{
	if (!make_pipe(wire->reports))
		return false;
	sim_assert(conc__nonblocking(wire->reports[0]) == 0);
	*pid = conc__process_start(report_all, wire);
	if (*pid > 0)
		return true;
	sim_assert(sim_sweeping());
	close_both(wire->reports);
	return false;
}

static struct conc__process_end
reap(int pid)
{
	struct conc__process_end end;
	int rc;

	do
		rc = conc__process_reap(pid, &end, 1);
	while (rc == -EINTR);
	sim_assert(rc == pid);
	return end;
}

/* What came whole is right and in order; the rest never comes. */
SIM_SCENARIO(wire_killed)
{
	struct wire wire = {.from = 1 + (int)sim_random(ORDERS)};
	struct host h = {.got = (uint64_t)wire.from - 1};
	struct conc__process_end end;
	int pid, rc;

	if (!start_worker(&wire, &pid))
		return;
	conc__close(wire.reports[1]);
	sim_kill_at_random(pid);
	while ((rc = hear(&h, wire.reports[0])) == -EAGAIN) {
		struct conc__poll p = {.fd = wire.reports[0], .wanted = CONC__READABLE};

		rc = conc__poll(&p, 1, CONC_FOREVER);
		sim_assert(rc == 1 || rc == -EINTR);
	}
	sim_assert(rc == -EPIPE || swept(rc));
	conc__reader_fini(&h.reader);
	conc__close(wire.reports[0]);
	end = reap(pid);
	sim_assert(h.got <= ORDERS);
	sim_assert(h.got == ORDERS || end.signal != 0 || sim_failures() > 0);
}

/*
 * Somebody else holds the pipe's other end, so it never ends.  When the worker
 * is known to be dead, all that it wrote is found all the same.
 */
SIM_SCENARIO(wire_drained)
{
	struct wire wire = {.from = 1 + (int)sim_random(ORDERS)};
	struct host h = {.got = (uint64_t)wire.from - 1};
	struct conc__process_end end = {.signal = 0};
	const void *payload;
	int pid, rc, dead;

	if (!start_worker(&wire, &pid))
		return;
	if (sim_random(2))
		sim_kill_at_random(pid);
	do {
		rc = hear(&h, wire.reports[0]);
		sim_assert(rc == -EAGAIN || swept(rc));
		if (rc != -EAGAIN)
			(void)conc__process_signal(pid, SIGKILL);
		sim_pause();
		dead = conc__process_reap(pid, &end, 0);
	} while (dead != pid);
	while ((rc = conc__reader_drain(&h.reader, wire.reports[0], &payload)) == 1)
		check_report(&h.reader, payload, ++h.got);
	sim_assert(rc == -EAGAIN || swept(rc));
	sim_assert(h.got == ORDERS || end.signal != 0 || sim_failures() > 0);
	conc__reader_fini(&h.reader);
	close_both(wire.reports);
}

/* ---- half a report, and then the end ---- */

static void
tear(void *arg)
{
	struct wire *wire = arg;
	struct conc__report r = {.type = CONC__REPORT_RESULT, .seq = 2, .size = size_of(2)};
	unsigned char frame[sizeof(r) + 100] = {0};

	sim_assert(size_of(2) == 100);
	memcpy(frame, &r, sizeof(r));
	sim_assert(send_report(wire->reports[1], 1) == 0 || sim_sweeping());
	sim_assert(conc__write_whole(wire->reports[1], frame, sim_random(sizeof(frame))) == 0);
	conc__close(wire->reports[1]);
}

SIM_SCENARIO(wire_torn)
{
	struct host h = {.got = 0};
	struct sim_thread *t;
	struct wire wire;
	int rc;

	if (!make_pipe(wire.reports))
		return;
	sim_assert(conc__nonblocking(wire.reports[0]) == 0);
	t = sim_go(tear, &wire);
	while ((rc = hear(&h, wire.reports[0])) == -EAGAIN)
		sim_pause();
	sim_assert(rc == -EPIPE || swept(rc));
	sim_assert(h.got == 1 || sim_failures() > 0);
	discard(wire.reports[0]);
	sim_join(t);
	conc__reader_fini(&h.reader);
	conc__close(wire.reports[0]);
}

/* ---- an exception comes from the worker ---- */

enum { LOW = 5, HIGH = 6 };

static int
report_failure(void *arg)
{
	struct wire *wire = arg;
	struct conc__report r = {.type = CONC__REPORT_FAILURE, .code = HIGH, .seq = 1};
	conc_exception *e;
	size_t size = 0;
	void *bytes;
	int rc;

	conc_raise(LOW, "low");
	conc_raise_from(conc_caught(), HIGH, "high");
	e = conc__caught_save();
	bytes = conc__exception_pack(e, &size);
	conc_exception_release(e);
	r.size = bytes != NULL ? size : 0;
	rc = conc__report_write(wire->reports[1], &r, bytes);
	conc__free(bytes);
	conc__close(wire->reports[1]);
	return rc;
}

/* Whoever is short of memory, the code arrives. */
SIM_SCENARIO(wire_failure)
{
	struct conc__reader reader = {.buf = NULL};
	const void *payload = NULL;
	conc_exception *e;
	struct wire wire;
	int pid, rc;

	if (!make_pipe(wire.reports))
		return;
	pid = conc__process_start(report_failure, &wire);
	conc__close(wire.reports[1]);
	sim_assert(conc__nonblocking(wire.reports[0]) == 0);
	while ((rc = conc__reader_next(&reader, wire.reports[0], &payload)) == -EAGAIN)
		sim_pause();
	sim_assert(rc == 1 || (rc == -EPIPE && pid < 0) || swept(rc));
	if (rc == 1) {
		sim_assert(reader.head.code == HIGH);
		e = conc__exception_unpack(payload, reader.head.size, HIGH);
		sim_assert(conc_exception_code(e) == HIGH);
		if (sim_failures() == 0) {
			const conc_exception *cause = conc_exception_cause(e);

			sim_assert(strcmp(conc_exception_message(e), "high") == 0);
			sim_assert(strcmp(conc_exception_message(cause), "low") == 0);
			sim_assert(conc_exception_code(cause) == LOW);
			sim_assert(conc_exception_pid(e) == pid);
			sim_assert(conc_exception_pid(cause) == pid);
		}
		conc_exception_release(e);
	}
	discard(wire.reports[0]);
	if (pid > 0)
		(void)reap(pid);
	conc__reader_fini(&reader);
	conc__close(wire.reports[0]);
}
