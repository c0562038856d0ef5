/* The archive stage, and each archive rule that can be seen in its files. */
#include <setjmp.h>
#include <stdarg.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "archive_world.h"

#define START UINT64_C(1767268800123456789) /* 2026-01-01T12:00:00.123456789Z */
#define NAME "demo_run_20260101T120000123456.otlp.json"

static struct archive_world world;

static int setup(void **state)
{
	(void)state;
	world_init(&world);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	world_fini(&world);
	return 0;
}

static void work(void)
{
	if (!world.archive)
		world_start(&world);
	if (!world_work(&world, 300))
		fail_msg("not done: %.*s", (int)world.said.len, (char *)world.said.at);
}

static void seal_all(uint8_t trace)
{
	world_seal(&world, trace, world.span_count, true);
	work();
}

static unsigned count_names(const char *ending)
{
	char **names;
	unsigned n = world_list(&world, ending, &names);

	world_free_names(names, n);
	return n;
}

static void assert_same(struct buf a, struct buf b)
{
	assert_true(bytes_equal(buf_bytes(&a), buf_bytes(&b)));
	buf_fini(&a);
	buf_fini(&b);
}

/* One run with everything that is hard to print. */
static struct buf hard_file(void)
{
	static const char text[] = "a\xe2\x80\xa8" "b\xe2\x80\xa9" "c\xc2\x85" "d\x01\n\t\"\\\x7f"
				   "\xff\xfe\xc3(\xf0\x9f\x98\x80";

	world_add(&world, &(struct span_recipe){
				  .trace = 1, .id = 0xabcdef, .start_ns = START, .name = "root",
				  .text = {(const uint8_t *)text, sizeof(text)}});
	world_add(&world, &(struct span_recipe){.trace = 1, .id = 2, .parent = 0xabcdef,
						.start_ns = START + 5});
	seal_all(1);
	return world_read(&world, NAME);
}

static void rule_A1_utf8_without_a_mark(void **state)
{
	struct buf text = hard_file();

	(void)state;
	assert_memory_equal(text.at, "{\"resourceSpans\":[", 18);
	for (size_t i = 0; i < text.len; i++)
		assert_true(text.at[i] != 0xff && text.at[i] != 0xfe);
	buf_fini(&text);
}

static void rules_35_A2_and_A13_one_line_ended_by_lf(void **state)
{
	struct buf text = hard_file();

	(void)state;
	assert_int_equal(text.at[text.len - 1], '\n');
	assert_ptr_equal(memchr(text.at, '\n', text.len), text.at + text.len - 1);
	assert_null(memchr(text.at, '\r', text.len));
	buf_fini(&text);
}

static void check_keys(json_t *value)
{
	const char *key;
	json_t *member;
	size_t i;

	if (json_is_object(value))
		json_object_foreach(value, key, member) {
			assert_null(strchr(key, '_'));
			assert_true(key[0] >= 'a' && key[0] <= 'z');
			check_keys(member);
		}
	json_array_foreach(value, i, member)
		check_keys(member);
}

static void rules_45_A3_and_A4_an_object_with_resource_spans_in_camel_case(void **state)
{
	struct buf text = hard_file();
	json_t *root = world_json(&world, NAME);

	(void)state;
	assert_true(json_is_object(root));
	assert_true(json_is_array(json_object_get(root, "resourceSpans")));
	check_keys(root);
	json_decref(root);
	buf_fini(&text);
}

static void check_attributes(void *arg, json_t *resource, json_t *scope, json_t *span)
{
	json_t *attribute;
	size_t i;

	(void)arg;
	(void)scope;
	assert_true(json_is_array(
		json_object_get(json_object_get(resource, "resource"), "attributes")));
	json_array_foreach(json_object_get(span, "attributes"), i, attribute)
		assert_int_equal(json_object_size(json_object_get(attribute, "value")), 1);
}

static void rule_A5_attributes_are_lists_of_single_values(void **state)
{
	struct buf text = hard_file();
	json_t *root = world_json(&world, NAME);

	(void)state;
	world_each_span(root, check_attributes, NULL);
	json_decref(root);
	buf_fini(&text);
}

