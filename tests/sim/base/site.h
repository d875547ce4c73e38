/* SPDX-License-Identifier: MIT */
#ifndef SIM_SITE_H
#define SIM_SITE_H

/*
 * Where in the sources a call of base stands, for the trace: the headers
 * beside this one are those of lib/base, with each function that is a
 * switching point or a resource wrapped in a macro that notes its place.
 * The simulator's own files (SIM_ENGINE) see the bare functions.
 */
#define SIM_SITE_STRING_(x) #x
#define SIM_SITE_STRING(x) SIM_SITE_STRING_(x)
#define SIM_SITE __FILE__ ":" SIM_SITE_STRING(__LINE__)
#define SIM_HERE(call) (sim_site = SIM_SITE, call)

extern const char *sim_site; /* of the call being made */

#endif
