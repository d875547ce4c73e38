/* SPDX-License-Identifier: MIT */
/*
 * Failures and deaths under a process pool: in the host, in the zygote and in
 * the workers the k-th call fails for want of something, or is the moment at
 * which the process is killed.  Whatever comes, when: each accepted task ends
 * once and is cleaned up once, with a code that this can cause, none runs
 * twice, the pool goes on, and no process is left.
 *
 *	[EVERY=n] process    with each n-th fault alone
 */
#include "tests/faults/process.h"
#include <sys/prctl.h>

enum { ITEMS = 12, CODES_UNSET = 0x55555555 };

static int
fail_task(const void *arg, void *result)
{
	(void)result;
	began(*(const int *)arg);
	conc_raise(-ERANGE, "what it was because of");
	return conc_raise_from(conc_caught(), -EDOM, "a message %d", 1);
}

static int
crash_task(const void *arg, void *result)
{
	(void)result;
	began(*(const int *)arg);
	return raise(SIGKILL);
}

/* The first time it crashes. */
static int
crash_once_task(const void *arg, void *result)
{
	(void)arg;
	(void)result;
	return atomic_fetch_add(&shared->again, 1) == 0 ? raise(SIGKILL) : 0;
}

static int
hang_task(const void *arg, void *result)
{
	(void)result;
	began(*(const int *)arg);
	while (arg != NULL)
		pause();
	return 0;
}

static int
good_init(void *user)
{
	must(user == &books);
	conc_raise(-EDOM, "nothing, but it takes memory");
	conc_clear();
	return 0;
}

static int
bad_init(void *user)
{
	must(user == &books);
	return conc_raise(-ENODEV, "no device");
}

/* The worker has lost no memory; if it was not forked from this thread nobody can tell. */
static void
fini(void *user)
{
	(void)good_init(user);
#ifdef __SANITIZE_ADDRESS__
	if (faultless || (fault_role == CONC__FAULT_WORKER && !kills() && !onwards()))
		atomic_fetch_add(&shared->leaks, __lsan_do_recoverable_leak_check());
#endif
}

static void
tasks(void)
{
	struct given g[8];

	if (!open_pool(CONC_PROCESS_POOL(.workers = WORKERS, .init = good_init, .fini = fini,
		.user = &books, .cpu_limit = CONC_S(60))))
		return;
	g[0] = give(echo_large, sizeof(struct load));
	g[1] = give_echo();
	g[2] = give(fail_task, 0);
	g[3] = give_echo();
	g[4] = give(echo_room, 0);
	g[5] = give(fail_task, sizeof(int));
	g[6] = give(echo_large, sizeof(struct load));
	g[7] = give_echo();
	for (int i = 0; i < 8; i++)
		(void)take(g[i], g[i].fn == fail_task ? -EDOM : 0);
	close_pool();
}

static bool items_fail; /* some of them */

/* What comes of item n, without faults. */
static int
wanted(int n)
{
	return items_fail && n % 5 == 3 ? -EDOM : 0;
}

static int
item_task(const void *arg, void *result)
{
	int n = *(const int *)arg;

	began(n);
	*(int *)result = 2 * n;
	return wanted(n) != 0 ? conc_raise(wanted(n), "item %d", n) : 0;
}

static void
map_items(size_t chunk, bool fail)
{
	int in[ITEMS], out[ITEMS], codes[ITEMS], rc;

	items_fail = fail;
	if (!open_pool(CONC_PROCESS_POOL(.workers = WORKERS, .tasks_per_worker = 3)))
		return;
	for (int i = 0; i < ITEMS; i++)
		in[i] = books.next++;
	memset(codes, 0x55, sizeof codes);
	rc = conc_map(books.pool, item_task, ITEMS, in, sizeof *in, out, sizeof *out,
	    CONC_MAP(.chunk = chunk, .codes = codes));
	must(rc == wanted(3) || (!faultless && rc != 0));
	must_tell(rc);
	for (int i = 0; i < ITEMS; i++) {
		int runs = atomic_load(&shared->runs[i]);

		if (codes[i] == CODES_UNSET || codes[i] == -ECANCELED) {
			/* the map was refused, or its rest, and what ran killed */
			must(runs <= (codes[i] == -ECANCELED));
			must(rc != 0 && (onwards() || refused(rc)));
			continue;
		}
		must(may_end(codes[i], wanted(i)));
		must(codes[i] != 0 || (runs == 1 && out[i] == 2 * i));
		must(codes[i] == 0 || rc != 0);
	}
	close_pool();
}

