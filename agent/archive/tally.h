/* What the spans of a run add up to, for the summary in its file (summary.h): of each span
 * id the one that is taken, so that it is the same whether the run was sealed once or
 * reopened in between.
 *
 * Tokens are counted once: a turn repeats what its call of a model says, so a span counts
 * that says tokens and has no descendant that does.
 *
 * Few spans say tokens, or last for more than SPOOL_DURATION_BITS of nanoseconds (three
 * days): these have a note each, in the order of their entries. */
#ifndef ARCHIVE_TALLY_H
#define ARCHIVE_TALLY_H

#include <stdbool.h>
#include <stdint.h>

struct layout;
struct span_facts;
struct spool_entry;

struct span_note {
	uint32_t entry;
	uint32_t input_tokens, output_tokens;
	uint16_t duration_top; /* the bits that the entry has no room for */
	bool says_tokens;
};

struct span_notes {
	struct span_note *at;
	uint32_t count, cap;
};

void notes_fini(struct span_notes *notes);
/* Room for one more. -ENOMEM. */
int notes_reserve(struct span_notes *notes);
/* What is to be kept of a span that will be entry `i`, behind all before: its duration
 * and whether it is noted go into `entry`. After notes_reserve(). */
void notes_add(struct span_notes *notes, struct spool_entry *entry, uint32_t i,
	       const struct span_facts *facts);

struct tally {
	const struct span_notes *notes;
	uint64_t errors;
	uint64_t ended_by_us;
	uint64_t start_ns, end_ns;
	uint64_t input_tokens, output_tokens;
	/* The first group of each resource that has spans, in the order of the file. */
	uint32_t *resources;
	uint32_t resource_count;
};

void tally_fini(struct tally *tally);

/* All but the resources. -ENOMEM. */
int tally_spans(struct tally *tally, const struct layout *layout);

#endif
