/* Looks at a log on disk by the rules of format.h and changes nothing: what recovery
 * would find, segment by segment. May be used while an agent writes the log; its
 * newest frames then look like a torn tail. */
#ifndef WAL_VERIFY_H
#define WAL_VERIFY_H

#include "base/buf.h"
#include "base/env.h"
#include "wal/format.h"

#define WAL_VERIFY_KINDS 16 /* by enum wal_kind; 0 counts the unknown ones */

enum wal_verdict {
	WAL_SEGMENT_GOOD,
	WAL_SEGMENT_EMPTY,	/* never begun: the next start removes it */
	WAL_SEGMENT_NO_HEADER,	/* neither copy checks */
	WAL_SEGMENT_OTHER,	/* a version or an incompat bit we do not know */
	WAL_SEGMENT_UNREADABLE, /* the disk refuses; `error` */
};

struct wal_segment_report {
	uint64_t number;
	enum wal_verdict verdict;
	bool header_damaged; /* one copy of it */
	bool last;
	int error; /* -errno: what the disk said, of the whole segment or behind `used` */
	uint32_t version, compat, incompat;
	uint64_t size, used;		  /* bytes of the file, and up to its last good frame */
	uint64_t frames, chains;	  /* good frames, and whole payloads */
	uint64_t kinds[WAL_VERIFY_KINDS]; /* payloads */
	uint64_t first_sequence, last_sequence; /* of good frames; last 0: none */
	uint64_t first_span, last_span;		/* numbers of its SPAN frames; 0: none */
	uint64_t damaged;	    /* places passed over, each at least one frame */
	uint64_t damaged_bytes;	    /* between good frames */
	uint64_t tail_bytes;	    /* behind the last good frame, that are not zeros */
	uint64_t incomplete_chains; /* payloads of which a frame is missing */
	uint64_t odd_payloads;	    /* whole, but too short for what they are */
	uint64_t missing_segments;  /* numbers between the segment before and this one */
	uint64_t missing_sequences; /* between that one's last frame and this one's header */
};

/* A payload, as `dump` shows it. */
struct wal_payload_view {
	uint64_t segment, offset, sequence;
	uint8_t kind;
	struct bytes payload;
};

struct wal_verify_ops {
	void (*segment)(void *arg, const struct wal_segment_report *report);
	/* Bytes [offset, offset + bytes) of the segment are damaged. */
	void (*damage)(void *arg, uint64_t segment, uint64_t offset, uint64_t bytes);
	void (*payload)(void *arg, const struct wal_payload_view *view);
	void *arg;
};

/* Each callback may be NULL. 0; -ENOENT: no segment there; -ENOMEM, or why the
 * directory cannot be read. */
int wal_verify(struct env *env, const char *dir, const struct wal_verify_ops *ops);

/* Whether recovery would lose or pass over something of it. */
bool wal_report_is_damaged(const struct wal_segment_report *report);

/* "RECORD"; "?" for a kind we do not know. */
const char *wal_kind_name(uint8_t kind);

#endif
