/* SPDX-License-Identifier: MIT */
/*
 * The protocol of the process pool, for the model checker spin: two workers,
 * three tasks, two deaths at any moment, a cancel or a kill, one resize, one
 * shutdown that drains, cancels or kills.  dev/model runs it.
 *
 * What is checked, in every order in which this can happen:
 *
 *	a task runs at most once, and its future ends exactly once;
 *	what a worker has finished and reported is never said to have crashed;
 *	a death, or a kill, costs the task that ran and no other;
 *	shutdown comes to its end: no lost wake-up, no deadlock; then each task that
 *	was accepted has ended, and no worker is left.
 *
 * A transition of the library names its function, as "file.c: function"; dev/model
 * asks that there is such a one.  What happens under the pool's lock is cut into
 * steps wherever a worker or the zygote could see a difference, and nowhere else.
 * So is what happens while a future is held.  Memory is sequentially consistent.
 *
 * Names that begin with ERR_ plant a known error; dev/model asks that each is
 * found:
 *
 *	ERR_PENDING_LATE   the claim word is set after the order was written
 *	ERR_RUN_UNCLAIMED  a worker runs what it reads without winning the claim
 *	ERR_STEAL_BLIND    an order is taken back without a swap of its claim
 *	ERR_NO_DRAIN       a death is acted on before the reports are read
 *	ERR_REQUEUE_ALL    what a dead worker ran goes back into the queue, too
 *	ERR_KILL_HASTY     a worker is killed without a look at what it runs by now
 *	ERR_NO_BELL        the last task ends, and nobody tells the dispatcher
 *	ERR_ROOM_BY_TAKEN  orders that were revoked unread fill the ring
 *
 * Some are found sooner, or only, with
 *
 * ERR_KILL_HASTY needs -DDEATHS=1 -DCANCELS=1 -DSTEALS=0
 * ERR_NO_BELL needs -DDEATHS=0 -DCANCELS=1 -DSTEALS=0
 * ERR_ROOM_BY_TAKEN needs -DDEATHS=0 -DCANCELS=2 -DSTEALS=0 -DCREDIT=1
 */

#define SLOTS  2
#define TASKS  3
#ifndef CREDIT
#define CREDIT 2 /* orders that a worker may have: one runs, one waits */
#endif
#define RING   (CREDIT + 1) /* claim words of a worker */
#define PIPE   2 /* messages that a pipe holds */

#ifndef DEATHS
#define DEATHS 2
#endif
#ifndef CANCELS
#define CANCELS 0
#endif
#ifndef STEALS
#define STEALS 1 /* more would only repeat it */
#endif

/* Where a task is: in the slot of this number, or */
#define QUEUE   2
#define NOWHERE 3

mtype = { PENDING, RUNNING, ASKED };                        /* a claim; REVOKED is 0 */
mtype = { TASK, BYE };                                      /* orders */
mtype = { UP, RESULT };                                     /* reports; UP: READY */
mtype = { SPAWN, KILL, QUIT, SPAWNED, DIED };               /* control */
mtype = { FREE, SPAWNING, STARTING, READY, LEAVING, DYING }; /* a slot */
mtype = { NEW, WAITING, HANDED, WON, ENDED, REFUSED };      /* a future; WON by a canceller */
mtype = { OPEN, DRAIN, CANCEL, TERMINATE };                 /* shutdown: how */

/* What the processes share: the page of each slot. */
typedef page_t {
	byte seq[RING];
	mtype claim[RING]
};
page_t page[SLOTS];

/* The pipes of each worker, and the channel between host and zygote. */
chan orders[SLOTS] = [PIPE] of { mtype, byte, byte };  /* type, seq, task */
chan reports[SLOTS] = [PIPE] of { mtype, byte };       /* type, seq */
chan to_zygote = [5] of { mtype, byte, byte };         /* type, slot, incarnation */
chan to_host = [2] of { mtype, byte, byte };

/* The machine. */
bool alive[SLOTS];    /* the worker's process runs; */
bool there[SLOTS];    /* and it has not noticed yet that it does not */
byte child[SLOTS];    /* the zygote's: the incarnation that is not reaped, or 0 */
byte deaths = DEATHS; /* that are still to happen */

