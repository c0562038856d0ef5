/* The same for machines. Spans are a list in the order of the tree, not nested,
 * so that a deep one needs no deep reader; each is written as it is made, so that
 * a run of any size can be. */
#include "show.h"

#include <errno.h>
#include <stdlib.h>

#include "run_facts.h"
#include "run_sums.h"
#include "span_tree.h"

static json_t *text_json(const char *text)
{
	/* Data of an archive was read from JSON, so it is UTF-8. */
	return json_string(text);
}

static const char *status_name(int status)
{
	return status == 2 ? "error" : status == 1 ? "ok" : "unset";
}

static void put_number(json_t *object, const char *key, uint64_t number)
{
	(void)json_object_set_new(object, key, json_integer((json_int_t)number));
}

static void put_optional(json_t *object, const char *key, const char *text)
{
	if (text && *text)
		(void)json_object_set_new(object, key, text_json(text));
}

static void put_tokens(json_t *object, int64_t input, int64_t output)
{
	put_number(object, "inputTokens", (uint64_t)(input < 0 ? 0 : input));
	put_number(object, "outputTokens", (uint64_t)(output < 0 ? 0 : output));
}

/* --- spans -------------------------------------------------------------- */

static void put_message(const struct show *show, const struct archive_span *span,
			json_t *object)
{
	json_t *whole;

	if (span->status == 0)
		return;
	whole = archive_span_load(show->file, span);
	put_optional(object, "message",
		     json_string_value(
			     json_object_get(json_object_get(whole, "status"), "message")));
	json_decref(whole);
}

static json_t *span_json(const struct show *show, const struct archive_trace *trace,
			 const struct archive_span *span, unsigned depth)
{
	const struct span_time *time = &show->times.spans[span - show->file->spans];
	json_t *object = json_object();

	put_number(object, "depth", depth);
	(void)json_object_set_new(object, "name", text_json(span->name));
	(void)json_object_set_new(object, "spanId", text_json(span->span_id));
	put_optional(object, "parentSpanId", span->parent_id);
	(void)json_object_set_new(object, "module",
				  text_json(show->file->modules[span->module].name));
	put_number(object, "startNs", span->start_ns - trace->start_ns);
	put_number(object, "durationNs", span->end_ns - span->start_ns);
	put_number(object, "selfNs", time->self_ns);
	put_number(object, "criticalNs", time->critical_ns);
	(void)json_object_set_new(object, "status", text_json(status_name(span->status)));
	put_message(show, span, object);
	put_optional(object, "endReason", span->end_reason);
	put_optional(object, "kind", span->kind);
	put_optional(object, "model", span->model);
	if (span->turn >= 0)
		put_number(object, "turn", (uint64_t)span->turn);
	if (span->attempt >= 0)
		put_number(object, "attempt", (uint64_t)span->attempt);
	if (span->orphan)
		(void)json_object_set_new(object, "orphan", json_true());
	if (archive_span_has_tokens(span))
		put_tokens(object, span->input_tokens, span->output_tokens);
	return object;
}

/* --- the summary -------------------------------------------------------- */

static json_t *models_json(const struct usage *usage)
{
	json_t *list = json_array();

	for (size_t i = 0; i < usage->model_count; i++) {
		const struct usage_model *model = &usage->models[i];
		json_t *object = json_object();

		/* null: it was not said. */
		(void)json_object_set_new(object, "model",
					  !model->model	   ? text_json("(others)")
					  : !*model->model ? json_null()
							   : text_json(model->model));
		put_number(object, "calls", model->calls);
		put_tokens(object, model->input_tokens, model->output_tokens);
		put_number(object, "errors", model->errors);
		put_number(object, "retries", model->retries);
		put_number(object, "timeNs", model->time_ns);
		(void)json_array_append_new(list, object);
	}
	return list;
}

static json_t *ranked_json(const struct show *show, const struct archive_trace *trace,
			   const struct archive_span *span)
{
	const struct archive_span *turn = show_turn(span);
	json_t *object = span_json(show, trace, span, 0);

	(void)json_object_del(object, "depth");
	if (turn && turn != span) {
		put_number(object, "turn", (uint64_t)turn->turn);
		put_optional(object, "turnSpanId", turn->span_id);
	}
	if (span->parent)
		put_optional(object, "parent", span->parent->name);
	return object;
}

static int put_ranks(const struct show *show, const struct archive_trace *trace,
		     enum show_rank rank, json_t *object, const char *key)
{
	struct show_ranks ranks;
	json_t *list;
	int r;

	r = show_rank(show, trace, rank, &ranks);
	if (r < 0)
		return r;
	list = json_array();
	for (size_t i = 0; i < ranks.count; i++)
		(void)json_array_append_new(list, ranked_json(show, trace, ranks.spans[i]));
	(void)json_object_set_new(object, key, list);
	free(ranks.spans);
	return 0;
}

static int summary_json(const struct show *show, const struct archive_trace *trace,
			const struct usage *usage, json_t *object)
{
	json_t *summary = json_object(), *critical = json_object();
	uint64_t calls, others;
	struct show_short few;
	int r;

	(void)json_object_set_new(object, "summary", summary);
	(void)json_object_set_new(summary, "models", models_json(usage));
	show_critical(show, trace, &calls, &others);
	put_number(critical, "callsNs", calls);
	put_number(critical, "othersNs", others);
	put_number(critical, "gapNs", show->times.gap_ns[trace - show->file->traces]);
	(void)json_object_set_new(summary, "criticalPath", critical);
	r = put_ranks(show, trace, SHOW_SLOWEST, summary, "slowest");
	if (r >= 0)
		r = put_ranks(show, trace, SHOW_WIDEST, summary, "widestPrompts");
	show_short(trace, &few);
	put_number(summary, "shortSpans", few.count);
	return r;
}

