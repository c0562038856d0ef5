/* What fails is tried again, and not without pause. */
#include "archive_world.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define START UINT64_C(1700000000000000000)

static struct archive_world world;

static int setup(void **state)
{
	(void)state;
	world_init(&world);
	world_start(&world);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	file_env_disarm(&world.env);
	world_fini(&world);
	return 0;
}

static void add(unsigned trace, unsigned id)
{
	world_add(&world,
		  &(struct span_recipe){.trace = trace, .id = id, .start_ns = START + id});
}

/* As the agent does: no pause while something is due at once. */
static unsigned turns_without_pause(void)
{
	unsigned n = 0;

	do {
		archive_tick(world.archive, world.env.mono_ns);
		(void)world.env.env.ops->wait(&world.env.env, 0);
		world_commit(&world);
	} while (++n < 1000 &&
		 archive_next_due(world.archive, world.env.mono_ns) <= world.env.mono_ns);
	return n;
}

static void fails_for_ever(enum file_env_op op, int error)
{
	unsigned n;

	for (unsigned i = 1; i <= 10; i++)
		add(1 + i % 3, i);
	for (unsigned trace = 1; trace <= 3; trace++)
		world_seal(&world, trace, 10, true);
	file_env_arm(&world.env,
		     (struct file_env_fault){
			     .op = op, .nth = 1, .times = UINT64_MAX, .error = error});
	for (int i = 0; i < 8; i++) {
		world_turn(&world);
		n = turns_without_pause();
		if (n >= 100)
			print_error("%s: %u turns\n", file_env_op_name(op), n);
		assert_true(n < 100);
	}
	file_env_disarm(&world.env);
	assert_true(world_work(&world, 200));
	for (unsigned i = 1; i <= 10; i++)
		assert_int_equal(world_count(&world, i), 1);
	assert_false(condition_is_raised(&world.conditions, CONDITION_ARCHIVE_FAILING));
}

static void whatever_fails_for_ever_is_not_tried_without_pause(void **state)
{
	static const int errors[] = {-EIO, -ENOSPC, -EAGAIN, -EBUSY, -EROFS};

	for (unsigned i = 0; i < sizeof errors / sizeof errors[0]; i++)
		for (enum file_env_op op = FILE_ENV_OPEN; op < FILE_ENV_OPS; op++) {
			fails_for_ever(op, errors[i]);
			teardown(state);
			setup(state);
		}
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(whatever_fails_for_ever_is_not_tried_without_pause),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
