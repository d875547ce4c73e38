/* SPDX-License-Identifier: MIT */
/*
 * The excepthook: who is told of failures that nobody looked at.
 */
#include "base/hook.h"
#include "base/fork.h"
#include "base/memory.h"
#include "base/raise.h"
#include "base/self.h"

struct conc__mutex conc__hook_lock = CONC__MUTEX_INIT(CONC__RANK_HOOK);

/* Both under conc__hook_lock. */
static conc_excepthook *program_hook; /* NULL: the default */
static void *program_user;

void
conc__hook_enter(void)
{
	uint32_t generation;

	/* Without memory for the handler, only a fork at just this moment is in danger. */
	(void)conc__generation(&generation);
	conc__mutex_lock(&conc__hook_lock);
}

void
conc__hook_leave(void)
{
	conc__mutex_unlock(&conc__hook_lock);
}

/* The default: the formatted exception to the log. */
static void
log_exception(const conc_exception *e)
{
	char few[512], *text = few;
	size_t size;

	if (!conc__log_wanted(CONC_LOG_ERROR))
		return;
	size = (size_t)conc_exception_format(e, NULL, 0) + 1;
	if (size > sizeof few)
		text = conc__malloc(size);
	if (text == NULL) { /* then what fits: the root cause comes first */
		text = few;
		size = sizeof few;
	}
	(void)conc_exception_format(e, text, size);
	conc__log(CONC_LOG_ERROR, text);
	if (text != few)
		conc__free(text);
}

void
conc__unlooked(conc_excepthook *hook, void *user, const conc_exception *e)
{
	struct conc__self *self = conc__self();
	conc_exception *saved;

	if (self->hooks > 0)
		return;
	if (hook == NULL) {
		conc__hook_enter();
		hook = program_hook;
		user = program_user;
		conc__hook_leave();
	}
	saved = conc__caught_save();
	self->hooks++;
	if (hook != NULL)
		hook(e, user);
	else
		log_exception(e);
	self->hooks--;
	conc__caught_restore(saved);
}

void
conc_set_excepthook(conc_excepthook *hook, void *user)
{
	conc__hook_enter();
	program_hook = hook;
	program_user = user;
	conc__hook_leave();
}
