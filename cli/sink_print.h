/* What `spanring sink` makes of a request: a number, readable lines, or JSON.
 * Bytes come from the network and text goes to a terminal: neither is trusted. */
#ifndef CLI_SINK_PRINT_H
#define CLI_SINK_PRINT_H

#include <stdint.h>

#include "base/buf.h"

/* Counts the spans of an ExportTraceServiceRequest. -EBADMSG: it is not one. */
int sink_count(struct bytes request, uint64_t *ret_spans);

/* Appends one line per span. -EBADMSG, -ENOMEM. */
int sink_print_lines(struct buf *out, struct bytes request);

/* Appends the request as one line of OTLP/JSON. -EBADMSG, -ELOOP, -ENOMEM. */
int sink_print_json(struct buf *out, struct bytes request);

#endif
