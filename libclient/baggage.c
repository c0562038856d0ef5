/* W3C Baggage as a value: the text of the header is all there is, always legal,
 * and read anew by each call. */
#include "baggage.h"

#include "spanring/propagation.h"
#include "text.h"
#include "thread.h"

#include <errno.h>
#include <string.h>

/* ---- the grammar -------------------------------------------------------------- */

/* A token of RFC 7230. */
static bool token_char(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
	       (c && strchr("!#$%&'*+-.^_`|~", c));
}

static bool is_token(struct text_piece piece)
{
	for (size_t i = 0; i < piece.length; i++)
		if (!token_char(piece.at[i]))
			return false;
	return piece.length != 0;
}

/* baggage-octet: printable ASCII but blank, '"', ',', ';' and '\'. */
static bool octet(char c)
{
	return c > ' ' && c <= '~' && !strchr("\",;\\", c);
}

static bool is_value(struct text_piece piece)
{
	for (size_t i = 0; i < piece.length; i++)
		if (!octet(piece.at[i]))
			return false;
	return true;
}

/* Properties, "a;b=1 ; c = 2": octets, semicolons and blanks. */
static bool is_metadata(struct text_piece piece)
{
	for (size_t i = 0; i < piece.length; i++)
		if (!octet(piece.at[i]) && piece.at[i] != ';' && !text_is_blank(piece.at[i]))
			return false;
	return true;
}

/* Splits "name = value ; metadata". */
static bool read_member(struct text_piece text, struct spanring_baggage_member *ret)
{
	const char *end = text.at + text.length;
	const char *equals = memchr(text.at, '=', text.length), *semicolon;
	struct text_piece name, value, metadata = {end, 0};

	if (!equals)
		return false;
	semicolon = memchr(equals, ';', (size_t)(end - equals));
	if (semicolon)
		metadata = text_trim(semicolon + 1, end);
	name = text_trim(text.at, equals);
	value = text_trim(equals + 1, semicolon ? semicolon : end);
	if (!is_token(name) || !is_value(value) || !is_metadata(metadata))
		return false;
	ret->name = name.at;
	ret->name_length = name.length;
	ret->value = value.at;
	ret->value_length = value.length;
	ret->metadata = metadata.at;
	ret->metadata_length = metadata.length;
	return true;
}

/* ---- reading ------------------------------------------------------------------ */

int spanring_baggage_next(const struct spanring_baggage *baggage,
			  struct spanring_baggage_member *member)
{
	const char *end = baggage->text + baggage->length;

	while (member->next < baggage->length) {
		const char *at = baggage->text + member->next;
		const char *comma = memchr(at, ',', (size_t)(end - at));

		member->next = comma ? (size_t)(comma + 1 - baggage->text) : baggage->length;
		if (read_member(text_trim(at, comma ? comma : end), member))
			return 1;
	}
	return 0;
}

static bool find(const struct spanring_baggage *baggage, struct text_piece name,
		 struct spanring_baggage_member *ret)
{
	memset(ret, 0, sizeof *ret);
	while (spanring_baggage_next(baggage, ret))
		if (ret->name_length == name.length && !memcmp(ret->name, name.at, name.length))
			return true;
	return false;
}

/* The next byte of a value; a '%' that begins no byte stands for itself. */
static uint8_t decoded_byte(const char **at, const char *end)
{
	const char *from = *at;

	if (*from == '%' && end - from > 2 && text_hex_value(from[1]) >= 0 &&
	    text_hex_value(from[2]) >= 0) {
		*at += 3;
		return (uint8_t)(text_hex_value(from[1]) << 4 | text_hex_value(from[2]));
	}
	*at += 1;
	return (uint8_t)*from;
}

/* How many bytes of UTF-8 the character has whose decoded bytes begin at `at`;
 * 0: it is none. */
static unsigned character(const char *at, const char *end, uint8_t ret_bytes[4])
{
	uint32_t least, code;
	unsigned length;

	ret_bytes[0] = decoded_byte(&at, end);
	if (ret_bytes[0] < 0x80)
		return 1;
	length = ret_bytes[0] >= 0xf0 ? 4 : ret_bytes[0] >= 0xe0 ? 3 : 2;
	least = length == 4 ? 0x10000 : length == 3 ? 0x800 : 0x80;
	if (ret_bytes[0] < 0xc2 || ret_bytes[0] > 0xf4)
		return 0;
	code = ret_bytes[0] & (0xffu >> (length + 1));
	for (unsigned i = 1; i < length; i++) {
		if (at >= end)
			return 0;
		ret_bytes[i] = decoded_byte(&at, end);
		if ((ret_bytes[i] & 0xc0) != 0x80)
			return 0;
		code = code << 6 | (ret_bytes[i] & 0x3f);
	}
	return code < least || code > 0x10ffff || (code >= 0xd800 && code < 0xe000) ? 0
										    : length;
}

int spanring_baggage_decode(const char *value, size_t length, char *ret_value, size_t size)
{
	const char *end = value + length;
	size_t written = 0;

	while (value < end) {
		uint8_t bytes[4];
		unsigned count = character(value, end, bytes);

		if (count == 0)
			(void)decoded_byte(&value, end);
		for (unsigned i = 0; i < count; i++)
			(void)decoded_byte(&value, end);
		if (count == 0) {
			memcpy(bytes, "\xef\xbf\xbd", 3);
			count = 3;
		}
		if (count >= size - written)
			return -ENOSPC;
		memcpy(ret_value + written, bytes, count);
		written += count;
	}
	if (size == 0)
		return -ENOSPC;
	ret_value[written] = '\0';
	return (int)written;
}

