/* SPDX-License-Identifier: MIT */
/*
 * Tests of conc_map on a process pool: what conc_map promises of any engine,
 * and that crashes, limits and retries are per item, not per chunk.
 */
#include "tests/process.h"

enum { N = 1000 };

static int in[N], out[N], codes[N];

static void
number(void)
{
	for (int i = 0; i < N; i++) {
		in[i] = i;
		out[i] = codes[i] = -7;
	}
}

/* What an item does besides counting that it ran and squaring itself. */
enum deed { NOTHING, FAIL, CRASH, HANG, CRASH_ONCE, PAUSE };

static struct {
	enum deed deed;
	int every, rest; /* items for which i % every == rest do it */
} plan; /* set before the pool is made, so that the workers know it */

static bool
chosen(int i)
{
	return plan.every != 0 && i % plan.every == plan.rest;
}

static int
item_task(const void *arg, void *result)
{
	const struct timespec pause_time = {.tv_nsec = 10000000};
	int i = *(const int *)arg;
	int run = atomic_fetch_add(&shared->runs[i], 1);

	*(int *)result = i * i;
	if (!chosen(i))
		return 0;
	switch (plan.deed) {
	case FAIL:
		return conc_raise(i + 1, "item %d", i);
	case CRASH:
		return die((i / plan.every) % 2 == 0 ? BY_SEGV : BY_EXIT_0);
	case HANG:
		atomic_store(&shared->pid[0], getpid());
		atomic_fetch_add(&shared->come, 1);
		return die(BY_HANG);
	case CRASH_ONCE:
		return run == 0 ? die(BY_SEGV) : 0;
	case PAUSE:
		nanosleep(&pause_time, NULL);
		break;
	case NOTHING:
		break;
	}
	return 0;
}

static conc_executor *
planned(int workers, enum deed deed, int every, int rest)
{
	number();
	plan.deed = deed;
	plan.every = every;
	plan.rest = rest;
	return PROCESSES(.workers = workers);
}

/* Loop tests: chunks of these sizes. */
static const size_t chunks[] = {0, 1, 7, 100, N, 5 * N};
enum { CHUNKS = sizeof chunks / sizeof *chunks };

static int
map(conc_executor *pool, int n, const conc_map_options *options)
{
	return conc_map(pool, item_task, (size_t)n, in, sizeof *in, out, sizeof *out, options);
}

/* All that was chosen has this code, all else its square; each ran once. */
static void
check_items(int n, int code)
{
	for (int i = 0; i < n; i++) {
		ck_assert_int_eq(codes[i], chosen(i) ? code : 0);
		if (!chosen(i))
			ck_assert_int_eq(out[i], i * i);
		ck_assert_int_eq(shared->runs[i], 1);
	}
}

START_TEST(results_are_in_order)
{
	for (int workers = 1; workers <= 3; workers++) {
		conc_executor *pool = planned(workers, NOTHING, 0, 0);

		memset(shared, 0, sizeof *shared);
		ck_assert_int_eq(
		    map(pool, N, CONC_MAP(.chunk = chunks[_i], .codes = codes)), 0);
		check_items(N, 0);
		conc_executor_destroy(pool);
	}
}
END_TEST

START_TEST(failures_are_per_item)
{
	conc_executor *pool = planned(2, FAIL, 10, 3);

	ck_assert_int_eq(map(pool, N, CONC_MAP(.chunk = chunks[_i], .codes = codes)), 4);
	ck_assert_str_eq(conc_exception_message(conc_caught()), "item 3");
	ck_assert_str_eq(conc_exception_function(conc_caught()), "item_task");
	ck_assert_int_gt(conc_exception_pid(conc_caught()), 0);
	ck_assert_int_ne(conc_exception_pid(conc_caught()), getpid());
	for (int i = 0; i < N; i++) {
		ck_assert_int_eq(codes[i], chosen(i) ? i + 1 : 0);
		if (!chosen(i))
			ck_assert_int_eq(out[i], i * i);
		ck_assert_int_eq(shared->runs[i], 1);
	}
	conc_executor_destroy(pool);
	conc_clear();
}
END_TEST

/* Where a death takes long there are fewer. */
static int
rarely(void)
{
	return on_valgrind() ? 250 : 50;
}

