/* SPDX-License-Identifier: MIT */
/*
 * Memory: the C library's, with a fault on request.
 */
#include "base/memory.h"
#include "base/fault.h"
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

/* No object is larger: what asks for it has overflowed, or lies. */
static bool
absurd(size_t size)
{
	return size > PTRDIFF_MAX / 2;
}

void *
conc__malloc(size_t size)
{
	return conc__fault() || absurd(size) ? NULL : malloc(size != 0 ? size : 1);
}

void *
conc__calloc(size_t n, size_t size)
{
	if (n == 0 || size == 0)
		n = size = 1;
	return conc__fault() || n > PTRDIFF_MAX / 2 / size ? NULL : calloc(n, size);
}

void *
conc__realloc(void *p, size_t size)
{
	return conc__fault() || absurd(size) ? NULL : realloc(p, size != 0 ? size : 1);
}

char *
conc__strdup(const char *s)
{
	size_t size = s != NULL ? strlen(s) + 1 : 0;
	char *copy = s != NULL ? conc__malloc(size) : NULL;

	return copy != NULL ? memcpy(copy, s, size) : NULL;
}

void
conc__free(void *p)
{
	free(p);
}

void
conc__populate(void *p, size_t size)
{
#ifdef MADV_POPULATE_WRITE
	enum { PAGE = 4096, WORTH = 64 * 1024 }; /* where pages are larger it is refused */
	uintptr_t begin = ((uintptr_t)p + PAGE - 1) & ~(uintptr_t)(PAGE - 1);
	uintptr_t end = ((uintptr_t)p + size) & ~(uintptr_t)(PAGE - 1);

	if (p != NULL && size >= WORTH)
		(void)madvise((void *)begin, end - begin, MADV_POPULATE_WRITE);
#else
	(void)p, (void)size;
#endif
}
