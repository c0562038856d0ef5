/* The pipeline: the one file that knows all stages.
 *
 *   drain, receive -> redact -> wal -> assemble -> wal -> export, archive
 *
 * It owns every stage, hands each what the one before gives, and turns news
 * that travels up (a stage is full) into waiting. One thread runs it. */
#ifndef AGENT_PIPELINE_H
#define AGENT_PIPELINE_H

#include <limits.h>

#include "archive/archive.h"
#include "assemble/assemble.h"
#include "base/condition.h"
#include "base/env.h"
#include "base/span_times.h"
#include "drain/drain.h"
#include "export/export.h"
#include "export/headers.h"
#include "options.h"
#include "receive/receive.h"
#include "redact/redact.h"
#include "wal/wal.h"

#define PIPELINE_DESTINATIONS_MAX 8
#define PIPELINE_SEALED_KEPT 32

/* The payload of a destination's LEDGER frame (sub key "export"): what became of
 * the spans up to `number`, which is its cursor at that moment. A later version
 * appends members; a shorter payload has zeros there. */
struct destination_ledger {
	uint64_t number;
	uint64_t sent, rejected_partial, rejected_status;
	uint64_t dropped_too_large, dropped_backlog, dropped_lost;
	uint64_t uncounted; /* an agent that kept no ledger was done with them */
	uint64_t unsettled; /* given up while a request with them was under way */
	/* What became of the spans behind `ahead_after`, up to `ahead_number`, which
	 * went beside a backlog (export/lanes.c). 0: there was none. */
	uint64_t ahead_after, ahead_number;
	uint64_t ahead_sent, ahead_rejected_partial, ahead_rejected_status;
	uint64_t ahead_dropped_too_large, ahead_dropped_backlog, ahead_dropped_lost;
};
_Static_assert(sizeof(struct destination_ledger) == 136, "LEDGER of a destination");

/* The payload of the LEDGER frame "pipeline". */
struct pipeline_ledger {
	uint64_t began_wall_ns; /* the log, as far as ledgers know */
	uint64_t starts;	/* of agents on it */
};
_Static_assert(sizeof(struct pipeline_ledger) == 16, "LEDGER of the pipeline");

/* The last LEDGER frame of one stage: unchanged ones are not written again. */
struct ledger_frame {
	uint8_t payload[192];
	uint32_t len;
};

/* A way from the log to an exporter. */
struct lane {
	struct wal_reader *reader;    /* NULL: there is no such lane now */
	struct redact_sink redact;    /* what the destination does not get */
	struct finished_span waiting; /* read, not yet taken by the exporter */
	bool has_waiting;
	bool waiting_redacted;
	uint64_t pushed_number; /* of the last span the exporter took */
	uint64_t until;		/* of its last span; UINT64_MAX: it has no end */
};

/* A destination: its exporter and its place in the log, or its two: while it is far
 * behind, live spans go beside its backlog (export/lanes.c). */
struct destination {
	char name[OPTIONS_NAME_MAX + 1];
	bool alone; /* the only one */
	struct pipeline *pipeline;
	struct export_options options;
	struct headers headers;
	struct export export;
	struct lane live, backlog;
	bool started;
	uint64_t marked_number;		  /* in the newest CURSOR frame */
	uint64_t marked_ahead;		  /* in the LEDGER frame in front of it */
	uint64_t skipped_number;	  /* spans up to here were given up */
	uint64_t cursor_segment;	  /* where the newest CURSOR frame lies */
	struct destination_ledger ledger; /* as the log says it */
};

/* A flush to answer once the log has reached a sequence. */
struct pending_ack {
	uint64_t sequence;
	uint32_t ring;
	uint32_t request;
};

struct dead_ring {
	uint32_t ring;
	bool closed;	   /* the CLOSED frame is added */
	uint64_t sequence; /* of that */
};

/* For status: the newest sealed files. */
struct sealed_run {
	uint8_t trace_id[16];
	char path[PATH_MAX];
	uint64_t spans;
	bool complete;
};

struct pipeline {
	struct env *env;
	const struct options *options;
	struct conditions conditions;

	struct wal *wal;
	struct redact redact;
	struct redact_sink archive_redact;
	struct slice *redacted; /* slices as the log gets them */
	uint64_t redacted_cap;
	struct drain *drain;
	struct receive *receive;		    /* NULL: switched off */
	char agent_id[RECEIVE_AGENT_ID_DIGITS + 1]; /* of this life */
	struct assemble *assemble;
	struct archive *archive; /* NULL: switched off */
	struct wal_reader *archive_reader;
	struct finished_span archive_waiting;
	bool archive_has_waiting;
	bool archive_waiting_redacted;
	struct wal_reader *again_reader; /* for what the archive's spools lost; or NULL */
	uint64_t again_until;
	bool archive_behind; /* the log has spans that it was not handed yet */
	uint64_t archive_read_number, archive_dropped_log; /* as read_number, dropped_lost */
	struct destination destinations[PIPELINE_DESTINATIONS_MAX];
	uint32_t destination_count;

