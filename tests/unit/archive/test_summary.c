/* The summary of a run in the head of its file. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "archive/summary.h"
#include "archive_world.h"

#define START UINT64_C(1767268800123456789)
#define NAME "demo_run_20260101T120000123456.otlp.json"
#define HOUR_NS UINT64_C(3600000000000)

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

static void seal_run(bool complete)
{
	world_seal(&world, 1, world.span_count, complete);
	if (!world.archive)
		world_start(&world);
	if (!world_work(&world, 300))
		fail_msg("not done: %.*s", (int)world.said.len, (char *)world.said.at);
}

/* ---- looking ---------------------------------------------------------------- */

static json_t *first_attributes(json_t *root)
{
	json_t *resource = json_array_get(json_object_get(root, "resourceSpans"), 0);

	return json_object_get(json_object_get(resource, "resource"), "attributes");
}

/* The value of an attribute of the first resource, whatever its kind; borrowed. */
static json_t *value_of(json_t *root, const char *key)
{
	json_t *attribute;
	size_t i;

	json_array_foreach (first_attributes(root), i, attribute)
		if (strcmp(json_string_value(json_object_get(attribute, "key")), key) == 0)
			return json_object_iter_value(
				json_object_iter(json_object_get(attribute, "value")));
	return NULL;
}

static int64_t number(const char *key)
{
	char full[64];
	json_t *root = world_json(&world, NAME);
	json_t *value;
	int64_t n;

	snprintf(full, sizeof full, "spanring.run.%s", key);
	value = value_of(root, full);
	if (!json_is_string(value))
		fail_msg("no %s", full);
	n = strtoll(json_string_value(value), NULL, 10);
	json_decref(root);
	return n;
}

/* The items of an array or the text, with commas between; "-" if it is not there. */
static const char *text(const char *key)
{
	static char line[4096];
	char full[64];
	json_t *root = world_json(&world, NAME), *value, *item;
	size_t i;

	snprintf(full, sizeof full, "spanring.run.%s", key);
	value = value_of(root, full);
	snprintf(line, sizeof line, "%s",
		 !value			 ? "-"
		 : json_is_string(value) ? json_string_value(value)
					 : "");
	json_array_foreach (json_object_get(value, "values"), i, item) {
		size_t used = strlen(line);

		snprintf(line + used, sizeof line - used, "%s%s", i ? "," : "",
			 json_string_value(json_object_get(item, "stringValue")));
	}
	json_decref(root);
	return line;
}

static bool is_complete(void)
{
	json_t *root = world_json(&world, NAME);
	json_t *value = value_of(root, "spanring.run.complete");
	bool complete = json_is_true(value);

	assert_true(json_is_boolean(value));
	json_decref(root);
	return complete;
}

/* ---- what it says --------------------------------------------------------------- */

static void a_run_whose_end_was_said_and_that_lacks_nothing_is_complete(void **state)
{
	(void)state;
	world.ends[1] = (struct process_end){PROCESS_EXITED, 0};
	world_add(&world, &(struct span_recipe){.trace = 1,
						.id = 1,
						.start_ns = START,
						.end_ns = START + 5000,
						.module = "plan",
						.pid = 1});
	world_add(&world, &(struct span_recipe){.trace = 1,
						.id = 2,
						.parent = 1,
						.start_ns = START + 5,
						.error = true,
						.module = "plan",
						.pid = 1});
	seal_run(true);
	assert_true(is_complete());
	assert_string_equal(text("incomplete_reason"), "-");
	assert_string_equal(text("id"), "01010101010101010101010101010101");
	assert_string_equal(text("name"), "-");
	assert_string_equal(text("goal"), "-");
	assert_string_equal(text("modules"), "plan");
	assert_string_equal(text("exit_codes"), "exit 0");
	assert_int_equal(number("spans"), 2);
	assert_int_equal(number("errors"), 1);
	assert_int_equal(number("closed_spans"), 0);
	assert_int_equal(number("dropped_spans"), 0);
	assert_int_equal(number("dropped_records"), 0);
	assert_int_equal(number("start_unix_nano"), START);
	assert_int_equal(number("end_unix_nano"), START + 5000);
}

static void what_keeps_a_run_from_being_complete_is_said(void **state)
{
	(void)state;
	world.account = (struct run_account){.dropped_spans = 3, .dropped_records = 7};
	world_add(&world, &(struct span_recipe){.trace = 1,
						.id = 1,
						.start_ns = START,
						.key = "spanring.end.reason",
						.text = bytes_of("killed")});
	seal_run(false);
	assert_false(is_complete());
	assert_string_equal(text("incomplete_reason"),
			    "end not said,spans closed by the agent,spans dropped,"
			    "records dropped");
	assert_int_equal(number("closed_spans"), 1);
	assert_int_equal(number("dropped_spans"), 3);
	assert_int_equal(number("dropped_records"), 7);
}

