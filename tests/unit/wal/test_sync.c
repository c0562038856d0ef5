/* D5 and the parts of D8 that the log sees: syncs that fail, for a while or for
 * ever, that take long, and files that somebody removes. What the log promised is
 * held against what the next recovery finds. */
#include "wal/wal.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "sim_disk.h"
#include "sync_disk.h"
#include "wal_fixture.h"

#define TURN_NS UINT64_C(100000000)

static struct wal_fixture f;
static struct sync_disk disk;
static struct conditions conditions;

static int setup(void **state)
{
	(void)state;
	wal_fixture_init(&f, 16 << 10);
	file_env_init(&f.world, 1);
	sync_disk_install(&disk, &f.world);
	disk.directories = true;
	conditions_init(&conditions, &f.world.env, NULL, NULL);
	f.options.conditions = &conditions;
	assert_int_equal(wal_fixture_try_open(&f), 0);
	disk.blocking = 0;
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	wal_fixture_fini(&f);
	return 0;
}

static void add(uint64_t from, uint64_t to)
{
	for (uint64_t i = from; i <= to; i++)
		assert_int_equal(wal_add_span_pattern(f.wal, 300, i, i % 3, NULL), 0);
}

static void turn(void)
{
	(void)wal_commit(f.wal);
	(void)wal_tick(f.wal, f.world.mono_ns);
	(void)f.world.env.ops->wait(&f.world.env, 0);
	file_env_advance(&f.world, TURN_NS);
}

static void turns(int n)
{
	while (n-- > 0)
		turn();
}

/* The next life, on a healthy disk, finds spans 1 to n, each once. */
static void check_found(uint64_t n)
{
	disk.slow = false;
	disk.failures_left = 0;
	assert_int_equal(wal_fixture_try_open(&f), 0);
	assert_int_equal(f.found.count, n);
	for (uint64_t i = 0; i < n; i++) {
		assert_int_equal(f.found.entries[i].number, i + 1);
		wal_pattern_check(f.found.entries[i].payload + sizeof(struct wal_span), 300,
				  i + 1);
	}
	assert_int_equal(wal_counters(f.wal)->damaged_frames, 0);
	assert_int_equal(wal_counters(f.wal)->corrupt_segments, 0);
}

static void a_descriptor_whose_sync_failed_is_never_asked_again(void **state)
{
	uint64_t n = 0;

	(void)state;
	for (int failures = 1; failures <= 8; failures++) {
		disk.failures_left = failures;
		for (int i = 0; i < 40; i++) {
			add(n + 1, n + 10);
			n += 10;
			turn();
		}
		turns(500);
		assert_int_equal(disk.failures_left, 0);
		assert_int_equal(wal_synced_sequence(f.wal), wal_logged_sequence(f.wal));
		assert_false(condition_is_raised(&conditions, CONDITION_LOG_SYNC_FAILING));
		assert_false(condition_is_raised(&conditions, CONDITION_LOG_WRITE_FAILING));
	}
	assert_int_equal(disk.asked_again, 0);
	assert_int_equal(disk.blocking, 0);
	assert_int_equal(wal_counters(f.wal)->sync_failures, 1 + 2 + 3 + 4 + 5 + 6 + 7 + 8);
	check_found(n);
}

static void one_failure_is_repaired_by_a_fresh_file_at_once(void **state)
{
	uint64_t written;

	(void)state;
	add(1, 20);
	turns(10);
	disk.failures_left = 1;
	add(21, 30);
	turns(1);
	written = wal_logged_sequence(f.wal);
	turns(9);
	assert_int_equal(wal_counters(f.wal)->sync_failures, 1);
	assert_true(wal_synced_sequence(f.wal) >= written);
	assert_int_equal(conditions.of[CONDITION_LOG_SYNC_FAILING].times, 1);
	assert_int_equal(conditions.of[CONDITION_LOG_WRITE_FAILING].times, 0);
	check_found(30);
}

/* What was pending when the sync failed still goes into the file that failed, and
 * must be in the one that takes its name. */
