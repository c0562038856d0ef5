/* Which files retention removes, and which it never does. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "archive_world.h"

#define START UINT64_C(1767268800123456789)
#define SECOND_NS UINT64_C(1000000000)
#define DAY_NS (86400 * SECOND_NS)

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

/* ---- shorthands ---------------------------------------------------------------- */

static const char *name_of(uint8_t trace)
{
	static char name[64];

	snprintf(name, sizeof name, "demo_run_20260101T12%02u00123456.otlp.json", trace);
	return name;
}

static void path_of(char path[1024], const char *name)
{
	snprintf(path, 1024, "%s/%s", world.dir, name);
}

static bool is_there(const char *name)
{
	char path[1024];

	path_of(path, name);
	return access(path, F_OK) == 0;
}

static unsigned count_files(void)
{
	char **names;
	unsigned n = world_list(&world, ".otlp.json", &names);

	world_free_names(names, n);
	return n;
}

static void set_age(const char *name, uint64_t age_ns)
{
	uint64_t written_ns = world.env.wall_ns - age_ns;
	struct timespec times[2] = {
		{.tv_nsec = UTIME_OMIT},
		{(time_t)(written_ns / SECOND_NS), (long)(written_ns % SECOND_NS)},
	};
	char path[1024];

	path_of(path, name);
	assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
}

static void work(void)
{
	if (!world.archive)
		world_start(&world);
	if (!world_work(&world, 300))
		fail_msg("not done: %.*s", (int)world.said.len, (char *)world.said.at);
}

static void add_span(uint8_t trace, uint64_t id)
{
	world_add(&world, &(struct span_recipe){.trace = trace,
						.id = id,
						.start_ns = START + trace * 60 * SECOND_NS});
}

/* Runs of traces `from` to `to`, sealed one after the other: the first is the oldest, by a
 * day for each that follows. */
static void seal_runs(uint8_t from, uint8_t to)
{
	for (uint8_t trace = from; trace <= to; trace++) {
		add_span(trace, trace);
		world_seal(&world, trace, world.span_count, true);
		work();
	}
	for (uint8_t trace = from; trace <= to; trace++)
		set_age(name_of(trace), (uint64_t)(to - trace + 1) * DAY_NS);
}

static void limit(struct retention_limits limits)
{
	world.options.retention = limits;
	archive_set_retention(world.archive, &limits);
}

/* Two passes at least. */
static void pass(void)
{
	for (unsigned i = 0; i < 500; i++)
		world_turn(&world);
}

/* ---- what goes --------------------------------------------------------------------- */

static void nothing_goes_unless_it_is_asked_for(void **state)
{
	(void)state;
	seal_runs(1, 5);
	pass();
	assert_int_equal(count_files(), 5);
	assert_int_equal(archive_next_due(world.archive, world.env.mono_ns), UINT64_MAX);
}

static void of_too_many_files_the_oldest_go(void **state)
{
	(void)state;
	seal_runs(1, 5);
	/* Not by their names. */
	set_age(name_of(1), SECOND_NS);
	limit((struct retention_limits){.files_max = 3});
	pass();
	assert_int_equal(count_files(), 3);
	assert_true(is_there(name_of(1)));
	assert_false(is_there(name_of(2)));
	assert_false(is_there(name_of(3)));
	assert_int_equal(archive_counters(world.archive)->retired, 2);
	assert_non_null(
		memmem(world.said.at, world.said.len, "archive.retention.max_files", 27));
}

static void of_too_many_bytes_the_oldest_go(void **state)
{
	struct buf file;

	(void)state;
	seal_runs(1, 5);
	file = world_read(&world, name_of(1));
	limit((struct retention_limits){.bytes_max = 2 * file.len + 10});
	pass();
	assert_int_equal(count_files(), 2);
	assert_true(is_there(name_of(5)));
	assert_int_equal(archive_counters(world.archive)->retired_bytes, 3 * file.len);
	buf_fini(&file);
}

