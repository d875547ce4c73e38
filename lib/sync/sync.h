/* SPDX-License-Identifier: MIT */
#ifndef CONC__SYNC_H
#define CONC__SYNC_H

/*
 * What the parts of <conc/sync.h> share.
 */
#include "base/atomic.h"
#include <conc/sync.h>

/* A word of theirs as an atomic; const is for those who only look. */
static inline conc__atomic_u32 *
conc__at_word(const uint32_t *word)
{
	return conc__atomic_u32_at((uint32_t *)word);
}

/* The code for _init's flags where those in known have a meaning, or CONC_SHARED. */
static inline int
conc__check_flags(uint32_t flags, uint32_t known)
{
	if (flags & ~(known | CONC_SHARED))
		return -EINVAL;
	return flags & CONC_SHARED ? -ENOTSUP : 0;
}

#endif
