#include "budget.h"

#include "cancel.h"
#include "clock.h"

#include <errno.h>

static bool swap(struct ring *ring, uint64_t *was, uint64_t is)
{
	/* Relaxed: see budget_now(). */
	return atomic_compare_exchange_weak_explicit(
		&ring->budget, was, is, memory_order_relaxed, memory_order_relaxed);
}

/* What is open may still be ended; nothing else is worth writing. */
static bool agent_wants_no_more(const struct wire_ctl_header *ctl)
{
	/* Relaxed: a wish that stands alone. */
	return ctl && atomic_load_explicit(&ctl->please_stop, memory_order_relaxed);
}

bool budget_is_full(const struct ring *ring, enum block_use use, uint64_t *budget,
		    uint32_t *returned)
{
	while (budget_free(ring, *budget, *returned) <= budget_kept(*budget, use)) {
		uint32_t again = budget_returned(budget_ctl(ring));

		if (again == *returned)
			return true;
		*returned = again;
		*budget = budget_now(ring);
	}
	return false;
}

int budget_spend(struct ring *ring, enum block_use use)
{
	const struct wire_ctl_header *ctl = budget_ctl(ring);
	uint32_t returned = budget_returned(ctl);
	uint64_t budget = budget_now(ring);

	if (use == BLOCK_FOR_VALUE && agent_wants_no_more(ctl))
		return -ENOBUFS;
	do {
		if (budget_is_full(ring, use, &budget, &returned))
			return -ENOBUFS;
	} while (!swap(ring, &budget, budget + budget_cost(budget, use)));
	return 0;
}

void budget_refund(struct ring *ring, uint32_t count)
{
	/* Relaxed: see budget_now(). */
	atomic_fetch_sub_explicit(&ring->budget, BUDGET_TAKEN_ONE * count,
				  memory_order_relaxed);
}

bool budget_reserve_is_touched(const struct ring *ring)
{
	uint64_t budget = budget_now(ring);

	return budget_free(ring, budget, budget_returned(budget_ctl(ring))) <
	       budget_kept(budget, BLOCK_FOR_VALUE);
}

static int reserve(struct ring *ring)
{
	const struct wire_ctl_header *ctl = budget_ctl(ring);
	uint32_t returned = budget_returned(ctl);
	uint64_t budget = budget_now(ring);

	if (agent_wants_no_more(ctl))
		return -ENOBUFS;
	do {
		if (budget_is_full(ring, BLOCK_FOR_VALUE, &budget, &returned))
			return -ENOBUFS;
	} while (!swap(ring, &budget, budget + 1));
	return 0;
}

static void unreserve(struct ring *ring)
{
	uint64_t budget = budget_now(ring);

	/* Threads may end more than was started since the ring is new. */
	do {
		if (budget_of_ends(budget) == 0)
			return;
	} while (!swap(ring, &budget, budget - 1));
}

/* ---- waiting --------------------------------------------------------------- */

bool budget_wait(struct ring *ring, struct budget_patience *patience)
{
	const struct timespec moment = {.tv_nsec = 1000000};
	int error = errno, cancel_state;

	/* Relaxed: only compared with NULL. */
	if (!atomic_load_explicit(&ring->ctl, memory_order_relaxed))
		ring_look_for_agent(ring, true);
	thread_reap_at_times();
	if (ring->wait_ms == 0)
		return false;
	if (patience->until_ns == 0) {
		ring_count(&ring->header->waited);
		patience->until_ns =
			clock_ns(CLOCK_MONOTONIC) + (uint64_t)ring->wait_ms * 1000000u;
	} else if (clock_ns(CLOCK_MONOTONIC) >= patience->until_ns) {
		return false;
	}
	ring_doorbell(ring, false);
	cancel_state = cancel_hold();
	(void)nanosleep(&moment, NULL); /* cut short by a signal is fine */
	cancel_release(cancel_state);
	errno = error;
	return true;
}

/* ---- the reserve ----------------------------------------------------------- */

int reserve_take_slow(struct thread *thread)
{
	struct budget_patience patience = {0};
	struct ring *ring = thread->ring;
	/* Relaxed: a sum that orders nothing. */
	uint32_t spare = atomic_exchange_explicit(&ring->spare_credit, 0, memory_order_relaxed);
	int r;

	thread->credit += spare;
	if (thread->credit >= RESERVE_PER_SPAN)
		return 0;
	do {
		r = reserve(ring);
	} while (r < 0 && budget_wait(ring, &patience));
	if (r == 0)
		thread->credit += WIRE_BLOCK_BYTES;
	return r;
}

void reserve_give_slow(struct thread *thread)
{
	while (thread->credit >= 2 * WIRE_BLOCK_BYTES - WIRE_BLOCK_BYTES / 2) {
		thread->credit -= WIRE_BLOCK_BYTES;
		unreserve(thread->ring);
	}
}

/* The spans this thread leaves open will be ended by others, who gain their
 * credit; what it has left must not stay reserved for nobody. */
void reserve_leave(struct thread *thread)
{
	struct ring *ring = thread->ring;
	/* Relaxed: see reserve_take_slow(). */
	uint32_t spare = thread->credit +
			 atomic_exchange_explicit(&ring->spare_credit, 0, memory_order_relaxed);

	thread->credit = 0;
	for (; spare >= WIRE_BLOCK_BYTES; spare -= WIRE_BLOCK_BYTES)
		unreserve(ring);
	/* Relaxed: as above. */
	atomic_fetch_add_explicit(&ring->spare_credit, spare, memory_order_relaxed);
}
