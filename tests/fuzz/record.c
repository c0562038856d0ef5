/* The record codec: what record_check() accepts can be taken apart and put
 * together again to the same bytes; and the span it makes is OTLP that protobuf
 * reads, JSON prints, and our own reader gives back. */
#include <string.h>

#include <protobuf-c/protobuf-c.h>

#include "fuzz.h"
#include "opentelemetry/proto/trace/v1/trace.pb-c.h"
#include "otlp/encode.h"
#include "otlp/json_print.h"
#include "otlp/json_read.h"
#include "wire/record.h"

static void put_text(struct buf *out, struct record_text text)
{
	FUZZ_CHECK(buf_append(out, text.at, text.length) == 0);
}

static void put_entry(struct buf *out, const struct record_entry *entry);

/* The check bounds the depth, so this may recurse. */
static void put_entries(struct buf *out, struct record_text text)
{
	const uint8_t *at = text.at, *end = text.at + text.length;
	struct record_entry entry;
	int r;

	while ((r = record_entry_next(&at, end, &entry)) > 0)
		put_entry(out, &entry);
	FUZZ_CHECK(r == 0);
}

static void put_value(struct buf *out, const struct record_entry *entry)
{
	struct record_text value = {entry->value, entry->value_length};

	if (entry->type == WIRE_ARRAY || entry->type == WIRE_MAP)
		put_entries(out, value);
	else
		put_text(out, value);
}

static void put_entry(struct buf *out, const struct record_entry *entry)
{
	struct wire_entry head;

	/* The reserved byte is whatever it was. */
	memcpy(&head, entry->key - sizeof head, sizeof head);
	FUZZ_CHECK(head.key_length == entry->key_length &&
		   head.value_length == entry->value_length && head.type == entry->type);
	FUZZ_CHECK(buf_append(out, &head, sizeof head) == 0);
	FUZZ_CHECK(buf_append(out, entry->key, entry->key_length) == 0);
	put_value(out, entry);
}

static void put_start(struct buf *out, const uint8_t *record)
{
	struct record_start start = record_get_start(record);

	FUZZ_CHECK(buf_append(out, &start.fixed, sizeof start.fixed) == 0);
	put_text(out, start.name);
	put_text(out, start.tracestate);
}

static void put_attribute(struct buf *out, const uint8_t *record)
{
	struct record_attribute attribute = record_get_attribute(record);
	uint8_t fixed[sizeof(struct wire_attribute)];
	uint32_t n =
		record_put_attribute(fixed, attribute.span_id, attribute.entry.type,
				     attribute.entry.key_length, attribute.entry.value_length);

	FUZZ_CHECK(buf_append(out, fixed, n) == 0);
	FUZZ_CHECK(buf_append(out, attribute.entry.key, attribute.entry.key_length) == 0);
	put_value(out, &attribute.entry);
}

static void put_event(struct buf *out, const uint8_t *record)
{
	struct record_event event = record_get_event(record);

	FUZZ_CHECK(buf_append(out, &event.fixed, sizeof event.fixed) == 0);
	put_text(out, event.name);
	put_entries(out, event.entries);
}

static void put_link(struct buf *out, const uint8_t *record)
{
	struct record_link link = record_get_link(record);

	FUZZ_CHECK(buf_append(out, &link.fixed, sizeof link.fixed) == 0);
	put_text(out, link.tracestate);
	put_entries(out, link.entries);
}

static void put_resource(struct buf *out, const uint8_t *record)
{
	struct record_resource resource = record_get_resource(record);

	FUZZ_CHECK(buf_append(out, &resource.fixed, sizeof resource.fixed) == 0);
	put_text(out, resource.schema_url);
	put_entries(out, resource.entries);
}

static void put_scope(struct buf *out, const uint8_t *record)
{
	struct record_scope scope = record_get_scope(record);

	FUZZ_CHECK(buf_append(out, &scope.fixed, sizeof scope.fixed) == 0);
	put_text(out, scope.name);
	put_text(out, scope.version);
	put_text(out, scope.schema_url);
	put_entries(out, scope.entries);
}