	struct pending_ack *acks;
	uint64_t ack_count, ack_cap;
	struct dead_ring *dead;
	uint64_t dead_count, dead_cap;
	uint32_t *slice_offsets;
	uint64_t slice_offset_cap;
	uint8_t (*instances)[16]; /* by the drain's index */
	uint64_t instance_cap;

	struct pipeline_ledger ledger;
	struct ledger_frame ledger_frames[3];
	uint64_t last_sequence; /* of the newest frame added */
	uint64_t far_ns;	/* a destination is far behind with spans as old as this */
	uint64_t cursor_due_ns;
	uint64_t cursor_interval_ns; /* grows to a second */
	uint64_t released_segment;
	uint64_t started_wall_ns;
	uint64_t turned_ns, turns; /* the loop's last turn, and how many there were */
	struct span_times times;   /* when the log got its spans */
	uint64_t timed_number;	   /* of the newest that is in there */
	struct sealed_run sealed[PIPELINE_SEALED_KEPT];
	uint64_t sealed_count; /* ever */
	bool stopping;
	bool leave_now; /* told to stop a second time */
	/* The ring directory was replaced: what others have in the old one (the
	 * doorbell, the socket) is to be had in the new one. NULL: nobody has. */
	void (*ring_dir_moved)(void *arg);
	void *ring_dir_moved_arg;
	uint64_t reloads, reload_failures; /* in this life; the latter changed nothing */
	bool read_failed;		   /* in this turn a reader could not read the log */
};

/* Opens everything, recovers from the log. The options must outlive it.
 * -errno after the reason was logged. */
int pipeline_init(struct pipeline *pipeline, struct env *env, const struct options *options);
void pipeline_fini(struct pipeline *pipeline);

/* One turn: all stages, no waiting. Returns the work done, 0: idle. */
int pipeline_step(struct pipeline *pipeline);

/* What a reload has made ready, between pipeline_prepare() and
 * pipeline_apply(), which takes it, or pipeline_change_fini(). */
struct pipeline_change {
	struct {
		bool changed; /* these replace the destination's */
		struct export_options options;
		struct headers headers;
	} destinations[PIPELINE_DESTINATIONS_MAX];
};

/* Makes ready what other settings need. -errno after the reason was logged;
 * nothing has changed then. */
int pipeline_prepare(struct pipeline *pipeline, const struct options *fresh,
		     struct pipeline_change *ret_change);
/* Takes over what the pipeline's own options hold now. */
void pipeline_apply(struct pipeline *pipeline, struct pipeline_change *change);
void pipeline_change_fini(struct pipeline_change *change);

/* Writes pipeline_status() into `<state dir>/status.json`, whole or not at all. */
void pipeline_dump(struct pipeline *pipeline);

/* Waits for news or the next thing due. */
void pipeline_wait(struct pipeline *pipeline);

/* Drains what the rings hold, seals and sends what can be until the deadline,
 * and says in the log what was done. */
void pipeline_stop(struct pipeline *pipeline, uint64_t deadline_ns);

/* Whether a traced process lives, or something of a dead one is not done. */
bool pipeline_in_use(const struct pipeline *pipeline);

/* After pipeline_stop(): whether rings and log hold nothing that is not in a file, or
 * in a counter that says why. */
bool pipeline_all_archived(const struct pipeline *pipeline);

/* The state of everything as one JSON object: what `spanring status` shows. */
int pipeline_status(struct pipeline *pipeline, struct buf *out);
/* The same numbers in the Prometheus text format. */
int pipeline_metrics(struct pipeline *pipeline, struct buf *out);
/* Whether it works, check by check, as text, and the HTTP status that says so: 200
 * or 503. Live: the loop turns. Ready: nothing waits longer than it may. */
int pipeline_live(struct pipeline *pipeline, struct buf *out);
int pipeline_ready(struct pipeline *pipeline, struct buf *out);

/* ---- between the pipeline's own files -------------------------------------- */

/* pipeline_news.c: what the stages say. `arg` is the pipeline. */
void news_ring_dir_moved(void *arg);
int news_ring_seen(void *arg, uint32_t ring, const struct ring_identity *identity);
int news_batch(void *arg, uint32_t ring, struct slice *slices, uint32_t n,
	       uint64_t *ret_sequence);
void news_round_end(void *arg, uint32_t ring, uint64_t round);
void news_settled(void *arg, uint32_t ring);
void news_ring_dead(void *arg, uint32_t ring, const struct death *death);
void news_refused(void *arg, uint32_t ring, uint64_t calls);
void news_end_lost(void *arg, uint32_t ring, const uint8_t span_id[8]);
void news_flush_wanted(void *arg, uint32_t ring, uint32_t request);
void news_ring_gone(void *arg, uint32_t ring);
int news_ring_state(void *arg, uint32_t ring, struct bytes state, uint64_t *ret_sequence,
		    uint64_t *ret_segment);
int news_finished(void *arg, struct finished_span *span, const uint8_t instance[16],
		  const uint8_t span_id[8], uint64_t *ret_number);
