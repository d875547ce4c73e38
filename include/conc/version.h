/* SPDX-License-Identifier: MIT */
#ifndef CONC_VERSION_H
#define CONC_VERSION_H

/*
 * The version, written here and nowhere else: the Makefile, configure.ac,
 * conc.pc and the CMake package read it from this line.
 */
#define CONC_VERSION "0.1.0"

/* CONC_VERSION as a number that compares: 10000 * major + 100 * minor + patch. */
#define CONC_VERSION_NUMBER 100

/* Marks what the shared library exports; all else is hidden. */
#if defined(__GNUC__)
#define CONC_API __attribute__((visibility("default")))
#define CONC_PRINTF(fmt, first) __attribute__((format(printf, fmt, first)))
#else
#define CONC_API
#define CONC_PRINTF(fmt, first)
#endif

#endif
