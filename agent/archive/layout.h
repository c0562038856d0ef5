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
#include "archive/tally.h"

#define SPOOL_OFFSET_BITS 48
#define SPOOL_DURATION_BITS 48
#define SPOOL_GROUPS_MAX (UINT32_C(1) << 28)

/* Where a span stands in a spool. */
struct spool_entry {
	uint64_t start_ns;
	uint64_t span_id;
	uint64_t parent_id;		     /* 0: a root */
	uint64_t offset : SPOOL_OFFSET_BITS; /* of the span's own text, not of its line */
	uint64_t duration_high : 16;	     /* entry_duration_ns() */
	uint32_t duration_low;
	uint32_t length;
	uint32_t crc; /* of its line (spool_sum.h) */
	uint32_t group : 28;
	uint32_t damaged : 1; /* the file has something else there */
	uint32_t ended_by_us : 1;
	uint32_t error : 1;
	uint32_t noted : 1; /* it has a note (tally.h) */
};
_Static_assert(sizeof(struct spool_entry) == 48, "a run of a million spans has as many");

static inline uint64_t entry_duration_ns(const struct spool_entry *entry)
{
	return (uint64_t)entry->duration_high << 32 | entry->duration_low;
}

/* One entry of each span id. */
struct layout {
	const struct spool_entry *entries;
	uint32_t count;
	uint32_t taken;
	uint32_t *depths;
	uint32_t *by_id; /* the entries that are taken; open addressing, half full */
	uint32_t mask;
	uint64_t seed;
	uint32_t *ranks; /* of groups */
};

#define LAYOUT_NONE UINT32_MAX
/* The entry that is taken for that id; LAYOUT_NONE. */
uint32_t layout_find(const struct layout *layout, uint64_t span_id);
bool layout_takes(const struct layout *layout, uint32_t entry);

/* Fills `order`, which has room for `count`, with the indexes of the entries
 * that are taken; *ret_taken: how many. `seed` is random: span ids are a module's
 * choice. What they add up to goes into `tally` (NULL: nobody wants to know), which is
 * empty but for its notes. -ENOMEM. */
int layout_make(uint32_t *order, uint32_t *ret_taken, const struct spool_entry *entries,
		uint32_t count, const struct groups *groups, uint64_t seed,
		struct tally *tally);

#endif
