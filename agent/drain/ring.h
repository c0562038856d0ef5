/* One ring as the drain knows it: its file, its answers, and the position in
 * every block and thread. Positions move only when the log has taken what they
 * cover; what the ring's memory says is only ever compared with them.
 *
 * Owned by the drain's table; the agent's thread alone. */
#ifndef DRAIN_RING_H
#define DRAIN_RING_H

#include "base/slice.h"
#include "drain/ctl.h"
#include "drain/drain.h"
#include "drain/ring_map.h"

#define RING_NONE UINT32_MAX

/* How many records a block can hold at most. */
#define RING_BLOCK_RECORDS (WIRE_BLOCK_BYTES / 8)

enum block_phase {
	BLOCK_FREE = 0,	     /* given back at `generation` */
	BLOCK_RESUMED = 1,   /* of `generation`, logged up to `end`; not seen since the start */
	BLOCK_OPEN = 2,	     /* of `generation`, in its thread's list */
	BLOCK_RETURNING = 3, /* all logged up to `sequence`; in the ring's list */
};

struct ring_block {
	uint32_t generation;
	uint32_t end;	/* logged up to here */
	uint32_t mark;	/* committed, as the current round saw it */
	uint32_t thread; /* index in the ring's table */
	uint32_t thread_block;
	uint32_t next; /* in the list of its phase */
	uint64_t first_record;
	uint64_t sequence; /* of the last frame that has bytes of it */
	uint8_t phase;	   /* enum block_phase */
	bool sealed;	   /* nothing comes behind `mark` */
	bool entered;	   /* a slice of it was logged */
	bool listed;	   /* among the ring's open ones */
};

enum chain_result {
	CHAIN_INCOMPLETE = 0,
	CHAIN_WHOLE = 1,
	CHAIN_ABANDONED = 2, /* something else came in between, or the end */
	CHAIN_DAMAGED = 3,   /* the pieces do not add up */
};

/* A chain of fragments that is being followed, over several rounds if need be,
 * so that pieces already looked at are not looked at again. */
struct ring_chain {
	bool active;
	enum chain_result result;
	uint32_t block, from;  /* where the first piece begins */
	uint32_t at_block, at; /* where the next piece must begin */
	uint32_t pieces;
	uint64_t got, whole; /* bytes */
};

struct ring_thread {
	uint32_t number;
	uint32_t next_block;  /* its block that is read now, or the next to come */
	uint64_t next_record; /* logged up to before this one */
	uint64_t said;	      /* records by the client's own numbers */
	uint64_t unknown;     /* of these, from before we knew the thread */
	uint32_t head, tail;  /* its open blocks, by thread_block */
	uint32_t ready_next;
	uint64_t ticks; /* the latest of its records so far, while `by_time` */
	bool ready; /* in the round's list */
	bool adopted; /* its first block tells where it begins */
	uint64_t gap_round;   /* since when a block is missing; 0 none is */
	uint64_t held;
	struct ring_chain chain;
};

enum ring_phase {
	RING_UNUSED = 0,
	RING_REMEMBERED = 1,  /* from the log; its file was not seen yet */
	RING_FOUND = 2,	      /* the pipeline and the log must still take it */
	RING_LIVE = 3,
	RING_DYING = 4,	      /* drained; the cause of its death is asked for */
	RING_DEAD = 5,	      /* reported; waits for drain_remove() */
	RING_STUCK = 6,	      /* reported gone, but its files cannot be removed */
};

struct ring_round {
	uint64_t number; /* of the round that is, or was last */
	bool active;
	bool final;	 /* began after the lock was seen free */
	bool gave;	 /* handed something on */
	bool waits;	 /* a thread's block is missing: the next round knows more */
	bool by_time;	 /* threads share spans: see round_run() */
	uint32_t ready_head, ready_tail;
	uint32_t flush; /* flush_req, loaded before the marks */
	uint64_t lost[2]; /* slots of lost ENDs seen before the marks */
};

/* What the process itself said about its end. */
struct ring_farewell {
	bool said;
	uint16_t how; /* enum wire_process_end */
	bool code_known;
	int32_t code;
};

struct ring {
	uint32_t index;
	uint32_t user; /* the file's owner, while user_counted */
	bool user_counted;
	enum ring_phase phase;
	bool quarantined;
	bool seen_told;	 /* ring_seen was taken */
	bool closed;	 /* the log says that it is finished */
	bool spans_left; /* and yet that a span of it is open */
	bool counted;	 /* among the closed ones: see drain_closed() */
	bool adopted;	 /* the log knew nothing, the ctl did */
	struct ring_identity identity;
	struct ring_dir *directory; /* where its file is; NULL: it was not seen yet */
	struct ring_map map;
	struct ctl ctl;

	struct ring_block *blocks;
	uint32_t block_cap; /* blocks known of; the rest was never taken */
	struct ring_thread *threads;
	uint32_t thread_count, thread_cap;
	uint32_t *thread_table; /* hash of number -> index + 1 */
	uint32_t thread_table_size;
	uint32_t thread_hand; /* where forgetting goes on */
	bool threads_forgotten;

	uint32_t *open; /* blocks that may grow */
	uint32_t open_count, open_cap;
	uint32_t window; /* where the idle look goes on among the others */

	struct ring_round round;
	uint32_t rounds_owed;	  /* spans that ended wait for them */
	uint32_t flush_told;
	uint64_t lost_told[2];
	uint64_t tick_bytes;

	uint32_t returning_head, returning_tail;
	bool in_log;		/* a RING frame of it is */
	uint64_t state_segment; /* where the last one lies */
	uint64_t ctl_due_ns;	/* when to try again to open it */

	/* Liveness. */
	int pidfd;
	bool pid_seen; /* the process of the header's pid is this ring's */
	bool pid_watched;
	uint64_t refused_told; /* by ops.refused */
	bool lock_free; /* dead, or shut down: one more round, then it is over */
	uint64_t lock_free_ns;
	uint64_t lock_due_ns;
	struct ring_farewell farewell;
	struct death death;

	uint64_t due_ns;
	uint64_t behind_since_ns; /* what was seen then is not drained yet; 0: all is */
	uint64_t written_forgotten;
	struct drain_ring_counters counters;
};

void ring_init(struct ring *ring, uint32_t index);
/* Frees the tables; file and ctl are closed by whoever opened them. */
void ring_fini(struct ring *ring);

/* Room for blocks [0, count). -ENOMEM. */
int ring_blocks_grow(struct ring *ring, uint32_t count);

/* The thread of this number, made when it is new. At most one a block: then
 * one that has no open block is forgotten. -EPROTO: number 0, or every thread
 * has an open block. -ENOMEM. */
int ring_thread_get(struct ring *ring, uint32_t number, uint32_t *ret_thread);
/* RING_NONE when there is none. */
uint32_t ring_thread_find(const struct ring *ring, uint32_t number);

/* Puts an open block into its thread's list, behind `hint` if that is one of
 * it (RING_NONE: from the front). -EPROTO: the number is taken or gone by. */
int ring_thread_add_block(struct ring *ring, uint32_t block, uint32_t hint);

int ring_open_add(struct ring *ring, uint32_t block);
void ring_open_remove(struct ring *ring, uint32_t block);

/* Puts a thread on the round's list of those that have something to give. */
void ring_thread_ready(struct ring *ring, uint32_t thread);

uint64_t ring_written(const struct ring *ring);
uint64_t ring_held(const struct ring *ring);
/* What the client counted, while the ring is mapped. */
void ring_refused(const struct ring *ring, uint64_t ret_refused[WIRE_REFUSED_SLOTS]);

#endif
