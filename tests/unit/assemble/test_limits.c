/* What a module can make grow has a limit, each with a counter; the module's
 * other spans and everybody else go on. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "assemble_scene.h"

#define SECOND UINT64_C(1000000000)

static struct scene scene;

static int setup(void **state)
{
	(void)state;
	scene_init(&scene);
	return 0;
}

/* Afterwards an honest span of another ring still arrives. */
static int teardown(void **state)
{
	struct buf r = BUF_INIT;

	(void)state;
	scene_ring(&scene, 3);
	put_start(&r, 99, 4711, 0, 0);
	put_string(&r, 4711, "k", "v");
	put_end(&r, 4711, 1);
	scene_push(&scene, 3, 1, &r);
	scene_round(&scene, 3);
	scene_round(&scene, 3);
	assert_says(scene_span(&scene, 4711)->json, "\"stringValue\":\"v\"");
	scene_check_ledger(&scene);
	buf_fini(&r);
	scene_fini(&scene);
	return 0;
}

static const struct limit_counters *met(void)
{
	return &assemble_counters(scene.assemble)->limits;
}

static void begin(void)
{
	scene_restart(&scene);
	scene_ring(&scene, 0);
}

static void push(struct buf *r)
{
	scene_push(&scene, 0, 1, r);
	buf_fini(r);
}

static const char *finish(uint64_t span)
{
	struct buf r = BUF_INIT;

	put_end(&r, span, 9);
	push(&r);
	scene_round(&scene, 0);
	scene_round(&scene, 0);
	return scene_span(&scene, span)->json;
}

static void attributes_over_the_limit_are_dropped_and_counted_on_the_span(void **state)
{
	struct buf r = BUF_INIT;

	(void)state;
	scene.options.limits.span_attributes_max = 2;
	begin();
	put_start(&r, 7, 1, 0, 0);
	put_string(&r, 1, "a", "1");
	put_string(&r, 1, "b", "2");
	put_string(&r, 1, "c", "3");
	put_string(&r, 1, "d", "4");
	push(&r);
	assert_int_equal(met()->attributes, 2);
	assert_int_equal(assemble_counters(scene.assemble)->dropped_limit, 2);
	assert_says(finish(1), "\"droppedAttributesCount\":2");
	assert_not_says(scene_span(&scene, 1)->json, "\"c\"");
}

static void attributes_are_counted_across_a_restart(void **state)
{
	struct buf r = BUF_INIT;

	(void)state;
	scene.options.limits.span_attributes_max = 2;
	begin();
	put_start(&r, 7, 1, 0, 0);
	put_string(&r, 1, "a", "1");
	put_string(&r, 1, "b", "2");
	push(&r);
	begin();
	put_string(&r, 1, "c", "3");
	push(&r);
	assert_int_equal(met()->attributes, 1);
}

static void events_and_links_over_the_limit_are_dropped_and_counted(void **state)
{
	struct buf r = BUF_INIT;

	(void)state;
	scene.options.limits.span_events_max = 1;
	scene.options.limits.span_links_max = 1;
	begin();
	put_start(&r, 7, 1, 0, 0);
	for (int i = 0; i < 3; i++) {
		records_event(&r, 1, scene_ticks(1), bytes_of("e"), bytes_of(""), 0);
		records_link(&r, 1, 77, 0, bytes_of(""), bytes_of(""), 0);
	}
	push(&r);
	assert_int_equal(met()->events, 2);
	assert_int_equal(met()->links, 2);
	assert_says(finish(1), "\"droppedEventsCount\":2");
	assert_says(scene_span(&scene, 1)->json, "\"droppedLinksCount\":2");
}

static void long_names_are_cut_between_two_characters(void **state)
{
	struct buf r = BUF_INIT;

	(void)state;
	scene.options.limits.name_bytes_max = 5;
	begin();
	records_start(&r, 1, 0, 1, 0, scene_ticks(0), bytes_of("abcd\xc3\xa9rest"),
		      bytes_of("k=v"));
	records_event(&r, 1, scene_ticks(1), bytes_of("eventname"), bytes_of(""), 0);
	push(&r);
	assert_int_equal(met()->names, 2);
	assert_says(finish(1), "\"name\":\"abcd\"");
	assert_says(scene_span(&scene, 1)->json, "\"name\":\"event\"");
	assert_says(scene_span(&scene, 1)->json, "\"traceState\":\"k=v\"");
	records_start(&r, 2, 0, 1, 0, scene_ticks(0), bytes_of("x"), bytes_of(""));
	records_text(&r, WIRE_NAME, 2, 0, bytes_of("renamed"));
	push(&r);
	assert_says(finish(2), "\"name\":\"renam\"");
	assert_int_equal(met()->names, 3);
	assert_int_equal(assemble_counters(scene.assemble)->dropped_limit, 0);
}