START_TEST(crashes_are_per_item)
{
	conc_executor *pool = planned(2, CRASH, rarely(), 49);

	ck_assert_int_eq(
	    map(pool, N, CONC_MAP(.chunk = chunks[_i], .codes = codes)), CONC_ECRASHED);
	ck_assert_int_eq(conc_exception_death(conc_caught())->signal, SIGSEGV);
	ck_assert_ptr_eq(strstr(conc_exception_message(conc_caught()), "item 49: worker "),
	    conc_exception_message(conc_caught()));
	check_items(N, CONC_ECRASHED);
	conc_executor_destroy(pool);
	conc_clear();
}
END_TEST

START_TEST(all_items_crash)
{
	conc_executor *pool = planned(2, CRASH, 1, 0);
	int n = on_valgrind() ? 20 : 60;

	ck_assert_int_eq(map(pool, n, CONC_MAP(.codes = codes)), CONC_ECRASHED);
	check_items(n, CONC_ECRASHED);
	conc_executor_destroy(pool);
	conc_clear();
}
END_TEST

START_TEST(limits_are_per_item)
{
	conc_executor *pool = planned(2, HANG, 40, 11);

	ck_assert_int_eq(map(pool, 60,
			     CONC_MAP(.chunk = chunks[_i], .codes = codes,
				 .time_limit = slow_build() ? CONC_MS(500) : CONC_MS(250))),
	    CONC_ETIMELIMIT);
	check_items(60, CONC_ETIMELIMIT);
	conc_executor_destroy(pool);
	conc_clear();
}
END_TEST

/* A chunk of many items that pause, each far below the limit, all together above it. */
START_TEST(a_chunk_may_take_longer_than_an_item)
{
	conc_executor *pool = planned(1, PAUSE, 1, 0);
	int64_t limit = slow_build() ? CONC_S(2) : CONC_S(1);
	int n = slow_build() ? 250 : 200;

	ck_assert_int_eq(
	    map(pool, n, CONC_MAP(.chunk = N, .codes = codes, .time_limit = limit)), 0);
	check_items(n, 0);
	conc_executor_destroy(pool);
}
END_TEST

START_TEST(retries_are_per_item)
{
	conc_executor *pool = planned(2, CRASH_ONCE, rarely(), 7);

	ck_assert_int_eq(
	    map(pool, N, CONC_MAP(.chunk = chunks[_i], .codes = codes, .retries = 1)), 0);
	for (int i = 0; i < N; i++) {
		ck_assert_int_eq(codes[i], 0);
		ck_assert_int_eq(out[i], i * i);
		ck_assert_int_eq(shared->runs[i], chosen(i) ? 2 : 1);
	}
	conc_executor_destroy(pool);
}
END_TEST

/* What did not run is cancelled; the failure, or crash, is what the map returns. */
START_TEST(the_first_failure_may_stop_it)
{
	enum deed deed = _i % 2 == 0 ? FAIL : CRASH;
	int workers = 1 + _i / 4;
	conc_executor *pool = planned(workers, deed, N, 3);

	ck_assert_int_eq(map(pool, N,
			     CONC_MAP(.chunk = _i % 4 < 2 ? 1 : 0, .codes = codes,
				 .stop_on_failure = 1)),
	    deed == FAIL ? 4 : CONC_ECRASHED);
	for (int i = 0; i < N; i++) {
		/* What ran may have been killed, but what was not ran to its end. */
		ck_assert(i == 3 || codes[i] == -ECANCELED ||
		    (codes[i] == 0 && shared->runs[i] == 1));
		ck_assert_int_le(shared->runs[i], 1);
	}
	if (workers == 1) { /* another one might get to the end before the failure is known */
		ck_assert_int_eq(codes[N - 1], -ECANCELED);
		ck_assert_int_eq(shared->runs[N - 1], 0);
	}
	conc_executor_destroy(pool);
	conc_clear();
}
END_TEST

/* What hangs is killed; no item touches anything when the map has returned. */
START_TEST(the_deadline_kills)
{
	conc_executor *pool = planned(1, HANG, N, 5);
	int64_t ms = 50;
	int pid;

	do { /* until there is time enough for the workers to come to it */
		ms *= 2;
		ck_assert_int_eq(map(pool, 100,
				     CONC_MAP(.chunk = chunks[_i], .codes = codes,
					 .deadline = conc_after_ms(ms))),
		    -ETIMEDOUT);
	} while (shared->come == 0);
	ck_assert_int_eq(shared->come, 1);
	pid = shared->pid[0];
	ck_assert(gone(&pid));
	ck_assert_int_eq(codes[5], -ECANCELED);
	for (int i = 0; i < 100; i++)
		ck_assert_int_eq(codes[i], i < 5 ? 0 : -ECANCELED);
	ck_assert_int_eq(finish(submit_run(pool, N)), 0);
	conc_executor_destroy(pool);
}
END_TEST

