/* Between the batch's own files: how it keeps what it was given, and the pieces a
 * request is put together from. */
#ifndef EXPORT_BATCH_STAGE_H
#define EXPORT_BATCH_STAGE_H

#include "export/batch.h"
#include "otlp/pb.h"

/* Field numbers of the OTLP messages, as (number << 3 | 2): length-delimited. */
#define TAG_REQUEST_RESOURCE_SPANS 0x0a
#define TAG_RESOURCE 0x0a
#define TAG_SCOPE_SPANS 0x12
#define TAG_SCOPE 0x0a
#define TAG_SPAN 0x12
#define TAG_SCHEMA_URL 0x1a

#define NONE UINT32_MAX

struct batch_span {
	size_t offset; /* in `store` */
	size_t len;    /* with tag and length */
	uint32_t next; /* of the same group */
};

struct piece {
	size_t offset; /* in `copies` */
	size_t len;
};

/* Spans of one resource and one scope. The first group of a resource leads the
 * others of that resource. */
struct batch_group {
	struct piece resource, resource_schema_url, scope, scope_schema_url;
	uint64_t hash, resource_hash;
	uint32_t chain, resource_chain; /* next in the bucket */
	uint32_t leader;
	uint32_t sibling, sibling_last; /* groups of one leader */
	uint32_t span_first, span_last;
	size_t part_bytes;  /* of its spans in the part that is being written */
	size_t part_offset; /* where those lie in it */
};

static inline size_t field_size(size_t len)
{
	return 1 + pb_varint_size(len) + len;
}

/* An absent message and an empty one mean the same; absent is shorter. */
static inline size_t optional_size(size_t len)
{
	return len ? field_size(len) : 0;
}

static inline uint8_t *put_header(uint8_t *at, uint8_t tag, size_t len)
{
	*at++ = tag;
	return pb_put_varint(at, len);
}

#endif
