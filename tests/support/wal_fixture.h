/* A log in a directory of its own, and what recovery gave of it. */
#ifndef SUPPORT_WAL_FIXTURE_H
#define SUPPORT_WAL_FIXTURE_H

#include "file_env.h"
#include "wal/wal.h"

struct wal_found_entry {
	enum wal_kind kind;
	uint64_t sequence;
	struct wal_location location;
	uint8_t *payload; /* a copy */
	size_t len;
	/* Of SPAN. */
	uint64_t number;
	size_t resource_len;
	uint8_t *resource; /* a copy */
};

struct wal_found {
	struct wal_found_entry *entries;
	size_t count, cap;
};

struct wal_fixture {
	struct file_env world;
	struct wal_options options;
	char *dir;
	struct wal *wal;
	struct wal_found found; /* by the last open */
	int descriptors;
	uint64_t seed;
};

void wal_fixture_init(struct wal_fixture *fixture, uint32_t segment_bytes);
/* Closes, removes the directory, and checks that no descriptor is left. */
void wal_fixture_fini(struct wal_fixture *fixture);
/* Opens and recovers into `found`. */
int wal_fixture_try_open(struct wal_fixture *fixture);
void wal_fixture_open(struct wal_fixture *fixture);
void wal_fixture_close(struct wal_fixture *fixture);
void wal_found_reset(struct wal_found *found);

/* `len` bytes that depend on `seed` alone. */
void wal_pattern(uint8_t *at, size_t len, uint64_t seed);
/* Adds one payload of this pattern. */
int wal_add_pattern(struct wal *wal, enum wal_kind kind, size_t len, uint64_t seed,
		    uint64_t *ret_sequence, struct wal_location *ret_location);
/* Adds a span of `len` bytes of pattern `seed` under resource number `resource`. */
int wal_add_span_pattern(struct wal *wal, size_t len, uint64_t seed, unsigned resource,
			 uint64_t *ret_number);
void wal_pattern_check(const uint8_t *at, size_t len, uint64_t seed);
/* The path of a segment; free() it. */
char *wal_segment_path(const struct wal_fixture *fixture, uint64_t number);
/* Ticks and waits until everything logged is synced (at most 100 rounds). */
void wal_sync_all(struct wal_fixture *fixture);

#endif
