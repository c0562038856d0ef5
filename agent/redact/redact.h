/* Redaction stands between drain and log so that neither disk nor wire ever hold
 * what must not be kept. It is given whole values (the drain joins fragments, and
 * holds them until they are complete) and may change their length.
 *
 * Every text is looked at: names, status, events, links, resource, scope,
 * tracestate, values at any depth, bytes, and keys. What is found is replaced,
 * hashed or left out, as its rule says; docs/privacy.md is what users read.
 *
 * redact_push() gives slices whose `records`, and redact_span() a span whose bytes,
 * may point into the stage's own memory, valid until the next call. Its counters
 * move when the caller says that the log has them: what is offered again is not
 * counted twice. */
#ifndef REDACT_REDACT_H
#define REDACT_REDACT_H

#include "base/counter.h"
#include "base/finished_span.h"
#include "base/slice.h"
#include "redact/redactor.h"

struct redact_counters {
	uint64_t records;   /* that were looked at */
	uint64_t received;  /* spans that came finished */
	uint64_t changed;   /* texts and values of which a part was replaced */
	uint64_t dropped;   /* ... of which nothing is left but a mask */
	uint64_t undecided; /* of `dropped`: a limit kept us from judging them */
	uint64_t enabled;
	uint64_t interpreted; /* patterns are not machine code */
};
extern const struct counter_table redact_counter_table;

/* What one destination, or the archive, does not get. Owns the bytes of the span it
 * was last given. */
struct redact_sink {
	uint64_t rules; /* 0: it gets all there is */
	struct buf out;
};

struct redact {
	struct redactor *redactor; /* NULL: switched off, and no sink has rules */
	struct redact_counters counters;
	struct redact_tally totals;
	uint64_t offered;    /* records that are not counted yet; 0: a span is not */
	struct buf out;	     /* of the last redact_push() or redact_span() */
	struct buf heads[2]; /* the last resource and scope in which nothing was found */
};

/* -EINVAL: *ret_fault says what is wrong with the settings. -ENOMEM. */
int redact_init(struct redact *redact, const struct redact_settings *settings,
		struct redact_fault *ret_fault);
void redact_fini(struct redact *redact);

/* For a sink with rules of its own, by names with commas; NULL or "": none. -ENOENT:
 * *ret_unknown is no rule. -EINVAL: redaction is switched off. -ENOMEM. */
int redact_sink_init(struct redact *redact, struct redact_sink *sink, const char *names,
		     struct bytes *ret_unknown);
void redact_sink_fini(struct redact_sink *sink);

/* -ENOMEM: nothing may pass; to be tried again. */
int redact_push(struct redact *redact, struct slice *slices, uint32_t n);
/* The same for a received span: its bytes, those of its resource and scope. */
int redact_span(struct redact *redact, struct finished_span *span);
/* The log has what was last pushed. */
void redact_taken(struct redact *redact);

/* Makes the span what this sink gets, until the next call for it. Counts. -ENOMEM. */
int redact_for_sink(struct redact *redact, struct redact_sink *sink,
		    struct finished_span *span);
/* Likewise of the text of an attribute, which goes elsewhere, too; in *ret_text, until
 * the next call. Does not count. -ENOMEM. */
int redact_text_for_sink(struct redact *redact, struct redact_sink *sink, struct bytes key,
			 struct bytes text, struct bytes *ret_text);

/* The rules, by their number from 0: name and hits. False: no more. Those that are
 * not used anywhere are passed over by `used`. */
bool redact_rule_view(const struct redact *redact, uint32_t i, const char **ret_name,
		      uint64_t *ret_hits, bool *ret_used);

#endif