static void long_keys_and_values_are_dropped(void **state)
{
	struct buf r = BUF_INIT;

	(void)state;
	scene.options.limits.key_bytes_max = 4;
	scene.options.limits.value_bytes_max = 6;
	begin();
	put_start(&r, 7, 1, 0, 0);
	put_string(&r, 1, "four", "sixsix");
	put_string(&r, 1, "five5", "x");
	put_string(&r, 1, "v", "seven77");
	push(&r);
	assert_int_equal(met()->keys, 1);
	assert_int_equal(met()->values, 1);
	assert_says(finish(1), "sixsix");
	assert_says(scene_span(&scene, 1)->json, "\"droppedAttributesCount\":2");
}

/* A map in a map in a map, as deep as the format allows. */
static void deep_map(struct buf *out)
{
	for (int i = 1; i < WIRE_DEPTH_MAX; i++) {
		struct buf outer = BUF_INIT;

		records_entry(&outer, bytes_of("k"), WIRE_MAP, buf_bytes(out));
		buf_fini(out);
		*out = outer;
	}
}

/* Also where the log does not take the span at once, and it is encoded again. */
static void values_too_deep_to_be_read_are_emptied_and_counted_once(void **state)
{
	struct buf r = BUF_INIT, deep = BUF_INIT, entries = BUF_INIT;

	(void)state;
	begin();
	deep_map(&deep);
	records_entry(&entries, bytes_of("deep"), WIRE_MAP,
		      (struct bytes){deep.at + 9, deep.len - 9});
	records_resource(&r, bytes_of(""), buf_bytes(&entries), 0);
	put_start(&r, 7, 1, 0, 0);
	records_attribute(&r, 1, bytes_of("deep"), WIRE_MAP, buf_bytes(&deep));
	put_string(&r, 1, "flat", "v");
	put_end(&r, 1, 9);
	push(&r);
	scene.finished_error = -ENOBUFS;
	scene_round(&scene, 0);
	scene_round(&scene, 0);
	scene.finished_error = 0;
	scene_round(&scene, 0);
	assert_says(scene_span(&scene, 1)->json, "\"flat\"");
	assert_int_equal(met()->depth, 2);
	buf_fini(&deep);
	buf_fini(&entries);
}

static void a_ring_has_so_many_open_spans(void **state)
{
	struct buf r = BUF_INIT;

	(void)state;
	scene.options.limits.ring_open_spans_max = 2;
	begin();
	for (uint64_t span = 1; span <= 4; span++)
		put_start(&r, 7, span, 0, 0);
	push(&r);
	assert_int_equal(assemble_counters(scene.assemble)->open, 2);
	assert_int_equal(met()->open_spans, 2);
	(void)finish(1);
	put_start(&r, 7, 5, 0, 0);
	push(&r);
	assert_int_equal(assemble_counters(scene.assemble)->open, 2);
	assert_int_equal(met()->open_spans, 2);
}

static void a_user_has_its_share_of_all_open_spans(void **state)
{
	struct buf r = BUF_INIT;

	(void)state;
	scene.options.open_spans_max = 100;
	scene.options.limits.user_share = 90;
	scene.uids[3] = 4; /* somebody else */
	begin();
	for (uint64_t span = 1; span <= 110; span++)
		put_start(&r, 7, span, 0, 0);
	push(&r);
	assert_int_equal(assemble_counters(scene.assemble)->open, 91);
	assert_int_equal(met()->open_spans, 19);
}

/* Spans that fill the memory with what cannot leave it. */
static void flood(uint32_t ring, uint64_t from, uint64_t count)
{
	struct buf r = BUF_INIT;

	for (uint64_t span = from; span < from + count; span++)
		put_start(&r, 7, span, 0, 0);
	scene_push(&scene, ring, 1, &r);
	buf_fini(&r);
}

