/* <spanring/testing.h>: what a user's unit test sees. */
#include "spanring/testing.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static int begin(void **state)
{
	(void)state;
	return spanring_test_begin(NULL);
}

static int end(void **state)
{
	(void)state;
	spanring_test_end();
	return 0;
}

static void assert_text(const char *expected, unsigned flags)
{
	struct spanring_test_spans *spans = spanring_test_snapshot();
	char *text = spanring_test_text(spans, flags);

	assert_string_equal(text, expected);
	free(text);
	spanring_test_free(spans);
}

/* ---- what is there ------------------------------------------------------------------ */

static void say_everything(struct spanring_span *span)
{
	static const char *const strings[] = {"a", NULL, "c"}, *const words[] = {"x", "y"};
	static const bool bools[] = {true, false};
	static const int64_t ints[] = {1, -2};
	static const double doubles[] = {0.5, 2};
	struct spanring_attribute map[] = {spanring_int("k", 1), spanring_string("t", "v")};
	struct spanring_attribute attributes[] = {
		spanring_string("string", "a \"b\"\n"),
		spanring_bool("bool", true),
		spanring_int("int", INT64_MAX),
		spanring_double("double", 0.1),
		spanring_double("whole", 3),
		spanring_bytes("bytes", "\0\xff", 2),
		spanring_strings("strings", strings, 3),
		spanring_strings("words", words, 2),
		spanring_bools("bools", bools, 2),
		spanring_ints("ints", ints, 2),
		spanring_doubles("doubles", doubles, 2),
		spanring_map("map", map, 2),
		spanring_values("values", map, 2),
		spanring_values("none", NULL, 0),
		spanring_int("int", 7),
	};

	spanring_set_attributes(span, attributes, sizeof attributes / sizeof attributes[0]);
}

static void every_type_of_value_is_seen_as_it_was_set(void **state)
{
	struct spanring_test_spans *spans;
	const struct spanring_test_span *seen;
	struct spanring_span span;

	(void)state;
	spanring_start(&span, "span", NULL);
	say_everything(&span);
	assert_text("- span, open\n"
		    "    string: \"a \\\"b\\\"\\n\"\n"
		    "    bool: true\n"
		    "    int: 7\n"
		    "    double: 0.1\n"
		    "    whole: 3.0\n"
		    "    bytes: 0x00ff\n"
		    "    strings: [\"a\", null, \"c\"]\n"
		    "    words: [\"x\", \"y\"]\n"
		    "    bools: [true, false]\n"
		    "    ints: [1, -2]\n"
		    "    doubles: [0.5, 2.0]\n"
		    "    map: {k: 1, t: \"v\"}\n"
		    "    values: [1, \"v\"]\n"
		    "    none: []\n",
		    0);
	spans = spanring_test_snapshot();
	seen = spanring_test_find(spans, "span");
	assert_int_equal(spanring_test_int(seen, "int"), 7);
	assert_true(spanring_test_double(seen, "double") == 0.1);
	assert_string_equal(spanring_test_string(seen, "string"), "a \"b\"\n");
	assert_string_equal(spanring_test_attribute(seen, "words")->value.strings[1], "y");
	assert_int_equal(spanring_test_attribute(seen, "strings")->type, SPANRING_TYPE_VALUES);
	assert_int_equal(spanring_test_int(seen, "double"), INT64_MIN);
	assert_true(isnan(spanring_test_double(seen, "int")));
	assert_null(spanring_test_string(seen, "missing"));
	assert_null(spanring_test_string(spanring_test_find(spans, "missing"), "string"));
	spanring_test_free(spans);
}

static void events_links_statuses_and_names_are_seen(void **state)
{
	struct spanring_attribute about = spanring_string("why", "so");
	struct spanring_context context, elsewhere = {.trace_id = {1}, .span_id = {2}};
	struct spanring_link link = {
		.context = &context, .attributes = &about, .attribute_count = 1};
	struct spanring_span first, second;

	(void)state;
	spanring_start_with(&first, "first", .kind = SPANRING_KIND_CLIENT);
	spanring_span_context(&first, &context);
	spanring_record_exception(&first, "TimeoutError", "after 5 s", NULL);
	spanring_end(&first);
	spanring_start(&second, "a name to be changed", NULL);
	spanring_update_name(&second, "second");
	spanring_add_link(&second, &link);
	link = (struct spanring_link){.context = &elsewhere};
	spanring_add_link(&second, &link);
	spanring_set_status(&second, SPANRING_STATUS_OK, NULL);
	spanring_set_status(&second, SPANRING_STATUS_ERROR, "too late");
	spanring_end(&second);
	assert_text("- first, client, error \"after 5 s\"\n"
		    "    error.type: \"TimeoutError\"\n"
		    "    * exception\n"
		    "        exception.type: \"TimeoutError\"\n"
		    "        exception.message: \"after 5 s\"\n"
		    "- second, ok\n"
		    "    > first\n"
		    "        why: \"so\"\n"
		    "    > (elsewhere)\n",
		    0);
}

