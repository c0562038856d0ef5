#include "assemble_scene.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#define SECOND UINT64_C(1000000000)

static struct scene scene;

static int set_up(void **state)
{
	(void)state;
	scene_init(&scene);
	scene_ring(&scene, 0);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	scene_check_ledger(&scene);
	scene_fini(&scene);
	return 0;
}

static const struct assemble_counters *counters(void)
{
	return assemble_counters(scene.assemble);
}

static void two_rounds(void)
{
	scene_round(&scene, 0);
	scene_round(&scene, 0);
}

static void a_span_is_finished_after_the_round_that_began_after_its_end(void **state)
{
	struct buf r = BUF_INIT;

	(void)state;
	put_start(&r, 7, 1, 0, 0);
	put_string(&r, 1, "a", "x");
	put_end(&r, 1, 5);
	scene_push(&scene, 0, 1, &r);
	assert_int_equal(scene.span_count, 0);
	scene_round(&scene, 0);
	assert_int_equal(scene.span_count, 0);
	scene_round(&scene, 0);
	assert_says(scene_span(&scene, 1)->json, "\"name\":\"span-1\"");
	assert_says(scene_span(&scene, 1)->json, "\"key\":\"a\"");
	assert_says(scene_span(&scene, 1)->json, scene_wall(5));
	assert_int_equal(counters()->finished, 1);
	assert_int_equal(counters()->open, 0);
}

static void a_settled_ring_does_not_wait_for_a_round(void **state)
{
	struct buf r = BUF_INIT;

	(void)state;
	put_start(&r, 7, 1, 0, 0);
	put_start(&r, 7, 2, 0, 0);
	put_end(&r, 1, 5);
	scene_push(&scene, 0, 1, &r);
	assert_int_equal(scene.span_count, 0);
	assemble_settled(scene.assemble, 0);
	assert_int_equal(scene.span_count, 1);
	assert_non_null(scene_span(&scene, 1));
	assert_int_equal(counters()->open, 1);
}

static void attributes_stand_in_the_order_they_were_drained(void **state)
{
	struct buf r = BUF_INIT;
	const char *json;

	(void)state;
	put_start(&r, 7, 1, 0, 0);
	put_string(&r, 1, "first", "x");
	scene_push(&scene, 0, 1, &r);
	put_string(&r, 1, "second", "x");
	scene_push(&scene, 0, 2, &r);
	put_string(&r, 1, "third", "x");
	put_end(&r, 1, 5);
	scene_push(&scene, 0, 1, &r);
	two_rounds();
	json = scene_span(&scene, 1)->json;
	assert_true(strstr(json, "first") < strstr(json, "second"));
	assert_true(strstr(json, "second") < strstr(json, "third"));
}

static void records_before_their_start_wait_for_it(void **state)
{
	struct buf r = BUF_INIT;

	(void)state;
	put_string(&r, 1, "early", "x");
	scene_push(&scene, 0, 2, &r);
	assert_int_equal(counters()->parked, 1);
	scene_round(&scene, 0);
	put_start(&r, 7, 1, 0, 0);
	put_end(&r, 1, 5);
	scene_push(&scene, 0, 1, &r);
	assert_int_equal(counters()->parked, 0);
	two_rounds();
	assert_says(scene_span(&scene, 1)->json, "early");
	assert_int_equal(counters()->applied, 3);
}

static void an_end_before_its_start_ends_the_span(void **state)
{
	struct buf r = BUF_INIT;

	(void)state;
	put_end(&r, 1, 5);
	scene_push(&scene, 0, 2, &r);
	put_start(&r, 7, 1, 0, 0);
	scene_push(&scene, 0, 1, &r);
	two_rounds();
	assert_says(scene_span(&scene, 1)->json, scene_wall(5));
}

static void records_whose_start_never_comes_are_late(void **state)
{
	struct buf r = BUF_INIT;

	(void)state;
	put_string(&r, 1, "a", "x");
	put_string(&r, 1, "b", "x");
	scene_push(&scene, 0, 2, &r);
	scene_round(&scene, 0);
	assert_int_equal(counters()->parked, 2);
	scene_round(&scene, 0);
	assert_int_equal(counters()->parked, 0);
	assert_int_equal(counters()->dropped_late, 2);
}

