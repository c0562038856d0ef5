/* A death after every single instruction of the client's writes (M1), a signal
 * handler that writes a span in between, or forks (M3), one that never returns
 * (M4).
 *
 * The module is stepped by ptrace between two stops of its own. After each step
 * its ring is what a SIGKILL would leave there: a reader looks at it, and what
 * it finds must be a prefix of what the finished module leaves, to the byte. */
#include "client_fixture.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

/* The same program, built another way, proves rows of its own. */
#ifndef VARIANT
#define VARIANT ""
#endif

#define RING_BYTES (1u << 20)
#define LOOKS_MAX 65536

/* ---- the modules that are stepped ------------------------------------------ */

static const char *directory;

static void begin_tracing(void)
{
	struct spanring_options options = SPANRING_OPTIONS_INIT;

	options.directory = directory;
	options.ring_bytes_max = RING_BYTES;
	options.flags = SPANRING_RESOURCE_WHOLE | SPANRING_IGNORE_ENVIRONMENT;
	if (spanring_init(&options) != 0)
		_exit(100);
}

static void write_one_of_each(void)
{
	struct spanring_attribute attributes[] = {spanring_string("model", "gemini"),
						  spanring_int("tokens", 912)};
	struct spanring_context linked = {.trace_id = {1}, .span_id = {2}};
	struct spanring_link link = {&linked, attributes, 1};
	struct spanring_span root, span;

	spanring_start(&root, "root", NULL);
	spanring_start_with(&span, "span", .parent = &root, .attributes = attributes,
			    .attribute_count = 2);
	spanring_set_string(&span, "key", "value");
	spanring_set_int(&span, "number", 7);
	spanring_add_event(&span, "event", attributes, 2);
	spanring_add_link(&span, &link);
	spanring_update_name(&span, "renamed");
	spanring_set_status(&span, SPANRING_STATUS_ERROR, "why");
	spanring_end(&span);
	spanring_end(&root);
}

static void module_each_record(void)
{
	begin_tracing();
	raise(SIGSTOP);
	write_one_of_each();
	raise(SIGSTOP);
}

/* Starts close to the end of a block: what follows crosses it. */
static void module_block_change(void)
{
	static char filler[3900];
	struct spanring_span span;

	begin_tracing();
	spanring_start(&span, "filler", NULL);
	for (int i = 0; i < 4; i++)
		spanring_set_string_n(&span, "k", filler, sizeof filler);
	for (int i = 0; i < 5; i++)
		spanring_set_string_n(&span, "k", filler, 64);
	raise(SIGSTOP);
	write_one_of_each();
	raise(SIGSTOP);
}

static void module_fragments(void)
{
	static char value[18000];
	struct spanring_span span;

	memset(value, 'v', sizeof value);
	begin_tracing();
	spanring_start(&span, "span", NULL);
	raise(SIGSTOP);
	spanring_set_string_n(&span, "large", value, sizeof value);
	spanring_set_int(&span, "after", 1);
	raise(SIGSTOP);
}

static void module_ring_create(void)
{
	struct spanring_span span;

	raise(SIGSTOP);
	begin_tracing();
	spanring_start(&span, "first", NULL);
	raise(SIGSTOP);
}

/* ---- stepping -------------------------------------------------------------- */

static pid_t start_module(void (*module)(void), void (*handler)(int))
{
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		/* Stopped for ever, should the test fail before it ends us. */
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		(void)ptrace(PTRACE_TRACEME, 0, NULL, NULL);
		if (handler)
			(void)signal(SIGUSR1, handler);
		module();
		_exit(0);
	}
	assert_true(pid > 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSTOPPED(status) && WSTOPSIG(status) == SIGSTOP);
	return pid;
}

/* One instruction, delivering a signal or none. False at the module's stop. */
static bool step(pid_t pid, int signal)
{
	int status;

	assert_int_equal(ptrace(PTRACE_SINGLESTEP, pid, NULL, (void *)(intptr_t)signal), 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSTOPPED(status));
	return WSTOPSIG(status) != SIGSTOP;
}

static void end_module(pid_t pid)
{
	int status;

	kill(pid, SIGKILL);
	(void)waitpid(pid, &status, 0);
}

static void remove_files(void)
{
	DIR *dir = opendir(directory);
	struct dirent *entry;

	while ((entry = readdir(dir)) != NULL)
		if (entry->d_name[0] != '.')
			(void)unlinkat(dirfd(dir), entry->d_name, 0);
	closedir(dir);
}

