/* SPDX-License-Identifier: MIT */
/*
 * What the host reads of a worker's reports.
 */
#include "base/hook.h"
#include "base/memory.h"
#include "process/wire.h"
#include "tests/wire.h"
#include <stdalign.h>

/* A worker that sends nonsense announces payloads of any size: those are refused memory. */
#define EXPORT __attribute__((visibility("default")))

EXPORT const char *__asan_default_options(void);
const char *
__asan_default_options(void)
{
	return "allocator_may_return_null=1:max_allocation_size_mb=64";
}

EXPORT const char *__tsan_default_options(void);
const char *
__tsan_default_options(void)
{
	return "allocator_may_return_null=1:max_allocation_size_mb=64";
}

static struct conc__reader reader;

static void
open_report_pipe(void)
{
	open_pipe();
	ck_assert_int_eq(conc__nonblocking(ends[0]), 0);
	reader = (struct conc__reader){0};
}

static void
close_report_pipe(void)
{
	conc__reader_fini(&reader);
	close_pipe();
}

static struct conc__report
result_of(uint64_t seq, size_t size)
{
	return (struct conc__report){
	    .type = CONC__REPORT_ROOM, .seq = seq, .ran = (int64_t)seq * 10, .size = size};
}

static void
send_report(uint64_t seq, size_t size)
{
	struct conc__report r = result_of(seq, size);
	unsigned char *payload = make_payload(seq, size);

	ck_assert_int_eq(conc__report_write(ends[1], &r, payload), 0);
	free(payload);
}

/* The reader has served this report, whole and aligned. */
static void
is_report(const struct conc__reader *r, const unsigned char *payload, uint64_t seq, size_t size)
{
	struct conc__report want = result_of(seq, size);

	ck_assert_mem_eq(&r->head, &want, sizeof want);
	ck_assert_int_eq(payload == NULL, size == 0);
	ck_assert_uint_eq((uintptr_t)payload % alignof(max_align_t), 0);
	for (size_t i = 0; i < size; i++)
		if (payload[i] != byte_of(seq, i))
			ck_abort_msg("report %d: byte %zu is wrong", (int)seq, i);
}

static void
next_is(uint64_t seq, size_t size)
{
	const void *payload;

	ck_assert_int_eq(conc__reader_next(&reader, ends[0], &payload), 1);
	is_report(&reader, payload, seq, size);
}

static int
next_code(void)
{
	const void *payload;

	return conc__reader_next(&reader, ends[0], &payload);
}

START_TEST(reports_of_all_small_sizes)
{
	ck_assert_int_eq(next_code(), -EAGAIN);
	for (size_t size = 0; size < 100; size++)
		send_report(size + 1, size);
	for (size_t size = 0; size < 100; size++) {
		next_is(size + 1, size);
		ck_assert_ptr_null(conc__reader_take(&reader));
	}
	ck_assert_int_eq(next_code(), -EAGAIN);
}
END_TEST

/* What one read brought is served without another; drain reads to the end. */
START_TEST(one_read_serves_many)
{
	const void *payload;

	send_report(1, 5);
	send_report(2, 6);
	next_is(1, 5);
	send_report(3, 7);
	next_is(2, 6);
	ck_assert_int_eq(next_code(), -EAGAIN);
	next_is(3, 7);
	send_report(4, 8);
	ck_assert_int_eq(conc__reader_drain(&reader, ends[0], &payload), 1);
	is_report(&reader, payload, 4, 8);
	ck_assert_int_eq(conc__reader_drain(&reader, ends[0], &payload), -EAGAIN);
}
END_TEST

