#include "testing_spans.h"

#include "clock.h"
#include "testing_value.h"

#include <stdlib.h>

/* A span in the making, found by its id. */
struct building {
	struct spanring_test_span *span;
	const struct testing_ring *ring;
	struct spanring_attribute *attributes;
	struct spanring_test_event *events;
	struct spanring_test_link *links;
	struct spanring_test_span *last_child;
	struct wire_limits limits;
	size_t attribute_records, event_records, link_records; /* room */
};

struct site {
	struct testing_arena *arena;
	struct building *buildings;
	size_t count;
	uint32_t *slots; /* of `buildings`, plus 1, by a hash of the id */
	size_t slot_mask;
	struct clock_anchor now;
};

/* ---- times -------------------------------------------------------------------------- */

/* The ring's clock ran straight between its beginning and now. */
static uint64_t unix_ns(const struct site *site, const struct testing_ring *ring,
			uint64_t ticks, bool wall)
{
	const struct wire_ring_header *header = ring->header;
	double since = (double)(int64_t)(ticks - header->anchor_ticks), slope = 1.0;

	if (wall)
		return ticks;
	if (header->clock == WIRE_CLOCK_TSC && site->now.ticks > header->anchor_ticks)
		slope = (double)(site->now.mono_ns - header->anchor_mono_ns) /
			(double)(site->now.ticks - header->anchor_ticks);
	return header->anchor_wall_ns + (uint64_t)(int64_t)(since * slope);
}

/* ---- finding ------------------------------------------------------------------------ */

static size_t slot_of(const struct site *site, const uint8_t id[8])
{
	uint64_t word;

	memcpy(&word, id, sizeof word);
	return (size_t)(word * UINT64_C(0x9e3779b97f4a7c15) >> 20) & site->slot_mask;
}

static struct building *find(const struct site *site, const uint8_t id[8])
{
	for (size_t at = slot_of(site, id); site->slots[at]; at = (at + 1) & site->slot_mask) {
		struct building *building = &site->buildings[site->slots[at] - 1];

		if (memcmp(building->span->span_id, id, 8) == 0)
			return building;
	}
	return NULL;
}

static void note(struct site *site, uint32_t index)
{
	size_t at = slot_of(site, site->buildings[index].span->span_id);

	while (site->slots[at])
		at = (at + 1) & site->slot_mask;
	site->slots[at] = index + 1;
}

static size_t count_starts(const struct testing_ring *rings)
{
	size_t count = 0;

	for (; rings; rings = rings->next)
		for (size_t i = 0; i < rings->count; i++)
			count += record_head(rings->records[i].bytes).type == WIRE_START;
	return count;
}

static int open_site(struct site *site, struct testing_snapshot *snapshot,
		     const struct testing_ring *rings)
{
	size_t starts = count_starts(rings), slots = 16;
	struct spanring_test_span *spans;

	while (slots < 2 * starts)
		slots *= 2;
	site->arena = &snapshot->arena;
	site->slot_mask = slots - 1;
	site->slots = testing_alloc(site->arena, slots, sizeof *site->slots);
	site->buildings = testing_alloc(site->arena, starts, sizeof *site->buildings);
	spans = testing_alloc(site->arena, starts, sizeof *spans);
	if (!site->slots || !site->buildings || !spans || starts > UINT32_MAX / 4)
		return -ENOMEM;
	for (size_t i = 0; i < starts; i++)
		site->buildings[i].span = &spans[i];
	snapshot->spans.spans = spans;
	site->now = clock_anchor();
	return 0;
}

/* ---- the first look: spans that began ------------------------------------------------ */

