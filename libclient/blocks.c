#include "blocks.h"

#include "budget.h"
#include "shrink.h"

#include <errno.h>
#include <sys/mman.h>

/* Memory is made real for so many new blocks at once. */
#define POPULATE_BLOCKS 4u

/* ---- finding one ----------------------------------------------------------- */

/* Relaxed: hints for a search; the claim settles who owns what. */
static uint32_t hint_load(const _Atomic uint32_t *hint)
{
	return atomic_load_explicit(hint, memory_order_relaxed);
}

static void hint_store(_Atomic uint32_t *hint, uint32_t value)
{
	/* Relaxed: see above. */
	atomic_store_explicit(hint, value, memory_order_relaxed);
}

bool block_is_free(const struct ring *ring, const struct wire_ctl_header *ctl,
			  uint32_t index, uint32_t *ret_generation)
{
	const struct wire_block_line *line = &ring->lines[index];
	const _Atomic uint32_t *returned =
		(const _Atomic uint32_t *)((const uint8_t *)ctl + WIRE_HEADER_BYTES);
	/* Relaxed: `claim` is confirmed by the exchange that follows. */
	uint32_t claim = atomic_load_explicit(&line->claim, memory_order_relaxed);
	/* T1: acquire, pairs with the agent's R1: it reads this block no more. */
	uint32_t back = ctl ? atomic_load_explicit(&returned[index], memory_order_acquire) : 0;

	*ret_generation = claim;
	return back == claim;
}

bool block_claim(struct ring *ring, uint32_t index, uint32_t generation)
{
	/* T3: acquire, pairs with nothing of the agent's; among our own threads
	 * the generation's release in block_open() comes before the return that
	 * made it free again. */
	return atomic_compare_exchange_strong_explicit(&ring->lines[index].claim, &generation,
						       generation + 1, memory_order_acquire,
						       memory_order_relaxed);
}

void block_unclaim(struct ring *ring, uint32_t index)
{
	/* T3: release; whoever claims it next sees what we left. */
	atomic_fetch_sub_explicit(&ring->lines[index].claim, 1, memory_order_release);
}

/* Looks at the used blocks [0, high) from the cursor on, once around. */
static int find_recycled(struct ring *ring, const struct wire_ctl_header *ctl, uint32_t high,
			 bool backed_only, uint32_t *ret_index)
{
	uint32_t at = hint_load(&ring->cursor);

	for (uint32_t looked = 0; looked < high; looked++, at++) {
		uint32_t generation;

		if (at >= high)
			at = 0;
		/* Relaxed: a preference. */
		if (backed_only &&
		    !atomic_load_explicit(&ring->backed[at], memory_order_relaxed))
			continue;
		if (!block_is_free(ring, ctl, at, &generation) ||
		    !block_claim(ring, at, generation))
			continue;
		hint_store(&ring->cursor, at + 1);
		*ret_index = at;
		return 0;
	}
	return -ENOBUFS;
}

/* Lines become real a page at a time; P3 tells the agent how far it may look. */
static int lines_ready(struct ring *ring, uint32_t index)
{
	uint32_t per_page = 4096 / WIRE_LINE_BYTES, wanted = (index / per_page + 1) * per_page;
	/* Relaxed: memory that is real stays so. */
	uint32_t ready = atomic_load_explicit(&ring->header->blocks_ready,
					      memory_order_relaxed);
	int r;

	if (index < ready)
		return 0;
	if (wanted > ring->block_count)
		wanted = ring->block_count;
	r = ring_populate(ring, WIRE_HEADER_BYTES + (uint64_t)ready * WIRE_LINE_BYTES,
			  (uint64_t)(wanted - ready) * WIRE_LINE_BYTES);
	if (r < 0)
		return r;
	/* P3: release, pairs with the agent's C3. */
	while (ready < wanted &&
	       !atomic_compare_exchange_weak_explicit(&ring->header->blocks_ready, &ready,
						      wanted, memory_order_release,
						      memory_order_relaxed))
		;
	return 0;
}

static int find_new(struct ring *ring, uint32_t *ret_index)
{
	uint32_t high = hint_load(&ring->high);
	int r;

	for (;;) {
		if (high >= ring->block_count)
			return -ENOBUFS;
		r = lines_ready(ring, high);
		if (r < 0)
			return r;
		/* Relaxed: whose the block is, the claim says. */
		if (!atomic_compare_exchange_weak_explicit(&ring->high, &high, high + 1,
							   memory_order_relaxed,
							   memory_order_relaxed))
			continue;
		if (block_claim(ring, high, 0)) {
			*ret_index = high;
			return 0;
		}
		high++;
	}
}

