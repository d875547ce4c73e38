/* SPDX-License-Identifier: MIT */
/*
 * The door: checks what the program hands in, and passes it on to the engine.
 */
#include "exec/executor.h"
#include "base/clock.h"
#include "base/memory.h"
#include "base/options.h"
#include "base/raise.h"
#include <conc/executor.h>

int
conc__executor_init(conc_executor *ex, const struct conc__engine *engine, const char *name,
    conc_excepthook *hook, void *user)
{
	int rc = conc__generation(&ex->generation);

	if (rc != 0)
		return rc;
	ex->engine = engine;
	ex->name = conc__strdup(name != NULL ? name : "conc");
	return ex->name == NULL ? -ENOMEM : conc__hook_make(&ex->hook, hook, user);
}

void
conc__executor_fini(conc_executor *ex)
{
	conc__hook_release(ex->hook);
	conc__free(ex->name);
}

bool
conc__executor_inside(const conc_executor *ex)
{
	const struct conc__self *self = conc__self();

	return self->executor == ex || conc__frame_within(self, ex);
}

/* Every call on an executor begins so. */
static int
check(const conc_executor *ex)
{
	if (ex == NULL)
		return -EINVAL;
	return conc__forked(ex->generation) ? CONC_EFORKED : 0;
}

static int
check_task(const conc_executor *ex, const conc_task *t)
{
	if (t->fn == NULL || (t->arg == NULL && t->arg_size != 0 && t->arg_size != CONC_BORROW))
		return -EINVAL;
	if (t->retries < 0 || t->time_limit < 0 || t->backoff < 0)
		return -EINVAL;
	if (t->arg_size == CONC_BORROW && !ex->engine->borrows)
		return conc_raise_at(-EINVAL, NULL, NULL, 0, NULL,
		    "CONC_BORROW: this executor's tasks run in other processes");
	return 0;
}

/* ex and what have been checked. */
static int
submit(conc_executor *ex, const conc_task *what, conc_future **future)
{
	conc_time deadline = what->submit_deadline;
	struct conc__task *t;
	int rc;

	rc = conc__task_make(&t, ex, what, future != NULL);
	if (rc != 0)
		return rc;
	if (deadline.ns == 0)
		deadline = CONC_FOREVER;
	rc = ex->engine->submit(ex, t, deadline);
	if (rc != 0) {
		conc__task_unmake(t);
		return rc;
	}
	/* Without a future t may be gone by now. */
	if (future != NULL)
		*future = &t->future;
	return 0;
}

int
conc_submit(conc_executor *ex, conc_fn *fn, const void *arg, size_t arg_size,
    size_t result_size, conc_future **future)
{
	conc_task what = {
	    .fn = fn, .arg = arg, .arg_size = arg_size, .result_size = result_size};
	int rc = check(ex);

	if (rc == 0)
		rc = check_task(ex, &what);
	return rc != 0 ? rc : submit(ex, &what, future);
}

int
conc_submit_task(conc_executor *ex, const conc_task *task, conc_future **future)
{
	conc_task what = CONC_TASK_INIT;
	int rc = check(ex);

	if (rc == 0)
		rc = task == NULL ? -EINVAL
				  : conc__options_read(&what, sizeof what, sizeof what, task);
	if (rc == 0)
		rc = check_task(ex, &what);
	return rc != 0 ? rc : submit(ex, &what, future);
}

int
conc__submit_task(conc_executor *ex, const conc_task *what, conc_future **future)
{
	int rc = check(ex);

	return rc != 0 ? rc : submit(ex, what, future);
}

int
conc_map(conc_executor *ex, conc_fn *fn, size_t n, const void *args, size_t arg_size,
    void *results, size_t result_size, const conc_map_options *options)
{
	conc_map_options o = CONC_MAP_INIT;
	int rc = check(ex);

	if (rc == 0)
		rc = conc__options_read(&o, sizeof o, sizeof o, options);
	if (rc != 0)
		return rc;
	if (fn == NULL || (n > 0 && args == NULL && arg_size > 0) ||
	    (n > 0 && results == NULL && result_size > 0) || o.retries < 0 ||
	    o.time_limit < 0 || o.backoff < 0 || (unsigned)o.stop_on_failure > 1)
		return -EINVAL;
	/* No array is that large, and one is not borrowed. */
	if (arg_size == CONC_BORROW || (arg_size > 0 && n > SIZE_MAX / arg_size) ||
	    (result_size > 0 && n > SIZE_MAX / result_size))
		return -EINVAL;
	return (ex->engine->map != NULL ? ex->engine->map : conc__map)(
	    ex, fn, n, args, arg_size, results, result_size, &o);
}

int
conc_shutdown(conc_executor *ex, conc_shutdown_how how, conc_time deadline)
{
	int rc = check(ex);

	if (rc != 0)
		return rc;
	return (unsigned)how > CONC_KILL ? -EINVAL : ex->engine->shutdown(ex, how, deadline);
}

void
conc_executor_destroy(conc_executor *ex)
{
	if (ex != NULL)
		ex->engine->destroy(ex);
}

int
conc_executor_resize(conc_executor *ex, int n)
{
	int rc = check(ex);

	return rc != 0 ? rc : ex->engine->resize(ex, n);
}

int
conc_executor_workers(conc_executor *ex)
{
	int rc = check(ex);

	return rc != 0 ? rc : ex->engine->workers(ex);
}

int
conc_executor_stats(conc_executor *ex, conc_stats *stats)
{
	conc_stats s = CONC_STATS_INIT;
	int rc = check(ex);

	if (rc != 0)
		return rc;
	if (stats == NULL || stats->size < sizeof s)
		return -EINVAL;
	if (stats->size > sizeof s)
		return -E2BIG;
	ex->engine->stats(ex, &s);
	*stats = s;
	return 0;
}

/* The innermost frame, if it is a task's. */
static struct conc__frame *
task_frame(void)
{
	struct conc__frame *frame = conc__self()->frame;

	return frame != NULL && !frame->callback ? frame : NULL;
}

bool
conc_cancelled(void)
{
	const struct conc__frame *frame = task_frame();

	if (frame == NULL)
		return false;
	return conc__frame_asked(frame) || (frame->limit != 0 && conc__now() >= frame->limit);
}

size_t
conc_arg_size(void)
{
	const struct conc__frame *frame = task_frame();

	return frame != NULL ? frame->arg_size : 0;
}

const char *
conc_task_name(void)
{
	const struct conc__frame *frame = task_frame();

	return frame != NULL ? frame->name : NULL;
}

int
conc_worker_index(void)
{
	const struct conc__self *self = conc__self();
	const struct conc__frame *frame = task_frame();

	if (self->frame == NULL) /* init, fini, or nobody's */
		return self->executor != NULL ? self->index : -1;
	return frame != NULL && frame->executor == self->executor ? self->index : -1;
}

void *
conc_result_alloc(size_t size)
{
	struct conc__frame *frame = task_frame();
	void *room;

	if (frame == NULL || frame->item)
		return NULL;
	room = conc__calloc(1, size);
	if (room == NULL)
		return NULL;
	conc__free(frame->room);
	frame->room = room;
	frame->room_size = size;
	return room;
}
