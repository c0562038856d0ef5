/* Spools whose disk changed what was written, while nobody looked and under the
 * agent's eyes. Whatever the damage: a span is in the file as it was said, or it is
 * counted as lost; it is never there otherwise. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "archive/spool_sum.h"
#include "archive_world.h"

#define START UINT64_C(1760000000000000000)
#define SPANS 4

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

static void turns(int n)
{
	while (n-- > 0)
		world_turn(&world);
}

static void add(uint64_t from, uint64_t to)
{
	for (uint64_t id = from; id <= to; id++)
		world_add(&world, &(struct span_recipe){.trace = 1,
							.id = id,
							.parent = id > 1,
							.start_ns = START + id,
							.text = bytes_of("abcdefgh \"i\" jk")});
}

/* An open run whose spans are all in its spool's file, and marked. */
static void begin(void)
{
	world_start(&world);
	add(1, SPANS);
	turns(30);
	assert_int_equal(archive_mark(world.archive), SPANS);
}

static void finish(void)
{
	world_seal(&world, 1, world.span_count, true);
	if (!world.archive)
		world_start(&world);
	if (!world_work(&world, 300))
		fail_msg("not done: %.*s", (int)world.said.len, (char *)world.said.at);
}

/* ---- the disk ------------------------------------------------------------------- */

static char *spool_path(void)
{
	char **names, *path;

	assert_int_equal(world_list(&world, ".partial", &names), 1);
	assert_true(asprintf(&path, "%s/%s", world.dir, names[0]) > 0);
	world_free_names(names, 1);
	return path;
}

static struct buf spool_text(void)
{
	char **names;
	struct buf text;

	assert_int_equal(world_list(&world, ".partial", &names), 1);
	text = world_read(&world, names[0]);
	world_free_names(names, 1);
	return text;
}

/* In place: the agent may have the file open. */
static void overwrite(size_t offset, const void *at, size_t len)
{
	char *path = spool_path();
	FILE *file = fopen(path, "r+e");

	assert_non_null(file);
	assert_int_equal(fseek(file, (long)offset, SEEK_SET), 0);
	assert_int_equal(fwrite(at, 1, len, file), len);
	assert_int_equal(fclose(file), 0);
	free(path);
}

static void flip(size_t offset, unsigned bit)
{
	struct buf text = spool_text();
	uint8_t byte = text.at[offset] ^ (uint8_t)(1u << bit);

	overwrite(offset, &byte, 1);
	buf_fini(&text);
}

/* A letter of the text of the one span that each of two spools has. */
static void damage_both(void)
{
	char **names;

	assert_int_equal(world_list(&world, ".partial", &names), 2);
	for (unsigned i = 0; i < 2; i++) {
		struct buf text = world_read(&world, names[i]);

		*(uint8_t *)memmem(text.at, text.len, "abcdefgh", 8) = 'x';
		world_write(&world, names[i], buf_bytes(&text));
		buf_fini(&text);
	}
	world_free_names(names, 2);
}

/* Behind so many lines and a piece of the next. */
static void cut(unsigned lines)
{
	struct buf text = spool_text();
	char *path = spool_path();
	size_t len = 0;

	while (lines-- > 0)
		len = (size_t)((uint8_t *)memchr(text.at + len, '\n', text.len - len) + 1 -
			       text.at);
	assert_int_equal(truncate(path, (off_t)len + 5), 0);
	free(path);
	buf_fini(&text);
}

/* ---- what is found ----------------------------------------------------------------- */

struct looked {
	unsigned right, wrong;
};

