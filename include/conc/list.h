/* SPDX-License-Identifier: MIT */
#ifndef CONC_LIST_H
#define CONC_LIST_H

#include <conc/error.h>
#include <conc/time.h>
#include <conc/version.h>
#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Locked lists: Python's list for C, with its lock inside.
 *
 *	conc_list *numbers;
 *	int n = 7;
 *
 *	conc_list_create(&numbers, sizeof n);
 *	conc_list_append(numbers, &n);           any thread
 *	rc = conc_list_pop(numbers, 0, &n);      any thread; -ENOENT: it is empty
 *	conc_list_destroy(numbers);
 *
 * Elements are kept by value: element_size bytes each, copied in and out.
 * Both ends are O(1), the middle is O(n).  Indices count from 0; negative ones
 * from the end: -1 is the last.  Every call is one step to all other threads.
 * Steps that belong together are put under the list's lock:
 *
 *	CONC_WITH_LIST(numbers) {
 *		if (conc_list_size(numbers) > 0)
 *			conc_list_pop(numbers, -1, &n);
 *	}
 *
 * All are MT-safe but create and destroy.  compare is qsort's, and gets
 * element first and the list's second; NULL compares by memcmp.  compare and
 * visit run under the list's lock, in the calling thread: they may read the
 * list, must return, and changing the list there is -EDEADLK.
 *
 * Errors that all share: -EINVAL: a NULL where none may be; CONC_EFORKED: the
 * list belongs to the process we forked from.  Those that put elements in, and
 * set and clear, say CONC_ESHUTDOWN once the list is closed; these and those
 * that take elements out or change their order say -EDEADLK within compare and
 * visit.  On failure nothing has changed.
 */
typedef struct conc_list conc_list;

/*
 * conc_list_create: Return 0 and an empty list of elements of element_size
 * bytes in *l.  -EINVAL: element_size is 0, or l NULL; -ENOMEM: no memory, or
 * a size that no memory can hold; -EAGAIN: the system has no more locks.
 */
CONC_API int conc_list_create(conc_list **l, size_t element_size);

/*
 * conc_list_destroy: free it and its elements.  NULL is fine.  No call may be
 * under way, nobody may hold its lock.  In the child of a fork it only frees
 * memory.
 */
CONC_API void conc_list_destroy(conc_list *l);

/*
 * Put elements in: at the end, at the front, before index i (i from -size to
 * size; size is the end), n of them at the end in one step (array may be NULL
 * if n is 0).  They are copied; they must not lie in the list itself.
 * Return 0; -ERANGE: no such index; -ENOMEM; CONC_ESHUTDOWN; -EDEADLK.
 */
CONC_API int conc_list_append(conc_list *l, const void *element);
CONC_API int conc_list_prepend(conc_list *l, const void *element);
CONC_API int conc_list_insert(conc_list *l, ptrdiff_t i, const void *element);
CONC_API int conc_list_extend(conc_list *l, const void *array, size_t n);

/*
 * conc_list_pop: take the element at i out, into element (NULL: drop it).
 * Return 0; -ENOENT: the list is empty (CONC_ESHUTDOWN if it is closed too);
 * -ERANGE: it is not, but has no such index; -EDEADLK.
 */
CONC_API int conc_list_pop(conc_list *l, ptrdiff_t i, void *element);

/*
 * conc_list_pop_wait: as conc_list_pop, but wait until the deadline for an
 * element at i: any for 0 and -1, the third to come for 2 and -3.  Return 0;
 * -ETIMEDOUT; CONC_ESHUTDOWN: the list is closed and has no element at i, also
 * for those who were waiting; -EDEADLK: the caller holds the list's lock, or it
 * would block in a callback or cleanup.  A list that another thread holds is
 * waited for beyond the deadline.
 */
CONC_API int conc_list_pop_wait(conc_list *l, ptrdiff_t i, void *element, conc_time deadline);

/*
 * Copy the element at i out, or another one over it.  Return 0; -ENOENT: the
 * list is empty; -ERANGE: no such index; set also: CONC_ESHUTDOWN, -EDEADLK.
 */
CONC_API int conc_list_get(conc_list *l, ptrdiff_t i, void *element);
CONC_API int conc_list_set(conc_list *l, ptrdiff_t i, const void *element);

