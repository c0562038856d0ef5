/* The same span more than once: a damaged log forgot that it was finished, or
 * its process said its end after the agent had ended it. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "archive_world.h"

#define START UINT64_C(1760000000000000000)

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

static void seal_all(uint8_t trace)
{
	world_seal(&world, trace, world.span_count, true);
	if (!world.archive)
		world_start(&world);
	if (!world_work(&world, 300))
		fail_msg("not done: %.*s", (int)world.said.len, (char *)world.said.at);
}

/* The one sealed file. */
static bool file_says(const char *word)
{
	struct buf text;
	char **names;
	bool found;

	assert_int_equal(world_list(&world, ".otlp.json", &names), 1);
	text = world_read(&world, names[0]);
	found = memmem(text.at, text.len, word, strlen(word)) != NULL;
	world_free_names(names, 1);
	buf_fini(&text);
	return found;
}

static void a_span_that_comes_twice_stands_in_the_file_once(void **state)
{
	const struct archive_counters *counters;
	char **names;

	(void)state;
	world_add(&world, &(struct span_recipe){.trace = 1,
						.id = 1,
						.start_ns = START,
						.key = "spanring.end.reason",
						.text = bytes_of("stale, and this is long")});
	world_add(&world, &(struct span_recipe){.trace = 1, .id = 2, .start_ns = START + 1});
	seal_all(1);
	/* Its own end, after the run was sealed. */
	world_add(&world, &(struct span_recipe){.trace = 1, .id = 1, .start_ns = START});
	seal_all(1);
	assert_int_equal(world_count(&world, 1), 1);
	assert_false(file_says("stale"));
	/* Twice in one spool, and then once more after a restart. */
	world_add(&world, &(struct span_recipe){.trace = 1,
						.id = 2,
						.start_ns = START + 1,
						.text = bytes_of("more")});
	world_add(&world, &(struct span_recipe){.trace = 1, .id = 3, .start_ns = START + 2});
	world_add(&world, &(struct span_recipe){.trace = 1, .id = 3, .start_ns = START + 2});
	seal_all(1);
	counters = archive_counters(world.archive);
	assert_int_equal(counters->archived, 3);
	assert_int_equal(counters->dropped_superseded, 3);
	assert_int_equal(counters->spans, 6);
	assert_int_equal(counters->waiting, 0);
	world_crash(&world);
	world_start(&world);
	world_add(&world, &(struct span_recipe){.trace = 1,
						.id = 3,
						.start_ns = START + 2,
						.text = bytes_of("more")});
	seal_all(1);
	counters = archive_counters(world.archive);
	assert_int_equal(counters->dropped_superseded, 1);
	assert_int_equal(counters->archived, 0);
	for (uint64_t id = 1; id <= 3; id++)
		assert_int_equal(world_count(&world, id), 1);
	assert_int_equal(world_list(&world, ".kept-1", &names), 0);
	world_free_names(names, 0);
}

/* The log forgot the run, and what is in the directory cannot be opened for a
 * moment: the run must not take a second name beside its own. */
static bool start_that_cannot_open(int error, uint64_t nth)
{
	struct file_env_fault fault = {
		.op = FILE_ENV_OPEN, .kind = FILE_ENV_FAIL, .nth = nth, .error = error};
	char **names;
	bool fired;
	unsigned n;

	world_init(&world);
	world.keep_no_frames = true;
	world_add(&world, &(struct span_recipe){.trace = 1, .id = 1, .start_ns = START});
	world_start(&world);
	for (int i = 0; i < 8; i++)
		world_turn(&world);
	world_crash(&world);
	world_add(&world, &(struct span_recipe){.trace = 1, .id = 2, .start_ns = START + 1});
	file_env_arm(&world.env, fault);
	seal_all(1);
	fired = file_env_fired(&world.env);
	n = world_list(&world, "", &names);
	assert_int_equal(n, 1);
	assert_null(strstr(names[0], "_0101")); /* a taken name gets the trace id */
	world_free_names(names, n);
	for (uint64_t id = 1; id <= 2; id++)
		assert_int_equal(world_count(&world, id), 1);
	world_fini(&world);
	return fired;
}

/* The last ones do not say that they pass: the spool is given up for that start. */
static void a_file_that_cannot_be_opened_once_gives_no_run_a_second_name(void **state)
{
	static const int errors[] = {-EMFILE, -EDQUOT, -EIO, -EROFS};

	(void)state;
	for (size_t i = 0; i < sizeof errors / sizeof errors[0]; i++)
		for (uint64_t nth = 1; start_that_cannot_open(errors[i], nth); nth++)
			assert_true(nth < 100);
}

/* The start gave the spool up, and the run that needs its name cannot open it
 * either, for a moment. */
