/* SPDX-License-Identifier: MIT */
/*
 * Tests of conc_map against what can happen to its pool: full queues, crashes
 * of workers, time limits, shutdown; and of the memory it takes.
 */
#include "tests/pool.h"
#include <malloc.h>

/* Items that fall, by a crash or a time limit, until so many runs of each. */
static struct {
	atomic_int runs[64];
	int falls;  /* runs that fall */
	int every;  /* of items 0, every, 2 * every ... */
	bool crash; /* else they outlive their time limit */
} fall;

static int
fall_task(const void *arg, void *result)
{
	int n = *(const int *)arg, run = atomic_fetch_add(&fall.runs[n], 1) + 1;

	if (n % fall.every == 0 && run <= fall.falls && fall.crash)
		pthread_exit(NULL);
	if (n % fall.every == 0 && run <= fall.falls)
		return asked_task(&(int){-EIO}, NULL);
	*(int *)result = n;
	return 0;
}

static int
map_falls(conc_executor *pool, size_t chunk, int retries, int codes[30])
{
	int in[30], out[30], rc;

	for (int i = 0; i < 30; i++)
		in[i] = i;
	memset(codes, 0xff, 30 * sizeof *codes);
	rc = conc_map(pool, fall_task, 30, in, sizeof *in, out, sizeof *out,
	    CONC_MAP(.chunk = chunk, .codes = codes, .retries = retries, .backoff = CONC_US(10),
		.time_limit = fall.crash ? 0 : CONC_MS(1)));
	for (int i = 0; i < 30; i++)
		if (codes[i] == 0)
			ck_assert_int_eq(out[i], i);
	return rc;
}

static const size_t chunks[] = {0, 1, 4, 30};

/* A crash costs one item, not its chunk. */
START_TEST(a_crash_is_an_items)
{
	conc_executor *pool = POOL(.workers = 1 + _i / 4);
	int codes[30];

	memset(&fall, 0, sizeof fall);
	fall.falls = 1;
	fall.every = 10;
	fall.crash = true;
	ck_assert_int_eq(map_falls(pool, chunks[_i % 4], 0, codes), CONC_ECRASHED);
	ck_assert_int_eq(conc_exception_code(conc_caught()), CONC_ECRASHED);
	conc_clear();
	for (int i = 0; i < 30; i++) {
		ck_assert_int_eq(codes[i], i % 10 == 0 ? CONC_ECRASHED : 0);
		ck_assert_int_eq(fall.runs[i], 1);
	}
	conc_executor_destroy(pool);
}
END_TEST

START_TEST(retries_are_an_items)
{
	conc_executor *pool = POOL(.workers = 2);
	int codes[30];

	memset(&fall, 0, sizeof fall);
	fall.falls = 2;
	fall.every = 7;
	fall.crash = _i < 4;
	ck_assert_int_eq(map_falls(pool, chunks[_i % 4], 2, codes), 0);
	for (int i = 0; i < 30; i++) {
		ck_assert_int_eq(codes[i], 0);
		ck_assert_int_eq(fall.runs[i], i % 7 == 0 ? 3 : 1);
	}
	conc_executor_destroy(pool);
}
END_TEST

START_TEST(retries_of_an_item_run_out)
{
	conc_executor *pool = POOL(.workers = 1);
	int codes[30], code = _i < 4 ? CONC_ECRASHED : CONC_ETIMELIMIT;

	memset(&fall, 0, sizeof fall);
	fall.falls = 9;
	fall.every = 13;
	fall.crash = _i < 4;
	ck_assert_int_eq(map_falls(pool, chunks[_i % 4], 1, codes), code);
	if (!fall.crash)
		ck_assert_int_eq(
		    conc_exception_code(conc_exception_cause(conc_caught())), -EIO);
	conc_clear();
	for (int i = 0; i < 30; i++) {
		ck_assert_int_eq(codes[i], i % 13 == 0 ? code : 0);
		ck_assert_int_eq(fall.runs[i], i % 13 == 0 ? 2 : 1);
	}
	conc_executor_destroy(pool);
}
END_TEST

