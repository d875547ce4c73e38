/* SPDX-License-Identifier: MIT */
/*
 * Threads for programs: starting them, and what they are inside.  Where CPython
 * tests the same of threading.Thread, the test has that one's name.
 */
#include "tests/thread.h"

struct wide {
	_Alignas(max_align_t) char text[40];
};

static int
look_at_argument(const void *arg, void *result)
{
	ck_assert_ptr_null(result);
	ck_assert_uint_eq((uintptr_t)arg % _Alignof(max_align_t), 0);
	ck_assert_str_eq(((const struct wide *)arg)->text, "as it was");
	ck_assert_uint_eq(conc_arg_size(), sizeof(struct wide));
	return 0;
}

START_TEST(args_argument)
{
	struct wide wide = {"as it was"};
	conc_thread *t = THREAD(look_at_argument, &wide, sizeof wide, .name = NULL);

	memset(&wide, 'x', sizeof wide);
	ck_assert_int_eq(conc_thread_join(t, CONC_FOREVER), 0);
	conc_thread_destroy(t);
}
END_TEST

static int
is_null(const void *arg, void *result)
{
	(void)result;
	return arg == NULL && conc_arg_size() == 0 ? 0 : -EDOM;
}

START_TEST(no_argument_is_null)
{
	int unused = 0;
	conc_thread *t = THREAD(is_null, &unused, 0, .name = NULL);

	ck_assert_int_eq(conc_thread_join(t, CONC_FOREVER), 0);
	conc_thread_destroy(t);
}
END_TEST

static int
set_to_seven(const void *arg, void *result)
{
	(void)result;
	*(int *)arg = 7;
	return conc_arg_size() == CONC_BORROW ? 0 : -EDOM;
}

START_TEST(borrowed_argument_is_the_pointer_itself)
{
	int number = 0;
	conc_thread *t = THREAD(set_to_seven, &number, CONC_BORROW, .name = NULL);

	ck_assert_int_eq(conc_thread_join(t, CONC_FOREVER), 0);
	ck_assert_int_eq(number, 7);
	conc_thread_destroy(t);
}
END_TEST

/* What a thread says of itself. */
struct self {
	char system_name[64], name[64];
	uint64_t ident;
	int index;
	bool cancelled;
	void *room;
	const conc_exception *caught;
};

static int
tell_of_itself(const void *arg, void *result)
{
	struct self *self = (struct self *)arg;

	(void)result;
	ck_assert_int_eq(pthread_getname_np(pthread_self(), self->system_name, 64), 0);
	snprintf(self->name, sizeof self->name, "%s", conc_task_name());
	self->ident = (uint64_t)gettid();
	self->index = conc_worker_index();
	self->cancelled = conc_cancelled();
	self->room = conc_result_alloc(1);
	self->caught = conc_caught();
	return 0;
}

static struct self
self_of(const char *name)
{
	struct self self = {.index = 0};
	conc_thread *t = THREAD(tell_of_itself, &self, CONC_BORROW, .name = name);

	ck_assert_uint_ne(conc_thread_ident(t), 0);
	ck_assert_uint_ne(conc_thread_ident(t), (uint64_t)gettid());
	ck_assert_int_eq(conc_thread_join(t, CONC_FOREVER), 0);
	ck_assert_uint_eq(conc_thread_ident(t), self.ident);
	ck_assert_str_eq(conc_thread_name(t), self.name);
	conc_thread_destroy(t);
	return self;
}

START_TEST(name)
{
	char changing[] = "a name of more than fifteen bytes";
	struct self self = self_of(changing);
	conc_thread *t;

	ck_assert_str_eq(self.name, changing);
	ck_assert_str_eq(self.system_name, "a name of more ");
	self = self_of(NULL);
	ck_assert_str_eq(self.name, "conc");
	ck_assert_str_eq(self.system_name, "conc");
	t = THREAD(return_zero, NULL, 0, .name = changing);
	changing[0] = 'x';
	ck_assert_str_eq(conc_thread_name(t), "a name of more than fifteen bytes");
	conc_thread_destroy(t);
}
END_TEST

