/* SPDX-License-Identifier: MIT */
/*
 * The fork handler.  It raises the generation in the child, and holds the lock
 * of the excepthook and the log over the fork, so that the child finds both
 * whole and free.
 */
#include "base/fork.h"
#include "base/fault.h"
#include "base/futex.h"
#include "base/hook.h"
#include <pthread.h>

conc__atomic_u32 conc__generation_now; /* 0: the handler is not installed yet */

static pthread_once_t once = PTHREAD_ONCE_INIT;

static void
prepare(void)
{
	conc__mutex_lock(&conc__hook_lock);
}

static void
parent(void)
{
	conc__mutex_unlock(&conc__hook_lock);
}

static void
child(void)
{
	conc__futex_forked();
	conc__log_forked();
	conc__mutex_unlock(&conc__hook_lock);
	/* relaxed: this process has one thread yet */
	conc__add_relaxed(&conc__generation_now, 1);
}

static void
install(void)
{
	/* pairs with conc__generation: who sees 1 has the handler */
	if (pthread_atfork(prepare, parent, child) == 0)
		conc__store_release(&conc__generation_now, 1);
}

int
conc__generation(uint32_t *generation)
{
	/* pairs with install(): the handler is there once this is not 0 */
	uint32_t now = conc__load_acquire(&conc__generation_now);

	if (now == 0) {
		if (conc__fault())
			return -ENOMEM;
		pthread_once(&once, install);
		/* relaxed: pthread_once orders what install() stored */
		now = conc__load_relaxed(&conc__generation_now);
		if (now == 0)
			return -ENOMEM;
	}
	*generation = now;
	return 0;
}