static void a_fresh_file_has_what_was_written_while_it_was_synced(void **state)
{
	(void)state;
	add(1, 10);
	turns(10);
	disk.slow = true;
	add(11, 20);
	assert_int_equal(wal_commit(f.wal), 0);
	file_env_advance(&f.world, UINT64_C(1000000000));
	(void)wal_tick(f.wal, f.world.mono_ns);
	assert_int_equal(disk.held_count, 1);
	add(21, 30); /* pending */
	disk.failures_left = 1;
	sync_disk_answer(&disk);
	(void)f.world.env.ops->wait(&f.world.env, 0);
	(void)wal_tick(f.wal, f.world.mono_ns);
	assert_int_equal(wal_counters(f.wal)->sync_failures, 1);
	assert_int_equal(disk.held_count, 1); /* of the fresh file */
	assert_int_equal(wal_commit(f.wal), 0);
	disk.slow = false;
	sync_disk_answer(&disk);
	turns(20);
	assert_int_equal(wal_synced_sequence(f.wal), wal_logged_sequence(f.wal));
	assert_int_equal(disk.asked_again, 0);
	check_found(30);
}

static void the_second_failure_in_a_row_keeps_frames_in_memory_and_readers_fed(void **state)
{
	struct wal_reader *reader;
	struct finished_span span;
	uint64_t logged, synced;

	(void)state;
	assert_int_equal(wal_reader_new(&reader, f.wal, 0), 0);
	add(1, 100);
	turns(10);
	disk.failures_left = -1;
	add(101, 200);
	turns(10);
	assert_true(condition_is_raised(&conditions, CONDITION_LOG_SYNC_FAILING));
	assert_true(condition_is_raised(&conditions, CONDITION_LOG_WRITE_FAILING));
	logged = wal_logged_sequence(f.wal);
	synced = wal_synced_sequence(f.wal);
	add(201, 300);
	turns(100);
	assert_int_equal(wal_commit(f.wal), -EIO);
	assert_int_equal(wal_logged_sequence(f.wal), logged);
	assert_int_equal(wal_synced_sequence(f.wal), synced);
	for (uint64_t i = 1; i <= 300; i++) {
		assert_int_equal(wal_reader_next(reader, &span), 1);
		assert_int_equal(span.number, i);
		wal_pattern_check(span.span.at, 300, i);
	}
	assert_int_equal(wal_reader_next(reader, &span), 0);
	/* For 10 s at most every 5 s: it is tried, but not in a loop. */
	disk.asked = 0;
	turns(600);
	assert_in_range(disk.asked, 5, 40);
	disk.failures_left = 0;
	turns(100);
	assert_int_equal(wal_commit(f.wal), 0);
	assert_true(wal_logged_sequence(f.wal) > logged);
	turns(10);
	assert_int_equal(wal_synced_sequence(f.wal), wal_logged_sequence(f.wal));
	assert_false(condition_is_raised(&conditions, CONDITION_LOG_SYNC_FAILING));
	assert_false(condition_is_raised(&conditions, CONDITION_LOG_WRITE_FAILING));
	assert_int_equal(disk.asked_again, 0);
	wal_reader_free(reader);
	check_found(300);
}

static void with_sync_each_a_sync_begins_as_soon_as_something_is_written(void **state)
{
	(void)state;
	wal_fixture_close(&f);
	f.options.sync_each = true;
	assert_int_equal(wal_fixture_try_open(&f), 0);
	disk.blocking = 0;
	for (uint64_t n = 0; n < 100; n++) {
		add(n + 1, n + 1);
		assert_int_equal(wal_commit(f.wal), 0);
		/* The clock stands still. */
		for (int i = 0; i < 8; i++) {
			(void)wal_tick(f.wal, f.world.mono_ns);
			(void)f.world.env.ops->wait(&f.world.env, 0);
		}
		assert_int_equal(wal_synced_sequence(f.wal), wal_logged_sequence(f.wal));
	}
	disk.slow = true;
	add(101, 200);
	turns(10);
	assert_true(wal_synced_sequence(f.wal) < wal_logged_sequence(f.wal));
	assert_int_equal(disk.blocking, 0);
	disk.slow = false;
	sync_disk_answer(&disk);
	turns(100);
	check_found(200);
}

