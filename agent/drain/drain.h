/* The drain: finds rings, reads what their threads published, notices deaths,
 * and gives blocks back once the log has them. Rings are hostile ground: see
 * the reader's duties in wire/abi.h.
 *
 * A ROUND of a ring loads (generation, committed) of every block once and then
 * drains up to those marks, in as many batches as the byte budget needs. In a
 * thread, block n + 1 is read only when block n was seen sealed. A thread's
 * incomplete chain of fragments is left in the ring until it is whole.
 *
 * Deaths: the lock is asked for when a ring made no progress; a death is
 * reported only after a round that began after the lock was seen free, and
 * after that round nothing of this ring comes any more.
 *
 * Order of calls: drain_new(), the drain_recover_*() in log order,
 * drain_recovered(), then ticks.
 *
 * A ring is first put into the log by ops.ring_state, then read, so whatever
 * the log says of a ring stands behind its identity.
 *
 * The agent's thread alone calls this. */
#ifndef DRAIN_DRAIN_H
#define DRAIN_DRAIN_H

#include <stdatomic.h>

#include "base/condition.h"
#include "base/counter.h"
#include "base/env.h"
#include "base/slice.h"

/* What the drain tells the pipeline. A ring is named by its index, stable from
 * ring_seen to ring_gone. */
struct drain_ops {
	/* A ring was found (or found again after a restart). */
	int (*ring_seen)(void *arg, uint32_t ring, const struct ring_identity *identity);
	/* Slices of one ring in thread order. 0, or -ENOBUFS: not taken, the
	 * drain offers them again; -E2BIG: the log can never take a value of
	 * this size, the drain offers the slices without it and counts it.
	 * ret_sequence: of the log frame that has them. `records` are borrowed
	 * until the call returns. */
	int (*batch)(void *arg, uint32_t ring, struct slice *slices, uint32_t n,
		     uint64_t *ret_sequence);
	/* All marks of round `round` are drained. Rounds of a ring count from 1
	 * in each life of the agent. */
	void (*round_end)(void *arg, uint32_t ring, uint64_t round);
	/* Everything handed on so far was read together with all that happened
	 * before it: no thread of this process has ever written of a span that
	 * another one started. Spans whose END came need not wait for a round,
	 * so a backlog takes no memory. May be NULL. */
	void (*settled)(void *arg, uint32_t ring);
	/* The process is gone and its last round is over. */
	void (*ring_dead)(void *arg, uint32_t ring, const struct death *death);
	/* So many calls of the process were refused against its will, in all: said
	 * when that is more than before. May be NULL. */
	void (*refused)(void *arg, uint32_t ring, uint64_t calls);
	/* A span's END found no room in the ring (header's note). */
	void (*end_lost)(void *arg, uint32_t ring, const uint8_t span_id[8]);
	/* A flush was asked for and a later round is over: acknowledge with
	 * drain_flush_ack() once everything of it is logged. */
	void (*flush_wanted)(void *arg, uint32_t ring, uint32_t request);
	/* Files removed, index free again. */
	void (*ring_gone)(void *arg, uint32_t ring);
	/* The directory was replaced, and another one is served: drain_doorbell()
	 * is another word, the old one is not to be touched after this. May be
	 * NULL. */
	void (*moved)(void *arg);
	/* The payload of a RING frame (behind wal_key, key = instance) to put
	 * into the log: the identity and every position. Also called once when
	 * a ring is first seen, before its first batch, so that the log knows
	 * its clock. -ENOBUFS as batch. ret_segment: where it lies now, see
	 * drain_carry(). */
	int (*ring_state)(void *arg, uint32_t ring, struct bytes state, uint64_t *ret_sequence,
			  uint64_t *ret_segment);
	void (*log)(void *arg, int priority, const char *line);
	void *arg;
};

