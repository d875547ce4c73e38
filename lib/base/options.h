/* SPDX-License-Identifier: MIT */
#ifndef CONC__OPTIONS_H
#define CONC__OPTIONS_H

/*
 * Option structs, which begin with their size.  A program built against a
 * newer header may hand us a longer one: that is fine as long as the part that
 * we do not know is zero.
 */
#include <errno.h>
#include <stddef.h>
#include <string.h>

/*
 * Copy the options at from, whose first member is their size, to the known
 * bytes at to; from NULL: leave to as it is.  Return 0; -EINVAL: shorter than
 * first, which was their size when they came into the world; -E2BIG: the
 * unknown tail is not zero.
 */
static inline int
conc__options_read(void *to, size_t known, size_t first, const void *from)
{
	const unsigned char *tail = from;
	size_t size;

	if (from == NULL)
		return 0;
	memcpy(&size, from, sizeof size);
	if (size < first)
		return -EINVAL;
	for (size_t i = known; i < size; i++)
		if (tail[i] != 0)
			return -E2BIG;
	memcpy(to, from, size < known ? size : known);
	return 0;
}

#endif
