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
static bool start_without_a_descriptor(uint64_t nth)
{
	struct file_env_fault fault = {
		.op = FILE_ENV_OPEN, .kind = FILE_ENV_FAIL, .nth = nth, .error = -EMFILE};
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

static void a_moment_without_descriptors_gives_no_run_a_second_name(void **state)
{
	(void)state;
	for (uint64_t nth = 1; start_without_a_descriptor(nth); nth++)
		assert_true(nth < 100);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_span_that_comes_twice_stands_in_the_file_once,
						setup, teardown),
		cmocka_unit_test(a_moment_without_descriptors_gives_no_run_a_second_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
