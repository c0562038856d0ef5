/* The spool of an open run, `<name>.partial`: one complete one-span TracesData
 * per line, with a sum at its end (spool_sum.h). What was added lately is still in
 * memory (`waiting`); an index of where each span lies, and what its line's sum is,
 * is all that is kept of the rest. The sum is compared wherever a span leaves the
 * spool: when it is sealed, and when the file is read after a restart.
 *
 * Few spools have their file open at a time: `struct spool_files` opens them by
 * name when needed and closes the one used least recently. The agent's thread. */
#ifndef ARCHIVE_SPOOL_H
#define ARCHIVE_SPOOL_H

#include "archive/archive_dir.h"
#include "archive/facts.h"
#include "archive/layout.h"
#include "archive/name.h"
#include "archive/spool_sum.h"

/* Waiting bytes of one spool above which it is worth a write. */
#define SPOOL_WRITE_BYTES (UINT32_C(256) << 10)
/* A longer line in a spool file is not ours. */
#define SPOOL_LINE_BYTES_MAX (UINT32_C(1) << 30)
#define SPOOL_MODE 0640

/* Half of the open files at most are being synced, so that one can always be closed
 * for another. */
#define SPOOL_FILES_MIN 2
/* A disk that cannot be read may be well in a moment: after so many tries, what
 * cannot be read is damaged. */
#define SPOOL_READ_TRIES 5

struct spool;

struct spool_files {
	struct archive_dir *directory;
	struct spool **open;
	uint32_t count;
	uint32_t max;
	uint64_t clock; /* of uses */
	uint64_t seed;
	uint32_t load_tries; /* that could not read, in a row; their owner begins anew */
	struct buf spare;    /* memory that waits for the next span of any spool */
};

struct spool {
	struct spool_files *files;
	char name[NAME_FULL_BYTES];
	int fd;	      /* -1: closed */
	bool exists;  /* as a file */
	bool busy;    /* a sync holds the fd: it is not closed now */
	bool suspect; /* a sync failed: see spool_make_fresh() */
	int fresh_fd; /* -1: none is being made */
	uint64_t fresh_bytes;
	int read_error;	     /* of the newest read that failed; 0: none */
	uint32_t read_tries; /* of its owner, that failed for the disk */
	bool read_said;	     /* that one failed, by the owner */
	uint64_t used;	     /* when, by files->clock */
	uint64_t written;    /* bytes of whole lines in the file */
	struct buf waiting;

	struct spool_entry *entries;
	uint32_t count;
	uint32_t cap;
	struct span_notes notes; /* of entries that are `noted` */
	struct groups groups;
	/* Places of entries by span id, open addressing; made when spool_has()
	 * is first asked. */
	uint32_t *by_id;
	uint32_t by_id_mask;
};

/* `seed` is random: span ids are a module's choice. */
int spool_files_init(struct spool_files *files, struct archive_dir *directory, uint32_t max,
		     uint64_t seed);
void spool_files_fini(struct spool_files *files);

void spool_init(struct spool *spool, struct spool_files *files, const char *name);
/* Forgets it; the file stays. */
void spool_fini(struct spool *spool);

static inline uint64_t spool_length(const struct spool *spool)
{
	return spool->written + spool->waiting.len;
}

/* Adds a line. -EBADMSG: cannot be printed, -ENOMEM; then it is as before. */
int spool_add(struct spool *spool, const struct finished_span *span,
	      const struct span_facts *facts);

/* Takes back the span added last (not its line). */
void spool_drop_last(struct spool *spool);

/* Whether this very span (same line, byte by byte, or only the same span id) is
 * in it. 1, 0, -errno. */
int spool_has(struct spool *spool, const struct finished_span *span,
	      const struct span_facts *facts, bool by_id);

/* Writes what is waiting. -EEXIST: another file stands under the name of a
 * spool that had none. -ENOENT: its file has gone. */
int spool_flush(struct spool *spool);

/* The open file. -errno. */
int spool_fd(struct spool *spool);
void spool_close(struct spool *spool);

/* Goes through the bytes of an entry's line: begins with this, continues crc32c()
 * over the span's text, and asks whether that is what was added. */
uint32_t spool_crc_begin(const struct spool *spool, const struct spool_entry *entry);
bool spool_crc_is_right(const struct spool *spool, const struct spool_entry *entry,
			uint32_t crc);

/* Forgets the entries that are marked as damaged; how many there were. */
uint32_t spool_drop_damaged(struct spool *spool);

/* The line of entry `i`, without its sum, into `out`. -EUCLEAN: it is damaged. */
int spool_line(struct spool *spool, uint32_t i, struct buf *out);

/* Exchanges two spools of the same files. */
void spool_swap(struct spool *a, struct spool *b);

/* Copies `len` bytes at `offset`, written or waiting. -ENODATA: the file was cut;
 * otherwise `read_error` says whether the disk could not read. */
int spool_read(struct spool *spool, uint64_t offset, void *at, size_t len);

/* Removes the file, if there is one. */
int spool_remove(struct spool *spool);

/* What was found in a spool that was not a line of it. */
struct spool_damage {
	uint32_t lines; /* whole lines with a wrong sum or none, passed over */
};

/* Whether `error` says that a piece of it is gone or unreadable for good. */
bool spool_is_unreadable(const struct spool *spool, int error);
/* What a read of its file gave, noted if it failed. */
int spool_note_read(struct spool *spool, int result);

/* Reads an existing file and indexes its lines of this trace. `on_span` sees
 * each. -EISDIR: not a file. A page that cannot be read is an error so many times,
 * and then damages the lines that lie in it. */
typedef void spool_span_fn(void *arg, const struct span_facts *facts,
			   const struct finished_span *span);
int spool_load(struct spool *spool, const uint8_t trace_id[16], spool_span_fn *on_span,
	       void *arg, struct spool_damage *ret_damage);

/* The trace id of a spool's first line that is not damaged, or if all are, of the
 * first that has one. -ENODATA: it has none. */
int spool_trace_id(struct archive_dir *directory, const char *name, uint8_t ret_trace_id[16]);

/* The same of a sealed file, of which only the front is read. */
int sealed_trace_id(struct archive_dir *directory, const char *name, uint8_t ret_trace_id[16]);

/* The file has gone: keeps what is waiting and forgets the rest. */
void spool_forget_written(struct spool *spool);

/* After a failed sync the same file could only answer falsely that all is well. This
 * makes a fresh one with everything, under the name `temporary`; its descriptor is
 * the one to sync. Before that it must not take the place: what was synced before
 * is in the file that stands there. */
int spool_make_fresh(struct spool *spool, const char *temporary);
/* The fresh one is synced, and takes the place. */
int spool_use_fresh(struct spool *spool, const char *temporary);
/* Its sync failed, or the spool goes; the next fresh one overwrites it. */
void spool_drop_fresh(struct spool *spool);

/* Writes again what stands behind so many entries, as it was loaded. The process
 * before us may have died after a failed sync: then those pages are clean, and a
 * sync would not write them. */
int spool_write_again(struct spool *spool, uint32_t entries);

/* Makes the file again in another directory, with everything still readable
 * from the open file or under its name in `old`. */
int spool_restore(struct spool *spool, struct archive_dir *old);

#endif
