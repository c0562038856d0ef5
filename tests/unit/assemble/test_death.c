#include "assemble_scene.h"

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

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

static void die(enum death_cause cause, bool code_known, int code, int number)
{
	struct death death = {
		.cause = cause,
		.code_known = code_known,
		.code = code,
		.signal = number,
		.seen_mono_ns = scene_ticks(500),
	};

	(void)assemble_ring_dead(scene.assemble, 0, &death);
}

static void push_open_span(void)
{
	struct buf r = BUF_INIT;

	put_start(&r, 7, 1, 0, 0);
	records_event(&r, 1, scene_ticks(20), bytes_of("last"), (struct bytes){NULL, 0}, 0);
	scene_push(&scene, 0, 1, &r);
}

static const char *attribute(const char *key, const char *type, const char *value)
{
	static char text[8][160];
	static unsigned next;
	char *at = text[next++ % 8];

	(void)snprintf(at, sizeof text[0], "{\"key\":\"%s\",\"value\":{\"%s\":%s}}", key, type,
		       value);
	return at;
}

static const char *end_time(uint64_t ms)
{
	static char text[96];

	(void)snprintf(text, sizeof text, "\"endTimeUnixNano\":%s", scene_wall(ms));
	return text;
}

static void a_killed_process_leaves_an_error_with_the_signal_and_both_bounds(void **state)
{
	const char *json;

	(void)state;
	push_open_span();
	die(DEATH_SIGNAL, false, 0, SIGKILL);
	json = scene_span(&scene, 1)->json;
	assert_says(json, attribute("spanring.end.reason", "stringValue", "\"killed\""));
	assert_says(json, attribute("spanring.end.signal", "intValue", "\"9\""));
	assert_says(json,
		    attribute("spanring.died_after_unix_nano", "intValue", scene_wall(20)));
	assert_says(json,
		    attribute("spanring.died_before_unix_nano", "intValue", scene_wall(500)));
	assert_says(json, "process.died");
	assert_says(json, "\"message\":\"process killed by signal 9 (SIGKILL)\"");
	assert_says(json, "\"code\":2");
	assert_says(json, end_time(20));
	assert_true(assemble_ring_idle(scene.assemble, 0));
	assert_int_equal(counters()->closed_by_death, 1);
	assert_says(scene.log, "pid 100");
}

static void an_unknown_cause_is_called_unknown(void **state)
{
	(void)state;
	push_open_span();
	die(DEATH_UNKNOWN, false, 0, 0);
	assert_says(scene_span(&scene, 1)->json,
		    attribute("spanring.end.reason", "stringValue", "\"unknown\""));
	assert_says(scene_span(&scene, 1)->json, "\"code\":2");
	assert_not_says(scene_span(&scene, 1)->json, "spanring.end.exit_code");
}

static void exit_0_leaves_the_status_as_it_was(void **state)
{
	(void)state;
	push_open_span();
	die(DEATH_EXIT, true, 0, 0);
	assert_says(scene_span(&scene, 1)->json,
		    attribute("spanring.end.reason", "stringValue", "\"process_exit\""));
	assert_says(scene_span(&scene, 1)->json,
		    attribute("spanring.end.exit_code", "intValue", "\"0\""));
	assert_not_says(scene_span(&scene, 1)->json, "\"code\"");
	assert_not_says(scene_span(&scene, 1)->json, "process.died");
}

static void another_exit_status_is_an_error(void **state)
{
	(void)state;
	push_open_span();
	die(DEATH_EXIT, true, 3, 0);
	assert_says(scene_span(&scene, 1)->json,
		    attribute("spanring.end.exit_code", "intValue", "\"3\""));
	assert_says(scene_span(&scene, 1)->json, "process exited with status 3");
	assert_says(scene_span(&scene, 1)->json, "\"code\":2");
}

static void exec_ends_the_spans_as_replaced(void **state)
{
	(void)state;
	push_open_span();
	die(DEATH_REPLACED, false, 0, 0);
	assert_says(scene_span(&scene, 1)->json,
		    attribute("spanring.end.reason", "stringValue", "\"replaced\""));
	assert_not_says(scene_span(&scene, 1)->json, "\"code\"");
}

static void the_exit_record_is_believed_when_nobody_saw_the_death(void **state)
{
	struct buf r = BUF_INIT;

	(void)state;
	push_open_span();
	put_process_end(&r, WIRE_PROCESS_EXIT, 30, -1);
	scene_push(&scene, 0, 1, &r);
	for (int i = 0; i < 3; i++)
		scene_round(&scene, 0);
	assert_int_equal(scene.span_count, 0);
	die(DEATH_UNKNOWN, false, 0, 0);
	assert_says(scene_span(&scene, 1)->json,
		    attribute("spanring.end.reason", "stringValue", "\"process_exit\""));
	assert_says(scene_span(&scene, 1)->json, end_time(30));
	assert_not_says(scene_span(&scene, 1)->json, "\"code\"");
}

