/* Frames as bytes: sealing one, judging one. No I/O here; format.h says what
 * the bytes mean. */
#ifndef WAL_FRAME_H
#define WAL_FRAME_H

#include "base/buf.h"
#include "wal/format.h"

#define FRAME_HEAD_BYTES ((uint32_t)sizeof(struct wal_frame_head))

static inline uint64_t frame_padded(uint64_t length)
{
	return (length + 7) & ~UINT64_C(7);
}

/* What a frame with this payload takes in the segment. */
static inline uint64_t frame_bytes(uint32_t length)
{
	return FRAME_HEAD_BYTES + frame_padded(length);
}

/* How many frames a payload needs; an empty one needs one as well. */
static inline uint32_t frame_count(uint64_t whole)
{
	return whole ? (uint32_t)((whole + WAL_FRAME_BYTES_MAX - 1) / WAL_FRAME_BYTES_MAX) : 1;
}

/* What the whole chain takes: only the last frame can need padding. */
static inline uint64_t frame_chain_bytes(uint64_t whole)
{
	return (uint64_t)frame_count(whole) * FRAME_HEAD_BYTES + frame_padded(whole);
}

/* Where the CRC of every frame of a segment begins. */
uint32_t frame_seed(uint64_t salt);

/* Puts the head in front of head->length bytes of payload that already stand
 * at `at` + FRAME_HEAD_BYTES, and zeroes the padding. head->crc is computed. */
void frame_seal(uint8_t *at, uint32_t seed, struct wal_frame_head head);

/* Whether the head may be one: it stands at `offset` where it belongs, and its
 * length is possible and fits in front of `end`. */
bool frame_plausible(const struct wal_frame_head *head, uint64_t offset, uint64_t end);

/* Everything of the validity rule but the sequence. The payload must be
 * readable. */
bool frame_crc_matches(const uint8_t *at, uint32_t seed, const struct wal_frame_head *head);

/* A frame as a cursor found it; payload is borrowed. */
struct frame {
	struct wal_frame_head head;
	uint64_t offset; /* of the head in the segment */
	const uint8_t *payload;
};

/* Joins the frames of one chain after the other. */
struct frame_chain {
	struct buf joined;
	bool open;
	uint8_t kind;
	uint32_t whole;
	uint64_t offset;
	uint64_t sequence;   /* of the last frame taken */
	uint64_t incomplete; /* chains given up, ever */
};

void frame_chain_init(struct frame_chain *chain);
void frame_chain_fini(struct frame_chain *chain);

/* Forgets a chain of which only the beginning was seen. */
void frame_chain_drop(struct frame_chain *chain);

/* 1: a whole payload, which begins in the segment at *ret_offset and is
 * borrowed until the next call; 0: not yet, or a piece whose beginning is
 * missing. -ENOMEM. */
int frame_chain_take(struct frame_chain *chain, const struct frame *frame,
		     struct bytes *ret_payload, uint64_t *ret_offset);

#endif
