/* The inside of the archive stage: what archive.c, run.c, turns.c, sealing.c,
 * summarize.c, checkpoint.c, reopen.c, recover.c, take_up.c and missing.c share.
 *
 * A run's life:
 *
 *   OPEN ──seal──► COPY ──► SYNC ──► RENAME ──► RENAMED ──► SEALED ──► forgotten
 *    ▲                                             │           │
 *    └────────── a span came meanwhile ◄───────────┘           │
 *    └────────── a late span (reopen.c) ◄──────────────────────┘
 *
 * Nothing is lost or doubled by a crash between any two steps, because a spool
 * is removed only when the sealed file is durable; what is found after a crash,
 * spool and sealed file, is united, and spans that are pushed again are compared
 * byte by byte with what is there (`doubtful`). */
#ifndef ARCHIVE_STAGE_H
#define ARCHIVE_STAGE_H

#include "archive/archive.h"
#include "archive/fates.h"
#include "archive/index.h"
#include "archive/seal.h"
#include "base/list.h"
#include "base/map.h"

enum run_phase {
	RUN_OPEN = 0,	 /* takes spans */
	RUN_COPY = 1,	 /* waits for its turn (turns.c), or is being written */
	RUN_SYNC = 2,	 /* ... and synced in the background */
	RUN_RENAME = 3,	 /* ... and waits to be put in place */
	RUN_RENAMED = 4, /* waits for the directory, then index and log */
	RUN_SEALED = 5,	 /* only remembered until the mark has passed its spans */
};

/* A file as it was left, to notice that somebody else changed it. */
struct file_identity {
	ino_t inode;
	off_t size;
	struct timespec changed;
};

/* The oldest of a run's spans that no synced file has yet. */
struct unsafe {
	struct list link; /* in archive->unsafe, by number */
	uint64_t number;
};

/* For the summary, by its root span; no more than that has room for. */
struct run_said {
	bool any;
	uint64_t start_ns; /* of that span */
	struct buf name, goal;
};

struct run_before; /* summarize.c */

struct run {
	struct archive *archive;
	struct run *hash_next, *name_next;
	struct run *prev, *next; /* all runs */
	struct list busy;	 /* in archive->busy: has something to do */
	struct lane *lane;	 /* whose it is */
	struct list turn;	 /* in lane->waiting */

	uint8_t trace_id[16];
	struct name name;
	uint64_t name_hash;
	bool settled;	 /* the name was found free, or is the run's already */
	bool suffixed;	 /* the name has the trace id */
	bool has_spool;	 /* `spool` is in use */
	bool spool_left; /* a file of it could not be removed: all it says is settled */
	struct spool spool;

	enum run_phase phase;
	struct list sealed;    /* in archive->sealed, while it is RUN_SEALED */
	uint64_t known_number; /* spans up to this are in it already */
	uint64_t last_number;  /* of the newest span it took */
	struct unsafe unsafe;  /* linked while there is one */
	struct unsafe later;   /* the same, of what came since the last sync began */
	bool filtered;	       /* RUN_SEALED, and without a file: its spans are counted */
	bool held;	       /* its spool cannot be read: see archive.c */
	bool doubtful;	       /* spans pushed again may be in it: compare */
	bool doubt_sync;       /* they are no safer for being in it: it was not synced */
	bool edited;	       /* its file was changed: compare by span id alone */
	bool root_matches;     /* a root of it is in archive.roots */
	struct run_said said;
	struct run_before *before; /* the summary of its file, read back; NULL: none */
	uint32_t missing;	   /* spans that its spool lost, not yet given up */
	uint32_t archived;	   /* entries of the spool that the sealed file covers, */
	uint32_t superseded;	   /* so many of them by another one of their span id */

	bool recorded; /* an ARCHIVE frame exists, in `segment`, and says: */
	uint64_t segment;
	uint64_t recorded_number;
	uint32_t recorded_spans;

	bool seal_wanted;
	bool seal_recorded; /* the log has the wish: assembly does not repeat it */
	bool complete;
	uint64_t seal_number;
	uint64_t copy_number;  /* last_number when the copy was begun */
	bool indexed;	       /* the index has the newest seal (or there is none) */
	uint64_t alone_due_ns; /* after a restart: sealed then if nobody asks; 0: never */
	uint64_t alone_pushed; /* how far pushing was when that was last looked at */

	bool sync_wanted, syncing, synced;
	uint64_t sync_number; /* last_number when the sync began */
	uint32_t sync_spans;
	uint64_t directory_change; /* of this run's newest name in the directory */

