/* The archive: one OTLP-JSON file per run, `<service>_run_<time>.otlp.json`.
 *
 * While a run is open its spool `<name>.partial` takes one complete one-span
 * TracesData per line, each with its checksum. Sealing writes the file of one line (archive
 * rules A1-A17 of the requirements): span substrings are copied from the spool in order, so
 * nothing is printed twice and memory holds only an index. Then fsync, rename, fsync of the
 * directory, and the spool is removed. A span that comes for a sealed run reopens it: the
 * sealed file is read back into the one OTLP form (otlp/json_read.h) as a new spool and later
 * replaced under the same name. A sealed file that cannot be read, or that is not what was
 * sealed, is kept aside as `<name>.kept-<n>` and never overwritten.
 *
 * Exactly once: ARCHIVE frames in the log (struct archive_frame in stage.h, then
 * the run's name) say per run up to which span `number` it is in its file, and
 * under trace id zero what archive_mark() was. After a restart a run is what its
 * spool and its sealed file hold together; the spans behind `number` are pushed
 * again, and one that is there already, byte by byte, is passed over. So frames
 * and files need not become durable at the same moment.
 *
 * A damaged log forgets what was finished, and a span may end by itself after we
 * had ended it; so the same span can come twice and differ. A file has one of
 * each id, the one that says more (layout.h); the other is counted.
 *
 * What a spool lost on the disk (a bit, a piece, the whole file) is noticed when the
 * spool is read after a restart and when it is sealed. It is left out of the file
 * and looked for in the log (archive_wants_again()); what is not there any more is
 * counted. Nothing that was changed on the disk gets into a file as if a module had
 * said it.
 *
 * A directory that cannot be written is said once; runs wait in the log
 * (archive_push answers -ENOBUFS) and everything else goes on.
 *
 * The agent's thread alone calls this. */
#ifndef ARCHIVE_ARCHIVE_H
#define ARCHIVE_ARCHIVE_H

#include "archive/retention.h"
#include "base/condition.h"
#include "base/counter.h"
#include "base/env.h"
#include "base/finished_span.h"
#include "base/process.h"
#include "base/run_words.h"

struct archive_options {
	const char *dir;	  /* created 0750 with its parents */
	const char *name;	  /* name_template.h; NULL: its default */
	bool any_name;		  /* files of any template are this archive's */
	const char *state_dir;	  /* the index of runs: trace id, name, size, CRC */
	uint32_t min_spans;	  /* runs with fewer get no file; 1 */
	const char *const *roots; /* names of root spans that get a file; NULL all */
	uint32_t root_count;
	/* After a restart, runs that nobody asks to seal (assembly had asked
	 * already, or does not know them) are sealed after this silence, 10 s.
	 * Sealing early is harmless, because late spans reopen. */
	uint64_t alone_ns;
	uint64_t checkpoint_ns;	       /* how often spools are synced and marked, 1 s */
	struct retention_limits retention;
	uint32_t open_files_max;       /* spools kept open; others are reopened by name */
	struct conditions *conditions; /* what is wrong with the disk; NULL: silent */
};

/* What was dropped of a run, of what its processes wrote, on its way here. */
struct run_account {
	uint64_t dropped_spans;
	uint64_t dropped_records; /* of spans that are there */
};

struct process_account {
	struct process_end end; /* as far as that is known now */
	uint64_t refused;	/* calls, while it wrote of the run */
};

struct archive_ops {
	/* The payload of an ARCHIVE frame for this run. -ENOBUFS: later. */
	int (*state)(void *arg, const uint8_t trace_id[16], struct bytes state,
		     uint64_t *ret_segment);
	/* A sealed file holds this many spans of the run: said before the
	 * ARCHIVE frame that says it is sealed, and again after a restart in
	 * between. -ENOBUFS: later. NULL: nobody wants to know. */
	int (*archived)(void *arg, const uint8_t trace_id[16], uint64_t spans);
	/* A file was sealed. */
	void (*sealed)(void *arg, const uint8_t trace_id[16], const char *path, uint64_t spans,
		       bool complete);
	/* Whether somebody will still ask to seal this run: a span of it is open,
	 * or it was not silent for long enough. NULL: never. */
	bool (*awaited)(void *arg, const uint8_t trace_id[16]);
	/* For the summary in a run's file (summary.h). NULL: nobody knows. */
	void (*process)(void *arg, const uint8_t trace_id[16], const struct process_key *key,
			struct process_account *ret_account);
	/* False: nobody knows any more. NULL: nothing is ever dropped. */
	bool (*account)(void *arg, const uint8_t trace_id[16], struct run_account *ret_account);
	/* Spans of the run are lost here: they are of its account from now on. NULL: that
	 * is nobody's business. */
	void (*dropped)(void *arg, const uint8_t trace_id[16], uint64_t spans);
	/* Every span up to this number is sent to all destinations, or given up: their
	 * runs may go when they are old. NULL: there are none. */
	uint64_t (*sent)(void *arg);
	void (*log)(void *arg, int priority, const char *line);
	void *arg;
};

