#include "redact_look.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "opentelemetry/proto/common/v1/common.pb-c.h"
#include "opentelemetry/proto/resource/v1/resource.pb-c.h"
#include "opentelemetry/proto/trace/v1/trace.pb-c.h"
#include "otlp/json_read.h"
#include "redact/message.h"
#include "redact/value.h"

#define DEPTH_MAX 100

static const struct bytes no_key = {NULL, 0};

/* ---- texts --------------------------------------------------------------------- */

static int look_at_text(struct redact_look *look, const struct redact_scope *scope,
			struct bytes text)
{
	if (redact_text_stays(look->redactor, scope, text))
		return 0;
	buf_reset(&look->out);
	return redact_write_text(look->redactor, &look->out, scope, text) < 0 ? -ENOMEM : 0;
}

static int look_at_plain(struct redact_look *look, const char *place, struct bytes text)
{
	struct redact_scope plain = redact_scope_plain(look->redactor);

	redactor_at(look->redactor, place, no_key);
	return look_at_text(look, &plain, text);
}

/* ---- OTLP ---------------------------------------------------------------------- */

static int explain(const struct redact_look *look, const struct otlp_json_error *error, int r,
		   char *ret_reason, size_t size)
{
	if (r == -EBADMSG || r == -ELOOP)
		(void)snprintf(ret_reason, size,
			       "%s: the document in line %llu is no OTLP/JSON: %s: %s",
			       look->path, (unsigned long long)redact_look_line(look, no_key),
			       error->path, error->reason);
	return r == -ELOOP ? -EBADMSG : r;
}

static int look_at_message(struct redact_look *look, const ProtobufCMessageDescriptor *type,
			   json_t *value, char *ret_reason, size_t size)
{
	struct otlp_json_error error = {.reason = ""};
	int r;

	if (!value)
		return 0;
	buf_reset(&look->message);
	r = otlp_json_read(&look->message, type, value, &error);
	if (r < 0)
		return explain(look, &error, r, ret_reason, size);
	if (redact_message_stays(look->redactor, type, buf_bytes(&look->message)))
		return 0;
	buf_reset(&look->out);
	return redact_message_write(look->redactor, &look->out, type,
				    buf_bytes(&look->message));
}

static int look_at_string(struct redact_look *look, const char *place, json_t *value)
{
	struct bytes text = {(const uint8_t *)json_string_value(value),
			     json_string_length(value)};

	return json_is_string(value) ? look_at_plain(look, place, text) : 0;
}

static int look_at_spans(struct redact_look *look, json_t *scope_spans, char *ret_reason,
			 size_t size)
{
	json_t *span;
	size_t i;
	int r = look_at_message(
		look, &opentelemetry__proto__common__v1__instrumentation_scope__descriptor,
		json_object_get(scope_spans, "scope"), ret_reason, size);

	if (r == 0)
		r = look_at_string(look, "ScopeSpans.schema_url",
				   json_object_get(scope_spans, "schemaUrl"));
	json_array_foreach (json_object_get(scope_spans, "spans"), i, span) {
		if (r < 0)
			break;
		look->span_id = json_string_value(json_object_get(span, "spanId"));
		look->trace_id = json_string_value(json_object_get(span, "traceId"));
		r = look_at_message(look, &opentelemetry__proto__trace__v1__span__descriptor,
				    span, ret_reason, size);
	}
	look->span_id = look->trace_id = NULL;
	return r;
}

static int look_at_otlp(struct redact_look *look, json_t *document, char *ret_reason,
			size_t size)
{
	json_t *resource_spans, *scope_spans;
	size_t i, k;
	int r = 0;

	json_array_foreach (json_object_get(document, "resourceSpans"), i, resource_spans) {
		if (r == 0)
			r = look_at_message(
				look, &opentelemetry__proto__resource__v1__resource__descriptor,
				json_object_get(resource_spans, "resource"), ret_reason, size);
		if (r == 0)
			r = look_at_string(look, "ResourceSpans.schema_url",
					   json_object_get(resource_spans, "schemaUrl"));
		json_array_foreach (json_object_get(resource_spans, "scopeSpans"), k,
				    scope_spans)
			if (r == 0)
				r = look_at_spans(look, scope_spans, ret_reason, size);
	}
	return r;
}

/* ---- other JSON ------------------------------------------------------------------ */

static int look_at_json(struct redact_look *look, const struct redact_scope *outer,
			json_t *value, unsigned depth);

