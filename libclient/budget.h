/* How many blocks are left, and for whom. The count is one word of the ring's
 * private memory; finding a block comes after it, in blocks.c. Any thread. */
#ifndef LIBCLIENT_BUDGET_H
#define LIBCLIENT_BUDGET_H

#include "blocks.h"

#define BUDGET_TAKEN_ONE (UINT64_C(1) << 32)

/* Blocks taken since the ring was made; the count wraps. */
static inline uint32_t budget_taken(uint64_t budget)
{
	return (uint32_t)(budget >> 32);
}

/* Blocks kept for the ends of spans. */
static inline uint32_t budget_of_ends(uint64_t budget)
{
	return budget & 0xffffff;
}

/* Two blocks are never a span's: with SIGTERM's and the exit's last words the
 * process says that its open spans are not those of a crash. How many of them
 * are taken stands between the two counts. */
#define BUDGET_OF_PROCESS_END 2u
#define BUDGET_PROCESS_END_ONE (UINT64_C(1) << 24)

static inline uint32_t budget_of_process_end(uint64_t budget)
{
	return BUDGET_OF_PROCESS_END - (budget >> 24 & 0xff);
}

/* Blocks that this use must leave free. */
static inline uint32_t budget_kept(uint64_t budget, enum block_use use)
{
	switch (use) {
	case BLOCK_FOR_PROCESS_END:
		return 0;
	case BLOCK_FOR_END:
		return budget_of_process_end(budget);
	default:
		return budget_of_process_end(budget) + budget_of_ends(budget);
	}
}

/* What the word grows by when a block is taken for this use. */
static inline uint64_t budget_cost(uint64_t budget, enum block_use use)
{
	bool own = use == BLOCK_FOR_PROCESS_END && budget_of_process_end(budget) > 0;

	return BUDGET_TAKEN_ONE + (own ? BUDGET_PROCESS_END_ONE : 0);
}

static inline uint64_t budget_now(const struct ring *ring)
{
	/* It counts and publishes nothing, so what changes it is relaxed. B1: an
	 * acquire all the same, so that budget_is_full() looks at `returned` behind it. */
	return atomic_load_explicit(&ring->budget, memory_order_acquire);
}

static inline const struct wire_ctl_header *budget_ctl(const struct ring *ring)
{
	return atomic_load_explicit(&ring->ctl, memory_order_acquire); /* K1 in ring.c */
}

static inline uint32_t budget_returned(const struct wire_ctl_header *ctl)
{
	/* T2: acquire, pairs with the agent's R2: the blocks it counted are
	 * there to be found. */
	return ctl ? atomic_load_explicit(&ctl->returns, memory_order_acquire) : 0;
}

/* How many blocks are free by the count; 0 when the numbers make no sense. */
static inline uint32_t budget_free(const struct ring *ring, uint64_t budget, uint32_t returned)
{
	uint32_t used = budget_taken(budget) - returned;

	return used > ring->block_count ? 0 : ring->block_count - used;
}

/* Whether nothing is left for this use. The two counts are not of one moment:
 * blocks that came back after *returned was loaded and were taken again before
 * *budget was are missing. So the ring is only full when `returned` has stood
 * still meanwhile; otherwise both are loaded anew. */
bool budget_is_full(const struct ring *ring, enum block_use use, uint64_t *budget,
		    uint32_t *returned);

/* Takes a block off the count, before it is looked for. -ENOBUFS: none for
 * this use, or the agent wants no more of this ring. */
int budget_spend(struct ring *ring, enum block_use use);
void budget_refund(struct ring *ring, uint32_t count);

/* Whether what is free does not cover the reserve any more. */
bool budget_reserve_is_touched(const struct ring *ring);

/* How long a call has waited for room; zeroed at its beginning. */
struct budget_patience {
	uint64_t until_ns;
};

/* Sleeps a millisecond if the call may wait any longer; false when not. */
bool budget_wait(struct ring *ring, struct budget_patience *patience);

#endif
