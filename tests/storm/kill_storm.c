/* SPDX-License-Identifier: MIT */
/*
 * A storm of deaths: KILLS workers (10,000) die among TASKS tasks (1,000,000),
 * by signals, exits, hangs, and killed from outside at any moment.  The books,
 * kept in memory that all share, must balance: each future ended once, no task
 * ran twice, none was lost; and descriptors, processes and memory stay as few.
 *
 *	[KILLS=10000] [TASKS=1000000] [WORKERS=4] kill_storm
 *
 * Prints a summary.  Exits with 1, and what was wrong, on any breach.
 */
#include <conc/conc.h>
#include <dirent.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <fcntl.h>
#include <unistd.h>

enum { WINDOW = 4096, MOST_WORKERS = 64, CHECKS = 10 };
#define PATIENCE CONC_S(60) /* an alarm for hangs */
#define ALLOWANCE 16384     /* kilobytes that a process may have grown by */

enum fate { LIVES, BY_SIGSEGV, BY_SIGKILL, BY_EXIT, BY_HANG, FATES };

/* Shared by host and workers. */
static struct books {
	atomic_int met;               /* see meet_task */
	atomic_int pid[MOST_WORKERS]; /* of each worker */
	atomic_uchar runs[];          /* of each task */
} *books;

static unsigned char *ended; /* how often each task's cleanup was called; the host's */
static long tasks, kills, workers;
static long breaches, outside, by_fate[FATES], unlucky, high_kb[2];
static long first_kb[2];

static void __attribute__((format(printf, 1, 2)))
breach(const char *fmt, ...)
{
	va_list args;

	if (breaches++ >= 20)
		return;
	va_start(args, fmt);
	fputs("breach: ", stderr);
	vfprintf(stderr, fmt, args);
	fputc('\n', stderr);
	va_end(args);
}

static long
number(const char *name, long otherwise)
{
	const char *text = getenv(name);

	return text != NULL && atol(text) > 0 ? atol(text) : otherwise;
}

static uint32_t
hash(uint32_t x)
{
	x = (x ^ x >> 16) * 0x45d9f3bu;
	x = (x ^ x >> 16) * 0x45d9f3bu;
	return x ^ x >> 16;
}

/* One task of each so many dies; besides, blows come from outside, for one death in ten. */
static enum fate
fate_of(long i)
{
	long every = tasks / kills;
	uint32_t h = hash((uint32_t)(i / every));

	if (i % every != (long)(h % (uint32_t)every))
		return LIVES;
	h = hash(h + 1) % 100;
	return h < 4 ? BY_HANG : h < 36 ? BY_SIGSEGV : h < 68 ? BY_SIGKILL : BY_EXIT;
}

static int
storm_task(const void *arg, void *result)
{
	long i = *(const long *)arg;

	atomic_store(&books->pid[conc_worker_index()], getpid());
	atomic_fetch_add(&books->runs[i], 1);
	switch (fate_of(i)) {
	case BY_SIGSEGV:
		signal(SIGSEGV, SIG_DFL);
		raise(SIGSEGV);
		break;
	case BY_SIGKILL:
		raise(SIGKILL);
		break;
	case BY_EXIT:
		exit((int)(i & 1));
	case BY_HANG:
		for (;;)
			pause();
	default:
		break;
	}
	*(long *)result = i * 3;
	return 0;
}

static int
zygote_task(const void *arg, void *result)
{
	(void)arg;
	*(int *)result = getppid();
	return 0;
}

/* Waits until so many as its argument says have come: then all workers live. */
static int
meet_task(const void *arg, void *result)
{
	const struct timespec pause_time = {.tv_nsec = 200000};

	(void)result;
	atomic_fetch_add(&books->met, 1);
	while (atomic_load(&books->met) < *(const int *)arg)
		nanosleep(&pause_time, NULL);
	return 0;
}

static void
count_end(void *user)
{
	ended[(uintptr_t)user]++;
}

/* Without a cleanup, whoever waits for it may read the worker's pipe himself. */
static bool
plain(long i)
{
	return i % 3 == 0 && fate_of(i) != BY_HANG;
}

static conc_future *
submit(conc_executor *pool, long i)
{
	conc_future *f = NULL;
	int rc = plain(i)
	    ? conc_submit(pool, storm_task, &i, sizeof i, sizeof i, &f)
	    : conc_submit_task(pool,
		  CONC_TASK(.fn = storm_task, .arg = &i, .arg_size = sizeof i,
		      .result_size = sizeof i, .cleanup = count_end,
		      .user = (void *)(uintptr_t)i,
		      .time_limit = fate_of(i) == BY_HANG ? CONC_MS(20) : 0),
		  &f);

	if (rc != 0)
		breach("task %ld was refused: %s", i, conc_errname(rc));
	return f;
}

