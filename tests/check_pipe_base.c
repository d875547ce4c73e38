/* SPDX-License-Identifier: MIT */
/*
 * Pipes, descriptors and bells, on base.
 */
#include "base/clock.h"
#include "base/process.h"
#include "tests/common.h"
#include <fcntl.h>
#include <signal.h>

static void
check_flags(int fd)
{
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(fcntl(fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
}

/* --- pipes --- */

START_TEST(pipe_carries_bytes)
{
	char buf[16];
	int ends[2];

	ck_assert_int_eq(conc__pipe(ends), 0);
	check_flags(ends[0]);
	check_flags(ends[1]);
	ck_assert_int_eq(conc__write(ends[1], "hello", 5), 5);
	ck_assert_int_eq(conc__read(ends[0], buf, 2), 2);
	ck_assert_int_eq(conc__read(ends[0], buf + 2, sizeof buf - 2), 3);
	ck_assert_mem_eq(buf, "hello", 5);
	ck_assert_int_eq(conc__write(ends[1], "", 0), 0);
	ck_assert_int_eq(conc__close(ends[1]), 0);
	ck_assert_int_eq(conc__read(ends[0], buf, sizeof buf), 0);
	ck_assert_int_eq(conc__close(ends[0]), 0);
}
END_TEST

START_TEST(read_and_write_eagain)
{
	char buf[4096] = {0};
	int64_t put = 0, rc;
	int ends[2];

	ck_assert_int_eq(conc__pipe(ends), 0);
	ck_assert_int_eq(conc__nonblocking(ends[0]), 0);
	ck_assert_int_eq(conc__nonblocking(ends[1]), 0);
	ck_assert_int_eq(conc__read(ends[0], buf, sizeof buf), -EAGAIN);
	while ((rc = conc__write(ends[1], buf, sizeof buf)) > 0)
		put += rc;
	ck_assert_int_eq(rc, -EAGAIN);
	ck_assert_int_ge(put, 4096);
	conc__close(ends[0]);
	conc__close(ends[1]);
}
END_TEST

START_TEST(descriptors_ebadf)
{
	char byte = 0;

	ck_assert_int_eq(conc__read(-1, &byte, 1), -EBADF);
	ck_assert_int_eq(conc__write(-1, &byte, 1), -EBADF);
	ck_assert_int_eq(conc__close(-1), -EBADF);
	ck_assert_int_eq(conc__nonblocking(-1), -EBADF);
	ck_assert_int_eq(conc__pipe_resize(-1, 4096), -EBADF);
}
END_TEST

START_TEST(pipe_emfile)
{
	int ends[2] = {-7, -7}, free_one = open("/dev/null", O_RDONLY | O_CLOEXEC);
	rlim_t before;

	ck_assert_int_ge(free_one, 0);
	close(free_one); /* one is left, and a pipe takes two */
	before = limit_descriptors((rlim_t)free_one + 1);
	ck_assert_int_eq(conc__pipe(ends), -EMFILE);
	limit_descriptors(before);
	ck_assert_int_eq(ends[0], -7);
	ck_assert_int_eq(ends[1], -7);
}
END_TEST

static volatile sig_atomic_t pipes_broken;

static void
count_broken(int signal)
{
	(void)signal;
	pipes_broken++;
}

/* A pipe that nobody reads; its writing end. */
static int
broken_pipe(void)
{
	int ends[2];

	ck_assert_int_eq(conc__pipe(ends), 0);
	conc__close(ends[0]);
	return ends[1];
}

static bool
is_pending(void)
{
	sigset_t set;

	sigpending(&set);
	return sigismember(&set, SIGPIPE);
}

START_TEST(write_epipe_without_a_signal)
{
	sigset_t set, old;
	int fd = broken_pipe();

	/* At its default it would kill; handled, be counted; ignored, be nothing. */
	ck_assert_int_eq(conc__write(fd, "x", 1), -EPIPE);
	signal(SIGPIPE, count_broken);
	ck_assert_int_eq(conc__write(fd, "x", 1), -EPIPE);
	ck_assert_int_eq(pipes_broken, 0);
	pthread_sigmask(SIG_SETMASK, NULL, &old);
	ck_assert_int_eq(sigismember(&old, SIGPIPE), 0);
	signal(SIGPIPE, SIG_IGN);
	ck_assert_int_eq(conc__write(fd, "x", 1), -EPIPE);
	signal(SIGPIPE, count_broken);
	/* Blocked before: it is so afterwards, and none is pending. */
	sigemptyset(&set);
	sigaddset(&set, SIGPIPE);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	ck_assert_int_eq(conc__write(fd, "x", 1), -EPIPE);
	ck_assert(!is_pending());
	/* The program's own pending one stays. */
	raise(SIGPIPE);
	ck_assert_int_eq(conc__write(fd, "x", 1), -EPIPE);
	ck_assert(is_pending());
	ck_assert_int_eq(pipes_broken, 0);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	ck_assert_int_eq(pipes_broken, 1);
	signal(SIGPIPE, SIG_DFL);
	conc__close(fd);
}
END_TEST

START_TEST(pipe_holds_what_resize_says)
{
	char buf[4096] = {0};
	int64_t put = 0, rc;
	int ends[2], size;

	ck_assert_int_eq(conc__pipe(ends), 0);
	size = conc__pipe_resize(ends[1], 9000);
	ck_assert_int_ge(size, 9000);
	conc__nonblocking(ends[1]);
	while ((rc = conc__write(ends[1], buf, sizeof buf)) > 0)
		put += rc;
	ck_assert_int_eq(put, size);
	ck_assert_int_eq(conc__pipe_resize(ends[1], 4096), -EBUSY);
	conc__close(ends[0]);
	conc__close(ends[1]);
}
END_TEST

/* --- poll --- */

START_TEST(poll_tells_what_is_ready)
{
	struct conc__poll p[3];
	int ends[2];

	ck_assert_int_eq(conc__pipe(ends), 0);
	p[0] = (struct conc__poll){.fd = ends[0], .wanted = CONC__READABLE, .ready = 99};
	p[1] = (struct conc__poll){.fd = -1, .wanted = CONC__READABLE, .ready = 99};
	p[2] = (struct conc__poll){.fd = ends[1], .wanted = CONC__WRITABLE, .ready = 99};
	ck_assert_int_eq(conc__poll(p, 3, CONC_FOREVER), 1);
	ck_assert_int_eq(p[0].ready, 0);
	ck_assert_int_eq(p[1].ready, 0);
	ck_assert_int_eq(p[2].ready, CONC__WRITABLE);
	conc__write(ends[1], "x", 1);
	ck_assert_int_eq(conc__poll(p, 3, conc_after(CONC_S(1000))), 2);
	ck_assert_int_eq(p[0].ready, CONC__READABLE);
	conc__close(ends[1]);
	ck_assert_int_eq(conc__poll(p, 1, CONC_NOW), 1);
	ck_assert_int_eq(p[0].ready, CONC__READABLE | CONC__HANGUP);
	conc__close(ends[0]);
	p[2].fd = broken_pipe();
	p[2].wanted = 0;
	ck_assert_int_eq(conc__poll(p + 2, 1, CONC_FOREVER), 1);
	ck_assert_int_eq(p[2].ready, CONC__HANGUP);
	conc__close(p[2].fd);
}
END_TEST

START_TEST(poll_ends_at_the_deadline)
{
	conc_time end = conc_after_ms(3);
	struct conc__poll p = {.wanted = CONC__READABLE};
	int ends[2];

	ck_assert_int_eq(conc__pipe(ends), 0);
	p.fd = ends[0];
	ck_assert_int_eq(conc__poll(&p, 1, end), 0);
	ck_assert(conc__passed(end));
	ck_assert_int_eq(conc__poll(&p, 1, end), 0);
	ck_assert_int_eq(conc__poll(NULL, 0, CONC_NOW), 0);
	conc__close(ends[0]);
	conc__close(ends[1]);
}
END_TEST

START_TEST(poll_takes_many)
{
	struct conc__poll p[100];
	int ends[2];

	ck_assert_int_eq(conc__pipe(ends), 0);
	for (int i = 0; i < 100; i++)
		p[i] = (struct conc__poll){
		    .fd = i % 2 ? -1 : ends[1], .wanted = CONC__WRITABLE};
	ck_assert_int_eq(conc__poll(p, 100, CONC_FOREVER), 50);
	for (int i = 0; i < 100; i++)
		ck_assert_int_eq(p[i].ready, i % 2 ? 0 : CONC__WRITABLE);
	conc__close(ends[0]);
	conc__close(ends[1]);
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

START_TEST(poll_and_read_eintr)
{
	struct sigaction action = {.sa_handler = note_signal}, old;
	struct conc__poll p = {.wanted = CONC__READABLE};
	struct latch done = LATCH;
	pthread_t thread;
	int ends[2];
	char byte;

	ck_assert_int_eq(conc__pipe(ends), 0);
	p.fd = ends[0];
	ck_assert_int_eq(sigaction(SIGUSR1, &action, &old), 0);
	interrupted = pthread_self();
	ck_assert_int_eq(pthread_create(&thread, NULL, interrupt_it, &done), 0);
	ck_assert_int_eq(conc__poll(&p, 1, CONC_FOREVER), -EINTR);
	ck_assert_int_eq(conc__read(ends[0], &byte, 1), -EINTR);
	latch_set(&done);
	pthread_join(thread, NULL);
	sigaction(SIGUSR1, &old, NULL);
	conc__close(ends[0]);
	conc__close(ends[1]);
}
END_TEST

/* --- bells --- */

START_TEST(bell_rings_until_hushed)
{
	struct conc__poll p = {.fd = conc__bell(), .wanted = CONC__READABLE};

	check_flags(p.fd);
	ck_assert_int_eq(conc__poll(&p, 1, CONC_NOW), 0);
	conc__bell_hush(p.fd);
	ck_assert_int_eq(conc__poll(&p, 1, CONC_NOW), 0);
	for (int i = 0; i < 10000; i++)
		conc__bell_ring(p.fd);
	ck_assert_int_eq(conc__poll(&p, 1, CONC_FOREVER), 1);
	ck_assert_int_eq(p.ready, CONC__READABLE);
	ck_assert_int_eq(conc__poll(&p, 1, CONC_NOW), 1);
	conc__bell_hush(p.fd);
	ck_assert_int_eq(conc__poll(&p, 1, CONC_NOW), 0);
	conc__bell_ring(p.fd);
	ck_assert_int_eq(conc__poll(&p, 1, CONC_FOREVER), 1);
	ck_assert_int_eq(conc__close(p.fd), 0);
}
END_TEST

static void *
ring(void *arg)
{
	conc__bell_ring(*(int *)arg);
	return NULL;
}

START_TEST(bell_wakes_a_poll)
{
	struct conc__poll p = {.fd = conc__bell(), .wanted = CONC__READABLE};
	pthread_t thread;

	for (int i = 0; i < seeds(); i++) {
		ck_assert_int_eq(pthread_create(&thread, NULL, ring, &p.fd), 0);
		ck_assert_int_eq(conc__poll(&p, 1, CONC_FOREVER), 1);
		pthread_join(thread, NULL);
		conc__bell_hush(p.fd);
	}
	conc__close(p.fd);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("pipe_base");
	TCase *tc = new_case(s, "pipe");

	tcase_add_test(tc, pipe_carries_bytes);
	tcase_add_test(tc, read_and_write_eagain);
	tcase_add_test(tc, descriptors_ebadf);
	tcase_add_test(tc, pipe_emfile);
	tcase_add_test(tc, write_epipe_without_a_signal);
	tcase_add_test(tc, pipe_holds_what_resize_says);
	tc = new_case(s, "poll");
	tcase_add_test(tc, poll_tells_what_is_ready);
	tcase_add_test(tc, poll_ends_at_the_deadline);
	tcase_add_test(tc, poll_takes_many);
	tcase_add_test(tc, poll_and_read_eintr);
	tc = new_case(s, "bell");
	tcase_add_test(tc, bell_rings_until_hushed);
	tcase_add_test(tc, bell_wakes_a_poll);
	return run_suite(s);
}
