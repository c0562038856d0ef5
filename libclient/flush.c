#include "cancel.h"
#include "clock.h"
#include "life.h"
#include "linux_numbers.h"
#include "writer.h"

#include <errno.h>
#include <sys/syscall.h>
#include <unistd.h>

/* The agent wakes the futex; should a wake be lost, we look this often. */
#define POLL_NS 20000000
#define POLL_WITHOUT_AGENT_NS 5000000

static bool acknowledged(const struct wire_ctl_header *ctl, uint32_t request)
{
	/* F4: acquire, pairs with the agent's F3. The counters wrap. */
	uint32_t ack = atomic_load_explicit(&ctl->flush_ack, memory_order_acquire);

	return (int32_t)(ack - request) >= 0;
}

static void wait_a_little(const struct wire_ctl_header *ctl, uint32_t request, uint64_t left_ns)
{
	uint64_t step = ctl ? POLL_NS : POLL_WITHOUT_AGENT_NS;
	struct timespec timeout = {.tv_nsec = (long)(left_ns < step ? left_ns : step)};
	uint32_t seen;

	if (!ctl) {
		(void)nanosleep(&timeout, NULL); /* cut short is fine */
		return;
	}
	/* Relaxed: the futex compares it again. */
	seen = atomic_load_explicit(&ctl->flush_ack, memory_order_relaxed);
	if ((int32_t)(seen - request) < 0)
		(void)syscall(SYS_futex, &ctl->flush_ack, LINUX_FUTEX_WAIT, seen, &timeout,
			      NULL, 0);
}

static int wait_for_agent(struct ring *ring, uint32_t request, uint64_t until_ns)
{
	for (;;) {
		const struct wire_ctl_header *ctl;
		uint64_t now;

		ring_look_for_agent(ring, true);
		ctl = atomic_load_explicit(&ring->ctl, memory_order_acquire); /* K1 */
		if (ctl && acknowledged(ctl, request))
			return 0;
		now = clock_ns(CLOCK_MONOTONIC);
		if (now >= until_ns) {
			/* Relaxed: a wish that stands alone. */
			bool stopped = ctl && atomic_load_explicit(&ctl->please_stop,
								   memory_order_relaxed);

			return stopped ? -EIO : -ETIMEDOUT;
		}
		ring_doorbell(ring, true);
		wait_a_little(ctl, request, until_ns - now);
	}
}

/* What this thread still has to say of refused values. Another thread's comes
 * with its next call. */
static int say_what_is_due(void)
{
	struct thread *thread = thread_self;

	if (!thread)
		return 0;
	if (thread_writing(thread))
		return -EBUSY;
	if (!client_enter_thread(thread))
		return 0;
	writer_say_drops(thread);
	thread_write_end(thread);
	return 0;
}

int spanring_flush(uint32_t timeout_ms)
{
	uint64_t until = clock_ns(CLOCK_MONOTONIC) + (uint64_t)timeout_ms * 1000000u;
	int error = errno, r = say_what_is_due(), cancel_state;
	struct ring *ring;

	if (r < 0)
		return r;
	cancel_state = cancel_hold();
	/* The gate stays open meanwhile: a handler may write spans. */
	ring = life_hold();
	if (ring) {
		/* F1: pairs with the agent's F2: a round that begins after it
		 * saw this sees all we wrote. seq_cst, because the doorbell's
		 * load of `sleeping` must not overtake it: of agent and client
		 * one sees the other. */
		uint32_t request = atomic_fetch_add_explicit(&ring->header->flush_req, 1,
							     memory_order_seq_cst) +
				   1;

		r = wait_for_agent(ring, request, until);
	}
	life_release();
	cancel_release(cancel_state);
	errno = error;
	return r;
}
