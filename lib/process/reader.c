/* SPDX-License-Identifier: MIT */
/*
 * The host's end of a report pipe.
 *
 * Bytes come into buf, and whole reports are served from there.  A payload that
 * is too large for buf gets a block of its own, into which the rest of it is
 * read.  The buffer is then empty: bytes behind a large payload are not read
 * before it is whole.
 */
#include "base/hook.h"
#include "base/memory.h"
#include "base/process.h"
#include "process/wire.h"
#include <stdalign.h>
#include <string.h>

int
conc__reader_begin(struct conc__reader *r)
{
	if (r->buf == NULL)
		r->buf = conc__malloc(CONC__READER_SIZE);
	return r->buf != NULL ? 0 : -ENOMEM;
}

void
conc__reader_fini(struct conc__reader *r)
{
	conc__free(r->buf);
	conc__free(r->large);
	*r = (struct conc__reader){0};
}

void *
conc__reader_take(struct conc__reader *r)
{
	void *block = r->large;

	r->large = NULL;
	return block;
}

static bool
is_sound(const struct conc__report *head)
{
	if (head->size > PTRDIFF_MAX / 2 || head->ran < 0 || head->ran > CONC__LONGEST_RUN)
		return false;
	switch (head->type) {
	case CONC__REPORT_READY:
	case CONC__REPORT_CANCELLED:
	case CONC__REPORT_DONE:
		return head->size == 0;
	case CONC__REPORT_RESULT:
	case CONC__REPORT_ROOM:
		return true;
	case CONC__REPORT_LOG:
		return head->size > sizeof(struct conc__logged) &&
		    head->size <= sizeof(struct conc__logged) + CONC__LOG_MESSAGE;
	case CONC__REPORT_INIT_FAILED:
	case CONC__REPORT_FAILURE:
	case CONC__REPORT_ITEM_FAILURE:
		return head->code != 0;
	default:
		return false;
	}
}

/*
 * The payload at p, aligned for any type: moved down if it must be, into the
 * room of its head, which has been copied.
 */
static const void *
align(unsigned char *p, size_t size)
{
	size_t off = (uintptr_t)p % alignof(max_align_t);

	return off != 0 ? memmove(p - off, p, size) : p;
}

/* The payload of r->head is larger than buf: move what is there of it to its own block. */
static void
begin_large(struct conc__reader *r)
{
	r->large = conc__malloc(r->head.size);
	r->got = r->end - r->begin;
	conc__populate(r->large, r->head.size);
	if (r->large != NULL)
		memcpy(r->large, r->buf + r->begin, r->got);
	r->begin = r->end = 0;
	r->in_large = true;
}

/* Serve a report from what is there: 1, or 0 if there is no whole one, or CONC_ECORRUPT. */
static int
serve(struct conc__reader *r, const void **payload)
{
	size_t there = r->end - r->begin;

	if (!r->in_large) {
		if (there < sizeof r->head)
			return 0;
		memcpy(&r->head, r->buf + r->begin, sizeof r->head);
		if (!is_sound(&r->head))
			return CONC_ECORRUPT;
		if (r->head.size <= CONC__READER_SIZE - sizeof r->head) {
			size_t size = r->head.size;

			if (there - sizeof r->head < size)
				return 0;
			r->begin += sizeof r->head;
			*payload = size != 0 ? align(r->buf + r->begin, size) : NULL;
			r->begin += size;
			return 1;
		}
		r->begin += sizeof r->head;
		begin_large(r);
	}
	if (r->got < r->head.size)
		return 0;
	r->in_large = false;
	*payload = r->large;
	return 1;
}

/* One read, of as much as there is room for.  0, or a code. */
static int
fill(struct conc__reader *r, int fd)
{
	unsigned char *to;
	size_t room;
	int64_t n;

	if (r->in_large) {
		room = r->head.size - r->got;
		to = r->large;
		if (to != NULL) {
			to += r->got;
		} else {
			to = r->buf; /* which is empty: to throw it away */
			room = room < CONC__READER_SIZE ? room : CONC__READER_SIZE;
		}
	} else {
		memmove(r->buf, r->buf + r->begin, r->end - r->begin);
		r->end -= r->begin;
		r->begin = 0;
		to = r->buf + r->end;
		room = CONC__READER_SIZE - r->end;
	}
	do
		n = conc__read(fd, to, room); /* does not block */
	while (n == -EINTR);
	if (n <= 0)
		return n < 0 ? (int)n : -EPIPE;
	r->dry = (size_t)n < room;
	*(r->in_large ? &r->got : &r->end) += (size_t)n;
	return 0;
}

/* sure: -EAGAIN is what read said, not what a short one lets expect. */
static int
next(struct conc__reader *r, int fd, const void **payload, bool sure)
{
	int rc = conc__reader_begin(r);

	if (rc != 0)
		return rc;
	if (!r->in_large)
		conc__free(conc__reader_take(r)); /* the last one, if nobody took it */
	/* Does not block: each time something has come, or there is an answer. */
	for (;;) {
		rc = serve(r, payload);
		if (rc != 0)
			return rc;
		if (r->dry && !sure) {
			r->dry = false;
			return -EAGAIN;
		}
		rc = fill(r, fd);
		if (rc != 0)
			return rc;
	}
}

int
conc__reader_next(struct conc__reader *r, int fd, const void **payload)
{
	return next(r, fd, payload, false);
}

int
conc__reader_drain(struct conc__reader *r, int fd, const void **payload)
{
	return next(r, fd, payload, true);
}
