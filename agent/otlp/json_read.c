#include "otlp/json_read.h"

#include "otlp/bytes_text.h"
#include "otlp/json_print.h"
#include "otlp/pb.h"

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#define KEY_MAX 64 /* our longest is 22 characters */

/* Where we are, as a chain through the callers' stack frames: nothing is
 * formatted unless something is wrong. */
struct place {
	const struct place *outer;
	const char *key; /* NULL for an array element */
	size_t index;
};

struct reading {
	struct buf *out;
	struct otlp_json_error *error; /* may be NULL */
};

static int read_message(struct reading *reading, const ProtobufCMessageDescriptor *type,
			json_t *object, const struct place *place, unsigned depth);

/* --- saying what is wrong ---------------------------------------------------------- */

static size_t print_place(char *text, size_t size, const struct place *place)
{
	size_t len;
	int n;

	if (!place)
		return 0;
	len = print_place(text, size, place->outer);
	if (len >= size)
		return len;
	if (place->key)
		n = snprintf(text + len, size - len, "%s%s", len ? "." : "", place->key);
	else
		n = snprintf(text + len, size - len, "[%zu]", place->index);
	return n < 0 ? len : len + (size_t)n;
}

static int refuse(struct reading *reading, const struct place *place, int error,
		  const char *reason)
{
	if (reading->error) {
		reading->error->path[0] = '\0';
		(void)print_place(reading->error->path, sizeof(reading->error->path), place);
		reading->error->reason = reason;
	}
	return error;
}

static int wrong(struct reading *reading, const struct place *place, const char *reason)
{
	return refuse(reading, place, -EBADMSG, reason);
}

/* --- numbers ----------------------------------------------------------------------------- */

static bool is_signed(const ProtobufCFieldDescriptor *field)
{
	return field->type == PROTOBUF_C_TYPE_INT64 ||
	       field->type == PROTOBUF_C_TYPE_SFIXED64 ||
	       field->type == PROTOBUF_C_TYPE_INT32 ||
	       field->type == PROTOBUF_C_TYPE_SFIXED32 || field->type == PROTOBUF_C_TYPE_ENUM;
}

static bool is_64_bit(const ProtobufCFieldDescriptor *field)
{
	return field->type == PROTOBUF_C_TYPE_INT64 ||
	       field->type == PROTOBUF_C_TYPE_SFIXED64 ||
	       field->type == PROTOBUF_C_TYPE_UINT64 || field->type == PROTOBUF_C_TYPE_FIXED64;
}

/* A decimal integer and nothing else; `magnitude` of at most 64 bits. */
static bool parse_decimal(const char *text, size_t len, bool *ret_negative,
			  uint64_t *ret_magnitude)
{
	bool negative = len > 0 && text[0] == '-';
	uint64_t magnitude = 0;

	if (len == negative)
		return false;
	for (size_t i = negative; i < len; i++) {
		if (text[i] < '0' || text[i] > '9')
			return false;
		if (__builtin_mul_overflow(magnitude, 10, &magnitude) ||
		    __builtin_add_overflow(magnitude, (uint64_t)(text[i] - '0'), &magnitude))
			return false;
	}
	*ret_negative = negative;
	*ret_magnitude = magnitude;
	return true;
}

/* 1e3 and 5.0 are integers to the proto3 mapping. Beyond 2^63 jansson itself
 * reads reals, and those are no longer exact: refused. */
static bool integral_real(double real, bool *ret_negative, uint64_t *ret_magnitude)
{
	if (!(fabs(real) <= 9007199254740992.0) || real != floor(real))
		return false;
	*ret_negative = real < 0;
	*ret_magnitude = (uint64_t)fabs(real);
	return true;
}

static bool integer_of(json_t *value, bool *ret_negative, uint64_t *ret_magnitude)
{
	json_int_t number;

	switch (json_typeof(value)) {
	case JSON_STRING:
		return parse_decimal(json_string_value(value), json_string_length(value),
				     ret_negative, ret_magnitude);
	case JSON_INTEGER:
		number = json_integer_value(value);
		*ret_negative = number < 0;
		*ret_magnitude = number < 0 ? 0 - (uint64_t)number : (uint64_t)number;
		return true;
	case JSON_REAL:
		return integral_real(json_real_value(value), ret_negative, ret_magnitude);
	default:
		return false;
	}
}