START_TEST(inside_it_is_no_task_of_a_pool)
{
	struct self self = self_of("t");

	ck_assert_int_eq(self.index, -1);
	ck_assert(!self.cancelled);
	ck_assert_ptr_null(self.room);
}
END_TEST

START_TEST(bare_raise_in_brand_new_thread)
{
	struct self self;

	(void)conc_raise(-EIO, "the starter's own");
	self = self_of("t");
	ck_assert_ptr_null(self.caught);
	ck_assert_int_eq(conc_exception_code(conc_caught()), -EIO);
	conc_clear();
}
END_TEST

/* Ten threads, three at a time at most: counted, and their numbers all differ. */
struct ops {
	pthread_mutex_t mutex;
	pthread_cond_t room;
	int running;
};

static int
various_op(const void *arg, void *result)
{
	struct ops *ops = *(struct ops *const *)arg;
	uint32_t seed = seed_start((int)conc_arg_size());

	(void)result;
	pthread_mutex_lock(&ops->mutex);
	while (ops->running == 3)
		pthread_cond_wait(&ops->room, &ops->mutex);
	ck_assert_int_le(++ops->running, 3);
	pthread_mutex_unlock(&ops->mutex);
	jitter(&seed);
	pthread_mutex_lock(&ops->mutex);
	ck_assert_int_ge(--ops->running, 0);
	pthread_cond_signal(&ops->room);
	pthread_mutex_unlock(&ops->mutex);
	return 0;
}

static const size_t stack_sizes[] = {0, 256 * 1024, 1024 * 1024};

/* With CPython's three sizes: various_ops, _small_stack, _large_stack. */
START_TEST(various_ops)
{
	struct ops ops = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, 0}, *p = &ops;
	uint64_t idents[10];
	conc_thread *t[10];

	for (int i = 0; i < 10; i++)
		t[i] = THREAD(various_op, &p, sizeof p, .stack_size = stack_sizes[_i]);
	for (int i = 0; i < 10; i++) {
		ck_assert_int_eq(conc_thread_join(t[i], CONC_FOREVER), 0);
		ck_assert(!conc_thread_alive(t[i]));
	}
	/* The system may give a number again, once a thread has ended. */
	for (int i = 0; i < 10; i++) {
		idents[i] = conc_thread_ident(t[i]);
		ck_assert_uint_ne(idents[i], 0);
		ck_assert_uint_ne(idents[i], (uint64_t)gettid());
		conc_thread_destroy(t[i]);
	}
	ck_assert_int_eq(ops.running, 0);
}
END_TEST

START_TEST(idents_of_those_that_live_differ)
{
	struct gate gate = GATE;
	conc_thread *a = at_gate(&gate, NULL), *b = at_gate(&gate, NULL);

	ck_assert_uint_ne(conc_thread_ident(a), conc_thread_ident(b));
	latch_set(&gate.open);
	conc_thread_destroy(a);
	conc_thread_destroy(b);
}
END_TEST

/* A task in a pool may start threads, and wait for them. */
static int
start_and_join_task(const void *arg, void *result)
{
	conc_thread *t = THREAD(set_to_seven, result, CONC_BORROW, .name = NULL);
	int rc = conc_thread_join(t, CONC_FOREVER);

	(void)arg;
	conc_thread_destroy(t);
	return rc;
}

START_TEST(started_and_joined_by_a_task)
{
	conc_executor *pool = pool_of(1);
	conc_future *f = submit(pool, start_and_join_task, NULL);
	int number = 0;

	ck_assert_int_eq(conc_future_result(f, &number, sizeof number), 0);
	ck_assert_int_eq(number, 7);
	conc_future_release(f);
	conc_executor_destroy(pool);
}
END_TEST

