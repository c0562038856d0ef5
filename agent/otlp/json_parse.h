/* JSON as a tree, by jansson; but for one thing: where the memory for a string's text
 * cannot be had, jansson leaves characters out and goes on. Here that is an error, so
 * that nobody archives, or answers for, what was never said.
 *
 * jansson's allocator is the process's and is exchanged for as long as this takes: one
 * thread at a time. */
#ifndef OTLP_JSON_PARSE_H
#define OTLP_JSON_PARSE_H

#include "base/buf.h"

#include <jansson.h>

/* `flags` as of json_loadb(). -EBADMSG: not JSON, *ret_where says where. -ENOMEM. */
int otlp_json_parse(json_t **ret_value, struct bytes text, size_t flags,
		    json_error_t *ret_where);

#endif
