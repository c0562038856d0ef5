/* Crashes, faults and restarts: every span is in exactly one sealed file once,
 * whatever operation of the disk was the last. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "archive/spool_sum.h"
#include "archive_world.h"
#include "base/crc32c.h"

#define START UINT64_C(1767268800123456789) /* 2026-01-01T12:00:00.123456789Z */

/* Two runs, interleaved. */
static void add(struct archive_world *world, uint64_t from, uint64_t to)
{
	for (uint64_t i = from; i <= to; i++) {
		world_add(world,
			  &(struct span_recipe){
				  .trace = 1, .id = i, .parent = i > 1, .start_ns = START + i});
		world_add(world, &(struct span_recipe){.trace = 2,
						       .id = 100 + i,
						       .parent = i > 1 ? 101 : 0,
						       .start_ns = START + 5000 + i});
	}
}

static void seal(struct archive_world *world, uint64_t to)
{
	world_seal(world, 1, 2 * to - 1, true);
	world_seal(world, 2, 2 * to, false);
}

/* Both runs are open for a while, so that there are checkpoints; are sealed, get
 * late spans, and are sealed again. */
static void work(struct archive_world *world)
{
	world_start(world);
	for (uint64_t i = 1; i <= 3; i++) {
		add(world, i, i);
		for (unsigned turn = 0; turn < 5 && !world->env.crashed; turn++)
			world_turn(world);
	}
	seal(world, 3);
	(void)world_work(world, 40);
	add(world, 4, 5);
	seal(world, 5);
	(void)world_work(world, 60);
}

static void check_once(struct archive_world *world, const char *when, uint64_t nth)
{
	for (uint64_t i = 1; i <= 5; i++) {
		unsigned a = world_count(world, i), b = world_count(world, 100 + i);

		if (a != 1 || b != 1)
			fail_msg("%s %llu: span %llu is there %u and %u times", when,
				 (unsigned long long)nth, (unsigned long long)i, a, b);
	}
}

static unsigned count_names(struct archive_world *world, const char *ending)
{
	char **names;
	unsigned n = world_list(world, ending, &names);

	world_free_names(names, n);
	return n;
}

/* Two lives before the scenario's last one, the first of them crashes. */
static bool crash_scenario(enum file_env_fault_kind kind, uint64_t nth, bool assembly_forgets)
{
	struct archive_world world;
	bool fired;

	world_init(&world);
	world.assembly_forgets = assembly_forgets;
	file_env_arm(&world.env,
		     (struct file_env_fault){
			     .op = FILE_ENV_ANY, .kind = kind, .nth = nth, .bytes = 40});
	work(&world);
	fired = file_env_fired(&world.env);
	file_env_disarm(&world.env);
	if (world.env.crashed)
		world_crash(&world);
	else
		world_stop(&world);
	world_start(&world);
	if (!world_work(&world, 300))
		fail_msg("crash at %llu: not done: %.*s", (unsigned long long)nth,
			 (int)world.said.len, (char *)world.said.at);
	check_once(&world, "crash", nth);
	assert_int_equal(count_names(&world, ".partial"), 0);
	assert_int_equal(count_names(&world, ".tmp"), 0);
	assert_int_equal(count_names(&world, ""), 2);
	world_fini(&world);
	return fired;
}

static void every_span_is_archived_once_whatever_operation_the_crash_hits(void **state)
{
	const enum file_env_fault_kind kinds[] = {FILE_ENV_CRASH_BEFORE, FILE_ENV_CRASH_AFTER,
						  FILE_ENV_CRASH_TORN};

	(void)state;
	for (unsigned k = 0; k < 3; k++) {
		uint64_t nth = 1;

		while (crash_scenario(kinds[k], nth, false))
			nth++;
		assert_true(nth > 80);
		for (uint64_t i = 1; i < nth; i++)
			(void)crash_scenario(kinds[k], i, true);
	}
}

