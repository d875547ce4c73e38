/* SPDX-License-Identifier: MIT */
/*
 * Barriers.
 *
 * Who waits lies on a list, by a note on his own stack, and sleeps on a word
 * in it.  A round ends in one step, with the lock held: the list is taken off,
 * and with it everybody's fate is decided, however late he wakes.  Then,
 * without the lock, each is told by his own word.  So the barrier itself is
 * not touched any more once the first has been told: he may free it.  Only who
 * waits with a deadline may look at it again, to see whether he came too late.
 */
#include "base/clock.h"
#include "base/futex.h"
#include "base/lock.h"
#include "sync/sync.h"

enum { WAITING, PASSED, BROKEN };

struct waiter {
	struct waiter *next;   /* under the barrier's lock; then who ended the round has it */
	conc__atomic_u32 told; /* WAITING to PASSED or BROKEN, by who ended the round */
};

/* Of the small lock that protects all but parties.  It has the place of an integer. */
static struct conc__lock *
lock_of(conc_barrier *b)
{
	_Static_assert(sizeof(struct conc__lock) == sizeof b->lock, "a lock is its word");
	return (struct conc__lock *)(void *)&b->lock;
}

static void
lock(conc_barrier *b)
{
	conc__lock_acquire(lock_of(b), CONC__RANK_SYNC);
}

static void
unlock(conc_barrier *b)
{
	conc__lock_release(lock_of(b), CONC__RANK_SYNC);
}

/* End the round, with the lock held; return who is to be told. */
static struct waiter *
end_round(conc_barrier *b)
{
	struct waiter *waiters = (struct waiter *)(uintptr_t)b->waiters;

	b->waiters = 0;
	b->waiting = 0;
	b->round++;
	return waiters;
}

/* Tell them, without the lock. */
static void
tell(struct waiter *w, uint32_t what)
{
	struct waiter *next;

	for (; w != NULL; w = next) {
		next = w->next;
		/* pairs with the load in await: all that was done before the end is done */
		conc__store_release(&w->told, what);
		/* The note may be gone already: only its address is used. */
		conc__futex_wake(&w->told, 1);
	}
}

/* End the round, which nobody passes; break the barrier or not.  Gives the lock back. */
static void
end_in_vain(conc_barrier *b, bool broken)
{
	struct waiter *waiters = end_round(b);

	b->broken = broken;
	unlock(b);
	tell(waiters, BROKEN);
}

/* The last party has come.  Gives the lock back. */
static int
pass(conc_barrier *b)
{
	struct waiter *waiters = end_round(b);
	int (*action)(void *user) = (int (*)(void *))(uintptr_t)b->action;
	void *user = (void *)(uintptr_t)b->user;
	int rc;

	unlock(b);
	rc = action != NULL ? action(user) : 0;
	if (rc != 0) {
		lock(b);
		end_in_vain(b, true);
	}
	tell(waiters, rc == 0 ? PASSED : BROKEN);
	return rc;
}

/* Another party has come.  Gives the lock back. */
static int
await(conc_barrier *b, conc_time deadline)
{
	struct waiter me = {.next = (struct waiter *)(uintptr_t)b->waiters};
	uint32_t told, round = b->round;
	int rc = conc__may_block(deadline);

	if (rc == -ETIMEDOUT)
		end_in_vain(b, true);
	else if (rc != 0)
		unlock(b);
	if (rc != 0)
		return rc;
	b->waiters = (uintptr_t)&me;
	b->waiting++;
	unlock(b);
	/* pairs with the store in tell: what all parties did before is done */
	while ((told = conc__load_acquire(&me.told)) == WAITING) {
		/* woken by tell */
		if (conc__futex_wait(&me.told, WAITING, deadline) == 0)
			continue;
		lock(b);
		if (b->round == round) {
			end_in_vain(b, true); /* tells me too */
			return -ETIMEDOUT;
		}
		unlock(b);
		deadline = CONC_FOREVER; /* the round has ended: I am about to be told how */
	}
	return told == PASSED ? 0 : CONC_EBROKEN;
}

int
conc_barrier_wait_index(conc_barrier *b, uint32_t *index, conc_time deadline)
{
	uint32_t place;
	int rc;

	if (b == NULL || b->parties == 0)
		return -EINVAL;
	lock(b);
	if (b->broken) {
		unlock(b);
		return CONC_EBROKEN;
	}
	place = b->waiting;
	rc = place == b->parties - 1 ? pass(b) : await(b, deadline);
	if (rc == 0 && index != NULL)
		*index = place;
	return rc;
}

int
conc_barrier_wait(conc_barrier *b, conc_time deadline)
{
	return conc_barrier_wait_index(b, NULL, deadline);
}

int
conc_barrier_init(conc_barrier *b, uint32_t parties, uint32_t flags)
{
	int rc = b != NULL && parties > 0 ? conc__check_flags(flags, 0) : -EINVAL;

	if (rc == 0)
		*b = (conc_barrier)CONC_BARRIER_INIT(parties);
	return rc;
}

void
conc_barrier_fini(conc_barrier *b)
{
	if (b != NULL)
		*b = (conc_barrier)CONC_BARRIER_INIT(0);
}

int
conc_barrier_set_action(conc_barrier *b, int (*action)(void *user), void *user)
{
	bool busy;

	if (b == NULL)
		return -EINVAL;
	lock(b);
	busy = b->waiting > 0;
	if (!busy) {
		b->action = (uintptr_t)action;
		b->user = (uintptr_t)user;
	}
	unlock(b);
	return busy ? -EBUSY : 0;
}

/* Abort and reset. */
static int
interrupt(conc_barrier *b, bool broken)
{
	if (b == NULL)
		return -EINVAL;
	lock(b);
	end_in_vain(b, broken);
	return 0;
}

int
conc_barrier_abort(conc_barrier *b)
{
	return interrupt(b, true);
}

int
conc_barrier_reset(conc_barrier *b)
{
	return interrupt(b, false);
}

uint32_t
conc_barrier_parties(const conc_barrier *b)
{
	return b == NULL ? 0 : b->parties;
}

/* Look at a word under the lock. */
static uint32_t
look(conc_barrier *b, const uint32_t *word)
{
	uint32_t value;

	lock(b);
	value = *word;
	unlock(b);
	return value;
}

uint32_t
conc_barrier_waiting(conc_barrier *b)
{
	return b == NULL ? 0 : look(b, &b->waiting);
}

bool
conc_barrier_broken(conc_barrier *b)
{
	return b != NULL && look(b, &b->broken);
}
