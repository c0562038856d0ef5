/* A process at its limits.
 *
 *	limits LIMIT WHEN
 *
 * LIMIT: nofile, as (address space), fsize. WHEN: init; later (after the first
 * span); child (in a child, at its first span). And:
 *	limits pipe		SPANRING_LOG=stderr into a pipe nobody reads
 * Nothing of it may end the process, and when the limit is gone, tracing is
 * there. */
#include "told.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>

#define MIB (1u << 20)
#define RING_BYTES (16u * MIB)
#define THREADS 40
#define PATIENCE_S 20

static struct rlimit before;
static int resource;

/* ---- limits ---------------------------------------------------------------- */

static rlim_t address_space(void)
{
	unsigned long pages = 0;
	FILE *file = fopen("/proc/self/statm", "r");

	told_check(file && fscanf(file, "%lu", &pages) == 1);
	fclose(file);
	return (rlim_t)pages * (rlim_t)sysconf(_SC_PAGESIZE);
}

static void lower(const char *what, rlim_t room)
{
	struct rlimit low;

	resource = strcmp(what, "nofile") == 0 ? RLIMIT_NOFILE
		   : strcmp(what, "as") == 0   ? RLIMIT_AS
					       : RLIMIT_FSIZE;
	told_check(getrlimit(resource, &before) == 0);
	low = before;
	low.rlim_cur = resource == RLIMIT_AS ? address_space() + room : 0;
	told_check(setrlimit(resource, &low) == 0);
}

static void restore(void)
{
	told_check(setrlimit(resource, &before) == 0);
}

/* ---- at init ----------------------------------------------------------------- */

static void expect_off(int error)
{
	struct spanring_report report = SPANRING_REPORT_INIT;

	told_check(spanring_state(&report) == 0 && report.on == 0);
	told_check(report.error == error);
	told_check(report.reason == (error == EMFILE   ? SPANRING_REASON_SYSTEM
				     : error == ENOMEM ? SPANRING_REASON_NO_MEMORY
						       : SPANRING_REASON_NO_SPACE));
}

static int error_of(const char *what)
{
	return strcmp(what, "nofile") == 0 ? EMFILE : strcmp(what, "as") == 0 ? ENOMEM : EFBIG;
}

/* Looked for again at starts of spans: a moment's trouble is not for ever. */
static void expect_on_again(const char *name)
{
	const struct timespec moment = {.tv_nsec = 50000000};
	struct spanring_span span;

	for (int i = 0; i < PATIENCE_S * 20; i++) {
		told_check(told_start(&span, name, NULL) == 0);
		if (spanring_is_recording(&span))
			break;
		(void)nanosleep(&moment, NULL);
	}
	told_check(spanring_is_recording(&span));
	told_check(told_end(&span) == 0);
	told_check(spanring_state(NULL) == 1);
}

static void at_init(const char *what)
{
	struct spanring_options options = SPANRING_OPTIONS_INIT;
	struct spanring_span span;

	told_begin();
	options.ring_bytes_max = RING_BYTES;
	lower(what, MIB); /* a page here and there, but no ring */
	told_check(spanring_init(&options) == -error_of(what));
	told_check(spanring_start(&span, "refused", NULL) == 0);
	told_check(!spanring_is_recording(&span) && spanring_end(&span) == 0);
	restore();
	expect_off(error_of(what));
	expect_on_again("after the limit");
}

/* ---- later -------------------------------------------------------------------- */

static pthread_barrier_t all_there;
static bool in_limit; /* told() cannot open its file */
static _Atomic uint32_t refused_here;

static void *one_of_many(void *unused)
{
	struct spanring_span span;

	pthread_barrier_wait(&all_there);
	if (!in_limit)
		told_span("of a thread");
	else if (spanring_start(&span, "of a thread", NULL) == -ENOMEM)
		atomic_fetch_add(&refused_here, 1);
	else
		(void)spanring_end(&span);
	pthread_barrier_wait(&all_there);
	return unused;
}

/* More than one chunk of the table of threads; the threads exist before. */
static void later(const char *what)
{
	char value[4000];
	struct spanring_report report = SPANRING_REPORT_INIT;
	struct spanring_span span;
	pthread_t threads[THREADS];

	memset(value, 'v', sizeof value);
	told_init(RING_BYTES, PATIENCE_S * 1000);
	told_span("before the limit");
	told_check(spanring_flush(PATIENCE_S * 1000) == 0);
	pthread_barrier_init(&all_there, NULL, THREADS + 1);
	for (int i = 0; i < THREADS; i++)
		told_check(pthread_create(&threads[i], NULL, one_of_many, NULL) == 0);
	told_check(told_start(&span, "outlives the limit", NULL) == 0);
	lower(what, 0);
	in_limit = true;
	/* Three rings' worth: blocks are made real and come back meanwhile. */
	for (int i = 0; i < 12000; i++)
		if (spanring_set_string_n(&span, "value", value, sizeof value) != 0)
			break;
	told_check(spanring_context_to_file(
			   &(struct spanring_context){.trace_id = {1}, .span_id = {1}},
			   "context-of-a-limit") ==
		   (resource == RLIMIT_AS ? 0 : -error_of(what)));
	pthread_barrier_wait(&all_there);
	pthread_barrier_wait(&all_there);
	restore();
	in_limit = false;
	(void)unlink("context-of-a-limit");
	for (int i = 0; i < THREADS; i++)
		told_check(pthread_join(threads[i], NULL) == 0);
	told_check(spanring_state(&report) == 1);
	/* Of the threads that found no place in the table, each call. */
	told_check(report.refused_no_memory == refused_here);
	told_check((refused_here != 0) == (resource == RLIMIT_AS));
	told("say %u refused for memory", report.refused_no_memory);
	told_span("after the limit");
	told_check(told_end(&span) == 0);
}

static void in_child(const char *what)
{
	struct spanring_span span, own;
	int status = -1;
	pid_t pid;

	told_init(RING_BYTES, 0);
	told_check(told_start(&span, "of the parent", NULL) == 0);
	pid = fork();
	if (pid == 0) {
		int r;

		lower(what, MIB);
		r = spanring_start(&own, "refused", NULL);
		restore();
		told_check(r == 0 && !spanring_is_recording(&own));
		expect_off(error_of(what));
		expect_on_again("of the child, after the limit");
		_exit(0);
	}
	told_check(waitpid(pid, &status, 0) == pid && status == 0);
	told_check(told_end(&span) == 0);
}

/* ---- standard error -------------------------------------------------------------- */

static void into_a_broken_pipe(void)
{
	int ends[2];

	told_check(pipe(ends) == 0 && dup2(ends[1], STDERR_FILENO) == STDERR_FILENO);
	close(ends[0]);
	close(ends[1]);
	(void)setenv("SPANRING_LOG", "stderr", 1);
	(void)setenv("SPANRING_WAIT_MS", "no number", 1);
	told_init(RING_BYTES, 0);
	told_span("although nobody listens");
}

int main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "", *when = argc > 2 ? argv[2] : "";

	if (strcmp(what, "pipe") == 0)
		into_a_broken_pipe();
	else if (strcmp(when, "init") == 0)
		at_init(what);
	else if (strcmp(when, "later") == 0)
		later(what);
	else
		in_child(what);
	return 0;
}
