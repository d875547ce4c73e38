/* SPDX-License-Identifier: MIT */
/*
 * What the host writes to a worker, and what the worker reads and writes itself.
 * (The host's reading is in check_reader.c.)
 */
#include "base/memory.h"
#include "process/wire.h"
#include "tests/wire.h"
#include <signal.h>

static struct conc__writer writer;

/* --- orders --- */

static void
open_task_pipe(void)
{
	open_pipe();
	ck_assert_int_eq(conc__nonblocking(ends[1]), 0);
	writer = (struct conc__writer){0};
}

static void
close_task_pipe(void)
{
	conc__writer_fini(&writer);
	close_pipe();
}

static int
put_order(uint64_t seq, const void *arg, size_t arg_size, const char *name)
{
	size_t name_size = name != NULL ? strlen(name) : 0;

	return conc__writer_put(&writer,
	    &(struct conc__order){.type = CONC__ORDER_TASK, .seq = seq, .arg_size = arg_size,
		.name_size = (uint32_t)name_size, .size = arg_size + name_size},
	    arg, arg_size, name);
}

/* As the worker does: the next order must be this one. */
static void
order_is(uint64_t seq, size_t arg_size, const char *name)
{
	size_t name_size = strlen(name);
	unsigned char *got = malloc(arg_size + name_size + 1);
	struct conc__order o;

	ck_assert_int_eq(conc__read_whole(ends[0], &o, sizeof o), 0);
	ck_assert_uint_eq(o.seq, seq);
	ck_assert_uint_eq(o.arg_size, arg_size);
	ck_assert_uint_eq(o.size, arg_size + name_size);
	ck_assert_int_eq(conc__read_whole(ends[0], got, o.size), 0);
	for (size_t i = 0; i < arg_size; i++)
		if (got[i] != byte_of(seq, i))
			ck_abort_msg("order %d: byte %zu is wrong", (int)seq, i);
	ck_assert_mem_eq(got + arg_size, name, name_size);
	free(got);
}

START_TEST(orders_are_copied_until_there_is_no_room)
{
	uint64_t n = 0, read = 0;
	unsigned char *arg;
	int rc;

	ck_assert(conc__writer_empty(&writer));
	ck_assert_int_eq(conc__writer_flush(&writer, ends[1]), 0);
	/* More than fits in the pipe and the writer, with a flush now and then. */
	do {
		arg = make_payload(n + 1, n % 3000);
		rc = put_order(n + 1, n % 3000 ? arg : NULL, n % 3000, n % 2 ? "odd" : NULL);
		ck_assert(!conc__writer_borrows(&writer, arg));
		memset(arg, 0xEE, n % 3000);
		free(arg);
		n += rc == 0;
	} while (rc == 0 || (rc = conc__writer_flush(&writer, ends[1])) == 0);
	ck_assert_int_eq(rc, -EAGAIN);
	ck_assert(!conc__writer_empty(&writer));
	while (!conc__writer_empty(&writer)) {
		order_is(read + 1, read % 3000, read % 2 ? "odd" : "");
		read++;
		rc = conc__writer_flush(&writer, ends[1]);
		ck_assert(rc == 0 || rc == -EAGAIN);
	}
	for (; read < n; read++)
		order_is(read + 1, read % 3000, read % 2 ? "odd" : "");
}
END_TEST

static void *
flush_all(void *arg)
{
	int rc;

	while ((rc = conc__writer_flush(&writer, ends[1])) == -EAGAIN) {
		struct conc__poll p = {.fd = ends[1], .wanted = CONC__WRITABLE};

		(void)conc__poll(&p, 1, CONC_FOREVER);
	}
	ck_assert_int_eq(rc, 0);
	return arg;
}

