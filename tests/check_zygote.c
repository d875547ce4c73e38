/* SPDX-License-Identifier: MIT */
/*
 * The zygote: workers are spawned, killed, seen to die, and none outlives it or
 * the host.
 */
#include "tests/zygote.h"
#include <sys/prctl.h>
#include <sys/resource.h>

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
nothing(const void *arg, void *result)
{
	(void)arg, (void)result;
	return 0;
}

static int
sleep_on(const void *arg, void *result)
{
	(void)result;
	while (arg == NULL)
		pause();
	return 0;
}

static void
count_fini(void *user)
{
	/* relaxed: a number alone */
	conc__add_relaxed(&((struct shared *)user)->finis, 1);
}

START_TEST(bye_runs_fini_and_exits_0)
{
	struct worker w;

	plan.fini = count_fini;
	plan.user = shared;
	open_zygote();
	w = spawn(1);
	ck_assert_int_eq(getpgid(w.pid), w.pid);
	ck_assert_int_ne(w.pid, zygote.pid);
	dismiss(&w);
	ck_assert_uint_eq(conc__load_relaxed(&shared->finis), 1); /* relaxed: it has ended */
	w = spawn(1);
	order(&w, nothing, NULL, 0, 0);
	ck_assert_int_eq(report(&w, NULL)->type, CONC__REPORT_RESULT);
	dismiss(&w);
	ck_assert_uint_eq(conc__load_relaxed(&shared->finis), 2); /* relaxed: likewise */
	close_zygote();
}
END_TEST

static int
fail_in_init(void *user)
{
	(void)user;
	return conc_raise(-ENODEV, "no such %s", "device");
}

START_TEST(init_that_fails)
{
	const struct conc__report *r;
	const void *payload;
	struct worker w;
	conc_exception *e;

	plan.init = fail_in_init;
	open_zygote();
	w = spawn_only(0);
	r = report(&w, &payload);
	ck_assert_int_eq(r->type, CONC__REPORT_INIT_FAILED);
	ck_assert_int_eq(r->code, -ENODEV);
	e = conc__exception_unpack(payload, (size_t)r->size, r->code);
	ck_assert_str_eq(conc_exception_message(e), "no such device");
	conc_exception_release(e);
	ck_assert_int_ne(bury(&w).exit_status, 0);
	close_zygote();
}
END_TEST

START_TEST(kill_is_for_one_incarnation)
{
	struct worker old, w;
	struct conc__process_end end;

	open_zygote();
	old = spawn(0);
	order(&old, sleep_on, NULL, 0, 0);
	tell(CONC__CONTROL_KILL, 0, old.incarnation);
	end = bury(&old);
	ck_assert_int_eq(end.signal, SIGKILL);
	ck_assert_int_gt(end.max_rss, 0);
	w = spawn(0);
	tell(CONC__CONTROL_KILL, 0, old.incarnation);
	tell(CONC__CONTROL_KILL, 1, w.incarnation);
	tell(CONC__CONTROL_KILL, 77, w.incarnation);
	order(&w, nothing, NULL, 0, 0);
	ck_assert_int_eq(report(&w, NULL)->type, CONC__REPORT_RESULT);
	dismiss(&w);
	close_zygote();
}
END_TEST

static int
raise_signal(const void *arg, void *result)
{
	(void)result;
	raise(*(const int *)arg);
	return 0;
}

START_TEST(signals_that_kill)
{
	static const int signals[] = {
	    SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGKILL, SIGTERM, SIGPIPE, SIGXCPU};
	const struct rlimit no_core = {0, 0};

	setrlimit(RLIMIT_CORE, &no_core);
	open_zygote();
	for (size_t i = 0; i < sizeof signals / sizeof signals[0]; i++) {
		struct worker w = spawn((int)i % SLOTS);

		order(&w, raise_signal, &signals[i], sizeof signals[i], 0);
		ck_assert_int_eq(bury(&w).signal, signals[i]);
		ck_assert_int_eq(state_of(&w), CONC__CLAIM_RUNNING);
	}
	close_zygote();
}
END_TEST

