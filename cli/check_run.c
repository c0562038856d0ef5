/* The run: one root, every parent, what the first module and LLM calls must
 * carry. */
#include "check.h"

#include "span_tree.h"

#define KIND "openinference.span.kind"

static const char *kind_of(const struct archive_span *span)
{
	return span->kind ? span->kind : "";
}

static bool is_blank(const char *text)
{
	return !text || strspn(text, " \t\r\n") == strlen(text);
}

static void check_tree(struct check *check, const struct archive_trace *trace)
{
	unsigned depth = 0;

	if (trace->roots != 1)
		check_fail(check, CHECK_ROOT, NULL,
			   "%u spans without a parent, one is expected", trace->roots);
	for (struct archive_span *span = trace->root; span; span = span_tree_next(span, &depth))
		if (span->orphan)
			check_fail(check, CHECK_PARENTS, span,
				   "its parent %.40s is not in the file", span->parent_id);
}

/* The root, or what came first below the root that `spanring run` opened. */
static const struct archive_span *first_span(struct check *check,
					     const struct archive_trace *trace)
{
	const struct archive_span *root = trace->root;

	while (root && root->orphan)
		root = root->next;
	if (!root || !root->wraps)
		return root;
	if (!root->child)
		check_fail(check, CHECK_FIRST_SPAN, root, "the command made no span");
	return root->child;
}

static void check_first(struct check *check, const struct archive_trace *trace)
{
	const struct archive_span *first = first_span(check, trace);
	json_t *whole;

	if (!first)
		return;
	whole = archive_span_load(check->file, first);
	if (strcmp(kind_of(first), "AGENT") != 0)
		check_fail(check, CHECK_FIRST_KIND, first, KIND " is \"%.32s\", not AGENT",
			   kind_of(first));
	if (is_blank(otlp_text(whole, "user_goal")))
		check_fail(check, CHECK_FIRST_GOAL, first, "user_goal is %s",
			   otlp_attribute(whole, "user_goal") ? "blank" : "missing");
	json_decref(whole);
}

static void check_kind_value(struct check *check, const struct archive_span *span,
			     json_t *whole)
{
	static const char *const values[] = {"AGENT",	  "LLM",       "CHAIN",	   "TOOL",
					     "EMBEDDING", "RETRIEVER", "RERANKER", "GUARDRAIL",
					     "EVALUATOR", "PROMPT"};

	if (!otlp_attribute(whole, KIND))
		return;
	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++)
		if (strcmp(kind_of(span), values[i]) == 0)
			return;
	check_fail(check, CHECK_KIND_VALUE, span, KIND " is \"%.32s\"", kind_of(span));
}

/* Operations that call a model for text; agents and tools have none. */
static bool is_model_call(const struct archive_span *span)
{
	static const char *const operations[] = {"chat", "text_completion", "generate_content"};

	for (size_t i = 0; span->operation && i < sizeof(operations) / sizeof(operations[0]);
	     i++)
		if (strcmp(span->operation, operations[i]) == 0)
			return true;
	return false;
}

static void check_llm(struct check *check, const struct archive_span *span, json_t *whole)
{
	static const char *const tokens[] = {"gen_ai.usage.input_tokens",
					     "gen_ai.usage.output_tokens"};
	bool is_llm = strcmp(kind_of(span), "LLM") == 0;
	int64_t count;

	if (!is_llm && !is_model_call(span))
		return;
	if (!is_llm)
		check_fail(check, CHECK_LLM_KIND, span, KIND " is \"%.32s\", not LLM",
			   kind_of(span));
	if (is_blank(otlp_text(whole, "gen_ai.request.model")))
		check_fail(check, CHECK_LLM_MODEL, span, "gen_ai.request.model is missing");
	if (is_blank(otlp_text(whole, "gen_ai.system")) &&
	    is_blank(otlp_text(whole, "gen_ai.provider.name")))
		check_fail(check, CHECK_LLM_SYSTEM, span,
			   "gen_ai.system and gen_ai.provider.name are missing");
	if (span->status == 2)
		return; /* a call that failed has no usage */
	for (size_t i = 0; i < 2; i++)
		if (!otlp_int(whole, tokens[i], &count) || count < 0)
			check_fail(check, CHECK_LLM_TOKENS, span, "%s is missing", tokens[i]);
}

void check_run_span(struct check *check, const struct archive_span *span, json_t *whole)
{
	check_kind_value(check, span, whole);
	check_llm(check, span, whole);
}

void check_run(struct check *check)
{
	for (size_t i = 0; i < check->file->trace_count; i++) {
		check_tree(check, &check->file->traces[i]);
		check_first(check, &check->file->traces[i]);
	}
}
