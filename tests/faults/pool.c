/* SPDX-License-Identifier: MIT */
/*
 * Failures under a thread pool: memory, locks and threads that cannot be had
 * while it is made, given work, loses workers, maps, and is shut down.
 * Whatever fails: each accepted task ends once and is cleaned up once, and
 * the pool can be destroyed.
 */
#include "tests/faults/faults.h"
#include <conc/conc.h>
#include <stdatomic.h>

/* A code that a fault may cause, and nothing else. */
static bool
fault_code(int rc)
{
	return !faultless && (rc == -ENOMEM || rc == -EAGAIN || rc == CONC_EBROKEN);
}

/* The books of a run. */
static struct {
	conc_executor *pool;
	atomic_int accepted, cleaned, ran, told;
} books;

static bool
open_pool(const conc_thread_pool_options *options)
{
	int rc;

	memset(&books, 0, sizeof books);
	rc = conc_thread_pool_create(&books.pool, options);
	must(rc == 0 || fault_code(rc));
	must((rc == 0) == (books.pool != NULL));
	return rc == 0;
}

static void
balance(void)
{
	conc_clear();
	must(books.cleaned == books.accepted);
	must(books.accepted > 0 || !faultless);
}

static void
close_pool(void)
{
	conc_executor_destroy(books.pool);
	balance();
}

static void
count_cleanup(void *user)
{
	must(user == &books);
	books.cleaned++;
}

static int
run_task(const void *arg, void *result)
{
	(void)arg;
	(void)result;
	books.ran++;
	return 0;
}

static int
fail_task(const void *arg, void *result)
{
	(void)run_task(arg, result);
	return conc_raise(-EDOM, "a message of the task %d", 1);
}

static int
crash_task(const void *arg, void *result)
{
	(void)run_task(arg, result);
	pthread_exit(NULL);
}

/* Submit what is not NULL in fn; its future, or NULL if a fault refused it. */
static conc_future *
give(conc_fn *fn, size_t arg_size, size_t result_size, int retries)
{
	static const char bytes[1000];
	conc_future *f = NULL;
	int rc = conc_submit_task(books.pool,
	    CONC_TASK(.fn = fn, .arg = bytes, .arg_size = arg_size, .result_size = result_size,
		.name = "task", .retries = retries, .priority = retries,
		.cleanup = count_cleanup, .user = &books),
	    &f);

	must(rc == 0 || fault_code(rc));
	must((rc == 0) == (f != NULL));
	books.accepted += rc == 0;
	return f;
}

/* It ends with code, or as a fault wants. */
static void
take(conc_future *f, int code)
{
	int rc;

	if (f == NULL)
		return;
	rc = conc_future_result(f, NULL, 0);
	must(rc == code || fault_code(rc));
	conc_future_release(f);
}

static void
tell(const conc_exception *e, void *user)
{
	must(user == &books && conc_exception_code(e) != 0);
	must(conc_exception_message(e) != NULL);
	books.told++;
}

static void
submit_and_wait(void)
{
	if (!open_pool(CONC_THREAD_POOL(.workers = 2, .name = "faulty")))
		return;
	take(give(run_task, 0, 0, 0), 0);
	take(give(run_task, 16, 16, 0), 0);
	take(give(run_task, 1000, 1000, 0), 0);
	close_pool();
	must(books.ran == books.accepted || !faultless);
}

static void
fail_and_tell(void)
{
	int rc;

	if (!open_pool(CONC_THREAD_POOL(.workers = 1, .excepthook = tell, .user = &books)))
		return;
	take(give(fail_task, 0, 0, 0), -EDOM);
	conc_future_release(give(fail_task, 0, 0, 0));
	rc = conc_submit(books.pool, fail_task, NULL, 0, 0, NULL);
	must(rc == 0 || fault_code(rc));
	close_pool();
	must(books.told == 2 || !faultless);
}

static int
alloc_task(const void *arg, void *result)
{
	(void)arg;
	(void)result;
	if (conc_result_alloc(500) == NULL)
		return conc_raise(-ENOMEM, "no room");
	return 0;
}

