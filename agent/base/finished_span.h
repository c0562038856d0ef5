/* A finished span as it travels from assembly (or the receiver) through the
 * log to the exporters and the archive: its OTLP protobuf bytes, and those of
 * what it hangs under. All bytes are borrowed and immutable; they live until
 * the call they are passed to returns. */
#ifndef BASE_FINISHED_SPAN_H
#define BASE_FINISHED_SPAN_H

#include "base/buf.h"

/* The user whose run something belongs to, where nobody can say: no user has it. */
#define USER_UNKNOWN UINT32_MAX

struct finished_span {
	/* Ordinal among all SPAN frames of this log, from 1, without gaps.
	 * Cursors are such ordinals. 0 before the log has taken it. */
	uint64_t number;
	uint8_t trace_id[16];
	struct bytes resource;		  /* opentelemetry.proto.resource.v1.Resource */
	struct bytes resource_schema_url; /* text, may be empty */
	struct bytes scope;		  /* ...common.v1.InstrumentationScope */
	struct bytes scope_schema_url;	  /* text, may be empty */
	struct bytes span;		  /* ...trace.v1.Span */
	bool stale;	  /* ended for its silence: it may come once more, corrected */
	bool kind_mapped; /* its kind is a rule's, not its module's */
};

#endif
