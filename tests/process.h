/* SPDX-License-Identifier: MIT */
#ifndef CONC_TESTS_PROCESS_H
#define CONC_TESTS_PROCESS_H

/*
 * What the tests of the process pool share: memory that host and workers both
 * see, tasks that use it, ways to die, and looks at processes from outside.
 *
 * process_case(suite, name)  as new_case; its tests have *shared, zeroed
 * PROCESSES(.workers = 2)    a process pool, or the test fails
 * reach(&counter, n)         wait until a shared counter is n or more
 * hold_processes(pool, n)    keep n workers busy until shared->open, or
 * let_go(pool)
 * die(how)                   what a task calls; raises and returns its code, or does not return
 * alive(pid), state_of(pid)  how a process stands, by /proc
 * leash                      tells when all processes that inherited it are gone
 */
#include "tests/pool.h"
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>

/* Under these malloc does not obey the limits that the kernel knows. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED 1
#endif
#endif
#ifndef SANITIZED
#define SANITIZED 0
#endif

static inline bool
on_valgrind(void)
{
	const char *preload = getenv("LD_PRELOAD");

	return preload != NULL && strstr(preload, "vgpreload") != NULL;
}

/* Is everything many times slower here? */
static inline bool
slow_build(void)
{
	return SANITIZED || on_valgrind();
}

/* Does malloc obey limits?  Else the cases that need it are left out, and say so. */
static inline bool
memory_is_limited(const char *what)
{
	if (!slow_build())
		return true;
	printf("skipped: %s: no memory limits here\n", what);
	return false;
}

enum { RUNS = 4096 };

/* Host and workers see the same one: it is mapped before the pool is made. */
struct shared {
	atomic_int come, open; /* a gate */
	atomic_int pid[16];
	atomic_int count[16];
	atomic_int runs[RUNS]; /* of each task */
};

static struct shared *shared;

