/* The index of sealed runs, `<state_dir>/archive.index`: which file holds which
 * trace. Append-only text, one line per seal, a later line replaces earlier
 * ones:
 *
 *   <trace id, 32 digits> <name> <size> <CRC32C, 8 digits, or -> <how> <number> <sum>
 *
 * How is complete, partial or, when retention took the file away, removed. The number is
 * that of its newest span in the log, or - (an older version had none, nor has an index
 * that was made again).
 *
 * The sum is the CRC32C of what stands before it in the line, 8 digits: a trace id
 * of which a bit was lost would hide its file, and the run would get a second one.
 *
 * Memory holds 16 bytes per run: a fingerprint and where its line stands. The
 * index can always be made again from the files, so a line that is lost or
 * damaged costs no more than a look at them, which every start takes. It is therefore
 * never synced. The agent's thread. */
#ifndef ARCHIVE_INDEX_H
#define ARCHIVE_INDEX_H

#include "archive/archive_dir.h"
#include "archive/name.h"

struct index_entry {
	uint8_t trace_id[16];
	struct name name;
	uint64_t size;
	uint32_t crc;
	bool crc_known;
	bool complete;
	bool removed; /* index_find() does not find it */
	bool number_known;
	uint64_t number; /* its newest span */
	uint64_t place;	 /* of its line, when it was read from there */
	bool recent;	 /* put by this process: nothing about it is in doubt */
};

struct index_slot {
	uint64_t fingerprint; /* 0: free */
	uint64_t place;	      /* of its line, shifted by one; lowest bit: recent */
};

struct index {
	struct archive_dir directory;
	int fd; /* -1: cannot be opened now; kept in memory only until it can */
	uint64_t length;
	uint64_t lines;
	uint64_t seed; /* of the fingerprints: ids are a module's choice */
	struct index_slot *slots;
	uint64_t mask;
	uint64_t count;
};

void index_init(struct index *index, struct env *env, const char *state_dir);
void index_fini(struct index *index);

/* Opens and reads it, made when there is none. */
int index_open(struct index *index);

/* 1 found, 0 not, -errno. */
int index_find(struct index *index, const uint8_t trace_id[16], struct index_entry *ret_entry);

/* Appends a line. */
int index_put(struct index *index, const struct index_entry *entry);

/* Calls `each` for every current line. Its negative return stops it. */
typedef int index_entry_fn(void *arg, const struct index_entry *entry);
int index_each(const struct index *index, index_entry_fn *each, void *arg);

/* The same for some of them, from *slot (0 at first) on. 1: there are more, 0: that was
 * all. What is put meanwhile may be left out, or come twice. */
int index_some(const struct index *index, uint64_t *slot, unsigned max, index_entry_fn *each,
	       void *arg);
/* The line at that place. 1, or 0: it is replaced, or none. -errno. */
int index_at(struct index *index, uint64_t place, struct index_entry *ret_entry);

/* Writes the index anew when most of its lines were replaced. */
int index_compact(struct index *index);

#endif
