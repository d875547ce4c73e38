/* SPDX-License-Identifier: MIT */
/*
 * Processes and the memory they share, on base.
 */
#include "base/atomic.h"
#include "base/fork.h"
#include "base/process.h"
#include "base/raise.h"
#include "base/self.h"
#include "base/thread.h"
#include "tests/common.h"
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>

/* --- processes --- */

static struct conc__process_end
end_of(int pid)
{
	struct conc__process_end end;
	int rc;

	do
		rc = conc__process_reap(pid, &end, 1);
	while (rc == -EINTR);
	ck_assert_int_eq(rc, pid);
	return end;
}

static int
start(int (*entry)(void *arg), void *arg)
{
	int pid = conc__process_start(entry, arg);

	ck_assert_int_gt(pid, 0);
	return pid;
}

static int
give_back(void *arg)
{
	return *(int *)arg;
}

START_TEST(start_exits_with_what_entry_returns)
{
	static const int statuses[] = {0, 7, 255, 256 + 3};

	for (size_t i = 0; i < sizeof statuses / sizeof statuses[0]; i++) {
		int status = statuses[i], pid = start(give_back, &status);
		struct conc__process_end end = end_of(pid);

		ck_assert_int_eq(end.signal, 0);
		ck_assert_int_eq(end.exit_status, status & 255);
		ck_assert_int_eq(end.core_dumped, 0);
		ck_assert_int_gt(end.max_rss, 100000);
		ck_assert_int_ge(end.user_time, 0);
		ck_assert_int_ge(end.system_time, 0);
	}
}
END_TEST

static void
never_in_the_child(void)
{
	_exit(99);
}

static int
exit_at_once(void *arg)
{
	atexit(never_in_the_child);
	printf("this stays in the buffer\n");
	conc__process_exit(*(int *)arg);
}

START_TEST(exit_runs_no_handlers)
{
	int status = 5, pid = start(exit_at_once, &status);

	ck_assert_int_eq(end_of(pid).exit_status, 5);
}
END_TEST

static int
look_at_child(void *arg)
{
	struct conc__self *self = conc__self(), zero;
	uint32_t generation;

	memset(&zero, 0, sizeof zero);
	if (memcmp(self, &zero, sizeof zero) != 0)
		return 1;
	if (!conc__forked(*(uint32_t *)arg))
		return 2;
	if (conc__generation(&generation) != 0 || conc__forked(generation))
		return 3;
	if (conc__process_parent() != getppid() || conc__process_id() != getpid())
		return 4;
	return 0;
}

START_TEST(child_is_of_another_generation_and_knows_nothing)
{
	uint32_t generation;
	int pid;

	ck_assert_int_eq(conc__generation(&generation), 0);
	conc_raise(3, "the parent's");
	conc__self()->hooks = 1;
	pid = start(look_at_child, &generation);
	conc__self()->hooks = 0;
	ck_assert_int_eq(end_of(pid).exit_status, 0);
	ck_assert_int_eq(conc_exception_code(conc_caught()), 3);
	conc_clear();
	ck_assert_int_eq(conc__process_parent(), getppid());
	ck_assert_int_eq(conc__process_id(), getpid());
}
END_TEST

static int
wait_for_death(void *arg)
{
	while (arg == NULL)
		pause();
	return 0;
}

START_TEST(reap_tells_the_signal)
{
	struct conc__process_end end;
	int pid = start(wait_for_death, NULL);

	ck_assert_int_eq(conc__process_reap(pid, &end, 0), 0);
	ck_assert_int_eq(conc__process_signal(pid, 0), 0);
	ck_assert_int_eq(conc__process_signal(pid, SIGKILL), 0);
	end = end_of(pid);
	ck_assert_int_eq(end.signal, SIGKILL);
	ck_assert_int_eq(end.exit_status, 0);
	ck_assert_int_eq(end.core_dumped, 0);
	ck_assert_int_eq(conc__process_signal(pid, SIGKILL), -ESRCH);
}
END_TEST