static void look_at(void *arg, json_t *resource, json_t *scope, json_t *span)
{
	const char *parent = json_string_value(json_object_get(span, "parentSpanId"));
	json_t *attribute = json_array_get(json_object_get(span, "attributes"), 0);
	const char *text = json_string_value(
		json_object_get(json_object_get(attribute, "value"), "stringValue"));
	const char *name = json_string_value(json_object_get(span, "name"));
	const char *id = json_string_value(json_object_get(span, "spanId"));
	unsigned long long number = id ? strtoull(id, NULL, 16) : 0;
	struct looked *looked = arg;
	char start[32];

	(void)resource;
	(void)scope;
	(void)snprintf(start, sizeof start, "%llu", (unsigned long long)START + number);
	if (number >= 1 && number <= SPANS && name && strcmp(name, "step") == 0 && text &&
	    strcmp(text, "abcdefgh \"i\" jk") == 0 &&
	    strcmp(parent ? parent : "", number > 1 ? "0000000000000001" : "") == 0 &&
	    strcmp(json_string_value(json_object_get(span, "startTimeUnixNano")), start) == 0)
		looked->right++;
	else
		looked->wrong++;
}

/* Every span of all files is as it was said; how many there are. */
static unsigned look(void)
{
	struct looked looked = {0};
	char **names;
	unsigned n = world_list(&world, ".otlp.json", &names);

	for (unsigned i = 0; i < n; i++) {
		json_t *root = world_json(&world, names[i]);

		world_each_span(root, look_at, &looked);
		json_decref(root);
	}
	world_free_names(names, n);
	assert_int_equal(looked.wrong, 0);
	return looked.right;
}

/* The ledger of this life, and what it says of lost ones. */
static void check(unsigned lost)
{
	const struct archive_counters *counters = archive_counters(world.archive);
	unsigned found = look();

	assert_int_equal(counters->spans + counters->recovered,
			 counters->archived + counters->waiting + counters->dropped_lost +
				 counters->dropped_filtered + counters->dropped_superseded);
	assert_int_equal(counters->dropped_lost, lost);
	assert_int_equal(counters->waiting, 0);
	assert_int_equal(found, SPANS - lost);
	assert_false(archive_wants_again(world.archive));
	for (uint64_t id = 1; id <= SPANS; id++)
		assert_true(world_count(&world, id) <= 1);
}

/* ---- bits ------------------------------------------------------------------------------ */

static void one_bit(size_t offset, unsigned bit, bool down, bool log_has_it)
{
	const struct archive_counters *counters;
	unsigned lost = 0;

	world_init(&world);
	begin();
	if (!log_has_it)
		world.cleaned = SPANS;
	if (down)
		world_crash(&world);
	flip(offset, bit);
	finish();
	counters = archive_counters(world.archive);
	/* Heads, tails and sums are not read while the agent lives. */
	if (down)
		assert_true(counters->damaged_lines > 0 || counters->dropped_lost > 0);
	if (!log_has_it)
		lost = (unsigned)counters->dropped_lost;
	assert_true(lost <= 1);
	assert_int_equal(lost, log_has_it ? 0 : counters->damaged_lines > 0);
	assert_int_equal(counters->restored, log_has_it && counters->damaged_lines > 0);
	check(lost);
	world_fini(&world);
}

static size_t line_bytes(void)
{
	struct buf text;
	size_t len;

	world_init(&world);
	begin();
	text = spool_text();
	len = (size_t)((uint8_t *)memchr(text.at, '\n', text.len) + 1 - text.at);
	buf_fini(&text);
	world_fini(&world);
	return len;
}

/* Of the first line, and the first of the second. */
static void every_bit(bool down, bool log_has_it)
{
	size_t len = line_bytes() + 2;

	for (size_t offset = 0; offset < len; offset++)
		for (unsigned bit = offset % 3; bit < 8; bit += 3)
			one_bit(offset, bit, down, log_has_it);
}

static void a_bit_flipped_while_the_agent_is_down_comes_again_from_the_log(void **state)
{
	(void)state;
	every_bit(true, true);
}

static void a_bit_flipped_while_the_agent_is_down_loses_one_span_counted(void **state)
{
	(void)state;
	every_bit(true, false);
}

static void a_bit_flipped_under_the_agent_comes_again_from_the_log(void **state)
{
	(void)state;
	every_bit(false, true);
}

static void a_bit_flipped_under_the_agent_loses_one_span_counted(void **state)
{
	(void)state;
	every_bit(false, false);
}

/* ---- more than bits ------------------------------------------------------------------------
 */

