#include "random_message.h"

#include "otlp/pb.h"

#include <math.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

uint64_t random_next(uint64_t *seed)
{
	uint64_t z = (*seed += 0x9e3779b97f4a7c15ull);

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
	return z ^ (z >> 31);
}

static uint64_t below(uint64_t *seed, uint64_t limit)
{
	return random_next(seed) % limit;
}

static void random_string(struct buf *out, uint64_t *seed)
{
	static const char *const parts[] = {
		"a",
		"plain words ",
		"\"",
		"\\",
		"/",
		"\n",
		"\r\n",
		"\t",
		"\x01",
		"\x1f",
		"\x7f",
		"\xc2\x85",
		"\xe2\x80\xa8",
		"\xe2\x80\xa9",
		"\xe2\x80\xa7",
		"\xc3\xa9",
		"\xe6\xbc\xa2\xe5\xad\x97",
		"\xf0\x9f\x92\xa5",
		"\xef\xbf\xbf",
		"\xed\x9f\xbf",
		"\xf4\x8f\xbf\xbf",
		"</script>",
		"{\"json\": [1, 2]}",
		"\xef\xbb\xbf",
	};
	size_t n = 1 + below(seed, 12);

	for (size_t i = 0; i < n; i++) {
		if (below(seed, 40) == 0)
			(void)buf_append(out, "", 1);
		else
			(void)buf_append_text(out, parts[below(seed, COUNT(parts))]);
	}
}

static uint64_t random_double_bits(uint64_t *seed)
{
	static const double notable[] = {0.0,
					 -0.0,
					 0.1,
					 0.30000000000000004,
					 1.0,
					 -1.0,
					 1e15,
					 1e16,
					 1e21,
					 1e22,
					 1e23,
					 1e-5,
					 9.5e-6,
					 1e-7,
					 5e-324,
					 2.2250738585072014e-308,
					 1.7976931348623157e308,
					 9007199254740993.0,
					 123456.789,
					 3.14159,
					 0.7};
	double value = notable[below(seed, COUNT(notable))];
	uint64_t bits;

	if (below(seed, 3) == 0) {
		bits = random_next(seed);
		memcpy(&value, &bits, 8);
	} else if (below(seed, 3) == 0) {
		value = (double)(int64_t)random_next(seed) / 1000.0;
	} else if (below(seed, 20) == 0) {
		value = below(seed, 2) ? INFINITY : -INFINITY;
	}
	/* JSON keeps no payload: there is one NaN. */
	if (isnan(value))
		value = NAN;
	memcpy(&bits, &value, 8);
	return bits;
}

static uint64_t random_integer(const ProtobufCFieldDescriptor *field, uint64_t *seed)
{
	uint64_t value = random_next(seed) >> below(seed, 64);

	switch (field->type) {
	case PROTOBUF_C_TYPE_BOOL:
		return value & 1;
	case PROTOBUF_C_TYPE_ENUM:
		return value % 6;
	case PROTOBUF_C_TYPE_INT32:
		return (uint64_t)(int64_t)(int32_t)value;
	case PROTOBUF_C_TYPE_UINT32:
	case PROTOBUF_C_TYPE_FIXED32:
		return (uint32_t)value;
	case PROTOBUF_C_TYPE_INT64:
		return below(seed, 2) ? value : 0 - value;
	default:
		return value;
	}
}

static bool keeps_default(const ProtobufCFieldDescriptor *field)
{
	return field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF;
}

static void random_number(struct buf *out, const ProtobufCFieldDescriptor *field,
			  uint64_t *seed)
{
	uint64_t value = field->type == PROTOBUF_C_TYPE_DOUBLE ? random_double_bits(seed)
							       : random_integer(field, seed);

	if (value == 0 && !keeps_default(field))
		return;
	if (field->type == PROTOBUF_C_TYPE_DOUBLE || field->type == PROTOBUF_C_TYPE_FIXED64)
		(void)pb_fixed64(out, field->id, value);
	else if (field->type == PROTOBUF_C_TYPE_FIXED32)
		(void)pb_fixed32(out, field->id, (uint32_t)value);
	else
		(void)pb_varint(out, field->id, value);
}

static void random_bytes(struct buf *out, const ProtobufCFieldDescriptor *field, uint64_t *seed)
{
	uint8_t raw[40];
	size_t len = 1 + below(seed, sizeof(raw));

	for (size_t i = 0; i < sizeof(raw); i++)
		raw[i] = (uint8_t)random_next(seed);
	if (strcmp(field->name, "trace_id") == 0)
		len = 16;
	else if (strstr(field->name, "span_id"))
		len = 8;
	(void)pb_bytes(out, field->id, (struct bytes){raw, len});
}

static void random_field(struct buf *out, const ProtobufCFieldDescriptor *field, uint64_t *seed,
			 unsigned size, unsigned depth)
{
	struct pb_nested nested;

	switch (field->type) {
	case PROTOBUF_C_TYPE_MESSAGE:
		nested = pb_open(out, field->id, 0);
		random_message(out, field->descriptor, seed, size, depth - 1);
		(void)pb_close(out, nested);
		break;
	case PROTOBUF_C_TYPE_STRING:
		nested = pb_open(out, field->id, 0);
		if (!keeps_default(field) || below(seed, 8))
			random_string(out, seed);
		(void)pb_close(out, nested);
		break;
	case PROTOBUF_C_TYPE_BYTES:
		random_bytes(out, field, seed);
		break;
	default:
		random_number(out, field, seed);
	}
}

static bool is_attribute(const ProtobufCMessageDescriptor *type)
{
	return strcmp(type->short_name, "KeyValue") == 0;
}

/* Exactly one member, or none. */
static void random_oneof(struct buf *out, const ProtobufCMessageDescriptor *type,
			 uint64_t *seed, unsigned size, unsigned depth)
{
	const ProtobufCFieldDescriptor *field = &type->fields[below(seed, type->n_fields)];

	if (below(seed, 12) == 0)
		return;
	/* The first member is a string: the way out when it is deep enough. */
	if (depth <= 1 && field->type == PROTOBUF_C_TYPE_MESSAGE)
		field = &type->fields[0];
	random_field(out, field, seed, size, depth);
}

void random_message(struct buf *out, const ProtobufCMessageDescriptor *type, uint64_t *seed,
		    unsigned size, unsigned depth)
{
	if (type->n_fields && keeps_default(&type->fields[0])) {
		random_oneof(out, type, seed, size, depth);
		return;
	}
	for (unsigned i = 0; i < type->n_fields; i++) {
		const ProtobufCFieldDescriptor *field = &type->fields[i];
		unsigned n = below(seed, 3) != 0;

		if (is_attribute(type))
			n = 1;
		else if (field->label == PROTOBUF_C_LABEL_REPEATED)
			n = (unsigned)below(seed, size + 1);
		if (field->type == PROTOBUF_C_TYPE_MESSAGE && depth <= 1 && !is_attribute(type))
			n = 0;
		while (n--)
			random_field(out, field, seed, size, depth > 1 ? depth : 2);
	}
}