static bool taken_up_late_after_a_moment(uint64_t first, uint64_t then, bool *ret_fired)
{
	struct file_env_fault fault = {
		.op = FILE_ENV_OPEN, .kind = FILE_ENV_FAIL, .nth = first, .error = -EIO};
	char **names;
	unsigned n;

	world_init(&world);
	world.keep_no_frames = true;
	world_add(&world, &(struct span_recipe){.trace = 1, .id = 1, .start_ns = START});
	world_start(&world);
	for (int i = 0; i < 8; i++)
		world_turn(&world);
	world_crash(&world);
	world_add(&world, &(struct span_recipe){.trace = 1, .id = 2, .start_ns = START + 1});
	file_env_arm(&world.env, fault);
	world_start(&world);
	*ret_fired = file_env_fired(&world.env);
	fault.nth = then;
	fault.error = -EMFILE;
	file_env_arm(&world.env, fault);
	seal_all(1);
	n = world_list(&world, "", &names);
	assert_int_equal(n, 1);
	assert_null(strstr(names[0], "_0101"));
	world_free_names(names, n);
	for (uint64_t id = 1; id <= 2; id++)
		assert_int_equal(world_count(&world, id), 1);
	n = file_env_fired(&world.env);
	world_fini(&world);
	return n;
}

static void nor_does_one_that_the_start_gave_up(void **state)
{
	bool fired = true;

	(void)state;
	for (uint64_t first = 1; fired; first++)
		for (uint64_t then = 1; taken_up_late_after_a_moment(first, then, &fired);
		     then++)
			assert_true(first < 100 && then < 100);
}

/* Files of the directory but the sealed ones. */
static unsigned others(void)
{
	char **names;
	unsigned all = world_list(&world, "", &names), sealed;

	world_free_names(names, all);
	sealed = world_list(&world, ".otlp.json", &names);
	world_free_names(names, sealed);
	return all - sealed;
}

static void write_second_spool(const char *name, uint64_t from, uint64_t to)
{
	struct archive_world other;
	struct buf text;
	char **names;

	world_init(&other);
	world_start(&other);
	for (uint64_t id = from; id <= to; id++)
		world_add(&other,
			  &(struct span_recipe){.trace = 1, .id = id, .start_ns = START + id});
	for (int i = 0; i < 8; i++)
		world_turn(&other);
	assert_int_equal(world_list(&other, ".partial", &names), 1);
	text = world_read(&other, names[0]);
	world_write(&world, name, buf_bytes(&text));
	buf_fini(&text);
	world_free_names(names, 1);
	world_fini(&other);
}

/* An earlier version's start, or somebody's copy, left two: whatever stands in one
 * of them only is in the file, and nothing else stays. */
static void a_second_spool_of_a_run_is_united_with_the_first(bool sealed, bool forgotten)
{
	const struct archive_counters *counters;

	world.keep_no_frames = forgotten;
	world_start(&world);
	for (uint64_t id = 1; id <= 3; id++)
		world_add(&world,
			  &(struct span_recipe){.trace = 1, .id = id, .start_ns = START + id});
	if (sealed)
		seal_all(1);
	for (int i = 0; i < 8; i++)
		world_turn(&world);
	world_crash(&world);
	write_second_spool("a_run_20200101T000000000000.otlp.json.partial", 2, 5);
	world_start(&world);
	seal_all(1);
	counters = archive_counters(world.archive);
	assert_int_equal(counters->spans + counters->recovered,
			 counters->archived + counters->waiting);
	for (uint64_t id = 1; id <= 5; id++)
		assert_int_equal(world_count(&world, id), 1);
	assert_int_equal(others(), 0);
}

static void a_second_spool_of_an_open_run_is_united_with_it(void **state)
{
	(void)state;
	a_second_spool_of_a_run_is_united_with_the_first(false, false);
}

static void a_second_spool_of_a_run_the_log_forgot_is_united_with_it(void **state)
{
	(void)state;
	a_second_spool_of_a_run_is_united_with_the_first(false, true);
}

static void a_second_spool_of_a_sealed_run_is_united_with_its_file(void **state)
{
	(void)state;
	a_second_spool_of_a_run_is_united_with_the_first(true, false);
}

static void a_second_spool_of_a_sealed_run_the_log_forgot_is_united_with_it(void **state)
{
	(void)state;
	a_second_spool_of_a_run_is_united_with_the_first(true, true);
}

/* Each operation on the way fails once, or is the last one of its life. */
static bool unite_with_a_fault(enum file_env_fault_kind kind, uint64_t nth)
{
	struct file_env_fault fault = {.kind = kind, .nth = nth, .error = -EIO};
	bool fired;

	world_init(&world);
	world_start(&world);
	for (uint64_t id = 1; id <= 3; id++)
		world_add(&world,
			  &(struct span_recipe){.trace = 1, .id = id, .start_ns = START + id});
	for (int i = 0; i < 8; i++)
		world_turn(&world);
	world_crash(&world);
	write_second_spool("a_run_20200101T000000000000.otlp.json.partial", 2, 5);
	file_env_arm(&world.env, fault);
	world_start(&world);
	for (int i = 0; i < 60; i++)
		world_turn(&world);
	fired = file_env_fired(&world.env);
	file_env_disarm(&world.env);
	world_crash(&world);
	world_start(&world);
	seal_all(1);
	for (uint64_t id = 1; id <= 5; id++)
		assert_int_equal(world_count(&world, id), 1);
	assert_int_equal(others(), 0);
	world_fini(&world);
	return fired;
}