static void what_is_too_old_goes(void **state)
{
	(void)state;
	seal_runs(1, 5);
	limit((struct retention_limits){.age_ns_max = 3 * DAY_NS + DAY_NS / 2});
	pass();
	assert_int_equal(count_files(), 3);
	file_env_advance(&world.env, DAY_NS);
	pass();
	assert_int_equal(count_files(), 2);
	assert_true(is_there(name_of(5)));
}

static void files_go_until_enough_of_the_disk_is_free(void **state)
{
	(void)state;
	seal_runs(1, 3);
	world.env.space = 1000;
	limit((struct retention_limits){.free_bytes_min = 1000});
	pass();
	assert_int_equal(count_files(), 3);
	limit((struct retention_limits){.free_bytes_min = 1001});
	pass();
	assert_int_equal(count_files(), 0);
}

static void one_file_goes_in_a_turn(void **state)
{
	unsigned before = 40;

	(void)state;
	seal_runs(1, 40);
	limit((struct retention_limits){.files_max = 1});
	for (unsigned i = 0; i < 400; i++) {
		unsigned now;

		world_turn(&world);
		now = count_files();
		assert_in_range(now, before - 1, before);
		before = now;
	}
	assert_int_equal(before, 1);
}

/* ---- what stays ------------------------------------------------------------------- */

static void a_run_that_a_destination_lacks_stays_until_it_is_sent(void **state)
{
	(void)state;
	world.sends = true;
	world.sent = 2;
	seal_runs(1, 4);
	limit((struct retention_limits){.age_ns_max = 1});
	pass();
	assert_int_equal(count_files(), 2);
	assert_int_equal(archive_counters(world.archive)->retire_waiting, 2);
	assert_true(is_there(name_of(3)));
	/* The next agent knows it, too, also where the index was lost. */
	world_stop(&world);
	world_start(&world);
	pass();
	assert_int_equal(count_files(), 2);
	world_stop(&world);
	{
		char path[512];

		snprintf(path, sizeof path, "%s/archive.index", world.state_dir);
		assert_int_equal(unlink(path), 0);
	}
	world_start(&world);
	pass();
	assert_int_equal(count_files(), 2);
	world.sent = 4;
	pass();
	assert_int_equal(count_files(), 0);
}

static void a_run_that_is_open_again_stays(void **state)
{
	(void)state;
	seal_runs(1, 2);
	add_span(1, 77);
	world_turn(&world);
	limit((struct retention_limits){.age_ns_max = 1});
	pass();
	assert_true(is_there(name_of(1)));
	assert_false(is_there(name_of(2)));
	world_seal(&world, 1, world.span_count, true);
	limit((struct retention_limits){0});
	work();
	assert_int_equal(world_count(&world, 1), 1);
	assert_int_equal(world_count(&world, 77), 1);
}

static void a_run_of_which_assembly_knows_open_spans_stays(void **state)
{
	(void)state;
	seal_runs(1, 2);
	world.awaited = true;
	limit((struct retention_limits){.age_ns_max = 1});
	pass();
	assert_int_equal(count_files(), 2);
	world.awaited = false;
	pass();
	assert_int_equal(count_files(), 0);
}

static void what_is_not_ours_as_we_left_it_stays(void **state)
{
	static const char *const others[] = {
		"report_run_of_mine.otlp.json",
		"notes.txt",
		"demo_run_20260101T120100123456.otlp.json.kept-1",
		"demo_run_20250101T120100123456.otlp.json.partial",
	};
	struct buf file;

	(void)state;
	seal_runs(1, 2);
	for (unsigned i = 0; i < 4; i++) {
		world_write(&world, others[i], bytes_of("mine"));
		set_age(others[i], 900 * DAY_NS);
	}
	file = world_read(&world, name_of(1));
	buf_append_text(&file, " \n");
	world_write(&world, name_of(1), buf_bytes(&file));
	set_age(name_of(1), 900 * DAY_NS);
	buf_fini(&file);
	limit((struct retention_limits){.age_ns_max = 1, .files_max = 1, .bytes_max = 1});
	pass();
	for (unsigned i = 0; i < 4; i++)
		assert_true(is_there(others[i]));
	assert_true(is_there(name_of(1)));
	assert_false(is_there(name_of(2)));
}

