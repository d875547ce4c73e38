/* SPDX-License-Identifier: MIT */
/*
 * A worker process runs tasks, and what may come of them.
 */
#include "tests/zygote.h"

static int
square(const void *arg, void *result)
{
	int n = *(const int *)arg;

	*(int *)result = n * n;
	return 0;
}

START_TEST(a_task_and_its_result)
{
	struct worker w;

	open_zygote();
	w = spawn(0);
	for (int i = 0; i < 3 * CONC__RING; i++) {
		const struct conc__report *r;
		const void *payload;

		order(&w, square, &i, sizeof i, sizeof(int));
		r = report(&w, &payload);
		ck_assert_int_eq(r->type, CONC__REPORT_RESULT);
		ck_assert_int_eq(r->code, 0);
		ck_assert_uint_eq(r->seq, w.seq);
		ck_assert_int_ge(r->ran, 0);
		ck_assert_uint_eq(r->size, sizeof(int));
		ck_assert_int_eq(*(const int *)payload, i * i);
		ck_assert_int_eq(state_of(&w), CONC__CLAIM_RUNNING);
	}
	dismiss(&w);
	close_zygote();
}
END_TEST

/* Room of any size comes zeroed; what the task does not write stays so. */
static int
first_byte(const void *arg, void *result)
{
	unsigned char *room = result;

	(void)arg;
	for (size_t i = 0; i < 5000; i++)
		if (room[i] != 0)
			return -EINVAL;
	memset(room, 9, 5000);
	return 0;
}

static int
first_bytes(const void *arg, void *result)
{
	unsigned char *room = result;

	(void)arg;
	for (size_t i = 0; i < 100; i++)
		if (room[i] != 0)
			return -EINVAL;
	memset(room, 9, 100);
	return 0;
}

START_TEST(room_is_zeroed)
{
	struct worker w;

	open_zygote();
	w = spawn(0);
	for (int i = 0; i < 10; i++) {
		order(&w, i % 2 ? first_byte : first_bytes, NULL, 0, i % 2 ? 5000 : 100);
		ck_assert_int_eq(report(&w, NULL)->type, CONC__REPORT_RESULT);
	}
	dismiss(&w);
	close_zygote();
}
END_TEST

struct facts {
	size_t arg_size;
	int index, aligned, alike, none;
	char name[40];
};

static int
facts(const void *arg, void *result)
{
	struct facts *f = result;
	const unsigned char *bytes = arg;

	*f = (struct facts){.arg_size = conc_arg_size(),
	    .index = conc_worker_index(),
	    .aligned = (uintptr_t)arg % _Alignof(max_align_t) == 0,
	    .alike = 1,
	    .none = arg == NULL};
	for (size_t i = 0; i < f->arg_size; i++)
		f->alike &= bytes[i] == (unsigned char)(i * 7);
	if (conc_task_name() != NULL)
		snprintf(f->name, sizeof f->name, "%s", conc_task_name());
	return 0;
}

/* Arguments of all sizes, in the pipe together, with and without names. */
START_TEST(arguments)
{
	static const size_t sizes[] = {0, 1, 3, 16, 17, 0, 1000, 65535 - 72, 65536 - 72,
	    65537 - 72, 100, 300001, 5, 0};
	enum { N = sizeof sizes / sizeof sizes[0] };
	static unsigned char bytes[300001];
	struct worker w;

	for (size_t i = 0; i < sizeof bytes; i++)
		bytes[i] = (unsigned char)(i * 7);
	open_zygote();
	w = spawn(2);
	for (size_t i = 0; i < 2 * N; i++) {
		size_t size = sizes[i / 2], name_size = i % 2 ? 7 : 0;
		struct conc__order o = {.type = CONC__ORDER_TASK,
		    .fn = (uintptr_t)facts,
		    .seq = ++w.seq,
		    .arg_size = size,
		    .result_size = sizeof(struct facts),
		    .name_size = (uint32_t)name_size,
		    .size = size + name_size};

		/* pairs with the worker's swap */
		conc__store_release(claim_of(&w), conc__claim_word(o.seq, CONC__CLAIM_PENDING));
		push(w.fds[CONC__TASKS_WRITE], &o, sizeof o);
		push(w.fds[CONC__TASKS_WRITE], bytes, size);
		push(w.fds[CONC__TASKS_WRITE], "thename", name_size);
	}
	for (size_t i = 0; i < 2 * N; i++) {
		const void *payload;
		const struct facts *f;

		ck_assert_int_eq(report(&w, &payload)->type, CONC__REPORT_RESULT);
		f = payload;
		ck_assert_uint_eq(f->arg_size, sizes[i / 2]);
		ck_assert_int_eq(f->index, 2);
		ck_assert(f->aligned && f->alike && f->none == (sizes[i / 2] == 0));
		ck_assert_str_eq(f->name, i % 2 ? "thename" : "");
	}
	dismiss(&w);
	close_zygote();
}
END_TEST

