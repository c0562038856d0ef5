#include "otlp/json_print.h"

#include "opentelemetry/proto/common/v1/common.pb-c.h"
#include "otlp/bytes_text.h"
#include "otlp/json_text.h"
#include "otlp/pb.h"

#include <assert.h>
#include <errno.h>

#define KEY_VALUE (&opentelemetry__proto__common__v1__key_value__descriptor)
#define ANY_VALUE (&opentelemetry__proto__common__v1__any_value__descriptor)

/* Fields nearly always come in order, and then one look at each is enough. So
 * a message is printed in the hope that all do; where one does not, everything
 * is printed again with a look at each message before it is printed. Never
 * more than once again, or nesting would multiply it. */
struct printing {
	struct buf *out;
	bool hopeful;
	bool fills; /* the empty value with the empty string */
};

#define OUT_OF_ORDER (-EAGAIN) /* the hope was in vain; stays in this file */

static int print_message(struct printing *printing, const ProtobufCMessageDescriptor *type,
			 struct bytes message, unsigned depth);

/* --- what the descriptor says of a field --------------------------------------- */

size_t otlp_json_key(char *at, const ProtobufCFieldDescriptor *field)
{
	const char *begin = at;

	for (const char *from = field->name; *from; from++) {
		if (*from == '_' && from[1] >= 'a' && from[1] <= 'z')
			*at++ = (char)(*++from - 'a' + 'A');
		else
			*at++ = *from;
	}
	return (size_t)(at - begin);
}

bool otlp_json_is_id(const ProtobufCFieldDescriptor *field)
{
	size_t len = strlen(field->name);

	return len > 3 && memcmp(field->name + len - 3, "_id", 3) == 0;
}

/* A key as it is printed, with its quotes and colon. Of one fixed size, which costs
 * less to copy than the right one. */
#define KEY_BYTES 32

struct printed_key {
	const ProtobufCFieldDescriptor *field;
	size_t len;
	char text[KEY_BYTES];
};

static void key_make(struct printed_key *key, const ProtobufCFieldDescriptor *field)
{
	assert(strlen(field->name) + 3 <= KEY_BYTES);
	key->text[0] = '"';
	key->len = 1 + otlp_json_key(key->text + 1, field);
	key->text[key->len++] = '"';
	key->text[key->len++] = ':';
	key->field = field;
}

/* Made once of a descriptor, which never changes: making them was a tenth of what
 * a printed span costs. Fields of one message lie side by side, so they have places
 * of their own; others may have to share. */
static const struct printed_key *key_of(const ProtobufCFieldDescriptor *field)
{
	static struct printed_key keys[128];
	struct printed_key *key = &keys[(uintptr_t)field / sizeof(*field) % 128];

	if (__builtin_expect(key->field != field, 0))
		key_make(key, field);
	return key;
}

static void print_key(struct buf *out, const ProtobufCFieldDescriptor *field)
{
	const struct printed_key *key = key_of(field);

	if (out->cap - out->len < KEY_BYTES && buf_reserve(out, KEY_BYTES) < 0)
		return;
	memcpy(out->at + out->len, key->text, KEY_BYTES);
	out->len += key->len;
}

static bool is_repeated(const ProtobufCFieldDescriptor *field)
{
	return field->label == PROTOBUF_C_LABEL_REPEATED;
}

static bool in_oneof(const ProtobufCFieldDescriptor *field)
{
	return field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF;
}

/* Members of one oneof share the word that says which of them is set. */
static bool same_oneof(const ProtobufCFieldDescriptor *a, const ProtobufCFieldDescriptor *b)
{
	return in_oneof(a) && in_oneof(b) && a->quantifier_offset == b->quantifier_offset;
}

static enum pb_wire wire_of(const ProtobufCFieldDescriptor *field)
{
	switch (field->type) {
	case PROTOBUF_C_TYPE_STRING:
	case PROTOBUF_C_TYPE_BYTES:
	case PROTOBUF_C_TYPE_MESSAGE:
		return PB_BYTES;
	case PROTOBUF_C_TYPE_FIXED64:
	case PROTOBUF_C_TYPE_SFIXED64:
	case PROTOBUF_C_TYPE_DOUBLE:
		return PB_FIXED64;
	case PROTOBUF_C_TYPE_FIXED32:
	case PROTOBUF_C_TYPE_SFIXED32:
	case PROTOBUF_C_TYPE_FLOAT:
		return PB_FIXED32;
	default:
		return PB_VARINT;
	}
}

