/* What the log remembers: its replay at the start, and the same things written
 * again so that an old segment may go. */
#include <errno.h>

#include "assemble/stage.h"
#include "wire/record.h"

/* The payload of a STATE frame behind its key; the records follow, START first
 * if there is one. */
struct span_state {
	uint32_t flags; /* SPAN_STATE_FLAGS */
	uint32_t end_thread;
	uint32_t parked;
	uint32_t dropped_attributes;
	uint32_t dropped_events;
	uint32_t dropped_links;
};
_Static_assert(sizeof(struct span_state) == 24, "STATE");

#define SPAN_STATE_FLAGS (SPAN_ENDED | SPAN_END_LOST | SPAN_AFTER_CLOSING | SPAN_STALE)

/* Of a source (span id zero): this, then RESOURCE, LIMITS, SCOPEs and PROCESS_ENDs. */
struct source_state {
	uint64_t last_ticks;
	uint32_t ticks_seen;
	uint32_t closing_thread;
};
_Static_assert(sizeof(struct source_state) == 16, "STATE of a source");

static const uint8_t zero_id[16];

#define UNLOAD_BYTES_MIN 2048u
#define UNLOAD_SHARE 8u

/* ---- writing ---- */

static int state_of_span(struct assemble *a, struct open_span *span)
{
	struct span_state state = {
		.flags = span->flags & SPAN_STATE_FLAGS,
		.end_thread = span->end_thread,
		.parked = span->parked,
		.dropped_attributes = span->dropped_attributes,
		.dropped_events = span->dropped_events,
		.dropped_links = span->dropped_links,
	};
	struct bytes *chunks;
	uint32_t n;
	int r;

	r = open_span_view_chunks(&a->store, span, &chunks, &n);
	if (r < 0)
		return r;
	buf_reset(&a->state);
	(void)buf_append(&a->state, &state, sizeof state); /* asked below */
	for (uint32_t i = 0; i < n; i++)
		(void)buf_append(&a->state, chunks[i].at, chunks[i].len);
	return buf_failed(&a->state) ? -ENOMEM : 0;
}

static int carry_span(struct assemble *a, struct open_span *span, bool unload)
{
	struct log_place place;
	int r;

	r = state_of_span(a, span);
	if (r < 0)
		return r;
	r = a->ops.state(a->ops.arg, span->source->instance, span->span_id,
			 buf_bytes(&a->state), &place);
	if (r < 0)
		return r;
	place.payload += sizeof(struct span_state);
	list_move(&a->places, &span->places);
	if (unload)
		r = open_span_unload(&a->store, span, &place);
	else
		open_span_moved(span, &place);
	span_store_shrink(&a->store);
	return r;
}

/* Spans of many small records, oldest first: each goes into the log in one
 * piece and leaves the memory. One that is nearly whole there already would be
 * written again and again for little, so UNLOAD_SHARE bounds what is written
 * for a byte, and what open spans may hold altogether to that many times the
 * memory. */
void recover_unload(struct assemble *a)
{
	uint64_t max = a->store.memory_bytes_max;
	struct list *node, *next;

	for (node = a->ages.next; node != &a->ages; node = next) {
		struct open_span *span = list_entry(node, struct open_span, ages);
		uint32_t small = open_span_small_bytes(span);

		next = node->next;
		if (a->store.memory_bytes <= max - max / 8)
			return;
		if (small < UNLOAD_BYTES_MIN || small < span->bytes / UNLOAD_SHARE)
			continue;
		if (carry_span(a, span, true) < 0)
			break;
	}
	/* Not before there is more to find. */
	a->unload_above = a->store.memory_bytes + max / 16;
}

static int carry_source(struct assemble *a, struct source *source)
{
	struct source_state state = {
		.last_ticks = source->last_ticks,
		.ticks_seen = source->ticks_seen,
		.closing_thread = source->closing.thread,
	};
	struct log_place place;
	int r;

	buf_reset(&a->state);
	r = buf_append(&a->state, &state, sizeof state);
	if (r < 0)
		return r;
	r = source_write_state(source, &a->state);
	if (r < 0)
		return r;
	r = a->ops.state(a->ops.arg, source->instance, zero_id, buf_bytes(&a->state), &place);
	if (r < 0)
		return r;
	source->segment = place.segment;
	return 0;
}

static int carry_spans(struct assemble *a, uint64_t segment)
{
	/* What is carried goes to the end of the list, behind this one. */
	const struct list *last = a->places.prev;
	struct list *node;
	bool done = false;
	int r = 0;

	while (r >= 0 && !done && (node = list_first(&a->places))) {
		struct open_span *span = list_entry(node, struct open_span, places);

		if (span->segment > segment)
			break;
		done = node == last;
		r = carry_span(a, span, false);
	}
	buf_fini(&a->state);
	return r;
}

static int carry_sources(struct assemble *a, uint64_t segment)
{
	size_t at = 0;
	void *value;
	int r;

	while (map_next(&a->sources, &at, &value)) {
		struct source *source = value;

		if (!source->segment || source->segment > segment)
			continue;
		r = carry_source(a, source);
		if (r < 0)
			return r;
	}
	return 0;
}

