#include "otlp/check.h"

#include <stdlib.h>

#include "opentelemetry/proto/common/v1/common.pb-c.h"
#include "opentelemetry/proto/resource/v1/resource.pb-c.h"
#include "opentelemetry/proto/trace/v1/trace.pb-c.h"
#include "otlp/encode.h"
#include "otlp/json_print.h"
#include "otlp/keys.h"
#include "otlp/message_type.h"
#include "otlp/pb.h"
#include "otlp/utf8.h"

/* As the profiles signal numbers them; see common.proto. */
#define ANY_VALUE_STRING_INDEX 8
#define KEY_VALUE_KEY_INDEX 3
#define SPAN_PARENT_ID 4
#define RESOURCE_ATTRIBUTES 1
#define RESOURCE_DROPPED 2
#define SPAN_NAME 5
#define SPAN_UNNAMED "unnamed"

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

static bool is_span(const ProtobufCMessageDescriptor *type)
{
	return type == &opentelemetry__proto__trace__v1__span__descriptor;
}

static bool is_attribute(const ProtobufCMessageDescriptor *type)
{
	return type == &opentelemetry__proto__common__v1__key_value__descriptor;
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
	field = message_type_field(type, piece->number);
	if (!field)
		return FIELD_KEEP;
	if (field->type == PROTOBUF_C_TYPE_STRING)
		return utf8_is_valid(piece->bytes) ? FIELD_KEEP : FIELD_TEXT;
	if (field->type == PROTOBUF_C_TYPE_BYTES)
		return field->id == SPAN_PARENT_ID && is_span(type) && is_zeros(piece->bytes)
			       ? FIELD_PARENT
			       : FIELD_KEEP;
	if (field->type != PROTOBUF_C_TYPE_MESSAGE)
		return FIELD_KEEP;
	if (field->id == RESOURCE_ATTRIBUTES &&
	    type == &opentelemetry__proto__resource__v1__resource__descriptor &&
	    otlp_is_owners_key(key_of(piece->bytes)))
		return FIELD_OWNED;
	*ret_type = field->descriptor;
	return depth > 0 ? FIELD_MESSAGE : FIELD_DEEP;
}

struct checking {
	struct otlp_faults *faults;
	struct keys keys;
};

static int check(struct checking *checking, const ProtobufCMessageDescriptor *type,
		 struct bytes message, unsigned depth);

static int check_message(struct checking *checking, const ProtobufCMessageDescriptor *type,
			 struct bytes message, unsigned depth, size_t keys)
{
	int r = is_attribute(type) ? keys_add(&checking->keys, keys, message) : 0;

	return r < 0 ? r : check(checking, type, message, depth);
}

static int check(struct checking *checking, const ProtobufCMessageDescriptor *type,
		 struct bytes message, unsigned depth)
{
	struct otlp_faults *faults = checking->faults;
	struct pb_reader reader = pb_read(message);
	const ProtobufCMessageDescriptor *inner = NULL;
	size_t keys = checking->keys.count;
	struct pb_field piece;
	bool named = false;
	int r;

	while ((r = pb_next(&reader, &piece)) > 0) {
		if (piece.number == SPAN_NAME && piece.wire == PB_BYTES)
			named = piece.bytes.len > 0;
		switch (judge(type, &piece, depth, &inner)) {
		case FIELD_MESSAGE:
			r = check_message(checking, inner, piece.bytes, depth - 1, keys);
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
	faults->names += is_span(type) && !named;
	if (checking->keys.count > keys)
		faults->keys += keys_repeated(&checking->keys, keys);
	keys_drop(&checking->keys, keys);
	return r;
}

int otlp_check(const ProtobufCMessageDescriptor *type, struct bytes message,
	       struct otlp_faults *ret_faults)
{
	struct checking checking = {.faults = ret_faults};
	int r;

	*ret_faults = (struct otlp_faults){0};
	r = check(&checking, type, message, OTLP_DEPTH_MAX - 1);
	keys_fini(&checking.keys);
	return r;
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

/* The attributes of a message as they are to stand there: each key once. NULL: as they
 * are. -ENOMEM. */
static int choose_attributes(const ProtobufCMessageDescriptor *type, struct bytes message,
			     unsigned depth, struct bytes **ret_chosen)
{
	struct pb_reader reader = pb_read(message);
	const ProtobufCMessageDescriptor *inner = NULL;
	struct keys keys = {.entries = NULL};
	struct pb_field piece;
	int r = 0;

	*ret_chosen = NULL;
	while (r == 0 && pb_next(&reader, &piece) > 0)
		if (judge(type, &piece, depth, &inner) == FIELD_MESSAGE && is_attribute(inner))
			r = keys_add(&keys, 0, piece.bytes);
	if (r == 0 && keys.count > 1 && keys_repeated(&keys, 0) > 0) {
		*ret_chosen = calloc(keys.count, sizeof(struct bytes));
		if (*ret_chosen)
			keys_choose(&keys, 0, *ret_chosen);
		else
			r = -ENOMEM;
	}
	keys_fini(&keys);
	return r;
}

/* What a message's end is to say besides; of two values of a field the later holds. */
struct ending {
	uint64_t dropped, owned; /* of a resource */
	bool named;		 /* of a span */
};

static void see_for_ending(struct ending *ending, const struct pb_field *piece)
{
	if (piece->number == RESOURCE_DROPPED && piece->wire == PB_VARINT)
		ending->dropped = piece->value;
	if (piece->number == SPAN_NAME && piece->wire == PB_BYTES)
		ending->named = piece->bytes.len > 0;
}

static int write_ending(struct buf *out, const ProtobufCMessageDescriptor *type,
			const struct ending *ending)
{
	if (ending->owned)
		return pb_varint(out, RESOURCE_DROPPED,
				 (uint32_t)(ending->dropped + ending->owned));
	if (is_span(type) && !ending->named)
		return pb_bytes(out, SPAN_NAME, bytes_of(SPAN_UNNAMED));
	return 0;
}

static int repair_pieces(struct buf *out, const ProtobufCMessageDescriptor *type,
			 struct bytes message, unsigned depth, const struct bytes *chosen)
{
	struct pb_reader reader = pb_read(message);
	const ProtobufCMessageDescriptor *inner = NULL;
	const uint8_t *begin = reader.at;
	struct ending ending = {0, 0, false};
	struct pb_field piece;
	int r;

	while ((r = pb_next(&reader, &piece)) > 0) {
		see_for_ending(&ending, &piece);
		switch (judge(type, &piece, depth, &inner)) {
		case FIELD_OWNED:
			ending.owned++;
			break;
		case FIELD_KEEP:
			r = buf_append(out, begin, (size_t)(reader.at - begin));
			break;
		case FIELD_TEXT:
			r = repair_text(out, &piece);
			break;
		case FIELD_MESSAGE:
			if (chosen && is_attribute(inner))
				piece.bytes = *chosen++;
			if (piece.bytes.at)
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
	return r < 0 ? r : write_ending(out, type, &ending);
}

static int repair(struct buf *out, const ProtobufCMessageDescriptor *type, struct bytes message,
		  unsigned depth)
{
	struct bytes *chosen;
	int r = choose_attributes(type, message, depth, &chosen);

	if (r == 0)
		r = repair_pieces(out, type, message, depth, chosen);
	free(chosen);
	return r;
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
