#include "archive/facts.h"

#include "archive/tokens.h"
#include "otlp/keys.h"
#include "otlp/pb.h"

#include <errno.h>

enum {
	SPAN_TRACE_ID = 1,
	SPAN_SPAN_ID = 2,
	SPAN_PARENT_SPAN_ID = 4,
	SPAN_NAME = 5,
	SPAN_START = 7,
	SPAN_END = 8,
	SPAN_ATTRIBUTES = 9,
	SPAN_STATUS = 15,
	STATUS_CODE = 3,
	STATUS_CODE_ERROR = 2,
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

struct bytes attribute_text(struct bytes attribute)
{
	return pb_last_bytes(pb_last_bytes(attribute, KEY_VALUE_VALUE), ANY_VALUE_STRING);
}

/* What is being read, and what of it is known only at the end. */
struct reading {
	struct span_facts facts;
	struct tokens tokens;
};

/* Most attributes are none of ours, and are passed over by the look of their key, which
 * everybody writes first. */
static bool may_matter(struct bytes attribute)
{
	const uint8_t *at = attribute.at;

	if (attribute.len < 3 || at[0] != (KEY_VALUE_KEY << 3 | PB_BYTES))
		return true;
	switch (at[2]) {
	case 'g':
	case 'l':
	case 's':
	case 'u':
		return true;
	default:
		return false;
	}
}

static void take_attribute(struct reading *reading, struct bytes attribute)
{
	struct bytes key;

	if (!may_matter(attribute))
		return;
	key = key_of(attribute);
	if (bytes_equal(key, bytes_of("spanring.end.reason")))
		reading->facts.ended_by_us = true;
	else if (bytes_equal(key, bytes_of("spanring.run.name")))
		reading->facts.run_name = attribute_text(attribute);
	else if (bytes_equal(key, bytes_of("user_goal")))
		reading->facts.goal = attribute_text(attribute);
	else
		tokens_take(&reading->tokens, key, pb_last_bytes(attribute, KEY_VALUE_VALUE));
}

static bool is_error(struct bytes status)
{
	struct pb_reader reader = pb_read(status);
	struct pb_field field;
	bool error = false;

	while (pb_next(&reader, &field) > 0)
		if (field.number == STATUS_CODE && field.wire == PB_VARINT)
			error = field.value == STATUS_CODE_ERROR;
	return error;
}

static int take_time(uint64_t *time, const struct pb_field *field)
{
	if (field->wire != PB_FIXED64)
		return -EBADMSG;
	*time = field->value;
	return 0;
}

static int take_field(struct reading *reading, const struct pb_field *field)
{
	struct span_facts *facts = &reading->facts;

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
		return take_time(&facts->start_ns, field);
	case SPAN_END:
		return take_time(&facts->end_ns, field);
	case SPAN_ATTRIBUTES:
		if (field->wire == PB_BYTES)
			take_attribute(reading, field->bytes);
		return 0;
	case SPAN_STATUS:
		if (field->wire == PB_BYTES)
			facts->error = is_error(field->bytes);
		return 0;
	default:
		return 0;
	}
}

int span_facts_read(struct span_facts *ret_facts, struct bytes span)
{
	struct pb_reader reader = pb_read(span);
	struct reading reading = {0};
	struct span_facts *facts = &reading.facts;
	struct pb_field field;
	int r;

	while ((r = pb_next(&reader, &field)) > 0) {
		r = take_field(&reading, &field);
		if (r < 0)
			return r;
	}
	if (r < 0)
		return r;
	if (facts->span_id == 0 || memcmp(facts->trace_id, no_id, 16) == 0)
		return -EBADMSG;
	if (facts->end_ns < facts->start_ns)
		facts->end_ns = facts->start_ns;
	facts->says_tokens =
		tokens_counted(&reading.tokens, &facts->input_tokens, &facts->output_tokens);
	*ret_facts = *facts;
	return 0;
}

struct bytes resource_service(struct bytes resource)
{
	struct pb_reader reader = pb_read(resource);
	struct pb_field field;

	while (pb_next(&reader, &field) > 0)
		if (field.number == RESOURCE_ATTRIBUTES && field.wire == PB_BYTES &&
		    bytes_equal(key_of(field.bytes), bytes_of("service.name")))
			return attribute_text(field.bytes);
	return (struct bytes){NULL, 0};
}
