/* A request as OTLP/JSON has it. */
#ifndef EXPORT_JSON_FORM_H
#define EXPORT_JSON_FORM_H

#include "base/buf.h"

/* Writes a framed ExportTraceServiceRequest as JSON into `out`, framed likewise.
 * -EBADMSG, -ELOOP: it cannot be written so. -ENOMEM. */
int json_form(struct bytes framed, struct buf *out);

#endif