/* ---- looking --------------------------------------------------------------- */

/* What was seen after a step: so many records, and all their bytes as one sum. */
struct look {
	size_t count;
	uint64_t sum;
};

static uint64_t add_record(uint64_t sum, const struct ring_record *record)
{
	for (uint32_t i = 0; i < record->length; i++)
		sum = (sum ^ record->bytes[i]) * UINT64_C(0x100000001b3);
	return sum;
}

static struct look look_at(const uint8_t *ring, long step_number)
{
	struct ring_view view;
	struct look look = {0, 1469598103934665603u};

	if (ring_view_read(&view, ring, RING_BYTES, NULL) < 0) {
		print_error("after instruction %ld: %s\n", step_number, view.why);
		fail();
	}
	look.count = view.count;
	for (size_t i = 0; i < view.count; i++)
		look.sum = add_record(look.sum, &view.records[i]);
	ring_view_close(&view);
	return look;
}

/* The state words of the first blocks: a look is worth it when they change. */
static uint64_t state_words(const uint8_t *ring)
{
	const struct wire_block_line *line =
		(const struct wire_block_line *)(ring + WIRE_HEADER_BYTES);
	uint64_t sum = 0;

	for (int i = 0; i < 8; i++)
		sum = sum * 31 + ((uint64_t)line[i].generation << 32 | line[i].committed);
	return sum;
}

static const uint8_t *map_ring(void)
{
	struct fake_agent agent;

	fake_agent_open(&agent, directory);
	munmap(agent.ctl, wire_ctl_bytes(agent.block_count));
	return agent.ring;
}

static void assert_prefixes(const uint8_t *ring, const struct look *looks, size_t count)
{
	struct ring_view view;
	uint64_t *sums;

	assert_int_equal(ring_view_read(&view, ring, RING_BYTES, NULL), 0);
	sums = calloc(view.count + 1, sizeof *sums);
	sums[0] = 1469598103934665603u;
	for (size_t i = 0; i < view.count; i++)
		sums[i + 1] = add_record(sums[i], &view.records[i]);
	for (size_t i = 0; i < count; i++) {
		assert_true(looks[i].count <= view.count);
		assert_true(i == 0 || looks[i].count >= looks[i - 1].count);
		assert_true(looks[i].sum == sums[looks[i].count]);
	}
	assert_int_equal(looks[count - 1].count, view.count);
	free(sums);
	ring_view_close(&view);
}

/* Steps a module that has its ring; returns the number of its instructions. */
static long step_through(void (*module)(void), size_t *ret_records)
{
	static struct look looks[LOOKS_MAX];
	pid_t pid = start_module(module, NULL);
	const uint8_t *ring = map_ring();
	uint64_t words = 0;
	size_t count = 0;
	long steps = 0;

	do {
		uint64_t now = state_words(ring);

		if (now != words || steps % 256 == 0) {
			assert_true(count < LOOKS_MAX);
			looks[count++] = look_at(ring, steps);
			words = now;
		}
		steps++;
	} while (step(pid, 0));
	looks[count++] = look_at(ring, steps);
	assert_prefixes(ring, looks, count);
	*ret_records = looks[count - 1].count - looks[0].count;
	end_module(pid);
	munmap((void *)(uintptr_t)ring, RING_BYTES);
	remove_files();
	return steps;
}

static void killed_anywhere_in_any_record_exactly_the_committed_ones_are_there(void **state)
{
	size_t records;
	long steps = step_through(module_each_record, &records);

	(void)state;
	print_message("%ld instructions, %zu records\n", steps, records);
	assert_int_equal(records, 12);
}

static void killed_anywhere_in_a_change_of_blocks_too(void **state)
{
	size_t records;
	long steps = step_through(module_block_change, &records);

	(void)state;
	print_message("%ld instructions, %zu records\n", steps, records);
	assert_int_equal(records, 12);
}

static void killed_anywhere_in_a_large_value_it_is_there_whole_or_not_at_all(void **state)
{
	size_t records;
	long steps = step_through(module_fragments, &records);

	(void)state;
	print_message("%ld instructions, %zu records\n", steps, records);
	assert_int_equal(records, 2);
}

/* ---- making the ring ------------------------------------------------------- */

