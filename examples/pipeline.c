/* SPDX-License-Identifier: MIT */
/*
 * pipeline: search large files on several CPUs.
 *
 *	pipeline [-j N] [-q N] [--check] PATTERN FILE...
 *
 * It prints the lines that match, as "LC_ALL=C grep -hE PATTERN FILE..." does.  -j: how many
 * threads search, 4 if not told; -q: how many blocks of lines wait at most, 32; --check: print
 * nothing, but do the work a second time, with one thread, and compare.
 *
 *	             work
 *	reader --+-> [ b b b ] ---> searchers
 *	         |                      :  each block: ready
 *	         |   order              v
 *	         +-> [ b b b b b ] ---> writer
 *
 * The reader, which is the main thread, cuts the files into blocks, and puts each into two
 * queues.  Searchers take them from work, and finish in any order.  The writer takes them
 * from order, and waits for each to be ready: so they are written as they were read.  order
 * is bounded, lest a fast reader fill the memory.  When all is read, the reader joins order,
 * which returns when all is written.
 *
 * Whoever fails closes work at once, and drops what is in it.  That is all the others need:
 * the reader and the searchers find it closed; what was dropped is void, and ready as well;
 * the writer goes on to the end of order, and frees what comes.  Joining the thread that
 * failed brings its exception.  What has been printed cannot be taken back, so the program
 * says that it is not whole.
 */
#include <conc/conc.h>
#include <getopt.h>
#include <regex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BLOCK (256 * 1024) /* bytes, and the line that comes then */
#define MOST 256           /* searchers */

/* The reader makes it; a searcher has it until it is ready; the writer frees it. */
struct block {
	const char *name; /* the file's */
	conc_event ready;
	bool is_void;
	size_t size;
	char lines[]; /* size bytes, and room for one more */
};

struct pipeline {
	conc_queue *work, *order; /* of struct block * */
	const char *pattern;
	char **files;
	int searchers, capacity;
	bool check;
	uint64_t sum; /* for --check: of all that was found */
};

static void
free_block(struct block *b)
{
	conc_event_fini(&b->ready);
	free(b);
}

/* For a block that work drops, or does not take. */
static void
make_void(void *element, void *user)
{
	struct block *b = *(struct block **)element;

	(void)user;
	b->is_void = true;
	conc_event_set(&b->ready);
}

/* Make *block the next one, or NULL at the end of the file.  Return 0 or a code. */
static int
read_block(FILE *in, const char *name, struct block **block)
{
	struct block *b = calloc(1, sizeof *b + BLOCK + 1), *longer = b;
	size_t size = b ? fread(b->lines, 1, BLOCK, in) : 0, room = 0;
	char *line = NULL; /* the rest of the last one, or one more */
	ssize_t more = size == BLOCK ? getline(&line, &room, in) : 0;
	int rc = 0;

	if (more > 0)
		longer = realloc(b, sizeof *b + size + (size_t)more + 1);
	if (!longer || ferror(in) || (more < 0 && !feof(in)))
		rc = conc_raise(-errno, "%s: %s", name, conc_strerror(-errno));
	b = longer ? longer : b;
	if (rc || size == 0) {
		free(b);
		b = NULL;
	} else {
		b->name = name;
		b->size = size + (size_t)(more > 0 ? more : 0);
		if (more > 0)
			memcpy(b->lines + size, line, (size_t)more);
	}
	*block = b;
	free(line);
	return rc;
}

/* Leave only those lines in the block that match. */
static int
search(struct block *b, const char *pattern)
{
	char *line, *newline, *kept = b->lines, *end = b->lines + b->size, why[128];
	regex_t regex; /* the block's own: threads that share one wait for each other */
	int rc = regcomp(&regex, pattern, REG_EXTENDED | REG_NOSUB);

	if (rc) {
		regerror(rc, &regex, why, sizeof why);
		return conc_raise(-EINVAL, "%s: %s", pattern, why);
	}
	*end = '\0';
	for (line = b->lines; line < end; line = newline + 1) {
		newline = strchrnul(line, '\n'); /* or end, or a zero byte */
		if (newline < end && *newline == '\0')
			break;
		*newline = '\0';
		if (regexec(&regex, line, 0, NULL, 0) == 0) {
			*newline = '\n';
			memmove(kept, line, (size_t)(newline + 1 - line));
			kept += newline + 1 - line;
		}
	}
	b->size = (size_t)(kept - b->lines);
	regfree(&regex);
	if (line < end)
		return conc_raise(-EILSEQ, "%s: a zero byte: this is no text", b->name);
	return 0;
}

static int
cannot_write(void)
{
	return conc_raise(-errno, "cannot write: %s", conc_strerror(-errno));
}

/* Print a block; for --check sum it up instead. */
static int
print(struct pipeline *p, const struct block *b)
{
	for (size_t i = 0; p->check && i < b->size; i++)
		p->sum = (p->sum ^ (unsigned char)b->lines[i]) * 0x100000001b3; /* FNV-1a */
	if (!p->check && fwrite(b->lines, 1, b->size, stdout) < b->size)
		return cannot_write();
	return 0;
}

/* The searchers' thread. */
static int
searcher(const void *arg, void *result)
{
	struct pipeline *p = *(struct pipeline *const *)arg;
	struct block *b;
	int rc = 0;

	(void)result;
	while (rc == 0 && conc_queue_get(p->work, &b, CONC_FOREVER) == 0) {
		rc = search(b, p->pattern);
		b->is_void = rc != 0;
		conc_event_set(&b->ready);
	}
	if (rc)
		conc_queue_close_now(p->work);
	return rc;
}