static void
result_alloc(void)
{
	if (!open_pool(CONC_THREAD_POOL(.workers = 1)))
		return;
	take(give(alloc_task, 0, 8, 0), 0);
	close_pool();
}

static int
gate_task(const void *arg, void *result)
{
	(void)arg;
	(void)result;
	while (!conc_cancelled())
		sched_yield();
	return -ECANCELED;
}

static void
full_queue(void)
{
	conc_future *running, *queued, *more = NULL;
	int rc;

	if (!open_pool(
		CONC_THREAD_POOL(.workers = 1, .queue_limit = 1, .when_full = CONC_FAIL)))
		return;
	running = give(gate_task, 0, 0, 0);
	while (running != NULL && !conc_future_running(running) && !conc_future_done(running))
		sched_yield();
	queued = give(run_task, 0, 0, 0);
	rc = conc_submit(books.pool, run_task, NULL, 0, 0, &more);
	must(rc == -EAGAIN || !faultless);
	conc_future_release(more);
	if (running != NULL)
		(void)conc_future_cancel(running);
	take(running, -ECANCELED);
	take(queued, 0);
	close_pool();
}

/* Submits two and waits for them, one by one or together. */
static int
nested_task(const void *arg, void *result)
{
	conc_future *f[2] = {give(run_task, 0, 0, 0), give(run_task, 300, 300, 0)};

	(void)arg;
	(void)result;
	if (f[0] != NULL && f[1] != NULL) {
		int rc = conc_wait(f, 2, CONC_ALL, CONC_FOREVER);

		must(rc == 0 || fault_code(rc));
	}
	take(f[0], 0);
	take(f[1], 0);
	return 0;
}

static void
nested(void)
{
	if (!open_pool(CONC_THREAD_POOL(.workers = 1)))
		return;
	take(give(nested_task, 0, 0, 0), 0);
	close_pool();
}

/* So deep that a small stack is not enough, and extra workers are. */
static int
deep_task(const void *arg, void *result)
{
	volatile char stack[8000];

	(void)arg;
	(void)result;
	stack[0] = 1;
	if (books.ran++ < 20)
		take(give(deep_task, 0, 0, 0), 0);
	return stack[0] - 1;
}

static void
deep(void)
{
	if (!open_pool(CONC_THREAD_POOL(.workers = 1, .stack_size = 128 << 10)))
		return;
	take(give(deep_task, 0, 0, 0), 0);
	close_pool();
}

static int
good_init(void *user)
{
	must(user == &books);
	return 0;
}

static int
bad_init(void *user)
{
	must(user == &books);
	return conc_raise(-ENODEV, "no device");
}

static void
fini(void *user)
{
	must(user == &books);
}

static void
initialised(void)
{
	if (!open_pool(CONC_THREAD_POOL(.workers = 2, .init = good_init, .fini = fini,
		.user = &books)))
		return;
	take(give(run_task, 0, 0, 0), 0);
	take(give(run_task, 0, 0, 0), 0);
	close_pool();
}

static void
broken(void)
{
	int rc;

	if (!open_pool(
		CONC_THREAD_POOL(.workers = 1, .init = bad_init, .fini = fini, .user = &books)))
		return;
	take(give(run_task, 0, 0, 0), CONC_EBROKEN);
	rc = conc_submit(books.pool, run_task, NULL, 0, 0, NULL);
	must(rc == CONC_EBROKEN || fault_code(rc) || (rc == 0 && !faultless));
	close_pool();
	must(books.ran == 0);
}

static void
crashes_and_retries(void)
{
	conc_future *f[3];

	if (!open_pool(CONC_THREAD_POOL(.workers = 2)))
		return;
	f[0] = give(crash_task, 0, 0, 0);
	f[1] = give(crash_task, 0, 0, 2);
	f[2] = give(run_task, 0, 0, 0);
	take(f[0], CONC_ECRASHED);
	take(f[1], CONC_ECRASHED);
	take(f[2], 0);
	close_pool();
}

static void
resized(void)
{
	if (!open_pool(CONC_THREAD_POOL(.workers = 1, .idle_timeout = 1)))
		return;
	must(conc_executor_resize(books.pool, 3) == 0);
	take(give(run_task, 0, 0, 0), 0);
	must(conc_executor_resize(books.pool, 1) == 0);
	take(give(run_task, 0, 0, 0), 0);
	close_pool();
}

