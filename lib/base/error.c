/* SPDX-License-Identifier: MIT */
/*
 * Exceptions: <conc/error.h> and base/raise.h, but for the texts (format.c,
 * strerror.c) and the excepthook (hook.c).
 *
 * An exception is one block: the struct, the death if there is one, and copies
 * of all strings.  It never changes, so any number of threads may read it; the
 * last reference frees it.  Where there is no memory for a block, the code
 * itself is the pointer: shifted left by one, with the lowest bit set, which
 * no address of a block has.  (Where pointers have 32 bits, such a code keeps
 * its lowest 31: those of libconc and errno all fit.)
 */
#include "base/atomic.h"
#include "base/memory.h"
#include "base/process.h"
#include "base/raise.h"
#include "base/self.h"
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

enum { MESSAGE = 4096 }; /* the longest message, with its closing zero */

struct conc_exception {
	conc__atomic_u32 refs;
	int code;
	int line;
	int pid;                     /* of another process, where it was raised; or 0 */
	const conc_exception *cause; /* one reference is ours, or NULL */
	const conc_death *death;     /* this and the strings lie behind the struct */
	const char *file, *function, *task, *message;
};

/* Is e the code alone? */
static bool
is_bare(const conc_exception *e)
{
	return ((uintptr_t)e & 1) != 0;
}

static conc_exception *
bare(int code)
{
	return (conc_exception *)((uintptr_t)(intptr_t)code << 1 | 1);
}

/* Copy s to *room and move *room behind it; NULL stays NULL. */
static const char *
place(const char *s, char **room)
{
	char *copy = *room;

	if (s == NULL)
		return NULL;
	*room = stpcpy(copy, s) + 1;
	return copy;
}

static size_t
space(const char *s)
{
	return s != NULL ? strlen(s) + 1 : 0;
}

/* The message filled its room: end it with "...", not within a character of UTF-8. */
static void
cut(char *message)
{
	size_t end = MESSAGE - 4;

	while (end > MESSAGE - 8 && ((unsigned char)message[end] & 0xC0) == 0x80)
		end--;
	memcpy(message + end, "...", 4);
}

/* Make an exception of its parts, with the message that fmt gives. */
static conc_exception *
build(const struct conc__exception_parts *parts, const char *fmt, va_list *args)
{
	int code = parts->code != 0 ? parts->code : -EINVAL, saved = errno, length = -1;
	conc_exception *e;
	size_t size;
	va_list again;
	char *room;

	if (fmt != NULL) {
		va_copy(again, *args);
		length = vsnprintf(NULL, 0, fmt, again);
		va_end(again);
	}
	/* Without fmt, or if printf cannot make sense of it, the code's text stands in. */
	if (length < 0)
		size = space(conc_strerror(code));
	else
		size = length < MESSAGE ? (size_t)length + 1 : MESSAGE;
	e = conc__malloc(sizeof *e + (parts->death != NULL ? sizeof *parts->death : 0) + size +
	    space(parts->file) + space(parts->function) + space(parts->task));
	errno = saved; /* malloc's is nobody's; and %m in fmt means the caller's */
	if (e == NULL)
		return bare(code);
	*e = (conc_exception){
	    .refs = CONC__ATOMIC_INIT(1),
	    .code = code,
	    .line = parts->line,
	    .pid = parts->pid,
	    .death = parts->death};
	e->cause = conc_exception_ref(parts->cause);
	room = (char *)(e + 1);
	if (parts->death != NULL) {
		e->death = memcpy(room, parts->death, sizeof *parts->death);
		room += sizeof *parts->death;
	}
	e->message = room;
	if (length < 0)
		memcpy(room, conc_strerror(code), size);
	else
		(void)vsnprintf(room, size, fmt, *args);
	if (length >= MESSAGE)
		cut(room);
	room += size;
	e->file = place(parts->file, &room);
	e->function = place(parts->function, &room);
	e->task = place(parts->task, &room);
	errno = saved;
	return e;
}

static conc_exception *
build_printf(const struct conc__exception_parts *parts, const char *fmt, ...)
{
	conc_exception *e;
	va_list args;

	va_start(args, fmt);
	e = build(parts, fmt, &args);
	va_end(args);
	return e;
}

conc_exception *
conc__exception_compose(const struct conc__exception_parts *parts)
{
	return build_printf(parts, parts->message != NULL ? "%s" : NULL, parts->message);
}

