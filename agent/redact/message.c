#include "redact/message.h"

#include <errno.h>
#include <stdio.h>

#include "opentelemetry/proto/common/v1/common.pb-c.h"
#include "otlp/json_print.h"
#include "otlp/keys.h"
#include "otlp/message_type.h"
#include "otlp/pb.h"
#include "redact/value.h"

#define KEY_VALUE (&opentelemetry__proto__common__v1__key_value__descriptor)
#define ID_BYTES_MAX 16
#define PLACE_BYTES 96

/* Field numbers of opentelemetry.proto.common.v1. */
enum { KEY_VALUE_KEY = 1, KEY_VALUE_VALUE = 2 };
enum { LIST_VALUES = 1 };
enum {
	ANY_STRING = 1,
	ANY_BOOL = 2,
	ANY_INT = 3,
	ANY_DOUBLE = 4,
	ANY_ARRAY = 5,
	ANY_MAP = 6,
	ANY_BYTES = 7,
};

/* What nobody knows, or ids, in which nobody would look for words. */
static bool raw_stays(struct redactor *redactor, const struct pb_field *piece)
{
	return piece->wire != PB_BYTES ||
	       redactor_find(redactor, redactor_plain(redactor), piece->bytes) == REDACT_STAYS;
}

/* Counts what raw_stays() refused. */
static void note_raw(struct redactor *redactor, const struct pb_field *piece)
{
	redactor_note_dropped(redactor,
			      redactor->hit_count ? redactor->hits[0].rule : redactor->reason,
			      piece->bytes);
}

static enum redact_kind kind_of(const struct pb_field *piece)
{
	switch (piece->number) {
	case ANY_STRING:
	case ANY_BYTES:
		return REDACT_IS_TEXT;
	case ANY_BOOL:
		return REDACT_IS_TRUTH;
	case ANY_INT:
	case ANY_DOUBLE:
		return REDACT_IS_NUMBER;
	default:
		return REDACT_IS_MANY;
	}
}

static bool is_text(const struct pb_field *piece)
{
	return piece->wire == PB_BYTES &&
	       (piece->number == ANY_STRING || piece->number == ANY_BYTES);
}

static bool is_list(const struct pb_field *piece)
{
	return piece->wire == PB_BYTES &&
	       (piece->number == ANY_ARRAY || piece->number == ANY_MAP);
}

static bool is_int(const struct pb_field *piece)
{
	return piece->wire == PB_VARINT && piece->number == ANY_INT;
}

/* ---- looking ----------------------------------------------------------------- */

static bool any_stays(struct redactor *redactor, const struct redact_scope *scope,
		      struct bytes value, unsigned depth);

/* Of an attribute: `outer` is NULL. */
static bool pair_stays(struct redactor *redactor, const struct redact_scope *outer,
		       struct bytes pair, unsigned depth)
{
	struct pb_reader reader = pb_read(pair);
	struct bytes key = key_of(pair);
	struct redact_scope scope = outer ? redact_scope_inside(redactor, outer, key)
					  : redact_scope_of(redactor, key);
	struct pb_field piece;
	int r;

	while ((r = pb_next(&reader, &piece)) > 0) {
		bool stays;

		if (piece.wire == PB_BYTES && piece.number == KEY_VALUE_KEY)
			stays = (piece.bytes.at == key.at && !scope.key_found) ||
				!redact_key_changes(redactor, piece.bytes);
		else if (piece.wire == PB_BYTES && piece.number == KEY_VALUE_VALUE)
			stays = any_stays(redactor, &scope, piece.bytes, depth);
		else
			stays = raw_stays(redactor, &piece);
		if (!stays)
			return false;
	}
	return r == 0;
}

static bool list_stays(struct redactor *redactor, const struct redact_scope *outer,
		       const struct pb_field *list, unsigned depth)
{
	struct redact_scope element = redact_scope_element(outer);
	struct pb_reader reader = pb_read(list->bytes);
	struct pb_field piece;
	int r;

	while ((r = pb_next(&reader, &piece)) > 0) {
		bool stays;

		if (piece.wire != PB_BYTES || piece.number != LIST_VALUES)
			stays = raw_stays(redactor, &piece);
		else if (list->number == ANY_ARRAY)
			stays = any_stays(redactor, &element, piece.bytes, depth);
		else
			stays = pair_stays(redactor, outer, piece.bytes, depth);
		if (!stays)
			return false;
	}
	return r == 0;
}

