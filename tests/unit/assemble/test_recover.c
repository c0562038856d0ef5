/* Whatever frame the agent dies before: recovered from the frames that were
 * logged, fed with what was not, it finishes the same spans, each once. */
#include "assemble_scene.h"

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

enum step_kind {
	PUSH,
	ROUND,
	TICK, /* after `thread` ms */
	LEDGER,
	SEGMENT, /* a new segment begins */
	CARRY,	 /* everything is carried out of the segments before, which go */
	DEAD,
	END_LOST, /* of span `thread` */
};

struct step {
	enum step_kind kind;
	uint32_t ring;
	uint32_t thread;
	void (*put)(struct buf *out);
};

static const char *large(void)
{
	static char value[20001];

	memset(value, 'v', sizeof value - 1);
	return value;
}

static void put_first(struct buf *out)
{
	put_service(out, "first");
	put_start(out, 7, 1, 0, 0);
	put_string(out, 1, "a", "x");
	put_start(out, 7, 2, 1, 1);
	put_string(out, 2, "large", large());
	put_start(out, 7, 3, 2, 2);
}

static void put_foreign(struct buf *out)
{
	put_string(out, 4, "parked", "x");
	put_string(out, 3, "foreign", large());
}

static void put_more(struct buf *out)
{
	put_end(out, 3, 6);
	put_string(out, 3, "late", "x");
	put_start(out, 7, 4, 1, 7);
	put_status(out, 4, 2, "failed");
	put_end(out, 4, 8);
}

static void put_after_end(struct buf *out)
{
	put_string(out, 3, "other thread", "x");
}

static void put_child(struct buf *out)
{
	put_service(out, "second");
	put_start(out, 7, 10, 1, 10);
	put_start(out, 7, 11, 10, 11);
	put_string(out, 11, "large", large());
	put_start(out, 8, 12, 0, 11);
	put_end(out, 12, 12);
	put_run_end(out, 8);
	put_start(out, 7, 13, 10, 13);
}

static void put_sigterm(struct buf *out)
{
	put_process_end(out, WIRE_PROCESS_SIGTERM, 20, -1);
	put_string(out, 1, "too late", "x");
	put_start(out, 7, 5, 1, 21);
}

static void put_replaced_resource(struct buf *out)
{
	put_service(out, "first, again");
	put_end(out, 5, 25);
	put_start(out, 7, 6, 1, 26);
}

static const struct step script[] = {
	{PUSH, 0, 1, put_first},
	{PUSH, 0, 2, put_foreign},
	{LEDGER, 0, 0, NULL},
	{ROUND, 0, 0, NULL},
	{PUSH, 0, 1, put_more},
	{TICK, 0, 5, NULL},
	{ROUND, 0, 0, NULL},
	{PUSH, 0, 2, put_after_end},
	{LEDGER, 0, 0, NULL},
	{PUSH, 1, 1, put_child},
	{SEGMENT, 0, 0, NULL},
	{ROUND, 1, 0, NULL},
	{ROUND, 0, 0, NULL},
	{END_LOST, 1, 13, NULL},
	{CARRY, 0, 0, NULL},
	{ROUND, 1, 0, NULL},
	{TICK, 0, 5, NULL},
	{ROUND, 1, 0, NULL},
	{PUSH, 0, 1, put_sigterm},
	{SEGMENT, 0, 0, NULL},
	{CARRY, 0, 0, NULL},
	{ROUND, 0, 0, NULL},
	{PUSH, 0, 1, put_replaced_resource},
	{ROUND, 0, 0, NULL},
	{LEDGER, 0, 0, NULL},
	{DEAD, 1, 0, NULL},
	{SEGMENT, 0, 0, NULL},
	{CARRY, 0, 0, NULL},
	{ROUND, 0, 0, NULL},
	{TICK, 0, 5, NULL},
	{DEAD, 0, 0, NULL},
	{TICK, 0, 20000, NULL},
};
#define STEPS (sizeof script / sizeof script[0])

static void scene_begin(struct scene *scene)
{
	scene_init(scene);
	scene->options.memory_bytes_max = 30000;
	scene_restart(scene);
	scene_ring(scene, 0);
	scene_ring(scene, 1);
}

static void say_dead(struct scene *scene, uint32_t ring)
{
	struct death death = {
		.cause = DEATH_SIGNAL, .signal = SIGKILL, .seen_mono_ns = scene_ticks(500)};

	(void)assemble_ring_dead(scene->assemble, ring, &death);
}

static void say_end_lost(struct scene *scene, const struct step *step)
{
	uint64_t id = step->thread;

	assemble_end_lost(scene->assemble, step->ring, (const uint8_t *)&id);
}

