/* SPDX-License-Identifier: MIT */
/*
 * Tests of corners of the process pool that were wrong once.
 */
#include "process/pool.h"
#include "tests/process.h"
#include <sys/stat.h>

static int
none_task(const void *arg, void *result)
{
	(void)arg;
	(void)result;
	return 0;
}

/* More orders are revoked in a worker's pipe than it may have at a time; then comes another. */
START_TEST(revoked_orders_do_not_fill_the_ring)
{
	conc_executor *pool = PROCESSES(.workers = 1);

	for (int i = 0; i < 200; i++) {
		for (int j = 0; j < 70; j++) {
			conc_future *f = SUBMIT(pool, .fn = none_task);

			(void)conc_future_cancel(f);
			conc_future_release(f);
		}
		ck_assert_int_eq(finish(SUBMIT(pool, .fn = none_task)), 0);
	}
	conc_executor_destroy(pool);
}
END_TEST

/* The last task that a worker was to run is cancelled in its pipe: another worker must come. */
START_TEST(a_cancelled_last_task_lets_the_worker_go)
{
	conc_executor *pool = PROCESSES(.workers = 1, .tasks_per_worker = 1);

	for (int i = 0; i < 100; i++) {
		conc_future *f = SUBMIT(pool, .fn = none_task);
		conc_future *g = SUBMIT(pool, .fn = none_task);

		(void)conc_future_cancel(f);
		conc_future_release(f);
		ck_assert_int_eq(finish(g), 0);
	}
	conc_executor_destroy(pool);
}
END_TEST

/* Who is killed is the one that was named, also if it ends at that moment. */
START_TEST(a_kill_spares_the_next)
{
	uint32_t seed = 1;
	conc_executor *pool = PROCESSES(.workers = 1);

	for (int i = 0; i < 300; i++) {
		conc_future *f = SUBMIT(pool, .fn = none_task);
		conc_future *g = SUBMIT(pool, .fn = none_task);

		jitter(&seed);
		(void)conc_future_kill(f);
		conc_future_release(f);
		ck_assert_int_eq(finish(g), 0);
	}
	conc_executor_destroy(pool);
}
END_TEST

/* Who is told that his task ends cancelled sees that, also if the next is killed as well. */
START_TEST(two_kills_at_one_worker)
{
	conc_executor *pool = PROCESSES(.workers = 1);

	for (int i = 0; i < 1000; i++) {
		conc_future *f[2] = {
		    SUBMIT(pool, .fn = none_task), SUBMIT(pool, .fn = none_task)};
		int killed[2];

		while (!conc_future_running(f[1]) && !conc_future_done(f[1]))
			continue;
		for (int j = 0; j < 2; j++)
			killed[j] = conc_future_kill(f[j]);
		for (int j = 0; j < 2; j++)
			ck_assert_int_eq(finish(f[j]),
			    killed[j] == CONC_ESTATE ? 0 : -ECANCELED);
	}
	conc_executor_destroy(pool);
}
END_TEST

static int
kill_me_task(const void *arg, void *result)
{
	(void)arg;
	(void)result;
	return kill(getpid(), SIGKILL);
}

/* The pipe's end is read before the death is told of: it must not be taken for the cause. */
START_TEST(who_was_killed_from_outside_is_told_so)
{
	conc_executor *pool = PROCESSES(.workers = 1);

	for (int i = 0; i < 20; i++) {
		ck_assert_int_eq(finish(SUBMIT(pool, .fn = kill_me_task)), CONC_ECRASHED);
		ck_assert_ptr_nonnull(strstr(conc_exception_message(conc_caught()),
		    "perhaps the system was out of memory"));
		conc_clear();
	}
	conc_executor_destroy(pool);
}
END_TEST

static int
spin_task(const void *arg, void *result)
{
	volatile bool on = true;

	(void)arg;
	(void)result;
	while (on)
		continue;
	return 0;
}