static int take_start(struct site *site, const struct testing_ring *ring, const uint8_t *at)
{
	struct record_start start = record_get_start(at);
	struct building *building = &site->buildings[site->count];
	struct spanring_test_span *span = building->span;

	if (find(site, start.fixed.span_id))
		return 0; /* said twice: the first counts */
	memcpy(span->trace_id, start.fixed.trace_id, sizeof span->trace_id);
	memcpy(span->span_id, start.fixed.span_id, sizeof span->span_id);
	memcpy(span->parent_span_id, start.fixed.parent_span_id, sizeof span->parent_span_id);
	span->trace_flags = (uint8_t)start.fixed.trace_flags;
	span->kind = (enum spanring_kind)start.fixed.head.aux;
	span->start_unix_ns =
		unix_ns(site, ring, start.fixed.ticks, start.fixed.head.flags & WIRE_TIME_WALL);
	span->name = testing_text(site->arena, start.name);
	span->tracestate = testing_text(site->arena, start.tracestate);
	span->status_message = span->scope = span->scope_version = "";
	building->ring = ring;
	building->limits = (struct wire_limits){
		.attributes = UINT32_MAX, .events = UINT32_MAX, .links = UINT32_MAX};
	note(site, (uint32_t)site->count++);
	return span->name && span->tracestate ? 0 : -ENOMEM;
}

static int take_starts(struct site *site, const struct testing_ring *rings)
{
	int r = 0;

	for (; rings; rings = rings->next)
		for (size_t i = 0; i < rings->count && r == 0; i++)
			if (record_head(rings->records[i].bytes).type == WIRE_START)
				r = take_start(site, rings, rings->records[i].bytes);
	return r;
}

/* ---- the second: how much was said of each -------------------------------------------- */

static struct building *spoken_of(const struct site *site, const uint8_t *at)
{
	uint64_t id = record_span_id(at);

	return id ? find(site, (const uint8_t *)&id) : NULL;
}

static void count_record(const struct site *site, const uint8_t *at)
{
	struct building *building = spoken_of(site, at);

	if (!building)
		return;
	building->attribute_records += record_head(at).type == WIRE_ATTRIBUTE;
	building->event_records += record_head(at).type == WIRE_EVENT;
	building->link_records += record_head(at).type == WIRE_LINK;
}

static int make_room(struct site *site, const struct testing_ring *rings)
{
	for (; rings; rings = rings->next)
		for (size_t i = 0; i < rings->count; i++)
			count_record(site, rings->records[i].bytes);
	for (size_t i = 0; i < site->count; i++) {
		struct building *building = &site->buildings[i];

		building->attributes = testing_alloc(site->arena, building->attribute_records,
						     sizeof *building->attributes);
		building->events = testing_alloc(site->arena, building->event_records,
						 sizeof *building->events);
		building->links = testing_alloc(site->arena, building->link_records,
						sizeof *building->links);
		if (!building->attributes || !building->events || !building->links)
			return -ENOMEM;
		building->span->attributes = building->attributes;
		building->span->events = building->events;
		building->span->links = building->links;
	}
	return 0;
}

/* ---- the third: what was said ---------------------------------------------------------- */

static int take_attribute(struct site *site, struct building *building, const uint8_t *at)
{
	struct record_entry entry = record_get_attribute(at).entry;
	struct spanring_test_span *span = building->span;
	size_t i = 0;

	while (i < span->attribute_count &&
	       (building->attributes[i].key_length != entry.key_length ||
		memcmp(building->attributes[i].key, entry.key, entry.key_length) != 0))
		i++;
	if (i == span->attribute_count) {
		if (i >= building->limits.attributes) {
			span->dropped_attributes++;
			return 0;
		}
		span->attribute_count++;
	}
	return testing_attribute(site->arena, &entry, &building->attributes[i]);
}

static int take_event(struct site *site, struct building *building, const uint8_t *at)
{
	struct record_event event = record_get_event(at);
	struct spanring_test_span *span = building->span;
	struct spanring_test_event *to = &building->events[span->event_count];

	if (span->event_count >= building->limits.events) {
		span->dropped_events++;
		return 0;
	}
	span->event_count++;
	to->name = testing_text(site->arena, event.name);
	to->time_unix_ns = unix_ns(site, building->ring, event.fixed.ticks,
				   event.fixed.head.flags & WIRE_TIME_WALL);
	if (!to->name)
		return -ENOMEM;
	return testing_attributes(site->arena, event.entries, &to->attributes,
				  &to->attribute_count);
}

