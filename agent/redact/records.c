#include "redact/records.h"

#include <errno.h>

#include "redact/value.h"
#include "wire/abi.h"
#include "wire/record.h"

static struct bytes text_of(struct record_text text)
{
	return (struct bytes){text.at, text.length};
}

static struct bytes key_of_entry(const struct record_entry *entry)
{
	return (struct bytes){entry->key, entry->key_length};
}

static struct bytes value_of_entry(const struct record_entry *entry)
{
	return (struct bytes){entry->value, entry->value_length};
}

static enum redact_kind kind_of(enum wire_value_type type)
{
	switch (type) {
	case WIRE_STRING:
	case WIRE_BYTES:
		return REDACT_IS_TEXT;
	case WIRE_EMPTY:
	case WIRE_BOOL:
		return REDACT_IS_TRUTH;
	case WIRE_INT:
	case WIRE_DOUBLE:
		return REDACT_IS_NUMBER;
	case WIRE_ARRAY:
	case WIRE_MAP:
		break;
	}
	return REDACT_IS_MANY;
}

static int64_t int_of(const struct record_entry *entry)
{
	int64_t number;

	memcpy(&number, entry->value, sizeof number);
	return number;
}

/* What of a value is text for its hash. */
static struct bytes text_of_entry(const struct record_entry *entry, char digits[REDACT_DIGITS])
{
	double number;

	switch (entry->type) {
	case WIRE_INT:
		return redact_int_text(int_of(entry), digits);
	case WIRE_BOOL:
		return redact_int_text(entry->value[0], digits);
	case WIRE_DOUBLE:
		memcpy(&number, entry->value, sizeof number);
		return redact_double_text(number, digits);
	default:
		return value_of_entry(entry);
	}
}

/* ---- looking ----------------------------------------------------------------- */

static bool entries_stay(struct redactor *redactor, const struct redact_scope *outer,
			 enum wire_value_type in, struct bytes entries);

/* The scope of an entry of an array or a map. */
static struct redact_scope scope_in(struct redactor *redactor, const struct redact_scope *outer,
				    enum wire_value_type in, const struct record_entry *entry)
{
	return in == WIRE_ARRAY ? redact_scope_element(outer)
				: redact_scope_inside(redactor, outer, key_of_entry(entry));
}

static bool value_stays(struct redactor *redactor, const struct redact_scope *scope,
			const struct record_entry *entry)
{
	struct bytes value = value_of_entry(entry);

	if (scope->whole &&
	    redact_taken_whole(redactor, scope, kind_of(entry->type), value) >= 0)
		return false;
	switch (entry->type) {
	case WIRE_STRING:
	case WIRE_BYTES:
		return redact_text_stays(redactor, scope, value);
	case WIRE_ARRAY:
	case WIRE_MAP:
		return entries_stay(redactor, scope, entry->type, value);
	case WIRE_INT:
		return !redact_number_goes(redactor, scope, int_of(entry));
	default:
		return true;
	}
}

static bool entries_stay(struct redactor *redactor, const struct redact_scope *outer,
			 enum wire_value_type in, struct bytes entries)
{
	const uint8_t *at = entries.at, *end = entries.at + entries.len;
	struct record_entry entry;

	while (record_entry_next(&at, end, &entry) > 0) {
		struct redact_scope scope = scope_in(redactor, outer, in, &entry);

		if (scope.key_found && redact_key_changes(redactor, key_of_entry(&entry)))
			return false;
		if (!value_stays(redactor, &scope, &entry))
			return false;
	}
	return true;
}

static bool attribute_stays(struct redactor *redactor, const struct record_entry *entry)
{
	struct bytes key = key_of_entry(entry);
	struct redact_scope scope = redact_scope_of(redactor, key);

	if (scope.key_found && redact_key_changes(redactor, key))
		return false;
	return value_stays(redactor, &scope, entry);
}

