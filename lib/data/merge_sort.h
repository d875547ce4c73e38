/* SPDX-License-Identifier: MIT */
#ifndef CONC__MERGE_SORT_H
#define CONC__MERGE_SORT_H

#include <stddef.h>

/* As qsort's compare; NULL: memcmp of size bytes. */
typedef int conc__compare(const void *a, const void *b);

int conc__compare_elements(conc__compare *compare, const void *a, const void *b, size_t size);

/*
 * Sort n elements of size bytes, stably: equals stay in their order.  array
 * holds them; scratch has room for as many.  Return where they are sorted:
 * array or scratch; the other is left as rubbish.  O(n log n); O(n) calls of
 * compare if they are in order already.
 */
void *conc__merge_sort(
    void *array, void *scratch, size_t n, size_t size, conc__compare *compare);

#endif
