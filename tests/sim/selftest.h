/* SPDX-License-Identifier: MIT */
#ifndef SIM_SELFTEST_H
#define SIM_SELFTEST_H

#include "sim.h"

/*
 * Both twins of a pair run the same code; bug says which one it is.  They are
 * not written for calls that fail.
 */
#define PAIR(name, reason)                                                                     \
	static void name(bool bug);                                                            \
	SIM_SCENARIO(selftest_##name##_right)                                                  \
	{                                                                                      \
		if (!sim_sweeping())                                                           \
			name(false);                                                           \
	}                                                                                      \
	SIM_MUST_FAIL(selftest_##name##_wrong, reason)                                         \
	{                                                                                      \
		name(true);                                                                    \
	}                                                                                      \
	static void name(bool bug)

#endif
