/* The log's state, shared by the files of this folder and by nobody else.
 *
 *   wal.c      life: directory, lock, list of segments, answers
 *   append.c   wal_add_*(): frames into the pending bytes of a segment; no I/O
 *   commit.c   wal_commit(): pending bytes into files
 *   sync.c     background sync
 *   release.c  what was released is deleted
 *   recover.c  wal_recover()
 *   load.c     wal_load(), wal_record_next()
 *   reader.c   wal_reader_*()
 */
#ifndef WAL_INTERNAL_H
#define WAL_INTERNAL_H

#include <assert.h>
#include <syslog.h>

#include "wal/cursor.h"
#include "wal/frame.h"
#include "wal/scopes.h"
#include "wal/segment.h"
#include "wal/wal.h"

#define WAL_MEMORY_BYTES_DEFAULT (UINT64_C(64) << 20)
#define WAL_SEGMENT_BYTES_MIN (UINT32_C(4) << 10)

/* One round syncs the directory and then every dirty segment, one after the
 * other; when it is over, everything logged before its begin is synced. */
struct wal_sync {
	bool round;  /* a round is in progress */
	bool flying; /* sync_start was called, its answer is not here yet */
	bool answered;
	int result;
	struct wal_segment *of_segment; /* what flies; NULL: the directory */
	bool replaced;			/* a fresh file took a segment's name in this round */
	uint64_t sequence;		/* synced when the round is over */
	uint64_t last_ns;		/* when the last round began */
	uint64_t began_ns;		/* likewise, by the clock and not by who asked */
	unsigned failures;		/* in a row */
	int error;			/* of the newest one */
	uint64_t retry_ns;		/* the pause behind it */
	bool soon;			/* begin a round whatever the interval says */
	bool in_memory;			/* nothing is written until a round has succeeded */
};

struct wal {
	struct env *env;
	struct wal_options options;
	uint64_t max_bytes; /* see wal_max_bytes() */
	uint64_t disk_bytes; /* half of what the disk has for us; nothing gives way to more */
	uint64_t open_bytes; /* see wal_set_open_bytes() */
	int dir_fd;
	int lock_fd;
	bool recovered;
	bool directory_dirty;
	bool directory_syncing;

	/* Oldest first, numbers rise. The last one is being written if
	 * `writing`; nothing is ever appended to a recovered one. */
	struct wal_segment **segments;
	uint32_t segment_count, segment_cap;
	bool writing;
	uint64_t list_version; /* raised when a segment goes or gets another file */
	uint64_t next_segment;

	uint64_t next_sequence;
	uint64_t logged_sequence;
	uint64_t synced_sequence;
	uint64_t unsynced_since_ns; /* 0: everything logged is synced */
	uint64_t synced_ns;	    /* when that was last achieved; 0: never */
	uint64_t next_span_number;
	uint64_t last_span_number; /* that a span has: after damage the next is not one more */
	uint64_t pending_bytes;
	/* While writing fails, it is tried again at `write_due_ns`, not at every
	 * commit, and what is pending is read by readers as if it were logged. */
	bool write_failing;
	int write_error;
	uint64_t write_retry_ns, write_due_ns;

	struct scopes scopes; /* of the segment being written */
	struct frame_cursor load_cursor;
	uint64_t load_segment; /* which load_cursor.fd is of; 0 none */
	uint32_t load_file_version;

	struct wal_sync sync;
	struct wal_counters counters;
};

void wal_log(const struct wal *wal, int priority, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* Fixes max_bytes and the size of segments, once it is known what the log
 * takes already. */
void wal_set_limits(struct wal *wal);

/* The segment being written, or NULL. */
static inline struct wal_segment *wal_writing(const struct wal *wal)
{
	return wal->writing ? wal->segments[wal->segment_count - 1] : NULL;
}

/* Up to where readers may read the segment. While the disk refuses, finished
 * spans go out from memory: the log keeps nobody waiting who can do without it. */
static inline uint64_t wal_readable_end(const struct wal *wal,
					const struct wal_segment *segment)
{
	return wal->write_failing ? segment_end(segment) : segment->logged_bytes;
}

/* -ENOMEM; the segment then still belongs to the caller. */
int wal_list_append(struct wal *wal, struct wal_segment *segment);

/* The segment of this number, or NULL. */
struct wal_segment *wal_list_find(const struct wal *wal, uint64_t number);

/* The first of the segments at the end of the list that have or will have an
 * open file: those a commit or a sync may concern. */
uint32_t wal_list_first_open(const struct wal *wal);

/* Closes a segment that is not written any more and whose bytes are synced. */
void wal_segment_close_idle(struct wal *wal, struct wal_segment *segment);

/* commit.c: the disk refuses; frames stay in memory for a while. */
void wal_write_failed(struct wal *wal, int error);

/* wal.c: the directory was removed under us: makes and locks another one. */
int wal_directory_renew(struct wal *wal);

/* sync.c */
int wal_sync_tick(struct wal *wal, uint64_t now_ns);

/* release.c */
int wal_delete_released(struct wal *wal);
/* More of the disk is held by released segments than should be. */
bool wal_released_is_much(const struct wal *wal);

#endif
