/* What verify says of a log is what recovery then finds; and it changes nothing. */
#include "wal/verify.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "wal_fixture.h"

#define ENTRIES 300
#define ROUNDS 60

struct told {
	struct wal_segment_report sum, newest;
	uint64_t segments, damaged_segments, places, place_bytes, payloads;
};

static void on_segment(void *arg, const struct wal_segment_report *report)
{
	struct told *told = arg;

	told->newest = *report;
	told->segments++;
	told->damaged_segments += wal_report_is_damaged(report);
	told->sum.frames += report->frames;
	told->sum.chains += report->chains;
	told->sum.damaged += report->damaged;
	told->sum.damaged_bytes += report->damaged_bytes;
	told->sum.tail_bytes += report->tail_bytes;
	told->sum.incomplete_chains += report->incomplete_chains;
	told->sum.missing_segments += report->missing_segments;
	told->sum.missing_sequences += report->missing_sequences;
	told->sum.last_span = report->last_span ? report->last_span : told->sum.last_span;
	for (int i = 0; i < WAL_VERIFY_KINDS; i++)
		told->sum.kinds[i] += report->kinds[i];
}

static void on_damage(void *arg, uint64_t segment, uint64_t offset, uint64_t bytes)
{
	struct told *told = arg;

	assert_true(segment > 0 && offset >= WAL_FRAMES_OFFSET && bytes > 0);
	told->places++;
	told->place_bytes += bytes;
}

static void on_payload(void *arg, const struct wal_payload_view *view)
{
	struct told *told = arg;

	assert_true(view->sequence > 0 && view->offset >= WAL_FRAMES_OFFSET);
	told->payloads++;
}

static int verify(struct wal_fixture *fixture, struct told *told)
{
	struct wal_verify_ops ops = {on_segment, on_damage, on_payload, told};

	memset(told, 0, sizeof *told);
	return wal_verify(&fixture->world.env, fixture->dir, &ops);
}

static size_t entry_len(uint64_t i)
{
	return i % 53 == 0 ? 300000 : 60 + i * 7919 % 1500;
}

static void fill(struct wal_fixture *fixture, uint64_t entries)
{
	for (uint64_t i = 0; i < entries; i++) {
		if (i % 3 == 1)
			assert_int_equal(
				wal_add_span_pattern(fixture->wal, entry_len(i), i, 1, NULL),
				0);
		else
			assert_int_equal(wal_add_pattern(fixture->wal, WAL_STATE, entry_len(i),
							 i, NULL, NULL),
					 0);
		assert_int_equal(wal_commit(fixture->wal), 0);
	}
}

static uint8_t *read_segment(const struct wal_fixture *fixture, uint64_t number,
			     size_t *ret_size)
{
	char *path = wal_segment_path(fixture, number);
	int fd = open(path, O_RDONLY);
	off_t size = lseek(fd, 0, SEEK_END);
	uint8_t *bytes = malloc((size_t)size);

	assert_non_null(bytes);
	assert_int_equal(pread(fd, bytes, (size_t)size, 0), size);
	close(fd);
	free(path);
	*ret_size = (size_t)size;
	return bytes;
}

static void write_segment(const struct wal_fixture *fixture, uint64_t number,
			  const uint8_t *bytes, size_t size)
{
	char *path = wal_segment_path(fixture, number);
	int fd = open(path, O_WRONLY | O_TRUNC);

	assert_int_equal(pwrite(fd, bytes, size, 0), (ssize_t)size);
	close(fd);
	free(path);
}

static void a_whole_log_is_said_to_be_whole(void **state)
{
	struct wal_fixture fixture;
	struct told told;

	(void)state;
	wal_fixture_init(&fixture, 0);
	wal_fixture_open(&fixture);
	fill(&fixture, ENTRIES);
	assert_int_equal(verify(&fixture, &told), 0); /* while it is written */
	assert_int_equal(told.damaged_segments, 0);
	wal_fixture_close(&fixture);
	assert_int_equal(verify(&fixture, &told), 0);
	assert_int_equal(told.damaged_segments, 0);
	assert_int_equal(told.places, 0);
	assert_int_equal(told.sum.kinds[WAL_SPAN] + told.sum.kinds[WAL_STATE], ENTRIES);
	assert_int_equal(told.payloads, told.sum.chains);
	assert_int_equal(told.sum.last_span, ENTRIES / 3);
	assert_int_equal(told.newest.version, WAL_VERSION);
	assert_true(told.newest.last);
	wal_fixture_fini(&fixture);
}

static void an_empty_directory_has_no_log(void **state)
{
	struct wal_fixture fixture;
	struct told told;

	(void)state;
	wal_fixture_init(&fixture, 0);
	wal_fixture_open(&fixture);
	wal_fixture_close(&fixture);
	assert_int_equal(verify(&fixture, &told), -ENOENT);
	wal_fixture_fini(&fixture);
}