static bool attributes_stay(struct redactor *redactor, struct record_text entries)
{
	const uint8_t *at = entries.at, *end = entries.at + entries.length;
	struct record_entry entry;

	while (record_entry_next(&at, end, &entry) > 0)
		if (!attribute_stays(redactor, &entry))
			return false;
	return true;
}

static bool stays(struct redactor *redactor, struct record_text text)
{
	return redactor_find(redactor, redactor_plain(redactor), text_of(text)) == REDACT_STAYS;
}

static bool start_stays(struct redactor *redactor, const uint8_t *record)
{
	struct record_start start = record_get_start(record);

	return stays(redactor, start.name) && stays(redactor, start.tracestate);
}

static bool event_stays(struct redactor *redactor, const uint8_t *record)
{
	struct record_event event = record_get_event(record);

	return stays(redactor, event.name) && attributes_stay(redactor, event.entries);
}

static bool link_stays(struct redactor *redactor, const uint8_t *record)
{
	struct record_link link = record_get_link(record);

	return stays(redactor, link.tracestate) && attributes_stay(redactor, link.entries);
}

static bool resource_stays(struct redactor *redactor, const uint8_t *record)
{
	struct record_resource resource = record_get_resource(record);

	return stays(redactor, resource.schema_url) &&
	       attributes_stay(redactor, resource.entries);
}

static bool scope_stays(struct redactor *redactor, const uint8_t *record)
{
	struct record_scope scope = record_get_scope(record);

	return stays(redactor, scope.name) && stays(redactor, scope.version) &&
	       stays(redactor, scope.schema_url) && attributes_stay(redactor, scope.entries);
}

/* Of records without a text: all there is to them. 0: a record that has some. */
static uint32_t fixed_bytes(uint8_t type)
{
	switch (type) {
	case WIRE_END:
		return sizeof(struct wire_end);
	case WIRE_DROPPED:
		return sizeof(struct wire_dropped);
	case WIRE_PROCESS_END:
		return sizeof(struct wire_process_end_record);
	case WIRE_LIMITS:
		return sizeof(struct wire_limits);
	case WIRE_START:
	case WIRE_ATTRIBUTE:
	case WIRE_EVENT:
	case WIRE_LINK:
	case WIRE_STATUS:
	case WIRE_NAME:
	case WIRE_RESOURCE:
	case WIRE_SCOPE:
	case WIRE_RUN:
		return 0;
	default:
		return sizeof(struct wire_head);
	}
}

bool redact_record_stays(struct redactor *redactor, const uint8_t *record)
{
	struct wire_head head = record_head(record);

	switch (head.type) {
	case WIRE_ATTRIBUTE: {
		struct record_attribute attribute = record_get_attribute(record);

		return attribute_stays(redactor, &attribute.entry);
	}
	case WIRE_START:
		return start_stays(redactor, record);
	case WIRE_STATUS:
	case WIRE_NAME:
		return stays(redactor, record_get_text(record));
	case WIRE_EVENT:
		return event_stays(redactor, record);
	case WIRE_LINK:
		return link_stays(redactor, record);
	case WIRE_RESOURCE:
		return resource_stays(redactor, record);
	case WIRE_SCOPE:
		return scope_stays(redactor, record);
	case WIRE_RUN:
		return attributes_stay(redactor, record_get_run(record).entries);
	default:
		return head.length <= fixed_bytes(head.type);
	}
}

/* ---- writing ----------------------------------------------------------------- */

static int write_entries(struct redactor *redactor, struct buf *out,
			 const struct redact_scope *outer, enum wire_value_type in,
			 struct bytes entries);

/* A value and its type, which a mask makes another one. -ENOMEM or a
 * redact_written. */
static int write_value(struct redactor *redactor, struct buf *out,
		       const struct redact_scope *scope, const struct record_entry *entry,
		       enum wire_value_type *ret_type)
{
	struct bytes value = value_of_entry(entry);
	int r = redact_taken_whole(redactor, scope, kind_of(entry->type), value);
	char digits[REDACT_DIGITS];

