/* From an open span to its OTLP bytes in the log. */
#include <errno.h>

#include "assemble/stage.h"
#include "otlp/encode.h"
#include "wire/record.h"

/* A wall clock that was set by less says nothing about the spans. */
#define CLOCK_STEP_NS_MIN INT64_C(100000000)

/* Buffers that grew for one giant span are given back. */
#define KEEP_BYTES_MAX (1u << 20)

struct span_clock {
	const struct assemble *assemble;
	const struct open_span *span;
};

static uint64_t span_wall_ns(void *arg, uint64_t ticks)
{
	const struct span_clock *clock = arg;

	return clock_wall_ns(&clock->assemble->clock, &clock->span->source->clock, ticks,
			     clock->span->run->offset_ns);
}

void finish_queue(struct assemble *a, struct open_span *span)
{
	span->flags |= SPAN_READY;
	list_move(&a->ready, &span->due);
}

void finish_queue_all(struct assemble *a, struct list *list)
{
	struct list *node;

	while ((node = list_first(list)))
		finish_queue(a, list_entry(node, struct open_span, due));
}

/* What happened to the clocks under a span: a suspend that it lived through,
 * and a wall clock that was set since its run began. */
static void mark_clocks(const struct assemble *a, const struct open_span *span,
			const struct bytes *chunks, uint32_t n, struct buf *out)
{
	const struct source *source = span->source;
	uint64_t start, end, suspended;
	int64_t step;

	if ((span->flags & SPAN_WALL_TIME) || source->clock.other_boot)
		return;
	if (a->clock.suspend_count > 1) {
		start = clock_mono_ns(&a->clock, &source->clock, span->start_ticks);
		end = clock_mono_ns(&a->clock, &source->clock, span->last_ticks);
		suspended = clock_suspended_ns(&a->clock, end) -
			    clock_suspended_ns(&a->clock, start);
		if (suspended)
			death_attribute_int(span, chunks, n, out, "spanring.suspended_ns",
					    (int64_t)suspended);
	}
	step = a->clock.wall_minus_boot_ns - span->run->offset_ns;
	if (step >= CLOCK_STEP_NS_MIN || step <= -CLOCK_STEP_NS_MIN)
		death_attribute_int(span, chunks, n, out, "spanring.clock_step_ns", step);
}

static void mark_drops(const struct open_span *span, struct buf *out)
{
	struct wire_dropped dropped = {
		.head = record_make_head(WIRE_DROPPED, sizeof dropped, 0, 0),
		.attributes = span->dropped_attributes,
		.events = span->dropped_events,
		.links = span->dropped_links,
	};

	if (!dropped.attributes && !dropped.events && !dropped.links)
		return;
	memcpy(dropped.span_id, span->span_id, 8);
	(void)buf_append(out, &dropped, sizeof dropped); /* finish_encode() asks buf_failed() */
}

/* A value that could not be loaded was applied when it came; now it is not. */
static void count_lost_values(struct assemble *a)
{
	uint64_t lost = a->store.lost_values - a->lost_values;

	a->counters.applied -= lost;
	a->counters.dropped_damaged += lost;
	a->lost_values += lost;
}

/* The process's own, which what we add ourselves behind `n` chunks does not meet. */
static struct otlp_limits limits_of(const struct source *source, uint32_t n)
{
	return (struct otlp_limits){
		.attributes = source->limits.attributes,
		.events = source->limits.events,
		.links = source->limits.links,
		.chunks = n,
	};
}

static int finish_encode(struct assemble *a, struct open_span *span,
			 struct otlp_span_summary *ret_summary)
{
	struct span_clock clock = {a, span};
	struct otlp_clock otlp_clock = {span_wall_ns, &clock};
	struct otlp_limits limits;
	struct bytes *chunks;
	uint32_t n;
	int r;

