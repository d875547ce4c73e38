/* SPDX-License-Identifier: MIT */
/*
 * Races of everything a pool does, each over many seeds of jitter, and a storm
 * of submits, cancels and claims after which the books must balance: every
 * accepted task has ended once, in one way, and was cleaned up once.
 */
#include "tests/pool.h"

/* What the threads of one round share. */
struct round {
	conc_executor *pool;
	conc_future *future;
	uint32_t seed;
	struct latch ready;
	atomic_int ran, cleaned, accepted, refused;
};

static int
jitter_task(const void *arg, void *result)
{
	struct round *round = *(struct round *const *)arg;
	uint32_t seed = round->seed ^ 0x5bd1e995;

	(void)result;
	jitter(&seed);
	atomic_fetch_add(&round->ran, 1);
	return 0;
}

static conc_future *
submit_jitter(struct round *round)
{
	return SUBMIT(round->pool, .fn = jitter_task, .arg = &round, .arg_size = sizeof round,
	    .cleanup = count_cleanup, .user = &round->cleaned);
}

static pthread_t
start(void *(*fn)(void *), struct round *round)
{
	pthread_t thread;

	ck_assert_int_eq(pthread_create(&thread, NULL, fn, round), 0);
	return thread;
}

static void *
cancel_main(void *arg)
{
	struct round *round = arg;
	uint32_t seed = round->seed;

	latch_wait(&round->ready, 1);
	jitter(&seed);
	return (void *)(intptr_t)conc_future_cancel(round->future);
}

/* Cancelled means that it never ran; anything else that it did. */
START_TEST(cancel_against_run)
{
	conc_executor *pool = POOL(.workers = 1 + _i);

	for (int i = 0; i < seeds(); i++) {
		struct round round = {.pool = pool, .seed = seed_start(i), .ready = LATCH};
		pthread_t thread = start(cancel_main, &round);
		void *cancelled;
		int rc;

		round.future = submit_jitter(&round);
		latch_set(&round.ready);
		pthread_join(thread, &cancelled);
		rc = conc_future_result(round.future, NULL, 0);
		ck_assert_int_eq(round.ran, rc == 0);
		ck_assert_int_eq(round.cleaned, 1);
		if ((intptr_t)cancelled == 0)
			ck_assert_int_eq(rc, -ECANCELED);
		else
			ck_assert_int_eq(rc, 0);
		conc_future_release(round.future);
	}
	conc_executor_destroy(pool);
}
END_TEST

static void *
submit_main(void *arg)
{
	struct round *round = arg;
	uint32_t seed = round->seed;

	latch_wait(&round->ready, 1);
	for (int i = 0; i < 6; i++) {
		int rc = conc_submit_task(round->pool,
		    CONC_TASK(.fn = jitter_task, .arg = &round, .arg_size = sizeof round,
			.cleanup = count_cleanup, .user = &round->cleaned),
		    NULL);

		ck_assert(rc == 0 || rc == CONC_ESHUTDOWN);
		atomic_fetch_add(rc == 0 ? &round->accepted : &round->refused, 1);
		jitter(&seed);
	}
	return NULL;
}

/* Accepted and run, or refused; after a CANCEL: accepted and ended. */
START_TEST(submit_against_shutdown)
{
	static const conc_shutdown_how hows[] = {CONC_DRAIN, CONC_CANCEL, CONC_KILL};

	for (int i = 0; i < seeds(); i++) {
		struct round round = {.seed = seed_start(i), .ready = LATCH};
		uint32_t seed = seed_start(i + 1000);
		pthread_t threads[2];
		conc_stats stats;

		round.pool = POOL(.workers = 1 + i % 2, .queue_limit = (size_t)(i / 2 % 3));
		for (int t = 0; t < 2; t++)
			threads[t] = start(submit_main, &round);
		latch_set(&round.ready);
		for (uint32_t n = random_below(&seed, 10); n > 0; n--)
			jitter(&seed);
		ck_assert_int_eq(conc_shutdown(round.pool, hows[_i], CONC_FOREVER), 0);
		ck_assert_int_eq(
		    round.ran, round.cleaned - (int)stats_of(round.pool).cancelled);
		for (int t = 0; t < 2; t++)
			pthread_join(threads[t], NULL);
		stats = stats_of(round.pool);
		ck_assert_int_eq(round.accepted, round.cleaned);
		ck_assert_uint_eq(stats.done, (uint64_t)round.ran);
		ck_assert_uint_eq(stats.done + stats.cancelled, (uint64_t)round.accepted);
		if (_i == 0)
			ck_assert_int_eq(round.ran, round.accepted);
		conc_executor_destroy(round.pool);
	}
}
END_TEST

