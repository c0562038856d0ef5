/* Which spans we end, and in which order: children before their parents, so
 * that whoever watches the stream sees what a living process would have sent. */
#include <stdlib.h>

#include "assemble/stage.h"

/* Depths while they are being found. */
#define DEPTH_UNKNOWN 0
#define DEPTH_VISITING (-1)

static bool closes(const struct source *source, const struct open_span *span,
		   enum span_close why)
{
	if (!(span->flags & SPAN_STARTED) || (span->flags & (SPAN_READY | SPAN_ENDED | SPAN_STALE)))
		return false;
	if (why == SPAN_CLOSE_DEATH)
		return true;
	return source_closes(source, span);
}

/* One more than the parent's, found without recursion: ids come from a hostile
 * process, and chains may be long or bite their tail. `path` has room for every
 * span of the source. */
static void find_depth(const struct source *source, struct open_span *span,
		       struct open_span **path)
{
	struct open_span *at = span;
	int32_t depth = 0;
	size_t n = 0;

	while (at && at->depth == DEPTH_UNKNOWN) {
		at->depth = DEPTH_VISITING;
		path[n++] = at;
		at = map_get(&source->spans, at->parent_span_id);
	}
	if (at && at->depth > 0)
		depth = at->depth;
	while (n > 0)
		path[--n]->depth = ++depth;
}

static int deeper_first(const void *left, const void *right)
{
	const struct open_span *a = *(struct open_span *const *)left;
	const struct open_span *b = *(struct open_span *const *)right;

	if (a->depth != b->depth)
		return a->depth > b->depth ? -1 : 1;
	if (a->start_ticks != b->start_ticks)
		return a->start_ticks > b->start_ticks ? -1 : 1;
	return memcmp(a->span_id, b->span_id, 8);
}

static size_t collect(struct source *source, enum span_close why, struct open_span **spans)
{
	size_t at = 0, n = 0;
	void *value;

	while (map_next(&source->spans, &at, &value)) {
		struct open_span *span = value;

		span->depth = DEPTH_UNKNOWN;
		if (closes(source, span, why))
			spans[n++] = span;
	}
	return n;
}

static void close_span(struct assemble *a, struct open_span *span, enum span_close why)
{
	const struct source *source = span->source;

	/* A span whose END was lost keeps that reason. */
	if (!(span->flags & SPAN_CLOSING)) {
		span->flags |= SPAN_CLOSING;
		span->close = (uint8_t)why;
		span->close_ticks = source->closing.ticks;
		span->close_wall = source->closing.wall;
	}
	finish_queue(a, span);
}

/* Without memory for an order there is none. */
static void close_unordered(struct assemble *a, struct source *source, enum span_close why)
{
	size_t at = 0;
	void *value;

	while (map_next(&source->spans, &at, &value))
		if (closes(source, value, why))
			close_span(a, value, why);
}

void closing_begin(struct assemble *a, struct source *source, enum span_close why)
{
	size_t count = source->spans.count, n;
	struct open_span **spans, **path;

	if (count == 0)
		return;
	spans = malloc(count * 2 * sizeof(struct open_span *));
	if (!spans) {
		close_unordered(a, source, why);
		return;
	}
	path = spans + count;
	n = collect(source, why, spans);
	for (size_t i = 0; i < n; i++)
		find_depth(source, spans[i], path);
	qsort(spans, n, sizeof(struct open_span *), deeper_first);
	for (size_t i = 0; i < n; i++)
		close_span(a, spans[i], why);
	free(spans);
}