static void times_ids_scopes_and_the_resource_are_seen(void **state)
{
	int scope = spanring_scope_new("garden", "1.2");
	const struct spanring_test_span *seen;
	struct spanring_test_spans *spans;
	struct spanring_span span;
	struct timespec now;

	(void)state;
	spanring_start_with(&span, "given", .time_unix_ns = 1000, .scope = (uint32_t)scope);
	spanring_end_at(&span, 2500);
	spanring_start(&span, "now", NULL);
	clock_gettime(CLOCK_REALTIME, &now);
	spans = spanring_test_snapshot();
	seen = spanring_test_find(spans, "given");
	assert_int_equal(seen->start_unix_ns, 1000);
	assert_int_equal(seen->end_unix_ns, 2500);
	assert_true(seen->ended);
	assert_string_equal(seen->scope, "garden");
	assert_string_equal(seen->scope_version, "1.2");
	assert_non_null(spanring_test_attribute_of(seen->resource, seen->resource_count,
						   "service.name"));
	seen = spanring_test_find(spans, "now");
	assert_memory_equal(seen->span_id, span.span_id, 8);
	assert_memory_equal(seen->trace_id, span.trace_id, 16);
	assert_int_equal(seen->end_unix_ns, 0);
	assert_string_equal(seen->scope, "");
	/* The clocks of one machine, a moment apart. */
	assert_true(llabs((long long)(seen->start_unix_ns / 1000000000u) -
			  (long long)now.tv_sec) <= 5);
	spanring_test_free(spans);
}

/* ---- the tree -------------------------------------------------------------------------- */

static void *work(void *parent)
{
	struct spanring_span span;

	spanring_start_with(&span, "in a thread", .parent = parent);
	spanring_set_int(&span, "n", 1);
	spanring_end(&span);
	return NULL;
}

static void threads_and_children_are_in_one_tree(void **state)
{
	struct spanring_span root, step;
	pthread_t thread;
	pid_t child;

	(void)state;
	spanring_enter(&root, "root", NULL);
	pthread_create(&thread, NULL, work, &root);
	pthread_join(thread, NULL);
	spanring_enter(&step, "step", NULL);
	spanring_end(&step);
	child = fork();
	if (child == 0) {
		spanring_start(&step, "in a child", NULL);
		spanring_test_end();
		_exit(0);
	}
	assert_int_equal(waitpid(child, NULL, 0), child);
	spanring_end(&root);
	assert_text("- root\n"
		    "    - in a thread\n"
		    "    - step\n"
		    "    - in a child, open\n",
		    SPANRING_TEST_NAMES);
}

#define WRITERS 3
#define SPANS_EACH 2000

static void *write_spans(void *finished)
{
	struct spanring_span span;

	for (int i = 0; i < SPANS_EACH; i++) {
		spanring_start_with(&span, "span", .root = true);
		spanring_set_int(&span, "n", i);
		spanring_end(&span);
	}
	atomic_fetch_add((_Atomic int *)finished, 1);
	return NULL;
}

/* What has ended was said whole. Returns how many spans there were. */
static size_t look(void)
{
	struct spanring_test_spans *spans = spanring_test_snapshot();
	size_t count = spans->count;

	for (size_t i = 0; i < count; i++)
		if (spans->spans[i].ended && spanring_test_int(&spans->spans[i], "n") < 0)
			fail_msg("span %zu of %zu lost its attribute", i, count);
	spanring_test_free(spans);
	return count;
}