/* The writer's thread. */
static int
writer(const void *arg, void *result)
{
	struct pipeline *p = *(struct pipeline *const *)arg;
	struct block *b;
	bool torn = false; /* a block is missing, and those behind it are not printed */
	int rc = 0;

	(void)result;
	while (conc_queue_get(p->order, &b, CONC_FOREVER) == 0) {
		conc_event_wait(&b->ready, CONC_FOREVER);
		torn = torn || b->is_void;
		if (!torn && (rc = print(p, b)) != 0) {
			torn = true;
			conc_queue_close_now(p->work);
		}
		free_block(b);
		conc_queue_task_done(p->order);
	}
	return rc;
}

/* Into the pipeline with a block.  Return 0; or a code: it is closed. */
static int
put(struct pipeline *p, struct block *b)
{
	int rc = conc_queue_put(p->order, &b, CONC_FOREVER); /* waits while it is full */

	if (rc)
		free_block(b);
	else if ((rc = conc_queue_put(p->work, &b, CONC_FOREVER)) != 0)
		make_void(&b, NULL);
	return rc;
}

/* Or, for --check, do all that is to be done with it in this thread. */
static int
do_alone(struct pipeline *p, struct block *b)
{
	int rc = search(b, p->pattern);

	if (rc == 0)
		rc = print(p, b);
	free_block(b);
	return rc;
}

/* The reader: give away each block of the files.  Return 0 or a code. */
static int
read_files(struct pipeline *p, int (*give)(struct pipeline *p, struct block *b))
{
	struct block *b;
	FILE *in;
	int rc = 0;

	for (char **name = p->files; *name && rc == 0; name++) {
		in = fopen(*name, "re");
		if (!in)
			return conc_raise(-errno, "%s: %s", *name, conc_strerror(-errno));
		while ((rc = read_block(in, *name, &b)) == 0 && b && (rc = give(p, b)) == 0)
			;
		fclose(in);
	}
	return rc;
}

/* Build the pipeline, send the files through it, and take it down.  Return 0 or a code. */
static int
run(struct pipeline *p)
{
	conc_thread *threads[1 + MOST];
	int rc, code, n = 0;

	rc = conc_queue_create(
	    &p->work, sizeof(struct block *), CONC_QUEUE(.destroy = make_void));
	if (rc == 0)
		rc = conc_queue_create(&p->order, sizeof(struct block *),
		    CONC_QUEUE(.capacity = (size_t)p->capacity));
	for (; n <= p->searchers && rc == 0; n += rc == 0)
		rc = conc_thread_start(&threads[n], n ? searcher : writer, &p, sizeof p,
		    CONC_THREAD(.name = n ? "searcher" : "writer"));
	if (rc == 0)
		rc = read_files(p, put);
	conc_queue_join(p->order, CONC_FOREVER); /* all that was read is printed, or void */
	if (rc == 0 && fflush(stdout))
		rc = cannot_write();
	conc_queue_close(p->work);
	conc_queue_close(p->order);
	while (n-- > 0) {
		code = conc_thread_join(threads[n], CONC_FOREVER);
		rc = code ? code : rc; /* if the reader found it closed, this is why */
		conc_thread_destroy(threads[n]);
	}
	conc_queue_destroy(p->work);
	conc_queue_destroy(p->order);
	return rc;
}

/* Does one thread find the same?  Return 0: it does; or a code. */
static int
check(struct pipeline *p)
{
	int rc = run(p);
	uint64_t sum = p->sum;

	p->sum = 0;
	if (rc == 0)
		rc = read_files(p, do_alone);
	if (rc == 0 && p->sum != sum)
		rc = conc_raise(-EBADMSG, "one thread finds other lines");
	return rc;
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
		fprintf(stderr, "pipeline: '%s' is not a number from 1 to %d\n", text, max);
		exit(2);
	}
	return (int)n;
}

int
main(int argc, char **argv)
{
	static const struct option options[] = {
	    {"check", no_argument, NULL, 'c'}, {"help", no_argument, NULL, 'h'}, {0}};
	static const char usage[] = "usage: pipeline [-j N] [-q N] [--check] PATTERN FILE...\n";
	struct pipeline p = {.searchers = 4, .capacity = 32}; /* if not told */
	int c, rc;

	while ((c = getopt_long(argc, argv, "+j:q:h", options, NULL)) != -1) {
		if (c == 'j')
			p.searchers = number(optarg, MOST);
		else if (c == 'q')
			p.capacity = number(optarg, 1000000);
		else if (c == 'c')
			p.check = true;
		else {
			fputs(usage, c == 'h' ? stdout : stderr);
			return c == 'h' ? 0 : 2;
		}
	}
	if (argc - optind < 2) {
		fputs(usage, stderr);
		return 2;
	}
	p.pattern = argv[optind];
	p.files = argv + optind + 1;
	rc = p.check ? check(&p) : run(&p);
	if (rc)
		fprintf(stderr, "pipeline: %s\n%s",
		    conc_caught() ? conc_exception_message(conc_caught()) : conc_strerror(rc),
		    p.check ? "" : "pipeline: the output is not whole\n");
	return rc != 0;
}