/* Did i end as it had to?  A blow from outside may come before its own death. */
static void
finish(conc_future *f, long i)
{
	enum fate fate = fate_of(i);
	const conc_death *death;
	int rc, runs;
	long got = 0;

	if (f == NULL)
		return;
	if (conc_future_wait(f, conc_after(PATIENCE)) != 0) {
		breach("task %ld did not end", i);
		exit(1);
	}
	rc = conc_future_result(f, &got, sizeof got);
	death = rc != 0 ? conc_exception_death(conc_caught()) : NULL;
	runs = atomic_load(&books->runs[i]);
	if (ended[i] != !plain(i))
		breach("task %ld ended %d times", i, ended[i]);
	if (runs > 1)
		breach("task %ld ran %d times", i, runs);
	if (rc == 0 && (fate != LIVES || runs != 1 || got != i * 3))
		breach("task %ld: fate %d, ran %d times, result %ld", i, fate, runs, got);
	if (rc != 0 && death == NULL)
		breach("task %ld: %s, without a death", i, conc_errname(rc));
	if (rc == CONC_ECRASHED && death != NULL) {
		if (fate == LIVES && death->signal == SIGKILL)
			unlucky++;
		else if (death->signal != SIGKILL &&
		    death->signal != (fate == BY_SIGSEGV ? SIGSEGV : 0))
			breach("task %ld: fate %d, signal %d", i, fate, death->signal);
		else if (fate == LIVES)
			breach("task %ld died of nothing, signal %d", i, death->signal);
	} else if (rc != 0 && !(rc == CONC_ETIMELIMIT && fate == BY_HANG)) {
		breach("task %ld: fate %d, %s", i, fate, conc_errname(rc));
	}
	by_fate[fate]++;
	conc_future_release(f);
}

/* The parent of pid, or 0. */
static int
parent_of(int pid)
{
	char path[64], line[512] = "", *end;
	int parent = 0;
	FILE *file;

	snprintf(path, sizeof path, "/proc/%d/stat", pid);
	file = fopen(path, "r");
	if (file == NULL)
		return 0;
	end = fgets(line, sizeof line, file) != NULL ? strrchr(line, ')') : NULL;
	fclose(file);
	if (end == NULL || end[2] == 'Z' || sscanf(end + 3, "%d", &parent) != 1)
		return 0;
	return parent;
}

/* Kill a worker from outside, unless it is just being replaced. */
static void
strike(int zygote, uint32_t seed)
{
	int pid = atomic_load(&books->pid[seed % (uint32_t)workers]);

	if (pid > 0 && parent_of(pid) == zygote && kill(pid, SIGKILL) == 0)
		outside++;
}

static int
count_entries(const char *path)
{
	DIR *dir = opendir(path);
	int n = 0;

	if (dir == NULL)
		return -1;
	while (readdir(dir) != NULL)
		n++;
	closedir(dir);
	return n;
}

/* The children of pid; *zombies: how many of them are dead. */
static int
count_children(int pid, int *zombies)
{
	char path[64];
	int n = 0, child;
	FILE *file;

	*zombies = 0;
	snprintf(path, sizeof path, "/proc/%d/task/%d/children", pid, pid);
	file = fopen(path, "r");
	while (file != NULL && fscanf(file, "%d", &child) == 1) {
		n++;
		*zombies += parent_of(child) == 0;
	}
	if (file != NULL)
		fclose(file);
	return n;
}

static long
resident_kb(int pid)
{
	char path[64];
	long pages = 0;
	FILE *file;

	snprintf(path, sizeof path, "/proc/%d/statm", pid);
	file = fopen(path, "r");
	if (file == NULL || fscanf(file, "%*d %ld", &pages) != 1)
		pages = 0;
	if (file != NULL)
		fclose(file);
	return pages * sysconf(_SC_PAGESIZE) / 1024;
}

static void
meet(conc_executor *pool)
{
	int all = atomic_load(&books->met) + (int)workers;
	conc_future *f[MOST_WORKERS] = {NULL};

	for (long i = 0; i < workers; i++)
		if (conc_submit(pool, meet_task, &all, sizeof all, 0, &f[i]) != 0)
			breach("the workers cannot meet");
	if (conc_wait(f, (size_t)workers, CONC_ALL, conc_after(PATIENCE)) != 0) {
		breach("the workers do not meet: %d of %d", atomic_load(&books->met), all);
		exit(1);
	}
	for (long i = 0; i < workers; i++)
		conc_future_release(f[i]);
}

/* All is quiet: so many descriptors, children and memory as the first time, and no zombie. */
static void
check_flat(int zygote, int check)
{
	static int descriptors;
	const struct timespec pause_time = {.tv_nsec = 1000000};
	int children = 0, zombies = 0, n = 0, own;
	const int pids[2] = {getpid(), zygote};

	for (int tries = 0; tries < 5000; tries++) { /* until all is told */
		children = count_children(zygote, &zombies);
		n = count_entries("/proc/self/fd");
		if (children == workers && zombies == 0 && (check == 0 || n == descriptors))
			break;
		nanosleep(&pause_time, NULL);
	}
	if (children != workers || zombies != 0)
		breach("check %d: %d workers, %d zombies", check, children, zombies);
	if (check > 0 && n != descriptors)
		breach("check %d: %d descriptors, %d at first", check, n, descriptors);
	own = count_children(getpid(), &zombies);
	if (own != 1 || zombies != 0)
		breach("check %d: %d children, %d zombies", check, own, zombies);
	for (int i = 0; i < 2; i++) {
		long kb = resident_kb(pids[i]);

		if (check == 0)
			first_kb[i] = kb;
		if (kb > high_kb[i])
			high_kb[i] = kb;
#ifndef __SANITIZE_ADDRESS__ /* it keeps what was freed */
		if (kb > first_kb[i] + ALLOWANCE)
			breach("check %d: %s has %ld KB, %ld at first", check,
			    i == 0 ? "host" : "zygote", kb, first_kb[i]);
#endif
	}
	descriptors = n;
}

