/* SPDX-License-Identifier: MIT */

/*
 * Watched memory.  One arena, filled from its start; a run never uses memory
 * twice, so a freed block stays poisoned until the end of the run, when a walk
 * over all blocks finds what was written after its end or its free, and what
 * was not freed.  Then the arena is empty again: that costs nothing a block.
 */
#include "engine.h"
#include "base/memory.h"
#include "base/site.h"
#include <sys/mman.h>

enum { LIVE = 1, FREED, RECLAIMED, SHARED, UNMAPPED };
enum { ALIGN = 16, POISON = 0xDD, FRESH = 0xCD, KEEP = 16 << 20 };

#define ARENA_SIZE ((size_t)256 << 20)
#define GUARD 0x5AFE5AFE5AFE5AFEu

struct block {
	size_t size;
	const char *site, *freed_site;
	uint32_t number; /* of the allocation, from 1 */
	int pid;         /* whose it is */
	short status;
	bool inherited; /* from before a fork that we followed: no leak */
	uint64_t guard;
};

static char *arena;
static size_t used;
static uint32_t allocations;

static size_t
span(size_t size)
{
	return sizeof(struct block) + (size + sizeof(uint64_t) + ALIGN - 1) / ALIGN * ALIGN;
}

static char *
data(struct block *b)
{
	return (char *)(b + 1);
}

static struct block *
first(void)
{
	return (struct block *)arena;
}

/* Heads are never poisoned for AddressSanitizer: their guard watches over them. */
static struct block *
next(struct block *b)
{
	return (struct block *)((char *)b + span(b->size));
}

static bool
in_arena(const volatile void *p)
{
	return arena && (const volatile char *)p >= arena &&
	    (const volatile char *)p < arena + used;
}