	r = open_span_view_chunks(&a->store, span, &chunks, &n);
	count_lost_values(a);
	if (r < 0)
		return r;
	limits = limits_of(span->source, n);
	buf_reset(&a->closing);
	mark_clocks(a, span, chunks, n, &a->closing);
	mark_drops(span, &a->closing);
	if (span->flags & SPAN_CLOSING) {
		r = death_write(a, span, chunks, n, &a->closing);
		if (r < 0)
			return r;
	}
	if (buf_failed(&a->closing))
		return -ENOMEM;
	if (a->closing.len)
		chunks[n++] = buf_bytes(&a->closing);
	buf_reset(&a->span);
	return otlp_encode_span(&a->span, chunks, n, &otlp_clock,
				span->source->limits.head.length ? &limits : NULL, ret_summary);
}

static bool ends_stale(const struct open_span *span)
{
	return (span->flags & SPAN_CLOSING) && span->close == SPAN_CLOSE_STALE;
}

static int finish_hand_on(struct assemble *a, struct open_span *span, uint64_t *ret_number)
{
	struct source *source = span->source;
	struct finished_span finished = {.span = buf_bytes(&a->span),
					 .stale = ends_stale(span)};
	int r;

	memcpy(finished.trace_id, span->run->trace_id, 16);
	process_see(a, source);
	r = source_resource(source, &finished.resource, &finished.resource_schema_url);
	if (r < 0)
		return r;
	a->counters.limits.depth += (unsigned)r;
	r = source_scope(source, span->scope, &finished.scope, &finished.scope_schema_url);
	if (r < 0)
		return r;
	a->counters.limits.depth += (unsigned)r;
	r = a->ops.finished(a->ops.arg, &finished, source->instance, span->span_id, ret_number);
	a->counters.kinds_mapped += r >= 0 && finished.kind_mapped;
	return r;
}

/* 0: the span is done with, in whatever way. -ENOBUFS, -ENOMEM: not now. */
static int finish_one(struct assemble *a, struct open_span *span)
{
	bool died = (span->flags & SPAN_CLOSING) && span->close == SPAN_CLOSE_DEATH;
	struct trace_run *run = span->run;
	struct otlp_span_summary summary = {0};
	uint64_t number = 0;
	int r;

	r = finish_encode(a, span, &summary);
	if (r >= 0)
		r = finish_hand_on(a, span, &number);
	buf_keep(&a->span, KEEP_BYTES_MAX);
	if (r == -ENOBUFS || r == -ENOMEM)
		return r;
	if (r < 0) {
		a->counters.dropped_invalid++;
		run->ledger.dropped_invalid++;
	} else {
		a->counters.finished++;
		run->ledger.finished++;
		a->counters.limits.module += summary.over_limits;
		a->counters.limits.depth += summary.emptied_values;
		a->counters.closed_by_death += died;
		a->counters.stale += ends_stale(span);
	}
	trace_run_span_closed(&a->runs, run, number, a->clock.mono_ns);
	if (r >= 0 && ends_stale(span))
		stale_keep(a, span);
	else
		apply_forget_span(a, span);
	return 0;
}

/* With many spans open the next one is in no cache; it comes nearer while this
 * one is encoded. */
static void prefetch_span(const struct list *ready, const struct list *node)
{
	const char *at = (const char *)list_entry(node, const struct open_span, due);

	if (node == ready)
		return;
	for (size_t i = 0; i < sizeof(struct open_span); i += 64)
		__builtin_prefetch(at + i);
}

int finish_ready(struct assemble *a)
{
	struct list *node;
	int work = 0;

	if (list_empty(&a->ready))
		return 0;
	/* Nobody should hear of a span before its run. */
	(void)trace_run_table_introduce(&a->runs);
	while ((node = list_first(&a->ready))) {
		prefetch_span(&a->ready, node->next);
		if (finish_one(a, list_entry(node, struct open_span, due)) < 0)
			break;
		work++;
	}
	span_store_shrink(&a->store);
	return work;
}
