/* SPDX-License-Identifier: MIT */
#ifndef CONC_TESTS_STORM_LOOK_H
#define CONC_TESTS_STORM_LOOK_H

/*
 * What a storm sees of processes from outside, in /proc, and how it complains.
 */
#include <dirent.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static atomic_long breaches;

static void __attribute__((format(printf, 1, 2)))
breach(const char *fmt, ...)
{
	char text[256];
	va_list args;

	if (atomic_fetch_add(&breaches, 1) >= 20)
		return;
	va_start(args, fmt);
	vsnprintf(text, sizeof text, fmt, args);
	va_end(args);
	fprintf(stderr, "breach: %s\n", text);
}

/* The parent of pid, or 0: it is dead, or was never there. */
static int
parent_of(int pid)
{
	char path[64], line[512] = "", *end;
	int parent = 0;
	FILE *file;

	snprintf(path, sizeof path, "/proc/%d/stat", pid);
	file = fopen(path, "r");
	if (file == NULL)
		return 0;
	end = fgets(line, sizeof line, file) != NULL ? strrchr(line, ')') : NULL;
	fclose(file);
	if (end == NULL || end[2] == 'Z' || sscanf(end + 3, "%d", &parent) != 1)
		return 0;
	return parent;
}

/* The entries of a directory, "." and ".." among them. */
static int
count_entries(const char *path)
{
	DIR *dir = opendir(path);
	int n = 0;

	if (dir == NULL)
		return -1;
	while (readdir(dir) != NULL)
		n++;
	closedir(dir);
	return n;
}

/* The children of pid's first thread; *zombies: how many of them are dead. */
static int
count_children(int pid, int *zombies)
{
	char path[64];
	int n = 0, child;
	FILE *file;

	*zombies = 0;
	snprintf(path, sizeof path, "/proc/%d/task/%d/children", pid, pid);
	file = fopen(path, "r");
	while (file != NULL && fscanf(file, "%d", &child) == 1) {
		n++;
		*zombies += parent_of(child) == 0;
	}
	if (file != NULL)
		fclose(file);
	return n;
}

static long
resident_kb(int pid)
{
	char path[64];
	long pages = 0;
	FILE *file;

	snprintf(path, sizeof path, "/proc/%d/statm", pid);
	file = fopen(path, "r");
	if (file == NULL || fscanf(file, "%*d %ld", &pages) != 1)
		pages = 0;
	if (file != NULL)
		fclose(file);
	return pages * sysconf(_SC_PAGESIZE) / 1024;
}

#endif