struct drain_options {
	const char *dir;	     /* the ring directory, created if missing */
	uint64_t busy_interval_ns;   /* 10 ms */
	uint64_t idle_interval_ns;   /* 100 ms */
	uint64_t batch_bytes_max;    /* of one batch call, about 1 MiB (one larger value goes alone) */
	uint64_t round_bytes_max;    /* of one ring per tick: a flooder waits its turn */
	uint32_t rings_max;
	uint32_t rings_per_user_max; /* 0: rings_max */
	bool owners_lost;	     /* copies: their owner says nothing of their process */
	struct conditions *conditions; /* what is wrong with the directory; NULL: silent */
};

struct drain_ring_counters {
	uint64_t written;   /* records, from the threads' own numbers */
	uint64_t drained;   /* records handed on */
	uint64_t dropped_abandoned; /* pieces of values that were never completed */
	uint64_t dropped_damaged;   /* not records, or numbers nobody wrote */
	uint64_t dropped_too_large; /* pieces of values beyond what the log takes */
	uint64_t held;	    /* fragments waiting in the ring for the rest of their value */
	uint64_t refused[16]; /* by enum wire_refusal, as the client counts */
	uint64_t bytes, rounds;
};

struct drain_counters {
	uint64_t rings_seen, rings_dead, rings_quarantined, rings_ignored;
	uint64_t rings_refused; /* looks at one that had to wait: too many of all, or of a user */
	uint64_t turns_cut;	/* a ring had more than one turn may read */
	uint64_t junk_names;	/* now: in the directory, and not ours */
	/* Now (of the last listing, and of the news since): under a ring's name, and
	 * no ring that this version reads. */
	uint64_t rings_unreadable;
	uint64_t blocks_returned, bytes;
	uint64_t refused[16]; /* as drain_ring_counters, of the rings that died */
};

/* The payload of a RING frame, version 1: a state head, then `blocks` times a
 * state block (those that were ever taken), then `threads` times a state
 * thread. Native byte order, as the log. */
#define DRAIN_STATE_VERSION 1

/* Of `facts`, which is zero in logs of before there were any. */
#define DRAIN_STATE_PID_SEEN 0x01u  /* `pid` is that of the ring's process */
#define DRAIN_STATE_UID_LOST 0x02u  /* `uid` is that of a copy */

struct drain_state_head {
	uint32_t version;
	uint32_t blocks;
	uint32_t threads;
	uint32_t facts;
	uint8_t instance[16];
	uint8_t boot_id[16];
	uint64_t anchor_ticks;
	uint64_t anchor_mono_ns;
	uint64_t anchor_boot_ns;
	uint64_t anchor_wall_ns;
	uint64_t time_namespace;
	uint32_t clock;
	uint32_t pid;
	uint32_t uid;
	uint32_t block_count;
	uint64_t written; /* of threads no longer listed */
	uint64_t drained;
	uint64_t dropped_abandoned;
	uint64_t dropped_damaged;
	uint64_t dropped_too_large;
	uint64_t bytes;
};
_Static_assert(sizeof(struct drain_state_head) == 152, "state head");

#define DRAIN_STATE_SEALED 0x01u

struct drain_state_block {
	uint32_t block;
	uint32_t generation;
	uint32_t end; /* logged up to here */
	uint32_t flags;
};
_Static_assert(sizeof(struct drain_state_block) == 16, "state block");

struct drain_state_thread {
	uint32_t number;
	uint32_t next_block;
	uint64_t next_record;
	uint64_t unknown; /* records before those we ever saw (a log was lost) */
};
_Static_assert(sizeof(struct drain_state_thread) == 24, "state thread");

/* What closed rings had counted: the payload of a CLOSED frame (of that ring)
 * and of the drain's LEDGER frame (of all rings whose CLOSED frame stands in
 * front of it). A later version appends members; a shorter payload has zeros
 * there. */
struct drain_ledger {
	uint64_t written;
	uint64_t drained;
	uint64_t dropped_abandoned;
	uint64_t dropped_damaged;
	uint64_t dropped_too_large;
	uint64_t bytes;
	uint64_t refused[16]; /* by enum wire_refusal */
};
_Static_assert(sizeof(struct drain_ledger) == 176, "CLOSED");

struct drain; /* opaque */

/* Opens the directory, creates agent.page, raises its epoch.
 * -EBUSY: another agent serves it. -EACCES, -ENOTDIR, ... */
