/* SPDX-License-Identifier: MIT */
/*
 * Tests of <conc/executor.h> on a thread pool: bad input, arguments, results,
 * and what a task can ask about itself.  The queue stands in
 * check_task_queue.c, how tasks end in check_task_end.c, map in check_map.c,
 * shutdown in check_shutdown.c.
 */
#include "tests/pool.h"
#include <limits.h>
#include <stddef.h>

static conc_executor *const NO_POOL;

START_TEST(submit_refuses_bad_input)
{
	conc_executor *pool = POOL(.workers = 1);
	conc_future *f = NULL;
	int n = 3;

	ck_assert_int_eq(conc_submit(NO_POOL, nothing_task, NULL, 0, 0, &f), -EINVAL);
	ck_assert_int_eq(conc_submit(pool, NULL, NULL, 0, 0, &f), -EINVAL);
	ck_assert_int_eq(conc_submit(pool, nothing_task, NULL, sizeof n, 0, &f), -EINVAL);
	ck_assert_int_eq(conc_submit(pool, nothing_task, &n, SIZE_MAX - 1, 0, &f), -ENOMEM);
	ck_assert_int_eq(conc_submit(pool, nothing_task, &n, SIZE_MAX - 15, 0, &f), -ENOMEM);
	ck_assert_int_eq(conc_submit(pool, nothing_task, &n, SIZE_MAX / 2, 0, &f), -ENOMEM);
	ck_assert_int_eq(conc_submit(pool, nothing_task, &n, sizeof n, SIZE_MAX, &f), -ENOMEM);
	ck_assert_int_eq(
	    conc_submit(pool, nothing_task, &n, sizeof n, SIZE_MAX - 40, &f), -ENOMEM);
	ck_assert_int_eq(
	    conc_submit(pool, nothing_task, &n, sizeof n, SIZE_MAX / 2, &f), -ENOMEM);
	ck_assert_int_eq(
	    conc_submit(pool, nothing_task, &n, SIZE_MAX / 2, SIZE_MAX / 2 + 2, &f), -ENOMEM);
	ck_assert_ptr_null(f);
	ck_assert_uint_eq(stats_of(pool).workers, 0); /* nothing was accepted, nobody started */
	conc_executor_destroy(pool);
}
END_TEST

START_TEST(submit_task_refuses_bad_input)
{
	conc_executor *pool = POOL(.workers = 1);
	conc_future *f = NULL;

	ck_assert_int_eq(conc_submit_task(NO_POOL, CONC_TASK(.fn = nothing_task), &f), -EINVAL);
	ck_assert_int_eq(conc_submit_task(pool, NULL, &f), -EINVAL);
	ck_assert_int_eq(conc_submit_task(pool, CONC_TASK(.fn = NULL), &f), -EINVAL);
	ck_assert_int_eq(
	    conc_submit_task(pool, CONC_TASK(.fn = nothing_task, .retries = -1), &f), -EINVAL);
	ck_assert_int_eq(
	    conc_submit_task(pool, CONC_TASK(.fn = nothing_task, .retries = INT_MIN), &f),
	    -EINVAL);
	ck_assert_int_eq(
	    conc_submit_task(pool, CONC_TASK(.fn = nothing_task, .time_limit = -1), &f),
	    -EINVAL);
	ck_assert_int_eq(
	    conc_submit_task(pool, CONC_TASK(.fn = nothing_task, .backoff = INT64_MIN), &f),
	    -EINVAL);
	ck_assert_ptr_null(f);
	conc_executor_destroy(pool);
}
END_TEST

/* A task of another version: shorter is refused, longer only if it says something. */
START_TEST(submit_task_checks_the_size)
{
	static const size_t wrong[] = {0, 1, sizeof(size_t), sizeof(conc_task) - 1};
	struct {
		conc_task task;
		char more[24];
	} longer = {.task = {.size = sizeof longer, .fn = nothing_task}};
	conc_executor *pool = POOL(.workers = 1);
	conc_future *f = NULL;

	for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
		ck_assert_int_eq(conc_submit_task(pool,
				     &(conc_task){.size = wrong[i], .fn = nothing_task}, &f),
		    -EINVAL);
	longer.more[23] = 1;
	ck_assert_int_eq(conc_submit_task(pool, &longer.task, &f), -E2BIG);
	ck_assert_ptr_null(f);
	longer.more[23] = 0;
	ck_assert_int_eq(finish(submit_task(pool, &longer.task)), 0);
	conc_executor_destroy(pool);
}
END_TEST

