/* The order of spans in a sealed file: one resourceSpans per distinct resource,
 * one scopeSpans per scope of it, both by their earliest span; spans by start
 * time, those of one start with parents first, and otherwise as they came.
 * The order of a file read back is the order it has. */
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
	uint32_t group;
};

/* Fills `order` with the indexes of all `count` entries. -ENOMEM. */
int layout_make(uint32_t *order, const struct spool_entry *entries, uint32_t count,
		const struct groups *groups);

#endif
