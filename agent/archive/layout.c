#include "archive/layout.h"

#include <errno.h>
#include <stdlib.h>

#define NONE UINT32_MAX
#define UNKNOWN UINT32_MAX
#define WALKING (UINT32_MAX - 1)
#define PASSED_OVER (UINT32_MAX - 2)

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

struct id {
	uint64_t span_id;
	uint32_t entry;
};

struct layout {
	const struct spool_entry *entries;
	uint32_t count;
	uint32_t taken;
	uint32_t *depths;
	struct id *ids; /* sorted: ids are a module's choice, so not hashed */
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

static int id_compare(const void *left, const void *right)
{
	const struct id *a = left, *b = right;

	if (a->span_id != b->span_id)
		return a->span_id < b->span_id ? -1 : 1;
	return (a->entry > b->entry) - (a->entry < b->entry);
}

/* Where the span of that id is taken from. */
static uint32_t find_span(const struct layout *layout, uint64_t span_id)
{
	uint32_t low = 0, high = layout->taken;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (layout->ids[middle].span_id < span_id)
			low = middle + 1;
		else
			high = middle;
	}
	if (low == layout->taken || layout->ids[low].span_id != span_id)
		return NONE;
	return layout->ids[low].entry;
}

static void sort_ids(struct layout *layout)
{
	for (uint32_t i = 0; i < layout->count; i++)
		layout->ids[i] = (struct id){layout->entries[i].span_id, i};
	qsort(layout->ids, layout->count, sizeof(*layout->ids), id_compare);
}

static bool says_more(const struct spool_entry *a, const struct spool_entry *b)
{
	if (a->ended_by_us != b->ended_by_us)
		return b->ended_by_us;
	return a->length > b->length;
}

/* Leaves one entry of each id in `ids`. */
static void take_one_of_each(struct layout *layout)
{
	struct id *ids = layout->ids;

	for (uint32_t i = 0; i < layout->count; i++) {
		struct id *last = &ids[layout->taken ? layout->taken - 1 : 0];

		if (layout->taken == 0 || last->span_id != ids[i].span_id) {
			ids[layout->taken++] = ids[i];
		} else if (says_more(&layout->entries[ids[i].entry],
				     &layout->entries[last->entry])) {
			layout->depths[last->entry] = PASSED_OVER;
			*last = ids[i];
		} else {
			layout->depths[ids[i].entry] = PASSED_OVER;
		}
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
	for (uint32_t i = 0; i < layout->taken; i++) {
		struct place place = place_of(layout, layout->ids[i].entry);
		uint32_t group = layout->entries[place.entry].group;

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
	for (uint32_t i = 0; i < layout->taken; i++) {
		struct place place = place_of(layout, layout->ids[i].entry);

		rows[i] = (struct row){ranks[layout->entries[place.entry].group], place};
	}
	qsort(rows, layout->taken, sizeof(*rows), row_compare);
	for (uint32_t i = 0; i < layout->taken; i++)
		order[i] = rows[i].place.entry;
}

int layout_make(uint32_t *order, uint32_t *ret_taken, const struct spool_entry *entries,
		uint32_t count, const struct groups *groups)
{
	struct layout layout = {.entries = entries, .count = count};
	struct group_place *places;
	struct row *rows;
	uint32_t *ranks;
	int r = -ENOMEM;

	*ret_taken = 0;
	if (count == 0)
		return 0;
	layout.ids = calloc(count, sizeof(*layout.ids));
	layout.depths = calloc(count, sizeof(*layout.depths));
	places = calloc(groups->count, sizeof(*places));
	ranks = calloc(groups->count, sizeof(*ranks));
	rows = calloc(count, sizeof(*rows));
	if (!layout.ids || !layout.depths || !places || !ranks || !rows)
		goto out;
	sort_ids(&layout);
	memset(layout.depths, 0xff, count * sizeof(*layout.depths));
	take_one_of_each(&layout);
	for (uint32_t i = 0; i < count; i++)
		if (layout.depths[i] == UNKNOWN)
			find_depth(&layout, i);
	rank_groups(&layout, groups, places, ranks);
	sort_rows(&layout, ranks, rows, order);
	*ret_taken = layout.taken;
	r = 0;
out:
	free(layout.ids);
	free(layout.depths);
	free(places);
	free(ranks);
	free(rows);
	return r;
}
