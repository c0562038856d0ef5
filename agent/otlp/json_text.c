#include "otlp/json_text.h"

#include "otlp/utf8.h"

#include <endian.h>
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

/* --- strings ------------------------------------------------------------------ */

#define EVERY_BYTE(byte) (0x0101010101010101ull * (byte))

/* The room a string needs is known only afterwards; it is reserved for the
 * worst case of one chunk at a time, so that the inner loop never asks. */
#define CHUNK 4096
#define ESCAPE_MAX 6 /* output bytes per input byte: \u0001 */
#define STORE_SLACK 8
#define STRING_ROOM(bytes) (((bytes) + 4) * ESCAPE_MAX + STORE_SLACK)

/* The high bit of the lowest byte that cannot be copied as it is: a control,
 * a quote, a backslash, or not ASCII. Bits above the lowest may be wrong,
 * because borrows only run upwards. */
static inline uint64_t special_bytes(uint64_t word)
{
	uint64_t quote = word ^ EVERY_BYTE('"'), backslash = word ^ EVERY_BYTE('\\');

	return ((word - EVERY_BYTE(0x20)) | word | (quote - EVERY_BYTE(1)) |
		(backslash - EVERY_BYTE(1))) &
	       EVERY_BYTE(0x80);
}

static uint8_t *put_unicode(uint8_t *at, unsigned code)
{
	static const char digits[] = "0123456789abcdef";

	*at++ = '\\';
	*at++ = 'u';
	for (int shift = 12; shift >= 0; shift -= 4)
		*at++ = (uint8_t)digits[code >> shift & 15];
	return at;
}

static uint8_t *put_escaped(uint8_t *at, uint8_t byte)
{
	char letter;

	switch (byte) {
	case '"':
	case '\\':
		letter = (char)byte;
		break;
	case '\n':
		letter = 'n';
		break;
	case '\r':
		letter = 'r';
		break;
	case '\t':
		letter = 't';
		break;
	default:
		return put_unicode(at, byte);
	}
	*at++ = '\\';
	*at++ = (uint8_t)letter;
	return at;
}

static bool is_line_break(const uint8_t *at, int len)
{
	if (len == 2)
		return at[0] == 0xc2 && at[1] == 0x85;
	return len == 3 && at[0] == 0xe2 && at[1] == 0x80 && (at[2] | 1) == 0xa9;
}

static unsigned line_break_code(const uint8_t *at)
{
	return at[0] == 0xc2 ? 0x85 : 0x2000u + (at[2] & 0x3f);
}

/* One character that special_bytes() stopped at; moves *from behind it. */
static uint8_t *put_special(uint8_t *at, const uint8_t **from, const uint8_t *end)
{
	const uint8_t *character = *from;
	int step = utf8_step(character, end);

	if (step < 0) {
		*from -= step;
		memcpy(at, UTF8_REPLACEMENT, UTF8_REPLACEMENT_LEN);
		return at + UTF8_REPLACEMENT_LEN;
	}
	*from += step;
	if (step == 1)
		return put_escaped(at, *character);
	if (is_line_break(character, step))
		return put_unicode(at, line_break_code(character));
	memcpy(at, character, (size_t)step);
	return at + step;
}

static bool is_plain(uint8_t byte)
{
	return byte >= 0x20 && byte < 0x80 && byte != '"' && byte != '\\';
}

/* Writes up to `stop` (a character that straddles it is written whole). */
static uint8_t *put_chunk(uint8_t *at, const uint8_t **ret_from, const uint8_t *stop,
			  const uint8_t *end)
{
	const uint8_t *from = *ret_from;

	while (stop - from >= 8) {
		uint64_t word, special;

		/* All eight are stored, and those that were not plain written
		 * over: cheaper than a copy of an odd length. */
		memcpy(&word, from, 8);
		memcpy(at, &word, 8);
		special = special_bytes(le64toh(word));
		if (!special) {
			from += 8;
			at += 8;
			continue;
		}
		from += __builtin_ctzll(special) / 8;
		at += __builtin_ctzll(special) / 8;
		at = put_special(at, &from, end);
	}
	while (from < stop) {
		if (is_plain(*from))
			*at++ = *from++;
		else
			at = put_special(at, &from, end);
	}
	*ret_from = from;
	return at;
}

