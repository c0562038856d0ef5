#include "redact/redact.h"

#include <errno.h>

#include "opentelemetry/proto/common/v1/common.pb-c.h"
#include "opentelemetry/proto/resource/v1/resource.pb-c.h"
#include "opentelemetry/proto/trace/v1/trace.pb-c.h"
#include "redact/message.h"
#include "redact/records.h"
#include "redact/value.h"
#include "wire/record.h"

/* One huge value does not keep its memory for good. */
#define OUT_KEPT_BYTES ((size_t)4 << 20)

int redact_init(struct redact *redact, const struct redact_settings *settings,
		struct redact_fault *ret_fault)
{
	int r;

	*redact = (struct redact){.counters.enabled = settings->enabled};
	if (!settings->enabled)
		return 0;
	r = redactor_new(&redact->redactor, settings, ret_fault);
	if (r == 0)
		redact->counters.interpreted = !redact->redactor->rules.jit;
	return r;
}

void redact_fini(struct redact *redact)
{
	redactor_free(redact->redactor);
	buf_fini(&redact->out);
	buf_fini(&redact->heads[0]);
	buf_fini(&redact->heads[1]);
	*redact = (struct redact){.redactor = NULL};
}

/* ---- what comes from rings --------------------------------------------------- */

static bool slice_stays(struct redactor *redactor, struct bytes records)
{
	for (size_t at = 0; at < records.len;
	     at += record_padded(record_head(records.at + at).length))
		if (!redact_record_stays(redactor, records.at + at))
			return false;
	return true;
}

/* Its place in the buffer is an offset until all are written: the buffer moves. */
static int write_slice(struct redactor *redactor, struct buf *out, struct bytes records)
{
	for (size_t at = 0; at < records.len;) {
		const uint8_t *record = records.at + at;
		uint32_t padded = record_padded(record_head(record).length);
		int r = redact_record_stays(redactor, record)
				? buf_append(out, record, padded)
				: redact_record_write(redactor, out, record);

		if (r < 0)
			return r;
		at += padded;
	}
	return 0;
}

static int push_slices(struct redact *redact, struct slice *slices, uint32_t n)
{
	struct redactor *redactor = redact->redactor;
	int r = 0;

	for (uint32_t i = 0; r == 0 && i < n; i++) {
		size_t begin = redact->out.len;

		if (slice_stays(redactor, slices[i].records))
			continue;
		r = write_slice(redactor, &redact->out, slices[i].records);
		slices[i].records.at = NULL;
		slices[i].records.len = redact->out.len - begin;
	}
	return r;
}

int redact_push(struct redact *redact, struct slice *slices, uint32_t n)
{
	size_t at = 0;
	int r;

	redact->offered = 0;
	for (uint32_t i = 0; i < n; i++)
		redact->offered += slices[i].record_count;
	if (!redact->redactor)
		return 0;
	redactor_forgotten(redact->redactor);
	buf_keep(&redact->out, OUT_KEPT_BYTES);
	r = push_slices(redact, slices, n);
	if (r < 0)
		return -ENOMEM;
	for (uint32_t i = 0; i < n; i++) {
		if (slices[i].records.at || !slices[i].records.len)
			continue;
		slices[i].records.at = redact->out.at + at;
		at += slices[i].records.len;
	}
	return 0;
}

/* ---- what came finished ------------------------------------------------------ */

/* Changes *message, appending to `out`. 1: changed. 0: not. -ENOMEM. What is no
 * message is emptied. */
static int change(struct redactor *redactor, struct buf *out,
		  const ProtobufCMessageDescriptor *type, struct bytes message)
{
	size_t begin = out->len;
	int r;

	if (redact_message_stays(redactor, type, message))
		return 0;
	r = redact_message_write(redactor, out, type, message);
	if (r == -EBADMSG) {
		out->len = begin;
		redactor_note_dropped(redactor, REDACT_UNDECIDED, message);
		r = 0;
	}
	return r < 0 ? r : 1;
}

static int change_text(struct redactor *redactor, struct buf *out, struct bytes text)
{
	struct redact_scope plain = redact_scope_plain(redactor);
	int r;

	if (redact_text_stays(redactor, &plain, text))
		return 0;
	redactor_at(redactor, "schema_url", (struct bytes){NULL, 0});
	r = redact_write_text(redactor, out, &plain, text);
	return r < 0 ? r : 1;
}

/* The parts of a span, each of which may come to lie in a buffer that moves while it
 * grows. */
enum { PART_SPAN, PART_RESOURCE, PART_SCOPE, PART_RESOURCE_URL, PART_SCOPE_URL, PARTS };

struct part {
	const ProtobufCMessageDescriptor *type; /* NULL: text */
	struct bytes *at;
	size_t begin, end;
	bool stays; /* that is known already */
	bool changed;
};

static void parts_of(struct part parts[PARTS], struct finished_span *span)
{
	const struct part all[PARTS] = {
		{.type = &opentelemetry__proto__trace__v1__span__descriptor, .at = &span->span},
		{.type = &opentelemetry__proto__resource__v1__resource__descriptor,
		 .at = &span->resource},
		{.type = &opentelemetry__proto__common__v1__instrumentation_scope__descriptor,
		 .at = &span->scope},
		{.at = &span->resource_schema_url},
		{.at = &span->scope_schema_url},
	};

	memcpy(parts, all, sizeof all);
}

