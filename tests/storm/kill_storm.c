/* SPDX-License-Identifier: MIT */
/*
 * A storm of deaths: among TASKS tasks (1,000,000) about KILLS (10,000) are to
 * die, by signals, exits and hangs, and while they are submitted a tenth as many
 * blows from outside hit workers, whatever these are just doing.
 *
 * Most are submitted one by one, some with retries, some of which die more than
 * once; some are cancelled or killed by their futures at any age, from just
 * submitted to long ended.  One in twenty is an item of a map, on a second thread,
 * with or without retries; some maps are stopped by their first failure.
 * Meanwhile the pool is resized to one worker and back.
 *
 * The books, kept in memory that all share, must balance: each future, and each
 * item, ended once, none was lost, none ran more often than it was allowed to,
 * or at all once it was cancelled; a blow costs at most one task, and where there
 * are none nothing dies but by its own fate.  Ten times all falls quiet: then
 * descriptors, processes and memory are as few as ever, and there is no zombie.
 *
 *	[KILLS=10000] [TASKS=1000000] [WORKERS=4] kill_storm
 *
 * Prints a summary.  Exits with 1, and what was wrong, on any breach.
 */
#include "fate.h"
#include "look.h"
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <time.h>

enum { WINDOW = 4096, MOST_ITEMS = 512 };
#define PATIENCE CONC_S(60) /* an alarm for hangs */
#define ALLOWANCE 16384     /* kilobytes that a process may have grown by */

static atomic_uchar *ended;   /* how often each was said to have ended; the host's */
static unsigned char *ran;    /* how often each had run when we saw its end */
static conc_executor *pool;
static int zygote;
static long workers, outside, first_kb[2], high_kb[2];
static atomic_long by_fate[FATES], spared, unlucky, retried, cancelled, items;

