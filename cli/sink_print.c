#include "sink_print.h"

#include <errno.h>
#include <stdio.h>
#include <time.h>

#include "opentelemetry/proto/collector/trace/v1/trace_service.pb-c.h"
#include "otlp/bytes_text.h"
#include "otlp/json_print.h"
#include "otlp/pb.h"
#include "terminal.h"

#define REQUEST \
	(&opentelemetry__proto__collector__trace__v1__export_trace_service_request__descriptor)

/* Of a name or message, in a line for people. */
#define TEXT_BYTES_MAX 160

/* Field numbers of trace.proto, common.proto and resource.proto. */
enum {
	REQUEST_RESOURCE_SPANS = 1,
	RESOURCE_SPANS_RESOURCE = 1,
	RESOURCE_SPANS_SCOPE_SPANS = 2
};
enum { SCOPE_SPANS_SPANS = 2, RESOURCE_ATTRIBUTES = 1 };
enum { KEY_VALUE_KEY = 1, KEY_VALUE_VALUE = 2, ANY_VALUE_STRING = 1 };
enum { STATUS_MESSAGE = 2, STATUS_CODE = 3 };
enum {
	SPAN_TRACE_ID = 1,
	SPAN_SPAN_ID = 2,
	SPAN_PARENT_SPAN_ID = 4,
	SPAN_NAME = 5,
	SPAN_START = 7,
	SPAN_END = 8,
	SPAN_ATTRIBUTES = 9,
	SPAN_EVENTS = 11,
	SPAN_STATUS = 15,
};

struct sink_span {
	struct bytes trace_id, span_id, parent_span_id, name, status_message;
	uint64_t start_ns, end_ns, status;
	unsigned attributes, events;
};

typedef int field_fn(void *arg, const struct pb_field *field);

static int each_field(struct bytes message, field_fn *fn, void *arg)
{
	struct pb_reader reader = pb_read(message);
	struct pb_field field;
	int r;

	while ((r = pb_next(&reader, &field)) > 0) {
		r = fn(arg, &field);
		if (r < 0)
			return r;
	}
	return r;
}

static bool is_message(const struct pb_field *field, uint32_t number)
{
	return field->number == number && field->wire == PB_BYTES;
}

/* --- counting ------------------------------------------------------------- */

static int count_span(void *arg, const struct pb_field *field)
{
	uint64_t *spans = arg;

	*spans += is_message(field, SCOPE_SPANS_SPANS);
	return 0;
}

static int count_scope(void *arg, const struct pb_field *field)
{
	return is_message(field, RESOURCE_SPANS_SCOPE_SPANS)
		       ? each_field(field->bytes, count_span, arg)
		       : 0;
}

static int count_resource(void *arg, const struct pb_field *field)
{
	return is_message(field, REQUEST_RESOURCE_SPANS)
		       ? each_field(field->bytes, count_scope, arg)
		       : 0;
}

int sink_count(struct bytes request, uint64_t *ret_spans)
{
	uint64_t spans = 0;
	int r = each_field(request, count_resource, &spans);

	if (r == 0)
		*ret_spans = spans;
	return r;
}

/* --- reading -------------------------------------------------------------- */

static int status_field(void *arg, const struct pb_field *field)
{
	struct sink_span *span = arg;

	if (is_message(field, STATUS_MESSAGE))
		span->status_message = field->bytes;
	else if (field->number == STATUS_CODE && field->wire == PB_VARINT)
		span->status = field->value;
	return 0;
}

static void span_bytes_field(struct sink_span *span, const struct pb_field *field)
{
	switch (field->number) {
	case SPAN_TRACE_ID:
		span->trace_id = field->bytes;
		break;
	case SPAN_SPAN_ID:
		span->span_id = field->bytes;
		break;
	case SPAN_PARENT_SPAN_ID:
		span->parent_span_id = field->bytes;
		break;
	case SPAN_NAME:
		span->name = field->bytes;
		break;
	case SPAN_ATTRIBUTES:
		span->attributes++;
		break;
	case SPAN_EVENTS:
		span->events++;
		break;
	default:
		break;
	}
}

static int span_field(void *arg, const struct pb_field *field)
{
	struct sink_span *span = arg;

	if (is_message(field, SPAN_STATUS))
		return each_field(field->bytes, status_field, span);
	if (field->wire == PB_BYTES)
		span_bytes_field(span, field);
	else if (field->number == SPAN_START && field->wire == PB_FIXED64)
		span->start_ns = field->value;
	else if (field->number == SPAN_END && field->wire == PB_FIXED64)
		span->end_ns = field->value;
	return 0;
}

struct attribute {
	struct bytes key, text;
};

static int value_field(void *arg, const struct pb_field *field)
{
	struct attribute *attribute = arg;

	if (is_message(field, ANY_VALUE_STRING))
		attribute->text = field->bytes;
	return 0;
}

static int attribute_field(void *arg, const struct pb_field *field)
{
	struct attribute *attribute = arg;

	if (is_message(field, KEY_VALUE_KEY))
		attribute->key = field->bytes;
	else if (is_message(field, KEY_VALUE_VALUE))
		return each_field(field->bytes, value_field, attribute);
	return 0;
}

