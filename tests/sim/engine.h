/* SPDX-License-Identifier: MIT */
#ifndef SIM_ENGINE_H
#define SIM_ENGINE_H

/*
 * The simulator's inside: one run of one scenario is one struct sim_state,
 * made new from the seed each time.  The files:
 *
 *	switch.c    contexts and stacks
 *	schedule.c  who goes on, time, noise; start and end of a run
 *	memory.c    watched memory        locks.c    futex, mutex, condition, small lock
 *	threads.c   threads, self, clock  process.c  processes     files.c  descriptors
 *	report.c    what happened         main.c     the command line
 */
#define SIM_ENGINE
#include "base/self.h"
#include "sim.h"
#include <conc/time.h>
#include <setjmp.h>
#include <stdio.h>
#include <unwind.h>

#ifdef SIM_ASAN
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(p, n) ((void)(p), (void)(n))
#define ASAN_UNPOISON_MEMORY_REGION(p, n) ((void)(p), (void)(n))
#endif

/* ---- switch.c ---- */

struct sim_context {
	void *sp;
	void *stack; /* NULL: the one that the program began on */
#ifdef SIM_ASAN
	void *fake;
	const void *bottom;
	size_t size;
#endif
};

void sim_context_make(struct sim_context *c, void (*entry)(void));
void sim_context_switch(struct sim_context *from, struct sim_context *to);
void sim_context_entered(void); /* each entry function calls it first */
/* Does a crash at this address mean that the stack was too small? */
bool sim_context_overflown(const struct sim_context *c, const void *address);
/* Its frames are about to be left without returning. */
void sim_context_left(struct sim_context *c);
/* After the next switch its stack may be used again. */
void sim_context_drop(struct sim_context *c);

/* ---- schedule.c ---- */

enum sim_mode { SIM_MODE_RANDOM, SIM_MODE_PCT };

enum sim_wait {
	SIM_ON_TIME,
	SIM_ON_FUTEX,
	SIM_ON_CONDITION,
	SIM_ON_MUTEX,
	SIM_ON_LOCK,
	SIM_ON_THREAD,
	SIM_ON_PROCESS,
	SIM_ON_PIPE,
	SIM_ON_POLL,
};

enum sim_status { SIM_RUNNABLE, SIM_BLOCKED, SIM_ENDED };

enum { SIM_HELD_MAX = 16, SIM_TRACE = 64, SIM_NAME = 16 };

struct sim_held {
	void *lock;
	int rank;
	bool small;
};

struct sim_process;

struct sim_thread {
	struct sim_context context;
	enum sim_status status;
	uint32_t number;                    /* from 1, in order of creation */
	size_t place;                       /* in the array of the runnable */
	struct sim_thread *next, *previous; /* of the blocked, in order of blocking */
	enum sim_wait on;
	const void *object; /* that it waits for */
	int64_t deadline;
	int result; /* of the wait */
	int64_t priority;
	const char *site, *op; /* what it does next */
	unsigned held_count;
	struct sim_held held[SIM_HELD_MAX];
	struct sim_process *process;
	void (*fn)(void *arg);
	void (*aborted)(void *arg);
	void *arg;
	bool joined, detached, program; /* program: started by sim_go */
	char name[SIM_NAME];
	struct conc__self self;
	struct _Unwind_Exception exit;
};

struct sim_event {
	const char *site, *op;
	uint32_t thread;
};

struct sim_run {
	struct sim_scenario *scenario;
	uint64_t seed;
	enum sim_mode mode;
	uint64_t length;  /* switching points to expect, for PCT */
	unsigned fail_at; /* let this call fail, from 1; 0: none */
	bool fail_on;     /* and all after it */
};

struct sim_state {
	struct sim_run run;
	bool active;     /* a run is under way */
	uint64_t number; /* of the run, in this program */
	uint64_t random;
	uint64_t steps, max_steps, hash;
	int64_t now, next_deadline;

	/* This run's noise: one in so many; 0: never. */
	unsigned sticky; /* stay with the running thread, but for one in so many */
	unsigned noise;  /* EINTR, short transfers, weak failures, early returns */
	unsigned storm;  /* jumps of time, wake-ups for nothing */
	uint64_t storm_at;
	uint64_t change[2]; /* PCT's change points */
	int64_t lowest;
	uint64_t alone; /* steps that the running thread has taken in a row */

