#include "wal/wal.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "wal_fixture.h"

static void add_spans(struct wal_fixture *f, uint64_t from, uint64_t to)
{
	uint64_t i, number;

	for (i = from; i <= to; i++) {
		assert_int_equal(wal_add_span_pattern(f->wal, 300, i, i % 3, &number), 0);
		assert_int_equal(number, i);
		if (i % 4 == 0)
			assert_int_equal(
				wal_add_pattern(f->wal, WAL_RECORD, 900, i, NULL, NULL), 0);
	}
}

static void span_check(const struct finished_span *span, uint64_t number, size_t len)
{
	char text[32];

	assert_int_equal(span->number, number);
	assert_int_equal(span->span.len, len);
	wal_pattern_check(span->span.at, len, number);
	snprintf(text, sizeof text, "resource %u", (unsigned)(number % 3));
	assert_true(bytes_equal(span->resource, bytes_of(text)));
	assert_true(bytes_equal(span->resource_schema_url, bytes_of("")));
	assert_true(bytes_equal(span->scope, bytes_of("scope")));
	assert_true(bytes_equal(span->scope_schema_url, bytes_of("url")));
	assert_int_equal(span->trace_id[0], 3);
}

static void read_spans(struct wal_reader *reader, uint64_t from, uint64_t to)
{
	struct finished_span span;
	uint64_t i;

	for (i = from; i <= to; i++) {
		assert_int_equal(wal_reader_next(reader, &span), 1);
		span_check(&span, i, 300);
	}
	assert_int_equal(wal_reader_next(reader, &span), 0);
}

static void a_reader_sees_what_is_logged_and_nothing_that_is_pending(void **state)
{
	struct wal_reader *reader;
	struct wal_fixture f;
	uint64_t n;

	(void)state;
	wal_fixture_init(&f, 64 << 10);
	wal_fixture_open(&f);
	assert_int_equal(wal_reader_new(&reader, f.wal, 0), 0);
	read_spans(reader, 1, 0);
	for (n = 0; n < 2000; n += 100) {
		add_spans(&f, n + 1, n + 100);
		read_spans(reader, 1, 0);
		assert_int_equal(wal_commit(f.wal), 0);
		read_spans(reader, n + 1, n + 100);
	}
	assert_true(wal_counters(f.wal)->segments > 5);
	wal_reader_free(reader);
	wal_fixture_fini(&f);
}

static void while_the_disk_refuses_a_reader_is_given_what_is_pending(void **state)
{
	struct wal_reader *reader, *later;
	struct wal_fixture f;
	uint64_t n, logged;

	(void)state;
	wal_fixture_init(&f, 64 << 10);
	wal_fixture_open(&f);
	assert_int_equal(wal_reader_new(&reader, f.wal, 0), 0);
	add_spans(&f, 1, 150);
	assert_int_equal(wal_commit(f.wal), 0);
	read_spans(reader, 1, 150);
	logged = wal_logged_sequence(f.wal);
	file_env_arm(&f.world, (struct file_env_fault){.op = FILE_ENV_PWRITEV,
						       .kind = FILE_ENV_FAIL,
						       .error = -ENOSPC,
						       .nth = 1,
						       .times = UINT64_MAX});
	/* Over several segments that have no file. */
	for (n = 150; n < 1500; n += 50) {
		add_spans(&f, n + 1, n + 50);
		assert_int_equal(wal_commit(f.wal), -ENOSPC);
		read_spans(reader, n + 1, n + 50);
	}
	assert_int_equal(wal_logged_sequence(f.wal), logged);
	/* One that comes only now finds all of it. */
	assert_int_equal(wal_reader_new(&later, f.wal, 100), 0);
	read_spans(later, 101, 1500);
	file_env_disarm(&f.world);
	add_spans(&f, 1501, 1550);
	assert_int_equal(wal_commit(f.wal), -ENOSPC); /* it is not asked yet */
	file_env_advance(&f.world, UINT64_C(2000000000));
	assert_int_equal(wal_commit(f.wal), 0);
	read_spans(reader, 1501, 1550);
	read_spans(later, 1501, 1550);
	add_spans(&f, 1551, 2000);
	read_spans(reader, 1, 0);
	assert_int_equal(wal_commit(f.wal), 0);
	read_spans(reader, 1551, 2000);
	read_spans(later, 1551, 2000);
	wal_reader_free(reader);
	wal_reader_free(later);
	/* And the log holds each of them once. */
	wal_fixture_open(&f);
	assert_int_equal(wal_last_span_number(f.wal), 2000);
	assert_int_equal(wal_counters(f.wal)->damaged_frames, 0);
	assert_int_equal(wal_reader_new(&reader, f.wal, 0), 0);
	read_spans(reader, 1, 2000);
	wal_reader_free(reader);
	wal_fixture_fini(&f);
}