START_TEST(a_past_deadline_runs_nothing)
{
	conc_executor *pool = planned(1, NOTHING, 0, 0);

	ck_assert_int_eq(
	    map(pool, N, CONC_MAP(.codes = codes, .deadline = CONC_NOW)), -ETIMEDOUT);
	for (int i = 0; i < N; i++)
		ck_assert_int_eq(codes[i], shared->runs[i] == 1 ? 0 : -ECANCELED);
	conc_executor_destroy(pool);
}
END_TEST

struct watch {
	pthread_t thread;
	int items[N], progress, total;
};

static void
watch_item(size_t i, int code, void *user)
{
	struct watch *watch = user;

	ck_assert(pthread_equal(pthread_self(), watch->thread));
	ck_assert_int_eq(code, chosen((int)i) ? CONC_ECRASHED : 0);
	watch->items[i]++;
}

static void
watch_progress(size_t done, size_t total, void *user)
{
	struct watch *watch = user;

	ck_assert(pthread_equal(pthread_self(), watch->thread));
	ck_assert_int_gt((int)done, watch->progress);
	watch->progress = (int)done;
	watch->total = (int)total;
}

START_TEST(callbacks_are_told_of_all)
{
	conc_executor *pool = planned(2, CRASH, 100, 50);
	struct watch watch = {.thread = pthread_self()};

	ck_assert_int_eq(map(pool, N,
			     CONC_MAP(.chunk = chunks[_i], .on_item = watch_item,
				 .on_progress = watch_progress, .user = &watch)),
	    CONC_ECRASHED);
	for (int i = 0; i < N; i++)
		ck_assert_int_eq(watch.items[i], 1);
	ck_assert_int_eq(watch.progress, N);
	ck_assert_int_eq(watch.total, N);
	conc_executor_destroy(pool);
	conc_clear();
}
END_TEST

/* Items around and beyond what a worker can leave in its page, some of which crash. */
static const size_t large[] = {1, 30000, 65000, 65520, 65532, 65536, 65537, 200000};
enum { LARGE = sizeof large / sizeof *large, LARGE_N = 12 };
static size_t large_size;

static int
large_task(const void *arg, void *result)
{
	const unsigned char *p = arg;

	for (size_t i = 1; i < large_size; i++)
		if (p[i] != (unsigned char)(p[0] + i))
			return 1;
	if (p[0] == 4)
		return die(BY_SEGV);
	for (size_t i = 0; i < large_size; i++)
		((unsigned char *)result)[i] = (unsigned char)(p[i] ^ 255);
	return 0;
}

START_TEST(items_of_any_size)
{
	unsigned char *args, *results;
	conc_executor *pool;
	size_t wrong = 0;

	number();
	large_size = large[_i];
	args = malloc(LARGE_N * large_size);
	results = calloc(LARGE_N, large_size);
	ck_assert(args != NULL && results != NULL);
	for (size_t i = 0; i < LARGE_N * large_size; i++)
		args[i] = (unsigned char)(i / large_size + i % large_size);
	pool = PROCESSES(.workers = 2);
	ck_assert_int_eq(conc_map(pool, large_task, LARGE_N, args, large_size, results,
			     large_size, CONC_MAP(.codes = codes)),
	    CONC_ECRASHED);
	for (size_t i = 0; i < LARGE_N; i++)
		ck_assert_int_eq(codes[i], i == 4 ? CONC_ECRASHED : 0);
	for (size_t i = 0; i < LARGE_N * large_size; i++)
		wrong += i / large_size != 4 && results[i] != (args[i] ^ 255);
	ck_assert_uint_eq(wrong, 0);
	conc_executor_destroy(pool);
	free(args);
	free(results);
	conc_clear();
}
END_TEST

static int
empty_task(const void *arg, void *result)
{
	atomic_fetch_add(&shared->count[0], 1);
	return arg == NULL && result == NULL && conc_arg_size() == 0 ? 0 : 1;
}

static int
no_room_task(const void *arg, void *result)
{
	(void)arg;
	*(int *)result = conc_result_alloc(100) == NULL; /* not in a map */
	return 0;
}

