/* What a run's summary is told: how its processes ended, and what was lost of it. */
#include "assemble_scene.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "otlp/process_key.h"

#define SECOND_NS UINT64_C(1000000000)
#define TRACE 7

static struct scene scene;

static int setup(void **state)
{
	(void)state;
	scene_init(&scene);
	scene.owners_known = true;
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	scene_fini(&scene);
	return 0;
}

/* ---- shorthands ---------------------------------------------------------------- */

/* One span of a module, begun and ended. */
static void write_span(uint32_t ring, uint64_t trace, uint64_t span, uint64_t ms)
{
	struct buf records = BUF_INIT;

	scene_ring(&scene, ring);
	put_service(&records, "agento");
	put_start(&records, trace, span, 0, ms);
	put_end(&records, span, ms + 1);
	scene_push(&scene, ring, 1, &records);
	scene_round(&scene, ring);
	scene_round(&scene, ring);
}

static void write_run_end(uint32_t ring)
{
	struct buf records = BUF_INIT;

	put_run_end(&records, TRACE);
	scene_push(&scene, ring, 1, &records);
	scene_round(&scene, ring);
}

static void die(uint32_t ring, struct death death)
{
	death.seen_mono_ns = scene.env.mono_ns;
	(void)assemble_ring_dead(scene.assemble, ring, &death);
	assemble_ring_gone(scene.assemble, ring);
	scene.ring_known[ring] = false;
	scene_tick(&scene);
}

static void exit_with(uint32_t ring, int code)
{
	die(ring, (struct death){.cause = DEATH_EXIT, .code_known = true, .code = code});
}

static const uint8_t trace_id[16] = {TRACE, [8] = TRACE};

static struct process_view view_of(uint32_t ring)
{
	struct process_key key = {.uid = scene.uids[ring], .pid = 100 + ring};
	struct process_view view;

	assemble_process(scene.assemble, trace_id, &key, &view);
	return view;
}

static void assert_ended(uint32_t ring, enum process_how how, int number)
{
	struct process_view view = view_of(ring);

	assert_int_equal(view.end.how, how);
	assert_int_equal(view.end.number, number);
}

static struct run_losses losses(void)
{
	struct run_losses losses;

	assert_true(assemble_run_losses(scene.assemble, trace_id, &losses));
	return losses;
}

static bool is_over(void)
{
	scene_tick(&scene);
	return scene_run(&scene, TRACE)->over > 0;
}

/* ---- how they ended -------------------------------------------------------------- */

static void how_each_process_ended_is_known(void **state)
{
	struct buf records = BUF_INIT;

	(void)state;
	for (uint32_t ring = 0; ring < 4; ring++)
		write_span(ring, TRACE, ring + 1, ring);
	assert_ended(0, PROCESS_ALIVE, 0);
	exit_with(0, 3);
	die(1, (struct death){.cause = DEATH_SIGNAL, .signal = SIGKILL});
	/* Nobody saw it; but it said so itself. */
	put_process_end(&records, WIRE_PROCESS_EXIT, 9, 0);
	scene_push(&scene, 2, 1, &records);
	die(2, (struct death){.cause = DEATH_UNKNOWN});
	die(3, (struct death){.cause = DEATH_UNKNOWN});
	assert_ended(0, PROCESS_EXITED, 3);
	assert_ended(1, PROCESS_KILLED, SIGKILL);
	assert_ended(2, PROCESS_EXITED, 0);
	assert_ended(3, PROCESS_UNKNOWN, 0);
}

static void a_process_that_ended_no_span_in_this_life_is_known_all_the_same(void **state)
{
	(void)state;
	write_span(0, TRACE, 1, 0);
	write_span(1, TRACE, 2, 0);
	scene_restart(&scene);
	assert_ended(0, PROCESS_ALIVE, 0);
	exit_with(0, 0);
	assert_ended(0, PROCESS_EXITED, 0);
}

static void the_log_keeps_it_though_its_segments_go(void **state)
{
	(void)state;
	write_span(0, TRACE, 1, 0);
	exit_with(0, 5);
	for (scene.segment = 2; scene.segment < 5; scene.segment++) {
		assert_int_equal(assemble_carry(scene.assemble, scene.segment - 1), 0);
		scene_drop_segments(&scene, scene.segment - 1);
		scene_restart(&scene);
		assert_ended(0, PROCESS_EXITED, 5);
	}
}

static void a_full_log_is_asked_again(void **state)
{
	(void)state;
	write_span(0, TRACE, 1, 0);
	scene.state_error = -ENOBUFS;
	exit_with(0, 5);
	scene.state_error = 0;
	scene_tick(&scene);
	scene_restart(&scene);
	assert_ended(0, PROCESS_EXITED, 5);
}

static void after_a_day_it_is_forgotten(void **state)
{
	(void)state;
	write_span(0, TRACE, 1, 0);
	exit_with(0, 5);
	test_env_advance(&scene.env, 86401 * SECOND_NS);
	scene_tick(&scene);
	assert_ended(0, PROCESS_UNKNOWN, 0);
}

static void who_ended_its_tracing_and_begins_again_is_alive(void **state)
{
	(void)state;
	write_span(0, TRACE, 1, 0);
	die(0, (struct death){.cause = DEATH_SHUTDOWN});
	assert_ended(0, PROCESS_SHUTDOWN, 0);
	/* Another ring of the same process. */
	scene_ring(&scene, 0);
	scene.rings[0].instance[1] = 1;
	scene.ring_known[0] = true;
	write_span(0, TRACE, 2, 5);
	assert_ended(0, PROCESS_ALIVE, 0);
	exit_with(0, 0);
	assert_ended(0, PROCESS_EXITED, 0);
}

