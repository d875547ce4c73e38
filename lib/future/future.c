/* SPDX-License-Identifier: MIT */
/*
 * The future: its state, its end, its references, and what can be asked of it.
 * Waiting is in wait.c, callbacks are in callback.c.
 */
#include "future/future.h"
#include "base/futex.h"
#include "base/memory.h"
#include "base/raise.h"
#include <conc/future.h>
#include <string.h>

void
conc__future_init(
    conc_future *f, const struct conc__source *source, uint32_t generation, unsigned refs)
{
	memset(f, 0, sizeof *f);
	f->source = source;
	f->generation = generation;
	/* relaxed: the future is not shared yet */
	conc__store_relaxed(&f->refs, CONC__PROGRAM * refs + 1);
}

static uint32_t
in_phase(uint32_t state, uint32_t phase)
{
	return (state & ~(uint32_t)CONC__PHASE) | phase;
}

bool
conc__future_win(conc_future *f, uint32_t to)
{
	/* relaxed: only a guess for the swap below */
	uint32_t state = conc__load_relaxed(&f->state);

	do {
		if ((state & CONC__PHASE) > CONC__DELAYED)
			return false;
		/* pairs with the swap in conc__future_put_back: the last run before the next */
	} while (!conc__cas_weak_acq_rel(&f->state, &state, in_phase(state, to)));
	return true;
}

/*
 * f was put back: a worker that waits for it may run it now, or must know when.
 * Whoever wins f needs the engine's lock to go on, which we hold: so f stays.
 */
static void
nudge(conc_future *f, uint32_t state)
{
	if (state & CONC__SLEPT)
		conc__futex_wake(&f->state, INT32_MAX);
	conc__lock_acquire(&f->lock, CONC__RANK_FUTURE);
	for (struct conc__watcher *w = f->watchers; w != NULL; w = w->next)
		w->fire(w, f);
	conc__lock_release(&f->lock, CONC__RANK_FUTURE);
}

bool
conc__future_put_back(conc_future *f, uint32_t to)
{
	conc__future_take(f);
	return conc__future_put_back_held(f, to);
}

bool
conc__future_put_back_held(conc_future *f, uint32_t to)
{
	/* relaxed: only a guess for the swap below */
	uint32_t state = conc__load_relaxed(&f->state);
	bool refused;

	do {
		refused = to == CONC__DELAYED && (state & CONC__ASKED);
		/*
		 * release: pairs with conc__future_win, and with conc__future_phase for the
		 * due time
		 */
	} while (!refused && !conc__cas_weak_acq_rel(&f->state, &state, in_phase(state, to)));
	if (f->source->revoke != NULL)
		conc__lock_release(&f->lock, CONC__RANK_FUTURE);
	if (!refused && (state & CONC__WAITED))
		nudge(f, state);
	return !refused;
}

bool
conc__future_hold(conc_future *f)
{
	if (conc__forked(f->generation)) /* its lock may be held for ever */
		return false;
	conc__lock_acquire(&f->lock, CONC__RANK_FUTURE);
	/* The phase's acquire pairs with conc__future_win: where f is was written before. */
	if (conc__future_phase(f) == CONC__RUNNING)
		return true;
	conc__lock_release(&f->lock, CONC__RANK_FUTURE);
	return false;
}

void
conc__future_let_go(conc_future *f)
{
	conc__lock_release(&f->lock, CONC__RANK_FUTURE);
}

void
conc__future_revoke(conc_future *f)
{
	/* relaxed: only a guess for the swap below */
	uint32_t state = conc__load_relaxed(&f->state);

	/* pairs with conc__future_win, as there; while f is held only flags can change */
	while (!conc__cas_weak_acq_rel(&f->state, &state, in_phase(state, CONC__CANCELLING)))
		continue;
	conc__future_let_go(f);
}

/* Set flag unless f has ended; return the state from before. */
static uint32_t
mark(conc_future *f, uint32_t flag)
{
	/* acquire: pairs with conc__future_end, as in conc__future_phase */
	uint32_t state = conc__load_acquire(&f->state);

	while ((state & CONC__PHASE) < CONC__DONE && (state & flag) != flag) {
		/*
		 * pairs with the swap in conc__future_end: either it sees the flag, or we
		 * see the end
		 */
		if (conc__cas_weak_acq_rel(&f->state, &state, state | flag))
			break;
	}
	return state;
}

bool
conc__future_watch(conc_future *f)
{
	return (mark(f, CONC__WAITED) & CONC__PHASE) < CONC__DONE;
}

bool
conc__future_sleep(conc_future *f)
{
	return (mark(f, CONC__WAITED | CONC__SLEPT) & CONC__PHASE) < CONC__DONE;
}

