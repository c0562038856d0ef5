#include "lock.h"

#include "cancel.h"

#include <errno.h>
#include <time.h>
#include <unistd.h>

#define WAIT_STEP_NS 100000
#define WAIT_STEPS 10000

int lock_take(struct lock *lock)
{
	const struct timespec step = {.tv_nsec = WAIT_STEP_NS};
	uint32_t self = (uint32_t)getpid();
	int error = errno, cancel_state = cancel_hold();

	for (int i = 0; i < WAIT_STEPS; i++) {
		uint32_t holder = 0;

		/* L1: acquire, pairs with lock_give(); in a child, a parent's
		 * lock is taken over: nobody here holds it. */
		if (atomic_compare_exchange_strong_explicit(&lock->holder, &holder, self,
							    memory_order_acquire,
							    memory_order_relaxed) ||
		    (holder != self && atomic_compare_exchange_strong_explicit(
					       &lock->holder, &holder, self,
					       memory_order_acquire, memory_order_relaxed))) {
			lock->cancel_state = cancel_state;
			return 0;
		}
		(void)nanosleep(&step, NULL); /* cut short is fine */
		errno = error;
	}
	cancel_release(cancel_state);
	return -EBUSY;
}

void lock_give(struct lock *lock)
{
	int cancel_state = lock->cancel_state;

	atomic_store_explicit(&lock->holder, 0, memory_order_release); /* L1 */
	cancel_release(cancel_state);
}
