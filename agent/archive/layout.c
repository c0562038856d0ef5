#include "archive/layout.h"

#include <errno.h>
#include <stdlib.h>

#define NONE UINT32_MAX
#define UNKNOWN UINT32_MAX
#define WALKING (UINT32_MAX - 1)

/* A span's place among all: earlier start, then fewer ancestors that started at
 * the same moment, then earlier arrival. */
struct place {
	uint64_t start_ns;
	uint32_t depth;
	uint32_t entry;
};

struct row {
	uint32_t group_rank;
	struct place place;
};

struct group_place {
	struct place resource; /* of the resource's earliest span */
	struct place first;    /* of its own */
	uint32_t group;
};

struct layout {
	const struct spool_entry *entries;
	uint32_t count;
	uint32_t *depths;
	uint32_t *table; /* span id -> entry, open addressing */
	uint32_t mask;
};

static int place_compare(const struct place *a, const struct place *b)
{
	if (a->start_ns != b->start_ns)
		return a->start_ns < b->start_ns ? -1 : 1;
	if (a->depth != b->depth)
		return a->depth < b->depth ? -1 : 1;
	return (a->entry > b->entry) - (a->entry < b->entry);
}

static int row_compare(const void *left, const void *right)
{
	const struct row *a = left, *b = right;

	if (a->group_rank != b->group_rank)
		return a->group_rank < b->group_rank ? -1 : 1;
	return place_compare(&a->place, &b->place);
}

static int group_compare(const void *left, const void *right)
{
	const struct group_place *a = left, *b = right;
	int r = place_compare(&a->resource, &b->resource);

	return r ? r : place_compare(&a->first, &b->first);
}

static uint32_t slot_of(const struct layout *layout, uint64_t span_id)
{
	return (uint32_t)((span_id * UINT64_C(0x9e3779b97f4a7c15)) >> 32) & layout->mask;
}

static uint32_t find_span(const struct layout *layout, uint64_t span_id)
{
	uint32_t slot = slot_of(layout, span_id);

	for (; layout->table[slot] != NONE; slot = (slot + 1) & layout->mask)
		if (layout->entries[layout->table[slot]].span_id == span_id)
			return layout->table[slot];
	return NONE;
}

static void fill_table(struct layout *layout)
{
	memset(layout->table, 0xff, ((size_t)layout->mask + 1) * sizeof(uint32_t));
	for (uint32_t i = 0; i < layout->count; i++) {
		uint32_t slot = slot_of(layout, layout->entries[i].span_id);

		while (layout->table[slot] != NONE)
			slot = (slot + 1) & layout->mask;
		layout->table[slot] = i;
	}
}

/* The parent, where it started at the same moment. */
static uint32_t tied_parent(const struct layout *layout, uint32_t entry)
{
	const struct spool_entry *span = &layout->entries[entry];
	uint32_t parent;

	if (!span->parent_id)
		return NONE;
	parent = find_span(layout, span->parent_id);
	if (parent == NONE || layout->entries[parent].start_ns != span->start_ns)
		return NONE;
	return parent;
}

/* Walks up to an ancestor whose depth is known (or that is none), then down
 * again by walking a second time: no recursion, and each span is left with its
 * depth. A loop of parents, which only a hostile module makes, ends at 0. */
static void find_depth(struct layout *layout, uint32_t entry)
{
	uint32_t length = 0, at = entry, depth = 0;

	while (at != NONE && layout->depths[at] == UNKNOWN) {
		layout->depths[at] = WALKING;
		length++;
		at = tied_parent(layout, at);
	}
	if (at != NONE && layout->depths[at] != WALKING)
		depth = layout->depths[at] + 1;
	for (at = entry; length > 0; at = tied_parent(layout, at))
		layout->depths[at] = depth + --length;
}

static struct place place_of(const struct layout *layout, uint32_t entry)
{
	return (struct place){layout->entries[entry].start_ns, layout->depths[entry], entry};
}

static void take_earlier(struct place *first, const struct place *place)
{
	if (place_compare(place, first) < 0)
		*first = *place;
}

static void rank_groups(const struct layout *layout, const struct groups *groups,
			struct group_place *places, uint32_t *ranks)
{
	const struct place last = {UINT64_MAX, UINT32_MAX, UINT32_MAX};

	for (uint32_t g = 0; g < groups->count; g++)
		places[g] = (struct group_place){last, last, g};
	for (uint32_t i = 0; i < layout->count; i++) {
		struct place place = place_of(layout, i);
		uint32_t group = layout->entries[i].group;

		take_earlier(&places[group].first, &place);
		take_earlier(&places[groups->at[group].resource].resource, &place);
	}
	for (uint32_t g = 0; g < groups->count; g++)
		places[g].resource = places[groups->at[g].resource].resource;
	qsort(places, groups->count, sizeof(*places), group_compare);
	for (uint32_t rank = 0; rank < groups->count; rank++)
		ranks[places[rank].group] = rank;
}

static void sort_rows(const struct layout *layout, const uint32_t *ranks, struct row *rows,
		      uint32_t *order)
{
	for (uint32_t i = 0; i < layout->count; i++)
		rows[i] = (struct row){ranks[layout->entries[i].group], place_of(layout, i)};
	qsort(rows, layout->count, sizeof(*rows), row_compare);
	for (uint32_t i = 0; i < layout->count; i++)
		order[i] = rows[i].place.entry;
}

int layout_make(uint32_t *order, const struct spool_entry *entries, uint32_t count,
		const struct groups *groups)
{
	struct layout layout = {.entries = entries, .count = count, .mask = 15};
	struct group_place *places;
	struct row *rows;
	uint32_t *ranks;
	int r = -ENOMEM;

	if (count == 0)
		return 0;
	/* At most half full, so that a search ends. */
	while (layout.mask / 2 < count)
		layout.mask = layout.mask * 2 + 1;
	layout.table = calloc((size_t)layout.mask + 1, sizeof(*layout.table));
	layout.depths = calloc(count, sizeof(*layout.depths));
	places = calloc(groups->count, sizeof(*places));
	ranks = calloc(groups->count, sizeof(*ranks));
	rows = calloc(count, sizeof(*rows));
	if (!layout.table || !layout.depths || !places || !ranks || !rows)
		goto out;
	fill_table(&layout);
	memset(layout.depths, 0xff, count * sizeof(*layout.depths));
	for (uint32_t i = 0; i < count; i++)
		if (layout.depths[i] == UNKNOWN)
			find_depth(&layout, i);
	rank_groups(&layout, groups, places, ranks);
	sort_rows(&layout, ranks, rows, order);
	r = 0;
out:
	free(layout.table);
	free(layout.depths);
	free(places);
	free(ranks);
	free(rows);
	return r;
}
