#include "archive/document.h"

#include "archive/facts.h"
#include "opentelemetry/proto/common/v1/common.pb-c.h"
#include "opentelemetry/proto/resource/v1/resource.pb-c.h"
#include "opentelemetry/proto/trace/v1/trace.pb-c.h"
#include "otlp/json_parse.h"
#include "otlp/json_read.h"

#include <errno.h>

#define RESOURCE (&opentelemetry__proto__resource__v1__resource__descriptor)
#define SCOPE (&opentelemetry__proto__common__v1__instrumentation_scope__descriptor)
#define SPAN (&opentelemetry__proto__trace__v1__span__descriptor)

struct document {
	document_span_fn *each;
	void *arg;
	struct buf resource, scope, span;
	struct finished_span finished;
	struct document_result result;
};

static struct bytes schema_url(json_t *object)
{
	json_t *url = json_object_get(object, "schemaUrl");

	return (struct bytes){(const uint8_t *)json_string_value(url), json_string_length(url)};
}

int document_message(struct buf *out, const ProtobufCMessageDescriptor *type, json_t *value)
{
	int r;

	buf_reset(out);
	if (!value || json_is_null(value))
		return 1;
	r = otlp_json_read(out, type, value, NULL);
	if (r == -ENOMEM)
		return r;
	return r == 0;
}

static int read_span(struct document *document, json_t *value)
{
	struct span_facts facts;
	int r;

	r = document_message(&document->span, SPAN, value);
	if (r < 0)
		return r;
	if (!r || span_facts_read(&facts, buf_bytes(&document->span)) < 0) {
		document->result.unreadable++;
		return 0;
	}
	memcpy(document->finished.trace_id, facts.trace_id, 16);
	document->finished.span = buf_bytes(&document->span);
	r = document->each(document->arg, &document->finished);
	if (r >= 0)
		document->result.spans++;
	return r;
}

static int read_scope(struct document *document, json_t *value)
{
	json_t *span;
	size_t i;
	int r;

	r = document_message(&document->scope, SCOPE, json_object_get(value, "scope"));
	if (r <= 0) {
		document->result.unreadable += !r;
		return r;
	}
	document->finished.scope = buf_bytes(&document->scope);
	document->finished.scope_schema_url = schema_url(value);
	json_array_foreach (json_object_get(value, "spans"), i, span) {
		r = read_span(document, span);
		if (r < 0)
			return r;
	}
	return 0;
}

static int read_resource(struct document *document, json_t *value)
{
	json_t *scope;
	size_t i;
	int r;

	r = document_message(&document->resource, RESOURCE, json_object_get(value, "resource"));
	if (r <= 0) {
		document->result.unreadable += !r;
		return r;
	}
	document->finished.resource = buf_bytes(&document->resource);
	document->finished.resource_schema_url = schema_url(value);
	json_array_foreach (json_object_get(value, "scopeSpans"), i, scope) {
		r = read_scope(document, scope);
		if (r < 0)
			return r;
	}
	return 0;
}

static int read_resources(struct document *document, json_t *list)
{
	json_t *resource;
	size_t i;
	int r;

	json_array_foreach (list, i, resource) {
		r = read_resource(document, resource);
		if (r < 0)
			return r;
	}
	return 0;
}

int document_each(struct bytes text, document_span_fn *each, void *arg,
		  struct document_result *ret_result)
{
	struct document document = {.each = each, .arg = arg};
	json_t *root, *list;
	json_error_t error;
	int r;

	r = otlp_json_parse(&root, text, JSON_ALLOW_NUL, &error);
	if (r < 0)
		return r;
	r = -EBADMSG;
	list = json_object_get(root, "resourceSpans");
	if (json_is_array(list))
		r = read_resources(&document, list);
	if (r >= 0)
		*ret_result = document.result;
	json_decref(root);
	buf_fini(&document.resource);
	buf_fini(&document.scope);
	buf_fini(&document.span);
	return r;
}
