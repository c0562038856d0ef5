/* What the rules of redaction find in a file: an archive or any OTLP/JSON, other
 * JSON (one document or one a line), or plain text. Each finding goes to the
 * redactor's `seen`, of which `struct redact_look` is the argument. */
#ifndef CLI_REDACT_LOOK_H
#define CLI_REDACT_LOOK_H

#include <jansson.h>

#include "redact/redactor.h"

struct redact_look {
	struct redactor *redactor;
	const char *path;
	struct bytes text;    /* of the file */
	const char *span_id;  /* of the span it is at, or NULL */
	const char *trace_id; /* likewise */
	uint64_t documents;   /* of JSON; 0: it is plain text */
	size_t document_at;   /* where in the text the one it is at begins */
	struct buf out, message;
};

/* 0. -EBADMSG: it is OTLP/JSON that is wrong; *ret_error says where. -ENOMEM. */
int redact_look(struct redact_look *look, char *ret_reason, size_t size);
void redact_look_fini(struct redact_look *look);

/* The line of the file, from 1, in which the document begins, or the text that was
 * found stands. */
uint64_t redact_look_line(const struct redact_look *look, struct bytes found);

#endif