static void an_account_that_nobody_has_any_more_makes_it_incomplete(void **state)
{
	(void)state;
	world.account_lost = true;
	world_add(&world, &(struct span_recipe){.trace = 1, .id = 1, .start_ns = START});
	seal_run(true);
	assert_false(is_complete());
	assert_string_equal(text("incomplete_reason"), "agent restarted");
}

static void the_root_says_the_name_and_the_goal(void **state)
{
	char goal[3 * SUMMARY_TEXT_MAX];

	(void)state;
	/* Three bytes a character: none is cut in two. */
	for (size_t i = 0; i < sizeof goal; i += 3)
		memcpy(goal + i, "\xe2\x82\xac", 3);
	world_add(&world, &(struct span_recipe){.trace = 1,
						.id = 2,
						.parent = 1,
						.start_ns = START + 1,
						.key = "spanring.run.name",
						.text = bytes_of("a child's")});
	world_add(&world, &(struct span_recipe){.trace = 1,
						.id = 3,
						.start_ns = START + 2,
						.key = "spanring.run.name",
						.text = bytes_of("a later root's")});
	world_add(&world, &(struct span_recipe){.trace = 1,
						.id = 1,
						.start_ns = START,
						.key = "user_goal",
						.text = {(uint8_t *)goal, sizeof goal}});
	seal_run(true);
	assert_string_equal(text("name"), "-");
	assert_int_equal(strlen(text("goal")), SUMMARY_TEXT_MAX / 3 * 3);
	assert_memory_equal(text("goal"), goal, SUMMARY_TEXT_MAX / 3 * 3);
}

static void modules_and_how_they_ended_stand_in_the_order_of_the_file(void **state)
{
	(void)state;
	world.ends[1] = (struct process_end){PROCESS_EXITED, 0};
	world.ends[2] = (struct process_end){PROCESS_KILLED, 9};
	world.ends[3] = (struct process_end){PROCESS_ALIVE, 0};
	world.ends[4] = (struct process_end){PROCESS_REPLACED, 0};
	world.ends[5] = (struct process_end){PROCESS_EXITED_SOMEHOW, 0};
	world.ends[6] = (struct process_end){PROCESS_SHUTDOWN, 0};
	world.ends[7] = (struct process_end){PROCESS_KILLED, 60};
	for (unsigned i = 8; i > 0; i--)
		world_add(&world, &(struct span_recipe){.trace = 1,
							.id = i,
							.start_ns = START + i - 1,
							.pid = i < 8 ? (uint8_t)i : 0});
	seal_run(true);
	assert_string_equal(text("modules"), "demo,demo,demo,demo,demo,demo,demo,demo");
	assert_string_equal(text("exit_codes"),
			    "exit 0,signal SIGKILL,alive,exec,exit,shutdown,signal 60,unknown");
}

/* ---- tokens ------------------------------------------------------------------------ */

static void add_tokens(uint64_t id, uint64_t parent, const char *input, int64_t in,
		       const char *output, int64_t out)
{
	world_add(&world, &(struct span_recipe){.trace = 1,
						.id = id,
						.parent = parent,
						.start_ns = START + id - 1,
						.count_keys = {input, output},
						.counts = {in, out}});
}

static void tokens_are_counted_where_they_were_spent(void **state)
{
	(void)state;
	/* A turn, which repeats what its two calls say; between them a span that says none. */
	add_tokens(1, 0, "gen_ai.usage.input_tokens", 300, "gen_ai.usage.output_tokens", 30);
	add_tokens(2, 1, NULL, 0, NULL, 0);
	add_tokens(3, 2, "gen_ai.usage.prompt_tokens", 100, "gen_ai.usage.completion_tokens",
		   10);
	add_tokens(4, 2, "llm.token_count.prompt", 200, "llm.token_count.completion", 20);
	/* Its parent was never seen; and one side is unknown. */
	add_tokens(5, 77, "gen_ai.usage.input_tokens", 1000, "gen_ai.usage.output_tokens", -1);
	seal_run(true);
	assert_int_equal(number("input_tokens"), 1300);
	assert_int_equal(number("output_tokens"), 30);
}

