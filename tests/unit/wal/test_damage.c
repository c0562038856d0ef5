/* A log of about 1 MiB, damaged at random places by bursts of random bytes, by
 * zeros and by copies of its own bytes: what is found is always a part of what
 * was there, in order, and only what was touched is missing. */
#include "wal/wal.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "wal_fixture.h"

#define ENTRIES 900
#define ROUNDS 150
#define BURSTS_MAX 8

struct burst {
	size_t at, len;
};

static size_t entry_len(uint64_t i)
{
	return i % 101 == 0 ? 300000 : 30 + i * 7919 % 1500;
}

static bool is_span(uint64_t i)
{
	return i % 3 == 1;
}

static void fill(struct wal *wal)
{
	uint64_t i;

	for (i = 0; i < ENTRIES; i++) {
		if (is_span(i))
			assert_int_equal(wal_add_span_pattern(wal, entry_len(i), i, 1, NULL),
					 0);
		else
			assert_int_equal(
				wal_add_pattern(wal, WAL_RECORD, entry_len(i), i, NULL, NULL),
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

/* Never in both copies of the header: that is a lost segment, tested elsewhere. */
static struct burst burst_make(uint8_t *bytes, size_t size, uint64_t *x)
{
	struct burst burst = {
		.at = WAL_FRAMES_OFFSET + next_random(x) % (size - WAL_FRAMES_OFFSET),
		.len = 1 + next_random(x) % (next_random(x) % 4 ? 64 : 6000),
	};
	size_t i, from;

	if (burst.len > size - burst.at)
		burst.len = size - burst.at;
	switch (next_random(x) % 3) {
	case 0:
		for (i = 0; i < burst.len; i++)
			bytes[burst.at + i] = (uint8_t)next_random(x);
		break;
	case 1:
		memset(bytes + burst.at, 0, burst.len);
		break;
	default:
		from = next_random(x) % (size - burst.len) & ~(size_t)7;
		burst.at &= ~(size_t)7;
		memmove(bytes + burst.at, bytes + from, burst.len);
		break;
	}
	return burst;
}

/* Whether entry i, with all its frames and padding, was touched. */
static bool touched(const struct wal_found_entry *entries, size_t i, size_t count, size_t size,
		    const struct burst *bursts, int n)
{
	size_t from = entries[i].location.offset, to;
	int b;

	to = i + 1 < count ? entries[i + 1].location.offset : size;
	for (b = 0; b < n; b++)
		if (bursts[b].at < to && bursts[b].at + bursts[b].len > from)
			return true;
	return false;
}

static void check(const struct wal_found *found, const struct wal_found *original, size_t size,
		  const struct burst *bursts, int n)
{
	size_t i, j = 0;

	for (i = 0; i < original->count; i++) {
		const struct wal_found_entry *expected = &original->entries[i];
		const struct wal_found_entry *entry = &found->entries[j];

		if (j == found->count || entry->sequence != expected->sequence) {
			assert_true(touched(original->entries, i, original->count, size, bursts,
					    n));
			continue;
		}
		assert_int_equal(entry->kind, expected->kind);
		assert_int_equal(entry->len, expected->len);
		assert_memory_equal(entry->payload, expected->payload, entry->len);
		assert_int_equal(entry->location.offset, expected->location.offset);
		j++;
	}
	assert_int_equal(j, found->count);
}

static void overwrite(const char *path, const uint8_t *bytes, size_t size)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, bytes, size), size);
	close(fd);
}

static void only_what_was_touched_is_missing(void **state)
{
	struct burst bursts[BURSTS_MAX];
	struct wal_found original;
	uint8_t *bytes, *damaged;
	uint64_t x = 0x2545f4914f6cdd1d;
	struct wal_fixture f;
	ssize_t size;
	char *path;
	int fd, round, n, b;

	(void)state;
	wal_fixture_init(&f, 0);
	wal_fixture_open(&f);
	fill(f.wal);
	wal_fixture_open(&f);
	original = f.found;
	f.found = (struct wal_found){0};
	wal_fixture_close(&f);
	path = wal_segment_path(&f, 1);
	bytes = malloc(WAL_SEGMENT_BYTES);
	damaged = malloc(WAL_SEGMENT_BYTES);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	size = read(fd, bytes, WAL_SEGMENT_BYTES);
	close(fd);
	assert_true(size > 1 << 20);
	for (round = 0; round < ROUNDS; round++) {
		memcpy(damaged, bytes, (size_t)size);
		n = 1 + (int)(next_random(&x) % BURSTS_MAX);
		for (b = 0; b < n; b++)
			bursts[b] = burst_make(damaged, (size_t)size, &x);
		overwrite(path, damaged, (size_t)size);
		wal_fixture_open(&f);
		check(&f.found, &original, (size_t)size, bursts, n);
		wal_fixture_close(&f);
	}
	free(bytes);
	free(damaged);
	free(path);
	wal_found_reset(&original);
	free(original.entries);
	wal_fixture_fini(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_what_was_touched_is_missing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