static int take_link(struct site *site, struct building *building, const uint8_t *at)
{
	struct record_link link = record_get_link(at);
	struct spanring_test_span *span = building->span;
	struct spanring_test_link *to = &building->links[span->link_count];
	struct spanring_context *context = &to->context;

	if (span->link_count >= building->limits.links) {
		span->dropped_links++;
		return 0;
	}
	span->link_count++;
	memcpy(context->trace_id, link.fixed.linked_trace_id, sizeof context->trace_id);
	memcpy(context->span_id, link.fixed.linked_span_id, sizeof context->span_id);
	context->trace_flags = (uint8_t)link.fixed.trace_flags;
	context->is_remote = (link.fixed.trace_flags & 0x200u) != 0;
	if (link.tracestate.length <= SPANRING_TRACESTATE_MAX) {
		memcpy(context->tracestate, link.tracestate.at, link.tracestate.length);
		context->tracestate_length = (uint16_t)link.tracestate.length;
	}
	return testing_attributes(site->arena, link.entries, &to->attributes,
				  &to->attribute_count);
}

/* OK is final, UNSET changes nothing. */
static int take_status(struct site *site, struct spanring_test_span *span, const uint8_t *at)
{
	enum spanring_status status = (enum spanring_status)record_head(at).aux;

	if (span->status == SPANRING_STATUS_OK || status == SPANRING_STATUS_UNSET)
		return 0;
	span->status = status;
	span->status_message = testing_text(site->arena, record_get_text(at));
	return span->status_message ? 0 : -ENOMEM;
}

static int take_end(struct site *site, struct building *building, const uint8_t *at)
{
	struct wire_end end = record_get_end(at);

	building->span->ended = true;
	building->span->end_unix_ns =
		unix_ns(site, building->ring, end.ticks, end.head.flags & WIRE_TIME_WALL);
	return 0;
}

static int take_dropped(struct spanring_test_span *span, const uint8_t *at)
{
	struct wire_dropped dropped = record_get_dropped(at);

	span->dropped_attributes += dropped.attributes;
	span->dropped_events += dropped.events;
	span->dropped_links += dropped.links;
	return 0;
}

static int take_record(struct site *site, struct building *building, const uint8_t *at)
{
	switch (record_head(at).type) {
	case WIRE_ATTRIBUTE:
		return take_attribute(site, building, at);
	case WIRE_EVENT:
		return take_event(site, building, at);
	case WIRE_LINK:
		return take_link(site, building, at);
	case WIRE_STATUS:
		return take_status(site, building->span, at);
	case WIRE_NAME:
		building->span->name = testing_text(site->arena, record_get_text(at));
		return building->span->name ? 0 : -ENOMEM;
	case WIRE_END:
		return take_end(site, building, at);
	case WIRE_DROPPED:
		return take_dropped(building->span, at);
	default:
		return 0;
	}
}

static int take_records(struct site *site, const struct testing_ring *rings)
{
	int r = 0;

	for (; rings; rings = rings->next) {
		for (size_t i = 0; i < rings->count && r == 0; i++) {
			struct building *building = spoken_of(site, rings->records[i].bytes);

			if (building)
				r = take_record(site, building, rings->records[i].bytes);
		}
	}
	return r;
}

/* ---- what is said of a whole process ------------------------------------------------------
 */

static int take_scope(struct site *site, const struct testing_ring *ring, const uint8_t *at)
{
	struct record_scope scope = record_get_scope(at);
	const char *name = testing_text(site->arena, scope.name);
	const char *version = testing_text(site->arena, scope.version);

	if (!name || !version)
		return -ENOMEM;
	for (size_t i = 0; i < ring->count; i++) {
		const uint8_t *bytes = ring->records[i].bytes;
		struct building *building;

		if (record_head(bytes).type != WIRE_START ||
		    record_get_start(bytes).fixed.scope != scope.fixed.number)
			continue;
		building = spoken_of(site, bytes);
		building->span->scope = name;
		building->span->scope_version = version;
	}
	return 0;
}

static int take_resource(struct site *site, const struct testing_ring *ring, const uint8_t *at)
{
	const struct spanring_attribute *attributes;
	size_t count;
	int r = testing_attributes(site->arena, record_get_resource(at).entries, &attributes,
				   &count);

	for (size_t i = 0; i < site->count && r == 0; i++) {
		if (site->buildings[i].ring != ring)
			continue;
		site->buildings[i].span->resource = attributes;
		site->buildings[i].span->resource_count = count;
	}
	return r;
}

