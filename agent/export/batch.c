#include "export/batch.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "otlp/pb.h"

/* Field numbers of the OTLP messages, as (number << 3 | 2): length-delimited. */
#define TAG_REQUEST_RESOURCE_SPANS 0x0a
#define TAG_RESOURCE 0x0a
#define TAG_SCOPE_SPANS 0x12
#define TAG_SCOPE 0x0a
#define TAG_SPAN 0x12
#define TAG_SCHEMA_URL 0x1a

#define BUCKETS 256
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
	size_t spans_bytes;
};

int batch_init(struct batch *batch, size_t spans_max)
{
	*batch = (struct batch){.store = BUF_INIT, .copies = BUF_INIT};
	if (!spans_max || spans_max > BATCH_SPANS_LIMIT)
		return -EINVAL;
	batch->spans = calloc(spans_max, sizeof(*batch->spans));
	batch->buckets = malloc(2 * BUCKETS * sizeof(*batch->buckets));
	if (!batch->spans || !batch->buckets) {
		batch_fini(batch);
		return -ENOMEM;
	}
	batch->spans_max = spans_max;
	return 0;
}

void batch_fini(struct batch *batch)
{
	buf_fini(&batch->store);
	buf_fini(&batch->copies);
	free(batch->spans);
	free(batch->groups);
	free(batch->buckets);
	*batch = (struct batch){.store = BUF_INIT, .copies = BUF_INIT};
}

static void buf_keep(struct buf *buf, size_t keep)
{
	if (buf->cap > keep)
		buf_fini(buf);
	buf_reset(buf);
}

void batch_reset(struct batch *batch, size_t keep)
{
	buf_keep(&batch->store, keep);
	buf_keep(&batch->copies, keep / 8);
	batch->head_room = 0;
	batch->size_bound = 0;
	batch->framed = (struct bytes){NULL, 0};
	batch->spans_n = 0;
	batch->groups_n = 0;
	batch->group_last = 0;
	batch->first_number = 0;
	batch->last_number = 0;
}

/* --- sizes and writing --------------------------------------------------- */

static size_t field_size(size_t len)
{
	return 1 + pb_varint_size(len) + len;
}

/* An absent message and an empty one mean the same; absent is shorter. */
static size_t optional_size(size_t len)
{
	return len ? field_size(len) : 0;
}

static uint8_t *put_header(uint8_t *at, uint8_t tag, size_t len)
{
	*at++ = tag;
	return pb_put_varint(at, len);
}

static uint8_t *put_optional(uint8_t *at, uint8_t tag, const struct batch *batch,
			     struct piece piece)
{
	if (!piece.len)
		return at;
	at = put_header(at, tag, piece.len);
	memcpy(at, batch->copies.at + piece.offset, piece.len);
	return at + piece.len;
}

/* What one group costs at most besides its spans. */
static size_t envelope_bound(const struct finished_span *span)
{
	return 2 * (1 + PB_VARINT_MAX) + optional_size(span->resource.len) +
	       optional_size(span->resource_schema_url.len) + optional_size(span->scope.len) +
	       optional_size(span->scope_schema_url.len);
}

size_t batch_size_alone(const struct finished_span *span)
{
	return envelope_bound(span) + field_size(span->span.len);
}

/* --- groups -------------------------------------------------------------- */

/* Not against attackers - a hostile module can only make its own lookups
 * slower, and chains are at most one batch long - but fast for the few hundred
 * bytes of a resource: eight at a time. */
static uint64_t hash_bytes(uint64_t hash, struct bytes bytes)
{
	const uint64_t factor = 0x9e3779b97f4a7c15u;
	uint64_t word;

	hash = (hash ^ bytes.len) * factor;
	while (bytes.len >= sizeof(word)) {
		memcpy(&word, bytes.at, sizeof(word));
		hash = (hash ^ word) * factor;
		hash ^= hash >> 29;
		bytes.at += sizeof(word);
		bytes.len -= sizeof(word);
	}
	for (word = 0; bytes.len; bytes.len--)
		word = word << 8 | bytes.at[bytes.len - 1];
	hash = (hash ^ word) * factor;
	return hash ^ hash >> 32;
}

static uint64_t hash_resource(const struct finished_span *span)
{
	return hash_bytes(hash_bytes(1, span->resource), span->resource_schema_url);
}

static uint64_t hash_group(uint64_t resource_hash, const struct finished_span *span)
{
	return hash_bytes(hash_bytes(resource_hash, span->scope), span->scope_schema_url);
}

static bool piece_equals(const struct batch *batch, struct piece piece, struct bytes bytes)
{
	return piece.len == bytes.len && (!bytes.len || memcmp(batch->copies.at + piece.offset,
							       bytes.at, bytes.len) == 0);
}

static bool same_resource(const struct batch *batch, const struct batch_group *group,
			  const struct finished_span *span)
{
	return piece_equals(batch, group->resource, span->resource) &&
	       piece_equals(batch, group->resource_schema_url, span->resource_schema_url);
}

