/* wal_add_*(): frames into the pending bytes of the segment being written. No
 * I/O happens here: a full segment is followed by a planned one, which gets its
 * file at the next commit. So adding fails only for room, and a place in the
 * log is known at once. */
#include <errno.h>
#include <stdlib.h>

#include "wal/internal.h"

/* A chain being written into reserved memory. */
struct chain_writer {
	struct wal *wal;
	struct wal_segment *segment;
	enum wal_kind kind;
	uint32_t whole;
	uint32_t written; /* payload bytes so far */
	uint8_t *frame;	  /* the one being filled */
	uint32_t filled;
	bool first;
};

static uint64_t salt_new(struct wal *wal)
{
	uint64_t salt;

	/* Without randomness the salt must still differ from that of whatever
	 * lay on these sectors before; the clock does that. */
	if (wal->env->ops->random(wal->env, &salt, sizeof salt) < 0)
		salt = wal->env->ops->wall_ns(wal->env) * UINT64_C(0x9e3779b97f4a7c15) ^
		       wal->next_segment;
	return salt;
}

static uint64_t segment_capacity(const struct wal *wal, uint64_t need)
{
	uint64_t alone = WAL_FRAMES_OFFSET + need;

	return alone > wal->options.segment_bytes ? alone : wal->options.segment_bytes;
}

/* Of a segment's capacity, what wal_bytes() will count once it is on the disk. */
static uint64_t not_counted(const struct wal_segment *segment)
{
	uint64_t end = segment_end(segment);
	uint64_t counted = end > segment->disk_bytes ? end : segment->disk_bytes;

	return counted < segment->capacity ? segment->capacity - counted : 0;
}

/* A quarter above the limit, because the room to carry open spans out of the
 * oldest segments must come from somewhere. */
static bool log_is_full(const struct wal *wal, uint64_t begun, uint64_t capacity)
{
	uint64_t max = wal->max_bytes + wal->max_bytes / 4;
	uint64_t bytes = wal_bytes(wal) + begun;
	uint64_t open =
		wal->open_bytes < wal->disk_bytes / 3 ? wal->open_bytes * 3 : wal->disk_bytes;

	if (max < open)
		max = open;
	/* Released segments are no part of the log any more, but of the disk: the
	 * next sync removes them. */
	return bytes > max + 2 * capacity ||
	       bytes + wal_bytes_released(wal) > max + wal->max_bytes / 4 + 2 * capacity;
}

/* A frame longer than the limit goes alone. */
static bool memory_is_full(const struct wal *wal, bool fresh, uint64_t need)
{
	uint64_t max = wal->options.memory_bytes_max;

	if (!fresh && wal->write_failing)
		max += max / 4;
	if (!wal->pending_bytes || wal->pending_bytes + need <= max)
		return false;
	/* Otherwise a commit makes room. */
	if (wal->write_failing)
		condition_raise(
			wal->options.conditions, CONDITION_LOG_MEMORY_FULL,
			"%s cannot be written and wal.memory_max is used up; rings are not "
			"drained, full ones refuse and count: make %s writable or raise "
			"wal.memory_max",
			wal->options.dir, wal->options.dir);
	return true;
}

static int segment_plan(struct wal *wal, uint64_t need)
{
	struct wal_segment *segment;
	int r;

	segment = segment_new(wal->next_segment);
	if (!segment)
		return -ENOMEM;
	segment->first_sequence = wal->next_sequence;
	segment->first_span_number = wal->next_span_number;
	segment->last_span_number = wal->last_span_number;
	segment->capacity = segment_capacity(wal, need);
	r = segment_put_header(segment, salt_new(wal));
	if (r == 0)
		r = wal_list_append(wal, segment);
	if (r < 0) {
		segment_free(segment, wal->env);
		return r;
	}
	wal->next_segment++;
	wal->writing = true;
	wal->pending_bytes += segment->pending.len;
	scopes_forget(&wal->scopes);
	return 0;
}

/* Finds or begins a segment that has `need` bytes left, and memory for them.
 * `fresh`: it is news from outside, which can wait there; the rest of the room is
 * for what becomes of what the log has already. */
static int room_for(struct wal *wal, bool fresh, uint64_t need)
{
	struct wal_segment *segment = wal_writing(wal);
	bool begins = !segment || segment_end(segment) + need > segment->capacity;
	uint64_t capacity = begins ? segment_capacity(wal, need) : segment->capacity;
	int r;

	assert(wal->recovered); /* otherwise numbers would be given twice */
	if (memory_is_full(wal, fresh, need))
		return -ENOBUFS;
	/* Where a span has begun the segment, its room is not for news yet. */
	if (fresh && (begins || !segment->takes_news) &&
	    log_is_full(wal, begins ? capacity : not_counted(segment), capacity))
		return -ENOBUFS;
	if (begins) {
		r = segment_plan(wal, need);
		if (r < 0)
			return r;
		segment = wal_writing(wal);
	}
	segment->takes_news |= fresh;
	r = buf_reserve(&segment->pending, need);
	if (r < 0)
		segment->pending.failed = false; /* what it holds is whole */
	return r;
}