static void
the_newest_family_of_names_counts_and_more_than_fits_is_the_most_that_does(void **state)
{
	(void)state;
	add_tokens(1, 0, "gen_ai.usage.prompt_tokens", 5, "gen_ai.usage.input_tokens", 7);
	add_tokens(2, 0, "llm.token_count.prompt", 5, "gen_ai.usage.completion_tokens", 11);
	add_tokens(3, 0, "gen_ai.usage.input_tokens", INT64_MAX, NULL, 0);
	seal_run(true);
	assert_int_equal(number("input_tokens"), 7 + 0 + (int64_t)UINT32_MAX);
	assert_int_equal(number("output_tokens"), 11);
}

static void parents_that_bite_their_tail_end(void **state)
{
	(void)state;
	add_tokens(1, 2, "gen_ai.usage.input_tokens", 5, NULL, 0);
	add_tokens(2, 1, NULL, 0, NULL, 0);
	add_tokens(3, 3, "gen_ai.usage.input_tokens", 5, NULL, 0);
	seal_run(true);
	/* Each has a descendant that says tokens: itself. */
	assert_int_equal(number("input_tokens"), 0);
}

/* ---- reopened ------------------------------------------------------------------------ */

static void add_three(unsigned from, unsigned to)
{
	for (unsigned i = from; i <= to; i++)
		world_add(&world,
			  &(struct span_recipe){.trace = 1,
						.id = i,
						.parent = i > 1,
						.start_ns = START + (i - 1) * HOUR_NS,
						.end_ns = START + i * HOUR_NS,
						.pid = (uint8_t)i,
						.error = i == 2,
						.count_keys = {"gen_ai.usage.input_tokens"},
						.counts = {i * 100}});
}

/* The same spans, sealed once in another world. */
static struct buf sealed_once(void)
{
	struct buf file;

	add_three(1, 3);
	seal_run(true);
	file = world_read(&world, NAME);
	world_fini(&world);
	world_init(&world);
	return file;
}

static void gaps_of_hours_and_new_agents_change_nothing(void **state)
{
	struct process_end ends[4] = {{PROCESS_UNKNOWN, 0},
				      {PROCESS_EXITED, 0},
				      {PROCESS_KILLED, 15},
				      {PROCESS_EXITED, 3}};
	struct buf once, often;

	(void)state;
	memcpy(world.ends, ends, sizeof ends);
	once = sealed_once();
	for (unsigned i = 1; i <= 3; i++) {
		/* Only one process is known in each life. */
		memset(world.ends, 0, sizeof world.ends);
		world.ends[i] = ends[i];
		add_three(i, i);
		seal_run(i == 2);
		assert_int_equal(number("spans"), i);
		world_stop(&world);
		file_env_advance(&world.env, 9 * HOUR_NS);
	}
	often = world_read(&world, NAME);
	assert_true(bytes_equal(buf_bytes(&once), buf_bytes(&often)));
	buf_fini(&once);
	buf_fini(&often);
}

/* A day later, in one life: whoever reads sees the old file or the new one. */
static void a_late_span_replaces_the_file_in_one_step(void **state)
{
	struct buf old, now;
	bool replaced = false;

	(void)state;
	add_three(1, 1);
	seal_run(true);
	old = world_read(&world, NAME);
	file_env_advance(&world.env, 25 * HOUR_NS);
	add_three(2, 2);
	world_seal(&world, 1, world.span_count, true);
	for (unsigned i = 0; i < 40; i++) {
		world_turn(&world);
		now = world_read(&world, NAME); /* it is there at any time */
		if (!bytes_equal(buf_bytes(&old), buf_bytes(&now))) {
			assert_int_equal(number("spans"), 2);
			replaced = true;
		} else {
			assert_false(replaced);
		}
		buf_fini(&now);
	}
	assert_true(replaced);
	buf_fini(&old);
}

static void what_a_file_said_of_drops_and_endings_is_not_forgotten(void **state)
{
	(void)state;
	world.account = (struct run_account){.dropped_spans = 4, .dropped_records = 1};
	world.ends[1] = (struct process_end){PROCESS_ALIVE, 0};
	world.ends[2] = (struct process_end){PROCESS_KILLED, 9};
	add_three(1, 2);
	seal_run(true);
	world_stop(&world);
	world.account = (struct run_account){.dropped_records = 2};
	memset(world.ends, 0, sizeof world.ends);
	add_three(3, 3);
	seal_run(false);
	assert_int_equal(number("dropped_spans"), 4);
	assert_int_equal(number("dropped_records"), 2);
	assert_string_equal(text("exit_codes"), "unknown,signal SIGKILL,unknown");
	/* Its end was said, and stays said. */
	assert_string_equal(text("incomplete_reason"), "spans dropped,records dropped");
}

