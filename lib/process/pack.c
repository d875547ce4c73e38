/* SPDX-License-Identifier: MIT */
/*
 * Exceptions as bytes: for each one, the outermost first, a record and its
 * strings, which keep their closing zeros.
 */
#include "base/memory.h"
#include "base/raise.h"
#include "process/wire.h"
#include <string.h>

enum { MESSAGE, FILE_NAME, FUNCTION, TASK, STRINGS };

struct record {
	int32_t code;
	int32_t line;
	int32_t pid;
	uint32_t causes;        /* how many records follow */
	uint64_t sizes[STRINGS]; /* with the closing zero; 0: NULL */
};

/* What a record of e says; the strings that follow it. */
static struct record
describe(const conc_exception *e, const char *strings[STRINGS])
{
	struct record r = {.code = conc_exception_code(e),
	    .line = conc_exception_line(e),
	    .pid = conc_exception_pid(e)};

	strings[MESSAGE] = conc_exception_message(e);
	strings[FILE_NAME] = conc_exception_file(e);
	strings[FUNCTION] = conc_exception_function(e);
	strings[TASK] = conc_exception_task(e);
	for (int i = 0; i < STRINGS; i++)
		r.sizes[i] = strings[i] != NULL ? strlen(strings[i]) + 1 : 0;
	return r;
}

void *
conc__exception_pack(const conc_exception *e, size_t *size)
{
	const char *strings[STRINGS];
	const conc_exception *c = e;
	unsigned char *block, *to;
	uint32_t n = 0;
	size_t sum = 0;

	for (; c != NULL && n <= CONC__CHAIN; c = conc_exception_cause(c), n++) {
		struct record r = describe(c, strings);

		sum += sizeof r;
		for (int i = 0; i < STRINGS; i++)
			sum += r.sizes[i];
	}
	block = to = conc__malloc(sum);
	if (block == NULL)
		return NULL;
	for (; n > 0; n--, e = conc_exception_cause(e)) {
		struct record r = describe(e, strings);

		r.causes = n - 1;
		memcpy(to, &r, sizeof r);
		to += sizeof r;
		for (int i = 0; i < STRINGS; i++) {
			if (strings[i] != NULL)
				memcpy(to, strings[i], r.sizes[i]);
			to += r.sizes[i];
		}
	}
	*size = sum;
	return block;
}

/* Take a string of this size, 0 for NULL, from the *rest bytes at *p.  Is there one? */
static bool
take_string(const char **p, size_t *rest, uint64_t size, const char **string)
{
	if (size > *rest || (size > 0 && memchr(*p, 0, size) != *p + size - 1))
		return false;
	*string = size > 0 ? *p : NULL;
	*p += size;
	*rest -= size;
	return true;
}

/* Take a record and its strings.  Return how many records follow, or -1: it is nonsense. */
static int
take_parts(const char **p, size_t *rest, struct conc__exception_parts *parts)
{
	struct record r;

	if (*rest < sizeof r)
		return -1;
	memcpy(&r, *p, sizeof r);
	*p += sizeof r;
	*rest -= sizeof r;
	if (r.code == 0 || r.pid <= 0 || r.causes > CONC__CHAIN ||
	    !take_string(p, rest, r.sizes[MESSAGE], &parts->message) ||
	    !take_string(p, rest, r.sizes[FILE_NAME], &parts->file) ||
	    !take_string(p, rest, r.sizes[FUNCTION], &parts->function) ||
	    !take_string(p, rest, r.sizes[TASK], &parts->task))
		return -1;
	parts->code = r.code;
	parts->line = r.line;
	parts->pid = r.pid;
	return (int)r.causes;
}

conc_exception *
conc__exception_unpack(const void *bytes, size_t size, int code)
{
	struct conc__exception_parts parts[1 + CONC__CHAIN] = {0};
	const char *p = bytes;
	conc_exception *e = NULL;
	int n = 0, causes = 0;

	if (bytes == NULL)
		return conc__exception_make(code, NULL, NULL, NULL);
	do {
		int follow = take_parts(&p, &size, &parts[n]);

		if (follow < 0 || (n > 0 && follow != causes - 1))
			return NULL;
		causes = follow;
		n++;
	} while (causes > 0);
	if (size != 0 || parts[0].code != code)
		return NULL;
	/* The root first, for each holds its cause. */
	while (n-- > 0) {
		conc_exception *cause = e;

		parts[n].cause = cause;
		e = conc__exception_compose(&parts[n]);
		conc_exception_release(cause);
	}
	return e;
}