static void
maps(void)
{
	map_items(1, true);
	map_items(5, false);
}

static pid_t host;

static int
drop_privileges(void *user)
{
	(void)user;
	return prctl(PR_SET_PDEATHSIG, 0L); /* as the kernel does then */
}

static int
item_kills_zygote(const void *arg, void *result)
{
	int n = *(const int *)arg;

	began(n);
	if (n == 5) {
		(void)kill(getppid(), SIGKILL);
		/* until the host has judged: we are asked, or another runs the next one */
		while (!conc_cancelled() && atomic_load(&shared->runs[6]) == 0 &&
		    kill(host, 0) == 0)
			sched_yield();
	}
	*(int *)result = n;
	return 0;
}

/* The zygote dies, and its worker lives on for a while: no item runs there and again. */
static void
outlives_its_zygote(void)
{
	int in[RUNS - 4], out[RUNS - 4], rc;

	host = getpid();
	if (!open_pool(CONC_PROCESS_POOL(.workers = 1, .init = drop_privileges)))
		return;
	for (int i = 0; i < RUNS - 4; i++)
		in[i] = books.next++;
	rc = conc_map(books.pool, item_kills_zygote, RUNS - 4, in, sizeof *in, out, sizeof *out,
	    CONC_MAP(.chunk = RUNS));
	must(rc == 0 || rc == CONC_ECRASHED || may_end(rc, 0));
	close_pool();
}

static void
must_resize(int n)
{
	int rc = conc_executor_resize(books.pool, n);

	must(rc == 0 || refused(rc));
	(void)take(give_echo(), 0);
}

/* To more workers, to more than the zygote has pages for, to fewer, to new ones. */
static void
resizes(void)
{
	int rc;

	if (!open_pool(CONC_PROCESS_POOL(.workers = 1)))
		return;
	must_resize(WORKERS);
	must_resize(17);
	must_resize(1);
	rc = conc_process_pool_refresh(books.pool);
	must(rc == 0 || refused(rc));
	conc_clear();
	(void)take(give_echo(), 0);
	close_pool();
}

/* Each comes once, in order; between the long ones is text that would tell if one was torn. */
static void
hear(const conc_log_record *record, void *user)
{
	int n, i, skip;

	must(user == &books);
	must(sscanf(record->message, "task %d record %d %n", &n, &i, &skip) == 2);
	must(n >= 0 && n < RUNS && i == atomic_fetch_add(&books.heard[n], 1));
	must(strspn(record->message + skip, "-") == strlen(record->message + skip));
}

static int
log_task(const void *arg, void *result)
{
	int n = *(const int *)arg;
	static char text[6000];

	memset(text, '-', sizeof text - 1);
	for (int i = 0; i < 4; i++) {
		conc_log(CONC_LOG_WARNING, "task %d record %d %s", n, i,
		    i % 2 ? text : text + sizeof text - 1);
		atomic_fetch_add(&shared->logged[n], 1);
	}
	return n % 3 == 2 ? raise(SIGKILL) : echo_task(arg, result);
}

/* Who dies loses no record; and what the host wants costs none. */
static void
records(void)
{
	struct given g[6];

	conc_set_log(hear, &books, CONC_LOG_WARNING);
	if (open_pool(CONC_PROCESS_POOL(.workers = WORKERS))) {
		for (int i = 0; i < 6; i++)
			g[i] = give(log_task, sizeof(int));
		for (int i = 0; i < 6; i++) {
			int n = g[i].number, heard;

			(void)take(g[i], n % 3 == 2 ? CONC_ECRASHED : 0);
			heard = atomic_load(&books.heard[n]);
			must(heard >= atomic_load(&shared->logged[n]));
			must(heard <= atomic_load(&shared->logged[n]) + kills());
		}
		conc_set_log(NULL, NULL, CONC_LOG_NONE);
		close_pool();
	}
	conc_set_log(NULL, NULL, CONC_LOG_NONE);
}

