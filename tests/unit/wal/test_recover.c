/* Recovery of logs that were cut, damaged, or never finished. Damage is made on
 * a copy of a small log, in place, and taken back afterwards. */
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

#include "base/crc32c.h"
#include "wal_fixture.h"

/* The entries of a log that is well. */
struct original {
	struct wal_found found;
	uint8_t *bytes; /* of segment 1 */
	size_t size;
	char *path; /* of segment 1 in the fixture's directory */
};

static uint8_t *file_read(const char *path, size_t *ret_size)
{
	FILE *file = fopen(path, "rb");
	uint8_t *bytes;
	long size;

	assert_non_null(file);
	assert_int_equal(fseek(file, 0, SEEK_END), 0);
	size = ftell(file);
	rewind(file);
	bytes = malloc((size_t)size + 1);
	assert_int_equal(fread(bytes, 1, (size_t)size, file), size);
	fclose(file);
	*ret_size = (size_t)size;
	return bytes;
}

static void file_write(const char *path, const uint8_t *bytes, size_t size)
{
	FILE *file = fopen(path, "wb");

	assert_non_null(file);
	assert_int_equal(fwrite(bytes, 1, size, file), size);
	fclose(file);
}

/* About 4 KiB: records, spans of two resources, a state. */
static void fill(struct wal *wal)
{
	uint64_t i;

	for (i = 0; i < 12; i++) {
		assert_int_equal(wal_add_span_pattern(wal, 40 + i * 7, i, i % 2, NULL), 0);
		if (i % 3 == 0)
			assert_int_equal(
				wal_add_pattern(wal, WAL_RECORD, 100 + i, i, NULL, NULL), 0);
	}
	assert_int_equal(wal_add_pattern(wal, WAL_STATE, 300, 77, NULL, NULL), 0);
	assert_int_equal(wal_commit(wal), 0);
}

static void original_make(struct wal_fixture *f, struct original *original)
{
	*original = (struct original){0};
	wal_fixture_open(f);
	fill(f->wal);
	wal_fixture_open(f); /* trims the segment */
	original->found = f->found;
	f->found = (struct wal_found){0};
	wal_fixture_close(f);
	original->path = wal_segment_path(f, 1);
	original->bytes = file_read(original->path, &original->size);
}

static void original_free(struct original *original)
{
	wal_found_reset(&original->found);
	free(original->found.entries);
	free(original->bytes);
	free(original->path);
}

static bool entry_same(const struct wal_found_entry *a, const struct wal_found_entry *b)
{
	return a->kind == b->kind && a->sequence == b->sequence && a->len == b->len &&
	       memcmp(a->payload, b->payload, a->len) == 0 && a->number == b->number;
}

/* Every entry found is one of the originals, in order, unchanged; a resource
 * may be lost but not be another one. Returns how many originals are missing. */
static size_t missing(const struct wal_found *found, const struct original *original,
		      size_t *ret_scopes_lost)
{
	const struct wal_found_entry *entry, *expected;
	size_t i = 0, j;

	*ret_scopes_lost = 0;
	for (j = 0; j < found->count; j++) {
		entry = &found->entries[j];
		while (i < original->found.count &&
		       !entry_same(&original->found.entries[i], entry))
			i++;
		assert_true(i < original->found.count);
		expected = &original->found.entries[i++];
		if (entry->resource_len != expected->resource_len) {
			assert_int_equal(entry->resource_len, 0);
			(*ret_scopes_lost)++;
		} else if (entry->resource_len) {
			assert_memory_equal(entry->resource, expected->resource,
					    entry->resource_len);
		}
	}
	return original->found.count - found->count;
}

