#include "assemble_scene.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "assemble/trace_run.h"

#define SECOND UINT64_C(1000000000)

static struct scene scene;

static int set_up(void **state)
{
	(void)state;
	scene_init(&scene);
	scene.uids[0] = 1234;
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

static void two_rounds(void)
{
	scene_round(&scene, 0);
	scene_round(&scene, 0);
}

static void wait_ms(uint64_t ms)
{
	test_env_advance_ms(&scene.env, ms);
	scene_tick(&scene);
}

static void push_whole_span(uint64_t trace, uint64_t span)
{
	struct buf r = BUF_INIT;

	put_start(&r, trace, span, 0, 0);
	put_end(&r, span, 5);
	scene_push(&scene, 0, 1, &r);
}

static void a_run_is_seen_with_its_first_span(void **state)
{
	struct buf r = BUF_INIT;

	(void)state;
	put_service(&r, "agento");
	put_start(&r, 7, 1, 0, 2);
	put_start(&r, 7, 2, 1, 3);
	scene_push(&scene, 0, 1, &r);
	assert_int_equal(scene_run(&scene, 7)->seen, 1);
	assert_string_equal(scene_run(&scene, 7)->service, "agento");
	assert_int_equal(scene_run(&scene, 7)->first_wall_ns, UINT64_C(1767225600002000000));
	assert_int_equal(assemble_counters(scene.assemble)->runs, 1);
}

static void a_run_is_over_after_the_timeout_and_not_before(void **state)
{
	(void)state;
	push_whole_span(7, 1);
	two_rounds();
	wait_ms(9999);
	assert_int_equal(scene_run(&scene, 7)->over, 0);
	wait_ms(1);
	assert_int_equal(scene_run(&scene, 7)->over, 1);
	assert_int_equal(scene_run(&scene, 7)->last_number, 1);
	assert_false(scene_run(&scene, 7)->complete);
	wait_ms(60000);
	assert_int_equal(scene_run(&scene, 7)->over, 1);
}

/* The pipeline takes the time once a turn, before the drain hands anything in. */
static void a_turn_that_began_before_a_runs_last_span_does_not_say_it_over(void **state)
{
	uint64_t turn_ns = scene.env.mono_ns;

	(void)state;
	test_env_advance_ms(&scene.env, 1);
	push_whole_span(7, 1);
	two_rounds();
	(void)assemble_tick(scene.assemble, turn_ns);
	assert_int_equal(scene_run(&scene, 7)->over, 0);
	wait_ms(10000);
	assert_int_equal(scene_run(&scene, 7)->over, 1);
}

static void next_due_is_when_the_first_quiet_run_is_over(void **state)
{
	uint64_t due;

	(void)state;
	push_whole_span(7, 1);
	two_rounds();
	wait_ms(9500);
	due = assemble_next_due(scene.assemble, scene.env.mono_ns);
	assert_int_equal(due - scene.env.mono_ns, SECOND / 2);
}

static void an_open_span_keeps_its_run_open_for_ever(void **state)
{
	struct buf r = BUF_INIT;

	(void)state;
	put_start(&r, 7, 1, 0, 0);
	scene_push(&scene, 0, 1, &r);
	push_whole_span(7, 2);
	two_rounds();
	wait_ms(100000000);
	assert_int_equal(scene_run(&scene, 7)->over, 0);
}

static void an_explicit_end_is_complete_as_soon_as_nothing_is_open(void **state)
{
	struct buf r = BUF_INIT;

	(void)state;
	put_start(&r, 7, 1, 0, 0);
	put_start(&r, 7, 2, 1, 1);
	put_end(&r, 1, 3);
	put_run_end(&r, 7);
	scene_push(&scene, 0, 1, &r);
	two_rounds();
	wait_ms(0);
	assert_int_equal(scene_run(&scene, 7)->over, 0);
	put_end(&r, 2, 5);
	scene_push(&scene, 0, 1, &r);
	two_rounds();
	wait_ms(0);
	assert_int_equal(scene_run(&scene, 7)->over, 1);
	assert_int_equal(scene_run(&scene, 7)->last_number, 2);
	assert_true(scene_run(&scene, 7)->complete);
}

static void a_late_span_opens_the_run_again(void **state)
{
	(void)state;
	push_whole_span(7, 1);
	two_rounds();
	wait_ms(10000);
	push_whole_span(7, 2);
	two_rounds();
	wait_ms(10000);
	assert_int_equal(scene_run(&scene, 7)->over, 2);
	assert_int_equal(scene_run(&scene, 7)->last_number, 2);
	assert_int_equal(scene_run(&scene, 7)->seen, 1);
}

static void a_span_that_the_log_does_not_take_yet_holds_its_run(void **state)
{
	(void)state;
	push_whole_span(7, 1);
	scene.finished_error = -ENOBUFS;
	two_rounds();
	wait_ms(20000);
	assert_int_equal(scene_run(&scene, 7)->over, 0);
	scene.finished_error = 0;
	wait_ms(10000);
	wait_ms(10000);
	assert_int_equal(scene_run(&scene, 7)->over, 1);
}

static void the_wall_clock_of_a_run_is_fixed_when_it_is_first_seen(void **state)
{
	struct buf r = BUF_INIT;

	(void)state;
	put_start(&r, 7, 1, 0, 0);
	scene_push(&scene, 0, 1, &r);
	scene.env.wall_ns += 3600 * SECOND;
	put_start(&r, 7, 2, 1, 10);
	put_end(&r, 2, 20);
	put_end(&r, 1, 30);
	put_start(&r, 8, 3, 0, 10);
	put_end(&r, 3, 20);
	scene_push(&scene, 0, 1, &r);
	two_rounds();
	assert_says(scene_span(&scene, 2)->json, scene_wall(10));
	assert_says(scene_span(&scene, 1)->json, scene_wall(30));
	assert_says(scene_span(&scene, 1)->json, "spanring.clock_step_ns");
	assert_says(scene_span(&scene, 3)->json, scene_wall(10 + 3600000));
	assert_not_says(scene_span(&scene, 3)->json, "spanring.clock_step_ns");
}

static void a_suspend_counts_as_time_and_is_marked(void **state)
{
	struct buf r = BUF_INIT;

	(void)state;
	put_start(&r, 7, 1, 0, 0);
	scene_push(&scene, 0, 1, &r);
	wait_ms(1000);
	scene.env.boot_ns += 28800 * SECOND;
	scene.env.wall_ns += 28800 * SECOND;
	wait_ms(1000);
	put_start(&r, 7, 2, 1, 2000);
	put_end(&r, 2, 2001);
	put_end(&r, 1, 2002);
	scene_push(&scene, 0, 1, &r);
	two_rounds();
	assert_says(scene_span(&scene, 1)->json, scene_wall(0));
	assert_says(scene_span(&scene, 1)->json, scene_wall(2002 + 28800000));
	assert_says(scene_span(&scene, 1)->json, "spanring.suspended_ns");
	assert_says(scene_span(&scene, 2)->json, scene_wall(2000 + 28800000));
	assert_not_says(scene_span(&scene, 2)->json, "spanring.suspended_ns");
	assert_not_says(scene_span(&scene, 1)->json, "spanring.clock_step_ns");
}

static void a_ring_of_another_time_namespace_gets_our_times(void **state)
{
	uint64_t ahead = 1000000 * SECOND;
	struct buf r = BUF_INIT;
	uint64_t ticks;

	(void)state;
	scene.options.time_namespace = 1;
	scene_restart(&scene);
	scene.env.mono_ns += ahead; /* as the other namespace sees it */
	scene.ring_known[1] = false;
	scene_ring(&scene, 1);
	scene.env.mono_ns -= ahead;
	scene.rings[1].time_namespace = 2;
	scene.rings[1].instance[1] = 1;
	assert_int_equal(assemble_ring_seen(scene.assemble, 1, &scene.rings[1]), 0);
	put_start(&r, 7, 1, 0, 0);
	ticks = scene_ticks(4) + ahead;
	memcpy(r.at + offsetof(struct wire_start, ticks), &ticks, 8);
	scene_push(&scene, 1, 1, &r);
	assert_int_equal(scene_run(&scene, 7)->first_wall_ns, UINT64_C(1767225600004000000));
}

static void a_received_span_joins_its_run(void **state)
{
	static const uint8_t began[9] = {7 << 3 | 1, 123}; /* start_time_unix_nano */
	struct finished_span span = {.number = 5,
				     .trace_id = {9, 0, 0, 0, 0, 0, 0, 0, 9},
				     .span = {began, sizeof began}};

	(void)state;
	assert_int_equal(assemble_admits(scene.assemble, span.trace_id), 0);
	assemble_received(scene.assemble, &span);
	assert_int_equal(scene_run(&scene, 9)->seen, 1);
	assert_int_equal(scene_run(&scene, 9)->first_wall_ns, 123);
	wait_ms(10000);
	assert_int_equal(scene_run(&scene, 9)->over, 1);
	assert_int_equal(scene_run(&scene, 9)->last_number, 5);
}

static void a_flush_says_every_run_over_that_has_nothing_open(void **state)
{
	struct buf r = BUF_INIT;

	(void)state;
	push_whole_span(7, 1);
	put_start(&r, 8, 2, 0, 0);
	scene_push(&scene, 0, 1, &r);
	two_rounds();
	assemble_flush(scene.assemble);
	assert_int_equal(scene_run(&scene, 7)->over, 1);
	assert_int_equal(scene_run(&scene, 8)->over, 0);
}

static void a_forgotten_run_is_a_new_one_when_it_comes_back(void **state)
{
	(void)state;
	push_whole_span(7, 1);
	two_rounds();
	wait_ms(10000);
	wait_ms(86400000);
	push_whole_span(7, 2);
	assert_int_equal(scene_run(&scene, 7)->seen, 2);
}

static void a_run_is_told_again_after_a_restart_and_keeps_its_clock(void **state)
{
	struct buf r = BUF_INIT;

	(void)state;
	put_service(&r, "agento");
	put_start(&r, 7, 1, 0, 0);
	scene_push(&scene, 0, 1, &r);
	scene.env.wall_ns += 3600 * SECOND;
	scene_restart(&scene);
	scene_tick(&scene);
	assert_int_equal(scene_run(&scene, 7)->seen, 2);
	assert_string_equal(scene_run(&scene, 7)->service, "agento");
	assert_int_equal(scene_run(&scene, 7)->user, 1234);
	assert_int_equal(scene_run(&scene, 7)->first_wall_ns, UINT64_C(1767225600000000000));
	put_end(&r, 1, 30);
	scene_push(&scene, 0, 1, &r);
	two_rounds();
	assert_says(scene_span(&scene, 1)->json, scene_wall(30));
}

static void a_run_that_was_over_stays_over_after_a_restart(void **state)
{
	(void)state;
	push_whole_span(7, 1);
	two_rounds();
	wait_ms(10000);
	wait_ms(1);
	scene_restart(&scene);
	wait_ms(20000);
	assert_int_equal(scene_run(&scene, 7)->over, 1);
	assert_int_equal(scene_run(&scene, 7)->seen, 1);
}

static void a_run_the_log_does_not_take_is_saved_later(void **state)
{
	(void)state;
	scene.state_error = -ENOBUFS;
	push_whole_span(7, 1);
	assert_true(assemble_next_due(scene.assemble, scene.env.mono_ns) > scene.env.mono_ns);
	scene.state_error = 0;
	scene_tick(&scene);
	assert_int_equal(scene.frames[scene.frame_count - 1].kind, SCENE_RUN);
}

static void ten_thousand_short_traces_leave_flat_memory(void **state)
{
	uint64_t memory = 0;
	unsigned over = 0;

	(void)state;
	for (uint64_t i = 1; i <= 10000; i++) {
		push_whole_span(i, i);
		if (i % 10 == 0) {
			scene_round(&scene, 0);
			wait_ms(1000);
		}
		if (i == 1000)
			memory = assemble_counters(scene.assemble)->memory_bytes;
	}
	two_rounds();
	wait_ms(10000);
	assert_true(assemble_counters(scene.assemble)->memory_bytes <= memory);
	assert_int_equal(assemble_counters(scene.assemble)->open, 0);
	for (size_t i = 0; i < scene.run_count; i++)
		over += scene.runs[i].over == 1;
	assert_int_equal(over, 10000);
}

static struct buf saved_state = BUF_INIT;

static int keep_state(void *arg, const uint8_t trace_id[16], struct bytes state,
		      uint64_t *ret_segment)
{
	(void)arg;
	(void)trace_id;
	buf_reset(&saved_state);
	*ret_segment = 1;
	return buf_append(&saved_state, state.at, state.len);
}

static int seen_nothing(void *arg, const uint8_t trace_id[16], const struct run_words *words,
			uint64_t first_wall_ns, uint32_t user)
{
	(void)arg;
	(void)trace_id;
	(void)words;
	(void)first_wall_ns;
	(void)user;
	return 0;
}

static void over_nothing(void *arg, const uint8_t trace_id[16], uint64_t last_number,
			 bool complete)
{
	(void)arg;
	(void)trace_id;
	(void)last_number;
	(void)complete;
}

/* What the log says of a run that is over. */
static void save_one_that_is_over(struct trace_run_table *table)
{
	static const uint8_t trace_id[16] = {1};
	struct trace_run *run = trace_run_get(table, trace_id, 0);

	assert_non_null(run);
	assert_int_equal(trace_run_introduce(run, &(struct run_words){.service = bytes_of("server")}, 1), 0);
	trace_run_end(table, run, 0);
	(void)trace_run_table_tick(table, 1);
	(void)trace_run_table_tick(table, 2);
	assert_int_equal(table->over_count, 1);
}

static void a_log_of_many_runs_costs_no_more_memory_than_it_did_to_write_it(void **state)
{
	const struct trace_run_ops ops = {seen_nothing, over_nothing, keep_state, NULL};
	struct trace_run_table table;
	uint8_t trace_id[16] = {2};

	(void)state;
	trace_run_table_init(&table, &ops, 1, SECOND, 3600 * SECOND);
	save_one_that_is_over(&table);
	for (uint32_t i = 0; i < 3 * RUNS_OVER_MAX; i++) {
		memcpy(trace_id + 8, &i, sizeof i);
		assert_int_equal(
			trace_run_recover(&table, trace_id, buf_bytes(&saved_state), 1, 1), 0);
		assert_true(table.runs.count <= RUNS_OVER_MAX + 1);
	}
	/* The latest are remembered. */
	assert_non_null(trace_run_find(&table, trace_id));
	trace_run_table_fini(&table);
	buf_fini(&saved_state);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
		T(a_run_is_seen_with_its_first_span),
		T(a_run_is_over_after_the_timeout_and_not_before),
		T(a_turn_that_began_before_a_runs_last_span_does_not_say_it_over),
		T(next_due_is_when_the_first_quiet_run_is_over),
		T(an_open_span_keeps_its_run_open_for_ever),
		T(an_explicit_end_is_complete_as_soon_as_nothing_is_open),
		T(a_late_span_opens_the_run_again),
		T(a_span_that_the_log_does_not_take_yet_holds_its_run),
		T(the_wall_clock_of_a_run_is_fixed_when_it_is_first_seen),
		T(a_suspend_counts_as_time_and_is_marked),
		T(a_ring_of_another_time_namespace_gets_our_times),
		T(a_received_span_joins_its_run),
		T(a_flush_says_every_run_over_that_has_nothing_open),
		T(a_forgotten_run_is_a_new_one_when_it_comes_back),
		T(a_run_is_told_again_after_a_restart_and_keeps_its_clock),
		T(a_run_that_was_over_stays_over_after_a_restart),
		T(a_run_the_log_does_not_take_is_saved_later),
		T(ten_thousand_short_traces_leave_flat_memory),
		T(a_log_of_many_runs_costs_no_more_memory_than_it_did_to_write_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
