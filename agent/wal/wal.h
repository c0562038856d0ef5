/* The log: it comes before everything. Appending is two steps: wal_add_*()
 * puts frames behind each other in memory, wal_commit() writes them with one
 * write. "Logged" means that the write returned; a background fdatasync follows
 * every `sync_interval_ns`. The agent's thread alone calls this.
 *
 * A commit that fails leaves the frames pending: nothing is lost while they
 * fit `memory_max`, beyond that wal_add_*() answers -ENOBUFS and the drain
 * waits. Sequences tell what is logged: a frame is when
 * wal_logged_sequence() has reached its own. */
#ifndef WAL_WAL_H
#define WAL_WAL_H

#include "base/buf.h"
#include "base/env.h"
#include "base/finished_span.h"
#include "base/slice.h"
#include "wal/format.h"

struct wal_options {
	const char *dir;	    /* created 0700 with its parents */
	uint64_t max_bytes;	    /* wal.max_size */
	uint64_t memory_bytes_max;  /* pending frames */
	uint64_t sync_interval_ns;  /* 250 ms */
	bool sync_each;		    /* commit waits for fdatasync */
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
	/* For SPAN only: resolved through the segment's SCOPE frames. */
	struct finished_span span;
};

typedef int wal_entry_fn(void *arg, const struct wal_entry *entry);

struct wal_counters {
	uint64_t frames, bytes, spans;
	uint64_t commits, commit_failures;
	uint64_t syncs, sync_failures;
	uint64_t damaged_frames, cut_bytes, corrupt_segments, unknown_frames;
	uint64_t segments_deleted;
};

struct wal; /* opaque: wal_new() owns its heap */

/* Opens or creates the log and locks it. Never fails for damage.
 * -EBUSY another agent has it (the log says so), -EACCES, -EROFS, -ENOSPC
 * the directory cannot be used. */
int wal_new(struct wal **ret_wal, struct env *env, const struct wal_options *options);
void wal_free(struct wal *wal);

/* Reads everything, oldest first, and gives each whole chain to `each`, whose
 * negative return stops it. Cuts a torn tail, skips damage. Once, before the
 * first add. */
int wal_recover(struct wal *wal, wal_entry_fn *each, void *arg);

/* Each gives the sequence of the chain's last frame and where it lies.
 * -ENOBUFS: too much is pending, commit first. -E2BIG: longer than a segment
 * takes. */
int wal_add(struct wal *wal, enum wal_kind kind, const struct iovec *parts, int n,
	    uint64_t *ret_sequence, struct wal_location *ret_location);

/* Drained slices of one ring, as one chain. ret_offsets[i], if not NULL, is
 * where slice i's records begin in the payload. */
int wal_add_slices(struct wal *wal, const uint8_t instance[16], const struct slice *slices,
		   uint32_t n, uint64_t *ret_sequence, struct wal_location *ret_location,
		   uint32_t *ret_offsets);

/* Gives span->number its value. `instance` NULL for received spans. */
int wal_add_span(struct wal *wal, struct finished_span *span, const uint8_t *instance,
		 const uint8_t *span_id, uint64_t *ret_sequence);

/* Writes what is pending. 0, or -errno with everything still pending. */
int wal_commit(struct wal *wal);

uint64_t wal_logged_sequence(const struct wal *wal); /* written */
uint64_t wal_synced_sequence(const struct wal *wal); /* survives power loss */
uint64_t wal_last_span_number(const struct wal *wal);

/* Background sync, and deleting what wal_release() allowed. */
int wal_tick(struct wal *wal, uint64_t now_ns);

/* Copies `len` bytes at `offset` of the payload of the chain at `location`.
 * -ENOENT the segment is gone, -EBADMSG damaged. */
int wal_load(struct wal *wal, struct wal_location location, uint64_t offset, size_t len,
	     uint8_t *at);

/* The oldest segment: what is carried forward out of it may let it go. */
struct wal_oldest {
	uint64_t segment;
	uint64_t bytes;		   /* of the segment */
	uint64_t last_span_number; /* highest SPAN number in it (or before it) */
	bool active;		   /* it is the one being written */
};
struct wal_oldest wal_oldest(const struct wal *wal);
uint64_t wal_bytes(const struct wal *wal); /* of all segments */

/* Lets the oldest segment go as soon as everything added up to now is
 * synced. Only when nobody needs it: no unread span, no open state, no last
 * position of a ring lies there. */
void wal_release(struct wal *wal, uint64_t segment);

const struct wal_counters *wal_counters(const struct wal *wal);

/* A reader of SPAN frames in number order, for one destination. */
struct wal_reader; /* opaque */
int wal_reader_new(struct wal_reader **ret_reader, struct wal *wal, uint64_t after_number);
void wal_reader_free(struct wal_reader *reader);

/* The next span whose frame is logged. 1 a span (borrowed until the next
 * call), 0 none yet, -errno. Damaged frames are passed over and counted; the
 * numbers then show a gap. */
int wal_reader_next(struct wal_reader *reader, struct finished_span *ret_span);

#endif
