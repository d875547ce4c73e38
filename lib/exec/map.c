/* SPDX-License-Identifier: MIT */
/*
 * Map: a client of submit and completions.
 *
 * The array is cut into chunks, each one task.  A window of them, a few for
 * each worker, is in flight; when one ends, the calling thread hands out the
 * next.  So memory does not grow with n, tasks of others get their turn, and
 * callbacks run in the calling thread.
 */
#include "base/clock.h"
#include "base/memory.h"
#include "base/raise.h"
#include "base/thread.h"
#include "exec/executor.h"

struct map {
	conc_executor *ex;
	conc_fn *fn;
	const char *args;
	char *results;
	size_t n, arg_size, result_size;
	const conc_map_options *o;

	/* The calling thread's: */
	conc_completions *awaited;
	struct chunk *slots; /* the window */
	size_t window, chunk;
	size_t next;  /* the first item not handed out */
	size_t ended; /* items that ran */
	int answer;   /* why we stop handing out: map's own code, or 0 */
	bool stopped;
	size_t failed;             /* the lowest index that failed, */
	conc_exception *exception; /* and its exception; or the refusal's */
};

/* A part of the array on its way; a worker's while its task runs, then the caller's. */
struct chunk {
	const struct map *map;
	conc_future *future; /* NULL: the slot is free */
	size_t begin, end;
	size_t at; /* the item that runs, or the first that did not */
	size_t failed;
	conc_exception *exception; /* of item failed, the chunk's first; or NULL */
	int *codes;                /* of begin and on; or NULL: nobody asks */
	int64_t due;               /* when it may be sent again, conc__now() */
	int tries;                 /* runs of the item at so far */
	bool obeyed; /* an item was asked to stop, and did */
	bool began;  /* since it was sent */
	bool again;  /* the item at is to run again, when due */
	bool unsent; /* it holds items, and no task runs them; the caller's at all times */
};

/* Run one item once, in a frame of its own on top of the chunk's. */
static int
run_once(struct chunk *k)
{
	const struct map *m = k->map;
	struct conc__self *self = conc__self();
	struct conc__frame frame = *self->frame;
	int64_t now, limit = m->o->time_limit;
	int code;

	conc_clear();
	k->tries++;
	frame.outer = self->frame;
	frame.item = true;
	frame.arg_size = m->arg_size;
	if (limit > 0 && limit != CONC_UNLIMITED) {
		now = conc__now();
		frame.limit = now > INT64_MAX - limit ? INT64_MAX : now + limit;
	}
	self->frame = &frame;
	code = m->fn(m->arg_size > 0 ? m->args + k->at * m->arg_size : NULL,
	    m->result_size > 0 ? m->results + k->at * m->result_size : NULL);
	self->frame = frame.outer;
	if (code == 0 || (code == -ECANCELED && conc__frame_asked(&frame)))
		return code;
	if (frame.limit != 0 && conc__now() >= frame.limit) {
		conc_exception *cause = conc__exception_adopt(code, NULL);

		code = conc_raise_at(
		    CONC_ETIMELIMIT, cause, NULL, 0, NULL, "%s", conc_strerror(CONC_ETIMELIMIT));
		conc_exception_release(cause);
	}
	return code;
}

/* The item at is to run again: when? */
static int64_t
due_again(const struct chunk *k)
{
	int64_t now = conc__now(), pause = k->map->o->backoff;

	for (int i = 1; i < k->tries && pause < INT64_MAX / 2; i++)
		pause *= 2;
	return now > INT64_MAX - pause ? INT64_MAX : now + pause;
}

/*
 * The task of a chunk: its items, as far as it comes.  It never fails, unless
 * an item ends the thread.  An item that is to run again after a pause ends it
 * early: the calling thread waits, not a worker.
 */
static int
run_chunk(const void *arg, void *result)
{
	struct chunk *k = (struct chunk *)(uintptr_t)arg;
	const struct map *m = k->map;
	const struct conc__frame *frame = conc__self()->frame;

	(void)result;
	for (k->began = true; k->at < k->end && !conc__frame_asked(frame); k->at++, k->tries = 0) {
		int code = run_once(k);

		if (code == CONC_ETIMELIMIT && k->tries <= m->o->retries &&
		    !conc__frame_asked(frame)) {
			k->due = due_again(k);
			k->again = true;
			break;
		}
		if (k->codes != NULL)
			k->codes[k->at - k->begin] = code;
		if (code == -ECANCELED && conc__frame_asked(frame))
			k->obeyed = true;
		if (code == 0 || k->obeyed)
			continue;
		if (k->exception == NULL) {
			k->exception = conc__exception_adopt(code, NULL);
			k->failed = k->at;
		}
		if (m->o->stop_on_failure) {
			k->at++;
			break;
		}
	}
	conc_clear();
	return 0;
}