/* The waiter releases the future and destroys the pool the moment that wait returns. */
START_TEST(destroy_at_once_after_wait)
{
	for (int i = 0; i < seeds(); i++) {
		struct round round = {.seed = seed_start(i), .ready = LATCH};
		conc_future *f;

		round.pool = POOL(.workers = 1 + i % 2);
		f = submit_jitter(&round);
		ck_assert_int_eq(conc_future_wait(f, CONC_FOREVER), 0);
		conc_future_release(f);
		conc_executor_destroy(round.pool);
		ck_assert_int_eq(round.ran, 1);
	}
}
END_TEST

/* Early releases: the task goes on, and frees itself. */
static int
destroy_own_pool(const void *arg, void *result)
{
	(void)result;
	conc_executor_destroy(*(conc_executor *const *)arg);
	return 0;
}

/*
 * The pool is freed while its submitter is still inside conc_submit; the
 * fixture counts threads.
 */
START_TEST(a_detached_task_destroys_its_pool)
{
	for (int i = 0; i < seeds(); i++) {
		conc_executor *pool = POOL(.workers = 2);
		uint32_t seed = (uint32_t)i;

		ck_assert_int_eq(finish(SUBMIT(pool, .fn = nothing_task)), 0);
		jitter(&seed);
		ck_assert_int_eq(
		    conc_submit(pool, destroy_own_pool, &pool, sizeof pool, 0, NULL), 0);
	}
}
END_TEST

START_TEST(release_against_run)
{
	struct round round = {.pool = POOL(.workers = 2), .ready = LATCH};

	for (int i = 0; i < 4 * seeds(); i++) {
		conc_future *f;
		uint32_t seed = seed_start(i);

		round.seed = seed; /* whichever the task sees */
		f = submit_jitter(&round);
		jitter(&seed);
		conc_future_release(f);
		ck_assert_int_eq(conc_shutdown(round.pool, CONC_DRAIN, CONC_FOREVER), 0);
		conc_executor_destroy(round.pool);
		round.pool = POOL(.workers = 2);
	}
	conc_executor_destroy(round.pool);
	ck_assert_int_eq(round.ran, 4 * seeds());
	ck_assert_int_eq(round.cleaned, 4 * seeds());
}
END_TEST

static void
callback(conc_future *f, void *user)
{
	(void)f;
	atomic_fetch_add((atomic_int *)user, 1);
}

/* A callback registered while its task ends runs once, wherever. */
START_TEST(on_done_against_the_end)
{
	conc_executor *pool = POOL(.workers = 2);
	atomic_int called = 0;

	for (int i = 0; i < 4 * seeds(); i++) {
		struct round round = {.pool = pool, .seed = seed_start(i)};
		uint32_t seed = seed_start(i + 7);
		conc_future *f = submit_jitter(&round);

		jitter(&seed);
		ck_assert_int_eq(conc_future_on_done(f, callback, &called), 0);
		ck_assert_int_eq(finish(f), 0);
	}
	conc_executor_destroy(pool);
	ck_assert_int_eq(called, 4 * seeds());
}
END_TEST

static int
claim_both_task(const void *arg, void *result)
{
	struct round *round = *(struct round *const *)arg;
	conc_future *f[3];
	int rc = 0;

	(void)result;
	for (int i = 0; i < 3; i++)
		f[i] = submit_jitter(round);
	for (int i = 2; i >= 0; i--) {
		int ended = finish(f[i]);

		rc = rc != 0 ? rc : ended;
	}
	return rc;
}