static void after_end_the_same_thread_is_late_and_others_are_not(void **state)
{
	struct buf r = BUF_INIT;

	(void)state;
	put_start(&r, 7, 1, 0, 0);
	put_end(&r, 1, 5);
	put_string(&r, 1, "same", "x");
	scene_push(&scene, 0, 1, &r);
	put_string(&r, 1, "other", "x");
	scene_push(&scene, 0, 2, &r);
	scene_round(&scene, 0);
	put_string(&r, 1, "next-round", "x");
	scene_push(&scene, 0, 2, &r);
	scene_round(&scene, 0);
	put_string(&r, 1, "too-late", "x");
	scene_push(&scene, 0, 2, &r);
	two_rounds();
	assert_says(scene_span(&scene, 1)->json, "other");
	assert_says(scene_span(&scene, 1)->json, "next-round");
	assert_not_says(scene_span(&scene, 1)->json, "same");
	assert_not_says(scene_span(&scene, 1)->json, "too-late");
	assert_int_equal(counters()->dropped_late, 2);
}

static void a_second_end_is_late(void **state)
{
	struct buf r = BUF_INIT;

	(void)state;
	put_start(&r, 7, 1, 0, 0);
	put_end(&r, 1, 5);
	scene_push(&scene, 0, 1, &r);
	put_end(&r, 1, 9);
	scene_push(&scene, 0, 2, &r);
	two_rounds();
	assert_says(scene_span(&scene, 1)->json, scene_wall(5));
	assert_int_equal(counters()->dropped_late, 1);
}

static void a_start_with_an_open_id_is_a_duplicate(void **state)
{
	struct buf r = BUF_INIT;

	(void)state;
	put_start(&r, 7, 1, 0, 0);
	put_start(&r, 8, 1, 0, 1);
	put_end(&r, 1, 5);
	scene_push(&scene, 0, 1, &r);
	two_rounds();
	assert_says(scene_span(&scene, 1)->json, scene_wall(0));
	assert_int_equal(counters()->dropped_duplicate_start, 1);
	assert_int_equal(counters()->started, 1);
}

static void two_rings_may_use_the_same_span_id(void **state)
{
	struct buf r = BUF_INIT;

	(void)state;
	scene_ring(&scene, 1);
	put_start(&r, 7, 1, 0, 0);
	scene_push(&scene, 0, 1, &r);
	put_start(&r, 7, 1, 0, 0);
	scene_push(&scene, 1, 1, &r);
	assert_int_equal(counters()->open, 2);
}

static void unknown_types_are_counted_and_skipped(void **state)
{
	struct buf r = BUF_INIT;

	(void)state;
	put_start(&r, 7, 1, 0, 0);
	put_end(&r, 1, 5);
	r.at[record_padded(record_head(r.at).length) + 4] = 40;
	put_end(&r, 1, 6);
	scene_push(&scene, 0, 1, &r);
	assert_int_equal(counters()->dropped_unknown_type, 1);
	assert_int_equal(counters()->applied, 2);
}

static void the_pieces_of_a_joined_value_share_its_fate(void **state)
{
	struct buf big = BUF_INIT, rest = BUF_INIT, late = BUF_INIT;
	struct slice slices[3];

	(void)state;
	put_start(&big, 7, 1, 0, 0);
	put_string(&big, 1, "joined", "of four pieces");
	put_end(&rest, 1, 5);
	slices[0] = (struct slice){.thread = 1, .record_count = 2, .records = buf_bytes(&big)};
	slices[1] = (struct slice){.thread = 1, .record_count = 2};
	slices[2] = (struct slice){.thread = 1, .record_count = 2, .records = buf_bytes(&rest)};
	scene_push_slices(&scene, 0, slices, 3);
	assert_int_equal(counters()->records, 6);
	assert_int_equal(counters()->applied, 6);

	put_string(&late, 1, "late", "of three pieces");
	slices[0] = (struct slice){.thread = 1, .record_count = 1, .records = buf_bytes(&late)};
	slices[1] = (struct slice){.thread = 1, .record_count = 2};
	scene_push_slices(&scene, 0, slices, 2);
	assert_int_equal(counters()->dropped_late, 3);
	buf_fini(&big);
	buf_fini(&rest);
	buf_fini(&late);
}

static void the_pieces_of_a_parked_value_are_parked_too(void **state)
{
	struct buf early = BUF_INIT, start = BUF_INIT;
	struct slice slices[3];

	(void)state;
	put_string(&early, 1, "early", "of three pieces");
	put_start(&start, 7, 1, 0, 0);
	slices[0] =
		(struct slice){.thread = 1, .record_count = 1, .records = buf_bytes(&early)};
	slices[1] = (struct slice){.thread = 1, .record_count = 2};
	scene_push_slices(&scene, 0, slices, 2);
	assert_int_equal(counters()->parked, 3);
	slices[1] =
		(struct slice){.thread = 2, .record_count = 1, .records = buf_bytes(&start)};
	slices[2] = (struct slice){.thread = 1, .record_count = 2};
	scene_push_slices(&scene, 0, slices, 3);
	assert_int_equal(counters()->parked, 0);
	assert_int_equal(counters()->applied, 7);
	buf_fini(&early);
	buf_fini(&start);
}

