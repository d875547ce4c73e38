/* SPDX-License-Identifier: MIT */
#ifndef CONC_ERROR_H
#define CONC_ERROR_H

#include <conc/version.h>
#include <errno.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Codes and exceptions.
 *
 * Every function of libconc that can fail returns an int: 0, or a code.
 * errno is neither read nor meant.  The codes share one space:
 *
 *	    -1 ... -4095    a negated errno value: -ENOMEM, -EINVAL, ...
 *	 -4096 ... -8191    libconc's own: CONC_ECRASHED, ...
 *	 all else but 0     the program's
 *
 * A task fails with an exception: a code, and with it a message, the place
 * where it was raised, the task, and the exception that caused it.  It is
 * raised by one call, at any depth; callers only pass the code up:
 *
 *	static int factorial(int n, uint64_t *product)
 *	{
 *		if (n < 0)
 *			return conc_raise(-EDOM, "factorial of %d", n);
 *		...
 *	}
 *
 *	static int task(const void *arg, void *result)
 *	{
 *		return factorial(*(const int *)arg, result);
 *	}
 *
 * Meanwhile the exception waits in the thread as its current exception.  A
 * worker that gets the code back takes the exception along with it into the
 * task's future, and whoever receives the failure there (conc_future_result,
 * conc_map, ...) has it as the current exception of that thread: to look at it
 * by conc_caught(), or to return the code, and it goes on.  Nothing jumps: a
 * raise is a store and a return value.
 */

/* A task: returns 0, or the code of its exception.  See <conc/executor.h>. */
typedef int conc_fn(const void *arg, void *result);

/* libconc's own codes.  The numbers never change. */
#define CONC_ECRASHED (-4096)   /* the worker died while running the task */
#define CONC_ETIMELIMIT (-4097) /* the task ran past its time limit */
#define CONC_EBROKEN (-4098)    /* the pool cannot run anything; the barrier is broken */
#define CONC_ESHUTDOWN (-4099)  /* shut down or closed: no more is taken */
#define CONC_EFORKED (-4100)    /* the object belongs to the process we forked from */
#define CONC_ESTATE (-4101)     /* too late: already finished */
#define CONC_EOWNERDIED (-4102) /* the lock's owner died holding it */
#define CONC_ECORRUPT (-4103)   /* a peer sent nonsense */
#define CONC_ENOTMAPPED (-4104) /* the function was loaded after the pool was made */

/*
 * An exception.  It never changes once made, is counted, and may be read and
 * passed on from any thread.
 */
typedef struct conc_exception conc_exception;

/* How a worker process died. */
typedef struct conc_death {
	int signal;          /* the signal that killed it, or 0 */
	int exit_status;     /* its exit status, when signal is 0; -1: not known */
	int core_dumped;     /* 1: it left a core file */
	int pid;             /* its process id */
	int worker;          /* its index in the pool, from 0 */
	int attempt;         /* which run of the task this was, from 1; 0: it ran none */
	int64_t user_time;   /* CPU time in user mode, nanoseconds */
	int64_t system_time; /* CPU time in the kernel, nanoseconds */
	int64_t max_rss;     /* largest resident size, bytes */
} conc_death;

/*
 * conc_raise: make an exception this thread's current one.
 *
 * Return code, so that "return conc_raise(...)" raises and returns; a code of
 * 0 becomes -EINVAL.  fmt and what follows are printf's; a message over 4095
 * bytes is cut, which "..." at its end shows.  File, line and function are the
 * caller's.  The exception that was current before is dropped, after the new
 * message has been made: conc_caught() and its message may be arguments.
 * Never fails: without memory the code survives and a fixed message stands
 * in.  MT-safe.
 */
#define conc_raise(code, ...) \
	conc_raise_at((code), NULL, __FILE__, __LINE__, __func__, __VA_ARGS__)

/*
 * conc_raise_from: as conc_raise, with the exception that caused this one.
 * cause may be NULL and may be conc_caught(); a reference to it is taken.
 */
#define conc_raise_from(cause, code, ...) \
	conc_raise_at((code), (cause), __FILE__, __LINE__, __func__, __VA_ARGS__)