START_TEST(a_report_may_come_byte_by_byte)
{
	struct conc__report r = result_of(9, 11);
	unsigned char frame[sizeof r + 11], *payload = make_payload(9, 11);

	memcpy(frame, &r, sizeof r);
	memcpy(frame + sizeof r, payload, 11);
	free(payload);
	for (size_t i = 0; i < sizeof frame; i++) {
		ck_assert_int_eq(next_code(), -EAGAIN);
		ck_assert_int_eq(conc__write(ends[1], frame + i, 1), 1);
	}
	next_is(9, 11);
	ck_assert_int_eq(next_code(), -EAGAIN);
}
END_TEST

static const size_t sizes[] = {CONC__READER_SIZE - sizeof(struct conc__report) - 1,
    CONC__READER_SIZE - sizeof(struct conc__report),
    CONC__READER_SIZE - sizeof(struct conc__report) + 1, 1000003};
enum { SIZES = sizeof sizes / sizeof sizes[0] };

static void *
send_large(void *arg)
{
	for (int i = 0; i < SIZES; i++) {
		send_report(2 * (uint64_t)i + 1, 3);
		send_report(2 * (uint64_t)i + 2, sizes[i]);
	}
	return arg;
}

/* Wait until there is something to read. */
static void
poll_reader(void)
{
	struct conc__poll p = {.fd = ends[0], .wanted = CONC__READABLE};
	int rc;

	do
		rc = conc__poll(&p, 1, CONC_FOREVER);
	while (rc == -EINTR);
	ck_assert_int_eq(rc, 1);
}

START_TEST(large_payloads_have_blocks_of_their_own)
{
	pthread_t thread;
	int taken = 0;

	ck_assert_int_eq(pthread_create(&thread, NULL, send_large, NULL), 0);
	for (uint64_t n = 1; n <= 2 * SIZES;) {
		const void *payload;
		int rc = conc__reader_next(&reader, ends[0], &payload);
		unsigned char *block;

		if (rc == -EAGAIN) {
			poll_reader();
			continue;
		}
		ck_assert_int_eq(rc, 1);
		is_report(&reader, payload, n, n % 2 == 1 ? 3 : sizes[n / 2 - 1]);
		if (n++ == 6)
			continue; /* left to the reader */
		block = conc__reader_take(&reader);
		taken += block != NULL;
		ck_assert(block == NULL || block == payload);
		ck_assert_ptr_null(conc__reader_take(&reader));
		conc__free(block);
	}
	ck_assert_int_eq(taken, 1); /* the last; the two that fit in the buffer are not */
	ck_assert_int_eq(pthread_join(thread, NULL), 0);
}
END_TEST

START_TEST(what_is_torn_is_never_whole)
{
	struct conc__report r = result_of(7, 100);
	char frame[sizeof r + 100] = {0};

	memcpy(frame, &r, sizeof r);
	for (size_t size = 0; size < sizeof frame; size++) {
		close_report_pipe();
		open_report_pipe();
		send_report(1, 3);
		ck_assert_int_eq(conc__write_whole(ends[1], frame, size), 0);
		close_writer();
		next_is(1, 3);
		ck_assert_int_eq(next_code(), -EAGAIN);
		ck_assert_int_eq(next_code(), -EPIPE);
		ck_assert_int_eq(next_code(), -EPIPE);
	}
	r = result_of(8, 1000000); /* and a large one; fini frees what came of it */
	close_report_pipe();
	open_report_pipe();
	ck_assert_int_eq(conc__write_whole(ends[1], &r, sizeof r), 0);
	ck_assert_int_eq(next_code(), -EAGAIN);
	ck_assert_int_eq(conc__write_whole(ends[1], frame, sizeof frame), 0);
	ck_assert_int_eq(next_code(), -EAGAIN);
	close_writer();
	ck_assert_int_eq(next_code(), -EPIPE);
}
END_TEST

