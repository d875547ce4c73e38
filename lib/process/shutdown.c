/* SPDX-License-Identifier: MIT */
/*
 * The end of a process pool.  Shutdown is a message to the dispatcher, which
 * alone says goodbye to workers and sees them go.
 */
#include "base/clock.h"
#include "base/memory.h"
#include "process/pool.h"

bool
conc__process_finished(const struct conc__process_pool *p)
{
	if (p->mode == CONC__OPEN || p->unfinished > 0)
		return false;
	/* Without a fini to run, the zygote's end is that of its workers. */
	for (const struct conc__brood *b = p->brood; b != NULL; b = b->next)
		if (p->options.fini != NULL ? !conc__brood_empty(b) : !conc__brood_quiet(b))
			return false;
	return true;
}

static void
begin(struct conc__process_pool *p, conc_shutdown_how how)
{
	enum conc__mode mode = (enum conc__mode)how + 1;

	if (p->mode < mode)
		p->mode = mode;
	conc__condition_broadcast(&p->room); /* blocked submitters are refused */
	conc__process_ring(p);
	if (!conc__process_finished(p))
		return;
	/* Nothing is left to be done: the zygotes may go, and the dispatcher sees them off. */
	for (struct conc__brood *b = p->brood; b != NULL; b = b->next)
		(void)conc__zygote_tell(
		    &b->zygote, &(struct conc__control){.type = CONC__CONTROL_QUIT});
}

int
conc__process_shutdown(conc_executor *ex, conc_shutdown_how how, conc_time deadline)
{
	struct conc__process_pool *p = (struct conc__process_pool *)ex;
	int rc = 0;

	conc__mutex_lock(&p->lock);
	begin(p, how);
	if (conc__executor_inside(&p->executor))
		rc = -EDEADLK;
	while (rc == 0 && !p->ended) {
		rc = conc__may_block(deadline);
		if (rc == 0) /* woken by the dispatcher's last */
			(void)conc__condition_wait(&p->over, &p->lock, deadline);
	}
	conc__mutex_unlock(&p->lock);
	return rc;
}

static void
free_rest(struct conc__process_pool *p)
{
	conc_exception_release(p->broken);
	if (p->helpers_bell >= 0)
		(void)conc__close(p->helpers_bell);
	if (p->bell >= 0)
		(void)conc__close(p->bell);
	conc__free((void *)(uintptr_t)p->options.keep_fds);
	conc__free(p->polls);
	conc__free(p->polled);
	conc__executor_fini(&p->executor);
	conc__free(p);
}

void
conc__process_free(struct conc__process_pool *p)
{
	conc__process_drop_broods(p);
	conc__monitor_destroy(&p->lock, &p->room, &p->over);
	free_rest(p);
}

static void
leave_all(struct conc__slot *s)
{
	struct conc__task *t;

	for (uint64_t seq = s->oldest; seq <= s->sent; seq++)
		if ((t = s->ring[seq % CONC__RING].task) != NULL)
			conc__future_leave(&t->future);
}

/*
 * In the child of a fork, or in a worker: there is no dispatcher, and the lock
 * may be held for ever.  Only free; the zygote and the workers are the
 * parent's.
 */
static void
free_forked(struct conc__process_pool *p)
{
	struct conc__brood *b;
	struct conc__task *t;

	if (conc__mutex_try(&p->lock)) {
		while ((t = conc__queue_pop(&p->queue, false)) != NULL)
			conc__future_leave(&t->future);
		while ((b = p->brood) != NULL) {
			p->brood = b->next;
			for (int i = 0; i < b->n; i++)
				leave_all(&b->slots[i]);
			(void)conc__close(b->zygote.control);
			b->zygote.control = -1;
			conc__brood_destroy(b);
		}
		conc__thread_forget(p->dispatcher);
		conc__mutex_unlock(&p->lock);
	}
	free_rest(p);
}

void
conc__process_destroy(conc_executor *ex)
{
	struct conc__process_pool *p = (struct conc__process_pool *)ex;
	bool ended;

	if (conc__forked(ex->generation)) {
		free_forked(p);
		return;
	}
	if (conc__executor_inside(&p->executor) || conc__self()->callbacks > 0) {
		/* Nobody can wait here. */
		conc__mutex_lock(&p->lock);
		begin(p, CONC_DRAIN);
		ended = p->ended;
		p->orphan = !ended;
		conc__mutex_unlock(&p->lock);
		if (!ended)
			return;
	} else {
		(void)conc__process_shutdown(ex, CONC_DRAIN, CONC_FOREVER);
	}
	conc__thread_join(p->dispatcher);
	conc__process_free(p);
}
