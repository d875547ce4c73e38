/* SPDX-License-Identifier: MIT */
#ifndef CONC__PROCESS_POOL_H
#define CONC__PROCESS_POOL_H

/*
 * The process pool, from inside: the host's part.
 *
 * One lock guards it all.  One thread, the dispatcher, polls what the zygotes
 * and the workers have to say, and acts on it; submitters, cancellers and
 * shutdown change things under the lock, give work to workers that have none
 * themselves, and ring the bell if the dispatcher must look again.
 *
 * A task's way: it stands in the queue, PENDING.  To feed is to hand it to a
 * slot: its future becomes RUNNING, it gets a claim word in the slot's page and
 * a place in the slot's ring, and an order goes out.  It comes back by a report,
 * by the death of the worker, or revoked; in each case whoever takes it out of
 * the ring, under the lock, ends it or puts it back into the queue.
 *
 * While a task is handed out its future's phase, and its claim word, change
 * only with the future held (conc__future_hold): so a canceller, who knows no
 * more than the future, meets a pool that stays, and the dispatcher never a
 * task that has gone.  The order of locks is: pool, then future; a canceller
 * lets the future go before he takes the pool's.
 *
 * Slots of a zygote that was replaced (refresh) finish what they have and leave.
 */
#include "base/lock.h"
#include "base/spin.h"
#include "base/thread.h"
#include "exec/executor.h"
#include "exec/queue.h"
#include "exec/tally.h"
#include "process/page.h"
#include "process/wire.h"
#include "process/zygote.h"
#include <conc/process_pool.h>

struct conc__process_pool;
struct conc__brood;

enum conc__slot_state {
	CONC__SLOT_FREE,     /* no process */
	CONC__SLOT_SPAWNING, /* the zygote is asked for one, or is to be */
	CONC__SLOT_STARTING, /* it lives, and runs init */
	CONC__SLOT_READY,    /* it takes orders */
	CONC__SLOT_LEAVING,  /* it was said BYE */
	CONC__SLOT_DYING,    /* it is to be killed, or was, for reason */
};

/* Why we kill a worker. */
enum conc__reason {
	CONC__REASON_NONE,
	CONC__REASON_LIMIT,   /* its task is past its time limit */
	CONC__REASON_CORRUPT, /* it sent nonsense */
	CONC__REASON_SILENT,  /* its report pipe has ended: if it lives, nobody hears of it */
	CONC__REASON_ASKED,   /* conc_future_kill or CONC_KILL: its task is cancelled */
	CONC__REASON_SURPLUS, /* it ran nothing, and is not needed */
	CONC__REASON_POOR,    /* the host has no memory to talk to it */
};

/* An order whose report has not come. */
struct conc__inflight {
	uint64_t seq;            /* for cancellers, who must not believe the page */
	struct conc__task *task; /* NULL: reported, or revoked */
	int64_t limit;           /* time limit, ns; 0: none */
	int64_t sent;            /* conc__now() */
	uint32_t items;          /* of a chunk; 0: a task, or one item alone */
	int area;                /* of a chunk; -1: none */
	bool hurried;            /* a chunk that we have asked to stop where it is */
	const void *borrowed;    /* the argument that its order was written from */
};

struct conc__slot {
	struct conc__brood *brood;
	struct conc__page *page;
	int index;
	enum conc__slot_state state;
	enum conc__reason reason;
	uint64_t incarnation;
	int pid;
	bool untold;                  /* the zygote is still to be told to spawn, or to kill */
	int fds[CONC__SPAWNED_FDS];   /* -1: none */
	bool wide;                    /* the task pipe has been widened */
	int64_t silent_since;         /* its end was read then */
	bool deaf;                    /* the report pipe is at its end, or not to be believed */
	struct conc__reader reader;
	const void *record;           /* a log record, last of reader, that is to be told */
	struct conc__writer writer;
	struct conc__inflight ring[CONC__RING]; /* by seq */
	uint64_t sent;                /* the seq of the last order */
	uint64_t oldest;              /* no order before this one is out; sent + 1: none is */
	int out;                      /* orders in the ring with a task */
	unsigned areas;               /* bits: the areas in use */
	int64_t tasks;                /* that this incarnation was given */
	int64_t left;                 /* when it was said BYE */
	int64_t pace;                 /* how long its tasks run, about, ns */
	conc_exception *init_failure; /* what it reported */
	bool lent;                    /* the dispatcher does not poll its reports, */
	bool helped;                  /* for a waiter does, or did until a moment ago, */
	struct conc__spin spin;       /* that waiter's, */
	int64_t lent_since;           /* came then, */
	int64_t lent_until;           /* and gets it until then */
	bool buried;                  /* it has died, as end tells, but was helped */
	struct conc__process_end end;
};