static void an_exit_record_with_a_code_tells_success_from_failure(void **state)
{
	struct buf r = BUF_INIT;

	(void)state;
	push_open_span();
	put_process_end(&r, WIRE_PROCESS_EXIT, 30, 4);
	scene_push(&scene, 0, 1, &r);
	die(DEATH_UNKNOWN, false, 0, 0);
	assert_says(scene_span(&scene, 1)->json, "process exited with status 4");
}

static void what_the_kernel_saw_wins_over_the_exit_record(void **state)
{
	struct buf r = BUF_INIT;

	(void)state;
	push_open_span();
	put_process_end(&r, WIRE_PROCESS_EXIT, 30, 0);
	scene_push(&scene, 0, 1, &r);
	die(DEATH_SIGNAL, false, 0, SIGSEGV);
	assert_says(scene_span(&scene, 1)->json, "(SIGSEGV)");
}

static void children_end_before_their_parents(void **state)
{
	struct buf r = BUF_INIT;

	(void)state;
	put_start(&r, 7, 2, 1, 3); /* a child whose START was drained first */
	put_start(&r, 7, 1, 0, 0);
	put_start(&r, 7, 4, 3, 5);
	put_start(&r, 7, 3, 2, 4);
	put_start(&r, 8, 6, 5, 5); /* each is the other's parent */
	put_start(&r, 8, 5, 6, 4);
	scene_push(&scene, 0, 1, &r);
	die(DEATH_SIGNAL, false, 0, SIGKILL);
	assert_true(scene_order(&scene, 4) < scene_order(&scene, 3));
	assert_true(scene_order(&scene, 3) < scene_order(&scene, 2));
	assert_true(scene_order(&scene, 2) < scene_order(&scene, 1));
	assert_int_equal(scene.span_count, 6);
}

static void an_ended_span_keeps_its_end_when_the_process_dies(void **state)
{
	struct buf r = BUF_INIT;

	(void)state;
	put_start(&r, 7, 1, 0, 0);
	put_end(&r, 1, 5);
	scene_push(&scene, 0, 1, &r);
	die(DEATH_SIGNAL, false, 0, SIGKILL);
	assert_says(scene_span(&scene, 1)->json, end_time(5));
	assert_not_says(scene_span(&scene, 1)->json, "spanring.");
	assert_int_equal(counters()->closed_by_death, 0);
}

static void the_modules_own_status_and_attributes_stay(void **state)
{
	struct buf r = BUF_INIT;
	const char *json;

	(void)state;
	put_start(&r, 7, 1, 0, 0);
	put_status(&r, 1, 2, "mine");
	put_string(&r, 1, "spanring.end.reason", "own");
	put_start(&r, 7, 2, 1, 0);
	put_status(&r, 2, 1, "");
	scene_push(&scene, 0, 1, &r);
	die(DEATH_SIGNAL, false, 0, SIGKILL);
	json = scene_span(&scene, 1)->json;
	assert_says(json, "\"message\":\"mine\"");
	assert_says(json, attribute("spanring.end.reason", "stringValue", "\"own\""));
	assert_says(json, "spanring.end.signal");
	assert_says(scene_span(&scene, 2)->json, "\"status\":{\"code\":1}");
}

static void a_future_time_in_the_ring_does_not_pass_the_moment_of_detection(void **state)
{
	struct buf r = BUF_INIT;

	(void)state;
	put_start(&r, 7, 1, 0, 0);
	put_start(&r, 7, 2, 0, UINT32_MAX);
	scene_push(&scene, 0, 1, &r);
	die(DEATH_SIGNAL, false, 0, SIGKILL);
	assert_says(scene_span(&scene, 1)->json,
		    attribute("spanring.died_after_unix_nano", "intValue", scene_wall(500)));
}

static void sigterm_ends_the_open_spans_at_its_time_by_the_round_rule(void **state)
{
	struct buf r = BUF_INIT;
	const char *json;

	(void)state;
	put_start(&r, 7, 1, 0, 0);
	put_start(&r, 7, 2, 1, 1);
	put_status(&r, 2, 2, "failed before");
	put_process_end(&r, WIRE_PROCESS_SIGTERM, 40, -1);
	put_string(&r, 1, "late", "x");
	scene_push(&scene, 0, 1, &r);
	scene_round(&scene, 0);
	put_string(&r, 1, "of another thread", "x");
	scene_push(&scene, 0, 2, &r);
	assert_int_equal(scene.span_count, 0);
	scene_round(&scene, 0);
	json = scene_span(&scene, 1)->json;
	assert_says(json, attribute("spanring.end.reason", "stringValue", "\"sigterm\""));
	assert_says(json, "\"status\":{\"code\":1}");
	assert_says(json, end_time(40));
	assert_says(json, "of another thread");
	assert_not_says(json, "late");
	assert_not_says(json, "process.died");
	assert_says(scene_span(&scene, 2)->json, "failed before");
	assert_true(scene_order(&scene, 2) < scene_order(&scene, 1));
	assert_int_equal(counters()->dropped_late, 1);
}

