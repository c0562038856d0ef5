#include "drain/ring_state.h"

#include <errno.h>
#include <string.h>

#include "wire/record.h"

#define BLOCKS_MAX (uint32_t)(WIRE_RING_BYTES_MAX / WIRE_BLOCK_BYTES)

/* ---- writing --------------------------------------------------------------- */

/* What the log knows of a block. False: nothing worth a line. */
static bool block_state(const struct ring_block *block, struct drain_state_block *ret)
{
	*ret = (struct drain_state_block){.generation = block->generation, .end = block->end};
	switch (block->phase) {
	case BLOCK_FREE:
	case BLOCK_RETURNING:
		ret->flags = DRAIN_STATE_SEALED;
		break;
	case BLOCK_OPEN:
		if (block->entered)
			break;
		/* Seen, but nothing of it was logged: it was free. */
		ret->generation--;
		ret->end = 0;
		ret->flags = DRAIN_STATE_SEALED;
		break;
	default:
		break;
	}
	return ret->generation != 0;
}

static struct drain_state_head head_of(const struct ring *ring)
{
	const struct ring_identity *identity = &ring->identity;
	struct drain_state_head head = {
		.version = DRAIN_STATE_VERSION,
		.anchor_ticks = identity->anchor_ticks,
		.anchor_mono_ns = identity->anchor_mono_ns,
		.anchor_boot_ns = identity->anchor_boot_ns,
		.anchor_wall_ns = identity->anchor_wall_ns,
		.time_namespace = identity->time_namespace,
		.clock = identity->clock,
		.pid = identity->pid,
		.uid = identity->uid,
		.block_count = identity->block_count,
		.facts = (identity->known & RING_PID_KNOWN ? DRAIN_STATE_PID_SEEN : 0) |
			 (identity->known & RING_UID_KNOWN ? 0 : DRAIN_STATE_UID_LOST),
		.written = ring->written_forgotten,
		.drained = ring->counters.drained,
		.dropped_abandoned = ring->counters.dropped_abandoned,
		.dropped_damaged = ring->counters.dropped_damaged,
		.dropped_too_large = ring->counters.dropped_too_large,
		.bytes = ring->counters.bytes,
	};

	memcpy(head.instance, identity->instance, 16);
	memcpy(head.boot_id, identity->boot_id, 16);
	return head;
}

int ring_state_write(const struct ring *ring, struct buf *to)
{
	struct drain_state_head head = head_of(ring);
	struct drain_state_block block;

	buf_append(to, &head, sizeof head);
	for (uint32_t i = 0; i < ring->block_cap; i++) {
		if (!block_state(&ring->blocks[i], &block))
			continue;
		block.block = i;
		buf_append(to, &block, sizeof block);
		head.blocks++;
	}
	for (uint32_t i = 0; i < ring->thread_count; i++) {
		const struct ring_thread *thread = &ring->threads[i];
		struct drain_state_thread line = {
			.number = thread->number,
			.next_block = thread->next_block,
			.next_record = thread->next_record,
			.unknown = thread->unknown,
		};

		if (thread->adopted)
			continue; /* nothing of it was logged yet */
		buf_append(to, &line, sizeof line);
		head.threads++;
	}
	if (buf_failed(to))
		return -ENOMEM;
	memcpy(to->at, &head, sizeof head);
	return 0;
}

/* ---- reading --------------------------------------------------------------- */

static void identity_read(struct ring_identity *identity, const struct drain_state_head *head)
{
	*identity = (struct ring_identity){
		.anchor_ticks = head->anchor_ticks,
		.anchor_mono_ns = head->anchor_mono_ns,
		.anchor_boot_ns = head->anchor_boot_ns,
		.anchor_wall_ns = head->anchor_wall_ns,
		.time_namespace = head->time_namespace,
		.clock = head->clock,
		.pid = head->pid,
		.uid = head->uid,
		.block_count = head->block_count,
		.known = (head->facts & DRAIN_STATE_PID_SEEN ? RING_PID_KNOWN : 0) |
			 (head->facts & DRAIN_STATE_UID_LOST ? 0 : RING_UID_KNOWN),
	};
	memcpy(identity->instance, head->instance, 16);
	memcpy(identity->boot_id, head->boot_id, 16);
}

static int block_put(struct ring *ring, uint32_t index, uint32_t generation, uint32_t end,
		     bool sealed)
{
	int r;

	if (index >= BLOCKS_MAX || end > WIRE_BLOCK_BYTES)
		return -EBADMSG;
	r = ring_blocks_grow(ring, index + 1);
	if (r < 0)
		return r;
	ring->blocks[index] = (struct ring_block){
		.generation = generation,
		.end = sealed ? 0 : end,
		.next = RING_NONE,
		.phase = sealed ? BLOCK_FREE : BLOCK_RESUMED,
		.entered = !sealed,
	};
	return 0;
}