static struct chain_writer chain_begin(struct wal *wal, enum wal_kind kind, uint64_t whole)
{
	struct wal_segment *segment = wal_writing(wal);

	return (struct chain_writer){
		.wal = wal,
		.segment = segment,
		.kind = kind,
		.whole = (uint32_t)whole,
		.frame = segment->pending.at + segment->pending.len,
		.first = true,
	};
}

static void frame_close(struct chain_writer *chain)
{
	struct wal *wal = chain->wal;
	struct wal_segment *segment = chain->segment;
	uint64_t bytes = frame_bytes(chain->filled);
	struct wal_frame_head head = {
		.length = chain->filled,
		.sequence = wal->next_sequence,
		.kind = (uint8_t)chain->kind,
		.flags = (uint8_t)((chain->first ? 0 : WAL_CONTINUED) |
				   (chain->written < chain->whole ? WAL_MORE : 0)),
		.whole = chain->whole,
		.offset = segment_end(segment),
	};

	frame_seal(chain->frame, segment->seed, head);
	segment->pending.len += bytes;
	segment->pending_sequence = wal->next_sequence++;
	wal->pending_bytes += bytes;
	wal->counters.frames++;
	wal->counters.bytes += bytes;
	chain->frame += bytes;
	chain->filled = 0;
	chain->first = false;
}

static void chain_put(struct chain_writer *chain, const void *at, size_t len)
{
	const uint8_t *from = at;
	size_t n;

	while (len > 0) {
		n = WAL_FRAME_BYTES_MAX - chain->filled;
		if (n > len)
			n = len;
		memcpy(chain->frame + FRAME_HEAD_BYTES + chain->filled, from, n);
		chain->filled += (uint32_t)n;
		chain->written += (uint32_t)n;
		from += n;
		len -= n;
		if (chain->filled == WAL_FRAME_BYTES_MAX)
			frame_close(chain);
	}
}

static uint64_t chain_end(struct chain_writer *chain)
{
	assert(chain->written == chain->whole);
	if (chain->filled > 0 || chain->first)
		frame_close(chain);
	return chain->wal->next_sequence - 1;
}

static struct wal_location location_next(const struct wal *wal)
{
	const struct wal_segment *segment = wal_writing(wal);

	return (struct wal_location){segment->number, (uint32_t)segment_end(segment)};
}

int wal_add(struct wal *wal, enum wal_kind kind, const struct iovec *parts, int n,
	    uint64_t *ret_sequence, struct wal_location *ret_location)
{
	struct wal_location location;
	struct chain_writer chain;
	uint64_t whole = 0;
	int i, r;

	for (i = 0; i < n; i++)
		whole += parts[i].iov_len;
	if (whole > WAL_CHAIN_BYTES_MAX)
		return -E2BIG;
	r = room_for(wal, kind == WAL_RECORD, frame_chain_bytes(whole));
	if (r < 0)
		return r;
	location = location_next(wal);
	chain = chain_begin(wal, kind, whole);
	for (i = 0; i < n; i++)
		chain_put(&chain, parts[i].iov_base, parts[i].iov_len);
	*ret_sequence = chain_end(&chain);
	if (ret_location)
		*ret_location = location;
	return 0;
}

static void put_slice(struct chain_writer *chain, const struct slice *slice,
		      uint32_t *ret_offset)
{
	struct wal_slice head = {
		.block = slice->block,
		.generation = slice->generation,
		.start = slice->start,
		.end = slice->end,
		.thread = slice->thread,
		.thread_block = slice->thread_block,
		.first_record = slice->first_record,
		.record_count = slice->record_count,
		.dropped_count = slice->dropped_count,
		.flags = slice->sealed ? WAL_SLICE_SEALED : 0,
		.length = (uint32_t)slice->records.len,
	};

	chain_put(chain, &head, sizeof head);
	if (ret_offset)
		*ret_offset = chain->written;
	chain_put(chain, slice->records.at, slice->records.len);
}

