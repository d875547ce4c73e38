/* SPDX-License-Identifier: MIT */
/*
 * Which objects are mapped, and whether they still are.  While nothing was
 * unloaded since, a look at the noted addresses says it.  After that only the
 * program itself is sure to be the same; any other object must be where it was
 * and have its build id, which names its content.
 */
#include "base/memory.h"
#include "base/process.h"
#include <errno.h>
#include <link.h>
#include <string.h>

struct object {
	uint64_t begin, end; /* of its mapping */
	uint64_t id;         /* a hash of its build id; 0: it has none */
};

struct conc__objects {
	size_t n, room;
	unsigned long long unloaded; /* how many objects had been, by then */
	bool counted;                /* the system tells how many */
	struct object program;
	struct object others[]; /* sorted by address */
};

static uint64_t
hash(const unsigned char *p, size_t size)
{
	uint64_t h = UINT64_C(14695981039346656037);

	for (size_t i = 0; i < size; i++)
		h = (h ^ p[i]) * UINT64_C(1099511628211);
	return h | 1;
}

/* The build id in a segment of notes, hashed; 0: none. */
static uint64_t
build_id(const unsigned char *p, size_t size, size_t align)
{
	ElfW(Nhdr) head;

	align = align == 8 ? 8 : 4;
	while (size > sizeof head) {
		size_t name, whole;

		memcpy(&head, p, sizeof head);
		if (head.n_namesz > size || head.n_descsz > size)
			break;
		name = (sizeof head + head.n_namesz + align - 1) & ~(align - 1);
		whole = (name + head.n_descsz + align - 1) & ~(align - 1);
		if (whole > size)
			break;
		if (head.n_type == NT_GNU_BUILD_ID && head.n_namesz == 4 &&
		    memcmp(p + sizeof head, "GNU", 4) == 0)
			return hash(p + name, head.n_descsz);
		p += whole;
		size -= whole;
	}
	return 0;
}

static struct object
object_of(const struct dl_phdr_info *info)
{
	struct object o = {UINT64_MAX, 0, 0};

	for (int i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *p = &info->dlpi_phdr[i];
		uint64_t begin = info->dlpi_addr + p->p_vaddr, end = begin + p->p_memsz;

		if (p->p_type != PT_LOAD)
			continue;
		o.begin = begin < o.begin ? begin : o.begin;
		o.end = end > o.end ? end : o.end;
	}
	for (int i = 0; i < info->dlpi_phnum && o.id == 0; i++) {
		const ElfW(Phdr) *p = &info->dlpi_phdr[i];
		uint64_t at = info->dlpi_addr + p->p_vaddr;

		if (p->p_type == PT_NOTE && at >= o.begin && at < o.end &&
		    p->p_filesz <= o.end - at)
			o.id = build_id(
			    (const unsigned char *)(uintptr_t)at, p->p_filesz, p->p_align);
	}
	return o;
}

static bool
has_counters(size_t size)
{
	return size >= offsetof(struct dl_phdr_info, dlpi_subs) + sizeof(unsigned long long);
}

static int
count(struct dl_phdr_info *info, size_t size, void *arg)
{
	(void)info;
	(void)size;
	++*(size_t *)arg;
	return 0;
}

static int
note(struct dl_phdr_info *info, size_t size, void *arg)
{
	struct conc__objects *o = arg;
	struct object new = object_of(info);
	size_t i;

	if (o->n == 0) { /* the program comes first */
		o->counted = has_counters(size);
		o->unloaded = o->counted ? info->dlpi_subs : 0;
		o->program = new;
	} else if (o->n <= o->room) {
		for (i = o->n - 1; i > 0 && o->others[i - 1].begin > new.begin; i--)
			o->others[i] = o->others[i - 1];
		o->others[i] = new;
	} else {
		return 1; /* loaded since they were counted: it is not held */
	}
	o->n++;
	return 0;
}

int
conc__objects_note(struct conc__objects **to)
{
	struct conc__objects *o;
	size_t n = 0;

	(void)dl_iterate_phdr(count, &n);
	o = conc__calloc(1, sizeof *o + n * sizeof o->others[0]);
	if (o == NULL)
		return -ENOMEM;
	o->room = n;
	(void)dl_iterate_phdr(note, o);
	*to = o;
	return 0;
}

void
conc__objects_free(struct conc__objects *o)
{
	conc__free(o);
}

/* Is it unchanged?  Looked at under the loader's lock. */
struct look {
	const struct conc__objects *noted;
	const struct object *object;
	bool same;
};

static int
look_at(struct dl_phdr_info *info, size_t size, void *arg)
{
	struct look *l = arg;
	struct object now;

	if (l->noted->counted && has_counters(size) &&
	    info->dlpi_subs == l->noted->unloaded) {
		l->same = true; /* nothing was unloaded; what was there is there */
		return 1;
	}
	now = object_of(info);
	if (now.begin != l->object->begin)
		return 0;
	l->same = now.end == l->object->end && now.id != 0 && now.id == l->object->id;
	return 1;
}

static bool
lies_in(uint64_t address, const struct object *o)
{
	return address >= o->begin && address < o->end;
}

bool
conc__objects_hold(const struct conc__objects *o, uint64_t address)
{
	struct look l = {.noted = o};
	size_t low = 0, high = o->n > 0 ? o->n - 1 : 0;

	if (lies_in(address, &o->program))
		return true; /* the usual case, and never unloaded */
	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (address >= o->others[middle].end)
			low = middle + 1;
		else
			high = middle;
	}
	if (o->n == 0 || low == o->n - 1 || !lies_in(address, &o->others[low]))
		return false;
	l.object = &o->others[low];
	(void)dl_iterate_phdr(look_at, &l);
	return l.same;
}