/* A permission taken away, no descriptor: however long that lasts. */
static void what_cannot_be_opened_for_a_while_is_not_given_up(void **state)
{
	static const int errors[] = {-EACCES, -EMFILE, -EROFS, -EIO};
	struct wal_reader *reader;
	struct finished_span span;
	struct wal_fixture f;

	(void)state;
	wal_fixture_init(&f, 16 << 10);
	wal_fixture_open(&f);
	add_spans(&f, 1, 300);
	assert_int_equal(wal_commit(f.wal), 0);
	for (size_t i = 0; i < sizeof errors / sizeof errors[0]; i++) {
		assert_int_equal(wal_reader_new(&reader, f.wal, 0), 0);
		file_env_arm(&f.world, (struct file_env_fault){.op = FILE_ENV_OPEN,
							       .kind = FILE_ENV_FAIL,
							       .error = errors[i],
							       .nth = 1,
							       .times = UINT64_MAX});
		for (int tries = 0; tries < 100; tries++) {
			assert_int_equal(wal_reader_next(reader, &span), errors[i]);
			/* A disk that says EIO is believed after 5 s. */
			file_env_advance(&f.world, errors[i] == -EIO ? UINT64_C(40000000)
								     : UINT64_C(10000000000));
		}
		file_env_disarm(&f.world);
		read_spans(reader, 1, 300);
		wal_reader_free(reader);
	}
	wal_fixture_fini(&f);
}

static void a_reader_may_begin_behind_any_number_in_this_life_and_the_next(void **state)
{
	struct wal_reader *reader;
	struct wal_fixture f;
	uint64_t after;
	int life;

	(void)state;
	wal_fixture_init(&f, 16 << 10);
	wal_fixture_open(&f);
	add_spans(&f, 1, 300);
	assert_int_equal(wal_commit(f.wal), 0);
	for (life = 0; life < 2; life++) {
		for (after = 0; after <= 300; after++) {
			assert_int_equal(wal_reader_new(&reader, f.wal, after), 0);
			read_spans(reader, after + 1, 300);
			wal_reader_free(reader);
		}
		wal_fixture_open(&f);
	}
	wal_fixture_fini(&f);
}

static void spans_longer_than_a_frame_are_read_whole(void **state)
{
	static const size_t lens[] = {300, 800000, 262088, 262089, 10 << 20, 300};
	struct wal_reader *reader;
	struct finished_span span;
	struct wal_fixture f;
	size_t i;

	(void)state;
	wal_fixture_init(&f, 0);
	wal_fixture_open(&f);
	assert_int_equal(wal_reader_new(&reader, f.wal, 0), 0);
	for (i = 0; i < 6; i++)
		assert_int_equal(wal_add_span_pattern(f.wal, lens[i], i + 1, (i + 1) % 3, NULL),
				 0);
	assert_int_equal(wal_commit(f.wal), 0);
	for (i = 0; i < 6; i++) {
		assert_int_equal(wal_reader_next(reader, &span), 1);
		span_check(&span, i + 1, lens[i]);
	}
	assert_int_equal(wal_reader_next(reader, &span), 0);
	wal_reader_free(reader);
	wal_fixture_fini(&f);
}

