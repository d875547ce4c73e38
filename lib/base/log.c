/* SPDX-License-Identifier: MIT */
/*
 * The log: <conc/log.h>.  A record goes to the sink of a worker process, or to
 * the handler.  The default handler writes to standard error, by one write a
 * record, so that records of several threads do not mix.
 */
#include "base/atomic.h"
#include "base/clock.h"
#include "base/hook.h"
#include "base/memory.h"
#include "base/process.h"
#include "base/raise.h"
#include "base/repeats.h"
#include "base/self.h"
#include "base/thread.h"
#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static conc__atomic_u32 least = CONC__ATOMIC_INIT(CONC_LOG_WARNING); /* of what is written */

/* Its only accesses: dev/valgrind.supp knows both by their names. */
static uint32_t
least_level(void)
{
	/* relaxed: a number alone; a thread may see a new level late */
	return conc__load_relaxed(&least);
}

static void
set_least_level(uint32_t level)
{
	/* relaxed: the same */
	conc__store_relaxed(&least, level);
}

/* All under conc__hook_lock. */
static conc_log_handler *program_handler; /* NULL: the default */
static void *program_user;
static struct conc__repeats repeats;

/* Bytes on their way to standard error, written when the buffer is full, and at the end. */
struct out {
	char *buf;
	size_t size, used;
};

static void
flush(struct out *out)
{
	size_t done = 0;

	while (done < out->used) {
		int64_t n = conc__write(2, out->buf + done, out->used - done);
		struct conc__poll full = {.fd = 2, .wanted = CONC__WRITABLE};

		if (n > 0)
			done += (size_t)n;
		else if (n == -EAGAIN) {
			/* Ends when the reader reads; one that does not loses the record. */
			if (conc__poll(&full, 1, conc_after(CONC_S(10))) == 0)
				break;
		} else if (n != -EINTR)
			break; /* nobody can be told */
	}
	out->used = 0;
}

static void
put(struct out *out, const char *data, size_t n)
{
	while (n > 0) {
		size_t room = out->size - out->used, part = n < room ? n : room;

		memcpy(out->buf + out->used, data, part);
		out->used += part;
		data += part;
		n -= part;
		if (out->used == out->size && n > 0)
			flush(out);
	}
}

/*
 * The calendar by hand: gmtime_r takes a lock, which another thread may hold
 * at a fork.  Years begin in March here, so that the leap day is the last
 * (Hinnant, "chrono-compatible low-level date algorithms"); for times since
 * 1970.
 */
size_t
conc__log_prefix(char *buf, const conc_log_record *record)
{
	static const char *const levels[] = {"debug", "info", "warning", "error"};
	int64_t seconds = record->time / 1000000000;
	int second = (int)(seconds % 86400);
	int64_t day = seconds / 86400 + 719468; /* since 1 March of the year 0 */
	int64_t era = day / 146097;             /* of 400 years */
	int of_era = (int)(day % 146097);
	int year = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
	int of_year = of_era - (365 * year + year / 4 - year / 100);
	int month = (5 * of_year + 2) / 153; /* 0: March */
	int calendar_month = month < 10 ? month + 3 : month - 9;
	int n = snprintf(buf, CONC__LOG_PREFIX,
	    "%04d-%02d-%02dT%02d:%02d:%02d.%06dZ %s %.64s: ",
	    (int)(era * 400) + year + (calendar_month < 3), calendar_month,
	    of_year - (153 * month + 2) / 5 + 1, second / 3600, second / 60 % 60, second % 60,
	    (int)(record->time % 1000000000 / 1000), levels[record->level], record->thread);

	return (size_t)n < CONC__LOG_PREFIX ? (size_t)n : CONC__LOG_PREFIX - 1;
}

static void
write_record(const conc_log_record *record)
{
	char prefix[CONC__LOG_PREFIX], few[1024];
	size_t length = conc__log_prefix(prefix, record), lines = 1;
	struct out out = {few, 0, 0};

	for (const char *s = record->message; (s = strchr(s, '\n')) != NULL; s++)
		lines++;
	out.size = strlen(record->message) + lines * (length + 1);
	if (out.size > sizeof few)
		out.buf = conc__malloc(out.size);
	if (out.buf == NULL) { /* then in several writes */
		out.buf = few;
		out.size = sizeof few;
	}
	for (const char *line = record->message, *end; line != NULL;
	    line = end != NULL ? end + 1 : NULL) {
		end = strchr(line, '\n');
		put(&out, prefix, length);
		put(&out, line, end != NULL ? (size_t)(end - line) : strlen(line));
		put(&out, "\n", 1);
	}
	flush(&out);
	if (out.buf != few)
		conc__free(out.buf);
}