static void rule_A6_A7_line_ends_are_escaped_and_bad_utf8_replaced(void **state)
{
	struct buf text = hard_file();

	(void)state;
	assert_non_null(memmem(text.at, text.len, "a\\u2028b\\u2029c\\u0085d\\u0001\\n\\t", 31));
	assert_null(memmem(text.at, text.len, "\xe2\x80\xa8", 3));
	assert_null(memmem(text.at, text.len, "\xc2\x85", 2));
	assert_non_null(memmem(text.at, text.len,
			       "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd(\xf0\x9f\x98\x80", 14));
	buf_fini(&text);
}

static void rule_A8_A9_ids_are_lower_case_hex_and_times_strings(void **state)
{
	struct buf text = hard_file();

	(void)state;
	assert_non_null(memmem(text.at, text.len, "\"spanId\":\"0000000000abcdef\"", 27));
	assert_non_null(memmem(text.at, text.len,
			       "\"traceId\":\"01010101010101010101010101010101\"", 44));
	assert_non_null(memmem(text.at, text.len, "\"startTimeUnixNano\":\"1767268800123456789\"",
			       41));
	buf_fini(&text);
}

static void rule_A10_A11_one_object_and_one_file_for_each_trace(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 40; i++)
		world_add(&world, &(struct span_recipe){.trace = (uint8_t)(1 + i % 4),
							.id = i + 1,
							.start_ns = START + i * 1000});
	for (uint8_t trace = 1; trace <= 4; trace++)
		world_seal(&world, trace, 40, false);
	work();
	assert_int_equal(count_names(""), 4);
	for (unsigned i = 0; i < 40; i++)
		assert_int_equal(world_count(&world, i + 1), 1);
}

struct order {
	char text[512];
};

static void note_order(void *arg, json_t *resource, json_t *scope, json_t *span)
{
	struct order *order = arg;
	json_t *module = json_array_get(
		json_object_get(json_object_get(resource, "resource"), "attributes"), 1);
	size_t used = strlen(order->text);

	snprintf(order->text + used, sizeof(order->text) - used, "%s/%s/%s ",
		 json_string_value(json_object_get(json_object_get(module, "value"),
						   "stringValue")),
		 json_string_value(json_object_get(json_object_get(scope, "scope"), "name")),
		 json_string_value(json_object_get(span, "spanId")) + 15);
}

static void rule_A12_resources_and_scopes_by_earliest_span_ties_parents_first(void **state)
{
	struct order order = {""};
	json_t *root;

	(void)state;
	/* Children come before their parents, as they end earlier. */
	world_add(&world, &(struct span_recipe){.trace = 1, .id = 5, .parent = 4, .module = "late",
						.start_ns = START + 70});
	world_add(&world, &(struct span_recipe){.trace = 1, .id = 3, .parent = 2, .module = "m",
						.scope = "b", .start_ns = START + 10});
	world_add(&world, &(struct span_recipe){.trace = 1, .id = 7, .parent = 2, .module = "m",
						.start_ns = START + 10});
	world_add(&world, &(struct span_recipe){.trace = 1, .id = 6, .parent = 2, .module = "m",
						.start_ns = START + 10});
	world_add(&world, &(struct span_recipe){.trace = 1, .id = 2, .parent = 1, .module = "m",
						.start_ns = START + 10});
	world_add(&world, &(struct span_recipe){.trace = 1, .id = 4, .parent = 1, .module = "late",
						.start_ns = START + 60});
	world_add(&world, &(struct span_recipe){.trace = 1, .id = 1, .module = "m",
						.start_ns = START + 10});
	seal_all(1);
	root = world_json(&world, "demo_run_20260101T120000123456.otlp.json");
	world_each_span(root, note_order, &order);
	json_decref(root);
	assert_string_equal(order.text,
			    "m/lib/1 m/lib/2 m/lib/7 m/lib/6 m/b/3 late/lib/4 late/lib/5 ");
}