/* The host: under the pool's lock. */
mtype slot[SLOTS] = FREE;
byte incarnation[SLOTS];
#ifdef ERR_ROOM_BY_TAKEN
byte taken[SLOTS];     /* in the page: seq of the last order that the worker has read */
#endif
byte sent[SLOTS];      /* seq of the last order */
chan writer[SLOTS] = [RING] of { mtype, byte, byte }; /* what has not gone out */
byte target = SLOTS;   /* workers wanted */
mtype shut = OPEN;
bool finished;         /* no worker is left, and none will be */
bool bell;
byte steals = STEALS;

/* Tasks and futures. */
mtype future[TASKS] = NEW;
byte place[TASKS] = NOWHERE;
byte seq_of[TASKS];
bool killed[TASKS];    /* somebody has asked for that */

#ifdef ERR_PENDING_LATE
byte late[SLOTS];
#endif

/* What only the checks know. */
bool ran[TASKS];
bool reported[TASKS];
bool doomed[TASKS]; /* it is to be killed */
bool struck[SLOTS]; /* the worker did not die by our hand */

#define IS(s, q, c)    (page[s].seq[(q) % RING] == (q) && page[s].claim[(q) % RING] == c)
#define SET(s, q, c)    page[s].seq[(q) % RING] = q; page[s].claim[(q) % RING] = c
#define CLEAR(s, q)    page[s].seq[(q) % RING] = 0; page[s].claim[(q) % RING] = 0
#define CLAIM(s, q)    page[s].claim[(q) % RING]
#define LIVE(s)        ((place[0] == s) + (place[1] == s) + (place[2] == s))
#define QUEUED         (place[0] == QUEUE || place[1] == QUEUE || place[2] == QUEUE)
#define LAPPED1(s, t)  (place[t] == s && seq_of[t] % RING == (sent[s] + 1) % RING)
#define LAPPED(s)      (LAPPED1(s, 0) || LAPPED1(s, 1) || LAPPED1(s, 2))
#define QCOUNT         LIVE(QUEUE)
#define BEGINS(s)      (slot[s] == SPAWNING || slot[s] == STARTING)
#define STARTS         (BEGINS(0) + BEGINS(1))
#define GONE(s)        (slot[s] == FREE && !UNWANTED(s))
#define UNWANTED(s)    (s >= target)
#define TOLD(t)        (future[t] == NEW || future[t] == ENDED || future[t] == REFUSED)
#define OVER           (shut != OPEN && TOLD(0) && TOLD(1) && TOLD(2))
#define KILLED1(s, t)  (RUNS(s, t) && killed[t])
#define KILLED(s)      (KILLED1(s, 0) || KILLED1(s, 1) || KILLED1(s, 2))
#define HEARD(s)       (slot[s] != FREE && slot[s] != SPAWNING)
#define RUNS(s, t)     (place[t] == s && future[t] == HANDED)
#define LAST(s, t)     (place[t] == s && seq_of[t] == sent[s])

#define HAS(c)         (len(c) > 0)


/* future.c: conc__future_end */
inline end(t)
{
	assert(future[t] == WAITING || future[t] == HANDED || future[t] == WON);
	future[t] = ENDED;
	seq_of[t] = 0;
	reported[t] = false;
	doomed[t] = false
}

/* writer.c: conc__writer_flush */
inline flush(s)
{
	do
	:: HAS(writer[s]) && len(orders[s]) < PIPE ->
		writer[s]?m, fq, ft;
		orders[s]!m, fq, ft
	:: else -> break
	od;
	fq = 0; ft = 0
}

/* writer.c: conc__writer_put */
inline put(s, type, q, t)
{
	writer[s]!type, q, t;
	flush(s)
}

/* feed.c: choose: an idle worker; or one that may have more in advance */
#define ROOM(s, most)  (slot[s] == READY && !UNWANTED(s) && LIVE(s) < most && RING_ROOM(s))
#ifdef ERR_ROOM_BY_TAKEN
#define RING_ROOM(s)   (!LAPPED(s) && sent[s] - taken[s] < RING)
#else
#define RING_ROOM(s)   (!LAPPED(s))
#endif
#define FEEDABLE(most) (ROOM(0, most) || ROOM(1, most))
#define AHEAD          (QCOUNT > STARTS && FEEDABLE(CREDIT))

