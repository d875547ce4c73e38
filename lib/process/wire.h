/* SPDX-License-Identifier: MIT */
#ifndef CONC__WIRE_H
#define CONC__WIRE_H

/*
 * What host and worker say to each other, and how it comes through a pipe.
 *
 * Both ends are the same program on the same machine, so heads are plain
 * structs.  A head is followed by its payload of size bytes.  One writer and
 * one reader a pipe; nothing depends on what a pipe holds.  (Several threads of a
 * worker may write reports: process/outlet.h keeps them apart.)
 *
 * The host never blocks in a pipe: it keeps what has not gone out (conc__writer)
 * and what has not come in whole (conc__reader).  A worker blocks in both
 * (conc__read_whole, conc__write_whole).
 */
#include "base/raise.h"
#include "base/thread.h"
#include <conc/error.h>
#include <conc/log.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Host to worker: "do this". */
enum conc__order_type {
	CONC__ORDER_TASK = 1,
	CONC__ORDER_CHUNK, /* count items */
	CONC__ORDER_BYE,   /* run fini, exit 0 */
};

struct conc__order {
	uint32_t type;
	uint32_t count;       /* items of a chunk */
	uint64_t seq;         /* 0 for BYE */
	uint64_t fn;          /* the function's address, the same in all processes */
	uint64_t arg_size;    /* of the task, or of each item; CONC_BORROW never */
	uint64_t result_size; /* likewise */
	uint32_t area;        /* where a chunk's results go: page->areas[area] */
	uint32_t name_size;   /* of the task's name, without a zero byte; 0: none */
	int64_t time_limit;   /* of the task or of each item, ns; 0: none */
	uint64_t flags;       /* CONC__STOP_ON_... */
	uint64_t size;        /* payload: argument or arguments, then the name */
};
/* A chunk ends at its first failing item; at the first that is CONC_ETIMELIMIT. */
enum { CONC__STOP_ON_FAILURE = 1, CONC__STOP_ON_LATE = 2 };

/* Worker to host: "this came of it". */
enum conc__report_type {
	CONC__REPORT_READY = 1,    /* init has succeeded */
	CONC__REPORT_INIT_FAILED,  /* code; payload: the exception; the worker exits */
	CONC__REPORT_RESULT,       /* payload: the result */
	CONC__REPORT_ROOM,         /* the same, from conc_result_alloc: of whatever size */
	CONC__REPORT_FAILURE,      /* code; payload: the exception */
	CONC__REPORT_CANCELLED,    /* it was asked to stop, and did */
	CONC__REPORT_ITEM_FAILURE, /* code, item; payload: the exception; a DONE follows */
	CONC__REPORT_DONE,         /* a chunk; item: how many items ran, as in page->done;
	                              code -ECANCELED: asked to stop, and the last one did so */
	CONC__REPORT_LOG,          /* of no order, at any time; payload: a log record */
	CONC__REPORT_TYPES,
};

struct conc__report {
	uint32_t type;
	int32_t code;  /* 0 unless said */
	uint64_t seq;  /* of the order; 0 for READY, INIT_FAILED and LOG */
	uint64_t item; /* 0 unless said */
	int64_t ran;   /* nanoseconds that the task or chunk ran, at most CONC__LONGEST_RUN */
	uint64_t size; /* payload */
};
#define CONC__LONGEST_RUN (INT64_MAX / 64) /* four years: sums of many do not overflow */

/*
 * What a host has not yet read of a worker's pipe.  A read takes as much as
 * buf has room for, so many small reports cost one.
 */
struct conc__reader {
	unsigned char *buf; /* of CONC__READER_SIZE bytes; NULL until the first read */
	size_t begin, end;  /* what of it holds bytes */
	void *large;        /* a payload that buf is too small for; NULL: skip it */
	size_t got;         /* bytes of it so far */
	bool in_large;      /* it is not whole yet */
	bool dry;           /* the last read was short: nothing more was there */
	struct conc__report head;
};
enum { CONC__READER_SIZE = 64 * 1024 };

/* All zero is an empty reader; this gets its buffer ahead of the first read: 0 or -ENOMEM. */
int conc__reader_begin(struct conc__reader *r);
/* And this frees what it holds and empties it. */
void conc__reader_fini(struct conc__reader *r);

/*
 * The next report from fd, which does not block.  Return 1: it is in r->head,
 * and *payload, if its size is not 0, is aligned for any type and stays until
 * the next call (NULL: its size is 0, or there was no memory for it, and it was
 * skipped);
 * -EAGAIN: no whole one is there yet, poll; -EPIPE: end of file, whatever is half
 * there will never be whole; CONC_ECORRUPT: nonsense (unknown type, a size
 * over PTRDIFF_MAX / 2, a ran that cannot be, a size where there can be none, a failure
 * without a code): read no more; -ENOMEM: no buffer; another code: an error.
 *
 * -EAGAIN saves the read that a short one before it made needless.  So it may be
 * out of date; poll knows.
 */
