#include "otlp/encode.h"

#include "otlp/attributes.h"
#include "otlp/pb.h"
#include "otlp/utf8.h"

/* Field numbers of opentelemetry.proto.{trace,common,resource}.v1. */
enum {
	SPAN_TRACE_ID = 1,
	SPAN_SPAN_ID = 2,
	SPAN_TRACE_STATE = 3,
	SPAN_PARENT_SPAN_ID = 4,
	SPAN_NAME = 5,
	SPAN_KIND = 6,
	SPAN_START = 7,
	SPAN_END = 8,
	SPAN_ATTRIBUTES = 9,
	SPAN_DROPPED_ATTRIBUTES = 10,
	SPAN_EVENTS = 11,
	SPAN_DROPPED_EVENTS = 12,
	SPAN_LINKS = 13,
	SPAN_DROPPED_LINKS = 14,
	SPAN_STATUS = 15,
	SPAN_FLAGS = 16,

	EVENT_TIME = 1,
	EVENT_NAME = 2,
	EVENT_ATTRIBUTES = 3,
	EVENT_DROPPED_ATTRIBUTES = 4,

	LINK_TRACE_ID = 1,
	LINK_SPAN_ID = 2,
	LINK_TRACE_STATE = 3,
	LINK_ATTRIBUTES = 4,
	LINK_DROPPED_ATTRIBUTES = 5,
	LINK_FLAGS = 6,

	STATUS_MESSAGE = 2,
	STATUS_CODE = 3,

	RESOURCE_ATTRIBUTES = 1,
	RESOURCE_DROPPED_ATTRIBUTES = 2,

	SCOPE_NAME = 1,
	SCOPE_VERSION = 2,
	SCOPE_ATTRIBUTES = 3,
	SCOPE_DROPPED_ATTRIBUTES = 4,
};

#define KIND_MAX 5

/* Bits 10 to 31 are zero in a span that is new. */
#define FLAGS_MASK 0x3ffu

/* --- walking the records ------------------------------------------------------------ */

struct walk {
	const struct bytes *chunk;
	const struct bytes *chunk_end;
	const uint8_t *at;
	const uint8_t *end;
};

static struct walk walk_from(const struct bytes *chunks, uint32_t n)
{
	return (struct walk){chunks, chunks + n, NULL, NULL};
}

/* The next record, or NULL. The records were checked; a length that leaves its
 * chunk all the same ends the chunk, so nothing is read beyond it. */
static inline const uint8_t *walk_next(struct walk *walk)
{
	const uint8_t *record;
	size_t left;
	uint32_t length;

	for (;;) {
		left = (size_t)(walk->end - walk->at);
		if (left >= sizeof(struct wire_head)) {
			length = record_head(walk->at).length;
			if (length >= sizeof(struct wire_head) && length <= left)
				break;
		}
		if (walk->chunk == walk->chunk_end)
			return NULL;
		walk->at = walk->chunk->at;
		walk->end = walk->chunk->len ? walk->at + walk->chunk->len : walk->at;
		walk->chunk++;
	}
	record = walk->at;
	/* A chunk may end in the padding of its last record. */
	walk->at += record_padded(length) < left ? record_padded(length) : left;
	return record;
}

/* What the module said, which its limits hold for, and what the agent adds. */
struct parts {
	struct walk module;
	struct walk agent;
	struct otlp_limits limits;
};

static struct parts parts_from(const struct bytes *chunks, uint32_t n,
			       const struct otlp_limits *limits)
{
	struct parts parts = {.limits = {UINT32_MAX, UINT32_MAX, UINT32_MAX, n}};

	if (limits)
		parts.limits = *limits;
	if (parts.limits.chunks > n)
		parts.limits.chunks = n;
	parts.module = walk_from(chunks, parts.limits.chunks);
	parts.agent = walk_from(chunks + parts.limits.chunks, n - parts.limits.chunks);
	return parts;
}

/* --- what a span's records come to ---------------------------------------------------- */

struct status {
	enum otlp_status code;
	struct record_text message;
};

