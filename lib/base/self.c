/* SPDX-License-Identifier: MIT */
/*
 * What the library knows of each thread.  The first use on a thread sets a
 * key, whose destructor drops the thread's current exception as it ends.
 */
#include "base/self.h"
#include "base/atomic.h"
#include <pthread.h>
#include <stdbool.h>

static _Thread_local struct conc__self self;
static _Thread_local bool known; /* the key is set on this thread */
static conc__atomic_u64 numbered; /* how many threads have a number */

static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_key_t key;
static bool have_key; /* without one, exceptions of threads that end are lost memory */

static void
end(void *arg)
{
	conc_exception *caught = self.caught;

	(void)arg;
	self.caught = NULL;
	known = false; /* a later destructor may raise: then the key is set again */
	conc_exception_release(caught);
}

static void
make_key(void)
{
	have_key = pthread_key_create(&key, end) == 0;
}

struct conc__self *
conc__self(void)
{
	if (!known) {
		known = true;
		/* relaxed: only that no two have the same matters */
		if (self.number == 0)
			self.number = conc__add_relaxed(&numbered, 1) + 1;
		pthread_once(&once, make_key);
		if (have_key)
			(void)pthread_setspecific(key, &self);
	}
	return &self;
}
