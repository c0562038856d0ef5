/* D1, D2, D3: a log cut at every byte, with any bit flipped, with holes, and with
 * frames where they do not belong. What recovery finds is always a part of what was
 * there, in order and unchanged; only what was touched is missing, and it is counted. */
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

#include "wal_original.h"

#define CUT_BYTES ((size_t)64 << 10)
#define FLIPS 1000

static unsigned long cuts, flips, rearranged;

static void a_log_cut_at_any_byte_gives_the_entries_in_front_of_the_cut(void **state)
{
	struct wal_original original;
	struct wal_fixture f;
	size_t cut, i, lost, whole;
	uint64_t end;

	(void)state;
	wal_fixture_init(&f, 0);
	wal_original_make(&original, &f, wal_original_fill);
	for (cut = 0; cut <= original.size; cut++) {
		wal_file_write(original.path, original.bytes, cut);
		wal_fixture_open(&f);
		cuts++;
		for (i = 0, whole = 0; i < original.found.count; i++) {
			end = original.found.entries[i].location.offset + 32 +
			      original.found.entries[i].len;
			whole += ((end + 7) & ~UINT64_C(7)) <= cut;
		}
		assert_int_equal(f.found.count, whole);
		(void)wal_original_missing(&original, &f.found, &lost);
		assert_int_equal(lost, 0);
		assert_int_equal(wal_counters(f.wal)->damaged_frames, 0);
		assert_int_equal(wal_counters(f.wal)->corrupt_segments, 0);
		wal_fixture_close(&f);
		test_directory_remove(f.dir);
		assert_int_equal(mkdir(f.dir, 0700), 0);
	}
	wal_original_free(&original);
	wal_fixture_fini(&f);
}

/* Frames of all sizes up to a whole window, 80 KiB and more. */
static void fill_for_cuts(struct wal *wal)
{
	for (uint64_t i = 0; i < 60; i++) {
		assert_int_equal(wal_add_span_pattern(wal, 10 + i * 61 % 1700, i, i % 2, NULL),
				 0);
		if (i % 4 == 0)
			assert_int_equal(
				wal_add_pattern(wal, WAL_RECORD, 300 + i * 20, i, NULL, NULL),
				0);
	}
	assert_int_equal(wal_add_pattern(wal, WAL_STATE, 9000, 77, NULL, NULL), 0);
	assert_int_equal(wal_commit(wal), 0);
}

struct prefix {
	const struct wal_original *original;
	size_t count;
};

static int next_of_prefix(void *arg, const struct wal_entry *entry)
{
	struct prefix *prefix = arg;
	const struct wal_found_entry *expected;

	assert_true(prefix->count < prefix->original->found.count);
	expected = &prefix->original->found.entries[prefix->count++];
	assert_int_equal(entry->kind, expected->kind);
	assert_int_equal(entry->sequence, expected->sequence);
	assert_int_equal(entry->payload.len, expected->len);
	assert_memory_equal(entry->payload.at, expected->payload, expected->len);
	return 0;
}

/* One cut, straight through the log's own calls: there are 65,536 of them.
 * Recovery cuts the file back to its last whole frame; the bytes behind that
 * are put back by the next, shorter cut. */
static void cut_and_recover(struct wal_fixture *f, const struct wal_original *original, int fd,
			    size_t cut, size_t kept, size_t entries)
{
	struct prefix prefix = {.original = original};
	struct stat st;
	struct wal *wal;

	assert_int_equal(ftruncate(fd, (off_t)kept), 0);
	assert_int_equal(pwrite(fd, original->bytes + kept, cut - kept, (off_t)kept),
			 cut - kept);
	assert_int_equal(wal_new(&wal, &f->world.env, &f->options), 0);
	assert_int_equal(wal_recover(wal, next_of_prefix, &prefix), 0);
	assert_int_equal(prefix.count, entries);
	assert_int_equal(wal_counters(wal)->damaged_frames, 0);
	assert_int_equal(wal_counters(wal)->corrupt_segments, 0);
	assert_true(wal_counters(wal)->cut_bytes <= cut - kept);
	wal_free(wal);
	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(st.st_size, kept);
	cuts++;
}

