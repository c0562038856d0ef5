/* From the spans of a batch to a request: all of them, or a part. */
#include "export/batch.h"

#include <assert.h>
#include <errno.h>

#include "export/batch_stage.h"

/* Which spans a request has: `n` in order of arrival, from `first`. */
struct part {
	uint32_t first, n;
};

static uint8_t *put_optional(uint8_t *at, uint8_t tag, const struct batch *batch,
			     struct piece piece)
{
	if (!piece.len)
		return at;
	at = put_header(at, tag, piece.len);
	memcpy(at, batch->copies.at + piece.offset, piece.len);
	return at + piece.len;
}

/* --- sizes ------------------------------------------------------------------ */

/* A group's spans are in order of arrival, so the part's are behind each other. */
static uint32_t part_begin(const struct batch *batch, const struct batch_group *group,
			   struct part part)
{
	uint32_t i = group->span_first;

	while (i != NONE && i < part.first)
		i = batch->spans[i].next;
	return i;
}

static void count_bytes(const struct batch *batch, struct batch_group *group, struct part part)
{
	group->part_bytes = 0;
	for (uint32_t i = part_begin(batch, group, part); i != NONE && i < part.first + part.n;
	     i = batch->spans[i].next)
		group->part_bytes += batch->spans[i].len;
}

static size_t scope_spans_size(const struct batch_group *group)
{
	return optional_size(group->scope.len) + optional_size(group->scope_schema_url.len) +
	       group->part_bytes;
}

/* 0: none of its spans is in the part. */
static size_t resource_spans_size(const struct batch *batch, const struct batch_group *leader)
{
	size_t head = optional_size(leader->resource.len) +
		      optional_size(leader->resource_schema_url.len);
	size_t scopes = 0;

	for (const struct batch_group *group = leader;;
	     group = &batch->groups[group->sibling]) {
		if (group->part_bytes)
			scopes += field_size(scope_spans_size(group));
		if (group->sibling == NONE)
			return scopes ? head + scopes : 0;
	}
}

/* --- writing ------------------------------------------------------------------ */

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
			  const struct batch_group *group, struct part part)
{
	for (uint32_t i = part_begin(batch, group, part); i != NONE && i < part.first + part.n;
	     i = batch->spans[i].next) {
		memcpy(at, batch->store.at + batch->spans[i].offset, batch->spans[i].len);
		at += batch->spans[i].len;
	}
	return at;
}

static uint8_t *put_leader(uint8_t *begin, uint8_t *at, struct batch *batch, uint32_t leader,
			   struct part part)
{
	at = put_resource(at, batch, &batch->groups[leader]);
	for (uint32_t i = leader; i != NONE; i = batch->groups[i].sibling) {
		if (!batch->groups[i].part_bytes)
			continue;
		at = put_scope(at, batch, &batch->groups[i]);
		batch->groups[i].part_offset = (size_t)(at - begin);
		at = put_spans(at, batch, &batch->groups[i], part);
	}
	return at;
}

static int gather(struct batch *batch, struct part part, struct buf *out)
{
	uint8_t *at;
	int r;

	buf_reset(out);
	r = buf_reserve(out, TRANSPORT_FRAMING + batch->size_bound);
	if (r < 0)
		return r;
	at = out->at + TRANSPORT_FRAMING;
	for (uint32_t i = 0; i < batch->groups_n; i++)
		count_bytes(batch, &batch->groups[i], part);
	for (uint32_t i = 0; i < batch->groups_n; i++)
		if (batch->groups[i].leader == i &&
		    resource_spans_size(batch, &batch->groups[i]))
			at = put_leader(out->at, at, batch, i, part);
	out->len = (size_t)(at - out->at);
	assert(out->len <= TRANSPORT_FRAMING + batch->size_bound);
	grpc_frame_put(out->at, out->len - TRANSPORT_FRAMING, false);
	return 0;
}

/* --- interface ----------------------------------------------------------------- */

static void seal_one_group(struct batch *batch)
{
	struct batch_group *group = &batch->groups[0];
	size_t message, head;
	uint8_t *start, *at;

	group->part_bytes = batch->store.len - batch->head_room;
	message = field_size(resource_spans_size(batch, group));
	head = TRANSPORT_FRAMING + message - group->part_bytes;
	assert(head <= batch->head_room);
	start = batch->store.at + batch->head_room - head;
	grpc_frame_put(start, message, false);
	at = put_resource(start + TRANSPORT_FRAMING, batch, group);
	at = put_scope(at, batch, group);
	assert(at == batch->store.at + batch->head_room);
	batch->framed = (struct bytes){start, TRANSPORT_FRAMING + message};
}

/* Where each span lies in the gathered request. */
static void follow_spans(struct batch *batch, const struct buf *gathered)
{
	size_t offset;

	for (uint32_t g = 0; g < batch->groups_n; g++) {
		offset = batch->groups[g].part_offset;
		for (uint32_t i = batch->groups[g].span_first; i != NONE;
		     i = batch->spans[i].next) {
			batch->spans[i].offset = offset;
			offset += batch->spans[i].len;
		}
		assert(offset <= gathered->len);
	}
}

static int seal_groups(struct batch *batch, struct buf *spare)
{
	struct part all = {0, (uint32_t)batch->spans_n};
	struct buf swap;
	int r;

	r = gather(batch, all, spare);
	if (r < 0)
		return r;
	follow_spans(batch, spare);
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

int batch_part(struct batch *batch, uint32_t first, uint32_t n, struct buf *out)
{
	assert(batch->framed.at && n && first + n <= batch->spans_n);
	return gather(batch, (struct part){first, n}, out);
}
