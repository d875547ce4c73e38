/* SPDX-License-Identifier: MIT */
#ifndef CONC__PROCESS_H
#define CONC__PROCESS_H

/*
 * Processes, pipes and descriptors.
 *
 * All functions return 0 or more, or a negated errno value.  All descriptors
 * are close-on-exec.  EINTR comes back to the caller: he names his loop.
 */
#include <conc/time.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Start a process that runs entry(arg) and exits with what entry returns (its
 * low 8 bits), by _exit: neither atexit handlers nor stdio buffers run.  It
 * never returns into the caller.  arg, and all memory, is as at the call, and
 * its own from then on; only memory from conc__shared_map is the same in both.
 * Of the threads only the calling one goes on in it.  It inherits all
 * descriptors.  To its thread the library knows nothing yet: no exception, no
 * task, no worker.  Return its process id (> 0), -EAGAIN or -ENOMEM.
 */
int conc__process_start(int (*entry)(void *arg), void *arg);

/* End the calling process at once with this status, as _exit does. */
_Noreturn void conc__process_exit(int status);

/* How a child ended. */
struct conc__process_end {
	int signal;      /* that killed it, or 0 */
	int exit_status; /* when signal is 0 */
	int core_dumped;
	int64_t user_time, system_time; /* nanoseconds */
	int64_t max_rss;                /* bytes */
};

/*
 * Take the end of the child pid.  block 0: return 0 if it still runs; 1: wait
 * for it (-EINTR).  Return pid: *end is filled, the child is gone.  -ECHILD.
 */
int conc__process_reap(int pid, struct conc__process_end *end, int block);

/* Send a signal.  Return 0, -ESRCH, -EPERM or -EINVAL. */
int conc__process_signal(int pid, int signal);

int conc__process_parent(void); /* the parent's id; another (1, mostly) once it is gone */

/* A descriptor that polls readable once process pid has ended.  -ESRCH, -EMFILE, -ENOSYS. */
int conc__process_watch(int pid);

/*
 * Memory that a process and those it starts share, zeroed; size is rounded up
 * to pages.  NULL: there is none.
 */
void *conc__shared_map(size_t size);
void conc__shared_unmap(void *p, size_t size);

/* A pipe: what is written to ends[1] is read from ends[0].  -EMFILE, -ENFILE, -ENOMEM. */
int conc__pipe(int ends[2]);

/* Make the pipe hold about so many bytes.  Return what it holds now, or a code. */
int conc__pipe_resize(int fd, size_t size);

/* From now on reads and writes of fd return -EAGAIN where they would block. */
int conc__nonblocking(int fd);

/*
 * Read or write up to size bytes; fewer are usual.  Return how many; read: 0
 * at the end (all writers closed); -EAGAIN; -EINTR; -EBADF; write: -EPIPE when
 * all readers closed, and no SIGPIPE.
 */
int64_t conc__read(int fd, void *buf, size_t size);
int64_t conc__write(int fd, const void *buf, size_t size);

/* Close fd.  It is gone also when this fails.  -EBADF. */
int conc__close(int fd);

/* As poll: wait until the deadline for one of the events, or -EINTR. */
struct conc__poll {
	int fd;       /* -1: skip */
	short wanted; /* CONC__READABLE | CONC__WRITABLE */
	short ready;  /* of those, and CONC__HANGUP, what holds; by conc__poll */
};
enum { CONC__READABLE = 1, CONC__WRITABLE = 2, CONC__HANGUP = 4 };
/* Return how many entries have something ready; 0: the deadline passed. */
int conc__poll(struct conc__poll *p, size_t n, conc_time deadline);

/*
 * A bell: a descriptor that polls readable while it rings.  Ring and hush are
 * idempotent, and may be called from any thread; serialise them if their
 * order matters.
 */
int conc__bell(void); /* the descriptor, silent; -EMFILE, -ENFILE, -ENOMEM */
void conc__bell_ring(int fd);
void conc__bell_hush(int fd);

#endif