static void it_says_since_when_it_is_not_synced(void **state)
{
	uint64_t written_ns, synced_ns;

	(void)state;
	turns(10);
	assert_int_equal(wal_unsynced_since_ns(f.wal), 0);
	disk.failures_left = -1;
	written_ns = f.world.mono_ns;
	add(1, 10);
	turns(3);
	add(11, 20);
	turns(20);
	assert_int_equal(wal_unsynced_since_ns(f.wal), written_ns);
	synced_ns = wal_synced_ns(f.wal);
	assert_true(synced_ns <= written_ns);
	disk.failures_left = 0;
	turns(200);
	assert_int_equal(wal_unsynced_since_ns(f.wal), 0);
	assert_true(wal_synced_ns(f.wal) > written_ns);
	check_found(20);
}

static void a_log_that_syncs_each_write_survives_their_failures_too(void **state)
{
	uint64_t n = 0;

	(void)state;
	wal_fixture_close(&f);
	f.options.sync_each = true;
	assert_int_equal(wal_fixture_try_open(&f), 0);
	for (int failures = 1; failures <= 5; failures++) {
		disk.failures_left = failures;
		for (int i = 0; i < 200; i++) {
			if (i < 10)
				add(n + 1, n + 3), n += 3;
			turn();
			assert_true(wal_synced_sequence(f.wal) <= wal_logged_sequence(f.wal));
		}
		assert_int_equal(wal_commit(f.wal), 0);
		assert_int_equal(wal_synced_sequence(f.wal), wal_logged_sequence(f.wal));
	}
	assert_int_equal(disk.asked_again, 0);
	check_found(n);
}

static void a_sync_that_takes_long_keeps_nobody_waiting(void **state)
{
	(void)state;
	disk.slow = true;
	for (uint64_t n = 0; n < 500; n += 10) {
		add(n + 1, n + 10);
		assert_int_equal(wal_commit(f.wal), 0);
		turn();
	}
	assert_int_equal(disk.blocking, 0);
	assert_true(wal_synced_sequence(f.wal) < wal_logged_sequence(f.wal));
	disk.slow = false;
	sync_disk_answer(&disk);
	turns(100);
	assert_int_equal(wal_synced_sequence(f.wal), wal_logged_sequence(f.wal));
	check_found(500);
}

static bool asks_for_the_directory(void)
{
	struct stat st;

	assert_int_equal(disk.held_count, 1);
	assert_int_equal(fstat(disk.held[0].fd, &st), 0);
	return S_ISDIR(st.st_mode);
}

/* Of a file whose name is not on the disk a power loss leaves nothing. */
static void nothing_of_a_new_segment_is_synced_before_its_name_is(void **state)
{
	uint64_t synced, n = 0;

	(void)state;
	disk.slow = true;
	for (int segments = 1; segments <= 3; segments++) {
		uint64_t made = wal_counters(f.wal)->segments;

		synced = wal_synced_sequence(f.wal);
		while (wal_counters(f.wal)->segments == made) {
			add(n + 1, n + 1);
			n++;
			assert_int_equal(wal_commit(f.wal), 0);
		}
		file_env_advance(&f.world, UINT64_C(1000000000));
		turn();
		assert_true(asks_for_the_directory());
		sync_disk_answer(&disk);
		turns(2);
		assert_false(asks_for_the_directory());
		assert_int_equal(wal_synced_sequence(f.wal), synced);
		while (wal_synced_sequence(f.wal) != wal_logged_sequence(f.wal)) {
			sync_disk_answer(&disk);
			turn();
		}
	}
	disk.slow = false;
	check_found(n);
}

