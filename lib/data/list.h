/* SPDX-License-Identifier: MIT */
#ifndef CONC__LIST_H
#define CONC__LIST_H

/*
 * The locked list's inside: a ring, and the lock that makes each call one step.
 *
 * The lock is made of a mutex and an owner.  A call holds the mutex while it
 * works, and no longer.  Whoever wants the list for longer (conc_list_lock, and
 * each call that runs a compare or visit) becomes its owner and gives the mutex
 * back: the others then wait until there is no owner.  So the library holds no
 * mutex while the program's code runs, and a program may lock several lists.
 */
#include "base/lock.h"
#include "base/self.h"
#include "data/ring.h"
#include <conc/list.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct conc_list {
	uint32_t generation;          /* of the process that made it; never changes */
	struct conc__mutex mutex;     /* guards all below */
	struct conc__condition freed; /* there is no owner any more */
	struct conc__condition grew;  /* an element came in, or the list was closed */
	/* the number of the thread that may use it; 0: all.  The ring is its, without mutex */
	uint64_t owner;
	size_t depth;                 /* how often the owner owns it */
	/* the depth the innermost compare or visit runs at; 0: none */
	size_t pinned;
	size_t blocked;               /* threads that wait for freed */
	size_t waiters;               /* threads in pop_wait, that wait for grew or freed */
	size_t picky;                 /* those of them that one element may not satisfy */
	bool closed;                  /* nothing goes in any more; never turns back */
	struct conc__ring ring;
};

/* What a call is about to do with the list. */
enum conc__list_use {
	CONC__LIST_READ, /* look at it: always allowed */
	CONC__LIST_TAKE, /* take out, change the order: not within compare or visit */
	CONC__LIST_PUT,  /* all else: neither there, nor when it is closed */
};

/*
 * Take the mutex for this use, when no other thread owns the list.  Return 0,
 * and the caller has it until conc__list_leave; or the code of the refusal,
 * and he has not: -EINVAL, CONC_EFORKED, -EDEADLK, CONC_ESHUTDOWN.
 */
int conc__list_enter(conc_list *l, enum conc__list_use use);
void conc__list_leave(conc_list *l);

/* Within enter and leave: wait until there is no other owner. */
void conc__list_await(conc_list *l);

/* Within enter and leave: own the list once more; once less. */
void conc__list_own(conc_list *l);
void conc__list_disown(conc_list *l);

#endif
