#include "drain/round.h"

#include <errno.h>
#include <stdlib.h>

#include "wire/record.h"

/* Lines looked at in an idle look beyond those of open blocks. A thread's next
 * block shows by the sealing of the one before; only a thread's very first
 * block is found by this, in a ring of 64 MiB within 8 looks. */
#define ROUND_WINDOW 512

static int broken(const char **ret_reason, const char *reason)
{
	*ret_reason = reason;
	return -EPROTO;
}

/* ---- the idle look --------------------------------------------------------- */

static bool block_changed(const struct ring *ring, uint32_t index)
{
	const struct ring_block *block = &ring->blocks[index];
	const struct wire_block_line *line = &ring->map.lines[index];
	uint32_t generation, committed;

	if (block->phase == BLOCK_RETURNING)
		return false;
	/* C1, C2 as in block_look(); here nothing is read by them. */
	generation = atomic_load_explicit(&line->generation, memory_order_acquire);
	if (generation != block->generation || block->phase != BLOCK_OPEN)
		return generation != (block->phase == BLOCK_RESUMED ? 0 : block->generation);
	committed = atomic_load_explicit(&line->committed, memory_order_acquire);
	return committed != (block->mark | (block->sealed ? WIRE_SEALED : 0));
}

static bool window_changed(struct ring *ring, uint32_t lines)
{
	uint32_t count = lines < ROUND_WINDOW ? lines : ROUND_WINDOW;

	for (uint32_t i = 0; i < count; i++, ring->window++) {
		if (ring->window >= lines)
			ring->window = 0;
		/* Beyond what the last round knew: never taken then. */
		if (ring->window >= ring->block_cap) {
			/* C1: nothing is read by it here. */
			if (atomic_load_explicit(&ring->map.lines[ring->window].generation,
						 memory_order_acquire) != 0)
				return true;
		} else if (block_changed(ring, ring->window)) {
			return true;
		}
	}
	return false;
}

/* The slots of lost ENDs that are filled and not yet told. */
static void lost_look(struct ring *ring)
{
	const struct wire_ring_header *live = ring->map.live;
	/* Relaxed: each slot's `ready` orders its id. */
	uint32_t count = atomic_load_explicit(&live->lost_end_next, memory_order_relaxed);

	ring->round.lost[0] = ring->round.lost[1] = 0;
	if (count > WIRE_LOST_END_SLOTS)
		count = WIRE_LOST_END_SLOTS;
	for (uint32_t i = 0; i < count; i++) {
		uint64_t bit = UINT64_C(1) << (i % 64);

		/* L2: acquire, pairs with the client's release of `ready`. */
		if (!(ring->lost_told[i / 64] & bit) &&
		    atomic_load_explicit(&live->lost_end[i].ready, memory_order_acquire) == 1)
			ring->round.lost[i / 64] |= bit;
	}
}

bool round_worthwhile(struct ring *ring)
{
	const struct wire_ring_header *live = ring->map.live;
	uint32_t lines;

	if (ring->rounds_owed > 0)
		return true;
	/* F2 pairs with the client's F1; here it only says that a round is due. */
	if (atomic_load_explicit(&live->flush_req, memory_order_acquire) != ring->flush_told)
		return true;
	/* Filled ones alone: who took a slot and died will never fill it. */
	lost_look(ring);
	if (ring->round.lost[0] | ring->round.lost[1])
		return true;
	for (uint32_t i = 0; i < ring->open_count; i++)
		if (block_changed(ring, ring->open[i]))
			return true;
	if (ring_map_lines(&ring->map, &lines) < 0)
		return true; /* the round will say why */
	return window_changed(ring, lines);
}

/* ---- taking the marks ------------------------------------------------------ */

/* The plain fields of a line: fixed once its generation is seen, unless the
 * client is hostile, so they are copied once. */
static uint32_t field32(const uint32_t *at)
{
	return *(const volatile uint32_t *)at;
}

static uint64_t field64(const uint64_t *at)
{
	return *(const volatile uint64_t *)at;
}

static int block_opened(struct ring *ring, uint32_t index, uint32_t generation,
			const char **ret_reason)
{
	const struct wire_block_line *line = &ring->map.lines[index];
	struct ring_block *block = &ring->blocks[index];
	uint32_t end = block->phase == BLOCK_RESUMED ? block->end : 0, thread;
	bool entered = block->phase == BLOCK_RESUMED;
	int r;

	r = ring_thread_get(ring, field32(&line->thread), &thread);
	if (r == -EPROTO)
		return broken(ret_reason, "a block of no thread, or more threads than blocks");
	if (r < 0)
		return r;
	*block = (struct ring_block){
		.generation = generation,
		.end = end,
		.mark = end,
		.thread = thread,
		.thread_block = field32(&line->thread_block),
		.first_record = field64(&line->first_record),
		.next = RING_NONE,
		.phase = BLOCK_OPEN,
		.entered = entered,
	};
	if (block->thread_block == 0 || block->first_record == 0)
		return broken(ret_reason, "a block without its thread's numbers");
	return 0;
}

