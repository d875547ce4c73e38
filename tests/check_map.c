/* SPDX-License-Identifier: MIT */
/*
 * Tests of conc_map: what comes out, in which order, and how it stops.
 */
#include "tests/pool.h"

/* Items of a map that need to know of each other borrow them by this. */
static struct stage {
	conc_executor *pool;
	atomic_int runs[64], asked;
	struct latch begun, open;
} * stage;

static struct stage
new_stage(conc_executor *pool)
{
	return (struct stage){.pool = pool, .begun = LATCH, .open = LATCH};
}

static int
fail_odd_task(const void *arg, void *result)
{
	int n = *(const int *)arg;

	if (n % 2 == 1)
		return conc_raise(1000 + n, "item %d is odd", n);
	*(int *)result = n;
	return 0;
}

START_TEST(map_refuses_bad_input)
{
	conc_executor *pool = POOL(.workers = 1);
	static const conc_map_options bad[] = {
	    {.retries = -1}, {.time_limit = -1}, {.backoff = -1}, {.backoff = INT64_MIN},
	    {.stop_on_failure = 2}, {.stop_on_failure = -1}};
	static const size_t wrong[] = {0, 1, sizeof(size_t), sizeof(conc_map_options) - 1};
	struct {
		conc_map_options options;
		char more[16];
	} longer = {.options = {.size = sizeof longer}};
	int a[3] = {1, 2, 3}, b[3];

	ck_assert_int_eq(conc_map(NULL, square_task, 3, a, 4, b, 4, NULL), -EINVAL);
	ck_assert_int_eq(conc_map(pool, NULL, 3, a, 4, b, 4, NULL), -EINVAL);
	ck_assert_int_eq(conc_map(pool, square_task, 3, NULL, 4, b, 4, NULL), -EINVAL);
	ck_assert_int_eq(conc_map(pool, square_task, 3, a, 4, NULL, 4, NULL), -EINVAL);
	ck_assert_int_lt(conc_map(pool, square_task, 3, a, SIZE_MAX / 2, b, 4, NULL), 0);
	ck_assert_int_lt(conc_map(pool, square_task, 3, a, 4, b, SIZE_MAX / 2, NULL), 0);
	for (size_t n = 0; n < 3; n++)
		ck_assert_int_eq(
		    conc_map(pool, square_task, n, a, CONC_BORROW, b, 4, NULL), -EINVAL);
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		conc_map_options options = bad[i];

		options.size = sizeof options;
		ck_assert_int_eq(conc_map(pool, square_task, 3, a, 4, b, 4, &options), -EINVAL);
	}
	for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
		ck_assert_int_eq(conc_map(pool, square_task, 3, a, 4, b, 4,
				     &(conc_map_options){.size = wrong[i]}),
		    -EINVAL);
	longer.more[15] = 1;
	ck_assert_int_eq(conc_map(pool, square_task, 3, a, 4, b, 4, &longer.options), -E2BIG);
	ck_assert_uint_eq(stats_of(pool).workers, 0); /* nothing has run */
	longer.more[15] = 0;
	ck_assert_int_eq(conc_map(pool, square_task, 3, a, 4, b, 4, &longer.options), 0);
	ck_assert_int_eq(b[2], 9);
	conc_executor_destroy(pool);
}
END_TEST

START_TEST(map_init_is_an_empty_set_of_options)
{
	conc_map_options options = CONC_MAP_INIT;

	ck_assert_mem_eq(&options, CONC_MAP(), sizeof options);
}
END_TEST

/* All sizes by all chunks, on one worker and on two. */
START_TEST(results_stand_in_order)
{
	static const size_t sizes[] = {0, 1, 2, 7, 1000, 100000};
	size_t n = sizes[_i % 6];
	size_t chunks[] = {0, 1, 2, n, n + 1, SIZE_MAX};
	conc_executor *pool = POOL(.workers = 1 + _i / 6);
	int *in = calloc(n + 1, sizeof *in), *out = calloc(n + 1, sizeof *out);
	int *codes = calloc(n + 1, sizeof *codes);

	for (size_t i = 0; i < n; i++)
		in[i] = (int)(i % 40000);
	for (int c = 0; c < 6; c++) {
		size_t wrong = 0;

		if (n == 100000 && c != 0 && c != 4)
			continue;
		memset(out, 0xff, n * sizeof *out);
		memset(codes, 0xff, (n + 1) * sizeof *codes);
		ck_assert_int_eq(conc_map(pool, square_task, n, in, sizeof *in, out,
				     sizeof *out, CONC_MAP(.chunk = chunks[c], .codes = codes)),
		    0);
		for (size_t i = 0; i < n; i++)
			wrong += out[i] != in[i] * in[i] || codes[i] != 0;
		ck_assert_uint_eq(wrong, 0);
		ck_assert_int_eq(codes[n], -1); /* and no further */
	}
	ck_assert_int_eq(
	    conc_map(pool, square_task, n, in, sizeof *in, out, sizeof *out, NULL), 0);
	free(in);
	free(out);
	free(codes);
	conc_executor_destroy(pool);
}
END_TEST

