/* SPDX-License-Identifier: MIT */
/*
 * Tests of arguments and results of any size through the pipes of a process
 * pool, as the system makes them and shrunk to one page, where nothing may
 * depend on what a pipe holds.
 */
#include "tests/process.h"
#include "process/pool.h"
#include <stdalign.h>

/* Loop tests: each size, first with the system's pipes, then with those of one page. */
static const size_t sizes[] = {
    0, 1, 4095, 4096, 4097, 65535, 65536, 65537, 1000003, (size_t)100 << 20};
enum { SIZES = sizeof sizes / sizeof *sizes };

static size_t
size_at(int i)
{
	size_t size = sizes[i % SIZES];

	return slow_build() && size > (1 << 22) ? (1 << 22) + 5 : size;
}

static conc_executor *
pool_at(int i, int workers)
{
	conc_executor *pool = PROCESSES(.workers = workers);

	if (i >= SIZES)
		conc__process_pool_pipe_size(pool, 4096);
	return pool;
}

static unsigned char
byte_at(size_t i, unsigned seed)
{
	return (unsigned char)(i ^ i >> 8 ^ i >> 16 ^ seed);
}

static void
fill(unsigned char *p, size_t size, unsigned seed)
{
	for (size_t i = 0; i < size; i++)
		p[i] = byte_at(i, seed);
}

static bool
filled(const unsigned char *p, size_t size, unsigned seed)
{
	size_t i = 0;

	while (i < size && p[i] == byte_at(i, seed))
		i++;
	return i == size;
}

/* Is the argument whole? */
static int
in_task(const void *arg, void *result)
{
	if ((arg == NULL) != (conc_arg_size() == 0))
		return 1;
	*(size_t *)result = conc_arg_size();
	return filled(arg, conc_arg_size(), 1) ? 0 : 2;
}

/* Its room has no size that it could ask for: that is its argument. */
static int
out_task(const void *arg, void *result)
{
	size_t size = *(const size_t *)arg;

	if ((result == NULL) != (size == 0))
		return 1;
	fill(result, size, 2);
	return 0;
}

/* The result is as large as the argument. */
static int
both_task(const void *arg, void *result)
{
	if (!filled(arg, conc_arg_size(), 1))
		return 2;
	fill(result, conc_arg_size(), 2);
	return 0;
}

static int
alloc_task(const void *arg, void *result)
{
	size_t size = *(const size_t *)arg;
	unsigned char *room;

	if (result == NULL || conc_result_alloc(3) == NULL)
		return 1;
	room = conc_result_alloc(size);
	if (room == NULL || (size > 0 && (room[0] != 0 || room[size - 1] != 0)))
		return 2;
	fill(room, size, 3);
	return 0;
}

static unsigned char *
argument(size_t size)
{
	unsigned char *p = malloc(size + 1);

	ck_assert_ptr_nonnull(p);
	fill(p, size, 1);
	return p;
}

static void
check_result(conc_future *f, size_t size, unsigned seed)
{
	const void *p = NULL;
	size_t got = SIZE_MAX;

	ck_assert_int_eq(conc_future_view(f, &p, &got), 0);
	ck_assert_uint_eq(got, size);
	ck_assert(filled(p, got, seed));
	conc_future_release(f);
}

START_TEST(arguments)
{
	size_t size = size_at(_i), got = SIZE_MAX;
	conc_executor *pool = pool_at(_i, 1);
	unsigned char *arg = argument(size);
	conc_future *f = SUBMIT(
	    pool, .fn = in_task, .arg = arg, .arg_size = size, .result_size = sizeof got);

	free(arg);
	ck_assert_int_eq(conc_future_result(f, &got, sizeof got), 0);
	ck_assert_uint_eq(got, size);
	conc_future_release(f);
	conc_executor_destroy(pool);
}
END_TEST

START_TEST(results)
{
	size_t size = size_at(_i);
	conc_executor *pool = pool_at(_i, 1);

	check_result(SUBMIT(pool, .fn = out_task, .arg = &size, .arg_size = sizeof size,
			 .result_size = size),
	    size, 2);
	conc_executor_destroy(pool);
}
END_TEST

START_TEST(results_of_a_size_known_late)
{
	size_t size = size_at(_i);
	conc_executor *pool = pool_at(_i, 1);

	if (size > 0)
		check_result(SUBMIT(pool, .fn = alloc_task, .arg = &size,
				 .arg_size = sizeof size, .result_size = 1),
		    size, 3);
	conc_executor_destroy(pool);
}
END_TEST

/* More than pipes and workers hold, of all sizes, in and out. */
START_TEST(both_ways_at_once)
{
	enum { N = 40 };
	conc_executor *pool = pool_at(_i * SIZES, 3);
	conc_future *f[N];

	for (int i = 0; i < N; i++) {
		size_t size = i % 3 == 0 ? (size_t)1 << 20 : sizes[1 + i % (SIZES - 2)];
		unsigned char *arg = argument(size);

		f[i] = SUBMIT(pool, .fn = both_task, .arg = arg, .arg_size = size,
		    .result_size = size);
		free(arg);
	}
	for (int i = N - 1; i >= 0; i--)
		check_result(
		    f[i], i % 3 == 0 ? (size_t)1 << 20 : sizes[1 + i % (SIZES - 2)], 2);
	conc_executor_destroy(pool);
}
END_TEST

