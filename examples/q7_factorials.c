/* SPDX-License-Identifier: MIT */
/*
 * q7_factorials: compute 1! to 10! at the same time, in a pool of threads.
 *
 *	q7_factorials [--workers N] [[FROM] TO]
 *
 * Each number becomes a task, and each task has a future.  The tasks run in
 * any order; the results are taken from the futures in order of the numbers.
 * 20! is the last that fits in 64 bits: the tasks of greater numbers fail with
 * an exception, which arrives where their result would have been.
 */
#include <conc/conc.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define LARGEST 1000000 /* a task for each number: let a slip of the finger not ask for more */

/* The task: runs in a worker.  arg is a copy of the number, result is room in the future. */
static int
factorial(const void *arg, void *result)
{
	int n = *(const int *)arg;
	uint64_t product = 1;

	printf("Calculating factorial of %d\n", n);
	for (int i = 2; i <= n; i++) {
		if (product > UINT64_MAX / (uint64_t)i)
			return conc_raise(-EOVERFLOW, "%d! does not fit in 64 bits", n);
		product *= (uint64_t)i;
	}
	*(uint64_t *)result = product;
	return 0;
}

/* Print the results in order.  Return how many of them are failures. */
static int
report(conc_future **futures, int from, int to)
{
	uint64_t product;
	int n, rc, failed = 0;

	for (n = from; n <= to; n++) {
		/* Waits until this task has ended; the others go on meanwhile. */
		rc = conc_future_result(futures[n - from], &product, sizeof product);
		if (rc) {
			printf("Factorial of %d failed: %s\n", n,
			    conc_exception_message(conc_caught()));
			failed++;
		} else
			printf("Factorial of %d is %" PRIu64 "\n", n, product);
	}
	printf("Final Results:\n");
	for (n = from; n <= to; n++) {
		/* A result stays in its future, and may be read again. */
		rc = conc_future_result(futures[n - from], &product, sizeof product);
		if (rc)
			printf("%d! failed: %s\n", n, conc_errname(rc));
		else
			printf("%d! = %" PRIu64 "\n", n, product);
	}
	return failed;
}

/* Make a pool, submit a task for each number, report.  Return the exit status. */
static int
run(int workers, int from, int to)
{
	conc_future **futures = calloc((size_t)(to - from) + 1, sizeof *futures);
	conc_executor *pool = NULL;
	int n, rc = futures ? 0 : -ENOMEM, failed = 0;

	if (rc == 0)
		rc = conc_thread_pool_create(&pool, CONC_THREAD_POOL(.workers = workers));
	for (n = from; n <= to && rc == 0; n++)
		rc = conc_submit(
		    pool, factorial, &n, sizeof n, sizeof(uint64_t), &futures[n - from]);
	if (rc)
		fprintf(stderr, "q7_factorials: %s\n", conc_strerror(rc));
	else
		failed = report(futures, from, to);
	for (n = from; n <= to && futures; n++)
		conc_future_release(futures[n - from]); /* NULL, never submitted, is fine */
	conc_executor_destroy(pool);                    /* waits for its tasks */
	free(futures);
	return rc || failed;
}

/* Read a number from min to max, or end the program with status 2. */
static int
number(const char *text, int min, int max)
{
	char *end;
	long n;

	errno = 0;
	n = strtol(text, &end, 10);
	if (end == text || *end != '\0' || errno || n < min || n > max) {
		fprintf(stderr, "q7_factorials: '%s' is not a number from %d to %d\n", text,
		    min, max);
		exit(2);
	}
	return (int)n;
}

int
main(int argc, char **argv)
{
	static const struct option options[] = {
	    {"workers", required_argument, NULL, 'w'}, {"help", no_argument, NULL, 'h'}, {0}};
	static const char usage[] = "usage: q7_factorials [--workers N] [[FROM] TO]\n";
	int c, status, workers = 0, from = 1, to = 10; /* workers 0: one for each CPU */

	/* Options come first ("+"); a negative number is none, but a bad number. */
	while ((optind >= argc || strtol(argv[optind], NULL, 10) >= 0) &&
	    (c = getopt_long(argc, argv, "+w:h", options, NULL)) != -1) {
		if (c == 'w')
			workers = number(optarg, 1, 4096);
		else {
			fputs(usage, c == 'h' ? stdout : stderr);
			return c == 'h' ? 0 : 2;
		}
	}
	if (argc - optind == 2)
		from = number(argv[optind++], 0, LARGEST);
	if (argc - optind == 1)
		to = number(argv[optind++], from, LARGEST);
	if (optind < argc) {
		fputs(usage, stderr);
		return 2;
	}
	status = run(workers, from, to);
	if (fflush(stdout) || ferror(stdout)) {
		perror("q7_factorials: cannot write");
		status = 1;
	}
	return status;
}
