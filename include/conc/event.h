/* SPDX-License-Identifier: MIT */
#ifndef CONC_EVENT_H
#define CONC_EVENT_H

#include <conc/error.h>
#include <conc/time.h>
#include <conc/version.h>
#include <stdbool.h>
#include <stdint.h>

/* Part of conc/sync.h, which says what holds for all of its objects. */

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Events: Python's Event, a flag that threads wait for.
 *
 *	static conc_event ready = CONC_EVENT_INIT;
 *
 *	conc_event_set(&ready);                      one thread
 *	rc = conc_event_wait(&ready, CONC_FOREVER);  the others
 *
 * Setting lets go all who wait, though it be cleared at once.  All that a
 * thread did before it set the event is done for those whom that lets go.
 *
 * All zero is an event that is not set.
 */
typedef struct conc_event {
	uint32_t word; /* 0: clear, and never set */
	uint32_t reserved;
	uint64_t room[7];
} conc_event;

#define CONC_EVENT_INIT {0, 0, {0}}

/*
 * conc_event_init: make *e an event that is not set.  Return 0; -EINVAL: e is
 * NULL, or a flag unknown; -ENOTSUP: CONC_SHARED.
 */
CONC_API int conc_event_init(conc_event *e, uint32_t flags);

/*
 * conc_event_fini: end it; all zero is left.  Nobody may be in a call on it;
 * but who was let go may end it at once, though who set it has not returned
 * yet.  NULL is fine.
 */
CONC_API void conc_event_fini(conc_event *e);

/*
 * Set it, and let go all who wait; clear it.  Return 0, also if it was so
 * before; -EINVAL: e is NULL.  They never block.
 */
CONC_API int conc_event_set(conc_event *e);
CONC_API int conc_event_clear(conc_event *e);

/* conc_event_is_set: is it?  false for NULL. */
CONC_API bool conc_event_is_set(const conc_event *e);

/*
 * conc_event_wait: wait until it is set.  Return 0: it is, or was since this
 * call began; -ETIMEDOUT: not until the deadline; -EDEADLK: the call would
 * block in a callback of the library (of a future, a cleanup); -EINVAL: e is
 * NULL.
 */
CONC_API int conc_event_wait(conc_event *e, conc_time deadline);

#ifdef __cplusplus
}
#endif

#endif
