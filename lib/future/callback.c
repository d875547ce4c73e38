/* SPDX-License-Identifier: MIT */
/*
 * Callbacks of a future: run once each, in order of registration, by one
 * thread at a time, with no lock held.
 */
#include "base/memory.h"
#include "base/raise.h"
#include "future/frame.h"
#include "future/future.h"
#include <conc/future.h>

struct conc__callback {
	struct conc__callback *next; /* in a ring: the last one's is the first */
	void (*call)(conc_future *f, void *user);
	conc_future *future;
	void *user;
};

void
conc__frame_callback(conc_future *f, const void *executor, void (*call)(void *arg), void *arg)
{
	struct conc__self *self = conc__self();
	struct conc__frame frame = {
	    .outer = self->frame, .future = f, .executor = executor, .callback = true};
	conc_exception *caught = conc__caught_save();

	self->frame = &frame;
	self->callbacks++;
	call(arg);
	self->callbacks--;
	self->frame = frame.outer;
	conc__caught_restore(caught);
}

static void
call_back(void *arg)
{
	struct conc__callback *c = arg;

	c->call(c->future, c->user);
}

void
conc__future_fire(conc_future *f, const void *executor)
{
	struct conc__callback *last, *c;

	for (;;) {
		conc__lock_acquire(&f->lock, CONC__RANK_FUTURE);
		last = f->callbacks;
		if (last == NULL) {
			f->firing = 2;
			conc__lock_release(&f->lock, CONC__RANK_FUTURE);
			return;
		}
		c = last->next;
		if (c == last)
			f->callbacks = NULL;
		else
			last->next = c->next;
		conc__lock_release(&f->lock, CONC__RANK_FUTURE);
		conc__frame_callback(f, executor, call_back, c);
		conc__free(c);
	}
}

int
conc_future_on_done(conc_future *f, void (*callback)(conc_future *f, void *user), void *user)
{
	struct conc__callback *c, here = {.call = callback, .future = f, .user = user};
	bool fire = false;

	if (f == NULL || callback == NULL)
		return -EINVAL;
	if (conc__future_forked(f))
		return CONC_EFORKED;
	/* ended; who runs its callbacks may have stayed behind */
	if (conc__forked(f->generation)) {
		conc__frame_callback(f, NULL, call_back, &here);
		return 0;
	}
	c = conc__malloc(sizeof *c);
	if (c == NULL)
		return -ENOMEM;
	*c = (struct conc__callback){.next = c, .call = callback, .future = f, .user = user};

	conc__lock_acquire(&f->lock, CONC__RANK_FUTURE);
	if (f->callbacks != NULL) {
		c->next = f->callbacks->next;
		f->callbacks->next = c;
	}
	f->callbacks = c;
	/*
	 * Three cases.  It has not ended: whoever ends it will come.  It has, and
	 * WAITED was set before: whoever ended it comes, or has come (firing).  It
	 * has, and nobody waited: nobody comes, we are the one.
	 */
	/* relaxed: conc__future_watch has seen the end, after which WAITED stays as it is */
	if (!conc__future_watch(f) &&
	    (f->firing == 2 ||
		(f->firing == 0 && !(conc__load_relaxed(&f->state) & CONC__WAITED)))) {
		f->firing = 1;
		fire = true;
	}
	conc__lock_release(&f->lock, CONC__RANK_FUTURE);
	if (fire)
		conc__future_fire(f, NULL); /* the pool may be gone */
	return 0;
}