static int
burn(void *arg)
{
	struct timespec t;

	do
		clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	while (t.tv_sec == 0 && t.tv_nsec < 20000000);
	return arg != NULL;
}

START_TEST(reap_tells_the_times)
{
	struct conc__process_end end = end_of(start(burn, NULL));

	ck_assert_int_ge(end.user_time + end.system_time, 10000000);
	ck_assert_int_lt(end.user_time + end.system_time, INT64_C(20000000000));
}
END_TEST

START_TEST(reap_echild)
{
	struct conc__process_end end = {.signal = 77};
	int pid = start(burn, NULL), other;

	ck_assert_int_eq(conc__process_reap(getpid(), &end, 1), -ECHILD);
	/* Never somebody else's child by a wide net. */
	ck_assert_int_eq(conc__process_reap(-1, &end, 0), -ECHILD);
	ck_assert_int_eq(conc__process_reap(0, &end, 0), -ECHILD);
	ck_assert_int_eq(end.signal, 77);
	other = start(wait_for_death, NULL);
	end_of(pid);
	ck_assert_int_eq(conc__process_reap(pid, &end, 0), -ECHILD);
	ck_assert_int_eq(conc__process_reap(other, &end, 0), 0);
	conc__process_signal(other, SIGKILL);
	end_of(other);
}
END_TEST

START_TEST(reap_any_takes_whichever_ended)
{
	struct conc__process_end end;
	int waits = start(wait_for_death, NULL), status = 7;
	int ends = start(give_back, &status);

	ck_assert_int_eq(conc__process_reap_any(&end, 1), ends);
	ck_assert_int_eq(end.exit_status, 7);
	ck_assert_int_eq(conc__process_reap_any(&end, 0), 0);
	conc__process_signal(waits, SIGKILL);
	ck_assert_int_eq(conc__process_reap_any(&end, 1), waits);
	ck_assert_int_eq(end.signal, SIGKILL);
	ck_assert_int_eq(conc__process_reap_any(&end, 1), -ECHILD);
}
END_TEST

static int
tell_family(void *arg)
{
	int family[2] = {conc__process_id(), conc__process_parent()}, *ends = arg;

	if (memcmp(conc__self(), &(struct conc__self){0}, sizeof(struct conc__self)) != 0)
		family[0] = -1;
	return conc__write(ends[1], family, sizeof family) != sizeof family;
}

START_TEST(start_detached_leaves_no_child)
{
	struct conc__process_end end;
	int ends[2], family[2], byte;

	for (int ignored = 0; ignored < 2; ignored++) {
		/* Then the kernel reaps, and tells nobody. */
		signal(SIGCHLD, ignored ? SIG_IGN : SIG_DFL);
		ck_assert_int_eq(conc__pipe(ends), 0);
		ck_assert_int_eq(conc__process_start_detached(tell_family, ends), 0);
		ck_assert_int_eq(conc__process_reap_any(&end, 0), -ECHILD);
		conc__close(ends[1]);
		ck_assert_int_eq(
		    conc__read(ends[0], family, sizeof family), sizeof family);
		ck_assert_int_ne(family[0], getpid());
		ck_assert_int_gt(family[0], 0);
		ck_assert_int_ne(family[1], getpid());
		ck_assert_int_eq(conc__read(ends[0], &byte, 1), 0);
		conc__close(ends[0]);
	}
	signal(SIGCHLD, SIG_DFL);
}
END_TEST

static int
start_none(void *arg)
{
	struct rlimit none = {0, 0};

	/* Root may have as many as it likes: then there is nothing to see. */
	if (setrlimit(RLIMIT_NPROC, &none) != 0 || setuid(65534) != 0)
		return 0;
	return conc__process_start_detached(give_back, arg) == -EAGAIN ? 0 : 1;
}

START_TEST(start_detached_eagain)
{
	int status = 0;

	ck_assert_int_eq(end_of(start(start_none, &status)).exit_status, 0);
}
END_TEST