	struct seal seal;
	int seal_fd;	 /* -1: none */
	int seal_result; /* of the background sync */
	bool has_file;	 /* a sealed file stands under the name */
	struct file_identity file;
};

/* What one user has waiting to be sealed. */
struct lane {
	struct list link;    /* in archive->lanes, while anything waits */
	struct list waiting; /* runs, in the order in which they were asked for */
	uint64_t user;	     /* the map's key */
	uint32_t runs;	     /* of this user: it is freed with the last one */
};

#define ARCHIVE_BUCKETS_MIN 256
/* Temporary files open at a time; more runs wait their turn. */
#define ARCHIVE_SEAL_FILES_MAX 16

struct archive {
	struct env *env;
	struct archive_options options;
	struct archive_ops ops;
	struct archive_counters counters;

	struct archive_dir directory;
	struct spool_files files;
	struct index index;
	struct retention retention;
	uint64_t retention_number; /* of the newest span that an earlier life may have archived */
	uint64_t started_ns;
	bool scanned; /* the directory was looked through after the start */

	struct run **buckets, **name_buckets; /* by trace id, by name */
	uint32_t bucket_mask;
	uint64_t hash_seed[2]; /* ids are a module's choice: it must not choose buckets */
	uint32_t run_count;
	struct run *runs;
	struct run *checkpoint_at; /* of `runs`: the next one, when a turn was too short */
	struct list unsafe;	   /* of runs, oldest first: where the mark ends */
	struct list sealed;	   /* runs that the mark has not passed yet, as far as known */
	struct list busy;	   /* runs; the one that waits longest is first */
	uint32_t busy_count;
	bool cut;	     /* the last turn was too short for all of them */
	struct list lanes;   /* that have runs waiting; whose turn it is is first */
	struct map users;    /* all lanes but `nobodys`, by user */
	struct lane nobodys; /* of runs from before a restart, and received ones */

	struct fates fates;
	uint64_t pushed;
	uint64_t mark, mark_segment;
	bool mark_recorded;
	uint64_t checkpoint_due_ns;
	uint64_t checkpoint_interval_ns; /* grows to options.checkpoint_ns */
	uint64_t unflushed_bytes;
	uint32_t syncing;    /* spools */
	uint32_t seal_files; /* temporary files open */

	uint64_t directory_changes, directory_synced; /* ordinals */
	uint64_t directory_sync_changes;	      /* when its sync began */
	bool directory_syncing, directory_answered;
	int directory_result;
	uint64_t directory_sync_due_ns, mark_due_ns;

	uint32_t missing_runs; /* with `missing` spans */
	bool missing_more;     /* some came to be while the log is being asked */
	bool failing;	       /* nothing is tried before retry_due_ns */
	bool trouble;	       /* until something was written again, or nothing waits to be */
	bool refused;	       /* the newest span pushed: it waits in the log */
	uint64_t writes;
	uint64_t retry_due_ns, retry_ns;
};