/* Keeps the text of `service.name`. */
static int resource_field(void *arg, const struct pb_field *field)
{
	struct attribute attribute = {0};
	struct bytes *service = arg;
	int r;

	if (!is_message(field, RESOURCE_ATTRIBUTES))
		return 0;
	r = each_field(field->bytes, attribute_field, &attribute);
	if (r == 0 && bytes_equal(attribute.key, bytes_of("service.name")))
		*service = attribute.text;
	return r;
}

/* --- printing ------------------------------------------------------------- */

struct printer {
	struct buf *out;
	struct bytes service;
};

static void print_text(struct buf *out, struct bytes text)
{
	static const struct terminal plain = {.columns = 0};
	bool cut = text.len > TEXT_BYTES_MAX;

	if (cut) {
		/* Not inside a character: back over its continuation bytes. */
		for (text.len = TEXT_BYTES_MAX; text.len && (text.at[text.len] & 0xc0) == 0x80;)
			text.len--;
	}
	(void)terminal_text(out, &plain, text, 0);
	if (cut)
		(void)buf_append_text(out, "...");
}

static void print_time(struct buf *out, uint64_t wall_ns)
{
	time_t seconds = (time_t)(wall_ns / 1000000000);
	struct tm tm;

	if (!gmtime_r(&seconds, &tm))
		memset(&tm, 0, sizeof(tm));
	(void)buf_printf(out, "%02d:%02d:%02d.%03u", tm.tm_hour, tm.tm_min, tm.tm_sec,
			 (unsigned)(wall_ns / 1000000 % 1000));
}

static void print_duration(struct buf *out, const struct sink_span *span)
{
	double ns = span->end_ns >= span->start_ns ? (double)(span->end_ns - span->start_ns)
						   : -(double)(span->start_ns - span->end_ns);
	double size = ns < 0 ? -ns : ns;

	if (size < 1e3)
		(void)buf_printf(out, "  %7.0f ns", ns);
	else if (size < 1e6)
		(void)buf_printf(out, "  %7.1f us", ns / 1e3);
	else if (size < 1e9)
		(void)buf_printf(out, "  %7.1f ms", ns / 1e6);
	else
		(void)buf_printf(out, "  %7.1f s ", ns / 1e9);
}

static void print_ids(struct buf *out, const struct sink_span *span)
{
	(void)buf_append_text(out, "  trace ");
	(void)bytes_text_hex(out, span->trace_id);
	(void)buf_append_text(out, " span ");
	(void)bytes_text_hex(out, span->span_id);
	if (!span->parent_span_id.len) {
		(void)buf_append_text(out, " root");
		return;
	}
	(void)buf_append_text(out, " in ");
	(void)bytes_text_hex(out, span->parent_span_id);
}

static void print_span(struct printer *printer, const struct sink_span *span)
{
	static const char *const statuses[] = {"  -    ", "  OK   ", "  ERROR"};
	struct buf *out = printer->out;

	print_time(out, span->start_ns);
	print_duration(out, span);
	(void)buf_append_text(out, statuses[span->status < 3 ? span->status : 0]);
	(void)buf_append_text(out, "  ");
	print_text(out, printer->service.len ? printer->service : bytes_of("?"));
	(void)buf_append_text(out, ": ");
	print_text(out, span->name);
	if (span->status_message.len) {
		(void)buf_append_text(out, " (");
		print_text(out, span->status_message);
		(void)buf_append_text(out, ")");
	}
	print_ids(out, span);
	(void)buf_printf(out, "  %u attributes, %u events\n", span->attributes, span->events);
}

static int print_scope_field(void *arg, const struct pb_field *field)
{
	struct sink_span span = {0};
	int r;

	if (!is_message(field, SCOPE_SPANS_SPANS))
		return 0;
	r = each_field(field->bytes, span_field, &span);
	if (r == 0)
		print_span(arg, &span);
	return r;
}

static int print_resource_field(void *arg, const struct pb_field *field)
{
	struct printer *printer = arg;

	if (is_message(field, RESOURCE_SPANS_RESOURCE))
		return each_field(field->bytes, resource_field, &printer->service);
	if (is_message(field, RESOURCE_SPANS_SCOPE_SPANS))
		return each_field(field->bytes, print_scope_field, printer);
	return 0;
}

static int print_request_field(void *arg, const struct pb_field *field)
{
	struct printer *printer = arg;

	printer->service = (struct bytes){NULL, 0};
	return is_message(field, REQUEST_RESOURCE_SPANS)
		       ? each_field(field->bytes, print_resource_field, printer)
		       : 0;
}

int sink_print_lines(struct buf *out, struct bytes request)
{
	struct printer printer = {.out = out};
	int r = each_field(request, print_request_field, &printer);

	return r == 0 && buf_failed(out) ? -ENOMEM : r;
}

int sink_print_json(struct buf *out, struct bytes request)
{
	struct buf json = BUF_INIT;
	int r = otlp_json_print(&json, REQUEST, request);

	if (r == 0)
		terminal_json(out, buf_bytes(&json));
	buf_fini(&json);
	return r < 0 ? r : buf_append_byte(out, '\n');
}
