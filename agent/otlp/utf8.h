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

/* Appends the text with its invalid parts replaced. 0 or -ENOMEM. */
int utf8_append_repaired(struct buf *out, struct bytes text);

#endif