static void rule_A15_an_open_run_is_a_partial_file_of_whole_lines(void **state)
{
	struct buf text;
	unsigned lines = 0;

	(void)state;
	world_start(&world);
	for (unsigned i = 1; i <= 3; i++)
		world_add(&world, &(struct span_recipe){.trace = 1, .id = i, .start_ns = START + i});
	for (unsigned i = 0; i < 8; i++)
		world_turn(&world);
	assert_int_equal(archive_mark(world.archive), 3);
	assert_int_equal(count_names(""), 1);
	text = world_read(&world, NAME ".partial");
	for (uint8_t *at = text.at, *end; at < text.at + text.len; at = end + 1) {
		json_t *root;

		end = memchr(at, '\n', (size_t)(text.at + text.len - at));
		assert_non_null(end);
		root = json_loadb((char *)at, (size_t)(end - at), 0, NULL);
		assert_non_null(json_object_get(root, "resourceSpans"));
		json_decref(root);
		lines++;
	}
	assert_int_equal(lines, 3);
	buf_fini(&text);
}

static void rule_A16_late_spans_replace_the_file_under_the_same_name(void **state)
{
	struct buf all, again;

	(void)state;
	/* In one go ... */
	for (unsigned i = 1; i <= 6; i++)
		world_add(&world, &(struct span_recipe){
					  .trace = 1, .id = i, .parent = i > 1, .start_ns = START + i,
					  .scope = i % 2 ? "x" : "y", .scope_schema_url = "u\"1",
					  .resource_schema_url = "v"});
	seal_all(1);
	all = world_read(&world, NAME);
	world_fini(&world);
	/* ... and in six, in another order, with restarts between. */
	world_init(&world);
	for (unsigned n = 0; n < 6; n++) {
		unsigned i = (n * 5) % 6 + 1;

		world_add(&world, &(struct span_recipe){
					  .trace = 1, .id = i, .parent = i > 1, .start_ns = START + i,
					  .scope = i % 2 ? "x" : "y", .scope_schema_url = "u\"1",
					  .resource_schema_url = "v"});
		seal_all(1);
		assert_int_equal(count_names(""), 1);
		if (n % 2)
			world_crash(&world);
	}
	again = world_read(&world, NAME);
	assert_same(all, again);
}

static void a_late_span_after_the_log_forgot_the_run_finds_the_file(void **state)
{
	(void)state;
	world_add(&world, &(struct span_recipe){.trace = 1, .id = 1, .start_ns = START});
	seal_all(1);
	world_stop(&world);
	for (unsigned i = 0; i < world.logged_count; i++)
		buf_fini(&world.logged[i].payload);
	world.logged_count = 0;
	world.span_count = world.pushed = 0;
	buf_fini(&world.spans[0].bytes);
	world_add(&world, &(struct span_recipe){.trace = 1, .id = 2, .start_ns = START + 9});
	seal_all(1);
	assert_int_equal(count_names(""), 1);
	assert_int_equal(world_count(&world, 1), 1);
	assert_int_equal(world_count(&world, 2), 1);
}

static void a_reopened_file_keeps_every_byte_of_its_spans(void **state)
{
	static const char text[] = "}]}],\"schemaUrl\":\"x\\\" {[\\\\\" \"traceId\":\"00\" \xe2\x80\xa8\x01";
	struct buf before, after;
	uint8_t *from, *to;
	size_t len;

	(void)state;
	for (unsigned i = 1; i <= 300; i++)
		world_add(&world, &(struct span_recipe){
					  .trace = 1, .id = i, .parent = i > 1, .start_ns = START + i,
					  .module = i % 2 ? "{\"" : "}\\", .scope = i % 3 ? "]}" : "\\",
					  .scope_schema_url = i % 3 ? "u\"}]" : NULL,
					  .resource_schema_url = i % 2 ? NULL : "v\\",
					  .text = {(const uint8_t *)text, sizeof(text)}});
	seal_all(1);
	before = world_read(&world, NAME);
	world_stop(&world);
	world_add(&world, &(struct span_recipe){.trace = 1, .id = 999, .start_ns = START + 900,
						.module = "late"});
	seal_all(1);
	after = world_read(&world, NAME);
	assert_int_equal(archive_counters(world.archive)->kept_aside, 0);
	/* All but the summary and the end of the list is as it was. */
	from = memmem(before.at, before.len, "\"scopeSpans\"", 12);
	to = memmem(after.at, after.len, "\"scopeSpans\"", 12);
	assert_true(from && to);
	len = (size_t)(before.at + before.len - from) - 3;
	assert_memory_equal(from, to, len);
	assert_true((uint8_t *)memmem(to, (size_t)(after.at + after.len - to), "\"late\"", 6) >
		    to + len);
	buf_fini(&before);
	buf_fini(&after);
}

