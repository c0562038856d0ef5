/* One request in the making: finished spans collected into one
 * ExportTraceServiceRequest, framed for gRPC.
 *
 * Span bytes are copied once, in order of arrival, behind each other. Where
 * all of them hang under one resource and one scope - the usual case - sealing
 * writes the envelope into the room left in front of them and the request is
 * complete. Where not, sealing gathers them group by group into a second
 * buffer, the `spare`, and the two change places.
 *
 * One owner, one thread. */
#ifndef EXPORT_BATCH_H
#define EXPORT_BATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/finished_span.h"
#include "export/transport.h"

#define BATCH_SPANS_LIMIT 65535

struct batch_span;
struct batch_group;

struct batch {
	struct buf store;    /* head room, then spans (tag, length, bytes) */
	struct buf copies;   /* resources, scopes and schema URLs of the groups */
	size_t head_room;    /* bytes free at the front of `store` */
	size_t size_bound;   /* the encoded request is not larger than this */
	struct bytes framed; /* the sealed request with its gRPC prefix */

	struct batch_span *spans;
	size_t spans_n;
	size_t spans_max;

	struct batch_group *groups; /* in order of first appearance */
	size_t groups_n;
	size_t groups_cap;
	size_t group_last; /* of the newest span */
	uint32_t *buckets; /* by hash of group, then of resource */

	uint64_t first_number;
	uint64_t last_number;
};

/* Room for `spans_max` (1 to BATCH_SPANS_LIMIT) spans. -EINVAL, -ENOMEM. */
int batch_init(struct batch *batch, size_t spans_max);
void batch_fini(struct batch *batch);

/* Empties it and keeps at most about `keep` bytes of memory. */
void batch_reset(struct batch *batch, size_t keep);

/* The encoded size of a request with this span alone (upper bound). */
size_t batch_size_alone(const struct finished_span *span);

/* Copies the span in, unless the request would grow over `bytes_max`; the
 * first span is always taken. -ENOSPC: seal this one first. -ENOMEM. Either
 * way unchanged. */
int batch_add(struct batch *batch, const struct finished_span *span, size_t bytes_max);

/* Builds the request; `framed` then holds it, prefix included, until
 * batch_reset(). Nothing may be added any more. At least one span. -ENOMEM:
 * try again later. */
int batch_seal(struct batch *batch, struct buf *spare);

/* Writes the framed request of `n` of its spans, in order of arrival from `first`.
 * The batch is sealed and stays as it is. -ENOMEM. */
int batch_part(struct batch *batch, uint32_t first, uint32_t n, struct buf *out);

static inline bool batch_full(const struct batch *batch)
{
	return batch->spans_n == batch->spans_max;
}

#endif
