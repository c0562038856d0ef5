#include "export/console_text.h"

#include <errno.h>
#include <inttypes.h>
#include <time.h>

#include "opentelemetry/proto/collector/trace/v1/trace_service.pb-c.h"
#include "otlp/bytes_text.h"
#include "otlp/json_text.h"

typedef Opentelemetry__Proto__Common__V1__AnyValue any_value;
typedef Opentelemetry__Proto__Common__V1__KeyValue key_value;
typedef Opentelemetry__Proto__Trace__V1__ScopeSpans scope_spans;
typedef Opentelemetry__Proto__Trace__V1__Span span_message;

#define request_unpack \
	opentelemetry__proto__collector__trace__v1__export_trace_service_request__unpack
#define request_free \
	opentelemetry__proto__collector__trace__v1__export_trace_service_request__free_unpacked

#define NS_PER_S UINT64_C(1000000000)

static struct bytes bytes_of_field(ProtobufCBinaryData data)
{
	return (struct bytes){data.data, data.len};
}

/* With its quotes, and nothing in it that a terminal obeys: of UTF-8's controls JSON
 * lets those from U+0080 stand. */
static void put_text(struct buf *out, struct bytes text)
{
	size_t from = out->len;

	json_text_string(out, text);
	for (size_t i = from; i + 1 < out->len; i++)
		if (out->at[i] == 0xc2 && out->at[i + 1] < 0xa0)
			out->at[i] = out->at[i + 1] = '?';
	for (size_t i = from; i < out->len; i++)
		if (out->at[i] == 0x7f)
			out->at[i] = '?';
}

/* --- values ------------------------------------------------------------------ */

static void put_value(struct buf *out, const any_value *value);

static void put_pair(struct buf *out, const key_value *pair, const char *between)
{
	put_text(out, bytes_of(pair->key));
	(void)buf_append_text(out, between);
	put_value(out, pair->value);
}

static void put_list(struct buf *out, const Opentelemetry__Proto__Common__V1__ArrayValue *list)
{
	(void)buf_append_byte(out, '[');
	for (size_t i = 0; list && i < list->n_values; i++) {
		if (i)
			(void)buf_append_text(out, ", ");
		put_value(out, list->values[i]);
	}
	(void)buf_append_byte(out, ']');
}

static void put_map(struct buf *out, const Opentelemetry__Proto__Common__V1__KeyValueList *map)
{
	(void)buf_append_byte(out, '{');
	for (size_t i = 0; map && i < map->n_values; i++) {
		if (i)
			(void)buf_append_text(out, ", ");
		put_pair(out, map->values[i], ": ");
	}
	(void)buf_append_byte(out, '}');
}

/* As deep as a request may be, which was checked when the span came. */
static void put_value(struct buf *out, const any_value *value)
{
	switch (value ? value->value_case
		      : OPENTELEMETRY__PROTO__COMMON__V1__ANY_VALUE__VALUE__NOT_SET) {
	case OPENTELEMETRY__PROTO__COMMON__V1__ANY_VALUE__VALUE_STRING_VALUE:
		put_text(out, bytes_of(value->string_value));
		break;
	case OPENTELEMETRY__PROTO__COMMON__V1__ANY_VALUE__VALUE_BOOL_VALUE:
		(void)buf_append_text(out, value->bool_value ? "true" : "false");
		break;
	case OPENTELEMETRY__PROTO__COMMON__V1__ANY_VALUE__VALUE_INT_VALUE:
		json_text_int(out, value->int_value, false);
		break;
	case OPENTELEMETRY__PROTO__COMMON__V1__ANY_VALUE__VALUE_DOUBLE_VALUE:
		json_text_double(out, value->double_value);
		break;
	case OPENTELEMETRY__PROTO__COMMON__V1__ANY_VALUE__VALUE_ARRAY_VALUE:
		put_list(out, value->array_value);
		break;
	case OPENTELEMETRY__PROTO__COMMON__V1__ANY_VALUE__VALUE_KVLIST_VALUE:
		put_map(out, value->kvlist_value);
		break;
	case OPENTELEMETRY__PROTO__COMMON__V1__ANY_VALUE__VALUE_BYTES_VALUE:
		(void)bytes_text_base64(out, bytes_of_field(value->bytes_value));
		break;
	default:
		(void)buf_append_byte(out, '-');
	}
}