static void a_log_cut_at_any_byte_gives_the_entries_in_front_of_the_cut(void **state)
{
	struct original original;
	struct wal_fixture f;
	size_t cut, i, lost, whole;
	uint64_t end;

	(void)state;
	wal_fixture_init(&f, 0);
	original_make(&f, &original);
	for (cut = 0; cut <= original.size; cut++) {
		file_write(original.path, original.bytes, cut);
		wal_fixture_open(&f);
		for (i = 0, whole = 0; i < original.found.count; i++) {
			end = original.found.entries[i].location.offset + 32 +
			      original.found.entries[i].len;
			whole += ((end + 7) & ~UINT64_C(7)) <= cut;
		}
		assert_int_equal(f.found.count, whole);
		(void)missing(&f.found, &original, &lost);
		assert_int_equal(lost, 0);
		assert_int_equal(wal_counters(f.wal)->damaged_frames, 0);
		assert_int_equal(wal_counters(f.wal)->corrupt_segments, 0);
		wal_fixture_close(&f);
		test_directory_remove(f.dir);
		assert_int_equal(mkdir(f.dir, 0700), 0);
	}
	original_free(&original);
	wal_fixture_fini(&f);
}

static void one_bit_flipped_anywhere_costs_one_frame_and_never_gives_wrong_content(void **state)
{
	struct original original;
	struct wal_fixture f;
	size_t bit, lost, scopes;

	(void)state;
	wal_fixture_init(&f, 0);
	original_make(&f, &original);
	for (bit = 0; bit < original.size * 8; bit++) {
		original.bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
		file_write(original.path, original.bytes, original.size);
		original.bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
		wal_fixture_open(&f);
		lost = missing(&f.found, &original, &scopes);
		/* One entry, or one SCOPE frame and with it what it said. */
		assert_true(lost == 0 || (lost == 1 && scopes == 0));
		assert_int_equal(wal_counters(f.wal)->corrupt_segments, 0);
		assert_int_equal(wal_counters(f.wal)->lost_scopes, scopes);
		if (lost || scopes)
			assert_true(wal_counters(f.wal)->damaged_frames == 1 ||
				    wal_counters(f.wal)->cut_bytes > 0);
		wal_fixture_close(&f);
	}
	original_free(&original);
	wal_fixture_fini(&f);
}

static void a_zeroed_sector_costs_the_frames_that_touch_it(void **state)
{
	struct original original;
	struct wal_fixture f;
	uint8_t *bytes;
	size_t at, i, touched, lost, scopes;

	(void)state;
	wal_fixture_init(&f, 0);
	original_make(&f, &original);
	bytes = malloc(original.size + 512);
	for (at = 0; at < original.size; at += 512) {
		memcpy(bytes, original.bytes, original.size);
		memset(bytes + at, 0, at + 512 < original.size ? 512 : original.size - at);
		file_write(original.path, bytes, original.size);
		wal_fixture_open(&f);
		for (i = 0, touched = 0; i < original.found.count; i++)
			touched += original.found.entries[i].location.offset < at + 512 &&
				   original.found.entries[i].location.offset + 32 +
						   original.found.entries[i].len >
					   at;
		lost = missing(&f.found, &original, &scopes);
		assert_true(lost <= touched);
		wal_fixture_close(&f);
	}
	free(bytes);
	original_free(&original);
	wal_fixture_fini(&f);
}

static void spans_and_numbers_go_on_behind_damage(void **state)
{
	struct original original;
	struct wal_reader *reader;
	struct finished_span span;
	struct wal_fixture f;
	uint64_t number, seen = 0, last = 0;
	size_t hit;

	(void)state;
	wal_fixture_init(&f, 0);
	original_make(&f, &original);
	hit = original.found.entries[6].location.offset + 40;
	original.bytes[hit] ^= 0x10;
	file_write(original.path, original.bytes, original.size);
	wal_fixture_open(&f);
	assert_int_equal(wal_counters(f.wal)->damaged_frames, 1);
	assert_int_equal(wal_add_span_pattern(f.wal, 5, 1, 1, &number), 0);
	assert_int_equal(number, 13);
	assert_int_equal(wal_commit(f.wal), 0);
	assert_int_equal(wal_reader_new(&reader, f.wal, 0), 0);
	while (wal_reader_next(reader, &span) == 1) {
		assert_true(span.number > last);
		last = span.number;
		seen++;
	}
	assert_int_equal(last, 13);
	assert_int_equal(seen, original.found.entries[6].kind == WAL_SPAN ? 12 : 13);
	wal_reader_free(reader);
	original_free(&original);
	wal_fixture_fini(&f);
}

