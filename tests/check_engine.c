/* SPDX-License-Identifier: MIT */
/*
 * The door against an engine whose tasks run elsewhere, here by hand: it takes
 * tasks and keeps them, or plays a worker process that ends items as it is
 * told.  What a real engine does is in the tests of the pools.
 */
#include "exec/chunk.h"
#include "tests/future.h"

/* One engine, and what was asked of it. */
static struct {
	conc_executor executor; /* first */
	struct conc__task *task; /* the last one taken */
	int withdrawn, revoked, killed, refusals, retried, counted[8], ended;
	bool has_begun;
	/* What the worker process does with a map's item: */
	int bad, code, times; /* ends with code at item bad, so many times */
	bool lost, broken;    /* the pool breaks before the item begins; has broken */
	int runs[16];
} e;

static void
play_chunk(struct conc__task *t)
{
	struct conc__chunk *k = (struct conc__chunk *)(uintptr_t)t->arg;

	ck_assert(conc__future_win(&t->future, CONC__RUNNING));
	while (k->at < k->end) {
		size_t i = k->at;
		bool bad = i == (size_t)e.bad && e.runs[i] < e.times;

		if (!bad || !e.lost) {
			k->began = true;
			k->tries++;
			e.runs[i]++;
		}
		if (bad) {
			e.broken = e.lost;
			(void)conc_raise(e.code, "item %d", e.bad);
			conc__task_end(t, CONC__FAILED,
			    conc_exception_ref(conc_caught()), -1);
			return;
		}
		((int *)k->map->results)[i] = ((const int *)k->map->args)[i] + 1;
		ck_assert(conc__chunk_item_ended(k, 0, NULL));
	}
	conc__task_end(t, CONC__DONE, NULL, 0);
}

static int
take_in(conc_executor *ex, struct conc__task *t, conc_time deadline)
{
	(void)ex;
	(void)deadline;
	if (e.broken)
		return CONC_EBROKEN;
	e.task = t;
	if (t->fn == conc__chunk_run)
		play_chunk(t);
	return 0;
}

static void
withdraw(conc_executor *ex, struct conc__task *t)
{
	(void)ex;
	(void)t;
	e.withdrawn++;
}

static int
take_back(conc_executor *ex, struct conc__task *t)
{
	(void)ex;
	e.revoked++;
	if (e.has_begun) {
		conc__future_let_go(&t->future);
		return -EINPROGRESS;
	}
	conc__future_revoke(&t->future);
	conc__task_end(t, CONC__CANCELLED, NULL, -1);
	return 0;
}

static bool
begun(conc_executor *ex, struct conc__task *t)
{
	(void)ex;
	(void)t;
	return e.has_begun;
}

static int
kill_task(conc_executor *ex, struct conc__task *t)
{
	(void)ex;
	e.killed++;
	conc__future_let_go(&t->future);
	return e.refusals-- > 0 ? -EAGAIN : 0;
}

static void
counted(conc_executor *ex, uint32_t phase, int64_t ran)
{
	(void)ex;
	(void)ran;
	e.counted[phase]++;
}

static void
ended(conc_executor *ex)
{
	(void)ex;
	e.ended++;
}

static bool
retry(conc_executor *ex, struct conc__task *t, int64_t due)
{
	(void)ex;
	(void)due;
	e.retried++;
	return conc__future_put_back(&t->future, CONC__DELAYED);
}

static int
workers(conc_executor *ex)
{
	(void)ex;
	return 1;
}

static const struct conc__engine engine = {
    .submit = take_in,
    .withdraw = withdraw,
    .revoke = take_back,
    .begun = begun,
    .kill = kill_task,
    .counted = counted,
    .ended = ended,
    .retry = retry,
    .workers = workers,
};

static conc_executor *
fresh(void)
{
	memset(&e, 0, sizeof e);
	e.executor.engine = &engine;
	e.bad = -1;
	ck_assert_int_eq(conc__generation(&e.executor.generation), 0);
	return &e.executor;
}

static int
nothing(const void *arg, void *result)
{
	(void)arg;
	(void)result;
	return 0;
}

/* A task that was taken; retries more runs; RUNNING if it has been handed out. */
static conc_future *
taken(int retries, bool handed_out)
{
	conc_future *f = NULL;

	ck_assert_int_eq(
	    conc_submit_task(fresh(),
		CONC_TASK(.fn = nothing, .result_size = sizeof(int), .retries = retries), &f),
	    0);
	ck_assert_ptr_eq(&e.task->future, f);
	if (handed_out)
		ck_assert(conc__future_win(f, CONC__RUNNING));
	return f;
}

