/* Redaction of finished spans: every text of an OTLP message, which is walked with
 * protobuf-c's descriptors, as the printer of JSON does. What the descriptor does not
 * know (a newer sender's field) stays if nothing is found in its bytes. */
#ifndef REDACT_MESSAGE_H
#define REDACT_MESSAGE_H

#include <protobuf-c/protobuf-c.h>

#include "redact/redactor.h"

/* Whether the message may stay as it is. What is no message does not stay. */
bool redact_message_stays(struct redactor *redactor, const ProtobufCMessageDescriptor *type,
			  struct bytes message);
/* Appends what may stay of it. -EBADMSG, -ENOMEM. */
int redact_message_write(struct redactor *redactor, struct buf *out,
			 const ProtobufCMessageDescriptor *type, struct bytes message);

#endif
