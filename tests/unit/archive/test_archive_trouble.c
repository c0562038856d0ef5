/* What fails is tried again, and not without pause. A spool that cannot be read keeps no
 * run but its own. */
#include "archive_world.h"

#include "archive/spool.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

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

/* ---- a spool that cannot be read ------------------------------------------------ */

#define READS_FAIL_LONG 40 /* turns, more than any reader has patience */

#define PAGE_BYTES 4096
#define WHOLE (-1)

static ino_t unreadable;      /* its reads fail; 0: none */
static int read_error;	      /* with this */
static off_t bad_page;	      /* those that touch this one; or WHOLE */
static unsigned reads_failed; /* so many did */

static bool touches_bad_page(void)
{
	off_t start = world.env.read_offset, end = start + (off_t)world.env.read_len;

	return bad_page == WHOLE ||
	       (start < (bad_page + 1) * PAGE_BYTES && end > bad_page * PAGE_BYTES);
}

static bool fails_reading(void *arg, enum file_env_op op, int fd,
			  struct file_env_fault *ret_fault)
{
	struct stat st;

	(void)arg;
	if (op != FILE_ENV_PREAD || unreadable == 0 || fstat(fd, &st) < 0 ||
	    st.st_ino != unreadable || !touches_bad_page())
		return false;
	reads_failed++;
	*ret_fault = (struct file_env_fault){.kind = FILE_ENV_FAIL, .error = read_error};
	return true;
}

static void hook(void)
{
	world.env.hooks = (struct file_env_hooks){.fault = fails_reading};
}

/* The only file whose name ends so. */
static void file_is_unreadable(const char *ending)
{
	char **names, path[1024];
	struct stat st;

	assert_int_equal(world_list(&world, ending, &names), 1);
	(void)snprintf(path, sizeof path, "%s/%s", world.dir, names[0]);
	assert_int_equal(stat(path, &st), 0);
	world_free_names(names, 1);
	unreadable = st.st_ino;
	bad_page = WHOLE;
	read_error = -EIO;
	reads_failed = 0;
	hook();
}

static int begin(void **state)
{
	setup(state);
	unreadable = 0;
	for (unsigned i = 1; i <= 10; i++)
		add(1, i);
	for (int i = 0; i < 30; i++)
		world_turn(&world);
	assert_int_equal(archive_mark(world.archive), 10);
	file_is_unreadable(".partial");
	return 0;
}

static int end(void **state)
{
	world.env.hooks = (struct file_env_hooks){0};
	return teardown(state);
}

static void finish(void)
{
	if (!world_work(&world, 200))
		fail_msg("not done: %.*s", (int)world.said.len, (char *)world.said.at);
}

/* Others come and are sealed in the usual time. */
static void others_go_on(unsigned count)
{
	for (unsigned trace = 2; trace < 2 + count; trace++) {
		unsigned sealed = world.sealed_count;

		add(trace, 100 * trace);
		world_seal(&world, (uint8_t)trace, world.span_count, true);
		for (int i = 0; i < 8 && world.sealed_count == sealed; i++)
			world_turn(&world);
		assert_int_equal(world.sealed_count, sealed + 1);
		assert_int_equal(world_count(&world, 100 * trace), 1);
	}
}

static void a_run_whose_spool_cannot_be_read_waits_alone(void **state)
{
	(void)state;
	world_seal(&world, 1, 10, true);
	world_turn(&world);
	world_turn(&world);
	assert_true(reads_failed > 0);
	others_go_on(1);
	assert_int_equal(world_count(&world, 1), 0);
	unreadable = 0;
	finish();
	for (unsigned i = 1; i <= 10; i++)
		assert_int_equal(world_count(&world, i), 1);
	assert_int_equal(archive_counters(world.archive)->damaged_lines, 0);
}

static void read_until_failed(unsigned times)
{
	unsigned before = reads_failed;

	for (int i = 0; i < 200 && reads_failed < before + times; i++)
		world_turn(&world);
	assert_true(reads_failed >= before + times);
}

