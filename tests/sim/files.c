/* SPDX-License-Identifier: MIT */

/*
 * Descriptors: pipes, bells, watches on processes; read, write, poll.
 */
#include "files.h"
#include "base/process.h"

struct sim_pipe {
	unsigned readers, writers; /* open files, 0 or 1 */
	size_t head, count, capacity, room;
	char *buffer; /* kept for later runs */
};

/* All files and pipes of this program, reused by each run. */
static struct sim_file **files;
static struct sim_pipe **pipes;
static size_t file_count, file_room, pipe_count, pipe_room;

enum { GREATEST_PIPE = 1 << 20 };

void
sim_files_reset(void)
{
	file_count = pipe_count = 0;
	sim_channel_reset();
}

struct sim_file *
sim_file_new(enum sim_kind kind)
{
	SIM_NEXT(files, file_count, file_room);
	struct sim_file *f = files[file_count++];

	*f = (struct sim_file){.kind = kind, .refs = 1};
	return f;
}

static void
set_capacity(struct sim_pipe *p, size_t capacity)
{
	if (capacity > p->room) {
		p->buffer = (realloc)(p->buffer, capacity);
		p->room = capacity;
	}
	p->capacity = capacity;
}

int
sim_file_install(struct sim_file *f)
{
	struct sim_process *p = sim.current->process;

	for (int fd = 3; fd < SIM_FDS; fd++)
		if (!p->fd[fd]) {
			p->fd[fd] = f;
			return fd;
		}
	return -EMFILE;
}

int
sim_file_install_two(struct sim_file *a, struct sim_file *b, int ends[2])
{
	int one = sim_file_install(a), two = sim_file_install(b);

	if (two < 0) {
		if (one >= 0)
			sim.current->process->fd[one] = NULL;
		return -EMFILE;
	}
	ends[0] = one;
	ends[1] = two;
	return 0;
}

struct sim_file *
sim_file_get(int fd)
{
	return fd < 0 || fd >= SIM_FDS ? NULL : sim.current->process->fd[fd];
}

void
sim_file_changed(const void *object)
{
	if (object)
		sim_wake(SIM_ON_PIPE, object, INT32_MAX);
	sim_wake(SIM_ON_POLL, NULL, INT32_MAX);
}

int
sim_file_wait(int fd, const struct sim_file *f, const void *object)
{
	if (f->nonblocking)
		return -EAGAIN;
	if (sim_noise())
		return -EINTR;
	sim_block(SIM_ON_PIPE, object, INT64_MAX);
	if (sim_file_get(fd) != f)
		sim_fail("%s: descriptor %d is closed under who waits for it",
		    sim.current->site, fd);
	return 0;
}

void
sim_file_drop(struct sim_file *f)
{
	if (--f->refs)
		return;
	if (f->kind == SIM_CHANNEL) {
		sim_channel_closed(f);
		return;
	}
	if (f->kind == SIM_READ_END)
		f->pipe->readers--;
	else if (f->kind == SIM_WRITE_END)
		f->pipe->writers--;
	sim_file_changed(f->pipe);
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
			sim_file_drop(p->fd[fd]);
			p->fd[fd] = NULL;
		}
}

/* What p has open now is none of its leaks. */
void
sim_files_forget(const struct sim_process *p)
{
	for (int fd = 0; fd < SIM_FDS; fd++)
		if (p->fd[fd])
			p->fd[fd]->inherited = true;
}

void
sim_files_check(const struct sim_process *p)
{
	static const char *const name[] = {"a pipe's read end", "a pipe's write end",
	    "a bell", "a watch on a process", "a channel's end"};

	for (int fd = 0; fd < SIM_FDS; fd++)
		if (p->fd[fd] && !p->fd[fd]->inherited)
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
	SIM_NEXT(pipes, pipe_count, pipe_room);
	struct sim_pipe *p = pipes[pipe_count++];

	p->readers = p->writers = 1;
	p->head = p->count = 0;
	set_capacity(p, capacity[sim_below(4)]);
	in = sim_file_new(SIM_READ_END);
	out = sim_file_new(SIM_WRITE_END);
	in->pipe = out->pipe = p;
	return sim_file_install_two(in, out, ends);
}