static int
write_into_nothing(void *arg)
{
	int *ends = arg;
	sigset_t none;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGPIPE, SIG_DFL);
	conc__close(ends[0]);
	return conc__write_held(ends[1], "x", 1) > 0 ? 1 : 2;
}

START_TEST(write_held_writes_or_kills)
{
	int ends[2], pid;
	char buf[8];

	ck_assert_int_eq(conc__pipe(ends), 0);
	ck_assert_int_eq(conc__write_held(ends[1], "hello", 5), 5);
	ck_assert_int_eq(conc__read(ends[0], buf, sizeof buf), 5);
	ck_assert_mem_eq(buf, "hello", 5);
	ck_assert_int_eq(conc__nonblocking(ends[0]), 0);
	ck_assert_int_eq(conc__write_held(-1, "x", 1), -EBADF);
	conc__close(ends[0]);
	ends[0] = -1;
	pid = start(write_into_nothing, ends);
	ck_assert_int_eq(end_of(pid).signal, SIGPIPE);
	signal(SIGPIPE, SIG_IGN);
	ck_assert_int_eq(conc__write_held(ends[1], "x", 1), -EPIPE);
	signal(SIGPIPE, SIG_DFL);
	conc__close(ends[1]);
}
END_TEST

static void
do_nothing(int signal)
{
	(void)signal;
}

static pthread_t interrupted;

static void *
interrupt_it(void *arg)
{
	while (latch_count(arg) == 0) {
		pthread_kill(interrupted, SIGUSR1);
		sched_yield();
	}
	return NULL;
}

START_TEST(reap_eintr)
{
	struct sigaction action = {.sa_handler = do_nothing}, old;
	struct conc__process_end end;
	struct latch done = LATCH;
	pthread_t thread;
	int pid = start(wait_for_death, NULL);

	ck_assert_int_eq(sigaction(SIGUSR1, &action, &old), 0);
	interrupted = pthread_self();
	ck_assert_int_eq(pthread_create(&thread, NULL, interrupt_it, &done), 0);
	ck_assert_int_eq(conc__process_reap(pid, &end, 1), -EINTR);
	latch_set(&done);
	pthread_join(thread, NULL);
	sigaction(SIGUSR1, &old, NULL);
	conc__process_signal(pid, SIGKILL);
	end_of(pid);
}
END_TEST

START_TEST(signal_einval)
{
	ck_assert_int_eq(conc__process_signal(0, 0), -EINVAL);
	ck_assert_int_eq(conc__process_signal(-1, 0), -EINVAL);
	ck_assert_int_eq(conc__process_signal(getpid(), 1000), -EINVAL);
}
END_TEST

