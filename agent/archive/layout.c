#include "archive/layout.h"

#include "archive/facts.h"

#include <errno.h>
#include <stdlib.h>

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

struct group_place {
	struct place resource; /* of the resource's earliest span */
	struct place first;    /* of its own */
	uint32_t group;
};

static int place_compare(const struct place *a, const struct place *b)
{
	if (a->start_ns != b->start_ns)
		return a->start_ns < b->start_ns ? -1 : 1;
	if (a->depth != b->depth)
		return a->depth < b->depth ? -1 : 1;
	return (a->entry > b->entry) - (a->entry < b->entry);
}

static int group_compare(const void *left, const void *right)
{
	const struct group_place *a = left, *b = right;
	int r = place_compare(&a->resource, &b->resource);

	return r ? r : place_compare(&a->first, &b->first);
}

/* The slot of that id, or the empty one where it would be. */
static uint32_t *find_slot(const struct layout *layout, uint64_t span_id)
{
	uint64_t at = span_id_hash(span_id, layout->seed);

	for (;; at++) {
		uint32_t *slot = &layout->by_id[at & layout->mask];

		if (*slot == LAYOUT_NONE || layout->entries[*slot].span_id == span_id)
			return slot;
	}
}

uint32_t layout_find(const struct layout *layout, uint64_t span_id)
{
	return *find_slot(layout, span_id);
}

bool layout_takes(const struct layout *layout, uint32_t entry)
{
	return layout->depths[entry] != PASSED_OVER;
}

static bool says_more(const struct spool_entry *a, const struct spool_entry *b)
{
	if (a->ended_by_us != b->ended_by_us)
		return b->ended_by_us;
	return a->length > b->length;
}

/* One entry of each id; the others are passed over. */
static void take_one_of_each(struct layout *layout)
{
	for (uint32_t i = 0; i < layout->count; i++) {
		uint32_t *slot = find_slot(layout, layout->entries[i].span_id);

		layout->depths[i] = UNKNOWN;
		if (*slot == LAYOUT_NONE) {
			*slot = i;
			layout->taken++;
		} else if (says_more(&layout->entries[i], &layout->entries[*slot])) {
			layout->depths[*slot] = PASSED_OVER;
			*slot = i;
		} else {
			layout->depths[i] = PASSED_OVER;
		}
	}
}

/* The parent, where it started at the same moment. */
static uint32_t tied_parent(const struct layout *layout, uint32_t entry)
{
	const struct spool_entry *span = &layout->entries[entry];
	uint32_t parent;

	if (!span->parent_id)
		return LAYOUT_NONE;
	parent = layout_find(layout, span->parent_id);
	if (parent == LAYOUT_NONE || layout->entries[parent].start_ns != span->start_ns)
		return LAYOUT_NONE;
	return parent;
}

/* Walks up to an ancestor whose depth is known (or that is none), then down
 * again by walking a second time: no recursion, and each span is left with its
 * depth. A loop of parents, which only a hostile module makes, ends at 0. */
static void find_depth(struct layout *layout, uint32_t entry)
{
	uint32_t length = 0, at = entry, depth = 0;

	while (at != LAYOUT_NONE && layout->depths[at] == UNKNOWN) {
		layout->depths[at] = WALKING;
		length++;
		at = tied_parent(layout, at);
	}
	if (at != LAYOUT_NONE && layout->depths[at] != WALKING)
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
			struct group_place *places, const uint32_t *order)
{
	const struct place last = {UINT64_MAX, UINT32_MAX, UINT32_MAX};

	for (uint32_t g = 0; g < groups->count; g++)
		places[g] = (struct group_place){last, last, g};
	for (uint32_t i = 0; i < layout->taken; i++) {
		struct place place = place_of(layout, order[i]);
		uint32_t group = layout->entries[place.entry].group;

		take_earlier(&places[group].first, &place);
		take_earlier(&places[groups->at[group].resource].resource, &place);
	}
	for (uint32_t g = 0; g < groups->count; g++)
		places[g].resource = places[groups->at[g].resource].resource;
	qsort(places, groups->count, sizeof(*places), group_compare);
	for (uint32_t rank = 0; rank < groups->count; rank++)
		layout->ranks[places[rank].group] = rank;
}

/* Groups without a span that is taken stand behind all others. */
static int note_resources(const struct groups *groups, const struct group_place *places,
			  struct tally *tally)
{
	uint32_t resource = UINT32_MAX;