/* Where the last whole frame in front of `cut` ends, SCOPE frames too: they are
 * entries of nobody, so their bytes belong to the entry behind. */
static size_t whole_in_front(const struct wal_original *original, size_t cut, size_t *ret_kept)
{
	const struct wal_found_entry *entry;
	struct wal_frame_head head;
	size_t at = WAL_FRAMES_OFFSET, whole = 0, next;

	for (;;) {
		if (at + sizeof head > cut)
			break;
		memcpy(&head, original->bytes + at, sizeof head);
		next = at + ((sizeof head + head.length + 7) & ~(size_t)7);
		if (next > cut)
			break;
		entry = &original->found.entries[whole];
		if (whole < original->found.count && entry->location.offset == at)
			whole++;
		at = next;
	}
	*ret_kept = at;
	return whole;
}

static void a_cut_at_any_byte_of_the_last_64_kib_gives_what_is_in_front_of_it(void **state)
{
	struct wal_original original;
	struct wal_fixture f;
	size_t cut, kept, whole;
	int fd;

	(void)state;
	wal_fixture_init(&f, 0);
	wal_original_make(&original, &f, fill_for_cuts);
	assert_true(original.size > CUT_BYTES + WAL_FRAMES_OFFSET);
	fd = open(original.path, O_RDWR | O_CLOEXEC);
	assert_true(fd >= 0);
	for (cut = original.size; cut >= original.size - CUT_BYTES; cut--) {
		whole = whole_in_front(&original, cut, &kept);
		cut_and_recover(&f, &original, fd, cut, kept, whole);
	}
	close(fd);
	wal_original_free(&original);
	wal_fixture_fini(&f);
}

static void one_bit_flipped_anywhere_costs_one_frame_and_never_gives_wrong_content(void **state)
{
	struct wal_original original;
	struct wal_fixture f;
	size_t bit, lost, scopes;

	(void)state;
	wal_fixture_init(&f, 0);
	wal_original_make(&original, &f, wal_original_fill);
	for (bit = 0; bit < original.size * 8; bit++) {
		original.bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
		wal_file_write(original.path, original.bytes, original.size);
		original.bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
		wal_fixture_open(&f);
		flips++;
		lost = wal_original_missing(&original, &f.found, &scopes);
		/* One entry, or one SCOPE frame and with it what it said. */
		assert_true(lost == 0 || (lost == 1 && scopes == 0));
		assert_int_equal(wal_counters(f.wal)->corrupt_segments, 0);
		assert_int_equal(wal_counters(f.wal)->lost_scopes, scopes);
		if (lost || scopes)
			assert_true(wal_counters(f.wal)->damaged_frames == 1 ||
				    wal_counters(f.wal)->cut_bytes > 0);
		wal_fixture_close(&f);
	}
	wal_original_free(&original);
	wal_fixture_fini(&f);
}

/* Among them chains of several frames. */
static void fill_1_mib(struct wal *wal)
{
	for (uint64_t i = 0; i < 600; i++) {
		size_t len = i % 97 == 0 ? 300000 : 30 + i * 7919 % 1500;

		if (i % 3 == 1)
			assert_int_equal(wal_add_span_pattern(wal, len, i, i % 2, NULL), 0);
		else
			assert_int_equal(wal_add_pattern(wal, WAL_RECORD, len, i, NULL, NULL),
					 0);
		assert_int_equal(wal_commit(wal), 0);
	}
}

static uint64_t next_random(uint64_t *x)
{
	*x ^= *x << 13;
	*x ^= *x >> 7;
	*x ^= *x << 17;
	return *x >> 8;
}

