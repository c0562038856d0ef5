#include "wal/wal.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "wal_fixture.h"

#define KIB(n) ((size_t)(n) << 10)

static const size_t sizes[] = {
	0,
	1,
	7,
	8,
	9,
	300,
	KIB(256) - 1,
	KIB(256),
	KIB(256) + 1,
	KIB(512) - 1,
	KIB(512),
	KIB(512) + 1,
	800000,
	KIB(10240),
};
#define SIZES (sizeof sizes / sizeof sizes[0])

static void every_kind_and_size_comes_back_as_it_was_added(void **state)
{
	struct wal_location locations[16 * SIZES];
	uint64_t sequences[16 * SIZES];
	struct wal_fixture f;
	size_t i, n = 0;
	int kind;

	(void)state;
	wal_fixture_init(&f, 0);
	wal_fixture_open(&f);
	for (kind = WAL_RECORD; kind <= WAL_KIND_LAST; kind++) {
		if (kind == WAL_SPAN || kind == WAL_SCOPE)
			continue;
		for (i = 0; i < SIZES; i++, n++) {
			assert_int_equal(wal_add_pattern(f.wal, kind, sizes[i], n,
							 &sequences[n], &locations[n]),
					 0);
			assert_int_equal(wal_commit(f.wal), 0);
			assert_int_equal(wal_logged_sequence(f.wal), sequences[n]);
		}
	}
	wal_fixture_open(&f);
	assert_int_equal(f.found.count, n);
	for (i = 0; i < n; i++) {
		assert_int_equal(f.found.entries[i].sequence, sequences[i]);
		assert_int_equal(f.found.entries[i].len, sizes[i % SIZES]);
		assert_int_equal(f.found.entries[i].location.segment, locations[i].segment);
		assert_int_equal(f.found.entries[i].location.offset, locations[i].offset);
		wal_pattern_check(f.found.entries[i].payload, f.found.entries[i].len, i);
	}
	assert_int_equal(wal_counters(f.wal)->damaged_frames, 0);
	assert_int_equal(wal_counters(f.wal)->cut_bytes, 0);
	assert_int_equal(wal_counters(f.wal)->incomplete_chains, 0);
	wal_fixture_fini(&f);
}

static void spans_are_numbered_without_gaps_over_restarts(void **state)
{
	struct wal_fixture f;
	uint64_t number, expected = 0;
	size_t i, n;
	int life;

	(void)state;
	wal_fixture_init(&f, 64 << 10);
	for (life = 0; life < 4; life++) {
		wal_fixture_open(&f);
		assert_int_equal(wal_last_span_number(f.wal), expected);
		for (i = 0; i < 500; i++) {
			assert_int_equal(wal_add_span_pattern(f.wal, 300, i, i % 3, &number),
					 0);
			assert_int_equal(number, ++expected);
			if (i % 7 == 0)
				assert_int_equal(wal_commit(f.wal), 0);
		}
		assert_int_equal(wal_commit(f.wal), 0);
	}
	wal_fixture_open(&f);
	for (i = 0, n = 0; i < f.found.count; i++) {
		if (f.found.entries[i].kind == WAL_SPAN)
			assert_int_equal(f.found.entries[i].number, ++n);
	}
	assert_int_equal(n, expected);
	wal_fixture_fini(&f);
}

static void a_resource_is_written_once_per_segment_and_comes_back_with_each_span(void **state)
{
	struct wal_fixture f;
	char text[32];
	size_t i;

	(void)state;
	wal_fixture_init(&f, 64 << 10);
	wal_fixture_open(&f);
	for (i = 0; i < 1000; i++)
		assert_int_equal(wal_add_span_pattern(f.wal, 200, i, i % 5, NULL), 0);
	assert_int_equal(wal_commit(f.wal), 0);
	/* 1,000 spans of 288 bytes take five segments; five scopes in each. */
	assert_int_equal(wal_counters(f.wal)->segments, 5);
	assert_int_equal(wal_counters(f.wal)->frames, 1000 + 5 * 5);
	wal_fixture_open(&f);
	assert_int_equal(f.found.count, 1000);
	for (i = 0; i < 1000; i++) {
		snprintf(text, sizeof text, "resource %zu", i % 5);
		assert_int_equal(f.found.entries[i].resource_len, strlen(text));
		assert_memory_equal(f.found.entries[i].resource, text, strlen(text));
		wal_pattern_check(f.found.entries[i].payload + sizeof(struct wal_span), 200, i);
	}
	assert_int_equal(wal_counters(f.wal)->lost_scopes, 0);
	wal_fixture_fini(&f);
}

