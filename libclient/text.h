/* What the texts of headers and variables have in common: pieces of them between
 * blanks, and the digits behind a '%'. Pure; any thread, signal handlers too. */
#ifndef LIBCLIENT_TEXT_H
#define LIBCLIENT_TEXT_H

#include <stdbool.h>
#include <stddef.h>

/* Borrowed, without a NUL. */
struct text_piece {
	const char *at;
	size_t length;
};

static inline bool text_is_blank(char c)
{
	return c == ' ' || c == '\t';
}

/* Without the blanks around it. */
static inline struct text_piece text_trim(const char *at, const char *end)
{
	while (at < end && text_is_blank(*at))
		at++;
	while (at < end && text_is_blank(end[-1]))
		end--;
	return (struct text_piece){at, (size_t)(end - at)};
}

/* Of a hexadecimal digit, in upper or lower case; -1: it is none. */
static inline int text_hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

#endif
