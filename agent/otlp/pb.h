/* The protobuf wire format: a writer that appends to a `struct buf`, and a
 * reader that iterates over the fields of one message without copying.
 *
 * Writers follow struct buf's manners: each returns 0 or -ENOMEM, and a caller
 * that writes many fields may ignore them and ask buf_failed() once. A field
 * number is 1 to 2^29 - 1. The pb_put functions are for hot loops: the caller
 * has reserved the room, they only write and return the place behind.
 *
 * The reader trusts nothing: it never reads beyond the bytes it was given, and
 * never recurses, so depth is the caller's to limit. */
#ifndef OTLP_PB_H
#define OTLP_PB_H

#include "base/buf.h"

#include <endian.h>
#include <errno.h>

enum pb_wire {
	PB_VARINT = 0,
	PB_FIXED64 = 1,
	PB_BYTES = 2,
	PB_FIXED32 = 5,
};

#define PB_VARINT_MAX 10 /* bytes of the longest varint */
#define PB_TAG_MAX 5	 /* bytes of the longest tag */

/* --- writing into room that is already there ------------------------------ */

static inline size_t pb_varint_size(uint64_t value)
{
	/* 7 bits a byte; (bits * 9 + 64) / 64 is that division without one. */
	unsigned bits = 64 - (unsigned)__builtin_clzll(value | 1);

	return (bits * 9 + 64) / 64;
}

static inline uint8_t *pb_put_varint(uint8_t *at, uint64_t value)
{
	while (value >= 0x80) {
		*at++ = (uint8_t)value | 0x80;
		value >>= 7;
	}
	*at++ = (uint8_t)value;
	return at;
}

static inline uint8_t *pb_put_tag(uint8_t *at, uint32_t field, enum pb_wire wire)
{
	return pb_put_varint(at, (uint64_t)field << 3 | wire);
}

static inline uint8_t *pb_put_fixed64(uint8_t *at, uint64_t value)
{
	value = htole64(value);
	memcpy(at, &value, 8);
	return at + 8;
}

static inline uint8_t *pb_put_fixed32(uint8_t *at, uint32_t value)
{
	value = htole32(value);
	memcpy(at, &value, 4);
	return at + 4;
}

static inline uint8_t *pb_put_raw(uint8_t *at, const void *from, size_t len)
{
	const uint8_t *bytes = (const uint8_t *)from;

	/* Most keys and values are this short; two copies of a fixed size that
	 * overlap cost less than the call of one. */
	if (len >= 8 && len <= 16) {
		memcpy(at, bytes, 8);
		memcpy(at + len - 8, bytes + len - 8, 8);
	} else if (len > 16 && len <= 32) {
		memcpy(at, bytes, 16);
		memcpy(at + len - 16, bytes + len - 16, 16);
	} else if (len) {
		memcpy(at, bytes, len);
	}
	return at + len;
}

/* --- writing fields --------------------------------------------------------- */

/* Room for `more` bytes behind the content, or NULL (and the buf has failed). */
static inline uint8_t *pb_room(struct buf *out, size_t more)
{
	if (__builtin_expect(out->cap - out->len < more, 0) && buf_reserve(out, more) < 0)
		return NULL;
	return out->at + out->len;
}

/* The content now ends at `end`, within the room. */
static inline void pb_filled(struct buf *out, const uint8_t *end)
{
	out->len = (size_t)(end - out->at);
}

static inline int pb_varint(struct buf *out, uint32_t field, uint64_t value)
{
	uint8_t *at = pb_room(out, PB_TAG_MAX + PB_VARINT_MAX);

	if (!at)
		return -ENOMEM;
	pb_filled(out, pb_put_varint(pb_put_tag(at, field, PB_VARINT), value));
	return 0;
}

static inline int pb_fixed64(struct buf *out, uint32_t field, uint64_t value)
{
	uint8_t *at = pb_room(out, PB_TAG_MAX + 8);

	if (!at)
		return -ENOMEM;
	pb_filled(out, pb_put_fixed64(pb_put_tag(at, field, PB_FIXED64), value));
	return 0;
}

static inline int pb_fixed32(struct buf *out, uint32_t field, uint32_t value)
{
	uint8_t *at = pb_room(out, PB_TAG_MAX + 4);

	if (!at)
		return -ENOMEM;
	pb_filled(out, pb_put_fixed32(pb_put_tag(at, field, PB_FIXED32), value));
	return 0;
}

static inline int pb_bytes(struct buf *out, uint32_t field, struct bytes value)
{
	size_t need;
	uint8_t *at;

	if (__builtin_add_overflow(value.len, PB_TAG_MAX + PB_VARINT_MAX, &need))
		need = SIZE_MAX;
	at = pb_room(out, need);
	if (!at)
		return -ENOMEM;
	at = pb_put_varint(pb_put_tag(at, field, PB_BYTES), value.len);
	pb_filled(out, pb_put_raw(at, value.at, value.len));
	return 0;
}

/* A nested message whose length is known only when it is written: what is
 * appended between open and close is its content. Opens may nest. */
struct pb_nested {
	size_t content; /* where the content begins in the buf */
	size_t width;	/* bytes kept for its length */
};

/* `expect` is a guess of the content's length. A right guess (to the number of
 * bytes its varint takes) saves moving the content when it is closed; the
 * bytes written are the same. */
struct pb_nested pb_open(struct buf *out, uint32_t field, size_t expect);
int pb_close(struct buf *out, struct pb_nested nested);

/* --- reading ----------------------------------------------------------------- */

struct pb_reader {
	const uint8_t *at;
	const uint8_t *end;
};

/* Of `value` and `bytes` only the one of its kind is written. */
struct pb_field {
	uint32_t number;
	enum pb_wire wire;
	uint64_t value;	    /* of the varint and fixed kinds */
	struct bytes bytes; /* of PB_BYTES; borrowed from the message */
};

static inline struct pb_reader pb_read(struct bytes message)
{
	/* An empty message may have no address at all. */
	return (struct pb_reader){message.at,
				  message.len ? message.at + message.len : message.at};
}

/* pb_next() for fields whose tag or length takes more than a byte. */
int pb_next_long(struct pb_reader *reader, struct pb_field *ret_field);

/* The next field: 1, or 0 at the end, or -EBADMSG (cut off, an overlong or
 * overflowing varint, field number 0 or too large, a group). After -EBADMSG
 * the reader must not be used again. *ret_field has a meaning only after 1. */
static inline int pb_next(struct pb_reader *reader, struct pb_field *ret_field)
{
	const uint8_t *at = reader->at;
	size_t left = (size_t)(reader->end - at);

	if (left == 0)
		return 0;
	/* Nearly all that OTLP has: a short string or message. */
	if (left >= 2 && (at[0] & 0x87) == PB_BYTES && at[0] >= 8 && at[1] < 0x80 &&
	    at[1] <= left - 2) {
		ret_field->number = at[0] >> 3;
		ret_field->wire = PB_BYTES;
		ret_field->bytes = (struct bytes){at + 2, at[1]};
		reader->at = at + 2 + at[1];
		return 1;
	}
	return pb_next_long(reader, ret_field);
}

/* A field's bytes, the last ones where it stands several times, as readers of
 * protobuf take it. NULL: it is not there. */
struct bytes pb_last_bytes(struct bytes message, uint32_t number);

#endif
