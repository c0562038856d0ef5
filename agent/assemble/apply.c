/* One record at a time: each goes to its span, its source or its run, or into
 * the counter that says why not. */
#include <assert.h>
#include <errno.h>

#include "assemble/stage.h"
#include "wire/record.h"

enum outcome_kind {
	OUTCOME_APPLIED,
	OUTCOME_PARKED,
	OUTCOME_LATE,
	OUTCOME_UNKNOWN_TYPE,
	OUTCOME_DAMAGED,
	OUTCOME_LIMIT,
	OUTCOME_DUPLICATE_START,
	OUTCOME_NO_MEMORY,
};

struct outcome {
	enum outcome_kind kind;
	struct open_span *span; /* of OUTCOME_PARKED; of LIMIT and NO_MEMORY, or NULL */
};

/* Where a record came from. */
struct origin {
	struct source *source;
	uint32_t thread;
	bool cut; /* the record is not as the log has it */
	struct log_place place;
};

/* Where the record can be had again. */
static const struct log_place *place_of(const struct origin *origin)
{
	return origin->cut ? NULL : &origin->place;
}

static struct outcome outcome(enum outcome_kind kind)
{
	return (struct outcome){kind, NULL};
}

/* Records of a span that is there; the run says so in its file. */
static void count_of_run(struct outcome outcome, uint64_t n)
{
	if (outcome.span && outcome.span->run)
		outcome.span->run->ledger.dropped_records += n;
}

/* Counts `n` physical records that met this end. */
static void count(struct assemble *a, struct outcome outcome, uint64_t n)
{
	struct assemble_counters *counters = &a->counters;

	switch (outcome.kind) {
	case OUTCOME_APPLIED:
		counters->applied += n;
		break;
	case OUTCOME_PARKED:
		/* Between a value and its last piece START may have come. */
		if (outcome.span->flags & SPAN_STARTED) {
			counters->applied += n;
			break;
		}
		outcome.span->parked += (uint32_t)n;
		outcome.span->source->parked_records += (uint32_t)n;
		counters->parked += n;
		break;
	case OUTCOME_LATE:
		counters->dropped_late += n;
		break;
	case OUTCOME_UNKNOWN_TYPE:
		counters->dropped_unknown_type += n;
		break;
	case OUTCOME_DAMAGED:
		counters->dropped_damaged += n;
		break;
	case OUTCOME_LIMIT:
		counters->dropped_limit += n;
		count_of_run(outcome, n);
		break;
	case OUTCOME_DUPLICATE_START:
		counters->dropped_duplicate_start += n;
		break;
	case OUTCOME_NO_MEMORY:
		counters->dropped_no_memory += n;
		count_of_run(outcome, n);
		break;
	}
}

/* ---- spans ---- */

struct open_span *apply_new_span(struct assemble *a, struct source *source,
				 const uint8_t span_id[8], uint64_t segment)
{
	struct open_span *span = open_span_new(&a->store, &source->holds, span_id);

	if (!span)
		return NULL;
	if (map_put(&source->spans, span_id, span) < 0) {
		open_span_free(&a->store, span);
		return NULL;
	}
	span->source = source;
	span->segment = segment;
	list_append(&a->places, &span->places);
	return span;
}

void apply_forget_span(struct assemble *a, struct open_span *span)
{
	struct source *source = span->source;

	if (span->flags & SPAN_STALE) {
		a->stale_count--;
	} else if (span->flags & SPAN_STARTED) {
		a->counters.open--;
		holder_open(&source->holds, -1);
	} else {
		a->counters.parked -= span->parked;
		source->parked_records -= span->parked;
	}
	if (source->last_span == span)
		source->last_span = NULL;
	map_remove(&source->spans, span->span_id);
	open_span_free(&a->store, span);
}

void apply_drop_parked(struct assemble *a, struct list *list)
{
	struct list *node;

	while ((node = list_first(list))) {
		struct open_span *span = list_entry(node, struct open_span, due);

		a->counters.dropped_late += span->parked;
		apply_forget_span(a, span);
	}
}

static struct open_span *find_span(struct source *source, uint64_t id)
{
	struct open_span *span = source->last_span;

	if (span && memcmp(span->span_id, &id, 8) == 0)
		return span;
	span = map_get(&source->spans, &id);
	if (span)
		source->last_span = span;
	return span;
}