static void
crashes(void)
{
	struct given g[5];

	if (!open_pool(CONC_PROCESS_POOL(.workers = WORKERS)))
		return;
	g[0] = give(crash_task, 0);
	g[1] = give_echo();
	g[2] = give_limited(crash_once_task, 0, 0, 1);
	g[3] = give_limited(hang_task, 0, CONC_MS(5), 0);
	g[4] = give_echo();
	(void)take(g[0], CONC_ECRASHED);
	(void)take(g[1], 0);
	(void)take(g[2], 0);
	(void)take(g[3], CONC_ETIMELIMIT);
	(void)take(g[4], 0);
	close_pool();
}

/* One that is killed while it runs, or as it may; one that is cancelled behind it. */
static void
stops(void)
{
	/* else the roles are others: one more process stands between */
	bool detached = fault_role == CONC__FAULT_HOST;
	struct given running, queued[3];
	int rc;

	if (!open_pool(CONC_PROCESS_POOL(.workers = 1, .detached = detached)))
		return;
	running = give(hang_task, 0);
	while (running.f != NULL && !conc_future_running(running.f) &&
	    !conc_future_done(running.f))
		sched_yield();
	for (int i = 0; i < 3; i++)
		queued[i] = give_echo();
	if (queued[1].f != NULL) {
		rc = conc_future_cancel(queued[1].f);
		must(rc == 0 || !faultless);
	}
	if (running.f != NULL) {
		rc = conc_future_kill(running.f);
		must(rc == 0 || !faultless);
	}
	(void)take(running, -ECANCELED);
	(void)take(queued[0], 0);
	rc = queued[1].f != NULL ? conc_future_result(queued[1].f, NULL, 0) : 0;
	(void)take(queued[1], rc == 0 && !faultless ? 0 : -ECANCELED);
	(void)take(queued[2], 0);
	close_pool();
}

static void
shuts_down(void)
{
	static const conc_shutdown_how hows[] = {CONC_DRAIN, CONC_CANCEL, CONC_KILL};

	for (int i = 0; i < 3; i++) {
		struct given g[4];

		if (!open_pool(CONC_PROCESS_POOL(.workers = WORKERS, .init = good_init,
			.fini = fini, .user = &books)))
			return;
		for (int n = 0; n < 4; n++)
			g[n] = give_echo();
		must(conc_shutdown(books.pool, hows[i], CONC_FOREVER) == 0);
		for (int n = 0; n < 4; n++) {
			int rc = g[n].f != NULL ? conc_future_result(g[n].f, NULL, 0) : 0;

			must(rc != -ECANCELED || i > 0);
			(void)take(g[n], rc == -ECANCELED ? rc : 0);
		}
		must(conc_submit(books.pool, echo_task, NULL, 0, 0, NULL) != 0);
		conc_executor_destroy(books.pool);
		balance();
	}
}

static void
breaks(void)
{
	if (!open_pool(CONC_PROCESS_POOL(
		.workers = WORKERS, .init = bad_init, .fini = fini, .user = &books)))
		return;
	for (int i = 0; i < 2; i++) {
		conc_future *f = NULL;
		int rc = conc_submit(books.pool, hang_task, NULL, 0, 0, &f);

		if (rc == 0) {
			rc = conc_future_result(f, NULL, 0);
			must(rc != 0);
			conc_future_release(f);
		}
		must(rc == CONC_EBROKEN || refused(rc));
		must_tell(rc);
	}
	conc_executor_destroy(books.pool);
	balance();
}

