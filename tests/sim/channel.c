/* SPDX-License-Identifier: MIT */

/*
 * Channels: two queues of messages.  A message on its way keeps the files open
 * whose descriptors it carries.
 */
#include "files.h"
#include "base/process.h"

enum { DEPTH = 4, GREATEST_MESSAGE = 1024 };

struct message {
	size_t size, n;
	struct sim_file *files[CONC__CHANNEL_FDS];
	char bytes[GREATEST_MESSAGE];
};

struct queue { /* to one side */
	unsigned head, count;
	struct message messages[DEPTH];
};

struct sim_channel {
	unsigned depth; /* messages that fit; by the seed */
	bool open[2];
	struct queue to[2];
};

/* All of this program, reused by each run. */
static struct sim_channel **channels;
static size_t count, room;

void
sim_channel_reset(void)
{
	count = 0;
}

int
conc__channel(int ends[2])
{
	struct sim_file *f[2];

	sim_step(sim_site, "channel");
	if (sim_inject())
		return -EMFILE;
	SIM_NEXT(channels, count, room);
	struct sim_channel *c = channels[count++];

	c->depth = 1 + sim_below(DEPTH);
	for (unsigned side = 0; side < 2; side++) {
		f[side] = sim_file_new(SIM_CHANNEL);
		f[side]->channel = c;
		f[side]->side = side;
		c->open[side] = true;
		c->to[side].head = c->to[side].count = 0;
	}
	return sim_file_install_two(f[0], f[1], ends);
}

/* The first message of a queue goes; its files are the caller's. */
static struct message *
take(struct queue *q)
{
	struct message *m = &q->messages[q->head];

	q->head = (q->head + 1) % DEPTH;
	q->count--;
	return m;
}

static void
drop_files(struct message *m)
{
	for (size_t i = 0; i < m->n; i++)
		sim_file_drop(m->files[i]);
}

/* The last descriptor of this end is closed: nobody will read what is on its way here. */
void
sim_channel_closed(struct sim_file *f)
{
	struct queue *q = &f->channel->to[f->side];

	f->channel->open[f->side] = false;
	while (q->count)
		drop_files(take(q));
	sim_file_changed(f->channel);
}

short
sim_channel_ready(const struct sim_file *f)
{
	const struct sim_channel *c = f->channel;
	bool gone = !c->open[1 - f->side];

	return (short)((c->to[f->side].count || gone ? CONC__READABLE : 0) |
	    (c->to[1 - f->side].count < c->depth || gone ? CONC__WRITABLE : 0) |
	    (gone ? CONC__HANGUP : 0));
}

int
conc__channel_send(int fd, const void *message, size_t size, const int *fds, size_t n)
{
	struct sim_file *f;
	struct message *m;
	struct queue *q;
	int rc;

	sim_step(sim_site, "channel send");
	f = sim_file_get(fd);
	if (!f || f->kind != SIM_CHANNEL)
		return -EBADF;
	if (size == 0 || n > CONC__CHANNEL_FDS)
		return -EINVAL;
	if (size > GREATEST_MESSAGE)
		return -EMSGSIZE;
	for (size_t i = 0; i < n; i++)
		if (!sim_file_get(fds[i]))
			return -EBADF;
	q = &f->channel->to[1 - f->side];
	while (f->channel->open[1 - f->side] && q->count == f->channel->depth) {
		rc = sim_file_wait(fd, f, f->channel);
		if (rc)
			return rc;
	}
	if (!f->channel->open[1 - f->side])
		return -EPIPE;
	m = &q->messages[(q->head + q->count++) % DEPTH];
	m->size = size;
	m->n = n;
	memcpy(m->bytes, message, size);
	for (size_t i = 0; i < n; i++) {
		m->files[i] = sim_file_get(fds[i]);
		m->files[i]->refs++;
	}
	sim_file_changed(f->channel);
	return 0;
}

int64_t
conc__channel_receive(int fd, void *message, size_t size, int *fds, size_t most, size_t *n)
{
	struct sim_file *f;
	struct message *m;
	struct queue *q;
	size_t taken = 0;
	int rc;

	sim_step(sim_site, "channel receive");
	f = sim_file_get(fd);
	if (!f || f->kind != SIM_CHANNEL)
		return -EBADF;
	q = &f->channel->to[f->side];
	while (q->count == 0) {
		if (!f->channel->open[1 - f->side]) {
			*n = 0;
			return 0;
		}
		rc = sim_file_wait(fd, f, f->channel);
		if (rc)
			return rc;
	}
	m = take(q);
	sim_file_changed(f->channel);
	if (m->size > size) {
		drop_files(m);
		return -EMSGSIZE;
	}
	memcpy(message, m->bytes, m->size);
	if (m->n && sim_inject()) /* as if this process could have no more */
		most = 0;
	for (size_t i = 0; i < m->n; i++) {
		int new = taken < most ? sim_file_install(m->files[i]) : -EMFILE;

		if (new >= 0)
			fds[taken++] = new;
		else
			sim_file_drop(m->files[i]);
	}
	*n = taken;
	return (int64_t)m->size;
}
