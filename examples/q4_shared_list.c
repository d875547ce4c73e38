/* SPDX-License-Identifier: MIT */
/*
 * q4_shared_list: two threads share a list.
 *
 *	q4_shared_list [--pause MS] [--seed N]
 *
 * One adds ten random numbers at the end, the other makes ten attempts to
 * remove one from the front; both pause after each.  The list has its lock
 * inside, so that neither thread sees the other's work half done.
 */
#include <conc/conc.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { NUMBERS = 10 };

/* What each of the two tasks is given; the list is the same for both. */
struct job {
	conc_list *list;
	struct timespec pause;
	unsigned short seed[3]; /* the random numbers' state */
};

/* A task: runs in one of the pool's threads. */
static int
add_numbers(const void *arg, void *result)
{
	struct job job = *(const struct job *)arg;
	int i, n, rc = -EINVAL;

	(void)result;
	for (i = 0; i < NUMBERS; i++) {
		n = (int)(nrand48(job.seed) % 100) + 1;
		/* Adding and telling are one step: the lines come in the order of the deeds. */
		CONC_WITH_LIST(job.list) {
			rc = conc_list_append(job.list, &n);
			if (rc == 0)
				printf("Added: %d\n", n);
		}
		if (rc)
			return conc_raise(rc, "cannot add %d: %s", n, conc_strerror(rc));
		nanosleep(&job.pause, NULL);
	}
	return 0;
}

/* The other task: runs at the same time in the other thread. */
static int
remove_numbers(const void *arg, void *result)
{
	const struct job *job = arg;
	int i, n, rc = -EINVAL;

	(void)result;
	for (i = 0; i < NUMBERS; i++) {
		CONC_WITH_LIST(job->list) {
			rc = conc_list_pop(job->list, 0, &n);
			if (rc == 0)
				printf("Removed: %d\n", n);
			else if (rc == -ENOENT)
				printf("List is empty, cannot remove\n");
		}
		if (rc && rc != -ENOENT)
			return conc_raise(rc, "cannot remove: %s", conc_strerror(rc));
		nanosleep(&job->pause, NULL);
	}
	return 0;
}

/* Run both, each in a thread of its own, and wait for them.  Return 0 or a code. */
static int
run(conc_executor *pool, const struct job *job)
{
	conc_future *adder, *remover;
	int rc, rc2;

	rc = conc_submit(pool, add_numbers, job, sizeof *job, 0, &adder);
	if (rc)
		return rc;
	rc2 = conc_submit(pool, remove_numbers, job, sizeof *job, 0, &remover);
	if (rc2 == 0) {
		rc2 = conc_future_result(remover, NULL, 0);
		conc_future_release(remover);
	}
	rc = conc_future_result(adder, NULL, 0);
	conc_future_release(adder);
	return rc ? rc : rc2;
}

static int
print_list(conc_list *list)
{
	int numbers[NUMBERS], rc;
	size_t i, n;

	rc = conc_list_copy(list, numbers, NUMBERS, &n);
	if (rc)
		return rc;
	printf("Final list: [");
	for (i = 0; i < n; i++)
		printf("%s%d", i ? ", " : "", numbers[i]);
	printf("]\n");
	return 0;
}

/* Read a number up to max, or end the program with status 2. */
static long
number(const char *text, long max)
{
	char *end;
	long n;

	errno = 0;
	n = strtol(text, &end, 10);
	if (end == text || *end != '\0' || errno || n < 0 || n > max) {
		fprintf(stderr, "q4_shared_list: '%s' is not a number from 0 to %ld\n", text,
		    max);
		exit(2);
	}
	return n;
}

int
main(int argc, char **argv)
{
	static const struct option options[] = {{"pause", required_argument, NULL, 'p'},
	    {"seed", required_argument, NULL, 's'}, {"help", no_argument, NULL, 'h'}, {0}};
	static const char usage[] = "usage: q4_shared_list [--pause MS] [--seed N]\n";
	long seed = (long)time(NULL), pause = 500;
	conc_executor *pool = NULL;
	struct job job = {0};
	int c, rc;

	while ((c = getopt_long(argc, argv, "p:s:h", options, NULL)) != -1) {
		if (c == 'p')
			pause = number(optarg, 3600000);
		else if (c == 's')
			seed = number(optarg, 2147483647);
		else {
			fputs(usage, c == 'h' ? stdout : stderr);
			return c == 'h' ? 0 : 2;
		}
	}
	if (optind < argc) {
		fputs(usage, stderr);
		return 2;
	}
	job.pause = (struct timespec){pause / 1000, pause % 1000 * 1000000};
	job.seed[0] = (unsigned short)seed;
	job.seed[1] = (unsigned short)(seed >> 16);
	setvbuf(stdout, NULL, _IOLBF, 0); /* each line at once, also into a pipe */
	rc = conc_list_create(&job.list, sizeof(int));
	if (rc == 0)
		rc = conc_thread_pool_create(
		    &pool, CONC_THREAD_POOL(.workers = 2, .name = "list"));
	if (rc == 0)
		rc = run(pool, &job);
	if (rc == 0)
		rc = print_list(job.list);
	if (rc)
		fprintf(stderr, "q4_shared_list: %s\n",
		    conc_caught() ? conc_exception_message(conc_caught()) : conc_strerror(rc));
	conc_executor_destroy(pool); /* the threads first: they use the list */
	conc_list_destroy(job.list);
	if (fflush(stdout) || ferror(stdout)) {
		perror("q4_shared_list: cannot write");
		return 1;
	}
	return rc != 0;
}