/* Ok is final, Unset says nothing, only an error has a description. */
static void status_apply(struct status *status, const uint8_t *record)
{
	unsigned code = record_head(record).aux;

	if (status->code == OTLP_STATUS_OK)
		return;
	if (code == OTLP_STATUS_OK)
		*status = (struct status){OTLP_STATUS_OK, {NULL, 0}};
	else if (code == OTLP_STATUS_ERROR)
		*status = (struct status){OTLP_STATUS_ERROR, record_get_text(record)};
}

struct outline {
	const uint8_t *start;
	const uint8_t *end; /* the first END, or NULL */
	struct record_text name;
	struct status status;
	uint32_t events;
	uint32_t links;
	uint32_t dropped_attributes;
	uint32_t dropped_events;
	uint32_t dropped_links;
	uint64_t over_limits;
};

static uint32_t saturated_sum(uint32_t a, uint32_t b)
{
	return a > UINT32_MAX - b ? UINT32_MAX : a + b;
}

static void outline_dropped(struct outline *outline, const uint8_t *record)
{
	struct wire_dropped dropped = record_get_dropped(record);

	outline->dropped_attributes =
		saturated_sum(outline->dropped_attributes, dropped.attributes);
	outline->dropped_events = saturated_sum(outline->dropped_events, dropped.events);
	outline->dropped_links = saturated_sum(outline->dropped_links, dropped.links);
}

static int add_attribute(struct attributes *attributes, const uint8_t *record)
{
	struct record_attribute attribute = record_get_attribute(record);
	struct record_entry *entry = attributes_next(attributes);

	if (!entry)
		return -ENOMEM;
	/* One by one: copied whole, the struct would be read back from the
	 * stack wider than it was just written, and that stalls. */
	entry->key = attribute.entry.key;
	entry->value = attribute.entry.value;
	entry->key_length = attribute.entry.key_length;
	entry->value_length = attribute.entry.value_length;
	entry->type = attribute.entry.type;
	return attributes_take(attributes);
}

static int outline_add(struct outline *outline, struct attributes *attributes,
		       const uint8_t *record)
{
	switch (record_head(record).type) {
	case WIRE_ATTRIBUTE:
		return add_attribute(attributes, record);
	case WIRE_END:
		if (!outline->end)
			outline->end = record;
		break;
	case WIRE_NAME:
		outline->name = record_get_text(record);
		break;
	case WIRE_STATUS:
		status_apply(&outline->status, record);
		break;
	case WIRE_EVENT:
		outline->events++;
		break;
	case WIRE_LINK:
		outline->links++;
		break;
	case WIRE_DROPPED:
		outline_dropped(outline, record);
		break;
	default:
		break;
	}
	return 0;
}

static int outline_add_all(struct outline *outline, struct attributes *attributes,
			   struct walk *walk)
{
	const uint8_t *record;

	while ((record = walk_next(walk))) {
		if (outline_add(outline, attributes, record) < 0)
			return -ENOMEM;
	}
	return 0;
}

static uint32_t over(uint32_t count, uint32_t max)
{
	return count > max ? count - max : 0;
}

static void outline_limit(struct outline *outline, const struct attributes *attributes,
			  const struct otlp_limits *limits)
{
	uint32_t events = over(outline->events, limits->events);
	uint32_t links = over(outline->links, limits->links);

	outline->dropped_events = saturated_sum(outline->dropped_events, events);
	outline->dropped_links = saturated_sum(outline->dropped_links, links);
	outline->over_limits = (uint64_t)events + links + attributes->over;
}

/* One walk over everything. Events and links, which few spans have, are only
 * counted; they are written by walks of their own. */
static int outline_make(struct outline *outline, struct attributes *attributes,
			struct parts parts)
{
	const uint8_t *record = walk_next(&parts.module);

	if (!record || record_head(record).type != WIRE_START)
		return -EBADMSG;
	*outline = (struct outline){.start = record, .name = record_get_start(record).name};
	attributes->max = parts.limits.attributes;
	if (outline_add_all(outline, attributes, &parts.module) < 0)
		return -ENOMEM;
	outline_limit(outline, attributes, &parts.limits);
	attributes->max = UINT32_MAX;
	return outline_add_all(outline, attributes, &parts.agent);
}

/* --- small fields ------------------------------------------------------------------------ */

static struct bytes text_bytes(struct record_text text)
{
	return (struct bytes){text.at, text.length};
}

