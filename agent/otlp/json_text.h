/* The leaves of JSON: strings, integers, doubles. Everything here can stand in
 * one line of an archive: what any reader could take for the end of a line
 * (C0, U+0085, U+2028, U+2029) is escaped, and invalid UTF-8 becomes U+FFFD.
 *
 * Nothing is returned: a failed buf remembers, the caller asks buf_failed()
 * once at the end. */
#ifndef OTLP_JSON_TEXT_H
#define OTLP_JSON_TEXT_H

#include "base/buf.h"

/* With its quotes. */
void json_text_string(struct buf *out, struct bytes text);

/* Bare digits, or between quotes as 64-bit integers are in proto3 JSON. */
void json_text_uint(struct buf *out, uint64_t value, bool quoted);
void json_text_int(struct buf *out, int64_t value, bool quoted);

/* The shortest digits that read back as the same double, always with a point
 * or an exponent, so that readers keep it a double; "NaN", "Infinity" and
 * "-Infinity" as strings. Assumes the C locale, as the agent runs in. */
void json_text_double(struct buf *out, double value);

/* `len` characters that need no escaping. */
static inline void json_text_plain(struct buf *out, const char *text, size_t len)
{
	if (__builtin_expect(out->cap - out->len < len, 0) && buf_reserve(out, len) < 0)
		return;
	memcpy(out->at + out->len, text, len);
	out->len += len;
}

#endif