static void note_time(struct source *source, struct open_span *span, uint64_t ticks, bool wall)
{
	if (wall) {
		if (span && ticks > span->last_wall_ns)
			span->last_wall_ns = ticks;
		return;
	}
	if (span && ticks > span->last_ticks)
		span->last_ticks = ticks;
	if (!source->ticks_seen || ticks > source->last_ticks) {
		source->last_ticks = ticks;
		source->ticks_seen = true;
	}
}

static void note_start(const struct source *source, struct open_span *span,
		       const uint8_t *record)
{
	struct wire_start start = record_get_start(record).fixed;

	memcpy(span->parent_span_id, start.parent_span_id, 8);
	span->start_ticks = start.ticks;
	span->scope = start.scope;
	if (!(start.head.flags & WIRE_TIME_WALL))
		return;
	span->flags |= SPAN_WALL_TIME;
	if (source->closing.said)
		span->flags |= SPAN_AFTER_CLOSING;
}

void apply_note(struct source *source, struct open_span *span, const uint8_t *record)
{
	static const char prefix[] = "spanring.";
	struct wire_head head = record_head(record);
	uint64_t ticks;

	switch (head.type) {
	case WIRE_ATTRIBUTE:
		span->attributes++;
		if (head.aux >= sizeof prefix - 1 &&
		    memcmp(record + sizeof(struct wire_attribute), prefix, sizeof prefix - 1) ==
			    0)
			span->flags |= SPAN_OWN_KEYS;
		return;
	case WIRE_LINK:
		span->links++;
		return;
	case WIRE_STATUS:
		span->statuses++;
		return;
	case WIRE_START:
		note_start(source, span, record);
		memcpy(&ticks, record + offsetof(struct wire_start, ticks), 8);
		break;
	case WIRE_END:
		memcpy(&ticks, record + offsetof(struct wire_end, ticks), 8);
		break;
	case WIRE_EVENT:
		span->events++;
		memcpy(&ticks, record + offsetof(struct wire_event, ticks), 8);
		break;
	default:
		return;
	}
	note_time(source, span, ticks, head.flags & WIRE_TIME_WALL);
}

/* An END is in: the span waits for the rounds. What an earlier life read needs
 * one round of this one; what this life read needs the next one after. */
static void span_ended(struct assemble *a, struct open_span *span)
{
	struct source *source = span->source;

	list_move(a->recovering ? &source->ended_before : &source->ended, &span->due);
}

/* START for a span of which other threads wrote first. */
static struct outcome start_parked(struct assemble *a, struct open_span *span,
				   const uint8_t *record, uint32_t len)
{
	struct source *source = span->source;
	uint32_t parked = span->parked;

	int r = open_span_prepend(&a->store, span, record, len);

	if (r < 0)
		return outcome(r == -ENOMEM ? OUTCOME_NO_MEMORY : OUTCOME_LIMIT);
	apply_note(source, span, record);
	if (begin_span(a, span, record) < 0)
		assert(!"a run was made sure of before");
	a->counters.started++;
	span->run->ledger.started++;
	a->counters.parked -= parked;
	a->counters.applied += parked;
	source->parked_records -= parked;
	span->parked = 0;
	list_unlink(&span->due);
	if (span->flags & (SPAN_ENDED | SPAN_END_LOST))
		span_ended(a, span);
	if (span->flags & SPAN_END_LOST)
		a->counters.end_lost++;
	return outcome(OUTCOME_APPLIED);
}

static struct outcome start_new(struct assemble *a, const struct origin *origin,
				const uint8_t *record, uint32_t len)
{
	struct source *source = origin->source;
	struct open_span *span;
	int r;

	span = apply_new_span(a, source, record + offsetof(struct wire_start, span_id),
			      origin->place.segment);
	if (!span)
		return outcome(OUTCOME_NO_MEMORY);
	apply_note(source, span, record);
	span->heard_ns = a->recovering ? 0 : a->clock.mono_ns;
	r = open_span_append(&a->store, span, record, len, place_of(origin));
	if (r == 0)
		r = begin_span(a, span, record);
	if (r < 0) {
		apply_forget_span(a, span);
		return outcome(r == -ENOMEM ? OUTCOME_NO_MEMORY : OUTCOME_LIMIT);
	}
	source->last_span = span;
	a->counters.started++;
	span->run->ledger.started++;
	return outcome(OUTCOME_APPLIED);
}