static void the_index_is_made_again_from_the_files(void **state)
{
	char path[512];

	(void)state;
	world_add(&world, &(struct span_recipe){.trace = 1, .id = 1, .start_ns = START});
	seal_all(1);
	world_stop(&world);
	snprintf(path, sizeof(path), "%s/archive.index", world.state_dir);
	assert_int_equal(unlink(path), 0);
	world_add(&world, &(struct span_recipe){.trace = 1, .id = 2, .start_ns = START + 9});
	seal_all(1);
	assert_int_equal(count_names(""), 1);
	assert_int_equal(world_count(&world, 1), 1);
	assert_int_equal(world_count(&world, 2), 1);
}

/* Changes the sealed file, then a late span comes. */
static void edit(const char *from, const char *to)
{
	struct buf text = world_read(&world, NAME), edited = BUF_INIT;
	uint8_t *at = memmem(text.at, text.len, from, strlen(from));

	assert_non_null(at);
	buf_append(&edited, text.at, (size_t)(at - text.at));
	buf_append_text(&edited, to);
	at += strlen(from);
	buf_append(&edited, at, (size_t)(text.at + text.len - at));
	world_write(&world, NAME, buf_bytes(&edited));
	buf_fini(&text);
	buf_fini(&edited);
}

static void add_late(void)
{
	world_add(&world, &(struct span_recipe){.trace = 1, .id = 99, .parent = 1,
						.start_ns = START + 50});
	seal_all(1);
}

static void an_edited_file_is_kept_aside_and_what_it_says_is_used(void **state)
{
	struct buf text, kept;

	(void)state;
	world_add(&world, &(struct span_recipe){.trace = 1, .id = 1, .start_ns = START,
						.name = "root"});
	seal_all(1);
	edit("\"root\"", "\"Root\"");
	kept = world_read(&world, NAME);
	add_late();
	assert_same(kept, world_read(&world, NAME ".kept-1"));
	text = world_read(&world, NAME);
	assert_non_null(memmem(text.at, text.len, "\"Root\"", 6));
	assert_int_equal(world_count(&world, 1), 1);
	assert_int_equal(world_count(&world, 99), 1);
	assert_int_equal(archive_counters(world.archive)->kept_aside, 1);
	assert_non_null(memmem(world.said.at, world.said.len, "kept-1", 6));
	buf_fini(&text);
}

static void a_prettified_file_is_kept_aside_and_what_it_says_is_used(void **state)
{
	(void)state;
	world_add(&world, &(struct span_recipe){.trace = 1, .id = 1, .start_ns = START});
	seal_all(1);
	world_stop(&world);
	edit("{\"resourceSpans\":[", "{\n  \"resourceSpans\": [\n");
	add_late();
	assert_int_equal(count_names(".kept-1"), 1);
	assert_int_equal(world_count(&world, 1), 1);
	assert_int_equal(world_count(&world, 99), 1);
}

static void an_unreadable_file_is_kept_aside(void **state)
{
	(void)state;
	world_add(&world, &(struct span_recipe){.trace = 1, .id = 1, .start_ns = START});
	seal_all(1);
	world_write(&world, NAME, bytes_of("not json"));
	add_late();
	world_write(&world, NAME, bytes_of(""));
	world_add(&world, &(struct span_recipe){.trace = 1, .id = 98, .start_ns = START + 60});
	seal_all(1);
	assert_int_equal(count_names(".kept-1"), 1);
	assert_int_equal(count_names(".kept-2"), 1);
	assert_int_equal(world_count(&world, 98), 1);
}

static void a_file_edited_while_the_run_is_open_is_kept_aside(void **state)
{
	(void)state;
	world_add(&world, &(struct span_recipe){.trace = 1, .id = 1, .start_ns = START});
	seal_all(1);
	world_add(&world, &(struct span_recipe){.trace = 1, .id = 2, .start_ns = START + 2});
	world_turn(&world);
	edit("\"step\"", "\"Step\"");
	seal_all(1);
	assert_int_equal(count_names(".kept-1"), 1);
	assert_int_equal(world_count(&world, 1), 1);
	assert_int_equal(world_count(&world, 2), 1);
}

