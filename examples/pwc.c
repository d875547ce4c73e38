/* SPDX-License-Identifier: MIT */
/*
 * pwc: count lines, words and bytes of many files at once.
 *
 *	pwc [--processes] [--workers N] [--progress] [-0|--null] [FILE]...
 *
 * Each file is a task of a pool, of threads or of processes; the output is that
 * of "LC_ALL=C wc" of GNU coreutils 9.1, byte for byte, in the order of the
 * arguments.  The file "-" is standard input.  Without a FILE the names are read
 * from standard input, one a line, or each ended by a zero byte (--null).  They
 * are counted as they arrive, so the columns cannot be as wide as the largest
 * count to come: they are one wide, as those of "wc --files0-from=-" that reads
 * from a pipe.
 *
 * A file that cannot be opened is an exception in its task.  It arrives in the
 * file's place in the output, its message goes to standard error, the rest
 * goes on, and the exit status is 1.
 *
 * The task is given a name and returns a small struct, so that it runs as well
 * in another process: which engine serves is one line of main, and nothing else
 * knows.  At most WINDOW tasks are in flight, so that a million names need no
 * more memory than a thousand.
 */
#include <conc/conc.h>
#include <ctype.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define WINDOW 1024          /* files in flight */
#define BUFFER (128 * 1024)  /* bytes per read, on the worker's stack */
#define REDRAW CONC_MS(100)  /* between two pictures of the progress bar */

struct counts {
	uint64_t lines, words, bytes;
	int error;   /* errno of the read that ended the counting early, or 0 */
	int in_word; /* while counting: is the byte before within a word? */
};

struct slot {
	conc_future *future;
	char *name;
};

/* What "-" reads.  The pool finds it set: processes know no later memory. */
static int standard_input;

struct run {
	conc_executor *pool;
	struct slot window[WINDOW]; /* a ring: the files whose counts are not printed yet */
	size_t first, in_flight;    /* where it begins, how many it holds */
	size_t printed, total;      /* files printed; files in all, 0: not known */
	struct counts sum;
	int64_t drawn; /* when the progress bar was last drawn */
	int width, status;
	bool progress, visible; /* is a bar wanted, is it to be seen? */
};

/*
 * Words as the C locale has them: white space separates, other printable
 * characters belong to words, and all other bytes do neither.  No branch
 * depends on the data, so text without pattern is as quick as any other.
 */
static void
count(struct counts *c, const unsigned char *p, size_t n)
{
	uint64_t lines = 0, words = 0;
	unsigned in_word = (unsigned)c->in_word;

	for (size_t i = 0; i < n; i++) {
		unsigned printable = p[i] - 0x21u < 0x5eu;
		unsigned space = (p[i] == ' ') | (p[i] - 9u < 5u);

		lines += p[i] == '\n';
		words += printable & ~in_word;
		in_word = printable | (in_word & ~space);
	}
	c->lines += lines;
	c->words += words;
	c->bytes += n;
	c->in_word = (int)in_word;
}

/* The task: arg is a file's name, result its struct counts. */
static int
count_file(const void *arg, void *result)
{
	const char *name = arg;
	struct counts *c = result;
	unsigned char buffer[BUFFER];
	int fd = strcmp(name, "-") ? open(name, O_RDONLY | O_CLOEXEC) : standard_input;
	ssize_t n;

	if (*name == '\0')
		return conc_raise(-ENOENT, "invalid zero-length file name");
	if (fd < 0)
		return conc_raise(-errno, "%s: %s", name, conc_strerror(-errno));
	while ((n = read(fd, buffer, sizeof buffer)) != 0) {
		if (n > 0)
			count(c, buffer, (size_t)n);
		else if (errno != EINTR) {
			c->error = errno; /* no failure: what was counted so far is printed */
			break;
		}
	}
	if (fd != standard_input)
		close(fd);
	return 0;
}

