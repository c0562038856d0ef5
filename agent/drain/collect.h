/* Reads what the marks of a round allow, thread by thread, checks every record
 * and hands slices on in batches. Positions move when a batch is taken; a batch
 * that is not taken is forgotten and read again later. */
#ifndef DRAIN_COLLECT_H
#define DRAIN_COLLECT_H

#include "drain/ring.h"

/* Per slice, what its acceptance changes beside the positions. */
struct collect_note {
	size_t offset; /* of its records in the buffer */
	uint32_t thread;
	uint32_t parsed;    /* records really read */
	uint32_t abandoned; /* of dropped_count */
	uint32_t damaged;
	uint32_t too_large;
	bool chain;	    /* a piece of a joined value */
	bool adopts;	    /* the thread's numbers begin here */
};

struct chain_piece {
	uint32_t block, at, length;
};

struct collect {
	struct env *env;
	const struct drain_ops *ops;
	uint64_t batch_bytes_max;
	struct drain_counters *counters;

	struct ring *ring;
	uint64_t bytes_max; /* of this tick */

	uint8_t *at; /* the batch's records */
	size_t len, cap;
	struct slice *slices;
	struct collect_note *notes;
	uint32_t count, slice_cap;

	struct chain_piece *pieces;
	uint32_t piece_count, piece_cap;
};

/* Where one thread is being read. Ahead of its positions by what stands in the
 * batch. */
struct cursor {
	uint32_t thread; /* index */
	uint32_t block, at;
	uint32_t next_block;
	uint64_t next_record;
	uint64_t gap; /* records missing before this block, not yet in a slice */
	bool entered;
	bool unknown; /* the thread's numbers begin with its first block */
	bool adopts;  /* ... which is this one, not yet in a slice */
	bool sealed_said; /* a slice that ends the block stands in the batch */
};

void collect_init(struct collect *collect, struct env *env, const struct drain_ops *ops,
		  uint64_t batch_bytes_max, struct drain_counters *counters);
void collect_fini(struct collect *collect);

void collect_begin(struct collect *collect, struct ring *ring, uint64_t bytes_max);

/* What became of a thread's turn. */
enum collect_end {
	COLLECT_ALL = 0,   /* it has given all it can */
	COLLECT_SPENT = 1, /* the tick's budget is used up */
	COLLECT_PART = 2,  /* by time: it has more, and its turn is over */
};

/* An enum collect_end, or -ENOBUFS: not taken. -EPROTO: the ring broke a rule.
 * -ENOMEM. */
int collect_thread(struct collect *collect, uint32_t thread, const char **ret_reason);
int collect_flush(struct collect *collect);

/* One step of a thread's reading. */
enum collect_step {
	STEP_ON = 0,
	STEP_DONE = 1,	/* nothing more below the marks */
	STEP_SPENT = 2, /* the tick's budget is used up */
	STEP_FLUSH = 3, /* hand on what there is, then go on */
};

/* For chain.c. */
int collect_room(struct collect *collect, size_t bytes);
int collect_add(struct collect *collect, struct cursor *cursor, const struct slice *slice,
		const struct collect_note *note);
/* Steps into the cursor's block. STEP_ON, STEP_DONE (an earlier block of the
 * thread is not visible yet: wait), -EPROTO. */
int cursor_enter(struct collect *collect, struct cursor *cursor, const char **ret_reason);
/* Leaves a block that is sealed and read to its mark. */
int cursor_leave(struct collect *collect, struct cursor *cursor);

#endif