static void a_stranger_under_our_name_is_never_overwritten(void **state)
{
	struct buf text;

	(void)state;
	world_start(&world);
	world_add(&world, &(struct span_recipe){.trace = 1, .id = 1, .start_ns = START});
	world_turn(&world);
	world_write(&world, NAME, bytes_of("mine"));
	seal_all(1);
	text = world_read(&world, NAME ".kept-1");
	assert_int_equal(text.len, 4);
	buf_fini(&text);
	assert_int_equal(world_count(&world, 1), 1);
}

static void a_taken_name_gets_the_trace_id(void **state)
{
	(void)state;
	for (uint8_t trace = 1; trace <= 3; trace++)
		world_add(&world, &(struct span_recipe){.trace = trace, .id = trace,
							.start_ns = START + trace});
	world_seal(&world, 1, 3, true);
	world_seal(&world, 2, 3, true);
	world_start(&world);
	(void)world_work(&world, 20); /* the third is still open */
	world_stop(&world);
	world_start(&world);
	world_seal(&world, 3, 3, true);
	work();
	assert_int_equal(count_names(""), 3);
	assert_int_equal(count_names(NAME), 1);
	assert_int_equal(count_names("456_02020202020202020202020202020202.otlp.json"), 1);
	assert_int_equal(count_names("456_03030303030303030303030303030303.otlp.json"), 1);
}

static void a_run_keeps_the_name_it_was_first_seen_with(void **state)
{
	const uint8_t trace_id[16] = {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1};

	(void)state;
	world_start(&world);
	assert_int_equal(archive_run_seen(world.archive, trace_id, &(struct run_words){.service = bytes_of("../a b\xc3\xa4")},
					  START, USER_UNKNOWN),
			 0);
	assert_int_equal(archive_run_seen(world.archive, trace_id, &(struct run_words){.service = bytes_of("other")}, START,
					  USER_UNKNOWN),
			 0);
	world_add(&world, &(struct span_recipe){.trace = 1, .id = 1, .start_ns = START + 1000000});
	seal_all(1);
	assert_int_equal(count_names("_._a_b__run_20260101T120000123456.otlp.json"), 1);
	assert_string_equal(strrchr(world.sealed_path, '/'),
			    "/_._a_b__run_20260101T120000123456.otlp.json");
	assert_true(world.sealed_complete);
	assert_int_equal(world.sealed_spans, 1);
}

static void small_runs_and_other_roots_get_no_file_when_filtered(void **state)
{
	const char *roots[] = {"wanted"};
	const struct archive_counters *counters;

	(void)state;
	world.options.min_spans = 2;
	world.options.roots = roots;
	world.options.root_count = 1;
	world_add(&world, &(struct span_recipe){.trace = 1, .id = 1, .start_ns = START,
						.name = "wanted"});
	world_add(&world, &(struct span_recipe){.trace = 2, .id = 2, .start_ns = START,
						.name = "other"});
	world_add(&world, &(struct span_recipe){.trace = 2, .id = 3, .parent = 2,
						.start_ns = START, .name = "wanted"});
	world_add(&world, &(struct span_recipe){.trace = 3, .id = 4, .parent = 5,
						.start_ns = START});
	world_add(&world, &(struct span_recipe){.trace = 3, .id = 5, .start_ns = START,
						.name = "wanted"});
	for (uint8_t trace = 1; trace <= 3; trace++)
		world_seal(&world, trace, 5, true);
	work();
	counters = archive_counters(world.archive);
	assert_int_equal(count_names(""), 1);
	assert_int_equal(world_count(&world, 4), 1);
	assert_int_equal(counters->dropped_filtered, 3);
	assert_int_equal(counters->archived, 2);
	assert_int_equal(counters->waiting, 0);
}

static void a_span_that_cannot_be_printed_is_counted_and_the_rest_goes_on(void **state)
{
	(void)state;
	world_add(&world, &(struct span_recipe){.trace = 1, .id = 1, .start_ns = START});
	world_add(&world, &(struct span_recipe){.trace = 1, .id = 2, .start_ns = START});
	world.spans[1].span.span.len -= 3;
	world_add(&world, &(struct span_recipe){.trace = 1, .id = 3, .start_ns = START});
	seal_all(1);
	assert_int_equal(archive_counters(world.archive)->dropped_invalid, 1);
	assert_int_equal(world_count(&world, 3), 1);
}

