/* The Prometheus text exposition format, version 0.0.4: families of samples, each
 * with its HELP and TYPE. Names get their suffix here: `_total` on what only
 * rises, `_seconds` on ages. Results may be ignored: ask buf_failed() once. */
#ifndef SERVE_EXPOSITION_H
#define SERVE_EXPOSITION_H

#include "base/buf.h"
#include "base/counter.h"

#define EXPOSITION_CONTENT_TYPE "text/plain; version=0.0.4; charset=utf-8"

void exposition_family(struct buf *out, const char *metric, enum counter_kind kind,
		       const char *help);

/* One sample of the family begun last; both label texts may be "" or NULL, and are
 * `name="value"` lists, escaped already. */
void exposition_sample(struct buf *out, const char *metric, enum counter_kind kind,
		       const char *labels, const char *more_labels, uint64_t value);

/* Appends `name="value"` with the value escaped. */
void exposition_label(struct buf *out, const char *name, const char *value);

/* The same table counted by several: a destination each. */
struct exposition_source {
	const void *counters;
	const char *labels;
};

/* All metrics of a table, each with the samples of every source. */
void exposition_table(struct buf *out, const struct counter_table *table,
		      const struct exposition_source *sources, size_t source_count);

#endif
