/* From a whole request to spans. All of it is looked at before the first span is
 * handed on, so that bytes which are no request leave nothing behind. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <syslog.h>

#include "opentelemetry/proto/collector/trace/v1/trace_service.pb-c.h"
#include "otlp/check.h"
#include "otlp/pb.h"
#include "receive/stage.h"

/* Field numbers; in ResourceSpans and ScopeSpans the same ones. */
enum { REQUEST_RESOURCE_SPANS = 1 };
enum { HEAD = 1, CONTENT = 2, SCHEMA_URL = 3 };

/* A request on its way. */
struct intake {
	struct receive *stage;
	struct finished_span span; /* as far as it is known */
	struct buf joined[2];	   /* a resource or scope that came in pieces */
	uint64_t seen, spans, repeated, rejected_ids, rejected_limit, rejected_size;
};

/* What spans hang under: a message, and the text of its schema. Readers must take
 * fields in any order and join the pieces of one message, so this comes first. */
static int read_head(struct bytes message, struct buf *joined, struct bytes *ret_head,
		     struct bytes *ret_schema_url)
{
	struct pb_reader reader = pb_read(message);
	struct pb_field field;
	bool found = false;

	*ret_head = *ret_schema_url = (struct bytes){NULL, 0};
	buf_reset(joined);
	while (pb_next(&reader, &field) > 0) {
		if (field.wire != PB_BYTES)
			continue;
		if (field.number == SCHEMA_URL)
			*ret_schema_url = field.bytes;
		if (field.number != HEAD)
			continue;
		if (found && joined->len == 0)
			(void)buf_append(joined, ret_head->at, ret_head->len);
		if (found)
			(void)buf_append(joined, field.bytes.at, field.bytes.len);
		*ret_head = found ? buf_bytes(joined) : field.bytes;
		found = true;
	}
	return buf_failed(joined) ? -ENOMEM : 0;
}

static bool is_id(struct bytes id, size_t len)
{
	uint8_t any = 0;

	for (size_t i = 0; i < id.len; i++)
		any |= id.at[i];
	return id.len == len && any;
}

static bool ids_are_valid(const struct span_view *view)
{
	return is_id(view->trace_id, 16) && is_id(view->span_id, 8) &&
	       (view->parent_id.len == 0 || view->parent_id.len == 8);
}

/* -errno as of ops.span. */
static int hand_on(struct intake *intake, struct bytes span, const struct span_view *view)
{
	struct receive *stage = intake->stage;
	uint64_t key = recent_key(&stage->recent, view);
	int r;

	if (recent_has(&stage->recent, key)) {
		intake->repeated++;
		return 0;
	}
	intake->span.span = span;
	memcpy(intake->span.trace_id, view->trace_id.at, 16);
	r = stage->ops.span(stage->ops.arg, &intake->span);
	if (r == 0)
		recent_add(&stage->recent, key);
	intake->spans += r == 0;
	return r;
}

/* 0: it is done with, in whatever way. -ENOBUFS, -ENOMEM: not now. */
static int take_span(struct intake *intake, struct bytes span)
{
	struct span_view view = span_view_of(span);
	int r;

	intake->seen++;
	if (!ids_are_valid(&view)) {
		intake->rejected_ids++;
		return 0;
	}
	r = hand_on(intake, span, &view);
	intake->rejected_limit += r == -EDQUOT;
	intake->rejected_size += r == -E2BIG;
	return r == -EDQUOT || r == -E2BIG ? 0 : r;
}

static int take_scope(struct intake *intake, struct bytes scope_spans)
{
	struct pb_reader reader = pb_read(scope_spans);
	struct pb_field field;
	int r;

	r = read_head(scope_spans, &intake->joined[1], &intake->span.scope,
		      &intake->span.scope_schema_url);
	while (r >= 0 && pb_next(&reader, &field) > 0)
		if (field.number == CONTENT && field.wire == PB_BYTES)
			r = take_span(intake, field.bytes);
	return r;
}

static int take_resource(struct intake *intake, struct bytes resource_spans)
{
	struct pb_reader reader = pb_read(resource_spans);
	struct pb_field field;
	int r;

	r = read_head(resource_spans, &intake->joined[0], &intake->span.resource,
		      &intake->span.resource_schema_url);
	while (r >= 0 && pb_next(&reader, &field) > 0)
		if (field.number == CONTENT && field.wire == PB_BYTES)
			r = take_scope(intake, field.bytes);
	return r;
}