/* archive.c: trouble with the disk is said once; work goes on after a while. */
int archive_fail(struct archive *archive, const char *what, int error);
void archive_say(struct archive *archive, int priority, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* run.c */
struct run *run_find(struct archive *archive, const uint8_t trace_id[16]);
int run_new(struct run **ret_run, struct archive *archive, const uint8_t trace_id[16]);
void run_free(struct run *run);
void run_set_name(struct run *run, const struct name *name);
void run_make_name(struct run *run, const struct run_words *words, uint64_t wall_ns);
/* Takes another name than the one that is taken. */
int run_change_name(struct run *run);
/* Ready to take spans: name settled, spool there, sealed file read back. */
int run_open(struct run *run);
/* Tries again to remove a spool that is left. */
int run_remove_left(struct run *run);
void run_begin_spool(struct run *run);
/* Its file stays. */
void run_end_spool(struct run *run);
/* Open from now on; what its spool has is counted as found. */
void run_opened(struct run *run);
int run_flush(struct run *run);
void run_note(struct run *run, const struct span_facts *facts);
void run_set_sealed(struct run *run);
void run_set_open(struct run *run);
/* Span `number`, newer than all before, is in no synced file. */
void run_mark_unsafe(struct run *run, uint64_t number);
/* All of its spans are in one. */
void run_mark_safe(struct run *run);
void run_mark_busy(struct run *run);
void run_mark_idle(struct run *run);
uint64_t run_not_archived(const struct run *run);

/* Of the spans that are in it, or were when it was sealed. */
static inline uint64_t run_newest_number(const struct run *run)
{
	return run->last_number > run->known_number ? run->last_number : run->known_number;
}

int run_keep_aside(struct archive *archive, const char *entry, const struct name *name);
int file_identify(struct archive *archive, int fd, struct file_identity *ret_file);

/* turns.c */
void turns_init(struct archive *archive);
void turns_fini(struct archive *archive);
void turns_add(struct run *run);    /* a new one, nobody's */
void turns_remove(struct run *run); /* it is about to be freed */
void turns_own(struct run *run, uint32_t user);
/* Waits behind all others of its user. Harmless when it does already. */
void turns_wait(struct run *run);
void turns_leave(struct run *run);
/* Takes the run whose turn it is; NULL: none waits. */
struct run *turns_next(struct archive *archive);

/* sealing.c: does what can be done now; 1: did something, 0, -errno. */
int sealing_step(struct run *run);
/* The same for a run whose turn it is. 0: the log is full, it waits again. */
int sealing_begin(struct run *run);
/* Its file is to be written from the beginning, when its turn comes. */
void sealing_abandon(struct run *run);
void sealing_again(struct run *run);
bool sealing_can_step(const struct run *run);
struct index_entry sealing_entry(const struct run *run);
int sealing_index(struct run *run);

/* summarize.c: the summary of the run for a seal that has begun. -ENOMEM; then the seal is
 * finished. */
int summarize(struct run *run, struct seal *seal);
void summarize_note(struct run *run, const struct span_facts *facts);
/* Its file was read back, and had this summary, or none. -ENOMEM. */
int summarize_remember(struct run *run, const struct groups *groups, struct bytes summary);
void summarize_forget(struct run *run);

/* checkpoint.c: see there for the payload of an ARCHIVE frame. */
enum frame_kind {
	FRAME_OPEN = 1,
	FRAME_SEALED = 2,
	FRAME_MARK = 3, /* under trace id zero: archive_mark() */
};

struct archive_frame {
	uint8_t kind;
	uint8_t flags;
	uint16_t name_length; /* the name follows */
	uint32_t spans;	      /* of the run, up to `number`; see FRAME_FILTERED */
	uint64_t number;      /* spans of the run up to this are in its file */
	uint64_t seal_number; /* with FRAME_SEAL_WANTED */
};
_Static_assert(sizeof(struct archive_frame) == 24, "ARCHIVE payload");

#define FRAME_COMPLETE 0x01u
#define FRAME_SEAL_WANTED 0x02u
#define FRAME_SETTLED 0x04u /* the name is the run's own */
/* Of a sealed run: it got no file, and `spans` were dropped by this frame. */
#define FRAME_FILTERED 0x08u

/* A checkpoint flushes every open run, as many in one turn as time allows. */
void checkpoint_begin(struct archive *archive);
int checkpoint_go_on(struct archive *archive, uint64_t until_ns);
int checkpoint_step(struct run *run);
int checkpoint_directory(struct archive *archive, uint64_t now_ns);
/* Appends the run's ARCHIVE frame: that it is sealed, or (again) that it is
 * open, as far as it was synced. */
int checkpoint_record_sealed(struct run *run);
/* The same, with `spans` that got no file. */
int checkpoint_record_filtered(struct run *run, uint32_t spans);
int checkpoint_record_open(struct run *run);
int checkpoint_record_mark(struct archive *archive, uint64_t mark);
int checkpoint_mark(struct archive *archive);
void checkpoint_forget(struct archive *archive);

/* reopen.c: unites the run's spool with its sealed file. */
int reopen_run(struct run *run, const struct index_entry *entry);

/* Adds what `other` has of the run to its spool, as far as it is not there. */
int run_add_missing(struct run *run, struct spool *other);

/* The file of the run's spool is kept aside, and what can be read of it is in a new
 * one. */
int run_renew_spool(struct run *run);

/* take_up.c */
int take_up(struct run *run);
/* Whose spool `entry` is. 1: the run's, 0: there is none (any more), -EEXIST:
 * somebody else's. */
int take_up_whose(struct run *run, const char *entry);
/* What stands under the name of a run's new spool. */
int take_up_own(struct run *run);
/* A spool of the run under another name than the run's: united with its own, and
 * removed. */
int take_in(struct run *run, const struct name *name);

/* missing.c: spans that a spool lost. */
void missing_add(struct run *run, uint32_t spans);
void missing_forget(struct run *run);
/* The file has gone, or entries are marked as damaged: the run goes on with what
 * is left and what the sealed file has, and misses the rest. */
int missing_spool(struct run *run);
int missing_entries(struct run *run);

/* recover.c */
int recover_scan(struct archive *archive);
int recover_directory_moved(struct archive *archive);

#endif