int assemble_carry(struct assemble *a, uint64_t segment)
{
	int r;

	r = carry_sources(a, segment);
	if (r < 0)
		return r;
	r = carry_spans(a, segment);
	if (r >= 0)
		r = process_carry(a, segment);
	if (r < 0)
		return r;
	return trace_run_table_carry(&a->runs, segment);
}

/* ---- reading ---- */

int assemble_recover_slices(struct assemble *a, const uint8_t instance[16],
			    const struct slice *slices, uint32_t n, uint64_t segment,
			    uint32_t offset, const uint32_t *offsets)
{
	struct source *source = stage_source(a, instance);
	int r;

	if (!source)
		return -ENOMEM;
	r = stage_reserve(a, source, slices, n);
	if (r < 0)
		return r;
	apply_slices(a, source, slices, n, segment, offset, offsets);
	return 0;
}

/* All of `records` are records. */
static bool records_valid(struct bytes records)
{
	while (records.len) {
		int64_t len = record_check(records.at, records.len);

		if (len < 0 || (size_t)len > records.len)
			return false;
		records.at += len;
		records.len -= (size_t)len;
	}
	return true;
}

/* The records of a source's state are applied as if they had just come, but
 * counted nowhere: they were when they did come. */
static int recover_source(struct assemble *a, struct source *source, struct bytes state,
			  const struct log_place *place)
{
	struct assemble_counters counters = a->counters;
	struct source_state fixed;
	struct slice slice = {0};

	if (state.len < sizeof fixed)
		return -EBADMSG;
	memcpy(&fixed, state.at, sizeof fixed);
	slice.records = (struct bytes){state.at + sizeof fixed, state.len - sizeof fixed};
	if (!records_valid(slice.records))
		return -EBADMSG;
	slice.thread = fixed.closing_thread;
	source->segment = place->segment;
	source->closing_now = false;
	source->closing_due = false;
	apply_slices(a, source, &slice, 1, place->segment, place->offset, &(uint32_t){0});
	a->counters = counters;
	if (fixed.ticks_seen &&
	    (!source->ticks_seen || fixed.last_ticks > source->last_ticks)) {
		source->last_ticks = fixed.last_ticks;
		source->ticks_seen = true;
	}
	return 0;
}

/* The span as it was, empty, without START and in no list but `places`. */
static struct open_span *recover_empty_span(struct assemble *a, struct source *source,
					    const uint8_t span_id[8], uint64_t segment)
{
	struct open_span *span = map_get(&source->spans, span_id);

	/* One that is stale is told anew from the start. */
	if (span && (span->flags & SPAN_STALE)) {
		apply_forget_span(a, span);
		span = NULL;
	}
	if (!span)
		return apply_new_span(a, source, span_id, segment);
	open_span_clear(&a->store, span);
	list_unlink(&span->due);
	list_move(&a->places, &span->places);
	span->flags &= SPAN_STARTED;
	span->segment = segment;
	return span;
}

/* A ledger already counts what a STATE frame behind it tells again. */
static void count_started(struct assemble *a, struct trace_run *run)
{
	a->counters.started += !a->counted;
	run->ledger.started += !(run->flags & RUN_COUNTED);
}

static int recover_records(struct assemble *a, struct open_span *span, struct bytes records,
			   const struct log_place *place)
{
	struct log_place at = *place;

	while (records.len) {
		uint32_t len = record_padded(record_head(records.at).length);
		bool start = record_head(records.at).type == WIRE_START;
		int r;

		if (start && span->bytes)
			return -EBADMSG;
		r = open_span_append(&a->store, span, records.at, len, &at);
		if (r < 0)
			return r;
		apply_note(span->source, span, records.at);
		if (start && !(span->flags & SPAN_STARTED)) {
			r = begin_span(a, span, records.at);
			if (r < 0)
				return r;
			count_started(a, span->run);
		}
		records.at += len;
		records.len -= len;
		at.payload += len;
	}
	return 0;
}

/* The same records again, unless a ledger knows of them. */
static void recover_parked(struct assemble *a, struct open_span *span, uint32_t parked)
{
	a->counters.parked += parked - span->parked;
	a->counters.records += parked - span->parked;
	span->source->parked_records += parked - span->parked;
	span->parked = parked;
}

/* Where the span waits, and for what. */
static void recover_place(struct assemble *a, struct open_span *span,
			  const struct span_state *state)
{
	struct source *source = span->source;

	span->flags &= (uint16_t)~SPAN_AFTER_CLOSING;
	span->flags |= (uint16_t)(state->flags & SPAN_STATE_FLAGS & ~(uint32_t)SPAN_STALE);
	span->end_thread = state->end_thread;
	span->dropped_attributes = state->dropped_attributes;
	span->dropped_events = state->dropped_events;
	span->dropped_links = state->dropped_links;
	if (span->flags & SPAN_END_LOST) {
		span->flags |= SPAN_CLOSING;
		span->close = SPAN_CLOSE_END_LOST;
	}
	if (!(span->flags & SPAN_STARTED)) {
		recover_parked(a, span, a->counted ? span->parked : state->parked);
		list_append(&source->parked_before, &span->due);
	} else if (span->flags & SPAN_ENDED) {
		list_append(&source->ended_before, &span->due);
	} else if (state->flags & SPAN_STALE) {
		trace_run_span_closed(&a->runs, span->run, 0, a->clock.mono_ns);
		stale_keep(a, span);
	}
}