/* A reader passes RECORD frames over by their length. When that length lies,
 * it must still find every span. */
static void a_reader_is_not_misled_by_the_length_of_a_frame_it_does_not_read(void **state)
{
	struct original original;
	struct wal_reader *reader;
	struct finished_span span;
	struct wal_fixture f;
	size_t i, bit;
	uint64_t seen;
	uint8_t *at;
	int fd;

	(void)state;
	wal_fixture_init(&f, 0);
	original_make(&f, &original);
	for (i = 0; i < original.found.count; i++) {
		if (original.found.entries[i].kind != WAL_RECORD)
			continue;
		at = original.bytes + original.found.entries[i].location.offset;
		for (bit = 0; bit < 16; bit++) {
			/* Damage after recovery, so that only the reader meets it. */
			file_write(original.path, original.bytes, original.size);
			wal_fixture_open(&f);
			at[bit / 8] ^= (uint8_t)(1u << bit % 8);
			fd = open(original.path, O_WRONLY);
			assert_int_equal(pwrite(fd, original.bytes, original.size, 0),
					 original.size);
			close(fd);
			at[bit / 8] ^= (uint8_t)(1u << bit % 8);
			assert_int_equal(wal_reader_new(&reader, f.wal, 0), 0);
			for (seen = 0; wal_reader_next(reader, &span) == 1; seen++)
				assert_int_equal(span.number, seen + 1);
			assert_int_equal(seen, 12);
			/* A changed padding bit moves nothing, and is not noticed. */
			if (bit > 2)
				assert_int_equal(wal_counters(f.wal)->reader_damaged, 1);
			wal_reader_free(reader);
			wal_fixture_close(&f);
		}
	}
	original_free(&original);
	wal_fixture_fini(&f);
}

static void frames_of_another_segment_never_count(void **state)
{
	struct original original;
	struct wal_fixture f;
	uint8_t *bytes;
	size_t i, half;

	(void)state;
	wal_fixture_init(&f, 0);
	original_make(&f, &original);
	/* The first half as it should be, behind it what another log with
	 * another salt left at the same place. */
	bytes = malloc(original.size);
	memcpy(bytes, original.bytes, original.size);
	wal_fixture_close(&f);
	assert_int_equal(unlink(original.path), 0);
	f.seed += 100;
	wal_fixture_open(&f);
	fill(f.wal);
	wal_fixture_open(&f);
	wal_fixture_close(&f);
	free(original.bytes);
	original.bytes = file_read(original.path, &original.size);
	half = original.found.entries[8].location.offset;
	memcpy(original.bytes, bytes, half);
	file_write(original.path, original.bytes, original.size);
	wal_fixture_open(&f);
	assert_int_equal(f.found.count, 8);
	for (i = 0; i < 8; i++)
		assert_true(entry_same(&f.found.entries[i], &original.found.entries[i]));
	/* Padding at the very end reads like the zeros behind it. */
	assert_in_range(wal_counters(f.wal)->cut_bytes, original.size - half - 7,
			original.size - half);
	free(bytes);
	original_free(&original);
	wal_fixture_fini(&f);
}

/* A frame with the right salt and CRC at a wrong place: a disk wrote it twice,
 * or to where another one belongs. Only what it overwrote is missing. */
static void a_frame_at_the_wrong_place_costs_what_it_overwrote(void **state)
{
	struct original original;
	struct wal_fixture f;
	uint8_t *bytes;
	size_t i, j, k, from, len, to, touched, lost, scopes;

	(void)state;
	wal_fixture_init(&f, 0);
	original_make(&f, &original);
	bytes = malloc(original.size);
	for (i = 0; i + 1 < original.found.count; i++) {
		from = original.found.entries[i].location.offset;
		len = original.found.entries[i + 1].location.offset - from;
		for (j = 0; j < original.found.count; j++) {
			to = original.found.entries[j].location.offset;
			if (i == j || to + len > original.size)
				continue;
			memcpy(bytes, original.bytes, original.size);
			memcpy(bytes + to, original.bytes + from, len);
			for (k = j, touched = 0; k < original.found.count; k++)
				touched += original.found.entries[k].location.offset < to + len;
			file_write(original.path, bytes, original.size);
			wal_fixture_open(&f);
			lost = missing(&f.found, &original, &scopes);
			assert_true(lost >= 1 && lost <= touched);
			wal_fixture_close(&f);
		}
	}
	free(bytes);
	original_free(&original);
	wal_fixture_fini(&f);
}

