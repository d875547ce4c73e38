/* SPDX-License-Identifier: MIT */
/*
 * survivor: tasks that crash, hang, leak and leave, and a program that lives on.
 *
 *	survivor [--workers N] [--rounds N]
 *
 * Between honest tasks stand some that dereference a wild pointer, abort, wait
 * or compute for ever, eat memory, call exit, are killed, or simply fail.  Each
 * costs itself and nothing else: the program prints what became of every task,
 * and ends with the count of those done.  One warns of its end by the log, which
 * goes to standard error.  The exit status is 0 if each ended as it had to.
 */
#include <conc/conc.h>
#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#define MEMORY ((size_t)64 << 20) /* what a worker may have beyond what the program has */
#define PIECE ((size_t)1 << 20)

/* Sanitizers need more address space than any limit leaves them. */
#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#endif

/* How often the flaky task of each round has begun: memory that all processes share. */
static int *begun;

static int
square(const void *arg, void *result)
{
	int n = *(const int *)arg;

	*(int *)result = n * n;
	return 0;
}

static int
segfault(const void *arg, void *result)
{
	*(volatile char *)(uintptr_t)*(const int *)arg = 1; /* nothing is mapped there */
	return square(arg, result);
}

static int
give_up(const void *arg, void *result)
{
	(void)arg, (void)result;
	abort();
}

static int
hang(const void *arg, void *result)
{
	while (pause() != 0) /* no handler, so it never returns */
		;
	return square(arg, result);
}

static int
spin(const void *arg, void *result)
{
	volatile bool enough = false;

	while (!enough)
		;
	return square(arg, result);
}

static int
leave(const void *arg, void *result)
{
	(void)result;
	exit(*(const int *)arg);
}

static int
killed(const void *arg, void *result)
{
	kill(getpid(), SIGKILL); /* as the system does when its memory runs out */
	return square(arg, result);
}

#ifndef SANITIZED
/* Take more and more memory; without a look at what malloc says, if that is wanted. */
static int
eat(bool look)
{
	for (size_t pieces = 0;; pieces++) {
		volatile char *p = malloc(PIECE);

		if (p == NULL && look)
			return conc_raise(-ENOMEM, "no more memory after %zu MiB", pieces);
		for (size_t i = 0; i < PIECE; i += 1024)
			p[i] = 1;
	}
}

static int
leak(const void *arg, void *result)
{
	(void)arg, (void)result;
	return eat(true);
}

static int
leak_blindly(const void *arg, void *result)
{
	(void)arg, (void)result;
	return eat(false);
}
#endif

/* Fails in the plain way: with an exception, and another one as its cause. */
static int
fail(const void *arg, void *result)
{
	int rc = conc_raise(-ENOENT, "no /etc/squares.conf");

	(void)arg, (void)result;
	return conc_raise_from(conc_caught(), rc, "cannot square without a configuration");
}

/* Crashes when it runs first; its task asks for a second run.  arg is the round. */
static int
flaky(const void *arg, void *result)
{
	if (begun[*(const int *)arg]++ == 0) {
		/* It arrives, though the worker is gone in a moment. */
		conc_log(CONC_LOG_WARNING, "flaky: this run of round %d will crash",
		    *(const int *)arg);
		abort();
	}
	return square(arg, result);
}

static const struct trial {
	const char *name;
	conc_fn *fn;
	int arg;
	int code; /* how it must end */
	int retries;
} trials[] = {
    {"square", square, 2, 0, 0},
    {"segfault", segfault, 16, CONC_ECRASHED, 0},
    {"square", square, 3, 0, 0},
    {"abort", give_up, 0, CONC_ECRASHED, 0},
    {"hang", hang, 0, CONC_ETIMELIMIT, 0},
    {"square", square, 4, 0, 0},
    {"spin", spin, 0, CONC_ETIMELIMIT, 0},
    {"exit 0", leave, 0, CONC_ECRASHED, 0},
    {"exit 3", leave, 3, CONC_ECRASHED, 0},
    {"square", square, 5, 0, 0},
    {"killed", killed, 0, CONC_ECRASHED, 0},
#ifndef SANITIZED
    {"leak", leak, 0, -ENOMEM, 0},
    {"leak blindly", leak_blindly, 0, CONC_ECRASHED, 0},
#endif
    {"fail", fail, 0, -ENOENT, 0},
    {"square", square, 6, 0, 0},
    {"flaky", flaky, 0, 0, 1},
    {"square", square, 8, 0, 0},
};
enum { TRIALS = sizeof trials / sizeof trials[0] };