/* The n-th operation fails once (or for a while), nobody crashes. */
static bool fault_scenario(int error, uint64_t nth, uint64_t times)
{
	struct archive_world world;
	bool fired;

	world_init(&world);
	file_env_arm(&world.env, (struct file_env_fault){.op = FILE_ENV_ANY,
							 .kind = FILE_ENV_FAIL,
							 .nth = nth,
							 .times = times,
							 .error = error});
	work(&world);
	if (!world_work(&world, 400))
		fail_msg("fault at %llu: not done: %.*s", (unsigned long long)nth,
			 (int)world.said.len, (char *)world.said.at);
	fired = file_env_fired(&world.env);
	file_env_disarm(&world.env);
	check_once(&world, "fault", nth);
	/* Nothing is wrong any more, so nothing is said to be, and nothing is left. */
	for (int turn = 0; turn < 120; turn++)
		world_turn(&world);
	if (condition_is_raised(&world.conditions, CONDITION_ARCHIVE_FAILING))
		fail_msg("fault at %llu, %llu times: it still fails: %s",
			 (unsigned long long)nth, (unsigned long long)times,
			 world.conditions.of[CONDITION_ARCHIVE_FAILING].text);
	assert_int_equal(count_names(&world, ".partial"), 0);
	world_fini(&world);
	return fired;
}

static void every_span_is_archived_once_whatever_operation_fails(void **state)
{
	const int errors[] = {-ENOSPC, -EIO, -ENOMEM};

	(void)state;
	for (unsigned e = 0; e < 3; e++)
		for (uint64_t times = 1; times <= 7; times += 6) {
			uint64_t nth = 1;

			while (fault_scenario(errors[e], nth, times))
				nth++;
			assert_true(nth > 80);
		}
}

static void a_short_write_is_continued(void **state)
{
	struct archive_world world;

	(void)state;
	world_init(&world);
	file_env_arm(&world.env, (struct file_env_fault){.op = FILE_ENV_PWRITEV,
							 .kind = FILE_ENV_SHORT,
							 .nth = 1,
							 .times = UINT64_MAX,
							 .bytes = 100});
	work(&world);
	assert_true(world_work(&world, 100));
	check_once(&world, "short", 0);
	world_fini(&world);
}

/* Restarts in the middle of open runs, many times. */
static void an_open_run_survives_any_number_of_restarts(void **state)
{
	struct archive_world world;
	char **names;

	(void)state;
	world_init(&world);
	world_start(&world);
	for (uint64_t i = 1; i <= 30; i++) {
		world_add(&world,
			  &(struct span_recipe){
				  .trace = 1, .id = i, .parent = i > 1, .start_ns = START + i});
		for (uint64_t turn = 0; turn < i % 7; turn++)
			world_turn(&world);
		if (i % 3 == 0)
			world_crash(&world);
		else
			world_stop(&world);
		world_start(&world);
	}
	world_seal(&world, 1, 30, true);
	assert_true(world_work(&world, 100));
	for (uint64_t i = 1; i <= 30; i++)
		assert_int_equal(world_count(&world, i), 1);
	assert_int_equal(world_list(&world, "", &names), 1);
	assert_string_equal(names[0], "demo_run_20260101T120000123456.otlp.json");
	world_free_names(names, 1);
	world_fini(&world);
}

/* Assembly says once that a run is over; the wish must survive the agent. */
static void a_seal_asked_for_before_a_crash_is_done_after_it(void **state)
{
	struct archive_world world;

	(void)state;
	for (unsigned turns = 0; turns < 6; turns++) {
		world_init(&world);
		world.assembly_forgets = true;
		world_start(&world);
		for (uint64_t i = 1; i <= 3; i++)
			world_add(&world, &(struct span_recipe){
						  .trace = 1, .id = i, .start_ns = START + i});
		for (unsigned turn = 0; turn < turns; turn++)
			world_turn(&world);
		world_seal(&world, 1, 3, true);
		/* Asked for and logged, nothing more. */
		world.seals[0].requested = true;
		assert_int_equal(archive_seal(world.archive, world.seals[0].trace_id, 3, true),
				 0);
		world_commit(&world);
		world_crash(&world);
		world_start(&world);
		/* Much less than a run that nobody asks for has to wait. */
		assert_true(world_work(&world, 20));
		for (uint64_t i = 1; i <= 3; i++)
			assert_int_equal(world_count(&world, i), 1);
		world_fini(&world);
	}
}

