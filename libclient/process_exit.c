#include "process_exit.h"

#include "client.h"
#include "clock.h"
#include "life.h"
#include "writer.h"

#include <errno.h>

/* glibc's; musl has none, and the status stays unknown. */
extern int on_exit(void (*function)(int status, void *argument), void *argument)
	__attribute__((weak));

static _Atomic int exit_status = -1;
static _Atomic uint32_t watching;

/* Runs before the module's own handlers that were registered earlier; those
 * may still write spans, so this only remembers. */
static void remember_status(int status, void *argument)
{
	(void)argument;
	/* Relaxed: the destructor runs in the same thread. */
	atomic_store_explicit(&exit_status, status & 0xff, memory_order_relaxed);
}

void process_exit_watch(void)
{
	/* Relaxed: whoever is first registers. */
	if (on_exit && !atomic_exchange_explicit(&watching, 1, memory_order_relaxed))
		(void)on_exit(remember_status, NULL); /* unknown, then */
}

static int write_end(struct thread *thread, enum wire_process_end reason, int code)
{
	unsigned flags = code >= 0 ? WIRE_PROCESS_CODE_KNOWN : 0;
	struct wire_process_end_record record = {
		.head = record_make_head(WIRE_PROCESS_END, sizeof record, flags, reason),
		.ticks = clock_ticks(),
		.code = code >= 0 ? code : 0,
	};
	int r = writer_room(thread, sizeof record, BLOCK_FOR_PROCESS_END);

	if (r < 0)
		return r;
	memcpy(writer_place(thread, sizeof record), &record, sizeof record);
	writer_done(thread, sizeof record);
	writer_commit(thread);
	block_seal(thread);
	return 0;
}

int process_end_write(struct ring *ring, uint32_t epoch, enum wire_process_end reason, int code)
{
	struct thread *thread = thread_borrow();
	int r;

	if (!thread)
		return -ENOMEM;
	life_join_ring(thread, ring, epoch);
	r = write_end(thread, reason, code);
	if (r < 0)
		ring_refuse(ring, WIRE_REFUSED_END_LOST);
	thread_return(thread);
	return r;
}

int client_say_process_end(enum wire_process_end reason, int code)
{
	struct ring *ring = life_hold();
	int r = ring ? process_end_write(ring, client_epoch_now(), reason, code) : -ENOENT;

	life_release();
	return r;
}

__attribute__((destructor)) static void say_exit(void)
{
	(void)client_say_process_end(
		WIRE_PROCESS_EXIT,
		/* Relaxed: written by this thread, or not at all. */
		atomic_load_explicit(&exit_status, memory_order_relaxed)); /* counted there */
}
