/* Spans of which nothing was heard for assemble.stale_ttl although their process
 * lives: see "Stale" in assemble.h. */
#include "assemble/stage.h"
#include "wire/record.h"

#define CHECKS_PER_TTL 8
#define CHECK_NS_MIN UINT64_C(10000000)
#define CHECK_NS_MAX UINT64_C(60000000000)

/* What was recovered was heard when its process said it. */
static uint64_t heard_ns(const struct assemble *a, const struct open_span *span)
{
	const struct source *source = span->source;

	if (span->heard_ns)
		return span->heard_ns;
	if (!source->identified || source->clock.other_boot || (span->flags & SPAN_WALL_TIME))
		return a->clock.mono_ns;
	return clock_mono_ns(&a->clock, &source->clock, span->last_ticks);
}

static bool is_stale(const struct assemble *a, struct open_span *span)
{
	const struct source *source = span->source;
	uint64_t heard = heard_ns(a, span);

	/* A time that cannot be told, or lies ahead, begins now. */
	if (!span->heard_ns || span->heard_ns > a->clock.mono_ns)
		span->heard_ns = heard < a->clock.mono_ns ? heard : a->clock.mono_ns;
	if (source->dead || source->gone || source->ring == SOURCE_NO_RING ||
	    (span->flags & (SPAN_ENDED | SPAN_READY | SPAN_CLOSING)))
		return false;
	return a->clock.mono_ns - span->heard_ns >= a->options.stale_ttl_ns;
}

int stale_tick(struct assemble *a)
{
	uint64_t pause = a->options.stale_ttl_ns / CHECKS_PER_TTL;
	struct list *node, *next;
	int ended = 0;

	if (!a->options.stale_ttl_ns || a->clock.mono_ns < a->stale_due_ns)
		return 0;
	pause = pause < CHECK_NS_MIN ? CHECK_NS_MIN : pause;
	a->stale_due_ns = a->clock.mono_ns + (pause > CHECK_NS_MAX ? CHECK_NS_MAX : pause);
	for (node = a->ages.next; node != &a->ages; node = next) {
		struct open_span *span = list_entry(node, struct open_span, ages);

		next = node->next;
		if (!is_stale(a, span))
			continue;
		span->flags |= SPAN_CLOSING;
		span->close = SPAN_CLOSE_STALE;
		finish_queue(a, span);
		ended++;
	}
	return ended ? ended + finish_ready(a) : 0;
}

void stale_keep(struct assemble *a, struct open_span *span)
{
	span->flags &= (uint16_t) ~(SPAN_READY | SPAN_CLOSING);
	if (a->stale_count >= STALE_KEPT_MAX) {
		apply_forget_span(a, span);
		return;
	}
	list_unlink(&span->due);
	list_unlink(&span->ages);
	span->flags |= SPAN_STALE;
	span->run = NULL; /* it may be forgotten before this span is */
	a->counters.open--;
	holder_open(&span->source->holds, -1);
	a->stale_count++;
}

int stale_reopen(struct assemble *a, struct open_span *span)
{
	const struct span_chunk *chunk = span->first;
	int r;

	while (!chunk->len)
		chunk = chunk->next;
	/* START is the first record and never leaves the memory. */
	span->flags &= (uint16_t)~SPAN_STALE;
	r = begin_span(a, span, chunk->at);
	if (r < 0) {
		span->flags |= SPAN_STALE;
		return r;
	}
	a->stale_count--;
	a->counters.corrected++;
	span->run->ledger.corrected++;
	return 0;
}

void stale_forget(struct assemble *a, struct source *source)
{
	size_t at = 0;
	void *value;

	if (a->stale_count == 0)
		return;
	/* Removing may move others: begin anew after each. */
	while (map_next(&source->spans, &at, &value)) {
		struct open_span *span = value;

		if (!(span->flags & SPAN_STALE))
			continue;
		apply_forget_span(a, span);
		at = 0;
	}
}
