/* The few things of a span the archive decides by, read from its OTLP bytes. */
#ifndef ARCHIVE_FACTS_H
#define ARCHIVE_FACTS_H

#include "base/buf.h"

struct span_facts {
	uint8_t trace_id[16];
	uint64_t span_id;   /* as eight bytes in memory order; never 0 */
	uint64_t parent_id; /* 0: a root */
	uint64_t start_ns;
	uint64_t end_ns;       /* never before the start */
	struct bytes name;     /* borrowed from the span, as those below */
	struct bytes run_name; /* spanring.run.name; empty when it has none */
	struct bytes goal;     /* user_goal */
	uint32_t input_tokens, output_tokens;
	bool says_tokens; /* tokens.h */
	bool error;	  /* its status */
	bool ended_by_us; /* it has a spanring.end.reason */
};

/* -EBADMSG: not a span, or one without valid ids. */
int span_facts_read(struct span_facts *ret_facts, struct bytes span);

/* `service.name` of a Resource message; empty when it has none. Borrowed. */
struct bytes resource_service(struct bytes resource);

/* The text of an attribute's value, a KeyValue message; empty when it is none. */
struct bytes attribute_text(struct bytes attribute);

/* For tables of spans; seeded, because ids are a module's choice. */
static inline uint64_t span_id_hash(uint64_t span_id, uint64_t seed)
{
	unsigned __int128 product =
		(unsigned __int128)(span_id ^ seed) * UINT64_C(0x9e3779b97f4a7c15);

	product =
		(unsigned __int128)((uint64_t)(product >> 64) ^ (uint64_t)product) * (seed | 1);
	return (uint64_t)(product >> 64);
}

#endif