static void what_the_drain_dropped_is_not_counted_again(void **state)
{
	struct buf r = BUF_INIT;
	struct slice slice;

	(void)state;
	put_start(&r, 7, 1, 0, 0);
	slice = (struct slice){
		.thread = 1, .record_count = 5, .dropped_count = 4, .records = buf_bytes(&r)};
	scene_push_slices(&scene, 0, &slice, 1);
	assert_int_equal(counters()->records, 1);
	assert_int_equal(counters()->applied, 1);
	buf_fini(&r);
}

static void spans_over_the_limit_are_dropped_and_counted(void **state)
{
	struct buf r = BUF_INIT;

	(void)state;
	scene.options.open_spans_max = 2;
	scene.options.limits.parked_records_max = 1;
	scene_restart(&scene);
	put_start(&r, 7, 1, 0, 0);
	put_start(&r, 7, 2, 1, 0);
	put_start(&r, 7, 3, 1, 0);
	put_string(&r, 3, "a", "x");
	put_string(&r, 3, "b", "x");
	scene_push(&scene, 0, 1, &r);
	assert_int_equal(counters()->open, 2);
	assert_int_equal(counters()->dropped_limit, 2);
	assert_int_equal(counters()->parked, 1);
}

static void a_full_log_keeps_the_span_for_the_next_tick(void **state)
{
	struct buf r = BUF_INIT;

	(void)state;
	put_start(&r, 7, 1, 0, 0);
	put_end(&r, 1, 5);
	put_start(&r, 7, 2, 0, 0);
	put_end(&r, 2, 5);
	scene_push(&scene, 0, 1, &r);
	scene.finished_error = -ENOBUFS;
	two_rounds();
	put_string(&r, 1, "late", "x");
	scene_push(&scene, 0, 1, &r);
	scene_tick(&scene);
	assert_int_equal(scene.span_count, 0);
	assert_int_equal(counters()->open, 2);
	assert_true(assemble_next_due(scene.assemble, 0) < SECOND / 10);
	scene.finished_error = 0;
	scene_tick(&scene);
	assert_int_equal(scene.span_count, 2);
	assert_int_equal(scene_order(&scene, 1), 0);
	assert_int_equal(counters()->dropped_late, 1);
}

static void a_span_the_log_refuses_for_good_is_dropped_and_counted(void **state)
{
	struct buf r = BUF_INIT;

	(void)state;
	put_start(&r, 7, 1, 0, 0);
	put_end(&r, 1, 5);
	scene_push(&scene, 0, 1, &r);
	scene.finished_error = -E2BIG;
	two_rounds();
	assert_int_equal(counters()->dropped_invalid, 1);
	assert_int_equal(counters()->open, 0);
}

static void a_span_has_the_resource_and_scope_of_its_finish(void **state)
{
	struct bytes none = {NULL, 0};
	struct buf r = BUF_INIT;
	uint32_t number = 3;
	size_t at;

	(void)state;
	put_service(&r, "before");
	records_scope(&r, number, bytes_of("lib"), bytes_of("1.2"), none, none, 0);
	at = r.len;
	put_start(&r, 7, 1, 0, 0);
	memcpy(r.at + at + offsetof(struct wire_start, scope), &number, 4);
	put_end(&r, 1, 5);
	put_service(&r, "after");
	scene_push(&scene, 0, 1, &r);
	two_rounds();
	assert_says(scene_span(&scene, 1)->resource, "after");
	assert_says(scene_span(&scene, 1)->scope, "\"name\":\"lib\"");
	assert_string_equal(scene_run(&scene, 7)->service, "before");
}

static const char *large_value(void)
{
	static char value[100001];

	memset(value, 'v', sizeof value - 1);
	return value;
}

static void large_values_leave_the_memory_and_come_back(void **state)
{
	struct buf r = BUF_INIT;

	(void)state;
	scene.options.memory_bytes_max = 50000;
	scene_restart(&scene);
	put_start(&r, 7, 1, 0, 0);
	put_string(&r, 1, "small", "x");
	put_string(&r, 1, "large", large_value());
	put_string(&r, 1, "behind", "x");
	put_end(&r, 1, 5);
	scene_push(&scene, 0, 1, &r);
	assert_true(counters()->memory_bytes < 50000);
	assert_true(counters()->spilled_bytes > 100000);
	two_rounds();
	assert_says(scene_span(&scene, 1)->json, large_value());
	assert_says(scene_span(&scene, 1)->json, "behind");
	assert_int_equal(scene.loads, 1);
	assert_int_equal(counters()->spilled_bytes, 0);
	assert_int_equal(counters()->memory_bytes, 0);
}