bool
conc__future_link(conc_future *f, struct conc__watcher *w)
{
	bool linked;

	if (conc__forked(f->generation)) /* it has ended, and its lock may be held for ever */
		return false;
	conc__lock_acquire(&f->lock, CONC__RANK_FUTURE);
	linked = conc__future_watch(f);
	if (linked) {
		w->next = f->watchers;
		w->link = &f->watchers;
		if (w->next != NULL)
			w->next->link = &w->next;
		f->watchers = w;
	}
	conc__lock_release(&f->lock, CONC__RANK_FUTURE);
	return linked;
}

static void
take_off(struct conc__watcher *w)
{
	*w->link = w->next;
	if (w->next != NULL)
		w->next->link = w->link;
	w->link = NULL;
}

void
conc__future_unlink(conc_future *f, struct conc__watcher *w)
{
	if (conc__forked(f->generation))
		return;
	/* The lock also when w has fired: whoever fires is done with w once he lets go. */
	conc__lock_acquire(&f->lock, CONC__RANK_FUTURE);
	if (w->link != NULL)
		take_off(w);
	conc__lock_release(&f->lock, CONC__RANK_FUTURE);
}

/* f has ended, and WAITED was set before: wake waiters, then run the callbacks there were. */
static void
wake(conc_future *f, uint32_t state)
{
	struct conc__watcher *w;
	bool fire;

	if (state & CONC__SLEPT)
		conc__futex_wake(&f->state, INT32_MAX);
	conc__lock_acquire(&f->lock, CONC__RANK_FUTURE);
	while ((w = f->watchers) != NULL) {
		take_off(w);
		w->fire(w, f);
	}
	fire = f->firing == 0;
	if (fire)
		f->firing = 1;
	conc__lock_release(&f->lock, CONC__RANK_FUTURE);
	if (fire)
		conc__future_fire(f, f->executor);
}

/* f has failed and the program holds no reference any more: tell, unless somebody looked. */
static void
tell_if_unlooked(conc_future *f)
{
	conc_excepthook *hook = NULL;
	void *user = NULL;

	/* relaxed: who sets it first is all that matters */
	if (conc__or_relaxed(&f->state, CONC__LOOKED) & CONC__LOOKED)
		return;
	if (f->source->hook != NULL)
		f->source->hook(f, &hook, &user);
	conc__unlooked(hook, user, f->exception);
}

/* As f ends: this may be a pool's thread, so the hook is to wait no more than a callback. */
static void
tell_at_the_end(conc_future *f)
{
	struct conc__self *self = conc__self();

	self->callbacks++;
	tell_if_unlooked(f);
	self->callbacks--;
}

void
conc__future_end(conc_future *f, uint32_t phase, conc_exception *e)
{
	conc__future_take(f);
	conc__future_end_held(f, phase, e);
}

void
conc__future_end_held(conc_future *f, uint32_t phase, conc_exception *e)
{
	/* relaxed: only a guess for the swap below */
	uint32_t state = conc__load_relaxed(&f->state);

	f->exception = e;
	/* release: pairs with the acquire in conc__future_phase: result and exception before
	 * the phase.  acquire: pairs with mark(): who set WAITED is on the list, or asleep, or
	 * will see the end. */
	while (!conc__cas_weak_acq_rel(&f->state, &state, in_phase(state, phase)))
		continue;
	if (f->source->revoke != NULL) {
		/* Callbacks that come now are not ours: who ends it may be a waiter. */
		if (f->callbacks == NULL)
			f->firing = 2;
		conc__lock_release(&f->lock, CONC__RANK_FUTURE);
	}
	if (state & CONC__WAITED) /* else nobody waits: no lock, no system call */
		wake(f, state);
	/*
	 * relaxed: if the program drops its last reference only now, conc__future_leave
	 * tells
	 */
	if (phase == CONC__FAILED && conc__load_relaxed(&f->refs) < CONC__PROGRAM)
		tell_at_the_end(f);
}

int
conc__future_receive(conc_future *f)
{
	/* relaxed: who sets it first is all that matters */
	(void)conc__or_relaxed(&f->state, CONC__LOOKED);
	return conc_reraise(f->exception);
}

/* The last reference is gone. */
static void
dispose(conc_future *f)
{
	if (conc__future_phase(f) == CONC__FAILED && !conc__forked(f->generation))
		tell_if_unlooked(f);
	conc_exception_release(f->exception);
	if (f->own_room)
		conc__free(f->result);
	f->source->free(f);
}

void
conc__future_stay(conc_future *f)
{
	/* relaxed: the caller holds the first one, so f cannot go meanwhile */
	(void)conc__add_relaxed(&f->refs, 1);
}

