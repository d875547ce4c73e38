/* SPDX-License-Identifier: MIT */
/*
 * The zygote and one worker, with the scenario as their host: whoever dies at
 * whatever point, the others hear of it, and nothing is left.
 */
#include "sim.h"
#include "base/process.h"
#include "process/page.h"
#include "process/wire.h"
#include "process/zygote.h"
#include <conc/executor.h>

enum { ITEMS = 4 };

struct stage {
	struct conc__zygote zygote;
	struct conc__zygote_plan plan;
	int fds[CONC__SPAWNED_FDS];
	int pid;
	bool spawned, refused, died, gone; /* gone: the zygote */
	bool ready, deaf, unfit;           /* deaf: the report pipe has ended */
	struct conc__process_end end;
	struct conc__reader reader;
	uint64_t seq;      /* of the last order */
	uint64_t reported; /* the last order with a report */
	uint64_t skipped;  /* the order that was revoked */
	uint64_t items;
	int cancelled, failures;
};

static int
square(const void *arg, void *result)
{
	int n = *(const int *)arg;

	sim_pause();
	*(int *)result = n * n;
	return 0;
}

static int
until_asked(const void *arg, void *result)
{
	(void)arg, (void)result;
	while (!conc_cancelled())
		sim_pause();
	return -ECANCELED;
}

static int
item(const void *arg, void *result)
{
	(void)square(arg, result);
	return *(const int *)arg == 2 ? conc_raise(2, "two") : 0;
}

static bool
open_stage(struct stage *s, int detached)
{
	int rc;

	memset(s, 0, sizeof *s);
	s->plan.detached = detached;
	s->plan.name = "sim";
	s->plan.slots = 1;
	s->plan.pages = conc__shared_map(sizeof *s->plan.pages);
	if (s->plan.pages == NULL) {
		sim_assert(sim_sweeping());
		return false;
	}
	rc = conc__zygote_start(&s->zygote, &s->plan);
	if (rc != 0) {
		sim_assert(sim_sweeping());
		conc__shared_unmap(s->plan.pages, sizeof *s->plan.pages);
		return false;
	}
	return true;
}

static void
close_stage(struct stage *s)
{
	conc__zygote_end(&s->zygote);
	conc__reader_fini(&s->reader);
	for (int i = 0; s->spawned && i < CONC__SPAWNED_FDS; i++)
		conc__close(s->fds[i]);
	conc__shared_unmap(s->plan.pages, sizeof *s->plan.pages);
}

static void
take_message(struct stage *s, const struct conc__control *m, const int *fds)
{
	sim_assert(m->slot == 0 && m->incarnation == 1);
	switch (m->type) {
	case CONC__CONTROL_SPAWNED:
		sim_assert(!s->spawned && !s->refused && !s->died);
		s->spawned = true;
		s->pid = m->pid;
		memcpy(s->fds, fds, sizeof s->fds);
		break;
	case CONC__CONTROL_REFUSED:
		sim_assert(sim_sweeping() && !s->spawned);
		s->refused = true;
		break;
	default:
		sim_assert(m->type == CONC__CONTROL_DIED && (s->spawned || s->refused));
		sim_assert(!s->died && (!s->spawned || m->pid == s->pid));
		s->died = true;
		s->end = m->end;
	}
}

static void
take_report(struct stage *s, const void *payload)
{
	const struct conc__report *r = &s->reader.head;

	switch (r->type) {
	case CONC__REPORT_READY:
		sim_assert(!s->ready);
		s->ready = true;
		return;
	case CONC__REPORT_INIT_FAILED:
		sim_assert(sim_sweeping());
		s->unfit = true;
		return;
	case CONC__REPORT_ITEM_FAILURE:
		sim_assert(r->item == 2 && r->code == 2 && r->seq == s->seq);
		s->failures++;
		return;
	case CONC__REPORT_RESULT:
		sim_assert(r->size == sizeof(int) && (payload != NULL || sim_sweeping()));
		sim_assert(payload == NULL || *(const int *)payload == (int)(r->seq * r->seq));
		break;
	case CONC__REPORT_DONE:
		s->items = r->item;
		sim_assert(r->item <= ITEMS);
		break;
	case CONC__REPORT_CANCELLED:
		s->cancelled++;
		break;
	default:
		sim_assert(r->type == CONC__REPORT_FAILURE && r->code == -ENOMEM &&
		    sim_sweeping());
	}
	/* Each order is reported once, in order; but for the one that was revoked. */
	sim_assert(r->seq != s->skipped);
	sim_assert(r->seq == s->reported + 1 + (s->reported + 1 == s->skipped));
	s->reported = r->seq;
}

