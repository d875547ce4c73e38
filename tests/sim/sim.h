/* SPDX-License-Identifier: MIT */
#ifndef SIM_H
#define SIM_H

/*
 * The simulator: what a scenario may use.
 *
 * The simulator is the second base of the library: the same sources above
 * lib/base, compiled with -Itests/sim before -Ilib, run as coroutines of one
 * thread.  Each atomic operation, lock, unlock, wait, wake, thread start and
 * end, memory free and descriptor operation is a switching point, at which
 * the seed says who goes on.  So a schedule is a function of its seed alone,
 * thousands run in a second, and one that fails can be run again.
 *
 * A scenario is a small program.  It lives in tests/sim/scenario_<module>.c:
 *
 *	#include "sim.h"
 *	#include <conc/future.h>
 *
 *	static void
 *	finish(void *promise)
 *	{
 *		sim_assert(conc_promise_finish(promise, &(int){42}, sizeof(int)) == 0);
 *		conc_promise_destroy(promise);
 *	}
 *
 *	SIM_SCENARIO(future_promise)
 *	{
 *		conc_promise *p;
 *		conc_future *f;
 *		int rc, got = 0;
 *
 *		rc = conc_promise_create(&p, sizeof(int), &f);
 *		if (rc) {
 *			sim_assert(rc == -ENOMEM && sim_sweeping());
 *			return;
 *		}
 *		struct sim_thread *t = sim_go(finish, p);
 *		sim_assert(conc_future_result(f, &got, sizeof(got)) == 0 && got == 42);
 *		conc_future_release(f);
 *		sim_join(t);
 *	}
 *
 * Keep it small: two to four threads, some tens to hundreds of switching
 * points.  A bug needs few actors, and each one more hides it.
 *
 * The run fails, with the seed and the last switching points printed, when
 *   - an assertion fails, or the code crashes;
 *   - nobody can go on and nobody waits for a time (deadlock), or there are
 *     too many switching points (livelock);
 *   - a lock is taken against its rank, released by another than its owner,
 *     destroyed or freed while held, or a thread ends holding one;
 *   - freed memory is used, freed again or overrun; or is not freed at the end;
 *   - a thread is neither joined nor detached, a child not reaped, a
 *     descriptor left open, a descriptor closed twice.
 *
 * What a scenario must know:
 *   - It runs very often, in one program: no static state that lasts.
 *   - Time is faked.  It creeps, jumps to the next deadline when nobody can go
 *     on, and sometimes jumps although somebody can: a machine may always be
 *     that slow.  So a wait with a deadline other than CONC_FOREVER may always
 *     end in -ETIMEDOUT; test for both.
 *   - Plain memory accesses are no switching points.  A race between them is
 *     found when switching points stand between; put sim_pause() into user
 *     functions (compare, cleanup, callbacks) to open them up.
 *   - malloc, calloc, realloc, strdup and free in a scenario are the
 *     simulator's: watched as the library's memory is, but they never fail.
 *     So memory that the library hands out for free() can be given to free().
 *   - Never block in a real system call; never use setjmp, threads, fork.
 *   - Only sequentially consistent executions are explored.
 *
 * Failures.  "sim --sweep" runs each scenario again and again and lets the
 * k-th call fail that can (memory, thread, mutex and condition, process and its
 * settling, pipe, channel and the descriptors that come through it, bell, shared
 * map), once or from then on, for all k.  A scenario must return, cleaned up,
 * whatever fails: check each code, say which ones are right, return early if you
 * must.  sim_sweeping() says that failures may come.
 *
 * Processes.  A child made by conc__process_start is a coroutine too, with its
 * own descriptors and accounts, in the same address space: there is no copy on
 * write.  What that means:
 *   - what the child should have must come through arg, and neither side may
 *     write to what the other reads, but for conc__shared_map memory and pipes;
 *   - the child's free() of what its parent made does nothing (it would free a
 *     copy); what it allocated itself and leaves at its end is reclaimed and
 *     poisoned; neither is a leak;
 *   - file-scope state above base is shared, which no real child would see: so
 *     it is forbidden there.
 *   - what the thread that starts it keeps in conc__self() is copied, but not
 *     the current exception: the child begins with none.
 * It can be killed at each of its switching points (conc__process_signal,
 * sim_kill_at_random): its threads vanish, its descriptors close.  Signals
 * kill, or are ignored where that is the default; stopping is not simulated.
 * Of conc__process_settle's rules group and parent are heeded; descriptors stay
 * open, nobody adopts orphans (init does), no limit holds.  What a reaper starts
 * dies with it until it has settled: it would read memory that is gone, having no
 * copy, where a real one would find out that its parent has ended.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* Built with AddressSanitizer?  Then that finds bad accesses, and ends the program. */
