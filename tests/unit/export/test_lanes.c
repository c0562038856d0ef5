/* Live spans beside a backlog: whose turn it is, that neither lane keeps the other
 * out, and that what a cursor says of both is exact at every moment. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "collector_scene.h"

#define SEEN_MAX 256

/* The numbers of the spans that were sent, in that order, one in each request. */
static uint8_t seen[SEEN_MAX];
static unsigned seen_count;

static void see(void *arg, struct bytes body, struct grpc_peer_reply *reply)
{
	(void)arg, (void)reply;
	assert_true(body.len > 0 && seen_count < SEEN_MAX);
	seen[seen_count++] = body.at[body.len - 1];
}

static struct collector_scene *scene_of(size_t batch_spans, size_t streams)
{
	struct collector_scene *scene = collector_new();

	scene->options.batch_spans_max = batch_spans;
	scene->options.streams_max = streams;
	scene->on_request = see;
	seen_count = 0;
	return scene;
}

static int push_sized(struct collector_scene *scene, uint64_t number, size_t len)
{
	static uint8_t bytes[1 << 20];
	const struct finished_span span = {.number = number, .span = {bytes, len}};

	memset(bytes, (int)number, len);
	return export_push(&scene->export, &span);
}

static int push(struct collector_scene *scene, uint64_t number)
{
	return push_sized(scene, number, 100);
}

static uint64_t sum(const struct export_outcome *outcome)
{
	return outcome->sent + outcome->rejected_partial + outcome->rejected_status +
	       outcome->dropped_too_large + outcome->dropped_backlog + outcome->dropped_lost;
}

/* What two numbers say is just what is counted with them. */
static void everything_settled_is_counted(const struct collector_scene *scene)
{
	struct export_ahead ahead = export_ahead(&scene->export);

	assert_int_equal(sum(export_settled(&scene->export)), export_acked(&scene->export));
	assert_int_equal(sum(&ahead.outcome), ahead.number - ahead.after);
}

/* Offers both lanes all they have, and plays until all is sent. */
static void play(struct collector_scene *scene, uint64_t backlog, uint64_t backlog_end,
		 uint64_t live, uint64_t live_end)
{
	export_flush(&scene->export);
	for (int i = 0; i < 5000; i++) {
		while (live <= live_end && push(scene, live) == 0)
			live++;
		while (backlog <= backlog_end && push(scene, backlog) == 0)
			backlog++;
		if (live > live_end && backlog > backlog_end && export_idle(&scene->export))
			return;
		collector_round(scene);
		everything_settled_is_counted(scene);
	}
	fail();
}

static unsigned place_of(uint8_t number)
{
	for (unsigned i = 0; i < seen_count; i++)
		if (seen[i] == number)
			return i;
	fail();
	return 0;
}

static void each_was_seen_once(uint64_t last)
{
	assert_int_equal(seen_count, last);
	for (uint64_t number = 1; number <= last; number++)
		(void)place_of((uint8_t)number);
}

static void requests_of_two_lanes_take_turns(void **state)
{
	struct collector_scene *scene = scene_of(1, 1);
	unsigned live = 0;

	(void)state;
	collector_begin(scene);
	export_split(&scene->export, 60);
	play(scene, 1, 60, 61, 80);
	each_was_seen_once(80);
	/* The first is a live one; then each second until there are no more. */
	assert_int_equal(seen[0], 61);
	for (unsigned i = 0; i < seen_count && live < 20; i++) {
		live += seen[i] > 60;
		assert_true(i == 0 || seen[i] <= 60 || seen[i - 1] <= 60);
	}
	assert_true(place_of(80) <= 2 * 20 + 2);
	assert_false(export_is_split(&scene->export));
	assert_int_equal(export_acked(&scene->export), 80);
	assert_int_equal(scene->export.counters.splits, 1);
	collector_end(scene);
}