/* An item that pauses before its next run does not hold up the map's end. */
START_TEST(a_long_backoff_ends_at_the_deadline)
{
	conc_executor *pool = POOL(.workers = 1);
	int in = 0, out, code;

	memset(&fall, 0, sizeof fall);
	fall.falls = 9;
	fall.every = 1;
	fall.crash = _i == 0;
	ck_assert_int_eq(conc_map(pool, fall_task, 1, &in, sizeof in, &out, sizeof out,
			     CONC_MAP(.codes = &code, .retries = 1, .backoff = CONC_S(3600),
				 .time_limit = CONC_MS(1), .deadline = conc_after_ms(20))),
	    -ETIMEDOUT);
	ck_assert_int_le(fall.runs[0], 1); /* on a slow machine it did not even begin */
	ck_assert_int_ne(code, 0);
	conc_executor_destroy(pool);
}
END_TEST

/* Crashed items find a full queue when what is left of their chunk is sent again. */
START_TEST(crashes_on_a_full_queue_lose_no_item)
{
	static const conc_when_full when[] = {CONC_BLOCK, CONC_FAIL};
	int codes[30];

	for (int round = 0; round < 20; round++) {
		conc_executor *pool =
		    POOL(.workers = 1, .queue_limit = 1, .when_full = when[_i % 2]);

		memset(fall.runs, 0, sizeof fall.runs);
		fall.falls = 1;
		fall.every = 5;
		fall.crash = true;
		ck_assert_int_eq(
		    map_falls(pool, 10, _i / 2, codes), _i / 2 ? 0 : CONC_ECRASHED);
		conc_clear();
		for (int i = 0; i < 30; i++)
			ck_assert_int_eq(codes[i], i % 5 || _i / 2 ? 0 : CONC_ECRASHED);
		conc_executor_destroy(pool);
	}
}
END_TEST

/* With room for one or two in the queue, and others who use it too. */
START_TEST(a_small_queue_is_enough)
{
	static const conc_when_full when[] = {CONC_BLOCK, CONC_FAIL, CONC_CALLER_RUNS};
	size_t limit = 1 + (size_t)_i / 3;
	conc_executor *pool =
	    POOL(.workers = 2, .queue_limit = limit, .when_full = when[_i % 3]);
	int in[100], out[100];

	for (int i = 0; i < 100; i++)
		in[i] = i;
	ck_assert_int_eq(conc_map(pool, square_task, 100, in, sizeof *in, out, sizeof *out,
			     CONC_MAP(.chunk = 3)),
	    0);
	for (int i = 0; i < 100; i++)
		ck_assert_int_eq(out[i], i * i);
	ck_assert_uint_le(stats_of(pool).high_water, limit);
	conc_executor_destroy(pool);
}
END_TEST

/* The queue is full of others' tasks, and stays so. */
START_TEST(a_full_queue_refuses_the_map)
{
	struct gate gate = GATE;
	conc_executor *pool =
	    POOL(.workers = 1, .queue_limit = 1, .when_full = _i == 0 ? CONC_FAIL : CONC_BLOCK);
	int codes[3] = {7, 7, 7};

	hold_workers(pool, &gate, 1);
	ck_assert_int_eq(conc_submit(pool, nothing_task, NULL, 0, 0, NULL), 0);
	ck_assert_int_eq(conc_map(pool, nothing_task, 3, NULL, 0, NULL, 0,
			     CONC_MAP(.codes = codes,
				 .deadline = _i == 0 ? CONC_FOREVER : conc_after_ms(2))),
	    _i == 0 ? -EAGAIN : -ETIMEDOUT);
	for (int i = 0; i < 3; i++)
		ck_assert_int_eq(codes[i], -ECANCELED);
	latch_set(&gate.open);
	conc_executor_destroy(pool);
}
END_TEST

static int
where_task(const void *arg, void *result)
{
	(void)arg;
	*(pthread_t *)result = pthread_self();
	return 0;
}