#if defined(__SANITIZE_ADDRESS__)
#define SIM_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SIM_ASAN 1
#endif
#endif

/* Define and register a scenario; its body runs as the thread "main" of the first process. */
#define SIM_SCENARIO(name) SIM_MUST_FAIL(name, NULL)

/* A scenario with a bug, which the simulator must find: its run fails, and says this. */
#define SIM_MUST_FAIL(name, reason)                                                            \
	static void sim_body_##name(void);                                                     \
	static struct sim_scenario sim_scenario_##name = {                                     \
	    #name, sim_body_##name, reason, NULL};                                             \
	__attribute__((constructor)) static void sim_register_##name(void)                     \
	{                                                                                      \
		sim_register(&sim_scenario_##name);                                            \
	}                                                                                      \
	static void sim_body_##name(void)

struct sim_scenario {
	const char *name;
	void (*body)(void);
	const char *must_fail;
	struct sim_scenario *next;
};
void sim_register(struct sim_scenario *scenario);

/* A thread of the program, not of the library.  Each must be joined, once. */
struct sim_thread;
struct sim_thread *sim_go(void (*fn)(void *arg), void *arg); /* never fails */
void sim_join(struct sim_thread *t);

/* End the calling thread now, as pthread_exit does, by unwinding: for tasks that misbehave. */
_Noreturn void sim_thread_exit(void);

/* Fail this run unless the condition holds. */
#define sim_assert(condition)                                                                  \
	((condition) ? (void)0                                                                 \
		     : sim_fail("%s:%d: not true: %s", __FILE__, __LINE__, #condition))

/* Fail this run, saying why. */
_Noreturn void sim_fail(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* A random number below n (n > 0), by the seed. */
uint32_t sim_random(uint32_t n);

/* A switching point; whoever spins on something calls it. */
#define sim_pause() sim_pause_at(__FILE__ ":" SIM__STRING(__LINE__))
void sim_pause_at(const char *site);
#define SIM__STRING(x) SIM__STRING_(x)
#define SIM__STRING_(x) #x

/* Are calls made to fail in this run?  How many have been by now? */
bool sim_sweeping(void);
unsigned sim_failures(void);

/* The faked time, as conc__now() has it, but standing still. */
int64_t sim_now(void);

/* Set what conc__cpu_count() and conc__stack_left() say in this run (else 2, SIZE_MAX). */
void sim_set_cpu_count(int n);
void sim_set_stack_left(size_t n);

/* Set how many switching points make a livelock in this run (else 100,000). */
void sim_set_max_steps(uint64_t n);

/* From now on in this run conc__objects_hold() says no to this function's address. */
void sim_unload(uint64_t address);

/*
 * The host forks, and we follow the child: all other threads of the calling
 * process vanish where they stand, the generation is raised.  What they held
 * stays held.  Memory and handles from before are no leaks any more.
 */
void sim_fork_as_child(void);

/* Only raise the generation: for objects that no thread of the library serves. */
void sim_raise_generation(void);

/* Kill process pid at one of its next switching points, unless it ends before. */
void sim_kill_at_random(int pid);

/* The memory of scenarios. */
void *sim_malloc(size_t size);
void *sim_calloc(size_t n, size_t size);
void *sim_realloc(void *p, size_t size);
char *sim_strdup(const char *s);
void sim_free(void *p);
#ifndef SIM_ENGINE
#define malloc sim_malloc
#define calloc sim_calloc
#define realloc sim_realloc
#define strdup sim_strdup
#define free sim_free
#endif

#endif