/* Submit and finish from..end, never more than WINDOW at a time. */
static void
storm(conc_executor *pool, int zygote, long from, long end)
{
	static conc_future *window[WINDOW];
	long strikes = kills / 10, every = strikes > 0 ? tasks / strikes : tasks + 1;

	for (long i = from; i < end + WINDOW; i++) {
		if (i - WINDOW >= from)
			finish(window[i % WINDOW], i - WINDOW);
		if (i < end)
			window[i % WINDOW] = submit(pool, i);
		if (i < end && i % every == every - 1)
			strike(zygote, hash((uint32_t)i));
	}
}

static int
ask_zygote(conc_executor *pool)
{
	conc_future *f;
	int zygote = 0;

	if (conc_submit(pool, zygote_task, NULL, 0, sizeof zygote, &f) != 0 ||
	    conc_future_result(f, &zygote, sizeof zygote) != 0) {
		breach("the first task did not run");
		exit(1);
	}
	conc_future_release(f);
	return zygote;
}

static void
overlook(const conc_exception *e, void *user)
{
	(void)e;
	(void)user;
}

int
main(void)
{
	int before, zygote, zombies, leash[2];
	struct pollfd end;
	struct timespec begun, over;
	conc_executor *pool;
	double seconds;

	tasks = number("TASKS", 1000000);
	kills = number("KILLS", tasks / 100 > 0 ? tasks / 100 : 1);
	workers = number("WORKERS", 4);
	if (workers > MOST_WORKERS || kills > tasks / 2)
		return 2;
	setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
	conc_set_excepthook(overlook, NULL);
	ended = calloc((size_t)tasks, 1);
	books = mmap(NULL, sizeof *books + (size_t)tasks, PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (ended == NULL || books == MAP_FAILED || pipe2(leash, O_CLOEXEC) != 0)
		return 2;
	memset(ended, 0, (size_t)tasks); /* resident from the beginning, */
	memset(books, 0, sizeof *books + (size_t)tasks);
	before = count_entries("/proc/self/fd");
	clock_gettime(CLOCK_MONOTONIC, &begun);
	if (conc_process_pool_create(&pool,
		CONC_PROCESS_POOL(.workers = (int)workers, .restarts = INT32_MAX,
		    .name = "storm")) != 0)
		return 2;
	zygote = ask_zygote(pool);
	for (int i = 0; i < CHECKS; i++) {
		storm(pool, zygote, tasks * i / CHECKS, tasks * (i + 1) / CHECKS);
		meet(pool);
		check_flat(zygote, i);
	}
	conc_executor_destroy(pool);
	clock_gettime(CLOCK_MONOTONIC, &over);
	seconds = (double)(over.tv_sec - begun.tv_sec) +
	    (double)(over.tv_nsec - begun.tv_nsec) / 1e9;

	if (count_entries("/proc/self/fd") != before)
		breach("%d descriptors, %d before", count_entries("/proc/self/fd"), before);
	if (count_children(getpid(), &zombies) != 0)
		breach("children are left, %d of them dead", zombies);
	close(leash[1]);
	end = (struct pollfd){.fd = leash[0]};
	if (poll(&end, 1, 10000) != 1)
		breach("a process of the pool lives on");
	if (tasks - by_fate[LIVES] < kills)
		breach("only %ld deaths", tasks - by_fate[LIVES]);
	if (unlucky > outside)
		breach("%ld tasks were killed, %ld blows from outside", unlucky, outside);
	for (long i = 0; i < tasks; i++)
		if (ended[i] != !plain(i))
			breach("task %ld ended %d times", i, ended[i]);
	printf("%ld tasks, %ld deaths (%ld SIGSEGV, %ld SIGKILL, %ld exit, %ld hang, "
	       "%ld from outside of which %ld hit a task) in %.1f s\n",
	    tasks, tasks - by_fate[LIVES] + outside, by_fate[BY_SIGSEGV], by_fate[BY_SIGKILL],
	    by_fate[BY_EXIT], by_fate[BY_HANG], outside, unlucky, seconds);
	printf("memory: host %ld to %ld KB, zygote %ld to %ld KB\n", first_kb[0], high_kb[0],
	    first_kb[1], high_kb[1]);
	printf("%ld breaches\n", breaches);
	return breaches == 0 ? 0 : 1;
}