/* A host that ignores the signal of the CPU limit has the limit all the same. */
START_TEST(an_ignored_signal_lifts_no_cpu_limit)
{
	conc_executor *pool;

	signal(SIGXCPU, SIG_IGN);
	pool = PROCESSES(.workers = 1, .cpu_limit = CONC_MS(20));
	ck_assert_int_eq(finish(SUBMIT(pool, .fn = spin_task)), CONC_ETIMELIMIT);
	conc_clear();
	conc_executor_destroy(pool);
}
END_TEST

/* Writes over all that the host shares with it, and waits. */
static int
scribble_task(const void *arg, void *result)
{
	struct conc__page *page = *(struct conc__page *const *)arg;

	(void)result;
	memset(page, 0, sizeof *page);
	atomic_store(&shared->come, 1);
	linger(&shared->open);
	return 0;
}

/* What a worker writes into its page costs it and its task, not the host. */
START_TEST(a_spoilt_page_spoils_one_worker)
{
	conc_executor *pool = PROCESSES(.workers = 1);
	struct conc__page *page = ((struct conc__process_pool *)pool)->brood->plan.pages;
	conc_future *f =
	    SUBMIT(pool, .fn = scribble_task, .arg = &page, .arg_size = sizeof page);
	conc_future *g[8];

	reach(&shared->come, 1);
	for (int i = 0; i < 8; i++)
		g[i] = SUBMIT(pool, .fn = none_task);
	for (int i = 0; i < 8; i++)
		(void)conc_future_cancel(g[i]);
	atomic_store(&shared->open, 1);
	ck_assert_int_eq(finish(f), CONC_ECORRUPT);
	for (int i = 0; i < 8; i++) {
		ck_assert_int_eq(conc_future_wait(g[i], CONC_FOREVER), 0);
		(void)conc_future_exception(g[i]);
		conc_future_release(g[i]);
	}
	ck_assert_int_eq(finish(SUBMIT(pool, .fn = none_task)), 0);
	conc_clear();
	conc_executor_destroy(pool);
}
END_TEST

struct large {
	int n;
	char rest[100000];
};

/* Item 1 says by itself, unasked, that it was cancelled. */
static int
sulk_task(const void *arg, void *result)
{
	int n = *(const int *)arg;

	((struct large *)result)->n = n;
	return n == 1 ? -ECANCELED : 0;
}

/* An item too large to share a chunk is judged as the others are: that was a failure. */
START_TEST(an_unasked_cancellation_is_a_failure)
{
	conc_executor *pool = PROCESSES(.workers = 1);
	static struct large out[4];
	int in[] = {0, 1, 2, 3}, codes[4];

	ck_assert_int_eq(conc_map(pool, sulk_task, 4, in, sizeof *in, out, sizeof *out,
			     CONC_MAP(.codes = codes)),
	    -ECANCELED);
	for (int i = 0; i < 4; i++) {
		ck_assert_int_eq(codes[i], i == 1 ? -ECANCELED : 0);
		ck_assert(i == 1 || out[i].n == i);
	}
	conc_clear();
	conc_executor_destroy(pool);
}
END_TEST

/* Item n is late the first time, item 9 always, and its run is counted. */
static int
late(int n)
{
	int run = atomic_fetch_add(&shared->runs[n], 1);

	if ((run == 0 && n % 7 == 3) || n == 9)
		return conc_raise(CONC_ETIMELIMIT, "item %d is late", n);
	return 0;
}

static int
late_task(const void *arg, void *result)
{
	int n = *(const int *)arg;

	*(int *)result = n;
	return late(n);
}

static int
large_late_task(const void *arg, void *result)
{
	int n = *(const int *)arg;

	((struct large *)result)->n = n;
	return late(n);
}

