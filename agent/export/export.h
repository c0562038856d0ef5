/* The export stage: finished spans to one destination, for ever.
 *
 * Push copies spans into batches; tick sends them, several requests at a time,
 * and tries again what may be tried again, without end: the log is the backlog,
 * and memory stays bounded because push refuses. A cursor over the log persists
 * export_acked() and export_ahead(); after a restart what lies behind them is
 * pushed again, so a destination may see a span twice, with the same ids.
 *
 * One owner, one thread: the agent's. Callbacks of the transport run inside
 * env->wait() and change only this struct. */
#ifndef EXPORT_EXPORT_H
#define EXPORT_EXPORT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/counter.h"
#include "base/env.h"
#include "base/finished_span.h"
#include "export/batch.h"
#include "export/console_transport.h"
#include "export/grpc_transport.h"
#include "export/http_transport.h"
#include "export/isolate.h"
#include "export/options.h"
#include "export/retry.h"
#include "export/squeeze.h"

/* Spans in flight are in streams_max batches; one more fills and one waits. */
#define EXPORT_BATCHES_MAX (EXPORT_STREAMS_LIMIT + 2)

enum export_batch_state {
	EXPORT_BATCH_FREE,
	EXPORT_BATCH_FILLING,
	EXPORT_BATCH_WAITING,
	EXPORT_BATCH_SENT,
};

/* What became of spans, by number of spans. */
struct export_outcome {
	uint64_t sent;
	uint64_t rejected_partial;
	uint64_t rejected_status;
	uint64_t dropped_too_large;
	uint64_t dropped_backlog; /* given up before they were pushed */
	uint64_t dropped_lost;	  /* numbers that were never pushed: damage */
};

struct export_batch {
	struct batch batch;
	/* Of younger spans, which cannot count as settled before these. */
	struct export_outcome behind;
	enum export_batch_state state;
	bool formed;		      /* it was decided how it goes */
	enum compression compression; /* of `wire`; NONE: `plain` goes */
	struct bytes plain;	      /* the batch's own bytes, its part's, or `text` */
	struct buf text;	      /* as JSON, where that is spoken */
	struct buf wire;
	struct isolation isolation;	/* of what the peer refused; else off */
	struct buf part;		/* the part that is asked for */
	struct export_outcome isolated; /* of the parts that are over */
	uint64_t opened_ns;		/* its first span came */
	uint64_t due_ns;		/* WAITING: not before */
	uint64_t sent_ns;		/* SENT: this attempt began */
	uint64_t deadline_ns;		/* SENT */
	uint64_t attempts;
	struct backoff backoff;
};

/* pushed = sent + waiting + rejected_* + dropped_too_large, where waiting is
 * counted by export_waiting(). Each is counted where it happens. */
struct export_counters {
	uint64_t pushed;	    /* spans taken */
	uint64_t sent;		    /* spans accepted by the peer */
	uint64_t rejected_partial;  /* spans refused by a partial success */
	uint64_t rejected_status;   /* spans refused by a permanent status */
	uint64_t dropped_too_large; /* spans larger than request_bytes_max */
	uint64_t dropped_backlog;   /* spans given up before they were pushed */
	uint64_t dropped_lost;	    /* numbers that never came */
	uint64_t requests;	    /* attempts begun */
	uint64_t retries;	    /* of these, not the first of their batch */
	uint64_t bytes;		    /* of encoded requests, all attempts */
	uint64_t wire_bytes;	    /* of these, compressed as they were sent */
	uint64_t connects;	    /* connections established */
	uint64_t connect_failures;
	uint64_t warnings;	     /* partial successes that refuse nothing */
	uint64_t isolation_requests; /* of the requests, for parts of a refused one */
	uint64_t not_isolated;	     /* spans refused together: the limit was reached */
	uint64_t parked;	     /* spans refused alone, and kept */
	uint64_t park_failures;	     /* that could not be kept */
	uint64_t splits;	     /* times that live spans went beside a backlog */
};

/* Spans pushed in the order of their numbers. */
struct export_lane {
	struct export_batch *filling; /* or NULL */
	uint64_t last_number;	      /* highest pushed */
	/* Of all its spans up to the last that is done with: what a cursor says
	 * together with its number, so that no life of the agent counts a span twice. */
	struct export_outcome settled;
};