conc_exception *
conc__exception_make(
    int code, const conc_exception *cause, const char *task, const char *message)
{
	return conc__exception_compose(&(struct conc__exception_parts){
	    .code = code, .cause = cause, .task = task, .message = message});
}

/* A copy of e that bears the task's name; e itself, if there is no memory.  Takes e. */
static conc_exception *
with_task(conc_exception *e, const char *task)
{
	conc_exception *named = conc__exception_compose(&(struct conc__exception_parts){
	    .code = e->code,
	    .line = e->line,
	    .pid = e->pid,
	    .file = e->file,
	    .function = e->function,
	    .task = task,
	    .message = e->message,
	    .cause = e->cause,
	    .death = e->death});

	if (is_bare(named))
		return e;
	conc_exception_release(e);
	return named;
}

conc_exception *
conc__exception_adopt(int code, const char *task)
{
	conc_exception *e;

	if (conc_exception_code(conc_caught()) != code)
		return conc__exception_make(code, NULL, task, NULL);
	e = conc__caught_save();
	return task != NULL && !is_bare(e) && e->task == NULL ? with_task(e, task) : e;
}

conc_exception *
conc__caught_save(void)
{
	struct conc__self *self = conc__self();
	conc_exception *e = self->caught;

	self->caught = NULL;
	return e;
}

void
conc__caught_restore(conc_exception *saved)
{
	struct conc__self *self = conc__self();
	conc_exception *old = self->caught;

	self->caught = saved;
	conc_exception_release(old);
}

int
conc_raise_at(int code, const conc_exception *cause, const char *file, int line,
    const char *function, const char *fmt, ...)
{
	struct conc__exception_parts parts = {
	    .code = code, .line = line, .file = file, .function = function, .cause = cause};
	conc_exception *e;
	va_list args;

	va_start(args, fmt);
	e = build(&parts, fmt, &args);
	va_end(args);
	conc__caught_restore(e);
	return code != 0 ? code : -EINVAL;
}

int
conc_reraise(const conc_exception *e)
{
	if (e == NULL)
		return -EINVAL;
	conc__caught_restore(conc_exception_ref(e));
	return conc_exception_code(e);
}

const conc_exception *
conc_caught(void)
{
	return conc__self()->caught;
}

void
conc_clear(void)
{
	conc__caught_restore(NULL);
}

conc_exception *
conc_exception_ref(const conc_exception *e)
{
	conc_exception *counted = (conc_exception *)e;

	/* relaxed: the caller has a reference already, so e cannot go meanwhile */
	if (e != NULL && !is_bare(e))
		conc__add_relaxed(&counted->refs, 1);
	return counted;
}

void
conc_exception_release(conc_exception *e)
{
	/* A loop: the chain may be longer than the stack is deep. */
	while (e != NULL && !is_bare(e)) {
		conc_exception *cause = (conc_exception *)e->cause;

		/* pairs with itself: who frees comes after all uses by the others */
		if (conc__sub_acq_rel(&e->refs, 1) != 1)
			return;
		conc__free(e);
		e = cause;
	}
}

int
conc_exception_code(const conc_exception *e)
{
	if (is_bare(e))
		return (int)((intptr_t)e >> 1);
	return e != NULL ? e->code : 0;
}

const char *
conc_exception_message(const conc_exception *e)
{
	if (is_bare(e))
		return "(no memory for the message)";
	return e != NULL ? e->message : "(no exception)";
}

/* What only a block holds. */
#define FIELD(e, field, none) ((e) != NULL && !is_bare(e) ? (e)->field : (none))

const char *
conc_exception_file(const conc_exception *e)
{
	return FIELD(e, file, NULL);
}

const char *
conc_exception_function(const conc_exception *e)
{
	return FIELD(e, function, NULL);
}

int
conc_exception_line(const conc_exception *e)
{
	return FIELD(e, line, 0);
}

int
conc_exception_pid(const conc_exception *e)
{
	int pid = FIELD(e, pid, 0);

	return pid != 0 || e == NULL ? pid : conc__process_id();
}

const char *
conc_exception_task(const conc_exception *e)
{
	return FIELD(e, task, NULL);
}

const conc_exception *
conc_exception_cause(const conc_exception *e)
{
	return FIELD(e, cause, NULL);
}

const conc_death *
conc_exception_death(const conc_exception *e)
{
	return FIELD(e, death, NULL);
}