/* The initialiser for C++ says the same as the macro without arguments. */
START_TEST(task_init_is_an_empty_task)
{
	conc_task task = CONC_TASK_INIT;

	ck_assert_mem_eq(&task, CONC_TASK(), sizeof task);
}
END_TEST

static int
sum_task(const void *arg, void *result)
{
	const unsigned char *bytes = arg;
	uint64_t sum = 0;

	if ((uintptr_t)arg % _Alignof(max_align_t) != 0)
		return conc_raise(-EFAULT, "the argument is not aligned");
	if ((uintptr_t)result % _Alignof(uint64_t) != 0)
		return conc_raise(-EFAULT, "the result is not aligned");
	for (size_t i = 0; i < conc_arg_size(); i++)
		sum = sum * 31 + bytes[i];
	*(uint64_t *)result = sum + conc_arg_size();
	return (arg == NULL) == (conc_arg_size() == 0) ? 0 : -EBADMSG;
}

/* Submit so many bytes, spoil them, and see what the task saw. */
static void
sum_bytes(conc_executor *pool, unsigned char *bytes, size_t size)
{
	uint64_t sum = 0, told = 0;
	conc_future *f;

	for (size_t i = 0; i < size; i++) {
		bytes[i] = (unsigned char)(i * 7 + size);
		sum = sum * 31 + bytes[i];
	}
	ck_assert_int_eq(conc_submit(pool, sum_task, bytes, size, sizeof told, &f), 0);
	memset(bytes, 0xa5, size);
	ck_assert_int_eq(conc_future_result(f, &told, sizeof told), 0);
	ck_assert_uint_eq(told, sum + size);
	conc_future_release(f);
}

START_TEST(arguments_are_copied_and_aligned)
{
	conc_executor *pool = POOL(.workers = 1);
	unsigned char *bytes = malloc(1 << 20);
	struct gate gate = GATE;
	uint64_t told = 0;
	conc_future *f;

	for (size_t size = 0; size <= 100; size++)
		sum_bytes(pool, bytes, size);
	sum_bytes(pool, bytes, 1 << 20);
	/* The argument outlives the caller's variable while it waits in the queue. */
	hold_workers(pool, &gate, 1);
	bytes[0] = 9;
	ck_assert_int_eq(conc_submit(pool, sum_task, bytes, 1, sizeof told, &f), 0);
	free(bytes);
	latch_set(&gate.open);
	ck_assert_int_eq(conc_future_result(f, &told, sizeof told), 0);
	ck_assert_uint_eq(told, 10);
	conc_future_release(f);
	conc_executor_destroy(pool);
}
END_TEST

static int
pointer_task(const void *arg, void *result)
{
	*(const void **)result = arg;
	return conc_arg_size() == CONC_BORROW ? 0 : -EBADMSG;
}

START_TEST(borrow_hands_on_the_pointer_itself)
{
	conc_executor *pool = POOL(.workers = 1);
	const void *seen = pool;
	conc_future *f;
	int n;

	ck_assert_int_eq(conc_submit(pool, pointer_task, &n, CONC_BORROW, sizeof seen, &f), 0);
	ck_assert_int_eq(conc_future_result(f, &seen, sizeof seen), 0);
	ck_assert_ptr_eq(seen, &n);
	conc_future_release(f);
	ck_assert_int_eq(
	    conc_submit(pool, pointer_task, NULL, CONC_BORROW, sizeof seen, &f), 0);
	ck_assert_int_eq(conc_future_result(f, &seen, sizeof seen), 0);
	ck_assert_ptr_null(seen);
	conc_future_release(f);
	conc_executor_destroy(pool);
}
END_TEST

/* The room is zeroed at first; the task fills the first byte and the last. */
static int
room_task(const void *arg, void *result)
{
	unsigned char *room = result;
	size_t size = *(const size_t *)arg;

	if (size == 0)
		return result == NULL ? 0 : -EBADMSG;
	for (size_t i = 0; i < size; i++)
		if (room[i] != 0)
			return -EBADMSG;
	room[0] = 1;
	room[size - 1] = 2;
	return 0;
}

