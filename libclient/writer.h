/* Puts records into the thread's block.
 *
 * A record that fits the rest of the block is written in place. One that does
 * not goes to a new block when it is small; a larger one is cut over FRAGMENTs
 * in blocks that were all claimed before, so that it is never left half
 * written for want of room. Records become visible by writer_commit(), or when
 * their block is sealed; until then the process may die and nothing was said.
 *
 * All calls: inside the gate (client.h), by the thread itself. */
#ifndef LIBCLIENT_WRITER_H
#define LIBCLIENT_WRITER_H

#include "blocks.h"
#include "spanring.h"
#include "wire/record.h"

#include <errno.h>

/* Records up to this size are not cut: at most so much of a block is wasted. */
#define WRITER_SMALL_MAX 4096u

struct writer {
	struct thread *thread;
	uint8_t *at;	  /* the next byte */
	uint8_t *end;	  /* of what fits here */
	uint32_t left;	  /* bytes of the record that come after `end` */
	uint32_t padded;  /* of the record, or the piece, in this block */
};

/* Bytes left in the block for anything but ends; none where it has no room for
 * values at all. */
static inline uint32_t writer_rest(const struct thread *thread)
{
	return thread->limit > thread->offset ? thread->limit - thread->offset : 0;
}

/* Room for `bytes` (padded) in one piece: 0, or as block_take(). */
static inline int writer_room(struct thread *thread, uint32_t bytes, enum block_use use)
{
	uint32_t limit = use == BLOCK_FOR_VALUE ? thread->limit : thread->limit_of_ends;

	if (__builtin_expect(thread->offset + bytes > limit, 0))
		return block_take(thread, use);
	return 0;
}

/* Copies what is mostly a few words, without a call. */
static inline void writer_copy(uint8_t *to, const void *from, size_t count)
{
	const uint8_t *at = from;
	uint64_t words[4];
	uint32_t half[2];

	if (count > 32 || count < 4) {
		if (count > 3)
			memcpy(to, at, count);
		else
			for (size_t i = 0; i < count; i++)
				to[i] = at[i];
	} else if (count >= 16) {
		/* Two pieces from either end; they may overlap. */
		memcpy(words, at, 16);
		memcpy(words + 2, at + count - 16, 16);
		memcpy(to, words, 16);
		memcpy(to + count - 16, words + 2, 16);
	} else if (count >= 8) {
		memcpy(words, at, 8);
		memcpy(words + 1, at + count - 8, 8);
		memcpy(to, words, 8);
		memcpy(to + count - 8, words + 1, 8);
	} else {
		memcpy(half, at, 4);
		memcpy(half + 1, at + count - 4, 4);
		memcpy(to, half, 4);
		memcpy(to + count - 4, half + 1, 4);
	}
}

/* The next record's place; there must be room. Its padding is zeroed. */
static inline uint8_t *writer_place(struct thread *thread, uint32_t padded)
{
	uint8_t *at = thread->block + thread->offset;

	memset(at + padded - WIRE_RECORD_ALIGN, 0, WIRE_RECORD_ALIGN);
	return at;
}

/* The record of that size is written. */
static inline void writer_done(struct thread *thread, uint32_t padded)
{
	thread->offset += padded;
	thread->records++;
}

/* Everything written so far is said. */
static inline void writer_commit(struct thread *thread)
{
	/* P2 pairs with C2 in the agent's drain: whoever sees the new
	 * `committed` also sees the records' bytes. Killed before this line,
	 * the thread has published nothing of them. */
	atomic_store_explicit(&thread->line->committed, thread->offset, memory_order_release);
}

/* Begins a record of any size, to be given in pieces that add up to `length`;
 * its head comes first like any other bytes. Opens a new block, or several, as
 * needed. -ENOBUFS, -ENOMEM as block_take(); -EMSGSIZE: above a quarter of the
 * ring. Nothing is left behind then. */
int writer_begin(struct writer *writer, struct thread *thread, uint64_t length);

void writer_put_slow(struct writer *writer, const uint8_t *bytes, size_t count);

static inline void writer_put(struct writer *writer, const void *bytes, size_t count)
{
	if (__builtin_expect((size_t)(writer->end - writer->at) >= count, 1)) {
		memcpy(writer->at, bytes, count);
		writer->at += count;
	} else {
		writer_put_slow(writer, bytes, count);
	}
}

/* The record is complete; not yet committed. */
static inline void writer_end(struct writer *writer)
{
	writer_done(writer->thread, writer->padded);
}

/* What was refused to a span and is to be said there. */
enum writer_lost {
	WRITER_LOST_ATTRIBUTES,
	WRITER_LOST_EVENTS,
	WRITER_LOST_LINKS,
};

/* Counts a refused call, `error` being why, and keeps in mind to say so on its
 * span: together with further ones, at the latest with its end. */
void writer_refuse(struct thread *thread, const struct spanring_span *span,
		   enum writer_lost what, uint32_t count, int error);

/* Counts a refused call that takes nothing from a span. */
void writer_count(struct thread *thread, int error);

/* Writes the DROPPED record that is due, if one is. */
void writer_say_drops_slow(struct thread *thread, enum block_use use);

static inline void writer_say_drops(struct thread *thread)
{
	struct thread_drop *drop = &thread->drop;

	if (__builtin_expect(drop->attributes | drop->events | drop->links, 0))
		writer_say_drops_slow(thread, BLOCK_FOR_END);
}

/* Notes the id of a span whose END found no room. */
void writer_end_lost(struct thread *thread, const uint8_t span_id[8]);

#endif
