/* SPDX-License-Identifier: MIT */
/*
 * The heap of tasks, on exec: whatever is pushed, removed and put back, the top
 * is the smallest key, and of equal ones the one that came first.
 */
#include "exec/heap.h"
#include "tests/common.h"

enum { NODES = 64, KEYS = 5, STEPS = 2000 };

/* The heap, and what must be in it. */
struct model {
	struct conc__heap heap;
	struct conc__node nodes[NODES];
	int key[NODES];
	unsigned came[NODES]; /* 0: never yet; else when */
	bool in[NODES];
	unsigned now;
	unsigned seed;
};

static int
draw(struct model *m, int n)
{
	m->seed = m->seed * 1103515245 + 12345;
	return (int)(m->seed >> 16) % n;
}

static struct conc__node *
expected(struct model *m)
{
	int best = -1;

	for (int i = 0; i < NODES; i++)
		if (m->in[i] &&
		    (best < 0 || m->key[i] < m->key[best] ||
			(m->key[i] == m->key[best] && m->came[i] < m->came[best])))
			best = i;
	return best < 0 ? NULL : &m->nodes[best];
}

static void
step(struct model *m)
{
	int i = draw(m, NODES);

	if (m->in[i]) {
		conc__heap_remove(&m->heap, &m->nodes[i]);
		m->in[i] = false;
		return;
	}
	if (m->came[i] == 0 || draw(m, 2) == 0) {
		m->key[i] = draw(m, KEYS);
		m->came[i] = ++m->now;
		conc__heap_push(&m->heap, &m->nodes[i], m->key[i]);
	} else {
		conc__heap_put_back(&m->heap, &m->nodes[i]);
	}
	m->in[i] = true;
}

START_TEST(the_first_of_the_smallest_is_on_top)
{
	for (int seed = 0; seed < seeds(); seed++) {
		struct model m = {.seed = (unsigned)seed};

		for (int i = 0; i < STEPS; i++) {
			step(&m);
			ck_assert_ptr_eq(m.heap.top, expected(&m));
		}
		while (m.heap.top != NULL) {
			ck_assert_ptr_eq(m.heap.top, expected(&m));
			m.in[m.heap.top - m.nodes] = false;
			conc__heap_remove(&m.heap, m.heap.top);
		}
		ck_assert_ptr_null(expected(&m));
	}
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("heap");

	tcase_add_test(new_case(s, "heap"), the_first_of_the_smallest_is_on_top);
	return run_suite(s);
}