static void a_chain_larger_than_a_segment_gets_one_of_its_own(void **state)
{
	struct wal_fixture f;
	struct wal_location location;

	(void)state;
	wal_fixture_init(&f, 64 << 10);
	wal_fixture_open(&f);
	assert_int_equal(wal_add_pattern(f.wal, WAL_RECORD, 100, 1, NULL, NULL), 0);
	assert_int_equal(wal_add_pattern(f.wal, WAL_STATE, KIB(2000), 2, NULL, &location), 0);
	assert_int_equal(location.segment, 2);
	assert_int_equal(wal_add_pattern(f.wal, WAL_RECORD, 100, 3, NULL, &location), 0);
	assert_int_equal(location.segment, 3);
	assert_int_equal(wal_commit(f.wal), 0);
	wal_fixture_open(&f);
	assert_int_equal(f.found.count, 3);
	wal_pattern_check(f.found.entries[1].payload, KIB(2000), 2);
	wal_fixture_fini(&f);
}

static void what_is_too_long_or_too_much_is_refused_and_nothing_is_added(void **state)
{
	static uint8_t one_mib[1 << 20];
	struct iovec part = {one_mib, sizeof one_mib};
	struct iovec parts[257];
	struct wal_fixture f;
	uint64_t sequence;
	int i, n = 0;

	(void)state;
	wal_fixture_init(&f, 0);
	f.options.memory_bytes_max = 3 << 20;
	wal_fixture_open(&f);
	for (i = 0; i < 257; i++)
		parts[i] = part;
	assert_int_equal(wal_add(f.wal, WAL_STATE, parts, 257, &sequence, NULL), -E2BIG);
	while (wal_add(f.wal, WAL_STATE, &part, 1, &sequence, NULL) == 0)
		n++;
	assert_int_equal(n, 2);
	assert_int_equal(wal_add(f.wal, WAL_STATE, &part, 1, &sequence, NULL), -ENOBUFS);
	assert_int_equal(wal_commit(f.wal), 0);
	/* One chain alone is always taken, or it could never be. */
	assert_int_equal(wal_add(f.wal, WAL_STATE, parts, 5, &sequence, NULL), 0);
	assert_int_equal(wal_commit(f.wal), 0);
	wal_fixture_open(&f);
	assert_int_equal(f.found.count, 3);
	wal_fixture_fini(&f);
}

static void records_are_refused_when_the_log_is_over_its_size_but_states_are_not(void **state)
{
	struct wal_fixture f;
	int r = 0, i;

	(void)state;
	wal_fixture_init(&f, 64 << 10);
	f.options.max_bytes = 1 << 20;
	wal_fixture_open(&f);
	for (i = 0; i < 10000 && r == 0; i++) {
		r = wal_add_pattern(f.wal, WAL_RECORD, 1000, 1, NULL, NULL);
		assert_int_equal(wal_commit(f.wal), 0);
	}
	assert_int_equal(r, -ENOBUFS);
	assert_in_range(wal_bytes(f.wal), 1 << 20, 3 << 19);
	for (i = 0; i < 1000; i++)
		assert_int_equal(wal_add_pattern(f.wal, WAL_STATE, 1000, 1, NULL, NULL), 0);
	wal_fixture_fini(&f);
}

static int add_span_of(struct wal_fixture *f, const uint8_t *instance)
{
	static const uint8_t bytes[1000];
	struct finished_span span = {.trace_id = {1}, .span = {bytes, sizeof bytes}};
	uint64_t sequence;

	return wal_add_span(f->wal, &span, instance, NULL, &sequence);
}

