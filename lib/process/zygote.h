/* SPDX-License-Identifier: MIT */
#ifndef CONC__ZYGOTE_H
#define CONC__ZYGOTE_H

/*
 * The zygote: a process with one thread, forked when its pool is made, that
 * forks the workers and sees them die.  Workers are its children, so the host
 * needs no SIGCHLD and no waitpid, and a late respawn copies a small process.
 *
 * Host and zygote talk through a channel of whole messages.  The host never
 * waits in it; the zygote waits until it can write, or the host is gone.
 */
#include "base/process.h"
#include "process/page.h"
#include <conc/executor.h>

enum conc__control_type {
	/* host to zygote */
	CONC__CONTROL_SPAWN = 1, /* fork a worker for slot */
	CONC__CONTROL_KILL,      /* SIGKILL to slot and its group, if it is this incarnation */
	CONC__CONTROL_QUIT,      /* kill all, and exit */
	/* zygote to host */
	CONC__CONTROL_SPAWNED,   /* pid; with the three descriptors below */
	CONC__CONTROL_REFUSED,   /* code: no pipe, no process */
	CONC__CONTROL_DIED,      /* pid, end; it is reaped, and its group is killed */
};

struct conc__control {
	uint32_t type;
	uint32_t slot;
	uint64_t incarnation; /* the host's number for this life of the slot */
	int32_t pid;
	int32_t code;
	struct conc__process_end end;
};

/* With SPAWNED: the host's ends of the worker's two pipes. */
enum {
	CONC__TASKS_WRITE,   /* the host's end of the task pipe */
	CONC__TASKS_READ,    /* the worker's end of it, kept so that a write never breaks */
	CONC__REPORTS_READ,  /* the host's end of the report pipe */
	CONC__SPAWNED_FDS
};

/* What zygote and workers must know; read in them as it was at the fork. */
struct conc__zygote_plan {
	const char *name;           /* of the pool: workers are NAME-SLOT */
	struct conc__page *pages;   /* of each slot, shared */
	int slots;
	int (*init)(void *user);    /* or NULL */
	void (*fini)(void *user);   /* or NULL */
	void *user;
	uint64_t memory_limit;      /* bytes above what the zygote holds; 0: none */
	int64_t cpu_limit;          /* ns of CPU time for each task; 0: none */
	int nice;                   /* added to the host's */
	int close_fds;              /* 1: close all descriptors but 0 to 2 and keep_fds */
	const int *keep_fds;
	size_t keep_count;
	int detached;               /* 1: fork twice, so that the host has no child */
	size_t pipe_size;           /* of both pipes, for tests; 0: the system's */
};

/* What a zygote is started with. */
struct conc__zygote_start {
	const struct conc__zygote_plan *plan;
	int host;    /* the host's process id */
	int control; /* the zygote's end of the channel */
	int other;   /* the host's end, which the zygote closes */
};

/* The host's side of it. */
struct conc__zygote {
	int pid;     /* 0: detached */
	int control; /* the host's end of the channel, does not block; -1: none */
	struct conc__zygote_start start; /* stays as it is: the zygote reads it */
};

/* Fork one.  0, -EAGAIN, -ENOMEM, -EMFILE ... */
int conc__zygote_start(struct conc__zygote *z, const struct conc__zygote_plan *plan);

/* 0; -EAGAIN: the channel is full; -EPIPE: the zygote is gone. */
int conc__zygote_tell(struct conc__zygote *z, const struct conc__control *m);

/*
 * The next message: 1, *m and, of SPAWNED, the descriptors, the caller's now
 * (the first and third do not block); -EAGAIN: none; -EPIPE: the zygote is gone;
 * CONC_ECORRUPT: nonsense.
 */
int conc__zygote_hear(
    struct conc__zygote *z, struct conc__control *m, int fds[CONC__SPAWNED_FDS]);

/*
 * Let it go: it kills what workers there are, and exits; wait for it (that is
 * quick), unless something in this process has reaped it already.
 */
void conc__zygote_end(struct conc__zygote *z);

/* The zygote's main function, for conc__process_start. */
int conc__zygote_main(void *start);

#endif
