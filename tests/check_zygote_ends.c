/* SPDX-License-Identifier: MIT */
/*
 * Host, zygote and workers: whoever goes first, none is left behind.
 */
#include "tests/zygote.h"
#include <sys/prctl.h>

/* Memory that test and workers share. */
static struct shared {
	conc__atomic_u32 finis;
	int pid, other;
} *shared;

static void
setup(void)
{
	shared = conc__shared_map(sizeof *shared);
	ck_assert_ptr_nonnull(shared);
}

static void
teardown(void)
{
	conc__shared_unmap(shared, sizeof *shared);
}

static int
sleep_on(const void *arg, void *result)
{
	(void)result;
	while (arg == NULL)
		pause();
	return 0;
}

/* Orphans come to us while we adopt, and are reaped by gone(). */
static void
adopt(bool yes)
{
	prctl(PR_SET_CHILD_SUBREAPER, (long)yes);
}

static bool
gone(void *pid)
{
	while (waitpid(-1, NULL, WNOHANG) > 0)
		;
	return kill(*(int *)pid, 0) != 0;
}

static void
be_host(void)
{
	struct worker w;

	open_zygote();
	w = spawn(0);
	order(&w, sleep_on, NULL, 0, 0);
	eventually(runs, &w);
	shared->other = w.pid;
	/* pairs with the load in host_killed: the numbers are there */
	conc__store_release(&shared->finis, (uint32_t)zygote.pid);
	for (;;)
		pause();
}

static bool
told(void *arg)
{
	(void)arg;
	/* pairs with the store in be_host */
	return conc__load_acquire(&shared->finis) != 0;
}

/* The host is killed; zygote and worker, of which it has told, go too. */
static void
kill_host(int host)
{
	int pid;

	eventually(told, NULL);
	kill(host, SIGKILL);
	pid = (int)conc__load_relaxed(&shared->finis); /* relaxed: told() */
	eventually(gone, &pid);
	eventually(gone, &shared->other);
}

START_TEST(host_killed)
{
	int host;

	adopt(true);
	host = fork();
	if (host == 0)
		be_host();
	kill_host(host);
	adopt(false);
}
END_TEST

/* A stranger, forked from the host, holds its end of the channel. */
START_TEST(host_killed_but_its_child_lives)
{
	int host, child;

	adopt(true);
	host = fork();
	if (host == 0) {
		struct worker w;

		open_zygote();
		w = spawn(0);
		child = fork();
		if (child != 0) {
			shared->other = w.pid;
			shared->pid = child;
			/* pairs with the load in told(): the numbers are there */
			conc__store_release(&shared->finis, (uint32_t)zygote.pid);
		}
		for (;;)
			pause();
	}
	kill_host(host);
	child = shared->pid;
	ck_assert(!gone(&child));
	kill(child, SIGKILL);
	eventually(gone, &child);
	adopt(false);
}
END_TEST

static void
drop(struct worker *w)
{
	conc__reader_fini(&w->reader);
	for (int i = 0; i < CONC__SPAWNED_FDS; i++)
		conc__close(w->fds[i]);
}

START_TEST(zygote_killed)
{
	struct conc__control m;
	struct worker w;
	int none[CONC__SPAWNED_FDS], rc;

	adopt(true);
	open_zygote();
	w = spawn(0);
	order(&w, sleep_on, NULL, 0, 0);
	eventually(runs, &w);
	kill(zygote.pid, SIGKILL);
	eventually(gone, &w.pid);
	ck_assert_ptr_null(report(&w, NULL));
	while ((rc = conc__zygote_hear(&zygote, &m, none)) == -EAGAIN)
		await(zygote.control, CONC__READABLE);
	ck_assert_int_eq(rc, -EPIPE);
	ck_assert_int_eq(conc__zygote_tell(&zygote, &m), -EPIPE);
	drop(&w);
	close_zygote();
	adopt(false);
}
END_TEST

/* Workers run, a stranger has the channel: the end comes all the same. */
START_TEST(end_kills_all)
{
	struct worker w[SLOTS];
	int copy;

	plan.detached = _i;
	open_zygote();
	copy = dup(zygote.control);
	for (int i = 0; i < SLOTS; i++) {
		w[i] = spawn(i);
		order(&w[i], sleep_on, NULL, 0, 0);
	}
	tell(CONC__CONTROL_KILL, 0, w[0].incarnation); /* and nobody hears that it died */
	close_zygote();
	for (int i = 0; i < SLOTS; i++) {
		/* They are dead by now. */
		ck_assert_int_eq(conc__process_signal(w[i].pid, 0), -ESRCH);
		drop(&w[i]);
	}
	close(copy);
}
END_TEST

/* Spawned, and not even heard of. */
START_TEST(end_closes_what_is_on_its_way)
{
	open_zygote();
	for (int i = 0; i < SLOTS; i++)
		tell(CONC__CONTROL_SPAWN, i, 1);
	await(zygote.control, CONC__READABLE);
	close_zygote();
}
END_TEST

START_TEST(zygote_reaped_by_the_program)
{
	open_zygote();
	kill(zygote.pid, SIGKILL);
	ck_assert_int_eq(waitpid(-1, NULL, 0), zygote.pid);
	close_zygote();
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("zygote_ends");
	TCase *tc = new_case(suite, "zygote");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, host_killed);
	tcase_add_test(tc, host_killed_but_its_child_lives);
	tcase_add_test(tc, zygote_killed);
	tcase_add_loop_test(tc, end_kills_all, 0, 2);
	tcase_add_test(tc, end_closes_what_is_on_its_way);
	tcase_add_test(tc, zygote_reaped_by_the_program);
	return run_suite(suite);
}
