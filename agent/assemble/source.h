/* A source: one ring, as assembly knows it. It has an identity and a clock,
 * the process's resource and scopes (as records, for the log, and encoded, for
 * its spans), the table of its open spans, and what the process said about its
 * own end. It outlives the ring's index: recovery finds it by instance. */
#ifndef ASSEMBLE_SOURCE_H
#define ASSEMBLE_SOURCE_H

#include "assemble/clock.h"
#include "assemble/open_span.h"
#include "base/finished_span.h"
#include "base/map.h"
#include "base/slice.h"
#include "wire/record.h"

#define SOURCE_NO_RING UINT32_MAX

struct source_scope {
	uint64_t number; /* the map's key */
	struct buf record;
	struct buf encoded; /* empty until asked for */
	struct bytes schema_url;
};

/* A PROCESS_END record. */
struct source_end {
	bool said;
	bool wall; /* ticks are wall time */
	bool code_known;
	int32_t code;
	uint64_t ticks;
	uint32_t thread;
};

struct source {
	uint8_t instance[16];
	struct ring_identity identity;
	struct source_clock clock;
	struct holder holds;
	struct limit_user *user; /* NULL while not identified */
	bool identified;
	bool dead, gone;
	struct list among_gone; /* of the assembly, when it is */
	uint32_t ring; /* the drain's index or SOURCE_NO_RING */

	struct map spans;		   /* open and parked, by span id */
	struct list ended, ended_before;   /* END seen in this round, in an earlier one */
	struct list parked, parked_before; /* the same of spans without START */
	uint32_t parked_records;
	/* Threads write about one span for a while: these save the search. */
	struct open_span *last_span;
	struct trace_run *last_run;
	uint64_t last_run_forgotten; /* run_table.forgotten at that time */
	uint8_t writes_of[16];	     /* the run that counts it among its writers */
	bool writes;
	struct process *process; /* whose it is, once its resource is known; or NULL */
	uint64_t refused;	 /* calls, as the drain said last */
	uint64_t refused_told;	 /* of these, those that its process has */

	struct buf resource_record;
	struct buf resource; /* encoded, empty until asked for */
	bool resource_encoded;
	struct bytes resource_schema_url;
	struct map scopes;
	uint64_t scopes_bytes;
	struct wire_limits limits; /* of its spans; all zero: it said none */
	uint64_t kept_bytes; /* of resource and scopes, as holds.memory_bytes has it */
	uint64_t segment;    /* oldest that holds resource, scopes or ends; 0 none */

	uint64_t last_ticks; /* the latest time any thread wrote */
	bool ticks_seen;
	struct source_end exit;	   /* EXIT: believed when the death is seen */
	struct source_end closing; /* SIGTERM or SHUTDOWN: what is open is ended */
	uint8_t closing_kind;	   /* enum span_close */
	bool closing_now;	   /* seen in this round */
	bool closing_due;	   /* seen in an earlier one */
	struct death death;
};

/* NULL: no memory. */
struct source *source_new(const uint8_t instance[16], uint64_t seed);

/* The spans must be gone. */
void source_free(struct source *source);

void source_identify(struct source *source, const struct clock *clock,
		     const struct ring_identity *identity);

/* Keep a RESOURCE or a SCOPE record. -ENOMEM. */
int source_set_resource(struct source *source, const uint8_t *record);
int source_set_scope(struct source *source, const uint8_t *record);

/* Keeps what a LIMITS record says. */
void source_set_limits(struct source *source, const uint8_t *record);

/* Encoded, made when first asked for. An unknown scope is an empty one. Returns how
 * many values it emptied, when that was now; -ENOMEM. */
int source_resource(struct source *source, struct bytes *ret_resource,
		    struct bytes *ret_schema_url);
int source_scope(struct source *source, uint32_t number, struct bytes *ret_scope,
		 struct bytes *ret_schema_url);

/* service.name of the resource; empty if there is none. */
struct bytes source_service(const struct source *source);

static inline uint32_t source_user(const struct source *source)
{
	return source->identified ? source->identity.uid : USER_UNKNOWN;
}

/* Whether what the process said (SIGTERM, SHUTDOWN) ends this span too: what
 * began later is none of those that were open. */
bool source_closes(const struct source *source, const struct open_span *span);

/* The latest known time of the process, monotonic. */
uint64_t source_last_mono_ns(const struct source *source, const struct clock *clock);

/* What STATE says of the source itself (span id zero). */
int source_write_state(const struct source *source, struct buf *out);

#endif