/* What is done with ahead of the backlog: the spans behind `after`, up to `number`. */
struct export_ahead {
	uint64_t after; /* 0: there is none */
	uint64_t number;
	struct export_outcome outcome;
};

struct export
{
	struct env *env;
	struct export_options options; /* with the defaults filled in */
	union {
		struct transport of; /* the head of each */
		struct grpc_transport grpc;
		struct http_transport http;
		struct console_transport console;
	} transport;
	struct throttle throttle;

	struct export_batch batches[EXPORT_BATCHES_MAX];
	size_t batches_n;
	/* The one lane or, while `split` is not 0, that of the spans behind it; the
	 * others are the backlog's. See lanes.c. */
	struct export_lane live, backlog;
	uint64_t split;
	bool live_was_last;   /* the last request was the live lane's */
	uint64_t accepted_ns; /* when the peer took something last; 0: never yet */
	struct buf spare;     /* for batch_seal() */
	struct squeeze squeeze;
	size_t memory; /* bytes of spans in batches */
	size_t in_flight;
	/* Requests that may be: it grows while the peer keeps up and halves when it
	 * does not, from 1 to streams_max. */
	size_t streams;
	size_t streams_streak;	 /* answers since it changed that came while all were used */
	uint64_t streams_cut_ns; /* it halved; what was sent before halves it no more */
	bool flushing;

	uint64_t failures;   /* in a row, of requests or connections */
	uint64_t halving_ns; /* the minute in which `halvings` were made began */
	unsigned halvings;

	struct export_counters counters;
	char last_error[256]; /* the newest failure, "STATUS: words", for `status` */
	uint64_t last_error_wall_ns;
};

/* `first_number` is that of the first span that will be pushed.
 * -EINVAL: an option out of range or a header gRPC forbids. -ENOMEM. */
int export_init(struct export *export, struct env *env, const struct export_options *options,
		uint64_t first_number);
/* Goes on with other options; batches made so far keep their size. What is in
 * flight is sent again on a new connection, so a destination may see it twice.
 * The old strings and headers are not looked at any more. -EINVAL as
 * export_init(): everything stays as it was. */
int export_reload(struct export *export, const struct export_options *options);
/* Gives up what is in flight; counters stay readable. */
void export_fini(struct export *export);

/* Goes on with what an earlier life counted for the spans before
 * `first_number`. After export_init(), before the first push. */
void export_resume(struct export *export, const struct export_outcome *settled);

/* The spans of this number's lane up to it will not be pushed, on purpose. */
void export_give_up(struct export *export, uint64_t number);

/* ---- two lanes (lanes.c) ---- */

/* From now on the spans behind this number, of which none was pushed yet, go beside
 * those up to it, which are the backlog. Not while it is split. */
void export_split(struct export *export, uint64_t number);
/* Goes on with what an earlier life had sent ahead. After export_resume(). */
void export_resume_ahead(struct export *export, const struct export_ahead *ahead);
/* The log had nothing more for the backlog. */
void export_backlog_over(struct export *export);
static inline bool export_is_split(const struct export *export)
{
	return export->split != 0;
}
/* What became of the spans up to export_acked(). */
const struct export_outcome *export_settled(const struct export *export);
struct export_ahead export_ahead(const struct export *export);
void export_outcome_add(struct export_outcome *to, const struct export_outcome *more);

/* Takes a copy. Numbers ascend within a lane; gaps are allowed. -ENOBUFS: the
 * lane is full, tick and push again. -ENOMEM: likewise. */
int export_push(struct export *export, const struct finished_span *span);

/* Flushes by delay, watches deadlines, sends, connects. Returns work done. */
int export_tick(struct export *export, uint64_t now_ns);

/* When tick wants to be called again, UINT64_MAX: only after a push. */
uint64_t export_next_due(const struct export *export, uint64_t now_ns);

/* Everything numbered up to this is finished with: sent, rejected or dropped. */
uint64_t export_acked(const struct export *export);

/* Spans taken and not yet finished with. */
uint64_t export_waiting(const struct export *export);

/* From now until it is idle, does not wait for batches to fill. */
void export_flush(struct export *export);
bool export_idle(const struct export *export);
bool export_connected(const struct export *export);

extern const struct counter_table export_counter_table;

#endif
