/* SPDX-License-Identifier: MIT */
/*
 * The same in C++17, with the initialisers that C++ takes.
 */
#include <conc/conc.h>
#include <cstdio>
#include <cstring>

static int
square(const void *arg, void *result)
{
	int n = *static_cast<const int *>(arg);

	if (n < 0)
		return conc_raise(-EDOM, "the square of %d is not for sale", n);
	*static_cast<int *>(result) = n * n;
	return 0;
}

int
main()
{
	conc_thread_pool_options options = CONC_THREAD_POOL_INIT;
	conc_task task = CONC_TASK_INIT;
	conc_map_options map = CONC_MAP_INIT;
	conc_stats stats = CONC_STATS_INIT;
	const int numbers[] = {1, 2, 3};
	int n = -7, squares[3] = {};
	conc_executor *pool;
	conc_future *f;

	options.workers = 2;
	if (conc_thread_pool_create(&pool, &options))
		return 1;
	map.deadline = conc_after(CONC_S(60));
	if (conc_map(pool, square, 3, numbers, sizeof(int), squares, sizeof(int), &map) ||
	    squares[2] != 9)
		return 2;
	task.fn = square;
	task.arg = &n;
	task.arg_size = sizeof(n);
	task.result_size = sizeof(int);
	if (conc_submit_task(pool, &task, &f))
		return 3;
	if (conc_future_wait(f, CONC_FOREVER) || conc_future_result(f, &n, sizeof(n)) != -EDOM ||
	    std::strcmp(conc_exception_message(conc_caught()),
	    "the square of -7 is not for sale") != 0)
		return 4;
	conc_future_release(f);
	if (conc_executor_stats(pool, &stats) || stats.failed < 1)
		return 5;
	conc_executor_destroy(pool);
	std::printf("libconc %s serves C++\n", CONC_VERSION);
	return 0;
}