static int change_parts(struct redactor *redactor, struct buf *out, struct part parts[PARTS])
{
	buf_keep(out, OUT_KEPT_BYTES);
	for (int i = 0; i < PARTS; i++) {
		struct part *part = &parts[i];
		int r = 0;

		part->begin = out->len;
		if (!part->stays)
			r = part->type ? change(redactor, out, part->type, *part->at)
				       : change_text(redactor, out, *part->at);
		if (r < 0)
			return -ENOMEM;
		part->changed = r > 0;
		part->end = out->len;
	}
	for (int i = 0; i < PARTS; i++)
		if (parts[i].changed)
			*parts[i].at = (struct bytes){out->at + parts[i].begin,
						      parts[i].end - parts[i].begin};
	return 0;
}

/* A sender says the same resource and scope with every span: one in which nothing was
 * found is not looked through again. */
static bool is_known(const struct buf *head, struct bytes message)
{
	return head->len && bytes_equal(buf_bytes(head), message);
}

static void learn(struct buf *head, const struct part *part)
{
	if (part->stays || part->changed)
		return;
	buf_reset(head);
	if (buf_append(head, part->at->at, part->at->len) < 0)
		buf_reset(head); /* so it is looked through again */
}

int redact_span(struct redact *redact, struct finished_span *span)
{
	struct part parts[PARTS];
	int r;

	redact->offered = 0;
	if (!redact->redactor)
		return 0;
	redactor_forgotten(redact->redactor);
	parts_of(parts, span);
	for (int i = 0; i < 2; i++)
		parts[PART_RESOURCE + i].stays =
			is_known(&redact->heads[i], *parts[PART_RESOURCE + i].at);
	r = change_parts(redact->redactor, &redact->out, parts);
	for (int i = 0; r == 0 && i < 2; i++)
		learn(&redact->heads[i], &parts[PART_RESOURCE + i]);
	return r;
}

static void count(struct redact *redact)
{
	uint64_t undecided = redact->totals.hits[REDACT_UNDECIDED];

	redactor_taken(redact->redactor, &redact->totals);
	redact->counters.changed = redact->totals.changed;
	redact->counters.dropped = redact->totals.dropped;
	redact->counters.undecided += redact->totals.hits[REDACT_UNDECIDED] - undecided;
}

void redact_taken(struct redact *redact)
{
	if (redact->offered)
		redact->counters.records += redact->offered;
	else
		redact->counters.received++;
	redact->offered = 0;
	if (redact->redactor)
		count(redact);
}

/* ---- for one sink ------------------------------------------------------------ */

int redact_sink_init(struct redact *redact, struct redact_sink *sink, const char *names,
		     struct bytes *ret_unknown)
{
	*sink = (struct redact_sink){.rules = 0};
	if (!names || !*names)
		return 0;
	if (!redact->redactor)
		return -EINVAL;
	return redactor_use(redact->redactor, names, &sink->rules, ret_unknown);
}

void redact_sink_fini(struct redact_sink *sink)
{
	buf_fini(&sink->out);
	sink->rules = 0;
}

int redact_for_sink(struct redact *redact, struct redact_sink *sink, struct finished_span *span)
{
	struct redactor *redactor = redact->redactor;
	struct part parts[PARTS];
	int r;

	if (!sink->rules)
		return 0;
	redactor_forgotten(redactor);
	redactor->active = sink->rules;
	parts_of(parts, span);
	r = change_parts(redactor, &sink->out, parts);
	redactor->active = redactor->everywhere;
	if (r == 0)
		count(redact);
	return r;
}

static int change_value(struct redactor *redactor, struct buf *out, struct bytes key,
			struct bytes text)
{
	struct redact_scope scope = redact_scope_of(redactor, key);
	int whole = redact_taken_whole(redactor, &scope, REDACT_IS_TEXT, text);

	return whole >= 0 ? redact_write_gone(redactor, out, (uint32_t)whole, text)
			  : redact_write_text(redactor, out, &scope, text);
}

int redact_text_for_sink(struct redact *redact, struct redact_sink *sink, struct bytes key,
			 struct bytes text, struct bytes *ret_text)
{
	struct redactor *redactor = redact->redactor;
	int r;

	*ret_text = text;
	if (!sink->rules)
		return 0;
	redactor_forgotten(redactor);
	redactor->active = sink->rules;
	buf_reset(&sink->out);
	r = change_value(redactor, &sink->out, key, text);
	redactor->active = redactor->everywhere;
	redactor_forgotten(redactor); /* the spans count it */
	if (r >= 0)
		*ret_text = buf_bytes(&sink->out);
	return r < 0 ? r : 0;
}

/* ---- numbers ----------------------------------------------------------------- */

bool redact_rule_view(const struct redact *redact, uint32_t i, const char **ret_name,
		      uint64_t *ret_hits, bool *ret_used)
{
	const struct redactor *redactor = redact->redactor;

	if (!redactor || i >= redactor->rules.count)
		return false;
	*ret_name = redactor->rules.of[i].name;
	*ret_hits = redact->totals.hits[i];
	*ret_used = redactor->ready >> i & 1;
	return true;
}
