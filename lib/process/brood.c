/* SPDX-License-Identifier: MIT */
/*
 * A brood: a zygote, the pages that it and its workers share with the host,
 * and the host's slots for them.
 */
#include "base/memory.h"
#include "process/pool.h"

int
conc__brood_create(struct conc__brood **made, const struct conc__process_pool *p, int n)
{
	const conc_process_pool_options *o = &p->options;
	struct conc__brood *b = conc__calloc(1, sizeof *b);
	int rc = -ENOMEM;

	if (b == NULL)
		return rc;
	b->zygote.control = -1;
	b->n = n;
	b->plan = (struct conc__zygote_plan){
	    .name = p->executor.name,
	    .slots = n,
	    .init = o->init,
	    .fini = o->fini,
	    .user = o->user,
	    .memory_limit = o->memory_limit,
	    .cpu_limit = o->cpu_limit,
	    .nice = o->nice,
	    .close_fds = o->close_fds,
	    .keep_fds = o->keep_fds,
	    .keep_count = o->keep_count,
	    .detached = o->detached,
	    .pipe_size = p->pipe_size,
	};
	b->slots = conc__calloc((size_t)n, sizeof *b->slots);
	b->plan.pages = conc__shared_map((size_t)n * sizeof *b->plan.pages);
	for (int i = 0; b->slots != NULL && i < n; i++) {
		b->slots[i].brood = b;
		b->slots[i].page = b->plan.pages != NULL ? &b->plan.pages[i] : NULL;
		b->slots[i].index = i;
		b->slots[i].oldest = 1;
		conc__spin_init(&b->slots[i].spin, i);
		for (int j = 0; j < CONC__SPAWNED_FDS; j++)
			b->slots[i].fds[j] = -1;
	}
	if (b->slots != NULL && b->plan.pages != NULL)
		rc = conc__objects_note(&b->objects);
	if (rc == 0)
		rc = conc__zygote_start(&b->zygote, &b->plan);
	if (rc != 0) {
		conc__brood_destroy(b);
		return rc;
	}
	*made = b;
	return 0;
}

void
conc__brood_destroy(struct conc__brood *b)
{
	/* To write to the others would copy pages that were shared with the zygote. */
	for (int i = 0; b->slots != NULL && i < b->n; i++)
		if (b->slots[i].state != CONC__SLOT_FREE)
			conc__slot_close(&b->slots[i]);
	if (b->zygote.control >= 0)
		conc__zygote_end(&b->zygote);
	conc__objects_free(b->objects);
	conc__shared_unmap(b->plan.pages, (size_t)b->n * sizeof *b->plan.pages);
	conc__free(b->slots);
	conc__free(b);
}

int
conc__process_new_brood(struct conc__process_pool *p)
{
	int n = 2 * p->target < 16 ? 16 : 2 * p->target; /* room to grow */
	struct conc__brood *b;
	int rc;

	if (n > CONC__MOST_WORKERS)
		n = CONC__MOST_WORKERS;
	rc = conc__brood_create(&b, p, n);
	if (rc != 0)
		return rc;
	if (p->brood != NULL)
		p->brood->retiring = true;
	for (int i = 0; p->brood != NULL && i < p->brood->n; i++)
		if (p->brood->slots[i].state == CONC__SLOT_SPAWNING ||
		    p->brood->slots[i].state == CONC__SLOT_STARTING)
			conc__slot_kill(p, &p->brood->slots[i], CONC__REASON_SURPLUS);
	b->next = p->brood;
	p->brood = b;
	conc__process_ring(p);
	return 0;
}

void
conc__process_drop_broods(struct conc__process_pool *p)
{
	struct conc__brood *b;

	while ((b = p->brood) != NULL) {
		p->brood = b->next;
		/* Its workers end with it; what they have logged has been written before. */
		conc__zygote_end(&b->zygote);
		for (int i = 0; i < b->n; i++)
			conc__slot_last_words(p, &b->slots[i]);
		conc__brood_destroy(b);
	}
}

bool
conc__brood_quiet(const struct conc__brood *b)
{
	for (int i = 0; i < b->n; i++)
		if (b->slots[i].out > 0 || b->slots[i].helped)
			return false;
	return true;
}

bool
conc__brood_empty(const struct conc__brood *b)
{
	return b->live == 0 && conc__brood_quiet(b);
}
