/* The insides of assembly, shared by its own files only:
 *
 *   assemble.c   the stage: rings, rounds, ticks
 *   apply.c      one record at a time: to its span, its source or its run
 *   begin.c      a span that has its START gets its run
 *   admit.c      whether the limits let a record in
 *   finish.c     from an open span to its OTLP bytes
 *   kinds.c      rules that say a finished span's kind
 *   stale.c      spans that are silent for too long
 *   closing.c    which spans are ended by us, in which order
 *   death.c      what is written into a span that we end
 *   process.c    how processes ended, and what they were refused
 *   recover.c    the log's replay, and carrying forward
 */
#ifndef ASSEMBLE_STAGE_H
#define ASSEMBLE_STAGE_H

#include "assemble/assemble.h"
#include "assemble/clock.h"
#include "assemble/open_span.h"
#include "assemble/trace_run.h"
#include "assemble/process.h"
#include "assemble/source.h"
#include "base/reserve.h"

struct assemble {
	struct env *env;
	struct limit_user *senders; /* of received spans; NULL before the first */
	struct assemble_options options;
	struct assemble_ops ops;
	struct assemble_counters counters;
	struct clock clock;
	struct span_store store;
	struct trace_run_table runs;
	struct map sources;    /* by instance */
	struct map users;      /* by uid */
	struct process_table processes;
	struct source **rings; /* by the drain's index */
	uint32_t ring_cap;
	struct list ages;      /* open spans, oldest first */
	struct list places;    /* open and parked spans, oldest segment first */
	struct list ready;     /* wait for ops.finished */
	uint64_t unload_above; /* bytes of memory; unloading is of no use below */
	struct list gone;      /* sources that wait to be freed */
	bool recovering;       /* what is applied was seen in an earlier life */
	bool counted;	       /* recovery has met a LEDGER frame */
	uint64_t stale_due_ns; /* when to look for stale spans again */
	uint32_t stale_count;  /* kept */
	uint64_t seed;
	uint64_t segment;     /* the latest one we heard of */
	uint64_t lost_values; /* of the store, as far as they are counted */
	struct buf span;      /* encoded */
	struct buf closing;   /* our own records of the span being finished */
	struct buf state;
	struct buf cut;		/* a record whose name was too long */
	struct buf mapped;	/* a span whose kind a rule said */
	struct reserve reserve; /* so that a batch that the log has is applied whole */
};

/* assemble.c */
struct source *stage_source(struct assemble *a, const uint8_t instance[16]);
/* Who it is, and whose. */
void stage_identify(struct assemble *a, struct source *source,
		    const struct ring_identity *identity);
/* See assemble_reserve(). */
int stage_reserve(struct assemble *a, const struct source *source, const struct slice *slices,
		  uint32_t n);
/* Its spans are gone. */
void stage_forget_source(struct assemble *a, struct source *source);

/* The log says that the ring is closed, and not how its open spans ended. */
void stage_end_closed(struct assemble *a, struct source *source);

/* received.c: introduces a run that nobody knows yet by what a finished span of it
 * says in its bytes. */
void received_introduce(struct trace_run *run, const struct finished_span *span);

/* apply.c */
void apply_slices(struct assemble *a, struct source *source, const struct slice *slices,
		  uint32_t n, uint64_t segment, uint32_t offset, const uint32_t *offsets);
struct open_span *apply_new_span(struct assemble *a, struct source *source,
				 const uint8_t span_id[8], uint64_t segment);
/* The part of applying that only reads the record: times, keys, parent. */
void apply_note(struct source *source, struct open_span *span, const uint8_t *record);
/* Its resource and scopes take that much memory now. */
void apply_source_kept(struct assemble *a, struct source *source, uint64_t bytes);
void apply_forget_span(struct assemble *a, struct open_span *span);
void apply_drop_parked(struct assemble *a, struct list *list);

/* begin.c */
/* The run, made if it is new. NULL: no memory. */
struct trace_run *begin_find_run(struct assemble *a, struct source *source,
				 const uint8_t trace_id[16]);
/* Gives a span with a START its run. -ENOMEM, but not where begin_find_run() found it. */
int begin_span(struct assemble *a, struct open_span *span, const uint8_t *start);

/* The source has begun to write of another run, or writes no more: an end that is said
 * of a run waits a moment for those that do. */
void begin_leave_run(struct assemble *a, struct source *source);

/* admit.c: false is counted, as what it was for. */
bool admit_start(struct assemble *a, struct source *source, const uint8_t *start);
/* `spillable`: a large one could leave the memory again. */
bool admit_record(struct assemble *a, const struct open_span *span, const uint8_t *record,
		  uint32_t len, bool spillable);
bool admit_parked(struct assemble *a, const struct source *source);
/* RESOURCE and SCOPE. */
bool admit_source(struct assemble *a, const struct source *source, const uint8_t *record);

/* recover.c */
void recover_unload(struct assemble *a);

/* finish.c */
void finish_queue(struct assemble *a, struct open_span *span);
void finish_queue_all(struct assemble *a, struct list *list);
/* Hands on what is ready until somebody is full. How many. */
int finish_ready(struct assemble *a);

/* stale.c */
#define STALE_KEPT_MAX 10000u
/* Ends what is silent for too long, when it is time to look. */
int stale_tick(struct assemble *a);
/* It is in the log as stale: it is not open any more, and waits for its END. */
void stale_keep(struct assemble *a, struct open_span *span);
/* Its END is here: open again. -ENOMEM. */
int stale_reopen(struct assemble *a, struct open_span *span);
/* Nothing more will come of this source's stale spans. */
void stale_forget(struct assemble *a, struct source *source);

/* closing.c */
/* Ends the open spans of a source, children first. SIGTERM and SHUTDOWN end
 * those begun until then, a death all. */
void closing_begin(struct assemble *a, struct source *source, enum span_close why);

/* death.c */
/* Appends to `out` what ends this span. `chunks` are its records. -ENOMEM. */
int death_write(const struct assemble *a, const struct open_span *span,
		const struct bytes *chunks, uint32_t n, struct buf *out);
/* Appends one attribute of ours unless the module set that key itself. */
void death_attribute_int(const struct open_span *span, const struct bytes *chunks, uint32_t n,
			 struct buf *out, const char *key, int64_t value);
struct process_end death_end(const struct source *source);
/* For the log: how a process ended. */
void death_describe(const struct source *source, char *line, size_t size);

#endif
