/* SPDX-License-Identifier: MIT */
/*
 * Threads for programs: destroying them, daemons, failures that nobody joined
 * for, and forks.  Where CPython tests the same of threading.Thread, the test
 * has that one's name.
 */
#include "tests/capture.h"
#include "tests/thread.h"
#include <stdatomic.h>

static atomic_int ran;

/* What runs last in the thread, after its function has returned. */
static pthread_key_t last;

static void
at_the_very_end(void *arg)
{
	(void)arg;
	ran++;
}

static int
run_slowly(const void *arg, void *result)
{
	uint32_t seed = *(const uint32_t *)arg;

	(void)result;
	jitter(&seed);
	return pthread_setspecific(last, &last) == 0 ? 0 : -ENOMEM;
}

/* When destroy returns the system's thread is gone, thread locals and all. */
START_TEST(join_nondaemon_on_shutdown)
{
	ck_assert_int_eq(pthread_key_create(&last, at_the_very_end), 0);
	for (int n = 0; n < seeds(); n++) {
		uint32_t seed = seed_start(n);
		conc_thread *t = THREAD(run_slowly, &seed, sizeof seed, .name = NULL);

		conc_thread_destroy(t);
		ck_assert_int_eq(ran, n + 1);
	}
	pthread_key_delete(last);
}
END_TEST

START_TEST(leak_without_join)
{
	conc_thread_destroy(THREAD(return_zero, NULL, 0, .name = NULL));
	conc_thread_destroy(THREAD(return_zero, NULL, 0, .daemon = 1));
	ck_assert_int_eq(conc_thread_start(NULL, return_zero, NULL, 0, NULL), 0);
	ck_assert_int_eq(
	    conc_thread_start(NULL, return_zero, NULL, 0, CONC_THREAD(.daemon = 1)), 0);
}
END_TEST

/* The copies of its argument and name stay as long as it runs. */
struct letter {
	struct gate *gate;
	char text[64];
};

static struct latch read_by = LATCH;

static int
read_letter(const void *arg, void *result)
{
	const struct letter *letter = arg;
	int rc = through_gate(letter->gate, result);

	ck_assert_str_eq(letter->text, "still here");
	ck_assert_str_eq(conc_task_name(), "reader of letters");
	latch_set(&read_by);
	return rc;
}

START_TEST(daemon_param)
{
	static struct gate gate = GATE; /* the thread may leave it later than we do */
	struct letter letter = {&gate, "still here"};
	conc_thread *t = THREAD(
	    read_letter, &letter, sizeof letter, .name = "reader of letters", .daemon = 1);

	latch_wait(&gate.entered, 1);
	conc_thread_destroy(t); /* does not wait */
	ck_assert_int_eq(conc_thread_start(NULL, read_letter, &letter, sizeof letter,
			     CONC_THREAD(.name = "reader of letters")),
	    0);
	latch_set(&gate.open);
	latch_wait(&read_by, 2);
}
END_TEST

/* It destroys what it is itself. */
struct self_destroyer {
	struct gate gate;
	conc_thread *own;
};

static int
destroy_itself(const void *arg, void *result)
{
	struct self_destroyer *d = (struct self_destroyer *)arg;
	int rc = through_gate(&d->gate, result);

	conc_thread_destroy(d->own);
	ck_assert_str_eq(conc_task_name(), "suicide");
	return rc;
}

START_TEST(destroyed_by_itself)
{
	static struct self_destroyer d = {GATE, NULL};

	watch_hook();
	d.gate.code = -EIO;
	d.own = THREAD(destroy_itself, &d, CONC_BORROW, .name = "suicide");
	latch_set(&d.gate.open);
	while (hook_calls() == 0)
		sched_yield();
	ck_assert_int_eq(hook_record.code, -EIO);
}
END_TEST

/* The program ends while daemons run: it is not held up, and nothing crashes. */
static int
run_for_ever(const void *arg, void *result)
{
	(void)result;
	latch_set(&read_by);
	while (arg == NULL)
		sched_yield();
	return 0;
}

