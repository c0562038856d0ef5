#include "drain/collect.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "drain/chain.h"
#include "wire/record.h"

static int broken(const char **ret_reason, const char *reason)
{
	*ret_reason = reason;
	return -EPROTO;
}

void collect_init(struct collect *collect, struct env *env, const struct drain_ops *ops,
		  uint64_t batch_bytes_max, struct drain_counters *counters)
{
	*collect = (struct collect){
		.env = env,
		.ops = ops,
		.batch_bytes_max = batch_bytes_max,
		.counters = counters,
	};
}

void collect_fini(struct collect *collect)
{
	free(collect->at);
	free(collect->slices);
	free(collect->notes);
	free(collect->pieces);
	*collect = (struct collect){0};
}

static void batch_forget(struct collect *collect)
{
	collect->len = 0;
	collect->count = 0;
}

void collect_begin(struct collect *collect, struct ring *ring, uint64_t bytes_max)
{
	collect->ring = ring;
	collect->bytes_max = bytes_max;
	batch_forget(collect);
}

/* ---- the batch ------------------------------------------------------------- */

int collect_room(struct collect *collect, size_t bytes)
{
	size_t cap = collect->cap ? collect->cap : 64 * 1024;
	uint8_t *grown;

	if (bytes <= collect->cap - collect->len)
		return 0;
	while (cap - collect->len < bytes)
		cap *= 2;
	grown = realloc(collect->at, cap);
	if (!grown)
		return -ENOMEM;
	collect->at = grown;
	collect->cap = cap;
	return 0;
}

static int slices_grow(struct collect *collect)
{
	uint32_t cap = collect->slice_cap ? collect->slice_cap * 2 : 64;
	struct collect_note *notes;
	struct slice *slices;

	if (collect->count < collect->slice_cap)
		return 0;
	slices = reallocarray(collect->slices, cap, sizeof *slices);
	if (!slices)
		return -ENOMEM;
	collect->slices = slices;
	notes = reallocarray(collect->notes, cap, sizeof *notes);
	if (!notes)
		return -ENOMEM;
	collect->notes = notes;
	collect->slice_cap = cap;
	return 0;
}

/* Fills in what the cursor knows, and moves it over the slice. */
int collect_add(struct collect *collect, struct cursor *cursor, const struct slice *slice,
		const struct collect_note *note)
{
	struct ring_block *block = &collect->ring->blocks[cursor->block];
	struct slice *to;
	int r = slices_grow(collect);

	if (r < 0)
		return r;
	to = &collect->slices[collect->count];
	*to = *slice;
	collect->notes[collect->count] = *note;
	to->block = cursor->block;
	to->generation = block->generation;
	to->start = cursor->at;
	to->thread = collect->ring->threads[cursor->thread].number;
	to->thread_block = block->thread_block;
	to->first_record = cursor->next_record;
	to->record_count += (uint32_t)cursor->gap;
	to->dropped_count += (uint32_t)cursor->gap;
	to->sealed = block->sealed && to->end == block->mark;
	collect->notes[collect->count].damaged += (uint32_t)cursor->gap;
	collect->notes[collect->count].thread = cursor->thread;
	collect->notes[collect->count].adopts = cursor->adopts;
	collect->count++;

	cursor->gap = 0;
	cursor->adopts = false;
	cursor->next_record += to->record_count;
	cursor->at = to->end;
	cursor->sealed_said = to->sealed;
	return 0;
}

/* ---- acceptance ------------------------------------------------------------ */

static void block_finished(struct ring *ring, uint32_t index)
{
	struct ring_block *block = &ring->blocks[index];
	struct ring_thread *thread = &ring->threads[block->thread];

	/* Slices come in the list's order, so it is the head. */
	thread->head = block->next;
	if (thread->head == RING_NONE)
		thread->tail = RING_NONE;
	thread->next_block++;
	block->next = RING_NONE;
	block->phase = BLOCK_RETURNING;
	if (block->listed)
		ring_open_remove(ring, index);
	if (ring->returning_tail == RING_NONE)
		ring->returning_head = index;
	else
		ring->blocks[ring->returning_tail].next = index;
	ring->returning_tail = index;
}

