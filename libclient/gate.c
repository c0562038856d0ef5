/* The slow halves of the gate in client.h. */
#include "life.h"
#include "lock.h"
#include "writer.h"

#include <errno.h>

/* A handler interrupted a write of its own thread. Usually that write goes on
 * when the handler returns; after many such calls in a row it was left by
 * siglongjmp(), and the thread begins anew beside what it had. */
static int nested(struct thread *thread, struct thread **ret_thread)
{
	struct ring *ring = client_ring();

	/* The interrupted write keeps shutdown from unmapping the ring. */
	if (ring && thread->epoch == client_epoch_now())
		ring_refuse(ring, WIRE_REFUSED_REENTRANT);
	/* A record since the last one: that write ended, and this is another. */
	if (thread->nested_at != thread->records)
		thread->nested = 0;
	thread->nested_at = thread->records;
	if (++thread->nested < THREAD_NESTED_MAX)
		return -EBUSY;
	thread = thread_replace(thread);
	if (!thread)
		return -EBUSY;
	*ret_thread = thread;
	return 0;
}

static int no_thread(void)
{
	struct ring *ring = life_hold();

	if (ring)
		ring_refuse(ring, WIRE_REFUSED_NO_MEMORY);
	life_release();
	return -ENOMEM;
}

/* Finds this thread's struct and says that it writes. */
static int begin_writing(struct thread **ret_thread)
{
	struct thread *thread = thread_mine();
	int r;

	if (!thread)
		return no_thread();
	if (thread_writing(thread)) {
		r = nested(thread, &thread);
		if (r < 0)
			return r;
	}
	thread->nested = 0;
	thread_write_begin(thread);
	*ret_thread = thread;
	return 0;
}

/* A span of an earlier life: counted in this one's ring, if there is one. */
static int stale(struct thread *thread)
{
	struct ring *ring = life_hold();

	if (ring)
		ring_refuse(ring, WIRE_REFUSED_INHERITED);
	life_release();
	thread_write_end(thread);
	return -ECHILD;
}

int client_enter_slow(uint32_t stamp)
{
	uint32_t epoch = client_epoch_of(stamp);
	struct thread *thread;
	int r = begin_writing(&thread);

	if (r < 0)
		return r;
	/* G3: acquire, pairs with life_begin(). */
	if (atomic_load_explicit(client_epoch, memory_order_acquire) != epoch)
		return stale(thread);
	if (thread->epoch != epoch && !life_join(thread, epoch))
		return stale(thread);
	if (thread->stamp != stamp)
		ring_share(thread->ring);
	return 0;
}

static struct lock life_lock;

/* Under the lock somebody else may have begun the life already. */
static int begin_life(struct thread *thread)
{
	int r = lock_take(&life_lock);

	if (r < 0)
		return r;
	if (!client_epoch_now() && (life_phase() == LIFE_ON || life_phase() == LIFE_LOOKING))
		r = life_begin(thread);
	lock_give(&life_lock);
	return r;
}

int client_lock(void)
{
	return lock_take(&life_lock);
}

void client_unlock(void)
{
	lock_give(&life_lock);
}

int client_enter_start_slow(void)
{
	enum life_phase phase = life_phase();
	struct thread *thread;
	uint32_t epoch;
	int r;

	if (phase != LIFE_ON && phase != LIFE_LOOKING)
		return -ENOENT;
	if (phase == LIFE_LOOKING && !life_look_is_due())
		return -ENOENT;
	r = begin_writing(&thread);
	if (r < 0)
		return r;
	epoch = atomic_load_explicit(client_epoch, memory_order_acquire); /* G3 */
	if (!epoch) {
		r = begin_life(thread);
		epoch = atomic_load_explicit(client_epoch, memory_order_acquire); /* G3 */
	}
	if (r < 0 || !epoch) {
		thread_write_end(thread);
		/* While it is looked for, tracing is off. */
		return r < 0 && life_phase() != LIFE_LOOKING ? r : -ENOENT;
	}
	if (thread->epoch != epoch && !life_join(thread, epoch)) {
		thread_write_end(thread);
		return -ENOENT;
	}
	return 0;
}

bool client_enter_thread(struct thread *thread)
{
	if (thread_writing(thread) || !thread->epoch)
		return false;
	thread_write_begin(thread);
	if (thread->epoch == client_epoch_now())
		return true;
	thread_write_end(thread);
	return false;
}
