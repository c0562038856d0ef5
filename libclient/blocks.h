/* Blocks of the ring: who owns one, and who may still take one.
 *
 * An end must always find room. Every open span therefore holds a credit of
 * RESERVE_PER_SPAN bytes, and blocks worth all credits are left free by
 * everything but ends. A thread keeps its part of the reserve as `credit` and
 * touches the ring's shared word only when a whole block's worth is crossed. */
#ifndef LIBCLIENT_BLOCKS_H
#define LIBCLIENT_BLOCKS_H

#include "thread.h"

/* An END (24), a STATUS with a short message (80), a DROPPED (32), and what the
 * end of a block leaves unused. */
#define RESERVE_PER_SPAN 144u

enum block_use {
	BLOCK_FOR_VALUE,       /* a start, a value: leaves the reserve alone */
	BLOCK_FOR_END,	       /* an end, a short status, a count of drops */
	BLOCK_FOR_PROCESS_END, /* the process's own: has blocks that no span may take */
};

/* Says that nothing follows in the thread's block, if it has one. */
void block_seal(struct thread *thread);

/* Seals the thread's block and takes another, empty one. On failure the old
 * one stays. -ENOBUFS: none free. -ENOMEM: the mount is full. */
int block_take(struct thread *thread, enum block_use use);

/* Claims `count` blocks for the thread and chains them; nothing of it is visible
 * to the agent until they are opened. All or none. */
int block_claim_chain(struct thread *thread, uint32_t count);

/* Seals the thread's block and goes on in the first of the chain. */
void block_open_next(struct thread *thread);

/* For a thread that is over, maybe in the middle of a write: its block is sealed
 * behind what it committed, what it claimed is given up. Only what it did in
 * the few instructions between a claim and its note of it stays taken. */
void block_abandon(struct thread *thread);

/* One block: whether nobody has it, and taking it. Used where blocks are not
 * taken to be written to, too. */
bool block_is_free(const struct ring *ring, const struct wire_ctl_header *ctl, uint32_t index,
		   uint32_t *ret_generation);
bool block_claim(struct ring *ring, uint32_t index, uint32_t generation);
void block_unclaim(struct ring *ring, uint32_t index);

static inline uint64_t block_offset(const struct ring *ring, uint32_t index)
{
	return (uint64_t)(ring->blocks - ring->base) + (uint64_t)index * WIRE_BLOCK_BYTES;
}

/* A span's credit: taken before its START, given back with its END.
 * -ENOBUFS: the ring has no room for one more end. */
int reserve_take_slow(struct thread *thread);
void reserve_give_slow(struct thread *thread);
void reserve_leave(struct thread *thread);

static inline int reserve_take(struct thread *thread)
{
	if (__builtin_expect(thread->credit < RESERVE_PER_SPAN, 0)) {
		int r = reserve_take_slow(thread);

		if (r < 0)
			return r;
	}
	thread->credit -= RESERVE_PER_SPAN;
	return 0;
}

/* Half a block is kept beyond a whole one, lest a thread that starts and ends
 * at the border pays each time. */
static inline void reserve_give(struct thread *thread)
{
	thread->credit += RESERVE_PER_SPAN;
	if (__builtin_expect(thread->credit >= WIRE_BLOCK_BYTES + WIRE_BLOCK_BYTES / 2, 0))
		reserve_give_slow(thread);
}

#endif