START_TEST(the_largest_both_ways)
{
	size_t size = size_at(SIZES - 1);
	conc_executor *pool = pool_at(_i * SIZES, 2);
	unsigned char *arg = argument(size);
	conc_future *f = SUBMIT(
	    pool, .fn = both_task, .arg = arg, .arg_size = size, .result_size = size);

	free(arg);
	check_result(f, size, 2);
	conc_executor_destroy(pool);
}
END_TEST

/* Handed to a worker that dies before it begins: it is sent again, from its beginning. */
START_TEST(half_sent_and_sent_again)
{
	enum { SIZE = 1 << 20 };
	conc_executor *pool = pool_at(_i * SIZES, 1);
	unsigned char *arg = argument(SIZE);
	conc_future *f, *g;

	hold_processes(pool, 1);
	f = SUBMIT(pool, .fn = both_task, .arg = arg, .arg_size = SIZE, .result_size = SIZE);
	g = SUBMIT(pool, .fn = both_task, .arg = arg, .arg_size = SIZE, .result_size = SIZE);
	free(arg);
	ck_assert_int_eq(kill(shared->pid[0], SIGKILL), 0);
	check_result(f, SIZE, 2);
	check_result(g, SIZE, 2);
	conc_executor_destroy(pool);
}
END_TEST

/* Half in the pipe when it is cancelled: what follows it is not disturbed. */
START_TEST(half_sent_and_cancelled)
{
	enum { SIZE = 1 << 20 };
	conc_executor *pool = pool_at(_i * SIZES, 1);
	unsigned char *arg = argument(SIZE);
	conc_future *f, *g;

	hold_processes(pool, 1);
	f = SUBMIT(pool, .fn = both_task, .arg = arg, .arg_size = SIZE, .result_size = SIZE);
	g = SUBMIT(pool, .fn = both_task, .arg = arg, .arg_size = SIZE, .result_size = SIZE);
	free(arg);
	ck_assert_int_eq(conc_future_cancel(f), 0);
	atomic_store(&shared->open, 1);
	ck_assert_int_eq(finish(f), -ECANCELED);
	check_result(g, SIZE, 2);
	conc_executor_destroy(pool);
}
END_TEST

static int
aligned_task(const void *arg, void *result)
{
	uintptr_t both = (uintptr_t)arg | (uintptr_t)result;

	for (size_t i = 0; i < sizeof(int); i++)
		if (((unsigned char *)result)[i] != 0)
			return 1; /* the room is zeroed */
	*(int *)result = (int)(both % alignof(max_align_t));
	return 0;
}

START_TEST(aligned_for_any_type)
{
	conc_executor *pool = PROCESSES(.workers = 1);
	static const char text[64];
	int rest = -1;

	for (size_t size = 1; size < sizeof text; size++) {
		conc_future *f = SUBMIT(pool, .fn = aligned_task, .arg = text,
		    .arg_size = size, .name = text + size % 8, .result_size = sizeof rest);

		ck_assert_int_eq(conc_future_result(f, &rest, sizeof rest), 0);
		ck_assert_int_eq(rest, 0);
		conc_future_release(f);
	}
	conc_executor_destroy(pool);
}
END_TEST

START_TEST(sizes_are_compared)
{
	conc_executor *pool = PROCESSES(.workers = 1);
	size_t size = 10;
	conc_future *f = SUBMIT(pool, .fn = alloc_task, .arg = &size, .arg_size = sizeof size,
	    .result_size = 4);
	unsigned char got[10];

	ck_assert_int_eq(conc_future_result(f, got, 4), -EMSGSIZE);
	ck_assert_int_eq(conc_future_result(f, got, sizeof got), 0);
	ck_assert(filled(got, sizeof got, 3));
	conc_future_release(f);
	conc_executor_destroy(pool);
}
END_TEST

/* Sizes that no memory can hold are refused, and nothing is sent. */
START_TEST(impossible_sizes)
{
	conc_executor *pool = PROCESSES(.workers = 1);
	char c = 0;

	ck_assert_int_eq(
	    conc_submit(pool, nothing_task, &c, SIZE_MAX - 1, 0, NULL), -ENOMEM);
	ck_assert_int_eq(
	    conc_submit(pool, nothing_task, &c, 1, SIZE_MAX - 1, NULL), -ENOMEM);
	ck_assert_int_eq(finish(SUBMIT(pool, .fn = nothing_task)), 0);
	conc_executor_destroy(pool);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("process_payload");
	TCase *size = process_case(s, "size"), *both = process_case(s, "both");
	TCase *room = process_case(s, "room");

	conc_set_excepthook(overlook, NULL);
	tcase_add_loop_test(size, arguments, 0, 2 * SIZES);
	tcase_add_loop_test(size, results, 0, 2 * SIZES);
	tcase_add_loop_test(size, results_of_a_size_known_late, 0, 2 * SIZES);
	tcase_add_loop_test(both, both_ways_at_once, 0, 2);
	tcase_add_loop_test(both, the_largest_both_ways, 0, 2);
	tcase_add_loop_test(both, half_sent_and_sent_again, 0, 2);
	tcase_add_loop_test(both, half_sent_and_cancelled, 0, 2);
	tcase_add_test(room, aligned_for_any_type);
	tcase_add_test(room, sizes_are_compared);
	tcase_add_test(room, impossible_sizes);
	return run_suite(s);
}
