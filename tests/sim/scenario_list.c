/* SPDX-License-Identifier: MIT */
/*
 * Scenarios of the locked list: waiting against putting in, closing and
 * deadlines; steps that belong together; the child of a fork.
 *
 * Where a wake-up is at stake no close comes to the rescue: it would wake who
 * was forgotten.  So these lists have room beforehand, and no append can fail.
 */
#include "sim.h"
#include <conc/list.h>

/* An empty list with room for eight; NULL if a failure was made. */
static conc_list *
roomy(void)
{
	const int zeros[8] = {0};
	conc_list *l;
	int rc = conc_list_create(&l, sizeof(int));

	if (rc == 0) {
		rc = conc_list_extend(l, zeros, 8);
		while (conc_list_pop(l, -1, NULL) == 0)
			;
		if (rc == 0)
			return l;
		conc_list_destroy(l);
	}
	sim_assert(rc == -ENOMEM && sim_sweeping());
	return NULL;
}

static void
append(conc_list *l, int x)
{
	sim_assert(conc_list_append(l, &x) == 0);
}

/* A thread that pops once. */
struct popper {
	conc_list *l;
	struct sim_thread *thread;
	ptrdiff_t index;
	conc_time deadline;
	int rc, got;
};

static void
pop_once(void *arg)
{
	struct popper *p = arg;

	p->got = -1;
	p->rc = conc_list_pop_wait(p->l, p->index, &p->got, p->deadline);
}

static void
start(struct popper *p, conc_list *l, ptrdiff_t index)
{
	*p = (struct popper){.l = l, .index = index, .deadline = CONC_FOREVER};
	p->thread = sim_go(pop_once, p);
}

/* Two wait for any element; two come, each by a way of its own. */
SIM_SCENARIO(list_append_pop_wait)
{
	conc_list *l = roomy();
	struct popper a, b;

	if (!l)
		return;
	start(&a, l, 0);
	start(&b, l, -1);
	append(l, 1);
	if (sim_random(2))
		append(l, 2);
	else
		sim_assert(conc_list_prepend(l, &(int){2}) == 0);
	sim_join(a.thread);
	sim_join(b.thread);
	sim_assert(a.rc == 0 && b.rc == 0 && a.got + b.got == 3 && a.got != b.got);
	sim_assert(conc_list_size(l) == 0);
	conc_list_destroy(l);
}

/* Two wait, two come in one step. */
SIM_SCENARIO(list_extend_wakes_all)
{
	const int both[] = {1, 2};
	conc_list *l = roomy();
	struct popper a, b;

	if (!l)
		return;
	start(&a, l, 0);
	start(&b, l, 0);
	sim_assert(conc_list_extend(l, both, 2) == 0);
	sim_join(a.thread);
	sim_join(b.thread);
	sim_assert(a.rc == 0 && b.rc == 0 && a.got + b.got == 3);
	conc_list_destroy(l);
}

/* One waits for the third element, one for any: the only one there is goes to him. */
SIM_SCENARIO(list_poppers_of_different_indices)
{
	conc_list *l = roomy();
	struct popper third, any;

	if (!l)
		return;
	start(&third, l, sim_random(2) ? 2 : -3);
	start(&any, l, 0);
	append(l, 1);
	sim_join(any.thread);
	sim_assert(any.rc == 0 && any.got == 1);
	append(l, 2);
	append(l, 3);
	append(l, 4);
	sim_join(third.thread);
	sim_assert(third.rc == 0 && third.got == (third.index == 2 ? 4 : 2));
	sim_assert(conc_list_size(l) == 2);
	conc_list_destroy(l);
}

/* A third one may snatch the element from under the woken one's nose; the next is for him. */
SIM_SCENARIO(list_pop_against_pop_wait)
{
	conc_list *l = roomy();
	struct popper p;
	int rc, x = 0;

	if (!l)
		return;
	start(&p, l, 0);
	append(l, 1);
	rc = conc_list_pop(l, 0, &x);
	sim_assert((rc == 0 && x == 1) || rc == -ENOENT);
	if (rc == 0)
		append(l, 2);
	sim_join(p.thread);
	sim_assert(p.rc == 0 && p.got == (rc == 0 ? 2 : 1));
	conc_list_destroy(l);
}