/* Finds the field a piece of wire belongs to, going on from the place of the
 * one before, because fields mostly come in order. NULL when there is none or
 * its kind is another: then the piece is an unknown field. */
static inline const ProtobufCFieldDescriptor *
field_of(const ProtobufCMessageDescriptor *type, unsigned *place, const struct pb_field *piece)
{
	const ProtobufCFieldDescriptor *field;
	unsigned i = *place;

	if (i == type->n_fields || type->fields[i].id > piece->number)
		i = 0;
	while (i < type->n_fields && type->fields[i].id < piece->number)
		i++;
	*place = i;
	if (i == type->n_fields)
		return NULL;
	field = &type->fields[i];
	if (field->id != piece->number || wire_of(field) != piece->wire)
		return NULL;
	return field;
}

/* --- one value --------------------------------------------------------------------- */

static double double_of(uint64_t bits)
{
	double value;

	memcpy(&value, &bits, sizeof(value));
	return value;
}

static void print_quoted_bytes(struct buf *out, const ProtobufCFieldDescriptor *field,
			       struct bytes bytes)
{
	json_text_plain(out, "\"", 1);
	if (otlp_json_is_id(field))
		(void)bytes_text_hex(out, bytes);
	else
		(void)bytes_text_base64(out, bytes);
	json_text_plain(out, "\"", 1);
}

static void print_bool(struct buf *out, bool value)
{
	json_text_plain(out, value ? "true" : "false", value ? 4 : 5);
}

static int print_value(struct printing *printing, const ProtobufCFieldDescriptor *field,
		       const struct pb_field *piece, unsigned depth)
{
	struct buf *out = printing->out;

	switch (field->type) {
	case PROTOBUF_C_TYPE_MESSAGE:
		return print_message(printing, field->descriptor, piece->bytes, depth);
	case PROTOBUF_C_TYPE_STRING:
		json_text_string(out, piece->bytes);
		break;
	case PROTOBUF_C_TYPE_BYTES:
		print_quoted_bytes(out, field, piece->bytes);
		break;
	case PROTOBUF_C_TYPE_BOOL:
		print_bool(out, piece->value != 0);
		break;
	case PROTOBUF_C_TYPE_DOUBLE:
		json_text_double(out, double_of(piece->value));
		break;
	case PROTOBUF_C_TYPE_INT64:
	case PROTOBUF_C_TYPE_SFIXED64:
		json_text_int(out, (int64_t)piece->value, true);
		break;
	case PROTOBUF_C_TYPE_UINT64:
	case PROTOBUF_C_TYPE_FIXED64:
		json_text_uint(out, piece->value, true);
		break;
	case PROTOBUF_C_TYPE_UINT32:
	case PROTOBUF_C_TYPE_FIXED32:
		json_text_uint(out, (uint32_t)piece->value, false);
		break;
	case PROTOBUF_C_TYPE_INT32:
	case PROTOBUF_C_TYPE_SFIXED32:
	case PROTOBUF_C_TYPE_ENUM:
		json_text_int(out, (int32_t)piece->value, false);
		break;
	default:
		/* zigzag and float numbers: none of our messages has one. */
		assert(!"a field type OTLP does not use");
	}
	return 0;
}

/* Whether proto3 leaves the field out: it holds its default and cannot be told
 * from one that is absent. */
static bool is_default(const ProtobufCFieldDescriptor *field, const struct pb_field *piece)
{
	if (is_repeated(field) || in_oneof(field) || field->type == PROTOBUF_C_TYPE_MESSAGE)
		return false;
	return piece->wire == PB_BYTES ? piece->bytes.len == 0 : piece->value == 0;
}

/* --- the members of an object --------------------------------------------------------- */

/* What stands in the text so far: nothing, or members, of which the last may be
 * an array that is still open. */
struct members {
	bool any;
	const ProtobufCFieldDescriptor *array;
};

static void members_end_array(struct members *members, struct buf *out)
{
	if (members->array)
		json_text_plain(out, "]", 1);
	members->array = NULL;
}

static void members_key(struct members *members, struct buf *out,
			const ProtobufCFieldDescriptor *field)
{
	members_end_array(members, out);
	if (members->any)
		json_text_plain(out, ",", 1);
	members->any = true;
	print_key(out, field);
	if (is_repeated(field)) {
		json_text_plain(out, "[", 1);
		members->array = field;
	}
}

static int members_add(struct members *members, struct printing *printing,
		       const ProtobufCFieldDescriptor *field, const struct pb_field *piece,
		       unsigned depth)
{
	if (is_default(field, piece))
		return 0;
	if (members->array == field)
		json_text_plain(printing->out, ",", 1);
	else
		members_key(members, printing->out, field);
	return print_value(printing, field, piece, depth);
}

