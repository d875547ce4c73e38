/* SPDX-License-Identifier: MIT */
#ifndef CONC_TESTS_ZYGOTE_H
#define CONC_TESTS_ZYGOTE_H

/*
 * A test as the host of a zygote and its workers, without a pool.
 */
#include "base/process.h"
#include "process/page.h"
#include "process/wire.h"
#include "process/zygote.h"
#include "tests/common.h"
#include <conc/executor.h>
#include <signal.h>
#include <sys/mman.h>

enum { SLOTS = 3 };

static struct conc__zygote zygote;
#define PLAN {.name = "tests", .slots = SLOTS}
static struct conc__zygote_plan plan = PLAN; /* tests add to it before they open */

struct worker {
	int slot, pid;
	uint64_t incarnation, seq;
	int fds[CONC__SPAWNED_FDS];
	struct conc__reader reader;
};

static inline void
open_zygote(void)
{
	plan.pages = conc__shared_map(SLOTS * sizeof *plan.pages);
	ck_assert_ptr_nonnull(plan.pages);
	ck_assert_int_eq(conc__zygote_start(&zygote, &plan), 0);
	ck_assert_int_eq(zygote.pid == 0, plan.detached);
}

static inline void
close_zygote(void)
{
	conc__zygote_end(&zygote);
	ck_assert_int_eq(zygote.control, -1);
	conc__shared_unmap(plan.pages, SLOTS * sizeof *plan.pages);
	plan = (struct conc__zygote_plan)PLAN;
}

static inline void
tell(uint32_t type, int slot, uint64_t incarnation)
{
	ck_assert_int_eq(conc__zygote_tell(&zygote,
			     &(struct conc__control){.type = type,
				 .slot = (uint32_t)slot,
				 .incarnation = incarnation}),
	    0);
}

static inline void
await(int fd, short what)
{
	struct conc__poll p = {.fd = fd, .wanted = what};

	while (conc__poll(&p, 1, CONC_FOREVER) < 1)
		;
}

/* The zygote's next message, which must be of this type. */
static inline struct conc__control
hear(uint32_t type, int fds[CONC__SPAWNED_FDS])
{
	struct conc__control m;
	int rc;

	while ((rc = conc__zygote_hear(&zygote, &m, fds)) == -EAGAIN)
		await(zygote.control, CONC__READABLE);
	ck_assert_int_eq(rc, 1);
	ck_assert_int_eq(m.type, type);
	return m;
}

/* Spawn one, which has not yet said that it is ready. */
static inline struct worker
spawn_only(int slot)
{
	static uint64_t incarnations;
	struct worker w = {.slot = slot, .incarnation = ++incarnations};
	struct conc__control m;

	tell(CONC__CONTROL_SPAWN, slot, w.incarnation);
	m = hear(CONC__CONTROL_SPAWNED, w.fds);
	ck_assert_int_eq(m.slot, slot);
	ck_assert_uint_eq(m.incarnation, w.incarnation);
	ck_assert_int_gt(m.pid, 0);
	w.pid = m.pid;
	return w;
}

/* Its next report; NULL: the pipe is at its end. */
static inline const struct conc__report *
report(struct worker *w, const void **payload)
{
	const void *ignored;
	int rc;

	while ((rc = conc__reader_next(&w->reader, w->fds[CONC__REPORTS_READ],
		    payload != NULL ? payload : &ignored)) == -EAGAIN)
		await(w->fds[CONC__REPORTS_READ], CONC__READABLE);
	ck_assert(rc == 1 || rc == -EPIPE);
	return rc == 1 ? &w->reader.head : NULL;
}

static inline struct worker
spawn(int slot)
{
	struct worker w = spawn_only(slot);

	ck_assert_int_eq(report(&w, NULL)->type, CONC__REPORT_READY);
	return w;
}

/* Its next report is a failure of this type: the exception, the caller's. */
static inline conc_exception *
failure(struct worker *w, uint32_t type)
{
	const void *payload;
	const struct conc__report *r = report(w, &payload);
	conc_exception *e;

	ck_assert_int_eq(r->type, type);
	e = conc__exception_unpack(payload, (size_t)r->size, r->code);
	ck_assert_ptr_nonnull(e);
	ck_assert_int_eq(conc_exception_code(e), r->code);
	return e;
}

static inline void
push(int fd, const void *p, size_t size)
{
	while (size > 0) {
		int64_t put = conc__write(fd, p, size);

		if (put > 0) {
			p = (const char *)p + put;
			size -= (size_t)put;
		} else if (put == -EAGAIN) {
			await(fd, CONC__WRITABLE);
		} else {
			ck_assert_int_eq(put, -EINTR);
		}
	}
}

static inline conc__atomic_u64 *
claim_of(const struct worker *w)
{
	return &plan.pages[w->slot].claims[w->seq % CONC__RING];
}

/* Write an order, whose argument bears no name; its claim is state. */
static inline void
order_as(struct worker *w, struct conc__order o, const void *args, enum conc__claim state)
{
	o.seq = ++w->seq;
	o.size = o.arg_size * (o.type == CONC__ORDER_CHUNK ? o.count : 1);
	/* pairs with the worker's swap; relaxed would do: the write comes after */
	conc__store_release(claim_of(w), conc__claim_word(o.seq, state));
	push(w->fds[CONC__TASKS_WRITE], &o, sizeof o);
	push(w->fds[CONC__TASKS_WRITE], args, (size_t)o.size);
}

static inline void
order(struct worker *w, conc_fn *fn, const void *arg, size_t arg_size, size_t result_size)
{
	order_as(w,
	    (struct conc__order){.type = CONC__ORDER_TASK,
		.fn = (uintptr_t)fn,
		.arg_size = arg_size,
		.result_size = result_size},
	    arg, CONC__CLAIM_PENDING);
}

/* The state of the worker's last order. */
static inline enum conc__claim
state_of(struct worker *w)
{
	/* pairs with the worker's swap */
	return conc__load_acquire(claim_of(w)) & CONC__CLAIM_STATE;
}

static inline bool
runs(void *w)
{
	return state_of(w) == CONC__CLAIM_RUNNING;
}

/* Ask its last order, once it runs, to stop. */
static inline void
ask(struct worker *w)
{
	uint64_t word = conc__claim_word(w->seq, CONC__CLAIM_RUNNING);

	eventually(runs, w);
	/* relaxed would do: a wish; pairs with the worker's loads */
	ck_assert(conc__cas_acq_rel(
	    claim_of(w), &word, conc__claim_word(w->seq, CONC__CLAIM_ASKED)));
}

/* It has died: how?  Its pipes are at their end. */
static inline struct conc__process_end
bury(struct worker *w)
{
	int none[CONC__SPAWNED_FDS];
	struct conc__control m = hear(CONC__CONTROL_DIED, none);

	ck_assert_int_eq(m.slot, w->slot);
	ck_assert_int_eq(m.pid, w->pid);
	ck_assert_uint_eq(m.incarnation, w->incarnation);
	ck_assert_ptr_null(report(w, NULL));
	conc__reader_fini(&w->reader);
	for (int i = 0; i < CONC__SPAWNED_FDS; i++)
		conc__close(w->fds[i]);
	return m.end;
}

/* Say BYE to it. */
static inline void
dismiss(struct worker *w)
{
	struct conc__order bye = {.type = CONC__ORDER_BYE};
	struct conc__process_end end;

	push(w->fds[CONC__TASKS_WRITE], &bye, sizeof bye);
	end = bury(w);
	ck_assert_int_eq(end.signal, 0);
	ck_assert_int_eq(end.exit_status, 0);
}

#endif
