/* OTLP/JSON requests, as protobuf: what the rest of the agent reads. */
#ifndef RECEIVE_HTTP_JSON_H
#define RECEIVE_HTTP_JSON_H

#include "base/buf.h"

/* What parsing it will take at most, guessed from its punctuation before any memory
 * is taken: a tree of JSON can be fifty times its text. */
uint64_t http_json_memory(struct bytes text);

/* Appends the ExportTraceServiceRequest. -EBADMSG: it is none, and `why` (at most
 * `len` bytes) says where. -ENOMEM. */
int http_json_read(struct buf *out, struct bytes text, char *why, size_t len);

#endif