bool
conc__log_wanted(conc_log_level level)
{
	return (uint32_t)level <= CONC_LOG_ERROR && (uint32_t)level >= least_level();
}

/* By the handler; what a handler logs itself is written here, so that none calls itself. */
static void
tell(conc_log_handler *handler, void *user, const conc_log_record *record)
{
	struct conc__self *self = conc__self();

	if (handler == NULL || self->handlers > 0) {
		write_record(record);
		return;
	}
	self->handlers++;
	handler(record, user);
	self->handlers--;
}

void
conc__log_forked(void)
{
	repeats = (struct conc__repeats){.told = 0};
}

/* The handler's, and who repeats what. */
static void
hand_out(const conc_log_record *record)
{
	conc_log_handler *handler;
	struct conc__repeated before;
	bool pass;
	void *user;

	if (conc__self()->handlers > 0) {
		write_record(record);
		return;
	}
	conc__hook_enter();
	handler = program_handler;
	user = program_user;
	pass = conc__repeats_pass(&repeats, record, &before);
	conc__hook_leave();
	if (before.record.repeated > 0)
		tell(handler, user, &before.record);
	if (pass)
		tell(handler, user, record);
}

/* To where this process sends its records, if it does. */
static bool
is_sent(const conc_log_record *record)
{
	struct conc__log_sink *sink = conc__log_sink();
	int old;

	/* relaxed: a fact alone; another thread may see it late */
	if (sink == NULL || conc__load_relaxed(&sink->overruled) != 0)
		return false;
	/* A thread that is cancelled in it would leave half a record, and a lock. */
	(void)pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &old);
	if (!sink->send(sink, record))
		write_record(record);
	(void)pthread_setcancelstate(old, &old);
	return true;
}

void
conc__log_record(const conc_log_record *record)
{
	conc_exception *saved;
	int saved_errno = errno;

	if (!conc__log_wanted(record->level))
		return;
	saved = conc__caught_save();
	if (!is_sent(record))
		hand_out(record);
	conc__caught_restore(saved);
	errno = saved_errno;
}

void
conc__log(conc_log_level level, const char *message)
{
	const struct conc__self *self = conc__self();
	char thread[64];
	conc_log_record record = {.time = conc__wall_clock(),
	    .thread = thread,
	    .message = message,
	    .level = level,
	    .pid = conc__process_id(),
	    .worker = self->executor != NULL ? self->index : -1};
	int saved_errno = errno;

	conc__thread_name(thread, sizeof thread);
	errno = saved_errno;
	conc__log_record(&record);
}

void
conc_log(conc_log_level level, const char *fmt, ...)
{
	char few[512], *message = few;
	int saved_errno = errno, n;
	va_list args;
	size_t size;

	if (!conc__log_wanted(level) || fmt == NULL)
		return;
	va_start(args, fmt);
	n = vsnprintf(few, sizeof few, fmt, args);
	va_end(args);
	if (n < 0) { /* nothing that printf can make sense of */
		errno = saved_errno;
		return;
	}
	if ((size_t)n >= sizeof few) {
		size = n < CONC__LOG_MESSAGE ? (size_t)n + 1 : CONC__LOG_MESSAGE;
		message = conc__malloc(size);
		errno = saved_errno;
		if (message != NULL) {
			va_start(args, fmt);
			(void)vsnprintf(message, size, fmt, args);
			va_end(args);
		} else
			message = few; /* its beginning, at least */
	}
	conc__log(level, message);
	if (message != few)
		conc__free(message);
	errno = saved_errno;
}

int
conc_set_log(conc_log_handler *handler, void *user, conc_log_level level)
{
	struct conc__log_sink *sink = conc__log_sink();
	conc_log_handler *old_handler;
	struct conc__repeated before;
	void *old_user;

	if ((uint32_t)level > CONC_LOG_NONE)
		return -EINVAL;
	if (sink != NULL)
		/* relaxed: a fact alone; what else it means is under the lock */
		conc__store_relaxed(&sink->overruled, handler != NULL);
	conc__hook_enter();
	old_handler = program_handler;
	old_user = program_user;
	program_handler = handler;
	program_user = user;
	conc__repeats_end(&repeats, &before);
	conc__hook_leave();
	set_least_level((uint32_t)level);
	if (before.record.repeated > 0)
		tell(old_handler, old_user, &before.record);
	return 0;
}
