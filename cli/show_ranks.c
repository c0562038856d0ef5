/* The facts behind the summary, for people and for machines alike. */
#include "show.h"

#include <errno.h>
#include <stdlib.h>

#include "span_tree.h"

#define TURN_ANCESTORS_MAX 64
#define SHORT_NS 1000000
#define SHORT_NAMES 16

static uint64_t self_ns(const struct show *show, const struct archive_span *span)
{
	return show->times.spans[span - show->file->spans].self_ns;
}

static bool is_ranked(const struct archive_span *span, enum show_rank rank)
{
	return rank == SHOW_SLOWEST || (usage_owns_tokens(span) && span->input_tokens > 0);
}

/* Which stands first: the larger, then the one the file has first. */
static bool stands_before(const struct show *show, const struct archive_span *a,
			  const struct archive_span *b, enum show_rank rank)
{
	if (rank == SHOW_WIDEST && a->input_tokens != b->input_tokens)
		return a->input_tokens > b->input_tokens;
	if (rank == SHOW_SLOWEST && self_ns(show, a) != self_ns(show, b))
		return self_ns(show, a) > self_ns(show, b);
	return a < b;
}

struct comparison {
	const struct show *show;
	enum show_rank rank;
};

static int by_rank(const void *left, const void *right, void *arg)
{
	const struct archive_span *a = *(const struct archive_span *const *)left;
	const struct archive_span *b = *(const struct archive_span *const *)right;
	const struct comparison *comparison = arg;

	if (a == b)
		return 0;
	return stands_before(comparison->show, a, b, comparison->rank) ? -1 : 1;
}

int show_rank(const struct show *show, const struct archive_trace *trace, enum show_rank rank,
	      struct show_ranks *ret_ranks)
{
	struct comparison comparison = {show, rank};
	unsigned depth = 0;

	*ret_ranks = (struct show_ranks){calloc((size_t)trace->spans + 1, sizeof(void *)), 0};
	if (!ret_ranks->spans)
		return -ENOMEM;
	for (struct archive_span *span = trace->root; span; span = span_tree_next(span, &depth))
		if (is_ranked(span, rank))
			ret_ranks->spans[ret_ranks->count++] = span;
	qsort_r(ret_ranks->spans, ret_ranks->count, sizeof(*ret_ranks->spans), by_rank,
		&comparison);
	if (show->top && ret_ranks->count > show->top)
		ret_ranks->count = show->top;
	return 0;
}

const struct archive_span *show_turn(const struct archive_span *call)
{
	for (unsigned up = 0; call && up < TURN_ANCESTORS_MAX; call = call->parent, up++)
		if (call->turn >= 0)
			return call;
	return NULL;
}

/* What a call calls, such as its attempts, is its time. */
static bool is_in_call(const struct archive_span *span)
{
	for (unsigned up = 0; span && up < TURN_ANCESTORS_MAX; span = span->parent, up++)
		if (usage_is_call(span))
			return true;
	return false;
}

void show_critical(const struct show *show, const struct archive_trace *trace,
		   uint64_t *ret_calls_ns, uint64_t *ret_others_ns)
{
	unsigned depth = 0;

	*ret_calls_ns = *ret_others_ns = 0;
	for (struct archive_span *span = trace->root; span;
	     span = span_tree_next(span, &depth)) {
		uint64_t ns = show->times.spans[span - show->file->spans].critical_ns;

		if (ns)
			*(is_in_call(span) ? ret_calls_ns : ret_others_ns) += ns;
	}
}

/* A name that is common is among the first that are seen. */
void show_short(const struct archive_trace *trace, struct show_short *ret_short)
{
	struct show_short names[SHORT_NAMES] = {{0}}, most = {0};
	unsigned depth = 0;

	for (struct archive_span *span = trace->root; span;
	     span = span_tree_next(span, &depth)) {
		size_t i = 0;

		if (span->end_ns - span->start_ns >= SHORT_NS)
			continue;
		most.count++;
		while (i < SHORT_NAMES && names[i].name && names[i].name != span->name)
			i++;
		if (i == SHORT_NAMES)
			continue;
		names[i].name = span->name;
		if (++names[i].of_name > most.of_name) {
			most.of_name = names[i].of_name;
			most.name = span->name;
		}
	}
	*ret_short = most;
}