static void slice_accepted(struct collect *collect, uint32_t i, uint64_t sequence)
{
	const struct slice *slice = &collect->slices[i];
	const struct collect_note *note = &collect->notes[i];
	struct ring *ring = collect->ring;
	struct ring_block *block = &ring->blocks[slice->block];
	struct ring_thread *thread = &ring->threads[note->thread];
	struct drain_ring_counters *counters = &ring->counters;

	if (note->adopts) {
		thread->unknown = block->first_record - 1;
		thread->adopted = false;
	}
	/* By the client's number of the block, not by our count. */
	if (!block->entered)
		thread->said = block->first_record - 1;
	thread->said += note->parsed;
	thread->next_block = slice->thread_block;
	thread->next_record = slice->first_record + slice->record_count;
	thread->gap_round = 0;
	if (note->chain) {
		thread->held = 0;
		thread->chain.active = false;
	}
	counters->drained += slice->record_count - slice->dropped_count;
	counters->dropped_abandoned += note->abandoned;
	counters->dropped_damaged += note->damaged;
	counters->dropped_too_large += note->too_large;
	counters->bytes += slice->end - slice->start;
	collect->counters->bytes += slice->end - slice->start;
	ring->tick_bytes += slice->end - slice->start;
	block->entered = true;
	block->end = slice->end;
	block->sequence = sequence;
	if (slice->sealed)
		block_finished(ring, slice->block);
}

/* The log can never take it: the positions move, the value is counted. */
static bool chains_drop(struct collect *collect)
{
	bool any = false;

	for (uint32_t i = 0; i < collect->count; i++) {
		struct slice *slice = &collect->slices[i];

		if (!collect->notes[i].chain || collect->notes[i].too_large)
			continue;
		any = true;
		collect->notes[i].too_large = slice->record_count - slice->dropped_count;
		slice->dropped_count = slice->record_count;
		slice->records = (struct bytes){NULL, 0};
	}
	return any;
}

static int batch_offer(struct collect *collect, uint64_t *ret_sequence)
{
	for (uint32_t i = 0; i < collect->count; i++)
		if (collect->slices[i].records.len)
			collect->slices[i].records.at = collect->at + collect->notes[i].offset;
	return collect->ops->batch(collect->ops->arg, collect->ring->index, collect->slices,
				   collect->count, ret_sequence);
}

int collect_flush(struct collect *collect)
{
	struct ring *ring = collect->ring;
	uint64_t sequence = 0;
	int r;

	if (collect->count == 0)
		return 0;
	r = batch_offer(collect, &sequence);
	if (r == -E2BIG && chains_drop(collect))
		r = batch_offer(collect, &sequence);
	if (r == 0) {
		for (uint32_t i = 0; i < collect->count; i++)
			slice_accepted(collect, i, sequence);
		ring->round.gave = true;
	} else {
		/* Their threads must give it again. */
		for (uint32_t i = 0; i < collect->count; i++)
			ring_thread_ready(ring, collect->notes[i].thread);
		r = -ENOBUFS;
	}
	batch_forget(collect);
	return r;
}

/* ---- one thread ------------------------------------------------------------ */

int cursor_enter(struct collect *collect, struct cursor *cursor, const char **ret_reason)
{
	struct ring *ring = collect->ring;
	struct ring_block *block = &ring->blocks[cursor->block];
	struct ring_thread *thread = &ring->threads[cursor->thread];
	uint64_t missing;

	if (cursor->entered)
		return 0;
	if (block->entered) {
		/* Of an earlier batch, or of an earlier life of the agent. */
		if (block->thread_block != cursor->next_block)
			return broken(ret_reason, "a block changed its thread's number");
		cursor->entered = true;
		return 0;
	}
	if (block->thread_block < cursor->next_block)
		return broken(ret_reason, "a thread's block number went back");
	missing = block->thread_block - cursor->next_block;
	if (missing > 0 && !ring->round.final) {
		/* What was published before this block shows at the latest in
		 * the round that begins after this block was seen. */
		if (thread->gap_round == 0)
			thread->gap_round = ring->round.number;
		if (thread->gap_round == ring->round.number) {
			ring->round.waits = true;
			return STEP_DONE;
		}
	}
	if (cursor->unknown) {
		cursor->next_block = block->thread_block;
		cursor->next_record = block->first_record;
		cursor->unknown = false;
		cursor->adopts = true;
		missing = 0;
	}
	if (block->first_record < cursor->next_record)
		return broken(ret_reason, "a thread's record number went back");
	cursor->gap = block->first_record - cursor->next_record;
	if (missing > ring->identity.block_count ||
	    cursor->gap > (missing + 1) * RING_BLOCK_RECORDS)
		return broken(ret_reason, "a thread's record number jumped");
	cursor->next_block = block->thread_block;
	cursor->entered = true;
	return 0;
}

