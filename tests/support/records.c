#include "records.h"

static void append(struct buf *out, struct bytes part)
{
	(void)buf_append(out, part.at, part.len);
}

static void pad(struct buf *out, size_t begin)
{
	while ((out->len - begin) % WIRE_RECORD_ALIGN)
		(void)buf_append_byte(out, 0);
}

static void set_ids(uint8_t trace_id[16], uint8_t span_id[8], uint64_t span)
{
	memcpy(span_id, &span, 8);
	if (trace_id) {
		memcpy(trace_id, &span, 8);
		memcpy(trace_id + 8, &span, 8);
	}
}

void records_start(struct buf *out, uint64_t span, uint64_t parent, unsigned kind,
		   uint32_t flags, uint64_t ticks, struct bytes name, struct bytes tracestate)
{
	size_t begin = out->len;
	struct wire_start start = {
		.head = record_make_head(WIRE_START,
					 (uint32_t)(sizeof(start) + name.len + tracestate.len),
					 0, kind),
		.ticks = ticks,
		.trace_flags = flags,
		.name_length = (uint32_t)name.len,
		.tracestate_length = (uint32_t)tracestate.len,
	};

	set_ids(start.trace_id, start.span_id, span);
	memcpy(start.parent_span_id, &parent, 8);
	(void)buf_append(out, &start, sizeof(start));
	append(out, name);
	append(out, tracestate);
	pad(out, begin);
}

void records_end(struct buf *out, uint64_t span, uint64_t ticks)
{
	uint8_t record[sizeof(struct wire_end)];

	record_put_end(record, (const uint8_t *)&span, ticks, 0);
	(void)buf_append(out, record, sizeof(record));
}

void records_set_flags(struct buf *out, size_t at, unsigned flags)
{
	out->at[at + offsetof(struct wire_head, flags)] = (uint8_t)flags;
}

void records_attribute(struct buf *out, uint64_t span, struct bytes key,
		       enum wire_value_type type, struct bytes value)
{
	uint8_t record[sizeof(struct wire_attribute)];
	size_t begin = out->len;

	record_put_attribute(record, (const uint8_t *)&span, type, (uint32_t)key.len,
			     (uint32_t)value.len);
	(void)buf_append(out, record, sizeof(record));
	append(out, key);
	append(out, value);
	pad(out, begin);
}

void records_text(struct buf *out, enum wire_record_type type, uint64_t span, unsigned aux,
		  struct bytes text)
{
	size_t begin = out->len;
	struct wire_text record = {
		.head = record_make_head(type, (uint32_t)(sizeof(record) + text.len), 0, aux),
	};

	memcpy(record.span_id, &span, 8);
	(void)buf_append(out, &record, sizeof(record));
	append(out, text);
	pad(out, begin);
}

void records_event(struct buf *out, uint64_t span, uint64_t ticks, struct bytes name,
		   struct bytes entries, uint32_t dropped)
{
	size_t begin = out->len;
	struct wire_event event = {
		.head = record_make_head(
			WIRE_EVENT, (uint32_t)(sizeof(event) + name.len + entries.len), 0, 0),
		.ticks = ticks,
		.name_length = (uint32_t)name.len,
		.dropped_attributes = dropped,
	};

	memcpy(event.span_id, &span, 8);
	(void)buf_append(out, &event, sizeof(event));
	append(out, name);
	append(out, entries);
	pad(out, begin);
}

void records_link(struct buf *out, uint64_t span, uint64_t linked, uint32_t flags,
		  struct bytes tracestate, struct bytes entries, uint32_t dropped)
{
	size_t begin = out->len;
	struct wire_link link = {
		.head = record_make_head(
			WIRE_LINK, (uint32_t)(sizeof(link) + tracestate.len + entries.len), 0,
			0),
		.trace_flags = flags,
		.tracestate_length = (uint32_t)tracestate.len,
		.dropped_attributes = dropped,
	};

	memcpy(link.span_id, &span, 8);
	set_ids(link.linked_trace_id, link.linked_span_id, linked);
	(void)buf_append(out, &link, sizeof(link));
	append(out, tracestate);
	append(out, entries);
	pad(out, begin);
}

void records_dropped(struct buf *out, uint64_t span, uint32_t attributes, uint32_t events,
		     uint32_t links)
{
	struct wire_dropped dropped = {
		.head = record_make_head(WIRE_DROPPED, sizeof(dropped), 0, 0),
		.attributes = attributes,
		.events = events,
		.links = links,
	};

	memcpy(dropped.span_id, &span, 8);
	(void)buf_append(out, &dropped, sizeof(dropped));
}

void records_resource(struct buf *out, struct bytes schema_url, struct bytes entries,
		      uint32_t dropped)
{
	size_t begin = out->len;
	struct wire_resource resource = {
		.head = record_make_head(
			WIRE_RESOURCE,
			(uint32_t)(sizeof(resource) + schema_url.len + entries.len), 0, 0),
		.schema_url_length = (uint32_t)schema_url.len,
		.dropped_attributes = dropped,
	};

	(void)buf_append(out, &resource, sizeof(resource));
	append(out, schema_url);
	append(out, entries);
	pad(out, begin);
}

void records_scope(struct buf *out, uint32_t number, struct bytes name, struct bytes version,
		   struct bytes schema_url, struct bytes entries, uint32_t dropped)
{
	size_t begin = out->len;
	struct wire_scope scope = {
		.head = record_make_head(WIRE_SCOPE,
					 (uint32_t)(sizeof(scope) + name.len + version.len +
						    schema_url.len + entries.len),
					 0, 0),
		.number = number,
		.name_length = (uint32_t)name.len,
		.version_length = (uint32_t)version.len,
		.schema_url_length = (uint32_t)schema_url.len,
		.dropped_attributes = dropped,
	};

	(void)buf_append(out, &scope, sizeof(scope));
	append(out, name);
	append(out, version);
	append(out, schema_url);
	append(out, entries);
	pad(out, begin);
}

void records_entry(struct buf *out, struct bytes key, enum wire_value_type type,
		   struct bytes value)
{
	uint8_t entry[sizeof(struct wire_entry)];

	record_put_entry(entry, type, (uint32_t)key.len, (uint32_t)value.len);
	(void)buf_append(out, entry, sizeof(entry));
	append(out, key);
	append(out, value);
}