static bool in_range(const ProtobufCFieldDescriptor *field, bool negative, uint64_t magnitude)
{
	uint64_t top = is_64_bit(field) ? UINT64_MAX : UINT32_MAX;

	if (!is_signed(field))
		return magnitude <= top && (!negative || magnitude == 0);
	return magnitude <= top / 2 + negative;
}

/* The 64 bits the wire has: negative 32-bit integers are sign-extended. */
static int read_integer(struct reading *reading, const ProtobufCFieldDescriptor *field,
			json_t *value, const struct place *place, uint64_t *ret_bits)
{
	bool negative, text = json_is_string(value);
	uint64_t magnitude;

	if (field->type == PROTOBUF_C_TYPE_ENUM && text)
		return wrong(reading, place, "an enum must be an integer");
	if (!integer_of(value, &negative, &magnitude))
		return wrong(reading, place, "not an integer");
	if (!in_range(field, negative, magnitude))
		return wrong(reading, place, "integer out of range");
	*ret_bits = negative ? 0 - magnitude : magnitude;
	return 0;
}

static bool double_of_text(const char *text, double *ret_value)
{
	char *end;

	if (strcmp(text, "NaN") == 0)
		*ret_value = NAN;
	else if (strcmp(text, "Infinity") == 0)
		*ret_value = INFINITY;
	else if (strcmp(text, "-Infinity") == 0)
		*ret_value = -INFINITY;
	else if (strchr("-0123456789", text[0]) && text[0] && !strpbrk(text, "xXnN")) {
		*ret_value = strtod(text, &end);
		return *end == '\0' && end != text && isfinite(*ret_value);
	} else
		return false;
	return true;
}

static int read_double(struct reading *reading, json_t *value, const struct place *place,
		       uint64_t *ret_bits)
{
	double number;

	if (json_is_number(value))
		number = json_number_value(value);
	else if (!json_is_string(value) || !double_of_text(json_string_value(value), &number))
		return wrong(reading, place, "not a number");
	memcpy(ret_bits, &number, sizeof(number));
	return 0;
}

static int read_bool(struct reading *reading, json_t *value, const struct place *place,
		     uint64_t *ret_bits)
{
	if (!json_is_boolean(value))
		return wrong(reading, place, "not true or false");
	*ret_bits = json_is_true(value);
	return 0;
}

static int read_number(struct reading *reading, const ProtobufCFieldDescriptor *field,
		       json_t *value, const struct place *place, uint64_t *ret_bits)
{
	if (field->type == PROTOBUF_C_TYPE_DOUBLE)
		return read_double(reading, value, place, ret_bits);
	if (field->type == PROTOBUF_C_TYPE_BOOL)
		return read_bool(reading, value, place, ret_bits);
	return read_integer(reading, field, value, place, ret_bits);
}

/* --- fields ----------------------------------------------------------------------------------
 */

/* proto3 leaves out a default that cannot be told from an absent field. */
static bool leaves_out_default(const ProtobufCFieldDescriptor *field)
{
	return !(field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) &&
	       field->label != PROTOBUF_C_LABEL_REPEATED;
}

static int read_number_field(struct reading *reading, const ProtobufCFieldDescriptor *field,
			     json_t *value, const struct place *place)
{
	uint64_t bits = 0;
	int r;

	r = read_number(reading, field, value, place, &bits);
	if (r < 0)
		return r;
	if (bits == 0 && leaves_out_default(field))
		return 0;
	switch (field->type) {
	case PROTOBUF_C_TYPE_FIXED64:
	case PROTOBUF_C_TYPE_SFIXED64:
	case PROTOBUF_C_TYPE_DOUBLE:
		return pb_fixed64(reading->out, field->id, bits);
	case PROTOBUF_C_TYPE_FIXED32:
	case PROTOBUF_C_TYPE_SFIXED32:
		return pb_fixed32(reading->out, field->id, (uint32_t)bits);
	default:
		return pb_varint(reading->out, field->id, bits);
	}
}

static int read_string_field(struct reading *reading, const ProtobufCFieldDescriptor *field,
			     json_t *value, const struct place *place)
{
	struct bytes text;

	if (!json_is_string(value))
		return wrong(reading, place, "not a string");
	text.at = (const uint8_t *)json_string_value(value);
	text.len = json_string_length(value);
	if (text.len == 0 && leaves_out_default(field))
		return 0;
	return pb_bytes(reading->out, field->id, text);
}

