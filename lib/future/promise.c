/* SPDX-License-Identifier: MIT */
/*
 * Promises: futures that the program ends itself.  The promise holds the
 * source's reference from create to destroy.
 */
#include "base/memory.h"
#include "base/raise.h"
#include "future/future.h"
#include <conc/future.h>
#include <string.h>

struct conc_promise {
	conc_future future; /* first: one block, one count */
	_Alignas(max_align_t) unsigned char room[];
};

static void
free_promise(conc_future *f)
{
	conc__free(f);
}

static void
cancel_promise(conc_future *f)
{
	conc__future_end(f, CONC__CANCELLED, NULL);
}

static const struct conc__source promise_source = {
    .free = free_promise,
    .cancel = cancel_promise,
};

int
conc_promise_create(conc_promise **p, size_t result_size, conc_future **f)
{
	conc_promise *new;
	uint32_t generation;
	int rc;

	if (p == NULL || f == NULL)
		return -EINVAL;
	if (result_size > SIZE_MAX - sizeof *new)
		return -ENOMEM;
	rc = conc__generation(&generation);
	if (rc != 0)
		return rc;
	new = conc__calloc(1, sizeof *new + result_size);
	if (new == NULL)
		return -ENOMEM;
	conc__future_init(&new->future, &promise_source, generation, 1);
	new->future.result = result_size > 0 ? new->room : NULL;
	new->future.result_size = result_size;
	*f = &new->future;
	*p = new;
	return 0;
}

/* Win the right to end it. */
static int
win(conc_promise *p)
{
	if (conc__future_forked(&p->future))
		return CONC_EFORKED;
	return conc__future_win(&p->future, CONC__FINISHING) ? 0 : CONC_ESTATE;
}

/* End what we have won.  Whoever waits may destroy the promise at once. */
static void
end(conc_promise *p, uint32_t phase, conc_exception *e)
{
	conc__future_stay(&p->future);
	conc__future_end(&p->future, phase, e);
	conc__future_leave(&p->future);
}

int
conc_promise_finish(conc_promise *p, const void *data, size_t size)
{
	int rc;

	if (p == NULL || (data == NULL && size > 0))
		return -EINVAL;
	if (size != p->future.result_size)
		return -EMSGSIZE;
	rc = win(p);
	if (rc != 0)
		return rc;
	if (size > 0)
		memcpy(p->room, data, size);
	end(p, CONC__DONE, NULL);
	return 0;
}

int
conc_promise_fail(conc_promise *p, int code)
{
	int rc;

	if (p == NULL || code == 0)
		return -EINVAL;
	rc = win(p);
	if (rc == 0)
		end(p, CONC__FAILED, conc__exception_adopt(code, NULL));
	return rc;
}

void
conc_promise_destroy(conc_promise *p)
{
	if (p == NULL)
		return;
	if (win(p) == 0)
		conc__future_end(&p->future, CONC__FAILED,
		    conc__exception_make(
			-EPIPE, NULL, NULL, "the promise was destroyed unfinished"));
	conc__future_leave(&p->future);
}
