#include "archive/tally.h"

#include "archive/facts.h"
#include "archive/layout.h"

#include <errno.h>
#include <stdlib.h>

#define DURATION_MASK ((UINT64_C(1) << SPOOL_DURATION_BITS) - 1)

/* --- notes -------------------------------------------------------------- */

void notes_fini(struct span_notes *notes)
{
	free(notes->at);
	*notes = (struct span_notes){0};
}

int notes_reserve(struct span_notes *notes)
{
	uint32_t cap = notes->cap ? notes->cap * 2 : 8;
	struct span_note *at;

	if (notes->count < notes->cap)
		return 0;
	at = reallocarray(notes->at, cap, sizeof(*at));
	if (!at)
		return -ENOMEM;
	notes->at = at;
	notes->cap = cap;
	return 0;
}

void notes_add(struct span_notes *notes, struct spool_entry *entry, uint32_t i,
	       const struct span_facts *facts)
{
	uint64_t duration_ns = facts->end_ns - facts->start_ns;

	entry->duration_high = duration_ns >> 32 & 0xffff;
	entry->duration_low = (uint32_t)duration_ns;
	if (!facts->says_tokens && duration_ns <= DURATION_MASK)
		return;
	entry->noted = true;
	notes->at[notes->count++] = (struct span_note){
		.entry = i,
		.input_tokens = facts->input_tokens,
		.output_tokens = facts->output_tokens,
		.duration_top = (uint16_t)(duration_ns >> SPOOL_DURATION_BITS),
		.says_tokens = facts->says_tokens,
	};
}

/* --- adding up ---------------------------------------------------------- */

void tally_fini(struct tally *tally)
{
	free(tally->resources);
	tally->resources = NULL;
	tally->resource_count = 0;
}

static void add_span(struct tally *tally, const struct spool_entry *entry, uint64_t top)
{
	uint64_t end_ns =
		entry->start_ns + entry_duration_ns(entry) + (top << SPOOL_DURATION_BITS);

	tally->errors += entry->error;
	tally->ended_by_us += entry->ended_by_us;
	if (entry->start_ns < tally->start_ns)
		tally->start_ns = entry->start_ns;
	if (end_ns > tally->end_ns)
		tally->end_ns = end_ns;
}

static bool is_marked(const uint8_t *marks, uint32_t entry)
{
	return marks[entry / 8] >> entry % 8 & 1;
}

/* Marks the ancestors of a span up to one that is marked already: so each is visited once
 * whatever the spans are, also where parents bite their tail. */
static void mark_ancestors(const struct layout *layout, uint8_t *marks, uint32_t entry)
{
	uint64_t parent_id = layout->entries[entry].parent_id;

	while (parent_id) {
		uint32_t parent = layout_find(layout, parent_id);

		if (parent == LAYOUT_NONE || is_marked(marks, parent))
			return;
		marks[parent / 8] |= (uint8_t)(1u << parent % 8);
		parent_id = layout->entries[parent].parent_id;
	}
}

static int count_tokens(struct tally *tally, const struct layout *layout)
{
	const struct span_notes *notes = tally->notes;
	uint8_t *marks;

	if (notes->count == 0)
		return 0;
	marks = calloc(layout->count / 8 + 1, 1);
	if (!marks)
		return -ENOMEM;
	for (uint32_t i = 0; i < notes->count; i++)
		if (notes->at[i].says_tokens && layout_takes(layout, notes->at[i].entry))
			mark_ancestors(layout, marks, notes->at[i].entry);
	for (uint32_t i = 0; i < notes->count; i++) {
		const struct span_note *note = &notes->at[i];

		if (!layout_takes(layout, note->entry) || is_marked(marks, note->entry))
			continue;
		tally->input_tokens += note->input_tokens;
		tally->output_tokens += note->output_tokens;
	}
	free(marks);
	return 0;
}

int tally_spans(struct tally *tally, const struct layout *layout)
{
	const struct span_note *note = tally->notes->at;

	tally->start_ns = UINT64_MAX;
	for (uint32_t i = 0; i < layout->count; i++) {
		const struct spool_entry *entry = &layout->entries[i];
		uint64_t top = entry->noted ? note->duration_top : 0;

		note += entry->noted;
		if (layout_takes(layout, i))
			add_span(tally, entry, top);
	}
	return count_tokens(tally, layout);
}
