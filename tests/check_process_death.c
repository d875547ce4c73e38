/* SPDX-License-Identifier: MIT */
/*
 * Tests of how failures of worker processes are told: conc_death, messages,
 * exceptions that come over whole, nonsense; and of limits and retries.  What
 * a death costs the others is in check_process_crash.c.
 */
#include "tests/process.h"
#include "process/wire.h"
#include <sys/stat.h>

/* f's exception, after its end with this code. */
static const conc_exception *
failure(conc_future *f, int code)
{
	const conc_exception *e;

	ck_assert_int_eq(conc_future_result(f, NULL, 0), code);
	e = conc_future_exception(f);
	ck_assert_ptr_nonnull(e);
	ck_assert_ptr_eq(conc_caught(), e);
	ck_assert_int_eq(conc_exception_code(e), code);
	return e;
}

/* Uses some CPU and memory, says who it is, and dies by the signal that is its argument. */
static int
burn_and_die_task(const void *arg, void *result)
{
	enum { SIZE = 32 << 20 };
	char *p = malloc(SIZE);
	clock_t end = clock() + CLOCKS_PER_SEC / 20;

	(void)result;
	if (p == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < SIZE; i += 1024)
		((volatile char *)p)[i] = 1;
	while (clock() < end)
		;
	atomic_store(&shared->pid[0], getpid());
	atomic_store(&shared->pid[1], conc_worker_index());
	signal(*(const int *)arg, SIG_DFL);
	raise(*(const int *)arg);
	return 0;
}

START_TEST(death_tells_how)
{
	static const int signals[] = {SIGKILL, SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTERM,
	    SIGINT, SIGPIPE, SIGALRM, SIGUSR1, SIGSYS};
	conc_executor *pool = PROCESSES(.workers = 3);
	conc_future *f = SUBMIT(pool, .fn = burn_and_die_task, .name = "resize",
	    .arg = &signals[_i], .arg_size = sizeof(int));
	const conc_exception *e = failure(f, CONC_ECRASHED);
	const conc_death *death = conc_exception_death(e);

	ck_assert_int_lt(_i, (int)(sizeof signals / sizeof *signals));
	ck_assert_ptr_nonnull(death);
	ck_assert_int_eq(death->signal, signals[_i]);
	ck_assert_int_eq(death->exit_status, 0);
	ck_assert_int_eq(death->core_dumped, 0);
	ck_assert_int_eq(death->pid, shared->pid[0]);
	ck_assert_int_eq(death->worker, shared->pid[1]);
	ck_assert_int_eq(death->attempt, 1);
	ck_assert_int_ge(death->user_time, 0);
	ck_assert_int_ge(death->system_time, 0);
	ck_assert_int_ge(death->user_time + death->system_time, CONC_MS(10));
	ck_assert_int_ge(death->max_rss, 32 << 20);
	ck_assert_int_eq(conc_exception_pid(e), getpid()); /* it was raised here */
	ck_assert_str_eq(conc_exception_task(e), "resize");
	ck_assert_ptr_null(conc_exception_cause(e));
	conc_future_release(f);
	conc_executor_destroy(pool);
	conc_clear();
}
END_TEST

/* Who and how stand in the message; times and sizes, whose values nobody knows, behind. */
START_TEST(the_message_says_it_all)
{
	conc_executor *pool = PROCESSES(.workers = 3);
	int signal = SIGSEGV;
	conc_future *f = SUBMIT(pool, .fn = burn_and_die_task, .name = "resize",
	    .arg = &signal, .arg_size = sizeof signal);
	const char *message = conc_exception_message(failure(f, CONC_ECRASHED));
	char wanted[128];
	long megabytes = 0;
	double seconds = 0;
	int end = 0;

	snprintf(wanted, sizeof wanted,
	    "task \"resize\": worker %d (pid %d) killed by SIGSEGV after ", shared->pid[1],
	    shared->pid[0]);
	ck_assert_msg(strncmp(message, wanted, strlen(wanted)) == 0, "%s", message);
	ck_assert_msg(sscanf(message + strlen(wanted), "%lf s, max RSS %ld MB%n", &seconds,
			  &megabytes, &end) == 2, "%s", message);
	ck_assert_msg(message[strlen(wanted) + (size_t)end] == 0, "%s", message);
	ck_assert_int_ge(megabytes, 32);
	ck_assert(seconds > 0);
	conc_future_release(f);
	conc_executor_destroy(pool);
	conc_clear();
}
END_TEST