static void received_spans_are_refused_like_records_and_finished_ones_are_not(void **state)
{
	static const uint8_t instance[16] = {1};
	struct wal_fixture f;
	int r = 0, i;

	(void)state;
	wal_fixture_init(&f, 64 << 10);
	f.options.max_bytes = 1 << 20;
	wal_fixture_open(&f);
	for (i = 0; i < 10000 && r == 0; i++) {
		r = add_span_of(&f, NULL);
		assert_int_equal(wal_commit(f.wal), 0);
	}
	assert_int_equal(r, -ENOBUFS);
	assert_in_range(wal_bytes(f.wal), 1 << 20, 3 << 19);
	for (i = 0; i < 1000; i++)
		assert_int_equal(add_span_of(&f, instance), 0);
	wal_fixture_fini(&f);
}

static void a_segment_that_a_span_began_is_no_room_for_records(void **state)
{
	static const uint8_t instance[16] = {1};
	struct wal_fixture f;
	int r = 0, i;

	(void)state;
	wal_fixture_init(&f, 64 << 10);
	f.options.max_bytes = 1 << 20;
	wal_fixture_open(&f);
	for (i = 0; i < 10000 && r == 0; i++) {
		r = wal_add_pattern(f.wal, WAL_RECORD, 1000, 1, NULL, NULL);
		assert_int_equal(wal_commit(f.wal), 0);
	}
	assert_int_equal(r, -ENOBUFS);
	for (i = 0; i < 1000; i++) {
		assert_int_equal(add_span_of(&f, instance), 0);
		assert_int_equal(wal_add_pattern(f.wal, WAL_RECORD, 1000, 1, NULL, NULL),
				 -ENOBUFS);
		assert_int_equal(wal_commit(f.wal), 0);
	}
	wal_fixture_fini(&f);
}

static void open_spans_may_take_the_log_over_its_size_but_not_over_half_the_disk(void **state)
{
	struct wal_fixture f;
	int r = 0, i;

	(void)state;
	wal_fixture_init(&f, 64 << 10);
	f.options.max_bytes = 1 << 20;
	file_env_init(&f.world, 1);
	f.world.space = 8 << 20;
	assert_int_equal(wal_fixture_try_open(&f), 0);
	wal_set_open_bytes(f.wal, 1 << 20);
	for (i = 0; i < 20000 && r == 0; i++) {
		r = wal_add_pattern(f.wal, WAL_RECORD, 1000, 1, NULL, NULL);
		assert_int_equal(wal_commit(f.wal), 0);
	}
	assert_int_equal(r, -ENOBUFS);
	assert_in_range(wal_bytes(f.wal), 3 << 20, 7 << 19);

	wal_set_open_bytes(f.wal, UINT64_C(1) << 40);
	for (i = 0, r = 0; i < 20000 && r == 0; i++) {
		r = wal_add_pattern(f.wal, WAL_RECORD, 1000, 1, NULL, NULL);
		assert_int_equal(wal_commit(f.wal), 0);
	}
	assert_int_equal(r, -ENOBUFS);
	assert_in_range(wal_bytes(f.wal), 7 << 19, 5 << 20);
	wal_fixture_fini(&f);
}

static void the_log_takes_half_of_a_small_disk_in_small_segments(void **state)
{
	struct wal_fixture f;
	int r = 0, i;

	(void)state;
	wal_fixture_init(&f, 0);
	f.options.max_bytes = UINT64_C(2) << 30;
	file_env_init(&f.world, 1);
	f.world.space = 20 << 20;
	assert_int_equal(wal_fixture_try_open(&f), 0);
	assert_int_equal(wal_max_bytes(f.wal), 10 << 20);
	for (i = 0; i < 40000 && r == 0; i++) {
		r = wal_add_pattern(f.wal, WAL_RECORD, 1000, 1, NULL, NULL);
		assert_int_equal(wal_commit(f.wal), 0);
	}
	assert_int_equal(r, -ENOBUFS);
	assert_in_range(wal_bytes(f.wal), 10 << 20, 16 << 20);
	f.world.space = UINT64_C(100) << 30;
	assert_int_equal(wal_fixture_try_open(&f), 0);
	assert_int_equal(wal_max_bytes(f.wal), UINT64_C(2) << 30);
	wal_fixture_fini(&f);
}

