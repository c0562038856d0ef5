#include "run_times.h"

#include <errno.h>
#include <stdlib.h>

#include "span_tree.h"

/* A span, or a trace above its roots, that the path has entered. */
struct frame {
	const struct archive_span *span; /* NULL: the trace */
	uint64_t at_ns;			 /* the path is known from here on */
	size_t next, end;		 /* of its children in `order` */
};

struct walk {
	const struct archive_file *file;
	struct run_times *times;
	uint64_t *reach;	     /* by place: the end of all below it */
	struct archive_span **order; /* by trace, parent, and what reaches furthest */
	size_t *first;		     /* by place: its children in `order` */
	struct frame *frames;
	size_t depth;
};

static size_t place_of(const struct walk *walk, const struct archive_span *span)
{
	return (size_t)(span - walk->file->spans);
}

/* --- self time ---------------------------------------------------------- */

/* Children are by start, so one pass sees what they cover together. */
static uint64_t self_of(const struct archive_span *span)
{
	uint64_t covered_to = span->start_ns, self = 0;

	for (const struct archive_span *child = span->child; child; child = child->next) {
		if (child->start_ns >= span->end_ns)
			break;
		if (child->start_ns > covered_to)
			self += child->start_ns - covered_to;
		if (child->end_ns > covered_to)
			covered_to = child->end_ns;
	}
	return covered_to < span->end_ns ? self + (span->end_ns - covered_to) : self;
}

/* --- the order ---------------------------------------------------------- */

/* Parents stand before their children in a walk, so backwards each is complete
 * when it is met. */
static void find_reaches(struct walk *walk)
{
	const struct archive_file *file = walk->file;
	size_t count = 0;

	for (size_t i = 0; i < file->trace_count; i++) {
		unsigned depth = 0;

		for (struct archive_span *span = file->traces[i].root; span;
		     span = span_tree_next(span, &depth)) {
			walk->reach[place_of(walk, span)] = span->end_ns;
			walk->order[count++] = span;
		}
	}
	while (count-- > 0) {
		const struct archive_span *span = walk->order[count];
		uint64_t *above =
			span->parent ? &walk->reach[place_of(walk, span->parent)] : NULL;

		if (above && walk->reach[place_of(walk, span)] > *above)
			*above = walk->reach[place_of(walk, span)];
	}
}

static int by_reach(const void *left, const void *right, void *arg)
{
	const struct archive_span *a = *(struct archive_span *const *)left;
	const struct archive_span *b = *(struct archive_span *const *)right;
	const struct walk *walk = arg;
	uint64_t reach_a = walk->reach[place_of(walk, a)],
		 reach_b = walk->reach[place_of(walk, b)];

	if (a->trace != b->trace)
		return a->trace < b->trace ? -1 : 1;
	if (a->parent != b->parent)
		return (a->parent > b->parent) - (a->parent < b->parent);
	if (reach_a != reach_b)
		return reach_a > reach_b ? -1 : 1;
	return (a > b) - (a < b);
}

static void make_order(struct walk *walk)
{
	size_t count = walk->file->span_count;

	qsort_r(walk->order, count, sizeof(struct archive_span *), by_reach, walk);
	for (size_t i = count; i-- > 0;)
		if (walk->order[i]->parent)
			walk->first[place_of(walk, walk->order[i]->parent)] = i;
}

/* --- the path ----------------------------------------------------------- */

/* [from, to) was spent here: in the span itself, or, where it was over or there is
 * none, in the gap. */
static void spend(struct walk *walk, size_t trace, const struct archive_span *span,
		  uint64_t from, uint64_t to)
{
	uint64_t own_from, own_to;

	if (from >= to)
		return;
	own_from = span && span->start_ns > from ? span->start_ns : from;
	own_to = span && span->end_ns < to ? span->end_ns : to;
	if (!span || own_from >= own_to) {
		walk->times->gap_ns[trace] += to - from;
		return;
	}
	walk->times->spans[place_of(walk, span)].critical_ns += own_to - own_from;
	walk->times->gap_ns[trace] += (to - from) - (own_to - own_from);
}

