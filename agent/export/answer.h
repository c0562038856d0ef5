/* The answer of an OTLP server: an ExportTraceServiceResponse. */
#ifndef EXPORT_ANSWER_H
#define EXPORT_ANSWER_H

#include <stdint.h>

#include "base/buf.h"

struct answer {
	uint64_t rejected; /* spans; what a negative number meant is 0 */
	char message[256]; /* "" when none; untrusted text */
};

/* -EPROTO: not such a message. */
int answer_read(struct answer *ret_answer, struct bytes response);

#endif
