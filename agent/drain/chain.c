#include "drain/chain.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "wire/record.h"

/* Honest pieces fill whole blocks; only the first and the last may be small. */
#define CHAIN_PIECE_BYTES_MIN 4096

static int broken(const char **ret_reason, const char *reason)
{
	*ret_reason = reason;
	return -EPROTO;
}

static off_t payload_offset(const struct ring *ring, uint32_t block, uint32_t at)
{
	return (off_t)ring->map.header.blocks_offset + (off_t)block * WIRE_BLOCK_BYTES + at;
}

/* Reads the head of the record at (block, at). 1: a fragment that lies below
 * the mark. 0: something else. */
static int piece_head(struct collect *collect, uint32_t block, uint32_t at,
		      struct wire_fragment_first *ret_first, const char **ret_reason)
{
	struct ring *ring = collect->ring;
	uint32_t left = ring->blocks[block].mark - at;
	struct wire_fragment_first first = {0};
	size_t want = left < sizeof first ? left : sizeof first;

	if (collect->env->ops->pread(collect->env, ring->map.fd, &first, want,
				     payload_offset(ring, block, at)) != (ssize_t)want)
		return broken(ret_reason, "a block cannot be read: the file is shorter");
	if (first.head.type != WIRE_FRAGMENT || first.head.length < sizeof first.head ||
	    first.head.length > left || record_padded(first.head.length) > left)
		return 0;
	if ((first.head.flags & WIRE_FRAGMENT_FIRST) && first.head.length < sizeof first)
		return 0;
	*ret_first = first;
	return 1;
}

static uint32_t piece_body(const struct wire_fragment_first *first)
{
	return first->head.length - (first->head.flags & WIRE_FRAGMENT_FIRST
					     ? (uint32_t)sizeof *first
					     : (uint32_t)sizeof first->head);
}

/* ---- following ------------------------------------------------------------- */

static bool whole_is_plausible(const struct ring *ring, uint64_t whole)
{
	/* The client's limit is a quarter of the ring; a block more is free. */
	return whole >= sizeof(struct wire_head) && whole <= CHAIN_BYTES_MAX &&
	       whole <= ring->map.header.size / 4 + WIRE_BLOCK_BYTES;
}

/* Moves over a border between blocks. False: the next one is not there yet. */
static bool chain_cross(const struct ring *ring, struct ring_chain *chain)
{
	while (chain->at == ring->blocks[chain->at_block].mark) {
		const struct ring_block *block = &ring->blocks[chain->at_block];

		if (!block->sealed || block->next == RING_NONE ||
		    ring->blocks[block->next].thread_block != block->thread_block + 1)
			return false;
		chain->at_block = block->next;
		chain->at = 0;
	}
	return true;
}

static void chain_take(const struct ring *ring, struct ring_chain *chain,
		       const struct wire_fragment_first *first)
{
	bool last = first->head.flags & WIRE_FRAGMENT_LAST;

	if (chain->pieces == 0)
		chain->whole = first->whole_length;
	chain->pieces++;
	chain->got += piece_body(first);
	chain->at += record_padded(first->head.length);
	if (!whole_is_plausible(ring, chain->whole) || chain->got > chain->whole ||
	    chain->pieces > chain->whole / CHAIN_PIECE_BYTES_MIN + 16 ||
	    (last && chain->got != chain->whole))
		chain->result = CHAIN_DAMAGED;
	else if (last)
		chain->result = CHAIN_WHOLE;
}

/* Follows the pieces from where it stopped last time. */
static int chain_follow(struct collect *collect, struct ring_chain *chain,
			const char **ret_reason)
{
	struct wire_fragment_first first;
	int r;

	while (chain->result == CHAIN_INCOMPLETE) {
		if (!chain_cross(collect->ring, chain))
			return 0;
		r = piece_head(collect, chain->at_block, chain->at, &first, ret_reason);
		if (r < 0)
			return r;
		if (r == 0 ||
		    !(first.head.flags & WIRE_FRAGMENT_FIRST) != (chain->pieces > 0)) {
			if (chain->pieces == 0)
				return broken(ret_reason, "committed bytes changed");
			chain->result = CHAIN_ABANDONED;
			return 0;
		}
		chain_take(collect->ring, chain, &first);
	}
	return 0;
}

/* ---- joining --------------------------------------------------------------- */

static int pieces_grow(struct collect *collect, uint32_t count)
{
	struct chain_piece *pieces;

	if (count <= collect->piece_cap)
		return 0;
	pieces = reallocarray(collect->pieces, count, sizeof *pieces);
	if (!pieces)
		return -ENOMEM;
	collect->pieces = pieces;
	collect->piece_cap = count;
	return 0;
}

/* Lists the pieces that were followed. Their heads are read once more; what
 * was committed must not have changed since. */