static void
exit_among_daemons(void)
{
	for (int i = 0; i < 8; i++)
		conc_thread_destroy(THREAD(run_for_ever, NULL, 0, .daemon = 1));
	latch_wait(&read_by, 8);
	exit(0);
}

START_TEST(daemon_threads)
{
	ck_assert_int_eq(run_in_child(exit_among_daemons), 0);
}
END_TEST

/* ---- failures that nobody joined for ---- */

START_TEST(excepthook)
{
	conc_thread *t = THREAD(run_fails, NULL, 0, .name = "excepthook thread");
	char *text;

	conc_set_excepthook(NULL, NULL); /* another test may have set one */
	ck_assert_uint_ne(conc_thread_ident(t), 0);
	capture_start();
	conc_thread_destroy(t);
	text = capture_end();
	ck_assert_ptr_nonnull(strstr(text, "run failed"));
	ck_assert_ptr_nonnull(strstr(text, "run_fails"));
	ck_assert_ptr_nonnull(strstr(text, "excepthook thread"));
	free(text);
}
END_TEST

START_TEST(custom_excepthook)
{
	conc_thread *t = THREAD(run_fails, NULL, 0, .name = NULL);

	watch_hook();
	eventually(has_ended, t);
	ck_assert_int_eq(hook_calls(), 0); /* it may be joined yet */
	conc_thread_destroy(t);
	ck_assert_int_eq(hook_calls(), 1);
	ck_assert_int_eq(hook_record.code, -EDOM);
	ck_assert_str_eq(hook_record.message, "run failed");
	ck_assert(pthread_equal(hook_record.thread, pthread_self()));
}
END_TEST

START_TEST(original_excepthook)
{
	char *text;

	watch_hook();
	conc_thread_destroy(THREAD(run_fails, NULL, 0, .name = NULL));
	ck_assert_int_eq(hook_calls(), 1);
	conc_set_excepthook(NULL, NULL);
	capture_start();
	conc_thread_destroy(THREAD(run_fails, NULL, 0, .name = NULL));
	text = capture_end();
	ck_assert_int_eq(hook_calls(), 1);
	ck_assert_ptr_nonnull(strstr(text, "run failed"));
	free(text);
}
END_TEST

static void
failing_hook(const conc_exception *e, void *user)
{
	conc_thread *t = THREAD(run_fails, NULL, 0, .name = NULL);

	ck_assert_int_eq(conc_exception_code(e), -EDOM);
	++*(int *)user;
	conc_thread_destroy(t); /* a failure in the hook: not told */
	(void)conc_raise(-EIO, "the hook failed");
}

START_TEST(custom_excepthook_fail)
{
	int calls = 0;

	conc_set_excepthook(failing_hook, &calls);
	conc_thread_destroy(THREAD(run_fails, NULL, 0, .name = NULL));
	ck_assert_int_eq(calls, 1);
	ck_assert_ptr_null(conc_caught());
	conc_set_excepthook(NULL, NULL);
}
END_TEST

START_TEST(own_excepthook_goes_before_the_programs)
{
	int calls = 0;

	watch_hook();
	conc_thread_destroy(
	    THREAD(run_fails, NULL, 0, .excepthook = failing_hook, .user = &calls));
	ck_assert_int_eq(calls, 1);
	ck_assert_int_eq(hook_calls(), 0);
}
END_TEST

static bool
hook_was_called(void *arg)
{
	(void)arg;
	return hook_calls() > 0;
}

/* A thread that was let go tells itself. */
START_TEST(let_go_it_tells_itself)
{
	static struct gate gate = GATE;

	watch_hook();
	gate.code = -EIO;
	conc_thread_destroy(at_gate(&gate, CONC_THREAD(.daemon = 1)));
	ck_assert_int_eq(hook_calls(), 0);
	latch_set(&gate.open);
	eventually(hook_was_called, NULL);
	ck_assert_int_eq(hook_record.code, -EIO);
	ck_assert(!pthread_equal(hook_record.thread, pthread_self()));
}
END_TEST