int news_run_seen(void *arg, const uint8_t trace_id[16], const struct run_words *words,
		  uint64_t first_wall_ns, uint32_t user);
void news_run_over(void *arg, const uint8_t trace_id[16], uint64_t last_number, bool complete);
int news_span_state(void *arg, const uint8_t instance[16], const uint8_t span_id[8],
		    struct bytes state, struct log_place *ret_place);
int news_run_state(void *arg, const uint8_t trace_id[16], struct bytes state,
		   uint64_t *ret_segment);
int news_process_state(void *arg, const struct process_key *key, struct bytes state,
		       uint64_t *ret_segment);
int news_load(void *arg, const struct log_place *place, size_t len, uint8_t *at);
int news_archive_state(void *arg, const uint8_t trace_id[16], struct bytes state,
		       uint64_t *ret_segment);
int news_archived(void *arg, const uint8_t trace_id[16], uint64_t spans);
bool news_run_account(void *arg, const uint8_t trace_id[16], struct run_account *ret_account);
void news_run_process(void *arg, const uint8_t trace_id[16], const struct process_key *key,
		      struct process_account *ret_account);
void news_dropped(void *arg, const uint8_t trace_id[16], uint64_t spans);
uint64_t news_sent(void *arg);
bool news_run_awaited(void *arg, const uint8_t trace_id[16]);
void news_sealed(void *arg, const uint8_t trace_id[16], const char *path, uint64_t spans,
		 bool complete);
int news_receive_ready(void *arg);
int news_received(void *arg, struct finished_span *span);
uint64_t news_receive_sequence(void *arg);
/* Adds a frame that begins with a wal_key; `sub` may be NULL. */
int pipeline_add_keyed(struct pipeline *pipeline, enum wal_kind kind, const uint8_t key[16],
		       const uint8_t *sub, struct bytes payload, uint64_t *ret_sequence,
		       struct wal_location *ret_location);

/* pipeline_start.c: what the settings make of a destination. `headers` must
 * outlive the options. -errno after the reason was logged. */
int destination_options(struct pipeline *pipeline, struct destination *destination,
			const struct destination_settings *settings,
			struct export_options *ret_options, struct headers *ret_headers);

/* pipeline_rejected.c: an export_park_fn; `arg` is the destination. */
int pipeline_park(void *arg, struct bytes request, const char *status, const char *message);

/* pipeline_recover.c: the log's content, given back to the stages. */
int pipeline_recover(struct pipeline *pipeline);

/* pipeline_ledger.c: totals since the log began. Appends what changed, or all of
 * it (an old segment is about to go, and the ledger must stand behind everything
 * that was carried out of it). -ENOBUFS. */
int pipeline_mark_ledgers(struct pipeline *pipeline, bool all);
int pipeline_mark_destination(struct pipeline *pipeline, struct destination *destination,
			      uint64_t done, uint64_t *ret_segment);
void pipeline_recover_ledger(struct pipeline *pipeline, const struct wal_key *key,
			     struct bytes payload);
/* A CURSOR frame: an agent that keeps no ledger may have gone on. */
void destination_recover_cursor(struct destination *destination, uint64_t number);
/* After recovery: the exporter goes on counting from there. */
void destination_resume(struct destination *destination);

/* pipeline_lanes.c: from the log to one destination. */
int destination_start_lanes(struct pipeline *pipeline, struct destination *destination);
void destination_free_lanes(struct destination *destination);
int destination_feed(struct pipeline *pipeline, struct destination *destination);
/* The spans up to this number are not read any more. -errno: some still are. */
int destination_give_up(struct pipeline *pipeline, struct destination *destination,
			uint64_t number);
/* Every span up to this number is sent, refused or given up. */
uint64_t destination_done(const struct destination *destination);
/* What is done behind that, beside a backlog. */
struct export_ahead destination_ahead(const struct destination *destination);
/* How many spans are not done with, of those up to `last`; and not yet pushed. */
uint64_t destination_unsent(const struct destination *destination, uint64_t last);
uint64_t destination_unpushed(const struct destination *destination, uint64_t last);

/* pipeline_feed.c: from the log to its readers; cursors; cleaning. */
void pipeline_reader_failed(struct pipeline *pipeline, const char *who, int error);
int pipeline_feed(struct pipeline *pipeline);
void pipeline_mark_cursors(struct pipeline *pipeline, uint64_t now_ns);
void pipeline_keep_log_small(struct pipeline *pipeline);
void destination_key(const struct destination *destination, uint8_t ret_key[16]);

/* pipeline_health.c: how old what waits is. */

/* The age of the first span behind this number; 0: there is none. */
uint64_t pipeline_age_behind(const struct pipeline *pipeline, uint64_t number);

/* Notes when spans came, and forgets those that everybody has. */
void pipeline_note_times(struct pipeline *pipeline, uint64_t now_ns);
/* Recovery met this span: its own end says how old it is. */
void pipeline_note_recovered(struct pipeline *pipeline, const struct finished_span *span);

#endif