/* A zygote and its workers. */
struct conc__brood {
	struct conc__zygote zygote;
	struct conc__zygote_plan plan;
	struct conc__objects *objects; /* what was loaded when it was forked */
	struct conc__slot *slots;
	int n;
	int live;      /* slots that are not FREE */
	bool retiring; /* replaced, or gone */
	bool gone;     /* the channel is at its end */
	struct conc__brood *next; /* older ones */
};

#define CONC__LENT CONC_US(500) /* a slot stays lent for so long after a waiter */
#define CONC__LONG CONC_US(300) /* a task that has run for so long holds others up */

/* Whose an entry of what is polled is: a zygote's, or a slot's. */
struct conc__polled {
	struct conc__brood *brood;
	struct conc__slot *slot; /* NULL: the zygote's */
};

enum { CONC__MOST_WORKERS = 1024 };

struct conc__process_pool {
	conc_executor executor; /* first: handles are cast back */
	struct conc__mutex lock;
	/* a place in the queue has become free, or the mode changed */
	struct conc__condition room;
	struct conc__condition over; /* the dispatcher has ended */
	struct conc__queue queue;
	ptrdiff_t unfinished;        /* tasks taken in whose end was not told yet */
	size_t blocked;              /* submitters that wait for room */
	bool prioritised;            /* a task had a priority, some time */
	enum conc__mode mode;
	conc_exception *broken;      /* why no worker can be had, or NULL */
	struct conc__brood *brood;   /* the current one first */
	int target;                  /* workers that there may be */
	int starting;                /* slots of the current brood SPAWNING or STARTING */
	int early;                   /* deaths in a row of workers that were never READY */
	int idle_deaths;             /* of workers that ran no task, since idle_since */
	int64_t idle_since;
	int64_t respawn;             /* no spawn before then, conc__now() */
	int64_t respawn_pause;
	uint64_t incarnations;

	struct conc__thread *dispatcher;
	int bell;
	int helpers;                 /* waiters at slots' pipes, */
	int helpers_bell;            /* which calls them away, */
	bool helpers_rung;           /* and does now */
	bool polling;                /* the dispatcher sleeps, or is about to */
	bool rung;
	bool told;                   /* it has let the lock go since it looked at all */
	int64_t wakes;               /* when it looks again at the latest, conc__now() */
	bool ended;                  /* the dispatcher has done its last */
	bool orphan;                 /* destroyed from inside: the dispatcher frees */
	struct conc__poll *polls;     /* the dispatcher's, */
	struct conc__polled *polled;  /* and whose they are */
	size_t most_polls;
	/*
	 * Tasks that have come back, linked by next, which are to end once the lock is let
	 * go.  Meanwhile the future's exception is the task's, since for how long it ran.
	 */
	struct conc__task *ending, *last_ending;
	ptrdiff_t ended_here;        /* by the dispatcher, still in unfinished; its own */
	struct conc__tally dispatched; /* by the dispatcher; its own */
	struct conc__tally others;     /* by all others, and how long tasks waited */

	conc_process_pool_options options; /* read only; its name is the executor's */
	size_t pipe_size;            /* of workers' pipes, for tests; 0: the system's */
};

