/* SPDX-License-Identifier: MIT */
#ifndef CONC__FUTURE_H
#define CONC__FUTURE_H

/*
 * The future, from inside.
 *
 * Whoever makes a future embeds this struct as the first member of his own
 * block (a task, a promise) and ends it exactly once.  He is the future's
 * source and says by a table of functions how it is cancelled, claimed, freed.
 *
 * The state word holds a phase and flags.
 *
 *	PENDING     nobody has begun
 *	DELAYED     it is to run again, after a pause
 *	RUNNING     a worker or claimer runs it, or it was handed to another process
 *	FINISHING   a promise's finisher has won and writes the result
 *	CANCELLING  a canceller has won and cleans up: it will never run
 *	DONE, FAILED, CANCELLED   ended; never changes again
 *
 *	PENDING, DELAYED -> RUNNING, FINISHING, CANCELLING   one wins
 *	RUNNING -> DONE, FAILED, CANCELLED          by the one who runs it
 *	RUNNING -> PENDING, DELAYED                 by him: put back
 *	RUNNING -> CANCELLING                       by who holds it: revoked
 *	FINISHING -> DONE, FAILED                   by the winner
 *	CANCELLING -> CANCELLED                     by the winner
 *
 *	WAITED  someone sleeps on the word, or is on a list below: whoever ends
 *	        it must look.  Set only while it has not ended, never cleared.
 *	        May be set although the sleeper has left again.
 *	ASKED   it runs and was asked to stop.
 *	LOOKED  its failure was looked at, or told to the hook: set once.
 *	SLEPT   of those of WAITED somebody sleeps on the word.
 *
 * What another process runs can be revoked, as long as that has not begun.  A
 * future whose source has revoke ends, and is put back, only under its own
 * lock: who takes that and finds it RUNNING holds it, and its executor stays.
 */
#include "base/atomic.h"
#include "base/fork.h"
#include "base/lock.h"
#include "base/self.h"
#include <conc/future.h>

enum {
	CONC__PENDING,
	CONC__DELAYED,
	CONC__RUNNING,
	CONC__FINISHING,
	CONC__CANCELLING,
	CONC__DONE,
	CONC__FAILED,
	CONC__CANCELLED,

	CONC__PHASE = 7,
	CONC__WAITED = 8,
	CONC__ASKED = 16,
	CONC__LOOKED = 32,
	CONC__SLEPT = 64,
};

/* The weight of a program's reference in the count. */
#define CONC__PROGRAM 4u

/* What a future's source can do.  Any but free may be NULL. */
struct conc__source {
	void (*free)(conc_future *f); /* the last reference is gone */
	/*
	 * f is CANCELLING by this thread: take it out of any queue, clean up, end it
	 * CANCELLED
	 */
	void (*cancel)(conc_future *f);
	int (*kill)(conc_future *f); /* conc_future_kill, in any phase */
	/*
	 * f was RUNNING a moment ago, and is ASKED: perhaps it has not begun.  0: it never
	 * will, and this call has ended it CANCELLED; -EINPROGRESS: it runs, and was asked;
	 * -EAGAIN: look at f again
	 */
	int (*revoke)(conc_future *f);
	/* f was RUNNING a moment ago: has it begun?  false also if it is RUNNING no more */
	bool (*begun)(conc_future *f);
	/* this thread waits for f until the deadline: it may help; f may have ended then */
	void (*help)(conc_future *f, conc_time deadline);
	/* f is RUNNING by this thread: take it out of any queue and run it; 0 or -EAGAIN */
	int (*claim)(conc_future *f);
	/* f was DELAYED a moment ago: until when, conc__now() */
	int64_t (*due)(const conc_future *f);
	/* whom to tell of a failure nobody looked at; without it the program's hook */
	void (*hook)(const conc_future *f, conc_excepthook **hook, void **user);
};

/* Someone on a future's list of watchers; his memory until he is unlinked. */
struct conc__watcher {
	struct conc__watcher *next, **link; /* link NULL: on no list */
	/*
	 * Under f's lock, only to wake: f has ended, and w is off the list; or f was put
	 * back
	 */
	void (*fire)(struct conc__watcher *w, conc_future *f);
};

struct conc__callback;

struct conc_future {
	conc__atomic_u32 state;
	/* CONC__PROGRAM for each of the program's, 1 for the source's one or two */
	conc__atomic_u32 refs;
	struct conc__lock lock; /* guards watchers, callbacks, firing; who has it holds f */
	uint32_t generation;
	/* 0: callbacks wait for the end; 1: someone runs them; 2: whoever adds one runs it */
	uint32_t firing;
	uint32_t own_room; /* 1: result is a block of its own; set before the end */
	const struct conc__source *source;
	void *executor; /* whose task it is, or NULL; followed only before it has ended */
	struct conc__watcher *watchers;
	struct conc__callback *callbacks; /* the last one of a ring, or NULL */
	/* when FAILED; written before the end, by its winner */
	conc_exception *exception;
	void *result;
	size_t result_size;
};

