/* SPDX-License-Identifier: MIT */
/*
 * Exceptions as bytes, and back.
 */
#include "base/memory.h"
#include "base/raise.h"
#include "process/wire.h"
#include "tests/common.h"

static conc_exception *
compose(int code, int pid, const conc_exception *cause, const char *message)
{
	return conc__exception_compose(&(struct conc__exception_parts){.code = code,
	    .line = 12,
	    .pid = pid,
	    .file = "db.c",
	    .function = code != 2 ? "open_db" : NULL,
	    .task = code != 2 ? "job" : NULL,
	    .message = message,
	    .cause = cause});
}

/* An exception with n causes, codes n + 1 to 1; the last one raised elsewhere. */
static conc_exception *
make_chain(int n)
{
	conc_exception *e = compose(1, 77, NULL, "root");

	for (int i = 2; i <= n + 1; i++) {
		conc_exception *cause = e;

		e = compose(i, 0, cause, "");
		conc_exception_release(cause);
	}
	return e;
}

/* Through bytes and back; takes e. */
static conc_exception *
travel(conc_exception *e)
{
	int code = conc_exception_code(e);
	size_t size = 0;
	void *bytes = conc__exception_pack(e, &size);

	ck_assert_ptr_nonnull(bytes);
	ck_assert_uint_gt(size, 0);
	conc_exception_release(e);
	e = conc__exception_unpack(bytes, size, code);
	conc__free(bytes);
	ck_assert_ptr_nonnull(e);
	return e;
}

START_TEST(all_of_it_travels)
{
	conc_exception *e = travel(make_chain(2));
	const conc_exception *c = e;

	ck_assert_int_eq(conc_exception_code(c), 3);
	ck_assert_str_eq(conc_exception_message(c), "");
	ck_assert_str_eq(conc_exception_file(c), "db.c");
	ck_assert_int_eq(conc_exception_line(c), 12);
	ck_assert_str_eq(conc_exception_function(c), "open_db");
	ck_assert_str_eq(conc_exception_task(c), "job");
	ck_assert_int_eq(conc_exception_pid(c), getpid());
	c = conc_exception_cause(c);
	ck_assert_int_eq(conc_exception_code(c), 2);
	ck_assert_str_eq(conc_exception_file(c), "db.c");
	ck_assert_ptr_null(conc_exception_function(c));
	ck_assert_ptr_null(conc_exception_task(c));
	c = conc_exception_cause(c);
	ck_assert_int_eq(conc_exception_code(c), 1);
	ck_assert_str_eq(conc_exception_message(c), "root");
	ck_assert_int_eq(conc_exception_pid(c), 77);
	ck_assert_ptr_null(conc_exception_cause(c));
	conc_exception_release(e);
}
END_TEST

static int sender, receiver; /* the ends of a pipe */

static void
pack_in_child(void)
{
	conc_exception *e = make_chain(1);
	size_t size;
	void *bytes = conc__exception_pack(e, &size);

	ck_assert_int_eq(write(sender, bytes, size), (int)size);
	conc__free(bytes);
	conc_exception_release(e);
}

START_TEST(it_knows_its_process)
{
	char bytes[1000];
	conc_exception *e;
	int ends[2];
	ssize_t size;

	ck_assert_int_eq(pipe(ends), 0);
	receiver = ends[0];
	sender = ends[1];
	ck_assert_int_eq(run_in_child(pack_in_child), 0);
	size = read(receiver, bytes, sizeof bytes);
	ck_assert_int_gt(size, 0);
	e = conc__exception_unpack(bytes, (size_t)size, 2);
	ck_assert_int_gt(conc_exception_pid(e), 0);
	ck_assert_int_ne(conc_exception_pid(e), getpid());
	ck_assert_int_eq(conc_exception_pid(conc_exception_cause(e)), 77);
	conc_exception_release(e);
	close(sender);
	close(receiver);
}
END_TEST