/* feed.c: steal: one is idle, another has an order behind the one that it runs */
#define BUSY(s)        (LIVE(s) > 1)
#define STEALABLE      (steals > 0 && !QUEUED && FEEDABLE(1) && (BUSY(0) || BUSY(1)))

/* feed.c: free_slot */
#define SPAWNABLE      (QCOUNT > STARTS && (GONE(0) || GONE(1)) && shut != CANCEL && \
                        shut != TERMINATE && !FEEDABLE(1))

/* feed.c: conc__feed */
inline feed()
{
	do
	:: QUEUED && (FEEDABLE(1) || (!SPAWNABLE && AHEAD)) ->
		/* feed.c: feed_one */
		t = (place[0] == QUEUE -> 0 : (place[1] == QUEUE -> 1 : 2));
		f = (ROOM(0, CREDIT) && (!ROOM(1, CREDIT) || LIVE(0) <= LIVE(1)) -> 0 : 1);
		/* feed.c: hand */
		if
		:: future[t] == WAITING ->
			sent[f]++;
			future[t] = HANDED;
			place[t] = f;
			seq_of[t] = sent[f];
#ifdef ERR_PENDING_LATE
			late[f] = sent[f];
#else
			SET(f, sent[f], PENDING);
#endif
			put(f, TASK, sent[f], t)
		:: else -> /* cancelled while it waited */
			place[t] = NOWHERE
		fi
	:: STEALABLE ->
		steals--;
		f = (BUSY(1) -> 1 : 0);
		t = (LAST(f, 0) -> 0 : (LAST(f, 1) -> 1 : 2));
		take_back(f, t)
	:: SPAWNABLE ->
		/* slot.c: conc__slot_spawn */
		f = (GONE(0) -> 0 : 1);
		incarnation[f]++;
		slot[f] = SPAWNING;
		tell(SPAWN, f)
	:: else -> break
	od;
	f = 0; t = 0
}

/* slot.c: conc__slot_take_back, of one order */
inline take_back(s, t)
{
	if
#ifdef ERR_STEAL_BLIND
	:: place[t] == s && future[t] == HANDED ->
#else
	:: place[t] == s && IS(s, seq_of[t], PENDING) ->
#endif
		CLEAR(s, seq_of[t]);
		future[t] = WAITING;
		seq_of[t] = 0;
		place[t] = QUEUE
	:: else
	fi
}

/* slot.c: conc__slot_tell */
inline tell(type, s)
{
	assert(len(to_zygote) < 5);
	to_zygote!type, s, incarnation[s]
}

/* slot.c: conc__slot_take_back */
inline take_all_back(s)
{
	take_back(s, 0);
	take_back(s, 1);
	take_back(s, 2)
}

/* slot.c: conc__slot_kill */
inline kill(s)
{
#ifndef ERR_KILL_HASTY
	take_all_back(s);
#endif
	if
#ifndef ERR_KILL_HASTY
	:: RUNS(s, 0) + RUNS(s, 1) + RUNS(s, 2) > 1 ->
		skip /* the next one has begun: a report is on its way */
#endif
	:: else ->
		doom(s, 0); doom(s, 1); doom(s, 2);
		slot[s] = DYING;
		tell(KILL, s)
	fi
}

/* slot.c: conc__slot_bury, of one order */
inline bury(s, t)
{
	if
	:: place[t] == s ->
		if
#ifdef ERR_REQUEUE_ALL
		:: future[t] == HANDED ->
#else
		:: IS(s, seq_of[t], PENDING) ->
#endif
			CLEAR(s, seq_of[t]);
			future[t] = WAITING;
			seq_of[t] = 0;
		place[t] = QUEUE
		:: future[t] == WON -> /* the canceller has it, and waits for the lock */
			skip
		:: else ->
			assert(IS(s, seq_of[t], RUNNING) || IS(s, seq_of[t], ASKED));
			assert(!reported[t]);
			assert(struck[s] || doomed[t]);
			CLEAR(s, seq_of[t]);
			end(t);
			place[t] = NOWHERE
		fi
	:: else
	fi
}