	tally->resources = calloc(groups->count, sizeof(*tally->resources));
	if (!tally->resources)
		return -ENOMEM;
	for (uint32_t i = 0; i < groups->count && places[i].first.entry != UINT32_MAX; i++) {
		if (groups->at[places[i].group].resource == resource)
			continue;
		resource = groups->at[places[i].group].resource;
		tally->resources[tally->resource_count++] = resource;
	}
	return 0;
}

static bool stands_before(const struct layout *layout, uint32_t a, uint32_t b)
{
	uint32_t rank_a = layout->ranks[layout->entries[a].group];
	uint32_t rank_b = layout->ranks[layout->entries[b].group];
	struct place place_a = place_of(layout, a), place_b = place_of(layout, b);

	if (rank_a != rank_b)
		return rank_a < rank_b;
	return place_compare(&place_a, &place_b) < 0;
}

/* How many from `at` on are in order. */
static uint32_t run_length(const struct layout *layout, const uint32_t *at, uint32_t count)
{
	uint32_t length = count ? 1 : 0;

	while (length < count && stands_before(layout, at[length - 1], at[length]))
		length++;
	return length;
}

static void merge(const struct layout *layout, uint32_t *to, const uint32_t *a,
		  uint32_t a_count, const uint32_t *b, uint32_t b_count)
{
	while (a_count && b_count) {
		if (stands_before(layout, *b, *a)) {
			*to++ = *b++;
			b_count--;
		} else {
			*to++ = *a++;
			a_count--;
		}
	}
	memcpy(to, a, a_count * sizeof(*a));
	memcpy(to + a_count, b, b_count * sizeof(*b));
}

/* Merges what is in order already: spans come nearly in the order of their starts,
 * parents behind their children, so a few rounds are enough as a rule. */
static void sort_entries(const struct layout *layout, uint32_t *order, uint32_t *other)
{
	uint32_t *from = order, *to = other, *swapped, runs;

	do {
		uint32_t at = 0;

		for (runs = 0; at < layout->taken; runs++) {
			uint32_t left = layout->taken - at;
			uint32_t a = run_length(layout, from + at, left);
			uint32_t b = run_length(layout, from + at + a, left - a);

			merge(layout, to + at, from + at, a, from + at + a, b);
			at += a + b;
		}
		swapped = from;
		from = to;
		to = swapped;
	} while (runs > 1);
	if (from != order)
		memcpy(order, from, layout->taken * sizeof(*order));
}

static int allocate(struct layout *layout, const struct groups *groups)
{
	uint64_t slots = 16;

	while (slots < (uint64_t)layout->count * 2)
		slots *= 2;
	layout->mask = (uint32_t)(slots - 1);
	layout->by_id = malloc(slots * sizeof(*layout->by_id));
	layout->depths = calloc(layout->count, sizeof(*layout->depths));
	layout->ranks = calloc(groups->count, sizeof(*layout->ranks));
	if (!layout->by_id || !layout->depths || !layout->ranks)
		return -ENOMEM;
	memset(layout->by_id, 0xff, slots * sizeof(*layout->by_id));
	return 0;
}

static void take_all(struct layout *layout, uint32_t *order)
{
	uint32_t n = 0;

	take_one_of_each(layout);
	for (uint32_t i = 0; i < layout->count; i++) {
		if (layout->depths[i] == UNKNOWN)
			find_depth(layout, i);
		if (layout->depths[i] != PASSED_OVER)
			order[n++] = i;
	}
}

static int add_up(const struct layout *layout, const struct groups *groups,
		  const struct group_place *places, struct tally *tally)
{
	int r;

	if (!tally)
		return 0;
	r = note_resources(groups, places, tally);
	return r < 0 ? r : tally_spans(tally, layout);
}

int layout_make(uint32_t *order, uint32_t *ret_taken, const struct spool_entry *entries,
		uint32_t count, const struct groups *groups, uint64_t seed, struct tally *tally)
{
	struct layout layout = {.entries = entries, .count = count, .seed = seed};
	struct group_place *places;
	uint32_t *other;
	int r;

	*ret_taken = 0;
	if (count == 0)
		return 0;
	places = calloc(groups->count, sizeof(*places));
	other = calloc(count, sizeof(*other));
	r = allocate(&layout, groups);
	if (!places || !other)
		r = -ENOMEM;
	if (r == 0) {
		take_all(&layout, order);
		rank_groups(&layout, groups, places, order);
		sort_entries(&layout, order, other);
		r = add_up(&layout, groups, places, tally);
	}
	if (r == 0)
		*ret_taken = layout.taken;
	free(layout.by_id);
	free(layout.depths);
	free(layout.ranks);
	free(places);
	free(other);
	return r;
}
