/* What the library remembers of one thread of the process.
 *
 * It lives in private memory, not in TLS: TLS of a library that is loaded late
 * is scarce, so there is only a pointer of it. A thread finds its struct there,
 * or takes a free one from a table that never shrinks. Its own thread alone
 * touches it, with three exceptions: a signal handler of that thread (which
 * `writing` holds off), the table's `taken` word, and spanring_shutdown(),
 * which reads `writing`. When its thread is over it is whose who reaps it. */
#ifndef LIBCLIENT_THREAD_H
#define LIBCLIENT_THREAD_H

#include "ids.h"
#include "ring.h"
#include "spanring.h"

#include <stdbool.h>
#include <stdint.h>

/* How deep the stack of current spans goes; deeper is counted only. */
#define THREAD_STACK_MAX 64u

/* So many calls of signal handlers in a row found the same write in progress: then
 * the write was left by siglongjmp() and will never end. */
#define THREAD_NESTED_MAX 64u

/* What a value's refusal left to be said: see writer_drop(). */
struct thread_drop {
	uint8_t span_id[8];
	uint32_t attributes;
	uint32_t events;
	uint32_t links;
	uint32_t reason;
};

struct thread {
	/* Touched by every record. */
	uint32_t epoch;		   /* of the ring below; 0: none */
	uint32_t stamp;		   /* what spans started here carry: the epoch, and in its low
				    * half this thread's number */
	_Atomic uint32_t writing;  /* 1 while a call writes */
	uint8_t *block;		   /* of this thread, or NULL */
	struct wire_block_line *line;
	uint32_t offset;	   /* of the next record; what is before it is committed or
				    * will be by the next commit */
	uint32_t limit;		   /* of the block, for everything; 0 without a block, and in
				    * one from the reserve, which is for ends alone */
	uint32_t limit_of_ends;	   /* of the block, for ends; 0 without one */
	uint64_t records;	   /* written to this ring by this thread */
	uint32_t credit;	   /* bytes of the reserve that wait for our ends */
	uint32_t depth;		   /* of the stack; may pass THREAD_STACK_MAX */
	struct ids ids;
	struct ring *ring;

	/* Rarely touched. */
	uint32_t number;	   /* in this ring, from 1 */
	uint32_t blocks;	   /* taken in this ring */
	uint32_t block_index;
	uint32_t claimed;	   /* index + 1 of a block that is about to be opened; 0 none */
	uint32_t chain_first;	   /* more of them, chained by next_claimed */
	uint32_t chain_blocks;
	_Atomic uint32_t tid;	   /* 0 until its thread is known */
	_Atomic uint32_t pid;
	uint32_t nested;	   /* refused in a row, see THREAD_NESTED_MAX */
	uint64_t nested_at;	   /* `records` when the last one was */
	struct thread_drop drop;
	uint8_t status_span_id[8]; /* the span whose status was last written */
	_Atomic uint32_t taken;	   /* the table's: 1 while a thread has it */

	struct spanring_span stack[THREAD_STACK_MAX];
};

/* The library may be loaded by dlopen(): on glibc one pointer of initial-exec
 * TLS still finds room. musl has none to spare there. */
#if defined(__GLIBC__)
#define THREAD_LOCAL __thread __attribute__((tls_model("initial-exec")))
#else
#define THREAD_LOCAL __thread
#endif
extern THREAD_LOCAL struct thread *thread_self;

/* This thread's struct, taken from the table when it has none; NULL when there
 * is no memory. Async-signal-safe. */
struct thread *thread_get(void);

/* A fresh struct in place of one whose write was abandoned: the old one stays
 * as it is, lest its write goes on after all. NULL when there is no memory. */
struct thread *thread_replace(struct thread *abandoned);

/* Makes thread_self's destructor known. Once per process. -EAGAIN, -ENOMEM. */
int thread_init(void);

/* In a child: frees what belonged to the parent's other threads. */
void thread_after_fork(void);

/* A struct that is nobody's, for records that belong to no thread; given back
 * when they are written. NULL when there is no memory. Async-signal-safe. */
struct thread *thread_borrow(void);
void thread_return(struct thread *thread);

/* Gives back what threads held that are over and told nobody: they left by a
 * raw exit(2), or their destructor never ran. Async-signal-safe. */
void thread_reap(void);

/* The same, at most every 100 ms: for who finds no room. */
void thread_reap_at_times(void);

/* Calls `each` for every struct in the table that is taken. */
void thread_each(void (*each)(struct thread *thread, void *argument), void *argument);

static inline struct thread *thread_mine(void)
{
	return __builtin_expect(thread_self != NULL, 1) ? thread_self : thread_get();
}

/* A write of this thread begins and ends. Relaxed with a signal fence: only
 * handlers of the same thread must see the order; spanring_shutdown() makes
 * all threads pass a barrier before it looks. */
static inline void thread_write_begin(struct thread *thread)
{
	atomic_store_explicit(&thread->writing, 1, memory_order_relaxed);
	atomic_signal_fence(memory_order_seq_cst);
}

static inline void thread_write_end(struct thread *thread)
{
	atomic_signal_fence(memory_order_seq_cst);
	/* Relaxed: see thread_write_begin(). */
	atomic_store_explicit(&thread->writing, 0, memory_order_relaxed);
}

static inline bool thread_writing(const struct thread *thread)
{
	/* Relaxed: see thread_write_begin(). */
	return atomic_load_explicit(&thread->writing, memory_order_relaxed) != 0;
}

#endif