static bool same_group(const struct batch *batch, const struct batch_group *group,
		       const struct finished_span *span)
{
	return piece_equals(batch, group->scope, span->scope) &&
	       piece_equals(batch, group->scope_schema_url, span->scope_schema_url) &&
	       same_resource(batch, group, span);
}

static uint32_t *group_bucket(const struct batch *batch, uint64_t hash)
{
	return &batch->buckets[hash % BUCKETS];
}

static uint32_t *resource_bucket(const struct batch *batch, uint64_t hash)
{
	return &batch->buckets[BUCKETS + hash % BUCKETS];
}

/* The bytes decide, never the pointer: the caller may have read the next
 * span into the same buffer. */
static uint32_t group_find(const struct batch *batch, const struct finished_span *span,
			   uint64_t hash)
{
	uint32_t i = *group_bucket(batch, hash);

	while (i != NONE &&
	       (batch->groups[i].hash != hash || !same_group(batch, &batch->groups[i], span)))
		i = batch->groups[i].chain;
	return i;
}

static uint32_t leader_find(const struct batch *batch, const struct finished_span *span,
			    uint64_t resource_hash)
{
	uint32_t i = *resource_bucket(batch, resource_hash);

	while (i != NONE && (batch->groups[i].resource_hash != resource_hash ||
			     !same_resource(batch, &batch->groups[i], span)))
		i = batch->groups[i].resource_chain;
	return i;
}

static struct piece piece_copy(struct batch *batch, struct bytes bytes)
{
	struct piece piece = {batch->copies.len, bytes.len};

	(void)buf_append(&batch->copies, bytes.at, bytes.len); /* reserved by the caller */
	return piece;
}

static int groups_reserve(struct batch *batch, const struct finished_span *span)
{
	size_t cap = batch->groups_cap ? batch->groups_cap * 2 : 4;
	struct batch_group *groups;

	if (batch->groups_n == batch->groups_cap) {
		groups = realloc(batch->groups, cap * sizeof(*groups));
		if (!groups)
			return -ENOMEM;
		batch->groups = groups;
		batch->groups_cap = cap;
	}
	return buf_reserve(&batch->copies, envelope_bound(span));
}

/* Files group `i` in the buckets and under the leader of its resource. */
static void group_link(struct batch *batch, uint32_t i, const struct finished_span *span)
{
	struct batch_group *group = &batch->groups[i];
	uint32_t *bucket = group_bucket(batch, group->hash);
	uint32_t leader = leader_find(batch, span, group->resource_hash);

	group->chain = *bucket;
	*bucket = i;
	if (leader == NONE) {
		bucket = resource_bucket(batch, group->resource_hash);
		group->resource_chain = *bucket;
		*bucket = i;
		return;
	}
	group->leader = leader;
	batch->groups[batch->groups[leader].sibling_last].sibling = i;
	batch->groups[leader].sibling_last = i;
}

static int group_new(struct batch *batch, const struct finished_span *span, uint64_t hash,
		     uint64_t resource_hash)
{
	uint32_t i = (uint32_t)batch->groups_n;
	int r;

	r = groups_reserve(batch, span);
	if (r < 0)
		return r;
	if (!i)
		memset(batch->buckets, 0xff, 2 * BUCKETS * sizeof(*batch->buckets));
	batch->groups[i] = (struct batch_group){
		.resource = piece_copy(batch, span->resource),
		.resource_schema_url = piece_copy(batch, span->resource_schema_url),
		.scope = piece_copy(batch, span->scope),
		.scope_schema_url = piece_copy(batch, span->scope_schema_url),
		.hash = hash,
		.resource_hash = resource_hash,
		.leader = i,
		.sibling = NONE,
		.sibling_last = i,
		.span_first = NONE,
		.span_last = NONE,
		.chain = NONE,
		.resource_chain = NONE,
	};
	group_link(batch, i, span);
	batch->groups_n++;
	return 0;
}

/* --- adding -------------------------------------------------------------- */

static void span_append(struct batch *batch, uint32_t group_at,
			const struct finished_span *span)
{
	struct batch_group *group = &batch->groups[group_at];
	uint32_t i = (uint32_t)batch->spans_n++;
	uint8_t *start = batch->store.at + batch->store.len;
	uint8_t *at = put_header(start, TAG_SPAN, span->span.len);

	if (span->span.len)
		memcpy(at, span->span.at, span->span.len);
	at += span->span.len;
	batch->spans[i] = (struct batch_span){batch->store.len, (size_t)(at - start), NONE};
	batch->store.len += (size_t)(at - start);
	group->spans_bytes += (size_t)(at - start);
	if (group->span_last == NONE)
		group->span_first = i;
	else
		batch->spans[group->span_last].next = i;
	group->span_last = i;
	batch->group_last = group_at;
	if (!i)
		batch->first_number = span->number;
	batch->last_number = span->number;
}

static int store_reserve(struct batch *batch, const struct finished_span *span)
{
	size_t head = batch->spans_n ? 0 : BATCH_FRAMING + envelope_bound(span);
	int r = buf_reserve(&batch->store, head + field_size(span->span.len));

	if (r == 0 && head) {
		batch->head_room = head;
		batch->store.len = head;
	}
	/* A refusal must not stick: the next, smaller span may fit. */
	batch->store.failed = false;
	return r;
}

