/* SPDX-License-Identifier: MIT */
/*
 * A pool under everything at once: tasks of all kinds in tasks, retries,
 * crashes, resizing, idle time-outs, short stacks, and a shutdown.
 */
#include "scenario_pool.h"
#include <conc/time.h>

/* Anything, in any order: what was accepted ends, and the pool can be destroyed. */
static int any_task(const void *arg, void *result);

static int
crash_once_task(const void *arg, void *result)
{
	struct stage *s = (struct stage *)(uintptr_t)arg;

	(void)result;
	if (s->ran++ % 2 == 0)
		sim_thread_exit();
	return 0;
}

static conc_future *
submit_any(struct stage *s)
{
	static conc_fn *const fns[] = {
	    run_task, fail_task, crash_once_task, any_task, run_task};
	conc_future *f = NULL;
	int rc;

	rc = conc_submit_task(s->pool,
	    CONC_TASK(.fn = fns[sim_random(s->calls > 6 ? 3 : 5)], .arg = s,
		.arg_size = CONC_BORROW, .retries = (int)sim_random(2),
		.backoff = sim_random(2) ? CONC_US(3) : 0,
		.priority = sim_random(4) == 0 ? 1 : 0, .cleanup = count_cleanup, .user = s),
	    sim_random(4) ? &f : NULL);
	s->calls++;
	sim_assert(rc == 0 || rc == -EAGAIN || rc == CONC_ESHUTDOWN || rc == CONC_EBROKEN ||
	    swept(rc));
	conc_clear();
	s->accepted += rc == 0;
	return f;
}

/* What a task holds, also when its thread is left in the midst of it. */
struct held {
	conc_future *f[2];
	conc_completions *c;
	size_t n;
};

static void
let_go(struct held *h)
{
	conc_completions_destroy(h->c);
	for (size_t i = 0; i < h->n; i++)
		conc_future_release(h->f[i]);
}

static int
any_task(const void *arg, void *result)
{
	struct stage *s = (struct stage *)(uintptr_t)arg;
	struct held h __attribute__((cleanup(let_go))) = {.n = 0};
	int rc;

	(void)result;
	for (int i = 0; i < 2; i++)
		if ((h.f[h.n] = submit_any(s)) != NULL)
			h.n++;
	switch (sim_random(4)) {
	case 0:
		rc = conc_wait(h.f, h.n, (conc_wait_how)sim_random(3), CONC_FOREVER);
		sim_assert(rc == 0 || rc == -EAGAIN || swept(rc));
		break;
	case 1:
		for (size_t i = 0; i < h.n; i++)
			(void)conc_future_wait(h.f[i], CONC_FOREVER);
		break;
	case 2:
		if (conc_completions_create(&h.c) != 0)
			break;
		for (size_t i = 0; i < h.n; i++)
			(void)conc_completions_add(h.c, h.f[i], NULL);
		for (conc_future *g; conc_completions_next(h.c, &g, NULL, CONC_FOREVER) == 0;)
			conc_future_release(g);
		break;
	}
	return 0;
}

static void
resizer(void *arg)
{
	struct stage *s = arg;

	for (int i = 0; i < 2; i++)
		(void)conc_executor_resize(s->pool, 1 + (int)sim_random(3));
}

SIM_SCENARIO(regression_pool_under_everything)
{
	struct stage s = {.how = (conc_shutdown_how)sim_random(3)};
	conc_stats stats = CONC_STATS_INIT;
	conc_future *f[4];
	struct sim_thread *t[2];

	if (sim_random(3) == 0)
		sim_set_stack_left(100);
	if (!make_pool(&s,
		CONC_THREAD_POOL(.workers = 1 + (int)sim_random(3),
		    .queue_limit = sim_random(4) == 0,
		    .when_full = sim_random(2) ? CONC_FAIL : CONC_BLOCK,
		    .idle_timeout = sim_random(2) ? CONC_US(2) : 0, .excepthook = count_hook,
		    .user = &s)))
		return;
	t[0] = sim_go(resizer, &s);
	for (int i = 0; i < 4; i++)
		f[i] = submit_any(&s);
	if (f[0] != NULL)
		(void)conc_future_cancel(f[0]);
	t[1] = sim_random(2) ? sim_go(shutter, &s) : NULL;
	for (int i = 0; i < 4; i++)
		if (f[i] != NULL) {
			sim_assert(conc_future_wait(f[i], CONC_FOREVER) == 0);
			conc_future_release(f[i]);
		}
	sim_join(t[0]);
	if (t[1] != NULL)
		sim_join(t[1]);
	sim_assert(conc_shutdown(s.pool, CONC_DRAIN, CONC_FOREVER) == 0);
	sim_assert(conc_executor_stats(s.pool, &stats) == 0);
	sim_assert(stats.running == 0 && stats.queued == 0 && stats.workers == 0);
	sim_assert(stats.done + stats.failed + stats.cancelled == (uint64_t)s.accepted);
	conc_executor_destroy(s.pool);
	balance(&s);
}