/* An item that is late by its worker's word is run again, as one that was killed for it. */
START_TEST(late_items_are_retried)
{
	static struct large large[20];
	conc_executor *pool = PROCESSES(.workers = 2);
	int in[20], out[20], codes[20];

	for (int i = 0; i < 20; i++)
		in[i] = i;
	ck_assert_int_eq(conc_map(pool, _i == 0 ? late_task : large_late_task, 20, in,
			     sizeof *in, _i == 0 ? (void *)out : (void *)large,
			     _i == 0 ? sizeof *out : sizeof *large,
			     CONC_MAP(.chunk = 10, .retries = 2, .codes = codes)),
	    CONC_ETIMELIMIT);
	ck_assert_str_eq(conc_exception_message(conc_caught()), "item 9 is late");
	for (int i = 0; i < 20; i++) {
		ck_assert_int_eq(codes[i], i == 9 ? CONC_ETIMELIMIT : 0);
		ck_assert_int_eq(shared->runs[i], i == 9 ? 3 : i % 7 == 3 ? 2 : 1);
		ck_assert(i == 9 || (_i == 0 ? out[i] : large[i].n) == i);
	}
	conc_clear();
	conc_executor_destroy(pool);
}
END_TEST

struct mess {
	struct conc__page *page;
	long byte; /* what it is filled with; -1: its claim says REVOKED */
};

/* Spoils its page, and goes on for ever. */
static int
mess_task(const void *arg, void *result)
{
	const struct mess *m = arg;

	if (m->byte >= 0)
		memset(m->page, (int)m->byte, sizeof *m->page);
	else
		conc__store_relaxed(
		    &m->page->claims[1], conc__claim_word(1, CONC__CLAIM_REVOKED));
	return spin_task(NULL, result);
}

/* A spoilt page lifts no time limit. */
START_TEST(a_spoilt_page_lifts_no_limit)
{
	static const int bytes[] = {-1, 0, 0x7f, 0xff};
	conc_executor *pool = PROCESSES(.workers = 1);
	struct mess m = {((struct conc__process_pool *)pool)->brood->plan.pages, bytes[_i]};

	ck_assert_int_eq(finish(SUBMIT(pool, .fn = mess_task, .arg = &m, .arg_size = sizeof m,
			     .time_limit = CONC_MS(50))),
	    CONC_ETIMELIMIT);
	ck_assert_int_eq(finish(SUBMIT(pool, .fn = none_task)), 0);
	conc_clear();
	conc_executor_destroy(pool);
}
END_TEST

static void
endless_fini(void *user)
{
	(void)user;
	for (;;)
		pause();
}

/* CONC_KILL also ends a fini that does not end, when it is the first that is asked for. */
START_TEST(a_kill_ends_an_endless_fini)
{
	conc_executor *pool = PROCESSES(.workers = 1, .fini = endless_fini);

	ck_assert_int_eq(finish(SUBMIT(pool, .fn = none_task)), 0);
	ck_assert_int_eq(conc_shutdown(pool, CONC_KILL, CONC_FOREVER), 0);
	conc_executor_destroy(pool);
}
END_TEST

/* Close what this worker reports through: the one pipe that it can only write to. */
static void
fall_silent(void)
{
	struct stat st;

	for (int fd = 3; fd < 256; fd++)
		if (fstat(fd, &st) == 0 && S_ISFIFO(st.st_mode) &&
		    (fcntl(fd, F_GETFL) & O_ACCMODE) == O_WRONLY)
			close(fd);
}

/* The first worker falls silent, and goes on for ever. */
static int
silent_init(void *user)
{
	(void)user;
	if (atomic_fetch_add(&shared->count[0], 1) > 0)
		return 0;
	fall_silent();
	for (;;)
		pause();
}

/* A worker that nobody will hear of is no less silent while its init runs. */
START_TEST(a_silent_init_is_ended)
{
	conc_executor *pool = PROCESSES(.workers = 1, .init = silent_init);

	ck_assert_int_eq(finish(SUBMIT(pool, .fn = none_task)), 0);
	ck_assert_int_ge(shared->count[0], 2);
	conc_executor_destroy(pool);
}
END_TEST

static void
on_signal(int signal)
{
	(void)signal;
	fall_silent();
}

/* Its worker will fall silent, alive, at a signal. */
static int
silence_task(const void *arg, void *result)
{
	(void)arg;
	(void)result;
	signal(SIGUSR1, on_signal);
	atomic_store(&shared->pid[0], getpid());
	return 0;
}