/* How wide wc makes its columns: the digits of the regular files' sizes, summed. */
static int
number_width(char **names, int n)
{
	struct stat st;
	uint64_t sum = 0;
	int width = 1, least = 1;

	for (int i = 0; i < n; i++) {
		if (strcmp(names[i], "-") ? stat(names[i], &st) : fstat(STDIN_FILENO, &st))
			continue;
		if (S_ISREG(st.st_mode))
			sum += (uint64_t)st.st_size;
		else
			least = 7; /* who knows how much will come */
	}
	for (; sum >= 10; sum /= 10)
		width++;
	return width < least ? least : width;
}

/* A name that holds a line end is quoted as for the shell, so that a line stays a line. */
static void
print_name(const char *name)
{
	static const char from[] = "\a\b\t\n\v\f\r", to[] = "abtnvfr";
	bool escaping = false; /* are we within $'...', or within '...'? */

	if (!strchr(name, '\n')) {
		fputs(name, stdout);
		return;
	}
	putchar('\'');
	for (; *name; name++) {
		unsigned char c = (unsigned char)*name;
		const char *letter = strchr(from, c);

		if (c != '\'' && escaping != !isprint(c))
			fputs(escaping ? "''" : "'$'", stdout);
		escaping = !isprint(c);
		if (c == '\'')
			fputs("'\\''", stdout);
		else if (letter)
			printf("\\%c", to[letter - from]);
		else
			printf(escaping ? "\\%03o" : "%c", c);
	}
	putchar('\'');
}

static void
print_counts(const struct run *r, const struct counts *c, const char *name)
{
	printf("%*" PRIu64 " %*" PRIu64 " %*" PRIu64 " ", r->width, c->lines, r->width,
	    c->words, r->width, c->bytes);
	print_name(name);
	putchar('\n');
}

/* Draw the progress bar, unless that was done a moment ago. */
static void
show_progress(struct run *r)
{
	static const char bar[] = "########################################";
	size_t done = r->printed, filled;
	int64_t now = conc_after(0).ns; /* the deadline that is now */

	if (!r->progress || now - r->drawn < REDRAW)
		return;
	fflush(stdout);
	for (size_t i = 0; i < r->in_flight; i++)
		done += conc_future_done(r->window[(r->first + i) % WINDOW].future);
	filled = r->total ? done * (sizeof bar - 1) / r->total : 0;
	if (r->total)
		fprintf(stderr, "\r[%-*.*s] %3zu %% of %zu files", (int)sizeof bar - 1,
		    (int)filled, bar, done * 100 / r->total, r->total);
	else
		fprintf(stderr, "\r%zu files", done);
	r->drawn = now;
	r->visible = true;
}

static void
erase_progress(struct run *r)
{
	if (r->visible)
		fputs("\r\033[K", stderr);
	r->visible = false;
}

static void
complain(struct run *r, const char *name, const char *what)
{
	erase_progress(r);
	fflush(stdout);
	fprintf(stderr, "pwc: %s%s%s\n", name ? name : "", name ? ": " : "",
	    what);
	r->status = 1;
}

/* Wait for the first file in the window, print its line, and let it go. */
static void
take(struct run *r)
{
	struct slot *s = &r->window[r->first];
	struct counts c;
	int rc;

	do
		show_progress(r);
	while (r->progress && conc_future_wait(s->future, conc_after(REDRAW)) == -ETIMEDOUT);
	rc = conc_future_result(s->future, &c, sizeof c);
	if (r->visible && isatty(STDOUT_FILENO))
		erase_progress(r);
	if (rc)
		complain(r, NULL, conc_exception_message(conc_caught()));
	else {
		if (c.error)
			complain(r, s->name, conc_strerror(-c.error));
		print_counts(r, &c, s->name);
		r->sum.lines += c.lines;
		r->sum.words += c.words;
		r->sum.bytes += c.bytes;
	}
	conc_future_release(s->future);
	free(s->name);
	r->first = (r->first + 1) % WINDOW;
	r->in_flight--;
	r->printed++;
}

/* Wait for all files in the window. */
static void
drain(struct run *r)
{
	while (r->in_flight)
		take(r);
}

