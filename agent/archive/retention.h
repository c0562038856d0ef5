/* Old files go, so that the disk does not fill: by age, number, total size and the room
 * that is to stay free, each only where asked for; the oldest first.
 *
 * What never goes:
 *   - a run that is not sealed, is being reopened, or of which assembly knows open spans;
 *   - a run of which a span is not yet sent to every destination (or given up by one);
 *   - a file that is not in the index with just this size: somebody else's, one that was
 *     edited, `.kept-<n>`, `.partial`.
 *
 * A pass looks at a few files of the index in each turn, sorts what it found, and removes
 * one file a turn. It holds 24 bytes a file while it lasts. Removed runs get a line in the
 * index that says so: a span that comes later begins a new file. The agent's thread. */
#ifndef ARCHIVE_RETENTION_H
#define ARCHIVE_RETENTION_H

#include "archive/index.h"
#include "archive/retention_limits.h"

struct archive;

struct retained {
	uint64_t written_ns; /* wall time */
	uint64_t place;	     /* of its line in the index */
	uint64_t bytes;
};

struct retention {
	struct retention_limits limits;
	bool collecting, removing;
	uint64_t due_ns;
	uint64_t seals; /* of the archive, when the last pass began */
	struct retained *files;
	size_t count, cap;
	size_t next;	  /* the oldest that is still there */
	uint64_t slot;	  /* of the index: where collecting goes on */
	uint64_t bytes;	  /* of all that are left */
	uint64_t left;	  /* how many */
	uint64_t waiting; /* of the pass: retire_waiting */
	bool failed;	  /* said once */
};

void retention_fini(struct retention *retention);
void retention_set(struct archive *archive, const struct retention_limits *limits);
/* A little of a pass. 1: did something, 0. */
int retention_step(struct archive *archive, uint64_t now_ns);
/* UINT64_MAX: never. */
uint64_t retention_next_due(const struct archive *archive, uint64_t now_ns);

#endif
