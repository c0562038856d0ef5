/* A log, an assembler and a disk for tests of the archive: spans are kept as
 * the log would keep them, ARCHIVE frames too, and a crash loses what was not
 * committed. One world is one machine; archives come and go in it. */
#ifndef SUPPORT_ARCHIVE_WORLD_H
#define SUPPORT_ARCHIVE_WORLD_H

#include "archive/archive.h"
#include "file_env.h"

#include <jansson.h>

#define WORLD_SPANS_MAX 40000
#define WORLD_KEYS_MAX 64
#define WORLD_SEALS_MAX 64
#define WORLD_PROCESSES_MAX 16

struct world_span {
	struct finished_span span; /* its bytes are owned by `bytes` */
	struct buf bytes;
};

struct world_frame {
	uint8_t trace_id[16];
	struct buf payload;
};

struct world_seal {
	uint8_t trace_id[16];
	uint64_t number;
	bool complete;
	bool requested; /* in this life of the archive */
};

struct archive_world {
	struct file_env env;
	char *root;
	char dir[256], state_dir[256];
	struct archive_options options;
	struct conditions conditions;
	struct archive *archive;
	struct world_span *spans;
	uint64_t span_count;
	uint64_t pushed;
	uint64_t cleaned; /* spans up to this have left the log */
	struct world_frame logged[WORLD_KEYS_MAX], pending[WORLD_KEYS_MAX];
	unsigned logged_count, pending_count;
	struct world_seal seals[WORLD_SEALS_MAX];
	unsigned seal_count;
	bool keep_no_frames;   /* for tests with more runs than keys */
	bool assembly_forgets; /* seals asked for once are not asked for again */
	bool log_full;	       /* ops.state answers -ENOBUFS */
	bool awaited;	       /* assembly knows of open spans: what ops.awaited answers */
	struct process_end ends[WORLD_PROCESSES_MAX]; /* by the number of the process */
	uint64_t refused[WORLD_PROCESSES_MAX];
	bool sends;    /* there is a destination, which has the spans up to: */
	uint64_t sent;
	struct run_account account;
	bool account_lost;
	struct buf said;       /* all log lines */
	char sealed_path[512]; /* the newest */
	uint64_t sealed_spans;
	unsigned sealed_count;
	bool sealed_complete;
};

/* What a test wants a span to be; zero and NULL have defaults. */
struct span_recipe {
	uint8_t trace;	     /* the trace id is this byte 16 times */
	uint64_t id, parent; /* big-endian in the id */
	const char *name;
	uint64_t start_ns, end_ns;
	const char *service; /* of the resource */
	const char *module;
	uint8_t pid; /* of the resource, below WORLD_PROCESSES_MAX; 0: it has none */
	const char *scope;
	const char *scope_schema_url, *resource_schema_url;
	const char *key;
	struct bytes text;	   /* an attribute `key` or "text" */
	const char *count_keys[2]; /* further attributes, numbers */
	int64_t counts[2];
	bool error; /* its status */
};

void world_init(struct archive_world *world);
void world_fini(struct archive_world *world);

/* Begins an archive on what the disk and the log have. */
void world_start(struct archive_world *world);
/* Ends it, as a crash (what was not committed is gone) or in peace. */
void world_crash(struct archive_world *world);
void world_stop(struct archive_world *world);

/* Adds a span to the log; its number. */
uint64_t world_add(struct archive_world *world, const struct span_recipe *recipe);
/* From now on, in this and later lives, the run is to be sealed. */
void world_seal(struct archive_world *world, uint8_t trace, uint64_t number, bool complete);
void world_commit(struct archive_world *world);

/* Pushes, ticks, commits and moves the clock until everything in the log is
 * sealed where it should be and marked, or for `turns` turns. Whether done. */
bool world_work(struct archive_world *world, unsigned turns);
void world_turn(struct archive_world *world);

/* The files of the directory whose names end so; sorted; free with world_free_names. */
unsigned world_list(const struct archive_world *world, const char *ending, char ***ret_names);
void world_free_names(char **names, unsigned count);

/* Text of a file in the archive's directory. Fails the test when missing. */
struct buf world_read(const struct archive_world *world, const char *name);
void world_write(const struct archive_world *world, const char *name, struct bytes text);
json_t *world_json(const struct archive_world *world, const char *name);
/* Every span of a document in order: fn(arg, resourceSpans, scopeSpans, span). */
typedef void world_span_fn(void *arg, json_t *resource, json_t *scope, json_t *span);
void world_each_span(json_t *root, world_span_fn *fn, void *arg);

/* How often a span id occurs in all sealed files. */
unsigned world_count(const struct archive_world *world, uint64_t id);

#endif
