/* SPDX-License-Identifier: MIT */
/*
 * AddressSanitizer and fork.  gcc's runtime up to 13 and LLVM's up to 17 leave their locks as
 * they are when a process forks: if another thread was allocating just then, the child waits
 * at its first malloc for ever.  A process pool forks beside its dispatcher, and once in some
 * twenty thousand times a test hung so.  Later runtimes take these locks around a fork; this
 * file, linked into all that runs under AddressSanitizer here, does so for the others.
 *
 * The functions are the runtime's own and in no header: they are named as the linker sees
 * them.  They are weak, and missing where the runtime does this itself, or there is none.
 */
#include <pthread.h>

#define RUNTIME(name, symbol) extern __attribute__((weak)) void name(void) __asm__(symbol)
RUNTIME(lock_threads, "_ZN6__lsan18LockThreadRegistryEv");
RUNTIME(unlock_threads, "_ZN6__lsan20UnlockThreadRegistryEv");
RUNTIME(lock_allocator, "_ZN6__lsan13LockAllocatorEv");
RUNTIME(unlock_allocator, "_ZN6__lsan15UnlockAllocatorEv");
RUNTIME(lock_stacks, "_ZN11__sanitizer17StackDepotLockAllEv");
RUNTIME(unlock_stacks, "_ZN11__sanitizer19StackDepotUnlockAllEv");

/* In the order in which the runtime nests them. */
static void
before_fork(void)
{
	lock_threads();
	lock_allocator();
	lock_stacks();
}

static void
after_fork(void)
{
	unlock_stacks();
	unlock_allocator();
	unlock_threads();
}

static __attribute__((constructor)) void
guard_forks(void)
{
	if (lock_threads && unlock_threads && lock_allocator && unlock_allocator &&
	    lock_stacks && unlock_stacks)
		pthread_atfork(before_fork, after_fork, after_fork);
}