static void enter(struct walk *walk, const struct archive_span *span, size_t first,
		  uint64_t at_ns)
{
	struct frame frame = {span, at_ns, first, first};

	while (frame.end < walk->file->span_count && walk->order[frame.end]->parent == span &&
	       walk->order[frame.end]->trace == walk->order[first]->trace)
		frame.end++;
	walk->frames[walk->depth++] = frame;
}

/* The child that was there last before the frame's time; NULL: none is left. */
static const struct archive_span *next_child(const struct walk *walk, struct frame *frame)
{
	while (frame->next < frame->end) {
		const struct archive_span *child = walk->order[frame->next++];

		if (child->start_ns < frame->at_ns)
			return child;
	}
	return NULL;
}

static void leave(struct walk *walk, size_t trace, uint64_t trace_start_ns)
{
	struct frame *frame = &walk->frames[--walk->depth];
	uint64_t start = frame->span ? frame->span->start_ns : trace_start_ns;

	spend(walk, trace, frame->span, start, frame->at_ns);
	if (walk->depth && start < walk->frames[walk->depth - 1].at_ns)
		walk->frames[walk->depth - 1].at_ns = start;
	if (walk->depth && frame->at_ns < walk->frames[walk->depth - 1].at_ns)
		walk->frames[walk->depth - 1].at_ns = frame->at_ns;
}

/* `first`: of the trace's roots in the order. */
static void walk_trace(struct walk *walk, size_t trace, size_t first)
{
	const struct archive_trace *at = &walk->file->traces[trace];

	enter(walk, NULL, first, at->end_ns);
	while (walk->depth > 0) {
		struct frame *frame = &walk->frames[walk->depth - 1];
		const struct archive_span *child = next_child(walk, frame);
		uint64_t reach;

		if (!child) {
			leave(walk, trace, at->start_ns);
			continue;
		}
		reach = walk->reach[place_of(walk, child)];
		if (reach < frame->at_ns) {
			spend(walk, trace, frame->span, reach, frame->at_ns);
			frame->at_ns = reach;
		}
		enter(walk, child,
		      child->child ? walk->first[place_of(walk, child)]
				   : walk->file->span_count,
		      frame->at_ns);
	}
}

static void walk_traces(struct walk *walk)
{
	const struct archive_file *file = walk->file;

	for (size_t i = 0; i < file->span_count; i++)
		walk->times->spans[i].self_ns = self_of(&file->spans[i]);
	find_reaches(walk);
	make_order(walk);
	/* Roots come first of their trace: they have no parent. */
	for (size_t i = 0; i < file->span_count; i++)
		if (i == 0 || walk->order[i]->trace != walk->order[i - 1]->trace)
			walk_trace(walk, walk->order[i]->trace, i);
}

int run_times_find(struct run_times *times, const struct archive_file *file)
{
	size_t count = file->span_count + 1;
	struct walk walk = {
		.file = file,
		.times = times,
		.reach = calloc(count, sizeof(*walk.reach)),
		.order = calloc(count, sizeof(struct archive_span *)),
		.first = calloc(count, sizeof(*walk.first)),
		.frames = calloc(count + 1, sizeof(*walk.frames)),
	};
	int r = -ENOMEM;

	times->spans = calloc(count, sizeof(*times->spans));
	times->gap_ns = calloc(file->trace_count + 1, sizeof(*times->gap_ns));
	if (walk.reach && walk.order && walk.first && walk.frames && times->spans &&
	    times->gap_ns) {
		walk_traces(&walk);
		r = 0;
	}
	free(walk.reach);
	free(walk.order);
	free(walk.first);
	free(walk.frames);
	return r;
}

void run_times_free(struct run_times *times)
{
	free(times->spans);
	free(times->gap_ns);
	*times = (struct run_times){0};
}
