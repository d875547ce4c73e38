/* SPDX-License-Identifier: MIT */
/*
 * A worker process: it settles, runs init, then takes orders one after the
 * other until it is said BYE, or a pipe is at its end.
 */
#include "process/worker.h"
#include "base/fork.h"
#include "base/memory.h"
#include "base/raise.h"
#include "base/self.h"
#include "base/spin.h"
#include "base/thread.h"
#include "process/run.h"
#include <string.h>

/* What has been read of the task pipe and not been taken. */
struct inlet {
	int fd;
	unsigned char *buf; /* of SIZE bytes */
	size_t begin, end;
	struct conc__block large; /* for a payload that buf is too small for */
	struct conc__page *page;
	struct conc__spin spin;
	uint64_t seq; /* the last order that was taken */
};
enum { SIZE = 64 * 1024, ALIGN = _Alignof(max_align_t) };

_Static_assert(sizeof(struct conc__order) > ALIGN, "a payload has room to be moved down");

/* Read what has come, when something has. */
static int64_t
fill(struct inlet *in)
{
	if (in->begin == in->end) /* between two orders: the next one may be near */
		(void)conc__spin_beyond(&in->spin, &in->page->posted, in->seq);
	/* Woken by what the host writes, or by the end of the pipe. */
	return conc__read(in->fd, in->buf + in->end, SIZE - in->end);
}

/* Let at least size bytes be in buf, which are no more than it holds.  0, -EPIPE, ... */
static int
want(struct inlet *in, size_t size)
{
	if (in->begin == in->end)
		in->begin = in->end = 0;
	if (SIZE - in->begin < size) {
		in->end -= in->begin;
		memmove(in->buf, in->buf + in->begin, in->end);
		in->begin = 0;
	}
	while (in->end - in->begin < size) {
		int64_t got = fill(in);

		if (got > 0)
			in->end += (size_t)got;
		else if (got != -EINTR)
			return got == 0 ? -EPIPE : (int)got;
	}
	return 0;
}

/* Take a payload that is too large for buf into a block; NULL: it was skipped. */
static int
take_large(struct inlet *in, size_t size, void **payload)
{
	unsigned char *to = size < SIZE_MAX ? conc__block_fit(&in->large, size + 1) : NULL;
	size_t have = in->end - in->begin;
	int rc = 0;

	*payload = to;
	if (to != NULL) {
		memcpy(to, in->buf + in->begin, have);
		in->begin = in->end;
		return conc__read_whole(in->fd, to + have, size - have);
	}
	for (; size > have && rc == 0; have = in->end - in->begin) {
		size -= have;
		in->begin = in->end;
		rc = want(in, 1);
	}
	in->begin += size;
	return rc;
}

/*
 * The next order.  *payload, aligned for any type, with a zero byte behind it,
 * and *name are there until the next call; NULL: none, or no memory.
 */
static int
next_order(struct inlet *in, struct conc__order *o, void **payload, const char **name)
{
	int rc = want(in, sizeof *o);

	*payload = NULL;
	*name = NULL;
	if (rc != 0)
		return rc;
	memcpy(o, in->buf + in->begin, sizeof *o);
	if (o->size > SIZE - sizeof *o) {
		in->begin += sizeof *o;
		rc = take_large(in, (size_t)o->size, payload);
	} else if (o->size > 0) {
		rc = want(in, sizeof *o + (size_t)o->size);
		/* Down over the head, by one byte at least, which leaves room for the zero. */
		*payload = in->buf + (in->begin + sizeof *o - 1) / ALIGN * ALIGN;
		if (rc == 0)
			memmove(*payload, in->buf + in->begin + sizeof *o, (size_t)o->size);
		in->begin += sizeof *o + (size_t)o->size;
	} else {
		in->begin += sizeof *o;
	}
	if (rc == 0 && *payload != NULL) {
		((char *)*payload)[o->size] = 0;
		if (o->name_size > 0)
			*name = (char *)*payload + (o->size - o->name_size);
	}
	return rc;
}

static int
settle(const struct conc__worker_start *s)
{
	const struct conc__zygote_plan *plan = s->plan;
	char name[CONC__NAME];

	conc__numbered_name(name, plan->name, s->slot);
	return conc__process_settle(&(struct conc__process_rules){.name = name,
	    .parent = s->zygote,
	    .settled = true,
	    .group = true,
	    .guard = true,
	    .nice = plan->nice,
	    .memory = plan->memory_limit});
}

static int
call_init(void *arg)
{
	const struct conc__zygote_plan *plan = arg;

	return plan->init != NULL ? plan->init(plan->user) : 0;
}

static int
call_fini(void *arg)
{
	const struct conc__zygote_plan *plan = arg;

	if (plan->fini != NULL)
		plan->fini(plan->user);
	return 0;
}

/* Run init, unless rc says that it cannot, and tell the host.  Return 0: take orders. */
static int
start(struct conc__runner *r, int rc)
{
	struct conc__report report = {.type = CONC__REPORT_READY};

	if (rc == 0)
		rc = conc__run_guarded(r, call_init, (void *)(uintptr_t)r->plan);
	else
		conc_raise_at(rc, NULL, NULL, 0, NULL, "a worker process cannot be set up");
	if (rc == 0)
		return conc__outlet_report(&r->outlet, &report, NULL);
	report.type = CONC__REPORT_INIT_FAILED;
	report.code = rc;
	(void)conc__outlet_failure(&r->outlet, &report, conc__exception_adopt(rc, NULL));
	return rc;
}

int
conc__worker_main(void *arg)
{
	const struct conc__worker_start *s = arg;
	const struct conc__zygote_plan *plan = s->plan;
	struct conc__runner r = {.plan = plan,
	    .page = &plan->pages[s->slot],
	    .outlet = {.fd = s->reports, .slot = s->slot},
	    .wide = plan->pipe_size != 0};
	struct inlet in = {.fd = s->orders, .page = r.page};
	struct conc__self *self = conc__self();
	struct conc__order o;
	void *payload;
	const char *name;
	int rc = settle(s);

	if (rc == -ESRCH)
		return 1;
	if (rc == 0)
		rc = conc__generation(&r.outlet.generation);
	if (rc == 0)
		conc__outlet_open(&r.outlet);
	*self = (struct conc__self){
	    .number = self->number, .executor = plan, .index = s->slot};
	conc__spin_init(&in.spin, s->slot);
	in.buf = conc__malloc(SIZE);
	if (rc == 0 && in.buf == NULL)
		rc = -ENOMEM;
	rc = start(&r, rc);
	while (rc == 0 && (rc = next_order(&in, &o, &payload, &name)) == 0) {
		if (o.type == CONC__ORDER_BYE) {
			(void)conc__run_guarded(&r, call_fini, (void *)(uintptr_t)plan);
			break;
		}
		rc = conc__order_run(&r, &o, payload, name);
		in.seq = o.seq;
		conc__store_relaxed(&r.page->reported, o.seq); /* relaxed: only a hint */
	}
	conc__free(r.room.p);
	conc__free(in.large.p);
	conc__free(in.buf);
	conc_clear();
	/* Threads that tasks have left use r as long as there are any: so it must stay. */
	conc__outlet_shut(&r.outlet);
	conc__process_exit(rc != 0);
}