/* Take all that is there; if there is nothing, wait for more, or until we can write. */
static void
pump(struct stage *s, bool write)
{
	struct conc__poll p[3] = {{.fd = s->gone ? -1 : s->zygote.control},
	    {.fd = s->spawned && !s->deaf ? s->fds[CONC__REPORTS_READ] : -1},
	    {.fd = write ? s->fds[CONC__TASKS_WRITE] : -1, .wanted = CONC__WRITABLE}};
	struct conc__control m;
	int fds[CONC__SPAWNED_FDS], rc;
	const void *payload;

	p[0].wanted = p[1].wanted = CONC__READABLE;
	if (conc__poll(p, 3, CONC_FOREVER) < 0)
		return;
	while (p[0].ready && (rc = conc__zygote_hear(&s->zygote, &m, fds)) != -EAGAIN) {
		sim_assert(rc == 1 || rc == -EPIPE);
		if (rc == -EPIPE) {
			s->gone = true;
			break;
		}
		take_message(s, &m, fds);
	}
	while (p[1].ready &&
	    (rc = conc__reader_next(&s->reader, s->fds[CONC__REPORTS_READ], &payload)) !=
		-EAGAIN) {
		sim_assert(rc == 1 || rc == -EPIPE || (rc == -ENOMEM && sim_sweeping()));
		if (rc != 1) {
			s->deaf = true;
			break;
		}
		take_report(s, payload);
	}
}

/* Can nothing more come of the worker? */
static bool
lost(const struct stage *s)
{
	return s->unfit || s->deaf || s->refused || (s->gone && !s->spawned);
}

static bool
spawn(struct stage *s)
{
	const struct conc__control m = {.type = CONC__CONTROL_SPAWN, .incarnation = 1};

	s->gone = conc__zygote_tell(&s->zygote, &m) != 0;
	while (!s->ready && !lost(s))
		pump(s, false);
	sim_assert(!lost(s) || s->gone || s->died || s->deaf || sim_sweeping());
	return s->ready;
}

static void
push(struct stage *s, const void *p, size_t size)
{
	while (size > 0 && !lost(s)) {
		int64_t put = conc__write(s->fds[CONC__TASKS_WRITE], p, size);

		if (put > 0) {
			p = (const char *)p + put;
			size -= (size_t)put;
		} else {
			sim_assert(put == -EAGAIN || put == -EINTR);
			pump(s, true);
		}
	}
}

static conc__atomic_u64 *
claim_of(const struct stage *s)
{
	return &s->plan.pages->claims[s->seq % CONC__RING];
}

static void
give(struct stage *s, conc_fn *fn, const int *args, uint32_t count)
{
	struct conc__order o = {.type = count > 1 ? CONC__ORDER_CHUNK : CONC__ORDER_TASK,
	    .count = count,
	    .seq = ++s->seq,
	    .fn = (uintptr_t)fn,
	    .arg_size = sizeof *args,
	    .result_size = sizeof *args,
	    .size = count * sizeof *args};

	/* pairs with the worker's swap */
	conc__store_release(claim_of(s), conc__claim_word(s->seq, CONC__CLAIM_PENDING));
	push(s, &o, sizeof o);
	push(s, args, (size_t)o.size);
}

static void
give_task(struct stage *s)
{
	give(s, square, &(int){(int)s->seq + 1}, 1);
}

static bool
swap(struct stage *s, enum conc__claim from, enum conc__claim to)
{
	uint64_t word = conc__claim_word(s->seq, from);

	/* pairs with the worker's swap: one wins */
	return conc__cas_acq_rel(claim_of(s), &word, conc__claim_word(s->seq, to));
}

static void
bye(struct stage *s)
{
	const struct conc__order o = {.type = CONC__ORDER_BYE};

	push(s, &o, sizeof o);
	while (!s->gone && !(s->died && s->deaf) && !s->refused && !(s->died && s->unfit))
		pump(s, false);
}

SIM_SCENARIO(zygote_spawn_run_bye)
{
	struct stage s;

	if (!open_stage(&s, 0))
		return;
	if (spawn(&s)) {
		give_task(&s);
		give_task(&s);
		bye(&s);
		sim_assert(sim_sweeping() || (s.reported == 2 && s.end.exit_status == 0));
	}
	close_stage(&s);
}

/* It dies at any point: at most one order is claimed and not reported, the last claimed one. */
SIM_SCENARIO(zygote_worker_killed)
{
	struct stage s;

	if (!open_stage(&s, 0))
		return;
	if (spawn(&s)) {
		sim_kill_at_random(s.pid);
		for (int i = 0; i < 3; i++)
			give_task(&s);
		bye(&s);
		for (uint64_t seq = s.reported + 1; seq <= 3 && s.died; seq++) {
			/* relaxed: it is dead */
			uint64_t word = conc__load_relaxed(&s.plan.pages->claims[seq]);

			sim_assert(word == 0 || word >> 2 == seq);
			sim_assert((word & CONC__CLAIM_STATE) == CONC__CLAIM_PENDING ||
			    seq == s.reported + 1);
		}
		sim_assert(s.end.signal == 0 || s.end.signal == 9);
		sim_assert(s.end.signal == 9 || s.reported == 3 || sim_sweeping());
	}
	close_stage(&s);
}