START_TEST(nonsense_is_told)
{
	static const struct conc__report wrong[] = {
	    {.type = 0}, {.type = CONC__REPORT_TYPES}, {.type = UINT32_MAX},
	    {.type = CONC__REPORT_RESULT, .size = (uint64_t)PTRDIFF_MAX / 2 + 1},
	    {.type = CONC__REPORT_RESULT, .size = UINT64_MAX},
	    {.type = CONC__REPORT_RESULT, .ran = -1},
	    {.type = CONC__REPORT_RESULT, .ran = INT64_MAX},
	    {.type = CONC__REPORT_READY, .size = 1},
	    {.type = CONC__REPORT_CANCELLED, .size = 1},
	    {.type = CONC__REPORT_DONE, .size = 8},
	    {.type = CONC__REPORT_FAILURE}, {.type = CONC__REPORT_INIT_FAILED, .size = 4},
	    {.type = CONC__REPORT_ITEM_FAILURE}, {.type = CONC__REPORT_LOG},
	    {.type = CONC__REPORT_LOG, .size = sizeof(struct conc__logged)},
	    {.type = CONC__REPORT_LOG,
		.size = sizeof(struct conc__logged) + CONC__LOG_MESSAGE + 1}};

	for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
		close_report_pipe();
		open_report_pipe();
		send_report(1, 3);
		ck_assert_int_eq(conc__write_whole(ends[1], &wrong[i], sizeof wrong[i]), 0);
		next_is(1, 3);
		ck_assert_int_eq(next_code(), CONC_ECORRUPT);
	}
}
END_TEST

/* Look at all bytes that the reader gives out: a sanitizer watches. */
static unsigned
look(const unsigned char *p, size_t size)
{
	unsigned sum = 0;

	for (size_t i = 0; p != NULL && i < size; i++)
		sum += p[i];
	return sum;
}

/* Reports with some bytes changed, in pieces: there is an end, and no bad access before. */
START_TEST(any_bytes_are_read_safely)
{
	enum { SIZE = 20000 };
	static unsigned char stream[SIZE];

	for (int n = 0; n < 20 * seeds(); n++) {
		uint32_t seed = seed_start(n);
		size_t end = 0, sent = 0;
		const void *payload;
		int rc;

		close_report_pipe();
		open_report_pipe();
		for (;;) {
			struct conc__report r = {.code = -5,
			    .type = 1 + random_below(&seed, CONC__REPORT_TYPES),
			    .size = random_below(&seed, 8) ? 0 : random_below(&seed, 5000)};

			if (end + sizeof r + r.size > SIZE)
				break;
			memcpy(stream + end, &r, sizeof r);
			end += sizeof r;
			for (uint64_t i = 0; i < r.size; i++)
				stream[end++] = (unsigned char)i;
		}
		for (uint32_t i = random_below(&seed, 6); i > 0; i--)
			stream[random_below(&seed, (uint32_t)end)] =
			    (unsigned char)random_below(&seed, 256);
		do {
			size_t piece = random_below(&seed, 8192);

			piece = piece < end - sent ? piece : end - sent;
			ck_assert_int_eq(
			    conc__write_whole(ends[1], stream + sent, piece), 0);
			sent += piece;
			if (sent == end && ends[1] >= 0)
				close_writer();
			while ((rc = conc__reader_drain(&reader, ends[0], &payload)) == 1)
				look(payload, reader.head.size);
		} while (rc == -EAGAIN);
		ck_assert(rc == -EPIPE || rc == CONC_ECORRUPT);
	}
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("reader");
	TCase *tc = new_case(s, "reports");

	tcase_add_checked_fixture(tc, open_report_pipe, close_report_pipe);
	tcase_add_test(tc, reports_of_all_small_sizes);
	tcase_add_test(tc, one_read_serves_many);
	tcase_add_test(tc, a_report_may_come_byte_by_byte);
	tcase_add_test(tc, large_payloads_have_blocks_of_their_own);
	tcase_add_test(tc, what_is_torn_is_never_whole);
	tcase_add_test(tc, nonsense_is_told);
	tcase_add_test(tc, any_bytes_are_read_safely);
	return run_suite(s);
}