static int recover_span(struct assemble *a, struct source *source, const uint8_t span_id[8],
			struct bytes state, const struct log_place *place)
{
	struct log_place at = *place;
	struct span_state fixed;
	struct bytes records;
	struct open_span *span;
	int r;

	if (state.len < sizeof fixed)
		return -EBADMSG;
	memcpy(&fixed, state.at, sizeof fixed);
	records = (struct bytes){state.at + sizeof fixed, state.len - sizeof fixed};
	if (!records_valid(records))
		return -EBADMSG;
	span = recover_empty_span(a, source, span_id, place->segment);
	if (!span)
		return -ENOMEM;
	at.payload += sizeof fixed;
	r = recover_records(a, span, records, &at);
	recover_place(a, span, &fixed);
	return r;
}

int assemble_recover_state(struct assemble *a, const uint8_t instance[16],
			   const uint8_t span_id[8], struct bytes state,
			   const struct log_place *place)
{
	struct source *source = stage_source(a, instance);

	a->segment = place->segment;
	if (!source)
		return -ENOMEM;
	if (memcmp(span_id, zero_id, 8) == 0)
		return recover_source(a, source, state, place);
	return recover_span(a, source, span_id, state, place);
}

int assemble_recover_process(struct assemble *a, const struct process_key *key,
			     struct bytes state, uint64_t segment)
{
	return process_recover(a, key, state, segment);
}

int assemble_recover_run(struct assemble *a, const uint8_t trace_id[16], struct bytes state,
			 uint64_t segment)
{
	return trace_run_recover(&a->runs, trace_id, state, segment, a->clock.mono_ns);
}

/* ---- finished spans of an earlier life ---- */

/* The START of this span lay in a segment that has gone; what is left of its
 * records was counted when it came, in an earlier life. */
static void forget_remnants(struct assemble *a, struct open_span *span)
{
	a->counters.records -= span->parked;
	apply_forget_span(a, span);
}

static void count_finished(struct assemble *a, struct trace_run *run, bool was_open,
			   bool received)
{
	a->counters.received += received;
	run->ledger.received += received;
	a->counters.finished += was_open || received || a->counted;
	run->ledger.finished += was_open || received || (run->flags & RUN_COUNTED);
}

void assemble_recover_span(struct assemble *a, const struct finished_span *finished,
			   const uint8_t instance[16], const uint8_t span_id[8])
{
	struct source *source = map_get(&a->sources, instance);
	struct open_span *span = source ? map_get(&source->spans, span_id) : NULL;
	struct trace_run *run;

	if (span && (span->flags & SPAN_STALE)) {
		/* Its END was refused a run for want of memory, and is not now. */
		apply_forget_span(a, span);
	} else if (span && !span->run) {
		forget_remnants(a, span);
	} else if (span) {
		count_finished(a, span->run, true, false);
		trace_run_span_closed(&a->runs, span->run, finished->number, a->clock.mono_ns);
		a->counters.stale += finished->stale;
		if (finished->stale)
			stale_keep(a, span);
		else
			apply_forget_span(a, span);
		return;
	}
	run = trace_run_get(&a->runs, finished->trace_id, a->clock.mono_ns);
	if (!run)
		return;
	received_introduce(run, finished);
	count_finished(a, run, false, memcmp(span_id, zero_id, 8) == 0);
	trace_run_span_added(&a->runs, run, finished->number, a->clock.mono_ns);
}

void assemble_recover_ring(struct assemble *a, const struct ring_identity *identity)
{
	struct source *source = stage_source(a, identity->instance);

	/* Without memory now there will be some when the ring is seen. */
	if (source)
		stage_identify(a, source, identity);
}

void assemble_recover_closed(struct assemble *a, const uint8_t instance[16], bool damaged)
{
	struct source *source = map_get(&a->sources, instance);
	size_t at;
	void *span;

	if (!source)
		return;
	if (damaged && source->identified) {
		stage_end_closed(a, source);
		return;
	}
	while (at = 0, map_next(&source->spans, &at, &span)) {
		struct open_span *open = span;

		/* What was not finished by now was refused in an earlier life. */
		if (open->run) {
			open->run->ledger.dropped_invalid++;
			trace_run_span_closed(&a->runs, open->run, 0, a->clock.mono_ns);
			a->counters.dropped_invalid++;
		} else {
			a->counters.dropped_late += open->parked;
		}
		apply_forget_span(a, open);
	}
	stage_forget_source(a, source);
}
