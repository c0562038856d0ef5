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
	int r = strcmp(a->trace_id, trace_id);

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

static int add_trace(struct archive_file *file, const struct archive_span *span,
		     struct archive_trace **ret_trace)
{
	struct archive_trace *at;

	for (size_t i = 0; i < file->trace_count; i++) {
		if (strcmp(file->traces[i].trace_id, span->trace_id) != 0)
			continue;
		*ret_trace = &file->traces[i];
		return 0;
	}
	at = reallocarray(file->traces, file->trace_count + 1, sizeof(*at));
	if (!at)
		return -ENOMEM;
	file->traces = at;
	*ret_trace = &file->traces[file->trace_count++];
	**ret_trace = (struct archive_trace){
		.trace_id = span->trace_id, .start_ns = span->start_ns, .end_ns = span->end_ns};
	return 0;
}

/* `order` is by start, so pushing from its end to the front of each list leaves
 * every list by start; traces come by their first span. */
static int link_spans(struct archive_file *file, struct archive_span **order)
{
	struct archive_trace *trace;
	int r;

	for (size_t i = 0; i < file->span_count; i++) {
		r = add_trace(file, order[i], &trace);
		if (r < 0)
			return r;
		trace->spans++;
		if (order[i]->end_ns > trace->end_ns)
			trace->end_ns = order[i]->end_ns;
	}
	for (size_t i = file->span_count; i-- > 0;) {
		struct archive_span *span = order[i];
		struct archive_span **list;

		(void)add_trace(file, span, &trace); /* it is there */
		trace->orphans += span->orphan;
		trace->roots += !span->parent && !span->orphan;
		list = span->parent ? &span->parent->child : &trace->root;
		span->next = *list;
		*list = span;
	}
	return 0;
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
	qsort(ids.at, count, sizeof(*ids.at), by_start);
	r = link_spans(file, ids.at);
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
