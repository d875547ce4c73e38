/* SPDX-License-Identifier: MIT */
/*
 * An exception as text, as Python prints a traceback: the root cause first.
 *
 *	  File "db.c", line 12, in open_db, task "resize", in process 1234
 *	ENOENT (-2): cannot open x.db
 *
 *	The above exception was the direct cause of the following exception:
 *
 *	  File "main.c", line 40, in start
 *	CONC_ECRASHED (-4096): worker died while running the task
 *	  worker 3 (pid 1234) was killed by SIGSEGV, core dumped; attempt 1, ...
 *
 * The process is told only of what was raised in another one.
 */
#include "base/memory.h"
#include "base/process.h"
#include <conc/error.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>

/* Text on its way into a buffer that may be too small. */
struct out {
	char *buf;
	size_t size;
	size_t length; /* of all that was put, whether it fit or not */
};

static void put(struct out *out, const char *fmt, ...) CONC_PRINTF(2, 3);

static void
put(struct out *out, const char *fmt, ...)
{
	size_t used = out->length < out->size ? out->length : out->size;
	va_list args;
	int n;

	va_start(args, fmt);
	n = vsnprintf(out->size != 0 ? out->buf + used : NULL, out->size - used, fmt, args);
	va_end(args);
	if (n > 0)
		out->length += (size_t)n;
}

/* Where it was raised, as far as that is known. */
static void
put_place(struct out *out, const conc_exception *e)
{
	const char *file = conc_exception_file(e);
	const char *function = conc_exception_function(e);
	const char *task = conc_exception_task(e);
	int pid = conc_exception_pid(e);
	size_t begin = out->length;

	if (file != NULL)
		put(out, "  File \"%s\", line %d", file, conc_exception_line(e));
	if (function != NULL)
		put(out, out->length > begin ? ", in %s" : "  In %s", function);
	if (task != NULL)
		put(out, out->length > begin ? ", task \"%s\"" : "  Task \"%s\"", task);
	if (pid != conc__process_id())
		put(out, out->length > begin ? ", in process %d" : "  In process %d", pid);
	if (out->length > begin)
		put(out, "\n");
}

/* The signals that end processes, by name; strsignal() is not safe with threads. */
static const char *
signal_name(int signal)
{
	static const struct {
		int number;
		const char *name;
	} names[] = {
#define X(name) {name, #name}
	    X(SIGABRT), X(SIGALRM), X(SIGBUS), X(SIGFPE), X(SIGHUP), X(SIGILL), X(SIGINT),
	    X(SIGKILL), X(SIGPIPE), X(SIGPROF), X(SIGQUIT), X(SIGSEGV), X(SIGSYS), X(SIGTERM),
	    X(SIGTRAP), X(SIGUSR1), X(SIGUSR2), X(SIGVTALRM), X(SIGXCPU), X(SIGXFSZ),
#undef X
	};

	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
		if (names[i].number == signal)
			return names[i].name;
	return NULL;
}

static void
put_death(struct out *out, const conc_death *death)
{
	const char *name = signal_name(death->signal);

	put(out, "\n  worker %d (pid %d) ", death->worker, death->pid);
	if (death->signal == 0 && death->exit_status < 0) {
		put(out, "died unseen; attempt %d", death->attempt);
		return;
	}
	if (death->signal == 0)
		put(out, "exited with status %d", death->exit_status);
	else if (name != NULL)
		put(out, "was killed by %s", name);
	else
		put(out, "was killed by signal %d", death->signal);
	put(out, "%s; attempt %d, user %.3f s, system %.3f s, max RSS %.1f MB",
	    death->core_dumped ? ", core dumped" : "", death->attempt,
	    (double)death->user_time / 1e9, (double)death->system_time / 1e9,
	    (double)death->max_rss / 1e6);
}

/* One exception, without its causes; no line end. */
static void
put_one(struct out *out, const conc_exception *e)
{
	int code = conc_exception_code(e);
	const char *name = conc_errname(code);

	put_place(out, e);
	if (name[0] != '?')
		put(out, "%s (%d): %s", name, code, conc_exception_message(e));
	else
		put(out, "error %d: %s", code, conc_exception_message(e));
	if (conc_exception_death(e) != NULL)
		put_death(out, conc_exception_death(e));
}

int
conc_exception_format(const conc_exception *e, char *buf, size_t size)
{
	const conc_exception *few[32], **chain = few;
	struct out out = {buf, size, 0};
	size_t n = 0, kept;

	if (e == NULL || (buf == NULL && size != 0))
		return -EINVAL;
	if (size != 0)
		buf[0] = 0;
	/* The chain leads to the root, the text away from it: so note the way. */
	for (const conc_exception *c = e; c != NULL; c = conc_exception_cause(c))
		n++;
	kept = n;
	if (n > sizeof few / sizeof few[0]) {
		chain = conc__malloc(n * sizeof *chain);
		if (chain == NULL) {
			chain = few;
			kept = sizeof few / sizeof few[0];
			put(&out, "(no memory for the first %zu exceptions)\n\n", n - kept);
		}
	}
	for (size_t i = 0; i < kept; i++, e = conc_exception_cause(e))
		chain[i] = e;
	for (size_t i = kept; i-- > 0;) {
		put_one(&out, chain[i]);
		if (i > 0)
			put(&out, "\n\nThe above exception was the direct cause of the "
				  "following exception:\n\n");
	}
	if (chain != few)
		conc__free(chain);
	return out.length < INT_MAX ? (int)out.length : INT_MAX;
}
