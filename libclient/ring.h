/* A ring as its process sees it: the file in shared memory, the agent's
 * answers beside it, and the private bookkeeping of who may take how much.
 *
 * Made whole under a temporary name and renamed into place, so that a visible
 * ring is complete and locked. The lock is held by the mapping: the descriptor
 * is closed, and fork does not inherit the mapping. Layout and memory orders
 * are those of wire/abi.h.
 *
 * The struct lives in private memory of its own and is never freed while the
 * process lives: a thread may be late. One ring per process and init. */
#ifndef LIBCLIENT_RING_H
#define LIBCLIENT_RING_H

#include "directory.h"
#include "wire/abi.h"

#include <stdbool.h>
#include <stdint.h>

#define RING_PATH_SIZE (DIRECTORY_PATH_SIZE + 48u)

/* At most this much is made where the kernel cannot populate (before 5.14). */
#define RING_BYTES_UNPOPULATED (4u << 20)

struct ring {
	/* Constant once made. */
	uint8_t *base;
	uint64_t size;
	struct wire_ring_header *header;
	struct wire_block_line *lines;
	uint8_t *blocks;
	uint32_t block_count;
	uint32_t wait_ms;
	bool populates; /* memory is made real block by block */
	uid_t directory_owner;
	uint8_t instance[16];
	char directory[DIRECTORY_PATH_SIZE];
	char path[RING_PATH_SIZE];
	uint64_t private_bytes; /* of this struct with what follows it */
	bool stands_in;		/* in a child: see ring_stand_in() */

	/* The agent's files, mapped read-only when they appear. Release after
	 * the checks, acquire by who uses them. */
	_Atomic(const struct wire_ctl_header *) ctl;
	_Atomic(const struct wire_agent_page *) page;
	_Atomic uint64_t looked_ns; /* when they were last looked for */

	/* Blocks taken so far in the upper half, blocks held in reserve for
	 * ends in the lower; one word, so that neither is overdrawn. budget.h
	 * takes it apart. */
	_Atomic uint64_t budget;
	_Atomic uint32_t cursor;       /* where the search for a free block goes on */
	_Atomic uint32_t high;	       /* blocks [high, count) were never taken */
	_Atomic uint32_t threads;      /* thread numbers given out */
	_Atomic uint32_t rung_returns; /* value of `returns` when the bell was last rung */

	_Atomic uint32_t spare_credit; /* bytes of the reserve that ended threads left */

	/* Giving memory back after a burst: see shrink.c. */
	_Atomic uint64_t shrink_due_ns;
	_Atomic uint32_t shrink_low;
	_Atomic uint32_t shrink_debt;
	_Atomic uint32_t punched; /* free blocks whose memory was given back */

	_Atomic uint8_t backed[]; /* [block_count]: 1 when its memory is real */
};

struct ring_options {
	uint64_t bytes_max; /* 0: the default */
	uint32_t wait_ms;
	bool unpopulated; /* as on a kernel without MADV_POPULATE_WRITE; for tests */
};

/* Makes and publishes a ring. Fills path and directory of *ret_path (the
 * ring's) when made. -EFBIG: a file size limit below 1 MiB. -ENOSPC, -EFAULT:
 * the mount is full. -EACCES, -EROFS, -ENOMEM, ... */
int ring_new(struct ring **ret_ring, const struct directory *directory,
	     const struct ring_options *options);

/* Removes both mappings. Only when no thread can be in a call with it. */
void ring_unmap(struct ring *ring);

/* Forgets a parent's ring in a child, where its mapping does not exist. */
void ring_forget(struct ring *ring);

/* In a child that fork() made in the middle of a write: private memory in place
 * of the mappings that stayed with the parent, so that the write can go on, into
 * nothing. The ring is never forgotten then. Async-signal-safe. */
void ring_stand_in(struct ring *ring);

/* Looks for .ctl and agent.page, at most every 100 ms, or 2 ms where somebody
 * waits for the agent. */
void ring_look_for_agent(struct ring *ring, bool is_urgent);

/* Makes [offset, offset + length) of the file real. -ENOMEM, -EFAULT: cannot. */
int ring_populate(struct ring *ring, uint64_t offset, uint64_t length);

/* Wakes a sleeping agent; at most once until it has returned something. */
void ring_doorbell(struct ring *ring, bool always);

static inline void ring_count(_Atomic uint32_t *counter)
{
	/* Relaxed: a count, read by people. */
	atomic_fetch_add_explicit(counter, 1, memory_order_relaxed);
}

/* S1: some thread writes of a span of another one. The store is relaxed: the
 * record that follows is committed by P2, and whoever sees that, or anything
 * that happened after it, sees this. */
static inline void ring_share(struct ring *ring)
{
	if (!atomic_load_explicit(&ring->header->shared, memory_order_relaxed))
		atomic_store_explicit(&ring->header->shared, 1, memory_order_relaxed);
}

static inline void ring_refuse(struct ring *ring, enum wire_refusal reason)
{
	ring_count(&ring->header->refused[reason]);
}

#endif