static int read_bytes_field(struct reading *reading, const ProtobufCFieldDescriptor *field,
			    json_t *value, const struct place *place)
{
	bool id = otlp_json_is_id(field);
	struct pb_nested nested;
	struct bytes text;
	int r;

	if (!json_is_string(value))
		return wrong(reading, place, "not a string");
	text.at = (const uint8_t *)json_string_value(value);
	text.len = json_string_length(value);
	if (text.len == 0 && leaves_out_default(field))
		return 0;
	nested = pb_open(reading->out, field->id, id ? text.len / 2 : text.len / 4 * 3);
	r = id ? bytes_text_unhex(reading->out, text) : bytes_text_unbase64(reading->out, text);
	if (r == -EINVAL)
		return wrong(reading, place, id ? "not hexadecimal" : "not base64");
	return r < 0 ? r : pb_close(reading->out, nested);
}

static int read_message_field(struct reading *reading, const ProtobufCFieldDescriptor *field,
			      json_t *value, const struct place *place, unsigned depth)
{
	struct pb_nested nested = pb_open(reading->out, field->id, 0);
	int r;

	r = read_message(reading, field->descriptor, value, place, depth);
	return r < 0 ? r : pb_close(reading->out, nested);
}

static int read_value(struct reading *reading, const ProtobufCFieldDescriptor *field,
		      json_t *value, const struct place *place, unsigned depth)
{
	switch (field->type) {
	case PROTOBUF_C_TYPE_MESSAGE:
		return read_message_field(reading, field, value, place, depth);
	case PROTOBUF_C_TYPE_STRING:
		return read_string_field(reading, field, value, place);
	case PROTOBUF_C_TYPE_BYTES:
		return read_bytes_field(reading, field, value, place);
	default:
		return read_number_field(reading, field, value, place);
	}
}

static int read_array(struct reading *reading, const ProtobufCFieldDescriptor *field,
		      json_t *value, const struct place *place, unsigned depth)
{
	struct place element = {.outer = place};

	if (!json_is_array(value))
		return wrong(reading, place, "not an array");
	for (; element.index < json_array_size(value); element.index++) {
		json_t *one = json_array_get(value, element.index);
		int r = read_value(reading, field, one, &element, depth);

		if (r < 0)
			return r;
	}
	return 0;
}

/* --- messages --------------------------------------------------------------------------------
 */

static bool is_oneof(const ProtobufCFieldDescriptor *field)
{
	return field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF;
}

static int read_field(struct reading *reading, const ProtobufCFieldDescriptor *field,
		      json_t *value, const struct place *place, unsigned depth)
{
	if (field->label == PROTOBUF_C_LABEL_REPEATED)
		return read_array(reading, field, value, place, depth);
	return read_value(reading, field, value, place, depth);
}

/* `depth` is how many more levels there may be, this one included. Our types
 * have at most one oneof each. */
static int read_message(struct reading *reading, const ProtobufCMessageDescriptor *type,
			json_t *object, const struct place *place, unsigned depth)
{
	bool oneof_seen = false;
	char key[KEY_MAX];
	int r;

	if (depth == 0)
		return refuse(reading, place, -ELOOP, "nested too deeply");
	if (!json_is_object(object))
		return wrong(reading, place, "not an object");
	for (unsigned i = 0; i < type->n_fields; i++) {
		const ProtobufCFieldDescriptor *field = &type->fields[i];
		struct place member = {.outer = place, .key = key};
		json_t *value;

		assert(strlen(field->name) < sizeof(key));
		key[otlp_json_key(key, field)] = '\0';
		value = json_object_get(object, key);
		if (!value || json_is_null(value))
			continue;
		if (is_oneof(field) && oneof_seen)
			return wrong(reading, &member, "a value has only one kind");
		oneof_seen |= is_oneof(field);
		r = read_field(reading, field, value, &member, depth - 1);
		if (r < 0)
			return r;
	}
	return 0;
}

int otlp_json_read(struct buf *out, const ProtobufCMessageDescriptor *type, json_t *value,
		   struct otlp_json_error *ret_error)
{
	struct reading reading = {.out = out, .error = ret_error};
	size_t before = out->len;
	int r;

	r = read_message(&reading, type, value, NULL, OTLP_DEPTH_MAX);
	if (r >= 0 && buf_failed(out))
		r = -ENOMEM;
	if (r < 0) {
		out->len = before;
		return r;
	}
	return 0;
}