/* Let a thread write all that is left, while this one reads three orders. */
static void
pass(size_t large, const char *name)
{
	pthread_t thread;

	ck_assert_int_eq(pthread_create(&thread, NULL, flush_all, NULL), 0);
	order_is(1, 9, "small");
	order_is(2, large, name);
	ck_assert_int_eq(pthread_join(thread, NULL), 0);
	ck_assert(conc__writer_empty(&writer));
	ck_assert_int_eq(put_order(3, NULL, 0, NULL), 0);
	ck_assert_int_eq(conc__writer_flush(&writer, ends[1]), 0);
	order_is(3, 0, "");
}

/* Put a small order and a large one, whose argument is returned. */
static unsigned char *
put_both(size_t large, const char *name)
{
	unsigned char *small = make_payload(1, 9), *arg = make_payload(2, large);

	ck_assert_int_eq(put_order(1, small, 9, "small"), 0);
	free(small);
	ck_assert_int_eq(put_order(2, arg, large, name), 0);
	ck_assert(conc__writer_borrows(&writer, arg));
	ck_assert(!conc__writer_borrows(&writer, NULL));
	ck_assert_int_eq(put_order(3, NULL, 0, NULL), -EAGAIN);
	return arg;
}

START_TEST(large_arguments_are_borrowed)
{
	unsigned char *arg = put_both(1000000, "large");

	pass(1000000, "large");
	ck_assert(!conc__writer_borrows(&writer, arg));
	free(arg);
}
END_TEST

START_TEST(large_arguments_can_be_given)
{
	enum { LEAST = CONC__WRITER_SIZE - sizeof(struct conc__order) + 1 };
	unsigned char *arg = put_both(LEAST, NULL);

	conc__writer_keep(&writer, arg);
	ck_assert(!conc__writer_borrows(&writer, arg));
	pass(LEAST, "");
	conc__writer_keep(&writer, put_both(LEAST, "x"));
	/* The teardown frees what was not written. */
}
END_TEST

START_TEST(names_may_be_of_any_length)
{
	char *name = malloc(200000);

	memset(name, 'n', 199999);
	name[199999] = 0;
	ck_assert_int_eq(put_order(1, NULL, 0, "small"), 0);
	ck_assert_int_eq(put_order(2, NULL, 0, name), -EAGAIN);
	ck_assert_int_eq(conc__writer_flush(&writer, ends[1]), 0);
	order_is(1, 0, "small");
	ck_assert_int_eq(put_order(1, "\x1F\x26\x2D\x34\x3B\x42\x49\x50\x57", 9, "small"), 0);
	ck_assert_int_eq(conc__writer_flush(&writer, ends[1]), 0);
	ck_assert_int_eq(put_order(2, NULL, 0, name), 0);
	pass(0, name);
	free(name);
}
END_TEST

/* --- both block --- */

START_TEST(the_other_side_is_gone)
{
	struct sigaction ignore = {.sa_handler = SIG_IGN}, old;
	char bytes[10] = "abc";

	open_pipe();
	ck_assert_int_eq(conc__write_whole(ends[1], bytes, 3), 0);
	close_writer();
	ck_assert_int_eq(conc__read_whole(ends[0], bytes, 4), -EPIPE);
	ck_assert_int_eq(conc__read_whole(ends[0], bytes, 0), 0);
	close_pipe();
	ck_assert_int_eq(conc__read_whole(ends[0], bytes, 1), -EBADF);

	sigaction(SIGPIPE, &ignore, &old);
	open_pipe();
	conc__close(ends[0]);
	ck_assert_int_eq(conc__write_whole(ends[1], bytes, 3), -EPIPE);
	sigaction(SIGPIPE, &old, NULL);
	conc__close(ends[1]);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("wire");
	TCase *tc = new_case(s, "orders");

	tcase_add_checked_fixture(tc, open_task_pipe, close_task_pipe);
	tcase_add_test(tc, orders_are_copied_until_there_is_no_room);
	tcase_add_test(tc, large_arguments_are_borrowed);
	tcase_add_test(tc, large_arguments_can_be_given);
	tcase_add_test(tc, names_may_be_of_any_length);
	tc = new_case(s, "ends");
	tcase_add_test(tc, the_other_side_is_gone);
	return run_suite(s);
}