/* The log has none of its spans any more: who concludes too early loses them. */
static void a_moment_without_memory_says_nothing_of_a_spool(void **state)
{
	(void)state;
	world.cleaned = 10;
	read_error = -ENOMEM;
	world_seal(&world, 1, 10, true);
	read_until_failed(3 * SPOOL_READ_TRIES);
	read_error = -EIO;
	read_until_failed(1);
	unreadable = 0;
	finish();
	for (unsigned i = 1; i <= 10; i++)
		assert_int_equal(world_count(&world, i), 1);
	assert_int_equal(archive_counters(world.archive)->dropped_lost, 0);
}

static void what_stays_unreadable_comes_from_the_log_again(void **state)
{
	(void)state;
	world_seal(&world, 1, 10, true);
	others_go_on(4);
	finish();
	for (unsigned i = 1; i <= 10; i++)
		assert_int_equal(world_count(&world, i), 1);
	assert_int_equal(archive_counters(world.archive)->restored, 10);
	assert_int_equal(archive_counters(world.archive)->dropped_lost, 0);
}

static void what_stays_unreadable_and_left_the_log_is_counted(void **state)
{
	(void)state;
	world.cleaned = 10;
	world_seal(&world, 1, 10, true);
	add(1, 11);
	others_go_on(4);
	finish();
	assert_int_equal(world_count(&world, 1), 0);
	assert_int_equal(world_count(&world, 11), 1);
	assert_int_equal(archive_counters(world.archive)->dropped_lost, 10);
}

/* Three seconds: who knows why it could not be read. */
static void a_start_waits_a_moment_for_a_spool_and_goes_on_without(void **state)
{
	(void)state;
	world_crash(&world);
	hook();
	world_start(&world);
	add(2, 20);
	world_seal(&world, 2, 11, true);
	for (int i = 0; i < READS_FAIL_LONG && world.sealed_count == 0; i++)
		world_turn(&world);
	assert_int_equal(world.sealed_count, 1);
	assert_int_equal(world_count(&world, 20), 1);
	world_seal(&world, 1, 10, true);
	finish();
	for (unsigned i = 1; i <= 10; i++)
		assert_int_equal(world_count(&world, i), 1);
}

static void a_start_finds_everything_when_the_disk_is_well_in_time(void **state)
{
	(void)state;
	world_crash(&world);
	world.cleaned = 10;
	hook();
	world_start(&world);
	world_turn(&world);
	assert_true(reads_failed > 0);
	unreadable = 0;
	world_seal(&world, 1, 10, true);
	finish();
	for (unsigned i = 1; i <= 10; i++)
		assert_int_equal(world_count(&world, i), 1);
}

/* Everything comes again. */
static void forget_the_mark(void)
{
	while (world.logged_count > 0)
		buf_fini(&world.logged[--world.logged_count].payload);
}

/* More spans, over many pages, of which one is bad. */
static void begin_large(void)
{
	unreadable = 0;
	for (unsigned i = 11; i <= 100; i++)
		add(1, i);
	for (int i = 0; i < 30; i++)
		world_turn(&world);
	assert_int_equal(archive_mark(world.archive), 100);
	file_is_unreadable(".partial");
	bad_page = 4;
}

static void finish_large(void)
{
	const struct archive_counters *counters;

	world_seal(&world, 1, 100, true);
	finish();
	counters = archive_counters(world.archive);
	assert_true(reads_failed > 0);
	assert_in_range(counters->restored, 5, 40);
	assert_int_equal(counters->dropped_lost, 0);
	for (unsigned i = 1; i <= 100; i++)
		assert_int_equal(world_count(&world, i), 1);
}

static void one_bad_page_costs_what_lies_in_it(void **state)
{
	(void)state;
	begin_large();
	finish_large();
	/* For whoever wants to look at it. */
	assert_int_equal(archive_counters(world.archive)->kept_aside, 1);
}