int cursor_leave(struct collect *collect, struct cursor *cursor)
{
	const struct ring_block *block = &collect->ring->blocks[cursor->block];
	int r;

	/* The log must know that the block is over, even if it was empty. */
	if (!cursor->sealed_said) {
		struct slice slice = {.end = block->mark};
		struct collect_note note = {.offset = collect->len};

		r = collect_add(collect, cursor, &slice, &note);
		if (r < 0)
			return r;
	}
	cursor->block = block->next;
	cursor->at = 0;
	cursor->next_block++;
	cursor->entered = false;
	cursor->sealed_said = false;
	return 0;
}

/* What a process says last is also the drain's business: see liveness.h. */
static void farewell_note(struct ring *ring, const uint8_t *at)
{
	struct wire_process_end_record end = record_get_process_end(at);

	ring->farewell = (struct ring_farewell){
		.said = true,
		.how = end.head.aux,
		.code_known = end.head.flags & WIRE_PROCESS_CODE_KNOWN,
		.code = end.code,
	};
}

/* The latest time a thread spoke of. Wall times are the module's own. */
static void ticks_note(struct ring_thread *thread, const uint8_t *record, struct wire_head head)
{
	size_t at = head.type == WIRE_START ? offsetof(struct wire_start, ticks)
		    : head.type == WIRE_END ? offsetof(struct wire_end, ticks)
					    : offsetof(struct wire_event, ticks);
	uint64_t ticks;

	if ((head.type != WIRE_START && head.type != WIRE_END && head.type != WIRE_EVENT) ||
	    (head.flags & WIRE_TIME_WALL))
		return;
	memcpy(&ticks, record + at, sizeof ticks);
	if (ticks > thread->ticks)
		thread->ticks = ticks;
}

struct walk {
	struct ring_thread *timed; /* NULL: nobody asks */
	uint32_t kept;		   /* bytes, moved together at the front */
	uint32_t passed;	   /* bytes */
	uint32_t records, abandoned, damaged;
	bool chain; /* a value's first piece begins at `passed` */
};

/* Checks the records in [at, at + len), which is a private copy. */
static void records_walk(struct ring *ring, uint8_t *at, uint32_t len, struct walk *walk)
{
	while (walk->passed < len) {
		uint8_t *record = at + walk->passed;
		int64_t padded = record_check(record, len - walk->passed);
		struct wire_head head;

		if (padded < 0 || padded > len - walk->passed) {
			/* Where the next one begins is unknown up to the mark,
			 * which always is the end of a record. How many are lost
			 * is known when the thread's next block says its number. */
			walk->records++;
			walk->damaged++;
			walk->passed = len;
			return;
		}
		head = record_head(record);
		if (head.type == WIRE_FRAGMENT) {
			if (head.flags & WIRE_FRAGMENT_FIRST) {
				walk->chain = true;
				return;
			}
			/* A piece of a value that was given up. */
			walk->abandoned++;
		} else {
			if (head.type == WIRE_PROCESS_END)
				farewell_note(ring, record);
			if (walk->timed)
				ticks_note(walk->timed, record, head);
			if (walk->kept != walk->passed)
				memmove(at + walk->kept, record, (size_t)padded);
			walk->kept += (uint32_t)padded;
		}
		walk->records++;
		walk->passed += (uint32_t)padded;
	}
}

/* Reads the cursor's block from its place to the mark, or to the first piece
 * of a value. *ret_chain: such a piece is next. */
