/* SPDX-License-Identifier: MIT */
/*
 * Waiting for one future, and for several.
 *
 * One future is waited for on its state word.  Several: a watcher on each
 * counts down one word that the waiter sleeps on.
 */
#include "base/clock.h"
#include "base/futex.h"
#include "base/memory.h"
#include "future/frame.h"
#include "future/future.h"
#include <conc/future.h>

/* Is this thread a worker, inside a task of f's pool, that waits without a deadline? */
static bool
may_claim(const conc_future *f, conc_time deadline)
{
	const struct conc__self *self = conc__self();

	return deadline.ns == INT64_MAX && f->executor != NULL &&
	    f->executor == self->executor && self->frame != NULL &&
	    self->frame->executor == f->executor;
}

conc_time
conc__future_look_at(const conc_future *f, conc_time deadline, conc_time until)
{
	uint32_t phase = may_claim(f, deadline) ? conc__future_phase(f) : CONC__DONE;
	int64_t due = phase == CONC__PENDING ? 0 : INT64_MAX;

	if (phase == CONC__DELAYED)
		due = f->source->due(f);
	if (due < until.ns)
		until.ns = due;
	return until;
}

bool
conc__future_claimable(const conc_future *f, conc_time deadline)
{
	uint32_t phase;

	if (!may_claim(f, deadline))
		return false;
	phase = conc__future_phase(f);
	return phase == CONC__PENDING ||
	    (phase == CONC__DELAYED && conc__now() >= f->source->due(f));
}

int
conc__future_claim(conc_future *f, conc_time deadline, bool *claimed)
{
	*claimed = conc__future_claimable(f, deadline) && conc__future_win(f, CONC__RUNNING);
	return *claimed ? f->source->claim(f) : 0;
}

int
conc_future_wait(conc_future *f, conc_time deadline)
{
	bool claimed;
	uint32_t state;
	int rc;

	if (f == NULL)
		return -EINVAL;
	for (;;) {
		if (conc__future_ended(f))
			return 0;
		if (conc__forked(f->generation))
			return CONC_EFORKED;
		rc = conc__may_block(deadline);
		if (rc != 0)
			return rc;
		if (conc__frame_runs(conc__self(), f))
			return -EDEADLK;
		rc = conc__future_claim(f, deadline, &claimed);
		if (rc != 0)
			return rc;
		if (claimed)
			continue;
		if (f->source->help != NULL && conc__future_phase(f) == CONC__RUNNING) {
			f->source->help(f, deadline);
			if (conc__future_ended(f))
				return 0;
		}
		if (!conc__future_sleep(f))
			continue;
		/* relaxed: the futex compares it again, the loop acquires */
		state = conc__load_relaxed(&f->state);
		if ((state & CONC__PHASE) < CONC__DONE) /* woken by conc__future_end */
			(void)conc__futex_wait(
			    &f->state, state, conc__future_look_at(f, deadline, deadline));
	}
}

/*
 * The word of a conc_wait: how many futures it still lacks, or ENOUGH.
 */
#define ENOUGH UINT32_C(0x80000000)
#define AGAIN UINT32_C(0x40000000) /* one was put back: perhaps this thread is to run it */

struct set {
	conc__atomic_u32 lack;
	conc_wait_how how;
};

struct member {
	struct conc__watcher watcher; /* first: fire casts it back */
	struct set *set;
};

static bool
enough(uint32_t lack)
{
	return (lack & ~AGAIN) == 0 || (lack & ENOUGH) != 0;
}

/* f has ended, or was put back; under its lock, or by the waiter himself. */
static void
fire(struct conc__watcher *w, conc_future *f)
{
	struct set *s = ((struct member *)w)->set;
	uint32_t lack, phase = conc__future_phase(f);

	if (phase < CONC__DONE) {
		/* pairs with the load in block(): it was put back before the word */
		lack = conc__or_acq_rel(&s->lack, AGAIN) | AGAIN;
	} else if (s->how == CONC_ANY ||
	    (s->how == CONC_FIRST_EXCEPTION && phase == CONC__FAILED)) {
		/* pairs with the load in block(): f's end comes before the word */
		lack = conc__or_acq_rel(&s->lack, ENOUGH) | ENOUGH;
	} else {
		/* pairs with the load in block(): f's end comes before the word */
		lack = conc__sub_acq_rel(&s->lack, 1) - 1;
	}
	if (enough(lack) || (lack & AGAIN))
		conc__futex_wake(&s->lack, 1); /* the one who blocks below */
}