/*
 * All fields; generation is conc__generation's; the source holds 1 reference, the program
 * refs.
 */
void conc__future_init(
    conc_future *f, const struct conc__source *source, uint32_t generation, unsigned refs);

/*
 * Move f, PENDING or DELAYED, to RUNNING, FINISHING or CANCELLING: of several
 * threads one wins, who will end it or put it back.
 */
bool conc__future_win(conc_future *f, uint32_t to);

/*
 * Put f, RUNNING by this thread, back: PENDING; or DELAYED, unless it was asked
 * to stop: then return false.  The engine's lock is held, without which nobody
 * who wins f can go on.
 */
bool conc__future_put_back(conc_future *f, uint32_t to);

/*
 * End f, once, by the winner: DONE (result has been written), FAILED (takes
 * the reference of e), CANCELLED.  Wakes waiters, then runs callbacks.  Then
 * give up the source's reference, after which f may be gone.
 */
void conc__future_end(conc_future *f, uint32_t phase, conc_exception *e);
/* And of f that conc__future_take, or conc__future_hold, holds; f is let go. */
void conc__future_end_held(conc_future *f, uint32_t phase, conc_exception *e);
void conc__future_stay(conc_future *f); /* a second one, for a while */
void conc__future_leave(conc_future *f);

/*
 * Hold f, whose source has revoke, if it is RUNNING: until it is let go it
 * neither ends nor is put back, and what its engine wrote before it won f is
 * seen.  Else return false.  The engine's lock comes before a future's: it may
 * be held here, but not taken while f is.
 */
bool conc__future_hold(conc_future *f);
void conc__future_let_go(conc_future *f);

/* Hold f, by its winner; if its source has no revoke, nobody needs to. */
static inline void
conc__future_take(conc_future *f)
{
	if (f->source->revoke != NULL)
		conc__lock_acquire(&f->lock, CONC__RANK_FUTURE);
}

/* conc__future_put_back of f, held, which it lets go. */
bool conc__future_put_back_held(conc_future *f, uint32_t to);

/* Move f, held, from RUNNING to CANCELLING, as its winner, and let it go. */
void conc__future_revoke(conc_future *f);

/* The phase now; with it whatever was written before it. */
static inline uint32_t
conc__future_phase(const conc_future *f)
{
	/* acquire: pairs with the release in conc__future_end: result and exception
	 * are seen by whoever sees that it has ended */
	return conc__load_acquire(&((conc_future *)f)->state) & CONC__PHASE;
}

static inline bool
conc__future_ended(const conc_future *f)
{
	return conc__future_phase(f) >= CONC__DONE;
}

/* Not ended, and not to be ended in this process. */
static inline bool
conc__future_forked(const conc_future *f)
{
	return conc__forked(f->generation) && !conc__future_ended(f);
}

/*
 * Set WAITED.  Return whether that came before the end: then whoever ends f
 * will wake the word and look at the lists, under the lock.
 */
bool conc__future_watch(conc_future *f);
bool conc__future_sleep(conc_future *f); /* and SLEPT, by who is about to sleep on the word */

/* Put w on f's list; false, and not on it: f has ended.  Take it off, if it still is on it. */
bool conc__future_link(conc_future *f, struct conc__watcher *w);
void conc__future_unlink(conc_future *f, struct conc__watcher *w);

/*
 * Run the callbacks that wait, and those added meanwhile, as callbacks of
 * executor.  firing is 1, by this thread.
 */
void conc__future_fire(conc_future *f, const void *executor);

/*
 * May this thread, waiting until the deadline, run f itself?  Only a worker,
 * inside a task of its own pool, without a deadline, and only what nobody has
 * begun, or what is due again.
 */
bool conc__future_claimable(const conc_future *f, conc_time deadline);

/* How long such a wait may sleep: until, or until it may run f itself. */
conc_time conc__future_look_at(const conc_future *f, conc_time deadline, conc_time until);

/*
 * Run f on this thread if it is claimable.  *claimed: look at f again; false:
 * block for it.  Return 0, or the wait's code: -EAGAIN.
 */
int conc__future_claim(conc_future *f, conc_time deadline, bool *claimed);

/*
 * conc_completions_next, that sleeps until then at most, but claims as if until the
 * deadline.
 */
int conc__completions_next(conc_completions *c, conc_future **f, void **user,
    conc_time deadline, conc_time until);

/*
 * This thread is handed f's failure: it becomes current, and counts as looked at. Return
 * its code.
 */
int conc__future_receive(conc_future *f);

#endif