/* report.c: conc__slot_listen, of one report */
inline listen(s)
{
	reports[s]?m, q;
	if
	:: m == UP ->
		if
		:: slot[s] == STARTING -> slot[s] = READY
		:: else
		fi
	:: m == RESULT ->
		t = 0;
		do
		:: place[t] == s && seq_of[t] == q -> break
		:: else ->
			t++;
			assert(t < TASKS) /* nobody's */
		od;
		CLEAR(s, q);
		end(t);
		place[t] = NOWHERE
	fi;
	m = 0; q = 0; t = 0
}

/* pool.c: conc__process_flush, of one task */
inline call_off(t)
{
	if
	:: place[t] == QUEUE && future[t] == WAITING ->
		end(t);
		place[t] = NOWHERE
	:: else
	fi
}

/* Did anybody ask for this? */
inline doom(s, t)
{
	doomed[t] = doomed[t] ||
	    (RUNS(s, t) && (shut == TERMINATE || killed[t]))
}

/* pool.c: conc__process_ended */
#ifdef ERR_NO_BELL
#define RING_BELL      skip
#else
#define RING_BELL      bell = bell || OVER
#endif

#define check(t)       assert(TOLD(t))

#include "machine.pml"

/* dispatcher.c: tend */
inline tend(s)
{
	if
	:: BEGINS(s) && (OVER || UNWANTED(s)) ->
		if
		:: slot[s] == STARTING -> tell(KILL, s)
		:: else /* killed as soon as it is there */
		fi;
		slot[s] = DYING
	:: slot[s] == READY ->
		if
		:: shut == CANCEL || shut == TERMINATE || UNWANTED(s) -> take_all_back(s)
		:: else
		fi;
		if
		:: LIVE(s) > 0 && (shut == TERMINATE || KILLED(s)) -> kill(s)
		:: LIVE(s) == 0 && !HAS(writer[s]) && (OVER || UNWANTED(s)) ->
			/* slot.c: conc__slot_bye */
			slot[s] = LEAVING;
			put(s, BYE, 0, 0)
		:: else
		fi
	:: else
	fi
}

/* dispatcher.c: conc__dispatcher_main */
active proctype dispatcher()
{
	byte s, t, q, n, f, ft, fq;
	mtype m;

again:
	atomic {
		/* dispatcher.c: gather */
		if
		:: bell -> bell = false
		:: HAS(reports[0]) && HEARD(0) -> listen(0)
		:: HAS(reports[1]) && HEARD(1) -> listen(1)
		:: HAS(writer[0]) && len(orders[0]) < PIPE && HEARD(0) -> flush(0)
		:: HAS(writer[1]) && len(orders[1]) < PIPE && HEARD(1) -> flush(1)
		:: HAS(to_host) ->
			/* slot.c: conc__slot_hear */
			to_host?m, s, n;
			assert(n == incarnation[s]);
			n = 0;
			if
			:: m == SPAWNED ->
				/* slot.c: spawned */
				if
				:: slot[s] == SPAWNING -> slot[s] = STARTING
				:: else -> tell(KILL, s)
				fi
			:: m == DIED ->
				/* slot.c: conc__slot_bury */
				m = 0;
#ifndef ERR_NO_DRAIN
				do
				:: HAS(reports[s]) -> listen(s)
				:: else -> break
				od;
#endif
				bury(s, 0);
				bury(s, 1);
				bury(s, 2);
				/* slot.c: empty */
				do
				:: HAS(orders[s]) -> orders[s]?m, q, t
				:: HAS(writer[s]) -> writer[s]?m, q, t
				:: HAS(reports[s]) -> reports[s]?m, q
				:: else -> break
				od;
				q = 0; t = 0;
#ifdef ERR_ROOM_BY_TAKEN
				taken[s] = 0;
#endif
				sent[s] = 0;
				struck[s] = false;
				slot[s] = FREE
			fi;
			m = 0; s = 0
		fi;
		/* dispatcher.c: tend_all */
		tend(0);
		tend(1);
		if
		:: shut == CANCEL || shut == TERMINATE ->
			/* pool.c: conc__process_flush */
			call_off(0); call_off(1); call_off(2);
			tend(0);
			tend(1)
		:: else
		fi;
		feed();
		if
		:: OVER && slot[0] == FREE && slot[1] == FREE ->
			/* shutdown.c: conc__process_finished */
			finished = true;
			tell(QUIT, 0);
			goto done
		:: else -> goto again
		fi
	};
done:	skip
}

#include "program.pml"