static void a_start_passes_over_a_bad_page(void **state)
{
	(void)state;
	begin_large();
	world_crash(&world);
	hook();
	world_start(&world);
	for (int i = 0; i < READS_FAIL_LONG; i++)
		world_turn(&world);
	finish_large();
}

static void a_start_does_not_cut_off_a_bad_end(void **state)
{
	struct stat before, after;
	char **names, path[1024];

	(void)state;
	begin_large();
	assert_int_equal(world_list(&world, ".partial", &names), 1);
	(void)snprintf(path, sizeof path, "%s/%s", world.dir, names[0]);
	world_free_names(names, 1);
	assert_int_equal(stat(path, &before), 0);
	bad_page = before.st_size / PAGE_BYTES;
	world_crash(&world);
	hook();
	world_start(&world);
	for (int i = 0; i < READS_FAIL_LONG; i++)
		world_turn(&world);
	assert_int_equal(stat(path, &after), 0);
	assert_true(after.st_size >= before.st_size);
	bad_page = 1000000;
	world_seal(&world, 1, 100, true);
	finish();
	for (unsigned i = 1; i <= 100; i++)
		assert_int_equal(world_count(&world, i), 1);
}

/* Pushed again, a span is compared with what is there. */
static void a_span_that_cannot_be_compared_is_taken(void **state)
{
	(void)state;
	world_crash(&world);
	forget_the_mark();
	world_start(&world);
	unreadable = 0;
	world_turn(&world);
	assert_int_equal(archive_counters(world.archive)->repeated, 10);
	world_crash(&world);
	forget_the_mark();
	world_start(&world);
	file_is_unreadable(".partial");
	for (int i = 0; i < READS_FAIL_LONG; i++)
		world_turn(&world);
	assert_int_equal(world.pushed, 10);
	world_seal(&world, 1, 10, true);
	finish();
	for (unsigned i = 1; i <= 10; i++)
		assert_int_equal(world_count(&world, i), 1);
}

static void lose_index(void)
{
	test_directory_empty(world.state_dir, NULL);
}

/* Otherwise a late span would begin a second file, with what the log still has. */
static void a_start_knows_whose_a_file_is_when_the_disk_is_well_in_time(void **state)
{
	static const char *const endings[] = {".otlp.json", ".partial"};

	(void)state;
	for (int spool = 0; spool <= 1; spool++) {
		char **names;

		unreadable = 0;
		world_seal(&world, 1, 10, true);
		if (!spool)
			finish();
		world_crash(&world);
		lose_index();
		forget_the_mark();
		world_start(&world);
		world_crash(&world);
		lose_index();
		file_is_unreadable(endings[spool]);
		world_start(&world);
		world_turn(&world);
		world_turn(&world);
		assert_true(reads_failed > 0);
		unreadable = 0;
		finish();
		assert_int_equal(world_list(&world, "", &names), 1);
		world_free_names(names, 1);
		for (unsigned i = 1; i <= 10; i++)
			assert_int_equal(world_count(&world, i), 1);
		end(state);
		begin(state);
	}
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
#define READS(name) cmocka_unit_test_setup_teardown(name, begin, end)
	const struct CMUnitTest tests[] = {
		TEST(whatever_fails_for_ever_is_not_tried_without_pause),
		READS(a_run_whose_spool_cannot_be_read_waits_alone),
		READS(a_moment_without_memory_says_nothing_of_a_spool),
		READS(what_stays_unreadable_comes_from_the_log_again),
		READS(what_stays_unreadable_and_left_the_log_is_counted),
		READS(a_start_waits_a_moment_for_a_spool_and_goes_on_without),
		READS(a_start_finds_everything_when_the_disk_is_well_in_time),
		READS(one_bad_page_costs_what_lies_in_it),
		READS(a_start_passes_over_a_bad_page),
		READS(a_start_does_not_cut_off_a_bad_end),
		READS(a_start_knows_whose_a_file_is_when_the_disk_is_well_in_time),
		READS(a_span_that_cannot_be_compared_is_taken),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