static void
check_flags(int fd)
{
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(fcntl(fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
}

START_TEST(watch_polls_readable_at_the_end)
{
	int pid = start(wait_for_death, NULL);
	struct conc__poll p = {.fd = conc__process_watch(pid), .wanted = CONC__READABLE};

	if (p.fd == -ENOSYS) { /* valgrind knows no such call */
		conc__process_signal(pid, SIGKILL);
		end_of(pid);
		return;
	}
	check_flags(p.fd);
	ck_assert_int_eq(conc__poll(&p, 1, CONC_NOW), 0);
	conc__process_signal(pid, SIGKILL);
	ck_assert_int_eq(conc__poll(&p, 1, CONC_FOREVER), 1);
	ck_assert_int_eq(p.ready & CONC__READABLE, CONC__READABLE);
	end_of(pid);
	ck_assert_int_eq(conc__close(p.fd), 0);
	ck_assert_int_eq(conc__process_watch(pid), -ESRCH);
	ck_assert_int_eq(conc__process_watch(0), -ESRCH);
}
END_TEST

static int
add_to_shared(void *arg)
{
	/* relaxed: the parent looks after the end of this process */
	conc__add_relaxed((conc__atomic_u32 *)arg, 5);
	return 0;
}

START_TEST(shared_memory_is_shared)
{
	size_t size = 3 * 4096 + 1;
	conc__atomic_u32 *p = conc__shared_map(size);
	unsigned char *bytes = (unsigned char *)p;

	ck_assert_ptr_nonnull(p);
	for (size_t i = 0; i < size; i++)
		ck_assert_uint_eq(bytes[i], 0);
	end_of(start(add_to_shared, p));
	end_of(start(add_to_shared, p));
	/* relaxed: both processes have ended */
	ck_assert_uint_eq(conc__load_relaxed(p), 10);
	conc__shared_unmap(p, size);
	p = conc__shared_map(0);
	ck_assert_ptr_nonnull(p);
	conc__shared_unmap(p, 0);
	conc__shared_unmap(NULL, 1);
	ck_assert_ptr_null(conc__shared_map(SIZE_MAX / 2));
}
END_TEST

/* --- fork, where AddressSanitizer's allocator is at work: asan_fork.c --- */

#ifdef __SANITIZE_ADDRESS__
extern __attribute__((weak)) void asan_lock(void) __asm__("_ZN6__lsan13LockAllocatorEv");
extern __attribute__((weak)) void asan_unlock(void) __asm__("_ZN6__lsan15UnlockAllocatorEv");

static struct latch held = LATCH, forking = LATCH, forked = LATCH;

static void
tell_forking(void)
{
	latch_set(&forking);
}

static void
tell_forked(void)
{
	latch_set(&forked);
}

/* Hold its locks over a fork: for good, or until who forks must have come to wait for them. */
static void *
hold_allocator(void *arg)
{
	asan_lock();
	latch_set(&held);
	latch_wait(&forking, 1);
	for (int i = 0; i < 50000 && latch_count(&forked) == 0; i++)
		sched_yield();
	asan_unlock();
	return arg;
}

static int
allocate(void *arg)
{
	for (size_t size = 1; size < 1000000; size *= 2) {
		void *volatile p = malloc(size); /* volatile: or it is left out */

		free(p);
	}
	return arg != NULL;
}

START_TEST(the_child_can_allocate)
{
	pthread_t thread;
	int pid;

	if (asan_lock == NULL || asan_unlock == NULL)
		return; /* it sees to that itself */
	ck_assert_int_eq(pthread_atfork(tell_forking, tell_forked, NULL), 0);
	ck_assert_int_eq(pthread_create(&thread, NULL, hold_allocator, NULL), 0);
	latch_wait(&held, 1);
	pid = conc__process_start(allocate, NULL);
	ck_assert_int_eq(pthread_join(thread, NULL), 0);
	ck_assert_int_gt(pid, 0);
	ck_assert_int_eq(end_of(pid).exit_status, 0);
}
END_TEST
#endif

int
main(void)
{
	Suite *s = suite_create("process_base");
	TCase *tc = new_case(s, "process");

	tcase_add_test(tc, start_exits_with_what_entry_returns);
	tcase_add_test(tc, exit_runs_no_handlers);
	tcase_add_test(tc, child_is_of_another_generation_and_knows_nothing);
	tcase_add_test(tc, reap_tells_the_signal);
	tcase_add_test(tc, reap_tells_the_times);
	tcase_add_test(tc, reap_echild);
	tcase_add_test(tc, reap_eintr);
	tcase_add_test(tc, reap_any_takes_whichever_ended);
	tcase_add_test(tc, start_detached_leaves_no_child);
	tcase_add_test(tc, start_detached_eagain);
	tcase_add_test(tc, write_held_writes_or_kills);
	tcase_add_test(tc, signal_einval);
	tcase_add_test(tc, watch_polls_readable_at_the_end);
	tcase_add_test(tc, shared_memory_is_shared);
#ifdef __SANITIZE_ADDRESS__
	tcase_add_test(tc, the_child_can_allocate);
#endif
	return run_suite(s);
}
