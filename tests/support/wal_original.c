#include "wal_original.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

uint8_t *wal_file_read(const char *path, size_t *ret_size)
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

void wal_file_write(const char *path, const uint8_t *bytes, size_t size)
{
	FILE *file = fopen(path, "wb");

	assert_non_null(file);
	assert_int_equal(fwrite(bytes, 1, size, file), size);
	fclose(file);
}

void wal_original_fill(struct wal *wal)
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

void wal_original_make(struct wal_original *original, struct wal_fixture *f, wal_fill_fn *fill)
{
	*original = (struct wal_original){0};
	wal_fixture_open(f);
	fill(f->wal);
	wal_fixture_open(f); /* trims the segment */
	original->found = f->found;
	f->found = (struct wal_found){0};
	wal_fixture_close(f);
	original->path = wal_segment_path(f, 1);
	original->bytes = wal_file_read(original->path, &original->size);
}

void wal_original_free(struct wal_original *original)
{
	wal_found_reset(&original->found);
	free(original->found.entries);
	free(original->bytes);
	free(original->path);
}

bool wal_entry_same(const struct wal_found_entry *a, const struct wal_found_entry *b)
{
	return a->kind == b->kind && a->sequence == b->sequence && a->len == b->len &&
	       memcmp(a->payload, b->payload, a->len) == 0 && a->number == b->number;
}

size_t wal_original_missing(const struct wal_original *original, const struct wal_found *found,
			    size_t *ret_scopes_lost)
{
	const struct wal_found_entry *entry, *expected;
	size_t i = 0, j;

	*ret_scopes_lost = 0;
	for (j = 0; j < found->count; j++) {
		entry = &found->entries[j];
		while (i < original->found.count &&
		       !wal_entry_same(&original->found.entries[i], entry))
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

size_t wal_original_end(const struct wal_original *original, size_t i)
{
	return i + 1 < original->found.count ? original->found.entries[i + 1].location.offset
					     : original->size;
}