void
conc__future_leave(conc_future *f)
{
	/*
	 * pairs with the other holders' release: what they did to f comes before the free.
	 * Nobody can add to the last reference but its holder, who need not swap.
	 */
	if (conc__load_acquire(&f->refs) == 1 || conc__sub_acq_rel(&f->refs, 1) == 1)
		dispose(f);
}

conc_future *
conc_future_ref(conc_future *f)
{
	/* relaxed: the caller holds a reference, so f cannot go meanwhile */
	if (f != NULL)
		(void)conc__add_relaxed(&f->refs, CONC__PROGRAM);
	return f;
}

void
conc_future_release(conc_future *f)
{
	uint32_t refs;

	if (f == NULL)
		return;
	/*
	 * acquire: pairs with the other holders' release, for the case that ours is the last
	 * one, which nobody else can change; else it is only a guess for the swap below
	 */
	refs = conc__load_acquire(&f->refs);
	if (refs == CONC__PROGRAM) {
		dispose(f);
		return;
	}
	do {
		/* The program's last reference: tell before it is given up, for then the source
		 * may free f at any time.  If f ends only after this look, the source tells. */
		if (refs < 2 * CONC__PROGRAM && conc__future_phase(f) == CONC__FAILED &&
		    !conc__forked(f->generation))
			tell_if_unlooked(f);
		/*
		 * pairs with the other holders' release: what they did to f comes before
		 * the free
		 */
	} while (!conc__cas_weak_acq_rel(&f->refs, &refs, refs - CONC__PROGRAM));
	if (refs == CONC__PROGRAM)
		dispose(f);
}

int
conc_future_view(conc_future *f, const void **p, size_t *size)
{
	int rc;

	if (f == NULL || p == NULL)
		return -EINVAL;
	rc = conc_future_wait(f, CONC_FOREVER);
	if (rc != 0)
		return rc;
	switch (conc__future_phase(f)) {
	case CONC__FAILED:
		return conc__future_receive(f);
	case CONC__CANCELLED:
		return -ECANCELED;
	}
	*p = f->result_size > 0 ? f->result : NULL;
	if (size != NULL)
		*size = f->result_size;
	return 0;
}

int
conc_future_result(conc_future *f, void *result, size_t size)
{
	const void *p;
	size_t had;
	int rc;

	if (result == NULL && size != 0)
		return -EINVAL;
	rc = conc_future_view(f, &p, &had);
	if (rc != 0 || size == 0)
		return rc;
	if (size != had)
		return -EMSGSIZE;
	memcpy(result, p, size);
	return 0;
}

const conc_exception *
conc_future_exception(conc_future *f)
{
	if (f == NULL || conc__future_phase(f) != CONC__FAILED)
		return NULL;
	/* relaxed: who sets it first is all that matters */
	(void)conc__or_relaxed(&f->state, CONC__LOOKED);
	return f->exception;
}

bool
conc_future_done(const conc_future *f)
{
	return f != NULL && conc__future_ended(f);
}

bool
conc_future_running(const conc_future *f)
{
	if (f == NULL || conc__future_phase(f) != CONC__RUNNING || conc__forked(f->generation))
		return false;
	return f->source->begun == NULL || f->source->begun((conc_future *)f);
}

bool
conc_future_cancelled(const conc_future *f)
{
	uint32_t phase;

	if (f == NULL)
		return false;
	phase = conc__future_phase(f);
	return phase == CONC__CANCELLED || phase == CONC__CANCELLING;
}

int
conc_future_cancel(conc_future *f)
{
	int rc;

	if (f == NULL)
		return -EINVAL;
	for (;;) {
		if (conc__future_forked(f))
			return CONC_EFORKED;
		if (conc__future_win(f, CONC__CANCELLING)) {
			f->source->cancel(f);
			return 0;
		}
		switch (mark(f, CONC__ASKED) & CONC__PHASE) {
		case CONC__PENDING:
		case CONC__DELAYED: /* it ran, and was put back */
			break;
		case CONC__RUNNING:
			rc = f->source->revoke != NULL ? f->source->revoke(f) : -EINPROGRESS;
			if (rc != -EAGAIN)
				return rc;
			break;
		case CONC__CANCELLING:
		case CONC__CANCELLED:
			return 0;
		default:
			return CONC_ESTATE;
		}
	}
}

int
conc_future_kill(conc_future *f)
{
	if (f == NULL)
		return -EINVAL;
	if (conc__future_forked(f))
		return CONC_EFORKED;
	return f->source->kill != NULL ? f->source->kill(f) : -ENOTSUP;
}