int spanring_baggage_get(const struct spanring_baggage *baggage, const char *name,
			 char *ret_value, size_t size)
{
	struct spanring_baggage_member member;

	if (!name || !find(baggage, (struct text_piece){name, strlen(name)}, &member))
		return -ENOENT;
	return spanring_baggage_decode(member.value, member.value_length, ret_value, size);
}

/* ---- writing ------------------------------------------------------------------- */

/* Of a member in our own text, where it stands without blanks. */
static size_t text_length(const struct spanring_baggage_member *member)
{
	return member->name_length + 1 + member->value_length +
	       (member->metadata_length ? 1 + member->metadata_length : 0);
}

/* With the comma behind it, or in front of the last. */
static void take_out(struct spanring_baggage *baggage,
		     const struct spanring_baggage_member *member)
{
	size_t start = (size_t)(member->name - baggage->text), length = text_length(member);

	if (start + length < baggage->length) {
		length++;
	} else if (start) {
		start--;
		length++;
	}
	memmove(baggage->text + start, baggage->text + start + length,
		baggage->length - start - length + 1);
	baggage->length -= (uint16_t)length;
	baggage->members--;
}

int spanring_baggage_remove(struct spanring_baggage *baggage, const char *name)
{
	struct spanring_baggage_member member;

	if (!name || !find(baggage, (struct text_piece){name, strlen(name)}, &member))
		return -ENOENT;
	take_out(baggage, &member);
	return 0;
}

/* Makes room for a member of this text, in place of one of the same name. */
static bool make_room(struct spanring_baggage *baggage,
		      const struct spanring_baggage_member *member)
{
	struct spanring_baggage_member older;
	bool replaces =
		find(baggage, (struct text_piece){member->name, member->name_length}, &older);
	size_t members = baggage->members, length = baggage->length;

	if (replaces) {
		length -= text_length(&older) + (members > 1);
		members--;
	}
	if (members >= SPANRING_BAGGAGE_MEMBERS_MAX ||
	    length + (members ? 1 : 0) + text_length(member) > SPANRING_BAGGAGE_MAX)
		return false;
	if (replaces)
		take_out(baggage, &older);
	return true;
}

static void put(struct spanring_baggage *baggage, const char *text, size_t length)
{
	memcpy(baggage->text + baggage->length, text, length);
	baggage->length += (uint16_t)length;
	baggage->text[baggage->length] = '\0';
}

static bool must_be_encoded(char c)
{
	return !octet(c) || c == '%';
}

static size_t encoded_length(const char *value)
{
	size_t length = 0;

	for (; *value; value++)
		length += must_be_encoded(*value) ? 3 : 1;
	return length;
}

static void put_encoded(struct spanring_baggage *baggage, const char *value)
{
	static const char digits[] = "0123456789ABCDEF";

	for (; *value; value++) {
		uint8_t byte = (uint8_t)*value;
		char encoded[3] = {'%', digits[byte >> 4], digits[byte & 15]};

		if (must_be_encoded(*value))
			put(baggage, encoded, sizeof encoded);
		else
			put(baggage, value, 1);
	}
}

static void put_name(struct spanring_baggage *baggage,
		     const struct spanring_baggage_member *member)
{
	if (baggage->members++)
		put(baggage, ",", 1);
	put(baggage, member->name, member->name_length);
	put(baggage, "=", 1);
}

static void put_metadata(struct spanring_baggage *baggage,
			 const struct spanring_baggage_member *member)
{
	if (member->metadata_length == 0)
		return;
	put(baggage, ";", 1);
	put(baggage, member->metadata, member->metadata_length);
}

int spanring_baggage_set(struct spanring_baggage *baggage, const char *name, const char *value,
			 const char *metadata)
{
	struct spanring_baggage_member member = {.name = name};
	struct text_piece properties = {"", 0};

	if (!name || !value || !is_token((struct text_piece){name, strlen(name)}))
		return -EINVAL;
	if (metadata)
		properties = text_trim(metadata, metadata + strlen(metadata));
	if (!is_metadata(properties))
		return -EINVAL;
	member.name_length = strlen(name);
	member.value_length = encoded_length(value);
	member.metadata = properties.at;
	member.metadata_length = properties.length;
	if (!make_room(baggage, &member))
		return -ENOSPC;
	put_name(baggage, &member);
	put_encoded(baggage, value);
	put_metadata(baggage, &member);
	return 0;
}

static bool take_member(struct spanring_baggage *baggage, struct text_piece text)
{
	struct spanring_baggage_member member;

	if (!read_member(text, &member) || !make_room(baggage, &member))
		return false;
	put_name(baggage, &member);
	put(baggage, member.value, member.value_length);
	put_metadata(baggage, &member);
	return true;
}

int spanring_baggage_parse(const char *header, size_t length,
			   struct spanring_baggage *ret_baggage)
{
	const char *at = header, *end = header + length;
	int left_out = 0;

	memset(ret_baggage, 0, sizeof *ret_baggage);
	while (at < end) {
		const char *comma = memchr(at, ',', (size_t)(end - at));
		struct text_piece text = text_trim(at, comma ? comma : end);

		if (text.length && !take_member(ret_baggage, text))
			left_out++;
		at = comma ? comma + 1 : end;
	}
	return left_out;
}

/* ---- the thread's --------------------------------------------------------------- */

static struct spanring_baggage inherited;
static THREAD_LOCAL const struct spanring_baggage *attached;

void baggage_inherit(const struct spanring_baggage *baggage)
{
	inherited = *baggage;
}

const struct spanring_baggage *spanring_baggage_attach(const struct spanring_baggage *baggage)
{
	const struct spanring_baggage *before = attached;

	attached = baggage;
	return before;
}

const struct spanring_baggage *spanring_baggage_current(void)
{
	return attached ? attached : &inherited;
}
