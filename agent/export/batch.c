#include "export/batch.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "export/batch_stage.h"

#define BUCKETS 256

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

/* --- sizes --------------------------------------------------------------- */

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
	size_t head = batch->spans_n ? 0 : TRANSPORT_FRAMING + envelope_bound(span);
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