static void a_torn_tail_of_a_spool_is_cut(void **state)
{
	struct archive_world world;
	struct buf text;
	char **names;

	(void)state;
	world_init(&world);
	world_start(&world);
	world_add(&world, &(struct span_recipe){.trace = 1, .id = 1, .start_ns = START});
	for (int i = 0; i < 8; i++)
		world_turn(&world);
	world_stop(&world);
	assert_int_equal(world_list(&world, ".partial", &names), 1);
	text = world_read(&world, names[0]);
	buf_append_text(&text, "{\"resourceSpans\":[{\"resource\":{\"attri");
	world_write(&world, names[0], buf_bytes(&text));
	world_start(&world);
	world_add(&world, &(struct span_recipe){
				  .trace = 1, .id = 2, .parent = 1, .start_ns = START + 1});
	world_seal(&world, 1, 2, false);
	assert_true(world_work(&world, 100));
	assert_int_equal(world_count(&world, 1), 1);
	assert_int_equal(world_count(&world, 2), 1);
	buf_fini(&text);
	world_free_names(names, 1);
	world_fini(&world);
}

/* Another version may print otherwise; whatever has no right sum is damage. */
static void lines_of_a_spool_that_another_version_wrote_are_used_too(void **state)
{
	static const char stranger[] = "garbage\n"
				       "{\"resourceSpans\":[{\"scopeSpans\":[{\"spans\":["
				       "{\"traceId\":\"01010101010101010101010101010101\","
				       "\"spanId\":\"0000000000000024\"}"
				       "]}]}]}\n";
	static const char added[] = "{ \"resourceSpans\": [ {\"scopeSpans\": [ {\"spans\": ["
				    "{\"traceId\":\"01010101010101010101010101010101\","
				    "\"spanId\":\"0000000000000021\"},"
				    "{\"traceId\":\"01010101010101010101010101010101\","
				    "\"spanId\":\"0000000000000022\"},"
				    "{\"traceId\":\"02010101010101010101010101010101\","
				    "\"spanId\":\"0000000000000023\"}"
				    "] } ] } ]";
	struct archive_world world;
	struct buf text;
	char **names;

	(void)state;
	world_init(&world);
	world_start(&world);
	world_add(&world, &(struct span_recipe){.trace = 1, .id = 1, .start_ns = START});
	for (int i = 0; i < 8; i++)
		world_turn(&world);
	world_stop(&world);
	assert_int_equal(world_list(&world, ".partial", &names), 1);
	text = world_read(&world, names[0]);
	buf_append_text(&text, stranger);
	buf_append_text(&text, added);
	spool_sum_put(&text, crc32c(0, added, sizeof added - 1));
	world_write(&world, names[0], buf_bytes(&text));
	/* In two lives, so that what was added is not added again. */
	world_start(&world);
	world_stop(&world);
	world_start(&world);
	assert_int_equal(archive_counters(world.archive)->recovered, 3);
	/* Garbage behind what the log recorded: nothing that was there is lost. */
	assert_int_equal(archive_counters(world.archive)->dropped_lost, 0);
	world_seal(&world, 1, 1, false);
	assert_true(world_work(&world, 100));
	assert_int_equal(world_count(&world, 1), 1);
	assert_int_equal(world_count(&world, 0x21), 1);
	assert_int_equal(world_count(&world, 0x22), 1);
	assert_int_equal(world_count(&world, 0x23), 0);
	assert_int_equal(world_count(&world, 0x24), 0);
	buf_fini(&text);
	world_free_names(names, 1);
	world_fini(&world);
}