static uint64_t next_random(uint64_t *x)
{
	*x ^= *x << 13;
	*x ^= *x >> 7;
	*x ^= *x << 17;
	return *x >> 8;
}

/* Damage, verify, look that nothing changed, recover, compare. */
static void one_round(struct wal_fixture *fixture, const uint8_t *whole, size_t size,
		      uint64_t *x)
{
	const struct wal_counters *counters;
	uint8_t *bytes = malloc(size), *after;
	size_t after_size, cut = size;
	struct told told;

	assert_non_null(bytes);
	memcpy(bytes, whole, size);
	for (uint64_t n = next_random(x) % 6; n > 0; n--) {
		size_t at =
			WAL_FRAMES_OFFSET + next_random(x) % (size - WAL_FRAMES_OFFSET - 64);

		for (size_t i = 0; i < 1 + next_random(x) % 64; i++)
			bytes[at + i] = (uint8_t)next_random(x);
	}
	if (next_random(x) % 3 == 0)
		cut = WAL_FRAMES_OFFSET + next_random(x) % (size - WAL_FRAMES_OFFSET);
	write_segment(fixture, 1, bytes, cut);
	assert_int_equal(verify(fixture, &told), 0);
	after = read_segment(fixture, 1, &after_size);
	assert_int_equal(after_size, cut);
	assert_memory_equal(after, bytes, cut);
	free(after);
	free(bytes);
	wal_fixture_open(fixture);
	counters = wal_counters(fixture->wal);
	assert_int_equal(told.sum.damaged, counters->damaged_frames);
	assert_int_equal(told.sum.tail_bytes, counters->cut_bytes);
	assert_int_equal(told.sum.incomplete_chains, counters->incomplete_chains);
	assert_int_equal(told.sum.kinds[0], counters->unknown_frames);
	assert_int_equal(told.sum.kinds[WAL_SPAN] + told.sum.kinds[WAL_STATE],
			 fixture->found.count);
	assert_int_equal(told.damaged_segments > 0,
			 counters->damaged_frames || counters->cut_bytes ||
				 counters->incomplete_chains || counters->unknown_frames);
	assert_true(told.place_bytes == told.sum.damaged_bytes + told.sum.tail_bytes);
	wal_fixture_close(fixture);
}

static void of_a_damaged_log_it_says_what_recovery_finds(void **state)
{
	struct wal_fixture fixture;
	uint64_t x = 20261127;
	uint8_t *whole;
	size_t size;

	(void)state;
	wal_fixture_init(&fixture, 0);
	wal_fixture_open(&fixture);
	fill(&fixture, ENTRIES);
	wal_fixture_close(&fixture);
	whole = read_segment(&fixture, 1, &size);
	for (int i = 0; i < ROUNDS; i++)
		one_round(&fixture, whole, size, &x);
	free(whole);
	wal_fixture_fini(&fixture);
}

static void headers_and_gaps_are_judged(void **state)
{
	struct wal_fixture fixture;
	struct told told;
	uint8_t *bytes;
	size_t size;
	char *path;

	(void)state;
	wal_fixture_init(&fixture, 64 << 10);
	wal_fixture_open(&fixture);
	fill(&fixture, 40);
	for (uint64_t i = 0; i < 200; i++) {
		assert_int_equal(wal_add_pattern(fixture.wal, WAL_STATE, 2000, i, NULL, NULL),
				 0);
		assert_int_equal(wal_commit(fixture.wal), 0);
	}
	wal_fixture_close(&fixture);
	assert_int_equal(verify(&fixture, &told), 0);
	assert_true(told.segments >= 5);
	assert_int_equal(told.damaged_segments, 0);

	/* One copy of a header, then both. */
	bytes = read_segment(&fixture, 2, &size);
	bytes[40] ^= 1;
	write_segment(&fixture, 2, bytes, size);
	assert_int_equal(verify(&fixture, &told), 0);
	assert_int_equal(told.damaged_segments, 1);
	bytes[WAL_HEADER_COPY_OFFSET + 40] ^= 1;
	write_segment(&fixture, 2, bytes, size);
	assert_int_equal(verify(&fixture, &told), 0);
	assert_int_equal(told.damaged_segments, 1);
	assert_int_equal(told.sum.missing_sequences, 0);
	free(bytes);

	/* A segment that is not there. */
	path = wal_segment_path(&fixture, 3);
	assert_int_equal(unlink(path), 0);
	free(path);
	assert_int_equal(verify(&fixture, &told), 0);
	assert_int_equal(told.sum.missing_segments, 1);
	wal_fixture_fini(&fixture);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_whole_log_is_said_to_be_whole),
		cmocka_unit_test(an_empty_directory_has_no_log),
		cmocka_unit_test(of_a_damaged_log_it_says_what_recovery_finds),
		cmocka_unit_test(headers_and_gaps_are_judged),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
