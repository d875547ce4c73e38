/* SPDX-License-Identifier: MIT */
/*
 * The pairing heap.  A node's children hang on child, linked by next; prev is
 * the left sibling, or for the first child the parent.
 */
#include "exec/heap.h"

static bool
before(const struct conc__node *a, const struct conc__node *b)
{
	return a->key != b->key ? a->key < b->key : a->order < b->order;
}

/* Make one tree of two; either may be NULL. */
static struct conc__node *
merge(struct conc__node *a, struct conc__node *b)
{
	struct conc__node *top, *under;

	if (a == NULL || b == NULL)
		return a != NULL ? a : b;
	top = before(a, b) ? a : b;
	under = top == a ? b : a;
	under->next = top->child;
	if (under->next != NULL)
		under->next->prev = under;
	under->prev = top;
	top->child = under;
	return top;
}

/* Make one tree of a list of siblings: in pairs from the left, then all from the right. */
static struct conc__node *
merge_siblings(struct conc__node *n)
{
	struct conc__node *pairs = NULL, *tree = NULL, *a, *b;

	while ((a = n) != NULL) {
		b = a->next;
		n = b != NULL ? b->next : NULL;
		a->next = a->prev = NULL;
		if (b != NULL)
			b->next = b->prev = NULL;
		a = merge(a, b);
		a->next = pairs;
		pairs = a;
	}
	while ((a = pairs) != NULL) {
		pairs = a->next;
		a->next = NULL;
		tree = merge(tree, a);
	}
	return tree;
}

void
conc__heap_push(struct conc__heap *h, struct conc__node *n, int64_t key)
{
	n->key = key;
	n->order = h->pushed++;
	conc__heap_put_back(h, n);
}

void
conc__heap_put_back(struct conc__heap *h, struct conc__node *n)
{
	n->child = n->next = n->prev = NULL;
	h->top = merge(h->top, n);
}

void
conc__heap_remove(struct conc__heap *h, struct conc__node *n)
{
	struct conc__node *rest = merge_siblings(n->child);

	if (n == h->top) {
		h->top = rest;
		return;
	}
	if (n->prev->child == n)
		n->prev->child = n->next;
	else
		n->prev->next = n->next;
	if (n->next != NULL)
		n->next->prev = n->prev;
	h->top = merge(h->top, rest);
}