static void a_spool_cut_under_the_agent_comes_again_from_the_log(void **state)
{
	(void)state;
	for (unsigned kept = 0; kept < SPANS; kept++) {
		for (unsigned cleaned = 0; cleaned <= SPANS; cleaned++) {
			unsigned lost = cleaned > kept ? cleaned - kept : 0;

			world_init(&world);
			begin();
			world.cleaned = cleaned;
			cut(kept);
			finish();
			assert_int_equal(archive_counters(world.archive)->restored,
					 SPANS - kept - lost);
			check(lost);
			world_fini(&world);
		}
	}
}

static void a_spool_removed_while_the_agent_is_down_comes_again_from_the_log(void **state)
{
	char *path;

	(void)state;
	begin();
	world.cleaned = 2;
	world_crash(&world);
	path = spool_path();
	assert_int_equal(unlink(path), 0);
	free(path);
	finish();
	assert_int_equal(archive_counters(world.archive)->restored, 2);
	check(2);
	/* And the next life does not count them again. */
	world_crash(&world);
	world_start(&world);
	turns(20);
	assert_int_equal(archive_counters(world.archive)->dropped_lost, 0);
}

/* Turns in which nobody asks the log. */
static void seal_until_damaged(uint8_t trace, uint64_t damaged)
{
	const struct archive_counters *counters = archive_counters(world.archive);
	uint8_t trace_id[16];

	memset(trace_id, trace, sizeof trace_id);
	assert_int_equal(archive_seal(world.archive, trace_id, world.pushed, true), 0);
	for (int i = 0; i < 300 && counters->damaged_lines < damaged; i++) {
		archive_tick(world.archive, world.env.mono_ns);
		(void)world.env.env.ops->wait(&world.env.env, 0);
		file_env_advance(&world.env, 300000000);
	}
	assert_int_equal(counters->damaged_lines, damaged);
}

/* The log is asked for the first run when the second is found damaged: what was
 * offered before was not offered to that one. */
static void what_comes_to_be_missing_while_the_log_is_asked_is_asked_for_again(void **state)
{
	const struct archive_counters *counters;

	(void)state;
	world_start(&world);
	for (uint8_t trace = 1; trace <= 2; trace++)
		world_add(&world, &(struct span_recipe){.trace = trace,
							.id = trace,
							.start_ns = START + trace,
							.text = bytes_of("abcdefgh \"i\" jk")});
	turns(30);
	counters = archive_counters(world.archive);
	damage_both();
	seal_until_damaged(1, 1);

	archive_again_begin(world.archive);
	for (unsigned i = 0; i < 2; i++)
		archive_again(world.archive, &world.spans[i].span);
	seal_until_damaged(2, 2);
	archive_again_done(world.archive);
	assert_int_equal(counters->restored, 1);
	assert_int_equal(counters->dropped_lost, 0);
	assert_true(archive_wants_again(world.archive));

	assert_true(world_work(&world, 300));
	assert_int_equal(counters->dropped_lost, 0);
	assert_int_equal(counters->restored, 2);
	assert_int_equal(counters->archived, 2);
	assert_int_equal(world_count(&world, 1), 1);
	assert_int_equal(world_count(&world, 2), 1);
}

/* Spans came while the file was written, so the spool stayed; what it loses of the
 * first ones is in the file. */
static void what_is_damaged_of_a_reopened_run_comes_again_from_its_file(void **state)
{
	struct buf text;
	size_t at;

	(void)state;
	world_start(&world);
	add(1, 2);
	finish();
	add(3, 4);
	turns(8);
	text = spool_text();
	at = (size_t)((uint8_t *)memmem(text.at, text.len, "abcdefgh", 8) - text.at);
	buf_fini(&text);
	world.cleaned = 4;
	overwrite(at, "x", 1);
	finish();
	assert_int_equal(archive_counters(world.archive)->damaged_lines, 1);
	check(0);
}