START_TEST(a_full_queue_runs_the_map_in_the_caller)
{
	struct gate gate = GATE;
	conc_executor *pool =
	    POOL(.workers = 1, .queue_limit = 1, .when_full = CONC_CALLER_RUNS);
	pthread_t threads[20];

	hold_workers(pool, &gate, 1);
	ck_assert_int_eq(conc_submit(pool, nothing_task, NULL, 0, 0, NULL), 0);
	ck_assert_int_eq(
	    conc_map(pool, where_task, 20, NULL, 0, threads, sizeof *threads, NULL), 0);
	for (int i = 0; i < 20; i++)
		ck_assert(pthread_equal(threads[i], pthread_self()));
	latch_set(&gate.open);
	conc_executor_destroy(pool);
}
END_TEST

/* A map that is under way in another thread. */
struct mapper {
	conc_executor *pool;
	pthread_t thread;
	size_t chunk;
	int rc, codes[8];
	struct gate gate;
};

static int
mapper_item(const void *arg, void *result)
{
	(void)result;
	return gate_task(*(struct gate *const *)arg, NULL);
}

static void *
mapper_main(void *user)
{
	struct mapper *m = user;
	struct gate *gates[8];

	for (int i = 0; i < 8; i++)
		gates[i] = &m->gate;
	m->rc = conc_map(m->pool, mapper_item, 8, gates, sizeof *gates, NULL, 0,
	    CONC_MAP(.codes = m->codes, .chunk = m->chunk));
	return NULL;
}

/* What has not begun is cancelled, and the map does not say that all is well. */
START_TEST(shutdown_stops_the_map)
{
	struct mapper m = {
	    .pool = POOL(.workers = 1), .gate = GATE, .chunk = ((size_t[]){1, 4, 8})[_i % 3]};
	conc_shutdown_how how = _i < 3 ? CONC_CANCEL : CONC_KILL;
	int ran = 0;

	pthread_create(&m.thread, NULL, mapper_main, &m);
	latch_wait(&m.gate.come, 1);
	ck_assert_int_eq(conc_shutdown(m.pool, how, CONC_NOW), -ETIMEDOUT);
	latch_set(&m.gate.open);
	pthread_join(m.thread, NULL);
	ck_assert_int_eq(conc_shutdown(m.pool, how, CONC_FOREVER), 0);
	for (int i = 0; i < 8; i++) {
		ck_assert(m.codes[i] == 0 || m.codes[i] == -ECANCELED);
		ran += m.codes[i] == 0;
	}
	ck_assert_int_eq(ran, latch_count(&m.gate.come));
	if (ran < 8)
		ck_assert_int_ne(m.rc, 0);
	else
		ck_assert_int_eq(m.rc, 0);
	conc_clear();
	conc_executor_destroy(m.pool);
}
END_TEST

/* A map that has begun is not refused by a drain only if all of it is queued: else it says so.
 */
START_TEST(drain_against_a_map)
{
	struct mapper m = {.pool = POOL(.workers = 1), .gate = GATE, .chunk = 1};
	int ran = 0;

	pthread_create(&m.thread, NULL, mapper_main, &m);
	latch_wait(&m.gate.come, 1);
	ck_assert_int_eq(conc_shutdown(m.pool, CONC_DRAIN, CONC_NOW), -ETIMEDOUT);
	latch_set(&m.gate.open);
	pthread_join(m.thread, NULL);
	for (int i = 0; i < 8; i++)
		ran += m.codes[i] == 0;
	ck_assert_int_eq(m.rc, ran == 8 ? 0 : CONC_ESHUTDOWN);
	ck_assert_int_eq(ran, latch_count(&m.gate.come));
	conc_executor_destroy(m.pool);
}
END_TEST

static int
failing_init(void *user)
{
	return conc_raise(-ENODEV, "no device for %s", (const char *)user);
}