/* --- traces ------------------------------------------------------------- */

static int head_json(const struct show *show, const struct archive_trace *trace, json_t *object)
{
	struct run_sums sums;
	struct usage usage;
	int r;

	run_sums_find(&sums, show->file, trace);
	(void)json_object_set_new(object, "traceId", text_json(trace->trace_id));
	(void)json_object_set_new(object, "service", text_json(sums.service));
	put_number(object, "startUnixNano", trace->start_ns);
	put_number(object, "durationNs", trace->end_ns - trace->start_ns);
	put_number(object, "spanCount", trace->spans);
	put_number(object, "roots", trace->roots);
	put_number(object, "orphans", trace->orphans);
	put_number(object, "processes", sums.modules);
	put_number(object, "errors", sums.errors);
	put_number(object, "closedByAgent", sums.closed);
	r = usage_find(&usage, trace);
	if (r >= 0 && usage.has_tokens)
		put_tokens(object, usage.input_tokens, usage.output_tokens);
	if (r >= 0 && !show->no_summary)
		r = summary_json(show, trace, &usage, object);
	usage_free(&usage);
	return r;
}

/* What the agent knows of the process, not what the process says. */
static void put_owner(json_t *object, json_t *resource)
{
	int64_t number;

	if (otlp_int(resource, "spanring.uid", &number))
		(void)json_object_set_new(object, "uid", json_integer(number));
	if (otlp_int(resource, "spanring.pid", &number))
		(void)json_object_set_new(object, "pid", json_integer(number));
}

static json_t *modules_json(const struct archive_file *file)
{
	json_t *list = json_array();

	for (size_t i = 0; i < file->module_count; i++) {
		json_t *object = json_object();

		(void)json_object_set_new(object, "name", text_json(file->modules[i].name));
		put_optional(object, "instance", file->modules[i].instance);
		put_owner(object, file->modules[i].resource);
		put_number(object, "spanCount", file->modules[i].spans);
		(void)json_array_append_new(list, object);
	}
	return list;
}

/* What the file says of its run. */
static void put_facts(const struct show *show, json_t *head)
{
	struct run_facts facts;
	json_t *object;

	run_facts_read(&facts,
		       show->file->module_count ? show->file->modules[0].resource : NULL);
	if (!facts.present)
		return;
	object = json_object();
	put_optional(object, "name", facts.name);
	put_optional(object, "goal", facts.goal);
	(void)json_object_set_new(object, "complete", json_boolean(facts.complete));
	if (!facts.complete)
		(void)json_object_set_new(object, "incompleteReason",
					  run_facts_list(facts.incomplete_reason));
	(void)json_object_set_new(object, "exitCodes", run_facts_list(facts.exit_codes));
	put_number(object, "droppedSpans", (uint64_t)facts.dropped_spans);
	put_number(object, "droppedRecords", (uint64_t)facts.dropped_records);
	(void)json_object_set_new(head, "run", object);
}

/* --- writing ------------------------------------------------------------ */

/* Appends it, without the brace that closes it where more is to come. The value is
 * taken. */
static int put_value(struct show *show, json_t *value, bool open)
{
	char *text = json_dumps(value, JSON_COMPACT);
	size_t len = text ? strlen(text) : 0;

	json_decref(value);
	if (!text)
		return -ENOMEM;
	terminal_json(&show->out, (struct bytes){(uint8_t *)text, open ? len - 1 : len});
	free(text);
	return 0;
}

static int put_spans(struct show *show, const struct archive_trace *trace)
{
	unsigned depth = 0;
	int r = 0;

	(void)buf_append_text(&show->out, ",\n\"spans\":[\n");
	for (struct archive_span *span = trace->root; span && r >= 0;) {
		r = put_value(show, span_json(show, trace, span, depth), false);
		span = span_tree_next(span, &depth);
		(void)buf_append_text(&show->out, span ? ",\n" : "\n");
		show_flush(show);
	}
	(void)buf_append_text(&show->out, "]");
	return r;
}

static int put_trace(struct show *show, const struct archive_trace *trace)
{
	json_t *head = json_object();
	int r;

	r = head_json(show, trace, head);
	if (r < 0) {
		json_decref(head);
		return r;
	}
	r = put_value(show, head, true);
	if (r >= 0 && !show->no_tree)
		r = put_spans(show, trace);
	(void)buf_append_text(&show->out, "}");
	return r;
}

int show_json(struct show *show)
{
	json_t *head = json_object();
	bool first = true;
	int r;

	(void)json_object_set_new(head, "file", json_string_nocheck(show->file->path));
	(void)json_object_set_new(head, "complete", json_boolean(!show->file->torn));
	put_facts(show, head);
	(void)json_object_set_new(head, "modules", modules_json(show->file));
	r = run_times_find(&show->times, show->file);
	if (r < 0)
		json_decref(head);
	else
		r = put_value(show, head, true);
	(void)buf_append_text(&show->out, ",\n\"traces\":[");
	for (size_t i = 0; i < show->file->trace_count && r >= 0; i++) {
		const struct archive_trace *trace = &show->file->traces[i];

		if (show->trace_id && strcmp(show->trace_id, trace->trace_id) != 0)
			continue;
		(void)buf_append_text(&show->out, first ? "\n" : ",\n");
		first = false;
		r = put_trace(show, trace);
	}
	(void)buf_append_text(&show->out, "]}\n");
	return r;
}
