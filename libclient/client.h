/* The library as one process sees it: whether tracing is on, into which ring,
 * and the gate every recording call passes.
 *
 * The gate. One word, the epoch, says which life of the library is on: it is
 * not zero while there is a ring, and different after every init and in every
 * child. It lies alone in a private page that fork() wipes, so a child, however
 * it was made, finds zero there and never touches its parent's ring. A thread
 * carries the epoch it has a block in; a span the stamp of the thread that
 * started it: the epoch, and in its low half the thread's number. A record is
 * written when the epochs are equal; where the stamp is another thread's, the
 * ring is marked as shared first, see wire/abi.h. */
#ifndef LIBCLIENT_CLIENT_H
#define LIBCLIENT_CLIENT_H

#include "environment.h"
#include "spanring.h"
#include "thread.h"
#include "wire/record.h"

#include <stdbool.h>

/* Bits of spanring_span.marks. */
#define CLIENT_MARK_REMOTE 0x01u  /* stands for a span of another process */
#define CLIENT_MARK_RUN 0x02u	  /* the root of a run that spanring_run_begin() began */
#define CLIENT_MARK_DEBUG 0x04u	  /* B3's debug, passed on to its children */
#define CLIENT_MARK_ANSWERS 0x10u /* what it answers is its run's answer */
#define CLIENT_MARK_ERROR 0x08u	  /* its status is ERROR, as far as this handle knows */

/* Epochs are multiples of this; what is below is a thread's number. */
#define CLIENT_EPOCH_STEP 0x10000u

static inline uint32_t client_epoch_of(uint32_t stamp)
{
	return stamp & ~(CLIENT_EPOCH_STEP - 1);
}

/* Where the epoch is: our page, or a word that is always zero. */
extern _Atomic uint32_t *client_epoch;

/* Constant between init and shutdown. */
extern struct sampler client_sampler;

/* The span that stands for the context this process was started in; its trace
 * id is zero when there is none. Constant after init. */
extern struct spanring_span client_inherited;

/* ---- the gate -------------------------------------------------------------- */

/* The slow halves: a thread's first call, a nested call, a stale span, a child
 * after fork, a directory that may have come. Results as below; the thread is
 * thread_self then. */
int client_enter_slow(uint32_t stamp);
int client_enter_start_slow(void);

static inline uint32_t client_epoch_now(void)
{
	/* Relaxed: the thread that follows it to the ring joined that ring by
	 * acquire in client_enter_slow(). */
	return atomic_load_explicit(client_epoch, memory_order_relaxed);
}

static inline int client_enter_outlined(uint32_t stamp, struct thread **ret_thread)
{
	int r = client_enter_slow(stamp);

	*ret_thread = thread_self;
	return r;
}

static inline int client_enter_start_outlined(struct thread **ret_thread)
{
	int r = client_enter_start_slow();

	*ret_thread = thread_self;
	return r;
}

/* Opens the gate for a record of a span with this stamp; the thread is writing
 * until thread_write_end(). -EBUSY: a handler interrupted a write. -ECHILD: a
 * span of another life. -ENOMEM: no room for one more thread. All counted. */
static inline int client_enter(uint32_t stamp, struct thread **ret_thread)
{
	struct thread *thread = thread_self;

	if (__builtin_expect(thread != NULL && !thread_writing(thread), 1)) {
		thread_write_begin(thread);
		if (__builtin_expect(
			    thread->stamp == stamp && client_epoch_now() == thread->epoch, 1)) {
			*ret_thread = thread;
			return 0;
		}
		thread_write_end(thread);
	}
	return client_enter_outlined(stamp, ret_thread);
}

/* The same for a record of no span yet, in whatever life is on. Beside the
 * above: -ENOENT: tracing is off. */
static inline int client_enter_start(struct thread **ret_thread)
{
	struct thread *thread = thread_self;
	uint32_t epoch;

	if (__builtin_expect(thread != NULL && !thread_writing(thread), 1)) {
		thread_write_begin(thread);
		epoch = client_epoch_now();
		if (__builtin_expect(epoch != 0 && thread->epoch == epoch, 1)) {
			*ret_thread = thread;
			return 0;
		}
		thread_write_end(thread);
	}
	return client_enter_start_outlined(ret_thread);
}

/* For a thread that ends: opens the gate if it has something in this life's
 * ring. */
bool client_enter_thread(struct thread *thread);

/* ---- news ------------------------------------------------------------------ */

/* Tells the error handler, each sentence once. `error` is a positive errno. */
void client_report(int error, const char *message);

/* Reports the first refusal of each kind; for slow paths. */
void client_report_refusal(int error);

/* ---- for other parts of the library ---------------------------------------- */

/* Writes a RUN record: `which` is WIRE_RUN_BEGIN or WIRE_RUN_END. */
int client_say_run(unsigned which, const uint8_t trace_id[16]);

/* Writes a PROCESS_END record, even where the gate is shut for this thread
 * because a signal handler interrupted it. `code` is the signal or, for
 * WIRE_PROCESS_EXIT, the exit status; negative: not known. Async-signal-safe.
 * -ENOENT: tracing is off. -ENOBUFS: no room. */
int client_say_process_end(enum wire_process_end reason, int code);

/* The ring of this life, or NULL. Async-signal-safe. */
struct ring *client_ring(void);

#endif