static int block_read(struct collect *collect, struct cursor *cursor, bool *ret_chain,
		      const char **ret_reason)
{
	struct ring *ring = collect->ring;
	uint32_t len = ring->blocks[cursor->block].mark - cursor->at;
	off_t from = (off_t)ring->map.header.blocks_offset +
		     (off_t)cursor->block * WIRE_BLOCK_BYTES + cursor->at;
	struct walk walk = {.timed = ring->round.by_time ? &ring->threads[cursor->thread]
							 : NULL};
	struct collect_note note;
	struct slice slice;
	ssize_t n;
	int r;

	r = collect_room(collect, len);
	if (r < 0)
		return r;
	n = collect->env->ops->pread(collect->env, ring->map.fd, collect->at + collect->len,
				     len, from);
	if (n != (ssize_t)len)
		return broken(ret_reason, "a block cannot be read: the file is shorter");
	records_walk(ring, collect->at + collect->len, len, &walk);
	*ret_chain = walk.chain;
	if (walk.passed == 0)
		return 0;
	slice = (struct slice){
		.end = cursor->at + walk.passed,
		.record_count = walk.records,
		.dropped_count = walk.abandoned + walk.damaged,
		.records.len = walk.kept,
	};
	note = (struct collect_note){
		.offset = collect->len,
		.parsed = walk.records,
		.abandoned = walk.abandoned,
		.damaged = walk.damaged,
	};
	collect->len += walk.kept;
	return collect_add(collect, cursor, &slice, &note);
}

static bool chain_begins_here(const struct ring_thread *thread, const struct cursor *cursor)
{
	return thread->chain.active && thread->chain.block == cursor->block &&
	       thread->chain.from == cursor->at;
}

static void cursor_begin(const struct collect *collect, struct cursor *cursor, uint32_t index)
{
	const struct ring_thread *thread = &collect->ring->threads[index];

	*cursor = (struct cursor){
		.thread = index,
		.block = thread->head,
		.next_block = thread->next_block,
		.next_record = thread->next_record,
		.unknown = thread->adopted,
	};
	if (cursor->block != RING_NONE)
		cursor->at = collect->ring->blocks[cursor->block].end;
}

static int thread_step(struct collect *collect, struct cursor *cursor, const char **ret_reason)
{
	struct ring *ring = collect->ring;
	const struct ring_block *block;
	bool chain;
	int r;

	if (cursor->block == RING_NONE)
		return STEP_DONE;
	block = &ring->blocks[cursor->block];
	r = cursor_enter(collect, cursor, ret_reason);
	if (r != 0)
		return r;
	if (cursor->at == block->mark) {
		if (!block->sealed)
			return STEP_DONE;
		return cursor_leave(collect, cursor);
	}
	if (ring->tick_bytes + collect->len >= collect->bytes_max)
		return STEP_SPENT;
	chain = chain_begins_here(&ring->threads[cursor->thread], cursor);
	if (!chain) {
		r = block_read(collect, cursor, &chain, ret_reason);
		if (r < 0)
			return r;
	}
	return chain ? chain_read(collect, cursor, ret_reason) : STEP_ON;
}

/* What the cursor knew beyond the positions is found again from them. */
static int flush_and_begin(struct collect *collect, struct cursor *cursor)
{
	int r = collect_flush(collect);

	if (r == 0)
		cursor_begin(collect, cursor, cursor->thread);
	return r;
}

/* By time, a thread is heard for so long: what is read of its spans before others
 * are heard waits in memory. */
#define TURN_BYTES (64u * 1024)

int collect_thread(struct collect *collect, uint32_t index, const char **ret_reason)
{
	bool by_time = collect->ring->round.by_time, begun = false;
	struct cursor cursor;
	int r;

	cursor_begin(collect, &cursor, index);
	do {
		if (by_time && collect->len >= TURN_BYTES && begun) {
			r = collect_flush(collect);
			return r < 0 ? r : COLLECT_PART;
		}
		/* Between two steps everything in the batch is whole. */
		if (collect->len >= collect->batch_bytes_max) {
			r = flush_and_begin(collect, &cursor);
			if (r < 0)
				return r;
		}
		r = thread_step(collect, &cursor, ret_reason);
		if (r == STEP_FLUSH)
			r = flush_and_begin(collect, &cursor);
		begun = true;
	} while (r == STEP_ON);
	if (r < 0)
		return r;
	return r == STEP_SPENT ? COLLECT_SPENT : COLLECT_ALL;
}
