#include "redact/checks.h"

#include <ctype.h>

#include "otlp/utf8.h"

#define RANDOM_RUN 12
#define LONG_BYTES 48 /* nobody's word */

bool redact_looks_random(struct bytes text, struct redact_place *place)
{
	size_t run = 0;
	bool digit = false;

	for (size_t i = place->start; i < place->end; i++) {
		if (!isalnum(text.at[i])) {
			run = 0;
			digit = false;
			continue;
		}
		digit |= isdigit(text.at[i]) != 0;
		if (++run >= RANDOM_RUN && digit)
			return true;
	}
	return false;
}

bool redact_has_digit(struct bytes text, struct redact_place *place)
{
	if (place->end - place->start >= LONG_BYTES)
		return true;
	for (size_t i = place->start; i < place->end; i++)
		if (isdigit(text.at[i]))
			return true;
	return false;
}

#define BASIC_BYTES 256 /* what is longer need not be looked at to its end */
#define PEM_BYTES ((size_t)32 << 10)
#define PEM_HEAD_BYTES ((size_t)1 << 10)
#define PEM_RUN 24

static int sextet(uint8_t byte)
{
	static const char digits[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	const char *at = byte ? strchr(digits, byte) : NULL;

	return at ? (int)(at - digits) : -1;
}

/* What is no base64 ends it. How many bytes there are, at most `size`. */
static size_t decode(struct bytes text, const struct redact_place *place, uint8_t *at,
		     size_t size)
{
	uint32_t bits = 0, filled = 0;
	size_t len = 0;

	for (size_t i = place->start; i < place->end && len < size; i++) {
		int value = sextet(text.at[i]);

		if (value < 0)
			break;
		bits = (bits << 6 | (uint32_t)value) & 0xffff;
		filled += 6;
		if (filled < 8)
			continue;
		filled -= 8;
		at[len++] = (uint8_t)(bits >> filled);
	}
	return len;
}

bool redact_is_basic(struct bytes text, struct redact_place *place)
{
	uint8_t decoded[BASIC_BYTES];
	size_t len = decode(text, place, decoded, sizeof decoded);

	if ((place->end - place->start) % 4 || !memchr(decoded, ':', len))
		return false;
	for (size_t i = 0; i < len; i++)
		if (decoded[i] < 0x20 || decoded[i] == 0x7f)
			return false;
	/* A word of eight letters is base64, too, but of no text. */
	return len == sizeof decoded || utf8_is_valid((struct bytes){decoded, len});
}

/* Whether it is of a key's lines, however they were put into this text: with line
 * feeds, their escapes, quotes and plus signs, or "Proc-Type: 4,ENCRYPTED". */
static bool is_pem(uint8_t byte)
{
	return isalnum(byte) || (byte && strchr("+/= \t\r\n\\\"',:.-", byte));
}

/* Whether base64 as of a key comes soon. */
static bool has_key(struct bytes text, size_t at)
{
	size_t end = text.len - at < PEM_HEAD_BYTES ? text.len : at + PEM_HEAD_BYTES;

	for (size_t run = 0; at < end && is_pem(text.at[at]); at++) {
		run = sextet(text.at[at]) < 0 ? 0 : run + 1;
		if (run == PEM_RUN)
			return true;
	}
	return false;
}

/* Of the end line that comes soon; 0: none does. */
static size_t end_line(struct bytes text, size_t at)
{
	static const char end[] = "-----END ";
	size_t left = text.len - at < PEM_BYTES ? text.len - at : PEM_BYTES;
	const uint8_t *found = memmem(text.at + at, left, end, sizeof end - 1);
	const uint8_t *dashes;

	if (!found)
		return 0;
	at = (size_t)(found - text.at) + sizeof end - 1;
	dashes = memmem(text.at + at, text.len - at < 64 ? text.len - at : 64, "-----", 5);
	return dashes ? (size_t)(dashes - text.at) + 5 : at;
}

/* A program that speaks of keys has the header alone. */
bool redact_pem(struct bytes text, struct redact_place *place)
{
	size_t end = end_line(text, place->end);

	if (!has_key((struct bytes){text.at, end ? end : text.len}, place->end))
		return false;
	if (end)
		place->end = end;
	while (!end && place->end < text.len && is_pem(text.at[place->end]))
		place->end++;
	return true;
}

bool redact_is_card(struct bytes text, struct redact_place *place)
{
	uint32_t sum = 0, digits = 0;

	for (size_t i = place->end; i > place->start; i--) {
		uint32_t digit = (uint32_t)text.at[i - 1] - '0';

		if (digit > 9)
			continue;
		if (digits++ & 1)
			digit = digit > 4 ? 2 * digit - 9 : 2 * digit;
		sum += digit;
	}
	return digits >= 13 && digits <= 19 && sum % 10 == 0;
}

/* ---- where a match begins -------------------------------------------------------- */

#define NAME_BYTES_MAX 48
#define DIGITS_MIN 8
#define DIGITS_MAX 12
#define MAILBOX_MAX 64

static size_t name_begin(struct bytes text, size_t least, size_t at)
{
	size_t stop = at - least < NAME_BYTES_MAX ? least : at - NAME_BYTES_MAX;

	while (at > stop &&
	       (isalnum(text.at[at - 1]) || text.at[at - 1] == '_' || text.at[at - 1] == '-'))
		at--;
	return at;
}

/* ?name= &name= #name= ;name= &amp;name= \u0026name= %26name=, and "; name=". Of an
 * escape the last letters look like the name's first. */
bool redact_lead_name(struct bytes text, size_t least, size_t at, size_t *ret_from)
{
	uint8_t before;

	at = *ret_from = name_begin(text, least, at);
	if (at == 0)
		return false;
	before = text.at[at - 1];
	if (before == ' ')
		return at > 1 && text.at[at - 2] == ';';
	return before && strchr("?&#;\\%", before);
}

bool redact_lead_member(struct bytes text, size_t least, size_t at, size_t *ret_from)
{
	at = *ret_from = name_begin(text, least, at);
	return at > 0 && text.at[at - 1] == '"';
}

bool redact_lead_three(struct bytes text, size_t least, size_t at, size_t *ret_from)
{
	(void)text;
	*ret_from = at - 3;
	return at - least >= 3;
}

bool redact_lead_fifty_two(struct bytes text, size_t least, size_t at, size_t *ret_from)
{
	(void)text;
	*ret_from = at - 52;
	return at - least >= 52;
}

bool redact_lead_digits(struct bytes text, size_t least, size_t at, size_t *ret_from)
{
	size_t begin = at;

	while (begin > least && at - begin < DIGITS_MAX && isdigit(text.at[begin - 1]))
		begin--;
	*ret_from = begin;
	return at - begin >= DIGITS_MIN;
}

bool redact_lead_mailbox(struct bytes text, size_t least, size_t at, size_t *ret_from)
{
	size_t begin = at;

	while (begin > least && at - begin < MAILBOX_MAX && text.at[begin - 1] &&
	       (isalnum(text.at[begin - 1]) || strchr("._%+-", text.at[begin - 1])))
		begin--;
	*ret_from = begin;
	return begin < at;
}