static bool ring_name(char ret_path[512])
{
	DIR *dir = opendir(directory);
	struct dirent *entry;
	bool found = false;

	while ((entry = readdir(dir)) != NULL) {
		const char *end = entry->d_name + strlen(entry->d_name);

		if (end - entry->d_name < 6 || strcmp(end - 5, WIRE_RING_SUFFIX) != 0)
			continue;
		(void)snprintf(ret_path, 512, "%s/%s", directory, entry->d_name);
		found = true;
	}
	closedir(dir);
	return found;
}

static bool is_locked(int fd)
{
	struct flock lock = {.l_type = F_RDLCK, .l_whence = SEEK_SET, .l_len = 1};

	assert_int_equal(fcntl(fd, F_OFD_GETLK, &lock), 0);
	return lock.l_type == F_WRLCK;
}

/* Only system calls change a directory, and only they are many steps apart:
 * the directory is read where the last instruction was one. */
static void a_ring_is_never_seen_half_made_or_unlocked(void **state)
{
	pid_t pid = start_module(module_ring_create, NULL);
	const uint8_t *ring = NULL;
	uint64_t words = 0;
	char path[512];
	long steps = 0;
	int fd = -1;

	(void)state;
	while (step(pid, 0)) {
		steps++;
		if (!ring && ring_name(path)) {
			fd = open(path, O_RDONLY | O_CLOEXEC);
			assert_true(fd >= 0);
			ring = mmap(NULL, RING_BYTES, PROT_READ, MAP_SHARED, fd, 0);
			assert_true(ring != MAP_FAILED);
		}
		if (!ring)
			continue;
		if (state_words(ring) == words && steps % 64)
			continue;
		words = state_words(ring);
		assert_true(is_locked(fd));
		(void)look_at(ring, steps);
	}
	assert_non_null(ring);
	print_message("%ld instructions\n", steps);
	end_module(pid);
	assert_false(is_locked(fd));
	close(fd);
	munmap((void *)(uintptr_t)ring, RING_BYTES);
	remove_files();
}

/* ---- handlers -------------------------------------------------------------- */

static void handler_writes(int signal)
{
	struct spanring_span span;

	(void)signal;
	spanring_start(&span, "handler", NULL);
	spanring_set_string(&span, "from", "handler");
	spanring_end(&span);
}

/* Steps to instruction `at`, delivers the signal there, lets the rest run. */
static bool run_with_signal(void (*module)(void), void (*handler)(int), long at)
{
	pid_t pid = start_module(module, handler);
	int status, signal;

	for (long i = 0; i < at; i++)
		if (!step(pid, 0)) {
			end_module(pid);
			remove_files();
			return false;
		}
	signal = SIGUSR1;
	do {
		assert_int_equal(ptrace(PTRACE_CONT, pid, NULL, (void *)(intptr_t)signal), 0);
		assert_int_equal(waitpid(pid, &status, 0), pid);
		signal = 0;
	} while (WIFSTOPPED(status) && WSTOPSIG(status) == SIGCHLD);
	assert_true(WIFSTOPPED(status) && WSTOPSIG(status) == SIGSTOP);
	end_module(pid);
	return true;
}

static void check_handlers_span(long at)
{
	const struct wire_ring_header *header;
	struct ring_view view;
	size_t starts, refused;

	if (ring_view_open(&view, directory) < 0) {
		print_error("handler at %ld: %s\n", at, view.why ? view.why : "no ring");
		fail();
	}
	header = ring_view_header(&view);
	starts = ring_view_count(&view, WIRE_START);
	refused = header->refused[WIRE_REFUSED_REENTRANT];
	/* The module's two spans are whole; the handler's is there or counted.
	 * It may have lost single records, too: never more than its three. */
	assert_true(starts == 2 || starts == 3);
	assert_true(starts == 3 ? refused == 0 : refused == 1);
	assert_int_equal(ring_view_count(&view, WIRE_END), starts);
	assert_int_equal(ring_view_count(&view, WIRE_ATTRIBUTE), starts == 3 ? 5 : 4);
	assert_int_equal(ring_view_count(&view, WIRE_EVENT), 1);
	ring_view_close(&view);
	remove_files();
}

static void a_handler_at_any_instruction_writes_its_span_or_is_counted(void **state)
{
	long at = 1, runs = 0;

	(void)state;
	while (run_with_signal(module_each_record, handler_writes, at)) {
		check_handlers_span(at);
		at += 43;
		runs++;
	}
	print_message("%ld runs\n", runs);
	assert_true(runs > 50);
}