int wal_add_slices(struct wal *wal, const uint8_t instance[16], const struct slice *slices,
		   uint32_t n, uint64_t *ret_sequence, struct wal_location *ret_location,
		   uint32_t *ret_offsets)
{
	struct wal_record head = {.slices = n};
	struct wal_location location;
	struct chain_writer chain;
	uint64_t whole = sizeof head;
	uint32_t i;
	int r;

	for (i = 0; i < n; i++) {
		assert(slices[i].records.len % 8 == 0);
		whole += sizeof(struct wal_slice) + slices[i].records.len;
	}
	if (whole > WAL_CHAIN_BYTES_MAX)
		return -E2BIG;
	r = room_for(wal, true, frame_chain_bytes(whole));
	if (r < 0)
		return r;
	location = location_next(wal);
	memcpy(head.instance, instance, sizeof head.instance);
	chain = chain_begin(wal, WAL_RECORD, whole);
	chain_put(&chain, &head, sizeof head);
	for (i = 0; i < n; i++)
		put_slice(&chain, &slices[i], ret_offsets ? &ret_offsets[i] : NULL);
	*ret_sequence = chain_end(&chain);
	if (ret_location)
		*ret_location = location;
	return 0;
}

static uint64_t scope_bytes(const struct finished_span *span)
{
	return sizeof(struct wal_scope) + span->resource.len + span->resource_schema_url.len +
	       span->scope.len + span->scope_schema_url.len;
}

static void put_scope(struct wal *wal, const struct finished_span *span, uint32_t number)
{
	struct wal_scope head = {
		.number = number,
		.resource_length = (uint32_t)span->resource.len,
		.resource_schema_url_length = (uint32_t)span->resource_schema_url.len,
		.scope_length = (uint32_t)span->scope.len,
		.scope_schema_url_length = (uint32_t)span->scope_schema_url.len,
	};
	struct chain_writer chain = chain_begin(wal, WAL_SCOPE, scope_bytes(span));

	chain_put(&chain, &head, sizeof head);
	chain_put(&chain, span->resource.at, span->resource.len);
	chain_put(&chain, span->resource_schema_url.at, span->resource_schema_url.len);
	chain_put(&chain, span->scope.at, span->scope.len);
	chain_put(&chain, span->scope_schema_url.at, span->scope_schema_url.len);
	(void)chain_end(&chain); /* the span's own frame comes behind it */
}

/* Room for the span and, should it need one, for its SCOPE frame in front. A
 * new segment knows no scopes, so both are always asked for together. */
static int room_for_span(struct wal *wal, const struct finished_span *span, bool fresh,
			 uint32_t *ret_scope)
{
	uint64_t scope = frame_chain_bytes(scope_bytes(span));
	uint64_t need = frame_chain_bytes(sizeof(struct wal_span) + span->span.len);
	const struct wal_segment *segment = wal_writing(wal);
	uint32_t known = segment ? scopes_find(&wal->scopes, span) : 0;
	int r;

	if (scope_bytes(span) > WAL_CHAIN_BYTES_MAX ||
	    sizeof(struct wal_span) + span->span.len > WAL_CHAIN_BYTES_MAX)
		return -E2BIG;
	if (known && segment_end(segment) + need <= segment->capacity)
		scope = 0;
	r = room_for(wal, fresh, scope + need);
	if (r < 0)
		return r;
	*ret_scope = wal_writing(wal) == segment ? known : 0;
	return *ret_scope ? 0 : scopes_reserve(&wal->scopes, span);
}

int wal_add_span(struct wal *wal, struct finished_span *span, const uint8_t *instance,
		 const uint8_t *span_id, uint64_t *ret_sequence)
{
	struct wal_span head = {.number = wal->next_span_number,
				.flags = span->stale ? WAL_SPAN_STALE : 0};
	struct chain_writer chain;
	int r;

	r = room_for_span(wal, span, !instance, &head.scope);
	if (r < 0)
		return r;
	if (!head.scope) {
		head.scope = scopes_next(&wal->scopes);
		put_scope(wal, span, head.scope);
		r = scopes_add(&wal->scopes, span);
		assert(r == 0); /* reserved */
	}
	memcpy(head.trace_id, span->trace_id, sizeof head.trace_id);
	if (instance)
		memcpy(head.instance, instance, sizeof head.instance);
	if (span_id)
		memcpy(head.span_id, span_id, sizeof head.span_id);
	chain = chain_begin(wal, WAL_SPAN, sizeof head + span->span.len);
	chain_put(&chain, &head, sizeof head);
	chain_put(&chain, span->span.at, span->span.len);
	*ret_sequence = chain_end(&chain);
	span->number = wal->last_span_number = wal->next_span_number++;
	wal_writing(wal)->last_span_number = span->number;
	wal->counters.spans++;
	return 0;
}