static void a_value_that_the_log_lost_is_counted_on_its_span(void **state)
{
	struct buf r = BUF_INIT;

	(void)state;
	scene.options.memory_bytes_max = 50000;
	scene_restart(&scene);
	put_start(&r, 7, 1, 0, 0);
	put_string(&r, 1, "large", large_value());
	put_end(&r, 1, 5);
	scene_push(&scene, 0, 1, &r);
	scene.load_error = -EMFILE;
	two_rounds();
	assert_int_equal(scene.span_count, 0);
	scene.load_error = -EBADMSG;
	scene_tick(&scene);
	assert_says(scene_span(&scene, 1)->json, "\"droppedAttributesCount\":1");
	assert_int_equal(counters()->dropped_damaged, 1);
}

static void spans_of_many_small_values_leave_the_memory_as_a_whole(void **state)
{
	struct buf r = BUF_INIT;
	const char *at;
	char key[32];

	(void)state;
	scene.options.memory_bytes_max = 200000;
	scene_restart(&scene);
	put_string(&r, 1, "early", "x");
	scene_push(&scene, 0, 2, &r);
	put_start(&r, 7, 1, 0, 0);
	scene_push(&scene, 0, 1, &r);
	for (int i = 0; i < 20000; i++) {
		(void)snprintf(key, sizeof key, "key-%d", i);
		put_string(&r, 1, key, "x");
		if (i % 100 == 99) {
			scene_push(&scene, 0, 1, &r);
			assert_true(counters()->memory_bytes < 250000);
		}
		if (i == 9999)
			scene_restart(&scene);
	}
	assert_true(counters()->spilled_bytes > 500000);
	put_end(&r, 1, 5);
	scene_push(&scene, 0, 1, &r);
	two_rounds();
	at = scene_span(&scene, 1)->json;
	assert_says(at, "\"early\"");
	for (int i = 0; i < 20000; i++) {
		(void)snprintf(key, sizeof key, "\"key-%d\"", i);
		at = strstr(at, key);
		assert_non_null(at);
	}
	assert_int_equal(counters()->dropped_limit, 0);
	assert_int_equal(counters()->memory_bytes, 0);
	assert_int_equal(counters()->spilled_bytes, 0);
}

static void memory_stays_bounded_when_the_log_takes_nothing(void **state)
{
	struct buf r = BUF_INIT;

	(void)state;
	scene.options.memory_bytes_max = 50000;
	scene_restart(&scene);
	put_start(&r, 7, 1, 0, 0);
	scene_push(&scene, 0, 1, &r);
	scene.state_error = -ENOBUFS;
	for (int i = 0; i < 5000; i++)
		put_string(&r, 1, "key", "a value of some length");
	put_end(&r, 1, 5);
	scene_push(&scene, 0, 1, &r);
	assert_true(counters()->memory_bytes < 100000);
	assert_true(counters()->dropped_limit > 3000);
	scene.state_error = 0;
	two_rounds();
	assert_says(scene_span(&scene, 1)->json, scene_wall(5));
	assert_says(scene_span(&scene, 1)->json, "droppedAttributesCount");
}

static void a_span_never_outgrows_the_log(void **state)
{
	struct buf r = BUF_INIT, value = BUF_INIT;

	(void)state;
	assert_int_equal(buf_reserve(&value, 1u << 20), 0);
	memset(value.at, 'v', 1u << 20);
	value.len = 1u << 20;
	put_start(&r, 7, 1, 0, 0);
	for (int i = 0; i < 20; i++) {
		char key[8] = {'k', (char)('a' + i)};

		records_attribute(&r, 1, bytes_of(key), WIRE_STRING, buf_bytes(&value));
	}
	put_end(&r, 1, 5);
	scene_push(&scene, 0, 1, &r);
	assert_int_equal(counters()->dropped_limit, 6);
	two_rounds();
	assert_says(scene_span(&scene, 1)->json, "\"droppedAttributesCount\":6");
	buf_fini(&value);
}

struct shown {
	uint64_t ids[4];
	uint32_t n;
};

static void show(void *arg, const struct open_span_view *view)
{
	struct shown *shown = arg;

	memcpy(&shown->ids[shown->n++], view->span_id, 8);
	assert_int_equal(view->pid, 100);
	assert_int_equal(view->name.len, 6);
}