static int take_request(struct intake *intake, struct bytes message)
{
	struct pb_reader reader = pb_read(message);
	struct pb_field field;
	int r = 0;

	while (r >= 0 && pb_next(&reader, &field) > 0)
		if (field.number == REQUEST_RESOURCE_SPANS && field.wire == PB_BYTES)
			r = take_resource(intake, field.bytes);
	return r;
}

/* ---- before and after ------------------------------------------------------ */

/* The message as it can go on: itself, or repaired in the stage's scratch. */
static int make_sound(struct receive *stage, struct bytes *message,
		      struct otlp_faults *ret_faults)
{
	static const ProtobufCMessageDescriptor *const type =
		&opentelemetry__proto__collector__trace__v1__export_trace_service_request__descriptor;
	int r = otlp_check(type, *message, ret_faults);

	if (r < 0 || !otlp_faults_any(ret_faults))
		return r;
	buf_reset(&stage->scratch);
	r = otlp_repair(&stage->scratch, type, *message);
	if (r < 0)
		return r;
	*message = buf_bytes(&stage->scratch);
	return 0;
}

static void count_faults(struct receive *stage, const struct otlp_faults *faults)
{
	stage->counters.repaired_texts += faults->texts;
	stage->counters.repaired_deep += faults->deep;
	stage->counters.repaired_parents += faults->parents;
	stage->counters.repaired_names += faults->names;
	stage->counters.repaired_keys += faults->keys;
	stage->counters.dropped_owned += faults->owned;
	stage->counters.ignored_string_indexes += faults->strings;
	if (!faults->strings || stage->strings_said)
		return;
	stage->strings_said = true;
	stage_say(stage, LOG_WARNING,
		  "a sender uses string_value_strindex or key_strindex, which only profiles "
		  "may: treated as absent, counted, not said again");
}

static void count_spans(struct receive *stage, const struct intake *intake)
{
	stage->counters.seen_spans += intake->seen;
	stage->counters.spans += intake->spans;
	stage->counters.repeated_spans += intake->repeated;
	stage->counters.rejected_ids += intake->rejected_ids;
	stage->counters.rejected_limit += intake->rejected_limit;
	stage->counters.rejected_size += intake->rejected_size;
	stage->counters.refused_spans += intake->seen - intake->spans - intake->repeated -
					 intake->rejected_ids - intake->rejected_limit -
					 intake->rejected_size;
}

/* One sentence for each reason. */
static void explain(struct answer *answer, const struct intake *intake,
		    const struct otlp_faults *faults)
{
	const struct {
		uint64_t count;
		const char *why;
	} reasons[] = {
		{intake->rejected_ids, "spans whose trace, span or parent id is not valid"},
		{intake->rejected_limit, "spans over limits.run_spans, limits.user_runs or "
					 "limits.user_runs_per_second"},
		{intake->rejected_size, "spans too large for the log"},
		{faults->strings,
		 "values of the profiles' string table treated as absent (no span refused)"},
	};
	size_t len = 0;

	answer_fill(answer, ANSWER_OK, false, "%s", "");
	answer->rejected =
		intake->rejected_ids + intake->rejected_limit + intake->rejected_size;
	for (size_t i = 0; i < sizeof reasons / sizeof reasons[0]; i++)
		if (reasons[i].count && len < sizeof answer->text)
			len += (size_t)snprintf(answer->text + len, sizeof answer->text - len,
						"%s%llu %s", len ? "; " : "",
						(unsigned long long)reasons[i].count,
						reasons[i].why);
}

static void explain_failure(struct receive *stage, struct answer *answer, int error)
{
	if (error == -EBADMSG) {
		stage->counters.refused_malformed++;
		answer_fill(answer, ANSWER_INVALID_ARGUMENT, false,
			    "the body is not an ExportTraceServiceRequest");
		return;
	}
	stage->counters.refused_log++;
	answer_fill(answer, ANSWER_UNAVAILABLE, true, "the agent's log is full: %s",
		    strerror(-error));
}

void intake(struct receive *stage, struct bytes message, struct answer *ret_answer,
	    uint64_t *ret_spans)
{
	struct intake intake = {.stage = stage};
	struct otlp_faults faults;
	int r;

	r = make_sound(stage, &message, &faults);
	if (r == 0) {
		count_faults(stage, &faults);
		r = take_request(&intake, message);
		count_spans(stage, &intake);
	}
	if (r < 0)
		explain_failure(stage, ret_answer, r);
	else
		explain(ret_answer, &intake, &faults);
	*ret_spans = intake.spans + intake.repeated;
	buf_fini(&intake.joined[0]);
	buf_fini(&intake.joined[1]);
}
