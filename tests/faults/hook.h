/* SPDX-License-Identifier: MIT */
#ifndef CONC_TESTS_FAULTS_HOOK_H
#define CONC_TESTS_FAULTS_HOOK_H

/*
 * An excepthook that counts what it is told, and notes the last code.
 */
#include "tests/faults/faults.h"

static int told, told_code;

static void
hear(const conc_exception *e, void *user)
{
	(void)user;
	told++;
	told_code = conc_exception_code(e);
	must(conc_exception_message(e) != NULL);
}

#endif
