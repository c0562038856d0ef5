#include "otlp/check.h"

#include "opentelemetry/proto/common/v1/common.pb-c.h"
#include "opentelemetry/proto/resource/v1/resource.pb-c.h"
#include "opentelemetry/proto/trace/v1/trace.pb-c.h"
#include "otlp/encode.h"
#include "otlp/json_print.h"
#include "otlp/pb.h"
#include "otlp/utf8.h"

/* As the profiles signal numbers them; see common.proto. */
#define ANY_VALUE_STRING_INDEX 8
#define KEY_VALUE_KEY_INDEX 3
#define SPAN_PARENT_ID 4
#define RESOURCE_ATTRIBUTES 1
#define RESOURCE_DROPPED 2
#define KEY_VALUE_KEY 1

/* What is to be done with one field of a message. */
enum verdict {
	FIELD_KEEP,
	FIELD_TEXT,    /* repair its text */
	FIELD_MESSAGE, /* look into it */
	FIELD_DEEP,    /* one level too many: what holds it stays without it */
	FIELD_STRING_INDEX,
	FIELD_PARENT,
	FIELD_OWNED,
};

static bool is_string_index(const ProtobufCMessageDescriptor *type, uint32_t number)
{
	if (number == ANY_VALUE_STRING_INDEX)
		return type == &opentelemetry__proto__common__v1__any_value__descriptor;
	if (number == KEY_VALUE_KEY_INDEX)
		return type == &opentelemetry__proto__common__v1__key_value__descriptor;
	return false;
}

static bool is_zeros(struct bytes bytes)
{
	for (size_t i = 0; i < bytes.len; i++)
		if (bytes.at[i])
			return false;
	return bytes.len > 0;
}

/* The last of several keys counts. */
static bool is_owned(struct bytes attribute)
{
	struct pb_reader reader = pb_read(attribute);
	struct bytes key = {NULL, 0};
	struct pb_field field;

	while (pb_next(&reader, &field) > 0)
		if (field.number == KEY_VALUE_KEY && field.wire == PB_BYTES)
			key = field.bytes;
	return otlp_is_owners_key(key);
}

/* Our messages have few fields, in order. */
static const ProtobufCFieldDescriptor *find(const ProtobufCMessageDescriptor *type,
					    uint32_t number)
{
	for (unsigned i = 0; i < type->n_fields && type->fields[i].id <= number; i++)
		if (type->fields[i].id == number)
			return &type->fields[i];
	return NULL;
}

/* `depth` is how many levels there may be below this message. */
static enum verdict judge(const ProtobufCMessageDescriptor *type, const struct pb_field *piece,
			  unsigned depth, const ProtobufCMessageDescriptor **ret_type)
{
	const ProtobufCFieldDescriptor *field;

	if (is_string_index(type, piece->number))
		return FIELD_STRING_INDEX;
	if (piece->wire != PB_BYTES)
		return FIELD_KEEP;
	field = find(type, piece->number);
	if (!field)
		return FIELD_KEEP;
	if (field->type == PROTOBUF_C_TYPE_STRING)
		return utf8_is_valid(piece->bytes) ? FIELD_KEEP : FIELD_TEXT;
	if (field->type == PROTOBUF_C_TYPE_BYTES)
		return field->id == SPAN_PARENT_ID &&
				       type == &opentelemetry__proto__trace__v1__span__descriptor &&
				       is_zeros(piece->bytes)
			       ? FIELD_PARENT
			       : FIELD_KEEP;
	if (field->type != PROTOBUF_C_TYPE_MESSAGE)
		return FIELD_KEEP;
	if (field->id == RESOURCE_ATTRIBUTES &&
	    type == &opentelemetry__proto__resource__v1__resource__descriptor &&
	    is_owned(piece->bytes))
		return FIELD_OWNED;
	*ret_type = field->descriptor;
	return depth > 0 ? FIELD_MESSAGE : FIELD_DEEP;
}

static int check(const ProtobufCMessageDescriptor *type, struct bytes message, unsigned depth,
		 struct otlp_faults *faults)
{
	struct pb_reader reader = pb_read(message);
	const ProtobufCMessageDescriptor *inner = NULL;
	struct pb_field piece;
	int r;

	while ((r = pb_next(&reader, &piece)) > 0) {
		switch (judge(type, &piece, depth, &inner)) {
		case FIELD_MESSAGE:
			r = check(inner, piece.bytes, depth - 1, faults);
			if (r < 0)
				return r;
			break;
		case FIELD_TEXT:
			faults->texts++;
			break;
		case FIELD_DEEP:
			faults->deep++;
			break;
		case FIELD_STRING_INDEX:
			faults->strings++;
			break;
		case FIELD_PARENT:
			faults->parents++;
			break;
		case FIELD_OWNED:
			faults->owned++;
			break;
		case FIELD_KEEP:
			break;
		}
	}
	return r;
}

int otlp_check(const ProtobufCMessageDescriptor *type, struct bytes message,
	       struct otlp_faults *ret_faults)
{
	*ret_faults = (struct otlp_faults){0};
	return check(type, message, OTLP_DEPTH_MAX - 1, ret_faults);
}

/* ---- writing anew ---------------------------------------------------------- */

static int repair(struct buf *out, const ProtobufCMessageDescriptor *type, struct bytes message,
		  unsigned depth);

static int repair_text(struct buf *out, const struct pb_field *piece)
{
	struct pb_nested nested = pb_open(out, piece->number, piece->bytes.len);

	(void)utf8_append_repaired(out, piece->bytes); /* otlp_repair() asks buf_failed() */
	return pb_close(out, nested);
}

static int repair_message(struct buf *out, const ProtobufCMessageDescriptor *inner,
			  const struct pb_field *piece, unsigned depth)
{
	struct pb_nested nested = pb_open(out, piece->number, piece->bytes.len);
	int r = repair(out, inner, piece->bytes, depth);

	return r < 0 ? r : pb_close(out, nested);
}

static int repair(struct buf *out, const ProtobufCMessageDescriptor *type, struct bytes message,
		  unsigned depth)
{
	struct pb_reader reader = pb_read(message);
	const ProtobufCMessageDescriptor *inner = NULL;
	const uint8_t *begin = reader.at;
	struct pb_field piece;
	uint64_t dropped = 0, owned = 0;
	int r;

	while ((r = pb_next(&reader, &piece)) > 0) {
		if (piece.number == RESOURCE_DROPPED && piece.wire == PB_VARINT)
			dropped = piece.value;
		switch (judge(type, &piece, depth, &inner)) {
		case FIELD_OWNED:
			owned++;
			break;
		case FIELD_KEEP:
			r = buf_append(out, begin, (size_t)(reader.at - begin));
			break;
		case FIELD_TEXT:
			r = repair_text(out, &piece);
			break;
		case FIELD_MESSAGE:
			r = repair_message(out, inner, &piece, depth - 1);
			break;
		case FIELD_DEEP:
		case FIELD_STRING_INDEX:
		case FIELD_PARENT:
			break;
		}
		if (r < 0)
			return r;
		begin = reader.at;
	}
	/* Of two counts the later one holds. */
	return r == 0 && owned ? pb_varint(out, RESOURCE_DROPPED, (uint32_t)(dropped + owned))
			       : r;
}

int otlp_repair(struct buf *out, const ProtobufCMessageDescriptor *type, struct bytes message)
{
	size_t before = out->len;
	int r = repair(out, type, message, OTLP_DEPTH_MAX - 1);

	if (r >= 0 && buf_failed(out))
		r = -ENOMEM;
	if (r < 0)
		out->len = before;
	return r;
}