static int
leave_by(const void *arg, void *result)
{
	(void)result;
	switch (*(const int *)arg) {
	case 3:
		exit(3);
	case 4:
		_exit(4);
	default:
		pthread_exit(NULL);
	}
}

START_TEST(exits_that_end_a_worker)
{
	open_zygote();
	for (int how = 3; how <= 5; how++) {
		struct worker w = spawn(0);
		struct conc__process_end end;

		order(&w, leave_by, &how, sizeof how, 0);
		end = bury(&w);
		ck_assert_int_eq(end.signal, 0);
		ck_assert_int_eq(end.exit_status, how < 5 ? how : 1);
		ck_assert_int_eq(state_of(&w), CONC__CLAIM_RUNNING);
	}
	close_zygote();
}
END_TEST

static int
fork_and_return(const void *arg, void *result)
{
	(void)arg;
	*(int *)result = fork() != 0;
	return 0;
}

START_TEST(task_that_returns_twice)
{
	const struct conc__report *r;
	const void *payload;
	struct worker w;

	open_zygote();
	w = spawn(0);
	for (int i = 0; i < 10; i++) {
		order(&w, fork_and_return, NULL, 0, sizeof(int));
		r = report(&w, &payload);
		ck_assert_int_eq(r->type, CONC__REPORT_RESULT);
		ck_assert_uint_eq(r->seq, w.seq);
		ck_assert_int_eq(*(const int *)payload, 1);
	}
	dismiss(&w);
	close_zygote();
}
END_TEST

static int
fork_and_crash(const void *arg, void *result)
{
	int child = fork();

	(void)result;
	while (child == 0 && arg == NULL)
		pause();
	shared->other = child;
	raise(SIGKILL);
	return 0;
}

START_TEST(what_a_worker_forked_dies_with_it)
{
	struct conc__process_end end;
	struct worker w;

	prctl(PR_SET_CHILD_SUBREAPER, 1);
	open_zygote();
	w = spawn(0);
	order(&w, fork_and_crash, NULL, 0, 0);
	ck_assert_int_eq(bury(&w).signal, SIGKILL);
	/* It is the zygote's now, which reaps it; or ours, if that ended first. */
	close_zygote();
	(void)conc__process_reap(shared->other, &end, 1);
	prctl(PR_SET_CHILD_SUBREAPER, 0);
	ck_assert_int_eq(conc__process_signal(shared->other, 0), -ESRCH);
}
END_TEST

static int
large_result(const void *arg, void *result)
{
	(void)arg;
	memset(result, 7, 1 << 20);
	return 0;
}

START_TEST(death_while_it_writes_a_result)
{
	struct worker w;
	char some[1000];

	plan.pipe_size = 4096;
	open_zygote();
	w = spawn(0);
	order(&w, large_result, NULL, 0, 1 << 20);
	await(w.fds[CONC__REPORTS_READ], CONC__READABLE);
	ck_assert_int_gt(conc__read(w.fds[CONC__REPORTS_READ], some, sizeof some), 0);
	tell(CONC__CONTROL_KILL, 0, w.incarnation);
	conc__reader_fini(&w.reader);
	{
		int none[CONC__SPAWNED_FDS];
		int64_t got, sum = 0;

		ck_assert_int_eq(hear(CONC__CONTROL_DIED, none).end.signal, SIGKILL);
		while ((got = conc__read(w.fds[CONC__REPORTS_READ], some, sizeof some)) > 0)
			sum += got;
		ck_assert_int_eq(got, 0);
		ck_assert_int_lt(sum, 1 << 20);
	}
	for (int i = 0; i < CONC__SPAWNED_FDS; i++)
		conc__close(w.fds[i]);
	close_zygote();
}
END_TEST

