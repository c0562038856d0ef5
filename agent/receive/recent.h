/* The spans that the log was given last, whichever way they came: so that a request
 * that is sent again, because its answer was not heard, or that comes back by way of
 * a collector, is known and not taken twice. A span is what its ids and its times
 * say, however its other bytes were put in order on the way.
 *
 * Memory is fixed; what is older than about RECENT_SPANS others is forgotten, and
 * then the archive's files still have each span once. One owner, one thread. */
#ifndef RECEIVE_RECENT_H
#define RECEIVE_RECENT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"

#define RECENT_SPANS 65536u

struct recent {
	uint64_t *slots; /* keys, in buckets of a cache line; 0: free */
	uint64_t seed[2];
};

/* `seed` is random: ids are a sender's choice, it must not choose keys. -ENOMEM. */
int recent_init(struct recent *recent, const uint64_t seed[2]);
/* Also of a zeroed one. */
void recent_fini(struct recent *recent);

struct span_view {
	struct bytes trace_id, span_id, parent_id;
	uint64_t start_ns, end_ns;
};

/* Of an encoded Span; what it does not say is empty or 0. */
struct span_view span_view_of(struct bytes span);

/* Of a span whose ids are 16 and 8 bytes; never 0. */
uint64_t recent_key(const struct recent *recent, const struct span_view *span);
bool recent_has(const struct recent *recent, uint64_t key);
/* Its bucket's oldest is forgotten for it. */
void recent_add(struct recent *recent, uint64_t key);

#endif
