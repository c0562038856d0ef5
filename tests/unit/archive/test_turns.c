/* Whose run is sealed when: a user's runs in the order in which they were asked
 * for, and users in turns. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "archive/stage.h"
#include "archive_world.h"

#define START UINT64_C(1767268800123456789)
#define RUNS_MAX 4000

static struct archive_world world;
/* The sealed runs by number, in their order. */
static uint32_t order[RUNS_MAX], place[RUNS_MAX], sealed;

static void on_sealed(void *arg, const uint8_t trace_id[16], const char *path, uint64_t spans,
		      bool complete)
{
	uint32_t run;

	(void)arg;
	(void)path;
	(void)spans;
	(void)complete;
	memcpy(&run, trace_id, sizeof run);
	place[run] = sealed;
	order[sealed++] = run;
}

static int setup(void **state)
{
	(void)state;
	world_init(&world);
	world.keep_no_frames = true;
	sealed = 0;
	world_start(&world);
	world.archive->ops.sealed = on_sealed;
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	world_fini(&world);
	return 0;
}

/* A run of one span, to be sealed at once; its number. */
static uint32_t ask(uint32_t user)
{
	struct world_span *added = &world.spans[world.span_count];
	uint32_t run = (uint32_t)world.span_count;
	struct finished_span *span = &added->span;

	world_add(&world, &(struct span_recipe){
				  .trace = 1, .id = run + 1, .start_ns = START + run * 1000});
	/* Its trace id, in the span and beside it, is made one of a kind. */
	memcpy(span->trace_id, &run, sizeof run);
	memcpy(added->bytes.at + (span->span.at - added->bytes.at) + 2, &run, sizeof run);
	assert_int_equal(archive_run_seen(world.archive, span->trace_id, &(struct run_words){.service = bytes_of("demo")},
					  START + run * 1000, user),
			 0);
	assert_int_equal(archive_push(world.archive, span), 0);
	assert_int_equal(archive_seal(world.archive, span->trace_id, span->number, true), 0);
	world.pushed = world.span_count;
	return run;
}

static void turns(unsigned n)
{
	while (n-- > 0)
		world_turn(&world);
}

static void another_users_runs_keep_nobody_waiting(void **state)
{
	uint32_t before, honest;

	(void)state;
	for (unsigned i = 0; i < 2000; i++)
		ask(1000);
	turns(10);
	before = sealed;
	assert_true(before > 0 && before < 1000);
	honest = ask(2000);
	assert_true(world_work(&world, 500));
	assert_int_equal(sealed, 2001);
	/* Behind those that were being written or named. */
	assert_true(place[honest] <= before + 4 * ARCHIVE_SEAL_FILES_MAX);
}

static void who_stops_can_see_that_files_are_still_being_sealed(void **state)
{
	(void)state;
	world_turn(&world);
	assert_false(archive_sealing(world.archive));
	for (unsigned i = 0; i < 100; i++)
		ask(1000);
	for (unsigned turn = 0; sealed < 100 && turn < 500; turn++) {
		assert_true(archive_sealing(world.archive));
		turns(1);
	}
	assert_true(world_work(&world, 500));
	assert_int_equal(sealed, 100);
	/* Runs that are open keep nobody from leaving. */
	world_add(&world, &(struct span_recipe){.trace = 9, .id = 9999, .start_ns = START});
	assert_int_equal(archive_push(world.archive, &world.spans[100].span), 0);
	world.pushed = world.span_count;
	turns(10);
	assert_int_equal(archive_counters(world.archive)->open_runs, 1);
	assert_false(archive_sealing(world.archive));
}

static void of_two_floods_each_has_half(void **state)
{
	uint32_t of_second = 0;

	(void)state;
	for (unsigned i = 0; i < 500; i++)
		ask(1000);
	for (unsigned i = 0; i < 500; i++)
		ask(2000);
	assert_true(world_work(&world, 500));
	assert_int_equal(sealed, 1000);
	for (unsigned i = 0; i < 400; i++)
		of_second += order[i] >= 500;
	assert_in_range(of_second, 200 - ARCHIVE_SEAL_FILES_MAX, 200 + ARCHIVE_SEAL_FILES_MAX);
}

/* However many are asked for meanwhile. */
static void a_users_runs_are_sealed_in_their_order(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 500; i++)
		ask(1000);
	for (unsigned i = 0; i < 100; i++) {
		for (unsigned k = 0; k < 20; k++)
			ask(1000);
		turns(1);
	}
	assert_true(world_work(&world, 500));
	assert_int_equal(sealed, 2500);
	for (uint32_t run = 0; run < sealed; run++)
		assert_in_range(place[run] + ARCHIVE_SEAL_FILES_MAX, run,
				run + 2 * ARCHIVE_SEAL_FILES_MAX);
}

static void nobodys_runs_have_turns_too(void **state)
{
	uint32_t run;

	(void)state;
	for (unsigned i = 0; i < 500; i++)
		ask(1000);
	run = ask(USER_UNKNOWN);
	assert_true(world_work(&world, 500));
	assert_int_equal(sealed, 501);
	assert_true(place[run] <= 2 * ARCHIVE_SEAL_FILES_MAX);
}

/* It waited as nobody's; who began it is said later. */
static void a_run_takes_its_place_when_its_user_is_known(void **state)
{
	uint8_t trace_id[16] = {0};
	uint32_t run;

	(void)state;
	for (unsigned i = 0; i < 500; i++)
		ask(USER_UNKNOWN);
	run = ask(USER_UNKNOWN);
	turns(3);
	memcpy(trace_id, world.spans[run].span.trace_id, 16);
	assert_int_equal(
		archive_run_seen(world.archive, trace_id, &(struct run_words){.service = bytes_of("demo")}, START, 1000), 0);
	assert_true(world_work(&world, 500));
	assert_int_equal(sealed, 501);
	assert_true(place[run] <= 5 * ARCHIVE_SEAL_FILES_MAX);
}

/* The first file that cannot be made does not keep the others, nor its own run for
 * ever. */
static void a_run_that_cannot_be_sealed_now_waits_again(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 100; i++)
		ask(1000);
	file_env_arm(&world.env, (struct file_env_fault){.op = FILE_ENV_OPEN,
							 .kind = FILE_ENV_FAIL,
							 .nth = 1,
							 .times = 5,
							 .error = -ENOSPC});
	assert_true(world_work(&world, 500));
	assert_true(file_env_fired(&world.env));
	assert_int_equal(sealed, 100);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(another_users_runs_keep_nobody_waiting),
		TEST(who_stops_can_see_that_files_are_still_being_sealed),
		TEST(of_two_floods_each_has_half),
		TEST(a_users_runs_are_sealed_in_their_order),
		TEST(nobodys_runs_have_turns_too),
		TEST(a_run_takes_its_place_when_its_user_is_known),
		TEST(a_run_that_cannot_be_sealed_now_waits_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