static void no_resource_keeps_a_summary_of_its_own(void **state)
{
	struct buf file;

	(void)state;
	/* As somebody sends it who read it out of an archive. */
	world_add(&world, &(struct span_recipe){.trace = 1, .id = 1, .start_ns = START});
	buf_init(&file);
	buf_append(&file, world.spans[0].span.resource.at, world.spans[0].span.resource.len);
	assert_int_equal(
		summary_write(&file, &(struct summary){.trace_id = world.spans[0].span.trace_id,
						       .dropped_spans = 77,
						       .process_count = 0}),
		0);
	world.spans[0].span.resource = buf_bytes(&file);
	world_add(&world, &(struct span_recipe){.trace = 1, .id = 2, .start_ns = START + 1});
	seal_run(true);
	assert_true(is_complete());
	assert_string_equal(text("modules"), "demo");
	buf_fini(&file);
}

static void a_file_without_a_summary_is_reopened_as_what_it_is(void **state)
{
	static const char from[] = ",{\"key\":\"spanring.run.id\"", to[] = "]},\"scopeSpans\"";
	struct buf file, plain = BUF_INIT;
	uint8_t *at, *end;
	char path[512];

	(void)state;
	add_three(1, 1);
	seal_run(true);
	world_stop(&world);
	file = world_read(&world, NAME);
	at = memmem(file.at, file.len, from, sizeof from - 1);
	end = memmem(file.at, file.len, to, sizeof to - 1);
	assert_true(at && end);
	buf_append(&plain, file.at, (size_t)(at - file.at));
	buf_append(&plain, end, (size_t)(file.at + file.len - end));
	world_write(&world, NAME, buf_bytes(&plain));
	/* An index of that time has its sum; one that is made anew has none. */
	snprintf(path, sizeof path, "%s/archive.index", world.state_dir);
	assert_int_equal(unlink(path), 0);
	add_three(2, 2);
	seal_run(true);
	assert_int_equal(archive_counters(world.archive)->kept_aside, 0);
	assert_int_equal(number("spans"), 2);
	buf_fini(&file);
	buf_fini(&plain);
}

static void an_edited_summary_is_an_edited_file(void **state)
{
	static const char from[] =
		"\"spanring.run.dropped_spans\",\"value\":{\"intValue\":\"0\"";
	struct buf file;
	uint8_t *at;

	(void)state;
	add_three(1, 1);
	seal_run(true);
	file = world_read(&world, NAME);
	at = memmem(file.at, file.len, from, sizeof from - 1);
	assert_non_null(at);
	at[sizeof from - 3] = '8';
	world_write(&world, NAME, buf_bytes(&file));
	add_three(2, 2);
	seal_run(true);
	assert_int_equal(archive_counters(world.archive)->kept_aside, 1);
	assert_int_equal(number("dropped_spans"), 8);
	buf_fini(&file);
}

static void a_span_that_gave_way_to_another_is_in_no_sum(void **state)
{
	(void)state;
	world_add(&world, &(struct span_recipe){.trace = 1,
						.id = 1,
						.start_ns = START,
						.end_ns = START + 900 * HOUR_NS,
						.error = true,
						.key = "spanring.end.reason",
						.text = bytes_of("stale")});
	world_add(&world, &(struct span_recipe){.trace = 1,
						.id = 1,
						.start_ns = START,
						.end_ns = START + 800 * HOUR_NS,
						.count_keys = {"gen_ai.usage.input_tokens"},
						.counts = {9}});
	seal_run(true);
	assert_true(is_complete());
	assert_int_equal(number("spans"), 1);
	assert_int_equal(number("errors"), 0);
	assert_int_equal(number("input_tokens"), 9);
	/* Longer than an entry of the spool has room for. */
	assert_int_equal(number("end_unix_nano"), START + 800 * HOUR_NS);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(a_run_whose_end_was_said_and_that_lacks_nothing_is_complete),
		TEST(what_keeps_a_run_from_being_complete_is_said),
		TEST(an_account_that_nobody_has_any_more_makes_it_incomplete),
		TEST(the_root_says_the_name_and_the_goal),
		TEST(modules_and_how_they_ended_stand_in_the_order_of_the_file),
		TEST(tokens_are_counted_where_they_were_spent),
		TEST(the_newest_family_of_names_counts_and_more_than_fits_is_the_most_that_does),
		TEST(parents_that_bite_their_tail_end),
		TEST(gaps_of_hours_and_new_agents_change_nothing),
		TEST(a_late_span_replaces_the_file_in_one_step),
		TEST(what_a_file_said_of_drops_and_endings_is_not_forgotten),
		TEST(no_resource_keeps_a_summary_of_its_own),
		TEST(a_file_without_a_summary_is_reopened_as_what_it_is),
		TEST(an_edited_summary_is_an_edited_file),
		TEST(a_span_that_gave_way_to_another_is_in_no_sum),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