static void two_spools_are_united_whatever_operation_fails_or_is_the_last(void **state)
{
	static const enum file_env_fault_kind kinds[] = {FILE_ENV_FAIL, FILE_ENV_CRASH_BEFORE,
							 FILE_ENV_CRASH_AFTER};

	(void)state;
	for (size_t i = 0; i < 3; i++)
		for (uint64_t nth = 1; unite_with_a_fault(kinds[i], nth); nth++)
			assert_true(nth < 300);
}

/* Of a run that has its file, and of one that gets none. */
static void a_spool_that_cannot_be_removed_goes_later(uint32_t min_spans)
{
	struct file_env_fault fault = {.op = FILE_ENV_UNLINK,
				       .kind = FILE_ENV_FAIL,
				       .nth = 1,
				       .times = 3,
				       .error = -EROFS};

	world.options.min_spans = min_spans;
	world_start(&world);
	world_add(&world, &(struct span_recipe){.trace = 1, .id = 1, .start_ns = START});
	for (int i = 0; i < 8; i++)
		world_turn(&world);
	assert_int_equal(others(), 1);
	file_env_arm(&world.env, fault);
	seal_all(1);
	assert_int_equal(others(), 1);
	for (int i = 0; i < 100; i++)
		world_turn(&world);
	assert_int_equal(others(), 0);
	/* It goes on under the same name. */
	file_env_arm(&world.env, fault);
	for (uint64_t id = 2; id <= 3; id++) {
		world_add(&world,
			  &(struct span_recipe){.trace = 1, .id = id, .start_ns = START + id});
		seal_all(1);
	}
	for (int i = 0; i < 100; i++)
		world_turn(&world);
	assert_int_equal(others(), 0);
	assert_int_equal(world_count(&world, 3), min_spans == 1);
}

static void a_spool_that_cannot_be_removed_is_removed_later(void **state)
{
	(void)state;
	a_spool_that_cannot_be_removed_goes_later(1);
}

static void a_spool_of_a_filtered_run_that_cannot_be_removed_is_removed_later(void **state)
{
	(void)state;
	a_spool_that_cannot_be_removed_goes_later(2);
}

/* Not known again, a run's own file would be kept aside as a stranger's. */
static bool seal_with_a_look_that_fails(int error, uint64_t nth)
{
	struct file_env_fault fault = {
		.op = FILE_ENV_FSTAT, .kind = FILE_ENV_FAIL, .nth = nth, .error = error};
	bool fired;

	world_init(&world);
	world_start(&world);
	file_env_arm(&world.env, fault);
	for (uint64_t id = 1; id <= 3; id++) {
		world_add(&world,
			  &(struct span_recipe){.trace = 1, .id = id, .start_ns = START + id});
		seal_all(1);
	}
	fired = file_env_fired(&world.env);
	for (uint64_t id = 1; id <= 3; id++)
		assert_int_equal(world_count(&world, id), 1);
	assert_int_equal(others(), 0);
	world_fini(&world);
	return fired;
}

static void a_file_that_cannot_be_looked_at_once_is_still_its_runs_own(void **state)
{
	static const int errors[] = {-EINTR, -EIO};

	(void)state;
	for (size_t i = 0; i < sizeof errors / sizeof errors[0]; i++)
		for (uint64_t nth = 1; seal_with_a_look_that_fails(errors[i], nth); nth++)
			assert_true(nth < 300);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_span_that_comes_twice_stands_in_the_file_once,
						setup, teardown),
		cmocka_unit_test(a_file_that_cannot_be_opened_once_gives_no_run_a_second_name),
		cmocka_unit_test(nor_does_one_that_the_start_gave_up),
		cmocka_unit_test(a_file_that_cannot_be_looked_at_once_is_still_its_runs_own),
		cmocka_unit_test_setup_teardown(a_second_spool_of_an_open_run_is_united_with_it,
						setup, teardown),
		cmocka_unit_test_setup_teardown(
			a_second_spool_of_a_run_the_log_forgot_is_united_with_it, setup,
			teardown),
		cmocka_unit_test_setup_teardown(
			a_second_spool_of_a_sealed_run_is_united_with_its_file, setup,
			teardown),
		cmocka_unit_test_setup_teardown(
			a_second_spool_of_a_sealed_run_the_log_forgot_is_united_with_it, setup,
			teardown),
		cmocka_unit_test(two_spools_are_united_whatever_operation_fails_or_is_the_last),
		cmocka_unit_test_setup_teardown(a_spool_that_cannot_be_removed_is_removed_later,
						setup, teardown),
		cmocka_unit_test_setup_teardown(
			a_spool_of_a_filtered_run_that_cannot_be_removed_is_removed_later,
			setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
