/* SPDX-License-Identifier: MIT */
/*
 * A task's first and last steps, the same for all engines: it is made, it is
 * run, it ends.
 */
#include "exec/task.h"
#include "base/clock.h"
#include "base/memory.h"
#include "base/raise.h"
#include "base/thread.h"
#include "exec/executor.h"
#include <string.h>

/* Arguments and results up to this size lie in the task's own block. */
#define SMALL 256

/* A result of another process that is larger than this comes in a block of its own. */
#define LARGE (32 * 1024)

#define MAX_ALIGN _Alignof(max_align_t)

int
conc__hook_make(struct conc__hook **made, conc_excepthook *call, void *user)
{
	struct conc__hook *h;

	if (call == NULL)
		return 0;
	h = conc__malloc(sizeof *h);
	if (h == NULL)
		return -ENOMEM;
	*h = (struct conc__hook){.call = call, .user = user};
	/* relaxed: not shared yet */
	conc__store_relaxed(&h->refs, 1);
	*made = h;
	return 0;
}

struct conc__hook *
conc__hook_ref(struct conc__hook *h)
{
	/* relaxed: the caller holds a reference, so h cannot go meanwhile */
	(void)conc__add_relaxed(&h->refs, 1);
	return h;
}

void
conc__hook_release(struct conc__hook *h)
{
	/* pairs with itself: all uses of h come before the free */
	if (h != NULL && conc__sub_acq_rel(&h->refs, 1) == 1)
		conc__free(h);
}

static void
free_extras(struct conc__extras *x)
{
	if (x == NULL)
		return;
	conc__hook_release(x->hook);
	conc__free(x->name);
	conc__free(x);
}

static void
free_task(conc_future *f)
{
	struct conc__task *t = (struct conc__task *)f;

	if (t->own_arg)
		conc__free((void *)t->arg);
	free_extras(t->extras);
	conc__free(t);
}

static void
cancel_task(conc_future *f)
{
	struct conc__task *t = (struct conc__task *)f;
	conc_executor *ex = f->executor;

	ex->engine->withdraw(ex, t);
	conc__task_end(t, CONC__CANCELLED, NULL, -1);
}

static int
claim_task(conc_future *f)
{
	conc_executor *ex = f->executor;

	return ex->engine->claim(ex, (struct conc__task *)f);
}

static int64_t
due_of_task(const conc_future *f)
{
	/* relaxed: the phase, which was acquired, orders it; a later retry's may be seen */
	return (int64_t)conc__load_relaxed(&((struct conc__task *)f)->since);
}

static void
hook_of_task(const conc_future *f, conc_excepthook **hook, void **user)
{
	const struct conc__extras *x = ((const struct conc__task *)f)->extras;

	if (x != NULL && x->hook != NULL) {
		*hook = x->hook->call;
		*user = x->hook->user;
	}
}

static int
revoke_task(conc_future *f)
{
	conc_executor *ex;

	if (!conc__future_hold(f))
		return -EAGAIN;
	ex = f->executor;
	return ex->engine->revoke(ex, (struct conc__task *)f);
}

static bool
task_has_begun(conc_future *f)
{
	conc_executor *ex;
	bool begun;

	if (!conc__future_hold(f))
		return false;
	ex = f->executor;
	begun = ex->engine->begun(ex, (struct conc__task *)f);
	conc__future_let_go(f);
	return begun;
}

static void
help_task(conc_future *f, conc_time deadline)
{
	conc_executor *ex;

	if (!conc__future_hold(f))
		return;
	ex = f->executor;
	ex->engine->help(ex, (struct conc__task *)f, deadline);
}

static int
kill_task(conc_future *f)
{
	conc_executor *ex;
	int rc;

	do { /* again if it ended, or was put back, between the two steps */
		rc = conc_future_cancel(f);
		if (rc != -EINPROGRESS)
			return rc;
		rc = -EAGAIN;
		if (conc__future_hold(f)) {
			ex = f->executor;
			rc = ex->engine->kill(ex, (struct conc__task *)f);
		}
	} while (rc == -EAGAIN);
	return rc;
}

static const struct conc__source thread_source = {
    .free = free_task,
    .cancel = cancel_task,
    .claim = claim_task,
    .due = due_of_task,
    .hook = hook_of_task,
};

/* Of tasks that other processes run: no waiter is a worker, who could claim them. */
static const struct conc__source process_source = {
    .free = free_task,
    .cancel = cancel_task,
    .kill = kill_task,
    .revoke = revoke_task,
    .begun = task_has_begun,
    .help = help_task,
    .due = due_of_task,
    .hook = hook_of_task,
};