START_TEST(without_a_handle_it_tells_itself)
{
	watch_hook();
	ck_assert_int_eq(conc_thread_start(NULL, run_fails, NULL, 0, NULL), 0);
	eventually(hook_was_called, NULL);
	ck_assert_int_eq(hook_record.code, -EDOM);
	ck_assert(!pthread_equal(hook_record.thread, pthread_self()));
}
END_TEST

/* A daemon's end against its destruction: told once, whoever comes first. */
START_TEST(told_once)
{
	static struct gate gates[1000];
	int n = seeds() < 1000 ? seeds() : 1000;

	watch_hook();
	for (int i = 0; i < n; i++) {
		uint32_t seed = seed_start(i);
		conc_thread *t;

		gates[i] = (struct gate)GATE;
		gates[i].code = -EIO;
		t = at_gate(&gates[i], CONC_THREAD(.daemon = 1));
		latch_set(&gates[i].open);
		jitter(&seed);
		conc_thread_destroy(t);
		while (hook_calls() <= i)
			sched_yield();
		ck_assert_int_eq(hook_calls(), i + 1);
	}
}
END_TEST

/* ---- forks ---- */

static conc_thread *inherited, *inherited_daemon, *inherited_ended;

/* A child may have threads of its own. */
static void
start_and_join(void)
{
#ifndef __SANITIZE_THREAD__ /* it cannot start threads in the child of a fork */
	conc_thread *t = THREAD(return_zero, NULL, 0, .name = NULL);

	ck_assert_int_eq(conc_thread_join(t, CONC_FOREVER), 0);
	conc_thread_destroy(t);
#endif
}

static void
use_inherited(void)
{
	watch_hook();
	ck_assert(!conc_thread_alive(inherited));
	ck_assert_int_eq(conc_thread_join(inherited, CONC_FOREVER), CONC_EFORKED);
	ck_assert_ptr_null(conc_thread_exception(inherited));
	ck_assert_str_eq(conc_thread_name(inherited), "conc");
	ck_assert_uint_ne(conc_thread_ident(inherited), 0);
	conc_thread_destroy(inherited);
	conc_thread_destroy(inherited_daemon);
	ck_assert_int_eq(conc_thread_join(inherited_ended, CONC_FOREVER), -EDOM);
	ck_assert_str_eq(conc_exception_message(conc_caught()), "run failed");
	conc_clear();
	conc_thread_destroy(inherited_ended);
	ck_assert_int_eq(hook_calls(), 0);
	start_and_join();
}

START_TEST(join_in_forked_process)
{
	struct gate gate = GATE;

	inherited = at_gate(&gate, NULL);
	inherited_daemon = at_gate(&gate, CONC_THREAD(.daemon = 1));
	ck_assert_uint_ne(conc_thread_ident(inherited), 0);
	inherited_ended = THREAD(run_fails, NULL, 0, .name = NULL);
	eventually(has_ended, inherited_ended);
	ck_assert_int_eq(run_in_child(use_inherited), 0);
	ck_assert(conc_thread_alive(inherited));
	latch_set(&gate.open);
	ck_assert_int_eq(conc_thread_join(inherited, CONC_FOREVER), 0);
	ck_assert_int_eq(conc_thread_join(inherited_daemon, CONC_FOREVER), 0);
	conc_thread_destroy(inherited);
	conc_thread_destroy(inherited_daemon);
	ck_assert_int_eq(conc_thread_join(inherited_ended, CONC_FOREVER), -EDOM);
	conc_clear();
	conc_thread_destroy(inherited_ended);
}
END_TEST

#ifndef __SANITIZE_THREAD__ /* it takes it that the thread goes on in the child */
/* Forked at any moment of its life: in the child it is not alive. */
static void
ask_and_drop(void)
{
	ck_assert(!conc_thread_alive(inherited));
	(void)conc_thread_ident(inherited);
	conc_thread_destroy(inherited);
}

