#include "archive/facts.h"

#include "otlp/pb.h"

#include <errno.h>

enum {
	SPAN_TRACE_ID = 1,
	SPAN_SPAN_ID = 2,
	SPAN_PARENT_SPAN_ID = 4,
	SPAN_NAME = 5,
	SPAN_START = 7,
	SPAN_ATTRIBUTES = 9,
	RESOURCE_ATTRIBUTES = 1,
	KEY_VALUE_KEY = 1,
	KEY_VALUE_VALUE = 2,
	ANY_VALUE_STRING = 1,
};

static const uint8_t no_id[16];

static int take_id(void *at, size_t len, const struct pb_field *field)
{
	if (field->wire != PB_BYTES || field->bytes.len != len)
		return -EBADMSG;
	memcpy(at, field->bytes.at, len);
	return 0;
}

/* A key of our own stands as our encoder writes it: first in its attribute. */
static bool is_end_reason(struct bytes attribute)
{
	static const char start[] = "\x0a\x13spanring.end.reason";

	return attribute.len > sizeof(start) - 1 &&
	       memcmp(attribute.at, start, sizeof(start) - 1) == 0;
}

static int take_field(struct span_facts *facts, const struct pb_field *field)
{
	switch (field->number) {
	case SPAN_TRACE_ID:
		return take_id(facts->trace_id, 16, field);
	case SPAN_SPAN_ID:
		return take_id(&facts->span_id, 8, field);
	case SPAN_PARENT_SPAN_ID:
		if (field->wire == PB_BYTES && field->bytes.len == 0)
			return 0;
		return take_id(&facts->parent_id, 8, field);
	case SPAN_NAME:
		if (field->wire != PB_BYTES)
			return -EBADMSG;
		facts->name = field->bytes;
		return 0;
	case SPAN_START:
		if (field->wire != PB_FIXED64)
			return -EBADMSG;
		facts->start_ns = field->value;
		return 0;
	case SPAN_ATTRIBUTES:
		facts->ended_by_us |= field->wire == PB_BYTES && is_end_reason(field->bytes);
		return 0;
	default:
		return 0;
	}
}

int span_facts_read(struct span_facts *ret_facts, struct bytes span)
{
	struct pb_reader reader = pb_read(span);
	struct span_facts facts = {0};
	struct pb_field field;
	int r;

	while ((r = pb_next(&reader, &field)) > 0) {
		r = take_field(&facts, &field);
		if (r < 0)
			return r;
	}
	if (r < 0)
		return r;
	if (facts.span_id == 0 || memcmp(facts.trace_id, no_id, 16) == 0)
		return -EBADMSG;
	*ret_facts = facts;
	return 0;
}

/* The last field of that number, as protobuf has it. */
static struct bytes bytes_field(struct bytes message, uint32_t number)
{
	struct pb_reader reader = pb_read(message);
	struct bytes found = {NULL, 0};
	struct pb_field field;

	while (pb_next(&reader, &field) > 0)
		if (field.number == number && field.wire == PB_BYTES)
			found = field.bytes;
	return found;
}

struct bytes resource_service(struct bytes resource)
{
	struct pb_reader reader = pb_read(resource);
	struct pb_field field;

	while (pb_next(&reader, &field) > 0) {
		if (field.number != RESOURCE_ATTRIBUTES || field.wire != PB_BYTES)
			continue;
		if (bytes_equal(bytes_field(field.bytes, KEY_VALUE_KEY),
				bytes_of("service.name")))
			return bytes_field(bytes_field(field.bytes, KEY_VALUE_VALUE),
					   ANY_VALUE_STRING);
	}
	return (struct bytes){NULL, 0};
}