static uint64_t wall_time(const struct otlp_clock *clock, const uint8_t *record, uint64_t ticks)
{
	if (record_head(record).flags & WIRE_TIME_WALL)
		return ticks;
	return clock->wall_ns(clock->arg, ticks);
}

static void write_count(struct buf *out, uint32_t field, uint32_t count)
{
	if (count)
		(void)pb_varint(out, field, count);
}

static void write_flags(struct buf *out, uint32_t field, uint32_t flags)
{
	if (flags & FLAGS_MASK)
		(void)pb_fixed32(out, field, flags & FLAGS_MASK);
}

static void write_time(struct buf *out, uint32_t field, uint64_t ns)
{
	if (ns)
		(void)pb_fixed64(out, field, ns);
}

static void write_id(struct buf *out, uint32_t field, const uint8_t *id, size_t len)
{
	static const uint8_t zero[16];

	if (memcmp(id, zero, len) != 0)
		(void)pb_bytes(out, field, (struct bytes){id, len});
}

/* The entries of a record as attributes, and how many were dropped before or
 * now. */
static int write_entries(struct buf *out, uint32_t field, struct record_text entries,
			 uint32_t dropped_field, uint32_t dropped, uint32_t *emptied)
{
	struct attributes attributes;
	int r;

	attributes_init(&attributes);
	r = attributes_add_entries(&attributes, entries);
	if (r == 0)
		r = attributes_write(&attributes, out, field, emptied);
	write_count(out, dropped_field, saturated_sum(dropped, attributes.dropped));
	attributes_fini(&attributes);
	return r;
}

/* --- events, links, status ------------------------------------------------------------------
 */

static int write_event(struct buf *out, const uint8_t *record, const struct otlp_clock *clock,
		       uint32_t *emptied)
{
	struct record_event event = record_get_event(record);
	struct pb_nested nested = pb_open(out, SPAN_EVENTS, record_head(record).length);
	int r;

	write_time(out, EVENT_TIME, wall_time(clock, record, event.fixed.ticks));
	(void)attributes_write_text(out, EVENT_NAME, text_bytes(event.name));
	r = write_entries(out, EVENT_ATTRIBUTES, event.entries, EVENT_DROPPED_ATTRIBUTES,
			  event.fixed.dropped_attributes, emptied);
	return r < 0 ? r : pb_close(out, nested);
}

static int write_link(struct buf *out, const uint8_t *record, uint32_t *emptied)
{
	struct record_link link = record_get_link(record);
	struct pb_nested nested = pb_open(out, SPAN_LINKS, record_head(record).length);
	int r;

	write_id(out, LINK_TRACE_ID, link.fixed.linked_trace_id, 16);
	write_id(out, LINK_SPAN_ID, link.fixed.linked_span_id, 8);
	(void)attributes_write_text(out, LINK_TRACE_STATE, text_bytes(link.tracestate));
	r = write_entries(out, LINK_ATTRIBUTES, link.entries, LINK_DROPPED_ATTRIBUTES,
			  link.fixed.dropped_attributes, emptied);
	write_flags(out, LINK_FLAGS, link.fixed.trace_flags);
	return r < 0 ? r : pb_close(out, nested);
}

/* The first `max` of them. */
static int write_events(struct buf *out, struct walk walk, uint32_t max,
			const struct otlp_clock *clock, uint32_t *emptied)
{
	const uint8_t *record;

	while (max && (record = walk_next(&walk))) {
		if (record_head(record).type != WIRE_EVENT)
			continue;
		if (write_event(out, record, clock, emptied) < 0)
			return -ENOMEM;
		max--;
	}
	return 0;
}

static int write_links(struct buf *out, struct walk walk, uint32_t max, uint32_t *emptied)
{
	const uint8_t *record;

	while (max && (record = walk_next(&walk))) {
		if (record_head(record).type != WIRE_LINK)
			continue;
		if (write_link(out, record, emptied) < 0)
			return -ENOMEM;
		max--;
	}
	return 0;
}

static void write_status(struct buf *out, const struct status *status)
{
	struct pb_nested nested;

	if (status->code == OTLP_STATUS_UNSET)
		return;
	nested = pb_open(out, SPAN_STATUS, status->message.length + 8);
	(void)attributes_write_text(out, STATUS_MESSAGE, text_bytes(status->message));
	(void)pb_varint(out, STATUS_CODE, status->code);
	(void)pb_close(out, nested);
}