static bool
is_deaf(void *pool)
{
	struct conc__process_pool *p = pool;
	bool deaf;

	conc__mutex_lock(&p->lock);
	deaf = p->brood->slots[0].deaf;
	conc__mutex_unlock(&p->lock);
	return deaf;
}

/* Nobody would hear what came of a task that such a one was given. */
START_TEST(who_is_not_heard_gets_no_task)
{
	conc_executor *pool = PROCESSES(.workers = 1, .restarts = 100);

	for (int i = 0; i < 5; i++) {
		ck_assert_int_eq(finish(SUBMIT(pool, .fn = silence_task)), 0);
		ck_assert_int_eq(kill(shared->pid[0], SIGUSR1), 0);
		eventually(is_deaf, pool);
		ck_assert_int_eq(finish(SUBMIT(pool, .fn = none_task)), 0);
	}
	conc_executor_destroy(pool);
}
END_TEST

struct called {
	conc_future *future;
	pthread_t waiter;
	uint32_t seed;
	bool early; /* it was asked for before the end */
	atomic_bool called, by_waiter;
};

static void
note_caller(conc_future *f, void *user)
{
	struct called *c = user;

	(void)f;
	atomic_store(&c->by_waiter, pthread_equal(pthread_self(), c->waiter) != 0);
	atomic_store(&c->called, true);
}

static int
jitter_task(const void *arg, void *result)
{
	uint32_t seed = *(const uint32_t *)arg;

	(void)result;
	for (uint32_t i = random_below(&seed, 60); i > 0; i--)
		jitter(&seed);
	return 0;
}

static void *
ask_for_it(void *arg)
{
	struct called *c = arg;

	jitter(&c->seed);
	if (conc_future_on_done(c->future, note_caller, c) == 0)
		c->early = !conc_future_done(c->future);
	return NULL;
}

static bool
was_called(void *arg)
{
	return atomic_load(&((struct called *)arg)->called);
}

/* A callback that another thread asks for in time is not the waiter's, who may hold locks. */
START_TEST(a_waiter_runs_no_callback)
{
	conc_executor *pool = PROCESSES(.workers = 1);

	for (int i = 0; i < 40 * seeds(); i++) {
		uint32_t seed = seed_start(i);
		struct called c = {.waiter = pthread_self(), .seed = seed};
		pthread_t t;

		c.future =
		    SUBMIT(pool, .fn = jitter_task, .arg = &seed, .arg_size = sizeof seed);
		ck_assert_int_eq(pthread_create(&t, NULL, ask_for_it, &c), 0);
		jitter(&seed);
		ck_assert_int_eq(conc_future_wait(c.future, CONC_FOREVER), 0);
		ck_assert_int_eq(pthread_join(t, NULL), 0);
		eventually(was_called, &c);
		ck_assert(!c.early || !c.by_waiter);
		conc_future_release(c.future);
	}
	conc_executor_destroy(pool);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("process_regressions");
	TCase *all = process_case(s, "all");

	tcase_add_test(all, revoked_orders_do_not_fill_the_ring);
	tcase_add_test(all, a_cancelled_last_task_lets_the_worker_go);
	tcase_add_test(all, a_kill_spares_the_next);
	tcase_add_test(all, two_kills_at_one_worker);
	tcase_add_test(all, who_was_killed_from_outside_is_told_so);
	tcase_add_test(all, an_ignored_signal_lifts_no_cpu_limit);
	tcase_add_test(all, a_spoilt_page_spoils_one_worker);
	tcase_add_test(all, an_unasked_cancellation_is_a_failure);
	tcase_add_loop_test(all, late_items_are_retried, 0, 2);
	tcase_add_loop_test(all, a_spoilt_page_lifts_no_limit, 0, 4);
	tcase_add_test(all, a_kill_ends_an_endless_fini);
	tcase_add_test(all, a_silent_init_is_ended);
	tcase_add_test(all, who_is_not_heard_gets_no_task);
	tcase_add_test(all, a_waiter_runs_no_callback);
	return run_suite(s);
}