void
sim_memory_start(void)
{
	if (!arena) {
		arena = mmap(NULL, ARENA_SIZE, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
		if (arena == MAP_FAILED) {
			perror("sim: no arena");
			_Exit(2);
		}
		ASAN_POISON_MEMORY_REGION(arena, ARENA_SIZE);
	}
	allocations = 0;
}

void
sim_memory_reset(void)
{
	if (used > KEEP)
		madvise(arena, used, MADV_DONTNEED);
	ASAN_POISON_MEMORY_REGION(arena, used);
	used = 0;
}

static void *
new_block(size_t size, int fill, const char *site)
{
	struct block *b;
	uint64_t guard = GUARD;

	if (size > ARENA_SIZE || span(size) > ARENA_SIZE - used)
		return NULL;
	b = (struct block *)(arena + used);
	used += span(size);
	ASAN_UNPOISON_MEMORY_REGION(b, sizeof(*b) + size);
	*b = (struct block){.size = size,
	    .site = site,
	    .number = ++allocations,
	    .pid = sim.current ? sim.current->process->pid : 0,
	    .status = LIVE,
	    .guard = GUARD};
	memset(data(b), fill, size);
	ASAN_UNPOISON_MEMORY_REGION(data(b) + size, sizeof(guard));
	memcpy(data(b) + size, &guard, sizeof(guard));
	ASAN_POISON_MEMORY_REGION(data(b) + size, span(size) - sizeof(*b) - size);
	return data(b);
}

/* The guards stand? */
static bool
whole(const struct block *b)
{
	uint64_t guard;

	ASAN_UNPOISON_MEMORY_REGION((const char *)(b + 1) + b->size, sizeof(guard));
	memcpy(&guard, (const char *)(b + 1) + b->size, sizeof(guard));
	ASAN_POISON_MEMORY_REGION((const char *)(b + 1) + b->size, sizeof(guard));
	return guard == GUARD;
}

/* The block of this pointer; fails the run if it is none that can be freed. */
static struct block *
block_of(void *p, const char *what)
{
	struct block *b = (struct block *)p - 1;

	if (!in_arena(b) || (uintptr_t)p % ALIGN)
		sim_fail(
		    "%s: %s of a pointer that was never allocated", sim.current->site, what);
	if (b->guard != GUARD)
		sim_fail("%s: %s of a pointer that was never allocated, or memory before it"
			 " was overwritten",
		    sim.current->site, what);
	if (b->status != LIVE)
		sim_fail("%s: %s of memory that was freed at %s, allocation %u at %s",
		    sim.current->site, what, b->freed_site, b->number, b->site);
	if (!whole(b))
		sim_fail(
		    "%s: memory was written past its end: allocation %u of %zu bytes at %s",
		    sim.current->site, b->number, b->size, b->site);
	return b;
}

static void
bury(struct block *b, short status, const char *site)
{
	b->status = status;
	b->freed_site = site;
	memset(data(b), POISON, b->size);
	ASAN_POISON_MEMORY_REGION(data(b), b->size);
}

/* Does somebody sleep on, or hold, what lies in this block? */
static void
check_unused(const struct block *b)
{
	const char *from = (const char *)(b + 1), *to = from + b->size;

	for (struct sim_thread *t = sim.blocked_first; t; t = t->next) {
		const char *at = t->object;

		if (t->on >= SIM_ON_FUTEX && t->on <= SIM_ON_LOCK && at >= from && at < to)
			sim_fail("%s: memory is freed on which thread %u (%s) sleeps: %s, %s",
			    sim.current->site, t->number, t->name, t->op, t->site);
	}
	for (size_t i = 0; i < sim.thread_count; i++) {
		const struct sim_thread *t = sim.threads[i];

		for (unsigned k = 0; k < t->held_count; k++)
			if ((const char *)t->held[k].lock >= from &&
			    (const char *)t->held[k].lock < to && t->status != SIM_ENDED)
				sim_fail(
				    "%s: memory is freed with a lock that thread %u (%s) holds",
				    sim.current->site, t->number, t->name);
	}
}

static void
release(void *p, const char *site)
{
	struct block *b;

	if (!p)
		return;
	sim_step(site, "free");
	b = block_of(p, "free");
	if (b->pid != sim.current->process->pid)
		return; /* a child frees its copy of what its parent made */
	check_unused(b);
	bury(b, FREED, site);
}

static void *
renew(void *p, size_t size, const char *site)
{
	struct block *b;
	void *new;

	if (!p)
		return new_block(size, FRESH, site);
	sim.current->site = site;
	b = block_of(p, "realloc");
	new = new_block(size, FRESH, site);
	if (!new)
		return NULL;
	memcpy(new, p, b->size < size ? b->size : size);
	release(p, site); /* always moves: whoever kept the old pointer is found */
	return new;
}

void *
conc__malloc(size_t size)
{
	return sim_inject() ? NULL : new_block(size, FRESH, sim_site);
}

void *
conc__calloc(size_t n, size_t size)
{
	if (sim_inject() || (size && n > SIZE_MAX / size))
		return NULL;
	return new_block(n * size, 0, sim_site);
}

void *
conc__realloc(void *p, size_t size)
{
	return sim_inject() ? NULL : renew(p, size, sim_site);
}

char *
conc__strdup(const char *s)
{
	char *copy = s ? conc__malloc(strlen(s) + 1) : NULL;

	return copy ? strcpy(copy, s) : NULL;
}

void
conc__free(void *p)
{
	release(p, sim_site);
}

void
conc__populate(void *p, size_t size)
{
	(void)p, (void)size;
}

/* For scenarios: these never fail. */
static void *
surely(void *p)
{
	if (!p)
		sim_fail("a scenario wants more memory than there is");
	return p;
}

void *
sim_malloc(size_t size)
{
	return surely(new_block(size, FRESH, "the scenario"));
}

void *
sim_calloc(size_t n, size_t size)
{
	return surely(new_block(n * size, 0, "the scenario"));
}

void *
sim_realloc(void *p, size_t size)
{
	return surely(renew(p, size, "the scenario"));
}

char *
sim_strdup(const char *s)
{
	return strcpy(sim_malloc(strlen(s) + 1), s);
}

void
sim_free(void *p)
{
	release(p, "the scenario");
}

/* ---- use after free ---- */

static struct block *
find(const volatile void *p)
{
	for (struct block *b = first(); in_arena(b); b = next(b)) {
		if ((const volatile char *)p < (const volatile char *)next(b))
			return b;
	}
	return NULL;
}

void
sim_memory_touch(const volatile void *a)
{
	struct block *b = in_arena(a) ? find(a) : NULL;

	if (b && (b->status == FREED || b->status == RECLAIMED))
		sim_fail(
		    "%s: %s on freed memory: allocation %u of %zu bytes at %s, freed at %s",
		    sim.current->site, sim.current->op, b->number, b->size, b->site,
		    b->freed_site);
}

/* ---- the end of a run, of a process ---- */

static bool
poisoned(const struct block *b)
{
	const unsigned char *p = (const unsigned char *)(b + 1);

	return b->size == 0 || (p[0] == POISON && memcmp(p, p + 1, b->size - 1) == 0);
}

void
sim_memory_check(void)
{
	for (struct block *b = first(); in_arena(b); b = next(b)) {
		ASAN_UNPOISON_MEMORY_REGION(b, span(b->size));
		if (b->guard != GUARD) {
			sim_note("the memory before an allocation was overwritten");
			return;
		}
		if (!whole(b))
			sim_note(
			    "memory was written past its end: allocation %u of %zu bytes at"
			    " %s",
			    b->number, b->size, b->site);
		ASAN_UNPOISON_MEMORY_REGION(b, span(b->size));
		if ((b->status == FREED || b->status == RECLAIMED) && !poisoned(b))
			sim_note("memory was written after its free: allocation %u of %zu bytes"
				 " at %s, freed at %s",
			    b->number, b->size, b->site, b->freed_site);
		if ((b->status == LIVE || b->status == SHARED) && !b->inherited)
			sim_note("leak: allocation %u of %zu bytes at %s", b->number, b->size,
			    b->site);
	}
}

void
sim_memory_reclaim(int pid)
{
	for (struct block *b = first(); in_arena(b); b = next(b)) {
		if (b->pid != pid)
			continue;
		if (b->status == LIVE)
			bury(b, RECLAIMED, "the end of its process");
		else if (b->status == SHARED)
			b->inherited = true; /* others may still have it */
	}
}

void
sim_memory_forget(void)
{
	for (struct block *b = first(); in_arena(b); b = next(b)) {
		b->inherited = true;
	}
}

/* ---- shared maps: blocks of whole pages ---- */

void *
sim_shared_new(size_t size)
{
	enum { PAGE = 4096 };
	size_t pages = (size + PAGE - 1) / PAGE * PAGE;
	size_t pad = PAGE - (used + 2 * sizeof(struct block)) % PAGE;
	void *p;

	/* A block of its own, which is nobody's, fills up to the page. */
	if (pages == 0 || pages < size || !(p = new_block(pad - sizeof(uint64_t), 0, sim_site)))
		return NULL;
	((struct block *)p - 1)->inherited = true;
	if (!(p = new_block(pages, 0, sim_site)))
		return NULL;
	((struct block *)p - 1)->status = SHARED;
	return p;
}

void
sim_shared_gone(void *p, size_t size)
{
	struct block *b = (struct block *)p - 1;

	if (!in_arena(b) || (uintptr_t)p % 4096)
		sim_fail("%s: unmap of what was never mapped", sim.current->site);
	if (b->guard != GUARD || (b->status != SHARED && b->status != UNMAPPED) || size == 0 ||
	    (size + 4095) / 4096 * 4096 != b->size)
		sim_fail("%s: unmap of what was never mapped", sim.current->site);
	if (b->pid != sim.current->process->pid)
		return; /* a child drops its own mapping */
	if (b->status == UNMAPPED)
		sim_fail(
		    "%s: unmapped a second time; mapped at %s", sim.current->site, b->site);
	/* Others may still have it: so it is not poisoned. */
	b->status = UNMAPPED;
}
