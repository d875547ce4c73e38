/* SPDX-License-Identifier: MIT */
/*
 * A future that another process runs: revoked, ended, put back, awaited, all
 * at once.  The source here is an engine in small.  A claim word says who has
 * the task; the engine itself goes as soon as the future is RUNNING no more.
 */
#include "sim.h"
#include "future/future.h"

enum { ON_ITS_WAY, TAKEN, ASKED, REVOKED };

struct engine {
	conc__atomic_u32 *claim;
};

struct play {
	conc_future future; /* first: the source finds the rest */
	conc__atomic_u32 claims[2]; /* of the first time that it is handed out, and second */
	int ends, frees;
};

/* Of several one moves it. */
static bool
claim(conc__atomic_u32 *word, uint32_t from, uint32_t to)
{
	/* pairs with itself: who loses sees what the winner did before */
	return conc__cas_acq_rel(word, &from, to);
}

static struct engine *
hand_out(struct play *p, int time)
{
	struct engine *e = malloc(sizeof *e);

	e->claim = &p->claims[time];
	return p->future.executor = e;
}

/* The engine goes with it; NULL: it was handed to none. */
static void
end(struct play *p, uint32_t phase, struct engine *e)
{
	p->ends++;
	conc__future_end(&p->future, phase, NULL);
	free(e);
	conc__future_leave(&p->future);
}

static void
free_play(conc_future *f)
{
	((struct play *)f)->frees++;
}

static void
cancel(conc_future *f)
{
	end((struct play *)f, CONC__CANCELLED, NULL);
}

static int
revoke(conc_future *f)
{
	struct engine *e;

	if (!conc__future_hold(f))
		return -EAGAIN;
	e = f->executor;
	sim_pause();
	if (claim(e->claim, ON_ITS_WAY, REVOKED)) {
		conc__future_revoke(f);
		sim_assert(conc_future_cancelled(f) && !conc_future_done(f));
		end((struct play *)f, CONC__CANCELLED, e);
		return 0;
	}
	(void)claim(e->claim, TAKEN, ASKED);
	conc__future_let_go(f);
	return -EINPROGRESS;
}

static bool
begun(conc_future *f)
{
	uint32_t word;

	if (!conc__future_hold(f))
		return false;
	sim_pause();
	/* relaxed: only a look */
	word = conc__load_relaxed(((struct engine *)f->executor)->claim);
	conc__future_let_go(f);
	return word != ON_ITS_WAY;
}

static const struct conc__source source = {
    .free = free_play,
    .cancel = cancel,
    .revoke = revoke,
    .begun = begun,
};

/* A worker takes it, runs it, and it ends; unless another was faster. */
static void
take(struct play *p, int time)
{
	if (!claim(&p->claims[time], ON_ITS_WAY, TAKEN))
		return;
	sim_assert(conc_future_running(&p->future));
	end(p, CONC__DONE, p->future.executor);
}

static void
run(void *arg)
{
	take(arg, 0);
}

/* The worker has died before it took it: it is put back, and goes to another one. */
static void
requeue(void *arg)
{
	struct play *p = arg;
	struct engine *e;

	if (!claim(&p->claims[0], ON_ITS_WAY, REVOKED))
		return;
	e = p->future.executor;
	sim_assert(conc__future_put_back(&p->future, CONC__PENDING));
	free(e);
	e = hand_out(p, 1);
	if (conc__future_win(&p->future, CONC__RUNNING))
		take(p, 1);
	else
		free(e);
}

static void
await(void *arg)
{
	struct play *p = arg;

	(void)conc_future_running(&p->future);
	sim_assert(conc_future_wait(&p->future, CONC_FOREVER) == 0);
	sim_assert(!conc_future_running(&p->future));
}

/* A cancel says 0, and it never runs; or it runs, and was asked, or has ended. */
static void
play(void (*other)(void *arg))
{
	struct play p = {.ends = 0};
	struct sim_thread *a, *b, *c;
	uint32_t generation;
	int rc = conc__generation(&generation);

	if (rc != 0) {
		sim_assert(rc == -ENOMEM && sim_sweeping());
		return;
	}
	conc__future_init(&p.future, &source, generation, 1);
	(void)hand_out(&p, 0);
	sim_assert(conc__future_win(&p.future, CONC__RUNNING));
	a = sim_go(run, &p);
	b = sim_go(other, &p);
	c = sim_go(await, &p);
	rc = conc_future_cancel(&p.future);
	sim_assert(rc == 0 || rc == -EINPROGRESS || rc == CONC_ESTATE);
	sim_assert(rc != 0 || conc_future_cancelled(&p.future));
	sim_join(a);
	sim_join(b);
	sim_join(c);
	sim_assert(p.ends == 1 && p.frees == 0);
	sim_assert(conc_future_cancelled(&p.future) == (rc == 0));
	conc_future_release(&p.future);
	sim_assert(p.frees == 1);
}

SIM_SCENARIO(future_revoke_against_put_back)
{
	play(requeue);
}

static void
cancel_too(void *arg)
{
	struct play *p = arg;
	int rc = conc_future_cancel(&p->future);

	sim_assert(rc == 0 || rc == -EINPROGRESS || rc == CONC_ESTATE);
}

SIM_SCENARIO(future_revoked_by_two)
{
	play(cancel_too);
}
