/* SPDX-License-Identifier: MIT */
#ifndef CONC__ATOMIC_H
#define CONC__ATOMIC_H

/*
 * Atomics, named by what they order.
 *
 * The only file (beside its twin in tests/sim/base) that names memory orders.
 * Above this floor an atomic has one of the types below, and each operation
 * but the fully relaxed ones says beside it what it pairs with and which
 * accesses it orders; each relaxed one says why nothing is ordered.
 *
 *	load_acquire    later accesses stay after the load
 *	store_release   earlier accesses stay before the store
 *	..._acq_rel     both, for read-modify-writes
 *	..._relaxed     the access alone is indivisible
 *
 * Read-modify-writes return the value from before.
 */
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Structs, so that none is read or written but by the operations below. */
typedef struct {
	_Atomic uint32_t word_;
} conc__atomic_u32;

typedef struct {
	_Atomic uint64_t word_;
} conc__atomic_u64;

/* The words of public types, which are plain integers to programs. */
static inline conc__atomic_u32 *
conc__atomic_u32_at(uint32_t *word)
{
	_Static_assert(sizeof(conc__atomic_u32) == sizeof *word, "an atomic is its integer");
	return (conc__atomic_u32 *)(void *)word;
}

static inline conc__atomic_u64 *
conc__atomic_u64_at(uint64_t *word)
{
	_Static_assert(sizeof(conc__atomic_u64) == sizeof *word, "an atomic is its integer");
	return (conc__atomic_u64 *)(void *)word;
}

/* For one at file scope that does not begin as 0. */
#define CONC__ATOMIC_INIT(value) {(value)}

#define conc__load_relaxed(a) atomic_load_explicit(&(a)->word_, memory_order_relaxed)
#define conc__load_acquire(a) atomic_load_explicit(&(a)->word_, memory_order_acquire)
#define conc__store_relaxed(a, v) \
	atomic_store_explicit(&(a)->word_, (v), memory_order_relaxed)
#define conc__store_release(a, v) \
	atomic_store_explicit(&(a)->word_, (v), memory_order_release)
#define conc__exchange_acq_rel(a, v) \
	atomic_exchange_explicit(&(a)->word_, (v), memory_order_acq_rel)
#define conc__exchange_acquire(a, v) \
	atomic_exchange_explicit(&(a)->word_, (v), memory_order_acquire)
#define conc__exchange_release(a, v) \
	atomic_exchange_explicit(&(a)->word_, (v), memory_order_release)
#define conc__add_relaxed(a, v) \
	atomic_fetch_add_explicit(&(a)->word_, (v), memory_order_relaxed)
#define conc__add_acq_rel(a, v) \
	atomic_fetch_add_explicit(&(a)->word_, (v), memory_order_acq_rel)
#define conc__sub_acq_rel(a, v) \
	atomic_fetch_sub_explicit(&(a)->word_, (v), memory_order_acq_rel)
#define conc__or_relaxed(a, v) \
	atomic_fetch_or_explicit(&(a)->word_, (v), memory_order_relaxed)
#define conc__or_acq_rel(a, v) \
	atomic_fetch_or_explicit(&(a)->word_, (v), memory_order_acq_rel)

/*
 * Compare and swap: if *a equals *expected, store desired and return true;
 * else load *a into *expected and return false.  Strong: false means that the
 * values differed.  Weak: it may also fail for no reason; for loops.  A failed
 * one is an acquire load.
 */
#define conc__cas_acq_rel(a, expected, desired) \
	atomic_compare_exchange_strong_explicit( \
	    &(a)->word_, (expected), (desired), memory_order_acq_rel, memory_order_acquire)
#define conc__cas_weak_acq_rel(a, expected, desired) \
	atomic_compare_exchange_weak_explicit( \
	    &(a)->word_, (expected), (desired), memory_order_acq_rel, memory_order_acquire)

#endif
