/* SPDX-License-Identifier: MIT */
/*
 * Usable CPUs: the affinity mask of the process and the quota of its cgroups,
 * of version 2 (cpu.max) and version 1 (cpu.cfs_quota_us, cpu.cfs_period_us).
 */
#include "base/cpu.h"
#include "base/thread.h"
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Longest path of a folder here; a longer one is no cgroup that anybody made. */
enum { PATH = 4096 };

/* Read the file folder/name, cut to size - 1 bytes, into buf; "" if there is none. */
static char *
slurp(const char *folder, const char *name, char *buf, size_t size)
{
	char path[PATH + 64];
	size_t n = 0;
	ssize_t got = 0;
	int fd;

	snprintf(path, sizeof path, "%s/%s", folder, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	while (fd >= 0 && n < size - 1 && (got = read(fd, buf + n, size - 1 - n)) > 0)
		n += (size_t)got;
	if (fd >= 0)
		close(fd);
	buf[n] = 0;
	return buf;
}

static int
cpus(int64_t quota, int64_t period)
{
	if (quota <= 0 || period <= 0 || (quota - 1) / period >= INT_MAX)
		return INT_MAX;
	return (int)((quota - 1) / period + 1);
}

/* What one folder of version 2 grants: "200000 100000" is two CPUs, "max 100000" any. */
static int
granted_v2(const char *folder)
{
	char text[128];
	int64_t quota, period;

	if (sscanf(slurp(folder, "cpu.max", text, sizeof text), "%" SCNd64 " %" SCNd64,
		&quota, &period) != 2)
		return INT_MAX;
	return cpus(quota, period);
}

/* What one folder of version 1 grants; a quota of -1 is any. */
static int
granted_v1(const char *folder)
{
	char text[128];
	int64_t quota, period;

	if (sscanf(slurp(folder, "cpu.cfs_quota_us", text, sizeof text), "%" SCNd64,
		&quota) != 1 ||
	    sscanf(slurp(folder, "cpu.cfs_period_us", text, sizeof text), "%" SCNd64,
		&period) != 1)
		return INT_MAX;
	return cpus(quota, period);
}

/*
 * The least that the group and its ancestors grant.  In a container the group's
 * path may be one of the host that is not there; its root then is the ancestor
 * that counts.
 */
static int
least(const char *root, const char *mount, const char *group, int (*granted)(const char *))
{
	char folder[PATH];
	size_t top = (size_t)snprintf(folder, sizeof folder, "%s%s", root, mount);
	int n = INT_MAX;

	if (top >= sizeof folder)
		return n;
	if (strncmp(group, "/..", 3) != 0) /* else: outside of what we can see */
		snprintf(folder + top, sizeof folder - top, "%s", group);
	for (;;) {
		int here = granted(folder);
		char *slash = strrchr(folder + top, '/');

		n = here < n ? here : n;
		if (slash == NULL)
			return n;
		*slash = 0;
	}
}

/* Does the list "a,b,c" hold cpu? */
static int
controls_cpu(const char *controllers)
{
	char list[256];

	snprintf(list, sizeof list, ",%s,", controllers);
	return strstr(list, ",cpu,") != NULL;
}

int
conc__cpu_quota(const char *root)
{
	static const char *const mounts_v2[] = {"/sys/fs/cgroup", "/sys/fs/cgroup/unified"};
	char text[PATH * 2], folder[PATH], *rest = NULL;
	int n = INT_MAX, here;

	snprintf(folder, sizeof folder, "%s/proc/self", root);
	slurp(folder, "cgroup", text, sizeof text);
	/* Lines: number, controllers, path; number 0 without controllers is version 2. */
	for (char *line = strtok_r(text, "\n", &rest); line != NULL;
	    line = strtok_r(NULL, "\n", &rest)) {
		char *controllers = strchr(line, ':');
		char *group = controllers != NULL ? strchr(controllers + 1, ':') : NULL;

		if (group == NULL)
			continue;
		*controllers++ = 0;
		*group++ = 0;
		if (*controllers == 0)
			for (int i = 0; i < 2; i++) {
				here = least(root, mounts_v2[i], group, granted_v2);
				n = here < n ? here : n;
			}
		if (controls_cpu(controllers)) {
			here = least(root, "/sys/fs/cgroup/cpu", group, granted_v1);
			n = here < n ? here : n;
			snprintf(folder, sizeof folder, "/sys/fs/cgroup/%s", controllers);
			here = least(root, folder, group, granted_v1);
			n = here < n ? here : n;
		}
	}
	return n;
}

#ifdef __linux__

/*
 * The CPUs of the process, not of this thread, which may be pinned itself.
 * Return a set for CPU_FREE, its size in bytes in *size; NULL: not known.
 */
static cpu_set_t *
usable(size_t *size)
{
	/* The kernel refuses a set that is shorter than its own. */
	for (int bits = CPU_SETSIZE; bits <= CPU_SETSIZE << 8; bits *= 2) {
		cpu_set_t *set = CPU_ALLOC(bits);

		*size = CPU_ALLOC_SIZE(bits);
		if (set == NULL || sched_getaffinity(getpid(), *size, set) == 0)
			return set;
		CPU_FREE(set);
	}
	return NULL;
}

void
conc__cpu_pin(int n)
{
	size_t size;
	cpu_set_t *set = usable(&size);
	int count = set != NULL ? CPU_COUNT_S(size, set) : 0, turn;

	if (count > 0) {
		turn = n % count;
		for (size_t cpu = 0; cpu < size * 8; cpu++)
			if (CPU_ISSET_S(cpu, size, set) && turn-- != 0)
				CPU_CLR_S(cpu, size, set);
		/* A CPU that went away just now: then this thread runs on any. */
		(void)sched_setaffinity(0, size, set);
	}
	if (set != NULL)
		CPU_FREE(set);
}

static int
affine(void)
{
	size_t size;
	cpu_set_t *set = usable(&size);
	int count = set != NULL ? CPU_COUNT_S(size, set) : 0;

	if (set != NULL)
		CPU_FREE(set);
	return count > 0 ? count : (int)sysconf(_SC_NPROCESSORS_ONLN);
}

#else

void
conc__cpu_pin(int n)
{
	(void)n; /* POSIX has no affinity; the thread runs on any */
}

static int
affine(void)
{
	return (int)sysconf(_SC_NPROCESSORS_ONLN);
}

#endif

int
conc__cpu_count(void)
{
	int n = affine(), quota = conc__cpu_quota("");

	n = n < quota ? n : quota;
	return n > 0 ? n : 1;
}
