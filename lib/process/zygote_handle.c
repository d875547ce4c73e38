/* SPDX-License-Identifier: MIT */
/*
 * The host's side of the zygote: start it, talk to it, let it go.
 */
#include "base/process.h"
#include "process/zygote.h"
#include <stdbool.h>

enum { TICK = 20 }; /* ms */

int
conc__zygote_start(struct conc__zygote *z, const struct conc__zygote_plan *plan)
{
	int ends[2], rc = conc__channel(ends);

	if (rc != 0)
		return rc;
	z->start = (struct conc__zygote_start){
	    .plan = plan, .host = conc__process_id(), .control = ends[1], .other = ends[0]};
	rc = conc__nonblocking(ends[0]);
	if (rc == 0 && plan->detached)
		rc = conc__process_start_detached(conc__zygote_main, &z->start);
	else if (rc == 0)
		rc = conc__process_start(conc__zygote_main, &z->start);
	conc__close(ends[1]);
	if (rc < 0) {
		conc__close(ends[0]);
		return rc;
	}
	z->control = ends[0];
	z->pid = rc;
	return 0;
}

int
conc__zygote_tell(struct conc__zygote *z, const struct conc__control *m)
{
	int rc;

	do
		rc = conc__channel_send(z->control, m, sizeof *m, NULL, 0);
	while (rc == -EINTR); /* it does not block */
	return rc;
}

int
conc__zygote_hear(struct conc__zygote *z, struct conc__control *m, int fds[CONC__SPAWNED_FDS])
{
	size_t n = 0;
	int64_t got;

	do
		got = conc__channel_receive(
		    z->control, m, sizeof *m, fds, CONC__SPAWNED_FDS, &n);
	while (got == -EINTR); /* it does not block */
	if (got == sizeof *m && n == (m->type == CONC__CONTROL_SPAWNED ? CONC__SPAWNED_FDS : 0))
		return 1;
	while (got > 0 && n > 0)
		conc__close(fds[--n]);
	if (got == sizeof *m && m->type == CONC__CONTROL_SPAWNED) {
		/* We may have no more descriptors: without them the worker will leave. */
		m->type = CONC__CONTROL_REFUSED;
		m->code = -EMFILE;
		return 1;
	}
	if (got == 0)
		return -EPIPE;
	return got == -EAGAIN ? -EAGAIN : CONC_ECORRUPT;
}

/* Hear all that is to be heard, and forget it.  Return as conc__zygote_hear, without 1. */
static int
drain(struct conc__zygote *z)
{
	struct conc__control m;
	int fds[CONC__SPAWNED_FDS], rc;

	while ((rc = conc__zygote_hear(z, &m, fds)) == 1)
		for (int i = 0; m.type == CONC__CONTROL_SPAWNED && i < CONC__SPAWNED_FDS; i++)
			conc__close(fds[i]);
	return rc;
}

/*
 * Closing the channel would do, if no copy of our end were left: but the
 * program may have forked meanwhile.  Likewise the channel's end is no sure
 * sign of the zygote's, and it must not wait for us to read.
 */
void
conc__zygote_end(struct conc__zygote *z)
{
	const struct conc__control quit = {.type = CONC__CONTROL_QUIT};
	struct conc__process_end end;
	bool told = false;
	int rc = 0;

	if (z->control < 0)
		return;
	while (drain(z) != -EPIPE && rc == 0) {
		struct conc__poll p = {.fd = z->control, .wanted = CONC__READABLE};

		told = told || conc__zygote_tell(z, &quit) != -EAGAIN;
		/* Woken by what it says, by the channel's end, or the tick. */
		(void)conc__poll(&p, 1, conc_after_ms(TICK));
		if (z->pid > 0)
			rc = conc__process_reap(z->pid, &end, 0);
	}
	while (rc == 0 && z->pid > 0 && conc__process_reap(z->pid, &end, 1) == -EINTR)
		; /* woken by its end */
	conc__close(z->control);
	z->control = -1;
	z->pid = 0;
}