START_TEST(is_alive_after_fork)
{
	for (int i = 0; i < 20; i++) {
		inherited = THREAD(return_zero, NULL, 0, .name = NULL);
		ck_assert_int_eq(run_in_child(ask_and_drop), 0);
		ck_assert_int_eq(conc_thread_join(inherited, CONC_FOREVER), 0);
		conc_thread_destroy(inherited);
	}
}
END_TEST
#endif

/* The thread itself forks; what it is in the child is no thread of ours any more. */
struct forker {
	struct gate gate;
	conc_thread *own;
	bool destroy, leave;
};

/* The child's last thread has come to its end: no need for the parent's exit handlers. */
static void
leave_child(void *arg)
{
	(void)arg;
	_exit(conc_task_name() == NULL ? EXIT_SUCCESS : EXIT_FAILURE);
}

static int
fork_in_thread(const void *arg, void *result)
{
	struct forker *f = (struct forker *)arg;
	int status, rc = through_gate(&f->gate, result);
	pid_t pid = fork();

	ck_assert_int_ge(pid, 0);
	if (pid == 0) {
		ck_assert_int_eq(pthread_key_create(&last, leave_child), 0);
		ck_assert_int_eq(pthread_setspecific(last, f), 0);
		ck_assert_int_eq(conc_thread_join(f->own, CONC_FOREVER), CONC_EFORKED);
		start_and_join();
		if (f->destroy)
			conc_thread_destroy(f->own);
		ck_assert_str_eq(conc_task_name(), "conc"); /* which is not freed under it */
		if (f->leave)
			pthread_exit(NULL);
		return -EIO;
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	return rc;
}

START_TEST(join_in_forked_from_thread)
{
	struct forker f = {GATE, NULL, _i & 1, _i & 2};

	f.own = THREAD(fork_in_thread, &f, CONC_BORROW, .name = NULL);
	latch_set(&f.gate.open);
	ck_assert_int_eq(conc_thread_join(f.own, CONC_FOREVER), 0);
	conc_thread_destroy(f.own);
}
END_TEST

static int
fork_and_wait(const void *arg, void *result)
{
	int status;
	pid_t pid = fork();

	(void)arg;
	(void)result;
	if (pid == 0) /* without an assertion: others may have been in theirs */
		_exit(50);
	ck_assert_int_gt(pid, 0);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 50);
	return 0;
}

START_TEST(reinit_tls_after_fork)
{
	conc_thread *t[16];

	for (int i = 0; i < 16; i++)
		t[i] = THREAD(fork_and_wait, NULL, 0, .name = NULL);
	for (int i = 0; i < 16; i++) {
		ck_assert_int_eq(conc_thread_join(t[i], CONC_FOREVER), 0);
		conc_thread_destroy(t[i]);
	}
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("thread_ends");
	TCase *tc = new_case(s, "destroy");

	tcase_add_test(tc, join_nondaemon_on_shutdown);
	tcase_add_test(tc, leak_without_join);
	tcase_add_test(tc, daemon_param);
	tcase_add_test(tc, destroyed_by_itself);
	tcase_add_test(tc, daemon_threads);

	tc = new_case(s, "excepthook");
	tcase_add_test(tc, excepthook);
	tcase_add_test(tc, custom_excepthook);
	tcase_add_test(tc, original_excepthook);
	tcase_add_test(tc, custom_excepthook_fail);
	tcase_add_test(tc, own_excepthook_goes_before_the_programs);
	tcase_add_test(tc, let_go_it_tells_itself);
	tcase_add_test(tc, without_a_handle_it_tells_itself);
	tcase_add_test(tc, told_once);

	tc = new_case(s, "fork");
	tcase_add_test(tc, join_in_forked_process);
#ifndef __SANITIZE_THREAD__
	tcase_add_test(tc, is_alive_after_fork);
#endif
	tcase_add_loop_test(tc, join_in_forked_from_thread, 0, 4);
	tcase_add_test(tc, reinit_tls_after_fork);
	return run_suite(s);
}
