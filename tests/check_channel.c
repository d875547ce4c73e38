/* SPDX-License-Identifier: MIT */
/*
 * Channels and the descriptors that go through them, on base.
 */
#include "base/process.h"
#include "tests/common.h"
#include <fcntl.h>
#include <signal.h>

struct pair {
	int ends[2];
};

static struct pair
channel(void)
{
	struct pair c;

	ck_assert_int_eq(conc__channel(c.ends), 0);
	return c;
}

static void
close_channel(struct pair c)
{
	conc__close(c.ends[0]);
	conc__close(c.ends[1]);
}

static void
check_flags(int fd)
{
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(fcntl(fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
}

/* Receive without descriptors; what did not come stays 77. */
static int64_t
receive(int fd, void *buf, size_t size)
{
	size_t n = 77;
	int64_t got = conc__channel_receive(fd, buf, size, NULL, 0, &n);

	ck_assert_uint_eq(n, got >= 0 ? 0 : 77);
	return got;
}

START_TEST(channel_keeps_messages_apart)
{
	struct pair c = channel();
	char buf[16];

	for (int i = 0; i < 2; i++) {
		check_flags(c.ends[i]);
		ck_assert_int_eq(conc__channel_send(c.ends[i], "hello", 5, NULL, 0), 0);
		ck_assert_int_eq(conc__channel_send(c.ends[i], "you", 3, NULL, 0), 0);
		ck_assert_int_eq(receive(c.ends[1 - i], buf, sizeof buf), 5);
		ck_assert_mem_eq(buf, "hello", 5);
		ck_assert_int_eq(receive(c.ends[1 - i], buf, 3), 3);
		ck_assert_mem_eq(buf, "you", 3);
	}
	close_channel(c);
}
END_TEST

START_TEST(channel_errors)
{
	struct pair c = channel();
	char byte = 0;
	size_t n;
	int fds[5] = {c.ends[0], c.ends[0], c.ends[0], c.ends[0], c.ends[0]};

	ck_assert_int_eq(conc__channel_send(c.ends[0], "", 0, NULL, 0), -EINVAL);
	ck_assert_int_eq(conc__channel_send(c.ends[0], "x", 1, fds, 5), -EINVAL);
	ck_assert_int_eq(conc__channel_send(-1, "x", 1, NULL, 0), -EBADF);
	ck_assert_int_eq(conc__channel_send(c.ends[0], "x", 1, &(int){-1}, 1), -EBADF);
	ck_assert_int_eq(conc__channel_receive(-1, &byte, 1, NULL, 0, &n), -EBADF);
	close_channel(c);
}
END_TEST

START_TEST(channel_carries_descriptors)
{
	struct pair c = channel();
	int before = descriptor_count(), pipe[2], got[CONC__CHANNEL_FDS];
	char buf[8];
	size_t n;

	ck_assert_int_eq(conc__pipe(pipe), 0);
	ck_assert_int_eq(conc__channel_send(c.ends[0], "two", 3, pipe, 2), 0);
	conc__close(pipe[0]);
	conc__close(pipe[1]);
	ck_assert_int_eq(conc__channel_receive(c.ends[1], buf, sizeof buf, got, 4, &n), 3);
	ck_assert_uint_eq(n, 2);
	check_flags(got[0]);
	check_flags(got[1]);
	ck_assert_int_eq(conc__write(got[1], "through", 7), 7);
	ck_assert_int_eq(conc__read(got[0], buf, sizeof buf), 7);
	/* As many as there may be; nothing is left of those that are not wanted. */
	ck_assert_int_eq(
	    conc__channel_send(c.ends[0], "x", 1, (int[]){got[0], got[1], 0, 1}, 4), 0);
	conc__close(got[0]);
	conc__close(got[1]);
	ck_assert_int_eq(conc__channel_receive(c.ends[1], buf, sizeof buf, got, 1, &n), 1);
	ck_assert_uint_eq(n, 1);
	ck_assert_int_eq(descriptor_count(), before + 1);
	conc__close(got[0]);
	/* They go with a message that is too long, too, and with a channel. */
	ck_assert_int_eq(conc__channel_send(c.ends[0], "long", 4, (int[]){0, 1, 2}, 3), 0);
	ck_assert_int_eq(conc__channel_receive(c.ends[1], buf, 3, got, 4, &n), -EMSGSIZE);
	ck_assert_int_eq(conc__channel_send(c.ends[0], "x", 1, (int[]){0}, 1), 0);
	ck_assert_int_eq(descriptor_count(), before);
	close_channel(c);
}
END_TEST

START_TEST(channel_keeps_files_open_on_their_way)
{
	struct pair c = channel();
	int pipe[2];
	char byte;

	ck_assert_int_eq(conc__pipe(pipe), 0);
	ck_assert_int_eq(conc__nonblocking(pipe[0]), 0);
	ck_assert_int_eq(conc__channel_send(c.ends[0], "x", 1, &pipe[1], 1), 0);
	conc__close(pipe[1]);
	ck_assert_int_eq(conc__read(pipe[0], &byte, 1), -EAGAIN);
	close_channel(c);
	ck_assert_int_eq(conc__read(pipe[0], &byte, 1), 0);
	conc__close(pipe[0]);
}
END_TEST

START_TEST(channel_eagain)
{
	struct pair c = channel();
	struct conc__poll p = {.fd = c.ends[0], .wanted = CONC__WRITABLE};
	char buf[1000] = {0};
	int rc, sent = 0;

	for (int i = 0; i < 2; i++)
		ck_assert_int_eq(conc__nonblocking(c.ends[i]), 0);
	ck_assert_int_eq(receive(c.ends[1], buf, sizeof buf), -EAGAIN);
	while ((rc = conc__channel_send(c.ends[0], buf, sizeof buf, NULL, 0)) == 0)
		sent++;
	ck_assert_int_eq(rc, -EAGAIN);
	ck_assert_int_ge(sent, 8);
	ck_assert_int_eq(conc__poll(&p, 1, CONC_NOW), 0);
	for (; sent > 0; sent--)
		ck_assert_int_eq(receive(c.ends[1], buf, sizeof buf), sizeof buf);
	ck_assert_int_eq(receive(c.ends[1], buf, sizeof buf), -EAGAIN);
	ck_assert_int_eq(conc__poll(&p, 1, CONC_FOREVER), 1);
	ck_assert_int_eq(p.ready, CONC__WRITABLE);
	close_channel(c);
}
END_TEST

/* What was sent before the end comes; whatever the other side left unread. */
START_TEST(channel_tells_its_end)
{
	for (int unread = 0; unread < 2; unread++) {
		struct pair c = channel();
		struct conc__poll p = {.fd = c.ends[0], .wanted = CONC__READABLE};
		char buf[8];

		if (unread)
			ck_assert_int_eq(conc__channel_send(c.ends[0], "x", 1, NULL, 0), 0);
		ck_assert_int_eq(conc__channel_send(c.ends[1], "last", 4, NULL, 0), 0);
		ck_assert_int_eq(conc__poll(&p, 1, CONC_FOREVER), 1);
		ck_assert_int_eq(p.ready, CONC__READABLE);
		conc__close(c.ends[1]);
		ck_assert_int_eq(conc__poll(&p, 1, CONC_FOREVER), 1);
		ck_assert_int_eq(p.ready, CONC__READABLE | CONC__HANGUP);
		ck_assert_int_eq(receive(c.ends[0], buf, sizeof buf), 4);
		ck_assert_int_eq(receive(c.ends[0], buf, sizeof buf), 0);
		ck_assert_int_eq(receive(c.ends[0], buf, sizeof buf), 0);
		ck_assert_int_eq(conc__channel_send(c.ends[0], "x", 1, NULL, 0), -EPIPE);
		conc__close(c.ends[0]);
	}
}
END_TEST

/* Sent before received: the first error is the reset, which is an end like another. */
START_TEST(channel_epipe_without_a_signal)
{
	struct pair c = channel();
	char buf[8];

	ck_assert_int_eq(conc__channel_send(c.ends[0], "x", 1, NULL, 0), 0);
	conc__close(c.ends[1]);
	for (int i = 0; i < 2; i++)
		ck_assert_int_eq(conc__channel_send(c.ends[0], "x", 1, NULL, 0), -EPIPE);
	ck_assert_int_eq(receive(c.ends[0], buf, sizeof buf), 0);
	conc__close(c.ends[0]);
}
END_TEST

/* It makes limits up, but not for sockets: there is no EMFILE. */
static bool
under_valgrind(void)
{
	const char *preloaded = getenv("LD_PRELOAD");

	return preloaded != NULL && strstr(preloaded, "vgpreload") != NULL;
}

START_TEST(channel_emfile)
{
	int ends[2] = {-7, -7}, got[2] = {-7, -7}, free_one;
	rlim_t before;
	struct pair c;
	char byte;
	size_t n;

	if (under_valgrind())
		return;
	c = channel();
	ck_assert_int_eq(conc__channel_send(c.ends[0], "x", 1, (int[]){0, 1}, 2), 0);
	free_one = open("/dev/null", O_RDONLY | O_CLOEXEC);
	ck_assert_int_ge(free_one, 0);
	close(free_one); /* one is left, and a channel takes two */
	before = limit_descriptors((rlim_t)free_one + 1);
	ck_assert_int_eq(conc__channel(ends), -EMFILE);
	ck_assert_int_eq(ends[0], -7);
	ck_assert_int_eq(ends[1], -7);
	/* The message comes, with as many as there is room for. */
	ck_assert_int_eq(conc__channel_receive(c.ends[1], &byte, 1, got, 2, &n), 1);
	ck_assert_uint_eq(n, 1);
	ck_assert_int_eq(got[0], free_one);
	ck_assert_int_eq(got[1], -7);
	limit_descriptors(before);
	conc__close(got[0]);
	close_channel(c);
}
END_TEST

static pthread_t interrupted;

static void
note_signal(int signal)
{
	(void)signal;
}

static void *
interrupt_it(void *arg)
{
	while (latch_count(arg) == 0) {
		pthread_kill(interrupted, SIGUSR1);
		sched_yield();
	}
	return NULL;
}

START_TEST(channel_eintr)
{
	struct sigaction action = {.sa_handler = note_signal}, old;
	struct latch done = LATCH;
	struct pair c = channel();
	char buf[1000] = {0};
	pthread_t thread;
	int rc;

	ck_assert_int_eq(sigaction(SIGUSR1, &action, &old), 0);
	interrupted = pthread_self();
	ck_assert_int_eq(pthread_create(&thread, NULL, interrupt_it, &done), 0);
	ck_assert_int_eq(receive(c.ends[0], buf, sizeof buf), -EINTR);
	do /* until it is full */
		rc = conc__channel_send(c.ends[0], buf, sizeof buf, NULL, 0);
	while (rc == 0);
	ck_assert_int_eq(rc, -EINTR);
	latch_set(&done);
	pthread_join(thread, NULL);
	sigaction(SIGUSR1, &old, NULL);
	close_channel(c);
}
END_TEST

static int
answer(void *arg)
{
	struct pair *c = arg;
	int pipe[2], number;
	size_t n;

	conc__close(c->ends[0]);
	while (conc__channel_receive(c->ends[1], &number, sizeof number, NULL, 0, &n) > 0) {
		if (conc__pipe(pipe) != 0 ||
		    conc__write(pipe[1], &number, sizeof number) != sizeof number ||
		    conc__channel_send(c->ends[1], "x", 1, pipe, 1) != 0)
			return 1;
		conc__close(pipe[0]);
		conc__close(pipe[1]);
	}
	return 0;
}

START_TEST(channel_between_processes)
{
	struct pair c = channel();
	struct conc__process_end end;
	int pid = conc__process_start(answer, &c), fd, number;
	char byte;
	size_t n;

	ck_assert_int_gt(pid, 0);
	conc__close(c.ends[1]);
	for (int i = 0; i < 100; i++) {
		ck_assert_int_eq(conc__channel_send(c.ends[0], &i, sizeof i, NULL, 0), 0);
		ck_assert_int_eq(conc__channel_receive(c.ends[0], &byte, 1, &fd, 1, &n), 1);
		ck_assert_uint_eq(n, 1);
		ck_assert_int_eq(conc__read(fd, &number, sizeof number), sizeof number);
		ck_assert_int_eq(number, i);
		ck_assert_int_eq(conc__read(fd, &number, sizeof number), 0);
		conc__close(fd);
	}
	conc__close(c.ends[0]);
	ck_assert_int_eq(conc__process_reap(pid, &end, 1), pid);
	ck_assert_int_eq(end.signal, 0);
	ck_assert_int_eq(end.exit_status, 0);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("channel");
	TCase *tc = new_case(s, "channel");

	tcase_add_test(tc, channel_keeps_messages_apart);
	tcase_add_test(tc, channel_errors);
	tcase_add_test(tc, channel_carries_descriptors);
	tcase_add_test(tc, channel_keeps_files_open_on_their_way);
	tcase_add_test(tc, channel_eagain);
	tcase_add_test(tc, channel_tells_its_end);
	tcase_add_test(tc, channel_epipe_without_a_signal);
	tcase_add_test(tc, channel_emfile);
	tcase_add_test(tc, channel_eintr);
	tcase_add_test(tc, channel_between_processes);
	return run_suite(s);
}