static int
null_item_task(const void *arg, void *result)
{
	if (arg != NULL || result != NULL || conc_arg_size() != 0)
		return -EBADMSG;
	if (conc_result_alloc(8) != NULL)
		return -EFAULT; /* not inside conc_map */
	return conc_worker_index() == 0 && !conc_cancelled() ? 0 : -ENOENT;
}

START_TEST(map_without_arguments_and_results)
{
	conc_executor *pool = POOL(.workers = 1);

	ck_assert_int_eq(conc_map(pool, null_item_task, 20, NULL, 0, NULL, 0, NULL), 0);
	ck_assert_int_eq(conc_map(pool, null_item_task, 0, NULL, 4, NULL, 4, NULL), 0);
	conc_executor_destroy(pool);
}
END_TEST

static int
arg_size_task(const void *arg, void *result)
{
	(void)arg;
	(void)result;
	return conc_arg_size() == 12 ? 0 : -EBADMSG;
}

START_TEST(arg_size_is_an_items)
{
	conc_executor *pool = POOL(.workers = 1);
	char args[24] = "";

	ck_assert_int_eq(conc_map(pool, arg_size_task, 2, args, 12, NULL, 0, NULL), 0);
	conc_executor_destroy(pool);
}
END_TEST

/* Every item runs, the lowest failing one is the answer, and no hook hears of any. */
START_TEST(the_lowest_failing_item_is_the_answer)
{
	static const size_t chunks[] = {0, 1, 3, 100};
	struct ear ear = {0};
	conc_executor *pool = POOL(.workers = 1 + _i / 4, .excepthook = hear, .user = &ear);
	int in[41], out[41], codes[41];

	for (int i = 0; i < 41; i++)
		in[i] = i + 10 - i % 2 * (i < 6); /* the first odd one is item 7 */
	conc_set_excepthook(hear, &ear);
	ck_assert_int_eq(conc_map(pool, fail_odd_task, 41, in, sizeof *in, out, sizeof *out,
			     CONC_MAP(.chunk = chunks[_i % 4], .codes = codes)),
	    1017);
	ck_assert_int_eq(conc_exception_code(conc_caught()), 1017);
	ck_assert_str_eq(conc_exception_message(conc_caught()), "item 17 is odd");
	conc_clear();
	for (int i = 0; i < 41; i++)
		ck_assert_int_eq(codes[i], in[i] % 2 == 1 ? 1000 + in[i] : 0);
	conc_executor_destroy(pool);
	ck_assert_int_eq(ear.calls, 0);
	conc_set_excepthook(NULL, NULL);
}
END_TEST

/* Item 0 waits to be asked; item 1 fails; the others need not run, and say if they did not. */
static int
stop_task(const void *arg, void *result)
{
	int n = *(const int *)arg;

	(void)result;
	atomic_fetch_add(&stage->runs[n], 1);
	if (n == 1)
		return conc_raise(-EDOM, "item 1");
	if (n == 0) {
		while (!conc_cancelled())
			sched_yield();
		atomic_fetch_add(&stage->asked, 1);
	}
	return 0;
}

START_TEST(stop_on_failure_cancels_the_rest)
{
	struct stage here = new_stage(POOL(.workers = 2));
	int in[64], codes[64], ran = 0;

	stage = &here;
	for (int i = 0; i < 64; i++)
		in[i] = i;
	ck_assert_int_eq(conc_map(here.pool, stop_task, 64, in, sizeof *in, NULL, 0,
			     CONC_MAP(.chunk = 1, .codes = codes, .stop_on_failure = 1)),
	    -EDOM);
	ck_assert_str_eq(conc_exception_message(conc_caught()), "item 1");
	conc_clear();
	ck_assert_int_eq(here.asked, 1);
	ck_assert_int_eq(codes[0], 0);
	ck_assert_int_eq(codes[1], -EDOM);
	for (int i = 2; i < 64; i++) {
		ck_assert_int_eq(codes[i], here.runs[i] ? 0 : -ECANCELED);
		ran += here.runs[i];
	}
	ck_assert_int_lt(ran, 62);
	conc_executor_destroy(here.pool);
}
END_TEST

