/* SPDX-License-Identifier: MIT */
/*
 * The host's end of a task pipe.
 *
 * Small orders are copied into buf, one behind the other.  Of one with a large
 * argument, head and name are: the argument goes out from where it lies, when
 * buf is through, and then the name.
 */
#include "base/memory.h"
#include "base/process.h"
#include "process/wire.h"
#include <string.h>

void
conc__writer_fini(struct conc__writer *w)
{
	conc__free(w->buf);
	conc__free(w->owned);
	*w = (struct conc__writer){0};
}

int
conc__writer_begin(struct conc__writer *w)
{
	if (w->buf == NULL) {
		w->buf = conc__malloc(CONC__WRITER_SIZE);
		w->size = w->buf != NULL ? CONC__WRITER_SIZE : 0;
	}
	return w->buf != NULL ? 0 : -ENOMEM;
}

/* Room for size bytes at w->end: 0, -EAGAIN or -ENOMEM. */
static int
make_room(struct conc__writer *w, size_t size)
{
	unsigned char *buf;

	if (size <= w->size - w->end)
		return 0;
	if (w->begin > 0) {
		memmove(w->buf, w->buf + w->begin, w->end - w->begin);
		w->end -= w->begin;
		w->begin = 0;
		if (size <= w->size - w->end)
			return 0;
	}
	if (w->end > 0)
		return -EAGAIN;
	/* The first order, or one with a very long name. */
	size = size > CONC__WRITER_SIZE ? size : CONC__WRITER_SIZE;
	buf = conc__malloc(size);
	if (buf == NULL)
		return -ENOMEM;
	conc__free(w->buf);
	w->buf = buf;
	w->size = size;
	return 0;
}

static void
append(struct conc__writer *w, const void *p, size_t size)
{
	if (size > 0)
		memcpy(w->buf + w->end, p, size);
	w->end += size;
}

static bool
is_large(const struct conc__order *o, size_t arg_size)
{
	return arg_size > CONC__WRITER_SIZE - sizeof *o;
}

int
conc__writer_reserve(struct conc__writer *w, const struct conc__order *o, size_t arg_size)
{
	size_t copied = sizeof *o + (is_large(o, arg_size) ? 0 : arg_size) + o->name_size;

	return w->left > 0 ? -EAGAIN : make_room(w, copied);
}

int
conc__writer_put(struct conc__writer *w, const struct conc__order *o, const void *arg,
    size_t arg_size, const char *name)
{
	bool large = is_large(o, arg_size);
	int rc = conc__writer_reserve(w, o, arg_size);

	if (rc != 0)
		return rc;
	append(w, o, sizeof *o);
	if (!large)
		append(w, arg, arg_size);
	append(w, name, o->name_size);
	if (large) {
		w->tail = o->name_size;
		w->end -= w->tail;
		w->large = w->lent = arg;
		w->left = arg_size;
	}
	return 0;
}

bool
conc__writer_borrows(const struct conc__writer *w, const void *arg)
{
	return w->lent != NULL && w->lent == arg;
}

void
conc__writer_keep(struct conc__writer *w, void *block)
{
	w->lent = NULL;
	w->owned = block;
}

bool
conc__writer_own(struct conc__writer *w)
{
	void *copy = conc__malloc(w->left);

	if (copy == NULL)
		return false;
	w->large = memcpy(copy, w->large, w->left);
	conc__writer_keep(w, copy);
	return true;
}

/* The large argument is out: its name is next, and appending is possible again. */
static void
end_large(struct conc__writer *w)
{
	conc__free(w->owned);
	w->owned = NULL;
	w->lent = w->large = NULL;
	w->end += w->tail;
	w->tail = 0;
}

int
conc__writer_flush(struct conc__writer *w, int fd)
{
	/* Does not block: each time something has gone, or there is an answer. */
	while (!conc__writer_empty(w)) {
		bool small = w->begin < w->end;
		size_t size = small ? w->end - w->begin : w->left;
		int64_t n = conc__write_held(fd, small ? w->buf + w->begin : w->large, size);

		if (n == -EINTR)
			continue;
		if (n < 0)
			return (int)n;
		if (small) {
			w->begin += (size_t)n;
		} else {
			w->large += n;
			w->left -= (size_t)n;
			if (w->left == 0)
				end_large(w);
		}
		if ((size_t)n < size)
			return -EAGAIN; /* it is full now */
	}
	w->begin = w->end = 0;
	return 0;
}
