/* SPDX-License-Identifier: MIT */
/*
 * q8_squares: the squares of 1 to 10, by pools of 2, 4 and 8 processes.
 *
 *	q8_squares [--work N] [--range FROM TO] [SIZE]...
 *
 * For each pool size: make the pool, map the function over the numbers, end the
 * pool; print the results and how long all that took.  At the end a table
 * compares the sizes.  A square alone is done before a process has looked up:
 * with --work each takes N million steps more, and then sizes differ, as far
 * as there are CPUs.
 */
#include <conc/conc.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LARGEST 3037000499 /* the last whose square fits in 64 bits */
#define MOST_NUMBERS 1000000
#define MOST_SIZES 64

/* What to do: made before the pools, so that their processes see it as it is here. */
static struct {
	int64_t from, to;
	int64_t work; /* million steps beside each square */
} job = {1, 10, 0};

/* The task: runs in a worker process; arg and result are its own copies. */
static int
square(const void *arg, void *result)
{
	int64_t n = *(const int64_t *)arg;
	volatile uint64_t x = 0;

	for (int64_t i = 0; i < job.work * 1000000; i++)
		x = x + (uint64_t)i;
	*(int64_t *)result = n * n;
	return 0;
}

static double
seconds(void)
{
	return (double)conc_after(0).ns / 1e9; /* the deadline that is now */
}

/* Square all numbers with a pool of so many processes.  Return 0 or a code. */
static int
run(int size, const int64_t *numbers, int64_t *squares, size_t n, double *taken)
{
	double begin = seconds();
	conc_executor *pool;
	int rc;

	rc = conc_process_pool_create(
	    &pool, CONC_PROCESS_POOL(.workers = size, .name = "square"));
	if (rc)
		return rc;
	rc = conc_map(
	    pool, square, n, numbers, sizeof *numbers, squares, sizeof *squares, NULL);
	conc_executor_destroy(pool); /* waits for its processes */
	*taken = seconds() - begin;
	return rc;
}

static void
report(int size, const int64_t *squares, size_t n, double taken)
{
	printf("Using Pool size: %d\n", size);
	printf("Results: [");
	for (size_t i = 0; i < n; i++)
		printf("%s%lld", i ? ", " : "", (long long)squares[i]);
	printf("]\n");
	printf("Time taken: %.6f seconds\n", taken);
}

/* All sizes one after the other, and the table.  Return the exit status. */
static int
compare(const int *sizes, int count)
{
	size_t n = (size_t)(job.to - job.from) + 1;
	int64_t *numbers = calloc(n, sizeof *numbers), *squares = calloc(n, sizeof *squares);
	int rc = numbers && squares ? 0 : -ENOMEM;
	double taken[MOST_SIZES];

	for (size_t i = 0; i < n && rc == 0; i++)
		numbers[i] = job.from + (int64_t)i;
	for (int i = 0; i < count && rc == 0; i++) {
		memset(squares, 0, n * sizeof *squares); /* nobody may live on old results */
		rc = run(sizes[i], numbers, squares, n, &taken[i]);
		if (rc == 0)
			report(sizes[i], squares, n, taken[i]);
	}
	if (rc)
		fprintf(stderr, "q8_squares: %s\n",
		    conc_caught() ? conc_exception_message(conc_caught()) : conc_strerror(rc));
	else
		printf("\nPool size   Seconds    Speed-up\n");
	for (int i = 0; i < count && rc == 0; i++)
		printf("%9d   %.6f   %8.2f\n", sizes[i], taken[i], taken[0] / taken[i]);
	free(numbers);
	free(squares);
	return rc != 0;
}

/* Read a number from min to max, or end the program with status 2. */
static int64_t
number(const char *text, int64_t min, int64_t max)
{
	char *end;
	long long n;

	errno = 0;
	n = strtoll(text, &end, 10);
	if (end == text || *end != '\0' || errno || n < min || n > max) {
		fprintf(stderr, "q8_squares: '%s' is not a number from %lld to %lld\n", text,
		    (long long)min, (long long)max);
		exit(2);
	}
	return n;
}

int
main(int argc, char **argv)
{
	static const struct option options[] = {{"work", required_argument, NULL, 'w'},
	    {"range", required_argument, NULL, 'r'}, {"help", no_argument, NULL, 'h'}, {0}};
	static const char usage[] =
	    "usage: q8_squares [--work N] [--range FROM TO] [SIZE]...\n";
	int sizes[MOST_SIZES] = {2, 4, 8}, count = 0, c, status;

	while ((c = getopt_long(argc, argv, "+w:r:h", options, NULL)) != -1) {
		if (c == 'w')
			job.work = number(optarg, 0, 1000000);
		else if (c == 'r' && optind < argc) {
			job.from = number(optarg, -LARGEST, LARGEST);
			job.to = job.from + MOST_NUMBERS - 1;
			job.to = number(argv[optind++], job.from,
			    job.to < LARGEST ? job.to : LARGEST);
		} else {
			fputs(usage, c == 'h' ? stdout : stderr);
			return c == 'h' ? 0 : 2;
		}
	}
	if (argc - optind > MOST_SIZES) {
		fputs(usage, stderr);
		return 2;
	}
	while (optind < argc)
		sizes[count++] = (int)number(argv[optind++], 1, 1024);
	status = compare(sizes, count ? count : 3);
	if (fflush(stdout) || ferror(stdout)) {
		perror("q8_squares: cannot write");
		status = 1;
	}
	return status;
}