static struct slice slice_make(uint32_t i, const uint8_t *records, size_t len)
{
	return (struct slice){
		.block = i,
		.generation = i + 1,
		.start = i + 2,
		.end = i + 3,
		.thread = i + 4,
		.thread_block = i + 5,
		.first_record = i + 6,
		.record_count = i + 7,
		.dropped_count = i + 8,
		.sealed = i % 2,
		.records = {records, len},
	};
}

static void slice_equal(const struct slice *a, const struct slice *b)
{
	assert_int_equal(a->block, b->block);
	assert_int_equal(a->generation, b->generation);
	assert_int_equal(a->start, b->start);
	assert_int_equal(a->end, b->end);
	assert_int_equal(a->thread, b->thread);
	assert_int_equal(a->thread_block, b->thread_block);
	assert_int_equal(a->first_record, b->first_record);
	assert_int_equal(a->record_count, b->record_count);
	assert_int_equal(a->dropped_count, b->dropped_count);
	assert_int_equal(a->sealed, b->sealed);
	assert_true(bytes_equal(a->records, b->records));
}

static void slices_come_back_one_by_one_and_where_they_were_said_to_be(void **state)
{
	static uint8_t records[400000];
	static const size_t lens[] = {0, 8, 24, 300000, 16, 399992};
	uint32_t offsets[6], offset, i = 0;
	struct slice slices[6], slice;
	struct wal_location location;
	struct wal_fixture f;
	uint8_t instance[16] = "0123456789abcde", loaded[64];
	struct bytes payload;
	uint64_t sequence;
	size_t at = 0;
	int r;

	(void)state;
	wal_pattern(records, sizeof records, 9);
	for (i = 0; i < 6; i++)
		slices[i] = slice_make(i, records + i, lens[i]);
	wal_fixture_init(&f, 0);
	wal_fixture_open(&f);
	assert_int_equal(
		wal_add_slices(f.wal, instance, slices, 6, &sequence, &location, offsets), 0);
	assert_int_equal(wal_commit(f.wal), 0);
	for (i = 1; i < 6; i++) {
		size_t n = lens[i] < sizeof loaded ? lens[i] : sizeof loaded;

		assert_int_equal(wal_load(f.wal, location, offsets[i] + lens[i] - n, n, loaded),
				 0);
		assert_memory_equal(loaded, slices[i].records.at + lens[i] - n, n);
	}
	wal_fixture_open(&f);
	assert_int_equal(f.found.count, 1);
	payload = (struct bytes){f.found.entries[0].payload, f.found.entries[0].len};
	assert_memory_equal(payload.at, instance, 16);
	for (i = 0; (r = wal_record_next(payload, &at, &slice, &offset)) > 0; i++) {
		slice_equal(&slice, &slices[i]);
		assert_int_equal(offset, offsets[i]);
	}
	assert_int_equal(r, 0);
	assert_int_equal(i, 6);
	wal_fixture_fini(&f);
}

static void a_record_payload_cut_anywhere_is_refused_or_ends_at_a_slice(void **state)
{
	uint8_t payload[sizeof(struct wal_record) + 2 * (sizeof(struct wal_slice) + 16)] = {0};
	struct wal_slice head = {.length = 16};
	struct slice slice;
	uint32_t offset;
	size_t len, at;
	int r;

	(void)state;
	memcpy(payload + 24, &head, sizeof head);
	memcpy(payload + 24 + 64, &head, sizeof head);
	for (len = 0; len <= sizeof payload; len++) {
		uint8_t *exact = malloc(len + 1);

		memcpy(exact, payload, len);
		at = 0;
		while ((r = wal_record_next((struct bytes){exact, len}, &at, &slice, &offset)) >
		       0)
			assert_true(slice.records.at + slice.records.len <= exact + len);
		assert_int_equal(r, len == 24 || len == 88 || len == 152 ? 0 : -EBADMSG);
		free(exact);
	}
}

