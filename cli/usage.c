#include "usage.h"

#include <errno.h>
#include <stdlib.h>

#include "span_tree.h"

/* How far up somebody is looked for who says a model: real ones stand near, and a
 * chain of a hundred thousand spans is not walked for each of them. */
#define ANCESTORS_MAX 64

static bool is_one_of(const char *text, const char *const *words)
{
	for (; text && *words; words++)
		if (strcmp(text, *words) == 0)
			return true;
	return false;
}

/* An agent may say which model it uses, without being a call of it. */
static bool looks_like_call(const struct archive_span *span)
{
	static const char *const calls[] = {"chat", "text_completion", "generate_content",
					    "embeddings", NULL};
	static const char *const others[] = {"invoke_agent", "create_agent", "execute_tool",
					     "invoke_workflow", NULL};
	static const char *const kinds[] = {"LLM", "EMBEDDING", NULL};

	if (archive_span_has_tokens(span) || is_one_of(span->kind, kinds) ||
	    is_one_of(span->operation, calls))
		return true;
	return span->model && !is_one_of(span->operation, others) &&
	       !(span->kind && strcmp(span->kind, "AGENT") == 0);
}

/* Marks what stands above, up to what another one has marked. */
static void mark_above(struct archive_span *span, uint8_t mark)
{
	for (span = span->parent; span && !(span->marks & mark); span = span->parent)
		span->marks |= mark;
}

void usage_mark(struct archive_file *file)
{
	for (size_t i = 0; i < file->span_count; i++) {
		struct archive_span *span = &file->spans[i];

		if (archive_span_has_tokens(span))
			mark_above(span, ARCHIVE_TOKENS_BELOW);
		if (looks_like_call(span))
			mark_above(span, ARCHIVE_CALL_BELOW);
	}
}

bool usage_is_call(const struct archive_span *span)
{
	return !(span->marks & ARCHIVE_CALL_BELOW) && looks_like_call(span);
}

bool usage_owns_tokens(const struct archive_span *span)
{
	return !(span->marks & ARCHIVE_TOKENS_BELOW) && archive_span_has_tokens(span);
}

const char *usage_model_of(const struct archive_span *span)
{
	struct archive_span *at = span->child;
	unsigned depth = 1, up = 0;

	if (span->model)
		return span->model;
	while (at && depth > 0) {
		if (at->model)
			return at->model;
		at = span_tree_next(at, &depth);
	}
	for (at = span->parent; at && up < ANCESTORS_MAX; at = at->parent, up++)
		if (at->model)
			return at->model;
	return "";
}

/* NULL: out of memory. */
static struct usage_model *find_model(struct usage *usage, const char *model)
{
	struct usage_model *at;

	for (size_t i = 0; i < usage->model_count; i++)
		if (usage->models[i].model == model || !usage->models[i].model)
			return &usage->models[i];
	at = reallocarray(usage->models, usage->model_count + 1, sizeof(*at));
	if (!at)
		return NULL;
	usage->models = at;
	if (usage->model_count + 1 >= USAGE_MODELS_MAX)
		model = NULL;
	at = &usage->models[usage->model_count++];
	*at = (struct usage_model){.model = model};
	return at;
}

static void add(int64_t *sum, int64_t more)
{
	if (more > 0 && __builtin_add_overflow(*sum, more, sum))
		*sum = INT64_MAX;
}

static int count_tokens(struct usage *usage, const struct archive_span *span)
{
	struct usage_model *model;

	if (!usage_owns_tokens(span))
		return 0;
	model = find_model(usage, usage_model_of(span));
	if (!model)
		return -ENOMEM;
	usage->has_tokens = true;
	add(&usage->input_tokens, span->input_tokens);
	add(&usage->output_tokens, span->output_tokens);
	add(&model->input_tokens, span->input_tokens);
	add(&model->output_tokens, span->output_tokens);
	return 0;
}

static int count_call(struct usage *usage, const struct archive_span *span)
{
	struct usage_model *model;

	if (!usage_is_call(span))
		return 0;
	model = find_model(usage, usage_model_of(span));
	if (!model)
		return -ENOMEM;
	usage->calls++;
	model->calls++;
	model->errors += span->status == 2;
	model->time_ns += span->end_ns - span->start_ns;
	return 0;
}

/* Attempts stand side by side; each after the first is a retry. */
static int count_retries(struct usage *usage, const struct archive_span *parent)
{
	const struct archive_span *first = NULL;
	struct usage_model *model;

	for (const struct archive_span *span = parent->child; span; span = span->next) {
		if (span->attempt < 0)
			continue;
		if (!first) {
			first = span;
			continue;
		}
		model = find_model(usage, usage_model_of(span));
		if (!model)
			return -ENOMEM;
		usage->retries++;
		model->retries++;
	}
	return 0;
}

static int by_time(const void *left, const void *right)
{
	const struct usage_model *a = left, *b = right;

	if (a->time_ns != b->time_ns)
		return a->time_ns > b->time_ns ? -1 : 1;
	return strcmp(a->model ? a->model : "", b->model ? b->model : "");
}

int usage_find(struct usage *usage, const struct archive_trace *trace)
{
	unsigned depth = 0;
	int r = 0;

	*usage = (struct usage){0};
	for (struct archive_span *span = trace->root; span && r >= 0;
	     span = span_tree_next(span, &depth)) {
		r = count_tokens(usage, span);
		if (r >= 0)
			r = count_call(usage, span);
		if (r >= 0)
			r = count_retries(usage, span);
	}
	if (usage->model_count)
		qsort(usage->models, usage->model_count, sizeof(*usage->models), by_time);
	return r;
}

void usage_free(struct usage *usage)
{
	free(usage->models);
	*usage = (struct usage){0};
}