static void put_run(struct buf *out, const uint8_t *record)
{
	struct record_run run = record_get_run(record);

	FUZZ_CHECK(buf_append(out, &run.fixed, sizeof run.fixed) == 0);
	put_entries(out, run.entries);
}

static void put_record(struct buf *out, const uint8_t *record)
{
	switch (record_head(record).type) {
	case WIRE_START:
		put_start(out, record);
		break;
	case WIRE_ATTRIBUTE:
		put_attribute(out, record);
		break;
	case WIRE_EVENT:
		put_event(out, record);
		break;
	case WIRE_LINK:
		put_link(out, record);
		break;
	case WIRE_RESOURCE:
		put_resource(out, record);
		break;
	case WIRE_SCOPE:
		put_scope(out, record);
		break;
	case WIRE_RUN:
		put_run(out, record);
		break;
	default:
		put_text(out, record_rest(record, 0));
		break;
	}
}

static uint64_t wall_ns(void *arg, uint64_t ticks)
{
	(void)arg;
	return ticks;
}

/* Bytes of ours are valid, and what JSON says of them comes back. Not the bytes
 * themselves: JSON has one NaN, doubles have many. */
static void check_message(const ProtobufCMessageDescriptor *type, struct bytes message)
{
	ProtobufCMessage *unpacked =
		protobuf_c_message_unpack(type, NULL, message.len, message.at);
	struct otlp_json_error error;
	struct buf text = BUF_INIT, again = BUF_INIT, text_again = BUF_INIT;
	json_t *json;

	FUZZ_CHECK(unpacked);
	protobuf_c_message_free_unpacked(unpacked, NULL);
	FUZZ_CHECK(otlp_json_print(&text, type, message) == 0);
	json = json_loadb((const char *)text.at, text.len, JSON_ALLOW_NUL, NULL);
	FUZZ_CHECK(json);
	FUZZ_CHECK(otlp_json_read(&again, type, json, &error) == 0);
	FUZZ_CHECK(otlp_json_print(&text_again, type, buf_bytes(&again)) == 0);
	FUZZ_CHECK(bytes_equal(buf_bytes(&text_again), buf_bytes(&text)));
	json_decref(json);
	buf_fini(&text_again);
	buf_fini(&text);
	buf_fini(&again);
}

static void check_span(struct bytes records)
{
	struct otlp_clock clock = {wall_ns, NULL};
	struct otlp_span_summary summary;
	struct buf span = BUF_INIT;

	if (otlp_encode_span(&span, &records, 1, &clock, NULL, &summary) == 0)
		check_message(&opentelemetry__proto__trace__v1__span__descriptor,
			      buf_bytes(&span));
	buf_fini(&span);
}

static void check_holder(const uint8_t *record)
{
	struct buf out = BUF_INIT;
	struct otlp_owner owner = {.uid_known = true, .uid = 1000};
	struct bytes url;

	if (record_head(record).type == WIRE_RESOURCE) {
		FUZZ_CHECK(otlp_encode_resource(&out, record, &owner, &url) >= 0);
		check_message(&opentelemetry__proto__resource__v1__resource__descriptor,
			      buf_bytes(&out));
	} else if (record_head(record).type == WIRE_SCOPE) {
		FUZZ_CHECK(otlp_encode_scope(&out, record, &url) >= 0);
		check_message(
			&opentelemetry__proto__common__v1__instrumentation_scope__descriptor,
			buf_bytes(&out));
	}
	buf_fini(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t len)
{
	size_t from = 0;

	while (from < len) {
		int64_t padded = record_check(at + from, len - from);
		struct buf again = BUF_INIT;

		if (padded < 0 || (size_t)padded > len - from)
			break;
		put_record(&again, at + from);
		FUZZ_CHECK(again.len == record_head(at + from).length);
		FUZZ_CHECK(memcmp(again.at, at + from, again.len) == 0);
		buf_fini(&again);
		check_holder(at + from);
		from += (size_t)padded;
	}
	if (from && record_head(at).type == WIRE_START)
		check_span((struct bytes){at, from});
	return 0;
}
