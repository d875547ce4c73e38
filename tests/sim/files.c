/* SPDX-License-Identifier: MIT */

/*
 * Descriptors: pipes, bells, watches on processes; read, write, poll.
 *
 * A descriptor names an open file, which processes share after a start and
 * which is counted; its being nonblocking belongs to the file, as in the real
 * system.  Any change of state wakes everybody who polls.
 */
#include "engine.h"
#include "base/process.h"

enum kind { READ_END, WRITE_END, BELL, WATCH };

struct pipe {
	unsigned readers, writers; /* open files, 0 or 1 */
	size_t head, count, capacity, room;
	char *buffer; /* kept for later runs */
};

struct sim_file {
	enum kind kind;
	unsigned refs;
	bool nonblocking, rings;
	struct pipe *pipe;
	struct sim_process *watched;
};

/* All files and pipes of this program, reused by each run. */
static struct sim_file **files;
static struct pipe **pipes;
static size_t file_count, file_room, pipe_count, pipe_room;

enum { GREATEST_PIPE = 1 << 20 };

#define NEXT(array, n, room)                                                                   \
	do {                                                                                   \
		if ((n) < (room))                                                              \
			break;                                                                 \
		(room) = (room) ? 2 * (room) : 16;                                             \
		(array) = (realloc)((array), (room) * sizeof(*(array)));                       \
		for (size_t i_ = (n); i_ < (room); i_++)                                       \
			(array)[i_] = (calloc)(1, sizeof(**(array)));                          \
	} while (0)

void
sim_files_reset(void)
{
	file_count = pipe_count = 0;
}

static struct sim_file *
new_file(enum kind kind)
{
	NEXT(files, file_count, file_room);
	struct sim_file *f = files[file_count++];

	*f = (struct sim_file){.kind = kind, .refs = 1};
	return f;
}

static void
set_capacity(struct pipe *p, size_t capacity)
{
	if (capacity > p->room) {
		p->buffer = (realloc)(p->buffer, capacity);
		p->room = capacity;
	}
	p->capacity = capacity;
}

/* The smallest free descriptor, as POSIX has it; it names f from now on. */
static int
install(struct sim_file *f)
{
	struct sim_process *p = sim.current->process;

	for (int fd = 3; fd < SIM_FDS; fd++)
		if (!p->fd[fd]) {
			p->fd[fd] = f;
			return fd;
		}
	return -EMFILE;
}

static struct sim_file *
get(int fd)
{
	return fd < 0 || fd >= SIM_FDS ? NULL : sim.current->process->fd[fd];
}

static void
changed(struct pipe *p)
{
	if (p)
		sim_wake(SIM_ON_PIPE, p, INT32_MAX);
	sim_wake(SIM_ON_POLL, NULL, INT32_MAX);
}

static void
drop(struct sim_file *f)
{
	if (--f->refs)
		return;
	if (f->kind == READ_END)
		f->pipe->readers--;
	else if (f->kind == WRITE_END)
		f->pipe->writers--;
	changed(f->pipe);
}

void
sim_files_copy(struct sim_process *to, const struct sim_process *from)
{
	for (int fd = 0; fd < SIM_FDS; fd++)
		if (from->fd[fd]) {
			to->fd[fd] = from->fd[fd];
			to->fd[fd]->refs++;
		}
}

void
sim_files_close(struct sim_process *p)
{
	for (int fd = 0; fd < SIM_FDS; fd++)
		if (p->fd[fd]) {
			drop(p->fd[fd]);
			p->fd[fd] = NULL;
		}
}

void
sim_files_check(const struct sim_process *p)
{
	static const char *const name[] = {
	    "a pipe's read end", "a pipe's write end", "a bell", "a watch on a process"};

	for (int fd = 0; fd < SIM_FDS; fd++)
		if (p->fd[fd])
			sim_note(
			    "descriptor %d (%s) was never closed", fd, name[p->fd[fd]->kind]);
}

/* ---- making and closing ---- */

int
conc__pipe(int ends[2])
{
	static const size_t capacity[] = {16, 100, 4096, 65536};
	struct sim_file *in, *out;

	sim_step(sim_site, "pipe");
	if (sim_inject())
		return -EMFILE;
	NEXT(pipes, pipe_count, pipe_room);
	struct pipe *p = pipes[pipe_count++];

	p->readers = p->writers = 1;
	p->head = p->count = 0;
	set_capacity(p, capacity[sim_below(4)]);
	in = new_file(READ_END);
	out = new_file(WRITE_END);
	in->pipe = out->pipe = p;
	int a = install(in), b = install(out);

	if (b < 0) {
		if (a >= 0)
			sim.current->process->fd[a] = NULL;
		return -EMFILE;
	}
	ends[0] = a;
	ends[1] = b;
	return 0;
}

int
conc__pipe_resize(int fd, size_t size)
{
	struct sim_file *f;
	size_t capacity = 4096;

	sim_step(sim_site, "pipe resize");
	f = get(fd);
	if (!f || !f->pipe)
		return -EBADF;
	if (size > GREATEST_PIPE || sim_inject())
		return -EPERM;
	while (capacity < size)
		capacity *= 2;
	if (capacity < f->pipe->count)
		return -EBUSY;
	/* The ring begins anew: what it holds moves to the front. */
	char *held = (malloc)(f->pipe->count + 1);

	for (size_t i = 0; i < f->pipe->count; i++)
		held[i] = f->pipe->buffer[(f->pipe->head + i) % f->pipe->capacity];
	set_capacity(f->pipe, capacity);
	memcpy(f->pipe->buffer, held, f->pipe->count);
	f->pipe->head = 0;
	(free)(held);
	changed(f->pipe);
	return (int)capacity;
}

