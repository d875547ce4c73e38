/* SPDX-License-Identifier: MIT */
/*
 * The names of workers.
 *
 * Written by hand: snprintf would be the first of its kind in a new process, and
 * cost it as many page faults as half of what else it does before it is ready.
 */
#include "base/thread.h"
#include <string.h>

void
conc__numbered_name(char buf[CONC__NAME], const char *name, int number)
{
	char tail[12], *p = tail + sizeof tail;
	size_t keep = strlen(name), size;

	do
		*--p = (char)('0' + number % 10);
	while ((number /= 10) > 0);
	*--p = '-';
	size = (size_t)(tail + sizeof tail - p);
	if (keep > CONC__NAME - 1 - size)
		keep = CONC__NAME - 1 - size;
	memcpy(buf, name, keep);
	memcpy(buf + keep, p, size);
	buf[keep + size] = 0;
}
