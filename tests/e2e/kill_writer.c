/* Writers that are killed, again and again, and their killer.
 *
 *	kill_writer NOTES_DIR SEED LIVES MODE [PAUSE_US [THREADS]]
 *
 * Lives are processes of two threads each, or THREADS, four of them at a time. MODE:
 *	kill	SIGKILL by the kernel's timer, within 3 ms of the start
 *	mixed	after a number of calls half are killed, half end and exit 0
 * LIVES 0: until SIGTERM, then the living end by themselves. PAUSE_US is slept
 * after each cycle, to make a load of a known size instead of a burst. Notes
 * are in NOTES_DIR/<life>.notes; prints the number of lives. */
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
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "kill_notes.h"

#define AT_A_TIME 4
#define CALLS_DRAWN 3000u
#define KILL_WITHIN_NS 3000000u
#define WATCH_NS 200000
/* The agent may be dead for a moment; a full ring is worth waiting for. */
#define WAIT_MS 20000

struct plan {
	const char *directory;
	uint64_t seed;
	uint32_t lives;
	bool mixed;
	uint32_t pause_us;
	uint32_t threads;
};

struct life {
	struct kill_notes *notes;
	pid_t pid;
	uint32_t calls; /* mixed: to kill or to stop after */
	bool killed;
};

static volatile sig_atomic_t stopping;

static uint64_t mix(uint64_t x)
{
	x += UINT64_C(0x9e3779b97f4a7c15);
	x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
	return x ^ (x >> 31);
}

static void sleep_ns(uint64_t ns)
{
	struct timespec time = {(time_t)(ns / 1000000000), (long)(ns % 1000000000)};

	(void)nanosleep(&time, NULL);
}

/* ---- a writer ------------------------------------------------------------- */

struct writer {
	struct kill_notes *notes;
	const struct plan *plan;
	const struct spanring_span *life;
	uint32_t thread, n;
	char *value;
};

/* The value of attribute n: a text that only this thread's n has, of a length
 * from 12 to 411 bytes, a long one or a large one. kill_checker.py makes the
 * same. */
static size_t kill_value(uint32_t life, uint32_t thread, uint32_t n, char *ret_value)
{
	char stamp[40];
	bool large = life % 4 == 0 && n % KILL_LARGE_EVERY == KILL_LARGE_AT;
	size_t length = large				      ? KILL_LARGE
			: n % KILL_LONG_EVERY == KILL_LONG_AT ? KILL_LONG
							      : 12 + n * 37 % 400;
	size_t size = (size_t)snprintf(stamp, sizeof stamp, "%u.%u.%u;", life, thread, n);

	for (size_t i = 0; i < length; i += size)
		memcpy(ret_value + i, stamp, i + size <= length ? size : length - i);
	return length;
}

static void note(struct writer *writer, int result)
{
	atomic_store_explicit(&writer->notes->notes[writer->thread][writer->n],
			      result < 0 ? KILL_REFUSED : KILL_RETURNED, memory_order_relaxed);
	atomic_fetch_add_explicit(&writer->notes->calls, 1, memory_order_relaxed);
}

static int start_cycle(struct writer *writer, struct spanring_span *span)
{
	struct spanring_start_options options = SPANRING_START_OPTIONS_INIT;
	struct spanring_attribute attributes[] = {
		spanring_int("thread", writer->thread),
		spanring_int("n", writer->n),
	};
	char name[32];

	(void)snprintf(name, sizeof name, "cycle %u", writer->n);
	options.parent = writer->life;
	options.attributes = attributes;
	options.attribute_count = 2;
	return spanring_start(span, name, &options);
}

static int add_event(struct writer *writer, struct spanring_span *span)
{
	struct spanring_attribute number = spanring_int("n", writer->n);
	char name[32];

	(void)snprintf(name, sizeof name, "e%u", writer->n);
	return spanring_add_event(span, name, &number, 1);
}