static void a_span_begun_after_sigterm_lives_on(void **state)
{
	struct buf r = BUF_INIT;

	(void)state;
	put_start(&r, 7, 1, 0, 0);
	put_process_end(&r, WIRE_PROCESS_SIGTERM, 40, -1);
	put_start(&r, 7, 2, 1, 41);
	put_string(&r, 2, "clean-up", "x");
	put_end(&r, 2, 45);
	put_start(&r, 7, 3, 1, 46);
	scene_push(&scene, 0, 1, &r);
	scene_round(&scene, 0);
	scene_round(&scene, 0);
	assert_says(scene_span(&scene, 2)->json, "clean-up");
	assert_not_says(scene_span(&scene, 2)->json, "sigterm");
	assert_int_equal(counters()->open, 1);
	die(DEATH_EXIT, true, 0, 0);
	assert_says(scene_span(&scene, 3)->json, "process_exit");
}

static void a_death_right_after_sigterm_keeps_its_rule(void **state)
{
	struct buf r = BUF_INIT;

	(void)state;
	put_start(&r, 7, 1, 0, 0);
	put_process_end(&r, WIRE_PROCESS_SIGTERM, 40, -1);
	scene_push(&scene, 0, 1, &r);
	die(DEATH_SIGNAL, false, 0, SIGTERM);
	assert_says(scene_span(&scene, 1)->json, "\"sigterm\"");
	assert_says(scene_span(&scene, 1)->json, end_time(40));
}

static void shutdown_ends_the_spans_without_a_death(void **state)
{
	struct buf r = BUF_INIT;

	(void)state;
	put_start(&r, 7, 1, 0, 0);
	put_process_end(&r, WIRE_PROCESS_SHUTDOWN, 40, -1);
	scene_push(&scene, 0, 1, &r);
	scene_round(&scene, 0);
	scene_round(&scene, 0);
	assert_says(scene_span(&scene, 1)->json,
		    attribute("spanring.end.reason", "stringValue", "\"shutdown\""));
	assert_says(scene_span(&scene, 1)->json, end_time(40));
	assert_not_says(scene_span(&scene, 1)->json, "\"status\":{\"");
}

static void a_full_log_makes_a_death_wait(void **state)
{
	struct death death = {
		.cause = DEATH_SIGNAL, .signal = SIGKILL, .seen_mono_ns = scene_ticks(500)};

	(void)state;
	push_open_span();
	scene.finished_error = -ENOBUFS;
	assert_false(assemble_ring_dead(scene.assemble, 0, &death));
	assert_false(assemble_ring_idle(scene.assemble, 0));
	scene.finished_error = 0;
	scene_tick(&scene);
	assert_true(assemble_ring_idle(scene.assemble, 0));
	assert_says(scene_span(&scene, 1)->json, "killed");
}

static void times_given_by_the_module_are_kept_and_bound_the_end(void **state)
{
	struct buf r = BUF_INIT;
	uint64_t wall = UINT64_C(1767225600000000000) + 90000000;

	(void)state;
	put_start(&r, 7, 1, 0, 0);
	memcpy(r.at + offsetof(struct wire_start, ticks), &wall, 8);
	records_set_flags(&r, 0, WIRE_TIME_WALL);
	put_start(&r, 7, 2, 1, 10);
	scene_push(&scene, 0, 1, &r);
	die(DEATH_SIGNAL, false, 0, SIGKILL);
	assert_says(scene_span(&scene, 1)->json, end_time(90));
	assert_says(scene_span(&scene, 2)->json, end_time(10));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
		T(a_killed_process_leaves_an_error_with_the_signal_and_both_bounds),
		T(an_unknown_cause_is_called_unknown),
		T(exit_0_leaves_the_status_as_it_was),
		T(another_exit_status_is_an_error),
		T(exec_ends_the_spans_as_replaced),
		T(the_exit_record_is_believed_when_nobody_saw_the_death),
		T(an_exit_record_with_a_code_tells_success_from_failure),
		T(what_the_kernel_saw_wins_over_the_exit_record),
		T(children_end_before_their_parents),
		T(an_ended_span_keeps_its_end_when_the_process_dies),
		T(the_modules_own_status_and_attributes_stay),
		T(a_future_time_in_the_ring_does_not_pass_the_moment_of_detection),
		T(sigterm_ends_the_open_spans_at_its_time_by_the_round_rule),
		T(a_span_begun_after_sigterm_lives_on),
		T(a_death_right_after_sigterm_keeps_its_rule),
		T(shutdown_ends_the_spans_without_a_death),
		T(a_full_log_makes_a_death_wait),
		T(times_given_by_the_module_are_kept_and_bound_the_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