/* --- the span
 * --------------------------------------------------------------------------------- */

static struct otlp_span_summary summarise(const struct outline *outline,
					  const struct otlp_clock *clock)
{
	struct otlp_span_summary summary = {.status = outline->status.code,
					    .over_limits = outline->over_limits};

	summary.start_wall_ns =
		wall_time(clock, outline->start, record_get_start(outline->start).fixed.ticks);
	summary.end_wall_ns = summary.start_wall_ns;
	if (outline->end)
		summary.end_wall_ns =
			wall_time(clock, outline->end, record_get_end(outline->end).ticks);
	if (summary.end_wall_ns < summary.start_wall_ns) {
		summary.end_wall_ns = summary.start_wall_ns;
		summary.end_clamped = true;
	}
	return summary;
}

/* Everything in front of the attributes. */
static void write_identity(struct buf *out, const struct outline *outline,
			   const struct otlp_span_summary *summary)
{
	struct record_start start = record_get_start(outline->start);

	write_id(out, SPAN_TRACE_ID, start.fixed.trace_id, 16);
	write_id(out, SPAN_SPAN_ID, start.fixed.span_id, 8);
	(void)attributes_write_text(out, SPAN_TRACE_STATE, text_bytes(start.tracestate));
	write_id(out, SPAN_PARENT_SPAN_ID, start.fixed.parent_span_id, 8);
	(void)attributes_write_text(out, SPAN_NAME, text_bytes(outline->name));
	if (start.fixed.head.aux <= KIND_MAX)
		write_count(out, SPAN_KIND, start.fixed.head.aux);
	write_time(out, SPAN_START, summary->start_wall_ns);
	write_time(out, SPAN_END, summary->end_wall_ns);
}

static int write_span(struct buf *out, const struct outline *outline,
		      const struct attributes *attributes, struct parts parts,
		      const struct otlp_clock *clock, struct otlp_span_summary *summary)
{
	uint32_t *emptied = &summary->emptied_values;
	int r;

	write_identity(out, outline, summary);
	r = attributes_write(attributes, out, SPAN_ATTRIBUTES, emptied);
	write_count(out, SPAN_DROPPED_ATTRIBUTES,
		    saturated_sum(outline->dropped_attributes, attributes->dropped));
	if (r == 0 && outline->events)
		r = write_events(out, parts.module, parts.limits.events, clock, emptied);
	if (r == 0 && outline->events)
		r = write_events(out, parts.agent, UINT32_MAX, clock, emptied);
	write_count(out, SPAN_DROPPED_EVENTS, outline->dropped_events);
	if (r == 0 && outline->links)
		r = write_links(out, parts.module, parts.limits.links, emptied);
	write_count(out, SPAN_DROPPED_LINKS, outline->dropped_links);
	write_status(out, &outline->status);
	write_flags(out, SPAN_FLAGS, record_get_start(outline->start).fixed.trace_flags);
	if (r == 0 && buf_failed(out))
		r = -ENOMEM;
	return r;
}

int otlp_encode_span(struct buf *out, const struct bytes *chunks, uint32_t n,
		     const struct otlp_clock *clock, const struct otlp_limits *limits,
		     struct otlp_span_summary *ret_summary)
{
	struct parts parts = parts_from(chunks, n, limits);
	struct otlp_span_summary summary;
	struct attributes attributes;
	struct outline outline;
	size_t before = out->len;
	int r;

	attributes_init(&attributes);
	r = outline_make(&outline, &attributes, parts);
	if (r == 0) {
		summary = summarise(&outline, clock);
		r = write_span(out, &outline, &attributes, parts, clock, &summary);
	}
	attributes_fini(&attributes);
	if (r < 0) {
		out->len = before;
		return r;
	}
	*ret_summary = summary;
	return 0;
}

enum otlp_status otlp_span_status(const struct bytes *chunks, uint32_t n)
{
	struct walk walk = walk_from(chunks, n);
	struct status status = {OTLP_STATUS_UNSET, {NULL, 0}};
	const uint8_t *record;

	while ((record = walk_next(&walk))) {
		if (record_head(record).type == WIRE_STATUS)
			status_apply(&status, record);
	}
	return status.code;
}