static int set_value(struct writer *writer, struct spanring_span *span)
{
	size_t length =
		kill_value(writer->notes->life, writer->thread, writer->n, writer->value);
	char key[32];

	(void)snprintf(key, sizeof key, "a%u", writer->n);
	return spanring_set_string_n(span, key, writer->value, length);
}

static int call(struct writer *writer, struct spanring_span *span)
{
	switch (writer->n % KILL_CYCLE) {
	case 0:
		return start_cycle(writer, span);
	case 5:
		return add_event(writer, span);
	case 6:
		return spanring_set_status(span, SPANRING_STATUS_OK, NULL);
	case 7:
		return spanring_end(span);
	default:
		return set_value(writer, span);
	}
}

static void *write_cycles(void *arg)
{
	struct writer *writer = arg;
	struct spanring_span span;

	for (writer->n = 0; writer->n < KILL_CALLS_MAX; writer->n++) {
		if (writer->n % KILL_CYCLE == 0) {
			if (atomic_load_explicit(&writer->notes->stop, memory_order_relaxed))
				break;
			if (writer->plan->pause_us)
				sleep_ns(writer->plan->pause_us * UINT64_C(1000));
		}
		atomic_store_explicit(&writer->notes->notes[writer->thread][writer->n],
				      KILL_CALLED, memory_order_relaxed);
		note(writer, call(writer, &span));
	}
	return NULL;
}

static void start_life(struct kill_notes *notes, struct spanring_span *ret_life)
{
	struct spanring_start_options options = SPANRING_START_OPTIONS_INIT;
	uint8_t trace_id[16] = {0xe2, 0xee}, span_id[8] = {0xe2, 0xee};

	memcpy(trace_id + 12, &notes->life, 4);
	memcpy(span_id + 4, &notes->life, 4);
	options.root = true;
	options.trace_id = trace_id;
	options.span_id = span_id;
	atomic_store_explicit(&notes->life_note, KILL_CALLED, memory_order_relaxed);
	if (spanring_start(ret_life, "life", &options) < 0)
		atomic_fetch_add_explicit(&notes->errors, 1, memory_order_relaxed);
	atomic_store_explicit(&notes->life_note, KILL_RETURNED, memory_order_relaxed);
}

/* The kernel kills on time wherever the process is; another process would have
 * to be scheduled first. */
static void be_killed_in(uint64_t ns)
{
	struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGKILL};
	struct itimerspec when = {.it_value.tv_nsec = (long)ns + 1};
	timer_t timer;

	if (timer_create(CLOCK_MONOTONIC, &event, &timer) < 0 ||
	    timer_settime(timer, 0, &when, NULL) < 0)
		exit(1);
}

static int live(const struct plan *plan, struct kill_notes *notes)
{
	struct spanring_options options = SPANRING_OPTIONS_INIT;
	struct writer writers[KILL_THREADS_MAX];
	pthread_t threads[KILL_THREADS_MAX];
	struct spanring_span life;

	options.service_name = "writer";
	options.wait_ms = WAIT_MS;
	if (spanring_init(&options) < 0)
		atomic_fetch_add_explicit(&notes->errors, 1, memory_order_relaxed);
	start_life(notes, &life);
	for (uint32_t t = 0; t < plan->threads; t++) {
		writers[t] = (struct writer){notes, plan, &life, t, 0, malloc(KILL_LARGE)};
		if (pthread_create(&threads[t], NULL, write_cycles, &writers[t]) != 0)
			return 1;
	}
	for (uint32_t t = 0; t < plan->threads; t++)
		(void)pthread_join(threads[t], NULL);
	(void)spanring_end(&life);
	return 0;
}

/* ---- the killer ------------------------------------------------------------ */

static struct kill_notes *open_notes(const struct plan *plan, uint32_t life)
{
	struct kill_notes *notes;
	char path[4096];
	int fd;