/* Start counting a file.  Return 0, or a code. */
static int
start(struct run *r, const char *name)
{
	static bool stdin_taken; /* two tasks cannot share it: the second finds it at its end */
	const char *path = name;
	struct slot *s;
	int rc;

	if (strcmp(name, "-") == 0) {
		path = stdin_taken ? "/dev/null" : "-";
		stdin_taken = true;
	}
	if (r->in_flight == WINDOW)
		take(r);
	s = &r->window[(r->first + r->in_flight) % WINDOW];
	s->name = strdup(name);
	if (!s->name)
		return -ENOMEM;
	rc = conc_submit(r->pool, count_file, path, strlen(path) + 1, sizeof(struct counts),
	    &s->future);
	if (rc) {
		free(s->name);
		return rc;
	}
	r->in_flight++;
	/* Print what is ready, so that it need not wait until the window is full. */
	while (r->in_flight && conc_future_done(r->window[r->first].future))
		take(r);
	return 0;
}

/* Count the files named on standard input, *n in all.  Return 0, or a code. */
static int
count_listed(struct run *r, int separator, size_t *n)
{
	char *name = NULL, where[32];
	size_t size = 0;
	ssize_t length;
	int rc = 0;

	for (*n = 0; rc == 0 && (length = getdelim(&name, &size, separator, stdin)) >= 0;) {
		++*n;
		if (length > 0 && name[length - 1] == separator)
			name[length - 1] = '\0';
		if (*name == '\0') {
			drain(r); /* messages keep their order as well */
			snprintf(where, sizeof where, "-:%zu", *n);
			complain(r, where, "invalid zero-length file name");
		} else if (strcmp(name, "-") == 0) {
			drain(r);
			complain(r, NULL,
			    "when reading file names from stdin, no file name of '-' allowed");
		} else
			rc = start(r, name);
	}
	if (rc == 0 && !feof(stdin))
		complain(r, "-", "read error");
	free(name);
	return rc;
}

static int
count_named(struct run *r, char **names, size_t n)
{
	int rc = 0;

	r->total = n;
	r->width = number_width(names, (int)n);
	for (size_t i = 0; i < n && rc == 0; i++)
		rc = start(r, names[i]);
	return rc;
}

static int
usage(int status)
{
	fputs("usage: pwc [--processes] [--workers N] [--progress] [-0|--null] [FILE]...\n",
	    status ? stderr : stdout);
	return status;
}

int
main(int argc, char **argv)
{
	static const struct option options[] = {{"processes", no_argument, NULL, 'P'},
	    {"workers", required_argument, NULL, 'w'}, {"progress", no_argument, NULL, 'p'},
	    {"null", no_argument, NULL, '0'}, {"help", no_argument, NULL, 'h'}, {0}};
	static struct run run = {.width = 1};
	int c, rc, separator = '\n';
	long workers = 0; /* one for each CPU */
	bool processes = false;
	size_t names;
	char *end;

	while ((c = getopt_long(argc, argv, "w:p0h", options, NULL)) != -1) {
		if (c == 'w') {
			workers = strtol(optarg, &end, 10);
			if (*end || workers < 1 || workers > 1024)
				return usage(2);
		} else if (c == 'p')
			run.progress = isatty(STDERR_FILENO);
		else if (c == 'P')
			processes = true;
		else if (c == '0')
			separator = '\0';
		else
			return usage(c == 'h' ? 0 : 2);
	}
	names = (size_t)(argc - optind);
	/* A number of its own: in a worker process 0 is /dev/null. */
	standard_input = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
	if (processes)
		rc = conc_process_pool_create(
		    &run.pool, CONC_PROCESS_POOL(.workers = (int)workers));
	else
		rc = conc_thread_pool_create(
		    &run.pool, CONC_THREAD_POOL(.workers = (int)workers));
	if (rc == 0)
		rc = names ? count_named(&run, argv + optind, names) :
			     count_listed(&run, separator, &names);
	if (rc)
		complain(&run, NULL, conc_strerror(rc));
	drain(&run);
	erase_progress(&run);
	if (names > 1)
		print_counts(&run, &run.sum, "total");
	conc_executor_destroy(run.pool);
	if (fflush(stdout) || ferror(stdout))
		complain(&run, NULL, "write error");
	return run.status;
}