static void put_attributes(struct buf *out, key_value *const *attributes, size_t n,
			   const char *indent)
{
	for (size_t i = 0; i < n; i++) {
		(void)buf_append_text(out, indent);
		put_pair(out, attributes[i], " = ");
		(void)buf_append_byte(out, '\n');
	}
}

/* --- spans -------------------------------------------------------------------- */

static void put_time(struct buf *out, uint64_t unix_ns)
{
	time_t seconds = (time_t)(unix_ns / NS_PER_S);
	struct tm utc;

	if (!gmtime_r(&seconds, &utc))
		return;
	(void)buf_printf(out, "%04d-%02d-%02dT%02d:%02d:%02d.%06" PRIu64 "Z",
			 utc.tm_year + 1900, utc.tm_mon + 1, utc.tm_mday, utc.tm_hour,
			 utc.tm_min, utc.tm_sec, unix_ns % NS_PER_S / 1000);
}

static void put_id(struct buf *out, const char *name, ProtobufCBinaryData id)
{
	if (!id.len)
		return;
	(void)buf_append_text(out, name);
	(void)bytes_text_hex(out, bytes_of_field(id));
}

static const char *status_word(const span_message *span)
{
	switch (span->status ? (int)span->status->code : 0) {
	case OPENTELEMETRY__PROTO__TRACE__V1__STATUS__STATUS_CODE__STATUS_CODE_OK:
		return " OK";
	case OPENTELEMETRY__PROTO__TRACE__V1__STATUS__STATUS_CODE__STATUS_CODE_ERROR:
		return " ERROR";
	default:
		return "";
	}
}

static void put_span(struct buf *out, const span_message *span)
{
	uint64_t begin = span->start_time_unix_nano, end = span->end_time_unix_nano;

	put_time(out, begin);
	(void)buf_append_byte(out, ' ');
	put_text(out, bytes_of(span->name));
	(void)buf_printf(out, " %.3f ms%s", end > begin ? (double)(end - begin) / 1e6 : 0.0,
			 status_word(span));
	put_id(out, " trace=", span->trace_id);
	put_id(out, " span=", span->span_id);
	put_id(out, " parent=", span->parent_span_id);
	(void)buf_append_byte(out, '\n');
	if (span->status && *span->status->message) {
		(void)buf_append_text(out, "    status: ");
		put_text(out, bytes_of(span->status->message));
		(void)buf_append_byte(out, '\n');
	}
	put_attributes(out, span->attributes, span->n_attributes, "    ");
	for (size_t i = 0; i < span->n_events; i++) {
		(void)buf_append_text(out, "    event ");
		put_time(out, span->events[i]->time_unix_nano);
		(void)buf_append_byte(out, ' ');
		put_text(out, bytes_of(span->events[i]->name));
		(void)buf_append_byte(out, '\n');
		put_attributes(out, span->events[i]->attributes, span->events[i]->n_attributes,
			       "        ");
	}
}

static void put_spans(struct buf *out, const scope_spans *spans)
{
	for (size_t i = 0; i < spans->n_spans; i++)
		put_span(out, spans->spans[i]);
}

int console_text(struct buf *out, struct bytes bytes)
{
	Opentelemetry__Proto__Collector__Trace__V1__ExportTraceServiceRequest *request =
		request_unpack(NULL, bytes.len, bytes.at);

	if (!request)
		return -EBADMSG;
	for (size_t r = 0; r < request->n_resource_spans; r++)
		for (size_t s = 0; s < request->resource_spans[r]->n_scope_spans; s++)
			put_spans(out, request->resource_spans[r]->scope_spans[s]);
	request_free(request, NULL);
	return buf_failed(out) ? -ENOMEM : 0;
}