static void open_spans_are_shown_oldest_first(void **state)
{
	struct shown shown = {0};
	struct buf r = BUF_INIT;

	(void)state;
	put_string(&r, 9, "parked", "x");
	put_start(&r, 7, 3, 0, 0);
	put_start(&r, 7, 1, 3, 1);
	put_start(&r, 7, 2, 3, 2);
	scene_push(&scene, 0, 1, &r);
	assemble_each_open(scene.assemble, 2, show, &shown);
	assert_int_equal(shown.n, 2);
	assert_int_equal(shown.ids[0], 3);
	assert_int_equal(shown.ids[1], 1);
}

static void a_lost_end_ends_the_span_without_calling_it_a_crash(void **state)
{
	uint64_t id = 1;
	struct buf r = BUF_INIT;

	(void)state;
	put_start(&r, 7, 1, 0, 0);
	records_event(&r, 1, scene_ticks(3), bytes_of("last"), (struct bytes){NULL, 0}, 0);
	scene_push(&scene, 0, 1, &r);
	assemble_end_lost(scene.assemble, 0, (const uint8_t *)&id);
	assemble_end_lost(scene.assemble, 0, (const uint8_t *)&id);
	two_rounds();
	assert_says(scene_span(&scene, 1)->json, "end_lost");
	assert_says(scene_span(&scene, 1)->json, "\"endTimeUnixNano\":");
	assert_says(scene_span(&scene, 1)->json, scene_wall(3));
	assert_not_says(scene_span(&scene, 1)->json, "process.died");
	assert_int_equal(counters()->end_lost, 1);
	assemble_end_lost(scene.assemble, 0, (const uint8_t *)&id);
	two_rounds();
	assert_int_equal(scene_span_times(&scene, 1), 1);
}

static void a_lost_end_may_be_noted_before_its_start_is_read(void **state)
{
	uint64_t id = 1;
	struct buf r = BUF_INIT;

	(void)state;
	assemble_end_lost(scene.assemble, 0, (const uint8_t *)&id);
	put_start(&r, 7, 1, 0, 0);
	scene_push(&scene, 0, 1, &r);
	two_rounds();
	assert_says(scene_span(&scene, 1)->json, "end_lost");
	assert_int_equal(counters()->end_lost, 1);
}

static void a_ring_that_is_gone_leaves_nothing_behind(void **state)
{
	struct buf r = BUF_INIT;

	(void)state;
	put_start(&r, 7, 1, 0, 0);
	scene_push(&scene, 0, 1, &r);
	assemble_ring_gone(scene.assemble, 0);
	scene_tick(&scene);
	assert_says(scene_span(&scene, 1)->json, "\"unknown\"");
	assert_true(assemble_ring_idle(scene.assemble, 0));
	assert_int_equal(counters()->memory_bytes, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
		T(a_span_is_finished_after_the_round_that_began_after_its_end),
		T(a_settled_ring_does_not_wait_for_a_round),
		T(attributes_stand_in_the_order_they_were_drained),
		T(records_before_their_start_wait_for_it),
		T(an_end_before_its_start_ends_the_span),
		T(records_whose_start_never_comes_are_late),
		T(after_end_the_same_thread_is_late_and_others_are_not),
		T(a_second_end_is_late),
		T(a_start_with_an_open_id_is_a_duplicate),
		T(two_rings_may_use_the_same_span_id),
		T(unknown_types_are_counted_and_skipped),
		T(the_pieces_of_a_joined_value_share_its_fate),
		T(the_pieces_of_a_parked_value_are_parked_too),
		T(what_the_drain_dropped_is_not_counted_again),
		T(spans_over_the_limit_are_dropped_and_counted),
		T(a_full_log_keeps_the_span_for_the_next_tick),
		T(a_span_the_log_refuses_for_good_is_dropped_and_counted),
		T(a_span_has_the_resource_and_scope_of_its_finish),
		T(large_values_leave_the_memory_and_come_back),
		T(a_value_that_the_log_lost_is_counted_on_its_span),
		T(spans_of_many_small_values_leave_the_memory_as_a_whole),
		T(memory_stays_bounded_when_the_log_takes_nothing),
		T(a_span_never_outgrows_the_log),
		T(open_spans_are_shown_oldest_first),
		T(a_lost_end_ends_the_span_without_calling_it_a_crash),
		T(a_lost_end_may_be_noted_before_its_start_is_read),
		T(a_ring_that_is_gone_leaves_nothing_behind),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