static void do_step(struct scene *scene, const struct step *step)
{
	struct buf records = BUF_INIT;

	switch (step->kind) {
	case PUSH:
		step->put(&records);
		scene_push(scene, step->ring, step->thread, &records);
		break;
	case ROUND:
		scene_round(scene, step->ring);
		break;
	case TICK:
		test_env_advance_ms(&scene->env, step->thread);
		scene_tick(scene);
		break;
	case LEDGER:
		scene_ledger(scene);
		break;
	case SEGMENT:
		scene->segment++;
		break;
	case CARRY:
		assert_int_equal(assemble_carry(scene->assemble, scene->segment - 1), 0);
		scene_ledger(scene);
		if (!scene->crashed)
			scene_drop_segments(scene, scene->segment - 1);
		break;
	case DEAD:
		say_dead(scene, step->ring);
		break;
	case END_LOST:
		say_end_lost(scene, step);
		break;
	}
}

/* What the drain says again in a new life. */
static void say_again(struct scene *scene, size_t done)
{
	for (size_t i = 0; i < done; i++) {
		if (script[i].kind == DEAD)
			say_dead(scene, script[i].ring);
		if (script[i].kind == END_LOST)
			say_end_lost(scene, &script[i]);
	}
}

/* Runs the script, dying before the frames named. In a new life, the round that
 * was going on is part of the first one. */
static void play(struct scene *scene, size_t cut, size_t second_cut)
{
	bool dirty[2] = {false, false}, skip[2] = {false, false};
	size_t i = 0;

	scene->frames_max = cut;
	while (i < STEPS) {
		const struct step *step = &script[i];
		size_t before = scene->frame_count;
		bool again;

		if (step->kind == ROUND && skip[step->ring]) {
			skip[step->ring] = false;
			i++;
			continue;
		}
		do_step(scene, step);
		if (!scene->crashed) {
			if (step->kind == PUSH || step->kind == ROUND)
				dirty[step->ring] = step->kind == PUSH;
			i++;
			continue;
		}
		again = step->kind == PUSH ? scene->frame_count == before : step->kind != ROUND;
		if (step->kind == PUSH || step->kind == ROUND)
			dirty[step->ring] = step->kind == PUSH;
		skip[0] = dirty[0];
		skip[1] = dirty[1];
		scene_restart(scene);
		if (second_cut)
			scene->frames_max = scene->frame_count + second_cut;
		second_cut = 0;
		i += !again;
		say_again(scene, i);
		/* Time goes on only once. */
		if (again && step->kind == TICK)
			scene_tick(scene);
		if (again && step->kind == TICK)
			i++;
	}
	assemble_flush(scene->assemble);
}

static void run_adds_up(void *arg, const struct run_view *run)
{
	const struct run_ledger *ledger = &run->ledger;

	(void)arg;
	assert_int_equal(ledger->started, ledger->finished + run->open);
	assert_int_equal(ledger->found_again + ledger->lost_in_log + ledger->dropped_invalid,
			 0);
}

/* Whatever frame the agent died before, the totals are the same. */
static void compare_ledgers(const struct scene *expected, const struct scene *scene)
{
	const struct assemble_counters *want = assemble_counters(expected->assemble);
	const struct assemble_counters *have = assemble_counters(scene->assemble);

	assert_int_equal(have->records, want->records);
	assert_int_equal(have->started, want->started);
	assert_int_equal(have->finished, want->finished);
	assert_int_equal(have->found_again, 0);
	assert_int_equal(have->lost_in_log, 0);
	assemble_each_run(scene->assemble, 100, run_adds_up, NULL);
	scene_check_ledger(scene);
}

/* After several deaths a span may finish some rounds later, and so under a
 * resource that replaced the one it would have had. */
static void compare(const struct scene *expected, const struct scene *scene, bool resources)
{
	for (size_t i = 0; i < expected->span_count; i++) {
		const struct scene_span *want = &expected->spans[i];
		const struct scene_span *have = scene_span(scene, want->id);

		assert_string_equal(have->json, want->json);
		if (resources)
			assert_string_equal(have->resource, want->resource);
	}
	assert_int_equal(scene->span_count, expected->span_count);
	compare_ledgers(expected, scene);
	for (size_t i = 0; i < expected->run_count; i++) {
		const struct scene_run *want = &expected->runs[i];
		uint64_t trace;
		const struct scene_run *have;

		memcpy(&trace, want->trace_id, 8);
		have = scene_run(scene, trace);
		assert_true(have->over > 0);
		assert_int_equal(have->complete, want->complete);
		assert_string_equal(have->service, want->service);
		assert_int_equal(have->first_wall_ns, want->first_wall_ns);
	}
	scene_check_ledger(scene);
}

