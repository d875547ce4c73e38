/* SPDX-License-Identifier: MIT */
#ifndef SIM_LOCK_H
#define SIM_LOCK_H

/*
 * The twin of lib/base/lock.h for the simulator: the same declarations around
 * other mutexes and conditions.
 */
#include "base/site.h"
#include <pthread.h>
#include <stdint.h>

struct sim_mutex {
	uint64_t live;  /* marks one that is initialised */
	uint32_t owner; /* the thread's number in this run, or 0 */
	uint32_t epoch; /* of the fork that we follow, when it was taken */
};

struct sim_condition {
	uint64_t live;
};

#define pthread_mutex_t struct sim_mutex
#define pthread_cond_t struct sim_condition
#include "../../../lib/base/lock.h"
#undef pthread_mutex_t
#undef pthread_cond_t

#define SIM_MUTEX_STATIC UINT64_C(0x5354415400000000)
#undef CONC__MUTEX_INIT
#define CONC__MUTEX_INIT(rank) {{.live = SIM_MUTEX_STATIC}, (rank)}

#ifndef SIM_ENGINE
#define conc__mutex_init(...) SIM_HERE(conc__mutex_init(__VA_ARGS__))
#define conc__mutex_destroy(...) SIM_HERE(conc__mutex_destroy(__VA_ARGS__))
#define conc__condition_init(...) SIM_HERE(conc__condition_init(__VA_ARGS__))
#define conc__condition_destroy(...) SIM_HERE(conc__condition_destroy(__VA_ARGS__))
#define conc__monitor_init(...) SIM_HERE(conc__monitor_init(__VA_ARGS__))
#define conc__monitor_destroy(...) SIM_HERE(conc__monitor_destroy(__VA_ARGS__))
#define conc__mutex_lock(...) SIM_HERE(conc__mutex_lock(__VA_ARGS__))
#define conc__mutex_try(...) SIM_HERE(conc__mutex_try(__VA_ARGS__))
#define conc__mutex_unlock(...) SIM_HERE(conc__mutex_unlock(__VA_ARGS__))
#define conc__condition_wait(...) SIM_HERE(conc__condition_wait(__VA_ARGS__))
#define conc__condition_signal(...) SIM_HERE(conc__condition_signal(__VA_ARGS__))
#define conc__condition_broadcast(...) SIM_HERE(conc__condition_broadcast(__VA_ARGS__))
#define conc__lock_acquire(...) SIM_HERE(conc__lock_acquire(__VA_ARGS__))
#define conc__lock_release(...) SIM_HERE(conc__lock_release(__VA_ARGS__))
#endif

#endif