/* ---- trouble ------------------------------------------------------------------------- */

static void what_cannot_be_removed_is_counted_said_once_and_tried_again(void **state)
{
	const struct archive_counters *counters;
	char *first;

	(void)state;
	seal_runs(1, 3);
	limit((struct retention_limits){.files_max = 1});
	file_env_arm(&world.env, (struct file_env_fault){.op = FILE_ENV_UNLINK,
							 .kind = FILE_ENV_FAIL,
							 .nth = 1,
							 .times = UINT64_MAX,
							 .error = -EACCES});
	pass();
	pass();
	counters = archive_counters(world.archive);
	assert_int_equal(count_files(), 3);
	assert_true(counters->retire_failures > 1);
	assert_int_equal(counters->retired, 0);
	buf_append_byte(&world.said, 0);
	first = strstr((char *)world.said.at, "cannot remove");
	assert_non_null(first);
	assert_null(strstr(first + 1, "cannot remove"));
	file_env_disarm(&world.env);
	pass();
	assert_int_equal(count_files(), 1);
}

static void a_death_at_any_operation_removes_no_more(void **state)
{
	(void)state;
	for (uint64_t nth = 1;; nth++) {
		bool fired;

		world_fini(&world);
		world_init(&world);
		seal_runs(1, 4);
		limit((struct retention_limits){.files_max = 2});
		file_env_arm(&world.env, (struct file_env_fault){.kind = FILE_ENV_CRASH_BEFORE,
								 .nth = nth});
		pass();
		fired = file_env_fired(&world.env);
		if (fired)
			world_crash(&world);
		else
			file_env_disarm(&world.env);
		if (!world.archive)
			world_start(&world);
		pass();
		assert_int_equal(count_files(), 2);
		assert_true(is_there(name_of(3)) && is_there(name_of(4)));
		if (!fired)
			break;
	}
}

/* ---- afterwards ------------------------------------------------------------------------ */

static void a_span_that_comes_after_all_begins_a_file_of_its_own(void **state)
{
	(void)state;
	seal_runs(1, 2);
	limit((struct retention_limits){.age_ns_max = 1});
	pass();
	assert_int_equal(count_files(), 0);
	limit((struct retention_limits){0});
	for (unsigned life = 0; life < 2; life++) {
		add_span((uint8_t)(1 + life), 90 + life);
		world_seal(&world, (uint8_t)(1 + life), world.span_count, true);
		work();
		assert_int_equal(count_files(), 1 + life);
		assert_int_equal(world_count(&world, 90 + life), 1);
		world_stop(&world);
		world_start(&world);
	}
	assert_int_equal(world_count(&world, 1), 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(nothing_goes_unless_it_is_asked_for),
		TEST(of_too_many_files_the_oldest_go),
		TEST(of_too_many_bytes_the_oldest_go),
		TEST(what_is_too_old_goes),
		TEST(files_go_until_enough_of_the_disk_is_free),
		TEST(one_file_goes_in_a_turn),
		TEST(a_run_that_a_destination_lacks_stays_until_it_is_sent),
		TEST(a_run_that_is_open_again_stays),
		TEST(a_run_of_which_assembly_knows_open_spans_stays),
		TEST(what_is_not_ours_as_we_left_it_stays),
		TEST(what_cannot_be_removed_is_counted_said_once_and_tried_again),
		TEST(a_death_at_any_operation_removes_no_more),
		TEST(a_span_that_comes_after_all_begins_a_file_of_its_own),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
