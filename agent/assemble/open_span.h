/* An open span: its records, in the order they were drained, in chunks. Small
 * records share chunks, the first of which is part of the span itself, so a
 * usual span costs one allocation (or none: a few blocks are kept). A value of
 * SPAN_LARGE_BYTES or more has a chunk of its own and knows its place in the
 * log; when the spans of a store take more memory than they may, the largest
 * such values leave it and are loaded back when they are needed. A span of very
 * many small records can leave as a whole, all but its START, once it was
 * written to the log in one piece.
 *
 * A store belongs to one assembly, spans belong to their store. A span of which
 * only records of other threads came so far ("parked") is one without START. */
#ifndef ASSEMBLE_OPEN_SPAN_H
#define ASSEMBLE_OPEN_SPAN_H

#include "assemble/limit.h"
#include "base/buf.h"
#include "base/list.h"
#include "base/log_place.h"

struct trace_run;
struct source;

#define SPAN_LARGE_BYTES 4096u
#define SPAN_ROOM_BYTES 320u /* records inside the span's own block */

/* A span must fit one chain of the log, also as OTLP and with its state. What
 * would make it larger is dropped and counted on the span; END always fits. */
#define SPAN_BYTES_MAX (15u << 20)

#define SPAN_STORE_CLASSES 32

struct span_chunk {
	struct span_chunk *next;
	uint8_t *at; /* NULL: spilled */
	uint32_t len;
	uint32_t room; /* 0: one large record, or everything that was unloaded */
};

struct span_large {
	struct span_chunk chunk;
	struct list spillable;
	struct holder *holder; /* whose memory it takes */
	struct log_place place;
};

enum span_flags {
	SPAN_STARTED = 0x01,
	SPAN_ENDED = 0x02,	   /* an END record is among the records */
	SPAN_CLOSING = 0x04,	   /* to be ended by us: see `close` */
	SPAN_READY = 0x08,	   /* waits for ops.finished only: takes no records */
	SPAN_WALL_TIME = 0x10,	   /* its START says wall time */
	SPAN_OWN_KEYS = 0x20,	   /* the module itself set a key under "spanring." */
	SPAN_END_LOST = 0x40,	   /* the ring's header says so */
	SPAN_AFTER_CLOSING = 0x80, /* wall time, and came after the process's SIGTERM */
	SPAN_STALE = 0x100,	   /* ended for its silence; not open, has no run */
};

/* Why we end a span that did not end itself. */
enum span_close {
	SPAN_CLOSE_DEATH = 1,
	SPAN_CLOSE_SIGTERM = 2,
	SPAN_CLOSE_SHUTDOWN = 3,
	SPAN_CLOSE_END_LOST = 4,
	SPAN_CLOSE_STALE = 5,
};

struct open_span {
	struct list ages;   /* all spans of the assembly by when they came */
	struct list places; /* the same by `segment` */
	struct list due;    /* of its source: ended, parked; or ready to finish */
	struct source *source;
	struct holder *holder;
	struct trace_run *run; /* NULL before START */
	struct span_chunk *first, *last;
	uint64_t segment; /* the oldest one that holds something of it */
	uint64_t start_ticks;
	uint64_t last_ticks;   /* latest time of its own records */
	uint64_t last_wall_ns; /* the same of those that say wall time */
	uint64_t close_ticks;  /* SIGTERM, SHUTDOWN: when */
	uint64_t heard_ns;     /* its last record came, by our clock; 0: in an earlier life */
	uint32_t bytes;
	uint32_t parked;     /* physical records waiting for START */
	uint32_t end_thread; /* that wrote END */
	uint32_t scope;
	uint32_t dropped_attributes, dropped_events, dropped_links;
	uint32_t attributes, events, links, statuses; /* records of it */
	int32_t depth; /* among the closed ones of its ring */
	uint8_t span_id[8];
	uint8_t parent_span_id[8];
	uint16_t flags;
	uint8_t close;	 /* enum span_close */
	bool close_wall; /* close_ticks are wall time */
	struct span_chunk own;
	uint8_t room[SPAN_ROOM_BYTES];
};

struct span_store {
	int (*load)(void *arg, const struct log_place *place, size_t len, uint8_t *at);
	void *arg;
	uint64_t memory_bytes_max;
	uint64_t memory_bytes, spilled_bytes;	   /* now */
	uint64_t lost_values;			   /* spilled and not to be had any more */
	struct list spillable[SPAN_STORE_CLASSES]; /* in memory, by log2 of size */
	struct open_span *spare;		   /* freed blocks, linked by `run` */
	uint32_t spare_count;
	struct bytes *views; /* of open_span_view_chunks() */
	uint32_t view_cap;
};

void span_store_init(struct span_store *store, uint64_t memory_bytes_max);
void span_store_fini(struct span_store *store);

/* Memory that is taken (or, negative, given back) in a holder's name. */
void span_store_take(struct span_store *store, struct holder *holder, int64_t bytes);

/* NULL: no memory. */
struct open_span *open_span_new(struct span_store *store, struct holder *holder,
				const uint8_t span_id[8]);
void open_span_free(struct span_store *store, struct open_span *span);

/* Copies a checked record, `len` bytes with its padding, to the end. `place` is
 * where it lies in the log, NULL if nowhere. -EFBIG: the span would grow over
 * its limit, -ENOMEM. */
int open_span_append(struct span_store *store, struct open_span *span, const uint8_t *record,
		     uint32_t len, const struct log_place *place);

/* The same to the front: a START that came after records of other threads. */
int open_span_prepend(struct span_store *store, struct open_span *span, const uint8_t *record,
		      uint32_t len);

/* Forgets all records. */
void open_span_clear(struct span_store *store, struct open_span *span);

/* All records, spilled ones loaded back. The array lives until the next call;
 * the caller may put one more chunk behind them. A value that cannot be loaded
 * is taken out and counted on the span and in the store. -ENOBUFS, -ENOMEM: not
 * now. */
int open_span_view_chunks(struct span_store *store, struct open_span *span,
			  struct bytes **ret_chunks, uint32_t *ret_n);

/* All records were written to the log once more, one behind the other, from
 * `place` on. */
void open_span_moved(struct open_span *span, const struct log_place *place);

/* The same, and then all but START leaves the memory. -ENOMEM: it stays. */
int open_span_unload(struct span_store *store, struct open_span *span,
		     const struct log_place *place);

/* Bytes of small records in memory. */
uint32_t open_span_small_bytes(const struct open_span *span);

/* Spills until the store is within its memory or nothing is left to spill. */
void span_store_shrink(struct span_store *store);

/* Counts a record that was not kept as dropped on the span itself. */
void open_span_note_drop(struct open_span *span, const uint8_t *record);

#endif