static int
fail_deeply(const void *arg, void *result)
{
	(void)arg, (void)result;
	conc_raise(-ENOENT, "no file %d", 5);
	return conc_raise_from(conc_caught(), -EIO, "no picture");
}

static int
fail_plainly(const void *arg, void *result)
{
	(void)result;
	return *(const int *)arg;
}

START_TEST(failures)
{
	int code = -EAGAIN;
	conc_exception *e;
	struct worker w;

	open_zygote();
	w = spawn(0);
	order(&w, fail_deeply, NULL, 0, 8);
	e = failure(&w, CONC__REPORT_FAILURE);
	ck_assert_int_eq(conc_exception_code(e), -EIO);
	ck_assert_str_eq(conc_exception_message(e), "no picture");
	ck_assert_str_eq(conc_exception_function(e), "fail_deeply");
	ck_assert_str_eq(conc_exception_message(conc_exception_cause(e)), "no file 5");
	conc_exception_release(e);
	/* The last one's exception is gone. */
	code = -EIO;
	order(&w, fail_plainly, &code, sizeof code, 0);
	e = failure(&w, CONC__REPORT_FAILURE);
	ck_assert_str_eq(conc_exception_message(e), conc_strerror(-EIO));
	conc_exception_release(e);
	/* Nobody asked it to stop. */
	code = -ECANCELED;
	order(&w, fail_plainly, &code, sizeof code, 0);
	e = failure(&w, CONC__REPORT_FAILURE);
	ck_assert_int_eq(conc_exception_code(e), -ECANCELED);
	conc_exception_release(e);
	dismiss(&w);
	close_zygote();
}
END_TEST

static int
other_room(const void *arg, void *result)
{
	size_t size = *(const size_t *)arg;
	char *room;

	(void)result;
	conc_result_alloc(3);
	room = conc_result_alloc(size);
	if (room == NULL)
		return -ENOMEM;
	memset(room, 'x', size);
	return size == 1 ? -EIO : 0;
}

START_TEST(results_of_any_size)
{
	static const size_t sizes[] = {0, 1, 10, 200000};
	struct worker w;

	open_zygote();
	w = spawn(0);
	for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
		const void *payload;
		const struct conc__report *r;
		size_t alike = 0;

		order(&w, other_room, &sizes[i], sizeof sizes[i], 8);
		r = report(&w, &payload);
		if (sizes[i] == 1) { /* it failed */
			ck_assert_int_eq(r->type, CONC__REPORT_FAILURE);
			continue;
		}
		ck_assert_int_eq(r->type, CONC__REPORT_ROOM);
		ck_assert_uint_eq(r->size, sizes[i]);
		while (alike < sizes[i] && ((const char *)payload)[alike] == 'x')
			alike++;
		ck_assert_uint_eq(alike, sizes[i]);
	}
	dismiss(&w);
	close_zygote();
}
END_TEST

static int
until_asked(const void *arg, void *result)
{
	(void)result;
	while (!conc_cancelled())
		sched_yield();
	return *(const int *)arg;
}

START_TEST(asked_to_stop)
{
	struct worker w;

	open_zygote();
	w = spawn(0);
	order(&w, until_asked, &(int){-ECANCELED}, sizeof(int), 0);
	ask(&w);
	ck_assert_int_eq(report(&w, NULL)->type, CONC__REPORT_CANCELLED);
	order(&w, until_asked, &(int){-EIO}, sizeof(int), 0);
	ask(&w);
	ck_assert_int_eq(report(&w, NULL)->type, CONC__REPORT_FAILURE);
	order(&w, until_asked, &(int){0}, sizeof(int), 0);
	ask(&w);
	ck_assert_int_eq(report(&w, NULL)->type, CONC__REPORT_RESULT);
	dismiss(&w);
	close_zygote();
}
END_TEST