static int
make_extras(struct conc__task *t, const conc_task *what)
{
	conc_executor *ex = t->future.executor;
	struct conc__extras *x;

	if (what->name == NULL && what->priority == 0 && what->retries == 0 &&
	    what->time_limit == 0 && what->cleanup == NULL && ex->hook == NULL)
		return 0;
	x = conc__calloc(1, sizeof *x);
	if (x == NULL)
		return -ENOMEM;
	if (what->name != NULL && (x->name = conc__strdup(what->name)) == NULL) {
		conc__free(x);
		return -ENOMEM;
	}
	x->task = t;
	x->cleanup = what->cleanup;
	x->user = what->user;
	x->hook = ex->hook != NULL ? conc__hook_ref(ex->hook) : NULL;
	x->time_limit = what->time_limit; /* CONC_UNLIMITED: for ever, as far as a clock goes */
	x->backoff = what->backoff;
	x->priority = what->priority;
	x->retries = what->retries;
	t->extras = x;
	return 0;
}

/* size, rounded up to a multiple of to: a power of two, of which MAX_ALIGN is enough; or 0. */
static size_t
round_up(size_t size, size_t to)
{
	if (to > MAX_ALIGN)
		to = MAX_ALIGN;
	return to > 1 ? (size + to - 1) & ~(to - 1) : size;
}

int
conc__task_make(struct conc__task **made, conc_executor *ex, const conc_task *what, bool wanted)
{
	bool borrowed = what->arg_size == CONC_BORROW;
	size_t arg_size = borrowed ? 0 : what->arg_size;
	size_t arg_inside = arg_size <= SMALL ? arg_size : 0;
	size_t result_inside = what->result_size <= SMALL ? what->result_size : 0;
	unsigned char *room;
	struct conc__task *t;

	/* The argument suits any type; the result its own, whose alignment divides its size. */
	arg_inside = round_up(arg_inside, result_inside & -result_inside);
	t = conc__malloc(round_up(sizeof *t, MAX_ALIGN) + arg_inside + result_inside);
	if (t == NULL)
		return -ENOMEM;
	memset(t, 0, sizeof *t);
	conc__future_init(&t->future,
	    ex->engine->revoke == NULL ? &thread_source : &process_source, ex->generation,
	    wanted);
	t->future.executor = ex;
	t->fn = what->fn;
	t->arg_size = what->arg_size;
	room = (unsigned char *)t + round_up(sizeof *t, MAX_ALIGN);

	if (borrowed) {
		t->arg = what->arg;
	} else if (arg_size > 0) {
		void *copy = room;

		if (arg_size > SMALL) {
			copy = conc__malloc(arg_size);
			if (copy == NULL)
				goto no_memory;
			conc__populate(copy, arg_size);
			t->own_arg = 1;
		}
		t->arg = memcpy(copy, what->arg, arg_size);
	}
	if (what->result_size > LARGE && ex->engine->revoke != NULL) {
		if (what->result_size > PTRDIFF_MAX / 2)
			goto no_memory;
	} else if (what->result_size > SMALL) {
		t->future.result = conc__calloc(1, what->result_size);
		if (t->future.result == NULL)
			goto no_memory;
		t->future.own_room = 1;
	} else if (result_inside > 0) {
		t->future.result = memset(room + arg_inside, 0, result_inside);
	}
	t->future.result_size = what->result_size;
	if (make_extras(t, what) != 0)
		goto no_memory;
	*made = t;
	return 0;

no_memory:
	conc__task_unmake(t);
	return -ENOMEM;
}

void
conc__task_unmake(struct conc__task *t)
{
	if (t->future.own_room)
		conc__free(t->future.result);
	free_task(&t->future);
}

static void
clean_up(void *arg)
{
	struct conc__extras *x = arg;

	x->cleanup(x->user);
}

void
conc__task_end(struct conc__task *t, uint32_t phase, conc_exception *e, int64_t ran)
{
	conc_executor *ex = t->future.executor;

	ex->engine->counted(ex, phase, ran);
	if (t->extras != NULL && t->extras->cleanup != NULL)
		conc__frame_callback(&t->future, ex, clean_up, t->extras);
	conc__future_take(&t->future);
	conc__task_end_held(t, phase, e);
}

void
conc__task_end_held(struct conc__task *t, uint32_t phase, conc_exception *e)
{
	conc_executor *ex = t->future.executor;

	if (t->own_arg) {
		conc__free((void *)t->arg);
		t->own_arg = 0;
	}
	conc__future_end_held(&t->future, phase, e);
	conc__future_leave(&t->future);
	ex->engine->ended(ex);
}

bool
conc__frame_asked(const struct conc__frame *frame)
{
	/* relaxed: only a wish; nothing is read because of it */
	if (frame->future != NULL && (conc__load_relaxed(&frame->future->state) & CONC__ASKED))
		return true;
	/* relaxed: only a wish; nothing is read because of it */
	if (frame->claim != NULL && conc__load_relaxed(frame->claim) == frame->asked)
		return true;
	/* relaxed: only a wish; nothing is read because of it */
	return frame->killed != NULL && conc__load_relaxed(frame->killed) != 0;
}