static bool any_stays(struct redactor *redactor, const struct redact_scope *scope,
		      struct bytes value, unsigned depth)
{
	struct pb_reader reader = pb_read(value);
	struct pb_field piece;
	bool stays = depth > 0;
	int r;

	while ((r = pb_next(&reader, &piece)) > 0 && stays) {
		struct bytes text =
			piece.wire == PB_BYTES ? piece.bytes : (struct bytes){NULL, 0};

		if (scope->whole &&
		    redact_taken_whole(redactor, scope, kind_of(&piece), text) >= 0)
			return false;
		if (is_text(&piece))
			stays = redact_text_stays(redactor, scope, text);
		else if (is_list(&piece))
			stays = list_stays(redactor, scope, &piece, depth - 1);
		else if (is_int(&piece))
			stays = !redact_number_goes(redactor, scope, (int64_t)piece.value);
		else
			stays = raw_stays(redactor, &piece);
	}
	return stays && r == 0;
}

static bool message_stays(struct redactor *redactor, const ProtobufCMessageDescriptor *type,
			  struct bytes message, unsigned depth)
{
	struct pb_reader reader = pb_read(message);
	struct pb_field piece;
	int r;

	while ((r = pb_next(&reader, &piece)) > 0) {
		const ProtobufCFieldDescriptor *field;

		if (piece.wire != PB_BYTES)
			continue;
		field = message_type_field(type, piece.number);
		if (field && field->type == PROTOBUF_C_TYPE_MESSAGE) {
			if (depth == 0)
				return false;
			if (field->descriptor == KEY_VALUE
				    ? !pair_stays(redactor, NULL, piece.bytes, depth - 1)
				    : !message_stays(redactor, field->descriptor, piece.bytes,
						     depth - 1))
				return false;
		} else if (field && field->type == PROTOBUF_C_TYPE_BYTES &&
			   piece.bytes.len <= ID_BYTES_MAX) {
			continue;
		} else if (!raw_stays(redactor, &piece)) {
			return false;
		}
	}
	return r == 0;
}

bool redact_message_stays(struct redactor *redactor, const ProtobufCMessageDescriptor *type,
			  struct bytes message)
{
	return message_stays(redactor, type, message, OTLP_DEPTH_MAX);
}

/* ---- writing ----------------------------------------------------------------- */

static int write_any(struct redactor *redactor, struct buf *out,
		     const struct redact_scope *scope, struct bytes value, unsigned depth);

static int write_key(struct redactor *redactor, struct buf *out, const struct pb_field *piece)
{
	struct pb_nested nested = pb_open(out, piece->number, piece->bytes.len);
	int r = redact_key_changes(redactor, piece->bytes)
			? redactor_write_key(redactor, out, piece->bytes)
			: buf_append(out, piece->bytes.at, piece->bytes.len);

	return r < 0 ? r : pb_close(out, nested);
}

/* The field as it stands there, from `begin` to the reader's place; or nothing. */
static int write_raw(struct redactor *redactor, struct buf *out, const struct pb_field *piece,
		     const uint8_t *begin, const uint8_t *end)
{
	if (raw_stays(redactor, piece))
		return buf_append(out, begin, (size_t)(end - begin));
	note_raw(redactor, piece);
	return 0;
}

/* 0, REDACT_LEFT_OUT: nothing was appended. -errno. */
static int write_pair(struct redactor *redactor, struct buf *out, uint32_t number,
		      const struct redact_scope *outer, struct bytes pair, unsigned depth)
{
	struct pb_reader reader = pb_read(pair);
	struct bytes key = key_of(pair);
	struct redact_scope scope = outer ? redact_scope_inside(redactor, outer, key)
					  : redact_scope_of(redactor, key);
	size_t before = out->len;
	struct pb_nested nested = pb_open(out, number, pair.len), inner;
	const uint8_t *begin = reader.at;
	struct pb_field piece;
	int r;

	while ((r = pb_next(&reader, &piece)) > 0) {
		if (piece.wire == PB_BYTES && piece.number == KEY_VALUE_KEY) {
			r = write_key(redactor, out, &piece);
		} else if (piece.wire == PB_BYTES && piece.number == KEY_VALUE_VALUE) {
			inner = pb_open(out, piece.number, piece.bytes.len);
			r = write_any(redactor, out, &scope, piece.bytes, depth);
			if (r == REDACT_LEFT_OUT) {
				out->len = before;
				return r;
			}
			if (r >= 0)
				r = pb_close(out, inner);
		} else {
			r = write_raw(redactor, out, &piece, begin, reader.at);
		}
		if (r < 0)
			return r;
		begin = reader.at;
	}
	return r < 0 ? r : pb_close(out, nested);
}

