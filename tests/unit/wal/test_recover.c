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
#include "wal_original.h"

static void spans_and_numbers_go_on_behind_damage(void **state)
{
	struct wal_original original;
	struct wal_reader *reader;
	struct finished_span span;
	struct wal_fixture f;
	uint64_t number, seen = 0, last = 0;
	size_t hit;

	(void)state;
	wal_fixture_init(&f, 0);
	wal_original_make(&original, &f, wal_original_fill);
	hit = original.found.entries[6].location.offset + 40;
	original.bytes[hit] ^= 0x10;
	wal_file_write(original.path, original.bytes, original.size);
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
	wal_original_free(&original);
	wal_fixture_fini(&f);
}

/* Their numbers are not given again, but nobody waits for spans that never were. */
static void numbers_jump_over_what_cannot_be_read_when_the_next_span_comes(void **state)
{
	struct wal_original original;
	struct wal_fixture f;
	uint64_t number, last;

	(void)state;
	wal_fixture_init(&f, 0);
	wal_original_make(&original, &f, wal_original_fill);
	last = original.found.entries[original.found.count - 1].sequence;
	file_env_arm(&f.world, (struct file_env_fault){.op = FILE_ENV_PREAD,
						       .kind = FILE_ENV_FAIL,
						       .nth = 1,
						       .times = UINT64_MAX,
						       .error = -EIO});
	assert_int_equal(wal_fixture_try_open(&f), 0); /* in this world */
	file_env_disarm(&f.world);
	assert_int_equal(f.found.count, 0);
	assert_int_equal(wal_last_span_number(f.wal), 0);
	assert_int_equal(wal_add_span_pattern(f.wal, 5, 1, 1, &number), 0);
	assert_true(number > last);
	assert_int_equal(wal_last_span_number(f.wal), number);
	wal_original_free(&original);
	wal_fixture_fini(&f);
}

/* A disk that went read-only, or a moment without descriptors: the start reads
 * everything or does not succeed, so that nobody takes the log for damaged and
 * cleans it. */
static void no_frame_is_lost_by_an_open_that_fails(void **state)
{
	static const int errors[] = {EROFS, EACCES, EMFILE, ENFILE, ENOMEM};
	struct wal_original original;
	struct wal_fixture f;
	uint64_t nth;
	bool fired;

	(void)state;
	wal_fixture_init(&f, 0);
	wal_original_make(&original, &f, wal_original_fill);
	for (unsigned i = 0; i < sizeof errors / sizeof errors[0]; i++) {
		for (nth = 1, fired = true; fired; nth++) {
			file_env_arm(&f.world, (struct file_env_fault){.op = FILE_ENV_OPEN,
								       .kind = FILE_ENV_FAIL,
								       .nth = nth,
								       .error = -errors[i]});
			if (wal_fixture_try_open(&f) == 0)
				assert_int_equal(f.found.count, original.found.count);
			fired = file_env_fired(&f.world);
			file_env_disarm(&f.world);
			wal_fixture_close(&f);
		}
	}
	assert_true(nth > 2);
	wal_original_free(&original);
	wal_fixture_fini(&f);
}

/* A reader passes RECORD frames over by their length. When that length lies,
 * it must still find every span. */
static void a_reader_is_not_misled_by_the_length_of_a_frame_it_does_not_read(void **state)
{
	struct wal_original original;
	struct wal_reader *reader;
	struct finished_span span;
	struct wal_fixture f;
	size_t i, bit;
	uint64_t seen;
	uint8_t *at;
	int fd;

	(void)state;
	wal_fixture_init(&f, 0);
	wal_original_make(&original, &f, wal_original_fill);
	for (i = 0; i < original.found.count; i++) {
		if (original.found.entries[i].kind != WAL_RECORD)
			continue;
		at = original.bytes + original.found.entries[i].location.offset;
		for (bit = 0; bit < 16; bit++) {
			/* Damage after recovery, so that only the reader meets it. */
			wal_file_write(original.path, original.bytes, original.size);
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
	wal_original_free(&original);
	wal_fixture_fini(&f);
}

static void a_segment_without_a_readable_header_is_set_aside_and_counted(void **state)
{
	struct wal_original original;
	struct wal_fixture f;
	char *aside;
	int i;

	(void)state;
	wal_fixture_init(&f, 0);
	wal_original_make(&original, &f, wal_original_fill);
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
		wal_file_write(original.path, original.bytes, original.size);
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
	wal_original_free(&original);
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
		wal_file_write(path, zeros, size);
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
	wal_file_write(path, (const uint8_t *)"x", 1);
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
		wal_file_write(path, (const uint8_t *)"x", 1);
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
	struct wal_original original;
	struct wal_fixture f;
	struct wal *wal;
	int n = 0;

	(void)state;
	wal_fixture_init(&f, 0);
	wal_original_make(&original, &f, wal_original_fill);
	assert_int_equal(wal_new(&wal, &f.world.env, &f.options), 0);
	assert_int_equal(wal_recover(wal, stop_at_third, &n), -EINTR);
	assert_int_equal(n, 3);
	wal_free(wal);
	wal_original_free(&original);
	wal_fixture_fini(&f);
}

/* What waits for a sequence must never be answered by an older frame's. */
static void the_sequence_goes_on_behind_the_last_one_found(void **state)
{
	uint64_t last, next;
	struct wal_fixture f;

	(void)state;
	wal_fixture_init(&f, 0);
	wal_fixture_open(&f);
	for (int i = 0; i < 3; i++)
		assert_int_equal(wal_add_pattern(f.wal, WAL_RECORD, 100, 1, &last, NULL), 0);
	assert_int_equal(wal_commit(f.wal), 0);
	wal_fixture_close(&f);
	wal_fixture_open(&f);
	assert_int_equal(wal_logged_sequence(f.wal), last);
	assert_int_equal(wal_add_pattern(f.wal, WAL_RECORD, 100, 1, &next, NULL), 0);
	assert_int_equal(next, last + 1);
	wal_fixture_fini(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(spans_and_numbers_go_on_behind_damage),
		cmocka_unit_test(
			numbers_jump_over_what_cannot_be_read_when_the_next_span_comes),
		cmocka_unit_test(no_frame_is_lost_by_an_open_that_fails),
		cmocka_unit_test(
			a_reader_is_not_misled_by_the_length_of_a_frame_it_does_not_read),
		cmocka_unit_test(a_segment_without_a_readable_header_is_set_aside_and_counted),
		cmocka_unit_test(a_segment_that_was_made_and_never_begun_is_removed),
		cmocka_unit_test(unknown_kinds_and_foreign_files_are_passed_over),
		cmocka_unit_test(a_chain_without_its_end_is_ignored_and_what_follows_is_not),
		cmocka_unit_test(only_two_segments_that_were_set_aside_are_kept),
		cmocka_unit_test(the_callers_refusal_stops_recovery),
		cmocka_unit_test(the_sequence_goes_on_behind_the_last_one_found),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
