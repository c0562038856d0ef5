/* D5 for the archive: syncs that fail or take long. A file whose sync failed is
 * written again, never asked again, and nobody waits for the disk. */
#include "archive_world.h"

#include <dirent.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "sync_disk.h"

#define START UINT64_C(1700000000000000000)

static struct archive_world world;
static struct sync_disk disk;

static int setup(void **state)
{
	(void)state;
	world_init(&world);
	sync_disk_install(&disk, &world.env);
	world_start(&world);
	disk.blocking = 0;
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	disk.slow = false;
	disk.failures_left = 0;
	sync_disk_answer(&disk);
	world_fini(&world);
	return 0;
}

static void add(unsigned trace, unsigned id)
{
	world_add(&world,
		  &(struct span_recipe){.trace = trace, .id = id, .start_ns = START + id});
}

static void turns(unsigned n)
{
	while (n-- > 0)
		world_turn(&world);
}

static void a_spool_whose_sync_failed_is_written_into_a_fresh_file(void **state)
{
	(void)state;
	for (int failures = 1; failures <= 4; failures++) {
		disk.failures_left = failures;
		for (unsigned i = 1; i <= 20; i++) {
			add(1, 100 * (unsigned)failures + i);
			turns(1);
		}
		turns(100);
		assert_int_equal(disk.failures_left, 0);
		assert_int_equal(archive_mark(world.archive), world.span_count);
	}
	assert_int_equal(disk.asked_again, 0);
	assert_false(condition_is_raised(&world.conditions, CONDITION_ARCHIVE_FAILING));
	assert_int_equal(world.conditions.of[CONDITION_ARCHIVE_FAILING].times, 4);
	world_seal(&world, 1, world.span_count, true);
	assert_true(world_work(&world, 100));
	for (unsigned failures = 1; failures <= 4; failures++)
		for (unsigned i = 1; i <= 20; i++)
			assert_int_equal(world_count(&world, 100 * failures + i), 1);
}

static ino_t inode_of_spool(void)
{
	char **names, path[1024];
	struct stat st;

	assert_int_equal(world_list(&world, ".partial", &names), 1);
	(void)snprintf(path, sizeof path, "%s/%s", world.dir, names[0]);
	assert_int_equal(stat(path, &st), 0);
	world_free_names(names, 1);
	return st.st_ino;
}

/* What was synced before the failure is in the old file, and nowhere else. */
static void a_fresh_spool_takes_the_place_only_when_it_is_synced(void **state)
{
	ino_t first;

	(void)state;
	add(1, 1);
	turns(20);
	assert_int_equal(archive_mark(world.archive), 1);
	first = inode_of_spool();
	add(1, 2);
	disk.failures_left = 1;
	turns(1);
	while (disk.failures_left > 0)
		turns(1);
	disk.slow = true;
	turns(20);
	assert_int_equal(disk.held_count, 1);
	assert_int_equal(inode_of_spool(), first);
	/* And what came meanwhile is not forgotten. */
	add(1, 3);
	turns(10);
	disk.slow = false;
	sync_disk_answer(&disk);
	turns(20);
	assert_int_not_equal(inode_of_spool(), first);
	assert_int_equal(archive_mark(world.archive), 3);
	world_crash(&world);
	world_start(&world);
	assert_int_equal(archive_counters(world.archive)->recovered, 3);
}

/* The life before may have died before its sync, or after one that failed: then the
 * spans come again, are there already, and are no safer for it. */
static void what_a_start_finds_is_synced_before_the_log_may_forget_it(void **state)
{
	(void)state;
	disk.slow = true;
	for (unsigned i = 1; i <= 5; i++)
		add(1, i);
	turns(20);
	assert_int_equal(archive_mark(world.archive), 0);
	world_crash(&world);
	disk.held_count = 0;
	sync_disk_install(&disk, &world.env);
	world_start(&world);
	disk.slow = true;
	turns(30);
	assert_int_equal(archive_counters(world.archive)->repeated, 5);
	assert_int_equal(archive_mark(world.archive), 0);
	assert_true(disk.held_count > 0);
	disk.slow = false;
	sync_disk_answer(&disk);
	turns(30);
	assert_int_equal(archive_mark(world.archive), 5);
}

