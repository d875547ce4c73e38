/* SPDX-License-Identifier: MIT */
#ifndef CONC_SYNC_H
#define CONC_SYNC_H

#include <conc/barrier.h>
#include <conc/error.h>
#include <conc/event.h>
#include <conc/semaphore.h>
#include <conc/time.h>
#include <conc/version.h>
#include <stdbool.h>
#include <stdint.h>

/*
 * What threads keep each other in order with: Python's threading for C.
 *
 *	static conc_lock lock = CONC_LOCK_INIT;
 *	static conc_condition changed;          all zero is initialised as well
 *	static int stock;
 *
 *	CONC_WITH(&lock) {                      released on every way out
 *		while (stock == 0)
 *			conc_condition_wait(&changed, &lock, CONC_FOREVER);
 *		stock--;
 *	}
 *
 * Each object is a struct of fixed size, for the program to place: at file
 * scope, on the stack, in structs of its own.  Its members are the library's.
 * All zero is initialised; _init does it for memory that is not zero, and takes
 * flags; _fini ends it, and frees nothing.  It must not be copied or moved.
 *
 * Whoever waits gives a deadline: CONC_NOW only tries, CONC_FOREVER waits for
 * good.  What can be had at once is had, whatever the deadline.  In a callback
 * of the library (of a future, a cleanup) a wait that would block is -EDEADLK.
 *
 * All functions are MT-safe but _init and _fini, during which nobody else may
 * use the object.  A NULL where none may be is -EINVAL.
 *
 * Fork: what no thread but the forking one held or was in the middle of, the
 * child may use, a barrier too that nobody waited at.  What another thread held
 * stays held there, and a barrier still counts those that waited: _init makes it new.
 */

