/* Rings and files that break the rules. Beside each one stands an honest ring,
 * which must not notice. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "drain_house.h"

#define RING_BYTES (1u << 20)
#define HONEST 0xee

struct street {
	struct house house;
	struct ring_writer honest, bad;
	struct ring_pen honest_pen, pen;
	uint32_t honest_records;
	bool bad_made;
};

static int setup(void **state)
{
	struct street *street = calloc(1, sizeof *street);

	house_build(&street->house);
	house_start(&street->house);
	ring_writer_make(&street->honest, street->house.dir, HONEST, RING_BYTES);
	ring_pen_init(&street->honest_pen, &street->honest, 1);
	ring_pen_open(&street->honest_pen, 0);
	*state = street;
	return 0;
}

static void bad_ring(struct street *street)
{
	ring_writer_make(&street->bad, street->house.dir, 1, RING_BYTES);
	ring_pen_init(&street->pen, &street->bad, 1);
	ring_pen_open(&street->pen, 0);
	ring_pen_start(&street->pen, 1, "good");
	street->bad_made = true;
	house_settle(&street->house);
	assert_int_equal(house_count(&street->house, 1, 1, NULL), 1);
}

static void sentinel(struct street *street)
{
	ring_pen_start(&street->honest_pen, 1, "sentinel");
	street->honest_records++;
	house_settle(&street->house);
	assert_int_equal(house_count(&street->house, HONEST, 1, NULL), street->honest_records);
}

static int teardown(void **state)
{
	struct street *street = *state;

	sentinel(street);
	ring_writer_close(&street->honest);
	if (street->bad_made)
		ring_writer_close(&street->bad);
	house_tear_down(&street->house);
	free(street);
	return 0;
}

/* The bad ring is quarantined for this, its death is noticed all the same. */
static void assert_quarantined(struct street *street, const char *reason)
{
	uint32_t ring;

	house_settle(&street->house);
	assert_int_equal(drain_counters(street->house.drain)->rings_quarantined, 1);
	if (!strstr(street->house.said, reason))
		fail_msg("said: %s", street->house.said);
	sentinel(street);
	ring = house_ring(&street->house, 1);
	ring_writer_die(&street->bad);
	for (int i = 0; i < 30; i++)
		house_tick(&street->house, 100);
	assert_true(street->house.rings[ring].dead);
	drain_remove(street->house.drain, ring);
	assert_int_equal(house_files(&street->house), 2);
}

static void a_generation_that_jumps(void **state)
{
	struct street *street = *state;

	bad_ring(street);
	atomic_store_explicit(&street->bad.lines[0].generation, 3, memory_order_release);
	assert_quarantined(street, "generation");
}

static void a_block_taken_before_it_was_given_back(void **state)
{
	struct street *street = *state;

	bad_ring(street);
	ring_pen_open(&street->pen, 0);
	assert_quarantined(street, "generation");
}

static void committed_that_shrinks(void **state)
{
	struct street *street = *state;

	bad_ring(street);
	street->pen.at -= 16;
	ring_pen_commit(&street->pen);
	assert_quarantined(street, "shrank");
}

static void committed_beyond_the_block(void **state)
{
	struct street *street = *state;

	bad_ring(street);
	street->pen.at = WIRE_BLOCK_BYTES + 8;
	ring_pen_commit(&street->pen);
	assert_quarantined(street, "leaves its block");
}

static void committed_that_is_crooked(void **state)
{
	struct street *street = *state;

	bad_ring(street);
	street->pen.at += 3;
	ring_pen_commit(&street->pen);
	assert_quarantined(street, "leaves its block");
}

/* A sealed block is looked at again while a value that begins in it is not
 * whole. */
static void a_sealed_block_that_goes_on(void **state)
{
	struct street *street = *state;
	uint8_t bytes[1000] = {0};

	bad_ring(street);
	ring_pen_fragment(&street->pen, WIRE_FRAGMENT_FIRST, 5000, bytes, sizeof bytes);
	atomic_store_explicit(&street->bad.lines[0].committed, street->pen.at | WIRE_SEALED,
			      memory_order_release);
	house_settle(&street->house);
	ring_pen_start(&street->pen, 3, "behind the last");
	assert_quarantined(street, "a sealed block changed");
}