static void
close_it(void *l)
{
	sim_assert(conc_list_close(l) == 0);
}

static void
append_unless_closed(void *arg)
{
	struct popper *p = arg;

	p->rc = conc_list_append(p->l, &(int){7});
}

/* Close ends every wait; what was accepted before it is taken by somebody. */
SIM_SCENARIO(list_close_against_pop_wait)
{
	conc_list *l = roomy();
	struct popper a, b, put = {.l = l};
	struct sim_thread *closer;

	if (!l)
		return;
	start(&a, l, 0);
	start(&b, l, 1);
	put.thread = sim_go(append_unless_closed, &put);
	closer = sim_go(close_it, l);
	sim_join(closer);
	sim_join(put.thread);
	sim_join(a.thread);
	sim_join(b.thread);
	sim_assert(put.rc == 0 || put.rc == CONC_ESHUTDOWN);
	sim_assert(b.rc == CONC_ESHUTDOWN && b.got == -1);
	sim_assert(a.rc == 0 ? a.got == 7 && put.rc == 0 : a.rc == CONC_ESHUTDOWN);
	sim_assert((conc_list_size(l) == 1) == (put.rc == 0 && a.rc != 0));
	conc_list_destroy(l);
}

/* By its deadline a wait has the element, or leaves it; a last look never loses it. */
SIM_SCENARIO(list_deadline_against_append)
{
	conc_list *l = roomy();
	struct popper late, patient;

	if (!l)
		return;
	late = (struct popper){.l = l, .deadline = conc_after(CONC_US(10))};
	late.thread = sim_go(pop_once, &late);
	start(&patient, l, 0);
	append(l, 5);
	sim_join(late.thread);
	sim_assert(late.rc == 0 ? late.got == 5 : late.rc == -ETIMEDOUT && late.got == -1);
	if (late.rc == 0)
		append(l, 6);
	sim_join(patient.thread);
	sim_assert(patient.rc == 0 && patient.got == (late.rc == 0 ? 6 : 5));
	conc_list_destroy(l);
}

static void
write_twice(void *l)
{
	append(l, 100);
	sim_assert(conc_list_set(l, 0, &(int){100}) == 0);
	(void)conc_list_pop(l, 0, NULL);
}

/* Count the first element up; as one step, though the list has a lock in each call. */
static void
count_up(conc_list *l)
{
	size_t before;
	int x;

	CONC_WITH_LIST(l) {
		before = conc_list_size(l);
		sim_assert(conc_list_get(l, 0, &x) == 0);
		sim_pause();
		CONC_WITH_LIST(l)
			sim_assert(conc_list_set(l, 0, &(int){x + 1}) == 0);
		/* Unlocked once of twice: still ours. */
		sim_pause();
		sim_assert(conc_list_size(l) == before);
		sim_assert(conc_list_pop_wait(l, 0, &x, CONC_FOREVER) == -EDEADLK);
		return;
	}
	sim_fail("the list was not locked");
}

static void
count_up_twice(void *l)
{
	count_up(l);
	count_up(l);
}

SIM_SCENARIO(list_compound_steps)
{
	conc_list *l = roomy();
	struct sim_thread *t;
	int x;

	if (!l)
		return;
	append(l, 0);
	t = sim_go(count_up_twice, l);
	count_up(l);
	sim_join(t);
	sim_assert(conc_list_get(l, 0, &x) == 0 && x == 3);
	sim_assert(conc_list_unlock(l) == -EPERM);
	conc_list_destroy(l);
}

SIM_SCENARIO(list_compound_step_against_writer)
{
	conc_list *l = roomy();
	struct sim_thread *t;

	if (!l)
		return;
	append(l, 0);
	t = sim_go(write_twice, l);
	count_up(l);
	sim_join(t);
	sim_assert(conc_list_size(l) == 1);
	conc_list_destroy(l);
}