static int blocks_read(struct ring *ring, const uint8_t *at, uint32_t count)
{
	struct drain_state_block line;
	int r;

	for (uint32_t i = 0; i < count; i++) {
		memcpy(&line, at + (size_t)i * sizeof line, sizeof line);
		r = block_put(ring, line.block, line.generation, line.end,
			      line.flags & DRAIN_STATE_SEALED);
		if (r < 0)
			return r;
	}
	return 0;
}

static int threads_read(struct ring *ring, const uint8_t *at, uint32_t count)
{
	struct drain_state_thread line;
	struct ring_thread *thread;
	uint32_t index;
	int r;

	for (uint32_t i = 0; i < count; i++) {
		memcpy(&line, at + (size_t)i * sizeof line, sizeof line);
		r = ring_thread_get(ring, line.number, &index);
		if (r < 0)
			return r == -EPROTO ? -EBADMSG : r;
		thread = &ring->threads[index];
		thread->next_block = line.next_block;
		thread->next_record = line.next_record;
		thread->said = line.next_record - 1;
		thread->unknown = line.unknown;
	}
	return 0;
}

int ring_state_read(struct ring *ring, struct bytes state)
{
	struct drain_state_head head;
	uint64_t want;
	int r;

	if (state.len < sizeof head)
		return -EBADMSG;
	memcpy(&head, state.at, sizeof head);
	want = sizeof head + (uint64_t)head.blocks * sizeof(struct drain_state_block) +
	       (uint64_t)head.threads * sizeof(struct drain_state_thread);
	if (head.version != DRAIN_STATE_VERSION || state.len != want ||
	    head.block_count > BLOCKS_MAX ||
	    memcmp(head.instance, ring->identity.instance, sizeof head.instance) != 0)
		return -EBADMSG;
	ring_fini(ring);
	identity_read(&ring->identity, &head);
	ring->written_forgotten = head.written;
	ring->counters.drained = head.drained;
	ring->counters.dropped_abandoned = head.dropped_abandoned;
	ring->counters.dropped_damaged = head.dropped_damaged;
	ring->counters.dropped_too_large = head.dropped_too_large;
	ring->counters.bytes = head.bytes;
	r = blocks_read(ring, state.at + sizeof head, head.blocks);
	if (r == 0)
		r = threads_read(ring,
				 state.at + sizeof head +
					 (size_t)head.blocks * sizeof(struct drain_state_block),
				 head.threads);
	return r;
}

/* ---- adding ---------------------------------------------------------------- */

/* What the process said about its end must be known after a restart, too. The
 * records come from the log and were checked before they went there. */
static void farewell_find(struct ring *ring, struct bytes records)
{
	size_t at = 0;

	while (records.len - at >= sizeof(struct wire_head)) {
		struct wire_head head = record_head(records.at + at);
		struct wire_process_end_record end;

		/* The length itself first: padding may wrap. */
		if (head.length < sizeof head || head.length > records.len - at ||
		    record_padded(head.length) > records.len - at)
			return;
		if (head.type == WIRE_PROCESS_END && head.length >= sizeof end) {
			end = record_get_process_end(records.at + at);
			ring->farewell = (struct ring_farewell){
				.said = true,
				.how = end.head.aux,
				.code_known = end.head.flags & WIRE_PROCESS_CODE_KNOWN,
				.code = end.code,
			};
		}
		at += record_padded(head.length);
	}
}

static int slice_add(struct ring *ring, const struct slice *slice)
{
	struct ring_thread *thread;
	uint32_t index;
	int r;

	r = block_put(ring, slice->block, slice->generation, slice->end, slice->sealed);
	if (r < 0)
		return r;
	r = ring_thread_get(ring, slice->thread, &index);
	if (r < 0)
		return r == -EPROTO ? -EBADMSG : r;
	thread = &ring->threads[index];
	if (thread->adopted) {
		thread->adopted = false;
		thread->unknown = slice->first_record - 1;
		thread->next_record = slice->first_record;
	}
	/* What lies between was logged, and the log is damaged there. */
	if (slice->first_record > thread->next_record)
		ring->counters.dropped_damaged += slice->first_record - thread->next_record;
	thread->next_block = slice->thread_block + slice->sealed;
	thread->next_record = slice->first_record + slice->record_count;
	thread->said = thread->next_record - 1;
	ring->counters.drained += slice->record_count - slice->dropped_count;
	ring->counters.dropped_damaged += slice->dropped_count;
	ring->counters.bytes += slice->end - slice->start;
	farewell_find(ring, slice->records);
	return 0;
}

int ring_state_add(struct ring *ring, const struct slice *slices, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		int r = slice_add(ring, &slices[i]);

		if (r < 0)
			return r;
	}
	return 0;
}