	(void)snprintf(path, sizeof path, "%s/%u.notes", plan->directory, life);
	fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0 || ftruncate(fd, sizeof *notes) < 0) {
		perror(path);
		exit(1);
	}
	notes = mmap(NULL, sizeof *notes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (notes == MAP_FAILED) {
		perror("mmap");
		exit(1);
	}
	close(fd);
	notes->magic = KILL_MAGIC;
	notes->life = life;
	notes->threads = plan->threads;
	return notes;
}

/* Lives whose number is divisible by four have large values: one in four when
 * short, one in sixteen under a load that lasts. */
static uint32_t life_number(const struct plan *plan, uint32_t begun)
{
	return plan->mixed ? 4 * begun + (begun % 16 != 0) : begun;
}

static void begin(const struct plan *plan, struct life *life, uint32_t number)
{
	uint64_t drawn = mix(plan->seed ^ ((uint64_t)number << 32));

	life->notes = open_notes(plan, number);
	life->calls = (uint32_t)(drawn % CALLS_DRAWN);
	life->killed = !plan->mixed || drawn >> 63;
	life->pid = fork();
	if (life->pid == 0) {
		if (!plan->mixed)
			be_killed_in(drawn % KILL_WITHIN_NS);
		exit(live(plan, life->notes));
	}
	if (life->pid < 0) {
		perror("fork");
		exit(1);
	}
}

/* True once the life is over. */
static bool watch(const struct plan *plan, struct life *life)
{
	uint32_t calls = atomic_load_explicit(&life->notes->calls, memory_order_relaxed);
	bool enough = plan->mixed && calls >= life->calls;
	int status;

	if (enough && life->killed && !stopping)
		(void)kill(life->pid, SIGKILL);
	if (enough || stopping)
		atomic_store_explicit(&life->notes->stop, 1, memory_order_relaxed);
	if (waitpid(life->pid, &status, WNOHANG) != life->pid)
		return false;
	(void)munmap(life->notes, sizeof *life->notes);
	life->notes = NULL;
	if (WIFEXITED(status) ? WEXITSTATUS(status) != 0 : WTERMSIG(status) != SIGKILL) {
		(void)fprintf(stderr, "kill_writer: a life ended with %#x\n", status);
		exit(1);
	}
	return true;
}

static void on_term(int number)
{
	(void)number;
	stopping = 1;
}

int main(int argc, char **argv)
{
	struct life lives[AT_A_TIME] = {{0}};
	struct plan plan = {0};
	uint32_t begun = 0, living = 0;

	if (argc < 5) {
		(void)fprintf(stderr,
			      "usage: kill_writer NOTES_DIR SEED LIVES kill|mixed [PAUSE_US "
			      "[THREADS]]\n");
		return 2;
	}
	plan.directory = argv[1];
	plan.seed = strtoull(argv[2], NULL, 10);
	plan.lives = (uint32_t)strtoul(argv[3], NULL, 10);
	plan.mixed = strcmp(argv[4], "mixed") == 0;
	plan.pause_us = argc > 5 ? (uint32_t)strtoul(argv[5], NULL, 10) : 0;
	plan.threads = argc > 6 ? (uint32_t)strtoul(argv[6], NULL, 10) : KILL_THREADS;
	if (plan.threads > KILL_THREADS_MAX)
		plan.threads = KILL_THREADS_MAX;
	(void)signal(SIGTERM, on_term);
	do {
		for (int i = 0; i < AT_A_TIME; i++) {
			if (lives[i].notes && watch(&plan, &lives[i]))
				living--;
			if (!lives[i].notes && !stopping &&
			    (!plan.lives || begun < plan.lives)) {
				begin(&plan, &lives[i], life_number(&plan, begun++));
				living++;
			}
		}
		sleep_ns(WATCH_NS);
	} while (living);
	printf("%u\n", begun);
	return 0;
}