START_TEST(stop_on_failure_within_a_chunk)
{
	conc_executor *pool = POOL(.workers = 1);
	int in[] = {0, 2, 3, 4, 5}, out[5], codes[5];
	static const int wanted[] = {0, 0, 1003, -ECANCELED, -ECANCELED};

	ck_assert_int_eq(conc_map(pool, fail_odd_task, 5, in, sizeof *in, out, sizeof *out,
			     CONC_MAP(.chunk = 5, .codes = codes, .stop_on_failure = 1)),
	    1003);
	ck_assert_mem_eq(codes, wanted, sizeof wanted);
	conc_clear();
	conc_executor_destroy(pool);
}
END_TEST

static int
deadline_task(const void *arg, void *result)
{
	int n = *(const int *)arg;

	(void)result;
	atomic_fetch_add(&stage->runs[n], 1);
	while (!conc_cancelled())
		sched_yield();
	return n == 0 ? -ECANCELED : 0;
}

/* What runs is asked and awaited; what has not begun never runs. */
START_TEST(a_deadline_stops_the_map)
{
	conc_time deadlines[] = {CONC_NOW, conc_after(-1), conc_after_ms(3), conc_after_ms(3)};
	struct stage here = new_stage(POOL(.workers = 1 + _i / 2));
	int in[20], codes[20];

	stage = &here;
	for (int i = 0; i < 20; i++)
		in[i] = i;
	ck_assert_int_eq(conc_map(here.pool, deadline_task, 20, in, sizeof *in, NULL, 0,
			     CONC_MAP(.codes = codes, .deadline = deadlines[_i])),
	    -ETIMEDOUT);
	for (int i = 0; i < 20; i++)
		ck_assert_int_eq(codes[i], i == 0 || !here.runs[i] ? -ECANCELED : 0);
	conc_executor_destroy(here.pool);
}
END_TEST

static int
quick_task(const void *arg, void *result)
{
	(void)arg, (void)result;
	atomic_fetch_add(&stage->runs[0], 1);
	return 0;
}

START_TEST(a_past_deadline_runs_nothing)
{
	conc_time deadlines[] = {CONC_NOW, conc_after(-1)};
	struct stage here = new_stage(POOL(.workers = 2));
	int codes[20];

	stage = &here;
	for (int i = 0; i < 10 * seeds(); i++) {
		ck_assert_int_eq(conc_map(here.pool, quick_task, 20, NULL, 0, NULL, 0,
				     CONC_MAP(.codes = codes, .deadline = deadlines[i % 2])),
		    -ETIMEDOUT);
		for (int j = 0; j < 20; j++)
			ck_assert_int_eq(codes[j], -ECANCELED);
	}
	ck_assert_int_eq(here.runs[0], 0);
	conc_executor_destroy(here.pool);
}
END_TEST

START_TEST(a_deadline_that_does_not_come)
{
	conc_executor *pool = POOL(.workers = 1);
	int in[] = {1, 2, 3}, out[3];

	ck_assert_int_eq(conc_map(pool, square_task, 3, in, sizeof *in, out, sizeof *out,
			     CONC_MAP(.deadline = conc_after(CONC_S(3600)))),
	    0);
	ck_assert_int_eq(out[2], 9);
	ck_assert_int_eq(conc_map(pool, square_task, 3, in, sizeof *in, out, sizeof *out,
			     CONC_MAP(.deadline = CONC_FOREVER)),
	    0);
	conc_executor_destroy(pool);
}
END_TEST

struct told {
	pthread_t thread;
	size_t items, done, total;
	int seen[200], codes[200], wrong, depth;
};

static void
told_item(size_t index, int code, void *user)
{
	struct told *told = user;

	told->wrong += !pthread_equal(told->thread, pthread_self()) || told->depth++ > 0;
	told->items++;
	told->seen[index]++;
	told->codes[index] = code;
	told->depth--;
}

static void
told_progress(size_t done, size_t total, void *user)
{
	struct told *told = user;

	told->wrong += !pthread_equal(told->thread, pthread_self()) || told->depth++ > 0;
	told->wrong += done <= told->done || done > total;
	told->done = done;
	told->total = total;
	told->depth--;
}