START_TEST(refused)
{
	int none[CONC__SPAWNED_FDS], first = dup(0);
	rlim_t before;
	struct conc__control m;
	struct worker w;

	close(first);
	/* The channel, the watch of the host, and one pipe, but not two. */
	before = limit_descriptors((rlim_t)first + 5);
	open_zygote();
	limit_descriptors(before);
	for (int i = 0; i < 3; i++) {
		tell(CONC__CONTROL_SPAWN, 2, 5);
		m = hear(CONC__CONTROL_REFUSED, none);
		ck_assert_int_eq(m.code, -EMFILE);
		ck_assert_int_eq(m.slot, 2);
		ck_assert_uint_eq(m.incarnation, 5);
	}
	close_zygote();
	open_zygote();
	tell(CONC__CONTROL_SPAWN, SLOTS, 6);
	ck_assert_int_eq(hear(CONC__CONTROL_REFUSED, none).code, -EINVAL);
	w = spawn(SLOTS - 1);
	dismiss(&w);
	close_zygote();
}
END_TEST

/* The host has no descriptors left for a worker's pipes. */
START_TEST(no_descriptors_in_the_host)
{
	int none[CONC__SPAWNED_FDS], first, watch = conc__process_watch(getpid());
	rlim_t before;
	struct worker w;

	if (watch == -ENOSYS) /* valgrind, which sees to the limit itself, but not here */
		return;
	conc__close(watch);
	open_zygote();
	first = dup(0);
	close(first);
	tell(CONC__CONTROL_SPAWN, 0, 77);
	before = limit_descriptors((rlim_t)first + 2);
	ck_assert_int_eq(hear(CONC__CONTROL_REFUSED, none).code, -EMFILE);
	limit_descriptors(before);
	ck_assert_uint_eq(hear(CONC__CONTROL_DIED, none).incarnation, 77);
	w = spawn(0);
	dismiss(&w);
	close_zygote();
}
END_TEST

static int
count_descriptors(const void *arg, void *result)
{
	(void)arg;
	*(int *)result = descriptor_count();
	return 0;
}

START_TEST(workers_hold_their_pipes_alone)
{
	int before = descriptor_count(), watch = conc__process_watch(getpid());
	struct worker w[SLOTS];
	const void *payload;

	if (watch == -ENOSYS) /* valgrind, which has descriptors of its own in each process */
		return;
	conc__close(watch);
	open_zygote();
	for (int i = 0; i < SLOTS; i++)
		w[i] = spawn(i);
	for (int i = 0; i < SLOTS; i++) {
		order(&w[i], count_descriptors, NULL, 0, sizeof(int));
		ck_assert_int_eq(report(&w[i], &payload)->type, CONC__REPORT_RESULT);
		ck_assert_int_eq(*(const int *)payload, before + 2);
	}
	for (int i = 0; i < SLOTS; i++)
		dismiss(&w[i]);
	close_zygote();
}
END_TEST

START_TEST(interrupted)
{
	struct worker w;

	open_zygote();
	w = spawn(0);
	kill(zygote.pid, SIGINT);
	kill(w.pid, SIGINT);
	order(&w, nothing, NULL, 0, 0);
	ck_assert_int_eq(report(&w, NULL)->type, CONC__REPORT_RESULT);
	dismiss(&w);
	close_zygote();
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("zygote");
	TCase *tc = new_case(suite, "zygote");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, bye_runs_fini_and_exits_0);
	tcase_add_test(tc, init_that_fails);
	tcase_add_test(tc, kill_is_for_one_incarnation);
	tcase_add_test(tc, signals_that_kill);
	tcase_add_test(tc, exits_that_end_a_worker);
	tcase_add_test(tc, task_that_returns_twice);
	tcase_add_test(tc, what_a_worker_forked_dies_with_it);
	tcase_add_test(tc, death_while_it_writes_a_result);
	tcase_add_test(tc, refused);
	tcase_add_test(tc, no_descriptors_in_the_host);
	tcase_add_test(tc, workers_hold_their_pipes_alone);
	tcase_add_test(tc, interrupted);
	return run_suite(suite);
}