static void a_file_whose_sync_failed_is_copied_again_before_it_takes_its_name(void **state)
{
	(void)state;
	for (unsigned i = 1; i <= 20; i++)
		add(1, i);
	world_seal(&world, 1, 20, true);
	disk.failures_left = -1;
	assert_false(world_work(&world, 50));
	assert_int_equal(world.sealed_count, 0);
	assert_true(condition_is_raised(&world.conditions, CONDITION_ARCHIVE_FAILING));
	disk.failures_left = 0;
	assert_true(world_work(&world, 100));
	assert_int_equal(world.sealed_count, 1);
	assert_int_equal(disk.asked_again, 0);
	for (unsigned i = 1; i <= 20; i++)
		assert_int_equal(world_count(&world, i), 1);
}

static void a_disk_that_syncs_slowly_keeps_nobody_waiting(void **state)
{
	(void)state;
	disk.slow = true;
	for (unsigned i = 1; i <= 50; i++) {
		add(1 + i % 5, i);
		turns(1);
	}
	for (unsigned trace = 1; trace <= 5; trace++)
		world_seal(&world, trace, 50, true);
	turns(50);
	/* Taken, and not promised. */
	assert_int_equal(archive_counters(world.archive)->spans, 50);
	assert_int_equal(archive_mark(world.archive), 0);
	assert_int_equal(disk.blocking, 0);
	disk.slow = false;
	sync_disk_answer(&disk);
	assert_true(world_work(&world, 100));
	assert_int_equal(disk.blocking, 0);
	assert_int_equal(archive_mark(world.archive), 50);
	for (unsigned i = 1; i <= 50; i++)
		assert_int_equal(world_count(&world, i), 1);
}

/* Whatever other runs have marked meanwhile. */
static void what_came_while_a_spool_was_synced_is_not_marked_by_that(void **state)
{
	(void)state;
	disk.slow = true;
	add(1, 1);
	turns(8);
	assert_true(disk.held_count > 0);
	add(1, 2);
	add(2, 3);
	turns(1);
	disk.slow = false;
	sync_disk_answer(&disk);
	(void)world.env.env.ops->wait(&world.env.env, 0);
	disk.failures_left = -1;
	turns(100);
	assert_int_equal(archive_mark(world.archive), 1);
	disk.failures_left = 0;
	turns(100);
	assert_int_equal(archive_mark(world.archive), 3);
}

static bool directory_is_asked_for(void)
{
	struct stat st;

	for (unsigned i = 0; i < disk.held_count; i++) {
		assert_int_equal(fstat(disk.held[i].fd, &st), 0);
		if (S_ISDIR(st.st_mode))
			return true;
	}
	return false;
}

/* Whoever made it may have died before its name was on the disk. */
static void a_spool_that_is_taken_up_is_synced_with_its_name(void **state)
{
	bool asked = false;

	(void)state;
	disk.slow = true;
	for (unsigned i = 1; i <= 3; i++)
		add(1, i);
	turns(8);
	world_crash(&world);
	sync_disk_install(&disk, &world.env);
	disk.slow = true;
	world_start(&world);
	for (int i = 0; i < 100 && archive_mark(world.archive) < 3; i++) {
		turns(1);
		asked = asked || directory_is_asked_for();
		if (archive_mark(world.archive) > 0)
			assert_true(asked);
		sync_disk_answer(&disk);
	}
	assert_int_equal(archive_mark(world.archive), 3);
}

/* Nothing is due while only the disk is waited for: the agent would spin. */
static void waiting_for_the_disk_is_not_work(void **state)
{
	uint64_t now_ns;
	unsigned work = 0;

	(void)state;
	disk.slow = true;
	for (unsigned i = 1; i <= 10; i++)
		add(1, i);
	world_seal(&world, 1, 10, true);
	turns(20);
	now_ns = world.env.mono_ns;
	for (int i = 0; i < 100; i++)
		work += (unsigned)archive_tick(world.archive, now_ns);
	assert_true(work <= 2);
	assert_true(archive_next_due(world.archive, now_ns) > now_ns);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(a_spool_whose_sync_failed_is_written_into_a_fresh_file),
		TEST(a_fresh_spool_takes_the_place_only_when_it_is_synced),
		TEST(what_a_start_finds_is_synced_before_the_log_may_forget_it),
		TEST(a_file_whose_sync_failed_is_copied_again_before_it_takes_its_name),
		TEST(a_disk_that_syncs_slowly_keeps_nobody_waiting),
		TEST(what_came_while_a_spool_was_synced_is_not_marked_by_that),
		TEST(a_spool_that_is_taken_up_is_synced_with_its_name),
		TEST(waiting_for_the_disk_is_not_work),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
