/* The log: it comes before everything. Appending is two steps: wal_add_*()
 * puts frames behind each other in memory, wal_commit() writes them with one
 * write. "Logged" means that the write returned; a background fdatasync follows
 * every `sync_interval_ns`. The agent's thread alone calls this.
 *
 * A commit that fails leaves the frames pending: nothing is lost while they
 * fit `memory_max`, beyond that wal_add_*() answers -ENOBUFS and the drain
 * waits. A quarter more is for frames that are not RECORDs, so that what was
 * drained can be finished, exported and archived. Sequences tell what is logged: a frame is
 * when wal_logged_sequence() has reached its own. */
#ifndef WAL_WAL_H
#define WAL_WAL_H

#include "base/buf.h"
#include "base/condition.h"
#include "base/counter.h"
#include "base/env.h"
#include "base/finished_span.h"
#include "base/slice.h"
#include "wal/format.h"

struct wal_options {
	const char *dir;	    /* created 0700 with its parents */
	/* wal.max_size. Keeping below it by releasing is the pipeline's work;
	 * a quarter above it the log itself refuses RECORD frames (-ENOBUFS),
	 * so that a log that cannot be cleaned fills the rings, not the disk.
	 * 0: no limit. */
	uint64_t max_bytes;
	uint64_t memory_bytes_max;  /* pending; 0: 64 MiB. One chain alone may be more */
	uint32_t segment_bytes;	    /* 0: WAL_SEGMENT_BYTES, less if max_bytes is small */
	uint64_t sync_interval_ns;  /* 250 ms */
	bool sync_each; /* as soon as something is written; nobody is kept waiting */
	struct conditions *conditions; /* what is wrong with the disk; NULL: silent */
	/* Says once what happened; NULL: silent. priority as syslog(3). */
	void (*log)(void *arg, int priority, const char *line);
	void *log_arg;
};

/* Where a chain begins. */
struct wal_location {
	uint64_t segment;
	uint32_t offset; /* of the first frame's head */
};

/* A whole chain, as recovery gives it. Borrowed until the call returns. */
struct wal_entry {
	enum wal_kind kind;
	uint64_t sequence; /* of its last frame */
	struct wal_location location;
	struct bytes payload;
	bool damaged_before; /* something in front of it, in this log, was damaged */
	/* For SPAN only: resolved through the segment's SCOPE frames. */
	struct finished_span span;
};

typedef int wal_entry_fn(void *arg, const struct wal_entry *entry);

struct wal_counters {
	uint64_t frames, bytes, spans;
	uint64_t commits, commit_failures;
	uint64_t syncs, sync_failures;
	/* Of recovery. damaged_frames counts places, each at least one frame. */
	uint64_t damaged_frames, cut_bytes, corrupt_segments, unknown_frames;
	uint64_t incomplete_chains, lost_scopes;
	uint64_t reader_damaged; /* as damaged_frames, met again by readers */
	uint64_t segments, segments_deleted;
	uint64_t segments_removed; /* by somebody else, while they were written; made again */
};

struct wal; /* opaque: wal_new() owns its heap */

/* Opens or creates the log and locks it. Never fails for damage.
 * -EBUSY another agent has it (the log says so), -EACCES, -EROFS, -ENOSPC
 * the directory cannot be used. */
int wal_new(struct wal **ret_wal, struct env *env, const struct wal_options *options);
void wal_free(struct wal *wal);

/* Reads everything, oldest first, and gives each whole chain to `each`, whose
 * negative return stops it and is handed back. Cuts a torn tail, skips damage;
 * -ENOMEM is the only failure of its own. Once, before the first add. A span
 * whose SCOPE frame is damaged comes with an empty resource and scope. */
int wal_recover(struct wal *wal, wal_entry_fn *each, void *arg);

/* Each gives the sequence of the chain's last frame and where it lies.
 * -ENOBUFS: too much is pending (commit first), or the log is over its size.
 * -E2BIG: longer than WAL_CHAIN_BYTES_MAX. -ENOMEM. Nothing is added then. */
int wal_add(struct wal *wal, enum wal_kind kind, const struct iovec *parts, int n,
	    uint64_t *ret_sequence, struct wal_location *ret_location);

/* Drained slices of one ring, as one chain. ret_offsets[i], if not NULL, is
 * where slice i's records begin in the payload. */
int wal_add_slices(struct wal *wal, const uint8_t instance[16], const struct slice *slices,
		   uint32_t n, uint64_t *ret_sequence, struct wal_location *ret_location,
		   uint32_t *ret_offsets);

/* Takes a RECORD payload apart, as recovery needs it. Its first 16 bytes are
 * the instance. *at is 0 at first and then belongs to this function. 1 a slice
 * (its records are borrowed from the payload and begin at *ret_offset there),
 * 0 the end, -EBADMSG not a RECORD. */
