/* A request as people read it: a line per span, its attributes and events below. */
#ifndef EXPORT_CONSOLE_TEXT_H
#define EXPORT_CONSOLE_TEXT_H

#include "base/buf.h"

/* Appends the spans of an ExportTraceServiceRequest. What modules wrote is escaped,
 * so that none of it moves a terminal's cursor. -EBADMSG: not such a message.
 * -ENOMEM. */
int console_text(struct buf *out, struct bytes request);

#endif
