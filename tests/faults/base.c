/* SPDX-License-Identifier: MIT */
/*
 * Failures of base itself, and of exceptions, the excepthook and the log, which
 * do not fail but make do.
 */
#include "base/fork.h"
#include "base/hook.h"
#include "base/lock.h"
#include "base/memory.h"
#include "base/process.h"
#include "base/raise.h"
#include "base/thread.h"
#include "tests/faults/faults.h"

static void
memory(void)
{
	char *p = conc__malloc(10), *q = conc__calloc(2, 5), *r = conc__strdup("text"), *grown;

	must(!faultless || (p != NULL && q != NULL && r != NULL));
	grown = conc__realloc(p, 100);
	must(!faultless || grown != NULL);
	conc__free(grown != NULL ? grown : p); /* without memory the old one stays */
	conc__free(q);
	conc__free(r);
}

static void
locks(void)
{
	struct conc__mutex m;
	struct conc__condition c;
	int rc = conc__mutex_init(&m, CONC__RANK_POOL);

	must(rc == 0 || (!faultless && rc == -ENOMEM));
	if (rc == 0)
		conc__mutex_destroy(&m);
	rc = conc__condition_init(&c);
	must(rc == 0 || (!faultless && rc == -ENOMEM));
	if (rc == 0)
		conc__condition_destroy(&c);
}

static void
count(void *arg)
{
	++*(int *)arg;
}

static void
threads(void)
{
	struct conc__thread *t = NULL;
	int calls = 0;
	int rc = conc__thread_start(&t, &(struct conc__thread_options){
	    .name = "fault", .cpu = -1, .main = count, .arg = &calls});

	must(rc == 0 || (!faultless && (rc == -ENOMEM || rc == -EAGAIN)));
	must((rc == 0) == (t != NULL));
	if (rc == 0)
		conc__thread_join(t);
	must(calls == (rc == 0));
}

/* Only once in a process: the first call that succeeds installs the handler for good. */
static void
install_fork_handler(void)
{
	uint32_t generation = 77;

	fault_scenario = "install_fork_handler";
	conc__fault_arm(1, 0);
	must(conc__generation(&generation) == -ENOMEM && generation == 77);
	conc__fault_arm(0, 0);
	must(conc__generation(&generation) == 0 && generation != 77);
}

static int
return_0(void *arg)
{
	return arg != NULL;
}

static void
processes(void)
{
	int pid = conc__process_start(return_0, NULL), fd, rc = 0;
	struct conc__process_end end = {.signal = 77};

	must(pid > 0 || (!faultless && pid == -EAGAIN));
	if (pid > 0) {
		fd = conc__process_watch(pid);
		must(fd >= 0 || fd == -ENOSYS || (!faultless && fd == -EMFILE));
		if (fd >= 0)
			conc__close(fd);
		while (rc <= 0)
			rc = conc__process_reap(pid, &end, 1);
		must(rc == pid && end.signal == 0 && end.exit_status == 0);
	}
}

static void
descriptors(void)
{
	struct conc__poll many[40];
	int ends[2] = {-7, -7}, rc = conc__pipe(ends), bell;
	void *shared = conc__shared_map(100);

	must(rc == 0 || (!faultless && rc == -EMFILE && ends[0] == -7 && ends[1] == -7));
	must(shared != NULL || !faultless);
	conc__shared_unmap(shared, 100);
	bell = conc__bell();
	must(bell >= 0 || (!faultless && bell == -EMFILE));
	for (int i = 0; i < 40; i++)
		many[i] = (struct conc__poll){
		    .fd = rc == 0 ? ends[1] : -1, .wanted = CONC__WRITABLE};
	if (rc == 0) {
		rc = conc__poll(many, 40, CONC_NOW);
		must(rc == 40 || (!faultless && rc == -ENOMEM));
		conc__close(ends[0]);
		conc__close(ends[1]);
	}
	if (bell >= 0)
		conc__close(bell);
}

static void
exceptions(void)
{
	conc_exception *made, *adopted;
	char text[8000];
	int length;

	for (int i = 1; i <= 40; i++)
		must(conc_raise_from(conc_caught(), i, "number %d", i) == i);
	must(conc_exception_code(conc_caught()) == 40);
	must(conc_exception_message(conc_caught()) != NULL);
	must(conc_exception_cause(conc_caught()) != NULL || !faultless);
	length = conc_exception_format(conc_caught(), text, sizeof text);
	must(length > 0 && strlen(text) == (size_t)length);
	must(strstr(text, "error 40: ") != NULL);
	made = conc__exception_make(CONC_ECRASHED, conc_caught(), "task", NULL);
	must(conc_exception_code(made) == CONC_ECRASHED);
	adopted = conc__exception_adopt(40, "named");
	must(conc_exception_code(adopted) == 40);
	must(conc_caught() == NULL);
	must(conc_reraise(adopted) == 40);
	conc_exception_release(adopted);
	conc_exception_release(made);
	conc_clear();
}

static int told, told_length;

static void
hear(const conc_log_record *record, void *user)
{
	told += record->level == CONC_LOG_ERROR && user == &told;
	told_length = (int)strlen(record->message);
}

/* The log says something of each failure, however little memory there is. */
static void
hooks_and_logs(void)
{
	conc_exception *e;
	char long_text[3000];

	memset(long_text, 'x', sizeof long_text);
	told = 0;
	must(conc_set_log(hear, &told, CONC_LOG_ERROR) == 0);
	conc_set_excepthook(NULL, NULL);
	conc_raise(5, "%.*s", (int)sizeof long_text, long_text);
	e = conc__caught_save();
	conc__unlooked(NULL, NULL, e);
	conc_exception_release(e);
	must(told == 1 && told_length > 0);
	must(told_length > 3000 || !faultless);
	conc_log(CONC_LOG_ERROR, "%.*s", (int)sizeof long_text, long_text);
	must(told == 2 && told_length >= 511);
	must(told_length == 3000 || !faultless);
	must(conc_set_log(NULL, NULL, CONC_LOG_NONE) == 0);
}

/* The default handler, which without memory writes in pieces: still each byte. */
static void
default_handler(void)
{
	char long_text[3000], line[4000];
	FILE *file = tmpfile();
	int saved = dup(2);

	must(file != NULL && saved >= 0);
	memset(long_text, 'y', sizeof long_text);
	must(conc_set_log(NULL, NULL, CONC_LOG_ERROR) == 0);
	dup2(fileno(file), 2);
	long_text[sizeof long_text - 1] = 0;
	conc__log(CONC_LOG_ERROR, long_text);
	dup2(saved, 2);
	close(saved);
	rewind(file);
	must(fgets(line, sizeof line, file) != NULL);
	must(strlen(line) > 3000 && line[strlen(line) - 1] == '\n');
	must(strspn(strchr(line, 'y'), "y") == 2999);
	fclose(file);
	must(conc_set_log(NULL, NULL, CONC_LOG_NONE) == 0);
}

int
main(void)
{
	static const struct scenario scenarios[] = {SCENARIO(memory), SCENARIO(locks),
	    SCENARIO(threads), SCENARIO(processes), SCENARIO(descriptors),
	    SCENARIO(exceptions), SCENARIO(hooks_and_logs), SCENARIO(default_handler)};

	install_fork_handler();
	return run_faults(scenarios, sizeof scenarios / sizeof scenarios[0]);
}
