/* SPDX-License-Identifier: MIT */
/*
 * A merge sort from the bottom up: runs of one element are merged to runs of
 * two, of four, ..., to and fro between two arrays.  The standard library's
 * qsort promises no stability.
 */
#include "data/merge_sort.h"
#include <string.h>

int
conc__compare_elements(conc__compare *compare, const void *a, const void *b, size_t size)
{
	return compare ? compare(a, b) : memcmp(a, b, size);
}

/* Merge the sorted runs from ... middle and middle ... end to the array at `to`. */
static void
merge(unsigned char *to, const unsigned char *from, const unsigned char *middle,
    const unsigned char *end, size_t size, conc__compare *compare)
{
	const unsigned char *a = from, *b = middle;

	/* In order already: then the whole is copied below. */
	if (b < end && conc__compare_elements(compare, b - size, b, size) <= 0)
		b = end, middle = end;
	while (a < middle && b < end) {
		/* The left one goes first when they are equal: so the sort is stable. */
		if (conc__compare_elements(compare, a, b, size) <= 0) {
			memcpy(to, a, size);
			a += size;
		} else {
			memcpy(to, b, size);
			b += size;
		}
		to += size;
	}
	memcpy(to, a, (size_t)(middle - a));
	memcpy(to + (middle - a), b, (size_t)(end - b));
}

void *
conc__merge_sort(void *array, void *scratch, size_t n, size_t size, conc__compare *compare)
{
	unsigned char *from = array, *to = scratch, *swap;
	size_t run, i, middle, end;

	for (run = 1; run < n; run *= 2) {
		for (i = 0; i < n; i = end) {
			middle = n - i < run ? n : i + run;
			end = n - middle < run ? n : middle + run;
			merge(to + i * size, from + i * size, from + middle * size,
			    from + end * size, size, compare);
		}
		swap = from;
		from = to;
		to = swap;
	}
	return from;
}
