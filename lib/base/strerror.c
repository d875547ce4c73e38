/* SPDX-License-Identifier: MIT */
/*
 * Names and texts of codes, from tables of our own: strerror() depends on the
 * locale, and is not safe with threads everywhere.
 */
#include "base/errno_names.h"
#include <conc/error.h>

struct entry {
	const char *name, *text;
};

/* By errno value; with holes. */
static const struct entry system_codes[] = {
#define X(code, text) [code] = {#code, text},
    CONC__ERRNO_POSIX(X) CONC__ERRNO_ENOTSUP(X) CONC__ERRNO_LINUX(X)
#undef X
};

/* By the distance from CONC_ECRASHED. */
static const struct entry own_codes[] = {
#define X(code, text) [CONC_ECRASHED - code] = {#code, text},
    X(CONC_ECRASHED, "worker died while running the task")
    X(CONC_ETIMELIMIT, "task ran past its time limit")
    X(CONC_EBROKEN, "pool or barrier is broken")
    X(CONC_ESHUTDOWN, "shut down or closed")
    X(CONC_EFORKED, "object belongs to the parent process")
    X(CONC_ESTATE, "already finished")
    X(CONC_EOWNERDIED, "owner died holding the lock")
    X(CONC_ECORRUPT, "peer sent nonsense")
    X(CONC_ENOTMAPPED, "function was loaded after the pool was made")
#undef X
};

#define LENGTH(a) (int)(sizeof(a) / sizeof(a)[0])

/* The code's entry, or one with NULL for both. */
static struct entry
find(int code)
{
	if (code < 0 && code > -LENGTH(system_codes))
		return system_codes[-code];
	if (code <= CONC_ECRASHED && code > CONC_ECRASHED - LENGTH(own_codes))
		return own_codes[CONC_ECRASHED - code];
	return (struct entry){NULL, NULL};
}

const char *
conc_strerror(int code)
{
	const char *text = find(code).text;

	if (code == 0)
		return "Success";
	if (code > 0 || code < -8191)
		return "program error";
	return text != NULL ? text : "unknown error";
}

const char *
conc_errname(int code)
{
	const char *name = find(code).name;

	if (code == 0)
		return "0";
	return name != NULL ? name : "?";
}
