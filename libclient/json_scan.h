/* The tokens of a JSON text, one after the other, of which every byte is checked: exactly
 * RFC 8259, but for what the bytes of its strings stand for. Nothing is copied or
 * allocated, nothing recurses; the text may be anybody's.
 *
 * Pure, on the caller's storage; any thread. */
#ifndef LIBCLIENT_JSON_SCAN_H
#define LIBCLIENT_JSON_SCAN_H

#include <stddef.h>
#include <stdint.h>

/* More arrays and objects within each other are refused. */
#define JSON_SCAN_DEPTH_MAX 64u

enum json_token {
	JSON_END = 0, /* the text was whole */
	JSON_OBJECT = 1,
	JSON_OBJECT_END = 2,
	JSON_ARRAY = 3,
	JSON_ARRAY_END = 4,
	JSON_KEY = 5, /* its value comes next */
	JSON_STRING = 6,
	JSON_NUMBER = 7,
	JSON_TRUE = 8,
	JSON_FALSE = 9,
	JSON_NULL = 10,
};

struct json_scan {
	const char *at;
	const char *end;
	uint64_t objects; /* a bit a level: 1 an object, 0 an array */
	unsigned depth;
	unsigned expects; /* what may come next: json_scan.c */

	/* Of a key, a string and a number, as they stand there: without the quotes, with
	 * the escapes. */
	const char *text;
	size_t length;
};

void json_scan_init(struct json_scan *scan, const char *json, size_t length);

/* The next token. -EBADMSG: no JSON, or too deep; so say all further calls. */
int json_scan_next(struct json_scan *scan);

#endif