/* Used blocks before new ones, as long as the search pays: they are warm, and
 * the ring stays small. */
static int find(struct ring *ring, uint64_t budget, uint32_t *ret_index)
{
	const struct wire_ctl_header *ctl = budget_ctl(ring);
	uint32_t high = hint_load(&ring->high);
	uint32_t used = budget_taken(budget) - budget_returned(ctl);
	uint32_t recycled = used < high ? high - used : 0;
	int r = -ENOBUFS;

	if (recycled > high / 8)
		r = find_recycled(ring, ctl, high, true, ret_index);
	if (r == -ENOBUFS)
		r = find_new(ring, ret_index);
	if (r == -ENOBUFS)
		r = find_recycled(ring, ctl, high, false, ret_index);
	return r;
}

/* ---- memory ---------------------------------------------------------------- */

static int back(struct ring *ring, uint32_t index)
{
	uint32_t high = hint_load(&ring->high), count = 1;
	int r;

	/* Relaxed: the mark speaks of memory, which the kernel orders. */
	if (atomic_load_explicit(&ring->backed[index], memory_order_relaxed))
		return 0;
	/* Blocks that nobody ever took can be made real along with this one. */
	if (index + 1 >= high && index >= POPULATE_BLOCKS)
		count = ring->block_count - index;
	if (count > POPULATE_BLOCKS)
		count = POPULATE_BLOCKS;
	r = ring_populate(ring, block_offset(ring, index), (uint64_t)count * WIRE_BLOCK_BYTES);
	if (r < 0 && count > 1) {
		count = 1;
		r = ring_populate(ring, block_offset(ring, index), WIRE_BLOCK_BYTES);
	}
	/* Claimed for the second time or later, it had memory once. */
	if (r == 0 && hint_load(&ring->lines[index].claim) > 1)
		atomic_fetch_sub_explicit(&ring->punched, 1, memory_order_relaxed);
	/* Relaxed: see above. */
	for (uint32_t i = 0; r == 0 && i < count; i++)
		atomic_store_explicit(&ring->backed[index + i], 1, memory_order_relaxed);
	return r < 0 ? -ENOMEM : 0;
}

/* ---- taking ---------------------------------------------------------------- */

/* The thread's notes of what it claimed come before and after what they are
 * about, as block_abandon() needs it; a thread that is over is not looked at
 * before the kernel has forgotten it, so only the compiler must be held. */
static void note_claimed(struct thread *thread, uint32_t note)
{
	atomic_signal_fence(memory_order_seq_cst);
	thread->claimed = note;
	atomic_signal_fence(memory_order_seq_cst);
}

static void give_up_claimed(struct thread *thread)
{
	uint32_t note = thread->claimed;

	if (!note)
		return;
	note_claimed(thread, 0);
	block_unclaim(thread->ring, note - 1);
	budget_refund(thread->ring, 1);
}

/* Claims a block: thread->claimed. */
static int claim_one(struct thread *thread, enum block_use use)
{
	struct ring *ring = thread->ring;
	uint32_t index;
	int r = budget_spend(ring, use);

	if (r < 0)
		return r;
	/* The block just spent is not among the free ones any more. */
	r = find(ring, budget_now(ring) - BUDGET_TAKEN_ONE, &index);
	if (r < 0) {
		budget_refund(ring, 1);
		return r == -ENOBUFS ? r : -ENOMEM;
	}
	note_claimed(thread, index + 1);
	r = back(ring, index);
	if (r < 0)
		give_up_claimed(thread);
	return r;
}

/* Finds the agent, and wakes it where it is needed and asleep. */
static void talk_to_agent(struct ring *ring)
{
	uint64_t budget = budget_now(ring);
	uint32_t left = budget_free(ring, budget, budget_returned(budget_ctl(ring)));
	bool is_urgent = left < ring->block_count / 2;

	/* Relaxed: only compared with NULL. */
	if (!atomic_load_explicit(&ring->ctl, memory_order_relaxed) ||
	    !atomic_load_explicit(&ring->page, memory_order_relaxed))
		ring_look_for_agent(ring, is_urgent);
	if (is_urgent)
		ring_doorbell(ring, false);
}

static int claim_patiently(struct thread *thread, enum block_use use)
{
	struct budget_patience patience = {0};
	int r;

	do {
		r = claim_one(thread, use);
	} while (r == -ENOBUFS && budget_wait(thread->ring, &patience));
	return r;
}

