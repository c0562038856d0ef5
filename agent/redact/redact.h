/* Redaction stands between drain and log so that neither disk nor wire ever
 * hold what must not be kept. It is given whole values and may change their
 * length. For now every value passes as it is.
 *
 * redact_push() gives slices whose `records` may point into the stage's own
 * memory, valid until the next call. */
#ifndef REDACT_REDACT_H
#define REDACT_REDACT_H

#include "base/finished_span.h"
#include "base/slice.h"

struct redact_options {
	bool enabled;
};

struct redact_counters {
	uint64_t records;
	uint64_t received; /* spans that came finished */
	uint64_t changed;
};

struct redact {
	struct redact_options options;
	struct redact_counters counters;
};

int redact_init(struct redact *redact, const struct redact_options *options);
void redact_fini(struct redact *redact);
int redact_push(struct redact *redact, struct slice *slices, uint32_t n);
/* The same for a received span: its bytes, those of its resource and scope. */
int redact_span(struct redact *redact, struct finished_span *span);

#endif
