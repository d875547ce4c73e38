/* SPDX-License-Identifier: MIT */
/*
 * The names of workers.
 */
#include "base/thread.h"
#include <stdio.h>

void
conc__numbered_name(char buf[CONC__NAME], const char *name, int number)
{
	char tail[12];
	int digits = snprintf(tail, sizeof tail, "-%d", number);

	snprintf(buf, CONC__NAME, "%.*s%s", CONC__NAME - 1 - digits, name, tail);
}