int wal_record_next(struct bytes payload, size_t *at, struct slice *ret_slice,
		    uint32_t *ret_offset);

/* Gives span->number its value. `instance` NULL for received spans, which are
 * refused where RECORD frames are: whoever sent them has them still. */
int wal_add_span(struct wal *wal, struct finished_span *span, const uint8_t *instance,
		 const uint8_t *span_id, uint64_t *ret_sequence);

/* Writes what is pending. 0, or -errno: what wal_logged_sequence() does not
 * cover is still pending. A disk that refused is not asked again at once: until
 * then the answer is the same. */
int wal_commit(struct wal *wal);

uint64_t wal_logged_sequence(const struct wal *wal); /* written */
uint64_t wal_synced_sequence(const struct wal *wal); /* survives power loss */
/* Monotonic: since when something is written and not synced (0: nothing is), and
 * when a sync succeeded last (0: none did yet). */
uint64_t wal_unsynced_since_ns(const struct wal *wal);
uint64_t wal_synced_ns(const struct wal *wal);
uint64_t wal_last_span_number(const struct wal *wal);

/* Between recovery and the first add: numbers go on behind this one. A power loss
 * can take SPAN frames and leave what was noted of them, and a number that is
 * given again would be taken for the span that was lost. */
void wal_numbers_behind(struct wal *wal, uint64_t number);

/* The next tick syncs, whatever the interval says: the agent stops. */
void wal_sync_soon(struct wal *wal);

/* Background sync, and deleting what wal_release() allowed. Returns the work
 * done. Whatever fails is counted, said once and tried again later. */
int wal_tick(struct wal *wal, uint64_t now_ns);

/* Copies `len` bytes at `offset` of the payload of the chain at `location`,
 * logged or pending. -ENOENT the segment is gone, -EBADMSG damaged, -EINVAL
 * outside the chain. */
int wal_load(struct wal *wal, struct wal_location location, uint64_t offset, size_t len,
	     uint8_t *at);

/* The oldest segment not released yet: what is carried forward out of it may
 * let it go. segment 0: there is none. */
struct wal_oldest {
	uint64_t segment;
	uint64_t bytes;		   /* of the segment */
	uint64_t last_span_number; /* highest SPAN number in it (or before it) */
	bool active;		   /* it is the one being written */
};
struct wal_oldest wal_oldest(const struct wal *wal);
/* Of all segments not released, on disk and pending. */
uint64_t wal_bytes(const struct wal *wal);
/* What all of it takes on the disk: with what is allocated and not used yet, and
 * with what is released and waits for a sync before it is removed. At most one
 * and a half times the limit in force, and two segments: then RECORDs wait, and
 * only what is open already is still finished. */
uint64_t wal_bytes_on_disk(const struct wal *wal);
/* Of that, what is released. */
uint64_t wal_bytes_released(const struct wal *wal);

/* The limit in force: options.max_bytes, but at most half of what the disk had
 * for the log when it was recovered. */
uint64_t wal_max_bytes(const struct wal *wal);

/* How many bytes of what the log holds are open spans: no cleaning makes the
 * log smaller than those, and a span that cannot be ended because its records
 * are refused would be open for ever. So the limit gives way to three times as
 * much, up to half of the disk. */
void wal_set_open_bytes(struct wal *wal, uint64_t bytes);

/* Lets the oldest segment go as soon as everything added up to now is
 * synced. Only when nobody needs it: no unread span, no open state, no last
 * position of a ring lies there. Readers pass over it from now on. Anything
 * but the oldest, or the one being written, is ignored. */
void wal_release(struct wal *wal, uint64_t segment);

const struct wal_counters *wal_counters(const struct wal *wal);
extern const struct counter_table wal_counter_table;

/* A reader of SPAN frames in number order, for one destination. */
struct wal_reader; /* opaque */
int wal_reader_new(struct wal_reader **ret_reader, struct wal *wal, uint64_t after_number);
void wal_reader_free(struct wal_reader *reader);

/* From now on it gives what a power loss cannot take any more or, while the disk
 * fails, everything as before. Who keeps a span where it outlives this log must
 * not be ahead of it: records behind the span could come back without their end,
 * or be gone while later ones are there. */
void wal_reader_wait_for_sync(struct wal_reader *reader);
/* It has read a span that it does not give yet for that reason. */
bool wal_reader_holds(const struct wal_reader *reader);

/* The next span whose frame is logged, or pending while the disk refuses writes:
 * a reader that was given such a one may be given it again in the agent's next
 * life, under another number. 1 a span (borrowed until the next call), 0 none
 * yet, -errno. Damaged frames are passed over and counted; the
 * numbers then show a gap. */
int wal_reader_next(struct wal_reader *reader, struct finished_span *ret_span);

#endif