/*
 * Sleep until the set has enough: 0; or one was put back: -EINTR; or the deadline:
 * -ETIMEDOUT.
 */
static int
block(struct set *s, conc_time deadline)
{
	uint32_t lack;

	for (;;) {
		/* acquire: pairs with fire(): the ends that were counted are seen */
		lack = conc__load_acquire(&s->lack);
		if (enough(lack))
			return 0;
		if (lack & AGAIN)
			return -EINTR;
		if (conc__passed(deadline))
			return -ETIMEDOUT;
		(void)conc__futex_wait(&s->lack, lack, deadline); /* woken by fire() */
	}
}

/* Does what has ended suffice already? */
static bool
satisfied(conc_future *const f[], size_t n, conc_wait_how how)
{
	size_t ended = 0;

	for (size_t i = 0; i < n; i++) {
		uint32_t phase = conc__future_phase(f[i]);

		if (phase < CONC__DONE)
			continue;
		if (how == CONC_ANY || (how == CONC_FIRST_EXCEPTION && phase == CONC__FAILED))
			return true;
		ended++;
	}
	return ended == n;
}

/*
 * None that has not ended was made by a process we forked from, and not all we lack is
 * ourselves.
 */
static int
may_block_for(conc_future *const f[], size_t n, conc_wait_how how, conc_time deadline)
{
	const struct conc__self *self = conc__self();
	size_t own = 0;

	for (size_t i = 0; i < n; i++) {
		if (conc__future_forked(f[i]))
			return CONC_EFORKED;
		own += conc__frame_runs(self, f[i]);
	}
	if (own == n || (own > 0 && how != CONC_ANY))
		return conc__passed(deadline) ? -ETIMEDOUT : -EDEADLK;
	return conc__may_block(deadline);
}

/* Run what this thread may run itself, until that suffices. */
static int
claim_some(conc_future *const f[], size_t n, conc_wait_how how, conc_time deadline)
{
	bool claimed;
	int rc;

	for (size_t i = 0; i < n; i++) {
		do { /* again if it was put back */
			rc = conc__future_claim(f[i], deadline, &claimed);
			if (rc != 0)
				return rc;
			if (claimed && satisfied(f, n, how))
				return 0;
		} while (claimed);
	}
	return 0;
}

static int
watch_all(conc_future *const f[], size_t n, conc_wait_how how, conc_time deadline)
{
	struct member few[8], *m = few;
	struct set s = {.how = how};
	conc_time until = deadline;
	int rc;

	if (n > sizeof few / sizeof *few) {
		m = n < AGAIN && n <= SIZE_MAX / sizeof *m ? conc__malloc(n * sizeof *m) : NULL;
		if (m == NULL)
			return -ENOMEM;
	}
	/* relaxed: linking publishes it, under each future's lock */
	conc__store_relaxed(&s.lack, (uint32_t)n);
	for (size_t i = 0; i < n; i++) {
		m[i] = (struct member){.watcher.fire = fire, .set = &s};
		if (!conc__future_link(f[i], &m[i].watcher))
			fire(&m[i].watcher, f[i]);
	}
	/* Now that we hear of what is put back: what was until now? */
	for (size_t i = 0; i < n; i++)
		until = conc__future_look_at(f[i], deadline, until);
	rc = block(&s, until);
	if (rc == -ETIMEDOUT && until.ns != deadline.ns)
		rc = -EINTR;
	for (size_t i = 0; i < n; i++)
		conc__future_unlink(f[i], &m[i].watcher);
	if (m != few)
		conc__free(m);
	return rc;
}

int
conc_wait(conc_future *const f[], size_t n, conc_wait_how how, conc_time deadline)
{
	int rc;

	if ((f == NULL && n > 0) || (unsigned)how > CONC_FIRST_EXCEPTION)
		return -EINVAL;
	for (size_t i = 0; i < n; i++)
		if (f[i] == NULL)
			return -EINVAL;
	if (n == 0 || satisfied(f, n, how))
		return 0;
	rc = may_block_for(f, n, how, deadline);
	if (rc != 0)
		return rc;
	do {
		rc = claim_some(f, n, how, deadline);
		if (rc == 0 && !satisfied(f, n, how))
			rc = watch_all(f, n, how, deadline);
	} while (rc == -EINTR); /* something was put back, or is due again */
	return rc;
}
