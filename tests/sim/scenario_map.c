/* SPDX-License-Identifier: MIT */
/*
 * Maps: the window, and all the ways to stop.
 */
#include "scenario_pool.h"

enum { N = 4 };

/* What the items of one run share; each item's argument is a pointer to its own number. */
struct board {
	struct stage s;
	int ran[N], fail_at, crash_at;
	struct item {
		struct board *board;
		int number;
	} items[N];
	int results[N], codes[N], told;
	size_t done;
};

static int
item_task(const void *arg, void *result)
{
	const struct item *item = arg;
	struct board *b = item->board;

	b->ran[item->number]++;
	sim_pause();
	if (item->number == b->fail_at)
		return FAILURE;
	if (item->number == b->crash_at && b->ran[item->number] == 1)
		sim_thread_exit();
	*(int *)result = item->number + 10;
	return 0;
}

static void
on_item(size_t index, int code, void *user)
{
	struct board *b = user;

	sim_assert(index < N && (code != 0 || b->results[index] == (int)index + 10));
	b->told++;
}

static void
on_progress(size_t done, size_t total, void *user)
{
	struct board *b = user;

	sim_assert(done > b->done && done <= total && total == N);
	b->done = done;
}

static struct board *
make_board(const conc_thread_pool_options *options)
{
	struct board *b = calloc(1, sizeof *b);

	b->fail_at = b->crash_at = -1;
	for (int i = 0; i < N; i++)
		b->items[i] = (struct item){b, i};
	if (make_pool(&b->s, options))
		return b;
	free(b);
	return NULL;
}

/* Each item ran as its code says; what failed by itself is the answer. */
static void
play(struct board *b, conc_map_options *options)
{
	int rc, ran = 0;

	options->codes = b->codes;
	options->on_item = on_item;
	options->on_progress = on_progress;
	options->user = b;
	memset(b->codes, 0x55, sizeof b->codes);
	rc = conc_map(b->s.pool, item_task, N, b->items, sizeof *b->items, b->results,
	    sizeof *b->results, options);
	conc_clear();
	b->s.answer = rc;
	if (b->told == 0 && rc != 0 && troubled())
		return; /* it did not even begin */
	for (int i = 0; i < N; i++) {
		sim_assert(b->codes[i] != 0 || b->results[i] == i + 10);
		sim_assert(b->codes[i] == 0 || rc != 0);
		sim_assert((b->codes[i] == -ECANCELED) == (b->ran[i] == 0) || troubled());
		ran += b->ran[i] > 0;
	}
	sim_assert((b->told == ran && (int)b->done == ran) || troubled());
}

static void
finish_board(struct board *b)
{
	conc_executor_destroy(b->s.pool);
	free(b);
}

static void
plain_map(const conc_thread_pool_options *options, size_t chunk)
{
	conc_map_options o = {.size = sizeof o, .chunk = chunk};
	struct board *b = make_board(options);

	if (b == NULL)
		return;
	play(b, &o);
	sim_assert(b->s.answer == 0 || troubled());
	finish_board(b);
}

SIM_SCENARIO(map_on_two_workers)
{
	plain_map(CONC_THREAD_POOL(.workers = 2), 1);
}

SIM_SCENARIO(map_by_chunks)
{
	plain_map(CONC_THREAD_POOL(.workers = 1), 3);
}

SIM_SCENARIO(map_on_a_full_queue)
{
	plain_map(CONC_THREAD_POOL(.workers = 1, .queue_limit = 1,
		      .when_full = (conc_when_full)sim_random(3)),
	    1);
}

SIM_SCENARIO(map_that_stops)
{
	conc_map_options o = {.size = sizeof o, .chunk = 1, .stop_on_failure = 1};
	struct board *b = make_board(CONC_THREAD_POOL(.workers = 2));

	if (b == NULL)
		return;
	b->fail_at = 1;
	play(b, &o);
	sim_assert(b->s.answer == FAILURE || troubled());
	finish_board(b);
}

/* One worker, two chunks on their way: the third is never sent. */
SIM_SCENARIO(map_that_stops_at_its_first_item)
{
	conc_map_options o = {.size = sizeof o, .chunk = 1, .stop_on_failure = 1};
	struct board *b = make_board(CONC_THREAD_POOL(.workers = 1));

	if (b == NULL)
		return;
	b->fail_at = 0;
	play(b, &o);
	sim_assert(b->s.answer == FAILURE || troubled());
	sim_assert(b->ran[2] + b->ran[3] == 0);
	finish_board(b);
}

SIM_SCENARIO(map_with_a_deadline)
{
	conc_map_options o = {.size = sizeof o, .chunk = 2, .deadline = conc_after(50)};
	struct board *b = make_board(CONC_THREAD_POOL(.workers = 2));

	if (b == NULL)
		return;
	play(b, &o);
	sim_assert(b->s.answer == 0 || b->s.answer == -ETIMEDOUT || troubled());
	finish_board(b);
}

static void
map_with_a_crash(int retries, size_t limit)
{
	conc_map_options o = {.size = sizeof o, .chunk = 2, .retries = retries};
	struct board *b = make_board(
	    CONC_THREAD_POOL(.workers = 1, .queue_limit = limit, .when_full = CONC_FAIL));

	if (b == NULL)
		return;
	b->crash_at = 0;
	play(b, &o);
	sim_assert(b->s.answer == (retries ? 0 : CONC_ECRASHED) || troubled());
	for (int i = 0; i < N && !troubled(); i++)
		sim_assert(b->ran[i] == 1 + (i == 0 && retries));
	finish_board(b);
}

SIM_SCENARIO(map_with_a_crash)
{
	map_with_a_crash(0, 0);
}

SIM_SCENARIO(map_with_a_crash_and_retries)
{
	map_with_a_crash(1, 0);
}

/* What is left of the chunk finds the queue full of the map's own next chunk. */
SIM_SCENARIO(map_with_a_crash_on_a_full_queue)
{
	map_with_a_crash((int)sim_random(2), 1);
}

/* The pool is shut down under the map: it ends, and does not say that all is well if not. */
SIM_SCENARIO(map_against_shutdown)
{
	conc_map_options o = {.size = sizeof o, .chunk = 1 + sim_random(2)};
	struct board *b = make_board(CONC_THREAD_POOL(.workers = 1 + (int)sim_random(2)));
	struct sim_thread *a;

	if (b == NULL)
		return;
	b->s.how = (conc_shutdown_how)sim_random(3);
	a = sim_go(shutter, &b->s);
	play(b, &o);
	sim_assert(b->s.answer == 0 || b->s.answer == CONC_ESHUTDOWN ||
	    b->s.answer == -ECANCELED || troubled());
	sim_join(a);
	finish_board(b);
}

static int
mapping_task(const void *arg, void *result)
{
	struct board *b = *(struct board *const *)arg;
	conc_map_options o = {.size = sizeof o, .chunk = 1};

	(void)result;
	play(b, &o);
	return 0;
}

/* In a task of the same pool, on one worker. */
SIM_SCENARIO(map_in_a_task)
{
	struct board *b = make_board(CONC_THREAD_POOL(.workers = 1));
	conc_future *f;

	if (b == NULL)
		return;
	if (!swept(conc_submit(b->s.pool, mapping_task, &b, sizeof b, 0, &f))) {
		take_well(f);
		sim_assert(b->s.answer == 0 || troubled());
	}
	finish_board(b);
}
