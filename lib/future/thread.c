/* SPDX-License-Identifier: MIT */
/*
 * Threads for programs: each ends a future, which does the waiting, the
 * failing, and the telling.
 *
 * The thread holds the future's source reference, and gives it up as it ends;
 * the program's one is conc_thread_start's to conc_thread_destroy.  Nobody else
 * has a reference, for the future is not handed out.
 */
#include <conc/thread.h>
#include "base/futex.h"
#include "base/memory.h"
#include "base/options.h"
#include "base/raise.h"
#include "base/thread.h"
#include "future/frame.h"
#include "future/future.h"
#include <string.h>

struct conc_thread {
	conc_future future;          /* first: one block, one count */
	struct conc__thread *thread; /* the program's, with its reference */
	conc_fn *fn;
	const void *arg;
	size_t arg_size;
	const char *name; /* behind the argument */
	conc_excepthook *hook;
	void *user;
	uint64_t ident;         /* written before begun */
	conc__atomic_u32 begun; /* 0, then 1: conc_thread_ident waits for it */
	int daemon;
	_Alignas(max_align_t) unsigned char room[]; /* the argument's copy, the name */
};

static void
free_thread(conc_future *f)
{
	conc__free(f);
}

static void
hook_of_thread(const conc_future *f, conc_excepthook **hook, void **user)
{
	const conc_thread *t = (const conc_thread *)f;

	*hook = t->hook;
	*user = t->user;
}

/* Nobody can cancel it: the program has no such handle. */
static const struct conc__source thread_source = {
    .free = free_thread,
    .hook = hook_of_thread,
};

/* On the stack of the thread. */
struct run {
	conc_thread *thread;
	uint32_t generation;
};

/* fn has returned code: the thread's last touch of t. */
static void
end(const struct run *run, int code)
{
	conc_thread *t = run->thread;
	conc_exception *e = NULL;

	conc__self()->frame = NULL;
	if (conc__forked(run->generation)) /* fn has forked; in the child t may be freed */
		return;
	if (code != 0)
		e = conc__exception_adopt(code, t->name);
	conc__future_end(&t->future, code == 0 ? CONC__DONE : CONC__FAILED, e);
	conc__future_leave(&t->future);
}

static int
call(void *arg)
{
	const struct run *run = arg;

	return run->thread->fn(run->thread->arg, NULL);
}

/* fn is being left by pthread_exit. */
static void
left(void *arg)
{
	conc_clear();
	end(arg,
	    conc_raise_at(CONC_ECRASHED, NULL, NULL, 0, NULL,
		"the function ended its thread (pthread_exit)"));
}

static void
thread_main(void *arg)
{
	conc_thread *t = arg;
	struct run run = {t, t->future.generation};
	struct conc__frame frame = {
	    .future = &t->future,
	    .executor = t, /* so that it has no worker's index */
	    .name = t->name,
	    .arg_size = t->arg_size,
	    .item = true, /* so that it has no room */
	};

	(void)conc__future_win(&t->future, CONC__RUNNING);
	t->ident = conc__thread_ident();
	/* release: pairs with conc_thread_ident(): the number comes before the word */
	conc__store_release(&t->begun, 1);
	conc__futex_wake(&t->begun, INT32_MAX);
	conc__self()->frame = &frame;
	end(&run, conc__guard(call, left, &run));
}

/* One that is not started yet.  The program's reference only if it is wanted. */
static int
make(conc_thread **made, conc_fn *fn, const void *arg, size_t arg_size,
    const conc_thread_options *o, bool wanted)
{
	const char *name = o->name != NULL ? o->name : "conc";
	size_t copied = arg_size == CONC_BORROW ? 0 : arg_size, length = strlen(name) + 1;
	uint32_t generation;
	conc_thread *t;
	int rc;

	if (copied > PTRDIFF_MAX - sizeof *t - length)
		return -ENOMEM;
	rc = conc__generation(&generation);
	if (rc != 0)
		return rc;
	t = conc__calloc(1, sizeof *t + copied + length);
	if (t == NULL)
		return -ENOMEM;
	conc__future_init(&t->future, &thread_source, generation, wanted);
	t->fn = fn;
	t->arg = arg_size == CONC_BORROW ? arg : NULL;
	if (copied > 0)
		t->arg = memcpy(t->room, arg, copied);
	t->arg_size = arg_size;
	t->name = memcpy(t->room + copied, name, length);
	t->hook = o->excepthook;
	t->user = o->user;
	t->daemon = o->daemon;
	*made = t;
	return 0;
}

int
conc_thread_start(conc_thread **t, conc_fn *fn, const void *arg, size_t arg_size,
    const conc_thread_options *options)
{
	conc_thread_options o = CONC_THREAD_INIT;
	struct conc__thread_options how = {.main = thread_main, .cpu = -1};
	struct conc__thread *handle;
	conc_thread *new;
	int rc;

	if (fn == NULL || (arg == NULL && arg_size != 0 && arg_size != CONC_BORROW))
		return -EINVAL;
	rc = conc__options_read(&o, sizeof o, sizeof o, options);
	if (rc != 0)
		return rc;
	if (o.stack_size > PTRDIFF_MAX / 2 || (unsigned)o.daemon > 1 || o.flags != 0)
		return -EINVAL;
	rc = make(&new, fn, arg, arg_size, &o, t != NULL);
	if (rc != 0)
		return rc;
	how.name = new->name;
	how.stack_size = o.stack_size;
	how.arg = new;
	rc = conc__thread_start(&handle, &how);
	if (rc != 0) {
		conc__free(new);
		return rc;
	}
	if (t == NULL) { /* it may be gone by now */
		conc__thread_detach(handle);
		return 0;
	}
	new->thread = handle;
	*t = new;
	return 0;
}

int
conc_thread_join(conc_thread *t, conc_time deadline)
{
	int rc;

	if (t == NULL)
		return -EINVAL;
	rc = conc_future_wait(&t->future, deadline);
	if (rc != 0 || conc__future_phase(&t->future) == CONC__DONE)
		return rc;
	return conc__future_receive(&t->future);
}

bool
conc_thread_alive(const conc_thread *t)
{
	return t != NULL && !conc__future_ended(&t->future) &&
	    !conc__forked(t->future.generation);
}

const conc_exception *
conc_thread_exception(conc_thread *t)
{
	return t != NULL ? conc_future_exception(&t->future) : NULL;
}

const char *
conc_thread_name(const conc_thread *t)
{
	return t != NULL ? t->name : NULL;
}

uint64_t
conc_thread_ident(const conc_thread *t)
{
	conc__atomic_u32 *begun;

	if (t == NULL)
		return 0;
	begun = &((conc_thread *)t)->begun;
	/* acquire: pairs with thread_main(), which also wakes: the number is seen */
	while (conc__load_acquire(begun) == 0) {
		if (conc__forked(t->future.generation))
			return 0;
		(void)conc__futex_wait(begun, 0, CONC_FOREVER);
	}
	return t->ident;
}

void
conc_thread_destroy(conc_thread *t)
{
	const struct conc__self *self = conc__self();

	if (t == NULL)
		return;
	if (conc__forked(t->future.generation)) { /* it was to give up its reference */
		conc__thread_forget(t->thread);
		conc_exception_release(t->future.exception);
		if (!conc__frame_runs(self, &t->future)) /* else fn's argument is in use */
			conc__free(t);
		return;
	}
	if (t->daemon || self->callbacks > 0 || conc__frame_runs(self, &t->future))
		conc__thread_detach(t->thread);
	else
		conc__thread_join(t->thread);
	conc_future_release(&t->future);
}