	*ret_type = entry->type;
	if (r >= 0) {
		r = redact_write_gone(redactor, out, (uint32_t)r, text_of_entry(entry, digits));
	} else if (entry->type == WIRE_STRING || entry->type == WIRE_BYTES) {
		r = redact_write_text(redactor, out, scope, value);
	} else if (entry->type == WIRE_ARRAY || entry->type == WIRE_MAP) {
		r = write_entries(redactor, out, scope, entry->type, value);
	} else if (entry->type == WIRE_INT &&
		   redact_number_goes(redactor, scope, int_of(entry))) {
		r = redact_write_gone(redactor, out, redactor->reason,
				      text_of_entry(entry, digits));
	} else {
		r = buf_append(out, value.at, value.len);
	}
	if (r == REDACT_WRITTEN_MASK)
		*ret_type = WIRE_STRING;
	return r;
}

static int write_key(struct redactor *redactor, struct buf *out, struct bytes key)
{
	return redact_key_changes(redactor, key) ? redactor_write_key(redactor, out, key)
						 : buf_append(out, key.at, key.len);
}

/* 0, REDACT_LEFT_OUT, -ENOMEM. */
static int write_entry(struct redactor *redactor, struct buf *out,
		       const struct redact_scope *scope, const struct record_entry *entry)
{
	size_t begin = out->len, value_at;
	struct wire_entry head = {0};
	enum wire_value_type type;
	int r;

	(void)buf_append(out, &head, sizeof head);
	r = write_key(redactor, out, key_of_entry(entry));
	value_at = out->len;
	if (r == 0)
		r = write_value(redactor, out, scope, entry, &type);
	if (r < 0 || buf_failed(out))
		return -ENOMEM;
	if (r == REDACT_LEFT_OUT) {
		out->len = begin;
		return r;
	}
	head.value_length = (uint32_t)(out->len - value_at);
	head.key_length = (uint16_t)(value_at - begin - sizeof head);
	head.type = (uint8_t)type;
	memcpy(out->at + begin, &head, sizeof head);
	return 0;
}

/* What is left out of an array or a map is gone without a trace there: they have no
 * count of it. The rule's own counter has it. */
static int write_entries(struct redactor *redactor, struct buf *out,
			 const struct redact_scope *outer, enum wire_value_type in,
			 struct bytes entries)
{
	const uint8_t *at = entries.at, *end = entries.at + entries.len;
	struct record_entry entry;

	while (record_entry_next(&at, end, &entry) > 0) {
		struct redact_scope scope = scope_in(redactor, outer, in, &entry);

		if (write_entry(redactor, out, &scope, &entry) < 0)
			return -ENOMEM;
	}
	return REDACT_WRITTEN;
}

/* How many were left out, or -ENOMEM. */
static int write_attributes(struct redactor *redactor, struct buf *out, const char *place,
			    struct record_text entries)
{
	const uint8_t *at = entries.at, *end = entries.at + entries.length;
	struct record_entry entry;
	int left_out = 0;

	while (record_entry_next(&at, end, &entry) > 0) {
		struct bytes key = key_of_entry(&entry);
		struct redact_scope scope = redact_scope_of(redactor, key);
		int r;

		redactor_at(redactor, place, key);
		r = write_entry(redactor, out, &scope, &entry);
		if (r < 0)
			return r;
		left_out += r == REDACT_LEFT_OUT;
	}
	return left_out;
}

/* Its length, or -ENOMEM. */
static int64_t write_text(struct redactor *redactor, struct buf *out, const char *place,
			  struct record_text text, bool is_name)
{
	struct redact_scope plain = redact_scope_plain(redactor);
	size_t begin = out->len;
	int r;

