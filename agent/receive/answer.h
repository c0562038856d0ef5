/* What a sender is told: a gRPC code, which OTLP/HTTP has a status for, how many
 * spans were refused, and why. */
#ifndef RECEIVE_ANSWER_H
#define RECEIVE_ANSWER_H

#include "base/buf.h"

/* Of google.rpc.Code, those we say. */
enum answer_code {
	ANSWER_OK = 0,
	ANSWER_INVALID_ARGUMENT = 3,
	ANSWER_DEADLINE_EXCEEDED = 4,
	ANSWER_RESOURCE_EXHAUSTED = 8,
	ANSWER_FAILED_PRECONDITION = 9,
	ANSWER_UNIMPLEMENTED = 12,
	ANSWER_INTERNAL = 13,
	ANSWER_UNAVAILABLE = 14,
};

/* How long a sender that is told to come again should wait. */
#define ANSWER_RETRY_S 1
#define ANSWER_TEXT_BYTES 320

struct answer {
	enum answer_code code;
	unsigned http;		      /* 0: what belongs to the code */
	bool again;		      /* the same request may be taken later */
	uint64_t rejected;	      /* spans, with ANSWER_OK */
	char text[ANSWER_TEXT_BYTES]; /* UTF-8; with ANSWER_OK and none rejected, a warning */
};

void answer_fill(struct answer *answer, enum answer_code code, bool again, const char *format,
		 ...) __attribute__((format(printf, 4, 5)));

unsigned answer_http_status(const struct answer *answer);

/* Appends the ExportTraceServiceResponse, as protobuf or JSON. Its message is cut so
 * that all of it stays within `bytes_max`. -EMSGSIZE: it does not even then.
 * -ENOMEM. */
int answer_response(struct buf *out, const struct answer *answer, bool json,
		    uint64_t bytes_max);

/* Appends the google.rpc.Status, with RetryInfo in the protobuf form where the
 * sender may come again. -ENOMEM. */
int answer_status(struct buf *out, const struct answer *answer, bool json);

/* Appends the text as `grpc-message` wants it. -ENOMEM. */
int answer_percent(struct buf *out, const char *text);

#endif