struct archive_counters {
	uint64_t spans;		     /* written into spools */
	uint64_t archived;	     /* spans in sealed files, each once */
	uint64_t waiting;	     /* now: in spools, not yet sealed */
	uint64_t dropped_filtered;   /* spans of runs that get no file */
	uint64_t dropped_invalid;    /* spans that could not be printed */
	uint64_t dropped_lost;	     /* in a spool that somebody removed or damaged */
	uint64_t dropped_superseded; /* the file has a span of that id that says more */
	uint64_t recovered;	     /* were in spools at a restart, found or lost */
	uint64_t repeated;	     /* pushed again after a restart: already in a file */
	uint64_t damaged_lines;	     /* of spools: their checksum was wrong */
	uint64_t restored;	     /* spans of damaged spools that the log still had */
	uint64_t sealed, reopened, kept_aside;
	uint64_t retired, retired_bytes; /* files that retention removed */
	uint64_t retire_failures;
	uint64_t retire_waiting; /* now: would go, but their runs are open or not sent */
	uint64_t failures;  /* of the directory or disk */
	uint64_t open_runs; /* now */
};

/* Since the log began, of the spans up to a mark: the end of the payload of the
 * ARCHIVE frame that says archive_mark(). A later version appends members; a
 * shorter payload has zeros there. */
struct archive_ledger {
	uint64_t kept;		   /* in a spool or a file */
	uint64_t dropped_invalid;  /* could not be printed */
	uint64_t missing;	   /* numbers the log did not have */
	uint64_t uncounted;	   /* archived by an agent that kept no ledger */
	uint64_t dropped_filtered; /* of those kept: their run got no file after all */
	uint64_t dropped_lost;	   /* of those kept: somebody removed or damaged them */
};
_Static_assert(sizeof(struct archive_ledger) == 48, "ledger of the archive");

struct archive; /* opaque */
int archive_new(struct archive **ret_archive, struct env *env,
		const struct archive_options *options, const struct archive_ops *ops);
void archive_free(struct archive *archive);

/* Recovery: the log's ARCHIVE payloads, oldest first, of which the newest of each
 * run counts; then archive_recovered(). */
int archive_recover(struct archive *archive, const uint8_t trace_id[16], struct bytes state,
		    uint64_t segment);
int archive_recovered(struct archive *archive);
/* The highest span number that the log's frames spoke of. */
uint64_t archive_last_number(const struct archive *archive);
/* Push begins behind this span number; spans a run already has are skipped. */
uint64_t archive_first_number(const struct archive *archive);

/* Fixes the run's name, and whose it is: users (or USER_UNKNOWN) take turns in having
 * their runs sealed. Known runs keep their name. */
int archive_run_seen(struct archive *archive, const uint8_t trace_id[16],
		     const struct run_words *words, uint64_t first_wall_ns, uint32_t user);
/* Spans in number order. 0, or -ENOBUFS: the disk does not take it now. */
int archive_push(struct archive *archive, const struct finished_span *span);
/* A spool lost spans that the log may still have: runs that lack some wait, not
 * sealed. Say that you begin, and hand in every span up to archive_last_number() that
 * the log has, in any number of calls in between; those that are missing are taken.
 * Then say that this was all: the rest is counted as lost, unless more came to be
 * missing meanwhile, which the spans at the front were not offered to. Then all are
 * wanted once more. */
bool archive_wants_again(const struct archive *archive);
void archive_again_begin(struct archive *archive);
void archive_again(struct archive *archive, const struct finished_span *span);
void archive_again_done(struct archive *archive);
/* Seal once span `last_number` has been pushed. */
int archive_seal(struct archive *archive, const uint8_t trace_id[16], uint64_t last_number,
		 bool complete);
int archive_tick(struct archive *archive, uint64_t now_ns);
/* Whether a run is being sealed, or waits for its turn. */
bool archive_sealing(const struct archive *archive);
uint64_t archive_next_due(const struct archive *archive, uint64_t now_ns);
/* Every span up to this number is in synced files (or counted). */
uint64_t archive_mark(const struct archive *archive);
/* Of the spans up to *ret_number, which is how far pushing is. */
void archive_ledger(const struct archive *archive, struct archive_ledger *ret_ledger,
		    uint64_t *ret_number);
/* Re-appends ARCHIVE frames that lie in `segment` or before. */
int archive_carry(struct archive *archive, uint64_t segment);

/* As in the options, for runs that are sealed from now on. The names are
 * borrowed. */
void archive_set_filter(struct archive *archive, uint32_t min_spans, const char *const *roots,
			uint32_t root_count, uint64_t alone_ns);

void archive_set_retention(struct archive *archive, const struct retention_limits *limits);

const struct archive_counters *archive_counters(const struct archive *archive);
extern const struct counter_table archive_counter_table;

#endif