START_TEST(thread_einval)
{
	conc_thread_options old = CONC_THREAD_INIT;
	conc_thread *t = NULL;
	int x = 0;

	old.size--;
	ck_assert_int_eq(conc_thread_start(&t, NULL, &x, sizeof x, NULL), -EINVAL);
	ck_assert_int_eq(conc_thread_start(&t, return_zero, NULL, 1, NULL), -EINVAL);
	ck_assert_int_eq(
	    conc_thread_start(&t, return_zero, NULL, 0, CONC_THREAD(.flags = 1)), -EINVAL);
	ck_assert_int_eq(
	    conc_thread_start(&t, return_zero, NULL, 0, CONC_THREAD(.daemon = 2)), -EINVAL);
	ck_assert_int_eq(
	    conc_thread_start(&t, return_zero, NULL, 0, CONC_THREAD(.daemon = -1)), -EINVAL);
	ck_assert_int_eq(
	    conc_thread_start(&t, return_zero, NULL, 0, CONC_THREAD(.stack_size = SIZE_MAX)),
	    -EINVAL);
	ck_assert_int_eq(conc_thread_start(&t, return_zero, NULL, 0, &old), -EINVAL);
	ck_assert_ptr_null(t);
	ck_assert_int_eq(conc_thread_join(NULL, CONC_FOREVER), -EINVAL);
	ck_assert(!conc_thread_alive(NULL));
	ck_assert_ptr_null(conc_thread_exception(NULL));
	ck_assert_ptr_null(conc_thread_name(NULL));
	ck_assert_uint_eq(conc_thread_ident(NULL), 0);
	conc_thread_destroy(NULL);
}
END_TEST

START_TEST(thread_e2big)
{
	struct {
		conc_thread_options options;
		size_t later;
	} newer = {CONC_THREAD_INIT, 1};
	conc_thread *t = NULL;

	newer.options.size = sizeof newer;
	ck_assert_int_eq(conc_thread_start(&t, return_zero, NULL, 0, &newer.options), -E2BIG);
	ck_assert_ptr_null(t);
	newer.later = 0;
	conc_thread_destroy(thread_of(return_zero, NULL, 0, &newer.options));
}
END_TEST

START_TEST(thread_enomem)
{
	static const size_t sizes[] = {SIZE_MAX - 1, SIZE_MAX / 2, SIZE_MAX / 2 - 4096};
	conc_thread *t = NULL;

	ck_assert_int_eq(conc_thread_start(&t, return_zero, &t, sizes[_i], NULL), -ENOMEM);
	ck_assert_ptr_null(t);
}
END_TEST

/* A thread that cannot be started leaves nothing. */
START_TEST(limbo_cleanup)
{
	conc_thread *t = NULL;
	int rc = conc_thread_start(
	    &t, return_zero, NULL, 0, CONC_THREAD(.stack_size = PTRDIFF_MAX / 2));

	ck_assert(rc == -EAGAIN || rc == -ENOMEM || rc == -EINVAL);
	ck_assert_ptr_null(t);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("thread");
	TCase *tc = new_case(s, "start");

	tcase_add_test(tc, args_argument);
	tcase_add_test(tc, no_argument_is_null);
	tcase_add_test(tc, borrowed_argument_is_the_pointer_itself);
	tcase_add_test(tc, name);
	tcase_add_test(tc, inside_it_is_no_task_of_a_pool);
	tcase_add_test(tc, bare_raise_in_brand_new_thread);
	tcase_add_loop_test(tc, various_ops, 0, 3);
	tcase_add_test(tc, idents_of_those_that_live_differ);
	tcase_add_test(tc, started_and_joined_by_a_task);

	tc = new_case(s, "codes");
	tcase_add_test(tc, thread_einval);
	tcase_add_test(tc, thread_e2big);
	tcase_add_loop_test(tc, thread_enomem, 0, 3);
	tcase_add_test(tc, limbo_cleanup);
	return run_suite(s);
}