static void a_spool_the_log_does_not_know_is_sealed_by_itself(void **state)
{
	struct archive_world world;

	(void)state;
	world_init(&world);
	world_start(&world);
	world_add(&world, &(struct span_recipe){.trace = 1, .id = 1, .start_ns = START});
	for (int i = 0; i < 8; i++)
		world_turn(&world);
	world_stop(&world);
	/* Log and state directory are gone. */
	world.span_count = world.pushed = 0;
	buf_fini(&world.spans[0].bytes);
	for (unsigned i = 0; i < world.logged_count; i++)
		buf_fini(&world.logged[i].payload);
	world.logged_count = 0;
	test_directory_remove(world.state_dir);
	world_start(&world);
	for (int i = 0; i < 60; i++)
		world_turn(&world);
	assert_int_equal(count_names(&world, ".partial"), 0);
	assert_int_equal(world_count(&world, 1), 1);
	world_fini(&world);
}

/* The log is long and its reader slow: an earlier life's runs are alone before
 * their spans come again. */
static void a_run_sealed_before_its_spans_come_again_has_each_of_them_once(void **state)
{
	struct archive_world world;

	(void)state;
	world_init(&world);
	world.log_full = true; /* no frame says what is in the spool */
	world_start(&world);
	for (uint64_t id = 1; id <= 3; id++)
		world_add(&world,
			  &(struct span_recipe){.trace = 1, .id = id, .start_ns = START + id});
	for (int i = 0; i < 8; i++)
		world_turn(&world);
	world_crash(&world);
	world.log_full = false;
	world_add(&world, &(struct span_recipe){.trace = 1, .id = 4, .start_ns = START + 4});
	world_start(&world);
	world_seal(&world, 1, 4, false);
	world.pushed = world.span_count;
	for (int i = 0; i < 60; i++)
		world_turn(&world);
	assert_int_equal(count_names(&world, ".otlp.json"), 1);
	world.pushed = 0;
	for (int i = 0; i < 80; i++)
		world_turn(&world);
	assert_int_equal(count_names(&world, ".partial"), 0);
	for (uint64_t id = 1; id <= 4; id++)
		assert_int_equal(world_count(&world, id), 1);
	world_fini(&world);
}

static void remove_spool(const struct archive_world *world)
{
	char **names, path[1024];

	assert_int_equal(world_list(world, ".partial", &names), 1);
	(void)snprintf(path, sizeof(path), "%s/%s", world->dir, names[0]);
	assert_int_equal(unlink(path), 0);
	world_free_names(names, 1);
}

static void three_marked_spans_whose_spool_goes(struct archive_world *world)
{
	world_start(world);
	for (uint64_t id = 1; id <= 3; id++)
		world_add(world,
			  &(struct span_recipe){.trace = 1, .id = id, .start_ns = START + id});
	for (int i = 0; i < 30; i++)
		world_turn(world);
	assert_int_equal(archive_mark(world->archive), 3);
	world_crash(world);
	remove_spool(world);
	world_start(world);
}

static void a_spool_removed_while_the_agent_was_down_is_counted_once(void **state)
{
	struct archive_world world;

	(void)state;
	world_init(&world);
	world.cleaned = 3;
	three_marked_spans_whose_spool_goes(&world);
	world_turn(&world);
	assert_int_equal(archive_counters(world.archive)->dropped_lost, 3);
	assert_non_null(strstr((char *)world.said.at, "3 spans of it are lost"));
	world_commit(&world);
	world_crash(&world);
	world_start(&world);
	assert_int_equal(archive_counters(world.archive)->dropped_lost, 0);
	world_fini(&world);
}

/* The run was too small for a file, and the agent died before it said so. */
static void a_spool_that_was_dropped_as_too_small_counts_as_filtered(void **state)
{
	struct archive_ledger ledger;
	struct archive_world world;
	uint64_t number;

	(void)state;
	world_init(&world);
	world.options.min_spans = 10;
	three_marked_spans_whose_spool_goes(&world);
	archive_ledger(world.archive, &ledger, &number);
	assert_int_equal(ledger.kept, 3);
	assert_int_equal(ledger.dropped_filtered, 3);
	assert_int_equal(ledger.dropped_lost, 0);
	world_fini(&world);
}