static void a_sync_covers_what_was_written_when_it_began(void **state)
{
	uint64_t before;

	(void)state;
	add(1, 1);
	turns(10);
	assert_int_equal(wal_synced_sequence(f.wal), wal_logged_sequence(f.wal));
	disk.slow = true;
	add(2, 2);
	assert_int_equal(wal_commit(f.wal), 0);
	before = wal_logged_sequence(f.wal);
	file_env_advance(&f.world, UINT64_C(1000000000));
	(void)wal_tick(f.wal, f.world.mono_ns);
	assert_int_equal(disk.held_count, 1);
	add(3, 3);
	assert_int_equal(wal_commit(f.wal), 0);
	sync_disk_answer(&disk);
	(void)f.world.env.ops->wait(&f.world.env, 0);
	(void)wal_tick(f.wal, f.world.mono_ns);
	assert_int_equal(wal_synced_sequence(f.wal), before);
	assert_true(wal_logged_sequence(f.wal) > before);
	assert_true(wal_unsynced_since_ns(f.wal) > 0);
	disk.slow = false;
	turns(10);
	assert_int_equal(wal_synced_sequence(f.wal), wal_logged_sequence(f.wal));
	check_found(3);
}

static uint64_t bytes_of_files(void)
{
	uint64_t bytes = 0, number;
	struct stat st;
	char *path;

	for (number = 1; number < 2000; number++) {
		path = wal_segment_path(&f, number);
		if (stat(path, &st) == 0)
			bytes += (uint64_t)st.st_size;
		free(path);
	}
	return bytes;
}

/* Fills and releases as the pipeline does, while no sync is answered. */
static void what_is_on_the_disk_is_bounded_however_slow_its_syncs_are(void **state)
{
	const uint64_t max = 512 << 10;
	struct wal_oldest oldest;
	unsigned refused = 0;

	(void)state;
	wal_fixture_close(&f);
	f.options.max_bytes = max;
	assert_int_equal(wal_fixture_try_open(&f), 0);
	disk.slow = true;
	for (int i = 0; i < 10000; i++) {
		refused += wal_add_pattern(f.wal, WAL_RECORD, 1000, 1, NULL, NULL) == -ENOBUFS;
		assert_int_equal(wal_commit(f.wal), 0);
		(void)wal_tick(f.wal, f.world.mono_ns);
		file_env_advance(&f.world, UINT64_C(1000000));
		oldest = wal_oldest(f.wal);
		if (wal_bytes(f.wal) > max / 2 && !oldest.active)
			wal_release(f.wal, oldest.segment);
		assert_true(wal_bytes_on_disk(f.wal) <= max + max / 2 + 2 * (16 << 10));
	}
	assert_true(refused > 0);
	assert_int_equal(bytes_of_files(), wal_bytes_on_disk(f.wal));
	assert_true(wal_bytes_released(f.wal) > 0);
	disk.slow = false;
	sync_disk_answer(&disk);
	turns(200);
	assert_int_equal(wal_bytes_released(f.wal), 0);
	assert_int_equal(bytes_of_files(), wal_bytes_on_disk(f.wal));
	assert_int_equal(wal_add_pattern(f.wal, WAL_RECORD, 1000, 1, NULL, NULL), 0);
}

static void a_segment_that_somebody_removed_is_written_again(void **state)
{
	char *path = wal_segment_path(&f, 1);

	(void)state;
	add(1, 10);
	turns(10);
	assert_int_equal(unlink(path), 0);
	add(11, 20);
	turns(20);
	assert_int_equal(wal_counters(f.wal)->segments_removed, 1);
	assert_int_equal(wal_synced_sequence(f.wal), wal_logged_sequence(f.wal));
	assert_int_equal(access(path, F_OK), 0);
	free(path);
	check_found(20);
}

static void a_directory_that_somebody_removed_is_made_again(void **state)
{
	struct wal *other;

	(void)state;
	add(1, 10);
	turns(10);
	test_directory_remove(f.dir);
	add(11, 20);
	turns(20);
	assert_int_equal(wal_synced_sequence(f.wal), wal_logged_sequence(f.wal));
	/* And it is locked as the first one was. */
	assert_int_equal(wal_new(&other, &f.world.env, &f.options), -EBUSY);
	/* New segments too. */
	add(21, 200);
	turns(20);
	check_found(200);
}