/* The host itself is killed at its k-th call: then so are all others. */
static bool
host_is_killed(const struct scenario *s, uint32_t k)
{
	struct fixture_counts before = fixture_now();
	int leash[2], status;
	pid_t pid;

	fault_scenario = s->name;
	fault_k = k;
	fault_role = CONC__FAULT_HOST;
	fault_how = CONC__FAULT_KILL;
	faultless = true; /* till then */
	must(pipe2(leash, O_CLOEXEC) == 0);
	fflush(NULL);
	pid = fork();
	if (pid == 0) {
		conc__fault_arm_role(CONC__FAULT_HOST, CONC__FAULT_KILL, k);
		s->run();
		_exit(EXIT_SUCCESS);
	}
	must(pid > 0);
	while (waitpid(pid, &status, 0) == -1 && errno == EINTR)
		;
	must(WIFSIGNALED(status) ? WTERMSIG(status) == SIGKILL : WEXITSTATUS(status) == 0);
	must(leash_is_free(leash));
	conc__fault_arm(0, 0);
	must_be_as(before);
	return WIFSIGNALED(status);
}

static void
overlook(const conc_exception *e, void *user)
{
	(void)e;
	(void)user;
}

enum { KILL = CONC__FAULT_KILL, ON = CONC__FAULT_ONWARDS };

static const struct sweep {
	const char *name;
	enum conc__fault_role role;
	int how;
	/* with EVERY=n each n times so many-th; 0: each.  Where nothing can be had a pool is
	 * patient for a while, each time */
	uint32_t every;
} sweeps[] = {
    {"faults of the host", CONC__FAULT_HOST, CONC__FAULT_ONCE, 1},
    {"faults and on of the host", CONC__FAULT_HOST, ON, 5},
    {"faults of the zygote", CONC__FAULT_ZYGOTE, CONC__FAULT_ONCE, 1},
    {"faults and on of the zygote", CONC__FAULT_ZYGOTE, ON, 5},
    {"kills of the zygote", CONC__FAULT_ZYGOTE, KILL, 1},
    {"kills and on of the zygote", CONC__FAULT_ZYGOTE, KILL | ON, 5},
    {"faults of the worker", CONC__FAULT_WORKER, CONC__FAULT_ONCE, 1},
    {"faults and on of the worker", CONC__FAULT_WORKER, ON, 5},
    {"kills of the worker", CONC__FAULT_WORKER, KILL, 0},
    {"kills and on of the worker", CONC__FAULT_WORKER, KILL | ON, 5},
};

static void
run_sweeps(const struct scenario *s, uint32_t every)
{
	uint32_t k, n = 0;

	(void)run_with_fault(s, CONC__FAULT_HOST, CONC__FAULT_ONCE, 0);
	for (size_t i = 0; i < sizeof sweeps / sizeof sweeps[0]; i++)
		printf("passed: %s, %u %s\n", s->name,
		    sweep_faults(s, sweeps[i].role, sweeps[i].how,
			sweeps[i].every > 0 ? every * sweeps[i].every : 1),
		    sweeps[i].name);
	for (k = 1; host_is_killed(s, k); k += 5 * every, n++)
		must(k < 100000);
	must(n > 0);
	printf("passed: %s, %u kills of the host\n", s->name, n);
}

int
main(void)
{
	static const struct scenario scenarios[] = {SCENARIO(tasks), SCENARIO(maps),
	    SCENARIO(outlives_its_zygote), SCENARIO(resizes), SCENARIO(crashes),
	    SCENARIO(stops), SCENARIO(shuts_down), SCENARIO(breaks), SCENARIO(records)};
	const char *every = getenv("EVERY");

	fixture_setup();
	share_books();
	conc_set_log(NULL, NULL, CONC_LOG_NONE);
	conc_set_excepthook(overlook, NULL);
	for (size_t i = 0; i < sizeof scenarios / sizeof scenarios[0]; i++)
		run_sweeps(&scenarios[i],
		    every != NULL && atoi(every) > 0 ? (uint32_t)atoi(every) : 1);
	munmap(shared, sizeof *shared);
	return EXIT_SUCCESS;
}
