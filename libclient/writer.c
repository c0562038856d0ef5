#include "writer.h"

#include "client.h"

/* A first piece smaller than this is not worth its head. */
#define FIRST_PIECE_MIN 64u

#define FIRST_HEAD ((uint32_t)sizeof(struct wire_fragment_first))
#define PIECE_HEAD ((uint32_t)sizeof(struct wire_head))

/* ---- fragments ------------------------------------------------------------- */

static void piece_begin(struct writer *writer, unsigned flags, uint32_t head_bytes,
			uint32_t whole)
{
	struct thread *thread = writer->thread;
	uint32_t room = thread->limit - thread->offset - head_bytes;
	uint32_t count = writer->left < room ? writer->left : room;
	struct wire_fragment_first first = {.whole_length = whole};
	uint8_t *at;

	if (count == writer->left)
		flags |= WIRE_FRAGMENT_LAST;
	writer->padded = record_padded(head_bytes + count);
	at = writer_place(thread, writer->padded);
	first.head = record_make_head(WIRE_FRAGMENT, head_bytes + count, flags, 0);
	memcpy(at, &first, head_bytes);
	writer->at = at + head_bytes;
	writer->end = writer->at + count;
	writer->left -= count;
}

static void next_piece(struct writer *writer)
{
	struct thread *thread = writer->thread;

	writer_done(thread, writer->padded);
	block_open_next(thread);
	piece_begin(writer, 0, PIECE_HEAD, 0);
}

void writer_put_slow(struct writer *writer, const uint8_t *bytes, size_t count)
{
	while (count) {
		size_t room = (size_t)(writer->end - writer->at);
		size_t take = count < room ? count : room;

		if (take == 0) {
			if (!writer->left)
				return; /* more than was announced: never written */
			next_piece(writer);
			continue;
		}
		memcpy(writer->at, bytes, take);
		writer->at += take;
		bytes += take;
		count -= take;
	}
}

static int begin_fragments(struct writer *writer, uint32_t length)
{
	struct thread *thread = writer->thread;
	uint32_t rest = writer_rest(thread), here = 0, blocks;
	uint32_t each = WIRE_BLOCK_BYTES - PIECE_HEAD;
	int r;

	if (rest >= FIRST_PIECE_MIN)
		here = rest - FIRST_HEAD;
	/* Without a first piece here, the first new block has the longer head. */
	blocks = (length - here + (here ? 0 : FIRST_HEAD - PIECE_HEAD) + each - 1) / each;
	r = block_claim_chain(thread, blocks);
	if (r < 0)
		return r;
	writer->left = length;
	if (!here)
		block_open_next(thread);
	piece_begin(writer, WIRE_FRAGMENT_FIRST, FIRST_HEAD, length);
	return 0;
}

int writer_begin(struct writer *writer, struct thread *thread, uint64_t length)
{
	uint64_t largest = (uint64_t)thread->ring->block_count / 4 * WIRE_BLOCK_BYTES;
	uint32_t padded;
	int r;

	if (length > largest || length > UINT32_MAX - WIRE_BLOCK_BYTES)
		return -EMSGSIZE;
	writer->thread = thread;
	padded = record_padded((uint32_t)length);
	if (padded > WRITER_SMALL_MAX && padded > writer_rest(thread))
		return begin_fragments(writer, (uint32_t)length);
	r = writer_room(thread, padded, BLOCK_FOR_VALUE);
	if (r < 0)
		return r;
	writer->padded = padded;
	writer->left = 0;
	writer->at = writer_place(thread, padded);
	writer->end = writer->at + length;
	return 0;
}

/* ---- what was refused ------------------------------------------------------ */

static enum wire_refusal reason_of(int error)
{
	switch (error) {
	case -ENOBUFS:
		return WIRE_REFUSED_RING_FULL;
	case -EMSGSIZE:
		return WIRE_REFUSED_TOO_LARGE;
	case -ENOMEM:
		return WIRE_REFUSED_NO_MEMORY;
	default:
		return WIRE_REFUSED_INVALID;
	}
}

void writer_count(struct thread *thread, int error)
{
	ring_refuse(thread->ring, reason_of(error));
	client_report_refusal(-error);
}

void writer_refuse(struct thread *thread, const struct spanring_span *span,
		   enum writer_lost what, uint32_t count, int error)
{
	struct thread_drop *drop = &thread->drop;
	enum wire_refusal reason = reason_of(error);

	writer_count(thread, error);
	if (memcmp(drop->span_id, span->span_id, sizeof drop->span_id) != 0 ||
	    drop->reason != reason) {
		if (drop->attributes | drop->events | drop->links)
			writer_say_drops_slow(thread, BLOCK_FOR_VALUE);
		memset(drop, 0, sizeof *drop);
		memcpy(drop->span_id, span->span_id, sizeof drop->span_id);
		drop->reason = reason;
	}
	if (what == WRITER_LOST_ATTRIBUTES)
		drop->attributes += count;
	else if (what == WRITER_LOST_EVENTS)
		drop->events += count;
	else
		drop->links += count;
}

/* Only with a span's end may it take from the reserve: each span has credit
 * for one. Where there is no room, the header's counters have to do. */
void writer_say_drops_slow(struct thread *thread, enum block_use use)
{
	struct thread_drop *drop = &thread->drop;
	struct wire_dropped record = {
		.head = record_make_head(WIRE_DROPPED, sizeof record, 0, 0),
		.attributes = drop->attributes,
		.events = drop->events,
		.links = drop->links,
		.reason = drop->reason,
	};

	if (writer_room(thread, sizeof record, use) == 0) {
		memcpy(record.span_id, drop->span_id, sizeof record.span_id);
		memcpy(writer_place(thread, sizeof record), &record, sizeof record);
		writer_done(thread, sizeof record);
		writer_commit(thread);
	}
	memset(drop, 0, sizeof *drop);
}

void writer_end_lost(struct thread *thread, const uint8_t span_id[8])
{
	struct wire_ring_header *header = thread->ring->header;
	struct wire_lost_end *slot;
	uint32_t index;

	ring_refuse(thread->ring, WIRE_REFUSED_END_LOST);
	/* Relaxed: it hands out slots; `ready` publishes what is in them. The
	 * check before keeps the count from wrapping around to slot 0. */
	if (atomic_load_explicit(&header->lost_end_next, memory_order_relaxed) >=
	    WIRE_LOST_END_SLOTS)
		return;
	index = atomic_fetch_add_explicit(&header->lost_end_next, 1, memory_order_relaxed);
	if (index >= WIRE_LOST_END_SLOTS)
		return;
	slot = &header->lost_end[index];
	memcpy(slot->span_id, span_id, sizeof slot->span_id);
	/* P4: release, pairs with the agent's acquire of `ready`. */
	atomic_store_explicit(&slot->ready, 1, memory_order_release);
}