static void the_uncut_story_is_the_expected_one(void **state)
{
	struct scene scene;

	(void)state;
	scene_begin(&scene);
	play(&scene, SIZE_MAX, 0);
	assert_int_equal(scene.span_count, 10);
	assert_says(scene_span(&scene, 3)->json, "foreign");
	assert_says(scene_span(&scene, 3)->json, "other thread");
	assert_says(scene_span(&scene, 4)->json, "parked");
	assert_says(scene_span(&scene, 2)->json, large());
	assert_says(scene_span(&scene, 1)->json, "sigterm");
	assert_says(scene_span(&scene, 11)->json, large());
	assert_says(scene_span(&scene, 11)->json, "killed");
	assert_says(scene_span(&scene, 13)->json, "end_lost");
	assert_not_says(scene_span(&scene, 5)->json, "spanring.");
	assert_says(scene_span(&scene, 5)->resource, "first, again");
	assert_says(scene_span(&scene, 6)->json, "killed");
	assert_true(scene_run(&scene, 8)->complete);
	assert_false(scene_run(&scene, 7)->complete);
	compare(&scene, &scene, true);
	scene_fini(&scene);
}

static void dying_before_any_frame_changes_nothing(void **state)
{
	struct scene uncut, scene;

	(void)state;
	scene_begin(&uncut);
	play(&uncut, SIZE_MAX, 0);
	assert_true(uncut.frame_count > 20);
	for (size_t cut = 0; cut < uncut.frame_count; cut++) {
		scene_begin(&scene);
		play(&scene, cut, 0);
		compare(&uncut, &scene, true);
		scene_fini(&scene);
	}
	scene_fini(&uncut);
}

static void dying_twice_changes_nothing_either(void **state)
{
	struct scene uncut, scene;

	(void)state;
	scene_begin(&uncut);
	play(&uncut, SIZE_MAX, 0);
	for (size_t cut = 0; cut < uncut.frame_count; cut++) {
		for (size_t second = 1; second < 12; second++) {
			scene_begin(&scene);
			play(&scene, cut, second);
			compare(&uncut, &scene, false);
			scene_fini(&scene);
		}
	}
	scene_fini(&uncut);
}

static void a_span_refused_once_and_recovered_is_found_again(void **state)
{
	const struct assemble_counters *counters;
	struct buf records = BUF_INIT;
	struct scene scene;

	(void)state;
	scene_init(&scene);
	scene.options.open_spans_max = 1;
	scene_restart(&scene);
	scene_ring(&scene, 0);
	put_start(&records, 7, 1, 0, 0);
	put_start(&records, 7, 2, 0, 0);
	scene_push(&scene, 0, 1, &records);
	counters = assemble_counters(scene.assemble);
	assert_int_equal(counters->dropped_limit, 1);
	scene_ledger(&scene);
	scene.options.open_spans_max = 10;
	scene_restart(&scene);
	counters = assemble_counters(scene.assemble);
	assert_int_equal(counters->started, 1);
	assert_int_equal(counters->found_again, 1);
	assert_int_equal(counters->open, 2);
	assert_int_equal(counters->dropped_limit, 1);
	scene_check_ledger(&scene);
	scene_fini(&scene);
}

static void a_state_that_is_none_is_refused(void **state)
{
	static const uint8_t junk[64] = {1, 2, 3};
	uint8_t instance[16] = {1}, span_id[8] = {1}, none[8] = {0};
	struct log_place place = {1, 0, 0};
	struct scene scene;

	(void)state;
	scene_init(&scene);
	for (size_t len = 0; len < sizeof junk; len++) {
		struct bytes bytes = {junk, len};
		int r;

		r = assemble_recover_state(scene.assemble, instance, span_id, bytes, &place);
		assert_true(r == -EBADMSG || (r == 0 && len == 24));
		r = assemble_recover_state(scene.assemble, instance, none, bytes, &place);
		assert_true(r == -EBADMSG || (r == 0 && len == 16));
		r = assemble_recover_run(scene.assemble, instance, bytes, 1);
		assert_true(r == -EBADMSG || (r == 0 && len >= 40));
	}
	scene_fini(&scene);
}

