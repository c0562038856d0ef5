/* OTLP/JSON back into protobuf bytes: the reverse of otlp_json_print(). What
 * that printed from canonical bytes gives the same bytes again.
 *
 * Accepted is what the OTLP specification asks of readers: 64-bit integers as
 * numbers or strings, ids in either case, base64 in either alphabet; unknown
 * keys are ignored; null is absent. Enums are integers only and keys
 * lowerCamelCase only, so names or snake_case are not understood.
 *
 * The text is parsed by the caller with jansson; JSON_ALLOW_NUL is needed,
 * because a recorded string may hold U+0000. */
#ifndef OTLP_JSON_READ_H
#define OTLP_JSON_READ_H

#include "base/buf.h"

#include <jansson.h>
#include <protobuf-c/protobuf-c.h>

struct otlp_json_error {
	char path[256];	    /* resourceSpans[0].scopeSpans[1].spans[7].kind */
	const char *reason; /* static text */
};

/* Appends the message in its canonical form: ascending field numbers, defaults
 * left out, shortest lengths. On failure `out` has its earlier length again.
 * -EBADMSG: not such a message, *ret_error says where and why (it may be NULL,
 * and is written for -EBADMSG and -ELOOP only). -ELOOP: deeper than
 * OTLP_DEPTH_MAX. -ENOMEM. */
int otlp_json_read(struct buf *out, const ProtobufCMessageDescriptor *type, json_t *value,
		   struct otlp_json_error *ret_error);

#endif