static void a_ring_that_fills_the_memory_leaves_some_to_others(void **state)
{
	const struct assemble_counters *counters;

	(void)state;
	scene.options.memory_bytes_max = 256 << 10;
	scene.options.limits.ring_share = 75;
	begin();
	scene_ring(&scene, 1);
	for (int i = 0; i < 20; i++)
		flood(0, 1000 + 100 * (uint64_t)i, 100);
	counters = assemble_counters(scene.assemble);
	assert_true(met()->memory > 0);
	assert_true(counters->memory_bytes > 256 << 10);
	assert_true(counters->memory_bytes < 270 << 10);
	/* 64 KiB more than memory_bytes_max are for everybody else. */
	flood(1, 1, 50);
	assert_int_equal(met()->memory, 2000 - (counters->open - 50));
}

/* `count` spans of `values` values each, ended, and a round that does not come. */
static void burst(uint64_t count, int values)
{
	static char text[400];
	struct buf r = BUF_INIT;
	char key[16];

	memset(text, 'x', sizeof text - 1);
	for (uint64_t span = 1; span <= count; span++) {
		put_start(&r, 7, span, 0, 0);
		for (int i = 0; i < values; i++) {
			(void)snprintf(key, sizeof key, "k%d", i);
			put_string(&r, span, key, text);
		}
		put_end(&r, span, 5);
		if (r.len >= 16 << 10)
			push(&r);
	}
	push(&r);
	assert_true(assemble_counters(scene.assemble)->memory_bytes <= 1280 << 10);
	buf_fini(&r);
}

static void a_burst_of_ended_spans_is_kept_whole(void **state)
{
	(void)state;
	scene.options.memory_bytes_max = 1 << 20;
	scene.options.limits.ring_share = 75;
	begin();
	burst(1000, 10);
	assert_int_equal(assemble_counters(scene.assemble)->dropped_limit, 0);
	scene_round(&scene, 0);
	scene_round(&scene, 0);
	assert_int_equal(assemble_counters(scene.assemble)->finished, 1000);
	for (uint64_t span = 1; span <= 1000; span++)
		assert_says(scene_span(&scene, span)->json, "\"k9\"");
}

static void ended_spans_make_room_before_their_round(void **state)
{
	(void)state;
	scene.options.memory_bytes_max = 1 << 20;
	scene.options.limits.ring_share = 75;
	begin();
	burst(4000, 0);
	assert_int_equal(assemble_counters(scene.assemble)->dropped_limit, 0);
	assert_true(assemble_counters(scene.assemble)->finished > 2000);
	scene_round(&scene, 0);
	scene_round(&scene, 0);
	assert_int_equal(assemble_counters(scene.assemble)->finished, 4000);
}

static void no_kind_of_record_passes_the_memory_without_end(void **state)
{
	static char text[5000];
	struct buf r = BUF_INIT;

	(void)state;
	scene.options.memory_bytes_max = 64 << 10;
	scene.options.limits.ring_share = 75;
	begin();
	memset(text, 'x', sizeof text - 1);
	for (uint64_t span = 1; span <= 100; span++)
		put_start(&r, 7, span, 0, 0);
	push(&r);
	for (int i = 0; i < 40; i++) {
		for (uint64_t span = 1; span <= 100; span++) {
			put_status(&r, span, 2, "message");
			put_string(&r, span, "k", text);
		}
		push(&r);
	}
	assert_true(met()->memory > 0);
	assert_true(assemble_counters(scene.assemble)->memory_bytes < 4 * (64 << 10));
	(void)finish(1);
}

static void a_large_resource_and_too_many_scopes_are_refused(void **state)
{
	static char text[2000];
	struct buf r = BUF_INIT, entries = BUF_INIT;

	(void)state;
	scene.options.limits.resource_bytes_max = 1000;
	scene.options.limits.scopes_max = 3;
	begin();
	put_service(&r, "good");
	memset(text, 'x', sizeof text - 1);
	records_entry(&entries, bytes_of("k"), WIRE_STRING, bytes_of(text));
	records_resource(&r, bytes_of(""), buf_bytes(&entries), 0);
	for (uint32_t number = 1; number <= 5; number++)
		records_scope(&r, number, bytes_of("s"), bytes_of(""), bytes_of(""),
			      bytes_of(""), 0);
	records_scope(&r, 2, bytes_of("again"), bytes_of(""), bytes_of(""), bytes_of(""), 0);
	put_start(&r, 7, 1, 0, 0);
	push(&r);
	assert_int_equal(met()->resources, 1);
	assert_int_equal(met()->scopes, 2);
	(void)finish(1);
	assert_says(scene_span(&scene, 1)->resource, "good");
	buf_fini(&entries);
}