static int write_list(struct redactor *redactor, struct buf *out,
		      const struct redact_scope *outer, const struct pb_field *list,
		      unsigned depth)
{
	struct redact_scope element = redact_scope_element(outer);
	struct pb_nested nested = pb_open(out, list->number, list->bytes.len), inner;
	struct pb_reader reader = pb_read(list->bytes);
	const uint8_t *begin = reader.at;
	struct pb_field piece;
	int r;

	while ((r = pb_next(&reader, &piece)) > 0) {
		size_t before = out->len;

		if (piece.wire != PB_BYTES || piece.number != LIST_VALUES) {
			r = write_raw(redactor, out, &piece, begin, reader.at);
		} else if (list->number == ANY_ARRAY) {
			inner = pb_open(out, LIST_VALUES, piece.bytes.len);
			r = write_any(redactor, out, &element, piece.bytes, depth);
			if (r == REDACT_LEFT_OUT)
				out->len = before;
			else if (r >= 0)
				r = pb_close(out, inner);
		} else {
			r = write_pair(redactor, out, LIST_VALUES, outer, piece.bytes, depth);
		}
		if (r < 0)
			return r;
		begin = reader.at;
	}
	return r < 0 ? r : pb_close(out, nested);
}

/* What stands for a value, as a string. */
static int write_gone(struct redactor *redactor, struct buf *out, uint32_t rule,
		      struct bytes value)
{
	struct pb_nested nested = pb_open(out, ANY_STRING, REDACT_NAME_MAX);
	int r = redact_write_gone(redactor, out, rule, value);

	if (r < 0 || r == REDACT_LEFT_OUT)
		return r;
	r = pb_close(out, nested);
	return r < 0 ? r : REDACT_WRITTEN_MASK;
}

static int write_any_text(struct redactor *redactor, struct buf *out,
			  const struct redact_scope *scope, const struct pb_field *piece)
{
	size_t before = out->len;
	struct pb_nested nested = pb_open(out, piece->number, piece->bytes.len);
	int r = redact_write_text(redactor, out, scope, piece->bytes);

	if (r < 0 || r == REDACT_LEFT_OUT)
		return r;
	if (r == REDACT_WRITTEN_MASK && piece->number != ANY_STRING)
		out->at[before] = ANY_STRING << 3 | PB_BYTES;
	r = pb_close(out, nested);
	return r < 0 ? r : REDACT_WRITTEN;
}

/* What of a value is text for its hash. */
static struct bytes value_text(const struct pb_field *piece, char digits[REDACT_DIGITS])
{
	double number;

	if (piece->wire == PB_BYTES)
		return piece->bytes;
	if (piece->number != ANY_DOUBLE || piece->wire != PB_FIXED64)
		return redact_int_text((int64_t)piece->value, digits);
	memcpy(&number, &piece->value, sizeof number);
	return redact_double_text(number, digits);
}

/* One member of a value. A redact_written, or -errno. */
static int write_member(struct redactor *redactor, struct buf *out,
			const struct redact_scope *scope, const struct pb_field *piece,
			const uint8_t *begin, const uint8_t *end, unsigned depth)
{
	struct bytes text = piece->wire == PB_BYTES ? piece->bytes : (struct bytes){NULL, 0};
	int r = redact_taken_whole(redactor, scope, kind_of(piece), text);
	char digits[REDACT_DIGITS];

	if (r >= 0)
		return write_gone(redactor, out, (uint32_t)r, value_text(piece, digits));
	if (is_text(piece))
		return write_any_text(redactor, out, scope, piece);
	if (is_list(piece))
		return write_list(redactor, out, scope, piece, depth - 1);
	if (is_int(piece) && redact_number_goes(redactor, scope, (int64_t)piece->value))
		return write_gone(redactor, out, redactor->reason, value_text(piece, digits));
	return write_raw(redactor, out, piece, begin, end);
}

static int write_any(struct redactor *redactor, struct buf *out,
		     const struct redact_scope *scope, struct bytes value, unsigned depth)
{
	struct pb_reader reader = pb_read(value);
	const uint8_t *begin = reader.at;
	struct pb_field piece;
	int r;

	if (depth == 0) /* nobody looked into it */
		return write_gone(redactor, out, REDACT_UNDECIDED, value);
	while ((r = pb_next(&reader, &piece)) > 0) {
		r = write_member(redactor, out, scope, &piece, begin, reader.at, depth);
		if (r < 0 || r == REDACT_LEFT_OUT)
			return r;
		begin = reader.at;
	}
	return r;
}

