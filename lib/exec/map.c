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
#include "exec/chunk.h"

/* The chunk is to run no more: ask it to stop, or kill it where that goes. */
static void
call_off(const struct conc__map *m, conc_future *chunk)
{
	if (m->ex->engine->kill != NULL)
		(void)conc_future_kill(chunk);
	else
		(void)conc_future_cancel(chunk);
}

/* Hand out no more, and call off what is on its way. */
static void
stop(struct conc__map *m, int answer)
{
	if (m->answer == 0)
		m->answer = answer;
	if (m->stopped)
		return;
	m->stopped = true;
	for (size_t i = 0; m->slots != NULL && i < m->window; i++)
		if (m->slots[i].future != NULL)
			call_off(m, m->slots[i].future);
}

/* Item i failed with e, whose reference is taken. */
static void
note_failure(struct conc__map *m, size_t i, conc_exception *e)
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
settle(struct conc__map *m, struct conc__chunk *k)
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
fill(struct conc__map *m, struct conc__chunk *k)
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
send(struct conc__map *m, struct conc__chunk *k)
{
	conc_task what = CONC_TASK_INIT;
	int rc;

	k->began = k->again = false;
	what.fn = conc__chunk_run;
	what.arg = k;
	what.arg_size = CONC_BORROW;
	what.submit_deadline = m->o->deadline;
	rc = conc__submit_task(m->ex, &what, &k->future);
	if (rc != 0)
		return rc;
	k->unsent = false;
	rc = conc_completions_add(m->awaited, k->future, k);
	if (rc != 0) {
		/* We cannot watch it: see that it is over. */
		call_off(m, k->future);
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
send_some(struct conc__map *m)
{
	int64_t now = conc__now();
	size_t out = 0;

	for (size_t i = 0; i < m->window; i++)
		out += m->slots[i].future != NULL;
	for (size_t i = 0; i < m->window && !m->stopped; i++) {
		struct conc__chunk *k = &m->slots[i];
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

/*
 * The worker ended in the item at, or was ended because of it: that one has
 * failed with e, or is to run again; the rest are to go on.
 */
static void
crashed(struct conc__map *m, struct conc__chunk *k, const conc_exception *e)
{
	int code = conc_exception_code(e);

	k->unsent = true;
	if (k->tries <= m->o->retries && (code == CONC_ECRASHED || code == CONC_ETIMELIMIT)) {
		k->due = conc__chunk_due(k);
		return;
	}
	k->due = 0;
	note_failure(m, k->at, conc_exception_ref(e));
	if (k->codes != NULL)
		k->codes[k->at - k->begin] = code;
	k->at++;
	k->tries = 0;
	k->unsent = !m->o->stop_on_failure && k->at < k->end;
}

/* The chunk's task has ended: take in what it leaves. */
static void
take(struct conc__map *m, struct conc__chunk *k, conc_future *f)
{
	const conc_exception *e = conc_future_exception(f); /* the hook hears of it no more */

	conc_future_release(k->future);
	k->future = NULL;
	k->unsent = k->again;
	if (e != NULL && k->began && conc_exception_code(e) != CONC_EBROKEN) {
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
patience(const struct conc__map *m)
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
holds_unsent(const struct conc__map *m)
{
	for (size_t i = 0; i < m->window; i++)
		if (m->slots[i].unsent)
			return true;
	return false;
}

static bool
too_late(const struct conc__map *m)
{
	return m->o->deadline.ns != 0 && conc__passed(m->o->deadline);
}

static int
run(void *arg)
{
	struct conc__map *m = arg;
	conc_future *f;
	void *slot;
	int rc;

	for (;;) {
		conc_time until, deadline = CONC_FOREVER;

		if (!m->stopped && (m->next < m->n || holds_unsent(m)) && too_late(m))
			stop(m, -ETIMEDOUT);
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
		} else if (rc != -ETIMEDOUT || too_late(m)) {
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
cut(struct conc__map *m)
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
	struct conc__map *m = arg;
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
	struct conc__map m = {
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