static int block_mark(struct ring *ring, uint32_t index, const char **ret_reason)
{
	struct ring_block *block = &ring->blocks[index];
	/* C2 pairs with the client's P2: every byte before `committed` is
	 * written, and a pread after this load finds it. */
	uint32_t committed =
		atomic_load_explicit(&ring->map.lines[index].committed, memory_order_acquire);
	uint32_t end = committed & ~WIRE_SEALED;

	if (end > WIRE_BLOCK_BYTES || end % WIRE_RECORD_ALIGN != 0)
		return broken(ret_reason, "committed leaves its block");
	if (end < block->mark)
		return broken(ret_reason, "committed shrank");
	if (block->sealed && committed != (block->mark | WIRE_SEALED))
		return broken(ret_reason, "a sealed block changed");
	block->mark = end;
	block->sealed = committed & WIRE_SEALED;
	if (block->sealed || block->mark > block->end)
		ring_thread_ready(ring, block->thread);
	return 0;
}

/* 1: the block is newly taken. */
static int block_look(struct ring *ring, uint32_t index, const char **ret_reason)
{
	struct ring_block *block = &ring->blocks[index], before;
	uint32_t generation;
	int r, opened = 0;

	if (block->phase == BLOCK_RETURNING)
		return 0;
	/* C1 pairs with the client's P1: the line's fields are of this
	 * generation, and its `committed` is no older. */
	generation =
		atomic_load_explicit(&ring->map.lines[index].generation, memory_order_acquire);
	if (block->phase == BLOCK_FREE && generation == block->generation)
		return 0;
	if (generation != block->generation + (block->phase == BLOCK_FREE))
		return broken(ret_reason, "a block's generation jumped");
	if (block->phase != BLOCK_OPEN) {
		before = *block;
		r = block_opened(ring, index, generation, ret_reason);
		if (r < 0)
			return r;
		opened = 1;
	}
	r = block_mark(ring, index, ret_reason);
	/* What is sealed at first sight will not grow. */
	if (r == 0 && opened && !block->sealed) {
		r = ring_open_add(ring, index);
		block->listed = r == 0;
	}
	/* Without memory for its place it was not seen yet. */
	if (opened && r == -ENOMEM)
		*block = before;
	return r < 0 ? r : opened;
}

struct fresh_block {
	uint32_t thread, thread_block, block;
};

static int fresh_compare(const void *a, const void *b)
{
	const struct fresh_block *x = a, *y = b;

	if (x->thread != y->thread)
		return x->thread < y->thread ? -1 : 1;
	return (x->thread_block > y->thread_block) - (x->thread_block < y->thread_block);
}

/* New blocks go into their threads' lists in order, so that each insertion
 * begins where the one before ended: a flood of them stays cheap. */
static int fresh_insert(struct ring *ring, struct fresh_block *fresh, uint32_t count,
			const char **ret_reason)
{
	uint32_t hint = RING_NONE;

	if (count == 0)
		return 0;
	qsort(fresh, count, sizeof *fresh, fresh_compare);
	for (uint32_t i = 0; i < count; i++) {
		if (ring_thread_add_block(ring, fresh[i].block, hint) < 0)
			return broken(ret_reason, "a thread's block number went back");
		hint = fresh[i].block;
	}
	return 0;
}

/* Room for one more, before it is looked at: a block that was opened and has no
 * place in its thread's list would never be read. */
static int fresh_reserve(struct fresh_block **fresh, uint32_t count, uint32_t *cap)
{
	uint32_t next = *cap ? *cap * 2 : 64;
	void *grown;

	if (count < *cap)
		return 0;
	grown = reallocarray(*fresh, next, sizeof **fresh);
	if (!grown)
		return -ENOMEM;
	*fresh = grown;
	*cap = next;
	return 0;
}

