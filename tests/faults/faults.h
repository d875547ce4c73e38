/* SPDX-License-Identifier: MIT */
#ifndef CONC_TESTS_FAULTS_H
#define CONC_TESTS_FAULTS_H

/*
 * Every failure in turn.  Each .c file here is a program:
 *
 *	static void makes_two(void)
 *	{
 *		int rc = conc_thing_create(&t);
 *
 *		must(rc == 0 || (!faultless && rc == -ENOMEM));
 *		...
 *	}
 *
 *	int main(void)
 *	{
 *		static const struct scenario scenarios[] = {SCENARIO(makes_two)};
 *
 *		return run_faults(scenarios, sizeof scenarios / sizeof scenarios[0]);
 *	}
 *
 * A scenario runs first without faults (faultless is true: all must succeed);
 * then the first call that can fail does (base/fault.h), then the second, and
 * so on until it ran through without meeting a fault; and all this again with
 * faults from the k-th call on.  Whatever fails, it must return, say so by
 * its codes, and leave no thread, descriptor, child or memory behind.
 *
 * sweep_faults does the same for one role of a process pool and one kind of
 * fault; fault_role and fault_how tell the scenario which.
 *
 * Built with -DCONC_FAULT and -fsanitize=address: make check-faults.
 */
#include "base/fault.h"
#include "tests/common.h"
#include <conc/error.h>
#include <conc/log.h>

#ifndef CONC_FAULT
#error "build with -DCONC_FAULT: make check-faults"
#endif

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/lsan_interface.h>
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#include <sanitizer/lsan_interface.h>
#define __SANITIZE_ADDRESS__ 1
#endif
#endif

struct scenario {
	const char *name;
	void (*run)(void);
};

#define SCENARIO(f) {#f, f}

static bool faultless;

/* The run of a scenario, for messages. */
static const char *fault_scenario;
static uint32_t fault_k;
static enum conc__fault_role fault_role;
static int fault_how;

/* As assert, but it names the run. */
#define must(condition) ((condition) ? (void)0 : must_fail(__FILE__, __LINE__, #condition))

static inline void
must_fail(const char *file, int line, const char *what)
{
	static const char *const roles[] = {"host", "zygote", "worker"};

	printf("%s:%d: %s, %s %u%s of the %s: %s\n", file, line, fault_scenario,
	    fault_how & CONC__FAULT_KILL ? "kill" : "fault", fault_k,
	    fault_how & CONC__FAULT_ONWARDS ? " and on" : "", roles[fault_role], what);
	fflush(stdout);
	_exit(EXIT_FAILURE);
}

/* Nothing is left behind; a thread that ended may stand in /proc for a moment yet. */
static inline void
must_be_as(struct fixture_counts before)
{
	int64_t end = test_clock_ms() + fixture_grace;
	struct fixture_counts now = fixture_now();

	while (memcmp(&now, &before, sizeof now) != 0 && test_clock_ms() < end) {
		sched_yield();
		now = fixture_now();
	}
	must(now.threads == before.threads);
	must(now.descriptors == before.descriptors);
	must(now.children == before.children);
	must(conc_caught() == NULL);
#ifdef __SANITIZE_ADDRESS__
	must(!__lsan_do_recoverable_leak_check());
#endif
}

/* Run it with the k-th call failing; was there one? */
static inline bool
run_with_fault(const struct scenario *s, enum conc__fault_role role, int how, uint32_t k)
{
	struct fixture_counts before = fixture_now();
	uint32_t calls;

	fault_scenario = s->name;
	fault_k = k;
	fault_role = role;
	fault_how = how;
	faultless = k == 0;
	conc__fault_arm_role(role, how, k);
	s->run();
	calls = conc__fault_count();
	conc__fault_arm(0, 0);
	must_be_as(before);
	return calls >= k;
}

/* The first call of this role, and then each every-th, until none is left.  How many? */
static inline uint32_t
sweep_faults(const struct scenario *s, enum conc__fault_role role, int how, uint32_t every)
{
	uint32_t k, n = 0;

	for (k = 1; run_with_fault(s, role, how, k); k += every, n++)
		must(k < 100000);
	must(n > 0);
	return n;
}

/* Run all of them; main's return value.  A failure ends the program. */
static inline int
run_faults(const struct scenario *scenarios, size_t n)
{
	uint32_t total;

	fixture_setup();
	conc_set_log(NULL, NULL, CONC_LOG_NONE);
	for (size_t i = 0; i < n; i++) {
		(void)run_with_fault(&scenarios[i], CONC__FAULT_HOST, CONC__FAULT_ONCE, 0);
		total = sweep_faults(&scenarios[i], CONC__FAULT_HOST, CONC__FAULT_ONCE, 1) +
		    sweep_faults(&scenarios[i], CONC__FAULT_HOST, CONC__FAULT_ONWARDS, 1);
		printf("passed: %s, %u faults\n", scenarios[i].name, total);
	}
	return EXIT_SUCCESS;
}

#endif