static long
number(const char *name, long otherwise)
{
	const char *text = getenv(name);

	return text != NULL && atol(text) > 0 ? atol(text) : otherwise;
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

/*
 * Task or item i has ended with a code, and had so many retries, which count as long
 * as it was not asked to stop.  Is that what had to come?  A death that is not its own
 * was a blow's.
 */
static void
enter(long i, int code, int retries, bool asked)
{
	enum fate fate = fate_of(i);
	int runs = atomic_load(&books->runs[i]), due = deaths_of(i), died, blows = 0;

	died = runs < due ? runs : due;
	ran[i] = (unsigned char)runs;
	if (runs > 1 + retries)
		breach("task %ld ran %d times, with %d retries", i, runs, retries);
	if (code == 0 && runs <= due)
		breach("task %ld: fate %d, ran %d times, and ended well", i, fate, runs);
	if (code == 0)
		blows = runs - due - 1;
	else if (code == CONC_ECRASHED || (code == CONC_ETIMELIMIT && fate == BY_HANG))
		blows = (asked ? runs > 0 ? runs : 1 : 1 + retries) - died;
	else if (code != -ECANCELED || !asked)
		breach("task %ld: fate %d, %s", i, fate, conc_errname(code));
	atomic_fetch_add(&unlucky, blows);
	atomic_fetch_add(&by_fate[fate], died);
	atomic_fetch_add(&retried, runs > 1 ? runs - 1 : 0);
	if (code == -ECANCELED)
		atomic_fetch_add(&cancelled, 1);
	if (due > 0 && died == 0)
		atomic_fetch_add(&spared, 1);
}

/* What is on its way. */
static struct flight {
	conc_future *future;
	enum { LEFT, ASKED, STOPPED, KILLED } how; /* what became of cancelling it */
	int runs;                                  /* when it was stopped */
} window[WINDOW];

static void
count_end(void *user)
{
	atomic_fetch_add(&ended[(uintptr_t)user], 1);
}

static void
call_back(conc_future *f, void *user)
{
	if (!conc_future_done(f))
		breach("task %ld calls back before it is done", (long)(uintptr_t)user);
	count_end(user);
}

static void
submit(long i)
{
	void *user = (void *)(uintptr_t)i;
	struct flight *w = &window[i % WINDOW];
	conc_task task = CONC_TASK_INIT;
	int rc;

	task.fn = storm_task;
	task.arg = &i;
	task.arg_size = task.result_size = sizeof i;
	task.retries = retries_of(i);
	task.backoff = i % 2 == 0 ? CONC_US(100) : 0;
	task.time_limit = fate_of(i) == BY_HANG ? CONC_MS(20) : 0;
	task.cleanup = told(i) == BY_CLEANUP ? count_end : NULL;
	task.user = user;
	*w = (struct flight){.how = LEFT};
	rc = conc_submit_task(pool, &task, &w->future);
	if (rc == 0 && told(i) == BY_CALLBACK)
		rc = conc_future_on_done(w->future, call_back, user);
	if (rc != 0)
		breach("task %ld was refused: %s", i, conc_errname(rc));
}

/* Cancel or kill task i; once that is done it stays so. */
static void
stop(long i)
{
	struct flight *w = &window[i % WINDOW];
	bool kill_it = pick(i, 7, 4) == 0;
	int rc;

	if (w->future == NULL)
		return;
	rc = kill_it ? conc_future_kill(w->future) : conc_future_cancel(w->future);
	if (w->how >= STOPPED && rc != 0)
		breach("task %ld was cancelled, then: %s", i, conc_errname(rc));
	if (rc == CONC_ESTATE && !kill_it && !conc_future_done(w->future))
		breach("task %ld cannot be cancelled, and has not ended", i);
	if (rc == -EINPROGRESS) {
		w->how = ASKED;
	} else if (rc == 0 && kill_it && w->how != STOPPED) {
		w->how = KILLED;
	} else if (rc == 0 && w->how == LEFT) { /* one that was asked has obeyed */
		w->how = STOPPED;
		w->runs = atomic_load(&books->runs[i]);
	} else if (rc != 0 && rc != CONC_ESTATE) {
		breach("cancelling task %ld: %s", i, conc_errname(rc));
	}
}

static void
finish(long i)
{
	struct flight *w = &window[i % WINDOW];
	const conc_death *death;
	long got = 0;
	int rc, own;

	if (w->future == NULL)
		return;
	if (conc_future_wait(w->future, conc_after(PATIENCE)) != 0) {
		breach("task %ld did not end", i);
		exit(1);
	}
	rc = conc_future_result(w->future, &got, sizeof got);
	if (rc == 0 && got != i * 3)
		breach("task %ld: result %ld", i, got);
	enter(i, rc, retries_of(i), w->how != LEFT);
	if (w->how >= STOPPED && (rc != -ECANCELED || !conc_future_cancelled(w->future)))
		breach("task %ld was cancelled, and ended: %s", i, conc_errname(rc));
	if (w->how == STOPPED && (ran[i] != w->runs || w->runs > retries_of(i)))
		breach("task %ld was cancelled after %d runs, ran %d", i, w->runs, ran[i]);
	death = rc != 0 && rc != -ECANCELED ? conc_exception_death(conc_caught()) : NULL;
	own = fate_of(i) == BY_SIGSEGV ? SIGSEGV : fate_of(i) == BY_EXIT ? 0 : SIGKILL;
	if (rc != 0 && rc != -ECANCELED && death == NULL)
		breach("task %ld: %s, without a death", i, conc_errname(rc));
	if (death != NULL && death->signal != own && death->signal != SIGKILL)
		breach("task %ld: fate %d, signal %d", i, fate_of(i), death->signal);
	if (atomic_load(&ended[i]) != 1 && told(i) == BY_CLEANUP)
		breach("task %ld ended %d times", i, atomic_load(&ended[i]));
	conc_future_release(w->future);
	w->future = NULL;
}

/* Kill a worker from outside, unless it is just being replaced. */
static void
strike(uint32_t seed)
{
	int pid = atomic_load(&books->pid[seed % (uint32_t)workers]);

	if (pid > 0 && parent_of(pid) == zygote && kill(pid, SIGKILL) == 0)
		outside++;
}

static void
resize(long n)
{
	if (conc_executor_resize(pool, (int)n) != 0 || conc_executor_workers(pool) != n)
		breach("the pool cannot be resized to %ld", n);
}

/* Submit and finish from..end, never more than WINDOW at a time; with blows, or without. */
static void
submit_all(long from, long end, bool blows)
{
	long strikes = kills / 10, every = strikes > 0 ? tasks / 2 / strikes : tasks;
	long change = tasks / 200 + 1;

	for (long i = from; i < end + WINDOW; i++) {
		long old = i - pick(i, 8, WINDOW);

		if (i - WINDOW >= from)
			finish(i - WINDOW);
		if (i < end)
			submit(i);
		if (i % 16 == 0 && old >= from && old < end)
			stop(old);
		if (i % 64 == 1 && i < end)
			stop(i);
		if (blows && i < end && i % (every + 1) == every)
			strike(hash((uint32_t)i));
		if (i % change == 0)
			resize(i / change % 3 == 0 ? 1 : workers);
	}
	resize(workers);
}

static void
item_ended(size_t index, int code, void *user)
{
	(void)code;
	count_end((void *)(*(const uintptr_t *)user + index));
}

/* Map the items from..from+n. */
static void
map(long from, long n)
{
	static const size_t chunks[] = {0, 0, 100, 10};
	static long args[MOST_ITEMS], results[MOST_ITEMS];
	static int codes[MOST_ITEMS];
	uintptr_t first = (uintptr_t)from;
	conc_map_options o = CONC_MAP_INIT;
	long failed = -1;
	int rc, ends;

	for (long j = 0; j < n; j++)
		args[j] = from + j;
	o.chunk = chunks[pick(from, 10, 4)];
	o.retries = (int)pick(from, 11, 3);
	o.stop_on_failure = pick(from, 12, 4) == 0;
	o.codes = codes;
	o.on_item = item_ended;
	o.user = &first;
	o.deadline = conc_after(PATIENCE);
	rc = conc_map(pool, storm_task, (size_t)n, args, sizeof *args, results, sizeof *results,
	    &o);
	for (long j = n - 1; j >= 0; j--) {
		enter(from + j, codes[j], o.retries, o.stop_on_failure);
		if (codes[j] == 0 && results[j] != args[j] * 3)
			breach("item %ld: result %ld", args[j], results[j]);
		/* Cancelled: once if that stopped it as it ran, else not at all. */
		ends = atomic_load(&ended[args[j]]);
		if (ends > 1 || (ends == 0 && codes[j] != -ECANCELED))
			breach("item %ld ended %d times: %s", args[j], ends,
			    conc_errname(codes[j]));
		if (codes[j] != 0 && codes[j] != -ECANCELED)
			failed = j;
	}
	if (rc != (failed >= 0 ? codes[failed] : 0))
		breach("the map of %ld items from %ld: %s", n, from, conc_errname(rc));
	atomic_fetch_add(&items, n);
}

static void *
map_all(void *arg)
{
	int p = *(const int *)arg;

	for (long i = first_item(p), n; i < part(p + 1); i += n) {
		n = 1 + pick(i, 9, MOST_ITEMS);
		if (n > part(p + 1) - i)
			n = part(p + 1) - i;
		map(i, n);
	}
	return NULL;
}

static void
meet(void)
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
check_flat(int check)
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

/* One part; those of an even number have blows from outside. */
static void
storm(int p)
{
	long blows = outside, misses = atomic_load(&unlucky);
	pthread_t mapper;

	if (pthread_create(&mapper, NULL, map_all, &p) != 0)
		exit(2);
	submit_all(part(p), first_item(p), p % 2 == 0);
	pthread_join(mapper, NULL);
	meet();
	check_flat(p);
	blows = outside - blows;
	misses = atomic_load(&unlucky) - misses;
	if (misses > blows)
		breach("part %d: %ld deaths of nothing, %ld blows", p, misses, blows);
}

static void
find_zygote(void)
{
	conc_future *f;

	if (conc_submit(pool, zygote_task, NULL, 0, sizeof zygote, &f) != 0 ||
	    conc_future_result(f, &zygote, sizeof zygote) != 0) {
		breach("the first task did not run");
		exit(1);
	}
	conc_future_release(f);
}

static void
overlook(const conc_exception *e, void *user)
{
	(void)e;
	(void)user;
}

/* The pool is gone: has each ended as often, and run as often, as when we saw its end? */
static void
check_books(void)
{
	long deaths = 0;

	for (long i = 0; i < tasks; i++) {
		int runs = atomic_load(&books->runs[i]), ends = atomic_load(&ended[i]);

		if (runs != ran[i])
			breach("task %ld ran %d times, %d when it ended", i, runs, ran[i]);
		if (!is_item(i) && ends != (told(i) != BY_NONE))
			breach("task %ld ended %d times", i, ends);
	}
	for (int fate = BY_SIGSEGV; fate < FATES; fate++)
		deaths += atomic_load(&by_fate[fate]);
	if (deaths + spared < kills)
		breach("only %ld deaths, %ld spared", deaths, atomic_load(&spared));
	printf("%ld tasks, %ld of them items of maps; %ld deaths (%ld SIGSEGV, %ld SIGKILL, "
	       "%ld exit, %ld hang), %ld blows from outside of which %ld hit a task\n",
	    tasks, atomic_load(&items), deaths, by_fate[BY_SIGSEGV], by_fate[BY_SIGKILL],
	    by_fate[BY_EXIT], by_fate[BY_HANG], outside, atomic_load(&unlucky));
	printf("%ld further runs, %ld cancelled, %ld spared by that\n", atomic_load(&retried),
	    atomic_load(&cancelled), atomic_load(&spared));
}

int
main(void)
{
	int before, zombies, leash[2];
	struct pollfd end;
	struct timespec begun, over;

	tasks = number("TASKS", 1000000);
	kills = number("KILLS", tasks / 100 > 0 ? tasks / 100 : 1);
	workers = number("WORKERS", 4);
	if (workers > MOST_WORKERS || kills > tasks / 2)
		return 2;
	setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
	conc_set_excepthook(overlook, NULL);
	ended = calloc((size_t)tasks, 1);
	ran = calloc((size_t)tasks, 1);
	books = mmap(NULL, sizeof *books + (size_t)tasks, PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (ended == NULL || ran == NULL || books == MAP_FAILED || pipe2(leash, O_CLOEXEC) != 0)
		return 2;
	memset((void *)ended, 0, (size_t)tasks); /* resident from the beginning */
	memset(ran, 0, (size_t)tasks);
	memset((void *)books, 0, sizeof *books + (size_t)tasks);
	before = count_entries("/proc/self/fd");
	clock_gettime(CLOCK_MONOTONIC, &begun);
	if (conc_process_pool_create(&pool,
		CONC_PROCESS_POOL(.workers = (int)workers, .restarts = INT32_MAX,
		    .name = "storm")) != 0)
		return 2;
	find_zygote();
	for (int p = 0; p < PARTS; p++)
		storm(p);
	conc_executor_destroy(pool);
	clock_gettime(CLOCK_MONOTONIC, &over);

	if (count_entries("/proc/self/fd") != before)
		breach("%d descriptors, %d before", count_entries("/proc/self/fd"), before);
	if (count_children(getpid(), &zombies) != 0)
		breach("children are left, %d of them dead", zombies);
	close(leash[1]);
	end = (struct pollfd){.fd = leash[0]};
	if (poll(&end, 1, 10000) != 1)
		breach("a process of the pool lives on");
	check_books();
	printf("memory: host %ld to %ld KB, zygote %ld to %ld KB\n", first_kb[0], high_kb[0],
	    first_kb[1], high_kb[1]);
	printf("%ld breaches in %.1f s\n", atomic_load(&breaches),
	    (double)(over.tv_sec - begun.tv_sec) +
		(double)(over.tv_nsec - begun.tv_nsec) / 1e9);
	return breaches == 0 ? 0 : 1;
}
