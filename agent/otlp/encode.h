/* The one OTLP encoder: from records to protobuf bytes in a single pass.
 *
 * A span is given as its records in the order they were drained, cut anywhere
 * between records into chunks; every record was accepted by record_check().
 * The agent's own additions (end of a dead span, its attributes) are records
 * like any other, appended by the assembler. */
#ifndef OTLP_ENCODE_H
#define OTLP_ENCODE_H

#include "base/buf.h"

/* Turns a record's ticks into Unix nanoseconds. Not asked for records that
 * carry WIRE_TIME_WALL. */
struct otlp_clock {
	uint64_t (*wall_ns)(void *arg, uint64_t ticks);
	void *arg;
};

enum otlp_status {
	OTLP_STATUS_UNSET = 0,
	OTLP_STATUS_OK = 1,
	OTLP_STATUS_ERROR = 2,
};

/* The span limits of OpenTelemetry: how many of each are kept, the first ones.
 * They hold for what stands in the first `chunks` chunks. */
struct otlp_limits {
	uint32_t attributes; /* keys */
	uint32_t events;
	uint32_t links;
	uint32_t chunks;
};

struct otlp_span_summary {
	uint64_t start_wall_ns;
	uint64_t end_wall_ns; /* never before the start: clamped */
	enum otlp_status status;
	/* Arrays and maps too deep for protobuf's parsers (100 messages), which
	 * became empty values. */
	uint32_t emptied_values;
	uint64_t over_limits; /* attributes, events and links that were left out */
	bool end_clamped;
};

/* Appends one Span message. The first record of the first chunk is the START;
 * a span without END ends at its start. Rules: status Ok is final, a
 * description counts only with Error, Unset is ignored; the last value of a
 * duplicate key wins at the first one's place; invalid UTF-8 becomes U+FFFD;
 * attributes with empty keys go into dropped_attributes_count, and so does what
 * is over the limits (NULL: none), into its own.
 * -EBADMSG: no START first. -ENOMEM. `out` is as before on failure. */
int otlp_encode_span(struct buf *out, const struct bytes *chunks, uint32_t n,
		     const struct otlp_clock *clock, const struct otlp_limits *limits,
		     struct otlp_span_summary *ret_summary);

/* The status the records give, by the same rules, without encoding. */
enum otlp_status otlp_span_status(const struct bytes *chunks, uint32_t n);

/* What the agent itself knows of the process a resource stands for: who owns its
 * ring, and its number. They become spanring.uid and spanring.pid. */
struct otlp_owner {
	bool uid_known, pid_known;
	uint32_t uid, pid;
};

/* Whether a resource's attribute of this name is the agent's to set. */
bool otlp_is_owners_key(struct bytes key);

/* A Resource message from a checked RESOURCE record; `*ret_schema_url` borrows
 * from the record, and is empty for one that is not UTF-8. With NULL: nothing but
 * the owner. The owner's two keys are the agent's alone, known or not: what a
 * record has under them is counted as dropped. Returns how many values became empty,
 * as emptied_values above, or -ENOMEM. */
int otlp_encode_resource(struct buf *out, const uint8_t *record, const struct otlp_owner *owner,
			 struct bytes *ret_schema_url);

/* An InstrumentationScope message from a checked SCOPE record; NULL: none. Returns as
 * otlp_encode_resource(). */
int otlp_encode_scope(struct buf *out, const uint8_t *record, struct bytes *ret_schema_url);

#endif