/* However much of it the log knew before. */
static void a_spool_that_a_filtered_run_left_is_not_counted_again(void **state)
{
	(void)state;
	for (int turns = 0; turns <= 8; turns++) {
		struct archive_ledger ledger;
		struct archive_world world;
		uint64_t number;
		char **names;

		world_init(&world);
		world.options.min_spans = 10;
		world.assembly_forgets = true;
		world_start(&world);
		for (unsigned i = 1; i <= 3; i++)
			world_add(&world, &(struct span_recipe){.trace = 1, .id = i});
		for (int i = 0; i < turns; i++)
			world_turn(&world);
		world_seal(&world, 1, 3, true);
		file_env_arm(&world.env, (struct file_env_fault){.op = FILE_ENV_UNLINK,
								 .nth = 1,
								 .times = UINT64_MAX,
								 .error = -EIO});
		for (int i = 0; i < 20; i++)
			world_turn(&world);
		assert_int_equal(archive_counters(world.archive)->dropped_filtered, 3);
		assert_int_equal(archive_mark(world.archive), 3);
		world_crash(&world);
		world_start(&world);
		for (int i = 0; i < 60; i++)
			world_turn(&world);
		archive_ledger(world.archive, &ledger, &number);
		assert_int_equal(ledger.kept, 3);
		assert_int_equal(ledger.dropped_filtered, 3);
		assert_int_equal(archive_counters(world.archive)->dropped_filtered, 0);
		assert_int_equal(world_list(&world, ".partial", &names), 0);
		world_free_names(names, 0);
		world_fini(&world);
	}
}

static void a_run_found_after_a_restart_is_not_sealed_while_a_span_of_it_is_open(void **state)
{
	struct archive_world world;

	(void)state;
	world_init(&world);
	world_start(&world);
	world_add(&world, &(struct span_recipe){.trace = 1, .id = 1, .start_ns = START});
	for (int i = 0; i < 8; i++)
		world_turn(&world);
	world_crash(&world);
	world.awaited = true;
	world_start(&world);
	for (int i = 0; i < 120; i++)
		world_turn(&world);
	assert_int_equal(count_names(&world, ".otlp.json"), 0);
	assert_int_equal(count_names(&world, ".partial"), 1);
	/* Its last span ended and nobody asked: it is alone. */
	world.awaited = false;
	for (int i = 0; i < 120; i++)
		world_turn(&world);
	assert_int_equal(count_names(&world, ".partial"), 0);
	assert_int_equal(world_count(&world, 1), 1);
	world_fini(&world);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_span_is_archived_once_whatever_operation_the_crash_hits),
		cmocka_unit_test(every_span_is_archived_once_whatever_operation_fails),
		cmocka_unit_test(a_short_write_is_continued),
		cmocka_unit_test(an_open_run_survives_any_number_of_restarts),
		cmocka_unit_test(a_seal_asked_for_before_a_crash_is_done_after_it),
		cmocka_unit_test(a_torn_tail_of_a_spool_is_cut),
		cmocka_unit_test(a_spool_removed_while_the_agent_was_down_is_counted_once),
		cmocka_unit_test(a_spool_that_was_dropped_as_too_small_counts_as_filtered),
		cmocka_unit_test(a_spool_that_a_filtered_run_left_is_not_counted_again),
		cmocka_unit_test(lines_of_a_spool_that_another_version_wrote_are_used_too),
		cmocka_unit_test(a_spool_the_log_does_not_know_is_sealed_by_itself),
		cmocka_unit_test(
			a_run_sealed_before_its_spans_come_again_has_each_of_them_once),
		cmocka_unit_test(
			a_run_found_after_a_restart_is_not_sealed_while_a_span_of_it_is_open),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