void block_seal(struct thread *thread)
{
	if (!thread->block)
		return;
	/* P2: nothing follows; all before `offset` is complete. */
	atomic_store_explicit(&thread->line->committed, thread->offset | WIRE_SEALED,
			      memory_order_release);
	thread->block = NULL;
	thread->offset = thread->limit = thread->limit_of_ends = 0;
}

/* Seals the thread's block and goes on in the claimed one. */
static void open_claimed(struct thread *thread)
{
	struct ring *ring = thread->ring;
	uint32_t index = thread->claimed - 1;
	struct wire_block_line *line = &ring->lines[index];
	/* Relaxed: our own claim wrote it. */
	uint32_t generation = atomic_load_explicit(&line->claim, memory_order_relaxed);

	block_seal(thread);
	thread->line = line;
	/* Relaxed: P1 publishes it together with the plain fields. */
	atomic_store_explicit(&line->committed, 0, memory_order_relaxed);
	/* Relaxed: our own. */
	line->owner = atomic_load_explicit(&thread->tid, memory_order_relaxed);
	line->thread = thread->number;
	line->thread_block = ++thread->blocks;
	line->first_record = thread->records + 1;
	note_claimed(thread, 0);
	/* P1: release, pairs with the agent's C1. Killed before, the block is
	 * still free for the reader; killed after, it is an empty block. */
	atomic_store_explicit(&line->generation, generation, memory_order_release);
	thread->block_index = index;
	thread->block = ring->blocks + (size_t)index * WIRE_BLOCK_BYTES;
	thread->offset = 0;
	thread->limit = thread->limit_of_ends = WIRE_BLOCK_BYTES;
}

int block_take(struct thread *thread, enum block_use use)
{
	int r;

	talk_to_agent(thread->ring);
	r = claim_patiently(thread, use);
	if (r < 0)
		return r;
	open_claimed(thread);
	/* A part of the reserve: values must not use it up. */
	if (use != BLOCK_FOR_VALUE && budget_reserve_is_touched(thread->ring))
		thread->limit = 0;
	shrink_step(thread->ring);
	return 0;
}

/* ---- chains ---------------------------------------------------------------- */

/* The first of the chain becomes the claimed one. In between it is neither, so
 * that it is never given up twice. */
static void chain_pop(struct thread *thread)
{
	uint32_t index = thread->chain_first;

	thread->chain_first = thread->ring->lines[index].next_claimed;
	atomic_signal_fence(memory_order_seq_cst);
	thread->chain_blocks--;
	note_claimed(thread, index + 1);
}

static void give_up_chain(struct thread *thread)
{
	give_up_claimed(thread);
	while (thread->chain_blocks) {
		chain_pop(thread);
		give_up_claimed(thread);
	}
}

int block_claim_chain(struct thread *thread, uint32_t count)
{
	struct ring *ring = thread->ring;
	uint32_t last = 0, index;
	int r;

	talk_to_agent(ring);
	for (uint32_t i = 0; i < count; i++) {
		r = claim_patiently(thread, BLOCK_FOR_VALUE);
		if (r < 0) {
			give_up_chain(thread);
			return r;
		}
		index = thread->claimed - 1;
		if (i == 0)
			thread->chain_first = index;
		else
			ring->lines[last].next_claimed = index;
		note_claimed(thread, 0);
		thread->chain_blocks++;
		last = index;
	}
	return 0;
}

void block_open_next(struct thread *thread)
{
	chain_pop(thread);
	open_claimed(thread);
}

/* ---- what is left behind ----------------------------------------------------- */

/* The line may be another thread's by now, sealed, returned and taken anew:
 * then `committed` was seen before what follows it, or the number is not ours. */
static void seal_committed(const struct thread *thread)
{
	struct wire_block_line *line = thread->line;
	uint32_t committed, generation;

	if (!line)
		return;
	committed = atomic_load_explicit(&line->committed, memory_order_acquire); /* P2 */
	generation = atomic_load_explicit(&line->generation, memory_order_acquire); /* P1 */
	/* Relaxed: a claim that comes now finds `committed` sealed. */
	if ((committed & WIRE_SEALED) || line->thread != thread->number ||
	    atomic_load_explicit(&line->claim, memory_order_relaxed) != generation)
		return;
	/* P2: nothing follows. */
	atomic_store_explicit(&line->committed, committed | WIRE_SEALED, memory_order_release);
}

void block_abandon(struct thread *thread)
{
	seal_committed(thread);
	give_up_chain(thread);
}