static void a_live_span_passes_a_backlog_that_fills_all_batches(void **state)
{
	struct collector_scene *scene = scene_of(1, 4);
	uint64_t number = 1;

	(void)state;
	collector_begin(scene);
	while (push(scene, number) == 0)
		number++;
	assert_int_equal(number, 7);
	export_split(&scene->export, 100);
	assert_int_equal(push(scene, 101), -ENOBUFS);
	play(scene, number, 100, 101, 101);
	each_was_seen_once(101);
	assert_true(place_of(101) <= 12);
	collector_end(scene);
}

static void neither_lane_takes_the_last_batches(void **state)
{
	struct collector_scene *scene = scene_of(1, 4);
	unsigned taken = 0;

	(void)state;
	for (int first = 0; first < 2; first++) {
		uint64_t here = first ? 1 : 101, there = first ? 101 : 1;

		collector_begin(scene);
		export_split(&scene->export, 100);
		for (taken = 0; push(scene, here + taken) == 0; taken++)
			;
		assert_int_equal(taken, 4);
		for (taken = 0; push(scene, there + taken) == 0; taken++)
			;
		assert_int_equal(taken, 2);
		export_fini(&scene->export);
	}
	collector_begin(scene);
	collector_end(scene);
}

static void neither_lane_takes_all_of_the_memory(void **state)
{
	struct collector_scene *scene = scene_of(512, 4);
	unsigned taken;

	(void)state;
	scene->options.memory_max = 1000000;
	collector_begin(scene);
	for (taken = 0; push_sized(scene, 1 + taken, 100000) == 0; taken++)
		;
	assert_true(taken >= 8);
	export_split(&scene->export, 100);
	/* One is always taken, more when the other lane has let go of some. */
	assert_int_equal(push_sized(scene, 101, 100000), 0);
	assert_int_equal(push_sized(scene, 102, 100000), -ENOBUFS);
	export_fini(&scene->export);
	collector_begin(scene);
	export_split(&scene->export, 100);
	for (taken = 0; push_sized(scene, 1 + taken, 100000) == 0; taken++)
		;
	assert_int_equal(taken, 4);
	for (taken = 0; push_sized(scene, 101 + taken, 100000) == 0; taken++)
		;
	assert_int_equal(taken, 4);
	collector_end(scene);
}

static void what_is_sent_ahead_is_counted_behind_the_backlog(void **state)
{
	struct collector_scene *scene = scene_of(2, 4);
	struct export_ahead ahead;

	(void)state;
	scene->options.request_bytes_max = 10000;
	scene->options.batch_bytes_max = 10000;
	collector_begin(scene);
	grpc_peer_expect(&scene->peer)->silent = true; /* 1 and 2 */
	assert_int_equal(push(scene, 1), 0);
	assert_int_equal(push(scene, 2), 0);
	collector_rounds(scene, 10);
	export_split(&scene->export, 10);
	/* Of the live lane: 11 was lost, 14 is too large, 15 and 16 are given up. */
	assert_int_equal(push(scene, 12), 0);
	assert_int_equal(push(scene, 13), 0);
	assert_int_equal(push_sized(scene, 14, 20000), 0);
	export_give_up(&scene->export, 16);
	collector_rounds(scene, 10);
	everything_settled_is_counted(scene);
	ahead = export_ahead(&scene->export);
	assert_int_equal(ahead.after, 10);
	assert_int_equal(ahead.number, 16);
	assert_int_equal(ahead.outcome.sent, 2);
	assert_int_equal(ahead.outcome.dropped_lost, 1);
	assert_int_equal(ahead.outcome.dropped_too_large, 1);
	assert_int_equal(ahead.outcome.dropped_backlog, 2);
	assert_int_equal(export_acked(&scene->export), 0);
	/* Of the backlog: 3 to 5 are given up, 6 was lost, and all behind 8. */
	export_give_up(&scene->export, 5);
	assert_int_equal(push(scene, 7), 0);
	assert_int_equal(push(scene, 8), 0);
	export_backlog_over(&scene->export);
	collector_rounds(scene, 10);
	assert_true(export_is_split(&scene->export)); /* 1 and 2 have no answer */
	assert_int_equal(export_ahead(&scene->export).number, 16);
	test_env_advance_ms(&scene->env, 20000);
	collector_rounds(scene, 5);
	test_env_advance_ms(&scene->env, 20000);
	collector_rounds(scene, 20);
	assert_false(export_is_split(&scene->export));
	assert_int_equal(export_acked(&scene->export), 16);
	everything_settled_is_counted(scene);
	assert_int_equal(export_settled(&scene->export)->sent, 6);
	assert_int_equal(export_settled(&scene->export)->dropped_lost, 4);
	assert_int_equal(export_settled(&scene->export)->dropped_backlog, 5);
	assert_int_equal(scene->export.counters.dropped_lost, 4);
	collector_end(scene);
}