int drain_new(struct drain **ret_drain, struct env *env, const struct drain_options *options,
	      const struct drain_ops *ops);
void drain_free(struct drain *drain);

/* Recovery, before the first tick: what the log says of rings. The log is the
 * authority; drain_recovered() rewrites every .ctl from it. Rings known from
 * the log whose files are gone are reported dead, cause unknown. */
int drain_recover_slices(struct drain *drain, const uint8_t instance[16],
			 const struct slice *slices, uint32_t n, uint64_t segment);
/* A span of this ring was open: it ends with the ring, even where all else that
 * the log had of the ring was damaged, or says that the ring is closed. */
int drain_recover_span(struct drain *drain, const uint8_t instance[16], uint64_t segment);
/* Gives the identity that the state holds: assembly wants it too. */
int drain_recover_state(struct drain *drain, const uint8_t instance[16], struct bytes state,
			uint64_t segment, struct ring_identity *ret_identity);
/* `counts` is the frame's payload; empty in a log of before there was one. */
void drain_recover_closed(struct drain *drain, const uint8_t instance[16],
			  struct bytes counts);
/* The newest LEDGER frame so far: everything in front of it. */
void drain_recover_ledger(struct drain *drain, struct bytes ledger);
int drain_recovered(struct drain *drain);

/* As in the options. Rings there are stay. */
void drain_set_limits(struct drain *drain, uint32_t rings_max, uint32_t rings_per_user_max,
		      uint64_t round_bytes_max);

/* One slice of work: scan, rounds, liveness. Returns the work done (0: idle). */
int drain_tick(struct drain *drain, uint64_t now_ns);
uint64_t drain_next_due(const struct drain *drain, uint64_t now_ns);
/* Blocks fully drained whose frames have reached this sequence go back. */
void drain_logged(struct drain *drain, uint64_t sequence);
void drain_flush_ack(struct drain *drain, uint32_t ring, uint32_t request);
/* What the CLOSED frame of a dead ring has to say, and that it was appended:
 * from then on the ring's counts are among those of all closed ones. */
void drain_close_state(const struct drain *drain, uint32_t ring,
		       struct drain_ledger *ret_counts);
void drain_closed(struct drain *drain, uint32_t ring);
/* The payload of the drain's LEDGER frame. */
void drain_ledger(const struct drain *drain, struct drain_ledger *ret_ledger);

/* After ring_dead: everything of it is logged, remove its files. */
void drain_remove(struct drain *drain, uint32_t ring);
/* Puts the state of every ring whose last frame lies in `segment` (or before)
 * into the log again through ring_state. */
int drain_carry(struct drain *drain, uint64_t segment);

/* Around the idle wait: raises agent.page.sleeping; true if a ring changed
 * meanwhile and the caller should not sleep. */
bool drain_before_sleep(struct drain *drain);
void drain_after_sleep(struct drain *drain);

/* The futex word clients wake; valid until ops.moved or drain_free(). */
_Atomic uint32_t *drain_doorbell(struct drain *drain);
/* Somebody rang: every ring is looked at by the next tick. */
void drain_wake(struct drain *drain);

/* For status. Goes through the indexes below drain_ring_count(); false when
 * there is no such ring. */
bool drain_ring(const struct drain *drain, uint32_t ring, struct ring_identity *ret_identity,
		struct drain_ring_counters *ret_counters, bool *ret_alive);
uint32_t drain_ring_count(const struct drain *drain);
const struct drain_counters *drain_counters(const struct drain *drain);
/* Since when the ring that waits longest has something that is not drained; 0: none
 * has. A quarantined one has nothing any more. */
uint64_t drain_behind_since_ns(const struct drain *drain);
/* Of every ring there ever was, those that are gone included. */
void drain_ring_totals(const struct drain *drain, struct drain_ring_counters *ret_totals);

/* counters.c: the names of all these. The last is of the `refused` of both. */
extern const struct counter_table drain_counter_table;
extern const struct counter_table drain_ring_counter_table;
extern const struct counter_table drain_refused_table;

#endif
