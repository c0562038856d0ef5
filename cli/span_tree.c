#include "span_tree.h"

#include <errno.h>
#include <stdlib.h>

/* Span pointers, sorted by trace, id and then place in the file. */
struct ids {
	struct archive_span **at;
	size_t count;
};

static int id_compare(const struct archive_span *a, const char *trace_id, const char *span_id)
{
	int r = a->trace_id == trace_id ? 0 : strcmp(a->trace_id, trace_id);

	return r ? r : strcmp(a->span_id, span_id);
}

static int by_id(const void *left, const void *right)
{
	const struct archive_span *a = *(struct archive_span *const *)left;
	const struct archive_span *b = *(struct archive_span *const *)right;
	int r = id_compare(a, b->trace_id, b->span_id);

	return r ? r : (a > b) - (a < b);
}

static int by_start(const void *left, const void *right)
{
	const struct archive_span *a = *(struct archive_span *const *)left;
	const struct archive_span *b = *(struct archive_span *const *)right;

	if (a->start_ns != b->start_ns)
		return a->start_ns < b->start_ns ? -1 : 1;
	/* A parent that started at the same moment ended later. */
	if (a->end_ns != b->end_ns)
		return a->end_ns > b->end_ns ? -1 : 1;
	return (a > b) - (a < b);
}

static struct archive_span *find_id(const struct ids *ids, const char *trace_id,
				    const char *span_id)
{
	size_t low = 0, high = ids->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (id_compare(ids->at[middle], trace_id, span_id) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	if (low < ids->count && id_compare(ids->at[low], trace_id, span_id) == 0)
		return ids->at[low];
	return NULL;
}

/* Marks the way up with `tick`; meeting one's own mark closes a loop there. */
static struct archive_span *find_loop(struct archive_span *span, uint32_t *marks,
				      struct archive_span *base, uint32_t tick)
{
	struct archive_span *at = span;

	while (at && marks[at - base] == 0) {
		marks[at - base] = tick;
		at = at->parent;
	}
	return at && marks[at - base] == tick ? at : NULL;
}

static void cut_loops(struct archive_file *file, uint32_t *marks)
{
	for (size_t i = 0; i < file->span_count; i++) {
		struct archive_span *span;

		if (marks[i] != 0)
			continue;
		span = find_loop(&file->spans[i], marks, file->spans, (uint32_t)i + 1);
		if (!span)
			continue;
		span->parent = NULL;
		span->orphan = true;
	}
}

/* Equal trace ids are one pointer, so a look at the span before is enough; `ids`
 * is by trace id. Numbers them in the order of those ids. */
static uint32_t number_traces(const struct ids *ids)
{
	uint32_t number = 0;

	for (size_t i = 0; i < ids->count; i++) {
		if (i && ids->at[i]->trace_id != ids->at[i - 1]->trace_id)
			number++;
		ids->at[i]->trace = number;
	}
	return ids->count ? number + 1 : 0;
}

/* Numbers them again: by their first span, with `order` by start. `numbers` is as
 * long as there are traces, and zero. */
static void make_traces(struct archive_file *file, const struct ids *order, uint32_t *numbers)
{
	for (size_t i = 0; i < order->count; i++) {
		struct archive_span *span = order->at[i];
		struct archive_trace *trace;

		if (numbers[span->trace] == 0) {
			file->traces[file->trace_count++] =
				(struct archive_trace){.trace_id = span->trace_id,
						       .start_ns = span->start_ns,
						       .end_ns = span->end_ns};
			numbers[span->trace] = (uint32_t)file->trace_count;
		}
		span->trace = numbers[span->trace] - 1;
		trace = &file->traces[span->trace];
		trace->spans++;
		if (span->end_ns > trace->end_ns)
			trace->end_ns = span->end_ns;
	}
}

/* `order` is by start, so pushing from its end to the front of each list leaves
 * every list by start. */
static void link_spans(struct archive_file *file, const struct ids *order)
{
	for (size_t i = order->count; i-- > 0;) {
		struct archive_span *span = order->at[i];
		struct archive_trace *trace = &file->traces[span->trace];
		struct archive_span **list;

		trace->orphans += span->orphan;
		trace->roots += !span->parent && !span->orphan;
		list = span->parent ? &span->parent->child : &trace->root;
		span->next = *list;
		*list = span;
	}
}

static int link_traces(struct archive_file *file, struct ids *ids)
{
	uint32_t count = number_traces(ids), *numbers = calloc(count + 1, sizeof(*numbers));

	file->traces = calloc((size_t)count + 1, sizeof(*file->traces));
	if (numbers && file->traces) {
		qsort(ids->at, ids->count, sizeof(*ids->at), by_start);
		make_traces(file, ids, numbers);
		link_spans(file, ids);
	}
	free(numbers);
	return numbers && file->traces ? 0 : -ENOMEM;
}

int span_tree_make(struct archive_file *file)
{
	size_t count = file->span_count;
	struct ids ids = {calloc(count + 1, sizeof(struct archive_span *)), count};
	uint32_t *marks = calloc(count + 1, sizeof(*marks));
	int r = -ENOMEM;

	if (!ids.at || !marks)
		goto out;
	for (size_t i = 0; i < count; i++)
		ids.at[i] = &file->spans[i];
	qsort(ids.at, count, sizeof(*ids.at), by_id);
	for (size_t i = 0; i < count; i++) {
		struct archive_span *span = &file->spans[i];

		if (!*span->parent_id)
			continue;
		span->parent = find_id(&ids, span->trace_id, span->parent_id);
		span->orphan = !span->parent;
	}
	cut_loops(file, marks);
	r = link_traces(file, &ids);
out:
	free(ids.at);
	free(marks);
	return r;
}

struct archive_span *span_tree_next(struct archive_span *span, unsigned *depth)
{
	if (span->child) {
		++*depth;
		return span->child;
	}
	while (span && !span->next) {
		span = span->parent;
		--*depth;
	}
	return span ? span->next : NULL;
}