/* Is it one too many: of an old zygote, or beyond the target? */
static inline bool
conc__slot_unwanted(const struct conc__process_pool *p, const struct conc__slot *s)
{
	return s->brood->retiring || s->index >= p->target;
}

/*
 * The page is the worker's to write, and to spoil: what stands there is asked
 * here, and believed only as far as it fits what we know ourselves.
 */

/* The state of an order's claim; SPOILT, if the word is none of this order's. */
static inline enum conc__claim
conc__slot_claim(const struct conc__slot *s, uint64_t seq)
{
	/* acquire: pairs with the worker's swap: what it wrote to the page before is seen */
	uint64_t word = conc__load_acquire(&s->page->claims[seq % CONC__RING]);

	return word == conc__claim_word(seq, word & CONC__CLAIM_STATE)
	    ? (enum conc__claim)(word & CONC__CLAIM_STATE) : CONC__CLAIM_SPOILT;
}

/* The order that the worker is at, or comes to next; 0: none is out. */
uint64_t conc__slot_at(const struct conc__slot *s);

/* When what it runs of order seq began, conc__now(). */
int64_t conc__slot_began(const struct conc__slot *s, uint64_t seq);

/*
 * All of these are called with the lock held, and hold it throughout, unless
 * they say otherwise.
 */

/* Room for more to poll, by the dispatcher; the first by who creates the pool. */
bool conc__process_more_polls(struct conc__process_pool *p);
/* See that the dispatcher looks again: now; or at this time, conc__now(), at the latest. */
void conc__process_ring(struct conc__process_pool *p);
void conc__process_look_at(struct conc__process_pool *p, int64_t when);
/* t, RUNNING or CANCELLING and the caller's, is to end so once the lock is let go. */
void conc__process_ending(struct conc__process_pool *p, struct conc__task *t, uint32_t phase,
    conc_exception *e, int64_t ran);
/* Let go meanwhile: end those. */
void conc__process_end_all(struct conc__process_pool *p);
/* Without the lock: end such a one, that this thread took off the list. */
void conc__process_end(struct conc__task *t);
/* No worker can be had, because of e, which is taken: fail what is queued, and what comes. */
void conc__process_break(struct conc__process_pool *p, conc_exception *e);
/* End all that is queued: cancelled; or failed, with e if that is not NULL. */
void conc__process_flush(struct conc__process_pool *p, const conc_exception *e);
/* shutdown.c: is it, and is nothing left to be done? */
bool conc__process_finished(const struct conc__process_pool *p);
/* Free p, whose dispatcher has ended, or never began; without the lock. */
void conc__process_free(struct conc__process_pool *p);

/* brood.c: a zygote and its slots. */
int conc__brood_create(struct conc__brood **b, const struct conc__process_pool *p, int slots);
void conc__brood_destroy(struct conc__brood *b);
/* Is no order out, nor a canceller about to forget one?  And is no process left? */
bool conc__brood_quiet(const struct conc__brood *b);
bool conc__brood_empty(const struct conc__brood *b);
/* Make one the pool's current one; the former retires. */
int conc__process_new_brood(struct conc__process_pool *p);
void conc__process_drop_broods(struct conc__process_pool *p);

/* slot.c: one worker's life, as the host sees it. */
void conc__slot_spawn(struct conc__process_pool *p, struct conc__slot *s);
void conc__slot_ready(struct conc__process_pool *p, struct conc__slot *s); /* it says */
/* Because of code there is none for now: try again later, and fail what waits too long. */
void conc__process_without(struct conc__process_pool *p, int code);
void conc__slot_tell(struct conc__process_pool *p, struct conc__slot *s); /* what is untold */
void conc__slot_bye(struct conc__process_pool *p, struct conc__slot *s);
/* Close and free what belongs to its process. */
void conc__slot_close(struct conc__slot *s);
/* Take back what has not begun, and have it killed. */
void conc__slot_kill(
    struct conc__process_pool *p, struct conc__slot *s, enum conc__reason reason);
