#include "receive/http_json.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>

#include "opentelemetry/proto/collector/trace/v1/trace_service.pb-c.h"
#include "otlp/json_parse.h"
#include "otlp/json_read.h"

/* What jansson allocates, with the allocator's own share: an object and its first
 * buckets, an array and its first slots, a member, a place in a table with a number
 * in it, a string besides its text. */
#define OBJECT_BYTES 320u
#define ARRAY_BYTES 192u
#define MEMBER_BYTES 112u
#define VALUE_BYTES 64u
#define STRING_BYTES 80u

/* Behind a string's first quote; its last one, or the end. */
static size_t string_end(struct bytes text, size_t at)
{
	while (at < text.len && text.at[at] != '"')
		at += text.at[at] == '\\' ? 2 : 1;
	return at;
}

uint64_t http_json_memory(struct bytes text)
{
	/* The text of its strings, and the protobuf it becomes. */
	uint64_t bytes = 2 * (uint64_t)text.len + VALUE_BYTES;

	for (size_t at = 0; at < text.len; at++) {
		switch (text.at[at]) {
		case '"':
			bytes += STRING_BYTES;
			at = string_end(text, at + 1);
			break;
		case '{':
			bytes += OBJECT_BYTES;
			break;
		case '[':
			bytes += ARRAY_BYTES;
			break;
		case ':':
			bytes += MEMBER_BYTES;
			break;
		case ',':
			bytes += VALUE_BYTES;
			break;
		default:
			break;
		}
	}
	return bytes;
}

int http_json_read(struct buf *out, struct bytes text, char *why, size_t len)
{
	struct otlp_json_error wrong = {.reason = ""};
	json_error_t error;
	json_t *value;
	int r;

	r = otlp_json_parse(&value, text, JSON_ALLOW_NUL, &error);
	if (r < 0) {
		(void)snprintf(why, len, "the body is not JSON: line %d, column %d", error.line,
			       error.column);
		return r;
	}
	r = otlp_json_read(
		out,
		&opentelemetry__proto__collector__trace__v1__export_trace_service_request__descriptor,
		value, &wrong);
	json_decref(value);
	if (r == -EBADMSG || r == -ELOOP)
		(void)snprintf(why, len, "the body is not OTLP/JSON: %s: %s", wrong.path,
			       wrong.reason);
	return r == -ELOOP ? -EBADMSG : r;
}