static void a_block_number_that_goes_back(void **state)
{
	struct street *street = *state;

	bad_ring(street);
	ring_pen_seal(&street->pen);
	house_settle(&street->house);
	street->pen.next_block = 1;
	ring_pen_open(&street->pen, 1);
	ring_pen_start(&street->pen, 2, "again");
	assert_quarantined(street, "went back");
}

static void two_blocks_of_one_number(void **state)
{
	struct street *street = *state;
	struct ring_pen twin;

	bad_ring(street);
	twin = street->pen;
	ring_pen_open(&street->pen, 1);
	ring_pen_open(&twin, 2);
	assert_quarantined(street, "went back");
}

static void a_record_number_that_goes_back(void **state)
{
	struct street *street = *state;

	bad_ring(street);
	ring_pen_seal(&street->pen);
	street->pen.next_record = 1;
	ring_pen_open(&street->pen, 1);
	ring_pen_start(&street->pen, 2, "again");
	assert_quarantined(street, "went back");
}

static void a_record_number_that_no_block_can_hold(void **state)
{
	struct street *street = *state;

	bad_ring(street);
	ring_pen_seal(&street->pen);
	street->pen.next_record = UINT64_MAX / 2;
	ring_pen_open(&street->pen, 1);
	ring_pen_start(&street->pen, 2, "far");
	assert_quarantined(street, "jumped");
}

static void a_block_of_no_thread(void **state)
{
	struct street *street = *state;
	struct ring_pen nobody;

	bad_ring(street);
	ring_pen_init(&nobody, &street->bad, 0);
	ring_pen_open(&nobody, 1);
	assert_quarantined(street, "no thread");
}

static void ready_lines_that_vanish(void **state)
{
	struct street *street = *state;

	bad_ring(street);
	atomic_store_explicit(&street->bad.header->blocks_ready, 0, memory_order_release);
	assert_quarantined(street, "blocks_ready");
}

static void a_header_that_changes(void **state)
{
	struct street *street = *state;

	bad_ring(street);
	street->bad.header->blocks_offset += 16384;
	ring_pen_start(&street->pen, 2, "more");
	assert_quarantined(street, "header changed");
}

static void a_file_that_is_cut(void **state)
{
	struct street *street = *state;

	bad_ring(street);
	ring_pen_start(&street->pen, 2, "more");
	assert_int_equal(ftruncate(street->bad.fd, RING_BYTES / 2), 0);
	assert_quarantined(street, "size changed");
}

static void a_file_that_is_cut_between_looks(void **state)
{
	struct street *street = *state;

	bad_ring(street);
	/* The idle look loads from the mapping before any round asks for the
	 * size. */
	assert_int_equal(ftruncate(street->bad.fd, 0), 0);
	house_tick(&street->house, 100);
	assert_quarantined(street, "cut while");
}

static void a_file_that_grows(void **state)
{
	struct street *street = *state;

	bad_ring(street);
	ring_pen_start(&street->pen, 2, "more");
	assert_int_equal(ftruncate(street->bad.fd, 2 * RING_BYTES), 0);
	assert_quarantined(street, "size changed");
}

static void bytes_that_are_no_records_cost_only_their_block(void **state)
{
	struct street *street = *state;
	uint8_t garbage[64];
	uint32_t dropped;

	bad_ring(street);
	memset(garbage, 0xff, sizeof garbage);
	ring_pen_record(&street->pen, garbage, sizeof garbage);
	ring_pen_start(&street->pen, 2, "behind it");
	house_settle(&street->house);
	ring_pen_start(&street->pen, 3, "later");
	ring_pen_seal(&street->pen);
	ring_pen_open(&street->pen, 1);
	ring_pen_start(&street->pen, 4, "next block");
	house_settle(&street->house);
	/* What was lost is known once the next block says its number. */
	assert_int_equal(house_count(&street->house, 1, 1, &dropped), 3);
	assert_int_equal(dropped, 2);
	assert_int_equal(house_counters(&street->house, 1).dropped_damaged, 2);
	assert_int_equal(drain_counters(street->house.drain)->rings_quarantined, 0);
	house_check_ledgers(&street->house);
}