static void a_closed_ring_is_forgotten_with_everything(void **state)
{
	struct buf r = BUF_INIT;
	struct scene scene;
	uint8_t instance[16] = {1};

	(void)state;
	scene_init(&scene);
	scene_ring(&scene, 0);
	put_first(&r);
	scene_push(&scene, 0, 1, &r);
	scene_restart(&scene);
	assert_int_equal(assemble_counters(scene.assemble)->open, 3);
	scene.ring_known[0] = false;
	scene_restart(&scene);
	assemble_recover_closed(scene.assemble, instance, false);
	assert_int_equal(assemble_counters(scene.assemble)->open, 0);
	scene_tick(&scene);
	assert_int_equal(assemble_counters(scene.assemble)->memory_bytes, 0);
	scene_fini(&scene);
}

/* The frames that say how its spans ended are damaged, that it is closed is not. */
static void spans_of_a_closed_ring_are_ended_again_where_the_log_is_damaged(void **state)
{
	struct buf r = BUF_INIT;
	struct scene scene;
	uint8_t instance[16] = {1};

	(void)state;
	scene_init(&scene);
	scene_ring(&scene, 0);
	put_first(&r);
	scene_push(&scene, 0, 1, &r);
	scene.ring_known[0] = false;
	scene_restart(&scene);
	assemble_recover_ring(scene.assemble, &scene.rings[0]);
	assemble_recover_closed(scene.assemble, instance, true);
	scene_tick(&scene);
	assert_int_equal(assemble_counters(scene.assemble)->open, 0);
	assert_int_equal(assemble_counters(scene.assemble)->dropped_invalid, 0);
	for (uint64_t id = 1; id <= 3; id++)
		assert_says(scene_span(&scene, id)->json, "nobody saw how");
	scene_check_ledger(&scene);
	scene_fini(&scene);
}

static void carrying_stops_when_the_log_is_full_and_goes_on_later(void **state)
{
	struct buf r = BUF_INIT;
	struct scene scene;

	(void)state;
	scene_init(&scene);
	scene_ring(&scene, 0);
	put_first(&r);
	scene_push(&scene, 0, 1, &r);
	scene.segment = 2;
	scene.state_error = -ENOBUFS;
	assert_int_equal(assemble_carry(scene.assemble, 1), -ENOBUFS);
	scene.state_error = 0;
	assert_int_equal(assemble_carry(scene.assemble, 1), 0);
	scene_drop_segments(&scene, 1);
	scene_restart(&scene);
	assert_int_equal(assemble_counters(scene.assemble)->open, 3);
	assert_int_equal(assemble_carry(scene.assemble, 1), 0);
	assert_int_equal(scene.frames[scene.frame_count - 1].segment, 2);
	say_dead(&scene, 0);
	assert_says(scene_span(&scene, 2)->json, large());
	assert_says(scene_span(&scene, 2)->resource, "first");
	scene_fini(&scene);
}

static void the_ledgers_hold_when_the_segment_of_a_start_has_gone(void **state)
{
	struct buf r = BUF_INIT;
	struct scene scene;

	(void)state;
	scene_init(&scene);
	scene_ring(&scene, 0);
	put_start(&r, 7, 1, 0, 0);
	put_start(&r, 7, 2, 1, 1);
	scene_push(&scene, 0, 1, &r);
	scene.segment = 2;
	put_status(&r, 2, 2, "failed");
	put_end(&r, 2, 6);
	scene_push(&scene, 0, 1, &r);
	scene_round(&scene, 0);
	scene_round(&scene, 0);
	assert_int_equal(assemble_counters(scene.assemble)->finished, 1);
	assert_int_equal(assemble_carry(scene.assemble, 1), 0);
	scene_drop_segments(&scene, 1);
	scene_restart(&scene);
	scene_check_ledger(&scene);
	assert_int_equal(assemble_counters(scene.assemble)->dropped_late, 0);
	assert_int_equal(assemble_counters(scene.assemble)->open, 1);
	scene_round(&scene, 0);
	scene_round(&scene, 0);
	say_dead(&scene, 0);
	assert_int_equal(assemble_counters(scene.assemble)->dropped_late, 0);
	scene_check_ledger(&scene);
	assert_int_equal(scene_span_times(&scene, 2), 1);
	scene_fini(&scene);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_uncut_story_is_the_expected_one),
		cmocka_unit_test(dying_before_any_frame_changes_nothing),
		cmocka_unit_test(dying_twice_changes_nothing_either),
		cmocka_unit_test(a_span_refused_once_and_recovered_is_found_again),
		cmocka_unit_test(a_state_that_is_none_is_refused),
		cmocka_unit_test(a_closed_ring_is_forgotten_with_everything),
		cmocka_unit_test(
			spans_of_a_closed_ring_are_ended_again_where_the_log_is_damaged),
		cmocka_unit_test(carrying_stops_when_the_log_is_full_and_goes_on_later),
		cmocka_unit_test(the_ledgers_hold_when_the_segment_of_a_start_has_gone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
