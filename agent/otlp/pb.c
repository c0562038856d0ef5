#include "otlp/pb.h"

#define FIELD_NUMBER_MAX ((1u << 29) - 1)

/* --- writing fields --------------------------------------------------------- */

struct pb_nested pb_open(struct buf *out, uint32_t field, size_t expect)
{
	size_t width = pb_varint_size(expect);
	uint8_t *at = pb_room(out, PB_TAG_MAX + PB_VARINT_MAX);

	/* The buf remembers the failure; the close will find it again. */
	if (!at)
		return (struct pb_nested){out->len, 0};
	at = pb_put_tag(at, field, PB_BYTES);
	pb_filled(out, at + width);
	return (struct pb_nested){out->len, width};
}

int pb_close(struct buf *out, struct pb_nested nested)
{
	size_t len = out->len - nested.content;
	size_t width = pb_varint_size(len);
	size_t begin = nested.content - nested.width;

	if (buf_reserve(out, PB_VARINT_MAX) < 0)
		return -ENOMEM;
	if (width != nested.width)
		memmove(out->at + begin + width, out->at + nested.content, len);
	(void)pb_put_varint(out->at + begin, len);
	out->len = begin + width + len;
	return 0;
}

/* --- reading ----------------------------------------------------------------- */

static int read_long_varint(struct pb_reader *reader, uint64_t *ret_value)
{
	const uint8_t *at = reader->at;
	uint64_t value = 0;

	for (unsigned shift = 0; shift < 64; shift += 7) {
		uint8_t byte;

		if (at == reader->end)
			return -EBADMSG;
		byte = *at++;
		/* The tenth byte holds the 64th bit and nothing else. */
		if (shift == 63 && byte > 1)
			return -EBADMSG;
		value |= (uint64_t)(byte & 0x7f) << shift;
		if (byte < 0x80) {
			reader->at = at;
			*ret_value = value;
			return 0;
		}
	}
	return -EBADMSG;
}

static inline int read_varint(struct pb_reader *reader, uint64_t *ret_value)
{
	if (reader->at < reader->end && *reader->at < 0x80) {
		*ret_value = *reader->at++;
		return 0;
	}
	return read_long_varint(reader, ret_value);
}

static int read_fixed(struct pb_reader *reader, size_t width, uint64_t *ret_value)
{
	uint64_t value = 0;

	if ((size_t)(reader->end - reader->at) < width)
		return -EBADMSG;
	memcpy(&value, reader->at, width);
	*ret_value = width == 8 ? le64toh(value) : le32toh((uint32_t)value);
	reader->at += width;
	return 0;
}

static inline int read_bytes(struct pb_reader *reader, struct bytes *ret_bytes)
{
	uint64_t len;

	if (read_varint(reader, &len) < 0 || len > (uint64_t)(reader->end - reader->at))
		return -EBADMSG;
	*ret_bytes = (struct bytes){reader->at, (size_t)len};
	reader->at += len;
	return 0;
}

static int read_content(struct pb_reader *reader, struct pb_field *field)
{
	switch (field->wire) {
	case PB_VARINT:
		return read_varint(reader, &field->value);
	case PB_FIXED64:
		return read_fixed(reader, 8, &field->value);
	case PB_BYTES:
		return read_bytes(reader, &field->bytes);
	case PB_FIXED32:
		return read_fixed(reader, 4, &field->value);
	}
	return -EBADMSG;
}

int pb_next_long(struct pb_reader *reader, struct pb_field *ret_field)
{
	uint64_t tag;

	if (read_varint(reader, &tag) < 0)
		return -EBADMSG;
	if (tag >> 3 == 0 || tag >> 3 > FIELD_NUMBER_MAX)
		return -EBADMSG;
	ret_field->number = (uint32_t)(tag >> 3);
	ret_field->wire = (enum pb_wire)(tag & 7);
	return read_content(reader, ret_field) < 0 ? -EBADMSG : 1;
}

struct bytes pb_last_bytes(struct bytes message, uint32_t number)
{
	struct pb_reader reader = pb_read(message);
	struct bytes found = {NULL, 0};
	struct pb_field field;

	while (pb_next(&reader, &field) > 0)
		if (field.number == number && field.wire == PB_BYTES)
			found = field.bytes;
	return found;
}