static int
add(void *element, void *user)
{
	sim_pause();
	*(int *)user += *(int *)element;
	return 0;
}

static int
compare(const void *a, const void *b)
{
	sim_pause();
	return *(const int *)a - *(const int *)b;
}

/* Nobody else's change shows within a scan. */
static void
move_between(void *l)
{
	int x;

	CONC_WITH_LIST(l) {
		sim_assert(conc_list_pop(l, 0, &x) == 0);
		sim_pause();
		append(l, x);
	}
	(void)conc_list_reverse(l);
}

SIM_SCENARIO(list_scan_against_writer)
{
	conc_list *l = roomy();
	struct sim_thread *t;
	ptrdiff_t i;
	int rc, sum = 0;

	if (!l)
		return;
	append(l, 3);
	append(l, 1);
	append(l, 2);
	t = sim_go(move_between, l);
	sim_assert(conc_list_each(l, add, &sum) == 0 && sum == 6);
	sim_assert(conc_list_find(l, &(int){2}, compare, &i) == 0);
	rc = conc_list_sort(l, compare);
	sim_assert(rc == 0 || (rc == -ENOMEM && sim_sweeping()));
	sim_join(t);
	sum = 0;
	sim_assert(conc_list_each(l, add, &sum) == 0 && sum == 6);
	conc_list_destroy(l);
}

static void
look(void *l)
{
	sim_assert(conc_list_size(l) == 1);
}

/* Two wait until a scan is over; both then go on. */
SIM_SCENARIO(list_scan_against_two)
{
	conc_list *l = roomy();
	struct sim_thread *a, *b;
	int sum = 0;

	if (!l)
		return;
	append(l, 4);
	a = sim_go(look, l);
	b = sim_go(look, l);
	sim_assert(conc_list_each(l, add, &sum) == 0 && sum == 4);
	sim_join(a);
	sim_join(b);
	conc_list_destroy(l);
}

/* Memory may fail at each growth and at the sort: then nothing has changed. */
SIM_SCENARIO(list_grows_shrinks_sorts)
{
	conc_list *l;
	int rc = conc_list_create(&l, sizeof(int)), n = 0, i, x, before = -1;

	if (rc) {
		sim_assert(rc == -ENOMEM && sim_sweeping());
		return;
	}
	for (i = 0; i < 40; i++) {
		x = i * 7 % 40;
		rc = i % 2 ? conc_list_append(l, &x) : conc_list_insert(l, n / 2, &x);
		sim_assert(rc == 0 || (rc == -ENOMEM && sim_sweeping()));
		n += rc == 0;
		sim_assert(conc_list_size(l) == (size_t)n);
	}
	rc = conc_list_sort(l, NULL);
	sim_assert(rc == 0 || (rc == -ENOMEM && sim_sweeping()));
	if (rc == 0)
		rc = conc_list_sort(l, compare);
	for (; conc_list_pop(l, 0, &x) == 0; n--) {
		sim_assert(rc != 0 || x > before);
		before = x;
	}
	sim_assert(n == 0);
	conc_list_destroy(l);
}

/* A fork while one thread holds the list and one waits: the child is refused, and frees. */
static void
hold(void *l)
{
	CONC_WITH_LIST(l)
		sim_pause();
}

SIM_SCENARIO(list_in_the_child_of_a_fork)
{
	conc_list *l = roomy();
	struct popper *p = malloc(sizeof *p);
	int x = 0;

	if (!l) {
		free(p);
		return;
	}
	(void)sim_go(hold, l);
	start(p, l, 0);
	sim_pause();
	sim_fork_as_child();
	sim_assert(conc_list_append(l, &x) == CONC_EFORKED);
	sim_assert(conc_list_pop_wait(l, 0, &x, CONC_FOREVER) == CONC_EFORKED);
	sim_assert(conc_list_unlock(l) == CONC_EFORKED);
	sim_assert(conc_list_size(l) == 0);
	CONC_WITH_LIST(l)
		sim_fail("the block must be skipped");
	conc_list_destroy(l);
	free(p);
}
