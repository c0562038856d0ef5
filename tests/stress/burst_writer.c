/* One process of a burst: threads that write spans as fast as they can, and
 * note beside the tracing what became of every call.
 *
 *	burst_writer NOTES SEED PROCESS THREADS SPANS [PAUSE_US [REFUSED_US [KILL_US]]]
 *
 * Each thread writes SPANS spans, or as many as it came to when the word `stop`
 * of the notes was set. RUN_SPANS of them are one run: the first that is accepted
 * is its root and ends last. Every span is a start, a string of a real size, for one in
 * EVENT_EVERY an event, and an end; tests/stress/burst.py knows the plan too and
 * recomputes it. PAUSE_US is slept after each span, which makes a module of
 * ordinary speed; REFUSED_US after each span that was refused, which keeps a ring
 * full without counting to a billion. KILL_US: the kernel kills the process so
 * long after its start.
 *
 * NOTES is a new file: struct notes, then one byte a span and thread. They are
 * complete at any instruction: a mark is stored when its call returned, and
 * only the order of one process's own stores counts (so: relaxed). */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <spanring.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define NOTES_MAGIC 0x62757273u
#define THREADS_MAX 16u
#define RUN_SPANS 2000u
#define EVENT_EVERY 16u
#define LARGE 800000u

/* What became of a span's calls. */
enum mark {
	MARK_CALLED = 0x01,  /* the start was called */
	MARK_STARTED = 0x02, /* ... and accepted */
	MARK_REFUSED = 0x04, /* ... and refused: no other call follows */
	MARK_VALUE = 0x08,   /* the string was accepted */
	MARK_NO_VALUE = 0x10,
	MARK_EVENT = 0x20,
	MARK_NO_EVENT = 0x40,
	MARK_ENDED = 0x80, /* the end returned, with or without its time */
};

struct notes {
	uint32_t magic;
	uint32_t process;
	uint32_t threads;
	uint32_t spans;		 /* a thread */
	_Atomic uint32_t stop;	 /* set by who watches */
	_Atomic uint32_t errors; /* calls that failed for no reason a burst has */
	_Atomic uint32_t done;	 /* 1 when every thread came to its end */
	uint32_t run_spans;
	_Atomic uint64_t refused;     /* calls: -ENOBUFS of starts, strings and events */
	_Atomic uint64_t ends_lost;   /* -ENOBUFS of an end */
	_Atomic uint64_t waited;      /* by the library's own count */
	_Atomic uint64_t wall_ns;     /* from the first span to the last */
	_Atomic uint64_t call_ns_max; /* CPU time of the longest start */
	_Atomic uint8_t marks[];
};

struct writer {
	struct notes *notes;
	_Atomic uint8_t *marks;
	uint64_t seed;
	uint32_t thread;
	uint32_t pause_us;
	uint32_t refused_us;
	char *value;
};

static uint64_t mix(uint64_t x)
{
	x += UINT64_C(0x9e3779b97f4a7c15);
	x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
	return x ^ (x >> 31);
}

