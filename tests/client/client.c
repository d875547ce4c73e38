/* SPDX-License-Identifier: MIT */
/*
 * A program outside of the tree, written from the manual pages alone: does the
 * installed library serve it?  client.cc does much the same in C++17.
 */
#include <conc/conc.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MUST(what) ((what) ? (void)0 : fail(__LINE__, #what))

enum { E_SALE = 7 }; /* the program's own code */

static int hooked, logged; /* main's alone */

static void
fail(int line, const char *what)
{
	fprintf(stderr, "client.c:%d: %s\n", line, what);
	exit(1);
}

static int
square(const void *arg, void *result)
{
	int n = *(const int *)arg;

	if (n < 0) {
		(void)conc_raise(-EDOM, "%d is negative", n);
		return conc_raise_from(
		    conc_caught(), E_SALE, "the square of %d is not for sale", n);
	}
	*(int *)result = n * n;
	return 0;
}

/* The result's size is known only here. */
static int
text(const void *arg, void *result)
{
	char *room = conc_result_alloc(conc_arg_size() + 1);

	(void)result;
	if (room == NULL)
		return conc_raise(-ENOMEM, "no room for a text");
	memcpy(room, arg, conc_arg_size());
	return 0;
}

static int
index_of_worker(const void *arg, void *result)
{
	(void)arg;
	*(int *)result = conc_worker_index();
	return 0;
}

/* The task's, which tells that it has begun, and runs until it may go or is asked to stop. */
struct stay {
	conc_promise *begun;
	conc_future *go;
};

static int
stay(const void *arg, void *result)
{
	const struct stay *s = arg;
	int rc;

	(void)result;
	rc = conc_promise_finish(s->begun, NULL, 0);
	conc_promise_destroy(s->begun);
	while (rc == 0 && conc_future_wait(s->go, conc_after_ms(1)) == -ETIMEDOUT)
		if (conc_cancelled())
			rc = -ECANCELED;
	conc_future_release(s->go);
	return rc;
}

/* Keep a worker busy until the promise go is finished. */
static conc_future *
occupy(conc_executor *pool, conc_promise **go)
{
	conc_future *begun, *f;
	struct stay s;

	MUST(conc_promise_create(&s.begun, 0, &begun) == 0);
	MUST(conc_promise_create(go, 0, &s.go) == 0);
	MUST(conc_submit(pool, stay, &s, sizeof s, 0, &f) == 0);
	MUST(conc_future_result(begun, NULL, 0) == 0);
	conc_future_release(begun);
	return f;
}

/* One worker, which is busy, and a queue of one, which is full: what becomes of one more? */
static void
full_queue(conc_when_full when, int expected)
{
	conc_future *running, *queued, *one_more = NULL;
	conc_stats stats = CONC_STATS_INIT;
	conc_executor *pool;
	conc_promise *go;
	int i = 9;

	MUST(conc_thread_pool_create(&pool,
		 CONC_THREAD_POOL(.workers = 1, .queue_limit = 1, .when_full = when)) == 0);
	running = occupy(pool, &go);
	MUST(conc_submit(pool, index_of_worker, NULL, 0, sizeof i, &queued) == 0);
	MUST(conc_submit_task(pool,
		 CONC_TASK(.fn = index_of_worker, .result_size = sizeof i,
		     .submit_deadline = CONC_NOW),
		 &one_more) == expected);
	if (expected == 0) {
		MUST(conc_future_done(one_more));
		MUST(conc_future_result(one_more, &i, sizeof i) == 0 && i == -1);
	}
	MUST(conc_promise_finish(go, NULL, 0) == 0);
	MUST(conc_future_result(queued, &i, sizeof i) == 0 && i == 0);
	MUST(conc_executor_stats(pool, &stats) == 0 && stats.high_water == 1);
	conc_promise_destroy(go);
	conc_future_release(running);
	conc_future_release(queued);
	conc_future_release(one_more);
	conc_executor_destroy(pool);
}