START_TEST(results_of_any_size)
{
	static const size_t sizes[] = {
	    0, 1, 2, 7, 8, 15, 16, 17, 31, 32, 33, 64, 100, 4096, 1 << 20};
	conc_executor *pool = POOL(.workers = 2);

	for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
		const void *room;
		conc_future *f;
		size_t size;

		ck_assert_int_eq(
		    conc_submit(pool, room_task, &sizes[i], sizeof *sizes, sizes[i], &f), 0);
		ck_assert_int_eq(conc_future_view(f, &room, &size), 0);
		ck_assert_uint_eq(size, sizes[i]);
		if (size > 1)
			ck_assert_int_eq(((const unsigned char *)room)[0], 1);
		if (size > 0)
			ck_assert_int_eq(((const unsigned char *)room)[size - 1], 2);
		ck_assert_int_eq(conc_future_result(f, NULL, 0), 0);
		ck_assert_int_eq(conc_future_result(f, &size, size + 1), -EMSGSIZE);
		conc_future_release(f);
	}
	conc_executor_destroy(pool);
}
END_TEST

/* Asks for room as often as its argument says, one byte more each time. */
static int
alloc_task(const void *arg, void *result)
{
	int times = *(const int *)arg;

	(void)result;
	for (int i = 1; i <= times; i++) {
		char *room = conc_result_alloc((size_t)i);

		if (room == NULL)
			return -ENOMEM;
		if (room[i - 1] != 0 || (uintptr_t)room % _Alignof(max_align_t) != 0)
			return -EBADMSG;
		memset(room, i, (size_t)i);
	}
	return 0;
}

START_TEST(result_alloc_replaces_the_room)
{
	static const int times[] = {1, 2, 100};
	conc_executor *pool = POOL(.workers = 1);

	for (int i = 0; i < 3; i++) {
		const void *room;
		conc_future *f;
		size_t size;

		ck_assert_int_eq(
		    conc_submit(pool, alloc_task, &times[i], sizeof(int), 8, &f), 0);
		ck_assert_int_eq(conc_future_view(f, &room, &size), 0);
		ck_assert_uint_eq(size, (size_t)times[i]);
		ck_assert_int_eq(((const char *)room)[size - 1], times[i]);
		conc_future_release(f);
	}
	ck_assert_int_eq(conc_submit(pool, alloc_task, &times[2], sizeof(int), 8, NULL), 0);
	conc_executor_destroy(pool);
}
END_TEST

static int
alloc_oddly_task(const void *arg, void *result)
{
	(void)arg;
	if (conc_result_alloc(SIZE_MAX) != NULL || conc_result_alloc(SIZE_MAX - 30) != NULL ||
	    conc_result_alloc(SIZE_MAX / 2) != NULL)
		return -EBADMSG;
	*(int *)result = 5; /* a refused room leaves the former one */
	return 0;
}

static int
alloc_none_task(const void *arg, void *result)
{
	(void)arg;
	(void)result;
	(void)conc_result_alloc(0);
	return 0;
}

START_TEST(result_alloc_of_odd_sizes)
{
	conc_executor *pool = POOL(.workers = 1);
	conc_future *f;
	size_t size = 9;
	const void *room;
	int n = 0;

	ck_assert_ptr_null(conc_result_alloc(8)); /* outside of tasks */
	ck_assert_int_eq(conc_submit(pool, alloc_oddly_task, NULL, 0, sizeof n, &f), 0);
	ck_assert_int_eq(conc_future_result(f, &n, sizeof n), 0);
	ck_assert_int_eq(n, 5);
	conc_future_release(f);
	ck_assert_int_eq(conc_submit(pool, alloc_none_task, NULL, 0, sizeof n, &f), 0);
	ck_assert_int_eq(conc_future_view(f, &room, &size), 0);
	ck_assert_uint_eq(size, 0);
	ck_assert_ptr_null(room);
	conc_future_release(f);
	conc_executor_destroy(pool);
}
END_TEST

static int
self_task(const void *arg, void *result)
{
	(void)arg;
	(void)result;
	ck_assert_uint_eq(conc_arg_size(), 7);
	ck_assert_str_eq(conc_task_name(), "resize");
	ck_assert_int_eq(conc_worker_index(), 0);
	ck_assert(!conc_cancelled());
	ck_assert_ptr_null(conc_caught());
	return 0;
}

