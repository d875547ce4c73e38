/* SPDX-License-Identifier: MIT */
#ifndef CONC__ATOMIC_H
#define CONC__ATOMIC_H

/*
 * The twin of lib/base/atomic.h for the simulator: plain integers, and a
 * switching point before each operation.  Orders are not modelled.
 */
#include "base/site.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef uint32_t conc__atomic_u32;
typedef uint64_t conc__atomic_u64;

#define CONC__ATOMIC_INIT(value) (value)
#define conc__atomic_u32_at(word) (word)
#define conc__atomic_u64_at(word) (word)

/*
 * A switching point before an atomic access to the word at a.  Fails the run
 * if that is freed memory.
 */
void sim_atomic(const char *site, const char *op, const volatile void *a);
/* In some runs there is one after the access as well. */
extern bool sim_after;
void sim_atomic_after(const char *site, const char *op);
/* Should this weak compare-and-swap fail for no reason? */
bool sim_weak_fails(void);

#define SIM_DONE() (sim_after ? sim_atomic_after(site, op) : (void)0)

#define SIM_DEFINE_RMW(name, bits, value)                                                      \
	static inline uint##bits##_t sim_##name##_##bits(                                      \
	    volatile uint##bits##_t *a, uint##bits##_t v, const char *site, const char *op)    \
	{                                                                                      \
		sim_atomic(site, op, a);                                                       \
		uint##bits##_t old = *a;                                                       \
		*a = (uint##bits##_t)(value);                                                  \
		SIM_DONE();                                                                    \
		return old;                                                                    \
	}

#define SIM_DEFINE_ATOMICS(bits)                                                               \
	static inline uint##bits##_t sim_load_##bits(                                          \
	    const volatile uint##bits##_t *a, const char *site, const char *op)                \
	{                                                                                      \
		sim_atomic(site, op, a);                                                       \
		uint##bits##_t old = *a;                                                       \
		SIM_DONE();                                                                    \
		return old;                                                                    \
	}                                                                                      \
	SIM_DEFINE_RMW(store, bits, v)                                                         \
	SIM_DEFINE_RMW(add, bits, old + v)                                                     \
	SIM_DEFINE_RMW(sub, bits, old - v)                                                     \
	SIM_DEFINE_RMW(or, bits, old | v)                                                      \
	static inline bool sim_cas_##bits(volatile uint##bits##_t *a,                          \
	    uint##bits##_t *expected, uint##bits##_t desired, bool weak, const char *site,     \
	    const char *op)                                                                    \
	{                                                                                      \
		sim_atomic(site, op, a);                                                       \
		uint##bits##_t old = *a;                                                       \
		if (old == *expected && !(weak && sim_weak_fails())) {                         \
			*a = desired;                                                          \
			SIM_DONE();                                                            \
			return true;                                                           \
		}                                                                              \
		*expected = old;                                                               \
		return false;                                                                  \
	}

SIM_DEFINE_ATOMICS(32)
SIM_DEFINE_ATOMICS(64)

#define SIM_ATOMIC(name, a)                                                                    \
	_Generic(*(a), uint32_t : sim_##name##_32, uint64_t : sim_##name##_64)

#define conc__load_relaxed(a) SIM_ATOMIC(load, a)((a), SIM_SITE, "load relaxed")
#define conc__load_acquire(a) SIM_ATOMIC(load, a)((a), SIM_SITE, "load acquire")
#define conc__store_relaxed(a, v)                                                              \
	(void)SIM_ATOMIC(store, a)((a), (v), SIM_SITE, "store relaxed")
#define conc__store_release(a, v)                                                              \
	(void)SIM_ATOMIC(store, a)((a), (v), SIM_SITE, "store release")
#define conc__exchange_acq_rel(a, v) SIM_ATOMIC(store, a)((a), (v), SIM_SITE, "exchange")
#define conc__exchange_acquire(a, v) SIM_ATOMIC(store, a)((a), (v), SIM_SITE, "exchange")
#define conc__exchange_release(a, v) SIM_ATOMIC(store, a)((a), (v), SIM_SITE, "exchange")
#define conc__add_relaxed(a, v) SIM_ATOMIC(add, a)((a), (v), SIM_SITE, "add relaxed")
#define conc__add_acq_rel(a, v) SIM_ATOMIC(add, a)((a), (v), SIM_SITE, "add")
#define conc__sub_acq_rel(a, v) SIM_ATOMIC(sub, a)((a), (v), SIM_SITE, "sub")
#define conc__or_relaxed(a, v) SIM_ATOMIC(or, a)((a), (v), SIM_SITE, "or relaxed")
#define conc__or_acq_rel(a, v) SIM_ATOMIC(or, a)((a), (v), SIM_SITE, "or")

#define conc__cas_acq_rel(a, expected, desired)                                                \
	SIM_ATOMIC(cas, a)((a), (expected), (desired), false, SIM_SITE, "cas")
#define conc__cas_weak_acq_rel(a, expected, desired)                                           \
	SIM_ATOMIC(cas, a)((a), (expected), (desired), true, SIM_SITE, "cas weak")

#endif
