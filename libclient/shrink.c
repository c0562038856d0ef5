#include "shrink.h"

#include "budget.h"
#include "clock.h"

#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

uint64_t shrink_period_ns = 1000000000;

/* Relaxed, all in this file: estimates. What is punched out was claimed. */
static uint32_t load(const _Atomic uint32_t *word)
{
	return atomic_load_explicit(word, memory_order_relaxed);
}

static void store(_Atomic uint32_t *word, uint32_t value)
{
	/* Relaxed: see above. */
	atomic_store_explicit(word, value, memory_order_relaxed);
}

/* Blocks that were taken once, are free now and still have their memory. */
static uint32_t recycled(const struct ring *ring)
{
	uint32_t high = load(&ring->high);
	uint32_t used = budget_taken(budget_now(ring)) - budget_returned(budget_ctl(ring));

	uint32_t without = used + load(&ring->punched);

	return without < high ? high - without : 0;
}

/* Once in a period: what was free all the time decides how much goes. */
static void judge(struct ring *ring, uint32_t free_now)
{
	uint64_t now = clock_ns(CLOCK_MONOTONIC_COARSE);
	/* Relaxed: see above; the exchange lets one thread judge. */
	uint64_t due = atomic_load_explicit(&ring->shrink_due_ns, memory_order_relaxed);
	uint32_t low = load(&ring->shrink_low);

	if (free_now < low)
		store(&ring->shrink_low, free_now);
	if (now < due)
		return;
	if (!atomic_compare_exchange_strong_explicit(&ring->shrink_due_ns, &due,
						     now + shrink_period_ns, memory_order_relaxed,
						     memory_order_relaxed))
		return;
	store(&ring->shrink_low, UINT32_MAX);
	if (due == 0 || low == UINT32_MAX || low <= SHRINK_KEPT_BLOCKS)
		return;
	store(&ring->shrink_debt, (low - SHRINK_KEPT_BLOCKS) / 2);
}

/* From the top down: the search for a block begins at the bottom. */
static bool punch_one(struct ring *ring)
{
	const struct wire_ctl_header *ctl = budget_ctl(ring);
	uint32_t generation, index = load(&ring->high);

	while (index-- > 0) {
		/* Relaxed: see above. */
		if (!atomic_load_explicit(&ring->backed[index], memory_order_relaxed) || !block_is_free(ring, ctl, index, &generation) ||
		    !block_claim(ring, index, generation))
			continue;
		/* Relaxed: see above; until it is unclaimed the block is ours. */
		atomic_store_explicit(&ring->backed[index], 0, memory_order_relaxed);
		ring_count(&ring->punched);
		(void)madvise(ring->base + block_offset(ring, index), WIRE_BLOCK_BYTES,
			      MADV_REMOVE); /* when refused it only stays backed: no harm */
		block_unclaim(ring, index);
		return true;
	}
	return false;
}

void shrink_step(struct ring *ring)
{
	uint32_t debt = load(&ring->shrink_debt), free_now = recycled(ring);
	int error = errno;

	if (!ring->populates || sysconf(_SC_PAGESIZE) > (long)WIRE_BLOCK_BYTES)
		return;
	judge(ring, free_now);
	if (debt && free_now > SHRINK_KEPT_BLOCKS) {
		store(&ring->shrink_debt, debt - 1);
		if (!punch_one(ring))
			store(&ring->shrink_debt, 0);
	}
	errno = error;
}