static void a_segment_without_a_readable_header_is_set_aside_and_counted(void **state)
{
	struct original original;
	struct wal_fixture f;
	char *aside;
	int i;

	(void)state;
	wal_fixture_init(&f, 0);
	original_make(&f, &original);
	for (i = 0; i < 2; i++) {
		wal_fixture_close(&f);
		/* First noise in both copies, then an unknown incompat bit in
		 * headers that are otherwise right. */
		if (i == 0) {
			original.bytes[3] ^= 1;
			original.bytes[512 + 3] ^= 1;
		} else {
			struct wal_segment_header header;

			original.bytes[3] ^= 1;
			memcpy(&header, original.bytes, sizeof header);
			header.incompat = 1;
			header.crc = crc32c(0, &header, 60);
			memcpy(original.bytes, &header, sizeof header);
			memcpy(original.bytes + 512, &header, sizeof header);
		}
		file_write(original.path, original.bytes, original.size);
		wal_fixture_open(&f);
		assert_int_equal(f.found.count, 0);
		assert_int_equal(wal_counters(f.wal)->corrupt_segments, 1);
		assert_true(asprintf(&aside, "%s.corrupt", original.path) > 0);
		assert_int_equal(access(aside, F_OK), 0);
		assert_int_not_equal(access(original.path, F_OK), 0);
		assert_int_equal(wal_add_pattern(f.wal, WAL_STATE, 10, 1, NULL, NULL), 0);
		assert_int_equal(wal_commit(f.wal), 0);
		wal_fixture_open(&f);
		assert_int_equal(f.found.count, 1);
		assert_int_equal(f.found.entries[0].location.segment, 2);
		free(aside);
		wal_fixture_close(&f);
		test_directory_remove(f.dir);
		assert_int_equal(mkdir(f.dir, 0700), 0);
	}
	original_free(&original);
	wal_fixture_fini(&f);
}

static void a_segment_that_was_made_and_never_begun_is_removed(void **state)
{
	static const uint8_t zeros[100000];
	struct wal_fixture f;
	char *path;
	size_t size;

	(void)state;
	wal_fixture_init(&f, 0);
	path = wal_segment_path(&f, 1);
	for (size = 0; size <= sizeof zeros; size += 25000) {
		file_write(path, zeros, size);
		wal_fixture_open(&f);
		assert_int_equal(f.found.count, 0);
		assert_int_equal(wal_counters(f.wal)->corrupt_segments, 0);
		assert_int_not_equal(access(path, F_OK), 0);
		wal_fixture_close(&f);
	}
	free(path);
	wal_fixture_fini(&f);
}

static void unknown_kinds_and_foreign_files_are_passed_over(void **state)
{
	struct wal_fixture f;
	char *path;

	(void)state;
	wal_fixture_init(&f, 0);
	assert_true(asprintf(&path, "%s/wal-000000000000000x.log", f.dir) > 0);
	file_write(path, (const uint8_t *)"x", 1);
	wal_fixture_open(&f);
	assert_int_equal(wal_add_pattern(f.wal, (enum wal_kind)40, 50, 1, NULL, NULL), 0);
	assert_int_equal(wal_add_pattern(f.wal, (enum wal_kind)200, 50, 1, NULL, NULL), 0);
	assert_int_equal(wal_add_span_pattern(f.wal, 50, 1, 1, NULL), 0);
	assert_int_equal(wal_commit(f.wal), 0);
	wal_fixture_open(&f);
	assert_int_equal(f.found.count, 1);
	assert_int_equal(wal_counters(f.wal)->unknown_frames, 2);
	assert_int_equal(access(path, F_OK), 0);
	free(path);
	wal_fixture_fini(&f);
}