#ifdef __cplusplus
extern "C" {
#endif

/* Flags of _init; an unknown one is -EINVAL. */
#define CONC_SHARED 0x1u                     /* between processes: not yet, -ENOTSUP */
#define CONC_RANK(n) ((n) * 0x100u)          /* a lock's rank, 1 to CONC_RANK_MAX */
#define CONC_RANK_MAX 63

/* ---- lock ---- */

/*
 * conc_lock: one thread at a time.
 *
 * As Python's Lock it belongs to nobody: any thread may release it, and a
 * thread that takes it twice waits for another one to release it.
 *
 * A lock may have a rank.  A thread that holds one with a rank should wait only
 * for those of a greater rank: then no two threads wait for each other.  A
 * libconc built with -DCONC_DEBUG sees to it: a wait against the ranks, and
 * one for a conc_lock that this thread took itself, is told to the log and
 * refused with -EDEADLK; and a lock with a rank is released by the thread that
 * took it, or not at all (CONC_ESTATE).  Others take no notice of ranks.
 */
typedef struct conc_lock {
	uint32_t word;  /* 0: free */
	uint32_t flags;
	uint64_t owner; /* where it is known: the thread */
	uint32_t depth; /* a conc_rlock's */
	uint32_t reserved;
	uint64_t room[5];
} conc_lock;

#define CONC_LOCK_INIT CONC_LOCK_INIT_RANK(0)
#define CONC_LOCK_INIT_RANK(n) {0, CONC_RANK(n), 0, 0, 0, {0}}

/*
 * conc_lock_init: make *l a free lock, whatever it was.  flags: 0 or
 * CONC_RANK(n).  Return 0; -EINVAL: an unknown flag; -ENOTSUP: CONC_SHARED.
 */
CONC_API int conc_lock_init(conc_lock *l, uint32_t flags);

/* conc_lock_fini: end it.  Nobody may wait for it.  NULL is fine. */
CONC_API void conc_lock_fini(conc_lock *l);

/*
 * conc_lock_acquire: take it, waiting until the deadline.
 * Return 0: it is held; else it is not: -ETIMEDOUT; -EDEADLK: it would block in
 * a callback, or, where that is checked, for good.
 */
CONC_API int conc_lock_acquire(conc_lock *l, conc_time deadline);

/*
 * conc_lock_release: let it go, from any thread.
 * Return 0; CONC_ESTATE: it is not held.
 */
CONC_API int conc_lock_release(conc_lock *l);

/* conc_lock_locked: does some thread hold it now?  false for NULL. */
CONC_API bool conc_lock_locked(const conc_lock *l);

/* ---- rlock ---- */

/*
 * conc_rlock: a lock that its thread may take again.  It is free when each
 * acquire has been matched by a release, by that thread.  Ranks are as above,
 * and checked when it is taken first.
 */
typedef struct conc_rlock {
	conc_lock lock;
} conc_rlock;

#define CONC_RLOCK_INIT {CONC_LOCK_INIT}
#define CONC_RLOCK_INIT_RANK(n) {CONC_LOCK_INIT_RANK(n)}

/* As conc_lock's. */
CONC_API int conc_rlock_init(conc_rlock *l, uint32_t flags);
CONC_API void conc_rlock_fini(conc_rlock *l);

/*
 * conc_rlock_acquire: take it, once more or waiting until the deadline.
 * Return as conc_lock_acquire; -EAGAIN: this thread has it 2^32 - 1 times.
 */
CONC_API int conc_rlock_acquire(conc_rlock *l, conc_time deadline);

/*
 * conc_rlock_release: let it go, once.
 * Return 0; CONC_ESTATE: this thread does not hold it.
 */
CONC_API int conc_rlock_release(conc_rlock *l);

/* Does some thread hold it now?  Does this one?  false for NULL. */
CONC_API bool conc_rlock_locked(const conc_rlock *l);
CONC_API bool conc_rlock_held(const conc_rlock *l);

/* ---- CONC_WITH ---- */

/*
 * CONC_WITH(l) { ... }: run the block holding l, a conc_lock * or conc_rlock *.
 *
 * It is released on every way out: the end, break, return, goto.  break and
 * continue both leave the block, and not a loop around it.  The block is
 * skipped if the lock cannot be had (l NULL; -EDEADLK): so after the block say
 * what to return then.  l is evaluated once.  Needs gcc's cleanup attribute,
 * which clang has too.
 */
#if defined(__GNUC__)
#define CONC_WITH(l) CONC_WITH_COUNTED_(l, __COUNTER__)
#define CONC_WITH_COUNTED_(l, n) CONC_WITH_NAMED_(l, n)
#define CONC_WITH_NAMED_(l, n)                                                             \
	for (conc_with conc_with_##n##_ __attribute__((cleanup(conc_with_end))) =          \
		 conc_with_at(l),                                                          \
		       *conc_once_##n##_ = conc_with_##n##_.held ? &conc_with_##n##_       \
								 : NULL;                   \
	     conc_once_##n##_; conc_once_##n##_ = NULL)
#endif

/* What a CONC_WITH holds, and how that is released; held NULL: nothing. */
typedef struct conc_with {
	void *held;
	void (*release)(void *held);
} conc_with;

/* What CONC_WITH calls: acquire; Return l as held, or NULL if that failed. */
CONC_API conc_with conc_lock_with_at(conc_lock *l);
CONC_API conc_with conc_rlock_with_at(conc_rlock *l);
/* And release what is held, if anything. */
CONC_API void conc_with_end(conc_with *w);

/* ---- condition ---- */

/*
 * conc_condition: wait, letting a lock go, until another thread changed what
 * the lock protects and notifies.  All who wait on one at a time use the same
 * lock.
 */
typedef struct conc_condition {
	uint32_t sequence; /* waited on: one more with each notify */
	uint32_t arrived;  /* how many waits have begun */
	uint32_t left;     /* and how many have ended */
	uint32_t reserved;
	uint64_t room[6];
} conc_condition;

#define CONC_CONDITION_INIT {0, 0, 0, 0, {0}}

/* conc_condition_init: flags: 0.  Return 0; -EINVAL; -ENOTSUP: CONC_SHARED. */
CONC_API int conc_condition_init(conc_condition *c, uint32_t flags);

/* conc_condition_fini: end it.  Nobody may wait on it.  NULL is fine. */
CONC_API void conc_condition_fini(conc_condition *c);

/*
 * conc_condition_wait: let l go, wait to be notified, take l again.  l is a
 * conc_lock *, or a conc_rlock *, of which all depth is let go and taken again.
 *
 * Return, always holding l as before, 0: notified, or, rarely, for no reason;
 * so look whether what was awaited is there; -ETIMEDOUT: the deadline has
 * passed; if it had when called, l was not let go; -EDEADLK: it would block in
 * a callback, or, where that is checked, take l again against the ranks: l was
 * not let go; CONC_ESTATE: nobody holds the conc_lock, or this thread does not
 * hold the conc_rlock.
 */
CONC_API int conc_condition_wait(conc_condition *c, conc_lock *l, conc_time deadline);
CONC_API int conc_condition_wait_rlock(conc_condition *c, conc_rlock *l, conc_time deadline);

/*
 * conc_condition_wait_for: wait until predicate(user) is true.  It is called in
 * this thread, holding l, at first and after each wake-up, also the last one.
 * Return 0: it is true; else as conc_condition_wait; -ETIMEDOUT: it was false
 * by the deadline.
 */
CONC_API int conc_condition_wait_for(conc_condition *c, conc_lock *l,
    bool (*predicate)(void *user), void *user, conc_time deadline);
CONC_API int conc_condition_wait_for_rlock(conc_condition *c, conc_rlock *l,
    bool (*predicate)(void *user), void *user, conc_time deadline);

/*
 * Wake n, or all, of those whose wait began before, or all of them if they are
 * fewer.  A few more may wake; nobody who comes later is woken in their place.
 * Hold the lock that they wait with while changing what they wait for; at the
 * notify it need not be held: but then it may touch *c after they have gone on,
 * so they must not free it.  Return 0.
 */
CONC_API int conc_condition_notify(conc_condition *c, uint32_t n);
CONC_API int conc_condition_notify_all(conc_condition *c);

/* ---- once ---- */

/* conc_once: something that is done once, by whoever comes first. */
typedef struct conc_once {
	uint32_t word; /* 0: to be done */
	uint32_t reserved;
	uint64_t owner;
	uint64_t room[2];
} conc_once;

#define CONC_ONCE_INIT {0, 0, 0, {0}}

/* conc_once_init: flags: 0.  Return 0; -EINVAL; -ENOTSUP: CONC_SHARED. */
CONC_API int conc_once_init(conc_once *o, uint32_t flags);

/* conc_once_fini: end it.  Nobody may run it.  NULL is fine. */
CONC_API void conc_once_fini(conc_once *o);

/*
 * conc_once_run: call fn(user), unless that has been done.
 *
 * Return 0: it has been done, now or before, and what it did is visible here;
 * or the code that this call's fn returned: then it counts as not done, and the
 * next one tries again, one of those who wait if there are any.  Others wait
 * while it runs.  -EDEADLK: fn runs it again, or it would block in a callback;
 * CONC_EFORKED: another thread was in the middle of it when we forked;
 * -ENOMEM.  fn must return.
 */
CONC_API int conc_once_run(conc_once *o, int (*fn)(void *user), void *user);

#ifdef __cplusplus
}

extern "C++" { /* also where a program includes this within its own extern "C" */
/* In C++ overloads, in C _Generic, tell the two kinds of lock apart; void * is NULL. */
static inline conc_with
conc_with_at(conc_lock *l)
{
	return conc_lock_with_at(l);
}

static inline conc_with
conc_with_at(conc_rlock *l)
{
	return conc_rlock_with_at(l);
}

static inline int
conc_condition_wait(conc_condition *c, conc_rlock *l, conc_time deadline)
{
	return conc_condition_wait_rlock(c, l, deadline);
}

static inline int
conc_condition_wait_for(conc_condition *c, conc_rlock *l, bool (*predicate)(void *user),
    void *user, conc_time deadline)
{
	return conc_condition_wait_for_rlock(c, l, predicate, user, deadline);
}
}
#else
#define conc_with_at(l) \
	_Generic((l), conc_rlock *: conc_rlock_with_at, conc_lock *: conc_lock_with_at)(l)
#define conc_condition_wait(c, l, deadline)                                                \
	_Generic((l), conc_rlock *: conc_condition_wait_rlock,                             \
	    conc_lock *: conc_condition_wait, void *: conc_condition_wait)(                \
	    (c), (l), (deadline))
#define conc_condition_wait_for(c, l, predicate, user, deadline)                           \
	_Generic((l), conc_rlock *: conc_condition_wait_for_rlock,                         \
	    conc_lock *: conc_condition_wait_for, void *: conc_condition_wait_for)(        \
	    (c), (l), (predicate), (user), (deadline))
#endif

#endif