START_TEST(callbacks_run_in_the_calling_thread)
{
	static const size_t chunks[] = {0, 1, 7, 200};
	conc_executor *pool = POOL(.workers = 2);
	struct told told = {.thread = pthread_self()};
	int in[200], out[200], codes[200];

	for (int i = 0; i < 200; i++)
		in[i] = i;
	ck_assert_int_eq(conc_map(pool, fail_odd_task, 200, in, sizeof *in, out, sizeof *out,
			     CONC_MAP(.chunk = chunks[_i % 4], .on_item = told_item,
				 .on_progress = told_progress, .user = &told,
				 .codes = _i < 4 ? codes : NULL)),
	    1001);
	ck_assert_int_eq(told.wrong, 0);
	ck_assert_uint_eq(told.items, 200);
	ck_assert_uint_eq(told.done, 200);
	ck_assert_uint_eq(told.total, 200);
	for (int i = 0; i < 200; i++) {
		ck_assert_int_eq(told.seen[i], 1);
		ck_assert_int_eq(told.codes[i], i % 2 ? 1000 + i : 0);
	}
	conc_clear();
	conc_executor_destroy(pool);
}
END_TEST

static void
count_item(size_t index, int code, void *user)
{
	*(size_t *)user += index + (size_t)code;
}

/* Without an array of codes on_item has them all the same, also of large chunks. */
START_TEST(codes_for_on_item_alone)
{
	conc_executor *pool = POOL(.workers = 1);
	size_t n = 5000, sum = 0;

	ck_assert_int_eq(conc_map(pool, nothing_task, n, NULL, 0, NULL, 0,
			     CONC_MAP(.chunk = n, .on_item = count_item, .user = &sum)),
	    0);
	ck_assert_uint_eq(sum, n * (n - 1) / 2);
	conc_executor_destroy(pool);
}
END_TEST

/* A map in each item of a map, three deep, on one worker and on two. */
static int
nested_task(const void *arg, void *result)
{
	int depth = *(const int *)arg, in[3], out[3], rc;

	*(int *)result = 1;
	if (depth == 0)
		return 0;
	for (int i = 0; i < 3; i++)
		in[i] = depth - 1;
	rc = conc_map(stage->pool, nested_task, 3, in, sizeof *in, out, sizeof *out, NULL);
	*(int *)result = out[0] + out[1] + out[2];
	return rc;
}

START_TEST(nested_maps_complete)
{
	struct stage here = new_stage(POOL(.workers = 1 + _i));
	int depth = 3, leaves = 0;

	stage = &here;
	ck_assert_int_eq(conc_map(here.pool, nested_task, 1, &depth, sizeof depth, &leaves,
			     sizeof leaves, NULL),
	    0);
	ck_assert_int_eq(leaves, 27);
	conc_executor_destroy(here.pool);
}
END_TEST

static void
mapping_callback(conc_future *f, void *user)
{
	(void)f;
	atomic_store(
	    (atomic_int *)user, conc_map(stage->pool, nothing_task, 3, NULL, 0, NULL, 0, NULL));
	latch_set(&stage->begun);
}

START_TEST(a_map_in_a_callback_is_edeadlk)
{
	struct stage here = new_stage(POOL(.workers = 1));
	atomic_int rc = 0;
	conc_future *f = SUBMIT(here.pool, .fn = nothing_task);

	stage = &here;
	ck_assert_int_eq(conc_future_on_done(f, mapping_callback, (void *)&rc), 0);
	latch_wait(&here.begun, 1);
	ck_assert_int_eq(rc, -EDEADLK);
	conc_future_release(f);
	conc_executor_destroy(here.pool);
}
END_TEST

static void
add_tests(Suite *s)
{
	TCase *plain = new_case(s, "plain"), *fail = new_case(s, "fail");
	TCase *stop = new_case(s, "stop"), *calls = new_case(s, "calls");

	tcase_add_test(plain, map_refuses_bad_input);
	tcase_add_test(plain, map_init_is_an_empty_set_of_options);
	tcase_add_loop_test(plain, results_stand_in_order, 0, 12);
	tcase_add_test(plain, map_without_arguments_and_results);
	tcase_add_test(plain, arg_size_is_an_items);
	tcase_add_loop_test(plain, nested_maps_complete, 0, 2);
	tcase_add_loop_test(fail, the_lowest_failing_item_is_the_answer, 0, 8);
	tcase_add_test(stop, stop_on_failure_cancels_the_rest);
	tcase_add_test(stop, stop_on_failure_within_a_chunk);
	tcase_add_loop_test(stop, a_deadline_stops_the_map, 0, 4);
	tcase_add_test(stop, a_past_deadline_runs_nothing);
	tcase_add_test(stop, a_deadline_that_does_not_come);
	tcase_add_loop_test(calls, callbacks_run_in_the_calling_thread, 0, 8);
	tcase_add_test(calls, codes_for_on_item_alone);
	tcase_add_test(calls, a_map_in_a_callback_is_edeadlk);
}

int
main(void)
{
	Suite *s = suite_create("map");

	add_tests(s);
	return run_suite(s);
}
