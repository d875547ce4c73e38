/* SPDX-License-Identifier: MIT */
#ifndef CONC__MEMORY_H
#define CONC__MEMORY_H

/*
 * Memory.  NULL means that there is none; sizes of 0 are legal and give a
 * pointer that can be freed.  What goes to the user is freed by free().
 */
#include <stddef.h>

void *conc__malloc(size_t size);
void *conc__calloc(size_t n, size_t size);
void *conc__realloc(void *p, size_t size); /* on failure p stays as it is */
char *conc__strdup(const char *s);         /* NULL also for s NULL */
void conc__free(void *p);

/*
 * All of a new block is about to be written: let the system bring in its pages
 * at once, where one by one would cost more than what is written.  Only a hint;
 * without effect on a small block.
 */
void conc__populate(void *p, size_t size);

#endif
