/* A log that is well, to be damaged: its one segment's bytes, and what recovery
 * gives of them. */
#ifndef SUPPORT_WAL_ORIGINAL_H
#define SUPPORT_WAL_ORIGINAL_H

#include "wal_fixture.h"

struct wal_original {
	struct wal_found found;
	uint8_t *bytes; /* of segment 1 */
	size_t size;
	char *path; /* of segment 1 in the fixture's directory */
};

typedef void wal_fill_fn(struct wal *wal);
/* About 4 KiB: records, spans of two resources, a state. */
void wal_original_fill(struct wal *wal);

/* The fixture's log is closed afterwards. */
void wal_original_make(struct wal_original *original, struct wal_fixture *fixture,
		       wal_fill_fn *fill);
void wal_original_free(struct wal_original *original);

bool wal_entry_same(const struct wal_found_entry *a, const struct wal_found_entry *b);

/* Every entry found is one of the originals, in order, unchanged; a resource
 * may be lost but not be another one. Returns how many originals are missing. */
size_t wal_original_missing(const struct wal_original *original, const struct wal_found *found,
			    size_t *ret_scopes_lost);

/* Where entry `i` ends: where the next one, or the log, does. */
size_t wal_original_end(const struct wal_original *original, size_t i);

/* Whole files; free() what was read. */
uint8_t *wal_file_read(const char *path, size_t *ret_size);
void wal_file_write(const char *path, const uint8_t *bytes, size_t size);

#endif
