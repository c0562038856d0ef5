/* A segment as version 1 wrote it, recovered by today's code, and today's code
 * writing the same bytes from the same salt. */
#include "wal/wal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "golden.h"
#include "wal_fixture.h"

/* Header 1024, SCOPE 80, SPAN 144, RECORD 128, STATE 72, SPAN 112. */
#define SEGMENT_BYTES 1560

static void fill(struct wal *wal)
{
	struct slice slice = {
		.block = 3,
		.generation = 5,
		.start = 16,
		.end = 40,
		.thread = 2,
		.thread_block = 9,
		.first_record = 1000,
		.record_count = 2,
		.dropped_count = 1,
		.sealed = true,
	};
	uint8_t records[24], instance[16];
	uint64_t sequence;

	wal_pattern(records, sizeof records, 7);
	wal_pattern(instance, sizeof instance, 8);
	slice.records = (struct bytes){records, sizeof records};
	assert_int_equal(wal_add_span_pattern(wal, 50, 1, 0, NULL), 0);
	assert_int_equal(wal_add_slices(wal, instance, &slice, 1, &sequence, NULL, NULL), 0);
	assert_int_equal(wal_add_pattern(wal, WAL_STATE, 40, 2, NULL, NULL), 0);
	assert_int_equal(wal_add_span_pattern(wal, 20, 3, 0, NULL), 0);
	assert_int_equal(wal_commit(wal), 0);
}

static void a_log_still_writes_what_version_1_wrote(void **state)
{
	uint8_t segment[SEGMENT_BYTES + 1] = {0};
	const uint16_t one = 1;
	struct wal_fixture f;
	FILE *file;
	char *path;

	(void)state;
	if (*(const uint8_t *)&one != 1)
		skip(); /* the golden file is little-endian; logs never travel */
	wal_fixture_init(&f, 0);
	wal_fixture_open(&f);
	fill(f.wal);
	wal_fixture_open(&f); /* trims it */
	path = wal_segment_path(&f, 1);
	file = fopen(path, "rb");
	assert_non_null(file);
	assert_int_equal(fread(segment, 1, sizeof segment, file), SEGMENT_BYTES);
	fclose(file);
	golden_compare(__FILE__, "segment.hex", segment, SEGMENT_BYTES);
	free(path);
	wal_fixture_fini(&f);
}

static void a_log_of_version_1_is_recovered(void **state)
{
	uint8_t segment[SEGMENT_BYTES] = {0}, instance[16];
	const uint16_t one = 1;
	struct wal_fixture f;
	struct slice slice;
	uint32_t offset;
	size_t at = 0;
	FILE *file;
	char *path;

	(void)state;
	if (*(const uint8_t *)&one != 1)
		skip(); /* see above */
	wal_fixture_init(&f, 0);
	path = wal_segment_path(&f, 1);
	golden_read(__FILE__, "segment.hex", segment, sizeof segment);
	file = fopen(path, "wb");
	assert_non_null(file);
	assert_int_equal(fwrite(segment, 1, sizeof segment, file), sizeof segment);
	fclose(file);
	wal_fixture_open(&f);
	assert_int_equal(f.found.count, 4);
	assert_int_equal(wal_counters(f.wal)->damaged_frames, 0);
	assert_int_equal(f.found.entries[0].kind, WAL_SPAN);
	assert_int_equal(f.found.entries[0].number, 1);
	assert_int_equal(f.found.entries[0].resource_len, strlen("resource 0"));
	wal_pattern_check(f.found.entries[0].payload + 56, 50, 1);
	wal_pattern(instance, sizeof instance, 8);
	assert_memory_equal(f.found.entries[1].payload, instance, 16);
	assert_int_equal(wal_record_next((struct bytes){f.found.entries[1].payload,
							f.found.entries[1].len},
					 &at, &slice, &offset),
			 1);
	assert_int_equal(slice.block, 3);
	assert_int_equal(slice.generation, 5);
	assert_int_equal(slice.start, 16);
	assert_int_equal(slice.end, 40);
	assert_int_equal(slice.thread, 2);
	assert_int_equal(slice.thread_block, 9);
	assert_int_equal(slice.first_record, 1000);
	assert_int_equal(slice.record_count, 2);
	assert_int_equal(slice.dropped_count, 1);
	assert_true(slice.sealed);
	wal_pattern_check(slice.records.at, slice.records.len, 7);
	wal_pattern_check(f.found.entries[2].payload, 40, 2);
	assert_int_equal(f.found.entries[3].number, 2);
	assert_int_equal(f.found.entries[3].sequence, 5);
	free(path);
	wal_fixture_fini(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_log_still_writes_what_version_1_wrote),
		cmocka_unit_test(a_log_of_version_1_is_recovered),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
