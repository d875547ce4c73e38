/* SPDX-License-Identifier: MIT */
#ifndef CONC__RAISE_H
#define CONC__RAISE_H

/*
 * What the library itself does with exceptions, beyond <conc/error.h>.
 */
#include <conc/error.h>

/*
 * The exception of a task that returned code (not 0).  If this thread's
 * current exception has that code, take it (the thread then has none); else
 * make one with code's text as its message.  task is the name it bears if it
 * bears none yet, or NULL.  Return it, with one reference that is the
 * caller's; never NULL.
 */
conc_exception *conc__exception_adopt(int code, const char *task);

/* Make one: message, cause and task may be NULL; the caller's reference; never NULL. */
conc_exception *conc__exception_make(
    int code, const conc_exception *cause, const char *task, const char *message);

/*
 * All that an exception can hold; strings and death are copied, a reference to
 * the cause is taken.  What is not known is NULL or 0; without a message the
 * code's text stands in.
 */
struct conc__exception_parts {
	int code;
	int line;
	int pid; /* where it was raised, if not in this process; or 0 */
	const char *file, *function, *task, *message;
	const conc_exception *cause;
	const conc_death *death;
};

/* Make one of its parts; the caller's reference; never NULL. */
conc_exception *conc__exception_compose(const struct conc__exception_parts *parts);

/* Put this thread's current exception away (it then has none), and back again. */
conc_exception *conc__caught_save(void);
void conc__caught_restore(conc_exception *saved);

/*
 * Tell the excepthook of a failure that nobody looked at: hook(e, user), or
 * the program's if hook is NULL.  Not from within a hook of this thread.
 */
void conc__unlooked(conc_excepthook *hook, void *user, const conc_exception *e);

#endif