static int
argument(const struct trial *t, int round)
{
	return t->fn == flaky ? round : t->arg;
}

/* Wait for one task and print what became of it.  Return whether it ended as it had to. */
static bool
outcome(const struct trial *t, int arg, conc_future *f, int *done)
{
	const conc_exception *e;
	int out, rc;

	rc = conc_future_result(f, &out, sizeof out);
	if (rc == 0) {
		printf("%s: done: %d\n", t->name, out);
		++*done;
		return t->code == 0 && out == arg * arg;
	}
	e = conc_caught(); /* of a crash, the message tells how the worker died */
	printf("%s: %s: %s\n", t->name, conc_errname(rc), conc_exception_message(e));
	while ((e = conc_exception_cause(e)) != NULL)
		printf("    because: %s\n", conc_exception_message(e));
	return rc == t->code;
}

/* Submit all, so that they run at the same time; look at them in order. */
static int
run(conc_executor *pool, int rounds)
{
	int n = rounds * TRIALS, submitted, done = 0, wrong = 0, rc = 0;
	conc_future **f = calloc((size_t)n, sizeof(conc_future *));

	if (f == NULL)
		return -ENOMEM;
	for (submitted = 0; submitted < n; submitted++) {
		const struct trial *t = &trials[submitted % TRIALS];
		int arg = argument(t, submitted / TRIALS);

		/* Only those that never end get a limit, for honest ones may be slow. */
		rc = conc_submit_task(pool,
		    CONC_TASK(.fn = t->fn, .name = t->name, .arg = &arg,
			.arg_size = sizeof arg, .result_size = sizeof(int),
			.retries = t->retries,
			.time_limit = t->code == CONC_ETIMELIMIT ? CONC_MS(200) : 0),
		    &f[submitted]);
		if (rc)
			break;
	}
	for (int i = 0; i < submitted; i++) {
		const struct trial *t = &trials[i % TRIALS];

		wrong += !outcome(t, argument(t, i / TRIALS), f[i], &done);
		conc_future_release(f[i]);
	}
	free(f);
#ifdef SANITIZED
	printf("left out, since it is built with a sanitizer: leak, leak blindly\n");
#endif
	if (wrong)
		printf("%d did not end as they had to\n", wrong);
	printf("Tasks done: %d of %d\n", done, submitted);
	return rc ? rc : wrong ? -EINVAL : 0;
}

/* Read a number from 1 to max, or end the program with status 2. */
static int
number(const char *text, int max)
{
	char *end;
	long n;

	errno = 0;
	n = strtol(text, &end, 10);
	if (end == text || *end != '\0' || errno || n < 1 || n > max) {
		fprintf(stderr, "survivor: '%s' is not a number from 1 to %d\n", text, max);
		exit(2);
	}
	return (int)n;
}

int
main(int argc, char **argv)
{
	static const struct option options[] = {{"workers", required_argument, NULL, 'w'},
	    {"rounds", required_argument, NULL, 'r'}, {"help", no_argument, NULL, 'h'}, {0}};
	static const char usage[] = "usage: survivor [--workers N] [--rounds N]\n";
	int c, rc, workers = 4, rounds = 1;
	size_t limit = 0;
	conc_executor *pool = NULL;

	while ((c = getopt_long(argc, argv, "w:r:h", options, NULL)) != -1) {
		if (c == 'w')
			workers = number(optarg, 1024);
		else if (c == 'r')
			rounds = number(optarg, 10000);
		else {
			fputs(usage, c == 'h' ? stdout : stderr);
			return c == 'h' ? 0 : 2;
		}
	}
	if (optind < argc) {
		fputs(usage, stderr);
		return 2;
	}
#ifndef SANITIZED
	limit = MEMORY;
#endif
	begun = mmap(NULL, (size_t)rounds * sizeof *begun, PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	rc = begun == MAP_FAILED ? -ENOMEM : 0;
	if (rc == 0)
		rc = conc_process_pool_create(&pool,
		    CONC_PROCESS_POOL(
			.workers = workers, .name = "survivor", .memory_limit = limit));
	if (rc == 0)
		rc = run(pool, rounds);
	if (rc)
		fprintf(stderr, "survivor: %s\n", conc_strerror(rc));
	conc_executor_destroy(pool);
	if (fflush(stdout) || ferror(stdout)) {
		perror("survivor: cannot write");
		return 1;
	}
	return rc != 0;
}
