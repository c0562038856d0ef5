#include "resource_text.h"

#include "text.h"
#include "wire/record.h"

#include <errno.h>
#include <string.h>

/* Returns the decoded length or -EINVAL. */
static int64_t percent_decode(struct text_piece piece, uint8_t *ret)
{
	uint8_t *to = ret;

	for (size_t i = 0; i < piece.length; i++) {
		int high, low;

		if (piece.at[i] != '%') {
			*to++ = (uint8_t)piece.at[i];
			continue;
		}
		if (piece.length - i < 3)
			return -EINVAL;
		high = text_hex_value(piece.at[i + 1]);
		low = text_hex_value(piece.at[i + 2]);
		if (high < 0 || low < 0)
			return -EINVAL;
		*to++ = (uint8_t)(high << 4 | low);
		i += 2;
	}
	return to - ret;
}

/* Returns the bytes of the member's entry or -EINVAL. */
static int64_t decode_member(struct text_piece member, uint8_t *to)
{
	const char *equals = memchr(member.at, '=', member.length);
	uint8_t *key = to + sizeof(struct wire_entry);
	int64_t key_length, value_length;

	if (!equals)
		return -EINVAL;
	key_length = percent_decode(text_trim(member.at, equals), key);
	if (key_length <= 0 || key_length > UINT16_MAX)
		return -EINVAL;
	value_length = percent_decode(text_trim(equals + 1, member.at + member.length),
				      key + key_length);
	if (value_length < 0 || value_length > UINT32_MAX)
		return -EINVAL;
	record_put_entry(to, WIRE_STRING, (uint32_t)key_length, (uint32_t)value_length);
	return (int64_t)sizeof(struct wire_entry) + key_length + value_length;
}

int64_t resource_text_decode(const char *text, size_t length, uint8_t *ret_entries)
{
	const char *end = text + length;
	uint8_t *to = ret_entries;

	while (text < end) {
		const char *comma = memchr(text, ',', (size_t)(end - text));
		const char *stop = comma ? comma : end;
		struct text_piece member = text_trim(text, stop);

		if (member.length) {
			int64_t bytes = decode_member(member, to);

			if (bytes < 0)
				return bytes;
			to += bytes;
		}
		text = comma ? comma + 1 : end;
	}
	return to - ret_entries;
}