static void a_run_has_so_many_spans(void **state)
{
	struct buf r = BUF_INIT;

	(void)state;
	scene.options.limits.run_spans_max = 3;
	begin();
	for (uint64_t span = 1; span <= 5; span++)
		put_start(&r, 7, span, 0, 0);
	put_start(&r, 8, 6, 0, 0);
	push(&r);
	assert_int_equal(met()->run_spans, 2);
	assert_int_equal(assemble_counters(scene.assemble)->open, 4);
}

static void a_user_begins_so_many_runs_at_once_and_so_many_a_second(void **state)
{
	struct buf r = BUF_INIT;

	(void)state;
	scene.options.limits.user_runs_max = 10;
	scene.options.limits.user_runs_per_second = 2;
	scene.uids[3] = 4;
	begin();
	for (uint64_t trace = 1; trace <= 15; trace++)
		put_start(&r, trace, trace, 0, 0);
	/* Spans of runs that are there need no leave. */
	put_start(&r, 1, 100, 1, 0);
	push(&r);
	assert_int_equal(met()->runs, 5);
	assert_int_equal(assemble_counters(scene.assemble)->open, 11);
	test_env_advance(&scene.env, 2 * SECOND);
	for (uint64_t trace = 21; trace <= 30; trace++)
		put_start(&r, trace, trace, 0, 0);
	push(&r);
	assert_int_equal(met()->runs, 5 + 6);
}

/* So does whoever sends over a socket: all of them are one. */
static void senders_begin_so_many_runs_and_each_has_so_many_spans(void **state)
{
	struct finished_span span = {.number = 0};
	int refused = 0;

	(void)state;
	scene.options.limits.user_runs_max = 10;
	scene.options.limits.user_runs_per_second = 2;
	scene.options.limits.run_spans_max = 3;
	begin();
	for (uint8_t trace = 1; trace <= 15; trace++) {
		span.trace_id[0] = trace;
		span.number++;
		if (assemble_admits(scene.assemble, span.trace_id) < 0)
			refused++;
		else
			assemble_received(scene.assemble, &span);
	}
	assert_int_equal(refused, 5);
	assert_int_equal(met()->runs, 5);
	span.trace_id[0] = 1;
	for (int i = 0; i < 2; i++) {
		assert_int_equal(assemble_admits(scene.assemble, span.trace_id), 0);
		span.number++;
		assemble_received(scene.assemble, &span);
	}
	assert_int_equal(assemble_admits(scene.assemble, span.trace_id), -EDQUOT);
	assert_int_equal(met()->run_spans, 1);
	assert_int_equal(assemble_counters(scene.assemble)->received, 12);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(attributes_over_the_limit_are_dropped_and_counted_on_the_span),
		TEST(attributes_are_counted_across_a_restart),
		TEST(events_and_links_over_the_limit_are_dropped_and_counted),
		TEST(long_names_are_cut_between_two_characters),
		TEST(long_keys_and_values_are_dropped),
		TEST(values_too_deep_to_be_read_are_emptied_and_counted_once),
		TEST(a_ring_has_so_many_open_spans),
		TEST(a_user_has_its_share_of_all_open_spans),
		TEST(a_ring_that_fills_the_memory_leaves_some_to_others),
		TEST(a_burst_of_ended_spans_is_kept_whole),
		TEST(ended_spans_make_room_before_their_round),
		TEST(no_kind_of_record_passes_the_memory_without_end),
		TEST(a_large_resource_and_too_many_scopes_are_refused),
		TEST(a_run_has_so_many_spans),
		TEST(a_user_begins_so_many_runs_at_once_and_so_many_a_second),
		TEST(senders_begin_so_many_runs_and_each_has_so_many_spans),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