/* --- a message whose fields are in order ----------------------------------------------- */

struct order {
	const ProtobufCFieldDescriptor *last;
	bool oneof_seen;
};

/* Whether this field may follow: known fields ascend, a singular one comes
 * once, a oneof has one member. */
static bool order_allows(struct order *order, const ProtobufCFieldDescriptor *field)
{
	const ProtobufCFieldDescriptor *last = order->last;

	if (last && (field->id < last->id || (field == last && !is_repeated(field))))
		return false;
	if (in_oneof(field)) {
		if (order->oneof_seen)
			return false;
		order->oneof_seen = true;
	}
	order->last = field;
	return true;
}

/* 1 or 0; -EBADMSG. Only this level is looked at. */
static int is_in_order(const ProtobufCMessageDescriptor *type, struct bytes message)
{
	struct pb_reader reader = pb_read(message);
	const ProtobufCFieldDescriptor *field;
	struct order order = {0};
	struct pb_field piece;
	unsigned place = 0;
	int r;

	while ((r = pb_next(&reader, &piece)) > 0) {
		field = field_of(type, &place, &piece);
		if (field && !order_allows(&order, field))
			return 0;
	}
	return r < 0 ? r : 1;
}

static int print_in_order(struct printing *printing, const ProtobufCMessageDescriptor *type,
			  struct bytes message, unsigned depth)
{
	struct pb_reader reader = pb_read(message);
	const ProtobufCFieldDescriptor *field;
	struct members members = {0};
	struct order order = {0};
	struct pb_field piece;
	unsigned place = 0;
	int r;

	while ((r = pb_next(&reader, &piece)) > 0) {
		field = field_of(type, &place, &piece);
		if (!field)
			continue;
		if (!order_allows(&order, field))
			return OUT_OF_ORDER;
		r = members_add(&members, printing, field, &piece, depth);
		if (r < 0)
			return r;
	}
	members_end_array(&members, printing->out);
	return r;
}

/* --- a message whose fields are not ------------------------------------------------------ */

/* Finds what a parser would find for a singular field: the last value, or, for
 * a message, all its pieces one after the other (which is how protobuf merges
 * messages), but nothing from before another member of its oneof was set.
 * `joined` holds such pieces. 1, or 0 when the field is absent; -EBADMSG, -ENOMEM. */
static int gather(const ProtobufCMessageDescriptor *type,
		  const ProtobufCFieldDescriptor *wanted, struct bytes message,
		  struct buf *joined, struct pb_field *ret_piece)
{
	struct pb_reader reader = pb_read(message);
	const ProtobufCFieldDescriptor *field;
	struct pb_field piece;
	unsigned place = 0;
	int r, found = 0;

	buf_reset(joined);
	while ((r = pb_next(&reader, &piece)) > 0) {
		field = field_of(type, &place, &piece);
		if (field == wanted) {
			*ret_piece = piece;
			found = 1;
			if (field->type == PROTOBUF_C_TYPE_MESSAGE)
				(void)buf_append(joined, piece.bytes.at, piece.bytes.len);
		} else if (field && same_oneof(field, wanted)) {
			found = 0;
			joined->len = 0;
		}
	}
	if (r < 0)
		return r;
	if (buf_failed(joined))
		return -ENOMEM;
	if (found && wanted->type == PROTOBUF_C_TYPE_MESSAGE)
		ret_piece->bytes = buf_bytes(joined);
	return found;
}

static int print_array(struct printing *printing, struct members *members,
		       const ProtobufCMessageDescriptor *type,
		       const ProtobufCFieldDescriptor *wanted, struct bytes message,
		       unsigned depth)
{
	struct pb_reader reader = pb_read(message);
	struct pb_field piece;
	unsigned place = 0;
	int r;

	while ((r = pb_next(&reader, &piece)) > 0) {
		if (field_of(type, &place, &piece) != wanted)
			continue;
		r = members_add(members, printing, wanted, &piece, depth);
		if (r < 0)
			return r;
	}
	return r;
}

static int print_singular(struct printing *printing, struct members *members,
			  const ProtobufCMessageDescriptor *type,
			  const ProtobufCFieldDescriptor *wanted, struct bytes message,
			  unsigned depth)
{
	struct buf joined = BUF_INIT;
	struct pb_field piece = {0};
	int r;

	r = gather(type, wanted, message, &joined, &piece);
	if (r > 0)
		r = members_add(members, printing, wanted, &piece, depth);
	buf_fini(&joined);
	return r;
}