/* --- what spans hang under
 * ---------------------------------------------------------------------- */

/* The URL is handed out as it stands in the record, so one that cannot be
 * written into a message as it is counts as absent. */
static struct bytes schema_url_of(struct record_text text)
{
	struct bytes url = text_bytes(text);

	return utf8_is_valid(url) ? url : (struct bytes){NULL, 0};
}

static const char uid_key[] = "spanring.uid";
static const char pid_key[] = "spanring.pid";

bool otlp_is_owners_key(struct bytes key)
{
	return key.len == sizeof uid_key - 1 &&
	       (memcmp(key.at, uid_key, key.len) == 0 || memcmp(key.at, pid_key, key.len) == 0);
}
_Static_assert(sizeof uid_key == sizeof pid_key, "otlp_is_owners_key() compares one length");

/* What the process says of itself. It cannot say whose it is. */
static int add_told(struct attributes *attributes, struct record_text entries)
{
	const uint8_t *at = entries.at, *end = entries.at + entries.length;
	struct record_entry *entry;

	while ((entry = attributes_next(attributes))) {
		if (record_entry_next(&at, end, entry) <= 0)
			return 0;
		if (otlp_is_owners_key((struct bytes){entry->key, entry->key_length}))
			attributes->dropped++;
		else if (attributes_take(attributes) < 0)
			break;
	}
	return -ENOMEM;
}

static int add_known(struct attributes *attributes, const char *key, const int64_t *value)
{
	struct record_entry *entry = attributes_next(attributes);

	if (!entry)
		return -ENOMEM;
	*entry = (struct record_entry){
		.key = (const uint8_t *)key,
		.value = (const uint8_t *)value,
		.key_length = sizeof uid_key - 1,
		.value_length = sizeof *value,
		.type = WIRE_INT,
	};
	return attributes_take(attributes);
}

static int write_resource(struct buf *out, const struct record_resource *resource,
			  const struct otlp_owner *owner, uint32_t *emptied)
{
	int64_t uid = owner->uid, pid = owner->pid;
	struct attributes attributes;
	int r;

	attributes_init(&attributes);
	r = add_told(&attributes, resource->entries);
	if (r == 0 && owner->uid_known)
		r = add_known(&attributes, uid_key, &uid);
	if (r == 0 && owner->pid_known)
		r = add_known(&attributes, pid_key, &pid);
	if (r == 0)
		r = attributes_write(&attributes, out, RESOURCE_ATTRIBUTES, emptied);
	write_count(out, RESOURCE_DROPPED_ATTRIBUTES,
		    saturated_sum(resource->fixed.dropped_attributes, attributes.dropped));
	attributes_fini(&attributes);
	return r < 0 || buf_failed(out) ? -ENOMEM : 0;
}

int otlp_encode_resource(struct buf *out, const uint8_t *record, const struct otlp_owner *owner,
			 struct bytes *ret_schema_url)
{
	struct record_resource resource = {0};
	size_t before = out->len;
	uint32_t emptied = 0;

	if (record)
		resource = record_get_resource(record);
	if (write_resource(out, &resource, owner, &emptied) < 0) {
		out->len = before;
		return -ENOMEM;
	}
	*ret_schema_url = schema_url_of(resource.schema_url);
	return (int)emptied;
}

int otlp_encode_scope(struct buf *out, const uint8_t *record, struct bytes *ret_schema_url)
{
	struct record_scope scope;
	size_t before = out->len;
	uint32_t emptied = 0;
	int r;

	if (!record) {
		*ret_schema_url = (struct bytes){NULL, 0};
		return 0;
	}
	scope = record_get_scope(record);
	(void)attributes_write_text(out, SCOPE_NAME, text_bytes(scope.name));
	(void)attributes_write_text(out, SCOPE_VERSION, text_bytes(scope.version));
	r = write_entries(out, SCOPE_ATTRIBUTES, scope.entries, SCOPE_DROPPED_ATTRIBUTES,
			  scope.fixed.dropped_attributes, &emptied);
	if (r < 0 || buf_failed(out)) {
		out->len = before;
		return -ENOMEM;
	}
	*ret_schema_url = schema_url_of(scope.schema_url);
	return (int)emptied;
}