/*
 * conc_raise_at: what the two macros call, for wrappers that know a better
 * place than their own line.  file and function are copied; they may be NULL.
 */
CONC_API int conc_raise_at(int code, const conc_exception *cause, const char *file, int line,
    const char *function, const char *fmt, ...) CONC_PRINTF(6, 7);

/*
 * conc_reraise: make e this thread's current exception.
 * Return its code; -EINVAL, changing nothing, when e is NULL.  Takes a
 * reference.  MT-safe.
 */
CONC_API int conc_reraise(const conc_exception *e);

/*
 * conc_caught: this thread's current exception, or NULL.
 * Borrowed: valid until this thread raises, clears or receives the next one.
 * Take a reference to keep it longer or to hand it to another thread.
 */
CONC_API const conc_exception *conc_caught(void);

/* conc_clear: drop this thread's current exception, if any. */
CONC_API void conc_clear(void);

/*
 * conc_exception_ref: take one more reference.
 * Return e; NULL for NULL.  Each reference is given back by one
 * conc_exception_release, in any thread.
 */
CONC_API conc_exception *conc_exception_ref(const conc_exception *e);

/* conc_exception_release: give a reference back; the last one frees e.  NULL is fine. */
CONC_API void conc_exception_release(conc_exception *e);

/*
 * What an exception holds.  Strings and pointers live as long as e does.
 * All are MT-safe; with e NULL they return 0 or NULL, and the message says so.
 */
CONC_API int conc_exception_code(const conc_exception *e);              /* never 0 */
CONC_API const char *conc_exception_message(const conc_exception *e);  /* never NULL */
CONC_API const char *conc_exception_file(const conc_exception *e);     /* NULL: not known */
CONC_API const char *conc_exception_function(const conc_exception *e); /* NULL: not known */
CONC_API int conc_exception_line(const conc_exception *e);             /* 0: not known */
/* the process that raised it: this one, or a worker of a process pool; see death for a crash */
CONC_API int conc_exception_pid(const conc_exception *e);
/* NULL: no task, or no name */
CONC_API const char *conc_exception_task(const conc_exception *e);
CONC_API const conc_exception *conc_exception_cause(const conc_exception *e); /* or NULL */
CONC_API const conc_death *conc_exception_death(const conc_exception *e); /* or NULL */

/*
 * conc_exception_format: write e and its causes as several lines of text, the
 * root cause first, as Python prints a traceback.
 *
 * Return the length that the whole text has, without its closing zero, as
 * snprintf does: if it is size or more, the text was cut to size - 1 bytes.
 * Always ends buf with a zero byte unless size is 0.  -EINVAL: e is NULL, or
 * buf is NULL while size is not 0.
 */
CONC_API int conc_exception_format(const conc_exception *e, char *buf, size_t size);

/*
 * conc_strerror: a short text for a code, never NULL, never freed:
 * "Cannot allocate memory" for -ENOMEM, "shut down or closed" for
 * CONC_ESHUTDOWN.  The program's codes give "program error".  MT-safe.
 */
CONC_API const char *conc_strerror(int code);

/*
 * conc_errname: the code's name as the program writes it, without the sign:
 * "ENOMEM", "CONC_ESHUTDOWN"; "0" for 0 and "?" for a code without a name.
 */
CONC_API const char *conc_errname(int code);

/*
 * The excepthook runs once for each failure that nobody looked at: in the
 * thread that drops the program's last reference of a finished future, before
 * that release returns; else (the task still ran, or was submitted without a
 * future) in the thread that finishes it, where it may wait no more than a
 * callback: -EDEADLK.  No lock is held.  A cancelled future is no failure, and
 * waiting is not looking.  e is borrowed.  A failure that arises within the
 * hook does not call it again.
 */
typedef void conc_excepthook(const conc_exception *e, void *user);

/*
 * conc_set_excepthook: set the program's hook; NULL: back to the default,
 * which writes the formatted exception to the log as an error.  Libraries
 * leave it alone and give their pools an .excepthook.  A call of the old hook
 * may still run in another thread when this returns.  MT-safe.
 */
CONC_API void conc_set_excepthook(conc_excepthook *hook, void *user);

#ifdef __cplusplus
}
#endif

#endif