START_TEST(items_of_no_size)
{
	conc_executor *pool = planned(2, NOTHING, 0, 0);

	ck_assert_int_eq(conc_map(pool, empty_task, N, NULL, 0, NULL, 0, NULL), 0);
	ck_assert_int_eq(shared->count[0], N);
	ck_assert_int_eq(conc_map(pool, empty_task, 0, NULL, 0, NULL, 0, NULL), 0);
	ck_assert_int_eq(conc_map(pool, no_room_task, 10, NULL, 0, out, sizeof *out, NULL), 0);
	for (int i = 0; i < 10; i++)
		ck_assert_int_eq(out[i], 1);
	conc_executor_destroy(pool);
}
END_TEST

START_TEST(map_refuses_bad_input)
{
	conc_executor *pool = planned(1, NOTHING, 0, 0);

	ck_assert_int_eq(
	    conc_map(pool, item_task, N, in, CONC_BORROW, out, sizeof *out, NULL), -EINVAL);
	ck_assert_int_eq(
	    conc_map(pool, NULL, N, in, sizeof *in, out, sizeof *out, NULL), -EINVAL);
	ck_assert_int_eq(map(pool, N, CONC_MAP(.time_limit = -1)), -EINVAL);
	ck_assert_int_eq(map(pool, N, CONC_MAP(.retries = -1)), -EINVAL);
	conc_executor_destroy(pool);
}
END_TEST

static void *
map_main(void *pool)
{
	static int results[N];
	int rc = conc_map(pool, item_task, N / 2, in + N / 2, sizeof *in, results,
	    sizeof *results, CONC_MAP(.chunk = 3));

	for (int i = 0; i < N / 2 && rc == 0; i++)
		rc = results[i] != in[N / 2 + i] * in[N / 2 + i];
	return (void *)(intptr_t)rc;
}

START_TEST(two_maps_at_once)
{
	conc_executor *pool = planned(2, NOTHING, 0, 0);
	pthread_t thread;
	void *rc;

	ck_assert_int_eq(pthread_create(&thread, NULL, map_main, pool), 0);
	ck_assert_int_eq(map(pool, N / 2, CONC_MAP(.chunk = 3, .codes = codes)), 0);
	pthread_join(thread, &rc);
	ck_assert_ptr_null(rc);
	for (int i = 0; i < N; i++)
		ck_assert_int_eq(shared->runs[i], 1);
	conc_executor_destroy(pool);
}
END_TEST

static void *
shut_down_main(void *pool)
{
	reach(&shared->come, 1);
	return (void *)(intptr_t)conc_shutdown(pool, CONC_KILL, CONC_FOREVER);
}

START_TEST(a_shutdown_ends_it)
{
	conc_executor *pool = planned(1, HANG, N, 5);
	pthread_t thread;
	void *rc;

	ck_assert_int_eq(pthread_create(&thread, NULL, shut_down_main, pool), 0);
	ck_assert_int_eq(
	    map(pool, N, CONC_MAP(.chunk = 10, .codes = codes)), CONC_ESHUTDOWN);
	pthread_join(thread, &rc);
	ck_assert_ptr_null(rc);
	for (int i = 0; i < N; i++)
		ck_assert_int_eq(codes[i], i < 5 ? 0 : -ECANCELED);
	conc_executor_destroy(pool);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("process_map");
	TCase *plain = process_case(s, "plain"), *item = process_case(s, "item");
	TCase *end = process_case(s, "end");

	conc_set_excepthook(overlook, NULL);
	tcase_add_loop_test(plain, results_are_in_order, 0, CHUNKS);
	tcase_add_loop_test(plain, callbacks_are_told_of_all, 0, CHUNKS);
	tcase_add_loop_test(plain, items_of_any_size, 0, LARGE);
	tcase_add_test(plain, items_of_no_size);
	tcase_add_test(plain, map_refuses_bad_input);
	tcase_add_test(plain, two_maps_at_once);
	tcase_add_loop_test(item, failures_are_per_item, 0, CHUNKS);
	tcase_add_loop_test(item, crashes_are_per_item, 0, CHUNKS);
	tcase_add_test(item, all_items_crash);
	tcase_add_loop_test(item, limits_are_per_item, 0, CHUNKS);
	tcase_add_test(item, a_chunk_may_take_longer_than_an_item);
	tcase_add_loop_test(item, retries_are_per_item, 0, CHUNKS);
	tcase_add_loop_test(end, the_first_failure_may_stop_it, 0, 8);
	tcase_add_loop_test(end, the_deadline_kills, 0, CHUNKS);
	tcase_add_test(end, a_past_deadline_runs_nothing);
	tcase_add_test(end, a_shutdown_ends_it);
	return run_suite(s);
}