int
conc__bell(void)
{
	int fd;

	sim_step(sim_site, "bell");
	if (sim_inject())
		return -EMFILE;
	fd = install(new_file(BELL));
	return fd;
}

int
conc__process_watch(int pid)
{
	struct sim_process *p;
	struct sim_file *f;

	sim_step(sim_site, "process watch");
	p = sim_process_find(pid);
	if (!p)
		return -ESRCH;
	if (sim_inject())
		return -EMFILE;
	f = new_file(WATCH);
	f->watched = p;
	return install(f);
}

int
conc__nonblocking(int fd)
{
	struct sim_file *f;

	sim_step(sim_site, "nonblocking");
	f = get(fd);
	if (!f)
		return -EBADF;
	f->nonblocking = true;
	return 0;
}

int
conc__close(int fd)
{
	struct sim_file *f;

	sim_step(sim_site, "close");
	f = get(fd);
	if (!f)
		sim_fail(
		    "%s: descriptor %d is closed, which is not open", sim.current->site, fd);
	sim.current->process->fd[fd] = NULL;
	drop(f);
	return 0;
}

/* ---- bells ---- */

static void
set_bell(int fd, bool rings)
{
	struct sim_file *f = get(fd);

	if (!f || f->kind != BELL)
		sim_fail("%s: descriptor %d is no bell", sim.current->site, fd);
	f->rings = rings;
	if (rings)
		changed(NULL);
}

void
conc__bell_ring(int fd)
{
	sim_step(sim_site, "bell ring");
	set_bell(fd, true);
}

void
conc__bell_hush(int fd)
{
	sim_step(sim_site, "bell hush");
	set_bell(fd, false);
}

/* ---- read, write, poll ---- */

/* How much of what could be transferred is. */
static size_t
transfer(size_t size, size_t possible)
{
	size_t n = size < possible ? size : possible;

	return n > 1 && sim_noise() ? 1 + sim_below((uint32_t)n) : n;
}

int64_t
conc__read(int fd, void *buf, size_t size)
{
	struct sim_file *f;
	struct pipe *p;
	size_t n;

	sim_step(sim_site, "read");
	f = get(fd);
	if (!f || f->kind != READ_END)
		return -EBADF;
	if (size == 0)
		return 0;
	p = f->pipe;
	while (p->count == 0) {
		if (p->writers == 0)
			return 0;
		if (f->nonblocking)
			return -EAGAIN;
		if (sim_noise())
			return -EINTR;
		sim_block(SIM_ON_PIPE, p, INT64_MAX);
		if (get(fd) != f)
			sim_fail(
			    "%s: descriptor %d is closed under a read", sim.current->site, fd);
	}
	n = transfer(size, p->count);
	for (size_t i = 0; i < n; i++)
		((char *)buf)[i] = p->buffer[(p->head + i) % p->capacity];
	p->head = (p->head + n) % p->capacity;
	p->count -= n;
	changed(p);
	return (int64_t)n;
}

int64_t
conc__write(int fd, const void *buf, size_t size)
{
	struct sim_file *f;
	struct pipe *p;
	size_t n;

	sim_step(sim_site, "write");
	if (fd == 1 || fd == 2) /* a console that nobody reads: the log goes there */
		return (int64_t)transfer(size, size);
	f = get(fd);
	if (!f || f->kind != WRITE_END)
		return -EBADF;
	if (size == 0)
		return 0;
	p = f->pipe;
	for (;;) {
		if (p->readers == 0)
			return -EPIPE;
		if (p->count < p->capacity)
			break;
		if (f->nonblocking)
			return -EAGAIN;
		if (sim_noise())
			return -EINTR;
		sim_block(SIM_ON_PIPE, p, INT64_MAX);
		if (get(fd) != f)
			sim_fail(
			    "%s: descriptor %d is closed under a write", sim.current->site, fd);
	}
	n = transfer(size, p->capacity - p->count);
	for (size_t i = 0; i < n; i++)
		p->buffer[(p->head + p->count + i) % p->capacity] = ((const char *)buf)[i];
	p->count += n;
	changed(p);
	return (int64_t)n;
}

/* As poll says it of the real ones: an end without data is a hangup alone. */
static short
ready(const struct sim_file *f)
{
	switch (f->kind) {
	case READ_END:
		return (short)((f->pipe->count ? CONC__READABLE : 0) |
		    (f->pipe->writers ? 0 : CONC__HANGUP));
	case WRITE_END:
		return (short)((f->pipe->count < f->pipe->capacity ? CONC__WRITABLE : 0) |
		    (f->pipe->readers ? 0 : CONC__HANGUP));
	case BELL: return f->rings ? CONC__READABLE : 0;
	case WATCH: return f->watched->ended ? CONC__READABLE : 0;
	}
	return 0;
}

int
conc__poll(struct conc__poll *p, size_t n, conc_time deadline)
{
	const char *site = sim_site;
	bool timed_out = false;
	int found;

	sim_step(site, "poll");
	for (;;) {
		found = 0;
		for (size_t i = 0; i < n; i++) {
			struct sim_file *f = get(p[i].fd);

			p[i].ready = 0;
			if (p[i].fd < 0)
				continue;
			if (!f)
				sim_fail("%s: poll of descriptor %d, which is not open", site,
				    p[i].fd);
			p[i].ready = ready(f) & (short)(p[i].wanted | CONC__HANGUP);
			found += p[i].ready != 0;
		}
		if (found || timed_out || deadline.ns <= sim.now)
			return found;
		if (sim_noise())
			return -EINTR;
		timed_out = sim_block(SIM_ON_POLL, NULL, deadline.ns) != 0;
	}
}