static void an_unknown_record_type_is_handed_on_by_its_length(void **state)
{
	struct street *street = *state;
	struct wire_head head = record_make_head((enum wire_record_type)40, 8, 0, 0);

	bad_ring(street);
	ring_pen_record(&street->pen, &head, 8);
	ring_pen_start(&street->pen, 2, "behind it");
	house_settle(&street->house);
	assert_int_equal(house_count(&street->house, 1, 1, NULL), 3);
}

static void more_threads_than_blocks_is_refused_or_forgotten(void **state)
{
	struct street *street = *state;
	uint32_t blocks;

	ring_writer_make(&street->bad, street->house.dir, 1, RING_BYTES);
	street->bad_made = true;
	blocks = street->bad.header->block_count;
	house_settle(&street->house);
	/* Ten times as many short-lived threads as there are blocks. */
	for (uint32_t n = 0; n < 10 * blocks; n++) {
		struct ring_pen pen;

		ring_pen_init(&pen, &street->bad, n + 1);
		ring_pen_open(&pen, n % blocks);
		ring_pen_start(&pen, n + 1, "short");
		ring_pen_seal(&pen);
		if (n % blocks == blocks - 1) {
			house_settle(&street->house);
			drain_logged(street->house.drain, street->house.sequence);
		}
	}
	assert_int_equal(drain_counters(street->house.drain)->rings_quarantined, 0);
	assert_int_equal(house_counters(&street->house, 1).drained, 10 * blocks);
	house_check_ledgers(&street->house);
}

/* ---- files that are no rings ----------------------------------------------- */

static void ring_name(char path[400], const struct street *street, uint8_t seed)
{
	int n = snprintf(path, 400, "%s/", street->house.dir);

	for (int i = 0; i < 16; i++)
		n += snprintf(path + n, 400 - (size_t)n, "%02x", seed);
	strcpy(path + n, ".ring");
}

static void planted_files_are_ignored_and_counted(void **state)
{
	struct street *street = *state;
	char path[400], other[500];
	int fd;

	house_stop(&street->house);
	ring_name(path, street, 1);
	assert_int_equal(mkfifo(path, 0666), 0);
	ring_name(path, street, 2);
	assert_int_equal(symlink("/etc/passwd", path), 0);
	ring_name(path, street, 3);
	assert_int_equal(mkdir(path, 0777), 0);
	ring_name(path, street, 4); /* empty */
	close(open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0666));
	ring_name(path, street, 5); /* enormous and sparse */
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0666);
	assert_int_equal(ftruncate(fd, INT64_C(1) << 40), 0);
	close(fd);
	ring_name(path, street, 6); /* the right size, all zero */
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0666);
	assert_int_equal(ftruncate(fd, RING_BYTES), 0);
	close(fd);
	snprintf(other, sizeof other, "%s/\x1b[31mname", street->house.dir);
	close(open(other, O_WRONLY | O_CREAT | O_CLOEXEC, 0666));
	house_start(&street->house);
	assert_int_equal(drain_counters(street->house.drain)->rings_ignored, 7);
	assert_int_equal(drain_counters(street->house.drain)->rings_seen, 1);
	/* Not counted again. */
	house_tick(&street->house, 60000);
	assert_int_equal(drain_counters(street->house.drain)->rings_ignored, 7);
	ring_name(path, street, 3);
	assert_int_equal(rmdir(path), 0);
}

