/* How much a module may make the agent keep. A process may be broken or hostile:
 * whatever it can make grow has a limit here, which real use never meets, and a
 * counter that says how often it was met. What is over a limit is refused, or
 * cut, record by record; the module's other records and everybody else go on.
 *
 * Memory and open spans are shared by all, so nobody may have all of it: a ring
 * gets `ring_share`, all rings of one user together `user_share` of what there
 * is. Runs are files, and a burst of them is honest while a flood is not: each
 * user may begin `user_runs_max` at once and `user_runs_per_second` from then on.
 *
 * Depth has two limits that nobody can set: what nests deeper than the format allows
 * (WIRE_DEPTH_MAX) is no record, and what a parser of OTLP would refuse for its depth
 * (ATTRIBUTES_LEVELS: 45 arrays, 30 maps) becomes an empty value. */
#ifndef ASSEMBLE_LIMIT_H
#define ASSEMBLE_LIMIT_H

#include "base/buf.h"
#include "base/map.h"

/* 0: no limit. */
struct assemble_limits {
	uint32_t span_attributes_max; /* records: a key set twice counts twice */
	uint32_t span_events_max;
	uint32_t span_links_max;
	uint64_t name_bytes_max;     /* of a span or an event; longer ones are cut */
	uint64_t key_bytes_max;	     /* of an attribute */
	uint64_t value_bytes_max;    /* of an attribute */
	uint64_t resource_bytes_max; /* of a RESOURCE or SCOPE record */
	uint32_t scopes_max;	     /* of a ring; all of them four times resource_bytes_max */
	uint32_t ring_open_spans_max;
	uint32_t parked_records_max; /* of a ring */
	uint32_t ring_share;	     /* of memory; percent */
	uint32_t user_share;	     /* of memory and open spans; percent */
	uint32_t run_spans_max;
	uint32_t user_runs_max;
	uint32_t user_runs_per_second;
};

/* How often each was met, in records. */
struct limit_counters {
	uint64_t attributes, events, links;
	uint64_t names; /* cut */
	uint64_t keys, values, span_bytes;
	uint64_t depth; /* arrays and maps that became empty */
	uint64_t resources, scopes;
	uint64_t open_spans, parked, memory;
	uint64_t run_spans, runs;
	uint64_t module; /* what modules' own limits took from their spans */
};

/* What somebody holds, and within what. */
struct holder {
	struct holder *within; /* NULL: nothing */
	uint64_t memory_bytes;
	uint64_t open_spans;
};

static inline void holder_add(struct holder *holder, int64_t memory_bytes)
{
	for (; holder; holder = holder->within)
		holder->memory_bytes += (uint64_t)memory_bytes;
}

static inline void holder_open(struct holder *holder, int spans)
{
	for (; holder; holder = holder->within)
		holder->open_spans += (uint64_t)spans;
}

/* A user of this machine: the owner of rings. */
struct limit_user {
	struct holder holds;
	uint64_t uid;	    /* the map's key */
	uint32_t sources;   /* it is freed with the last one */
	uint64_t credit;    /* of runs, a billion each */
	uint64_t credit_ns; /* when that was right */
};

/* The user, made when new; NULL: no memory. To be given back once. */
struct limit_user *limit_user_get(struct map *users, uint32_t uid,
				  const struct assemble_limits *limits, uint64_t now_ns);
void limit_user_put(struct map *users, struct limit_user *user);

/* Whether the user may begin one more run now, which is then counted off. */
bool limit_user_run(struct limit_user *user, const struct assemble_limits *limits,
		    uint64_t now_ns);

/* `part` of `whole` is more than `percent` allows. */
static inline bool limit_share_over(uint64_t part, uint64_t whole, uint32_t percent)
{
	return percent && part > whole / 100 * percent;
}

/* The same record with its name cut, in `scratch`: START, NAME and EVENT. False:
 * it is within the limit (or there is no memory to cut it in). */
bool limit_cut_name(const struct assemble_limits *limits, const uint8_t *record,
		    struct buf *scratch);

#endif
