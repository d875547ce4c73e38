/* SPDX-License-Identifier: MIT */
/*
 * A worker process's end of its report pipe, which several threads write to.
 */
#include "process/outlet.h"
#include "base/fork.h"
#include "base/memory.h"

static bool
send_record(struct conc__log_sink *sink, const conc_log_record *record)
{
	struct conc__outlet *o = (struct conc__outlet *)sink;
	conc_log_record mine = *record;
	int rc;

	if (conc__forked(o->generation)) /* and the lock may be held for ever */
		return false;
	if (mine.worker < 0) /* a thread that a task has started */
		mine.worker = o->slot;
	conc__lock_acquire(&o->lock, CONC__RANK_REPORTS);
	rc = conc__record_write(o->fd, &mine);
	conc__lock_release(&o->lock, CONC__RANK_REPORTS);
	return rc == 0;
}

void
conc__outlet_open(struct conc__outlet *o)
{
	o->sink.send = send_record;
	conc__log_divert(&o->sink);
}

void
conc__outlet_shut(struct conc__outlet *o)
{
	conc__lock_acquire(&o->lock, CONC__RANK_REPORTS);
}

int
conc__outlet_report(struct conc__outlet *o, const struct conc__report *r, const void *payload)
{
	int rc;

	conc__lock_acquire(&o->lock, CONC__RANK_REPORTS);
	rc = conc__report_write(o->fd, r, payload);
	conc__lock_release(&o->lock, CONC__RANK_REPORTS);
	return rc;
}

int
conc__outlet_failure(
    struct conc__outlet *o, const struct conc__report *report, conc_exception *e)
{
	struct conc__report r = *report;
	size_t size;
	void *packed = conc__exception_pack(e, &size);
	int rc;

	if (packed != NULL)
		r.size = size;
	rc = conc__outlet_report(o, &r, packed);
	conc__free(packed);
	conc_exception_release(e);
	return rc;
}
