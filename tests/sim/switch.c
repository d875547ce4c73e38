/* SPDX-License-Identifier: MIT */

/*
 * Contexts: a stack and where it stands.  A switch saves what the C calling
 * convention says a call keeps, and swaps stack pointers; that is some ten
 * instructions, where swapcontext makes two system calls.
 */
#include "engine.h"
#include <stdio.h>
#include <sys/mman.h>

/* The guard is wide, so that a large frame does not step over it. */
enum { GUARD_SIZE = 256 * 1024, STACK_SIZE = GUARD_SIZE + 128 * 1024 };

#if !defined(__x86_64__) && !defined(__aarch64__)
#define SIM_UCONTEXT
#endif

/* Stacks that nobody stands on.  Linked by their lowest word, above the guard. */
static void *free_stacks;

#if defined(SIM_UCONTEXT) /* any machine: slower, and the same */

#include <ucontext.h>

static void
sim_swap(void **save, void *load)
{
	ucontext_t here;

	*save = &here;
	swapcontext(&here, load);
}

static void *
prepare(char *stack, void (*entry)(void))
{
	ucontext_t *c = (ucontext_t *)(stack + GUARD_SIZE);

	getcontext(c);
	c->uc_stack.ss_sp = stack + GUARD_SIZE + 8192;
	c->uc_stack.ss_size = STACK_SIZE - GUARD_SIZE - 8192;
	c->uc_link = NULL;
	makecontext(c, entry, 0);
	return c;
}

#elif defined(__x86_64__)

void sim_swap(void **save, void *load);
__asm__(".text\n"
	".type sim_swap, @function\n"
	"sim_swap:\n"
	"	pushq %rbp\n"
	"	pushq %rbx\n"
	"	pushq %r12\n"
	"	pushq %r13\n"
	"	pushq %r14\n"
	"	pushq %r15\n"
	"	movq %rsp, (%rdi)\n"
	"	movq %rsi, %rsp\n"
	"	popq %r15\n"
	"	popq %r14\n"
	"	popq %r13\n"
	"	popq %r12\n"
	"	popq %rbx\n"
	"	popq %rbp\n"
	"	ret\n"
	".size sim_swap, . - sim_swap\n");

static void *
prepare(char *stack, void (*entry)(void))
{
	void **sp = (void **)(stack + STACK_SIZE);

	*--sp = NULL; /* the entry's return address: none */
	*--sp = (void *)entry;
	for (int i = 0; i < 6; i++)
		*--sp = NULL;
	return sp;
}

#elif defined(__aarch64__)

void sim_swap(void **save, void *load);
__asm__(".text\n"
	".type sim_swap, %function\n"
	"sim_swap:\n"
	"	sub sp, sp, #160\n"
	"	stp x19, x20, [sp, #0]\n"
	"	stp x21, x22, [sp, #16]\n"
	"	stp x23, x24, [sp, #32]\n"
	"	stp x25, x26, [sp, #48]\n"
	"	stp x27, x28, [sp, #64]\n"
	"	stp x29, x30, [sp, #80]\n"
	"	stp d8, d9, [sp, #96]\n"
	"	stp d10, d11, [sp, #112]\n"
	"	stp d12, d13, [sp, #128]\n"
	"	stp d14, d15, [sp, #144]\n"
	"	mov x9, sp\n"
	"	str x9, [x0]\n"
	"	mov sp, x1\n"
	"	ldp x19, x20, [sp, #0]\n"
	"	ldp x21, x22, [sp, #16]\n"
	"	ldp x23, x24, [sp, #32]\n"
	"	ldp x25, x26, [sp, #48]\n"
	"	ldp x27, x28, [sp, #64]\n"
	"	ldp x29, x30, [sp, #80]\n"
	"	ldp d8, d9, [sp, #96]\n"
	"	ldp d10, d11, [sp, #112]\n"
	"	ldp d12, d13, [sp, #128]\n"
	"	ldp d14, d15, [sp, #144]\n"
	"	add sp, sp, #160\n"
	"	ret\n"
	".size sim_swap, . - sim_swap\n");

static void *
prepare(char *stack, void (*entry)(void))
{
	void **sp = (void **)(stack + STACK_SIZE - 160);

	memset(sp, 0, 160);
	sp[11] = (void *)entry; /* x30 */
	return sp;
}

#endif

static char *
stack_get(void)
{
	char *stack = free_stacks;

	if (stack) {
		free_stacks = *(void **)(stack + GUARD_SIZE);
		ASAN_UNPOISON_MEMORY_REGION(stack + GUARD_SIZE, STACK_SIZE - GUARD_SIZE);
		return stack;
	}
	stack = mmap(NULL, STACK_SIZE, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (stack == MAP_FAILED || mprotect(stack, GUARD_SIZE, PROT_NONE)) {
		perror("sim: no stack");
		_Exit(2);
	}
	return stack;
}

void
sim_context_make(struct sim_context *c, void (*entry)(void))
{
	c->stack = stack_get();
	c->sp = prepare(c->stack, entry);
#ifdef SIM_ASAN
	c->fake = NULL;
	c->bottom = (char *)c->stack + GUARD_SIZE;
	c->size = STACK_SIZE - GUARD_SIZE;
#endif
}

void
sim_context_switch(struct sim_context *from, struct sim_context *to)
{
#ifdef SIM_ASAN
	__sanitizer_start_switch_fiber(&from->fake, to->bottom, to->size);
#endif
	sim_swap(&from->sp, to->sp);
#ifdef SIM_ASAN
	__sanitizer_finish_switch_fiber(from->fake, NULL, NULL);
#endif
}

void
sim_context_entered(void)
{
#ifdef SIM_ASAN
	const void *bottom;
	size_t size;

	__sanitizer_finish_switch_fiber(NULL, &bottom, &size);
	if (!sim.outside.bottom) { /* the first one is entered from there */
		sim.outside.bottom = bottom;
		sim.outside.size = size;
	}
#endif
}

bool
sim_context_overflown(const struct sim_context *c, const void *address)
{
	const char *stack = c->stack, *a = address;

	return a >= stack && a < stack + GUARD_SIZE;
}

void
sim_context_left(struct sim_context *c)
{
	ASAN_UNPOISON_MEMORY_REGION((char *)c->stack + GUARD_SIZE, STACK_SIZE - GUARD_SIZE);
}

void
sim_context_drop(struct sim_context *c)
{
	if (!c->stack)
		return;
	ASAN_UNPOISON_MEMORY_REGION((char *)c->stack + GUARD_SIZE, sizeof(void *));
	*(void **)((char *)c->stack + GUARD_SIZE) = free_stacks;
	free_stacks = c->stack;
	c->stack = NULL;
}