/* Hand out no more, and ask what is on its way to stop. */
static void
stop(struct map *m, int answer)
{
	if (m->answer == 0)
		m->answer = answer;
	if (m->stopped)
		return;
	m->stopped = true;
	for (size_t i = 0; m->slots != NULL && i < m->window; i++)
		if (m->slots[i].future != NULL)
			(void)conc_future_cancel(m->slots[i].future);
}

/* Item i failed with e, whose reference is taken. */
static void
note_failure(struct map *m, size_t i, conc_exception *e)
{
	if (m->exception != NULL && m->failed < i) {
		conc_exception_release(e);
		return;
	}
	conc_exception_release(m->exception);
	m->exception = e;
	m->failed = i;
}

/* No more of k will run: tell of what ran, and free the slot. */
static void
settle(struct map *m, struct chunk *k)
{
	conc_exception *caught;

	k->unsent = false;
	for (size_t i = k->at; k->codes != NULL && i < k->end; i++)
		k->codes[i - k->begin] = -ECANCELED;
	if (k->exception != NULL) {
		note_failure(m, k->failed, k->exception);
		k->exception = NULL;
	}
	if (m->exception != NULL && m->o->stop_on_failure)
		stop(m, 0);
	caught = conc__caught_save();
	for (size_t i = k->begin; m->o->on_item != NULL && i < k->at; i++)
		m->o->on_item(i, k->codes[i - k->begin], m->o->user);
	m->ended += k->at - k->begin;
	if (m->o->on_progress != NULL && k->at > k->begin)
		m->o->on_progress(m->ended, m->n, m->o->user);
	conc__caught_restore(caught);
}

/* Put the next items into a free slot; false: there are no more. */
static bool
fill(struct map *m, struct chunk *k)
{
	if (m->next == m->n)
		return false;
	k->begin = k->at = m->next;
	k->end = m->n - m->next < m->chunk ? m->n : m->next + m->chunk;
	k->tries = 0;
	k->due = 0;
	k->unsent = true;
	if (m->o->codes != NULL)
		k->codes = m->o->codes + k->begin;
	m->next = k->end;
	return true;
}

/* Hand k's items from at on to the executor. */
static int
send(struct map *m, struct chunk *k)
{
	conc_task what = CONC_TASK_INIT;
	int rc;

	k->began = k->again = false;
	what.fn = run_chunk;
	what.arg = k;
	what.arg_size = CONC_BORROW;
	what.submit_deadline = m->o->deadline;
	rc = conc_submit_task(m->ex, &what, &k->future);
	if (rc != 0)
		return rc;
	k->unsent = false;
	rc = conc_completions_add(m->awaited, k->future, k);
	if (rc != 0) {
		/* We cannot watch it: see that it is over. */
		(void)conc_future_cancel(k->future);
		(void)conc_future_wait(k->future, CONC_FOREVER);
		(void)conc_future_exception(k->future);
		conc_future_release(k->future);
		k->future = NULL;
		settle(m, k);
	}
	return rc;
}

/* Fill the free slots of the window, and hand out what is in them. */
static void
send_some(struct map *m)
{
	int64_t now = conc__now();
	size_t out = 0;

	for (size_t i = 0; i < m->window; i++)
		out += m->slots[i].future != NULL;
	for (size_t i = 0; i < m->window && !m->stopped; i++) {
		struct chunk *k = &m->slots[i];
		int rc;

		if (k->future != NULL || (!k->unsent && !fill(m, k)) || k->due > now)
			continue;
		rc = send(m, k);
		if (rc == -EAGAIN && out > 0)
			return; /* full: when one of ours has ended there is room */
		if (rc != 0) {
			stop(m, rc);
			if (m->exception == NULL && conc_exception_code(conc_caught()) == rc)
				m->exception = conc_exception_ref(conc_caught());
			return;
		}
		out++;
	}
}

/* The thread of a worker ended in the item at: that one has failed, the rest are to go on. */
static void
crashed(struct map *m, struct chunk *k, const conc_exception *e)
{
	k->unsent = true;
	if (k->tries <= m->o->retries) {
		k->due = due_again(k);
		return;
	}
	k->due = 0;
	note_failure(m, k->at, conc_exception_ref(e));
	if (k->codes != NULL)
		k->codes[k->at - k->begin] = conc_exception_code(e);
	k->at++;
	k->tries = 0;
	k->unsent = !m->o->stop_on_failure && k->at < k->end;
}

/* The chunk's task has ended: take in what it leaves. */
static void
take(struct map *m, struct chunk *k, conc_future *f)
{
	const conc_exception *e = conc_future_exception(f); /* the hook hears of it no more */

	conc_future_release(k->future);
	k->future = NULL;
	k->unsent = k->again;
	if (e != NULL && k->began && conc_exception_code(e) == CONC_ECRASHED) {
		crashed(m, k, e);
	} else if (e != NULL) { /* the pool is broken */
		note_failure(m, k->at, conc_exception_ref(e));
		stop(m, 0);
	} else if ((k->at < k->end || k->obeyed) && !m->stopped && !k->unsent &&
	    (k->exception == NULL || !m->o->stop_on_failure)) {
		stop(m, CONC_ESHUTDOWN); /* nobody else cancels our chunks */
	}
	if (!k->unsent)
		settle(m, k);
}

