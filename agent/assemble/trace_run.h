/* Runs as they happen; the archive has its own notion of them, as files. A run
 * is a trace: everything under one trace id, from however many processes. It has one wall-clock
 * offset, fixed when its first span is seen, and it is over when it was said to be, or when
 * nothing came for a while, and none of its spans is open. Being over is no end: a late span
 * opens it again.
 *
 * What is remembered of a run that is over is forgotten after `forget_ns`, or
 * earlier when RUNS_OVER_MAX later ones are over: then a late span merely gets
 * a fresh offset. */
#ifndef ASSEMBLE_TRACE_RUN_H
#define ASSEMBLE_TRACE_RUN_H

#include "assemble/assemble.h"
#include "base/buf.h"
#include "base/list.h"
#include "base/map.h"

#define RUNS_OVER_MAX 16384u
/* Quiet runs waiting for their timeout; more of them are said over at once. */
#define RUNS_QUIET_MAX 65536u
#define RUN_SERVICE_MAX 255u
#define RUN_NAME_MAX 255u
/* So long a run whose end was said waits for processes that wrote of it and may just be
 * dying: its file says how they ended. */
#define RUN_ENDING_NS UINT64_C(1000000000)

enum run_flags {
	RUN_ENDED = 0x01,   /* its end was said explicitly */
	RUN_OVER = 0x02,    /* run_over was called for everything so far */
	RUN_UNSEEN = 0x04,  /* run_seen has not been called in this life */
	RUN_UNSAVED = 0x08, /* the log does not know it as it is */
	RUN_OFFSET = 0x10,  /* its offset is fixed */
	RUN_COUNTED = 0x20, /* recovery: the log gave its ledger */
};

struct trace_run {
	uint8_t trace_id[16];
	uint64_t boot;	   /* first half of the boot id its offset belongs to */
	int64_t offset_ns; /* wall minus boot time */
	uint64_t first_wall_ns;
	uint64_t last_number; /* of its latest SPAN frame */
	uint64_t active_mono_ns;
	uint64_t begun_mono_ns; /* its first START; 0: not known, of an earlier life */
	uint64_t segment;	/* of its RUN frame; 0 none yet */
	char *service;		/* until the run is over */
	char *name;		/* the same, of its first span; NULL: none */
	uint32_t user;		/* who began it, or USER_UNKNOWN; the log does not say */
	uint32_t writers;	/* living processes whose latest span is of this run */
	uint32_t open;		/* spans, those waiting for ops.finished included */
	uint32_t spans;		/* begun in this life of the agent */
	struct run_ledger ledger;
	uint32_t flags;
	struct list state; /* in one of the table's quiet, ending, due, over; none while open */
	struct list saved; /* in one of trace_run_table's saved, unsaved */
};

/* What the table says up the stream; see assemble_ops. */
struct trace_run_ops {
	int (*seen)(void *arg, const uint8_t trace_id[16], const struct run_words *words,
		    uint64_t first_wall_ns, uint32_t user);
	void (*over)(void *arg, const uint8_t trace_id[16], uint64_t last_number,
		     bool complete);
	int (*save)(void *arg, const uint8_t trace_id[16], struct bytes state,
		    uint64_t *ret_segment);
	void *arg;
};

struct trace_run_table {
	struct trace_run_ops ops;
	struct map runs;
	struct list quiet;   /* nothing open, by last activity */
	struct list ending;  /* its end was said, and it has writers; by last activity */
	struct list due;     /* to be said over at the next tick */
	struct list over;    /* by last activity */
	struct list saved;   /* the log knows them */
	struct list unsaved; /* or unseen: trace_run_table_introduce() sees to it */
	uint32_t quiet_count, over_count;
	uint64_t idle_timeout_ns, forget_ns;
	uint64_t seen_count, over_said; /* ever */
	uint64_t forgotten;		/* ever: pointers to runs may dangle since */
	bool save_failed;		/* the last time: the log was full */
	struct buf scratch;
};

void trace_run_table_init(struct trace_run_table *table, const struct trace_run_ops *ops,
			  uint64_t seed, uint64_t idle_timeout_ns, uint64_t forget_ns);
void trace_run_table_fini(struct trace_run_table *table);

struct trace_run *trace_run_find(const struct trace_run_table *table,
				 const uint8_t trace_id[16]);

/* The run, made if it is new. NULL: no memory. */
struct trace_run *trace_run_get(struct trace_run_table *table, const uint8_t trace_id[16],
				uint64_t now_ns);

/* Fixes the offset unless that is done for this boot. */
void trace_run_fix_offset(struct trace_run *run, uint64_t boot, int64_t offset_ns);

/* Who began the run and when, the first time only. -ENOMEM: it has neither yet, and
 * nobody hears of it. */
int trace_run_introduce(struct trace_run *run, const struct run_words *words,
			uint64_t first_wall_ns);

void trace_run_span_opened(struct trace_run_table *table, struct trace_run *run,
			   uint64_t now_ns);
/* `number` 0: it will never be in the log. */
void trace_run_span_closed(struct trace_run_table *table, struct trace_run *run,
			   uint64_t number, uint64_t now_ns);
/* A span that was never open here: received, or finished in an earlier life. */
void trace_run_span_added(struct trace_run_table *table, struct trace_run *run, uint64_t number,
			  uint64_t now_ns);
/* A process of it is gone, or writes of another run now. */
void trace_run_writer_left(struct trace_run_table *table, struct trace_run *run);
/* Its ledger says something new: to be saved at the next tick. */
void trace_run_changed(struct trace_run_table *table, struct trace_run *run);
void trace_run_end(struct trace_run_table *table, struct trace_run *run, uint64_t now_ns);

/* Says and saves what is new; a run that the log does not take now is tried
 * again later. Before anything else is said of a run. */
int trace_run_table_introduce(struct trace_run_table *table);

/* Says what is to be said; returns how much that was. */
int trace_run_table_tick(struct trace_run_table *table, uint64_t now_ns);
uint64_t trace_run_table_next_due(const struct trace_run_table *table, uint64_t now_ns);
void trace_run_table_flush(struct trace_run_table *table, uint64_t now_ns);

/* Replaces what is known of a run. -EBADMSG. */
int trace_run_recover(struct trace_run_table *table, const uint8_t trace_id[16],
		      struct bytes state, uint64_t segment, uint64_t now_ns);
/* Compares what is open with the ledger, of every run. */
void trace_run_table_recovered(struct trace_run_table *table);
/* The sealed file holds this many spans. -ENOBUFS, -ENOMEM: as it was. */
int trace_run_archived(struct trace_run_table *table, struct trace_run *run, uint64_t spans);
/* See assemble_each_run(). */
void trace_run_table_each(const struct trace_run_table *table, uint32_t max,
			  void (*each)(void *arg, const struct run_view *view), void *arg);
int trace_run_table_carry(struct trace_run_table *table, uint64_t segment);

#endif
