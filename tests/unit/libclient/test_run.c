#include "ring_view.h"
#include "spanring.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define PARENT "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"

static char directory[64];
static char context_path[96];

static int make_directory(void **state)
{
	(void)state;
	strcpy(directory, "/dev/shm/test_run.XXXXXX");
	if (!mkdtemp(directory))
		return -1;
	snprintf(context_path, sizeof context_path, "%s/context", directory);
	unsetenv("TRACEPARENT");
	unsetenv("SPANRING_CONTEXT_FILE");
	return 0;
}

static int remove_directory(void **state)
{
	char command[128];

	(void)state;
	snprintf(command, sizeof command, "rm -rf %s", directory);
	return system(command);
}

static void expect(bool condition)
{
	if (!condition)
		_exit(99);
}

static void begin_tracing(void)
{
	struct spanring_options options = SPANRING_OPTIONS_INIT;

	options.directory = directory;
	options.ring_bytes_max = 1 << 20;
	expect(spanring_init(&options) == 0);
}

/* Runs `body` in a process of its own, traced, and opens what it left. */
static void trace(void (*body)(void), struct ring_view *ret)
{
	pid_t child = fork();
	int status;

	assert_true(child >= 0);
	if (child == 0) {
		begin_tracing();
		body();
		exit(0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	if (ret)
		assert_int_equal(ring_view_open(ret, directory), 0);
}

static void assert_text(const struct ring_view *ring, const char *span, const char *key,
			const char *expected)
{
	const struct ring_record *start = ring_view_start(ring, span);
	struct record_text text;

	assert_non_null(start);
	text = ring_view_text(ring, record_get_start(start->bytes).fixed.span_id, key);
	if (!text.at)
		fail_msg("%s has no %s", span, key);
	assert_int_equal(text.length, strlen(expected));
	assert_memory_equal(text.at, expected, text.length);
}

/* ---- a run of its own ---------------------------------------------------- */

static void whole_run(void)
{
	struct spanring_attribute given[40], about = spanring_string("team", "garden");
	struct spanring_start_options start = SPANRING_START_OPTIONS_INIT;
	struct spanring_run_options options = SPANRING_RUN_OPTIONS_INIT;
	struct spanring_span root, step;
	static char keys[40][16];

	for (int i = 0; i < 40; i++) {
		snprintf(keys[i], sizeof keys[i], "key%d", i);
		given[i] = spanring_string(keys[i], keys[i]);
	}
	start.attributes = given;
	start.attribute_count = 40;
	options.start = &start;
	options.goal = "a plan";
	options.attributes = &about;
	options.attribute_count = 1;
	setenv("TRACEPARENT", PARENT, 1);
	errno = EXDEV;
	expect(spanring_run_begin(&root, "agento.pipeline", &options) == 0);
	expect(spanring_start(&step, "step", NULL) == 0);
	expect(spanring_end(&step) == 0);
	expect(spanring_run_end_with(&root, "{\"a\": 1}", "expected") == 0);
	expect(!spanring_is_recording(&root));
	expect(spanring_run_end(&root) == 0);
	expect(errno == EXDEV);
}

static void a_run_is_a_new_trace_with_a_beginning_and_an_end(void **state)
{
	static const uint8_t zero[8];
	struct record_start root, step;
	struct ring_view ring;
	struct record_run run;

	(void)state;
	trace(whole_run, &ring);
	root = record_get_start(ring_view_start(&ring, "agento.pipeline")->bytes);
	step = record_get_start(ring_view_start(&ring, "step")->bytes);
	assert_memory_equal(root.fixed.parent_span_id, zero, 8);
	assert_memory_equal(step.fixed.parent_span_id, root.fixed.span_id, 8);
	assert_memory_equal(step.fixed.trace_id, root.fixed.trace_id, 16);

	assert_int_equal(ring_view_count(&ring, WIRE_RUN), 2);
	run = record_get_run(ring_view_nth(&ring, WIRE_RUN, 0)->bytes);
	assert_int_equal(run.fixed.head.flags, WIRE_RUN_BEGIN);
	assert_memory_equal(run.fixed.trace_id, root.fixed.trace_id, 16);
	run = record_get_run(ring_view_nth(&ring, WIRE_RUN, 1)->bytes);
	assert_int_equal(run.fixed.head.flags, WIRE_RUN_END);
	assert_memory_equal(run.fixed.trace_id, root.fixed.trace_id, 16);
	assert_true(ring_view_nth(&ring, WIRE_RUN, 1)->bytes >
		    ring_view_nth(&ring, WIRE_END, 1)->bytes);
	assert_int_equal(ring_view_count(&ring, WIRE_END), 2);
	ring_view_close(&ring);
}

static void what_is_said_of_a_run_are_attributes_of_its_root(void **state)
{
	struct ring_view ring;

	(void)state;
	trace(whole_run, &ring);
	assert_text(&ring, "agento.pipeline", "openinference.span.kind", "AGENT");
	assert_text(&ring, "agento.pipeline", "user_goal", "a plan");
	assert_text(&ring, "agento.pipeline", "key0", "key0");
	assert_text(&ring, "agento.pipeline", "key39", "key39");
	assert_text(&ring, "agento.pipeline", "agent.final_response", "{\"a\": 1}");
	assert_text(&ring, "agento.pipeline", "expected_response", "expected");
	assert_text(&ring, "agento.pipeline", "team", "garden");
	ring_view_close(&ring);
}

static void plain_run(void)
{
	struct spanring_span root;

	expect(spanring_run_begin(&root, "plain", NULL) == 0);
	expect(spanring_run_end(&root) == 0);
}

static void without_a_goal_the_root_says_nothing_of_one(void **state)
{
	struct ring_view ring;

	(void)state;
	trace(plain_run, &ring);
	assert_int_equal(ring_view_count(&ring, WIRE_ATTRIBUTE), 0);
	assert_int_equal(ring_view_count(&ring, WIRE_RUN), 2);
	assert_int_not_equal(access(context_path, F_OK), 0);
	ring_view_close(&ring);
}

/* ---- a run that a wrapper began ------------------------------------------ */

static void joining_run(void)
{
	struct spanring_run_options options = SPANRING_RUN_OPTIONS_INIT;
	struct spanring_span root;

	setenv("TRACEPARENT", PARENT, 1);
	options.join = true;
	options.goal = "a plan";
	options.context_file = context_path;
	expect(spanring_run_begin(&root, "joined", &options) == 0);
	expect(spanring_run_end(&root) == 0);
}

static void a_run_joined_is_neither_begun_nor_ended_by_us(void **state)
{
	static const uint8_t parent[8] = {0xb7, 0xad, 0x6b, 0x71, 0x69, 0x20, 0x33, 0x31};
	struct ring_view ring;
	struct record_start root;

	(void)state;
	trace(joining_run, &ring);
	root = record_get_start(ring_view_start(&ring, "joined")->bytes);
	assert_memory_equal(root.fixed.parent_span_id, parent, 8);
	assert_text(&ring, "joined", "user_goal", "a plan");
	assert_int_equal(ring_view_count(&ring, WIRE_RUN), 0);
	assert_int_equal(ring_view_count(&ring, WIRE_END), 1);
	assert_int_not_equal(access(context_path, F_OK), 0);
	ring_view_close(&ring);
}

static void lonely_run(void)
{
	struct spanring_run_options options = SPANRING_RUN_OPTIONS_INIT;
	struct spanring_span root;

	options.size = 0; /* forgotten: means all of it */
	options.join = true;
	options.goal = "a plan";
	expect(spanring_run_begin(&root, "lonely", &options) == 0);
	expect(spanring_run_end(&root) == 0);
}

static void a_run_that_finds_nothing_to_join_is_its_own(void **state)
{
	struct ring_view ring;

	(void)state;
	trace(lonely_run, &ring);
	assert_text(&ring, "lonely", "user_goal", "a plan");
	assert_int_equal(ring_view_count(&ring, WIRE_RUN), 2);
	ring_view_close(&ring);
}

static void run_ended_by_a_child(void)
{
	struct spanring_span root;
	int status;
	pid_t child;

	expect(spanring_run_begin(&root, "forking", NULL) == 0);
	child = fork();
	if (child == 0)
		_exit(spanring_run_end(&root) == -ECHILD ? 0 : 1);
	expect(waitpid(child, &status, 0) == child && status == 0);
	_exit(0);
}

static void a_child_does_not_end_its_parents_run(void **state)
{
	struct ring_view ring;

	(void)state;
	trace(run_ended_by_a_child, &ring);
	assert_int_equal(ring_view_count(&ring, WIRE_RUN), 1);
	assert_int_equal(ring_view_count(&ring, WIRE_END), 0);
	ring_view_close(&ring);
}

/* ---- the context file ---------------------------------------------------- */

static void run_with_file(void)
{
	struct spanring_run_options options = SPANRING_RUN_OPTIONS_INIT;
	struct spanring_context stale, left;
	struct spanring_span root;

	expect(spanring_context_parse(PARENT, NULL, &stale) == 0);
	expect(spanring_context_to_file(&stale, context_path) == 0);
	options.context_file = context_path;
	expect(spanring_run_begin(&root, "with file", &options) == 0);
	expect(spanring_context_from_file(context_path, &left) == 0);
	expect(!memcmp(left.trace_id, root.trace_id, 16));
	expect(!memcmp(left.span_id, root.span_id, 8));
	expect(memcmp(left.trace_id, stale.trace_id, 16) != 0);

	setenv("SPANRING_CONTEXT_FILE", context_path, 1);
	expect(spanring_run_begin(&root, "by environment", NULL) == 0);
	expect(spanring_context_from_file(NULL, &left) == 0);
	expect(!memcmp(left.span_id, root.span_id, 8));

	options.context_file = "";
	expect(spanring_run_begin(&root, "nowhere", &options) == 0);
	expect(spanring_context_from_file(NULL, &left) == 0);
	expect(memcmp(left.span_id, root.span_id, 8) != 0);
}

static void a_run_replaces_an_earlier_runs_context_file(void **state)
{
	(void)state;
	trace(run_with_file, NULL);
}

static char reported[128];

static void note_report(int error, const char *message, void *user)
{
	(void)user;
	snprintf(reported, sizeof reported, "%d %s", error, message);
}

static void run_with_bad_file(void)
{
	struct spanring_run_options options = SPANRING_RUN_OPTIONS_INIT;
	struct spanring_span root;

	spanring_set_error_handler(note_report, NULL);
	options.context_file = "/no/such/directory/context";
	expect(spanring_run_begin(&root, "bad file", &options) == 0);
	expect(spanring_is_recording(&root));
	expect(atoi(reported) == ENOENT && strstr(reported, "context file"));
}

static void a_context_file_that_cannot_be_written_is_told_and_no_more(void **state)
{
	(void)state;
	trace(run_with_bad_file, NULL);
}

static void without_tracing_a_run_does_nothing(void **state)
{
	struct spanring_run_options options = SPANRING_RUN_OPTIONS_INIT;
	struct spanring_span root;

	(void)state;
	memset(&root, 0xa5, sizeof root);
	options.goal = "a plan";
	options.context_file = context_path;
	assert_int_equal(spanring_run_begin(&root, "off", &options), 0);
	assert_false(spanring_is_recording(&root));
	assert_int_equal(spanring_run_end_with(&root, "x", "y"), 0);
	assert_int_not_equal(access(context_path, F_OK), 0);
}

#define RUN_TEST(test) cmocka_unit_test_setup_teardown(test, make_directory, remove_directory)

int main(void)
{
	const struct CMUnitTest tests[] = {
		RUN_TEST(a_run_is_a_new_trace_with_a_beginning_and_an_end),
		RUN_TEST(what_is_said_of_a_run_are_attributes_of_its_root),
		RUN_TEST(without_a_goal_the_root_says_nothing_of_one),
		RUN_TEST(a_run_joined_is_neither_begun_nor_ended_by_us),
		RUN_TEST(a_run_that_finds_nothing_to_join_is_its_own),
		RUN_TEST(a_child_does_not_end_its_parents_run),
		RUN_TEST(a_run_replaces_an_earlier_runs_context_file),
		RUN_TEST(a_context_file_that_cannot_be_written_is_told_and_no_more),
		RUN_TEST(without_tracing_a_run_does_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