START_TEST(the_message_of_an_exit)
{
	conc_executor *pool = PROCESSES(.workers = 1);
	enum how how = _i == 0 ? BY_EXIT_0 : BY_EXIT_1;
	conc_future *f = SUBMIT(pool, .fn = die_task, .arg = &how, .arg_size = sizeof how);
	const conc_exception *e = failure(f, CONC_ECRASHED);
	const conc_death *death = conc_exception_death(e);
	char wanted[64];

	ck_assert_int_eq(death->signal, 0);
	ck_assert_int_eq(death->exit_status, _i);
	snprintf(wanted, sizeof wanted, "worker 0 (pid %d) ", death->pid);
	ck_assert_ptr_nonnull(strstr(conc_exception_message(e), wanted));
	ck_assert_ptr_nonnull(strstr(conc_exception_message(e), "exit"));
	ck_assert_ptr_nonnull(strstr(conc_exception_message(e), _i == 0 ? "0" : "1"));
	ck_assert_ptr_null(conc_exception_task(e));
	conc_future_release(f);
	conc_executor_destroy(pool);
	conc_clear();
}
END_TEST

/* Exceptions. */
static int
inner(void)
{
	return conc_raise(-EIO, "disk %d on fire", 7);
}

static int
middle(void)
{
	if (inner() != 0)
		conc_raise_from(conc_caught(), 77, "no pages");
	return 77;
}

static int
chain_task(const void *arg, void *result)
{
	(void)arg;
	(void)result;
	atomic_store(&shared->pid[0], getpid());
	middle();
	return conc_raise_from(conc_caught(), CONC_EOWNERDIED, "%s", "");
}

START_TEST(an_exception_comes_over_whole)
{
	conc_executor *pool = PROCESSES(.workers = 1);
	conc_future *f = SUBMIT(pool, .fn = chain_task, .name = "print");
	const conc_exception *e = failure(f, CONC_EOWNERDIED);
	static const int codes[] = {CONC_EOWNERDIED, 77, -EIO};
	static const char *const messages[] = {"", "no pages", "disk 7 on fire"};
	static const char *const functions[] = {"chain_task", "middle", "inner"};
	int line = INT32_MAX;

	ck_assert_str_eq(conc_exception_task(e), "print");
	for (int i = 0; i < 3; i++) {
		ck_assert_ptr_nonnull(e);
		ck_assert_int_eq(conc_exception_code(e), codes[i]);
		ck_assert_str_eq(conc_exception_message(e), messages[i]);
		ck_assert_str_eq(conc_exception_function(e), functions[i]);
		ck_assert_str_eq(conc_exception_file(e), __FILE__);
		ck_assert_int_lt(conc_exception_line(e), line);
		ck_assert_int_eq(conc_exception_pid(e), shared->pid[0]);
		ck_assert_ptr_null(conc_exception_death(e));
		line = conc_exception_line(e);
		ck_assert_int_gt(line, 0);
		e = conc_exception_cause(e);
	}
	ck_assert_ptr_null(e);
	conc_future_release(f);
	conc_executor_destroy(pool);
	conc_clear();
}
END_TEST

static int
code_task(const void *arg, void *result)
{
	(void)result;
	return *(const int *)arg; /* raises nothing */
}

START_TEST(a_code_alone_becomes_an_exception)
{
	static const int codes[] = {-1, -ENOMEM, -4095, CONC_ECRASHED, CONC_ETIMELIMIT,
	    CONC_ENOTMAPPED, -8191, 1, INT32_MAX, INT32_MIN, -ECANCELED};
	conc_executor *pool = PROCESSES(.workers = 1);

	for (size_t i = 0; i < sizeof codes / sizeof *codes; i++) {
		conc_future *f = SUBMIT(pool, .fn = code_task, .name = "code",
		    .arg = &codes[i], .arg_size = sizeof(int));
		const conc_exception *e = failure(f, codes[i]);

		ck_assert_str_eq(conc_exception_message(e), conc_strerror(codes[i]));
		ck_assert_str_eq(conc_exception_task(e), "code");
		ck_assert_ptr_null(conc_exception_cause(e));
		conc_future_release(f);
	}
	conc_executor_destroy(pool);
	conc_clear();
}
END_TEST

/* Here it is this process that raises. */
START_TEST(an_exception_of_the_host_has_its_pid)
{
	conc_raise(-EIO, "here");
	ck_assert_int_eq(conc_exception_pid(conc_caught()), getpid());
	ck_assert_int_eq(conc_exception_pid(NULL), 0);
	conc_clear();
}
END_TEST

/*
 * Nonsense in the report pipe.  The pool closes what else there is, so that
 * the only pipe a worker can write to is that one.
 */
static int
report_pipe(void)
{
	struct stat st;

	for (int fd = 3; fd < 1024; fd++)
		if (fstat(fd, &st) == 0 && S_ISFIFO(st.st_mode) &&
		    (fcntl(fd, F_GETFL) & O_ACCMODE) == O_WRONLY)
			return fd;
	return -1;
}