static void a_large_span_that_is_damaged_is_found(void **state)
{
	static char text[600000];
	struct buf file;
	size_t at;

	(void)state;
	memset(text, 'a', sizeof text);
	world_start(&world);
	world_add(&world, &(struct span_recipe){.trace = 1,
						.id = 1,
						.start_ns = START,
						.text = {(uint8_t *)text, sizeof text}});
	add(2, SPANS);
	turns(30);
	file = spool_text();
	at = (size_t)((uint8_t *)memmem(file.at, file.len, "aaaa", 4) - file.at);
	buf_fini(&file);
	world.cleaned = SPANS;
	overwrite(at + 500000, "b", 1);
	finish();
	assert_int_equal(archive_counters(world.archive)->dropped_lost, 1);
	assert_int_equal(world_count(&world, 1), 0);
	check(1);
}

static void a_run_that_lost_every_span_is_over(void **state)
{
	struct buf text;

	(void)state;
	begin();
	text = spool_text();
	memset(text.at, 'x', text.len);
	world.cleaned = SPANS;
	overwrite(0, text.at, text.len);
	buf_fini(&text);
	finish();
	check(SPANS);
	assert_non_null(strstr((char *)world.said.at, "4 spans of it are lost"));
}

/* As versions before the sum wrote them. */
static void a_line_without_a_sum_is_taken_as_it_would_be_printed(void **state)
{
	struct buf text, old = BUF_INIT;
	const uint8_t *at, *end;
	char **names;

	(void)state;
	begin();
	world_crash(&world);
	text = spool_text();
	for (at = text.at; at < text.at + text.len; at = end + 1) {
		end = memchr(at, '\n', text.len);
		(void)buf_append(&old, at, (size_t)(end + 1 - at) - SPOOL_SUM_BYTES);
		(void)buf_append_text(&old, SPOOL_CLOSE);
	}
	/* Not this one. */
	*(uint8_t *)memmem(old.at, old.len, ",\"name\"", 7) = ' ';
	world.cleaned = SPANS;
	assert_int_equal(world_list(&world, ".partial", &names), 1);
	world_write(&world, names[0], buf_bytes(&old));
	world_free_names(names, 1);
	buf_fini(&text);
	buf_fini(&old);
	finish();
	assert_int_equal(archive_counters(world.archive)->damaged_lines, 1);
	check(1);
}

/* Damage at the id itself must not make it somebody else's spool. */
static void a_spool_is_known_by_a_line_that_is_not_damaged(void **state)
{
	struct buf text;
	size_t at;

	(void)state;
	world.keep_no_frames = true;
	begin();
	world_crash(&world);
	text = spool_text();
	at = (size_t)((uint8_t *)memmem(text.at, text.len, "\"traceId\":\"", 11) - text.at);
	buf_fini(&text);
	overwrite(at + 11, "f", 1);
	world.cleaned = SPANS;
	/* The log knows nothing of it either. */
	world_start(&world);
	world.pushed = SPANS;
	add(SPANS + 1, SPANS + 1);
	turns(100);
	world_seal(&world, 1, world.span_count, true);
	turns(100);
	for (uint64_t id = 2; id <= SPANS + 1; id++)
		assert_int_equal(world_count(&world, id), 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			a_bit_flipped_while_the_agent_is_down_comes_again_from_the_log),
		cmocka_unit_test(a_bit_flipped_while_the_agent_is_down_loses_one_span_counted),
		cmocka_unit_test(a_bit_flipped_under_the_agent_comes_again_from_the_log),
		cmocka_unit_test(a_bit_flipped_under_the_agent_loses_one_span_counted),
		cmocka_unit_test(a_spool_cut_under_the_agent_comes_again_from_the_log),
		TEST(a_spool_removed_while_the_agent_is_down_comes_again_from_the_log),
		TEST(what_comes_to_be_missing_while_the_log_is_asked_is_asked_for_again),
		TEST(what_is_damaged_of_a_reopened_run_comes_again_from_its_file),
		TEST(a_large_span_that_is_damaged_is_found),
		TEST(a_run_that_lost_every_span_is_over),
		TEST(a_line_without_a_sum_is_taken_as_it_would_be_printed),
		TEST(a_spool_is_known_by_a_line_that_is_not_damaged),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