static void any_part_of_a_chain_can_be_loaded_logged_or_pending(void **state)
{
	static const size_t from[] = {0, 1, KIB(256) - 1, KIB(256), KIB(512) - 3, 799000};
	struct wal_location location;
	uint8_t *all = malloc(800000), *part = malloc(800000);
	struct wal_fixture f;
	size_t i, len;
	int pass;

	(void)state;
	wal_pattern(all, 800000, 5);
	wal_fixture_init(&f, 0);
	wal_fixture_open(&f);
	assert_int_equal(wal_add_pattern(f.wal, WAL_CURSOR, 77, 1, NULL, NULL), 0);
	assert_int_equal(wal_commit(f.wal), 0);
	assert_int_equal(wal_add_pattern(f.wal, WAL_RECORD, 800000, 5, NULL, &location), 0);
	for (pass = 0; pass < 3; pass++) {
		for (i = 0; i < sizeof from / sizeof from[0]; i++) {
			for (len = 0; from[i] + len <= 800000; len = len * 5 + 1) {
				memset(part, 0, len);
				assert_int_equal(wal_load(f.wal, location, from[i], len, part),
						 0);
				assert_memory_equal(part, all + from[i], len);
			}
		}
		assert_int_equal(wal_load(f.wal, location, 800000, 1, part), -EINVAL);
		assert_int_equal(wal_load(f.wal, location, 0, 800001, part), -EINVAL);
		if (pass == 0)
			assert_int_equal(wal_commit(f.wal), 0);
		if (pass == 1)
			wal_fixture_open(&f); /* a recovered segment as well */
	}
	location.offset += 8;
	assert_int_equal(wal_load(f.wal, location, 0, 1, part), -EBADMSG);
	location.segment = 99;
	assert_int_equal(wal_load(f.wal, location, 0, 1, part), -ENOENT);
	free(all);
	free(part);
	wal_fixture_fini(&f);
}

static void a_second_agent_is_refused(void **state)
{
	struct wal_fixture f;
	struct wal *second;

	(void)state;
	wal_fixture_init(&f, 0);
	wal_fixture_open(&f);
	assert_int_equal(wal_new(&second, &f.world.env, &f.options), -EBUSY);
	wal_fixture_close(&f);
	assert_int_equal(wal_new(&second, &f.world.env, &f.options), 0);
	wal_free(second);
	wal_fixture_fini(&f);
}

static void the_directory_is_made_with_its_parents(void **state)
{
	struct wal_fixture f;
	char *dir;

	(void)state;
	wal_fixture_init(&f, 0);
	assert_true(asprintf(&dir, "%s/a/b//c/", f.dir) > 0);
	f.options.dir = dir;
	wal_fixture_open(&f);
	assert_int_equal(wal_add_pattern(f.wal, WAL_CURSOR, 5, 1, NULL, NULL), 0);
	assert_int_equal(wal_commit(f.wal), 0);
	wal_fixture_open(&f);
	assert_int_equal(f.found.count, 1);
	wal_fixture_fini(&f);
	free(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_kind_and_size_comes_back_as_it_was_added),
		cmocka_unit_test(spans_are_numbered_without_gaps_over_restarts),
		cmocka_unit_test(
			a_resource_is_written_once_per_segment_and_comes_back_with_each_span),
		cmocka_unit_test(a_chain_larger_than_a_segment_gets_one_of_its_own),
		cmocka_unit_test(what_is_too_long_or_too_much_is_refused_and_nothing_is_added),
		cmocka_unit_test(
			records_are_refused_when_the_log_is_over_its_size_but_states_are_not),
		cmocka_unit_test(
			received_spans_are_refused_like_records_and_finished_ones_are_not),
		cmocka_unit_test(a_segment_that_a_span_began_is_no_room_for_records),
		cmocka_unit_test(
			open_spans_may_take_the_log_over_its_size_but_not_over_half_the_disk),
		cmocka_unit_test(the_log_takes_half_of_a_small_disk_in_small_segments),
		cmocka_unit_test(slices_come_back_one_by_one_and_where_they_were_said_to_be),
		cmocka_unit_test(a_record_payload_cut_anywhere_is_refused_or_ends_at_a_slice),
		cmocka_unit_test(any_part_of_a_chain_can_be_loaded_logged_or_pending),
		cmocka_unit_test(a_second_agent_is_refused),
		cmocka_unit_test(the_directory_is_made_with_its_parents),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