static enum redact_kind kind_of(const json_t *value)
{
	if (json_is_string(value))
		return REDACT_IS_TEXT;
	if (json_is_number(value))
		return REDACT_IS_NUMBER;
	return json_is_object(value) || json_is_array(value) ? REDACT_IS_MANY : REDACT_IS_TRUTH;
}

/* A member of an object, as an attribute of that key would be. */
static int look_at_member(struct redact_look *look, const struct redact_scope *outer,
			  const char *key, json_t *value, unsigned depth)
{
	struct redact_scope scope = redact_scope_inside(look->redactor, outer, bytes_of(key));
	struct bytes text = {(const uint8_t *)json_string_value(value),
			     json_is_string(value) ? json_string_length(value) : 0};
	int whole = redact_taken_whole(look->redactor, &scope, kind_of(value), text);

	redactor_at(look->redactor, "JSON", bytes_of(key));
	if (redact_key_changes(look->redactor, bytes_of(key))) {
		buf_reset(&look->out);
		if (redactor_write_key(look->redactor, &look->out, bytes_of(key)) < 0)
			return -ENOMEM;
	}
	if (whole < 0)
		return look_at_json(look, &scope, value, depth);
	redactor_note_dropped(look->redactor, (uint32_t)whole, text);
	return 0;
}

static int look_at_json(struct redact_look *look, const struct redact_scope *outer,
			json_t *value, unsigned depth)
{
	struct redact_scope element = redact_scope_element(outer);
	const char *key;
	json_t *inner;
	size_t i;
	int r = 0;

	if (depth == 0)
		return 0;
	if (json_is_string(value))
		return look_at_text(look, outer,
				    (struct bytes){(const uint8_t *)json_string_value(value),
						   json_string_length(value)});
	json_object_foreach (value, key, inner)
		if (r == 0)
			r = look_at_member(look, outer, key, inner, depth - 1);
	json_array_foreach (value, i, inner)
		if (r == 0)
			r = look_at_json(look, &element, inner, depth - 1);
	return r;
}

/* ---- the file -------------------------------------------------------------------- */

static bool is_space(uint8_t c)
{
	return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

static int look_at_document(struct redact_look *look, json_t *document, char *ret_reason,
			    size_t size)
{
	struct redact_scope plain = redact_scope_plain(look->redactor);

	redactor_at(look->redactor, "JSON", no_key);
	if (json_object_get(document, "resourceSpans"))
		return look_at_otlp(look, document, ret_reason, size);
	return look_at_json(look, &plain, document, DEPTH_MAX);
}

/* 1: one was there. 0: none, `*at` is where what is no JSON begins. */
static int next_document(struct redact_look *look, size_t *at, char *ret_reason, size_t size)
{
	json_error_t error;
	json_t *document;
	int r;

	while (*at < look->text.len && is_space(look->text.at[*at]))
		(*at)++;
	if (*at == look->text.len || (look->text.at[*at] != '{' && look->text.at[*at] != '['))
		return 0;
	document = json_loadb((const char *)look->text.at + *at, look->text.len - *at,
			      JSON_DISABLE_EOF_CHECK | JSON_ALLOW_NUL, &error);
	if (!document)
		return 0;
	look->document_at = *at;
	look->documents++;
	*at += (size_t)error.position;
	r = look_at_document(look, document, ret_reason, size);
	json_decref(document);
	return r < 0 ? r : 1;
}

int redact_look(struct redact_look *look, char *ret_reason, size_t size)
{
	size_t at = 0;
	int r;

	(void)snprintf(ret_reason, size, "out of memory");
	do
		r = next_document(look, &at, ret_reason, size);
	while (r > 0);
	if (r < 0 || at == look->text.len)
		return r;
	/* A last line that is cut off, or a file that is no JSON. */
	look->document_at = at;
	return look_at_plain(look, look->documents ? "text behind JSON" : "text",
			     (struct bytes){look->text.at + at, look->text.len - at});
}

void redact_look_fini(struct redact_look *look)
{
	buf_fini(&look->out);
	buf_fini(&look->message);
}

uint64_t redact_look_line(const struct redact_look *look, struct bytes found)
{
	size_t end = look->document_at;
	uint64_t line = 1;

	if (found.at >= look->text.at && found.at < look->text.at + look->text.len)
		end = (size_t)(found.at - look->text.at);
	for (size_t i = 0; i < end; i++)
		line += look->text.at[i] == '\n';
	return line;
}
