#include "w3c.h"

#include "text.h"

#include <errno.h>
#include <string.h>

/* Offsets of the fields of version 00. */
enum {
	TRACE_ID_AT = 3,
	SPAN_ID_AT = 36,
	FLAGS_AT = 53,
};

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return -1;
}

void w3c_hex(const uint8_t *bytes, size_t count, char *ret_text)
{
	static const char digits[16] = {'0', '1', '2', '3', '4', '5', '6', '7',
					'8', '9', 'a', 'b', 'c', 'd', 'e', 'f'};

	for (size_t i = 0; i < count; i++) {
		ret_text[2 * i] = digits[bytes[i] >> 4];
		ret_text[2 * i + 1] = digits[bytes[i] & 15];
	}
}

int w3c_unhex(const char *text, size_t count, uint8_t *ret_bytes)
{
	for (size_t i = 0; i < count; i++) {
		int high = hex_digit(text[2 * i]), low = hex_digit(text[2 * i + 1]);

		if (high < 0 || low < 0)
			return -EBADMSG;
		ret_bytes[i] = (uint8_t)(high << 4 | low);
	}
	return 0;
}

static bool all_zero(const uint8_t *bytes, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (bytes[i])
			return false;
	return true;
}

static bool length_fits_version(const char *text, size_t length, uint8_t version)
{
	if (version == 0xff)
		return false;
	if (version == 0)
		return length == W3C_TRACEPARENT_LENGTH;
	return length == W3C_TRACEPARENT_LENGTH || text[W3C_TRACEPARENT_LENGTH] == '-';
}

int w3c_parse_traceparent(const char *text, size_t length, struct w3c_traceparent *ret)
{
	struct w3c_traceparent parent;
	uint8_t version;

	if (length < W3C_TRACEPARENT_LENGTH)
		return -EBADMSG;
	if (w3c_unhex(text, 1, &version) < 0 || !length_fits_version(text, length, version))
		return -EBADMSG;
	if (text[TRACE_ID_AT - 1] != '-' || text[SPAN_ID_AT - 1] != '-' ||
	    text[FLAGS_AT - 1] != '-')
		return -EBADMSG;
	if (w3c_unhex(text + TRACE_ID_AT, sizeof parent.trace_id, parent.trace_id) < 0 ||
	    w3c_unhex(text + SPAN_ID_AT, sizeof parent.span_id, parent.span_id) < 0 ||
	    w3c_unhex(text + FLAGS_AT, 1, &parent.flags) < 0)
		return -EBADMSG;
	if (all_zero(parent.trace_id, sizeof parent.trace_id) ||
	    all_zero(parent.span_id, sizeof parent.span_id))
		return -EBADMSG;
	*ret = parent;
	return 0;
}

void w3c_format_traceparent(const struct w3c_traceparent *parent,
			    char ret_text[W3C_TRACEPARENT_LENGTH + 1])
{
	uint8_t flags = parent->flags & W3C_FLAGS_KNOWN;

	memcpy(ret_text, "00-", 3);
	w3c_hex(parent->trace_id, sizeof parent->trace_id, ret_text + TRACE_ID_AT);
	ret_text[SPAN_ID_AT - 1] = '-';
	w3c_hex(parent->span_id, sizeof parent->span_id, ret_text + SPAN_ID_AT);
	ret_text[FLAGS_AT - 1] = '-';
	w3c_hex(&flags, 1, ret_text + FLAGS_AT);
	ret_text[W3C_TRACEPARENT_LENGTH] = '\0';
}

/* ---- tracestate ---------------------------------------------------------- */

#define KEY_LENGTH_MAX 256u
#define VALUE_LENGTH_MAX 256u

static bool lower_or_digit(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

/* Level 2's grammar, which contains Level 1's tenant@system keys. */
static bool key_valid(const char *key, size_t length)
{
	if (length == 0 || length > KEY_LENGTH_MAX || !lower_or_digit(key[0]))
		return false;
	for (size_t i = 1; i < length; i++)
		if (!lower_or_digit(key[i]) && (!key[i] || !strchr("_-*/@", key[i])))
			return false;
	return true;
}

/* Printable ASCII but ',' and '='. The blanks around a member were taken off
 * before, so a value cannot end in one. */
static bool value_valid(const char *value, size_t length)
{
	if (length == 0 || length > VALUE_LENGTH_MAX)
		return false;
	for (size_t i = 0; i < length; i++)
		if (value[i] < 0x20 || value[i] > 0x7e || value[i] == ',' || value[i] == '=')
			return false;
	return true;
}

static bool member_valid(const char *member, size_t length)
{
	const char *equals = memchr(member, '=', length);
	size_t key_length;

	if (!equals)
		return false;
	key_length = (size_t)(equals - member);
	return key_valid(member, key_length) &&
	       value_valid(equals + 1, length - key_length - 1);
}

bool w3c_tracestate_valid(const char *text, size_t length)
{
	const char *end = text + length;
	unsigned members = 0;

	if (length > W3C_TRACESTATE_LENGTH_MAX)
		return false;
	while (text < end) {
		const char *comma = memchr(text, ',', (size_t)(end - text));
		const char *next = comma ? comma + 1 : end;
		const char *stop = comma ? comma : end;

		struct text_piece member = text_trim(text, stop);

		if (member.length && (++members > W3C_TRACESTATE_MEMBERS_MAX ||
				      !member_valid(member.at, member.length)))
			return false;
		text = next;
	}
	return true;
}