/* Claimer, other workers and a canceller want the same tasks. */
START_TEST(claim_against_worker)
{
	for (int i = 0; i < seeds(); i++) {
		struct round round = {
		    .seed = seed_start(i), .pool = POOL(.workers = 1 + i % 3)};
		struct round *me = &round;
		conc_future *f[3];

		for (int n = 0; n < 3; n++)
			f[n] = SUBMIT(round.pool, .fn = claim_both_task, .arg = &me,
			    .arg_size = sizeof me);
		for (int n = 0; n < 3; n++)
			ck_assert_int_eq(finish(f[n]), 0);
		ck_assert_int_eq(round.ran, 9);
		ck_assert_int_eq(round.cleaned, 9);
		conc_executor_destroy(round.pool);
	}
}
END_TEST

/* The storm: each thread submits its share, cancels some, waits for some, drops the rest. */
#define STORM 100000
#define STORM_THREADS 3

struct storm {
	conc_executor *pool;
	uint32_t seed;
	atomic_int *ran, *cleaned;
	int submitted;
};

static int
storm_task(const void *arg, void *result)
{
	const struct storm *s = arg;
	conc_future *f;

	(void)result;
	atomic_fetch_add(s->ran, 1);
	if (s->submitted % 16 != 0)
		return 0;
	/* Some submit one more, and claim it. */
	f = SUBMIT(s->pool, .fn = count_task, .arg = s->ran, .arg_size = CONC_BORROW,
	    .cleanup = count_cleanup, .user = s->cleaned);
	return finish(f);
}

static void *
storm_main(void *arg)
{
	struct storm *s = arg;
	conc_future *kept[16] = {NULL};

	for (s->submitted = 0; s->submitted < STORM / STORM_THREADS; s->submitted++) {
		uint32_t what = random_below(&s->seed, 16);
		conc_future **slot = &kept[what];

		if (*slot != NULL && what % 4 == 0)
			(void)conc_future_wait(*slot, CONC_FOREVER);
		else if (*slot != NULL)
			(void)conc_future_cancel(*slot);
		conc_future_release(*slot);
		*slot = SUBMIT(s->pool, .fn = storm_task, .arg = s, .arg_size = sizeof *s,
		    .priority = (int)(what & 1), .cleanup = count_cleanup, .user = s->cleaned);
	}
	for (int i = 0; i < 16; i++)
		conc_future_release(kept[i]);
	return NULL;
}

START_TEST(the_books_balance_after_a_storm)
{
	static const size_t limits[] = {0, 1, 64};
	conc_executor *pool = POOL(.workers = 2, .queue_limit = limits[_i]);
	struct storm storms[STORM_THREADS];
	pthread_t threads[STORM_THREADS];
	atomic_int ran = 0, cleaned = 0;
	conc_stats stats;

	for (int i = 0; i < STORM_THREADS; i++) {
		storms[i] = (struct storm){pool, seed_start(i), &ran, &cleaned, 0};
		pthread_create(&threads[i], NULL, storm_main, &storms[i]);
	}
	for (int i = 0; i < STORM_THREADS; i++)
		pthread_join(threads[i], NULL);
	ck_assert_int_eq(conc_shutdown(pool, CONC_DRAIN, CONC_FOREVER), 0);
	stats = stats_of(pool);
	ck_assert_int_ge(cleaned, STORM / STORM_THREADS * STORM_THREADS);
	ck_assert_uint_eq(stats.done, (uint64_t)ran);
	ck_assert_uint_eq(stats.done + stats.cancelled, (uint64_t)cleaned);
	ck_assert_uint_eq(stats.failed, 0);
	ck_assert_uint_eq(stats.queued + stats.running, 0);
	if (limits[_i] == 64)
		ck_assert_uint_le(stats.high_water, 64 + 2);
	conc_executor_destroy(pool);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("pool_storm");
	TCase *race = new_case(s, "race"), *storm = new_case(s, "storm");

	tcase_add_loop_test(race, cancel_against_run, 0, 2);
	tcase_add_loop_test(race, submit_against_shutdown, 0, 3);
	tcase_add_test(race, destroy_at_once_after_wait);
	tcase_add_test(race, a_detached_task_destroys_its_pool);
	tcase_add_test(race, release_against_run);
	tcase_add_test(race, on_done_against_the_end);
	tcase_add_test(race, claim_against_worker);
	tcase_add_loop_test(storm, the_books_balance_after_a_storm, 0, 3);
	return run_suite(s);
}