/* ---- an end that was said waits for those that are dying ---------------------------- */

static void a_run_that_was_ended_waits_for_deaths_that_are_not_seen_yet(void **state)
{
	(void)state;
	write_span(0, TRACE, 1, 0);
	write_span(1, TRACE, 2, 1);
	write_run_end(0);
	assert_false(is_over());
	exit_with(1, 0);
	assert_true(is_over());
	assert_true(scene_run(&scene, TRACE)->complete);
}

static void but_not_for_long_when_they_live(void **state)
{
	uint64_t due_ns;

	(void)state;
	write_span(0, TRACE, 1, 0);
	write_span(1, TRACE, 2, 1);
	write_run_end(0);
	assert_false(is_over());
	due_ns = assemble_next_due(scene.assemble, scene.env.mono_ns);
	assert_in_range(due_ns, scene.env.mono_ns + 1, scene.env.mono_ns + SECOND_NS);
	test_env_advance(&scene.env, due_ns - scene.env.mono_ns);
	assert_true(is_over());
	assert_true(scene_run(&scene, TRACE)->complete);
}

static void nor_for_one_that_writes_of_another_run_now(void **state)
{
	(void)state;
	write_span(0, TRACE, 1, 0);
	write_span(1, TRACE, 2, 1);
	write_span(1, TRACE + 1, 3, 2);
	write_run_end(0);
	assert_true(is_over());
}

/* ---- what was lost --------------------------------------------------------------------- */

static void what_a_process_was_refused_while_the_run_lasted_is_the_runs(void **state)
{
	(void)state;
	write_span(0, TRACE + 1, 9, 0);
	assemble_ring_refused(scene.assemble, 0, 5);
	test_env_advance(&scene.env, SECOND_NS);
	write_span(0, TRACE, 1, 1000);
	assert_int_equal(view_of(0).refused, 0);
	assemble_ring_refused(scene.assemble, 0, 6);
	test_env_advance(&scene.env, SECOND_NS);
	assemble_ring_refused(scene.assemble, 0, 8);
	assert_int_equal(view_of(0).refused, 3);
	exit_with(0, 0);
	assert_int_equal(view_of(0).refused, 3);
	/* When it was does not outlive the agent: then all of them may be the run's. */
	scene_restart(&scene);
	assert_int_equal(view_of(0).refused, 8);
}

static void refusals_before_its_first_span_was_read_are_not_forgotten(void **state)
{
	(void)state;
	scene_ring(&scene, 0);
	assemble_ring_refused(scene.assemble, 0, 4);
	write_span(0, TRACE, 1, 0);
	assert_int_equal(view_of(0).refused, 4);
}

static void of_many_refusals_none_is_lost(void **state)
{
	(void)state;
	write_span(0, TRACE, 1, 0);
	for (unsigned i = 1; i <= 100; i++) {
		test_env_advance(&scene.env, SECOND_NS);
		assemble_ring_refused(scene.assemble, 0, i);
	}
	assert_int_equal(view_of(0).refused, 100);
}

static void what_found_no_room_here_is_counted_by_the_run(void **state)
{
	struct buf records = BUF_INIT;

	(void)state;
	scene.options.open_spans_max = 1;
	assemble_set_limits(scene.assemble, scene.options.memory_bytes_max,
			    scene.options.idle_timeout_ns, 1, 0,
			    &(struct assemble_limits){.span_attributes_max = 1});
	scene_ring(&scene, 0);
	put_service(&records, "agento");
	put_start(&records, TRACE, 1, 0, 0);
	put_string(&records, 1, "a", "kept");
	put_string(&records, 1, "b", "over the limit");
	put_start(&records, TRACE, 2, 1, 1);
	scene_push(&scene, 0, 1, &records);
	assert_int_equal(losses().spans, 1);
	assert_int_equal(losses().records, 1);
	put_end(&records, 1, 5);
	scene_push(&scene, 0, 1, &records);
	scene_round(&scene, 0);
	scene_round(&scene, 0);
	assert_int_equal(losses().spans, 1);
	/* The archive lost the other one; a restart forgets neither. */
	assemble_run_dropped(scene.assemble, trace_id, 2);
	scene_tick(&scene);
	scene_restart(&scene);
	assert_int_equal(losses().spans, 3);
	assert_int_equal(losses().records, 1);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(how_each_process_ended_is_known),
		TEST(a_process_that_ended_no_span_in_this_life_is_known_all_the_same),
		TEST(the_log_keeps_it_though_its_segments_go),
		TEST(a_full_log_is_asked_again),
		TEST(after_a_day_it_is_forgotten),
		TEST(who_ended_its_tracing_and_begins_again_is_alive),
		TEST(a_run_that_was_ended_waits_for_deaths_that_are_not_seen_yet),
		TEST(but_not_for_long_when_they_live),
		TEST(nor_for_one_that_writes_of_another_run_now),
		TEST(what_a_process_was_refused_while_the_run_lasted_is_the_runs),
		TEST(refusals_before_its_first_span_was_read_are_not_forgotten),
		TEST(of_many_refusals_none_is_lost),
		TEST(what_found_no_room_here_is_counted_by_the_run),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
