/* OTEL_RESOURCE_ATTRIBUTES: "key=value,key=value", keys and values percent
 * encoded, blanks around them ignored. Pure. */
#ifndef LIBCLIENT_RESOURCE_TEXT_H
#define LIBCLIENT_RESOURCE_TEXT_H

#include <stddef.h>
#include <stdint.h>

/* What resource_text_decode() may write for a text of this length: a member
 * takes at least two characters ("k=") and adds an entry's head. */
static inline size_t resource_text_bytes_max(size_t length)
{
	return 5 * length + 8;
}

/* Writes the members as wire entries (WIRE_STRING) in their order and returns
 * the bytes written. Members that are nothing but blanks are skipped.
 * -EINVAL: a member without '=' or key, a '%' without two hex digits, a key
 * over 65,535 bytes; by the specification the whole text is to be ignored. */
int64_t resource_text_decode(const char *text, size_t length, uint8_t *ret_entries);

#endif
