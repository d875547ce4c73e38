/* SPDX-License-Identifier: MIT */
/*
 * Threads: POSIX's, with the signals blocked, a name, a stack and a CPU.
 */
#include "base/thread.h"
#include "base/atomic.h"
#include "base/cpu.h"
#include "base/fault.h"
#include "base/futex.h"
#include "base/memory.h"
#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

struct conc__thread {
	pthread_t id;
	struct conc__thread_options options; /* its name points to ours, or is NULL */
	char name[CONC__NAME];
	conc__atomic_u32 go;   /* 0: the starter still writes here, and the thread waits */
	conc__atomic_u32 refs; /* the handle's, the starter's, the thread's until main runs */
};

static _Thread_local uintptr_t stack_end; /* the lowest address to use; 0: not known */

static uintptr_t
here(void)
{
	return (uintptr_t)__builtin_frame_address(0);
}

/* When the system cannot tell, take it that no stack is left. */
static void
note_stack(void)
{
	stack_end = here();
#ifdef __linux__
	pthread_attr_t attributes;
	size_t size, guard;
	void *lowest;

	if (pthread_getattr_np(pthread_self(), &attributes) != 0)
		return;
	if (pthread_attr_getstack(&attributes, &lowest, &size) == 0 &&
	    pthread_attr_getguardsize(&attributes, &guard) == 0)
		stack_end = (uintptr_t)lowest + guard;
	pthread_attr_destroy(&attributes);
#endif
}

static void
drop(struct conc__thread *t)
{
	/* pairs with itself: who frees comes after all uses by the others */
	if (conc__sub_acq_rel(&t->refs, 1) == 1)
		conc__free(t);
}

static void
nothing(void *arg)
{
	(void)arg;
}

static void *
body(void *arg)
{
	struct conc__thread *t = arg;
	struct conc__thread_options options = t->options;

	/*
	 * pairs with conc__thread_start: the handle is written, its id too, before
	 * main can hand it on or detach it.  Woken there as well.
	 */
	while (conc__load_acquire(&t->go) == 0)
		(void)conc__futex_wait(&t->go, 0, CONC_FOREVER);
	if (options.name != NULL) {
#ifdef __APPLE__
		pthread_setname_np(options.name);
#else
		pthread_setname_np(pthread_self(), options.name);
#endif
	}
	if (options.cpu >= 0)
		conc__cpu_pin(options.cpu);
	note_stack();
	drop(t);
	pthread_cleanup_push(options.aborted != NULL ? options.aborted : nothing, options.arg);
	options.main(options.arg);
	pthread_cleanup_pop(0);
	return NULL;
}

/* The mask of the new thread: all signals but some, and those as they are here. */
static void
block_signals(sigset_t *old)
{
	static const int left[] = {
	    SIGILL, SIGTRAP, SIGBUS, SIGFPE, SIGSEGV, SIGSYS, SIGPIPE, SIGPROF};
	sigset_t mask;

	sigfillset(&mask);
	for (size_t i = 0; i < sizeof left / sizeof left[0]; i++)
		sigdelset(&mask, left[i]);
	pthread_sigmask(SIG_BLOCK, &mask, old);
}

/* Round a stack's size up to what the system takes.  0: too large. */
static size_t
round_stack(size_t size)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE), least = (size_t)PTHREAD_STACK_MIN;

	if (size < least)
		size = least;
	return size <= SIZE_MAX - page ? (size + page - 1) / page * page : 0;
}

/* Start body(t).  Return 0 or an errno value. */
static int
create(struct conc__thread *t)
{
	pthread_attr_t attributes;
	sigset_t old;
	int rc = pthread_attr_init(&attributes);

	if (rc != 0)
		return rc;
	if (t->options.stack_size != 0)
		rc = pthread_attr_setstacksize(&attributes, round_stack(t->options.stack_size));
	if (rc == 0) {
		block_signals(&old);
		rc = pthread_create(&t->id, &attributes, body, t);
		pthread_sigmask(SIG_SETMASK, &old, NULL);
	}
	pthread_attr_destroy(&attributes);
	return rc;
}

int
conc__thread_start(struct conc__thread **t, const struct conc__thread_options *options)
{
	struct conc__thread *new = conc__calloc(1, sizeof *new);
	int rc;

	if (new == NULL)
		return -ENOMEM;
	/* relaxed: this thread alone knows it yet */
	conc__store_relaxed(&new->refs, 3);
	new->options = *options;
	if (options->name != NULL) {
		snprintf(new->name, sizeof new->name, "%s", options->name);
		new->options.name = new->name;
	}
	rc = conc__fault() ? EAGAIN : create(new);
	if (rc != 0) {
		conc__free(new);
		return -rc;
	}
	*t = new;
	/* pairs with body(): orders the id and the handle before main */
	conc__store_release(&new->go, 1);
	conc__futex_wake(&new->go, 1);
	drop(new);
	return 0;
}

void
conc__thread_join(struct conc__thread *t)
{
	pthread_join(t->id, NULL);
	drop(t);
}

void
conc__thread_detach(struct conc__thread *t)
{
	pthread_detach(t->id);
	drop(t);
}

int
conc__guard(int (*call)(void *arg), void (*left)(void *arg), void *arg)
{
	int rc;

	pthread_cleanup_push(left, arg);
	rc = call(arg);
	pthread_cleanup_pop(0);
	return rc;
}

void
conc__thread_name(char *buf, size_t size)
{
	char name[64];

	if (pthread_getname_np(pthread_self(), name, sizeof name) != 0 || name[0] == 0)
		snprintf(name, sizeof name, "main");
	snprintf(buf, size, "%s", name);
}

uint64_t
conc__thread_ident(void)
{
#ifdef __linux__
	return (uint64_t)gettid();
#else
	return (uint64_t)(uintptr_t)pthread_self();
#endif
}

size_t
conc__stack_left(void)
{
	if (stack_end == 0)
		return SIZE_MAX;
	return here() > stack_end ? here() - stack_end : 0;
}

void
conc__thread_forget(struct conc__thread *t)
{
	conc__free(t);
}
