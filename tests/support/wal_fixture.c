#include "wal_fixture.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define SYNC_INTERVAL_NS UINT64_C(250000000)

void wal_fixture_init(struct wal_fixture *fixture, uint32_t segment_bytes)
{
	int descriptors = test_open_descriptors();

	*fixture = (struct wal_fixture){
		.options =
			{
				.segment_bytes = segment_bytes,
				.sync_interval_ns = SYNC_INTERVAL_NS,
			},
		.dir = test_directory_new(),
		.descriptors = descriptors,
	};
	fixture->options.dir = fixture->dir;
}

void wal_fixture_fini(struct wal_fixture *fixture)
{
	wal_fixture_close(fixture);
	test_directory_remove(fixture->dir);
	free(fixture->dir);
	wal_found_reset(&fixture->found);
	free(fixture->found.entries);
	assert_int_equal(test_open_descriptors(), fixture->descriptors);
}

void wal_found_reset(struct wal_found *found)
{
	size_t i;

	for (i = 0; i < found->count; i++) {
		free(found->entries[i].payload);
		free(found->entries[i].resource);
	}
	found->count = 0;
}

static uint8_t *copy_of(struct bytes bytes)
{
	uint8_t *copy = malloc(bytes.len + 1);

	assert_non_null(copy);
	if (bytes.len)
		memcpy(copy, bytes.at, bytes.len);
	return copy;
}

static int entry_found(void *arg, const struct wal_entry *entry)
{
	struct wal_found *found = arg;
	struct wal_found_entry *to;

	if (found->count == found->cap) {
		found->cap = found->cap ? found->cap * 2 : 64;
		found->entries = realloc(found->entries, found->cap * sizeof *found->entries);
		assert_non_null(found->entries);
	}
	to = &found->entries[found->count++];
	*to = (struct wal_found_entry){
		.kind = entry->kind,
		.sequence = entry->sequence,
		.location = entry->location,
		.payload = copy_of(entry->payload),
		.len = entry->payload.len,
	};
	if (entry->kind == WAL_SPAN) {
		to->number = entry->span.number;
		to->resource = copy_of(entry->span.resource);
		to->resource_len = entry->span.resource.len;
	}
	return 0;
}

int wal_fixture_try_open(struct wal_fixture *fixture)
{
	int r;

	wal_fixture_close(fixture);
	wal_found_reset(&fixture->found);
	r = wal_new(&fixture->wal, &fixture->world.env, &fixture->options);
	if (r < 0)
		return r;
	r = wal_recover(fixture->wal, entry_found, &fixture->found);
	if (r < 0)
		wal_fixture_close(fixture);
	return r;
}

void wal_fixture_open(struct wal_fixture *fixture)
{
	wal_fixture_close(fixture);
	file_env_init(&fixture->world, ++fixture->seed);
	assert_int_equal(wal_fixture_try_open(fixture), 0);
}

void wal_fixture_close(struct wal_fixture *fixture)
{
	wal_free(fixture->wal);
	fixture->wal = NULL;
}

void wal_pattern(uint8_t *at, size_t len, uint64_t seed)
{
	uint64_t x = (seed * UINT64_C(0x9e3779b97f4a7c15)) | 1;
	size_t i;

	for (i = 0; i < len; i++) {
		if (i % 8 == 0) {
			x ^= x << 13;
			x ^= x >> 7;
			x ^= x << 17;
		}
		at[i] = (uint8_t)(x >> i % 8 * 8);
	}
}

void wal_pattern_check(const uint8_t *at, size_t len, uint64_t seed)
{
	uint8_t *expected = malloc(len + 1);

	assert_non_null(expected);
	wal_pattern(expected, len, seed);
	assert_memory_equal(at, expected, len);
	free(expected);
}

int wal_add_pattern(struct wal *wal, enum wal_kind kind, size_t len, uint64_t seed,
		    uint64_t *ret_sequence, struct wal_location *ret_location)
{
	uint8_t *at = malloc(len + 1);
	struct iovec parts[2];
	uint64_t sequence;
	int r;

	assert_non_null(at);
	wal_pattern(at, len, seed);
	parts[0] = (struct iovec){at, len / 3};
	parts[1] = (struct iovec){at + len / 3, len - len / 3};
	r = wal_add(wal, kind, parts, 2, ret_sequence ? ret_sequence : &sequence, ret_location);
	free(at);
	return r;
}

int wal_add_span_pattern(struct wal *wal, size_t len, uint64_t seed, unsigned resource,
			 uint64_t *ret_number)
{
	uint8_t *at = malloc(len + 1), instance[16] = {1}, span_id[8] = {2};
	char text[32];
	struct finished_span span = {.trace_id = {3}};
	uint64_t sequence;
	int r;

	assert_non_null(at);
	wal_pattern(at, len, seed);
	snprintf(text, sizeof text, "resource %u", resource);
	span.resource = bytes_of(text);
	span.scope = bytes_of("scope");
	span.scope_schema_url = bytes_of("url");
	span.span = (struct bytes){at, len};
	memcpy(span_id, &seed, sizeof span_id);
	r = wal_add_span(wal, &span, instance, span_id, &sequence);
	if (r == 0 && ret_number)
		*ret_number = span.number;
	free(at);
	return r;
}

char *wal_segment_path(const struct wal_fixture *fixture, uint64_t number)
{
	char *path;

	assert_true(asprintf(&path, "%s/wal-%016" PRIx64 ".log", fixture->dir, number) > 0);
	return path;
}

void wal_sync_all(struct wal_fixture *fixture)
{
	int i;

	for (i = 0; i < 100; i++) {
		file_env_advance(&fixture->world, SYNC_INTERVAL_NS);
		(void)wal_tick(fixture->wal, fixture->world.mono_ns);
		(void)fixture->world.env.ops->wait(&fixture->world.env, SYNC_INTERVAL_NS);
	}
	if (!fixture->world.crashed)
		assert_int_equal(wal_synced_sequence(fixture->wal),
				 wal_logged_sequence(fixture->wal));
}