START_TEST(a_broken_pool_fails_the_map)
{
	char name[] = "me";
	conc_executor *pool = POOL(.workers = 1, .init = failing_init, .user = name);
	int codes[8];

	ck_assert_int_eq(conc_map(pool, nothing_task, 8, NULL, 0, NULL, 0,
			     CONC_MAP(.chunk = _i == 0 ? 8 : 1, .codes = codes)),
	    CONC_EBROKEN);
	ck_assert_str_eq(
	    conc_exception_message(conc_exception_cause(conc_caught())), "no device for me");
	for (int i = 0; i < 8; i++)
		ck_assert_int_eq(codes[i], -ECANCELED);
	conc_clear();
	conc_executor_destroy(pool);
}
END_TEST

static struct {
	atomic_size_t peak;
} memory;

static int
watch_task(const void *arg, void *result)
{
	size_t used = mallinfo2().uordblks, peak = atomic_load(&memory.peak);

	(void)arg;
	(void)result;
	while (used > peak && !atomic_compare_exchange_weak(&memory.peak, &peak, used))
		;
	return 0;
}

/* A window is in flight, whatever n is.  (Sanitizers keep mallinfo2 silent: then 0 <= limit.)
 */
START_TEST(memory_does_not_grow_with_n)
{
	conc_executor *pool = POOL(.workers = 1);
	size_t before;

	ck_assert_int_eq(
	    conc_map(pool, watch_task, 100, NULL, 0, NULL, 0, CONC_MAP(.chunk = 1)), 0);
	before = mallinfo2().uordblks;
	atomic_store(&memory.peak, 0);
	ck_assert_int_eq(
	    conc_map(pool, watch_task, 20000, NULL, 0, NULL, 0, CONC_MAP(.chunk = 1)), 0);
	ck_assert_uint_le(memory.peak, before + 20000);
	conc_executor_destroy(pool);
}
END_TEST

/* Two threads map on one pool, chunk by chunk; nobody's results mix. */
static void *
storm_main(void *user)
{
	conc_executor *pool = user;
	static const size_t n = 20000;
	int *in = calloc(n, sizeof *in), *out = calloc(n, sizeof *out);
	intptr_t rc;

	for (size_t i = 0; i < n; i++)
		in[i] = (int)i;
	rc = conc_map(
	    pool, square_task, n, in, sizeof *in, out, sizeof *out, CONC_MAP(.chunk = 1));
	for (size_t i = 0; i < n && rc == 0; i++)
		rc = out[i] != in[i] * in[i];
	free(in);
	free(out);
	return (void *)rc;
}

START_TEST(maps_of_several_threads)
{
	conc_executor *pool = POOL(.workers = 2);
	pthread_t threads[2];
	void *rc;

	for (int i = 0; i < 2; i++)
		pthread_create(&threads[i], NULL, storm_main, pool);
	for (int i = 0; i < 2; i++) {
		pthread_join(threads[i], &rc);
		ck_assert_ptr_null(rc);
	}
	conc_executor_destroy(pool);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("map_pool");
	TCase *falls = new_case(s, "falls"), *full = new_case(s, "full");
	TCase *end = new_case(s, "end"), *size = new_case(s, "size");
	TCase *backoff = new_case(s, "backoff");

	tcase_add_loop_test(falls, a_crash_is_an_items, 0, 8);
	tcase_add_loop_test(falls, retries_are_an_items, 0, 8);
	tcase_add_loop_test(falls, retries_of_an_item_run_out, 0, 8);
	tcase_add_loop_test(backoff, a_long_backoff_ends_at_the_deadline, 0, 2);
	tcase_add_loop_test(falls, crashes_on_a_full_queue_lose_no_item, 0, 4);
	tcase_add_loop_test(full, a_small_queue_is_enough, 0, 6);
	tcase_add_loop_test(full, a_full_queue_refuses_the_map, 0, 2);
	tcase_add_test(full, a_full_queue_runs_the_map_in_the_caller);
	tcase_add_loop_test(end, shutdown_stops_the_map, 0, 6);
	tcase_add_test(end, drain_against_a_map);
	tcase_add_loop_test(end, a_broken_pool_fails_the_map, 0, 2);
	tcase_add_test(size, memory_does_not_grow_with_n);
	tcase_add_test(size, maps_of_several_threads);
	return run_suite(s);
}