/*
 * conc_list_remove: take the first element that equals *element out and drop
 * it.  Return 0; -ENOENT: there is none; -EDEADLK.
 */
CONC_API int conc_list_remove(
    conc_list *l, const void *element, int (*compare)(const void *, const void *));

/*
 * conc_list_find: the index of the first element that equals *element, in *i.
 * Return 0; -ENOENT: there is none.
 */
CONC_API int conc_list_find(conc_list *l, const void *element,
    int (*compare)(const void *, const void *), ptrdiff_t *i);

/* conc_list_count: how many elements equal *element, in *n.  Return 0. */
CONC_API int conc_list_count(
    conc_list *l, const void *element, int (*compare)(const void *, const void *), size_t *n);

/* conc_list_size: how many elements there are now; 0 for NULL or in a forked child. */
CONC_API size_t conc_list_size(conc_list *l);

/* conc_list_clear: drop all elements.  Return 0; CONC_ESHUTDOWN; -EDEADLK. */
CONC_API int conc_list_clear(conc_list *l);

/*
 * conc_list_sort: put the elements in order; equals stay in theirs.  compare
 * sees the list as it was before.  Return 0; -ENOMEM; -EDEADLK.
 */
CONC_API int conc_list_sort(conc_list *l, int (*compare)(const void *, const void *));

/* conc_list_reverse: turn the order round.  Return 0; -EDEADLK. */
CONC_API int conc_list_reverse(conc_list *l);

/*
 * conc_list_copy: a snapshot: the first elements, at most max, into array, and
 * in *n how many the list holds (more than max: the rest was not copied).
 * Return 0; array may be NULL if max is 0.
 */
CONC_API int conc_list_copy(conc_list *l, void *array, size_t max, size_t *n);

/*
 * conc_list_each: call visit(element, user) for each in order, under the lock,
 * until it returns other than 0.  Return 0, or what visit returned.  visit may
 * change the element's bytes, not the list.
 */
CONC_API int conc_list_each(conc_list *l, int (*visit)(void *element, void *user), void *user);

/*
 * conc_list_close: no more goes in, for good; pop and remove empty it; whoever
 * waits in vain returns CONC_ESHUTDOWN.  Reading, sorting and reversing go on.
 * Return 0, also when it is closed already, and within compare and visit.
 */
CONC_API int conc_list_close(conc_list *l);

/*
 * conc_list_lock, conc_list_unlock: hold the list over several calls.  They
 * nest.  Block without a deadline.  Return 0; unlock: -EPERM: this thread does
 * not hold it, or not by a lock of its own within compare or visit.
 */
CONC_API int conc_list_lock(conc_list *l);
CONC_API int conc_list_unlock(conc_list *l);

/*
 * CONC_WITH_LIST(l) { ... }: run the block with the list locked.
 *
 * It is unlocked on every way out: the end, break, return, goto.  break and
 * continue both leave the block, and not a loop around it.  The block is
 * skipped if the lock cannot be had (l NULL or another process's); so after
 * the block say what to return then.  Blocks may stand within each other.  l
 * is evaluated once.  Needs gcc's cleanup attribute, which clang has too.
 */
#if defined(__GNUC__)
#define CONC_WITH_LIST(l) CONC_WITH_LIST_COUNTED_(l, __COUNTER__)
#define CONC_WITH_LIST_COUNTED_(l, n) CONC_WITH_LIST_NAMED_(l, n)
#define CONC_WITH_LIST_NAMED_(l, n)                                                        \
	for (conc_list *conc_with_##n##_ __attribute__((cleanup(conc_list_with_end))) =    \
		 conc_list_with_at(l),                                                     \
		 *conc_once_##n##_ = conc_with_##n##_;                                     \
	     conc_once_##n##_; conc_once_##n##_ = NULL)
#endif

/* What CONC_WITH_LIST calls: lock; Return l, or NULL if that failed. */
CONC_API conc_list *conc_list_with_at(conc_list *l);
/* And unlock *l, unless it is NULL. */
CONC_API void conc_list_with_end(conc_list **l);

#ifdef __cplusplus
}
#endif

#endif