/* The function of a thread: square what comes from a queue until it is closed, or it fails. */
static int
square_queued(const void *arg, void *result)
{
	conc_queue *queue = *(conc_queue *const *)arg;
	int n, squared, rc = 0;

	(void)result;
	while (rc == 0 && conc_queue_get(queue, &n, CONC_FOREVER) == 0) {
		rc = square(&n, &squared);
		MUST(conc_queue_task_done(queue) == 0);
	}
	return rc;
}

static void
threads(void)
{
	int numbers[] = {7, -7};
	conc_queue *queue;
	conc_thread *t;

	MUST(conc_queue_create(&queue, sizeof(int), NULL) == 0);
	MUST(conc_thread_start(
		 &t, square_queued, &queue, sizeof queue, CONC_THREAD(.name = "squares")) == 0);
	MUST(strcmp(conc_thread_name(t), "squares") == 0 && conc_thread_ident(t) != 0);
	MUST(conc_thread_join(t, CONC_NOW) == -ETIMEDOUT && conc_thread_alive(t));
	MUST(conc_queue_put_many(queue, numbers, 2, NULL, CONC_FOREVER) == 0);
	MUST(conc_queue_join(queue, CONC_FOREVER) == 0);
	MUST(conc_thread_join(t, conc_after(CONC_S(60))) == E_SALE && !conc_thread_alive(t));
	MUST(conc_exception_code(conc_exception_cause(conc_caught())) == -EDOM);
	conc_thread_destroy(t);
	conc_queue_destroy(queue);
}

static void
add_once(conc_list *list, int n)
{
	ptrdiff_t i;

	CONC_WITH_LIST(list) {
		if (conc_list_find(list, &n, NULL, &i) == 0)
			return;
		MUST(conc_list_append(list, &n) == 0);
	}
}

static void
count_item(size_t i, int code, void *user)
{
	(void)i;
	(void)code;
	++*(int *)user;
}

static void
count_cleanup(void *user)
{
	*(int *)user = 1;
}

static void
count_failure(const conc_exception *e, void *user)
{
	hooked += conc_exception_code(e) == E_SALE && user == &hooked;
}

static void
count_record(const conc_log_record *record, void *user)
{
	(void)user;
	logged += strcmp(record->message, "record 1") == 0;
}

static void
futures(conc_executor *pool)
{
	int numbers[] = {7, -7, 9}, clean[3] = {0}, got = 0, *number;
	conc_completions *set;
	conc_future *f[3], *next;
	struct pollfd p;
	const void *view;
	void *user;
	size_t size;

	for (int i = 0; i < 3; i++)
		MUST(conc_submit_task(pool,
			 CONC_TASK(.fn = square, .arg = &numbers[i], .arg_size = sizeof(int),
			     .result_size = sizeof(int), .name = "square",
			     .cleanup = count_cleanup, .user = &clean[i]),
			 &f[i]) == 0);
	MUST(conc_wait(f, 3, CONC_ANY, CONC_FOREVER) == 0);
	MUST(conc_wait(f, 3, CONC_FIRST_EXCEPTION, CONC_FOREVER) == 0);
	MUST(conc_wait(f, 3, CONC_ALL, conc_after(CONC_S(60))) == 0);
	MUST(clean[0] && clean[1] && clean[2]);
	MUST(conc_future_result(f[1], &got, sizeof got) == E_SALE);
	MUST(strcmp(conc_exception_task(conc_caught()), "square") == 0);
	MUST(conc_exception_code(conc_exception_cause(conc_caught())) == -EDOM);

	MUST(conc_completions_create(&set) == 0);
	for (int i = 0; i < 3; i++) {
		MUST(conc_completions_add(set, f[i], &numbers[i]) == 0);
		conc_future_release(f[i]);
	}
	p = (struct pollfd){conc_completions_fd(set), POLLIN, 0};
	MUST(p.fd >= 0 && poll(&p, 1, -1) == 1);
	while (conc_completions_next(set, &next, &user, CONC_NOW) == 0) {
		number = user;
		MUST(*number < 0 || (conc_future_result(next, &got, sizeof got) == 0 &&
					got == *number * *number));
		conc_future_release(next);
	}
	MUST(conc_completions_next(set, &next, NULL, CONC_FOREVER) == -ENOENT);
	conc_completions_destroy(set);

	MUST(conc_submit(pool, text, "hello", 5, 0, &next) == 0);
	MUST(conc_future_view(next, &view, &size) == 0);
	MUST(size == 6 && strcmp(view, "hello") == 0);
	conc_future_release(next);

	/* Of these failures nobody has heard until the last is released. */
	MUST(hooked == 0);
	MUST(conc_submit(pool, square, &numbers[1], sizeof(int), sizeof(int), &next) == 0);
	MUST(conc_future_wait(next, CONC_FOREVER) == 0);
	conc_future_release(next);
	MUST(hooked == 1);
}