static int write_string(struct redactor *redactor, struct buf *out,
			const ProtobufCFieldDescriptor *field, struct bytes text)
{
	struct redact_scope plain = redact_scope_plain(redactor);
	struct pb_nested nested = pb_open(out, field->id, text.len);
	int r = strcmp(field->name, "name") == 0
			? redact_write_name(redactor, out, text)
			: redact_write_text(redactor, out, &plain, text);

	return r < 0 ? r : pb_close(out, nested);
}

/* `name` of the message, for whoever looks on. */
static void say_place(struct redactor *redactor, char place[PLACE_BYTES],
		      const ProtobufCMessageDescriptor *type, const char *name,
		      struct bytes key)
{
	if (redactor->seen)
		(void)snprintf(place, PLACE_BYTES, "%s.%s", type->short_name, name);
	redactor_at(redactor, place, key);
}

static int write_message(struct redactor *redactor, struct buf *out,
			 const ProtobufCMessageDescriptor *type, struct bytes message,
			 unsigned depth);

/* Returns 0, REDACT_LEFT_OUT for an attribute that goes, or -errno. */
static int write_field(struct redactor *redactor, struct buf *out,
		       const ProtobufCMessageDescriptor *type, const struct pb_field *piece,
		       const uint8_t *begin, const uint8_t *end, unsigned depth)
{
	const ProtobufCFieldDescriptor *field = message_type_field(type, piece->number);
	char place[PLACE_BYTES] = "";
	struct pb_nested nested;
	struct bytes none = {NULL, 0};
	int r;

	if (piece->wire != PB_BYTES) /* a known field, too: it has no bytes to look at */
		return buf_append(out, begin, (size_t)(end - begin));
	say_place(redactor, place, type, field ? field->name : "(unknown)",
		  field && field->descriptor == KEY_VALUE ? key_of(piece->bytes) : none);
	if (!field)
		return write_raw(redactor, out, piece, begin, end);
	switch (field->type) {
	case PROTOBUF_C_TYPE_STRING:
		return write_string(redactor, out, field, piece->bytes);
	case PROTOBUF_C_TYPE_MESSAGE:
		if (depth == 0)
			return -EBADMSG;
		if (field->descriptor == KEY_VALUE)
			return write_pair(redactor, out, field->id, NULL, piece->bytes,
					  depth - 1);
		nested = pb_open(out, field->id, piece->bytes.len);
		r = write_message(redactor, out, field->descriptor, piece->bytes, depth - 1);
		return r < 0 ? r : pb_close(out, nested);
	case PROTOBUF_C_TYPE_BYTES:
		if (piece->bytes.len <= ID_BYTES_MAX)
			return buf_append(out, begin, (size_t)(end - begin));
		return write_raw(redactor, out, piece, begin, end);
	default:
		return write_raw(redactor, out, piece, begin, end);
	}
}

static int write_message(struct redactor *redactor, struct buf *out,
			 const ProtobufCMessageDescriptor *type, struct bytes message,
			 unsigned depth)
{
	const ProtobufCFieldDescriptor *count = protobuf_c_message_descriptor_get_field_by_name(
		type, "dropped_attributes_count");
	struct pb_reader reader = pb_read(message);
	const uint8_t *begin = reader.at;
	uint64_t dropped = 0, left_out = 0;
	struct pb_field piece;
	int r;

	while ((r = pb_next(&reader, &piece)) > 0) {
		if (count && piece.number == count->id && piece.wire == PB_VARINT)
			dropped = piece.value;
		r = write_field(redactor, out, type, &piece, begin, reader.at, depth);
		if (r < 0)
			return r;
		left_out += r == REDACT_LEFT_OUT;
		begin = reader.at;
	}
	/* Of two values of a field the later holds. */
	if (r == 0 && left_out && count)
		r = pb_varint(out, count->id, (uint32_t)(dropped + left_out));
	return r;
}

int redact_message_write(struct redactor *redactor, struct buf *out,
			 const ProtobufCMessageDescriptor *type, struct bytes message)
{
	int r = write_message(redactor, out, type, message, OTLP_DEPTH_MAX);

	return r < 0 ? r : buf_failed(out) ? -ENOMEM : 0;
}