/* Whoever made a segment may have died before it had synced the directory. */
static void the_names_of_what_is_found_are_synced(void **state)
{
	(void)state;
	disk.slow = true;
	add(1, 10);
	assert_int_equal(wal_commit(f.wal), 0);
	disk.slow = false;
	disk.names_synced = 0;
	assert_int_equal(wal_fixture_try_open(&f), 0);
	assert_int_equal(disk.names_synced, 1);
	/* The segment's sync fails, and the directory's. */
	disk.failures_left = 2;
	disk.names_synced = 0;
	assert_int_equal(wal_fixture_try_open(&f), 0);
	assert_int_equal(disk.names_synced, 0);
	turns(20);
	assert_int_equal(disk.names_synced, 1);
}

/* ---- failed, then dead, then without power ---------------------------------------- */

static bool syncs_of_files_fail(void *arg, enum file_env_op op, int fd,
				struct file_env_fault *ret_fault)
{
	struct stat st;

	(void)arg;
	*ret_fault = (struct file_env_fault){.kind = FILE_ENV_FAIL, .error = -EIO};
	return op == FILE_ENV_SYNC_DONE && fstat(fd, &st) == 0 && S_ISREG(st.st_mode);
}

static void cut_the_power(struct sim_disk *sectors, uint64_t seed)
{
	struct sim_cut *cut = sim_cut_new(sectors);
	uint64_t ignored;

	(void)sim_cut_advance(cut, sim_disk_changes(sectors), &ignored);
	test_directory_empty(f.dir, NULL);
	sim_cut_make(cut, seed, f.dir);
	sim_cut_free(cut);
}

/* After a failed sync the kernel calls the pages clean, and the sync of the next
 * start succeeds without having written them. */
static void what_a_failed_sync_left_in_memory_is_on_the_disk_after_the_next_start(void **state)
{
	(void)state;
	for (uint64_t seed = 0; seed < 20; seed++) {
		struct sim_disk *sectors;

		wal_fixture_init(&f, 16 << 10);
		file_env_init(&f.world, 1);
		sectors = sim_disk_new(f.dir, &f.world.passed_ns);
		sim_disk_begin(sectors);
		f.world.disk = sectors;
		assert_int_equal(wal_fixture_try_open(&f), 0);
		f.world.hooks.fault = syncs_of_files_fail;
		add(1, 60);
		turns(4);
		f.world.hooks.fault = NULL;
		assert_int_equal(wal_fixture_try_open(&f), 0);
		assert_int_equal(f.found.count, 60);
		wal_fixture_close(&f);
		cut_the_power(sectors, seed);
		f.world.disk = NULL;
		check_found(60);
		wal_fixture_fini(&f);
		sim_disk_free(sectors);
	}
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(a_descriptor_whose_sync_failed_is_never_asked_again),
		TEST(one_failure_is_repaired_by_a_fresh_file_at_once),
		TEST(a_fresh_file_has_what_was_written_while_it_was_synced),
		TEST(the_second_failure_in_a_row_keeps_frames_in_memory_and_readers_fed),
		TEST(with_sync_each_a_sync_begins_as_soon_as_something_is_written),
		TEST(a_log_that_syncs_each_write_survives_their_failures_too),
		TEST(it_says_since_when_it_is_not_synced),
		TEST(a_sync_that_takes_long_keeps_nobody_waiting),
		TEST(nothing_of_a_new_segment_is_synced_before_its_name_is),
		TEST(a_sync_covers_what_was_written_when_it_began),
		TEST(what_is_on_the_disk_is_bounded_however_slow_its_syncs_are),
		TEST(the_names_of_what_is_found_are_synced),
		TEST(a_segment_that_somebody_removed_is_written_again),
		TEST(a_directory_that_somebody_removed_is_made_again),
		cmocka_unit_test(
			what_a_failed_sync_left_in_memory_is_on_the_disk_after_the_next_start),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