static const struct conc__report forged[] = {
    {.type = 0}, {.type = CONC__REPORT_TYPES, .seq = 1}, {.type = UINT32_MAX},
    {.type = CONC__REPORT_RESULT, .seq = 1000000},            /* of no order */
    {.type = CONC__REPORT_RESULT, .seq = 1, .size = SIZE_MAX}, /* cannot be */
    {.type = CONC__REPORT_RESULT, .seq = 1, .ran = -1},
    {.type = CONC__REPORT_FAILURE, .seq = 1, .code = 0},      /* failed with success */
    {.type = CONC__REPORT_DONE, .seq = 1, .item = 5},         /* it is no chunk */
};

static int
forge_task(const void *arg, void *result)
{
	const struct conc__report *report = &forged[*(const int *)arg];
	int fd = report_pipe();

	(void)result;
	atomic_store(&shared->count[0], fd);
	if (fd < 0 || write(fd, report, sizeof *report) != (ssize_t)sizeof *report)
		return -EIO;
	for (;;)
		pause();
}

START_TEST(nonsense_is_told_from_a_crash)
{
	conc_executor *pool = PROCESSES(.workers = 1, .close_fds = 1);
	conc_future *f =
	    SUBMIT(pool, .fn = forge_task, .arg = &_i, .arg_size = sizeof _i);
	const conc_death *death = conc_exception_death(failure(f, CONC_ECORRUPT));

	ck_assert_int_gt(shared->count[0], 2);
	ck_assert_ptr_nonnull(death);
	ck_assert_int_eq(death->signal, SIGKILL);
	conc_future_release(f);
	ck_assert_int_eq(finish(submit_run(pool, 1)), 0);
	conc_executor_destroy(pool);
	conc_clear();
}
END_TEST

static int
noise_task(const void *arg, void *result)
{
	uint32_t seed = *(const uint32_t *)arg, noise[256];
	int fd = report_pipe();

	(void)result;
	for (size_t i = 0; i < 256; i++)
		noise[i] = random_below(&seed, UINT32_MAX);
	if (fd < 0 || write(fd, noise, sizeof noise) != (ssize_t)sizeof noise)
		return -EIO;
	return 0;
}

START_TEST(noise_fails_only_its_task)
{
	conc_executor *pool = PROCESSES(.workers = 2, .close_fds = 1);

	for (int n = 0; n < 20; n++) {
		uint32_t seed = seed_start(n);
		conc_future *f =
		    SUBMIT(pool, .fn = noise_task, .arg = &seed, .arg_size = sizeof seed);

		ck_assert_int_eq(finish(f), CONC_ECORRUPT);
		ck_assert_int_eq(finish(submit_run(pool, n)), 0);
		ck_assert_int_eq(shared->runs[n], 1);
	}
	conc_executor_destroy(pool);
	conc_clear();
}
END_TEST

/* Half a report, then death: torn, not nonsense. */
static int
torn_task(const void *arg, void *result)
{
	struct conc__report report = {
	    .type = CONC__REPORT_RESULT, .seq = 1, .size = *(const uint64_t *)arg};
	int fd = report_pipe();

	(void)result;
	if (fd < 0 || write(fd, &report, sizeof report - (report.size == 0)) < 0)
		return -EIO;
	return die(BY_EXIT_1);
}

START_TEST(a_torn_report_is_a_crash)
{
	conc_executor *pool = PROCESSES(.workers = 1, .close_fds = 1);
	uint64_t size = _i == 0 ? 0 : 100;
	conc_future *f = SUBMIT(pool, .fn = torn_task, .arg = &size, .arg_size = sizeof size,
	    .result_size = 100);

	ck_assert_int_eq(conc_exception_death(failure(f, CONC_ECRASHED))->exit_status, 1);
	conc_future_release(f);
	ck_assert_int_eq(finish(submit_run(pool, 1)), 0);
	conc_executor_destroy(pool);
	conc_clear();
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("process_death");
	TCase *told = process_case(s, "told"), *nonsense = process_case(s, "nonsense");

	conc_set_excepthook(overlook, NULL);
	tcase_add_loop_test(told, death_tells_how, 0, 11);
	tcase_add_test(told, the_message_says_it_all);
	tcase_add_loop_test(told, the_message_of_an_exit, 0, 2);
	tcase_add_test(told, an_exception_comes_over_whole);
	tcase_add_test(told, a_code_alone_becomes_an_exception);
	tcase_add_test(told, an_exception_of_the_host_has_its_pid);
	tcase_add_loop_test(
	    nonsense, nonsense_is_told_from_a_crash, 0, sizeof forged / sizeof *forged);
	tcase_add_test(nonsense, noise_fails_only_its_task);
	tcase_add_loop_test(nonsense, a_torn_report_is_a_crash, 0, 2);
	return run_suite(s);
}
