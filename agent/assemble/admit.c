/* Whether the limits (limit.h) let a record in. Each no is counted where it is
 * said; recovery lets in what was let in before, so what depends on the moment
 * (memory, runs a second) is not asked there. */
#include <errno.h>

#include "assemble/stage.h"
#include "wire/record.h"

/* A span's status and its end are worth more than their size; but so many, of
 * that size, are enough for any span. */
#define STATUSES_MAX 16u
#define STATUS_BYTES_MAX 512u

static bool refuse(uint64_t *counter)
{
	(*counter)++;
	return false;
}

/* What cannot leave the memory for the log may pass memory_bytes_max by a
 * quarter. */
static uint64_t memory_bytes_full(const struct assemble *a)
{
	return a->options.memory_bytes_max + a->options.memory_bytes_max / 4;
}

static bool has_its_share(const struct assemble *a, const struct source *source)
{
	const struct assemble_limits *limits = &a->options.limits;
	uint64_t full = memory_bytes_full(a);

	if (limit_share_over(source->holds.memory_bytes, full, limits->ring_share))
		return true;
	return source->user &&
	       limit_share_over(source->user->holds.memory_bytes, full, limits->user_share);
}

/* When nothing more can leave the memory (very many small spans, or a log that
 * takes nothing), what may grow it is refused; before that, whoever has its share
 * of it already. */
static bool memory_full(const struct assemble *a, const struct source *source)
{
	if (a->recovering || a->store.memory_bytes <= a->options.memory_bytes_max)
		return false;
	return a->store.memory_bytes > memory_bytes_full(a) || has_its_share(a, source);
}

static bool open_spans_full(const struct assemble *a, const struct source *source)
{
	const struct assemble_limits *limits = &a->options.limits;

	if (a->counters.open >= a->options.open_spans_max)
		return true;
	if (limits->ring_open_spans_max &&
	    source->holds.open_spans >= limits->ring_open_spans_max)
		return true;
	return source->user && limit_share_over(source->user->holds.open_spans,
						a->options.open_spans_max, limits->user_share);
}

static bool run_admits(struct assemble *a, struct source *source, const uint8_t *start)
{
	const struct assemble_limits *limits = &a->options.limits;
	const struct trace_run *run =
		trace_run_find(&a->runs, start + offsetof(struct wire_start, trace_id));

	if (run && limits->run_spans_max && run->spans >= limits->run_spans_max)
		return refuse(&a->counters.limits.run_spans);
	if (!run && !a->recovering && source->user &&
	    !limit_user_run(source->user, limits, a->clock.mono_ns))
		return refuse(&a->counters.limits.runs);
	return true;
}

bool admit_start(struct assemble *a, struct source *source, const uint8_t *start)
{
	if (open_spans_full(a, source))
		return refuse(&a->counters.limits.open_spans);
	if (memory_full(a, source))
		return refuse(&a->counters.limits.memory);
	return run_admits(a, source, start);
}

static bool over(uint64_t value, uint64_t max)
{
	return max && value > max;
}

static bool attribute_admits(struct assemble *a, const struct open_span *span,
			     const uint8_t *record)
{
	const struct assemble_limits *limits = &a->options.limits;
	struct record_attribute attribute = record_get_attribute(record);

	if (over(span->attributes + UINT64_C(1), limits->span_attributes_max))
		return refuse(&a->counters.limits.attributes);
	if (over(attribute.entry.key_length, limits->key_bytes_max))
		return refuse(&a->counters.limits.keys);
	if (over(attribute.entry.value_length, limits->value_bytes_max))
		return refuse(&a->counters.limits.values);
	return true;
}

static bool kind_admits(struct assemble *a, const struct open_span *span, const uint8_t *record)
{
	const struct assemble_limits *limits = &a->options.limits;

	switch (record_head(record).type) {
	case WIRE_ATTRIBUTE:
		return attribute_admits(a, span, record);
	case WIRE_EVENT:
		return !over(span->events + UINT64_C(1), limits->span_events_max) ||
		       refuse(&a->counters.limits.events);
	case WIRE_LINK:
		return !over(span->links + UINT64_C(1), limits->span_links_max) ||
		       refuse(&a->counters.limits.links);
	default:
		return true;
	}
}

/* A large value can leave the memory, all but its place, so it may come when a
 * small one may not, and so may a status. But not from one that has its share: the
 * rest is for the others. */
static bool memory_admits(struct assemble *a, const struct open_span *span,
			  const uint8_t *record, uint32_t len, bool spillable)
{
	bool status = record_head(record).type == WIRE_STATUS && len <= STATUS_BYTES_MAX &&
		      span->statuses < STATUSES_MAX;

	if (!memory_full(a, span->source))
		return true;
	if (has_its_share(a, span->source))
		return refuse(&a->counters.limits.memory);
	if (status || (spillable && len >= SPAN_LARGE_BYTES &&
		       a->store.memory_bytes <= 2 * memory_bytes_full(a)))
		return true;
	return refuse(&a->counters.limits.memory);
}

bool admit_record(struct assemble *a, const struct open_span *span, const uint8_t *record,
		  uint32_t len, bool spillable)
{
	if (record_head(record).type == WIRE_END)
		return true;
	return kind_admits(a, span, record) && memory_admits(a, span, record, len, spillable);
}

bool admit_parked(struct assemble *a, const struct source *source)
{
	uint32_t max = a->options.limits.parked_records_max;

	return !max || source->parked_records < max || refuse(&a->counters.limits.parked);
}

bool admit_source(struct assemble *a, const struct source *source, const uint8_t *record)
{
	const struct assemble_limits *limits = &a->options.limits;
	uint32_t length = record_head(record).length;
	bool scope = record_head(record).type == WIRE_SCOPE;
	uint64_t number;

	if (over(length, limits->resource_bytes_max))
		return refuse(scope ? &a->counters.limits.scopes
				    : &a->counters.limits.resources);
	if (memory_full(a, source))
		return refuse(&a->counters.limits.memory);
	if (!scope)
		return true;
	number = record_get_scope(record).fixed.number;
	if (over(source->scopes_bytes + length, 4 * limits->resource_bytes_max) ||
	    (over(source->scopes.count + 1, limits->scopes_max) &&
	     !map_get(&source->scopes, &number)))
		return refuse(&a->counters.limits.scopes);
	return true;
}
