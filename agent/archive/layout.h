/* The order of spans in a sealed file: one resourceSpans per distinct resource,
 * one scopeSpans per scope of it, both by their earliest span; spans by start
 * time, those of one start with parents first, and otherwise as they came.
 * The order of a file read back is the order it has.
 *
 * A span id has one place. The same span comes again when a damaged log forgot
 * that it was finished, or when its process said its end after we had ended it;
 * the one that says more is taken: one that ended by itself before one that we
 * ended, then the longer one, then the earlier. */
#ifndef ARCHIVE_LAYOUT_H
#define ARCHIVE_LAYOUT_H

#include "archive/group.h"

/* Where a span stands in a spool. */
struct spool_entry {
	uint64_t offset; /* of the span's own text, not of its line */
	uint64_t start_ns;
	uint64_t span_id;
	uint64_t parent_id; /* 0: a root */
	uint32_t length;
	uint32_t crc; /* of its line (spool_sum.h) */
	uint32_t group : 30;
	uint32_t damaged : 1; /* the file has something else there */
	uint32_t ended_by_us : 1;
};

/* Fills `order`, which has room for `count`, with the indexes of the entries
 * that are taken; *ret_taken: how many. `seed` is random: span ids are a module's
 * choice. -ENOMEM. */
int layout_make(uint32_t *order, uint32_t *ret_taken, const struct spool_entry *entries,
		uint32_t count, const struct groups *groups, uint64_t seed);

#endif