START_TEST(what_is_borrowed_stays_here)
{
	conc_task what = CONC_TASK_INIT;
	conc_future *f = NULL;

	fresh();
	what.fn = nothing;
	what.arg = &what;
	what.arg_size = CONC_BORROW;
	ck_assert_int_eq(conc_submit_task(&e.executor, &what, &f), -EINVAL);
	ck_assert_int_eq(conc_exception_code(conc_caught()), -EINVAL);
	ck_assert_ptr_nonnull(strstr(conc_exception_message(conc_caught()), "CONC_BORROW"));
	ck_assert_ptr_null(f);
	ck_assert_ptr_null(e.task);
	ck_assert_int_eq(conc__submit_task(&e.executor, &what, &f), 0); /* but a map may */
	ck_assert_int_eq(conc_future_cancel(f), 0);
	conc_future_release(f);
	conc_clear();
}
END_TEST

START_TEST(kill_cancels_what_has_not_begun)
{
	conc_future *f = taken(0, _i);

	ck_assert_state(f, false, false, false);
	ck_assert_int_eq(conc_future_kill(f), 0);
	ck_assert_state(f, true, false, true);
	ck_assert_int_eq(e.withdrawn, !_i);
	ck_assert_int_eq(e.revoked, _i);
	ck_assert_int_eq(e.killed, 0);
	ck_assert_int_eq(e.ended, 1);
	ck_assert_int_eq(conc_future_kill(f), 0);
	conc_future_release(f);
}
END_TEST

START_TEST(kill_kills_what_has_begun)
{
	conc_future *f = taken(0, true);

	e.has_begun = true;
	e.refusals = _i;
	ck_assert_state(f, false, true, false);
	ck_assert_int_eq(conc_future_kill(f), 0);
	ck_assert_int_eq(e.killed, 1 + _i);
	ck_assert_state(f, false, true, false);
	conc__task_end(e.task, CONC__CANCELLED, NULL, 0);
	ck_assert_int_eq(conc_future_kill(f), 0);
	ck_assert_int_eq(conc_future_result(f, NULL, 0), -ECANCELED);
	conc_future_release(f);
}
END_TEST

START_TEST(what_has_ended_is_not_killed)
{
	conc_future *f = taken(0, true);

	conc__task_end(e.task, CONC__DONE, NULL, 0);
	ck_assert_int_eq(conc_future_kill(f), CONC_ESTATE);
	ck_assert_int_eq(e.killed, 0);
	conc_future_release(f);
}
END_TEST

/* Only what crashed or outlived its limit, so often, unless it was asked to stop. */
START_TEST(a_task_is_retried_as_it_allows)
{
	conc_future *f = taken(2, true);
	int64_t ran = 5;

	ck_assert(!conc__task_retry(e.task, CONC_ECORRUPT, 0, &ran));
	ck_assert_int_eq(ran, 5);
	*(int *)f->result = 7;
	ck_assert(conc__task_retry(e.task, CONC_ECRASHED, 0, &ran));
	ck_assert_int_eq(ran, -1);
	ck_assert_int_eq(*(int *)f->result, 0);
	ck_assert_int_eq(e.counted[CONC__DELAYED], 1);
	ck_assert(conc__future_win(f, CONC__RUNNING));
	e.has_begun = true;
	ran = 5;
	if (_i) {
		ck_assert_int_eq(conc_future_cancel(f), -EINPROGRESS);
	} else {
		ck_assert(conc__task_retry(e.task, CONC_ETIMELIMIT, 0, &ran));
		ck_assert(conc__future_win(f, CONC__RUNNING));
		ran = 5;
	}
	ck_assert(!conc__task_retry(e.task, CONC_ECRASHED, 0, &ran));
	ck_assert_int_eq(ran, 5);
	ck_assert_int_eq(e.retried, 2 - _i);
	conc__task_end(e.task, CONC__DONE, NULL, ran);
	conc_future_release(f);
}
END_TEST

/* In a worker process there is no future: its frame asks a word that is shared. */
START_TEST(a_frame_asks_its_claim)
{
	conc__atomic_u64 claim;
	struct conc__frame frame = {.claim = &claim, .asked = 6};
	struct conc__self *self = conc__self();

	/* relaxed: one thread */
	conc__store_relaxed(&claim, 5);
	self->frame = &frame;
	ck_assert(!conc_cancelled());
	/* relaxed: one thread */
	conc__store_relaxed(&claim, 6);
	ck_assert(conc_cancelled());
	frame.claim = NULL;
	ck_assert(!conc_cancelled());
	self->frame = NULL;
}
END_TEST