START_TEST(revoked_orders_are_skipped)
{
	struct conc__order o = {.type = CONC__ORDER_TASK,
	    .fn = (uintptr_t)fail_deeply,
	    .arg_size = 100000,
	    .result_size = 8};
	static char arg[100000];
	struct worker w;

	open_zygote();
	w = spawn(0);
	for (int i = 0; i < 10; i++) {
		o.arg_size = i % 2 ? sizeof arg : 5;
		order_as(&w, o, arg, CONC__CLAIM_REVOKED);
	}
	ck_assert_int_eq(state_of(&w), CONC__CLAIM_REVOKED);
	order(&w, square, &(int){3}, sizeof(int), sizeof(int));
	ck_assert_uint_eq(report(&w, NULL)->seq, 11);
	dismiss(&w);
	close_zygote();
}
END_TEST

START_TEST(time_limit)
{
	struct conc__order o = {.type = CONC__ORDER_TASK,
	    .fn = (uintptr_t)until_asked,
	    .arg_size = sizeof(int),
	    .time_limit = 1};
	conc_exception *e;
	struct worker w;

	open_zygote();
	w = spawn(0);
	order_as(&w, o, &(int){-EIO}, CONC__CLAIM_PENDING);
	e = failure(&w, CONC__REPORT_FAILURE);
	ck_assert_int_eq(conc_exception_code(e), CONC_ETIMELIMIT);
	ck_assert_int_eq(conc_exception_code(conc_exception_cause(e)), -EIO);
	conc_exception_release(e);
	order_as(&w, o, &(int){0}, CONC__CLAIM_PENDING);
	ck_assert_int_eq(report(&w, NULL)->type, CONC__REPORT_RESULT);
	dismiss(&w);
	close_zygote();
}
END_TEST

static int
burn(const void *arg, void *result)
{
	(void)arg, (void)result;
	for (volatile int i = 0; i >= 0;)
		;
	return 0;
}

START_TEST(cpu_limit)
{
	const struct conc__report *r;
	struct worker w;

	plan.cpu_limit = CONC_MS(50);
	open_zygote();
	w = spawn(0);
	for (int i = 0; i < 5; i++) {
		order(&w, square, &i, sizeof i, sizeof i);
		r = report(&w, NULL);
		ck_assert_int_eq(r->type, CONC__REPORT_RESULT);
	}
	order(&w, burn, NULL, 0, 0);
	ck_assert_int_eq(bury(&w).signal, SIGXCPU);
	close_zygote();
}
END_TEST

#if !defined __SANITIZE_ADDRESS__ && !defined __SANITIZE_THREAD__
START_TEST(no_memory)
{
	static char arg[16 << 20];
	struct conc__order chunk = {.type = CONC__ORDER_CHUNK,
	    .count = 2,
	    .fn = (uintptr_t)square,
	    .arg_size = sizeof arg / 2,
	    .result_size = sizeof(int)};
	struct worker w;
	conc_exception *e;

	plan.memory_limit = 4 << 20;
	open_zygote();
	w = spawn(0);
	order(&w, square, arg, sizeof arg, sizeof(int));
	e = failure(&w, CONC__REPORT_FAILURE);
	ck_assert_int_eq(conc_exception_code(e), -ENOMEM);
	conc_exception_release(e);
	order(&w, square, &(int){4}, sizeof(int), sizeof arg); /* no room for the result */
	e = failure(&w, CONC__REPORT_FAILURE);
	ck_assert_int_eq(conc_exception_code(e), -ENOMEM);
	conc_exception_release(e);
	order_as(&w, chunk, arg, CONC__CLAIM_PENDING);
	for (uint64_t i = 0; i < 2; i++) {
		conc_exception_release(failure(&w, CONC__REPORT_ITEM_FAILURE));
		ck_assert_uint_eq(w.reader.head.item, i);
	}
	ck_assert_int_eq(report(&w, NULL)->type, CONC__REPORT_DONE);
	order(&w, square, &(int){4}, sizeof(int), sizeof(int));
	ck_assert_int_eq(report(&w, NULL)->type, CONC__REPORT_RESULT);
	dismiss(&w);
	close_zygote();
}
END_TEST
#endif

int
main(void)
{
	Suite *suite = suite_create("worker_process");
	TCase *tc = new_case(suite, "tasks");

	tcase_add_test(tc, a_task_and_its_result);
	tcase_add_test(tc, room_is_zeroed);
	tcase_add_test(tc, arguments);
	tcase_add_test(tc, failures);
	tcase_add_test(tc, results_of_any_size);
	tcase_add_test(tc, asked_to_stop);
	tcase_add_test(tc, revoked_orders_are_skipped);
	tcase_add_test(tc, time_limit);
	tcase_add_test(tc, cpu_limit);
#if !defined __SANITIZE_ADDRESS__ && !defined __SANITIZE_THREAD__
	tcase_add_test(tc, no_memory);
#endif
	return run_suite(suite);
}
