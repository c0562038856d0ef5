/* The same for machines. Spans are a list in the order of the tree, not nested,
 * so that a deep one needs no deep reader. */
#include "show.h"

#include <errno.h>
#include <stdlib.h>

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

static json_t *nanoseconds(uint64_t ns)
{
	return json_integer((json_int_t)ns);
}

static void put_optional(json_t *object, const char *key, const char *text)
{
	if (text && *text)
		(void)json_object_set_new(object, key, text_json(text));
}

static json_t *span_json(const struct archive_file *file, const struct archive_trace *trace,
			 const struct archive_span *span, unsigned depth)
{
	json_t *object = json_object(), *status = json_object_get(span->span, "status");
	int64_t input, output;

	(void)json_object_set_new(object, "depth", json_integer(depth));
	(void)json_object_set_new(object, "name", text_json(span->name));
	(void)json_object_set_new(object, "spanId", text_json(span->span_id));
	put_optional(object, "parentSpanId", span->parent_id);
	(void)json_object_set_new(object, "module",
				  text_json(file->modules[span->module].name));
	(void)json_object_set_new(object, "startNs",
				  nanoseconds(span->start_ns - trace->start_ns));
	(void)json_object_set_new(object, "durationNs",
				  nanoseconds(span->end_ns - span->start_ns));
	(void)json_object_set_new(object, "status", text_json(status_name(span->status)));
	put_optional(object, "message", json_string_value(json_object_get(status, "message")));
	put_optional(object, "endReason", show_end_reason(span));
	put_optional(object, "model", otlp_text(span->span, "gen_ai.request.model"));
	if (span->orphan)
		(void)json_object_set_new(object, "orphan", json_true());
	if (show_tokens(span, &input, &output)) {
		(void)json_object_set_new(object, "inputTokens", json_integer(input));
		(void)json_object_set_new(object, "outputTokens", json_integer(output));
	}
	return object;
}

static json_t *spans_json(const struct archive_file *file, const struct archive_trace *trace)
{
	json_t *list = json_array();
	unsigned depth = 0;

	for (struct archive_span *span = trace->root; span; span = span_tree_next(span, &depth))
		(void)json_array_append_new(list, span_json(file, trace, span, depth));
	return list;
}

static json_t *trace_json(const struct archive_file *file, const struct archive_trace *trace)
{
	json_t *object = json_object();
	struct show_sums sums;

	show_sum(file, trace, &sums);
	(void)json_object_set_new(object, "traceId", text_json(trace->trace_id));
	(void)json_object_set_new(object, "service", text_json(sums.service));
	(void)json_object_set_new(object, "startUnixNano", nanoseconds(trace->start_ns));
	(void)json_object_set_new(object, "durationNs",
				  nanoseconds(trace->end_ns - trace->start_ns));
	(void)json_object_set_new(object, "spanCount", json_integer(trace->spans));
	(void)json_object_set_new(object, "roots", json_integer(trace->roots));
	(void)json_object_set_new(object, "orphans", json_integer(trace->orphans));
	(void)json_object_set_new(object, "processes", json_integer(sums.modules));
	(void)json_object_set_new(object, "errors", json_integer(sums.errors));
	(void)json_object_set_new(object, "closedByAgent", json_integer(sums.closed));
	if (sums.has_tokens) {
		(void)json_object_set_new(object, "inputTokens",
					  json_integer(sums.input_tokens));
		(void)json_object_set_new(object, "outputTokens",
					  json_integer(sums.output_tokens));
	}
	(void)json_object_set_new(object, "spans", spans_json(file, trace));
	return object;
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
		(void)json_object_set_new(object, "spanCount",
					  json_integer(file->modules[i].spans));
		(void)json_array_append_new(list, object);
	}
	return list;
}

int show_json(struct show *show)
{
	json_t *root = json_object(), *traces = json_array();
	char *text;

	(void)json_object_set_new(root, "file", json_string_nocheck(show->file->path));
	(void)json_object_set_new(root, "complete", json_boolean(!show->file->torn));
	(void)json_object_set_new(root, "modules", modules_json(show->file));
	for (size_t i = 0; i < show->file->trace_count; i++)
		(void)json_array_append_new(traces,
					    trace_json(show->file, &show->file->traces[i]));
	(void)json_object_set_new(root, "traces", traces);
	text = json_dumps(root, JSON_INDENT(2));
	json_decref(root);
	if (!text)
		return -ENOMEM;
	terminal_json(&show->out, bytes_of(text));
	(void)buf_append_text(&show->out, "\n");
	free(text);
	return 0;
}
