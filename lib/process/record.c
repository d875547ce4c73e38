/* SPDX-License-Identifier: MIT */
/*
 * A log record as bytes: a worker writes it to its report pipe, its host reads it.
 */
#include "base/hook.h"
#include "process/wire.h"
#include <stdio.h>
#include <string.h>

int
conc__record_write(int fd, const conc_log_record *record)
{
	unsigned char most[4096]; /* what a pipe takes in one piece, if it takes it at all */
	struct conc__logged l = {.time = record->time,
	    .level = (int32_t)record->level,
	    .pid = record->pid,
	    .worker = record->worker,
	    .length = (uint32_t)strnlen(record->message, CONC__LOG_MESSAGE - 1)};
	struct conc__report r = {.type = CONC__REPORT_LOG, .size = sizeof l + l.length + 1};
	const size_t heads = sizeof r + sizeof l;
	size_t part = sizeof most - heads - 1 < l.length ? sizeof most - heads - 1 : l.length;
	int rc;

	(void)snprintf(l.thread, sizeof l.thread, "%s", record->thread);
	memcpy(most, &r, sizeof r);
	memcpy(most + sizeof r, &l, sizeof l);
	memcpy(most + heads, record->message, part);
	most[heads + part] = 0;
	if (part == l.length)
		return conc__write_whole(fd, most, heads + part + 1);
	rc = conc__write_whole(fd, most, heads + part);
	if (rc == 0)
		rc = conc__write_whole(fd, record->message + part, l.length - part);
	return rc != 0 ? rc : conc__write_whole(fd, "", 1);
}

bool
conc__record_read(const void *payload, size_t size, conc_log_record *record)
{
	const struct conc__logged *l = payload;
	const char *message;

	if (payload == NULL || size <= sizeof *l || size != sizeof *l + l->length + 1)
		return false;
	message = (const char *)payload + sizeof *l;
	if (l->time < 0 || (uint32_t)l->level > CONC_LOG_ERROR || l->pid <= 0 ||
	    l->worker < -1 || memchr(l->thread, 0, sizeof l->thread) == NULL ||
	    memchr(message, 0, (size_t)l->length + 1) != message + l->length)
		return false;
	*record = (conc_log_record){.time = l->time,
	    .thread = l->thread,
	    .message = message,
	    .level = (conc_log_level)l->level,
	    .pid = l->pid,
	    .worker = l->worker};
	return true;
}