/* How long to wait at most for the next chunk to end. */
static conc_time
patience(const struct map *m)
{
	conc_time until = m->o->deadline.ns != 0 ? m->o->deadline : CONC_FOREVER;

	if (m->stopped)
		return CONC_FOREVER;
	for (size_t i = 0; i < m->window; i++)
		if (m->slots[i].unsent && m->slots[i].due != 0 && m->slots[i].due < until.ns)
			until.ns = m->slots[i].due;
	return until;
}

static bool
holds_unsent(const struct map *m)
{
	for (size_t i = 0; i < m->window; i++)
		if (m->slots[i].unsent)
			return true;
	return false;
}

static int
run(void *arg)
{
	struct map *m = arg;
	conc_future *f;
	void *slot;
	int rc;

	for (;;) {
		conc_time until, deadline = CONC_FOREVER;

		send_some(m);
		until = patience(m);
		if (!m->stopped && m->o->deadline.ns != 0)
			deadline = m->o->deadline;
		rc = conc__completions_next(m->awaited, &f, &slot, deadline, until);
		if (rc == -ENOENT && (m->stopped || !holds_unsent(m)))
			break;
		if (rc == CONC_EFORKED) { /* a callback has forked, and this is the child */
			m->answer = rc;
			break;
		}
		if (rc == -ENOENT) { /* only what is to run again, later */
			conc__sleep_until(until);
			rc = -ETIMEDOUT;
		}
		if (rc == 0) {
			take(m, slot, f);
			conc_future_release(f);
		} else if (rc != -ETIMEDOUT ||
		    (m->o->deadline.ns != 0 && conc__passed(m->o->deadline))) {
			stop(m, rc);
		}
	}
	for (size_t i = 0; i < m->window; i++)
		if (m->slots[i].unsent) /* we have stopped */
			settle(m, &m->slots[i]);
	for (size_t i = m->next; m->o->codes != NULL && i < m->n; i++)
		m->o->codes[i] = -ECANCELED;
	return 0;
}

/* How to cut: the window and the chunks. */
static int
cut(struct map *m)
{
	size_t workers = (size_t)conc_executor_workers(m->ex);
	bool keep = m->o->on_item != NULL && m->o->codes == NULL; /* codes for on_item alone */

	m->chunk = m->o->chunk;
	if (m->chunk == 0)
		m->chunk = m->n / (4 * workers) + 1;
	if (m->chunk > m->n)
		m->chunk = m->n;
	if (keep && m->chunk > 1024)
		m->chunk = 1024;
	m->window = (m->n - 1) / m->chunk + 1;
	if (m->window > 2 * workers)
		m->window = 2 * workers;
	m->slots = conc__calloc(m->window, sizeof *m->slots);
	if (m->slots == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < m->window; i++) {
		m->slots[i].map = m;
		if (keep && (m->slots[i].codes = conc__calloc(m->chunk, sizeof(int))) == NULL)
			return -ENOMEM;
	}
	return 0;
}

/*
 * The end of a map, also when an item that the calling thread had claimed
 * leaves it by pthread_exit: then the others must be over before its stack goes.
 */
static void
finish(void *arg)
{
	struct map *m = arg;
	conc_time claim_no_more = {INT64_MAX - 1};
	conc_future *f;

	stop(m, 0);
	while (conc_completions_next(m->awaited, &f, NULL, claim_no_more) == 0) {
		(void)conc_future_exception(f); /* the hook hears of it no more */
		conc_future_release(f);
	}
	for (size_t i = 0; m->slots != NULL && i < m->window; i++) {
		conc_future_release(m->slots[i].future);
		conc_exception_release(m->slots[i].exception);
		if (m->o->codes == NULL)
			conc__free(m->slots[i].codes);
	}
	conc__free(m->slots);
	conc_exception_release(m->exception);
	conc_completions_destroy(m->awaited);
}

int
conc__map(conc_executor *ex, conc_fn *fn, size_t n, const void *args, size_t arg_size,
    void *results, size_t result_size, const conc_map_options *options)
{
	struct map m = {
	    .ex = ex,
	    .fn = fn,
	    .args = args,
	    .results = results,
	    .n = n,
	    .arg_size = arg_size,
	    .result_size = result_size,
	    .o = options,
	};
	int rc;

	if (n == 0)
		return 0;
	if (conc__self()->callbacks > 0)
		return -EDEADLK;
	rc = conc_completions_create(&m.awaited);
	if (rc != 0)
		return rc;
	rc = cut(&m);
	if (rc == 0)
		rc = conc__guard(run, finish, &m);
	if (rc == 0) {
		rc = m.answer;
		if (m.exception != NULL && (rc == 0 || rc == conc_exception_code(m.exception)))
			rc = conc_reraise(m.exception);
	}
	finish(&m);
	return rc;
}