int conc__reader_next(struct conc__reader *r, int fd, const void **payload);

/* The same, but -EAGAIN is the truth: the pipe is empty.  For those of the dead. */
int conc__reader_drain(struct conc__reader *r, int fd, const void **payload);

/*
 * Take over the last payload: a block for conc__free.  NULL: it is small and
 * lies in the buffer (copy it), or there is none.
 */
void *conc__reader_take(struct conc__reader *r);

/* What a host has not yet written to a worker's pipe: buf, then large, then tail. */
struct conc__writer {
	unsigned char *buf;         /* NULL until the first order */
	size_t size;                /* CONC__WRITER_SIZE; more for a very long name */
	size_t begin, end;          /* what of it is to be written */
	size_t tail;                /* behind end: the name that follows large */
	const unsigned char *large; /* what is to be written of a large argument, */
	size_t left;                /* so many bytes, */
	const void *lent;           /* and where it begins, if it is borrowed; or NULL */
	void *owned;                /* its block, if it is ours; or NULL */
};
enum { CONC__WRITER_SIZE = 64 * 1024 };

/* All zero is an empty writer; this gets its buffer ahead of the first order: 0 or -ENOMEM. */
int conc__writer_begin(struct conc__writer *w);
/* And this frees what it holds and empties it. */
void conc__writer_fini(struct conc__writer *w);

/* Is nothing left to be written? */
static inline bool
conc__writer_empty(const struct conc__writer *w)
{
	return w->begin == w->end && w->left == 0;
}

/*
 * Append an order, whose size is arg_size and name_size together (either may be
 * NULL of 0 bytes).  Return 0; -EAGAIN: write first, there is no room;
 * -ENOMEM.  What is small is copied.  If arg is large (it and the head have no
 * room in CONC__WRITER_SIZE) it is borrowed until it is written or
 * conc__writer_keep; nothing can be appended until then.
 */
int conc__writer_put(struct conc__writer *w, const struct conc__order *o, const void *arg,
    size_t arg_size, const char *name);

/* Return as conc__writer_put would; after 0 it will not fail. */
int conc__writer_reserve(struct conc__writer *w, const struct conc__order *o, size_t arg_size);

/* Does it still borrow this arg?  Take its block over: conc__writer frees it. */
bool conc__writer_borrows(const struct conc__writer *w, const void *arg);
void conc__writer_keep(struct conc__writer *w, void *block);
/* Or copy what is left of it; false: no memory. */
bool conc__writer_own(struct conc__writer *w);

/*
 * Write what can be written to fd now.  0: all; -EAGAIN: not all, poll; another
 * code: an error.  Who calls it knows that a reader remains: else SIGPIPE comes.
 */
int conc__writer_flush(struct conc__writer *w, int fd);

/*
 * A pipe through which large payloads go should hold more: then its two ends
 * take turns less often.  Without effect if it may not.
 */
enum { CONC__WIDE = 1 << 20 };
void conc__pipe_widen(int fd);

/* Blocking, until all is through: 0; -EPIPE: end of file, or no reader; or another code. */
int conc__read_whole(int fd, void *p, size_t size);
int conc__write_whole(int fd, const void *p, size_t size);

/* A head and its payload, in as few writes as it takes. */
int conc__report_write(int fd, const struct conc__report *r, const void *payload);

/* The payload of a LOG: this, then the message with a closing zero. */
struct conc__logged {
	int64_t time;
	int32_t level;
	int32_t pid;     /* of the process that wrote it: the worker, or one below it */
	int32_t worker;  /* the record's */
	uint32_t length; /* of the message, without its zero */
	char thread[CONC__NAME];
};

/* A LOG report of this record, whose message is cut at CONC__LOG_MESSAGE - 1 bytes. */
int conc__record_write(int fd, const conc_log_record *record);

/* And back; its strings lie in the payload.  false: the bytes are nonsense. */
bool conc__record_read(const void *payload, size_t size, conc_log_record *record);

/*
 * An exception and its causes as bytes.  *size: how many.  NULL: no memory.
 * For conc__free.  At most CONC__CHAIN causes travel, the rest is cut; how a
 * process died stays behind.
 */
enum { CONC__CHAIN = 32 };
void *conc__exception_pack(const conc_exception *e, size_t *size);

/*
 * And back; the caller's reference.  NULL: the bytes are nonsense.  p NULL:
 * one of code alone, as if raised here.  The code of the outermost one must be
 * code.
 */
conc_exception *conc__exception_unpack(const void *p, size_t size, int code);

#endif