	struct sim_context outside;
	struct sim_thread *current;
	struct sim_thread **threads; /* all ever made, by number - 1; reused by each run */
	size_t thread_count, thread_room;
	size_t threads_seen; /* thread_count of the last run */
	struct sim_thread **runnable;
	size_t runnable_count;
	struct sim_thread *blocked_first, *blocked_last;
	size_t blocked_count;

	unsigned calls, failures; /* calls that can fail; that were made to */
	uint32_t epoch;           /* how many forks we followed */
	int cpu_count;
	size_t stack_left;
	uint64_t unloaded; /* by sim_unload: an address; 0: none */

	bool failed;
	char reason[2048];
	struct sim_event trace[SIM_TRACE];
	uint64_t events;
};

extern struct sim_state sim;
extern struct sim_scenario *sim_scenarios; /* sorted by name */

/* Run once; true: it went well.  What happened stays in sim until the next run. */
bool sim_execute(const struct sim_run *run);
/* How many switching points a long run takes: what PCT wants to know. */
uint64_t sim_measure(struct sim_scenario *scenario);

/* A switching point of the running thread, which then does op. */
void sim_step(const char *site, const char *op);
/* Block the running thread; 0, or -ETIMEDOUT.  INT64_MAX: forever. */
int sim_block(enum sim_wait on, const void *object, int64_t deadline);
/* Wake up to n of those that wait for this, whichever the seed says. */
void sim_wake(enum sim_wait on, const void *object, int n);
/* Take a thread out of the run for good; if it is the running one, leave it then. */
void sim_vanish(struct sim_thread *t);
_Noreturn void sim_leave(void);
struct sim_thread *sim_thread_new(struct sim_process *process, const char *name);
void sim_thread_ready(struct sim_thread *t);
void sim_advance(int64_t ns);
void sim_note(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* Is it this time's turn for noise of a kind?  Must this call fail? */
bool sim_noise(void);
bool sim_inject(void);

/* ---- memory.c ---- */

void sim_memory_start(void);
void sim_memory_check(void); /* at the end of a run: notes what is wrong */
void sim_memory_reset(void);
void sim_memory_touch(const volatile void *a); /* fails the run if that is freed memory */
void sim_memory_reclaim(int pid);              /* that process has ended */
void sim_memory_forget(void);                  /* what there is is no leak */
void *sim_shared_new(size_t size);
void sim_shared_gone(void *p, size_t size);

/* ---- locks.c ---- */

void sim_lock_vanish(struct sim_thread *t); /* give its locks back */

/* ---- threads.c ---- */

void sim_threads_start(void); /* at the start of a run: the thread "main" */
void sim_threads_check(void);
_Noreturn void sim_thread_body(void); /* of the running thread, from its entry to its end */

/* ---- process.c, files.c ---- */

enum { SIM_FDS = 256 };
struct sim_file;

struct sim_process {
	int pid, parent, group;
	bool ended, reaped;
	bool follows; /* dies with its parent */
	bool reaper;  /* what it starts follows it until it settles */
	int signal, exit_status;
	uint64_t kill_in; /* of its switching points; 0: never */
	unsigned threads;
	int (*entry)(void *arg);
	void *arg;
	struct conc__log_sink *sink;
	struct sim_file *fd[SIM_FDS];
};

struct sim_process *sim_process_first(void); /* at the start of a run */
void sim_process_kill(struct sim_process *p, int signal, int status);
void sim_process_orphan(struct sim_process *p);
void sim_process_check(void);
void sim_process_reset(void);
struct sim_process *sim_process_find(int pid);

void sim_files_copy(struct sim_process *to, const struct sim_process *from);
void sim_files_close(struct sim_process *p);
void sim_files_forget(const struct sim_process *p);
void sim_files_check(const struct sim_process *p);
void sim_files_reset(void);

/* ---- report.c ---- */

void sim_report(FILE *out);    /* of the run that failed */
void sim_crash_watch(void);    /* from now on a crash is a failure of the run */
extern sigjmp_buf sim_crashed; /* where it goes on then */
void sim_report_blocked(char *buf, size_t size);

static inline uint32_t
sim_below(uint32_t n)
{
	sim.random ^= sim.random >> 12;
	sim.random ^= sim.random << 25;
	sim.random ^= sim.random >> 27;
	return (uint32_t)(((sim.random * 0x2545F4914F6CDD1Du >> 32) * n) >> 32);
}

#endif