static inline void
share(void)
{
	const struct rlimit none = {0, 0};

	setrlimit(RLIMIT_CORE, &none);
	shared = mmap(
	    NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ck_assert_ptr_ne(shared, MAP_FAILED);
}

static inline void
unshare_page(void)
{
	munmap(shared, sizeof *shared);
}

static inline TCase *
process_case(Suite *suite, const char *name)
{
	TCase *tc = new_case(suite, name);

	tcase_add_checked_fixture(tc, share, unshare_page);
	return tc;
}

/* As excepthook: the failures of these tests are no news. */
static inline void
overlook(const conc_exception *e, void *user)
{
	(void)e;
	(void)user;
}

static inline conc_executor *
new_process_pool(const conc_process_pool_options *options)
{
	conc_executor *pool = NULL;

	ck_assert_int_eq(conc_process_pool_create(&pool, options), 0);
	ck_assert_ptr_nonnull(pool);
	return pool;
}

#define PROCESSES(...) new_process_pool(CONC_PROCESS_POOL(__VA_ARGS__))

struct reach {
	atomic_int *counter;
	int n;
};

static inline bool
reached(void *arg)
{
	struct reach *reach = arg;

	return atomic_load(reach->counter) >= reach->n;
}

static inline void
reach(atomic_int *counter, int n)
{
	eventually(reached, &(struct reach){counter, n});
}

/* Wait in a worker: there a time-out would be a crash. */
static inline void
linger(atomic_int *counter)
{
	const struct timespec pause = {.tv_nsec = 200000};

	while (atomic_load(counter) == 0)
		nanosleep(&pause, NULL);
}

/* Writes its process id down, says that it has come, and waits until the gate opens. */
static inline int
hold_task(const void *arg, void *result)
{
	(void)arg;
	(void)result;
	atomic_store(&shared->pid[conc_worker_index() % 16], getpid());
	atomic_fetch_add(&shared->come, 1);
	linger(&shared->open);
	return 0;
}

/* As hold_task, but heeds a wish to stop. */
static inline int
obedient_task(const void *arg, void *result)
{
	const struct timespec pause = {.tv_nsec = 200000};

	(void)arg;
	(void)result;
	atomic_fetch_add(&shared->come, 1);
	while (!conc_cancelled())
		nanosleep(&pause, NULL);
	return -ECANCELED;
}

static inline void
hold_processes(conc_executor *pool, int n)
{
	int before = atomic_load(&shared->come);

	for (int i = 0; i < n; i++)
		ck_assert_int_eq(conc_submit(pool, hold_task, NULL, 0, 0, NULL), 0);
	reach(&shared->come, before + n);
}

static inline bool
nothing_runs(void *pool)
{
	conc_stats stats = stats_of(pool);

	return stats.queued == 0 && stats.running == 0;
}

/* Let go those that are held, and close the gate again. */
static inline void
let_go(conc_executor *pool)
{
	atomic_store(&shared->open, 1);
	eventually(nothing_runs, pool);
	atomic_store(&shared->open, 0);
}

/* Counts that it ran: its argument is an int below RUNS. */
static inline int
run_task(const void *arg, void *result)
{
	(void)result;
	atomic_fetch_add(&shared->runs[*(const int *)arg], 1);
	return 0;
}

static inline conc_future *
submit_run(conc_executor *pool, int i)
{
	conc_future *f = NULL;

	ck_assert_int_eq(conc_submit(pool, run_task, &i, sizeof i, 0, &f), 0);
	return f;
}

static inline int
pid_task(const void *arg, void *result)
{
	(void)arg;
	*(int *)result = getpid();
	return 0;
}

/* The parent of a worker is the zygote. */
static inline int
parent_task(const void *arg, void *result)
{
	(void)arg;
	*(int *)result = getppid();
	return 0;
}

/* The int that a task without an argument gives back. */
static inline int
ask(conc_executor *pool, conc_fn *fn)
{
	conc_future *f = NULL;
	int answer = -1;

	ck_assert_int_eq(conc_submit(pool, fn, NULL, 0, sizeof answer, &f), 0);
	ck_assert_int_eq(conc_future_result(f, &answer, sizeof answer), 0);
	conc_future_release(f);
	return answer;
}

enum how { BY_SEGV, BY_ABORT, BY_EXIT_0, BY_EXIT_1, BY_RAISE, BY_HANG, BY_MEMORY, WAYS };

static inline int
die(enum how how)
{
	void *p;

	signal(SIGSEGV, SIG_DFL); /* a sanitizer has its own */
	signal(SIGABRT, SIG_DFL);
	switch (how) {
	case BY_SEGV:
		p = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		*(volatile char *)p = 1;
		break;
	case BY_ABORT:
		abort();
	case BY_EXIT_0:
		exit(0);
	case BY_EXIT_1:
		exit(1);
	case BY_RAISE:
		return conc_raise(-EDOM, "no way");
	case BY_HANG:
		for (;;)
			pause();
	case BY_MEMORY:
		for (;;) {
			p = malloc(1 << 20);
			for (size_t i = 0; i < 1 << 20; i += 4096)
				((volatile char *)p)[i] = 1;
		}
	case WAYS:
		break;
	}
	return 0;
}

/* The signal, or else the status, that this way to die ends a process with. */
static inline int
signal_of(enum how how)
{
	static const int signals[WAYS] = {
	    [BY_SEGV] = SIGSEGV, [BY_ABORT] = SIGABRT, [BY_HANG] = SIGKILL,
	    [BY_MEMORY] = SIGSEGV};

	return signals[how];
}

/* What a task that dies so fails with. */
static inline int
code_of(enum how how)
{
	return how == BY_RAISE ? -EDOM : how == BY_HANG ? CONC_ETIMELIMIT : CONC_ECRASHED;
}

/* Its argument is the way to die. */
static inline int
die_task(const void *arg, void *result)
{
	(void)result;
	atomic_fetch_add(&shared->count[0], 1);
	return die(*(const enum how *)arg);
}

/* As in /proc: R, S, T, Z ..; 0: there is none. */
static inline char
state_of(int pid)
{
	char path[64], line[512] = "", *end;
	FILE *file;

	snprintf(path, sizeof path, "/proc/%d/stat", pid);
	file = fopen(path, "r");
	if (file == NULL)
		return 0;
	end = fgets(line, sizeof line, file) != NULL ? strrchr(line, ')') : NULL;
	fclose(file);
	return end != NULL ? end[2] : 0;
}

static inline bool
alive(int pid)
{
	char state = state_of(pid);

	return state != 0 && state != 'Z' && state != 'X';
}

static inline bool
gone(void *pid)
{
	return !alive(*(int *)pid);
}

static inline bool
asleep(void *pid)
{
	return state_of(*(int *)pid) == 'S';
}

/* A pipe whose write end all children inherit, and nothing that is executed. */
struct leash {
	int ends[2];
};

static inline struct leash
leash(void)
{
	struct leash l;

	ck_assert_int_eq(pipe2(l.ends, O_CLOEXEC), 0);
	return l;
}

/* Let go of our own end.  Are, or soon will be, all others gone as well? */
static inline bool
leash_is_free(struct leash *l)
{
	struct pollfd end = {.fd = l->ends[0]};
	int n;

	close(l->ends[1]);
	while ((n = poll(&end, 1, hang_alarm)) == -1 && errno == EINTR)
		;
	close(l->ends[0]);
	return n == 1 && (end.revents & POLLHUP);
}

#endif