static void a_chain_without_its_end_is_ignored_and_what_follows_is_not(void **state)
{
	struct wal_location location;
	struct wal_fixture f;
	char *path;

	(void)state;
	wal_fixture_init(&f, 0);
	wal_fixture_open(&f);
	assert_int_equal(wal_add_pattern(f.wal, WAL_STATE, 100, 1, NULL, NULL), 0);
	assert_int_equal(wal_add_pattern(f.wal, WAL_STATE, 800000, 2, NULL, &location), 0);
	assert_int_equal(wal_commit(f.wal), 0);
	path = wal_segment_path(&f, 1);
	wal_fixture_close(&f);
	assert_int_equal(truncate(path, location.offset + 600000), 0);
	wal_fixture_open(&f);
	assert_int_equal(f.found.count, 1);
	assert_int_equal(wal_counters(f.wal)->incomplete_chains, 1);
	assert_int_equal(wal_add_pattern(f.wal, WAL_STATE, 300, 3, NULL, NULL), 0);
	assert_int_equal(wal_commit(f.wal), 0);
	wal_fixture_open(&f);
	assert_int_equal(f.found.count, 2);
	wal_pattern_check(f.found.entries[1].payload, 300, 3);
	assert_int_equal(wal_counters(f.wal)->damaged_frames, 0);
	free(path);
	wal_fixture_fini(&f);
}

static void only_two_segments_that_were_set_aside_are_kept(void **state)
{
	struct wal_fixture f;
	uint64_t number;
	char *path;

	(void)state;
	wal_fixture_init(&f, 0);
	for (number = 3; number < 9; number++) {
		char *name = wal_segment_path(&f, number);

		assert_true(asprintf(&path, "%s.corrupt", name) > 0);
		file_write(path, (const uint8_t *)"x", 1);
		free(path);
		free(name);
	}
	wal_fixture_open(&f);
	for (number = 3; number < 9; number++) {
		char *name = wal_segment_path(&f, number);

		assert_true(asprintf(&path, "%s.corrupt", name) > 0);
		assert_int_equal(access(path, F_OK) == 0, number >= 7);
		free(path);
		free(name);
	}
	wal_fixture_fini(&f);
}

static int stop_at_third(void *arg, const struct wal_entry *entry)
{
	int *n = arg;

	(void)entry;
	return ++*n == 3 ? -EINTR : 0;
}

static void the_callers_refusal_stops_recovery(void **state)
{
	struct original original;
	struct wal_fixture f;
	struct wal *wal;
	int n = 0;

	(void)state;
	wal_fixture_init(&f, 0);
	original_make(&f, &original);
	assert_int_equal(wal_new(&wal, &f.world.env, &f.options), 0);
	assert_int_equal(wal_recover(wal, stop_at_third, &n), -EINTR);
	assert_int_equal(n, 3);
	wal_free(wal);
	original_free(&original);
	wal_fixture_fini(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_log_cut_at_any_byte_gives_the_entries_in_front_of_the_cut),
		cmocka_unit_test(
			one_bit_flipped_anywhere_costs_one_frame_and_never_gives_wrong_content),
		cmocka_unit_test(a_zeroed_sector_costs_the_frames_that_touch_it),
		cmocka_unit_test(spans_and_numbers_go_on_behind_damage),
		cmocka_unit_test(
			a_reader_is_not_misled_by_the_length_of_a_frame_it_does_not_read),
		cmocka_unit_test(frames_of_another_segment_never_count),
		cmocka_unit_test(a_frame_at_the_wrong_place_costs_what_it_overwrote),
		cmocka_unit_test(a_segment_without_a_readable_header_is_set_aside_and_counted),
		cmocka_unit_test(a_segment_that_was_made_and_never_begun_is_removed),
		cmocka_unit_test(unknown_kinds_and_foreign_files_are_passed_over),
		cmocka_unit_test(a_chain_without_its_end_is_ignored_and_what_follows_is_not),
		cmocka_unit_test(only_two_segments_that_were_set_aside_are_kept),
		cmocka_unit_test(the_callers_refusal_stops_recovery),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