static int marks_take(struct ring *ring, uint32_t lines, const char **ret_reason)
{
	struct fresh_block *fresh = NULL;
	uint32_t count = 0, cap = 0;
	int r = 0, inserted = 0;

	for (uint32_t i = 0; i < lines && r >= 0; i++) {
		r = fresh_reserve(&fresh, count, &cap);
		if (r == 0)
			r = block_look(ring, i, ret_reason);
		if (r == 1)
			fresh[count++] = (struct fresh_block){ring->blocks[i].thread,
							      ring->blocks[i].thread_block, i};
	}
	/* Also when memory ran out on the way: those before are open now. */
	if (r >= 0 || r == -ENOMEM)
		inserted = fresh_insert(ring, fresh, count, ret_reason);
	free(fresh);
	if (inserted < 0)
		return inserted;
	return r < 0 ? r : 0;
}

int round_begin(struct ring *ring, struct env *env, bool final, const char **ret_reason)
{
	uint32_t lines;
	int r;

	r = ring_map_verify(&ring->map, env, ret_reason);
	if (r < 0)
		return r;
	/* F2: acquire, pairs with the client's F1, and before the marks: what
	 * was written before the flush was asked for lies below them. */
	ring->round.flush =
		atomic_load_explicit(&ring->map.live->flush_req, memory_order_acquire);
	lost_look(ring);
	if (ring_map_lines(&ring->map, &lines) < 0)
		return broken(ret_reason, "blocks_ready shrank or passed the end");
	r = ring_blocks_grow(ring, lines);
	if (r < 0)
		return r;
	r = marks_take(ring, lines, ret_reason);
	if (guard_hit(&ring->map.guard))
		return broken(ret_reason, "it was cut while it was read");
	if (r < 0)
		return r;
	ring->round.number++;
	ring->round.active = true;
	ring->round.final = final;
	ring->round.gave = false;
	ring->round.waits = false;
	return 0;
}

/* ---- handing on ------------------------------------------------------------ */

/* How many threads are compared: with more of them that all have much to say, the
 * order is only nearly that of time. */
#define ROUND_COMPARED 64

static void ready_remove(struct ring *ring, uint32_t index, uint32_t before)
{
	struct ring_thread *thread = &ring->threads[index];

	if (before == RING_NONE)
		ring->round.ready_head = thread->ready_next;
	else
		ring->threads[before].ready_next = thread->ready_next;
	if (ring->round.ready_tail == index)
		ring->round.ready_tail = before;
	thread->ready = false;
}

/* The first of the list, or by time the one that is furthest back. */
static uint32_t ready_next(const struct ring *ring, uint32_t *ret_before)
{
	uint32_t best = ring->round.ready_head, before = best, index;

	*ret_before = RING_NONE;
	if (!ring->round.by_time)
		return best;
	index = ring->threads[best].ready_next;
	for (int i = 1; i < ROUND_COMPARED && index != RING_NONE; i++) {
		if (ring->threads[index].ticks < ring->threads[best].ticks) {
			best = index;
			*ret_before = before;
		}
		before = index;
		index = ring->threads[index].ready_next;
	}
	return best;
}

/* Its turn is over: behind the others, and not before any of them because it said
 * no time at all. */
static void ready_again(struct ring *ring, uint32_t index, uint64_t ticks_before)
{
	struct ring_thread *thread = &ring->threads[index];
	uint32_t before, other;

	if (ring->round.ready_head != RING_NONE && thread->ticks == ticks_before) {
		other = ready_next(ring, &before);
		if (ring->threads[other].ticks > thread->ticks)
			thread->ticks = ring->threads[other].ticks;
	}
	ring_thread_ready(ring, index);
}

/* Where threads write of each other's spans, they are read side by side in the
 * order of their times. One after the other, a ring that was full would give all
 * ENDs before the first START, or the other way round: hundreds of thousands of
 * records that wait for the rest of their spans. */
int round_run(struct ring *ring, struct collect *collect, uint64_t bytes_max,
	      const char **ret_reason)
{
	int r = 0, flushed;

	/* Relaxed: only the order depends on it. */
	ring->round.by_time =
		atomic_load_explicit(&ring->map.live->shared, memory_order_relaxed) != 0;
	collect_begin(collect, ring, bytes_max);
	while (ring->round.ready_head != RING_NONE) {
		uint32_t before, index = ready_next(ring, &before);
		uint64_t ticks = ring->threads[index].ticks;

		r = collect_thread(collect, index, ret_reason);
		if (r < 0 || r == COLLECT_SPENT)
			break; /* it stays on the list */
		ready_remove(ring, index, before);
		if (r == COLLECT_PART)
			ready_again(ring, index, ticks);
	}
	/* Also when the ring broke a rule: what came before that is good. */
	flushed = collect_flush(collect);
	if (r < 0)
		return r;
	if (flushed < 0)
		return flushed;
	return r != COLLECT_SPENT;
}
