/* SPDX-License-Identifier: MIT */
/*
 * Which code was mapped when: noted objects, on base.  The plugin is a copy of
 * a library of the C library's that nobody else loads.
 */
#include "base/process.h"
#include "tests/common.h"
#include <dlfcn.h>
#include <link.h>

static uint64_t
address_of(void *p)
{
	return (uint64_t)(uintptr_t)p;
}

static struct conc__objects *
note(void)
{
	struct conc__objects *o;

	ck_assert_int_eq(conc__objects_note(&o), 0);
	return o;
}

/* The tests' plugin, as a file of its own; its path. */
static char path[64];
static char content[1 << 20];
static size_t size;

static void
write_plugin(void)
{
	FILE *file = fopen(path, "w");

	ck_assert_ptr_nonnull(file);
	ck_assert_uint_eq(fwrite(content, 1, size, file), size);
	ck_assert_int_eq(fclose(file), 0);
}

static struct link_map *
load(const char *name)
{
	struct link_map *map;
	void *handle = dlopen(name, RTLD_NOW | RTLD_LOCAL);

	ck_assert_msg(handle != NULL, "%s", dlerror());
	ck_assert_int_eq(dlinfo(handle, RTLD_DI_LINKMAP, &map), 0);
	return map; /* a handle, too */
}

/* Is there a plugin to be had? */
static bool
make_plugin(void)
{
	void *library = dlopen("libBrokenLocale.so.1", RTLD_NOW);
	struct link_map *map;
	FILE *file;
	int fd;

	if (library == NULL)
		return false;
	ck_assert_int_eq(dlinfo(library, RTLD_DI_LINKMAP, &map), 0);
	file = fopen(map->l_name, "r");
	ck_assert_ptr_nonnull(file);
	size = fread(content, 1, sizeof content, file);
	ck_assert(feof(file));
	fclose(file);
	dlclose(library);
	strcpy(path, "/tmp/conc-objects-XXXXXX");
	fd = mkstemp(path);
	ck_assert_int_ge(fd, 0);
	close(fd);
	write_plugin();
	return true;
}

/* Its build id is another one from now on.  Return whether it has one. */
static bool
change_build_id(void)
{
	static const char head[] = "\4\0\0\0\24\0\0\0\3\0\0\0GNU";
	char *found = memmem(content, size, head, sizeof head);

	if (found == NULL)
		return false;
	found[sizeof head] ^= 1;
	unlink(path); /* not into what is mapped */
	write_plugin();
	return true;
}

static int
a_function(int n)
{
	return n;
}

START_TEST(holds_what_was_mapped)
{
	struct conc__objects *o = note();
	char *memory = malloc(100000);

	ck_assert_int_eq(a_function(3), 3);
	ck_assert(conc__objects_hold(o, (uint64_t)(uintptr_t)a_function));
	ck_assert(conc__objects_hold(o, (uint64_t)(uintptr_t)conc__objects_note));
	ck_assert(conc__objects_hold(o, address_of(dlsym(RTLD_DEFAULT, "qsort"))));
	ck_assert(!conc__objects_hold(o, 0));
	ck_assert(!conc__objects_hold(o, 1));
	ck_assert(!conc__objects_hold(o, UINT64_MAX));
	ck_assert(!conc__objects_hold(o, address_of(memory)));
	ck_assert(!conc__objects_hold(o, address_of(&o)));
	free(memory);
	conc__objects_free(o);
	conc__objects_free(NULL);
}
END_TEST

START_TEST(does_not_hold_what_was_loaded_since)
{
	struct conc__objects *before = note(), *after;
	struct link_map *map;

	if (make_plugin()) {
		map = load(path);
		after = note();
		ck_assert(!conc__objects_hold(before, address_of(map->l_ld)));
		ck_assert(conc__objects_hold(after, address_of(map->l_ld)));
		conc__objects_free(after);
		dlclose(map);
		unlink(path);
	}
	conc__objects_free(before);
}
END_TEST

START_TEST(does_not_hold_what_was_unloaded)
{
	struct conc__objects *o;
	struct link_map *map;
	uint64_t address;

	if (!make_plugin())
		return;
	map = load(path);
	o = note();
	address = address_of(map->l_ld);
	ck_assert(conc__objects_hold(o, address));
	dlclose(map);
	ck_assert(!conc__objects_hold(o, address));
	/* What stayed is held, though something was unloaded. */
	ck_assert(conc__objects_hold(o, (uint64_t)(uintptr_t)a_function));
	ck_assert(conc__objects_hold(o, address_of(dlsym(RTLD_DEFAULT, "qsort"))));
	/* The same again, most likely at the same place. */
	map = load(path);
	ck_assert_int_eq(conc__objects_hold(o, address), address_of(map->l_ld) == address);
	dlclose(map);
	conc__objects_free(o);
	unlink(path);
}
END_TEST

START_TEST(does_not_hold_another_at_the_same_place)
{
	struct conc__objects *o;
	struct link_map *map;
	uint64_t address;

	if (!make_plugin())
		return;
	map = load(path);
	o = note();
	address = address_of(map->l_ld);
	dlclose(map);
	if (change_build_id()) {
		map = load(path);
		ck_assert(!conc__objects_hold(o, address));
		dlclose(map);
	}
	conc__objects_free(o);
	unlink(path);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("objects");
	TCase *tc = new_case(s, "objects");

	tcase_add_test(tc, holds_what_was_mapped);
	tcase_add_test(tc, does_not_hold_what_was_loaded_since);
	tcase_add_test(tc, does_not_hold_what_was_unloaded);
	tcase_add_test(tc, does_not_hold_another_at_the_same_place);
	return run_suite(s);
}