int
conc__pipe_resize(int fd, size_t size)
{
	struct sim_file *f;
	size_t capacity = 4096;

	sim_step(sim_site, "pipe resize");
	f = sim_file_get(fd);
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
	sim_file_changed(f->pipe);
	return (int)capacity;
}

int
conc__bell(void)
{
	int fd;

	sim_step(sim_site, "bell");
	if (sim_inject())
		return -EMFILE;
	fd = sim_file_install(sim_file_new(SIM_BELL));
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
	f = sim_file_new(SIM_WATCH);
	f->watched = p;
	return sim_file_install(f);
}

int
conc__nonblocking(int fd)
{
	struct sim_file *f;

	sim_step(sim_site, "nonblocking");
	f = sim_file_get(fd);
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
	f = sim_file_get(fd);
	if (!f)
		sim_fail(
		    "%s: descriptor %d is closed, which is not open", sim.current->site, fd);
	sim.current->process->fd[fd] = NULL;
	sim_file_drop(f);
	return 0;
}

/* ---- bells ---- */

static void
set_bell(int fd, bool rings)
{
	struct sim_file *f = sim_file_get(fd);

	if (!f || f->kind != SIM_BELL)
		sim_fail("%s: descriptor %d is no bell", sim.current->site, fd);
	f->rings = rings;
	if (rings)
		sim_file_changed(NULL);
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
	struct sim_pipe *p;
	size_t n;
	int rc;

	sim_step(sim_site, "read");
	f = sim_file_get(fd);
	if (!f || f->kind != SIM_READ_END)
		return -EBADF;
	if (size == 0)
		return 0;
	p = f->pipe;
	while (p->count == 0) {
		if (p->writers == 0)
			return 0;
		rc = sim_file_wait(fd, f, p);
		if (rc)
			return rc;
	}
	n = transfer(size, p->count);
	for (size_t i = 0; i < n; i++)
		((char *)buf)[i] = p->buffer[(p->head + i) % p->capacity];
	p->head = (p->head + n) % p->capacity;
	p->count -= n;
	sim_file_changed(p);
	return (int64_t)n;
}

int64_t
conc__write(int fd, const void *buf, size_t size)
{
	struct sim_file *f;
	struct sim_pipe *p;
	size_t n;
	int rc;

	sim_step(sim_site, "write");
	if (fd == 1 || fd == 2) /* a console that nobody reads: the log goes there */
		return (int64_t)transfer(size, size);
	f = sim_file_get(fd);
	if (!f || f->kind != SIM_WRITE_END)
		return -EBADF;
	if (size == 0)
		return 0;
	p = f->pipe;
	for (;;) {
		if (p->readers == 0)
			return -EPIPE;
		if (p->count < p->capacity)
			break;
		rc = sim_file_wait(fd, f, p);
		if (rc)
			return rc;
	}
	n = transfer(size, p->capacity - p->count);
	for (size_t i = 0; i < n; i++)
		p->buffer[(p->head + p->count + i) % p->capacity] = ((const char *)buf)[i];
	p->count += n;
	sim_file_changed(p);
	return (int64_t)n;
}

/* Here SIGPIPE is no end: what may not happen fails as what may. */
int64_t
conc__write_held(int fd, const void *buf, size_t size)
{
	return conc__write(fd, buf, size);
}

/* As poll says it of the real ones: an end without data is a hangup alone. */
static short
ready(const struct sim_file *f)
{
	switch (f->kind) {
	case SIM_READ_END:
		return (short)((f->pipe->count ? CONC__READABLE : 0) |
		    (f->pipe->writers ? 0 : CONC__HANGUP));
	case SIM_WRITE_END:
		return (short)((f->pipe->count < f->pipe->capacity ? CONC__WRITABLE : 0) |
		    (f->pipe->readers ? 0 : CONC__HANGUP));
	case SIM_BELL: return f->rings ? CONC__READABLE : 0;
	case SIM_CHANNEL: return sim_channel_ready(f);
	case SIM_WATCH: return f->watched->ended ? CONC__READABLE : 0;
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
			struct sim_file *f = sim_file_get(p[i].fd);

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
