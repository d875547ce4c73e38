/* SPDX-License-Identifier: MIT */
#ifndef CONC_TESTS_WIRE_H
#define CONC_TESTS_WIRE_H

/*
 * A pipe between host and worker, both played by the test, and payloads that
 * can be told from one another.
 */
#include "base/process.h"
#include "tests/common.h"

static int ends[2]; /* of a pipe, as conc__pipe has them; -1: closed */

static inline void
open_pipe(void)
{
	ck_assert_int_eq(conc__pipe(ends), 0);
}

static inline void
close_pipe(void)
{
	conc__close(ends[0]);
	if (ends[1] >= 0)
		conc__close(ends[1]);
}

static inline void
close_writer(void)
{
	conc__close(ends[1]);
	ends[1] = -1;
}

static inline unsigned char
byte_of(uint64_t seq, size_t i)
{
	return (unsigned char)(seq * 31 + i * 7 + i / 251);
}

static inline unsigned char *
make_payload(uint64_t seq, size_t size)
{
	unsigned char *p = malloc(size + 1);

	ck_assert_ptr_nonnull(p);
	for (size_t i = 0; i < size; i++)
		p[i] = byte_of(seq, i);
	return p;
}

#endif
