/* SPDX-License-Identifier: MIT */
#ifndef CONC_TESTS_CAPTURE_H
#define CONC_TESTS_CAPTURE_H

/*
 * What the program writes to standard error, as a string.
 *
 *	capture_start();
 *	...
 *	text = capture_end();    to be freed
 */
#include "tests/common.h"

static FILE *captured;
static int capture_saved;

static inline void
capture_start(void)
{
	fflush(stderr);
	captured = tmpfile();
	ck_assert_ptr_nonnull(captured);
	capture_saved = dup(2);
	ck_assert_int_ge(capture_saved, 0);
	ck_assert_int_eq(dup2(fileno(captured), 2), 2);
}

static inline char *
capture_end(void)
{
	long size;
	char *text;

	ck_assert_int_eq(dup2(capture_saved, 2), 2);
	close(capture_saved);
	fseek(captured, 0, SEEK_END);
	size = ftell(captured);
	rewind(captured);
	text = calloc(1, (size_t)size + 1);
	ck_assert_ptr_nonnull(text);
	ck_assert_uint_eq(fread(text, 1, (size_t)size, captured), (size_t)size);
	fclose(captured);
	return text;
}

#endif