static void any_number_of_junk_names_is_few_lines(void **state)
{
	struct street *street = *state;
	unsigned lines = 0;
	char path[500];

	house_stop(&street->house);
	for (int i = 0; i < 1000; i++) {
		snprintf(path, sizeof path, "%s/\x1b[31m-\n-%d", street->house.dir, i);
		close(open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0666));
	}
	street->house.said[0] = '\0';
	house_start(&street->house);
	for (const char *at = street->house.said; (at = strstr(at, "is ignored")); at++)
		lines++;
	assert_int_equal(lines, 20);
	assert_non_null(strstr(street->house.said, "980 more names"));
	assert_int_equal(drain_counters(street->house.drain)->rings_ignored, 1000);
	assert_int_equal(drain_counters(street->house.drain)->junk_names, 1000);
}

static void rings_of_one_user_over_its_number_wait(void **state)
{
	struct street *street = *state;
	struct ring_writer writers[3];

	/* The honest ring is the first. */
	drain_set_limits(street->house.drain, 100, 3, 1 << 20);
	for (uint8_t i = 0; i < 3; i++) {
		ring_writer_make(&writers[i], street->house.dir, (uint8_t)(i + 1), RING_BYTES);
		house_settle(&street->house);
	}
	assert_int_equal(drain_counters(street->house.drain)->rings_seen, 3);
	assert_true(drain_counters(street->house.drain)->rings_refused > 0);
	assert_non_null(strstr(street->house.said, "ring.max_rings_per_user"));
	ring_writer_die(&writers[0]);
	for (int i = 0; i < 300 && drain_counters(street->house.drain)->rings_seen < 4; i++) {
		house_tick(&street->house, 100);
		if (street->house.rings[1].dead && !street->house.rings[1].gone)
			drain_remove(street->house.drain, 1);
	}
	assert_int_equal(drain_counters(street->house.drain)->rings_seen, 4);
	for (int i = 0; i < 3; i++)
		ring_writer_close(&writers[i]);
}

static void a_ring_with_a_second_name_is_ignored(void **state)
{
	struct street *street = *state;
	struct ring_writer writer;
	char path[400], other[500];

	ring_writer_make(&writer, street->house.dir, 1, RING_BYTES);
	ring_name(path, street, 1);
	snprintf(other, sizeof other, "%s/x", street->house.dir);
	assert_int_equal(link(path, other), 0);
	house_settle(&street->house);
	assert_int_equal(house_ring(&street->house, 1), HOUSE_RINGS);
	assert_non_null(strstr(street->house.said, "has other names"));
	ring_writer_close(&writer);
}

/* Publishes a ring with one field of its header changed. */
static void assert_refused(struct street *street, void (*change)(struct ring_writer *),
			   const char *reason)
{
	struct ring_writer writer;

	ring_writer_prepare(&writer, street->house.dir, 1, RING_BYTES);
	change(&writer);
	ring_writer_publish(&writer);
	house_settle(&street->house);
	assert_int_equal(house_ring(&street->house, 1), HOUSE_RINGS);
	if (!strstr(street->house.said, reason))
		fail_msg("said: %s", street->house.said);
	ring_writer_close(&writer);
}

static void other_byte_order(struct ring_writer *writer)
{
	writer->header->magic = __builtin_bswap64(WIRE_RING_MAGIC);
}

static void newer(struct ring_writer *writer)
{
	writer->header->incompat = 1;
}

static void other_name(struct ring_writer *writer)
{
	writer->header->instance[3] ^= 1;
}

static void other_size(struct ring_writer *writer)
{
	writer->header->size *= 2;
}

static void other_count(struct ring_writer *writer)
{
	writer->header->block_count++;
}

static void a_ring_of_the_other_byte_order_is_refused(void **state)
{
	assert_refused(*state, other_byte_order, "other byte order");
}

static void a_ring_of_a_newer_version_is_refused(void **state)
{
	assert_refused(*state, newer, "newer version");
}

static void a_ring_under_another_name_is_refused(void **state)
{
	assert_refused(*state, other_name, "not its id");
}

static void a_ring_that_lies_about_its_size_is_refused(void **state)
{
	assert_refused(*state, other_size, "size");
}

static void a_ring_that_lies_about_its_blocks_is_refused(void **state)
{
	assert_refused(*state, other_count, "does not add up");
}

