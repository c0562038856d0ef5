#include "redact/checks.h"

#include <ctype.h>

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

static int sextet(uint8_t byte)
{
	static const char digits[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	const char *at = byte ? strchr(digits, byte) : NULL;

	return at ? (int)(at - digits) : -1;
}

bool redact_is_basic(struct bytes text, struct redact_place *place)
{
	uint32_t bits = 0, filled = 0;
	bool colon = false;

	for (size_t i = place->start; i < place->end && text.at[i] != '='; i++) {
		int value = sextet(text.at[i]);

		if (value < 0)
			return false;
		bits = (bits << 6 | (uint32_t)value) & 0xffff;
		filled += 6;
		if (filled < 8)
			continue;
		filled -= 8;
		if ((bits >> filled & 0xff) < 0x20)
			return false;
		colon |= (bits >> filled & 0xff) == ':';
	}
	/* Text leaves no bits over. */
	return colon && (bits & ((1u << filled) - 1)) == 0;
}

bool redact_pem(struct bytes text, struct redact_place *place)
{
	static const char end[] = "-----END ";
	const uint8_t *found =
		memmem(text.at + place->end, text.len - place->end, end, sizeof end - 1);
	const uint8_t *dashes;
	size_t at;

	place->end = text.len;
	if (!found)
		return true;
	at = (size_t)(found - text.at) + sizeof end - 1;
	dashes = memmem(text.at + at, text.len - at < 64 ? text.len - at : 64, "-----", 5);
	if (dashes)
		place->end = (size_t)(dashes - text.at) + 5;
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
