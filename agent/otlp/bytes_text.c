#include "otlp/bytes_text.h"

#include <endian.h>
#include <errno.h>

#include "base/hex.h"

static const char base64_digits[] =
	"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/* --- hexadecimal -------------------------------------------------------------- */

/* The eight digits of four bytes, in their order in memory. */
static uint64_t hex_of_four(uint32_t four)
{
	uint64_t nibbles = le32toh(four), letters;

	/* Each byte apart, then its two halves, the upper one first. */
	nibbles = (nibbles | nibbles << 16) & UINT64_C(0x0000ffff0000ffff);
	nibbles = (nibbles | nibbles << 8) & UINT64_C(0x00ff00ff00ff00ff);
	nibbles = (nibbles >> 4 | nibbles << 8) & UINT64_C(0x0f0f0f0f0f0f0f0f);
	/* One where the digit is a letter. */
	letters = (nibbles + 6 * UINT64_C(0x0101010101010101)) >> 4 &
		  UINT64_C(0x0101010101010101);
	return htole64(nibbles + '0' * UINT64_C(0x0101010101010101) +
		       letters * ('a' - '0' - 10));
}

int bytes_text_hex(struct buf *out, struct bytes bytes)
{
	const uint8_t *from = bytes.at;
	size_t left = bytes.len;
	uint32_t four = 0;
	uint64_t digits;
	uint8_t *at;

	if (bytes.len > SIZE_MAX / 2 || buf_reserve(out, bytes.len * 2) < 0)
		return -ENOMEM;
	at = out->at + out->len;
	for (; left >= 4; left -= 4, from += 4, at += 8) {
		memcpy(&four, from, 4);
		digits = hex_of_four(four);
		memcpy(at, &digits, 8);
	}
	if (left) {
		memcpy(&four, from, left);
		digits = hex_of_four(four);
		memcpy(at, &digits, left * 2);
	}
	out->len += bytes.len * 2;
	return 0;
}

int bytes_text_unhex(struct buf *out, struct bytes text)
{
	uint8_t *at;

	if (text.len % 2)
		return -EINVAL;
	if (buf_reserve(out, text.len / 2) < 0)
		return -ENOMEM;
	at = out->at + out->len;
	for (size_t i = 0; i < text.len; i += 2) {
		int high = hex_digit((char)text.at[i]), low = hex_digit((char)text.at[i + 1]);

		if (high < 0 || low < 0)
			return -EINVAL;
		*at++ = (uint8_t)(high << 4 | low);
	}
	out->len += text.len / 2;
	return 0;
}

/* --- base64 --------------------------------------------------------------------- */

/* `len` is 1 to 3 bytes in the upper part of 24 bits. */
static uint8_t *base64_group(uint8_t *at, uint32_t bits, size_t len)
{
	*at++ = (uint8_t)base64_digits[bits >> 18 & 63];
	*at++ = (uint8_t)base64_digits[bits >> 12 & 63];
	*at++ = len > 1 ? (uint8_t)base64_digits[bits >> 6 & 63] : '=';
	*at++ = len > 2 ? (uint8_t)base64_digits[bits & 63] : '=';
	return at;
}

int bytes_text_base64(struct buf *out, struct bytes bytes)
{
	const uint8_t *from, *end;
	uint8_t *at;

	if (bytes.len == 0)
		return 0;
	from = bytes.at;
	end = from + bytes.len;
	if (bytes.len > SIZE_MAX / 2 || buf_reserve(out, (bytes.len + 2) / 3 * 4) < 0)
		return -ENOMEM;
	at = out->at + out->len;
	for (; end - from >= 3; from += 3)
		at = base64_group(at, (uint32_t)from[0] << 16 | from[1] << 8 | from[2], 3);
	if (end - from == 2)
		at = base64_group(at, (uint32_t)from[0] << 16 | from[1] << 8, 2);
	else if (end - from == 1)
		at = base64_group(at, (uint32_t)from[0] << 16, 1);
	out->len = (size_t)(at - out->at);
	return 0;
}

static int base64_value(uint8_t digit)
{
	if (digit >= 'A' && digit <= 'Z')
		return digit - 'A';
	if (digit >= 'a' && digit <= 'z')
		return digit - 'a' + 26;
	if (digit >= '0' && digit <= '9')
		return digit - '0' + 52;
	if (digit == '+' || digit == '-')
		return 62;
	if (digit == '/' || digit == '_')
		return 63;
	return -1;
}

/* Without its padding; -EINVAL when what is there is not what belongs there. */
static int base64_unpad(struct bytes *text)
{
	size_t padding = 0;

	while (padding < text->len && text->at[text->len - 1 - padding] == '=')
		padding++;
	if (padding && (padding > 2 || text->len % 4))
		return -EINVAL;
	text->len -= padding;
	return text->len % 4 == 1 ? -EINVAL : 0;
}

int bytes_text_unbase64(struct buf *out, struct bytes text)
{
	uint32_t bits = 0;
	unsigned held = 0;
	uint8_t *at;

	if (base64_unpad(&text) < 0)
		return -EINVAL;
	if (!text.len)
		return 0;
	if (buf_reserve(out, text.len) < 0)
		return -ENOMEM;
	at = out->at + out->len;
	for (size_t i = 0; i < text.len; i++) {
		int value = base64_value(text.at[i]);

		if (value < 0)
			return -EINVAL;
		bits = bits << 6 | (uint32_t)value;
		held += 6;
		if (held >= 8) {
			held -= 8;
			*at++ = (uint8_t)(bits >> held);
		}
	}
	out->len = (size_t)(at - out->at);
	return 0;
}