static void lines_in_a_hole_cost_the_agent_no_memory(void **state)
{
	struct street *street = *state;
	struct ring_writer writer;
	struct stat before, after;

	ring_writer_make(&writer, street->house.dir, 1, 256u << 20);
	atomic_store_explicit(&writer.header->blocks_ready, writer.header->block_count,
			      memory_order_release);
	assert_int_equal(fstat(writer.fd, &before), 0);
	house_settle(&street->house);
	assert_int_equal(fstat(writer.fd, &after), 0);
	assert_int_equal(before.st_blocks, after.st_blocks);
	assert_int_equal(drain_counters(street->house.drain)->rings_quarantined, 0);
	ring_writer_close(&writer);
}

/* Random bytes and bit flips anywhere in the state area and the blocks. */
static void random_damage_never_harms_the_agent(void **state)
{
	struct street *street = *state;
	uint64_t seed = 0x9e3779b97f4a7c15;

	for (uint32_t n = 0; n < 200; n++) {
		struct ring_writer writer;
		struct ring_pen pen;
		uint32_t ring, length;
		char path[400];

		/* Another id each time: the house knows the old ones. */
		ring_writer_make(&writer, street->house.dir, (uint8_t)(n + 1), RING_BYTES);
		ring_pen_init(&pen, &writer, 1);
		ring_pen_open(&pen, 0);
		free(ring_pen_long_string(&pen, 1, 40000, 1, &length));
		if (n % 2)
			house_tick(&street->house, 100);
		for (int i = 0; i < 8; i++) {
			uint64_t at;

			seed ^= seed << 13;
			seed ^= seed >> 7;
			seed ^= seed << 17;
			/* Mostly where it hurts: lines, then the first blocks. */
			at = i % 2 ? 4096 + seed % 512 : seed % (1 << 17);
			writer.at[at] ^= (uint8_t)(1u << (seed >> 60 & 7));
		}
		for (int i = 0; i < 3; i++)
			house_tick(&street->house, 100);
		ring_writer_die(&writer);
		for (int i = 0; i < 40; i++)
			house_tick(&street->house, 50);
		ring = house_ring(&street->house, (uint8_t)(n + 1));
		if (ring < HOUSE_RINGS && street->house.rings[ring].dead)
			drain_remove(street->house.drain, ring);
		/* What was refused stays where it was. */
		snprintf(path, sizeof path, "%s/%s", writer.dir, writer.name);
		(void)unlink(path);
		ring_writer_close(&writer);
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_generation_that_jumps),
		TEST(a_block_taken_before_it_was_given_back),
		TEST(committed_that_shrinks),
		TEST(committed_beyond_the_block),
		TEST(committed_that_is_crooked),
		TEST(a_sealed_block_that_goes_on),
		TEST(a_block_number_that_goes_back),
		TEST(two_blocks_of_one_number),
		TEST(a_record_number_that_goes_back),
		TEST(a_record_number_that_no_block_can_hold),
		TEST(a_block_of_no_thread),
		TEST(ready_lines_that_vanish),
		TEST(a_header_that_changes),
		TEST(a_file_that_is_cut),
		TEST(a_file_that_is_cut_between_looks),
		TEST(a_file_that_grows),
		TEST(bytes_that_are_no_records_cost_only_their_block),
		TEST(an_unknown_record_type_is_handed_on_by_its_length),
		TEST(more_threads_than_blocks_is_refused_or_forgotten),
		TEST(planted_files_are_ignored_and_counted),
		TEST(any_number_of_junk_names_is_few_lines),
		TEST(rings_of_one_user_over_its_number_wait),
		TEST(a_ring_with_a_second_name_is_ignored),
		TEST(a_ring_of_the_other_byte_order_is_refused),
		TEST(a_ring_of_a_newer_version_is_refused),
		TEST(a_ring_under_another_name_is_refused),
		TEST(a_ring_that_lies_about_its_size_is_refused),
		TEST(a_ring_that_lies_about_its_blocks_is_refused),
		TEST(lines_in_a_hole_cost_the_agent_no_memory),
		TEST(random_damage_never_harms_the_agent),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