int
main(void)
{
	int in[50], out[50], codes[50], items = 0;
	conc_stats stats = CONC_STATS_INIT;
	conc_executor *pool;
	conc_list *list;
	conc_queue *queue;
	conc_promise *go;
	conc_future *f;

	conc_set_excepthook(count_failure, &hooked);
	MUST(conc_set_log(count_record, NULL, CONC_LOG_INFO) == 0);
	conc_log(CONC_LOG_DEBUG, "record %d", 0);
	conc_log(CONC_LOG_INFO, "record %d", 1);
	MUST(logged == 1);
	full_queue(CONC_BLOCK, -ETIMEDOUT);
	full_queue(CONC_FAIL, -EAGAIN);
	full_queue(CONC_CALLER_RUNS, 0);

	MUST(conc_thread_pool_create(
		 &pool, CONC_THREAD_POOL(.workers = 2, .name = "client")) == 0);
	futures(pool);

	for (int i = 0; i < 50; i++)
		in[i] = i == 30 || i == 40 ? -i : i;
	MUST(conc_map(pool, square, 50, in, sizeof *in, out, sizeof *out,
		 CONC_MAP(.codes = codes, .chunk = 7, .on_item = count_item, .user = &items,
		     .deadline = conc_after(CONC_S(60)))) == E_SALE);
	MUST(strcmp(conc_exception_message(conc_caught()),
		 "the square of -30 is not for sale") == 0);
	MUST(items == 50 && codes[40] == E_SALE && codes[49] == 0 && out[49] == 49 * 49);

	MUST(conc_list_create(&list, sizeof(int)) == 0);
	add_once(list, 3);
	add_once(list, 3);
	MUST(conc_list_size(list) == 1);
	conc_list_destroy(list);

	MUST(conc_queue_create(&queue, sizeof(int), CONC_QUEUE(.capacity = 1)) == 0);
	MUST(conc_queue_put(queue, in, CONC_FOREVER) == 0);
	MUST(conc_queue_put(queue, in, conc_after(CONC_MS(1))) == -ETIMEDOUT);
	MUST(conc_queue_close_now(queue) == 0 && conc_queue_join(queue, CONC_NOW) == 0);
	conc_queue_destroy(queue);

	threads();

	f = occupy(pool, &go);
	MUST(conc_shutdown(pool, CONC_DRAIN, CONC_NOW) == -ETIMEDOUT);
	MUST(conc_submit(pool, square, in, sizeof *in, sizeof *out, NULL) == CONC_ESHUTDOWN);
	MUST(conc_shutdown(pool, CONC_KILL, CONC_FOREVER) == 0);
	MUST(conc_future_result(f, NULL, 0) == -ECANCELED);
	conc_future_release(f);
	conc_promise_destroy(go);
	MUST(conc_executor_stats(pool, &stats) == 0);
	MUST(stats.cancelled == 1 && stats.workers == 0);
	conc_executor_destroy(pool);
	MUST(hooked == 1);
	printf("libconc %s serves C\n", CONC_VERSION);
	return 0;
}