static int pieces_list(struct collect *collect, const struct ring_chain *chain,
		       const char **ret_reason)
{
	struct ring_chain at = {.at_block = chain->block, .at = chain->from};
	struct wire_fragment_first first;
	int r;

	r = pieces_grow(collect, chain->pieces);
	if (r < 0)
		return r;
	collect->piece_count = 0;
	while (at.pieces < chain->pieces) {
		if (!chain_cross(collect->ring, &at))
			return broken(ret_reason, "committed bytes changed");
		r = piece_head(collect, at.at_block, at.at, &first, ret_reason);
		if (r < 0)
			return r;
		if (r == 0 || !(first.head.flags & WIRE_FRAGMENT_FIRST) != (at.pieces > 0))
			return broken(ret_reason, "committed bytes changed");
		collect->pieces[collect->piece_count++] =
			(struct chain_piece){at.at_block, at.at, first.head.length};
		at.got += piece_body(&first);
		at.at += record_padded(first.head.length);
		at.pieces++;
	}
	if (at.got != chain->got)
		return broken(ret_reason, "committed bytes changed");
	return 0;
}

/* Puts the value's bytes behind the batch. 1: a record. 0: not one. */
static int pieces_join(struct collect *collect, uint32_t whole, const char **ret_reason)
{
	uint32_t padded = record_padded(whole);
	uint8_t *to;
	int r;

	r = collect_room(collect, padded);
	if (r < 0)
		return r;
	to = collect->at + collect->len;
	for (uint32_t i = 0; i < collect->piece_count; i++) {
		const struct chain_piece *piece = &collect->pieces[i];
		uint32_t head = i == 0 ? sizeof(struct wire_fragment_first)
				       : sizeof(struct wire_head);
		uint32_t body = piece->length - head;

		if (collect->env->ops->pread(
			    collect->env, collect->ring->map.fd, to, body,
			    payload_offset(collect->ring, piece->block, piece->at + head)) !=
		    (ssize_t)body)
			return broken(ret_reason, "a block cannot be read: the file is shorter");
		to += body;
	}
	to = collect->at + collect->len;
	memset(to + whole, 0, padded - whole);
	/* The value's own length must be the chain's; a piece of a piece is
	 * nothing anybody writes. */
	return record_check(to, whole) == padded && record_head(to).length == whole &&
	       record_head(to).type != WIRE_FRAGMENT;
}

/* ---- handing on ------------------------------------------------------------ */

static int piece_add(struct collect *collect, struct cursor *cursor, uint32_t i,
		     const struct ring_chain *chain, const char **ret_reason)
{
	const struct chain_piece *piece = &collect->pieces[i];
	bool dropped = chain->result != CHAIN_WHOLE;
	struct slice slice = {
		.end = piece->at + record_padded(piece->length),
		.record_count = 1,
		.dropped_count = dropped,
	};
	struct collect_note note = {
		.offset = collect->len,
		.parsed = 1,
		.abandoned = chain->result == CHAIN_ABANDONED,
		.damaged = chain->result == CHAIN_DAMAGED,
		.chain = true,
	};
	int r;

	while (cursor->block != piece->block) {
		r = cursor_leave(collect, cursor);
		if (r == 0)
			r = cursor_enter(collect, cursor, ret_reason);
		if (r != 0)
			return r < 0 ? r : broken(ret_reason, "committed bytes changed");
	}
	if (i == 0 && !dropped) {
		slice.records.len = record_padded((uint32_t)chain->whole);
		collect->len += slice.records.len;
	}
	return collect_add(collect, cursor, &slice, &note);
}

static int chain_hand_on(struct collect *collect, struct cursor *cursor,
			 struct ring_chain *chain, const char **ret_reason)
{
	int r;

	r = pieces_list(collect, chain, ret_reason);
	if (r < 0)
		return r;
	if (chain->result == CHAIN_WHOLE) {
		r = pieces_join(collect, (uint32_t)chain->whole, ret_reason);
		if (r < 0)
			return r;
		if (r == 0)
			chain->result = CHAIN_DAMAGED;
	}
	for (uint32_t i = 0; i < collect->piece_count; i++) {
		r = piece_add(collect, cursor, i, chain, ret_reason);
		if (r < 0)
			return r;
	}
	return STEP_ON;
}

int chain_read(struct collect *collect, struct cursor *cursor, const char **ret_reason)
{
	struct ring *ring = collect->ring;
	struct ring_thread *thread = &ring->threads[cursor->thread];
	struct ring_chain *chain = &thread->chain;
	int r;

	if (!chain->active || chain->block != cursor->block || chain->from != cursor->at)
		*chain = (struct ring_chain){
			.active = true,
			.block = cursor->block,
			.from = cursor->at,
			.at_block = cursor->block,
			.at = cursor->at,
		};
	r = chain_follow(collect, chain, ret_reason);
	if (r < 0)
		return r;
	if (chain->result == CHAIN_INCOMPLETE) {
		if (!ring->round.final) {
			thread->held = chain->pieces;
			return STEP_DONE;
		}
		chain->result = CHAIN_ABANDONED;
	}
	/* A value goes with all its pieces in one batch; a large one alone. */
	if (collect->count > 0 && chain->result == CHAIN_WHOLE &&
	    collect->len + chain->whole > collect->batch_bytes_max)
		return STEP_FLUSH;
	return chain_hand_on(collect, cursor, chain, ret_reason);
}