/* A span that is nowhere; the first one of its run has nobody to be counted by. */
static void count_dropped_start(struct assemble *a, const uint8_t *record)
{
	struct trace_run *run =
		trace_run_find(&a->runs, record + offsetof(struct wire_start, trace_id));

	if (run)
		run->ledger.dropped_starts++;
}

static struct outcome start(struct assemble *a, const struct origin *origin,
			    const uint8_t *record, uint32_t len)
{
	struct open_span *span =
		map_get(&origin->source->spans, record + offsetof(struct wire_start, span_id));

	if (span && (span->flags & SPAN_STARTED))
		return outcome(OUTCOME_DUPLICATE_START);
	if (!admit_start(a, origin->source, record))
		return outcome(OUTCOME_LIMIT);
	if (!begin_find_run(a, origin->source, record + offsetof(struct wire_start, trace_id)))
		return outcome(OUTCOME_NO_MEMORY);
	if (span)
		return start_parked(a, span, record, len);
	return start_new(a, origin, record, len);
}

static struct outcome apply_start(struct assemble *a, const struct origin *origin,
				  const uint8_t *record, uint32_t len)
{
	struct outcome met = start(a, origin, record, len);

	if (met.kind == OUTCOME_LIMIT)
		count_dropped_start(a, record);
	return met;
}

/* Whether the process has said that this span is over. */
static bool closed_by_thread(const struct origin *origin, const struct open_span *span)
{
	const struct source *source = origin->source;

	return (source->closing_now || source->closing_due) &&
	       source->closing.thread == origin->thread && source_closes(source, span);
}

static bool is_late(const struct origin *origin, struct open_span *span, uint8_t type)
{
	/* Not yet handed on as stale, and alive again. */
	if ((span->flags & SPAN_READY) && span->close == SPAN_CLOSE_STALE) {
		span->flags &= (uint16_t) ~(SPAN_READY | SPAN_CLOSING);
		list_unlink(&span->due);
	}
	if (span->flags & SPAN_READY)
		return true;
	if (span->flags & SPAN_ENDED)
		return type == WIRE_END || origin->thread == span->end_thread;
	return (span->flags & SPAN_STARTED) && closed_by_thread(origin, span);
}

static struct outcome append(struct assemble *a, const struct origin *origin,
			     struct open_span *span, const uint8_t *record, uint32_t len)
{
	uint8_t type = record_head(record).type;
	int r;

	if (!admit_record(a, span, record, len, !origin->cut)) {
		open_span_note_drop(span, record);
		return (struct outcome){OUTCOME_LIMIT, span};
	}
	r = open_span_append(&a->store, span, record, len, place_of(origin));
	if (r == -ENOMEM)
		return (struct outcome){OUTCOME_NO_MEMORY, span};
	if (r < 0) {
		a->counters.limits.span_bytes++;
		open_span_note_drop(span, record);
		return (struct outcome){OUTCOME_LIMIT, span};
	}
	apply_note(origin->source, span, record);
	span->heard_ns = a->recovering ? 0 : a->clock.mono_ns;
	if (type == WIRE_END) {
		span->flags |= SPAN_ENDED;
		span->end_thread = origin->thread;
		if (span->flags & SPAN_STARTED)
			span_ended(a, span);
	}
	if (!(span->flags & SPAN_STARTED))
		return (struct outcome){OUTCOME_PARKED, span};
	return outcome(OUTCOME_APPLIED);
}

static struct outcome apply_to_span(struct assemble *a, const struct origin *origin,
				    const uint8_t *record, uint32_t len)
{
	struct source *source = origin->source;
	uint8_t type = record_head(record).type;
	uint64_t id = record_span_id(record);
	struct open_span *span = find_span(source, id);

	if (span && is_late(origin, span, type))
		return outcome(OUTCOME_LATE);
	if (span && (span->flags & SPAN_STALE)) {
		if (type == WIRE_END && stale_reopen(a, span) < 0)
			return outcome(OUTCOME_NO_MEMORY);
		a->counters.after_stale++;
	}
	if (span && (span->flags & SPAN_STARTED))
		return append(a, origin, span, record, len);
	if (!admit_parked(a, source))
		return outcome(OUTCOME_LIMIT);
	if (!span) {
		span = apply_new_span(a, source, record + 8, origin->place.segment);
		if (!span)
			return outcome(OUTCOME_NO_MEMORY);
		list_append(a->recovering ? &source->parked_before : &source->parked,
			    &span->due);
	}
	return append(a, origin, span, record, len);
}

/* ---- sources and runs ---- */

