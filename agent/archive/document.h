/* A TracesData document in JSON (a line of a spool, a sealed file, what an
 * editor made of one) read into finished spans. */
#ifndef ARCHIVE_DOCUMENT_H
#define ARCHIVE_DOCUMENT_H

#include "base/finished_span.h"

#include <jansson.h>
#include <protobuf-c/protobuf-c.h>

/* The bytes are borrowed until the call returns; `number` is 0. A negative
 * return stops the reading and is handed back. */
typedef int document_span_fn(void *arg, const struct finished_span *span);

struct document_result {
	uint64_t spans;	     /* handed to `each` */
	uint64_t unreadable; /* spans, scopes or resources that are none */
};

/* One message; an absent one is empty. 1: read into `out`, 0: it is none of that
 * type, -ENOMEM. */
int document_message(struct buf *out, const ProtobufCMessageDescriptor *type, json_t *value);

/* -EBADMSG: not a JSON object with a `resourceSpans` array. -ENOMEM. */
int document_each(struct bytes text, document_span_fn *each, void *arg,
		  struct document_result *ret_result);

#endif