static void a_next_life_goes_on_with_both_lanes(void **state)
{
	struct collector_scene *scene = scene_of(1, 2);
	struct export_outcome before = {.sent = 1, .dropped_lost = 1};
	struct export_ahead ahead = {
		.after = 20,
		.number = 25,
		.outcome = {.sent = 3, .rejected_status = 1, .dropped_too_large = 1},
	};

	(void)state;
	assert_int_equal(export_init(&scene->export, &scene->env.env, &scene->options, 3), 0);
	export_resume(&scene->export, &before);
	export_resume_ahead(&scene->export, &ahead);
	assert_int_equal(export_acked(&scene->export), 2);
	everything_settled_is_counted(scene);
	assert_int_equal(scene->export.counters.sent, 4);
	assert_int_equal(scene->export.counters.splits, 0);
	play(scene, 3, 20, 26, 30);
	assert_false(export_is_split(&scene->export));
	assert_int_equal(export_acked(&scene->export), 30);
	assert_int_equal(seen_count, 18 + 5);
	assert_int_equal(export_settled(&scene->export)->sent, 4 + 18 + 5);
	assert_int_equal(export_settled(&scene->export)->rejected_status, 1);
	collector_end(scene);
}

static void a_reload_keeps_both_lanes(void **state)
{
	struct collector_scene *scene = scene_of(1, 2);
	struct export_options options;

	(void)state;
	collector_begin(scene);
	grpc_peer_expect(&scene->peer)->silent = true;
	export_split(&scene->export, 9);
	assert_int_equal(push(scene, 1), 0);
	assert_int_equal(push(scene, 10), 0);
	collector_rounds(scene, 10);
	scene->peer.replies_n = 0; /* the next connection's are answered */
	options = scene->options;
	options.streams_max = 4;
	assert_int_equal(export_reload(&scene->export, &options), 0);
	seen_count = 0;
	play(scene, 2, 9, 11, 12);
	assert_int_equal(export_acked(&scene->export), 12);
	assert_int_equal(export_settled(&scene->export)->sent, 12);
	(void)place_of(10); /* it went first, and was under way */
	collector_end(scene);
}

static void a_split_with_nothing_in_front_of_it_is_over_at_once(void **state)
{
	struct collector_scene *scene = scene_of(1, 2);

	(void)state;
	collector_begin(scene);
	play(scene, 1, 3, 1, 0);
	export_split(&scene->export, 3);
	assert_false(export_is_split(&scene->export));
	assert_int_equal(export_acked(&scene->export), 3);
	everything_settled_is_counted(scene);
	collector_end(scene);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(requests_of_two_lanes_take_turns),
		cmocka_unit_test(a_live_span_passes_a_backlog_that_fills_all_batches),
		cmocka_unit_test(neither_lane_takes_the_last_batches),
		cmocka_unit_test(neither_lane_takes_all_of_the_memory),
		cmocka_unit_test(what_is_sent_ahead_is_counted_behind_the_backlog),
		cmocka_unit_test(a_next_life_goes_on_with_both_lanes),
		cmocka_unit_test(a_reload_keeps_both_lanes),
		cmocka_unit_test(a_split_with_nothing_in_front_of_it_is_over_at_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
