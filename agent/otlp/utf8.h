/* UTF-8 as OTLP needs it: strings come from other people's memory, and both
 * protobuf and JSON readers refuse a message for one wrong byte. What is not
 * valid becomes U+FFFD, one for each longest part that could have begun a
 * character (the Unicode recommendation, and what Python and browsers do). */
#ifndef OTLP_UTF8_H
#define OTLP_UTF8_H

#include "base/buf.h"

#define UTF8_REPLACEMENT "\xef\xbf\xbd"
#define UTF8_REPLACEMENT_LEN 3

/* Looks at the first character; there must be at least one byte. The positive
 * length of a valid character, or minus the length of the invalid part. */
int utf8_step(const uint8_t *at, const uint8_t *end);

/* How many bytes at the front are valid; text.len when all are. */
size_t utf8_valid_len(struct bytes text);

/* Whether no byte has its high bit set; for short text the whole cost of
 * knowing that it is valid. */
static inline bool utf8_is_ascii(struct bytes text)
{
	const uint8_t *at = text.at;
	uint64_t word, any = 0;
	size_t left = text.len;

	if (left < 8) {
		while (left)
			any |= at[--left];
		return !(any & 0x80);
	}
	for (; left > 8; left -= 8, at += 8) {
		memcpy(&word, at, 8);
		any |= word;
	}
	/* The last eight overlap those before. */
	memcpy(&word, text.at + text.len - 8, 8);
	return !((any | word) & 0x8080808080808080ull);
}

#define UTF8_SHORT 256 /* beyond, a look at all of it before a second is a waste */

static inline bool utf8_is_valid(struct bytes text)
{
	return (text.len <= UTF8_SHORT && utf8_is_ascii(text)) ||
	       utf8_valid_len(text) == text.len;
}

/* Appends the text with its invalid parts replaced. 0 or -ENOMEM. */
int utf8_append_repaired(struct buf *out, struct bytes text);

/* Texts that were repaired, for whoever only borrows the others. NULL: none. */
struct utf8_repaired {
	struct utf8_repaired *next;
	struct buf text;
};

/* Repairs *text, if it must be: it then lives until utf8_repaired_free(). 0 or -ENOMEM. */
int utf8_repair(struct bytes *text, struct utf8_repaired **repaired);
void utf8_repaired_free(struct utf8_repaired **repaired);

#endif