int batch_add(struct batch *batch, const struct finished_span *span, size_t bytes_max)
{
	uint64_t resource_hash = 0, hash = 0;
	uint32_t group = (uint32_t)batch->group_last;
	size_t more = field_size(span->span.len);
	int r;

	assert(!batch->framed.at);
	if (batch_full(batch))
		return -ENOSPC;
	if (!batch->spans_n || !same_group(batch, &batch->groups[group], span)) {
		resource_hash = hash_resource(span);
		hash = hash_group(resource_hash, span);
		group = batch->groups_n ? group_find(batch, span, hash) : NONE;
	}
	if (group == NONE)
		more += envelope_bound(span);
	if (batch->spans_n && batch->size_bound + more > bytes_max)
		return -ENOSPC;
	r = store_reserve(batch, span);
	if (r == 0 && group == NONE) {
		group = (uint32_t)batch->groups_n;
		r = group_new(batch, span, hash, resource_hash);
		batch->copies.failed = false;
	}
	if (r < 0)
		return r;
	span_append(batch, group, span);
	batch->size_bound += more;
	return 0;
}

/* --- sealing ------------------------------------------------------------- */

static size_t scope_spans_size(const struct batch_group *group)
{
	return optional_size(group->scope.len) + optional_size(group->scope_schema_url.len) +
	       group->spans_bytes;
}

static size_t resource_spans_size(const struct batch *batch, const struct batch_group *leader)
{
	size_t size = optional_size(leader->resource.len) +
		      optional_size(leader->resource_schema_url.len);

	for (const struct batch_group *group = leader;;
	     group = &batch->groups[group->sibling]) {
		size += field_size(scope_spans_size(group));
		if (group->sibling == NONE)
			return size;
	}
}

/* Schema URLs go before the spans, so that the spans of a message end it. */
static uint8_t *put_resource(uint8_t *at, const struct batch *batch,
			     const struct batch_group *leader)
{
	at = put_header(at, TAG_REQUEST_RESOURCE_SPANS, resource_spans_size(batch, leader));
	at = put_optional(at, TAG_RESOURCE, batch, leader->resource);
	return put_optional(at, TAG_SCHEMA_URL, batch, leader->resource_schema_url);
}

static uint8_t *put_scope(uint8_t *at, const struct batch *batch,
			  const struct batch_group *group)
{
	at = put_header(at, TAG_SCOPE_SPANS, scope_spans_size(group));
	at = put_optional(at, TAG_SCOPE, batch, group->scope);
	return put_optional(at, TAG_SCHEMA_URL, batch, group->scope_schema_url);
}

static uint8_t *put_spans(uint8_t *at, const struct batch *batch,
			  const struct batch_group *group)
{
	for (uint32_t i = group->span_first; i != NONE; i = batch->spans[i].next) {
		memcpy(at, batch->store.at + batch->spans[i].offset, batch->spans[i].len);
		at += batch->spans[i].len;
	}
	return at;
}

static void seal_one_group(struct batch *batch)
{
	const struct batch_group *group = &batch->groups[0];
	size_t message = field_size(resource_spans_size(batch, group));
	size_t head = BATCH_FRAMING + message - group->spans_bytes;
	uint8_t *start, *at;

	assert(head <= batch->head_room);
	start = batch->store.at + batch->head_room - head;
	transport_frame(start, message, false);
	at = put_resource(start + BATCH_FRAMING, batch, group);
	at = put_scope(at, batch, group);
	assert(at == batch->store.at + batch->head_room);
	batch->framed = (struct bytes){start, BATCH_FRAMING + message};
}

static int seal_groups(struct batch *batch, struct buf *spare)
{
	uint8_t *at;
	struct buf swap;
	int r;

	buf_reset(spare);
	r = buf_reserve(spare, BATCH_FRAMING + batch->size_bound);
	if (r < 0)
		return r;
	at = spare->at + BATCH_FRAMING;
	for (uint32_t i = 0; i < batch->groups_n; i++) {
		if (batch->groups[i].leader != i)
			continue;
		at = put_resource(at, batch, &batch->groups[i]);
		for (uint32_t j = i; j != NONE; j = batch->groups[j].sibling) {
			at = put_scope(at, batch, &batch->groups[j]);
			at = put_spans(at, batch, &batch->groups[j]);
		}
	}
	spare->len = (size_t)(at - spare->at);
	assert(spare->len <= BATCH_FRAMING + batch->size_bound);
	transport_frame(spare->at, spare->len - BATCH_FRAMING, false);
	swap = batch->store;
	batch->store = *spare;
	*spare = swap;
	buf_reset(spare);
	batch->framed = buf_bytes(&batch->store);
	return 0;
}

int batch_seal(struct batch *batch, struct buf *spare)
{
	assert(batch->spans_n && !batch->framed.at);
	if (batch->groups_n > 1)
		return seal_groups(batch, spare);
	seal_one_group(batch);
	return 0;
}