static void a_bit_flipped_anywhere_in_1_mib_costs_one_entry(void **state)
{
	const char *seed = getenv("SEED");
	uint64_t x = seed ? strtoull(seed, NULL, 0) | 1 : 0x2545f4914f6cdd1d;
	struct wal_original original;
	struct wal_fixture f;
	size_t bit, lost, scopes;
	int round;

	(void)state;
	printf("seed %#lx\n", (unsigned long)x);
	wal_fixture_init(&f, 0);
	wal_original_make(&original, &f, fill_1_mib);
	assert_true(original.size > 1 << 20);
	for (round = 0; round < FLIPS; round++) {
		bit = next_random(&x) % (original.size * 8);
		original.bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
		wal_file_write(original.path, original.bytes, original.size);
		original.bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
		wal_fixture_open(&f);
		flips++;
		lost = wal_original_missing(&original, &f.found, &scopes);
		assert_true(lost == 0 || (lost == 1 && scopes == 0));
		if (lost || scopes)
			assert_true(wal_counters(f.wal)->damaged_frames > 0 ||
				    wal_counters(f.wal)->cut_bytes > 0);
		wal_fixture_close(&f);
	}
	wal_original_free(&original);
	wal_fixture_fini(&f);
}

/* Entries of several sectors, so that a hole may lie inside one. */
static void fill_wide(struct wal *wal)
{
	for (uint64_t i = 0; i < 12; i++)
		assert_int_equal(wal_add_span_pattern(wal, 200 + i * 430, i, i % 2, NULL), 0);
	assert_int_equal(wal_commit(wal), 0);
}

/* A write that never came, in front of one that did; a sector a disk forgot. */
static void holes_cost_the_frames_that_touch_them(wal_fill_fn *fill, size_t hole)
{
	struct wal_original original;
	struct wal_fixture f;
	uint8_t *bytes;
	size_t at, i, touched, lost, scopes;

	wal_fixture_init(&f, 0);
	wal_original_make(&original, &f, fill);
	bytes = malloc(original.size + hole);
	for (at = 0; at < original.size; at += 512) {
		/* Both copies of the header gone is a lost segment: another row. */
		if (at == 0 && hole > 512)
			continue;
		memcpy(bytes, original.bytes, original.size);
		memset(bytes + at, 0, at + hole < original.size ? hole : original.size - at);
		wal_file_write(original.path, bytes, original.size);
		wal_fixture_open(&f);
		rearranged++;
		for (i = 0, touched = 0; i < original.found.count; i++)
			touched += original.found.entries[i].location.offset < at + hole &&
				   wal_original_end(&original, i) > at;
		lost = wal_original_missing(&original, &f.found, &scopes);
		assert_true(lost <= touched);
		if (lost)
			assert_true(wal_counters(f.wal)->damaged_frames > 0 ||
				    wal_counters(f.wal)->cut_bytes > 0);
		wal_fixture_close(&f);
	}
	free(bytes);
	wal_original_free(&original);
	wal_fixture_fini(&f);
}

static void a_hole_costs_the_frames_that_touch_it(void **state)
{
	(void)state;
	holes_cost_the_frames_that_touch_them(wal_original_fill, 512);
	holes_cost_the_frames_that_touch_them(fill_wide, 512);
	holes_cost_the_frames_that_touch_them(fill_wide, 4096);
	holes_cost_the_frames_that_touch_them(fill_wide, 8192);
}

static void frames_of_another_segment_never_count(void **state)
{
	struct wal_original original;
	struct wal_fixture f;
	uint8_t *bytes;
	size_t i, half;

	(void)state;
	wal_fixture_init(&f, 0);
	wal_original_make(&original, &f, wal_original_fill);
	/* The first half as it should be, behind it what another log with
	 * another salt left at the same place. */
	bytes = malloc(original.size);
	memcpy(bytes, original.bytes, original.size);
	wal_fixture_close(&f);
	assert_int_equal(unlink(original.path), 0);
	f.seed += 100;
	wal_fixture_open(&f);
	wal_original_fill(f.wal);
	wal_fixture_open(&f);
	wal_fixture_close(&f);
	free(original.bytes);
	original.bytes = wal_file_read(original.path, &original.size);
	half = original.found.entries[8].location.offset;
	memcpy(original.bytes, bytes, half);
	wal_file_write(original.path, original.bytes, original.size);
	wal_fixture_open(&f);
	assert_int_equal(f.found.count, 8);
	for (i = 0; i < 8; i++)
		assert_true(wal_entry_same(&f.found.entries[i], &original.found.entries[i]));
	/* Padding at the very end reads like the zeros behind it. */
	assert_in_range(wal_counters(f.wal)->cut_bytes, original.size - half - 7,
			original.size - half);
	free(bytes);
	wal_original_free(&original);
	wal_fixture_fini(&f);
}