	redactor_at(redactor, place, (struct bytes){NULL, 0});
	r = is_name ? redact_write_name(redactor, out, text_of(text))
		    : redact_write_text(redactor, out, &plain, text_of(text));
	return r < 0 || buf_failed(out) ? -ENOMEM : (int64_t)(out->len - begin);
}

/* A record's fixed part, to be patched when the rest is known. */
#define BEGIN(out, fixed) (void)buf_append(out, &(fixed), sizeof(fixed))
#define PATCH(out, begin, fixed) memcpy((out)->at + (begin), &(fixed), sizeof(fixed))

static int write_start(struct redactor *redactor, struct buf *out, const uint8_t *record)
{
	struct record_start start = record_get_start(record);
	size_t begin = out->len;
	int64_t name, tracestate;

	BEGIN(out, start.fixed);
	name = write_text(redactor, out, "Span.name", start.name, true);
	tracestate = write_text(redactor, out, "Span.trace_state", start.tracestate, false);
	if (name < 0 || tracestate < 0)
		return -ENOMEM;
	start.fixed.name_length = (uint32_t)name;
	start.fixed.tracestate_length = (uint32_t)tracestate;
	PATCH(out, begin, start.fixed);
	return 0;
}

static int write_event(struct redactor *redactor, struct buf *out, const uint8_t *record)
{
	struct record_event event = record_get_event(record);
	size_t begin = out->len;
	int64_t name;
	int left_out;

	BEGIN(out, event.fixed);
	name = write_text(redactor, out, "Event.name", event.name, true);
	left_out = write_attributes(redactor, out, "Event.attributes", event.entries);
	if (name < 0 || left_out < 0)
		return -ENOMEM;
	event.fixed.name_length = (uint32_t)name;
	event.fixed.dropped_attributes += (uint32_t)left_out;
	PATCH(out, begin, event.fixed);
	return 0;
}

static int write_link(struct redactor *redactor, struct buf *out, const uint8_t *record)
{
	struct record_link link = record_get_link(record);
	size_t begin = out->len;
	int64_t tracestate;
	int left_out;

	BEGIN(out, link.fixed);
	tracestate = write_text(redactor, out, "Link.trace_state", link.tracestate, false);
	left_out = write_attributes(redactor, out, "Link.attributes", link.entries);
	if (tracestate < 0 || left_out < 0)
		return -ENOMEM;
	link.fixed.tracestate_length = (uint32_t)tracestate;
	link.fixed.dropped_attributes += (uint32_t)left_out;
	PATCH(out, begin, link.fixed);
	return 0;
}

static int write_resource(struct redactor *redactor, struct buf *out, const uint8_t *record)
{
	struct record_resource resource = record_get_resource(record);
	size_t begin = out->len;
	int64_t schema_url;
	int left_out;

	BEGIN(out, resource.fixed);
	schema_url =
		write_text(redactor, out, "Resource.schema_url", resource.schema_url, false);
	left_out = write_attributes(redactor, out, "Resource.attributes", resource.entries);
	if (schema_url < 0 || left_out < 0)
		return -ENOMEM;
	resource.fixed.schema_url_length = (uint32_t)schema_url;
	resource.fixed.dropped_attributes += (uint32_t)left_out;
	PATCH(out, begin, resource.fixed);
	return 0;
}

static int write_scope(struct redactor *redactor, struct buf *out, const uint8_t *record)
{
	struct record_scope scope = record_get_scope(record);
	size_t begin = out->len;
	int64_t name, version, schema_url;
	int left_out;

	BEGIN(out, scope.fixed);
	name = write_text(redactor, out, "Scope.name", scope.name, true);
	version = write_text(redactor, out, "Scope.version", scope.version, false);
	schema_url = write_text(redactor, out, "Scope.schema_url", scope.schema_url, false);
	left_out = write_attributes(redactor, out, "Scope.attributes", scope.entries);
	if (name < 0 || version < 0 || schema_url < 0 || left_out < 0)
		return -ENOMEM;
	scope.fixed.name_length = (uint32_t)name;
	scope.fixed.version_length = (uint32_t)version;
	scope.fixed.schema_url_length = (uint32_t)schema_url;
	scope.fixed.dropped_attributes += (uint32_t)left_out;
	PATCH(out, begin, scope.fixed);
	return 0;
}