static int
length(const conc_exception *e)
{
	int n = 0;

	for (; e != NULL; e = conc_exception_cause(e))
		n++;
	return n;
}

START_TEST(long_chains_are_cut_at_the_root)
{
	for (int n = CONC__CHAIN - 1; n <= CONC__CHAIN + 2; n++) {
		conc_exception *e = travel(make_chain(n));

		ck_assert_int_eq(length(e), (n < CONC__CHAIN ? n : CONC__CHAIN) + 1);
		ck_assert_int_eq(conc_exception_code(e), n + 1);
		conc_exception_release(e);
	}
}
END_TEST

START_TEST(long_strings_travel)
{
	char *text = malloc(100001);
	conc_exception *e;

	memset(text, 'x', 100000);
	text[100000] = 0;
	e = travel(conc__exception_compose(&(struct conc__exception_parts){
	    .code = 5, .file = text, .task = text, .message = text}));
	ck_assert_str_eq(conc_exception_file(e), text);
	ck_assert_str_eq(conc_exception_task(e), text);
	ck_assert_uint_eq(strlen(conc_exception_message(e)), 4095);
	conc_exception_release(e);
	free(text);
}
END_TEST

START_TEST(without_bytes_there_is_the_code)
{
	conc_exception *e = conc__exception_unpack(NULL, 0, -ENOENT);

	ck_assert_int_eq(conc_exception_code(e), -ENOENT);
	ck_assert_str_eq(conc_exception_message(e), conc_strerror(-ENOENT));
	conc_exception_release(e);
}
END_TEST

/* Cut anywhere, prolonged, or of another code: nothing of it is believed. */
START_TEST(what_is_not_whole_is_refused)
{
	conc_exception *e = make_chain(2);
	size_t size;
	char *bytes = conc__exception_pack(e, &size), *part;

	for (size_t n = 0; n <= size + 1; n++) {
		conc_exception *got;

		part = calloc(1, n != 0 ? n : 1);
		memcpy(part, bytes, n < size ? n : size);
		got = conc__exception_unpack(part, n, 3);
		ck_assert_int_eq(got != NULL, n == size);
		conc_exception_release(got);
		ck_assert_ptr_null(conc__exception_unpack(part, n, 4));
		free(part);
	}
	conc__free(bytes);
	conc_exception_release(e);
}
END_TEST

/* With some bytes changed, it is refused, or is an exception that can be told. */
START_TEST(any_bytes_are_unpacked_safely)
{
	conc_exception *e = make_chain(3);
	size_t size;
	char *bytes = conc__exception_pack(e, &size), *changed = malloc(size), text[4000];
	int refused = 0, n = 200 * seeds();

	for (int i = 0; i < n; i++) {
		uint32_t seed = seed_start(i);
		conc_exception *got;

		memcpy(changed, bytes, size);
		for (uint32_t k = 1 + random_below(&seed, 3); k > 0; k--)
			changed[random_below(&seed, (uint32_t)size)] =
			    (char)random_below(&seed, 256);
		got = conc__exception_unpack(changed, size, 4);
		refused += got == NULL;
		if (got == NULL)
			continue;
		ck_assert_int_eq(conc_exception_code(got), 4);
		ck_assert_int_gt(conc_exception_format(got, text, sizeof text), 0);
		conc_exception_release(got);
	}
	ck_assert_int_gt(refused, 0);
	ck_assert_int_lt(refused, n);
	free(changed);
	conc__free(bytes);
	conc_exception_release(e);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("pack");
	TCase *tc = new_case(s, "pack");

	tcase_add_test(tc, all_of_it_travels);
	tcase_add_test(tc, it_knows_its_process);
	tcase_add_test(tc, long_chains_are_cut_at_the_root);
	tcase_add_test(tc, long_strings_travel);
	tcase_add_test(tc, without_bytes_there_is_the_code);
	tcase_add_test(tc, what_is_not_whole_is_refused);
	tcase_add_test(tc, any_bytes_are_unpacked_safely);
	return run_suite(s);
}
