/* SPDX-License-Identifier: MIT */
#ifndef CONC__PROCESS_H
#define CONC__PROCESS_H

/*
 * Processes, pipes, channels and descriptors.
 *
 * All functions return 0 or more, or a negated errno value.  All descriptors
 * are close-on-exec.  EINTR comes back to the caller: he names his loop.
 */
#include <conc/time.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Start a process that runs entry(arg) and exits with what entry returns (its
 * low 8 bits), by _exit: neither atexit handlers nor stdio buffers run.  It
 * never returns into the caller.  arg, and all memory, is as at the call, and
 * its own from then on; only memory from conc__shared_map is the same in both.
 * Of the threads only the calling one goes on in it.  It inherits all
 * descriptors.  All signals are blocked in it, until it settles.  To its
 * thread the library knows nothing yet: no exception, no task, no worker; its log
 * is not diverted.
 * Return its process id (> 0), -EAGAIN or -ENOMEM.
 */
int conc__process_start(int (*entry)(void *arg), void *arg);

/*
 * The same for a process that is no child of the caller's: its parent ends at
 * once.  So it is not reaped, and nobody tells its number.  Return 0, -EAGAIN
 * or -ENOMEM.
 */
int conc__process_start_detached(int (*entry)(void *arg), void *arg);

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

/*
 * The same for whichever child has ended: for a process all of whose children
 * are the library's, or were adopted.
 */
int conc__process_reap_any(struct conc__process_end *end, int block);

/* Send a signal.  Return 0, -ESRCH, -EPERM or -EINVAL. */
int conc__process_signal(int pid, int signal);

/*
 * To all processes of the group that pid leads or led.  -ESRCH: there is none;
 * nor is there before pid has settled, so signal pid too.
 */
int conc__process_signal_group(int pid, int signal);

int conc__process_id(void);
int conc__process_parent(void); /* the parent's id; another (1, mostly) once it is gone */

/*
 * A descriptor that polls readable once process pid has ended.  -ESRCH, -EMFILE.
 * -ENOSYS: the system has none (Linux before 5.3, valgrind); fall back on polls that
 * end after a while, with conc__process_reap for a child and conc__process_parent
 * for the parent.
 */
int conc__process_watch(int pid);

/*
 * What a process does first, so that it is not half its parent.  In any case
 *   - signals that were caught, SIGCHLD and SIGPIPE are at their default, none
 *     is blocked; SIGINT is ignored (who interrupts means the host), and so are
 *     SIGTTIN and SIGTTOU: what reads from the terminal fails, what writes to it
 *     goes through, where both would stop a process in the background;
 *   - stdin is /dev/null; stdout and stderr, if they are closed, too;
 *   - what the parent had in the buffers of these is forgotten.
 * The rest is by rule, all zero: not.
 */
struct conc__process_rules {
	const char *name; /* of the process, 15 bytes of it; NULL: the parent's */
	int parent;       /* this one's id: when it ends, be killed; it must have one thread */
	bool settled;     /* the parent had settled: signals and stdio are as they should be */
	bool group;       /* lead a process group of its own */
	bool reaper;      /* adopt descendants whose parents ended */
	bool guard;       /* exit() flushes stdout and leaves: no handler of the parent runs;
	                     nor does one in quick_exit(), whose status becomes 1 */
	bool close_fds;   /* close all descriptors but 0 to 2, keep and own */
	const int *keep;  /* need not be open */
	size_t keep_count;
	const int *own;
	size_t own_count;
	int nice;         /* add this */
	uint64_t memory;  /* bytes of address space beyond what it has now; 0: no limit */
};

/*
 * Settle the calling process, which has one thread.  Return 0; -ESRCH: the parent
 * has ended; -EMFILE, -ENOMEM, -EPERM (nice) ...: it is half settled and should end.
 */
int conc__process_settle(const struct conc__process_rules *r);

/*
 * When the system kills a process for want of memory, it shall be pid more likely than
 * it was, by more (of 1000).  It may stay as it was.
 */
void conc__process_offer(int pid, int more);

/*
 * When this process has used ns more of CPU time, of all its threads, it is sent
 * SIGXCPU, which kills it; a new call replaces the last; 0: none.  One thread at a
 * time.  Return 0, -EAGAIN or -ENOSYS.
 */
int conc__cpu_alarm(int64_t ns);

/* Write out what stdout has in its buffer. */
void conc__stdio_flush(void);

/*
 * Which objects (the program, libraries, plugins) are mapped now: code in these is at
 * the same address in a process that is started now.  Return 0 or -ENOMEM.
 */
struct conc__objects;
int conc__objects_note(struct conc__objects **o);
void conc__objects_free(struct conc__objects *o); /* NULL: nothing */

/*
 * Is address in an object that was noted and is the same still?  One that was
 * unloaded and loaded again at its old place is the same if its build id is.
 * Any thread.
 */
bool conc__objects_hold(const struct conc__objects *o, uint64_t address);

/*
 * A full memory barrier in this process and, at some moment before it returns,
 * in all others that run: so they need none of their own where it matters.
 * Slow: milliseconds.  Where the system has none it does nothing: then what it
 * is for may fail, once in very many times.
 */
void conc__process_barrier(void);

/*
 * Memory that a process and those it starts share, zeroed; size is rounded up
 * to pages.  NULL: there is none.
 */
void *conc__shared_map(size_t size);
void conc__shared_unmap(void *p, size_t size);

/*
 * fd, new and close-on-exec, or in its place a copy beyond 2: a host that has closed its
 * standard streams, and writes to them all the same, shall not meet one of ours.  A
 * negative fd stays what it is.  -EMFILE: it is closed.
 */
int conc__beyond_stdio(int fd);

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

/*
 * The same in one system call, for who knows that a reader remains; if none
 * does, SIGPIPE comes.
 */
int64_t conc__write_held(int fd, const void *buf, size_t size);

/*
 * A channel: two ends for whole messages, both ways, with descriptors.  An end
 * polls as a pipe's do; it hangs up once the other is closed in all processes.
 * -EMFILE, -ENFILE, -ENOMEM.
 */
int conc__channel(int ends[2]);

enum { CONC__CHANNEL_FDS = 4 };

/*
 * Send a message of size > 0 bytes and copies of n descriptors (at most
 * CONC__CHANNEL_FDS).  Return 0: all of it is on its way; -EAGAIN; -EINTR; -EPIPE:
 * the other end is closed (and no SIGPIPE); -EMSGSIZE; -EBADF; -EINVAL; -ETOOMANYREFS:
 * too many descriptors are on their way.
 */
int conc__channel_send(int fd, const void *message, size_t size, const int *fds, size_t n);

/*
 * Take the next message.  Return its size; 0: the other end is closed, and no
 * message is left; -EAGAIN; -EINTR; -EMSGSIZE: it had more than size bytes, and is lost.
 * *n is how many descriptors came with it, the caller's now; beyond most they are
 * closed.  They may be fewer than were sent: this process can have no more.
 */
int64_t conc__channel_receive(
    int fd, void *message, size_t size, int *fds, size_t most, size_t *n);

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