static void a_snapshot_may_be_taken_while_threads_write(void **state)
{
	pthread_t threads[WRITERS];
	_Atomic int finished = 0;
	size_t before = 0, now;

	(void)state;
	for (int i = 0; i < WRITERS; i++)
		pthread_create(&threads[i], NULL, write_spans, &finished);
	do {
		now = look();
		assert_true(now >= before);
		before = now;
	} while (atomic_load(&finished) < WRITERS);
	for (int i = 0; i < WRITERS; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(look(), WRITERS * SPANS_EACH);
}

static void a_deep_tree_and_a_wide_one_are_walked(void **state)
{
	struct spanring_span spans[100], step;
	struct spanring_test_spans *seen;
	char *text;

	(void)state;
	spanring_start(&spans[0], "0", NULL);
	for (int i = 1; i < 100; i++)
		spanring_start_with(&spans[i], "deep", .parent = &spans[i - 1]);
	for (int i = 0; i < 5000; i++) {
		spanring_start_with(&step, "wide", .parent = &spans[99]);
		spanring_end(&step);
	}
	seen = spanring_test_snapshot();
	assert_int_equal(seen->count, 5100);
	assert_ptr_equal(spanring_test_find(seen, "wide")->parent, &seen->spans[99]);
	text = spanring_test_text(seen, 0);
	assert_non_null(strstr(text, "- wide\n"));
	free(text);
	spanring_test_free(seen);
}

static void values_larger_than_a_block_are_whole(void **state)
{
	const struct spanring_attribute *seen;
	struct spanring_test_spans *spans;
	size_t length = 800000;
	char *text = malloc(length + 1);
	struct spanring_span span;

	(void)state;
	memset(text, 'p', length);
	text[length] = '\0';
	spanring_start(&span, "span", NULL);
	spanring_set_string(&span, "prompt", text);
	spans = spanring_test_snapshot();
	seen = spanring_test_attribute(spanring_test_find(spans, "span"), "prompt");
	assert_int_equal(seen->length, length);
	assert_string_equal(seen->value.string, text);
	spanring_test_free(spans);
	free(text);
}

/* ---- a ring that was written over ---------------------------------------------------------
 */

#define RING_BYTES (UINT64_C(1) << 20)

/* Our own ring, as it lies there. */
static void read_ring(uint8_t *bytes)
{
	DIR *dir = opendir(spanring_test_directory());
	struct dirent *entry;
	int fd = -1;

	while (fd < 0 && (entry = readdir(dir)) != NULL)
		if (strstr(entry->d_name, ".ring"))
			fd = openat(dirfd(dir), entry->d_name, O_RDONLY);
	assert_int_equal(read(fd, bytes, RING_BYTES), RING_BYTES);
	close(fd);
	closedir(dir);
}

static void write_ring(const uint8_t *bytes)
{
	char path[300];
	int fd;

	snprintf(path, sizeof path, "%s/beside.ring", spanring_test_directory());
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	assert_int_equal(write(fd, bytes, RING_BYTES), RING_BYTES);
	close(fd);
}

static void a_ring_that_was_written_over_is_read_as_far_as_it_goes(void **state)
{
	uint8_t *whole = malloc(RING_BYTES), *damaged = malloc(RING_BYTES);
	struct spanring_options options = SPANRING_OPTIONS_INIT;
	struct spanring_test_spans *spans;
	struct spanring_span span;
	unsigned seed = 1;

	(void)state;
	options.ring_bytes_max = RING_BYTES;
	options.flags = SPANRING_IGNORE_ENVIRONMENT;
	assert_int_equal(spanring_test_begin(&options), 0);
	for (int i = 0; i < 20; i++) {
		spanring_start(&span, "span", NULL);
		say_everything(&span);
		spanring_record_exception(&span, "type", "message", NULL);
	}
	read_ring(whole);
	for (int round = 0; round < 300; round++) {
		memcpy(damaged, whole, RING_BYTES);
		/* In the header and the lines, or in the first blocks. */
		for (int i = 0; i < 8; i++)
			damaged[rand_r(&seed) % (round & 1 ? 8192 : 65536 + 32768)] =
				(uint8_t)rand_r(&seed);
		write_ring(damaged);
		spans = spanring_test_snapshot();
		assert_true(spans->count >= 20);
		free(spanring_test_text(spans, 0));
		spanring_test_free(spans);
	}
	free(whole);
	free(damaged);
	spanring_test_end();
}

/* ---- limits and refusals ------------------------------------------------------------------
 */

static void the_limits_of_spans_are_kept_as_the_agent_keeps_them(void **state)
{
	const struct spanring_test_span *seen;
	struct spanring_test_spans *spans;
	struct spanring_span span;
	char key[16];

	(void)state;
	spanring_start(&span, "span", NULL);
	for (int i = 0; i < 130; i++) {
		snprintf(key, sizeof key, "key%d", i);
		spanring_set_int(&span, key, i);
		spanring_add_event(&span, "event", NULL, 0);
	}
	spanring_set_int(&span, "key0", 99);
	spanring_set_string_n(&span, "", "", 0);
	spans = spanring_test_snapshot();
	seen = spanring_test_find(spans, "span");
	assert_int_equal(seen->attribute_count, 128);
	assert_int_equal(spanring_test_int(seen, "key0"), 99);
	assert_int_equal(seen->event_count, 128);
	assert_int_equal(seen->dropped_events, 2);
	assert_int_equal(spans->refused, 1);
	spanring_end(&span); /* says what was refused */
	spanring_test_free(spans);
	spans = spanring_test_snapshot();
	assert_int_equal(spanring_test_find(spans, "span")->dropped_attributes, 3);
	spanring_test_free(spans);
}

/* ---- begin and end --------------------------------------------------------------------------
 */

/* Of ours: other tests may run beside us. */
static int directories(void)
{
	DIR *dir = opendir("/dev/shm");
	struct dirent *entry;
	char ours[64];
	int count = 0;

	snprintf(ours, sizeof ours, "spanring-sink-%ld-", (long)getpid());
	while (dir && (entry = readdir(dir)) != NULL)
		count += strncmp(entry->d_name, ours, strlen(ours)) == 0;
	closedir(dir);
	return count;
}

static void a_sink_begins_and_ends_as_often_as_wanted(void **state)
{
	struct spanring_test_spans *kept;
	struct spanring_span span;

	(void)state;
	assert_null(spanring_test_snapshot());
	assert_null(spanring_test_directory());
	spanring_test_end();
	setenv("OTEL_SDK_DISABLED", "true", 1);
	assert_int_equal(spanring_test_begin(NULL), 0);
	unsetenv("OTEL_SDK_DISABLED");
	assert_int_equal(access(spanring_test_directory(), F_OK), 0);
	assert_int_equal(spanring_test_begin(NULL), -EBUSY);
	assert_int_equal(spanring_init(NULL), 0); /* of the code that is tested */
	spanring_enter(&span, "first", NULL);
	kept = spanring_test_snapshot();
	spanring_shutdown(); /* of the code that is tested */
	assert_text("- first, open\n", 0);
	spanring_test_end();

	assert_int_equal(spanring_test_begin(NULL), 0);
	assert_int_equal(spanring_current(&span), -ENOENT);
	assert_text("", 0);
	spanring_start(&span, "second", NULL);
	spanring_end(&span);
	assert_text("- second\n", 0);
	spanring_test_end();
	assert_non_null(spanring_test_find(kept, "first"));
	spanring_test_free(kept);
	spanring_test_free(NULL);
	assert_null(spanring_test_text(NULL, 0));
}

static void options_are_those_of_init(void **state)
{
	struct spanring_options options = SPANRING_OPTIONS_INIT;
	const struct spanring_attribute *service;
	struct spanring_test_spans *spans;
	struct spanring_span span;

	(void)state;
	options.service_name = "garden";
	options.directory = "/nowhere";
	assert_int_equal(spanring_test_begin(&options), 0);
	assert_int_equal(directories(), 1);
	spanring_start(&span, "span", NULL);
	spans = spanring_test_snapshot();
	service = spanring_test_attribute_of(spans->spans[0].resource,
					     spans->spans[0].resource_count, "service.name");
	assert_string_equal(service->value.string, "garden");
	spanring_test_free(spans);
	spanring_test_end();

	setenv("OTEL_SDK_DISABLED", "true", 1);
	assert_int_equal(spanring_test_begin(&options), -ECANCELED);
	unsetenv("OTEL_SDK_DISABLED");
	assert_null(spanring_test_directory());
	spanring_shutdown();
	assert_int_equal(directories(), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(every_type_of_value_is_seen_as_it_was_set,
						begin, end),
		cmocka_unit_test_setup_teardown(events_links_statuses_and_names_are_seen, begin,
						end),
		cmocka_unit_test_setup_teardown(times_ids_scopes_and_the_resource_are_seen,
						begin, end),
		cmocka_unit_test_setup_teardown(threads_and_children_are_in_one_tree, begin,
						end),
		cmocka_unit_test_setup_teardown(a_snapshot_may_be_taken_while_threads_write,
						begin, end),
		cmocka_unit_test_setup_teardown(a_deep_tree_and_a_wide_one_are_walked, begin,
						end),
		cmocka_unit_test_setup_teardown(values_larger_than_a_block_are_whole, begin,
						end),
		cmocka_unit_test(a_ring_that_was_written_over_is_read_as_far_as_it_goes),
		cmocka_unit_test_setup_teardown(
			the_limits_of_spans_are_kept_as_the_agent_keeps_them, begin, end),
		cmocka_unit_test(a_sink_begins_and_ends_as_often_as_wanted),
		cmocka_unit_test(options_are_those_of_init),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