/* Take back what has not begun: it stands in the queue again, before the others. */
void conc__slot_take_back(struct conc__process_pool *p, struct conc__slot *s);
/* What the zygote says of it. */
void conc__slot_hear(struct conc__process_pool *p, struct conc__brood *b,
    const struct conc__control *m, int fds[CONC__SPAWNED_FDS]);
/* It is dead, as end tells; NULL: nobody knows how. */
void conc__slot_died(struct conc__process_pool *p, struct conc__slot *s,
    const struct conc__process_end *end);
/* Drain its reports, see to its tasks, and let it be FREE. */
void conc__slot_bury(struct conc__process_pool *p, struct conc__slot *s,
    const struct conc__process_end *end);

/* feed.c: hand tasks out, as many as can be, and have workers started for the others. */
void conc__feed(struct conc__process_pool *p);
/* How many tasks wait, in the queue or behind others at a worker. */
size_t conc__process_waiting(const struct conc__process_pool *p);
/* Order seq of s is out no more. */
void conc__slot_forget(struct conc__process_pool *p, struct conc__slot *s, uint64_t seq);
/* And its task is about to end, though the order may be half written. */
void conc__slot_cancelled(struct conc__process_pool *p, struct conc__slot *s, uint64_t seq);
/* A task of this priority has come: take back what was handed out in advance of a lower one. */
void conc__preempt(struct conc__process_pool *p, int priority);

/*
 * report.c: take in what the worker reports, as far as it is there; all: surely all of that.
 * Who is not the dispatcher gets no further than to a log record: it stays as s->record.
 * The dispatcher lets the lock go while it tells each, and leaves one after a number of
 * them, so that others have their turn; it notes p->told.  While a record stands there
 * nobody helps at s, nor gives it work.
 */
void conc__slot_listen(struct conc__process_pool *p, struct conc__slot *s, bool all);
/* By the dispatcher: the worker is dead, take in all that it left. */
void conc__slot_last_words(struct conc__process_pool *p, struct conc__slot *s);
/* The chunk in flight, x, has run so many items of its order: take in what they left. */
void conc__take_items(struct conc__slot *s, struct conc__inflight *x, uint64_t n, bool obeyed);
/*
 * The worker of a chunk's order has died, as end tells: take in the items that it ended.  true:
 * those were all of them, and the order has come back.
 */
bool conc__chunk_survives(struct conc__process_pool *p, struct conc__slot *s, uint64_t seq,
    const struct conc__process_end *end);
/* Order seq has come back: cancellers meet its task no more.  false: one of them has it. */
bool conc__process_take_out(struct conc__process_pool *p, struct conc__slot *s, uint64_t seq);

/* help.c: a waiter at s must leave.  With the lock held. */
void conc__process_call_away(struct conc__process_pool *p, const struct conc__slot *s);
/* Without the lock, t's future held: a waiter for t does what the dispatcher would. */
void conc__process_help(conc_executor *ex, struct conc__task *t, conc_time deadline);

/* dispatcher.c: its thread. */
void conc__dispatcher_main(void *pool);

/* pool.c, submit.c and shutdown.c: the engine's table; without the lock. */
void conc__process_counted(conc_executor *ex, uint32_t phase, int64_t ran);
void conc__process_ended(conc_executor *ex);
int conc__process_submit(conc_executor *ex, struct conc__task *t, conc_time deadline);
void conc__process_withdraw(conc_executor *ex, struct conc__task *t);
int conc__process_revoke(conc_executor *ex, struct conc__task *t);
int conc__process_kill(conc_executor *ex, struct conc__task *t);
bool conc__process_begun(conc_executor *ex, struct conc__task *t);
bool conc__process_retry(conc_executor *ex, struct conc__task *t, int64_t due);
int conc__process_shutdown(conc_executor *ex, conc_shutdown_how how, conc_time deadline);
void conc__process_destroy(conc_executor *ex);

/* For tests, without the lock: let the pipes of workers to come hold so much.  0 or a code. */
int conc__process_pool_pipe_size(conc_executor *ex, size_t size);

#endif