void json_text_string(struct buf *out, struct bytes text)
{
	const uint8_t *from = text.at, *end;
	uint8_t *at;

	if (text.len == 0) {
		json_text_plain(out, "\"\"", 2);
		return;
	}
	end = from + text.len;
	json_text_plain(out, "\"", 1);
	do {
		size_t chunk = end - from < CHUNK ? (size_t)(end - from) : CHUNK;

		if (out->cap - out->len < STRING_ROOM(chunk) &&
		    buf_reserve(out, STRING_ROOM(chunk)) < 0)
			return;
		at = put_chunk(out->at + out->len, &from, from + chunk, end);
		out->len = (size_t)(at - out->at);
	} while (from < end);
	*at = '"'; /* the slack has room for it */
	out->len++;
}

/* --- numbers -------------------------------------------------------------------- */

#define DIGITS_MAX 20 /* of a 64-bit integer, its sign included */

static const char digit_pairs[] = "00010203040506070809"
				  "10111213141516171819"
				  "20212223242526272829"
				  "30313233343536373839"
				  "40414243444546474849"
				  "50515253545556575859"
				  "60616263646566676869"
				  "70717273747576777879"
				  "80818283848586878889"
				  "90919293949596979899";

/* Writes backwards from `end`; returns where the digits begin. */
static char *put_digits(char *end, uint64_t value)
{
	for (; value >= 100; value /= 100)
		end = memcpy(end - 2, &digit_pairs[value % 100 * 2], 2);
	if (value >= 10)
		return memcpy(end - 2, &digit_pairs[value * 2], 2);
	*--end = (char)('0' + value);
	return end;
}

static void append_integer(struct buf *out, uint64_t magnitude, bool negative, bool quoted)
{
	char text[DIGITS_MAX + 3];
	char *end = text + sizeof(text), *at = end;

	if (quoted)
		*--at = '"';
	at = put_digits(at, magnitude);
	if (negative)
		*--at = '-';
	if (quoted)
		*--at = '"';
	json_text_plain(out, at, (size_t)(end - at));
}

void json_text_uint(struct buf *out, uint64_t value, bool quoted)
{
	append_integer(out, value, false, quoted);
}

void json_text_int(struct buf *out, int64_t value, bool quoted)
{
	append_integer(out, value < 0 ? 0 - (uint64_t)value : (uint64_t)value, value < 0,
		       quoted);
}

static const double powers_of_ten[] = {1e0, 1e1, 1e2,  1e3,  1e4,  1e5,	 1e6,  1e7,
				       1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15};

#define EXACT_INTEGERS 9007199254740992.0 /* 2^53 */

/* Most doubles people record are short decimals. When an integer below 2^53
 * divided by an exact power of ten gives the value, correct rounding of that
 * one division makes these digits read back exactly, and the smallest such
 * power gives the fewest digits. */
static bool append_short_decimal(struct buf *out, double magnitude, bool negative)
{
	char text[DIGITS_MAX + 24];
	char *end = text + sizeof(text), *at = end;
	uint64_t digits;
	size_t scale;

	if (magnitude >= EXACT_INTEGERS || (magnitude != 0 && magnitude < 1e-5))
		return false;
	for (scale = 0;; scale++) {
		double scaled;

		if (scale == sizeof(powers_of_ten) / sizeof(powers_of_ten[0]))
			return false;
		scaled = nearbyint(magnitude * powers_of_ten[scale]);
		if (scaled >= EXACT_INTEGERS)
			return false;
		digits = (uint64_t)scaled;
		if (scaled / powers_of_ten[scale] == magnitude)
			break;
	}
	if (scale == 0)
		*--at = '0';
	for (size_t i = 0; i < scale; i++, digits /= 10)
		*--at = (char)('0' + digits % 10);
	*--at = '.';
	at = put_digits(at, digits);
	if (negative)
		*--at = '-';
	json_text_plain(out, at, (size_t)(end - at));
	return true;
}

static void append_any_double(struct buf *out, double value)
{
	char text[40];

	/* 15 digits are exact for every decimal that has no more of them, and
	 * %g drops the zeros; a subnormal has fewer to begin with. */
	for (int precision = fabs(value) < DBL_MIN ? 1 : 15; precision <= 17; precision++) {
		(void)snprintf(text, sizeof(text), "%.*g", precision, value);
		if (strtod(text, NULL) == value)
			break;
	}
	json_text_plain(out, text, strlen(text));
	if (!strpbrk(text, ".e"))
		json_text_plain(out, ".0", 2);
}

void json_text_double(struct buf *out, double value)
{
	if (isnan(value))
		json_text_plain(out, "\"NaN\"", 5);
	else if (isinf(value))
		json_text_plain(out, value < 0 ? "\"-Infinity\"" : "\"Infinity\"",
				value < 0 ? 11 : 10);
	else if (!append_short_decimal(out, fabs(value), signbit(value)))
		append_any_double(out, value);
}
