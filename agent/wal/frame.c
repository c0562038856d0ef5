#include "wal/frame.h"

#include <errno.h>

#include "base/crc32c.h"

/* The CRC covers what stands behind the crc field. A changed length changes
 * the range that is covered, and so is noticed as well. */
#define CRC_FROM offsetof(struct wal_frame_head, sequence)

/* One giant value must not stay in memory for ever. */
#define CHAIN_BYTES_KEPT (4u << 20)

uint32_t frame_seed(uint64_t salt)
{
	return crc32c(0, &salt, sizeof salt);
}

void frame_seal(uint8_t *at, uint32_t seed, struct wal_frame_head head)
{
	size_t padding = (size_t)(frame_bytes(head.length) - FRAME_HEAD_BYTES - head.length);

	memset(at + FRAME_HEAD_BYTES + head.length, 0, padding);
	memcpy(at, &head, sizeof head);
	head.crc = crc32c(seed, at + CRC_FROM, FRAME_HEAD_BYTES - CRC_FROM + head.length);
	memcpy(at + offsetof(struct wal_frame_head, crc), &head.crc, sizeof head.crc);
}

bool frame_plausible(const struct wal_frame_head *head, uint64_t offset, uint64_t end)
{
	return head->offset == offset && head->length <= WAL_FRAME_BYTES_MAX &&
	       frame_bytes(head->length) <= end - offset && head->kind != 0;
}

bool frame_crc_matches(const uint8_t *at, uint32_t seed, const struct wal_frame_head *head)
{
	return crc32c(seed, at + CRC_FROM, FRAME_HEAD_BYTES - CRC_FROM + head->length) ==
	       head->crc;
}

void frame_chain_init(struct frame_chain *chain)
{
	*chain = (struct frame_chain){.joined = BUF_INIT};
}

void frame_chain_fini(struct frame_chain *chain)
{
	buf_fini(&chain->joined);
}

void frame_chain_drop(struct frame_chain *chain)
{
	if (chain->open)
		chain->incomplete++;
	chain->open = false;
	buf_keep(&chain->joined, CHAIN_BYTES_KEPT);
}

static void chain_begin(struct frame_chain *chain, const struct frame *frame)
{
	chain->open = true;
	chain->kind = frame->head.kind;
	chain->whole = frame->head.whole;
	chain->offset = frame->offset;
}

static bool chain_continues(const struct frame_chain *chain, const struct frame *frame)
{
	return chain->open && chain->kind == frame->head.kind &&
	       chain->whole == frame->head.whole && chain->sequence + 1 == frame->head.sequence;
}

int frame_chain_take(struct frame_chain *chain, const struct frame *frame,
		     struct bytes *ret_payload, uint64_t *ret_offset)
{
	bool first = !(frame->head.flags & WAL_CONTINUED);
	bool last = !(frame->head.flags & WAL_MORE);
	int r;

	if (first || !chain_continues(chain, frame))
		frame_chain_drop(chain);
	if (first && last) {
		/* The usual case: no copy. */
		*ret_payload = (struct bytes){frame->payload, frame->head.length};
		*ret_offset = frame->offset;
		return frame->head.length == frame->head.whole;
	}
	if (first)
		chain_begin(chain, frame);
	else if (!chain->open)
		return 0;
	r = buf_append(&chain->joined, frame->payload, frame->head.length);
	if (r < 0) {
		frame_chain_drop(chain);
		return r;
	}
	chain->sequence = frame->head.sequence;
	if (!last)
		return 0;
	chain->open = false;
	if (chain->joined.len != chain->whole) {
		chain->incomplete++;
		buf_reset(&chain->joined);
		return 0;
	}
	/* buf_reset() keeps the memory, and whoever drops next comes after the
	 * borrower is done. */
	*ret_payload = buf_bytes(&chain->joined);
	*ret_offset = chain->offset;
	return 1;
}
