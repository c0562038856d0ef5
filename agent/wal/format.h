/* The log on disk. One directory, segments `wal-<16 hex digits>.log`, numbered
 * from 1 without gaps; the oldest are deleted. Native byte order (the log stays
 * on its machine). Everything a frame means is listed here.
 *
 *   segment   header · gap · the header again at 512 · gap · frame at 1024
 *             · frame · ... · zeros
 *   frame     head (32 bytes) · payload · padding to 8 with zeros
 *
 * The header stands twice, in sectors of its own, because without the salt no
 * frame of the segment could be told from noise: one damaged sector must cost
 * one frame, not a segment. A segment is WAL_SEGMENT_BYTES long (less in
 * a small log), unless one chain alone needs more; the file may end where its
 * last frame ends.
 *
 * A frame is valid if and only if it stands where its head says, its length
 * keeps it inside the segment, its payload is at most WAL_FRAME_BYTES_MAX, its
 * kind is not 0, its sequence is one more than that of
 * the valid frame before it (in the segment's first frame: the header's
 * first_sequence), and its CRC32C, over the segment's salt and everything of
 * head and payload behind the crc field, matches. The salt makes stale bytes of
 * a recycled file never match.
 *
 * A longer payload is a chain: frames of one kind following each other, all but
 * the last with WAL_MORE, all but the first with WAL_CONTINUED, never across a
 * segment's border. A chain counts if and only if its last frame is valid: then
 * its payload is the concatenation, `whole` bytes long. Each append ends with
 * whole chains.
 *
 * Reading: a bad frame with no valid frame behind it in the LAST segment is a
 * torn tail and is cut. A bad frame with a valid one behind it (found by trying
 * every multiple of 8 for a higher sequence and CRC) is damage: skipped and
 * counted. An unknown kind is skipped and counted. An unknown incompat bit, or
 * a header of which neither copy checks: the segment is renamed `.corrupt`; but
 * a last segment with nothing but zeros where frames would be was never begun
 * and is removed.
 * A writer never appends to a segment it found: it begins a new one, with a
 * number above all names it saw and the sequence and span number that follow. */
#ifndef WAL_FORMAT_H
#define WAL_FORMAT_H

#include <stddef.h>
#include <stdint.h>

#define WAL_MAGIC UINT64_C(0x31474f4c52525053) /* "SPRRLOG1" */
#define WAL_VERSION 1
#define WAL_SEGMENT_BYTES (UINT32_C(16) << 20)
#define WAL_FRAME_BYTES_MAX (UINT32_C(256) << 10) /* payload */
#define WAL_CHAIN_BYTES_MAX (UINT32_C(256) << 20) /* payload of a whole chain */
#define WAL_HEADER_COPY_OFFSET 512u
#define WAL_FRAMES_OFFSET 1024u

struct wal_segment_header {
	uint64_t magic;		    /* 0 */
	uint32_t header_bytes;	    /* 8: WAL_FRAMES_OFFSET, where the first frame begins */
	uint32_t version;	    /* 12 */
	uint32_t compat;	    /* 16 */
	uint32_t incompat;	    /* 20 */
	uint64_t number;	    /* 24: as in the name */
	uint64_t salt;		    /* 32: random */
	uint64_t first_sequence;    /* 40: of its first frame */
	uint64_t first_span_number; /* 48: of the next SPAN frame when it was begun */
	uint32_t reserved;	    /* 56 */
	uint32_t crc;		    /* 60: CRC32C of bytes 0-59 */
};
_Static_assert(sizeof(struct wal_segment_header) == 64, "segment header");

enum wal_kind {
	WAL_RECORD = 1, /* drained records of a ring and the positions they cover */
	WAL_SPAN = 2,	/* one finished span */
	WAL_SCOPE = 3,	/* resource and scope under which spans of this segment stand */
	WAL_STATE = 4,	/* everything known of an open span; replaces what came before */
	WAL_RING = 5,	/* everything known of a ring; replaces what came before */
	WAL_CLOSED = 6, /* a ring is finished: forget it */
	WAL_RUN = 7,	/* what assembly knows of a run; replaces */
	WAL_ARCHIVE = 8,/* what the archive knows of a run; replaces */
	WAL_CURSOR = 9, /* how far a destination has got; replaces per destination */
	WAL_LEDGER = 10,/* totals since the log began, of what stands in front; replaces */
	WAL_PROCESS = 11,/* how a process ended, and what it was refused; replaces */
};
#define WAL_KIND_LAST WAL_PROCESS

#define WAL_MORE 0x01u
#define WAL_CONTINUED 0x02u

struct wal_frame_head {
	uint32_t length;   /* 0: of this frame's payload */
	uint32_t crc;	   /* 4 */
	uint64_t sequence; /* 8 */
	uint8_t kind;	   /* 16 */
	uint8_t flags;	   /* 17 */
	uint16_t reserved; /* 18 */
	uint32_t whole;	   /* 20: payload bytes of the whole chain */
	uint64_t offset;   /* 24: where this head stands in the segment */
};
_Static_assert(sizeof(struct wal_frame_head) == 32, "frame head");

/* RECORD: this, then `slices` times a slice head and its records. */
struct wal_record {
	uint8_t instance[16];
	uint32_t slices;
	uint32_t reserved;
};
_Static_assert(sizeof(struct wal_record) == 24, "RECORD");

#define WAL_SLICE_SEALED 0x01u

struct wal_slice {
	uint32_t block;
	uint32_t generation;
	uint32_t start;
	uint32_t end;
	uint32_t thread;
	uint32_t thread_block;
	uint64_t first_record;
	uint32_t record_count;
	uint32_t dropped_count;
	uint32_t flags;
	uint32_t length; /* of the records that follow, a multiple of 8 */
};
_Static_assert(sizeof(struct wal_slice) == 48, "slice");

/* SCOPE: this, then the four byte strings in this order. Numbers are given
 * anew in every segment, so a segment can be read alone. */
struct wal_scope {
	uint32_t number;
	uint32_t resource_length;
	uint32_t resource_schema_url_length;
	uint32_t scope_length;
	uint32_t scope_schema_url_length;
	uint32_t reserved;
};
_Static_assert(sizeof(struct wal_scope) == 24, "SCOPE");

/* SPAN: this, then the OTLP span. `instance` and `span_id` name the open span
 * it ends (zero for a received one): recovery removes that. */
struct wal_span {
	uint64_t number; /* ordinal among SPAN frames, from 1 */
	uint8_t trace_id[16];
	uint8_t instance[16];
	uint8_t span_id[8];
	uint32_t scope;
	uint32_t flags;
};
_Static_assert(sizeof(struct wal_span) == 56, "SPAN");

/* It was ended for its silence, and is kept for an END that may still come. */
#define WAL_SPAN_STALE 0x01u

/* STATE, RING, CLOSED, RUN, ARCHIVE, CURSOR, LEDGER and PROCESS begin with the key of
 * what they replace; the rest belongs to the stage that writes them and is
 * described in its header (assemble/assemble.h, drain/drain.h,
 * archive/archive.h, export cursors, pipeline.h). A LEDGER's key is the name of
 * the stage (or of the destination, with "export" as sub key); CLOSED holds what
 * the ring had counted. */
struct wal_key {
	uint8_t key[16];  /* instance, trace id, destination's name, or process_key */
	uint8_t sub[8];	  /* STATE: the span id; else zero */
	uint32_t version; /* of the stage's own payload */
	uint32_t reserved;
};
_Static_assert(sizeof(struct wal_key) == 32, "key");

#endif
