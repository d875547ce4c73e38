/* SPDX-License-Identifier: MIT */
/*
 * The same in C++17, with the initialisers that C++ takes.
 */
#include <conc/conc.h>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <poll.h>
#include <string>

#define MUST(what) ((what) ? (void)0 : fail(__LINE__, #what))

static void
fail(int line, const char *what)
{
	std::fprintf(stderr, "client.cc:%d: %s\n", line, what);
	std::exit(1);
}

static int
square(const void *arg, void *result)
{
	int n = *static_cast<const int *>(arg);

	if (n < 0)
		return conc_raise(-EDOM, "the square of %d is not for sale", n);
	*static_cast<int *>(result) = n * n;
	return 0;
}

/* Ends the promise that it is given, in a thread of the pool. */
static int
answer(const void *arg, void *)
{
	conc_promise *promise = *static_cast<conc_promise *const *>(arg);
	int n = 42, rc = conc_promise_finish(promise, &n, sizeof n);

	conc_promise_destroy(promise);
	return rc;
}

static void
count_failure(const conc_exception *e, void *user)
{
	*static_cast<int *>(user) += conc_exception_code(e) == -EDOM;
}

static void
futures(conc_executor *pool, const int *hooked)
{
	const int numbers[] = {7, -7, 9};
	conc_completions *set;
	conc_future *f[3], *next;
	int clean = 0, got = 0;

	for (int i = 0; i < 3; i++) {
		conc_task task = CONC_TASK_INIT;

		task.fn = square;
		task.arg = &numbers[i];
		task.arg_size = sizeof(int);
		task.result_size = sizeof(int);
		task.name = "square";
		if (i == 0) {
			task.cleanup = [](void *user) { *static_cast<int *>(user) = 1; };
			task.user = &clean;
		}
		MUST(conc_submit_task(pool, &task, &f[i]) == 0);
	}
	MUST(conc_wait(f, 3, CONC_FIRST_EXCEPTION, CONC_FOREVER) == 0);
	MUST(conc_wait(f, 3, CONC_ALL, conc_after(CONC_S(60))) == 0);
	MUST(clean == 1);
	MUST(conc_future_result(f[1], &got, sizeof got) == -EDOM);

	std::string story(conc_exception_format(conc_caught(), nullptr, 0) + 1, '\0');
	conc_exception_format(conc_caught(), &story[0], story.size());
	MUST(story.find("the square of -7 is not for sale") != std::string::npos);

	MUST(conc_completions_create(&set) == 0);
	for (conc_future *one : f) {
		MUST(conc_completions_add(set, one, nullptr) == 0);
		conc_future_release(one);
	}
	pollfd p = {conc_completions_fd(set), POLLIN, 0};
	MUST(p.fd >= 0 && poll(&p, 1, -1) == 1);
	while (conc_completions_next(set, &next, nullptr, CONC_NOW) == 0)
		conc_future_release(next);
	conc_completions_destroy(set);

	MUST(*hooked == 0);
	MUST(conc_submit(pool, square, &numbers[1], sizeof(int), sizeof(int), &next) == 0);
	MUST(conc_future_wait(next, CONC_FOREVER) == 0);
	conc_future_release(next);
	MUST(*hooked == 1);
}

static bool
is_set(void *user)
{
	return *static_cast<bool *>(user);
}

static int
set(void *user)
{
	*static_cast<bool *>(user) = true;
	return 0;
}

static void
locks()
{
	conc_lock lock = CONC_LOCK_INIT;
	conc_rlock rlock = CONC_RLOCK_INIT_RANK(1);
	conc_condition condition = CONC_CONDITION_INIT;
	conc_once once = CONC_ONCE_INIT;
	bool done = false;

	CONC_WITH(&lock) {
		CONC_WITH(&rlock) {
			MUST(conc_condition_wait(&condition, &lock, CONC_NOW) == -ETIMEDOUT);
			MUST(conc_condition_wait(&condition, &rlock, CONC_NOW) == -ETIMEDOUT);
			MUST(conc_once_run(&once, set, &done) == 0);
			MUST(conc_condition_wait_for(
				 &condition, &lock, is_set, &done, CONC_FOREVER) == 0);
			MUST(conc_condition_wait_for(
				 &condition, &rlock, is_set, &done, CONC_FOREVER) == 0);
		}
	}
	MUST(done && !conc_lock_locked(&lock) && !conc_rlock_locked(&rlock));
}

static void
threads()
{
	conc_thread_options options = CONC_THREAD_INIT;
	conc_event begun = CONC_EVENT_INIT, *begins = &begun;
	conc_thread *t;

	options.name = "client";
	MUST(conc_thread_start(
		 &t,
		 [](const void *arg, void *) {
			 conc_event_set(*static_cast<conc_event *const *>(arg));
			 return conc_raise(-EDOM, "it began");
		 },
		 &begins, sizeof begins, &options) == 0);
	MUST(conc_event_wait(&begun, CONC_FOREVER) == 0);
	MUST(conc_thread_join(t, CONC_FOREVER) == -EDOM);
	MUST(std::strcmp(conc_exception_message(conc_thread_exception(t)), "it began") == 0);
	conc_thread_destroy(t);
	conc_event_fini(&begun);
}

int
main()
{
	conc_thread_pool_options options = CONC_THREAD_POOL_INIT;
	conc_map_options map = CONC_MAP_INIT;
	conc_stats stats = CONC_STATS_INIT;
	const int numbers[] = {1, 2, 3};
	int squares[3] = {}, items = 0, hooked = 0, got = 0;
	conc_promise *promise;
	conc_executor *pool;
	conc_future *f;
	conc_queue_options last_first = CONC_QUEUE_INIT;
	conc_queue *queue;
	conc_list *list;

	options.workers = 2;
	options.name = "client";
	options.excepthook = count_failure;
	options.user = &hooked;
	MUST(conc_thread_pool_create(&pool, &options) == 0);
	futures(pool, &hooked);

	map.deadline = conc_after(CONC_S(60));
	map.on_item = [](std::size_t, int, void *user) { ++*static_cast<int *>(user); };
	map.user = &items;
	MUST(conc_map(pool, square, 3, numbers, sizeof(int), squares, sizeof(int), &map) == 0);
	MUST(squares[2] == 9 && items == 3);

	MUST(conc_promise_create(&promise, sizeof(int), &f) == 0);
	MUST(conc_submit(pool, answer, &promise, sizeof promise, 0, nullptr) == 0);
	MUST(conc_future_result(f, &got, sizeof got) == 0 && got == 42);
	conc_future_release(f);

	MUST(conc_list_create(&list, sizeof(int)) == 0);
	CONC_WITH_LIST(list) {
		if (conc_list_size(list) == 0)
			CONC_WITH_LIST(list) MUST(conc_list_append(list, &got) == 0);
	}
	MUST(conc_list_size(list) == 1);
	conc_list_destroy(list);

	last_first.order = CONC_LIFO;
	MUST(conc_queue_create(&queue, sizeof(int), &last_first) == 0);
	MUST(conc_queue_put_many(queue, numbers, 3, nullptr, CONC_FOREVER) == 0);
	MUST(conc_queue_get(queue, &got, CONC_FOREVER) == 0 && got == numbers[2]);
	conc_queue_destroy(queue);
	locks();
	threads();

	MUST(conc_shutdown(pool, CONC_DRAIN, CONC_FOREVER) == 0);
	MUST(conc_executor_stats(pool, &stats) == 0 && stats.failed == 2);
	conc_executor_destroy(pool);
	std::printf("libconc %s serves C++\n", CONC_VERSION);
	return 0;
}
