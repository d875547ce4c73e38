/* SPDX-License-Identifier: MIT */
#ifndef SIM_FILES_H
#define SIM_FILES_H

/*
 * Open files, for those who make them: files.c (pipes, bells, watches) and
 * channel.c.
 *
 * A descriptor names an open file, which processes share after a start and
 * which is counted; its being nonblocking belongs to the file, as in the real
 * system.  Any change of state wakes everybody who polls.
 */
#include "engine.h"
#include <errno.h>

enum sim_kind { SIM_READ_END, SIM_WRITE_END, SIM_BELL, SIM_WATCH, SIM_CHANNEL };

struct sim_pipe;
struct sim_channel;

struct sim_file {
	enum sim_kind kind;
	unsigned refs;
	bool nonblocking, rings, inherited;
	struct sim_pipe *pipe;
	struct sim_channel *channel;
	unsigned side; /* of the channel, 0 or 1 */
	struct sim_process *watched;
};

struct sim_file *sim_file_new(enum sim_kind kind);

/* The smallest free descriptor, as POSIX has it; it names f from now on.  -EMFILE. */
int sim_file_install(struct sim_file *f);

/* Two at once, or none of them. */
int sim_file_install_two(struct sim_file *a, struct sim_file *b, int ends[2]);

/* Of the running process; NULL: it is not open. */
struct sim_file *sim_file_get(int fd);

/* One reference less. */
void sim_file_drop(struct sim_file *f);

/* The object that one waits for in its file has changed; wake those who wait and poll. */
void sim_file_changed(const void *object);

/* What was to be done with fd must wait for the object: 0: it was awaited; -EAGAIN; -EINTR. */
int sim_file_wait(int fd, const struct sim_file *f, const void *object);

/* ---- channel.c ---- */

void sim_channel_reset(void);
void sim_channel_closed(struct sim_file *f);
short sim_channel_ready(const struct sim_file *f);

/* Make room for one more in an array of pointers to what is all zero. */
#define SIM_NEXT(array, n, room)                                                               \
	do {                                                                                   \
		if ((n) < (room))                                                              \
			break;                                                                 \
		(room) = (room) ? 2 * (room) : 16;                                             \
		(array) = (realloc)((array), (room) * sizeof(*(array)));                       \
		for (size_t i_ = (n); i_ < (room); i_++)                                       \
			(array)[i_] = (calloc)(1, sizeof(**(array)));                          \
	} while (0)

#endif