static volatile sig_atomic_t is_child, has_written;

/* The child goes on in the middle of the interrupted write, like its parent.
 * Behind the writes there is none: it would stop where its parent does. */
static void handler_forks(int signal)
{
	int status;
	pid_t pid;

	(void)signal;
	if (has_written)
		return;
	pid = fork();
	if (pid == 0)
		is_child = 1;
	else if (pid < 0 || waitpid(pid, &status, 0) != pid || status != 0)
		_exit(103);
}

static void module_that_forks(void)
{
	struct spanring_span span;

	begin_tracing();
	raise(SIGSTOP);
	write_one_of_each();
	has_written = 1;
	if (is_child)
		_exit(spanring_start(&span, "own", NULL) || spanring_end(&span));
	raise(SIGSTOP);
}

static void a_child_forked_in_the_middle_of_a_write_goes_on(void **state)
{
	long at = 1, runs = 0;

	(void)state;
	while (run_with_signal(module_that_forks, handler_forks, at)) {
		remove_files();
		at += 61;
		runs++;
	}
	print_message("%ld runs\n", runs);
	assert_true(runs > 30);
}

static sigjmp_buf way_out;

static void handler_leaves(int signal)
{
	(void)signal;
	siglongjmp(way_out, 1);
}

/* The interrupted write never ends; the thread must be able to go on. */
static void module_that_jumps(void)
{
	struct spanring_span span;
	volatile int recorded = 0;

	begin_tracing();
	if (sigsetjmp(way_out, 1) == 0) {
		raise(SIGSTOP);
		write_one_of_each();
		raise(SIGSTOP);
		_exit(101);
	}
	for (int i = 0; i < 200; i++) {
		if (spanring_start(&span, "after", NULL) == 0)
			recorded = recorded + 1;
		spanring_end(&span);
	}
	if (recorded < 100)
		_exit(102);
	raise(SIGSTOP);
}

static void a_handler_that_jumps_out_of_a_write_stops_tracing_for_a_moment_only(void **state)
{
	long at = 1, runs = 0;

	(void)state;
	while (run_with_signal(module_that_jumps, handler_leaves, at)) {
		struct ring_view view;
		int r = ring_view_open(&view, directory);

		if (r < 0)
			print_error("jump at %ld: %s\n", at, view.why ? view.why : "no ring");
		assert_int_equal(r, 0);
		ring_view_close(&view);
		remove_files();
		at += 211;
		runs++;
	}
	print_message("%ld runs\n", runs);
	assert_true(runs > 10);
}

static int make_directory(void **state)
{
	static char path[] = "/dev/shm/spanring-kill-XXXXXX";

	cpu_set_t one;

	(void)state;
	/* Stepping goes twice as fast when tracer and module share a CPU. */
	CPU_ZERO(&one);
	CPU_SET((unsigned)sched_getcpu(), &one);
	(void)sched_setaffinity(0, sizeof one, &one);
	directory = mkdtemp(path);
	return directory ? 0 : -1;
}

static int remove_directory(void **state)
{
	(void)state;
	remove_files();
	return rmdir(directory);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			killed_anywhere_in_any_record_exactly_the_committed_ones_are_there),
		cmocka_unit_test(killed_anywhere_in_a_change_of_blocks_too),
		cmocka_unit_test(
			killed_anywhere_in_a_large_value_it_is_there_whole_or_not_at_all),
		cmocka_unit_test(a_ring_is_never_seen_half_made_or_unlocked),
		cmocka_unit_test(a_handler_at_any_instruction_writes_its_span_or_is_counted),
		cmocka_unit_test(a_child_forked_in_the_middle_of_a_write_goes_on),
		cmocka_unit_test(
			a_handler_that_jumps_out_of_a_write_stops_tracing_for_a_moment_only),
	};

	int failed = cmocka_run_group_tests(tests, make_directory, remove_directory);

	if (failed == 0) {
		puts("row M1" VARIANT " passed: after each instruction the committed prefix, "
		     "to the byte");
		puts("row M3" VARIANT " passed: a handler at each instruction writes its span "
		     "or is counted; one that forks harms neither");
		puts("row M4" VARIANT " passed: a handler that jumps out stops tracing for a "
		     "moment only");
	}
	return failed;
}