static uint64_t now_ns(clockid_t clock)
{
	struct timespec time;

	(void)clock_gettime(clock, &time);
	return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

static void add(_Atomic uint64_t *counter, uint64_t count)
{
	atomic_fetch_add_explicit(counter, count, memory_order_relaxed);
}

/* The lengths of strings in three real runs of a pipeline, by quantile in
 * thousandths, and a prompt of 800 KB now and then. */
static size_t value_length(uint64_t drawn)
{
	static const struct {
		uint32_t up_to, length;
	} quantiles[] = {{10, 3},     {250, 5},	   {500, 16},	{750, 436},
			 {900, 2343}, {950, 3884}, {990, 7247}, {1000, 37487}};
	uint32_t at = (uint32_t)(drawn % 1000), i = 1;

	if ((drawn >> 32) % 20000 == 0)
		return LARGE;
	while (at >= quantiles[i].up_to)
		i++;
	return quantiles[i - 1].length +
	       (size_t)(quantiles[i].length - quantiles[i - 1].length) *
		       (at > quantiles[i - 1].up_to ? at - quantiles[i - 1].up_to : 0) /
		       (quantiles[i].up_to - quantiles[i - 1].up_to);
}

/* "<process>.<thread>.<n>;" again and again. */
static size_t fill_value(const struct writer *writer, uint32_t n)
{
	uint64_t which =
		((uint64_t)writer->notes->process << 40) | ((uint64_t)writer->thread << 32) | n;
	size_t length = value_length(mix(writer->seed ^ mix(which))), filled;
	char stamp[40];
	int stamped = snprintf(stamp, sizeof stamp, "%u.%u.%u;", writer->notes->process,
			       writer->thread, n);

	filled = (size_t)stamped < length ? (size_t)stamped : length;
	memcpy(writer->value, stamp, filled);
	/* Doubling keeps the stamp's period. */
	while (filled < length) {
		size_t more = filled < length - filled ? filled : length - filled;

		memcpy(writer->value + filled, writer->value, more);
		filled += more;
	}
	return length;
}

/* ---- calls, noted ---------------------------------------------------------- */

/* True when accepted. A full ring is what a burst is about; nothing else is. */
static bool accepted(struct writer *writer, int result)
{
	if (result == -ENOBUFS)
		add(&writer->notes->refused, 1);
	else if (result < 0)
		atomic_fetch_add_explicit(&writer->notes->errors, 1, memory_order_relaxed);
	return result >= 0;
}

static void mark(struct writer *writer, uint32_t n, unsigned marks)
{
	atomic_fetch_or_explicit(&writer->marks[n], (uint8_t)marks, memory_order_relaxed);
}

static void longest(struct notes *notes, uint64_t ns)
{
	uint64_t was = atomic_load_explicit(&notes->call_ns_max, memory_order_relaxed);

	while (ns > was && !atomic_compare_exchange_weak_explicit(&notes->call_ns_max, &was, ns,
								  memory_order_relaxed,
								  memory_order_relaxed))
		;
}

static bool start(struct writer *writer, uint32_t n, const struct spanring_span *parent,
		  struct spanring_span *ret_span)
{
	struct spanring_start_options options = SPANRING_START_OPTIONS_INIT;
	uint64_t before = 0;
	bool started;
	char name[48];

	(void)snprintf(name, sizeof name, "burst %u.%u.%u", writer->notes->process,
		       writer->thread, n);
	options.parent = parent;
	options.root = !parent;
	mark(writer, n, MARK_CALLED);
	if (n % 64 == 0)
		before = now_ns(CLOCK_THREAD_CPUTIME_ID);
	started = accepted(writer, spanring_start(ret_span, name, &options));
	if (before)
		longest(writer->notes, now_ns(CLOCK_THREAD_CPUTIME_ID) - before);
	mark(writer, n, started ? MARK_STARTED : MARK_REFUSED);
	return started;
}

static void fill(struct writer *writer, uint32_t n, struct spanring_span *span)
{
	size_t length = fill_value(writer, n);
	bool kept =
		accepted(writer, spanring_set_string_n(span, "value", writer->value, length));

	mark(writer, n, kept ? MARK_VALUE : MARK_NO_VALUE);
	if (n % EVENT_EVERY)
		return;
	kept = accepted(writer, spanring_add_event(span, "event", NULL, 0));
	mark(writer, n, kept ? MARK_EVENT : MARK_NO_EVENT);
}

static void end(struct writer *writer, uint32_t n, struct spanring_span *span)
{
	int result = spanring_end(span);

	if (result == -ENOBUFS)
		add(&writer->notes->ends_lost, 1);
	else if (result < 0)
		atomic_fetch_add_explicit(&writer->notes->errors, 1, memory_order_relaxed);
	mark(writer, n, MARK_ENDED);
}

/* ---- a run ----------------------------------------------------------------- */

static bool stopped(const struct notes *notes)
{
	return atomic_load_explicit(&notes->stop, memory_order_relaxed);
}

static void pause_for(uint32_t us)
{
	if (us)
		(void)usleep(us);
}

/* The run's root is the first span of it that is accepted. */
static void write_run(struct writer *writer, uint32_t first)
{
	uint32_t end_of_run = first + RUN_SPANS, root_n = 0;
	struct spanring_span root, span;
	bool rooted = false;

	if (end_of_run > writer->notes->spans)
		end_of_run = writer->notes->spans;
	for (uint32_t n = first; n < end_of_run && !stopped(writer->notes); n++) {
		if (!start(writer, n, rooted ? &root : NULL, &span)) {
			pause_for(writer->refused_us);
			continue;
		}
		fill(writer, n, &span);
		if (rooted) {
			end(writer, n, &span);
		} else {
			rooted = true;
			root = span;
			root_n = n;
		}
		pause_for(writer->pause_us);
	}
	if (rooted)
		end(writer, root_n, &root);
}

static void *write_runs(void *arg)
{
	struct writer *writer = arg;

	for (uint32_t n = 0; n < writer->notes->spans && !stopped(writer->notes);
	     n += RUN_SPANS)
		write_run(writer, n);
	return NULL;
}

/* ---- the process ----------------------------------------------------------- */

static struct notes *make_notes(const char *path, uint32_t threads, uint32_t spans)
{
	size_t length = sizeof(struct notes) + (size_t)threads * spans;
	int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	struct notes *notes;

	if (fd < 0 || ftruncate(fd, (off_t)length) < 0) {
		perror(path);
		exit(2);
	}
	notes = mmap(NULL, length, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (notes == MAP_FAILED) {
		perror("mmap");
		exit(2);
	}
	(void)close(fd);
	notes->threads = threads;
	notes->spans = spans;
	notes->run_spans = RUN_SPANS;
	return notes;
}

/* By the kernel's timer: in the middle of whatever the process does then. */
static void be_killed_in(uint32_t us)
{
	struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGKILL};
	struct itimerspec when = {.it_value = {us / 1000000, (us % 1000000) * 1000L + 1}};
	timer_t timer;

	if (timer_create(CLOCK_MONOTONIC, &event, &timer) < 0 ||
	    timer_settime(timer, 0, &when, NULL) < 0)
		exit(2);
}

static void write_all(struct writer *writers, uint32_t threads)
{
	pthread_t started[THREADS_MAX];

	for (uint32_t t = 0; t < threads; t++)
		if (pthread_create(&started[t], NULL, write_runs, &writers[t]) != 0)
			exit(2);
	for (uint32_t t = 0; t < threads; t++)
		(void)pthread_join(started[t], NULL);
}

int main(int argc, char **argv)
{
	struct spanring_report report = SPANRING_REPORT_INIT;
	struct writer writers[THREADS_MAX] = {{0}};
	uint32_t threads, spans;
	struct notes *notes;
	uint64_t began;

	if (argc < 6 || (threads = (uint32_t)strtoul(argv[4], NULL, 10)) < 1 ||
	    threads > THREADS_MAX) {
		(void)fprintf(stderr, "usage: burst_writer NOTES SEED PROCESS THREADS SPANS "
				      "[PAUSE_US [REFUSED_US [KILL_US]]]\n");
		return 2;
	}
	spans = (uint32_t)strtoul(argv[5], NULL, 10);
	notes = make_notes(argv[1], threads, spans);
	notes->process = (uint32_t)strtoul(argv[3], NULL, 10);
	for (uint32_t t = 0; t < threads; t++)
		writers[t] = (struct writer){
			.notes = notes,
			.marks = notes->marks + (size_t)t * spans,
			.seed = strtoull(argv[2], NULL, 10),
			.thread = t,
			.pause_us = argc > 6 ? (uint32_t)strtoul(argv[6], NULL, 10) : 0,
			.refused_us = argc > 7 ? (uint32_t)strtoul(argv[7], NULL, 10) : 0,
			.value = malloc(LARGE),
		};
	notes->magic = NOTES_MAGIC; /* last: from here on the notes are worth reading */
	if (argc > 8)
		be_killed_in((uint32_t)strtoul(argv[8], NULL, 10));
	if (spanring_init(NULL) < 0)
		atomic_fetch_add_explicit(&notes->errors, 1, memory_order_relaxed);
	began = now_ns(CLOCK_MONOTONIC);
	write_all(writers, threads);
	add(&notes->wall_ns, now_ns(CLOCK_MONOTONIC) - began);
	(void)spanring_state(&report);
	add(&notes->waited, report.waited);
	atomic_store_explicit(&notes->done, 1, memory_order_relaxed);
	return 0;
}