static void a_full_disk_is_said_once_and_got_over(void **state)
{
	const struct archive_counters *counters;
	unsigned said = 0;

	(void)state;
	world_start(&world);
	file_env_arm(&world.env, (struct file_env_fault){.op = FILE_ENV_PWRITEV,
							 .kind = FILE_ENV_FAIL,
							 .nth = 1,
							 .times = UINT64_MAX,
							 .error = -ENOSPC});
	for (unsigned i = 1; i <= 5; i++)
		world_add(&world, &(struct span_recipe){.trace = 1, .id = i, .start_ns = START + i});
	world_seal(&world, 1, 5, true);
	assert_false(world_work(&world, 100));
	counters = archive_counters(world.archive);
	assert_true(counters->failures > 1);
	world_add(&world, &(struct span_recipe){.trace = 1, .id = 6, .start_ns = START + 6});
	assert_int_equal(archive_push(world.archive, &world.spans[5].span), -ENOBUFS);
	for (uint8_t *at = world.said.at;
	     (at = memmem(at, (size_t)(world.said.at + world.said.len - at), "No space", 8)); at++)
		said++;
	assert_int_equal(said, 1);
	assert_non_null(memmem(world.said.at, world.said.len, "free some space", 15));
	assert_int_equal(count_names(""), 0);
	file_env_disarm(&world.env);
	seal_all(1);
	for (unsigned i = 1; i <= 6; i++)
		assert_int_equal(world_count(&world, i), 1);
	assert_non_null(memmem(world.said.at, world.said.len, "runs are archived again", 23));
}

static void the_directory_may_vanish_and_comes_back(void **state)
{
	(void)state;
	world_start(&world);
	world_add(&world, &(struct span_recipe){.trace = 1, .id = 1, .start_ns = START});
	for (unsigned i = 0; i < 8; i++)
		world_turn(&world);
	test_directory_remove(world.dir);
	for (unsigned i = 0; i < 8; i++)
		world_turn(&world);
	assert_int_equal(count_names(".partial"), 1);
	world_add(&world, &(struct span_recipe){.trace = 1, .id = 2, .start_ns = START + 2});
	seal_all(1);
	assert_int_equal(world_count(&world, 1), 1);
	assert_int_equal(world_count(&world, 2), 1);
}

static void a_removed_spool_is_made_again_while_it_is_open(void **state)
{
	char path[512];

	(void)state;
	world_start(&world);
	world_add(&world, &(struct span_recipe){.trace = 1, .id = 1, .start_ns = START});
	for (unsigned i = 0; i < 8; i++)
		world_turn(&world);
	snprintf(path, sizeof(path), "%s/" NAME ".partial", world.dir);
	assert_int_equal(unlink(path), 0);
	world_add(&world, &(struct span_recipe){.trace = 1, .id = 2, .start_ns = START + 2});
	for (unsigned i = 0; i < 8; i++)
		world_turn(&world);
	assert_int_equal(count_names(".partial"), 1);
	seal_all(1);
	assert_int_equal(world_count(&world, 1), 1);
	assert_int_equal(world_count(&world, 2), 1);
}

static void a_full_log_only_delays_the_mark(void **state)
{
	(void)state;
	world.log_full = true;
	world_add(&world, &(struct span_recipe){.trace = 1, .id = 1, .start_ns = START});
	world_seal(&world, 1, 1, true);
	world_start(&world);
	assert_false(world_work(&world, 30));
	assert_int_equal(archive_mark(world.archive), 0);
	assert_int_equal(count_names(NAME), 1);
	world.log_full = false;
	work();
	assert_int_equal(world_count(&world, 1), 1);
}

static void frames_of_an_old_segment_are_appended_again(void **state)
{
	unsigned before;

	(void)state;
	world_start(&world);
	world_add(&world, &(struct span_recipe){.trace = 1, .id = 1, .start_ns = START});
	for (unsigned i = 0; i < 8; i++)
		world_turn(&world);
	before = world.logged_count;
	assert_int_equal(before, 2); /* the run and the mark */
	assert_int_equal(archive_carry(world.archive, 0), 0);
	assert_int_equal(world.pending_count, 0);
	assert_int_equal(archive_carry(world.archive, 1), 0);
	assert_int_equal(world.pending_count, 2);
	world.log_full = true;
	assert_int_equal(archive_carry(world.archive, 1), -ENOBUFS);
	world.log_full = false;
}

