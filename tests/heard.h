/* SPDX-License-Identifier: MIT */
#ifndef CONC_TESTS_HEARD_H
#define CONC_TESTS_HEARD_H

/*
 * A log handler that keeps what it is given.
 *
 *	heard_start(CONC_LOG_INFO);
 *	...
 *	heard_count(), heard[i].message, heard_with("text")
 *	heard_stop();
 */
#include "tests/common.h"
#include <conc/log.h>

struct heard {
	conc_log_record record; /* its strings are these */
	char thread[32];
	char *message;
};

static struct {
	pthread_mutex_t lock;
	struct heard **list;
	int count, room;
} records = {.lock = PTHREAD_MUTEX_INITIALIZER};

static inline void
hear_record(const conc_log_record *record, void *user)
{
	struct heard *h;

	(void)user;
	pthread_mutex_lock(&records.lock);
	if (records.count == records.room) {
		records.room = records.room > 0 ? 2 * records.room : 64;
		records.list = realloc(
		    records.list, (size_t)records.room * sizeof *records.list);
		if (records.list == NULL)
			abort();
	}
	h = malloc(sizeof *h);
	if (h == NULL)
		abort();
	records.list[records.count++] = h;
	h->record = *record;
	snprintf(h->thread, sizeof h->thread, "%s", record->thread);
	h->message = strdup(record->message);
	if (h->message == NULL)
		abort();
	pthread_mutex_unlock(&records.lock);
}

static inline void
heard_start(conc_log_level level)
{
	ck_assert_int_eq(conc_set_log(hear_record, NULL, level), 0);
}

static inline int
heard_count(void)
{
	int n;

	pthread_mutex_lock(&records.lock);
	n = records.count;
	pthread_mutex_unlock(&records.lock);
	return n;
}

/* The i-th, until they are forgotten. */
static inline const struct heard *
heard(int i)
{
	const struct heard *h;

	ck_assert_int_lt(i, heard_count());
	pthread_mutex_lock(&records.lock);
	h = records.list[i];
	pthread_mutex_unlock(&records.lock);
	return h;
}

static inline int
heard_with(const char *text)
{
	int n = 0;

	pthread_mutex_lock(&records.lock);
	for (int i = 0; i < records.count; i++)
		n += strstr(records.list[i]->message, text) != NULL;
	pthread_mutex_unlock(&records.lock);
	return n;
}

static inline void
heard_forget(void)
{
	pthread_mutex_lock(&records.lock);
	for (int i = 0; i < records.count; i++) {
		free(records.list[i]->message);
		free(records.list[i]);
	}
	records.count = 0;
	pthread_mutex_unlock(&records.lock);
}

static inline void
heard_stop(void)
{
	ck_assert_int_eq(conc_set_log(NULL, NULL, CONC_LOG_WARNING), 0);
	heard_forget();
	free(records.list);
	records.list = NULL;
	records.room = 0;
}

#endif