conc_exception *
conc__task_past_limit(conc_exception *cause, const char *name)
{
	conc_exception *e = conc__exception_make(CONC_ETIMELIMIT, cause, name, NULL);

	conc_exception_release(cause);
	return e;
}

/* A run of a task, on the stack of whoever runs it. */
struct run {
	struct conc__frame frame;
	struct conc__task *task;
	conc_exception *caught; /* what was current before */
	int64_t began;
};

void
conc__task_take_room(struct conc__task *t, void *room, size_t size)
{
	if (t->future.own_room)
		conc__free(t->future.result);
	t->future.result = room;
	t->future.result_size = size;
	t->future.own_room = 1;
}

bool
conc__task_retry(struct conc__task *t, int code, int64_t now, int64_t *ran)
{
	struct conc__extras *x = t->extras;
	conc_executor *ex = t->future.executor;
	int64_t pause;

	if (x == NULL || x->retries == 0 || (code != CONC_ECRASHED && code != CONC_ETIMELIMIT))
		return false;
	/* relaxed: only a guess; conc__future_put_back looks again */
	if (conc__load_relaxed(&t->future.state) & CONC__ASKED)
		return false;
	pause = x->backoff;
	x->backoff = pause > INT64_MAX / 2 ? INT64_MAX : 2 * pause;
	x->retries--;
	ex->engine->counted(ex, CONC__DELAYED, *ran);
	*ran = -1;
	if (t->future.result != NULL)
		memset(t->future.result, 0, t->future.result_size);
	return ex->engine->retry(ex, t, conc__later(now, pause));
}

/* The task has returned code, or was left: end it.  Return as conc__task_run. */
static int64_t
conclude(struct run *run, int code)
{
	struct conc__self *self = conc__self();
	struct conc__task *t = run->task;
	const struct conc__frame *frame = &run->frame;
	int64_t now = conc__now(), ran = now - run->began;
	conc_exception *e = NULL;
	uint32_t phase = CONC__DONE;
	bool quiet;

	self->frame = frame->outer;
	if (conc__forked(t->future.generation)) {
		/* The task has forked, and this is the child: t belongs to the parent. */
		conc__caught_restore(run->caught);
		return 0;
	}
	if (code == -ECANCELED && conc__frame_asked(frame)) {
		phase = CONC__CANCELLED;
	} else if (code != 0) {
		phase = CONC__FAILED;
		e = conc__exception_adopt(code, frame->name);
		if (frame->limit != 0 && now >= frame->limit && code != CONC_ECRASHED) {
			code = CONC_ETIMELIMIT;
			e = conc__task_past_limit(e, frame->name);
		}
	}
	conc__caught_restore(run->caught);
	if (phase == CONC__FAILED && !conc__frame_asked(frame) &&
	    conc__task_retry(t, code, now, &ran)) {
		conc__free(frame->room);
		conc_exception_release(e);
		return 0;
	}
	if (phase != CONC__DONE)
		conc__free(frame->room);
	else if (frame->room != NULL)
		conc__task_take_room(t, frame->room, frame->room_size);
	/* relaxed: only a guess: did nobody of the program's run while it ended? */
	quiet = phase == CONC__DONE && t->extras == NULL &&
	    !(conc__load_relaxed(&t->future.state) & CONC__WAITED);
	conc__task_end(t, phase, e, ran);
	return quiet ? now : 0;
}

static int
call(void *arg)
{
	struct run *run = arg;

	return run->task->fn(run->task->arg, run->task->future.result);
}

/* The task is being left by pthread_exit. */
static void
leave(void *arg)
{
	struct run *run = arg;

	conc_clear();
	(void)conc_raise_at(CONC_ECRASHED, NULL, NULL, 0, NULL,
	    "the task ended its thread (pthread_exit)");
	(void)conclude(run, CONC_ECRASHED);
}

int64_t
conc__task_run(struct conc__task *t, int64_t now)
{
	struct conc__self *self = conc__self();
	conc_executor *ex = t->future.executor;
	const struct conc__extras *x = t->extras;
	struct run run = {
	    .task = t,
	    .began = now != 0 ? now : conc__now(),
	    .caught = conc__caught_save(),
	    .frame =
		{
		    .outer = self->frame,
		    .future = &t->future,
		    .executor = ex,
		    .killed = ex->killed,
		    .name = x != NULL ? x->name : NULL,
		    .arg_size = t->arg_size,
		},
	};
	int code;

	if (x != NULL && x->time_limit != 0) {
		run.began = conc__now();
		run.frame.limit = conc__later(run.began, x->time_limit);
	}
	/* relaxed: whoever queued t is done with it */
	ex->engine->began(ex, run.began - (int64_t)conc__load_relaxed(&t->since));
	self->frame = &run.frame;
	code = conc__guard(call, leave, &run);
	return conclude(&run, code);
}