static void long_attributes_and_files_private_to_the_group(void **state)
{
	size_t len = 800 * 1024;
	uint8_t *text = malloc(len);
	struct stat st;
	char path[512];
	struct buf file;

	(void)state;
	memset(text, 'x', len);
	for (unsigned i = 1; i <= 4; i++)
		world_add(&world, &(struct span_recipe){.trace = 1, .id = i, .start_ns = START + i,
							.text = {text, len}});
	seal_all(1);
	add_late();
	file = world_read(&world, NAME);
	assert_true(file.len > 4 * len);
	assert_int_equal(world_count(&world, 4), 1);
	snprintf(path, sizeof(path), "%s/" NAME, world.dir);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0640);
	assert_int_equal(stat(world.dir, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0750);
	buf_fini(&file);
	free(text);
}

static void counters_add_up_across_reopening_and_restarts(void **state)
{
	const struct archive_counters *counters;

	(void)state;
	for (unsigned i = 1; i <= 3; i++)
		world_add(&world, &(struct span_recipe){.trace = 1, .id = i, .start_ns = START + i});
	seal_all(1);
	add_late();
	counters = archive_counters(world.archive);
	assert_int_equal(counters->spans, 4);
	assert_int_equal(counters->archived, 4);
	assert_int_equal(counters->reopened, 1);
	assert_int_equal(counters->sealed, 2);
	world_add(&world, &(struct span_recipe){.trace = 1, .id = 50, .start_ns = START + 80});
	for (unsigned i = 0; i < 8; i++)
		world_turn(&world);
	assert_int_equal(counters->waiting, 1);
	assert_int_equal(counters->open_runs, 1);
	world_crash(&world);
	world_start(&world);
	counters = archive_counters(world.archive);
	assert_int_equal(counters->recovered, 1);
	assert_int_equal(counters->waiting, 1);
	seal_all(1);
	assert_int_equal(counters->archived, 1);
	assert_int_equal(counters->open_runs, 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(rule_A1_utf8_without_a_mark),
		TEST(rules_35_A2_and_A13_one_line_ended_by_lf),
		TEST(rules_45_A3_and_A4_an_object_with_resource_spans_in_camel_case),
		TEST(rule_A5_attributes_are_lists_of_single_values),
		TEST(rule_A6_A7_line_ends_are_escaped_and_bad_utf8_replaced),
		TEST(rule_A8_A9_ids_are_lower_case_hex_and_times_strings),
		TEST(rule_A10_A11_one_object_and_one_file_for_each_trace),
		TEST(rule_A12_resources_and_scopes_by_earliest_span_ties_parents_first),
		TEST(rule_A15_an_open_run_is_a_partial_file_of_whole_lines),
		TEST(rule_A16_late_spans_replace_the_file_under_the_same_name),
		TEST(a_late_span_after_the_log_forgot_the_run_finds_the_file),
		TEST(a_reopened_file_keeps_every_byte_of_its_spans),
		TEST(the_index_is_made_again_from_the_files),
		TEST(an_edited_file_is_kept_aside_and_what_it_says_is_used),
		TEST(a_prettified_file_is_kept_aside_and_what_it_says_is_used),
		TEST(an_unreadable_file_is_kept_aside),
		TEST(a_file_edited_while_the_run_is_open_is_kept_aside),
		TEST(a_stranger_under_our_name_is_never_overwritten),
		TEST(a_taken_name_gets_the_trace_id),
		TEST(a_run_keeps_the_name_it_was_first_seen_with),
		TEST(small_runs_and_other_roots_get_no_file_when_filtered),
		TEST(a_span_that_cannot_be_printed_is_counted_and_the_rest_goes_on),
		TEST(a_full_disk_is_said_once_and_got_over),
		TEST(the_directory_may_vanish_and_comes_back),
		TEST(a_removed_spool_is_made_again_while_it_is_open),
		TEST(a_full_log_only_delays_the_mark),
		TEST(frames_of_an_old_segment_are_appended_again),
		TEST(long_attributes_and_files_private_to_the_group),
		TEST(counters_add_up_across_reopening_and_restarts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