/* One that is left out is counted on its span, in its place. */
static int write_attribute(struct redactor *redactor, struct buf *out, const uint8_t *record)
{
	struct record_attribute attribute = record_get_attribute(record);
	struct bytes key = key_of_entry(&attribute.entry);
	struct redact_scope scope = redact_scope_of(redactor, key);
	size_t begin = out->len, value_at;
	struct wire_attribute fixed = {.head.type = WIRE_ATTRIBUTE};
	struct wire_dropped dropped = {
		.head = record_make_head(WIRE_DROPPED, sizeof dropped, 0, 0),
		.attributes = 1,
		.reason = WIRE_REFUSED_LIMIT,
	};
	enum wire_value_type type;
	int r;

	redactor_at(redactor, "Span.attributes", key);
	memcpy(fixed.span_id, attribute.span_id, 8);
	memcpy(dropped.span_id, attribute.span_id, 8);
	BEGIN(out, fixed);
	r = write_key(redactor, out, key);
	value_at = out->len;
	if (r == 0)
		r = write_value(redactor, out, &scope, &attribute.entry, &type);
	if (r < 0 || buf_failed(out))
		return -ENOMEM;
	if (r == REDACT_LEFT_OUT) {
		out->len = begin;
		return buf_append(out, &dropped, sizeof dropped);
	}
	fixed.head.flags = (uint8_t)type;
	fixed.head.aux = (uint16_t)(value_at - begin - sizeof fixed);
	PATCH(out, begin, fixed);
	return 0;
}

static int write_plain(struct redactor *redactor, struct buf *out, const uint8_t *record)
{
	bool is_name = record_head(record).type == WIRE_NAME;

	(void)buf_append(out, record, sizeof(struct wire_text));
	return write_text(redactor, out, is_name ? "Span.name" : "Status.message",
			  record_get_text(record), is_name) < 0
		       ? -ENOMEM
		       : 0;
}

static int write_run(struct redactor *redactor, struct buf *out, const uint8_t *record)
{
	struct record_run run = record_get_run(record);

	BEGIN(out, run.fixed);
	return write_attributes(redactor, out, "Run.attributes", run.entries) < 0 ? -ENOMEM : 0;
}

static int write_record(struct redactor *redactor, struct buf *out, const uint8_t *record)
{
	struct wire_head head = record_head(record);

	switch (head.type) {
	case WIRE_ATTRIBUTE:
		return write_attribute(redactor, out, record);
	case WIRE_START:
		return write_start(redactor, out, record);
	case WIRE_STATUS:
	case WIRE_NAME:
		return write_plain(redactor, out, record);
	case WIRE_EVENT:
		return write_event(redactor, out, record);
	case WIRE_LINK:
		return write_link(redactor, out, record);
	case WIRE_RESOURCE:
		return write_resource(redactor, out, record);
	case WIRE_SCOPE:
		return write_scope(redactor, out, record);
	case WIRE_RUN:
		return write_run(redactor, out, record);
	default:
		return buf_append(out, record, fixed_bytes(head.type));
	}
}

int redact_record_write(struct redactor *redactor, struct buf *out, const uint8_t *record)
{
	static const uint8_t zeros[WIRE_RECORD_ALIGN];
	size_t begin = out->len;
	uint32_t length;

	if (write_record(redactor, out, record) < 0 || buf_failed(out))
		return -ENOMEM;
	length = (uint32_t)(out->len - begin);
	memcpy(out->at + begin + offsetof(struct wire_head, length), &length, sizeof length);
	return buf_append(out, zeros, record_padded(length) - length);
}