static int codes[10];

static int
map(int bad, int code, int times, int retries)
{
	int in[10], out[10], rc;

	e.bad = bad;
	e.code = code;
	e.times = times;
	for (int i = 0; i < 10; i++)
		in[i] = i;
	memset(codes, 0xff, sizeof codes);
	rc = conc_map(&e.executor, nothing, 10, in, sizeof *in, out, sizeof *out,
	    CONC_MAP(.chunk = 4, .codes = codes, .retries = retries));
	for (int i = 0; i < 10; i++)
		if (codes[i] == 0)
			ck_assert_int_eq(out[i], i + 1);
	return rc;
}

/* Whatever ends its worker costs one item, with one run more if that is for retries. */
START_TEST(an_item_takes_the_blame)
{
	static const int fatal[] = {CONC_ECRASHED, CONC_ETIMELIMIT, CONC_ECORRUPT, -EIO};
	int retried = _i < 2;

	fresh();
	ck_assert_int_eq(map(5, fatal[_i], 1, 1), retried ? 0 : fatal[_i]);
	ck_assert_int_eq(e.runs[5], 1 + retried);
	fresh();
	ck_assert_int_eq(map(5, fatal[_i], 9, 2), fatal[_i]);
	ck_assert_int_eq(conc_exception_code(conc_caught()), fatal[_i]);
	ck_assert_int_eq(e.runs[5], retried ? 3 : 1);
	for (int i = 0; i < 10; i++) {
		ck_assert_int_eq(codes[i], i == 5 ? fatal[_i] : 0);
		ck_assert_int_eq(e.runs[i], i == 5 && retried ? 3 : 1);
	}
	conc_clear();
}
END_TEST

/* No item is to blame for a broken pool, not even of a chunk that had begun. */
START_TEST(a_broken_pool_ends_the_map)
{
	fresh();
	e.lost = true;
	ck_assert_int_eq(map(4 + _i, CONC_EBROKEN, 9, 3), CONC_EBROKEN);
	ck_assert_int_eq(conc_exception_code(conc_caught()), CONC_EBROKEN);
	for (int i = 0; i < 10; i++)
		ck_assert_int_eq(codes[i], i < 4 + _i ? 0 : -ECANCELED);
	conc_clear();
}
END_TEST

START_TEST(the_first_failing_item_counts)
{
	conc_map_options o = CONC_MAP_INIT;
	struct conc__map m = {.o = &o};
	int k_codes[3] = {1, 1, 1};
	struct conc__chunk k = {
	    .map = &m, .begin = 7, .at = 7, .end = 10, .codes = k_codes, .tries = 1};

	o.stop_on_failure = _i;
	(void)conc_raise(-EIO, "mine");
	ck_assert(conc__chunk_item_ended(&k, 0, NULL));
	ck_assert_int_eq(k.tries, 0);
	ck_assert(conc__chunk_item_ended(&k, -EIO, conc_exception_ref(conc_caught())) == !_i);
	ck_assert(conc__chunk_item_ended(&k, -EIO, conc_exception_ref(conc_caught())) == !_i);
	ck_assert_uint_eq(k.at, 10);
	ck_assert_uint_eq(k.failed, 8);
	ck_assert_str_eq(conc_exception_message(k.exception), "mine");
	ck_assert_int_eq(k_codes[0], 0);
	ck_assert_int_eq(k_codes[1], -EIO);
	ck_assert_int_eq(k_codes[2], -EIO);
	conc_exception_release(k.exception);
	conc_clear();
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("engine");
	TCase *tc = new_case(s, "tasks");

	tcase_add_test(tc, what_is_borrowed_stays_here);
	tcase_add_loop_test(tc, kill_cancels_what_has_not_begun, 0, 2);
	tcase_add_loop_test(tc, kill_kills_what_has_begun, 0, 2);
	tcase_add_test(tc, what_has_ended_is_not_killed);
	tcase_add_loop_test(tc, a_task_is_retried_as_it_allows, 0, 2);
	tcase_add_test(tc, a_frame_asks_its_claim);
	tc = new_case(s, "map");
	tcase_add_loop_test(tc, an_item_takes_the_blame, 0, 4);
	tcase_add_loop_test(tc, a_broken_pool_ends_the_map, 0, 3);
	tcase_add_loop_test(tc, the_first_failing_item_counts, 0, 2);
	return run_suite(s);
}
