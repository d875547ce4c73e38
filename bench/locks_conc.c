/* SPDX-License-Identifier: MIT */
/*
 * libconc's side of bench/locks.
 */
#include <conc/sync.h>

static conc_lock lock;
static conc_rlock rlock;
static conc_condition condition;

#define take() conc_lock_acquire(&lock, CONC_FOREVER)
#define give() conc_lock_release(&lock)
#define take_again() conc_rlock_acquire(&rlock, CONC_FOREVER)
#define give_again() conc_rlock_release(&rlock)
#define await() conc_condition_wait(&condition, &lock, CONC_FOREVER)
#define wake() conc_condition_notify(&condition, 1)

#include "locks.h"