/* Releases and deletes the oldest segments while their highest span number is
 * at most `up_to`. */
static void delete_up_to(struct wal_fixture *f, uint64_t up_to)
{
	struct wal_oldest oldest;

	for (;;) {
		oldest = wal_oldest(f->wal);
		if (!oldest.segment || oldest.active || oldest.last_span_number > up_to)
			break;
		wal_release(f->wal, oldest.segment);
	}
	wal_sync_all(f);
}

static void a_reader_goes_on_where_it_was_when_older_segments_are_deleted(void **state)
{
	struct wal_reader *reader;
	struct finished_span span;
	struct wal_fixture f;
	uint64_t i;

	(void)state;
	wal_fixture_init(&f, 16 << 10);
	wal_fixture_open(&f);
	add_spans(&f, 1, 1000);
	assert_int_equal(wal_commit(f.wal), 0);
	assert_int_equal(wal_reader_new(&reader, f.wal, 0), 0);
	for (i = 1; i <= 1000; i++) {
		assert_int_equal(wal_reader_next(reader, &span), 1);
		span_check(&span, i, 300);
		if (i % 50 == 0)
			delete_up_to(&f, i);
	}
	assert_true(wal_counters(f.wal)->segments_deleted > 20);
	wal_reader_free(reader);
	wal_fixture_fini(&f);
}

static void a_reader_whose_segment_is_deleted_goes_on_with_the_oldest_left(void **state)
{
	struct wal_reader *reader;
	struct finished_span span;
	struct wal_oldest oldest;
	struct wal_fixture f;

	(void)state;
	wal_fixture_init(&f, 16 << 10);
	wal_fixture_open(&f);
	add_spans(&f, 1, 1000);
	assert_int_equal(wal_commit(f.wal), 0);
	assert_int_equal(wal_reader_new(&reader, f.wal, 0), 0);
	assert_int_equal(wal_reader_next(reader, &span), 1);
	delete_up_to(&f, 500);
	oldest = wal_oldest(f.wal);
	assert_true(oldest.last_span_number > 500);
	assert_int_equal(wal_reader_next(reader, &span), 1);
	assert_in_range(span.number, 450, 501);
	read_spans(reader, span.number + 1, 1000);
	wal_reader_free(reader);
	wal_fixture_fini(&f);
}

static void a_reader_that_waits_gives_what_is_synced_and_all_while_syncs_fail(void **state)
{
	struct wal_reader *reader;
	struct wal_fixture f;

	(void)state;
	wal_fixture_init(&f, 64 << 10);
	wal_fixture_open(&f);
	assert_int_equal(wal_reader_new(&reader, f.wal, 0), 0);
	wal_reader_wait_for_sync(reader);
	add_spans(&f, 1, 100);
	assert_int_equal(wal_commit(f.wal), 0);
	read_spans(reader, 1, 0);
	assert_true(wal_reader_holds(reader));
	wal_sync_all(&f);
	read_spans(reader, 1, 100);
	assert_false(wal_reader_holds(reader));
	add_spans(&f, 101, 200);
	assert_int_equal(wal_commit(f.wal), 0);
	read_spans(reader, 101, 100);
	file_env_arm(&f.world, (struct file_env_fault){.op = FILE_ENV_SYNC_DONE,
						       .kind = FILE_ENV_FAIL,
						       .nth = 1,
						       .times = UINT64_MAX,
						       .error = -EIO});
	file_env_advance(&f.world, UINT64_C(1000000000));
	for (int i = 0; i < 4; i++) {
		(void)wal_tick(f.wal, f.world.mono_ns);
		(void)f.world.env.ops->wait(&f.world.env, 0);
	}
	assert_true(wal_counters(f.wal)->sync_failures > 0);
	read_spans(reader, 101, 200);
	wal_reader_free(reader);
	wal_fixture_fini(&f);
}