void apply_source_kept(struct assemble *a, struct source *source, uint64_t bytes)
{
	span_store_take(&a->store, &source->holds, (int64_t)(bytes - source->kept_bytes));
	source->kept_bytes = bytes;
}

static struct outcome apply_to_source(struct assemble *a, const struct origin *origin,
				      const uint8_t *record)
{
	struct source *source = origin->source;
	int r;

	if (!admit_source(a, source, record))
		return outcome(OUTCOME_LIMIT);
	if (record_head(record).type == WIRE_RESOURCE)
		r = source_set_resource(source, record);
	else
		r = source_set_scope(source, record);
	/* Kept once as it came and once encoded. */
	apply_source_kept(a, source, 2 * (source->resource_record.len + source->scopes_bytes));
	if (r < 0)
		return outcome(OUTCOME_NO_MEMORY);
	if (!source->segment)
		source->segment = origin->place.segment;
	return outcome(OUTCOME_APPLIED);
}

static struct outcome apply_limits(const struct origin *origin, const uint8_t *record)
{
	source_set_limits(origin->source, record);
	if (!origin->source->segment)
		origin->source->segment = origin->place.segment;
	return outcome(OUTCOME_APPLIED);
}

static struct outcome apply_process_end(struct assemble *a, const struct origin *origin,
					const uint8_t *record)
{
	struct wire_process_end_record end = record_get_process_end(record);
	struct source *source = origin->source;
	struct source_end said = {
		.said = true,
		.wall = end.head.flags & WIRE_TIME_WALL,
		.code_known = end.head.flags & WIRE_PROCESS_CODE_KNOWN,
		.code = end.code,
		.ticks = end.ticks,
		.thread = origin->thread,
	};

	if (end.head.aux < WIRE_PROCESS_EXIT || end.head.aux > WIRE_PROCESS_SHUTDOWN)
		return outcome(OUTCOME_UNKNOWN_TYPE);
	note_time(source, NULL, end.ticks, said.wall);
	if (!source->segment)
		source->segment = origin->place.segment;
	if (end.head.aux == WIRE_PROCESS_EXIT) {
		source->exit = said;
		return outcome(OUTCOME_APPLIED);
	}
	/* Said twice within two rounds: the first one counts. */
	if (source->closing_now || source->closing_due)
		return outcome(OUTCOME_APPLIED);
	source->closing = said;
	source->closing_kind =
		end.head.aux == WIRE_PROCESS_SIGTERM ? SPAN_CLOSE_SIGTERM : SPAN_CLOSE_SHUTDOWN;
	*(a->recovering ? &source->closing_due : &source->closing_now) = true;
	return outcome(OUTCOME_APPLIED);
}

static struct outcome apply_to_run(struct assemble *a, const struct origin *origin,
				   const uint8_t *record)
{
	struct wire_run fixed = record_get_run(record).fixed;
	struct trace_run *run = trace_run_find(&a->runs, fixed.trace_id);

	if (run && (fixed.head.flags & WIRE_RUN_END)) {
		/* Whoever says it has nothing more to write; for the others it waits. */
		if (origin->source->writes &&
		    memcmp(origin->source->writes_of, run->trace_id, 16) == 0)
			begin_leave_run(a, origin->source);
		trace_run_end(&a->runs, run, a->clock.mono_ns);
	}
	return outcome(OUTCOME_APPLIED);
}

static struct outcome apply_once(struct assemble *a, const struct origin *origin,
				 const uint8_t *record, uint32_t len)
{
	switch (record_head(record).type) {
	case WIRE_START:
		return apply_start(a, origin, record, len);
	case WIRE_END:
	case WIRE_ATTRIBUTE:
	case WIRE_EVENT:
	case WIRE_LINK:
	case WIRE_STATUS:
	case WIRE_NAME:
	case WIRE_DROPPED:
		return apply_to_span(a, origin, record, len);
	case WIRE_RESOURCE:
	case WIRE_SCOPE:
		return apply_to_source(a, origin, record);
	case WIRE_LIMITS:
		return apply_limits(origin, record);
	case WIRE_RUN:
		return apply_to_run(a, origin, record);
	case WIRE_PROCESS_END:
		return apply_process_end(a, origin, record);
	case WIRE_FRAGMENT:
		return outcome(OUTCOME_DAMAGED); /* the drain joins them */
	default:
		return outcome(OUTCOME_UNKNOWN_TYPE);
	}
}

