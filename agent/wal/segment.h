/* One segment file: its name, its header, its place in the list. */
#ifndef WAL_SEGMENT_H
#define WAL_SEGMENT_H

#include "base/buf.h"
#include "base/env.h"
#include "wal/format.h"

#define SEGMENT_NAME_BYTES 32 /* wal-<16 hex digits>.log and the NUL */
#define SEGMENT_CORRUPT_SUFFIX ".corrupt"

/* Planned (in memory only), created (has a file, fd >= 0 while it may still be
 * written or must be synced), closed (fd -1). Owned by struct wal. */
struct wal_segment {
	uint64_t number;
	uint32_t seed; /* of its frames' CRCs */
	uint64_t first_sequence;
	uint64_t first_span_number;
	uint64_t last_span_number; /* highest in it or before it */
	uint32_t frames_offset;	   /* where its first frame begins */
	uint32_t file_version;	   /* raised when another file takes its name */
	uint64_t capacity;	   /* bytes it may grow to */
	uint64_t disk_bytes;	   /* what the file takes now */
	uint64_t logged_bytes;	   /* written; `pending` follows there */
	struct buf pending;	   /* header included, until it is written */
	uint64_t pending_sequence; /* of the last frame in `pending` */
	uint64_t release_sequence; /* may go when this is synced */
	int fd;
	int fresh_fd;	      /* of the file that is to take a suspect one's name; -1: none */
	uint64_t fresh_bytes; /* what was copied into it */
	bool created;
	bool suspect; /* a sync of its file failed, or the file was removed: see sync.c */
	bool released;
	bool takes_news; /* all of its room was weighed against the log's size */
	bool readable;	 /* false: its header could not be read this time */
	bool dirty;	 /* written since its last sync began */
	bool syncing;	 /* to be synced by the round in progress */
};

void segment_name(uint64_t number, char ret_name[SEGMENT_NAME_BYTES]);

/* True for `wal-<16 hex digits>.log` with nothing but `suffix` behind. */
bool segment_name_parse(const char *name, const char *suffix, uint64_t *ret_number);

struct wal_segment *segment_new(uint64_t number);
void segment_free(struct wal_segment *segment, struct env *env);

/* Appends the header, both copies, to segment->pending. -ENOMEM. */
int segment_put_header(struct wal_segment *segment, uint64_t salt);

/* Finds a good copy in the first WAL_FRAMES_OFFSET bytes of a file (`len` of
 * them may be there). *ret_damaged: the other copy is bad. -EBADMSG no copy
 * checks, -EPROTO another version or an unknown incompat bit. */
int segment_check_header(const uint8_t *at, size_t len, uint64_t number,
			 struct wal_segment_header *ret_header, bool *ret_damaged);

/* Makes the file, preallocated where the file system can. */
int segment_create(struct wal_segment *segment, struct env *env, int dirfd);

/* Writes all of `len` bytes at `offset`. -errno: some of them may be there. */
int segment_write(struct env *env, int fd, const void *at, size_t len, uint64_t offset);

/* Reads up to `len` bytes; fewer only at the end of the file. */
ssize_t segment_read(struct env *env, int fd, void *at, size_t len, uint64_t offset);

/* The first `len` bytes of one file into another, or into itself: then the kernel
 * has them to write. -EIO: there are fewer. */
int segment_copy(struct env *env, int from, int to, uint64_t len);

/* Everything the segment will hold once what is pending is written. */
static inline uint64_t segment_end(const struct wal_segment *segment)
{
	return segment->logged_bytes + segment->pending.len;
}

#endif