/* A frame with the right salt and CRC at a wrong place: a disk wrote it twice,
 * or to where another one belongs. Only what it overwrote is missing. */
static void a_frame_at_the_wrong_place_costs_what_it_overwrote(void **state)
{
	struct wal_original original;
	struct wal_fixture f;
	uint8_t *bytes;
	size_t i, j, k, from, len, to, touched, lost, scopes;

	(void)state;
	wal_fixture_init(&f, 0);
	wal_original_make(&original, &f, wal_original_fill);
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
			wal_file_write(original.path, bytes, original.size);
			wal_fixture_open(&f);
			rearranged++;
			lost = wal_original_missing(&original, &f.found, &scopes);
			assert_true(lost >= 1 && lost <= touched);
			wal_fixture_close(&f);
		}
	}
	free(bytes);
	wal_original_free(&original);
	wal_fixture_fini(&f);
}

/* Frames of equal length, so that each stands where the other should. */
static void fill_even(struct wal *wal)
{
	for (uint64_t i = 0; i < 12; i++)
		assert_int_equal(wal_add_pattern(wal, WAL_RECORD, 240, i, NULL, NULL), 0);
	assert_int_equal(wal_commit(wal), 0);
}

static void swapped_frames_cost_those_two(void **state)
{
	struct wal_original original;
	struct wal_fixture f;
	uint8_t *bytes;
	size_t i, j, len, scopes;

	(void)state;
	wal_fixture_init(&f, 0);
	wal_original_make(&original, &f, fill_even);
	bytes = malloc(original.size);
	len = wal_original_end(&original, 0) - original.found.entries[0].location.offset;
	for (i = 0; i < original.found.count; i++)
		for (j = i + 1; j < original.found.count; j++) {
			memcpy(bytes, original.bytes, original.size);
			memcpy(bytes + original.found.entries[i].location.offset,
			       original.bytes + original.found.entries[j].location.offset, len);
			memcpy(bytes + original.found.entries[j].location.offset,
			       original.bytes + original.found.entries[i].location.offset, len);
			wal_file_write(original.path, bytes, original.size);
			wal_fixture_open(&f);
			rearranged++;
			assert_int_equal(wal_original_missing(&original, &f.found, &scopes), 2);
			assert_true(wal_counters(f.wal)->damaged_frames > 0 ||
				    wal_counters(f.wal)->cut_bytes > 0);
			wal_fixture_close(&f);
		}
	free(bytes);
	wal_original_free(&original);
	wal_fixture_fini(&f);
}

int main(void)
{
	const struct CMUnitTest cut[] = {
		cmocka_unit_test(a_log_cut_at_any_byte_gives_the_entries_in_front_of_the_cut),
		cmocka_unit_test(
			a_cut_at_any_byte_of_the_last_64_kib_gives_what_is_in_front_of_it),
	};
	const struct CMUnitTest flip[] = {
		cmocka_unit_test(
			one_bit_flipped_anywhere_costs_one_frame_and_never_gives_wrong_content),
		cmocka_unit_test(a_bit_flipped_anywhere_in_1_mib_costs_one_entry),
	};
	const struct CMUnitTest rearrange[] = {
		cmocka_unit_test(a_hole_costs_the_frames_that_touch_it),
		cmocka_unit_test(frames_of_another_segment_never_count),
		cmocka_unit_test(a_frame_at_the_wrong_place_costs_what_it_overwrote),
		cmocka_unit_test(swapped_frames_cost_those_two),
	};
	int failed;

	failed = cmocka_run_group_tests(cut, NULL, NULL);
	if (!failed)
		printf("row D1 passed: %lu cuts, nothing in front of one lost\n", cuts);
	failed += cmocka_run_group_tests(flip, NULL, NULL);
	if (!failed)
		printf("row D2 passed: %lu flips, one frame each at most\n", flips);
	failed += cmocka_run_group_tests(rearrange, NULL, NULL);
	if (!failed)
		printf("row D3 passed: %lu logs with holes or frames out of place\n",
		       rearranged);
	return failed ? 1 : 0;
}