/* The log has it and nobody brings it again: what finds no memory takes the reserve,
 * having changed nothing so far. */
static struct outcome apply_record(struct assemble *a, struct origin *origin,
				   const uint8_t *record, uint32_t len)
{
	struct outcome outcome;

	origin->cut = limit_cut_name(&a->options.limits, record, &a->cut);
	if (origin->cut) {
		a->counters.limits.names++;
		record = a->cut.at;
		len = (uint32_t)a->cut.len;
	}
	outcome = apply_once(a, origin, record, len);
	if (outcome.kind == OUTCOME_NO_MEMORY && reserve_spend(&a->reserve))
		outcome = apply_once(a, origin, record, len);
	if (outcome.kind == OUTCOME_NO_MEMORY && outcome.span)
		open_span_note_drop(outcome.span, record);
	else if (outcome.kind == OUTCOME_NO_MEMORY && record_head(record).type == WIRE_START)
		count_dropped_start(a, record);
	return outcome;
}

/* ---- slices ---- */

/* What became of a thread's last record: the pieces of a joined value that
 * come in later slices share its fate. */
struct thread_last {
	uint32_t thread;
	bool any;
	struct outcome outcome;
};
#define THREAD_LAST_SLOTS 64u

/* The padded length of the next record, 0 if the rest is none. The drain has
 * checked its records; those of a log may have been anything. */
static uint32_t next_record(const struct assemble *a, const uint8_t *at, size_t left)
{
	struct wire_head head;
	int64_t len;

	if (a->recovering) {
		len = record_check(at, left);
		return len > 0 && (size_t)len <= left ? (uint32_t)len : 0;
	}
	if (left < sizeof head)
		return 0;
	head = record_head(at);
	if (head.length < sizeof head || head.length > left ||
	    record_padded(head.length) > left)
		return 0;
	return record_padded(head.length);
}

#define PREFETCH_SPANS_MIN 1000u

/* With very many open spans the next record's is in no cache. Its id is peeked
 * at where START and all the others have it, if that much is there. */
static void prefetch_next(const struct source *source, const uint8_t *at, size_t left)
{
	if (left < sizeof(struct wire_start) || source->spans.count < PREFETCH_SPANS_MIN)
		return;
	if (at[offsetof(struct wire_head, type)] == WIRE_START)
		at += offsetof(struct wire_start, span_id);
	else
		at += offsetof(struct wire_end, span_id);
	if (!source->last_span || memcmp(source->last_span->span_id, at, 8) != 0)
		map_prefetch(&source->spans, at);
}

/* Returns how many whole records the slice had. */
static uint64_t apply_slice(struct assemble *a, struct origin *origin,
			    const struct slice *slice, struct thread_last *last)
{
	const uint8_t *at = slice->records.at;
	size_t left = slice->records.len;
	uint32_t len, payload = origin->place.payload;
	uint64_t whole = 0;

	while (left && (len = next_record(a, at, left))) {
		prefetch_next(origin->source, at + len, left - len);
		origin->place.payload = payload + (uint32_t)(at - slice->records.at);
		last->outcome = apply_record(a, origin, at, len);
		count(a, last->outcome, 1);
		at += len;
		left -= len;
		whole++;
	}
	if (whole) {
		last->any = true;
		last->thread = slice->thread;
	}
	return whole;
}

void apply_slices(struct assemble *a, struct source *source, const struct slice *slices,
		  uint32_t n, uint64_t segment, uint32_t offset, const uint32_t *offsets)
{
	struct thread_last lasts[THREAD_LAST_SLOTS] = {0};
	struct origin origin = {.source = source};

	a->segment = segment;
	for (uint32_t i = 0; i < n; i++) {
		const struct slice *slice = &slices[i];
		struct thread_last *last = &lasts[slice->thread % THREAD_LAST_SLOTS];
		struct thread_last before = *last;
		uint64_t whole, expected = slice->record_count - slice->dropped_count;

		origin.thread = slice->thread;
		origin.place = (struct log_place){segment, offset, offsets[i]};
		whole = apply_slice(a, &origin, slice, last);
		a->counters.records += whole > expected ? whole : expected;
		if (expected <= whole)
			continue;
		/* The rest are pieces of a value that stood in an earlier
		 * slice, or were not readable. */
		if (before.any && before.thread == slice->thread)
			count(a, before.outcome, expected - whole);
		else
			count(a, outcome(OUTCOME_DAMAGED), expected - whole);
	}
}