static void take_limits(struct site *site, const struct testing_ring *ring, const uint8_t *at)
{
	for (size_t i = 0; i < site->count; i++)
		if (site->buildings[i].ring == ring)
			memcpy(&site->buildings[i].limits, at, sizeof(struct wire_limits));
}

static int take_process(struct site *site, const struct testing_ring *ring)
{
	int r = 0;

	for (size_t i = 0; i < ring->count && r == 0; i++) {
		const uint8_t *at = ring->records[i].bytes;

		if (record_head(at).type == WIRE_SCOPE)
			r = take_scope(site, ring, at);
		else if (record_head(at).type == WIRE_RESOURCE)
			r = take_resource(site, ring, at);
		else if (record_head(at).type == WIRE_LIMITS)
			take_limits(site, ring, at);
	}
	return r;
}

/* Ends that found no room: it is known that they were, not when. */
static void take_lost_ends(struct site *site, const struct testing_ring *ring)
{
	for (uint32_t i = 0; i < WIRE_LOST_END_SLOTS; i++) {
		const struct wire_lost_end *lost = &ring->header->lost_end[i];
		struct building *building;

		/* Relaxed: a copy that nobody else has. */
		if (!atomic_load_explicit(&lost->ready, memory_order_relaxed))
			continue;
		building = find(site, (const uint8_t *)lost->span_id);
		if (building)
			building->span->ended = true;
	}
}

static uint32_t refused(const struct testing_ring *ring)
{
	uint32_t sum = 0;

	for (int i = 0; i < WIRE_REFUSED_COUNT; i++)
		/* Relaxed: a copy that nobody else has. */
		sum += atomic_load_explicit(&ring->header->refused[i], memory_order_relaxed);
	return sum;
}

/* ---- the tree ------------------------------------------------------------------------------
 */

static int by_start(const void *a, const void *b)
{
	const struct building *x = a, *y = b;

	if (x->span->start_unix_ns != y->span->start_unix_ns)
		return x->span->start_unix_ns < y->span->start_unix_ns ? -1 : 1;
	return x->span < y->span ? -1 : x->span > y->span; /* as they were said */
}

/* Puts the spans in their order, into an array of their own, and finds them again there. */
static int order(struct site *site, struct spanring_test_spans *spans)
{
	struct spanring_test_span *ordered =
		testing_alloc(site->arena, site->count, sizeof *ordered);

	if (!ordered)
		return -ENOMEM;
	qsort(site->buildings, site->count, sizeof *site->buildings, by_start);
	memset(site->slots, 0, (site->slot_mask + 1) * sizeof *site->slots);
	for (size_t i = 0; i < site->count; i++) {
		ordered[i] = *site->buildings[i].span;
		site->buildings[i].span = &ordered[i];
		note(site, (uint32_t)i);
	}
	spans->spans = ordered;
	spans->count = site->count;
	return 0;
}

static void link_tree(struct site *site, struct spanring_test_spans *spans)
{
	struct spanring_test_span *last_root = NULL;

	for (size_t i = 0; i < site->count; i++) {
		struct spanring_test_span *span = site->buildings[i].span;
		struct building *parent = find(site, span->parent_span_id);

		if (parent && parent->span != span &&
		    memcmp(parent->span->trace_id, span->trace_id, 16) == 0) {
			span->parent = parent->span;
			if (parent->last_child)
				parent->last_child->next = span;
			else
				parent->span->first_child = span;
			parent->last_child = span;
			continue;
		}
		if (last_root)
			last_root->next = span;
		else
			spans->first_root = span;
		last_root = span;
	}
}

int testing_spans_make(struct testing_snapshot *snapshot, const struct testing_ring *rings)
{
	const struct testing_ring *ring;
	struct site site = {.count = 0};
	int r = open_site(&site, snapshot, rings);

	if (r == 0)
		r = take_starts(&site, rings);
	if (r == 0)
		r = make_room(&site, rings);
	for (ring = rings; ring && r == 0; ring = ring->next)
		r = take_process(&site, ring);
	if (r == 0)
		r = take_records(&site, rings);
	if (r < 0)
		return r;
	for (ring = rings; ring; ring = ring->next) {
		take_lost_ends(&site, ring);
		snapshot->spans.refused += refused(ring);
	}
	r = order(&site, &snapshot->spans);
	if (r == 0)
		link_tree(&site, &snapshot->spans);
	return r;
}
