/* SPDX-License-Identifier: MIT */
/*
 * A worker process runs chunks: many items by one order.
 */
#include "tests/zygote.h"

enum { ITEMS = 10 };

static int
item(const void *arg, void *result)
{
	int n = *(const int *)arg;

	if (conc_result_alloc(8) != NULL || *(int *)result != 0)
		return -EINVAL;
	if (n == 8)
		raise(SIGKILL);
	if (n == 9)
		while (!conc_cancelled())
			sched_yield();
	*(int *)result = n * n;
	return n == 9 ? -ECANCELED : n % 4 == 3 ? conc_raise(n, "not %d", n) : 0;
}

static void
order_chunk(struct worker *w, const int args[ITEMS], uint32_t area, uint32_t flags)
{
	struct conc__order o = {.type = CONC__ORDER_CHUNK,
	    .count = ITEMS,
	    .fn = (uintptr_t)item,
	    .arg_size = sizeof(int),
	    .result_size = sizeof(int),
	    .area = area,
	    .flags = flags};

	memset(plan.pages[w->slot].areas[area], 0xff, CONC__AREA_SIZE);
	order_as(w, o, args, CONC__CLAIM_PENDING);
}

static void
check_items(const struct worker *w, const int args[ITEMS], uint32_t area, uint64_t done)
{
	unsigned char *results = plan.pages[w->slot].areas[area];
	const int *codes = (int *)(void *)(results + conc__area_codes(ITEMS, sizeof(int)));

	/* pairs with the worker's store: results and codes are there */
	ck_assert_uint_eq(conc__load_acquire(&plan.pages[w->slot].done), done);
	for (uint64_t i = 0; i < done; i++) {
		ck_assert_int_eq(((const int *)(void *)results)[i], args[i] * args[i]);
		ck_assert_int_eq(codes[i],
		    args[i] == 9             ? -ECANCELED
			: args[i] % 4 == 3 ? args[i]
					   : 0);
	}
	ck_assert_int_eq(codes[done], done < ITEMS ? -1 : codes[done]);
}

static void
check_done(struct worker *w, uint64_t items, int code)
{
	const struct conc__report *r = report(w, NULL);

	ck_assert_int_eq(r->type, CONC__REPORT_DONE);
	ck_assert_uint_eq(r->seq, w->seq);
	ck_assert_uint_eq(r->item, items);
	ck_assert_int_eq(r->code, code);
}

START_TEST(chunks)
{
	const int all[ITEMS] = {1, 2, 3, 4, 5, 6, 7, 0, 1, 2};
	struct worker w;
	conc_exception *e;

	open_zygote();
	w = spawn(1);
	for (uint32_t area = 0; area < CONC__AREAS; area++) {
		order_chunk(&w, all, area, 0);
		for (int i = 3; i <= 7; i += 4) {
			e = failure(&w, CONC__REPORT_ITEM_FAILURE);
			ck_assert_int_eq(w.reader.head.item, i - 1);
			ck_assert_int_eq(conc_exception_code(e), i);
			conc_exception_release(e);
		}
		check_done(&w, ITEMS, 0);
		check_items(&w, all, area, ITEMS);
	}
	order_chunk(&w, all, 0, CONC__STOP_ON_FAILURE);
	conc_exception_release(failure(&w, CONC__REPORT_ITEM_FAILURE));
	check_done(&w, 3, 0);
	check_items(&w, all, 0, 3);
	dismiss(&w);
	close_zygote();
}
END_TEST

START_TEST(chunk_that_is_asked_to_stop)
{
	const int args[ITEMS] = {1, 2, 9, 4};
	struct worker w;

	open_zygote();
	w = spawn(1);
	order_chunk(&w, args, 1, 0);
	ask(&w);
	/* Perhaps before the item that waits for it. */
	ck_assert_int_eq(report(&w, NULL)->type, CONC__REPORT_DONE);
	ck_assert_uint_le(w.reader.head.item, 3);
	ck_assert_int_eq(
	    w.reader.head.code, w.reader.head.item == 3 ? -ECANCELED : 0);
	check_items(&w, args, 1, w.reader.head.item);
	dismiss(&w);
	close_zygote();
}
END_TEST

START_TEST(chunk_that_crashes)
{
	const int args[ITEMS] = {1, 2, 3, 4, 8, 5};
	struct worker w;

	open_zygote();
	w = spawn(1);
	order_chunk(&w, args, 0, 0);
	conc_exception_release(failure(&w, CONC__REPORT_ITEM_FAILURE));
	ck_assert_int_eq(bury(&w).signal, SIGKILL);
	check_items(&w, args, 0, 4);
	close_zygote();
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("worker_chunks");
	TCase *tc = new_case(suite, "chunks");

	tcase_add_test(tc, chunks);
	tcase_add_test(tc, chunk_that_is_asked_to_stop);
	tcase_add_test(tc, chunk_that_crashes);
	return run_suite(suite);
}
