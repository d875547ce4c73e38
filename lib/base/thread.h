/* SPDX-License-Identifier: MIT */
#ifndef CONC__THREAD_H
#define CONC__THREAD_H

#include <conc/error.h>
#include <stddef.h>
#include <stdint.h>

struct conc__thread;

enum { CONC__NAME = 16 }; /* what the system keeps of a name, with its closing zero */

struct conc__thread_options {
	const char *name;           /* copied, cut to 15 bytes; NULL: the starter's */
	size_t stack_size;          /* bytes, rounded up to the least; 0: the default */
	int cpu;                    /* run on the n-th usable CPU only, in turn; -1: on any */
	void (*main)(void *arg);    /* the thread's body */
	void (*aborted)(void *arg); /* runs in the thread when main is left by pthread_exit */
	void *arg;
};

/*
 * Start a thread; *t is its handle, written before main runs.  All signals
 * are blocked in it but ILL, TRAP, BUS, FPE, SEGV, SYS, PIPE and PROF, which
 * are as in the starter.
 * Return 0, -EAGAIN, -ENOMEM or -EINVAL.
 */
int conc__thread_start(struct conc__thread **t, const struct conc__thread_options *options);

/* Wait until it has ended, and free the handle.  Once a thread. */
void conc__thread_join(struct conc__thread *t);

/* Or: let it end by itself, and free the handle.  Also from the thread itself. */
void conc__thread_detach(struct conc__thread *t);

/* In the child of a fork, where it does not run: free the handle. */
void conc__thread_forget(struct conc__thread *t);

/*
 * Call call(arg) and return what it returns.  If the thread is left in it, by
 * pthread_exit, left(arg) runs before the thread goes further down its stack;
 * the frames above this one are gone then.
 */
int conc__guard(int (*call)(void *arg), void (*left)(void *arg), void *arg);

/* NAME-NUMBER, a worker's name; a long one is cut, so that the number is whole. */
void conc__numbered_name(char buf[CONC__NAME], const char *name, int number);

/* The calling thread's name, into buf; what the system says, or "main". */
void conc__thread_name(char *buf, size_t size);

/* The calling thread's number, as the system knows it; never 0. */
uint64_t conc__thread_ident(void);

/*
 * Bytes left of the calling thread's stack, for threads that
 * conc__thread_start made; SIZE_MAX for others.
 */
size_t conc__stack_left(void);

/*
 * CPUs that this process may use, 1 or more: those of its affinity mask, but no
 * more than its cgroups' quota, rounded up.
 */
int conc__cpu_count(void);

#endif