/* One look at the whole message for each field of the type: slower, but no
 * slower for a message made to be slow. */
static int print_by_field(struct printing *printing, const ProtobufCMessageDescriptor *type,
			  struct bytes message, unsigned depth)
{
	struct members members = {0};
	int r;

	for (unsigned i = 0; i < type->n_fields; i++) {
		const ProtobufCFieldDescriptor *field = &type->fields[i];

		if (is_repeated(field))
			r = print_array(printing, &members, type, field, message, depth);
		else
			r = print_singular(printing, &members, type, field, message, depth);
		if (r < 0)
			return r;
	}
	members_end_array(&members, printing->out);
	return 0;
}

/* --- an attribute ----------------------------------------------------------------------- */

static int print_key_and_value(struct printing *printing, struct bytes key, struct bytes value,
			       unsigned depth)
{
	struct buf *out = printing->out;
	int r;

	json_text_plain(out, "{\"key\":", 7);
	json_text_string(out, key);
	json_text_plain(out, ",\"value\":", 9);
	r = print_message(printing, KEY_VALUE->fields[1].descriptor, value, depth);
	json_text_plain(out, "}", 1);
	return r;
}

/* The attribute as everybody writes it: the key, the value, nothing else. */
static bool is_plain_attribute(struct bytes message, struct bytes *ret_key,
			       struct bytes *ret_value)
{
	struct pb_reader reader = pb_read(message);
	struct pb_field key, value;

	if (pb_next(&reader, &key) <= 0 || key.number != 1 || key.wire != PB_BYTES)
		return false;
	if (pb_next(&reader, &value) <= 0 || value.number != 2 || value.wire != PB_BYTES)
		return false;
	if (reader.at != reader.end)
		return false;
	*ret_key = key.bytes;
	*ret_value = value.bytes;
	return true;
}

/* Readers of archives index `key` and `value` of every attribute without
 * asking, so both are always there. */
static int print_attribute(struct printing *printing, struct bytes message, unsigned depth)
{
	struct pb_field key = {0}, value = {0};
	struct buf joined = BUF_INIT;
	int r;

	if (is_plain_attribute(message, &key.bytes, &value.bytes))
		return print_key_and_value(printing, key.bytes, value.bytes, depth);
	r = gather(KEY_VALUE, &KEY_VALUE->fields[0], message, &joined, &key);
	if (r >= 0)
		r = gather(KEY_VALUE, &KEY_VALUE->fields[1], message, &joined, &value);
	if (r >= 0)
		r = print_key_and_value(printing, key.bytes, value.bytes, depth);
	buf_fini(&joined);
	return r;
}

/* --- messages ----------------------------------------------------------------------------- */

/* `depth` is how many more levels there may be, this one included. */
static int print_message(struct printing *printing, const ProtobufCMessageDescriptor *type,
			 struct bytes message, unsigned depth)
{
	size_t begun;
	int r = 1;

	if (depth == 0)
		return -ELOOP;
	if (type == KEY_VALUE)
		return print_attribute(printing, message, depth - 1);
	if (!printing->hopeful)
		r = is_in_order(type, message);
	if (r < 0)
		return r;
	json_text_plain(printing->out, "{", 1);
	begun = printing->out->len;
	if (r)
		r = print_in_order(printing, type, message, depth - 1);
	else
		r = print_by_field(printing, type, message, depth - 1);
	if (printing->fills && type == ANY_VALUE && printing->out->len == begun)
		json_text_plain(printing->out, "\"stringValue\":\"\"", 16);
	json_text_plain(printing->out, "}", 1);
	return r;
}

static int print(struct buf *out, const ProtobufCMessageDescriptor *type, struct bytes message,
		 bool fills)
{
	struct printing printing = {.out = out, .hopeful = true, .fills = fills};
	size_t before = out->len;
	int r;

	r = print_message(&printing, type, message, OTLP_DEPTH_MAX);
	if (r == OUT_OF_ORDER) {
		out->len = before;
		printing.hopeful = false;
		r = print_message(&printing, type, message, OTLP_DEPTH_MAX);
	}
	if (r >= 0 && buf_failed(out))
		r = -ENOMEM;
	if (r < 0) {
		out->len = before;
		return r;
	}
	return 0;
}

int otlp_json_print(struct buf *out, const ProtobufCMessageDescriptor *type,
		    struct bytes message)
{
	return print(out, type, message, false);
}

int otlp_json_print_filled(struct buf *out, const ProtobufCMessageDescriptor *type,
			   struct bytes message)
{
	return print(out, type, message, true);
}
