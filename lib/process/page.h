/* SPDX-License-Identifier: MIT */
#ifndef CONC__PAGE_H
#define CONC__PAGE_H

/*
 * What a process pool and one of its workers share: one page a slot, mapped
 * before the zygote was forked.  It tells the host facts about a worker that
 * has died, and lets both agree, without a message, who has an order.
 *
 * The claim words.  Each order has a number, seq, counted from 1 in a slot,
 * over all incarnations of its worker; its claim stands in
 * claims[seq % CONC__RING] and is seq << 2 with one of these states:
 *
 *	PENDING   the order is on its way; nobody has it
 *	RUNNING   the worker has it
 *	ASKED     the worker has it, and it was asked to stop
 *	REVOKED   the host has it: the worker will skip it
 *
 *	(anything) -> PENDING   by the host, under the pool's lock, before the order is written
 *	PENDING -> RUNNING      by the worker: swap
 *	PENDING -> REVOKED      by the host: swap, with the task's future held
 *	RUNNING -> ASKED        by the host: swap, with the task's future held
 *
 * So each order is run or revoked, never both.  A worker is serial: of a dead
 * one's orders whose report has not come at most one is RUNNING or ASKED, and
 * that is the one it died of; the PENDING ones never began.
 */
#include "base/atomic.h"
#include <stddef.h>

enum { CONC__RING = 64 };          /* orders out at a time, and not revoked */
enum { CONC__AREAS = 2 };          /* chunk orders that a worker may have at a time */
enum { CONC__AREA_SIZE = 64 * 1024 };

enum conc__claim {
	CONC__CLAIM_PENDING,
	CONC__CLAIM_RUNNING,
	CONC__CLAIM_ASKED,
	CONC__CLAIM_REVOKED,
	CONC__CLAIM_STATE = 3, /* the bits of the state in the word */
	CONC__CLAIM_SPOILT,    /* no such word: what the host says of one that was spoilt */
};

struct conc__page {
	/* conc__now() when what it runs began, task or item; written before the claim and
	 * before done is raised; its own */
	conc__atomic_u64 began;
	/* items of the chunk that it runs which have ended, results and codes written: the
	 * next one is the one that runs; 0 before a chunk is claimed; its own */
	conc__atomic_u64 done;
	conc__atomic_u64 claims[CONC__RING];
	/*
	 * Hints for who waits awake: the last order that has been written to the worker's
	 * pipe, by the host; and the last one that it has reported
	 */
	_Alignas(64) conc__atomic_u64 posted;
	_Alignas(64) conc__atomic_u64 reported;
	/*
	 * Where the items of a chunk order leave their results, result_size bytes each,
	 * then, aligned for an int, their codes; order.area says which.  The worker's from
	 * the claim to the report, then the host's.
	 */
	_Alignas(64) unsigned char areas[CONC__AREAS][CONC__AREA_SIZE];
};

static inline uint64_t
conc__claim_word(uint64_t seq, enum conc__claim state)
{
	return seq << 2 | (uint64_t)state;
}

/* Where in an area the codes of n items begin. */
static inline size_t
conc__area_codes(size_t n, size_t result_size)
{
	return (n * result_size + sizeof(int) - 1) & ~(sizeof(int) - 1);
}

/* How many items of this result_size have room in an area; 0: not even one. */
static inline size_t
conc__area_room(size_t result_size)
{
	if (result_size > CONC__AREA_SIZE - 2 * sizeof(int))
		return 0;
	return (CONC__AREA_SIZE - sizeof(int)) / (result_size + sizeof(int));
}

#endif
