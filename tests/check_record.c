/* SPDX-License-Identifier: MIT */
/*
 * A log record on the wire: as bytes and back, nonsense, and what a worker process
 * sends between its reports.
 */
#include "base/hook.h"
#include "tests/zygote.h"

static char text[CONC__LOG_MESSAGE + 10];

static void
send_record(int fd, size_t length)
{
	memset(text, 'm', sizeof text - 1);
	text[length] = 0;
	ck_assert_int_eq(conc__record_write(fd,
			     &(conc_log_record){.time = (int64_t)length * 1000,
				 .thread = "crew-3",
				 .message = text,
				 .level = CONC_LOG_ERROR,
				 .pid = 77,
				 .worker = 3}),
	    0);
}

START_TEST(bytes_and_back)
{
	static const size_t lengths[] = {0, 1, 7, 500, 3900, 4005, 4006, 4007, 4008, 4009, 4096,
	    16382, 16383, 16384, 16390};
	struct conc__reader reader = {0};
	int ends[2];

	ck_assert_int_eq(conc__pipe(ends), 0);
	ck_assert_int_eq(conc__nonblocking(ends[0]), 0);
	for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
		size_t length = lengths[i] < 16384 ? lengths[i] : 16383;
		conc_log_record record;
		const void *payload;

		send_record(ends[1], lengths[i]);
		ck_assert_int_eq(conc__reader_drain(&reader, ends[0], &payload), 1);
		ck_assert_uint_eq(reader.head.type, CONC__REPORT_LOG);
		ck_assert_uint_eq(reader.head.seq, 0);
		ck_assert(conc__record_read(payload, (size_t)reader.head.size, &record));
		ck_assert_int_eq(record.time, (int64_t)lengths[i] * 1000);
		ck_assert_str_eq(record.thread, "crew-3");
		ck_assert_uint_eq(strlen(record.message), length);
		ck_assert_uint_eq(strspn(record.message, "m"), length);
		ck_assert_int_eq(record.level, CONC_LOG_ERROR);
		ck_assert_int_eq(record.pid, 77);
		ck_assert_int_eq(record.worker, 3);
		ck_assert_int_eq(record.repeated, 0);
		ck_assert_int_eq(
		    conc__reader_drain(&reader, ends[0], &payload), -EAGAIN);
	}
	conc__reader_fini(&reader);
	conc__close(ends[0]);
	conc__close(ends[1]);
}
END_TEST

static struct {
	struct conc__logged head;
	char message[8];
} sent;

static bool
is_sound(void)
{
	conc_log_record record;

	return conc__record_read(&sent, sizeof sent.head + 6, &record);
}

static void
make_sound(void)
{
	sent.head = (struct conc__logged){.time = 1,
	    .level = CONC_LOG_INFO,
	    .pid = 2,
	    .worker = -1,
	    .length = 5,
	    .thread = "t"};
	memcpy(sent.message, "hello\0xx", 8);
	ck_assert(is_sound());
}

#define IS_NONSENSE(change)                                                                    \
	do {                                                                                   \
		make_sound();                                                                  \
		change;                                                                        \
		ck_assert(!is_sound());                                                        \
	} while (0)

START_TEST(nonsense_is_refused)
{
	conc_log_record record;

	IS_NONSENSE(sent.head.time = -1);
	IS_NONSENSE(sent.head.level = CONC_LOG_NONE);
	IS_NONSENSE(sent.head.level = -1);
	IS_NONSENSE(sent.head.pid = 0);
	IS_NONSENSE(sent.head.worker = -2);
	IS_NONSENSE(sent.head.length = 4);
	IS_NONSENSE(sent.head.length = 6);
	IS_NONSENSE(sent.head.length = UINT32_MAX);
	IS_NONSENSE(memset(sent.head.thread, 't', sizeof sent.head.thread));
	IS_NONSENSE(sent.message[5] = 'x');
	IS_NONSENSE(sent.message[2] = 0);
	make_sound();
	ck_assert(!conc__record_read(NULL, 10, &record));
	for (size_t size = 0; size < sizeof sent; size++)
		ck_assert_int_eq(conc__record_read(&sent, size, &record),
		    size == sizeof sent.head + 6);
}
END_TEST

static int
log_and_fail(const void *arg, void *result)
{
	(void)arg, (void)result;
	conc_log(CONC_LOG_WARNING, "one");
	conc_log(CONC_LOG_INFO, "below the level");
	conc_log(CONC_LOG_ERROR, "two");
	return conc_raise(-EIO, "no");
}

static void
log_fini(void *user)
{
	(void)user;
	conc_log(CONC_LOG_WARNING, "fini");
}

static int
log_init(void *user)
{
	(void)user;
	conc_log(CONC_LOG_WARNING, "init");
	return 0;
}

static void
says(struct worker *w, const char *message)
{
	conc_log_record record;
	const void *payload;

	ck_assert_uint_eq(report(w, &payload)->type, CONC__REPORT_LOG);
	ck_assert(conc__record_read(payload, (size_t)w->reader.head.size, &record));
	ck_assert_str_eq(record.message, message);
	ck_assert_int_eq(record.pid, w->pid);
	ck_assert_int_eq(record.worker, w->slot);
}

START_TEST(a_worker_sends_records_between_reports)
{
	struct conc__order bye = {.type = CONC__ORDER_BYE};
	struct worker w;

	plan.init = log_init;
	plan.fini = log_fini;
	open_zygote();
	w = spawn_only(2);
	says(&w, "init");
	ck_assert_uint_eq(report(&w, NULL)->type, CONC__REPORT_READY);
	for (int i = 0; i < 3; i++) {
		order(&w, log_and_fail, NULL, 0, 0);
		says(&w, "one");
		says(&w, "two");
		conc_exception_release(failure(&w, CONC__REPORT_FAILURE));
	}
	push(w.fds[CONC__TASKS_WRITE], &bye, sizeof bye);
	says(&w, "fini");
	ck_assert_int_eq(bury(&w).exit_status, 0);
	close_zygote();
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("record");
	TCase *tc = new_case(s, "bytes");

	tcase_add_test(tc, bytes_and_back);
	tcase_add_test(tc, nonsense_is_refused);
	tc = new_case(s, "worker");
	tcase_add_test(tc, a_worker_sends_records_between_reports);
	return run_suite(s);
}