static void a_released_segment_stays_until_what_replaces_it_is_synced(void **state)
{
	struct wal_fixture f;
	char *path;

	(void)state;
	wal_fixture_init(&f, 16 << 10);
	wal_fixture_open(&f);
	add_spans(&f, 1, 100);
	assert_int_equal(wal_commit(f.wal), 0);
	wal_sync_all(&f);
	path = wal_segment_path(&f, 1);
	assert_int_equal(wal_add_pattern(f.wal, WAL_STATE, 100, 1, NULL, NULL), 0);
	wal_release(f.wal, 1);
	assert_int_equal(wal_oldest(f.wal).segment, 2);
	file_env_advance(&f.world, UINT64_C(1000000000));
	(void)wal_tick(f.wal, f.world.mono_ns);
	assert_int_equal(access(path, F_OK), 0); /* the state is not even written */
	assert_int_equal(wal_commit(f.wal), 0);
	(void)wal_tick(f.wal, f.world.mono_ns);
	assert_int_equal(access(path, F_OK), 0); /* written, its sync is on the way */
	wal_sync_all(&f);
	assert_int_not_equal(access(path, F_OK), 0);
	free(path);
	wal_fixture_fini(&f);
}

static void numbers_go_on_when_every_segment_but_the_last_is_deleted(void **state)
{
	struct wal_fixture f;
	uint64_t number;

	(void)state;
	wal_fixture_init(&f, 16 << 10);
	wal_fixture_open(&f);
	add_spans(&f, 1, 100);
	assert_int_equal(wal_commit(f.wal), 0);
	wal_fixture_open(&f);
	/* Nothing is being written: all could go, but the last one stays. */
	delete_up_to(&f, 100);
	assert_int_equal(wal_oldest(f.wal).segment, 0);
	wal_fixture_open(&f);
	assert_int_equal(wal_last_span_number(f.wal), 100);
	assert_int_equal(wal_add_span_pattern(f.wal, 10, 1, 1, &number), 0);
	assert_int_equal(number, 101);
	wal_fixture_fini(&f);
}

static void a_place_in_a_released_segment_is_not_answered(void **state)
{
	struct wal_location where;
	struct wal_fixture f;
	uint8_t byte;

	(void)state;
	wal_fixture_init(&f, 16 << 10);
	wal_fixture_open(&f);
	assert_int_equal(wal_add_pattern(f.wal, WAL_RECORD, 1000, 1, NULL, &where), 0);
	while (wal_oldest(f.wal).active)
		assert_int_equal(wal_add_pattern(f.wal, WAL_RECORD, 1000, 2, NULL, NULL), 0);
	assert_int_equal(wal_commit(f.wal), 0);
	assert_int_equal(wal_load(f.wal, where, 0, 1, &byte), 0);
	wal_release(f.wal, where.segment);
	assert_int_equal(wal_load(f.wal, where, 0, 1, &byte), -ENOENT);
	wal_fixture_fini(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_cannot_be_opened_for_a_while_is_not_given_up),
		cmocka_unit_test(a_reader_sees_what_is_logged_and_nothing_that_is_pending),
		cmocka_unit_test(while_the_disk_refuses_a_reader_is_given_what_is_pending),
		cmocka_unit_test(
			a_reader_may_begin_behind_any_number_in_this_life_and_the_next),
		cmocka_unit_test(spans_longer_than_a_frame_are_read_whole),
		cmocka_unit_test(a_reader_goes_on_where_it_was_when_older_segments_are_deleted),
		cmocka_unit_test(
			a_reader_whose_segment_is_deleted_goes_on_with_the_oldest_left),
		cmocka_unit_test(
			a_reader_that_waits_gives_what_is_synced_and_all_while_syncs_fail),
		cmocka_unit_test(a_released_segment_stays_until_what_replaces_it_is_synced),
		cmocka_unit_test(numbers_go_on_when_every_segment_but_the_last_is_deleted),
		cmocka_unit_test(a_place_in_a_released_segment_is_not_answered),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