static void
shut_down(void)
{
	static const conc_shutdown_how hows[] = {CONC_DRAIN, CONC_CANCEL, CONC_KILL};

	for (int i = 0; i < 3; i++) {
		conc_future *f[4];

		if (!open_pool(CONC_THREAD_POOL(.workers = 1)))
			return;
		for (int n = 0; n < 4; n++)
			f[n] = give(run_task, 0, 0, 0);
		must(conc_shutdown(books.pool, hows[i], CONC_FOREVER) == 0);
		balance();
		for (int n = 0; n < 4; n++) {
			int rc = f[n] != NULL ? conc_future_result(f[n], NULL, 0) : 0;

			must(rc == 0 || rc == -ECANCELED || fault_code(rc));
			conc_future_release(f[n]);
		}
		close_pool();
	}
}

static int
destroy_task(const void *arg, void *result)
{
	conc_executor_destroy(books.pool);
	return run_task(arg, result);
}

static void
destroyed_from_within(void)
{
	conc_future *f;

	if (!open_pool(CONC_THREAD_POOL(.workers = 2)))
		return;
	f = give(destroy_task, 0, 0, 0);
	take(f != NULL ? conc_future_ref(f) : NULL, 0);
	if (f == NULL || books.ran == 0)
		conc_executor_destroy(books.pool);
	conc_future_release(f);
	balance();
}

/* Each item doubles its number; some crash. */
static int
item_task(const void *arg, void *result)
{
	int n = *(const int *)arg;

	books.ran++;
	if (n < 0)
		pthread_exit(NULL);
	*(int *)result = 2 * n;
	return 0;
}

static void
on_item(size_t index, int code, void *user)
{
	must(index < 12 && user == &books);
	must(code == 0 || code == CONC_ECRASHED || fault_code(code));
}

static void
map_items(int crash, size_t chunk)
{
	int in[12], out[12], codes[12], rc;

	if (!open_pool(CONC_THREAD_POOL(.workers = 2)))
		return;
	for (int i = 0; i < 12; i++)
		in[i] = i == crash ? -1 : i;
	memset(codes, 0x55, sizeof codes);
	rc = conc_map(books.pool, item_task, 12, in, sizeof *in, out, sizeof *out,
	    CONC_MAP(.chunk = chunk, .codes = crash == 2 ? NULL : codes, .on_item = on_item,
		.user = &books));
	must(rc == (crash < 12 ? CONC_ECRASHED : 0) || fault_code(rc));
	for (int i = 0; i < 12 && rc == 0; i++)
		must(out[i] == 2 * i && (crash == 2 || codes[i] == 0));
	conc_executor_destroy(books.pool);
	conc_clear();
}

static void
mapped(void)
{
	map_items(99, 1);
	map_items(99, 5);
}

static void
mapped_with_a_crash(void)
{
	map_items(1, 1);
	map_items(2, 12);
}

static int
mapping_task(const void *arg, void *result)
{
	static const int in[3] = {1, 2, 3};
	int out[3];

	(void)arg;
	(void)result;
	return conc_map(books.pool, item_task, 3, in, sizeof *in, out, sizeof *out, NULL);
}

static void
mapped_in_a_task(void)
{
	if (!open_pool(CONC_THREAD_POOL(.workers = 1)))
		return;
	take(give(mapping_task, 0, 0, 0), 0);
	close_pool();
}

int
main(void)
{
	static const struct scenario scenarios[] = {SCENARIO(submit_and_wait),
	    SCENARIO(fail_and_tell), SCENARIO(result_alloc), SCENARIO(full_queue),
	    SCENARIO(nested), SCENARIO(deep), SCENARIO(initialised), SCENARIO(broken),
	    SCENARIO(crashes_and_retries), SCENARIO(resized), SCENARIO(shut_down),
	    SCENARIO(destroyed_from_within), SCENARIO(mapped), SCENARIO(mapped_with_a_crash),
	    SCENARIO(mapped_in_a_task)};

	return run_faults(scenarios, sizeof scenarios / sizeof scenarios[0]);
}