START_TEST(a_task_asks_about_itself)
{
	conc_executor *pool = POOL(.workers = 1);
	struct gate gate = GATE;
	char name[] = "resize";
	conc_future *f;

	hold_workers(pool, &gate, 1);
	f = SUBMIT(pool, .fn = self_task, .arg = "1234567", .arg_size = 7, .name = name);
	name[0] = 'X'; /* the name was copied */
	latch_set(&gate.open);
	ck_assert_int_eq(finish(f), 0);
	conc_executor_destroy(pool);
}
END_TEST

START_TEST(outside_of_tasks_there_is_nothing_to_ask)
{
	ck_assert(!conc_cancelled());
	ck_assert_uint_eq(conc_arg_size(), 0);
	ck_assert_ptr_null(conc_task_name());
	ck_assert_int_eq(conc_worker_index(), -1);
}
END_TEST

static int
unnamed_task(const void *arg, void *result)
{
	(void)arg;
	*(int *)result = conc_worker_index();
	return conc_task_name() == NULL ? 0 : -EBADMSG;
}

START_TEST(worker_index_lies_below_the_number_of_workers)
{
	conc_executor *pool = POOL(.workers = 2);
	int index;

	for (int i = 0; i < 50; i++) {
		conc_future *f;

		ck_assert_int_eq(conc_submit(pool, unnamed_task, NULL, 0, sizeof index, &f), 0);
		ck_assert_int_eq(conc_future_result(f, &index, sizeof index), 0);
		ck_assert_int_ge(index, 0);
		ck_assert_int_lt(index, 2);
		conc_future_release(f);
	}
	conc_executor_destroy(pool);
}
END_TEST

START_TEST(a_failure_bears_message_name_and_place)
{
	conc_executor *pool = POOL(.workers = 1);
	int code = 77;
	conc_future *f = SUBMIT(
	    pool, .fn = fail_task, .arg = &code, .arg_size = sizeof code, .name = "seven");

	ck_assert_int_eq(conc_future_result(f, NULL, 0), 77);
	ck_assert_ptr_eq(conc_caught(), conc_future_exception(f));
	conc_future_release(f);
	ck_assert_int_eq(conc_exception_code(conc_caught()), 77);
	ck_assert_str_eq(conc_exception_message(conc_caught()), "told to fail with 77");
	ck_assert_str_eq(conc_exception_task(conc_caught()), "seven");
	ck_assert_str_eq(conc_exception_function(conc_caught()), "fail_task");
	conc_clear();
	conc_executor_destroy(pool);
}
END_TEST

static int
bare_task(const void *arg, void *result)
{
	(void)arg;
	(void)result;
	conc_raise(-EDOM, "another code than is returned");
	return -EIO;
}

/* A code without an exception of its own gets one; the next task begins without any. */
START_TEST(a_bare_code_gets_an_exception)
{
	conc_executor *pool = POOL(.workers = 1);

	ck_assert_int_eq(finish(SUBMIT(pool, .fn = bare_task)), -EIO);
	ck_assert_str_eq(conc_exception_message(conc_caught()), conc_strerror(-EIO));
	conc_clear();
	ck_assert_int_eq(finish(SUBMIT(pool, .fn = self_task, .arg = "1234567", .arg_size = 7,
			     .name = "resize")),
	    0);
	conc_executor_destroy(pool);
}
END_TEST

static void
add_tests(Suite *s)
{
	TCase *bad = new_case(s, "bad"), *data = new_case(s, "data"),
	      *inside = new_case(s, "inside");

	tcase_add_test(bad, submit_refuses_bad_input);
	tcase_add_test(bad, submit_task_refuses_bad_input);
	tcase_add_test(bad, submit_task_checks_the_size);
	tcase_add_test(bad, task_init_is_an_empty_task);
	tcase_add_test(data, arguments_are_copied_and_aligned);
	tcase_add_test(data, borrow_hands_on_the_pointer_itself);
	tcase_add_test(data, results_of_any_size);
	tcase_add_test(data, result_alloc_replaces_the_room);
	tcase_add_test(data, result_alloc_of_odd_sizes);
	tcase_add_test(inside, a_task_asks_about_itself);
	tcase_add_test(inside, outside_of_tasks_there_is_nothing_to_ask);
	tcase_add_test(inside, worker_index_lies_below_the_number_of_workers);
	tcase_add_test(inside, a_failure_bears_message_name_and_place);
	tcase_add_test(inside, a_bare_code_gets_an_exception);
}

int
main(void)
{
	Suite *s = suite_create("executor");

	add_tests(s);
	return run_suite(s);
}