/* The host kills it, which may have ended already, or be about to. */
SIM_SCENARIO(zygote_told_to_kill)
{
	const struct conc__control m = {.type = CONC__CONTROL_KILL, .incarnation = 1};
	struct stage s;

	if (!open_stage(&s, 0))
		return;
	if (spawn(&s)) {
		give_task(&s);
		(void)conc__zygote_tell(&s.zygote, &m);
		while (!s.gone && !(s.died && s.deaf))
			pump(&s, false);
		sim_assert(s.gone || s.end.signal == 9 || sim_sweeping());
	}
	close_stage(&s);
}

SIM_SCENARIO(zygote_killed)
{
	struct stage s;

	if (!open_stage(&s, 0))
		return;
	sim_kill_at_random(s.zygote.pid);
	if (spawn(&s)) {
		give_task(&s);
		give_task(&s);
		sim_assert(conc__process_signal(s.zygote.pid, 9) == 0);
		while (!s.gone || !s.deaf)
			pump(&s, false); /* a worker that is left would be a deadlock */
		sim_assert(s.reported <= 2);
	}
	close_stage(&s);
}

/* The host lets go at once, whatever is on its way. */
SIM_SCENARIO(zygote_end_at_once)
{
	const struct conc__control m = {.type = CONC__CONTROL_SPAWN, .incarnation = 1};
	struct stage s;

	if (!open_stage(&s, (int)sim_random(2)))
		return;
	(void)conc__zygote_tell(&s.zygote, &m);
	close_stage(&s);
}

/* No worker outlives the end, not for a moment. */
SIM_SCENARIO(zygote_end_of_a_worker)
{
	struct stage s;

	if (!open_stage(&s, (int)sim_random(2)))
		return;
	if (spawn(&s))
		give(&s, until_asked, &(int){0}, 1);
	close_stage(&s);
	sim_assert(s.pid == 0 || conc__process_signal(s.pid, 0) == -ESRCH || sim_sweeping());
}

/* The host as a process of its own, which vanishes; all hold a pipe's end until they end. */
static int
be_host(void *arg)
{
	struct stage *s = arg;

	if (!open_stage(s, (int)sim_random(2)))
		return 0;
	if (spawn(s))
		for (int i = 0; i < 2; i++)
			give_task(s);
	if (s->ready && !lost(s))
		give(s, until_asked, &(int){0}, 1);
	conc__process_exit(0);
}

SIM_SCENARIO(zygote_host_gone)
{
	struct conc__process_end end;
	struct stage s;
	int ends[2], pid;
	char byte;

	if (conc__pipe(ends) != 0) {
		sim_assert(sim_sweeping());
		return;
	}
	pid = conc__process_start(be_host, &s);
	conc__close(ends[1]);
	if (pid > 0) {
		sim_kill_at_random(pid);
		while (conc__process_reap(pid, &end, 1) == -EINTR)
			;
		while (conc__read(ends[0], &byte, 1) != 0)
			;
	}
	conc__close(ends[0]);
}

/* An order is run or revoked, never both, and never neither. */
SIM_SCENARIO(zygote_revoke)
{
	struct stage s;
	bool revoked;

	if (!open_stage(&s, 0))
		return;
	if (spawn(&s)) {
		give_task(&s);
		give_task(&s);
		revoked = swap(&s, CONC__CLAIM_PENDING, CONC__CLAIM_REVOKED);
		if (revoked)
			s.skipped = s.seq;
		give_task(&s);
		bye(&s);
		sim_assert(s.reported == 3 || sim_sweeping());
	}
	close_stage(&s);
}

SIM_SCENARIO(zygote_asked)
{
	struct stage s;

	if (!open_stage(&s, 0))
		return;
	if (spawn(&s)) {
		give(&s, until_asked, &(int){0}, 1);
		while (!swap(&s, CONC__CLAIM_RUNNING, CONC__CLAIM_ASKED) && !lost(&s))
			sim_pause();
		bye(&s);
		sim_assert(s.cancelled == 1 || sim_sweeping());
	}
	close_stage(&s);
}

/* Of a chunk's items it is known which have ended, and with what. */
SIM_SCENARIO(zygote_chunk)
{
	const int args[ITEMS] = {1, 3, 2, 5};
	const unsigned char *area;
	struct stage s;
	uint64_t done;

	if (!open_stage(&s, 0))
		return;
	if (spawn(&s)) {
		if (sim_random(2))
			sim_kill_at_random(s.pid);
		give(&s, item, args, ITEMS);
		bye(&s);
		/* pairs with the worker's store: results and codes are there */
		done = conc__load_acquire(&s.plan.pages->done);
		area = s.plan.pages->areas[0];
		sim_assert(done <= ITEMS && (done == s.items || s.reported == 0));
		sim_assert(done == ITEMS || s.end.signal == 9 || sim_sweeping());
		for (uint64_t i = 0; i < done && !sim_sweeping(); i++) {
			int result, code;

			memcpy(&result, area + i * sizeof result, sizeof result);
			memcpy(&code,
			    area + conc__area_codes(ITEMS, sizeof result) + i * sizeof code,
			    sizeof code);
			sim_assert(result == args[i] * args[i]);
			sim_assert(code == (i == 2 ? 2 : 0));
		}
		sim_assert(s.failures <= (done > 2) || sim_sweeping());
	}
	close_stage(&s);
}
